/** The families of random cases: each makes one case from a stream of chance. */
import { Random } from '../../src/lib/random.ts';
import type { Case } from './case.ts';
import { lifeCase } from './life.ts';
import { receiveCase } from './receive.ts';
import { statesCase } from './states.ts';

export type Generator = (random: Random, name: string) => Case;

export const SUITES: Readonly<Record<string, Generator>> = {
  receive: receiveCase, states: statesCase, life: lifeCase,
};

/** `count` cases of a family; the same seed, the same cases. */
export function generate(suite: string, seed: number, count: number): Case[] {
  const make = SUITES[suite];
  if (make === undefined) throw new RangeError(`there is no suite '${suite}'; there are ${Object.keys(SUITES).join(', ')}`);
  return Array.from({ length: count }, (_, i) => make(new Random(seed * 1_000_003 + i), `${suite}-${seed}-${i}`));
}
