/**
 * IPv4 and hardware addresses: how they are written, read and classified (IPv6: `lib/addr6.ts`). Inside the stack an IPv4
 * address is an int32 (the network value as a host integer), a MAC is 6 bytes; strings exist only at the door.
 *
 * Parsers are as strict as inet_pton(3): four decimal numbers, no octal, no hex, no short forms, no blanks. They return
 * `null` when the text is not an address; the door decides which error that is.
 */
import { get16, get32, get8, put8 } from './bytes.ts';

export const INADDR_ANY = 0;
export const INADDR_BROADCAST = -1;
export const INADDR_LOOPBACK = 0x7f000001;
/** 224.0.0.1, every host on the link (RFC 1112 §4). */
export const INADDR_ALLHOSTS: number = 0xe0000001 | 0;
/** Bytes of a hardware address. */
export const ETH_ALEN = 6;

// ---- IPv4 ----

/** Four octets to the int32 that stands for them: `ipv4(10, 0, 0, 1)`. */
export function ipv4(a: number, b: number, c: number, d: number): number {
  return (a << 24) | (b << 16) | (c << 8) | d;
}

/** Reads a dotted quad, strictly. `null` for anything else: `010.0.0.1`, `10.1`, `0x7f.0.0.1`, ` 1.2.3.4`. */
export function parseIpv4(text: string): number | null {
  const n = text.length;
  let addr = 0;
  let parts = 0;
  let i = 0;
  for (;;) {
    const start = i;
    let v = 0;
    for (; i < n && i - start < 4; i++) {
      const c = text.charCodeAt(i) - 0x30;
      if (c < 0 || c > 9) break;
      v = v * 10 + c;
    }
    if (i === start || v > 255) return null;
    if (i - start > 1 && text.charCodeAt(start) === 0x30) return null;
    addr = (addr << 8) | v;
    if (++parts === 4) return i === n ? addr : null;
    if (i === n || text.charCodeAt(i) !== 0x2e) return null;
    i++;
  }
}

