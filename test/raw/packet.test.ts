/** AF_PACKET (packet(7)): frames that come and go, as a program sees and sends them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AF_INET, AF_PACKET, IPPROTO_UDP, PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP, PACKET_IGNORE_OUTGOING, PACKET_MR_MULTICAST,
  PACKET_MR_PROMISC, PACKET_STATISTICS, POLLIN, SO_ATTACH_FILTER, SO_RCVBUF, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOL_PACKET, SOL_SOCKET,
  World, type Host,
} from '../../mod.ts';
import { ETH_P_ALL, ETH_P_ARP, ETH_P_IP } from '../../src/wire/ethernet.ts';

interface Two {
  readonly world: World;
  readonly alice: Host;
  readonly bob: Host;
}

const [A, B] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'];

function two(): Two {
  const world = new World({ seed: 1, costs: 'zero' });
  const alice = world.host('alice', { interfaces: [{ ip: '10.0.0.1/24', mac: A }] });
  const bob = world.host('bob', { interfaces: [{ ip: '10.0.0.2/24', mac: B }] });
  world.cable(alice, bob, { delay: '1ms' });
  return { world, alice, bob };
}

/** One datagram from alice to bob's port 9, read there. */
async function datagram({ alice, bob }: Two, text = 'hello'): Promise<void> {
  const [from, to] = [alice.kernel.socket(AF_INET, SOCK_DGRAM), bob.kernel.socket(AF_INET, SOCK_DGRAM)];
  bob.kernel.bind(to, { port: 9 });
  await alice.kernel.sendto(from, text, { address: bob.ip, port: 9 });
  await bob.kernel.recvfrom(to, new Uint8Array(2000));
  alice.kernel.close(from);
  bob.kernel.close(to);
}

interface Seen {
  readonly link: { readonly interface: string; readonly protocol: number; readonly pkttype: number; readonly hatype: number };
  readonly from: string;
  readonly bytes: Uint8Array;
}

/** All frames that wait. */
function seen(host: Host, fd: number): Seen[] {
  const out: Seen[] = [];
  const buffer = new Uint8Array(2000);
  while (host.kernel.sys.poll([{ fd, events: POLLIN }]) === 1) {
    const got = host.kernel.sys.recvfrom(fd, buffer);
    out.push({ link: got.from!.link!, from: got.from!.address, bytes: buffer.slice(0, got.bytes) });
  }
  return out;
}

test('ETH_P_ALL shows what comes and what goes, link header first', async () => {
  const both = two();
  const fd = both.bob.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
  await datagram(both);
  const frames = seen(both.bob, fd);
  assert.deepEqual(frames.map((f) => [f.link.interface, f.link.protocol, f.link.pkttype, f.link.hatype, f.from]), [
    ['eth0', ETH_P_ARP, 1, 1, A], ['eth0', ETH_P_ARP, 4, 1, B], ['eth0', ETH_P_IP, 0, 1, A],
  ], 'the question to all, the answer that goes out (PACKET_OUTGOING), the datagram');
  const [, , last] = frames;
  assert.deepEqual([...last!.bytes.subarray(0, 14)], [2, 0, 0, 0, 0, 11, 2, 0, 0, 0, 0, 10, 8, 0]);
  assert.equal(new TextDecoder().decode(last!.bytes.subarray(42, 47)), 'hello');
});

