/**
 * Weather cut down to what matters: words are left out, then numbers are made small and round, as long as the story still fails.
 *
 *   from  testing/scenario.ts   a seed that fails
 *   to    nobody: it tries what it is given
 */
import { formatDuration, parseDuration } from '../lib/units.ts';
import type { DrawnWeather } from './weather.ts';

/** How often the story is told while its weather is being cut down. */
export const SHRINK_WEATHER_MAX_RUNS = 120;
/** How often a number is halved. */
const HALVINGS = 6;

const PROBABILITIES: readonly (keyof DrawnWeather)[] = ['loss', 'duplicate', 'reorder', 'corrupt'];
const DURATIONS: readonly (keyof DrawnWeather)[] = ['delay', 'jitter'];

/**
 * The least of `drawn` (the weather of each cable, in the order of drawing) that still fails: no word of it can be left out alone, and no
 * number be halved. `fails` tells the story under other weather.
 *
 * @throws Error when the whole does not fail: there is nothing to look for
 */
export function shrinkWeather(
  drawn: readonly DrawnWeather[], fails: (drawn: readonly DrawnWeather[]) => boolean, maxRuns: number = SHRINK_WEATHER_MAX_RUNS,
): DrawnWeather[] {
  let runs = 0;
  const test = (candidate: readonly DrawnWeather[]): boolean => runs++ < maxRuns && fails(candidate);
  if (!test(drawn)) throw new Error('shrinkWeather: the story does not fail');
  let best = drawn.map((weather) => ({ ...weather }));
  const tryOut = (candidate: DrawnWeather[]): boolean => {
    if (!test(candidate)) return false;
    best = candidate;
    return true;
  };
  leaveOut(() => best, tryOut);
  for (const { at, word } of wordsOf(best)) makeSmall(() => best, at, word, tryOut);
  return best;
}

interface Word {
  readonly at: number;
  readonly word: keyof DrawnWeather;
}

function wordsOf(drawn: readonly DrawnWeather[]): Word[] {
  return drawn.flatMap((weather, at) => (Object.keys(weather) as (keyof DrawnWeather)[]).map((word) => ({ at, word })));
}

/** Leaves words out until none can be left out alone: half of them at first, in the end one by one. */
function leaveOut(best: () => DrawnWeather[], tryOut: (candidate: DrawnWeather[]) => boolean): void {
  for (let size = Math.ceil(wordsOf(best()).length / 2); size > 0;) {
    let found = false;
    const words = wordsOf(best());
    for (let i = 0; i < words.length && !found; i += size) found = tryOut(without(best(), words.slice(i, i + size)));
    if (found) size = Math.min(size, Math.ceil(wordsOf(best()).length / 2));
    else size = size === 1 ? 0 : Math.ceil(size / 2);
  }
}

function without(drawn: readonly DrawnWeather[], words: readonly Word[]): DrawnWeather[] {
  return drawn.map((weather, at) => {
    const gone = words.filter((w) => w.at === at).map(({ word }) => word as string);
    return Object.fromEntries(Object.entries(weather).filter(([word]) => !gone.includes(word)));
  });
}

/** Halves a number as long as that fails, and rounds it. Other words (a rate, a limit) stay as they are. */
function makeSmall(best: () => DrawnWeather[], at: number, word: keyof DrawnWeather, tryOut: (candidate: DrawnWeather[]) => boolean): void {
  const put = (value: unknown): boolean => tryOut(best().map((weather, i) => (i === at ? { ...weather, [word]: value } : weather)));
  const value = (): unknown => best()[at]![word];
  if (PROBABILITIES.includes(word)) {
    for (let i = 0; i < HALVINGS && put(rounded(value() as number / 2)); i++);
    put(rounded(value() as number, 1));
  } else if (DURATIONS.includes(word)) {
    const ns = (): number => parseDuration(value() as string, word);
    for (let i = 0; i < HALVINGS && put(formatDuration(Math.round(ns() / 2))); i++);
    put(`${Math.max(1, Math.round(ns() / 1e6))}ms`);
  }
}

function rounded(p: number, digits: number = 2): number {
  return Number(p.toPrecision(digits));
}
