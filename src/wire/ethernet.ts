/**
 * Ethernet II frames: where the fields are, how to read and to write them.
 *
 *     0            6            12     14
 *     +------------+------------+------+----------- ... -----------+
 *     | destination|   source   | type | payload, 46 to 1500 bytes |   (FCS: on the cable only)
 *     +------------+------------+------+----------- ... -----------+
 */
import { etherAddrCopy } from '../lib/addr.ts';
import { get16, put16 } from '../lib/bytes.ts';

/** Bytes of the header. */
export const ETH_HLEN = 14;
/** Shortest frame without FCS; a card pads to it. */
export const ETH_ZLEN = 60;
/** Largest payload, and so the default MTU. */
export const ETH_DATA_LEN = 1500;
/** Longest untagged frame without FCS. */
export const ETH_FRAME_LEN = 1514;
/** Bytes of the frame check sequence, a CRC-32. */
export const ETH_FCS_LEN = 4;
/** The smallest MTU that IPv4 allows (RFC 791 §3.2). */
export const ETH_MIN_MTU = 68;
/** What a frame costs on the cable besides its bytes: preamble and start delimiter (8), FCS (4), inter-frame gap (12). */
export const ETH_WIRE_OVERHEAD = 24;

export const ETH_DST = 0;
export const ETH_SRC = 6;
export const ETH_TYPE = 12;

export const ETH_P_ALL = 0x0003;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_LOOPBACK = 0x9000;
/** Type fields from here on are types; below they are IEEE 802.3 lengths. */
export const ETH_P_802_3_MIN = 0x0600;
/** A frame of IEEE 802.3 with an LLC header, which we name and drop. */
export const ETH_P_802_2 = 0x0004;

/** ff:ff:ff:ff:ff:ff. To be read only. */
export const ETH_BROADCAST: Uint8Array = new Uint8Array([255, 255, 255, 255, 255, 255]);

/** The type (or the length, if below {@link ETH_P_802_3_MIN}). */
export function ethType(buf: Uint8Array, off: number): number {
  return get16(buf, off + ETH_TYPE);
}

/** What Linux's `eth_type_trans` says: the type, or {@link ETH_P_802_2} for a length field. */
export function ethProtocol(buf: Uint8Array, off: number): number {
  const type = get16(buf, off + ETH_TYPE);
  return type >= ETH_P_802_3_MIN ? type : ETH_P_802_2;
}

/** Writes the 14 bytes of the header. */
export function ethWriteHeader(
  buf: Uint8Array,
  off: number,
  dst: Uint8Array,
  dstOff: number,
  src: Uint8Array,
  srcOff: number,
  type: number,
): void {
  etherAddrCopy(buf, off + ETH_DST, dst, dstOff);
  etherAddrCopy(buf, off + ETH_SRC, src, srcOff);
  put16(buf, off + ETH_TYPE, type);
}
