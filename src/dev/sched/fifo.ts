/** pfifo and bfifo: first in, first out, with a limit in packets or in bytes. */
import { ETH_HLEN } from '../../wire/ethernet.ts';
import { parseInteger, parseSize, type Size } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc, qdiscPktLen } from '../qdisc.ts';

export interface PfifoOptions {
  /** Packets. Default: the device's txqueuelen. */
  readonly limit?: number;
}

export interface BfifoOptions {
  /** Bytes. Default: txqueuelen full packets. */
  readonly limit?: Size;
}

/** First in, first out; what does not fit is dropped. The kinds differ in what fits. */
abstract class Fifo extends Qdisc {
  override readonly canBypass = true;
  abstract limit: number;
  private readonly queue: SkBuffHead = new SkBuffHead();

  protected abstract fits(skb: SkBuff): boolean;

  override enqueue(skb: SkBuff): number {
    if (!this.fits(skb)) {
      this.dropped(skb, Drop.QdiscOverlimit);
      return NET_XMIT_DROP;
    }
    this.queue.pushTail(skb);
    this.queued(skb);
    return NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    const skb = this.queue.popHead();
    if (skb !== null) {
      this.dequeued(skb);
      this.sent(skb);
    }
    return skb;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    this.purge(this.queue, Drop.Purged);
  }

  /** Packets in line, those apart that were put back. */
  protected get waiting(): number {
    return this.queue.qlen;
  }
}

export class Pfifo extends Fifo {
  override readonly kind = 'pfifo';
  limit: number;

  constructor(dev: NetDevice) {
    super(dev);
    this.limit = Math.max(1, dev.txQueueLen);
  }

  change(options: PfifoOptions): void {
    if (options.limit !== undefined) this.limit = parseInteger(options.limit, 'limit', 1, 0xffffffff);
  }

  protected override fits(): boolean {
    return this.waiting < this.limit;
  }
}

export class Bfifo extends Fifo {
  override readonly kind = 'bfifo';
  limit: number;

  constructor(dev: NetDevice) {
    super(dev);
    this.limit = Math.max(1, dev.txQueueLen) * (dev.mtu + ETH_HLEN);
  }

  change(options: BfifoOptions): void {
    if (options.limit !== undefined) this.limit = parseSize(options.limit, 'limit');
  }

  protected override fits(skb: SkBuff): boolean {
    return this.backlog + qdiscPktLen(skb) <= this.limit;
  }
}
