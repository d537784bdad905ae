/**
 * pfifo_fast: three bands, each first in, first out; a band waits while a lower-numbered one has packets.
 *
 *     priority & 15  →  band 0 (interactive)   ┐
 *                       band 1 (best effort)   ├─ at most txqueuelen packets each
 *                       band 2 (bulk)          ┘
 *
 * The priority follows from the TOS byte (IP_TOS) or SO_PRIORITY, as in Linux.
 */
import { Drop } from '../../skb/drop-reason.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc } from '../qdisc.ts';

/** Linux's `prio2band`. */
export const PRIO_TO_BAND: Uint8Array = new Uint8Array([1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);

export class PfifoFast extends Qdisc {
  override readonly kind = 'pfifo_fast';
  override readonly canBypass = true;
  private readonly band0: SkBuffHead = new SkBuffHead();
  private readonly band1: SkBuffHead = new SkBuffHead();
  private readonly band2: SkBuffHead = new SkBuffHead();

  override enqueue(skb: SkBuff): number {
    const nr = PRIO_TO_BAND[skb.priority & 15]!;
    const band = nr === 1 ? this.band1 : nr === 0 ? this.band0 : this.band2;
    if (band.qlen >= this.dev.txQueueLen) {
      this.dropped(skb, Drop.QdiscOverlimit);
      return NET_XMIT_DROP;
    }
    band.pushTail(skb);
    this.queued(skb);
    return NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    const skb = this.band0.popHead() ?? this.band1.popHead() ?? this.band2.popHead();
    if (skb !== null) {
      this.dequeued(skb);
      this.sent(skb);
    }
    return skb;
  }

  override reset(): void {
    for (const queue of [this.requeued, this.band0, this.band1, this.band2]) this.purge(queue, Drop.Purged);
  }
}
