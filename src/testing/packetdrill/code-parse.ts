/**
 * Reads `%{ … }%` into a tree: the part of Python that assertions need.
 *
 *     block     := statement {";" statement} newline | newline indent statement… dedent
 *     statement := "assert" expr ["," expr] | targets ("=" | "+=" | …) expr | "pass" | "break" | "continue" | "return" [expr]
 *                | "if" … | "for" … | "while" … | "def" name "(" names ")" ":" block | expr
 *     expr      := `a if c else b`, or, and, not, chained comparisons (in and is among them), | ^ & << >> + - * / // % **,
 *                  calls, subscripts, slices, methods, lists, tuples, dicts, comprehensions, f-strings
 */
import { CodeError, tokenize, type Token } from './code-lex.ts';
import { ScriptSkipped } from './errors.ts';

export type Node =
  | { readonly kind: 'constant'; readonly value: number | string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'format'; readonly parts: readonly (string | { readonly value: Node; readonly spec: string })[] }
  | { readonly kind: 'unary'; readonly op: string; readonly of: Node }
  | { readonly kind: 'binary'; readonly op: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'both'; readonly op: 'and' | 'or'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'compare'; readonly first: Node; readonly rest: readonly (readonly [string, Node])[] }
  | { readonly kind: 'choice'; readonly condition: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly Node[] }
  | { readonly kind: 'dict'; readonly items: readonly (readonly [Node, Node])[] }
  | { readonly kind: 'each'; readonly value: Node; readonly name: readonly string[]; readonly of: Node; readonly condition: Node | null }
  | { readonly kind: 'call'; readonly of: Node; readonly args: readonly Node[]; readonly named: readonly (readonly [string, Node])[] }
  | { readonly kind: 'item'; readonly of: Node; readonly at: Node }
  | { readonly kind: 'slice'; readonly of: Node; readonly from: Node | null; readonly to: Node | null }
  | { readonly kind: 'attribute'; readonly of: Node; readonly name: string };

export type Statement =
  | { readonly kind: 'assert'; readonly test: Node; readonly message: Node | null; readonly from: number; readonly to: number }
  | { readonly kind: 'assign'; readonly targets: readonly Node[]; readonly op: string; readonly value: Node }
  | { readonly kind: 'expr'; readonly value: Node }
  | { readonly kind: 'pass' | 'break' | 'continue' }
  | { readonly kind: 'return'; readonly value: Node | null }
  | { readonly kind: 'import'; readonly names: readonly string[] }
  | { readonly kind: 'if'; readonly arms: readonly (readonly [Node, Block])[]; readonly other: Block }
  | { readonly kind: 'for'; readonly names: readonly string[]; readonly of: Node; readonly body: Block }
  | { readonly kind: 'while'; readonly condition: Node; readonly body: Block }
  | { readonly kind: 'def'; readonly name: string; readonly params: readonly (readonly [string, Node | null])[]; readonly body: Block };

export type Block = readonly Statement[];

/** Python has these, and nothing here does. */
const MISSING: ReadonlySet<string> = new Set([
  'class', 'try', 'with', 'lambda', 'yield', 'raise', 'del', 'global', 'nonlocal', 'async', 'await',
]);
const COMPARISONS: readonly string[] = ['==', '!=', '<=', '>=', '<', '>'];
/** By how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];
const ASSIGN = /^(?:[-+*/%&|^]|\*\*|\/\/|<<|>>)?=$/;

/** Reads a whole piece of code. Throws CodeError, or ScriptSkipped for Python that is not to be had. */
export function parseCode(text: string): Block {
  return new Reader(tokenize(text)).all();
}

class Reader {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  all(): Block {
    const out: Statement[] = [];
    while (this.peek().kind !== 'end') {
      if (this.peek().kind === 'line') this.at++;
      else out.push(...this.line());
    }
    return out;
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

  private found(): string {
    const t = this.peek();
    return t.kind === 'line' || t.kind === 'end' ? 'the end of the line' : `'${t.text}'`;
  }

