import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import * as addr6 from '../../src/lib/addr6.ts';
import { parseMac } from '../../src/lib/addr.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import { tableWith } from '../../src/testing/table.ts';

const { formatIpv6, In6Addr, parseIpv6, parseIpv6Prefix, parseIpv6Zone } = addr6;

const table = tableWith(test);

/** The address of a text that the test knows to be one. */
function ip6(text: string): addr6.In6Addr {
  const value = parseIpv6(text);
  assert.ok(value !== null, text);
  return value;
}

/** Its sixteen bytes, behind one that is not part of it. */
function bytes(text: string): Uint8Array {
  const buf = new Uint8Array(18).fill(0x55);
  addr6.in6WriteAt(ip6(text), buf, 1);
  return buf;
}

table<{ text: string; want: string }>('RFC 5952: the text of an IPv6 address', `
  text                            →  want
  ::                                 ::
  ::1                                ::1
  1::                                1::
  2001:DB8::1                        2001:db8::1
  2001:db8::aaaa:0:0:1               2001:db8::aaaa:0:0:1
  2001:0db8::0001                    2001:db8::1              // §4.1
  2001:db8:0:0:0:0:2:1               2001:db8::2:1            // §4.2.1
  2001:db8:0:1:1:1:1:1               2001:db8:0:1:1:1:1:1     // §4.2.2: a single zero group stays
  2001:0:0:1:0:0:0:1                 2001:0:0:1::1            // §4.2.3: the longest run
  2001:db8:0:0:1:0:0:1               2001:db8::1:0:0:1        // the first of equals
  2001:DB8:ABCD::EF                  2001:db8:abcd::ef        // §4.3
  ::ffff:10.0.0.1                    ::ffff:10.0.0.1          // §5
  ::ffff:a00:1                       ::ffff:10.0.0.1
  64:ff9b::1.2.3.4                   64:ff9b::102:304
  1:2:3:4:5:6:7:8                    1:2:3:4:5:6:7:8
  1:2:3:4:5:6:7::                    1:2:3:4:5:6:7:0
  ::2:3:4:5:6:7:8                    0:2:3:4:5:6:7:8
  1:2:3:4:5:6:1.2.3.4                1:2:3:4:5:6:102:304
  fe80::                             fe80::
  0:0:1::                            0:0:1::
  1:0:0:2::                          1:0:0:2::
`, ({ text, want }) => {
  assert.equal(formatIpv6(ip6(text)), want);
  assert.equal(addr6.formatIpv6At(bytes(text), 1), want);
});

test('what is no IPv6 address is null', () => {
  for (const bad of ['', ':', ':::', '1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '12345::', 'g::', '::1.2.3',
    '1.2.3.4', '1.2.3.4::', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '1:2:3:4::5:6:7:8', 'fe80::1%eth0', '[::1]', ' ::1', '::1 ',
    '1:', ':1', '1:2:3:4:5:6:7:8:', '::01.2.3.4', '::1.2.3.256', '0x1::', '+1::', '::1/64']) {
    assert.equal(parseIpv6(bad), null, JSON.stringify(bad));
  }
});

test("random texts: we accept what Node's own parser accepts", () => {
  const random = new Random(11);
  const letters = '0123456789.:abf%/ ';
  for (let round = 0; round < 20_000; round++) {
    let text = '';
    const n = random.below(20);
    for (let i = 0; i < n; i++) text += letters[random.below(random.chance(0.7) ? 12 : letters.length)];
    if (!text.includes('%')) assert.equal(parseIpv6(text) !== null, isIPv6(text), `seed 11: ${JSON.stringify(text)}`);
  }
});

test("random addresses survive text, and are written as the URL standard writes them (mapped IPv4 apart)", () => {
  const random = new Random(12);
  for (let round = 0; round < 2000; round++) {
    const buf = random.bytes(16);
    for (let i = 0; i < 16; i += 2) if (random.chance(0.5)) buf.fill(0, i, i + 2);
    const text = addr6.formatIpv6At(buf, 0);
    const again = new Uint8Array(16);
    addr6.in6WriteAt(ip6(text), again, 0);
    assert.equal(toHex(again), toHex(buf), `seed 12: ${text}`);
    if (!text.includes('.')) assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
  }
});

