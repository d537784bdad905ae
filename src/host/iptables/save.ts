/** iptables-save(8) and iptables-restore(8): all tables as a text, and back. */
import { chainFlush, chainNew, chainPolicy } from '../../ip/filter/admin.ts';
import { NF_ACCEPT, NF_DROP } from '../../ip/filter/constants.ts';
import type { Chain, Rule, Table } from '../../ip/filter/rule.ts';
import { text, ToolError, unknownWord } from '../tools/command.ts';
import { type Firewalling, tableOf } from './context.ts';
import { iptables } from './iptables.ts';
import { policyName, ruleLine } from './print.ts';
import { splitQuoted } from './words.ts';

/** `iptables-save [-t TABLE] [-c]`: tables that nobody has used are left out. */
export function iptablesSave(fw: Firewalling, args: readonly string[]): string {
  let only: Table | null = null;
  let counters = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '-c' || args[i] === '--counters') counters = true;
    else if ((args[i] === '-t' || args[i] === '--table') && args[i + 1] !== undefined) only = tableOf(fw, args[++i]!);
    else throw unknownWord(fw.tool, args[i]!, "'-c', or '-t' and a table");
  }
  const tables = only === null ? [...fw.tables.tables.values()].filter((t) => t.used) : [only];
  return tables.map((table) => text(saveTable(table, fw.tables.family.version, counters))).join('');
}

function saveTable(table: Table, version: number, counters: boolean): string[] {
  const lines = [`*${table.name}`];
  for (const c of table.chains.values()) {
    lines.push(`:${c.name} ${c.hook >= 0 ? policyName(c) : '-'} [${String(c.packets)}:${String(c.bytes)}]`);
  }
  for (const c of table.chains.values()) {
    for (const rule of c.rules) {
      lines.push(`${counters ? `[${String(rule.packets)}:${String(rule.bytes)}] ` : ''}${ruleLine(c, rule, version)}`);
    }
  }
  lines.push('COMMIT');
  return lines;
}

/**
 * Reads what {@link iptablesSave} wrote. A table is emptied before its lines are read, unless `noflush`; a line that does not parse is
 * named by its number, and all tables are as they were before.
 */
export function iptablesRestore(fw: Firewalling, input: string, noflush: boolean): void {
  const before = [...fw.tables.tables.values()].map((table) => ({ table, chains: snapshot(table) }));
  let table: Table | null = null;
  const lines = input.split('\n');
  try {
    lines.forEach((raw, i) => {
      const line = raw.trim();
      if (line === '' || line.startsWith('#')) return;
      table = restoreLine({ ...fw, tool: `${fw.tool}: line ${String(i + 1)}` }, table, line, noflush);
    });
    if (table !== null) throw new ToolError(`${fw.tool}: the text ends before COMMIT`);
  } catch (error) {
    for (const { table: t, chains } of before) bringBack(t, chains);
    throw error;
  }
}

function restoreLine(fw: Firewalling, table: Table | null, line: string, noflush: boolean): Table | null {
  if (line.startsWith('*')) {
    if (table !== null) throw new ToolError(`${fw.tool}: '${line}' begins a table before COMMIT has ended ${table.name}`);
    const next = tableOf(fw, line.slice(1));
    if (!noflush) empty(next);
    return next;
  }
  if (table === null) throw unknownWord(fw.tool, line.split(/\s/)[0]!, "a table first, such as '*filter'");
  if (line === 'COMMIT') return null;
  if (line.startsWith(':')) {
    restoreChain(fw, table, line);
    return table;
  }
  const m = /^(?:\[(\d+):(\d+)\]\s+)?(-.*)$/.exec(line);
  if (m === null) throw unknownWord(fw.tool, line.split(/\s/)[0]!, "'*table', ':CHAIN policy [packets:bytes]', '-A …' or COMMIT");
  const words = splitQuoted(m[3]!, fw.tool);
  iptables(fw, ['-t', table.name, ...words, ...(m[1] === undefined ? [] : ['-c', m[1], m[2]!])]);
  return table;
}

function restoreChain(fw: Firewalling, table: Table, line: string): void {
  const m = /^:(\S+)\s+(ACCEPT|DROP|-)(?:\s+\[(\d+):(\d+)\])?$/.exec(line);
  if (m === null) throw unknownWord(fw.tool, line, "a chain such as ':INPUT ACCEPT [0:0]' or ':mine - [0:0]'");
  const name = m[1]!;
  if (!table.chains.has(name)) chainNew(table, name);
  const chain = table.chains.get(name)!;
  if (m[2] !== '-') chainPolicy(fw.nf, chain, m[2] === 'ACCEPT' ? NF_ACCEPT : NF_DROP);
  if (m[3] !== undefined) {
    chain.packets = Number(m[3]);
    chain.bytes = Number(m[4]);
  }
}

function empty(table: Table): void {
  chainFlush(table, null);
  for (const c of [...table.chains.values()]) {
    if (c.hook < 0) table.chains.delete(c.name);
    else c.policy = NF_ACCEPT;
    c.packets = c.bytes = 0;
  }
}

/** A chain as it was. */
interface SavedChain {
  readonly chain: Chain;
  readonly rules: readonly Rule[];
  readonly policy: number;
}

function snapshot(table: Table): SavedChain[] {
  return [...table.chains.values()].map((chain) => ({ chain, rules: [...chain.rules], policy: chain.policy }));
}

function bringBack(table: Table, chains: readonly SavedChain[]): void {
  table.chains.clear();
  for (const { chain, rules, policy } of chains) {
    chain.rules.splice(0, chain.rules.length, ...rules);
    chain.policy = policy;
    table.chains.set(chain.name, chain);
  }
}
