/**
 * fq: a queue for each flow, turns by bytes, and packets that leave when their time has come (Linux: sch_fq.c).
 *
 *     packet → flow ──► band 0 │ 1 │ 2: new flows │ old flows      a turn is `quantum` bytes, the first one `initialQuantum`
 *                        ▲
 *                        └ throttled flows: their next packet must wait; the earliest sets the alarm
 *
 * Priorities choose one of three bands, which share the line by their weights; what one does not use, others have.
 *
 * When a packet may leave is said by its sender (`skb.tstamp`: earliest departure time), or follows from the pacing rate of its
 * socket and from `maxrate`. Differs from Linux: a flow is a 5-tuple, not a socket.
 */
import { parseDuration, parseInteger, parseRate, parseSize, type Duration, type Rate, type Size } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_HLEN } from '../../wire/ethernet.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';
import { skbSetEcnCe } from './ecn.ts';
import { reciprocalScale, skbFlowHash } from './flow-hash.ts';
import { FQ_DETACHED, FQ_IN_LINE, FqBand, FqFlow, FqHeap } from './fq-flow.ts';
import { PRIO_TO_BAND } from './pfifo-fast.ts';
import { Watchdog } from './watchdog.ts';

/** What a socket (`skb.sk`) has that fq asks for; `sock/sock.ts` has it. */
export interface PacedSock {
  /** Bytes per second; Infinity: no pacing. */
  readonly pacingRate: number;
  /** SK_PACING_*: fq tells it that it paces (2), so that the transport need not. */
  pacingStatus: number;
}

export interface FqOptions {
  /** Packets, all flows of a band together, and of one flow. Defaults 10000 and 100. */
  readonly limit?: number;
  readonly flowLimit?: number;
  /** Bytes of a turn, and of the first one. Defaults: two and ten full packets. */
  readonly quantum?: Size;
  readonly initialQuantum?: Size;
  /** Of each flow. Default: none. */
  readonly maxrate?: Rate;
  /** Obey pacing rates. Default true. */
  readonly pacing?: boolean;
  /** Flows that send slower than this are paced packet by packet. Default 550 kbit/s. */
  readonly lowRateThreshold?: Rate;
  /** An idle flow gets its credit back after so long. Default 40 ms. */
  readonly refillDelay?: Duration;
  /** Places of the hash table, a power of two. Default 1024. */
  readonly buckets?: number;
  /** How many flows the packets of no local socket are spread over, less one. Default 1023. */
  readonly orphanMask?: number;
  /** Packets that are to leave later than this are dropped (`horizonDrop`, the default) or leave at its end. Default 10 s. */
  readonly horizon?: Duration;
  readonly horizonDrop?: boolean;
  /** Sixteen numbers: the band, 0 to 2, of each priority. Default: as pfifo_fast has it. */
  readonly priomap?: readonly number[];
  /** Bytes of a round, one for each band, 16384 at least. Default 589824, 196608 and 65536: 9 to 3 to 1. */
  readonly weights?: readonly number[];
  /** Mark packets that leave so much too late. Default: never. */
  readonly ceThreshold?: Duration;
}

/** Shares of the bands, and the least that one may have (Linux: FQ_MIN_WEIGHT). */
const FQ_WEIGHTS: readonly number[] = [589824, 196608, 65536];
const FQ_MIN_WEIGHT = 16384;
/** `sock/sock.ts` has the others. */
const SK_PACING_FQ = 2;
/** A flow that was empty for so long may be forgotten. */
const FLOW_MAX_AGE_NS = 3e9;
/** Most flows that one look forgets. */
const GC_MAX = 8;
/** Spreads keys over the buckets, those of orphans too, which are small numbers (Knuth's multiplier). */
const SPREAD = 0x9e3779b1;
/** A packet is not paced over more than this: the rate may change. */
const PACING_MAX_NS = 1e9;

