/** AF_UNIX (unix(7)): names, streams, messages, limits, and what travels beside the bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_UNIX, FIONREAD, Kernel, MSG_CTRUNC, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, POLLERR, POLLHUP, POLLIN, POLLOUT,
  SCM_CREDENTIALS, SCM_RIGHTS, SHUT_RD, SHUT_RDWR, SHUT_WR, SIOCOUTQ, SO_PASSCRED, SO_PEERCRED, SO_SNDBUF, SO_TYPE, SOCK_DGRAM,
  SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, World, type KernelProcess,
} from '../../mod.ts';

const text = (bytes: Uint8Array, n: number): string => new TextDecoder().decode(bytes.subarray(0, n));
const kernel = (): Kernel => new Kernel({ seed: 1 });

function listening(k: KernelProcess, path: string, backlog = 8, type = SOCK_STREAM): number {
  const fd = k.socket(AF_UNIX, type);
  k.bind(fd, { path });
  k.listen(fd, backlog);
  return fd;
}

/** A connection by way of a path. */
async function connection(k: Kernel, path = '/run/s'): Promise<{ listener: number; a: number; b: number }> {
  const listener = listening(k, path);
  const a = k.socket(AF_UNIX, SOCK_STREAM);
  await k.connect(a, { path });
  const { fd: b } = await k.accept(listener);
  return { listener, a, b };
}

function read(k: KernelProcess, fd: number, flags = MSG_DONTWAIT, size = 1000): string {
  const buffer = new Uint8Array(size);
  return text(buffer, k.sys.recv(fd, buffer, flags));
}

/** Nothing of any socket is left in the pool. */
function noLeaks(k: Kernel): void {
  k.kill();
  const { pool } = k.stack.net;
  assert.deepEqual([pool.live, pool.livePages], [0, 0]);
  assert.equal(k.stack.unix.inflight.size, 0);
}

test('a stream by way of a path: both names, both ways, and an end', async () => {
  const k = kernel();
  const { a, b } = await connection(k, '/run/app.sock');
  assert.deepEqual(k.getpeername(a), { address: '/run/app.sock', port: 0, family: 'unix', path: '/run/app.sock' });
  assert.equal(k.getsockname(b).path, '/run/app.sock');
  assert.deepEqual([k.getsockname(a).path, k.getpeername(b).path], ['', ''], 'who connects has no name');
  assert.equal(await k.write(a, 'question'), 8);
  assert.equal(read(k, b), 'question');
  await k.write(b, 'answer');
  k.close(b);
  assert.equal(read(k, a), 'answer');
  assert.equal(read(k, a), '', 'the end');
  assert.throws(() => k.sys.write(a, 'more'), { code: 'EPIPE' });
  noLeaks(k);
});

test('names: bind makes them, unlink removes them, the socket behind them may be gone', async () => {
  const k = kernel();
  const fd = listening(k, '/run/s');
  const other = k.socket(AF_UNIX, SOCK_STREAM);
  assert.throws(() => { k.bind(other, { path: '/run//x/../s' }); }, { code: 'EADDRINUSE', address: '/run//x/../s' });
  assert.throws(() => { k.bind(fd, { path: '/run/t' }); }, { code: 'EINVAL' }, 'it has one');
  const c = k.socket(AF_UNIX, SOCK_STREAM);
  await assert.rejects(k.connect(c, { path: '/run/none' }), { code: 'ENOENT', syscall: 'connect', address: '/run/none' });
  await assert.rejects(k.connect(k.socket(AF_UNIX, SOCK_SEQPACKET), { path: '/run/s' }), { code: 'EPROTOTYPE' });
  k.close(fd);
  assert.ok(k.exists('/run/s'), 'close leaves the name');
  await assert.rejects(k.connect(c, { path: '/run/s' }), { code: 'ECONNREFUSED' });
  assert.throws(() => listening(k, '/run/s'), { code: 'EADDRINUSE' });
  k.unlink('/run/s');
  assert.throws(() => { k.unlink('/run/s'); }, { code: 'ENOENT' });
  const again = listening(k, '/run/s');
  k.unlink('/run/s');
  await assert.rejects(k.connect(c, { path: '/run/s' }), { code: 'ENOENT' }, 'it listens, and nobody finds it');
  assert.equal(k.getsockname(again).path, '/run/s');
  const unnamed = k.socket(AF_UNIX, SOCK_STREAM);
  assert.throws(() => { k.listen(unnamed); }, { code: 'EINVAL' });
});

