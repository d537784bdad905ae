/**
 * An Ethernet card, as hardware: it runs by the world's clock, whatever the processor of its host is doing.
 *
 *   from  fabric/port.ts    frameArrived: check sequence, length, address; then into the receive ring
 *         dev/ethernet.ts   transmit: into the transmit ring (tx-ring.ts)
 *   to    irq.ts            an interrupt, when the coalescing says so and the driver has not masked it
 *         dev/ethernet.ts   takeRx, cleanTx: the driver empties the rings when it polls
 *         fabric/port.ts    frames that leave
 *
 * Receive ring, N descriptors: the driver posts empty ones, the card fills them; when none is left, the frame is lost
 * (`rxMissed`), as on real hardware under load.
 */
import { FCS_OK, type Port, type PortOwner } from '../fabric/port.ts';
import { mayPull } from '../skb/copy.ts';
import { skbChecksumHelp } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason } from '../skb/pool.ts';
import { CHECKSUM_PARTIAL, SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import { skbTrace } from '../skb/trace.ts';
import type { Random } from '../lib/random.ts';
import type { Cpu } from '../time/cpu.ts';
import { Timer } from '../time/timer.ts';
import { ETH_FRAME_LEN, ETH_HLEN } from '../wire/ethernet.ts';
import { VLAN_HLEN } from '../wire/vlan.ts';
import { CardFaults } from './faults.ts';
import { IrqLine } from './irq.ts';
import { isBroadcast, MacFilter } from './mac-filter.ts';
import { CardConfig, CardStats, type CardOptions } from './options.ts';
import { TxRing } from './tx-ring.ts';

/**
 * Adaptive moderation, in the manner of real drivers. Few or small frames: the interrupt comes quickly. From a quarter of a frame
 * per microsecond (3 Gbit/s of full frames), or from half a gigabit per second of large ones, it waits for more.
 */
const QUICK_USECS = 3;
const FAST_USECS = 30;
const FAST_FRAMES_PER_US = 0.25;
const BULK_USECS = 50;
const BULK_BYTES_PER_US = 60;
const BULK_FRAME = 600;

/** A driver looks so often whether an interrupt got lost. */
const INTERRUPT_CHECK_NS = 2_000_000_000;

export class Card implements PortOwner {
  readonly port: Port;
  readonly mac: Uint8Array;
  readonly config: CardConfig;
  readonly stats: CardStats = new CardStats();
  readonly filter: MacFilter;
  readonly irq: IrqLine;
  readonly tx: TxRing;
  /** The driver; told of the link. */
  onLink: ((up: boolean) => void) | null = null;
  /** Longest frame that is taken in, without the check sequence; the driver sets it by the MTU. */
  maxFrame: number = ETH_FRAME_LEN + VLAN_HLEN;
  private readonly cpu: Cpu;
  private running = false;
  private readonly rxSlots: (SkBuff | null)[];
  private readonly rxMask: number;
  /** The card fills at `head`, up to `posted`; the driver takes at `tail`. Positions only grow. */
  private rxHead = 0;
  private rxTail = 0;
  private rxPosted = 0;
  private rxSinceIrq = 0;
  /** Microseconds from the first frame to the interrupt, now; and what the adaptive moderation has looked at already. */
  private rxUsecs: number;
  private adaptedAt = 0;
  private adaptedPackets = 0;
  private adaptedBytes = 0;
  private txSinceIrq = 0;
  /** Null while the card is sound. */
  private broken: CardFaults | null = null;
  private checkTimer: Timer | null = null;
  private readonly rxTimer: Timer;
  private readonly txTimer: Timer;

  /** The card becomes the owner of `port`. It is stopped: the driver starts it. */
  constructor(cpu: Cpu, port: Port, mac: Uint8Array, options: CardOptions = {}) {
    this.cpu = cpu;
    this.port = port;
    this.mac = mac.slice(0, 6);
    this.config = new CardConfig(options);
    this.filter = new MacFilter(mac);
    this.irq = new IrqLine(cpu);
    this.rxUsecs = this.config.rxUsecs;
    const { rxRing, txRing, speed } = this.config;
    this.rxSlots = new Array<SkBuff | null>(rxRing).fill(null);
    this.rxMask = rxRing - 1;
    this.tx = new TxRing(cpu.sim, port, { size: txRing, speed }, this.stats, (doneAt) => {
      this.txCompleted(doneAt);
    });
    this.rxTimer = new Timer(cpu.sim, null, () => {
      if (this.rxHead !== this.rxTail) this.fireRx();
    });
    this.txTimer = new Timer(cpu.sim, null, () => {
      this.fireTx();
    });
    port.owner = this;
  }

  /** Its faults, for whoever breaks it; made when first asked for, with chance of their own. */
  faults(random: () => Random): CardFaults {
    this.broken ??= this.tx.broken = new CardFaults(random());
    return this.broken;
  }

  /** A hung transmit engine goes on. */
  unhang(): void {
    if (this.broken !== null) this.broken.txHung = false;
    this.tx.kick(this.cpu.now);
  }

  /** The driver gives a hung card up: what waits in the transmit ring is lost, and the card begins anew. */
  resetTx(): void {
    this.tx.reset(this.port.name);
    this.txTimer.del();
    this.txSinceIrq = 0;
    if (this.broken !== null) this.broken.txHung = false;
  }

  /** Posts all receive descriptors; frames are taken in from now on. */
  start(): void {
    this.running = true;
    this.refill();
  }

  /** Stops the card: both rings are emptied. */
  stop(): void {
    this.running = false;
    this.rxTimer.del();
    this.txTimer.del();
    this.checkTimer?.del();
    this.tx.reset(this.port.name);
    for (let skb = this.takeRx(); skb !== null; skb = this.takeRx()) this.drop(skb, Drop.CardDown);
    this.rxSinceIrq = 0;
    this.txSinceIrq = 0;
  }

  // ---- receiving ----------------------------------------------------------------------------------------------

  frameArrived(skb: SkBuff): void {
    const { stats } = this;
    if (!this.running) {
      this.drop(skb, Drop.CardDown);
      return;
    }
    if (!this.acceptable(skb)) return;
    if (this.rxHead === this.rxPosted || (this.broken !== null && this.broken.rxStalled)) {
      stats.rxMissed++;
      this.drop(skb, Drop.RxRingFull);
      return;
    }
    stats.rxPackets++;
    stats.rxBytes += skb.len;
    skb.cb0 = 0;
    skb.truesize = SKB_TRUESIZE_OVERHEAD + skb.len;
    if (skb.ipSummed === CHECKSUM_PARTIAL && !this.config.rxCsum) skbChecksumHelp(skb);
    if (this.broken !== null) this.broken.pass(skb);
    if (skb.trace !== 0) skbTrace(skb, 'rxRing', this.port.name, this.cpu.sim.now, `${String(this.rxQueued)} waiting`);
    this.rxSlots[this.rxHead++ & this.rxMask] = skb;
    this.rxArrived();
  }

  /** The next received frame, `data` at the Ethernet header, or null. The caller owns it. */
  takeRx(): SkBuff | null {
    if (this.rxTail === this.rxHead) return null;
    const place = this.rxTail++ & this.rxMask;
    const skb = this.rxSlots[place]!;
    this.rxSlots[place] = null;
    return skb;
  }

  /** Received frames that the driver has not taken yet. */
  get rxQueued(): number {
    return this.rxHead - this.rxTail;
  }

  /** The driver has polled: descriptors that it emptied can be filled again. */
  refill(): void {
    this.rxPosted = this.rxTail + this.rxSlots.length;
    this.rxSinceIrq = 0;
  }

  /** The driver has done all there was to do: interrupts may come again. */
  enableIrq(): void {
    if (this.config.rxAdaptive) this.adapt();
    if (this.rxHead === this.rxTail) this.rxTimer.del();
    this.irq.unmask();
    if (this.rxHead !== this.rxTail) this.rxArrived();
  }

  linkChanged(up: boolean): void {
    if (this.onLink !== null) this.onLink(up);
  }

  /** Check sequence, length, address; what fails is counted and ended here. */
  private acceptable(skb: SkBuff): boolean {
    const { stats } = this;
    if (skb.cb0 !== FCS_OK) {
      stats.rxCrcErrors++;
      this.drop(skb, Drop.FcsError);
      return false;
    }
    if (skb.len > this.maxFrame) {
      stats.rxLongErrors++;
      this.drop(skb, Drop.FrameTooLong);
      return false;
    }
    // A real card refuses everything below 60 bytes. Here only what has no header: frames made by hand need no padding.
    if (!mayPull(skb, ETH_HLEN)) {
      stats.rxShortErrors++;
      this.drop(skb, Drop.FrameTooShort);
      return false;
    }
    const { buf, data } = skb;
    if (!this.filter.accepts(buf, data)) {
      stats.rxFiltered++;
      this.drop(skb, Drop.MacFilter);
      return false;
    }
    if ((buf[data]! & 1) !== 0) {
      if (isBroadcast(buf, data)) stats.rxBroadcast++;
      else stats.rxMulticast++;
    }
    return true;
  }

  /** Looks at what came since the last poll: many frames, or large ones in a row, wait longer for each other. */
  private adapt(): void {
    const { stats, cpu } = this;
    const us = (cpu.now - this.adaptedAt) / 1000;
    const frames = stats.rxPackets - this.adaptedPackets;
    const bytes = stats.rxBytes - this.adaptedBytes;
    this.adaptedAt = cpu.now;
    this.adaptedPackets = stats.rxPackets;
    this.adaptedBytes = stats.rxBytes;
    if (frames >= FAST_FRAMES_PER_US * us) this.rxUsecs = FAST_USECS;
    else if (bytes >= BULK_BYTES_PER_US * us && bytes >= BULK_FRAME * frames) this.rxUsecs = BULK_USECS;
    else this.rxUsecs = QUICK_USECS;
  }

  private rxArrived(): void {
    const { irq, config } = this;
    // Masked: the driver is polling and will find the frame. Waiting: the interrupt is on its way.
    if (irq.masked || irq.waiting) return;
    const { rxUsecs } = this;
    const { rxFrames } = config;
    if (rxUsecs === 0 || (++this.rxSinceIrq >= rxFrames && rxFrames !== 0)) this.fireRx();
    else if (!this.rxTimer.pending) this.rxTimer.mod(this.cpu.sim.now + rxUsecs * 1000);
  }

  private fireRx(): void {
    this.rxTimer.del();
    this.rxSinceIrq = 0;
    if (this.lost()) return;
    this.stats.rxInterrupts++;
    this.irq.raise();
  }

  // ---- transmitting -------------------------------------------------------------------------------------------

  /** Sends a frame or a super-packet; there must be room in the ring. Takes the skb. */
  transmit(skb: SkBuff): void {
    this.tx.post(skb, this.cpu.now);
  }

  /** Frees what has left. Returns how many packets. */
  cleanTx(): number {
    const packets = this.tx.clean(this.cpu.now);
    if (packets === 0) return 0;
    this.txSinceIrq = 0;
    const next = this.tx.nextDone;
    if (next < 0) this.txTimer.del();
    else this.txTimer.mod(Math.max(next, this.cpu.now) + this.config.txUsecs * 1000);
    return packets;
  }

  /** A packet has left, or will have at `doneAt`: the interrupt is due then, or a little later. */
  private txCompleted(doneAt: number): void {
    const { txTimer, config } = this;
    const { txUsecs, txFrames } = config;
    const atOnce = ++this.txSinceIrq >= txFrames && txFrames !== 0;
    const due = atOnce ? doneAt : doneAt + txUsecs * 1000;
    if (!txTimer.pending || due < txTimer.expires) txTimer.mod(due);
  }

  private fireTx(): void {
    this.txSinceIrq = 0;
    if (this.lost()) return;
    this.stats.txInterrupts++;
    this.irq.raise();
  }

  /** True: the interrupt that is due gets lost. The driver looks for such every two seconds, as real ones do. */
  private lost(): boolean {
    if (this.broken === null || !this.broken.loseInterrupt()) return false;
    this.checkTimer ??= new Timer(this.cpu.sim, null, () => {
      if (this.running && (this.rxHead !== this.rxTail || !this.tx.idle)) this.irq.raise();
    });
    if (!this.checkTimer.pending) this.checkTimer.mod(this.cpu.sim.now + INTERRUPT_CHECK_NS);
    return true;
  }

  private drop(skb: SkBuff, reason: Drop): void {
    kfreeSkbReason(skb, reason, this.port.name);
  }
}