export class FqStats {
  gcFlows = 0;
  throttled = 0;
  flowsPlimit = 0;
  pktsTooLong = 0;
  ceMark = 0;
  horizonDrops = 0;
  horizonCaps = 0;
  highprioPackets = 0;
}

export class Fq extends Qdisc {
  override readonly kind = 'fq';
  limit = 10000;
  flowLimit = 100;
  quantum: number;
  initialQuantum: number;
  /** Bytes per second. */
  maxrate: number = Infinity;
  lowRateThreshold: number = 550000 / 8;
  pacing = true;
  refillDelay = 40_000_000;
  orphanMask = 1023;
  horizon = 10_000_000_000;
  horizonDrop = true;
  ceThreshold: number = Infinity;
  buckets: (FqFlow | null)[] = new Array<FqFlow | null>(1024).fill(null);
  /** Flows that there are, and those of them that hold nothing. */
  flows = 0;
  inactiveFlows = 0;
  readonly stat: FqStats = new FqStats();
  readonly throttled: FqHeap = new FqHeap();
  private readonly internal: FqFlow = new FqFlow();
  readonly bands: readonly FqBand[] = FQ_WEIGHTS.map((weight) => new FqBand(weight));
  priomap: Uint8Array = PRIO_TO_BAND;
  /** Whose turn it is among the bands. */
  private bandNr = 0;
  private freeFlows: FqFlow | null = null;
  private readonly perturb: number;
  private readonly watchdog: Watchdog = new Watchdog(this);

  constructor(dev: NetDevice, perturb: number) {
    super(dev);
    this.perturb = perturb;
    this.quantum = 2 * (dev.mtu + ETH_HLEN);
    this.initialQuantum = 10 * (dev.mtu + ETH_HLEN);
  }

  /** Nothing changes when an option is wrong; flows and their packets stay. */
  change(o: FqOptions): void {
    const next = parseFq(this, o);
    Object.assign(this, next.fields);
    next.weights.forEach((weight, i) => (this.bands[i]!.weight = weight));
    if (next.buckets !== this.buckets.length) this.rehash(next.buckets);
    while (this.qlen > this.limit) this.dropped(this.dequeueForce(), Drop.QdiscOverlimit);
  }

  override enqueue(skb: SkBuff): number {
    const { now } = this.dev.net.cpu;
    skb.cb0 = now;
    if (skb.tstamp !== 0 && skb.sk !== null && !this.admit(skb, now)) return NET_XMIT_DROP;
    const flow = this.classify(skb, now);
    if (flow !== this.internal) {
      const nr = this.priomap[skb.priority & 15]!;
      const band = this.bands[nr]!;
      if (band.packets >= this.limit) {
        band.drops++;
        this.dropped(skb, Drop.FqBandLimit);
        return NET_XMIT_DROP;
      }
      if (flow.queue.qlen >= this.flowLimit) {
        this.stat.flowsPlimit++;
        this.dropped(skb, Drop.FqFlowLimit);
        return NET_XMIT_DROP;
      }
      if (flow.place === FQ_DETACHED) this.attach(flow, nr, now);
      skb.cb1 = nr;
      band.packets++;
    } else {
      skb.cb1 = NO_BAND;
    }
    flow.add(skb);
    this.queued(skb);
    return NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    if (this.qlen === 0) return null;
    const { now } = this.dev.net.cpu;
    const urgent = this.internal.queue.popHead();
    if (urgent !== null) return this.give(urgent);
    this.wakeThrottled(now);
    for (;;) {
      const band = this.nextBand();
      if (band === null) {
        const wait = this.throttled.first;
        if (wait !== null) this.watchdog.schedule(wait.timeNextPacket);
        return null;
      }
      const list = band.newFlows.head === null ? band.oldFlows : band.newFlows;
      const flow = list.head!;
      if (flow.credit <= 0) {
        flow.credit += this.quantum;
        band.oldFlows.push(list.pop());
        continue;
      }
      const skb = flow.queue.head;
      if (skb === null) {
        list.pop();
        if (list === band.newFlows && band.oldFlows.head !== null) band.oldFlows.push(flow);
        else this.detach(flow, now);
        continue;
      }
      const due = Math.max(skb.cb0, flow.timeNextPacket);
      if (now < due) {
        list.pop();
        flow.timeNextPacket = due;
        this.stat.throttled++;
        this.throttled.push(flow);
        continue;
      }
      if (now - due > this.ceThreshold && skbSetEcnCe(skb)) this.stat.ceMark++;
      flow.queue.unlink(skb);
      this.pace(flow, skb, now);
      band.credit -= qdiscPktLen(skb);
      return this.give(skb);
    }
  }

