/**
 * Which socket? The one that says most about the datagram (Linux: udp4_lib_lookup).
 *
 * Those bound to the very address come first, whatever else; those bound to any address only if there are none. Among
 * them the score counts: a connected peer's address and port, and a device, 4 each. Equal scores: SO_REUSEPORT sockets
 * divide the flows among them, otherwise the latest wins.
 */
import { hash4Tuple } from '../lib/hash.ts';
import { TCP_ESTABLISHED } from '../sock/constants.ts';
import { reuseportAdd, reuseportDetach, reuseportSelect, type ReuseportGroup } from '../sock/reuseport.ts';
import type { InetSock } from '../sock/sock.ts';
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
  if (sk.num !== dport || sk.rcvSaddr !== bound) return -1;
  let score = 2;
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

/** Does `sk` hear a datagram to many (`daddr` a broadcast or a group)? */
export function udpHearsMany(sk: InetSock, saddr: number, sport: number, daddr: number, dif: number): boolean {
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

/** The local address changed from `oldAddr` (connect, disconnect). */
export function udpRehash(sk: UdpSock, oldAddr: number): void {
  if (!sk.hashed || sk.rcvSaddr === oldAddr) return;
  sk.udp.hash.remove(sk, oldAddr);
  reuseportDetach(sk);
  udpHashAdd(sk);
}

/** It cannot be found any more. No harm if it could not. */
export function udpHashRemove(sk: UdpSock): void {
  if (!sk.hashed) return;
  sk.udp.hash.remove(sk, sk.rcvSaddr);
  reuseportDetach(sk);
}

/** A socket with the same address, port and device that shares them by SO_REUSEPORT. */
function sibling(sk: UdpSock): InetSock | null {
  for (let other = sk.udp.hash.chain(sk.rcvSaddr, sk.num); other !== null; other = other.hashNext) {
    if (other.num !== sk.num || other.rcvSaddr !== sk.rcvSaddr || other.boundDevIf !== sk.boundDevIf) continue;
    if (other.reuseport && other.reuseportGroup !== null) return other;
  }
  return null;
}
