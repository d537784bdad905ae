/** Loss recovery: PRR, undo, probes, lost retransmissions, with exact times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith } from '../../src/testing.ts';
import { TCP_CA_CWR, TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery } from '../../src/tcp/sock.ts';

const lab = labWith(test, [4, 6]);
const sysctl = { tcp_slow_start_after_idle: 0 };

lab('RFC 6937: PRR lets one segment out for each that arrives, holes first, and ends at ssthresh', {
  mss: 1000, rttMs: 100, sysctl: { ...sysctl, tcp_congestion_control: 'reno' },
}, (t) => {
  const c = t.established();
  c.write(20000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
    > . 10001:11001(1000) ack 1
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:3001>
    > . 11001:12001(1000) ack 1
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:4001>
    > . 1:1001(1000) ack 1
  `;
  assert.equal(c.tp.caState, TCP_CA_Recovery);
  assert.equal(c.tp.sndSsthresh, 5);
  // Six more arrive: every second one lets a segment out, since the window is to be halved, until five are in flight.
  t.run`
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:5001>
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:6001>
    > . 12001:13001(1000) ack 1
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:7001>
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:8001>
    > . 13001:14001(1000) ack 1
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:9001>
    +.002 < . 1:1(0) ack 1 <nop,nop,sack 1001:10001>
    quiet 10ms
  `;
  t.run('+.1 < . 1:1(0) ack 12001');
  t.forget();
  assert.equal(c.tp.caState, TCP_CA_Open);
  assert.equal(c.tp.sndCwnd, 5);
  t.counters({ TcpRetransSegs: 1, TcpExtTCPSackRecovery: 1, TcpExtTCPFastRetrans: 1 });
});

lab('RFC 6582: after a recovery without SACK the next ACK takes nothing back', { mss: 1000, rttMs: 100, sack: false, sysctl }, (t) => {
  const c = t.established();
  c.write(10000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 1
    < . 1:1(0) ack 1
    < . 1:1(0) ack 1
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 10001
  `;
  c.write(2000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 12001');
  assert.equal(c.tp.caState, TCP_CA_Open);
  assert.equal(c.tp.sndSsthresh, 7);
  assert.equal(c.tp.sndCwnd, 7);
  t.counters({ TcpRetransSegs: 1, TcpExtTCPRenoRecovery: 1, TcpExtTCPFastRetrans: 1 });
});

lab('RFC 3522 (Eifel): an ACK that echoes an older timestamp than the retransmission took undoes the reduction', { family: 4,
  mss: 1012, rttMs: 100, timestamps: true, sysctl,
}, (t) => {
  const c = t.established();
  c.write(10000);
  t.forget();
  const first = c.tp.tsoffset + t.host.net.jiffies;
  t.run(`
    +.1 < . 1:1(0) ack 1 <nop,nop,TS val 200 ecr ${first >>> 0},nop,nop,sack 1001:2001>
    < . 1:1(0) ack 1 <nop,nop,TS val 200 ecr ${first >>> 0},nop,nop,sack 1001:3001>
    < . 1:1(0) ack 1 <nop,nop,TS val 200 ecr ${first >>> 0},nop,nop,sack 1001:4001>
    > . 1:1001(1000) ack 1
  `);
  assert.equal(c.tp.caState, TCP_CA_Recovery);
  t.run(`+.005 < . 1:1(0) ack 10001 <nop,nop,TS val 205 ecr ${first >>> 0}>`);
  assert.equal(c.tp.caState, TCP_CA_Open);
  assert.equal(c.tp.sndSsthresh, 0x7fffffff);
  assert.ok(c.tp.sndCwnd >= 10);
});

lab('A retransmission that is lost in its turn is found by what was sent after it', { mss: 1000, rttMs: 100, sysctl }, (t) => {
  const c = t.established();
  c.write(30000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 1 <nop,nop,sack 1001:4001>
    > . 1:1001(1000) ack 1
  `;
  t.forget();
  t.run('< . 1:1(0) ack 1 <nop,nop,sack 1001:10001>');
  const sentAfter = c.tp.sndNxt - c.tp.iss;
  t.forget();
  assert.ok(sentAfter > 10001);
  // A round trip later the new data has arrived, and the first segment is still missing.
  t.run(`
    +.1 < . 1:1(0) ack 1 <nop,nop,sack 1001:${sentAfter}>
    > . 1:1001(1000) ack 1
  `);
  t.forget();
  t.counters({
    TcpRetransSegs: 2, TcpExtTCPSackRecovery: 1, TcpExtTCPFastRetrans: 2, TcpExtTCPLostRetransmit: 1,
  });
  t.run(`+.1 < . 1:1(0) ack ${c.tp.sndNxt - c.tp.iss}`);
  t.forget();
});

lab('RFC 8985 §7.6.3: a probe that repaired a loss reduces the window', { mss: 1000, rttMs: 100, sysctl }, (t) => {
  const c = t.established();
  c.write(10000);
  t.forget();
  t.run`
    +.1 < . 1:1(0) ack 9001
    +.3 > P. 9001:10001(1000) ack 1
  `;
  t.forget();
  assert.equal(c.tp.tlpHighSeq !== 0, true);
  c.write(1000);
  t.forget();
  t.run('+.1 < . 1:1(0) ack 11001');
  assert.equal(c.tp.tlpHighSeq, 0);
  assert.ok(c.tp.sndSsthresh < 0x7fffffff);
  assert.notEqual(c.tp.caState, TCP_CA_CWR);
});

lab('… and one whose original had arrived, too, does not: a D-SACK says so', { mss: 1000, rttMs: 100, sysctl }, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.3 > P. 1:1001(1000) ack 1
    +.01 < . 1:1(0) ack 1001
    +.09 < . 1:1(0) ack 1001 <nop,nop,sack 1:1001>
  `;
  assert.equal(c.tp.sndSsthresh, 0x7fffffff);
  assert.equal(c.tp.tlpHighSeq, 0);
  t.counters({ TcpRetransSegs: 1, TcpExtTCPLossProbes: 1, TcpExtTCPDSACKRecv: 1 });
});

lab('After a timeout everything counts as lost, and slow start fills the holes', {
  mss: 1000, rttMs: 100, sysctl: { ...sysctl, tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.write(5000);
  t.forget();
  t.run`
    +.3 > . 1:1001(1000) ack 1
  `;
  assert.equal(c.tp.caState, TCP_CA_Loss);
  assert.equal(c.tp.lostOut, 5);
  assert.equal(c.tp.sndCwnd, 1);
  t.run`
    +.1 < . 1:1(0) ack 1001
    > . 1001:2001(1000) ack 1
    > . 2001:3001(1000) ack 1
    +.1 < . 1:1(0) ack 3001
    > . 3001:4001(1000) ack 1
    > P. 4001:5001(1000) ack 1
    +.1 < . 1:1(0) ack 5001
  `;
  assert.equal(c.tp.caState, TCP_CA_Open);
  t.counters({ TcpRetransSegs: 5, TcpExtTCPTimeouts: 1, TcpExtTcpTimeoutRehash: 1, TcpExtTCPSlowStartRetrans: 4 });
});
