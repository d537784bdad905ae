import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4 } from '../../src/lib/addr.ts';
import { Random } from '../../src/lib/random.ts';
import {
  type CompareOptions, Scanner, SegmentSyntaxError, comparePacket, explainDifferences, parsePacket, parsePacketAt, parseSegment,
} from '../../src/testing/segment-notation.ts';
import { buildPacket } from '../../src/wire/segment-build.ts';
import { decodeIpv4 } from '../../src/wire/segment-decode.ts';
import { type PacketSpec, type TcpOption, type TcpSpec, formatPacket } from '../../src/wire/segment.ts';

const CTX = { saddr: ipv4(192, 0, 2, 1), daddr: ipv4(192, 168, 0, 1), sport: 40000, dport: 8080 };

test('a line in the notation is itself again when printed', () => {
  for (const line of [
    'S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>',
    'S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>',
    '.',
    '. ack 1',
    '. 1:1(0)',
    'P. 1:1001(1000) ack 1 win 257',
    'FP. 1:1001(1000) ack 1 win 257 urg 5',
    'R 1:1(0)',
    'R. 1:1(0) ack 4294967295',
    '- 0:0(0)',
    'SEW 0:0(0)',
    'SEWA 0:0(0)',
    'P5. 1:2(1) ack 1',
    '. 4294967290:4(10) ack 1',
    '. 1:1(0) ack 1 <...>',
    '. 1:1(0) ack 1 <>',
    '. 1:1(0) ack 1 <nop,nop,sack 1:2 3:4>',
    '. 1:1(0) ack 1 <nop,nop,TS val 4294967295 ecr 0>',
    'S 0:0(0) <FO,nop,nop>',
    'S 0:0(0) <FO 3021b9d889017eeb,nop,nop>',
    'S 0:0(0) <FOEXP>',
    'S 0:0(0) <FOEXP 3021b9d889017eeb>',
    '. 1:1(0) <md5 00112233445566778899aabbccddeeff,nop,nop>',
    '. 1:1(0) <tcp-ao keyid 1 rnextkeyid 255 mac 0x00112233445566778899aabb>',
    '. 1:1(0) <ECN e0b 1 ceb 0 e1b 1,nop>',
    '. 1:1(0) <ECN e1b 1 ceb 0>',
    '. 1:1(0) <opt 77 0a0b>',
    '. 1:1(0) <opt 77,eol,eol>',
    '[ect0] . 1:1(0) ack 1',
    '[ect01] . 1:1(0) ack 1',
    '[tos 0x10,ttl 3] . 1:1(0) ack 1',
    '[ce,flowlabel 0x1] . 1:1(0) ack 1',
    'udp (512)',
    'icmp unreachable port_unreachable',
    'icmp unreachable frag_needed mtu 1200 [1:1001(1000)]',
    'icmp unreachable host_unreachable [0:0(0)]',
    'icmp unreachable port_unreachable [33000 > 53 udp (20)]',
    'icmp time_exceeded',
    'icmp time_exceeded code_1',
    'icmp echo_request id 7 seq 9 (56)',
    'icmp type_42 code_7',
    'icmp source_quench [1:1(0)]',
  ]) {
    assert.equal(formatPacket(parsePacket(line), { ports: true }), line);
  }
});

test('other spellings of the same packet', () => {
  for (const [text, want] of [
    ['  .   1 : 1 ( 0 )   ack 1  ', '. 1:1(0) ack 1'],
    ['.S 0:0(0)', 'S. 0:0(0)'],
    ['. 1:1(0) // a comment', '. 1:1(0)'],
    ['. 1:1(0) /* a\n comment */ ack 1\n win 5', '. 1:1(0) ack 1 win 5'],
    ['(ect1) . 1:1(0)', '[ect1] . 1:1(0)'],
    ['. 1:1(0) ack 0x10 win 0xff', '. 1:1(0) ack 16 win 255'],
    ['. 1:1(0)<nop , nop,  sack 1:2   3:4 >', '. 1:1(0) <nop,nop,sack 1:2 3:4>'],
    ['udp(3)', 'udp (3)'],
    ['40000>80 S 0:0(0)', '40000 > 80 S 0:0(0)'],
    ['40000 > 80 udp (1)', '40000 > 80 udp (1)'],
    ['. 4294967295:4294967296(1)', '. 4294967295:0(1)'],
  ] as const) {
    assert.equal(formatPacket(parsePacket(text), { ports: true }), want);
  }
});

