import { test } from 'node:test';
import assert from 'node:assert/strict';
import { skbBytes } from '../../src/skb/copy.ts';
import { skbChecksumVerify } from '../../src/skb/csum.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../../src/skb/sk-buff.ts';
import { Cable } from '../../src/fabric/cable.ts';
import { FCS_BAD, Port, type PortOwner } from '../../src/fabric/port.ts';
import type { WeatherOptions } from '../../src/fabric/weather.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { IPPROTO_TCP } from '../../src/wire/ipv4.ts';
import { bytes, tcpFrame } from '../skb/build.ts';

/** What is behind a port here: it writes down when which frame came. */
class Listener implements PortOwner {
  readonly got: { time: number; seq: number; bytes: Uint8Array; bad: boolean; skb: SkBuff | null }[] = [];
  readonly links: boolean[] = [];
  keep = false;
  private readonly sim: Simulation;

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  frameArrived(skb: SkBuff): void {
    this.got.push({ time: this.sim.now, seq: skb.seq, bytes: skbBytes(skb), bad: skb.cb0 === FCS_BAD, skb: this.keep ? skb : null });
    if (!this.keep) consumeSkb(skb);
  }

  linkChanged(up: boolean): void {
    this.links.push(up);
  }
}

interface Bench {
  sim: Simulation;
  pool: SkbPool;
  cable: Cable;
  a: Listener;
  b: Listener;
  /** Sends frame number `seq` with `len` bytes from a to b, ready at `time`. */
  send(seq: number, time?: number, len?: number): void;
  run(): void;
}

function bench(weather: WeatherOptions = {}, seed = 1): Bench {
  const sim = new Simulation();
  const pool = new SkbPool();
  const [pa, pb] = [new Port('a.eth0'), new Port('b.eth0')];
  const [a, b] = [new Listener(sim), new Listener(sim)];
  pa.owner = a;
  pb.owner = b;
  const cable = new Cable(sim, pa, pb, { name: 'c', seed });
  cable.setWeather(weather);
  return {
    sim, pool, cable, a, b,
    send: (seq, time = sim.now, len = 1000): void => {
      const skb = tcpFrame(pool, bytes(len - 54, 1), { seq });
      skb.seq = seq; // the listener's note; a host's card would not look at it
      pa.send(skb, time);
    },
    run: (): void => { while (sim.step()); },
  };
}

const order = (b: Bench): number[] => b.b.got.map((g) => g.seq);
const times = (b: Bench): number[] => b.b.got.map((g) => g.time);

test('a frame arrives when its last bit does: serialised with 24 bytes more, then the delay', () => {
  const b = bench({ rate: '8mbit', delay: '10ms' }); // a byte per microsecond
  b.send(1);
  b.send(2);
  b.send(3, 5_000_000, 476);
  b.run();
  assert.deepEqual(times(b), [1_024_000 + 10_000_000, 2_048_000 + 10_000_000, 5_500_000 + 10_000_000]);
  assert.equal(b.pool.live, 0);
});

test('without a rate and a delay a frame arrives at the time at which it was ready', () => {
  const b = bench();
  b.send(1, 0);
  b.send(2, 0);
  b.send(3, 777);
  b.run();
  assert.deepEqual(times(b), [0, 0, 777]);
  assert.equal(b.sim.events, 2, 'one event for both');
});

test('the two directions know nothing of each other', () => {
  const b = bench({ rate: '8mbit' });
  b.cable.setWeather({ rate: '80mbit', delay: '1ms' }, 'ba');
  b.send(1);
  b.cable.b.send(tcpFrame(b.pool, bytes(946, 1)), 0);
  b.run();
  assert.deepEqual(times(b), [1_024_000]);
  assert.equal(b.a.got[0]!.time, 102_400 + 1_000_000);
});

test('jitter varies the delay and keeps the order', () => {
  const b = bench({ delay: '10ms', jitter: '3ms' });
  for (let i = 0; i < 2000; i++) b.send(i, i * 1_000_000);
  b.run();
  assert.deepEqual(order(b), Array.from({ length: 2000 }, (_, i) => i));
  const delays = times(b).map((t, i) => t - i * 1_000_000);
  assert.ok(Math.min(...delays) >= 7_000_000 && Math.max(...delays) <= 13_000_000);
  assert.ok(Math.max(...delays) - Math.min(...delays) > 3_000_000);
});

