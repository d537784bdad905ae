/**
 * The neighbours of a host, of one address family: lookup, limits, ageing out (Linux: struct neigh_table).
 */
import { NS_PER_MS, NS_PER_SEC } from '../lib/units.ts';
import { Timer } from '../time/timer.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Net } from '../dev/net.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { Neighbour, neighPurge, NUD_FAILED, NUD_IN_TIMER, NUD_NONE, NUD_NOARP, NUD_PERMANENT } from './neighbour.ts';

/** What an address family does on the neighbour machine. */
export interface NeighOps {
  /** A new entry: multicast, broadcast and devices without ARP need no question, and are set up here. */
  construct(neigh: Neighbour): void;
  /** Asks who has the address; by unicast when the known one is only in doubt. `skb` waits for the answer, if any does. */
  solicit(neigh: Neighbour, skb: SkBuff | null): void;
  /** Nobody answered: tells the sender of `skb`. Takes the skb. */
  errorReport(neigh: Neighbour, skb: SkBuff): void;
}

/** What an skb of one full Ethernet frame is charged with: turns unres_qlen into unres_qlen_bytes, as Linux does. */
const FRAME_TRUESIZE = 2112;

/** `net.ipv4.neigh.default.*`: exact kernel names are bound to these in host/sysctl. */
export class NeighParms {
  baseReachableTimeMs = 30000;
  delayFirstProbeTimeMs = 5000;
  retransTimeMs = 1000;
  /** An address that was just learned is not replaced for so long: the first of several answers wins. */
  locktimeMs = 1000;
  mcastSolicit = 3;
  ucastSolicit = 3;
  mcastResolicit = 0;
  unresQlenBytes = 212992;
  gcStaleTimeMs = 60000;
  gcIntervalMs = 30000;
  /** Below the first nothing is removed for age; above the second everything idle goes; the third is the limit. */
  gcThresh1 = 128;
  gcThresh2 = 512;
  gcThresh3 = 1024;

  /** unres_qlen, in packets. */
  get unresQlen(): number {
    return Math.ceil(this.unresQlenBytes / FRAME_TRUESIZE);
  }

  set unresQlen(packets: number) {
    this.unresQlenBytes = packets * FRAME_TRUESIZE;
  }
}

/** How often the reachable time is drawn anew. */
const REACHABLE_REROLL_NS: number = 300 * NS_PER_SEC;
/** Forced collections between gcThresh2 and gcThresh3 come at most so often, and spare entries changed since. */
const FORCED_GC_NS: number = 5 * NS_PER_SEC;

export class NeighTable {
  readonly net: Net;
  readonly ops: NeighOps;
  /** EtherType of the packets that go to these neighbours. */
  readonly etherType: number;
  readonly parms: NeighParms = new NeighParms();
  /** By ifindex, then by address. */
  private readonly byDevice: (Map<number, Neighbour> | undefined)[] = [];
  /** All but permanent ones. */
  entries = 0;
  unresDiscards = 0;
  resFailed = 0;
  tableFulls = 0;
  private lastFlush = -Infinity;
  private reachableNs = 0;
  private lastRoll = -Infinity;
  private readonly gcTimer: Timer;

  constructor(net: Net, ops: NeighOps, etherType: number) {
    this.net = net;
    this.ops = ops;
    this.etherType = etherType;
    this.gcTimer = new Timer(net.sim, net.cpu, () => this.periodicWork(), true);
  }

  /** Uniform between half and one and a half of base_reachable_time (RFC 4861 §6.3.2), drawn anew every five minutes. */
  reachableTime(): number {
    const { now } = this.net.cpu;
    if (now - this.lastRoll >= REACHABLE_REROLL_NS) {
      const base = this.parms.baseReachableTimeMs;
      this.reachableNs = (Math.floor(base / 2) + this.net.random.below(Math.max(base, 1))) * NS_PER_MS;
      this.lastRoll = now;
    }
    return this.reachableNs;
  }

  find(dev: NetDevice, addr: number): Neighbour | null {
    return this.byDevice[dev.ifindex]?.get(addr) ?? null;
  }

  /** The entry of `addr`, made when there is none. Null when the table is full (Linux: -ENOBUFS). */
  lookup(dev: NetDevice, addr: number): Neighbour | null {
    return this.find(dev, addr) ?? this.create(dev, addr);
  }

  private create(dev: NetDevice, addr: number): Neighbour | null {
    const { parms, net } = this;
    const { now } = net.cpu;
    if (this.entries >= parms.gcThresh3 || (this.entries >= parms.gcThresh2 && now > this.lastFlush + FORCED_GC_NS)) {
      this.forcedGc(now);
      if (this.entries >= parms.gcThresh3) {
        this.tableFulls++;
        return null;
      }
    }
    const neigh = new Neighbour(this, dev, addr);
    this.ops.construct(neigh);
    let map = this.byDevice[dev.ifindex];
    if (map === undefined) {
      map = new Map();
      this.byDevice[dev.ifindex] = map;
    }
    map.set(addr, neigh);
    this.entries++;
    if (this.entries > parms.gcThresh1 && !this.gcTimer.pending) this.gcTimer.mod(now + parms.gcIntervalMs * NS_PER_MS);
    return neigh;
  }

  /** All neighbours, by device and in the order in which they came. */
  *all(): IterableIterator<Neighbour> {
    for (const map of this.byDevice) {
      if (map !== undefined) yield* map.values();
    }
  }

  remove(neigh: Neighbour): void {
    if (neigh.dead) return;
    this.byDevice[neigh.dev.ifindex]!.delete(neigh.addr);
    this.entries--;
    neigh.disarm();
    neigh.dead = true;
    neigh.state = NUD_NONE;
    neighPurge(neigh, Drop.NeighDead);
  }

  /** The device went down, or has a new hardware address: nothing that was known by it is worth anything. */
  flushDevice(dev: NetDevice): void {
    const map = this.byDevice[dev.ifindex];
    if (map === undefined) return;
    for (const neigh of [...map.values()]) this.remove(neigh);
  }

  /** The link went away: what was learned by it is in doubt, what was set by hand stays (Linux: neigh_carrier_down). */
  carrierDown(dev: NetDevice): void {
    const map = this.byDevice[dev.ifindex];
    if (map === undefined) return;
    for (const neigh of [...map.values()]) if (neigh.state !== NUD_PERMANENT) this.remove(neigh);
  }

  private forcedGc(now: number): void {
    let excess = this.entries - this.parms.gcThresh2;
    this.lastFlush = now;
    for (const neigh of [...this.all()]) {
      if (excess <= 0) return;
      if (!collectable(neigh)) continue;
      if (neigh.state === NUD_FAILED || neigh.state === NUD_NOARP || now > neigh.updated + FORCED_GC_NS) {
        this.remove(neigh);
        excess--;
      }
    }
  }

  private periodicWork(): void {
    const { parms } = this;
    const { now } = this.net.cpu;
    if (this.entries > parms.gcThresh1) {
      const stale = parms.gcStaleTimeMs * NS_PER_MS;
      for (const neigh of [...this.all()]) {
        const lastUse = Math.max(neigh.used, neigh.confirmed);
        if (collectable(neigh) && (neigh.state === NUD_FAILED || now > lastUse + stale)) this.remove(neigh);
      }
    }
    if (this.entries > parms.gcThresh1) this.gcTimer.mod(now + parms.gcIntervalMs * NS_PER_MS);
  }
}

/** Neither set by hand nor in the middle of something. */
function collectable(neigh: Neighbour): boolean {
  return (neigh.state & (NUD_PERMANENT | NUD_IN_TIMER)) === 0;
}
