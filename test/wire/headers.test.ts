// Ethernet, VLAN, ARP, IPv4, ICMP, UDP and TCP headers: fields at their places, and the checks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4, parseMac } from '../../src/lib/addr.ts';
import { put16, put8, toHex } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import * as arp from '../../src/wire/arp.ts';
import { crc32 } from '../../src/wire/crc32.ts';
import * as eth from '../../src/wire/ethernet.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ip from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import * as udp from '../../src/wire/udp.ts';
import * as vlan from '../../src/wire/vlan.ts';

const A = ipv4(10, 0, 0, 1);
const B = ipv4(10, 0, 0, 2);
const MAC_A = parseMac('02:00:00:00:00:01')!;
const MAC_B = parseMac('02:00:00:00:00:02')!;

test('Ethernet: destination, source, type', () => {
  const buf = new Uint8Array(16);
  eth.ethWriteHeader(buf, 2, eth.ETH_BROADCAST, 0, MAC_A, 0, eth.ETH_P_ARP);
  assert.equal(toHex(buf), '0000ffffffffffff0200000000010806');
  assert.equal(eth.ethType(buf, 2), eth.ETH_P_ARP);
});

test('Ethernet: a type field below 0x0600 is a length, so the protocol is 802.2', () => {
  const buf = new Uint8Array(14);
  for (const [type, protocol] of [[0x0800, 0x0800], [0x0600, 0x0600], [0x05ff, eth.ETH_P_802_2], [46, eth.ETH_P_802_2]] as const) {
    put16(buf, eth.ETH_TYPE, type);
    assert.equal(eth.ethProtocol(buf, 0), protocol);
  }
});

test('VLAN: a tag put in can be read and taken out again', () => {
  const frame = new Random(1).bytes(64);
  put16(frame, 4 + eth.ETH_TYPE, eth.ETH_P_IP);
  const before = frame.slice(4);
  const off = vlan.vlanInsertTag(frame, 4, eth.ETH_P_8021Q, (5 << vlan.VLAN_PRIO_SHIFT) | 42);
  assert.equal(off, 0);
  assert.ok(vlan.ethTypeVlan(eth.ethType(frame, 0)));
  assert.equal(vlan.vlanVid(vlan.vlanTci(frame, 0)), 42);
  assert.equal(vlan.vlanPrio(vlan.vlanTci(frame, 0)), 5);
  assert.equal(vlan.vlanInnerType(frame, 0), eth.ETH_P_IP);
  assert.equal(vlan.vlanRemoveTag(frame, 0), 4);
  assert.deepEqual(frame.slice(4), before);
});

test('ARP: a request and its reply', () => {
  const buf = new Uint8Array(arp.ARP_LEN);
  arp.arpWrite(buf, 0, arp.ARPOP_REQUEST, MAC_A, 0, A, null, 0, B);
  assert.equal(toHex(buf), '0001080006040001' + '020000000001' + '0a000001' + '000000000000' + '0a000002');
  assert.equal(arp.arpCheck(buf, 0, 28), arp.ArpCheck.Ok);
  arp.arpWrite(buf, 0, arp.ARPOP_REPLY, MAC_B, 0, B, MAC_A, 0, A);
  assert.deepEqual([arp.arpOp(buf, 0), arp.arpSpa(buf, 0), arp.arpTpa(buf, 0)], [2, B, A]);
  assert.equal(toHex(buf, arp.ARP_THA, 6), '020000000001');
});

test('ARP: what is short, of another medium or another operation', () => {
  const good = new Uint8Array(46);
  arp.arpWrite(good, 0, arp.ARPOP_REQUEST, MAC_A, 0, A, null, 0, B);
  for (const [at, value, len, want] of [
    [0, 0, 46, arp.ArpCheck.Ok],
    [0, 0, 27, arp.ArpCheck.TooShort],
    [0, 0, 0, arp.ArpCheck.TooShort],
    [arp.ARP_HRD + 1, 6, 28, arp.ArpCheck.NotEthernetIpv4],
    [arp.ARP_PRO, 0x86, 28, arp.ArpCheck.NotEthernetIpv4],
    [arp.ARP_HLN, 8, 28, arp.ArpCheck.NotEthernetIpv4],
    [arp.ARP_PLN, 16, 28, arp.ArpCheck.NotEthernetIpv4],
    [arp.ARP_OP + 1, 3, 28, arp.ArpCheck.BadOp],
    [arp.ARP_OP + 1, 0, 28, arp.ArpCheck.BadOp],
  ] as const) {
    const buf = good.slice();
    put8(buf, at, value);
    assert.equal(arp.arpCheck(buf, 0, len), want);
  }
});

