/** Switches: learning, ageing, flooding, queues, VLANs; what is on which wire, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, frame, mac, quickWorld, Station } from './stations.ts';
import { AF_INET, SOCK_DGRAM, type Host, type SwitchOptions, type World } from '../../mod.ts';

/** A switch with so many stations, numbers 1, 2, 3 … at ports 1, 2, 3 … */
function star(n: number, options: SwitchOptions = {}): { world: World; sw: ReturnType<World['switch']>; at: (n: number) => Station } {
  const world = quickWorld();
  const sw = world.switch('sw', options);
  const stations = Array.from({ length: n }, (_, i) => new Station(world, `t${String(i + 1)}`, i + 1, sw.port(i + 1)));
  return { world, sw, at: (i) => stations[i - 1]! };
}

test('an unknown address goes to all, a known one to its port; the switch learns from what it hears', async () => {
  const { world, sw, at } = star(3);
  at(1).send(at(2));
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(2).take(), at(3).take()], [[], ['1>2'], ['1>2']], 'flooded');
  at(2).send(at(1));
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(2).take(), at(3).take()], [['2>1'], [], []]);
  at(1).send(at(2));
  at(1).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(2).take(), at(3).take()], [[], ['1>2', '1>*'], ['1>*']]);
  assert.equal(sw.macTable(), `${mac(1)} dev p1 master sw\n${mac(2)} dev p2 master sw\n`);
  const [p1, p2] = [sw.port(1).stats, sw.port(2).stats];
  assert.deepEqual([p1.rxFrames, p1.rxBytes, p1.flooded, p2.txFrames, p2.txBytes], [3, 180, 2, 3, 180]);
});

test('a frame is stored, looked up (1 µs) and sent at the rate of the port it leaves by; others wait for it', async () => {
  const { world, sw, at } = star(3, { ports: [{}, { rate: '100mbit' }, {}], delay: '2us' });
  at(3).send(ALL, { size: 1514 });
  await world.runUntilIdle();
  // (1514 + 24) · 8 / 100 Mbit/s = 123,040 ns, and 1,230 ns at 10 Gbit/s.
  assert.deepEqual([at(1).timed(), at(2).timed()], [['3230 3>*'], ['125040 3>*']]);
  const start = world.nowNs;
  for (let i = 0; i < 3; i++) at(1).send(at(2), { size: 1514 });
  await world.runUntilIdle();
  assert.deepEqual(at(2).timed().map((line) => Number(line.split(' ')[0]) - start), [125040, 248080, 371120]);
  assert.equal(sw.port(2).egress.maxQueued, 2);
});

test('a port keeps so many frames and no more', async () => {
  const { world, sw, at } = star(2, { ports: [{}, { rate: '10mbit', queue: 5 }] });
  for (let i = 0; i < 20; i++) at(1).send(at(2), { size: 1000 });
  await world.runUntilIdle();
  assert.equal(at(2).take().length, 6, 'one on the line, five behind it');
  assert.deepEqual([world.drops()['SWITCH_QUEUE_FULL'], sw.port(2).egress.overflowed], [14, 14]);
  assert.equal(world.check().skbs, 0);
});

test('an address that is not heard for 300 s is forgotten, to the nanosecond and without an event', async () => {
  const { world, sw, at } = star(3);
  at(1).send(ALL);
  await world.runUntilIdle();
  assert.equal(world.check().timers, 0, 'nothing waits for the end of the entry');
  for (const s of [at(2), at(3)]) s.take();
  await world.advance('300s');
  // Learned at 0 ns. The clock is a little later by now, so ask a moment before and after by the table's own clock.
  assert.equal(sw.table.lookup(0, 0x0a00, 1, 300e9 - 1, sw.ageing), 1);
  assert.equal(sw.table.lookup(0, 0x0a00, 1, 300e9, sw.ageing), 0);
  at(2).send(at(1));
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(3).take()], [['2>1'], ['2>1']], 'flooded again');
  assert.equal(sw.macTable(), `${mac(2)} dev p2 master sw\n`);
});

test('what is heard again stays; who moves is found at the new port', async () => {
  const { world, sw, at } = star(3, { ageing: '10s' });
  for (let i = 0; i < 3; i++) {
    at(1).send(ALL);
    await world.advance('9s');
  }
  assert.match(sw.macTable(), /0a:00:00:00:00:01 dev p1/);
  at(2).tap.send(frame(ALL, mac(1)));
  await world.runUntilIdle();
  assert.equal(sw.macTable(), `${mac(1)} dev p2 master sw\n`);
  assert.equal(sw.moves, 1);
});

test('static entries neither age nor move; a pulled cable makes the switch forget what was behind it', async () => {
  const { world, sw, at } = star(3, { ageing: '1s' });
  sw.setStatic(mac(3), 3);
  at(1).send(ALL);
  at(2).tap.send(frame(ALL, mac(3)));
  await world.runUntilIdle();
  assert.equal(sw.macTable(), `${mac(1)} dev p1 master sw\n${mac(3)} dev p3 master sw static\n`);
  world.cables[0]!.setUp(false);
  assert.equal(sw.macTable(), `${mac(3)} dev p3 master sw static\n`);
  await world.advance('1h');
  for (const s of [at(1), at(2), at(3)]) s.take();
  at(2).send(at(3));
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(3).take()], [[], ['2>3']]);
  assert.equal(sw.forget(mac(3)), true);
  assert.equal(sw.forget(mac(3)), false);
});

