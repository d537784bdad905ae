/** The values of `%{ … }%` and what can be done with them: Python's rules for numbers, text, lists and dicts. */
import { CodeError } from './code-lex.ts';
import { ScriptSkipped } from './errors.ts';

/** A list, which can grow. */
export class List {
  items: Value[];

  constructor(items: Value[]) {
    this.items = items;
  }
}

/** A dict, by what its keys look like. */
export class Dict {
  readonly entries: Map<string, readonly [Value, Value]> = new Map();

  get(key: Value): Value | undefined {
    return this.entries.get(repr(key))?.[1];
  }

  set(key: Value, value: Value): void {
    this.entries.set(repr(key), [key, value]);
  }
}

/** A function: its own, or one that the script has defined. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

  constructor(name: string, call: (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** Tuples are arrays that nobody changes. None is null. */
export type Value = number | string | boolean | null | readonly Value[] | List | Dict | Callable;

/** Longest list that a script may make. */
export const MAX_ITEMS = 100_000;

export function num(v: Value | undefined): number {
  if (typeof v === 'boolean') return Number(v);
  if (typeof v !== 'number') throw new CodeError(`a number expected, found ${repr(v ?? null)}`);
  return v;
}

export function truth(v: Value): boolean {
  if (Array.isArray(v)) return v.length > 0;
  if (v instanceof List) return v.items.length > 0;
  if (v instanceof Dict) return v.entries.size > 0;
  return Boolean(v);
}

/** What can be gone through: lists, tuples, the characters of a text, the keys of a dict. */
export function itemsIn(v: Value | undefined): readonly Value[] {
  if (v instanceof List) return v.items;
  if (v instanceof Dict) return [...v.entries.values()].map(([key]) => key);
  if (typeof v === 'string') return [...v];
  if (Array.isArray(v)) return v as readonly Value[];
  throw new CodeError(`a list expected, found ${repr(v ?? null)}`);
}

/** As print shows it. */
export function show(v: Value): string {
  return typeof v === 'string' ? v : repr(v);
}

/** As Python writes it inside of lists. */
export function repr(v: Value): string {
  if (v === null) return 'None';
  if (typeof v === 'string') return `'${v.replace(/'/g, "\\'")}'`;
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  if (typeof v === 'number') return Number.isFinite(v) ? String(v) : v > 0 ? 'inf' : v < 0 ? '-inf' : 'nan';
  if (v instanceof List) return `[${v.items.map(repr).join(', ')}]`;
  if (v instanceof Dict) return `{${[...v.entries.values()].map(([key, value]) => `${repr(key)}: ${repr(value)}`).join(', ')}}`;
  if (v instanceof Callable) return `<function ${v.name}>`;
  return `(${v.map(repr).join(', ')}${v.length === 1 ? ',' : ''})`;
}

export function equal(a: Value, b: Value): boolean {
  const [x, y] = [typeof a === 'boolean' ? Number(a) : a, typeof b === 'boolean' ? Number(b) : b];
  if (x instanceof List && y instanceof List) return equal(x.items, y.items);
  if (Array.isArray(x) && Array.isArray(y)) return x.length === y.length && x.every((item: Value, i) => equal(item, y[i] as Value));
  if (x instanceof Dict && y instanceof Dict) return repr(x) === repr(y);
  return x === y;
}

/** Before, the same, or behind: numbers, texts, and lists item by item. */
function order(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if ((Array.isArray(a) && Array.isArray(b)) || (a instanceof List && b instanceof List)) {
    const [x, y] = [itemsIn(a), itemsIn(b)];
    const at = x.findIndex((item, i) => i >= y.length || !equal(item, y[i]!));
    return at < 0 ? (x.length === y.length ? 0 : -1) : at >= y.length ? 1 : order(x[at]!, y[at]!);
  }
  return num(a) - num(b);
}

export function compare(op: string, a: Value, b: Value): boolean {
  switch (op) {
    case '==': return equal(a, b);
    case '!=': return !equal(a, b);
    case 'in': return contains(b, a);
    case 'not in': return !contains(b, a);
    case '<': return order(a, b) < 0;
    case '>': return order(a, b) > 0;
    case '<=': return order(a, b) <= 0;
    default: return order(a, b) >= 0;
  }
}

function contains(all: Value, one: Value): boolean {
  if (typeof all === 'string' && typeof one === 'string') return all.includes(one);
  return itemsIn(all).some((item) => equal(item, one));
}

