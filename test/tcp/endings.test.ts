/** Connections opened and ended in all orders, over loopback, a good cable and a rude one; nothing may be left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EAGAIN } from '../../src/lib/errno.ts';
import type { Random } from '../../src/lib/random.ts';
import { MSG_NOSIGNAL, SHUT_WR, SOL_SOCKET, SO_LINGER } from '../../src/sock/constants.ts';
import {
  again, boundedQueues, everyDropNamed, noLeaks, patternBytes, patternMismatch, scenarioWith,
  type App, type AppCalls, type ScenarioHost, type ScenarioWorld,
} from '../../src/testing.ts';

const scenario = scenarioWith(test);
const MS = 1e6;
const PATIENCE_MS = 30000;

/** One end's story: what it does, in order. It always ends with its descriptor closed. */
type Step =
  | { readonly do: 'write'; readonly n: number }
  | { readonly do: 'read' | 'readAll' | 'shutdown' | 'close' | 'abort' }
  | { readonly do: 'sleep'; readonly ms: number };

/** What became of it. */
class Ending {
  written = 0;
  read = 0;
  /** The stream's orderly end was read. */
  eof = false;
  errors = 0;
}

function* play(sys: AppCalls, fd: number, steps: readonly Step[], out: Ending): App<void> {
  const buf = new Uint8Array(4096);
  for (const step of steps) {
    switch (step.do) {
      case 'sleep':
        yield sys.sleep(step.ms * MS);
        break;
      case 'write':
        yield* writeSome(sys, fd, step.n, out);
        break;
      case 'read':
        takeSome(sys, fd, buf, out);
        break;
      case 'readAll':
        yield* takeAll(sys, fd, buf, out);
        break;
      case 'shutdown':
        sys.shutdown(fd, SHUT_WR);
        break;
      case 'abort':
        sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, { on: true, seconds: 0 });
        break;
      case 'close':
        break;
    }
  }
  sys.close(fd);
}

function* writeSome(sys: AppCalls, fd: number, n: number, out: Ending): App<void> {
  const end = out.written + n;
  while (out.written < end) {
    const left = end - out.written;
    const ret = sys.write(fd, patternBytes(out.written, left), 0, left, MSG_NOSIGNAL);
    if (ret > 0) {
      out.written += ret;
    } else if (ret === -EAGAIN) {
      // A peer that does not read is not waited for.
      const since = sys.nowNs;
      yield sys.writable(fd, 50 * MS);
      if (sys.nowNs - since >= 50 * MS) return;
    } else {
      out.errors++;
      return;
    }
  }
}

/** Reads to the end, or until nothing has come for a while: the other end may be waiting, too. */
function* takeAll(sys: AppCalls, fd: number, buf: Uint8Array, out: Ending): App<void> {
  while (takeSome(sys, fd, buf, out)) {
    const since = sys.nowNs;
    yield sys.readable(fd, PATIENCE_MS * MS);
    if (sys.nowNs - since >= PATIENCE_MS * MS) return;
  }
}

/** Reads what is there. False at the end of the stream, or on an error. */
function takeSome(sys: AppCalls, fd: number, buf: Uint8Array, out: Ending): boolean {
  for (;;) {
    const n = sys.read(fd, buf);
    if (again(n)) return true;
    if (n === 0) {
      out.eof ||= out.errors === 0; // behind an error it says nothing
      return false;
    }
    if (n < 0) {
      out.errors++;
      return false;
    }
    assert.equal(patternMismatch(out.read, buf, n), -1, 'every byte is the one that was written');
    out.read += n;
  }
}

/** Runs a connection between two hosts (or one) with a story at each end. */
function connect(
  from: ScenarioHost, to: ScenarioHost, ip: string, port: number, ours: readonly Step[], theirs: readonly Step[],
): [Ending, Ending] {
  const client = new Ending();
  const server = new Ending();
  to.app(function* (sys: AppCalls): App<void> {
    const fd = sys.listen(port);
    assert.ok(fd >= 0);
    yield sys.readable(fd, 60000 * MS);
    const conn = sys.accept(fd);
    sys.close(fd);
    if (conn >= 0) yield* play(sys, conn, theirs, server);
  });
  from.app(function* (sys: AppCalls): App<void> {
    yield sys.sleep(1 * MS);
    const fd = sys.connect(ip, port);
    yield sys.writable(fd, 200000 * MS);
    if (sys.error(fd) !== 0) client.errors++;
    yield* play(sys, fd, ours, client);
  });
  return [client, server];
}

