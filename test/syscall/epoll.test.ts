/** epoll: level, edge, once, exclusive, and instances that watch each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP, EPOLL_CTL_ADD, EPOLL_CTL_DEL,
  EPOLL_CTL_MOD, Kernel, POLLIN, POLLNVAL, POLLOUT, SHUT_WR, SOCK_STREAM, type EpollEvent,
} from '../../mod.ts';

/** Two ends of a connection over loopback, and what they do at rest. */
async function pair(): Promise<{ k: Kernel; a: number; b: number; listener: number }> {
  const k = new Kernel({ seed: 1 });
  const listener = k.socket(AF_INET, SOCK_STREAM);
  k.bind(listener, { address: '127.0.0.1', port: 80 });
  k.listen(listener);
  const a = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(a, { address: '127.0.0.1', port: 80 });
  const { fd: b } = await k.accept(listener);
  return { k, a, b, listener };
}

const bits = (events: readonly EpollEvent[]): number[] => events.map((e) => e.events);
const buffer = new Uint8Array(100);

test('level-triggered: told as long as there is something', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, b, { events: EPOLLIN });
  assert.deepEqual(k.sys.epollWait(ep), []);
  await k.write(a, 'abc');
  assert.deepEqual(await k.epollWait(ep), [{ events: EPOLLIN, data: b }]);
  assert.deepEqual(bits(k.sys.epollWait(ep)), [EPOLLIN]);
  k.sys.read(b, buffer);
  assert.deepEqual(k.sys.epollWait(ep), []);
});

test('edge-triggered: told once per change, whatever is left', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, b, { events: EPOLLIN | EPOLLET, data: 'b' });
  await k.write(a, 'abc');
  assert.deepEqual(await k.epollWait(ep), [{ events: EPOLLIN, data: 'b' }]);
  assert.deepEqual(k.sys.epollWait(ep), []);
  await k.write(a, 'def');
  assert.deepEqual(bits(await k.epollWait(ep)), [EPOLLIN]);
  k.epollCtl(ep, EPOLL_CTL_MOD, b, { events: EPOLLIN | EPOLLET, data: 'again' });
  assert.deepEqual(k.sys.epollWait(ep), [{ events: EPOLLIN, data: 'again' }], 'a change of interest looks anew');
});

test('one-shot: switched off until it is switched on again', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, b, { events: EPOLLIN | EPOLLONESHOT });
  await k.write(a, 'abc');
  assert.deepEqual(bits(await k.epollWait(ep)), [EPOLLIN]);
  await k.write(a, 'def');
  assert.deepEqual(await k.epollWait(ep, 1, '10ms'), []);
  k.epollCtl(ep, EPOLL_CTL_MOD, b, { events: EPOLLIN | EPOLLONESHOT });
  assert.deepEqual(bits(k.sys.epollWait(ep)), [EPOLLIN]);
});

test('errors and the end of the peer are told unasked', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, b, { events: EPOLLIN | EPOLLRDHUP });
  k.shutdown(a, SHUT_WR);
  assert.deepEqual(bits(await k.epollWait(ep)), [EPOLLIN | EPOLLRDHUP]);
  const fresh = k.socket(AF_INET, SOCK_STREAM);
  k.epollCtl(ep, EPOLL_CTL_ADD, fresh, { events: 0, data: 'fresh' });
  const told = k.sys.epollWait(ep).find((e) => e.data === 'fresh');
  assert.equal(told?.events, EPOLLHUP, 'a stream that is not connected hangs up');
  assert.throws(() => k.sys.connect(fresh, { address: '127.0.0.1', port: 81 }), { code: 'EINPROGRESS' });
  k.epollCtl(ep, EPOLL_CTL_DEL, b);
  const [refused] = await k.epollWait(ep);
  assert.equal(refused!.events & EPOLLERR, EPOLLERR);
});

test('many descriptors: each gets its turn, at most `max` at once', async () => {
  const { k, listener } = await pair();
  const ep = k.epollCreate();
  const conns: number[] = [];
  for (let i = 0; i < 10; i++) {
    const fd = k.socket(AF_INET, SOCK_STREAM);
    await k.connect(fd, { address: '127.0.0.1', port: 80 });
    const { fd: conn } = await k.accept(listener);
    k.epollCtl(ep, EPOLL_CTL_ADD, conn, { events: EPOLLIN });
    await k.write(fd, 'x');
    conns.push(conn);
  }
  const seen = [...k.sys.epollWait(ep, 4), ...k.sys.epollWait(ep, 4), ...k.sys.epollWait(ep, 2)].map((e) => e.data);
  assert.deepEqual(seen, conns, 'level-triggered ones go to the end of the line');
});

