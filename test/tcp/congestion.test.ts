/** How the window grows and shrinks: Reno, CUBIC, HyStart, validation, restart after idling. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../mod.ts';
import { tcpSetCongestionControl, tcpCaFind } from '../../src/tcp/cong/cong.ts';
import { tcpCreateSock } from '../../src/tcp/init.ts';
import { TCP_CA_Loss, TCP_INFINITE_SSTHRESH, type TcpSock } from '../../src/tcp/sock.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

function sock(name: string): TcpSock {
  const kernel = new Kernel({ seed: 1, costs: 'zero', mode: 'manual' });
  const tp = tcpCreateSock(kernel.stack.tcp);
  tcpSetCongestionControl(tp, tcpCaFind(name)!, true);
  tp.isCwndLimited = true;
  return tp;
}

/** One round trip: a window of segments is acknowledged, one by one, evenly over `rttMs`. */
function round(tp: TcpSock, rttMs: number): void {
  const n = tp.sndCwnd;
  const { sample } = tp.tcp.scratch;
  const start = tp.mstampUs;
  for (let i = 1; i <= n; i++) {
    tp.mstampUs = start + Math.floor((rttMs * 1000 * i) / n);
    sample.pktsAcked = 1;
    sample.rttUs = rttMs * 1000;
    tp.ca.pktsAcked(tp, sample);
    tp.ca.congAvoid(tp, tp.sndUna, 1);
  }
}

function rounds(tp: TcpSock, rttMs: number, n: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < n; i++) {
    round(tp, rttMs);
    out.push(tp.sndCwnd);
  }
  return out;
}

test('RFC 5681 §3.1: Reno doubles in slow start and adds one segment per round trip afterwards', () => {
  const tp = sock('reno');
  tp.sndSsthresh = 40;
  assert.deepEqual(rounds(tp, 100, 2), [20, 40]);
  assert.deepEqual(rounds(tp, 100, 4), [41, 42, 43, 44]);
  assert.equal(tp.ca.ssthresh(tp), 22);
});

test('Slow start stops at ssthresh exactly, the rest of the ACK counts for congestion avoidance', () => {
  const tp = sock('reno');
  tp.sndCwnd = 18;
  tp.sndSsthresh = 20;
  tp.ca.congAvoid(tp, 0, 10);
  assert.equal(tp.sndCwnd, 20);
  assert.equal(tp.sndCwndCnt, 8);
});

test('A window that was not the limit does not grow', () => {
  for (const name of ['reno', 'cubic']) {
    const tp = sock(name);
    tp.isCwndLimited = false;
    tp.maxPacketsOut = 5;
    assert.deepEqual(rounds(tp, 100, 1), [10], name);
    tp.maxPacketsOut = 6; // slow start: up to twice of what was out
    assert.deepEqual(rounds(tp, 100, 1), [12], name);
    tp.maxPacketsOut = 9;
    assert.deepEqual(rounds(tp, 100, 1), [18], name);
  }
});

test('RFC 9438 §4.6: CUBIC gives up three tenths', () => {
  const tp = sock('cubic');
  assert.equal(tp.ca.ssthresh(tp), 7);
  tp.sndCwnd = 100;
  assert.equal(tp.ca.ssthresh(tp), 70);
  tp.sndCwnd = 2;
  assert.equal(tp.ca.ssthresh(tp), 2);
});

test('RFC 9438 §4.2: the window comes back to its old maximum as a cubic curve, flat there, and then steep', () => {
  const tp = sock('cubic');
  tp.mstampUs = 5_000_000;
  tp.sndCwnd = 1000;
  tp.sndSsthresh = tp.ca.ssthresh(tp);
  tp.sndCwnd = tp.sndSsthresh;
  // K = cbrt(300 / 0.4) = 9.1 s.
  const at: number[] = [];
  for (let second = 1; second <= 18; second++) {
    for (let i = 0; i < 10; i++) round(tp, 100);
    at.push(tp.sndCwnd);
  }
  const curve = at.map((_, i) => 1000 + 0.4 * (i + 1 + 0.1 - 9.085) ** 3);
  at.forEach((cwnd, i) => assert.ok(Math.abs(cwnd - curve[i]!) < 25, `after ${i + 1} s: ${cwnd}, the curve says ${curve[i]!.toFixed(0)}`));
  assert.ok(at[9]! - at[7]! < 8, 'flat around the maximum');
});

test('RFC 9438 §4.3: on a short path CUBIC is not slower than Reno', () => {
  const cubic = sock('cubic');
  const reno = sock('reno');
  for (const tp of [cubic, reno]) {
    tp.mstampUs = 5_000_000;
    tp.sndCwnd = 40;
    tp.sndSsthresh = tp.ca.ssthresh(tp);
    tp.sndCwnd = tp.sndSsthresh;
  }
  // Reno starts lower (half) and gains one segment per round; CUBIC gains about half of one, from 0.7.
  for (let i = 0; i < 60; i++) {
    round(cubic, 10);
    round(reno, 10);
  }
  assert.ok(cubic.sndCwnd >= 28 + 25, `${cubic.sndCwnd}`);
});

