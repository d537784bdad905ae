import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith, type Lab, type LabConn } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

/** Ten segments are out. */
function tenOut(t: Lab): LabConn {
  const c = t.established();
  c.write(10000);
  assert.equal(t.forget(), 10);
  return c;
}

// ---- RTO ------------------------------------------------------------------------------------------------------------

for (const [rttMs, rto] of [[10, '210ms'], [20, '220ms'], [100, '300ms']] as const) {
  lab(`RFC 6298: after a handshake of ${rttMs} ms the RTO is ${rto}`, {
    mss: 1000, rttMs, sysctl: { tcp_early_retrans: 0 },
  }, (t) => {
    const c = t.established();
    c.write(1000);
    t.run`
      > P. 1:1001(1000) ack 1
      +${rto} > P. 1:1001(1000) ack 1
    `;
    t.sock(c, { caState: 'Loss', sndCwnd: 1 });
  });
}

lab('RFC 6298 §5.5: the RTO doubles with each loss', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.3  > P. 1:1001(1000) ack 1
    +.6  > P. 1:1001(1000) ack 1
    +1.2 > P. 1:1001(1000) ack 1
    +2.4 > P. 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001
    quiet 10s
  `;
  t.counters({ TcpRetransSegs: 4, TcpExtTCPTimeouts: 4, TcpExtTcpTimeoutRehash: 4, TcpExtTCPLostRetransmit: 3 });
});

lab('RFC 6298 §3 (Karn): an ACK of what was sent twice is no measure', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  const before = c.tp.srttUs;
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.3 > P. 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001
  `;
  assert.equal(c.tp.srttUs, before);
});

lab('After an RTO one segment goes, then two with its ACK, and the threshold is seven tenths of what was out', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = tenOut(t);
  t.run`
    +.3 > . 1:1001(1000) ack 1
  `;
  t.sock(c, { sndCwnd: 1, sndSsthresh: 7, caState: 'Loss' });
  t.run`
    +.1 < . 1:1(0) ack 1001
    > . 1001:2001(1000) ack 1
    > . 2001:3001(1000) ack 1
  `;
  t.sock(c, { sndCwnd: 2 });
  t.run`
    +.1 < . 1:1(0) ack 10001
    quiet 1s
  `;
});

lab('RFC 9293 §3.8.3 (R2): a connection whose peer is silent ends with ETIMEDOUT', {
  mss: 1000, rttMs: 100, sysctl: { tcp_retries2: 3, tcp_early_retrans: 0 },
}, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.3  > P. 1:1001(1000) ack 1
    +.6  > P. 1:1001(1000) ack 1
    +1.2 > P. 1:1001(1000) ack 1
    quiet 5s
  `;
  c.read(100, { want: 'ETIMEDOUT' });
  c.read(100, { want: 0 });
});

// ---- TLP ------------------------------------------------------------------------------------------------------------

lab('RFC 8985 §7: a lone tail is probed after two round trips and the peer\'s delayed ACK', {
  mss: 1000, rttMs: 20,
}, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.220 > P. 1:1001(1000) ack 1
    +.020 < . 1:1(0) ack 1001
  `;
  t.counters({ TcpRetransSegs: 1, TcpExtTCPLossProbes: 1 });
});

lab('RFC 8985 §7: of several segments the last one is the probe, after two round trips', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(5000);
  assert.equal(t.forget(), 5);
  t.run`
    +.202 > P. 4001:5001(1000) ack 1
    +.1 < . 1:1(0) ack 5001
  `;
  t.counters({ TcpRetransSegs: 1, TcpExtTCPLossProbes: 1 });
});

lab('RFC 8985 §7: a probe takes new data where there is some', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10000);
  c.write(1000);
  assert.equal(t.forget(), 10);
  t.run`
    +.202 > P. 10001:11001(1000) ack 1
    +.1 < . 1:1(0) ack 11001
  `;
});

lab('RFC 8985 §7.4: a SACK of the probe shows the hole, which is filled at once', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(5000);
  assert.equal(t.forget(), 5);
  t.run`
    +.202 > P. 4001:5001(1000) ack 1
    +.1 < . 1:1(0) ack 3001 <sack 4001:5001>
  `;
  t.wait('500ms');
  assert.ok(t.forget() >= 1);
});

// ---- fast retransmit, SACK ------------------------------------------------------------------------------------------