test('closing a descriptor takes it out; a dup keeps it watched', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, b, { events: EPOLLIN });
  const twin = k.dup(b);
  k.close(b);
  await k.write(a, 'abc');
  assert.deepEqual(await k.epollWait(ep), [{ events: EPOLLIN, data: b }], 'epoll watches the file, as on Linux');
  k.close(twin);
  assert.deepEqual(k.sys.epollWait(ep), []);
});

test('EPOLLEXCLUSIVE: of two instances on one listener, one is woken', async () => {
  const { k, listener } = await pair();
  const eps = [k.epollCreate(), k.epollCreate()];
  for (const ep of eps) k.epollCtl(ep, EPOLL_CTL_ADD, listener, { events: EPOLLIN | EPOLLEXCLUSIVE, data: ep });
  const woken: unknown[] = [];
  const waits = eps.map((ep) => k.epollWait(ep, 1, '100ms').then((events) => woken.push(...events.map((e) => e.data))));
  const fd = k.socket(AF_INET, SOCK_STREAM);
  await k.connect(fd, { address: '127.0.0.1', port: 80 });
  k.sys.accept(listener);
  await Promise.all(waits);
  assert.ok(woken.length <= 1, `${woken.length} woken`);
});

test('instances may watch each other, but not in a circle and not too deep', async () => {
  const { k, a, b } = await pair();
  const [inner, outer] = [k.epollCreate(), k.epollCreate()];
  k.epollCtl(inner, EPOLL_CTL_ADD, b, { events: EPOLLIN });
  k.epollCtl(outer, EPOLL_CTL_ADD, inner, { events: EPOLLIN });
  assert.throws(() => k.epollCtl(inner, EPOLL_CTL_ADD, outer, { events: EPOLLIN }), { code: 'ELOOP' });
  const waiting = k.epollWait(outer);
  await k.write(a, 'x');
  assert.deepEqual(await waiting, [{ events: EPOLLIN, data: inner }]);
  assert.deepEqual(k.sys.epollWait(inner), [{ events: EPOLLIN, data: b }]);
  let top = outer;
  for (let depth = 3; depth <= 5; depth++) {
    const next = k.epollCreate();
    const add = (): void => k.epollCtl(next, EPOLL_CTL_ADD, top, { events: EPOLLIN });
    if (depth === 5) assert.throws(add, { code: 'ELOOP' });
    else add();
    top = next;
  }
});

test('poll answers for each entry, waits, and times out', async () => {
  const { k, a, b } = await pair();
  const fds = [
    { fd: b, events: POLLIN, revents: 0 }, { fd: a, events: POLLOUT, revents: 0 }, { fd: 99, events: 0, revents: 0 },
    { fd: -5, events: POLLIN, revents: 7 },
  ];
  assert.equal(k.sys.poll(fds), 2);
  assert.deepEqual(fds.map((f) => f.revents), [0, POLLOUT, POLLNVAL, 0]);
  const before = k.now;
  assert.equal(await k.poll([{ fd: b, events: POLLIN }], '5ms'), 0);
  assert.ok(k.now - before >= 5);
  const waiting = k.poll([{ fd: b, events: POLLIN }]);
  await k.write(a, 'x');
  assert.equal(await waiting, 1);
});

test('epoll_wait of a closed instance ends with EBADF', async () => {
  const { k } = await pair();
  const ep = k.epollCreate();
  const waiting = k.epollWait(ep);
  k.close(ep);
  await assert.rejects(waiting, { code: 'EBADF', syscall: 'epoll_wait' });
});

test('EPOLLOUT comes back when a third of the buffer is free', async () => {
  const { k, a, b } = await pair();
  const ep = k.epollCreate();
  k.epollCtl(ep, EPOLL_CTL_ADD, a, { events: EPOLLOUT | EPOLLET });
  assert.deepEqual(bits(k.sys.epollWait(ep)), [EPOLLOUT]);
  const chunk = new Uint8Array(65536);
  for (;;) {
    try {
      k.sys.write(a, chunk);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EAGAIN');
      break;
    }
  }
  k.sys.epollWait(ep);
  const waiting = k.epollWait(ep);
  const big = new Uint8Array(1 << 20);
  void (async (): Promise<void> => {
    for (;;) await k.read(b, big);
  })().catch(() => undefined);
  assert.deepEqual(bits(await waiting), [EPOLLOUT]);
});
