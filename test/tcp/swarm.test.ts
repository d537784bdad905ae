/**
 * Two ends that are set up in every possible way, over a cable that does everything wrong: after each single event the numbers
 * of both connections must agree with their queues (`checkAllTcp`), and in the end every byte has arrived.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAllTcp } from '../../src/testing/invariants.ts';
import { ScenarioWorld } from '../../src/testing/scenario-world.ts';
import { connectAndSend, conservation, everyDropNamed, listenAndReadAll, noLeaks, type Climate } from '../../src/testing.ts';

const SEEDS = 80;
const RUDE: Climate = {
  delay: ['0.05ms', '80ms'], jitter: ['0ms', '10ms'], rate: ['2mbit', '1gbit'], limit: [5, 1000],
  loss: [0, 0.2], duplicate: [0, 0.1], reorder: [0, 0.2], corrupt: [0, 0.02], corruptFcs: true,
};

function sysctl(w: ScenarioWorld): Record<string, number | string> {
  const pick = <T>(...of: readonly T[]): T => of[w.random.below(of.length)]!;
  return {
    'net.ipv4.tcp_sack': pick(1, 1, 1, 0), 'net.ipv4.tcp_dsack': pick(1, 0), 'net.ipv4.tcp_timestamps': pick(1, 1, 0),
    'net.ipv4.tcp_window_scaling': pick(1, 1, 0), 'net.ipv4.tcp_congestion_control': pick('cubic', 'reno'),
    'net.ipv4.tcp_frto': pick(2, 0), 'net.ipv4.tcp_early_retrans': pick(3, 0), 'net.ipv4.tcp_shrink_window': pick(0, 0, 0, 1),
    'net.ipv4.tcp_rmem': pick('4096 131072 6291456', '4096 131072 6291456', '4096 8192 20000', '4096 4096 4096'),
    'net.ipv4.tcp_mem': pick('98304 131072 196608', '98304 131072 196608', '4 8 40', '0 0 12'),
    'net.ipv4.tcp_wmem': pick('4096 16384 4194304', '4096 4096 16384', '4096 262144 4194304'),
  };
}

function run(seed: number): void {
  const w = new ScenarioWorld(seed);
  const settings = sysctl(w);
  const host = { sysctl: settings };
  const [a, b, cable] = w.twoHosts({ host, cable: w.weather(RUDE) });
  w.clearAfter(cable, '60s');
  const file = w.random.bytes(1000 + w.random.below([20_000, 300_000][w.random.below(2)]!));
  const got = b.app(listenAndReadAll(80));
  a.app(connectAndSend(b.ip, 80, file, 1 + w.random.below(65536)));
  const { sim } = w.world.parts;
  for (let event = 0; ; event++) {
    for (let task = sim.takeTask(); task !== null; task = sim.takeTask()) task.run();
    if (sim.live === 0 || sim.now > 1200e9) break;
    sim.step();
    for (const end of [a, b]) {
      const bad = checkAllTcp(end.kernel.stack.tcp);
      if (bad.length > 0) assert.fail(`seed ${seed}, event ${event}, ${end.name}: ${bad.join('; ')} ${JSON.stringify(settings)}`);
    }
  }
  w.runUntilIdle();
  assert.equal(Buffer.compare(got.result!.bytes, file), 0, `seed ${seed}`);
  w.check(conservation, noLeaks, everyDropNamed);
}

test(`${SEEDS} seeds: the scoreboard, the queues and the timers agree after every event`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) run(seed);
});
