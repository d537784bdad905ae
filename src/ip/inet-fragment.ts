/**
 * Fragments waiting to become packets again, for both families (Linux: inet_fragment.c, ip_fragment.c, reassembly.c).
 *
 *   from  ip/reassembly.ts, ip/v6/reassembly.ts   find the queue, insert the fragment, join when all are there
 *
 * A queue holds the pieces of one packet, as runs of pieces that follow each other:
 *
 *     runs   [0 … 1480 … 2960)      [4440 … 5920)        each a list of skbs by `next`
 *
 * A piece that overlaps another is an attack or a mistake that cannot be told from one: the whole packet is given up (RFC 5722;
 * Linux does the same for IPv4). An exact or contained duplicate is ignored, as Linux does for both.
 *
 * Limits: memory of all queues (`highThresh`: above it every fragment is refused; there is no eviction since Linux 4.17, and
 * `lowThresh` is kept for its name only), time (`timeMs`), and for IPv4 disorder between packets of one source (`maxDist`).
 */
import { assert } from '../lib/assert.ts';
import { hashMix } from '../lib/hash.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { Timer } from '../time/timer.ts';
import { addOrExtend, copyBits } from '../skb/copy.ts';
import type { Drop } from '../skb/drop-reason.ts';
import { consumeSkb, type Page } from '../skb/pool.ts';
import { CHECKSUM_NONE, MAX_SKB_FRAGS, type SkBuff } from '../skb/sk-buff.ts';
import type { Net } from '../dev/net.ts';

/** `net.ipv4.ipfrag_*`, `net.ipv6.ip6frag_*`: exact kernel names are bound to these in host/sysctl. */
export class FragSysctl {
  highThresh = 4194304;
  lowThresh = 3145728;
  timeMs: number;
  /** IPv4: a packet is given up when so many fragments of other packets came from its source in between; 0: never. */
  maxDist = 64;

  constructor(timeMs: number) {
    this.timeMs = timeMs;
  }
}

/** What a queue itself is charged with (Linux: sizeof(struct ipq)). */
export const FRAG_QUEUE_SIZE = 232;

/** What {@link fragInsert} answers. */
export const FRAG_OK = 0;
export const FRAG_DUP = 1;
export const FRAG_OVERLAP = 2;

/** Pieces that follow each other without a gap. */
class FragRun {
  offset = 0;
  end = 0;
  head: SkBuff | null = null;
  tail: SkBuff | null = null;
}

/** The pieces of one packet. Reused: the table hands them out and takes them back. */
export class FragQueue {
  readonly table: FragTable;
  readonly key: Int32Array;
  readonly timer: Timer;
  /** The chain of its bucket. */
  next: FragQueue | null = null;
  alive = false;
  /** The first and the last piece are here. */
  firstIn = false;
  lastIn = false;
  /** Bytes of payload that the packet has, as far as is known, and bytes that are here. */
  len = 0;
  meat = 0;
  /** What it is charged with. */
  mem = 0;
  nrRuns = 0;
  readonly runs: FragRun[] = [];
  // ---- the family's corner
  /** ECN bits seen, one bit for each value. */
  ecn = 0;
  /** Device that the last piece came in by. */
  iif = 0;
  /** Longest piece, and longest one with DF, headers included. */
  maxSize = 0;
  maxDfSize = 0;
  /** IPv4: the source's count of fragments when its last piece came (`maxDist`). */
  rid = 0;
  peer: object | null = null;
  /** IPv6: where the next-header byte is that named the fragment header. */
  nhoff = 0;

  constructor(table: FragTable, expire: (q: FragQueue) => void) {
    this.table = table;
    this.key = new Int32Array(table.key.length);
    this.timer = new Timer(table.net.sim, table.net.cpu, expire, false, this);
  }

  get complete(): boolean {
    return this.firstIn && this.lastIn && this.meat === this.len;
  }

  /** The piece that begins the packet, or null. */
  get first(): SkBuff | null {
    return this.firstIn ? this.runs[0]!.head : null;
  }
}

const BUCKETS = 64;
/** Queues kept for reuse. */
const KEEP_QUEUES = 64;

/** All packets of a family that are being put together on a host. */
export class FragTable {
  readonly net: Net;
  readonly sysctl: FragSysctl;
  /** Write the key of a fragment here, then call `find`. */
  readonly key: Int32Array;
  /** Bytes charged: skbs (truesize) and queues. */
  mem = 0;
  queues = 0;
  private readonly buckets: (FragQueue | null)[] = new Array<FragQueue | null>(BUCKETS).fill(null);
  private readonly free: FragQueue[] = [];
  private readonly expire: (q: FragQueue) => void;

