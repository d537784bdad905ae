/** ping and traceroute: what they find out, and what they print, to the character. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, IPPROTO_ICMP, SOCK_DGRAM, SOCK_RAW, ToolError, World, type Cable, type Host } from '../../mod.ts';

interface Two {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
  readonly cable: Cable;
}

function two(): Two {
  const world = new World({ seed: 1, costs: 'zero' });
  const [alice, bob] = [world.host('alice', { ip: '10.0.0.1/24' }), world.host('bob', { ip: '10.0.0.2/24' })];
  const cable = world.cable(alice, bob, { delay: '1ms' });
  return { world, alice, bob, cable };
}

/** The round trips as `T`: they have their own tests. */
const shape = (text: string): string => text.replace(/\d+\.\d{3} ms/g, 'T ms');

test('ping prints like ping(8)', async () => {
  const { world, alice } = two();
  const result = await world.run(() => alice.ping('bob', { count: 3 }));
  assert.equal(String(result), `PING bob (10.0.0.2) 56(84) bytes of data.
64 bytes from bob (10.0.0.2): icmp_seq=1 ttl=64 time=4.01 ms
64 bytes from bob (10.0.0.2): icmp_seq=2 ttl=64 time=2.01 ms
64 bytes from bob (10.0.0.2): icmp_seq=3 ttl=64 time=2.01 ms

--- bob ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 2002ms
rtt min/avg/max/mdev = 2.006/2.675/4.012/0.946 ms
`);
  // Two ways of 1 ms, and the time of the bytes on them; the first one waited for ARP.
  assert.equal(alice.kernel.stack.layer.processes.size, 1, 'its process is gone');
});

test('the target may be an address; the size, the TTL and the interval are the caller\'s', async () => {
  const { world, alice, bob } = two();
  const heard = bob.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const result = await world.run(() => alice.ping('10.0.0.2', { count: 2, size: 0, ttl: 5, interval: '10ms' }));
  assert.match(String(result), /^PING 10\.0\.0\.2 \(10\.0\.0\.2\) 0\(28\) bytes/);
  assert.deepEqual(result.replies.map((r) => [r.seq, r.bytes, r.from]), [[1, 8, '10.0.0.2'], [2, 8, '10.0.0.2']]);
  const packet = new Uint8Array(100);
  assert.deepEqual([bob.kernel.sys.recv(heard, packet), packet[8]], [28, 5], 'the TTL on the wire');
  assert.ok(result.timeMs < 20);
});

test('what is lost counts as loss; a second reply is a duplicate', async () => {
  const { world, alice, cable } = two();
  await world.run(async () => {
    await alice.ping('bob', { count: 1 });
    using storm = cable.drop((p) => p.icmp !== undefined, { times: 1 });
    const lossy = await alice.ping('bob', { count: 4, interval: '20ms', timeout: '1s' });
    assert.deepEqual([lossy.transmitted, lossy.received, lossy.loss, storm.hits], [4, 3, 0.25, 1]);
    assert.match(String(lossy), /4 packets transmitted, 3 received, 25% packet loss, time \d+ms\n/);
    cable.setWeather({ delay: '1ms', duplicate: 1 });
    const twice = await alice.ping('bob', { count: 1, timeout: '1s' });
    assert.equal(twice.received, 1);
  });
  const dup = two();
  dup.cable.setWeather({ delay: '1ms', duplicate: 1 });
  const result = await dup.world.run(() => dup.alice.ping('bob', { count: 2, interval: '50ms' }));
  assert.ok(result.duplicates >= 1);
  assert.match(String(result), /time=[\d.]+ ms \(DUP!\)\n/);
  assert.match(String(result), /2 packets transmitted, 2 received, \+\d duplicates, 0% packet loss/);
});

test('nobody there: this host says so, after three ARP requests', async () => {
  const { world, alice } = two();
  const result = await world.run(() => alice.ping('10.0.0.77', { count: 1 }));
  assert.deepEqual([result.received, result.errors, result.loss, result.rtt], [0, 1, 1, null]);
  assert.match(String(result), /\nFrom 10\.0\.0\.1 icmp_seq=1 Destination Host Unreachable\n/);
  assert.match(String(result), /1 packets transmitted, 0 received, \+1 errors, 100% packet loss/);
});

