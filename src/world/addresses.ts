/**
 * Addresses for hosts whose user names none: each segment is a subnet of its own, 10.0.0.0/24, 10.0.1.0/24 and so on, and its
 * hosts are .1, .2 in the order in which they were plugged in.
 *
 * IPv6 follows IPv4: the subnet 10.0.1.0/24 is fd00:a00:100::/64 as well, and its host .2 is fd00:a00:100::2 in it.
 */
import { formatIpv4, formatIpv4Prefix, ipv4IsUnicast, ipv4Mask, parseIpv4Prefix, type Ipv4Prefix } from '../lib/addr.ts';
import { In6Addr, in6IsAny, in6IsLoopback, in6IsMulticast, parseIpv6Prefix, type Ipv6Prefix } from '../lib/addr6.ts';

const PREFIX_LEN = 24;
/** Subnets of /24 in 10.0.0.0/8. */
const MAX_SUBNETS = 65536;

export class AddressPlan {
  private nextSubnet = 0;
  private nextMac = 1;
  /** Addresses in use, and how many there are in each /24. */
  private readonly taken: Set<number> = new Set();
  private readonly inSubnet: Map<number, number> = new Map();
  /** Subnets that somebody chose. */
  private readonly reserved: Ipv4Prefix[] = [];
  /** Where the search for a free address of a subnet goes on. */
  private readonly hints: Map<number, number> = new Map();
  /** Subnets that were given out and are free again, lowest first. */
  private readonly returned: number[] = [];

  /** A hardware address: locally administered, unique in the world. */
  mac(): Uint8Array {
    const n = this.nextMac++;
    return Uint8Array.of(0x02, 0x00, 0x00, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  }

  /** Notes an address that somebody chose. */
  take(addr: number): void {
    if (this.taken.has(addr)) return;
    this.taken.add(addr);
    const network = addr & ipv4Mask(PREFIX_LEN);
    this.inSubnet.set(network, (this.inSubnet.get(network) ?? 0) + 1);
  }

  /** An address is free again. */
  release(addr: number, subnet: Ipv4Prefix): void {
    if (!this.taken.delete(addr)) return;
    const network = addr & ipv4Mask(PREFIX_LEN);
    this.inSubnet.set(network, this.inSubnet.get(network)! - 1);
    this.hints.delete(subnet.addr & ipv4Mask(subnet.prefixLen));
  }

  /** Notes a subnet that somebody chose: no other segment gets a part of it. */
  reserve(subnet: Ipv4Prefix): void {
    this.reserved.push(subnet);
  }

  /** Takes back a subnet that `subnet()` has given out, when nobody has an address in it. */
  returnSubnet(network: number): void {
    if ((this.inSubnet.get(network) ?? 0) > 0 || this.returned.includes(network)) return;
    this.returned.push(network);
    this.returned.sort((a, b) => (a >>> 0) - (b >>> 0));
  }

  /** A subnet that nobody has an address in. */
  subnet(): Ipv4Prefix {
    for (;;) {
      const network = this.returned.shift() ?? this.fresh();
      if ((this.inSubnet.get(network) ?? 0) > 0) continue;
      if (this.reserved.some((r) => ((r.addr ^ network) & ipv4Mask(Math.min(r.prefixLen, PREFIX_LEN))) === 0)) continue;
      return { addr: network, prefixLen: PREFIX_LEN };
    }
  }

  /** A /16 that nobody has an address in, from the upper end of 10.0.0.0/8; reserved from now on. */
  largeSubnet(): string {
    for (let k = 255; k > 0; k--) {
      const network = 0x0a000000 | (k << 16);
      const inside = (addr: number): boolean => ((addr ^ network) & ipv4Mask(16)) === 0;
      if ([...this.inSubnet].some(([addr, count]) => count > 0 && inside(addr))) continue;
      if (this.reserved.some((r) => ((r.addr ^ network) & ipv4Mask(Math.min(r.prefixLen, 16))) === 0)) continue;
      return formatIpv4Prefix(network, 16);
    }
    throw new RangeError('all subnets 10.x.0.0/16 are in use: give the switch one of your own, { subnet }');
  }

  private fresh(): number {
    if (this.nextSubnet >= MAX_SUBNETS) {
      throw new RangeError('all 65,536 subnets of 10.0.0.0/8 are in use: give the hosts addresses of their own');
    }
    return 0x0a000000 | (this.nextSubnet++ << 8);
  }

  /** The lowest free address of a subnet; it is taken from now on. */
  next(subnet: Ipv4Prefix): Ipv4Prefix {
    const network = subnet.addr & ipv4Mask(subnet.prefixLen);
    const last = (network | ~ipv4Mask(subnet.prefixLen)) >>> 0;
    for (let addr = this.hints.get(network) ?? (network >>> 0) + 1; addr < last; addr++) {
      if (this.taken.has(addr | 0)) continue;
      this.take(addr | 0);
      this.hints.set(network, addr + 1);
      return { addr: addr | 0, prefixLen: subnet.prefixLen };
    }
    throw new RangeError(`the subnet ${formatIpv4Prefix(network, subnet.prefixLen)} has no free address`);
  }
}

/** Length of every network of hosts (RFC 4291 §2.5.4). */
const PREFIX6_LEN = 64;

/** The unique local address (RFC 4193) that goes with an IPv4 address: its subnet's number makes the network, its place the host. */
export function ulaOf(v4: Ipv4Prefix): Ipv6Prefix {
  const network = v4.addr & ipv4Mask(v4.prefixLen);
  // Subnets of two and of one have a host 0, which is no host's number here.
  const host = (v4.addr & ~ipv4Mask(v4.prefixLen)) + (v4.prefixLen >= 31 ? 1 : 0);
  return { addr: new In6Addr(0xfd000000 | (network >>> 16), network << 16, 0, host), prefixLen: PREFIX6_LEN };
}

/** Reads `'fd00::1/64'`; without a length, /64. */
export function parseInterfaceAddress6(text: unknown, name: string): Ipv6Prefix {
  const form = "expected an address such as 'fd00::1/64'";
  if (typeof text !== 'string') throw new TypeError(`${name}: ${String(text)} is not a string; ${form}`);
  const prefix = parseIpv6Prefix(text.includes('/') ? text : `${text}/${String(PREFIX6_LEN)}`);
  if (prefix === null) throw new TypeError(`${name}: '${text}' is not understood; ${form}`);
  const { addr } = prefix;
  if (in6IsMulticast(addr) || in6IsAny(addr) || in6IsLoopback(addr)) {
    throw new RangeError(`${name}: ${addr.toString()} cannot be a host's address; ${form}`);
  }
  return prefix;
}

/** Reads `'10.0.0.1/24'`; without a length, /24. */
export function parseInterfaceAddress(text: unknown, name: string): Ipv4Prefix {
  const form = "expected an address such as '10.0.0.1/24'";
  if (typeof text !== 'string') throw new TypeError(`${name}: ${String(text)} is not a string; ${form}`);
  const prefix = parseIpv4Prefix(text.includes('/') ? text : `${text}/${String(PREFIX_LEN)}`);
  if (prefix === null) throw new TypeError(`${name}: '${text}' is not understood; ${form}`);
  if (!ipv4IsUnicast(prefix.addr)) throw new RangeError(`${name}: ${formatIpv4(prefix.addr)} cannot be a host's address; ${form}`);
  return prefix;
}
