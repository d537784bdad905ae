/**
 * UDP sockets by local address and port (Linux: udp_table's hash2). The latest comes first: of sockets that share an
 * address by SO_REUSEADDR it is the one that gets what comes.
 *
 * Both families share it. The key of an IPv6 address is its hash; `::` and mapped addresses have the key of IPv4, so that one
 * chain has all who may hear a datagram to any address.
 */
import { in6Hash, in6IsAny, in6IsV4Mapped } from '../lib/addr6.ts';
import { hashMix } from '../lib/hash.ts';
import type { InetSock } from '../sock/sock.ts';

const FIRST_SIZE = 64;

/** The key of the local address of `sk`. */
export function udpHashKey(sk: InetSock): number {
  const { v6RcvSaddr } = sk;
  return v6RcvSaddr === null || in6IsAny(v6RcvSaddr) || in6IsV4Mapped(v6RcvSaddr) ? sk.rcvSaddr : in6Hash(v6RcvSaddr, 0);
}

export class UdpHash {
  private buckets: (InetSock | null)[] = new Array<InetSock | null>(FIRST_SIZE).fill(null);
  size = 0;

  /** First of the chain in which sockets of this key (an IPv4 address, or see {@link udpHashKey}) and port are, together with others. */
  chain(addr: number, port: number): InetSock | null {
    return this.buckets[hashMix(addr, port) & (this.buckets.length - 1)]!;
  }

  add(sk: InetSock): void {
    if (this.size >= this.buckets.length * 2) this.grow();
    this.link(sk);
    sk.hashed = true;
    this.size++;
  }

  /** Takes `sk` out of the chain of the key under which it was added. */
  remove(sk: InetSock, key: number): void {
    const at = hashMix(key, sk.num) & (this.buckets.length - 1);
    let prev: InetSock | null = null;
    for (let other: InetSock | null = this.buckets[at]!; other !== sk; other = other!.hashNext) prev = other;
    if (prev === null) this.buckets[at] = sk.hashNext;
    else prev.hashNext = sk.hashNext;
    sk.hashNext = null;
    sk.hashed = false;
    this.size--;
  }

  private link(sk: InetSock): void {
    const at = hashMix(udpHashKey(sk), sk.num) & (this.buckets.length - 1);
    sk.hashNext = this.buckets[at]!;
    this.buckets[at] = sk;
  }

  /** Twice the buckets; the order within a chain stays. */
  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<InetSock | null>(old.length * 2).fill(null);
    for (const first of old) {
      const chain: InetSock[] = [];
      for (let sk = first; sk !== null; sk = sk.hashNext) chain.push(sk);
      for (const sk of chain.reverse()) this.link(sk);
    }
  }
}
