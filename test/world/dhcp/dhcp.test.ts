/** The life of a lease: from no address to none again, over virtual days. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World, type Host } from '../../../mod.ts';
import type { DhcpServer, DhcpServerOptions } from '../../../src/world/dhcp/server.ts';

function lan(options: Partial<DhcpServerOptions> = {}, seed: number = 1): { world: World; pc: Host; router: Host; server: DhcpServer } {
  const world = new World({ seed, costs: 'zero', digest: true });
  const router = world.host('router', { ip: '192.168.1.1/24' });
  const pc = world.host('pc', { dhcp: true });
  world.cable(router, pc, { delay: '1ms' });
  const server = router.dhcpServer({
    pool: ['192.168.1.100', '192.168.1.101'], router: '192.168.1.1', dns: ['192.168.1.1'], domain: 'home.example', ...options,
  });
  return { world, pc, router, server };
}

const HOUR_MS = 3_600_000;

test('DISCOVER, OFFER, REQUEST, ACK: address, route, resolver and name are set, as dhclient says', async () => {
  const { world, pc, router, server } = lan();
  router.nameServer({ zone: { origin: 'home.example', records: { printer: '192.168.1.9' } } });
  const client = pc.dhcpClient!;
  await world.run(async () => {
    const lease = await client.bound();
    assert.equal(lease.address, '192.168.1.100');
    assert.match(client.log[0]!, /^DHCPDISCOVER on eth0 to 255\.255\.255\.255 port 67 interval [345]$/);
    assert.deepEqual(client.log.slice(1), [
      'DHCPOFFER of 192.168.1.100 from 192.168.1.1',
      'DHCPREQUEST for 192.168.1.100 on eth0 to 255.255.255.255 port 67',
      'DHCPACK of 192.168.1.100 from 192.168.1.1',
      'bound to 192.168.1.100 -- renewal in 1799 seconds.',
    ]);
    // Four ways of 1 ms, and a second in which nobody says that the address is his.
    assert.equal(Math.round(world.now), 1004);
    assert.match(pc.sh('ip addr show dev eth0'), /inet 192\.168\.1\.100\/24 /);
    assert.match(pc.sh('ip route'), /^default via 192\.168\.1\.1 dev eth0 proto dhcp/m);
    assert.equal(pc.resolvConf(), 'nameserver 192.168.1.1\nsearch home.example\n');
    assert.equal((await pc.kernel.resolver.getaddrinfo('printer'))[0]!.address, '192.168.1.9');
    assert.deepEqual(router.kernel.resolve('pc').map((a) => a.address), ['192.168.1.100']);
    const leases = server.leases.map((l) => [l.address, l.state, l.hostname, l.mac]);
    assert.deepEqual(leases, [['192.168.1.100', 'bound', 'pc', '02:00:00:00:00:02']]);
  });
});

test('the first packets of a client come from 0.0.0.0 and go to everybody', async () => {
  const world = new World({ seed: 1 });
  const pc = world.host('pc', { dhcp: true });
  const peer = world.host('peer', { ip: '10.0.0.1/24' });
  world.cable(pc, peer);
  const lines: string[] = [];
  await world.run(async () => {
    using _dump = peer.tcpdump({ device: 'eth0', print: (line: string) => void lines.push(line) });
    await world.advance('2s');
  });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /0\.0\.0\.0\.68 > 255\.255\.255\.255\.67: /);
});

test('a lease is renewed at half its time, for days, and keeps no world running', async () => {
  const { world, pc, server } = lan({ leaseTime: '2h' });
  const client = pc.dhcpClient!;
  await world.run(async () => void await client.bound());
  await world.runUntilIdle();
  assert.ok(world.now < 10_000, 'the renewal is not waited for');
  await world.run(async () => {
    await world.advance(72 * HOUR_MS);
    assert.equal(client.state, 'bound');
    const renewals = client.log.filter((line) => line === 'DHCPREQUEST for 192.168.1.100 on eth0 to 192.168.1.1 port 67').length;
    assert.ok(renewals === 71 || renewals === 72, String(renewals));
    assert.equal(server.leases.length, 1);
  });
});

test('T1, T2, the end: its own server, then any, then no address; the route goes with it', async () => {
  const { world, pc, server } = lan({ leaseTime: '1h' });
  const client = pc.dhcpClient!;
  await world.run(async () => {
    await client.bound();
    const begin = client.log.length;
    server.close();
    const states: string[] = [];
    for (const minutes of [29, 31, 52, 53, 59, 61]) {
      await world.advance(minutes * 60_000 - world.now);
      states.push(`${String(minutes)} ${client.state} ${String(pc.interfaces[0]!.ip)}`);
    }
    assert.deepEqual(states, [
      '29 bound 192.168.1.100', '31 renewing 192.168.1.100', '52 renewing 192.168.1.100', '53 rebinding 192.168.1.100',
      '59 rebinding 192.168.1.100', '61 selecting null',
    ]);
    const said = client.log.slice(begin);
    assert.match(said[0]!, /^DHCPREQUEST for 192\.168\.1\.100 on eth0 to 192\.168\.1\.1 port 67$/);
    assert.ok(said.includes('DHCPREQUEST for 192.168.1.100 on eth0 to 255.255.255.255 port 67'));
    assert.ok(said.includes('lease of 192.168.1.100 has expired'));
    assert.doesNotMatch(pc.sh('ip route'), /default/);
    assert.deepEqual(world.hosts[0]!.kernel.resolve('pc'), []);
  });
});

test('a server that has forgotten says no, and the client begins anew', async () => {
  const { world, pc, router, server } = lan({ leaseTime: '1h' });
  const client = pc.dhcpClient!;
  await world.run(async () => {
    await client.bound();
    server.close();
    const reservations = { '02:00:00:00:00:02': '192.168.1.77' };
    const other = router.dhcpServer({ pool: ['192.168.1.200', '192.168.1.210'], reservations });
    await world.advance(31 * 60_000);
    assert.deepEqual(client.log.filter((line) => /NAK|bound/.test(line)).map((line) => line.replace(/ --.*/, '')), [
      'bound to 192.168.1.100', 'DHCPNAK from 192.168.1.1', 'bound to 192.168.1.77',
    ]);
    assert.deepEqual(pc.ips, ['192.168.1.77']);
    assert.equal(other.leases.length, 1);
  });
});

