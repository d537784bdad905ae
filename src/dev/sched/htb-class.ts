/**
 * A class of htb: its rates, its two buckets, its place in the tree (Linux: struct htb_class). State, and what a user may say of it.
 *
 *     tokens   grow at `rate`, at most to `buffer`: not negative, it may send by itself
 *     ctokens  grow at `ceil`, at most to `cbuffer`: not negative, it may borrow from its parent
 */
import { parseInteger, parseRate, parseSize, type Rate, type Size } from '../../lib/units.ts';
import type { Qdisc } from '../qdisc.ts';
import type { FilterList } from './cls.ts';
import { LinkRate, parseLinkLayer, type LinkLayer } from './tbf.ts';

/** What a class may do now. */
export const HTB_CANT_SEND = 0;
export const HTB_MAY_BORROW = 1;
export const HTB_CAN_SEND = 2;

/** Levels of a tree, and precedences among those who borrow from one (Linux: TC_HTB_MAXDEPTH, TC_HTB_NUMPRIO). */
export const HTB_MAXDEPTH = 8;
export const HTB_NUMPRIO = 8;
/** A bucket is believed to have been untouched for no longer than this (Linux: mbuffer). */
const HTB_MBUFFER_NS = 60e9;
/** Bounds of a quantum that follows from the rate. */
const QUANTUM_MIN = 1000;
const QUANTUM_MAX = 200000;
/** Bytes that a bucket holds at least, unless told: a full packet, somewhat more. */
const DEFAULT_MTU = 1600;
/** tc counts buckets in ticks of the kernel's clock, of which a microsecond has so many; what it shows has gone through them. */
const TICKS_PER_US = 15.625;
const NS_PER_TICK = 64;

export interface HtbClassOptions {
  /** What it is sure of. */
  readonly rate: Rate;
  /** What it may reach by borrowing. Default: the rate. */
  readonly ceil?: Rate;
  /** Bytes that may leave at once, at the rate and at the ceil. Default: a full packet. */
  readonly burst?: Size;
  readonly cburst?: Size;
  /** 0 to 7: who borrows first. Default 0. */
  readonly prio?: number;
  /** Bytes of a turn among those who borrow. Default: by the rate (`r2q`). */
  readonly quantum?: Size;
  /** Longest packet, by which bursts are chosen. */
  readonly mtu?: Size;
  readonly overhead?: number;
  readonly mpu?: number;
  readonly linklayer?: LinkLayer;
}

export const HTB_CLASS_OPTIONS: readonly string[] = [
  'rate', 'ceil', 'burst', 'cburst', 'prio', 'quantum', 'mtu', 'overhead', 'mpu', 'linklayer',
];

/** A class in the options of a discipline: numbers are the minor ones, 0x10 is `1:10`. */
export interface HtbClassSpec extends HtbClassOptions {
  readonly id: number;
  /** The class that it borrows from; one that comes before it in the list, or is there. Default: none. */
  readonly parent?: number;
}

/** {@link HtbClassOptions}, checked. */
interface HtbParams {
  readonly rate: LinkRate;
  readonly ceil: LinkRate;
  readonly buffer: number;
  readonly cbuffer: number;
  readonly prio: number;
  readonly quantum: number;
}

export class HtbClass {
  /** `1:MINOR` */
  readonly minor: number;
  readonly parent: HtbClass | null;
  readonly children: HtbClass[] = [];
  /** 0: a leaf; else by how far it is from the root. Those of lower levels lend first. */
  level = 0;
  rate: LinkRate = new LinkRate(1, 0, 0, false);
  ceil: LinkRate = this.rate;
  prio = 0;
  quantum = 0;
  /** Nanoseconds: what fits into the buckets, what is in, and when that was counted. */
  buffer = 0;
  cbuffer = 0;
  tokens = 0;
  ctokens = 0;
  countedAt = 0;
  mode: number = HTB_CAN_SEND;
  /** What waits in a leaf; null in a class that has classes. */
  q: Qdisc | null = null;
  /** Its place in the order of the tree. */
  order = 0;
  /** By precedence: the place of the leaf whose turn it is to borrow from it. */
  readonly turn: Int32Array = new Int32Array(HTB_NUMPRIO);
  /** A leaf: who would pay for its next packet; found anew for each packet that leaves the tree. */
  lender: HtbClass | null = null;
  /** What is left of its turn, by the level that it borrows from. */
  readonly deficit: Int32Array = new Int32Array(HTB_MAXDEPTH);
  /** The call of `dequeue` in which what waits here held back what it has. */
  heldIn = 0;
  /** Filters that were attached to it. */
  filters: FilterList | null = null;
  packets = 0;
  bytes = 0;
  drops = 0;
  overlimits = 0;
  /** Packets that it sent by itself or gave its tokens to; that it sent by another's. */
  lends = 0;
  borrows = 0;

