/** Random trees of disciplines under random traffic: nothing is lost without a count, nothing stays behind, no alarm is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Qdisc } from '../../../src/dev/qdisc.ts';
import { qdiscGraftRoot, qdiscList } from '../../../src/dev/sched/api.ts';
import { Netem } from '../../../src/dev/sched/netem.ts';
import { qdiscChange, type QdiscOptions } from '../../../src/dev/sched/kinds.ts';
import { Random } from '../../../src/lib/random.ts';
import { Bench } from './bench.ts';

const SEEDS = 80;

function drawLeaf(r: Random): QdiscOptions {
  const limit = 1 + r.below(40);
  switch (r.below(6)) {
    case 0: return { kind: 'pfifo', limit };
    case 1: return { kind: 'bfifo', limit: 500 * limit };
    case 2: return { kind: 'codel', limit, target: '1ms', interval: '10ms', ecn: r.chance(0.5) };
    case 3: return { kind: 'fq_codel', limit, flows: 1 + r.below(16), target: '1ms', interval: '10ms', dropBatch: 1 + r.below(8) };
    case 4: return { kind: 'fq', limit, flowLimit: 1 + r.below(20), buckets: 4, ...(r.chance(0.5) ? { maxrate: '20mbit' } : {}) };
    default: return { kind: 'pfifo_fast' };
  }
}

function draw(r: Random, depth: number): QdiscOptions {
  const kind = depth === 0 ? 9 : r.below(5);
  if (kind === 0) {
    const child = r.chance(0.7) ? { child: draw(r, depth - 1) } : {};
    return { kind: 'tbf', rate: '10mbit', burst: 1600 + r.below(5000), limit: 3000 + r.below(20000), ...child };
  }
  if (kind === 1) {
    return {
      kind: 'netem', delay: '2ms',
      jitter: r.chance(0.5) ? '1ms' : 0, loss: r.chance(0.5) ? { p: 0.05, r: 0.3 } : 0, limit: 5 + r.below(100),
      duplicate: r.chance(0.3) ? 0.1 : 0, corrupt: r.chance(0.3) ? 0.1 : 0, reorder: r.chance(0.3) ? 0.1 : 0,
      ...(r.chance(0.3) ? { rate: '15mbit' } : {}), ...(r.chance(0.3) ? { slot: { min: '1ms', max: '3ms', packets: 4 } } : {}),
      ...(r.chance(0.5) ? { child: draw(r, depth - 1) } : {}),
    };
  }
  if (kind === 2) return { kind: 'prio', children: [draw(r, depth - 1), draw(r, depth - 1), draw(r, depth - 1)] };
  if (kind === 3) {
    const rate = `${String(2 + r.below(8))}mbit`;
    return {
      kind: 'htb', default: r.chance(0.8) ? 0x10 : 0,
      classes: [
        { id: 1, rate: '10mbit' }, { id: 0x10, parent: 1, rate, ceil: '10mbit', child: draw(r, depth - 1) },
        { id: 0x20, parent: 1, rate: '1mbit', prio: 1 },
      ],
    };
  }
  return drawLeaf(r);
}

/** What a parent says must be what there is below and in it. */
function consistent(root: Qdisc): void {
  for (const q of [root, ...qdiscList(root.dev)]) {
    const below = q.classes.reduce((n, child) => n + (child?.qlen ?? 0), 0);
    assert.ok(q.qlen >= below && q.backlog >= 0, `${q.kind} says ${String(q.qlen)}, ${String(below)} wait below`);
    if (q.kind === 'tbf' || q.kind === 'prio') assert.equal(q.qlen - q.requeued.qlen, below, q.kind);
    assert.ok(q.qlen > 0 || q.backlog === 0, `${q.kind} is empty and says ${String(q.backlog)} bytes`);
  }
}

test(`${String(SEEDS)} trees: packets in are packets out and packets dropped`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const r = new Random(seed);
    const options = draw(r, 3);
    const b = new Bench(options, { tso: r.chance(0.5) });
    b.nsPerByte = r.chance(0.7) ? 500 : 0;
    const root = b.dev.qdisc!;
    let segments = 0;
    for (let i = 0; i < 200; i++) {
      b.at(r.below(100_000_000), () => {
        const parts = seed % 2 === 0 && r.chance(0.1) ? 4 : 1;
        segments += parts;
        b.send(i, 54 + parts * (50 + r.below(1000)), {
          sport: 1 + r.below(5), priority: r.below(16), tos: r.below(4), ...(parts > 1 ? { mss: 1000 } : {}),
          ...(r.chance(0.5) ? { sk: { pacingRate: 500_000 } } : {}),
        });
        consistent(root);
      });
    }
    const gone = r.chance(0.2);
    if (gone) b.at(50_000_000, () => { qdiscGraftRoot(b.dev, null); });
    b.run();
    assert.equal(b.h.pool.live, 0, `seed ${String(seed)}: ${JSON.stringify(options)}`);
    assert.equal(b.h.pool.livePages, 0);
    assert.equal(b.h.sim.live, 0, `seed ${String(seed)}: an alarm is left`);
    for (const q of qdiscList(b.dev)) assert.deepEqual([q.qlen, q.backlog], [0, 0], `seed ${String(seed)}: ${q.kind}`);
    assert.ok(segments >= 200 && (gone || root.packets > 0));
    if (seed % 2 === 0) continue; // super-packets are cut on the way, and counted whole where they are dropped
    const doubled = qdiscList(b.dev).reduce((n, q) => n + (q instanceof Netem ? q.duplicated : 0), 0);
    const ended = b.left.length + b.h.pool.drops.reduce((n, count) => n + count, 0);
    if (!gone) assert.equal(segments + doubled, ended, `seed ${String(seed)}: ${JSON.stringify(options)}`);
  }
});

test('the same seed, the same packets at the same times', () => {
  const runs = [1, 2].map(() => {
    const r = new Random(77);
    const b = new Bench({
      kind: 'netem', delay: '5ms', jitter: '3ms', distribution: 'pareto', loss: { p: 0.1, r: 0.5 }, child: { kind: 'fq_codel' },
    });
    for (let i = 0; i < 300; i++) b.at(r.below(50_000_000), () => { b.send(i, 200, { sport: 1 + (i % 7) }); });
    b.run();
    return JSON.stringify(b.left);
  });
  assert.equal(runs[0], runs[1]);
});

test('a lower limit drops what is too much, all the way up', () => {
  const b = new Bench({ kind: 'tbf', rate: '1mbit', burst: '2kb', limit: '100kb', child: { kind: 'codel', limit: 50 } });
  for (let i = 0; i < 40; i++) b.send(i, 1000);
  const [root, codel] = qdiscList(b.dev) as [Qdisc, Qdisc];
  const before = root.qlen;
  qdiscChange(codel, { kind: 'codel', limit: 5 });
  assert.ok(before > 30 && codel.qlen <= 6);
  assert.deepEqual([root.qlen, root.backlog], [codel.qlen, codel.backlog]);
  b.run();
  assert.deepEqual([root.qlen, root.backlog, b.h.pool.live], [0, 0, 0]);
});
