/** SOCK_RAW over IPv6 (RFC 3542 §3) and ICMPv6 ping sockets: what is seen, what is sent, who may, what comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_INET6, ICMPV6_FILTER, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_RAW, IPV6_CHECKSUM, IPV6_HDRINCL, IPV6_HOPLIMIT,
  IPV6_MTU_DISCOVER, IPV6_PKTINFO, IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_RECVPKTINFO, IPV6_UNICAST_HOPS, MSG_ERRQUEUE, POLLIN,
  SOCK_DGRAM, SOCK_RAW, SOL_ICMPV6, SOL_IPV6, SOL_RAW, World, type Host,
} from '../../mod.ts';
import { in6WriteAt, parseIpv6 } from '../../src/lib/addr6.ts';
import { icmpv6Csum } from '../../src/wire/icmpv6.ts';
import { ipv6WriteHeader } from '../../src/wire/ipv6.ts';

interface Two {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
}

const [ALICE, BOB] = ['fd00::1', 'fd00::2'];

function two(): Two {
  const world = new World({ seed: 1, costs: 'zero' });
  const alice = world.host('alice', { ip: '10.0.0.1/24', ip6: `${ALICE}/64` });
  const bob = world.host('bob', { ip: '10.0.0.2/24', ip6: `${BOB}/64` });
  world.cable(alice, bob, { delay: '1ms' });
  return { world, alice, bob };
}

/** An ICMPv6 echo request without a checksum. */
function echo(id: number, seq: number, data = 'data'): Uint8Array {
  return new Uint8Array([128, 0, 0, 0, id >> 8, id & 255, seq >> 8, seq & 255, ...new TextEncoder().encode(data)]);
}

/** 0 when the checksum of `packet`, which went from `from` to `to`, is right. */
function checksum(packet: Uint8Array, from: string, to: string): number {
  const all = new Uint8Array(40 + packet.length);
  in6WriteAt(parseIpv6(from)!, all, 8);
  in6WriteAt(parseIpv6(to)!, all, 24);
  all.set(packet, 40);
  return icmpv6Csum(all, 0, 40, packet.length);
}

const to = (address: string): { address: string; port: number } => ({ address, port: 0 });

test('raw sockets get what is behind the IPv6 header, each its copy; the kernel computes the checksum of ICMPv6', async () => {
  const { alice, bob } = two();
  const [a, other] = [alice.kernel.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), alice.kernel.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)];
  const b = bob.kernel.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  // Echo replies and requests only: neighbour discovery goes by, too.
  const filter = new Uint32Array(8).fill(0xffffffff);
  filter[4]! &= ~0b11;
  for (const fd of [a, other]) alice.kernel.setsockopt(fd, SOL_ICMPV6, ICMPV6_FILTER, filter);
  bob.kernel.setsockopt(b, SOL_ICMPV6, ICMPV6_FILTER, filter);
  assert.deepEqual(bob.kernel.getsockopt(b, SOL_ICMPV6, ICMPV6_FILTER), filter);
  bob.kernel.setsockopt(b, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
  bob.kernel.setsockopt(b, SOL_IPV6, IPV6_RECVPKTINFO, 1);
  const request = echo(77, 1);
  assert.equal(await alice.kernel.sendto(a, request, to(BOB)), request.length);
  const buffer = new Uint8Array(200);
  const reply = await alice.kernel.recvfrom(a, buffer);
  assert.deepEqual(reply.from, { address: BOB, port: 0, family: 'IPv6' });
  assert.equal(reply.bytes, request.length);
  assert.deepEqual([buffer[0], ...buffer.subarray(4, 12)], [129, ...request.subarray(4)]);
  assert.equal(checksum(buffer.slice(0, reply.bytes), BOB, ALICE), 0);
  assert.equal(alice.kernel.sys.recv(other, buffer), reply.bytes, 'a copy for each');
  const seen = bob.kernel.sys.recvmsg(b, [buffer]);
  assert.equal(buffer[0], 128, 'the request, although the kernel answered it');
  assert.equal(checksum(buffer.slice(0, seen.bytes), ALICE, BOB), 0);
  assert.equal(seen.control.find((c) => c.type === IPV6_HOPLIMIT)?.data, 64);
  const info = seen.control.find((c) => c.type === IPV6_PKTINFO)?.data as { ifindex: number };
  assert.equal(info.ifindex, 2);
  assert.equal(alice.kernel.nstat().Icmp6OutEchos, 1);
});