test('a zone is a name or a number behind a percent sign', () => {
  for (const [text, zone] of [['fe80::1%eth0', 'eth0'], ['fe80::1%2', '2'], ['fe80::1', ''], ['ff02::1%en-0.5', 'en-0.5']] as const) {
    const got = parseIpv6Zone(text);
    assert.equal(got?.zone, zone, text);
    assert.equal(formatIpv6(got.addr), text.replace(/%.*/, ''));
  }
  for (const bad of ['fe80::1%', 'fe80::1%a b', '%eth0', 'x%eth0', 'fe80::1%eth0%1', `fe80::1%${'x'.repeat(16)}`, 'fe80::1%/64']) {
    assert.equal(parseIpv6Zone(bad), null, bad);
  }
});

test('a prefix: host bits are kept, a bare address is /128, nonsense is null', () => {
  assert.deepEqual(parseIpv6Prefix('fd00::1/64'), { addr: ip6('fd00::1'), prefixLen: 64 });
  assert.deepEqual(parseIpv6Prefix('::/0'), { addr: ip6('::'), prefixLen: 0 });
  assert.deepEqual(parseIpv6Prefix('fd00::1'), { addr: ip6('fd00::1'), prefixLen: 128 });
  assert.equal(addr6.formatIpv6Prefix(ip6('fd00::'), 64), 'fd00::/64');
  for (const bad of ['fd00::1/', 'fd00::1/129', 'fd00::1/-1', 'fd00::1/064', 'fd00::/64/64', '/64', 'fd00/64', 'fd00::/ 64',
    '10.0.0.1/8']) {
    assert.equal(parseIpv6Prefix(bad), null, bad);
  }
});

table<{ addr: string; len: number; network: string; other: string }>('the network of an address, and an address that is not in it', `
  addr                    len  →  network                other
  fd00:1:2:3:4:5:6:7      0       ::                     -
  fd00:1:2:3:4:5:6:7      7       fc00::                 fe00::
  fd00:1:2:3:4:5:6:7      32      fd00:1::               fd00:2::
  fd00:1:2:3:4:5:6:7      48      fd00:1:2::             fd00:1:3::
  fd00:1:2:3:4:5:6:7      64      fd00:1:2:3::           fd00:1:2:2::
  fd00:1:2:3:4:5:6:7      65      fd00:1:2:3::           fd00:1:2:3:8000::
  fd00:1:2:3:4:5:6:7      96      fd00:1:2:3:4:5::       fd00:1:2:3:4:4::
  fd00:1:2:3:4:5:6:7      127     fd00:1:2:3:4:5:6:6     fd00:1:2:3:4:5:6:5
  fd00:1:2:3:4:5:6:7      128     fd00:1:2:3:4:5:6:7     fd00:1:2:3:4:5:6:6
`, ({ addr, len, network, other }) => {
  const net = addr6.in6Prefix(ip6(addr), len);
  assert.equal(formatIpv6(net), formatIpv6(ip6(network)));
  assert.ok(addr6.in6InPrefix(ip6(addr), net, len));
  assert.ok(addr6.in6InPrefixAt(bytes(addr), 1, net, len));
  if (other === '-') return;
  assert.ok(!addr6.in6InPrefix(ip6(other), net, len));
  assert.ok(!addr6.in6InPrefixAt(bytes(other), 1, net, len));
});

table<{ a: string; b: string; len: number }>('how many leading bits two addresses share', `
  a             b                 →  len
  fd00::1       fd00::1              128
  fd00::1       fd00::               127
  fd00::1       fd00:0:0:1::1        63
  fd00::        fe80::               6
  ::            8000::               0
  ::1:0:0       ::                   95
`, ({ a, b, len }) => {
  assert.equal(addr6.in6CommonPrefixLen(ip6(a), ip6(b)), len);
  assert.equal(addr6.in6CommonPrefixLen(ip6(b), ip6(a)), len);
  assert.equal(Math.sign(addr6.in6Compare(ip6(a), ip6(b))) + Math.sign(addr6.in6Compare(ip6(b), ip6(a))), 0);
});

