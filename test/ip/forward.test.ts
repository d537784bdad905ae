/** Routers: what they pass on, what they say, and what arrives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, World, type Host } from '../../mod.ts';
import { formatIpv4 } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import { ICMP_ECHO, icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { ipSendCheck, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNREACHABLE } from '../../src/ip/fib.ts';
import { routeAdd } from '../../src/ip/route.ts';
import { ip, labHost, noLeaks, plug, receive, run, Wire, type LabHost } from './lab.ts';

// ---- a router on the bench --------------------------------------------------------------------------------------------

interface Bench {
  sim: Simulation;
  pool: SkbPool;
  r: LabHost;
  west: Wire;
  east: Wire;
  inside: ReturnType<typeof plug>;
  outside: ReturnType<typeof plug>;
}

/** A router with 10.0.0.1/24 in the west and 10.0.1.1/24 in the east; its neighbours .2 on both sides are known. */
function bench(): Bench {
  const sim = new Simulation();
  const pool = new SkbPool();
  const [west, east] = [new Wire(sim, pool), new Wire(sim, pool)];
  const r = labHost(sim, pool, 'r');
  r.ip.confAll.forwarding = 1;
  const inside = plug(r, west, 1, '10.0.0.1/24');
  const outside = plug(r, east, 2, '10.0.1.1/24', 'eth1');
  const peer = labHost(sim, pool, 'w');
  plug(peer, west, 3, '10.0.0.2/24');
  const far = labHost(sim, pool, 'e');
  plug(far, east, 4, '10.0.1.2/24');
  far.ip.protocols[1] = null; // it says nothing
  const b = { sim, pool, r, west, east, inside, outside };
  receive(inside, echo());
  run(sim);
  receive(inside, echo('10.0.0.1'));
  run(sim);
  west.frames.length = 0;
  east.frames.length = 0;
  r.drops.length = 0;
  r.net.mib.fill(0);
  return b;
}

/** An echo request from 10.0.0.2 with `len` bytes, as the router gets it. */
function echo(to = '10.0.1.2', len = 32, change: (f: Uint8Array) => void = () => undefined): Uint8Array {
  const f = new Uint8Array(42 + len);
  f.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 8, 0]);
  ipv4WriteHeader(f, 14, 0, 28 + len, 77, 0, 64, 1, ip('10.0.0.2'), ip(to));
  icmpWriteHeader(f, 34, ICMP_ECHO, 0, 0x00010001);
  for (let i = 0; i < len; i++) f[42 + i] = i;
  icmpSendCheck(f, 34, 8 + len);
  change(f);
  ipSendCheck(f, 14);
  return f;
}

function lines(frames: readonly Uint8Array[]): string[] {
  return frames.map((f) => printEthernet(f, 0, f.length));
}

test('a packet goes on with one hop less, and nothing else changed', () => {
  const b = bench();
  const f = echo();
  receive(b.inside, f);
  const [out] = b.east.frames;
  assert.deepEqual([...out!.subarray(0, 14)], [2, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 2, 8, 0]);
  f[22] = 63;
  ipSendCheck(f, 14);
  assert.deepEqual(out!.subarray(14), f.subarray(14));
  const counted = b.r.counters('IpExtInOctets', 'IpExtOutOctets', 'IpExtInNoECTPkts');
  assert.deepEqual(counted, { IpInReceives: 1, IpForwDatagrams: 1, IpOutTransmits: 1 });
  run(b.sim);
  noLeaks(b.pool);
});

