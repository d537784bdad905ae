/**
 * The transmit half of a card: descriptors, the engine that empties them, and their completion.
 *
 *     clean            fetch              produce
 *       │ left, or leaving │ waits its turn   │ free
 *     ──┴──────────────────┴──────────────────┴──────      positions only grow; place = position & mask
 *
 *   from  dev/ethernet.ts   post: a frame or a super-packet; clean: give back what has left
 *   to    fabric/port.ts    send, each frame with the time at which its last bit leaves the card
 *         card.ts           a completion is due: an interrupt, later
 *
 * A super-packet is cut as it leaves. What stays in the ring is a receipt: the sender's memory counts as used until the
 * completion is cleaned up. A packet takes one descriptor for its headers and one for each piece of payload.
 */
import { put8 } from '../lib/bytes.ts';
import { FCS_OK, type Port } from '../fabric/port.ts';
import { Drop } from '../skb/drop-reason.ts';
import { skbGsoCount, skbGsoCut } from '../skb/gso.ts';
import { skbReceipt, skbScrub } from '../skb/owner.ts';
import { consumeSkb, kfreeSkbReason } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import { ETH_WIRE_OVERHEAD, ETH_ZLEN } from '../wire/ethernet.ts';
import type { CardFaults } from './faults.ts';
import type { CardStats } from './options.ts';

/**
 * The engine runs this far ahead of the clock (each frame with its exact time), so that a fast card needs an event for a
 * burst and not for each frame.
 */
const LOOKAHEAD_NS = 16384;

export class TxRing {
  readonly size: number;
  /** Bytes that were given back by `clean`, ever; a super-packet's are those before it was cut. */
  cleanedBytes = 0;
  /** The card's faults, or null. */
  broken: CardFaults | null = null;
  private readonly sim: Simulation;
  private readonly port: Port;
  private readonly stats: CardStats;
  private readonly speed: number;
  private readonly mask: number;
  /** By the place of the first descriptor: the packet, then its receipt, then null. */
  private readonly slots: (SkBuff | null)[];
  private readonly descriptors: Uint8Array;
  private readonly sizes: Int32Array;
  /** When its last bit has left. */
  private readonly doneAt: Float64Array;
  private readonly engine: Timer;
  private readonly completed: (doneAt: number) => void;
  private produce = 0;
  private fetch = 0;
  private cleaned = 0;
  private lineFree = 0;

  constructor(sim: Simulation, port: Port, ring: { size: number; speed: number }, stats: CardStats, completed: (doneAt: number) => void) {
    this.sim = sim;
    this.port = port;
    this.stats = stats;
    this.size = ring.size;
    this.speed = ring.speed;
    this.mask = ring.size - 1;
    this.slots = new Array<SkBuff | null>(ring.size).fill(null);
    this.descriptors = new Uint8Array(ring.size);
    this.sizes = new Int32Array(ring.size);
    this.doneAt = new Float64Array(ring.size);
    this.completed = completed;
    this.engine = new Timer(sim, null, () => {
      this.run(this.sim.now);
    });
  }

  /** Free descriptors. */
  get free(): number {
    return this.size - (this.produce - this.cleaned);
  }

  /** Nothing waits, nothing is to be cleaned up. */
  get idle(): boolean {
    return this.produce === this.cleaned;
  }

  /** Puts a packet into the ring; there must be room (`1 + nrFrags` descriptors). Takes the skb. */
  post(skb: SkBuff, now: number): void {
    const place = this.produce & this.mask;
    const needed = 1 + skb.nrFrags;
    this.slots[place] = skb;
    this.descriptors[place] = needed;
    this.sizes[place] = skb.len;
    this.produce += needed;
    if (!this.engine.pending) this.run(now);
  }

  /** Gives back the descriptors, and the senders' memory, of what has left by `now`. Returns how many packets. */
  clean(now: number): number {
    const { slots, mask } = this;
    let packets = 0;
    while (this.cleaned !== this.fetch) {
      const place = this.cleaned & mask;
      if (this.doneAt[place]! > now) break;
      const receipt = slots[place]!;
      slots[place] = null;
      this.cleaned += this.descriptors[place]!;
      this.cleanedBytes += this.sizes[place]!;
      packets++;
      if (receipt !== null) consumeSkb(receipt);
    }
    return packets;
  }

  /** When the oldest packet that is not cleaned up has left, or will have left; -1 when that is not known or there is none. */
  get nextDone(): number {
    return this.cleaned === this.fetch ? -1 : this.doneAt[this.cleaned & this.mask]!;
  }

  /** Empties the ring: the card is stopped. What has not left is lost. */
  reset(where: string): void {
    this.engine.del();
    while (this.cleaned !== this.produce) {
      const place = this.cleaned & this.mask;
      const skb = this.slots[place]!;
      this.slots[place] = null;
      if (skb !== null) {
        if (this.cleaned >= this.fetch) kfreeSkbReason(skb, Drop.CardDown, where);
        else consumeSkb(skb);
      }
      this.cleaned += this.descriptors[place]!;
      if (this.fetch < this.cleaned) this.fetch = this.cleaned;
    }
    this.lineFree = 0;
  }

  /** Goes on after a hang. */
  kick(now: number): void {
    if (!this.engine.pending) this.run(Math.max(now, this.sim.now));
  }

  /** Sends what the line can take. */
  private run(now: number): void {
    if (this.broken !== null && this.broken.txHung) return;
    while (this.fetch !== this.produce) {
      if (this.lineFree > now + LOOKAHEAD_NS) {
        this.engine.mod(this.lineFree);
        return;
      }
      const place = this.fetch & this.mask;
      const skb = this.slots[place]!;
      this.fetch += this.descriptors[place]!;
      const start = this.lineFree > now ? this.lineFree : now;
      this.slots[place] = skbReceipt(skb);
      skbScrub(skb);
      const end = skb.gsoSize === 0 ? this.emit(skb, start) : this.emitCut(skb, start);
      this.lineFree = end;
      this.doneAt[place] = end;
      this.completed(end);
    }
  }

  /** Sends one frame; returns when its last bit has left. Takes the skb. */
  private emit(skb: SkBuff, start: number): number {
    if (skb.len < ETH_ZLEN) pad(skb);
    const { stats, speed } = this;
    stats.txPackets++;
    stats.txBytes += skb.len;
    const end = speed === 0 ? start : start + Math.round(((skb.len + ETH_WIRE_OVERHEAD) * 8e9) / speed);
    skb.cb0 = FCS_OK;
    this.port.send(skb, end);
    return end;
  }

  /** Cuts a super-packet and sends the frames one behind the other. Takes the skb. */
  private emitCut(skb: SkBuff, start: number): number {
    const count = skbGsoCount(skb);
    this.stats.txTso++;
    this.stats.txTsoFrames += count;
    let end = start;
    for (let i = 0; i < count; i++) end = this.emit(skbGsoCut(skb, i, count), end);
    consumeSkb(skb);
    return end;
  }
}

/** A frame has at least 60 bytes; zeros make up for the rest. Short frames lie in the header area. */
function pad(skb: SkBuff): void {
  const missing = ETH_ZLEN - skb.len;
  if (skb.nrFrags > 0) {
    const page = skb.pool.allocPage(missing);
    page.bytes.fill(0, 0, missing);
    page.fill = missing;
    skb.addFrag(page, 0, missing);
    skb.pool.putPage(page);
    return;
  }
  const at = skb.put(missing);
  for (let i = 0; i < missing; i++) put8(skb.buf, at + i, 0);
}
