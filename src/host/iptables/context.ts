/** What the parts of iptables share: whose tables they change, and the words that are left of a line. */
import type { Netfilter, FamilyTables } from '../../ip/filter/netfilter.ts';
import type { Chain, Table } from '../../ip/filter/rule.ts';
import { ToolError, unknownWord } from '../tools/command.ts';
import type { Reader } from './values.ts';

/** Whose tables, and by which name errors are said. */
export interface Firewalling {
  readonly nf: Netfilter;
  readonly tables: FamilyTables;
  /** iptables, ip6tables, iptables-restore… */
  readonly tool: string;
  /** The address of a name, or null. */
  resolve(name: string): number | null;
}

/** The words of a line, read from left to right. */
export class Cursor {
  readonly tool: string;
  private readonly words: readonly string[];
  private at = 0;

  constructor(tool: string, words: readonly string[]) {
    this.tool = tool;
    this.words = words;
  }

  get done(): boolean {
    return this.at >= this.words.length;
  }

  peek(): string | undefined {
    return this.words[this.at];
  }

  next(): string {
    return this.words[this.at++]!;
  }

  /** The argument of `option`. */
  argument(option: string, form: string): string {
    const word = this.words[this.at];
    if (word === undefined) throw new ToolError(`${this.tool}: '${option}' is not followed by anything; expected ${form}`);
    this.at++;
    return word;
  }

  /** The argument of `option` as a value. */
  value<T>(option: string, reader: Reader<T>): T {
    const word = this.argument(option, reader.form);
    const value = reader.read(word);
    if (value === null) throw new ToolError(`${this.tool}: ${option}: '${word}' is not understood; expected ${reader.form}`);
    return value;
  }
}

/** A table by its name. */
export function tableOf(fw: Firewalling, name: string): Table {
  const table = fw.tables.tables.get(name);
  if (table === undefined) throw unknownWord(fw.tool, name, `a table: ${[...fw.tables.tables.keys()].join(', ')}`);
  return table;
}

/** A chain of the table by its name. */
export function chainOf(fw: Firewalling, table: Table, name: string): Chain {
  const chain = table.chains.get(name);
  if (chain === undefined) {
    throw unknownWord(fw.tool, name, `a chain of table ${table.name}: ${[...table.chains.keys()].join(', ')}`);
  }
  return chain;
}