test('IPV6_CHECKSUM: written at its offset when sent, verified when received; RFC 3542 §3.1', async () => {
  const { alice, bob } = two();
  const [a, b] = [alice.kernel.socket(AF_INET6, SOCK_RAW, 200), bob.kernel.socket(AF_INET6, SOCK_RAW, 200)];
  assert.equal(alice.kernel.getsockopt(a, SOL_IPV6, IPV6_CHECKSUM), -1);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_CHECKSUM, 4);
  bob.kernel.setsockopt(b, SOL_IPV6, IPV6_CHECKSUM, 4);
  const packet = Uint8Array.from([1, 2, 3, 4, 0xff, 0xff, 7, 8, 9]);
  await alice.kernel.sendto(a, packet, to(BOB));
  const buffer = new Uint8Array(100);
  assert.equal(await bob.kernel.recv(b, buffer), 9);
  assert.deepEqual([...buffer.subarray(0, 4), ...buffer.subarray(6, 9)], [1, 2, 3, 4, 7, 8, 9]);
  assert.notDeepEqual([buffer[4], buffer[5]], [0xff, 0xff]);
  assert.throws(() => alice.kernel.sys.sendto(a, packet.subarray(0, 5), to(BOB)), { code: 'EINVAL' }, 'no room for it');
  assert.throws(() => { alice.kernel.setsockopt(a, SOL_IPV6, IPV6_CHECKSUM, 3); }, { code: 'EINVAL' });
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_CHECKSUM, -1);
  await alice.kernel.sendto(a, packet, to(BOB)); // a wrong one, as written
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_CHECKSUM, 4);
  await alice.kernel.sendto(a, packet.fill(5), to(BOB));
  assert.equal(await bob.kernel.recv(b, buffer), 9);
  assert.equal(buffer[0], 5, 'the damaged one was not shown');
  const icmp = alice.kernel.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  assert.equal(alice.kernel.getsockopt(icmp, SOL_RAW, IPV6_CHECKSUM), 2);
  assert.throws(() => { alice.kernel.setsockopt(icmp, SOL_IPV6, IPV6_CHECKSUM, 2); }, { code: 'EINVAL' });
});

