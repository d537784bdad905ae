/** NAT on a gateway: what Linux's targets do on the wire, and devices by the names of RFC 4787. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_DGRAM, World, type Host } from '../../../mod.ts';
import { devClose } from '../../../src/dev/registry.ts';
import type { NatOptions } from '../../../src/host/iptables/nat.ts';

interface Home {
  readonly world: World;
  readonly gw: Host;
  readonly pc: Host;
  readonly tv: Host;
  readonly s1: Host;
  readonly s2: Host;
}

/** Two hosts behind a gateway, two servers before it. Outside, nobody has a route to the inside. */
function home(nat?: NatOptions, seed = 1): Home {
  const world = new World({ seed });
  const gw = world.host('gw', {
    forward: true,
    interfaces: [{ ip: '203.0.113.1/24' }, { ip: '203.0.114.1/24' }, { ip: '192.168.0.1/24' }, { ip: '192.168.1.1/24' }],
  });
  const host = (name: string, ip: string, port: number, via: string): Host => {
    const h = world.host(name, { ip: `${ip}/24` });
    world.cable(h, gw.interfaces[port]!, { delay: '1ms' });
    if (via !== '') h.route('0.0.0.0/0', { via });
    return h;
  };
  const s1 = host('s1', '203.0.113.9', 0, '');
  const s2 = host('s2', '203.0.114.9', 1, '203.0.114.1');
  const pc = host('pc', '192.168.0.2', 2, '192.168.0.1');
  const tv = host('tv', '192.168.1.2', 3, '192.168.1.1');
  if (nat !== undefined) gw.nat(nat);
  return { world, gw, pc, tv, s1, s2 };
}

/** A datagram socket, bound to `port`. */
class Udp {
  readonly host: Host;
  readonly fd: number;

  constructor(host: Host, port: number) {
    this.host = host;
    this.fd = host.kernel.socket(AF_INET, SOCK_DGRAM);
    host.kernel.bind(this.fd, { port });
  }

  async send(address: string, port: number, text = 'x'): Promise<void> {
    await this.host.kernel.sendto(this.fd, text, { address, port });
  }

  /** `address:port` of the next datagram, or 'nothing' when none comes in a second. */
  async hear(): Promise<string> {
    const timer = this.host.kernel.sleep('1s').then(() => 'nothing');
    const got = this.host.kernel.recvfrom(this.fd, new Uint8Array(2000));
    const first = await Promise.race([timer, got.then(({ from }) => `${from!.address}:${String(from!.port)}`)]);
    await timer;
    return first;
  }
}

/** Runs `main` on a home network whose gateway masquerades by default. */
async function at(nat: NatOptions | undefined, main: (h: Home) => Promise<void>, seed = 1): Promise<Home> {
  const h = home(nat, seed);
  await h.world.run(() => main(h));
  return h;
}

const MASQUERADE: NatOptions = { outside: 'eth0' };

test('MASQUERADE: the world sees the gateway, the port is kept, answers come back', async () => {
  await at(MASQUERADE, async ({ pc, s1, gw }) => {
    const [inside, server] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await inside.send(s1.ip, 9);
    assert.equal(await server.hear(), '203.0.113.1:5000');
    await server.send('203.0.113.1', 5000);
    assert.equal(await inside.hear(), '203.0.113.9:9', 'from whom it was sent to');
    assert.deepEqual(gw.conntrack.list().map((c) => [c.snat, c.dnat, c.seenReply]), [[true, false, true]]);
  });
});

test('two hosts with one source port: the second gets another, and keeps it for its next peer', async () => {
  await at(MASQUERADE, async ({ pc, tv, s1 }) => {
    const [a, b, server, other] = [new Udp(pc, 5000), new Udp(tv, 5000), new Udp(s1, 9), new Udp(s1, 10)];
    await a.send(s1.ip, 9);
    await server.hear();
    await b.send(s1.ip, 9);
    const second = await server.hear();
    assert.notEqual(second, '203.0.113.1:5000');
    await b.send(s1.ip, 10);
    assert.equal(await other.hear(), second, 'what a source has become, it becomes again');
    await server.send('203.0.113.1', Number(second.split(':')[1]));
    assert.equal(await b.hear(), '203.0.113.9:9');
  });
});

