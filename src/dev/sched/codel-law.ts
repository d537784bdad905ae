/**
 * CoDel, controlled delay (RFC 8289): whoever has waited longer than `target` for at least `interval` shows a queue that does
 * not go away; packets are then dropped (or marked) at the head, each time a little sooner.
 *
 *     next drop = last drop + interval / √count
 *
 *   from  codel.ts, fq-codel.ts    dequeue, with the queue that they ask for
 *
 * Time is in nanoseconds and the root is exact; Linux counts in units of 1,024 ns and approximates. `skb.cb0` is when the
 * packet was put in line.
 */
import { parseDuration, type Duration } from '../../lib/units.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { qdiscPktLen } from '../qdisc.ts';
import { skbSetEcnCe } from './ecn.ts';

export interface CodelLawOptions {
  /** What may wait. Default 5 ms. */
  readonly target?: Duration;
  /** For how long a longer wait is borne: a round trip. Default 100 ms. */
  readonly interval?: Duration;
  /** Mark packets of senders that speak ECN instead of dropping them. */
  readonly ecn?: boolean;
  /** Mark such packets whenever they waited longer than this. Default: never. */
  readonly ceThreshold?: Duration;
}

export class CodelParams {
  target = 5_000_000;
  interval = 100_000_000;
  ecn: boolean;
  ceThreshold: number = Infinity;
  /** A queue of no more bytes is never at fault. */
  mtu: number;

  constructor(ecn: boolean, mtu: number) {
    this.ecn = ecn;
    this.mtu = mtu;
  }

  /** Nothing changes when an option is wrong. */
  change(o: CodelLawOptions): void {
    const target = o.target === undefined ? this.target : parseDuration(o.target, 'target');
    const interval = o.interval === undefined ? this.interval : parseDuration(o.interval, 'interval');
    const ceThreshold = o.ceThreshold === undefined ? this.ceThreshold : parseDuration(o.ceThreshold, 'ceThreshold');
    if (interval === 0) throw new RangeError('interval: 0 drops everything; expected more than 0');
    if (o.ecn !== undefined && typeof o.ecn !== 'boolean') {
      throw new TypeError(`ecn: ${String(o.ecn)} is not understood; expected true or false`);
    }
    this.target = target;
    this.interval = interval;
    this.ceThreshold = ceThreshold;
    this.ecn = o.ecn ?? this.ecn;
  }
}

/** What CoDel remembers of one queue. */
export class CodelVars {
  /** Drops since the dropping began, and when it began the last time. */
  count = 0;
  lastCount = 0;
  dropping = false;
  /** When a wait that is too long will have lasted for an interval; 0: none is. */
  firstAboveTime = 0;
  dropNext = 0;
  /** How long the last packet waited. */
  ldelay = 0;

  reset(): void {
    this.count = 0;
    this.lastCount = 0;
    this.dropping = false;
    this.firstAboveTime = 0;
    this.dropNext = 0;
    this.ldelay = 0;
  }
}

export class CodelStats {
  maxPacket = 0;
  dropCount = 0;
  ecnMark = 0;
  ceMark = 0;
}

/** The queue that CoDel looks after. */
export interface CodelQueue {
  readonly params: CodelParams;
  readonly stats: CodelStats;
  /** Bytes that wait. */
  codelBacklog(): number;
  /** The head of the queue, taken out. */
  codelNext(): SkBuff | null;
  /** Ends a packet that codelNext gave. */
  codelDrop(skb: SkBuff): void;
}

/** The next packet that may leave, after the drops that are due. */
export function codelDequeue(queue: CodelQueue, vars: CodelVars, now: number): SkBuff | null {
  const { params, stats } = queue;
  let skb = queue.codelNext();
  if (skb === null) {
    vars.dropping = false;
    return null;
  }
  const drop = shouldDrop(queue, vars, skb, now);
  if (vars.dropping) {
    if (!drop) vars.dropping = false;
    else skb = keepDropping(queue, vars, skb, now);
  } else if (drop) {
    skb = beginDropping(queue, vars, skb, now);
  }
  if (skb !== null && vars.ldelay > params.ceThreshold && skbSetEcnCe(skb)) stats.ceMark++;
  return skb;
}

/** Has the wait been above the target for an interval? (RFC 8289 §5.5, dodequeue.) */
function shouldDrop(queue: CodelQueue, vars: CodelVars, skb: SkBuff | null, now: number): boolean {
  if (skb === null) {
    vars.firstAboveTime = 0;
    return false;
  }
  const { params, stats } = queue;
  const len = qdiscPktLen(skb);
  if (len > stats.maxPacket) stats.maxPacket = len;
  vars.ldelay = now - skb.cb0;
  if (vars.ldelay < params.target || queue.codelBacklog() <= params.mtu) {
    vars.firstAboveTime = 0;
    return false;
  }
  if (vars.firstAboveTime === 0) {
    vars.firstAboveTime = now + params.interval;
    return false;
  }
  return now > vars.firstAboveTime;
}

/** In the dropping state: one drop or mark for each moment of the law that has passed. */
function keepDropping(queue: CodelQueue, vars: CodelVars, first: SkBuff, now: number): SkBuff | null {
  const { params, stats } = queue;
  let skb: SkBuff | null = first;
  while (vars.dropping && now >= vars.dropNext) {
    vars.count++;
    if (params.ecn && skb !== null && skbSetEcnCe(skb)) {
      stats.ecnMark++;
      vars.dropNext = controlLaw(vars.dropNext, params.interval, vars.count);
      return skb;
    }
    if (skb !== null) {
      queue.codelDrop(skb);
      stats.dropCount++;
    }
    skb = queue.codelNext();
    if (!shouldDrop(queue, vars, skb, now)) vars.dropping = false;
    else vars.dropNext = controlLaw(vars.dropNext, params.interval, vars.count);
  }
  return skb;
}

/** The first drop of a round. Soon after the last round, the law goes on where that one had come to (RFC 8289 §4.2). */
function beginDropping(queue: CodelQueue, vars: CodelVars, first: SkBuff, now: number): SkBuff | null {
  const { params, stats } = queue;
  let skb: SkBuff | null = first;
  if (params.ecn && skbSetEcnCe(first)) {
    stats.ecnMark++;
  } else {
    queue.codelDrop(first);
    stats.dropCount++;
    skb = queue.codelNext();
    shouldDrop(queue, vars, skb, now);
  }
  vars.dropping = true;
  const delta = vars.count - vars.lastCount;
  vars.count = delta > 1 && now - vars.dropNext < 16 * params.interval ? delta : 1;
  vars.lastCount = vars.count;
  vars.dropNext = controlLaw(now, params.interval, vars.count);
  return skb;
}

function controlLaw(t: number, interval: number, count: number): number {
  return t + Math.floor(interval / Math.sqrt(count));
}
