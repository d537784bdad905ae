/**
 * The IPv6 header (RFC 8200 §3) and its extension headers (§4), read and written in place. `ip6h...` are the fields of Linux's
 * `struct ipv6hdr`.
 *
 *      0       1       2       3       4               6       7
 *      +---+-------+-----------------------+---------------+-------+-------+
 *      | 6 | class |      flow label       | payload length| next  | hops  |
 *      +---+-------+-----------------------+---------------+-------+-------+
 *      |                     source, 16 bytes at 8                         |
 *      |                  destination, 16 bytes at 24                      |
 *      +-------------------------------------------------------------------+
 *
 * An extension header begins with the number of the next one and its own length in units of 8 bytes, the first not counted;
 * a fragment header has 8 bytes always.
 */
import { get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { in6WriteAt, type In6Addr } from '../lib/addr6.ts';

export const IPV6_HLEN = 40;
export const IPV6_PAYLOAD_LEN = 4;
export const IPV6_NEXTHDR = 6;
export const IPV6_HOP_LIMIT = 7;
export const IPV6_SADDR = 8;
export const IPV6_DADDR = 24;
/** Most bytes behind the header: the length is a 16-bit field (jumbograms, RFC 2675, are not taken). */
export const IPV6_MAXPLEN = 65535;
/** Every link carries packets of this size (RFC 8200 §5). */
export const IPV6_MIN_MTU = 1280;
/** Default hop limit (RFC 8200 §3; IANA's recommendation, as net.ipv6.conf.*.hop_limit). */
export const IPV6_DEFAULT_HOPLIMIT = 64;
/** The 20 bits of a flow label. */
export const IPV6_FLOWLABEL_MASK = 0xfffff;

/** Next header numbers (RFC 8200 §4, IANA). */
export const NEXTHDR_HOP = 0;
export const NEXTHDR_TCP = 6;
export const NEXTHDR_UDP = 17;
export const NEXTHDR_ROUTING = 43;
export const NEXTHDR_FRAGMENT = 44;
export const NEXTHDR_ICMP = 58;
export const NEXTHDR_NONE = 59;
export const NEXTHDR_DEST = 60;

/** The fragment header (RFC 8200 §4.5): next, reserved, offset and M in one word, identification. */
export const FRAG_HLEN = 8;
export const FRAG_OFF = 2;
export const FRAG_ID = 4;
/** The M bit, and the mask of the offset: in the field it stands in bytes, for the low three bits are something else. */
export const IP6_MF = 1;
export const IP6_OFFSET = 0xfff8;

/** Options of hop-by-hop and destination headers. */
export const IPV6_TLV_PAD1 = 0;
export const IPV6_TLV_PADN = 1;
export const IPV6_TLV_ROUTERALERT = 5;
export const IPV6_TLV_JUMBO = 194;

/** What {@link ipv6Check} finds. */
export const Ipv6Check = { Ok: 0, TooShort: 1, BadVersion: 2, Truncated: 3 } as const;
export type Ipv6Check = (typeof Ipv6Check)[keyof typeof Ipv6Check];

/** Whole, version 6, and the payload not longer than what came (`len`: bytes from `off` on, padding included). */
export function ipv6Check(buf: Uint8Array, off: number, len: number): Ipv6Check {
  if (len < IPV6_HLEN) return Ipv6Check.TooShort;
  if (get8(buf, off) >> 4 !== 6) return Ipv6Check.BadVersion;
  return ip6hPayloadLen(buf, off) > len - IPV6_HLEN ? Ipv6Check.Truncated : Ipv6Check.Ok;
}

/** The traffic class: DSCP and ECN, as TOS in IPv4. */
export function ip6hTclass(buf: Uint8Array, off: number): number {
  return (get16(buf, off) >> 4) & 0xff;
}

export function ip6hFlowLabel(buf: Uint8Array, off: number): number {
  return get32(buf, off) & IPV6_FLOWLABEL_MASK;
}

/** Bytes behind the header. */
export function ip6hPayloadLen(buf: Uint8Array, off: number): number {
  return get16(buf, off + IPV6_PAYLOAD_LEN);
}

export function ip6hNexthdr(buf: Uint8Array, off: number): number {
  return get8(buf, off + IPV6_NEXTHDR);
}

export function ip6hHopLimit(buf: Uint8Array, off: number): number {
  return get8(buf, off + IPV6_HOP_LIMIT);
}

/** Sets the traffic class, flow label kept. */
export function ip6hSetTclass(buf: Uint8Array, off: number, tclass: number): void {
  put16(buf, off, 0x6000 | (tclass << 4) | (get8(buf, off + 1) & 0xf));
}

/** Writes a header. A payload longer than the field can say (a super-packet) is written as 0, as Linux does. */
export function ipv6WriteHeader(
  buf: Uint8Array,
  off: number,
  tclass: number,
  flowLabel: number,
  payloadLen: number,
  nexthdr: number,
  hopLimit: number,
  saddr: In6Addr,
  daddr: In6Addr,
): void {
  put32(buf, off, 0x60000000 | (tclass << 20) | flowLabel);
  put16(buf, off + IPV6_PAYLOAD_LEN, payloadLen > IPV6_MAXPLEN ? 0 : payloadLen);
  put8(buf, off + IPV6_NEXTHDR, nexthdr);
  put8(buf, off + IPV6_HOP_LIMIT, hopLimit);
  in6WriteAt(saddr, buf, off + IPV6_SADDR);
  in6WriteAt(daddr, buf, off + IPV6_DADDR);
}

// ---- extension headers ----

/** Is it a header that another one may follow? */
export function ipv6ExtHdr(nexthdr: number): boolean {
  return nexthdr === NEXTHDR_HOP || nexthdr === NEXTHDR_ROUTING || nexthdr === NEXTHDR_FRAGMENT || nexthdr === NEXTHDR_DEST;
}

/** Bytes of the extension header of kind `nexthdr` at `off`. */
export function ipv6OptLen(buf: Uint8Array, off: number, nexthdr: number): number {
  return nexthdr === NEXTHDR_FRAGMENT ? FRAG_HLEN : (get8(buf, off + 1) + 1) << 3;
}

/** The fragment header's word: offset in bytes, and M. */
export function ip6fOff(buf: Uint8Array, off: number): number {
  return get16(buf, off + FRAG_OFF);
}

export function ip6fId(buf: Uint8Array, off: number): number {
  return get32(buf, off + FRAG_ID);
}

/** Writes a fragment header; `offset` in bytes, a multiple of 8. */
export function ipv6WriteFragHdr(buf: Uint8Array, off: number, nexthdr: number, offset: number, more: boolean, id: number): void {
  put8(buf, off, nexthdr);
  put8(buf, off + 1, 0);
  put16(buf, off + FRAG_OFF, offset | (more ? IP6_MF : 0));
  put32(buf, off + FRAG_ID, id);
}

/** What {@link ipv6SkipExthdr} finds: where the upper layer begins, what it is, and whether it is a later piece of it. */
export interface UpperLayer {
  /** Offset of the upper layer's header; -1 when the chain is cut short. */
  off: number;
  nexthdr: number;
  /** A fragment header was on the way: its word (offset and M), else 0. */
  frag: number;
}

/**
 * Walks from the header at `off` over extension headers to the upper layer, within `len` bytes. Behind the header of a later
 * fragment there is none: `off` is where its bytes begin. For printers, views and error messages; packets walk in ip/v6/input.ts.
 */
export function ipv6SkipExthdr(buf: Uint8Array, off: number, len: number, out: UpperLayer): UpperLayer {
  const end = off + len;
  let at = off + IPV6_HLEN;
  let nexthdr = get8(buf, off + IPV6_NEXTHDR);
  out.frag = 0;
  while (ipv6ExtHdr(nexthdr)) {
    if (at + 8 > end) {
      at = -1;
      break;
    }
    const kind = nexthdr;
    nexthdr = get8(buf, at);
    if (kind === NEXTHDR_FRAGMENT) out.frag = ip6fOff(buf, at);
    at += ipv6OptLen(buf, at, kind);
    if (kind === NEXTHDR_FRAGMENT && (out.frag & IP6_OFFSET) !== 0) break;
  }
  out.off = at > end ? -1 : at;
  out.nexthdr = nexthdr;
  return out;
}
