import assert from 'node:assert/strict';
import { isIPv4 } from 'node:net';
import { test } from 'node:test';
import * as addr from '../../src/lib/addr.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';

const { formatIpv4, parseIpv4, parseIpv4Prefix, parseMac } = addr;

/** The int32 of an address that the test knows to be one. */
function ip(text: string): number {
  const value = parseIpv4(text);
  assert.notEqual(value, null, text);
  return value!;
}

test('a dotted quad goes there and back as an int32', () => {
  for (const [text, value] of [
    ['0.0.0.0', 0],
    ['10.0.0.1', 0x0a000001],
    ['127.0.0.1', addr.INADDR_LOOPBACK],
    ['128.0.0.0', -2147483648],
    ['255.255.255.255', addr.INADDR_BROADCAST],
  ] as const) {
    assert.equal(parseIpv4(text), value);
    assert.equal(formatIpv4(value), text);
  }
  assert.equal(addr.ipv4(192, 168, 1, 2), ip('192.168.1.2'));
});

test('what inet_pton refuses is refused: no octal, hex, short forms, signs, blanks', () => {
  for (const bad of [
    '', '1', '1.2', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '256.1.1.1', '1.1.1.256', '1.1.1.1000', '01.2.3.4', '1.2.3.04',
    '00.0.0.0', '0x7f.0.0.1', '1.2.3.4 ', ' 1.2.3.4', '+1.2.3.4', '-1.2.3.4', '1.2.3.4/24', '1,2,3,4', 'a.b.c.d', '1.2.3.4\n', '١.2.3.4',
  ]) {
    assert.equal(parseIpv4(bad), null, JSON.stringify(bad));
  }
});

test("random texts: we accept what Node's own parser accepts", () => {
  const random = new Random(11);
  const letters = '0123456789.:abf%/ ';
  for (let round = 0; round < 20_000; round++) {
    let text = '';
    const n = random.below(20);
    for (let i = 0; i < n; i++) text += letters[random.below(random.chance(0.7) ? 12 : letters.length)];
    assert.equal(parseIpv4(text) !== null, isIPv4(text), `seed 11: ${JSON.stringify(text)}`);
  }
});

test('a prefix: host bits are kept, a bare address is /32, nonsense is null', () => {
  assert.deepEqual(parseIpv4Prefix('10.0.0.1/24'), { addr: ip('10.0.0.1'), prefixLen: 24 });
  assert.deepEqual(parseIpv4Prefix('0.0.0.0/0'), { addr: 0, prefixLen: 0 });
  assert.deepEqual(parseIpv4Prefix('10.0.0.1'), { addr: ip('10.0.0.1'), prefixLen: 32 });
  assert.equal(addr.formatIpv4Prefix(ip('10.0.0.0'), 8), '10.0.0.0/8');
  for (const bad of ['10.0.0.1/', '10.0.0.1/33', '10.0.0.1/-1', '10.0.0.1/08', '10.0.0.1/8/8', '/8', '10.0.0/8',
    '10.0.0.1/ 8', '10.0.0.1/1e1']) {
    assert.equal(parseIpv4Prefix(bad), null, bad);
  }
});

test('masks and their lengths, all 33 of them', () => {
  for (let len = 0; len <= 32; len++) assert.equal(addr.ipv4MaskLen(addr.ipv4Mask(len)), len);
  assert.equal(formatIpv4(addr.ipv4Mask(0)), '0.0.0.0');
  assert.equal(formatIpv4(addr.ipv4Mask(20)), '255.255.240.0');
  assert.equal(formatIpv4(addr.ipv4Mask(32)), '255.255.255.255');
  for (const hole of ['255.0.255.0', '0.0.0.1', '127.255.255.255', '255.255.255.253']) assert.equal(addr.ipv4MaskLen(ip(hole)), -1, hole);
});

