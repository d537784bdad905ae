import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4, parseMac } from '../../src/lib/addr.ts';
import { fromHex, put16, put8 } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import { parsePacket } from '../../src/testing/segment-notation.ts';
import { ARP_LEN, arpWrite } from '../../src/wire/arp.ts';
import { ETH_BROADCAST, ETH_HLEN, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { IP_MF, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { FLOW_TABLE_MAX, FlowTable, formatTime, printEthernet, printIp, printLine } from '../../src/wire/print.ts';
import { buildPacket, type BuildContext } from '../../src/wire/segment-build.ts';
import { vlanInsertTag } from '../../src/wire/vlan.ts';

const MAC_A = parseMac('02:00:00:00:00:01')!;
const MAC_B = parseMac('02:00:00:00:00:02')!;
const A: BuildContext = { saddr: ipv4(10, 0, 0, 1), daddr: ipv4(10, 0, 0, 2), sport: 33000, dport: 80, seqBase: 4294967290, ackBase: 77 };
const B: BuildContext = { saddr: A.daddr, daddr: A.saddr, sport: 80, dport: 33000, seqBase: 77, ackBase: 4294967290 };
const AB = 'IP 10.0.0.1.33000 > 10.0.0.2.80: ';
const BA = 'IP 10.0.0.2.80 > 10.0.0.1.33000: ';

function packet(text: string, ctx: BuildContext = A): Uint8Array {
  return buildPacket(parsePacket(text), ctx);
}

function frame(payload: Uint8Array, type = ETH_P_IP): Uint8Array {
  const buf = new Uint8Array(Math.max(60, ETH_HLEN + payload.length));
  ethWriteHeader(buf, 0, MAC_B, 0, MAC_A, 0, type);
  buf.set(payload, ETH_HLEN);
  return buf;
}

function print(buf: Uint8Array, flows?: FlowTable): string {
  return printEthernet(buf, 0, buf.length, flows === undefined ? {} : { flows });
}

test('a connection, from handshake to reset, in relative numbers on both sides', () => {
  const flows = new FlowTable();
  for (const [ctx, head, text] of [
    [A, AB, 'S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>'],
    [B, BA, 'S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 9 ecr 1,nop,wscale 7>'],
    [A, AB, '. 1:1(0) ack 1 win 502 <nop,nop,TS val 2 ecr 9>'],
    [A, AB, 'P. 1:1001(1000) ack 1 win 502'],
    [B, BA, '. 1:1(0) ack 1 win 500 <nop,nop,sack 501:1001>'],
    [B, BA, 'FP. 1:11(10) ack 1001 win 500 urg 4'],
    [A, AB, '[ce] F. 1001:1001(0) ack 12 win 502'],
    [B, BA, 'R. 12:12(0) ack 1002 win 0'],
    [B, BA, 'SEW 0:0(0) win 1'],
    [B, BA, '- 1:1(0) win 1'],
  ] as const) {
    assert.equal(print(frame(packet(text, ctx)), flows), head + text);
  }
});

test('numbers of the wire without a flow table', () => {
  assert.equal(print(frame(packet('. 1:1(0) ack 1 win 5'))), `${AB}. 4294967291:4294967291(0) ack 78 win 5`);
});

test('who comes late sees the first byte as 1', () => {
  const flows = new FlowTable();
  assert.equal(print(frame(packet('P. 5000:5100(100) ack 900 win 5')), flows), `${AB}P. 1:101(100) ack 1 win 5`);
  assert.equal(print(frame(packet('. 900:900(0) ack 5100 win 5', B)), flows), `${BA}. 1:1(0) ack 101 win 5`);
});

test('a refusal is relative to the SYN that it answers, and its own 0 stays 0', () => {
  const flows = new FlowTable();
  print(frame(packet('S 0:0(0) win 5')), flows);
  assert.equal(print(frame(packet('R. 0:0(0) ack 1 win 0', { ...B, seqBase: 0 })), flows), `${BA}R. 0:0(0) ack 1 win 0`);
});

test('the same ports again are a new connection, a repeated SYN is not', () => {
  const flows = new FlowTable();
  print(frame(packet('S 0:0(0) win 5')), flows);
  print(frame(packet('S. 0:0(0) ack 1 win 5', B)), flows);
  assert.equal(print(frame(packet('S 0:0(0) win 5')), flows), `${AB}S 0:0(0) win 5`);
  assert.equal(print(frame(packet('. 1:1(0) ack 1 win 5')), flows), `${AB}. 1:1(0) ack 1 win 5`);
  const again = { ...A, seqBase: 500_000, ackBase: 600_000 };
  assert.equal(print(frame(packet('S 0:0(0) win 5', again)), flows), `${AB}S 0:0(0) win 5`);
  const answer = { ...B, seqBase: 600_000, ackBase: 500_000 };
  assert.equal(print(frame(packet('S. 0:0(0) ack 1 win 5', answer)), flows), `${BA}S. 0:0(0) ack 1 win 5`);
  assert.equal(print(frame(packet('. 1:1(0) ack 1 win 5', again)), flows), `${AB}. 1:1(0) ack 1 win 5`);
  flows.clear();
  assert.equal(flows.lookup('10.0.0.1.33000', '10.0.0.2.80'), undefined);
});

test('the flow table has an end: the oldest direction is forgotten', () => {
  const flows = new FlowTable();
  const syn = parsePacket('S 0:0(0) win 5');
  assert.equal(syn.proto, 'tcp');
  if (syn.proto !== 'tcp') return;
  for (let i = 0; i <= FLOW_TABLE_MAX; i++) flows.relative(syn, `a.${i}`, 'b.80');
  assert.equal(flows.lookup('a.0', 'b.80'), undefined);
  assert.equal(flows.lookup('a.1', 'b.80'), 0);
});

test('UDP and ICMP', () => {
  const flows = new FlowTable();
  print(frame(packet('S 0:0(0) win 5')), flows);
  for (const [text, want] of [
    ['udp (512)', `${BA}udp (512)`],
    ['[tos 0x10] udp (0)', `${BA}[tos 0x10] udp (0)`],
    ['icmp echo_request id 1 seq 2 (56)', 'IP 10.0.0.2 > 10.0.0.1: icmp echo_request id 1 seq 2 (56)'],
    ['icmp echo_reply id 65535 seq 0 (0)', 'IP 10.0.0.2 > 10.0.0.1: icmp echo_reply id 65535 seq 0 (0)'],
    ['icmp unreachable frag_needed mtu 1200 [1:1001(1000)]',
      'IP 10.0.0.2 > 10.0.0.1: icmp unreachable frag_needed mtu 1200 [33000 > 80 1:1001(1000)]'],
    ['icmp unreachable port_unreachable [33000 > 53 udp (20)]',
      'IP 10.0.0.2 > 10.0.0.1: icmp unreachable port_unreachable [33000 > 53 udp (20)]'],
    ['icmp time_exceeded [1:1(0)]', 'IP 10.0.0.2 > 10.0.0.1: icmp time_exceeded [33000 > 80 1:1(0)]'],
    ['icmp time_exceeded code_1', 'IP 10.0.0.2 > 10.0.0.1: icmp time_exceeded code_1'],
  ] as const) {
    assert.equal(print(frame(packet(text, B)), flows), want);
  }
});

test('ARP', () => {
  const buf = new Uint8Array(60);
  ethWriteHeader(buf, 0, ETH_BROADCAST, 0, MAC_A, 0, ETH_P_ARP);
  arpWrite(buf, 14, 1, MAC_A, 0, A.saddr, null, 0, A.daddr);
  assert.equal(print(buf), 'ARP who-has 10.0.0.2 tell 10.0.0.1');
  arpWrite(buf, 14, 2, MAC_B, 0, A.daddr, MAC_A, 0, A.saddr);
  assert.equal(print(buf), 'ARP reply 10.0.0.2 is-at 02:00:00:00:00:02');
  put16(buf, 14 + 6, 9);
  assert.equal(print(buf), 'ARP op 9');
  put16(buf, 14, 6);
  assert.equal(print(buf), 'ARP [malformed arp: not IPv4 over Ethernet]');
  assert.equal(printEthernet(buf, 0, 14 + ARP_LEN - 1), 'ARP [malformed arp: 27 bytes]');
});

test('tags, fragments, other protocols, lengths instead of types', () => {
  const room = new Uint8Array(200);
  room.set(frame(packet('udp (4)')), 8);
  assert.equal(vlanInsertTag(room, 8, ETH_P_8021Q, 42), 4);
  assert.equal(printEthernet(room, 4, 64), `vlan 42 ${AB}udp (4)`);
  vlanInsertTag(room, 4, ETH_P_8021Q, 7);
  assert.equal(printEthernet(room, 0, 68), `vlan 7 vlan 42 ${AB}udp (4)`);
  assert.equal(printEthernet(room, 0, 17), '[malformed vlan: 17 bytes]');
  const ip = new Uint8Array(40);
  ipv4WriteHeader(ip, 0, 0, 36, 7, IP_MF | 185, 64, 17, A.saddr, A.daddr);
  assert.equal(print(frame(ip)), 'IP 10.0.0.1 > 10.0.0.2: frag protocol 17 id 7 off 1480 (16)+');
  ipv4WriteHeader(ip, 0, 0, 36, 7, 0, 64, 89, A.saddr, A.daddr);
  assert.equal(print(frame(ip)), 'IP 10.0.0.1 > 10.0.0.2: protocol 89 (16)');
  assert.equal(print(frame(ip, 0x88cc)), '02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x88cc (46)');
  assert.equal(print(frame(ip, 0x0026)), '802.3 02:00:00:00:00:01 > 02:00:00:00:00:02 length 38 (46)');
});

test('IPv6 shows addresses and TCP', () => {
  const tcp = packet('S 0:0(0) win 5').subarray(20);
  const ip6 = fromHex(`6000000000${tcp.length.toString(16)}0640 20010db8000000000000000000000001 20010db8000000000000000000000002`)!;
  const all = new Uint8Array([...ip6, ...tcp]);
  assert.equal(printIp(all, 0, all.length, { flows: new FlowTable() }), 'IP6 2001:db8::1.33000 > 2001:db8::2.80: S 0:0(0) win 5');
  assert.equal(printIp(all, 0, 39), 'IP6 [malformed ip6: 39 bytes]');
  assert.equal(printIp(all, 0, 50), 'IP6 [malformed ip6: truncated, 10 of 20 bytes]');
});

test('wrong checksums are named when asked for, and only then', () => {
  for (const [text, at, want] of [
    ['. 1:1(0) ack 1 win 5', 8, ' [bad ip checksum]'],
    ['. 1:2(1) ack 1 win 5', 40, ' [bad tcp checksum]'],
    ['udp (4)', 30, ' [bad udp checksum]'],
    ['icmp echo_request id 1 seq 2 (4)', 30, ' [bad icmp checksum]'],
  ] as const) {
    const p = packet(text);
    const clean = printIp(p, 0, p.length);
    assert.equal(printIp(p, 0, p.length, { verify: true }), clean);
    p[at]! ^= 1;
    assert.equal(printIp(p, 0, p.length), clean);
    assert.equal(printIp(p, 0, p.length, { verify: true }), clean + want);
  }
});

test('what is malformed is said, not thrown', () => {
  const tcp = packet('. 1:11(10) ack 1 win 5 <nop,nop,TS val 1 ecr 2>');
  const change = (at: number, value: number): Uint8Array => {
    const copy = tcp.slice();
    put8(copy, at, value);
    return copy;
  };
  for (const [buf, len, want] of [
    [tcp, 0, 'IP [malformed ip: 0 bytes]'],
    [tcp, 19, 'IP [malformed ip: 19 bytes]'],
    [tcp, 61, 'IP [malformed ip: truncated, 61 of 62 bytes]'],
    [change(0, 0x55), 62, 'IP [malformed ip: version 5]'],
    [change(0, 0x41), 62, 'IP [malformed ip: header length 4 of 62]'],
    [change(3, 19), 62, 'IP [malformed ip: total length 19, header 20]'],
    [change(3, 39), 62, 'IP 10.0.0.1 > 10.0.0.2: [malformed tcp: 19 bytes]'],
    [change(32, 0x40), 62, 'IP 10.0.0.1 > 10.0.0.2: [malformed tcp: header length 16 of 42]'],
    [change(32, 0xf0), 62, 'IP 10.0.0.1 > 10.0.0.2: [malformed tcp: header length 60 of 42]'],
    [change(43, 11), 62, 'IP 10.0.0.1 > 10.0.0.2: [malformed tcp: option 8, length 11, 10 bytes left]'],
    [change(43, 1), 62, 'IP 10.0.0.1 > 10.0.0.2: [malformed tcp: option 8, length 1, 10 bytes left]'],
  ] as [Uint8Array, number, string][]) {
    assert.equal(printIp(buf, 0, len), want);
  }
  assert.equal(printEthernet(tcp, 0, 13), '[malformed ethernet: 13 bytes]');
});

test('the line, and its time: cut, not rounded', () => {
  assert.equal(printLine(100_023_999, 'alice', 'bob', 'ARP x'), '0.100023 alice > bob ARP x');
  assert.deepEqual([0, 999, 1000, 1_000_000_000, 3_600_123_456_789].map((ns) => formatTime(ns)),
    ['0.000000', '0.000000', '0.000001', '1.000000', '3600.123456']);
  assert.equal(formatTime(1_000_000_001, 9), '1.000000001');
});

test('mutated and random frames never throw and always print one line', () => {
  const random = new Random(10);
  const seeds = [
    'S 0:0(0) win 5 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>',
    'P. 1:30(29) ack 1 win 5 <nop,nop,sack 1:2 3:4>',
    'udp (20)',
    'icmp unreachable frag_needed mtu 1200 [1:1001(1000)]',
    'icmp unreachable port_unreachable [udp (20)]',
    'icmp echo_request id 1 seq 2 (56)',
  ].map((text) => frame(packet(text)));
  const flows = new FlowTable();
  for (let round = 0; round < 30_000; round++) {
    const buf = random.chance(0.1) ? random.bytes(random.below(100)) : seeds[random.below(seeds.length)]!.slice();
    for (let n = random.below(6); n > 0; n--) put8(buf, random.below(buf.length || 1), random.next32());
    const len = random.chance(0.3) ? random.below(buf.length + 1) : buf.length;
    const line = printEthernet(buf, 0, len, { flows, verify: random.chance(0.5) });
    assert.ok(line.length > 0 && !line.includes('\n') && !/undefined|NaN|null/.test(line), `seed 10, round ${round}: ${line}`);
  }
});