test('what is left out is undefined, not 0', () => {
  assert.deepEqual(parsePacket('.'), { proto: 'tcp', ip: {}, flags: 0x10, ace: false });
  const p = parseSegment('. 1:1(0) ack 0 win 0 urg 0');
  assert.deepEqual([p.ack, p.win, p.urg], [0, 0, 0]);
  assert.deepEqual(parseSegment('. <>').options, []);
  assert.equal(parseSegment('. <...>').options, 'any');
});

test('names of ICMPv6 are known in IPv6, and only there', () => {
  for (const line of ['icmp unreachable no_route', 'icmp packet_too_big mtu 100000 [1:1(0)]', 'icmp echo_request id 1',
    'icmp unreachable port_unreachable']) {
    assert.equal(formatPacket(parsePacket(line, { version: 6 })), line);
  }
  assert.equal((parsePacket('icmp unreachable port_unreachable', { version: 6 }) as { code: number }).code, 4);
  assert.equal((parsePacket('icmp unreachable port_unreachable') as { code: number }).code, 3);
  assert.throws(() => parsePacket('icmp unreachable frag_needed', { version: 6 }), /'frag_needed' is no code of icmp unreachable in IPv6/);
  assert.throws(() => parsePacket('icmp packet_too_big'), /'packet_too_big'/);
});

test('a mistake is a syntax error that names its place and what was expected', () => {
  for (const [text, column, message] of [
    ['', 1, 'found the end'],
    ['Q 1:1(0)', 1, "flags (S F R P . U E W A, or -), udp or icmp expected, found 'Q'"],
    ['SS 0:0(0)', 1, 'flags SS: S says again'],
    ['E5 0:0(0)', 1, 'flags E5: 5 says again'],
    ['. 1:1001(999)', 3, '1:1001(999): 1 + 999 is 1000, not 1001'],
    ['. 1:1(0) ack 1 win', 19, 'a number expected for win, found the end'],
    ['. 1:1(0) ack x', 14, "a number expected for ack, found 'x'"],
    ['. 1:1(0) ack -1', 14, "a number expected for ack, found '-1'"],
    ['. 1:1(0) win 65536', 14, 'win is 65536, more than 65535'],
    ['. 1:1(0) ack 4294967296', 14, 'ack is 4294967296, more than'],
    ['. 1:65537(65536)', 11, 'the length of the segment is 65536, more than 65535'],
    ['. 1:1 ack 1', 7, "'(' expected before the length of the segment, found 'ack'"],
    ['. 1:1(0) win 5 ack 1', 16, "'ack' does not belong to the packet"],
    ['. 1:1(0) zork', 10, "'zork' does not belong to the packet"],
    ['. 1:1(0) <mss 1460', 19, "'>' expected after the options, found the end"],
    ['. 1:1(0) <mss 1460,>', 20, 'an option expected'],
    ['. 1:1(0) <nop>', 10, 'the options take 1 bytes; a multiple of 4 is needed: write the nops'],
    ['. 1:1(0) <sack 1:2 3:4 5:6 7:8,nop,nop,TS val 1 ecr 2>', 10, 'the options take 46 bytes; a multiple'],
    ['. 1:1(0) <nop,nop,sack 1:2 3:4 5:6 7:8,mss 1,mss 2>', 10, 'the options take 44 bytes; there is room for 40'],
    ['. 1:1(0) <TS val 1>', 19, "ecr expected after TS val, found '>'"],
    ['. 1:1(0) <sack 1>', 17, "':' expected between the edges"],
    ['. 1:1(0) <md5 0011,nop>', 15, 'md5 takes 16 bytes, not 2'],
    ['. 1:1(0) <tcp-ao keyid 1 mac 00>', 26, "rnextkeyid expected after keyid, found 'mac'"],
    ['. 1:1(0) <tcp-ao keyid 256>', 24, 'keyid'],
    ['. 1:1(0) <FO xyz>', 14, "hex digits expected after FO, found 'xyz'"],
    ['. 1:1(0) <ECN 5>', 15, "e0b or e1b expected after ECN, found '5>'"],
    ['[foo] .', 2, "ecn, tos, ttl or flowlabel expected, found 'foo]'"],
    ['[ce .', 5, "']' expected after the IP header, found '.'"],
    ['80 > S', 6, "a number expected for the destination port, found 'S'"],
    ['65536 > 1 S', 1, 'the source port is 65536, more than 65535'],
    ['icmp', 5, "a type of ICMP expected, found 'the end'"],
    ['icmp foo', 6, "a type of ICMP expected, found 'foo'"],
    ['icmp type_256', 6, "a type of ICMP expected, found 'type_256'"],
    ['icmp unreachable [1:1(0)', 25, "']' expected after the quoted packet, found the end"],
    ['udp 5', 5, "'(' expected before the length of the data, found '5'"],
    ['ipv4 1.2.3.4 > 5.6.7.8: udp (1)', 1, 'encapsulation is not supported'],
  ] as const) {
    assert.throws(() => parsePacket(text), (e: Error) => {
      assert.ok(e instanceof SegmentSyntaxError && e instanceof SyntaxError, `${text}: ${e.message}`);
      assert.ok(e.message.includes(message), `${text}: ${e.message}`);
      assert.equal(e.column, column, `${text}: ${e.message}`);
      assert.equal(e.line, 1);
      assert.ok(e.message.startsWith(`line 1, column ${e.column}: `));
      return true;
    });
  }
});

