/** Distributions, models of loss, slots. The bounds are five deviations of what is counted: one test in two million would miss. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Correlated } from '../../src/lib/correlated.ts';
import { DISTRIBUTION_SCALE, DISTRIBUTION_SIZE, DISTRIBUTIONS, drawAround } from '../../src/lib/distribution.ts';
import { parseChance, parseLoss, type Loss } from '../../src/lib/loss.ts';
import { Random } from '../../src/lib/random.ts';
import { Slot, type SlotOptions } from '../../src/lib/slot.ts';

/** Mean and deviation. */
function moments(values: ArrayLike<number>): [number, number] {
  const all = Array.from(values);
  const mean = all.reduce((s, x) => s + x, 0) / all.length;
  return [mean, Math.sqrt(all.reduce((s, x) => s + (x - mean) ** 2, 0) / all.length)];
}

function losses(loss: Loss, n: number, seed = 1): boolean[] {
  const model = parseLoss(loss, 'loss');
  const random = new Random(seed);
  return Array.from({ length: n }, () => model.lost(random));
}

/** Lengths of the runs of true. */
function runs(marks: readonly boolean[]): number[] {
  return marks.map((m) => (m ? 'x' : ' ')).join('').split(' ').filter((run) => run !== '').map((run) => run.length);
}

/** `count` events of probability `p` of `n`, within five deviations; runs widen them: (1 + lag) / (1 - lag), lag their correlation. */
function near(count: number, n: number, p: number, lag = 0): void {
  const deviation = Math.sqrt(n * p * (1 - p) * ((1 + lag) / (1 - lag)));
  const allowed = 5 * deviation;
  assert.ok(Math.abs(count - n * p) < allowed, `${String(count)} of ${String(n)}, expected ${String(n * p)} ± ${String(allowed)}`);
}

test('the normal table: mean 0, deviation 1, and known quantiles', () => {
  const normal = DISTRIBUTIONS.normal!;
  const [mean, deviation] = moments(normal);
  assert.equal(Math.round(mean), 0);
  assert.ok(Math.abs(deviation / DISTRIBUTION_SCALE - 1) < 0.002, String(deviation / DISTRIBUTION_SCALE));
  for (const [q, z] of [[0.5, 0], [0.8413447, 1], [0.9772499, 2], [0.9986501, 3], [0.1586553, -1]] as const) {
    const got = normal[Math.floor(q * DISTRIBUTION_SIZE)]! / DISTRIBUTION_SCALE;
    assert.ok(Math.abs(got - z) < 0.03, `Φ⁻¹(${String(q)}) = ${String(got)}`);
  }
});

test('the Pareto table: never below 4/3 · (1 - 3/2), cut off at 4, skewed to the right; the mixed one lies between', () => {
  const { pareto, normal, paretonormal } = DISTRIBUTIONS;
  assert.ok(Math.abs(pareto![0]! / DISTRIBUTION_SCALE + 2 / 3) < 0.001);
  assert.equal(pareto![DISTRIBUTION_SIZE - 1], 32767);
  assert.ok(pareto![DISTRIBUTION_SIZE / 2]! < 0);
  for (const i of [100, 1000, 2048, 3000]) {
    assert.ok(Math.abs(paretonormal![i]! - (normal![i]! + 3 * pareto![i]!) / 4) <= 1);
  }
});

test('delays drawn around a mean: even within the jitter, and none of them without', () => {
  const random = new Random(5);
  const cor = new Correlated(0);
  assert.equal(drawAround(random, cor, 1000, 0, null), 1000);
  const n = 20000;
  const drawn = Array.from({ length: n }, () => drawAround(random, cor, 1_000_000, 200_000, null));
  assert.ok(Math.min(...drawn) >= 800_000 && Math.max(...drawn) <= 1_200_000);
  const [mean, deviation] = moments(drawn);
  const sigma = 200_000 / Math.sqrt(3);
  assert.ok(Math.abs(mean - 1_000_000) < (5 * sigma) / Math.sqrt(n));
  assert.ok(Math.abs(deviation - sigma) < 0.03 * sigma);
});

test('a correlation makes neighbours alike by just that much, and the spread smaller', () => {
  const random = new Random(9);
  const cor = new Correlated(0.75);
  const n = 40000;
  const x = Array.from({ length: n }, () => cor.next(random));
  const [mean, deviation] = moments(x);
  const lag = x.slice(1).reduce((s, v, i) => s + (v - mean) * (x[i]! - mean), 0) / (n - 1) / deviation ** 2;
  assert.ok(Math.abs(lag - 0.75) < (5 * Math.sqrt(1 - 0.75 ** 2)) / Math.sqrt(n), String(lag));
  // The variance of (1 - ρ) u + ρ x is (1 - ρ)² / (1 - ρ²) of that of u.
  assert.ok(Math.abs(deviation - Math.sqrt((0.25 * 0.25) / (1 - 0.75 ** 2) / 12)) < 0.005, String(deviation));
});

test('independent loss', () => {
  near(losses(0.1, 20000).filter(Boolean).length, 20000, 0.1);
  assert.equal(losses(0, 100).includes(true), false);
  assert.equal(losses(1, 100).includes(false), false);
});

