/** Pure computations: round trip, timeout, initial window, burst size, MSS; tables with the answers worked out by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../mod.ts';
import { tcpCreateSock } from '../../src/tcp/init.ts';
import { tcpBoundToHalfWnd, tcpMssToMtu, tcpMtuToMss } from '../../src/tcp/mss.ts';
import { tcpRttEstimator, tcpSetRto } from '../../src/tcp/rtt.ts';
import { tcpUpdatePacingRate } from '../../src/tcp/cwnd.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from '../../src/tcp/window.ts';
import { tcpCwndTest, tcpTsoSegs } from '../../src/tcp/xmit.ts';

function sock(sysctl: Record<string, number | string> = {}): TcpSock {
  const kernel = new Kernel({ seed: 1, costs: 'zero', mode: 'manual', sysctl });
  return tcpCreateSock(kernel.stack.tcp);
}

/** A new window of data has been acknowledged: the variance may decay. */
function sample(tp: TcpSock, ms: number): void {
  tp.sndUna = (tp.sndUna + 1000) | 0;
  tp.sndNxt = tp.sndUna;
  tcpRttEstimator(tp, ms * 1000);
  tcpSetRto(tp);
}

test('RFC 6298: the timeout is the round trip and 200 ms on a calm path', () => {
  for (const [rttMs, rtoMs] of [[1, 201], [10, 210], [20, 220], [100, 300], [1000, 3000]] as const) {
    const tp = sock();
    sample(tp, rttMs);
    assert.equal(tp.srttUs >> 3, rttMs * 1000);
    assert.equal(tp.rtoUs, rtoMs * 1000, `RTT ${rttMs} ms`);
  }
});

test('RFC 6298: a long first variance decays to the floor when the path is calm', () => {
  const tp = sock();
  for (let i = 0; i < 40; i++) sample(tp, 1000);
  assert.equal(tp.srttUs >> 3, 1000000);
  assert.equal(tp.rtoUs, 1201000); // the floor is neared from above, and the sum rounded up to a tick
});

test('RFC 6298: one late answer raises the variance, many early ones hardly', () => {
  const tp = sock();
  for (let i = 0; i < 20; i++) sample(tp, 100);
  sample(tp, 900);
  assert.equal(tp.srttUs >> 3, 200000);
  const high = tp.rtoUs;
  assert.ok(high > 390000, `${high}`);
  const calm = sock();
  for (let i = 0; i < 20; i++) sample(calm, 100);
  sample(calm, 10);
  assert.ok(calm.rtoUs <= 300000, `${calm.rtoUs}`);
});

test('tcp_rto_max_ms bounds the timeout', () => {
  const tp = sock({ 'net.ipv4.tcp_rto_max_ms': 1000 });
  sample(tp, 5000);
  assert.equal(tp.rtoUs, 1000000);
});

test('The window scale follows the largest buffer; the first window is half of the buffer in whole segments', () => {
  const rows: [rmem: string, space: number, locked: boolean, wnd: number, wscale: number][] = [
    ['4096 131072 6291456', 65536, false, 64240, 7],
    ['4096 540000 15728640', 270000, false, 268640, 8],
    ['4096 131072 33554432', 65536, false, 64240, 10],
    ['4096 131072 6291456', 1000000, true, 998640, 4],
    ['4096 131072 6291456', 10000, true, 8760, 0],
    ['4096 131072 6291456', 20000, true, 18980, 0],
  ];
  for (const [rmem, space, locked, wnd, wscale] of rows) {
    const tp = sock({ 'net.ipv4.tcp_rmem': rmem });
    const win = tcpSelectInitialWindow(tp, space, 1460, locked ? space : 0, true, 0);
    assert.deepEqual([win.rcvWnd, win.rcvWscale], [wnd, wscale], `${rmem}, ${space}`);
  }
  assert.equal(tcpFullSpace(sock()), 65536);
});

test('A burst is a millisecond of the pacing rate, two segments at least, half of the window at most', () => {
  const rows: [rttUs: number, cwnd: number, segs: number, quota: number][] = [
    [1000, 10, 52, 5], [2000, 10, 17, 5], [5300, 10, 3, 5], [10000, 10, 2, 5], [100000, 10, 2, 5],
    [100000, 100, 2, 50], [20000, 400, 39, 200],
  ];
  for (const [rttUs, cwnd, segs, quota] of rows) {
    const tp = sock();
    tp.mssCache = 1000;
    tp.sndCwnd = cwnd;
    tp.srttUs = rttUs << 3;
    tp.minRttUs = rttUs;
    tcpUpdatePacingRate(tp);
    assert.equal(tcpTsoSegs(tp, 1000), segs, `RTT ${rttUs} µs, cwnd ${cwnd}`);
    assert.equal(tcpCwndTest(tp), quota);
  }
});

test('The MSS leaves room for the headers and options of every segment; a tiny window is cut in half', () => {
  const tp = sock();
  tp.mssClamp = 1460;
  assert.equal(tcpMtuToMss(tp, 1500), 1460);
  tp.tcpHeaderLen = 32;
  assert.equal(tcpMtuToMss(tp, 1500), 1448);
  assert.equal(tcpMssToMtu(tp, 1448), 1500);
  tp.mssClamp = 1000;
  assert.equal(tcpMtuToMss(tp, 1500), 988);
  tp.maxWindow = 1200;
  assert.equal(tcpBoundToHalfWnd(tp, 988), 600);
  tp.maxWindow = 500;
  assert.equal(tcpBoundToHalfWnd(tp, 988), 500);
});
