/** Hubs: one speaks at a time; collisions, their jam and backoff, at exact bit times (10 Mbit/s: 100 ns each). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/lib/random.ts';
import { ALL, frame, mac, quickWorld, Station } from './stations.ts';
import { Port } from '../../src/fabric/port.ts';
import { Cable } from '../../src/fabric/cable.ts';
import { AF_INET, SOCK_DGRAM, type CableOptions, type Hub, type HubOptions, type World } from '../../mod.ts';

const BIT = 100;
/** Preamble, 60 bytes, check sequence. */
const SHORT = (64 + 480 + 32) * BIT;
const GAP = 96 * BIT;
const SLOT = 512 * BIT;

interface Star { world: World; hub: Hub; at: (n: number) => Station }

/** A hub with so many stations, numbers 1, 2, 3 … */
function star(n: number, cable: CableOptions = {}, options: HubOptions = {}, seed = 1): Star {
  const world = quickWorld({ seed });
  const hub = world.hub('hub', options);
  const stations = Array.from({ length: n }, (_, i) => new Station(world, `t${String(i + 1)}`, i + 1, hub, cable));
  return { world, hub, at: (i) => stations[i - 1]! };
}

/** What a station's stream of chance draws, one backoff after the other. */
function draws(seed: number, port: number, ...limits: number[]): number[] {
  const random = Random.stream(seed, `hub:hub.p${String(port)}`);
  return limits.map((limit) => random.below(limit));
}

test('what one says, all others hear, when it was said to the end', async () => {
  const { world, at } = star(3, { delay: '1us' });
  at(1).send(at(2));
  await world.runUntilIdle();
  assert.deepEqual([at(1).timed(), at(2).timed(), at(3).timed()], [[], [`${String(2000 + SHORT)} 1>2`], [`${String(2000 + SHORT)} 1>2`]]);
});

test('who hears another waits, and the gap after it', async () => {
  const { world, hub, at } = star(3);
  at(1).send(ALL);
  await world.advance('10us');
  at(2).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual(at(3).timed(), [`${String(SHORT)} 1>*`, `${String(2 * SHORT + GAP)} 2>*`]);
  assert.deepEqual([hub.collisions, hub.port(2).stats.deferred], [0, 1]);
});

test('two that begin together collide, jam, and draw their backoffs: both frames arrive at the times that follow', async () => {
  // A seed by which the first draws, below 2, differ: one collision is all.
  const seed = [1, 2, 3, 4, 5, 6, 7, 8].find((s) => draws(s, 1, 2)[0] !== draws(s, 2, 2)[0])!;
  const [one, two] = [draws(seed, 1, 2)[0]!, draws(seed, 2, 2)[0]!];
  const { world, hub, at } = star(3, {}, {}, seed);
  at(1).send(ALL);
  at(2).send(ALL);
  await world.runUntilIdle();
  // Both end their preamble (64 bits) and jam (32). Zero slots: the gap decides; one slot: longer than the gap.
  const silent = 96 * BIT;
  const [winner, first] = one < two ? ['1>*', silent + GAP] : ['2>*', silent + GAP];
  const loser = one < two ? '2>*' : '1>*';
  // The other one's slot ends while the first still speaks: it waits, and begins a gap after it.
  assert.ok(silent + SLOT < first + SHORT);
  assert.deepEqual(at(3).timed(), [`${String(first + SHORT)} ${winner}`, `${String(first + 2 * SHORT + GAP)} ${loser}`]);
  assert.deepEqual([hub.collisions, hub.port(1).stats.collisions, hub.port(2).stats.collisions, hub.excessive], [1, 1, 1, 0]);
});

test('equal draws collide again, with twice as many slots to choose from', async () => {
  const seed = [1, 2, 3, 4, 5, 6, 7, 8].find((s) => {
    const [first, other] = [draws(s, 1, 2, 4), draws(s, 2, 2, 4)];
    return first[0] === other[0] && first[1] !== other[1];
  })!;
  const { world, hub, at } = star(3, {}, {}, seed);
  at(1).send(ALL);
  at(2).send(ALL);
  await world.runUntilIdle();
  const [one, two] = [draws(seed, 1, 2, 4), draws(seed, 2, 2, 4)];
  const second = 96 * BIT + Math.max(one[0]! * SLOT, GAP);
  const begins = (r: number): number => second + 96 * BIT + Math.max(r * SLOT, GAP);
  const [winner, loser] = one[1]! < two[1]! ? [1, 2] : [2, 1];
  const [early, late] = [Math.min(one[1]!, two[1]!), Math.max(one[1]!, two[1]!)].map(begins);
  // The later one begins when its slots are over, or a gap after the earlier one's end.
  const free = early! + SHORT + GAP;
  const next = late! < early! + SHORT ? free : Math.max(late!, free);
  assert.deepEqual(at(3).timed(), [`${String(early! + SHORT)} ${String(winner)}>*`, `${String(next + SHORT)} ${String(loser)}>*`]);
  assert.equal(hub.collisions, 2);
});