test('RFC 9438 §4.7: a second loss below the old maximum gives way further', () => {
  const tp = sock('cubic');
  tp.sndCwnd = 100;
  tp.sndCwnd = tp.ca.ssthresh(tp);
  assert.equal(tp.sndCwnd, 70);
  tp.ca.ssthresh(tp);
  const { lastMaxCwnd } = tp.caPriv as { lastMaxCwnd: number };
  assert.equal(lastMaxCwnd, Math.floor((70 * 1741) / 2048));
});

/** The ACKs of one round, all with this round trip, `gapUs` apart; a new round begins. */
function acks(tp: TcpSock, n: number, rttMs: number, gapUs: number): void {
  const { sample } = tp.tcp.scratch;
  tp.sndUna = tp.sndNxt;
  tp.sndNxt = (tp.sndNxt + 100000) | 0;
  for (let i = 0; i < n; i++) {
    tp.sndUna = (tp.sndUna + 1000) | 0;
    sample.rttUs = rttMs * 1000;
    tp.ca.pktsAcked(tp, sample);
    tp.mstampUs += gapUs;
  }
}

test('HyStart: slow start ends when the round trip has grown by 4 ms, or by an eighth, in nine samples', () => {
  for (const [minMs, fineMs, lateMs] of [[20, 24, 25], [100, 112, 113], [200, 216, 217]] as const) {
    const tp = sock('cubic');
    tp.sndCwnd = 32;
    acks(tp, 9, minMs, 0);
    acks(tp, 9, fineMs, 0);
    acks(tp, 8, lateMs, 0);
    assert.equal(tp.sndSsthresh, TCP_INFINITE_SSTHRESH, `${minMs} ms`);
    acks(tp, 9, lateMs, 0);
    assert.equal(tp.sndSsthresh, 32, `${minMs} ms`);
  }
});

test('HyStart: slow start ends when the ACKs of a round come close together for half the least round trip', () => {
  const tp = sock('cubic');
  tp.sndCwnd = 32;
  acks(tp, 9, 20, 0);
  acks(tp, 11, 20, 1000);
  assert.equal(tp.sndSsthresh, TCP_INFINITE_SSTHRESH);
  acks(tp, 12, 20, 1000);
  assert.equal(tp.sndSsthresh, 32);
  const sparse = sock('cubic');
  sparse.sndCwnd = 32;
  acks(sparse, 9, 20, 0);
  acks(sparse, 12, 20, 3000);
  assert.equal(sparse.sndSsthresh, TCP_INFINITE_SSTHRESH);
});

test('HyStart leaves small windows alone', () => {
  const tp = sock('cubic');
  tp.sndCwnd = 15;
  acks(tp, 9, 20, 0);
  acks(tp, 12, 50, 1000);
  assert.equal(tp.sndSsthresh, TCP_INFINITE_SSTHRESH);
});

test('A timeout makes CUBIC forget', () => {
  const tp = sock('cubic');
  tp.sndCwnd = 100;
  tp.ca.ssthresh(tp);
  tp.ca.setState(tp, TCP_CA_Loss);
  assert.equal((tp.caPriv as { lastMaxCwnd: number }).lastMaxCwnd, 0);
});

lab('Slow start: nine sent, eighteen allowed; five sent, ten remain', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(9000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 4001');
  for (let i = 5; i <= 9; i++) t.run(`< . 1:1(0) ack ${i}001`);
  assert.equal(c.tp.sndCwnd, 18);
  const d = t.established();
  d.write(5000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 5001');
  assert.equal(d.tp.sndCwnd, 10);
});

lab('RFC 5681 §4.1: after an idle timeout the window restarts', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 10001');
  c.write(20000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 30001');
  assert.equal(c.tp.sndCwnd, 40);
  t.wait('350ms');
  c.write(1000);
  t.forget();
  assert.equal(c.tp.sndCwnd, 20); // half for one timeout of silence
  t.run('+.1 < . 1:1(0) ack 31001');
  t.wait('5s');
  c.write(1000);
  t.forget();
  assert.equal(c.tp.sndCwnd, 10);
  t.run('+.1 < . 1:1(0) ack 32001');
});

lab('tcp_slow_start_after_idle 0 keeps it', { mss: 1000, rttMs: 100, sysctl: { tcp_slow_start_after_idle: 0 } }, (t) => {
  const c = t.established();
  c.write(10000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 10001');
  t.wait('5s');
  c.write(1000);
  t.forget();
  assert.equal(c.tp.sndCwnd, 20);
  t.run('+.1 < . 1:1(0) ack 11001');
});
