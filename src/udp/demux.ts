/**
 * Which socket? The one that says most about the datagram (Linux: udp4_lib_lookup).
 *
 * Those bound to the very address come first, whatever else; those bound to any address only if there are none. Among
 * them the score counts: a connected peer's address and port, and a device, 4 each. Equal scores: SO_REUSEPORT sockets
 * divide the flows among them, otherwise the latest wins.
 */
import { in6Equal, in6EqualsAt, in6HashAt, in6IsAny, type In6Addr } from '../lib/addr6.ts';
import { hash4Tuple, hashMix } from '../lib/hash.ts';
import { AF_INET, TCP_ESTABLISHED } from '../sock/constants.ts';
import { reuseportAdd, reuseportDetach, reuseportSelect, type ReuseportGroup } from '../sock/reuseport.ts';
import type { InetSock } from '../sock/sock.ts';
import { udpHashKey } from './hash.ts';
import type { UdpProto, UdpSock } from './sock.ts';

/** The socket for a datagram from `saddr`:`sport` to `daddr`:`dport` that came in by device `dif`, or null. */
export function udpLookup(
  udp: UdpProto, saddr: number, sport: number, daddr: number, dport: number, dif: number,
): UdpSock | null {
  return lookupAt(udp, daddr, saddr, sport, daddr, dport, dif) ?? lookupAt(udp, 0, saddr, sport, daddr, dport, dif);
}

function lookupAt(
  udp: UdpProto, bound: number, saddr: number, sport: number, daddr: number, dport: number, dif: number,
): UdpSock | null {
  let best: InetSock | null = null;
  let bestScore = -1;
  for (let sk = udp.hash.chain(bound, dport); sk !== null; sk = sk.hashNext) {
    const score = udpScore(sk, bound, saddr, sport, dport, dif);
    if (score <= bestScore) continue;
    best = sk;
    bestScore = score;
    const group = sk.reuseportGroup as ReuseportGroup | null;
    if (group === null || sk.state === TCP_ESTABLISHED) continue;
    best = reuseportSelect(group, hash4Tuple(0, daddr, dport, saddr, sport));
    // A flow of its own may be farther down the chain.
    if (!group.hasConns) break;
  }
  return best as UdpSock | null;
}

/** How well `sk` fits; -1 not at all. */
function udpScore(sk: InetSock, bound: number, saddr: number, sport: number, dport: number, dif: number): number {
  if (sk.num !== dport || sk.rcvSaddr !== bound || sk.v6only) return -1;
  let score = sk.family === AF_INET ? 2 : 1;
  if (sk.daddr !== 0) {
    if (sk.daddr !== saddr) return -1;
    score += 4;
  }
  if (sk.dport !== 0) {
    if (sk.dport !== sport) return -1;
    score += 4;
  }
  if (sk.boundDevIf !== 0) {
    if (sk.boundDevIf !== dif) return -1;
    score += 4;
  }
  return score;
}

/**
 * {@link udpLookup} for IPv6: the addresses are where the packet (or the one that an error quotes) has them, `saddr` the peer's
 * and `daddr` ours.
 */
export function udpLookup6(
  udp: UdpProto, buf: Uint8Array, saddr: number, sport: number, daddr: number, dport: number, dif: number,
): UdpSock | null {
  return lookup6At(udp, in6HashAt(buf, daddr, 0), false, buf, saddr, sport, daddr, dport, dif)
    ?? lookup6At(udp, 0, true, buf, saddr, sport, daddr, dport, dif);
}

function lookup6At(
  udp: UdpProto, key: number, any: boolean, buf: Uint8Array, saddr: number, sport: number, daddr: number, dport: number, dif: number,
): UdpSock | null {
  let best: InetSock | null = null;
  let bestScore = -1;
  for (let sk = udp.hash.chain(key, dport); sk !== null; sk = sk.hashNext) {
    const score = udpScore6(sk, any, buf, saddr, sport, daddr, dport, dif);
    if (score <= bestScore) continue;
    best = sk;
    bestScore = score;
    const group = sk.reuseportGroup as ReuseportGroup | null;
    if (group === null || sk.state === TCP_ESTABLISHED) continue;
    best = reuseportSelect(group, hashMix(in6HashAt(buf, saddr, in6HashAt(buf, daddr, 0)), (sport << 16) | dport));
    if (!group.hasConns) break;
  }
  return best as UdpSock | null;
}

