/**
 * Commands that turn text into text, as far as scripts use them: grep, sed, awk, cut, tr, sort, uniq, wc, head, tail, printf, seq,
 * expr. What they are asked and do not know skips the script: half an answer would be a wrong one.
 */
import { ScriptSkipped } from './errors.ts';

/** What a command says. */
export interface Said {
  readonly status: number;
  readonly out: string;
}

/** A command: its arguments, its standard input, and how files are read. */
export type TextTool = (args: readonly string[], input: string, read: (path: string) => string) => Said;

/** By name. */
export const TEXT_TOOLS: Readonly<Record<string, TextTool>> = {
  grep: (args, input, read) => grep('', args, input, read),
  egrep: (args, input, read) => grep('E', args, input, read),
  fgrep: (args, input, read) => grep('F', args, input, read),
  sed, awk, cut, tr, sort, uniq, wc, head: (a, i, r) => ends('head', a, i, r), tail: (a, i, r) => ends('tail', a, i, r), printf, seq, expr,
};

function said(lines: readonly string[], status: number = 0): Said {
  return { status, out: lines.map((line) => `${line}\n`).join('') };
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function skip(tool: string, args: readonly string[]): never {
  throw new ScriptSkipped(`command '${[tool, ...args].join(' ')}'`);
}

/** The text of the files, or what comes in where none is named. */
function source(paths: readonly string[], input: string, read: (path: string) => string): string {
  return paths.length === 0 ? input : paths.map((path) => (path === '-' ? input : read(path))).join('');
}

/** Flags and the other words; those in `withValue` take a word, from behind them or from the next. */
function options(
  tool: string, args: readonly string[], flags: string, withValue: string,
): { values: Map<string, string[]>; rest: string[] } {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (!/^-[A-Za-z0-9]/.test(word)) {
      rest.push(word);
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const flag = word[k]!;
      if (withValue.includes(flag)) {
        const value = k + 1 < word.length ? word.slice(k + 1) : (args[++i] ?? skip(tool, args));
        values.set(flag, [...(values.get(flag) ?? []), value]);
        break;
      }
      if (!flags.includes(flag)) skip(tool, args);
      values.set(flag, []);
    }
  }
  return { values, rest };
}

// ---- patterns

const CLASSES: Readonly<Record<string, string>> = {
  space: '\\s', blank: ' \\t', digit: '0-9', alpha: 'A-Za-z', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', xdigit: '0-9A-Fa-f',
};

/** A pattern of POSIX as one of ours: in a basic one the backslash makes `|`, `+`, `?`, braces and parentheses special. */
export function posixPattern(pattern: string, kind: 'basic' | 'extended' | 'fixed', flags: string = ''): RegExp {
  if (kind === 'fixed') return new RegExp(pattern.replace(/[.*+?^$()|[\]{}\\]/g, '\\$&'), flags);
  const set = /\[\^?\]?(?:\[:\w+:\]|[^\]])*\]/;
  const parts = new RegExp(`${set.source}|\\\\[\\s\\S]|[\\s\\S]`, 'g');
  const ours = [...pattern.matchAll(parts)].map(([part], i) => {
    if (part.startsWith('[') && part.length > 1) {
      const inner = part.slice(1, -1).replace(/\[:(\w+):\]/g, (_all, name: string) => CLASSES[name] ?? skip('grep', [pattern]));
      return `[${inner.replace(/\\(?![sdwt])/g, '\\\\').replace(/^(\^?)\]/, '$1\\]').replace(/\[/g, '\\[')}]`;
    }
    if (part === '\\<' || part === '\\>') return '\\b';
    if (kind === 'extended') return part;
    if (/^\\[|+?(){}]$/.test(part)) return part.slice(1);
    return /^[|+?(){}]$/.test(part) || (part === '*' && i === 0) ? `\\${part}` : part;
  }).join('');
  try {
    return new RegExp(ours, flags);
  } catch {
    return skip('grep', [pattern]);
  }
}