test('a full table learns no more, floods, and takes in others when the old ones have aged', async () => {
  const { world, sw, at } = star(2, { macTableSize: 4, ageing: '10s' });
  for (let i = 10; i < 20; i++) at(1).tap.send(frame(ALL, mac(i)));
  await world.runUntilIdle();
  assert.deepEqual([sw.table.size, sw.tableFull], [4, 6]);
  await world.advance('10s');
  at(1).tap.send(frame(ALL, mac(30)));
  await world.runUntilIdle();
  assert.equal(sw.macTable(), `${mac(30)} dev p1 master sw\n`);
});

test('a port that is shut is down at both ends, and comes back', async () => {
  const world = quickWorld();
  const sw = world.switch('sw');
  const [a, b] = [world.host('a'), world.host('b')];
  world.cable(a, sw);
  world.cable(b, sw);
  sw.port(1).setUp(false);
  assert.deepEqual([a.interfaces[0]!.dev.carrier, b.interfaces[0]!.dev.carrier, sw.port(1).up], [false, true, false]);
  sw.port(1).setUp(true);
  assert.equal(a.interfaces[0]!.dev.carrier, true);
  await exchange(world, a, b);
});

/** A datagram goes from one host to the other and is read there. */
async function exchange(world: World, from: Host, to: Host): Promise<void> {
  const rx = to.kernel.socket(AF_INET, SOCK_DGRAM);
  const tx = from.kernel.socket(AF_INET, SOCK_DGRAM);
  to.kernel.bind(rx, { port: 9 });
  from.kernel.sys.sendto(tx, 'x', { address: to.ip, port: 9 });
  const got = await Promise.race([to.kernel.recv(rx, new Uint8Array(9)), world.advance('10s').then(() => 'lost')]);
  for (const [host, fd] of [[to, rx], [from, tx]] as const) host.kernel.close(fd);
  assert.equal(got, 1);
}

const notForwarded: [string, Uint8Array, string][] = [
  ['a pause frame', frame('01:80:c2:00:00:01', mac(1)), 'MAC_IEEE_MAC_CONTROL'],
  ['a link layer discovery frame', frame('01:80:c2:00:00:0e', mac(1)), 'MAC_IEEE_MAC_CONTROL'],
  ['a frame whose source is a group', frame(ALL, '0b:00:00:00:00:01'), 'MAC_INVALID_SOURCE'],
  ['a frame longer than it hands on', frame(ALL, mac(1), { size: 9400 }), 'FRAME_TOO_LONG'],
  ['a frame without a header', new Uint8Array(10), 'FRAME_TOO_SHORT'],
  ['a frame back to where it came from', frame(mac(1), mac(1)), 'NO_TX_TARGET'],
];

for (const [what, bytes, reason] of notForwarded) {
  test(`${what} is not handed on: ${reason}`, async () => {
    const { world, at } = star(3);
    at(1).send(ALL);
    await world.runUntilIdle();
    for (const s of [at(2), at(3)]) s.take();
    at(1).tap.send(bytes);
    await world.runUntilIdle();
    assert.deepEqual([at(2).take(), at(3).take(), world.drops()], [[], [], { [reason]: 1 }]);
    assert.equal(world.check().skbs, 0);
  });
}

test('a damaged frame ends at the switch; BPDUs pass through one that runs no STP', async () => {
  const { world, at } = star(2);
  at(1).send('01:80:c2:00:00:00');
  await world.runUntilIdle();
  assert.deepEqual(at(2).take(), ['1>01:80:c2:00:00:00']);
  world.cables[0]!.setWeather({ corrupt: 1 });
  at(1).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([at(2).take(), world.drops()], [[], { FCS_ERROR: 1 }]);
});

test('VLANs keep apart what is on one switch: access ports know no tags, a trunk tells them apart', async () => {
  const { world, sw, at } = star(5, { ports: [{ access: 10 }, { access: 10 }, { access: 20 }, { access: 20 }, { trunk: [10, 20] }] });
  at(1).send(ALL);
  at(3).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual([1, 2, 3, 4, 5].map((n) => at(n).take()), [[], ['1>*'], [], ['3>*'], ['1>* vlan 10', '3>* vlan 20']]);
  at(5).send(at(1), { vid: 10 });
  at(5).send(at(1), { vid: 20 });
  await world.runUntilIdle();
  // In VLAN 20 nobody knows station 1: an address is learned per VLAN.
  assert.deepEqual([1, 2, 3, 4, 5].map((n) => at(n).take()), [['5>1'], [], ['5>1'], ['5>1'], []]);
  assert.equal(sw.macTable(), [
    `${mac(1)} dev p1 vlan 10 master sw\n`, `${mac(5)} dev p5 vlan 10 master sw\n`,
    `${mac(3)} dev p3 vlan 20 master sw\n`, `${mac(5)} dev p5 vlan 20 master sw\n`,
  ].join(''));
});

