/**
 * Moving bytes between skbs and arrays, and sharing them between skbs.
 *
 * Payload is copied at the two doors only: `appendBytes` (a writer's bytes into the skb) and `copyBits` (the skb's bytes
 * to a reader, a capture, a checksum). Between them there are `cloneSkb`, `sharePayload` and `trimHead`, which move references.
 */
import { assert } from '../lib/assert.ts';
import type { Page, SkbPool } from './pool.ts';
import { MAX_SKB_FRAGS, SKB_HEAD_SIZE, type Frag, type SkBuff } from './sk-buff.ts';
import { skbUbufShare } from './ubuf.ts';

/** A copy with its own header area and shared payload. Not in a queue, not charged to a socket. The caller owns it. */
export function cloneSkb(skb: SkBuff): SkBuff {
  const copy = skb.pool.alloc(skb.data);
  const head = skb.tail - skb.data;
  if (head > 0) {
    for (let i = skb.data; i < skb.tail; i++) copy.buf[i] = skb.buf[i]!;
    copy.tail = skb.tail;
    copy.len = head;
  }
  sharePayload(skb, copy, 0, skb.dataLen);
  copy.mac = skb.mac;
  copy.nh = skb.nh;
  copy.th = skb.th;
  copy.protocol = skb.protocol;
  copy.pktType = skb.pktType;
  copy.ipSummed = skb.ipSummed;
  copy.gsoSize = skb.gsoSize;
  copy.gsoSegs = skb.gsoSegs;
  copy.gsoAccEcn = skb.gsoAccEcn;
  copy.priority = skb.priority;
  copy.mark = skb.mark;
  copy.hash = skb.hash;
  copy.tstamp = skb.tstamp;
  copy.truesize = skb.truesize;
  copy.dev = skb.dev;
  copy.dst = skb.dst;
  copy.origin = skb.origin;
  copy.hop = skb.hop;
  copy.trace = skb.trace;
  copy.nfct = skb.nfct;
  copy.nfctInfo = skb.nfctInfo;
  copy.txFlags = skb.txFlags;
  copy.tskey = skb.tskey;
  return copy;
}

/** Copies a writer's bytes to the end of the payload, in a page of their own. */
export function appendBytes(skb: SkBuff, from: Uint8Array, off: number, len: number): void {
  if (len === 0) return;
  const page = skb.pool.allocPage(len);
  copyBytes(from, off, page.bytes, 0, len);
  page.fill = len;
  skb.addFrag(page, 0, len);
  skb.truesize += len;
  skb.pool.putPage(page);
}

/** Copies all bytes of `from` to the end of `to`, whose truesize stays. */
export function appendCopy(from: SkBuff, to: SkBuff): void {
  const { pool } = to;
  const all = to.nrFrags === MAX_SKB_FRAGS ? to.dataLen : 0; // no reference is free: what is there goes into the same page
  const page = pool.allocPage(all + from.len);
  if (all > 0) copyBits(to, to.headLen, page.bytes, 0, all);
  copyBits(from, 0, page.bytes, all, from.len);
  page.fill = all + from.len;
  if (all > 0) pool.dropFrags(to);
  to.addFrag(page, 0, page.fill);
  pool.putPage(page);
}

/** Adds references to the `len` payload bytes of `from` that start `off` bytes into its payload. */
export function sharePayload(from: SkBuff, to: SkBuff, off: number, len: number): void {
  let skip = off;
  let left = len;
  for (let i = 0; i < from.nrFrags && left > 0; i++) {
    const frag = from.frags[i]!;
    if (skip >= frag.len) {
      skip -= frag.len;
      continue;
    }
    const n = Math.min(frag.len - skip, left);
    addOrExtend(to, frag.page!, frag.off + skip, n);
    skip = 0;
    left -= n;
  }
  assert(left === 0, 'sharePayload stays within the payload');
  if (from.ubuf !== null) skbUbufShare(from, to);
}

/** Adds a reference, or lengthens the last one when the bytes follow it in the same page. */
export function addOrExtend(skb: SkBuff, page: Page, off: number, len: number): void {
  if (skb.nrFrags > 0) {
    const last = skb.frags[skb.nrFrags - 1]!;
    if (last.page === page && last.off + last.len === off) {
      last.len += len;
      skb.len += len;
      skb.dataLen += len;
      return;
    }
  }
  skb.addFrag(page, off, len);
}

