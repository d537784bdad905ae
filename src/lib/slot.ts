/**
 * Slots: a medium that lets nothing through, then, all at once, what has gathered (Wi-Fi, DOCSIS, cellular schedulers). netem's word.
 *
 * A slot opens after a drawn time; at most so many packets or bytes pass; then the next one is drawn.
 */
import { Correlated } from './correlated.ts';
import { DISTRIBUTIONS, drawAround, parseDistribution, type Distribution } from './distribution.ts';
import type { Random } from './random.ts';
import { checkOptions, parseDuration, parseInteger, parseSize, type Duration, type Size } from './units.ts';

/** Either from `min` to `max`, evenly; or around `delay` with `jitter`, by a distribution. What passes is unlimited unless said. */
export interface SlotOptions {
  readonly min?: Duration;
  readonly max?: Duration;
  readonly distribution?: Distribution;
  readonly delay?: Duration;
  readonly jitter?: Duration;
  readonly packets?: number;
  readonly bytes?: Size;
}

const NO_CORRELATION: Correlated = new Correlated(0);

export class Slot {
  /** Nanoseconds. With a distribution, `min` is the mean and `max` unused. */
  readonly min: number;
  readonly max: number;
  readonly jitter: number;
  readonly distribution: Distribution | null;
  readonly packets: number;
  readonly bytes: number;
  /** When the slot opens, and what may still pass in it. */
  opensAt = 0;
  private packetsLeft = 0;
  private bytesLeft = 0;

  constructor(options: SlotOptions, name: string) {
    checkOptions(options, SLOT_OPTIONS, name);
    const by = options.distribution !== undefined;
    const foreign = (by ? ['min', 'max'] : ['delay', 'jitter']).find((key) => key in options);
    if (foreign !== undefined) throw new TypeError(`${name}: ${foreign}: expected either min and max, or distribution, delay and jitter`);
    const time = (key: 'min' | 'max' | 'delay' | 'jitter', otherwise: number): number =>
      (options[key] === undefined ? otherwise : parseDuration(options[key], `${name}: ${key}`));
    this.distribution = by ? parseDistribution(options.distribution, `${name}: distribution`) : null;
    this.min = by ? time('delay', 0) : time('min', 0);
    this.max = by ? this.min : time('max', this.min);
    this.jitter = by ? time('jitter', 0) : 0;
    if (this.max < this.min) throw new RangeError(`${name}: max is less than min`);
    if (this.max === 0 && this.jitter === 0) throw new RangeError(`${name}: a slot lasts; expected more than 0`);
    this.packets = options.packets === undefined ? Infinity : parseInteger(options.packets, `${name}: packets`, 1);
    this.bytes = options.bytes === undefined ? Infinity : parseSize(options.bytes, `${name}: bytes`);
    if (this.bytes === 0) throw new RangeError(`${name}: bytes: 0 lets nothing through; expected at least 1`);
    this.packetsLeft = this.packets;
    this.bytesLeft = this.bytes;
  }

  /** Draws the next slot, seen from `now`. */
  next(random: Random, now: number): void {
    const wait = this.distribution === null
      ? this.min + (this.max > this.min ? Math.floor(random.float() * (this.max - this.min)) : 0)
      : Math.max(0, drawAround(random, NO_CORRELATION, this.min, this.jitter, DISTRIBUTIONS[this.distribution]));
    this.opensAt = now + wait;
    this.packetsLeft = this.packets;
    this.bytesLeft = this.bytes;
  }

  /** Something passes at `now`; when the slot is used up, the next one is drawn. */
  take(random: Random, now: number, bytes: number): void {
    this.packetsLeft--;
    this.bytesLeft -= bytes;
    if (this.packetsLeft <= 0 || this.bytesLeft <= 0) this.next(random, now);
  }

  /** When something that is ready at `due` gets through; it counts as having passed. */
  pass(random: Random, due: number, bytes: number): number {
    if (this.opensAt < due) this.next(random, due); // nobody waited: that slot went by
    const at = this.opensAt;
    this.take(random, at, bytes);
    return at;
  }
}

const SLOT_OPTIONS: readonly string[] = ['min', 'max', 'distribution', 'delay', 'jitter', 'packets', 'bytes'];
