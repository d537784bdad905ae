import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv6, in6FromEui64, in6LinklocalAllnodes } from '../../src/lib/addr6.ts';
import { inet6AddrAdd } from '../../src/ip/v6/addrconf.ts';
import { RA_ROUTERS_MAX } from '../../src/ip/v6/autoconf.ts';
import { in6DevOf, inet6Addrs, type Inet6IfAddr } from '../../src/ip/v6/inet6-dev.ts';
import { ip6RouteOutput, Rt6Info } from '../../src/ip/v6/route.ts';
import { RTPROT_RA } from '../../src/ip/v6/rtn.ts';
import { ip6SelectSource, ip6SortDestinations } from '../../src/ip/v6/select.ts';
import { ND_PREFIX_AUTO, ND_PREFIX_ONLINK, ndWriteLladdr, ndWriteMtu, ndWritePrefix, ndWriteRa } from '../../src/wire/ndp.ts';
import { tableWith } from '../../src/testing/table.ts';
import { World } from '../../src/world/world.ts';
import { bench, during, echo, icmp6, ip6, ll, mac, noLeaks, receive, run, type Bench } from './lab.ts';

const table = tableWith(test);
const BOTH = ND_PREFIX_ONLINK | ND_PREFIX_AUTO;

interface RaOptions {
  readonly lifetime?: number;
  readonly pref?: number;
  readonly prefix?: string;
  readonly len?: number;
  readonly flags?: number;
  readonly valid?: number;
  readonly preferred?: number;
  readonly mtu?: number;
  readonly hops?: number;
  readonly from?: string;
}

/** An advertisement of the router with the MAC number `nr`. */
function ra(nr: number, o: RaOptions = {}): Uint8Array {
  const m = new Uint8Array(128);
  let at = ndWriteRa(m, 0, 64, 0, o.pref ?? 0, o.lifetime ?? 1800, 0, 0);
  at += ndWriteLladdr(m, at, 1, mac(nr), 0);
  if (o.mtu !== undefined) at += ndWriteMtu(m, at, o.mtu);
  if (o.prefix !== undefined) {
    at += ndWritePrefix(m, at, ip6(o.prefix), o.len ?? 64, o.flags ?? BOTH, o.valid ?? 7200, o.preferred ?? 3600);
  }
  return icmp6(o.from === undefined ? ll(nr) : ip6(o.from), in6LinklocalAllnodes, m.subarray(0, at), { from: nr, hops: o.hops ?? 255 });
}

/** A host that does all that Linux does, two seconds old: its link-local address can be used. */
function settled(): Bench {
  const b = bench('auto', null);
  run(b.sim, 2500);
  return b;
}

function addresses(b: Bench): string[] {
  return inet6Addrs(b.ea).filter((ifa) => ifa.usable).map((ifa) => formatIpv6(ifa.addr));
}

function routers(b: Bench): string[] {
  return b.a.ip6.fib.main.all().filter((r) => r.protocol === RTPROT_RA).map((r) => formatIpv6(r.gateway!));
}

/** Takes frames and goes on by a second. */
function hear(b: Bench, ...frames: Uint8Array[]): void {
  for (const frame of frames) receive(b.ea, frame);
  run(b.sim, b.sim.now / 1e6 + 1);
}

function advance(b: Bench, sec: number): void {
  run(b.sim, b.sim.now / 1e6 + sec * 1000);
}

test('RFC 4861 §6.3.7, RFC 7559: a host asks for routers as soon as it can, then ever less often; an answer ends it', () => {
  const b = bench('auto', null);
  const { wire } = b;
  run(b.sim, 60_000);
  const asked = during(wire, () => undefined);
  assert.deepEqual(asked, []);
  const count = (): number => b.a.counters().Icmp6OutRouterSolicits ?? 0;
  assert.ok(count() >= 4 && count() <= 6, `${String(count())} in a minute: after 0, 4, 12, 28 seconds, about`);
  assert.equal(b.sim.live, 0, 'and nobody waits for the next one');
  hear(b, ra(50));
  const before = count();
  advance(b, 10_000);
  assert.equal(count(), before);
});

