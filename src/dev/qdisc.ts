/**
 * A queueing discipline: what waits between `devQueueXmit` and the driver, and in which order it leaves (Linux: struct Qdisc).
 * The disciplines themselves are in `sched/`; `sched/generic.ts` runs them.
 *
 * Disciplines with classes have others below them. What a parent counts as waiting includes its children: it looks at a child
 * before and after each call and takes over the difference (`enqueueChild`, `dequeueChild`), whatever the child dropped meanwhile.
 */
import type { Drop } from '../skb/drop-reason.ts';
import { skbGsoHlen } from '../skb/gso.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from './net-device.ts';
import type { FilterList } from './sched/cls.ts';

/** What `enqueue` and `devQueueXmit` answer besides negative errnos: taken; dropped; taken, but somebody else was dropped. */
export const NET_XMIT_SUCCESS = 0;
export const NET_XMIT_DROP = 1;
export const NET_XMIT_CN = 2;

/** The caller's view of an answer of `devQueueXmit`: true when the packet was lost at once (Linux: net_xmit_eval). */
export function netXmitLost(rc: number): boolean {
  return rc !== NET_XMIT_SUCCESS && rc !== NET_XMIT_CN;
}

/** Bytes that a packet will take on the wire, all headers of a super-packet's segments included (Linux: qdisc_pkt_len). */
export function qdiscPktLen(skb: SkBuff): number {
  return skb.gsoSize === 0 || skb.gsoSegs < 2 ? skb.len : skb.len + (skb.gsoSegs - 1) * skbGsoHlen(skb);
}

/** Handles from here on are given by the host (Linux: qdisc_alloc_handle); below, they are the user's. */
export const FIRST_OWN_HANDLE = 0x8000;

export abstract class Qdisc {
  abstract readonly kind: string;
  readonly dev: NetDevice;
  /** Its number, `handle:`; 0 for what a device begins with. */
  handle = 0;
  /** The discipline whose class `parentClass` it is; null for the root. */
  parent: Qdisc | null = null;
  parentClass = 0;
  /** An empty queue may be skipped: the packet goes straight to the driver (Linux: TCQ_F_CAN_BYPASS). */
  readonly canBypass: boolean = false;
  /** Packets and bytes that wait. */
  qlen = 0;
  backlog = 0;
  /** The most that ever waited, in packets. */
  maxQlen = 0;
  packets = 0;
  bytes = 0;
  drops = 0;
  requeues = 0;
  /** How often it was too early to send. */
  overlimits = 0;
  /** Somebody is emptying it right now. */
  running = false;
  /** In the line of `net_tx_action`. */
  scheduled = false;
  nextScheduled: Qdisc | null = null;
  /** Taken out, but the driver was busy: these go first. They count in `qlen`. */
  readonly requeued: SkBuffHead = new SkBuffHead();

  constructor(dev: NetDevice) {
    this.dev = dev;
  }

  /** Puts a packet in line. Takes it, whatever the answer (NET_XMIT_*). */
  abstract enqueue(skb: SkBuff): number;

  /** The packet whose turn it is, or null. The caller owns it. */
  abstract dequeue(): SkBuff | null;

  /** Ends everything that waits (`Drop.Purged`), below it, too. */
  abstract reset(): void;

  /** The classes, by number from 1; null where there is nothing below. None for most. */
  get classes(): readonly (Qdisc | null)[] {
    return NO_CLASSES;
  }

  /** What leads packets to the classes; null: it takes no filters. */
  get filters(): FilterList | null {
    return null;
  }

  /** The filters of the discipline (0) or of one of its classes; null: none can be there. */
  filtersOf(minor: number): FilterList | null {
    return minor === 0 ? this.filters : null;
  }

  /** What waits in class number `minor`; null when nothing could, undefined when there is no such class, or it has classes. */
  leaf(minor: number): Qdisc | null | undefined {
    return this.classes[minor - 1];
  }

  /** ECN marks, of those that mark. */
  get ecnMark(): number {
    return 0;
  }

  /** Puts `child` below class number `minor`, or what the class has by default when it is null. False when there is no such class. */
  setClass(_minor: number, _child: Qdisc | null): boolean {
    return false;
  }

  /** Counts a packet that was put in line. */
  protected queued(skb: SkBuff): void {
    this.backlog += qdiscPktLen(skb);
    if (++this.qlen > this.maxQlen) this.maxQlen = this.qlen;
  }

  /** Counts a packet that was taken out. */
  protected dequeued(skb: SkBuff): void {
    this.backlog -= qdiscPktLen(skb);
    this.qlen--;
  }

  /** Counts a packet that leaves by a class of the parent; the root's are counted where it is run. */
  protected sent(skb: SkBuff): void {
    if (this.parent === null) return;
    this.packets += skb.gsoSize === 0 ? 1 : Math.max(1, skb.gsoSegs);
    this.bytes += qdiscPktLen(skb);
  }

  /** Drops a packet that is not, or no longer, counted as waiting. Takes it. */
  protected dropped(skb: SkBuff, reason: Drop): void {
    this.drops++;
    this.dev.stats.txDropped++;
    this.dev.net.drop(skb, reason);
  }

  /** Ends what waits in one of its queues, its own count included. */
  protected purge(queue: SkBuffHead, reason: Drop): void {
    for (let skb = queue.popHead(); skb !== null; skb = queue.popHead()) {
      this.dequeued(skb);
      this.dev.net.drop(skb, reason);
    }
  }

  /** Hands a packet to a child; what waits there, and what it dropped, counts here, too. Takes the packet. */
  protected enqueueChild(child: Qdisc, skb: SkBuff): number {
    const { qlen, backlog, drops } = child;
    const rc = child.enqueue(skb);
    this.follow(child, qlen, backlog, drops);
    return rc;
  }

  /** Takes a packet from a child. */
  protected dequeueChild(child: Qdisc): SkBuff | null {
    const { qlen, backlog, drops } = child;
    const skb = child.requeued.head === null ? child.dequeue() : takePeeked(child);
    this.follow(child, qlen, backlog, drops);
    return skb;
  }

  /** The packet that the child would give next, taken out already and kept for `dequeueChild` (Linux: qdisc_peek_dequeued). */
  protected peekChild(child: Qdisc): SkBuff | null {
    if (child.requeued.head !== null) return child.requeued.head;
    const { qlen, backlog, drops } = child;
    const skb = child.dequeue();
    if (skb !== null) {
      child.requeued.pushHead(skb);
      child.qlen++;
      child.backlog += qdiscPktLen(skb);
    }
    this.follow(child, qlen, backlog, drops);
    return skb;
  }

  /** Takes over how a child changed since it was looked at. */
  private follow(child: Qdisc, qlen: number, backlog: number, drops: number): void {
    this.qlen += child.qlen - qlen;
    this.backlog += child.backlog - backlog;
    this.drops += child.drops - drops;
    if (this.qlen > this.maxQlen) this.maxQlen = this.qlen;
  }

  /** A child was taken away or emptied: what it had no longer counts, here and above. */
  forget(qlen: number, backlog: number): void {
    this.qlen -= qlen;
    this.backlog -= backlog;
    this.parent?.forget(qlen, backlog);
  }
}

const NO_CLASSES: readonly (Qdisc | null)[] = [];

function takePeeked(child: Qdisc): SkBuff | null {
  const skb = child.requeued.popHead()!;
  child.qlen--;
  child.backlog -= qdiscPktLen(skb);
  return skb;
}
