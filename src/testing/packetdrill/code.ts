/**
 * Runs `%{ … }%`: assertions on TCP_INFO, without Python.
 *
 *     statement := "assert" expr ["," expr] | name ("=" | "+=" | "-=" | …) expr | "import" … | "pass" | expr
 *     expr      := or-chain of and, not, chained comparisons (in and is among them), `a if c else b`, | ^ & << >>
 *                  + - * / // % **, calls
 *
 * Names are the fields of struct tcp_info, SK_MEMINFO_*, TCP_* states and flags, and whatever the script assigned: variables
 * live from one piece of code to the next.
 */
import { CodeError, tokenize, type Token } from './code-lex.ts';

export type Value = number | string | boolean | readonly Value[];

/** An assertion that does not hold. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AssertionFailure';
  }
}

/** Constants that packetdrill defines for code. */
const CONSTANTS: Readonly<Record<string, Value>> = {
  True: true, False: false, None: '',
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

  /** Runs a piece of code on a snapshot. Throws {@link AssertionFailure}, or CodeError for what is not understood. */
  run(text: string, snapshot: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(snapshot)) this.variables.set(name, value);
    new Piece(text, this.variables, this.printed).run();
  }
}

const COMPARISONS: readonly string[] = ['==', '!=', '<=', '>=', '<', '>'];
/** By how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];

class Piece {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private readonly variables: Map<string, Value>;
  private readonly printed: string[];
  private at = 0;

  constructor(text: string, variables: Map<string, Value>, printed: string[]) {
    this.text = text;
    this.tokens = tokenize(text);
    this.variables = variables;
    this.printed = printed;
  }

  run(): void {
    while (this.peek().kind !== 'end') {
      if (this.peek().kind === 'line') {
        this.at++;
        continue;
      }
      this.statement();
      const after = this.peek();
      if (after.kind !== 'line' && after.kind !== 'end') throw new CodeError(`the end of the statement expected, found '${after.text}'`);
    }
  }

  private peek(): Token {
    return this.tokens[this.at]!;
  }

  private op(...ops: readonly string[]): string {
    const t = this.peek();
    if (t.kind !== 'op' || !ops.includes(t.text)) return '';
    this.at++;
    return t.text;
  }

  private word(...words: readonly string[]): string {
    const t = this.peek();
    if (t.kind !== 'name' || !words.includes(t.text)) return '';
    this.at++;
    return t.text;
  }

  private need(op: string): void {
    if (this.op(op) === '') throw new CodeError(`'${op}' expected, found '${this.peek().text}'`);
  }

  private statement(): void {
    if (this.word('assert') !== '') {
      this.assertion();
      return;
    }
    if (this.word('pass') !== '') return;
    if (this.word('import', 'from') !== '') {
      while (this.peek().kind === 'name' || this.peek().kind === 'op') this.at++;
      return;
    }
    const [first, second] = [this.peek(), this.tokens[this.at + 1]];
    if (first.kind === 'name' && second?.kind === 'op' && /^(?:[-+*/&|]?=)$/.test(second.text)) {
      this.at += 2;
      const value = this.expr();
      const op = second.text.slice(0, -1);
      this.variables.set(first.text, op === '' ? value : binary(op, this.lookup(first.text), value));
      return;
    }
    this.expr();
  }

  private assertion(): void {
    const from = this.peek().pos;
    const holds = truth(this.expr());
    const to = this.peek().pos;
    const message = this.op(',') === '' ? '' : `: ${show(this.expr())}`;
    if (holds) return;
    const source = this.text.slice(from, to).replace(/\s+/g, ' ').trim();
    throw new AssertionFailure(`assert ${source}${message}${this.values(from, to)}`);
  }

  /** What the names of an assertion stood for. */
  private values(from: number, to: number): string {
    const names = this.tokens.filter((t) => t.kind === 'name' && t.pos >= from && t.pos < to).map((t) => t.text);
    const told = names.filter((name) => this.variables.has(name) && !(name in CONSTANTS));
    const seen = [...new Set(told)].map((name) => `${name} = ${show(this.variables.get(name)!)}`);
    return seen.length === 0 ? '' : ` (${seen.join(', ')})`;
  }

  private lookup(name: string): Value {
    const value = this.variables.get(name);
    if (value === undefined) throw new CodeError(`name '${name}' is not defined`);
    return value;
  }

  /** `a if condition else b`, or plainly `a` */
  private expr(): Value {
    const value = this.or();
    if (this.word('if') === '') return value;
    const holds = truth(this.or());
    if (this.word('else') === '') throw new CodeError(`'else' expected, found '${this.peek().text}'`);
    const other = this.expr();
    return holds ? value : other;
  }

  private or(): Value {
    let left = this.and();
    while (this.word('or') !== '') {
      const right = this.and();
      left = truth(left) ? left : right;
    }
    return left;
  }

  private and(): Value {
    let left = this.not();
    while (this.word('and') !== '') {
      const right = this.not();
      left = truth(left) ? right : left;
    }
    return left;
  }

  private not(): Value {
    return this.word('not') === '' ? this.comparison() : !truth(this.not());
  }

  /** `a <= b <= c` means both. */
  private comparison(): Value {
    let left = this.level(0);
    let compared = false;
    let holds = true;
    for (let op = this.comparisonOp(); op !== ''; op = this.comparisonOp()) {
      const right = this.level(0);
      compared = true;
      holds &&= compare(op, left, right);
      left = right;
    }
    return compared ? holds : left;
  }

  /** `<=` and its like, `in`, `not in`, `is`, `is not`; '' when there is none. */
  private comparisonOp(): string {
    const op = this.op(...COMPARISONS) || this.word('in');
    if (op !== '') return op;
    if (this.word('is') !== '') return this.word('not') === '' ? '==' : '!=';
    const next = this.tokens[this.at + 1];
    if (next?.kind !== 'name' || next.text !== 'in' || this.word('not') === '') return '';
    this.at++;
    return 'not in';
  }

  private level(n: number): Value {
    const ops = LEVELS[n];
    if (ops === undefined) return this.unary();
    let left = this.level(n + 1);
    for (let op = this.op(...ops); op !== ''; op = this.op(...ops)) left = binary(op, left, this.level(n + 1));
    return left;
  }

  private unary(): Value {
    const op = this.op('-', '+', '~');
    if (op === '') return this.power();
    const n = num(this.unary());
    return op === '-' ? -n : op === '~' ? ~n : n;
  }

  private power(): Value {
    const base = this.atom();
    return this.op('**') === '' ? base : num(base) ** num(this.unary());
  }

  private atom(): Value {
    const t = this.peek();
    this.at++;
    if (t.kind === 'number') return Number(t.text);
    if (t.kind === 'text') return this.peek().kind === 'text' ? t.text + String(this.atom()) : t.text;
    if (t.kind === 'name') return this.op('(') === '' ? this.lookup(t.text) : this.call(t.text);
    if (t.kind === 'op' && t.text === '(') return this.parenthesis(')');
    if (t.kind === 'op' && t.text === '[') return this.sequence(']');
    throw new CodeError(`a value expected, found '${t.text}'`);
  }

  private parenthesis(close: string): Value {
    const first = this.expr();
    if (this.op(close) !== '') return first;
    this.need(',');
    return [first, ...this.sequence(close)];
  }

  private sequence(close: string): Value[] {
    const items: Value[] = [];
    while (this.op(close) === '') {
      items.push(this.expr());
      if (this.op(close) !== '') break;
      this.need(',');
    }
    return items;
  }

  private call(name: string): Value {
    const args = this.sequence(')');
    switch (name) {
      case 'print': this.printed.push(args.map(show).join(' ')); return 0;
      case 'abs': return Math.abs(num(args[0]));
      case 'min': return Math.min(...args.map(num));
      case 'max': return Math.max(...args.map(num));
      case 'int': return Math.trunc(num(args[0]));
      case 'round': return Math.round(num(args[0]));
      case 'float': return num(args[0]);
      case 'str': return show(args[0] ?? '');
      case 'len': return Array.isArray(args[0]) ? args[0].length : String(args[0]).length;
      default: throw new CodeError(`${name}() is not known`);
    }
  }
}

