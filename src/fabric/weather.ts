/**
 * The weather on a cable: what happens to frames by chance or by physics, per direction. The words are netem's, and so are the
 * models behind them (`lib/loss.ts`, `lib/distribution.ts`, `lib/slot.ts`), which the netem of hosts (`dev/sched/netem.ts`) shares.
 */
import { Correlated } from '../lib/correlated.ts';
import { DISTRIBUTIONS, parseDistribution, type Distribution } from '../lib/distribution.ts';
import { EventChance, parseChance, parseLoss, RandomLoss, type Chance, type Loss, type LossModel } from '../lib/loss.ts';
import { Slot, type SlotOptions } from '../lib/slot.ts';
import {
  parseDuration, parseInteger, parseProbability, parseRate, parseSize, type Duration, type Rate, type Size,
} from '../lib/units.ts';

/** Frames that wait in front of a cable with a rate, unless said otherwise (netem's default). */
export const DEFAULT_LIMIT = 1000;

/** What a user may say about one direction of a cable, or about both. What is left out stays as it is. */
export interface WeatherOptions {
  /** How long a bit travels. Default 0. */
  delay?: Duration;
  /** The delay varies by up to this much, both ways. Default 0. */
  jitter?: Duration;
  /** How it varies: evenly within the jitter, or by a law whose unit the jitter is. Default `'uniform'`. */
  distribution?: Distribution;
  /** How much each delay leans on the one before, 0 to 1. Default 0. */
  correlation?: number;
  /** Frames arrive in the order in which they were sent, whatever the jitter; `false`: jitter reorders, as in netem. Default true. */
  ordered?: boolean;
  /** Bits per second; a frame takes its bytes and 24 more (preamble, check sequence, gap). `0` = no limit, the default. */
  rate?: Rate;
  /** Most frames that wait for a cable with a rate, the one that is being sent included. Default 1000. */
  limit?: number;
  /** The same in bytes of the frames. Default: no limit. */
  limitBytes?: Size;
  /** Probability that a frame is lost; or bursts: `{ p, r, h, k }` (Gilbert-Elliott), four states, `{ trace: '0010' }`. */
  loss?: Loss;
  /** Probability that a frame arrives twice. As those below, also with a memory: `{ p: 0.1, correlation: 0.5 }`. */
  duplicate?: Chance;
  /** Probability that a frame overtakes those on their way: it skips the delay. No effect without a delay. */
  reorder?: Chance;
  /** Only each `gap`-th frame is considered for reordering. Default 1. */
  gap?: number;
  /** Probability that one bit of a frame flips. */
  corrupt?: Chance;
  /** Corruption that the frame check sequence misses, so that only checksums can find it. Default false. */
  corruptFcs?: boolean;
  /** Frames get through in slots only: `{ min: '5ms', max: '10ms', packets: 20 }`. `null`: no slots, the default. */
  slot?: SlotOptions | null;
}

/** Weather of both directions, and what one of them has otherwise. */
export interface CableWeather extends WeatherOptions {
  /** Of the direction from the first end to the second, and back. */
  ab?: WeatherOptions;
  ba?: WeatherOptions;
}

const CLEAR_LOSS: LossModel = new RandomLoss(0, 0);
const NEVER: EventChance = new EventChance(0, 0);

/** The weather of one direction, in nanoseconds, bits per second and bytes. */
export class Weather {
  delay = 0;
  jitter = 0;
  distribution: Int16Array | null = null;
  correlation: Correlated = new Correlated(0);
  ordered = true;
  rate = 0;
  limit: number = DEFAULT_LIMIT;
  limitBytes: number = Infinity;
  loss: LossModel = CLEAR_LOSS;
  duplicate: EventChance = NEVER;
  reorder: EventChance = NEVER;
  gap = 1;
  corrupt: EventChance = NEVER;
  corruptFcs = false;
  slot: Slot | null = null;

  /** Nanoseconds that a frame of `bytes` occupies the cable. */
  serialisation(bytes: number): number {
    return this.rate === 0 ? 0 : Math.round(((bytes + WIRE_OVERHEAD) * 8e9) / this.rate);
  }
}

/** Preamble and start delimiter, check sequence, inter-frame gap. */
const WIRE_OVERHEAD = 24;

const READERS: Readonly<Record<keyof WeatherOptions, (w: Weather, o: WeatherOptions) => void>> = {
  delay: (w, o) => { w.delay = parseDuration(o.delay!, 'delay'); },
  jitter: (w, o) => { w.jitter = parseDuration(o.jitter!, 'jitter'); },
  distribution: (w, o) => { w.distribution = DISTRIBUTIONS[parseDistribution(o.distribution, 'distribution')]; },
  correlation: (w, o) => { w.correlation = new Correlated(parseProbability(o.correlation!, 'correlation')); },
  ordered: (w, o) => { w.ordered = parseFlag(o.ordered, 'ordered'); },
  rate: (w, o) => { w.rate = o.rate === 0 ? 0 : parseRate(o.rate!, 'rate'); },
  limit: (w, o) => { w.limit = o.limit === Infinity ? Infinity : parseInteger(o.limit!, 'limit', 1); },
  limitBytes: (w, o) => { w.limitBytes = o.limitBytes === Infinity ? Infinity : parseSize(o.limitBytes!, 'limitBytes'); },
  loss: (w, o) => { w.loss = parseLoss(o.loss!, 'loss'); },
  duplicate: (w, o) => { w.duplicate = parseChance(o.duplicate!, 'duplicate'); },
  reorder: (w, o) => { w.reorder = parseChance(o.reorder!, 'reorder'); },
  gap: (w, o) => { w.gap = parseInteger(o.gap!, 'gap', 1); },
  corrupt: (w, o) => { w.corrupt = parseChance(o.corrupt!, 'corrupt'); },
  corruptFcs: (w, o) => { w.corruptFcs = parseFlag(o.corruptFcs, 'corruptFcs'); },
  slot: (w, o) => { w.slot = o.slot === null ? null : new Slot(o.slot!, 'slot'); },
};

const WEATHER_OPTIONS: readonly string[] = Object.keys(READERS);

/**
 * Changes `weather` as the options say; nothing changes when one of them is wrong.
 *
 * @throws TypeError, RangeError that name the option and the accepted form
 */
export function applyWeather(weather: Weather, options: WeatherOptions): void {
  const next = new Weather();
  Object.assign(next, weather);
  for (const [name, value] of Object.entries(options) as [keyof WeatherOptions, unknown][]) {
    if (!Object.hasOwn(READERS, name)) throw new TypeError(`${name}: no such option; expected ${WEATHER_OPTIONS.join(', ')}`);
    if (value !== undefined) READERS[name](next, options);
  }
  Object.assign(weather, next);
}

function parseFlag(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new TypeError(`${name}: ${String(value)} is not understood; expected true or false`);
}
