/**
 * What congestion control makes of a path, as a table of numbers under version control: a change of behaviour shows in review
 * as a diff. KERNET_UPDATE=1 writes the table anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { connectAndSend, listenAndReadAll, ScenarioWorld } from '../../src/testing.ts';

const SNAPSHOT = new URL('./goodput.snapshot.txt', import.meta.url);
const RATE_MBIT = 20;
const SEEDS = 3;

/** Megabits per second of payload, the mean of some seeds. */
function goodput(algorithm: string, bytes: number, rttMs: number, loss: number): number {
  let sum = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const w = new ScenarioWorld(seed);
    const host = { sysctl: { 'net.ipv4.tcp_congestion_control': algorithm } };
    const [a, b] = w.twoHosts({ host, cable: { delay: rttMs / 2, rate: `${RATE_MBIT}mbit`, limit: 100, loss } });
    const got = b.app(listenAndReadAll(80));
    let ended = 0;
    a.app(connectAndSend(b.ip, 80, new Uint8Array(bytes)));
    w.whenDone(got, () => {
      ended = w.nowNs;
    });
    w.runUntilIdle({ maxMs: 3_600_000 });
    assert.equal(got.result!.length, bytes);
    sum += (bytes * 8) / (ended / 1e9) / 1e6;
  }
  return sum / SEEDS;
}

/** Shares of a bottleneck, smallest to largest flow, as a fraction of an even share. */
function shares(flows: number): string {
  const w = new ScenarioWorld(flows);
  const [a, b] = w.twoHosts({ cable: { delay: '10ms', rate: `${RATE_MBIT}mbit`, limit: 100 } });
  const received: number[] = [];
  for (let i = 0; i < flows; i++) {
    received.push(0);
    b.app(function* (sys) {
      const listener = sys.listen(80 + i);
      yield sys.readable(listener);
      const fd = sys.accept(listener);
      sys.close(listener);
      const buf = new Uint8Array(65536);
      for (let n = 1; n !== 0;) {
        n = sys.read(fd, buf);
        if (n > 0) received[i]! += n;
        else if (n < 0) yield sys.readable(fd);
      }
      sys.close(fd);
    });
    a.app(connectAndSend(b.ip, 80 + i, new Uint8Array(50_000_000)));
  }
  w.runFor(10e9);
  const total = received.reduce((x, y) => x + y, 0);
  const even = total / flows;
  const [low, high] = [Math.min(...received) / even, Math.max(...received) / even];
  const mbits = (total * 8) / 10e6;
  const cells = [String(flows).padStart(5), mbits.toFixed(1).padStart(8), low.toFixed(2).padStart(8), high.toFixed(2).padStart(7)];
  return cells.join('  ');
}

function report(): string {
  const rtts = [10, 50, 200];
  const out = [`Goodput in Mbit/s over ${RATE_MBIT} Mbit/s, queue of 100 packets, 1 MB, mean of ${SEEDS} seeds`, ''];
  for (const algorithm of ['cubic', 'reno']) {
    out.push(`${algorithm.padEnd(6)}  loss ${rtts.map((rtt) => `${rtt} ms`.padStart(8)).join('')}`);
    for (const loss of [0, 0.001, 0.01, 0.05]) {
      const cells = rtts.map((rtt) => goodput(algorithm, 1_000_000, rtt, loss).toFixed(2).padStart(8));
      out.push(`${''.padEnd(6)} ${String(loss).padStart(5)} ${cells.join('')}`);
    }
    out.push('');
  }
  out.push('Sharing 10 s of the same bottleneck, RTT 20 ms', '', 'flows   Mbit/s  smallest  largest');
  for (const flows of [1, 2, 4, 8]) out.push(shares(flows));
  return `${out.join('\n')}\n`;
}

test('goodput by loss and round trip, and fairness by flows, are what they were', () => {
  const now = report();
  if (process.env['KERNET_UPDATE'] !== undefined) writeFileSync(SNAPSHOT, now);
  assert.equal(now, readFileSync(SNAPSHOT, 'utf8'));
});