export function binary(op: string, a: Value, b: Value): Value {
  if (op === '%' && typeof a === 'string') return percent(a, b);
  if (op === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
  if (op === '+' && a instanceof List && b instanceof List) return new List(limited([...a.items, ...b.items]));
  if (op === '+' && Array.isArray(a) && Array.isArray(b)) return limited([...a as Value[], ...b as Value[]]);
  if (op === '*' && typeof a === 'string' && typeof b === 'number') return repeated([...a], b).join('');
  if (op === '*' && a instanceof List && typeof b === 'number') return new List(repeated(a.items, b));
  return arithmetic(op, num(a), num(b));
}

function repeated<T>(items: readonly T[], times: number): T[] {
  if (items.length * times > MAX_ITEMS) throw new CodeError(`more than ${MAX_ITEMS} items`);
  return Array.from({ length: Math.max(0, times) }, () => items).flatMap((list) => [...list]);
}

export function limited(items: Value[]): Value[] {
  if (items.length > MAX_ITEMS) throw new CodeError(`more than ${MAX_ITEMS} items`);
  return items;
}

function arithmetic(op: string, x: number, y: number): number {
  if (y === 0 && (op === '/' || op === '//' || op === '%')) throw new CodeError('division by zero');
  switch (op) {
    case '+': return x + y;
    case '-': return x - y;
    case '*': return x * y;
    case '/': return x / y;
    case '//': return Math.floor(x / y);
    case '%': return x - Math.floor(x / y) * y;
    case '**': return x ** y;
    case '<<': return x * 2 ** y;
    case '>>': return Math.floor(x / 2 ** y);
    default: return bits(op, x, y);
  }
}

function bits(op: string, x: number, y: number): number {
  if (!Number.isInteger(x) || !Number.isInteger(y)) throw new CodeError(`${op} is for whole numbers, not ${x} and ${y}`);
  const [a, b] = [BigInt(x), BigInt(y)];
  return Number(op === '&' ? a & b : op === '|' ? a | b : a ^ b);
}

/** Python rounds halves to the even number. */
export function round(x: number, digits: number): number {
  const scale = 10 ** digits;
  const n = x * scale;
  const near = Math.round(n);
  return (Math.abs(n % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near) / scale;
}

// ---- text

/** `'cwnd %d of %d' % (a, b)`, `'%(a)s' % {'a': 1}` */
function percent(text: string, args: Value): string {
  const list = Array.isArray(args) ? [...args as Value[]] : [args];
  let taken = 0;
  const out = text.replace(/%(?:\((\w+)\))?([-+ 0#]*)(\d*)(?:\.(\d+))?([dsxXouifFeEgGrc%])/g,
    (_all, key: string | undefined, flags: string, width: string, precision: string | undefined, kind: string) => {
      if (kind === '%') return '%';
      if (key === undefined && taken >= list.length) throw new CodeError(`'${text}': more values are asked than there are`);
      const v = key === undefined ? list[taken++]! : args instanceof Dict ? args.get(key) : undefined;
      if (v === undefined) throw new CodeError(`'${text}': there is no ${key ?? 'value'}`);
      const align = flags.includes('-') ? '<' : '>';
      const zero = flags.includes('0') && align === '>' ? '0' : '';
      const point = precision === undefined ? '' : `.${precision}`;
      const shown = number(kind === 'i' || kind === 'u' ? 'd' : kind, point, v, flags.includes('#'));
      return pad(shown, zero, align, Number(width), flags.includes('+'));
    });
  if (taken < list.length && !(args instanceof Dict)) throw new CodeError(`'${text}': fewer values are asked than there are`);
  return out;
}

/** A value by the kind of its format: `d`, `.2f`, `x`, `s`… */
function number(kind: string, point: string, v: Value, prefix: boolean): string {
  const digits = point === '' ? 6 : Number(point.slice(1));
  switch (kind) {
    case 'd': return String(Math.trunc(num(v)));
    case 'x': case 'X': {
      const hex = Math.trunc(num(v)).toString(16);
      return (prefix ? '0x' : '') + (kind === 'X' ? hex.toUpperCase() : hex);
    }
    case 'o': return (prefix ? '0o' : '') + Math.trunc(num(v)).toString(8);
    case 'b': return (prefix ? '0b' : '') + Math.trunc(num(v)).toString(2);
    case 'f': case 'F': return num(v).toFixed(digits);
    case 'e': case 'E': return num(v).toExponential(digits).replace(/e([-+])(\d)$/, 'e$10$2');
    case 'g': case 'G': return String(Number(num(v).toPrecision(Math.max(1, digits))));
    case 'r': return repr(v);
    case 'c': return typeof v === 'number' ? String.fromCharCode(v) : show(v);
    case '%': return `${(num(v) * 100).toFixed(digits)}%`;
    default: return point === '' ? show(v) : show(v).slice(0, digits);
  }
}

function pad(text: string, fill: string, align: string, width: number, plus: boolean): string {
  const signed = plus && !text.startsWith('-') ? `+${text}` : text;
  const filler = fill === '' ? ' ' : fill;
  if (align === '<') return signed.padEnd(width, filler);
  if (align === '^') return signed.padStart(Math.floor((width + signed.length) / 2), filler).padEnd(width, filler);
  const sign = fill === '0' ? (/^[-+]/.exec(signed)?.[0] ?? '') : '';
  return sign + signed.slice(sign.length).padStart(width - sign.length, filler);
}

/** What stands behind the colon of an f-string or of format(): `>8`, `08x`, `.2f`, `,`. */
export function formatSpec(v: Value, spec: string): string {
  const m = /^(?:(.)?([<>^]))?([-+ ]?)(#?)(0?)(\d*)(,?)(\.\d+)?([a-zA-Z%]?)$/.exec(spec);
  if (m === null) throw new ScriptSkipped(`Python's format '${spec}' in code`);
  const [, fill, align, sign, prefix, zero, width, comma, point = '', kind = ''] = m;
  const numeric = typeof v === 'number' || typeof v === 'boolean';
  let text = number(kind === '' && point !== '' && numeric ? 'g' : kind, point, v, prefix === '#');
  if (comma === ',') text = text.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return pad(text, fill ?? (zero === '0' ? '0' : ''), align ?? (numeric ? '>' : '<'), Number(width), sign === '+');
}
