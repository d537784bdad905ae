/** Worlds in one call: who is where, and who reaches whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, AF_INET6, POLLIN, SOCK_DGRAM, World, type Host } from '../../mod.ts';

const worldOf = (): World => new World({ seed: 1, costs: 'zero' });

/** Every host sends a datagram to every other, by name; those that did not arrive. */
async function lostAmong(world: World, hosts: readonly Host[]): Promise<string[]> {
  const fds = hosts.map((host) => {
    const fd = host.kernel.socket(AF_INET, SOCK_DGRAM);
    host.kernel.bind(fd, { port: 9 });
    return fd;
  });
  const lost: string[] = [];
  for (const [i, from] of hosts.entries()) {
    for (const [j, to] of hosts.entries()) {
      if (i === j) continue;
      const address = from.kernel.resolve(to.name)[0]!.address;
      try {
        from.kernel.sys.sendto(fds[i]!, 'x', { address, port: 9 });
      } catch {
        lost.push(`${from.name}>${to.name}: no route`);
        continue;
      }
      await world.advance('1s');
      if (to.kernel.sys.poll([{ fd: fds[j]!, events: POLLIN }]) === 0) lost.push(`${from.name}>${to.name}`);
      else to.kernel.sys.recv(fds[j]!, new Uint8Array(1));
    }
  }
  return lost;
}

test('two hosts', async () => {
  const world = worldOf();
  const { alice, bob, cable } = world.twoHosts({ cable: { delay: '5ms' } });
  assert.deepEqual([alice.name, alice.ip, bob.name, bob.ip, cable.name], ['alice', '10.0.0.1', 'bob', '10.0.0.2', 'alice.eth0~bob.eth0']);
  assert.equal(typeof alice.net.connect, 'function', 'hosts of this runtime');
  assert.deepEqual(await lostAmong(world, [alice, bob]), []);
});

test('a star; a large one gets a subnet that is large enough', async () => {
  const world = worldOf();
  const { hosts, switch: sw, cables } = world.star(4, { names: ['ada', 'ben'], prefix: 'x-' });
  assert.deepEqual(hosts.map((host) => [host.name, host.ip]), [
    ['ada', '10.0.0.1'], ['ben', '10.0.0.2'], ['x-h3', '10.0.0.3'], ['x-h4', '10.0.0.4'],
  ]);
  assert.deepEqual([sw.name, sw.ports.length, cables.length], ['x-sw', 4, 4]);
  assert.deepEqual(await lostAmong(world, hosts), []);
  const { hosts: many } = worldOf().star(300);
  assert.deepEqual([many[0]!.ip, many[299]!.ip, many[0]!.interfaces[0]!.subnet!.prefixLen], ['10.255.0.1', '10.255.1.44', 16]);
});

test('a line of routers: both ends reach each other and every router, through all of them', async () => {
  const world = worldOf();
  const { left, routers, right, cables } = world.line(3, { cable: { delay: '1ms' } });
  assert.deepEqual([left.ip, right.ip, routers.map((r) => r.ips), cables.length],
    ['10.0.0.1', '10.0.3.2', [['10.0.0.2', '10.0.1.1'], ['10.0.1.2', '10.0.2.1'], ['10.0.2.2', '10.0.3.1']], 4]);
  assert.deepEqual(await lostAmong(world, [left, ...routers, right]), []);
  assert.equal(left.sh('ip route'),
    'default via 10.0.0.2 dev eth0 proto static\n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1\n');
  assert.match(routers[1]!.sh('ip route'), /^10.0.0.0\/24 via 10.0.1.1 dev eth0 proto static$/m);
  assert.match(routers[1]!.sh('ip route'), /^10.0.3.0\/24 via 10.0.2.2 dev eth1 proto static$/m);
  const rx = right.kernel.socket(AF_INET6, SOCK_DGRAM);
  right.kernel.bind(rx, { address: '::', port: 66 });
  left.kernel.sys.sendto(left.kernel.socket(AF_INET6, SOCK_DGRAM), 'six', { address: right.interfaces[0]!.ip6!, port: 66 });
  await world.advance('5s');
  assert.equal(right.kernel.sys.recv(rx, new Uint8Array(9)), 3, 'IPv6 goes the same way');
  const trace = await left.traceroute('right');
  assert.match(String(trace), /1 .*10\.0\.0\.2[^]*2 .*10\.0\.1\.2[^]*3 .*10\.0\.2\.2[^]*4 .*10\.0\.3\.2/);
});

