/**
 * Ports: who is bound where, who may share, and which one is free.
 *
 * One table per protocol and host. A bucket stands for a port that somebody holds; whatever holds it hangs in the
 * bucket's list: sockets, accepted connections, TIME_WAITs. The rules of sharing are those of socket(7) and ip(7), as Linux
 * applies them (inet_bind_conflict):
 *
 *   two overlap            same port; same device or one of them any; same address or one of them any, in IPv4 or in IPv6
 *   SO_REUSEADDR on both   may overlap, unless the one that is there is listening
 *   SO_REUSEPORT on both   may overlap
 *
 * A socket of AF_INET6 claims addresses of both families when it is bound to `::` (without IPV6_V6ONLY), of IPv4 when it is
 * bound to a mapped one.
 *
 * An ephemeral port never overlaps. connect() may use a port again that only other connect()s use: the 4-tuple differs.
 */
import { in6Any, in6Equal, in6IsAny, in6IsV4Mapped, type In6Addr } from '../lib/addr6.ts';
import { EADDRINUSE, EADDRNOTAVAIL } from '../lib/errno.ts';
import { SipKey } from '../lib/hash.ts';
import type { Random } from '../lib/random.ts';
import { TCP_LISTEN } from './constants.ts';
import type { InetSock } from './sock.ts';

/** What hangs in a bucket: a socket, or what is left of one (TIME_WAIT). */
export interface Bound {
  readonly num: number;
  readonly rcvSaddr: number;
  /** Null: only IPv4 concerns it. */
  readonly v6RcvSaddr: In6Addr | null;
  readonly v6only: boolean;
  readonly state: number;
  readonly boundDevIf: number;
  readonly reuse: boolean;
  readonly reuseport: boolean;
  bindBucket: object | null;
  nextBound: Bound | null;
  prevBound: Bound | null;
}

/** Asked by `portsConnectBind`: may `sk` (saddr, daddr, dport set) use local port `port`, which others use for other peers? */
export interface PortChecker {
  isFree(sk: InetSock, port: number): boolean;
}

/** A port that is held. */
export class PortBucket {
  readonly port: number;
  /** Made by a connect() without bind(), and not bound by anybody since: free for other connect()s. */
  connectOnly: boolean;
  /** The latest first. */
  head: Bound | null = null;
  owners = 0;

  constructor(port: number, connectOnly: boolean) {
    this.port = port;
    this.connectOnly = connectOnly;
  }
}

/** Counters that move the choice of connect() on, per hash of the peer (RFC 6056 §3.3.4, algorithm 4). */
const PERTURB_SIZE = 256;

export class PortTable {
  /** net.ipv4.ip_local_port_range, both ends included; shared with the sysctl. */
  readonly range: [number, number];
  readonly random: Random;
  private readonly buckets: Map<number, PortBucket> = new Map();
  /** Made when the first connect() needs them. */
  private key: SipKey | null = null;
  private perturb: Int32Array | null = null;

  constructor(range: [number, number], random: Random) {
    this.range = range;
    this.random = random;
  }

  /** Ports that are held. */
  get size(): number {
    return this.buckets.size;
  }

  find(port: number): PortBucket | null {
    return this.buckets.get(port) ?? null;
  }

  all(): IterableIterator<PortBucket> {
    return this.buckets.values();
  }

  create(port: number, connectOnly: boolean): PortBucket {
    const bucket = new PortBucket(port, connectOnly);
    this.buckets.set(port, bucket);
    return bucket;
  }

  remove(bucket: PortBucket): void {
    this.buckets.delete(bucket.port);
  }

  /** Where to begin looking, for this pair of addresses and peer port: the same as last time, and then some. */
  connectOffset(sk: InetSock): number {
    const { random } = this;
    this.key ??= new SipKey(random.next32(), random.next32(), random.next32(), random.next32());
    this.perturb ??= new Int32Array(PERTURB_SIZE);
    const low = hashPeer(this.key, sk);
    return (this.perturb[low & (PERTURB_SIZE - 1)]! + this.key.hi) >>> 0;
  }

  /** A port was found `tried` steps after the offset: the next connect() begins behind it, and a little farther. */
  connectAdvance(sk: InetSock, tried: number): void {
    const low = hashPeer(this.key!, sk);
    const step = Math.max(tried, this.random.below(8) * 2) + 2;
    this.perturb![low & (PERTURB_SIZE - 1)]! += step;
  }
}

/** Who talks to whom: addresses, and the peer's port. */
function hashPeer(key: SipKey, sk: InetSock): number {
  const to = sk.v6Daddr;
  if (to === null) return key.hash4(sk.saddr, sk.daddr, sk.dport, 0);
  const from = sk.v6Saddr ?? in6Any;
  return key.hashWords(Int32Array.of(from.a, from.b, from.c, from.d, to.a, to.b, to.c, to.d, sk.dport), 9);
}

/**
 * Binds `sk` (`rcvSaddr` set) to `port`, 0 = an ephemeral one. Sets `sk.num`. A socket that holds the port already (listen()
 * after bind()) keeps it, if nobody else has begun to listen there.
 *
 * @returns 0 or -EADDRINUSE
 */
export function portsBind(table: PortTable, sk: InetSock, port: number): number {
  if (port === 0) return bindEphemeral(table, sk);
  const bucket = table.find(port);
  if (bucket !== null && conflict(sk, bucket, true)) return -EADDRINUSE;
  if (sk.bindBucket === null) take(bucket ?? table.create(port, false), sk, port);
  return 0;
}