const GREP_WORDS: Readonly<Record<string, string>> = {
  '--quiet': '-q', '--silent': '-q', '--count': '-c', '--invert-match': '-v', '--ignore-case': '-i', '--extended-regexp': '-E',
  '--fixed-strings': '-F', '--word-regexp': '-w', '--only-matching': '-o', '--line-regexp': '-x',
};

function grep(own: string, args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('grep', args.map((word) => GREP_WORDS[word] ?? word), 'qcviwEFPonhsxaH', 'em');
  const has = (flag: string): boolean => values.has(flag) || own === flag;
  const patterns = values.get('e') ?? rest.splice(0, 1);
  if (patterns.length === 0) skip('grep', args);
  const kind = has('F') ? 'fixed' : has('E') || has('P') ? 'extended' : 'basic';
  const res = patterns.flatMap((pattern) => pattern.split('\n')).map((pattern) => {
    const { source: re } = posixPattern(pattern, kind);
    const bound = has('x') ? `^(?:${re})$` : has('w') ? `(?<!\\w)(?:${re})(?!\\w)` : re;
    return new RegExp(bound, has('i') ? 'gi' : 'g');
  });
  const hits: string[] = [];
  let count = 0;
  const most = Number(values.get('m')?.[0] ?? Infinity);
  linesOf(source(rest, input, read)).forEach((line, i) => {
    const found = res.flatMap((re) => [...line.matchAll(re)]);
    if ((found.length > 0) === has('v') || count >= most) return;
    count++;
    const number = has('n') ? `${i + 1}:` : '';
    if (has('o')) hits.push(...found.filter((m) => m[0] !== '').map((m) => number + m[0]));
    else hits.push(number + line);
  });
  const status = count > 0 ? 0 : 1;
  return has('q') ? said([], status) : said(has('c') ? [String(count)] : hits, status);
}

// ---- sed and awk

type SedStep = (line: string, number: number, last: boolean) => { line: string; print: boolean; gone: boolean };

function sed(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('sed', args, 'nEru', 'e');
  const scripts = values.get('e') ?? rest.splice(0, 1);
  const kind = values.has('E') || values.has('r') ? 'extended' : 'basic';
  const steps = scripts.flatMap((script) => script.split(/;(?![^/]*\/[a-z]*(?:;|$))|\n/)).map((step) => sedStep(step.trim(), kind, args));
  const out: string[] = [];
  const lines = linesOf(source(rest, input, read));
  lines.forEach((text, i) => {
    let line = text;
    let gone = false;
    for (const step of steps) {
      if (gone) break;
      const did = step(line, i + 1, i === lines.length - 1);
      line = did.line;
      ({ gone } = did);
      if (did.print) out.push(line);
    }
    if (!gone && !values.has('n')) out.push(line);
  });
  return said(out);
}

const SED_ADDRESS = /^(?:\/((?:[^/\\]|\\.)*)\/|(\d+)|(\$))?\s*(!?)\s*/;
/** `p`, `d`, or `s` with what stands between its marks. */
const SED_VERB = /^(?:([pd])|s(.)((?:(?!\2)[^\\]|\\[\s\S])*)\2((?:(?!\2)[^\\]|\\[\s\S])*)\2([gpiI0-9]*))$/;

/** `s/a/b/g`, `/a/d`, `3p`, `$d`… */
function sedStep(text: string, kind: 'basic' | 'extended', args: readonly string[]): SedStep {
  const [whole, about, number, last, not] = SED_ADDRESS.exec(text)!;
  const m = SED_VERB.exec(text.slice(whole.length));
  if (m === null) return skip('sed', args);
  const [, verb, , from, to, flags = ''] = m;
  const at = about === undefined ? null : posixPattern(about, kind);
  const re = from === undefined ? null : posixPattern(from, kind, (flags.includes('g') ? 'g' : '') + (/[iI]/.test(flags) ? 'i' : ''));
  if (/\d/.test(flags)) skip('sed', args);
  return (line, n, isLast) => {
    const here = (at === null || at.test(line)) && (number === undefined || Number(number) === n) && (last === undefined || isLast);
    if (here === (not === '!')) return { line, print: false, gone: false };
    if (verb !== undefined) return { line, print: verb === 'p', gone: verb === 'd' };
    const changed = line.replace(re!, (...groups: unknown[]) => {
      return to!.replace(/\\(\d)|&|\\(.)/g, (all, group?: string, plain?: string) => {
        if (plain !== undefined) return plain === 'n' ? '\n' : plain;
        const value = groups[group === undefined ? 0 : Number(group)];
        return all === '&' || group !== undefined ? (typeof value === 'string' ? value : '') : all;
      });
    });
    return { line: changed, print: flags.includes('p') && changed !== line, gone: false };
  };
}

