/**
 * IPv6 addresses: how they are written, read, classified and compared (RFC 4291, RFC 5952).
 *
 * An address that is kept is an `In6Addr`: four int32 words in network order, immutable, made when an address is parsed,
 * configured or given to a socket. A packet's addresses stay where they are: functions whose name ends in `At` read sixteen
 * bytes in place, and no packet makes an object.
 *
 * The parser is as strict as inet_pton(3) and returns `null` when the text is not an address; the door decides which error
 * that is.
 */
import { parseIpv4, parsePrefixLen } from './addr.ts';
import { get16, get32, get8, put32 } from './bytes.ts';
import { hashMix } from './hash.ts';

/** Bytes of an IPv6 address. */
export const IN6_ALEN = 16;

/** An IPv6 address: four words in network order, int32 each. */
export class In6Addr {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;

  constructor(a: number, b: number, c: number, d: number) {
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = d | 0;
  }

  /** Its text by RFC 5952. */
  toString(): string {
    return formatIpv6(this);
  }
}

/** `::` */
export const in6Any: In6Addr = new In6Addr(0, 0, 0, 0);
/** `::1` */
export const in6Loopback: In6Addr = new In6Addr(0, 0, 0, 1);
/** ff01::1, this host; ff02::1, all nodes of the link; ff02::2, all routers of the link (RFC 4291 §2.7.1). */
export const in6IflocalAllnodes: In6Addr = new In6Addr(0xff010000, 0, 0, 1);
export const in6LinklocalAllnodes: In6Addr = new In6Addr(0xff020000, 0, 0, 1);
export const in6LinklocalAllrouters: In6Addr = new In6Addr(0xff020000, 0, 0, 2);
/** ff02::16, where MLDv2 reports go (RFC 3810 §5.2.14). */
export const in6Mldv2Routers: In6Addr = new In6Addr(0xff020000, 0, 0, 0x16);

// ---- in a buffer ----

/** The address at `off`. Makes an object: not for every packet. */
export function in6ReadAt(buf: Uint8Array, off: number): In6Addr {
  return new In6Addr(get32(buf, off), get32(buf, off + 4), get32(buf, off + 8), get32(buf, off + 12));
}

/** Stores the address at `off`, 16 bytes. */
export function in6WriteAt(addr: In6Addr, buf: Uint8Array, off: number): void {
  put32(buf, off, addr.a);
  put32(buf, off + 4, addr.b);
  put32(buf, off + 8, addr.c);
  put32(buf, off + 12, addr.d);
}

/** Copies the sixteen bytes at `srcOff`. */
export function in6CopyAt(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number): void {
  for (let i = 0; i < IN6_ALEN; i++) dst[dstOff + i] = src[srcOff + i]!;
}

/** Is the address at `off` this one? The last word differs most often: it is looked at first. */
export function in6EqualsAt(addr: In6Addr, buf: Uint8Array, off: number): boolean {
  return addr.d === get32(buf, off + 12) && addr.a === get32(buf, off) && addr.b === get32(buf, off + 4) && addr.c === get32(buf, off + 8);
}

/** Are the two addresses in buffers the same? */
export function in6EqualAt(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number): boolean {
  return get32(a, aOff + 12) === get32(b, bOff + 12) && get32(a, aOff) === get32(b, bOff)
    && get32(a, aOff + 4) === get32(b, bOff + 4) && get32(a, aOff + 8) === get32(b, bOff + 8);
}

/** A hash of the address, the same for both forms. */
export function in6Hash(addr: In6Addr, seed: number): number {
  return hashMix(hashMix(seed ^ addr.a, addr.b ^ Math.imul(addr.c, 0x9e3779b1 | 0)), addr.d);
}

export function in6HashAt(buf: Uint8Array, off: number, seed: number): number {
  const h = hashMix(seed ^ get32(buf, off), get32(buf, off + 4) ^ Math.imul(get32(buf, off + 8), 0x9e3779b1 | 0));
  return hashMix(h, get32(buf, off + 12));
}

// ---- comparing ----

export function in6Equal(a: In6Addr, b: In6Addr): boolean {
  return a === b || (a.d === b.d && a.a === b.a && a.b === b.b && a.c === b.c);
}

/** The order of the addresses as numbers: negative when `a` comes first. */
export function in6Compare(a: In6Addr, b: In6Addr): number {
  return (a.a >>> 0) - (b.a >>> 0) || (a.b >>> 0) - (b.b >>> 0) || (a.c >>> 0) - (b.c >>> 0) || (a.d >>> 0) - (b.d >>> 0);
}

/** The number of leading bits in which the two agree, 0 to 128. */
export function in6CommonPrefixLen(a: In6Addr, b: In6Addr): number {
  if (a.a !== b.a) return Math.clz32(a.a ^ b.a);
  if (a.b !== b.b) return 32 + Math.clz32(a.b ^ b.b);
  if (a.c !== b.c) return 64 + Math.clz32(a.c ^ b.c);
  return 96 + Math.clz32(a.d ^ b.d);
}

