/**
 * Chance, from a seed. One generator per purpose: a stream is derived from the world's seed and a name, so that a
 * draw for one cable never shifts the draws of another.
 *
 * The generator is xoshiro128** (Blackman and Vigna), seeded by SplitMix32: 32-bit arithmetic only, the same numbers
 * on every runtime.
 */
import { hashMix, hashString } from './hash.ts';

export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** `seed` may be any finite number; its low and high 32 bits both count. */
  constructor(seed: number) {
    const low = seed | 0;
    const high = Math.floor(seed / 4294967296) | 0;
    let x = (low ^ Math.imul(high, 0x9e3779b1)) | 0;
    const next = (): number => {
      x = (x + 0x9e3779b9) | 0;
      let z = x ^ (x >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next() | 1; // never all zero
  }

  /** The next 32 random bits, as int32. */
  next32(): number {
    const { a, b, c, d } = this;
    let r = Math.imul(b, 5);
    r = Math.imul((r << 7) | (r >>> 25), 9);
    const t = b << 9;
    const c2 = c ^ a;
    const d2 = d ^ b;
    this.b = b ^ c2;
    this.a = a ^ d2;
    this.c = c2 ^ t;
    this.d = (d2 << 11) | (d2 >>> 21);
    return r;
  }

  /** A real number in [0, 1), 32 bits of it random. */
  float(): number {
    return (this.next32() >>> 0) / 4294967296;
  }

  /** An integer in [0, n). `n` up to 2^32; the bias is below 2^-32 · n, which no test of ours can see. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** True with probability `p`. Draws nothing when the answer is certain, so that a fault turned off costs no draw. */
  chance(p: number): boolean {
    if (p <= 0) return false;
    if (p >= 1) return true;
    return this.float() < p;
  }

  /** A number with the normal distribution, mean 0, deviation 1 (Box-Muller, one of the pair). */
  normal(): number {
    const u = 1 - this.float();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.float());
  }

  /** `n` random bytes; for tests' files and payloads. */
  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i += 4) {
      const w = this.next32();
      for (let k = 0; k < 4 && i + k < n; k++) out[i + k] = w >>> (8 * k);
    }
    return out;
  }

  /** A new stream that belongs to `name`. The same parent seed and name give the same stream, whatever was drawn. */
  static stream(seed: number, name: string): Random {
    const low = seed | 0;
    const high = Math.floor(seed / 4294967296) | 0;
    const h = hashString(name);
    const a = hashMix(hashMix(h, low), high);
    const b = hashMix(hashMix(~h, high), low);
    return new Random((a >>> 0) + 4294967296 * (b & 0x1fffff)); // 53 bits: what a number holds exactly
  }
}
