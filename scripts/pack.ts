/** The package as strangers get it: packed from dist/, which `npm run build` has made, into .cache/pack. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './runtimes.ts';
import { spawnToEnd } from './spawn.ts';

/** The environment without what npm and tsx added to it for this script. */
export function bare(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^(npm_(lifecycle|package|execpath|command)|NODE_OPTIONS)/.test(name)) delete env[name];
  return env;
}

/** Runs a command quietly. @throws Error with what it printed, when it fails */
export async function must(what: string, command: string, args: readonly string[], cwd: string): Promise<string> {
  const ended = await spawnToEnd(command, args, { cwd, quiet: true, env: bare() });
  if (ended.code !== 0) throw new Error(`${what} failed:\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

/** Packs kernet: the path of the tarball. */
export async function pack(root: string): Promise<string> {
  if (!existsSync(join(root, 'dist/mod.js'))) throw new Error('there is no dist/: run npm run build first');
  const where = join(root, '.cache/pack');
  rmSync(where, { recursive: true, force: true });
  mkdirSync(where, { recursive: true });
  // The build has just been made; packing must not make another one.
  await must('npm pack', npm(), ['pack', '--silent', '--ignore-scripts', '--pack-destination', where], root);
  const tarball = readdirSync(where).find((f) => f.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack made no tarball');
  return join(where, tarball);
}
