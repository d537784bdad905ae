import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copy, equal, fill, fromHex, get16, get24, get32, get8, put16, put24, put32, put8, toHex } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';

test('numbers are big endian, whatever their offset', () => {
  const buf = fromHex('00 81 02 ff fe 7f')!;
  for (const [off, g8, g16, g24] of [
    [0, 0x00, 0x0081, 0x008102],
    [1, 0x81, 0x8102, 0x8102ff],
    [2, 0x02, 0x02ff, 0x02fffe],
    [3, 0xff, 0xfffe, 0xfffe7f],
  ] as const) {
    assert.equal(get8(buf, off), g8);
    assert.equal(get16(buf, off), g16);
    assert.equal(get24(buf, off), g24);
  }
});

test('get32 gives an int32: the sign bit is the highest bit', () => {
  for (const [hex, want] of [
    ['00000000', 0],
    ['7fffffff', 2147483647],
    ['80000000', -2147483648],
    ['ffffffff', -1],
    ['0a000001', 0x0a000001],
  ] as const) {
    assert.equal(get32(fromHex(hex)!, 0), want);
  }
});

test('what is put is got again, and nothing beside it is touched', () => {
  const puts = [[put8, get8, 1], [put16, get16, 2], [put24, get24, 3], [put32, get32, 4]] as const;
  const random = new Random(1);
  for (const [put, get, width] of puts) {
    for (let round = 0; round < 200; round++) {
      const buf = new Uint8Array(9).fill(0xa5);
      const value = width === 4 ? random.next32() : random.below(2 ** (8 * width));
      put(buf, 3, value);
      assert.equal(get(buf, 3), value);
      for (let i = 0; i < 9; i++) if (i < 3 || i >= 3 + width) assert.equal(buf[i], 0xa5);
    }
  }
});

test('put takes the low bits: a uint32 and an int32 of the same bits are the same bytes', () => {
  const a = new Uint8Array(4);
  const b = new Uint8Array(4);
  put32(a, 0, 0xfffffffe);
  put32(b, 0, -2);
  assert.deepEqual(a, b);
  put16(a, 0, 0x12345);
  assert.equal(get16(a, 0), 0x2345);
});

test('out of bounds reads as 0 and writes nowhere', () => {
  const buf = new Uint8Array(2);
  assert.equal(get8(buf, 2), 0);
  assert.equal(get32(buf, 2), 0);
  put32(buf, 2, -1);
  assert.deepEqual(buf, new Uint8Array(2));
});

test('copy is right for every length around its two ways, also when the ranges overlap', () => {
  const random = new Random(2);
  for (const len of [0, 1, 7, 95, 96, 97, 200]) {
    for (const [from, to] of [[0, 0], [5, 0], [0, 5], [50, 53], [53, 50]] as const) {
      const one = random.bytes(300);
      const want = one.slice();
      want.set(one.slice(from, from + len), to);
      const src = one.slice();
      copy(one, to, one, from, len);
      assert.deepEqual(one, want, `overlap ${len} ${from} ${to}`);
      const other = new Uint8Array(300);
      copy(other, to, src, from, len);
      assert.deepEqual(other.slice(to, to + len), src.slice(from, from + len));
      assert.ok(equal(other, to, src, from, len));
    }
  }
});

test('copy of a whole long array', () => {
  const src = new Random(3).bytes(1000);
  const dst = new Uint8Array(1100);
  copy(dst, 50, src, 0, 1000);
  assert.ok(equal(dst, 50, src, 0, 1000));
  assert.equal(dst[49], 0);
  assert.equal(dst[1050], 0);
});

test('equal looks at the ranges only; fill at its own', () => {
  const a = fromHex('01 02 03 04')!;
  const b = fromHex('ff 02 03 ff')!;
  assert.ok(equal(a, 1, b, 1, 2));
  assert.ok(!equal(a, 0, b, 0, 2));
  assert.ok(equal(a, 0, b, 2, 0));
  fill(a, 1, 2, 9);
  assert.equal(toHex(a), '01090904');
});

test('hex goes there and back; what is not hex is null', () => {
  assert.equal(toHex(fromHex('DE:ad be EF')!), 'deadbeef');
  assert.equal(toHex(fromHex('deadbeef')!, 1, 2), 'adbe');
  assert.equal(toHex(fromHex('')!), '');
  for (const bad of ['0', 'xy', '0x00', '12 3', '-1']) assert.equal(fromHex(bad), null, bad);
});
