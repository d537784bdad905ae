/**
 * Netfilter of one host: its tables, its connections, and which of the five hooks are in use. A host without rules has none: each
 * slot of `Ipv4` (and `Ipv6`) is null, and packets pay one test.
 *
 * Tables are hooked in with their first rule (or their first policy that is not ACCEPT), conntrack with the first rule that
 * needs it; both stay, as loaded modules do.
 */
import type { Net } from '../../dev/net.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { Random } from '../../lib/random.ts';
import { Tuple } from './conn.ts';
import { Conntrack, conntrackKill, conntrackList } from './conntrack-table.ts';
import { HOOK_CHAINS } from './constants.ts';
import type { NfFamily } from './family.ts';
import { KernelLog } from './log.ts';
import { Nat } from './nat.ts';
import type { NatDevice } from './nat-device.ts';
import { NfPacket } from './packet.ts';
import { Chain, Table, TABLES } from './rule.ts';
import { JumpStack } from './traverse.ts';

/** The tables of one family. */
export class FamilyTables {
  readonly family: NfFamily;
  readonly tables: Map<string, Table> = new Map();

  constructor(family: NfFamily) {
    this.family = family;
    for (const [name, hooks] of TABLES) {
      const table = new Table(name);
      for (const hook of hooks) {
        const chain = new Chain(HOOK_CHAINS[hook]!, table, hook);
        table.chains.set(chain.name, chain);
        table.byHook[hook] = chain;
      }
      this.tables.set(name, table);
    }
  }
}

/** How deep hooks may nest: an answer of REJECT goes out while its cause is still in a hook, and so on. */
const NESTED_MAX = 16;

export class Netfilter {
  readonly net: Net;
  readonly random: Random;
  readonly log: KernelLog;
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  readonly families: FamilyTables[] = [];
  /** NAT devices by the names of RFC 4787, asked before the nat table. */
  readonly devices: NatDevice[] = [];
  readonly stack: JumpStack = new JumpStack();
  /** Scratch for NAT. */
  readonly target: Tuple = new Tuple();
  /** Packets under way in hooks: `depth` of them are in use. */
  private readonly packets: NfPacket[] = [];
  private depth = 0;

  constructor(net: Net, random: Random) {
    this.net = net;
    this.random = random;
    this.log = new KernelLog(net.cpu);
    this.conntrack = new Conntrack(net, random.next32());
    this.nat = new Nat(this.conntrack, random);
    net.notifiers.push({ changed: (dev, what) => { if (what === 'down' || what === 'unregister') this.deviceDown(dev); } });
  }

  tablesOf(version: number): FamilyTables | null {
    return this.families.find((f) => f.family.version === version) ?? null;
  }

  /** A scratch packet; null when hooks are nested too deep. */
  take(): NfPacket | null {
    if (this.depth === NESTED_MAX) return null;
    const p = this.packets[this.depth] ?? new NfPacket();
    this.packets[this.depth++] = p;
    return p;
  }

  give(): void {
    this.depth--;
  }

  /** A device is gone: what borrowed its address has no way back (Linux: masq_device_event). */
  private deviceDown(dev: NetDevice): void {
    if (!this.conntrack.on) return;
    for (const ct of conntrackList(this.conntrack)) if (ct.masqIndex === dev.ifindex) conntrackKill(this.conntrack, ct);
  }
}

/** Makes the netfilter of a host. Families are added by `family4.ts` and `family6.ts`. */
export function netfilterInit(net: Net, random: Random): Netfilter {
  return new Netfilter(net, random);
}