/** A sound IPv4 header for `total` bytes. */
function header(total = 40): Uint8Array {
  const buf = new Uint8Array(64);
  ip.ipv4WriteHeader(buf, 0, 0x10, total, 0x1234, ip.IP_DF, 64, ip.IPPROTO_TCP, A, B);
  return buf;
}

test('IPv4: a written header, its fields and its checksum', () => {
  const buf = header();
  assert.equal(toHex(buf, 0, 10), '45100028123440004006');
  assert.equal(toHex(buf, 12, 8), '0a0000010a000002');
  assert.equal(ip.ipv4Check(buf, 0, 40), ip.Ipv4Check.Ok);
  assert.deepEqual(
    [ip.iphVersion(buf, 0), ip.iphHlen(buf, 0), ip.iphTos(buf, 0), ip.iphTotalLen(buf, 0), ip.iphId(buf, 0), ip.iphFragOff(buf, 0)],
    [4, 20, 0x10, 40, 0x1234, ip.IP_DF],
  );
  assert.deepEqual([ip.iphTtl(buf, 0), ip.iphProtocol(buf, 0), ip.iphSaddr(buf, 0), ip.iphDaddr(buf, 0)], [64, 6, A, B]);
});

test('IPv4: the checks of RFC 1122 §3.2.1, in their order', () => {
  for (const [change, len, want] of [
    [[], 40, ip.Ipv4Check.Ok],
    [[], 60, ip.Ipv4Check.Ok], // Ethernet padding behind it
    [[], 19, ip.Ipv4Check.TooShort],
    [[], 0, ip.Ipv4Check.TooShort],
    [[], 39, ip.Ipv4Check.Truncated],
    [[[0, 0x65]], 40, ip.Ipv4Check.BadVersion],
    [[[0, 0x44]], 40, ip.Ipv4Check.BadIhl],
    [[[0, 0x40]], 40, ip.Ipv4Check.BadIhl],
    [[[0, 0x4f]], 40, ip.Ipv4Check.TooShort],
    [[[8, 63]], 40, ip.Ipv4Check.BadChecksum],
    [[[10, 0]], 40, ip.Ipv4Check.BadChecksum],
  ] as [[number, number][], number, number][]) {
    const buf = header();
    for (const [at, value] of change) put8(buf, at, value);
    assert.equal(ip.ipv4Check(buf, 0, len), want, JSON.stringify([change, len]));
  }
  const short = header(19);
  assert.equal(ip.ipv4Check(short, 0, 40), ip.Ipv4Check.BadTotalLen);
});

test('IPv4: one changed bit anywhere in the header is found', () => {
  for (let bit = 0; bit < 160; bit++) {
    const buf = header();
    buf[bit >> 3]! ^= 1 << (bit & 7);
    assert.notEqual(ip.ipv4Check(buf, 0, 64), ip.Ipv4Check.Ok, `bit ${bit}`);
  }
});

test('IPv4: fields set later keep the checksum right', () => {
  const random = new Random(2);
  for (let round = 0; round < 500; round++) {
    const buf = header();
    ip.iphSetId(buf, 0, random.below(65536));
    ip.iphSetTos(buf, 0, random.below(256));
    ip.iphSetTotalLen(buf, 0, 20 + random.below(44));
    const ttl = ip.ipDecreaseTtl(buf, 0);
    assert.equal(ttl, 63);
    assert.equal(ip.ipv4Check(buf, 0, 64), ip.Ipv4Check.Ok, `seed 2, round ${round}`);
  }
});

test('IPv4: the TTL counts down to 0 with a right checksum at every hop', () => {
  const buf = header();
  ip.ipv4WriteHeader(buf, 0, 0, 40, 0, 0, 255, 1, A, B);
  for (let ttl = 254; ttl >= 0; ttl--) {
    assert.equal(ip.ipDecreaseTtl(buf, 0), ttl);
    assert.equal(ip.ipv4Check(buf, 0, 40), ip.Ipv4Check.Ok);
  }
});

test('IPv4: options in place are covered by the checksum', () => {
  const buf = new Uint8Array(64);
  buf.fill(1, 20, 28);
  ip.ipv4WriteHeaderWithOptions(buf, 0, 28, 0, 28, 1, 0, 64, 17, A, B);
  assert.equal(ip.iphHlen(buf, 0), 28);
  assert.equal(ip.ipv4Check(buf, 0, 28), ip.Ipv4Check.Ok);
  put8(buf, 25, 0);
  assert.equal(ip.ipv4Check(buf, 0, 28), ip.Ipv4Check.BadChecksum);
});