test('what is not passed on, and what is said about it', () => {
  const CASES: [string, Uint8Array, string, string | null][] = [
    ['no hops left', echo('10.0.1.2', 32, (f) => { f[22] = 1; }), 'IP_INHDR', 'time exceeded'],
    ['TTL 0', echo('10.0.1.2', 32, (f) => { f[22] = 0; }), 'IP_INHDR', 'time exceeded'],
    ['no route', echo('8.8.8.8'), 'IP_INNOROUTES', 'net unreachable'],
    ['in a frame for all', echo('10.0.1.2', 32, (f) => { f.fill(255, 0, 6); }), 'UNICAST_IN_L2_MULTICAST', null],
    ['from 127.0.0.1', echo('10.0.1.2', 32, (f) => { f.set([127, 0, 0, 1], 26); }), 'IP_INVALID_SOURCE', null],
    ['from a group', echo('10.0.1.2', 32, (f) => { f.set([224, 0, 0, 9], 26); }), 'IP_INVALID_SOURCE', null],
    ['from ourselves', echo('10.0.1.2', 32, (f) => { f.set([10, 0, 1, 1], 26); }), 'IP_LOCAL_SOURCE', null],
    ['to 127.0.0.5', echo('127.0.0.5'), 'IP_INVALID_DEST', null],
  ];
  for (const [name, frame, drop, says] of CASES) {
    const b = bench();
    receive(b.inside, frame);
    assert.deepEqual(b.r.drops, [drop], name);
    assert.deepEqual(b.east.frames, [], name);
    assert.equal(b.west.frames.length, says === null ? 0 : 1, name);
    const said = lines(b.west.frames).join('\n').toLowerCase().replaceAll('_', ' ');
    if (says !== null) assert.match(said, new RegExp(`10\\.0\\.0\\.1 > 10\\.0\\.0\\.2.*${says}`), name);
    run(b.sim);
    noLeaks(b.pool);
  }
});

test('routes that lead nowhere: each says its own, the black hole nothing', () => {
  for (const [type, code] of [[RTN_UNREACHABLE, 1], [RTN_PROHIBIT, 13], [RTN_BLACKHOLE, null]] as const) {
    const b = bench();
    assert.equal(routeAdd(b.r.ip, { dst: ip('172.16.0.0'), prefixLen: 12, type }), 0);
    receive(b.inside, echo('172.16.3.4'));
    assert.deepEqual(b.r.drops, ['IP_INNOROUTES']);
    assert.deepEqual(b.west.frames.map((f) => [f[34], f[35]]), code === null ? [] : [[3, code]]);
  }
});

test('too long for the next link: with DF its sender is told the MTU, without it is cut', () => {
  const b = bench();
  b.outside.mtu = 600;
  b.r.ip.fib.generation++;
  receive(b.inside, echo('10.0.1.2', 1000, (f) => { f[20] = 0x40; }));
  assert.deepEqual(b.r.drops, ['PKT_TOO_BIG']);
  assert.deepEqual([...b.west.frames[0]!.subarray(34, 36)], [3, 4]);
  assert.deepEqual([...b.west.frames[0]!.subarray(38, 42)], [0, 0, 2, 88]);
  assert.equal(b.r.counters()['IpFragFails'], 1);
  b.west.frames.length = 0;
  const f = echo('10.0.1.2', 1000);
  receive(b.inside, f);
  const out = b.east.frames;
  assert.deepEqual(out.map((p) => [p.length - 14, (p[20]! << 8) | p[21]!, p[22]]), [[596, 0x2000, 63], [452, 72, 63]]);
  assert.deepEqual([...out[0]!.subarray(34), ...out[1]!.subarray(34)], [...f.subarray(34)]);
  const { IpFragOKs, IpFragCreates } = b.r.counters();
  assert.deepEqual([IpFragOKs, IpFragCreates], [1, 2]);
  assert.doesNotMatch(lines(out).join('\n'), /bad/);
  run(b.sim);
  noLeaks(b.pool);
});

