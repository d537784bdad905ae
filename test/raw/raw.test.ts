/** SOCK_RAW (raw(7)): what is seen, what is sent, who may, and what comes back when it goes wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, ICMP_FILTER, IP_HDRINCL, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR, IP_TTL, IPPROTO_ICMP, IPPROTO_RAW, IPPROTO_UDP,
  MSG_ERRQUEUE, POLLERR, POLLIN, SO_ERROR, SO_RCVBUF, SOCK_DGRAM, SOCK_RAW, SOL_IP, SOL_RAW, SOL_SOCKET, World, type Host,
} from '../../mod.ts';
import { ipFastCsum } from '../../src/lib/checksum.ts';

interface Two {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
}

function two(): Two {
  const world = new World({ seed: 1, costs: 'zero' });
  const [alice, bob] = [world.host('alice', { ip: '10.0.0.1/24' }), world.host('bob', { ip: '10.0.0.2/24' })];
  world.cable(alice, bob, { delay: '1ms' });
  return { world, alice, bob };
}

/** An ICMP echo request: type, code, checksum, id, seq, and some data. */
function echo(id: number, seq: number, data = 'data'): Uint8Array {
  const out = new Uint8Array([8, 0, 0, 0, id >> 8, id & 255, seq >> 8, seq & 255, ...new TextEncoder().encode(data)]);
  const sum = ipFastCsum(out, 0, out.length);
  out[2] = sum >> 8;
  out[3] = sum & 255;
  return out;
}

test('an echo sent from a raw socket comes back with its IP header; every raw socket of the protocol sees it', async () => {
  const { alice, bob } = two();
  const [a, other] = [alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)];
  const b = bob.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const request = echo(77, 1);
  assert.equal(await alice.kernel.sendto(a, request, { address: '10.0.0.2', port: 0 }), request.length);
  const buffer = new Uint8Array(200);
  const reply = await alice.kernel.recvfrom(a, buffer);
  assert.deepEqual(reply.from, { address: '10.0.0.2', port: 0, family: 'IPv4' });
  assert.equal(reply.bytes, 20 + request.length);
  assert.deepEqual([buffer[0], buffer[8], buffer[9]], [0x45, 64, 1], 'the header: version, TTL, protocol');
  assert.equal(ipFastCsum(buffer, 0, 20), 0);
  assert.deepEqual([...buffer.subarray(20, 22), ...buffer.subarray(24, 32)], [0, 0, ...request.subarray(4, 12)]);
  assert.equal(alice.kernel.sys.recv(other, buffer), reply.bytes, 'a copy for each');
  assert.equal(bob.kernel.sys.recv(b, buffer), 20 + request.length, 'the request, although the kernel answered it');
  assert.equal(alice.kernel.nstat().IcmpOutEchos, 1);
});

test('ICMP_FILTER: a bit per type that is not wanted', async () => {
  const { alice, bob } = two();
  const a = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const b = bob.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  bob.kernel.setsockopt(b, SOL_RAW, ICMP_FILTER, 1 << 8);
  assert.equal(bob.kernel.getsockopt(b, SOL_RAW, ICMP_FILTER), 1 << 8);
  await alice.kernel.sendto(a, echo(1, 1), { address: '10.0.0.2', port: 0 });
  await alice.kernel.recv(a, new Uint8Array(200));
  assert.throws(() => bob.kernel.sys.recv(b, new Uint8Array(200)), { code: 'EAGAIN' });
  const u = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  assert.throws(() => { alice.kernel.setsockopt(u, SOL_RAW, ICMP_FILTER, 1); }, { code: 'EOPNOTSUPP' });
});

