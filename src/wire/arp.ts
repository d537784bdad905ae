/**
 * ARP for IPv4 over Ethernet (RFC 826): 28 bytes.
 *
 *     0    2    4    5    6    8          14        18         24        28
 *     +----+----+----+----+----+----------+---------+----------+---------+
 *     |hrd |pro |hln |pln | op |   sha    |   spa   |   tha    |   tpa   |
 *     +----+----+----+----+----+----------+---------+----------+---------+
 */
import { etherAddrCopy } from '../lib/addr.ts';
import { fill, get16, get32, get8, put16, put32, put8 } from '../lib/bytes.ts';
import { ETH_P_IP } from './ethernet.ts';

export const ARP_LEN = 28;
export const ARP_HRD = 0;
export const ARP_PRO = 2;
export const ARP_HLN = 4;
export const ARP_PLN = 5;
export const ARP_OP = 6;
/** Sender hardware address, 6 bytes. */
export const ARP_SHA = 8;
/** Sender protocol address, 4 bytes. */
export const ARP_SPA = 14;
/** Target hardware address, 6 bytes. */
export const ARP_THA = 18;
/** Target protocol address, 4 bytes. */
export const ARP_TPA = 24;

export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;

/** What {@link arpCheck} finds. */
export const ArpCheck = { Ok: 0, TooShort: 1, NotEthernetIpv4: 2, BadOp: 3 } as const;
export type ArpCheck = (typeof ArpCheck)[keyof typeof ArpCheck];

/** Is it ARP for IPv4 over Ethernet, whole, a request or a reply? */
export function arpCheck(buf: Uint8Array, off: number, len: number): ArpCheck {
  if (len < ARP_LEN) return ArpCheck.TooShort;
  if (get16(buf, off + ARP_HRD) !== ARPHRD_ETHER || get16(buf, off + ARP_PRO) !== ETH_P_IP) return ArpCheck.NotEthernetIpv4;
  if (get8(buf, off + ARP_HLN) !== 6 || get8(buf, off + ARP_PLN) !== 4) return ArpCheck.NotEthernetIpv4;
  const op = get16(buf, off + ARP_OP);
  return op === ARPOP_REQUEST || op === ARPOP_REPLY ? ArpCheck.Ok : ArpCheck.BadOp;
}

export function arpOp(buf: Uint8Array, off: number): number {
  return get16(buf, off + ARP_OP);
}

/** Sender's IPv4 address, int32. */
export function arpSpa(buf: Uint8Array, off: number): number {
  return get32(buf, off + ARP_SPA);
}

/** Target's IPv4 address, int32. */
export function arpTpa(buf: Uint8Array, off: number): number {
  return get32(buf, off + ARP_TPA);
}

/** Writes the 28 bytes. `tha` may be `null`: zeros, as in a request. */
export function arpWrite(
  buf: Uint8Array,
  off: number,
  op: number,
  sha: Uint8Array,
  shaOff: number,
  spa: number,
  tha: Uint8Array | null,
  thaOff: number,
  tpa: number,
): void {
  put16(buf, off + ARP_HRD, ARPHRD_ETHER);
  put16(buf, off + ARP_PRO, ETH_P_IP);
  put8(buf, off + ARP_HLN, 6);
  put8(buf, off + ARP_PLN, 4);
  put16(buf, off + ARP_OP, op);
  etherAddrCopy(buf, off + ARP_SHA, sha, shaOff);
  put32(buf, off + ARP_SPA, spa);
  if (tha === null) fill(buf, off + ARP_THA, 6, 0);
  else etherAddrCopy(buf, off + ARP_THA, tha, thaOff);
  put32(buf, off + ARP_TPA, tpa);
}
