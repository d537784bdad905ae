/**
 * netem: a bad network inside a host, on the way out (Linux: sch_netem.c).
 *
 *     enqueue → duplicate → loss → corrupt → limit → delay ± jitter, rate, or reordered to the front
 *     [ tfifo: by the time at which each may leave ] → slot → child, if any → dequeue
 *
 * The models of chance are those of cables (`lib/loss.ts`, `lib/distribution.ts`, `lib/slot.ts`). The stream of chance is the
 * discipline's own: by the world's seed, or by `seed`. A packet that is delayed is no longer its socket's: what its sender may
 * have below it (TCP small queues) is not held up.
 *
 * `skb.cb0` is the time at which the packet may leave.
 */
import { Correlated } from '../../lib/correlated.ts';
import { DISTRIBUTIONS, drawAround, parseDistribution, type Distribution } from '../../lib/distribution.ts';
import { EventChance, parseChance, parseLoss, type Chance, type Loss, type LossModel } from '../../lib/loss.ts';
import { Random } from '../../lib/random.ts';
import { Slot, type SlotOptions } from '../../lib/slot.ts';
import {
  parseDuration, parseInteger, parseProbability, parseRate, type Duration, type Rate,
} from '../../lib/units.ts';
import { flipBit } from '../../fabric/corrupt.ts';
import { cloneSkb } from '../../skb/copy.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { skbGsoSegment } from '../../skb/gso.ts';
import { skbOrphan } from '../../skb/owner.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';
import { skbSetEcnCe } from './ecn.ts';
import { Watchdog } from './watchdog.ts';

export interface NetemOptions {
  /** Packets. Default 1000. */
  readonly limit?: number;
  readonly delay?: Duration;
  readonly jitter?: Duration;
  /** How much each delay leans on the one before, 0 to 1. */
  readonly correlation?: number;
  readonly distribution?: Distribution;
  readonly loss?: Loss;
  /** Mark packets of senders that speak ECN instead of losing them. */
  readonly ecn?: boolean;
  readonly duplicate?: Chance;
  /** Probability that a packet goes to the front. Needs a delay. */
  readonly reorder?: Chance;
  /** Only each `gap`-th packet is considered for reordering. Default 1. */
  readonly gap?: number;
  readonly corrupt?: Chance;
  readonly rate?: Rate;
  /** Bytes that the link adds to (or takes from) each packet; its cells, and what each of them takes besides. */
  readonly packetOverhead?: number;
  readonly cellSize?: number;
  readonly cellOverhead?: number;
  readonly slot?: SlotOptions | null;
  /** Chance of its own, whatever the world's seed is. */
  readonly seed?: number;
}

const NEVER: EventChance = new EventChance(0, 0);

/** What {@link NetemOptions} amount to. */
export class NetemParams {
  limit = 1000;
  /** Nanoseconds. */
  delay = 0;
  jitter = 0;
  correlation: Correlated = new Correlated(0);
  distribution: Distribution = 'uniform';
  loss: LossModel | null = null;
  ecn = false;
  duplicate: EventChance = NEVER;
  reorder: EventChance = NEVER;
  gap = 0;
  corrupt: EventChance = NEVER;
  /** Bytes per second; 0: no limit. */
  rate = 0;
  packetOverhead = 0;
  cellSize = 0;
  cellOverhead = 0;
  slot: Slot | null = null;
  seed: number | null = null;

  /** Nanoseconds that so many bytes take at the rate. */
  timeOf(bytes: number): number {
    let len = bytes + this.packetOverhead;
    if (this.cellSize > 0) len = Math.ceil(len / this.cellSize) * (this.cellSize + this.cellOverhead);
    return Math.floor((Math.max(0, len) * 1e9) / this.rate);
  }
}

export class Netem extends Qdisc {
  override readonly kind = 'netem';
  params: NetemParams = new NetemParams();
  /** What was lost, doubled, damaged, sent ahead. */
  lost = 0;
  duplicated = 0;
  corrupted = 0;
  reordered = 0;
  child: Qdisc | null = null;
  /** Its own stream of chance. */
  private random: Random;
  private readonly seeded: Random;
  /** Sent ahead; the others by their time. */
  private readonly front: SkBuffHead = new SkBuffHead();
  private readonly tfifo: SkBuffHead = new SkBuffHead();
  private readonly segments: SkBuffHead = new SkBuffHead();
  private counter = 0;
  private readonly watchdog: Watchdog = new Watchdog(this);