test('a request that is too long with DF is a local error', async () => {
  const { world, alice } = two();
  const result = await world.run(() => alice.ping('bob', { count: 1, size: 1473, df: true }));
  assert.match(String(result), /\nping: local error: message too long, mtu=1500\n/);
  assert.deepEqual([result.transmitted, result.received, result.errors], [1, 0, 1]);
  const fits = await world.run(() => alice.ping('bob', { count: 1, size: 1472, df: true }));
  assert.equal(fits.received, 1);
});

test('no route: the error of the call', async () => {
  const { world, alice } = two();
  await assert.rejects(world.run(() => alice.ping('192.0.2.1')), { code: 'ENETUNREACH', syscall: 'sendto' });
  await assert.rejects(world.run(() => alice.ping('nobody')), new ToolError('ping: nobody: Name or service not known'));
  assert.equal(alice.kernel.stack.layer.processes.size, 1);
});

test('bad options are named', async () => {
  const { world, alice } = two();
  for (const [options, message] of [
    [{ count: 0 }, /ping: count: 0 is out of range/], [{ size: -1 }, /ping: size/], [{ ttl: 256 }, /ping: ttl/],
    [{ interval: 'soon' }, /ping: interval/], [{ speed: 1 }, /ping: speed: no such option; expected count/],
  ] as const) await assert.rejects(world.run(() => alice.ping('bob', options as object)), message);
  await assert.rejects(world.run(() => alice.traceroute('bob', { method: 'tcp' as 'udp' })), /expected 'udp' or 'icmp'/);
});

test('traceroute to a neighbour: one hop, by UDP and by ICMP', async () => {
  const { world, alice } = two();
  const udp = await world.run(() => alice.traceroute('bob'));
  assert.equal(shape(String(udp)), `traceroute to bob (10.0.0.2), 30 hops max, 60 byte packets
 1  bob (10.0.0.2)  T ms  T ms  T ms
`);
  const bob = ['10.0.0.2', ''];
  assert.deepEqual(udp.hops.map((h) => [h.ttl, ...h.probes.map((p) => [p.from, p.mark])]), [[1, bob, bob, bob]]);
  assert.ok(udp.reached);
  const icmp = await world.run(() => alice.traceroute('10.0.0.2', { method: 'icmp', queries: 1 }));
  assert.deepEqual([icmp.reached, icmp.hops.length, icmp.hops[0]!.probes[0]!.from], [true, 1, '10.0.0.2']);
});

test('traceroute to where nobody is: !H, said by this host', async () => {
  const { world, alice } = two();
  const result = await world.run(() => alice.traceroute('10.0.0.77', { queries: 1 }));
  assert.match(String(result), /\n 1  alice \(10\.0\.0\.1\)  \d+\.\d{3} ms !H\n$/);
  assert.equal(result.reached, false);
});

test('traceroute past silence: stars, until there are no hops left', async () => {
  const { world, alice, cable } = two();
  const result = await world.run(async () => {
    await alice.ping('bob', { count: 1 });
    using quiet = cable.drop((p) => p.udp !== undefined);
    void quiet;
    return await alice.traceroute('bob', { maxHops: 2, timeout: '100ms' });
  });
  assert.equal(String(result), `traceroute to bob (10.0.0.2), 2 hops max, 60 byte packets
 1  * * *
 2  * * *
`);
});

test('exec runs command lines that take time, sh says so', async () => {
  const { world, alice } = two();
  await world.run(async () => {
    assert.match(await alice.exec('ping -c1 -s 100 bob'), /^PING bob \(10\.0\.0\.2\) 100\(128\)[^]*1 received/);
    assert.match(await alice.exec('traceroute -I -q 1 bob 40'), /30 hops max, 40 byte packets\n 1 {2}bob/);
    assert.equal(await alice.exec('hostname'), 'alice\n');
    await assert.rejects(alice.exec('ping bob alice'), /ping: 'alice' is too much/);
    await assert.rejects(alice.exec('ping -x bob'), /ping: option '-x' is not understood; known are -c/);
    await assert.rejects(alice.exec('ping -c many bob'), /ping: count: 'many'/);
    await assert.rejects(alice.exec('ping -M must bob'), /expected do, want or dont/);
  });
  assert.throws(() => alice.sh('ping bob'), /'ping' takes time, and sh does not wait → await host\.exec/);
});

test('a user without rights pings, too: raw sockets are not needed', () => {
  const { alice } = two();
  assert.equal(alice.kernel.process({ uid: 1000 }).socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
});
