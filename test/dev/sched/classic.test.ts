/** pfifo, bfifo, prio, tbf; trees of disciplines. Times are exact: nothing else costs any. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qdiscList } from '../../../src/dev/sched/api.ts';
import { Drop } from '../../../src/skb/drop-reason.ts';
import { Bench } from './bench.ts';

test('pfifo counts packets, bfifo counts bytes; what is too much is dropped, in order the rest', () => {
  const p = new Bench({ kind: 'pfifo', limit: 3 });
  p.hold();
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => p.send(i, 1000)), [true, true, true, true, false], 'the first was put back by the driver');
  p.go();
  p.run();
  assert.deepEqual(p.ids, [0, 1, 2, 3]);
  const b = new Bench({ kind: 'bfifo', limit: '2500b' });
  b.hold();
  assert.deepEqual([1000, 1000, 1000, 600, 500].map((len, i) => b.send(i, len)), [true, true, false, false, true]);
  assert.deepEqual([b.dev.qdisc!.backlog, b.dev.qdisc!.drops], [2500, 2]);
  assert.equal(b.h.pool.drops[Drop.QdiscOverlimit], 2);
});

test('prio: bands by the priority, each with its own queue; a class by name', () => {
  const b = new Bench({ kind: 'prio', handle: '1:', bands: 4, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 3] });
  b.hold();
  [0, 1, 6, 15, 0x10001, 0x10004, 7].forEach((priority, i) => b.send(i, 100, { priority }));
  assert.deepEqual([b.dev.qdisc!.qlen, b.dev.qdisc!.backlog], [7, 700]);
  b.go();
  b.run();
  assert.deepEqual(b.ids, [2, 4, 6, 0, 1, 3, 5]);
  assert.deepEqual([b.dev.qdisc!.qlen, b.dev.qdisc!.backlog, b.dev.qdisc!.packets], [0, 0, 7]);
});

test('what a child drops is counted all the way up', () => {
  const b = new Bench({
    kind: 'prio', handle: '1:',
    children: [{ kind: 'pfifo', limit: 1 }, { kind: 'tbf', rate: '8mbit', burst: '2000b', limit: '3000b', child: { kind: 'pfifo',
      limit: 2 } }],
  });
  b.hold();
  for (let i = 0; i < 3; i++) b.send(i, 1000, { priority: 6 });
  for (let i = 10; i < 15; i++) b.send(i, 1000, { priority: 0 });
  const [root, first, second, leaf] = qdiscList(b.dev) as [typeof b.dev.qdisc & object, typeof b.dev.qdisc & object, never, never];
  assert.deepEqual([root.qlen, first.qlen, (second as typeof root).qlen, (leaf as typeof root).qlen], [3, 1, 2, 2]);
  assert.deepEqual([root.drops, first.drops, (second as typeof root).drops, (leaf as typeof root).drops], [5, 2, 3, 3]);
  assert.deepEqual([root.backlog, (second as typeof root).backlog], [3000, 2000]);
  b.go();
  b.run();
  assert.deepEqual([b.ids, root.qlen, root.backlog, b.h.pool.live], [[0, 10, 11], 0, 0, 0]);
});

test('tbf: the burst at once, then a packet whenever its bytes have become tokens', () => {
  const b = new Bench({ kind: 'tbf', rate: '8mbit', burst: '3000b', limit: '100kb' }); // a byte per microsecond
  for (let i = 0; i < 6; i++) b.send(i, 1000);
  b.run();
  assert.deepEqual(b.times, [0, 0, 0, 1e6, 2e6, 3e6]);
  assert.equal(b.dev.qdisc!.overlimits, 5, 'each look that came too early');
  b.at(4_500_000, () => { b.send(6, 1000); b.send(7, 1000); });
  b.run();
  assert.deepEqual(b.times.slice(6), [4_500_000, 5e6], 'a bucket and a half had come together');
});

test('tbf: the peakrate spreads the burst; overhead and cells cost what they cost', () => {
  const b = new Bench({ kind: 'tbf', rate: '8mbit', burst: '4000b', latency: '1s', peakrate: '16mbit', mtu: '1000b' });
  for (let i = 0; i < 6; i++) b.send(i, 1000);
  b.run();
  // Half a millisecond each at the peak rate; the bucket of 4000 bytes and what flows into it last for seven such packets.
  assert.deepEqual(b.times, [0, 500_000, 1e6, 1_500_000, 2e6, 2_500_000]);
  const o = new Bench({ kind: 'tbf', rate: '8mbit', burst: '1000b', limit: '100kb', overhead: 100, linklayer: 'atm' });
  for (let i = 0; i < 3; i++) o.send(i, 900);
  o.run();
  // 1000 bytes are 21 cells: 1113 bytes; the bucket holds 1000 of them.
  assert.deepEqual(o.times, [], 'more than the bucket can ever hold is never sent');
  o.set({ kind: 'tbf', rate: '8mbit', burst: '1200b', limit: '100kb', overhead: 100, linklayer: 'atm' });
  for (let i = 0; i < 3; i++) o.send(i, 900);
  o.run();
  assert.deepEqual(o.times.map((t) => t - o.times[0]!), [0, 1_026_000, 2_139_000]);
});

test('tbf: packets larger than the bucket are dropped, super-packets are cut; latency becomes a limit', () => {
  const b = new Bench({ kind: 'tbf', rate: '8mbit', burst: '1500b', latency: '5ms' }, { tso: true });
  assert.equal(b.send(1, 1600, { mss: 2000 }), false);
  assert.equal(b.h.pool.drops[Drop.QdiscDrop], 1);
  assert.equal(b.send(2, 4054, { mss: 1000 }), true);
  b.run();
  assert.deepEqual(b.left.map((l) => l.len), [1054, 1054, 1054, 1054]);
  assert.deepEqual(b.times, [0, 608_000, 1_662_000, 2_716_000]);
  assert.equal((qdiscList(b.dev)[1] as unknown as { limit: number }).limit, 5000 + 1500);
});

test('a discipline that goes away ends what it holds, and its alarm', () => {
  const b = new Bench({ kind: 'tbf', rate: '8kbit', burst: '1000b', limit: '100kb' });
  for (let i = 0; i < 5; i++) b.send(i, 1000);
  assert.ok(b.h.sim.live > 0);
  b.set({ kind: 'noqueue' });
  assert.equal(b.h.pool.drops[Drop.Purged], 4);
  assert.deepEqual([b.h.pool.live, b.h.sim.live], [0, 0]);
  b.send(9, 1000);
  assert.deepEqual(b.ids, [0, 9]);
});
