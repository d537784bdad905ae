/** Who pays for an skb: letting go, handing over, and the receipt that is left in a TX ring. */
import type { SkBuff } from './sk-buff.ts';

/** Ends the ownership of the socket that pays for the skb (Linux: skb_orphan). */
export function skbOrphan(skb: SkBuff): void {
  const { destructor } = skb;
  if (destructor !== null) {
    skb.destructor = null;
    destructor(skb);
  }
  skb.sk = null;
}

/** Moves the owner, and the size that was charged to it, from one skb to another that has none. */
export function skbMoveOwner(from: SkBuff, to: SkBuff): void {
  to.sk = from.sk;
  to.destructor = from.destructor;
  to.truesize = from.truesize;
  from.sk = null;
  from.destructor = null;
}

/**
 * An empty skb that has taken over the ownership of `skb`: it stays in the TX ring until the completion frees it, while
 * the packet itself is on its way. So a destructor may look at `sk` and `truesize`, and at nothing else.
 * Null when nobody pays.
 */
export function skbReceipt(skb: SkBuff): SkBuff | null {
  if (skb.destructor === null) {
    skb.sk = null;
    return null;
  }
  const receipt = skb.pool.alloc(0);
  skbMoveOwner(skb, receipt);
  return receipt;
}

/** Forgets everything about a packet that its bytes do not say: it leaves this host (Linux: skb_scrub_packet). */
export function skbScrub(skb: SkBuff): void {
  skb.dev = null;
  skb.dst = null;
  skb.nfct = null;
  skb.nfctInfo = 0;
  skb.priority = 0;
  skb.mark = 0;
  skb.hash = 0;
}
