/**
 * The administrator: chains made and removed, rules put in and taken out. Each verb answers 0 or a negative errno, as
 * iptables would print it; what changes the use of a table or of conntrack changes the hooks at once.
 */
import { E2BIG, EEXIST, EINVAL, ELOOP, EMLINK, ENOENT, ENOTEMPTY } from '../../lib/errno.ts';
import { NF_ACCEPT } from './constants.ts';
import { netfilterUpdate } from './hooks.ts';
import { matchNeedsConntrack } from './match.ts';
import type { Netfilter } from './netfilter.ts';
import { Chain, NF_CHAINS_MAX, NF_RULES_MAX, type Rule, type Table } from './rule.ts';
import { targetNeedsConntrack } from './target.ts';

/** A table is used from now on: its chains are asked. */
function use(nf: Netfilter, table: Table): void {
  const conntrack = table.name === 'nat' && !nf.conntrack.on;
  if (table.used && !conntrack) return;
  table.used = true;
  if (conntrack) nf.conntrack.on = true;
  netfilterUpdate(nf);
}

/** Turns conntrack on; it stays so. */
export function conntrackEnable(nf: Netfilter): void {
  if (nf.conntrack.on) return;
  nf.conntrack.on = true;
  netfilterUpdate(nf);
}

/** Puts a rule in at `index` (0 = first; the number of rules = behind the last). Takes the rule. -E2BIG, -ELOOP, -EINVAL. */
export function ruleInsert(nf: Netfilter, chain: Chain, index: number, rule: Rule): number {
  const { table, rules } = chain;
  if (index < 0 || index > rules.length) return -E2BIG;
  let total = 0;
  for (const c of table.chains.values()) total += c.rules.length;
  if (total >= NF_RULES_MAX) return -EINVAL;
  if (rule.jump !== null && leadsTo(rule.jump, chain, new Set())) return -ELOOP;
  rules.splice(index, 0, rule);
  const needs = rule.matches.some(matchNeedsConntrack) || (rule.target !== null && targetNeedsConntrack(rule.target));
  use(nf, table);
  if (needs) conntrackEnable(nf);
  return 0;
}

/** Would a packet in `from` come to `to`? */
function leadsTo(from: Chain, to: Chain, seen: Set<Chain>): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return from.rules.some((rule) => rule.jump !== null && leadsTo(rule.jump, to, seen));
}

/** Takes the rule at `index` (0 = first) out. -E2BIG when there is none. */
export function ruleDelete(chain: Chain, index: number): number {
  if (index < 0 || index >= chain.rules.length) return -E2BIG;
  chain.rules.splice(index, 1);
  return 0;
}

/** Puts a rule in the place of another. */
export function ruleReplace(nf: Netfilter, chain: Chain, index: number, rule: Rule): number {
  if (index < 0 || index >= chain.rules.length) return -E2BIG;
  const [old] = chain.rules.splice(index, 1);
  const err = ruleInsert(nf, chain, index, rule);
  if (err < 0) chain.rules.splice(index, 0, old!);
  return err;
}

/** Empties a chain, or (null) all of the table. */
export function chainFlush(table: Table, chain: Chain | null): void {
  for (const c of chain === null ? table.chains.values() : [chain]) c.rules.length = 0;
}

/** Sets counters to 0: of a chain and its rules, or of one rule. */
export function chainZero(table: Table, chain: Chain | null, index: number): number {
  if (chain !== null && index >= 0) {
    const rule = chain.rules[index];
    if (rule === undefined) return -E2BIG;
    rule.packets = rule.bytes = 0;
    return 0;
  }
  for (const c of chain === null ? table.chains.values() : [chain]) {
    c.packets = c.bytes = 0;
    for (const rule of c.rules) rule.packets = rule.bytes = 0;
  }
  return 0;
}

/** Makes a chain of the user's. -EEXIST. */
export function chainNew(table: Table, name: string): number {
  if (table.chains.has(name)) return -EEXIST;
  if (table.chains.size >= NF_CHAINS_MAX) return -EINVAL;
  table.chains.set(name, new Chain(name, table, -1));
  order(table);
  return 0;
}

/** Chains are listed built-in ones first, then by name. */
function order(table: Table): void {
  const all = [...table.chains.values()];
  const own = all.filter((c) => c.hook < 0).sort((a, b) => (a.name < b.name ? -1 : 1));
  table.chains.clear();
  for (const c of [...all.filter((c) => c.hook >= 0), ...own]) table.chains.set(c.name, c);
}

/** How many rules lead to the chain. */
export function chainReferences(chain: Chain): number {
  let n = 0;
  for (const c of chain.table.chains.values()) for (const rule of c.rules) if (rule.jump === chain) n++;
  return n;
}

/** Removes a chain of the user's: -EINVAL (built in), -ENOTEMPTY, -EMLINK (some rule leads there). */
export function chainDelete(table: Table, chain: Chain): number {
  if (chain.hook >= 0) return -EINVAL;
  if (chain.rules.length > 0) return -ENOTEMPTY;
  if (chainReferences(chain) > 0) return -EMLINK;
  table.chains.delete(chain.name);
  return 0;
}

/** Gives a chain of the user's another name: -ENOENT (built in), -EEXIST. */
export function chainRename(table: Table, chain: Chain, name: string): number {
  if (chain.hook >= 0) return -ENOENT;
  if (table.chains.has(name)) return -EEXIST;
  table.chains.delete(chain.name);
  chain.name = name;
  table.chains.set(name, chain);
  order(table);
  return 0;
}

/** What a built-in chain does with what no rule has decided. -EINVAL for a chain of the user's. */
export function chainPolicy(nf: Netfilter, chain: Chain, policy: number): number {
  if (chain.hook < 0) return -EINVAL;
  chain.policy = policy;
  if (policy !== NF_ACCEPT) use(nf, chain.table);
  return 0;
}
