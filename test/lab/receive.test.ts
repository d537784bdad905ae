import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIONREAD, MSG_PEEK, SOL_TCP, TCP_QUICKACK } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

// ---- acknowledgements -----------------------------------------------------------------------------------------------

lab('A new connection acknowledges its first sixteen segments at once, then it delays', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  for (let i = 0; i < 16; i++) {
    t.run(`
      < P. ${1 + i * 100}:${101 + i * 100}(100) ack 1
      > . 1:1(0) ack ${101 + i * 100}
      quiet 10ms
    `);
    c.read(100);
  }
  t.run`
    < P. 1601:1701(100) ack 1
    +40ms > . 1:1(0) ack 1701
  `;
  c.read(100);
});

lab('RFC 1122 §4.2.3.2: every second full segment is acknowledged at once', { rttMs: 100 }, (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_QUICKACK, 0);
  t.run`
    < . 1:1461(1460) ack 1
    < P. 1461:2921(1460) ack 1
    > . 1:1(0) ack 2921
  `;
  c.read(5000, { want: 2920 });
});

lab('RFC 9293 §3.10.7.4, first: a segment that begins beyond what is expected is kept, and acknowledged at once', {
  rttMs: 100,
}, (t) => {
  const c = t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <sack 1001:2001>
  `;
  c.read(100, { want: 'EAGAIN' });
  t.run`
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 2001
  `;
  c.read(5000, { want: 2000 });
  t.counters({ TcpExtTCPOFOQueue: 1 });
});

lab('RFC 2018 §4: the block that grew last is reported first', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <sack 1001:2001>
    < . 3001:4001(1000) ack 1
    > . 1:1(0) ack 1 <sack 3001:4001 1001:2001>
    < . 5001:6001(1000) ack 1
    > . 1:1(0) ack 1 <sack 5001:6001 3001:4001 1001:2001>
    < . 7001:8001(1000) ack 1
    > . 1:1(0) ack 1 <sack 7001:8001 5001:6001 3001:4001 1001:2001>
    < . 2001:3001(1000) ack 1
    > . 1:1(0) ack 1 <sack 1001:4001 7001:8001 5001:6001>
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 4001 <sack 7001:8001 5001:6001>
  `;
  c.read(10000, { want: 4000 });
});

lab('RFC 2018 §3: four blocks have room, the newest ones', { rttMs: 100 }, (t) => {
  t.established();
  for (let i = 0; i < 5; i++) t.run`
    < . ${1001 + 2000 * i}:${2001 + 2000 * i}(1000) ack 1
    > . 1:1(0) ack 1
  `;
  t.run`
    < . 11001:12001(1000) ack 1
    > . 1:1(0) ack 1 <sack 11001:12001 9001:10001 7001:8001 5001:6001>
  `;
});

lab('With timestamps three blocks have room', { rttMs: 100, timestamps: true }, (t) => {
  t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1
    < . 3001:4001(1000) ack 1
    > . 1:1(0) ack 1
    < . 5001:6001(1000) ack 1
    > . 1:1(0) ack 1
    < . 7001:8001(1000) ack 1
    > . 1:1(0) ack 1 <TS val 100 ecr 100,sack 7001:8001 5001:6001 3001:4001>
  `;
});

lab('RFC 2883 §4: a segment that came twice is reported in a DSACK block, first of all', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001 <sack 1:1001>
  `;
  c.read(1000);
  t.counters({ TcpExtTCPDSACKOldSent: 1, TcpExtDelayedACKLost: 1 });
});

lab('RFC 2883 §4: of two segments that overlap the common part is reported', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
    < . 501:1501(1000) ack 1
    > . 1:1(0) ack 1501 <sack 501:1001>
  `;
  c.read(5000, { want: 1500 });
});

lab('RFC 2883 §4: a duplicate among what is out of order comes before the block that holds it', { rttMs: 100 }, (t) => {
  t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <sack 1001:2001>
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <sack 1001:2001 1001:2001>
  `;
});

lab('Without SACK a segment out of order is acknowledged all the same', { rttMs: 100, sack: false }, (t) => {
  const c = t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <>
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 2001
  `;
  c.read(5000, { want: 2000 });
});

lab('Segments that overlap in every way make one stream', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 501:1501(1000) ack 1
    > . 1:1(0) ack 1
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1
    < . 2501:3001(500) ack 1
    > . 1:1(0) ack 1
    < . 401:3501(3100) ack 1
    > . 1:1(0) ack 1
    < . 1:601(600) ack 1
    > . 1:1(0) ack 3501
  `;
  c.read(10000, { want: 3500 });
});

// ---- the window -----------------------------------------------------------------------------------------------------

lab('RFC 9293 §3.10.7.4, first: what begins beyond the window is not kept, and is told so', {
  rttMs: 100, rcvbuf: 10000,
}, (t) => {
  const c = t.established();
  t.run`
    < . 20001:21001(1000) ack 1
    > . 1:1(0) ack 1
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
  `;
  c.read(5000, { want: 1000 });
  t.drops({ TcpInvalidSequence: 1 });
});

