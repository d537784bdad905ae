/**
 * The TCP header (RFC 9293 §3.1), read and written in place. `th...` are the fields of Linux's `struct tcphdr`.
 *
 *      0               2               4                               8
 *      +---------------+---------------+-------------------------------+
 *      |  source port  |   dest port   |        sequence number        |
 *      +---------------+---------------+----+-----+--------+-----------+
 *      |     acknowledgment number     |doff|res A|CEUAPRSF|  window   |     8, 12, 13, 14
 *      +---------------+---------------+----+-----+--------+-----------+
 *      |   checksum    |urgent pointer |  options, to doff * 4         |    16, 18, 20
 *      +---------------+---------------+-------------------------------+
 */
import { csumPartial, csumTcpudpMagic, csumTcpudpNofold } from '../lib/checksum.ts';
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { IPPROTO_TCP } from './ipv4.ts';

export const TCP_HLEN_MIN = 20;
export const TCP_HLEN_MAX = 60;

export const TCP_SPORT = 0;
export const TCP_DPORT = 2;
export const TCP_SEQ = 4;
export const TCP_ACK_SEQ = 8;
export const TCP_DOFF = 12;
export const TCP_FLAGS = 13;
export const TCP_WINDOW = 14;
export const TCP_CHECK = 16;
export const TCP_URG_PTR = 18;
export const TCP_OPTIONS = 20;

export const TCP_FLAG_FIN = 0x01;
export const TCP_FLAG_SYN = 0x02;
export const TCP_FLAG_RST = 0x04;
export const TCP_FLAG_PSH = 0x08;
export const TCP_FLAG_ACK = 0x10;
export const TCP_FLAG_URG = 0x20;
export const TCP_FLAG_ECE = 0x40;
export const TCP_FLAG_CWR = 0x80;
/** Accurate ECN's bit (RFC 9768), in the byte of the data offset. Only {@link thFlags9} shows it. */
export const TCP_FLAG_AE = 0x100;

/** What {@link tcpCheck} finds. */
export const TcpCheck = { Ok: 0, TooShort: 1, BadDoff: 2 } as const;
export type TcpCheck = (typeof TcpCheck)[keyof typeof TcpCheck];

/** Whole header: 20 bytes at least, and the data offset within the `len` bytes that came. The checksum is the caller's matter. */
export function tcpCheck(buf: Uint8Array, off: number, len: number): TcpCheck {
  if (len < TCP_HLEN_MIN) return TcpCheck.TooShort;
  const hlen = (get8(buf, off + TCP_DOFF) >> 4) << 2;
  if (hlen < TCP_HLEN_MIN) return TcpCheck.BadDoff;
  return hlen > len ? TcpCheck.TooShort : TcpCheck.Ok;
}

export function thSport(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_SPORT);
}

export function thDport(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_DPORT);
}

/** Sequence number, int32. */
export function thSeq(buf: Uint8Array, off: number): number {
  return get32(buf, off + TCP_SEQ);
}

/** Acknowledgment number, int32. */
export function thAckSeq(buf: Uint8Array, off: number): number {
  return get32(buf, off + TCP_ACK_SEQ);
}

/** Bytes of the header, options included: doff * 4. */
export function thHlen(buf: Uint8Array, off: number): number {
  return (get8(buf, off + TCP_DOFF) >> 4) << 2;
}

/** The eight flags, FIN to CWR. */
export function thFlags(buf: Uint8Array, off: number): number {
  return get8(buf, off + TCP_FLAGS);
}

/** The flags with Accurate ECN's ninth, {@link TCP_FLAG_AE}. */
export function thFlags9(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_DOFF) & 0x1ff;
}

/** The window field as sent, unscaled. */
export function thWindow(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_WINDOW);
}

export function thCheck(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_CHECK);
}

export function thUrgPtr(buf: Uint8Array, off: number): number {
  return get16(buf, off + TCP_URG_PTR);
}

/** How far the segment moves the sequence: data, and one each for SYN and FIN. `len` counts header and data. */
export function thSegLen(buf: Uint8Array, off: number, len: number): number {
  const flags = get8(buf, off + TCP_FLAGS);
  return len - thHlen(buf, off) + (flags & TCP_FLAG_FIN) + ((flags & TCP_FLAG_SYN) >> 1);
}

/**
 * Writes the 20 fixed bytes with a zero checksum; the options are written apart, at `off + TCP_OPTIONS`.
 *
 * @param hlen  bytes of the header, options included; a multiple of 4
 * @param flags FIN to CWR, and AE if wanted
 */
export function tcpWriteHeader(
  buf: Uint8Array,
  off: number,
  sport: number,
  dport: number,
  seq: number,
  ackSeq: number,
  hlen: number,
  flags: number,
  window: number,
  urgPtr: number,
): void {
  put16(buf, off + TCP_SPORT, sport);
  put16(buf, off + TCP_DPORT, dport);
  put32(buf, off + TCP_SEQ, seq);
  put32(buf, off + TCP_ACK_SEQ, ackSeq);
  put16(buf, off + TCP_DOFF, (hlen << 10) | flags);
  put16(buf, off + TCP_WINDOW, window);
  put16(buf, off + TCP_CHECK, 0);
  put16(buf, off + TCP_URG_PTR, urgPtr);
}

/** Replaces the flags FIN to CWR (a segment that is cut loses FIN and PSH). The checksum is not touched. */
export function thSetFlags(buf: Uint8Array, off: number, flags: number): void {
  put8(buf, off + TCP_FLAGS, flags);
}

/** Replaces the sequence number. The checksum is not touched. */
export function thSetSeq(buf: Uint8Array, off: number, seq: number): void {
  put32(buf, off + TCP_SEQ, seq);
}

/** Replaces the acknowledgment number. The checksum is not touched. */
export function thSetAckSeq(buf: Uint8Array, off: number, ackSeq: number): void {
  put32(buf, off + TCP_ACK_SEQ, ackSeq);
}

/** Replaces the window. The checksum is not touched. */
export function thSetWindow(buf: Uint8Array, off: number, window: number): void {
  put16(buf, off + TCP_WINDOW, window);
}

/** Computes the checksum of a segment that lies in one piece, over IPv4, and stores it. `len` counts header and data. */
export function tcpSendCheckV4(buf: Uint8Array, off: number, len: number, saddr: number, daddr: number): void {
  put16(buf, off + TCP_CHECK, 0);
  put16(buf, off + TCP_CHECK, csumTcpudpMagic(saddr, daddr, len, IPPROTO_TCP, csumPartial(buf, off, len, 0)));
}

/** Is the checksum of a segment that lies in one piece right? */
export function tcpChecksumOkV4(buf: Uint8Array, off: number, len: number, saddr: number, daddr: number): boolean {
  return csumTcpudpNofold(saddr, daddr, len, IPPROTO_TCP, csumPartial(buf, off, len, 0)) === 0xffff;
}