  /** `keyWords`: int32 words that tell packets apart. `expire` is called when a queue's time is over; it kills the queue. */
  constructor(net: Net, sysctl: FragSysctl, keyWords: number, expire: (q: FragQueue) => void) {
    this.net = net;
    this.sysctl = sysctl;
    this.key = new Int32Array(keyWords);
    this.expire = expire;
  }

  /** The queue of `key`, made when there is none; null when the memory is used up (Linux: inet_frag_find). */
  find(): FragQueue | null {
    const { highThresh, timeMs } = this.sysctl;
    if (this.mem > highThresh || highThresh === 0) return null;
    const bucket = this.bucketOf(this.key);
    for (let q: FragQueue | null = this.buckets[bucket]!; q !== null; q = q.next) if (sameKey(q.key, this.key)) return q;
    const q = this.free.pop() ?? new FragQueue(this, this.expire);
    q.key.set(this.key);
    q.alive = true;
    q.next = this.buckets[bucket]!;
    this.buckets[bucket] = q;
    this.queues++;
    this.charge(q, FRAG_QUEUE_SIZE);
    q.timer.mod(this.net.cpu.now + timeMs * NS_PER_MS);
    return q;
  }

  charge(q: FragQueue, bytes: number): void {
    q.mem += bytes;
    this.mem += bytes;
  }

  /** Ends a queue; what is left in it is dropped with `reason`. */
  kill(q: FragQueue, reason: Drop): void {
    if (!q.alive) return;
    fragPurge(q, reason);
    const bucket = this.bucketOf(q.key);
    let prev: FragQueue | null = null;
    for (let at: FragQueue | null = this.buckets[bucket]!; at !== q; at = at!.next) prev = at;
    if (prev === null) this.buckets[bucket] = q.next;
    else prev.next = q.next;
    q.next = null;
    q.timer.del();
    this.charge(q, -q.mem);
    this.queues--;
    assert(this.mem >= 0 && (this.queues > 0 || this.mem === 0), 'fragments are charged as often as they are given back');
    q.alive = false;
    q.peer = null;
    if (this.free.length < KEEP_QUEUES) this.free.push(q);
  }

  /** Ends all queues: the host goes down. */
  flush(reason: Drop): void {
    for (let i = 0; i < BUCKETS; i++) while (this.buckets[i] !== null) this.kill(this.buckets[i]!, reason);
  }

  private bucketOf(key: Int32Array): number {
    let h = 0;
    for (let i = 0; i < key.length; i++) h = hashMix(h, key[i]!);
    return h & (BUCKETS - 1);
  }
}

function sameKey(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Drops the pieces; the queue begins anew (its time goes on). */
export function fragPurge(q: FragQueue, reason: Drop): void {
  const { net } = q.table;
  for (let i = 0; i < q.nrRuns; i++) {
    const run = q.runs[i]!;
    for (let skb = run.head; skb !== null;) {
      const { next } = skb;
      skb.next = null;
      q.table.charge(q, -skb.truesize);
      net.drop(skb, reason);
      skb = next;
    }
    run.head = null;
    run.tail = null;
  }
  q.nrRuns = 0;
  q.firstIn = false;
  q.lastIn = false;
  q.len = 0;
  q.meat = 0;
  q.ecn = 0;
  q.iif = 0;
  q.maxSize = 0;
  q.maxDfSize = 0;
}

/**
 * Says that a piece ends at `end` of the payload, and whether it is the last. False when that contradicts the pieces that
 * are here (RFC 815; a packet with two ends, or with bytes behind its end).
 */
export function fragExtend(q: FragQueue, end: number, last: boolean): boolean {
  if (last) {
    if (end < q.len || (q.lastIn && end !== q.len)) return false;
    q.lastIn = true;
    q.len = end;
  } else if (end > q.len) {
    if (q.lastIn) return false;
    q.len = end;
  }
  return true;
}

/**
 * Puts a piece into its place: `skb` holds exactly the bytes from `offset` to `end` of the payload, its headers pulled off.
 * Takes the skb when the answer is FRAG_OK; else it stays the caller's.
 */
export function fragInsert(q: FragQueue, skb: SkBuff, offset: number, end: number): number {
  let at = q.nrRuns;
  // Most pieces come in order: the place is the end.
  if (at > 0 && offset < q.runs[at - 1]!.end) at = placeOf(q, offset);
  const before = at > 0 ? q.runs[at - 1]! : null;
  const after = at < q.nrRuns ? q.runs[at]! : null;
  if (before !== null && offset < before.end) return end <= before.end ? FRAG_DUP : FRAG_OVERLAP;
  if (after !== null && end > after.offset) return FRAG_OVERLAP;
  skb.next = null;
  skb.cb0 = offset;
  if (before !== null && before.end === offset) {
    before.tail!.next = skb;
    before.tail = skb;
    before.end = end;
  } else {
    const run = insertRun(q, at);
    run.offset = offset;
    run.end = end;
    run.head = skb;
    run.tail = skb;
  }
  q.meat += skb.len;
  if (offset === 0) q.firstIn = true;
  q.table.charge(q, skb.truesize);
  return FRAG_OK;
}

/** How many runs begin at or before `offset`. */
function placeOf(q: FragQueue, offset: number): number {
  let low = 0;
  let high = q.nrRuns;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (q.runs[mid]!.offset <= offset) low = mid + 1;
    else high = mid;
  }
  return low;
}

