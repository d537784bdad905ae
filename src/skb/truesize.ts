/**
 * What memory Linux takes for a packet's bytes: socket buffers and windows are counted in it, so that who wants Linux's windows
 * to the byte needs it, too. The figures are those of x86-64 with pages of 4096 bytes.
 */
import { SKB_TRUESIZE_OVERHEAD, type SkBuff } from './sk-buff.ts';

/** The pages that frames lie in. */
const PAGE_SIZE = 4096;
/** Behind the bytes of a head (Linux: skb_shared_info, aligned); the rest of the overhead is the sk_buff. */
const SHARED_INFO = 320;
const SK_BUFF = SKB_TRUESIZE_OVERHEAD - SHARED_INFO;
/** Small heads have a cache of their own (skbuff_small_head), larger ones come from the allocator's classes. */
const HEAD_CLASSES: readonly number[] = [576, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
/** Heads begin and end at lines of the processor's cache. */
const CACHE_LINE = 64;

/** The most bytes that fit, with what is behind them, into one page (Linux: SKB_MAX_ORDER(0, 0)). */
export const SKB_MAX_PAGE_BYTES: number = PAGE_SIZE - SHARED_INFO;

/** The class that a head of `size` bytes comes from. */
function headClass(size: number): number {
  const need = Math.ceil(size / CACHE_LINE) * CACHE_LINE + SHARED_INFO;
  return HEAD_CLASSES.find((c) => c >= need) ?? need;
}

/** The truesize of an skb with `size` bytes in its head (Linux: alloc_skb). */
export function skbHeadTruesize(size: number): number {
  return headClass(size) + SK_BUFF;
}

/** Bytes that its class has room for behind them. */
export function skbHeadTailroom(size: number): number {
  return headClass(size) - SHARED_INFO - size;
}

/** What a TUN device leaves free in front of a packet (Linux: NET_SKB_PAD). */
const TUN_HEADROOM = 64;

/**
 * Makes `skb` as heavy as one that was written into a TUN device: `len` bytes in its head, with what the allocator's class has more
 * as room for bytes that follow; those that do not fit into a page lie in pages.
 */
export function skbFromTun(skb: SkBuff, len: number): void {
  const size = TUN_HEADROOM + len;
  if (size < PAGE_SIZE) {
    skb.truesize = skbHeadTruesize(size);
    skb.tailroom = skbHeadTailroom(size);
    return;
  }
  const paged = len - (SKB_MAX_PAGE_BYTES - TUN_HEADROOM);
  skb.truesize = skbHeadTruesize(SKB_MAX_PAGE_BYTES) + Math.ceil(paged / PAGE_SIZE) * PAGE_SIZE;
  skb.tailroom = 0;
}
