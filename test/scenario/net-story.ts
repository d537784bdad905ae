/**
 * Tells a story of a whole network and prints its digests: run by digest.test.ts under every runtime at hand. Private hosts behind a
 * NAT gateway, a switch with VLANs and a spanning tree, a router with a discipline, IPv6, names that are looked up over the
 * network, and a plan of faults.
 */
import { AF_INET6, POLLIN, SOCK_DGRAM, World, type Fault } from '../../mod.ts';

const PLAN: readonly Fault[] = [
  { kind: 'weather', cable: 'p1.eth0~inside.p2', weather: { loss: 0.2, jitter: '3ms' }, at: '100ms', for: '2s' },
  { kind: 'partition', a: ['p2'], b: ['server'], at: '1s', for: '3s', hold: true },
  { kind: 'switch-port', switch: 'outside', port: 3, at: '5s', for: '500ms' },
  { kind: 'sysctl', host: 'server', name: 'net.ipv4.tcp_mem', value: '2 4 8', at: '2s', for: '4s' },
  { kind: 'crash', host: 'gateway', at: '9s', for: '1s' },
];

async function tell(seed: number): Promise<string> {
  const world = new World({ seed, digest: true });
  const { gateway, inside, outside, server } = world.natGateway({ inside: 2, outside: 2, cable: { delay: '3ms', rate: '20mbit' } });
  const [p1, p2] = inside.hosts;
  const name = outside.hosts[1]!;
  const ring = ['s1', 's2', 's3'].map((s) => world.switch(s, { stp: true }));
  ring.forEach((sw, i) => world.cable(sw, ring[(i + 1) % 3]!));
  const [six1, six2] = ['six1', 'six2'].map((s) => world.host(s));
  world.cable(six1!, ring[0]!);
  world.cable(six2!, ring[1]!, { loss: 0.05 });
  world.dns({ '.': { on: server }, 'example.': { on: name, text: 'www A 203.0.113.2\n    AAAA 2001:db8::1\n' } }, name);
  gateway.sh('tc qdisc replace dev eth1 root netem delay 5ms 2ms distribution normal loss 2%');
  gateway.sh('iptables -A FORWARD -p udp --dport 7 -m statistic --mode nth --every 4 -j DROP');
  using _faults = world.faults(PLAN);
  const said: string[] = [];
  await world.run(async () => {
    const replies = await p1!.ping(server.ip, { count: 20, interval: '100ms' });
    said.push(String(replies.received));
    said.push((await name.exec(`dig +short @${name.ip} www.example`)).trim());
    said.push((await p1!.exec(`dig +short @${name.ip} www.example AAAA`)).trim());
    said.push(String((await p2!.ping(server.ip, { count: 3 })).received));
  });
  const rx = six2!.kernel.socket(AF_INET6, SOCK_DGRAM);
  six2!.kernel.bind(rx, { port: 9 });
  const tx = six1!.kernel.socket(AF_INET6, SOCK_DGRAM);
  let got = 0;
  for (let i = 0; i < 60; i++) {
    six1!.kernel.sys.sendto(tx, new Uint8Array(3000).fill(i), { address: six2!.ip6, port: 9 }); // three fragments each
    await world.advance('1s');
    while (six2!.kernel.sys.poll([{ fd: rx, events: POLLIN }]) > 0 && six2!.kernel.sys.recv(rx, new Uint8Array(3000)) > 0) got++;
  }
  said.push(String(got));
  world.stop();
  return `${world.digest()} ${world.now} ${said.join(',')}`;
}

for (let seed = 1; seed <= 3; seed++) console.log(`${seed} ${await tell(seed)}`);
