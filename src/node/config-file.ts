/**
 * The configuration file: `KERNET_CONFIG`, or the first `kernet.config.*` in the working directory or above it.
 *
 * Its default export is a configuration, or a function that returns one, perhaps later.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { checkConfig, type KernetConfig } from './config.ts';

/** In the order in which they are looked for. */
export const CONFIG_FILES: readonly string[] = [
  'kernet.config.ts', 'kernet.config.mts', 'kernet.config.js', 'kernet.config.mjs', 'kernet.config.json',
];

/** A configuration, and the directory that its paths are seen from. */
export interface LoadedConfig {
  readonly config: KernetConfig;
  readonly directory: string;
}

/** What a file says; an empty configuration when there is none. */
export async function loadConfig(env: NodeJS.ProcessEnv, cwd: string): Promise<LoadedConfig> {
  const given = env['KERNET_CONFIG']?.trim() ?? '';
  if (given === 'none') return { config: {}, directory: cwd };
  const path = given === '' ? findConfig(cwd) : resolve(cwd, given);
  if (path === null) return { config: {}, directory: cwd };
  if (!existsSync(path)) throw new TypeError(`KERNET_CONFIG: there is no file '${given}'; expected the path of a configuration, or none`);
  return { config: checkConfig(await read(path), path), directory: dirname(path) };
}

function findConfig(cwd: string): string | null {
  for (let dir = cwd; ; dir = dirname(dir)) {
    for (const name of CONFIG_FILES) if (existsSync(join(dir, name))) return join(dir, name);
    // A project ends where its package does.
    if (existsSync(join(dir, 'package.json')) || dirname(dir) === dir) return null;
  }
}

async function read(path: string): Promise<unknown> {
  try {
    if (extname(path) === '.json') return JSON.parse(readFileSync(path, 'utf8'));
    const { default: exported } = await import(pathToFileURL(path).href) as { default?: unknown };
    if (exported === undefined) throw new TypeError('it has no default export');
    return typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isTs = code === 'ERR_UNKNOWN_FILE_EXTENSION' || code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING';
    if (isTs) {
      throw new TypeError(`${path}: Node ${process.version} does not read TypeScript; use Node 22.18 or later, a loader `
        + '(--import tsx before kernet/register), or kernet.config.js', { cause: error });
    }
    throw new TypeError(`${path}: ${message}`, { cause: error });
  }
}
