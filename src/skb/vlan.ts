/** VLAN tags of a frame whose `data` is at the Ethernet header (Linux: skb_vlan_push, skb_vlan_pop). */
import { put16 } from '../lib/bytes.ts';
import { ETH_HLEN, ETH_TYPE } from '../wire/ethernet.ts';
import { vlanInsertTag, vlanRemoveTag, VLAN_HLEN } from '../wire/vlan.ts';
import { growHeadroom, mayPull } from './copy.ts';
import type { SkBuff } from './sk-buff.ts';

/** Puts a tag in. */
export function skbVlanPush(skb: SkBuff, proto: number, tci: number): void {
  if (skb.data < VLAN_HLEN) growHeadroom(skb, VLAN_HLEN);
  skb.push(VLAN_HLEN);
  vlanInsertTag(skb.buf, skb.data + VLAN_HLEN, proto, tci);
  if (skb.mac >= 0) skb.mac = skb.data;
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
