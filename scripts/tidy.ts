/**
 * The rules that keep themselves.
 *
 *   from  test/tidy.test.ts     every file of the tree, and planted mistakes
 *   to    scripts/tidy/*        one file per kind of rule
 *
 * A finding is one line: `file:line: what is wrong → what to do instead`. Run it alone with
 * `node --import tsx scripts/tidy.ts [path prefix…]`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkBans } from './tidy/bans.ts';
import { checkConformance } from './tidy/conformance.ts';
import { checkCycles } from './tidy/cycles.ts';
import { checkImports } from './tidy/imports.ts';
import { checkShape } from './tidy/shape.ts';
import { parse, type Finding, type Source } from './tidy/source.ts';
import { checkUnusedNames } from './tidy/unused.ts';
import { checkWords } from './tidy/words.ts';

export type { Finding } from './tidy/source.ts';

/** The repository's root, with a slash at the end. */
export const ROOT: string = fileURLToPath(new URL('../', import.meta.url));

/** What a check needs to know of the package: the packages that an installed kernet has. */
export interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Checks a tree given as path → text, all paths relative to its root. */
export function tidy(files: ReadonlyMap<string, string>, pkg: Package = {}): Finding[] {
  const sources: Source[] = [];
  for (const [path, text] of files) if (isCode(path)) sources.push(parse(path, text));
  const installed = { ...pkg.dependencies, ...pkg.peerDependencies, ...pkg.optionalDependencies };
  const findings: Finding[] = [];
  for (const source of sources) {
    findings.push(...checkShape(source));
    if (source.room === '' || source.isTest) continue;
    findings.push(...checkImports(source, new Set(Object.keys(installed))));
    findings.push(...checkBans(source));
  }
  findings.push(...checkCycles(sources), ...checkUnusedNames(sources));
  findings.push(...checkConformance(files));
  for (const [path, text] of files) findings.push(...checkWords(path, text));
  return findings.sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
}

/** The text of every file that git tracks or would track. */
export function workingTree(root: string = ROOT): Map<string, string> {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const files = new Map<string, string>();
  for (const path of listing.toString().split('\0')) {
    const full = join(root, path);
    if (path === '' || !existsSync(full)) continue;
    const bytes = readFileSync(full);
    if (!bytes.includes(0)) files.set(path, bytes.toString());
  }
  return files;
}

/** One finding as one line, for people and editors. */
export function show(f: Finding): string {
  return `${f.path}:${f.line}: ${f.message}`;
}

function isCode(path: string): boolean {
  return /\.[cm]?ts$/.test(path) && !path.endsWith('.d.ts');
}

function main(prefixes: readonly string[]): void {
  const files = workingTree();
  const pkg = JSON.parse(files.get('package.json') ?? '{}') as Package;
  const found = tidy(files, pkg).filter((f) => prefixes.length === 0 || prefixes.some((p) => f.path.startsWith(p)));
  for (const f of found) console.log(show(f));
  console.log(found.length === 0 ? 'tidy' : `${found.length} findings`);
  process.exitCode = found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