  private need(op: string): void {
    if (this.op(op) === '') throw new CodeError(`'${op}' expected, found ${this.found()}`);
  }

  private needWord(word: string): void {
    if (this.word(word) === '') throw new CodeError(`'${word}' expected, found ${this.found()}`);
  }

  private name(): string {
    const t = this.peek();
    if (t.kind !== 'name') throw new CodeError(`a name expected, found ${this.found()}`);
    this.at++;
    return t.text;
  }

  /** The statements of a line, or one that has a block. */
  private line(): Statement[] {
    const compound = this.compound();
    if (compound !== null) return [compound];
    const out = [this.statement()];
    for (;;) {
      const t = this.peek();
      if (t.kind === 'end') return out;
      if (t.kind !== 'line') throw new CodeError(`the end of the statement expected, found ${this.found()}`);
      this.at++;
      if (t.text !== ';') return out;
      if (this.peek().kind !== 'line' && this.peek().kind !== 'end') out.push(this.statement());
    }
  }

  private block(): Block {
    this.need(':');
    if (this.peek().kind !== 'line') return this.line();
    this.at++;
    if (this.peek().kind !== 'indent') throw new CodeError(`a block (lines that are moved in) expected, found ${this.found()}`);
    this.at++;
    const out: Statement[] = [];
    while (this.peek().kind !== 'dedent' && this.peek().kind !== 'end') {
      if (this.peek().kind === 'line') this.at++;
      else out.push(...this.line());
    }
    if (this.peek().kind === 'dedent') this.at++;
    return out;
  }

  private compound(): Statement | null {
    switch (this.word('if', 'for', 'while', 'def')) {
      case 'if': return this.conditional();
      case 'for': {
        const names = this.names();
        this.needWord('in');
        const of = this.exprs();
        return { kind: 'for', names, of, body: this.block() };
      }
      case 'while': {
        const condition = this.expr();
        return { kind: 'while', condition, body: this.block() };
      }
      case 'def': {
        const name = this.name();
        const params: [string, Node | null][] = [];
        this.need('(');
        while (this.op(')') === '') {
          const param = this.name();
          params.push([param, this.op('=') === '' ? null : this.expr()]);
          if (this.op(')') !== '') break;
          this.need(',');
        }
        return { kind: 'def', name, params, body: this.block() };
      }
      default: return null;
    }
  }

  private conditional(): Statement {
    const arms: [Node, Block][] = [];
    let other: Block = [];
    do {
      const condition = this.expr();
      arms.push([condition, this.block()]);
    } while (this.word('elif') !== '');
    if (this.word('else') !== '') other = this.block();
    return { kind: 'if', arms, other };
  }

  private names(): string[] {
    const bracket = this.op('(');
    const names = [this.name()];
    while (this.op(',') !== '') names.push(this.name());
    if (bracket !== '') this.need(')');
    return names;
  }

  private statement(): Statement {
    const { kind, text } = this.peek();
    if (kind === 'name' && MISSING.has(text)) throw new ScriptSkipped(`Python's '${text}' in code`);
    const word = this.word('assert', 'pass', 'break', 'continue', 'return', 'import', 'from');
    switch (word) {
      case 'assert': {
        const from = this.peek().pos;
        const test = this.expr();
        const to = this.peek().pos;
        return { kind: 'assert', test, message: this.op(',') === '' ? null : this.expr(), from, to };
      }
      case 'pass': case 'break': case 'continue': return { kind: word };
      case 'return': return { kind: 'return', value: this.peek().kind === 'line' || this.peek().kind === 'end' ? null : this.exprs() };
      case 'import': case 'from': return this.imported();
      default: return this.assignment();
    }
  }

  private imported(): Statement {
    const names: string[] = [];
    while (this.peek().kind === 'name' || this.peek().kind === 'op') {
      if (this.peek().kind === 'name') names.push(this.peek().text);
      this.at++;
    }
    return { kind: 'import', names };
  }