test('the place is told in the lines of the larger text', () => {
  assert.throws(() => parsePacket('. 1:1(0)\n  ack 1\n  wim 5', { line: 10, column: 20 }), { line: 12, column: 3 });
  assert.throws(() => parsePacket('Q', { line: 10, column: 20 }), { line: 10, column: 20, message: /^line 10, column 20: / });
});

test('a scanner reads a packet out of a larger text and stops behind it', () => {
  const s = new Scanner('+0 > S. 0:0(0) ack 1 <...>\n+.1 < . 1:1(0) ack 1 win 257\n 0.5 > icmp echo_reply id 1 2 close');
  const packets: string[] = [];
  for (;;) {
    s.take(/[+.\d]+/y);
    if (!s.mark('<') && !s.mark('>')) break;
    packets.push(formatPacket(parsePacketAt(s)));
  }
  assert.deepEqual(packets, ['S. 0:0(0) ack 1 <...>', '. 1:1(0) ack 1 win 257', 'icmp echo_reply id 1']);
  assert.ok(s.keyword('close'));
  assert.ok(s.atEnd());
});

test('defines stand for words', () => {
  const defines = new Map([['TFO_COOKIE', '3021b9d889017eeb'], ['CODE', 'host_unreachable'], ['WIN', '77']]);
  assert.equal(formatPacket(parsePacket('S 0:0(0) win WIN <FO TFO_COOKIE,nop,nop>', { defines })),
    'S 0:0(0) win 77 <FO 3021b9d889017eeb,nop,nop>');
  assert.equal(formatPacket(parsePacket('icmp unreachable CODE', { defines })), 'icmp unreachable host_unreachable');
});

test('a segment is asked for and a datagram is written', () => {
  assert.throws(() => parseSegment('udp (1)', { line: 3 }), { line: 3, message: /a TCP segment expected, found udp/ });
});

/** The fields in which two lines differ. */
function fields(want: string, got: string, options?: CompareOptions): string {
  return comparePacket(parsePacket(want), parsePacket(got), options).map((d) => d.field).join();
}

