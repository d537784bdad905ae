// The notation's view of a packet: to bytes (segment-build.ts), from bytes (segment-decode.ts), relative numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4 } from '../../src/lib/addr.ts';
import { fromHex, get16, toHex } from '../../src/lib/bytes.ts';
import { ICMP_HLEN } from '../../src/wire/icmp.ts';
import { ipv4Check, iphTos, iphTtl } from '../../src/wire/ipv4.ts';
import { type BuildContext, buildPacket, encodeTcpOptions, tcpOptionLen } from '../../src/wire/segment-build.ts';
import { decodeIpv4, decodeTcpOptions } from '../../src/wire/segment-decode.ts';
import { type PacketSpec, type TcpOption, type TcpSpec, formatFlags, formatOption, formatPacket,
  relativeTcp } from '../../src/wire/segment.ts';
import { tcpChecksumOkV4 } from '../../src/wire/tcp.ts';

const CTX: BuildContext = { saddr: ipv4(192, 0, 2, 1), daddr: ipv4(192, 168, 0, 1), sport: 40000, dport: 8080 };

function tcp(fields: Partial<TcpSpec>): TcpSpec {
  return { proto: 'tcp', ip: {}, flags: 0x10, ace: false, ...fields };
}

test('flags in letters', () => {
  for (const [flags, ace, want] of [
    [0, false, '-'],
    [0x02, false, 'S'],
    [0x12, false, 'S.'],
    [0x11, false, 'F.'],
    [0x19, false, 'FP.'],
    [0x04, false, 'R'],
    [0x38, false, 'PU.'],
    [0xc2, false, 'SEW'],
    [0x1c2, false, 'SEWA'],
    [0x150, false, 'EA.'],
    [0x150, true, '5.'],
    [0x1d8, true, 'P7.'],
    [0x10, true, '.'],
  ] as const) {
    assert.equal(formatFlags(flags, ace), want);
  }
});

test('an end beyond 2^32 goes round', () => {
  assert.equal(formatPacket(tcp({ range: { seq: 4294967295, len: 2 } })), '. 4294967295:1(2)');
});

test('what is left out comes from the context; what is said wins', () => {
  const ctx: BuildContext = { ...CTX, seqBase: 1000, ackBase: 2000, seq: 5, ack: 7, win: 99, options: [{ kind: 'mss', value: 536 }] };
  const at = (spec: TcpSpec): string => {
    const buf = buildPacket(spec, ctx);
    return formatPacket({ ...(decodeIpv4(buf, 0, buf.length) as TcpSpec), ip: {} }, { ports: true });
  };
  assert.equal(at(tcp({})), '40000 > 8080 . 1005:1005(0) ack 2007 win 99 <mss 536>');
  assert.equal(
    at(tcp({ range: { seq: 1, len: 3 }, ack: 2, win: 1, urg: 4, options: [], sport: 1, dport: 2 })),
    '1 > 2 . 1001:1004(3) ack 2002 win 1 urg 4',
  );
  assert.equal(at(tcp({ flags: 0x04 })), '40000 > 8080 R 1005:1005(0) win 99 <mss 536>', 'no ACK flag: the field is 0');
  assert.equal(at(tcp({ flags: 0x04, ack: 9 })), '40000 > 8080 R 1005:1005(0) ack 9 win 99 <mss 536>', 'and not counted from a base');
  assert.equal(at(tcp({ options: 'any' })), '40000 > 8080 . 1005:1005(0) ack 2007 win 99');
});

test('SACK edges are counted from the same base as the acknowledgment', () => {
  const spec = tcp({ ack: 1, options: [{ kind: 'nop' }, { kind: 'nop' }, { kind: 'sack', edges: [11, 21] }] });
  const buf = buildPacket(spec, { ...CTX, ackBase: 0xfffffff8 });
  assert.equal(toHex(buf, 40, 12), '0101050a000000030000000d');
});

test('checksums are right and the payload is zeros, or what was given', () => {
  const buf = buildPacket(tcp({ range: { seq: 0, len: 5 } }), { ...CTX, payload: new Uint8Array([1, 2, 3]) });
  assert.equal(ipv4Check(buf, 0, buf.length), 0);
  assert.ok(tcpChecksumOkV4(buf, 20, buf.length - 20, CTX.saddr, CTX.daddr));
  assert.equal(toHex(buf, 40), '0102030000');
});

test('the IP header: ECN words, TOS, TTL', () => {
  for (const [ip, tos, ttl] of [
    [{}, 0, 255],
    [{ ecn: 'ect0' }, 2, 255],
    [{ ecn: 'ect1' }, 1, 255],
    [{ ecn: 'ce', ttl: 3 }, 3, 3],
    [{ tos: 0x2b }, 0x2b, 255],
  ] as const) {
    const buf = buildPacket(tcp({ ip }), CTX);
    assert.deepEqual([iphTos(buf, 0), iphTtl(buf, 0)], [tos, ttl]);
  }
});

