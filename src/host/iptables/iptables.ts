/**
 * iptables(8) and ip6tables(8): one line, one change of the tables of a host, or what they hold.
 *
 *     -A -I -D -R -C   rules       -N -X -E -P   chains       -F -Z   all of them       -L -S   print
 *
 * Options that only concern a real machine (`-w`, `-W`, `--modprobe`) are read over.
 */
import { formatErrno } from './errors.ts';
import {
  chainDelete, chainFlush, chainNew, chainPolicy, chainRename, chainZero, ruleDelete, ruleInsert, ruleReplace,
} from '../../ip/filter/admin.ts';
import { NF_ACCEPT, NF_DROP } from '../../ip/filter/constants.ts';
import { type Chain, NF_CHAIN_NAME_MAX, type Rule, type Table } from '../../ip/filter/rule.ts';
import { text, ToolError, unknownWord } from '../tools/command.ts';
import { chainOf, Cursor, type Firewalling, tableOf } from './context.ts';
import { listChain } from './list.ts';
import { parseRules } from './parse.ts';
import { chainLine, ruleLine, ruleWords } from './print.ts';
import { TARGETS } from './targets.ts';
import { whole } from './values.ts';

const COMMANDS: Readonly<Record<string, string>> = {
  '-A': 'A', '--append': 'A', '-I': 'I', '--insert': 'I', '-D': 'D', '--delete': 'D', '-R': 'R', '--replace': 'R',
  '-C': 'C', '--check': 'C', '-N': 'N', '--new-chain': 'N', '--new': 'N', '-X': 'X', '--delete-chain': 'X', '-E': 'E',
  '--rename-chain': 'E', '-P': 'P', '--policy': 'P',
  '-F': 'F', '--flush': 'F', '-Z': 'Z', '--zero': 'Z', '-L': 'L', '--list': 'L', '-S': 'S', '--list-rules': 'S',
};

const COMMAND_FORM = 'a command: -A -I -D -R -C (rules), -N -X -E -P (chains), -F -Z -L -S';

/** Options of printing, wherever they stand. */
class Printing {
  verbose = false;
  numeric = false;
  exact = false;
  lineNumbers = false;
}

const PRINTING: Readonly<Record<string, keyof Printing>> = {
  '-v': 'verbose', '--verbose': 'verbose', '-n': 'numeric', '--numeric': 'numeric', '-x': 'exact', '--exact': 'exact',
  '--line-numbers': 'lineNumbers',
};

/** Runs one line. Returns what it prints. `nameOf` gives addresses their names in lists. */
export function iptables(fw: Firewalling, args: readonly string[], nameOf: (addr: number) => string | null = () => null): string {
  const printing = new Printing();
  const words = takePrinting(args, printing);
  const tableAt = words.findIndex((word) => word === '-t' || word === '--table');
  let tableName = 'filter';
  if (tableAt >= 0) {
    const name = words[tableAt + 1];
    if (name === undefined) throw new ToolError(`${fw.tool}: '-t' is not followed by anything; expected a table`);
    tableName = name;
    words.splice(tableAt, 2);
  }
  const table = tableOf(fw, tableName);
  const at = words.findIndex((word) => Object.hasOwn(COMMANDS, word));
  if (at < 0) {
    if (words.length === 0) throw new ToolError(`${fw.tool}: the command is missing; expected ${COMMAND_FORM}`);
    throw unknownWord(fw.tool, words[0]!, COMMAND_FORM);
  }
  const command = COMMANDS[words[at]!]!;
  // What stands before the command belongs to the rule, too: `iptables -p tcp -A INPUT …`.
  const before = words.slice(0, at);
  const cursor = new Cursor(fw.tool, words.slice(at + 1));
  if (command === 'L' || command === 'S') return print(fw, table, command, cursor, printing, nameOf);
  change(fw, table, command, cursor, before);
  return '';
}

/** `-vnL` is four options in one word, of which the last may be the command. */
function takePrinting(args: readonly string[], printing: Printing): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '-w' || word === '--wait' || word === '-W' || word === '--wait-interval') {
      if (/^\d+$/.test(args[i + 1] ?? '')) i++;
    } else if (PRINTING[word] !== undefined) {
      printing[PRINTING[word]] = true;
    } else if (/^-[vnx]*[LSZF][vnx]*$/.test(word)) {
      for (const letter of word.slice(1)) {
        const name = PRINTING[`-${letter}`];
        if (name === undefined) words.push(`-${letter}`);
        else printing[name] = true;
      }
    } else {
      words.push(word);
    }
  }
  return words;
}

// ---- printing -------------------------------------------------------------------------------------------------------

function print(
  fw: Firewalling, table: Table, command: string, cursor: Cursor, o: Printing, nameOf: (addr: number) => string | null,
): string {
  const only = cursor.done ? null : chainOf(fw, table, cursor.next());
  const number = cursor.done ? 0 : ruleNumber(fw, cursor.next());
  rest(fw, cursor);
  const chains = only === null ? [...table.chains.values()] : [only];
  const { version } = fw.tables.family;
  if (command === 'S') {
    const lines = number === 0 ? chains.map(chainLine) : [];
    for (const c of chains) c.rules.forEach((rule, i) => {
      if (number === 0 || number === i + 1) lines.push(`${ruleLine(c, rule, version)}${o.verbose ? counters(rule) : ''}`);
    });
    return text(lines);
  }
  const blocks = chains.map((c) => {
    const lines = listChain(c, version, { ...o, nameOf });
    return number === 0 ? lines : lines.filter((_, i) => i === number + 1);
  });
  return blocks.map((lines) => text(lines)).join('\n');
}

