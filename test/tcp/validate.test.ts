/** RFC 5961 and PAWS: what a segment on a living connection must look like, and how the rest is answered. */
import { test } from 'node:test';
import { labWith, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('RFC 5961 §3.2: a RST in the window, but not at its edge, draws a challenge ACK; the real one then ends the connection', (t) => {
  const c = t.established();
  t.run`
    < R 100:100(0)
    > . 1:1(0) ack 1
    < R 1:1(0)
  `;
  t.sock(c, { state: 'CLOSE' });
  t.counters({ TcpExtTCPChallengeACK: 1, TcpEstabResets: 1 });
});

lab('RFC 5961 §4.2: a SYN draws a challenge ACK', (t) => {
  const c = t.established();
  t.run`
    < S 5000:5000(0) win 65535
    > . 1:1(0) ack 1
  `;
  t.sock(c, { state: 'ESTABLISHED' });
  t.counters({ TcpExtTCPChallengeACK: 1, TcpExtTCPSYNChallenge: 1, TcpInErrs: 1 });
});

lab('Challenge ACKs of one connection: at most one per half second', (t) => {
  t.established();
  t.run`
    < R 100:100(0)
    > . 1:1(0) ack 1
    +.1 < R 101:101(0)
    +.3 < S 5000:5000(0) win 65535
    quiet 50ms
    +.1 < R 102:102(0)
    > . 1:1(0) ack 1
  `;
  t.counters({ TcpExtTCPChallengeACK: 2, TcpExtTCPACKSkippedChallenge: 2, TcpExtTCPSYNChallenge: 1, TcpInErrs: 1 });
});

lab('RFC 5961 §7: a host sends only so many challenge ACKs per second, a number that nobody outside knows', {
  sysctl: { tcp_challenge_ack_limit: 10, tcp_invalid_ratelimit: 0 },
}, (t) => {
  t.established();
  let sent = 0;
  for (let i = 0; i < 40; i++) {
    t.run(`< R ${100 + i}:${100 + i}(0)`);
    sent += t.forget();
  }
  if (sent < 5 || sent > 14) throw new Error(`${String(sent)} challenge ACKs`);
});

lab('A segment out of the window is acknowledged, without data twice a second at most', (t) => {
  t.established();
  t.run`
    < . 70000:70000(0) ack 1
    > . 1:1(0) ack 1
    +.1 < . 70000:70000(0) ack 1
    +.1 < P. 70000:70010(10) ack 1
    > . 1:1(0) ack 1
  `;
  t.counters({ TcpExtBeyondWindow: 3, TcpExtTCPACKSkippedSeq: 1 });
});

lab('RFC 7323 R1: a segment with an old timestamp is acknowledged and dropped', { timestamps: true }, (t) => {
  const c = t.established();
  t.wait(1000);
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < P. 11:21(10) ack 1 <nop,nop,TS val 500 ecr 0>
    > . 1:1(0) ack 11
  `;
  t.sock(c, { rcvNxt: 11 });
  t.counters({ TcpExtPAWSEstab: 1 });
});

lab('RFC 7323 §5.2: the timestamp of a RST is not held against it', { timestamps: true }, (t) => {
  const c = t.established();
  t.wait(1000);
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < R 11:11(0) <nop,nop,TS val 500 ecr 0>
  `;
  t.sock(c, { state: 'CLOSE' });
});

lab('A pure ACK that is older than the last segment is dropped without an answer', { timestamps: true }, (t) => {
  t.established();
  t.wait(1000);
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < . 1:1(0) ack 1 <nop,nop,TS val 500 ecr 0>
    quiet 10ms
  `;
  t.counters({ TcpExtPAWSOldAck: 1 });
});

lab('After 24 days of silence the last timestamp says nothing any more', { timestamps: true }, (t) => {
  const c = t.established();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  t.wait(25 * 24 * 3600 * 1000);
  t.run`
    < P. 11:21(10) ack 1 <nop,nop,TS val 20 ecr 0>
    > . 1:1(0) ack 21
  `;
  t.sock(c, { rcvNxt: 21 });
});

lab('A segment longer than the window is taken while nothing is queued, else not', { rcvbuf: 5000 }, (t) => {
  const c = t.established();
  const wnd = c.tp.rcvWnd;
  t.run(`< P. 1:${1 + wnd + 100}(${wnd + 100}) ack 1`);
  t.run(`< P. ${1 + wnd + 100}:${1 + 2 * wnd + 500}(${wnd + 400}) ack 1`);
  t.forget();
  t.sock(c, { rcvNxt: 1 + wnd + 100 });
  t.counters({ TcpExtBeyondWindow: 1 });
});

lab('RFC 2385: a segment with a digest that nobody asked for is dropped silently', (t) => {
  t.established();
  t.run`
    < P. 1:11(10) ack 1 <nop,nop,md5 00000000000000000000000000000000>
    quiet 1s
  `;
  t.counters({ TcpExtTCPMD5Unexpected: 1 });
});

lab('A segment without ACK is dropped silently', (t) => {
  t.established();
  t.run`
    < P 1:11(10)
    < F 1:1(0)
    quiet 1s
  `;
  t.drops({ TcpFlags: 2 });
});

lab('A segment with a wrong checksum is counted and dropped', (t) => {
  t.established();
  t.host.wire.injectIp(corrupt(t));
  t.drops({ TcpCsum: 1 });
  t.counters({ TcpInCsumErrors: 1, TcpInErrs: 1 });
});

/** A data segment whose last byte was changed on the way. */
function corrupt(t: Lab): Uint8Array {
  const flow = t.core.flow!;
  const bytes = flow.build({ proto: 'tcp', ip: {}, flags: 0x18, ace: false, range: { seq: 1, len: 10 }, ack: 1 }, t.core.nowNs);
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}
