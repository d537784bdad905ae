/**
 * No packet is lost without a name. Here a datagram ends in eight different ways; each end has a reason, Linux's word where
 * Linux has one, and most have a counter besides.
 *
 *   node --import tsx examples/09-drops.ts
 */
import { AF_INET, SO_RCVBUF, SOCK_DGRAM, SOL_SOCKET, World } from '../mod.ts';
import { dropName } from '../src/skb/drop-reason.ts';

const world = new World({ seed: 9 });
const alice = world.host('alice', { interfaces: [{ card: { rxRing: 4 } }] });
const bob = world.host('bob', { interfaces: [{ card: { rxRing: 4 } }] });
const cable = world.cable(alice, bob, { delay: '1ms', rate: '1gbit' });
const { drops } = world.parts.pool;

const from = alice.kernel.socket(AF_INET, SOCK_DGRAM);
const to = bob.kernel.socket(AF_INET, SOCK_DGRAM);
bob.kernel.bind(to, { port: 9 });

/** Sends datagrams, waits a second, and says what became of them. */
async function send(what: string, count: number, port: number = 9): Promise<void> {
  const before = [...drops];
  for (let i = 0; i < count; i++) alice.kernel.sys.sendto(from, new Uint8Array(1000), { address: bob.ip, port });
  await alice.kernel.sleep('1s');
  const lost = [...drops].flatMap((n, reason) => (n > before[reason]! ? [`${dropName(reason)} ${String(n - before[reason]!)}`] : []));
  console.log(`${what.padEnd(46)} ${lost.join(', ') || 'nothing is dropped'}`);
}

await world.run(async () => {
  await send('one datagram, well', 1);
  await send('to a port where nobody is', 1, 4242);
  bob.kernel.setsockopt(to, SOL_SOCKET, SO_RCVBUF, 4096);
  await send('ten, and the reader is slow', 10);
  bob.kernel.close(to);
  const fresh = bob.kernel.socket(AF_INET, SOCK_DGRAM);
  bob.kernel.bind(fresh, { port: 9 });
  { using rule = cable.drop((frame) => frame.udp !== null); await send(`a rule on the cable (${String(rule.active)})`, 1); }
  { using rule = cable.corrupt((frame) => frame.udp !== null); await send(`a bit flips on the way (${String(rule.active)})`, 1); }
  cable.setWeather({ loss: 1 });
  await send('the weather is bad', 1);
  cable.setWeather({ loss: 0, limit: 2 });
  await send('twenty at once, two fit into the cable\'s queue', 20);
  cable.setWeather({ limit: 1000 });
  world.partition([alice], [bob]);
  await send('a partition', 1);
  world.heal();
  cable.setUp(false);
  await send('the cable is pulled', 1);
});
console.log(`\nbob$ nstat 'Udp*'\n${bob.sh("nstat 'Udp*'")}`);
console.log(`packets still alive: ${String(world.check().skbs)}`);
