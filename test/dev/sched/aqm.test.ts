/** codel and fq_codel. The driver's line takes a microsecond per byte; times are exact. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NET_XMIT_CN, NET_XMIT_SUCCESS } from '../../../src/dev/qdisc.ts';
import type { FqCodel } from '../../../src/dev/sched/fq-codel.ts';
import { Drop } from '../../../src/skb/drop-reason.ts';
import { Bench } from './bench.ts';

/** When the law asks for drops, from the first one at `from` on: interval / √count later each. */
function law(from: number, interval: number, until: number): number[] {
  const out = [from];
  let next = from + interval;
  for (let count = 2; next < until; count++) {
    out.push(next);
    next += Math.floor(interval / Math.sqrt(count));
  }
  return out;
}

function dropTimes(b: Bench): number[] {
  const out: number[] = [];
  b.h.pool.onDrop = (_, reason): void => { if (reason === Drop.QdiscCongested) out.push(b.now); };
  return out;
}

test('RFC 8289: a queue that stays above the target for an interval loses packets, ever sooner, by the square root', () => {
  const b = new Bench({ kind: 'codel', limit: 10000 });
  const drops = dropTimes(b);
  b.nsPerByte = 1000;
  for (let i = 0; i < 900; i++) b.send(i, 1000); // all at 0; one leaves each millisecond
  b.run();
  // Above the target from 5 ms on; an interval later, at the next packet, the first drop. Each drop comes with the first packet
  // that is taken out when the law's moment has passed.
  const want = law(106e6, 100e6, 900e6).map((t) => Math.ceil(t / 1e6) * 1e6);
  assert.ok(drops.length > 10);
  const whole = drops.length - 3; // at the end the queue is short
  assert.deepEqual(drops.slice(0, whole), want.slice(0, whole));
  assert.equal(b.left.length + drops.length, 900);
  assert.equal(b.dev.qdisc!.drops, drops.length);
});

test('packets of senders that speak ECN are marked at the same moments, and none is lost', () => {
  const b = new Bench({ kind: 'codel', limit: 10000, ecn: true });
  b.nsPerByte = 1000;
  for (let i = 0; i < 900; i++) b.send(i, 1000, { tos: 2 });
  b.run();
  assert.equal(b.left.length, 900);
  const marked = b.left.filter((l) => l.ecn === 3).map((l) => l.at);
  const want = law(106e6, 100e6, 900e6).map((t) => Math.ceil(t / 1e6) * 1e6);
  assert.deepEqual(marked.slice(0, 10), want.slice(0, 10));
  assert.equal(b.dev.qdisc!.ecnMark, marked.length);
});

test('a queue below the target, or of one packet, is left alone; ce_threshold marks what waited longer', () => {
  const b = new Bench({ kind: 'codel', target: '5ms', ceThreshold: '2ms' });
  b.nsPerByte = 1000;
  for (let t = 0; t < 300; t++) b.at(t * 4_000_000, () => { for (let i = 0; i < 4; i++) b.send(i, 1000, { tos: 1 }); });
  b.run();
  assert.equal(b.left.length, 1200);
  assert.equal(b.dev.qdisc!.drops, 0);
  assert.deepEqual(b.left.slice(0, 8).map((l) => l.ecn), [1, 1, 1, 3, 1, 1, 1, 3]);
});

test('fq_codel: two flows with full queues get the same bytes, whatever the size of their packets', () => {
  const b = new Bench({ kind: 'fq_codel', target: '10s' });
  b.nsPerByte = 1000;
  for (let i = 0; i < 1000; i++) b.send(i, 300, { sport: 1 });
  for (let i = 0; i < 200; i++) b.send(i, 1500, { sport: 2 });
  b.run(200e6);
  const bytes = (sport: number): number => b.left.filter((l) => l.sport === sport).reduce((n, l) => n + l.len, 0);
  // A turn is 1514 bytes, and may be overdrawn by a packet.
  assert.ok(Math.abs(bytes(1) - bytes(2)) <= 2 * 1514 + 1500, `${String(bytes(1))} and ${String(bytes(2))}`);
  assert.ok(bytes(1) > 90_000);
});

test('fq_codel: a flow of single packets goes ahead of a full queue', () => {
  const b = new Bench({ kind: 'fq_codel' });
  b.nsPerByte = 1000;
  for (let i = 0; i < 2000; i++) b.send(i, 1000, { sport: 1 });
  const sent: number[] = [];
  for (let k = 1; k <= 50; k++) {
    b.at(k * 7_300_000, () => {
      sent.push(b.now);
      b.send(k, 100, { sport: 2 });
    });
  }
  b.run(400e6);
  const waits = b.left.filter((l) => l.sport === 2).map((l, i) => l.at - sent[i]!);
  assert.equal(waits.length, 50);
  assert.ok(Math.max(...waits) <= 1_000_000, 'no longer than the packet on the line takes');
  assert.ok((b.dev.qdisc as FqCodel).newFlowCount >= 50);
});

test('fq_codel: over the limit, the fattest flow loses half of its packets, from the head; its sender is told', () => {
  const b = new Bench({ kind: 'fq_codel', limit: 100, dropBatch: 8 });
  b.hold();
  b.send(0, 100, { sport: 9 }); // put back by the driver
  for (let i = 0; i < 30; i++) b.send(i, 100, { sport: 2 });
  const answers = Array.from({ length: 80 }, (_, i) => b.xmit(i, 1000, { sport: 1 }));
  const q = b.dev.qdisc as FqCodel;
  assert.equal(answers.filter((rc) => rc === NET_XMIT_CN).length, 2, 'at 101 packets, and eight more later again');
  assert.equal(answers.filter((rc) => rc === NET_XMIT_SUCCESS).length, 78);
  assert.deepEqual([q.drops, q.dropOverlimit, q.qlen], [16, 16, 95]);
  assert.equal(b.h.pool.drops[Drop.QdiscOverlimit], 16);
  b.go();
  b.run();
  assert.equal(b.left.filter((l) => l.sport === 2).length, 30, 'the thin flow lost nothing');
  assert.deepEqual(b.left.filter((l) => l.sport === 1).map((l) => l.id), Array.from({ length: 64 }, (_, i) => i + 16));
  assert.deepEqual([q.qlen, q.backlog, q.memoryUsage, b.h.pool.live], [0, 0, 0, 0]);
});

test('fq_codel: memory is a limit, too; a lower limit takes effect at once', () => {
  const b = new Bench({ kind: 'fq_codel', memoryLimit: '20kb' });
  b.hold();
  for (let i = 0; i < 40; i++) b.send(i, 1000, { sport: 1 });
  const q = b.dev.qdisc as FqCodel;
  assert.ok(q.memoryUsage <= 20_000 && q.dropOvermemory > 0);
  const before = q.qlen;
  q.change({ limit: 5 });
  assert.ok(q.qlen <= 5 && before > 5);
  q.reset();
  assert.deepEqual([q.qlen, q.backlog, q.memoryUsage, b.h.pool.live], [0, 0, 0, 0]);
});
