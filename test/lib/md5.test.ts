/** MD5 against the vectors of RFC 1321 §A.5 and against the host runtime's. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Md5 } from '../../src/lib/md5.ts';

const hasher = new Md5();

function md5(bytes: Uint8Array, cut: number): string {
  const out = new Uint8Array(18);
  hasher.begin();
  hasher.update(bytes, 0, cut);
  hasher.update(bytes, cut, bytes.length - cut);
  hasher.digest(out, 2);
  return Buffer.from(out.subarray(2)).toString('hex');
}

test('the vectors of RFC 1321', () => {
  for (const [text, want] of [
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['12345678901234567890123456789012345678901234567890123456789012345678901234567890', '57edf4a22be3c955ac49da2e2107b67a'],
  ] as const) assert.equal(md5(Buffer.from(text), 0), want);
});

test('every length around a block, in two parts, as node:crypto has it', () => {
  for (let len = 0; len <= 200; len++) {
    const bytes = Uint8Array.from({ length: len }, (_, i) => (i * 37 + len) & 0xff);
    assert.equal(md5(bytes, len >> 1), createHash('md5').update(bytes).digest('hex'));
  }
});
