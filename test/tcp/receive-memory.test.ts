/** The receive buffer when it is full of overhead, and how it grows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mib } from '../../src/dev/mib.ts';
import { ScenarioWorld } from '../../src/testing/scenario-world.ts';
import { connectAndSend, labWith, listenAndReadAll, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

/** A segment comes in; what is said about it does not matter. */
function feed(t: Lab, seq: number, len: number): void {
  t.run(`< . ${seq}:${seq + len}(${len}) ack 1`);
  t.forget();
}

lab('Many tiny segments are copied together when their overhead fills the buffer', { rttMs: 100, rcvbuf: 5000 }, (t) => {
  const c = t.established();
  for (let i = 1; i <= 60; i++) feed(t, i, 1);
  assert.ok(c.tp.rmemAlloc <= c.tp.rcvbuf + 700, `${c.tp.rmemAlloc} bytes of ${c.tp.rcvbuf}`);
  c.read(100, { want: 60 });
  t.forget();
  const { mib } = t.host.net;
  assert.ok(mib[Mib.TcpExtTCPRcvCollapsed]! > 15);
  t.counters({ TcpExtPruneCalled: mib[Mib.TcpExtPruneCalled]!, TcpExtTCPRcvCollapsed: mib[Mib.TcpExtTCPRcvCollapsed]! });
});

lab('What is out of order goes when nothing else helps: its SACKs are forgotten, and it comes again', {
  mss: 1460, rttMs: 100, rcvbuf: 5000,
}, (t) => {
  const c = t.established();
  for (let i = 13; i >= 0; i--) feed(t, 101 + 200 * i, 100);
  assert.ok(c.tp.rmemAlloc > c.tp.rcvbuf);
  const { mib } = t.host.net;
  for (let at = 1; at < 2901; at += 100) {
    feed(t, at, 100);
    c.read(4000, { want: 'any' });
    t.wait('1ms');
    t.forget();
  }
  assert.equal(c.tp.rcvNxt, c.tp.copiedSeq);
  assert.equal(c.tp.bytesReceived, 2900);
  assert.ok(mib[Mib.TcpExtOfoPruned]! > 0);
  assert.ok(mib[Mib.TcpExtPruneCalled]! > 0);
});

/** Sends `bytes` over a cable of 100 Mbit/s and 20 ms each way. Returns the seconds it took. */
function transfer(rmem: string, bytes: number): number {
  const w = new ScenarioWorld(7);
  const [a, b] = w.twoHosts({ cable: { delay: '20ms', rate: '100mbit' }, host: { sysctl: { 'net.ipv4.tcp_rmem': rmem } } });
  const got = b.app(listenAndReadAll(80));
  a.app(connectAndSend(b.ip, 80, w.random.bytes(bytes), 65536));
  while (!got.done && w.nowNs < 60e9) w.runFor(10e6);
  const seconds = w.nowNs / 1e9;
  w.runUntilIdle();
  assert.equal(got.result!.length, bytes);
  return seconds;
}

test('The receive buffer grows until it is no limit: a fixed one is slower on a long path', () => {
  const grown = transfer('4096 131072 6291456', 8_000_000);
  const fixed = transfer('4096 131072 131072', 8_000_000);
  // 8 MB are 0.64 s at 100 Mbit/s; a window of 64 KiB and 40 ms allow 1.6 MB/s.
  assert.ok(grown < 1.4, `${grown} s`);
  assert.ok(fixed > 3, `${fixed} s`);
});
