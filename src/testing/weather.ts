/**
 * Swarm weather: each seed turns some faults off entirely and the others anywhere in their range. A run with everything on
 * at once hides more than it shows: what one fault needs to do harm, another one prevents.
 */
import type { Random } from '../lib/random.ts';
import { parseDuration, parseProbability, parseRate, type Duration, type Rate } from '../lib/units.ts';
import type { WeatherOptions } from '../fabric/weather.ts';

/** Ranges, both ends included; a fault that is not named stays off. */
export interface Climate {
  readonly delay?: readonly [Duration, Duration];
  readonly jitter?: readonly [Duration, Duration];
  readonly rate?: readonly [Rate, Rate];
  /** Frames that wait for the rate. */
  readonly limit?: readonly [number, number];
  readonly loss?: readonly [number, number];
  readonly duplicate?: readonly [number, number];
  readonly reorder?: readonly [number, number];
  readonly corrupt?: readonly [number, number];
  /** Corruption may get past the frame check sequence. */
  readonly corruptFcs?: boolean;
}

/** Weather that was drawn: its chances are plain probabilities. */
export interface DrawnWeather extends WeatherOptions { loss?: number; duplicate?: number; reorder?: number; corrupt?: number }

/** How often a fault that is named is on. */
const ON = 0.5;

/** Weather of this seed. Draws the same number of times whatever comes out, so that faults do not shift one another. */
export function drawWeather(random: Random, climate: Climate): DrawnWeather {
  const out: DrawnWeather = {};
  const delay = durations(random, climate.delay, 'delay', 1);
  if (delay !== null) out.delay = delay;
  const jitter = durations(random, climate.jitter, 'jitter', ON);
  if (jitter !== null) {
    out.jitter = jitter;
    out.ordered = random.chance(0.5);
  }
  const rate = draw(random, climate.rate, (r) => Math.log(parseRate(r, 'rate')), ON);
  if (rate !== null) out.rate = Math.round(Math.exp(rate));
  const limit = draw(random, climate.limit, Number, ON);
  if (limit !== null) out.limit = Math.round(limit);
  for (const fault of ['loss', 'duplicate', 'reorder', 'corrupt'] as const) {
    const p = draw(random, climate[fault], (n) => parseProbability(n, fault), ON);
    if (p !== null) out[fault] = p;
  }
  const missed = random.chance(0.5);
  if (climate.corruptFcs === true && missed) out.corruptFcs = true;
  return out;
}

/** No fault any more; delay and rate stay. */
export const CLEAR_WEATHER: Readonly<WeatherOptions> = { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, jitter: 0 };

function durations(random: Random, range: readonly [Duration, Duration] | undefined, name: string, p: number): string | null {
  const ns = draw(random, range, (d) => parseDuration(d, name), p);
  return ns === null ? null : `${Math.round(ns)}ns`;
}

function draw<T>(random: Random, range: readonly [T, T] | undefined, number: (value: T) => number, p: number): number | null {
  const on = random.float() < p;
  const where = random.float();
  if (range === undefined || !on) return null;
  const [low, high] = [number(range[0]), number(range[1])];
  return low + where * (high - low);
}
