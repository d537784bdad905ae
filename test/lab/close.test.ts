import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOL_SOCKET, SOL_TCP, SO_ERROR, SO_LINGER, TCP_LINGER2 } from '../../src/sock/constants.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

// ---- we close first -------------------------------------------------------------------------------------------------

lab('RFC 9293 §3.6: we close first and pass through FIN_WAIT1, FIN_WAIT2 and TIME_WAIT', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
  `;
  t.sock(c, { state: 'FIN_WAIT2' });
  t.run`
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
  t.counters({ TcpExtTW: 1 });
});

lab('TIME_WAIT lasts sixty seconds and acknowledges a FIN that comes again', (t) => {
  const c = t.timeWait();
  assert.ok(t.inTimeWait(c));
  t.run`
    +10 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
    quiet 59s
  `;
  assert.ok(t.inTimeWait(c));
  t.run`
    quiet 2s
  `;
  assert.ok(!t.inTimeWait(c));
});

lab('RFC 1337: in TIME_WAIT a RST ends the state, unless it is told not to', (t) => {
  const c = t.timeWait();
  t.run`
    +1 < R 2:2(0)
    quiet 1ms
  `;
  assert.ok(!t.inTimeWait(c));
});

lab('RFC 1337: with tcp_rfc1337 a RST does not end TIME_WAIT', { sysctl: { tcp_rfc1337: 1 } }, (t) => {
  const c = t.timeWait();
  t.run`
    +1 < R 2:2(0)
    quiet 1ms
  `;
  assert.ok(t.inTimeWait(c));
});

lab('RFC 6191: a SYN with a newer timestamp reopens a connection in TIME_WAIT', { timestamps: true }, (t) => {
  const listener = t.listening();
  const c = t.connectTo(listener);
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
  t.run`
    +1 < S 5000:5000(0) win 65535 <mss 1460,sackOK,TS val 5000 ecr 0,nop,wscale 7>
    > S. 0:0(0) ack 5001
    +.1 < . 5001:5001(0) ack 1 <nop,nop,TS val 5100 ecr 1200>
  `;
  listener.accept();
});

lab('In TIME_WAIT a SYN that is no newer draws an ACK, and the connection stays as it is', (t) => {
  const c = t.timeWait();
  t.run`
    +1 < S 0:0(0) win 65535 <mss 1000>
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
});

lab('RFC 9293 §3.6: both close at once, and both wait (CLOSING)', (t) => {
  const c = t.closing();
  t.sock(c, { state: 'CLOSING' });
  t.run`
    +.1 < . 2:2(0) ack 2
    quiet 1s
  `;
  assert.ok(t.inTimeWait(c));
});

lab('A FIN that acknowledges ours leads from FIN_WAIT1 to TIME_WAIT directly', (t) => {
  const c = t.finWait1();
  t.run`
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
});

lab('A FIN is retransmitted like data', { rttMs: 100, sysctl: { tcp_early_retrans: 0 } }, (t) => {
  t.finWait1();
  t.run`
    +.3 > F. 1:1(0) ack 1
    +.6 > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    quiet 1s
  `;
});

lab('In FIN_WAIT2 data still comes in and is read', (t) => {
  const c = t.finWait2();
  t.run`
    < P. 1:1001(1000) ack 2
    > . 2:2(0) ack 1001
  `;
  c.read(2000, { want: 1000 });
  t.run`
    < FP. 1001:1501(500) ack 2
    > . 2:2(0) ack 1502
  `;
  c.read(2000, { want: 500 });
  c.read(2000, { want: 0 });
});

lab('An orphan in FIN_WAIT2 ends after tcp_fin_timeout', { sysctl: { tcp_fin_timeout: 10 } }, (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    quiet 10s
    quiet 1s
    < F. 1:1(0) ack 2
    > R 2:2(0)
  `;
});

lab('TCP_LINGER2 shortens FIN_WAIT2 for one connection', (t) => {
  const c = t.established();
  c.setsockopt(SOL_TCP, TCP_LINGER2, 5);
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    quiet 6s
    < F. 1:1(0) ack 2
    > R 2:2(0)
  `;
});

lab('Data for an orphan in FIN_WAIT2 draws a RST: nobody will read it', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    < P. 1:101(100) ack 2
    > R 2:2(0)
  `;
  t.counters({ TcpOutRsts: 1, TcpExtTW: 1 });
});

// ---- the peer closes first ------------------------------------------------------------------------------------------

lab('RFC 9293 §3.6: the peer closes first; we pass through CLOSE_WAIT and LAST_ACK', (t) => {
  const c = t.established();
  t.run`
    < F. 1:1(0) ack 1
    > . 1:1(0) ack 2
  `;
  t.sock(c, { state: 'CLOSE_WAIT' });
  c.read(100, { want: 0 });
  c.read(100, { want: 0 });
  assert.equal(c.poll(), 'in out rdhup');
  c.write(100);
  t.run`
    > P. 1:101(100) ack 2
    +.1 < . 2:2(0) ack 101
  `;
  c.close();
  t.run`
    > F. 101:101(0) ack 2
  `;
  t.sock(c, { state: 'LAST_ACK' });
  t.run`
    +.1 < . 2:2(0) ack 102
    quiet 1s
  `;
  t.sock(c, { state: 'CLOSE' });
  assert.ok(!t.inTimeWait(c));
});

lab('A FIN with data delivers the data first; its ACK waits for an answer, which often follows', (t) => {
  const c = t.established();
  t.run`
    < FP. 1:101(100) ack 1
    +40ms > . 1:1(0) ack 102
  `;
  c.read(500, { want: 100 });
  c.read(500, { want: 0 });
});

lab('An urgent pointer at a FIN points at no byte: the end is the end', (t) => {
  const c = t.established();
  t.run`
    < FU. 1:1(0) ack 1 urg 1
    > . 1:1(0) ack 2
  `;
  c.read(100, { want: 0 });
  c.read(100, { want: 0 });
  t.sock(c, { copiedSeq: 2, rcvNxt: 2 });
});

lab('A FIN out of order waits for what lies before it', (t) => {
  const c = t.established();
  t.run`
    < F. 101:101(0) ack 1
    > . 1:1(0) ack 1
  `;
  t.sock(c, { state: 'ESTABLISHED' });
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 102
  `;
  t.sock(c, { state: 'CLOSE_WAIT' });
  c.read(500, { want: 100 });
  c.read(500, { want: 0 });
});

