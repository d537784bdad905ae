/** The tokens of `%{ … }%`: Python, as far as scripts use it. Blocks are marked by `indent` and `dedent`. */

export interface Token {
  readonly kind: 'number' | 'name' | 'text' | 'format' | 'op' | 'line' | 'indent' | 'dedent' | 'end';
  readonly text: string;
  /** Where it stands, for messages. */
  readonly pos: number;
}

/** What is not in the language, or goes wrong in it other than by an assertion. */
export class CodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CodeError';
  }
}

/** `%` and what may stand before a string: f formats, r keeps its backslashes, b and u change nothing. */
const STRING = /([fFrRbBuU]{0,2})("""|'''|"|')/y;
const BLANK = /(?:[ \t\f]+|#[^\n]*|\\\r?\n)+/y;
const NUMBER = /0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*\.?(?:[eE][-+]?\d+)?/y;
const NAME = /[A-Za-z_]\w*/y;
const OP = /\*\*=|\/\/=|<<=|>>=|\*\*|\/\/|<<|>>|<=|>=|==|!=|->|:=|[-+*/%&|^]=|[-+*/%&|^~<>=(),[\]{}:.@]/y;

class Lexer {
  private readonly text: string;
  private pos = 0;
  private depth = 0;
  private readonly indents: number[] = [];
  private marginKnown = false;
  readonly tokens: Token[] = [];

  constructor(text: string) {
    this.text = text;
  }

  run(): Token[] {
    this.indent(true);
    while (this.pos < this.text.length) this.step();
    this.push('line', '');
    while (this.indents.length > 1) {
      this.indents.pop();
      this.push('dedent', '');
    }
    this.push('end', '');
    return this.tokens;
  }

  private push(kind: Token['kind'], text: string, pos: number = this.pos): void {
    this.tokens.push({ kind, text, pos });
  }

  private match(re: RegExp): RegExpExecArray | null {
    re.lastIndex = this.pos;
    const m = re.exec(this.text);
    if (m !== null) this.pos = re.lastIndex;
    return m;
  }

  /** At the beginning of a line: how far it is moved in, empty lines left out. The first line's own margin counts as none. */
  private indent(first: boolean): void {
    for (;;) {
      const m = this.match(/[ \t]*/y)!;
      const width = m[0].replace(/\t/g, '        ').length;
      if (this.match(/#[^\n]*/y) !== null || /\r?\n/y.test(this.text.slice(this.pos, this.pos + 1))) {
        if (this.match(/\r?\n/y) !== null) continue;
      }
      if (this.pos >= this.text.length) return;
      if (first || this.indents.length === 0) {
        this.indents.push(width);
        return;
      }
      if (width > this.indents.at(-1)!) {
        if (this.indents.length === 1 && !this.opened() && this.takeMargin(width)) return;
        this.indents.push(width);
        this.push('indent', '');
        return;
      }
      while (this.indents.length > 1 && width < this.indents.at(-1)!) {
        this.indents.pop();
        this.push('dedent', '');
      }
      if (this.indents.length === 1 && width !== this.indents[0] && this.takeMargin(width)) return;
      if (width !== this.indents.at(-1)!) throw new CodeError('the line is moved in as no line before it');
      return;
    }
  }

  /** The text's first line has lost its margin; the others keep theirs: the first of them that stands as far out tells it. */
  private takeMargin(width: number): boolean {
    if (this.marginKnown) return false;
    this.marginKnown = true;
    this.indents[0] = width;
    return true;
  }

  /** Does the line before end in a colon? */
  private opened(): boolean {
    const before = this.tokens.filter((t) => t.kind !== 'line').at(-1);
    return before?.kind === 'op' && before.text === ':';
  }

  private step(): void {
    if (this.match(BLANK) !== null) return;
    const pos = this.pos;
    if (this.match(/\r?\n/y) !== null) {
      if (this.depth > 0) return;
      this.push('line', '\n', pos);
      this.indent(false);
      return;
    }
    if (this.match(/;/y) !== null) {
      this.push('line', ';', pos);
      return;
    }
    const quote = this.match(STRING);
    if (quote !== null) {
      this.string(quote[1]!.toLowerCase(), quote[2]!, pos);
      return;
    }
    const number = this.match(NUMBER);
    if (number !== null) {
      this.push('number', number[0].replace(/_/g, ''), pos);
      return;
    }
    const name = this.match(NAME);
    if (name !== null) {
      this.push('name', name[0], pos);
      return;
    }
    const op = this.match(OP);
    if (op === null) throw new CodeError(`'${this.text.slice(pos, pos + 12).split('\n')[0]!}' is not understood`);
    if ('([{'.includes(op[0])) this.depth++;
    if (')]}'.includes(op[0])) this.depth = Math.max(0, this.depth - 1);
    this.push('op', op[0], pos);
  }

  private string(prefix: string, quote: string, pos: number): void {
    const from = this.pos;
    for (;;) {
      const c = this.text[this.pos];
      if (c === undefined || (c === '\n' && quote.length === 1)) throw new CodeError('a string has no end');
      if (c === '\\') this.pos += 2;
      else if (this.text.startsWith(quote, this.pos)) break;
      else this.pos++;
    }
    const raw = this.text.slice(from, this.pos);
    this.pos += quote.length;
    const text = prefix.includes('r') ? raw : unescape(raw);
    this.push(prefix.includes('f') ? 'format' : 'text', text, pos);
  }
}

/** Cuts the text into tokens; line ends inside of brackets are blanks. */
export function tokenize(text: string): Token[] {
  return new Lexer(text).run();
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\n': '', 0: '\0' };

function unescape(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|([\s\S]))/g, (all, hex?: string, c?: string) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    return ESCAPES[c!] ?? (/['"\\]/.test(c!) ? c! : all);
  });
}