/** True when `addOrExtend` would find room. */
export function canAddFrag(skb: SkBuff, page: Page, off: number): boolean {
  if (skb.nrFrags < MAX_SKB_FRAGS) return true;
  const last = skb.frags[skb.nrFrags - 1]!;
  return last.page === page && last.off + last.len === off;
}

/** Takes `n` bytes off the front: first from the header area, then from the payload. */
export function trimHead(skb: SkBuff, n: number): void {
  const head = Math.min(n, skb.tail - skb.data);
  skb.data += head;
  skb.len -= head;
  let left = n - head;
  if (left === 0) return;
  assert(left <= skb.dataLen, 'trimHead stays within the skb');
  let gone = 0;
  while (left > 0) {
    const frag = skb.frags[gone]!;
    if (frag.len > left) {
      frag.off += left;
      frag.len -= left;
      skb.len -= left;
      skb.dataLen -= left;
      break;
    }
    left -= frag.len;
    skb.len -= frag.len;
    skb.dataLen -= frag.len;
    skb.pool.putPage(frag.page!);
    frag.page = null;
    gone++;
  }
  if (gone > 0) shiftFrags(skb, gone);
}

/** Cuts the skb down to `len` bytes, from the end (Linux: pskb_trim). */
export function trimTail(skb: SkBuff, len: number): void {
  let cut = skb.len - len;
  while (cut > 0 && skb.nrFrags > 0) {
    const frag = skb.frags[skb.nrFrags - 1]!;
    const n = Math.min(frag.len, cut);
    frag.len -= n;
    skb.len -= n;
    skb.dataLen -= n;
    cut -= n;
    if (frag.len === 0) {
      skb.pool.putPage(frag.page!);
      frag.page = null;
      skb.nrFrags--;
    }
  }
  if (cut > 0) {
    assert(cut <= skb.tail - skb.data, 'trimTail stays within the skb');
    skb.tail -= cut;
    skb.len -= cut;
  }
}

function shiftFrags(skb: SkBuff, n: number): void {
  for (let i = n; i < skb.nrFrags; i++) {
    const empty: Frag = skb.frags[i - n]!;
    skb.frags[i - n] = skb.frags[i]!;
    skb.frags[i] = empty;
  }
  skb.nrFrags -= n;
}

/** Moves all payload references of `from` to the end of `to`. `from` keeps its header area. */
export function movePayload(from: SkBuff, to: SkBuff): void {
  sharePayload(from, to, 0, from.dataLen);
  from.pool.dropFrags(from);
}

/** Copies `len` bytes that start `off` bytes after `data` into `to`. Header area first, then payload. */
export function copyBits(skb: SkBuff, off: number, to: Uint8Array, toOff: number, len: number): void {
  assert(off >= 0 && off + len <= skb.len, 'copyBits stays within the skb');
  let skip = off;
  let at = toOff;
  let left = len;
  const head = skb.tail - skb.data;
  if (skip < head) {
    const n = Math.min(head - skip, left);
    const { buf, data } = skb;
    for (let i = 0; i < n; i++) to[at + i] = buf[data + skip + i]!;
    at += n;
    left -= n;
    skip = 0;
  } else {
    skip -= head;
  }
  for (let i = 0; left > 0; i++) {
    const frag = skb.frags[i]!;
    if (skip >= frag.len) {
      skip -= frag.len;
      continue;
    }
    const n = Math.min(frag.len - skip, left);
    copyBytes(frag.page!.bytes, frag.off + skip, to, at, n);
    at += n;
    left -= n;
    skip = 0;
  }
}

/** Below this many bytes a loop beats `set` with a `subarray`. */
const COPY_LOOP_MAX = 48;

/** `to[toOff…] = from[off … off+len]`. */
export function copyBytes(from: Uint8Array, off: number, to: Uint8Array, toOff: number, len: number): void {
  if (len <= COPY_LOOP_MAX) {
    for (let i = 0; i < len; i++) to[toOff + i] = from[off + i]!;
  } else if (off === 0 && len === from.length) {
    to.set(from, toOff);
  } else {
    to.set(from.subarray(off, off + len), toOff);
  }
}