/** How well `sk` fits a datagram of IPv6; -1 not at all. `any`: only those bound to `::` are looked at. */
function udpScore6(
  sk: InetSock, any: boolean, buf: Uint8Array, saddr: number, sport: number, daddr: number, dport: number, dif: number,
): number {
  const { v6RcvSaddr, v6Daddr } = sk;
  if (sk.num !== dport || v6RcvSaddr === null || sk.daddr !== 0) return -1;
  if (any ? !in6IsAny(v6RcvSaddr) : !in6EqualsAt(v6RcvSaddr, buf, daddr)) return -1;
  let score = 0;
  if (v6Daddr !== null) {
    if (!in6EqualsAt(v6Daddr, buf, saddr)) return -1;
    score += 4;
  }
  if (sk.dport !== 0) {
    if (sk.dport !== sport) return -1;
    score += 4;
  }
  if (sk.boundDevIf !== 0) {
    if (sk.boundDevIf !== dif) return -1;
    score += 4;
  }
  return score;
}

/** Does `sk` hear a datagram to a group of IPv6? */
export function udpHearsMany6(sk: InetSock, buf: Uint8Array, saddr: number, sport: number, daddr: number, dif: number): boolean {
  const { v6RcvSaddr, v6Daddr } = sk;
  if (v6RcvSaddr === null || sk.daddr !== 0) return false;
  if (v6Daddr !== null && !in6EqualsAt(v6Daddr, buf, saddr)) return false;
  if (sk.dport !== 0 && sk.dport !== sport) return false;
  if (!in6IsAny(v6RcvSaddr) && !in6EqualsAt(v6RcvSaddr, buf, daddr)) return false;
  return sk.boundDevIf === 0 || sk.boundDevIf === dif;
}

/** Does `sk` hear a datagram to many (`daddr` a broadcast or a group)? */
export function udpHearsMany(sk: InetSock, saddr: number, sport: number, daddr: number, dif: number): boolean {
  if (sk.v6only || sk.v6Daddr !== null) return false;
  if (sk.daddr !== 0 && sk.daddr !== saddr) return false;
  if (sk.dport !== 0 && sk.dport !== sport) return false;
  if (sk.rcvSaddr !== 0 && sk.rcvSaddr !== daddr) return false;
  return sk.boundDevIf === 0 || sk.boundDevIf === dif;
}

/** A bound socket can be found from here on. */
export function udpHashAdd(sk: UdpSock): void {
  const { hash } = sk.udp;
  if (sk.reuseport && sk.reuseportGroup === null) reuseportAdd(sk, sibling(sk));
  hash.add(sk);
}

/** The local address changed (connect, disconnect); it was found by `oldKey` (`udpHashKey`). */
export function udpRehash(sk: UdpSock, oldKey: number): void {
  if (!sk.hashed || udpHashKey(sk) === oldKey) return;
  sk.udp.hash.remove(sk, oldKey);
  reuseportDetach(sk);
  udpHashAdd(sk);
}

/** It cannot be found any more. No harm if it could not. */
export function udpHashRemove(sk: UdpSock): void {
  if (!sk.hashed) return;
  sk.udp.hash.remove(sk, udpHashKey(sk));
  reuseportDetach(sk);
}

/** A socket with the same address, port and device that shares them by SO_REUSEPORT. */
function sibling(sk: UdpSock): InetSock | null {
  for (let other = sk.udp.hash.chain(udpHashKey(sk), sk.num); other !== null; other = other.hashNext) {
    if (other.num !== sk.num || other.rcvSaddr !== sk.rcvSaddr || other.boundDevIf !== sk.boundDevIf) continue;
    if (other.family !== sk.family || other.v6only !== sk.v6only || !sameAddr6(other.v6RcvSaddr, sk.v6RcvSaddr)) continue;
    if (other.reuseport && other.reuseportGroup !== null) return other;
  }
  return null;
}

function sameAddr6(a: In6Addr | null, b: In6Addr | null): boolean {
  return a === b || (a !== null && b !== null && in6Equal(a, b));
}