  private assignment(): Statement {
    const first = this.exprs();
    const { kind, text } = this.peek();
    if (kind !== 'op' || !ASSIGN.test(text)) return { kind: 'expr', value: first };
    this.at++;
    let value = this.exprs();
    const targets = [first];
    while (text === '=' && this.op('=') !== '') {
      targets.push(value);
      value = this.exprs();
    }
    for (const target of targets) if (!assignable(target)) throw new CodeError('what stands before = cannot be set');
    return { kind: 'assign', targets, op: text.slice(0, -1), value };
  }

  /** `a, b` is a tuple. */
  private exprs(): Node {
    const first = this.expr();
    if (this.peek().text !== ',' || this.peek().kind !== 'op') return first;
    const items = [first];
    while (this.op(',') !== '') if (this.startsValue()) items.push(this.expr());
    return { kind: 'tuple', items };
  }

  private startsValue(): boolean {
    const t = this.peek();
    return ['number', 'name', 'text', 'format'].includes(t.kind) || (t.kind === 'op' && ['(', '[', '{', '-', '+', '~'].includes(t.text));
  }

  /** `a if condition else b`, or plainly `a` */
  expr(): Node {
    const { kind, text } = this.peek();
    if (kind === 'name' && MISSING.has(text)) throw new ScriptSkipped(`Python's '${text}' in code`);
    const yes = this.or();
    if (this.word('if') === '') return yes;
    const condition = this.or();
    this.needWord('else');
    return { kind: 'choice', condition, yes, no: this.expr() };
  }

  private or(): Node {
    let left = this.and();
    while (this.word('or') !== '') left = { kind: 'both', op: 'or', left, right: this.and() };
    return left;
  }

  private and(): Node {
    let left = this.not();
    while (this.word('and') !== '') left = { kind: 'both', op: 'and', left, right: this.not() };
    return left;
  }

  private not(): Node {
    return this.word('not') === '' ? this.comparison() : { kind: 'unary', op: 'not', of: this.not() };
  }

