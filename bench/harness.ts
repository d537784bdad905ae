/**
 * What a measurement is: the same body run against ours and, where there is one, against the real thing, in one process,
 * in turns, both warmed up alike; the figures are medians.
 */

/** One measurement. `ours` and `real` return a figure in `unit`; `better` says which direction is good. */
export interface Measurement {
  name: string;
  unit: string;
  /** What a reader should know of how it was measured. */
  note: string;
  better: 'higher' | 'lower';
  rounds: number;
  ours: () => Promise<number>;
  real: (() => Promise<number>) | null;
}

export interface Result {
  name: string;
  unit: string;
  ours: number;
  real: number | null;
  /** How many times better ours is; null without a counterpart. */
  ratio: number | null;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Turns before those that count, on both sides alike: until the engine has compiled what it will (ours is all JavaScript). */
const WARM_UP = 8;

/** Runs one measurement: a warm-up of each side, then `rounds` turns. */
export async function measure(m: Measurement, rounds: number): Promise<Result> {
  const ours: number[] = [];
  const real: number[] = [];
  const warmUp = m.rounds === 1 ? 0 : m.real === null ? 2 : WARM_UP; // memory has nothing to warm up
  for (let round = -warmUp; round < rounds; round++) {
    const a = await m.ours();
    if (round >= 0) ours.push(a);
    if (m.real !== null) {
      const b = await m.real();
      if (round >= 0) real.push(b);
    }
  }
  const o = median(ours);
  const r = m.real === null ? null : median(real);
  const ratio = r === null ? null : m.better === 'higher' ? o / r : r / o;
  return { name: m.name, unit: m.unit, ours: o, real: r, ratio };
}

/** A figure with about three digits that count. */
export function figure(n: number | null): string {
  if (n === null) return '–';
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} G`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(2)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(1)} k`;
  return n >= 100 ? n.toFixed(0) : n.toFixed(2);
}

/** The table that is printed. */
export function table(results: readonly Result[]): string {
  const rows = results.map((r) => [r.name, figure(r.ours), figure(r.real), r.ratio === null ? '–' : `${r.ratio.toFixed(2)}×`, r.unit]);
  const all = [['name', 'ours', 'real', 'ratio', 'unit'], ...rows];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) => row.map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ').trimEnd())
    .join('\n');
}
