/**
 * Two LANs and a router between them, in one call; then a third LAN by hand, and routes for all. traceroute shows the way, the
 * router's TTL and its counters show that it forwards, and a partition holds across it.
 *
 *   node --import tsx examples/10-router.ts
 */
import { World } from '../mod.ts';

const world = new World({ seed: 10 });
const { router, left, right } = world.twoLans({ hosts: 2, cable: { delay: '1ms' } });
const [l1, r2] = [left.hosts[0]!, right.hosts[1]!];

// One more network behind a second router, which hangs on the right LAN.
const branch = world.router('branch');
const far = world.host('far');
world.cable(branch, right.switch, { delay: '1ms' });
world.cable(branch, far, { delay: '20ms', rate: '10mbit' });
world.routes();

await world.run(async () => {
  console.log(`${l1.name} has ${l1.ip}; its routes:\n${l1.sh('ip route')}`);
  console.log(`${router.name}'s routes:\n${router.sh('ip route')}`);
  console.log(String(await l1.traceroute('far')));

  const server = far.net.createServer((socket) => socket.end(`hello ${String(socket.remoteAddress)}`)).listen(13);
  for await (const chunk of l1.net.connect(13, far.ip)) console.log(`${(world.now / 1000).toFixed(3)} s: ${String(chunk).trim()}`);
  server.close();

  world.partition([l1], [far]);
  const lost = await l1.ping('far', { count: 2, interval: '1s' });
  const fine = await r2.ping('far', { count: 2, interval: '1s' });
  console.log(`partition: l1 hears ${String(lost.received)} of 2 replies, r2 ${String(fine.received)} of 2`);
  world.heal();
});
console.log(router.sh('nstat IpForwDatagrams').trim());