test('sun_path has 108 bytes, counted as UTF-8', () => {
  const k = kernel();
  k.bind(k.socket(AF_UNIX, SOCK_STREAM), { path: `/${'x'.repeat(107)}` });
  assert.throws(() => { k.bind(k.socket(AF_UNIX, SOCK_STREAM), { path: `/${'x'.repeat(108)}` }); }, { code: 'EINVAL' });
  assert.throws(() => { k.bind(k.socket(AF_UNIX, SOCK_STREAM), { path: `/${'é'.repeat(54)}` }); }, { code: 'EINVAL' });
  assert.throws(() => { k.bind(k.socket(AF_UNIX, SOCK_STREAM), { path: 7 as unknown as string }); }, /bind: path is 7; expected a string/);
  assert.throws(() => { k.bind(k.socket(AF_INET, SOCK_STREAM), { path: '/x' }); }, { code: 'EAFNOSUPPORT' });
});

test('abstract names end with their socket; autobind takes a free one', async () => {
  const k = kernel();
  const fd = listening(k, '\0app');
  const c = k.socket(AF_UNIX, SOCK_STREAM);
  await k.connect(c, { path: '\0app' });
  k.close(fd);
  await assert.rejects(k.connect(k.socket(AF_UNIX, SOCK_STREAM), { path: '\0app' }), { code: 'ECONNREFUSED', address: '@app' });
  const auto = k.socket(AF_UNIX, SOCK_DGRAM);
  k.bind(auto, {});
  assert.match(k.getsockname(auto).path!, /^\0[0-9a-f]{5}$/);
  noLeaks(k);
});

test('the backlog: one more than it says; then connect() waits, or EAGAIN', async () => {
  const k = kernel();
  const listener = listening(k, '/s', 1);
  for (let i = 0; i < 2; i++) await k.connect(k.socket(AF_UNIX, SOCK_STREAM), { path: '/s' });
  const full = k.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  assert.throws(() => { k.sys.connect(full, { path: '/s' }); }, { code: 'EAGAIN' });
  const late = k.socket(AF_UNIX, SOCK_STREAM);
  let done = false;
  const waits = k.connect(late, { path: '/s' }).then(() => { done = true; });
  await k.sleep('1ms');
  assert.equal(done, false);
  await k.accept(listener);
  await waits;
  assert.equal(await k.write(late, 'x'), 1);
  await assert.rejects(k.connect(late, { path: '/s' }), { code: 'EISCONN' });
  noLeaks(k);
});

test('what is written before accept() waits there; a listener that closes resets those who wait', async () => {
  const k = kernel();
  const listener = listening(k, '/s');
  const [a, c] = [k.socket(AF_UNIX, SOCK_STREAM), k.socket(AF_UNIX, SOCK_STREAM)];
  await k.connect(a, { path: '/s' });
  await k.write(a, 'early');
  await k.connect(c, { path: '/s' });
  const { fd: b, peer } = await k.accept(listener);
  assert.equal(peer.family, 'unix');
  assert.equal(read(k, b), 'early');
  k.close(listener);
  assert.throws(() => read(k, c), { code: 'ECONNRESET' });
  assert.equal(read(k, c), '');
  noLeaks(k);
});

