/**
 * Chance with a memory, as netem has it: each number leans on the one before.
 *
 *     x(n) = (1 − ρ) · u(n) + ρ · x(n − 1)        u uniform in [0, 1), ρ the correlation
 *
 * Averages lie nearer to ½ than their parts, so with ρ > 0 an event of probability p < ½ is rarer than p, and comes in runs.
 * netem has this property too; for bursts whose rate is known, use one of the models with states (`loss.ts`).
 */
import type { Random } from './random.ts';

export class Correlated {
  /** The correlation, 0 to 1; 0: every draw is by itself. */
  readonly rho: number;
  private last = 0;

  constructor(rho: number) {
    this.rho = rho;
  }

  /** The next number in [0, 1). */
  next(random: Random): number {
    const u = random.float();
    if (this.rho === 0) return u;
    this.last = u * (1 - this.rho) + this.last * this.rho;
    return this.last;
  }

  /** True with probability `p`, as far as the correlation lets it. Draws nothing when the answer is certain. */
  chance(random: Random, p: number): boolean {
    if (p <= 0) return false;
    if (p >= 1) return true;
    return this.next(random) < p;
  }
}
