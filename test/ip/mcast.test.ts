/** Groups: who hears what, what cards take in, and what the link is told by IGMP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { World as NodeWorld } from '../../src/node/world.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, SOCK_STREAM, World, type Host } from '../../mod.ts';
import { igmpMessage, IGMPV2_HOST_MEMBERSHIP_REPORT, igmpv3Exp } from '../../src/wire/igmp.ts';
import { ipFastCsum } from '../../src/lib/checksum.ts';
import { ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { printEthernet } from '../../src/wire/print.ts';
import {
  IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_MSFILTER,
  IP_MULTICAST_ALL, IP_MULTICAST_IF, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_UNBLOCK_SOURCE, SOL_IP,
} from '../../src/sock/constants.ts';
import { SockAddr } from '../../src/sock/sockaddr.ts';
import { devClose, devOpen } from '../../src/dev/registry.ts';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../../src/lib/errno.ts';
import { udpCreateSock, type UdpSock } from '../../src/udp/udp.ts';
import { ip, noLeaks, pair, receive, run, type Pair } from './lab.ts';

const GROUP = '239.1.1.1';

/** A socket of a on port 9. */
function socket(p: Pair, port = 9): UdpSock {
  const sk = udpCreateSock(p.a.udp);
  sk.reuse = true;
  assert.equal(p.a.in(() => sk.prot.bind(sk, new SockAddr().set(0, port))), 0);
  return sk;
}

function set(p: Pair, sk: UdpSock, name: number, value: object | number): number {
  return p.a.in(() => sk.prot.setsockopt(sk, SOL_IP, name, value));
}

/** What a tells the link from here on: `ms line`, IGMP only. */
function listen(p: Pair): string[] {
  const said: string[] = [];
  const from = p.sim.now;
  p.wire.passes = (f) => {
    const line = printEthernet(f, 0, f.length, { verify: true });
    if (/igmp/.test(line)) said.push(`${((p.sim.now - from) / 1e6).toFixed(0)} ${line.replace(/^IP /, '')}`);
    return true;
  };
  return said;
}

const lines = (said: readonly string[]): string[] => said.map((l) => l.replace(/^\d+ /, ''));
const REPORT = '10.0.0.1 > 224.0.0.22: igmp v3 report';

test('RFC 3376 §5.1: a change is told twice, the second time within a second', () => {
  const p = pair();
  const said = listen(p);
  const sk = socket(p);
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  run(p.sim, 2000);
  assert.deepEqual(lines(said), [`${REPORT} [gaddr ${GROUP} to_ex]`, `${REPORT} [gaddr ${GROUP} to_ex]`]);
  const [first, second] = said.map((l) => Number(l.split(' ')[0]));
  assert.equal(first, 2);
  assert.ok(second! > 2 && second! <= 1004, String(second));
  const frame = p.wire.frames.find((f) => f[23] === 2)!;
  assert.deepEqual([...frame.subarray(0, 6)], [1, 0, 0x5e, 0, 0, 22]);
  assert.deepEqual([frame[14], frame[15], frame[22], [...frame.subarray(34, 38)]], [0x46, 0xc0, 1, [148, 4, 0, 0]]);
  said.length = 0;
  assert.equal(set(p, sk, IP_DROP_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  run(p.sim, 4000);
  assert.deepEqual(lines(said), [`${REPORT} [gaddr ${GROUP} to_in]`, `${REPORT} [gaddr ${GROUP} to_in]`]);
  p.a.in(() => sk.prot.close(sk));
  run(p.sim);
  noLeaks(p.pool);
});

test('source filters: what is told is the difference', () => {
  const p = pair();
  const said = listen(p);
  const sk = socket(p);
  const source = (name: number, s: string): number => set(p, sk, name, { multiaddr: GROUP, sourceaddr: s, interface: '10.0.0.1' });
  const told = (): string[] => {
    run(p.sim, p.sim.now / 1e6 + 3000);
    const out = lines(said).map((l) => l.replace(`${REPORT} [gaddr ${GROUP} `, '').replace(/\]$/, ''));
    said.length = 0;
    assert.equal(out[0], out.at(-1));
    return [...new Set(out)];
  };
  assert.equal(source(IP_ADD_SOURCE_MEMBERSHIP, '10.0.0.2'), 0);
  assert.deepEqual(told(), ['allow { 10.0.0.2 }']);
  assert.equal(source(IP_ADD_SOURCE_MEMBERSHIP, '10.0.0.3'), 0);
  assert.deepEqual(told(), ['allow { 10.0.0.3 }']);
  assert.equal(source(IP_DROP_SOURCE_MEMBERSHIP, '10.0.0.2'), 0);
  assert.deepEqual(told(), ['block { 10.0.0.2 }']);
  // Somebody else wants everybody: the device's filter changes its kind (RFC 3376 §3.2).
  const other = socket(p);
  assert.equal(set(p, other, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, ifindex: p.ea.ifindex }), 0);
  assert.deepEqual(told(), ['to_ex']);
  assert.equal(set(p, other, IP_BLOCK_SOURCE, { multiaddr: GROUP, sourceaddr: '10.0.0.9', interface: '10.0.0.1' }), 0);
  assert.deepEqual(told(), ['block { 10.0.0.9 }']);
  assert.equal(set(p, other, IP_UNBLOCK_SOURCE, { multiaddr: GROUP, sourceaddr: '10.0.0.9', interface: '10.0.0.1' }), 0);
  assert.deepEqual(told(), ['allow { 10.0.0.9 }']);
  p.a.in(() => other.prot.close(other));
  assert.deepEqual(told(), ['to_in { 10.0.0.3 }']);
  assert.equal(set(p, sk, IP_MSFILTER, { multiaddr: GROUP, interface: '10.0.0.1', fmode: 1, slist: ['10.0.0.4', '10.0.0.3'] }), 0);
  assert.deepEqual(told(), ['allow { 10.0.0.4 }']);
  p.a.in(() => sk.prot.close(sk));
  const last = told();
  assert.equal(last.length, 1);
  assert.match(last[0]!, /block \{ 10\.0\.0\.[34] 10\.0\.0\.[34] \}/);
});

