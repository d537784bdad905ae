/** Hosts and cables that fail: what is left behind is nothing, and what can go on goes on. */
import assert from 'node:assert/strict';
import {
  again, boundedQueues, connectAndSend, connectRetrying, conservation, everyDropNamed, listenAndReadAll, noLeaks, readAll, Received,
  writeAll, type Climate, type ScenarioWorld,
} from '../../src/testing.ts';
import { sysKill } from '../../src/syscall/socket.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { scenario } from './scenario.ts';

const RUDE: Climate = {
  delay: ['1ms', '50ms'], jitter: ['0ms', '10ms'], rate: ['2mbit', '1gbit'], loss: [0, 0.1], duplicate: [0, 0.05], reorder: [0, 0.1],
};

function checkAll(w: ScenarioWorld): void {
  w.check(conservation, noLeaks, boundedQueues, everyDropNamed);
}

scenario('a process is killed in the middle of its work, and leaves nothing behind', { seeds: 40 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, '60s');
  const errors: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    b.app(function* (sys) {
      const listener = sys.listen(80 + i);
      yield sys.readable(listener, 30e9);
      const fd = sys.accept(listener);
      sys.close(listener);
      if (fd < 0) return;
      try {
        yield* readAll(sys, fd, new Received());
      } catch (error) {
        errors.push(error);
      }
      sys.close(fd);
    });
    a.app(function* (sys) {
      const fd = sys.connect(b.ip, 80 + i);
      yield sys.writable(fd, 60e9);
      try {
        yield* writeAll(sys, fd, new Uint8Array(200_000), 20_000);
      } catch (error) {
        errors.push(error);
      }
      sys.close(fd);
    });
  }
  for (const host of [a, b]) {
    for (const process of host.processes) {
      if (w.random.chance(0.4)) {
        w.after(w.random.below(2000), () => {
          sysKill(process);
        });
      }
    }
  }

  w.runFor(700e9);
  // Programs that waited for one that was killed before it listened, or for a handshake that nobody finished.
  for (const host of [a, b]) for (const process of host.processes) sysKill(process);

  for (const error of errors) assert.match(String(error), /ECONNRESET|EPIPE|ETIMEDOUT|ECONNREFUSED|EBADF|ESRCH|ENOTCONN/);
  checkAll(w);
});

scenario('a cable is pulled and plugged in again while a file is on it', { seeds: 30 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather(RUDE) });
  w.clearAfter(cable, '60s');
  const file = w.random.bytes(200_000);
  const got = b.app(listenAndReadAll(80));
  a.app(connectAndSend(b.ip, 80, file));
  let at = 1000;
  for (let i = 0; i < 5; i++) {
    w.after(at, () => {
      cable.setUp(false);
    });
    at += 1 + w.random.below(1500);
    w.after(at, () => {
      cable.setUp(true);
    });
    at += 1 + w.random.below(500);
  }

  w.runUntilIdle({ maxMs: 600_000 });

  assert.deepEqual(got.result!.bytes, file);
  checkAll(w);
});

scenario('datagrams arrive whole or not at all, and every one is accounted for', { seeds: 40 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather({ ...RUDE, corrupt: [0, 0.05], corruptFcs: true, limit: [5, 100] }) });
  const count = 200 + w.random.below(300);
  const seen: number[] = [];
  b.app(function* (sys) {
    const fd = sys.datagram(53);
    const buf = new Uint8Array(2000);
    for (;;) {
      const n = sys.read(fd, buf);
      if (again(n)) {
        const wait = sys.readable(fd, 20e9);
        const before = sys.nowNs;
        yield wait;
        if (sys.nowNs - before >= 20e9) break;
        continue;
      }
      if (n < 0) throw new Error(`read: ${n}`);
      const id = (buf[0]! << 8) | buf[1]!;
      assert.equal(n, 2 + (id % 1400), 'the length is that of the datagram');
      for (let i = 2; i < n; i++) assert.equal(buf[i], (id + i) & 255);
      seen.push(id);
    }
    sys.close(fd);
  });
  a.app(function* (sys) {
    const fd = sys.datagram(0);
    for (let id = 0; id < count; id++) {
      const bytes = new Uint8Array(2 + (id % 1400));
      bytes.forEach((_, i) => (bytes[i] = (id + i) & 255));
      bytes[0] = id >> 8;
      bytes[1] = id & 255;
      for (let n = sys.sendto(fd, bytes, b.ip, 53); n < 0; n = sys.sendto(fd, bytes, b.ip, 53)) {
        if (!again(n)) throw new Error(`sendto: ${n}`);
        yield sys.writable(fd);
      }
      if (w.random.chance(0.3)) yield sys.sleep(w.random.below(5) * 1e6);
    }
    sys.close(fd);
  });

  w.runUntilIdle({ maxMs: 600_000 });

  const { duplicated } = cable.ab.stats;
  assert.ok(new Set(seen).size <= count && seen.length <= count + duplicated);
  const { lost: lostOnTheWay, overflowed, corrupted } = cable.ab.stats;
  if (lostOnTheWay + overflowed + corrupted === 0) {
    const dropped = w.world.parts.pool.drops;
    const lost = dropped[Drop.SocketRcvbuff]! + dropped[Drop.RxRingFull]! + dropped[Drop.NeighQueueFull]! + dropped[Drop.QdiscDrop]!;
    assert.ok(new Set(seen).size + lost >= count, `${seen.length} of ${count} seen, ${lost} lost`);
  }
  checkAll(w);
});

scenario('a crowd at a small door: the accept queue overflows, and in the end everybody has been served', { seeds: 20 }, (w) => {
  const [a, b, cable] = w.twoHosts({ cable: w.weather({ delay: ['1ms', '20ms'], loss: [0, 0.05] }) });
  w.clearAfter(cable, '60s');
  const count = 20 + w.random.below(20);
  let left = count;
  b.app(function* (sys) {
    const listener = sys.listen(80, 1 + w.random.below(4));
    while (left > 0) {
      yield sys.readable(listener, 10e9);
      const fd = sys.accept(listener);
      if (fd < 0) continue;
      yield sys.sleep(w.random.below(100) * 1e6);
      try {
        yield* readAll(sys, fd, new Received());
        sys.write(fd, new Uint8Array(1));
      } catch {
        // Given up by its client: that one comes again.
      }
      sys.close(fd);
    }
    sys.close(listener);
  });
  for (let i = 0; i < count; i++) {
    a.app(function* (sys) {
      // Who is not answered comes again: an accept queue that overflows may lose a connection that its client believes in.
      for (let answered = false; !answered;) {
        const fd = yield* connectRetrying(sys, b.ip, 80, 100);
        try {
          yield* writeAll(sys, fd, new Uint8Array(10), 10);
          sys.shutdown(fd, 1);
          const reply = new Received();
          yield* readAll(sys, fd, reply);
          answered = reply.length === 1;
        } catch {
          yield sys.sleep(w.random.below(1000) * 1e6);
        }
        sys.close(fd);
      }
      left--;
    });
  }

  w.runUntilIdle({ maxMs: 3_600_000 });

  assert.equal(left, 0);
  checkAll(w);
});