  /** The band whose flows are next: the one whose turn it is while it has credit, then the next that has flows; null: none has. */
  private nextBand(): FqBand | null {
    const { bands } = this;
    for (let idle = 0; idle < bands.length;) {
      const band = bands[this.bandNr]!;
      idle = band.empty ? idle + 1 : 0;
      if (idle === 0 && band.credit > 0) return band;
      this.bandNr = (this.bandNr + 1) % bands.length;
      const next = bands[this.bandNr]!;
      next.credit = Math.min(next.credit + next.weight, next.weight);
    }
    return null;
  }

  override get ecnMark(): number {
    return this.stat.ceMark;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    this.purge(this.internal.queue, Drop.Purged);
    for (let i = 0; i < this.buckets.length; i++) {
      for (let flow: FqFlow | null = this.buckets[i]!; flow !== null; flow = flow.nextInBucket) this.purge(flow.queue, Drop.Purged);
      this.buckets[i] = null;
    }
    for (const band of this.bands) band.clear();
    this.throttled.clear();
    this.flows = 0;
    this.inactiveFlows = 0;
    this.watchdog.cancel();
  }

  /** The sender said when (earliest departure time). False: too far ahead, and dropped. */
  private admit(skb: SkBuff, now: number): boolean {
    if (skb.tstamp > now + this.horizon) {
      if (this.horizonDrop) {
        this.stat.horizonDrops++;
        this.dropped(skb, Drop.FqHorizonLimit);
        return false;
      }
      this.stat.horizonCaps++;
      skb.tstamp = now + this.horizon;
    }
    skb.cb0 = skb.tstamp;
    return true;
  }

  private classify(skb: SkBuff, now: number): FqFlow {
    if ((skb.priority & 15) === TC_PRIO_CONTROL) {
      this.stat.highprioPackets++;
      return this.internal;
    }
    const hash = skbFlowHash(skb, this.perturb);
    const key = skb.sk === null ? hash & this.orphanMask : hash;
    const at = reciprocalScale(Math.imul(key, SPREAD), this.buckets.length);
    if (this.flows >= 2 * this.buckets.length && this.inactiveFlows > this.flows / 2) this.collect(at, now);
    for (let flow: FqFlow | null = this.buckets[at]!; flow !== null; flow = flow.nextInBucket) if (flow.key === key) return flow;
    const flow = this.freeFlows ?? new FqFlow();
    this.freeFlows = flow.nextInBucket;
    flow.reset();
    flow.key = key;
    flow.credit = this.initialQuantum;
    flow.nextInBucket = this.buckets[at]!;
    this.buckets[at] = flow;
    this.flows++;
    this.inactiveFlows++;
    if (skb.sk !== null && this.pacing) (skb.sk as PacedSock).pacingStatus = SK_PACING_FQ;
    return flow;
  }

  /** Forgets some flows of a bucket that were empty for long. */
  private collect(at: number, now: number): void {
    let found = 0;
    let previous: FqFlow | null = null;
    let flow: FqFlow | null = this.buckets[at]!;
    while (flow !== null && found < GC_MAX) {
      const next: FqFlow | null = flow.nextInBucket;
      if (flow.place === FQ_DETACHED && now > flow.age + FLOW_MAX_AGE_NS) {
        if (previous === null) this.buckets[at] = next;
        else previous.nextInBucket = next;
        flow.nextInBucket = this.freeFlows;
        this.freeFlows = flow;
        found++;
      } else {
        previous = flow;
      }
      flow = next;
    }
    this.flows -= found;
    this.inactiveFlows -= found;
    this.stat.gcFlows += found;
  }

