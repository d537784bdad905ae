/**
 * The neighbours of a host, of one address family: lookup, limits, ageing out (Linux: struct neigh_table).
 */
import { in6Equal, in6Hash, type In6Addr } from '../lib/addr6.ts';
import type { Random } from '../lib/random.ts';
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

/** `net.ipv4.neigh.default.*` and `net.ipv6.neigh.default.*`: exact kernel names are bound to these in host/sysctl. */
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
  private readonly random: Random;
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

  /** `random`: whence the reachable time is drawn. */
  constructor(net: Net, ops: NeighOps, etherType: number, random: Random = net.random) {
    this.net = net;
    this.random = random;
    this.ops = ops;
    this.etherType = etherType;
    this.gcTimer = new Timer(net.sim, net.cpu, () => this.periodicWork(), true);
  }

  /** Uniform between half and one and a half of base_reachable_time (RFC 4861 §6.3.2), drawn anew every five minutes. */
  reachableTime(): number {
    const { now } = this.net.cpu;
    if (now - this.lastRoll >= REACHABLE_REROLL_NS) {
      const base = this.parms.baseReachableTimeMs;
      this.reachableNs = (Math.floor(base / 2) + this.random.below(Math.max(base, 1))) * NS_PER_MS;
      this.lastRoll = now;
    }
    return this.reachableNs;
  }

  /** base_reachable_time has changed: the next reachable time is drawn from the new one. */
  reroll(): void {
    this.lastRoll = -Infinity;
  }

  find(dev: NetDevice, addr: number): Neighbour | null {
    return this.byDevice[dev.ifindex]?.get(addr) ?? null;
  }

  /** {@link find} for IPv6. */
  find6(dev: NetDevice, addr: In6Addr): Neighbour | null {
    let neigh = this.byDevice[dev.ifindex]?.get(in6Hash(addr, 0)) ?? null;
    while (neigh !== null && !in6Equal(neigh.addr6!, addr)) neigh = neigh.next;
    return neigh;
  }

  /** {@link lookup} for IPv6. */
  lookup6(dev: NetDevice, addr: In6Addr): Neighbour | null {
    return this.find6(dev, addr) ?? this.create(dev, in6Hash(addr, 0), addr);
  }

  /** The entry of `addr`, made when there is none. Null when the table is full (Linux: -ENOBUFS). */
  lookup(dev: NetDevice, addr: number): Neighbour | null {
    return this.find(dev, addr) ?? this.create(dev, addr, null);
  }

  private create(dev: NetDevice, addr: number, addr6: In6Addr | null): Neighbour | null {
    const { parms, net } = this;
    const { now } = net.cpu;
    if (this.entries >= parms.gcThresh3 || (this.entries >= parms.gcThresh2 && now > this.lastFlush + FORCED_GC_NS)) {
      this.forcedGc(now);
      if (this.entries >= parms.gcThresh3) {
        this.tableFulls++;
        return null;
      }
    }
    const neigh = new Neighbour(this, dev, addr, addr6);
    this.ops.construct(neigh);
    let map = this.byDevice[dev.ifindex];
    if (map === undefined) {
      map = new Map();
      this.byDevice[dev.ifindex] = map;
    }
    neigh.next = map.get(addr) ?? null;
    map.set(addr, neigh);
    this.entries++;
    if (this.entries > parms.gcThresh1 && !this.gcTimer.pending) this.gcTimer.mod(now + parms.gcIntervalMs * NS_PER_MS);
    return neigh;
  }

  /** All neighbours, by device and in the order in which they came. */
  *all(): IterableIterator<Neighbour> {
    for (const map of this.byDevice) {
      if (map !== undefined) yield* chained(map);
    }
  }

  remove(neigh: Neighbour): void {
    if (neigh.dead) return;
    unlink(this.byDevice[neigh.dev.ifindex]!, neigh);
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
    for (const neigh of [...chained(map)]) this.remove(neigh);
  }

  /** The link went away: what was learned by it is in doubt, what was set by hand stays (Linux: neigh_carrier_down). */
  carrierDown(dev: NetDevice): void {
    const map = this.byDevice[dev.ifindex];
    if (map === undefined) return;
    for (const neigh of [...chained(map)]) if (neigh.state !== NUD_PERMANENT) this.remove(neigh);
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

/** The neighbours of a device, those with the same hash one behind the other. */
function* chained(map: ReadonlyMap<number, Neighbour>): IterableIterator<Neighbour> {
  for (const first of map.values()) for (let neigh: Neighbour | null = first; neigh !== null; neigh = neigh.next) yield neigh;
}

function unlink(map: Map<number, Neighbour>, neigh: Neighbour): void {
  let at = map.get(neigh.addr)!;
  if (at === neigh) {
    if (neigh.next === null) map.delete(neigh.addr);
    else map.set(neigh.addr, neigh.next);
  } else {
    while (at.next !== neigh) at = at.next!;
    at.next = neigh.next;
  }
  neigh.next = null;
}

/** Neither set by hand nor in the middle of something. */
function collectable(neigh: Neighbour): boolean {
  return (neigh.state & (NUD_PERMANENT | NUD_IN_TIMER)) === 0;
}
