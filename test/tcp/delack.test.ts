/** When data is acknowledged: the numbers of Linux, measured by its own scripts. */
import { test } from 'node:test';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('The first sixteen segments are acknowledged at once; then 40 ms, and twice that with each expiry, up to the round trip', {
  mss: 1000, rttMs: 100,
}, (t) => {
  const c = t.established();
  let seq = 1;
  for (let i = 0; i < 16; i++) {
    t.run(`
      +.25 < . ${seq}:${seq + 100}(100) ack 1
      > . 1:1(0) ack ${seq + 100}
    `);
    seq += 100;
    c.read(100);
  }
  for (const ms of [40, 80, 100, 100]) {
    t.run(`
      +.15 < . ${seq}:${seq + 100}(100) ack 1
      +${ms / 1000} > . 1:1(0) ack ${seq + 100}
    `);
    seq += 100;
    c.read(100);
  }
});

lab('A FIN as the first thing on a connection is acknowledged within a tick', { rttMs: 100 }, (t) => {
  t.established();
  t.run`
    < F. 1:1(0) ack 1
    > . 1:1(0) ack 2
  `;
});

lab('After data a FIN waits 40 ms for something to ride on', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  c.read(200, { want: 100 });
  t.run`
    +1 < F. 101:101(0) ack 1
    +.04 > . 1:1(0) ack 102
  `;
});

lab('An answer carries the ACK: a dialogue has no pure ACKs', { rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  c.read(200, { want: 100 });
  c.write(50);
  t.run`
    > P. 1:51(50) ack 101
    +.1 < P. 101:201(100) ack 51
    quiet 10ms
  `;
  c.read(200, { want: 100 });
  c.write(50);
  t.run`
    > P. 51:101(50) ack 201
    +.1 < . 201:201(0) ack 101
  `;
});

lab('ACKs of many segments out of order are thinned out after three, unless blocks would be lost by it', {
  mss: 1000, rttMs: 100, sysctl: { tcp_rmem: '4096 131072 131072' },
}, (t) => {
  const c = t.established();
  // Beyond the time in which everything is acknowledged at once; the window has grown to its end, and the receiver knows a round trip.
  for (let i = 0; i < 90; i++) {
    t.run(`+.05 < . ${1000 * i + 1}:${1000 * i + 1001}(1000) ack 1`);
    c.read(1000);
    t.wait('150ms');
    t.forget();
  }
  t.wait('100ms');
  t.forget();
  // The first is still acknowledged because the window grew, the next three because they are the first.
  t.run`
    < . 91001:92001(1000) ack 1
    > . 1:1(0) ack 90001 <nop,nop,sack 91001:92001>
    < . 92001:93001(1000) ack 1
    > . 1:1(0) ack 90001 <nop,nop,sack 91001:93001>
    < . 93001:94001(1000) ack 1
    > . 1:1(0) ack 90001 <nop,nop,sack 91001:94001>
    < . 94001:95001(1000) ack 1
    > . 1:1(0) ack 90001 <nop,nop,sack 91001:95001>
    < . 95001:96001(1000) ack 1
    < . 96001:97001(1000) ack 1
    +.0011 > . 1:1(0) ack 90001 <nop,nop,sack 91001:97001>
    < . 97001:98001(1000) ack 1
    < . 99001:100001(1000) ack 1
    +.0011 > . 1:1(0) ack 90001 <nop,nop,sack 99001:100001 91001:98001>
    < . 101001:102001(1000) ack 1
    < . 102001:103001(1000) ack 1
    < . 104001:105001(1000) ack 1
    > . 1:1(0) ack 90001 <nop,nop,sack 101001:103001 99001:100001 91001:98001>
    +.0011 > . 1:1(0) ack 90001 <nop,nop,sack 104001:105001 101001:103001 99001:100001 91001:98001>
    < . 90001:91001(1000) ack 1
    > . 1:1(0) ack 98001 <nop,nop,sack 104001:105001 101001:103001 99001:100001>
  `;
  t.counters({ TcpExtTCPAckCompressed: 3, TcpExtTCPOFOQueue: 11 });
});

lab('RFC 5681 §4.2: the segment that fills the last gap is acknowledged at once', { mss: 1000, rttMs: 100 }, (t) => {
  const c = t.established();
  t.run`
    < . 1001:2001(1000) ack 1
    > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>
    < . 1:1001(1000) ack 1
    > . 1:1(0) ack 2001
  `;
  c.read(2000);
  t.counters({ TcpExtTCPOFOQueue: 1 });
});
