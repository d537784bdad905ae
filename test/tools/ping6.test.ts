/** ping and traceroute over IPv6: names, addresses, links; what they find out, and what they print, to the character. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToolError, World, type Cable, type Host } from '../../mod.ts';

interface Three {
  readonly world: World;
  readonly alice: Host;
  readonly router: Host;
  readonly bob: Host;
  /** From the router to bob. */
  readonly cable: Cable;
}

/** alice, a router, bob. All have IPv4 addresses, too. */
function three(mtu = 1500): Three {
  const world = new World({ seed: 1, costs: 'zero' });
  const alice = world.host('alice', { ip: '10.0.0.1/24', ip6: 'fd00::1/64' });
  const router = world.host('router', {
    interfaces: [{ ip6: 'fd00::ff/64' }, { ip6: 'fd01::ff/64', mtu }], sysctl: { 'net.ipv6.conf.all.forwarding': 1 },
  });
  const bob = world.host('bob', { interfaces: [{ ip6: 'fd01::2/64', mtu }] });
  world.cable(alice, router.interfaces[0]!, { delay: '1ms' });
  const cable = world.cable(router.interfaces[1]!, bob, { delay: '1ms' });
  alice.route('::/0', { via: 'fd00::ff' });
  bob.route('::/0', { via: 'fd01::ff' });
  return { world, alice, router, bob, cable };
}

const shape = (text: string): string => text.replace(/\d+\.\d{3} ms/g, 'T ms').replace(/time=[\d.]+/g, 'time=T');

test('ping prints like ping(8): a name, and an address', async () => {
  const { world, alice } = three();
  await world.run(async () => {
    const result = await alice.ping('bob', { count: 2, family: 6 });
    assert.equal(shape(String(result)).replace(/rtt .*\n/, ''), `PING bob(bob (fd01::2)) 56 data bytes
64 bytes from bob (fd01::2): icmp_seq=1 ttl=63 time=T ms
64 bytes from bob (fd01::2): icmp_seq=2 ttl=63 time=T ms

--- bob ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 1004ms
`);
    assert.deepEqual([result.family, result.address, result.received], [6, 'fd01::2', 2]);
    const literal = await alice.ping('FD01:0::2', { count: 1, size: 8 });
    assert.match(shape(String(literal)), /^PING FD01:0::2\(fd01::2\) 8 data bytes\n16 bytes from fd01::2: icmp_seq=1 ttl=63 time=T ms\n/);
  });
});

test('family: a name with both is pinged over IPv4 unless one asks for IPv6', async () => {
  const { world, alice, router } = three();
  alice.kernel.hosts.add('six', 'fd01::2');
  await world.run(async () => {
    assert.equal((await router.ping('alice', { count: 1, family: 6 })).address, 'fd00::1');
    assert.equal((await alice.ping('alice', { count: 1 })).address, '10.0.0.1');
    assert.equal((await alice.ping('six', { count: 1 })).address, 'fd01::2');
    assert.equal((await alice.ping('localhost', { count: 1, family: 6 })).address, '::1');
    const unsupported = 'Address family for hostname not supported';
    await assert.rejects(alice.ping('six', { family: 4 }), new ToolError(`ping: six: ${unsupported}`));
    await assert.rejects(alice.ping('10.0.0.1', { family: 6 }), new ToolError(`ping: 10.0.0.1: ${unsupported}`));
    await assert.rejects(alice.ping('nobody', { family: 6 }), new ToolError('ping: nobody: Name or service not known'));
    await assert.rejects(alice.ping('bob', { family: 5 as 6 }), /ping: family: 5 is not understood; expected 4 or 6/);
  });
});

