/**
 * The shell of scripts' commands: lists, pipes, conditions, loops, functions, redirections, on the simulated host. Nothing is
 * run on the real machine; what is not known skips the script.
 *
 *   from  run.ts            init and clean-up commands, commands in their time
 *   to    shell-parse.ts    the tree              shell-expand.ts   words
 *         commands.ts       what changes and shows the host
 *         text-tools.ts     grep, sed, awk…
 */
import type { HostCommands } from './commands.ts';
import { ScriptFailure, ScriptSkipped } from './errors.ts';
import { expandFields, expandText, globPattern, testHolds, type ShellWords } from './shell-expand.ts';
import { parseShell, ShellError, type FullCommand, type List, type Part, type Pipeline, type Redirect } from './shell-parse.ts';
import { escapes, posixPattern, TEXT_TOOLS } from './text-tools.ts';

/** Commands that one run of the shell may take, and how deep its functions and files may call each other. */
const MAX_STEPS = 20_000;
const MAX_DEPTH = 100;

/** Where a command reads and writes. */
class Io {
  private readonly text: string;
  private pos = 0;
  out = '';
  err = '';

  constructor(text: string) {
    this.text = text;
  }

  /** What has not been read yet. */
  rest(): string {
    const rest = this.text.slice(this.pos);
    this.pos = this.text.length;
    return rest;
  }

  /** The next line; null at the end. */
  line(): string | null {
    if (this.pos >= this.text.length) return null;
    const to = this.text.indexOf('\n', this.pos);
    const line = this.text.slice(this.pos, to < 0 ? undefined : to);
    this.pos = to < 0 ? this.text.length : to + 1;
    return line;
  }
}

/** A way out of what runs: exit, return, break, continue. */
class Leave extends Error {
  readonly kind: 'exit' | 'return' | 'break' | 'continue';
  readonly value: number;

  constructor(kind: 'exit' | 'return' | 'break' | 'continue', value: number) {
    super(kind);
    this.kind = kind;
    this.value = value;
  }
}

/** What a run of the shell came to. */
export interface ShellResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export class ScriptShell {
  private readonly commands: HostCommands;

  constructor(commands: HostCommands) {
    this.commands = commands;
  }

  /** Runs the text as `sh -c` does; the status is that of its last command. */
  async run(text: string): Promise<ShellResult> {
    const io = new Io('');
    try {
      const status = await new Shell(this.commands).top(parseShell(text), io);
      return { status, out: io.out, err: io.err };
    } catch (error) {
      if (!(error instanceof ShellError)) throw error;
      return { status: 2, out: io.out, err: `${io.err}sh: ${error.message}\n` };
    }
  }
}

/** One process of the shell. */
class Shell implements ShellWords {
  private readonly host: HostCommands;
  private variables: Map<string, string> = new Map();
  private readonly functions: Map<string, FullCommand> = new Map();
  private args: readonly string[] = [];
  private status = 0;
  private errexit = false;
  private steps = 0;
  private depth = 0;
  /** Conditions are being looked at: a failure there ends nothing. */
  private tested = 0;

  constructor(host: HostCommands) {
    this.host = host;
    for (const [name, value] of Object.entries(host.environment)) this.variables.set(name, value);
  }

  async top(list: List, io: Io): Promise<number> {
    try {
      await this.list(list, io);
      return this.status;
    } catch (error) {
      if (error instanceof Leave) return error.kind === 'exit' || error.kind === 'return' ? error.value : this.status;
      throw error;
    }
  }

  get(name: string): string | undefined {
    if (name === '?') return String(this.status);
    if (name === '#') return String(this.args.length);
    if (name === '0') return 'sh';
    if (name === '-' || name === '!') return '';
    if (name === '$') return this.variables.get('PACKETDRILL_PID');
    if (/^\d+$/.test(name)) return this.args[Number(name) - 1];
    return this.variables.get(name);
  }

  set(name: string, value: string): void {
    this.variables.set(name, value);
  }

  positional(): readonly string[] {
    return this.args;
  }

  async substitute(part: Part & { readonly kind: 'command' }): Promise<string> {
    const io = new Io('');
    await this.apart(async () => { await this.list(part.list, io); });
    return io.out;
  }

