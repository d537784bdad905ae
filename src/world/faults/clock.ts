/**
 * The wall clock of a host: the world's, and what is wrong with it. Timers and round-trip times are not concerned: they go by
 * the monotonic clock, which is everybody's.
 */
import { NS_PER_MS } from '../../lib/units.ts';

export class HostClock {
  private readonly now: () => number;
  private offsetNs = 0;
  private ppm = 0;
  private sinceNs = 0;

  /** `now`: virtual nanoseconds of the world. */
  constructor(now: () => number) {
    this.now = now;
  }

  /** Milliseconds that it is ahead of the world's clock (below zero: behind). */
  get skewMs(): number {
    return (this.offsetNs + ((this.now() - this.sinceNs) * this.ppm) / 1e6) / NS_PER_MS;
  }

  /** Millionths that it runs fast. */
  get driftPpm(): number {
    return this.ppm;
  }

  /** Jumps by so many milliseconds. */
  step(ms: number): void {
    if (!Number.isFinite(ms)) throw new RangeError(`step: ${String(ms)} is not a number of milliseconds`);
    this.offsetNs += ms * NS_PER_MS;
  }

  /** Runs fast by so many millionths from now on. */
  drift(ppm: number): void {
    if (!(ppm > -1e6 && ppm < 1e6)) {
      throw new RangeError(`driftPpm: ${String(ppm)} is out of range; expected millionths between -1000000 and 1000000`);
    }
    this.offsetNs = this.skewMs * NS_PER_MS;
    this.sinceNs = this.now();
    this.ppm = ppm;
  }
}