test('bound and connected sockets hear their addresses only', async () => {
  const { alice, bob } = two();
  const send = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const hears = (fd: number): boolean => (bob.kernel.sys.poll([{ fd, events: POLLIN }]) === 1);
  const [plain, bound, wrong, peer, stranger] = [0, 1, 2, 3, 4].map(() => bob.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  bob.kernel.bind(bound!, { address: '10.0.0.2' });
  bob.kernel.bind(wrong!, { address: '127.0.0.1' });
  await bob.kernel.connect(peer!, { address: '10.0.0.1', port: 0 });
  await bob.kernel.connect(stranger!, { address: '10.0.0.9', port: 0 });
  await alice.kernel.sendto(send, echo(1, 1), { address: '10.0.0.2', port: 0 });
  await alice.kernel.recv(send, new Uint8Array(200));
  assert.deepEqual([plain!, bound!, wrong!, peer!, stranger!].map(hears), [true, true, false, true, false]);
  assert.throws(() => { bob.kernel.bind(bound!, { address: '10.0.0.77' }); }, { code: 'EADDRNOTAVAIL' });
});

test('a protocol that only a raw socket speaks draws no "protocol unreachable"', async () => {
  const { alice, bob } = two();
  const [a, b] = [alice.kernel.socket(AF_INET, SOCK_RAW, 200), bob.kernel.socket(AF_INET, SOCK_RAW, 200)];
  await alice.kernel.sendto(a, 'hello', { address: '10.0.0.2', port: 0 });
  const buffer = new Uint8Array(100);
  assert.equal(await bob.kernel.recv(b, buffer), 25);
  assert.equal(new TextDecoder().decode(buffer.subarray(20, 25)), 'hello');
  bob.kernel.close(b);
  alice.kernel.setsockopt(a, SOL_IP, IP_RECVERR, 1);
  await alice.kernel.sendto(a, 'hello again', { address: '10.0.0.2', port: 0 });
  await assert.rejects(alice.kernel.recv(a, buffer), { code: 'ENOPROTOOPT' });
});

test('IP_HDRINCL: the header is the writer\'s; checksum and length are filled in, source and id when zero', async () => {
  const { alice, bob } = two();
  const a = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  assert.equal(alice.kernel.getsockopt(a, SOL_IP, IP_HDRINCL), 1, 'IPPROTO_RAW implies it');
  const b = bob.kernel.socket(AF_INET, SOCK_RAW, 200);
  const packet = new Uint8Array([0x45, 0x10, 0, 0, 0, 0, 0, 0, 9, 200, 0xff, 0xff, 0, 0, 0, 0, 10, 0, 0, 2, 1, 2, 3]);
  const to = { address: '10.0.0.2', port: 0 };
  await alice.kernel.sendto(a, packet, to);
  const buffer = new Uint8Array(100);
  assert.equal(await bob.kernel.recv(b, buffer), 23);
  assert.equal(ipFastCsum(buffer, 0, 20), 0);
  assert.deepEqual([buffer[1], buffer[3], buffer[8]], [0x10, 23, 9], 'TOS, length, TTL');
  assert.deepEqual([...buffer.subarray(12, 23)], [10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3]);
  packet.set([10, 9, 9, 9], 12);
  await alice.kernel.sendto(a, packet, to);
  assert.deepEqual((await bob.kernel.recvfrom(b, buffer)).from?.address, '10.9.9.9', 'any source one likes');
  assert.notEqual((buffer[4]! << 8) | buffer[5]!, 0, 'another identification than the first one');
  for (const [bytes, code] of [[packet.subarray(0, 19), 'EINVAL'], [new Uint8Array(1501).fill(0x45), 'EMSGSIZE']] as const) {
    assert.throws(() => alice.kernel.sys.sendto(a, bytes, to), { code });
  }
  packet[0] = 0x4f; // a header of 60 bytes, which are not there
  assert.throws(() => alice.kernel.sys.sendto(a, packet, to), { code: 'EINVAL' });
});

test('IP_RECVERR: an error waits in the error queue, with who says so and what was sent', async () => {
  const { alice } = two();
  const u = alice.kernel.socket(AF_INET, SOCK_DGRAM);
  alice.kernel.setsockopt(u, SOL_IP, IP_RECVERR, 1);
  await alice.kernel.sendto(u, 'anybody?', { address: '10.0.0.2', port: 9 });
  assert.equal(await alice.kernel.poll([{ fd: u, events: 0 }]), 1);
  const iov = [new Uint8Array(100)];
  const got = alice.kernel.sys.recvmsg(u, iov, MSG_ERRQUEUE);
  assert.deepEqual([got.bytes, got.from, got.flags], [8, { address: '10.0.0.2', port: 9, family: 'IPv4' }, MSG_ERRQUEUE]);
  assert.equal(new TextDecoder().decode(iov[0]!.subarray(0, 8)), 'anybody?');
  const [{ level, type, data }] = got.control as [{ level: number; type: number; data: Record<string, unknown> }];
  assert.deepEqual([level, type, data['errno'], data['origin'], data['type'], data['code']], [SOL_IP, IP_RECVERR, 111, 2, 3, 3]);
  assert.equal((data['offender'] as { addr: number }).addr, 0x0a000002);
  assert.equal(alice.kernel.getsockopt(u, SOL_SOCKET, SO_ERROR), 0, 'the queue was the last to know');
  assert.throws(() => alice.kernel.sys.recvmsg(u, iov, MSG_ERRQUEUE), { code: 'EAGAIN' });
  assert.equal(alice.kernel.sys.poll([{ fd: u, events: POLLERR }]), 0);
});

test('too long with DF: EMSGSIZE, and the path\'s MTU in the error queue', () => {
  const { alice } = two();
  const a = alice.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  alice.kernel.setsockopt(a, SOL_IP, IP_RECVERR, 1);
  alice.kernel.setsockopt(a, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  const to = { address: '10.0.0.2', port: 0 };
  assert.throws(() => alice.kernel.sys.sendto(a, new Uint8Array(1481), to), { code: 'EMSGSIZE' });
  const { control, from } = alice.kernel.sys.recvmsg(a, [new Uint8Array(10)], MSG_ERRQUEUE);
  const { errno, origin, info } = control[0]!.data as { errno: number; origin: number; info: number };
  assert.deepEqual([errno, origin, info, from?.address], [90, 1, 1500, '10.0.0.2']);
});

test('a full receive buffer loses packets, and counts them; a short buffer cuts them', async () => {
  const { world, alice, bob } = two();
  const a = alice.kernel.socket(AF_INET, SOCK_RAW, 200);
  const b = bob.kernel.socket(AF_INET, SOCK_RAW, 200);
  bob.kernel.setsockopt(b, SOL_SOCKET, SO_RCVBUF, 1);
  for (let i = 0; i < 10; i++) await alice.kernel.sendto(a, new Uint8Array(500), { address: '10.0.0.2', port: 0 });
  await bob.kernel.sleep('10ms');
  assert.ok(world.drops()['SOCKET_RCVBUFF']! >= 5);
  assert.equal(bob.kernel.sys.recv(b, new Uint8Array(30)), 30);
});

test('root only: a process with another user gets EPERM; ping sockets follow net.ipv4.ping_group_range', () => {
  const { alice } = two();
  const user = alice.kernel.process({ uid: 1000 });
  assert.throws(() => user.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), { code: 'EPERM' });
  assert.throws(() => user.socket(AF_INET, SOCK_RAW), { code: 'EPROTONOSUPPORT' });
  assert.equal(user.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
  alice.sysctl('net.ipv4.ping_group_range', '0 1');
  assert.throws(() => user.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), { code: 'EACCES' });
  const group = alice.kernel.process({ uid: 1000, gid: 1 });
  assert.equal(group.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
});

test('ping sockets: the kernel owns identifier and checksum, and only the asker hears', async () => {
  const { alice } = two();
  const [one, two_] = [alice.kernel.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), alice.kernel.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)];
  alice.kernel.bind(two_, { port: 500 });
  const third = alice.kernel.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  assert.throws(() => { alice.kernel.bind(third, { port: 500 }); }, { code: 'EADDRINUSE' });
  const request = echo(9999, 3);
  request[2] = 0;
  const to = { address: '10.0.0.2', port: 0 };
  await alice.kernel.sendto(one, request, to);
  const buffer = new Uint8Array(100);
  assert.equal(await alice.kernel.recv(one, buffer), request.length, 'without an IP header');
  assert.equal(buffer[0], 0);
  assert.equal((buffer[4]! << 8) | buffer[5]!, alice.kernel.getsockname(one).port, 'its identifier is its port');
  assert.equal(ipFastCsum(buffer, 0, request.length), 0);
  assert.throws(() => alice.kernel.sys.recv(two_, buffer), { code: 'EAGAIN' });
  request[0] = 13;
  assert.throws(() => alice.kernel.sys.sendto(one, request, to), { code: 'EINVAL' }, 'echo requests only');
  assert.throws(() => alice.kernel.sys.sendto(one, request.subarray(0, 7), to), { code: 'EINVAL' });
});

test('an echo that dies on the way: the ping socket learns who dropped it', async () => {
  const { alice } = two();
  const a = alice.kernel.socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  alice.kernel.setsockopt(a, SOL_IP, IP_RECVERR, 1);
  alice.kernel.setsockopt(a, SOL_IP, IP_TTL, 3);
  await alice.kernel.sendto(a, echo(0, 5), { address: '10.0.0.77', port: 0 });
  await alice.kernel.poll([{ fd: a, events: 0 }]);
  const iov = [new Uint8Array(100)];
  const { bytes, control } = alice.kernel.sys.recvmsg(a, iov, MSG_ERRQUEUE);
  assert.equal(bytes, 12, 'from its ICMP header on');
  assert.equal(iov[0]![7], 5, 'the sequence number');
  const { errno, type, code, offender } = control[0]!.data as { errno: number; type: number; code: number; offender: { addr: number } };
  assert.deepEqual([errno, type, code, offender.addr], [113, 3, 1, 0x0a000001], 'no such neighbour: this host says so itself');
});
