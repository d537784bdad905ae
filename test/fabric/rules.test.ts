import { test } from 'node:test';
import assert from 'node:assert/strict';
import { skbBytes } from '../../src/skb/copy.ts';
import { skbChecksumHelp } from '../../src/skb/csum.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { Cable } from '../../src/fabric/cable.ts';
import { FrameView } from '../../src/fabric/frame-view.ts';
import { Port } from '../../src/fabric/port.ts';
import type { RuleFunction } from '../../src/fabric/rules.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../../src/wire/tcp.ts';
import { addPayload, bytes, tcpFrame, udpFrame } from '../skb/build.ts';

interface Bench {
  sim: Simulation;
  pool: SkbPool;
  cable: Cable;
  /** What came: the number of the frame, and when. */
  got: [number, number][];
  send(flags: number, seq?: number): void;
  back(): void;
  run(): void;
}

function bench(): Bench {
  const sim = new Simulation();
  const pool = new SkbPool();
  const [a, b] = [new Port('a.eth0'), new Port('b.eth0')];
  const got: [number, number][] = [];
  const owner = {
    frameArrived: (skb: SkBuff): void => {
      got.push([skb.seq, sim.now]);
      consumeSkb(skb);
    },
    linkChanged: (): void => undefined,
  };
  a.owner = owner;
  b.owner = owner;
  return {
    sim, pool, got, cable: new Cable(sim, a, b, { name: 'c', seed: 1 }),
    send: (flags, seq = 0): void => {
      const skb = tcpFrame(pool, bytes(10), { flags, seq });
      skb.seq = seq;
      a.send(skb, sim.now);
    },
    back: (): void => { b.send(tcpFrame(pool, bytes(10), {}), sim.now); },
    run: (): void => { while (sim.step()); },
  };
}

const SYNACK = TCP_FLAG_SYN | TCP_FLAG_ACK;

test('a rule drops what its predicate picks, so many times, and then lifts itself', () => {
  const b = bench();
  const rule = b.cable.drop((f) => f.tcp?.syn && f.tcp.ack, { times: 2 });
  b.send(TCP_FLAG_SYN, 1);
  for (let i = 2; i <= 5; i++) b.send(SYNACK, i);
  b.run();
  assert.deepEqual(b.got.map(([seq]) => seq), [1, 4, 5]);
  assert.equal(rule.hits, 2);
  assert.equal(rule.active, false);
  assert.equal(b.pool.drops[Drop.CableRule], 2);
  assert.equal(b.cable.ab.stats.ruled, 2);
  assert.equal(b.pool.live, 0);
});

test('a rule is lifted at the end of its scope', () => {
  const b = bench();
  {
    using rule = b.cable.drop();
    b.send(TCP_FLAG_ACK);
    assert.equal(rule.hits, 1);
  }
  b.send(TCP_FLAG_ACK);
  b.run();
  assert.equal(b.got.length, 1);
  assert.equal(b.cable.rules.active, false);
});

test('a rule may concern one direction only', () => {
  const b = bench();
  const rule = b.cable.drop(undefined, { direction: 'ba' });
  b.send(TCP_FLAG_ACK);
  b.back();
  b.run();
  assert.equal(b.got.length, 1);
  assert.equal(rule.hits, 1);
  rule.lift();
  rule.lift();
});

test('a delay by rule holds back one frame; others overtake it; delays add up', () => {
  const b = bench();
  b.cable.setWeather({ delay: '1ms' });
  b.cable.delay('5ms', (f) => f.tcp?.seq === 1);
  b.cable.delay(2, (f) => f.tcp?.seq === 1 || f.tcp?.seq === 2);
  for (const seq of [1, 2, 3]) b.send(TCP_FLAG_ACK, seq);
  b.run();
  assert.deepEqual(b.got, [[3, 1_000_000], [2, 3_000_000], [1, 8_000_000]]);
});

test('a rule of one\'s own answers with a verdict; silence means pass', () => {
  const b = bench();
  const rule = b.cable.rule((f) => {
    switch (f.tcp?.seq) {
      case 1: return 'drop';
      case 2: return 'duplicate';
      case 3: return 'corrupt';
      case 4: return { delay: '1us' };
      case 5: return 'pass';
      default: return undefined;
    }
  });
  for (let seq = 1; seq <= 6; seq++) b.send(TCP_FLAG_ACK, seq);
  b.run();
  assert.deepEqual(b.got.map(([seq]) => seq), [2, 0, 3, 5, 6, 4]); // the copy carries no note of its sender
  assert.equal(rule.hits, 4);
  assert.equal(b.cable.ab.stats.corrupted, 1);
  assert.equal(b.pool.live, 0);
});

