import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv6, in6FromEui64 } from '../../src/lib/addr6.ts';
import { Random } from '../../src/lib/random.ts';
import { get32, put32 } from '../../src/lib/bytes.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from '../../src/ip/fib.ts';
import { inet6AddrAdd, inet6AddrDel } from '../../src/ip/v6/addrconf.ts';
import { ip6RouteAdd, ip6RouteDel } from '../../src/ip/v6/route-admin.ts';
import { ip6RouteOutput, ip6UpdatePmtu, type Rt6Info } from '../../src/ip/v6/route.ts';
import { in6DevOf } from '../../src/ip/v6/inet6-dev.ts';
import { devSetMtu } from '../../src/dev/registry.ts';
import type { NetDevice } from '../../src/dev/net-device.ts';
import { NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, neighUpdate, NUD_PERMANENT } from '../../src/neigh/neighbour.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { printIp } from '../../src/wire/print.ts';
import { ipv6WriteFragHdr } from '../../src/wire/ipv6.ts';
import { ndWriteRedirect } from '../../src/wire/ndp.ts';
import { tableWith } from '../../src/testing/table.ts';
import {
  bench, during, echo, echoRequest, frame6, icmp6, ip6, labHost6, lines, ll, mac, noLeaks, plug6, receive, run, Wire, type Bench,
  type LabHost6,
} from './lab.ts';

const table = tableWith(test);
const STRANGER = ip6('fd00::77');

