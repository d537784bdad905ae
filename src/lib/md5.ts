/**
 * MD5 (RFC 1321), for the signatures of RFC 2385 alone: as a hash it is broken, and nothing else here uses it.
 *
 * One object hashes one message after the other: `begin`, `update` any number of times, `digest`. Nothing is allocated.
 */

const BLOCK = 64;

/** RFC 1321 §3.4: how far each step turns, four rounds of sixteen. */
const TURNS: readonly (readonly number[])[] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
/** The sines of 1 to 64 radians as fractions of 32 bits. */
const SINES: Int32Array = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);

export class Md5 {
  private readonly state: Int32Array = new Int32Array(4);
  private readonly block: Uint8Array = new Uint8Array(BLOCK);
  private readonly words: Int32Array = new Int32Array(16);
  private fill = 0;
  private length = 0;

  /** Forgets what was hashed before. */
  begin(): void {
    const { state } = this;
    state[0] = 0x67452301;
    state[1] = 0xefcdab89 | 0;
    state[2] = 0x98badcfe | 0;
    state[3] = 0x10325476;
    this.fill = 0;
    this.length = 0;
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

  /** Ends the message: its sixteen bytes to `out` from `off` on. */
  digest(out: Uint8Array, off: number): void {
    const { block, length } = this;
    block[this.fill++] = 0x80;
    if (this.fill > BLOCK - 8) {
      block.fill(0, this.fill);
      this.compress();
    }
    block.fill(0, this.fill);
    let bits = length * 8;
    for (let i = 0; i < 8; i++) {
      block[BLOCK - 8 + i] = bits % 256;
      bits = Math.floor(bits / 256);
    }
    this.compress();
    for (let i = 0; i < 16; i++) out[off + i] = this.state[i >> 2]! >>> (8 * (i & 3));
  }

  private compress(): void {
    const { block, words, state } = this;
    for (let i = 0; i < 16; i++) {
      words[i] = block[4 * i]! | (block[4 * i + 1]! << 8) | (block[4 * i + 2]! << 16) | (block[4 * i + 3]! << 24);
    }
    let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      let f: number;
      let at: number;
      if (round === 0) {
        f = (b & c) | (~b & d);
        at = i;
      } else if (round === 1) {
        f = (d & b) | (~d & c);
        at = (5 * i + 1) & 15;
      } else if (round === 2) {
        f = b ^ c ^ d;
        at = (3 * i + 5) & 15;
      } else {
        f = c ^ (b | ~d);
        at = (7 * i) & 15;
      }
      const sum = (a + f + SINES[i]! + words[at]!) | 0;
      const turn = TURNS[round]![i & 3]!;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0;
    }
    state[0] = (state[0]! + a) | 0;
    state[1] = (state[1]! + b) | 0;
    state[2] = (state[2]! + c) | 0;
    state[3] = (state[3]! + d) | 0;
    this.fill = 0;
  }
}
