/** codel: one queue that CoDel looks after (Linux: sch_codel.c). */
import { parseInteger } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_HLEN } from '../../wire/ethernet.ts';
import type { NetDevice } from '../net-device.ts';
import { NET_XMIT_DROP, NET_XMIT_SUCCESS, Qdisc } from '../qdisc.ts';
import { CodelParams, CodelStats, CodelVars, codelDequeue, type CodelLawOptions, type CodelQueue } from './codel-law.ts';

export interface CodelOptions extends CodelLawOptions {
  /** Packets. Default 1000. */
  readonly limit?: number;
}

export class Codel extends Qdisc implements CodelQueue {
  override readonly kind = 'codel';
  override readonly canBypass = true;
  limit = 1000;
  readonly params: CodelParams;
  readonly stats: CodelStats = new CodelStats();
  readonly vars: CodelVars = new CodelVars();
  dropOverlimit = 0;
  private readonly queue: SkBuffHead = new SkBuffHead();

  constructor(dev: NetDevice) {
    super(dev);
    this.params = new CodelParams(false, dev.mtu + ETH_HLEN);
  }

  change(options: CodelOptions): void {
    const limit = options.limit === undefined ? this.limit : parseInteger(options.limit, 'limit', 1, 0xffffffff);
    this.params.change(options);
    this.limit = limit;
    while (this.queue.qlen > limit) this.codelDrop(this.codelNext()!);
  }

  override enqueue(skb: SkBuff): number {
    if (this.queue.qlen >= this.limit) {
      this.dropOverlimit++;
      this.dropped(skb, Drop.QdiscOverlimit);
      return NET_XMIT_DROP;
    }
    skb.cb0 = this.dev.net.cpu.now;
    this.queue.pushTail(skb);
    this.queued(skb);
    return NET_XMIT_SUCCESS;
  }

  override dequeue(): SkBuff | null {
    const skb = codelDequeue(this, this.vars, this.dev.net.cpu.now);
    if (skb !== null) this.sent(skb);
    return skb;
  }

  override get ecnMark(): number {
    return this.stats.ecnMark + this.stats.ceMark;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    this.purge(this.queue, Drop.Purged);
    this.vars.reset();
  }

  codelBacklog(): number {
    return this.backlog;
  }

  codelNext(): SkBuff | null {
    const skb = this.queue.popHead();
    if (skb !== null) this.dequeued(skb);
    return skb;
  }

  codelDrop(skb: SkBuff): void {
    this.dropped(skb, Drop.QdiscCongested);
  }
}