test('a fragment is cut again; options that are not copied are in the first piece only', () => {
  const b = bench();
  b.outside.mtu = 128;
  b.r.ip.fib.generation++;
  const f = echo('10.0.1.2', 292, (g) => g.set([0x20, 10], 20)); // itself a fragment, at 80, more to come
  receive(b.inside, f);
  assert.deepEqual(b.east.frames.map((p) => (p[20]! << 8) | p[21]!), [0x2000 | 10, 0x2000 | 23, 0x2000 | 36]);
  b.east.frames.length = 0;
  const g = new Uint8Array(14 + 32 + 208);
  g.set(f.subarray(0, 14));
  ipv4WriteHeader(g, 14, 0, 240, 5, 0, 64, 99, ip('10.0.0.2'), ip('10.0.1.2'));
  g[14] = 0x48;
  g.set([7, 3, 4, 148, 4, 0, 0, 1, 1, 1, 1, 0], 34); // a full record route, router alert (copied), no-ops
  ipSendCheck(g, 14);
  receive(b.inside, g);
  assert.deepEqual(b.east.frames.map((p) => [...p.subarray(34, 41)]), [
    [7, 3, 4, 148, 4, 0, 0], [1, 1, 1, 148, 4, 0, 0], [1, 1, 1, 148, 4, 0, 0],
  ]);
});

test('put together on the way, for a filter that tracks connections: it leaves in pieces no longer than they came', () => {
  for (const df of [0, 0x40]) {
    const b = bench();
    const seen: number[] = [];
    b.r.ip.defragIn = true;
    b.r.ip.hookPreRouting = { run: (skb) => seen.push(skb.len) > 0 };
    const whole = echo('10.0.1.2', 992);
    for (const [from, to] of [[520, 1000], [0, 520]] as const) {
      const f = new Uint8Array(34 + to - from);
      f.set(whole.subarray(0, 34));
      f.set(whole.subarray(34 + from, 34 + to), 34);
      f.set([(20 + to - from) >> 8, (20 + to - from) & 255], 16);
      f.set([df | (to === 1000 ? 0 : 0x20), from >> 3], 20);
      ipSendCheck(f, 14);
      receive(b.inside, f);
    }
    assert.deepEqual(seen, [1020]);
    assert.deepEqual(b.east.frames.map((f) => [f.length - 14, f[20]]), [[540, df | 0x20], [500, df]]);
    assert.deepEqual([...b.east.frames[0]!.subarray(34), ...b.east.frames[1]!.subarray(34)], [...whole.subarray(34)]);
    run(b.sim);
    noLeaks(b.pool);
  }
});

// ---- a line of routers --------------------------------------------------------------------------------------------------

/** a - r1 - … - b, each link with its MTU; routes both ways by default routes and host routes. */
function line(mtus: readonly number[], card: { tso?: boolean } = {}): { world: World; a: Host; b: Host; hosts: Host[] } {
  const world = new World({ seed: 5 });
  const hosts = [...mtus, 0].map((_, i) => {
    const links = [mtus[i - 1], mtus[i]].filter((mtu) => mtu !== undefined);
    return world.host(i === 0 ? 'a' : i === mtus.length ? 'b' : `r${String(i)}`, {
      forward: i > 0 && i < mtus.length, interfaces: links.map((mtu) => ({ mtu, card })),
    });
  });
  for (let i = 0; i < mtus.length; i++) world.cable(hosts[i]!.interfaces.at(-1)!, hosts[i + 1]!.interfaces[0]!, { delay: '1ms' });
  const last = hosts.length - 1;
  hosts.forEach((h, i) => {
    if (i < last) h.route('0.0.0.0/0', { via: hosts[i + 1]!.ips[0]! });
    for (let net = 0; net < i - 1; net++) h.route(`10.0.${String(net)}.0/24`, { via: hosts[i - 1]!.ips.at(-1)! });
  });
  return { world, a: hosts[0]!, b: hosts[last]!, hosts };
}