test('RFC 4862 §5.5: prefix, address, duplicate address detection, default route', () => {
  const b = settled();
  assert.deepEqual(addresses(b), ['fe80::ff:fe00:1']);
  hear(b, ra(50, { prefix: '2001:db8:1::' }));
  advance(b, 3);
  assert.deepEqual(addresses(b), ['2001:db8:1::ff:fe00:1', 'fe80::ff:fe00:1']);
  assert.deepEqual(routers(b), ['fe80::ff:fe00:32']);
  const rt = ip6RouteOutput(b.a.ip6, ip6('2001:db8:ffff::1'), null, 0);
  assert.ok(rt instanceof Rt6Info);
  assert.equal(formatIpv6(rt.gateway!), 'fe80::ff:fe00:32');
  assert.equal(formatIpv6(rt.src), '2001:db8:1::ff:fe00:1');
  const onLink = ip6RouteOutput(b.a.ip6, ip6('2001:db8:1::99'), null, 0);
  assert.ok(onLink instanceof Rt6Info);
  assert.equal(onLink.gateway, null);
  noLeaks(b.pool);
});

test('RFC 4862 §5.5.4: after its preferred lifetime an address is deprecated, after its valid one it is gone, and its network', () => {
  const b = settled();
  hear(b, ra(50, { prefix: '2001:db8:1::', valid: 100, preferred: 50, lifetime: 200 }));
  advance(b, 40);
  const find = (): Inet6IfAddr | null => in6DevOf(b.ea)!.find(in6FromEui64(ip6('2001:db8:1::'), mac(1)));
  assert.equal(find()!.deprecated, false);
  advance(b, 20);
  assert.equal(find()!.deprecated, true);
  advance(b, 50);
  assert.equal(find(), null);
  const rt = ip6RouteOutput(b.a.ip6, ip6('2001:db8:1::99'), null, 0) as Rt6Info;
  assert.equal(formatIpv6(rt.gateway!), 'fe80::ff:fe00:32', 'no longer on link');
  assert.equal(formatIpv6(rt.src), 'fe80::ff:fe00:1');
  assert.deepEqual(routers(b), ['fe80::ff:fe00:32']);
  advance(b, 100);
  assert.deepEqual(routers(b), [], 'the router lifetime is over, too');
});

table<{ left: number; said: number; then: number }>('RFC 4862 §5.5.3 (e): nobody cuts a lifetime below two hours from outside', `
  left     said   →  then
  100000   50000     50000
  100000   7201      7201
  100000   60        7200      // two hours, no less
  100000   0         7200
  5000     8000      8000
  5000     6000      6000      // longer than what is left
  5000     60        5000      // shorter: ignored
`, ({ left, said, then }) => {
  const b = settled();
  hear(b, ra(50, { prefix: '2001:db8:1::', valid: left, preferred: 0 }));
  hear(b, ra(50, { prefix: '2001:db8:1::', valid: said, preferred: 0 }));
  const ifa = in6DevOf(b.ea)!.find(in6FromEui64(ip6('2001:db8:1::'), mac(1)))!;
  const seconds = (ifa.validUntil - b.sim.now) / 1e9;
  assert.ok(Math.abs(seconds - then) < 3, `${String(seconds)} seconds`);
});

table<{ what: string; addrs: number; routes: number }>('advertisements that are not followed, or not in everything', `
  what             →  addrs  routes
  hops                0      0
  global-source       0      0
  not-autonomous      0      1
  prefix-56           0      1       // (d): prefix and identifier are no address together
  linklocal-prefix    0      1
  preferred-longer    0      1
  no-router           1      0
  accept_ra=0         0      0
  forwarding          0      0
  autoconf=0          0      1
`, ({ what, addrs, routes }) => {
  const b = settled();
  const { conf } = in6DevOf(b.ea)!;
  if (what === 'accept_ra=0') conf.acceptRa = 0;
  if (what === 'autoconf=0') conf.autoconf = 0;
  if (what === 'forwarding') b.a.in(() => (b.a.ip6.confAll.forwarding = 1));
  const options: Record<string, RaOptions> = {
    hops: { hops: 254 },
    'global-source': { from: '2001:db8::1' },
    'not-autonomous': { flags: ND_PREFIX_ONLINK },
    'prefix-56': { len: 56 },
    'linklocal-prefix': { prefix: 'fe80::' },
    'preferred-longer': { valid: 10, preferred: 20 },
    'no-router': { lifetime: 0 },
  };
  hear(b, ra(50, { prefix: '2001:db8:1::', ...options[what] }));
  advance(b, 3);
  assert.equal(addresses(b).length - 1, addrs);
  assert.equal(routers(b).length, routes);
});