// ---- shutdown -------------------------------------------------------------------------------------------------------

lab('After shutdown(SHUT_WR) a write is EPIPE, and reading goes on', (t) => {
  const c = t.established();
  c.shutdown('wr');
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
  `;
  c.write(10, { want: 'EPIPE' });
  t.run`
    < P. 1:11(10) ack 2
    > . 2:2(0) ack 11
  `;
  c.read(100, { want: 10 });
});

lab('After shutdown(SHUT_RD) a read is 0, and nothing is said on the wire', (t) => {
  const c = t.established();
  c.shutdown('rd');
  t.run`quiet 1s`;
  c.read(10, { want: 0 });
  c.write(10);
  t.run`
    > P. 1:11(10) ack 1
  `;
});

// ---- RST ------------------------------------------------------------------------------------------------------------

lab('close() with unread data resets: R. with our numbers', (t) => {
  const c = t.established();
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
  `;
  c.close();
  t.run`
    > R. 1:1(0) ack 101
    quiet 1s
  `;
  t.counters({ TcpExtTCPAbortOnClose: 1, TcpOutRsts: 1, TcpEstabResets: 1 });
});

lab('SO_LINGER with 0 seconds resets on close', (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_LINGER, { on: true, seconds: 0 });
  c.write(10);
  c.close();
  t.run`
    > P. 1:11(10) ack 1
    > R. 11:11(0) ack 1
    quiet 1s
  `;
});

lab('close() in SYN_SENT says nothing; the SYN-ACK that comes later is reset', (t) => {
  const c = t.synSent();
  c.close();
  t.run`
    quiet 50ms
    < S. 0:0(0) ack 1 win 65535 <mss 1460>
    > R 1:1(0)
    quiet 5s
  `;
});

lab('After a RST queued data is read first, then ECONNRESET once, then the end', (t) => {
  const c = t.established();
  t.run`
    < P. 1:101(100) ack 1
    > . 1:1(0) ack 101
    +.1 < R. 101:101(0) ack 1
    quiet 1s
  `;
  c.read(500, { want: 100 });
  c.read(500, { want: 'ECONNRESET' });
  c.read(500, { want: 0 });
  t.counters({ TcpEstabResets: 1 });
});

lab('After a RST a write takes the error, and then there is no pipe', (t) => {
  const c = t.established();
  t.run`
    < R. 1:1(0) ack 1
    quiet 1s
  `;
  assert.equal(c.poll(), 'in out err hup rdhup');
  c.write(10, { want: 'ECONNRESET' });
  c.write(10, { want: 'EPIPE' });
  c.read(10, { want: 0 });
});

lab('SO_ERROR tells once', (t) => {
  const c = t.established();
  t.run`
    < R. 1:1(0) ack 1
  `;
  assert.equal(c.getsockopt(SOL_SOCKET, SO_ERROR), 104);
  assert.equal(c.getsockopt(SOL_SOCKET, SO_ERROR), 0);
});

lab('In CLOSE_WAIT a RST is EPIPE', (t) => {
  const c = t.closeWait();
  t.run`
    < R. 2:2(0) ack 1
  `;
  c.write(10, { want: 'EPIPE' });
});

// ---- RFC 5961 -------------------------------------------------------------------------------------------------------

lab('RFC 5961 §3: a RST in the window, but not at its left edge, draws a challenge ACK', (t) => {
  const c = t.established();
  t.run`
    < R. 100:100(0) ack 1
    > . 1:1(0) ack 1
  `;
  t.sock(c, { state: 'ESTABLISHED' });
  t.counters({ TcpExtTCPChallengeACK: 1 });
});

lab('RFC 5961 §3: a RST out of the window is nobody', (t) => {
  const c = t.established();
  t.run`
    < R. 4000000000:4000000000(0) ack 1
    quiet 1s
  `;
  t.sock(c, { state: 'ESTABLISHED' });
});

lab('RFC 5961 §4: a SYN on a connection draws a challenge ACK, wherever it lies', (t) => {
  const c = t.established();
  t.run`
    < S 1:1(0) win 65535 <mss 1000>
    > . 1:1(0) ack 1
    +1 < S 100000:100000(0) win 65535 <mss 1000>
    > . 1:1(0) ack 1
  `;
  t.sock(c, { state: 'ESTABLISHED' });
  t.counters({ TcpExtTCPChallengeACK: 2, TcpExtTCPSYNChallenge: 2, TcpInErrs: 2 });
});

lab('Answers to segments out of the window are limited to two a second', (t) => {
  t.established();
  t.run`
    < . 4000000000:4000000000(0) ack 1
    > . 1:1(0) ack 1
    +.1 < . 4000000000:4000000000(0) ack 1
    quiet 400ms
    < . 4000000000:4000000000(0) ack 1
    > . 1:1(0) ack 1
  `;
  t.counters({ TcpExtTCPACKSkippedSeq: 1 });
});