function num(v: Value | undefined): number {
  if (typeof v === 'boolean') return Number(v);
  if (typeof v !== 'number') throw new CodeError(`a number expected, found ${show(v ?? '')}`);
  return v;
}

function truth(v: Value): boolean {
  return typeof v === 'object' ? v.length > 0 : Boolean(v);
}

function show(v: Value): string {
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  return typeof v === 'object' ? `(${v.map(show).join(', ')})` : String(v);
}

function equal(a: Value, b: Value): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  if (typeof a !== 'object' || typeof b !== 'object') return typeof a !== 'object' && typeof b !== 'object' && Number(a) === Number(b);
  return a.length === b.length && a.every((item, i) => equal(item, b[i]!));
}

function compare(op: string, a: Value, b: Value): boolean {
  if (op === 'in' || op === 'not in') return contains(b, a) === (op === 'in');
  if (op === '==' || op === '!=') return equal(a, b) === (op === '==');
  const [x, y] = typeof a === 'string' && typeof b === 'string' ? [a, b] : [num(a), num(b)];
  return op === '<' ? x < y : op === '>' ? x > y : op === '<=' ? x <= y : x >= y;
}

function contains(all: Value, one: Value): boolean {
  if (typeof all === 'string') return all.includes(show(one));
  if (typeof all !== 'object') throw new CodeError(`a list expected behind 'in', found ${show(all)}`);
  return all.some((item) => equal(item, one));
}

function binary(op: string, a: Value, b: Value): Value {
  if (op === '%' && typeof a === 'string') return format(a, b);
  if (op === '+' && typeof a === 'string') return a + show(b);
  const [x, y] = [num(a), num(b)];
  switch (op) {
    case '+': return x + y;
    case '-': return x - y;
    case '*': return x * y;
    case '/': return x / y;
    case '//': return Math.floor(x / y);
    case '%': return x - Math.floor(x / y) * y;
    case '&': return Number(BigInt(Math.trunc(x)) & BigInt(Math.trunc(y)));
    case '|': return Number(BigInt(Math.trunc(x)) | BigInt(Math.trunc(y)));
    case '^': return Number(BigInt(Math.trunc(x)) ^ BigInt(Math.trunc(y)));
    case '<<': return x * 2 ** y;
    default: return Math.floor(x / 2 ** y);
  }
}

/** `'cwnd %d of %d' % (a, b)` */
function format(text: string, args: Value): string {
  const list = typeof args === 'object' ? [...args] : [args];
  return text.replace(/%[-0-9.]*([dsxufir%])/g, (_all, kind: string) => {
    if (kind === '%') return '%';
    const v = list.shift() ?? '';
    return kind === 'x' ? num(v).toString(16) : kind === 'd' || kind === 'u' || kind === 'i' ? String(Math.trunc(num(v))) : show(v);
  });
}