/** `10.0.0.1` */
export function formatIpv4(addr: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** An address with the length of its network's prefix, as in `10.0.0.1/24`. */
export interface Ipv4Prefix {
  readonly addr: number;
  readonly prefixLen: number;
}

/** Reads `10.0.0.1/24`; without a slash the prefix is 32. Host bits are kept (see {@link ipv4Mask} to drop them). */
export function parseIpv4Prefix(text: string): Ipv4Prefix | null {
  const slash = text.indexOf('/');
  const addr = parseIpv4(slash < 0 ? text : text.slice(0, slash));
  if (addr === null) return null;
  if (slash < 0) return { addr, prefixLen: 32 };
  const prefixLen = parsePrefixLen(text.slice(slash + 1), 32);
  return prefixLen === null ? null : { addr, prefixLen };
}

/** `10.0.0.0/24` */
export function formatIpv4Prefix(addr: number, prefixLen: number): string {
  return `${formatIpv4(addr)}/${prefixLen}`;
}

/** A prefix length: a decimal number up to `max`, without leading zeros. */
export function parsePrefixLen(text: string, max: number): number | null {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return null;
  const n = Number(text);
  return n <= max ? n : null;
}

/** The mask of a prefix length, int32: 24 → 255.255.255.0. */
export function ipv4Mask(prefixLen: number): number {
  return prefixLen === 0 ? 0 : -1 << (32 - prefixLen);
}

/** The prefix length of a mask, or -1 when its ones are not contiguous from the left. */
export function ipv4MaskLen(mask: number): number {
  const inverted = ~mask;
  return (inverted & (inverted + 1)) === 0 ? Math.clz32(inverted) : -1;
}

/** Is `addr` in the network? */
export function ipv4InPrefix(addr: number, network: number, prefixLen: number): boolean {
  return ((addr ^ network) & ipv4Mask(prefixLen)) === 0;
}

/** 0.0.0.0 */
export function ipv4IsAny(addr: number): boolean {
  return addr === 0;
}

/** 0.0.0.0/8, "this network": a source only before an address is known, never a destination (RFC 1122 §3.2.1.3). */
export function ipv4IsZeronet(addr: number): boolean {
  return addr >>> 24 === 0;
}

/** 127.0.0.0/8 */
export function ipv4IsLoopback(addr: number): boolean {
  return addr >>> 24 === 127;
}

/** 224.0.0.0/4 */
export function ipv4IsMulticast(addr: number): boolean {
  return addr >>> 28 === 14;
}

/** 224.0.0.0/24: multicast that a router never forwards (RFC 5771 §4). */
export function ipv4IsLocalMulticast(addr: number): boolean {
  return addr >>> 8 === 0xe00000;
}

/** 255.255.255.255, the limited broadcast. */
export function ipv4IsLbcast(addr: number): boolean {
  return addr === -1;
}

/** Is `addr` the directed broadcast of the network? Networks of /31 and /32 have none (RFC 3021). */
export function ipv4IsSubnetBroadcast(addr: number, network: number, prefixLen: number): boolean {
  return prefixLen < 31 && addr === (network | ~ipv4Mask(prefixLen));
}

/** 240.0.0.0/4 without the limited broadcast: class E. */
export function ipv4IsReserved(addr: number): boolean {
  return addr >>> 28 === 15 && addr !== -1;
}

/** 169.254.0.0/16 (RFC 3927). */
export function ipv4IsLinklocal(addr: number): boolean {
  return addr >>> 16 === 0xa9fe;
}

/** 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918). */
export function ipv4IsPrivate(addr: number): boolean {
  return addr >>> 24 === 10 || addr >>> 20 === 0xac1 || addr >>> 16 === 0xc0a8;
}

/** Could a host have this address? Neither any, this-network, multicast, broadcast nor class E. Loopback is one. */
export function ipv4IsUnicast(addr: number): boolean {
  return !ipv4IsZeronet(addr) && addr >>> 29 !== 7;
}

/**
 * Reads an address as inet_aton(3) does: one to four numbers, decimal, octal (`0…`) or hexadecimal (`0x…`), of which the
 * last fills what is left. `127.1` is 127.0.0.1. `null` for anything else.
 */
export function inetAton(text: string): number | null {
  const parts = text.split('.');
  if (parts.length > 4) return null;
  const numbers: number[] = [];
  for (const part of parts) {
    if (!/^(0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9]\d{0,9})$/i.test(part)) return null;
    numbers.push(/^0[0-7]/.test(part) ? Number.parseInt(part, 8) : Number(part));
  }
  const last = numbers.pop()!;
  if (last >= 2 ** (8 * (4 - numbers.length)) || numbers.some((n) => n > 255)) return null;
  let addr = last;
  for (const [i, n] of numbers.entries()) addr += n * 2 ** (8 * (3 - i));
  return addr | 0;
}

// ---- MAC ----

/** Reads `02:00:00:00:00:01` (or with `-`), two hex digits a byte. `null` for anything else. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i.test(text)) return null;
  const out = new Uint8Array(ETH_ALEN);
  text.split(/[:-]/).forEach((part, i) => put8(out, i, Number.parseInt(part, 16)));
  return out;
}

/** `02:00:00:00:00:01` */
export function formatMac(buf: Uint8Array, off: number = 0): string {
  let s = '';
  for (let i = 0; i < ETH_ALEN; i++) s += (i === 0 ? '' : ':') + get8(buf, off + i).toString(16).padStart(2, '0');
  return s;
}

/** Are the two hardware addresses the same? */
export function etherAddrEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number): boolean {
  return get32(a, aOff) === get32(b, bOff) && get16(a, aOff + 4) === get16(b, bOff + 4);
}

/** Copies a hardware address. */
export function etherAddrCopy(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number): void {
  for (let i = 0; i < ETH_ALEN; i++) dst[dstOff + i] = src[srcOff + i]!;
}

/** The group bit: multicast and broadcast. */
export function isMulticastEtherAddr(buf: Uint8Array, off: number): boolean {
  return (get8(buf, off) & 1) !== 0;
}

/** ff:ff:ff:ff:ff:ff */
export function isBroadcastEtherAddr(buf: Uint8Array, off: number): boolean {
  return get32(buf, off) === -1 && get16(buf, off + 4) === 0xffff;
}

/** 00:00:00:00:00:00 */
export function isZeroEtherAddr(buf: Uint8Array, off: number): boolean {
  return get32(buf, off) === 0 && get16(buf, off + 4) === 0;
}

/** Could a card have this address? Neither zero nor a group. */
export function isValidEtherAddr(buf: Uint8Array, off: number): boolean {
  return !isMulticastEtherAddr(buf, off) && !isZeroEtherAddr(buf, off);
}