/** fd00::1, to whom the stranger fd00::77 is known. */
function known(): Bench {
  const b = bench();
  b.a.in(() => {
    const neigh = b.a.ip6.ndisc.table.lookup6(b.ea, STRANGER)!;
    neighUpdate(neigh, mac(77), 0, NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
  });
  return b;
}

/** The bytes of an echo request from the stranger to fd00::1, checksum filled in. */
function ping(size = 8): Uint8Array {
  return icmp6(STRANGER, ip6('fd00::1'), echoRequest(size)).subarray(54);
}

function after(b: Bench, ...frames: Uint8Array[]): string[] {
  return during(b.wire, () => {
    for (const f of frames) receive(b.ea, f);
    run(b.sim, b.sim.now / 1e6 + 1);
  });
}

/** An extension header of 8 bytes: the next one, length 0, six bytes. */
function ext(next: number, ...bytes: number[]): number[] {
  return [next, 0, ...bytes, ...new Array<number>(6 - bytes.length).fill(0)];
}

// ---- the header -----------------------------------------------------------------------------------------------------

table<{ what: string; reason: string }>('RFC 8200 §3, RFC 4291 §2.5, §2.7: headers that end a packet', `
  what                 →  reason
  version                 IP_INHDR
  short                   IP_INHDR
  truncated               PKT_TOO_SMALL
  multicast-source        IP_INVALID_SOURCE
  loopback-source         IP_INVALID_SOURCE
  loopback-destination    IP_INVALID_SOURCE
  iflocal-group           IP_INVALID_SOURCE
  scope-0-group           IP_INVALID_SOURCE
  not-ours                IP_INADDRERRORS
  unknown-header          IP_NOPROTO
`, ({ what, reason }) => {
  const b = known();
  const src = what === 'multicast-source' ? 'ff02::1' : what === 'loopback-source' ? '::1' : 'fd00::77';
  const others: Record<string, string> = {
    'loopback-destination': '::1', 'iflocal-group': 'ff01::1', 'scope-0-group': 'ff00::1', 'not-ours': 'fd00::5',
  };
  const dst = others[what] ?? 'fd00::1';
  let f = frame6(ip6(src), ip6(dst), what === 'unknown-header' ? 99 : 58, ping());
  if (what === 'version') f[14] = 0x50;
  if (what === 'short') f = f.subarray(0, 50);
  if (what === 'truncated') f[19] = 200;
  receive(b.ea, f);
  run(b.sim, 1);
  assert.deepEqual(b.a.drops, [reason]);
  noLeaks(b.pool);
});

test('RFC 4443 §4.2: an echo is answered from the address that was asked, with the same data and traffic class', () => {
  const b = known();
  const f = frame6(STRANGER, ip6('fd00::1'), 58, ping(32));
  f[15] = 0x80; // traffic class 8
  const said = after(b, f);
  assert.deepEqual(said, ['IP6 fd00::1 > fd00::77: ICMP6, echo reply, id 7, seq 1, length 40']);
  assert.equal(b.wire.frames[0]![15]! & 0xf0, 0x80);
  assert.deepEqual(said, after(b, frame6(STRANGER, ip6('fd00::1'), 58, ping(32))));
});

// ---- extension headers ----------------------------------------------------------------------------------------------

table<{ chain: string; answer: string; reason: string }>('RFC 8200 §4: chains of extension headers in front of an echo', `
  chain                    →  answer                                  reason
  0:1.4.0.0.0.0               reply                                   -
  60:1.4.0.0.0.0              reply                                   -
  0:1.4.0.0.0.0,60:1.4.0.0.0.0,60:0.0.0.0.0.0  reply                  -
  43:0.0.0.0.0.0              reply                                   -                 // type 0, nothing left to visit
  43:0.1.0.0.0.0              'erroneous field - octet 42'            IPV6_BAD_EXTHDR   // RFC 5095: type 0
  43:4.1.0.0.0.0              'erroneous field - octet 42'            IPV6_BAD_EXTHDR
  60:1.4.0.0.0.0,0:1.4.0.0.0.0  'next header - octet 40'              IP_NOPROTO       // hop-by-hop stands first
  0:30.4.0.0.0.0              reply                                   -                 // unknown, 00: skipped
  0:94.4.0.0.0.0              -                                       IPV6_BAD_EXTHDR   // 01: discarded
  60:158.4.0.0.0.0            'option - octet 42'                     IPV6_BAD_EXTHDR   // 10: and said
  60:222.4.0.0.0.0            'option - octet 42'                     IPV6_BAD_EXTHDR   // 11: and said, for it was for one host
  0:194.4.0.1.0.0             'option - octet 42'                     IPV6_BAD_EXTHDR   // jumbograms are not taken
  0:30.9.0.0.0.0              -                                       IPV6_BAD_EXTHDR   // beyond its header
  60:1.4.0.0.9.0              -                                       IPV6_BAD_EXTHDR   // padding that says something
  60:0.0.0.0.0.30             -                                       IPV6_BAD_EXTHDR
  44:0.0.0.0.0.0              reply                                   -                 // RFC 6946: an atomic fragment
`, ({ chain, answer, reason }) => {
  const b = known();
  const headers = chain.split(',').map((one) => one.split(':'));
  const following = (i: number): number => (i + 1 < headers.length ? Number(headers[i + 1]![0]) : 58);
  const bytes = headers.flatMap(([, body], i) => ext(following(i), ...body!.split('.').map(Number)));
  const said = after(b, frame6(STRANGER, ip6('fd00::1'), Number(headers[0]![0]), Uint8Array.of(...bytes, ...ping())));
  if (answer === '-') assert.deepEqual(said, []);
  else if (answer === 'reply') assert.deepEqual(said, ['IP6 fd00::1 > fd00::77: ICMP6, echo reply, id 7, seq 1, length 16']);
  else assert.ok(said[0]!.includes(`parameter problem, ${answer}`), said.join('\n'));
  assert.deepEqual(b.a.drops, reason === '-' ? [] : [reason]);
  noLeaks(b.pool);
});

test('an option that must be complained about is, to a group too when it says so (11 only to one)', () => {
  for (const [type, complains] of [[0x9e, true], [0xde, false]] as const) {
    const b = known();
    const f = frame6(STRANGER, ip6('ff02::1'), 60, Uint8Array.of(...ext(58, type, 4), ...ping()));
    assert.equal(after(b, f).length, complains ? 1 : 0);
  }
});

test('more options than max_dst_opts_number, and chains without end, are dropped', () => {
  const b = known();
  const nine = [58, 4, ...new Array<number[]>(9).fill([0x1e, 2, 0, 0]).flat(), 1, 0];
  assert.deepEqual(after(b, frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...nine, ...ping()))), []);
  b.a.ip6.sysctl.maxDstOptsNumber = 9;
  assert.equal(after(b, frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...nine, ...ping()))).length, 1);
  const long = new Array<number[]>(16).fill(ext(60, 1, 4)).flat();
  assert.deepEqual(after(b, frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...long, ...ext(58, 1, 4), ...ping()))), []);
  assert.deepEqual(b.a.drops, ['IPV6_BAD_EXTHDR', 'IPV6_BAD_EXTHDR']);
  noLeaks(b.pool);
});

