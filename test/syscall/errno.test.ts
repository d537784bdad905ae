/** Wrong use: the errno of Linux, or a TypeError or RangeError that names the argument. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, FIONREAD,
  F_DUPFD, F_GETFL, F_SETFL, Kernel, MSG_DONTWAIT, O_NONBLOCK, POLLIN, SHUT_RDWR, SHUT_WR, SIOCOUTQ,
  SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SO_ACCEPTCONN, SO_BINDTODEVICE, SO_BROADCAST, SO_ERROR, SO_LINGER,
  SO_RCVBUF, SO_RCVTIMEO, SO_REUSEADDR, SO_SNDBUF, SO_TYPE, World,
} from '../../mod.ts';

const buffer = new Uint8Array(16);
const somewhere = { address: '127.0.0.1', port: 4000 };

/** One kernel with a socket in every state that matters. */
async function zoo(): Promise<{ k: Kernel; tcp: number; udp: number; listener: number; conn: number; peer: number; ep: number }> {
  const k = new Kernel({ seed: 1 });
  const listener = k.socket(AF_INET, SOCK_STREAM);
  k.bind(listener, { address: '127.0.0.1', port: 80 });
  k.listen(listener, 8);
  const conn = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(conn, { address: '127.0.0.1', port: 80 });
  const { fd: peer } = await k.accept(listener);
  return {
    k, listener, conn, peer, tcp: k.socket(AF_INET, SOCK_STREAM), udp: k.socket(AF_INET, SOCK_DGRAM), ep: k.epollCreate(),
  };
}

type Zoo = Awaited<ReturnType<typeof zoo>>;