test('close with unread bytes: the other end reads what it has, then ECONNRESET', () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  k.sys.write(a, 'never read');
  k.sys.write(b, 'read');
  k.close(b);
  assert.equal(read(k, a), 'read');
  assert.throws(() => read(k, a), { code: 'ECONNRESET' });
  assert.equal(read(k, a), '');
  noLeaks(k);
});

test('shutdown: half a stream goes on, and poll tells', () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  const poll = (fd: number): number => {
    const entry = { fd, events: POLLIN | POLLOUT, revents: 0 };
    k.sys.poll([entry]);
    return entry.revents;
  };
  assert.deepEqual([poll(a), poll(b)], [POLLOUT, POLLOUT]);
  k.shutdown(a, SHUT_WR);
  assert.throws(() => k.sys.write(a, 'x'), { code: 'EPIPE' });
  assert.deepEqual([read(k, b), poll(b)], ['', POLLIN | POLLOUT]);
  k.sys.write(b, 'still');
  assert.equal(read(k, a), 'still');
  k.shutdown(a, SHUT_RD);
  assert.throws(() => k.sys.write(b, 'x'), { code: 'EPIPE' });
  assert.deepEqual([poll(a) & POLLHUP, poll(b) & POLLHUP], [POLLHUP, POLLHUP]);
  const lone = k.socket(AF_UNIX, SOCK_STREAM);
  assert.equal(poll(lone), POLLHUP | POLLOUT);
  k.shutdown(lone, SHUT_RDWR);
  assert.throws(() => k.sys.write(lone, 'x'), { code: 'EPIPE' });
  noLeaks(k);
});

test('the send buffer bounds a stream; a reader lets the writer go on', async () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  k.setsockopt(a, SOL_SOCKET, SO_SNDBUF, 8192);
  const big = new Uint8Array(100_000).map((_, i) => i);
  const n = k.sys.send(a, big, MSG_DONTWAIT);
  assert.ok(n > 4000 && n < 25_000, String(n));
  assert.throws(() => k.sys.write(a, 'x'), { code: 'EAGAIN' });
  assert.deepEqual([k.ioctl(b, FIONREAD), k.ioctl(a, SIOCOUTQ) >= n], [n, true]);
  const rest = k.write(a, big.subarray(n));
  const got = new Uint8Array(big.length);
  for (let at = 0; at < got.length;) at += await k.read(b, got.subarray(at, at + 3000));
  assert.equal(await rest, big.length - n);
  assert.deepEqual(got, big);
  noLeaks(k);
});

test('MSG_PEEK looks and takes nothing', () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  k.sys.write(a, 'one');
  k.sys.write(a, 'two');
  assert.equal(read(k, b, MSG_PEEK | MSG_DONTWAIT), 'onetwo', 'streams know no messages');
  assert.equal(read(k, b, MSG_DONTWAIT, 4), 'onet');
  assert.equal(read(k, b), 'wo');
  assert.throws(() => read(k, b), { code: 'EAGAIN' });
  noLeaks(k);
});

test('datagrams keep their ends, tell their sender, and are never lost: max_dgram_qlen makes the writer wait', async () => {
  const k = kernel();
  const [a, b] = [k.socket(AF_UNIX, SOCK_DGRAM), k.socket(AF_UNIX, SOCK_DGRAM)];
  k.bind(a, { path: '/a' });
  k.bind(b, { path: '/b' });
  await k.sendto(a, 'one', { path: '/b' });
  await k.sendto(a, '', { path: '/b' });
  const buffer = new Uint8Array(2);
  const got = await k.recvfrom(b, buffer, MSG_TRUNC);
  assert.deepEqual([got.bytes, got.flags, got.from], [3, MSG_TRUNC, { address: '/a', port: 0, family: 'unix', path: '/a' }]);
  assert.equal((await k.recvfrom(b, buffer)).bytes, 0);
  for (let i = 0; i < 11; i++) await k.sendto(a, String(i), { path: '/b' });
  assert.throws(() => k.sys.sendto(a, 'full', { path: '/b' }), { code: 'EAGAIN' });
  const late = k.sendto(a, 'late', { path: '/b' });
  const all: string[] = [];
  const message = new Uint8Array(10);
  while (all.at(-1) !== 'late') all.push(text(message, await k.recv(b, message)));
  assert.deepEqual(all, [...Array(11).keys()].map(String).concat('late'));
  assert.equal(await late, 4);
  assert.equal(k.sysctl('net.unix.max_dgram_qlen'), 10);
  noLeaks(k);
});