// ---- errors ---------------------------------------------------------------------------------------------------------

test('RFC 4443 §2.4 (e): about what nothing is said', () => {
  const b = known();
  const unreachable = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  const redirect = Uint8Array.of(137, 0, 0, 0, 0, 0, 0, 0);
  const bad = (next: number): number[] => [next, 0, 158, 4, 0, 0, 0, 0];
  for (const [f, why] of [
    [frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...bad(58), ...unreachable)), 'an error'],
    [frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...bad(58), ...redirect)), 'a redirect'],
    [frame6(ip6('::'), ip6('fd00::1'), 60, Uint8Array.of(...bad(58), ...ping())), 'from nobody'],
    [frame6(STRANGER, ip6('ff02::1'), 99, ping()), 'to a group'],
    [frame6(STRANGER, ip6('fd00::1'), 99, ping(), { to: new Uint8Array(6).fill(255) }), 'in a frame to all'],
  ] as const) assert.deepEqual(after(b, f), [], why);
  assert.equal(after(b, frame6(STRANGER, ip6('fd00::1'), 99, ping())).length, 1);
  noLeaks(b.pool);
});

test('RFC 4443 §2.4 (f): errors are limited to six at once and one a second; answers to echoes are not', () => {
  const b = known();
  const errors = Array.from({ length: 20 }, () => frame6(STRANGER, ip6('fd00::1'), 99, ping()));
  assert.equal(after(b, ...errors).length, 6);
  run(b.sim, b.sim.now / 1e6 + 2100);
  assert.equal(after(b, ...errors).length, 2);
  assert.equal(b.a.counters().Icmp6OutRateLimitHost, 32);
  assert.equal(after(b, ...Array.from({ length: 20 }, () => frame6(STRANGER, ip6('fd00::1'), 58, ping()))).length, 20);
});

test('RFC 4443 §2.4 (c): an error quotes as much as fits into 1280 bytes', () => {
  const b = known();
  after(b, frame6(STRANGER, ip6('fd00::1'), 99, new Uint8Array(1400)));
  assert.equal(b.wire.frames[0]!.length, 14 + 1280);
  assert.match(printIp(b.wire.frames[0]!, 14, 1280, { verify: true }), /parameter problem, next header - octet 6, length 1240$/);
});

// ---- fragments ------------------------------------------------------------------------------------------------------

/** The fragments of an echo request with `size` bytes of data, cut at `cuts` (multiples of 8). */
function pieces(size: number, ...cuts: number[]): Uint8Array[] {
  const whole = ping(size);
  const ends = [...cuts, whole.length];
  return ends.map((end, i) => fragment(i === 0 ? 0 : ends[i - 1]!, end < whole.length, whole.subarray(i === 0 ? 0 : ends[i - 1], end)));
}

function fragment(offset: number, more: boolean, bytes: Uint8Array, id = 42, next = 58): Uint8Array {
  const payload = new Uint8Array(8 + bytes.length);
  ipv6WriteFragHdr(payload, 0, next, offset, more, id);
  payload.set(bytes, 8);
  return frame6(STRANGER, ip6('fd00::1'), 44, payload);
}