/** A frame with an IGMP message from 10.0.0.2. */
function igmp(bytes: Uint8Array, to = '224.0.0.1'): Uint8Array {
  const f = new Uint8Array(34 + bytes.length);
  const group = ip(to);
  f.set([1, 0, 0x5e, (group >> 16) & 127, (group >> 8) & 255, group & 255, 2, 0, 0, 0, 0, 2, 8, 0]);
  ipv4WriteHeader(f, 14, 0xc0, 20 + bytes.length, 1, 0, 1, 2, ip('10.0.0.2'), group);
  f.set(bytes, 34);
  return f;
}

/** A v3 query about `group` and `sources`; `code` in tenths of a second. */
function query(code: number, group = '0.0.0.0', sources: string[] = []): Uint8Array {
  const q = new Uint8Array(12 + 4 * sources.length);
  q.set(igmpMessage(0x11, code, ip(group)));
  q.set([2, 125, 0, sources.length], 8);
  sources.forEach((s, i) => q.set(s.split('.').map(Number), 12 + 4 * i));
  q.set([0, 0], 2);
  const sum = ipFastCsum(q, 0, q.length);
  q.set([sum >> 8, sum & 255], 2);
  return igmp(q, group === '0.0.0.0' ? '224.0.0.1' : group);
}

/** a is in the group, and everything has been told. */
function member(version = 0): { p: Pair; sk: UdpSock; said: string[] } {
  const p = pair();
  p.a.ip.confAll.forceIgmpVersion = version;
  const sk = socket(p);
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  run(p.sim, 30000);
  return { p, sk, said: listen(p) };
}

test('RFC 3376 §5.2: queries are answered within the time they give', () => {
  const QUERIES: [string, Uint8Array, string | null][] = [
    ['general', query(100), 'is_ex'],
    ['about the group', query(10, GROUP), 'is_ex'],
    ['about another', query(10, '239.9.9.9'), null],
    ['about sources', query(10, GROUP, ['10.0.0.7', '10.0.0.8']), 'is_in { 10.0.0.7 10.0.0.8 }'],
  ];
  for (const [name, frame, answer] of QUERIES) {
    const { p, said } = member();
    receive(p.ea, frame);
    run(p.sim, 45000);
    assert.deepEqual(lines(said), answer === null ? [] : [`${REPORT} [gaddr ${GROUP} ${answer}]`], name);
    if (answer !== null) assert.ok(Number(said[0]!.split(' ')[0]) <= (name === 'general' ? 10002 : 1002), said[0]);
  }
  assert.deepEqual([0, 127, 128, 255].map(igmpv3Exp), [0, 127, 128, 31744]);
});

