import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMac } from '../../src/lib/addr.ts';
import { in6Any, in6SolicitedNode } from '../../src/lib/addr6.ts';
import { inet6AddrAdd } from '../../src/ip/v6/addrconf.ts';
import { in6DevOf, inet6Addrs } from '../../src/ip/v6/inet6-dev.ts';
import {
  neighEventSend, NEIGH_UPDATE_F_ADMIN, NEIGH_UPDATE_F_OVERRIDE, neighUpdate, NUD_DELAY, NUD_INCOMPLETE, NUD_PROBE, NUD_REACHABLE,
  NUD_STALE,
} from '../../src/neigh/neighbour.ts';
import { NDP_NA_OVERRIDE, NDP_NA_ROUTER, NDP_NA_SOLICITED, ndWriteNa, ndWriteNs } from '../../src/wire/ndp.ts';
import { tableWith } from '../../src/testing/table.ts';
import { bench, during, echo, icmp6, ip6, labHost6, ll, mac, noLeaks, plug6, receive, run, type Bench } from './lab.ts';

const table = tableWith(test);

const STATES: Readonly<Record<string, number>> = {
  INCOMPLETE: NUD_INCOMPLETE, REACHABLE: NUD_REACHABLE, STALE: NUD_STALE, DELAY: NUD_DELAY, PROBE: NUD_PROBE,
};
const PEER = ip6('fd00::2');

/** An advertisement about fd00::2; `nr` says which card has it, 0 none. */
function na(flags: number, nr: number): Uint8Array {
  const m = new Uint8Array(32);
  return icmp6(PEER, ip6('fd00::1'), m.subarray(0, ndWriteNa(m, 0, PEER, flags, nr === 0 ? null : mac(nr))));
}

function ns(target: string, nr: number, nonce: Uint8Array | null = null): Uint8Array {
  const m = new Uint8Array(64);
  return m.subarray(0, ndWriteNs(m, 0, ip6(target), nr === 0 ? null : mac(nr), nonce));
}

interface Row {
  state: string;
  flags: string;
  addr: string;
  then: string;
  knows: string;
}

