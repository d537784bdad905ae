/** Chance from a seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';

/** The first draws of a stream. */
const draws = (seed: number, name: string): string => {
  const random = Random.stream(seed, name);
  return Array.from({ length: 4 }, () => random.next32()).join();
};

test('a stream belongs to its seed and its name: equal ones are equal, all others differ', () => {
  const seen = new Set<string>();
  const seeds = [0, 1, 2, 7, -1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 53 - 1];
  const names = ['', 'a', 'b', 'host:alice', 'cable:alice.eth0~bob.eth0:ab', 'cable:alice.eth0~bob.eth0:ba'];
  for (const seed of seeds) for (const name of names) seen.add(draws(seed, name));
  assert.equal(seen.size, seeds.length * names.length);
  assert.equal(draws(42, 'x'), draws(42, 'x'));
});

test('draws are spread evenly over seeds', () => {
  let sum = 0;
  for (let seed = 0; seed < 10000; seed++) sum += Random.stream(seed, 'cable').float();
  assert.ok(Math.abs(sum / 10000 - 0.5) < 0.01, `mean ${sum / 10000}`);
});

test('a certain answer draws nothing', () => {
  const [a, b] = [new Random(5), new Random(5)];
  assert.equal(a.chance(0), false);
  assert.equal(a.chance(1), true);
  assert.equal(a.next32(), b.next32());
});