test('one EtherType: what comes, and not what goes; SOCK_DGRAM leaves the link header out; a device of its own', async () => {
  const both = two();
  const { alice, bob } = both;
  const ip = bob.kernel.socket(AF_PACKET, SOCK_DGRAM, ETH_P_IP);
  const lo = bob.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
  bob.kernel.bind(lo, { interface: 'lo' });
  const quiet = alice.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
  alice.kernel.setsockopt(quiet, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  await datagram(both);
  const [frame, ...rest] = seen(bob, ip);
  assert.deepEqual([frame!.bytes[0], rest.length], [0x45, 0]);
  assert.deepEqual(seen(bob, lo), []);
  assert.deepEqual(seen(alice, quiet).map((f) => f.link.protocol), [ETH_P_ARP], 'the answer alone');
  await bob.world.run(() => bob.ping('127.0.0.1', { count: 1 }));
  assert.deepEqual(seen(bob, lo).map((f) => f.link.pkttype), [4, 0, 4, 0], 'on lo each is seen twice');
  assert.equal(bob.kernel.getsockname(lo).link!.interface, 'lo');
});

test('nothing is heard before a protocol is named; a socket that is closed looks on no longer', async () => {
  const both = two();
  const fd = both.bob.kernel.socket(AF_PACKET, SOCK_RAW);
  await datagram(both);
  assert.deepEqual(seen(both.bob, fd), []);
  both.bob.kernel.bind(fd, { protocol: ETH_P_IP });
  await datagram(both);
  assert.equal(seen(both.bob, fd).length, 1);
  both.bob.kernel.close(fd);
  assert.ok(both.bob.kernel.stack.net.devices.every((dev) => dev === null || dev.taps === null));
  const late = both.alice.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
  const [carol] = [both.world.host('carol', { ip: '10.0.1.2/24' })];
  both.world.cable(both.alice.addInterface({ ip: '10.0.1.1/24' }), carol);
  await both.world.run(() => both.alice.ping('10.0.1.2', { count: 1 }));
  assert.ok(seen(both.alice, late).some((f) => f.link.interface === 'eth1'), 'a device that came later is looked at, too');
});

test('SOCK_RAW sends a frame as it is, SOCK_DGRAM behind a header of the kernel\'s', async () => {
  const { alice, bob } = two();
  const heard = bob.kernel.socket(AF_PACKET, SOCK_RAW, 0x88b5); // an experimental EtherType
  const raw = alice.kernel.socket(AF_PACKET, SOCK_RAW);
  const data = [...new TextEncoder().encode('raw'), ...new Uint8Array(43)];
  const frame = new Uint8Array([2, 0, 0, 0, 0, 11, 6, 6, 6, 6, 6, 6, 0x88, 0xb5, ...data]);
  assert.equal(await alice.kernel.sendto(raw, frame, { interface: 'eth0' }), 60);
  const cooked = alice.kernel.socket(AF_PACKET, SOCK_DGRAM);
  await alice.kernel.sendto(cooked, new Uint8Array(46).fill(7), { interface: 'eth0', protocol: 0x88b5, mac: B });
  alice.kernel.bind(raw, { interface: 'eth0' });
  await alice.kernel.send(raw, frame);
  await bob.kernel.sleep('5ms');
  const [one, two_, three] = seen(bob, heard);
  assert.deepEqual([one!.bytes, three!.bytes], [frame, frame]);
  assert.equal(one!.from, '06:06:06:06:06:06', 'any source one likes');
  assert.deepEqual([two_!.from, two_!.bytes.length, two_!.bytes[14]], [A, 60, 7]);
});

test('what cannot be sent', () => {
  const { alice } = two();
  const [raw, cooked] = [alice.kernel.socket(AF_PACKET, SOCK_RAW), alice.kernel.socket(AF_PACKET, SOCK_DGRAM)];
  const { sys } = alice.kernel;
  const fails = (fd: number, size: number, to: object, code: string): void => {
    assert.throws(() => sys.sendto(fd, new Uint8Array(size), to), { code });
  };
  fails(raw, 60, { interface: 'eth9' }, 'ENXIO');
  assert.throws(() => sys.send(raw, new Uint8Array(60)), { code: 'ENXIO' });
  fails(raw, 13, { interface: 'eth0' }, 'EINVAL');
  fails(raw, 1515, { interface: 'eth0' }, 'EMSGSIZE');
  fails(cooked, 1501, { interface: 'eth0', mac: B }, 'EMSGSIZE');
  fails(cooked, 60, { interface: 'eth0' }, 'EINVAL');
  assert.throws(() => sys.sendto(cooked, 'x', { interface: 'eth0', mac: 'bob' }), /sendto: mac is 'bob'; expected one such as '02:/);
  assert.throws(() => { sys.bind(raw, { interface: 'eth9' }); }, { code: 'ENODEV' });
  assert.throws(() => { sys.bind(raw, { protocol: 70000 }); }, /expected an EtherType/);
  assert.throws(() => { sys.setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, { code: [] }); }, { code: 'EOPNOTSUPP', message: /BPF filters/ });
  assert.throws(() => alice.kernel.socket(AF_PACKET, SOCK_STREAM), { code: 'ESOCKTNOSUPPORT' });
  assert.throws(() => alice.kernel.process({ uid: 1 }).socket(AF_PACKET, SOCK_RAW), { code: 'EPERM' });
  assert.throws(() => { sys.listen(raw); }, { code: 'EOPNOTSUPP' });
});

test('promiscuous mode counts who wants it, and ends with them', async () => {
  const { alice, bob } = two();
  const card = bob.interfaces[0]!.card;
  const raw = alice.kernel.socket(AF_PACKET, SOCK_RAW);
  const [one, other] = [bob.kernel.socket(AF_PACKET, SOCK_RAW, 0x88b5), bob.kernel.socket(AF_PACKET, SOCK_RAW, 0x88b5)];
  const frame = new Uint8Array([2, 0, 0, 0, 0, 99, 2, 0, 0, 0, 0, 10, 0x88, 0xb5, ...new Uint8Array(46)]);
  const send = async (): Promise<number[]> => {
    await alice.kernel.sendto(raw, frame, { interface: 'eth0' });
    await bob.kernel.sleep('5ms');
    return seen(bob, one).map((f) => f.link.pkttype);
  };
  assert.deepEqual(await send(), []);
  const mreq = { interface: 'eth0', type: PACKET_MR_PROMISC };
  bob.kernel.setsockopt(one, SOL_PACKET, PACKET_ADD_MEMBERSHIP, mreq);
  bob.kernel.setsockopt(other, SOL_PACKET, PACKET_ADD_MEMBERSHIP, mreq);
  assert.deepEqual(await send(), [3], 'PACKET_OTHERHOST');
  bob.kernel.setsockopt(one, SOL_PACKET, PACKET_DROP_MEMBERSHIP, mreq);
  assert.ok(card.filter.promiscuous);
  assert.throws(() => { bob.kernel.setsockopt(one, SOL_PACKET, PACKET_DROP_MEMBERSHIP, mreq); }, { code: 'EADDRNOTAVAIL' });
  bob.kernel.close(other);
  assert.ok(!card.filter.promiscuous);
  assert.deepEqual(await send(), []);
  frame[0] = 3;
  assert.deepEqual(await send(), [], 'a group that nobody joined');
  const group = { interface: 'eth0', type: PACKET_MR_MULTICAST, address: frame.slice(0, 6) };
  bob.kernel.setsockopt(one, SOL_PACKET, PACKET_ADD_MEMBERSHIP, group);
  assert.deepEqual(await send(), [2]);
  const bad = { interface: 'eth9', type: PACKET_MR_PROMISC };
  assert.throws(() => { bob.kernel.setsockopt(one, SOL_PACKET, PACKET_ADD_MEMBERSHIP, bad); }, { code: 'ENODEV' });
});

test('what does not fit into the receive buffer is counted; reading the counts clears them', async () => {
  const both = two();
  const fd = both.bob.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_IP);
  both.bob.kernel.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 1);
  for (let i = 0; i < 10; i++) await datagram(both, 'x'.repeat(1000));
  const stats = both.bob.kernel.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS) as { packets: number; drops: number };
  assert.equal(stats.packets, 10);
  assert.ok(stats.drops >= 7);
  assert.equal(seen(both.bob, fd).length, 10 - stats.drops);
  assert.deepEqual(both.bob.kernel.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS), { packets: 0, drops: 0 });
  assert.deepEqual(both.world.drops(), {}, 'no packet was lost: it was only not seen');
});

test('a checksum that the card is to fill in is filled in on the copy', async () => {
  const both = two();
  const fd = both.alice.kernel.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
  const heard = both.bob.kernel.socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  await datagram(both);
  const sent = seen(both.alice, fd).find((f) => f.link.protocol === ETH_P_IP)!;
  const arrived = new Uint8Array(100);
  const n = both.bob.kernel.sys.recv(heard, arrived);
  assert.deepEqual(sent.bytes.subarray(14, 14 + n), arrived.subarray(0, n));
});