/** One rule `pattern { print … }`, and sums: `{ s += $2 } END { print s }`. */
function awk(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('awk', args, '', 'F');
  const program = (rest.splice(0, 1)[0] ?? skip('awk', args)).trim();
  const separator = values.get('F')?.[0];
  const lines = linesOf(source(rest, input, read));
  const fields = lines.map((line) => {
    const cut = separator === undefined ? line.trim().split(/\s+/) : line.split(separator.length === 1 ? separator : new RegExp(separator));
    return [line, ...(line === '' ? [] : cut)];
  });
  const sum = /^(.*?)\{\s*(\w+)\s*\+=\s*\$(\d+|NF);?\s*\}\s*END\s*\{\s*print\s+\2(?:\s*\+\s*0)?;?\s*\}$/.exec(program);
  if (sum !== null) {
    const rows = fields.filter((row, i) => awkHolds(sum[1]!.trim(), row, i + 1, args));
    return said([String(rows.reduce((n, row) => n + Number(row[sum[3] === 'NF' ? row.length - 1 : Number(sum[3])] ?? 0), 0))]);
  }
  const rule = /^(.*?)(?:\{\s*print\b\s*([^;{}]*?);?\s*(?:;\s*(exit);?\s*)?\})?$/.exec(program);
  if (rule === null || program === '') return skip('awk', args);
  const out: string[] = [];
  for (const [i, row] of fields.entries()) {
    if (!awkHolds(rule[1]!.trim(), row, i + 1, args)) continue;
    out.push(awkPrint(rule[2] ?? '', row, i + 1, args));
    if (rule[3] !== undefined) break;
  }
  return said(out);
}

function awkPrint(what: string, row: readonly string[], number: number, args: readonly string[]): string {
  if (what === '') return row[0]!;
  return what.split(',').map((part) => {
    return [...part.trim().matchAll(/\S*"[^"]*"|\S+/g)].map(([word]) => awkValue(word, row, number, args)).join('');
  }).join(' ');
}

function awkValue(word: string, row: readonly string[], number: number, args: readonly string[]): string {
  if (/^"[^"]*"$/.test(word)) return word.slice(1, -1);
  if (/^\d+$/.test(word)) return word;
  if (word === 'NR') return String(number);
  if (word === 'NF') return String(row.length - 1);
  const m = /^\$(\d+|NF)$/.exec(word);
  if (m === null) return skip('awk', args);
  return row[m[1] === 'NF' ? row.length - 1 : Number(m[1])] ?? '';
}

function awkHolds(pattern: string, row: readonly string[], number: number, args: readonly string[]): boolean {
  if (pattern === '') return true;
  const re = /^(!?)\/((?:[^/\\]|\\.)*)\/$/.exec(pattern);
  if (re !== null) return posixPattern(re[2]!, 'extended').test(row[0]!) === (re[1] === '');
  const m = /^(\$(?:\d+|NF)|NR|NF)\s*(==|!=|<=|>=|<|>|~|!~)\s*(?:"([^"]*)"|(\d+)|\/((?:[^/\\]|\\.)*)\/)$/.exec(pattern);
  if (m === null) return skip('awk', args);
  const value = awkValue(m[1]!, row, number, args);
  const op = m[2]!;
  if (op.endsWith('~')) return posixPattern(m[5] ?? m[3] ?? '', 'extended').test(value) === (op === '~');
  const [a, b] = m[4] === undefined ? [value, m[3] ?? ''] : [Number(value), Number(m[4])];
  switch (op) {
    case '==': return a === b;
    case '!=': return a !== b;
    case '<': return a < b;
    case '>': return a > b;
    case '<=': return a <= b;
    default: return a >= b;
  }
}