test('RELEASE gives the address back; the next client gets what was never lent first', async () => {
  const { world, pc, server } = lan();
  await world.run(async () => {
    await pc.dhcpClient!.bound();
    await pc.dhcpClient!.release();
    await world.advance('10ms');
    assert.deepEqual(server.leases, []);
    assert.equal(pc.interfaces[0]!.ip, null);
    assert.equal((await pc.dhcp().bound()).address, '192.168.1.100');
  });
});

test('somebody else is at the address: DECLINE, ten seconds of pause, another address', async () => {
  const { world, pc, router, server } = lan();
  // The router itself has the address, too; the server does not know.
  router.interfaces[0]!.addAddress('192.168.1.100/24');
  await world.run(async () => {
    assert.equal((await pc.dhcpClient!.bound()).address, '192.168.1.101');
    assert.ok(pc.dhcpClient!.log.includes('DHCPDECLINE of 192.168.1.100 on eth0 to 255.255.255.255 port 67'));
    assert.ok(world.now > 11_000 && world.now < 13_000);
    assert.deepEqual(server.leases.map((l) => `${l.address} ${l.state}`), ['192.168.1.100 declined', '192.168.1.101 bound']);
  });
});

test('loss is met by asking again, at 4, 8 and 16 seconds give or take one; nobody at all by five minutes of rest', async () => {
  const { world, pc, server } = lan();
  const sent: number[] = [];
  world.cables[0]!.drop((frame) => {
    if (frame.udp?.dport !== 67) return false;
    sent.push(world.now);
    return sent.length <= 3;
  });
  await world.run(async () => void await pc.dhcpClient!.bound());
  const gaps = sent.slice(1, 4).map((at, i) => (at - sent[i]!) / 1000);
  for (const [i, gap] of gaps.entries()) assert.ok(Math.abs(gap - 4 * 2 ** i) <= 1, `${String(i)}: ${String(gap)}`);
  assert.equal(server.leases.length, 1);

  const alone = lan();
  alone.server.close();
  await alone.world.runUntilIdle({ maxMs: 300_000 });
  assert.ok(alone.world.now > 90_000 && alone.world.now < 150_000, String(alone.world.now));
  assert.equal(alone.pc.dhcpClient!.log.at(-1), 'No DHCPOFFERS received.');
});

test('an empty pool offers nothing; a reservation is kept for its card', async () => {
  const reservations = { '02:00:00:00:00:04': '192.168.1.50' };
  const { world, pc, router, server } = lan({ pool: ['192.168.1.100', '192.168.1.100'], reservations });
  const [late, known] = [world.host('late', { dhcp: true }), world.host('known', { dhcp: true })];
  await world.run(async () => {
    await pc.dhcpClient!.bound();
    for (const host of [late, known]) {
      world.cables.at(-1)!.unplug();
      world.cable(router.interfaces[0]!, host.interfaces[0]!);
      await world.advance('20s');
    }
    assert.ok(server.stats.exhausted > 0);
    assert.equal(late.interfaces[0]!.ip, null);
    assert.equal(known.interfaces[0]!.ip, '192.168.1.50');
    assert.deepEqual(server.leases.map((l) => l.address), ['192.168.1.100', '192.168.1.50']);
  });
});

test('options are checked, and named', () => {
  const { router } = lan();
  const pool = (first: string, last: string): unknown => router.dhcpServer({ pool: [first, last] });
  assert.throws(() => pool('10.0.0.1', '10.0.0.2'), /pool: 10\.0\.0\.1 is not in the interface's subnet 192\.168\.1\.0\/24/);
  assert.throws(() => pool('192.168.1.9', '192.168.1.8'), /pool: from 192\.168\.1\.9 to 192\.168\.1\.8 are 0 addresses/);
  assert.throws(() => router.dhcpServer({ pool: 'all' as never }), /pool: 'undefined' is not an IPv4 address/);
  assert.throws(() => router.dhcp({ interface: 'eth9' }), /interface: router has no 'eth9'/);
  assert.throws(() => router.dhcp({ probes: true } as never), /dhcp: probes: no such option; expected interface, probe, hostname/);
});

test('after a crash the client asks again, and finds its address', async () => {
  const { world, pc } = lan();
  await world.run(async () => {
    await pc.dhcpClient!.bound();
    pc.crash();
    await world.advance('1s');
    pc.boot();
    assert.equal((await pc.dhcpClient!.bound()).address, '192.168.1.100');
  });
});

test('the same seed has the same leases at the same nanosecond', async () => {
  const once = async (seed: number): Promise<string> => {
    const { world, pc } = lan({}, seed);
    world.cables[0]!.setWeather({ loss: 0.4 });
    await world.run(async () => void await pc.dhcpClient!.bound());
    return world.digest();
  };
  assert.equal(await once(3), await once(3));
});