/**
 * An skb from raw frame bytes that come from outside (a tap, an injected frame): up to the size of the header area go there,
 * the rest into a page. The bytes are copied. The caller owns the result.
 */
export function skbFromBytes(pool: SkbPool, bytes: Uint8Array, headroom: number): SkBuff {
  const skb = pool.alloc(headroom);
  const head = Math.min(bytes.length, SKB_HEAD_SIZE - headroom);
  const at = skb.put(head);
  copyBytes(bytes, 0, skb.buf, at, head);
  if (bytes.length > head) {
    const page = pool.allocPage(bytes.length - head);
    copyBytes(bytes, head, page.bytes, 0, bytes.length - head);
    page.fill = bytes.length - head;
    skb.addFrag(page, 0, page.fill);
    pool.putPage(page);
  }
  skb.truesize += bytes.length;
  return skb;
}

/** All bytes of an skb from `data` on, as a new array. For captures, traces and tests; not for the path. */
export function skbBytes(skb: SkBuff): Uint8Array {
  const out = new Uint8Array(skb.len);
  copyBits(skb, 0, out, 0, skb.len);
  return out;
}

/** Ensures that the first `n` bytes lie in the header area (Linux: pskb_may_pull). False when the packet is shorter. */
export function mayPull(skb: SkBuff, n: number): boolean {
  const head = skb.tail - skb.data;
  if (n <= head) return true;
  if (n > skb.len) return false;
  const need = n - head;
  if (skb.tail + need > SKB_HEAD_SIZE) return false;
  let moved = 0;
  for (let i = 0; moved < need; i++) {
    const frag = skb.frags[i]!;
    const take = Math.min(frag.len, need - moved);
    copyBytes(frag.page!.bytes, frag.off, skb.buf, skb.tail + moved, take);
    moved += take;
  }
  dropPayloadFront(skb, need);
  skb.tail += need;
  skb.len += need;
  return true;
}

/** Takes `n` bytes off the front of the payload, whatever the header area holds. */
export function dropPayloadFront(skb: SkBuff, n: number): void {
  const { data, tail } = skb;
  const head = tail - data;
  skb.data = tail;
  skb.len -= head;
  trimHead(skb, n);
  skb.data = data;
  skb.len += head;
}

/**
 * Makes at least `n` bytes of headroom: the header area is the skb's own, so its bytes are moved back, and what then finds no
 * room in it goes to the front of the payload. Offsets of headers follow.
 */
export function growHeadroom(skb: SkBuff, n: number): void {
  const shift = n - skb.data;
  if (shift <= 0) return;
  const over = skb.tail + shift - SKB_HEAD_SIZE;
  if (over > 0) spillTail(skb, over);
  // Headers that were pulled off are still looked at (LOG prints the link header of a forwarded packet).
  const from = skb.mac >= 0 && skb.mac < skb.data ? skb.mac : skb.data;
  skb.buf.copyWithin(from + shift, from, skb.tail);
  skb.data += shift;
  skb.tail += shift;
  if (skb.mac >= 0) skb.mac += shift;
  if (skb.nh >= 0) skb.nh += shift;
  if (skb.th >= 0) skb.th += shift;
}

/** Moves the last `n` bytes of the header area to the front of the payload. */
function spillTail(skb: SkBuff, n: number): void {
  const { pool } = skb;
  const all = skb.nrFrags === MAX_SKB_FRAGS;
  const len = n + (all ? skb.dataLen : 0);
  const page = pool.allocPage(len);
  const from = skb.tail - skb.data - n;
  copyBits(skb, from, page.bytes, 0, len);
  page.fill = len;
  if (all) pool.dropFrags(skb);
  skb.tail -= n;
  skb.len -= n;
  skb.addFrag(page, 0, len);
  pool.putPage(page);
  const last = skb.frags[skb.nrFrags - 1]!;
  for (let i = skb.nrFrags - 1; i > 0; i--) skb.frags[i] = skb.frags[i - 1]!;
  skb.frags[0] = last;
}