test('jitter reorders when it may, evenly or normally distributed', () => {
  for (const distribution of ['uniform', 'normal'] as const) {
    const b = bench({ delay: '10ms', jitter: '3ms', ordered: false, distribution });
    for (let i = 0; i < 4000; i++) b.send(i, i * 1_000_000);
    b.run();
    assert.notDeepEqual(order(b), [...order(b)].sort((x, y) => x - y));
    const delays = b.b.got.map((g) => g.time - g.seq * 1_000_000);
    const mean = delays.reduce((s, d) => s + d, 0) / delays.length;
    const deviation = Math.sqrt(delays.reduce((s, d) => s + (d - mean) ** 2, 0) / delays.length);
    assert.ok(Math.abs(mean - 10_000_000) < 200_000, `mean ${mean}`);
    const want = distribution === 'normal' ? 3_000_000 : 3_000_000 / Math.sqrt(3);
    assert.ok(Math.abs(deviation - want) < 0.05 * want, `deviation ${deviation}`);
  }
});

for (const [what, option] of [['lost', 'loss'], ['duplicated', 'duplicate'], ['corrupted', 'corrupt']] as const) {
  test(`frames are ${what} at the rate that was asked for, the same ones for the same seed`, () => {
    const runs = [1, 1, 2].map((seed) => {
      const b = bench({ [option]: 0.1 }, seed);
      for (let i = 0; i < 5000; i++) b.send(i, i);
      b.run();
      const stats = b.cable.ab.stats;
      assert.ok(Math.abs(stats[what] - 500) < 75, String(stats[what]));
      assert.equal(stats.sent + stats.duplicated, stats.delivered + stats.lost);
      assert.equal(b.pool.live, 0);
      assert.equal(b.pool.livePages, 0);
      return JSON.stringify(b.b.got.map((g) => [g.seq, g.bad]));
    });
    assert.equal(runs[0], runs[1]);
    assert.notEqual(runs[0], runs[2]);
  });
}

test('one fault draws no chance of another: turning loss on does not move the duplicates', () => {
  const b = bench({ loss: 1 });
  b.send(1);
  b.run();
  assert.equal(b.pool.drops[Drop.CableLoss], 1);
  assert.equal(b.b.got.length, 0);
});

test('a reordered frame skips the delay and overtakes; each gap-th frame is a candidate', () => {
  const b = bench({ delay: '10ms', reorder: 1, gap: 4 });
  for (let i = 0; i < 12; i++) b.send(i, i * 1000);
  b.run();
  assert.deepEqual(order(b), [3, 7, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10]);
  assert.equal(b.cable.ab.stats.reordered, 3);
});

test('corruption flips one bit, after the checksum was filled in, on a copy of the payload', () => {
  const b = bench({ corrupt: 1 });
  const clean = tcpFrame(b.pool, bytes(946, 1), { seq: 1 });
  for (let i = 0; i < 200; i++) {
    b.b.keep = true;
    b.cable.a.send(tcpFrame(b.pool, bytes(946, 1), { seq: 1 }), i);
  }
  b.run();
  const where = new Set<number>();
  for (const { skb, bytes: got, bad } of b.b.got) {
    assert.ok(bad);
    const sum = skb!;
    let flips = 0;
    const want = skbBytes(clean);
    for (let i = 0; i < got.length; i++) {
      let x = got[i]! ^ want[i]!;
      if (i === 50 || i === 51) continue; // the checksum field, open in `want`
      for (; x !== 0; x &= x - 1) {
        flips++;
        where.add(i);
      }
    }
    assert.ok(flips <= 1);
    if (flips === 1 && got.findIndex((v, i) => v !== want[i] && i !== 50 && i !== 51) >= 34) {
      sum.nh = sum.data + 14;
      sum.pull(34);
      assert.equal(skbChecksumVerify(sum, IPPROTO_TCP), false, 'a checksum would have caught it');
    }
    consumeSkb(sum);
  }
  assert.ok(where.size > 100);
  consumeSkb(clean);
  assert.equal(b.pool.live, 0);
  assert.equal(b.pool.livePages, 0);
});

test('corruption that the check sequence misses arrives looking good', () => {
  const b = bench({ corrupt: 1, corruptFcs: true });
  b.send(1);
  b.run();
  assert.equal(b.b.got[0]!.bad, false);
});

test('an open checksum stays open on a cable that does no harm', () => {
  const b = bench();
  b.b.keep = true;
  b.send(1);
  b.run();
  assert.equal(b.b.got[0]!.skb!.ipSummed, CHECKSUM_PARTIAL);
  consumeSkb(b.b.got[0]!.skb!);
});

test('the queue before the rate is finite, in frames or in bytes; the high water is known', () => {
  const b = bench({ rate: '8mbit', limit: 3 });
  for (let i = 0; i < 6; i++) b.send(i);
  b.send(6, 1_024_000); // the first has left
  b.run();
  assert.deepEqual(order(b), [0, 1, 2, 6]);
  assert.equal(b.pool.drops[Drop.CableQueueFull], 3);
  assert.deepEqual([b.cable.ab.stats.maxQueued, b.cable.ab.stats.maxQueuedBytes], [3, 3000]);
  const c = bench({ rate: '8mbit', limitBytes: 2500 });
  for (let i = 0; i < 6; i++) c.send(i);
  c.send(7, 0, 500);
  c.run();
  assert.deepEqual(order(c), [0, 1, 7]);
});

