/**
 * The stage on which real programs are played: two hosts, a cable, a sky above it, and a check that nothing is left behind.
 *
 *   from  test/programs/*.test.ts   one file per program
 *   to    mod.ts                    World, install: what every user has
 *
 * Programs come from npm and are run as they are: what is said to them is said by their own options. Each runs at no loss, twice, then
 * under ROUGH weather with seeds of which at least one has lost a packet. Durations are virtual, so they are asserted.
 */
import assert from 'node:assert/strict';
import { once, type EventEmitter } from 'node:events';
import { test } from 'node:test';
import { install, World, type CableOptions, type Host } from '../../mod.ts';
import { NS_PER_MS, parseDuration } from '../../src/lib/units.ts';
import { conservation, everyDropNamed } from '../../src/testing/checkers.ts';
import { checkNoTcpLeft, checkNoUdpLeft, checkPool } from '../../src/testing/invariants.ts';

/** A cable in the same building. */
export const CALM: CableOptions = { delay: '1ms' };
/** A bad day: 3 packets of 100 are lost each way, and a round trip takes 80 ms. */
export const ROUGH: CableOptions = { delay: '40ms', loss: 0.03 };
/** One round trip of each, in virtual milliseconds. */
export const CALM_RTT = 2;
export const ROUGH_RTT = 80;

/** TIME_WAIT, FIN_WAIT2 and everything else that ends by itself ends within this. */
const SETTLE = '400s';
/** A story that has not ended after so many real milliseconds hangs. */
const STORY_TIMEOUT_MS = 60_000;
/** And one that has not ended after so many virtual ones waits for what never comes. */
const STORY_LIMIT_MS = 4 * 3_600_000;
/** Rough weather is drawn with these seeds. */
const SEEDS: readonly number[] = [1, 2, 3];

type Cable = ReturnType<World['cable']>;

/** What a story has to play with. */
export interface Stage {
  readonly world: World;
  readonly server: Host;
  readonly client: Host;
  readonly cable: Cable;
  /** More hosts, on a switch: the way from one to another is as long, and as rough, as from client to server. */
  readonly lan: (names: readonly string[]) => Host[];
  /** Virtual milliseconds since the story began. */
  readonly elapsed: () => number;
  /** Lets virtual time pass. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Called at the end of the story, the last one first, also when it fails. */
  readonly after: (end: () => unknown) => void;
}

export type Story = (stage: Stage) => Promise<unknown>;

/** How a story went. */
export interface Played {
  readonly ms: number;
  readonly digest: string;
  readonly lost: number;
}

export interface PlayOptions {
  readonly cable?: CableOptions;
  readonly seed?: number;
}

/** Plays a story to its end, and checks that nothing is left of it. */
export async function play(story: Story, options: PlayOptions = {}): Promise<Played> {
  const uninstall = install();
  const world = new World({ seed: options.seed ?? 1, digest: true });
  const [server, client] = [world.host('server'), world.host('client')];
  const cable = world.cable(client, server, options.cable ?? CALM);
  try {
    let ms = 0;
    await world.run(async () => {
      const ends: (() => unknown)[] = [];
      const stage: Stage = {
        world, server, client, cable,
        lan: (names) => lan(world, names, options.cable ?? CALM),
        elapsed: () => world.now,
        sleep: (time) => new Promise((resolve) => void setTimeout(resolve, time)),
        after: (end) => void ends.push(end),
      };
      try {
        await Promise.race([story(stage), limit()]);
        ms = world.now;
      } finally {
        for (const end of ends.reverse()) await end();
      }
    });
    await world.advance(SETTLE);
    assert.deepEqual(leftovers(world), [], 'what is left');
    return { ms, digest: world.digest(), lost: world.drops()['CABLE_LOSS'] ?? 0 };
  } finally {
    world.stop();
    uninstall();
  }
}

