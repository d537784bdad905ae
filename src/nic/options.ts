/** What a card can be told when it is made, and what it counts. */
import { parseInteger, parseRate, type Rate } from '../lib/units.ts';

/** All optional; the defaults are those of a common 10 Gbit/s server card. */
export interface CardOptions {
  /** Bits per second at which frames leave the card; 0 = at once. Default 10 Gbit/s. */
  speed?: Rate;
  /** Descriptors of the receive and of the transmit ring: powers of two. Default 512. */
  rxRing?: number;
  txRing?: number;
  /** Microseconds from the first frame to the interrupt; 0 = at once. Default: adaptive, 3 for few frames, 30 to 50 for streams. */
  rxUsecs?: number;
  /** Frames that bring the interrupt at once; 0 = only time counts. Default 64. */
  rxFrames?: number;
  /** The same for completed transmissions. Default 50 and 32. */
  txUsecs?: number;
  txFrames?: number;
  /** TCP segmentation offload. Default true. */
  tso?: boolean;
  /**
   * Byte queue limits: the driver keeps no more in the transmit ring than keeps the line busy, so that what waits, waits in the
   * queueing discipline. Default: true below 10 Gbit/s, where a ring full of packets is a wait that one notices (at 1 Gbit/s 6 ms,
   * more than fq_codel and codel allow).
   */
  bql?: boolean;
  /** Checksum offload, out and in. Default true. */
  txCsum?: boolean;
  rxCsum?: boolean;
}

/** Below this speed byte queue limits are on unless said otherwise. */
const BQL_BELOW_SPEED = 10e9;

/** The options, checked. */
export class CardConfig {
  readonly speed: number;
  readonly rxRing: number;
  readonly txRing: number;
  readonly rxUsecs: number;
  /** No time was given: it follows the traffic. */
  readonly rxAdaptive: boolean;
  readonly rxFrames: number;
  readonly txUsecs: number;
  readonly txFrames: number;
  readonly tso: boolean;
  readonly bql: boolean;
  readonly txCsum: boolean;
  readonly rxCsum: boolean;

  /** @throws TypeError, RangeError that name the option and the accepted form */
  constructor(options: CardOptions) {
    for (const name of Object.keys(options)) {
      if (!NAMES.includes(name)) throw new TypeError(`${name}: no such option; expected ${NAMES.join(', ')}`);
    }
    this.speed = options.speed === 0 ? 0 : parseRate(options.speed ?? 10e9, 'speed');
    this.rxRing = parseRing(options.rxRing ?? 512, 'rxRing', 2);
    this.txRing = parseRing(options.txRing ?? 512, 'txRing', 32);
    this.rxUsecs = parseInteger(options.rxUsecs ?? 3, 'rxUsecs', 0, 1_000_000);
    this.rxAdaptive = options.rxUsecs === undefined;
    this.rxFrames = parseInteger(options.rxFrames ?? 64, 'rxFrames', 0, 65536);
    this.txUsecs = parseInteger(options.txUsecs ?? 50, 'txUsecs', 0, 1_000_000);
    this.txFrames = parseInteger(options.txFrames ?? 32, 'txFrames', 0, 65536);
    this.tso = parseFlag(options.tso ?? true, 'tso');
    this.bql = parseFlag(options.bql ?? (this.speed > 0 && this.speed < BQL_BELOW_SPEED), 'bql');
    this.txCsum = parseFlag(options.txCsum ?? true, 'txCsum');
    this.rxCsum = parseFlag(options.rxCsum ?? true, 'rxCsum');
  }
}

const NAMES: readonly string[] = [
  'speed', 'rxRing', 'txRing', 'rxUsecs', 'rxFrames', 'txUsecs', 'txFrames', 'tso', 'bql', 'txCsum', 'rxCsum',
];

/** Descriptors of the largest ring. */
export const RING_MAX = 32768;

function parseRing(value: number, name: string, min: number): number {
  parseInteger(value, name, min, RING_MAX);
  if ((value & (value - 1)) !== 0) throw new RangeError(`${name}: ${String(value)} is not a power of two`);
  return value;
}

function parseFlag(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new TypeError(`${name}: ${String(value)} is not understood; expected true or false`);
}

/** What the hardware counts; `ethtool -S` prints it. */
export class CardStats {
  rxPackets = 0;
  rxBytes = 0;
  rxBroadcast = 0;
  rxMulticast = 0;
  /** Lost because no receive descriptor was free. */
  rxMissed = 0;
  rxCrcErrors = 0;
  rxLongErrors = 0;
  rxShortErrors = 0;
  /** Not for this card's address. */
  rxFiltered = 0;
  txPackets = 0;
  txBytes = 0;
  /** Super-packets that were cut, and the frames that they became. */
  txTso = 0;
  txTsoFrames = 0;
  rxInterrupts = 0;
  txInterrupts = 0;
}
