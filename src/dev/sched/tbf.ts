/**
 * tbf, a token bucket: packets leave no faster than `rate`, after a burst of what the bucket holds (Linux: sch_tbf.c).
 *
 *     tokens grow with time, at most to `buffer`; a packet costs the time that its bytes take at the rate
 *     peakrate: a second, small bucket of `mtu` bytes bounds the speed of the burst itself
 *
 * Tokens are nanoseconds. Super-packets larger than the bucket are cut up first. Below it is one class, 1: a bfifo at first.
 */
import { parseInteger, parseRate, parseSize, parseDuration, type Duration, type Rate, type Size } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { skbGsoHlen, skbGsoSegment } from '../../skb/gso.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';
import { Bfifo } from './fifo.ts';
import { Watchdog } from './watchdog.ts';

/** How a link carries bytes: as they are, or in ATM's cells of 48 bytes that take 53. */
export type LinkLayer = 'ethernet' | 'atm' | 'adsl';

export interface TbfOptions {
  readonly rate: Rate;
  /** Size of the bucket. At least one packet; the larger, the longer a burst at full speed. */
  readonly burst: Size;
  /** How many bytes may wait; or how long the last of them waits. One of the two. */
  readonly limit?: Size;
  readonly latency?: Duration;
  /** Speed of the burst; needs `mtu`. */
  readonly peakrate?: Rate;
  /** Size of the bucket of the peakrate. */
  readonly mtu?: Size;
  /** Bytes that the link adds to each packet; the least that it sends. */
  readonly overhead?: number;
  readonly mpu?: number;
  readonly linklayer?: LinkLayer;
}

/** A rate with what the link adds: bytes to nanoseconds (Linux: psched_ratecfg). */
export class LinkRate {
  /** Bytes per second. */
  readonly bytesPerSecond: number;
  readonly overhead: number;
  readonly mpu: number;
  readonly cells: boolean;

  constructor(bytesPerSecond: number, overhead: number, mpu: number, cells: boolean) {
    this.bytesPerSecond = bytesPerSecond;
    this.overhead = overhead;
    this.mpu = mpu;
    this.cells = cells;
  }

  /** Nanoseconds that so many bytes take. */
  ns(bytes: number): number {
    let len = bytes + this.overhead;
    if (len < this.mpu) len = this.mpu;
    if (this.cells) len = Math.ceil(len / ATM_CELL_PAYLOAD) * ATM_CELL_SIZE;
    return Math.floor((len * 1e9) / this.bytesPerSecond);
  }
}

const ATM_CELL_PAYLOAD = 48;
const ATM_CELL_SIZE = 53;

/** What {@link TbfOptions} amount to. */
interface TbfParams {
  readonly rate: LinkRate;
  readonly peak: LinkRate | null;
  readonly burst: number;
  readonly mtu: number;
  readonly limit: number;
}

export class Tbf extends Qdisc {
  override readonly kind = 'tbf';
  rate: LinkRate = new LinkRate(1, 0, 0, false);
  peak: LinkRate | null = null;
  /** Bytes: size of the buckets, and what may wait. */
  burst = 0;
  mtu = 0;
  limit = 0;
  child: Qdisc;
  /** The buckets in nanoseconds of their rates: how much fits, how much is in; when that was counted. */
  private buffer = 0;
  private peakBuffer = 0;
  private tokens = 0;
  private peakTokens = 0;
  private countedAt = 0;
  /** Packets longer than this never get through. */
  private maxSize = 0;
  private readonly segments: SkBuffHead = new SkBuffHead();
  private readonly watchdog: Watchdog = new Watchdog(this);

  constructor(dev: NetDevice) {
    super(dev);
    this.child = this.bfifo();
  }

  /** Everything is said anew; the buckets are full. */
  change(options: TbfOptions): void {
    const p = parseTbf(options);
    this.rate = p.rate;
    this.peak = p.peak;
    this.burst = p.burst;
    this.mtu = p.mtu;
    this.limit = p.limit;
    this.buffer = new LinkRate(p.rate.bytesPerSecond, 0, 0, false).ns(p.burst);
    this.peakBuffer = p.peak === null ? 0 : new LinkRate(p.peak.bytesPerSecond, 0, 0, false).ns(p.mtu);
    this.maxSize = p.peak === null ? p.burst : Math.min(p.burst, p.mtu);
    this.tokens = this.buffer;
    this.peakTokens = this.peakBuffer;
    this.countedAt = this.dev.net.cpu.now;
    if (this.child instanceof Bfifo && this.child.handle === 0) this.child.limit = p.limit;
  }

  override enqueue(skb: SkBuff): number {
    if (this.fits(qdiscPktLen(skb))) return this.enqueueChild(this.child, skb);
    if (skb.gsoSize !== 0 && this.fits(skb.gsoSize + skbGsoHlen(skb))) return this.enqueueSegments(skb);
    this.dropped(skb, Drop.QdiscDrop);
    return NET_XMIT_DROP;
  }

