/**
 * Runs `%{ … }%`: assertions on TCP_INFO, without Python. The language is that of code-parse.ts.
 *
 * Names are the fields of struct tcp_info, SK_MEMINFO_*, TCP_* states and flags, and whatever the script assigned: variables
 * live from one piece of code to the next.
 */
import { CodeError } from './code-lex.ts';
import { parseCode, type Block, type Node, type Statement } from './code-parse.ts';
import {
  binary, Callable, compare, Dict, formatSpec, itemsIn, limited, List, MAX_ITEMS, num, round, show, truth, type Value,
} from './code-values.ts';
import { callMethod } from './code-methods.ts';
import { ScriptSkipped } from './errors.ts';

export type { Value } from './code-values.ts';

/** An assertion that does not hold. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AssertionFailure';
  }
}

/** Statements and rounds of loops that one piece of code may take; how deep its functions may call each other. */
const MAX_STEPS = 200_000;
const MAX_DEPTH = 100;

/** Constants that packetdrill defines for code. */
const CONSTANTS: Readonly<Record<string, Value>> = {
  True: true, False: false, None: null,
  TCP_ESTABLISHED: 1, TCP_SYN_SENT: 2, TCP_SYN_RECV: 3, TCP_FIN_WAIT1: 4, TCP_FIN_WAIT2: 5, TCP_TIME_WAIT: 6, TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8, TCP_LAST_ACK: 9, TCP_LISTEN: 10, TCP_CLOSING: 11,
  TCP_CA_Open: 0, TCP_CA_Disorder: 1, TCP_CA_CWR: 2, TCP_CA_Recovery: 3, TCP_CA_Loss: 4,
  TCPI_OPT_TIMESTAMPS: 1, TCPI_OPT_SACK: 2, TCPI_OPT_WSCALE: 4, TCPI_OPT_ECN: 8, TCPI_OPT_ECN_SEEN: 16, TCPI_OPT_SYN_DATA: 32,
  TCPI_OPT_USEC_TS: 64, TCPI_OPT_TFO_CHILD: 128,
};

/** The variables of one script, and what it printed. */
export class CodeRunner {
  private readonly variables: Map<string, Value> = new Map(Object.entries(CONSTANTS));
  readonly printed: string[] = [];

  constructor() {
    for (const [name, call] of Object.entries(builtins(this.printed))) this.variables.set(name, new Callable(name, call));
  }

  /**
   * Runs a piece of code on a snapshot. Throws {@link AssertionFailure}, CodeError for what goes wrong, ScriptSkipped for Python that
   * is not here.
   */
  run(text: string, snapshot: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(snapshot)) this.variables.set(name, value);
    new Piece(text, this.variables).run(parseCode(text));
  }
}

/** How a block was left before its end. */
type Left = { readonly kind: 'break' | 'continue' } | { readonly kind: 'return'; readonly value: Value } | null;

class Piece {
  private readonly text: string;
  private readonly globals: Map<string, Value>;
  /** Of the function that runs; else the script's. */
  private locals: Map<string, Value>;
  private steps = 0;
  private depth = 0;

  constructor(text: string, variables: Map<string, Value>) {
    this.text = text;
    this.globals = variables;
    this.locals = variables;
  }

  run(block: Block): Left {
    for (const statement of block) {
      const left = this.statement(statement);
      if (left !== null) return left;
    }
    return null;
  }

  private step(): void {
    if (++this.steps > MAX_STEPS) throw new CodeError(`it goes on for ever: more than ${MAX_STEPS} steps`);
  }

  private statement(s: Statement): Left {
    this.step();
    switch (s.kind) {
      case 'assert': this.assertion(s); return null;
      case 'assign': this.assign(s); return null;
      case 'expr': this.value(s.value); return null;
      case 'pass': return null;
      case 'break': case 'continue': return { kind: s.kind };
      case 'return': return { kind: 'return', value: s.value === null ? null : this.value(s.value) };
      case 'import': return null;
      case 'if': {
        const arm = s.arms.find(([condition]) => truth(this.value(condition)));
        return this.run(arm === undefined ? s.other : arm[1]);
      }
      case 'for':
        for (const item of itemsIn(this.value(s.of))) {
          this.bindNames(s.names, item);
          const left = this.round(s.body);
          if (left !== null) return left.kind === 'break' ? null : left;
        }
        return null;
      case 'while':
        while (truth(this.value(s.condition))) {
          const left = this.round(s.body);
          if (left !== null) return left.kind === 'break' ? null : left;
        }
        return null;
      case 'def': this.define(s); return null;
    }
  }

