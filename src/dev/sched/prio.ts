/**
 * prio: classes in order of precedence; one waits while a lower-numbered one has packets.
 *
 *     filter (`cls.ts`), or priority & 15 → priomap → band 0 = class 1, band 1 = class 2, …   each a discipline, pfifo at first
 */
import { parseInteger } from '../../lib/units.ts';
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../net-device.ts';
import { Qdisc } from '../qdisc.ts';
import { FilterList } from './cls.ts';
import { Pfifo } from './fifo.ts';
import { PRIO_TO_BAND } from './pfifo-fast.ts';

/** Most bands, and priorities that the map speaks of. */
export const PRIO_MAX_BANDS = 16;

export interface PrioOptions {
  /** 2 to 16. Default 3. */
  readonly bands?: number;
  /** Sixteen numbers: the band of each priority. Default: Linux's, as pfifo_fast has it. */
  readonly priomap?: readonly number[];
}

export class Prio extends Qdisc {
  override readonly kind = 'prio';
  bands: Qdisc[];
  priomap: Uint8Array = PRIO_TO_BAND;
  private readonly filterList: FilterList = new FilterList();

  constructor(dev: NetDevice) {
    super(dev);
    this.bands = [1, 2, 3].map((minor) => this.pfifo(minor));
  }

  /** Bands that go away end what they hold. */
  change(options: PrioOptions): void {
    const count = options.bands === undefined ? this.bands.length : parseInteger(options.bands, 'bands', 2, PRIO_MAX_BANDS);
    const map = options.priomap ?? [...this.priomap];
    if (!Array.isArray(map) || map.length !== PRIO_MAX_BANDS) {
      throw new TypeError(`priomap: expected an array of ${String(PRIO_MAX_BANDS)} numbers of bands`);
    }
    const priomap = Uint8Array.from(map as readonly number[], (band) => parseInteger(band, 'priomap', 0, count - 1));
    for (const gone of this.bands.splice(count)) this.discard(gone);
    while (this.bands.length < count) this.bands.push(this.pfifo(this.bands.length + 1));
    this.priomap = priomap;
  }

  override enqueue(skb: SkBuff): number {
    return this.enqueueChild(this.bands[this.bandOf(skb)]!, skb);
  }

  override get filters(): FilterList {
    return this.filterList;
  }

  /** A priority that names a class of ours (`1:2`) is that class; else what a filter says, else the map (Linux: prio_classify). */
  private bandOf(skb: SkBuff): number {
    const { priority } = skb;
    const minor = priority & 0xffff;
    if (this.handle !== 0 && priority >>> 16 === this.handle && minor >= 1 && minor <= this.bands.length) return minor - 1;
    const classid = this.filterList.classify(skb);
    if (classid < 0) return this.priomap[priority & 15]!;
    return classid >= 1 && classid <= this.bands.length ? classid - 1 : this.priomap[0]!;
  }

  override dequeue(): SkBuff | null {
    for (let i = 0; i < this.bands.length; i++) {
      const band = this.bands[i]!;
      if (band.qlen === 0) continue;
      const skb = this.dequeueChild(band);
      if (skb !== null) {
        this.sent(skb);
        return skb;
      }
    }
    return null;
  }

  override reset(): void {
    this.purge(this.requeued, Drop.Purged);
    for (const band of this.bands) {
      const { qlen, backlog } = band;
      band.reset();
      this.qlen -= qlen;
      this.backlog -= backlog;
    }
  }

  override get classes(): readonly Qdisc[] {
    return this.bands;
  }

  override setClass(minor: number, child: Qdisc | null): boolean {
    const old = this.bands[minor - 1];
    if (old === undefined) return false;
    this.discard(old);
    this.bands[minor - 1] = child ?? this.pfifo(minor);
    return true;
  }

  private discard(band: Qdisc): void {
    const { qlen, backlog } = band;
    band.reset();
    this.forget(qlen, backlog);
  }

  private pfifo(minor: number): Pfifo {
    const q = new Pfifo(this.dev);
    q.parent = this;
    q.parentClass = minor;
    return q;
  }
}
