/**
 * Scenarios: a story in a world, told once per seed.
 *
 *     scenario('a file crosses a rude cable intact', { seeds: 50 }, (w) => {
 *       const [a, b, cable] = w.twoHosts({ cable: w.weather({ delay: ['1ms', '80ms'], loss: [0, 0.2] }) });
 *       …
 *     });
 *
 * Seeds follow from the name, so each run of the tests tells the same stories. The first ones are told twice, and must be
 * told alike: equal seeds give equal frames at equal nanoseconds. A seed that fails is named with the command that tells
 * it again, and with the least weather under which it fails in the same way; KERNET_SEED tells that one alone, and
 * KERNET_SCENARIO_WEATHER under that weather.
 */
import { hashString } from '../lib/hash.ts';
import { ScenarioWorld } from './scenario-world.ts';
import { shrinkWeather } from './shrink-weather.ts';
import { environment, findTestFunction, type TestFunction } from './test-function.ts';
import type { DrawnWeather } from './weather.ts';

/** Frames kept of a story that failed. */
const CAPTURE_LIMIT = 200_000;

/** How often a scenario is told. */
export interface ScenarioOptions {
  /** Default 10. */
  readonly seeds?: number;
  /** How many of them twice, digests compared. Default 2. */
  readonly twice?: number;
}

/** The story. */
export type ScenarioBody = (w: ScenarioWorld) => void;

/** What a runner's side may add. */
export interface ScenarioHooks {
  /** Given the frames of a story that failed, as pcapng; says where they were kept. */
  readonly keepCapture?: (name: string, seed: number, pcapng: Uint8Array) => string;
}

/** Registers a scenario as a test. */
export type ScenarioFunction = (name: string, options: ScenarioOptions, body: ScenarioBody) => void;

/** {@link scenario}, for a runner that is not found by itself. */
export function scenarioWith(test: TestFunction, hooks: ScenarioHooks = {}): ScenarioFunction {
  return (name, options, body) => {
    test(name, () => {
      runScenario(name, options, body, hooks);
    });
  };
}

/** Registers a scenario with the runner that runs us. */
export const scenario: ScenarioFunction = (name, options, body) => {
  scenarioWith(findTestFunction())(name, options, body);
};

/** Tells all seeds of a scenario now. */
export function runScenario(name: string, options: ScenarioOptions, body: ScenarioBody, hooks: ScenarioHooks = {}): void {
  const given = environment('KERNET_SEED');
  const weather = givenWeather();
  const seeds = given !== undefined ? [Number(given)] : seedsOf(name, options.seeds ?? 10);
  seeds.forEach((seed, i) => {
    try {
      const digest = tell(seed, body, weather);
      if (i >= (options.twice ?? 2) && given === undefined) return;
      const again = tell(seed, body, weather);
      if (again !== digest) throw new Error(`two runs of one seed differ: ${digest} and ${again}`);
    } catch (error) {
      const least = weather ?? leastWeather(seed, body, error);
      const kept = hooks.keepCapture?.(name, seed, record(seed, body, least));
      throw explained(error, name, seed, least, kept);
    }
  });
}

/** Tells one seed; the digest of all frames. `weather`: in the place of what would be drawn. */
export function tell(seed: number, body: ScenarioBody, weather: readonly DrawnWeather[] | null = null): string {
  const w = new ScenarioWorld(seed, 0, weather);
  body(w);
  return w.world.digest();
}

/** The least weather under which a seed fails in the same way; null when none was drawn, or when it does not fail again. */
function leastWeather(seed: number, body: ScenarioBody, error: unknown): DrawnWeather[] | null {
  const w = new ScenarioWorld(seed);
  try {
    body(w);
  } catch {
    // As it did; what has been drawn is of interest.
  }
  if (w.drawn.length === 0) return null;
  const kind = kindOf(error);
  const fails = (weather: readonly DrawnWeather[]): boolean => {
    try {
      tell(seed, body, weather);
      return false;
    } catch (again) {
      return kindOf(again) === kind;
    }
  };
  try {
    return shrinkWeather(w.drawn, fails);
  } catch {
    return null; // two runs of it differ, which is told already
  }
}

/** What a failure is, whatever its numbers are: a story under other weather may fail in other ways, too. */
function kindOf(error: unknown): string {
  const [first] = (error instanceof Error ? error.message : String(error)).split('\n');
  return first!.replace(/[\d.]+(ns|us|ms|s)?/g, '#');
}

function givenWeather(): DrawnWeather[] | null {
  const text = environment('KERNET_SCENARIO_WEATHER');
  if (text === undefined) return null;
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((weather) => typeof weather === 'object' && weather !== null)) return list as DrawnWeather[];
  } catch {
    // Told below.
  }
  throw new TypeError(`KERNET_SCENARIO_WEATHER: ${text} is not understood; expected a list of weathers: [{"loss":0.1}]`);
}

/** Tells it once more, with a capture of everything. */
function record(seed: number, body: ScenarioBody, weather: readonly DrawnWeather[] | null): Uint8Array {
  const w = new ScenarioWorld(seed, CAPTURE_LIMIT, weather);
  try {
    body(w);
  } catch {
    // As expected.
  }
  return w.captured();
}

function explained(error: unknown, name: string, seed: number, least: readonly DrawnWeather[] | null, kept: string | undefined): Error {
  const hex = `0x${seed.toString(16)}`;
  const where = kept === undefined ? '' : `\n  ${kept}`;
  const message = error instanceof Error ? error.message : String(error);
  const again = `npm test -- "${name}" --seed ${hex}`;
  const small = least === null ? '' : `\n  least weather · KERNET_SCENARIO_WEATHER='${JSON.stringify(least)}' ${again}`;
  const out = new Error(`${message}\n  seed ${hex} · ${again}${small}${where}`, { cause: error });
  return out;
}

/** `n` seeds that belong to a name. */
function seedsOf(name: string, n: number): number[] {
  const first = hashString(name) >>> 4;
  return Array.from({ length: n }, (_, i) => first + i);
}
