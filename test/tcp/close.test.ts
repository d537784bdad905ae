/** How connections end: close, shutdown, linger, orphans. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOL_SOCKET, SOL_TCP, SO_LINGER, TCP_LINGER2 } from '../../src/sock/constants.ts';
import { sysKill } from '../../src/syscall/socket.ts';
import { labWith } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('close() with nothing unread: FIN, and the kernel sees it through', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
});

lab('RFC 2525 §2.17: close() with unread data is a reset', (t) => {
  const c = t.established();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  c.close();
  t.run('> R. 1:1(0) ack 11');
  t.sock(c, { state: 'CLOSE', destroyed: true });
  t.counters({ TcpExtTCPAbortOnClose: 1, TcpOutRsts: 1, TcpEstabResets: 1 });
});

lab('… but a FIN that nobody read is no data', (t) => {
  const c = t.closeWait();
  c.close();
  t.run`
    > F. 1:1(0) ack 2
    +.1 < . 2:2(0) ack 2
  `;
  t.sock(c, { state: 'CLOSE', destroyed: true });
});

lab('SO_LINGER with 0 seconds: a reset, and no TIME_WAIT', (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_LINGER, { on: true, seconds: 0 });
  c.close();
  t.run('> R. 1:1(0) ack 1');
  t.sock(c, { state: 'CLOSE', destroyed: true });
  assert.equal(t.host.tcp.established.count, 0);
});

lab('SO_LINGER with seconds: a close() that does not wait leaves an orphan at once, and the FIN on its way', (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_LINGER, { on: true, seconds: 5 });
  c.close();
  t.sock(c, { state: 'FIN_WAIT1', dead: true });
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  t.sock(c, { state: 'TIME_WAIT' });
});

lab('Half-close: after shutdown(SHUT_WR) the peer may go on sending, and we reading', (t) => {
  const c = t.established();
  c.shutdown('wr');
  t.run`
    > F. 1:1(0) ack 1
    +.1 < . 1:1(0) ack 2
    < P. 1:11(10) ack 2
    > . 2:2(0) ack 11
  `;
  c.read(10);
  c.write(1, { want: 'EPIPE', flags: 0x4000 });
  t.run`
    < F. 11:11(0) ack 2
    > . 2:2(0) ack 12
  `;
  c.read(1, { want: 0 });
  assert.ok(t.inTimeWait(c));
});

lab('shutdown(SHUT_RD) says nothing to the peer; what it sends is still acknowledged', (t) => {
  const c = t.established();
  c.shutdown('rd');
  c.read(1, { want: 0 });
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
  `;
  c.read(10);
});

lab('Data after both directions were closed draws a reset', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < P. 1:11(10) ack 2
    > R 2:2(0)
  `;
  t.sock(c, { state: 'CLOSE', destroyed: true });
  t.counters({ TcpExtTCPAbortOnData: 1, TcpOutRsts: 1 });
});

lab('… also before our FIN is acknowledged', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.1 < P. 1:11(10) ack 1
    > R 1:1(0)
  `;
  t.sock(c, { state: 'CLOSE' });
});

lab('RFC 9293 §3.6, figure 13: both close at once', (t) => {
  const c = t.established();
  c.close();
  t.run`
    > F. 1:1(0) ack 1
    +.05 < F. 1:1(0) ack 1
    > . 2:2(0) ack 2
    +.05 < . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
});

lab('The peer closes first: CLOSE_WAIT, LAST_ACK, gone without TIME_WAIT', (t) => {
  const c = t.closeWait();
  c.read(1, { want: 0 });
  c.close();
  t.run('> F. 1:1(0) ack 2');
  t.sock(c, { state: 'LAST_ACK' });
  t.run('+.1 < . 2:2(0) ack 2');
  t.sock(c, { state: 'CLOSE' });
  assert.equal(t.host.tcp.established.count, 0);
});

lab('TCP_LINGER2 below zero: an orphan does not wait for the FIN', { sockopts: [[SOL_TCP, TCP_LINGER2, -1]] }, (t) => {
  const c = t.finWait2();
  c.close();
  t.run('> R. 2:2(0) ack 1');
  t.sock(c, { state: 'CLOSE', destroyed: true });
  t.counters({ TcpExtTCPAbortOnLinger: 1, TcpOutRsts: 1 });
});

lab('More orphans than tcp_max_orphans: the next one is reset', { sysctl: { tcp_max_orphans: 0 } }, (t) => {
  const c = t.established();
  c.close();
  t.run('> F. 1:1(0) ack 1\n> R. 2:2(0) ack 1');
  t.sock(c, { state: 'CLOSE', destroyed: true });
  t.counters({ TcpExtTCPAbortOnMemory: 1, TcpExtTCPOrphanOverflow: 1, TcpOutRsts: 1 });
});

lab('close() in SYN_SENT says nothing; the SYN-ACK that comes later is reset', (t) => {
  const c = t.synSent();
  c.close();
  t.run`
    quiet 100ms
    < S. 0:0(0) ack 1 win 65535 <mss 1000>
    > R 1:1(0)
  `;
  t.sock(c, { state: 'CLOSE', destroyed: true });
});

lab('shutdown() in SYN_SENT gives the connection up', (t) => {
  const c = t.synSent();
  c.shutdown('wr');
  t.sock(c, { state: 'CLOSE' });
  t.run('quiet 2s');
});

lab('shutdown() of what is not connected: ENOTCONN', (t) => {
  const c = t.established();
  t.run('< R 1:1(0)');
  c.shutdown('wr', 'ENOTCONN');
});

lab('The end of a process closes its sockets as close() does', (t) => {
  t.established();
  sysKill(t.host.process);
  t.run('> F. 1:1(0) ack 1');
  assert.equal(t.host.tcp.orphanCount, 1);
  t.run`
    +.1 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  assert.equal(t.host.tcp.orphanCount, 0);
});

lab('An orphan whose peer has gone gives up in the end', (t) => {
  const c = t.established();
  c.close();
  t.run('> F. 1:1(0) ack 1');
  t.wait('200s');
  assert.ok(t.forget() > 3);
  t.sock(c, { state: 'CLOSE', destroyed: true });
});