test('RFC 4191 §3.2: the preferred router, and when it does not answer another one (RFC 4861 §7.3.3)', () => {
  const b = settled();
  hear(b, ra(50, { prefix: '2001:db8:1::' }), ra(51, { pref: 1 }), ra(52, { pref: -1 }));
  advance(b, 3);
  const via = (): string => {
    const rt = ip6RouteOutput(b.a.ip6, ip6('2001:db8:9::1'), null, 0);
    return rt instanceof Rt6Info ? formatIpv6(rt.gateway!) : String(rt);
  };
  assert.equal(via(), formatIpv6(ll(51)));
  // Nobody is there: after its delay it is asked, then given up.
  echo(b.a, ip6('2001:db8:9::1'));
  advance(b, 12);
  echo(b.a, ip6('2001:db8:9::1'));
  advance(b, 12);
  assert.equal(via(), formatIpv6(ll(50)));
  hear(b, ra(51, { lifetime: 0 }));
  assert.deepEqual(routers(b).sort(), [formatIpv6(ll(50)), formatIpv6(ll(52))]);
});

test('a smaller MTU that is advertised counts, one below 1280 or above the link does not', () => {
  const b = settled();
  const mtu = (): number => {
    const rt = ip6RouteOutput(b.a.ip6, ip6('2001:db8:1::9'), null, 0);
    return rt instanceof Rt6Info ? rt.mtu : rt;
  };
  hear(b, ra(50, { prefix: '2001:db8:1::', mtu: 1400 }));
  advance(b, 3);
  assert.equal(mtu(), 1400);
  hear(b, ra(50, { mtu: 1279 }), ra(50, { mtu: 9000 }));
  assert.equal(mtu(), 1400);
});

test('a flood of advertisements makes no more addresses than max_addresses, and what it makes ends', () => {
  const b = settled();
  for (let i = 0; i < 3000; i++) receive(b.ea, ra(100, { prefix: `2001:db8:${i.toString(16)}::`, valid: 30, preferred: 30, lifetime: 30 }));
  advance(b, 2);
  assert.equal(inet6Addrs(b.ea).length, 17);
  advance(b, 60);
  assert.deepEqual(addresses(b), ['fe80::ff:fe00:1']);
  assert.deepEqual(b.a.ip6.fib.main.all().map((r) => formatIpv6(r.dst)), ['::1', 'fe80::']);
  noLeaks(b.pool);
});

test('a flood of routers: the first 64 are default routers, the others are not, and all end within a second of their time', () => {
  const b = settled();
  receive(b.ea, ra(100, { lifetime: 1800 }));
  for (let i = 0; i < 500; i++) {
    receive(b.ea, ra(200, { from: `fe80::1:${i.toString(16)}`, lifetime: 10 + (i % 5) }));
    run(b.sim, b.sim.now / 1e6 + 1);
  }
  const first = formatIpv6(ll(100));
  assert.deepEqual([routers(b).length, routers(b)[0]], [RA_ROUTERS_MAX, first]);
  advance(b, 16);
  assert.deepEqual(routers(b), [first]);
  noLeaks(b.pool);
});

// ---- RFC 6724 -------------------------------------------------------------------------------------------------------

