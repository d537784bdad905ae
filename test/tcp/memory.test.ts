/** net.ipv4.tcp_mem: all sockets of a host together; pressure, and what happens at the limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mib } from '../../src/dev/mib.ts';
import { ScenarioWorld } from '../../src/testing/scenario-world.ts';
import { connectRetrying, writeAll } from '../../src/testing/apps.ts';
import { labWith, noLeaks, type App, type AppCalls } from '../../src/testing.ts';

const lab = labWith(test, [4, 6]);

lab('A socket holds whole pages for what lies in its queues, and gives them back when it is read and acknowledged', {
  rttMs: 100, mss: 1000,
}, (t) => {
  const c = t.established();
  const { tcp } = t.host.kernel.stack;
  assert.equal(tcp.memPages, 0);
  c.write(10_000);
  t.forget();
  assert.ok(tcp.memPages >= 3, String(tcp.memPages));
  assert.equal(tcp.memPages * 4096, c.tp.memHeld);
  t.run('< . 1:1(0) ack 10001');
  t.forget();
  assert.equal(tcp.memPages, 0);
  t.run('< P. 1:5001(5000) ack 10001');
  t.forget();
  assert.ok(tcp.memPages >= 2, String(tcp.memPages));
  c.read(5000);
  t.forget();
  assert.equal(tcp.memPages, 0);
});

lab('At the third number of tcp_mem one segment is taken when nothing is queued, and the window closes; further text is dropped', {
  rttMs: 100, mss: 1000, sysctl: { tcp_mem: '0 0 0' },
}, (t) => {
  const c = t.established();
  t.run`
    < P. 1:3001(3000) ack 1
    > .  1:1(0) ack 3001 win 0
    < P. 3001:6001(3000) ack 1
    > .  1:1(0) ack 3001
    < P. 3001:6001(3000) ack 1
    > .  1:1(0) ack 3001 win 0
  `;
  t.drops({ TcpInvalidEndSequence: 1, ProtoMem: 1 });
  c.read(6000, { want: 3000 });
  t.forget();
  t.counters({
    TcpExtTCPMemoryPressures: 1, TcpExtTCPRcvQDrop: 1, TcpExtPruneCalled: 2, TcpExtTCPFromZeroWindowAdv: 2,
    TcpExtBeyondWindow: 1,
  });
  assert.equal(t.host.kernel.stack.tcp.memPages, 0);
});

lab('A writer without memory is told to wait, and is woken when there is some', {
  rttMs: 100, mss: 1000, sysctl: { tcp_mem: '0 0 0' },
}, (t) => {
  const c = t.established();
  const { tcp } = t.host.kernel.stack;
  c.write(1000, { want: 'EAGAIN' });
  assert.equal(c.tp.memWait, true);
  assert.equal(c.tp.sndbuf, 4608); // SOCK_MIN_SNDBUF
  t.run('quiet 1s');
  assert.equal(c.tp.memWait, false); // looked again: poll says writable, as Linux
  c.write(1000, { want: 'EAGAIN' });
  tcp.sysctl.tcpMem[2] = 100;
  t.run('quiet 250ms');
  c.write(1000);
  t.run('> P. 1:1001(1000) ack 1');
  t.run('< . 1:1(0) ack 1001');
  assert.equal(tcp.memWaiters.size, 0);
});

lab('Under pressure the window does not grow', { rttMs: 100, mss: 1000 }, (t) => {
  const c = t.established();
  const { tcp } = t.host.kernel.stack;
  const feed = (from: number): void => {
    for (let i = from; i < from + 20; i++) {
      t.run(`< P. ${1 + 1000 * i}:${1001 + 1000 * i}(1000) ack 1`);
      t.forget();
    }
    c.read(20_000);
    t.forget();
  };
  tcp.sysctl.tcpMem = [0, 0, 1000];
  feed(0);
  const before = c.tp.rcvSsthresh;
  feed(20);
  assert.equal(c.tp.rcvSsthresh, before);
  assert.ok(t.host.net.mib[Mib.TcpExtTCPMemoryPressures]! > 0);
  tcp.sysctl.tcpMem = [100, 200, 1000];
  feed(40);
  assert.ok(c.tp.rcvSsthresh > before);
});

const SIZE = 60_000;

/** Connects, writes, and stays until the reader is done: an orphan would not be waited for so long (tcp_orphan_retries). */
function patientWriter(ip: string, port: number, bytes: Uint8Array) {
  return function* (sys: AppCalls): App<void> {
    const fd = yield* connectRetrying(sys, ip, port);
    yield* writeAll(sys, fd, bytes, 65536);
    yield sys.readable(fd);
    sys.close(fd);
  };
}