test('RFC 8200 §4.5: fragments in every order are one packet', () => {
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const b = known();
    const parts = pieces(1000, 400, 800);
    const said = after(b, ...order.map((i) => parts[i]!));
    assert.deepEqual(said, ['IP6 fd00::1 > fd00::77: ICMP6, echo reply, id 7, seq 1, length 1008'], order.join());
    assert.equal(b.a.counters().Ip6ReasmOKs, 1);
    noLeaks(b.pool);
  }
});

test('a fragment that came twice is ignored; with options in front of the fragment header the packet is whole all the same', () => {
  const b = known();
  const [first, second] = pieces(1000, 400);
  assert.equal(after(b, first!, first!, second!).length, 1);
  assert.deepEqual(b.a.drops, ['DUP_FRAG']);
  const front = (f: Uint8Array): Uint8Array => frame6(STRANGER, ip6('fd00::1'), 60, Uint8Array.of(...ext(44, 1, 4), ...f.subarray(54)));
  assert.deepEqual(after(b, ...pieces(1000, 400).map(front)), ['IP6 fd00::1 > fd00::77: ICMP6, echo reply, id 7, seq 1, length 1008']);
  noLeaks(b.pool);
});

table<{ what: string; reasons: string; said: string }>('RFC 5722, RFC 7112, RFC 8200 §4.5: fragments that end their packet', `
  what           →  reasons                                          said
  overlap           FRAG_OVERLAP,FRAG_OVERLAP,FRAG_REASM_TIMEOUT      -         // all so far, and the last begins a new one
  odd-length        FRAG_INVALID                                     'erroneous field - octet 4'
  too-long          FRAG_INVALID                                     'erroneous field - octet 42'
  no-header         FRAG_INVALID                                     'erroneous field - octet 40'
  two-ends          FRAG_INVALID,FRAG_INVALID                        -
  empty             FRAG_INVALID                                     -
  in-two            -                                                reply
`, ({ what, reasons, said }) => {
  const b = known();
  const whole = ping(1000);
  const frames: Record<string, Uint8Array[]> = {
    overlap: [
      fragment(0, true, whole.subarray(0, 400)), fragment(392, true, whole.subarray(392, 800)), fragment(800, false, whole.subarray(800)),
    ],
    'odd-length': [fragment(0, true, whole.subarray(0, 401))],
    'too-long': [fragment(65528, false, new Uint8Array(16))],
    'no-header': [fragment(0, true, new Uint8Array(8), 42, 6)],
    'two-ends': [fragment(800, false, new Uint8Array(200)), fragment(1008, false, new Uint8Array(8))],
    empty: [fragment(8, true, new Uint8Array(0))],
    'in-two': [fragment(0, true, whole.subarray(0, 400)), fragment(400, false, whole.subarray(400))],
  };
  const answers = after(b, ...frames[what]!);
  run(b.sim);
  if (said === '-') assert.deepEqual(answers, []);
  else if (said === 'reply') assert.equal(answers.length, 1);
  else assert.ok(answers[0]!.includes(said), answers[0]);
  assert.equal(b.a.drops.join() || '-', reasons);
  noLeaks(b.pool);
});

test('RFC 8200 §4.5: after a minute without the rest the sender is told, when the first fragment is here', () => {
  for (const part of [0, 1]) {
    const b = known();
    const said = during(b.wire, () => {
      receive(b.ea, pieces(1000, 400)[part]!);
      run(b.sim);
    });
    assert.deepEqual(said.map((l) => l.replace(/, length.*/, '')),
      part === 0 ? ['IP6 fd00::1 > fd00::77: ICMP6, time exceeded (reassembly), for fd00::1'] : []);
    assert.deepEqual(b.a.drops, ['FRAG_REASM_TIMEOUT']);
    noLeaks(b.pool);
  }
});

