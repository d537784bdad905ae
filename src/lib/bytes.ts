/**
 * Bytes in network order, read and written in place.
 *
 * A packet is a `Uint8Array` and an offset; nothing here allocates, slices or checks bounds (the caller has checked the
 * length, once, before it looks). This file and `wire/` are the only places where an index is taken without asking
 * whether it is there: the `!` below is that promise.
 *
 * Out of bounds is a mistake of the caller; it reads as 0 and writes nowhere, as typed arrays do.
 */

/** The byte at `off`, 0..255. */
export function get8(buf: Uint8Array, off: number): number {
  return buf[off]! | 0;
}

/** The 16-bit number at `off`, big endian, 0..65535. */
export function get16(buf: Uint8Array, off: number): number {
  return (buf[off]! << 8) | buf[off + 1]!;
}

/** The 24-bit number at `off`, big endian (AccECN counters, IPv6 flow labels). */
export function get24(buf: Uint8Array, off: number): number {
  return (buf[off]! << 16) | (buf[off + 1]! << 8) | buf[off + 2]!;
}

/** The 32-bit number at `off`, big endian, as an int32: sequence numbers and IPv4 addresses live as int32 (`>>> 0` to print). */
export function get32(buf: Uint8Array, off: number): number {
  return (buf[off]! << 24) | (buf[off + 1]! << 16) | (buf[off + 2]! << 8) | buf[off + 3]!;
}

/** Stores the low 8 bits of `value`. */
export function put8(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value;
}

/** Stores the low 16 bits of `value`, big endian. */
export function put16(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >> 8;
  buf[off + 1] = value;
}

/** Stores the low 24 bits of `value`, big endian. */
export function put24(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >> 16;
  buf[off + 1] = value >> 8;
  buf[off + 2] = value;
}

/** Stores 32 bits, big endian; takes an int32 or a uint32. */
export function put32(buf: Uint8Array, off: number, value: number): void {
  buf[off] = value >> 24;
  buf[off + 1] = value >> 16;
  buf[off + 2] = value >> 8;
  buf[off + 3] = value;
}

/** Below this many bytes a loop is cheaper than the `subarray` that `TypedArray.set` needs (about 40 ns). */
const COPY_LOOP_MAX = 96;

/**
 * Copies `len` bytes. The two ranges may overlap in one buffer (the result is as if through a temporary).
 * Long copies go through one `subarray` of the source: a small object, short-lived, 50 GB/s.
 */
export function copy(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number, len: number): void {
  if (len > COPY_LOOP_MAX) {
    if (src === dst) dst.copyWithin(dstOff, srcOff, srcOff + len);
    else if (srcOff === 0 && len === src.length) dst.set(src, dstOff);
    else dst.set(src.subarray(srcOff, srcOff + len), dstOff);
  } else if (src === dst && srcOff < dstOff) {
    for (let i = len - 1; i >= 0; i--) dst[dstOff + i] = src[srcOff + i]!;
  } else {
    for (let i = 0; i < len; i++) dst[dstOff + i] = src[srcOff + i]!;
  }
}

/** Sets `len` bytes to `value`. */
export function fill(buf: Uint8Array, off: number, len: number, value: number): void {
  buf.fill(value, off, off + len);
}

/** Are the two ranges of `len` bytes equal? */
export function equal(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, len: number): boolean {
  for (let i = 0; i < len; i++) {
    if (a[aOff + i] !== b[bOff + i]) return false;
  }
  return true;
}

/** The bytes as lower-case hex digits, two each, nothing between them. For printing only. */
export function toHex(buf: Uint8Array, off: number = 0, len: number = buf.length - off): string {
  let s = '';
  for (let i = 0; i < len; i++) s += get8(buf, off + i).toString(16).padStart(2, '0');
  return s;
}

/** The inverse of {@link toHex}; blanks and colons between bytes are allowed. `null` when it is not hex. For tests and the door. */
export function fromHex(text: string): Uint8Array | null {
  const digits = text.replace(/[\s:]/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}
