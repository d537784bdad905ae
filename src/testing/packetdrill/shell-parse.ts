/**
 * Reads the shell language of scripts' commands: what `sh -c` would read, into a tree. Nothing is run here.
 *
 *     list     := pipeline { ("&&" | "||" | ";" | newline) pipeline }
 *     pipeline := ["!"] command { "|" command }
 *     command  := { name "=" word } { word | redirect }
 *               | "if" … "fi" | "while" … "done" | "until" … "done" | "for" … "done" | "case" … "esac"
 *               | "{" list "}" | "(" list ")" | name "()" command
 *     word     := text, 'text', "text", $name, ${name…}, $(list), `list`, $((arithmetic))
 */
import { ScriptSkipped } from './errors.ts';

/** What the shell itself would refuse. */
export class ShellError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ShellError';
  }
}

export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  /** `$name`, `${name:-other}`: `op` is what stands between name and argument, '' for none, 'length' for `${#name}`. */
  | { readonly kind: 'variable'; readonly name: string; readonly op: string; readonly arg: Word; readonly quoted: boolean }
  | { readonly kind: 'command'; readonly list: List; readonly quoted: boolean }
  | { readonly kind: 'arithmetic'; readonly word: Word; readonly quoted: boolean };
export type Word = readonly Part[];

export interface Redirect {
  /** The descriptor that is turned; 1 and 2 both for `&>`. */
  readonly fd: number;
  readonly op: '>' | '>>' | '<' | '>&' | '<<<' | '&>' | '<<';
  readonly target: Word;
}

export type Command =
  | { readonly kind: 'simple'; readonly assigns: readonly (readonly [string, Word])[]; readonly words: readonly Word[] }
  | { readonly kind: 'if'; readonly arms: readonly (readonly [List, List])[]; readonly other: List | null }
  | { readonly kind: 'while'; readonly until: boolean; readonly condition: List; readonly body: List }
  | { readonly kind: 'for'; readonly name: string; readonly words: readonly Word[] | null; readonly body: List }
  | { readonly kind: 'case'; readonly word: Word; readonly arms: readonly (readonly [readonly Word[], List])[] }
  | { readonly kind: 'group'; readonly body: List; readonly own: boolean }
  | { readonly kind: 'function'; readonly name: string; readonly body: Command & { readonly redirects: readonly Redirect[] } };

export type FullCommand = Command & { readonly redirects: readonly Redirect[] };

export interface Pipeline {
  readonly negated: boolean;
  readonly commands: readonly FullCommand[];
}

/** Pipelines, each with what joins it to the one before: `;` for the first. */
export type List = readonly { readonly join: ';' | '&&' | '||'; readonly pipeline: Pipeline }[];