lab('RFC 6675 §5: the third duplicate ACK refills the hole, once and at once', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(4000);
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:2001(1000)
    > .  2001:3001(1000)
    > P. 3001:4001(1000)
    +.100 < . 1:1(0) ack 1 <sack 1001:2001>
          < . 1:1(0) ack 1 <sack 1001:3001>
          < . 1:1(0) ack 1 <sack 1001:4001>
    > .  1:1001(1000)                   // the hole, and only the hole
    quiet 150ms
    < .  1:1(0) ack 4001
    quiet 5s                            // nothing left to say
  `;
  t.counters({ TcpRetransSegs: 1, TcpExtTCPSackRecovery: 1, TcpExtTCPFastRetrans: 1 });
  t.sock(c, { state: 'ESTABLISHED', caState: 'Open', sndUna: 4001 });
});

lab('RFC 8985 §6.2: with fewer than three SACKs the hole waits a quarter of the round trip', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(3000);
  assert.equal(t.forget(), 3);
  t.run`
    +.100 < . 1:1(0) ack 1 <sack 1001:2001>
    +.027 > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 3001
  `;
  t.sock(c, { caState: 'Open' });
});

lab('RFC 6675: one SACK of three segments is worth three of one', { mss: 1000, rttMs: 100 }, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 10001
  `;
  t.sock(c, { caState: 'Open', sndSsthresh: 7 });
});

lab('RFC 3042: each of the first two duplicate ACKs lets one new segment out', { mss: 1000, rttMs: 100 }, (t) => {
  const c = tenOut(t);
  c.write(5000);
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:2001>
    > . 10001:11001(1000) ack 1
    +2ms < . 1:1(0) ack 1 <sack 1001:3001>
    > . 11001:12001(1000) ack 1
    +2ms < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
  `;
  t.sock(c, { caState: 'Recovery', sndSsthresh: 7 });
});

lab('RFC 6582: without SACK three duplicate ACKs do the same', { mss: 1000, rttMs: 100, sack: false }, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1
        < . 1:1(0) ack 1
        < . 1:1(0) ack 1
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 10001
  `;
  t.counters({ TcpRetransSegs: 1, TcpExtTCPRenoRecovery: 1, TcpExtTCPFastRetrans: 1 });
  t.sock(c, { caState: 'Recovery' });   // held until something above is acknowledged: no false fast retransmit
});

lab('RFC 6582: a partial ACK shows the next hole', { mss: 1000, rttMs: 100, sack: false }, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1
        < . 1:1(0) ack 1
        < . 1:1(0) ack 1
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 3001
    > . 3001:4001(1000) ack 1
    +.1 < . 1:1(0) ack 10001
  `;
  c.write(1000);
  t.run`
    > P. 10001:11001(1000) ack 1
    +.1 < . 1:1(0) ack 11001
  `;
  t.sock(c, { caState: 'Open' });
});

lab('RFC 2883: a DSACK of all that was sent again undoes the reduction', { mss: 1000, rttMs: 100 }, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
    +.01 < . 1:1(0) ack 10001
    +.05 < . 1:1(0) ack 10001 <sack 1:1001>
  `;
  t.sock(c, { caState: 'Open' });
  assert.ok(c.tp.sndCwnd >= 10, `cwnd is ${c.tp.sndCwnd}`);
});

lab('RFC 2018 §8: a peer that takes a SACK back is believed after an RTO', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001
  `;
  t.wait('2s');
  t.forget();
  t.sock(c, { caState: 'Loss', sackedOut: 0 });
  t.run`
    < . 1:1(0) ack 10001
  `;
});

lab('RFC 5682: new ACKs after an RTO that was for nothing are seen for what they are', {
  mss: 1000, rttMs: 100, sysctl: { tcp_early_retrans: 0 },
}, (t) => {
  const c = tenOut(t);
  c.write(5000);
  t.run`
    +.3 > . 1:1001(1000) ack 1
    +.01 < . 1:1(0) ack 2001
  `;
  t.forget();
  t.run`
    +.01 < . 1:1(0) ack 4001
  `;
  t.forget();
  t.run`
    +.01 < . 1:1(0) ack 15001
  `;
  t.sock(c, { caState: 'Open' });
  assert.ok(c.tp.sndCwnd >= 10, `cwnd is ${c.tp.sndCwnd}`);
});

lab('CUBIC: after a loss the window is seven tenths, and Reno halves it', {
  mss: 1000, rttMs: 100, sysctl: { tcp_congestion_control: 'reno' },
}, (t) => {
  const c = tenOut(t);
  t.run`
    +.1 < . 1:1(0) ack 1 <sack 1001:4001>
    > . 1:1001(1000) ack 1
  `;
  t.sock(c, { sndSsthresh: 5 });
});
