/** Weather that has a memory, that differs by direction, that changes, that depends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cable } from '../../src/fabric/cable.ts';
import { Port, type PortOwner } from '../../src/fabric/port.ts';
import type { ForecastEntry } from '../../src/fabric/sky.ts';
import type { CableWeather } from '../../src/fabric/weather.ts';
import { consumeSkb, SkbPool } from '../../src/skb/pool.ts';
import type { SkBuff } from '../../src/skb/sk-buff.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { bytes, tcpFrame } from '../skb/build.ts';

class Listener implements PortOwner {
  readonly got: [number, number][] = [];
  private readonly sim: Simulation;

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  frameArrived(skb: SkBuff): void {
    this.got.push([skb.seq, this.sim.now]);
    consumeSkb(skb);
  }

  linkChanged(): void { /* nobody cares */ }
}

interface Bench {
  sim: Simulation;
  pool: SkbPool;
  cable: Cable;
  a: Listener;
  b: Listener;
  send: (seq: number, from?: 'a' | 'b', port?: number) => void;
}

function bench(weather: CableWeather = {}): Bench {
  const sim = new Simulation();
  const pool = new SkbPool();
  const [pa, pb] = [new Port('a.eth0'), new Port('b.eth0')];
  const [a, b] = [new Listener(sim), new Listener(sim)];
  pa.owner = a;
  pb.owner = b;
  const cable = new Cable(sim, pa, pb, { name: 'c', seed: 1 });
  cable.setWeather(weather);
  return {
    sim, pool, cable, a, b,
    send: (seq, from = 'a', port = 80): void => {
      const skb = tcpFrame(pool, bytes(100), { dport: port });
      skb.seq = seq;
      (from === 'a' ? pa : pb).send(skb, sim.now);
    },
  };
}

function run(b: Bench, until = Infinity): void {
  while (b.sim.nextTime() <= until && b.sim.step());
  if (until !== Infinity) b.sim.advanceTo(until);
}

test('each direction has its own weather, in one object', () => {
  const b = bench({ delay: '10ms', ab: { loss: 1 }, ba: { delay: '3ms' } });
  b.send(1);
  b.send(2, 'b');
  run(b);
  assert.deepEqual(b.b.got, []);
  assert.deepEqual(b.a.got, [[2, 3_000_000]]);
  assert.equal(b.cable.ab.weather.delay, 10_000_000);
});

test('bursts of loss on a cable, and a recorded pattern', () => {
  const b = bench({ loss: { trace: '0110' } });
  for (let i = 0; i < 8; i++) b.send(i);
  run(b);
  assert.deepEqual(b.b.got.map(([seq]) => seq), [0, 3, 4, 7]);
  const c = bench({ loss: { p: 0.05, r: 0.25 } });
  for (let i = 0; i < 4000; i++) c.send(i);
  run(c);
  const share = 0.05 / 0.3;
  const deviation = Math.sqrt(4000 * share * (1 - share) * (1.7 / 0.3));
  assert.ok(Math.abs(c.cable.ab.stats.lost - 4000 * share) < 5 * deviation, String(c.cable.ab.stats.lost));
});

test('slots let frames through in groups, in order', () => {
  const b = bench({ delay: '1ms', slot: { min: '20ms', packets: 2 } });
  for (let i = 0; i < 5; i++) b.send(i);
  run(b);
  assert.deepEqual(b.b.got, [[0, 21e6], [1, 21e6], [2, 41e6], [3, 41e6], [4, 61e6]]);
  b.cable.setWeather({ slot: null });
  b.send(9);
  run(b);
  assert.deepEqual(b.b.got.at(-1), [9, 62e6]);
});

test('a forecast changes the weather when its time has come, and keeps nothing running', () => {
  const b = bench({ delay: '1ms' });
  const forecast = b.cable.forecast([
    { after: '10ms', loss: 1 }, { after: '20ms', loss: 0, ba: { delay: '7ms' } }, { after: '30ms', loss: 1 },
  ]);
  assert.equal(b.sim.live, 0);
  const sent = [5, 15, 25].map((ms) => {
    run(b, ms * 1e6);
    b.send(ms);
    b.send(ms, 'b');
    return ms;
  });
  forecast.lift();
  run(b);
  b.send(99);
  run(b);
  assert.deepEqual(sent, [5, 15, 25]);
  assert.deepEqual(b.b.got.map(([seq]) => seq), [5, 25, 99]);
  assert.deepEqual(b.a.got, [[5, 6e6], [25, 32e6]]);
});