  constructor(dev: NetDevice, random: Random) {
    super(dev);
    this.seeded = random;
    this.random = random;
  }

  /** Everything is said anew: what is left out is off. What waits keeps its time. */
  change(options: NetemOptions): void {
    const params = parseNetem(options);
    this.params = params;
    this.random = params.seed === null ? this.seeded : new Random(params.seed);
    this.counter = 0;
    if (params.slot !== null) params.slot.opensAt = this.dev.net.cpu.now;
  }

  override enqueue(skb: SkBuff): number {
    const { params: p, random } = this;
    const twice = p.duplicate.happens(random);
    let here = true;
    if (p.loss !== null && p.loss.lost(random)) {
      if (p.ecn && skbSetEcnCe(skb)) this.drops++; // as Linux counts a mark
      else here = false;
    }
    if (!here && !twice) {
      this.lost++;
      this.dropped(skb, Drop.QdiscDrop);
      return NET_XMIT_SUCCESS; // its sender must not see it
    }
    if (!here) this.lost++;
    if (p.delay !== 0 || p.jitter !== 0 || p.rate !== 0) skbOrphan(skb);
    let copy: SkBuff | null = null;
    if (here && twice) {
      copy = cloneSkb(skb);
      this.duplicated++;
    }
    const rc = p.corrupt.happens(random) ? this.enqueueCorrupt(skb) : this.admit(skb);
    if (copy !== null) this.admit(copy);
    return rc;
  }

  /** One bit flips; of a super-packet, in the first of its segments. */
  private enqueueCorrupt(skb: SkBuff): number {
    this.corrupted++;
    if (skb.gsoSize === 0) {
      flipBit(skb, this.random);
      return this.admit(skb);
    }
    const { segments } = this;
    skbGsoSegment(skb, segments);
    flipBit(segments.head!, this.random);
    let rc: number = NET_XMIT_DROP;
    for (let part = segments.popHead(); part !== null; part = segments.popHead()) {
      if (this.admit(part) === NET_XMIT_SUCCESS) rc = NET_XMIT_SUCCESS;
    }
    return rc;
  }

  /** Through the limit, and to its place by time. */
  private admit(skb: SkBuff): number {
    const { params: p, random, tfifo } = this;
    if (this.qlen >= p.limit) {
      this.dropped(skb, Drop.QdiscOverlimit);
      return NET_XMIT_DROP;
    }
    const { now } = this.dev.net.cpu;
    this.queued(skb);
    if (p.gap === 0 || this.counter < p.gap - 1 || !p.reorder.happens(random)) {
      let delay = drawAround(random, p.correlation, p.delay, p.jitter, DISTRIBUTIONS[p.distribution]);
      let from = now;
      if (p.rate !== 0) {
        const last = tfifo.tail;
        if (last !== null) {
          // The link is busy until then; time spent waiting for it is not delayed once more.
          delay = Math.max(0, delay - (last.cb0 - now));
          from = last.cb0;
        }
        delay += p.timeOf(qdiscPktLen(skb));
      }
      skb.cb0 = from + delay;
      this.counter++;
      insertByTime(tfifo, skb);
      return NET_XMIT_SUCCESS;
    }
    this.counter = 0;
    skb.cb0 = now;
    this.front.pushHead(skb);
    this.reordered++;
    this.requeues++;
    return NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    const { tfifo, child } = this;
    const { slot } = this.params;
    const { now } = this.dev.net.cpu;
    const ahead = this.front.popHead();
    if (ahead !== null) return this.give(ahead);
    for (let skb = tfifo.head; skb !== null; skb = tfifo.head) {
      if (slot !== null && slot.opensAt < skb.cb0) slot.next(this.random, now);
      if (skb.cb0 > now || (slot !== null && slot.opensAt > now)) {
        const below = child === null ? null : this.dequeueChild(child);
        if (below !== null) return this.counted(below);
        this.watchdog.schedule(slot === null ? skb.cb0 : Math.max(skb.cb0, slot.opensAt));
        return null;
      }
      tfifo.unlink(skb);
      if (slot !== null) slot.take(this.random, now, qdiscPktLen(skb));
      if (child === null) return this.give(skb);
      this.dequeued(skb);
      this.enqueueChild(child, skb);
    }
    const below = child === null ? null : this.dequeueChild(child);
    return below === null ? null : this.counted(below);
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    this.purge(this.front, Drop.Purged);
    this.purge(this.tfifo, Drop.Purged);
    if (this.child !== null) {
      const { qlen, backlog } = this.child;
      this.child.reset();
      this.qlen -= qlen;
      this.backlog -= backlog;
    }
    this.watchdog.cancel();
  }

