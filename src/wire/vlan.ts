/**
 * IEEE 802.1Q tags: four bytes between the source address and the type of an Ethernet frame.
 *
 *     12       14                16
 *     +--------+-----+---+-------+------+
 *     | 0x8100 | PCP |DEI|  VID  | type |      PCP 3 bits, DEI 1 bit, VID 12 bits
 *     +--------+-----+---+-------+------+
 */
import { get16, put16 } from '../lib/bytes.ts';
import { ETH_P_8021AD, ETH_P_8021Q, ETH_TYPE } from './ethernet.ts';

/** Bytes that a tag adds. */
export const VLAN_HLEN = 4;
export const VLAN_ETH_HLEN = 18;
export const VLAN_VID_MASK = 0x0fff;
export const VLAN_PRIO_SHIFT = 13;
/** Drop eligible indicator. */
export const VLAN_DEI = 0x1000;
/** The largest identifier that names a VLAN: 0 means "priority only", 4095 is reserved. */
export const VLAN_VID_MAX = 4094;

/** Is this the type of a tag (802.1Q, or 802.1ad's outer one)? */
export function ethTypeVlan(type: number): boolean {
  return type === ETH_P_8021Q || type === ETH_P_8021AD;
}

/** The tag control information of the frame at `off`. */
export function vlanTci(buf: Uint8Array, off: number): number {
  return get16(buf, off + ETH_TYPE + 2);
}

/** The type behind the tag of the frame at `off`. */
export function vlanInnerType(buf: Uint8Array, off: number): number {
  return get16(buf, off + ETH_TYPE + 4);
}

export function vlanVid(tci: number): number {
  return tci & VLAN_VID_MASK;
}

export function vlanPrio(tci: number): number {
  return tci >> VLAN_PRIO_SHIFT;
}

/** Opens four bytes before the frame at `off` and puts the tag there. The frame begins at the returned offset, `off - 4`. */
export function vlanInsertTag(buf: Uint8Array, off: number, proto: number, tci: number): number {
  buf.copyWithin(off - VLAN_HLEN, off, off + ETH_TYPE);
  put16(buf, off - VLAN_HLEN + ETH_TYPE, proto);
  put16(buf, off - VLAN_HLEN + ETH_TYPE + 2, tci);
  return off - VLAN_HLEN;
}

/** Takes the tag out of the frame at `off`. The frame begins at the returned offset, `off + 4`. */
export function vlanRemoveTag(buf: Uint8Array, off: number): number {
  buf.copyWithin(off + VLAN_HLEN, off, off + ETH_TYPE);
  return off + VLAN_HLEN;
}
