/** TCP end to end through the socket calls: over loopback, and over a cable. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, Kernel, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, SHUT_WR, SOCK_STREAM, SOL_SOCKET, SOL_TCP, SO_RCVTIMEO, TCP_NODELAY, World,
  type Calls,
} from '../../mod.ts';
import { Random } from '../../src/lib/random.ts';

/** A listener on `port` of any address; its descriptor. */
function listen(k: Calls, port: number): number {
  const fd = k.socket(AF_INET, SOCK_STREAM);
  k.bind(fd, { port });
  k.listen(fd);
  return fd;
}

async function connect(k: Calls, address: string, port: number): Promise<number> {
  const fd = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(fd, { address, port });
  return fd;
}

/** Sends back what comes, until the peer is done. */
async function echo(k: Calls, listener: number): Promise<void> {
  const { fd } = await k.accept(listener);
  const buffer = new Uint8Array(65536);
  for (;;) {
    const n = await k.read(fd, buffer);
    if (n === 0) break;
    await k.write(fd, buffer.slice(0, n));
  }
  k.close(fd);
}

async function readAll(k: Calls, fd: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buffer = new Uint8Array(65536);
    const n = await k.read(fd, buffer);
    if (n === 0) return Buffer.concat(parts);
    parts.push(buffer.subarray(0, n));
  }
}

/** Sends `bytes` from a to b and back. Returns what came back. */
async function roundTrip(a: Calls, b: Calls, address: string, bytes: Uint8Array): Promise<Uint8Array> {
  const listener = listen(b, 7);
  const served = echo(b, listener);
  const fd = await connect(a, address, 7);
  const back = readAll(a, fd);
  await a.write(fd, bytes);
  a.shutdown(fd, SHUT_WR);
  const got = await back;
  await served;
  a.close(fd);
  b.close(listener);
  return got;
}

test('an echo over loopback: bytes, names and the end of the stream', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 8080);
  const accepted = k.accept(listener);
  const fd = await connect(k, '127.0.0.1', 8080);
  const { fd: conn, peer } = await accepted;
  assert.deepEqual(peer, k.getsockname(fd));
  assert.deepEqual(k.getpeername(fd), { address: '127.0.0.1', port: 8080, family: 'IPv4' });
  assert.deepEqual(k.getsockname(conn), k.getpeername(fd));
  assert.equal(await k.write(fd, 'hello'), 5);
  const buffer = new Uint8Array(100);
  assert.equal(await k.read(conn, buffer), 5);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, 5)), 'hello');
  k.shutdown(fd, SHUT_WR);
  assert.equal(await k.read(conn, buffer), 0);
  await k.write(conn, 'bye');
  assert.equal(await k.read(fd, buffer), 3);
  k.close(conn);
  assert.equal(await k.read(fd, buffer), 0);
  for (const open of [fd, listener]) k.close(open);
});

test('1 MB there and back over loopback arrives as it was sent', async () => {
  const k = new Kernel({ seed: 2 });
  const bytes = new Random(2).bytes(1 << 20);
  assert.deepEqual(Buffer.from(await roundTrip(k, k, '127.0.0.1', bytes)), Buffer.from(bytes));
});

test('1 MB there and back over a cable, in about the time that the rate takes', async () => {
  const world = new World({ seed: 3 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '5ms', rate: '100mbit' });
  const bytes = new Random(3).bytes(1 << 20);
  const got = await world.run(() => roundTrip(a.kernel, b.kernel, b.ip, bytes));
  assert.ok(Buffer.from(got).equals(bytes));
  assert.ok(world.now > 80 && world.now < 1000, `${world.now} ms`);
});

for (const loss of [0.01, 0.05, 0.2]) {
  test(`200 kB there and back over a cable that loses ${loss * 100} %`, async () => {
    const world = new World({ seed: 4 });
    const [a, b] = [world.host('a'), world.host('b')];
    world.cable(a, b, { delay: '10ms', jitter: '1ms', rate: '50mbit', loss });
    const bytes = new Random(4).bytes(200_000);
    const got = await world.run(() => roundTrip(a.kernel, b.kernel, b.ip, bytes));
    assert.ok(Buffer.from(got).equals(bytes));
  });
}

test('the same seed gives the same digest, another seed another', async () => {
  const digest = async (seed: number): Promise<string> => {
    const world = new World({ seed, digest: true });
    const [a, b] = [world.host('a'), world.host('b')];
    world.cable(a, b, { delay: '10ms', jitter: '3ms', rate: '20mbit', loss: 0.02, duplicate: 0.01, corrupt: 0.01 });
    const bytes = new Random(9).bytes(100_000);
    const got = await world.run(() => roundTrip(a.kernel, b.kernel, b.ip, bytes));
    assert.ok(Buffer.from(got).equals(bytes));
    await world.runUntilIdle();
    return `${world.digest()} ${world.nowNs}`;
  };
  const [first, second, other] = [await digest(42), await digest(42), await digest(43)];
  assert.equal(first, second);
  assert.notEqual(first.slice(0, 32), other.slice(0, 32));
});

test('when everything is closed and TIME_WAIT is over, nothing is left', async () => {
  const world = new World({ seed: 5 });
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, b, { delay: '1ms', loss: 0.05 });
  await world.run(() => roundTrip(a.kernel, b.kernel, b.ip, new Random(5).bytes(50_000)));
  await world.runUntilIdle();
  const left = world.check();
  assert.deepEqual({ ...left, timers: 0 }, { skbs: 0, pages: 0, liveTimers: 0, timers: 0, descriptors: 0, tcpSockets: 0, waiting: 0 });
});

