/** VLAN devices on hosts: tags on the wire, who gets what, and what they share with the card below. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, POLLIN, SOCK_DGRAM, SOCK_STREAM, type Host, type World } from '../../mod.ts';
import { ALL, frame, quickWorld, Station } from '../fabric/stations.ts';

async function reaches(world: World, from: Host, to: Host, address: string): Promise<boolean> {
  const rx = to.kernel.socket(AF_INET, SOCK_DGRAM);
  const tx = from.kernel.socket(AF_INET, SOCK_DGRAM);
  to.kernel.bind(rx, { port: 9 });
  from.kernel.sys.sendto(tx, 'x', { address, port: 9 });
  await world.advance('3s');
  const got = to.kernel.sys.poll([{ fd: rx, events: POLLIN }]) > 0;
  to.kernel.close(rx);
  from.kernel.close(tx);
  return got;
}

test('two hosts on one cable, a VLAN on each: a network of its own, with tags on the wire', async () => {
  const world = quickWorld();
  const { alice, bob, cable } = world.twoHosts();
  const [a, b] = [alice.interfaces[0]!.vlan(10), bob.interfaces[0]!.vlan(10)];
  assert.deepEqual([a.name, a.ip, b.name, b.ip, a.dev.mtu], ['eth0.10', '10.0.1.1', 'eth0.10', '10.0.1.2', 1500]);
  using capture = world.capture([cable]);
  assert.equal(await reaches(world, alice, bob, b.ip!), true);
  const tags = capture.frames.map(({ bytes }) => [...bytes.subarray(12, 18)]);
  assert.deepEqual(tags, [[0x81, 0, 0, 10, 8, 6], [0x81, 0, 0, 10, 8, 6], [0x81, 0, 0, 10, 8, 0]], 'ARP there and back, a datagram');
  assert.deepEqual([a.dev.stats.txPackets, a.dev.stats.rxPackets, b.dev.stats.rxPackets], [2, 1, 2]);
  assert.match(alice.sh('ip -br addr'), /eth0\.10 +UP +10\.0\.1\.1\/24/);
  assert.match(alice.sh('ip link'), /^3: eth0\.10@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP/m);
});

test('a trunk to a switch: one card in two VLANs and in none, a segment each', async () => {
  const world = quickWorld();
  const sw = world.switch('sw');
  const server = world.host('server');
  world.cable(server, sw.trunk([10, 20]));
  const [v10, v20] = [server.interfaces[0]!.vlan(10), server.interfaces[0]!.vlan(20, { ip: '192.168.20.1/24' })];
  const [a, b, c] = ['a', 'b', 'c'].map((name) => world.host(name));
  world.cable(a!, sw.access(10));
  world.cable(b!, sw.access(20));
  world.cable(c!, sw.access(1));
  assert.deepEqual([server.interfaces[0]!.ip, v10.ip, v20.ip], ['10.0.0.1', '10.0.1.1', '192.168.20.1']);
  assert.deepEqual([a!.ip, b!.ip, c!.ip], ['10.0.1.2', '192.168.20.2', '10.0.0.2']);
  assert.deepEqual([
    await reaches(world, a!, server, v10.ip!), await reaches(world, b!, server, v20.ip!), await reaches(world, c!, server, '10.0.0.1'),
    await reaches(world, server, b!, b!.ip),
  ], [true, true, true, true]);
  assert.match(sw.macTable(), /vlan 20/);
});

test('bytes of a stream cross a VLAN: super-packets are cut with the tag on each frame', async () => {
  const world = quickWorld();
  const { alice, bob, cable } = world.twoHosts({ cable: { delay: '1ms' } });
  const [, b] = [alice.interfaces[0]!.vlan(7), bob.interfaces[0]!.vlan(7)];
  const listener = bob.kernel.socket(AF_INET, SOCK_STREAM);
  bob.kernel.bind(listener, { port: 80 });
  bob.kernel.listen(listener);
  const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7) & 255);
  const sent = (async (): Promise<void> => {
    const fd = alice.kernel.socket(AF_INET, SOCK_STREAM);
    await alice.kernel.connect(fd, { address: b.ip!, port: 80 });
    for (let at = 0; at < bytes.length;) at += await alice.kernel.write(fd, bytes.subarray(at));
    alice.kernel.close(fd);
  })();
  const { fd } = await bob.kernel.accept(listener);
  const got: number[] = [];
  const buffer = new Uint8Array(65536);
  for (let n = await bob.kernel.read(fd, buffer); n > 0; n = await bob.kernel.read(fd, buffer)) got.push(...buffer.subarray(0, n));
  await sent;
  bob.kernel.close(fd);
  assert.deepEqual(Uint8Array.from(got), bytes);
  assert.ok(alice.interfaces[0]!.card.stats.txTso > 0);
  assert.equal(cable.ab.stats.delivered, alice.interfaces[0]!.card.stats.txPackets);
  bob.kernel.close(listener);
  await world.advance('120s');
  assert.equal(world.check().skbs, 0);
});

test('a VLAN that is not ours is not for us; priority tags are taken off; a short tag is dropped', async () => {
  const world = quickWorld();
  const host = world.host('host', { ip: '10.9.0.1/24' });
  const station = new Station(world, 't', 1, host);
  host.interfaces[0]!.vlan(10);
  const lines: string[] = [];
  using trace = world.traceDrops((line) => lines.push(line.split(' ')[2]!));
  station.tap.send(frame(ALL, station.mac, { vid: 20, type: 0x0800 }));
  station.tap.send(frame(ALL, station.mac, { vid: 10, type: 0x9999 }));
  station.tap.send(frame(ALL, station.mac, { vid: 0, type: 0x9999 }));
  station.tap.send(frame(ALL, station.mac, { type: 0x8100, size: 15 }));
  await world.runUntilIdle();
  trace.stop();
  assert.deepEqual(lines, ['OTHERHOST', 'UNHANDLED_PROTO', 'UNHANDLED_PROTO', 'PKT_TOO_SMALL']);
});

test('it goes up, down and away with the card, and has no larger an MTU', async () => {
  const world = quickWorld();
  const { alice, bob, cable } = world.twoHosts();
  const v = alice.interfaces[0]!.vlan(10);
  cable.setUp(false);
  assert.deepEqual([v.dev.up, v.dev.carrier], [true, false]);
  cable.setUp(true);
  assert.equal(v.dev.carrier, true);
  alice.crash();
  alice.boot();
  bob.interfaces[0]!.vlan(10);
  assert.deepEqual([v.dev.up, v.ip], [true, '10.0.1.1'], 'again at the next boot');
  assert.equal(await reaches(world, alice, bob, bob.interfaces[1]!.ip!), true);
});

test('ip link add and del', () => {
  const world = quickWorld();
  const { alice } = world.twoHosts();
  assert.equal(alice.sh('ip link add link eth0 name lan type vlan id 30 egress-qos-map 0:3'), '');
  assert.match(alice.sh('ip link show lan'), /^3: lan@eth0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN/);
  const wrong: [string, RegExp][] = [
    ['ip link add link eth0 name x type vlan', /'id VID' is missing behind 'type vlan'/],
    ['ip link add name x type vlan id 5', /expected 'link DEV'/],
    ['ip link add link eth9 name x type vlan id 5', /'eth9' is not understood; expected a device: lo, eth0, lan/],
    ['ip link add link eth0 name x type bridge', /'bridge' is not understood; expected a type: vlan/],
    ['ip link add link eth0 name x type vlan id 5000', /'5000' is not understood; expected a number from 0 to 4094 behind 'id'/],
    ['ip link add link eth0 name y type vlan id 30', /File exists/],
    ['ip link add link lo name y type vlan id 30', /lo is no Ethernet card/],
    ['ip link add link eth0 type vlan id 5 colour red', /'colour' is not understood/],
    ['ip link del eth0', /eth0 is no VLAN/],
  ];
  for (const [line, message] of wrong) assert.throws(() => alice.sh(line), message, line);
  assert.equal(alice.sh('ip link del lan'), '');
  assert.doesNotMatch(alice.sh('ip link'), /lan/);
  assert.throws(() => alice.interfaces[0]!.vlan(0), /vid: 0 is out of range/);
  alice.interfaces[0]!.vlan(5);
  assert.throws(() => alice.interfaces[0]!.vlan(5), /has an interface 'eth0.5' already/);
  assert.throws(() => alice.interfaces[0]!.vlan(5, { name: 'other' }), /alice.eth0 has VLAN 5 already/);
});
