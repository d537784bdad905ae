/**
 * UDP sockets by local address and port (Linux: udp_table's hash2). The latest comes first: of sockets that share an
 * address by SO_REUSEADDR it is the one that gets what comes.
 */
import { hashMix } from '../lib/hash.ts';
import type { InetSock } from '../sock/sock.ts';

const FIRST_SIZE = 64;

export class UdpHash {
  private buckets: (InetSock | null)[] = new Array<InetSock | null>(FIRST_SIZE).fill(null);
  size = 0;

  /** First of the chain in which sockets of this address and port are, together with others. */
  chain(addr: number, port: number): InetSock | null {
    return this.buckets[hashMix(addr, port) & (this.buckets.length - 1)]!;
  }

  add(sk: InetSock): void {
    if (this.size >= this.buckets.length * 2) this.grow();
    this.link(sk);
    sk.hashed = true;
    this.size++;
  }

  /** Takes `sk` out of the chain of `addr`, under which it was added. */
  remove(sk: InetSock, addr: number): void {
    const at = hashMix(addr, sk.num) & (this.buckets.length - 1);
    let prev: InetSock | null = null;
    for (let other: InetSock | null = this.buckets[at]!; other !== sk; other = other!.hashNext) prev = other;
    if (prev === null) this.buckets[at] = sk.hashNext;
    else prev.hashNext = sk.hashNext;
    sk.hashNext = null;
    sk.hashed = false;
    this.size--;
  }

  private link(sk: InetSock): void {
    const at = hashMix(sk.rcvSaddr, sk.num) & (this.buckets.length - 1);
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
