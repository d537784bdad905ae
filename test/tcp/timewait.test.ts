/** TIME_WAIT: how long, what it answers, and who may have its port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS } from '../../src/lib/errno.ts';
import { AF_INET, SOCK_STREAM, SOL_SOCKET, SOL_TCP, SO_REUSEADDR, TCP_LINGER2 } from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { sysBind, sysConnect, sysListen, sysSocket } from '../../src/syscall/socket.ts';
import { sysSetsockopt } from '../../src/syscall/sockopt.ts';
import { labWith, tableWith, runLab, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);

lab('TIME_WAIT lasts 60 seconds, and an ACK in it makes it begin anew', (t) => {
  const c = t.timeWait();
  t.wait('59s');
  assert.ok(t.inTimeWait(c));
  t.run('< . 2:2(0) ack 2');
  t.wait('59s');
  assert.ok(t.inTimeWait(c));
  t.wait('1100ms');
  assert.ok(!t.inTimeWait(c));
  t.counters({ TcpExtTW: 1 });
});

lab('The FIN once more, whose ACK was lost, is acknowledged again, twice a second at most… a FIN counts as data and always is', (t) => {
  t.timeWait();
  t.run`
    +.2 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
    +.6 < . 1:1(0) ack 2
    > . 2:2(0) ack 2
    +.1 < . 1:1(0) ack 2
    quiet 100ms
  `;
  t.counters({ TcpExtTCPACKSkippedTimeWait: 1, TcpExtTW: 1 });
});

lab('RFC 1337: a reset ends TIME_WAIT, as in all stacks', (t) => {
  const c = t.timeWait();
  t.run('< R 2:2(0)');
  assert.ok(!t.inTimeWait(c));
});

lab('RFC 1337: with tcp_rfc1337 it does not', { sysctl: { tcp_rfc1337: 1 } }, (t) => {
  const c = t.timeWait();
  t.run('< R 2:2(0)');
  assert.ok(t.inTimeWait(c));
});

/** The peer's SYN over a TIME_WAIT of our listener's port; its answer. */
function synOver(t: Lab, line: string): string {
  t.core.flow!.timestamps = false;
  t.run(line);
  const got = t.core.take();
  if (got === null || typeof got.packet === 'string' || got.packet.proto !== 'tcp') return 'nothing';
  return (got.packet.flags & 0x3f) === 0x12 ? 'synack' : (got.packet.flags & 0x3f) === 0x10 ? 'ack' : 'other';
}

table<{ ts: boolean; seq: number; val: number; answer: string }>(
  'RFC 6191: which SYN may end a TIME_WAIT (RCV.NXT 2, last TSval at 5000 ms)',
  `
  ts     seq         val    →  answer
  false  3           0         synack    // behind all that was received (RFC 1122 §4.2.2.13)
  false  1000000     0         synack
  false  2           0         ack       // not behind
  false  1           0         ack
  false  4294967000  0         ack       // before it, on the circle
  true   3           6000      synack    // newer by number and by time
  true   1           6000      synack    // newer by time alone
  true   3           5000      synack    // by number alone, the time is not older
  true   1           5000      ack
  true   3           4000      ack       // the time is older: an old duplicate (PAWS)
`,
  ({ ts, seq, val, answer }) => {
    runLab('syn over time-wait', { timestamps: ts }, (t) => {
      const listener = t.listening();
      t.wait(4600);
      const c = t.connectTo(listener);
      t.resetClock();
      c.close();
      t.run('> F. 1:1(0) ack 1');
      t.run('+.1 < F. 1:1(0) ack 2');
      t.run('> . 2:2(0) ack 2');
      t.wait(1000);
      const options = ts ? `<mss 1000,sackOK,TS val ${val - 200} ecr 0,nop,wscale 7>` : '<mss 1000>';
      assert.equal(synOver(t, `< S ${seq}:${seq}(0) win 65535 ${options}`), answer);
    });
  },
);

lab('Nobody listens any more: a SYN over TIME_WAIT is acknowledged only', (t) => {
  const c = t.timeWait();
  t.run`
    < S 5000:5000(0) win 65535 <mss 1000>
    > . 2:2(0) ack 2
  `;
  assert.ok(t.inTimeWait(c));
});

lab('A new connection over TIME_WAIT begins beyond the old one', (t) => {
  const listener = t.listening();
  const c = t.connectTo(listener);
  const iss = c.tp.iss;
  c.close();
  t.run('> F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 2\n> . 2:2(0) ack 2');
  t.run('+1 < S 5000:5000(0) win 65535 <mss 1000>');
  t.forget();
  const [req] = t.host.tcp.established.entries();
  assert.equal((req as unknown as { sntIsn: number }).sntIsn, (iss + 2 + 65535 + 2) | 0);
});

lab('An orphan in FIN_WAIT2 is a small socket, too, and waits tcp_fin_timeout for the FIN', { sysctl: { tcp_fin_timeout: 30 } }, (t) => {
  const c = t.finWait2();
  c.close();
  t.sock(c, { state: 'FIN_WAIT2' });
  assert.equal(t.sockets().length, 0);
  t.run`
    +5 < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `;
  t.sock(c, { state: 'TIME_WAIT' });
  assert.equal(t.host.tcp.orphanCount, 0);
});