test('a station that cannot have heard the other yet speaks into it; later it hears it and waits', async () => {
  const { world, hub, at } = star(3, { delay: '2us' });
  at(1).send(ALL);
  await world.advance('4us'); // there and back: at this moment the other is just about to be heard
  at(2).send(ALL);
  await world.runUntilIdle();
  const { collisions } = hub;
  assert.ok(collisions >= 1);
  for (const n of [1, 2, 3]) at(n).take();
  await world.advance('1ms');
  at(1).send(ALL);
  await world.advance('4001ns');
  at(2).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([hub.collisions, at(3).take()], [collisions, ['1>*', '2>*']]);
});

test('those that waited for the same silence collide when it comes; in the end every frame has arrived once', async () => {
  const { world, hub, at } = star(6);
  for (let round = 0; round < 10; round++) for (let n = 1; n <= 5; n++) at(n).send(ALL);
  await world.runUntilIdle();
  const heard = at(6).take();
  assert.equal(heard.length, 50);
  for (let n = 1; n <= 5; n++) assert.equal(heard.filter((text) => text === `${String(n)}>*`).length, 10);
  assert.ok(hub.collisions > 5, `${String(hub.collisions)} collisions`);
  assert.deepEqual([hub.excessive, world.check().skbs], [0, 0]);
});

test('the sixteenth collision ends a frame, counted and named', async () => {
  const { world, hub, at } = star(3);
  // Two stations that draw the same every time: the second one's chance is the first one's.
  Object.assign(hub.port(2).random, Random.stream(1, 'hub:hub.p1'));
  at(1).send(ALL);
  at(2).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([hub.collisions, hub.excessive, at(3).take(), world.drops()], [16, 2, [], { EXCESSIVE_COLLISIONS: 2 }]);
  const slots = draws(1, 1, ...Array.from({ length: 15 }, (_, i) => 2 ** Math.min(i + 1, 10)));
  let now = 0;
  for (const r of slots) now += 96 * BIT + Math.max(r * SLOT, GAP);
  assert.equal(world.nowNs, now + 96 * BIT, 'fifteen backoffs, each below 2^k slots, k at most 10');
  at(1).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual(at(3).take(), ['1>*'], 'the next frame begins anew');
});

test('a damaged frame is repeated as it is: the check sequence is for the cards', async () => {
  const { world, at } = star(3);
  world.cables[0]!.setWeather({ corrupt: 1 });
  at(1).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([at(2).take(), at(3).take(), world.drops()], [[], [], { FCS_ERROR: 2 }]);
});

test('a station that is pulled out while it speaks falls silent, and the others go on', async () => {
  const { world, at } = star(3);
  at(1).send(ALL);
  at(1).send(ALL);
  await world.advance('10us');
  at(2).send(ALL);
  await world.advance('10us');
  world.cables[0]!.setUp(false);
  await world.runUntilIdle();
  assert.deepEqual([at(3).timed(), world.drops(), world.check().skbs], [[`${String(20000 + GAP + SHORT)} 2>*`], { CABLE_DOWN: 2 }, 0]);
});

test('a queue at a station has its limit; the rate is settable', async () => {
  const { world, at } = star(2, {}, { rate: '100mbit', queue: 3 });
  for (let i = 0; i < 5; i++) at(1).send(ALL, { size: 1514 });
  await world.runUntilIdle();
  assert.deepEqual([at(2).timed()[0], world.drops()], [`${String((64 + 1514 * 8 + 32) * 10)} 1>*`, { SWITCH_QUEUE_FULL: 2 }]);
  assert.throws(() => world.hub('h2', { rate: 'fast' }), /rate: 'fast' is not understood/);
});

test('hosts on a hub talk to each other, and each card hears everything', async () => {
  const world = quickWorld();
  const hub = world.hub('hub');
  const [a, b, c] = ['a', 'b', 'c'].map((name) => world.host(name));
  for (const host of [a!, b!, c!]) world.cable(host, hub, { delay: '500ns' });
  assert.deepEqual([a!.ip, b!.ip, c!.ip], ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  const rx = b!.kernel.socket(AF_INET, SOCK_DGRAM);
  b!.kernel.bind(rx, { port: 9 });
  const tx = a!.kernel.socket(AF_INET, SOCK_DGRAM);
  a!.kernel.sys.sendto(tx, 'x', { address: b!.ip, port: 9 });
  assert.equal(await b!.kernel.recv(rx, new Uint8Array(9)), 1);
  await world.runUntilIdle();
  assert.equal(c!.interfaces[0]!.card.stats.rxFiltered, 2, 'the reply to ARP, and the datagram');
});

test('chance is that of the seed and the port, whatever else is in the world', () => {
  const world = quickWorld();
  const hub = world.hub('hub');
  const cable = new Cable(world.parts.sim, new Port('x'), hub.freePort(), { name: 'c', seed: 1 });
  assert.equal(cable.up, true);
  assert.deepEqual(hub.port(1).random.below(1024), draws(1, 1, 1024)[0]);
  assert.equal(frame(ALL, mac(1)).length, 60);
});
