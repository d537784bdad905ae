/** The spanning tree: BPDUs on the wire, convergence of a triangle, and what happens when a cable is cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BR_STATE_NAMES } from '../../src/fabric/switch-port.ts';
import { bpduType, readConfigBpdu, writeConfigBpdu, writeTcnBpdu } from '../../src/wire/stp.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { ALL, quickWorld, Station } from './stations.ts';
import type { Cable, SwitchOptions, Switch, World } from '../../mod.ts';

interface Triangle { world: World; sw: Switch[]; cables: Cable[]; at: Station[] }

/** Three switches, each joined to the others: port 1 to the next, port 2 to the one before; a station at port 3 of each. */
function triangle(stp: SwitchOptions['stp'] = true): Triangle {
  const world = quickWorld();
  const sw = ['s1', 's2', 's3'].map((name) => world.switch(name, { stp, ports: 3 }));
  const cables = [0, 1, 2].map((i) => world.cable(sw[i]!.port(1), sw[(i + 1) % 3]!.port(2), { delay: '1us' }));
  const at = sw.map((one, i) => new Station(world, `t${String(i + 1)}`, i + 1, one.port(3)));
  return { world, sw, cables, at };
}

/** What a station heard besides BPDUs. */
function data(station: Station): string[] {
  return station.take().filter((text) => !text.includes('01:80:c2'));
}

/** `forwarding forwarding blocking` … of all ports of a switch. */
function states(sw: Switch): string {
  return sw.ports.map((port) => BR_STATE_NAMES[port.state]!.slice(0, 4)).join(' ');
}

test('a triangle becomes a tree: listening, learning, forwarding, 15 s each; one port blocks', async () => {
  const { world, sw, at } = triangle();
  assert.deepEqual(sw.map(states), ['list list list', 'list list list', 'list list list']);
  await world.advance('14.9s');
  // s1 has the lowest address and is the root. s2 and s3 cost the same; s2 is lower, so s3 blocks on the cable between them.
  assert.deepEqual(sw.map(states), ['list list list', 'list list list', 'list bloc list']);
  await world.advance('200ms');
  assert.deepEqual(sw.map(states), ['lear lear lear', 'lear lear lear', 'lear bloc lear']);
  at[0]!.send(ALL);
  await world.advance('1ms');
  assert.equal(world.drops()['BRIDGE_INGRESS_STP_STATE'], 1);
  assert.match(sw[0]!.macTable(), /dev p3/, 'a learning port learns');
  await world.advance('15s');
  assert.deepEqual(sw.map(states), ['forw forw forw', 'forw forw forw', 'forw bloc forw']);
  at[0]!.send(ALL);
  await world.advance('1ms');
  assert.deepEqual(at.map(data), [[], ['1>*'], ['1>*']], 'once each: there is no loop');
  assert.equal(sw[0]!.stp!.isRoot, true);
  assert.match(sw[1]!.stp!.text(), /^bridge-id 8000.020000000002 root 8000.020000000001 cost 2 by p2\n/);
});

test('BPDUs are frames: one from each designated port every 2 s, aged by 1 s at each switch', async () => {
  const { world, at } = triangle();
  await world.advance('40s');
  const heard = at[1]!.frames.filter((bytes) => bpduType(bytes, 0, bytes.length) === 0).slice(-5);
  const last = readConfigBpdu(heard.at(-1)!, 0);
  assert.deepEqual([last.root, last.bridge, last.cost, last.port, last.messageAge, last.helloTime, last.maxAge, last.forwardDelay],
    ['8000.020000000001', '8000.020000000002', 2, 0x8003, 1e9, 2e9, 20e9, 15e9]);
  assert.match(printEthernet(heard.at(-1)!, 0, 60),
    /^STP 802.1d, Config, Flags \[.*\], bridge-id 8000.020000000002.8003, root 8000.020000000001, cost 2, age 1s max 20s hello 2s fd/);
  const times = at[1]!.timed().filter((line) => line.includes('01:80:c2')).slice(-3).map((line) => Number(line.split(' ')[0]));
  assert.deepEqual(times.map((t) => t - times[0]!), [0, 2e9, 4e9]);
});

test('a cut cable: the blocked port takes over after its information has aged and two forward delays', async () => {
  const { world, sw, cables, at } = triangle();
  await world.advance('60s');
  cables[2]!.setUp(false); // between s3 and s1: s3 sees it itself, and its blocked port becomes the root port at once
  assert.deepEqual(sw.map(states), ['forw disa forw', 'forw forw forw', 'disa list forw']);
  data(at[2]!);
  at[0]!.send(ALL);
  await world.advance('29.9s');
  assert.deepEqual(data(at[2]!), []);
  await world.advance('200ms');
  assert.deepEqual(sw.map(states), ['forw disa forw', 'forw forw forw', 'disa forw forw']);
  at[0]!.send(ALL);
  await world.advance('1ms');
  assert.deepEqual(data(at[2]!), ['1>*']);
  cables[2]!.setUp(true);
  await world.advance('60s');
  assert.deepEqual(sw.map(states), ['forw forw forw', 'forw forw forw', 'forw bloc forw'], 'the old tree is back');
});