  private attach(flow: FqFlow, band: number, now: number): void {
    flow.band = band;
    if (now > flow.age + this.refillDelay) flow.credit = Math.max(flow.credit, this.quantum);
    this.inactiveFlows--;
    this.bands[band]!.newFlows.push(flow);
  }

  private detach(flow: FqFlow, now: number): void {
    flow.place = FQ_DETACHED;
    flow.age = now;
    this.inactiveFlows++;
  }

  /** Flows whose time has come are old ones again. */
  private wakeThrottled(now: number): void {
    for (let flow = this.throttled.first; flow !== null && flow.timeNextPacket <= now; flow = this.throttled.first) {
      this.bands[flow.band]!.oldFlows.push(this.throttled.pop());
    }
  }

  /** Says when the flow's next packet may leave, by the rate of the socket and of the discipline. */
  private pace(flow: FqFlow, skb: SkBuff, now: number): void {
    let bytes = qdiscPktLen(skb);
    flow.credit -= bytes;
    if (!this.pacing) return;
    let rate = this.maxrate;
    const sk = skb.sk as PacedSock | null;
    // A packet with a time of its own was paced by its sender; only maxrate is left to obey.
    if (sk === null || skb.tstamp === 0) {
      if (sk !== null && sk.pacingRate < rate) rate = sk.pacingRate;
      if (rate <= this.lowRateThreshold) {
        flow.credit = 0;
      } else {
        // Paced by the turn: a flow that has credit goes on.
        if (bytes < this.quantum) bytes = this.quantum;
        if (flow.credit > 0) return;
      }
    }
    if (rate === Infinity) return;
    let len = rate > 0 ? Math.floor((bytes * 1e9) / rate) : PACING_MAX_NS;
    if (len > PACING_MAX_NS) {
      len = PACING_MAX_NS;
      this.stat.pktsTooLong++;
    }
    // It came later than it might have: up to half of the next wait makes up for it.
    if (flow.timeNextPacket !== 0) len -= Math.min(Math.floor(len / 2), now - flow.timeNextPacket);
    flow.timeNextPacket = now + len;
  }

  private give(skb: SkBuff): SkBuff {
    this.left(skb);
    this.sent(skb);
    return skb;
  }

  /** Any packet, whatever its time, taken out: the limit was lowered. */
  private dequeueForce(): SkBuff {
    for (const head of this.buckets) {
      for (let flow = head; flow !== null; flow = flow.nextInBucket) {
        const skb = flow.queue.popHead();
        if (skb === null) continue;
        this.left(skb);
        return skb;
      }
    }
    const skb = this.internal.queue.popHead()!;
    this.left(skb);
    return skb;
  }

  /** A packet was taken out: it no longer counts, here and in its band. */
  private left(skb: SkBuff): void {
    this.dequeued(skb);
    if (skb.cb1 !== NO_BAND) this.bands[skb.cb1]!.packets--;
  }

  private rehash(count: number): void {
    const old = this.buckets;
    this.buckets = new Array<FqFlow | null>(count).fill(null);
    for (let flow of old) {
      while (flow !== null) {
        const next: FqFlow | null = flow.nextInBucket;
        const at = reciprocalScale(Math.imul(flow.key, SPREAD), count);
        flow.nextInBucket = this.buckets[at]!;
        this.buckets[at] = flow;
        flow = next;
      }
    }
  }

  /** Flows that wait for their time, and those in line; for statistics. */
  get throttledFlows(): number {
    return this.throttled.size;
  }