  /** Will the buckets ever hold enough? Linux looks at the bytes alone, so that there overhead and cells can block the queue for good. */
  private fits(bytes: number): boolean {
    return bytes <= this.maxSize && this.rate.ns(bytes) <= this.buffer && (this.peak === null || this.peak.ns(bytes) <= this.peakBuffer);
  }

  private enqueueSegments(skb: SkBuff): number {
    const { segments } = this;
    let taken = 0;
    skbGsoSegment(skb, segments);
    for (let part = segments.popHead(); part !== null; part = segments.popHead()) {
      if (this.enqueueChild(this.child, part) === NET_XMIT_SUCCESS) taken++;
    }
    return taken > 0 ? NET_XMIT_SUCCESS : NET_XMIT_DROP;
  }

  override dequeue(): SkBuff | null {
    const skb = this.peekChild(this.child);
    if (skb === null) return null;
    const len = qdiscPktLen(skb);
    const { now } = this.dev.net.cpu;
    const passed = Math.min(now - this.countedAt, this.buffer);
    const { peak } = this;
    const peakTokens = peak === null ? 0 : Math.min(this.peakTokens + passed, this.peakBuffer) - peak.ns(len);
    const tokens = Math.min(this.tokens + passed, this.buffer) - this.rate.ns(len);
    if (tokens < 0 || peakTokens < 0) {
      this.overlimits++;
      this.watchdog.schedule(now + Math.max(-tokens, -peakTokens));
      return null;
    }
    this.countedAt = now;
    this.tokens = tokens;
    this.peakTokens = peakTokens;
    this.dequeueChild(this.child);
    this.sent(skb);
    return skb;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    const { qlen, backlog } = this.child;
    this.child.reset();
    this.qlen -= qlen;
    this.backlog -= backlog;
    this.tokens = this.buffer;
    this.peakTokens = this.peakBuffer;
    this.countedAt = this.dev.net.cpu.now;
    this.watchdog.cancel();
  }

  override get classes(): readonly Qdisc[] {
    return [this.child];
  }

  override setClass(minor: number, child: Qdisc | null): boolean {
    if (minor !== 1) return false;
    const { qlen, backlog } = this.child;
    this.child.reset();
    this.forget(qlen, backlog);
    this.child = child ?? this.bfifo();
    return true;
  }

  private bfifo(): Bfifo {
    const q = new Bfifo(this.dev);
    q.parent = this;
    q.parentClass = 1;
    q.limit = this.limit;
    return q;
  }
}

function parseTbf(o: TbfOptions): TbfParams {
  const bps = parseRate(required(o.rate, 'rate'), 'rate') / 8;
  const burst = parseSize(required(o.burst, 'burst'), 'burst');
  const overhead = o.overhead === undefined ? 0 : parseInteger(o.overhead, 'overhead', 0, 0xffff);
  const mpu = o.mpu === undefined ? 0 : parseInteger(o.mpu, 'mpu', 0, 0xffff);
  const cells = parseLinkLayer(o.linklayer);
  if (burst === 0) throw new RangeError('burst: 0 lets nothing through; expected at least the size of a packet');
  if ((o.limit === undefined) === (o.latency === undefined)) {
    throw new TypeError('limit: expected either limit (bytes) or latency (how long the last byte waits)');
  }
  if ((o.peakrate === undefined) !== (o.mtu === undefined)) throw new TypeError('peakrate: it needs mtu, and mtu needs it');
  const peakBps = o.peakrate === undefined ? 0 : parseRate(o.peakrate, 'peakrate') / 8;
  const mtu = o.mtu === undefined ? 0 : parseSize(o.mtu, 'mtu');
  if (o.peakrate !== undefined && peakBps <= bps) throw new RangeError('peakrate: it must be higher than rate');
  let limit = o.limit === undefined ? 0 : parseSize(o.limit, 'limit');
  if (o.latency !== undefined) {
    const seconds = parseDuration(o.latency, 'latency') / 1e9;
    limit = Math.floor(bps * seconds + burst);
    if (peakBps > 0) limit = Math.min(limit, Math.floor(peakBps * seconds + mtu));
  }
  return {
    rate: new LinkRate(bps, overhead, mpu, cells),
    peak: peakBps === 0 ? null : new LinkRate(peakBps, overhead, mpu, cells),
    burst, mtu, limit,
  };
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`${name}: it is missing; a tbf needs rate, burst, and limit or latency`);
  return value;
}

/** `linklayer`: does the link carry cells? */
export function parseLinkLayer(value: unknown): boolean {
  if (value === undefined || value === 'ethernet') return false;
  if (value === 'atm' || value === 'adsl') return true;
  throw new TypeError(`linklayer: ${typeof value === 'string' ? `'${value}'` : typeof value} is not understood; expected 'ethernet',
    'atm' or 'adsl'`);
}