test('SNAT into a range of addresses and ports, DNAT to a host inside, REDIRECT to the gateway itself', async () => {
  await at(undefined, async ({ gw, pc, s1 }) => {
    gw.interfaces[0]!.addAddress('203.0.113.5/24');
    gw.sh('iptables -t nat -A POSTROUTING -o eth0 -p udp -j SNAT --to-source 203.0.113.5:7000-7001');
    gw.sh('iptables -t nat -A PREROUTING -i eth0 -p udp --dport 53 -j DNAT --to-destination 192.168.0.2:5353');
    gw.sh('iptables -t nat -A PREROUTING -i eth2 -p udp --dport 123 -j REDIRECT --to-ports 1123');
    const [inside, dns, server, ntp] = [new Udp(pc, 5000), new Udp(pc, 5353), new Udp(s1, 9), new Udp(gw, 1123)];
    await inside.send(s1.ip, 9);
    assert.match(await server.hear(), /^203\.0\.113\.5:700[01]$/);
    await server.send('203.0.113.1', 53);
    assert.equal(await dns.hear(), '203.0.113.9:9');
    await dns.send('203.0.113.9', 9);
    assert.equal(await server.hear(), '203.0.113.1:53', 'the answer is from whom it was asked');
    await inside.send(s1.ip, 123);
    assert.equal(await ntp.hear(), '192.168.0.2:5000');
    await ntp.send('192.168.0.2', 5000);
    assert.equal(await inside.hear(), '203.0.113.9:123', 'it believes to have spoken to s1');
  });
});

test('DNAT of our own packets: OUTPUT sends them another way, to another host or to lo', async () => {
  await at(undefined, async ({ pc, gw }) => {
    pc.sh('iptables -t nat -A OUTPUT -p udp -d 198.51.100.1 -j DNAT --to-destination 192.168.0.1:99');
    pc.sh('iptables -t nat -A OUTPUT -p udp -d 198.51.100.2 -j REDIRECT --to-ports 98');
    const [own, there, here] = [new Udp(pc, 5000), new Udp(gw, 99), new Udp(pc, 98)];
    await own.send('198.51.100.1', 7);
    assert.equal(await there.hear(), '192.168.0.2:5000');
    await there.send('192.168.0.2', 5000);
    assert.equal(await own.hear(), '198.51.100.1:7');
    await own.send('198.51.100.2', 7);
    assert.match(await here.hear(), /:5000$/);
  });
});

test('TCP, ping and its errors cross the gateway; the packet inside of an ICMP error is translated back', async () => {
  const h = await at(MASQUERADE, async ({ pc, s1, gw }) => {
    const server = s1.net.createServer((s) => s.end(s.remoteAddress!)).listen(80, s1.ip);
    const said = await new Promise((resolve) => pc.net.connect(80, s1.ip).on('data', (d) => resolve(String(d))));
    assert.equal(said, '203.0.113.1');
    server.close();
    assert.equal((await pc.ping(s1.ip, { count: 2 })).received, 2);
    const fd = pc.kernel.socket(AF_INET, SOCK_DGRAM);
    await pc.kernel.connect(fd, { address: s1.ip, port: 77 });
    await pc.kernel.write(fd, 'x');
    await assert.rejects(pc.kernel.read(fd, new Uint8Array(1)), { code: 'ECONNREFUSED' });
    pc.kernel.close(fd);
    const way = await pc.traceroute(s1.ip);
    assert.deepEqual(way.hops.map((hop) => hop.probes[0]!.from), ['192.168.0.1', '203.0.113.9']);
    gw.sh('iptables -A FORWARD -p tcp --dport 81 -j REJECT --reject-with tcp-reset');
    const refused = pc.net.connect(81, s1.ip);
    assert.equal((await new Promise<NodeJS.ErrnoException>((resolve) => refused.on('error', resolve))).code, 'ECONNREFUSED');
  });
  // What the gateway itself says about the probes that it did not let through belongs to no connection.
  assert.equal(h.gw.conntrack.stats.invalid, 3);
});

