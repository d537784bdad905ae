/**
 * Where skbs and payload pages come from, and where they go back to. One pool per world: packets cross from host to
 * host. `live` counts what is in use, so that a test can ask for zero at the end.
 */
import { assert } from '../lib/assert.ts';
import { CHECKSUM_NONE, PACKET_HOST, SkBuff, SKB_TRUESIZE_OVERHEAD } from './sk-buff.ts';
import { Drop, NR_DROP_REASONS } from './drop-reason.ts';
import type { Tracer } from './trace.ts';
import { skbUbufPut } from './ubuf.ts';

/** Sizes of payload pages. A page is taken from the smallest class that fits. */
const PAGE_CLASSES: readonly number[] = [2048, 16384, 65536];
/** Free pages kept per class, and free skbs: beyond it they are left to the garbage collector. */
const KEEP_PAGES: readonly number[] = [4096, 512, 256];
const KEEP_SKBS = 8192;

/** The class of pages that are a user's memory: none of the pool's. */
const LENT = -1;

/** A block of payload bytes, shared by references. `fill` is how many bytes its writer has used. */
export class Page {
  readonly bytes: Uint8Array;
  readonly sizeClass: number;
  refs = 0;
  fill = 0;
  /** Who goes on filling it while others hold references; null after it was freed. */
  filler: object | null = null;

  constructor(bytes: Uint8Array, sizeClass: number) {
    this.bytes = bytes;
    this.sizeClass = sizeClass;
  }
}

/** Told of each drop when somebody listens: the packet (still whole), the reason, and where. */
export type DropListener = (skb: SkBuff, reason: Drop, where: string) => void;

export class SkbPool {
  /** Skbs in use. */
  live = 0;
  /** Pages in use. */
  livePages = 0;
  /** Dropped packets by reason, all hosts and cables together. */
  readonly drops: Float64Array = new Float64Array(NR_DROP_REASONS);
  onDrop: DropListener | null = null;
  /** Who follows packets, and `skb.trace` of those that are born now: 0 or TRACE_BORN. */
  tracer: Tracer | null = null;
  tracing = 0;
  private readonly free: SkBuff[] = [];
  private readonly freePages: Page[][] = PAGE_CLASSES.map(() => []);

  /** An empty skb with `headroom` bytes reserved. The caller owns it. */
  alloc(headroom: number): SkBuff {
    const skb = this.free.pop() ?? new SkBuff(this);
    this.live++;
    skb.alive = true;
    skb.trace = this.tracing;
    skb.data = headroom;
    skb.tail = headroom;
    skb.truesize = SKB_TRUESIZE_OVERHEAD;
    return skb;
  }

  /** A page of at least `size` bytes with one reference, the caller's. Larger ones are made to measure. */
  allocPage(size: number): Page {
    let c = 0;
    while (c < PAGE_CLASSES.length && PAGE_CLASSES[c]! < size) c++;
    const page = this.freePages[c]?.pop() ?? new Page(new Uint8Array(PAGE_CLASSES[c] ?? size), c);
    page.refs = 1;
    page.fill = 0;
    page.filler = null;
    this.livePages++;
    return page;
  }

  /** Memory of a user as a page with one reference, the caller's. It never becomes the pool's. */
  lendPage(bytes: Uint8Array): Page {
    const page = new Page(bytes, LENT);
    page.refs = 1;
    page.fill = bytes.length;
    this.livePages++;
    return page;
  }

  /** Gives up one reference to a page. */
  putPage(page: Page): void {
    assert(page.refs > 0, 'a page is put as often as it was taken');
    if (--page.refs > 0) return;
    this.livePages--;
    const list = this.freePages[page.sizeClass];
    if (list !== undefined && list.length < KEEP_PAGES[page.sizeClass]!) list.push(page);
  }

  /** Ends an skb that did its work (Linux: consume_skb). */
  consume(skb: SkBuff): void {
    assert(skb.alive, 'an skb is freed once');
    assert(skb.list === null, 'an skb leaves its queue before it is freed');
    if (skb.destructor !== null) {
      const { destructor } = skb;
      skb.destructor = null;
      destructor(skb);
    }
    this.dropFrags(skb);
    if (skb.ubuf !== null) skbUbufPut(skb);
    skb.alive = false;
    this.live--;
    this.reset(skb);
    if (this.free.length < KEEP_SKBS) this.free.push(skb);
  }

  /** Gives up all payload references. */
  dropFrags(skb: SkBuff): void {
    for (let i = 0; i < skb.nrFrags; i++) {
      const frag = skb.frags[i]!;
      this.putPage(frag.page!);
      frag.page = null;
    }
    skb.len -= skb.dataLen;
    skb.nrFrags = 0;
    skb.dataLen = 0;
  }

  private reset(skb: SkBuff): void {
    skb.len = 0;
    skb.mac = -1;
    skb.nh = -1;
    skb.th = -1;
    skb.protocol = 0;
    skb.pktType = PACKET_HOST;
    skb.ipSummed = CHECKSUM_NONE;
    skb.gsoSize = 0;
    skb.gsoSegs = 0;
    skb.gsoAccEcn = false;
    skb.priority = 0;
    skb.mark = 0;
    skb.hash = 0;
    skb.tstamp = 0;
    skb.tailroom = 0;
    skb.fragMaxSize = 0;
    skb.ignoreDf = false;
    skb.dev = null;
    skb.dst = null;
    skb.origin = 0;
    skb.hop = 0;
    skb.nfct = null;
    skb.nfctInfo = 0;
    skb.sk = null;
    skb.seq = 0;
    skb.endSeq = 0;
    skb.ackSeq = 0;
    skb.tcpFlags = 0;
    skb.sacked = 0;
    skb.sentUs = 0;
    skb.txDelivered = 0;
    skb.txDeliveredUs = 0;
    skb.txFirstUs = 0;
    skb.txInFlight = 0;
    skb.eor = false;
    skb.inRtx = false;
    skb.txFlags = 0;
    skb.tskey = 0;
    skb.cb0 = 0;
    skb.cb1 = 0;
  }
}

/** Ends a packet before its destination, with the reason (Linux: kfree_skb_reason). Takes the skb. `where` names host or cable. */
export function kfreeSkbReason(skb: SkBuff, reason: Drop, where: string): void {
  const { pool } = skb;
  if (reason !== Drop.NotDropped) {
    pool.drops[reason]!++;
    if (pool.onDrop !== null) pool.onDrop(skb, reason, where);
    if (skb.trace !== 0 && pool.tracer !== null) pool.tracer.dropped(skb, reason, where);
  }
  pool.consume(skb);
}

/** Ends a packet that did its work. Takes the skb. */
export function consumeSkb(skb: SkBuff): void {
  skb.pool.consume(skb);
}
