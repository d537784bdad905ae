/** SYN cookies: what they remember, how long they are good, and what is no cookie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith, runLab, tableWith, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);
const ALWAYS = { tcp_syncookies: 2 };

/** SYN, SYN-ACK as they are; the ACK after `waitMs`. */
function handshake(t: Lab, options: string, waitMs: number): void {
  t.newPeer();
  t.run(`< S 0:0(0) win 65535 ${options}`);
  assert.equal(t.host.tcp.established.count, 0, 'nothing is kept');
  const got = t.core.take();
  assert.ok(got !== null);
  t.wait(waitMs);
  const ts = options.includes('TS') ? ` <nop,nop,TS val ${waitMs} ecr ${tsval(got.packet)}>` : '';
  t.run(`< . 1:1(0) ack 1${ts}`);
}

function tsval(packet: unknown): number {
  const { options } = packet as { options: { kind: string; val?: number }[] };
  return options.find((o) => o.kind === 'TS')!.val!;
}

table<{ mss: number; used: number }>('A cookie names one of four MSS values: the largest that is not above the peer’s', `
  mss    →  used
  9000      1460
  1460      1460
  1459      1440
  1400      1300
  1000      536
  536       536
  200       536      // the smallest it can name
`, ({ mss, used }) => {
  runLab('cookie mss', { sysctl: ALWAYS }, (t) => {
    const listener = t.listening();
    handshake(t, `<mss ${mss}>`, 100);
    const c = listener.accept();
    t.sock(c, { mssClamp: used, state: 'ESTABLISHED', wscaleOk: false, sackOk: false, tstampOk: false });
  });
});

table<{ options: string; ts: boolean; sack: boolean; wscale: number }>(
  'With timestamps a cookie remembers SACK and the window scale, too', `
  options                                                  →  ts     sack   wscale
  '<mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>'             true   true   7
  '<mss 1460,nop,nop,TS val 0 ecr 0,nop,wscale 3>'            true   false  3
  '<mss 1460,sackOK,TS val 0 ecr 0>'                          true   true   -1
  '<mss 1460,nop,nop,TS val 0 ecr 0>'                         true   false  -1
  '<mss 1460,nop,nop,sackOK,nop,wscale 7>'                    false  false  -1
`, ({ options, ts, sack, wscale }) => {
  runLab('cookie options', { sysctl: ALWAYS }, (t) => {
    const listener = t.listening();
    t.wait(5000);
    t.resetClock();
    handshake(t, options, 100);
    const c = listener.accept();
    t.sock(c, { tstampOk: ts, sackOk: sack, wscaleOk: wscale >= 0, sndWscale: Math.max(wscale, 0) });
  });
});

table<{ waitMs: number; good: boolean }>('A cookie is good in the minute in which it was made and in the next', `
  waitMs   →  good
  1000        true
  59000       true
  110000      true
  121000      false
`, ({ waitMs, good }) => {
  runLab('cookie age', { sysctl: ALWAYS }, (t) => {
    t.listening();
    t.wait(5000);
    t.newPeer();
    t.run('< S 0:0(0) win 65535 <mss 1460>');
    t.forget();
    t.wait(waitMs);
    t.run('< . 1:1(0) ack 1');
    assert.equal(t.forget(), good ? 0 : 1); // a reset for what is no cookie
    assert.equal(t.host.tcp.established.count, good ? 1 : 0);
  });
});

lab('An ACK that brings no cookie of ours draws a reset', { sysctl: ALWAYS }, (t) => {
  t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1460>
    > S. 0:0(0) ack 1
    < . 1:1(0) ack 77
    > R 77:77(0)
    < . 1:1(0) ack 1
  `;
  t.counters({ TcpExtTCPReqQFullDoCookies: 1, TcpExtSyncookiesSent: 1, TcpExtSyncookiesFailed: 1, TcpExtSyncookiesRecv: 1, TcpOutRsts: 1 });
});

lab('Without a recent overflow nobody looks for cookies', (t) => {
  t.listening();
  t.newPeer();
  t.run`
    < . 1:1(0) ack 1
    > R 1:1(0)
  `;
  t.counters({ TcpOutRsts: 1 });
});

lab('Data may come with the cookie', { sysctl: ALWAYS }, (t) => {
  const listener = t.listening();
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1460>
    > S. 0:0(0) ack 1
    +.1 < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  listener.accept().read(100);
});