test('what is left out is not compared', () => {
  const got = '[ect0] P. 1:1001(1000) ack 5 win 257 urg 3 <nop,nop,TS val 1 ecr 2>';
  for (const [want, differences] of [
    [got, ''],
    ['P.', ''],
    ['P. 1:1001(1000)', ''],
    ['P. ack 5', ''],
    ['P. win 257', ''],
    ['P. <...>', ''],
    ['[ect0] P.', ''],
    ['[ect01] P.', ''],
    ['.', 'flags'],
    ['P. 2:1002(1000)', 'seq'],
    ['P. 1:1000(999)', 'length'],
    ['P. 1:1001(1000) ack 6', 'ack'],
    ['P. win 256', 'win'],
    ['P. urg 0', 'urg'],
    ['P. <>', 'options'],
    ['P. <nop,nop,TS val 1 ecr 3>', 'options'],
    ['P. <TS val 1 ecr 2,nop,nop>', 'options'],
    ['[ce] P.', 'ecn'],
    ['[ttl 64] P.', 'ttl'],
    ['udp (5)', 'protocol'],
    ['S 2:3(1) ack 6', 'flags,seq,length,ack'],
  ] as const) {
    assert.equal(fields(want, got), differences, want);
  }
});

test("packetdrill's reading: no list is no options, no ack is 0; only the window may be left out", () => {
  const exact = { exact: true };
  for (const [want, got, differences] of [
    ['. 1:1(0) ack 1', '. 1:1(0) ack 1 win 5', ''],
    ['. 1:1(0) ack 1', '. 1:1(0) ack 1 win 5 <nop,nop,TS val 1 ecr 2>', 'options'],
    ['. 1:1(0) ack 1 <...>', '. 1:1(0) ack 1 win 5 <nop,nop,TS val 1 ecr 2>', ''],
    ['R 1:1(0)', 'R 1:1(0) win 0', ''],
    ['R 1:1(0)', 'R 1:1(0) ack 7 win 0', 'ack'],
    ['. 1:1(0) ack 1', '. 1:1(0) ack 1 urg 1', 'urg'],
  ] as const) {
    assert.equal(fields(want, got, exact), differences, `${want} / ${got}`);
  }
});

test('timestamps may be compared by their place only', () => {
  const want = '. 1:1(0) <nop,nop,TS val 1 ecr 2>';
  assert.equal(fields(want, '. 1:1(0) <nop,nop,TS val 8 ecr 9>'), 'options');
  assert.equal(fields(want, '. 1:1(0) <nop,nop,TS val 8 ecr 9>', { timestamps: false }), '');
  assert.equal(fields(want, '. 1:1(0) <TS val 8 ecr 9,nop,nop>', { timestamps: false }), 'options');
});

test('ECN of a decoded packet is in its TOS', () => {
  const buf = buildPacket(parsePacket('[ect1] . 1:1(0)'), CTX);
  const got = decodeIpv4(buf, 0, buf.length) as PacketSpec;
  for (const [want, differences] of [['[ect1] .', 0], ['[ect01] .', 0], ['[noecn] .', 1], ['[tos 1] .', 0],
    ['[ttl 255] .', 0], ['[ttl 254] .', 1]] as const) {
    assert.equal(comparePacket(parsePacket(want), got).length, differences, want);
  }
});

test('UDP and ICMP are compared field by field', () => {
  assert.equal(fields('udp (5)', '1 > 2 udp (5)'), '');
  assert.equal(fields('1 > 3 udp (6)', '1 > 2 udp (5)'), 'dport,length');
  const got = 'icmp unreachable frag_needed mtu 1200 [80 > 90 1:1001(1000)]';
  for (const [want, differences] of [
    ['icmp unreachable frag_needed', ''],
    ['icmp unreachable frag_needed mtu 1300', 'mtu'],
    ['icmp unreachable port_unreachable', 'code'],
    ['icmp time_exceeded code_4', 'type'],
    ['icmp unreachable frag_needed [1:1001(1000)]', ''],
    ['icmp unreachable frag_needed [2:1002(1000)]', 'quoted seq'],
    ['icmp unreachable frag_needed [81 > 90 1:1001(1000)]', 'quoted sport'],
    ['icmp unreachable frag_needed [udp (1000)]', 'quoted protocol,quoted seq'],
  ] as const) {
    assert.equal(fields(want, got), differences, want);
  }
});