test('RFC 4787 REQ-14: datagrams in fragments are translated, whole, both ways', async () => {
  await at(MASQUERADE, async ({ pc, s1 }) => {
    const [inside, server] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await inside.send(s1.ip, 9, 'y'.repeat(5000));
    assert.equal(await server.hear(), '203.0.113.1:5000');
    await server.send('203.0.113.1', 5000, 'z'.repeat(5000));
    assert.equal(await inside.hear(), '203.0.113.9:9');
  });
});

test('checksums are right after NAT, as a card without offloads sees them', async () => {
  const world = new World({ seed: 1 });
  const plain = { card: { txCsum: false, rxCsum: false, tso: false } } as const;
  const gw = world.host('gw', { interfaces: [{ ip: '203.0.113.1/24', ...plain }, { ip: '192.168.0.1/24', ...plain }] });
  const pc = world.host('pc', { interfaces: [{ ip: '192.168.0.2/24', ...plain }] });
  const s1 = world.host('s1', { interfaces: [{ ip: '203.0.113.9/24', ...plain }] });
  world.cable(pc, gw.interfaces[1]!);
  world.cable(s1, gw.interfaces[0]!);
  pc.route('0.0.0.0/0', { via: '192.168.0.1' });
  gw.nat({ outside: 'eth0' });
  await world.run(async () => {
    const server = s1.net.createServer((s) => s.pipe(s)).listen(80);
    const got = await new Promise<number>((resolve) => {
      let n = 0;
      const c = pc.net.connect(80, s1.ip).on('data', (d) => (n += d.length)).on('end', () => resolve(n));
      c.end(Buffer.alloc(100_000, 7));
    });
    assert.equal(got, 100_000);
    server.close();
    const [u, v] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await u.send(s1.ip, 9, 'odd');
    assert.equal(await v.hear(), '203.0.113.1:5000');
  });
  for (const h of [gw, pc, s1]) {
    const { TcpInCsumErrors, UdpInCsumErrors, IpExtInCsumErrors, IcmpInCsumErrors } = h.kernel.nstat();
    assert.deepEqual([TcpInCsumErrors, UdpInCsumErrors, IpExtInCsumErrors, IcmpInCsumErrors], [0, 0, 0, 0], h.name);
  }
});

// ---- RFC 4787 -------------------------------------------------------------------------------------------------------

/** Outside ports of one inside endpoint towards s1:9, s1:10 and s2:9. */
async function ports(mapping: NatOptions['mapping']): Promise<number[]> {
  const seen: number[] = [];
  const h = home({ outside: 'eth0', mapping: mapping!, portPreservation: false });
  h.s1.interfaces[0]!.addAddress('203.0.113.8/24');
  await h.world.run(async () => {
    const { pc, s1 } = h;
    const inside = new Udp(pc, 5000);
    for (const [to, port] of [['203.0.113.9', 9], ['203.0.113.9', 10], ['203.0.113.8', 9]] as const) {
      const server = new Udp(s1, port);
      await inside.send(to, port);
      seen.push(Number((await server.hear()).split(':')[1]));
      s1.kernel.close(server.fd);
    }
  });
  return seen;
}