test('a connected datagram socket hears its peer alone, and learns that it is gone', async () => {
  const k = kernel();
  const [a, b, c] = [0, 1, 2].map(() => k.socket(AF_UNIX, SOCK_DGRAM)) as [number, number, number];
  k.bind(a, { path: '/a' });
  k.bind(b, { path: '/b' });
  await k.connect(a, { path: '/b' });
  assert.throws(() => k.sys.sendto(c, 'x', { path: '/a' }), { code: 'EPERM' });
  assert.throws(() => k.sys.write(c, 'x'), { code: 'ENOTCONN' });
  await k.write(a, 'x');
  k.close(b);
  assert.throws(() => k.sys.write(a, 'x'), { code: 'ECONNREFUSED' });
  assert.throws(() => k.sys.write(a, 'x'), { code: 'ENOTCONN' });
  await assert.rejects(k.connect(a, { path: '/b' }), { code: 'ECONNREFUSED' });
  assert.throws(() => k.sys.sendto(a, new Uint8Array(300_000), { path: '/a' }), { code: 'EMSGSIZE' });
  noLeaks(k);
});

test('seqpackets: connections that keep messages apart', async () => {
  const k = kernel();
  const listener = listening(k, '/s', 4, SOCK_SEQPACKET);
  const a = k.socket(AF_UNIX, SOCK_SEQPACKET);
  assert.throws(() => k.sys.write(a, 'x'), { code: 'ENOTCONN' });
  await k.connect(a, { path: '/s' });
  const { fd: b } = await k.accept(listener);
  assert.equal(k.getsockopt(b, SOL_SOCKET, SO_TYPE), SOCK_SEQPACKET);
  for (let i = 0; i < 20; i++) await k.write(a, `message ${String(i)}`); // more than max_dgram_qlen: it is connected both ways
  assert.equal(read(k, b), 'message 0');
  assert.equal(read(k, b, MSG_DONTWAIT, 3), 'mes');
  assert.equal(read(k, b), 'message 2');
  k.close(a);
  for (let i = 3; i < 20; i++) assert.equal(read(k, b), `message ${String(i)}`);
  assert.equal(read(k, b), '');
  noLeaks(k);
});

test('SO_PEERCRED and SCM_CREDENTIALS say who is there', async () => {
  const k = kernel();
  const user = k.process({ uid: 1000, gid: 100 });
  const listener = listening(k, '/s');
  const a = user.socket(AF_UNIX, SOCK_STREAM);
  await user.connect(a, { path: '/s' });
  const { fd: b } = await k.accept(listener);
  assert.deepEqual(k.getsockopt(b, SOL_SOCKET, SO_PEERCRED), { pid: user.pid, uid: 1000, gid: 100 });
  assert.deepEqual(user.getsockopt(a, SOL_SOCKET, SO_PEERCRED), { pid: k.pid, uid: 0, gid: 0 });
  k.setsockopt(b, SOL_SOCKET, SO_PASSCRED, 1);
  await user.write(a, 'hello');
  const { control } = await k.recvmsg(b, [new Uint8Array(10)]);
  assert.deepEqual(control, [{ level: SOL_SOCKET, type: SCM_CREDENTIALS, data: { pid: user.pid, uid: 1000, gid: 100 } }]);
  const forged = [{ level: SOL_SOCKET, type: SCM_CREDENTIALS, data: { pid: 1, uid: 0, gid: 0 } }];
  assert.throws(() => user.sys.sendmsg(a, { iov: [new Uint8Array(1)], control: forged }), { code: 'EPERM' });
  k.sys.sendmsg(b, { iov: [new Uint8Array(1)], control: [{ ...forged[0]!, data: { pid: 77, uid: 7, gid: 7 } }] });
  user.setsockopt(a, SOL_SOCKET, SO_PASSCRED, 1);
  const said = (await user.recvmsg(a, [new Uint8Array(10)])).control[0]!.data;
  assert.deepEqual(said, { pid: 77, uid: 7, gid: 7 }, 'root may say what it likes');
});