lab('It gives up after tcp_fin_timeout', { sysctl: { tcp_fin_timeout: 30 } }, (t) => {
  const c = t.finWait2();
  c.close();
  t.wait('29s');
  t.sock(c, { state: 'FIN_WAIT2' });
  t.wait('2s');
  t.sock(c, { state: 'CLOSE' });
  t.run('< F. 1:1(0) ack 2\n> R 2:2(0)');
});

lab('TCP_LINGER2 beyond a minute is waited for as a full socket first', { sockopts: [[SOL_TCP, TCP_LINGER2, 100]] }, (t) => {
  const c = t.finWait2();
  c.close();
  assert.equal(t.sockets().length, 1);
  t.wait('39s');
  assert.equal(t.sockets().length, 1);
  t.wait('2s');
  assert.equal(t.sockets().length, 0);
  t.sock(c, { state: 'FIN_WAIT2' });
  t.wait('60s');
  t.sock(c, { state: 'CLOSE' });
});

lab('RFC 1122 §4.2.2.13: data for an orphan in FIN_WAIT2 is reset', (t) => {
  const c = t.finWait2();
  c.close();
  t.run`
    +.1 < P. 1:11(10) ack 2
    > R 2:2(0)
  `;
  t.sock(c, { state: 'CLOSE' });
});

lab('A full table of TIME_WAITs has no room for another', { sysctl: { tcp_max_tw_buckets: 0 } }, (t) => {
  const c = t.finWait2();
  t.run('< F. 1:1(0) ack 2\n> . 2:2(0) ack 2');
  assert.ok(!t.inTimeWait(c));
  t.counters({ TcpExtTCPTimeWaitOverflow: 1 });
});

// ---- the port

function bindAndListen(t: Lab, reuse: boolean): number {
  const p = t.host.process;
  const fd = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  if (reuse) sysSetsockopt(p, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const err = sysBind(p, fd, new SockAddr().set(0, 80));
  return err < 0 ? err : sysListen(p, fd, 1);
}

table<{ state: string; reuse: boolean; ret: number }>(
  'May a server begin to listen again on a port whose connections are still ending? With SO_REUSEADDR on both, yes',
  `
  state        reuse  →  ret
  timeWait     true      0
  timeWait     false     -98
  finWait1     true      0
  finWait2     true      0
  lastAck      true      0
  established  true      0
  established  false     -98
`,
  ({ state, reuse, ret }) => {
    assert.equal(EADDRINUSE, 98);
    runLab('rebind', {}, (t) => {
      (t as unknown as Record<string, () => unknown>)[state]!();
      assert.equal(bindAndListen(t, reuse), ret);
    });
  },
);

lab('The port is free again when TIME_WAIT is over', (t) => {
  t.timeWait();
  t.wait('61s');
  assert.equal(bindAndListen(t, false), 0);
});

/** connect() from port 40000 to the peer's port 80. */
function connectFrom(t: Lab, port: number): number {
  const p = t.host.process;
  const fd = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  sysSetsockopt(p, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const err = sysBind(p, fd, new SockAddr().set(0, port));
  if (err < 0) return err;
  const ret = sysConnect(p, fd, new SockAddr().set(t.core.flow!.address.peerAddr, 80));
  t.forget();
  return ret;
}

lab('connect() from a bound port over its own TIME_WAIT: only with timestamps', { family: 4, active: true, timestamps: true }, (t) => {
  const c = t.timeWait();
  const port = c.tp.num;
  assert.equal(connectFrom(t, port), -EINPROGRESS);
  t.counters({ TcpExtTWRecycled: 1, TcpExtTW: 1 });
});

lab('… without timestamps the address is not available', { family: 4, active: true }, (t) => {
  const c = t.timeWait();
  assert.equal(connectFrom(t, c.tp.num), -EADDRNOTAVAIL);
});

table<{ reuse: number; ts: boolean; waitMs: number; ret: number }>(
  'connect() when the only ephemeral port is in TIME_WAIT: tcp_tw_reuse, timestamps, and a second of patience',
  `
  reuse  ts     waitMs  →  ret
  1      true   1500       -115     // EINPROGRESS
  1      true   500        -99      // EADDRNOTAVAIL: the last timestamp may be of this very second
  1      false  1500       -99
  0      true   1500       -99
  2      true   1500       -99      // on loopback only
`,
  ({ reuse, ts, waitMs, ret }) => {
    const sysctl = { tcp_tw_reuse: reuse, ip_local_port_range: '40000 40000' };
    runLab('tw reuse', { active: true, timestamps: ts, sysctl }, (t) => {
      t.timeWait();
      t.wait(waitMs);
      const p = t.host.process;
      const fd = sysSocket(p, AF_INET, SOCK_STREAM, 0);
      assert.equal(sysConnect(p, fd, new SockAddr().set(t.core.flow!.address.peerAddr, 80)), ret);
      t.forget();
    });
  },
);
