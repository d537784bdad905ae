/**
 * The tables in which a segment finds its socket (Linux: inet_hashtables.c).
 *
 *   EstablishedTable   by 4-tuple. One chain for the three things that own a 4-tuple: connected sockets (TcpSock), half-open
 *                      requests (RequestSock) and TIME_WAIT (TimewaitSock). `state` tells which one it is.
 *   ListenTable        by local port; among the listeners of a port the most specific one wins
 *
 * Both families share the tables: an IPv6 entry has `v6Daddr`, and 0.0.0.0 for IPv4, from which no segment comes. The look-ups
 * whose names end in `6At` read the addresses of the packet where they are.
 *
 * Hashing is by integers and the chains run through the sockets themselves: a look-up allocates nothing.
 */
import { in6Equal, in6EqualsAt, in6Hash, in6HashAt, in6IsAny, type In6Addr } from '../lib/addr6.ts';
import { hash4Tuple, hashMix } from '../lib/hash.ts';
import { AF_INET } from '../sock/constants.ts';
import type { TcpSock } from './sock.ts';

/** `lastOowAckMs` of somebody who has not sent an answer to a segment out of the window yet: long ago. */
export const OOW_NEVER = -0x40000000;

/** What an entry of the table by 4-tuple shows of itself. */
export interface EhashEntry {
  ehashNext: EhashEntry | null;
  ehash: number;
  /** TCP_NEW_SYN_RECV: a RequestSock; TCP_TIME_WAIT: a TimewaitSock; anything else: a TcpSock. */
  readonly state: number;
  /** Local address and port, the peer's. */
  saddr: number;
  num: number;
  daddr: number;
  dport: number;
  /** The same in IPv6; null when the packets are IPv4. */
  v6Saddr: In6Addr | null;
  v6Daddr: In6Addr | null;
  /** Interface it is bound to, 0 = any. */
  boundDevIf: number;
}

/** Buckets at the start; doubled when there are as many entries. */
const INITIAL_BUCKETS = 256;

export class EstablishedTable {
  /** Entries. */
  count = 0;
  private readonly secret: number;
  private buckets: (EhashEntry | null)[] = new Array<EhashEntry | null>(INITIAL_BUCKETS).fill(null);
  private mask: number = INITIAL_BUCKETS - 1;

  constructor(secret: number) {
    this.secret = secret;
  }

  hash(laddr: number, lport: number, faddr: number, fport: number): number {
    return hash4Tuple(this.secret, laddr, lport, faddr, fport);
  }

  /** The owner of a 4-tuple, or null. `dif` is the interface that the segment came in by. */
  lookup(laddr: number, lport: number, faddr: number, fport: number, dif: number): EhashEntry | null {
    const h = hash4Tuple(this.secret, laddr, lport, faddr, fport);
    let e = this.buckets[h & this.mask]!;
    while (e !== null) {
      if (
        e.ehash === h && e.daddr === faddr && e.dport === fport && e.num === lport && e.saddr === laddr &&
        (e.boundDevIf === 0 || e.boundDevIf === dif)
      ) {
        return e;
      }
      e = e.ehashNext!;
    }
    return null;
  }

  hash6At(buf: Uint8Array, laddr: number, lport: number, faddr: number, fport: number): number {
    return hashMix(in6HashAt(buf, faddr, in6HashAt(buf, laddr, this.secret)), (lport << 16) | fport);
  }

  /** {@link lookup} for IPv6: the addresses are at the offsets `laddr` and `faddr` of `buf`. */
  lookup6At(buf: Uint8Array, laddr: number, lport: number, faddr: number, fport: number, dif: number): EhashEntry | null {
    const h = this.hash6At(buf, laddr, lport, faddr, fport);
    let e = this.buckets[h & this.mask]!;
    while (e !== null) {
      if (
        e.ehash === h && e.dport === fport && e.num === lport && e.v6Daddr !== null && in6EqualsAt(e.v6Daddr, buf, faddr) &&
        in6EqualsAt(e.v6Saddr!, buf, laddr) && (e.boundDevIf === 0 || e.boundDevIf === dif)
      ) {
        return e;
      }
      e = e.ehashNext!;
    }
    return null;
  }

  /** The owner of an IPv6 4-tuple, or null. */
  find6(laddr: In6Addr, lport: number, faddr: In6Addr, fport: number, dif: number): EhashEntry | null {
    const h = this.hash6(laddr, lport, faddr, fport);
    let e = this.buckets[h & this.mask]!;
    while (e !== null) {
      if (
        e.ehash === h && e.dport === fport && e.num === lport && e.v6Daddr !== null && in6Equal(e.v6Daddr, faddr) &&
        in6Equal(e.v6Saddr!, laddr) && (e.boundDevIf === 0 || e.boundDevIf === dif)
      ) {
        return e;
      }
      e = e.ehashNext!;
    }
    return null;
  }

  private hash6(laddr: In6Addr, lport: number, faddr: In6Addr, fport: number): number {
    return hashMix(in6Hash(faddr, in6Hash(laddr, this.secret)), (lport << 16) | fport);
  }

  /** Puts an entry in front of its chain. Its addresses must not change while it is in the table. */
  insert(e: EhashEntry): void {
    if (this.count >= this.buckets.length) this.grow();
    const h = e.v6Daddr === null
      ? hash4Tuple(this.secret, e.saddr, e.num, e.daddr, e.dport)
      : this.hash6(e.v6Saddr!, e.num, e.v6Daddr, e.dport);
    e.ehash = h;
    e.ehashNext = this.buckets[h & this.mask]!;
    this.buckets[h & this.mask] = e;
    this.count++;
  }

