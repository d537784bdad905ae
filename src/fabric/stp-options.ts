/** What a spanning tree can be told (IEEE 802.1D-1998 §8.10). */
import { checkOptions, parseDuration, parseInteger, type Duration } from '../lib/units.ts';

const SECOND = 1e9;

export interface StpOptions {
  /** 0 to 65535; the lowest becomes the root. Default 32768. */
  readonly priority?: number;
  /** Default 2 s. */
  readonly helloTime?: Duration;
  /** In each of the states listening and learning. Default 15 s. */
  readonly forwardDelay?: Duration;
  /** How long a root is believed in that is not heard. Default 20 s. */
  readonly maxAge?: Duration;
}

const OPTIONS: readonly string[] = ['priority', 'helloTime', 'forwardDelay', 'maxAge'];

/** The options, checked against §8.10.2: times in whole 1/256 s are what a BPDU can say; we ask for milliseconds of 1 s at least. */
export class StpConfig {
  readonly priority: number;
  /** Nanoseconds. */
  readonly helloTime: number;
  readonly forwardDelay: number;
  readonly maxAge: number;

  /** @throws TypeError, RangeError that name the option and the accepted form */
  constructor(options: StpOptions) {
    checkOptions(options, OPTIONS, 'stp');
    this.priority = parseInteger(options.priority ?? 32768, 'priority', 0, 65535);
    this.helloTime = duration(options.helloTime ?? '2s', 'helloTime', 1, 10);
    this.forwardDelay = duration(options.forwardDelay ?? '15s', 'forwardDelay', 4, 30);
    this.maxAge = duration(options.maxAge ?? '20s', 'maxAge', 6, 40);
    if (2 * (this.forwardDelay - SECOND) < this.maxAge) {
      throw new RangeError('maxAge: at most 2 × (forwardDelay - 1 s), or loops may form while the tree changes');
    }
    if (this.maxAge < 2 * (this.helloTime + SECOND)) throw new RangeError('maxAge: at least 2 × (helloTime + 1 s)');
  }
}

/** The ranges of table 8-3. */
function duration(value: Duration, name: string, minSeconds: number, maxSeconds: number): number {
  const ns = parseDuration(value, name);
  if (ns < minSeconds * SECOND || ns > maxSeconds * SECOND) {
    throw new RangeError(`${name}: ${String(value)} is out of range; expected ${String(minSeconds)}s to ${String(maxSeconds)}s`);
  }
  return ns;
}
