/**
 * A running digest of every frame with its time and place: 128 bits that are equal when two runs were equal, and differ when
 * a byte, a nanosecond, a port or an order differed. Not against adversaries.
 *
 * Four lanes of 32 bits take the words of a frame in turn; each lane is multiplied and rotated as it goes, and the lanes are
 * mixed with one another after each frame (the construction of MurmurHash3, x86, 128 bits, with other constants).
 */
import { hashMix } from '../lib/hash.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { copyFrame } from './capture.ts';
import type { Port, PortObserver } from './port.ts';

/** Longest frame that is digested in the buffer made at first. */
const BUFFER = 1 << 16;
/** Words are read as little-endian ones; elsewhere their bytes change places. */
const IS_LITTLE: boolean = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export class Digest implements PortObserver {
  /** Frames so far. */
  frames = 0;
  private a = 0x243f6a88 | 0;
  private b = 0x85a308d3 | 0;
  private c = 0x13198a2e | 0;
  private d = 0x03707344 | 0;
  private bytes: Uint8Array = new Uint8Array(BUFFER);
  private words: Int32Array = new Int32Array(this.bytes.buffer);

  frame(skb: SkBuff, time: number, port: Port, direction: number): void {
    const { len } = skb;
    if (len + 32 > this.bytes.length) {
      this.bytes = new Uint8Array((len + 47) & ~15);
      this.words = new Int32Array(this.bytes.buffer);
    }
    const { bytes } = this;
    copyFrame(skb, bytes);
    const end = (len + 15) & ~15;
    for (let i = len; i < end; i++) bytes[i] = 0;
    this.frames++;
    // The last block says when, where and how much.
    const { words } = this;
    words[end >> 2] = time | 0;
    words[(end >> 2) + 1] = Math.floor(time / 4294967296) | 0;
    words[(end >> 2) + 2] = (port.id << 1) | direction;
    words[(end >> 2) + 3] = len;
    if (!IS_LITTLE) swapAll(words, end >> 2);
    this.blocks((end >> 2) + 4);
    this.stir();
  }

  /** The digest so far: 32 hex digits. More frames may follow. */
  hex(): string {
    const a = hashMix(this.a, this.frames);
    const b = hashMix(this.b, a);
    const c = hashMix(this.c, b);
    const d = hashMix(this.d, c);
    return [a ^ d, b, c, d].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Takes in `count` words, four at a time, one for each lane. */
  private blocks(count: number): void {
    const { words } = this;
    let { a, b, c, d } = this;
    for (let i = 0; i < count; i += 4) {
      let k = Math.imul(words[i]!, 0x2c1b3c6d);
      a ^= Math.imul((k << 15) | (k >>> 17), 0x297a2d39);
      a = (Math.imul(((a << 19) | (a >>> 13)) + b, 5) + 0x5bd1c4a7) | 0;
      k = Math.imul(words[i + 1]!, 0x297a2d39);
      b ^= Math.imul((k << 16) | (k >>> 16), 0x4cf5ad43);
      b = (Math.imul(((b << 17) | (b >>> 15)) + c, 5) + 0x0d2f9e31) | 0;
      k = Math.imul(words[i + 2]!, 0x4cf5ad43);
      c ^= Math.imul((k << 17) | (k >>> 15), 0x21e3b7a9);
      c = (Math.imul(((c << 15) | (c >>> 17)) + d, 5) + 0x1e6f0b5d) | 0;
      k = Math.imul(words[i + 3]!, 0x21e3b7a9);
      d ^= Math.imul((k << 18) | (k >>> 14), 0x2c1b3c6d);
      d = (Math.imul(((d << 13) | (d >>> 19)) + a, 5) + 0x3c7a5583) | 0;
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  /** Lets each lane reach the others: a frame's words are in turn, its order is not forgotten. */
  private stir(): void {
    const a = hashMix(this.a, this.d);
    const b = hashMix(this.b, a);
    const c = hashMix(this.c, b);
    this.d = hashMix(this.d, c);
    this.a = (a + this.d) | 0;
    this.b = b;
    this.c = c;
  }
}

/** Turns the first `count` words, which were stored as bytes, into little-endian ones. */
function swapAll(words: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const w = words[i]!;
    words[i] = (w << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24);
  }
}
