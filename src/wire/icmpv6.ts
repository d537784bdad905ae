/**
 * ICMPv6 (RFC 4443): four bytes, a word whose meaning the type says, then echo data, or as much of the packet that went wrong
 * as fits into 1280 bytes. The checksum covers the pseudo-header of IPv6.
 *
 *      0      1      2        4                             8
 *      +------+------+--------+-----------------------------+------------------------------+
 *      | type | code | check  | id, seq | mtu | pointer      | IPv6 header + … of the cause |
 *      +------+------+--------+-----------------------------+------------------------------+
 */
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { csumIpv6Magic, csumPartial } from '../lib/checksum.ts';
import { IPV6_DADDR, IPV6_SADDR, NEXTHDR_ICMP } from './ipv6.ts';

export const ICMPV6_HLEN = 8;
export const ICMPV6_TYPE = 0;
export const ICMPV6_CODE = 1;
export const ICMPV6_CHECK = 2;
export const ICMPV6_ID = 4;
export const ICMPV6_SEQ = 6;
/** MTU of "packet too big", pointer of "parameter problem". */
export const ICMPV6_REST = 4;

export const ICMPV6_DEST_UNREACH = 1;
export const ICMPV6_PKT_TOOBIG = 2;
export const ICMPV6_TIME_EXCEED = 3;
export const ICMPV6_PARAMPROB = 4;
/** Types from here on say nothing about another packet. */
export const ICMPV6_INFOMSG_MASK = 0x80;
export const ICMPV6_ECHO_REQUEST = 128;
export const ICMPV6_ECHO_REPLY = 129;
export const ICMPV6_MGM_QUERY = 130;
export const ICMPV6_MGM_REPORT = 131;
export const ICMPV6_MGM_REDUCTION = 132;
export const NDISC_ROUTER_SOLICITATION = 133;
export const NDISC_ROUTER_ADVERTISEMENT = 134;
export const NDISC_NEIGHBOUR_SOLICITATION = 135;
export const NDISC_NEIGHBOUR_ADVERTISEMENT = 136;
export const NDISC_REDIRECT = 137;
export const ICMPV6_MLD2_REPORT = 143;

/** Codes of ICMPV6_DEST_UNREACH. */
export const ICMPV6_NOROUTE = 0;
export const ICMPV6_ADM_PROHIBITED = 1;
export const ICMPV6_NOT_NEIGHBOUR = 2;
export const ICMPV6_ADDR_UNREACH = 3;
export const ICMPV6_PORT_UNREACH = 4;
export const ICMPV6_POLICY_FAIL = 5;
export const ICMPV6_REJECT_ROUTE = 6;

/** Codes of ICMPV6_TIME_EXCEED. */
export const ICMPV6_EXC_HOPLIMIT = 0;
export const ICMPV6_EXC_FRAGTIME = 1;

/** Codes of ICMPV6_PARAMPROB. */
export const ICMPV6_HDR_FIELD = 0;
export const ICMPV6_UNK_NEXTHDR = 1;
export const ICMPV6_UNK_OPTION = 2;

export function icmp6hType(buf: Uint8Array, off: number): number {
  return get8(buf, off + ICMPV6_TYPE);
}

export function icmp6hCode(buf: Uint8Array, off: number): number {
  return get8(buf, off + ICMPV6_CODE);
}

/** MTU, pointer, or id and seq: an int32. */
export function icmp6hRest(buf: Uint8Array, off: number): number {
  return get32(buf, off + ICMPV6_REST);
}

export function icmp6hId(buf: Uint8Array, off: number): number {
  return get16(buf, off + ICMPV6_ID);
}

export function icmp6hSeq(buf: Uint8Array, off: number): number {
  return get16(buf, off + ICMPV6_SEQ);
}

/** Is it about another packet? No error may be sent in answer to one of these, nor to a redirect (RFC 4443 §2.4 (e)). */
export function icmpv6IsErr(type: number): boolean {
  return (type & ICMPV6_INFOMSG_MASK) === 0;
}

/** Writes the eight bytes with a zero checksum. */
export function icmpv6WriteHeader(buf: Uint8Array, off: number, type: number, code: number, rest: number): void {
  put8(buf, off + ICMPV6_TYPE, type);
  put8(buf, off + ICMPV6_CODE, code);
  put16(buf, off + ICMPV6_CHECK, 0);
  put32(buf, off + ICMPV6_REST, rest);
}

/** The checksum of a message of `len` contiguous bytes at `off`, under the IPv6 header at `nh`; 0 when the field is filled and right. */
export function icmpv6Csum(buf: Uint8Array, nh: number, off: number, len: number): number {
  return csumIpv6Magic(buf, nh + IPV6_SADDR, buf, nh + IPV6_DADDR, len, NEXTHDR_ICMP, csumPartial(buf, off, len, 0));
}
