/**
 * The firewall of a host, as an object: `host.firewall.append('INPUT', { protocol: 'tcp', dport: 80, target: 'DROP' })`. The same
 * tables that `host.sh('iptables …')` changes.
 *
 * A rule or a chain that makes no sense throws a {@link ToolError} that names the word and what was expected.
 */
import { parseInteger } from '../../lib/units.ts';
import type { NfTarget } from '../../ip/filter/target.ts';
import { show } from '../door.ts';
import { type Firewalling, chainOf, tableOf } from './context.ts';
import { iptables } from './iptables.ts';
import { type RuleSpec, ruleSpecWords } from './objects.ts';
import { ruleWords } from './print.ts';
import { iptablesRestore, iptablesSave } from './save.ts';

export type TableName = 'filter' | 'nat' | 'mangle' | 'raw';

/** A rule as it stands in its chain. */
export interface FirewallRule {
  /** Its place, 1 for the first. */
  readonly number: number;
  /** Packets and bytes that it has matched. */
  readonly packets: number;
  readonly bytes: number;
  /** What it does: a target, a chain, or '' (count only). */
  readonly target: string;
  /** The rule in iptables' words: `-p tcp -m tcp --dport 80 -j DROP`. */
  readonly text: string;
}

export class Firewall {
  private readonly fw: Firewalling;

  /** Made by the kernel. */
  constructor(fw: Firewalling) {
    this.fw = fw;
  }

  /** Adds a rule at the end of a chain. */
  append(chain: string, rule: RuleSpec): void {
    this.rule('append', '-A', chain, [], rule);
  }

  /** Puts a rule in at a place, 1 (the default) for the first. */
  insert(chain: string, rule: RuleSpec, at: number = 1): void {
    this.rule('insert', '-I', chain, [String(parseInteger(at, 'at', 1))], rule);
  }

  /** Puts a rule in the place of another. */
  replace(chain: string, at: number, rule: RuleSpec): void {
    this.rule('replace', '-R', chain, [String(parseInteger(at, 'at', 1))], rule);
  }

  /** Removes a rule: by its number, or the first that says the same. */
  delete(chain: string, rule: number | RuleSpec, options: { readonly table?: TableName } = {}): void {
    if (typeof rule === 'number') this.run(options.table, '-D', name(chain, 'delete'), String(parseInteger(rule, 'rule', 1)));
    else this.rule('delete', '-D', chain, [], rule);
  }

  /** Is there such a rule? */
  has(chain: string, rule: RuleSpec): boolean {
    const words = ruleSpecWords(rule, 'has');
    const probe = tableOf(this.fw, rule.table ?? 'filter');
    chainOf(this.fw, probe, name(chain, 'has'));
    try {
      iptables(this.fw, ['-t', rule.table ?? 'filter', '-C', chain, ...words]);
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes('no rule of that chain reads so')) return false;
      throw error;
    }
  }

  /** Removes the rules of a chain, or of the whole table. */
  flush(chain?: string, options: { readonly table?: TableName } = {}): void {
    this.run(options.table, '-F', ...(chain === undefined ? [] : [name(chain, 'flush')]));
  }

  /** What a built-in chain does with what no rule has decided: 'ACCEPT' (the default) or 'DROP'. */
  policy(chain: string, policy: 'ACCEPT' | 'DROP', options: { readonly table?: TableName } = {}): void {
    this.run(options.table, '-P', name(chain, 'policy'), policy);
  }

  /** Makes a chain, to which rules can lead by `target`. */
  newChain(chain: string, options: { readonly table?: TableName } = {}): void {
    this.run(options.table, '-N', name(chain, 'newChain'));
  }

  /** Removes a chain that is empty and that no rule leads to. */
  deleteChain(chain: string, options: { readonly table?: TableName } = {}): void {
    this.run(options.table, '-X', name(chain, 'deleteChain'));
  }

  /** Sets the counters of a chain, or of the whole table, to 0. */
  zero(chain?: string, options: { readonly table?: TableName } = {}): void {
    this.run(options.table, '-Z', ...(chain === undefined ? [] : [name(chain, 'zero')]));
  }

  /** The rules of a chain, with their counters. */
  list(chain: string, options: { readonly table?: TableName } = {}): FirewallRule[] {
    const table = tableOf(this.fw, options.table ?? 'filter');
    const { version } = this.fw.tables.family;
    return chainOf(this.fw, table, name(chain, 'list')).rules.map((rule, i) => {
      const target: NfTarget | null = rule.target;
      const { packets, bytes } = rule;
      return { number: i + 1, packets, bytes, target: rule.jump?.name ?? target?.name ?? '', text: ruleWords(rule, version).join(' ') };
    });
  }

  /** All tables in use as iptables-save writes them; with `counters`, those of rules too. */
  save(options: { readonly counters?: boolean } = {}): string {
    return iptablesSave({ ...this.fw, tool: `${this.fw.tool}-save` }, options.counters === true ? ['-c'] : []);
  }

  /** Reads what {@link save} wrote, in place of what there is (with `noflush`: beside it). All or nothing. */
  restore(text: string, options: { readonly noflush?: boolean } = {}): void {
    if (typeof text !== 'string') throw new TypeError(`restore: text is ${show(text)}; expected what save() gave`);
    iptablesRestore({ ...this.fw, tool: `${this.fw.tool}-restore` }, text, options.noflush === true);
  }

  private rule(call: string, command: string, chain: string, place: readonly string[], rule: RuleSpec): void {
    const words = ruleSpecWords(rule, call);
    this.run(rule.table, command, name(chain, call), ...place, ...words);
  }

  private run(table: string | undefined, ...words: string[]): void {
    iptables(this.fw, ['-t', table ?? 'filter', ...words]);
  }
}

function name(chain: unknown, call: string): string {
  if (typeof chain === 'string' && chain !== '') return chain;
  throw new TypeError(`${call}: chain is ${show(chain)}; expected the name of a chain such as 'INPUT'`);
}
