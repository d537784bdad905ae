import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MSG_MORE, SIOCOUTQ, SOL_TCP, TCP_CORK, TCP_NODELAY } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

// ---- bursts, segments, PSH ------------------------------------------------------------------------------------------

lab('RFC 6928: ten segments go at once, whatever the round trip', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(20000);
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:2001(1000) ack 1
    > .  2001:3001(1000) ack 1
    > P. 3001:4001(1000) ack 1
    > .  4001:5001(1000) ack 1
    > P. 5001:6001(1000) ack 1
    > .  6001:7001(1000) ack 1
    > P. 7001:8001(1000) ack 1
    > .  8001:9001(1000) ack 1
    > P. 9001:10001(1000) ack 1
    quiet 100ms
  `;
  t.sock(c, { packetsOut: 10, sndCwnd: 10 });
});

for (const [rttMs, sizes] of [
  [1, [5000, 5000]],
  [5, [4000, 4000, 2000]], [5.3, [3000, 3000, 3000, 1000]], [10, [2000, 2000, 2000, 2000, 2000]], [100, [2000, 2000, 2000, 2000, 2000]],
] as const) {
  lab(`Bursts are sized by the round trip: at ${rttMs} ms ten segments leave as ${sizes.join(' + ')}`, {
    mss: 1000, rttMs, tso: true,
  }, (t) => {
    const c = t.established();
    c.write(10000);
    let at = 1;
    const lines = sizes.map((size) => {
      const line = `> ${size > 1000 || at + size === 10001 ? 'P.' : '.'} ${at}:${at + size}(${size}) ack 1`;
      at += size;
      return line;
    });
    t.run(lines.join('\n'));
  });
}

lab('Segments carry what the peer announced at most, less the timestamp', { mss: 1000, timestamps: true }, (t) => {
  const c = t.established();
  c.write(2000);
  t.run`
    > .  1:989(988) ack 1
    > P. 989:1977(988) ack 1
    > P. 1977:2001(24) ack 1            // Minshall: only another small one would hold it back
    +.1 < . 1:1(0) ack 2001
  `;
});

lab('RFC 9293 §3.7.1: without an MSS option segments are 536 bytes', { mss: null }, (t) => {
  const c = t.established();
  c.write(1072);
  t.run`
    > .  1:537(536) ack 1
    > P. 537:1073(536) ack 1
  `;
});

lab('A small MTU of ours limits our segments, too', { family: 4, mtu: 600 }, (t) => {
  const c = t.established();
  c.write(1120);
  t.run`
    > .  1:561(560) ack 1
    > P. 561:1121(560) ack 1
  `;
});

lab('PSH ends a write; a single segment in mid-stream has none', { mss: 1000, rttMs: 10, tso: true }, (t) => {
  const c = t.established();
  c.write(500);
  t.run`
    > P. 1:501(500) ack 1
  `;
});

// ---- Nagle, cork ----------------------------------------------------------------------------------------------------

lab('RFC 896: a small segment waits while another one is out (Nagle)', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10);
  c.write(20);
  c.write(30);
  t.run`
    > P. 1:11(10) ack 1
    quiet 100ms
    < . 1:1(0) ack 11
    > P. 11:61(50) ack 1
    +.1 < . 1:1(0) ack 61
  `;
});

lab('A full segment does not wait for Nagle', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10);
  c.write(1000);
  t.run`
    > P. 1:11(10) ack 1
    > P. 11:1011(1000) ack 1
    +.1 < . 1:1(0) ack 1011
  `;
});

lab('TCP_NODELAY sends each write at once', { mss: 1000, rttMs: 100, nodelay: true }, (t) => {
  const c = t.established();
  c.write(10);
  c.write(20);
  t.run`
    > P. 1:11(10) ack 1
    > P. 11:31(20) ack 1
    +.1 < . 1:1(0) ack 31
  `;
});

lab('TCP_CORK holds a small segment back, for one RTO at most', { mss: 1000, rttMs: 10 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_CORK, 1);
  c.write(100);
  t.run`
    quiet 200ms
    +10ms > P. 1:101(100) ack 1
  `;
});

lab('Taking the cork out pushes what it held', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_CORK, 1);
  c.write(100);
  c.write(100);
  t.run`
    quiet 50ms
  `;
  c.setsockopt(SOL_TCP, TCP_CORK, 0);
  t.run`
    > P. 1:201(200) ack 1
  `;
});

lab('A cork lets full segments out', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_CORK, 1);
  c.write(2500);
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:2001(1000) ack 1
    +.1 < . 1:1(0) ack 2001
    +.3 > P. 2001:2501(500) ack 1
  `;
});

