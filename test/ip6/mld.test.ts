/** Groups of IPv6: what routers are told by MLD, of devices and of the filters of sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../mod.ts';
import { put16 } from '../../src/lib/bytes.ts';
import { ipv6DevMcInc } from '../../src/ip/v6/mcast.ts';
import { in6DevOf } from '../../src/ip/v6/inet6-dev.ts';
import {
  AF_INET6, FIONREAD, IPV6_JOIN_GROUP, IPV6_MULTICAST_HOPS, MCAST_BLOCK_SOURCE, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP,
  MCAST_MSFILTER, MCAST_UNBLOCK_SOURCE, SOCK_DGRAM, SOL_IPV6,
} from '../../src/sock/constants.ts';
import { bench, during, frame6, icmp6, ip6, receive, run } from './lab.ts';

test('RFC 3810 §4.2, §6: what routers are told follows from the filters of all sockets, source by source', async () => {
  const world = new World({ seed: 1, costs: 'zero' });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  const group = 'ff05::99';
  const { sys } = alice.kernel;
  const sockets = [1, 2, 3].map(() => sys.socket(AF_INET6, SOCK_DGRAM, 0));
  using dump = bob.interfaces[0]!.tcpdump({ names: false });
  /** What is told within two seconds, each record once: it is said twice. */
  const told = async (fd: number, name: number, value: object): Promise<string> => {
    const from = dump.lines.length;
    sys.setsockopt(sockets[fd]!, SOL_IPV6, name, { interface: 2, group, ...value });
    await world.advance('3s');
    const records = dump.lines.slice(from).flatMap((line) => [...line.matchAll(/\[gaddr ff05::99 ([^\]]*)\]/g)].map((m) => m[1]!));
    for (const record of new Set(records)) assert.equal(records.filter((r) => r === record).length, 2, record);
    return [...new Set(records)].join(', ');
  };
  const [s1, s2, s3] = ['fd00:a00::1', 'fd00:a00::2', 'fd00:a00::3'];
  assert.equal(await told(0, MCAST_JOIN_SOURCE_GROUP, { source: s1 }), `allow { ${s1} }`);
  assert.equal(await told(0, MCAST_JOIN_SOURCE_GROUP, { source: s2 }), `allow { ${s2} }`);
  assert.equal(await told(1, MCAST_JOIN_SOURCE_GROUP, { source: s2 }), '', 'what one hears, the device hears');
  assert.equal(await told(0, MCAST_LEAVE_SOURCE_GROUP, { source: s1 }), `block { ${s1} }`);
  assert.equal(await told(1, MCAST_MSFILTER, { fmode: 1, slist: [s1, s3] }), `allow { ${s1} ${s3} }`, 's2 is the other socket\'s');
  sys.setsockopt(sockets[2]!, SOL_IPV6, IPV6_JOIN_GROUP, { addr: group, ifindex: 2 });
  assert.equal(await told(2, MCAST_BLOCK_SOURCE, { source: 'fd00:a00::9' }), 'to_ex { fd00:a00::9 }', 'one hears all but ::9');
  assert.equal(await told(2, MCAST_BLOCK_SOURCE, { source: s1 }), '', 'somebody else wants it');
  assert.equal(await told(2, MCAST_UNBLOCK_SOURCE, { source: 'fd00:a00::9' }), 'allow { fd00:a00::9 }');
  const from = dump.lines.length;
  sys.close(sockets[2]!);
  await world.advance('3s');
  assert.match(dump.lines.slice(from).join(), /to_in \{ fd00:a00::2 fd00:a00::1 fd00:a00::3 \}/);
  for (const [value, errno] of [[{ source: s2 }, 'EADDRNOTAVAIL'], [{ source: 'nobody' }, 'EINVAL']] as const) {
    const join = { interface: 2, group, ...value };
    assert.throws(() => { sys.setsockopt(sockets[0]!, SOL_IPV6, MCAST_JOIN_SOURCE_GROUP, join); }, { code: errno });
  }
  const block = { interface: 2, group, source: s1 };
  assert.throws(() => { sys.setsockopt(sockets[0]!, SOL_IPV6, MCAST_BLOCK_SOURCE, block); }, { code: 'EINVAL' });
  // Whom nobody wants is not heard, though the card takes the frame.
  sys.bind(sockets[0]!, { address: '::', port: 9 });
  const send = async (source: string): Promise<boolean> => {
    bob.sh(`ip -6 addr replace ${source}/64 dev eth0`);
    const fd = bob.kernel.socket(AF_INET6, SOCK_DGRAM);
    bob.kernel.bind(fd, { address: source, port: 0 });
    bob.kernel.setsockopt(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 4);
    bob.kernel.sys.sendto(fd, new Uint8Array(1), { address: `${group}%eth0`, port: 9 });
    await world.advance('5s');
    bob.kernel.close(fd);
    return sys.ioctl(sockets[0]!, FIONREAD, 0) > 0;
  };
  assert.equal(await send('fd00:a00::77'), false);
  assert.equal(world.drops()['IP_INADDRERRORS'], 1);
  assert.equal(await send(s2), true);
  world.stop();
});

test('RFC 3810: joining is said twice, a query is answered, leaving is said; with one of version 1 heard, in its words', () => {
  const b = bench('auto', null);
  run(b.sim, 10_000);
  const { a, ea, sim, wire } = b;
  const idev = in6DevOf(ea)!;
  const joined = during(wire, () => {
    a.in(() => ipv6DevMcInc(idev, ip6('ff05::99'), false));
    run(sim, 12_000);
  }).filter((l) => !l.includes('router solicitation'));
  assert.equal(joined.length, 2);
  const report = 'IP6 fe80::ff:fe00:1 > ff02::16: HBH ICMP6, multicast listener report v2';
  assert.ok(joined.every((l) => l === `${report}, 1 group record(s) [gaddr ff05::99 to_ex { }], length 28`));
  const query = (size: number, hops = 1): Uint8Array => {
    const m = new Uint8Array(size);
    m[0] = 130;
    put16(m, 4, 1000);
    const f = icmp6(ip6('fe80::66'), ip6('ff02::1'), m, { hops });
    return frame6(ip6('fe80::66'), ip6('ff02::1'), 0, Uint8Array.of(58, 0, 5, 2, 0, 0, 1, 0, ...f.subarray(54)), { hops });
  };
  const answered = during(wire, () => {
    receive(ea, query(28));
    receive(ea, query(28, 2)); // from beyond the link: not answered
    run(sim, 14_000);
  }).filter((l) => !l.includes('router solicitation'));
  assert.deepEqual(answered, [
    'IP6 fe80::ff:fe00:1 > ff02::16: HBH ICMP6, multicast listener report v2, 2 group record(s) [gaddr ff02::1:ff00:1 is_ex { }] '
    + '[gaddr ff05::99 is_ex { }], length 48',
  ]);
  const v1 = during(wire, () => {
    receive(ea, query(24));
    run(sim, 16_000);
  }).filter((l) => !l.includes('router solicitation'));
  assert.deepEqual(v1.sort(), [
    'IP6 fe80::ff:fe00:1 > ff02::1:ff00:1: HBH ICMP6, multicast listener report, group ff02::1:ff00:1, length 24',
    'IP6 fe80::ff:fe00:1 > ff05::99: HBH ICMP6, multicast listener report, group ff05::99, length 24',
  ]);
});
