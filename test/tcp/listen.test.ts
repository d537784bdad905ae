/** listen(): who may share a port, and who gets the connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../../src/lib/errno.ts';
import { ipv4 } from '../../src/lib/addr.ts';
import { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT } from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { fdSock, sysAccept, sysBind, sysClose, sysConnect, sysListen, sysShutdown, sysSocket } from '../../src/syscall/socket.ts';
import { sysSetsockopt } from '../../src/syscall/sockopt.ts';
import type { TcpSock } from '../../src/tcp/sock.ts';
import { labWith, runLab, tableWith, type Lab } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);
const table = tableWith(test);
const LOOPBACK = ipv4(127, 0, 0, 1);
const ETH0 = ipv4(192, 168, 0, 1);

/** A bound socket, or the errno of bind(). */
function bound(t: Lab, addr: number, port: number, opts: string): number {
  const p = t.host.process;
  const fd = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  if (opts.includes('addr')) sysSetsockopt(p, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (opts.includes('port')) sysSetsockopt(p, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  const err = sysBind(p, fd, new SockAddr().set(addr, port));
  if (err === 0) return fd;
  sysClose(p, fd);
  return err;
}

function listener(t: Lab, addr: number, port: number, opts: string): number {
  const fd = bound(t, addr, port, opts);
  if (fd < 0) return fd;
  const err = sysListen(t.host.process, fd, 8);
  return err < 0 ? err : fd;
}

table<{ first: string; firstAddr: string; second: string; secondAddr: string; ok: boolean }>(
  'May a second listener share the port of the first?',
  `
  first   firstAddr  second  secondAddr  →  ok
  none    any        none    any            false
  addr    any        addr    any            false   // SO_REUSEADDR does not help beside a listener
  port    any        port    any            true
  port    any        none    any            false
  none    any        port    any            false
  none    lo         none    eth0           true    // other addresses do not touch
  none    lo         none    any            false
  addr    lo         addr    any            false
  port    lo         port    any            true
`,
  ({ first, firstAddr, second, secondAddr, ok }) => {
    const addr: Record<string, number> = { any: 0, lo: LOOPBACK, eth0: ETH0 };
    runLab('share', {}, (t) => {
      assert.ok(listener(t, addr[firstAddr]!, 80, first) >= 0);
      assert.equal(listener(t, addr[secondAddr]!, 80, second), ok ? 1 : -EADDRINUSE);
    });
  },
);

lab('Two may be bound with SO_REUSEADDR, but only one may listen', (t) => {
  const p = t.host.process;
  const [a, b] = [bound(t, 0, 80, 'addr'), bound(t, 0, 80, 'addr')];
  assert.ok(a >= 0 && b >= 0);
  assert.equal(sysListen(p, a, 1), 0);
  assert.equal(sysListen(p, b, 1), -EADDRINUSE);
  assert.equal(sysListen(p, a, 5), 0, 'again: only the backlog changes');
  assert.equal((fdSock(p, a) as TcpSock).maxAckBacklog, 5);
});

lab('listen() without bind() takes an ephemeral port; connected sockets cannot listen', (t) => {
  const p = t.host.process;
  const fd = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  assert.equal(sysListen(p, fd, 1), 0);
  const { num } = fdSock(p, fd) as TcpSock;
  assert.ok(num >= 32768 && num <= 60999);
  const client = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  sysConnect(p, client, new SockAddr().set(LOOPBACK, num));
  assert.equal(sysListen(p, client, 1), -EINVAL);
  assert.equal(sysAccept(p, client, null, 0), -EINVAL);
});

lab('bind() to an address that is not ours', (t) => {
  assert.equal(bound(t, ipv4(1, 2, 3, 4), 80, ''), -EADDRNOTAVAIL);
});

lab('shutdown(SHUT_RD) ends the listening; the port stays bound, and it may listen again', { family: 4 }, (t) => {
  const p = t.host.process;
  const fd = listener(t, 0, 80, 'addr');
  assert.equal(sysShutdown(p, fd, 0), 0);
  assert.equal(sysAccept(p, fd, null, 0), -EINVAL);
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > R. 0:0(0) ack 1
  `;
  assert.equal((fdSock(p, fd) as TcpSock).num, 80);
  assert.equal(sysListen(p, fd, 1), 0);
  t.newPeer();
  t.run`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
  `;
});

lab('A group with SO_REUSEPORT divides the connections; what a closed one leaves goes to the others', (t) => {
  const p = t.host.process;
  const group = [0, 1, 2].map(() => listener(t, 0, 80, 'port'));
  const shares = (): number[] => {
    const counts = group.map(() => 0);
    for (let i = 0; i < 60; i++) {
      const client = sysSocket(p, AF_INET, SOCK_STREAM, 0);
      sysConnect(p, client, new SockAddr().set(LOOPBACK, 80));
      group.forEach((fd, g) => {
        for (let conn = sysAccept(p, fd, null, 0); conn >= 0; conn = sysAccept(p, fd, null, 0)) {
          counts[g]!++;
          sysClose(p, conn);
        }
      });
      sysClose(p, client);
    }
    return counts;
  };
  const three = shares();
  assert.equal(three.reduce((x, y) => x + y), 60);
  for (const n of three) assert.ok(n > 8, three.join());
  sysClose(p, group.pop()!);
  assert.equal(shares().reduce((x, y) => x + y), 60);
});

lab('The most specific of several listeners is asked', (t) => {
  const p = t.host.process;
  const any = listener(t, 0, 80, 'port');
  const lo = listener(t, LOOPBACK, 80, 'port');
  const client = sysSocket(p, AF_INET, SOCK_STREAM, 0);
  sysConnect(p, client, new SockAddr().set(LOOPBACK, 80));
  assert.ok(sysAccept(p, any, null, 0) < 0);
  assert.ok(sysAccept(p, lo, null, 0) >= 0);
});