  /** Once through a loop; null: it goes on. */
  private round(body: Block): Left {
    this.step();
    const left = this.run(body);
    return left?.kind === 'continue' ? null : left;
  }

  private bindNames(names: readonly string[], item: Value): void {
    if (names.length === 1) {
      this.locals.set(names[0]!, item);
      return;
    }
    const parts = itemsIn(item);
    if (parts.length !== names.length) throw new CodeError(`${names.length} names for ${parts.length} values`);
    names.forEach((name, i) => this.locals.set(name, parts[i]!));
  }

  private define(s: Statement & { readonly kind: 'def' }): void {
    const defaults = s.params.map(([, node]) => (node === null ? undefined : this.value(node)));
    this.locals.set(s.name, new Callable(s.name, (args, named) => {
      if (++this.depth > MAX_DEPTH) throw new CodeError(`functions call each other more than ${MAX_DEPTH} deep`);
      if (args.length > s.params.length) throw new CodeError(`${s.name}() takes ${s.params.length} arguments, not ${args.length}`);
      const saved = this.locals;
      this.locals = new Map();
      s.params.forEach(([name], i) => {
        const value = args[i] ?? named.get(name) ?? defaults[i];
        if (value === undefined) throw new CodeError(`${s.name}(): '${name}' is missing`);
        this.locals.set(name, value);
      });
      try {
        const left = this.run(s.body);
        return left?.kind === 'return' ? left.value : null;
      } finally {
        this.locals = saved;
        this.depth--;
      }
    }));
  }

  private assertion(s: Statement & { readonly kind: 'assert' }): void {
    if (truth(this.value(s.test))) return;
    const message = s.message === null ? '' : `: ${show(this.value(s.message))}`;
    const source = this.text.slice(s.from, s.to).replace(/\s+/g, ' ').trim();
    throw new AssertionFailure(`assert ${source}${message}${this.values(s.test)}`);
  }

  /** What the names of an assertion stood for. */
  private values(test: Node): string {
    const seen = [...new Set(namesIn(test))].filter((name) => !(name in CONSTANTS) && this.find(name) !== undefined);
    const told = seen.map((name) => [name, this.find(name)!] as const).filter(([, value]) => !(value instanceof Callable));
    return told.length === 0 ? '' : ` (${told.map(([name, value]) => `${name} = ${show(value)}`).join(', ')})`;
  }

  private find(name: string): Value | undefined {
    return this.locals.get(name) ?? (this.locals.has(name) ? null : this.globals.get(name));
  }

  private assign({ targets, op, value }: Statement & { readonly kind: 'assign' }): void {
    const given = this.value(value);
    for (const target of targets) this.bind(target, op === '' ? given : binary(op, this.value(target), given));
  }

  private bind(target: Node, value: Value): void {
    if (target.kind === 'name') {
      this.locals.set(target.name, value);
    } else if (target.kind === 'item') {
      const of = this.value(target.of);
      const at = this.value(target.at);
      if (of instanceof Dict) of.set(at, value);
      else if (of instanceof List) of.items[position(of.items, at)] = value;
      else throw new CodeError(`items of ${show(of)} cannot be set`);
    } else if (target.kind === 'tuple' || target.kind === 'list') {
      const parts = itemsIn(value);
      if (parts.length !== target.items.length) throw new CodeError(`${target.items.length} names for ${parts.length} values`);
      target.items.forEach((item, i) => { this.bind(item, parts[i]!); });
    }
  }

