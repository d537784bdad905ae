/**
 * htb: classes in a tree, each sure of its rate, which borrow from those above what is left over, up to their ceil
 * (Linux: sch_htb.c).
 *
 *     1:  ── 1:1  10 Mbit ──┬─ 1:10  6 Mbit, ceil 10     a leaf that has tokens sends by itself (level 0)
 *                           └─ 1:30  1 Mbit, ceil 10     else by the nearest class above that has some: it borrows
 *
 * Whose turn: the lowest level that lends first, in it the lowest `prio`, among equals a turn of `quantum` bytes each. A packet is led
 * to its class by `skb.priority` that names one, by filters (`cls.ts`), else to the default; what has none goes first and unbounded
 * (direct). Each packet that leaves looks at the leaves that hold something, not at all classes.
 */
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../lib/errno.ts';
import { checkOptions, parseInteger } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';
import { FilterList } from './cls.ts';
import { Pfifo } from './fifo.ts';
import {
  HTB_CAN_SEND, HTB_CANT_SEND, HTB_CLASS_OPTIONS, HTB_MAXDEPTH, HTB_NUMPRIO, HtbClass, parseHtbClass, type HtbClassOptions,
  type HtbClassSpec,
} from './htb-class.ts';
import { Watchdog } from './watchdog.ts';

export interface HtbOptions {
  /** The class of packets that no filter knows: its number, 0x30 for `1:30`. Default 0: none, they are not bounded. */
  readonly default?: number;
  /** Rate in bytes per second over quantum. Default 10. */
  readonly r2q?: number;
  /** Classes to be made, or changed; parents first. What waits in one is its `child`. */
  readonly classes?: readonly HtbClassSpec[];
  /** Packets that may wait unbounded. Default: the device's txqueuelen. */
  readonly directQlen?: number;
}

export class Htb extends Qdisc {
  override readonly kind = 'htb';
  defaultClass = 0;
  r2q = 10;
  directQlen: number;
  directPackets = 0;
  /** Filters of the root. */
  private readonly filterList: FilterList = new FilterList();
  /** By number, and in the order of the tree: a class before those below it. */
  private readonly byMinor: Map<number, HtbClass> = new Map();
  private ordered: HtbClass[] = [];
  private leaves: HtbClass[] = [];
  /** By level and precedence: the place in the order of the class whose turn it is to lend. */
  private readonly turn: Int32Array = new Int32Array(HTB_MAXDEPTH * HTB_NUMPRIO);
  /** Numbers the calls of `dequeue`. */
  private round = 0;
  private readonly direct: SkBuffHead = new SkBuffHead();
  private readonly watchdog: Watchdog = new Watchdog(this);

  constructor(dev: NetDevice) {
    super(dev);
    this.directQlen = Math.max(2, dev.txQueueLen);
  }

  /** Classes stay as they are. */
  change(o: HtbOptions): void {
    const next = {
      defaultClass: o.default === undefined ? this.defaultClass : parseInteger(o.default, 'default', 0, 0xffff),
      r2q: o.r2q === undefined ? this.r2q : parseInteger(o.r2q, 'r2q', 1, 0xffffffff),
      directQlen: o.directQlen === undefined ? this.directQlen : parseInteger(o.directQlen, 'directQlen', 1, 0xffffffff),
    };
    const specs = o.classes ?? [];
    if (!Array.isArray(specs)) throw new TypeError("classes: expected an array of classes such as { id: 0x10, rate: '1mbit' }");
    const known = new Set(this.byMinor.keys());
    for (const spec of specs as readonly HtbClassSpec[]) this.check(spec, next.r2q, known);
    Object.assign(this, next);
    for (const spec of specs as readonly HtbClassSpec[]) this.makeClass(spec);
  }

  private check(spec: HtbClassSpec, r2q: number, known: Set<number>): void {
    const { id, parent, child: _child, ...own } = spec as HtbClassSpec & { child?: unknown };
    checkOptions(own, HTB_CLASS_OPTIONS, 'classes');
    parseInteger(id, 'id', 1, 0xffff);
    parseHtbClass(own, r2q);
    if (parent !== undefined && (!known.has(parent) || parent === id)) {
      throw new RangeError(`parent: there is no class 0x${parent.toString(16)} before 0x${id.toString(16)}`);
    }
    known.add(id);
  }

  private makeClass({ id, parent, ...own }: HtbClassSpec): void {
    const there = this.byMinor.get(id);
    if (there !== undefined) {
      this.changeClass(there, own);
      return;
    }
    if (this.addClass(id, parent === undefined ? null : this.find(parent), own) < 0) {
      throw new RangeError(`id: 0x${id.toString(16)} is too deep in the tree: a class has at most seven above it`);
    }
  }

  // ---- classes --------------------------------------------------------------------------------------------------------

  get htbClasses(): readonly HtbClass[] {
    return this.ordered;
  }

  find(minor: number): HtbClass | null {
    return this.byMinor.get(minor) ?? null;
  }

