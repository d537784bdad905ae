/** The pump: when virtual time moves, and when it must not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { EVENT_BUDGET, Pump } from '../../src/time/pump.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { Task } from '../../src/time/task.ts';
import { Timer } from '../../src/time/timer.ts';

const MS = 1e6;

/** Resolves when `sim` reaches `at`, as a woken task does. */
function wakeAt(sim: Simulation, at: number): Promise<number> {
  return new Promise((resolve) => {
    const task = new Task(() => resolve(sim.now));
    new Timer(sim, null, () => sim.ready(task)).mod(at);
  });
}

test('a world is live from birth: what is due happens without being asked for', async () => {
  const sim = new Simulation();
  void new Pump(sim);
  assert.equal(await wakeAt(sim, 5 * MS), 5 * MS);
  assert.equal(await wakeAt(sim, 3600e9), 3600e9, 'an hour costs nothing');
});

test('virtual time stands still until user code rests: microtasks, next ticks and a macrotask turn', async () => {
  const sim = new Simulation();
  void new Pump(sim);
  const late = wakeAt(sim, 2 * MS);
  await wakeAt(sim, 1 * MS);
  for (let i = 0; i < 100; i++) await Promise.resolve();
  assert.equal(sim.now, 1 * MS);
  await new Promise((resolve) => process.nextTick(resolve));
  assert.equal(sim.now, 1 * MS);
  assert.equal(await late, 2 * MS);
});

test('a wake-up of user code costs one macrotask, an event none', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  let events = 0;
  const busy = new Timer(sim, null, () => {
    if (++events % 1000 !== 0) busy.mod(sim.now + 1000);
  });
  for (let i = 0; i < 10; i++) {
    busy.mod(sim.now + 1000);
    await wakeAt(sim, sim.now + 2 * MS);
  }
  assert.equal(events, 10000);
  assert.ok(pump.turns <= 22, `${pump.turns} turns for 10 wake-ups`);
});

test('a busy world lets the event loop of the runtime turn', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  const forever = new Timer(sim, null, () => forever.mod(sim.now + 1));
  forever.mod(1);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  forever.del();
  assert.ok(pump.turns >= 4 && sim.events >= 4 * EVENT_BUDGET, `${pump.turns} turns, ${sim.events} events`);
});

test('tasks that make each other ready do not keep user code from resting', async () => {
  const sim = new Simulation();
  void new Pump(sim);
  let hops = 0;
  let rested = 0;
  const a: Task = new Task(() => {
    hops++;
    void Promise.resolve().then(() => rested++);
    if (hops < 100) sim.ready(b);
  });
  const b: Task = new Task(() => sim.ready(a));
  sim.ready(a);
  await wakeAt(sim, MS);
  assert.deepEqual([hops, rested, sim.now], [100, 100, MS]);
});

test('housekeeping alone moves nothing', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  let fired = 0;
  new Timer(sim, null, () => fired++, true).mod(10 * MS);
  await new Promise<void>((resolve) => pump.whenIdle(resolve));
  assert.deepEqual([fired, sim.now], [0, 0]);
  await wakeAt(sim, 20 * MS);
  assert.equal(fired, 1, 'but it runs in its turn when something else moves the clock');
});

test('while a program waits, housekeeping runs, up to a limit; then the deadlock is told, once', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  const woken: number[] = [];
  const task = new Task(() => woken.push(sim.now));
  new Timer(sim, null, () => sim.ready(task), true).mod(7200e9);
  const tick = new Timer(sim, null, () => tick.mod(sim.now + 60e9), true);
  tick.mod(60e9);
  let told = 0;
  await new Promise<void>((resolve) => {
    pump.onDeadlock = (): void => {
      told++;
      resolve();
    };
    pump.addProgram(1);
  });
  pump.addProgram(-1);
  assert.deepEqual(woken, [7200e9]);
  assert.equal(told, 1);
  tick.del();
});

test('what a task throws surfaces as an uncaught exception, and the other tasks run', () => {
  const program = `
    import { Pump } from './src/time/pump.ts';
    import { Simulation } from './src/time/simulation.ts';
    import { Task } from './src/time/task.ts';
    const sim = new Simulation();
    new Pump(sim);
    process.on('uncaughtException', (e) => console.log('uncaught', e.message));
    sim.ready(new Task(() => { throw new Error('mine'); }));
    sim.ready(new Task(() => console.log('second')));
    setTimeout(() => console.log('end'), 20);
  `;
  const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.equal(run.stdout, 'uncaught mine\nsecond\nend\n', run.stderr);
});

