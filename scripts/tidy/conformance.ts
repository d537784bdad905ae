/**
 * docs/CONFORMANCE.md says which clause is kept where, and which test shows it. Both ends must exist.
 *
 * A row is a Markdown table row; in it, `src/….ts` and `test/….ts` in backquotes are files, and a `#name` behind
 * a source file is a function or constant in it.
 */
import type { Finding } from './source.ts';

const DOCUMENT = 'docs/CONFORMANCE.md';

/** Checks the document against the tree; nothing to say while there is no document. */
export function checkConformance(files: ReadonlyMap<string, string>): Finding[] {
  const text = files.get(DOCUMENT);
  if (text === undefined) return [];
  const findings: Finding[] = [];
  text.split('\n').forEach((line, i) => {
    if (!line.startsWith('|')) return;
    for (const [, path, name] of line.matchAll(/`((?:src|test)\/[\w/.-]+\.(?:ts|pkt))(?:#(\w+))?`/g)) {
      const target = files.get(path!);
      if (target === undefined) findings.push({ path: DOCUMENT, line: i + 1, message: `${path!} does not exist → correct the row` });
      else if (name !== undefined && !new RegExp(`\\b${name}\\b`).test(target)) {
        findings.push({ path: DOCUMENT, line: i + 1, message: `${path!} has no ${name} → correct the row` });
      }
    }
  });
  return findings;
}
