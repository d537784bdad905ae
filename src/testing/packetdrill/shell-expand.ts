/** Words of the shell as text: variables, commands, arithmetic, fields; and conditions of `test`. */
import { ShellError, type Part, type Word } from './shell-parse.ts';

/** What expansion asks of the shell. */
export interface ShellWords {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  positional(): readonly string[];
  substitute(part: Part & { readonly kind: 'command' }): Promise<string>;
}

/** The word as one text, as in an assignment. */
export async function expandText(sh: ShellWords, word: Word): Promise<string> {
  let text = '';
  for (const part of word) text += await partText(sh, part);
  return text;
}

/** The words as fields: what was not quoted is cut at blanks. */
export async function expandFields(sh: ShellWords, words: readonly Word[]): Promise<string[]> {
  const fields: string[] = [];
  for (const word of words) for (const alternative of braces(word)) fields.push(...await oneWord(sh, alternative));
  return fields;
}

async function oneWord(sh: ShellWords, word: Word): Promise<string[]> {
  const fields: string[] = [];
  let open: string | null = null;
  const grow = (text: string): void => { open = (open ?? '') + text; };
  for (const part of word) {
    if (part.kind === 'variable' && (part.name === '@' || (part.name === '*' && !part.quoted)) && part.op === '') {
      sh.positional().forEach((value, i) => {
        if (i > 0 && open !== null) fields.push(open);
        if (i > 0) open = null;
        grow(value);
      });
      continue;
    }
    const text = await partText(sh, part);
    if (part.quoted || part.kind === 'text') {
      grow(text);
      continue;
    }
    const cut = text.split(/[ \t\n]+/);
    cut.forEach((piece, i) => {
      if (i > 0 && open !== null) fields.push(open);
      if (i > 0) open = null;
      if (piece !== '') grow(piece);
    });
  }
  if (open !== null) fields.push(open);
  return fields;
}

/** `{a,b}` and `{1..3}` of bash, where they are bare text. */
function braces(word: Word): Word[] {
  const at = word.findIndex((part) => part.kind === 'text' && !part.quoted && /\{[^{}]*(?:,|\.\.)[^{}]*\}/.test(part.text));
  if (at < 0) return [word];
  const { text } = word[at] as Part & { kind: 'text' };
  const m = /^(.*?)\{([^{}]*(?:,|\.\.)[^{}]*)\}(.*)$/s.exec(text)!;
  const range = /^(-?\d+)\.\.(-?\d+)$/.exec(m[2]!);
  if (range === null && !m[2]!.includes(',')) return [word];
  const items = range === null ? m[2]!.split(',') : count(Number(range[1]), Number(range[2]));
  const plain = (t: string): Part => ({ kind: 'text', text: t, quoted: false });
  return items.flatMap((item) => braces([...word.slice(0, at), plain(m[1]! + item + m[3]!), ...word.slice(at + 1)]));
}

/** Most words that `{1..n}` makes. */
const MAX_RANGE = 10_000;

function count(from: number, to: number): string[] {
  if (Math.abs(to - from) > MAX_RANGE) throw new ShellError(`{${from}..${to}}: more than ${MAX_RANGE} words`);
  const items: string[] = [];
  for (let n = from; from <= to ? n <= to : n >= to; n += from <= to ? 1 : -1) items.push(String(n));
  return items;
}

async function partText(sh: ShellWords, part: Part): Promise<string> {
  switch (part.kind) {
    case 'text': return part.text;
    case 'command': return (await sh.substitute(part)).replace(/\n+$/, '');
    case 'arithmetic': return String(arithmetic(sh, await expandText(sh, part.word)));
    case 'variable': return await variable(sh, part);
  }
}

async function variable(sh: ShellWords, part: Part & { readonly kind: 'variable' }): Promise<string> {
  const { name, op, arg } = part;
  const value = name === '@' || name === '*' ? sh.positional().join(' ') : sh.get(name);
  if (op === '') return value ?? '';
  if (op === 'length') return String((value ?? '').length);
  const unset = value === undefined || (op.startsWith(':') && value === '');
  switch (op.replace(':', '')) {
    case '-': return unset ? await expandText(sh, arg) : value;
    case '+': return unset ? '' : await expandText(sh, arg);
    case '=':
      if (!unset) return value;
      sh.set(name, await expandText(sh, arg));
      return sh.get(name) ?? '';
    case '?':
      if (unset) throw new ShellError(`${name}: ${await expandText(sh, arg) || 'parameter not set'}`);
      return value;
    default: return cutPattern(value ?? '', op, await expandText(sh, arg));
  }
}

/** `${name#a*}`, `${name%%b*}`, `${name/a/b}` */
function cutPattern(value: string, op: string, arg: string): string {
  if (op.startsWith('/')) {
    const [from = '', to = ''] = arg.split('/');
    return value.replace(new RegExp(globSource(from), op === '//' ? 'g' : ''), () => to);
  }
  const lengths = [...Array(value.length + 1).keys()];
  if (op.length === (op.startsWith('#') ? 2 : 1)) lengths.reverse(); // ## and % begin with what is longest to the left
  const re = globPattern(arg);
  for (const n of lengths) {
    if (op.startsWith('#') && re.test(value.slice(0, n))) return value.slice(n);
    if (op.startsWith('%') && re.test(value.slice(n))) return value.slice(0, n);
  }
  return value;
}