const errors: [string, string, (z: Zoo) => unknown][] = [
  // descriptors
  ['bind of a closed fd', 'EBADF', ({ k }) => k.bind(99, somewhere)],
  ['listen on a closed fd', 'EBADF', ({ k }) => k.listen(99)],
  ['accept on a closed fd', 'EBADF', ({ k }) => k.sys.accept(99)],
  ['connect of a closed fd', 'EBADF', ({ k }) => k.sys.connect(99, somewhere)],
  ['read of a closed fd', 'EBADF', ({ k }) => k.sys.read(99, buffer)],
  ['write to a closed fd', 'EBADF', ({ k }) => k.sys.write(99, buffer)],
  ['shutdown of a closed fd', 'EBADF', ({ k }) => k.shutdown(99, SHUT_WR)],
  ['getsockname of a closed fd', 'EBADF', ({ k }) => k.getsockname(99)],
  ['getpeername of a closed fd', 'EBADF', ({ k }) => k.getpeername(99)],
  ['setsockopt of a closed fd', 'EBADF', ({ k }) => k.setsockopt(99, SOL_SOCKET, SO_REUSEADDR, 1)],
  ['getsockopt of a closed fd', 'EBADF', ({ k }) => k.getsockopt(99, SOL_SOCKET, SO_ERROR)],
  ['fcntl of a closed fd', 'EBADF', ({ k }) => k.fcntl(99, F_GETFL)],
  ['ioctl of a closed fd', 'EBADF', ({ k }) => k.ioctl(99, FIONREAD)],
  ['dup of a closed fd', 'EBADF', ({ k }) => k.dup(99)],
  ['close of a closed fd', 'EBADF', ({ k }) => k.close(99)],
  ['close of a negative fd', 'EBADF', ({ k }) => k.close(-1)],
  ['close twice', 'EBADF', ({ k, tcp }) => [k.close(tcp), k.close(tcp)]],
  ['read after close', 'EBADF', ({ k, conn }) => [k.close(conn), k.sys.read(conn, buffer)]],
  ['a socket call on an epoll instance', 'ENOTSOCK', ({ k, ep }) => k.bind(ep, somewhere)],
  ['read of an epoll instance', 'EINVAL', ({ k, ep }) => k.sys.read(ep, buffer)],
  ['FIONREAD of an epoll instance', 'ENOTTY', ({ k, ep }) => k.ioctl(ep, FIONREAD)],
  // socket
  ['a family that is not there', 'EAFNOSUPPORT', ({ k }) => k.socket(77, SOCK_STREAM)],
  ['a type that is not there', 'ESOCKTNOSUPPORT', ({ k }) => k.socket(AF_INET, 9)],
  ['a type beyond all', 'EINVAL', ({ k }) => k.socket(AF_INET, 15)],
  ['a protocol that does not fit the type', 'EPROTONOSUPPORT', ({ k }) => k.socket(AF_INET, SOCK_STREAM, 17)],
  ['an unknown flag in the type', 'EINVAL', ({ k }) => k.socket(AF_INET, SOCK_STREAM | 0x100)],
  ['a negative protocol', 'EINVAL', ({ k }) => k.socket(AF_INET, SOCK_STREAM, -1)],
  // bind, listen, accept
  ['an address of another host', 'EADDRNOTAVAIL', ({ k, tcp }) => k.bind(tcp, { address: '10.1.2.3', port: 1 })],
  ['an address of another family', 'EAFNOSUPPORT', ({ k, tcp }) => k.bind(tcp, { address: '::1', port: 1 })],
  ['a port in use', 'EADDRINUSE', ({ k, tcp }) => k.bind(tcp, { address: '127.0.0.1', port: 80 })],
  ['bind twice', 'EINVAL', ({ k, tcp }) => [k.bind(tcp, { port: 81 }), k.bind(tcp, { port: 82 })]],
  ['bind of a connection', 'EINVAL', ({ k, conn }) => k.bind(conn, { port: 82 })],
  ['listen on a datagram socket', 'EOPNOTSUPP', ({ k, udp }) => k.listen(udp)],
  ['listen on a connection', 'EINVAL', ({ k, conn }) => k.listen(conn)],
  ['accept without listen', 'EINVAL', ({ k, tcp }) => k.sys.accept(tcp)],
  ['accept on a datagram socket', 'EOPNOTSUPP', ({ k, udp }) => k.sys.accept(udp)],
  ['accept with nothing to accept', 'EAGAIN', ({ k, listener }) => k.sys.accept(listener)],
  ['accept with unknown flags', 'EINVAL', ({ k, listener }) => k.sys.accept(listener, 1)],
  // connect
  ['connect of a listener', 'EISCONN', ({ k, listener }) => k.sys.connect(listener, somewhere)],
  ['connect twice', 'EISCONN', ({ k, conn }) => k.sys.connect(conn, somewhere)],
  ['connect to another family', 'EAFNOSUPPORT', ({ k, tcp }) => k.sys.connect(tcp, { address: '::1', port: 1 })],
  ['connect without a route', 'ENETUNREACH', ({ k, tcp }) => k.sys.connect(tcp, { address: '192.0.2.1', port: 1 })],
  // data
  ['read without a connection', 'ENOTCONN', ({ k, tcp }) => k.sys.read(tcp, buffer)],
  ['write without a connection', 'EPIPE', ({ k, tcp }) => k.sys.write(tcp, buffer)],
  ['read of a listener', 'ENOTCONN', ({ k, listener }) => k.sys.read(listener, buffer)],
  ['read with nothing there', 'EAGAIN', ({ k, conn }) => k.sys.read(conn, buffer)],
  ['write after shutdown', 'EPIPE', ({ k, conn }) => [k.shutdown(conn, SHUT_WR), k.sys.write(conn, buffer)]],
  ['a datagram without a destination', 'EDESTADDRREQ', ({ k, udp }) => k.sys.send(udp, buffer)],
  ['a datagram that is too long', 'EMSGSIZE', ({ k, udp }) => k.sys.sendto(udp, new Uint8Array(65508), somewhere)],
  ['a datagram to another family', 'EAFNOSUPPORT', ({ k, udp }) => k.sys.sendto(udp, buffer, { address: '::1', port: 1 })],
  ['a datagram to port 0', 'EINVAL', ({ k, udp }) => k.sys.sendto(udp, buffer, { address: '127.0.0.1', port: 0 })],
  ['no datagram there', 'EAGAIN', ({ k, udp }) => k.sys.recv(udp, buffer)],
  // shutdown and names
  ['shutdown without a connection', 'ENOTCONN', ({ k, tcp }) => k.shutdown(tcp, SHUT_RDWR)],
  ['shutdown of what', 'EINVAL', ({ k, conn }) => k.shutdown(conn, 3)],
  ['getpeername without a peer', 'ENOTCONN', ({ k, tcp }) => k.getpeername(tcp)],
  ['getpeername of a listener', 'ENOTCONN', ({ k, listener }) => k.getpeername(listener)],
  ['getpeername of an unconnected datagram socket', 'ENOTCONN', ({ k, udp }) => k.getpeername(udp)],
  // options
  ['an unknown option', 'ENOPROTOOPT', ({ k, tcp }) => k.getsockopt(tcp, SOL_SOCKET, 999)],
  ['an unknown option to set', 'ENOPROTOOPT', ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, 999, 1)],
  ['an unknown level', 'ENOPROTOOPT', ({ k, tcp }) => k.setsockopt(tcp, 99, 1, 1)],
  ['an option that can only be read', 'ENOPROTOOPT', ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_TYPE, 1)],
  ['an interface that is not there', 'ENODEV', ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, 'eth7')],
  ['an unknown ioctl', 'ENOTTY', ({ k, tcp }) => k.ioctl(tcp, 0x1234)],
  ['FIONREAD of a listener', 'EINVAL', ({ k, listener }) => k.ioctl(listener, FIONREAD)],
  ['an unknown fcntl', 'EINVAL', ({ k, tcp }) => k.fcntl(tcp, 77)],
  ['F_DUPFD from below 0', 'EINVAL', ({ k, tcp }) => k.fcntl(tcp, F_DUPFD, -1)],
  ['F_DUPFD beyond the limit', 'EINVAL', ({ k, tcp }) => k.fcntl(tcp, F_DUPFD, 1024)],
  // epoll
  ['epoll_ctl on a socket', 'EINVAL', ({ k, tcp, udp }) => k.epollCtl(tcp, EPOLL_CTL_ADD, udp, { events: EPOLLIN })],
  ['epoll_ctl of a closed fd', 'EBADF', ({ k, ep }) => k.epollCtl(ep, EPOLL_CTL_ADD, 99, { events: EPOLLIN })],
  ['epoll_ctl on itself', 'EINVAL', ({ k, ep }) => k.epollCtl(ep, EPOLL_CTL_ADD, ep, { events: EPOLLIN })],
  ['the same fd twice', 'EEXIST', ({ k, ep, tcp }) => [1, 2].map(() => k.epollCtl(ep, EPOLL_CTL_ADD, tcp, { events: EPOLLIN }))],
  ['EPOLL_CTL_MOD of what is not watched', 'ENOENT', ({ k, ep, tcp }) => k.epollCtl(ep, EPOLL_CTL_MOD, tcp, { events: EPOLLIN })],
  ['EPOLL_CTL_DEL of what is not watched', 'ENOENT', ({ k, ep, tcp }) => k.epollCtl(ep, EPOLL_CTL_DEL, tcp)],
  ['an unknown epoll_ctl', 'EINVAL', ({ k, ep, tcp }) => k.epollCtl(ep, 9, tcp, { events: EPOLLIN })],
  ['EPOLLEXCLUSIVE with EPOLLONESHOT', 'EINVAL',
    ({ k, ep, tcp }) => k.epollCtl(ep, EPOLL_CTL_ADD, tcp, { events: EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT })],
  ['epoll_wait on a socket', 'EINVAL', ({ k, tcp }) => k.sys.epollWait(tcp)],
  ['epoll_wait for nothing', 'EINVAL', ({ k, ep }) => k.sys.epollWait(ep, 0)],
  ['poll of more than there can be', 'EINVAL',
    ({ k }) => k.sys.poll(Array.from({ length: 1025 }, () => ({ fd: -1, events: POLLIN })))],
];