  get linedUp(): number {
    return this.buckets.reduce((n, head) => {
      let count = n;
      for (let flow = head; flow !== null; flow = flow.nextInBucket) if (flow.place === FQ_IN_LINE) count++;
      return count;
    }, 0);
  }
}

/** `skb.cb1` of a packet of no band: one that passes all others. */
const NO_BAND = -1;
/** The priority of packets that keep a network alive: they pass all others (Linux: TC_PRIO_CONTROL). */
const TC_PRIO_CONTROL = 7;

type FqFields = Pick<Fq, 'limit' | 'flowLimit' | 'quantum' | 'initialQuantum' | 'maxrate' | 'lowRateThreshold' | 'pacing' | 'refillDelay'
| 'orphanMask' | 'horizon' | 'horizonDrop' | 'ceThreshold' | 'priomap'>;

/** {@link FqOptions}, checked. */
interface FqParams {
  readonly fields: FqFields;
  readonly buckets: number;
  readonly weights: readonly number[];
}

/** Numbers of a list of that length. */
function numbers(value: unknown, name: string, count: number, min: number, max: number): number[] {
  if (!Array.isArray(value) || value.length !== count) throw new TypeError(`${name}: expected an array of ${String(count)} numbers`);
  return (value as readonly number[]).map((n) => parseInteger(n, name, min, max));
}

function parseFq(q: Fq, o: FqOptions): FqParams {
  const flag = (value: unknown, name: string): boolean => {
    if (typeof value === 'boolean') return value;
    throw new TypeError(`${name}: ${String(value)} is not understood; expected true or false`);
  };
  const buckets = o.buckets === undefined ? q.buckets.length : parseInteger(o.buckets, 'buckets', 1, 262144);
  if ((buckets & (buckets - 1)) !== 0) throw new RangeError(`buckets: ${String(buckets)} is not a power of two`);
  const fields: FqFields = {
    limit: o.limit === undefined ? q.limit : parseInteger(o.limit, 'limit', 1, 0xffffffff),
    flowLimit: o.flowLimit === undefined ? q.flowLimit : parseInteger(o.flowLimit, 'flowLimit', 1, 0xffffffff),
    quantum: o.quantum === undefined ? q.quantum : parseSize(o.quantum, 'quantum'),
    initialQuantum: o.initialQuantum === undefined ? q.initialQuantum : parseSize(o.initialQuantum, 'initialQuantum'),
    maxrate: o.maxrate === undefined ? q.maxrate : o.maxrate === Infinity ? Infinity : parseRate(o.maxrate, 'maxrate') / 8,
    lowRateThreshold: o.lowRateThreshold === undefined ? q.lowRateThreshold : parseRate(o.lowRateThreshold, 'lowRateThreshold') / 8,
    pacing: o.pacing === undefined ? q.pacing : flag(o.pacing, 'pacing'),
    refillDelay: o.refillDelay === undefined ? q.refillDelay : parseDuration(o.refillDelay, 'refillDelay'),
    orphanMask: o.orphanMask === undefined ? q.orphanMask : parseInteger(o.orphanMask, 'orphanMask', 0, 0x7fffffff),
    horizon: o.horizon === undefined ? q.horizon : parseDuration(o.horizon, 'horizon'),
    horizonDrop: o.horizonDrop === undefined ? q.horizonDrop : flag(o.horizonDrop, 'horizonDrop'),
    ceThreshold: o.ceThreshold === undefined ? q.ceThreshold : parseDuration(o.ceThreshold, 'ceThreshold'),
    priomap: o.priomap === undefined ? q.priomap : Uint8Array.from(numbers(o.priomap, 'priomap', 16, 0, q.bands.length - 1)),
  };
  const weights = o.weights === undefined ? q.bands.map((band) => band.weight)
    : numbers(o.weights, 'weights', q.bands.length, FQ_MIN_WEIGHT, 0x7fffffff);
  if (fields.quantum === 0) throw new RangeError('quantum: 0 sends nothing; expected at least 1');
  return { fields, buckets, weights };
}