test('weather as a function of the frame and of the time; a later one takes the place of an earlier one', () => {
  const b = bench({ delay: '1ms' });
  const seen: number[] = [];
  {
    using fog = b.cable.weather((frame, now) => {
      seen.push(now);
      return frame.tcp?.dport === 443 ? { delay: '5ms' } : undefined;
    }, { direction: 'ab' });
    b.send(1);
    b.send(2, 'a', 443);
    b.send(3, 'b', 443);
    assert.equal(fog.active, true);
    run(b, 10e6);
    b.cable.weather((_, now) => ({ loss: now < 11 ? 1 : 0 }));
    assert.equal(fog.active, false);
  }
  b.send(4);
  run(b, 12e6);
  b.send(5);
  run(b);
  assert.deepEqual(seen, [0, 0], 'asked for its own direction only');
  assert.deepEqual(b.b.got, [[1, 1e6], [2, 5e6], [5, 13e6]]);
  assert.deepEqual(b.a.got, [[3, 1e6]]);
});

test('a function that answers with one object gives it a memory; a change of the cable is seen through it', () => {
  const b = bench();
  const storm = { loss: { trace: '01' } };
  const sky = b.cable.weather(() => storm);
  for (let i = 0; i < 4; i++) b.send(i);
  b.cable.setWeather({ delay: '2ms' });
  for (let i = 4; i < 6; i++) b.send(i);
  sky.lift();
  b.send(6);
  run(b);
  assert.deepEqual(b.b.got, [[0, 0], [2, 0], [4, 2e6], [6, 2e6]]);
});

test('what a weather function throws surfaces outside, and the frame meets the weather of the cable', () => {
  const b = bench({ delay: '1ms' });
  const thrown: string[] = [];
  const run1 = (): void => {
    for (let task = b.sim.takeTask(); task !== null; task = b.sim.takeTask()) {
      try {
        task.run();
      } catch (error) {
        thrown.push(String(error));
      }
    }
  };
  b.cable.weather((frame) => (frame.tcp?.dport === 1 ? { los: 1 } as object : 7 as unknown as undefined));
  b.send(1, 'a', 1);
  b.send(2, 'a', 2);
  run1();
  run(b);
  assert.match(thrown[0]!, /los: no such option/);
  assert.match(thrown[1]!, /answered number/);
  assert.deepEqual(b.b.got.map(([seq]) => seq), [1, 2]);
});

test('wrong weather names itself and changes nothing', () => {
  const { cable } = bench({ delay: '5ms' });
  for (const [options, message] of [
    [{ delay: '1ms', ab: { loss: 3 } }, /^loss: 3/], [{ ba: { dellay: 1 } }, /^dellay: no such option/], [{ ab: 7 }, /^ab: options is 7/],
    [{ correlation: 2 }, /^correlation: /], [{ slot: 1 }, /^slot: options/], [{ loss: { p: 0.1, r: 7 } }, /^loss: r: 7/],
    [{ distribution: 'gauss' }, /^distribution: 'gauss' is not understood; expected 'uniform', 'normal', 'pareto'/],
  ] as unknown as [CableWeather, RegExp][]) {
    assert.throws(() => { cable.setWeather(options); }, { message }, JSON.stringify(options));
    assert.equal(cable.ab.weather.delay, 5_000_000);
  }
  assert.throws(() => cable.forecast([{ after: '1s', delay: 'x' }]), /^TypeError: delay: /);
  assert.throws(() => cable.forecast([{ delay: 1 } as unknown as ForecastEntry]), /^TypeError: forecast: after: /);
  assert.throws(() => cable.forecast(3 as unknown as ForecastEntry[]), /^TypeError: forecast: expected an array/);
  assert.throws(() => cable.weather(3 as unknown as () => undefined), /^TypeError: weather: expected a function/);
});