/** Accepts `n` connections, reads nothing for 20 s, then all of it. */
function lazyReader(port: number, n: number) {
  return function* (sys: AppCalls): App<number> {
    const listener = sys.listen(port);
    const fds: number[] = [];
    while (fds.length < n) {
      yield sys.readable(listener);
      const fd = sys.accept(listener);
      if (fd >= 0) fds.push(fd);
    }
    sys.close(listener);
    yield sys.sleep(20e9);
    let total = 0;
    const buf = new Uint8Array(65536);
    for (const fd of fds) {
      for (let left = SIZE; left > 0;) {
        const got = sys.read(fd, buf);
        if (got < 0) yield sys.readable(fd);
        else if (got === 0) break;
        else left -= got;
        if (got > 0) total += got;
      }
      sys.close(fd);
    }
    return total;
  };
}

test('Twenty connections to a reader that sleeps never take more than tcp_mem, with one segment each over it; then all arrives', () => {
  const run = (mem: string): { most: number; pressures: number; chrono: number } => {
    const w = new ScenarioWorld(3);
    const [a, b] = w.twoHosts({ cable: { delay: '2ms', rate: '1gbit' } });
    b.kernel.sysctl('net.ipv4.tcp_mem', mem);
    const { tcp } = b.kernel.stack;
    const got = b.app(lazyReader(80, 20));
    for (let i = 0; i < 20; i++) a.app(patientWriter(b.ip, 80, w.random.bytes(SIZE)));
    let most = 0;
    while (!got.done && w.nowNs < 600e9) {
      w.runFor(5e6);
      most = Math.max(most, tcp.memPages);
    }
    assert.equal(got.result, 20 * SIZE);
    const { mib } = b.kernel.stack.net;
    const result = { most, pressures: mib[Mib.TcpExtTCPMemoryPressures]!, chrono: mib[Mib.TcpExtTCPMemoryPressuresChrono]! };
    w.runUntilIdle();
    w.check(noLeaks);
    return result;
  };
  const free = run('98304 131072 196608');
  const tight = run('40 60 100');
  assert.equal(free.pressures, 0);
  assert.ok(free.most > 200, String(free.most));
  assert.ok(tight.most <= 100 + 20, String(tight.most));
  assert.ok(tight.pressures > 0 && tight.chrono > 1000, JSON.stringify(tight));
});

test('An orphan with much unsent data is ended when memory is short (TCPAbortOnMemory)', () => {
  const w = new ScenarioWorld(4);
  const [a, b] = w.twoHosts({ cable: { delay: '2ms' } });
  a.app(function* (sys) {
    const fd = sys.connect(b.ip, 80);
    yield sys.writable(fd);
    const bytes = new Uint8Array(500_000);
    for (let sent = 0; sent < 3_000_000;) {
      const n = sys.write(fd, bytes, 0, bytes.length);
      if (n < 0) break;
      sent += n;
    }
    a.kernel.sysctl('net.ipv4.tcp_mem', '1 1 1');
    sys.close(fd);
  });
  b.app(function* (sys) {
    const listener = sys.listen(80);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    yield sys.sleep(5e9);
    sys.close(fd);
    sys.close(listener);
  });
  w.runUntilIdle({ maxMs: 100_000 });
  assert.equal(a.kernel.stack.net.mib[Mib.TcpExtTCPAbortOnMemory], 1);
  w.check(noLeaks);
});

test('net.ipv4.tcp_mem by name: three numbers that do not fall', () => {
  const w = new ScenarioWorld(5);
  const [a] = w.twoHosts({});
  assert.deepEqual(a.kernel.sysctl('net.ipv4.tcp_mem'), [98304, 131072, 196608]);
  assert.throws(() => a.kernel.sysctl('net.ipv4.tcp_mem', '10 5 20'), /numbers that do not fall/);
  assert.throws(() => a.kernel.sysctl('net.ipv4.tcp_mem', '10 20'), /3 whole numbers|whole numbers/);
});