test('the memory of fragments has an end: net.ipv6.ip6frag_high_thresh', () => {
  const b = known();
  b.a.ip6.frags.sysctl.highThresh = 100_000;
  const bytes = new Uint8Array(1232);
  for (let i = 0; i < 500; i++) receive(b.ea, fragment(8, true, bytes, i));
  run(b.sim, 10);
  assert.ok(b.a.ip6.frags.table.mem <= 104_000);
  assert.ok(b.a.drops.includes('FRAG_NO_MEMORY'));
  run(b.sim);
  assert.equal(b.a.ip6.frags.table.mem, 0);
  noLeaks(b.pool);
});

test('own datagrams that are too long are cut, and come together at the other end; without leave they are refused', () => {
  const b = bench();
  const other = labHost6(b.sim, b.pool, 'b');
  plug6(other, b.wire, 2, 'fd00::2/64');
  echo(b.a, ip6('fd00::2'), 4000);
  run(b.sim, 10);
  assert.deepEqual(lines(b.wire).filter((l) => l.includes('frag')), [
    'IP6 fd00::1 > fd00::2: frag (0|1448)+ ICMP6, echo request, id 7, seq 1, length 1448',
    'IP6 fd00::1 > fd00::2: frag (1448|1448)+',
    'IP6 fd00::1 > fd00::2: frag (2896|1112)',
    'IP6 fd00::2 > fd00::1: frag (0|1448)+ ICMP6, echo reply, id 7, seq 1, length 1448',
    'IP6 fd00::2 > fd00::1: frag (1448|1448)+',
    'IP6 fd00::2 > fd00::1: frag (2896|1112)',
  ]);
  assert.equal(b.a.counters().Icmp6InEchoReplies, 1);
  assert.equal(b.a.counters().Icmp6InCsumErrors, undefined);
  assert.equal(echo(b.a, ip6('fd00::2'), 4000, -1, true), 0);
  noLeaks(b.pool);
});

// ---- routers --------------------------------------------------------------------------------------------------------

interface Line {
  sim: Simulation;
  pool: SkbPool;
  wires: Wire[];
  hosts: LabHost6[];
  devs: NetDevice[];
}

/** a | r1 | r2 | b: three links, fd00:1::/64 to fd00:3::/64. */
function inLine(): Line {
  const sim = new Simulation();
  const pool = new SkbPool();
  const wires = [1, 2, 3].map(() => new Wire(sim, pool));
  const hosts = ['a', 'r1', 'r2', 'b'].map((name) => labHost6(sim, pool, name));
  const [a, r1, r2, b] = hosts as [LabHost6, LabHost6, LabHost6, LabHost6];
  const devs = [
    plug6(a, wires[0]!, 1, 'fd00:1::1/64'),
    plug6(r1, wires[0]!, 11, 'fd00:1::f/64'),
    plug6(r1, wires[1]!, 12, 'fd00:2::1/64', 'eth1'),
    plug6(r2, wires[1]!, 21, 'fd00:2::2/64'),
    plug6(r2, wires[2]!, 22, 'fd00:3::f/64', 'eth1'),
    plug6(b, wires[2]!, 2, 'fd00:3::1/64'),
  ];
  for (const r of [r1, r2]) r.in(() => (r.ip6.confAll.forwarding = 1));
  const add = (h: LabHost6, dst: string, len: number, gateway: string): void => {
    assert.equal(h.in(() => ip6RouteAdd(h.ip6, { dst: ip6(dst), prefixLen: len, gateway: ip6(gateway), type: RTN_UNICAST })), 0);
  };
  add(a, '::', 0, 'fd00:1::f');
  add(r1, 'fd00:3::', 64, 'fd00:2::2');
  add(r2, 'fd00:1::', 64, 'fd00:2::1');
  add(b, '::', 0, 'fd00:3::f');
  return { sim, pool, wires, hosts, devs };
}

