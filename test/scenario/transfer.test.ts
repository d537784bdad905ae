/** Transfers over rude cables: every byte arrives, in order, once, and nothing is left behind. */
import assert from 'node:assert/strict';
import { POLLIN, POLLOUT, SHUT_WR } from '../../src/sock/constants.ts';
import {
  boundedQueues, connectAndSend, connectRetrying, conservation, everyDropNamed, exchange, listenAndReadAll, noLeaks, readAll, Received,
  writeAll, type App, type AppBody, type AppCalls, type Climate, type ScenarioWorld,
} from '../../src/testing.ts';
import type { HostOptions } from '../../src/world/host.ts';
import { scenario } from './scenario.ts';

/** What cables of these scenarios may be like. After a while the sky clears, and then everything must come to its end. */
const RUDE: Climate = {
  delay: ['1ms', '80ms'], jitter: ['0ms', '10ms'], rate: ['2mbit', '1gbit'], limit: [20, 1000],
  loss: [0, 0.15], duplicate: [0, 0.05], reorder: [0, 0.1], corrupt: [0, 0.02], corruptFcs: true,
};
const CLEARS_AFTER = '60s';

function checkAll(w: ScenarioWorld): void {
  w.check(conservation, noLeaks, boundedQueues, everyDropNamed);
}

function same(got: Uint8Array, want: Uint8Array): void {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++) if (got[i] !== want[i]) assert.fail(`the byte at ${i} is ${got[i]}, not ${want[i]}`);
}

scenario('a file crosses a rude cable intact', { seeds: 60 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, CLEARS_AFTER);
  const file = w.random.bytes(1000 + w.random.below(200_000));
  const got = b.app(listenAndReadAll(80));
  a.app(connectAndSend(b.ip, 80, file, 1 + w.random.below(65536)));

  w.runUntilIdle({ maxMs: 600_000 });

  same(got.result!.bytes, file);
  checkAll(w);
});

/** Accepts one connection, sends `bytes` while it reads; a program for each direction. */
function both(port: number, bytes: Uint8Array): AppBody<Received> {
  return function* (sys) {
    const received = new Received();
    const listener = sys.listen(port);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    sys.close(listener);
    yield* bothWays(sys, fd, bytes, received);
    sys.close(fd);
    return received;
  };
}

/** Writes and reads in turn on one descriptor until both directions have ended. */
function* bothWays(sys: AppCalls, fd: number, bytes: Uint8Array, received: Received): App<void> {
  const buf = new Uint8Array(16384);
  let at = 0;
  let ended = false;
  let finished = false;
  while (!ended || !finished) {
    let moved = false;
    if (at < bytes.length) {
      const n = sys.write(fd, bytes, at, Math.min(20000, bytes.length - at));
      if (n > 0) {
        at += n;
        moved = true;
      } else if (n !== -11) throw new Error(`write: ${n}`);
    } else if (!finished) {
      sys.shutdown(fd, SHUT_WR);
      finished = true;
      moved = true;
    }
    if (!ended) {
      const n = sys.read(fd, buf);
      if (n > 0) received.add(buf.slice(0, n));
      else if (n === 0) ended = true;
      else if (n !== -11) throw new Error(`read: ${n}`);
      moved ||= n >= 0;
    }
    if (!moved) yield { fd, events: (ended ? 0 : POLLIN) | (at < bytes.length ? POLLOUT : 0), forNs: Infinity };
  }
}

scenario('both ends send at once, on one connection', { seeds: 40 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, CLEARS_AFTER);
  const there = w.random.bytes(1 + w.random.below(100_000));
  const back = w.random.bytes(1 + w.random.below(100_000));
  const server = b.app(both(80, back));
  const client = a.app(function* (sys) {
    const received = new Received();
    const fd = yield* connectRetrying(sys, b.ip, 80);
    yield* bothWays(sys, fd, there, received);
    sys.close(fd);
    return received;
  });

  w.runUntilIdle({ maxMs: 600_000 });

  same(server.result!.bytes, there);
  same(client.result!.bytes, back);
  checkAll(w);
});

/** Accepts `count` connections; each is read to its end and answered with what it said. */
function echoServer(port: number, count: number, spawn: (sys: AppCalls, body: AppBody<void>) => unknown): AppBody<number> {
  return function* (sys) {
    const listener = sys.listen(port);
    for (let i = 0; i < count; i++) {
      yield sys.readable(listener);
      const fd = sys.accept(listener);
      if (fd < 0) {
        i--;
        continue;
      }
      spawn(sys, echoOne(fd));
    }
    sys.close(listener);
    return count;
  };
}

function echoOne(fd: number): AppBody<void> {
  return function* (sys) {
    const received = new Received();
    yield* readAll(sys, fd, received);
    yield* writeAll(sys, fd, received.bytes, 4096);
    sys.close(fd);
  };
}

scenario('many connections, each half-closed by its client and then answered', { seeds: 40 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, CLEARS_AFTER);
  const count = 2 + w.random.below(12);
  b.app(echoServer(80, count, (sys, body) => b.thread(sys.process, body)));
  const files = Array.from({ length: count }, () => w.random.bytes(w.random.below(20_000)));
  const clients = files.map((file) => a.app(exchange(b.ip, 80, file, 1 + w.random.below(5000))));

  w.runUntilIdle({ maxMs: 900_000 });

  clients.forEach((client, i) => {
    same(client.result!.bytes, files[i]!);
  });
  checkAll(w);
});