  override get classes(): readonly (Qdisc | null)[] {
    return [this.child];
  }

  override setClass(minor: number, child: Qdisc | null): boolean {
    if (minor !== 1) return false;
    if (this.child !== null) {
      const { qlen, backlog } = this.child;
      this.child.reset();
      this.forget(qlen, backlog);
    }
    this.child = child;
    return true;
  }

  private give(skb: SkBuff): SkBuff {
    this.dequeued(skb);
    return this.counted(skb);
  }

  private counted(skb: SkBuff): SkBuff {
    this.sent(skb);
    return skb;
  }
}

/** Behind all that leave no later. */
function insertByTime(queue: SkBuffHead, skb: SkBuff): void {
  let behind = queue.tail;
  while (behind !== null && behind.cb0 > skb.cb0) behind = behind.prev;
  if (behind === null) queue.pushHead(skb);
  else if (behind.next === null) queue.pushTail(skb);
  else queue.insertAfter(behind, skb);
}

function parseNetem(o: NetemOptions): NetemParams {
  const p = new NetemParams();
  const integer = (value: number | undefined, name: string, min: number, otherwise: number): number =>
    (value === undefined ? otherwise : parseInteger(value, name, min, 0x7fffffff));
  p.limit = integer(o.limit, 'limit', 1, p.limit);
  if (o.delay !== undefined) p.delay = parseDuration(o.delay, 'delay');
  if (o.jitter !== undefined) p.jitter = parseDuration(o.jitter, 'jitter');
  if (o.correlation !== undefined) p.correlation = new Correlated(parseProbability(o.correlation, 'correlation'));
  if (o.distribution !== undefined) p.distribution = parseDistribution(o.distribution, 'distribution');
  if (p.jitter === 0 && p.distribution !== 'uniform') throw new TypeError('distribution: it needs delay and jitter');
  if (o.loss !== undefined) p.loss = parseLoss(o.loss, 'loss');
  if (o.ecn !== undefined) {
    if (typeof o.ecn !== 'boolean') throw new TypeError(`ecn: ${String(o.ecn)} is not understood; expected true or false`);
    p.ecn = o.ecn;
  }
  if (p.ecn && p.loss === null) throw new TypeError('ecn: it needs loss: packets are marked instead of lost');
  if (o.duplicate !== undefined) p.duplicate = parseChance(o.duplicate, 'duplicate');
  if (o.corrupt !== undefined) p.corrupt = parseChance(o.corrupt, 'corrupt');
  if (o.reorder !== undefined) p.reorder = parseChance(o.reorder, 'reorder');
  p.gap = integer(o.gap, 'gap', 1, p.reorder.p > 0 ? 1 : 0);
  if (o.gap !== undefined && o.reorder === undefined) throw new TypeError('gap: it needs reorder');
  if (p.reorder.p > 0 && p.delay === 0 && p.jitter === 0) {
    throw new TypeError('reorder: it needs a delay: what goes ahead overtakes what is delayed');
  }
  if (o.rate !== undefined) p.rate = parseRate(o.rate, 'rate') / 8;
  p.packetOverhead = integer(o.packetOverhead, 'packetOverhead', -0x7fffffff, 0);
  p.cellSize = integer(o.cellSize, 'cellSize', 0, 0);
  p.cellOverhead = integer(o.cellOverhead, 'cellOverhead', -0x7fffffff, 0);
  if (o.slot !== undefined && o.slot !== null) p.slot = new Slot(o.slot, 'slot');
  if (o.seed !== undefined) p.seed = parseInteger(o.seed, 'seed', 0);
  return p;
}
