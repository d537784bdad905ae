/** The socket calls beyond the plain ones: messages in parts, options that end waits, descriptors, time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, FD_CLOEXEC, FIONREAD, Kernel, KernelError, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC, SHUT_RD,
  SHUT_WR, SIOCOUTQ, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_ERROR, SO_LINGER, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, World,
} from '../../mod.ts';

const buffer = new Uint8Array(100);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A connection over loopback. */
async function pair(): Promise<{ k: Kernel; a: number; b: number }> {
  const k = new Kernel({ seed: 1 });
  const listener = k.socket(AF_INET, SOCK_STREAM);
  k.bind(listener, { address: '127.0.0.1', port: 80 });
  k.listen(listener);
  const a = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(a, { address: '127.0.0.1', port: 80 });
  const { fd: b } = await k.accept(listener);
  k.close(listener);
  return { k, a, b };
}

/** Two datagram sockets on ports 8 and 9. */
function datagrams(): { k: Kernel; a: number; b: number; to: { address: string; port: number } } {
  const k = new Kernel({ seed: 1 });
  const [a, b] = [k.socket(AF_INET, SOCK_DGRAM), k.socket(AF_INET, SOCK_DGRAM)];
  k.bind(a, { address: '127.0.0.1', port: 8 });
  k.bind(b, { address: '127.0.0.1', port: 9 });
  return { k, a, b, to: { address: '127.0.0.1', port: 9 } };
}

test('sendmsg gathers, recvmsg scatters; a datagram stays one', async () => {
  const { k, a, b, to } = datagrams();
  const parts = ['one ', '', 'two ', 'three'].map((s) => new TextEncoder().encode(s));
  assert.equal(await k.sendmsg(a, { iov: parts, to }), 13);
  const iov = [new Uint8Array(3), new Uint8Array(0), new Uint8Array(20)];
  const got = await k.recvmsg(b, iov);
  assert.deepEqual([got.bytes, got.from, got.flags], [13, { address: '127.0.0.1', port: 8, family: 'IPv4' }, 0]);
  assert.equal(text(iov[0]!) + text(iov[2]!.subarray(0, 10)), 'one two three');
});

test('a datagram that is longer than the buffer is cut, and says so; MSG_TRUNC tells its length', async () => {
  const { k, a, b, to } = datagrams();
  await k.sendto(a, 'longer than five', to);
  const peeked = await k.recvfrom(b, buffer.subarray(0, 5), MSG_PEEK | MSG_TRUNC);
  assert.deepEqual([peeked.bytes, peeked.flags & MSG_TRUNC], [16, MSG_TRUNC]);
  const cut = await k.recvfrom(b, buffer.subarray(0, 5));
  assert.deepEqual([cut.bytes, cut.flags & MSG_TRUNC], [5, MSG_TRUNC]);
  assert.throws(() => k.sys.recv(b, buffer), { code: 'EAGAIN' }, 'the rest is gone');
});

test('an empty datagram is a datagram', async () => {
  const { k, a, b, to } = datagrams();
  await k.sendto(a, new Uint8Array(0), to);
  assert.deepEqual((await k.recvfrom(b, buffer)).bytes, 0);
});

test('connect(null) dissolves the association of a datagram socket', async () => {
  const { k, a, to } = datagrams();
  await k.connect(a, to);
  assert.equal(k.getpeername(a).port, 9);
  await k.connect(a, null);
  assert.throws(() => k.getpeername(a), { code: 'ENOTCONN' });
});

test('an ICMP error reaches the connected datagram socket: ECONNREFUSED, once', async () => {
  const { k, a, b, to } = datagrams();
  k.close(b);
  await k.connect(a, to);
  await k.send(a, 'x');
  assert.throws(() => k.sys.recv(a, buffer), { code: 'ECONNREFUSED' });
  assert.throws(() => k.sys.recv(a, buffer), { code: 'EAGAIN' });
});

test('SO_RCVLOWAT: a waiting read wants so many bytes; FIONREAD and SIOCOUTQ count', async () => {
  const { k, a, b } = await pair();
  k.setsockopt(b, SOL_SOCKET, SO_RCVLOWAT, 6);
  const reading = k.read(b, buffer);
  await k.write(a, 'abc');
  await k.sleep('50ms');
  assert.equal(k.ioctl(b, FIONREAD) + k.ioctl(a, SIOCOUTQ) <= 3, true);
  await k.write(a, 'defg');
  assert.equal(await reading, 7);
});