test('a link-local address with its zone, or by a device; all nodes answer, each by its own address', async () => {
  const { world, alice, router } = three();
  const link = /inet6 (fe80::[0-9a-f:]+)/.exec(router.sh('ip -6 addr'))![1]!;
  await world.run(async () => {
    const zoned = await alice.ping(`${link}%eth0`, { count: 1 });
    assert.match(shape(String(zoned)), new RegExp(`64 bytes from ${link}%eth0: icmp_seq=1 ttl=64`));
    assert.equal((await alice.ping(link, { count: 1, from: 'eth0' })).received, 1);
    await assert.rejects(alice.ping(link, { count: 1 }), { code: 'EINVAL' });
    const all = await alice.ping('ff02::1%eth0', { count: 2, interval: '20ms' });
    assert.equal(all.duplicates, 1, 'this host hears itself first');
    assert.ok(all.replies.some((r) => r.from === `${link}%eth0`), String(all));
  });
});

test('what routers say: no route, hop limit, address unreachable, packet too big', async () => {
  const { world, alice } = three(1280);
  await world.run(async () => {
    const say = async (target: string, options: object): Promise<string> =>
      String(await alice.ping(target, { count: 1, family: 6, ...options }));
    assert.match(await say('fd02::1', {}), /\nFrom fd00::ff icmp_seq=1 Destination unreachable: No route\n/);
    assert.match(await say('bob', { ttl: 1 }), /\nFrom fd00::ff icmp_seq=1 Time exceeded: Hop limit\n/);
    assert.match(await say('fd01::99', {}), /\nFrom fd00::ff icmp_seq=1 Destination unreachable: Address unreachable\n/);
    assert.match(await say('bob', { size: 1300, df: true }), /\nFrom fd00::ff icmp_seq=1 Packet too big: mtu=1280\n/);
    assert.match(await say('bob', { size: 1300, df: true }), /\nping: local error: message too long, mtu=1280\n/, 'it has learned');
    assert.equal((await alice.ping('bob', { count: 1, size: 60_000, family: 6 })).received, 1, 'in fragments');
  });
});

test('traceroute: by UDP and by ICMPv6, 80 bytes; a closed road, a silent one', async () => {
  const { world, alice, cable } = three();
  await world.run(async () => {
    const way = `traceroute to bob (fd01::2), 30 hops max, 80 byte packets
 1  router (fd00::ff)  T ms  T ms  T ms
 2  bob (fd01::2)  T ms  T ms  T ms
`;
    const udp = await alice.traceroute('bob', { family: 6 });
    assert.equal(shape(String(udp)), way);
    assert.deepEqual([udp.family, udp.reached], [6, true]);
    assert.equal(shape(String(await alice.traceroute('bob', { method: 'icmp', family: 6 }))), way);
    const nobody = await alice.traceroute('fd01::99', { queries: 1 });
    assert.deepEqual(nobody.hops.map((h) => h.probes[0]!.mark), ['', '!H']);
    assert.equal(nobody.reached, false);
    assert.match(String(await alice.traceroute('fd02::1', { queries: 1 })), /\n 1  router \(fd00::ff\)  \d+\.\d{3} ms !N\n$/);
    using quiet = cable.drop(() => true);
    void quiet;
    const silent = await alice.traceroute('bob', { family: 6, firstHop: 2, maxHops: 2, timeout: '50ms', queries: 2 });
    assert.deepEqual(silent.hops[0]!.probes.map((p) => p.from), [null, null]);
  });
});

test('command lines: ping -6, ping6, traceroute -6, traceroute6', async () => {
  const { world, alice } = three();
  await world.run(async () => {
    assert.match(await alice.exec('ping -6 -c1 alice'), /^PING alice\(alice \(fd00::1\)\) 56 data bytes\n/);
    assert.match(await alice.exec('ping6 -c 1 -s 100 bob'), /\n108 bytes from bob/);
    assert.match(await alice.exec('ping -4 -c1 alice'), /^PING alice \(10\.0\.0\.1\)/);
    assert.match(await alice.exec('traceroute -6 -q 1 bob'), /^traceroute to bob \(fd01::2\), 30 hops max, 80 byte/);
    assert.match(await alice.exec('traceroute6 -I -q 1 bob 100'), /100 byte packets\n 1 {2}router \(fd00::ff\)/);
  });
  assert.throws(() => alice.sh('ping6 bob'), /'ping6' takes time, and sh does not wait → await host\.exec\('ping6 …'\), or host\.ping\(/);
});