for (const [what, code, body] of errors) {
  test(`${what}: ${code}`, async () => {
    const z = await zoo();
    assert.throws(() => body(z), (error: unknown) => {
      assert.ok(error instanceof Error);
      assert.equal((error as Error & { code?: string }).code, code, error.message);
      assert.ok((error as Error & { errno?: number }).errno! < 0);
      return true;
    });
  });
}

const refused: [string, typeof TypeError, RegExp, (z: Zoo) => unknown][] = [
  ['an fd that is a string', TypeError, /bind: fd is '3'/, ({ k }) => k.bind('3' as never, somewhere)],
  ['an fd with a fraction', RangeError, /close: fd 1.5/, ({ k }) => k.close(1.5)],
  ['a family that is a string', TypeError, /socket: family/, ({ k }) => k.socket('inet' as never, SOCK_STREAM)],
  ['a name for an address', TypeError, /connect: address 'bob' is not an IP address/,
    ({ k, tcp }) => k.sys.connect(tcp, { address: 'bob', port: 1 })],
  ['an address with leading zeros', TypeError, /address '010.0.0.1'/, ({ k, tcp }) => k.bind(tcp, { address: '010.0.0.1', port: 1 })],
  ['an address that is a number', TypeError, /bind: address is 7/, ({ k, tcp }) => k.bind(tcp, { address: 7 as never, port: 1 })],
  ['a port out of range', RangeError, /connect: port 65536/, ({ k, tcp }) => k.sys.connect(tcp, { address: '127.0.0.1', port: 65536 })],
  ['a port with a fraction', RangeError, /port 80.5/, ({ k, tcp }) => k.bind(tcp, { port: 80.5 })],
  ['a port that is a string', TypeError, /port is '80'/, ({ k, tcp }) => k.bind(tcp, { port: '80' as never })],
  ['no address', TypeError, /sendto: addr is undefined/, ({ k, udp }) => k.sys.sendto(udp, buffer, undefined as never)],
  ['a buffer that is an array', TypeError, /read: buffer is an object/, ({ k, conn }) => k.sys.read(conn, [1, 2] as never)],
  ['data that is a number', TypeError, /write: data is 7/, ({ k, conn }) => k.sys.write(conn, 7 as never)],
  ['an iov that is no list', TypeError, /recvmsg: iov/, ({ k, conn }) => k.sys.recvmsg(conn, buffer as never)],
  ['an iov with a hole', TypeError, /iov\[1\]/, ({ k, conn }) => k.sys.recvmsg(conn, [buffer, null as never])],
  ['an option value that is undefined', TypeError, /setsockopt: value/,
    ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, undefined as never)],
  ['an option value with a fraction', RangeError, /setsockopt: value 0.5/, ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_RCVBUF, 0.5)],
  ['SO_LINGER without its form', TypeError, /SO_LINGER expects/, ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_LINGER, 5)],
  ['SO_RCVTIMEO that does not parse', TypeError, /SO_RCVTIMEO: '1 second'/,
    ({ k, tcp }) => k.setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, '1 second')],
  ['poll of no list', TypeError, /poll: fds/, ({ k }) => k.sys.poll({} as never)],
  ['poll of a wrong entry', TypeError, /fds\[0\].events/, ({ k }) => k.sys.poll([{ fd: 1 } as never])],
  ['epoll_ctl without an interest', TypeError, /epoll_ctl: interest/, ({ k, ep, tcp }) => k.epollCtl(ep, EPOLL_CTL_ADD, tcp)],
  ['a limit that is negative', RangeError, /prlimit: limit/, ({ k }) => k.prlimit(-5)],
];

