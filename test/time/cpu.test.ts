import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Cpu, DEFAULT_COSTS, MAX_SOFTIRQ_RESTART, NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, ZERO_COSTS } from '../../src/time/cpu.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { Task } from '../../src/time/task.ts';
import { Timer } from '../../src/time/timer.ts';

test('softirqs run on the way out of the last level, transmission before reception', () => {
  const cpu = new Cpu(new Simulation(), ZERO_COSTS);
  const ran: string[] = [];
  cpu.openSoftirq(NET_TX_SOFTIRQ, () => ran.push('tx'));
  cpu.openSoftirq(NET_RX_SOFTIRQ, () => ran.push('rx'));
  cpu.enter(0);
  cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  cpu.raiseSoftirq(NET_TX_SOFTIRQ);
  cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  cpu.enter(0);
  cpu.exit();
  assert.deepEqual(ran, []);
  cpu.exit();
  assert.deepEqual(ran, ['tx', 'rx']);
});

test('a softirq raised outside of the kernel runs as an event of its own', () => {
  const sim = new Simulation();
  const cpu = new Cpu(sim, ZERO_COSTS);
  let ran = 0;
  cpu.openSoftirq(NET_RX_SOFTIRQ, () => { ran++; });
  cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  assert.equal(ran, 0);
  while (sim.step());
  assert.equal(ran, 1);
});

test('a softirq that raises itself for ever is put off, and the world goes on in between', () => {
  const sim = new Simulation();
  const cpu = new Cpu(sim, ZERO_COSTS);
  let ran = 0;
  cpu.openSoftirq(NET_RX_SOFTIRQ, () => { if (++ran < 25) cpu.raiseSoftirq(NET_RX_SOFTIRQ); });
  cpu.enter(0);
  cpu.raiseSoftirq(NET_RX_SOFTIRQ);
  cpu.exit();
  assert.equal(ran, MAX_SOFTIRQ_RESTART);
  while (sim.step());
  assert.equal(ran, 25);
  assert.equal(cpu.deferred, 2);
});

test('work moves the clock of its processor, not that of the world; timers of the host wait until it is free', () => {
  const sim = new Simulation();
  const cpu = new Cpu(sim, { ...DEFAULT_COSTS });
  const fired: number[] = [];
  const timer = new Timer(sim, cpu, () => fired.push(cpu.now));
  const hardware = new Timer(sim, null, () => fired.push(-sim.now));
  timer.mod(100);
  hardware.mod(200);
  cpu.enter(5000);
  cpu.charge(1000);
  cpu.exit();
  assert.equal(sim.now, 0);
  assert.equal(cpu.now, 6000);
  while (sim.step());
  assert.deepEqual(fired, [-200, 6000]);
});

test('a woken task is ready once, after the wake-up cost, when the processor is free', () => {
  const sim = new Simulation();
  const cpu = new Cpu(sim, { ...ZERO_COSTS, wakeNs: 1500 });
  const task = new Task(() => undefined);
  cpu.enter(1000);
  cpu.wake(task);
  cpu.wake(task);
  cpu.exit();
  assert.equal(sim.hasTasks, false);
  while (sim.step());
  assert.equal(sim.now, 2500);
  assert.equal(sim.takeTask(), task);
  assert.equal(sim.takeTask(), null);
  assert.equal(cpu.wakeups, 1);
});

test('timers that expire while the processor is busy wait in line: an event each, however many there are', () => {
  const sim = new Simulation();
  const cpu = new Cpu(sim, { ...DEFAULT_COSTS });
  const fired: number[] = [];
  const timers = Array.from({ length: 1000 }, (_, i) => new Timer(sim, cpu, () => {
    fired.push(i);
    cpu.charge(100);
  }));
  for (const timer of timers) timer.mod(50);
  cpu.enter(1000);
  cpu.exit();
  sim.step();
  assert.equal(timers[0]!.pending, true);
  while (sim.now < 50 + 2000) sim.step();
  const early = fired.length;
  timers[900]!.del();
  timers[901]!.mod(1e9);
  while (sim.step());
  assert.ok(early > 0 && early < 900);
  assert.deepEqual(fired, [...Array.from({ length: 1000 }, (_, i) => i).filter((i) => i !== 900 && i !== 901), 901]);
  assert.ok(sim.events < 3000, `${sim.events} events`);
  assert.deepEqual([sim.armed, sim.live], [0, 0]);
});