test('IPv4: a fragment is one with more to come or not at the start', () => {
  for (const [field, want] of [[0, false], [ip.IP_DF, false], [ip.IP_MF, true], [185, true], [ip.IP_MF | 185, true]] as const) {
    const buf = new Uint8Array(20);
    ip.ipv4WriteHeader(buf, 0, 0, 20, 0, field, 64, 17, A, B);
    assert.equal(ip.ipIsFragment(buf, 0), want);
  }
});

test('ICMP: an echo, its fields and its checksum', () => {
  const buf = new Random(3).bytes(40);
  icmp.icmpWriteHeader(buf, 1, icmp.ICMP_ECHO, 0, (7 << 16) | 9);
  icmp.icmpSendCheck(buf, 1, 33);
  assert.deepEqual([icmp.icmphType(buf, 1), icmp.icmphCode(buf, 1), icmp.icmphId(buf, 1), icmp.icmphSeq(buf, 1)], [8, 0, 7, 9]);
  assert.equal(icmp.icmpCheck(buf, 1, 33), icmp.IcmpCheck.Ok);
  assert.equal(icmp.icmpCheck(buf, 1, 7), icmp.IcmpCheck.TooShort);
  buf[20]! ^= 4;
  assert.equal(icmp.icmpCheck(buf, 1, 33), icmp.IcmpCheck.BadChecksum);
});

test('ICMP: RFC 1122 §3.2.2: which types are errors', () => {
  const errors = [];
  for (let type = 0; type < 256; type++) if (icmp.icmpIsError(type)) errors.push(type);
  assert.deepEqual(errors, [3, 4, 5, 11, 12]);
});

test('ICMP: the next-hop MTU of RFC 1191 is in the low half of the second word', () => {
  const buf = new Uint8Array(8);
  icmp.icmpWriteHeader(buf, 0, icmp.ICMP_DEST_UNREACH, icmp.ICMP_FRAG_NEEDED, 1400);
  assert.equal(icmp.icmphMtu(buf, 0), 1400);
  assert.equal(icmp.icmphRest(buf, 0), 1400);
});

test('UDP: lengths that lie', () => {
  const buf = new Uint8Array(20);
  for (const [ulen, len, want] of [
    [8, 8, udp.UdpCheck.Ok],
    [12, 20, udp.UdpCheck.Ok],
    [8, 7, udp.UdpCheck.TooShort],
    [7, 20, udp.UdpCheck.BadLength],
    [0, 20, udp.UdpCheck.BadLength],
    [21, 20, udp.UdpCheck.BadLength],
  ] as const) {
    udp.udpWriteHeader(buf, 0, 53, 1024, ulen);
    assert.equal(udp.udpCheck(buf, 0, len), want, `${ulen} of ${len}`);
  }
});

test('UDP: checksums: right, wrong, none, and a computed 0 that is sent as 0xffff', () => {
  const random = new Random(4);
  let mangled = 0;
  for (let round = 0; round < 300; round++) {
    const buf = random.bytes(8 + random.below(40));
    udp.udpWriteHeader(buf, 0, 53, 1024, buf.length);
    if (round % 3 === 0 && buf.length >= 10) {
      // Choose two bytes of data so that the sum is all ones.
      put16(buf, 8, 0);
      udp.udpSendCheckV4(buf, 0, buf.length, A, B);
      put16(buf, 8, udp.uhCheck(buf, 0));
    }
    udp.udpSendCheckV4(buf, 0, buf.length, A, B);
    if (udp.uhCheck(buf, 0) === 0xffff) mangled++;
    assert.notEqual(udp.uhCheck(buf, 0), 0);
    assert.ok(udp.udpChecksumOkV4(buf, 0, buf.length, A, B), `seed 4, round ${round}`);
    assert.ok(!udp.udpChecksumOkV4(buf, 0, buf.length, A, B + 1), `seed 4, round ${round}`);
    put16(buf, udp.UDP_CHECK, 0);
    assert.ok(udp.udpChecksumOkV4(buf, 0, buf.length, A, B + 1), 'none was computed');
  }
  assert.ok(mangled > 50);
});

test('TCP: a written header, its fields and its checksum', () => {
  const buf = new Uint8Array(64).fill(0xee);
  const flags = tcp.TCP_FLAG_SYN | tcp.TCP_FLAG_ACK;
  tcp.tcpWriteHeader(buf, 2, 33000, 80, -5, 0x7fffffff, 24, flags, 64240, 3);
  assert.equal(toHex(buf, 2, 20), '80e80050fffffffb7fffffff6012faf000000003');
  assert.deepEqual([tcp.thSport(buf, 2), tcp.thDport(buf, 2), tcp.thSeq(buf, 2), tcp.thAckSeq(buf, 2)], [33000, 80, -5, 0x7fffffff]);
  assert.deepEqual([tcp.thHlen(buf, 2), tcp.thFlags(buf, 2), tcp.thWindow(buf, 2), tcp.thUrgPtr(buf, 2)], [24, flags, 64240, 3]);
  tcp.tcpSendCheckV4(buf, 2, 61, A, B);
  assert.ok(tcp.tcpChecksumOkV4(buf, 2, 61, A, B));
  buf[62]! ^= 0x80;
  assert.ok(!tcp.tcpChecksumOkV4(buf, 2, 61, A, B));
});

