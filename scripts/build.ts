/**
 * `npm run build`: dist/, as ES modules with declarations and source maps, one entry per public door.
 *
 * The compiler alone: files stay files, so that a stack trace in a user's test names the room. Afterwards every
 * door that package.json promises must exist, load, and be promised by deno.json as well.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spawnToEnd } from './spawn.ts';
import { ROOT } from './tidy.ts';

type Door = string | { readonly types: string; readonly default: string };

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, Door>>;
}

interface DenoManifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

async function main(): Promise<number> {
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const compiled = await spawnToEnd(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: ROOT });
  if (compiled.code !== 0) return complain(['the compiler found errors']);
  const doors = read<Manifest>('package.json').exports;
  const problems = [...missing(doors), ...differences(doors)];
  if (problems.length === 0) problems.push(...await loaded(doors));
  if (problems.length > 0) return complain(problems);
  console.log(`built dist/: ${Object.keys(doors).filter(isCode).join(' ')}`);
  return 0;
}

/** The files that exports promise and dist/ does not have. */
function missing(doors: Manifest['exports']): string[] {
  const files = Object.values(doors).flatMap((door) => (typeof door === 'string' ? [door] : [door.types, door.default]));
  return files.filter((file) => !existsSync(join(ROOT, file))).map((file) => `package.json exports ${file}, which does not exist`);
}

/** Where package.json and deno.json disagree. */
function differences(doors: Manifest['exports']): string[] {
  const deno = read<DenoManifest>('deno.json');
  const problems: string[] = [];
  if (deno.version !== read<Manifest>('package.json').version) problems.push('deno.json and package.json have different versions');
  for (const name of new Set([...Object.keys(doors).filter(isCode), ...Object.keys(deno.exports)])) {
    const ours = doors[name];
    const source = typeof ours === 'object' ? ours.default.replace('./dist/', './').replace(/\.js$/, '.ts') : undefined;
    const theirs = deno.exports[name];
    if (source !== theirs) problems.push(`${name} is ${source ?? 'no door'} in package.json and ${theirs ?? 'no door'} in deno.json`);
    if (theirs !== deno.imports[`kernet${name.slice(1)}`]) problems.push(`deno.json: exports and imports differ in ${name}`);
  }
  return problems;
}

/** Loads every door from dist/: an import that the compiler left unresolved ends here. */
async function loaded(doors: Manifest['exports']): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, door] of Object.entries(doors)) {
    if (typeof door === 'string') continue;
    const code = `await import(${JSON.stringify(pathToFileURL(join(ROOT, door.default)).href)})`;
    const ended = await spawnToEnd(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT, quiet: true });
    if (ended.code !== 0) problems.push(`${name} does not load:\n${ended.stderr}`);
  }
  return problems;
}

function isCode(name: string): boolean {
  return name !== './package.json';
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as T;
}

function complain(problems: readonly string[]): number {
  for (const problem of problems) console.error(`build: ${problem}`);
  return 1;
}

process.exitCode = await main();