table<{ addr: string; kinds: string; scope: number }>('kinds and scopes of addresses, RFC 4291 §2.4, RFC 6724 §3.1', `
  addr                 →  kinds                     scope
  ::                      any                       14
  ::1                     loopback                  2
  fe80::1                 linklocal,zone            2
  febf::1                 linklocal,zone            2
  fec0::1                 sitelocal                 5
  fc00::1                 ula                       14
  fdff::1                 ula                       14
  2001:db8::1             global                    14
  ff01::1                 multicast,zone            1
  ff02::1                 multicast,zone            2
  ff05::1                 multicast                 5
  ff0e::1                 multicast                 14
  ::ffff:0.0.0.0          mapped                    14
  ::ffff:127.0.0.1        mapped                    2
  ::ffff:169.254.1.1      mapped                    2
`, ({ addr, kinds, scope }) => {
  const a = ip6(addr);
  const found = [
    addr6.in6IsAny(a) && 'any', addr6.in6IsLoopback(a) && 'loopback', addr6.in6IsMulticast(a) && 'multicast',
    addr6.in6IsLinklocal(a) && 'linklocal', addr6.in6IsSitelocal(a) && 'sitelocal', addr6.in6IsUla(a) && 'ula',
    addr6.in6IsV4Mapped(a) && 'mapped', addr6.in6NeedsZone(a) && 'zone',
  ].filter((kind) => kind !== false);
  assert.equal(found.join(',') || 'global', kinds);
  assert.equal(addr6.in6Scope(a), scope);
  const buf = bytes(addr);
  assert.equal(addr6.in6IsAnyAt(buf, 1), addr6.in6IsAny(a));
  assert.equal(addr6.in6IsLoopbackAt(buf, 1), addr6.in6IsLoopback(a));
  assert.equal(addr6.in6IsMulticastAt(buf, 1), addr6.in6IsMulticast(a));
  assert.equal(addr6.in6IsLinklocalAt(buf, 1), addr6.in6IsLinklocal(a));
  assert.equal(addr6.in6IsV4MappedAt(buf, 1), addr6.in6IsV4Mapped(a));
});

test('an address in a buffer and one in an object are compared word by word', () => {
  const a = new In6Addr(0xfd000000, 1, 0xffffffff, 4);
  const buf = new Uint8Array(40);
  addr6.in6WriteAt(a, buf, 3);
  assert.equal(toHex(buf, 3, 16), 'fd00000000000001ffffffff00000004');
  assert.ok(addr6.in6EqualsAt(a, buf, 3));
  assert.ok(addr6.in6Equal(addr6.in6ReadAt(buf, 3), a));
  assert.equal(addr6.in6HashAt(buf, 3, 77), addr6.in6Hash(a, 77));
  addr6.in6CopyAt(buf, 20, buf, 3);
  assert.ok(addr6.in6EqualAt(buf, 3, buf, 20));
  for (let i = 0; i < 16; i++) {
    buf[20 + i]! ^= 0x10;
    assert.ok(!addr6.in6EqualsAt(a, buf, 20), `byte ${i}`);
    assert.ok(!addr6.in6EqualAt(buf, 3, buf, 20), `byte ${i}`);
    assert.notEqual(addr6.in6HashAt(buf, 20, 77), addr6.in6Hash(a, 77), `byte ${i}`);
    buf[20 + i]! ^= 0x10;
  }
});

test('addresses made from others', () => {
  assert.equal(formatIpv6(addr6.in6SolicitedNode(ip6('fe80::2aa:ff:fe28:9c5a'))), 'ff02::1:ff28:9c5a'); // RFC 4291 §2.7.1
  assert.equal(formatIpv6(addr6.in6FromEui64(ip6('fe80::'), parseMac('34:56:78:9a:bc:de')!)), 'fe80::3656:78ff:fe9a:bcde'); // appendix A
  assert.equal(formatIpv6(addr6.in6FromV4(0x0a000001)), '::ffff:10.0.0.1');
  assert.deepEqual(addr6.in6ReadAt(fromHex('00000000000000000000ffff0a000001')!, 0), addr6.in6FromV4(0x0a000001));
});
