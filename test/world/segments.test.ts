/** Worlds with switches and hubs: who gets which address, which loops are refused, and whom a partition separates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, POLLIN, SOCK_DGRAM, World, type Host } from '../../mod.ts';
import { quickWorld } from '../fabric/stations.ts';

function hosts(world: World, ...names: string[]): Host[] {
  return names.map((name) => world.host(name));
}

/** Does a datagram get from one host to the other? */
async function reaches(world: World, from: Host, to: Host): Promise<boolean> {
  const rx = to.kernel.socket(AF_INET, SOCK_DGRAM);
  const tx = from.kernel.socket(AF_INET, SOCK_DGRAM);
  to.kernel.bind(rx, { port: 9 });
  from.kernel.sys.sendto(tx, 'x', { address: to.ip, port: 9 });
  await world.advance('5s');
  const got = Number(to.kernel.sys.poll([{ fd: rx, events: POLLIN }])) > 0;
  for (const [host, fd] of [[to, rx], [from, tx]] as const) host.kernel.close(fd);
  return got;
}

test('all hosts of a switch are in one subnet; each switch is a subnet of its own until a cable joins them', () => {
  const world = new World();
  const [s1, s2] = [world.switch('s1'), world.switch('s2')];
  const [a, b, c, d] = hosts(world, 'a', 'b', 'c', 'd');
  world.cable(a!, s1);
  world.cable(b!, s2);
  world.cable(c!, s1);
  assert.deepEqual([a!.ip, b!.ip, c!.ip], ['10.0.0.1', '10.0.1.1', '10.0.0.2']);
  world.cable(s2, s1);
  world.cable(d!, s2);
  assert.deepEqual([a!.ip, b!.ip, c!.ip, d!.ip], ['10.0.0.1', '10.0.0.3', '10.0.0.2', '10.0.0.4']);
  assert.deepEqual(a!.kernel.resolve('b'), [{ address: '10.0.0.3', family: 4 }], 'the name has moved with the address');
  const [e, f] = hosts(world, 'e', 'f');
  world.cable(e!, f!);
  assert.deepEqual([e!.ip, f!.ip], ['10.0.1.1', '10.0.1.2'], 'the subnet that was left is given out again');
});

test('whatever the order of the cables, who shares a wire shares a subnet', () => {
  const cables: (readonly [string, string])[] = [
    ['a', 's1'], ['b', 's2'], ['c', 'hub'], ['s1', 's2'], ['s2', 'hub'], ['d', 's1'], ['e', 's3'], ['f', 's3'],
  ];
  for (let seed = 0; seed < 24; seed++) {
    const world = new World({ seed });
    for (const name of ['s1', 's2', 's3']) world.switch(name);
    world.hub('hub');
    const all = hosts(world, 'a', 'b', 'c', 'd', 'e', 'f');
    // A different order for each seed: take every k-th.
    const left = [...cables];
    for (let at = seed; left.length > 0; at += seed + 1) world.cable(...left.splice(at % left.length, 1)[0]!);
    const subnets = all.map((host) => host.ip.replace(/\.\d+$/, ''));
    assert.equal(new Set(subnets.slice(0, 4)).size, 1, subnets.join(' '));
    assert.equal(new Set(subnets).size, 2, subnets.join(' '));
    assert.equal(subnets[4], subnets[5]);
    assert.equal(new Set(all.map((host) => host.ip)).size, 6);
    for (const host of all) assert.deepEqual(all[0]!.kernel.resolve(host.name).map((a) => a.address), [host.ip]);
  }
});

test('an address that a user gave shapes the segment, also when it comes last; so does the subnet of a switch', () => {
  const world = new World();
  const s1 = world.switch('s1');
  const [a, b] = hosts(world, 'a', 'b');
  world.cable(a!, s1);
  world.cable(b!, s1);
  world.cable(world.host('c', { ip: '192.168.5.1/24' }), s1);
  assert.deepEqual([a!.ip, b!.ip], ['192.168.5.2', '192.168.5.3']);
  const s2 = world.switch('s2', { subnet: '10.0.0.0/16' });
  const [d, e] = hosts(world, 'd', 'e');
  world.cable(d!, s2);
  world.cable(e!, world.host('f'));
  assert.deepEqual([d!.ip, d!.interfaces[0]!.subnet!.prefixLen, e!.ip], ['10.0.0.1', 16, '10.1.0.1'], 'nobody else gets a part of it');
});