table<{ have: string; to: string; from: string }>('RFC 6724 §5: which address speaks to whom', `
  have                                   to                   →  from
  2001:db8:1::1,fe80::1                  2001:db8:2::1           2001:db8:1::1     // rule 2
  2001:db8:1::1,fe80::1                  fe80::9                 fe80::1
  2001:db8:1::1,fe80::1                  ff02::1                 fe80::1
  2001:db8:1::1,fe80::1                  ff05::1                 2001:db8:1::1
  2001:db8:1::1,2001:db8:1::2            2001:db8:1::2           2001:db8:1::2     // rule 1
  2001:db8:1::1!,2001:db8:3::1           2001:db8:1::9           2001:db8:3::1     // rule 3
  fd00:1::1,2001:db8:1::1                fd00:2::1               fd00:1::1         // rule 6
  fd00:1::1,2001:db8:1::1                2001:db8:2::1           2001:db8:1::1
  2002:c633:6401::1,2001:db8:1::1        2002:c633:6401::9       2002:c633:6401::1
  2001:db8:1::1,2001:db8:3::1            2001:db8:3::9           2001:db8:3::1     // rule 8
`, ({ have, to, from }) => {
  const b = bench('static', null);
  b.a.in(() => {
    b.a.ip6.confDefault.addrGenMode = 1;
    for (const word of have.split(',')) {
      if (word === 'fe80::1') inet6AddrAdd(b.ea, ip6(word), 64);
      else inet6AddrAdd(b.ea, ip6(word.replace('!', '')), 64, word.endsWith('!') ? { validLft: 1000, preferredLft: 0 } : {});
    }
  });
  const src = ip6SelectSource(b.a.ip6, b.ea, ip6(to))!;
  assert.ok(formatIpv6(src) === from || (from === 'fe80::1' && formatIpv6(src).startsWith('fe80::')), formatIpv6(src));
});

test('RFC 6724 §6, §10.2: the order in which addresses are tried', () => {
  const d = (addr: string, source: string | null): { addr: ReturnType<typeof ip6>; source: ReturnType<typeof ip6> | null } =>
    ({ addr: ip6(addr), source: source === null ? null : ip6(source) });
  const order = (...list: ReturnType<typeof d>[]): string[] => ip6SortDestinations(list).map((x) => formatIpv6(x.addr));
  assert.deepEqual(order(d('2001:db8:1::1', '2001:db8:1::2'), d('::ffff:198.51.100.121', '::ffff:169.254.13.78')),
    ['2001:db8:1::1', '::ffff:198.51.100.121'], 'matching scope');
  assert.deepEqual(order(d('2001:db8:1::1', 'fe80::1'), d('::ffff:198.51.100.121', '::ffff:198.51.100.117')),
    ['::ffff:198.51.100.121', '2001:db8:1::1']);
  assert.deepEqual(order(d('::ffff:10.1.2.3', '::ffff:10.1.2.4'), d('2001:db8:1::1', '2001:db8:1::2')),
    ['2001:db8:1::1', '::ffff:10.1.2.3'], 'higher precedence');
  assert.deepEqual(order(d('2001:db8:1::1', '2001:db8:1::2'), d('fe80::1', 'fe80::2')), ['fe80::1', '2001:db8:1::1'], 'smaller scope');
  assert.deepEqual(order(d('2001:db8:1::1', null), d('fe80::1', 'fe80::2')), ['fe80::1', '2001:db8:1::1'], 'a way there');
  assert.deepEqual(order(d('2002:c633:6401::1', '2002:c633:6401::2'), d('2001:db8:1::1', '2002:c633:6401::2')),
    ['2002:c633:6401::1', '2001:db8:1::1'], 'matching label');
});

// ---- the world ------------------------------------------------------------------------------------------------------

test('a world of default hosts has addresses of both families, and says nothing at boot', async () => {
  using world = new World({ seed: 3, digest: true });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  assert.deepEqual([alice.ip6, bob.ip6], ['fd00:a00::1', 'fd00:a00::2']);
  assert.equal(alice.interfaces[0]!.ip6, 'fd00:a00::1');
  assert.deepEqual(alice.kernel.hosts.lookup6('bob'), [{ address: 'fd00:a00::2', family: 6 }]);
  assert.deepEqual(alice.kernel.hosts.lookup('bob').map((a) => a.family), [4], 'a name leads to IPv4 unless somebody asks');
  await world.runUntilIdle();
  assert.equal(world.check().timers, 0, 'an idle host costs no events');
  assert.equal(alice.kernel.nstat().Ip6OutRequests, 0);
});