  /** `tc class add`: 0, -EEXIST, or -EINVAL (the tree is too deep). A leaf that gets a class below it ends what it holds. */
  addClass(minor: number, parent: HtbClass | null, options: HtbClassOptions): number {
    if (this.byMinor.has(minor)) return -EEXIST;
    const params = parseHtbClass(options, this.r2q);
    if (parent !== null && parent.leaf && (parent.parent?.level ?? HTB_MAXDEPTH) < 2) return -EINVAL;
    const cl = new HtbClass(minor, parent);
    cl.change(params, this.dev.net.cpu.now);
    if (parent?.leaf === true) {
      this.endLeaf(parent);
      parent.level = (parent.parent?.level ?? HTB_MAXDEPTH) - 1;
    }
    parent?.children.push(cl);
    cl.q = this.pfifo(minor);
    this.byMinor.set(minor, cl);
    this.reorder();
    return 0;
  }

  /** `tc class change`. */
  changeClass(cl: HtbClass, options: HtbClassOptions): void {
    cl.change(parseHtbClass(options, this.r2q), this.dev.net.cpu.now);
  }

  /** `tc class del`: 0, -ENOENT, or -EBUSY while it has classes or filters lead to it. */
  deleteClass(minor: number): number {
    const cl = this.byMinor.get(minor);
    if (cl === undefined) return -ENOENT;
    if (!cl.leaf || this.isLedTo(minor)) return -EBUSY;
    this.endLeaf(cl);
    const { parent } = cl;
    this.byMinor.delete(minor);
    if (parent !== null) {
      parent.children.splice(parent.children.indexOf(cl), 1);
      if (parent.leaf) {
        parent.level = 0;
        parent.q = this.pfifo(parent.minor);
      }
    }
    this.reorder();
    return 0;
  }

  override get classes(): readonly Qdisc[] {
    return this.leaves.map((cl) => cl.q!);
  }

  override leaf(minor: number): Qdisc | null | undefined {
    return this.byMinor.get(minor)?.q ?? undefined;
  }

  override setClass(minor: number, child: Qdisc | null): boolean {
    const cl = this.byMinor.get(minor);
    if (cl === undefined || cl.q === null) return false;
    this.endLeaf(cl);
    cl.q = child ?? this.pfifo(minor);
    return true;
  }

  override get filters(): FilterList {
    return this.filterList;
  }

  override filtersOf(minor: number): FilterList | null {
    if (minor === 0) return this.filterList;
    const cl = this.byMinor.get(minor);
    return cl === undefined ? null : cl.filters ??= new FilterList();
  }

  /** Does a filter lead to the class? */
  private isLedTo(minor: number): boolean {
    return this.filterList.leadsTo(minor) || this.ordered.some((cl) => cl.filters?.leadsTo(minor) === true);
  }

  /** Ends what a leaf holds. */
  private endLeaf(cl: HtbClass): void {
    const { qlen, backlog } = cl.q!;
    cl.q!.reset();
    this.forget(qlen, backlog);
    cl.q = null;
  }

  private reorder(): void {
    this.ordered = [];
    const walk = (cl: HtbClass): void => {
      this.ordered.push(cl);
      for (const child of cl.children) walk(child);
    };
    for (const cl of this.byMinor.values()) if (cl.parent === null) walk(cl);
    this.leaves = this.ordered.filter((cl) => cl.leaf);
    this.ordered.forEach((cl, i) => {
      cl.order = i;
      cl.turn.fill(0);
    });
    this.turn.fill(0);
  }

  private pfifo(minor: number): Pfifo {
    const q = new Pfifo(this.dev);
    q.parent = this;
    q.parentClass = minor;
    return q;
  }

  // ---- packets --------------------------------------------------------------------------------------------------------

  override enqueue(skb: SkBuff): number {
    const cl = this.classify(skb);
    if (cl === null) {
      if (this.direct.qlen >= this.directQlen) {
        this.dropped(skb, Drop.QdiscOverlimit);
        return NET_XMIT_DROP;
      }
      this.directPackets++;
      this.direct.pushTail(skb);
      this.queued(skb);
      return NET_XMIT_SUCCESS;
    }
    const rc = this.enqueueChild(cl.q!, skb);
    if (rc === NET_XMIT_DROP) cl.drops++;
    return rc;
  }

  /** The leaf that a packet belongs to; null: none, it is not bounded (Linux: htb_classify). */
  private classify(skb: SkBuff): HtbClass | null {
    const own = this.handle << 16;
    if (skb.priority !== 0 && (skb.priority ^ own) >>> 16 === 0) {
      if (skb.priority === own) return null;
      const named = this.byMinor.get(skb.priority & 0xffff);
      if (named?.leaf === true) return named;
    }
    let filters: FilterList | null = this.filterList;
    while (filters !== null) {
      const classid = filters.classify(skb);
      if (classid < 0) break;
      if (classid === 0) return null;
      const cl: HtbClass | undefined = this.byMinor.get(classid);
      if (cl === undefined) break;
      if (cl.leaf) return cl;
      filters = cl.filters;
    }
    const cl = this.byMinor.get(this.defaultClass);
    return cl?.leaf === true ? cl : null;
  }