test('malformed queries are dropped by name and answered by nobody', () => {
  const { p, said } = member();
  const spoilt = query(10, GROUP);
  spoilt[40]! ^= 1;
  const claims = query(10, GROUP);
  claims[45] = 9;
  claims.set([0, 0], 36);
  const sum = ipFastCsum(claims, 34, 12);
  claims.set([sum >> 8, sum & 255], 36);
  receive(p.ea, spoilt);
  receive(p.ea, claims);
  receive(p.ea, igmp(new Uint8Array(7)));
  receive(p.ea, igmp(igmpMessage(0x11, 10, ip('10.0.0.5'))));
  receive(p.ea, igmp(igmpMessage(0x99, 0, 0)));
  run(p.sim, 45000);
  assert.deepEqual(p.a.drops, ['IGMP_CSUM', 'IGMP_INVALID', 'PKT_TOO_SMALL', 'IGMP_INVALID']);
  assert.deepEqual(said, []);
  noLeaks(p.pool);
});

test('RFC 2236, RFC 3376 §7: after an old query the old version is spoken, for 260 seconds', () => {
  const { p, sk, said } = member();
  receive(p.ea, igmp(igmpMessage(0x11, 100, 0)));
  run(p.sim, 45000);
  assert.deepEqual(lines(said), [`10.0.0.1 > ${GROUP}: igmp v2 report ${GROUP}`]);
  said.length = 0;
  assert.equal(set(p, sk, IP_DROP_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  assert.deepEqual(lines(said), [`10.0.0.1 > 224.0.0.2: igmp leave ${GROUP}`]);
  said.length = 0;
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  run(p.sim, 60000);
  assert.deepEqual(lines(said), Array(2).fill(`10.0.0.1 > ${GROUP}: igmp v2 report ${GROUP}`));
  said.length = 0;
  // Somebody else reports it: our answer is not needed, nor do we say goodbye.
  receive(p.ea, igmp(igmpMessage(0x11, 100, 0)));
  receive(p.ea, igmp(igmpMessage(IGMPV2_HOST_MEMBERSHIP_REPORT, 0, ip(GROUP)), GROUP));
  run(p.sim, 80000);
  assert.equal(set(p, sk, IP_DROP_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  assert.deepEqual(said, []);
  run(p.sim, 330000);
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: '10.0.0.1' }), 0);
  run(p.sim, 340000);
  assert.equal(lines(said)[0], `${REPORT} [gaddr ${GROUP} to_ex]`);
  const one = member(1);
  receive(one.p.ea, query(100));
  run(one.p.sim, 45000);
  assert.deepEqual(lines(one.said), [`10.0.0.1 > ${GROUP}: igmp v1 report ${GROUP}`]);
});

test('a device that comes up again tells its groups anew; 224.0.0.1 and, when told so, 224.0.0.x are never told', () => {
  const { p, sk, said } = member();
  p.a.in(() => devClose(p.ea));
  p.a.in(() => devOpen(p.ea));
  run(p.sim, 35000);
  assert.deepEqual(lines(said), Array(2).fill(`${REPORT} [gaddr ${GROUP} to_ex]`));
  said.length = 0;
  p.a.ip.sysctl.igmpLinkLocalMcastReports = 0;
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: '224.0.0.9', address: '10.0.0.1' }), 0);
  receive(p.ea, query(10));
  run(p.sim, 45000);
  assert.deepEqual(lines(said), [`${REPORT} [gaddr ${GROUP} is_ex]`]);
});