/** Two cables of half the delay, and of half the loss, make up the way through the switch. */
function lan(world: World, names: readonly string[], { delay = 0, loss = 0 }: CableOptions): Host[] {
  const middle = world.switch('lan');
  const half = { delay: parseDuration(delay, 'delay') / 2 / NS_PER_MS, loss: 1 - Math.sqrt(1 - Number(loss)) };
  return names.map((name) => {
    const host = world.host(name);
    world.cable(host, middle, half);
    return host;
  });
}

/** Fails when a story is too long. Runs on the world's clock. */
function limit(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the story has not ended after four hours')), STORY_LIMIT_MS).unref();
  });
}

/** What is still there of a story that has ended, in sentences. */
function leftovers(world: World): string[] {
  const left = world.check();
  const bad = Object.entries(left).filter(([name, n]) => n !== 0 && name !== 'timers').map(([name, n]) => `${n} ${name}`);
  for (const host of world.hosts) {
    const { tcp, udp } = host.kernel.stack;
    for (const text of [...checkNoTcpLeft(tcp), ...checkNoUdpLeft(udp)]) bad.push(`${host.name}: ${text}`);
  }
  return [...bad, ...checkPool(world.parts.pool), ...conservation({ world }), ...everyDropNamed({ world })];
}

export interface ProgramOptions {
  /** Why two runs differ in their bytes; null when they must not. */
  readonly random: string | null;
  /** Virtual milliseconds that the story takes at no loss: at least, at most. */
  readonly calmMs: readonly [number, number];
  /** And in rough weather. */
  readonly roughMs: readonly [number, number];
  readonly seeds?: readonly number[];
  /** Not on this version of Node, and why. */
  readonly skip?: string | false;
}

/** A program that works: at no loss, twice, with the same bytes; and in rough weather. */
export function program(name: string, options: ProgramOptions, story: Story): void {
  const run = { timeout: STORY_TIMEOUT_MS, skip: options.skip ?? false };
  void test(`${name} works at no loss`, run, async (t) => {
    const [first, again] = [await play(story), await play(story)];
    t.diagnostic(`${first.ms.toFixed(3)} ms`);
    within(first.ms, options.calmMs);
    assert.equal(first.lost, 0);
    if (options.random !== null) return;
    assert.equal(again.digest, first.digest, 'the same bytes at the same nanosecond');
    assert.equal(again.ms, first.ms);
  });
  void test(`${name} works at 3 % loss and 40 ms delay`, run, async (t) => {
    let lost = 0;
    for (const seed of options.seeds ?? SEEDS) {
      const played = await play(story, { cable: ROUGH, seed });
      t.diagnostic(`${played.ms.toFixed(3)} ms, ${played.lost} lost`);
      within(played.ms, options.roughMs);
      lost += played.lost;
    }
    assert.notEqual(lost, 0, 'no packet was lost with any of these seeds: other seeds are needed, or a longer story');
  });
}

/** What a user learns of a fault: a story of its own, named by its moral. */
export function fault(moral: string, story: Story, options: PlayOptions & { readonly skip?: string | false } = {}): void {
  void test(moral, { timeout: STORY_TIMEOUT_MS, skip: options.skip ?? false }, async () => void await play(story, options));
}

/** Asserts on a virtual duration. */
export function within(ms: number, [least, most]: readonly [number, number]): void {
  assert.ok(ms >= least && ms <= most, `it took ${ms.toFixed(3)} ms of virtual time; expected ${least} to ${most}`);
}

/** What an event brings first: the socket of 'connection', the error of 'error'. Any other 'error' is thrown. */
export async function event<T>(emitter: object, name: string): Promise<T> {
  const [first] = await once(emitter as EventEmitter, name) as [T];
  return first;
}

/** The error that a promise is rejected with. */
export async function failure<E extends object = NodeJS.ErrnoException>(promise: PromiseLike<unknown>): Promise<E> {
  try {
    await promise;
  } catch (error) {
    return error as E;
  }
  return assert.fail('it was to fail, and did not');
}
