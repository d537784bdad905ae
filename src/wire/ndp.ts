/**
 * Neighbour discovery on the wire (RFC 4861 §4, §4.6): the bodies of five ICMPv6 messages, and their options.
 *
 *     solicitation, advertisement    8 + target            redirect   8 + target + destination
 *     router solicitation            8                     router advertisement  8 + reachable time, retrans timer
 *
 * An option is its type, its length in units of 8 bytes, and what it says. A length of 0 makes the whole message void (§4.6).
 */
import { get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { etherAddrCopy } from '../lib/addr.ts';
import { in6ReadAt, in6WriteAt, type In6Addr } from '../lib/addr6.ts';
import {
  ICMPV6_REST, icmpv6WriteHeader, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION, NDISC_REDIRECT,
  NDISC_ROUTER_ADVERTISEMENT, NDISC_ROUTER_SOLICITATION,
} from './icmpv6.ts';

/** Lengths without options. */
export const NDP_NS_LEN = 24;
export const NDP_NA_LEN = 24;
export const NDP_RS_LEN = 8;
export const NDP_RA_LEN = 16;
export const NDP_REDIRECT_LEN = 40;
/** Where the target of a solicitation, advertisement or redirect stands, and a redirect's destination. */
export const NDP_TARGET = 8;
export const NDP_REDIRECT_DEST = 24;

/** Flags of a neighbour advertisement, in the first byte behind the checksum. */
export const NDP_NA_ROUTER = 0x80;
export const NDP_NA_SOLICITED = 0x40;
export const NDP_NA_OVERRIDE = 0x20;

/** Fields of a router advertisement, and the flags at NDP_RA_FLAGS; the preference (RFC 4191 §2.2) is in two bits of them. */
export const NDP_RA_HOPLIMIT = 4;
export const NDP_RA_FLAGS = 5;
export const NDP_RA_LIFETIME = 6;
export const NDP_RA_REACHABLE = 8;
export const NDP_RA_RETRANS = 12;
export const NDP_RA_MANAGED = 0x80;
export const NDP_RA_OTHER = 0x40;

/** Preferences as signed 2-bit numbers: 1 high, 0 medium, -1 low; the value 2 on the wire is reserved and means medium. */
export const RT6_PREF_HIGH = 1;
export const RT6_PREF_MEDIUM = 0;
export const RT6_PREF_LOW = -1;

/** Options. */
export const ND_OPT_SOURCE_LL_ADDR = 1;
export const ND_OPT_TARGET_LL_ADDR = 2;
export const ND_OPT_PREFIX_INFO = 3;
export const ND_OPT_REDIRECT_HDR = 4;
export const ND_OPT_MTU = 5;
export const ND_OPT_NONCE = 14;
export const ND_OPT_ROUTE_INFO = 24;
export const ND_OPT_RDNSS = 25;

/** Bytes of a link-layer address option for Ethernet. */
export const ND_OPT_LLADDR_LEN = 8;
export const ND_OPT_PREFIX_LEN = 32;
export const ND_OPT_MTU_LEN = 8;

/** Flags of a prefix information option. */
export const ND_PREFIX_ONLINK = 0x80;
export const ND_PREFIX_AUTO = 0x40;

/** "For ever" in a lifetime of 32 bits. */
export const ND_INFINITY = 0xffffffff;

/** What a message's options hold: offsets of the first of each kind, -1 when absent. Prefixes are walked by `ndOptNext`. */
export interface NdOptions {
  sourceLl: number;
  targetLl: number;
  mtu: number;
  redirected: number;
  nonce: number;
}

/**
 * Looks through the options in `[off, end)`. Null when one of them has no length or runs over the end: then the message is to
 * be dropped (RFC 4861 §4.6, §6.1, §7.1).
 */
export function ndParseOptions(buf: Uint8Array, off: number, end: number): NdOptions | null {
  const found: NdOptions = { sourceLl: -1, targetLl: -1, mtu: -1, redirected: -1, nonce: -1 };
  for (let at = off; at < end; at += get8(buf, at + 1) << 3) {
    const len = at + 2 <= end ? get8(buf, at + 1) << 3 : 0;
    if (len === 0 || at + len > end) return null;
    const type = get8(buf, at);
    if (type === ND_OPT_SOURCE_LL_ADDR && found.sourceLl < 0) found.sourceLl = at;
    else if (type === ND_OPT_TARGET_LL_ADDR && found.targetLl < 0) found.targetLl = at;
    else if (type === ND_OPT_MTU && found.mtu < 0 && len === ND_OPT_MTU_LEN) found.mtu = at;
    else if (type === ND_OPT_REDIRECT_HDR && found.redirected < 0) found.redirected = at;
    else if (type === ND_OPT_NONCE && found.nonce < 0) found.nonce = at;
  }
  return found;
}

/** Offset of the next option of a type in checked options, from `at` on; -1 when there is none. */
export function ndOptNext(buf: Uint8Array, at: number, end: number, type: number): number {
  for (let off = at; off < end; off += get8(buf, off + 1) << 3) if (get8(buf, off) === type) return off;
  return -1;
}

/** Bytes of an option. */
export function ndOptLen(buf: Uint8Array, off: number): number {
  return get8(buf, off + 1) << 3;
}

// ---- writing: each returns the bytes written; checksums are the caller's ----

/** A neighbour solicitation; `lladdr` null: without the option (RFC 4862 §5.4.2). A nonce of 6 bytes may follow (RFC 7527). */
export function ndWriteNs(buf: Uint8Array, off: number, target: In6Addr, lladdr: Uint8Array | null, nonce: Uint8Array | null): number {
  icmpv6WriteHeader(buf, off, NDISC_NEIGHBOUR_SOLICITATION, 0, 0);
  in6WriteAt(target, buf, off + NDP_TARGET);
  let len = NDP_NS_LEN;
  if (lladdr !== null) len += ndWriteLladdr(buf, off + len, ND_OPT_SOURCE_LL_ADDR, lladdr, 0);
  if (nonce !== null) len += ndWriteLladdr(buf, off + len, ND_OPT_NONCE, nonce, 0);
  return len;
}

/** A neighbour advertisement; `flags` are NDP_NA_*. */
export function ndWriteNa(buf: Uint8Array, off: number, target: In6Addr, flags: number, lladdr: Uint8Array | null): number {
  icmpv6WriteHeader(buf, off, NDISC_NEIGHBOUR_ADVERTISEMENT, 0, flags << 24);
  in6WriteAt(target, buf, off + NDP_TARGET);
  return NDP_NA_LEN + (lladdr === null ? 0 : ndWriteLladdr(buf, off + NDP_NA_LEN, ND_OPT_TARGET_LL_ADDR, lladdr, 0));
}

/** A router solicitation. */
export function ndWriteRs(buf: Uint8Array, off: number, lladdr: Uint8Array | null): number {
  icmpv6WriteHeader(buf, off, NDISC_ROUTER_SOLICITATION, 0, 0);
  return NDP_RS_LEN + (lladdr === null ? 0 : ndWriteLladdr(buf, off + NDP_RS_LEN, ND_OPT_SOURCE_LL_ADDR, lladdr, 0));
}

/** The fixed part of a router advertisement; times in milliseconds, the lifetime in seconds. */
export function ndWriteRa(
  buf: Uint8Array, off: number, hopLimit: number, flags: number, preference: number, lifetime: number, reachable: number, retrans: number,
): number {
  icmpv6WriteHeader(buf, off, NDISC_ROUTER_ADVERTISEMENT, 0, 0);
  put8(buf, off + NDP_RA_HOPLIMIT, hopLimit);
  put8(buf, off + NDP_RA_FLAGS, flags | ((preference & 3) << 3));
  put16(buf, off + NDP_RA_LIFETIME, lifetime);
  put32(buf, off + NDP_RA_REACHABLE, reachable);
  put32(buf, off + NDP_RA_RETRANS, retrans);
  return NDP_RA_LEN;
}

/** The fixed part of a redirect: for `dest`, `target` is the better next hop. */
export function ndWriteRedirect(buf: Uint8Array, off: number, target: In6Addr, dest: In6Addr): number {
  icmpv6WriteHeader(buf, off, NDISC_REDIRECT, 0, 0);
  in6WriteAt(target, buf, off + NDP_TARGET);
  in6WriteAt(dest, buf, off + NDP_REDIRECT_DEST);
  return NDP_REDIRECT_LEN;
}

/** A link-layer address option (or a nonce, which has the same shape). */
export function ndWriteLladdr(buf: Uint8Array, off: number, type: number, lladdr: Uint8Array, lladdrOff: number): number {
  put8(buf, off, type);
  put8(buf, off + 1, 1);
  etherAddrCopy(buf, off + 2, lladdr, lladdrOff);
  return ND_OPT_LLADDR_LEN;
}

/** A prefix information option (RFC 4861 §4.6.2); lifetimes in seconds. */
export function ndWritePrefix(
  buf: Uint8Array, off: number, prefix: In6Addr, prefixLen: number, flags: number, valid: number, preferred: number,
): number {
  put8(buf, off, ND_OPT_PREFIX_INFO);
  put8(buf, off + 1, 4);
  put8(buf, off + 2, prefixLen);
  put8(buf, off + 3, flags);
  put32(buf, off + 4, valid);
  put32(buf, off + 8, preferred);
  put32(buf, off + 12, 0);
  in6WriteAt(prefix, buf, off + 16);
  return ND_OPT_PREFIX_LEN;
}

export function ndWriteMtu(buf: Uint8Array, off: number, mtu: number): number {
  put8(buf, off, ND_OPT_MTU);
  put8(buf, off + 1, 1);
  put16(buf, off + 2, 0);
  put32(buf, off + 4, mtu);
  return ND_OPT_MTU_LEN;
}

// ---- reading ----

/** The flags of a neighbour advertisement. */
export function ndNaFlags(buf: Uint8Array, off: number): number {
  return get8(buf, off + ICMPV6_REST);
}

export function ndTarget(buf: Uint8Array, off: number): In6Addr {
  return in6ReadAt(buf, off + NDP_TARGET);
}

/** The preference in the flags of a router advertisement or of a route option: RT6_PREF_*. */
export function ndPreference(flags: number): number {
  const bits = (flags >> 3) & 3;
  return bits === 1 ? RT6_PREF_HIGH : bits === 3 ? RT6_PREF_LOW : RT6_PREF_MEDIUM;
}

/** A lifetime of 32 bits, unsigned. */
export function ndLifetime(buf: Uint8Array, off: number): number {
  return get32(buf, off) >>> 0;
}
