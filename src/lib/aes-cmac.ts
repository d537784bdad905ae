/**
 * AES-128 (FIPS 197), forwards only, and CMAC with it (RFC 4493): the other algorithm of TCP-AO (RFC 5926 §3.2.2). Not hardened
 * against timing: the keys here are those of a simulation.
 */
import { get32, put32 } from './bytes.ts';
import type { Mac } from './mac.ts';

const BLOCK = 16;
const ROUNDS = 10;
const ROUND_KEY_WORDS: number = 4 * (ROUNDS + 1);
/** Behind the round keys of an expanded key: K1 and K2 of RFC 4493 §2.3. */
const K1: number = ROUND_KEY_WORDS;
const K2: number = ROUND_KEY_WORDS + 4;

/** Twice, in the field of 256 elements that AES computes in. */
function double(x: number): number {
  return ((x << 1) ^ (x >> 7) * 0x11b) & 0xff;
}

/** The substitution: the inverse in that field, and an affine map. Inverses are found along the powers of 3. */
const SBOX: Uint8Array = makeSbox();
/** What a byte of the first row does to its column: substituted and multiplied by (2, 1, 1, 3). */
const TABLE: Int32Array = Int32Array.from(SBOX, (s) => (double(s) << 24) | (s << 16) | (s << 8) | (double(s) ^ s));

function makeSbox(): Uint8Array {
  const power = new Uint8Array(255);
  for (let i = 0, x = 1; i < 255; i++, x ^= double(x)) power[i] = x;
  const box = new Uint8Array(256);
  box[0] = 0x63;
  for (let i = 0; i < 255; i++) {
    const b = power[(255 - i) % 255]!;
    const wide = b * 0x101;
    box[power[i]!] = (b ^ (wide >> 4) ^ (wide >> 5) ^ (wide >> 6) ^ (wide >> 7) ^ 0x63) & 0xff;
  }
  return box;
}

function subWord(w: number): number {
  return (SBOX[w >>> 24]! << 24) | (SBOX[(w >>> 16) & 0xff]! << 16) | (SBOX[(w >>> 8) & 0xff]! << 8) | SBOX[w & 0xff]!;
}

function rotr(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n));
}

/** A column of the next state: row `i` comes from the column `i` further on. */
function mix(a: number, b: number, c: number, d: number): number {
  return TABLE[a >>> 24]! ^ rotr(TABLE[(b >>> 16) & 0xff]!, 8) ^ rotr(TABLE[(c >>> 8) & 0xff]!, 16) ^ rotr(TABLE[d & 0xff]!, 24);
}

/** The same of the last round, which does not mix. */
function last(a: number, b: number, c: number, d: number): number {
  return (subWord(a) & 0xff000000) | (subWord(b) & 0xff0000) | (subWord(c) & 0xff00) | (subWord(d) & 0xff);
}

/** Encrypts four words in place. */
function encrypt(key: Int32Array, x: Int32Array): void {
  let s0 = x[0]! ^ key[0]!;
  let s1 = x[1]! ^ key[1]!;
  let s2 = x[2]! ^ key[2]!;
  let s3 = x[3]! ^ key[3]!;
  let k = 4;
  for (; k < 4 * ROUNDS; k += 4) {
    const t0 = mix(s0, s1, s2, s3) ^ key[k]!;
    const t1 = mix(s1, s2, s3, s0) ^ key[k + 1]!;
    const t2 = mix(s2, s3, s0, s1) ^ key[k + 2]!;
    s3 = mix(s3, s0, s1, s2) ^ key[k + 3]!;
    s0 = t0;
    s1 = t1;
    s2 = t2;
  }
  x[0] = last(s0, s1, s2, s3) ^ key[k]!;
  x[1] = last(s1, s2, s3, s0) ^ key[k + 1]!;
  x[2] = last(s2, s3, s0, s1) ^ key[k + 2]!;
  x[3] = last(s3, s0, s1, s2) ^ key[k + 3]!;
}

/** RFC 4493 §2.3: the 128 bits at `from` one to the left, and the polynomial where one falls out. */
function doubleBlock(words: Int32Array, from: number, to: number): void {
  for (let i = 0; i < 4; i++) words[to + i] = (words[from + i]! << 1) | (i < 3 ? words[from + i + 1]! >>> 31 : 0);
  if (words[from]! < 0) words[to + 3]! ^= 0x87;
}

/** AES-128-CMAC, RFC 4493. */
export class AesCmac implements Mac {
  readonly size: number = BLOCK;
  private readonly state: Int32Array = new Int32Array(4);
  private readonly block: Uint8Array = new Uint8Array(BLOCK);
  private fill = 0;
  private key: Int32Array = new Int32Array(0);

  expand(key: Uint8Array): Int32Array {
    const words = new Int32Array(K2 + 4);
    for (let i = 0; i < 4; i++) words[i] = get32(key, 4 * i);
    for (let i = 4, rcon = 1; i < ROUND_KEY_WORDS; i++) {
      let w = words[i - 1]!;
      if (i % 4 === 0) {
        w = subWord((w << 8) | (w >>> 24)) ^ (rcon << 24);
        rcon = double(rcon);
      }
      words[i] = words[i - 4]! ^ w;
    }
    const zero = new Int32Array(4);
    encrypt(words, zero);
    words.set(zero, K2);
    doubleBlock(words, K2, K1);
    doubleBlock(words, K1, K2);
    return words;
  }

  begin(key: Int32Array): void {
    this.key = key;
    this.state.fill(0);
    this.fill = 0;
  }

  update(bytes: Uint8Array, off: number, len: number): void {
    const { block } = this;
    for (let i = 0; i < len; i++) {
      // The last block is treated apart: a full one waits until it is known not to be the last.
      if (this.fill === BLOCK) this.absorb();
      block[this.fill++] = bytes[off + i]!;
    }
  }

  digest(out: Uint8Array): void {
    const { block, state, key } = this;
    const sub = this.fill === BLOCK ? K1 : K2;
    if (this.fill < BLOCK) {
      block[this.fill] = 0x80;
      block.fill(0, this.fill + 1);
    }
    for (let i = 0; i < 4; i++) state[i]! ^= key[sub + i]!;
    this.absorb();
    for (let i = 0; i < 4; i++) put32(out, 4 * i, state[i]!);
  }

  private absorb(): void {
    const { block, state } = this;
    for (let i = 0; i < 4; i++) state[i]! ^= get32(block, 4 * i);
    encrypt(this.key, state);
    this.fill = 0;
  }
}
