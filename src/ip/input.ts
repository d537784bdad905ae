/**
 * IPv4, packets coming in.
 *
 *   from  dev/receive.ts       ipRcv, `data` at the IP header
 *   to    protocols[].rcv      TCP, UDP, ICMP: `data` at the transport header, padding trimmed
 *         ip/forward.ts        what is for others, when this host forwards
 *         ip.raw               a copy to each raw socket that wants it, before
 *         ip/icmp.ts           "protocol unreachable", "parameter problem"
 *
 * Check and finish: ipRcv looks at the header alone (RFC 1122 §3.2.1), ipRcvFinish asks where it goes, ipLocalDeliver
 * hands it over. Each packet that is not delivered is dropped here with its reason and its counter.
 */
import { formatIpv4 } from '../lib/addr.ts';
import { get16, get32, get8 } from '../lib/bytes.ts';
import { ipFastCsum } from '../lib/checksum.ts';
import { ICMP_DEST_UNREACH, ICMP_PARAMETERPROB, ICMP_PROT_UNREACH } from '../wire/icmp.ts';
import {
  INET_ECN_MASK, ipIsFragment, IPV4_DADDR, IPV4_HLEN_MIN, IPV4_PROTOCOL, IPV4_SADDR, IPV4_TOS, IPV4_TOTAL_LEN,
} from '../wire/ipv4.ts';
import { mayPull, trimTail } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { skbOrphan } from '../skb/owner.ts';
import { consumeSkb } from '../skb/pool.ts';
import { PACKET_BROADCAST, PACKET_HOST, PACKET_LOOPBACK, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { IFF_LOOPBACK, type NetDevice } from '../dev/net-device.ts';
import { ipConfMax } from './conf.ts';
import { inetSelectAddr } from './devinet.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from './fib.ts';
import { ipError, ipForward } from './forward.ts';
import { IP_DEFRAG_CONNTRACK_IN, IP_DEFRAG_LOCAL_DELIVER, ipDefrag } from './reassembly.ts';
import { icmpSend } from './icmp.ts';
import type { Ipv4, NfHook } from './ipv4.ts';
import { ipOptionsCheck, OPTIONS_OK, OPTIONS_SOURCE_ROUTE } from './options.ts';
import { recordOptions } from './output.ts';
import { Rtable } from './route.ts';
import { ipRouteInput } from './route-input.ts';

const InReceives: number = Mib.IpInReceives;
const InDelivers: number = Mib.IpInDelivers;
const InOctets: number = Mib.IpExtInOctets;
/** By the ECN bits of the header (RFC 3168 §5). */
const EctPkts: readonly number[] = [Mib.IpExtInNoECTPkts, Mib.IpExtInECT1Pkts, Mib.IpExtInECT0Pkts, Mib.IpExtInCEPkts];

/** A packet came in. Takes the skb. */
export function ipRcv(ip: Ipv4, skb: SkBuff, dev: NetDevice): void {
  const { net } = ip;
  const { mib } = net;
  if (skb.trace !== 0) net.trace(skb, 'ipRcv');
  if (skb.pktType === PACKET_OTHERHOST) {
    net.drop(skb, Drop.OtherHost); // seen because the card is promiscuous; no fault of anybody
    return;
  }
  mib[InReceives]!++;
  mib[InOctets]! += skb.len;
  if (!mayPull(skb, IPV4_HLEN_MIN)) return headerError(ip, skb, Drop.IpInHdr);
  const { buf } = skb;
  const at = skb.data;
  const first = get8(buf, at);
  const hlen = (first & 15) << 2;
  if (first >> 4 !== 4 || hlen < IPV4_HLEN_MIN) return headerError(ip, skb, Drop.IpInHdr);
  mib[EctPkts[get8(buf, at + IPV4_TOS) & INET_ECN_MASK]!]! += skb.gsoSegs > 1 ? skb.gsoSegs : 1;
  if (!mayPull(skb, hlen)) return headerError(ip, skb, Drop.IpInHdr);
  if (ipFastCsum(buf, at, hlen) !== 0) {
    net.inc(Mib.IpExtInCsumErrors);
    return headerError(ip, skb, Drop.IpCsum);
  }
  const total = get16(buf, at + IPV4_TOTAL_LEN);
  if (total > skb.len) {
    net.inc(Mib.IpExtInTruncatedPkts);
    net.drop(skb, Drop.PktTooSmall);
    return;
  }
  if (total < hlen) return headerError(ip, skb, Drop.IpInHdr);
  if (total < skb.len) trimTail(skb, total); // what Ethernet padded
  if (skb.destructor !== null) skbOrphan(skb);
  skb.nh = at;
  skb.th = at + hlen;
  if (ip.hookPreRouting === null) ipRcvFinish(ip, skb, dev, hlen);
  else preRouting(ip, ip.hookPreRouting, skb, dev);
}

/** The filter looks first; where it tracks connections, at whole packets. */
function preRouting(ip: Ipv4, hook: NfHook, skb: SkBuff, dev: NetDevice): void {
  const packet = ip.defragIn && ipIsFragment(skb.buf, skb.nh) ? ipDefrag(ip, skb, IP_DEFRAG_CONNTRACK_IN) : skb;
  if (packet !== null && hook.run(packet, dev, null)) ipRcvFinish(ip, packet, dev, packet.th - packet.nh);
}

function headerError(ip: Ipv4, skb: SkBuff, reason: Drop): void {
  ip.net.inc(Mib.IpInHdrErrors);
  ip.net.drop(skb, reason);
}

/** The header is good: where does the packet go? */
function ipRcvFinish(ip: Ipv4, skb: SkBuff, dev: NetDevice, hlen: number): void {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipRcvFinish');
  const { buf, nh } = skb;
  // What went round by lo, and our copy of what we sent to many, still have the route that they were sent by.
  const had = skb.dst;
  let rt: Rtable;
  if (had instanceof Rtable && had.ip === ip && cameRound(skb, had, dev)) {
    rt = had;
  } else {
    const found = ipRouteInput(ip, get32(buf, nh + IPV4_DADDR), get32(buf, nh + IPV4_SADDR), dev, get8(buf, nh + IPV4_PROTOCOL));
    if (typeof found === 'number') {
      if (ip.warn !== null && ipConfMax(ip, dev, 'logMartians') !== 0) logMartian(ip.warn, skb, dev, found);
      ip.net.drop(skb, found);
      return;
    }
    rt = found;
    skb.dst = rt;
  }
  if (hlen > IPV4_HLEN_MIN && !ipRcvOptions(ip, skb, hlen, rt)) return;
  if (rt.type !== RTN_LOCAL || skb.pktType !== PACKET_HOST) {
    if (!countMany(ip, skb, rt)) return;
    if (rt.error !== 0) return ipError(ip, skb, rt);
    if (rt.type === RTN_UNICAST) return ipForward(ip, skb, rt, dev);
  }
  ipLocalDeliver(ip, skb, dev);
}

/** RFC 1812 §5.3.8: who sends what cannot be should be found. In the kernel's log, with Linux's words. */
function logMartian(warn: (text: string) => void, skb: SkBuff, dev: NetDevice, reason: Drop): void {
  const what = reason === Drop.IpInvalidDest ? 'destination' : 'source';
  const from = formatIpv4(get32(skb.buf, skb.nh + IPV4_SADDR));
  warn(`IPv4: martian ${what} ${formatIpv4(get32(skb.buf, skb.nh + IPV4_DADDR))} from ${from}, on dev ${dev.name}`);
}

function cameRound(skb: SkBuff, rt: Rtable, dev: NetDevice): boolean {
  return rt.type === RTN_LOCAL ? (dev.flags & IFF_LOOPBACK) !== 0 : skb.pktType === PACKET_LOOPBACK;
}

/** Counts what came to many. False when a packet for one host came in a frame for many, and that is not wanted (dropped then). */
function countMany(ip: Ipv4, skb: SkBuff, rt: Rtable): boolean {
  if (rt.type === RTN_MULTICAST) {
    ip.net.inc(Mib.IpExtInMcastPkts);
  } else if (rt.type === RTN_BROADCAST) {
    ip.net.inc(Mib.IpExtInBcastPkts);
  } else if (skb.pktType === PACKET_BROADCAST || skb.pktType === PACKET_MULTICAST) {
    // RFC 1122 §3.3.6: a trick to reach what a firewall hides; Linux accepts it unless drop_unicast_in_l2_multicast is set.
    if (ipConfMax(ip, skb.dev as NetDevice, 'dropUnicastInL2Multicast') !== 0) {
      ip.net.drop(skb, Drop.UnicastInL2Multicast);
      return false;
    }
  }
  return true;
}

/** Looks at the options, and records that the packet was here. False when it was dropped for them. */
function ipRcvOptions(ip: Ipv4, skb: SkBuff, hlen: number, rt: Rtable): boolean {
  const found = ipOptionsCheck(skb.buf, skb.nh, hlen);
  if (found === OPTIONS_OK) {
    // RFC 1122 §3.2.1.8 (d), (e). A router does it as the packet leaves, with the address that it leaves by.
    if (rt.error !== 0 || rt.type === RTN_UNICAST) return true;
    const { buf, nh } = skb;
    const here = rt.type === RTN_LOCAL ? get32(buf, nh + IPV4_DADDR) : inetSelectAddr(ip, rt.dev, get32(buf, nh + IPV4_SADDR));
    recordOptions(ip, skb, here);
    return true;
  }
  if (found !== OPTIONS_SOURCE_ROUTE) icmpSend(skb, ICMP_PARAMETERPROB, 0, found << 24);
  headerError(ip, skb, Drop.IpInHdr);
  return false;
}

/** For this host: put together if it came in pieces, then to its protocol. Takes the skb. */
function ipLocalDeliver(ip: Ipv4, skb: SkBuff, dev: NetDevice): void {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipLocalDeliver');
  let whole = skb;
  if (ipIsFragment(skb.buf, skb.nh)) {
    const packet = ipDefrag(ip, skb, IP_DEFRAG_LOCAL_DELIVER);
    if (packet === null) return;
    whole = packet;
  }
  if (ip.hookLocalIn !== null && !ip.hookLocalIn.run(whole, dev, null)) return;
  whole.pull(whole.th - whole.nh);
  const number = get8(whole.buf, whole.nh + IPV4_PROTOCOL);
  const shown = ip.raw !== null && ip.raw.rcv(whole, number);
  const protocol = ip.protocols[number]!;
  if (protocol !== null) {
    ip.net.mib[InDelivers]!++;
    protocol.rcv(whole);
    return;
  }
  if (shown) {
    ip.net.mib[InDelivers]!++;
    consumeSkb(whole);
    return;
  }
  // RFC 1122 §3.2.2.1: a host should say that it does not speak the protocol.
  ip.net.inc(Mib.IpInUnknownProtos);
  icmpSend(whole, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
  ip.net.drop(whole, Drop.IpNoProto);
}
