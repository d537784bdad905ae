/**
 * Random topologies under random plans of faults: when the weather has cleared, every byte has arrived, once and in order,
 * and nothing is left. 520 seeds; a failing one prints how to run it alone, and the least plan under which it fails.
 *
 *   npm test -- plans --seed 0x1a     one seed
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, SO_REUSEADDR, SOL_SOCKET, World, type Cable, type Fault, type Host,
} from '../../mod.ts';
import { IPPROTO_TCP, SO_KEEPALIVE, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_USER_TIMEOUT } from '../../src/sock/constants.ts';
import { Random } from '../../src/lib/random.ts';
import { DEADLY, randomFaults, shrinkFaults } from '../../src/testing/fault-plan.ts';
import { patternBytes, patternMismatch } from '../../src/testing/pattern.ts';

const SEEDS = 520;
/** Every so many seeds, the run is made twice: equal digests. */
const TWICE_EVERY = 20;
/** Faults begin within a second and last at most one. */
const STORM_MS = 2000;
/** Then everything finishes within this time: two RTOs of the longest backoff that two seconds of silence lead to, and the transfer. */
const CLEAR_MS = 60_000;

/** A world with a topology drawn from `random`. */
function drawWorld(seed: number, random: Random): World {
  const world = new World({ seed, digest: true });
  const cable = { delay: random.below(20), ...(random.chance(0.3) ? { rate: `${String(2 + random.below(50))}mbit` } : {}) } as const;
  switch (random.below(6)) {
    case 0: world.twoHosts({ cable }); break;
    case 1: world.star(2 + random.below(5), { cable }); break;
    case 2: world.line(1 + random.below(3), { cable }); break;
    case 3: world.twoLans({ hosts: 1 + random.below(3), cable }); break;
    case 4: world.fullMesh(2 + random.below(3), { cable }); break;
    default: withHub(world, 2 + random.below(3));
  }
  return world;
}

/** Hosts on one shared wire. */
function withHub(world: World, hosts: number): void {
  const hub = world.hub('hub', { rate: '100mbit' });
  for (let i = 0; i < hosts; i++) world.cable(world.host(`h${String(i)}`), hub, { delay: '1us' });
}

interface Transfer {
  readonly from: Host;
  readonly to: Host;
  readonly port: number;
  readonly bytes: number;
  readonly v6: boolean;
}

function drawTransfers(world: World, random: Random): Transfer[] {
  const ends = world.hosts.filter((host) => !/^r\d|^router/.test(host.name));
  return Array.from({ length: 1 + random.below(3) }, (_, i) => {
    const from = ends[random.below(ends.length)]!;
    const others = ends.filter((host) => host !== from);
    const to = others[random.below(others.length)] ?? from;
    const v6 = random.chance(0.3) && to.ip6 !== null && from.ip6 !== null;
    return { from, to, port: 7000 + i, bytes: 1 + random.below(120_000), v6 };
  });
}

/** Sends and reads with socket calls; EINTR and short counts are the caller's to stand, as in any C program. */
async function run(t: Transfer, done: (t: Transfer) => void): Promise<void> {
  const family = t.v6 ? AF_INET6 : AF_INET;
  const address = t.v6 ? t.to.ip6 : t.to.ip;
  const { kernel: server } = t.to;
  const listener = server.socket(family, SOCK_STREAM, 0);
  server.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  server.bind(listener, { address, port: t.port });
  server.listen(listener, 8);
  const reading = (async (): Promise<void> => {
    const { fd } = await again(() => server.accept(listener));
    const buffer = new Uint8Array(32768);
    let got = 0;
    for (;;) {
      const n = await again(() => server.read(fd, buffer));
      if (n === 0) break;
      assert.ok(patternMismatch(t.port + got, buffer, n) < 0, `bytes of ${String(t.port)} after ${String(got)}`);
      got += n;
    }
    assert.equal(got, t.bytes);
    server.close(fd);
    server.close(listener);
    done(t);
  })();
  const { kernel: client } = t.from;
  const fd = client.socket(family, SOCK_STREAM, 0);
  await again(() => client.connect(fd, { address, port: t.port }), ['EINTR']);
  const data = patternBytes(t.port, t.bytes);
  for (let sent = 0; sent < data.length;) sent += await again(() => client.write(fd, data.subarray(sent)));
  client.close(fd);
  await reading;
}

async function again<T>(call: () => Promise<T>, codes: readonly string[] = ['EINTR', 'EAGAIN']): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!codes.includes(String((error as { code?: string }).code))) throw error;
    }
  }
}

/** Datagrams that nobody waits for: traffic beside the streams. */
function chatter(world: World, random: Random): void {
  for (const host of world.hosts.slice(0, 2)) {
    const to = world.hosts[random.below(world.hosts.length)]!;
    const fd = host.kernel.socket(AF_INET, SOCK_DGRAM, 0);
    for (let i = 0; i < 3; i++) {
      try {
        host.kernel.sys.sendto(fd, new Uint8Array(1 + random.below(4000)), { address: to.ip, port: 9 });
      } catch {
        // Refused or without a way: as it may be.
      }
    }
    host.kernel.close(fd);
  }
}