test('host({ ipv6: false }) has ::1 and no other; frames of IPv6 are dropped under their own name', () => {
  using world = new World();
  const off = world.host('off', { ipv6: false, ip: '10.0.0.1' });
  assert.deepEqual(off.ip6s, []);
  assert.equal(off.kernel.sysctl('net.ipv6.conf.eth0.disable_ipv6'), 1);
  assert.deepEqual(off.kernel.stack.ip6.fib.local.all().map((r) => formatIpv6(r.dst)), ['::1']);
  off.kernel.sysctl('net.ipv6.conf.eth0.disable_ipv6', 0);
  assert.deepEqual(inet6Addrs(off.interfaces[0]!.dev).map((ifa) => formatIpv6(ifa.addr)), ['fe80::ff:fe00:1']);
});

test("a router's advertisements give an 'auto' host its address and its default route", async () => {
  using world = new World({ seed: 5 });
  const interfaces = [{ ip: '10.9.0.1/24', ip6: 'fd00:9::1/64', advertise: { interval: '30s' } }];
  const router = world.host('router', { forward: true, interfaces });
  const host = world.host('host', { ipv6: 'auto' });
  world.cable(router, host, { delay: '1ms' });
  await world.advance('10s');
  assert.deepEqual(host.ip6s, ['fd00:9::ff:fe00:2']);
  const [route] = host.kernel.stack.ip6.fib.main.all().filter((r) => r.prefixLen === 0);
  assert.equal(formatIpv6(route!.gateway!), 'fe80::ff:fe00:1');
  assert.equal(router.kernel.stack.ip6.confAll.forwarding, 1);
  // The router dies: its lifetime is thrice its interval.
  router.crash();
  await world.advance('95s');
  assert.equal(host.kernel.stack.ip6.fib.main.all().filter((r) => r.prefixLen === 0).length, 0);
});

test('wrong options are errors that name them', () => {
  using world = new World();
  for (const [options, message] of [
    [{ ipv6: 'yes' }, /^ipv6: .* expected 'static', 'auto' or false/],
    [{ ip6: 'fd00:::1' }, /^ip6: 'fd00:::1' is not understood/],
    [{ ip6: 'ff02::1' }, /^ip6: ff02::1 cannot be a host's address/],
    [{ interfaces: [{ advertise: { interval: '1s' } }] }, /^advertise: interval: out of range/],
    [{ interfaces: [{ advertise: { prefixes: ['fd00'] } }] }, /^advertise: prefixes: 'fd00' is not understood/],
    [{ interfaces: [{ advertise: { preference: 'best' } }] }, /^advertise: preference: 'best' is not understood/],
  ] as const) assert.throws(() => world.host(`h${String(message.source.length)}`, options as never), { message });
  const host = world.host('host', { ip6: 'fd00::1' });
  assert.throws(() => host.route('::/0', { via: 'fe80::1' }), /of one link; say which: 'fe80::1%eth0'/);
  assert.throws(() => host.route('::/0', { via: 'fe80:::1' }), /is not an IPv6 address/);
});

test('ip -6 shows addresses, routes and neighbours', () => {
  using world = new World({ seed: 4 });
  const [alice, bob] = [world.host('alice'), world.host('bob')];
  world.cable(alice, bob);
  const shown = alice.sh('ip -6 addr');
  assert.match(shown, /inet6 ::1\/128 scope host[^]* inet6 fd00:a00::1\/64 scope global[^]* inet6 fe80::ff:fe00:1\/64 scope link/);
  assert.equal(alice.sh('ip -6 route'),
    'fd00:a00::/64 dev eth0 proto kernel metric 256 pref medium\nfe80::/64 dev eth0 proto kernel metric 256 pref medium\n');
  assert.equal(alice.sh('ip -6 neigh'), '');
  assert.throws(() => alice.sh('ip -6 route add x'), /inet6 prefix is expected rather than "x"/);
});