test('an ICMP error quotes a packet of the other direction: IP header and eight bytes', () => {
  const spec: PacketSpec = {
    proto: 'icmp', ip: {}, version: 4, type: 3, code: 4, mtu: 1200, echoed: { proto: 'tcp', range: { seq: 1, len: 1000 } },
  };
  const buf = buildPacket(spec, { ...CTX, ackBase: 500 });
  assert.equal(buf.length, 20 + ICMP_HLEN + 28);
  const quoted = toHex(buf, 28);
  assert.ok(quoted.startsWith('45000410'), 'its own length is told, though not its bytes');
  assert.equal(quoted.slice(24, 40), 'c0a80001c0000201');
  assert.equal(quoted.slice(40), '1f909c40' + '000001f5');
  const got = decodeIpv4(buf, 0, buf.length);
  assert.deepEqual(got, { ...spec, ip: { tos: 0, ttl: 255 }, echoed: { proto: 'tcp', sport: 8080, dport: 40000,
    range: { seq: 501, len: 1000 } } });
});

test('every option: its length, its bytes, and back', () => {
  const options: [TcpOption, string][] = [
    [{ kind: 'nop' }, '01'],
    [{ kind: 'eol' }, '00'],
    [{ kind: 'sackOK' }, '0402'],
    [{ kind: 'mss', value: 1460 }, '020405b4'],
    [{ kind: 'wscale', value: 14 }, '03030e'],
    [{ kind: 'TS', val: 4294967295, ecr: 1 }, '080affffffff00000001'],
    [{ kind: 'sack', edges: [1, 2, 3, 4294967295] }, '0512000000010000000200000003ffffffff'],
    [{ kind: 'tcp-ao', keyid: 61, rnextkeyid: 84, data: fromHex('2ee437c6f8ede6d7c4d602e7')! }, '1d103d542ee437c6f8ede6d7c4d602e7'],
    [{ kind: 'md5', data: fromHex('00112233445566778899aabbccddeeff')! }, '131200112233445566778899aabbccddeeff'],
    [{ kind: 'FO', data: fromHex('3021b9d889017eeb')! }, '220a3021b9d889017eeb'],
    [{ kind: 'FO', data: new Uint8Array(0) }, '2202'],
    [{ kind: 'FOEXP', data: fromHex('aabb')! }, 'fe06f989aabb'],
    [{ kind: 'ECN', order: 0, counters: [1] }, 'ac05000001'],
    [{ kind: 'ECN', order: 1, counters: [1, 2, 0xffffff] }, 'ae0b000001000002ffffff'],
    [{ kind: 'opt', number: 77, data: fromHex('0a0b')! }, '4d040a0b'],
  ];
  for (const [option, hex] of options) {
    const bytes = encodeTcpOptions([option]);
    assert.equal(toHex(bytes), hex, formatOption(option));
    assert.equal(tcpOptionLen(option), bytes.length);
    assert.deepEqual(decodeTcpOptions(bytes, 0, bytes.length), [option]);
  }
});

test('options with an odd length keep their bytes under their number', () => {
  for (const [hex, want] of [
    ['020305', 'opt 2 05'],
    ['0303ff', 'wscale 255'],
    ['08040102', 'opt 8 0102'],
    ['0506 00000001', 'opt 5 00000001'],
    ['fe041234', 'opt 254 1234'],
    ['ac04 0102', 'opt 172 0102'],
    ['01 00 ff ff', 'nop,eol,eol,eol'],
  ] as const) {
    const bytes = fromHex(hex)!;
    const got = decodeTcpOptions(bytes, 0, bytes.length);
    assert.equal(typeof got === 'string' ? got : got.map(formatOption).join(','), want);
  }
});

test('what cannot be built is a RangeError', () => {
  assert.throws(() => buildPacket(tcp({ range: { seq: 0, len: 65535 } }), CTX), { name: 'RangeError', message: /65575 bytes/ });
  const sack: TcpOption = { kind: 'sack', edges: [1, 2, 3, 4, 5, 6, 7, 8] };
  assert.throws(() => buildPacket(tcp({ options: [sack, sack] }), CTX), { name: 'RangeError',
    message: /68 bytes; the header has room for 40/ });
  assert.throws(() => buildPacket({ proto: 'icmp', ip: {}, version: 6, type: 1, code: 0 }, CTX), /ICMPv6/);
});

test('relative numbers: sequence by one base, acknowledgment and SACK by the other, around 2^32', () => {
  const p = tcp({ range: { seq: 5, len: 1 }, ack: 3, options: [{ kind: 'sack', edges: [4, 6] }] });
  const r = relativeTcp(p, 4294967295, 4294967290);
  assert.equal(formatPacket(r), '. 6:7(1) ack 9 <sack 10:12>');
  assert.equal(formatPacket(relativeTcp({ ...p, flags: 0 }, 1, 1)), '- 4:5(1) ack 3 <sack 4:6>', 'without the ACK flag the fields stay');
});

test('a quoted UDP datagram is read, a quotation too short or of another protocol is left out', () => {
  const spec: PacketSpec = { proto: 'icmp', ip: {}, version: 4, type: 3, code: 3, echoed: { proto: 'udp', range: { seq: 0, len: 20 } } };
  const buf = buildPacket(spec, CTX);
  assert.deepEqual((decodeIpv4(buf, 0, buf.length) as { echoed?: unknown }).echoed, {
    proto: 'udp', sport: 8080, dport: 40000, range: { seq: 0, len: 20 },
  });
  buf[28 + 9] = 89;
  assert.equal((decodeIpv4(buf, 0, buf.length) as { echoed?: unknown }).echoed, undefined);
  buf[28 + 9] = 17;
  buf[3] = get16(buf, 2) - 1;
  assert.equal((decodeIpv4(buf, 0, buf.length) as { echoed?: unknown }).echoed, undefined);
});