test('neither a pump at rest nor housekeeping keeps the process alive', () => {
  const program = `
    import { Pump } from './src/time/pump.ts';
    import { Simulation } from './src/time/simulation.ts';
    import { Timer } from './src/time/timer.ts';
    const sim = new Simulation();
    new Pump(sim);
    new Timer(sim, null, () => console.log('housekeeping'), true).mod(1e9);
    new Timer(sim, null, () => console.log('live at', sim.now)).mod(5e8);
    process.on('exit', () => console.log('exit'));
  `;
  const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { encoding: 'utf8', timeout: 20000 });
  assert.equal(run.stdout, 'live at 500000000\nexit\n', run.stderr);
});

test('manual mode: the clock goes as far as it is allowed to, and what is due up to there happens', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim, 'manual');
  const fired: number[] = [];
  for (const at of [1, 5, 9]) new Timer(sim, null, () => fired.push(at)).mod(at * MS);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(fired, []);
  const half = wakeAt(sim, 6 * MS);
  pump.allow(6 * MS);
  await half;
  assert.deepEqual([fired, sim.now], [[1, 5], 6 * MS]);
  pump.allow(8 * MS);
  await new Promise<void>((resolve) => pump.whenIdle(resolve));
  assert.deepEqual([fired, sim.now], [[1, 5], 8 * MS]);
});

test('real mode: virtual time follows the wall clock', async () => {
  const sim = new Simulation();
  void new Pump(sim, 'real');
  const before = performance.now();
  await wakeAt(sim, 30 * MS);
  const took = performance.now() - before;
  assert.ok(took >= 25 && took < 500, `30 ms took ${took} ms`);
});

test('holds and real work stop the clock', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  let working = true;
  pump.hold();
  const done = wakeAt(sim, MS);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(sim.now, 0);
  pump.realWork = (): boolean => working;
  pump.release();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(sim.now, 0);
  working = false;
  assert.equal(await done, MS);
});

test('drain runs a world of tasks here and now', () => {
  const sim = new Simulation();
  const pump = new Pump(sim);
  const seen: number[] = [];
  const task = new Task(() => seen.push(sim.now));
  new Timer(sim, null, () => sim.ready(task)).mod(3 * MS);
  pump.drain(MS);
  assert.deepEqual([seen, sim.now], [[], MS]);
  pump.drain();
  assert.deepEqual(seen, [3 * MS]);
});

test('real mode: what becomes due before the next timer is not slept through', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim, 'real');
  const far = new Timer(sim, null, () => undefined);
  far.mod(sim.now + 3600 * 1e9);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve)); // the pump sleeps now, for an hour
  const fired = await new Promise<string>((resolve) => {
    const near = new Timer(sim, null, () => { resolve('fired'); });
    pump.sync();
    near.mod(sim.now + 1e6);
    setTimeout(() => { resolve('slept through'); }, 2000);
  });
  pump.stop();
  assert.equal(fired, 'fired');
});

test('real mode: a program that never rests does not stop the clock', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim, 'real');
  pump.settle = (): void => undefined;
  pump.resting = (): boolean => true; // a wake-up needs no macrotask: the turns are long
  const wake = new Timer(sim, null, () => { sim.ready(task); });
  const task = new Task(() => { wake.mod(sim.now + 1); }); // the peer answers at once, and so for ever
  const [began, from] = [performance.now(), sim.now];
  wake.mod(sim.now + 1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  const behindMs = performance.now() - began - (sim.now - from) / MS;
  pump.stop();
  assert.ok(behindMs < 30, `the clock is ${behindMs} ms behind`);
});

test('real mode: while user code computes, the kernels did what was due in its own time and order', async () => {
  const sim = new Simulation();
  const pump = new Pump(sim, 'real');
  const seen: string[] = [];
  const timeout = new Timer(sim, null, () => void seen.push('retransmission'));
  const ack = new Timer(sim, null, () => { timeout.del(); });
  const segment = new Timer(sim, null, () => { ack.mod(sim.now + MS); });
  const compute = new Task(() => {
    segment.mod(sim.now + MS);
    timeout.mod(sim.now + 10 * MS);
    for (const until = performance.now() + 40; performance.now() < until;);
  });
  sim.ready(compute);
  await wakeAt(sim, sim.now + 20 * MS);
  pump.stop();
  assert.deepEqual(seen, []);
});