test('two LANs and the router between them, in subnets of the user\'s', async () => {
  const world = worldOf();
  const { router, left, right } = world.twoLans({ hosts: 2, subnets: ['192.168.1.0/24', '192.168.2.0/24'] });
  assert.deepEqual([router.ips, left.hosts.map((h) => h.ip), right.hosts.map((h) => h.ip)],
    [['192.168.1.1', '192.168.2.1'], ['192.168.1.2', '192.168.1.3'], ['192.168.2.2', '192.168.2.3']]);
  assert.deepEqual(await lostAmong(world, [router, ...left.hosts, ...right.hosts]), []);
});

test('a full mesh: each reaches each by the cable between them, though names give one address', async () => {
  const world = worldOf();
  const { hosts, cables } = world.fullMesh(5);
  assert.deepEqual([hosts.length, cables.length, hosts[4]!.ips.length], [5, 10, 4]);
  assert.deepEqual(await lostAmong(world, hosts), []);
  for (const cable of cables) assert.ok(cable.ab.stats.delivered >= 2 && cable.ba.stats.delivered >= 2, cable.name);
});

test('a NAT gateway lends its address to the inside; the outside reaches nobody inside; a partition sees through it', async () => {
  const world = worldOf();
  const { gateway, inside, server } = world.natGateway();
  const [p1] = inside.hosts;
  assert.deepEqual([p1!.ip, gateway.ips, server.ip], ['192.168.1.2', ['192.168.1.1', '203.0.113.1'], '203.0.113.2']);
  const rx = server.kernel.socket(AF_INET, SOCK_DGRAM);
  server.kernel.bind(rx, { port: 9 });
  const tx = p1!.kernel.socket(AF_INET, SOCK_DGRAM);
  p1!.kernel.sys.sendto(tx, 'hello', { address: server.ip, port: 9 });
  await world.advance('1s');
  const buffer = new Uint8Array(9);
  const { from } = server.kernel.sys.recvfrom(rx, buffer);
  assert.equal(from!.address, '203.0.113.1');
  server.kernel.sys.sendto(rx, 'back', from!);
  await world.advance('1s');
  assert.equal(p1!.kernel.sys.recv(tx, buffer), 4);
  assert.throws(() => server.kernel.sys.sendto(rx, 'x', { address: p1!.ip, port: 9 }), { code: 'ENETUNREACH' });
  world.partition([p1!], [server]);
  p1!.kernel.sys.sendto(tx, 'hello', { address: server.ip, port: 9 });
  await world.advance('1s');
  assert.throws(() => server.kernel.sys.recv(rx, buffer), { code: 'EAGAIN' });
  assert.equal(world.drops()['PARTITION'], 1);
});

test('routes for what was built by hand: the shortest way, the same in every run; a user\'s own route wins', async () => {
  const build = (): World => {
    const world = worldOf();
    // A ring of four routers, a LAN at each.
    const routers = [1, 2, 3, 4].map((n) => world.router(`r${String(n)}`));
    routers.forEach((router, i) => world.cable(router, routers[(i + 1) % 4]!));
    routers.forEach((router, i) => {
      const sw = world.switch(`s${String(i + 1)}`);
      world.cable(router, sw);
      world.cable(world.host(`h${String(i + 1)}`), sw);
    });
    return world;
  };
  const world = build();
  const [h1] = world.hosts.filter((host) => host.name === 'h1');
  h1!.route('10.0.6.0/24', { via: '10.0.4.1', metric: 0 });
  world.routes();
  assert.deepEqual(await lostAmong(world, world.hosts.filter((host) => host.name.startsWith('h'))), []);
  const hops = (await h1!.traceroute('h3')).hops.length;
  assert.equal(hops, 4, 'two routers on the way, whichever, and r3');
  const other = build();
  other.routes();
  other.routes();
  for (const [i, host] of other.hosts.entries()) {
    if (host.name !== 'h1') assert.equal(host.sh('ip route'), world.hosts[i]!.sh('ip route'), host.name);
  }
});

test('routes and addresses survive a crash', async () => {
  const world = worldOf();
  const { routers: [r1], left, right } = world.line(1);
  r1!.crash();
  r1!.boot();
  left.crash();
  left.boot();
  assert.deepEqual(await lostAmong(world, [left, right]), []);
});

const wrong: [string, RegExp, () => unknown][] = [
  ['a star of nothing', /star: n: 0 is out of range/, () => worldOf().star(0)],
  ['an unknown option', /line: cables: no such option/, () => worldOf().line(1, { cables: {} } as never)],
  ['a subnet that is none', /subnets: '10.0.0.0' is not understood/, () => worldOf().twoLans({ subnets: ['10.0.0.0'] })],
  ['names that are no array', /star: names: expected an array/, () => worldOf().star(1, { names: 'a' as never })],
  ['two of one name', /there is a host 'alice' already/, () => {
    const world = worldOf();
    world.twoHosts();
    world.twoHosts();
  }],
];

for (const [what, message, body] of wrong) test(`${what} is refused by name`, () => assert.throws(body, message));
