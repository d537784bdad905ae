/**
 * SHA-1 (FIPS 180-4) and HMAC with it (RFC 2104), for TCP-AO (RFC 5926 §3.2.1) alone. As a bare hash SHA-1 is broken; in HMAC, and
 * cut to 96 bits, it is what every implementation of TCP-AO must speak.
 *
 * The state of a hash over one block of padding and key stands for that key: HMAC's two passes begin with two such states.
 */
import { get32, put32 } from './bytes.ts';
import type { Mac } from './mac.ts';

const BLOCK = 64;
const STATE_WORDS = 5;
const DIGEST_LEN = 20;
const IPAD = 0x36;
const OPAD = 0x5c;

const INITIAL: readonly number[] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0];

export class Sha1 {
  readonly state: Int32Array = new Int32Array(STATE_WORDS);
  private readonly block: Uint8Array = new Uint8Array(BLOCK);
  private readonly words: Int32Array = new Int32Array(80);
  private fill = 0;
  private length = 0;

  /** Forgets what was hashed before. */
  begin(): void {
    this.state.set(INITIAL);
    this.fill = 0;
    this.length = 0;
  }

  /** Goes on where a hash stood after one block: five words of `states` from `at` on. */
  resume(states: Int32Array, at: number): void {
    for (let i = 0; i < STATE_WORDS; i++) this.state[i] = states[at + i]!;
    this.fill = 0;
    this.length = BLOCK;
  }

  /** Hashes `len` bytes of `bytes` from `off` on. */
  update(bytes: Uint8Array, off: number, len: number): void {
    const { block } = this;
    this.length += len;
    for (let i = 0; i < len; i++) {
      block[this.fill++] = bytes[off + i]!;
      if (this.fill === BLOCK) this.compress();
    }
  }

  /** Ends the message: its 20 bytes to the start of `out`. */
  digest(out: Uint8Array): void {
    const { block, length } = this;
    block[this.fill++] = 0x80;
    if (this.fill > BLOCK - 8) {
      block.fill(0, this.fill);
      this.compress();
    }
    block.fill(0, this.fill);
    put32(block, BLOCK - 8, Math.floor(length / 0x20000000));
    put32(block, BLOCK - 4, length << 3);
    this.compress();
    for (let i = 0; i < STATE_WORDS; i++) put32(out, 4 * i, this.state[i]!);
  }

  private compress(): void {
    const { block, words, state } = this;
    for (let i = 0; i < 16; i++) words[i] = get32(block, 4 * i);
    for (let i = 16; i < 80; i++) {
      const x = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!;
      words[i] = (x << 1) | (x >>> 31);
    }
    let a = state[0]!;
    let b = state[1]!;
    let c = state[2]!;
    let d = state[3]!;
    let e = state[4]!;
    for (let i = 0; i < 80; i++) {
      let f: number;
      if (i < 20) f = ((b & c) | (~b & d)) + 0x5a827999;
      else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
      else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
      else f = (b ^ c ^ d) + 0xca62c1d6;
      const sum = (((a << 5) | (a >>> 27)) + f + e + words[i]!) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = sum;
    }
    state[0] = (state[0]! + a) | 0;
    state[1] = (state[1]! + b) | 0;
    state[2] = (state[2]! + c) | 0;
    state[3] = (state[3]! + d) | 0;
    state[4] = (state[4]! + e) | 0;
    this.fill = 0;
  }
}

/** HMAC-SHA-1, RFC 2104. */
export class HmacSha1 implements Mac {
  readonly size: number = DIGEST_LEN;
  private readonly sha1: Sha1 = new Sha1();
  private readonly inner: Uint8Array = new Uint8Array(DIGEST_LEN);
  private key: Int32Array = new Int32Array(2 * STATE_WORDS);

  expand(key: Uint8Array): Int32Array {
    const { sha1 } = this;
    let short = key;
    if (key.length > BLOCK) {
      short = new Uint8Array(DIGEST_LEN);
      sha1.begin();
      sha1.update(key, 0, key.length);
      sha1.digest(short);
    }
    const states = new Int32Array(2 * STATE_WORDS);
    [IPAD, OPAD].forEach((pad, i) => {
      const block = new Uint8Array(BLOCK).fill(pad);
      short.forEach((byte, at) => {
        block[at] = byte ^ pad;
      });
      sha1.begin();
      sha1.update(block, 0, BLOCK);
      states.set(sha1.state, i * STATE_WORDS);
    });
    return states;
  }

  begin(key: Int32Array): void {
    this.key = key;
    this.sha1.resume(key, 0);
  }

  update(bytes: Uint8Array, off: number, len: number): void {
    this.sha1.update(bytes, off, len);
  }

  digest(out: Uint8Array): void {
    const { sha1, inner } = this;
    sha1.digest(inner);
    sha1.resume(this.key, STATE_WORDS);
    sha1.update(inner, 0, DIGEST_LEN);
    sha1.digest(out);
  }
}