function globSource(glob: string): string {
  return glob.replace(/[.+^$()|{}\\]/g, '\\$&').replace(/\*/g, '[\\s\\S]*').replace(/\?/g, '[\\s\\S]').replace(/\[!/g, '[^');
}

/** A pattern with `*`, `?` and `[…]`, which must fit the whole. */
export function globPattern(glob: string): RegExp {
  return new RegExp(`^(?:${globSource(glob)})$`);
}

// ---- arithmetic

const ARITHMETIC = /\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>()?:=]|$)/y;
/** Operators by how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['||'], ['&&'], ['|'], ['^'], ['&'], ['==', '!='], ['<', '<=', '>', '>='], ['<<', '>>'], ['+', '-'], ['*', '/', '%'],
];

/** `$(( … ))` */
function arithmetic(sh: ShellWords, text: string): number {
  const tokens: string[] = [];
  ARITHMETIC.lastIndex = 0;
  for (let m = ARITHMETIC.exec(text); m !== null && m[1] !== ''; m = ARITHMETIC.exec(text)) tokens.push(m[1]!);
  if (text.slice(ARITHMETIC.lastIndex).trim() !== '' && ARITHMETIC.lastIndex < text.length) throw new ShellError(`arithmetic: '${text}'`);
  let at = 0;
  const bad = (): never => { throw new ShellError(`arithmetic: '${text}' is not understood`); };
  const primary = (): number => {
    const t = tokens[at++];
    if (t === undefined) return bad();
    if (t === '-' || t === '+' || t === '!' || t === '~') {
      const n = primary();
      return t === '-' ? -n : t === '+' ? n : t === '!' ? Number(n === 0) : ~n;
    }
    if (t === '(') {
      const n = level(0);
      return tokens[at++] === ')' ? n : bad();
    }
    if (/^\d/.test(t)) return Number(/^0\d/.test(t) ? `0o${t}` : t);
    if (!/^[A-Za-z_]/.test(t)) return bad();
    const n = Number(sh.get(t) ?? '0');
    return Number.isNaN(n) ? bad() : n;
  };
  const level = (n: number): number => {
    const ops = LEVELS[n];
    if (ops === undefined) return primary();
    let left = level(n + 1);
    while (ops.includes(tokens[at] ?? '')) left = operate(tokens[at++]!, left, level(n + 1));
    return left;
  };
  const value = tokens.length === 0 ? 0 : level(0);
  return at === tokens.length ? value : bad();
}

function operate(op: string, a: number, b: number): number {
  switch (op) {
    case '||': return Number(a !== 0 || b !== 0);
    case '&&': return Number(a !== 0 && b !== 0);
    case '|': return a | b;
    case '^': return a ^ b;
    case '&': return a & b;
    case '==': return Number(a === b);
    case '!=': return Number(a !== b);
    case '<': return Number(a < b);
    case '<=': return Number(a <= b);
    case '>': return Number(a > b);
    case '>=': return Number(a >= b);
    case '<<': return a * 2 ** b;
    case '>>': return Math.floor(a / 2 ** b);
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    default:
      if (b === 0) throw new ShellError('arithmetic: division by zero');
      return op === '/' ? Math.trunc(a / b) : a % b;
  }
}

// ---- test

/** `[ -f path ]`, `[ a = b -a 1 -lt 2 ]`, `! …`. `exists` tells of a path. Null: not understood. */
export function testHolds(args: readonly string[], exists: (path: string) => boolean): boolean | null {
  const or = args.indexOf('-o');
  if (or > 0) return both(testHolds(args.slice(0, or), exists), testHolds(args.slice(or + 1), exists), (a, b) => a || b);
  const and = args.indexOf('-a');
  if (and > 0) return both(testHolds(args.slice(0, and), exists), testHolds(args.slice(and + 1), exists), (a, b) => a && b);
  if (args[0] === '!' && args.length > 1) {
    const holds = testHolds(args.slice(1), exists);
    return holds === null ? null : !holds;
  }
  const [a = '', op = '', b = ''] = args;
  if (args.length <= 1) return a !== '';
  if (args.length === 2) return a === '-n' ? op !== '' : a === '-z' ? op === '' : /^-[edfrswx]$/.test(a) ? exists(op) : null;
  if (args.length > 3) return null;
  if (op === '=' || op === '==') return a === b;
  if (op === '!=') return a !== b;
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return null;
  switch (op) {
    case '-eq': return x === y;
    case '-ne': return x !== y;
    case '-lt': return x < y;
    case '-le': return x <= y;
    case '-gt': return x > y;
    case '-ge': return x >= y;
    default: return null;
  }
}

function both(a: boolean | null, b: boolean | null, join: (a: boolean, b: boolean) => boolean): boolean | null {
  return a === null || b === null ? null : join(a, b);
}