  constructor(minor: number, parent: HtbClass | null) {
    this.minor = minor;
    this.parent = parent;
  }

  /** Everything is said anew; the buckets are full. */
  change(p: HtbParams, now: number): void {
    this.rate = p.rate;
    this.ceil = p.ceil;
    this.prio = p.prio;
    this.quantum = p.quantum;
    this.buffer = p.buffer;
    this.cbuffer = p.cbuffer;
    this.tokens = p.buffer;
    this.ctokens = p.cbuffer;
    this.countedAt = now;
    this.mode = HTB_CAN_SEND;
  }

  /** What it may do at `now` (Linux: htb_class_mode). */
  modeAt(now: number): number {
    const passed = Math.min(now - this.countedAt, HTB_MBUFFER_NS);
    if (this.ctokens + passed < 0) return HTB_CANT_SEND;
    return this.tokens + passed >= 0 ? HTB_CAN_SEND : HTB_MAY_BORROW;
  }

  /** When it may do more than now. */
  get betterAt(): number {
    return this.countedAt - (this.ctokens < 0 && this.mode === HTB_CANT_SEND ? this.ctokens : this.tokens);
  }

  /** Pays for a packet that itself (`lender`), or one above it, lets through (Linux: htb_charge_class). */
  charge(bytes: number, lender: number, now: number): void {
    const passed = Math.min(now - this.countedAt, HTB_MBUFFER_NS);
    if (this.level >= lender) {
      if (this.level === lender) this.lends++;
      this.tokens = spend(this.tokens + passed, this.buffer, this.rate.ns(bytes));
    } else {
      this.borrows++;
      this.tokens += passed; // its own tokens are not touched: it had none
    }
    this.ctokens = spend(this.ctokens + passed, this.cbuffer, this.ceil.ns(bytes));
    this.countedAt = now;
  }

  get leaf(): boolean {
    return this.children.length === 0;
  }

  /** Bytes of the buckets, as tc shows them. */
  get burst(): number {
    return bucketBytes(this.rate.bytesPerSecond, this.buffer);
  }

  get cburst(): number {
    return bucketBytes(this.ceil.bytesPerSecond, this.cbuffer);
  }
}

function spend(tokens: number, most: number, cost: number): number {
  const left = Math.min(tokens, most) - cost;
  return left <= -HTB_MBUFFER_NS ? 1 - HTB_MBUFFER_NS : left;
}

function bucketBytes(bytesPerSecond: number, ns: number): number {
  return Math.floor((bytesPerSecond * Math.floor(ns / NS_PER_TICK / TICKS_PER_US)) / 1e6);
}

/** Nanoseconds of a bucket: as many whole ticks as whole microseconds make. */
function bucketNs(bytesPerSecond: number, bytes: number): number {
  return Math.floor(Math.floor((1e6 * bytes) / bytesPerSecond) * TICKS_PER_US) * NS_PER_TICK;
}

/**
 * What a user said of a class; `r2q` makes quanta of rates.
 *
 * @throws TypeError, RangeError that name the option and the accepted form
 */
export function parseHtbClass(o: HtbClassOptions, r2q: number): HtbParams {
  if ((o.rate as unknown) === undefined) throw new TypeError('rate: it is missing; a class of htb needs one');
  const [rate, ceil] = [parseRate(o.rate, 'rate') / 8, parseRate(o.ceil ?? o.rate, 'ceil') / 8];
  const overhead = o.overhead === undefined ? 0 : parseInteger(o.overhead, 'overhead', 0, 0xffff);
  const mpu = o.mpu === undefined ? 0 : parseInteger(o.mpu, 'mpu', 0, 0xffff);
  const mtu = o.mtu === undefined ? DEFAULT_MTU : parseSize(o.mtu, 'mtu');
  const cells = parseLinkLayer(o.linklayer);
  const bucket = (of: number, said: Size | undefined, name: string): number =>
    bucketNs(of, said === undefined ? Math.floor(of / 1e9 + mtu) : parseSize(said, name));
  const byRate = Math.min(QUANTUM_MAX, Math.max(QUANTUM_MIN, Math.floor(rate / r2q)));
  const quantum = o.quantum === undefined ? byRate : parseSize(o.quantum, 'quantum');
  if (quantum === 0) throw new RangeError('quantum: 0 sends nothing; expected at least 1');
  return {
    rate: new LinkRate(rate, overhead, mpu, cells), ceil: new LinkRate(ceil, overhead, mpu, cells),
    buffer: bucket(rate, o.burst, 'burst'), cbuffer: bucket(ceil, o.cburst, 'cburst'),
    prio: o.prio === undefined ? 0 : parseInteger(o.prio, 'prio', 0, HTB_NUMPRIO - 1), quantum,
  };
}