/** Sends `bytes` by TCP from a to b; what b got. */
async function transfer(a: Host, b: Host, bytes: Uint8Array): Promise<Uint8Array> {
  const ls = b.kernel.socket(AF_INET, SOCK_STREAM);
  b.kernel.bind(ls, { port: 80 });
  b.kernel.listen(ls, 1);
  const fd = a.kernel.socket(AF_INET, SOCK_STREAM);
  const accepted = b.kernel.accept(ls);
  await a.kernel.connect(fd, { address: b.ip, port: 80 });
  const { fd: conn } = await accepted;
  const got: Uint8Array[] = [];
  const reading = (async (): Promise<void> => {
    const buf = new Uint8Array(65536);
    for (let n = await b.kernel.read(conn, buf); n > 0; n = await b.kernel.read(conn, buf)) got.push(buf.slice(0, n));
  })();
  for (let off = 0; off < bytes.length;) off += await a.kernel.write(fd, bytes.subarray(off, off + 65536));
  a.kernel.close(fd);
  await reading;
  b.kernel.close(conn);
  b.kernel.close(ls);
  const all = new Uint8Array(got.reduce((n, g) => n + g.length, 0));
  got.reduce((off, g) => (all.set(g, off), off + g.length), 0);
  return all;
}

for (const tso of [true, false]) {
  test(`three routers in a line, two narrow links: TCP finds the path's and arrives whole${tso ? '' : ', without TSO'}`, async () => {
    const { world, a, b, hosts } = line([1500, 1400, 1000, 1500], { tso });
    const bytes = new Random(3).bytes(300_000);
    await world.run(async () => assert.deepEqual(await transfer(a, b, bytes), bytes));
    assert.match(a.sh('ip route get 10.0.3.2'), /mtu 1000/);
    for (const r of hosts.slice(1, 4)) assert.ok(r.kernel.nstat().IpForwDatagrams > 40, r.name);
    assert.deepEqual(hosts.slice(1, 4).map((r) => r.kernel.nstat().IpFragFails > 0), [true, true, false]);
    assert.equal(hosts.reduce((n, h) => n + h.kernel.nstat().IpFragCreates, 0), 0);
    await world.advance('200s');
    assert.deepEqual([world.check().skbs, world.check().pages], [0, 0]);
  });
}

test('super-packets are passed on whole where the card can cut them', async () => {
  const { world, a, b, hosts } = line([1500, 1500]);
  const bytes = new Random(4).bytes(1_000_000);
  await world.run(async () => assert.deepEqual(await transfer(a, b, bytes), bytes));
  const { IpForwDatagrams } = hosts[1]!.kernel.nstat();
  assert.ok(IpForwDatagrams < 1_000_000 / 1448 + 100, `${String(IpForwDatagrams)} packets both ways, acknowledgements among them`);
});

test('a host that does not forward keeps what is for others to itself', async () => {
  const { world, a, hosts } = line([1500, 1500]);
  hosts[1]!.sysctl('net.ipv4.ip_forward', 0);
  const fd = a.kernel.socket(AF_INET, SOCK_DGRAM);
  await a.kernel.sendto(fd, 'x', { address: '10.0.1.2', port: 9 });
  await world.advance('10ms');
  assert.equal(world.drops()['IP_INADDRERRORS'], 1);
  hosts[1]!.sysctl('net.ipv4.ip_forward', 1);
  await a.kernel.sendto(fd, 'x', { address: '10.0.1.2', port: 9 });
  await world.advance('10ms');
  assert.equal(world.drops()['NO_SOCKET'], 1, 'the setting is believed at once');
  assert.throws(() => world.host('x', { forward: 1 as unknown as boolean }), /forward: 1 is not understood; expected true or false/);
  assert.equal(formatIpv4(ip('10.0.1.2')), hosts[2]!.ip);
});

test('log_martians: addresses that cannot be are in the log of the kernel', async () => {
  const { world, a, hosts } = line([1500, 1500]);
  const r = hosts[1]!;
  const tap = (daddr: string, saddr: string): void => {
    const f = echo(daddr, 8, (g) => g.set(saddr.split('.').map(Number), 26));
    f.set(r.interfaces[0]!.dev.addr, 0);
    r.interfaces[0]!.dev.net.cpu.enter(0);
    receive(r.interfaces[0]!.dev, f);
    r.interfaces[0]!.dev.net.cpu.exit();
  };
  tap('10.0.1.2', '127.0.0.5');
  await world.advance('1ms');
  assert.deepEqual(r.dmesg(), []);
  assert.equal(r.sh('sysctl -w net.ipv4.conf.all.log_martians=1'), 'net.ipv4.conf.all.log_martians = 1\n');
  tap('10.0.1.2', '127.0.0.5');
  tap('127.0.0.9', a.ip);
  await world.advance('1ms');
  assert.deepEqual(r.dmesg().map((l) => l.replace(/^\[.*\] /, '')), [
    'IPv4: martian source 10.0.1.2 from 127.0.0.5, on dev eth0', 'IPv4: martian destination 127.0.0.9 from 10.0.0.1, on dev eth0',
  ]);
});

