/** The shape of a file: its sign, its length, its name, the length of its functions. */
import ts from 'typescript';
import { MAX_COLUMNS, MAX_FILE_LINES, MAX_FUNCTION_LINES, WALK } from '../rooms.ts';
import { at, walk, type Finding, type Source } from './source.ts';

/** Checks one file of code, wherever it is. */
export function checkShape(source: Source): Finding[] {
  return [...checkName(source), ...checkLength(source), ...checkFunctions(source), ...checkSign(source)];
}

function checkName(source: Source): Finding[] {
  const parts = source.path.split('/');
  const file = parts.at(-1)!;
  const findings: Finding[] = [];
  const say = (message: string): void => void findings.push({ path: source.path, line: 1, message });
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(file)) say(`${file} is not kebab-case`);
  if (source.room !== '' && source.room !== 'door' && parts.length > 2) {
    const folder = parts.at(-2)!;
    if (file.startsWith(`${folder}-`)) say(`${file} repeats its folder → ${file.slice(folder.length + 1)}`);
  }
  return findings;
}

function checkLength(source: Source): Finding[] {
  const findings: Finding[] = [];
  const say = (line: number, message: string): void => void findings.push({ path: source.path, line, message });
  const lines = source.text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > MAX_FILE_LINES) {
    say(MAX_FILE_LINES + 1, `${lines.length} lines, over ${MAX_FILE_LINES} → split it by verb or noun`);
  }
  lines.forEach((text, i) => {
    if (text.length > MAX_COLUMNS) say(i + 1, `${text.length} columns, over ${MAX_COLUMNS} → break the line`);
  });
  return findings;
}

/** Tests are stories and may be longer than a screen; everything else fits one. */
function checkFunctions(source: Source): Finding[] {
  const findings: Finding[] = [];
  if (source.isTest || source.path.startsWith('test/')) return findings;
  walk(source.tree, (n) => {
    if (!ts.isFunctionLike(n) || !('body' in n) || n.body === undefined) return;
    const first = source.tree.getLineAndCharacterOfPosition(n.getStart(source.tree)).line;
    const last = source.tree.getLineAndCharacterOfPosition(n.end).line;
    const lines = last - first + 1;
    if (lines <= MAX_FUNCTION_LINES) return;
    findings.push(at(source, n, `${nameOf(n)} has ${lines} lines, over ${MAX_FUNCTION_LINES} → decide above, compute below`));
  });
  return findings;
}

function nameOf(n: ts.SignatureDeclaration): string {
  if (n.name !== undefined) return n.name.getText();
  if (ts.isConstructorDeclaration(n)) return 'the constructor';
  return ts.isVariableDeclaration(n.parent) ? n.parent.name.getText() : 'a function';
}

/** Every file opens with a comment that says what it is for; on the packet's path, also from whom and to whom. */
function checkSign(source: Source): Finding[] {
  if (source.isTest || source.room === '') return [];
  const start = /^#!/.test(source.text) ? source.text.indexOf('\n') + 1 : 0;
  const comments = ts.getLeadingCommentRanges(source.text, start) ?? [];
  const sign = comments.map((c) => source.text.slice(c.pos, c.end)).join('\n');
  if (sign.replace(/[\s*/]/g, '').length < 20) {
    return [{ path: source.path, line: 1, message: 'no head comment → say what the file does, who hands in, to whom it hands on' }];
  }
  const place = source.path.slice('src/'.length, -'.ts'.length);
  if (!WALK.includes(place)) return [];
  const missing = ['from', 'to'].filter((word) => !new RegExp(`^[ */]*${word}\\s`, 'm').test(sign));
  if (missing.length === 0) return [];
  const message = `no "${missing.join('" and no "')}" line in the head comment → packets walk through here: say from whom and to whom`;
  return [{ path: source.path, line: 1, message }];
}