test('Gilbert-Elliott: bursts last 1/r frames, and p/(p+r) of the time is bad', () => {
  const [p, r, n] = [0.01, 0.2, 100_000];
  const marks = losses({ p, r }, n);
  const share = p / (p + r);
  near(marks.filter(Boolean).length, n, share, 1 - p - r);
  const bursts = runs(marks);
  const [length] = moments(bursts);
  // Lengths are geometric: mean 1/r, deviation √(1-r)/r.
  assert.ok(Math.abs(length - 1 / r) < (5 * Math.sqrt(1 - r)) / r / Math.sqrt(bursts.length), `bursts of ${String(length)}`);
});

test('Gilbert-Elliott with losses in both states: h and k are the chances to get through', () => {
  const [p, r, h, k, n] = [0.05, 0.15, 0.6, 0.98, 100_000];
  const bad = p / (p + r);
  near(losses({ p, r, h, k }, n).filter(Boolean).length, n, bad * (1 - h) + (1 - bad) * (1 - k), 1 - p - r);
});

test('p alone is independent loss: r is 1 - p then', () => {
  const marks = losses({ p: 0.2 }, 50000);
  near(marks.filter(Boolean).length, 50000, 0.2);
  const [length] = moments(runs(marks));
  assert.ok(Math.abs(length - 1 / 0.8) < 0.03);
});

test('four states: the share of each follows from the balance of its chain', () => {
  const [p13, p31, p32, p23, p14, n] = [0.02, 0.3, 0.1, 0.5, 0.01, 100_000];
  // Flows: π3 (p31 + p32) = π1 p13 + π2 p23; π2 p23 = π3 p32; π4 = π1 p14; all of them make 1.
  const three = p13 / p31;
  const sum = 1 + three + (three * p32) / p23 + p14;
  near(losses({ p13, p31, p32, p23, p14 }, n).filter(Boolean).length, n, (three + p14) / sum, 1 - p31 - p13);
});

test('loss by a trace: as recorded, again and again or once', () => {
  const show = (loss: Loss, n: number): string => losses(loss, n).map((m) => (m ? '1' : '0')).join('');
  assert.equal(show({ trace: '00101' }, 12), '001010010100');
  assert.equal(show({ trace: [false, true, 0, 1], repeat: false }, 7), '0101000');
});

test('slots open at drawn times, and so much passes in each', () => {
  const random = new Random(3);
  const slot = new Slot({ min: '10ms', packets: 3 }, 'slot');
  const passed = Array.from({ length: 8 }, (_, i) => slot.pass(random, 1000 * i + 1, 100));
  assert.deepEqual(passed, [0, 0, 0, 1, 1, 1, 2, 2].map((k) => 10_000_001 + k * 10_000_000));
  assert.equal(slot.pass(random, 95_000_000, 100), 105_000_000, 'a slot that nobody waited for went by');
  const bytes = new Slot({ min: '1ms', max: '3ms', bytes: 2500 }, 'slot');
  const times = Array.from({ length: 3000 }, () => bytes.pass(random, 0, 1000));
  const starts = [...new Set(times)];
  assert.equal(starts.length, 1000, 'three of 1000 bytes each: the third crosses the line');
  const gaps = starts.slice(1).map((t, i) => t - starts[i]!);
  assert.ok(Math.min(...gaps) >= 1_000_000 && Math.max(...gaps) < 3_000_000);
});

test('what is wrong names itself and the accepted form', () => {
  for (const [value, message] of [
    [1.5, /^loss: 1\.5 is out of range/], ['1%', /^loss: '1%' is not understood; expected a number from 0 to 1, /],
    [null, /^loss: object/],
    [{}, /^loss: p is missing/], [{ p: 2 }, /^loss: p: 2 is out of range/], [{ p: 0.1, q: 1 }, /^loss: q: no such option/],
    [{ p: 0.1, correlation: 0.2, r: 1 }, /^loss: r: no such option; expected p, correlation/],
    [{ p13: 0.6, p14: 0.6 }, /more than 1 together/],
    [{ p13: 0.1, p31: 0.6, p32: 0.6 }, /^loss: p31 and p32/], [{ trace: '01a' }, /^loss: trace is not understood/],
    [{ trace: [] }, /^loss: trace/],
    [{ trace: '1', repeat: 1 }, /^loss: repeat/],
  ] as [Loss, RegExp][]) assert.throws(() => parseLoss(value, 'loss'), { message }, JSON.stringify(value));
  assert.throws(() => parseChance({ p: 0.1, correlation: 7 }, 'corrupt'), /^RangeError: corrupt: correlation: 7/);
  for (const [value, message] of [
    [{ min: '2ms', max: '1ms' }, /max is less than min/], [{}, /a slot lasts/], [{ min: '1ms', packets: 0 }, /^slot: packets/],
    [{ distribution: 'normal', min: '1ms' }, /^slot: min: expected either/], [{ min: 1, jitter: 1 }, /^slot: jitter: expected either/],
    [{ distribution: 'gauss', delay: 1 }, /^slot: distribution: 'gauss'/], [{ min: 1, bytes: 0 }, /^slot: bytes/],
  ] as [SlotOptions, RegExp][]) assert.throws(() => new Slot(value, 'slot'), { message }, JSON.stringify(value));
});