test('REQ-1, mapping: one outside port for all peers, one per address, one per address and port', async () => {
  const different = (list: number[]): number => new Set(list).size;
  const ei = await ports('endpoint-independent');
  assert.equal(different(ei), 1, String(ei));
  const ad = await ports('address-dependent');
  assert.deepEqual([ad[0] === ad[1], different(ad)], [true, 2], String(ad));
  assert.equal(different(await ports('address-and-port-dependent')), 3);
});

test('REQ-8, filtering: anybody, the address spoken to, the address and port spoken to', async () => {
  const heard = async (filtering: NatOptions['filtering']): Promise<boolean[]> => {
    const out: boolean[] = [];
    const h = home({ outside: 'eth0', filtering: filtering! });
    h.s1.interfaces[0]!.addAddress('203.0.113.8/24');
    await h.world.run(async () => {
      const { pc, s1 } = h;
      const inside = new Udp(pc, 5000);
      const server = new Udp(s1, 9);
      await inside.send('203.0.113.9', 9);
      await server.hear();
      for (const [address, port] of [['203.0.113.9', 9], ['203.0.113.9', 10], ['203.0.113.8', 11]] as const) {
        const fd = port === 9 ? server.fd : s1.kernel.socket(AF_INET, SOCK_DGRAM);
        if (port !== 9) s1.kernel.bind(fd, { address, port });
        await s1.kernel.sendto(fd, 'x', { address: '203.0.113.1', port: 5000 });
        out.push((await inside.hear()) !== 'nothing');
      }
    });
    return out;
  };
  assert.deepEqual(await heard('endpoint-independent'), [true, true, true]);
  assert.deepEqual(await heard('address-dependent'), [true, true, false]);
  assert.deepEqual(await heard('address-and-port-dependent'), [true, false, false]);
});

test('REQ-3: no port is shared; 3a: a system port stays one; port preservation keeps it while it is free', async () => {
  await at({ outside: 'eth0', mapping: 'endpoint-independent' }, async ({ pc, tv, s1, gw }) => {
    const [a, b, low, server] = [new Udp(pc, 5000), new Udp(tv, 5000), new Udp(pc, 123), new Udp(s1, 9)];
    const seen: number[] = [];
    for (const from of [a, b, low]) {
      await from.send(s1.ip, 9);
      seen.push(Number((await server.hear()).split(':')[1]));
    }
    assert.equal(seen[0], 5000);
    assert.notEqual(seen[1], 5000);
    assert.equal(seen[1]! % 2, 0, 'REQ-4: even stays even');
    assert.equal(seen[2], 123);
    assert.ok(seen[1]! >= 1024);
    assert.equal(gw.conntrack.count, 3);
  });
});

test('REQ-5, REQ-6: a mapping lives five minutes, and a packet renews it', async () => {
  const h = home({ outside: 'eth0', filtering: 'endpoint-independent' });
  const { pc, s1, world } = h;
  await world.run(async () => {
    const [inside, server] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await inside.send(s1.ip, 9);
    await server.hear();
    await pc.kernel.sleep('290s');
    await inside.send(s1.ip, 9);
    await server.hear();
    await pc.kernel.sleep('290s');
    await server.send('203.0.113.1', 5000);
    assert.equal(await inside.hear(), '203.0.113.9:9');
    await pc.kernel.sleep('301s');
    await server.send('203.0.113.1', 5000);
    assert.equal(await inside.hear(), 'nothing');
  });
});

test('REQ-9, hairpinning: inside hosts meet by their outside ports, and see these as sources', async () => {
  for (const hairpinning of [true, false]) {
    await at({ outside: 'eth0', filtering: 'endpoint-independent', hairpinning }, async ({ pc, tv, s1 }) => {
      const [a, b, server] = [new Udp(pc, 5000), new Udp(tv, 6000), new Udp(s1, 9)];
      await a.send(s1.ip, 9);
      await b.send(s1.ip, 9);
      await server.hear();
      await a.send('203.0.113.1', 6000);
      assert.equal(await b.hear(), hairpinning ? '203.0.113.1:5000' : 'nothing');
      if (!hairpinning) return;
      await b.send('203.0.113.1', 5000);
      assert.equal(await a.hear(), '203.0.113.1:6000');
    });
  }
});