test('IPV6_HDRINCL: the header is the writer\'s, untouched', async () => {
  const { alice, bob } = two();
  const a = alice.kernel.socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
  assert.equal(alice.kernel.getsockopt(a, SOL_IPV6, IPV6_HDRINCL), 1, 'IPPROTO_RAW implies it');
  const b = bob.kernel.socket(AF_INET6, SOCK_RAW, 200);
  bob.kernel.setsockopt(b, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
  const packet = new Uint8Array(43);
  ipv6WriteHeader(packet, 0, 0, 0, 3, 200, 9, parseIpv6('fd00::9999')!, parseIpv6(BOB)!);
  packet.set([1, 2, 3], 40);
  await alice.kernel.sendto(a, packet, to(BOB));
  const buffer = new Uint8Array(100);
  await bob.kernel.poll([{ fd: b, events: POLLIN }]);
  const got = bob.kernel.sys.recvmsg(b, [buffer]);
  assert.deepEqual([got.bytes, got.from?.address, got.control[0]?.data], [3, 'fd00::9999', 9], 'any source one likes');
  assert.deepEqual([...buffer.subarray(0, 3)], [1, 2, 3]);
  for (const [bytes, code] of [[packet.subarray(0, 39), 'EINVAL'], [new Uint8Array(1501), 'EMSGSIZE']] as const) {
    assert.throws(() => alice.kernel.sys.sendto(a, bytes, to(BOB)), { code });
  }
});

test('bound and connected sockets hear their addresses only; a link-local address wants its link', async () => {
  const { alice, bob } = two();
  const send = alice.kernel.socket(AF_INET6, SOCK_RAW, 200);
  const hears = (fd: number): boolean => (bob.kernel.sys.poll([{ fd, events: POLLIN }]) === 1);
  const fds = [0, 1, 2, 3, 4, 5].map(() => bob.kernel.socket(AF_INET6, SOCK_RAW, 200));
  const [, bound, wrong, peer, stranger, group] = fds as [number, number, number, number, number, number];
  bob.kernel.bind(bound, { address: BOB });
  bob.kernel.bind(wrong, { address: '::1' });
  await bob.kernel.connect(peer, to(ALICE));
  await bob.kernel.connect(stranger, to('fd00::9'));
  bob.kernel.bind(group, { address: 'ff02::1%eth0' });
  await alice.kernel.sendto(send, 'hello', to(BOB));
  await bob.kernel.sleep('20ms');
  assert.deepEqual(fds.map(hears), [true, true, false, true, false, false]);
  for (const [address, code] of [['fd00::77', 'EADDRNOTAVAIL'], ['fe80::1', 'EINVAL'], ['::ffff:10.0.0.2', 'EADDRNOTAVAIL']] as const) {
    assert.throws(() => { bob.kernel.bind(wrong, { address }); }, { code });
  }
  for (const fd of fds) while (hears(fd)) bob.kernel.sys.recv(fd, new Uint8Array(10));
  await alice.kernel.sendto(send, 'all', to('ff02::1%eth0'));
  await bob.kernel.sleep('20ms');
  // A group that the host is in and nobody has joined is heard by all of them (IPV6_MULTICAST_ALL), wherever they are bound.
  assert.deepEqual(fds.map(hears), [true, true, true, false, false, true]);
  assert.throws(() => alice.kernel.sys.sendto(send, 'x', to('fe80::1')), { code: 'EINVAL' });
  assert.throws(() => alice.kernel.sys.sendto(send, 'x', { address: BOB, port: 17 }), { code: 'EINVAL' }, 'another protocol');
  assert.throws(() => alice.kernel.sys.sendto(send, 'x', to('10.0.0.2')), { code: 'EAFNOSUPPORT' });
  assert.throws(() => alice.kernel.sys.send(send, 'x'), { code: 'EDESTADDRREQ' });
});

test('a next header that only a raw socket knows draws no "parameter problem"; the error finds its sender', async () => {
  const { alice, bob } = two();
  const [a, b] = [alice.kernel.socket(AF_INET6, SOCK_RAW, 200), bob.kernel.socket(AF_INET6, SOCK_RAW, 200)];
  const buffer = new Uint8Array(100);
  await alice.kernel.sendto(a, 'hello', to(BOB));
  assert.equal(await bob.kernel.recv(b, buffer), 5);
  bob.kernel.close(b);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_RECVERR, 1);
  await alice.kernel.sendto(a, 'hello again', to(BOB));
  await alice.kernel.poll([{ fd: a, events: 0 }]);
  const got = alice.kernel.sys.recvmsg(a, [buffer], MSG_ERRQUEUE);
  assert.deepEqual([got.bytes, got.from?.address], [11, BOB]);
  const [{ level, type, data }] = got.control as [{ level: number; type: number; data: Record<string, unknown> }];
  // EPROTO; by ICMPv6; parameter problem, unrecognized next header; where it stands (RFC 8200 §4).
  assert.deepEqual([level, type], [SOL_IPV6, IPV6_RECVERR]);
  assert.deepEqual([data['errno'], data['origin'], data['type'], data['code'], data['info']], [71, 3, 4, 1, 6]);
});

test('a packet too long for one frame goes in fragments, or is EMSGSIZE with the MTU', async () => {
  const { alice, bob } = two();
  const [a, b] = [alice.kernel.socket(AF_INET6, SOCK_RAW, 200), bob.kernel.socket(AF_INET6, SOCK_RAW, 200)];
  const long = new Uint8Array(30_000).map((_, i) => i % 251);
  await alice.kernel.sendto(a, long, to(BOB));
  const buffer = new Uint8Array(40_000);
  assert.equal(await bob.kernel.recv(b, buffer), 30_000);
  assert.deepEqual(buffer.subarray(0, 30_000), long);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_RECVERR, 1);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_MTU_DISCOVER, 2);
  assert.throws(() => alice.kernel.sys.sendto(a, new Uint8Array(1461), to(BOB)), { code: 'EMSGSIZE' });
  const { control, from } = alice.kernel.sys.recvmsg(a, [new Uint8Array(10)], MSG_ERRQUEUE);
  const { errno, origin, info } = control[0]!.data as { errno: number; origin: number; info: number };
  assert.deepEqual([errno, origin, info, from?.address], [90, 1, 1500, BOB]);
});