function insertRun(q: FragQueue, at: number): FragRun {
  const { runs } = q;
  const run = runs[q.nrRuns] ?? new FragRun();
  for (let i = q.nrRuns; i > at; i--) runs[i] = runs[i - 1]!;
  runs[at] = run;
  q.nrRuns++;
  return run;
}

/**
 * Makes one packet of the pieces, which are all here: the first skb, with its headers as they are in front of `data`, and all
 * payload behind. Payload is shared where the references find room, else copied into one page. The queue is empty afterwards;
 * the caller owns the skb and kills the queue.
 */
export function fragJoin(q: FragQueue): SkBuff {
  const head = q.runs[0]!.head!;
  const { len } = q;
  if (q.nrRuns > 1 || head.next !== null) {
    if (canShare(q)) forEachLater(q, (skb) => movePieces(skb, head));
    else copyPieces(q, head);
  }
  let piece = head.next;
  q.table.charge(q, -head.truesize);
  for (let i = 0; i < q.nrRuns; i++) {
    if (i > 0) piece = q.runs[i]!.head;
    while (piece !== null) {
      const { next } = piece;
      piece.next = null;
      q.table.charge(q, -piece.truesize);
      head.truesize += piece.truesize;
      consumeSkb(piece);
      piece = next;
    }
    q.runs[i]!.head = null;
    q.runs[i]!.tail = null;
  }
  head.next = null;
  head.cb0 = 0;
  head.ipSummed = CHECKSUM_NONE;
  q.nrRuns = 0;
  assert(head.len === len, 'a reassembled packet is as long as its last piece said');
  return head;
}

/** Calls `visit` with every piece but the first, in order. */
function forEachLater(q: FragQueue, visit: (skb: SkBuff) => void): void {
  for (let i = 0; i < q.nrRuns; i++) {
    let skb = q.runs[i]!.head;
    if (i === 0) skb = skb!.next;
    for (; skb !== null; skb = skb.next) visit(skb);
  }
}

/** No payload in header areas, and no more references than an skb holds? */
function canShare(q: FragQueue): boolean {
  const head = q.runs[0]!.head!;
  let refs = head.nrFrags;
  let page: Page | null = refs === 0 ? null : head.frags[refs - 1]!.page;
  let end = refs === 0 ? 0 : head.frags[refs - 1]!.off + head.frags[refs - 1]!.len;
  let good = true;
  forEachLater(q, (skb) => {
    if (skb.headLen > 0) good = false;
    for (let i = 0; i < skb.nrFrags; i++) {
      const frag = skb.frags[i]!;
      if (frag.page !== page || frag.off !== end) refs++;
      page = frag.page;
      end = frag.off + frag.len;
    }
  });
  return good && refs <= MAX_SKB_FRAGS;
}

function movePieces(from: SkBuff, to: SkBuff): void {
  for (let i = 0; i < from.nrFrags; i++) {
    const frag = from.frags[i]!;
    addOrExtend(to, frag.page!, frag.off, frag.len);
  }
}

/** Copies all that does not stand in the first piece's header area into one page. */
function copyPieces(q: FragQueue, head: SkBuff): void {
  const page = head.pool.allocPage(q.len - head.headLen);
  let at = head.dataLen;
  copyBits(head, head.headLen, page.bytes, 0, at);
  forEachLater(q, (skb) => {
    copyBits(skb, 0, page.bytes, at, skb.len);
    at += skb.len;
  });
  page.fill = at;
  head.pool.dropFrags(head);
  head.addFrag(page, 0, at);
  head.pool.putPage(page);
}