/** Nobody got a byte that was not written; whoever read to the end got all. */
function judge(client: Ending, server: Ending): void {
  for (const [reader, writer] of [[client, server], [server, client]] as const) {
    assert.ok(reader.read <= writer.written, `${reader.read} bytes read of ${writer.written} written`);
    if (reader.eof) assert.equal(reader.read, writer.written, 'the end of the stream comes after its last byte');
  }
}

function settle(w: ScenarioWorld): void {
  w.runUntilIdle({ maxMs: 1_200_000 });
  w.runFor(400e9); // TIME_WAIT, FIN_WAIT2, requests
  w.check(noLeaks, boundedQueues, everyDropNamed);
}

/** Ways to end a connection, small enough to be tried with each other. */
const ENDINGS: Readonly<Record<string, readonly Step[]>> = {
  close: [{ do: 'close' }],
  'close later': [{ do: 'sleep', ms: 7 }, { do: 'close' }],
  abort: [{ do: 'abort' }],
  'abort later': [{ do: 'sleep', ms: 7 }, { do: 'abort' }],
  'write, close': [{ do: 'write', n: 3000 }, { do: 'close' }],
  'write, shutdown, read all': [{ do: 'write', n: 3000 }, { do: 'shutdown' }, { do: 'readAll' }],
  'shutdown, read all': [{ do: 'shutdown' }, { do: 'readAll' }],
  'read all': [{ do: 'readAll' }],
  'read all, write': [{ do: 'readAll' }, { do: 'write', n: 100 }],
  'shutdown, leave': [{ do: 'shutdown' }, { do: 'sleep', ms: 3 }, { do: 'close' }],
};

scenario('Every way to end a connection meets every other way, over loopback and over a cable', { seeds: 2 }, (w) => {
  const [a, b] = w.twoHosts({ cable: { delay: '2ms' } });
  const pairs: [Ending, Ending][] = [];
  let port = 1000;
  for (const ours of Object.values(ENDINGS)) {
    for (const theirs of Object.values(ENDINGS)) {
      pairs.push(connect(a, b, b.ip, port++, ours, theirs));
      pairs.push(connect(b, b, '127.0.0.1', port++, ours, theirs));
    }
  }
  settle(w);
  for (const [client, server] of pairs) judge(client, server);
});

/** A story drawn by lot. */
function story(random: Random): Step[] {
  const steps: Step[] = [];
  const n = random.below(7);
  for (let i = 0; i < n; i++) {
    switch (random.below(6)) {
      case 0: steps.push({ do: 'write', n: 1 + random.below(random.chance(0.2) ? 200000 : 5000) }); break;
      case 1: steps.push({ do: 'read' }); break;
      case 2: steps.push({ do: 'sleep', ms: random.below(200) }); break;
      case 3: steps.push({ do: 'readAll' }); break;
      case 4: if (random.chance(0.4)) steps.push({ do: 'shutdown' }); break;
      default: steps.push({ do: 'write', n: 1 + random.below(100) });
    }
  }
  if (random.chance(0.15)) steps.push({ do: 'abort' });
  return steps;
}

scenario('Stories drawn by lot, in swarm weather: no byte wrong, nothing left', { seeds: 40 }, (w) => {
  const weather = w.weather({ delay: ['1ms', '60ms'], loss: [0, 0.2], reorder: [0, 0.1], duplicate: [0, 0.1] });
  const [a, b, cable] = w.twoHosts({ cable: weather });
  w.clearAfter(cable, '20s');
  const pairs: [Ending, Ending][] = [];
  for (let i = 0; i < 25; i++) pairs.push(connect(a, b, b.ip, 2000 + i, story(w.random), story(w.random)));
  settle(w);
  for (const [client, server] of pairs) judge(client, server);
});
