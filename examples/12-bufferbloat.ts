/**
 * Bufferbloat: an upload fills the queue of a home router's slow uplink, and everybody else's packets wait behind it. fq_codel
 * keeps the queue short and lets the thin flow pass; the upload loses next to nothing.
 *
 *   node --import tsx examples/12-bufferbloat.ts
 */
import { AF_INET, SOCK_STREAM, World, type Host, type QdiscOptions } from '../mod.ts';

const SIZE = 10_000_000;

async function receive(host: Host): Promise<void> {
  const { kernel } = host;
  const listener = kernel.socket(AF_INET, SOCK_STREAM);
  kernel.bind(listener, { port: 9 });
  kernel.listen(listener);
  const { fd } = await kernel.accept(listener);
  const buffer = new Uint8Array(65536);
  while (await kernel.read(fd, buffer) > 0);
  kernel.close(fd);
  kernel.close(listener);
}

async function upload(from: Host, to: Host): Promise<void> {
  const fd = from.kernel.socket(AF_INET, SOCK_STREAM);
  await from.kernel.connect(fd, { address: to.ip, port: 9 });
  await from.kernel.write(fd, new Uint8Array(SIZE));
  from.kernel.close(fd);
}

console.log('                upload    ping: min     mean      max  queued  drops  marks');
const disciplines: readonly QdiscOptions[] = [
  { kind: 'pfifo_fast' }, { kind: 'pfifo', limit: 50 }, { kind: 'codel' }, { kind: 'fq_codel' },
];
for (const qdisc of disciplines) {
  const world = new World({ seed: 12 });
  const [alice, bob] = [world.host('alice', { ip: '192.168.1.2/24' }), world.host('bob', { ip: '203.0.113.2/24' })];
  const router = world.host('router', {
    forward: true, interfaces: [{ ip: '192.168.1.1/24' }, { ip: '203.0.113.1/24', card: { speed: '10mbit' } }],
  });
  world.cable(alice, router.interfaces[0]!);
  world.cable(router.interfaces[1]!, bob, { delay: '10ms' });
  alice.route('0.0.0.0/0', { via: '192.168.1.1' });
  bob.route('0.0.0.0/0', { via: '203.0.113.1' });
  router.qdisc('eth1', qdisc); // or router.sh('tc qdisc replace dev eth1 root fq_codel')

  const ping = await world.run(async () => {
    const uploaded = Promise.all([receive(bob), upload(alice, bob)]);
    await alice.kernel.sleep('1s');
    const result = await alice.ping(bob.ip, { count: 60, interval: '100ms' });
    await uploaded;
    return result;
  });
  const { drops, maxQlen, ecnMark } = router.qdisc('eth1');
  const rtt = [ping.rtt!.min, ping.rtt!.avg, ping.rtt!.max].map((ms) => `${ms.toFixed(1)} ms`.padStart(9));
  const queue = [maxQlen, drops, ecnMark].map((n) => String(n).padStart(7));
  const goodput = `${((SIZE * 8) / 1e3 / world.now).toFixed(2)} Mbit/s`.padStart(12);
  console.log(`${qdisc.kind.padEnd(12)} ${goodput} ${rtt.join('')} ${queue.join('')}`);
  world.stop();
}