type Rights = { level: number; type: number; data: number[] }[];
const rights = (...fds: number[]): Rights => [{ level: SOL_SOCKET, type: SCM_RIGHTS, data: fds }];
const byte = (): Uint8Array[] => [new Uint8Array(1)];

test('SCM_RIGHTS: a descriptor travels to another process, and works there', async () => {
  const world = new World({ seed: 1 });
  const { kernel: k } = world.host('alice');
  const worker = k.process({ name: 'worker' });
  const [a, b] = [listening(k, '/s'), worker.socket(AF_UNIX, SOCK_STREAM)];
  await worker.connect(b, { path: '/s' });
  const { fd: c } = await k.accept(a);
  const tcp = k.socket(AF_INET, SOCK_STREAM);
  k.bind(tcp, { port: 80 });
  k.listen(tcp);
  await k.sendmsg(c, { iov: [new TextEncoder().encode('take it')], control: rights(tcp) });
  k.close(tcp);
  const got = await worker.recvmsg(b, [new Uint8Array(100)]);
  const [fd] = got.control[0]!.data as number[];
  assert.deepEqual([got.bytes, got.control[0]!.type, worker.getsockname(fd!).port], [7, SCM_RIGHTS, 80], 'the listener lives on');
  const client = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(client, { address: '127.0.0.1', port: 80 });
  const { fd: conn } = await worker.accept(fd!);
  await k.write(client, 'hi');
  assert.equal(await worker.read(conn, new Uint8Array(10)), 2);
});

test('files stop a read; those that nobody takes are closed', async () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  const [x, y] = k.socketpair(AF_UNIX, SOCK_STREAM);
  k.sys.write(a, 'before');
  k.sys.sendmsg(a, { iov: [new TextEncoder().encode('with')], control: rights(y) });
  k.sys.write(a, 'after');
  k.close(y);
  assert.equal(read(k, b, MSG_DONTWAIT, 100), 'before', 'files begin a message');
  const peeked = k.sys.recvmsg(b, [new Uint8Array(100)], MSG_PEEK);
  k.sys.write(x, 'still open');
  const [copy] = peeked.control[0]!.data as number[];
  assert.equal(read(k, copy!), 'still open', 'MSG_PEEK gives another descriptor for it');
  k.close(copy!);
  const buffer = new Uint8Array(100);
  assert.equal(k.sys.recv(b, buffer), 4, 'recv has no place for control messages');
  assert.throws(() => k.sys.write(x, 'anybody?'), { code: 'EPIPE' }, 'so the file is closed');
  assert.equal(read(k, b), 'after');
  assert.throws(() => k.sys.sendmsg(a, { iov: byte(), control: rights(999) }), { code: 'EBADF' });
  assert.throws(() => k.sys.sendmsg(a, { iov: byte(), control: rights(...Array<number>(254).fill(a)) }), { code: 'EINVAL' }, 'SCM_MAX_FD');
  const user = k.process({ uid: 5 });
  const [u, v] = user.socketpair(AF_UNIX, SOCK_DGRAM);
  let sent = 0;
  const many = rights(...Array<number>(250).fill(v));
  assert.throws(() => { for (;;) sent += user.sys.sendmsg(u, { iov: byte(), control: many }); }, { code: 'ETOOMANYREFS' });
  assert.equal(sent, 4, 'a user has at most 1,024 on their way');
  user.kill();
  noLeaks(k);
});

