import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Random } from '../../src/lib/random.ts';
import { ipSendCheck, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { ICMP_ECHO, icmpSendCheck, icmpWriteHeader } from '../../src/wire/icmp.ts';
import { printEthernet } from '../../src/wire/print.ts';
import type { MibName } from '../../src/dev/mib.ts';
import { udpCreateSock } from '../../src/udp/udp.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { ip, noLeaks, pair, receive, run, type Pair } from './lab.ts';

const HOST = [2, 0, 0, 0, 0, 1];
const PEER = [2, 0, 0, 0, 0, 2];
/** Bytes behind the Ethernet header of `packet`. */
const IP = 14;

/** An echo request from b to a with 32 bytes of data, as a frame; `change` may spoil it, `fix` repairs the header checksum after. */
function packet(change: (f: Uint8Array) => Uint8Array | void = () => undefined, fix = true, hlen = 20): Uint8Array {
  const f = new Uint8Array(IP + hlen + 40);
  f.set([...HOST, ...PEER, 8, 0]);
  ipv4WriteHeader(f, IP, 0, hlen + 40, 1, 0, 64, 1, ip('10.0.0.2'), ip('10.0.0.1'));
  f[IP] = 0x40 | (hlen >> 2);
  icmpWriteHeader(f, IP + hlen, ICMP_ECHO, 0, 0x00010001);
  icmpSendCheck(f, IP + hlen, 40);
  const out = change(f) ?? f;
  if (fix && out.length >= IP + hlen) ipSendCheck(out, IP);
  return out;
}

interface Case {
  name: string;
  frame: Uint8Array;
  drop: string;
  counters: Partial<Record<MibName, number>>;
}

const set = (at: number, ...values: number[]) => (f: Uint8Array): void => f.set(values, IP + at);

const CASES: Case[] = [
  { name: 'not even a header', frame: packet((f) => f.subarray(0, IP + 19), false), drop: 'IP_INHDR', counters: { IpInHdrErrors: 1 } },
  { name: 'nothing at all', frame: packet((f) => f.subarray(0, IP), false), drop: 'IP_INHDR', counters: { IpInHdrErrors: 1 } },
  { name: 'version 5', frame: packet(set(0, 0x55)), drop: 'IP_INHDR', counters: { IpInHdrErrors: 1 } },
  { name: 'version 6', frame: packet(set(0, 0x65)), drop: 'IP_INHDR', counters: { IpInHdrErrors: 1 } },
  { name: 'header length 4', frame: packet(set(0, 0x44), false), drop: 'IP_INHDR', counters: { IpInHdrErrors: 1 } },
  { name: 'header longer than the frame', frame: packet((f) => { f[IP] = 0x4f; return f.subarray(0, IP + 40); }, false), drop: 'IP_INHDR',
    counters: { IpInHdrErrors: 1, IpExtInNoECTPkts: 1 } },
  { name: 'header checksum', frame: packet(set(8, 63), false), drop: 'IP_CSUM',
    counters: { IpInHdrErrors: 1, IpExtInCsumErrors: 1, IpExtInNoECTPkts: 1 } },
  { name: 'total length beyond the frame', frame: packet(set(2, 0, 61)), drop: 'PKT_TOO_SMALL',
    counters: { IpExtInTruncatedPkts: 1, IpExtInNoECTPkts: 1 } },
  { name: 'total length below the header', frame: packet(set(2, 0, 19)), drop: 'IP_INHDR',
    counters: { IpInHdrErrors: 1, IpExtInNoECTPkts: 1 } },
  { name: 'source multicast', frame: packet(set(12, 224, 0, 0, 1)), drop: 'IP_INVALID_SOURCE', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'source broadcast', frame: packet(set(12, 255, 255, 255, 255)), drop: 'IP_INVALID_SOURCE', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'source 0.0.0.1', frame: packet(set(12, 0, 0, 0, 1)), drop: 'IP_INVALID_SOURCE', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'source 127.0.0.1', frame: packet(set(12, 127, 0, 0, 1)), drop: 'IP_INVALID_SOURCE', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'source is ourselves', frame: packet(set(12, 10, 0, 0, 1)), drop: 'IP_LOCAL_SOURCE', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'destination 127.0.0.1', frame: packet(set(16, 127, 0, 0, 1)), drop: 'IP_INVALID_DEST', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'destination 0.0.0.5', frame: packet(set(16, 0, 0, 0, 5)), drop: 'IP_INVALID_DEST', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'a group that nobody joined', frame: packet(set(16, 239, 1, 1, 1)), drop: 'IP_INVALID_DEST', counters: { IpExtInNoECTPkts: 1 } },
  { name: 'for somebody else', frame: packet(set(16, 10, 0, 0, 3)), drop: 'IP_INADDRERRORS',
    counters: { IpInAddrErrors: 1, IpExtInNoECTPkts: 1 } },
  { name: 'for another network', frame: packet(set(16, 8, 8, 8, 8)), drop: 'IP_INADDRERRORS',
    counters: { IpInAddrErrors: 1, IpExtInNoECTPkts: 1 } },
  { name: 'a fragment without bytes', frame: packet((f) => {
    f.set([0, 20], IP + 2);
    f.set([0x20, 5], IP + 6);
  }), drop: 'FRAG_INVALID', counters: { IpReasmReqds: 1, IpReasmFails: 1, IpExtInNoECTPkts: 1 } },
  { name: 'an unknown protocol', frame: packet(set(9, 99)), drop: 'IP_NOPROTO',
    counters: { IpInUnknownProtos: 1, IcmpOutMsgs: 1, IcmpOutDestUnreachs: 1, IpOutRequests: 1, IpOutTransmits: 1, IpExtInNoECTPkts: 1 } },
  { name: 'a frame for somebody else', frame: packet((f) => { f[5] = 99; }), drop: 'OTHERHOST', counters: {} },
];

for (const c of CASES) {
  test(`${c.name}: ${c.drop}`, () => {
    const p = pair();
    receive(p.ea, c.frame);
    assert.deepEqual(p.a.drops, [c.drop]);
    const received: MibName[] = ['IpInReceives', 'IpExtInOctets', 'IpExtOutOctets'];
    assert.deepEqual(p.a.counters(...received), c.counters);
    run(p.sim);
    noLeaks(p.pool);
  });
}

/** What the host said, as tcpdump lines, ARP left out. */
function said(p: Pair): string[] {
  return p.wire.frames.map((f) => printEthernet(f, 0, f.length)).filter((l) => !l.startsWith('ARP'));
}

/** Both know each other's hardware address. */
function acquainted(): Pair {
  const p = pair();
  receive(p.ea, packet());
  run(p.sim);
  p.wire.frames.length = 0;
  p.a.drops.length = 0;
  p.a.net.mib.fill(0);
  return p;
}

test('an echo comes back with its data; Ethernet padding does not', () => {
  const p = acquainted();
  const short = packet((f) => {
    const padded = new Uint8Array(60);
    padded.set(f.subarray(0, IP + 20 + 8 + 3));
    padded[IP + 3] = 31;
    padded.set([1, 2, 3], IP + 28);
    icmpSendCheck(padded, IP + 20, 11);
    return padded;
  });
  receive(p.ea, short);
  assert.equal(p.wire.frames.length, 1);
  const reply = p.wire.frames[0]!;
  assert.equal(reply[IP + 3], 31);
  assert.equal(reply[IP + 20], 0);
  assert.deepEqual([...reply.subarray(IP + 24, IP + 31)], [0, 1, 0, 1, 1, 2, 3]);
  assert.match(said(p)[0]!, /10\.0\.0\.1 > 10\.0\.0\.2.*echo/i);
  assert.deepEqual(p.a.counters('IpExtInOctets', 'IpExtOutOctets'), {
    IpInReceives: 1, IpInDelivers: 1, IpOutRequests: 1, IpOutTransmits: 1, IpExtInNoECTPkts: 1, IcmpInMsgs: 1, IcmpInEchos: 1,
    IcmpOutMsgs: 1, IcmpOutEchoReps: 1,
  });
  noLeaks(p.pool);
});

test('a large echo comes back whole', () => {
  const p = acquainted();
  const data = new Random(1).bytes(1472);
  const f = new Uint8Array(IP + 28 + data.length);
  f.set([...HOST, ...PEER, 8, 0]);
  ipv4WriteHeader(f, IP, 0, 28 + data.length, 1, 0, 64, 1, ip('10.0.0.2'), ip('10.0.0.1'));
  icmpWriteHeader(f, IP + 20, ICMP_ECHO, 0, 0x00010001);
  f.set(data, IP + 28);
  icmpSendCheck(f, IP + 20, 8 + data.length);
  receive(p.ea, f);
  assert.deepEqual(p.wire.frames[0]!.subarray(IP + 28), data);
  noLeaks(p.pool);
});

test('icmp_echo_ignore_all, bad ICMP checksums, broadcast echoes: silence', () => {
  const p = acquainted();
  receive(p.ea, packet((f) => { f[IP + 30]! ^= 1; }));
  receive(p.ea, packet((f) => { f.set([255, 255, 255, 255], IP + 16); f.fill(255, 0, 6); }));
  receive(p.ea, packet((f) => { f[IP + 20] = 200; icmpSendCheck(f, IP + 20, 40); }));
  assert.deepEqual(p.a.drops, ['ICMP_CSUM', 'INVALID_PROTO', 'UNHANDLED_PROTO']);
  p.a.ip.sysctl.icmpEchoIgnoreAll = 1;
  receive(p.ea, packet());
  assert.equal(p.wire.frames.length, 0);
  p.a.ip.sysctl.icmpEchoIgnoreAll = 0;
  p.a.ip.sysctl.icmpEchoIgnoreBroadcasts = 0;
  receive(p.ea, packet((f) => { f.set([10, 0, 0, 255], IP + 16); f.fill(255, 0, 6); }));
  assert.match(said(p)[0]!, /10\.0\.0\.1 > 10\.0\.0\.2/, 'from an address, not from the broadcast');
  noLeaks(p.pool);
});

test('ECN bits are counted by kind', () => {
  const p = acquainted();
  for (const tos of [0, 1, 2, 2, 3, 3, 3]) receive(p.ea, packet(set(1, tos)));
  const c = p.a.counters();
  assert.deepEqual([c['IpExtInNoECTPkts'], c['IpExtInECT1Pkts'], c['IpExtInECT0Pkts'], c['IpExtInCEPkts']], [1, 1, 2, 3]);
});

test('options: harmless ones pass, source routes are refused, malformed ones draw a parameter problem with the pointer', () => {
  const OPTIONS: [string, number[], string | null, number | null][] = [
    ['no-ops', [1, 1, 1, 1], null, null],
    ['end and rubbish', [0, 9, 9, 9], null, null],
    ['router alert', [148, 4, 0, 0], null, null],
    ['record route', [7, 7, 4, 0, 0, 0, 0, 0], null, null],
    ['record route, full', [7, 7, 8, 1, 2, 3, 4, 0], null, null],
    ['loose source route', [131, 7, 4, 10, 0, 0, 1, 0], 'IP_INHDR', null],
    ['length 0', [7, 0, 0, 0], 'IP_INHDR', 20],
    ['length 1', [1, 7, 1, 0], 'IP_INHDR', 21],
    ['runs out of the header', [7, 9, 4, 0, 0, 0, 0, 0], 'IP_INHDR', 20],
    ['no room for its length', [1, 1, 1, 7], 'IP_INHDR', 23],
    ['pointer below 4', [7, 7, 3, 0, 0, 0, 0, 0], 'IP_INHDR', 22],
    ['two source routes', [131, 4, 8, 0, 137, 4, 8, 0], 'IP_INHDR', 24],
    ['timestamp too short', [68, 3, 5, 0], 'IP_INHDR', 21],
  ];
  for (const [name, bytes, drop, pointer] of OPTIONS) {
    const p = acquainted();
    receive(p.ea, packet((f) => f.set(bytes, IP + 20), true, 20 + bytes.length));
    assert.deepEqual(p.a.drops, drop === null ? [] : [drop], name);
    assert.equal(p.wire.frames.length, drop === null || pointer !== null ? 1 : 0, name);
    if (pointer !== null) assert.deepEqual([p.wire.frames[0]![IP + 20], p.wire.frames[0]![IP + 24]], [12, pointer], name);
    noLeaks(p.pool);
  }
});

test('rp_filter and drop_unicast_in_l2_multicast, when they are set', () => {
  const p = acquainted();
  p.a.ip.confAll.rpFilter = 1;
  receive(p.ea, packet(set(12, 8, 8, 8, 8)));
  p.a.ip.confAll.dropUnicastInL2Multicast = 1;
  receive(p.ea, packet((f) => { f.fill(255, 0, 6); }));
  assert.deepEqual(p.a.drops, ['IP_RPFILTER', 'UNICAST_IN_L2_MULTICAST']);
});

test('mutated packets never throw and never leak: 20,000 of them, each accounted for', () => {
  const p = acquainted();
  const sk = udpCreateSock(p.a.udp);
  p.a.in(() => sk.prot.bind(sk, new SockAddr().set(0, 53)));
  const random = new Random(20);
  const base = [packet(), packet((f) => f.set([7, 7, 4, 0, 0, 0, 0, 0], IP + 20), true, 28), packet((f) => {
    f[IP + 9] = 17;
    f.set([0, 99, 0, 53, 0, 40, 0, 0], IP + 20);
  })];
  for (let i = 0; i < 20000; i++) {
    let f = base[random.below(base.length)]!.slice();
    for (let n = random.below(4); n >= 0; n--) f[IP + random.below(f.length - IP)] = random.next32();
    if (random.chance(0.2)) f = f.subarray(0, IP + random.below(f.length - IP));
    if (random.chance(0.7) && f.length >= IP + 60) ipSendCheck(f, IP);
    receive(p.ea, f);
    const msg = new MsgHdr();
    msg.buf = new Uint8Array(100);
    msg.len = 100;
    if (i % 10 === 0) p.a.in(() => sk.prot.recvmsg(sk, msg));
  }
  assert.equal(p.a.counters()['IpInReceives'], 20000);
  p.a.in(() => sk.prot.close(sk));
  run(p.sim);
  noLeaks(p.pool);
});
