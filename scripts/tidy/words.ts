/** Words that belong on somebody's machine or desk, and not in a published tree: in any file, code or not. */
import type { Finding } from './source.ts';

interface Word {
  readonly pattern: RegExp;
  readonly say: string;
}

/** The patterns are written so that they do not match their own source. */
const WORDS: readonly Word[] = [
  {
    pattern: /(?<![\w.~}$/*-])\/(?:root|home|Users|work|workspace|mnt|srv|builds?)\/[\w.]/,
    say: 'a path of somebody\'s machine → write it relative to the repository',
  },
  { pattern: /file:\/\/\/[a-z]/i, say: 'a file URL → write a relative path' },
  { pattern: /\bregistry\.(?!npmjs\.org\b)[\w-]+(?:\.[\w-]+)+/, say: 'the host of a package registry → leave it to the user\'s npm' },
  { pattern: /\b(?:part|step|session|helper)\s\d+\s(?:of|\/)\s\d+\b/i, say: 'how the work was divided → say what the code does' },
  { pattern: /\b(?:agent|helper)s?['’]?s?\s(?:session|brief)/i, say: 'how the work was divided → say what the code does' },
  { pattern: /-----BEGIN [A-Z ]*PRIVATE[ ]KEY-----/, say: 'a private key → make one while the test runs' },
  { pattern: /^(?:<{7}|>{7}|\|{7})(?: |$)/, say: 'a conflict marker → finish the merge' },
];

/** Only in code. */
const CODE_WORDS: readonly Word[] = [
  { pattern: /@ts-(?:ignore|nocheck)\b/, say: '@ts-ignore → @ts-expect-error with a reason, or the right type' },
  { pattern: /\b(?:FIXME|XXX)\b(?!\+)/, say: 'an open end → finish it, or say in the docs what is missing' },
  { pattern: /\b(?:test|it|describe|suite|lab|scenario)\.only\(/, say: '.only( → the other tests must run, too' },
];

/** Checks one file of the tree, whatever it is. */
export function checkWords(path: string, text: string): Finding[] {
  if (path === 'package-lock.json' || path.startsWith('scripts/tidy/') || path === 'test/tidy.test.ts') return [];
  const words = /\.[cm]?[jt]s$/.test(path) ? [...WORDS, ...CODE_WORDS] : WORDS;
  const findings: Finding[] = [];
  text.split('\n').forEach((line, i) => {
    for (const w of words) if (w.pattern.test(line)) findings.push({ path, line: i + 1, message: w.say });
  });
  return findings;
}