  private value(node: Node): Value {
    switch (node.kind) {
      case 'constant': return node.value;
      case 'name': return this.lookup(node.name);
      case 'format':
        return node.parts.map((part) => (typeof part === 'string' ? part : formatSpec(this.value(part.value), part.spec))).join('');
      case 'unary': return unary(node.op, this.value(node.of));
      case 'binary': return binary(node.op, this.value(node.left), this.value(node.right));
      case 'both': {
        const left = this.value(node.left);
        return truth(left) === (node.op === 'or') ? left : this.value(node.right);
      }
      case 'compare': return this.comparison(node);
      case 'choice': return truth(this.value(node.condition)) ? this.value(node.yes) : this.value(node.no);
      case 'list': return new List(node.items.map((item) => this.value(item)));
      case 'tuple': return node.items.map((item) => this.value(item));
      case 'dict': {
        const dict = new Dict();
        for (const [key, value] of node.items) dict.set(this.value(key), this.value(value));
        return dict;
      }
      case 'each': return this.each(node);
      case 'call': return this.call(node);
      case 'item': return item(this.value(node.of), this.value(node.at));
      case 'slice': {
        const [from, to] = [node.from, node.to].map((n) => (n === null ? undefined : num(this.value(n))));
        return slice(this.value(node.of), from, to);
      }
      case 'attribute': throw new ScriptSkipped(`Python's .${node.name} in code`);
    }
  }

  private lookup(name: string): Value {
    const value = this.find(name);
    if (value !== undefined) return value;
    if (MODULES.has(name)) throw new ScriptSkipped(`Python's module ${name} in code`);
    throw new CodeError(`name '${name}' is not defined`);
  }

  private comparison({ first, rest }: Node & { readonly kind: 'compare' }): boolean {
    let left = this.value(first);
    for (const [op, node] of rest) {
      const right = this.value(node);
      if (!compare(op, left, right)) return false;
      left = right;
    }
    return true;
  }

  private each({ value, name, of, condition }: Node & { readonly kind: 'each' }): Value {
    const out: Value[] = [];
    const saved = this.locals;
    this.locals = new Map(saved);
    for (const one of itemsIn(this.value(of))) {
      this.step();
      this.bindNames(name, one);
      if (condition === null || truth(this.value(condition))) out.push(this.value(value));
    }
    this.locals = saved;
    return new List(limited(out));
  }

  private call({ of, args, named }: Node & { readonly kind: 'call' }): Value {
    this.step();
    const values = args.map((arg) => this.value(arg));
    const words = new Map(named.map(([name, node]) => [name, this.value(node)]));
    if (of.kind === 'attribute') return callMethod(this.value(of.of), of.name, values);
    if (of.kind === 'name' && this.find(of.name) === undefined && PYTHON.has(of.name)) {
      throw new ScriptSkipped(`Python's ${of.name}() in code`);
    }
    const f = this.value(of);
    if (!(f instanceof Callable)) throw new CodeError(`${show(f)} is no function`);
    return f.call(values, words);
  }
}

/** Functions and modules of Python that are not here. */
const PYTHON: ReadonlySet<string> = new Set([
  'open', 'exec', 'eval', 'map', 'filter', 'set', 'type', 'isinstance', 'getattr', 'hasattr', 'globals', 'locals', 'iter', 'next', 'format',
  'bytes', 'reversed', 'input', 'exit', 'quit', 'vars', 'dir', 'callable', 'id', 'hash',
]);
const MODULES: ReadonlySet<string> = new Set([
  'sys', 'os', 'math', 're', 'time', 'socket', 'struct', 'subprocess', 'json', 'itertools', 'functools',
]);

function unary(op: string, v: Value): Value {
  if (op === 'not') return !truth(v);
  const n = num(v);
  return op === '-' ? -n : op === '~' ? -n - 1 : n;
}

function position(items: readonly Value[], at: Value): number {
  const n = num(at);
  const i = n < 0 ? n + items.length : n;
  if (!Number.isInteger(i) || i < 0 || i >= items.length) throw new CodeError(`there is no item ${show(at)} among ${items.length}`);
  return i;
}

function slice(of: Value, from: number | undefined, to: number | undefined): Value {
  if (typeof of === 'string') return of.slice(from, to);
  const items = itemsIn(of).slice(from, to);
  return of instanceof List ? new List(items) : items;
}

