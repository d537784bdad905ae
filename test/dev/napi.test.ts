import { test } from 'node:test';
import assert from 'node:assert/strict';
import { consumeSkb } from '../../src/skb/pool.ts';
import { Napi, napiCompleteDone, napiSchedule } from '../../src/dev/napi.ts';
import { DEFAULT_COSTS } from '../../src/time/cpu.ts';
import { devQueueXmit } from '../../src/dev/xmit.ts';
import { ETH_P_IP } from '../../src/wire/ethernet.ts';
import { frame, host, run, type Host } from './lab.ts';

/** A card with `left` packets that writes down its turns. */
class Source extends Napi {
  left: number;
  readonly name: string;
  readonly log: string[];
  costNs = 0;

  constructor(h: Host, name: string, left: number, log: string[]) {
    super(h.net);
    this.name = name;
    this.left = left;
    this.log = log;
  }

  poll(budget: number): number {
    const n = Math.min(budget, this.left);
    this.left -= n;
    this.log.push(`${this.name}${n}`);
    this.net.cpu.charge(n * this.costNs);
    if (n < budget) napiCompleteDone(this);
    return n;
  }
}

function schedule(h: Host, ...napis: Napi[]): void {
  h.net.cpu.enter(0);
  for (const napi of napis) napiSchedule(napi);
  h.net.cpu.exit();
}

test('cards take turns of 64 packets, and leave when they had less to do', () => {
  const h = host();
  const log: string[] = [];
  const a = new Source(h, 'a', 130, log);
  const b = new Source(h, 'b', 70, log);
  schedule(h, a, b, a);
  assert.deepEqual(log, ['a64', 'b64', 'a64', 'b6', 'a2']);
  assert.equal(h.net.softnet!.stats.processed, 200);
  assert.equal(h.net.softnet!.stats.timeSqueeze, 0);
  assert.equal(a.scheduled || b.scheduled, false);
});

test('a round ends after 300 packets; the rest is a time squeeze and another round', () => {
  const h = host();
  const log: string[] = [];
  const a = new Source(h, 'a', 400, log);
  schedule(h, a);
  assert.deepEqual(log, ['a64', 'a64', 'a64', 'a64', 'a64', 'a64', 'a16']);
  assert.equal(h.net.softnet!.stats.timeSqueeze, 1);
  assert.equal(h.net.cpu.softirqs, 2);
});

test('a round ends after two milliseconds of work', () => {
  const h = host();
  const log: string[] = [];
  const a = new Source(h, 'a', 200, log);
  a.costNs = 20_000; // 64 packets take 1.28 ms
  schedule(h, a);
  run(h.sim);
  assert.deepEqual(log, ['a64', 'a64', 'a64', 'a8']);
  assert.equal(h.net.softnet!.stats.timeSqueeze, 1);
});

test('the budget and its time are sysctls', () => {
  const h = host();
  const log: string[] = [];
  h.net.sysctl.netdevBudget = 64;
  schedule(h, new Source(h, 'a', 100, log));
  assert.equal(h.net.softnet!.stats.timeSqueeze, 1);
});

test('a card that always has packets cannot keep the processor for ever: after ten rounds others run', () => {
  const h = host(undefined, undefined, { ...DEFAULT_COSTS });
  const log: string[] = [];
  const a = new Source(h, 'a', 64 * 5 * 12, log);
  schedule(h, a);
  assert.ok(a.left > 0);
  assert.equal(h.net.cpu.deferred, 1);
  run(h.sim);
  assert.equal(a.left, 0);
});

test('the backlog is one of the cards: it takes its turns of 64', () => {
  const h = host();
  const log: string[] = [];
  let received = 0;
  h.net.packetTypes.set(ETH_P_IP, { rcv: (skb): void => {
    received++;
    consumeSkb(skb);
  } });
  const a = new Source(h, 'a', 65, log);
  const poll = a.poll.bind(a);
  a.poll = (budget): number => {
    log.push(`lo${received}`);
    received = 0;
    return poll(budget);
  };
  h.net.cpu.enter(0);
  for (let i = 0; i < 100; i++) devQueueXmit(frame(h.pool, h.lo, ETH_P_IP, 60));
  napiSchedule(a);
  h.net.cpu.exit();
  assert.deepEqual(log, ['lo64', 'a64', 'lo36', 'a1']);
});
