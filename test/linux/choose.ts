/** Small words for generators of cases. */
import type { Random } from '../../src/lib/random.ts';

export function pick<T>(random: Random, of: readonly T[]): T {
  return of[random.below(of.length)]!;
}

/** An integer from `low` to `high`. */
export function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}