test('across two routers and back', () => {
  const w = inLine();
  echo(w.hosts[0]!, ip6('fd00:3::1'));
  run(w.sim, 10);
  assert.equal(w.hosts[0]!.counters().Icmp6InEchoReplies, 1);
  assert.equal(w.hosts[1]!.counters().Ip6OutForwDatagrams, 2);
  const arrived = w.wires[2]!.frames.find((f) => f[20] === 58 && f[54] === 128)!;
  assert.equal(arrived[21], 62, 'two hops fewer');
  noLeaks(w.pool);
});

table<{ hops: number; from: string }>('RFC 4443 §3.3: where the hop limit ends', `
  hops  →  from
  1        fd00:1::f
  2        fd00:2::2
  3        -
`, ({ hops, from }) => {
  const w = inLine();
  const a = w.hosts[0]!;
  echo(a, ip6('fd00:3::1'), 8, hops);
  run(w.sim, 10);
  const told = lines(w.wires[0]!).find((l) => l.includes('time exceeded'));
  assert.equal(told?.split(' ')[1] ?? '-', from);
  assert.equal(a.counters().Icmp6InTimeExcds ?? 0, from === '-' ? 0 : 1);
  noLeaks(w.pool);
});

test('RFC 8201: a smaller link on the way says so; the path is believed to be that small for ten minutes', () => {
  const w = inLine();
  const [a, r1, r2] = w.hosts as [LabHost6, LabHost6, LabHost6];
  r1.in(() => devSetMtu(w.devs[2]!, 1300));
  r2.in(() => devSetMtu(w.devs[3]!, 1300));
  echo(a, ip6('fd00:3::1'), 1400);
  run(w.sim, 10);
  assert.equal(r1.counters().Icmp6OutPktTooBigs, 1);
  assert.match(lines(w.wires[0]!).find((l) => l.includes('too big'))!, /packet too big, mtu 1300, length 1240$/);
  // What was asked in fragments that fit is answered; and the answer is too long itself, once.
  for (const at of [20, 30]) {
    echo(a, ip6('fd00:3::1'), 1400);
    run(w.sim, at);
  }
  assert.equal(a.counters().Icmp6InEchoReplies, 1);
  const mtu = (): number => (ip6RouteOutput(a.ip6, ip6('fd00:3::1'), null, 0) as Rt6Info).mtu;
  assert.equal(mtu(), 1300);
  a.in(() => ip6UpdatePmtu(a.ip6, ip6('fd00:3::1'), 0, 600));
  assert.equal(mtu(), 1280, 'never below the smallest MTU');
  run(w.sim, 601_000);
  a.in(() => assert.equal(mtu(), 1500));
  noLeaks(w.pool);
});

table<{ type: string; errno: number; code: string }>('routes that lead nowhere: the errno of a sender, the word of a router', `
  type         →  errno  code
  none            101    'unreachable route'
  unreachable     113    'unreachable address'
  prohibit        13     'unreachable prohibited'
  blackhole       22     -
`, ({ type, errno, code }) => {
  const w = inLine();
  const [a, r1] = w.hosts as [LabHost6, LabHost6];
  const kinds: Record<string, number> = { unreachable: RTN_UNREACHABLE, prohibit: RTN_PROHIBIT, blackhole: RTN_BLACKHOLE };
  const route = { dst: ip6('fd00:9::'), prefixLen: 64, type: kinds[type] ?? 0 };
  if (type !== 'none') r1.in(() => assert.equal(ip6RouteAdd(r1.ip6, route), 0));
  assert.equal(r1.in(() => ip6RouteOutput(r1.ip6, ip6('fd00:9::1'), null, 0)), -errno);
  echo(a, ip6('fd00:9::1'));
  run(w.sim, 10);
  const told = lines(w.wires[0]!).find((l) => l.includes('destination unreachable'));
  assert.equal(told?.match(/unreachable, (.*), for/)?.[1] ?? '-', code);
  noLeaks(w.pool);
});