lab('What MSG_MORE held back is released, without PSH, by the ACK that empties the flight', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(2500, { flags: MSG_MORE });
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:2001(1000) ack 1
    +.1 < . 1:1(0) ack 2001
    > . 2001:2501(500) ack 1
  `;
});

lab('MSG_MORE corks for one call', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(100, { flags: MSG_MORE });
  t.run`
    quiet 50ms
  `;
  c.write(100);
  t.run`
    > P. 1:201(200) ack 1
  `;
});

lab('TCP_NODELAY pushes what Nagle held', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10);
  c.write(20);
  t.run`
    > P. 1:11(10) ack 1
  `;
  c.setsockopt(SOL_TCP, TCP_NODELAY, 1);
  t.run`
    > P. 11:31(20) ack 1
  `;
});

// ---- the congestion window without loss -----------------------------------------------------------------------------

lab('RFC 5681 §3.1: slow start adds a segment for each that is acknowledged, while the window was the limit', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(30000);
  assert.equal(t.forget(), 10);
  t.run`
    +.1 < . 1:1(0) ack 2001
    > .  10001:11001(1000) ack 1
    > P. 11001:12001(1000) ack 1
    > .  12001:13001(1000) ack 1
    > P. 13001:14001(1000) ack 1
  `;
  t.sock(c, { sndCwnd: 12, packetsOut: 12 });
});

for (const [sent, cwnd] of [[9, 18], [6, 12], [5, 10]] as const) {
  lab(`A window that was not used does not grow: ${sent} sent, cwnd ${cwnd} after their ACK`, {
    mss: 1000, rttMs: 100,
  }, (t) => {
    const c = t.established();
    c.write(sent * 1000);
    assert.equal(t.forget(), sent);
    t.wait('100ms');
    for (let i = 1; i <= sent; i++) t.run`< . 1:1(0) ack ${i * 1000 + 1}`;
    t.sock(c, { sndCwnd: cwnd, packetsOut: 0 });
  });
}

lab('RFC 9293 §3.8.6.2: the peer\'s window limits what is out', {
  mss: 1000, rttMs: 100, win: 3000, wscale: null,
}, (t) => {
  const c = t.established();
  c.write(10000);
  assert.equal(t.forget(), 3);
  t.run`
    quiet 100ms
    < . 1:1(0) ack 1001 win 3000
    > . 3001:4001(1000) ack 1
  `;
});

// ---- FIN ------------------------------------------------------------------------------------------------------------

lab('A FIN rides on the last unsent segment', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10);
  c.write(20);
  c.close();
  t.run`
    > P. 1:11(10) ack 1
    > FP. 11:31(20) ack 1
    +.1 < . 1:1(0) ack 32
    < F. 1:1(0) ack 32
    > . 32:32(0) ack 2
  `;
});

lab('A FIN obeys the congestion window: with ten out of ten it waits', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(10000);
  c.shutdown('wr');
  assert.equal(t.forget(), 10);
  t.run`
    quiet 100ms
    < . 1:1(0) ack 2001
    > F. 10001:10001(0) ack 1
  `;
});

lab('A FIN goes at once where there is room in the window', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(9000);
  c.shutdown('wr');
  t.wait(0);
  assert.equal(t.forget(), 10);
  t.sock(c, { state: 'FIN_WAIT1', sndNxt: 9002 });
});

// ---- zero window ----------------------------------------------------------------------------------------------------

lab('RFC 9293 §3.8.6.1: a closed window is probed after an RTO, then ever more slowly, with an old byte number', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  c.write(1000);
  t.run`
    > P. 1:1001(1000) ack 1
    +.1 < . 1:1(0) ack 1001 win 0
  `;
  c.write(5000);
  t.run`
    +.3 > . 1000:1000(0) ack 1
    < . 1:1(0) ack 1001 win 0
    +.6 > . 1000:1000(0) ack 1
    < . 1:1(0) ack 1001 win 0
    +1.2 > . 1000:1000(0) ack 1
    +.1 < . 1:1(0) ack 1001 win 65535
  `;
  assert.equal(t.forget(), 5);
  t.counters({ TcpExtTCPWinProbe: 3 });
});

lab('A window update that was lost does not stop the stream: the answer to the probe brings it', {
  mss: 1000, rttMs: 100, win: 1000, wscale: null,
}, (t) => {
  const c = t.established();
  c.write(2000);
  t.run`
    > .  1:501(500) ack 1               // never more than half of the largest window at once
    > P. 501:1001(500) ack 1
    +.1 < . 1:1(0) ack 1001 win 0
    +.3 > . 1000:1000(0) ack 1
    < . 1:1(0) ack 1001 win 1000
    > .  1001:1501(500) ack 1
    > P. 1501:2001(500) ack 1
    +.1 < . 1:1(0) ack 2001 win 1000
  `;
});

// ---- the send buffer ------------------------------------------------------------------------------------------------

lab('SIOCOUTQ counts what is not acknowledged', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  c.write(1500);
  assert.equal(c.ioctl(SIOCOUTQ), 1500);
  t.run`
    > .  1:1001(1000) ack 1
    > P. 1001:1501(500) ack 1
    +.1 < . 1:1(0) ack 1001
  `;
  assert.equal(c.ioctl(SIOCOUTQ), 500);
  t.run`
    +.1 < . 1:1(0) ack 1501
  `;
  assert.equal(c.ioctl(SIOCOUTQ), 0);
});

lab('A full send buffer answers EAGAIN, and poll tells when a third of it is free', {
  mss: 1000, rttMs: 100, sndbuf: 10000,
}, (t) => {
  const c = t.established();
  const first = c.write(200000, { want: 'any' });
  assert.ok(first > 20000 && first < 150000, String(first));
  c.write(1000, { want: 'EAGAIN' });
  assert.equal(c.poll(), '');
  assert.equal(t.forget(), 10);
  for (let acked = 10000; c.poll() === ''; acked += 10000) {
    t.run(`+.1 < . 1:1(0) ack ${acked + 1}`);
    t.forget();
    assert.ok(acked < first);
  }
  t.wait('1ms');
  t.forget();
});

lab('RFC 9293 §3.8.6.3: data and an ACK that is due travel together', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  c.read(100);
  c.write(50);
  t.run`
    > P. 1:51(50) ack 101
    +.1 < P. 101:201(100) ack 51
  `;
  c.read(100);
  c.write(50);
  t.run`
    > P. 51:101(50) ack 201
  `;
});
