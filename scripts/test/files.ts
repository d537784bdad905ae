/** Which test files there are, and which of them a filter means. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Test files to run together, and a filter on the names of their tests (null: all of them). */
export interface Group {
  readonly files: readonly string[];
  readonly name: string | null;
}

/** Not part of `npm test`: the Deno part, and what has packages of its own (`npm run test:programs`). */
const ELSEWHERE: readonly string[] = ['test/deno/', 'test/programs/'];

/** The test files of `npm run test:programs`, likewise. */
export function findPrograms(): string[] {
  return readdirSync('test/programs').filter((name) => name.endsWith('.test.ts')).sort().map((name) => `test/programs/${name}`);
}

/** The test files for Node, as paths below the working directory, in the order of their names. */
export function findTests(): string[] {
  const found: string[] = [];
  for (const top of ['src', 'test', 'bench', 'examples']) {
    if (!existsSync(top)) continue;
    for (const entry of readdirSync(top, { recursive: true, encoding: 'utf8' })) {
      const path = `${top}/${entry.replaceAll('\\', '/')}`;
      if (path.endsWith('.test.ts') && !ELSEWHERE.some((folder) => path.startsWith(folder))) found.push(path);
    }
  }
  return found.sort();
}

/**
 * The files whose path contains the filter run whole; in the others, the tests whose name contains it.
 * A file that nowhere says the filter's words is started only when no file does (names can be computed).
 */
export function select(files: readonly string[], filter: string | null): Group[] {
  if (filter === null) return files.length === 0 ? [] : [{ files, name: null }];
  const byPath = files.filter((f) => f.includes(filter));
  const others = files.filter((f) => !byPath.includes(f));
  let byText = others.filter((f) => readFileSync(f, 'utf8').includes(filter));
  if (byPath.length === 0 && byText.length === 0) byText = others;
  const groups: Group[] = [];
  if (byPath.length > 0) groups.push({ files: byPath, name: null });
  if (byText.length > 0) groups.push({ files: byText, name: filter });
  return groups;
}
