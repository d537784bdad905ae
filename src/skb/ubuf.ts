/**
 * Payload that is lent (MSG_ZEROCOPY): an skb whose bytes lie in the memory of whoever sent them, and the count of those that
 * do. The lender may not touch the bytes until the last skb is gone, and is told then.
 *
 *   from  tcp/zerocopy.ts, udp/payload.ts   skbUbufSet
 *         skb/copy.ts                       skbUbufShare: what shares the bytes counts, too
 *         dev/xmit.ts                       skbUbufOrphan, when the packet leaves the host
 */
import { SKBTX_ZEROCOPY, type SkBuff, type Ubuf } from './sk-buff.ts';

/** The payload of `skb` is lent by `ubuf`. */
export function skbUbufSet(skb: SkBuff, ubuf: Ubuf): void {
  if (skb.ubuf !== null) return;
  ubuf.refs++;
  skb.ubuf = ubuf;
  skb.txFlags |= SKBTX_ZEROCOPY;
}

/** `to` has got references to the payload of `from`. */
export function skbUbufShare(from: SkBuff, to: SkBuff): void {
  if (from.ubuf !== null) skbUbufSet(to, from.ubuf);
}

/** The skb refers to it no longer. */
export function skbUbufPut(skb: SkBuff): void {
  const ubuf = skb.ubuf!;
  skb.ubuf = null;
  skb.txFlags &= ~SKBTX_ZEROCOPY;
  ubufPut(ubuf);
}

/** Gives up one reference. */
export function ubufPut(ubuf: Ubuf): void {
  if (--ubuf.refs === 0) ubuf.released();
}

/**
 * The packet leaves for where its sender cannot follow it: the bytes are copied out of the lent memory (Linux:
 * skb_orphan_frags). `copied` false: it is the card that reads them, and no processor.
 */
export function skbUbufOrphan(skb: SkBuff, copied: boolean): void {
  const { pool, dataLen, ubuf } = skb;
  if (dataLen > 0) {
    const page = pool.allocPage(dataLen);
    let at = 0;
    for (let i = 0; i < skb.nrFrags; i++) {
      const frag = skb.frags[i]!;
      const end = frag.off + frag.len;
      page.bytes.set(frag.page!.bytes.subarray(frag.off, end), at);
      at += frag.len;
    }
    page.fill = dataLen;
    pool.dropFrags(skb);
    skb.addFrag(page, 0, page.fill);
    pool.putPage(page);
  }
  if (copied) ubuf!.copied();
  skbUbufPut(skb);
}
