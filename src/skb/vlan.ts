/** VLAN tags of a frame whose `data` is at the Ethernet header (Linux: skb_vlan_push, skb_vlan_pop). */
import { ETH_HLEN, ETH_TYPE } from '../wire/ethernet.ts';
import { put16 } from '../lib/bytes.ts';
import { vlanInsertTag, vlanRemoveTag, VLAN_HLEN } from '../wire/vlan.ts';
import { copyBits, mayPull } from './copy.ts';
import { consumeSkb } from './pool.ts';
import { MAX_HEADER, SKB_HEAD_SIZE, type SkBuff } from './sk-buff.ts';

/** Puts a tag in. Takes the skb and returns the one to go on with: another one when there was no headroom left. */
export function skbVlanPush(skb: SkBuff, proto: number, tci: number): SkBuff {
  const roomy = skb.data < VLAN_HLEN ? withHeadroom(skb) : skb;
  roomy.push(VLAN_HLEN);
  vlanInsertTag(roomy.buf, roomy.data + VLAN_HLEN, proto, tci);
  if (roomy.mac >= 0) roomy.mac = roomy.data;
  return roomy;
}

/** Takes the outer tag out; there must be one, in the header area. */
export function skbVlanPop(skb: SkBuff): void {
  vlanRemoveTag(skb.buf, skb.data);
  skb.pull(VLAN_HLEN);
  if (skb.mac >= 0) skb.mac = skb.data;
}

/** Writes another VLAN and priority into the outer tag. */
export function skbVlanSetTci(skb: SkBuff, tci: number): void {
  put16(skb.buf, skb.data + ETH_TYPE + 2, tci);
}

/** True when the whole tag lies in the header area. */
export function skbVlanReadable(skb: SkBuff): boolean {
  return mayPull(skb, ETH_HLEN + VLAN_HLEN);
}

/** The same packet in another skb with room in front. Rare: frames made by hand that fill their header area. Takes the skb. */
function withHeadroom(skb: SkBuff): SkBuff {
  const { pool, len } = skb;
  const by = MAX_HEADER / 2;
  const roomy = pool.alloc(skb.data + by);
  const head = Math.min(skb.tail - skb.data, SKB_HEAD_SIZE - roomy.data);
  const at = roomy.put(head);
  copyBits(skb, 0, roomy.buf, at, head);
  if (len > head) {
    const page = pool.allocPage(len - head);
    copyBits(skb, head, page.bytes, 0, len - head);
    page.fill = len - head;
    roomy.addFrag(page, 0, len - head);
    pool.putPage(page);
  }
  roomy.mac = shifted(skb.mac, by);
  roomy.nh = shifted(skb.nh, by);
  roomy.th = shifted(skb.th, by);
  roomy.protocol = skb.protocol;
  roomy.pktType = skb.pktType;
  roomy.ipSummed = skb.ipSummed;
  roomy.priority = skb.priority;
  roomy.mark = skb.mark;
  roomy.tstamp = skb.tstamp;
  roomy.truesize = skb.truesize;
  roomy.dev = skb.dev;
  roomy.origin = skb.origin;
  roomy.hop = skb.hop;
  roomy.cb0 = skb.cb0;
  consumeSkb(skb);
  return roomy;
}

function shifted(at: number, by: number): number {
  return at < 0 ? at : at + by;
}