// ---- columns and lines

/** `1,3-4` as a test. */
function ranges(text: string): (n: number) => boolean {
  const parts = text.split(',').map((part) => {
    const [from, to = from] = part.includes('-') ? part.split('-') : [part, part];
    return [from === '' ? 1 : Number(from), to === '' ? Infinity : Number(to)] as const;
  });
  return (n) => parts.some(([from, to]) => n >= from && n <= to);
}

function cut(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('cut', args, 's', 'dfcb');
  const [fields, columns] = [values.get('f')?.[0], values.get('c')?.[0] ?? values.get('b')?.[0]];
  const delimiter = values.get('d')?.[0] ?? '\t';
  const wanted = ranges(fields ?? columns ?? skip('cut', args));
  return said(linesOf(source(rest, input, read)).map((line) => {
    if (fields === undefined) return [...line].filter((_c, i) => wanted(i + 1)).join('');
    const parts = line.split(delimiter);
    return parts.length === 1 ? line : parts.filter((_part, i) => wanted(i + 1)).join(delimiter);
  }));
}

function expandSet(text: string): string {
  return text.replace(/\[:(\w+):\]/g, (_all, name: string) => (name === 'space' ? ' \t\n\r' : (CLASSES[name] ?? '')))
    .replace(/\\n/g, '\n').replace(/\\t/g, '\t')
    .replace(/(.)-(.)/g, (_all, a: string, b: string) => {
      let all = '';
      for (let c = a.charCodeAt(0); c <= b.charCodeAt(0); c++) all += String.fromCharCode(c);
      return all;
    });
}

function tr(args: readonly string[], input: string): Said {
  const { values, rest } = options('tr', args, 'dsc', '');
  const from = expandSet(rest[0] ?? skip('tr', args));
  const to = expandSet(rest[1] ?? '');
  const inside = (c: string): boolean => from.includes(c) !== values.has('c');
  let out = '';
  for (const c of input) {
    if (values.has('d')) {
      if (!inside(c)) out += c;
      continue;
    }
    const next = inside(c) && to !== '' ? to[Math.min(values.has('c') ? to.length - 1 : from.indexOf(c), to.length - 1)]! : c;
    if (values.has('s') && out.endsWith(next) && (to === '' ? inside(c) : inside(c) || to.includes(next))) continue;
    out += next;
  }
  return { status: 0, out };
}

function sort(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('sort', args, 'nru', '');
  const lines = linesOf(source(rest, input, read));
  const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  lines.sort((a, b) => (values.has('n') ? (parseFloat(a) || 0) - (parseFloat(b) || 0) || byText(a, b) : byText(a, b)));
  if (values.has('r')) lines.reverse();
  return said(values.has('u') ? lines.filter((line, i) => line !== lines[i - 1]) : lines);
}

function uniq(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('uniq', args, 'c', '');
  const runs: [string, number][] = [];
  for (const line of linesOf(source(rest, input, read))) {
    const last = runs.at(-1);
    if (last?.[0] === line) last[1]++;
    else runs.push([line, 1]);
  }
  return said(runs.map(([line, n]) => (values.has('c') ? `${String(n).padStart(7)} ${line}` : line)));
}

function wc(args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options('wc', args, 'lwc', '');
  const text = source(rest, input, read);
  const words = text.split(/\s+/).filter((word) => word !== '').length;
  const counts: [string, number][] = [['l', text.split('\n').length - 1], ['w', words], ['c', text.length]];
  const shown = counts.filter(([flag]) => values.size === 0 || values.has(flag)).map(([, n]) => String(n));
  return said([[...shown, ...rest].join(' ')]);
}

