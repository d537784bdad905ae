/**
 * A million frames from outside, mutated in every way that frames can be wrong, into a host with open sockets: nothing is
 * thrown, nothing is lost without a name, nothing leaks, and the host still does its work afterwards.
 *
 * Each seed is a host of its own and a tenth of a million frames; KERNET_SEED runs one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FuzzHost } from './fuzz-host.ts';

const FRAMES_PER_SEED = 50_000;
const SEEDS: readonly number[] = Array.from({ length: 20 }, (_, i) => 0x5eed00 + i);
const given = process.env['KERNET_SEED'];
const seeds = given === undefined ? SEEDS : [Number(given)];

/** Why frames were dropped, all seeds together. */
const reasons = new Set<string>();

for (const seed of seeds) {
  test(`mutated frames, seed 0x${seed.toString(16)}: never a throw, a leak or a nameless drop`, () => {
    const fuzz = new FuzzHost(seed);
    for (let i = 0; i < FRAMES_PER_SEED; i++) {
      try {
        fuzz.frame();
      } catch (error) {
        const hex = [...fuzz.last].map((b) => b.toString(16).padStart(2, '0')).join('');
        throw new Error(`seed 0x${seed.toString(16)}, frame ${i}: ${String(error)}\n  ${hex}`, { cause: error });
      }
    }
    assert.equal(fuzz.injected, FRAMES_PER_SEED);
    for (const reason of fuzz.reasons()) reasons.add(reason);
    fuzz.finish();
  });
}

if (given === undefined) {
  test('together they are a million', () => {
    assert.ok(SEEDS.length * FRAMES_PER_SEED >= 1_000_000);
    // They get deep: many different things were found wrong with them.
    for (const found of ['DupFrag', 'FragOverlap', 'FragInvalid', 'FragReasmTimeout', 'IgmpInvalid']) {
      assert.ok(reasons.has(found), found);
    }
    assert.ok(reasons.size >= 30, [...reasons].join(' '));
  });
}
