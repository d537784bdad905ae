/**
 * What both kinds of signatures share, MD5 (tcp/md5.ts) and TCP-AO (tcp/ao.ts): which peers a key is for, and the addresses that are
 * hashed. IPv4 addresses are mapped ones here.
 */
import { get32, put16, put32 } from '../lib/bytes.ts';
import { in6FromV4, in6ReadAt, type In6Addr } from '../lib/addr6.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { IPPROTO_TCP } from '../sock/constants.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { IPV4_DADDR, IPV4_SADDR } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../wire/ipv6.ts';

/** Does `y` lie in the prefix of `len` bits of `x`? */
export function sharePrefix(x: In6Addr, y: In6Addr, len: number): boolean {
  return sameBits(x.a, y.a, len) && sameBits(x.b, y.b, len - 32) && sameBits(x.c, y.c, len - 64) && sameBits(x.d, y.d, len - 96);
}

function sameBits(x: number, y: number, len: number): boolean {
  if (len <= 0) return true;
  return len >= 32 ? x === y : ((x ^ y) >>> (32 - len)) === 0;
}

/** The peer of a connection, or of what will be one. */
export function peerOf(sk: { daddr: number; v6Daddr: In6Addr | null }): In6Addr {
  return sk.v6Daddr ?? in6FromV4(sk.daddr);
}

/** Who sent the packet. */
export function senderOf(skb: SkBuff): In6Addr {
  const { buf, nh } = skb;
  return skb.protocol === ETH_P_IPV6 ? in6ReadAt(buf, nh + IPV6_SADDR) : in6FromV4(get32(buf, nh + IPV4_SADDR));
}

/** Writes both addresses at `off`; returns the length of each. */
export function putAddresses(buf: Uint8Array, off: number, from: In6Addr | number, to: In6Addr | number): number {
  if (typeof from === 'number' || typeof to === 'number') {
    put32(buf, off, from as number);
    put32(buf, off + 4, to as number);
    return 4;
  }
  putIn6(buf, off, from);
  putIn6(buf, off + 16, to);
  return 16;
}

/** Writes what follows the addresses (`addrLen` bytes each) in a pseudo-header, at `off`; returns the place behind it. */
export function putPseudoEnd(buf: Uint8Array, off: number, addrLen: number, segmentLen: number): number {
  if (addrLen === 4) {
    put16(buf, off, IPPROTO_TCP);
    put16(buf, off + 2, segmentLen);
    return off + 4;
  }
  put32(buf, off, segmentLen);
  put32(buf, off + 4, IPPROTO_TCP);
  return off + 8;
}

function putIn6(buf: Uint8Array, off: number, addr: In6Addr): void {
  put32(buf, off, addr.a);
  put32(buf, off + 4, addr.b);
  put32(buf, off + 8, addr.c);
  put32(buf, off + 12, addr.d);
}

/** Writes the addresses of a packet at `off`; with `reply`, those of its answer. Returns the length of each. */
export function putAddressesOf(buf: Uint8Array, off: number, skb: SkBuff, reply: boolean): number {
  const v6 = skb.protocol === ETH_P_IPV6;
  const len = v6 ? 16 : 4;
  const from = skb.nh + (v6 ? IPV6_SADDR : IPV4_SADDR);
  const to = skb.nh + (v6 ? IPV6_DADDR : IPV4_DADDR);
  const [first, second] = reply ? [to, from] : [from, to];
  for (let i = 0; i < len; i++) {
    buf[off + i] = skb.buf[first + i]!;
    buf[off + len + i] = skb.buf[second + i]!;
  }
  return len;
}
