/**
 * A host as its network stack sees it (Linux: struct net): the processor and its clock, the packet pool, chance, counters,
 * the devices, and the table of packet types by which frames go up. Made once per boot, by `host/boot.ts`.
 *
 * Rooms above keep their own state in classes of their own (`Ipv4`, `TcpProto`, …), which hold this one; nothing here knows them.
 */
import type { Random } from '../lib/random.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { kfreeSkbReason, type SkbPool } from '../skb/pool.ts';
import type { Drop } from '../skb/drop-reason.ts';
import { skbTrace } from '../skb/trace.ts';
import type { Cpu } from '../time/cpu.ts';
import type { Simulation } from '../time/simulation.ts';
import { MIB_NAMES } from './mib.ts';
import type { NetDevice } from './net-device.ts';
import type { Softnet } from './softnet.ts';

/** Who handles an EtherType. Takes the skb, whose `data` is at the network header. */
export interface PacketType {
  rcv(skb: SkBuff, dev: NetDevice): void;
}

/** Told when a device goes up or down, changes its address or its MTU. */
export interface NetdevNotifier {
  changed(dev: NetDevice, what: 'up' | 'down' | 'address' | 'mtu' | 'carrier' | 'unregister'): void;
}

/** `/proc/sys/net/core`: exact kernel names are bound to these in host/sysctl. */
export class CoreSysctl {
  somaxconn = 4096;
  rmemDefault = 212992;
  rmemMax = 212992;
  wmemDefault = 212992;
  wmemMax = 212992;
  /** Bytes that a socket may have for notes and options (net.core.optmem_max). */
  optmemMax = 131072;
  netdevBudget = 300;
  /** Microseconds. */
  netdevBudgetUsecs = 2000;
  netdevMaxBacklog = 1000;
  devWeight = 64;
  /** The discipline that a device begins with. */
  defaultQdisc = 'pfifo_fast';
  /** Connections to which nothing comes back change their flow label (net.core.txrehash). */
  txrehash = 1;
}

export class Net {
  /** The host's name: says where a packet was dropped, and names its random streams. */
  readonly name: string;
  readonly sim: Simulation;
  readonly cpu: Cpu;
  readonly pool: SkbPool;
  /** The world's seed: streams of chance for what a host gets later are derived from it. Set by boot. */
  seed = 1;
  /** This host's stream of chance (ISN keys, ephemeral ports…). */
  readonly random: Random;
  readonly mib: Float64Array = new Float64Array(MIB_NAMES.length);
  readonly sysctl: CoreSysctl = new CoreSysctl();
  /** By ifindex; index 0 is unused, 1 is `lo`. */
  readonly devices: (NetDevice | null)[] = [null];
  readonly notifiers: NetdevNotifier[] = [];
  /** Called when the host halts without a word (power loss), devices down: rooms that keep packets in memory end them here. */
  readonly halting: (() => void)[] = [];
  /** By EtherType: few, so a small array of pairs that is searched in order would do; a Map by number is as good. */
  readonly packetTypes: Map<number, PacketType> = new Map();
  /** The softirq side of reception and transmission (`dev/softnet.ts`); set by boot. */
  softnet: Softnet | null = null;
  /** A packet whose sender wants to know (`skb.txFlags`) has come so far: SKBTX_SCHED_TSTAMP or SKBTX_SW_TSTAMP. Set by boot. */
  txTimestamp: ((skb: SkBuff, what: number) => void) | null = null;
  /** Sockets that want to know when packets came (SO_TIMESTAMP and its kind): while there are any, `skb.tstamp` says it. */
  rxTimestampUsers = 0;
  /** The IPv4 side (`ip/ipv4.ts`), set by that room; likewise IPv6's. */
  inet: object | null = null;
  inet6: object | null = null;

  constructor(name: string, sim: Simulation, cpu: Cpu, pool: SkbPool, random: Random) {
    this.name = name;
    this.sim = sim;
    this.cpu = cpu;
    this.pool = pool;
    this.random = random;
  }

  /** Ends a packet that came to this host, with its reason. Takes the skb. */
  drop(skb: SkBuff, reason: Drop): void {
    kfreeSkbReason(skb, reason, this.name);
  }

  /** Says that a packet passes a function of this host. Called only when `skb.trace` is not 0. */
  trace(skb: SkBuff, fn: string, note: string = ''): void {
    skbTrace(skb, fn, this.name, Math.max(this.cpu.now, this.sim.now), note);
  }

  /** Counts one. */
  inc(counter: number): void {
    this.mib[counter]!++;
  }

  /** Host time in whole microseconds: the clock of TCP. */
  get nowUs(): number {
    return Math.floor(this.cpu.now / 1000);
  }

  /** Host time in whole milliseconds: the jiffies of HZ=1000. */
  get jiffies(): number {
    return Math.floor(this.cpu.now / 1000000);
  }
}