scenario('small writes with pauses, with and without Nagle', { seeds: 30 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, CLEARS_AFTER);
  const file = w.random.bytes(3000);
  const nodelay = w.random.chance(0.5) ? 1 : 0;
  const got = b.app(listenAndReadAll(80));
  a.app(function* (sys) {
    const fd = yield* connectRetrying(sys, b.ip, 80);
    sys.setsockopt(fd, 6, 1, nodelay);
    for (let at = 0; at < file.length;) {
      const n = sys.write(fd, file, at, Math.min(1 + w.random.below(100), file.length - at));
      if (n < 0) throw new Error(`write: ${n}`);
      at += n;
      if (w.random.chance(0.2)) yield sys.sleep(w.random.below(300) * 1e6);
    }
    sys.close(fd);
  });

  w.runUntilIdle({ maxMs: 600_000 });

  same(got.result!.bytes, file);
  checkAll(w);
});

scenario('a slow reader closes the window, and opens it again', { seeds: 30 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, CLEARS_AFTER);
  const file = w.random.bytes(50_000 + w.random.below(100_000));
  const rcvbuf = 4000 + w.random.below(30_000);
  const received = new Received();
  b.app(function* (sys) {
    const listener = sys.listen(80);
    sys.setsockopt(listener, 1, 8, rcvbuf);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    sys.close(listener);
    for (;;) {
      const buf = new Uint8Array(1 + w.random.below(20_000));
      const n = sys.read(fd, buf);
      if (n === 0) break;
      if (n > 0) received.add(buf.slice(0, n));
      if (n < 0) yield sys.readable(fd);
      else if (w.random.chance(0.3)) yield sys.sleep(w.random.below(2000) * 1e6);
    }
    sys.close(fd);
  });
  a.app(connectAndSend(b.ip, 80, file));

  w.runUntilIdle({ maxMs: 1_800_000 });

  same(received.bytes, file);
  checkAll(w);
});

scenario('a partition in the middle of a transfer, and its end', { seeds: 20 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather({ delay: ['1ms', '50ms'], rate: ['5mbit', '100mbit'], loss: [0, 0.05] }) });
  const file = w.random.bytes(300_000);
  const got = b.app(function* (sys) {
    const received = new Received();
    const listener = sys.listen(80);
    yield sys.readable(listener);
    const fd = sys.accept(listener);
    sys.close(listener);
    // Not before: while the handshake is unfinished, a neighbour that does not answer ends the request.
    w.after(w.random.below(300), () => {
      cable.setBlocked(true);
      w.after(1 + w.random.below(20_000), () => {
        cable.setBlocked(false);
      });
    });
    yield* readAll(sys, fd, received);
    sys.close(fd);
    return received;
  });
  a.app(connectAndSend(b.ip, 80, file));
  w.clearAfter(cable, CLEARS_AFTER);

  w.runUntilIdle({ maxMs: 600_000 });

  same(got.result!.bytes, file);
  checkAll(w);
});

/** A host that was set up in some way. */
function someHost(w: ScenarioWorld): HostOptions {
  const { random } = w;
  const flip = (): number => random.below(2);
  const rmem = 4096 * (1 + random.below(64));
  const wmem = 4608 * (1 + random.below(32));
  return {
    sysctl: {
      'net.ipv4.tcp_sack': flip(), 'net.ipv4.tcp_timestamps': flip(), 'net.ipv4.tcp_window_scaling': flip(),
      'net.ipv4.tcp_dsack': flip(),
      'net.ipv4.tcp_congestion_control': random.chance(0.5) ? 'cubic' : 'reno', 'net.ipv4.tcp_early_retrans': flip() * 3,
      'net.ipv4.tcp_frto': flip() * 2, 'net.ipv4.tcp_autocorking': flip(), 'net.ipv4.tcp_slow_start_after_idle': flip(),
      'net.ipv4.tcp_rmem': `4096 ${rmem} ${rmem * (1 + random.below(8))}`,
      'net.ipv4.tcp_wmem': `4096 ${wmem} ${wmem * (1 + random.below(8))}`,
      'net.ipv4.tcp_moderate_rcvbuf': flip(), 'net.ipv4.tcp_min_tso_segs': 1 + random.below(10),
    },
    interfaces: [{
      mtu: random.chance(0.5) ? 1500 : 576 + random.below(8000),
      card: {
        rxRing: 2 ** (5 + random.below(4)), txRing: 2 ** (5 + random.below(4)),
        tso: flip() === 1, txCsum: flip() === 1, rxCsum: flip() === 1,
      },
    }],
  };
}

scenario('hosts of every kind understand each other', { seeds: 50 }, (w) => {
  const [a, b] = [w.host('a', someHost(w)), w.host('b', someHost(w))];
  const cable = w.world.cable(a.host, b.host, w.weather(RUDE));
  w.clearAfter(cable, CLEARS_AFTER);
  const there = w.random.bytes(1 + w.random.below(150_000));
  const back = w.random.bytes(1 + w.random.below(50_000));
  const server = b.app(both(80, back));
  const client = a.app(function* (sys) {
    const received = new Received();
    const fd = yield* connectRetrying(sys, b.ip, 80);
    yield* bothWays(sys, fd, there, received);
    sys.close(fd);
    return received;
  });

  w.runUntilIdle({ maxMs: 3_600_000 });

  same(server.result!.bytes, there);
  same(client.result!.bytes, back);
  checkAll(w);
});
