/** Conntrack for protocols with little state: UDP, ICMP queries, and everything that is only addresses. */
import { get16 } from '../../lib/bytes.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { UDP_CHECK } from '../../wire/udp.ts';
import { IPPROTO_UDP } from '../../wire/ipv4.ts';
import { skbChecksum, skbChecksumVerify } from '../../skb/csum.ts';
import { CHECKSUM_NONE } from '../../skb/sk-buff.ts';
import type { NfConn } from './conn.ts';
import type { Conntrack } from './conntrack-table.ts';
import { IPS_ASSURED, IPS_SEEN_REPLY } from './constants.ts';
import type { NfPacket } from './packet.ts';

/** What a protocol says about a packet: a good one; none of this connection; dropped; the entry is gone, look again. */
export const CT_OK = 0;
export const CT_INVALID = 1;
export const CT_DROP = 2;
export const CT_REPEAT = 3;
/** Of an ICMP error: it belongs to the connection that it quotes. */
export const CT_RELATED = 4;

/** Believed for `seconds` from now on. */
export function refresh(table: Conntrack, ct: NfConn, seconds: number): void {
  ct.expires = table.net.cpu.now + seconds * NS_PER_SEC;
}

/** A datagram: short-lived until it is answered, and longer once that has gone on for two seconds. */
export function trackUdp(table: Conntrack, ct: NfConn): number {
  const { sysctl, net } = table;
  const own = ct.owner === null ? 0 : ct.owner.udpTimeoutNs;
  if (own !== 0) {
    ct.expires = net.cpu.now + own;
    if ((ct.status & IPS_SEEN_REPLY) !== 0 && net.cpu.now > ct.streamTs) ct.status |= IPS_ASSURED;
    return CT_OK;
  }
  if ((ct.status & IPS_SEEN_REPLY) !== 0 && net.cpu.now > ct.streamTs) {
    refresh(table, ct, sysctl.nfConntrackUdpTimeoutStream);
    ct.status |= IPS_ASSURED;
  } else {
    refresh(table, ct, sysctl.nfConntrackUdpTimeout);
  }
  return CT_OK;
}

/** A query or its answer. */
export function trackIcmp(table: Conntrack, p: NfPacket, ct: NfConn): number {
  refresh(table, ct, p.version === 4 ? table.sysctl.nfConntrackIcmpTimeout : table.sysctl.nfConntrackIcmpv6Timeout);
  return CT_OK;
}

/** Anything else. */
export function trackOther(table: Conntrack, ct: NfConn): number {
  refresh(table, ct, table.sysctl.nfConntrackGenericTimeout);
  return CT_OK;
}

/** Is the checksum of a packet that came in right, as far as anybody has to know (net.netfilter.nf_conntrack_checksum)? */
export function checksumGood(table: Conntrack, p: NfPacket): boolean {
  const { skb } = p;
  if (skb.ipSummed !== CHECKSUM_NONE || table.sysctl.nfConntrackChecksum === 0 || p.moreFrags || p.fragOff !== 0) return true;
  const off = p.th - skb.data;
  if (p.icmpType >= 0 && p.version === 4) return skbChecksum(skb, off, skb.len - off, 0) === 0xffff;
  if (p.proto === IPPROTO_UDP && get16(skb.buf, p.th + UDP_CHECK) === 0 && p.version === 4) return true;
  skb.pull(off);
  const good = skbChecksumVerify(skb, p.proto);
  skb.push(off);
  return good;
}