function item(of: Value, at: Value): Value {
  if (of instanceof Dict) {
    const value = of.get(at);
    if (value === undefined) throw new CodeError(`there is no key ${show(at)}`);
    return value;
  }
  const items = itemsIn(of);
  return items[position(items, at)]!;
}

function* namesIn(node: unknown): Generator<string> {
  if (Array.isArray(node)) {
    for (const part of node) yield* namesIn(part);
  } else if (typeof node === 'object' && node !== null) {
    const { kind, name } = node as { kind?: unknown; name?: unknown };
    if (kind === 'name' && typeof name === 'string') yield name;
    for (const part of Object.values(node)) yield* namesIn(part);
  }
}

// ---- functions

type Builtin = (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

function spread(args: readonly Value[]): readonly Value[] {
  return args.length === 1 ? itemsIn(args[0]) : args;
}

function extreme(args: readonly Value[], op: '<' | '>'): Value {
  const items = spread(args);
  if (items.length === 0) throw new CodeError('min() and max() need a value');
  return items.reduce((best, v) => (compare(op, v, best) ? v : best));
}

function range(args: readonly Value[]): Value {
  const [a = 0, b, step = 1] = args.map(num);
  const [from, to] = b === undefined ? [0, a] : [a, b];
  if (step === 0 || (to - from) / step > MAX_ITEMS) throw new CodeError(`range(): more than ${MAX_ITEMS} items`);
  const items: Value[] = [];
  for (let n = from; step > 0 ? n < to : n > to; n += step) items.push(n);
  return new List(items);
}

function toInt([v = 0, base]: readonly Value[]): Value {
  if (typeof v !== 'string') return Math.trunc(num(v));
  const radix = base === undefined ? 10 : num(base);
  const n = parseInt(v.trim().replace(/^(-?)0[xob]/i, '$1'), radix === 0 ? 10 : radix);
  if (Number.isNaN(n)) throw new CodeError(`int(): '${v}' is no number`);
  return n;
}

function builtins(printed: string[]): Readonly<Record<string, Builtin>> {
  return {
    print: (args, named) => {
      printed.push(...args.map(show).join(show(named.get('sep') ?? ' ')).split('\n'));
      return null;
    },
    abs: ([v]) => Math.abs(num(v)),
    min: (args) => extreme(args, '<'),
    max: (args) => extreme(args, '>'),
    sum: ([v, from = 0]) => itemsIn(v).reduce<Value>((a, b) => binary('+', a, b), from),
    any: ([v]) => itemsIn(v).some(truth),
    all: ([v]) => itemsIn(v).every(truth),
    int: toInt,
    float: ([v = 0]) => (typeof v === 'string' ? Number(v) : num(v)),
    bool: ([v = false]) => truth(v),
    round: ([v, digits = 0]) => round(num(v), num(digits ?? 0)),
    pow: ([a, b]) => num(a) ** num(b),
    divmod: ([a, b]) => [binary('//', a ?? 0, b ?? 0), binary('%', a ?? 0, b ?? 0)],
    str: ([v = '']) => show(v),
    repr: ([v = null]) => show(v),
    hex: ([v]) => formatSpec(num(v), '#x'),
    bin: ([v]) => formatSpec(num(v), '#b'),
    len: ([v]) => itemsIn(v).length,
    list: ([v = []]) => new List([...itemsIn(v)]),
    tuple: ([v = []]) => itemsIn(v),
    dict: () => new Dict(),
    range,
    sorted: ([v]) => new List([...itemsIn(v)].sort((a, b) => (compare('<', a, b) ? -1 : compare('<', b, a) ? 1 : 0))),
    enumerate: ([v, from = 0]) => new List(itemsIn(v).map((one, i) => [i + num(from), one])),
    zip: (args) => {
      const lists = args.map((v) => itemsIn(v));
      return new List(Array.from({ length: Math.min(...lists.map((list) => list.length)) }, (_, i) => lists.map((list) => list[i]!)));
    },
    chr: ([v]) => String.fromCharCode(num(v)),
    ord: ([v]) => show(v ?? '').charCodeAt(0),
  };
}
