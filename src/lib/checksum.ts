/**
 * The Internet checksum (RFC 1071), its incremental update (RFC 1624) and the pseudo-headers.
 *
 * A *sum* here is a one's-complement partial sum, folded: 0..0xffff, so it is always a small integer. A *check* is what
 * stands in a header: the complement of the finished sum. Names are Linux's (`csum_partial`, `csum_fold`, ...).
 *
 * Fragments: `csumPartial` treats its first byte as the high half of a word, whatever its address in memory. A fragment
 * that begins at an odd distance from the start of the checksummed data is summed the same way and then joined by
 * `csumBlockAdd(sum, part, distance)`, which swaps its halves (RFC 1071 §2 (B), byte order independence).
 */
import { get16 } from './bytes.ts';

/** 16 KiB of bytes: 2^13 high bytes of at most 255, shifted by 8, stay far below 2^31. */
const CHUNK = 1 << 14;

/** A sum of up to 32 bits, folded to 16 with end-around carry. Takes an int32 or a uint32. */
export function csumFold16(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** The check for a finished sum: folded and complemented. 0 for a sum of 0xffff, so also "is this header good?". */
export function csumFold(sum: number): number {
  return ~csumFold16(sum) & 0xffff;
}

/** `a + b` in one's complement. */
export function csumAdd(a: number, b: number): number {
  const s = a + b;
  return (s & 0xffff) + (s >>> 16);
}

/** `a - b` in one's complement. */
export function csumSub(a: number, b: number): number {
  return csumAdd(a, ~b & 0xffff);
}

/** Joins the sum of a later fragment that begins `offset` bytes after the start of the data that `sum` covers. */
export function csumBlockAdd(sum: number, part: number, offset: number): number {
  if ((offset & 1) !== 0) part = ((part & 0xff) << 8) | (part >>> 8);
  return csumAdd(sum, part);
}

/**
 * Adds `len` bytes at `off` to the partial sum `sum` (0 to begin with). An odd last byte counts as the high half of a
 * word whose low half is 0 (RFC 1071 §4.1).
 */
export function csumPartial(buf: Uint8Array, off: number, len: number, sum: number): number {
  const end = off + len;
  while (end - off > CHUNK) {
    sum = csumAdd(sum, sumChunk(buf, off, CHUNK));
    off += CHUNK;
  }
  return csumAdd(sum, sumChunk(buf, off, end - off));
}

/**
 * At most CHUNK bytes. High and low bytes are added up apart and joined once: two additions a word, no shift, and the
 * pairs of accumulators keep the adder busy.
 */
function sumChunk(buf: Uint8Array, off: number, len: number): number {
  let hi = 0;
  let lo = 0;
  const end = off + len;
  const end8 = end - 7;
  let i = off;
  for (; i < end8; i += 8) {
    hi += buf[i]! + buf[i + 2]! + buf[i + 4]! + buf[i + 6]!;
    lo += buf[i + 1]! + buf[i + 3]! + buf[i + 5]! + buf[i + 7]!;
  }
  for (; i < end - 1; i += 2) {
    hi += buf[i]!;
    lo += buf[i + 1]!;
  }
  if (i < end) hi += buf[i]!;
  return csumFold16((hi << 8) + lo);
}

/** The check of one contiguous block: what belongs into a zeroed checksum field; 0 if the field is filled and right. */
export function ipFastCsum(buf: Uint8Array, off: number, len: number): number {
  return ~csumPartial(buf, off, len, 0) & 0xffff;
}

/** Adds the IPv4 pseudo-header of TCP and UDP (RFC 9293 §3.1, RFC 768) to `sum`. Addresses are int32; `len` is L4 header + data. */
export function csumTcpudpNofold(saddr: number, daddr: number, len: number, proto: number, sum: number): number {
  return csumFold16(
    (saddr >>> 16) + (saddr & 0xffff) + (daddr >>> 16) + (daddr & 0xffff) + proto + (len >>> 16) + (len & 0xffff) + sum,
  );
}

/** The finished check over the IPv4 pseudo-header and `sum`, the sum of the L4 header (checksum field 0) and data. */
export function csumTcpudpMagic(saddr: number, daddr: number, len: number, proto: number, sum: number): number {
  return ~csumTcpudpNofold(saddr, daddr, len, proto, sum) & 0xffff;
}

/** Adds the IPv6 pseudo-header (RFC 8200 §8.1) to `sum`; each address is 16 bytes at an even or odd offset of a buffer. */
export function csumIpv6Nofold(
  saddr: Uint8Array,
  saddrOff: number,
  daddr: Uint8Array,
  daddrOff: number,
  len: number,
  proto: number,
  sum: number,
): number {
  let s = sum + proto + (len >>> 16) + (len & 0xffff);
  for (let i = 0; i < 16; i += 2) s += get16(saddr, saddrOff + i) + get16(daddr, daddrOff + i);
  return csumFold16(s);
}

/** The finished check over the IPv6 pseudo-header and `sum`. */
export function csumIpv6Magic(
  saddr: Uint8Array,
  saddrOff: number,
  daddr: Uint8Array,
  daddrOff: number,
  len: number,
  proto: number,
  sum: number,
): number {
  return ~csumIpv6Nofold(saddr, saddrOff, daddr, daddrOff, len, proto, sum) & 0xffff;
}

/**
 * The check after one 16-bit word of the covered data changed from `from` to `to`.
 * RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m'). (Equation 2 of RFC 1141 goes wrong at 0xffff.)
 */
export function csumReplace2(check: number, from: number, to: number): number {
  return ~csumFold16((~check & 0xffff) + (~from & 0xffff) + to) & 0xffff;
}

/** The same for a 32-bit word (an address, a sequence number); int32 or uint32. */
export function csumReplace4(check: number, from: number, to: number): number {
  const s = (~check & 0xffff) + (~from >>> 16) + (~from & 0xffff) + (to >>> 16) + (to & 0xffff);
  return ~csumFold16(s) & 0xffff;
}
