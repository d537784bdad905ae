/**
 * How a delay varies: tables of quantiles, in the manner of netem. A number drawn evenly picks an entry; the entry, times the
 * jitter, is what is added to the delay.
 *
 *     normal          Φ⁻¹(q): mean 0, deviation 1
 *     pareto          (q^(−1/3) − 3/2) · 4/3: the law with exponent 3, its mean (3/2) taken off, scaled as iproute2 scales it
 *     paretonormal    a quarter of the one and three quarters of the other
 *
 * Entries are cut off at 4, where netem's 16-bit tables end. They are computed from these formulas when the program starts,
 * by arithmetic that is the same on every runtime.
 */
import type { Correlated } from './correlated.ts';
import type { Random } from './random.ts';

/** Names of the distributions. */
export type Distribution = 'uniform' | 'normal' | 'pareto' | 'paretonormal';

/** Entries of a table. */
export const DISTRIBUTION_SIZE = 4096;
/** An entry of 1: the jitter itself. */
export const DISTRIBUTION_SCALE = 8192;
const ENTRY_MAX = 32767;

/** The quantiles (i + ½) / size of the normal distribution: its density is summed up (trapezoids) until each is passed. */
function normalQuantiles(): Float64Array {
  const out = new Float64Array(DISTRIBUTION_SIZE);
  const step = 1 / 1024;
  const scale = 1 / Math.sqrt(2 * Math.PI);
  const half = DISTRIBUTION_SIZE / 2;
  let below = 0.5;
  let density = scale;
  let i = half;
  for (let x = 0; i < DISTRIBUTION_SIZE && x < 8; x += step) {
    const next = scale * Math.exp(-((x + step) * (x + step)) / 2);
    const area = ((density + next) / 2) * step;
    for (let want = (i + 0.5) / DISTRIBUTION_SIZE; i < DISTRIBUTION_SIZE && want <= below + area; want = (i + 0.5) / DISTRIBUTION_SIZE) {
      out[i] = x + (step * (want - below)) / area;
      out[DISTRIBUTION_SIZE - 1 - i] = -out[i]!;
      i++;
    }
    below += area;
    density = next;
  }
  return out;
}

function paretoQuantile(i: number): number {
  const q = 1 - (i + 0.5) / DISTRIBUTION_SIZE;
  return (1 / Math.cbrt(q) - 1.5) * (4 / 3);
}

function table(quantile: (i: number) => number): Int16Array {
  const out = new Int16Array(DISTRIBUTION_SIZE);
  for (let i = 0; i < DISTRIBUTION_SIZE; i++) {
    out[i] = Math.max(-ENTRY_MAX, Math.min(ENTRY_MAX, Math.round(quantile(i) * DISTRIBUTION_SCALE)));
  }
  return out;
}

/** The tables; `uniform` needs none. */
function tables(): Readonly<Record<Distribution, Int16Array | null>> {
  const normal = normalQuantiles();
  return {
    uniform: null,
    normal: table((i) => normal[i]!),
    pareto: table(paretoQuantile),
    paretonormal: table((i) => normal[i]! / 4 + (paretoQuantile(i) * 3) / 4),
  };
}

export const DISTRIBUTIONS: Readonly<Record<Distribution, Int16Array | null>> = tables();

/**
 * A number around `mean`, whole: evenly within `spread` to both sides, or by a table whose unit is `spread`. May be negative.
 * Draws nothing when `spread` is 0.
 */
export function drawAround(random: Random, cor: Correlated, mean: number, spread: number, distribution: Int16Array | null): number {
  if (spread === 0) return mean;
  const u = cor.next(random);
  if (distribution === null) return mean + Math.floor(u * (2 * spread + 1)) - spread;
  return mean + Math.round((spread * distribution[Math.floor(u * DISTRIBUTION_SIZE)]!) / DISTRIBUTION_SCALE);
}

/** Checks the name of a distribution. */
export function parseDistribution(value: unknown, name: string): Distribution {
  if (typeof value === 'string' && Object.hasOwn(DISTRIBUTIONS, value)) return value as Distribution;
  const shown = typeof value === 'string' ? `'${value}'` : typeof value;
  throw new TypeError(`${name}: ${shown} is not understood; expected 'uniform', 'normal', 'pareto' or 'paretonormal'`);
}