function counters(rule: Rule): string {
  return ` -c ${String(rule.packets)} ${String(rule.bytes)}`;
}

function ruleNumber(fw: Firewalling, word: string): number {
  const n = whole(word, 1, 0x7fffffff);
  if (n === null) throw unknownWord(fw.tool, word, 'the number of a rule, 1 for the first');
  return n;
}

/** Nothing may be left. */
function rest(fw: Firewalling, cursor: Cursor): void {
  if (!cursor.done) throw unknownWord(fw.tool, cursor.next(), 'the end of the line');
}

// ---- changing -------------------------------------------------------------------------------------------------------

function change(fw: Firewalling, table: Table, command: string, cursor: Cursor, before: readonly string[]): void {
  switch (command) {
    case 'A': case 'I': case 'D': case 'R': case 'C':
      return changeRule(fw, table, command, cursor, before);
    case 'F': {
      const chain = optionalChain(fw, table, cursor);
      rest(fw, cursor);
      return chainFlush(table, chain);
    }
    case 'Z': {
      const chain = optionalChain(fw, table, cursor);
      const index = cursor.done ? -1 : ruleNumber(fw, cursor.next()) - 1;
      rest(fw, cursor);
      return check(fw, chainZero(table, chain, index), '-Z');
    }
    default:
      return changeChain(fw, table, command, cursor);
  }
}

function optionalChain(fw: Firewalling, table: Table, cursor: Cursor): Chain | null {
  return cursor.done ? null : chainOf(fw, table, cursor.next());
}

function changeChain(fw: Firewalling, table: Table, command: string, cursor: Cursor): void {
  if (command === 'X' && cursor.done) {
    for (const chain of [...table.chains.values()]) if (chain.hook < 0) check(fw, chainDelete(table, chain), `-X ${chain.name}`);
    return;
  }
  const name = cursor.argument(`-${command}`, 'the name of a chain');
  if (command === 'N') {
    checkChainName(fw, name);
    rest(fw, cursor);
    return check(fw, chainNew(table, name), `-N ${name}`);
  }
  const chain = chainOf(fw, table, name);
  if (command === 'X') {
    rest(fw, cursor);
    return check(fw, chainDelete(table, chain), `-X ${name}`);
  }
  if (command === 'E') {
    const next = cursor.argument('-E', 'the new name of the chain');
    checkChainName(fw, next);
    rest(fw, cursor);
    return check(fw, chainRename(table, chain, next), `-E ${name} ${next}`);
  }
  const policy = cursor.argument('-P', 'ACCEPT or DROP');
  if (policy !== 'ACCEPT' && policy !== 'DROP') throw unknownWord(fw.tool, policy, 'a policy: ACCEPT or DROP');
  rest(fw, cursor);
  check(fw, chainPolicy(fw.nf, chain, policy === 'ACCEPT' ? NF_ACCEPT : NF_DROP), `-P ${name}`);
}

function checkChainName(fw: Firewalling, name: string): void {
  if (name === '' || name.length > NF_CHAIN_NAME_MAX || /^[-!]|[\s"]/.test(name)) {
    throw unknownWord(fw.tool, name, `a name of ${String(NF_CHAIN_NAME_MAX)} characters at most that does not begin with '-' or '!'`);
  }
  if (Object.hasOwn(TARGETS, name)) throw unknownWord(fw.tool, name, 'a name that is not a target');
}

function changeRule(fw: Firewalling, table: Table, command: string, cursor: Cursor, before: readonly string[]): void {
  const chain = chainOf(fw, table, cursor.argument(`-${command}`, 'a chain'));
  let number = 0;
  if (command !== 'A' && command !== 'C' && /^\d+$/.test(cursor.peek() ?? '')) number = ruleNumber(fw, cursor.next());
  if (command === 'D' && number > 0) {
    rest(fw, cursor);
    return check(fw, ruleDelete(chain, number - 1), `-D ${chain.name} ${String(number)}`);
  }
  if (command === 'R' && number === 0) throw new ToolError(`${fw.tool}: -R needs the number of the rule to replace`);
  const words = [...before];
  while (!cursor.done) words.push(cursor.next());
  const rules = parseRules(fw, table, chain, new Cursor(fw.tool, words));
  if (command === 'R') {
    if (rules.length > 1) throw new ToolError(`${fw.tool}: -R: the line stands for ${String(rules.length)} rules; expected one`);
    return check(fw, ruleReplace(fw.nf, chain, number - 1, rules[0]!), `-R ${chain.name} ${String(number)}`);
  }
  if (command === 'A' || command === 'I') {
    let at = command === 'A' ? chain.rules.length : number === 0 ? 0 : number - 1;
    for (const rule of rules) check(fw, ruleInsert(fw.nf, chain, at++, rule), `-${command} ${chain.name}`);
    return;
  }
  for (const rule of rules) {
    const at = findRule(chain, rule, fw.tables.family.version);
    if (at < 0) throw new ToolError(`${fw.tool}: -${command} ${chain.name}: no rule of that chain reads so (-S ${chain.name} lists them)`);
    if (command === 'D') ruleDelete(chain, at);
  }
}

/** The first rule that says the same. */
function findRule(chain: Chain, rule: Rule, version: number): number {
  const words = ruleWords(rule, version).join(' ');
  return chain.rules.findIndex((other) => ruleWords(other, version).join(' ') === words);
}

function check(fw: Firewalling, err: number, what: string): void {
  if (err < 0) throw new ToolError(`${fw.tool}: ${what}: ${formatErrno(err)}`);
}