/** Is `addr` in the network? */
export function in6InPrefix(addr: In6Addr, network: In6Addr, prefixLen: number): boolean {
  return ((addr.a ^ network.a) & wordMask(prefixLen)) === 0 && ((addr.b ^ network.b) & wordMask(prefixLen - 32)) === 0
    && ((addr.c ^ network.c) & wordMask(prefixLen - 64)) === 0 && ((addr.d ^ network.d) & wordMask(prefixLen - 96)) === 0;
}

/** Is the address at `off` in the network? */
export function in6InPrefixAt(buf: Uint8Array, off: number, network: In6Addr, prefixLen: number): boolean {
  return ((get32(buf, off) ^ network.a) & wordMask(prefixLen)) === 0
    && ((get32(buf, off + 4) ^ network.b) & wordMask(prefixLen - 32)) === 0
    && ((get32(buf, off + 8) ^ network.c) & wordMask(prefixLen - 64)) === 0
    && ((get32(buf, off + 12) ^ network.d) & wordMask(prefixLen - 96)) === 0;
}

/** The network of an address: its first `prefixLen` bits, the others zero. */
export function in6Prefix(addr: In6Addr, prefixLen: number): In6Addr {
  return new In6Addr(
    addr.a & wordMask(prefixLen), addr.b & wordMask(prefixLen - 32), addr.c & wordMask(prefixLen - 64), addr.d & wordMask(prefixLen - 96),
  );
}

/** The ones of one word: all for 32 bits and more, none for 0 and less. */
function wordMask(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}

// ---- kinds ----

export function in6IsAny(addr: In6Addr): boolean {
  return (addr.a | addr.b | addr.c | addr.d) === 0;
}

export function in6IsLoopback(addr: In6Addr): boolean {
  return (addr.a | addr.b | addr.c) === 0 && addr.d === 1;
}

/** ff00::/8 */
export function in6IsMulticast(addr: In6Addr): boolean {
  return addr.a >>> 24 === 0xff;
}

/** fe80::/10 */
export function in6IsLinklocal(addr: In6Addr): boolean {
  return addr.a >>> 22 === 0xfe80 >> 6;
}

/** fec0::/10, site-local: deprecated (RFC 3879), still a scope of its own when addresses are chosen. */
export function in6IsSitelocal(addr: In6Addr): boolean {
  return addr.a >>> 22 === 0xfec0 >> 6;
}

/** fc00::/7, unique local (RFC 4193). */
export function in6IsUla(addr: In6Addr): boolean {
  return addr.a >>> 25 === 0xfc >> 1;
}

/** ::ffff:0:0/96: an IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2); its int32 is the word `d`. */
export function in6IsV4Mapped(addr: In6Addr): boolean {
  return (addr.a | addr.b) === 0 && addr.c === 0xffff;
}

/** Needs a zone: the same address is another one on another link. */
export function in6NeedsZone(addr: In6Addr): boolean {
  if (in6IsLinklocal(addr)) return true;
  return in6IsMulticast(addr) && in6MulticastScope(addr) <= IN6_SCOPE_LINKLOCAL;
}

export function in6IsAnyAt(buf: Uint8Array, off: number): boolean {
  return (get32(buf, off) | get32(buf, off + 4) | get32(buf, off + 8) | get32(buf, off + 12)) === 0;
}

export function in6IsLoopbackAt(buf: Uint8Array, off: number): boolean {
  return (get32(buf, off) | get32(buf, off + 4) | get32(buf, off + 8)) === 0 && get32(buf, off + 12) === 1;
}

export function in6IsMulticastAt(buf: Uint8Array, off: number): boolean {
  return get8(buf, off) === 0xff;
}

export function in6IsLinklocalAt(buf: Uint8Array, off: number): boolean {
  return (get16(buf, off) & 0xffc0) === 0xfe80;
}

export function in6IsV4MappedAt(buf: Uint8Array, off: number): boolean {
  return get32(buf, off) === 0 && get32(buf, off + 4) === 0 && get32(buf, off + 8) === 0xffff;
}

/** ::ffff:a.b.c.d for an int32. */
export function in6FromV4(addr: number): In6Addr {
  return new In6Addr(0, 0, 0xffff, addr);
}

// ---- scopes ----

/** Scopes, RFC 4291 §2.7: the numbers of multicast, used for unicast addresses too (RFC 6724 §3.1). */
export const IN6_SCOPE_IFLOCAL = 1;
export const IN6_SCOPE_LINKLOCAL = 2;
export const IN6_SCOPE_SITELOCAL = 5;
export const IN6_SCOPE_ORGLOCAL = 8;
export const IN6_SCOPE_GLOBAL = 14;

/** The scope in a group's address. */
export function in6MulticastScope(addr: In6Addr): number {
  return (addr.a >>> 16) & 0xf;
}

/** How far an address reaches (RFC 6724 §3.1, §3.2 for mapped IPv4). Loopback counts as link-local. */
export function in6Scope(addr: In6Addr): number {
  if (in6IsMulticast(addr)) return in6MulticastScope(addr);
  if (in6IsLinklocal(addr) || in6IsLoopback(addr)) return IN6_SCOPE_LINKLOCAL;
  if (in6IsSitelocal(addr)) return IN6_SCOPE_SITELOCAL;
  if (in6IsV4Mapped(addr) && (addr.d >>> 24 === 127 || addr.d >>> 16 === 0xa9fe)) return IN6_SCOPE_LINKLOCAL;
  return IN6_SCOPE_GLOBAL;
}

