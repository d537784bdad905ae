/** connect(): what it answers, when, and how it fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EINPROGRESS, EISCONN, ENETUNREACH } from '../../src/lib/errno.ts';
import { ipv4 } from '../../src/lib/addr.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, SOCK_STREAM } from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import {
  fdSock, sysAccept, sysBind, sysClose, sysConnect, sysGetpeername, sysGetsockname, sysListen, sysSocket,
} from '../../src/syscall/socket.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { labWith, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
const LOOPBACK = ipv4(127, 0, 0, 1);

function socket(t: Lab): number {
  return sysSocket(t.host.process, AF_INET, SOCK_STREAM, 0);
}

function connect(t: Lab, fd: number, addr: number, port: number): number {
  return sysConnect(t.host.process, fd, new SockAddr().set(addr, port));
}

function listen(t: Lab, port: number): number {
  const fd = socket(t);
  assert.equal(sysBind(t.host.process, fd, new SockAddr().set(0, port)), 0);
  assert.equal(sysListen(t.host.process, fd, 10), 0);
  return fd;
}

lab('The first call begins, the second waits, the one after the handshake says 0, and then EISCONN', (t) => {
  const c = t.synSent();
  c.connect('EALREADY');
  t.run`
    +.1 < S. 0:0(0) ack 1 win 65535 <mss 1000>
    > . 1:1(0) ack 1
  `;
  c.connect(0);
  c.connect('EISCONN');
});

lab('A refused socket can be used again; its error is told once', (t) => {
  const c = t.synSent();
  t.run('< R. 0:0(0) ack 1');
  c.connect('ECONNREFUSED');
  t.newPeer();
  c.connect('EINPROGRESS');
  assert.equal(t.forget(), 1);
});

lab('SO_ERROR taken before: the next connect() can only say that it was aborted', (t) => {
  const c = t.synSent();
  t.run('< R. 0:0(0) ack 1');
  assert.equal(c.getsockopt(1, 4), ECONNREFUSED);
  c.connect('ECONNABORTED');
});

lab('A listener cannot connect', (t) => {
  const fd = listen(t, 80);
  assert.equal(connect(t, fd, LOOPBACK, 81), -EISCONN);
});

lab('Where no way leads, for a family that it is not, to everybody at once', (t) => {
  const fd = socket(t);
  assert.equal(connect(t, fd, ipv4(8, 8, 8, 8), 80), -ENETUNREACH);
  assert.equal(connect(t, fd, ipv4(192, 168, 0, 255), 80), -ENETUNREACH);
  const addr = new SockAddr().set(LOOPBACK, 80);
  addr.family = AF_INET6;
  assert.equal(sysConnect(t.host.process, fd, addr), -EAFNOSUPPORT);
  const name = new SockAddr();
  sysGetsockname(t.host.process, fd, name);
  assert.deepEqual([name.addr, name.port], [0, 0], 'a failed call leaves nothing behind');
});

lab('Over loopback the handshake is done when connect() returns, and both ends know each other', (t) => {
  const p = t.host.process;
  const server = listen(t, 80);
  const client = socket(t);
  assert.equal(connect(t, client, LOOPBACK, 80), -EINPROGRESS);
  assert.equal(connect(t, client, LOOPBACK, 80), 0);
  const peer = new SockAddr();
  const conn = sysAccept(p, server, peer, 0);
  assert.ok(conn >= 0);
  const name = new SockAddr();
  sysGetsockname(p, client, name);
  assert.deepEqual([peer.addr, peer.port], [name.addr, name.port]);
  assert.equal(name.addr, LOOPBACK);
  sysGetpeername(p, client, name);
  assert.deepEqual([name.addr, name.port], [LOOPBACK, 80]);
});

lab('0.0.0.0 means this host', (t) => {
  listen(t, 80);
  const client = socket(t);
  assert.equal(connect(t, client, 0, 80), -EINPROGRESS);
  assert.equal(connect(t, client, 0, 80), 0);
});

lab('Nobody listens on this host: refused', (t) => {
  const client = socket(t);
  assert.equal(connect(t, client, LOOPBACK, 80), -EINPROGRESS);
  assert.equal(connect(t, client, LOOPBACK, 80), -ECONNREFUSED);
  t.counters({ TcpAttemptFails: 1, TcpOutRsts: 1 });
});

lab('A socket that connects to itself meets itself (simultaneous open)', (t) => {
  const p = t.host.process;
  const fd = socket(t);
  assert.equal(sysBind(p, fd, new SockAddr().set(LOOPBACK, 5000)), 0);
  assert.equal(connect(t, fd, LOOPBACK, 5000), -EINPROGRESS);
  assert.equal(connect(t, fd, LOOPBACK, 5000), 0);
  const tp = fdSock(p, fd) as TcpSock;
  assert.equal(tp.state, 1);
  sysClose(p, fd);
});

lab('connect() with AF_UNSPEC ends the connection with a reset, and the socket is as new', (t) => {
  const c = t.established({ active: true });
  const addr = new SockAddr();
  addr.family = AF_UNSPEC;
  assert.equal(sysConnect(t.host.process, c.fd, addr), 0);
  t.run('> R. 1:1(0) ack 1');
  t.sock(c, { state: 'CLOSE', num: 0 });
  t.newPeer();
  c.connect('EINPROGRESS');
  assert.equal(t.forget(), 1);
});

lab('Two sockets bound to one port with SO_REUSEADDR cannot have the same peer', (t) => {
  const p = t.host.process;
  listen(t, 80);
  const ends = [0, 1].map(() => {
    const fd = socket(t);
    (fdSock(p, fd) as TcpSock).reuse = true;
    assert.equal(sysBind(p, fd, new SockAddr().set(LOOPBACK, 5000)), 0);
    return fd;
  });
  assert.equal(connect(t, ends[0]!, LOOPBACK, 80), -EINPROGRESS);
  assert.equal(connect(t, ends[1]!, LOOPBACK, 80), -EADDRNOTAVAIL);
});

lab('Ephemeral ports are used up one by one, then EADDRNOTAVAIL', { sysctl: { ip_local_port_range: '40000 40003' } }, (t) => {
  const ports = new Set<number>();
  for (let i = 0; i < 4; i++) {
    const fd = socket(t);
    assert.equal(connect(t, fd, t.core.newFlow(0, 80).address.peerAddr, 80), -EINPROGRESS);
    ports.add((fdSock(t.host.process, fd) as TcpSock).num);
  }
  assert.deepEqual([...ports].sort((a, b) => a - b), [40000, 40001, 40002, 40003]);
  const fd = socket(t);
  assert.equal(connect(t, fd, t.core.flow!.address.peerAddr, 80), -EADDRNOTAVAIL);
  assert.equal(connect(t, fd, t.core.flow!.address.peerAddr, 81), -EINPROGRESS, 'to another port of the peer there is room');
  t.forget();
});

lab('RFC 6528: the ISN of the same connection moves on with the clock; another connection begins elsewhere', (t) => {
  const isns: number[] = [];
  for (let i = 0; i < 3; i++) {
    const fd = socket(t);
    sysBind(t.host.process, fd, new SockAddr().set(0, 5000));
    connect(t, fd, t.core.newFlow(0, 80).address.peerAddr, 80);
    isns.push((fdSock(t.host.process, fd) as TcpSock).iss);
    sysClose(t.host.process, fd);
    t.forget();
    t.wait(1000);
  }
  // One step per 64 ns: a second is 15,625,000 of them.
  assert.equal((isns[1]! - isns[0]!) | 0, 15625000);
  assert.equal((isns[2]! - isns[1]!) | 0, 15625000);
});