test('SO_RCVTIMEO hands over what came in time; SO_SNDTIMEO ends a write with what was taken', async () => {
  const { k, a, b } = await pair();
  k.setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, 100);
  await k.write(a, 'abc');
  assert.equal(await k.recv(b, buffer, 0x100), 3, 'MSG_WAITALL, but the time is up');
  await assert.rejects(k.read(b, buffer), { code: 'EAGAIN' });
  k.setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, '1s');
  const before = k.now;
  const n = await k.write(a, new Uint8Array(50 << 20));
  assert.ok(n > 0 && n < 50 << 20 && k.now - before >= 1000);
  await assert.rejects(k.write(a, 'x'.repeat(1 << 20)), { code: 'EAGAIN' });
});

test('SO_SNDTIMEO ends connect with EINPROGRESS, and the handshake goes on', async () => {
  const world = new World({ seed: 1 });
  const [x, y] = [world.host('x'), world.host('y')];
  world.cable(x, y, { delay: '80ms' });
  const listener = y.kernel.socket(AF_INET, SOCK_STREAM);
  y.kernel.bind(listener, { port: 80 });
  y.kernel.listen(listener);
  const fd = x.kernel.socket(AF_INET, SOCK_STREAM);
  x.kernel.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, 100);
  const to = { address: y.ip, port: 80 };
  await assert.rejects(x.kernel.connect(fd, to), { code: 'EINPROGRESS' });
  assert.throws(() => x.kernel.sys.connect(fd, to), { code: 'EALREADY' });
  x.kernel.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, 0);
  await x.kernel.connect(fd, to);
  assert.equal(x.kernel.getpeername(fd).port, 80);
  await assert.rejects(x.kernel.connect(fd, to), { code: 'EISCONN' });
});

test('a refused connect leaves a socket that may try again', async () => {
  const k = new Kernel({ seed: 1 });
  const fd = k.socket(AF_INET, SOCK_STREAM);
  await assert.rejects(k.connect(fd, { address: '127.0.0.1', port: 80 }), { code: 'ECONNREFUSED' });
  const listener = k.socket(AF_INET, SOCK_STREAM);
  k.bind(listener, { port: 80 });
  k.listen(listener);
  await k.connect(fd, { address: '127.0.0.1', port: 80 });
  assert.equal(k.getsockopt(fd, SOL_SOCKET, SO_ERROR), 0);
});

test('a reset comes once as ECONNRESET, then the stream is at its end; writing is EPIPE, without a signal', async () => {
  const { k, a, b } = await pair();
  k.setsockopt(a, SOL_SOCKET, SO_LINGER, { on: true, seconds: 0 });
  const reading = k.read(b, buffer);
  k.close(a);
  await assert.rejects(reading, (error: unknown) => error instanceof KernelError && error.code === 'ECONNRESET' && error.errno === -104);
  assert.equal(await k.read(b, buffer), 0);
  await assert.rejects(k.send(b, 'x', MSG_NOSIGNAL), { code: 'EPIPE', syscall: 'send' });
});

test('shutdown of the receiving side ends a waiting read; of the sending side, a waiting write', async () => {
  const { k, a, b } = await pair();
  const reading = k.read(b, buffer);
  k.shutdown(b, SHUT_RD);
  assert.equal(await reading, 0);
  const writing = k.write(a, new Uint8Array(50 << 20));
  await k.sleep('10ms');
  k.shutdown(a, SHUT_WR);
  const n = await writing;
  assert.ok(n > 0 && n < 50 << 20, 'what was taken before');
});

test('lingeringClose waits for the acknowledgement of the FIN, or until the time is up; its descriptor is free at once', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob, { delay: '50ms' });
  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener);
  const k = alice.kernel;
  /** Connects, closes, and returns how long that took in milliseconds. */
  const closes = async (seconds: number, during: () => void): Promise<number> => {
    const fd = k.socket(AF_INET, SOCK_STREAM);
    await k.connect(fd, { address: bob.ip, port: 80 });
    if (seconds > 0) k.setsockopt(fd, SOL_SOCKET, SO_LINGER, { on: true, seconds });
    during();
    await k.write(fd, 'last words');
    const [done, since] = [k.lingeringClose(fd), k.now];
    assert.throws(() => k.getsockname(fd), { code: 'EBADF' });
    await done;
    return k.now - since;
  };
  assert.ok(await closes(0, () => undefined) < 1, 'without SO_LINGER it does not wait');
  const took = await closes(3, () => undefined);
  assert.ok(took >= 100 && took < 150, `a round trip, and not ${took} ms`);
  assert.ok(Math.abs(await closes(3, () => { cable.setBlocked(true); }) - 3000) < 1, 'nobody answers: three seconds');
  await assert.rejects(k.lingeringClose(99), { code: 'EBADF', syscall: 'close' });
  world.stop();
});