test('errors of the membership calls', () => {
  const p = pair();
  const sk = socket(p);
  const add = (multiaddr: unknown, address: unknown = '10.0.0.1'): number => set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr, address });
  assert.equal(add('10.1.1.1'), -EINVAL);
  assert.equal(add('not an address'), -EINVAL);
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, 5), -EINVAL);
  assert.equal(add(GROUP, '10.0.0.99'), -ENODEV);
  assert.equal(add(GROUP, undefined), 0, 'no device named, and no default route: the address was a default argument');
  assert.equal(add(GROUP), -EADDRINUSE);
  assert.equal(set(p, sk, IP_DROP_MEMBERSHIP, { multiaddr: '239.7.7.7', address: '10.0.0.1' }), -EADDRNOTAVAIL);
  assert.equal(set(p, sk, IP_DROP_MEMBERSHIP, { multiaddr: '239.7.7.7' }), -ENODEV);
  assert.equal(set(p, sk, IP_ADD_MEMBERSHIP, { multiaddr: '239.7.7.7' }), -ENODEV, 'no route to the group');
  const source = { multiaddr: GROUP, interface: '10.0.0.1', sourceaddr: '10.0.0.5' };
  assert.equal(set(p, sk, IP_UNBLOCK_SOURCE, source), -EADDRNOTAVAIL);
  assert.equal(set(p, sk, IP_BLOCK_SOURCE, source), 0);
  assert.equal(set(p, sk, IP_BLOCK_SOURCE, source), -EADDRNOTAVAIL);
  assert.equal(set(p, sk, IP_ADD_SOURCE_MEMBERSHIP, source), -EINVAL, 'joined the other way');
  assert.equal(set(p, sk, IP_BLOCK_SOURCE, { ...source, multiaddr: '239.7.7.7' }), -EINVAL, 'not joined');
  for (let i = 6; i < 15; i++) assert.equal(set(p, sk, IP_BLOCK_SOURCE, { ...source, sourceaddr: `10.0.0.${String(i)}` }), 0);
  assert.equal(set(p, sk, IP_BLOCK_SOURCE, { ...source, sourceaddr: '10.0.0.77' }), -ENOBUFS, 'igmp_max_msf');
  for (let i = 2; i <= 20; i++) assert.equal(add(`239.2.2.${String(i)}`), 0);
  assert.equal(add('239.2.2.21'), -ENOBUFS, 'igmp_max_memberships');
  assert.equal(set(p, sk, IP_MULTICAST_IF, { address: '10.0.0.99' }), -EADDRNOTAVAIL);
  assert.equal(set(p, sk, IP_MULTICAST_ALL, 2), -EINVAL);
  p.a.in(() => sk.prot.close(sk));
  run(p.sim, 5000);
  assert.equal(p.a.net.devices[p.ea.ifindex]!.mcAddrs.length, 1, '224.0.0.1 alone is left');
});

// ---- in a world: cards filter, sockets choose ----------------------------------------------------------------------------

/** Two hosts on a cable; b listens on port 5000. */
function world(): { w: World; a: Host; b: Host; sender: number; open: () => number } {
  const w = new World({ seed: 2 });
  const [a, b] = [w.host('a'), w.host('b')];
  w.cable(a, b, { delay: '1ms' });
  const sender = a.kernel.socket(AF_INET, SOCK_DGRAM);
  a.kernel.setsockopt(sender, SOL_IP, IP_MULTICAST_IF, a.ip);
  const open = (): number => {
    const fd = b.kernel.socket(AF_INET, SOCK_DGRAM);
    b.kernel.setsockopt(fd, 1, 2, 1); // SO_REUSEADDR
    b.kernel.bind(fd, { port: 5000 });
    return fd;
  };
  return { w, a, b, sender, open };
}

function got(host: Host, fd: number): string[] {
  const out: string[] = [];
  const buf = new Uint8Array(100);
  for (;;) {
    try {
      out.push(new TextDecoder().decode(buf.slice(0, host.kernel.sys.recvfrom(fd, buf, MSG_DONTWAIT).bytes)));
    } catch {
      return out;
    }
  }
}