test('what a rule throws surfaces outside of the kernel, and the frame passes', () => {
  const b = bench();
  const rule = b.cable.drop(() => { throw new Error('mine'); });
  const wrong = b.cable.rule((() => 'explode') as unknown as RuleFunction);
  b.send(TCP_FLAG_ACK, 1);
  b.run();
  assert.deepEqual(b.got.map(([seq]) => seq), [1]);
  assert.throws(() => { b.sim.takeTask()!.run(); }, /^Error: mine$/);
  assert.throws(() => { b.sim.takeTask()!.run(); }, /a rule answered 'explode'; expected 'pass', 'drop'/);
  assert.equal(rule.hits + wrong.hits, 0);
});

test('a rule that pulls the cable loses the frame it was asked about', () => {
  const b = bench();
  b.cable.rule(() => { b.cable.setUp(false); });
  b.send(TCP_FLAG_ACK, 1);
  b.run();
  assert.equal(b.got.length, 0);
  assert.equal(b.pool.drops[Drop.CableDown], 1);
});

test('wrong options of a rule name themselves', () => {
  const { cable } = bench();
  assert.throws(() => cable.drop(undefined, { times: 0 }), /^RangeError: times: /);
  assert.throws(() => cable.drop('syn' as never), /^TypeError: predicate: /);
  assert.throws(() => cable.delay('1 ms'), /^TypeError: by: /);
  assert.throws(() => cable.rule(5 as never), /^TypeError: rule: /);
  assert.throws(() => cable.drop(undefined, { direction: 'up' as never }), /^TypeError: direction: /);
});

test('no frame is looked at while there are no rules', () => {
  const b = bench();
  let asked = 0;
  const rule = b.cable.rule(() => { asked++; });
  b.send(TCP_FLAG_ACK);
  rule.lift();
  b.send(TCP_FLAG_ACK);
  assert.equal(asked, 1);
  b.run();
});

test('a view shows the fields of a TCP segment in plain words', () => {
  const pool = new SkbPool();
  const skb = tcpFrame(pool, bytes(100), {
    seq: -1, ackSeq: 5, flags: SYNACK, window: 65535, sport: 4000, dport: 80, id: 9, tos: 16, dst: Uint8Array.of(2, 0, 0, 0, 0, 1),
  });
  const view = new FrameView(skb, 123, 'a.eth0', 'b.eth0');
  consumeSkb(skb); // the view is a copy
  assert.deepEqual([view.time, view.from, view.to, view.length], [123, 'a.eth0', 'b.eth0', 154]);
  assert.deepEqual(view.eth, { dst: '02:00:00:00:00:01', src: '00:00:00:00:00:00', type: 0x0800 });
  assert.deepEqual(view.ipv4, {
    src: '10.0.0.1', dst: '10.0.0.2', protocol: 6, ttl: 64, tos: 16, id: 9, df: true, mf: false, fragmentOffset: 0,
    headerLength: 20, totalLength: 140,
  });
  assert.deepEqual(view.tcp, {
    sport: 4000, dport: 80, seq: 0xffffffff, ackSeq: 5, window: 65535, headerLength: 20, payloadLength: 100,
    fin: false, syn: true, rst: false, psh: false, ack: true, urg: false, ece: false, cwr: false,
  });
  assert.equal(view.tcp, view.tcp);
  assert.equal(view.udp, null);
  assert.equal(view.icmp, null);
  assert.equal(view.arp, null);
  assert.deepEqual(view.payload(), bytes(100));
});

test('the bytes of a view have their checksums filled in; the frame keeps its open one', () => {
  const pool = new SkbPool();
  const skb = udpFrame(pool, bytes(50));
  const before = skbBytes(skb);
  const view = new FrameView(skb, 0, '', '');
  assert.deepEqual(view.udp, { sport: 1000, dport: 53, payloadLength: 50 });
  assert.deepEqual(view.payload(), bytes(50));
  const got = view.bytes();
  assert.deepEqual(skbBytes(skb), before);
  skbChecksumHelp(skb);
  assert.deepEqual(got, skbBytes(skb));
});

test('frames that are cut off or make no sense have no such header, and nothing throws', () => {
  const pool = new SkbPool();
  const whole = skbBytes(tcpFrame(pool, bytes(20)));
  for (let n = 0; n <= whole.length; n++) {
    const skb = pool.alloc(0);
    addPayload(skb, whole.slice(0, n), n);
    const view = new FrameView(skb, 0, '', '');
    assert.equal(view.eth === null, n < 14);
    assert.equal(view.ipv4 === null, n < 34);
    assert.equal(view.tcp === null, n < 54);
    assert.equal(view.payload().length, Math.max(0, n - 54));
    void [view.udp, view.icmp, view.arp, view.bytes()];
    consumeSkb(skb);
  }
});
