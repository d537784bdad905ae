/** Random programs against the model: no answer that POSIX does not allow, and no byte lost, doubled or changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundedQueues, conservation, everyDropNamed, noLeaks } from '../../src/testing.ts';
import {
  Accept, Advance, Bind, Close, closeSocket, Connect, Listen, LoseNextFrame, Partition, Read, readOnce, Real, Shutdown, Socket, Write,
} from './commands.ts';
import { Model } from './model.ts';

const RUNS = 300;
const seed = Number(process.env['KERNET_SEED'] ?? 0x5eed);

const which = fc.nat({ max: 400 });
const port = fc.constantFrom(80, 81, 82);
const size = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1000, max: 60_000 }));

const commands = [
  fc.oneof(
    { weight: 3, arbitrary: which.map((n) => new Socket(n)) },
    { weight: 1, arbitrary: fc.tuple(which, port).map(([n, p]) => new Bind(n, p)) },
    { weight: 2, arbitrary: which.map((n) => new Listen(n)) },
    { weight: 4, arbitrary: fc.tuple(which, port).map(([n, p]) => new Connect(n, p)) },
    { weight: 4, arbitrary: which.map((n) => new Accept(n)) },
    { weight: 6, arbitrary: fc.tuple(which, size).map(([n, len]) => new Write(n, len)) },
    { weight: 6, arbitrary: fc.tuple(which, size).map(([n, len]) => new Read(n, len)) },
    { weight: 1, arbitrary: which.map((n) => new Shutdown(n)) },
    { weight: 1, arbitrary: which.map((n) => new Close(n)) },
    { weight: 8, arbitrary: fc.constantFrom(1, 10, 11, 50, 300, 5000).map((ms) => new Advance(ms)) },
    { weight: 2, arbitrary: fc.constant(null).map(() => new LoseNextFrame()) },
    { weight: 1, arbitrary: fc.boolean().map((on) => new Partition(on)) },
  ),
];

/** Where each program begins: a listener on either host, and a client of each that has been accepted. */
function begin(m: Model, r: Real): void {
  const run = (...list: { check(m: Model): boolean; run(m: Model, r: Real): void }[]): void => {
    for (const c of list) if (c.check(m)) c.run(m, r);
  };
  run(new Socket(0), new Listen(1), new Socket(1), new Listen(1), new Socket(0), new Connect(1, 80), new Socket(1), new Connect(1, 80));
  run(new Advance(50), new Accept(1), new Accept(5));
}

/** Everybody says all that he has to say, hears all that there is, and goes. */
function orderlyEnd(m: Model, r: Real): void {
  r.cable.rules.clear();
  r.cable.setBlocked(false);
  r.w.runFor(200e9);
  for (const s of m.open) if (s.stage === 'connected' || s.stage === 'connecting') r.calls[s.host].shutdown(s.fd, 1);
  for (let round = 0; round < 100; round++) {
    let moved = false;
    for (const s of m.open) {
      if (s.peer === null || s.ended) continue;
      while (readOnce(r, s, 65536) > 0) moved = true;
    }
    r.w.runFor(2e9);
    if (!moved && round > 2) break;
  }
  for (const s of m.open) {
    if (s.peer === null || s.aborted || s.peer.aborted) continue;
    assert.ok(s.ended, `#${s.id}: the stream has come to its end`);
    assert.equal(s.in.read, s.in.written, `#${s.id}: all that was written has been read`);
  }
  for (const s of m.open) closeSocket(r, s);
  r.w.runFor(200e9);
  r.w.check(noLeaks, conservation, boundedQueues, everyDropNamed);
}

test('socket calls do what POSIX says, and bytes read are a prefix of bytes written, all of them after an orderly close', () => {
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 80, size: 'max' }), fc.nat(), (program, worldSeed) => {
      const real = new Real(worldSeed);
      const model = new Model();
      begin(model, real);
      fc.modelRun(() => ({ model, real }), program);
      orderlyEnd(model, real);
    }),
    { numRuns: RUNS, seed, endOnFailure: false },
  );
});