table<Row>('RFC 4861 §7.2.5, appendix C: what an advertisement does', `
  state        flags   addr    →  then         knows
  INCOMPLETE   S       none       INCOMPLETE   -         // nothing is known by it
  INCOMPLETE   S       new        REACHABLE    new
  INCOMPLETE   -       new        STALE        new
  INCOMPLETE   O       new        STALE        new
  REACHABLE    S       same       REACHABLE    old
  REACHABLE    -       same       REACHABLE    old
  REACHABLE    O       same       REACHABLE    old
  REACHABLE    -       new        STALE        old       // doubted, not replaced
  REACHABLE    S       new        STALE        old
  REACHABLE    SO      new        REACHABLE    new
  REACHABLE    O       new        STALE        new
  STALE        S       same       REACHABLE    old
  STALE        S       none       REACHABLE    old
  STALE        S       new        STALE        old
  STALE        -       new        STALE        old
  STALE        O       new        STALE        new
  STALE        SO      new        REACHABLE    new
  DELAY        S       same       REACHABLE    old
  DELAY        -       same       DELAY        old
  DELAY        O       new        STALE        new
  PROBE        S       same       REACHABLE    old
  PROBE        S       new        PROBE        old
  PROBE        SO      new        REACHABLE    new
`, ({ state, flags, addr, then, knows }) => {
  const { a, ea } = bench();
  const neigh = a.in(() => a.ip6.ndisc.table.lookup6(ea, PEER))!;
  a.in(() => {
    if (state === 'INCOMPLETE') neighEventSend(neigh, null);
    else neighUpdate(neigh, mac(2), 0, state === 'DELAY' ? NUD_STALE : STATES[state]!, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    if (state === 'DELAY') neighEventSend(neigh, null);
  });
  assert.equal(neigh.state, STATES[state]);
  const bits = (flags.includes('S') ? NDP_NA_SOLICITED : 0) | (flags.includes('O') ? NDP_NA_OVERRIDE : 0);
  receive(ea, na(bits, addr === 'none' ? 0 : addr === 'same' ? 2 : 9));
  run(a.sim, 0.5);
  assert.equal(neigh.state, STATES[then]);
  if (knows !== '-') assert.equal(formatMac(neigh.ha), formatMac(mac(knows === 'new' ? 9 : 2)));
});

test('RFC 4861 §7.2.2, §7.2.3: the first packet asks the solicited-node group; the answer lets it go; both know each other then', () => {
  const { sim, pool, wire, a, ea } = bench();
  const b = labHost6(sim, pool, 'b');
  const eb = plug6(b, wire, 2, 'fd00::2/64');
  assert.deepEqual(wire.frames, [], 'nothing is said at boot');
  const said = during(wire, () => {
    assert.equal(echo(a, PEER), 0);
    run(sim, 2);
  });
  assert.deepEqual(said, [
    'IP6 fd00::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fd00::2, source link-address 02:00:00:00:00:01, length 32',
    'IP6 fd00::2 > fd00::1: ICMP6, neighbor advertisement, tgt is fd00::2, Flags [solicited, override], destination link-address '
      + '02:00:00:00:00:02, length 32',
    'IP6 fd00::1 > fd00::2: ICMP6, echo request, id 7, seq 1, length 16',
    'IP6 fd00::2 > fd00::1: ICMP6, echo reply, id 7, seq 1, length 16',
  ]);
  assert.equal(a.ip6.ndisc.table.find6(ea, PEER)!.state, NUD_REACHABLE);
  assert.equal(b.ip6.ndisc.table.find6(eb, ip6('fd00::1'))!.state, NUD_DELAY, 'known from its question, and in use');
  // b asks back when nothing confirms, by unicast (§7.3.3).
  const later = during(wire, () => run(sim, 8000));
  assert.equal(later[0], 'IP6 fe80::ff:fe00:2 > fd00::1: ICMP6, neighbor solicitation, who has fd00::1, source link-address '
    + '02:00:00:00:00:02, length 32');
  assert.match(later[1]!, /^IP6 fd00::1 > fe80::ff:fe00:2: ICMP6, neighbor advertisement, tgt is fd00::1, Flags \[solicited\]/);
  noLeaks(pool);
});

test('RFC 4861 §7.2.2: three questions a second apart, then the sender is told that the address is unreachable', () => {
  const { sim, pool, wire, a } = bench();
  const said = during(wire, () => {
    echo(a, ip6('fd00::99'));
    run(sim);
  });
  assert.equal(said.length, 3);
  assert.ok(said.every((line) => line.includes('who has fd00::99')));
  assert.deepEqual(a.drops, ['NEIGH_FAILED']);
  assert.equal(a.counters().Icmp6OutDestUnreachs, 1, 'to ourselves');
  assert.equal(a.counters().Icmp6InDestUnreachs, 1);
  noLeaks(pool);
});

table<{ what: string; reason: string }>('RFC 4861 §7.1: what makes a solicitation void', `
  what                reason
  hops                IPV6_NDISC_HOP_LIMIT
  code                IPV6_NDISC_BAD_CODE
  option-length       IPV6_NDISC_BAD_OPTIONS
  option-overrun      IPV6_NDISC_BAD_OPTIONS
  option-size         IPV6_NDISC_BAD_OPTIONS
  multicast-target    IPV6_NDISC_BAD_OPTIONS
  probe-unicast       IPV6_NDISC_BAD_OPTIONS
  probe-with-address  IPV6_NDISC_BAD_OPTIONS
  short               PKT_TOO_SMALL
  other               IPV6_NDISC_NS_OTHERHOST
  checksum            ICMP_CSUM
`, ({ what, reason }) => {
  const { sim, pool, wire, a, ea } = bench();
  const target = what === 'multicast-target' ? 'ff02::1' : what === 'other' ? 'fd00::77' : 'fd00::1';
  const m = ns(target, what === 'probe-unicast' ? 0 : 77);
  let group = in6SolicitedNode(ip6('fd00::1'));
  let from = ip6('fd00::77');
  if (what === 'code') m[1] = 3;
  if (what === 'option-length') m[25] = 0;
  if (what === 'option-overrun') m[25] = 2;
  if (what.startsWith('probe')) from = in6Any;
  if (what === 'probe-unicast') group = ip6('fd00::1');
  const message = what === 'short' ? m.subarray(0, 20) : what === 'option-size' ? Uint8Array.of(...m, 1, 2, ...new Uint8Array(14)) : m;
  if (what === 'option-size') message.set([14, 1], 24); // first a nonce, then an address of sixteen bytes
  const frame = icmp6(from, group, message, { hops: what === 'hops' ? 254 : 255 });
  if (what === 'checksum') frame[frame.length - 1]! ^= 1;
  receive(ea, frame);
  run(sim, 1);
  assert.deepEqual(a.drops, [reason]);
  assert.deepEqual(wire.frames, []);
  assert.equal(a.ip6.ndisc.table.entries, 0, 'and it teaches nothing');
  noLeaks(pool);
});

test('RFC 4861 §7.2.4: a probe for duplicates is answered to all, and teaches nothing', () => {
  const { sim, wire, a, ea } = bench();
  const said = during(wire, () => {
    receive(ea, icmp6(in6Any, in6SolicitedNode(ip6('fd00::1')), ns('fd00::1', 0)));
    run(sim, 1);
  });
  assert.deepEqual(said, ['IP6 fd00::1 > ff02::1: ICMP6, neighbor advertisement, tgt is fd00::1, Flags [override], destination '
    + 'link-address 02:00:00:00:00:01, length 32']);
  assert.equal(a.ip6.ndisc.table.find6(ea, in6Any), null);
});

test('RFC 4861 §7.2.5: a router that says it is none any more is no default router any more', () => {
  const { a, ea } = bench();
  const neigh = a.in(() => a.ip6.ndisc.table.lookup6(ea, PEER))!;
  a.in(() => neighUpdate(neigh, mac(2), 0, NUD_REACHABLE, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE));
  receive(ea, na(NDP_NA_ROUTER | NDP_NA_SOLICITED, 2));
  run(a.sim, 1);
  assert.equal(neigh.isRouter, true);
  receive(ea, na(NDP_NA_SOLICITED, 2));
  run(a.sim, 2);
  assert.equal(neigh.isRouter, false);
});

test('two addresses with one hash are two neighbours', () => {
  const { a, ea } = bench();
  const { table: neighbours } = a.ip6.ndisc;
  a.in(() => {
    const all = Array.from({ length: 500 }, (_, i) => neighbours.lookup6(ea, ip6(`fd00::${(i + 1).toString(16)}:0:0:${i.toString(16)}`))!);
    assert.equal(new Set(all).size, 500);
    assert.equal([...neighbours.all()].length, 500);
    for (const n of all) assert.equal(neighbours.find6(ea, n.addr6!), n);
    neighbours.remove(all[3]!);
    assert.equal(neighbours.find6(ea, all[3]!.addr6!), null);
    assert.equal(neighbours.entries, 499);
    neighbours.flushDevice(ea);
    assert.equal(neighbours.entries, 0);
  });
});

// ---- duplicate address detection ------------------------------------------------------------------------------------

/** A host that does all that Linux does. */
function autoBench(): Bench {
  return bench('auto', null);
}

test('RFC 4862 §5.4: an address is tried out by one probe, from nobody, and used a second later', () => {
  const { sim, pool, wire, a, ea } = autoBench();
  assert.equal(inet6Addrs(ea)[0]!.tentative, true);
  assert.equal(echo(a, PEER), -101, 'no address to speak from: ENETUNREACH');
  run(sim, 2500);
  const probes = wire.frames.length;
  assert.ok(probes > 0);
  assert.equal(inet6Addrs(ea)[0]!.tentative, false);
  const said = during(wire, () => undefined);
  assert.deepEqual(said, []);
  noLeaks(pool);
});

for (const [name, conflict] of [
  ['an answer (§5.4.4)', (): Uint8Array => {
    const m = new Uint8Array(32);
    return icmp6(ll(1), ip6('ff02::1'), m.subarray(0, ndWriteNa(m, 0, ll(1), NDP_NA_OVERRIDE, mac(9))));
  }],
  ["somebody else's probe (§5.4.3)", (): Uint8Array => icmp6(in6Any, in6SolicitedNode(ll(1)), ns(ll(1).toString(), 0, mac(9)))],
] as const) {
  test(`RFC 4862 §5.4.5: a conflict is found by ${name}: the address is not used`, () => {
    const { sim, a, ea } = autoBench();
    run(sim, 0.5);
    receive(ea, conflict());
    run(sim, 5000);
    const [ifa] = inet6Addrs(ea);
    assert.equal(ifa!.dadFailed, true);
    assert.equal(ifa!.usable, false);
    // Nobody is answered for it.
    receive(ea, icmp6(ip6('fe80::77'), in6SolicitedNode(ll(1)), ns(ll(1).toString(), 77)));
    run(sim, 5001);
    assert.equal(a.counters().Icmp6OutNeighborAdvertisements, undefined);
  });
}

test('RFC 7527 §4.3: a probe that the link sends back is no conflict', () => {
  const { sim, wire, ea } = autoBench();
  wire.passes = (frame) => {
    receive(ea, frame.slice());
    return true;
  };
  run(sim, 3000);
  assert.equal(inet6Addrs(ea)[0]!.usable, true);
});

test('two hosts that try out one address at the same time: who asks first has it, the other one hears the question', () => {
  const { sim, pool, wire, a, ea } = autoBench();
  const b = labHost6(sim, pool, 'b', 'auto');
  const eb = plug6(b, wire, 2, null);
  run(sim, 4000);
  a.in(() => inet6AddrAdd(ea, ip6('fd00::5'), 64));
  b.in(() => inet6AddrAdd(eb, ip6('fd00::5'), 64));
  run(sim, 9000);
  assert.equal([ea, eb].filter((dev) => in6DevOf(dev)!.find(ip6('fd00::5'))!.usable).length, 1);
});