test('net.ipv4.conf.*: a device has settings of its own, and how they work with those of all differs', () => {
  const world = new World({ seed: 1 });
  const [a, r, b] = [world.host('a'), world.host('r', { interfaces: [{}, {}] }), world.host('b')];
  const show = (key: string): string[] => ['all', 'default', 'eth0', 'eth1'].map(
    (dev) => r.sh(`sysctl -n net.ipv4.conf.${dev}.${key}`).trim(),
  );
  world.cable(a, r.interfaces[0]!);
  world.cable(r.interfaces[1]!, b);
  assert.deepEqual(show('forwarding'), ['0', '0', '0', '0']);
  r.sh('sysctl -w net.ipv4.conf.eth0.forwarding=1');
  assert.deepEqual(show('forwarding'), ['0', '0', '1', '0'], 'what comes by eth0 alone');
  assert.deepEqual(show('accept_redirects'), ['1', '1', '1', '1']);
  r.sh('sysctl -w net.ipv4.ip_forward=1');
  assert.deepEqual(show('forwarding'), ['1', '1', '1', '1']);
  assert.deepEqual(show('accept_redirects'), ['0', '1', '1', '1'], 'a router believes none: it needs both');
  r.sh('sysctl -w net.ipv4.conf.eth1.rp_filter=1');
  assert.deepEqual(show('rp_filter'), ['0', '0', '0', '1']);
  assert.throws(() => r.sh('sysctl -w net.ipv4.conf.eth7.rp_filter=1'), /'net\.ipv4\.conf\.eth7\.rp_filter' is not understood/);
  assert.throws(() => r.sysctl('net.ipv4.conf.eth0.rp_filter', 3), /a whole number from 0 to 2/);
  assert.ok(r.kernel.sysctls().includes('net.ipv4.conf.lo.arp_ignore'));
  world.stop();
});

test('RFC 3704: a device with rp_filter 1 takes only what it would answer by itself; the others take all', async () => {
  const world = new World({ seed: 1 });
  const a = world.host('a', { interfaces: [{ ip: '10.1.0.2/24' }] });
  const r = world.router('r', { interfaces: [{ ip: '10.1.0.1/24' }, { ip: '10.2.0.1/24' }] });
  const b = world.host('b', { interfaces: [{ ip: '10.2.0.2/24' }] });
  world.cable(a, r.interfaces[0]!);
  world.cable(r.interfaces[1]!, b);
  a.route('0.0.0.0/0', { via: '10.1.0.1' });
  b.route('0.0.0.0/0', { via: '10.2.0.1' });
  a.interfaces[0]!.addAddress('10.9.0.2/32'); // an address that r has no way to
  await world.run(async () => {
    r.sh('sysctl -w net.ipv4.conf.eth0.rp_filter=1');
    a.sh('ip route replace default via 10.1.0.1 src 10.9.0.2');
    assert.equal((await a.ping('10.2.0.2', { count: 1, timeout: '100ms' })).received, 0);
    assert.equal(world.drops()['IP_RPFILTER'], 1);
    r.sh('sysctl -w net.ipv4.conf.eth0.rp_filter=0');
    r.sh('sysctl -w net.ipv4.conf.eth1.rp_filter=1');
    assert.equal((await a.ping('10.2.0.2', { count: 1, timeout: '100ms' })).received, 0, 'nobody knows the way back');
    assert.equal(world.drops()['IP_RPFILTER'], 1, 'but it was let through');
  });
});
