import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, get16, put16, put32 } from '../../src/lib/bytes.ts';
import * as csum from '../../src/lib/checksum.ts';
import { Random } from '../../src/lib/random.ts';

const { csumAdd, csumBlockAdd, csumFold, csumPartial, csumReplace2, csumReplace4, csumSub, csumTcpudpMagic, ipFastCsum } = csum;

/** RFC 1071 §1 word by word, as slowly as it can be said. */
function slowSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** 0 and 0xffff are both zero in one's complement. */
function same(a: number, b: number): boolean {
  return a % 0xffff === b % 0xffff;
}

test('RFC 1071 §3: the example', () => {
  const bytes = fromHex('0001 f203 f4f5 f6f7')!;
  assert.equal(csumPartial(bytes, 0, 8, 0), 0xddf2);
  assert.equal(csumFold(0xddf2), 0x220d);
});

test('known headers: the check of each is found, and with it in place the sum is clean', () => {
  for (const [hex, at, want] of [
    ['4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7', 10, 0xb861],
    ['4500 003c 1c46 4000 4006 0000 ac10 0a63 ac10 0a0c', 10, 0xb1e6],
    ['0800 0000 0001 0001 6162 6364', 2, 0x3337],
  ] as const) {
    const bytes = fromHex(hex)!;
    assert.equal(ipFastCsum(bytes, 0, bytes.length), want);
    put16(bytes, at, want);
    assert.equal(ipFastCsum(bytes, 0, bytes.length), 0);
  }
});

test('every length from 0 to 100 at even and odd offsets agrees with the definition', () => {
  const bytes = new Random(4).bytes(200);
  for (let len = 0; len <= 100; len++) {
    for (const off of [0, 1, 2, 33]) {
      assert.equal(csumPartial(bytes, off, len, 0), slowSum(bytes.subarray(off, off + len)), `${len} at ${off}`);
    }
  }
});

test('a large block of ones does not overflow', () => {
  for (const len of [16383, 16384, 16385, 65535, 65536, 1 << 20]) {
    const bytes = new Uint8Array(len).fill(0xff);
    assert.equal(csumPartial(bytes, 0, len, 0), slowSum(bytes), String(len));
  }
});

test('RFC 1071 §2 (B): fragments of any length, summed apart, join to the sum of the whole', () => {
  const random = new Random(5);
  for (let round = 0; round < 500; round++) {
    const bytes = random.bytes(1 + random.below(300));
    let sum = 0;
    for (let at = 0; at < bytes.length; ) {
      const len = Math.min(bytes.length - at, random.below(40));
      sum = csumBlockAdd(sum, csumPartial(bytes, at, len, 0), at);
      at += len;
    }
    assert.ok(same(sum, csumPartial(bytes, 0, bytes.length, 0)), `seed 5, round ${round}`);
  }
});

test('what was added can be subtracted', () => {
  const random = new Random(6);
  for (let round = 0; round < 500; round++) {
    const a = random.below(0x10000);
    const b = random.below(0x10000);
    assert.ok(same(csumSub(csumAdd(a, b), b), a));
    assert.ok(same(csumAdd(a, b), a + b));
  }
});

test('RFC 1624 §4: the example that equation 2 gets wrong', () => {
  assert.equal(csumReplace2(0xdd2f, 0x5555, 0x3285), 0x0000);
});

test('an incremental update is what a new computation gives', () => {
  const random = new Random(7);
  for (let round = 0; round < 2000; round++) {
    const bytes = random.bytes(20);
    put16(bytes, 10, 0);
    const check = ipFastCsum(bytes, 0, 20);
    const at = 2 * random.below(5);
    const old = get16(bytes, at);
    const value = random.chance(0.1) ? 0 : random.below(0x10000);
    put16(bytes, at, value);
    const updated = csumReplace2(check, old, value);
    put16(bytes, 10, updated);
    assert.equal(ipFastCsum(bytes, 0, 20), 0, `seed 7, round ${round}`);
  }
});

test('a 32-bit update takes int32 and uint32 alike', () => {
  const random = new Random(8);
  for (let round = 0; round < 2000; round++) {
    const bytes = random.bytes(20);
    put16(bytes, 10, 0);
    const check = ipFastCsum(bytes, 0, 20);
    const old = (get16(bytes, 12) << 16) | get16(bytes, 14);
    const value = random.next32();
    put32(bytes, 12, value);
    const updated = csumReplace4(check, old, value);
    assert.equal(csumReplace4(check, old >>> 0, value >>> 0), updated);
    put16(bytes, 10, updated);
    assert.equal(ipFastCsum(bytes, 0, 20), 0, `seed 8, round ${round}`);
  }
});

test('the IPv4 pseudo-header is the same as its twelve bytes in front', () => {
  const random = new Random(9);
  for (let round = 0; round < 300; round++) {
    const data = random.bytes(random.below(100));
    const saddr = random.next32();
    const daddr = random.next32();
    const pseudo = new Uint8Array(12 + data.length);
    put32(pseudo, 0, saddr);
    put32(pseudo, 4, daddr);
    put16(pseudo, 8, 17);
    put16(pseudo, 10, data.length);
    pseudo.set(data, 12);
    const want = ipFastCsum(pseudo, 0, pseudo.length);
    const got = csumTcpudpMagic(saddr, daddr, data.length, 17, csumPartial(data, 0, data.length, 0));
    assert.ok(same(got, want), `seed 9, round ${round}`);
  }
});

test('the IPv6 pseudo-header is the same as its forty bytes in front', () => {
  const random = new Random(10);
  for (let round = 0; round < 100; round++) {
    const data = random.bytes(random.below(100));
    const addrs = random.bytes(33);
    const pseudo = new Uint8Array(40 + data.length);
    pseudo.set(addrs.subarray(1, 33), 0);
    put32(pseudo, 32, data.length);
    put32(pseudo, 36, 6);
    pseudo.set(data, 40);
    const got = csum.csumIpv6Magic(addrs, 1, addrs, 17, data.length, 6, csumPartial(data, 0, data.length, 0));
    assert.ok(same(got, ipFastCsum(pseudo, 0, pseudo.length)), `seed 10, round ${round}`);
  }
});