  /** In a shell of its own: what is set in there is gone afterwards, and its exit ends it only. */
  private async apart(work: () => Promise<void>): Promise<void> {
    const { variables, args } = this;
    this.variables = new Map(variables);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Leave)) throw error;
      this.status = error.value;
    } finally {
      this.variables = variables;
      this.args = args;
    }
  }

  private async list(list: List, io: Io): Promise<void> {
    for (const [i, { join, pipeline }] of list.entries()) {
      if ((join === '&&' && this.status !== 0) || (join === '||' && this.status === 0)) continue;
      const next = list[i + 1]?.join;
      const asked = next === '&&' || next === '||' || pipeline.negated;
      if (asked) this.tested++;
      await this.pipeline(pipeline, io).finally(() => { if (asked) this.tested--; });
      if (this.errexit && this.status !== 0 && this.tested === 0 && !asked) throw new Leave('exit', this.status);
    }
  }

  private async pipeline({ negated, commands }: Pipeline, io: Io): Promise<void> {
    if (commands.length === 1) {
      await this.command(commands[0]!, io);
    } else {
      let input = io.rest();
      for (const [i, command] of commands.entries()) {
        const own = new Io(input);
        await this.apart(async () => { await this.command(command, own); });
        io.err += own.err;
        input = own.out;
        if (i === commands.length - 1) io.out += own.out;
      }
    }
    if (negated) this.status = this.status === 0 ? 1 : 0;
  }

  /** A command with its redirections. */
  private async command(command: FullCommand, io: Io): Promise<void> {
    if (++this.steps > MAX_STEPS) throw new ScriptFailure(0, `the command goes on for ever: more than ${MAX_STEPS} steps`);
    if (command.redirects.length === 0) {
      await this.bare(command, io);
      return;
    }
    const streams = new Streams();
    let input: string | null = null;
    for (const redirect of command.redirects) {
      const text = await this.redirected(redirect, streams);
      if (text === null) {
        io.err += `sh: ${await expandText(this, redirect.target)}: No such file\n`;
        this.status = 1;
        return;
      }
      if (text !== undefined) input = text;
    }
    const own = new Io(input ?? io.rest());
    try {
      await this.bare(command, own);
    } finally {
      streams.deliver(own, io, this.host);
    }
  }

  /** Text for standard input; `undefined` when it is about output, null when the file is not there. */
  private async redirected({ fd, op, target }: Redirect, streams: Streams): Promise<string | null | undefined> {
    const word = await expandText(this, target);
    switch (op) {
      case '<': return this.host.tryRead(word);
      case '<<': return word;
      case '<<<': return `${word}\n`;
      case '>&':
        if (word === '-') streams.to(fd, { path: '/dev/null', append: false });
        else if (/^[12]$/.test(word)) streams.same(fd, Number(word));
        else streams.both({ path: word, append: false });
        return undefined;
      case '&>': streams.both({ path: word, append: false }); return undefined;
      default: streams.to(fd, { path: word, append: op === '>>' }); return undefined;
    }
  }

  private async bare(command: FullCommand, io: Io): Promise<void> {
    switch (command.kind) {
      case 'simple': await this.simple(command, io); return;
      case 'group':
        if (command.own) await this.apart(async () => { await this.list(command.body, io); });
        else await this.list(command.body, io);
        return;
      case 'function': this.functions.set(command.name, command.body); this.status = 0; return;
      case 'if': await this.conditional(command, io); return;
      case 'for': {
        const words = command.words === null ? this.args : await expandFields(this, command.words);
        this.status = 0;
        for (const word of words) {
          this.set(command.name, word);
          if (await this.round(command.body, io)) return;
        }
        return;
      }
      case 'while': {
        let status = 0;
        while ((await this.holds(command.condition, io)) !== command.until) {
          if (await this.round(command.body, io)) return;
          ({ status } = this);
        }
        this.status = status;
        return;
      }
      case 'case': {
        const word = await expandText(this, command.word);
        for (const [patterns, body] of command.arms) {
          for (const pattern of patterns) {
            if (!globPattern(await expandText(this, pattern)).test(word)) continue;
            await this.list(body, io);
            return;
          }
        }
        this.status = 0;
      }
    }
  }

  private async holds(condition: List, io: Io): Promise<boolean> {
    this.tested++;
    await this.list(condition, io).finally(() => { this.tested--; });
    return this.status === 0;
  }

  private async conditional(command: FullCommand & { readonly kind: 'if' }, io: Io): Promise<void> {
    for (const [condition, body] of command.arms) {
      if (!(await this.holds(condition, io))) continue;
      this.status = 0;
      await this.list(body, io);
      return;
    }
    this.status = 0;
    if (command.other !== null) await this.list(command.other, io);
  }

  /** Once through a loop; true: it is left. */
  private async round(body: List, io: Io): Promise<boolean> {
    try {
      await this.list(body, io);
      return false;
    } catch (error) {
      if (!(error instanceof Leave) || (error.kind !== 'break' && error.kind !== 'continue')) throw error;
      if (error.value > 1) throw new Leave(error.kind, error.value - 1);
      return error.kind === 'break';
    }
  }

  private async simple(command: FullCommand & { readonly kind: 'simple' }, io: Io): Promise<void> {
    const before = this.status;
    const words = await expandFields(this, command.words);
    if (words.length === 0) {
      this.status = command.assigns.some(([, word]) => word.some((part) => part.kind === 'command')) ? this.status : 0;
      for (const [name, word] of command.assigns) this.set(name, await expandText(this, word));
      return;
    }
    this.status = before;
    const kept = command.assigns.map(([name]) => [name, this.variables.get(name)] as const);
    for (const [name, word] of command.assigns) this.set(name, await expandText(this, word));
    try {
      this.status = await this.words(words, io);
    } finally {
      for (const [name, value] of kept) if (value === undefined) this.variables.delete(name); else this.variables.set(name, value);
    }
  }

  /** A command by its words: a function, the shell's own, a tool of text, or one of the host. */
  private async words([first = '', ...args]: readonly string[], io: Io): Promise<number> {
    const own = this.functions.get(first);
    if (own !== undefined) return await this.callFunction(own, args, io);
    const name = first.replace(/^.*\//, '');
    const builtin = await this.builtin(name, args, io);
    if (builtin !== null) return builtin;
    const tool = Object.hasOwn(TEXT_TOOLS, name) ? TEXT_TOOLS[name]! : null;
    if (tool !== null) {
      const said = tool(args, io.rest(), (path) => this.host.read(path));
      io.out += said.out;
      return said.status;
    }
    if (this.host.isScript(first)) return await this.file(first, args, io);
    const ran = await this.host.run(first, args, io.rest());
    io.out += ran.out;
    io.err += ran.err;
    return ran.status;
  }

  private async callFunction(body: FullCommand, args: readonly string[], io: Io): Promise<number> {
    if (++this.depth > MAX_DEPTH) throw new ScriptFailure(0, `functions call each other more than ${MAX_DEPTH} deep`);
    const saved = this.args;
    this.args = args;
    try {
      await this.command(body, io);
    } catch (error) {
      if (!(error instanceof Leave) || error.kind !== 'return') throw error;
      return error.value;
    } finally {
      this.args = saved;
      this.depth--;
    }
    return this.status;
  }

  /** A file of shell commands, in this shell. */
  private async file(path: string, args: readonly string[], io: Io): Promise<number> {
    const text = this.host.scriptText(path);
    if (text === null) return this.host.knownScript(path);
    const saved = this.args;
    this.args = args;
    if (++this.depth > MAX_DEPTH) throw new ScriptFailure(0, `files call each other more than ${MAX_DEPTH} deep`);
    try {
      await this.list(parseShell(text), io);
      return this.status;
    } catch (error) {
      if (!(error instanceof Leave) || error.kind === 'break' || error.kind === 'continue') throw error;
      return error.value;
    } finally {
      this.args = saved;
      this.depth--;
    }
  }

  private async builtin(name: string, args: readonly string[], io: Io): Promise<number | null> {
    const number = (text: string | undefined, other: number): number => (text === undefined ? other : Number(text) & 0xff);
    switch (name) {
      case ':': case 'true': case 'cd': case 'trap': case 'umask': return 0;
      case 'false': return 1;
      case 'exit': throw new Leave('exit', number(args[0], this.status));
      case 'return': throw new Leave('return', number(args[0], this.status));
      case 'break': case 'continue': throw new Leave(name, number(args[0], 1));
      case 'set': this.options(args); return 0;
      case 'export': case 'local': case 'readonly': case 'declare': return this.declare(args);
      case 'unset': for (const word of args) this.variables.delete(word); return 0;
      case 'shift': this.args = this.args.slice(number(args[0], 1)); return 0;
      case 'eval': await this.list(parseShell(args.join(' ')), io); return this.status;
      case '.': case 'source': return await this.file(args[0] ?? '', args.slice(1), io);
      case 'sh': case 'bash': case 'dash': return await this.another(args, io);
      case 'test': case '[': case '[[': return this.test(name, args);
      case 'echo': io.out += echo(args); return 0;
      case 'read': return this.readLine(args, io);
      case 'command': case 'which': case 'type': return this.which(args, io);
      case 'sudo': case 'exec': case 'nice': return await this.words(args, io);
      case 'env': return await this.environment(args, io);
      case 'timeout': return await this.words(args.slice(args.findIndex((word) => /^\d/.test(word)) + 1), io);
      default: return null;
    }
  }

  private options(args: readonly string[]): void {
    for (const [i, word] of args.entries()) {
      if (word === '--') {
        this.args = args.slice(i + 1);
        return;
      }
      if (/^[-+][a-z]+$/.test(word) && word.includes('e')) this.errexit = word.startsWith('-');
    }
  }

  private declare(args: readonly string[]): number {
    for (const word of args) {
      const at = word.indexOf('=');
      if (at > 0) this.set(word.slice(0, at), word.slice(at + 1));
    }
    return 0;
  }

  /** `sh -c 'text'`, `bash file` */
  private async another(args: readonly string[], io: Io): Promise<number> {
    const at = args.findIndex((word) => word === '-c' || /^-[a-z]*c$/.test(word));
    const words = args.filter((word) => !/^-[a-z]+$/.test(word));
    let status = 0;
    await this.apart(async () => {
      if (at >= 0) {
        this.args = args.slice(at + 3);
        await this.list(parseShell(args[at + 1] ?? ''), io);
        ({ status } = this);
      } else if (words[0] !== undefined) {
        status = await this.file(words[0], words.slice(1), io);
      } else {
        await this.list(parseShell(io.rest()), io);
        ({ status } = this);
      }
      this.status = status;
    });
    return this.status;
  }

  private test(name: string, args: readonly string[]): number {
    const words = name === 'test' ? args : args.slice(0, args.lastIndexOf(name === '[' ? ']' : ']]'));
    const [a = '', op = '', b = ''] = words;
    if (name === '[[' && words.length === 3 && /^[=!]?=$/.test(op)) return globPattern(b).test(a) === (op !== '!=') ? 0 : 1;
    if (name === '[[' && op === '=~') return posixPattern(b, 'extended').test(a) ? 0 : 1;
    const holds = testHolds(words, (path) => this.host.tryRead(path) !== null || this.host.isDirectory(path));
    if (holds === null) throw new ScriptSkipped(`command 'test ${words.join(' ')}'`);
    return holds ? 0 : 1;
  }

  /** `read a b`: a line, its fields; the last name takes the rest. */
  private readLine(args: readonly string[], io: Io): number {
    const names = args.filter((word) => !word.startsWith('-'));
    const line = io.line();
    let rest = (line ?? '').trim();
    for (const [i, name] of (names.length === 0 ? ['REPLY'] : names).entries()) {
      const m = i < names.length - 1 ? /^(\S*)\s*([\s\S]*)$/.exec(rest)! : null;
      this.set(name, m === null ? rest : m[1]!);
      rest = m === null ? '' : m[2]!;
    }
    return line === null ? 1 : 0;
  }

  private which(args: readonly string[], io: Io): number {
    const names = args.filter((word) => !word.startsWith('-'));
    if (names.length === 0) return 1;
    for (const name of names) {
      if (!Object.hasOwn(TEXT_TOOLS, name) && !this.functions.has(name) && !this.host.knows(name)) return 1;
      io.out += `/bin/${name}\n`;
    }
    return 0;
  }

  private async environment(args: readonly string[], io: Io): Promise<number> {
    const at = args.findIndex((word) => !/^\w+=/.test(word));
    this.declare(args.slice(0, at < 0 ? undefined : at));
    return at < 0 ? 0 : await this.words(args.slice(at), io);
  }
}