  /** `a <= b <= c` means both. */
  private comparison(): Node {
    const first = this.level(0);
    const rest: [string, Node][] = [];
    for (let op = this.comparisonOp(); op !== ''; op = this.comparisonOp()) rest.push([op, this.level(0)]);
    return rest.length === 0 ? first : { kind: 'compare', first, rest };
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

  private level(n: number): Node {
    const ops = LEVELS[n];
    if (ops === undefined) return this.unary();
    let left = this.level(n + 1);
    for (let op = this.op(...ops); op !== ''; op = this.op(...ops)) left = { kind: 'binary', op, left, right: this.level(n + 1) };
    return left;
  }

  private unary(): Node {
    const op = this.op('-', '+', '~');
    return op === '' ? this.power() : { kind: 'unary', op, of: this.unary() };
  }

  private power(): Node {
    const left = this.postfix();
    return this.op('**') === '' ? left : { kind: 'binary', op: '**', left, right: this.unary() };
  }

  private postfix(): Node {
    let node = this.atom();
    for (;;) {
      if (this.op('(') !== '') node = this.call(node);
      else if (this.op('[') !== '') node = this.subscript(node);
      else if (this.op('.') !== '') node = { kind: 'attribute', of: node, name: this.name() };
      else return node;
    }
  }

  private call(of: Node): Node {
    const args: Node[] = [];
    const named: [string, Node][] = [];
    while (this.op(')') === '') {
      const next = this.tokens[this.at + 1];
      if (this.peek().kind === 'name' && next?.kind === 'op' && next.text === '=') {
        const name = this.name();
        this.at++;
        named.push([name, this.expr()]);
      } else {
        args.push(this.each(this.expr()));
      }
      if (this.op(')') !== '') break;
      this.need(',');
    }
    return { kind: 'call', of, args, named };
  }

  /** `value for name in list if condition`, or the value itself. */
  private each(value: Node): Node {
    if (this.word('for') === '') return value;
    const name = this.names();
    this.needWord('in');
    const of = this.or();
    return { kind: 'each', value, name, of, condition: this.word('if') === '' ? null : this.or() };
  }

  private subscript(of: Node): Node {
    const from = this.peek().text === ':' ? null : this.expr();
    if (this.op(':') === '') {
      this.need(']');
      return { kind: 'item', of, at: from! };
    }
    const to = this.peek().text === ']' ? null : this.expr();
    this.need(']');
    return { kind: 'slice', of, from, to };
  }

  private atom(): Node {
    const t = this.peek();
    this.at++;
    switch (t.kind) {
      case 'number': return { kind: 'constant', value: Number(t.text) };
      case 'text': case 'format': return this.strings(t);
      case 'name': return { kind: 'name', name: t.text };
      case 'op':
        if (t.text === '(') return this.parenthesis();
        if (t.text === '[') return this.bracket();
        if (t.text === '{') return this.braces();
    }
    this.at--;
    throw new CodeError(`a value expected, found ${this.found()}`);
  }

  /** Strings side by side are one. */
  private strings(first: Token): Node {
    const parts = [...formatParts(first)];
    for (let t = this.peek(); t.kind === 'text' || t.kind === 'format'; t = this.peek()) {
      this.at++;
      parts.push(...formatParts(t));
    }
    return parts.every((part) => typeof part === 'string') ? { kind: 'constant', value: parts.join('') } : { kind: 'format', parts };
  }

  private parenthesis(): Node {
    if (this.op(')') !== '') return { kind: 'tuple', items: [] };
    const first = this.each(this.expr());
    if (this.op(')') !== '') return first;
    if (this.op(',') === '') this.need(')');
    return { kind: 'tuple', items: [first, ...this.items(')')] };
  }

  private bracket(): Node {
    if (this.op(']') !== '') return { kind: 'list', items: [] };
    const first = this.each(this.expr());
    if (this.op(']') !== '') return first.kind === 'each' ? first : { kind: 'list', items: [first] };
    if (this.op(',') === '') this.need(']');
    return { kind: 'list', items: [first, ...this.items(']')] };
  }

  private items(close: string): Node[] {
    const items: Node[] = [];
    while (this.op(close) === '') {
      items.push(this.expr());
      if (this.op(close) !== '') break;
      this.need(',');
    }
    return items;
  }

  private braces(): Node {
    const items: [Node, Node][] = [];
    while (this.op('}') === '') {
      const key = this.expr();
      if (this.op(':') === '') throw new ScriptSkipped("Python's sets in code");
      items.push([key, this.expr()]);
      if (this.op('}') !== '') break;
      this.need(',');
    }
    return { kind: 'dict', items };
  }
}

function assignable(target: Node): boolean {
  if (target.kind === 'tuple' || target.kind === 'list') return target.items.every(assignable);
  return target.kind === 'name' || target.kind === 'item';
}

/** The text and the values of an f-string; a plain string is its text. */
function formatParts(t: Token): (string | { readonly value: Node; readonly spec: string })[] {
  if (t.kind === 'text') return [t.text];
  const parts: (string | { readonly value: Node; readonly spec: string })[] = [];
  let at = 0;
  for (const m of t.text.matchAll(/\{\{|\}\}|\{([^{}!:]*(?:\[[^\]]*\])?[^{}!:]*)(=?)(?:![rsa])?(?::([^{}]*))?\}/g)) {
    parts.push(t.text.slice(at, m.index));
    at = m.index + m[0].length;
    if (m[1] === undefined) {
      parts.push(m[0][0]!);
      continue;
    }
    if (m[2] === '=' || m[1].endsWith('=')) parts.push(`${m[1].replace(/=$/, '')}=`);
    parts.push({ value: new Reader(tokenize(m[1].replace(/=$/, ''))).expr(), spec: m[3] ?? '' });
  }
  parts.push(t.text.slice(at));
  return parts.filter((part) => part !== '');
}
