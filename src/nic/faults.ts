/**
 * Faults of a card: what its driver must stand. Each is off until somebody turns it on.
 *
 *   from  world/faults    sets the fields
 *   to    card.ts, tx-ring.ts, which look at them (one null test while there are none)
 */
import type { Random } from '../lib/random.ts';
import { flipPayloadBit } from '../fabric/corrupt.ts';
import type { SkBuff } from '../skb/sk-buff.ts';

export class CardFaults {
  /** The receive engine stands still: frames find no descriptor (rx_missed_errors). */
  rxStalled = false;
  /** The transmit engine stands still, until the watchdog of the driver resets the card or the fault ends. */
  txHung = false;
  /** So many interrupts get lost: their causes are found at the next one, or when the driver looks for them. */
  lostInterrupts = 0;
  /** Probability that a bit of a received frame flips behind the card's check, on its way to memory: no checksum shows it. */
  corrupt = 0;
  /** Frames that were corrupted, interrupts that got lost. */
  corrupted = 0;
  lost = 0;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** True: the interrupt that is due is lost. */
  loseInterrupt(): boolean {
    if (this.lostInterrupts === 0) return false;
    this.lostInterrupts--;
    this.lost++;
    return true;
  }

  /** A received frame is on its way to memory. Headers are spared: a host must not find out. */
  pass(skb: SkBuff): void {
    if (this.corrupt === 0 || !this.random.chance(this.corrupt) || skb.dataLen === 0) return;
    this.corrupted++;
    flipPayloadBit(skb, this.random.below(skb.dataLen * 8));
  }
}