  override dequeue(): SkBuff | null {
    const urgent = this.direct.popHead();
    if (urgent !== null) {
      this.dequeued(urgent);
      this.sent(urgent);
      return urgent;
    }
    if (this.qlen === 0) return null;
    const { now } = this.dev.net.cpu;
    this.round++;
    for (;;) {
      const cl = this.choose(now);
      if (cl === null) return null;
      const skb = this.dequeueChild(cl.q!);
      if (skb === null) {
        cl.heldIn = this.round; // below is a discipline that holds packets back by itself; it wakes the device
        continue;
      }
      this.account(cl, skb, now);
      return skb;
    }
  }

  /** The leaf whose packet is next; null: it is too early for all of them, and the alarm is set. */
  private choose(now: number): HtbClass | null {
    const count = this.ordered.length;
    let best: HtbClass | null = null;
    let [bestPlace, bestRow, bestTurn] = [Infinity, 0, 0];
    let wake = Infinity;
    for (const cl of this.leaves) {
      cl.lender = null;
      if (cl.q!.qlen === 0 || cl.heldIn === this.round) continue;
      const lender = this.lenderOf(cl, now);
      if (lender === null) {
        wake = Math.min(wake, this.wakeOf(cl));
        continue;
      }
      cl.lender = lender;
      const place = lender.level * HTB_NUMPRIO + cl.prio;
      if (place > bestPlace) continue;
      // Round the tree: from the lender whose turn it is, and in what it lends from the leaf whose turn it is.
      const row = (lender.order - this.turn[place]! + count) % count;
      const turn = (cl.order - lender.turn[cl.prio]! + count) % count;
      if (place === bestPlace && (row > bestRow || (row === bestRow && turn > bestTurn))) continue;
      best = cl;
      [bestPlace, bestRow, bestTurn] = [place, row, turn];
    }
    if (best === null && wake !== Infinity) this.watchdog.schedule(Math.max(wake, now + 1));
    return best;
  }

  /** The class whose tokens would pay: the leaf itself, or the nearest above that lends; null: nobody's. */
  private lenderOf(leaf: HtbClass, now: number): HtbClass | null {
    for (let cl: HtbClass | null = leaf; cl !== null; cl = cl.parent) {
      const mode = this.look(cl, now);
      if (mode === HTB_CAN_SEND) return cl;
      if (mode === HTB_CANT_SEND) return null;
    }
    return null;
  }

  /** What a class may do; that it may no longer send is counted (Linux: htb_change_class_mode). */
  private look(cl: HtbClass, now: number): number {
    const mode = cl.modeAt(now);
    if (mode !== cl.mode) {
      if (mode === HTB_CANT_SEND) {
        cl.overlimits++;
        this.overlimits++;
      }
      cl.mode = mode;
    }
    return mode;
  }

  /** When something changes for a leaf that may not send: the earliest on its way up. */
  private wakeOf(leaf: HtbClass): number {
    let at = Infinity;
    for (let cl: HtbClass | null = leaf; cl !== null; cl = cl.parent) if (cl.mode !== HTB_CAN_SEND) at = Math.min(at, cl.betterAt);
    return at;
  }

  private account(leaf: HtbClass, skb: SkBuff, now: number): void {
    const lender = leaf.lender!;
    const { level } = lender;
    const bytes = qdiscPktLen(skb);
    const packets = skb.gsoSize === 0 ? 1 : Math.max(1, skb.gsoSegs);
    for (let cl: HtbClass | null = leaf; cl !== null; cl = cl.parent) {
      cl.charge(bytes, level, now);
      cl.packets += packets;
      cl.bytes += bytes;
      this.look(cl, now);
    }
    leaf.deficit[level]! -= bytes;
    if (leaf.deficit[level]! < 0) {
      leaf.deficit[level]! += leaf.quantum;
      this.endTurn(leaf, lender);
    }
    this.sent(skb);
  }

  /** It is the next leaf's turn; behind the last one that this class lends to, the next class's. */
  private endTurn(leaf: HtbClass, lender: HtbClass): void {
    const count = this.ordered.length;
    lender.turn[leaf.prio] = (leaf.order + 1) % count;
    for (const cl of this.leaves) if (cl.lender === lender && cl.prio === leaf.prio && cl.order > leaf.order) return;
    this.turn[lender.level * HTB_NUMPRIO + leaf.prio] = (lender.order + 1) % count;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    this.purge(this.direct, Drop.Purged);
    for (const { q } of this.leaves) {
      const { qlen, backlog } = q!;
      q!.reset();
      this.qlen -= qlen;
      this.backlog -= backlog;
    }
    const { now } = this.dev.net.cpu;
    for (const cl of this.ordered) {
      cl.tokens = cl.buffer;
      cl.ctokens = cl.cbuffer;
      cl.countedAt = now;
      cl.mode = HTB_CAN_SEND;
      cl.deficit.fill(0);
      cl.turn.fill(0);
    }
    this.turn.fill(0);
    this.watchdog.cancel();
  }
}
