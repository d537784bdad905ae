/**
 * ICMP (RFC 792, 1122 §3.2.2, 1191, 1812): eight bytes, then either echo data or the start of the packet that went wrong.
 *
 *      0      1      2        4                 8
 *      +------+------+--------+-----------------+----------------------------------------+
 *      | type | code | check  | id, seq | mtu   | IP header + 8 bytes or more of the cause |
 *      +------+------+--------+-----------------+----------------------------------------+
 */
import { ipFastCsum } from '../lib/checksum.ts';
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';

export const ICMP_HLEN = 8;
export const ICMP_TYPE = 0;
export const ICMP_CODE = 1;
export const ICMP_CHECK = 2;
/** Identifier of an echo. */
export const ICMP_ID = 4;
/** Sequence number of an echo. */
export const ICMP_SEQ = 6;
/** Next-hop MTU of a "fragmentation needed" (RFC 1191 §4). */
export const ICMP_MTU = 6;
/** The gateway of a redirect, or the pointer of a parameter problem (its first byte). */
export const ICMP_GATEWAY = 4;

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
/** The largest type that has a meaning to a host here. */
export const NR_ICMP_TYPES = 18;

/** Codes of ICMP_DEST_UNREACH. */
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;
export const ICMP_NET_UNKNOWN = 6;
export const ICMP_HOST_UNKNOWN = 7;
export const ICMP_HOST_ISOLATED = 8;
export const ICMP_NET_ANO = 9;
export const ICMP_HOST_ANO = 10;
export const ICMP_NET_UNR_TOS = 11;
export const ICMP_HOST_UNR_TOS = 12;
export const ICMP_PKT_FILTERED = 13;
export const ICMP_PREC_VIOLATION = 14;
export const ICMP_PREC_CUTOFF = 15;
/** The largest code of ICMP_DEST_UNREACH. */
export const NR_ICMP_UNREACH = 15;

/** Codes of ICMP_TIME_EXCEEDED: the TTL ran out on the way; a packet's fragments did not all come in time. */
export const ICMP_EXC_TTL = 0;
export const ICMP_EXC_FRAGTIME = 1;

/** Codes of ICMP_REDIRECT. */
export const ICMP_REDIR_NET = 0;
export const ICMP_REDIR_HOST = 1;

/** What {@link icmpCheck} finds. */
export const IcmpCheck = { Ok: 0, TooShort: 1, BadChecksum: 2 } as const;
export type IcmpCheck = (typeof IcmpCheck)[keyof typeof IcmpCheck];

/** Whole header, and the checksum over all `len` bytes is right. */
export function icmpCheck(buf: Uint8Array, off: number, len: number): IcmpCheck {
  if (len < ICMP_HLEN) return IcmpCheck.TooShort;
  return ipFastCsum(buf, off, len) === 0 ? IcmpCheck.Ok : IcmpCheck.BadChecksum;
}

export function icmphType(buf: Uint8Array, off: number): number {
  return get8(buf, off + ICMP_TYPE);
}

export function icmphCode(buf: Uint8Array, off: number): number {
  return get8(buf, off + ICMP_CODE);
}

export function icmphId(buf: Uint8Array, off: number): number {
  return get16(buf, off + ICMP_ID);
}

export function icmphSeq(buf: Uint8Array, off: number): number {
  return get16(buf, off + ICMP_SEQ);
}

/** Next-hop MTU of a "fragmentation needed"; 0 from a router older than RFC 1191. */
export function icmphMtu(buf: Uint8Array, off: number): number {
  return get16(buf, off + ICMP_MTU);
}

/** The four bytes behind the checksum as an int32: gateway, or id and seq. */
export function icmphRest(buf: Uint8Array, off: number): number {
  return get32(buf, off + ICMP_GATEWAY);
}

/** Is it about another packet? No error may be sent in answer to one of these (RFC 1122 §3.2.2). */
export function icmpIsError(type: number): boolean {
  return (
    type === ICMP_DEST_UNREACH ||
    type === ICMP_SOURCE_QUENCH ||
    type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETERPROB
  );
}

/** Writes the eight bytes with a zero checksum; `rest` is the second word (id and seq, or mtu, or gateway). */
export function icmpWriteHeader(buf: Uint8Array, off: number, type: number, code: number, rest: number): void {
  put8(buf, off + ICMP_TYPE, type);
  put8(buf, off + ICMP_CODE, code);
  put16(buf, off + ICMP_CHECK, 0);
  put32(buf, off + ICMP_GATEWAY, rest);
}

/** Computes the checksum over the message of `len` contiguous bytes and stores it. */
export function icmpSendCheck(buf: Uint8Array, off: number, len: number): void {
  put16(buf, off + ICMP_CHECK, 0);
  put16(buf, off + ICMP_CHECK, ipFastCsum(buf, off, len));
}