test('hairpinning by iptables: DNAT and MASQUERADE on the inside', async () => {
  await at(undefined, async ({ gw, pc, tv }) => {
    gw.sh('iptables -t nat -A PREROUTING -d 203.0.113.1 -p udp --dport 80 -j DNAT --to-destination 192.168.1.2:8080');
    gw.sh('iptables -t nat -A POSTROUTING -d 192.168.1.2 -j MASQUERADE');
    const [a, b] = [new Udp(pc, 5000), new Udp(tv, 8080)];
    await a.send('203.0.113.1', 80);
    assert.equal(await b.hear(), '192.168.1.1:5000');
    await b.send('192.168.1.1', 5000);
    assert.equal(await a.hear(), '203.0.113.1:80');
  });
});

test('nat(): options are checked, mappings are listed, remove() ends it, and a crash does not', async () => {
  const h = home();
  const { gw, pc, s1, world } = h;
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ outside: 'eth9' }, /outside: gw has no 'eth9'; it has eth0, eth1, eth2, eth3/],
    [{}, /outside: undefined is not understood/],
    [{ outside: 'eth0', mapping: 'symmetric' }, /mapping: 'symmetric' is not understood; expected 'endpoint-independent', 'address-dep/],
    [{ outside: 'eth0', hairpinning: 1 }, /hairpinning: 1 is not understood; expected true or false/],
    [{ outside: 'eth0', full: true }, /full: no such option/],
    [{ outside: 'eth0', udpTimeout: 'long' }, /udpTimeout: 'long' is not understood/],
  ];
  for (const [options, message] of wrong) assert.throws(() => gw.nat(options as NatOptions), message);
  const nat = gw.nat({ outside: 'eth0', mapping: 'endpoint-independent' });
  await world.run(async () => {
    const [inside, server] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await inside.send(s1.ip, 9);
    await server.hear();
    assert.deepEqual(nat.mappings(), [{ protocol: 'udp', inside: '192.168.0.2:5000', outside: '203.0.113.1:5000' }]);
    gw.crash();
    gw.boot();
    assert.deepEqual(nat.mappings(), []);
    await inside.send(s1.ip, 9);
    assert.equal(await server.hear(), '203.0.113.1:5000');
    nat.remove();
    const fresh = new Udp(pc, 5001);
    await fresh.send(s1.ip, 9);
    assert.equal(await server.hear(), '192.168.0.2:5001');
  });
});

test('MASQUERADE forgets its connections when the device goes down', async () => {
  await at(MASQUERADE, async ({ gw, pc, s1 }) => {
    const [inside, server] = [new Udp(pc, 5000), new Udp(s1, 9)];
    await inside.send(s1.ip, 9);
    await server.hear();
    assert.equal(gw.conntrack.count, 1);
    devClose(gw.interfaces[0]!.dev);
    assert.equal(gw.conntrack.count, 0);
  });
});

// ---- hole punching --------------------------------------------------------------------------------------------------

/** alice behind one NAT, bob behind another, and a network between them that forwards. */
function twoHomes(nat: NatOptions): { world: World; alice: Host; bob: Host; gateways: Host[] } {
  const world = new World({ seed: 2 });
  const net = world.host('net', { forward: true, interfaces: [{ ip: '198.51.100.1/24' }, { ip: '203.0.113.1/24' }] });
  const gateways: Host[] = [];
  const home = (name: string, outside: string, port: number): Host => {
    const gw = world.host(`${name}-gw`, { interfaces: [{ ip: `${outside}/24` }, { ip: '192.168.0.1/24' }] });
    const host = world.host(name, { ip: '192.168.0.2/24' });
    world.cable(gw.interfaces[0]!, net.interfaces[port]!, { delay: '10ms' });
    world.cable(gw.interfaces[1]!, host);
    gw.route('0.0.0.0/0', { via: net.interfaces[port]!.ip! });
    host.route('0.0.0.0/0', { via: '192.168.0.1' });
    gw.nat(nat);
    gateways.push(gw);
    return host;
  };
  return { world, alice: home('alice', '198.51.100.7', 0), bob: home('bob', '203.0.113.7', 1), gateways };
}

