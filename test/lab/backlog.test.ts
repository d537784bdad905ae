import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labWith, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

const SYN = '< S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>';

/** One more peer has sent its SYN; what it says next. */
function syn(t: Lab): (lines: string) => void {
  t.newPeer();
  const { flow } = t.core;
  t.run(`${SYN}\n > S. 0:0(0) ack 1`);
  return (lines) => {
    t.core.flow = flow;
    t.run(lines);
  };
}

/** One more peer shakes hands. */
function shake(t: Lab): void {
  syn(t)('+.01 < . 1:1(0) ack 1');
}

lab('A backlog of n holds n + 1 connections; the third segment of the next one is not taken, and its SYN-ACK comes again', {
  backlog: 1,
}, (t) => {
  const listener = t.listening();
  shake(t);
  const [two, three] = [syn(t), syn(t)];
  two('< . 1:1(0) ack 1');
  three(`
    < . 1:1(0) ack 1
    +1 > S. 0:0(0) ack 1
  `);
  listener.accept();
  listener.accept();
  listener.acceptNothing();
  three('< . 1:1(0) ack 1');
  listener.accept();
  t.counters({ TcpExtListenOverflows: 1, TcpExtListenDrops: 1, TcpExtTCPTimeouts: 1, TcpExtTCPSynRetrans: 1, TcpRetransSegs: 1 });
});

lab('While the accept queue is full, SYNs are dropped', { backlog: 1 }, (t) => {
  t.listening();
  shake(t);
  shake(t);
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1460>
    quiet 100ms
  `;
  t.counters({ TcpExtListenOverflows: 1, TcpExtListenDrops: 1 });
});

lab('With tcp_abort_on_overflow the peer is told by a RST', {
  backlog: 1, sysctl: { tcp_abort_on_overflow: 1 },
}, (t) => {
  t.listening();
  shake(t);
  const [two, three] = [syn(t), syn(t)];
  two('< . 1:1(0) ack 1');
  three(`
    < . 1:1(0) ack 1
    > R 1:1(0)
  `);
});

lab('RFC 4987: with cookies a SYN costs no memory, and the third segment makes the connection', {
  sysctl: { tcp_syncookies: 2 },
}, (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>
    > S. 0:0(0) ack 1 <mss 1460>
  `;
  assert.equal(t.host.tcp.established.count, 0);
  t.run`
    +.1 < . 1:1(0) ack 1
  `;
  const c = listener.accept();
  t.sock(c, { state: 'ESTABLISHED' });
  c.write(100);
  t.run`
    > P. 1:101(100) ack 1
    +.1 < . 1:1(0) ack 101
  `;
  t.counters({ TcpExtSyncookiesSent: 1, TcpExtSyncookiesRecv: 1, TcpExtTCPReqQFullDoCookies: 1 });
});

lab('RFC 4987: a cookie that is wrong is refused', { sysctl: { tcp_syncookies: 2 } }, (t) => {
  const listener = t.listening();
  t.run`
    < S 0:0(0) win 65535 <mss 1460>
    > S. 0:0(0) ack 1
    +.1 < . 1:1(0) ack 1234567
    > R 1234567:1234567(0)
  `;
  listener.acceptNothing();
  t.counters({ TcpExtSyncookiesSent: 1, TcpExtSyncookiesFailed: 1, TcpExtTCPReqQFullDoCookies: 1, TcpOutRsts: 1 });
});

lab('RFC 7323 in a cookie: with timestamps SACK and the window scale survive', {
  sysctl: { tcp_syncookies: 2 }, timestamps: true,
}, (t) => {
  const listener = t.listening();
  const c = t.connectTo(listener);
  t.sock(c, { sackOk: true, sndWscale: 7, tstampOk: true });
});

lab('When the queue of half-open connections is full, cookies take over', {
  sysctl: { tcp_max_syn_backlog: 4 }, backlog: 4,
}, (t) => {
  t.listening();
  for (let i = 0; i < 10; i++) {
    t.newPeer();
    t.run`
      < S 0:0(0) win 65535 <mss 1460>
      > S. 0:0(0) ack 1
    `;
  }
  assert.ok(t.host.tcp.established.count <= 5, String(t.host.tcp.established.count));
  assert.ok(t.host.kernel.nstat().TcpExtSyncookiesSent >= 5);
  t.wait('70s');
  t.forget();
});

lab('Without cookies a full queue drops SYNs', {
  sysctl: { tcp_max_syn_backlog: 4, tcp_syncookies: 0 }, backlog: 4,
}, (t) => {
  t.listening();
  let answered = 0;
  for (let i = 0; i < 10; i++) {
    t.newPeer();
    t.run`< S 0:0(0) win 65535 <mss 1460>`;
    answered += t.forget();
  }
  assert.ok(answered >= 3 && answered <= 5, String(answered));
  t.wait('70s');
  t.forget();
});