test('the differences are told in the notation', () => {
  const want = parsePacket('. 1:1001(1000) <mss 5>');
  const got = parsePacket('P. 1:1001(1000) ack 1 win 7');
  const differences = comparePacket(want, got);
  assert.equal(explainDifferences(want, got, differences), [
    'want  . 1:1001(1000) <mss 5>',
    'got   P. 1:1001(1000) ack 1 win 7',
    '  flags: . wanted, got P.',
    '  options: <mss 5> wanted, got <>',
  ].join('\n'));
  assert.equal(explainDifferences(got, got, []), '');
});

/** A random option list whose length is a multiple of 4 and at most 40. */
function randomOptions(random: Random): TcpOption[] {
  const u32 = (): number => random.next32() >>> 0;
  const makers: (() => TcpOption)[] = [
    () => ({ kind: 'mss', value: random.below(65536) }),
    () => ({ kind: 'wscale', value: random.below(256) }),
    () => ({ kind: 'sackOK' }),
    () => ({ kind: 'TS', val: u32(), ecr: u32() }),
    () => ({ kind: 'sack', edges: [u32(), u32()] }),
    () => ({ kind: 'FO', data: random.bytes(random.below(9)) }),
    () => ({ kind: 'FOEXP', data: random.bytes(random.below(9)) }),
    () => ({ kind: 'ECN', order: random.chance(0.5) ? 0 : 1, counters: [random.below(1 << 24), random.below(1 << 24)] }),
    () => ({ kind: 'opt', number: 60 + random.below(60), data: random.bytes(random.below(4)) }),
  ];
  const list: TcpOption[] = [];
  for (let n = random.below(3); n > 0; n--) list.push(makers[random.below(makers.length)]!());
  const len = buildPacket({ proto: 'tcp', ip: {}, flags: 0, ace: false, options: list }, CTX).length - 40;
  for (let n = len; n % 4 !== 0; n++) list.push({ kind: 'nop' });
  return list;
}

test('random segments: text and bytes both give the same segment back', () => {
  const random = new Random(13);
  for (let round = 0; round < 3000; round++) {
    const p: TcpSpec = { proto: 'tcp', ip: {}, flags: random.below(512) | 0x10, ace: false };
    p.range = { seq: random.next32() >>> 0, len: random.below(1500) };
    p.ack = random.next32() >>> 0;
    p.win = random.below(65536);
    if (random.chance(0.3)) p.urg = 1 + random.below(65535);
    const options = randomOptions(random);
    if (options.length > 0) p.options = options;
    const text = formatPacket(p);
    assert.deepEqual(parsePacket(text), p, `seed 13, round ${round}: ${text}`);
    const buf = buildPacket(p, CTX);
    const got = decodeIpv4(buf, 0, buf.length) as TcpSpec;
    assert.equal(formatPacket({ ...got, ip: {} }), text, `seed 13, round ${round}`);
    assert.deepEqual(comparePacket(p, got, { exact: true }), []);
  }
});

test('mutated texts are read or refused with a SegmentSyntaxError, never anything else', () => {
  const random = new Random(14);
  const seeds = [
    'S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>',
    '[ect0] 80 > 90 P. 1:1001(1000) ack 1 <nop,nop,sack 1:2 3:4>',
    'icmp unreachable frag_needed mtu 1200 [1:1001(1000)]',
    'udp (20) // x',
  ];
  const letters = ' .:()<>[],/*-0123456789SFRPUEWAabcdefx_\n';
  for (let round = 0; round < 20_000; round++) {
    let text = seeds[random.below(seeds.length)]!;
    for (let n = 1 + random.below(4); n > 0; n--) {
      const at = random.below(text.length + 1);
      text = text.slice(0, at) + (random.chance(0.6) ? letters[random.below(letters.length)] : '') + text.slice(at + random.below(3));
    }
    try {
      formatPacket(parsePacket(text));
    } catch (e) {
      assert.ok(e instanceof SegmentSyntaxError, `seed 14, ${JSON.stringify(text)}: ${String(e)}`);
      assert.ok(e.line >= 1 && e.column >= 1);
    }
  }
});