test('RFC 4291 §2.5.6: a link-local source stays on its link, and is told so', () => {
  const w = inLine();
  const f = icmp6(ll(1), ip6('fd00:3::1'), echoRequest(), { hops: 64, from: 1, to: mac(11) });
  receive(w.devs[1]!, f);
  run(w.sim, 10);
  assert.match(lines(w.wires[0]!).find((l) => l.includes('unreachable'))!, /beyond scope/);
  assert.deepEqual(w.wires[1]!.frames, []);
});

test('RFC 4861 §8: a router names the better next hop; a host takes it, from its router alone, and forgets it with the router', () => {
  const w = inLine();
  const [a, r1, r2] = w.hosts as [LabHost6, LabHost6, LabHost6];
  // A second router on a's link, by which r1 would send as well.
  plug6(r2, w.wires[0]!, 23, 'fd00:1::e/64', 'eth2');
  r1.in(() => {
    assert.equal(ip6RouteDel(r1.ip6, { dst: ip6('fd00:3::'), prefixLen: 64 }), 0);
    assert.equal(ip6RouteAdd(r1.ip6, { dst: ip6('fd00:3::'), prefixLen: 64, gateway: ll(23), dev: w.devs[1]! }), 0);
  });
  const via = (): string => formatIpv6((ip6RouteOutput(a.ip6, ip6('fd00:3::1'), null, 0) as Rt6Info).nexthop);
  assert.equal(via(), 'fd00:1::f');
  echo(a, ip6('fd00:3::1'));
  run(w.sim, 10);
  assert.equal(r1.counters().Icmp6OutRedirects, 1);
  assert.match(lines(w.wires[0]!).find((l) => l.includes('redirect'))!, /redirect, fd00:3::1 to fe80::ff:fe00:17/);
  // RFC 4861 §8.1: it comes from the link-local address of the router; a's is known by another one, and is not the same.
  assert.equal(via(), 'fd00:1::f');
  a.in(() => {
    assert.equal(ip6RouteDel(a.ip6, { dst: ip6('::'), prefixLen: 0 }), 0);
    assert.equal(ip6RouteAdd(a.ip6, { gateway: ll(11), dev: w.devs[0]! }), 0);
  });
  run(w.sim, 2000);
  echo(a, ip6('fd00:3::1'));
  run(w.sim, 2010);
  assert.equal(via(), formatIpv6(ll(23)));
  echo(a, ip6('fd00:3::1'));
  run(w.sim, 2020);
  assert.equal(a.counters().Icmp6InEchoReplies, 3);
  noLeaks(w.pool);
});

test('a redirect from somebody who is not the router, or to somebody beyond the link, is not believed', () => {
  const w = inLine();
  const [a] = w.hosts as [LabHost6];
  a.in(() => ip6RouteAdd(a.ip6, { dst: ip6('fd00:9::'), prefixLen: 64, gateway: ll(11), dev: w.devs[0]! }));
  const redirect = (from: number, target: string): void => {
    const m = new Uint8Array(40);
    ndWriteRedirect(m, 0, ip6(target), ip6('fd00:9::1'));
    receive(w.devs[0]!, icmp6(ll(from), ip6('fd00:1::1'), m));
    run(w.sim, w.sim.now / 1e6 + 1);
  };
  const via = (): string => formatIpv6((ip6RouteOutput(a.ip6, ip6('fd00:9::1'), null, 0) as Rt6Info).nexthop);
  redirect(66, 'fe80::66');
  redirect(11, 'fd00:1::66');
  assert.equal(via(), formatIpv6(ll(11)));
  redirect(11, 'fe80::66');
  assert.equal(via(), 'fe80::66');
  redirect(66, 'fe80::67');
  assert.equal(via(), 'fe80::66');
});

// ---- routes and addresses -------------------------------------------------------------------------------------------

