/** BBR beyond what a short script can show: the cycle of its states, the policer, the windowed maximum. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ltBwSampling } from '../../src/tcp/cong/bbr-policer.ts';
import { BBR_UNIT, Bbr, bbrBw, BW_UNIT, DRAIN, PROBE_BW, PROBE_RTT, STARTUP } from '../../src/tcp/cong/bbr-state.ts';
import { WindowedMax } from '../../src/tcp/cong/minmax.ts';
import { tcpCreateSock } from '../../src/tcp/init.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { Kernel } from '../../mod.ts';
import { Random } from '../../src/lib/random.ts';
import { ScenarioWorld } from '../../src/testing.ts';

test('The windowed maximum is never below the newest value, never above the true one, and at most a window old', () => {
  const random = new Random(7);
  const max = new WindowedMax();
  const window = 10;
  const seen: number[] = [];
  max.reset(0, 0);
  for (let t = 1; t < 2000; t++) {
    const v = random.below(1000);
    seen[t] = v;
    const got = max.running(window, t, v);
    const exact = Math.max(...seen.slice(Math.max(1, t - window), t + 1));
    assert.ok(got >= v && got <= exact, `at ${t}: ${got}, the newest is ${v}, the greatest ${exact}`);
    assert.ok(max.t0 >= t - window, `at ${t}: from ${max.t0}`);
  }
});

interface Seen {
  readonly modes: Set<number>;
  readonly gains: Set<number>;
  leastCwndInProbeRtt: number;
  bw: number;
  rtt: number;
}

/** A bulk transfer of `seconds` over 20 Mbit/s and 40 ms, looked at every 5 ms. */
function watch(seconds: number): Seen {
  const w = new ScenarioWorld(3);
  const host = { sysctl: { 'net.ipv4.tcp_congestion_control': 'bbr' } };
  const [a, b] = w.twoHosts({ host, cable: { delay: '20ms', rate: '20mbit', limit: 400 } });
  const chunk = new Uint8Array(65536);
  b.app(function* (sys) {
    const listener = sys.listen(80);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    const buf = new Uint8Array(65536);
    for (;;) if (sys.read(fd, buf) <= 0) yield sys.readable(fd);
  });
  a.app(function* (sys) {
    const fd = sys.connect(b.ip, 80);
    yield sys.writable(fd);
    for (;;) if (sys.write(fd, chunk) <= 0) yield sys.writable(fd);
  });
  const seen: Seen = { modes: new Set(), gains: new Set(), leastCwndInProbeRtt: Infinity, bw: 0, rtt: 0 };
  for (let i = 0; i < seconds * 200; i++) {
    w.runFor(5e6);
    const tp = a.kernel.stack.tcp.established.entries().find((e) => (e as TcpSock).ca !== undefined) as TcpSock | undefined;
    const state = tp?.caPriv as Bbr | null | undefined;
    if (tp === undefined || state === null || state === undefined) continue;
    seen.modes.add(state.mode);
    seen.gains.add(state.pacingGain);
    if (state.mode === PROBE_RTT) seen.leastCwndInProbeRtt = Math.min(seen.leastCwndInProbeRtt, tp.sndCwnd);
    seen.bw = (bbrBw(state) * tp.mssCache * 8 * 1e6) / BW_UNIT / 1e6;
    seen.rtt = state.minRttUs;
  }
  return seen;
}

test('BBR fills the pipe, drains it, cruises, and probes the round trip after ten seconds', () => {
  const seen = watch(12);
  assert.deepEqual([...seen.modes].sort((x, y) => x - y), [STARTUP, DRAIN, PROBE_BW, PROBE_RTT]);
  for (const gain of [739, 88, 320, 192, 256]) assert.ok(seen.gains.has(gain), `gain ${gain}`);
  assert.equal(seen.leastCwndInProbeRtt, 4);
  assert.ok(seen.bw > 17 && seen.bw < 20, `${seen.bw} Mbit/s of payload through 20`);
  assert.ok(seen.rtt > 40_000 && seen.rtt < 42_000, `${seen.rtt} µs`);
});

test('Two lossy intervals at one rate: a policer. Its rate is used for 48 rounds', () => {
  const kernel = new Kernel({ seed: 1, costs: 'zero', mode: 'manual' });
  const tp = tcpCreateSock(kernel.stack.tcp);
  const b = new Bbr();
  b.mode = PROBE_BW;
  /** A round of 100 ms: 10 segments delivered, 3 lost. */
  const round = (): boolean => {
    tp.deliveredUs += 100_000;
    tp.delivered += 10;
    tp.lost += 3;
    b.roundStart = true;
    return ltBwSampling(tp, b, 3, false);
  };
  let rounds = 0;
  while (!b.ltUseBw && rounds < 30) {
    round();
    rounds++;
  }
  assert.equal(rounds, 8); // two intervals of four rounds, the one of the first loss included
  assert.equal(bbrBw(b), Math.floor((10 * BW_UNIT) / 100_000));
  assert.equal(b.pacingGain, BBR_UNIT);
  let used = 1;
  while (!round()) used++;
  assert.equal(used, 48);
  assert.equal(b.ltUseBw, false);
});
