/**
 * The tables in which a segment finds its socket (Linux: inet_hashtables.c).
 *
 *   EstablishedTable   by 4-tuple. One chain for the three things that own a 4-tuple: connected sockets (TcpSock), half-open
 *                      requests (RequestSock) and TIME_WAIT (TimewaitSock). `state` tells which one it is.
 *   ListenTable        by local port; among the listeners of a port the most specific one wins
 *
 * Hashing is by integers and the chains run through the sockets themselves: a look-up allocates nothing.
 */
import { hash4Tuple, hashMix } from '../lib/hash.ts';
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

  /** Puts an entry in front of its chain. Its addresses must not change while it is in the table. */
  insert(e: EhashEntry): void {
    if (this.count >= this.buckets.length) this.grow();
    const h = hash4Tuple(this.secret, e.saddr, e.num, e.daddr, e.dport);
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
   * The listener for a segment to `laddr:lport` that came in by `dif`: bound to the address beats bound to any, bound to the
   * device beats bound to none; among equals of a SO_REUSEPORT group the hash of the 4-tuple chooses.
   */
  lookup(laddr: number, lport: number, dif: number, hash: number): TcpSock | null {
    const list = this.byPort.get(lport);
    if (list === undefined) return null;
    let best: TcpSock | null = null;
    let bestScore = -1;
    let group = 0;
    for (let i = 0; i < list.length; i++) {
      const tp = list[i]!;
      const score = listenScore(tp, laddr, dif);
      if (score > bestScore) {
        best = tp;
        bestScore = score;
        group = 1;
      } else if (score === bestScore && score >= 0 && tp.reuseport && best!.reuseport) {
        group++;
      }
    }
    if (group < 2) return best;
    // Any of the group may be asked; the spread is by the flow, so that one flow always meets the same one.
    let nth = ((hashMix(hash, group) >>> 0) * group) / 4294967296 | 0;
    for (let i = 0; i < list.length; i++) {
      const tp = list[i]!;
      if (tp.reuseport && listenScore(tp, laddr, dif) === bestScore && nth-- === 0) return tp;
    }
    return best;
  }

  /** All listeners, by port and in the order of listen(). */
  entries(): TcpSock[] {
    return [...this.byPort.values()].flat();
  }
}

/** How well a listener fits, -1 when it does not (Linux: compute_score). */
function listenScore(tp: TcpSock, laddr: number, dif: number): number {
  if (tp.rcvSaddr !== 0 && tp.rcvSaddr !== laddr) return -1;
  if (tp.boundDevIf !== 0 && tp.boundDevIf !== dif) return -1;
  return (tp.rcvSaddr !== 0 ? 2 : 0) + (tp.boundDevIf !== 0 ? 4 : 0);
}
