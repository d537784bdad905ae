/**
 * A queueing discipline: what waits between `devQueueXmit` and the driver, and in which order it leaves (Linux: struct Qdisc).
 * The disciplines themselves are in `sched/`; `sched/generic.ts` runs them.
 */
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from './net-device.ts';

/** What `enqueue` and `devQueueXmit` answer besides negative errnos: taken; dropped; taken, but somebody else was dropped. */
export const NET_XMIT_SUCCESS = 0;
export const NET_XMIT_DROP = 1;
export const NET_XMIT_CN = 2;

/** The caller's view of an answer of `devQueueXmit`: true when the packet was lost at once (Linux: net_xmit_eval). */
export function netXmitLost(rc: number): boolean {
  return rc !== NET_XMIT_SUCCESS && rc !== NET_XMIT_CN;
}

export abstract class Qdisc {
  abstract readonly kind: string;
  readonly dev: NetDevice;
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

  /** Ends everything that waits (`Drop.Purged`). */
  abstract reset(): void;

  /** Counts a packet that was put in line. */
  protected queued(skb: SkBuff): void {
    this.backlog += skb.len;
    if (++this.qlen > this.maxQlen) this.maxQlen = this.qlen;
  }

  /** Counts a packet that was taken out. */
  protected dequeued(skb: SkBuff): void {
    this.backlog -= skb.len;
    this.qlen--;
  }
}
