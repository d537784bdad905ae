/**
 * Hashes: SipHash-2-4 where an adversary must not guess (ISNs, SYN cookies: RFC 6528, Linux), integer mixing where
 * only spread matters (socket tables).
 *
 * 64-bit words are two int32 halves; a `SipKey` owns its working state, so that hashing a packet allocates nothing.
 */

/** Mixes one word into a running hash; end with {@link hashFinal}. */
export function hashMix(h: number, word: number): number {
  let x = (h ^ word) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b | 0);
  return x ^ (x >>> 16);
}

/** The hash of a TCP or UDP 4-tuple; addresses int32, ports 16 bits. */
export function hash4Tuple(secret: number, laddr: number, lport: number, faddr: number, fport: number): number {
  const h = hashMix(secret ^ laddr, faddr);
  return hashMix(h, (lport << 16) | fport);
}

/** FNV-1a over the UTF-16 units of a name: turns a stream's or a host's name into a number. Not for packets. */
export function hashString(text: string): number {
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  return h;
}

/** SipHash-2-4 with a 128-bit key over int32 words. The result stays in {@link lo} and {@link hi}. */
export class SipKey {
  lo = 0;
  hi = 0;
  private v0l = 0;
  private v0h = 0;
  private v1l = 0;
  private v1h = 0;
  private v2l = 0;
  private v2h = 0;
  private v3l = 0;
  private v3h = 0;
  private readonly k0l: number;
  private readonly k0h: number;
  private readonly k1l: number;
  private readonly k1h: number;

  /** The four words of the key, least significant first. */
  constructor(k0l: number, k0h: number, k1l: number, k1h: number) {
    this.k0l = k0l | 0;
    this.k0h = k0h | 0;
    this.k1l = k1l | 0;
    this.k1h = k1h | 0;
  }

  /** Hashes four words (16 bytes, little-endian words in order). Returns the low 32 bits as int32. */
  hash4(a: number, b: number, c: number, d: number): number {
    this.start();
    this.block(a, b);
    this.block(c, d);
    this.block(0, 16 << 24);
    return this.finish();
  }

  /** Hashes `count` words of `words`. Returns the low 32 bits as int32. */
  hashWords(words: Int32Array, count: number): number {
    this.start();
    let i = 0;
    for (; i + 2 <= count; i += 2) this.block(words[i]!, words[i + 1]!);
    const last = (count * 4) << 24;
    if (i < count) this.block(words[i]!, last);
    else this.block(0, last);
    return this.finish();
  }

  private start(): void {
    this.v0l = this.k0l ^ 0x70736575;
    this.v0h = this.k0h ^ 0x736f6d65;
    this.v1l = this.k1l ^ 0x6e646f6d;
    this.v1h = this.k1h ^ 0x646f7261;
    this.v2l = this.k0l ^ 0x6e657261;
    this.v2h = this.k0h ^ 0x6c796765;
    this.v3l = this.k1l ^ 0x79746573;
    this.v3h = this.k1h ^ 0x74656462;
  }

  private block(lo: number, hi: number): void {
    this.v3l ^= lo;
    this.v3h ^= hi;
    this.round();
    this.round();
    this.v0l ^= lo;
    this.v0h ^= hi;
  }

  private finish(): number {
    this.v2l ^= 0xff;
    this.round();
    this.round();
    this.round();
    this.round();
    this.lo = this.v0l ^ this.v1l ^ this.v2l ^ this.v3l;
    this.hi = this.v0h ^ this.v1h ^ this.v2h ^ this.v3h;
    return this.lo;
  }

  /** One SipRound. Additions carry from the low into the high half. */
  private round(): void {
    let { v0l, v0h, v1l, v1h, v2l, v2h, v3l, v3h } = this;
    let t = (v0l >>> 0) + (v1l >>> 0);
    v0h = (v0h + v1h + (t > 0xffffffff ? 1 : 0)) | 0;
    v0l = t | 0;
    t = (v2l >>> 0) + (v3l >>> 0);
    v2h = (v2h + v3h + (t > 0xffffffff ? 1 : 0)) | 0;
    v2l = t | 0;
    let x = v1l;
    v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
    v1h = ((v1h << 13) | (x >>> 19)) ^ v0h;
    x = v3l;
    v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
    v3h = ((v3h << 16) | (x >>> 16)) ^ v2h;
    x = v0l; // rotate by 32: the halves change places
    v0l = v0h;
    v0h = x;
    t = (v2l >>> 0) + (v1l >>> 0);
    v2h = (v2h + v1h + (t > 0xffffffff ? 1 : 0)) | 0;
    v2l = t | 0;
    t = (v0l >>> 0) + (v3l >>> 0);
    v0h = (v0h + v3h + (t > 0xffffffff ? 1 : 0)) | 0;
    v0l = t | 0;
    x = v1l;
    v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
    v1h = ((v1h << 17) | (x >>> 15)) ^ v2h;
    x = v3l;
    v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
    v3h = ((v3h << 21) | (x >>> 11)) ^ v0h;
    x = v2l;
    v2l = v2h;
    v2h = x;
    this.v0l = v0l;
    this.v0h = v0h;
    this.v1l = v1l;
    this.v1h = v1h;
    this.v2l = v2l;
    this.v2h = v2h;
    this.v3l = v3l;
    this.v3h = v3h;
  }
}