  /** Takes an entry out. False when it was not in the table. */
  remove(e: EhashEntry): boolean {
    const i = e.ehash & this.mask;
    let at = this.buckets[i]!;
    let prev: EhashEntry | null = null;
    while (at !== null) {
      if (at === e) {
        if (prev === null) this.buckets[i] = e.ehashNext;
        else prev.ehashNext = e.ehashNext;
        e.ehashNext = null;
        this.count--;
        return true;
      }
      prev = at;
      at = at.ehashNext!;
    }
    return false;
  }

  /** Everything in the table, in no promised order but the same one in every run. For `ss` and for tests. */
  entries(): EhashEntry[] {
    const out: EhashEntry[] = [];
    for (const head of this.buckets) {
      for (let e = head; e !== null; e = e.ehashNext) out.push(e);
    }
    return out;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<EhashEntry | null>(old.length * 2).fill(null);
    this.mask = this.buckets.length - 1;
    for (const head of old) {
      let e = head;
      while (e !== null) {
        const next: EhashEntry | null = e.ehashNext;
        e.ehashNext = this.buckets[e.ehash & this.mask]!;
        this.buckets[e.ehash & this.mask] = e;
        e = next;
      }
    }
  }
}

/** Listeners by port: few per port, so a chain through `hashNext`. */
export class ListenTable {
  private readonly byPort: Map<number, TcpSock[]> = new Map();
  /** Of the listeners being compared. */
  private readonly scores: number[] = [];

  insert(tp: TcpSock): void {
    const list = this.byPort.get(tp.num);
    if (list === undefined) this.byPort.set(tp.num, [tp]);
    else list.push(tp);
    tp.hashed = true;
  }

  remove(tp: TcpSock): void {
    const list = this.byPort.get(tp.num);
    const i = list === undefined ? -1 : list.indexOf(tp);
    if (i < 0) return;
    list!.splice(i, 1);
    if (list!.length === 0) this.byPort.delete(tp.num);
    tp.hashed = false;
  }

  /**
   * The listener for a segment to `laddr:lport` that came in by `dif`: bound to the device beats bound to none, bound to the
   * address beats bound to any, one of AF_INET beats one that speaks IPv4 besides IPv6; among equals of a SO_REUSEPORT group the
   * hash of the 4-tuple chooses.
   */
  lookup(laddr: number, lport: number, dif: number, hash: number): TcpSock | null {
    const list = this.byPort.get(lport);
    if (list === undefined) return null;
    const { scores } = this;
    for (let i = 0; i < list.length; i++) scores[i] = listenScore(list[i]!, laddr, dif);
    return best(list, scores, hash);
  }

  /** {@link lookup} for IPv6: the address is at `laddr` in `buf`. */
  lookup6At(buf: Uint8Array, laddr: number, lport: number, dif: number, hash: number): TcpSock | null {
    const list = this.byPort.get(lport);
    if (list === undefined) return null;
    const { scores } = this;
    for (let i = 0; i < list.length; i++) scores[i] = listenScore6(list[i]!, buf, laddr, dif);
    return best(list, scores, hash);
  }

  /** All listeners, by port and in the order of listen(). */
  entries(): TcpSock[] {
    return [...this.byPort.values()].flat();
  }
}

/** The listener with the highest score that is not -1; of several that share by SO_REUSEPORT the one that the hash chooses. */
function best(list: readonly TcpSock[], scores: readonly number[], hash: number): TcpSock | null {
  let found: TcpSock | null = null;
  let bestScore = -1;
  let group = 0;
  for (let i = 0; i < list.length; i++) {
    const tp = list[i]!;
    const score = scores[i]!;
    if (score > bestScore) {
      found = tp;
      bestScore = score;
      group = 1;
    } else if (score === bestScore && score >= 0 && tp.reuseport && found!.reuseport) {
      group++;
    }
  }
  if (group < 2) return found;
  // Any of the group may be asked; the spread is by the flow, so that one flow always meets the same one.
  let nth = ((hashMix(hash, group) >>> 0) * group) / 4294967296 | 0;
  for (let i = 0; i < list.length; i++) {
    if (list[i]!.reuseport && scores[i] === bestScore && nth-- === 0) return list[i]!;
  }
  return found;
}

/** How well a listener fits, -1 when it does not (Linux: compute_score). */
function listenScore(tp: TcpSock, laddr: number, dif: number): number {
  if ((tp.rcvSaddr !== 0 && tp.rcvSaddr !== laddr) || tp.v6only) return -1;
  if (tp.boundDevIf !== 0 && tp.boundDevIf !== dif) return -1;
  return (tp.family === AF_INET ? 1 : 0) + (tp.rcvSaddr !== 0 ? 2 : 0) + (tp.boundDevIf !== 0 ? 4 : 0);
}

/** The same for IPv6. */
function listenScore6(tp: TcpSock, buf: Uint8Array, laddr: number, dif: number): number {
  const { v6RcvSaddr } = tp;
  if (v6RcvSaddr === null) return -1;
  const any = in6IsAny(v6RcvSaddr);
  if (!any && !in6EqualsAt(v6RcvSaddr, buf, laddr)) return -1;
  if (tp.boundDevIf !== 0 && tp.boundDevIf !== dif) return -1;
  return (any ? 0 : 2) + (tp.boundDevIf !== 0 ? 4 : 0);
}
