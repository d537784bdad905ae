import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { Timer } from '../../src/time/timer.ts';

/** What the wheel must do, done the slow way: an array, sorted by (expires, order of arming). */
class Model {
  readonly armed: Map<number, { expires: number; seq: number }> = new Map();
  seq = 0;

  mod(id: number, expires: number): void {
    this.armed.set(id, { expires, seq: ++this.seq });
  }

  next(): number {
    let best = -1;
    for (const [id, t] of this.armed) {
      const b = this.armed.get(best);
      if (b === undefined || t.expires < b.expires || (t.expires === b.expires && t.seq < b.seq)) best = id;
    }
    return best;
  }
}

/** Delays of every level of the wheel, and the edges between them. */
function delay(random: Random): number {
  const kind = random.below(8);
  if (kind === 0) return 0;
  if (kind === 1) return random.below(16);
  const level = random.below(6);
  const width = 1024 * 256 ** level;
  if (kind === 2) return width * random.below(256);
  if (kind === 3) return Math.max(0, width * random.below(256) - 1 + random.below(3));
  return Math.floor(random.float() * width * 256);
}

for (let seed = 1; seed <= 60; seed++) {
  test(`the wheel does what a sorted array does, seed ${seed}`, () => {
    const random = new Random(seed);
    const sim = new Simulation();
    const model = new Model();
    const fired: number[] = [];
    const expected: number[] = [];
    const timers = Array.from({ length: 1 + random.below(200) }, (_, id) => new Timer(sim, null, () => fired.push(id), id % 7 === 0));
    const steps = 3000;
    for (let step = 0; step < steps; step++) {
      const id = random.below(timers.length);
      const timer = timers[id]!;
      const what = random.below(10);
      if (what < 5) {
        const at = sim.now + delay(random);
        timer.mod(at);
        model.mod(id, at);
      } else if (what === 5) {
        timer.del();
        model.armed.delete(id);
      } else {
        const next = model.next();
        assert.equal(sim.nextTime(), next < 0 ? Infinity : model.armed.get(next)!.expires);
        if (next < 0) {
          assert.equal(sim.step(), false);
          continue;
        }
        if (random.below(4) === 0) {
          const between = sim.now + Math.floor(random.float() * (model.armed.get(next)!.expires - sim.now + 1));
          sim.advanceTo(between); // as the pump does when the clock follows real time
        }
        expected.push(next);
        const at = model.armed.get(next)!.expires;
        model.armed.delete(next);
        assert.equal(sim.step(), true);
        assert.equal(sim.now, at);
      }
      assert.equal(sim.armed, model.armed.size);
      assert.equal(timer.pending, model.armed.has(id));
    }
    while (sim.step());
    for (let next = model.next(); next >= 0; next = model.next()) {
      expected.push(next);
      model.armed.delete(next);
    }
    assert.deepEqual(fired, expected);
    assert.equal(sim.live, 0);
    assert.equal(sim.armed, 0);
  });
}

test('timers of the same nanosecond fire in the order in which they were armed', () => {
  const sim = new Simulation();
  const fired: number[] = [];
  const timers = [0, 1, 2, 3, 4].map((id) => new Timer(sim, null, () => fired.push(id)));
  for (const id of [3, 1, 4, 0, 2]) timers[id]!.mod(5000);
  timers[1]!.mod(5000); // armed again: now it is the last
  while (sim.step());
  assert.deepEqual(fired, [3, 4, 0, 2, 1]);
});

test('a timer that arms itself in its handler for now fires again, after the others of the same time', () => {
  const sim = new Simulation();
  const fired: string[] = [];
  const a = new Timer(sim, null, () => {
    fired.push('a');
    if (fired.length < 4) a.mod(sim.now);
  });
  const b = new Timer(sim, null, () => fired.push('b'));
  a.mod(10);
  b.mod(10);
  while (sim.step());
  assert.deepEqual(fired, ['a', 'b', 'a', 'a']);
});

test('a timer beyond the last level fires on its nanosecond', () => {
  const sim = new Simulation();
  const at = 1024 * 256 ** 6 * 3 + 12345; // some 27 years
  let when = -1;
  new Timer(sim, null, () => { when = sim.now; }).mod(at);
  while (sim.step());
  assert.equal(when, at);
});

test('the first live timer calls onBusy; housekeeping does not', () => {
  const sim = new Simulation();
  let calls = 0;
  sim.onBusy = () => { calls++; };
  const housekeeping = new Timer(sim, null, () => undefined, true);
  const live = new Timer(sim, null, () => undefined);
  housekeeping.mod(100);
  assert.equal(calls, 0);
  live.mod(50);
  live.mod(60);
  assert.equal(calls, 1);
  while (sim.step());
  assert.equal(sim.live, 0);
});