test('who may: raw sockets root, ping sockets the groups of net.ipv4.ping_group_range', () => {
  const { alice } = two();
  const user = alice.kernel.process({ uid: 1000 });
  assert.throws(() => user.socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), { code: 'EPERM' });
  assert.throws(() => user.socket(AF_INET6, SOCK_RAW), { code: 'EPROTONOSUPPORT' });
  assert.throws(() => user.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP), { code: 'EPROTONOSUPPORT' });
  assert.equal(user.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6), 0);
  alice.sysctl('net.ipv4.ping_group_range', '0 1');
  assert.throws(() => user.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6), { code: 'EACCES' });
});

test('ping sockets: the kernel owns identifier and checksum, only the asker hears; both families share the numbers', async () => {
  const { alice } = two();
  const make = (): number => alice.kernel.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
  const [one, other, third] = [make(), make(), make()];
  alice.kernel.bind(other, { port: 500 });
  assert.throws(() => { alice.kernel.bind(third, { port: 500 }); }, { code: 'EADDRINUSE' });
  const v4 = alice.kernel.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  assert.throws(() => { alice.kernel.bind(v4, { port: 500 }); }, { code: 'EADDRINUSE' });
  const request = echo(9999, 3);
  await alice.kernel.sendto(one, request, to(BOB));
  const buffer = new Uint8Array(100);
  assert.equal(await alice.kernel.recv(one, buffer), request.length);
  assert.equal(buffer[0], 129);
  assert.equal((buffer[4]! << 8) | buffer[5]!, alice.kernel.getsockname(one).port, 'its identifier is its port');
  assert.equal(checksum(buffer.slice(0, request.length), BOB, ALICE), 0);
  assert.throws(() => alice.kernel.sys.recv(other, buffer), { code: 'EAGAIN' });
  request[0] = 129;
  assert.throws(() => alice.kernel.sys.sendto(one, request, to(BOB)), { code: 'EINVAL' }, 'echo requests only');
  request[0] = 128;
  assert.throws(() => alice.kernel.sys.sendto(one, request, to('::ffff:10.0.0.2')), { code: 'EINVAL' });
  assert.throws(() => { alice.kernel.bind(third, { address: 'ff02::1%eth0' }); }, { code: 'EINVAL' });
  // The same group on a link: whoever answers is heard, by its own address and with its link.
  await alice.kernel.connect(third, to('ff02::1%eth0'));
  await alice.kernel.send(third, request);
  const from = (await alice.kernel.recvfrom(third, buffer)).from!;
  assert.match(from.address, /^fe80::.*%eth0$/);
});

test('an echo whose hops run out: the ping socket learns where', async () => {
  const { world, alice, bob } = two();
  const carol = world.host('carol', { ip6: 'fd01::2/64' });
  world.cable(bob.addInterface({ ip6: 'fd01::1/64' }), carol);
  bob.sysctl('net.ipv6.conf.all.forwarding', 1);
  alice.route('fd01::/64', { via: BOB });
  carol.route('fd00::/64', { via: 'fd01::1' });
  const a = alice.kernel.socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_RECVERR, 1);
  alice.kernel.setsockopt(a, SOL_IPV6, IPV6_UNICAST_HOPS, 1);
  await alice.kernel.sendto(a, echo(0, 5), to('fd01::2'));
  await alice.kernel.poll([{ fd: a, events: 0 }]);
  const iov = [new Uint8Array(100)];
  const { bytes, control } = alice.kernel.sys.recvmsg(a, iov, MSG_ERRQUEUE);
  assert.deepEqual([bytes, iov[0]![7]], [12, 5], 'from its ICMPv6 header on, with its sequence number');
  const { errno, type, code } = control[0]!.data as { errno: number; type: number; code: number };
  assert.deepEqual([errno, type, code], [113, 3, 0]);
});
