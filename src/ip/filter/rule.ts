/**
 * Tables, chains and rules (Linux: ip_tables.c, x_tables.c). A table is a set of chains; a built-in chain is asked at its hook
 * and has a policy; a chain of the user is jumped to. State only; `traverse.ts` asks them.
 */
import type { NfMatch } from './match.ts';
import { NF_ACCEPT, NF_INET_NUMHOOKS } from './constants.ts';
import type { NfTarget } from './target.ts';

/** What every rule may ask before its matches (Linux: struct ipt_ip). Addresses as four words; IPv4 uses the first. */
export class RuleHead {
  readonly src: Int32Array = new Int32Array(4);
  readonly srcMask: Int32Array = new Int32Array(4);
  readonly dst: Int32Array = new Int32Array(4);
  readonly dstMask: Int32Array = new Int32Array(4);
  /** Any address will do; then nothing is compared. */
  anySrc = true;
  anyDst = true;
  notSrc = false;
  notDst = false;
  /** Interface names, '' = any; with `Plus` the beginning of one. */
  in = '';
  inPlus = false;
  notIn = false;
  out = '';
  outPlus = false;
  notOut = false;
  /** Protocol number, 0 = any. */
  proto = 0;
  notProto = false;
  /** -f: 0 = do not care, 1 = second and further fragments, 2 = all else. */
  fragment = 0;
}

export class Rule {
  readonly head: RuleHead;
  readonly matches: readonly NfMatch[];
  /** What it does; null: count only, or jump. */
  readonly target: NfTarget | null;
  /** The chain it leads to. */
  readonly jump: Chain | null;
  /** `-g`: do not come back here. */
  readonly goto: boolean;
  packets = 0;
  bytes = 0;

  constructor(head: RuleHead, matches: readonly NfMatch[], target: NfTarget | null, jump: Chain | null, goto: boolean) {
    this.head = head;
    this.matches = matches;
    this.target = target;
    this.jump = jump;
    this.goto = goto;
  }
}

export class Chain {
  name: string;
  readonly table: Table;
  /** The hook of a built-in chain; -1: a chain of the user's. */
  readonly hook: number;
  readonly rules: Rule[] = [];
  /** NF_ACCEPT or NF_DROP; of built-in chains. */
  policy: number = NF_ACCEPT;
  packets = 0;
  bytes = 0;

  constructor(name: string, table: Table, hook: number) {
    this.name = name;
    this.table = table;
    this.hook = hook;
  }
}

export class Table {
  readonly name: string;
  /** In the order in which they are listed: built-in chains, then the user's by name. */
  readonly chains: Map<string, Chain> = new Map();
  readonly byHook: (Chain | null)[] = new Array<Chain | null>(NF_INET_NUMHOOKS).fill(null);
  /** Hooked in: it has been used once (Linux: the module is loaded). */
  used = false;

  constructor(name: string) {
    this.name = name;
  }
}

/** Name of each table, and the hooks that its built-in chains are at, in the order in which iptables lists them. */
export const TABLES: readonly (readonly [string, readonly number[]])[] = [
  ['filter', [1, 2, 3]],
  ['nat', [0, 1, 3, 4]],
  ['mangle', [0, 1, 2, 3, 4]],
  ['raw', [0, 3]],
];

/** Rules of one table at most, and chains: what an administrator would never write by hand. */
export const NF_RULES_MAX = 65536;
export const NF_CHAINS_MAX = 4096;
/** How deep chains may call each other. */
export const NF_JUMPS_MAX = 64;
/** Longest name of a chain (Linux: XT_FUNCTION_MAXNAMELEN - 2). */
export const NF_CHAIN_NAME_MAX = 28;