test('RFC 5382 §4.3: TCP connections that cross each other meet through two NATs', async () => {
  const { world, alice, bob, gateways } = twoHomes({ outside: 'eth0', mapping: 'endpoint-independent' });
  await world.run(async () => {
    // Each knows the other's outside port; both call at once. The first SYN to arrive is filtered, and draws no reset (REQ-4).
    const call = (host: Host, to: string, localPort: number, port: number): Promise<string> => new Promise((resolve, reject) => {
      const socket = host.net.connect({ host: to, port, localPort });
      socket.on('connect', () => socket.end(`${host.name} was here`)).on('data', (d) => resolve(String(d))).on('error', reject);
    });
    const both = await Promise.all([call(alice, '203.0.113.7', 4001, 4002), call(bob, '198.51.100.7', 4002, 4001)]);
    assert.deepEqual(both, ['bob was here', 'alice was here']);
  });
  for (const gw of gateways) {
    assert.deepEqual(gw.conntrack.list().map((c) => c.protocol), ['tcp'], 'one connection, not one per direction');
  }
});

test('behind plain MASQUERADE a SYN that comes too early is refused by the gateway, unless a rule drops it', async () => {
  for (const [rule, code] of [[false, 'ECONNREFUSED'], [true, '']] as const) {
    const { world, alice, bob, gateways } = twoHomes({ outside: 'eth0' });
    if (rule) for (const gw of gateways) gw.firewall.append('INPUT', { in: 'eth0', ctstate: 'NEW', target: 'DROP' });
    await world.run(async () => {
      const call = (host: Host, to: string, localPort: number, port: number): Promise<string> => new Promise((resolve) => {
        const socket = host.net.connect({ host: to, port, localPort });
        socket.on('connect', () => resolve('')).on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
        socket.on('connect', () => socket.end()).resume();
      });
      const early = call(alice, '203.0.113.7', 4001, 4002);
      await bob.kernel.sleep('500ms');
      const late = call(bob, '198.51.100.7', 4002, 4001);
      assert.equal(await early, code);
      if (rule) assert.equal(await late, '');
    });
  }
});

test('of IPv6 there is MASQUERADE, by host.nat too; the behaviours of RFC 4787 are refused with the reason', async () => {
  const world = new World({ seed: 5, costs: 'zero' });
  const [inside, gate, outside] = [world.host('inside'), world.host('gate'), world.host('outside')];
  world.cable(inside, gate);
  world.cable(gate, outside);
  inside.route('::/0', { via: gate.interfaces[0]!.ip6! });
  assert.throws(() => gate.nat({ outside: 'eth1', family: 6, mapping: 'endpoint-independent' }), /of IPv6 there is MASQUERADE/);
  assert.throws(() => gate.nat({ outside: 'eth1', family: 5 as never }), /^TypeError: family: 5 is not understood; expected 4 or 6/);
  const handle = gate.nat({ outside: 'eth1', family: 6 });
  using wire = outside.tcpdump({ names: false, filter: 'icmp6' });
  const ping = await world.run(() => inside.ping(outside.ip6, { count: 1 }));
  assert.equal(ping.received, 1, 'outside has no way back to inside, only to the gate');
  assert.match(wire.toString(), new RegExp(`IP6 ${gate.interfaces[1]!.ip6!} > ${outside.ip6}: ICMP6, echo request`));
  assert.match(handle.mappings()[0]!.inside, /^\[fd00:/);
  handle.remove();
  world.stop();
});