/** What every cable counted adds up. */
function conserved(cable: Cable): void {
  for (const { stats: s, flying, name, direction } of [cable.ab, cable.ba]) {
    assert.equal(s.sent + s.duplicated, s.delivered + s.lost + s.ruled + s.overflowed + s.cut + flying, `frames of ${name} (${direction})`);
  }
}

/** One run: the digest, or an error that says what is wrong. */
async function story(seed: number, plan: readonly Fault[] | null): Promise<{ digest: string; plan: readonly Fault[] }> {
  const random = new Random(seed);
  const world = drawWorld(seed, random);
  try {
    const transfers = drawTransfers(world, random);
    const faults = plan ?? randomFaults(world, random, { count: random.below(9), withinMs: 1000, maxMs: 1000 });
    world.faults(faults);
    const open = new Set(transfers);
    const running = Promise.all(transfers.map((t) => run(t, () => void open.delete(t))));
    chatter(world, random);
    let failed: unknown = null;
    running.catch((error: unknown) => void (failed = error)); // it is awaited below, unless the world stands still before
    await world.runUntilIdle({ maxMs: 600_000 });
    if (failed !== null) throw failed as Error;
    assert.equal(open.size, 0, `finished; left are ${[...open].map((t) => `${t.from.name} > ${t.to.name}:${String(t.port)}`).join(', ')}`);
    await running;
    assert.ok(world.now < STORM_MS + CLEAR_MS + 180_000, `at rest after ${String(world.now)} ms`);
    for (const cable of world.cables) conserved(cable);
    const left = world.check();
    assert.deepEqual([left.skbs, left.pages, left.liveTimers, left.waiting], [0, 0, 0, 0]);
    return { digest: world.digest(), plan: faults };
  } finally {
    world.stop();
  }
}

async function fails(seed: number, plan: readonly Fault[]): Promise<boolean> {
  return await story(seed, plan).then(() => false, () => true);
}

async function report(seed: number, error: unknown): Promise<never> {
  const random = new Random(seed);
  const world = drawWorld(seed, random);
  drawTransfers(world, random);
  const plan = randomFaults(world, random, { count: random.below(9), withinMs: 1000, maxMs: 1000 });
  world.stop();
  const least = await shrinkFaults(plan, (part) => fails(seed, part)).catch(() => plan);
  const text = error instanceof Error ? error.message : String(error);
  const hex = `0x${seed.toString(16)}`;
  const how = `seed ${hex} · npm test -- plans --seed ${hex}`;
  throw new Error(`${how}\n${text}\nleast plan:\n${JSON.stringify(least, null, 1)}`, { cause: error });
}

test(`plans: ${String(SEEDS)} random topologies under random plans of faults: every byte arrives, and nothing is left`, async () => {
  const one = process.env['KERNET_SEED'];
  const seeds = one === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(one)];
  for (const seed of seeds) {
    try {
      const { digest } = await story(seed, null);
      if (seed % TWICE_EVERY === 0) assert.equal((await story(seed, null)).digest, digest, 'the same run again');
    } catch (error) {
      await report(seed, error);
    }
  }
});

// ---- plans that streams die of

/** How many seeds. */
const DEADLY_SEEDS = 45;
/** An end that hears nothing from its peer gives up after this. */
const USER_TIMEOUT_MS = 10_000;
/** Nobody waits longer for a connection. */
const CONNECTED_MS = 30_000;
/** Storm, connection, the silence that a user timeout is, and what a delayed end adds: then each end knows. */
const LEARNED_MS = STORM_MS + CONNECTED_MS + 3 * USER_TIMEOUT_MS;

/** What became of a transfer: how each end learned of its end, and when. */
interface Fate {
  readonly transfer: Transfer;
  got: number;
  wrong: number;
  reader: string | null;
  writer: string | null;
}

function impatient(kernel: Host['kernel'], fd: number): void {
  kernel.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  for (const [option, value] of [[TCP_KEEPIDLE, 5], [TCP_KEEPINTVL, 1], [TCP_KEEPCNT, 5], [TCP_USER_TIMEOUT, USER_TIMEOUT_MS]] as const) {
    kernel.setsockopt(fd, IPPROTO_TCP, option, value);
  }
}

/** What a promise comes to: 'done', or the code of its error. */
async function endOf(promise: Promise<void>): Promise<string> {
  return await promise.then(() => 'done', (error: unknown) => String((error as { code?: string }).code ?? error));
}

