/**
 * The UDP header (RFC 768): eight bytes. `uh...` are the fields of Linux's `struct udphdr`.
 *
 *      0             2             4          6          8
 *      +-------------+-------------+----------+----------+
 *      | source port |  dest port  |  length  | checksum |    length counts header and data; checksum 0 = none
 *      +-------------+-------------+----------+----------+
 */
import { csumPartial, csumTcpudpMagic, csumTcpudpNofold } from '../lib/checksum.ts';
import { get16, put16 } from '../lib/bytes.ts';
import { IPPROTO_UDP } from './ipv4.ts';

export const UDP_HLEN = 8;
export const UDP_SPORT = 0;
export const UDP_DPORT = 2;
export const UDP_LEN = 4;
export const UDP_CHECK = 6;
/** Most data in one datagram over IPv4: 65535 - 20 - 8. */
export const UDP_MAX_DATA_V4 = 65507;
/** What a computed checksum of 0 is sent as, since 0 means "none". */
export const CSUM_MANGLED_0 = 0xffff;

/** What {@link udpCheck} finds. */
export const UdpCheck = { Ok: 0, TooShort: 1, BadLength: 2 } as const;
export type UdpCheck = (typeof UdpCheck)[keyof typeof UdpCheck];

/** Whole header; the length field neither below 8 nor beyond the `len` bytes that came. The checksum is the caller's matter. */
export function udpCheck(buf: Uint8Array, off: number, len: number): UdpCheck {
  if (len < UDP_HLEN) return UdpCheck.TooShort;
  const ulen = get16(buf, off + UDP_LEN);
  return ulen < UDP_HLEN || ulen > len ? UdpCheck.BadLength : UdpCheck.Ok;
}

export function uhSport(buf: Uint8Array, off: number): number {
  return get16(buf, off + UDP_SPORT);
}

export function uhDport(buf: Uint8Array, off: number): number {
  return get16(buf, off + UDP_DPORT);
}

/** Bytes of header and data. */
export function uhLen(buf: Uint8Array, off: number): number {
  return get16(buf, off + UDP_LEN);
}

/** 0 = the sender computed none. */
export function uhCheck(buf: Uint8Array, off: number): number {
  return get16(buf, off + UDP_CHECK);
}

/** Writes the header with a zero checksum. `len` counts header and data. */
export function udpWriteHeader(buf: Uint8Array, off: number, sport: number, dport: number, len: number): void {
  put16(buf, off + UDP_SPORT, sport);
  put16(buf, off + UDP_DPORT, dport);
  put16(buf, off + UDP_LEN, len);
  put16(buf, off + UDP_CHECK, 0);
}

/** Computes the checksum of a datagram that lies in one piece, over IPv4, and stores it. */
export function udpSendCheckV4(buf: Uint8Array, off: number, len: number, saddr: number, daddr: number): void {
  put16(buf, off + UDP_CHECK, 0);
  const check = csumTcpudpMagic(saddr, daddr, len, IPPROTO_UDP, csumPartial(buf, off, len, 0));
  put16(buf, off + UDP_CHECK, check === 0 ? CSUM_MANGLED_0 : check);
}

/** Is the checksum of a datagram that lies in one piece right (or absent)? */
export function udpChecksumOkV4(buf: Uint8Array, off: number, len: number, saddr: number, daddr: number): boolean {
  if (get16(buf, off + UDP_CHECK) === 0) return true;
  return csumTcpudpNofold(saddr, daddr, len, IPPROTO_UDP, csumPartial(buf, off, len, 0)) === 0xffff;
}
