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
 * it again; KERNET_SEED tells that one alone.
 */
import { hashString } from '../lib/hash.ts';
import { ScenarioWorld } from './scenario-world.ts';
import { environment, findTestFunction, type TestFunction } from './test-function.ts';

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
  const seeds = given !== undefined ? [Number(given)] : seedsOf(name, options.seeds ?? 10);
  seeds.forEach((seed, i) => {
    try {
      const digest = tell(seed, body);
      if (i >= (options.twice ?? 2) && given === undefined) return;
      const again = tell(seed, body);
      if (again !== digest) throw new Error(`two runs of one seed differ: ${digest} and ${again}`);
    } catch (error) {
      const kept = hooks.keepCapture?.(name, seed, record(seed, body));
      throw explained(error, name, seed, kept);
    }
  });
}

/** Tells one seed; the digest of all frames. */
export function tell(seed: number, body: ScenarioBody): string {
  const w = new ScenarioWorld(seed);
  body(w);
  return w.world.digest();
}

/** Tells it once more, with a capture of everything. */
function record(seed: number, body: ScenarioBody): Uint8Array {
  const w = new ScenarioWorld(seed, CAPTURE_LIMIT);
  try {
    body(w);
  } catch {
    // As expected.
  }
  return w.captured();
}

function explained(error: unknown, name: string, seed: number, kept: string | undefined): Error {
  const hex = `0x${seed.toString(16)}`;
  const where = kept === undefined ? '' : `\n  ${kept}`;
  const message = error instanceof Error ? error.message : String(error);
  const out = new Error(`${message}\n  seed ${hex} · npm test -- "${name}" --seed ${hex}${where}`, { cause: error });
  return out;
}

/** `n` seeds that belong to a name. */
function seedsOf(name: string, n: number): number[] {
  const first = hashString(name) >>> 4;
  return Array.from({ length: n }, (_, i) => first + i);
}