test('a silent root is given up after 20 s; the second best takes its place', async () => {
  const { world, sw, cables } = triangle();
  await world.advance('60s');
  for (const cable of [cables[0]!, cables[2]!]) cable.setBlocked(true); // links stay up, nothing passes
  await world.advance('22s');
  assert.deepEqual(sw.map((one) => one.stp!.designatedRoot.slice(-1)), ['1', '2', '2']);
  cables[0]!.setBlocked(false);
  await world.advance('60s');
  assert.deepEqual(sw.map((one) => one.stp!.designatedRoot.slice(-1)), ['1', '1', '1']);
});

test('a topology change is told to the root and by the root to all: addresses age in 15 s until it is over', async () => {
  const { world, sw, cables, at } = triangle();
  await world.advance('100s');
  assert.deepEqual(sw.map((one) => one.ageing), [300e9, 300e9, 300e9]);
  at[2]!.send(ALL); // everybody learns where station 3 is
  await world.advance('1s');
  assert.match(sw[0]!.macTable(), /0a:00:00:00:00:03 dev p2/);
  cables[2]!.setUp(false);
  await world.advance('36s'); // s3's port forwards after 30 s: it tells s2, s2 tells s1, s1 tells all
  assert.deepEqual(sw.map((one) => [one.stp!.topologyChange, one.ageing]), [[true, 15e9], [true, 15e9], [true, 15e9]]);
  assert.doesNotMatch(sw[1]!.macTable(), /0a:00:00:00:00:03/, 'what was learned before the change is gone');
  await world.advance('40s');
  assert.deepEqual(sw.map((one) => one.ageing), [300e9, 300e9, 300e9]);
});

test('priority makes a root, cost a way; an edge port forwards at once, until it hears a switch', async () => {
  const world = quickWorld();
  const s1 = world.switch('s1', { stp: true, ports: [{ cost: 100 }, {}, { edge: true }] });
  const s2 = world.switch('s2', { stp: { priority: 4096 }, ports: 3 });
  const t = new Station(world, 't', 1, s1.port(3));
  world.cable(s1.port(1), s2.port(1));
  world.cable(s1.port(2), s2.port(2));
  assert.equal(states(s1), 'list list forw');
  await world.advance('31s');
  assert.deepEqual([states(s1), states(s2), s2.stp!.isRoot, s1.stp!.rootPathCost], ['bloc forw forw', 'forw forw disa', true, 2]);
  t.tap.send(writeConfigBpdu(new Uint8Array([2, 0, 0, 0, 0, 9]), {
    flags: 0, root: '0000.020000000009', cost: 0, bridge: '0000.020000000009', port: 1,
    messageAge: 0, maxAge: 20e9, helloTime: 2e9, forwardDelay: 15e9,
  }));
  await world.advance('1ms');
  assert.deepEqual([states(s1), s1.stp!.designatedRoot], ['list forw list', '0000.020000000009'], 'port 1 speaks for the better root');
});

test('one switch with STP breaks a loop of others without', async () => {
  const world = quickWorld();
  const [a, b, c] = [world.switch('a', { stp: true }), world.switch('b'), world.switch('c')];
  world.cable(a, b);
  world.cable(b, c);
  world.cable(c, a);
  const t = [new Station(world, 't1', 1, b), new Station(world, 't2', 2, c)];
  await world.advance('40s');
  t[0]!.send(ALL);
  await world.advance('1ms');
  assert.deepEqual(data(t[1]!), ['1>*']);
  assert.equal(states(a), 'forw bloc');
});

test('a world in which only switches talk has come to rest', async () => {
  const { world } = triangle();
  await world.runUntilIdle();
  assert.ok(world.now < 1);
  await world.advance('1h');
  await world.runUntilIdle();
  assert.equal(world.check().liveTimers, 0);
});

test('hostile BPDUs: cut short, of another version, or too old, change nothing', async () => {
  const { world, sw, at } = triangle();
  await world.advance('40s');
  const before = sw.map(states);
  const good = writeConfigBpdu(new Uint8Array([2, 0, 0, 0, 0, 0]), {
    flags: 0, root: '0000.000000000000', cost: 0, bridge: '0000.000000000000', port: 1,
    messageAge: 20e9, maxAge: 20e9, helloTime: 2e9, forwardDelay: 15e9,
  });
  for (let len = 14; len < 52; len++) at[0]!.tap.send(good.slice(0, len));
  const version = good.slice();
  version[17] = 1;
  for (const bytes of [good, version, writeTcnBpdu(new Uint8Array(6)).slice(0, 20)]) at[0]!.tap.send(bytes);
  await world.advance('1s');
  assert.deepEqual([sw.map(states), sw[0]!.stp!.isRoot, world.check().skbs], [before, true, 0]);
});

const wrong: [string, RegExp, SwitchOptions['stp']][] = [
  ['an unknown option', /stp: helo: no such option/, { helo: 1 } as never],
  ['a hello time beyond the table', /helloTime: 11s is out of range; expected 1s to 10s/, { helloTime: '11s' }],
  ['an age longer than the tree takes to change', /maxAge: at most 2 × \(forwardDelay - 1 s\)/, { maxAge: '40s' }],
  ['a priority', /priority: 70000 is out of range/, { priority: 70000 }],
];

for (const [what, message, stp] of wrong) {
  test(`${what} is refused by name`, () => assert.throws(() => quickWorld().switch('s', { stp: stp! }), message));
}
