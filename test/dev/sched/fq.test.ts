/** fq: turns, pacing at exact times, departure times, limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fq } from '../../../src/dev/sched/fq.ts';
import { Drop } from '../../../src/skb/drop-reason.ts';
import { Bench } from './bench.ts';

test('a socket with a pacing rate: the initial quantum at once, then a quantum whenever the rate allows', () => {
  const b = new Bench({ kind: 'fq' });
  const sk = { pacingRate: 1_000_000 }; // a byte per microsecond
  for (let i = 0; i < 25; i++) b.send(i, 1000, { sk });
  b.run();
  // 15,140 bytes of credit are used up by the 16th packet; from then on turns of 3,028 bytes, one per 3.028 ms.
  const want = [...new Array<number>(16).fill(0), ...[1, 1, 1, 2, 2, 2, 3, 3, 3].map((k) => k * 3_028_000)];
  assert.deepEqual(b.times, want);
  assert.deepEqual(b.ids, Array.from({ length: 25 }, (_, i) => i));
  assert.equal((b.dev.qdisc as Fq).stat.throttled, 3);
});

test('maxrate below the threshold of low rates: packet by packet, each by its own length', () => {
  const b = new Bench({ kind: 'fq', maxrate: '80kbit' });
  for (const [i, len] of [1000, 500, 100, 1000].entries()) b.send(i, len);
  b.run();
  assert.deepEqual(b.times, [0, 100e6, 150e6, 160e6]);
  const free = new Bench({ kind: 'fq', maxrate: '80kbit', pacing: false });
  for (let i = 0; i < 4; i++) free.send(i, 1000);
  free.run();
  assert.deepEqual(free.times, [0, 0, 0, 0]);
});

test('each flow is paced by itself; the earliest sets the alarm', () => {
  const b = new Bench({ kind: 'fq', initialQuantum: 1000, quantum: 1000, lowRateThreshold: '1gbit' });
  const [slow, fast] = [{ pacingRate: 100_000 }, { pacingRate: 400_000 }];
  for (let i = 0; i < 3; i++) b.send(i, 1000, { sk: slow, sport: 1 });
  for (let i = 10; i < 15; i++) b.send(i, 1000, { sk: fast, sport: 2 });
  b.run();
  const of = (sport: number): number[] => b.left.filter((l) => l.sport === sport).map((l) => l.at);
  assert.deepEqual(of(1), [0, 10e6, 20e6]);
  assert.deepEqual(of(2), [0, 2.5e6, 5e6, 7.5e6, 10e6]);
});

test('packets that bring their departure time leave then, in that order; too far ahead is dropped or capped', () => {
  const b = new Bench({ kind: 'fq', horizon: '1s' });
  const sk = { pacingRate: Infinity };
  b.send(1, 1000, { sk, tstamp: 3e6 });
  b.send(2, 1000, { sk, tstamp: 7e6 });
  b.send(3, 1000, { sk, tstamp: 5e6 });
  assert.equal(b.send(4, 1000, { sk, tstamp: 2e9 }), false);
  assert.equal(b.h.pool.drops[Drop.FqHorizonLimit], 1);
  b.run();
  assert.deepEqual([b.ids, b.times], [[1, 3, 2], [3e6, 5e6, 7e6]]);
  const cap = new Bench({ kind: 'fq', horizon: '1s', horizonDrop: false });
  cap.send(1, 1000, { sk, tstamp: 2e9 });
  cap.run();
  assert.deepEqual(cap.times, [1e9]);
});

test('a flow has a limit of its own; control traffic passes all others', () => {
  const b = new Bench({ kind: 'fq', flowLimit: 5, limit: 8 });
  b.hold();
  b.send(0, 100, { sport: 9 });
  const sk = { pacingRate: Infinity };
  assert.deepEqual(Array.from({ length: 7 }, (_, i) => b.send(i, 1000, { sk, sport: 1 })), [true, true, true, true, true, false, false]);
  assert.deepEqual(Array.from({ length: 3 }, (_, i) => b.send(i, 1000, { sk, sport: 2 })), [true, true, false]);
  assert.deepEqual([b.h.pool.drops[Drop.FqFlowLimit], b.h.pool.drops[Drop.FqBandLimit]], [2, 1]);
  b.send(77, 60, { sk, sport: 1, priority: 7 });
  b.go();
  b.run();
  assert.deepEqual(b.ids.slice(0, 2), [77, 0]);
  assert.deepEqual([b.dev.qdisc!.qlen, b.dev.qdisc!.backlog, b.h.pool.live], [0, 0, 0]);
});

test('three bands by priority share the line by their weights; what one does not use, others have', () => {
  const b = new Bench({ kind: 'fq', weights: [60000, 30000, 20000], limit: 200, flowLimit: 200 });
  b.nsPerByte = 8;
  const sk = { pacingRate: Infinity };
  const [low, usual, high] = [2, 0, 6]; // priorities of bands 2, 1 and 0
  for (let i = 0; i < 110; i++) for (const priority of [low, usual, high]) b.send(priority, 1000, { sk, sport: 10 + priority, priority });
  b.run(110 * 1000 * 8);
  const count = (priority: number): number => b.left.filter((l) => l.id === priority).length;
  const [a, c, d] = [high, usual, low].map(count) as [number, number, number];
  assert.ok(Math.abs(a - 60) <= 2 && Math.abs(c - 30) <= 2 && Math.abs(d - 20) <= 2, `${String(a)}, ${String(c)} and ${String(d)} of 110`);
  b.run();
  assert.deepEqual([high, usual, low].map(count), [110, 110, 110]);
  assert.deepEqual((b.dev.qdisc as Fq).bands.map((band) => band.packets), [0, 0, 0]);
  b.hold();
  for (let i = 0; i < 201; i++) b.send(0, 100, { sk, sport: 10 });
  assert.equal(b.send(0, 100, { sk, sport: 11, priority: high }), true, 'the limit is that of a band');
  assert.equal(b.h.pool.drops[Drop.FqBandLimit], 1);
  b.go();
  b.run();
});

test('flows take turns by bytes', () => {
  const b = new Bench({ kind: 'fq', quantum: 2000, initialQuantum: 2000 });
  b.hold();
  const sk = { pacingRate: Infinity };
  for (let i = 0; i < 8; i++) b.send(i, 500, { sk, sport: 1 });
  for (let i = 0; i < 4; i++) b.send(i, 1000, { sk, sport: 2 });
  b.go();
  b.run();
  assert.equal(b.left.map((l) => l.sport).join(''), '111122111122');
});

test('flows that were empty for three seconds are forgotten when there are many; orphans share as many as the mask says', () => {
  const b = new Bench({ kind: 'fq', buckets: 4, orphanMask: 63 });
  const sk = { pacingRate: Infinity };
  for (let i = 0; i < 40; i++) b.send(i, 100, { sk, sport: 1000 + i });
  b.run();
  const q = b.dev.qdisc as Fq;
  assert.deepEqual([q.flows, q.inactiveFlows], [40, 39], 'the last one is still in line');
  b.run(10e9);
  for (let i = 0; i < 40; i++) b.send(i, 100, { sk, sport: 5000 + i });
  b.run();
  assert.ok(q.stat.gcFlows >= 30 && q.flows < 60, `${String(q.stat.gcFlows)} forgotten, ${String(q.flows)} left`);
  const o = new Bench({ kind: 'fq', orphanMask: 1 });
  for (let i = 0; i < 40; i++) o.send(i, 100, { sport: 1000 + i });
  assert.equal((o.dev.qdisc as Fq).flows, 2);
  q.change({ buckets: 256, limit: 3 });
  b.send(1, 100, { sk, sport: 1039 });
  b.run();
  assert.equal(q.qlen, 0);
});
