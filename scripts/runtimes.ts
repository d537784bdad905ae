/**
 * The other runtimes: other versions of Node from the npm package `node`, Deno from the npm package `deno`.
 *
 * They are no development dependencies, for their `node` would stand first in the PATH of every npm script and
 * hide the Node that the user runs. They are installed below .cache/ when a script asks for them.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnToEnd } from './spawn.ts';

/** The versions of the package `node` that stand for Node 20, 22 and 24. */
export const NODE20_VERSION = '20.20.2';
export const NODE22_VERSION = '22.23.3';
export const NODE24_VERSION = '24.21.0';

/** Installs Node 24 below `root` unless it is there, and returns the path of its program. */
export function node24(root: string): Promise<string> {
  return nodeOf(root, NODE24_VERSION);
}

/** Installs a version of Node below `root` unless it is there, and returns the path of its program. */
export async function nodeOf(root: string, version: string): Promise<string> {
  const home = join(root, '.cache', `node-${version}`);
  const program = join(home, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (await works(program, version, root)) return program;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), `${JSON.stringify({ private: true, allowScripts: { node: true } })}\n`);
  const install = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', `node@${version}`];
  const ended = await spawnToEnd(npm(), install, { cwd: home, quiet: true });
  if (!(await works(program, version, root))) throw new Error(`node@${version} could not be installed:\n${ended.stdout}${ended.stderr}`);
  return program;
}

/** The version of the package `bun`. */
export const BUN_VERSION = '1.4.5';

/** Installs Bun below `root` unless it is there, and returns the path of its program. */
export async function bun(root: string): Promise<string> {
  const home = join(root, '.cache', `bun-${BUN_VERSION}`);
  const program = join(home, 'node_modules/bun/bin/bun.exe'); // of this name on all systems
  if (await works(program, BUN_VERSION, root)) return program;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), `${JSON.stringify({ private: true, allowScripts: { bun: true } })}\n`);
  const install = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', `bun@${BUN_VERSION}`];
  const ended = await spawnToEnd(npm(), install, { cwd: home, quiet: true });
  if (await works(program, BUN_VERSION, root)) return program;
  throw new Error(`bun@${BUN_VERSION} could not be installed:\n${ended.stdout}${ended.stderr}`);
}

/** npm's name on this system. */
export function npm(): string {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

/** The program of the npm package `deno`, and an environment that leaves the user's own Deno alone. */
export function deno(root: string): { command: string; env: NodeJS.ProcessEnv } {
  return {
    command: join(root, 'node_modules/.bin', process.platform === 'win32' ? 'deno.cmd' : 'deno'),
    env: {
      ...process.env, DENO_DIR: join(root, '.cache/deno'), DENO_NO_UPDATE_CHECK: '1', DENO_NO_PROMPT: '1', NO_COLOR: '1',
    },
  };
}

async function works(program: string, version: string, cwd: string): Promise<boolean> {
  if (!existsSync(program)) return false;
  const { stdout } = await spawnToEnd(program, ['--version'], { cwd, quiet: true });
  return stdout.trim().replace(/^v/, '') === version;
}