test('what a port is no member of does not come in; a native VLAN travels without a tag', async () => {
  const { world, sw, at } = star(4, { ports: [{ access: 1 }, { access: 30 }, { trunk: [30], native: 1 }, { trunk: [30], native: null }] });
  at(1).send(at(3), { vid: 30 });
  at(3).send(ALL, { vid: 40 });
  at(4).send(ALL);
  await world.runUntilIdle();
  assert.deepEqual(world.drops(), { VLAN_FILTER: 3 });
  at(3).send(ALL);
  at(4).send(ALL, { vid: 30 });
  await world.runUntilIdle();
  assert.deepEqual([1, 2, 3, 4].map((n) => at(n).take()), [['3>*'], ['4>*'], ['4>* vlan 30'], []]);
  assert.equal(sw.vlanTable(), [
    'port              vlan-id\n', 'p1                1 PVID Egress Untagged\n', 'p2                30 PVID Egress Untagged\n',
    'p3                1 PVID Egress Untagged\n', '                  30\n', 'p4                30\n',
  ].join(''));
});

test('a priority survives: tagged as it came, on its way to tagged ports, in the VLAN of the port where it names none', async () => {
  const { world, at } = star(3, { vlans: { 10: { untagged: [1], tagged: [2, 3] } } });
  at(1).send(ALL, { vid: 0, priority: 5 });
  at(2).send(ALL, { vid: 10, priority: 3 });
  await world.runUntilIdle();
  assert.deepEqual([at(1).take(), at(2).take(), at(3).take()], [['2>*'], ['1>* vlan 10 p5'], ['1>* vlan 10 p5', '2>* vlan 10 p3']]);
});

test('a switch that was told of no VLAN lets tags pass', async () => {
  const { world, at } = star(2);
  at(1).send(ALL, { vid: 77, priority: 1 });
  await world.runUntilIdle();
  assert.deepEqual(at(2).take(), ['1>* vlan 77 p1']);
});

test('a tag finds room in a frame whose headers fill their area', async () => {
  const { world, at } = star(2, { ports: [{ access: 5 }, { trunk: [5] }] });
  at(1).send(ALL, { size: 1514 });
  await world.runUntilIdle();
  const [got] = at(2).frames;
  assert.equal(got!.length, 1518);
  assert.deepEqual([...got!.subarray(12, 18)], [0x81, 0x00, 0x00, 0x05, 0x88, 0xb5]);
  assert.equal(world.check().skbs, 0);
});

const wrong: [string, RegExp, () => unknown][] = [
  ['an unknown option', /switch: prots: no such option; expected ports/, () => quickWorld().switch('s', { prots: 4 } as never)],
  ['ports that are neither', /ports: expected a number, or an array/, () => quickWorld().switch('s', { ports: '4' as never })],
  ['a VLAN beyond 4094', /vlans: 4095 is out of range; expected a whole number from 1 to 4094/,
    () => quickWorld().switch('s', { vlans: { 4095: {} } })],
  ['a port twice in one VLAN', /vlans: 5: port 1 is named twice/,
    () => quickWorld().switch('s', { vlans: { 5: { untagged: [1], tagged: [1] } } })],
  ['an access port with a trunk', /expected one of access, trunk/, () => quickWorld().switch('s', { ports: [{ access: 1, trunk: [2] }] })],
  ['a native VLAN without a trunk', /native: it belongs to a trunk/, () => quickWorld().switch('s', { ports: [{ native: 1 }] })],
  ['a subnet with host bits', /subnet: '10.8.0.1\/16' is not a network of hosts/,
    () => quickWorld().switch('s', { subnet: '10.8.0.1/16' })],
  ['an ageing time that is none', /ageing: 'long' is not understood/, () => quickWorld().switch('s', { ageing: 'long' })],
  ['a name that is taken', /switch: there is a host 'a' already/, () => {
    const world = quickWorld();
    world.host('a');
    world.switch('a');
  }],
  ['one cable too many', /switch s: all its 1 ports are taken/, () => {
    const world = quickWorld();
    const sw = world.switch('s', { ports: 1 });
    world.cable(world.host('a'), sw);
    world.cable(world.host('b'), sw);
  }],
  ['a port that is taken', /cable: s.p1 has a cable already/, () => {
    const world = quickWorld();
    const sw = world.switch('s');
    world.cable(world.host('a'), sw.port(1));
    world.cable(world.host('b'), sw.port(1));
  }],
  ['an unknown host', /cable: b: there is no host, switch or hub 'alcie'; there are alice, s/, () => {
    const world = quickWorld();
    world.host('alice');
    world.cable(world.switch('s'), 'alcie');
  }],
  ['a static entry of no port', /port: s has no port 7/, () => quickWorld().switch('s').setStatic(mac(1), 7)],
];

for (const [what, message, body] of wrong) test(`${what} is refused by name`, () => assert.throws(body, message));
