/** How much goes at once and what it looks like: bursts, PSH, Nagle, corks, record marks, the send buffer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MSG_EOR, MSG_MORE, SOL_TCP, TCP_CORK } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
/** As the scripts that these numbers come from: a large send buffer, no restart after idling. */
const sysctl = { tcp_wmem: '4096 262144 4194304', tcp_slow_start_after_idle: 0 };

// ---- the size of a burst: a millisecond of the pacing rate, at least two segments, at most half the window

lab('On a path of 1 ms half the window goes at once', { mss: 1000, rttMs: 1, tso: true, sysctl }, (t) => {
  const c = t.established();
  c.write(10000);
  t.run`
    > P. 1:5001(5000) ack 1
    > P. 5001:10001(5000) ack 1
  `;
});

lab('On a path of 100 ms two segments go at once', { mss: 1000, rttMs: 100, tso: true, sysctl }, (t) => {
  const c = t.established();
  c.write(20000);
  t.run`
    > P. 1:2001(2000) ack 1
    > P. 2001:4001(2000) ack 1
    > P. 4001:6001(2000) ack 1
    > P. 6001:8001(2000) ack 1
    > P. 8001:10001(2000) ack 1
  `;
});

lab('tcp_min_tso_segs raises it, half the window stays the limit', {
  mss: 1000, rttMs: 100, tso: true, sysctl: { ...sysctl, tcp_min_tso_segs: 10 },
}, (t) => {
  const c = t.established();
  c.write(10000);
  t.run`
    > P. 1:5001(5000) ack 1
    > P. 5001:10001(5000) ack 1
  `;
});

lab('A burst has PSH; a single segment in mid-stream has none, and the first piece of a cut one loses it', {
  mss: 1000, rttMs: 100, tso: true, sysctl,
}, (t) => {
  const c = t.established();
  c.write(9000);
  t.run`
    > P. 1:2001(2000) ack 1
    > P. 2001:4001(2000) ack 1
    > P. 4001:6001(2000) ack 1
    > P. 6001:8001(2000) ack 1
    > P. 8001:9001(1000) ack 1
  `;
  c.write(5000);
  t.run`
    > . 9001:10001(1000) ack 1
    +.1 < . 1:1(0) ack 2001
    > P. 10001:12001(2000) ack 1
    > P. 12001:14001(2000) ack 1
  `;
});

// ---- corks and record marks

lab('MSG_EOR: no byte after the mark shares a segment with one before it', { mss: 1000, rttMs: 100, nodelay: true, sysctl }, (t) => {
  const c = t.established();
  c.write(8000);
  t.forget();
  c.write(1500, { flags: MSG_EOR });
  c.write(300, { flags: MSG_EOR });
  c.write(300);
  t.run`
    > . 8001:9001(1000) ack 1
    > P. 9001:9501(500) ack 1
    +.1 < . 1:1(0) ack 2001
    > P. 9501:9801(300) ack 1
    > P. 9801:10101(300) ack 1
  `;
});

lab('A corked write is one segment with the next', { mss: 1000, rttMs: 100, sysctl }, (t) => {
  const c = t.established();
  c.write(400, { flags: MSG_MORE });
  t.run('quiet 100ms');
  c.write(300);
  t.run`
    > P. 1:701(700) ack 1
    +.1 < . 1:1(0) ack 701
  `;
});

lab('A cork has its ceiling: after one RTO its content goes, with PSH', { mss: 1000, rttMs: 10, sysctl }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_CORK, 1);
  c.write(400);
  t.run`
    +.21 > P. 1:401(400) ack 1
    +.01 < . 1:1(0) ack 401
  `;
});

// ---- the send buffer

lab('The send buffer is checked when an skb is begun: 270,000 bytes fit into 262,144', { mss: 1000, rttMs: 100, sysctl }, (t) => {
  const c = t.established();
  assert.equal(c.write(400000, { want: 'any' }), 270000);
  c.write(1, { want: 'EAGAIN' });
  t.forget();
});

lab('SO_SNDBUF 50,000 holds 140,000', { mss: 1000, rttMs: 100, sndbuf: 50000, sysctl }, (t) => {
  assert.equal(t.established().write(400000, { want: 'any' }), 140000);
  t.forget();
});

lab('SO_SNDBUF 10,000 holds 75,000', { mss: 1000, rttMs: 100, sndbuf: 10000, sysctl }, (t) => {
  assert.equal(t.established().write(400000, { want: 'any' }), 75000);
  t.forget();
});

lab('Of a small window skbs are half: window 257 << 7, buffer 50,000: 58,000', {
  mss: 1000, rttMs: 100, win: 257, sysctl: { ...sysctl, tcp_wmem: '4096 50000 50000' },
}, (t) => {
  assert.equal(t.established().write(400000, { want: 'any' }), 58000);
  t.forget();
});

lab('Window 50,000 unscaled, SO_SNDBUF 21,000: 60,000', {
  mss: 1000, rttMs: 100, wscale: null, win: 50000, sndbuf: 21000, sysctl,
}, (t) => {
  assert.equal(t.established().write(400000, { want: 'any' }), 60000);
  t.forget();
});

lab('The buffer grows with the window: two windows of segments', { mss: 1460, rttMs: 100 }, (t) => {
  assert.equal(t.established().tp.sndbuf, 46080);
});
