/** Byte queue limits: what waits for a slow card waits in the discipline, and the line is busy all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dql } from '../../src/dev/dql.ts';
import { ethernetCard } from '../../src/dev/ethernet.ts';
import { consumeSkb } from '../../src/skb/pool.ts';
import { ETH_P_IP } from '../../src/wire/ethernet.ts';
import { frame, pair, run, xmit, type Pair } from './lab.ts';

/** Sends 300 full frames, ten each 8 ms: at 10 Mbit/s they take 12.3 ms, so that ever more of them wait. */
function bulk(bql: boolean | undefined, speed: string): { p: Pair; most: number; last: number } {
  const p = pair({ card: { speed, rxUsecs: 0, ...(bql === undefined ? {} : { bql }) } });
  p.b.net.packetTypes.set(ETH_P_IP, { rcv: consumeSkb });
  let most = 0;
  let last = 0;
  p.b.port.addObserver({ frame: (): void => { last = p.sim.now; } });
  for (let burst = 0; burst < 30; burst++) {
    run(p.sim, burst * 8_000_000);
    for (let i = 0; i < 10; i++) xmit(p.a, frame(p.pool, p.a.eth, ETH_P_IP, 1500, p.b.eth.addr));
    const { tx } = ethernetCard(p.a.eth);
    most = Math.max(most, tx.size - tx.free);
  }
  run(p.sim);
  assert.equal(p.b.card.stats.rxPackets, 300);
  return { p, most, last };
}

test('a slow card gets no more than keeps its line busy', () => {
  const off = bulk(false, '10mbit');
  const on = bulk(undefined, '10mbit');
  assert.ok(off.most > 100, `${String(off.most)} descriptors without a limit`);
  assert.ok(on.most <= 8, `${String(on.most)} descriptors with one`);
  // Each frame takes 1.2304 ms. The first completions come late (50 µs), until the limit has grown by what was missing.
  const line = 300 * 1_230_400;
  assert.equal(off.last, line);
  assert.ok(on.last >= line && on.last <= line + 1_000_000, String(on.last - line));
  assert.equal(ethernetCard(on.p.a.eth).config.bql, true);
});

test('fast cards have no limit unless it is asked for', () => {
  const { p } = bulk(undefined, '10gbit');
  assert.equal(ethernetCard(p.a.eth).config.bql, false);
});

test('the limit grows when the card starved, and shrinks by what was too much for a second', () => {
  const dql = new Dql();
  assert.equal(dql.available, 0);
  dql.sent(1500);
  assert.equal(dql.available, -1500);
  dql.complete(1500, 0);
  assert.equal(dql.limit, 1500, 'it held packets back, and ran dry');
  // Always ten packets in the card, two of which leave at a time: it needs twice that at most.
  dql.limit = 20000;
  for (let i = 0; i < 10; i++) dql.sent(1500);
  for (let t = 0; t <= 2_500; t++) {
    dql.complete(3000, t * 1e6);
    dql.sent(1500);
    dql.sent(1500);
  }
  assert.ok(dql.limit < 20000 && dql.limit >= 6000, String(dql.limit));
  dql.reset();
  assert.deepEqual([dql.limit, dql.available], [0, 0]);
});
