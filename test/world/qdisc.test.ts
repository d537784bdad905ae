/** Disciplines of hosts in a world: what programs notice of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_STREAM, World, type Host } from '../../mod.ts';

async function transfer(from: Host, to: Host, size: number): Promise<number> {
  const listener = to.kernel.socket(AF_INET, SOCK_STREAM);
  to.kernel.bind(listener, { port: 9 });
  to.kernel.listen(listener);
  const started = from.kernel.now;
  const send = async (): Promise<void> => {
    const fd = from.kernel.socket(AF_INET, SOCK_STREAM);
    await from.kernel.connect(fd, { address: to.ip, port: 9 });
    await from.kernel.write(fd, new Uint8Array(size));
    from.kernel.close(fd);
  };
  const sent = send();
  const { fd } = await to.kernel.accept(listener);
  const buffer = new Uint8Array(65536);
  let total = 0;
  for (let n = await to.kernel.read(fd, buffer); n > 0; n = await to.kernel.read(fd, buffer)) total += n;
  to.kernel.close(fd);
  to.kernel.close(listener);
  await sent;
  assert.equal(total, size);
  return from.kernel.now - started;
}

test('netem on both hosts is a long and bad path; a line of tc makes it worse, and another one ends it', async () => {
  const world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  for (const host of [alice, bob]) host.qdisc('eth0', { kind: 'netem', delay: '40ms', jitter: '5ms', loss: { p: 0.02, r: 0.4 } });
  await world.run(async () => {
    await alice.ping('bob', { count: 2 }); // ARP waits on the same path
    const { rtt } = await alice.ping('bob', { count: 20, interval: '50ms' });
    assert.ok(rtt!.min >= 70 && rtt!.max <= 91, JSON.stringify(rtt));
    await transfer(alice, bob, 300_000);
    assert.ok(world.drops()['QDISC_DROP']! > 0);
    alice.sh('tc qdisc change dev eth0 root netem delay 200ms');
    assert.ok((await alice.ping('bob', { count: 5, interval: '20ms' })).rtt!.min >= 235);
    for (const host of [alice, bob]) host.sh('tc qdisc del dev eth0 root');
    assert.ok((await alice.ping('bob', { count: 5, interval: '20ms' })).rtt!.min < 1);
  });
  world.stop();
});

test('a token bucket is the speed of a transfer', async () => {
  const world = new World({ seed: 5 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob, { delay: '5ms' });
  alice.sh('tc qdisc add dev eth0 root handle 1: tbf rate 8mbit burst 16kb latency 100ms');
  alice.sh('tc qdisc add dev eth0 parent 1:1 handle 10: fq_codel');
  const ms = await world.run(() => transfer(alice, bob, 1_000_000));
  // 691 segments of 1514 bytes at a byte per microsecond, less the bucket that was full; handshake and FIN besides.
  assert.ok(ms > 1046 - 17 && ms < 1046 + 60, String(ms));
  assert.match(alice.sh('tc -s qdisc show dev eth0'), /^qdisc tbf 1: root .*\n Sent 1\d{6} bytes 69\d pkt \(dropped \d+, overlimits \d+ /);
  assert.equal(alice.qdisc('eth0').children[0]!.kind, 'fq_codel');
  world.stop();
});

test('a crash ends what waits in a discipline; the one that the world was told of is there again after the boot', async () => {
  const world = new World({ seed: 6 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  alice.qdisc('eth0', { kind: 'netem', delay: '1s' });
  await world.run(async () => {
    void alice.ping('bob', { count: 3, interval: '10ms' }); // dies with its host
    await world.advance('100ms');
    assert.ok(alice.qdisc('eth0').qlen > 0);
    alice.crash();
    alice.boot();
    assert.deepEqual([alice.qdisc('eth0').kind, alice.qdisc('eth0').qlen], ['netem', 0]);
    await world.advance('5s');
  });
  assert.equal(world.check().skbs, 0);
  assert.ok(world.drops()['QUEUE_PURGE']! > 0);
  world.stop();
});