test('each VLAN is a segment, across trunks; ports that carry none of it are not in it', () => {
  const world = new World();
  const [s1, s2] = [world.switch('s1'), world.switch('s2', { vlans: { 20: { subnet: '10.20.0.0/24' } } })];
  const [a, b, c, d, e] = hosts(world, 'a', 'b', 'c', 'd', 'e');
  world.cable(a!, s1.access(10));
  world.cable(b!, s1.access(20));
  world.cable(s1.trunk(), s2.trunk([10, 20]));
  world.cable(c!, s2.access(10));
  world.cable(d!, s2.access(20));
  world.cable(e!, s2.trunk([10], { native: null }));
  assert.deepEqual([a!.ip, c!.ip], ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual([b!.ip, d!.ip], ['10.20.0.1', '10.20.0.2']);
  assert.equal(e!.ip, '127.0.0.1', 'frames without a tag go nowhere');
});

test('once the clock has moved, hosts keep their addresses', async () => {
  const world = new World();
  const [s1, s2] = [world.switch('s1'), world.switch('s2')];
  const [a, b] = hosts(world, 'a', 'b');
  world.cable(a!, s1);
  world.cable(b!, s2);
  await world.advance('1ms');
  world.cable(s1, s2);
  assert.deepEqual([a!.ip, b!.ip], ['10.0.0.1', '10.0.1.1']);
});

test('a loop is refused by its name: which switches, which cables', () => {
  const world = new World();
  for (const name of ['s1', 's2', 's3']) world.switch(name);
  world.hub('h');
  world.cable('s1', 's2', { name: 'red' });
  world.cable('s2', 'h');
  world.cable('h', 's3', { name: 'blue' });
  assert.throws(() => world.cable('s3', 's1', { name: 'green' }), {
    name: 'RangeError',
    message: 'cable: green closes a loop: s3 –(blue)– h –(s2.p2~h.p1)– s2 –(red)– s1 –(green)– s3; frames would circle in it for ever: '
      + 'let one of its switches run STP (world.switch(name, { stp: true })), or leave the cable out',
  });
  assert.throws(() => world.cable('s1', 's2'), /closes a loop: s1 –\(red\)– s2 –\(s1.p2~s2.p3\)– s1/, 'two cables side by side');
  assert.equal(world.cables.length, 3);
  world.cables[0]!.unplug();
  world.cable('s3', 's1');
});

test('a cable that is no loop in any VLAN is none; VLANs that would make it one are refused and undone', () => {
  const world = new World();
  const [s1, s2] = [world.switch('s1'), world.switch('s2')];
  world.cable(s1.access(10), s2.access(10));
  world.cable(s1.access(20), s2.access(20));
  assert.throws(() => {
    s2.port(2).configure({ trunk: [10], native: 20 });
    s1.port(2).configure({ trunk: [10], native: 20 });
  }, /closes a loop in VLAN 10: s1 –\(s1.p1~s2.p1\)– s2 –\(s1.p2~s2.p2\)– s1/);
  assert.equal(s1.port(2).vlans.pvid, 20);
});

test('impossible topologies name their parts', () => {
  const world = new World();
  const sw = world.switch('sw');
  const [a, b] = [world.host('a', { ip: '10.1.0.1/24' }), world.host('b', { ip: '10.1.0.1/24' })];
  world.cable(a, sw);
  assert.throws(() => world.cable(b, sw),
    /duplicate address: 10.1.0.1 is that of a.eth0 and of b.eth0, which share a wire \(10.1.0.0\/24\)/);
  assert.equal(world.cables.length, 1);
  const small = world.switch('small', { subnet: '10.2.0.0/30' });
  world.cable(world.host('c'), small);
  world.cable(world.host('d'), small);
  assert.throws(() => world.cable(world.host('e'), small),
    /10.2.0.0\/30 has no free address for e.eth0 at small; a larger one is an option of the switch/);
  assert.throws(() => world.cable(new World().switch('x'), sw), /a switch or a hub of another world/);
});

test('a partition holds through a switch, a hub and a router; all others reach both sides', async () => {
  const world = quickWorld();
  const [s1, s2] = [world.switch('s1'), world.switch('s2')];
  const hub = world.hub('hub');
  const [a, b, c, d] = hosts(world, 'a', 'b', 'c', 'd');
  const router = world.router('r');
  world.cable(a!, s1);
  world.cable(s1, hub);
  world.cable(b!, hub);
  world.cable(router, s1);
  world.cable(router, s2);
  world.cable(c!, s2);
  world.cable(d!, s2);
  for (const host of [a!, b!]) host.route('0.0.0.0/0', { via: '10.0.0.3' });
  for (const host of [c!, d!]) host.route('0.0.0.0/0', { via: '10.0.1.1' });
  assert.deepEqual([await reaches(world, a!, b!), await reaches(world, a!, c!), await reaches(world, d!, b!)], [true, true, true]);
  world.partition([a!], [b!, c!]);
  assert.deepEqual([await reaches(world, a!, b!), await reaches(world, b!, a!)], [false, false], 'on one wire');
  assert.deepEqual([await reaches(world, a!, c!), await reaches(world, c!, a!)], [false, false], 'across the router');
  assert.deepEqual([await reaches(world, a!, d!), await reaches(world, b!, d!), await reaches(world, c!, b!)], [true, true, true]);
  assert.ok(world.drops()['PARTITION']! >= 4);
  world.heal();
  assert.deepEqual([await reaches(world, a!, b!), await reaches(world, c!, a!)], [true, true]);
  world.partition([a!], [d!], { direction: 'ab' });
  assert.deepEqual([await reaches(world, a!, d!), await reaches(world, c!, a!)], [false, true], 'one way only');
});

test('a capture of a host shows what passes its port, one of a switch port what passes there; the digest has both', async () => {
  const digests = [];
  for (const seed of [5, 5, 6]) {
    const world = new World({ seed, digest: true });
    const sw = world.switch('sw');
    const [a, b] = hosts(world, 'a', 'b');
    world.cable(a!, sw, { jitter: '1us', delay: '5us' });
    world.cable(b!, sw);
    using one = world.capture([b!]);
    using two = world.capture([sw.port(1)]);
    assert.equal(await reaches(world, a!, b!), true);
    assert.deepEqual([one.frames.length, two.frames.length], [3, 3], 'ARP there and back, a datagram');
    assert.equal(one.frames[0]!.port.name, 'b.eth0');
    digests.push(world.digest());
  }
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});
