/** What poll() says in each state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SOL_SOCKET, SOL_TCP, SO_RCVLOWAT, TCP_NOTSENT_LOWAT } from '../../src/sock/constants.ts';
import { AF_INET, SOCK_STREAM } from '../../src/sock/constants.ts';
import { fdSock, sysSocket } from '../../src/syscall/socket.ts';
import { labWith, runLab, tableWith, type Lab, type LabConn } from '../../src/testing.ts';
import { tcpPoll } from '../../src/tcp/ops.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);

const STATES: Readonly<Record<string, (t: Lab) => LabConn>> = {
  SYN_SENT: (t) => t.synSent(),
  ESTABLISHED: (t) => t.established(),
  FIN_WAIT1: (t) => t.finWait1(),
  FIN_WAIT2: (t) => t.finWait2(),
  CLOSE_WAIT: (t) => t.closeWait(),
  CLOSING: (t) => t.closing(),
  TIME_WAIT: (t) => t.timeWait(),
  reset: (t) => {
    const c = t.established();
    t.run('< R 1:1(0)');
    return c;
  },
  refused: (t) => {
    const c = t.synSent();
    t.run('< R. 0:0(0) ack 1');
    return c;
  },
  shut_rd: (t) => {
    const c = t.established();
    c.shutdown('rd');
    return c;
  },
};

table<{ state: string; events: string }>(
  'The events of a socket that has nothing to read, by state (tcp_poll)',
  `
  state        →  events
  SYN_SENT        ''
  ESTABLISHED     'out'
  FIN_WAIT1       'out'
  FIN_WAIT2       'out'
  CLOSE_WAIT      'in out rdhup'
  CLOSING         'in out hup rdhup'
  TIME_WAIT       'in out hup rdhup'
  reset           'in out err hup rdhup'
  refused         'in out err hup rdhup'
  shut_rd         'in out rdhup'
`,
  ({ state, events }) => {
    runLab(state, {}, (t) => {
      assert.equal(STATES[state]!(t).poll(), events);
      t.forget();
    });
  },
);

lab('A new socket is writable and hung up, as Linux has it', (t) => {
  const fd = sysSocket(t.host.process, AF_INET, SOCK_STREAM, 0);
  assert.equal(tcpPoll(fdSock(t.host.process, fd) as TcpSock), 0x4 | 0x10 | 0x100);
});

lab('A listener is readable while somebody waits to be accepted', (t) => {
  const listener = t.listening();
  const tp = fdSock(t.host.process, listener.fd) as TcpSock;
  assert.equal(tcpPoll(tp), 0);
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
  assert.equal(tcpPoll(tp), 0);
  t.run('+.1 < . 1:1(0) ack 1');
  assert.equal(tcpPoll(tp), 0x1 | 0x40);
  listener.accept();
  assert.equal(tcpPoll(tp), 0);
});

lab('Readable when SO_RCVLOWAT bytes are there; SIOCINQ counts them, the FIN not', (t) => {
  const c = t.established();
  c.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 100);
  t.run`
    < P. 1:51(50) ack 1
    > . 1:1(0) ack 51
  `;
  assert.equal(c.poll(), 'out');
  assert.equal(c.ioctl(SIOCINQ), 50);
  t.run`
    < FP. 51:101(50) ack 1
    +.04 > . 1:1(0) ack 102
  `;
  assert.equal(c.poll(), 'in out rdhup');
  assert.equal(c.ioctl(SIOCINQ), 100);
  c.read(100);
  assert.equal(c.ioctl(SIOCINQ), 0);
  c.read(100, { want: 0 });
});

lab('Writable while a third of the buffer is free; SIOCOUTQ tells what is unacknowledged, SIOCOUTQNSD what is unsent', {
  sndbuf: 50000,
}, (t) => {
  const c = t.established();
  const n = c.write(400000, { want: 'any' });
  assert.ok(n > 0 && n < 400000);
  assert.equal(c.poll(), '');
  assert.equal(c.ioctl(SIOCOUTQ), n);
  const sent = t.forget();
  assert.equal(c.ioctl(SIOCOUTQNSD), n - sent * 1460);
});

lab('TCP_NOTSENT_LOWAT: writable while twice the unsent bytes are below it', (t) => {
  const c = t.established({ win: 5 }); // 5 << 7 = 640 bytes
  c.setsockopt(SOL_TCP, TCP_NOTSENT_LOWAT, 2000);
  c.write(1600);
  t.forget();
  assert.equal(c.poll(), 'out');
  c.write(100, { want: 'any' });
  t.forget();
  assert.equal(c.poll(), '');
});

lab('An error is reported once: after a reset the data first, then ECONNRESET, then the end', (t) => {
  const c = t.established();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < R 11:11(0)
  `;
  c.read(10);
  c.read(10, { want: 'ECONNRESET' });
  c.read(10, { want: 0 });
  c.write(1, { want: 'EPIPE', flags: 0x4000 });
});

lab('After a reset a write takes the error, and what was read before stays to be read', (t) => {
  const c = t.established();
  t.run`
    < P. 1:11(10) ack 1
    > . 1:1(0) ack 11
    < R 11:11(0)
  `;
  c.write(1, { want: 'ECONNRESET', flags: 0x4000 });
  c.read(10);
  c.read(10, { want: 0 });
});