function ends(tool: 'head' | 'tail', args: readonly string[], input: string, read: (path: string) => string): Said {
  const { values, rest } = options(tool, args.map((word) => word.replace(/^-(\d+)$/, '-n$1')), '', 'n');
  const n = values.get('n')?.[0] ?? '10';
  const lines = linesOf(source(rest, input, read));
  if (!/^[-+]?\d+$/.test(n)) return skip(tool, args);
  if (tool === 'head') return said(n.startsWith('-') ? lines.slice(0, Number(n)) : lines.slice(0, Number(n)));
  return said(n.startsWith('+') ? lines.slice(Number(n) - 1) : Math.abs(Number(n)) === 0 ? [] : lines.slice(-Math.abs(Number(n))));
}

// ---- making text

/** The escapes of printf and `echo -e`. */
export function escapes(text: string): string {
  return text.replace(/\\(?:([abfnrtv\\])|0?([0-7]{1,3})|x([0-9a-fA-F]{1,2}))/g, (_all, c?: string, octal?: string, hex?: string) => {
    if (c !== undefined) return { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }[c] ?? c;
    return String.fromCharCode(parseInt(octal ?? hex ?? '0', octal === undefined ? 16 : 8));
  });
}

function printfOne(spec: string, arg: string): string {
  const [, minus, zero, width, precision, kind] = /^%(-?)(0?)(\d*)(?:\.(\d+))?(.)$/.exec(spec)!;
  const texts: Readonly<Record<string, () => string>> = {
    s: () => arg.slice(0, precision === undefined ? undefined : Number(precision)), c: () => arg.slice(0, 1),
    x: () => Number(arg).toString(16), X: () => Number(arg).toString(16).toUpperCase(),
  };
  const text = (texts[kind!] ?? ((): string => String(Math.trunc(Number(arg)))))();
  return minus === '-' ? text.padEnd(Number(width)) : text.padStart(Number(width), zero === '0' ? '0' : ' ');
}

function printf(args: readonly string[]): Said {
  const [format = '', ...rest] = args;
  let out = '';
  do {
    const left = rest.length;
    out += escapes(format).replace(/%%|%-?0?\d*(?:\.\d+)?[sdiuxXc]/g, (spec) => {
      return spec === '%%' ? '%' : printfOne(spec, rest.shift() ?? '');
    });
    if (rest.length === left) break;
  } while (rest.length > 0);
  return { status: 0, out };
}

/** Most lines of seq. */
const MAX_SEQ = 100_000;

function seq(args: readonly string[]): Said {
  const numbers = args.map(Number);
  const [from, step, to] = numbers.length === 1 ? [1, 1, numbers[0]!] : numbers.length === 2 ? [numbers[0]!, 1, numbers[1]!] : numbers;
  const finite = numbers.every((n) => Number.isFinite(n));
  if (!finite || step === undefined || step === 0 || Math.abs((to! - from!) / step) > MAX_SEQ) return skip('seq', args);
  const lines: string[] = [];
  for (let n = from!; step > 0 ? n <= to! : n >= to!; n += step) lines.push(String(n));
  return said(lines);
}

/** `expr 1 + 2`, `expr a = b`, with two operands. */
function expr(args: readonly string[]): Said {
  const [a = '', op, b = ''] = args;
  if (args.length === 1) return said([a], a === '' || a === '0' ? 1 : 0);
  if (args.length !== 3) return skip('expr', args);
  const [x, y] = [Number(a), Number(b)];
  const whole = /^-?\d+$/.test(a) && /^-?\d+$/.test(b);
  const order = whole ? x - y : a < b ? -1 : a > b ? 1 : 0;
  const value = (): number => {
    switch (op) {
      case '+': return x + y;
      case '-': return x - y;
      case '*': return x * y;
      case '/': return Math.trunc(x / y);
      case '%': return x % y;
      case '=': case '==': return Number(order === 0);
      case '!=': return Number(order !== 0);
      case '<': return Number(order < 0);
      case '<=': return Number(order <= 0);
      case '>': return Number(order > 0);
      case '>=': return Number(order >= 0);
      default: return skip('expr', args);
    }
  };
  const n = value();
  if (Number.isNaN(n) || !Number.isFinite(n)) return said([], 2);
  return said([String(n)], n === 0 ? 1 : 0);
}
