/**
 * Two programs behind NATs want to talk. A server outside tells each what the other looks like; then both send at once. Whether
 * that opens a way depends on how the NATs map and filter (RFC 4787). The table is tried out, not computed.
 *
 *   node --import tsx examples/14-nat-hole-punching.ts
 */
import { AF_INET, SOCK_DGRAM, World, type Host } from '../mod.ts';

type Nat = Omit<Parameters<Host['nat']>[0], 'outside'>;
const KINDS: Readonly<Record<string, Nat>> = {
  'full cone': { mapping: 'endpoint-independent', filtering: 'endpoint-independent' },
  'restricted': { mapping: 'endpoint-independent', filtering: 'address-dependent' },
  'port-restricted': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
  'symmetric': { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', portPreservation: false },
};

const bytes = new Uint8Array(100);
/** Do alice behind the one and bob behind the other hear each other within two seconds? */
async function punch(left: Nat, right: Nat): Promise<boolean> {
  const world = new World({ seed: 14 });
  const net = world.host('net', { forward: true, interfaces: ['198.51.100.1/24', '203.0.113.1/24', '192.0.2.1/24'].map((ip) => ({ ip })) });
  const home = (name: string, outside: string, port: number, nat: Nat): Host => {
    const gw = world.host(`${name}-gw`, { interfaces: [{ ip: `${outside}/24` }, { ip: '192.168.0.1/24' }] });
    const host = world.host(name, { ip: '192.168.0.2/24' });
    world.cable(gw.interfaces[0]!, net.interfaces[port]!, { delay: '10ms' });
    world.cable(gw.interfaces[1]!, host);
    gw.route('0.0.0.0/0', { via: net.interfaces[port]!.ip! });
    host.route('0.0.0.0/0', { via: '192.168.0.1' });
    gw.nat({ outside: 'eth0', ...nat });
    return host;
  };
  const peers = [home('alice', '198.51.100.7', 0, left), home('bob', '203.0.113.7', 1, right)];
  const server = world.host('server', { ip: '192.0.2.9/24' });
  world.cable(server, net.interfaces[2]!, { delay: '10ms' });
  server.route('0.0.0.0/0', { via: '192.0.2.1' });
  return await world.run(async () => {
    const fds = [...peers, server].map(({ kernel }) => kernel.socket(AF_INET, SOCK_DGRAM));
    [...peers, server].forEach(({ kernel }, i) => kernel.bind(fds[i]!, { port: 4000 }));
    const seen = [];
    for (const [i, { kernel }] of peers.entries()) {
      await kernel.sendto(fds[i]!, 'here I am', { address: server.ip, port: 4000 });
      seen.push((await server.kernel.recvfrom(fds[2]!, bytes)).from!);
    }
    const heard = peers.map(async ({ kernel }, i) => { // who hears something answers to where it came from
      return await kernel.sendto(fds[i]!, 'I hear you', (await kernel.recvfrom(fds[i]!, bytes)).from!) > 0;
    });
    for (let n = 0; n < 3; n++, await server.kernel.sleep('500ms')) {
      for (const [i, { kernel }] of peers.entries()) await kernel.sendto(fds[i]!, 'hello', seen[1 - i]!);
    }
    const late = server.kernel.sleep('500ms').then(() => false);
    return !(await Promise.all(heard.map((one) => Promise.race([one, late])))).includes(false);
  });
}
const names = Object.keys(KINDS);
console.log(`${''.padEnd(16)}${names.map((name) => name.padStart(16)).join('')}`);
for (const row of names) {
  let line = row.padEnd(16);
  for (const column of names) line += (await punch(KINDS[row]!, KINDS[column]!) ? 'through' : '-').padStart(16);
  console.log(line);
}