test('a receiver without free descriptors gets what fits, and MSG_CTRUNC', () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_DGRAM);
  k.sys.sendmsg(a, { iov: byte(), control: rights(a, a, a) });
  k.prlimit(3);
  const got = k.sys.recvmsg(b, byte());
  assert.deepEqual([(got.control[0]!.data as number[]).length, got.flags & MSG_CTRUNC], [1, MSG_CTRUNC]);
  noLeaks(k);
});

test('sockets that only their own queues refer to are closed: one, a pair, a chain, and what hangs on it', () => {
  const k = kernel();
  const { unix } = k.stack;
  const give = (from: number, fd: number): number => k.sys.sendmsg(from, { iov: byte(), control: rights(fd) });
  const [self, selfPeer] = k.socketpair(AF_UNIX, SOCK_DGRAM);
  give(selfPeer, self); // it waits in its own queue
  assert.equal(unix.inflight.size, 1);
  k.close(self);
  assert.deepEqual([unix.inflight.size, k.stack.net.pool.live], [0, 0]);
  k.close(selfPeer);
  const [a, b] = k.socketpair(AF_UNIX, SOCK_DGRAM);
  const [x, y] = k.socketpair(AF_UNIX, SOCK_STREAM);
  give(a, a);
  give(b, b);
  give(a, x); // waits in b, which will be gone
  k.close(x);
  k.close(a);
  k.close(b);
  assert.deepEqual([unix.inflight.size, k.stack.net.pool.live], [0, 0]);
  assert.equal(read(k, y), '', 'what hung on it is closed, too');
  const [c, d] = k.socketpair(AF_UNIX, SOCK_DGRAM);
  const [holder, taker] = k.socketpair(AF_UNIX, SOCK_DGRAM);
  give(c, c);
  give(holder, d); // d, and by it c, can still be had
  k.close(c);
  k.close(d);
  assert.equal(unix.inflight.size, 2);
  const [fd] = k.sys.recvmsg(taker, byte()).control[0]!.data as number[];
  const [again] = k.sys.recvmsg(fd!, byte()).control[0]!.data as number[];
  assert.equal(k.sys.write(again!, 'alive'), 5);
  noLeaks(k);
});

test('epoll tells of a Unix socket as of any other', async () => {
  const k = kernel();
  const [a, b] = k.socketpair(AF_UNIX, SOCK_STREAM);
  const ep = k.epollCreate();
  k.epollCtl(ep, 1, b, { events: POLLIN });
  const waits = k.epollWait(ep);
  await k.write(a, 'x');
  assert.deepEqual((await waits).map((e) => e.events), [POLLIN]);
  k.close(a);
  assert.deepEqual(k.sys.epollWait(ep).map((e) => e.events & (POLLIN | POLLHUP | POLLERR)), [POLLIN | POLLHUP]);
});

test('what socket() and socketpair() refuse', () => {
  const k = kernel();
  assert.throws(() => k.socket(AF_UNIX, SOCK_STREAM, 7), { code: 'EPROTONOSUPPORT' });
  assert.throws(() => k.socket(AF_UNIX, 4), { code: 'ESOCKTNOSUPPORT' });
  assert.throws(() => k.socketpair(AF_INET, SOCK_STREAM), { code: 'EOPNOTSUPP' });
  assert.deepEqual(k.fds, []);
  k.prlimit(1);
  assert.throws(() => k.socketpair(AF_UNIX, SOCK_STREAM), { code: 'EMFILE' });
  assert.deepEqual(k.fds, []);
});

test('each host has a file system of its own', async () => {
  const world = new World({ seed: 1 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  listening(alice.kernel, '/s');
  await assert.rejects(bob.kernel.connect(bob.kernel.socket(AF_UNIX, SOCK_STREAM), { path: '/s' }), { code: 'ENOENT' });
});