test('a port that nobody listens on refuses, at once', async () => {
  const k = new Kernel({ seed: 1 });
  await assert.rejects(connect(k, '127.0.0.1', 81), {
    code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: '127.0.0.1', port: 81,
    message: 'connect ECONNREFUSED 127.0.0.1:81: connection refused (nobody listens there)',
  });
});

test('a host that is not there: EHOSTUNREACH after ARP has asked three times', async () => {
  const world = new World({ seed: 1 });
  const [a, b] = [world.host('a', { ip: '10.0.0.1/24' }), world.host('b')];
  world.cable(a, b);
  await assert.rejects(world.run(() => connect(a.kernel, '10.0.0.99', 80)), { code: 'EHOSTUNREACH' });
  assert.ok(world.now >= 3000 && world.now < 3100, `${world.now} ms`);
});

test('no route: ENETUNREACH, without waiting', async () => {
  const world = new World({ seed: 1 });
  const a = world.host('a');
  await assert.rejects(connect(a.kernel, '192.0.2.1', 80), { code: 'ENETUNREACH' });
});

test('a blocking write returns when everything is written, a non-blocking one with what fitted', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 9);
  const fd = await connect(k, '127.0.0.1', 9);
  const { fd: conn } = await k.accept(listener);
  const big = new Uint8Array(20 << 20);
  let taken = 0;
  assert.throws(() => {
    for (;;) taken += k.sys.write(fd, big);
  }, { code: 'EAGAIN', syscall: 'write' });
  assert.ok(taken > 0 && taken < big.length);
  let done = false;
  const writing = k.write(fd, big).then((n) => {
    done = true;
    return n;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(done, false);
  const buffer = new Uint8Array(1 << 20);
  let got = 0;
  while (got < taken + big.length) got += await k.read(conn, buffer);
  assert.equal(await writing, big.length);
});

test('MSG_WAITALL waits for all, MSG_PEEK leaves it there, MSG_DONTWAIT waits for nothing', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 9);
  const fd = await connect(k, '127.0.0.1', 9);
  k.setsockopt(fd, SOL_TCP, TCP_NODELAY, true);
  const { fd: conn } = await k.accept(listener);
  const buffer = new Uint8Array(10);
  await assert.rejects(k.recv(conn, buffer, MSG_DONTWAIT), { code: 'EAGAIN', syscall: 'recv' });
  const all = k.recv(conn, buffer, MSG_WAITALL);
  for (const part of ['abc', 'def', 'ghij']) {
    await k.write(fd, part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await all, 10);
  assert.equal(new TextDecoder().decode(buffer), 'abcdefghij');
  await k.write(fd, 'xyz');
  assert.equal(await k.recv(conn, buffer, MSG_PEEK), 3);
  const peeked = k.recv(conn, buffer.subarray(0, 5), MSG_PEEK | MSG_WAITALL);
  await k.write(fd, '12');
  assert.equal(await peeked, 5);
  assert.equal(await k.recv(conn, buffer), 5);
  const short = k.recv(conn, buffer, MSG_WAITALL);
  await k.write(fd, 'end');
  k.close(fd);
  assert.equal(await short, 3, 'the end of the stream ends the wait');
});

test('SO_RCVTIMEO ends a wait with EAGAIN, to the nanosecond', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 9);
  k.setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, '250ms');
  assert.equal(k.getsockopt(listener, SOL_SOCKET, SO_RCVTIMEO), 250);
  const before = k.now;
  await assert.rejects(k.accept(listener), { code: 'EAGAIN' });
  assert.ok(k.now - before >= 250 && k.now - before < 250.1);
});

test('close ends the calls that sleep on the descriptor with EBADF', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 9);
  const waiting = k.accept(listener);
  k.close(listener);
  await assert.rejects(waiting, { code: 'EBADF', syscall: 'accept' });
});

test('a killed process ends its connections as Linux does, and its calls never return', async () => {
  const k = new Kernel({ seed: 1 });
  const server = k.process({ name: 'server' });
  const listener = listen(server, 9);
  const fd = await connect(k, '127.0.0.1', 9);
  const { fd: conn } = await server.accept(listener);
  const waiting = server.accept(listener);
  assert.deepEqual(server.fds, [listener, conn]);
  server.kill();
  void waiting.finally(() => assert.fail('it returned'));
  assert.deepEqual(server.fds, []);
  assert.equal(await k.read(fd, new Uint8Array(1)), 0, 'orderly: nothing was unread');
  await assert.rejects(connect(k, '127.0.0.1', 9), { code: 'ECONNREFUSED' });
  assert.throws(() => server.socket(AF_INET, SOCK_STREAM), { code: 'ESRCH' });
});

test('accept gives connections in order, and one waiting accept per connection', async () => {
  const k = new Kernel({ seed: 1 });
  const listener = listen(k, 9);
  const accepts = [k.accept(listener), k.accept(listener), k.accept(listener)];
  const clients = [await connect(k, '127.0.0.1', 9), await connect(k, '127.0.0.1', 9), await connect(k, '127.0.0.1', 9)];
  const got = await Promise.all(accepts);
  assert.deepEqual(got.map((g) => g.peer.port), clients.map((fd) => k.getsockname(fd).port));
});