test('membership of a network', () => {
  for (const [a, net, len, want] of [
    ['10.0.0.1', '10.0.0.0', 24, true],
    ['10.0.1.1', '10.0.0.0', 24, false],
    ['10.0.1.1', '10.0.0.0', 23, true],
    ['200.1.2.3', '0.0.0.0', 0, true],
    ['10.0.0.1', '10.0.0.1', 32, true],
    ['10.0.0.2', '10.0.0.1', 32, false],
  ] as const) {
    assert.equal(addr.ipv4InPrefix(ip(a), ip(net), len), want, `${a} in ${net}/${len}`);
  }
  assert.ok(addr.ipv4IsSubnetBroadcast(ip('10.0.0.255'), ip('10.0.0.0'), 24));
  assert.ok(!addr.ipv4IsSubnetBroadcast(ip('10.0.0.255'), ip('10.0.0.0'), 23));
  assert.ok(!addr.ipv4IsSubnetBroadcast(ip('10.0.0.1'), ip('10.0.0.0'), 31), 'RFC 3021: a /31 has no broadcast');
});

test('classes of addresses, at their edges', () => {
  // any zeronet loopback multicast localMulticast lbcast reserved linklocal private unicast
  const kinds = [
    addr.ipv4IsAny, addr.ipv4IsZeronet, addr.ipv4IsLoopback, addr.ipv4IsMulticast, addr.ipv4IsLocalMulticast,
    addr.ipv4IsLbcast, addr.ipv4IsReserved, addr.ipv4IsLinklocal, addr.ipv4IsPrivate, addr.ipv4IsUnicast,
  ];
  for (const [text, want] of [
    ['0.0.0.0', '11........'],
    ['0.0.0.1', '.1........'],
    ['1.0.0.0', '.........1'],
    ['9.255.255.255', '.........1'],
    ['10.0.0.0', '........11'],
    ['10.255.255.255', '........11'],
    ['126.255.255.255', '.........1'],
    ['127.0.0.1', '..1......1'],
    ['127.255.255.255', '..1......1'],
    ['128.0.0.0', '.........1'],
    ['169.254.0.1', '.......1.1'],
    ['172.15.255.255', '.........1'],
    ['172.16.0.0', '........11'],
    ['172.31.255.255', '........11'],
    ['172.32.0.0', '.........1'],
    ['192.168.255.255', '........11'],
    ['192.169.0.0', '.........1'],
    ['223.255.255.255', '.........1'],
    ['224.0.0.1', '...11.....'],
    ['224.0.1.0', '...1......'],
    ['239.255.255.255', '...1......'],
    ['240.0.0.0', '......1...'],
    ['255.255.255.254', '......1...'],
    ['255.255.255.255', '.....1....'],
  ] as const) {
    assert.equal(kinds.map((is) => (is(ip(text)) ? '1' : '.')).join(''), want, text);
  }
});

test('a hardware address goes there and back; only six pairs of hex digits are one', () => {
  const mac = parseMac('02:00:00:Ab:cd:0F')!;
  assert.equal(toHex(mac), '020000abcd0f');
  assert.equal(addr.formatMac(mac), '02:00:00:ab:cd:0f');
  assert.equal(toHex(parseMac('02-00-00-00-00-01')!), '020000000001');
  for (const bad of ['', '02:00:00:00:00', '02:00:00:00:00:00:00', '2:0:0:0:0:1', '02:00-00:00:00:01',
    '0g:00:00:00:00:01', '020000000001', ' 02:00:00:00:00:01']) {
    assert.equal(parseMac(bad), null, bad);
  }
});

test('kinds of hardware addresses', () => {
  for (const [hex, multicast, broadcast, zero, valid] of [
    ['ffffffffffff', true, true, false, false],
    ['01005e000001', true, false, false, false],
    ['000000000000', false, false, true, false],
    ['020000000001', false, false, false, true],
    ['feffffffffff', false, false, false, true],
  ] as const) {
    const buf = fromHex(`55${hex}55`)!;
    assert.equal(addr.isMulticastEtherAddr(buf, 1), multicast, hex);
    assert.equal(addr.isBroadcastEtherAddr(buf, 1), broadcast, hex);
    assert.equal(addr.isZeroEtherAddr(buf, 1), zero, hex);
    assert.equal(addr.isValidEtherAddr(buf, 1), valid, hex);
  }
  const a = fromHex('020000000001 020000000101')!;
  assert.ok(addr.etherAddrEqual(a, 0, a, 0));
  assert.ok(!addr.etherAddrEqual(a, 0, a, 6));
  addr.etherAddrCopy(a, 6, a, 0);
  assert.ok(addr.etherAddrEqual(a, 0, a, 6));
});