/** ff02::1:ffXX:XXXX, where the owner of `addr` is asked for (RFC 4291 §2.7.1). */
export function in6SolicitedNode(addr: In6Addr): In6Addr {
  return new In6Addr(0xff020000, 0, 1, 0xff000000 | addr.d);
}

/** The interface identifier that a hardware address makes (modified EUI-64, RFC 4291 appendix A), behind a 64-bit prefix. */
export function in6FromEui64(prefix: In6Addr, mac: Uint8Array): In6Addr {
  const c = ((get8(mac, 0) ^ 2) << 24) | (get8(mac, 1) << 16) | (get8(mac, 2) << 8) | 0xff;
  return new In6Addr(prefix.a, prefix.b, c, (0xfe << 24) | (get8(mac, 3) << 16) | (get8(mac, 4) << 8) | get8(mac, 5));
}

// ---- text ----

/**
 * Reads an IPv6 address: groups of 1 to 4 hex digits, one `::` for at least one group (RFC 4291 §2.2), a dotted quad in the
 * last two places. No zone (see {@link parseIpv6Zone}), no brackets. `null` for anything else.
 */
export function parseIpv6(text: string): In6Addr | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : NO_GROUPS;
  if (head === null || tail === null) return null;
  const count = head.length + tail.length;
  if (halves.length === 1 ? count !== 8 : count > 7) return null;
  const groups = [...head, ...new Array<number>(8 - count).fill(0), ...tail];
  const word = (i: number): number => (groups[2 * i]! << 16) | groups[2 * i + 1]!;
  return new In6Addr(word(0), word(1), word(2), word(3));
}

const NO_GROUPS: readonly number[] = [];

/** The 16-bit groups of one side of the `::`; a dotted quad may end it when it is the last side. */
function parseGroups(text: string, last: boolean): readonly number[] | null {
  if (text === '') return NO_GROUPS;
  const groups: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const quad = last && i === parts.length - 1 ? parseIpv4(part) : null;
    if (quad === null) return null;
    groups.push(quad >>> 16, quad & 0xffff);
  }
  return groups;
}

/** An address with the zone that it is meant in: the name or the number of an interface, '' when none is said. */
export interface Ipv6Zone {
  readonly addr: In6Addr;
  readonly zone: string;
}

/** Reads `fe80::1%eth0` or `fe80::1%2` (RFC 4007 §11), and addresses without a zone. `null` for anything else. */
export function parseIpv6Zone(text: string): Ipv6Zone | null {
  const percent = text.indexOf('%');
  if (percent < 0) {
    const addr = parseIpv6(text);
    return addr === null ? null : { addr, zone: '' };
  }
  const addr = parseIpv6(text.slice(0, percent));
  const zone = text.slice(percent + 1);
  return addr === null || !/^[\w.@-]{1,15}$/.test(zone) ? null : { addr, zone };
}

/** An address with the length of its network's prefix, as in `fd00::1/64`. */
export interface Ipv6Prefix {
  readonly addr: In6Addr;
  readonly prefixLen: number;
}

/** Reads `fd00::1/64`; without a slash the prefix is 128. Host bits are kept (see {@link in6Prefix} to drop them). */
export function parseIpv6Prefix(text: string): Ipv6Prefix | null {
  const slash = text.indexOf('/');
  const addr = parseIpv6(slash < 0 ? text : text.slice(0, slash));
  if (addr === null) return null;
  if (slash < 0) return { addr, prefixLen: 128 };
  const prefixLen = parsePrefixLen(text.slice(slash + 1), 128);
  return prefixLen === null ? null : { addr, prefixLen };
}

/** `fd00::/64` */
export function formatIpv6Prefix(addr: In6Addr, prefixLen: number): string {
  return `${formatIpv6(addr)}/${prefixLen}`;
}

/**
 * Prints an address by RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of
 * equals) as `::`, and mapped IPv4 (`::ffff:10.0.0.1`) with its dotted quad.
 */
export function formatIpv6(addr: In6Addr): string {
  return formatWords(addr.a, addr.b, addr.c, addr.d);
}

/** {@link formatIpv6} of the sixteen bytes at `off`. */
export function formatIpv6At(buf: Uint8Array, off: number): string {
  return formatWords(get32(buf, off), get32(buf, off + 4), get32(buf, off + 8), get32(buf, off + 12));
}

function formatWords(a: number, b: number, c: number, d: number): string {
  if ((a | b) === 0 && c === 0xffff) return `::ffff:${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}`;
  const groups = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff];
  let bestStart = -1;
  let bestLen = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > bestLen) {
      bestStart = i;
      bestLen = run;
    }
    i += run;
  }
  const hex = groups.map((g) => g.toString(16));
  if (bestStart < 0) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLen).join(':')}`;
}