test('the longest prefix wins, then the lowest metric; what goes away leaves the next one', () => {
  const { a, ea } = bench();
  const add = (dst: string, prefixLen: number, gateway: string, metric = 0): number =>
    a.in(() => ip6RouteAdd(a.ip6, { dst: ip6(dst), prefixLen, gateway: ip6(gateway), metric }));
  assert.equal(add('::', 0, 'fd00::a'), 0);
  assert.equal(add('2001:db8::', 32, 'fd00::b', 10), 0);
  assert.equal(add('2001:db8::', 32, 'fd00::c', 5), 0);
  assert.equal(add('2001:db8:1::', 48, 'fd00::d'), 0);
  const via = (dst: string): string => formatIpv6((ip6RouteOutput(a.ip6, ip6(dst), null, 0) as Rt6Info).nexthop);
  assert.deepEqual(['2001:db9::1', '2001:db8::1', '2001:db8:1::1'].map(via), ['fd00::a', 'fd00::c', 'fd00::d']);
  assert.equal(add('2001:db8::', 32, 'fd00::c', 5), -17, 'EEXIST');
  assert.equal(add('2001:db8::1', 32, 'fd00::c'), -22, 'EINVAL: host bits');
  assert.equal(add('2001:db8::', 32, '2001:db8:1::f'), -113, 'EHOSTUNREACH: a gateway behind a gateway');
  assert.equal(add('2001:db8::', 32, 'fd00::1', 7), -22, 'EINVAL: our own');
  assert.equal(add('2001:db8::', 32, 'fe80::9', 7), -22, 'EINVAL: of which link?');
  a.in(() => ip6RouteDel(a.ip6, { dst: ip6('2001:db8::'), metric: 5 }));
  assert.equal(via('2001:db8::1'), 'fd00::b');
  assert.equal(a.in(() => inet6AddrDel(ea, ip6('fd00::1'), 64)), 0);
  assert.equal(a.in(() => inet6AddrDel(ea, ip6('fd00::1'), 64)), -99);
});

table<{ addr: string; len: number; errno: number }>('addresses that a device does not take', `
  addr         len  →  errno
  ff02::1      64      99
  ::           64      99
  ::1          128     99
  fd00::1      64      17
  fd00::2      129     22
  fd00::2      64      0
`, ({ addr, len, errno }) => {
  const { a, ea } = bench();
  assert.equal(a.in(() => inet6AddrAdd(ea, ip6(addr), len)), errno === 0 ? 0 : -errno);
});

test('a device below 1280 bytes has no IPv6; when it grows it has it again', () => {
  const { a, ea } = bench();
  a.in(() => devSetMtu(ea, 1279));
  assert.equal(in6DevOf(ea)!.addrs.some((ifa) => formatIpv6(ifa.addr).startsWith('fe80')), false);
  assert.equal(a.in(() => inet6AddrAdd(ea, ip6('fd00::2'), 64)), -19);
  a.in(() => devSetMtu(ea, 1500));
  assert.ok(in6DevOf(ea)!.find(in6FromEui64(ip6('fe80::'), mac(1))) !== null);
});

// ---- errors about what we sent ----------------------------------------------------------------------------------------

test('ICMPv6 errors that quote nothing, too little or nonsense are dropped', () => {
  const b = known();
  const random = new Random(9);
  for (const size of [0, 8, 39, 40, 47]) {
    const m = new Uint8Array(8 + size);
    m[0] = 1;
    m.set(random.bytes(size), 8);
    if (size >= 40) put32(m, 8, 0x60000000 | (get32(m, 8) & 0xffff));
    if (size >= 40) m[14] = 17;
    receive(b.ea, icmp6(STRANGER, ip6('fd00::1'), m));
  }
  run(b.sim, 1);
  assert.deepEqual(b.a.drops, new Array(5).fill('PKT_TOO_SMALL'));
  noLeaks(b.pool);
});