/** Both ends of a transfer, each to whatever end it has. */
function begin(world: World, transfer: Transfer): Fate {
  const { from: { kernel: client }, to: { kernel: server }, port, bytes, v6, to } = transfer;
  const fate: Fate = { transfer, got: 0, wrong: 0, reader: null, writer: null };
  const family = v6 ? AF_INET6 : AF_INET;
  const address = v6 ? to.ip6 : to.ip;
  const listener = server.socket(family, SOCK_STREAM, 0);
  server.bind(listener, { address, port });
  server.listen(listener, 8);
  let listening = true;
  const read = async (): Promise<void> => {
    const { fd } = await again(() => server.accept(listener));
    impatient(server, fd);
    server.close(listener);
    listening = false;
    const buffer = new Uint8Array(32768);
    try {
      for (let n = 1; n > 0;) {
        n = await again(() => server.read(fd, buffer));
        const expected = patternBytes(port + fate.got, n);
        for (let i = 0; i < n; i++) if (buffer[i] !== expected[i]) fate.wrong++;
        fate.got += n;
      }
    } finally {
      server.close(fd);
    }
  };
  const write = async (): Promise<void> => {
    const fd = client.socket(family, SOCK_STREAM, 0);
    impatient(client, fd);
    try {
      await again(() => client.connect(fd, { address, port }), ['EINTR']);
      const data = patternBytes(port, bytes);
      for (let sent = 0; sent < data.length;) sent += await again(() => client.write(fd, data.subarray(sent)));
    } finally {
      client.close(fd);
    }
  };
  void endOf(read()).then((end) => void (fate.reader = end));
  void endOf(write()).then((end) => void (fate.writer = end));
  // A listener that nobody has come to is closed.
  void world.advance(CONNECTED_MS).then(() => void (listening && to.kernel === server && server.close(listener)));
  return fate;
}

/** Frames in which the cards have flipped a bit. */
function flipped(world: World): number {
  return world.hosts.flatMap((host) => host.interfaces).reduce((n, { card }) => n + card.faults(() => new Random(0)).corrupted, 0);
}

async function deadlyStory(seed: number, tally: { died: number; wrong: number }): Promise<string> {
  const random = new Random(seed);
  const world = drawWorld(seed, random);
  try {
    const transfers = drawTransfers(world, random);
    const kinds = [...DEADLY, 'crash', 'card', 'card', 'card'] as const; // these most of all
    const plan = randomFaults(world, random, { count: 1 + random.below(8), withinMs: 300, maxMs: 1000, kinds, corrupt: true });
    if (seed % 3 === 0) plan.push({ kind: 'card', host: transfers[0]!.to.name, fault: 'corrupt', rate: 0.3, at: 0, for: 1000 });
    const crashed = plan.flatMap((fault) => (fault.kind === 'crash' ? [fault.host] : []));
    world.faults(plan);
    const fates = transfers.map((transfer) => begin(world, transfer));
    await world.advance(LEARNED_MS);
    const canFlip = plan.some((fault) => fault.kind === 'card' && fault.fault === 'corrupt');
    for (const { transfer: { from, to, bytes }, got, wrong, reader, writer } of fates) {
      const ends = `reader ${String(reader)} after ${got} of ${bytes}, writer ${String(writer)}`;
      const what = `${from.name} > ${to.name}: ${ends}; ${JSON.stringify(plan)}`;
      if (!crashed.includes(to.name)) assert.notEqual(reader, null, `the reader knows of the end: ${what}`);
      if (!crashed.includes(from.name)) assert.notEqual(writer, null, `the writer knows of the end: ${what}`);
      assert.ok(got <= bytes, what);
      if (!canFlip) assert.equal(wrong, 0, `what has come is how the stream begins: ${what}`);
      else if (crashed.length === 0) assert.ok(wrong <= flipped(world), `${wrong} wrong bytes of ${flipped(world)}: ${what}`);
      if (crashed.length === 0) assert.deepEqual([got, reader, writer], [bytes, 'done', 'done'], what);
      if (reader === 'done' && !crashed.includes(from.name)) assert.equal(got, bytes, `an end that is no error is the whole: ${what}`);
    }
    await world.runUntilIdle({ maxMs: 600_000 });
    const left = world.check();
    assert.deepEqual([left.skbs, left.pages, left.liveTimers, left.waiting], [0, 0, 0, 0], JSON.stringify(plan));
    for (const { wrong, got, transfer } of fates) {
      if (got < transfer.bytes) tally.died++;
      tally.wrong += wrong;
    }
    return world.digest();
  } finally {
    world.stop();
  }
}

test('plans that streams die of: both ends learn of it, what has come is how the stream begins, nothing is left', async () => {
  const one = process.env['KERNET_SEED'];
  const seeds = one === undefined ? Array.from({ length: DEADLY_SEEDS }, (_, i) => i + 1) : [Number(one)];
  const tally = { died: 0, wrong: 0 };
  for (const seed of seeds) {
    try {
      const digest = await deadlyStory(seed, tally);
      if (seed % TWICE_EVERY === 0) assert.equal(await deadlyStory(seed, tally), digest, 'the same run again');
    } catch (error) {
      throw new Error(`seed 0x${seed.toString(16)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  if (one === undefined) assert.ok(tally.died > 0 && tally.wrong > 0, `streams died, and bits flipped: ${JSON.stringify(tally)}`);
});
