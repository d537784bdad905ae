/** HMAC-SHA-1 and AES-128-CMAC against the vectors of RFC 2202 and RFC 4493, and against the host runtime's. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { AesCmac } from '../../src/lib/aes-cmac.ts';
import type { Mac } from '../../src/lib/mac.ts';
import { HmacSha1, Sha1 } from '../../src/lib/sha1.ts';

const hmac = new HmacSha1();
const cmac = new AesCmac();

function mac(m: Mac, key: Uint8Array, bytes: Uint8Array, cut: number = 0): string {
  const out = new Uint8Array(m.size);
  m.begin(m.expand(key));
  m.update(bytes, 0, cut);
  m.update(bytes, cut, bytes.length - cut);
  m.digest(out);
  return Buffer.from(out).toString('hex');
}

function bytesOf(len: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: len }, (_, i) => (i * 37 + seed * 11 + 3) & 0xff);
}

test('RFC 2202 §3: HMAC-SHA-1', () => {
  const fill = (len: number, byte: number): Uint8Array => new Uint8Array(len).fill(byte);
  for (const [key, text, want] of [
    [fill(20, 0x0b), Buffer.from('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [fill(20, 0xaa), fill(50, 0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [fill(80, 0xaa), Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First'), 'aa4ae5e15272d00e95705637ce8a3b55ed402112'],
  ] as const) assert.equal(mac(hmac, key, text), want);
});

test('RFC 4493 §4: AES-CMAC', () => {
  const key = Buffer.from('2b7e151628aed2a6abf7158809cf4f3c', 'hex');
  const text = Buffer.from('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411', 'hex');
  assert.equal(mac(cmac, key, text.subarray(0, 0)), 'bb1d6929e95937287fa37d129b756746');
  assert.equal(mac(cmac, key, text.subarray(0, 16)), '070a16b46b4d4144f79bdd9dd04a287c');
  assert.equal(mac(cmac, key, text.subarray(0, 40)), 'dfa66747de9ae63030ca32611497c827');
});

test('every length around a block, in two parts, as node:crypto has it', () => {
  const sha1 = new Sha1();
  for (let len = 0; len <= 140; len++) {
    const [bytes, key] = [bytesOf(len, 1), bytesOf((len * 7) % 130, 2)];
    sha1.begin();
    sha1.update(bytes, 0, len >> 1);
    sha1.update(bytes, len >> 1, len - (len >> 1));
    const out = new Uint8Array(20);
    sha1.digest(out);
    assert.equal(Buffer.from(out).toString('hex'), createHash('sha1').update(bytes).digest('hex'));
    assert.equal(mac(hmac, key, bytes, len >> 2), createHmac('sha1', key).update(bytes).digest('hex'));
    const key16 = bytesOf(16, len);
    assert.equal(mac(cmac, key16, bytes, len >> 1), cmacByCbc(key16, bytes));
  }
});

/** RFC 4493 §2.4 as a CBC whose last block has been prepared: the runtime has AES, but no CMAC. */
function cmacByCbc(key: Uint8Array, bytes: Uint8Array): string {
  const cbc = (x: Uint8Array): Buffer => {
    const cipher = createCipheriv('aes-128-cbc', key, new Uint8Array(16));
    cipher.setAutoPadding(false);
    return cipher.update(x).subarray(-16);
  };
  const twice = (x: bigint): bigint => ((x << 1n) & ((1n << 128n) - 1n)) ^ (x >> 127n === 1n ? 0x87n : 0n);
  const k1 = twice(BigInt(`0x${cbc(new Uint8Array(16)).toString('hex')}`));
  const whole = bytes.length > 0 && bytes.length % 16 === 0;
  const padded = new Uint8Array(whole ? bytes.length : (Math.floor(bytes.length / 16) + 1) * 16);
  padded.set(bytes);
  if (!whole) padded[bytes.length] = 0x80;
  const sub = Buffer.from((whole ? k1 : twice(k1)).toString(16).padStart(32, '0'), 'hex');
  sub.forEach((byte, i) => {
    padded[padded.length - 16 + i]! ^= byte;
  });
  return cbc(padded).toString('hex');
}