/** Words that end a list where a command would begin. */
const CLOSERS: ReadonlySet<string> = new Set(['then', 'elif', 'else', 'fi', 'do', 'done', 'esac', '}']);
const NAME = /[A-Za-z_]\w*/y;
const PLAIN = /[^\s;&|<>()'"$`\\]+/y;

/** Reads all of the text. Throws {@link ShellError}, or ScriptSkipped for what is understood and not to be had. */
export function parseShell(text: string): List {
  const p = new ShellParser(text);
  const list = p.list();
  p.end();
  return list;
}

class ShellParser {
  private readonly text: string;
  private pos = 0;
  /** Here-documents whose text begins behind the end of this line. */
  private readonly heredocs: { readonly end: string; readonly literal: boolean; parts: Part[] }[] = [];

  constructor(text: string, pos: number = 0) {
    this.text = text;
    this.pos = pos;
  }

  get at(): number {
    return this.pos;
  }

  end(): void {
    this.separators();
    if (this.pos < this.text.length) this.fail();
  }

  private fail(): never {
    const near = this.text.slice(this.pos).split('\n')[0]!.slice(0, 20);
    throw new ShellError(near === '' ? 'syntax error: the end came too early' : `syntax error near '${near}'`);
  }

  /** Over blanks, line continuations and comments. */
  private blanks(): void {
    const re = /(?:[ \t\r]+|\\\r?\n)+/y;
    for (;;) {
      re.lastIndex = this.pos;
      if (re.test(this.text)) this.pos = re.lastIndex;
      if (this.text[this.pos] !== '#') return;
      while (this.pos < this.text.length && this.text[this.pos] !== '\n') this.pos++;
    }
  }

  /** Over blanks and line ends, and `;`. */
  private separators(): void {
    for (;;) {
      this.blanks();
      if (this.text[this.pos] === '\n') this.newline();
      else if (this.text[this.pos] === ';' && this.text[this.pos + 1] !== ';') this.pos++;
      else return;
    }
  }

  private newlines(): void {
    for (this.blanks(); this.text[this.pos] === '\n'; this.blanks()) this.newline();
  }

  /** Over the end of a line, and the here-documents that follow it. */
  private newline(): void {
    this.pos++;
    for (const doc of this.heredocs.splice(0)) {
      const lines: string[] = [];
      for (;;) {
        const to = this.text.indexOf('\n', this.pos);
        const line = this.text.slice(this.pos, to < 0 ? undefined : to);
        const over = to < 0 || line.trim() === doc.end;
        if (line.trim() !== doc.end) lines.push(`${line}\n`);
        this.pos = to < 0 ? this.text.length : to + 1;
        if (over) break;
      }
      const body = lines.join('');
      doc.parts.push(...(doc.literal || body === '' ? [literal(body)] : new ShellParser(`${body}"`).quoted()));
    }
  }

  private take(mark: string): boolean {
    this.blanks();
    if (!this.text.startsWith(mark, this.pos)) return false;
    this.pos += mark.length;
    return true;
  }

  private match(re: RegExp): string | null {
    re.lastIndex = this.pos;
    const m = re.exec(this.text);
    if (m === null) return null;
    this.pos = re.lastIndex;
    return m[0];
  }

  /** The bare word that stands here, or ''; stays. */
  private peekWord(): string {
    this.blanks();
    const re = /[^\s;&|<>()'"$`\\]+(?![^\s;&|<>()])/y;
    re.lastIndex = this.pos;
    return re.exec(this.text)?.[0] ?? '';
  }

  private keyword(word: string): boolean {
    if (this.peekWord() !== word) return false;
    this.pos += word.length;
    return true;
  }

  private need(word: string): void {
    this.separators();
    if (!this.keyword(word)) this.fail();
  }

  /** Up to a word that closes, a `)`, `;;`, or the end. */
  list(): List {
    const list: { join: ';' | '&&' | '||'; pipeline: Pipeline }[] = [];
    let join: ';' | '&&' | '||' = ';';
    for (;;) {
      if (join === ';') this.separators();
      else this.newlines();
      const c = this.text[this.pos];
      if (c === undefined || c === ')' || this.text.startsWith(';;', this.pos) || CLOSERS.has(this.peekWord())) {
        if (join !== ';') this.fail();
        return list;
      }
      list.push({ join, pipeline: this.pipeline() });
      if (this.take('&&')) join = '&&';
      else if (this.take('||')) join = '||';
      else if (this.take('&')) throw new ScriptSkipped('commands in the background (&)');
      else join = ';';
      if (join === ';' && !this.atSeparator()) this.fail();
    }
  }

  private atSeparator(): boolean {
    this.blanks();
    const c = this.text[this.pos];
    return c === undefined || c === ';' || c === '\n' || c === ')' || CLOSERS.has(this.peekWord());
  }

  private pipeline(): Pipeline {
    const negated = this.keyword('!');
    const commands = [this.command()];
    for (this.blanks(); this.text[this.pos] === '|' && this.text[this.pos + 1] !== '|'; this.blanks()) {
      this.pos += this.text[this.pos + 1] === '&' ? 2 : 1;
      this.newlines();
      commands.push(this.command());
    }
    return { negated, commands };
  }

  private command(): FullCommand {
    const body = this.compound();
    if (body === null) return this.simple();
    const redirects: Redirect[] = [];
    for (let r = this.redirect(); r !== null; r = this.redirect()) redirects.push(r);
    return { ...body, redirects };
  }

  private compound(): Command | null {
    if (this.take('(')) {
      const body = this.list();
      if (!this.take(')')) this.fail();
      return { kind: 'group', body, own: true };
    }
    switch (this.peekWord()) {
      case '{': return this.group();
      case 'if': return this.conditional();
      case 'while': case 'until': return this.loop();
      case 'for': return this.forLoop();
      case 'case': return this.choice();
      case 'function': this.keyword('function'); return this.functionNamed(this.match0(NAME));
      default: {
        const from = this.pos;
        const name = this.match(NAME);
        if (name !== null && this.match(/[ \t]*\(\s*\)/y) !== null) return this.functionNamed(name);
        this.pos = from;
        return null;
      }
    }
  }

  private match0(re: RegExp): string {
    this.blanks();
    return this.match(re) ?? this.fail();
  }

  private functionNamed(name: string): Command {
    this.match(/[ \t]*\(\s*\)/y);
    this.newlines();
    return { kind: 'function', name, body: this.command() };
  }

  private group(): Command {
    this.keyword('{');
    const body = this.list();
    this.need('}');
    return { kind: 'group', body, own: false };
  }

  private conditional(): Command {
    const arms: [List, List][] = [];
    let other: List | null = null;
    this.keyword('if');
    do {
      const condition = this.list();
      this.need('then');
      arms.push([condition, this.list()]);
    } while (this.keyword('elif'));
    if (this.keyword('else')) other = this.list();
    this.need('fi');
    return { kind: 'if', arms, other };
  }

  private loop(): Command {
    const until = !this.keyword('while') && this.keyword('until');
    const condition = this.list();
    return { kind: 'while', until, condition, body: this.body() };
  }

  private body(): List {
    this.need('do');
    const body = this.list();
    this.need('done');
    return body;
  }

  private forLoop(): Command {
    this.keyword('for');
    const name = this.match0(NAME);
    this.newlines();
    let words: Word[] | null = null;
    if (this.keyword('in')) {
      words = [];
      for (let w = this.word(); w !== null; w = this.word()) words.push(w);
    }
    return { kind: 'for', name, words, body: this.body() };
  }

  private choice(): Command {
    this.keyword('case');
    const word = this.word() ?? this.fail();
    this.separators();
    if (!this.keyword('in')) this.fail();
    const arms: [Word[], List][] = [];
    for (this.separators(); this.peekWord() !== 'esac'; this.separators()) {
      this.take('(');
      const patterns = [this.word() ?? this.fail()];
      while (this.take('|')) patterns.push(this.word() ?? this.fail());
      if (!this.take(')')) this.fail();
      arms.push([patterns, this.list()]);
      if (!this.take(';;')) break;
    }
    this.need('esac');
    return { kind: 'case', word, arms };
  }

  private simple(): FullCommand {
    const assigns: [string, Word][] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (;;) {
      const r = this.redirect();
      if (r !== null) {
        redirects.push(r);
        continue;
      }
      const name = words.length === 0 ? this.match(/[A-Za-z_]\w*=/y) : null;
      if (name !== null) {
        assigns.push([name.slice(0, -1), this.wordHere()]);
        continue;
      }
      const w = this.word();
      if (w === null) break;
      words.push(w);
    }
    if (words.length === 0 && assigns.length === 0 && redirects.length === 0) this.fail();
    return { kind: 'simple', assigns, words, redirects };
  }

  private redirect(): Redirect | null {
    this.blanks();
    const m = this.match(/(?:\d?(?:>>|>&|>\||>|<<<|<<-?|<)|&>)/y);
    if (m === null) return null;
    const op = m.replace(/^\d/, '').replace('>|', '>').replace('<<-', '<<') as Redirect['op'];
    const fd = /^\d/.test(m) ? Number(m[0]) : op.startsWith('<') ? 0 : 1;
    const target = this.word() ?? this.fail();
    if (op !== '<<') return { fd, op, target };
    const parts: Part[] = [];
    const end = target.map((part) => (part.kind === 'text' ? part.text : '')).join('');
    this.heredocs.push({ end, literal: target.some((part) => part.kind === 'text' && part.quoted), parts });
    return { fd, op, target: parts };
  }

  private word(): Word | null {
    this.blanks();
    const parts = this.wordHere();
    return parts.length === 0 ? null : parts;
  }

  /** The parts of a word, from here to where it ends. */
  private wordHere(): Part[] {
    const parts: Part[] = [];
    for (;;) {
      const c = this.text[this.pos];
      if (c === undefined || /[\s;&|<>()]/.test(c)) return parts;
      if (c === "'") {
        const to = this.text.indexOf("'", this.pos + 1);
        if (to < 0) this.fail();
        parts.push({ kind: 'text', text: this.text.slice(this.pos + 1, to), quoted: true });
        this.pos = to + 1;
      } else if (c === '"') {
        this.pos++;
        const inner = this.quoted();
        parts.push(...(inner.length === 0 ? [{ kind: 'text' as const, text: '', quoted: true }] : inner));
      } else if (c === '\\') {
        if (this.text[this.pos + 1] === '\n') this.pos += 2;
        else {
          parts.push({ kind: 'text', text: this.text[this.pos + 1] ?? '', quoted: true });
          this.pos += 2;
        }
      } else if (c === '$' || c === '`') {
        parts.push(this.expansion(false));
      } else {
        parts.push({ kind: 'text', text: this.match(PLAIN) ?? this.fail(), quoted: false });
      }
    }
  }

  /** What stands in double quotes, the opening one taken; up to and with the closing one. */
  quoted(): Part[] {
    const parts: Part[] = [];
    let text = '';
    const flush = (): void => {
      if (text !== '') parts.push({ kind: 'text', text, quoted: true });
      text = '';
    };
    for (;;) {
      const c = this.text[this.pos];
      if (c === undefined) this.fail();
      if (c === '"') {
        this.pos++;
        flush();
        return parts;
      }
      if (c === '\\' && /[$`"\\\n]/.test(this.text[this.pos + 1] ?? '')) {
        if (this.text[this.pos + 1] !== '\n') text += this.text[this.pos + 1]!;
        this.pos += 2;
      } else if (c === '$' || c === '`') {
        flush();
        parts.push(this.expansion(true));
      } else {
        text += c;
        this.pos++;
      }
    }
  }

  /** `$…` or a back-quoted command. */
  private expansion(quoted: boolean): Part {
    if (this.text[this.pos] === '`') {
      const m = this.match(/`((?:[^`\\]|\\[\s\S])*)`/y) ?? this.fail();
      return { kind: 'command', list: parseShell(m.slice(1, -1).replace(/\\([$`\\])/g, '$1')), quoted };
    }
    if (this.text.startsWith('$((', this.pos)) return this.arithmetic(quoted);
    if (this.text.startsWith('$(', this.pos)) {
      const inner = new ShellParser(this.text, this.pos + 2);
      const list = inner.list();
      if (this.text[inner.at] !== ')') inner.fail();
      this.pos = inner.at + 1;
      return { kind: 'command', list, quoted };
    }
    if (this.text.startsWith('${', this.pos)) return this.braced(quoted);
    this.pos++;
    const name = this.match(/[A-Za-z_]\w*|[0-9@*#?$!-]/y);
    return name === null ? { kind: 'text', text: '$', quoted } : { kind: 'variable', name, op: '', arg: [], quoted };
  }

  private arithmetic(quoted: boolean): Part {
    let depth = 0;
    for (let i = this.pos + 3; i < this.text.length; i++) {
      const c = this.text[i];
      if (c === '(') depth++;
      else if (c === ')' && depth > 0) depth--;
      else if (c === ')') {
        if (this.text[i + 1] !== ')') break;
        const inner = `${this.text.slice(this.pos + 3, i)}"`;
        this.pos = i + 2;
        return { kind: 'arithmetic', word: new ShellParser(inner).quoted(), quoted };
      }
    }
    return this.fail();
  }

  private braced(quoted: boolean): Part {
    this.pos += 2;
    const length = this.match(/#(?=[A-Za-z_0-9@*])/y) !== null;
    const name = this.match(/[A-Za-z_]\w*|\d+|[@*#?$!-]/y) ?? this.fail();
    const op = length ? '#' : (this.match(/:?[-=+?]|##?|%%?|\/\/?/y) ?? '');
    const arg: Part[] = [];
    while (this.text[this.pos] !== '}') {
      const c = this.text[this.pos];
      if (c === undefined) this.fail();
      if (c === '$' || c === '`') arg.push(this.expansion(quoted));
      else arg.push({ kind: 'text', text: this.match(/'[^']*'|"[^"$`]*"|[^}$`'"\\]+|\\./y) ?? this.fail(), quoted: true });
    }
    this.pos++;
    return { kind: 'variable', name, op: length ? 'length' : op, arg: arg.map(unquoted), quoted };
  }
}

/** `'a'`, `"a"` and `\a` are `a`. */
function unquoted(part: Part): Part {
  if (part.kind !== 'text') return part;
  return { ...part, text: part.text.replace(/^(['"])(.*)\1$/s, '$2').replace(/^\\(.)$/, '$1') };
}

function literal(text: string): Part {
  return { kind: 'text', text, quoted: true };
}