lab('RFC 9293 §3.10.7.4, first: what ended before the window is old, and is acknowledged', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
  `;
  c.read(1000);
  t.run`
    +1 < . 0:0(0) ack 1
    > . 1:1(0) ack 1001
  `;
});

lab('RFC 9293 §3.8.6.2.2: the window closes as the buffer fills, and does not open again by a byte', {
  mss: 1000, rttMs: 100, rcvbuf: 5000, wscale: null,
}, (t) => {
  const c = t.established();
  let seq = 1;
  let win = 5000;
  const heard = (): void => {
    for (let got = t.core.take(); got !== null; got = t.core.take()) {
      assert.ok(typeof got.packet !== 'string' && got.packet.proto === 'tcp');
      assert.ok(got.packet.ack! + got.packet.win! >= seq, 'the right edge never moves to the left');
      win = got.packet.win!;
    }
  };
  for (let i = 0; i < 50 && win > 0; i++) {
    const len = Math.min(1000, win);
    t.run(`< P. ${seq}:${seq + len}(${len}) ack 1`);
    seq += len;
    t.wait('200ms');
    heard();
  }
  assert.equal(win, 0);
  c.read(100);
  t.run`quiet 100ms`;
  c.read(10000, { want: 'any' });
  heard();
  assert.ok(win > 1000, String(win));
});

lab('RFC 9293 §3.8.6.1: a probe of a closed window is answered', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
    +5 < . 1000:1000(0) ack 1
    > . 1:1(0) ack 1001
  `;
  c.read(1000);
});

// ---- reading --------------------------------------------------------------------------------------------------------

lab('MSG_PEEK looks and leaves; FIONREAD counts', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:1001(1000) ack 1
    > . 1:1(0) ack 1001
  `;
  c.read(600, { flags: MSG_PEEK });
  assert.equal(c.ioctl(FIONREAD), 1000);
  assert.equal(c.poll(), 'in out');
  c.read(600);
  assert.equal(c.ioctl(FIONREAD), 400);
  c.read(600, { want: 400 });
  c.read(600, { want: 'EAGAIN' });
  assert.equal(c.poll(), 'out');
});

// ---- segments that must not be taken --------------------------------------------------------------------------------

lab('RFC 9293 §3.10.7.4, fifth: a segment without ACK is dropped', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P 1:1001(1000)
    quiet 1s
  `;
  c.read(100, { want: 'EAGAIN' });
  t.drops({ TcpFlags: 1 });
});

lab('RFC 9293 §3.10.7.4, fifth: an ACK of what was never sent draws a challenge ACK, and its data is not taken', {
  rttMs: 100,
}, (t) => {
  const c = t.established();
  t.run`
    < P. 1:1001(1000) ack 500
    > . 1:1(0) ack 1
  `;
  c.read(100, { want: 'EAGAIN' });
  t.drops({ TcpAckUnsentData: 1 });
});

lab('RFC 5961 §5: an ACK that is too old is not taken, either', {
  rttMs: 100, mss: 1000, win: 2000, wscale: null,
}, (t) => {
  const c = t.established();
  for (let i = 0; i < 5; i++) {
    c.write(1000);
    t.run(`
      > P. ${1 + 1000 * i}:${1001 + 1000 * i}(1000) ack 1
      +.1 < . 1:1(0) ack ${1001 + 1000 * i} win 2000
    `);
  }
  t.run`
    < P. 1:101(100) ack 4294963297
    > . 5001:5001(0) ack 1
  `;
  c.read(100, { want: 'EAGAIN' });
  t.drops({ TcpTooOldAck: 1 });
});

lab('RFC 7323 §5.3 (PAWS): a segment with an old timestamp is acknowledged and dropped', {
  rttMs: 100, timestamps: true,
}, (t) => {
  const c = t.established();
  t.run`
    +.1 < P. 1:101(100) ack 1 <nop,nop,TS val 200 ecr 0>
    > . 1:1(0) ack 101
    +.1 < P. 101:201(100) ack 1 <nop,nop,TS val 100 ecr 0>
    > . 1:1(0) ack 101
  `;
  c.read(500, { want: 100 });
  t.drops({ TcpRfc7323Paws: 1 });
  t.counters({ TcpExtPAWSEstab: 1 });
});

lab('A wrong checksum is counted, and nobody answers', { rttMs: 100 }, (t) => {
  const c = t.established();
  const bytes = c.flow.build({ proto: 'tcp', ip: {}, flags: 0x18, ace: false, range: { seq: 1, len: 100 }, ack: 1 }, t.core.nowNs);
  bytes[60]! ^= 1;
  t.host.wire.injectIp(bytes);
  t.run`quiet 1s`;
  c.read(100, { want: 'EAGAIN' });
  t.drops({ TcpCsum: 1 });
  t.counters({ TcpInErrs: 1, TcpInCsumErrors: 1 });
});