/** Does somebody in the bucket forbid `sk` to join? `share`: the two may agree to (not for an ephemeral port). */
function conflict(sk: InetSock, bucket: PortBucket, share: boolean): boolean {
  for (let other = bucket.head; other !== null; other = other.nextBound) {
    if (other === sk || !overlaps(sk, other)) continue;
    if (!share) return true;
    const byAddr = sk.reuse && other.reuse && other.state !== TCP_LISTEN;
    const byPort = sk.reuseport && other.reuseport;
    if (!byAddr && !byPort) return true;
  }
  return false;
}

function overlaps(a: Bound, b: Bound): boolean {
  const devices = a.boundDevIf === 0 || b.boundDevIf === 0 || a.boundDevIf === b.boundDevIf;
  return devices && (overlapsV4(a, b) || overlapsV6(a, b));
}

/** Do both claim the same IPv4 address? */
function overlapsV4(a: Bound, b: Bound): boolean {
  if (!claimsV4(a) || !claimsV4(b)) return false;
  return a.rcvSaddr === 0 || b.rcvSaddr === 0 || a.rcvSaddr === b.rcvSaddr;
}

function claimsV4(sk: Bound): boolean {
  const { v6RcvSaddr } = sk;
  return v6RcvSaddr === null || in6IsV4Mapped(v6RcvSaddr) || (!sk.v6only && in6IsAny(v6RcvSaddr));
}

/** Do both claim the same IPv6 address? */
function overlapsV6(a: Bound, b: Bound): boolean {
  const x = a.v6RcvSaddr;
  const y = b.v6RcvSaddr;
  if (x === null || y === null || in6IsV4Mapped(x) || in6IsV4Mapped(y)) return false;
  return in6IsAny(x) || in6IsAny(y) || in6Equal(x, y);
}

function take(bucket: PortBucket, sk: InetSock, port: number): void {
  bucket.connectOnly = false;
  link(bucket, sk);
  sk.num = port;
}

/** A random free port. Odd ones (counted from the start of the range) first: connect() looks at the even ones first. */
function bindEphemeral(table: PortTable, sk: InetSock): number {
  const [low, high] = portRange(table, sk);
  let span = high - low + 1;
  if (span > 1) span &= ~1;
  let offset = table.random.below(span) | 1;
  for (let pass = 0; pass < 2; pass++, offset--) {
    for (let i = 0; i < span; i += 2) {
      const port = low + ((offset + i) % span);
      const bucket = table.find(port);
      if (bucket !== null && conflict(sk, bucket, false)) continue;
      take(bucket ?? table.create(port, false), sk, port);
      return 0;
    }
  }
  return -EADDRINUSE;
}

/** net.ipv4.ip_local_port_range, or the socket's own within it (IP_LOCAL_PORT_RANGE). */
function portRange(table: PortTable, sk: InetSock): readonly [number, number] {
  const [low, high] = table.range;
  const own = sk.localPortRange;
  if (own === 0) return table.range;
  const from = own & 0xffff;
  const to = own >>> 16;
  return [from !== 0 && from >= low && from <= high ? from : low, to !== 0 && to >= low && to <= high ? to : high];
}

/**
 * Chooses a local port for connect(): `saddr`, `daddr`, `dport` are set. Sets `sk.num`. A socket that is bound already keeps
 * its port, if the 4-tuple is free.
 *
 * RFC 6056 §3.3.4: a keyed hash of the peer gives the first candidate, a counter moves on. So ports are hard to guess,
 * and one that was used for this peer comes again as late as possible.
 *
 * @returns 0 or -EADDRNOTAVAIL
 */
export function portsConnectBind(table: PortTable, sk: InetSock, check: PortChecker): number {
  if (sk.num !== 0) return check.isFree(sk, sk.num) ? 0 : -EADDRNOTAVAIL;
  const [low, high] = portRange(table, sk);
  let span = high - low + 1;
  if (span > 1) span &= ~1;
  let offset = (table.connectOffset(sk) % span) & ~1;
  for (let pass = 0; pass < 2 && pass < span; pass++, offset++) {
    for (let i = 0; i < span; i += 2) {
      const port = low + ((offset + i) % span);
      const bucket = table.find(port);
      if (bucket !== null && (!bucket.connectOnly || !check.isFree(sk, port))) continue;
      link(bucket ?? table.create(port, true), sk);
      sk.num = port;
      table.connectAdvance(sk, i);
      return 0;
    }
  }
  return -EADDRNOTAVAIL;
}

/** Puts `child` (accepted connection, TIME_WAIT), whose `num` is set, into the bucket of `parent`. */
export function portsInherit(table: PortTable, parent: Bound, child: Bound): void {
  const bucket = parent.bindBucket as PortBucket | null;
  if (bucket !== null && bucket.port === child.num) link(bucket, child);
  else link(table.find(child.num) ?? table.create(child.num, false), child);
}

/** Gives the port up. No harm when none is held. `sk.num` is left to its owner, who may still print it. */
export function portsUnbind(table: PortTable, sk: Bound): void {
  const bucket = sk.bindBucket as PortBucket | null;
  if (bucket === null) return;
  if (sk.prevBound === null) bucket.head = sk.nextBound;
  else sk.prevBound.nextBound = sk.nextBound;
  if (sk.nextBound !== null) sk.nextBound.prevBound = sk.prevBound;
  sk.nextBound = null;
  sk.prevBound = null;
  sk.bindBucket = null;
  if (--bucket.owners === 0) table.remove(bucket);
}

function link(bucket: PortBucket, sk: Bound): void {
  sk.bindBucket = bucket;
  sk.prevBound = null;
  sk.nextBound = bucket.head;
  if (bucket.head !== null) bucket.head.prevBound = sk;
  bucket.head = sk;
  bucket.owners++;
}
