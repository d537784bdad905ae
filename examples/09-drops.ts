/**
 * No packet is lost without a name. Here datagrams end in nine different ways; each end has a reason, Linux's word where Linux
 * has one, and most have a counter besides.
 *
 *   node --import tsx examples/09-drops.ts
 */
import { AF_INET, SO_RCVBUF, SOCK_DGRAM, SOL_SOCKET, World } from '../mod.ts';

const world = new World({ seed: 9 });
const alice = world.host('alice');
const bob = world.host('bob', { interfaces: [{ card: { rxRing: 8, rxUsecs: 500 } }] }); // a small ring, and an interrupt that is late
const cable = world.cable(alice, bob, { delay: '1ms', rate: '1gbit' });

const from = alice.kernel.socket(AF_INET, SOCK_DGRAM);
const to = bob.kernel.socket(AF_INET, SOCK_DGRAM);
bob.kernel.bind(to, { port: 9 });

/** Sends datagrams, waits a second, and says what became of them. */
async function send(what: string, count: number = 1, port: number = 9): Promise<void> {
  const before = world.drops();
  for (let i = 0; i < count; i++) alice.kernel.sys.sendto(from, new Uint8Array(1000), { address: bob.ip, port });
  await alice.kernel.sleep('1s');
  const lost = Object.entries(world.drops()).map(([reason, n]) => [reason, n - (before[reason] ?? 0)] as const)
    .flatMap(([reason, n]) => (n > 0 ? [`${reason} ${String(n)}`] : []));
  console.log(`${what.padEnd(42)} ${lost.join(', ') || 'nothing is dropped'}`);
}

await world.run(async () => {
  await send('a datagram, well');
  await send('to a port where nobody is', 1, 4242);
  await send('twelve into a receive ring of eight', 12);
  bob.kernel.setsockopt(to, SOL_SOCKET, SO_RCVBUF, 4096);
  await send('to a reader who sleeps, buffer full', 2);
  {
    using rule = cable.drop((frame) => frame.udp?.dport === 9);
    await send(`a rule on the cable (${String(rule.active)})`);
  }
  cable.corrupt((frame) => frame.udp !== null, { times: 1 });
  await send('a bit flips on the way');
  cable.setWeather({ loss: 1 });
  await send('bad weather');
  cable.setWeather({ loss: 0, limit: 2 });
  await send('six at once, the cable\'s queue takes two', 6);
  world.partition([alice], [bob]);
  await send('a partition');
  world.heal();
  cable.setUp(false);
  await send('the cable is pulled');
  alice.kernel.close(from);
  bob.kernel.close(to);
});
await world.runUntilIdle();
console.log(`\nbob$ nstat 'Udp*'\n${bob.sh("nstat 'Udp*'")}`);
const card = bob.sh('ethtool -S eth0').split('\n').filter((line) => /rx_(packets|missed|crc)/.test(line));
console.log(`bob$ ethtool -S eth0 | grep rx_\n${card.join('\n')}`);
console.log(`\npackets still alive: ${String(world.check().skbs)}`);
