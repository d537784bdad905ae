/** netem of hosts: delays and rates at exact times, chances within five deviations, what it does to super-packets and senders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NET_XMIT_DROP } from '../../../src/dev/qdisc.ts';
import type { Netem } from '../../../src/dev/sched/netem.ts';
import { Drop } from '../../../src/skb/drop-reason.ts';
import { Bench } from './bench.ts';

test('delay: each packet leaves so much later, whoever had sent it is told at once', () => {
  const b = new Bench({ kind: 'netem', delay: '100ms' });
  b.send(1, 1000);
  b.at(30e6, () => { b.send(2, 500); });
  b.run();
  assert.deepEqual([b.ids, b.times], [[1, 2], [100e6, 130e6]]);
  assert.deepEqual([b.dev.qdisc!.qlen, b.dev.qdisc!.backlog, b.dev.qdisc!.packets, b.h.sim.live], [0, 0, 2, 0]);
});

test('jitter reorders, within its bounds, by its law', () => {
  for (const distribution of ['uniform', 'normal'] as const) {
    const b = new Bench({ kind: 'netem', delay: '50ms', jitter: '10ms', distribution, limit: 5000 });
    for (let i = 0; i < 2000; i++) b.at(i * 1e6, () => { b.send(i, 100); });
    b.run();
    assert.equal(b.left.length, 2000);
    assert.notDeepEqual(b.ids, [...b.ids].sort((x, y) => x - y));
    const delays = b.left.map((l) => l.at - l.id * 1e6);
    const mean = delays.reduce((s, d) => s + d, 0) / 2000;
    const sigma = distribution === 'uniform' ? 10e6 / Math.sqrt(3) : 10e6;
    assert.ok(Math.abs(mean - 50e6) < (5 * sigma) / Math.sqrt(2000), String(mean));
    const bound = distribution === 'uniform' ? 10e6 : 40e6;
    assert.ok(Math.min(...delays) >= 50e6 - bound && Math.max(...delays) <= 50e6 + bound);
  }
});

test('rate: packets leave one behind the other, with what the link adds; time in line is part of the delay', () => {
  const b = new Bench({ kind: 'netem', rate: '8mbit' });
  for (let i = 0; i < 3; i++) b.send(i, 1000);
  b.run();
  assert.deepEqual(b.times, [1e6, 2e6, 3e6]);
  const c = new Bench({ kind: 'netem', rate: '8mbit', packetOverhead: 20, cellSize: 48, cellOverhead: 5 });
  c.send(1, 1000);
  c.run();
  assert.deepEqual(c.times, [22 * 53 * 1000], '1020 bytes are 22 cells of 48');
  const d = new Bench({ kind: 'netem', rate: '8mbit', delay: '5ms' });
  for (let i = 0; i < 3; i++) d.send(i, 1000);
  d.run();
  assert.deepEqual(d.times, [6e6, 7e6, 8e6]);
});

test('reorder: each gap-th packet goes to the front', () => {
  const b = new Bench({ kind: 'netem', delay: '10ms', reorder: 1, gap: 4 });
  for (let i = 0; i < 12; i++) b.at(i * 1000, () => { b.send(i, 100); });
  b.run();
  assert.deepEqual(b.ids, [3, 7, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10]);
  assert.equal(b.left[0]!.at, 3000);
  assert.equal((b.dev.qdisc as Netem).reordered, 3);
});

for (const what of ['loss', 'duplicate', 'corrupt'] as const) {
  test(`${what}: so many, the same ones for the same seed`, () => {
    const n = 4000;
    const runs = [7, 7, 8].map((seed) => {
      const b = new Bench({ kind: 'netem', limit: 2 * n, seed, [what]: 0.1 });
      for (let i = 0; i < n; i++) b.send(i, 100);
      b.run();
      const q = b.dev.qdisc as Netem;
      const count = what === 'loss' ? q.lost : what === 'duplicate' ? q.duplicated : q.corrupted;
      assert.ok(Math.abs(count - n / 10) < 5 * Math.sqrt(n * 0.1 * 0.9), String(count));
      assert.equal(b.left.length, what === 'loss' ? n - count : what === 'duplicate' ? n + count : n);
      assert.equal(b.h.pool.drops[Drop.QdiscDrop], what === 'loss' ? count : 0);
      assert.equal(b.h.pool.live, 0);
      return `${String(count)} ${b.left.map((l) => `${String(l.id)}:${String(l.sport)}`).join()}`;
    });
    assert.equal(runs[0], runs[1]);
    assert.notEqual(runs[0], runs[2]);
  });
}

test('loss in bursts; with ecn, marks instead; a sender is never told', () => {
  const b = new Bench({ kind: 'netem', loss: { trace: '0110' } });
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => b.send(i, 100)), [true, true, true, true, true]);
  b.run();
  assert.deepEqual(b.ids, [0, 3, 4]);
  const e = new Bench({ kind: 'netem', loss: { trace: '01' }, ecn: true });
  for (let i = 0; i < 4; i++) e.send(i, 100, { tos: i < 2 ? 2 : 0 });
  e.run();
  assert.deepEqual(e.left.map((l) => [l.id, l.ecn]), [[0, 2], [1, 3], [2, 0]], 'who does not speak it loses');
});

test('slots gather what is ready', () => {
  const b = new Bench({ kind: 'netem', slot: { min: '10ms', packets: 2 } });
  for (let i = 0; i < 5; i++) b.send(i, 100);
  b.run();
  assert.deepEqual(b.times, [0, 0, 10e6, 10e6, 20e6]);
});

test('what the limit does not hold is dropped, and the sender sees it', () => {
  const b = new Bench({ kind: 'netem', delay: '1s', limit: 3 });
  assert.deepEqual([0, 1, 2, 3].map((i) => b.xmit(i, 100)), [0, 0, 0, NET_XMIT_DROP]);
  assert.equal(b.h.pool.drops[Drop.QdiscOverlimit], 1);
  b.run();
  assert.equal(b.left.length, 3);
});

test('a child gets what has been delayed: a slow link with a queue behind a long path', () => {
  const b = new Bench({
    kind: 'netem', delay: '100ms', limit: 100, child: { kind: 'tbf', rate: '8mbit', burst: '1000b', limit: '2500b' },
  });
  for (let i = 0; i < 6; i++) b.send(i, 1000);
  b.run();
  // At 100 ms all six come to the bucket: one passes, two wait (one of them at the door, taken out to be looked at), three are lost.
  assert.equal(b.left.length + b.h.pool.drops[Drop.QdiscOverlimit]!, 6);
  assert.deepEqual(b.times.map((t) => t - 100e6), [0, 1e6, 2e6].slice(0, b.left.length));
  assert.deepEqual([b.dev.qdisc!.qlen, b.dev.qdisc!.backlog, b.h.pool.live], [0, 0, 0]);
  assert.equal(b.dev.qdisc!.drops, 6 - b.left.length);
});

test('a damaged super-packet is cut first, and one segment is damaged', () => {
  const b = new Bench({ kind: 'netem', corrupt: 1 }, { tso: true });
  b.send(1, 4054, { mss: 1000 });
  b.run();
  assert.deepEqual(b.left.map((l) => l.len), [1054, 1054, 1054, 1054]);
  assert.equal((b.dev.qdisc as Netem).corrupted, 1);
});

test('change says everything anew and leaves what waits where it is', () => {
  const b = new Bench({ kind: 'netem', delay: '100ms', loss: 0.5 });
  const q = b.dev.qdisc as Netem;
  q.change({ delay: '10ms' });
  for (let i = 0; i < 50; i++) b.send(i, 100);
  q.change({});
  b.send(99, 100);
  b.run();
  assert.deepEqual([b.ids[0], b.left.length, b.times[1]], [99, 51, 10e6]);
});