for (const [what, type, message, body] of refused) {
  test(`${what}: ${type.name}`, async () => {
    const z = await zoo();
    assert.throws(() => body(z), (error: unknown) => {
      assert.ok(error instanceof type, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a broadcast needs SO_BROADCAST: EACCES without', () => {
  const { kernel } = new World().host('a', { ip: '10.0.0.1/24' });
  const fd = kernel.socket(AF_INET, SOCK_DGRAM);
  const send = (): number => kernel.sys.sendto(fd, buffer, { address: '10.0.0.255', port: 9 });
  assert.throws(send, { code: 'EACCES' });
  kernel.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, true);
  assert.equal(send(), 16);
});

test('EMFILE at the limit; a connection that cannot be accepted is not lost', async () => {
  const { k, listener } = await zoo();
  const client = k.process({ openFiles: 1 }).socket(AF_INET, SOCK_STREAM);
  assert.equal(client, 0);
  const other = k.process({ name: 'other' });
  const fd = other.socket(AF_INET, SOCK_STREAM);
  await other.connect(fd, { address: '127.0.0.1', port: 80 });
  assert.equal(k.prlimit(6), 1024);
  assert.throws(() => k.sys.accept(listener), { code: 'EMFILE' });
  assert.throws(() => k.socket(AF_INET, SOCK_STREAM), { code: 'EMFILE' });
  k.prlimit(10);
  assert.deepEqual(k.sys.accept(listener).peer, other.getsockname(fd));
});

test('O_NONBLOCK by socket, accept4, fcntl and ioctl: calls that would wait reject EAGAIN', async () => {
  const { k, listener } = await zoo();
  k.fcntl(listener, F_SETFL, O_NONBLOCK);
  assert.equal(k.fcntl(listener, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  await assert.rejects(k.accept(listener), { code: 'EAGAIN' });
  const fd = k.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
  await assert.rejects(k.connect(fd, { address: '127.0.0.1', port: 80 }), { code: 'EINPROGRESS' });
  await k.poll([{ fd: listener, events: POLLIN }]);
  const { fd: conn } = await k.accept(listener, SOCK_NONBLOCK);
  await assert.rejects(k.read(conn, buffer), { code: 'EAGAIN' });
  k.ioctl(conn, 0x5421, 0);
  await assert.rejects(k.recv(conn, buffer, MSG_DONTWAIT), { code: 'EAGAIN' });
  assert.equal(k.getsockopt(fd, SOL_SOCKET, SO_ERROR), 0);
});

test('options of SOL_SOCKET: what is set is read back; buffers are doubled, at least the smallest, at most the limit', async () => {
  const { k, tcp, listener } = await zoo();
  k.setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, true);
  assert.equal(k.getsockopt(tcp, SOL_SOCKET, SO_REUSEADDR), 1);
  for (const [given, got] of [[10000, 20000], [1, 4608], [1e9, 2 * 212992]] as const) {
    k.setsockopt(tcp, SOL_SOCKET, SO_SNDBUF, given);
    assert.equal(k.getsockopt(tcp, SOL_SOCKET, SO_SNDBUF), got);
  }
  k.setsockopt(tcp, SOL_SOCKET, SO_RCVBUF, 0);
  assert.equal(k.getsockopt(tcp, SOL_SOCKET, SO_RCVBUF), 2304);
  k.setsockopt(tcp, SOL_SOCKET, SO_LINGER, { on: true, seconds: 7 });
  assert.deepEqual(k.getsockopt(tcp, SOL_SOCKET, SO_LINGER), { on: true, seconds: 7 });
  assert.equal(k.getsockopt(tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  assert.deepEqual([tcp, listener].map((fd) => k.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)), [0, 1]);
  k.setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, 'lo');
  assert.equal(k.getsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE), 'lo');
});

test('dup shares the socket: it lives until the last descriptor is closed', async () => {
  const { k, conn, peer } = await zoo();
  const twin = k.dup(conn);
  k.close(conn);
  await k.write(twin, 'still here');
  assert.equal(await k.read(peer, buffer), 10);
  assert.equal(k.ioctl(twin, SIOCOUTQ) >= 0, true);
  k.close(twin);
  assert.equal(await k.read(peer, buffer), 0);
});