test('a process that is killed while it lingers leaves an orphan like any other', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  const cable = world.cable(alice, bob);
  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener);
  const p = alice.kernel.process();
  const fd = p.socket(AF_INET, SOCK_STREAM);
  await p.connect(fd, { address: bob.ip, port: 80 });
  p.setsockopt(fd, SOL_SOCKET, SO_LINGER, { on: true, seconds: 60 });
  cable.setBlocked(true);
  void p.lingeringClose(fd);
  await alice.kernel.sleep('1s');
  assert.match(alice.sh('ss -tan'), /FIN-WAIT-1/);
  p.kill();
  assert.equal(alice.kernel.stack.tcp.orphanCount, 1);
  world.stop();
});

test('read into nothing is 0; two readers get their bytes in the order in which they asked', async () => {
  const { k, a, b } = await pair();
  assert.equal(await k.read(b, new Uint8Array(0)), 0);
  const [one, two] = [new Uint8Array(3), new Uint8Array(3)];
  const reads = [k.read(b, one), k.read(b, two)];
  await k.write(a, 'abcdef');
  assert.deepEqual(await Promise.all(reads), [3, 3]);
  assert.deepEqual([text(one), text(two)], ['abc', 'def']);
});

test('F_DUPFD gives the lowest descriptor from a number on, F_DUPFD_CLOEXEC with the flag', async () => {
  const { k, a } = await pair();
  assert.equal(k.fcntl(a, F_DUPFD, 10), 10);
  assert.equal(k.fcntl(a, F_DUPFD, 10), 11);
  const fd = k.fcntl(a, F_DUPFD_CLOEXEC, 0);
  assert.deepEqual([k.fcntl(fd, F_GETFD), k.fcntl(10, F_GETFD)], [FD_CLOEXEC, 0]);
});

test('sleep takes virtual time', async () => {
  const k = new Kernel({ seed: 1 });
  await k.sleep('36h');
  assert.ok(k.now >= 36 * 3600 * 1000 && k.now < 36 * 3600 * 1000 + 1);
});

test('real mode: a kernel whose time is that of the wall clock', async () => {
  const k = new Kernel({ seed: 1, mode: 'real' });
  const [a, b] = [k.socket(AF_INET, SOCK_DGRAM), k.socket(AF_INET, SOCK_DGRAM)];
  k.bind(b, { address: '127.0.0.1', port: 9 });
  const before = performance.now();
  const reading = k.recv(b, buffer);
  setTimeout(() => void k.sendto(a, 'x', { address: '127.0.0.1', port: 9 }), 20);
  assert.equal(await reading, 1);
  const took = performance.now() - before;
  assert.ok(took >= 15 && took < 1000, `${took} ms`);
  assert.ok(k.now >= 15 && k.now <= took + 50, `${k.now} ms of ${took}`);
});

test('the same seed draws the same ports, another seed others', () => {
  const ports = (seed: number): number[] => {
    const k = new Kernel({ seed });
    return Array.from({ length: 5 }, () => {
      const fd = k.socket(AF_INET, SOCK_DGRAM);
      k.bind(fd, { address: '127.0.0.1' });
      return k.getsockname(fd).port;
    });
  };
  assert.deepEqual(ports(7), ports(7));
  assert.notDeepEqual(ports(7), ports(8));
});

test('an epoll instance can neither be read nor written (EINVAL), and is no socket (ENOTSOCK)', async () => {
  const k = new Kernel();
  const ep = k.epollCreate();
  await assert.rejects(k.read(ep, buffer), { code: 'EINVAL' });
  await assert.rejects(k.write(ep, 'x'), { code: 'EINVAL' });
  assert.throws(() => k.sys.read(ep, buffer), { code: 'EINVAL' });
  assert.throws(() => k.sys.write(ep, 'x'), { code: 'EINVAL' });
  assert.throws(() => k.sys.recv(ep, buffer), { code: 'ENOTSOCK' });
});

test('a misspelt field of an address is refused by name, not taken for a default', () => {
  const k = new Kernel();
  const fd = k.socket(AF_INET, SOCK_STREAM);
  assert.throws(() => {
    k.bind(fd, { adress: '127.0.0.1', port: 80 } as never);
  }, /bind: addr: adress: no such field; expected address, port/);
  assert.throws(() => { k.bind(fd, { address: '127.0.0.1', prot: 80 } as never); }, /bind: addr: prot: no such field/);
  k.bind(fd, k.getsockname(k.socket(AF_INET, SOCK_STREAM))); // what getsockname says can be given back
});