test('only cards in the group take its frames; every socket that joined gets its copy', async () => {
  const { w, a, b, sender, open } = world();
  const [one, two, three] = [open(), open(), open()];
  await a.kernel.sendto(sender, 'early', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.equal(w.drops()['MAC_FILTER'], 1, 'nobody has joined: the card does not even look');
  for (const fd of [one, two]) b.kernel.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: b.ip });
  b.kernel.setsockopt(three, SOL_IP, IP_MULTICAST_ALL, 0);
  await a.kernel.sendto(sender, 'all', { address: GROUP, port: 5000 });
  await a.kernel.sendto(sender, 'other port', { address: GROUP, port: 5001 });
  await w.advance('10ms');
  assert.deepEqual([one, two, three].map((fd) => got(b, fd)), [['all'], ['all'], []]);
  b.kernel.setsockopt(two, SOL_IP, IP_BLOCK_SOURCE, { multiaddr: GROUP, sourceaddr: a.ip, interface: b.ip });
  await a.kernel.sendto(sender, 'blocked', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.deepEqual([one, two].map((fd) => got(b, fd)), [['blocked'], []]);
  b.kernel.close(one);
  await a.kernel.sendto(sender, 'for nobody', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.equal(w.drops()['IP_INVALID_DEST'], 1, 'the only filter left excludes the sender');
  for (const fd of [two, three]) b.kernel.close(fd);
  a.kernel.close(sender);
  await w.runUntilIdle();
  assert.equal(w.check().skbs, 0);
});

test('a host hears its own groups, unless IP_MULTICAST_LOOP is off; TTL 0 stays at home', async () => {
  const { w, b, open } = world();
  const fd = open();
  b.kernel.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: b.ip });
  b.kernel.setsockopt(fd, SOL_IP, IP_MULTICAST_IF, { address: b.ip });
  assert.equal(b.kernel.getsockopt(fd, SOL_IP, IP_MULTICAST_IF), b.ip);
  await b.kernel.sendto(fd, 'own', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.deepEqual(got(b, fd), ['own']);
  b.kernel.setsockopt(fd, SOL_IP, IP_MULTICAST_LOOP, 0);
  await b.kernel.sendto(fd, 'silent', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.deepEqual(got(b, fd), []);
  b.kernel.setsockopt(fd, SOL_IP, IP_MULTICAST_LOOP, 1);
  b.kernel.setsockopt(fd, SOL_IP, IP_MULTICAST_TTL, 0);
  const before = b.interfaces[0]!.dev.stats.txPackets;
  await b.kernel.sendto(fd, 'at home', { address: GROUP, port: 5000 });
  await w.advance('10ms');
  assert.deepEqual(got(b, fd), ['at home']);
  assert.ok(b.interfaces[0]!.dev.stats.txPackets <= before + 1, 'no more than a report of IGMP has left');
  const stream = b.kernel.socket(AF_INET, SOCK_STREAM);
  const join = { multiaddr: GROUP, address: b.ip };
  assert.throws(() => b.kernel.setsockopt(stream, SOL_IP, IP_ADD_MEMBERSHIP, join), { code: 'EPROTO' });
});

test("node's dgram: addMembership, setMulticastInterface, dropMembership", async () => {
  const w = new NodeWorld({ seed: 3 });
  const [a, b] = [w.host('a'), w.host('b')];
  w.cable(a, b, { delay: '1ms' });
  await w.run(async () => {
    const server = b.dgram.createSocket('udp4');
    server.bind(5000);
    await once(server, 'listening');
    server.addMembership(GROUP, b.ip);
    assert.throws(() => server.addMembership(GROUP, b.ip), { code: 'EADDRINUSE' });
    assert.throws(() => server.addMembership('10.0.0.7', b.ip), { code: 'EINVAL' });
    const client = a.dgram.createSocket('udp4');
    client.bind(0);
    await once(client, 'listening');
    client.setMulticastInterface(a.ip);
    client.setMulticastTTL(3);
    client.send('hello', 5000, GROUP);
    const [message, from] = (await once(server, 'message')) as [Buffer, { address: string }];
    assert.deepEqual([message.toString(), from.address], ['hello', a.ip]);
    server.dropMembership(GROUP, b.ip);
    assert.throws(() => server.dropMembership(GROUP, b.ip), { code: 'EADDRNOTAVAIL' });
    server.addSourceSpecificMembership(a.ip, GROUP, b.ip);
    client.send('by source', 5000, GROUP);
    const [second] = (await once(server, 'message')) as [Buffer];
    assert.equal(second.toString(), 'by source');
    server.dropSourceSpecificMembership(a.ip, GROUP, b.ip);
    server.close();
    client.close();
  });
});
