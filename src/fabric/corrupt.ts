/** Flipping a bit of a frame on its way, without touching payload that others hold. */
import type { Random } from '../lib/random.ts';
import { copyBits } from '../skb/copy.ts';
import { skbChecksumHelp } from '../skb/csum.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';

/**
 * Flips one bit, chosen by `random`. An open checksum is filled in first: the sender's card had done so before the bit
 * could flip. Whatever a card knew about the checksums is forgotten.
 */
export function flipBit(skb: SkBuff, random: Random): void {
  if (skb.ipSummed === CHECKSUM_PARTIAL) skbChecksumHelp(skb);
  skb.ipSummed = CHECKSUM_NONE;
  if (skb.len === 0) return;
  const bit = random.below(skb.len * 8);
  const byte = bit >> 3;
  const mask = 1 << (bit & 7);
  const head = skb.tail - skb.data;
  if (byte < head) {
    skb.buf[skb.data + byte]! ^= mask;
    return;
  }
  flipPayloadBit(skb, bit - head * 8);
}

/** Flips one bit of the payload, and nobody is told. */
export function flipPayloadBit(skb: SkBuff, bit: number): void {
  ownPayload(skb);
  const frag = skb.frags[0]!;
  frag.page!.bytes[frag.off + (bit >> 3)]! ^= 1 << (bit & 7);
}

/** Gives the skb a payload of its own: a copy, in one page. */
function ownPayload(skb: SkBuff): void {
  const { pool, dataLen } = skb;
  const page = pool.allocPage(dataLen);
  copyBits(skb, skb.tail - skb.data, page.bytes, 0, dataLen);
  page.fill = dataLen;
  pool.dropFrags(skb);
  skb.addFrag(page, 0, dataLen);
  pool.putPage(page);
}
