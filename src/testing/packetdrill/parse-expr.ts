/**
 * The values in system calls: numbers, constants, strings, lists, struct literals.
 *
 *     expr   := term {"|" term}
 *     term   := "..." | number | word | string {string} | "[" [expr {"," expr}] "]" | "{" field {"," field} "}" | word "(" … ")"
 *     field  := [word ["(" expr ")"] "="] expr
 */
import type { Scanner } from '../segment-notation.ts';
import type { Expr, Field, Place } from './ast.ts';

/** Longest name of an array that a script may write. */
const MAX_ITEMS = 4096;

/** Where position `pos` of a text is. */
export function placeAt(text: string, pos: number): Place {
  const before = text.slice(0, pos);
  const line = before.split('\n').length;
  return { line, column: pos - before.lastIndexOf('\n') };
}

export function parseExpr(s: Scanner): Expr {
  const of = [parseTerm(s)];
  while (s.mark('|')) of.push(parseTerm(s));
  return of.length === 1 ? of[0]! : { kind: 'or', of };
}

/** What stands between parentheses, the opening one taken already. */
export function parseArgs(s: Scanner): Expr[] {
  return parseItems(s, ')', 'after the arguments');
}

function parseItems(s: Scanner, close: string, what: string): Expr[] {
  const items: Expr[] = [];
  if (s.mark(close)) return items;
  do items.push(parseExpr(s));
  while (s.mark(',') && items.length < MAX_ITEMS);
  s.need(close, what);
  return items;
}

function parseTerm(s: Scanner): Expr {
  if (s.mark('...')) return { kind: 'any' };
  if (s.mark('[')) return { kind: 'list', items: parseItems(s, ']', 'after the list') };
  if (s.mark('{')) return parseStruct(s);
  if (s.sees(/"/y)) return { kind: 'text', value: parseStrings(s) };
  const negative = s.mark('-');
  if (negative || s.sees(/\d/y)) return { kind: 'number', value: parseNumber(s, negative) };
  s.skip();
  const place = placeAt(s.text, s.pos);
  const word = s.word();
  if (word === null) return s.fail(`a value expected, found ${s.found()}`);
  return wordExpr(s, word, place);
}

/** A word after the defines: it may stand for a number or a string. */
function wordExpr(s: Scanner, word: string, place: Place): Expr {
  if (/^-?(?:\d+|0x[0-9a-fA-F]+)$/.test(word)) return { kind: 'number', value: Number(word) };
  if (word.startsWith('"')) return { kind: 'text', value: word.replace(/^"|"$/g, '') };
  if (s.mark('(')) return { kind: 'call', name: word, args: parseArgs(s) };
  return { kind: 'word', name: word, place };
}

function parseNumber(s: Scanner, negative: boolean): number {
  const m = s.take(/0x[0-9a-fA-F]+|\d*\.\d+|\d+/y);
  if (m === null) return s.fail(`a number expected, found ${s.found()}`);
  const n = Number(m[0]);
  return negative ? -n : n;
}

/** Strings side by side are one. */
function parseStrings(s: Scanner): string {
  let all = '';
  for (let m = s.take(/"((?:[^"\\]|\\[\s\S])*)"/y); m !== null; m = s.take(/"((?:[^"\\]|\\[\s\S])*)"/y)) all += unescape(m[1]!);
  if (s.sees(/"/y)) s.fail('the string has no end');
  return all;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', a: '\x07', b: '\b', f: '\f', v: '\v' };

function unescape(text: string): string {
  return text.replace(/\\x([0-9a-fA-F]{1,2})|\\([0-7]{1,3})|\\([\s\S])/g, (_all, hex?: string, octal?: string, c?: string) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8) & 0xff);
    return ESCAPES[c!] ?? c!;
  });
}

function parseStruct(s: Scanner): Expr {
  const fields: Field[] = [];
  if (s.mark('}')) return { kind: 'struct', fields };
  do fields.push(parseField(s));
  while (s.mark(',') && fields.length < MAX_ITEMS);
  s.need('}', 'after the struct');
  return { kind: 'struct', fields };
}

function parseField(s: Scanner): Field {
  if (!s.sees(/[A-Za-z_]\w*\s*(?:=|\([^)]*\)\s*=)/y)) return { name: '', count: null, value: parseExpr(s) };
  const name = s.take(/\w+/y)![0];
  let count: Expr | null = null;
  if (s.mark('(')) {
    count = parseExpr(s);
    s.need(')', `after ${name}(`);
  }
  s.need('=', `after ${name}`);
  return { name, count, value: parseExpr(s) };
}