test('a cable that goes down loses what is on it and tells both ends; it comes back empty', () => {
  const b = bench({ delay: '10ms', rate: '8mbit' });
  for (let i = 0; i < 4; i++) b.send(i);
  b.sim.advanceTo(1000);
  b.cable.setUp(false);
  b.send(4);
  assert.equal(b.pool.drops[Drop.CableDown], 5);
  assert.equal(b.pool.live, 0);
  b.cable.setUp(true);
  b.send(5);
  b.run();
  assert.deepEqual(order(b), [5]);
  assert.deepEqual(times(b), [1000 + 1_024_000 + 10_000_000]);
  assert.deepEqual(b.a.links, [true, false, true]);
  assert.deepEqual(b.b.links, [true, false, true]);
});

test('a partition swallows frames quietly; what is on its way arrives', () => {
  const b = bench({ delay: '10ms' });
  b.send(1);
  b.cable.setBlocked(true, 'ab');
  b.send(2);
  b.cable.b.send(tcpFrame(b.pool, bytes(10)), 0);
  b.run();
  assert.deepEqual(order(b), [1]);
  assert.equal(b.a.got.length, 1);
  assert.equal(b.pool.drops[Drop.Partition], 1);
  assert.deepEqual(b.a.links, [true], 'nobody is told');
});

test('a port without a cable loses what it sends', () => {
  const b = bench();
  b.cable.unplug();
  b.send(1);
  assert.equal(b.pool.drops[Drop.CableUnplugged], 1);
  assert.equal(b.cable.a.up, false);
});

test('a change of the weather concerns frames sent from then on', () => {
  const b = bench({ delay: '10ms' });
  b.send(1);
  b.cable.setWeather({ delay: '1ms', ordered: false });
  b.send(2);
  b.run();
  assert.deepEqual(order(b), [2, 1]);
  b.cable.setWeather({ delay: '20ms' });
  b.send(3);
  b.cable.setWeather({ delay: 0, ordered: true });
  b.send(4);
  b.run();
  assert.deepEqual(order(b), [2, 1, 3, 4]);
});

test('wrong options name themselves and the accepted form, and change nothing', () => {
  const { cable } = bench({ delay: '5ms' });
  for (const [options, message] of [
    [{ delay: '5 ms' }, /^delay: /], [{ jitter: -1 }, /^jitter: /], [{ loss: 1.5 }, /^loss: /], [{ rate: 'fast' }, /^rate: /],
    [{ limit: 0 }, /^limit: /], [{ limitBytes: 'x' }, /^limitBytes: /], [{ gap: 0 }, /^gap: /],
    [{ distribution: 'gauss' } as unknown as WeatherOptions, /^distribution: /],
    [{ delay: '1ms', los: 1 }, /^los: no such option/], [{ ordered: 1 }, /^ordered: /], [{ duplicate: 2 }, /^duplicate: /],
    [{ corrupt: 'x' }, /^corrupt: /], [{ reorder: NaN }, /^reorder: /], [{ corruptFcs: 0 }, /^corruptFcs: /],
  ] as [WeatherOptions, RegExp][]) {
    assert.throws(() => { cable.setWeather(options); }, { message }, JSON.stringify(options));
    assert.equal(cable.ab.weather.delay, 5_000_000);
  }
});

test('two cables of a world have chances of their own', () => {
  const got = ['x', 'y'].map((name) => {
    const sim = new Simulation();
    const pool = new SkbPool();
    const [a, b] = [new Port('a'), new Port('b')];
    b.owner = new Listener(sim);
    const cable = new Cable(sim, a, b, { name, seed: 1 });
    cable.setWeather({ loss: 0.5 });
    for (let i = 0; i < 100; i++) {
      const skb = tcpFrame(pool, bytes(10));
      skb.seq = i;
      a.send(skb, 0);
    }
    while (sim.step());
    return (b.owner as Listener).got.map((g) => g.seq).join();
  });
  assert.notEqual(got[0], got[1]);
});

test('a thousand frames in flight in reverse order arrive in order of their times', () => {
  const b = bench({ ordered: false });
  for (let i = 0; i < 1000; i++) {
    b.cable.setWeather({ delay: `${1000 - i}us` });
    b.send(i, 0);
  }
  assert.equal(b.cable.flying, 1000);
  b.run();
  assert.deepEqual(order(b), Array.from({ length: 1000 }, (_, i) => 999 - i));
  assert.equal(b.cable.flying, 0);
});