/** Where the two outputs go: to the caller, or into a file. */
interface Sink {
  readonly path: string;
  readonly append: boolean;
}

class Streams {
  private out: Sink | 'out' | 'err' = 'out';
  private err: Sink | 'out' | 'err' = 'err';

  to(fd: number, sink: Sink): void {
    if (fd === 1) this.out = sink;
    else if (fd === 2) this.err = sink;
  }

  same(fd: number, as: number): void {
    const sink = as === 1 ? this.out : this.err;
    if (fd === 1) this.out = sink;
    else if (fd === 2) this.err = sink;
  }

  both(sink: Sink): void {
    this.out = sink;
    this.err = sink;
  }

  /** Hands on what a command has written. */
  deliver(own: Io, io: Io, host: HostCommands): void {
    const write = (sink: Sink | 'out' | 'err', text: string, again: boolean): void => {
      if (sink === 'out') io.out += text;
      else if (sink === 'err') io.err += text;
      else if (sink.path === '/dev/stderr') io.err += text;
      else if (sink.path === '/dev/stdout') io.out += text;
      else if (!again || text !== '') host.write(sink.path, text, sink.append || again);
    };
    write(this.out, own.out, false);
    write(this.err, own.err, this.err === this.out);
  }
}

/** `echo -n -e …` */
function echo(args: readonly string[]): string {
  let from = 0;
  let flags = '';
  while (/^-[neE]+$/.test(args[from] ?? '')) flags += args[from++]!;
  const text = args.slice(from).join(' ');
  return (flags.includes('e') ? escapes(text) : text) + (flags.includes('n') ? '' : '\n');
}
