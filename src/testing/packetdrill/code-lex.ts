/** The tokens of `%{ … }%`: Python, as far as scripts use it. */

export interface Token {
  readonly kind: 'number' | 'name' | 'text' | 'op' | 'line' | 'end';
  readonly text: string;
  /** Where it stands, for messages. */
  readonly pos: number;
}

/** What is not in the language. */
export class CodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CodeError';
  }
}

const PARTS: readonly RegExp[] = [
  /[ \t]+|#[^\n]*|\\\r?\n/, // nothing
  /(\r?\n|;)/, // the end of a line
  /(0[xX][0-9a-fA-F]+|\d*\.\d+|\d+)/,
  /([A-Za-z_]\w*)/,
  /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")/,
  /(\*\*|\/\/|<<|>>|<=|>=|==|!=|\+=|-=|\*=|\/=|&=|\|=|[-+*/%&|^~<>=(),[\]])/,
];
const TOKEN = new RegExp(PARTS.map((re) => re.source).join('|'), 'y');

/** Cuts the text into tokens; line ends inside of brackets are blanks. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const pos = TOKEN.lastIndex;
    const m = TOKEN.exec(text);
    if (m === null) throw new CodeError(`'${text.slice(pos, pos + 12)}' is not understood`);
    const [, line, number, name, quoted, op] = m;
    if (op === '(' || op === '[') depth++;
    if (op === ')' || op === ']') depth--;
    if (line !== undefined && (line === ';' || depth === 0)) tokens.push({ kind: 'line', text: line, pos });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, pos });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, pos });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: unescape(quoted.slice(1, -1)), pos });
    else if (op !== undefined) tokens.push({ kind: 'op', text: op, pos });
  }
  tokens.push({ kind: 'end', text: '', pos: text.length });
  return tokens;
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_all, c: string) => (c === 'n' ? '\n' : c));
}