test('TCP: the ninth flag stands beside the data offset', () => {
  const buf = new Uint8Array(20);
  tcp.tcpWriteHeader(buf, 0, 1, 2, 0, 0, 20, tcp.TCP_FLAG_AE | tcp.TCP_FLAG_SYN, 0, 0);
  assert.deepEqual([tcp.thHlen(buf, 0), tcp.thFlags(buf, 0), tcp.thFlags9(buf, 0)], [20, 2, 0x102]);
});

test('TCP: fields set later', () => {
  const buf = new Uint8Array(20);
  tcp.tcpWriteHeader(buf, 0, 1, 2, 0, 0, 20, 0x1ff, 0, 0);
  tcp.thSetFlags(buf, 0, tcp.TCP_FLAG_ACK);
  tcp.thSetSeq(buf, 0, 0xffffffff);
  tcp.thSetAckSeq(buf, 0, -2);
  tcp.thSetWindow(buf, 0, 65535);
  assert.equal(toHex(buf), '00010002fffffffffffffffe5110ffff00000000');
});

test('TCP: data offsets that lie', () => {
  const buf = new Uint8Array(60);
  for (const [hlen, len, want] of [
    [20, 20, tcp.TcpCheck.Ok],
    [60, 60, tcp.TcpCheck.Ok],
    [20, 19, tcp.TcpCheck.TooShort],
    [16, 60, tcp.TcpCheck.BadDoff],
    [0, 60, tcp.TcpCheck.BadDoff],
    [24, 23, tcp.TcpCheck.TooShort],
  ] as const) {
    tcp.tcpWriteHeader(buf, 0, 1, 2, 0, 0, hlen, 0, 0, 0);
    assert.equal(tcp.tcpCheck(buf, 0, len), want, `${hlen} of ${len}`);
  }
});

test('TCP: SYN and FIN each take a place in the sequence', () => {
  const buf = new Uint8Array(40);
  for (const [flags, len, want] of [[0x10, 20, 0], [0x02, 20, 1], [0x01, 20, 1], [0x03, 30, 12], [0x18, 30, 10]] as const) {
    tcp.tcpWriteHeader(buf, 0, 1, 2, 0, 0, 20, flags, 0, 0);
    assert.equal(tcp.thSegLen(buf, 0, len), want);
  }
});

test('CRC-32: the check value, and continued over pieces', () => {
  const text = new TextEncoder().encode('123456789');
  assert.equal(crc32(text, 0, 9) >>> 0, 0xcbf43926);
  assert.equal(crc32(text, 0, 0), 0);
  for (let cut = 0; cut <= 9; cut++) assert.equal(crc32(text, cut, 9 - cut, crc32(text, 0, cut)) >>> 0, 0xcbf43926);
});

test('CRC-32: each single and each neighbouring pair of flipped bits is found', () => {
  const frame = new Random(5).bytes(64);
  const good = crc32(frame, 0, 64);
  for (let bit = 0; bit < 64 * 8; bit++) {
    frame[bit >> 3]! ^= 1 << (bit & 7);
    assert.notEqual(crc32(frame, 0, 64), good);
    const next = (bit + 1) % 512;
    frame[next >> 3]! ^= 1 << (next & 7);
    assert.notEqual(crc32(frame, 0, 64), good);
    frame[next >> 3]! ^= 1 << (next & 7);
    frame[bit >> 3]! ^= 1 << (bit & 7);
  }
});

test('the checks never throw and never accept what is shorter than its header, whatever the bytes', () => {
  const random = new Random(6);
  for (let round = 0; round < 20_000; round++) {
    const len = random.below(80);
    const buf = random.bytes(len);
    if (random.chance(0.5) && len > 0) put8(buf, 0, 0x45);
    if (ip.ipv4Check(buf, 0, len) === 0) assert.ok(ip.iphTotalLen(buf, 0) <= len);
    if (tcp.tcpCheck(buf, 0, len) === 0) assert.ok(tcp.thHlen(buf, 0) <= len && tcp.thHlen(buf, 0) >= 20);
    if (udp.udpCheck(buf, 0, len) === 0) assert.ok(udp.uhLen(buf, 0) <= len);
    if (icmp.icmpCheck(buf, 0, len) === 0) assert.ok(len >= 8);
    if (arp.arpCheck(buf, 0, len) === 0) assert.ok(len >= 28);
  }
});
