/**
 * IPv6, packets coming in.
 *
 *   from  dev/receive.ts          ip6Rcv, `data` at the IPv6 header
 *   to    protocols[].rcv         TCP, UDP, ICMPv6: `data` at the transport header, padding trimmed
 *         ip6.raw                 a copy to each raw socket that wants it, before
 *         ip/v6/exthdrs.ts        extension headers;  ip/v6/reassembly.ts  fragments
 *         ip/v6/forward.ts        what is for others
 *         ip/v6/icmp6.ts          "parameter problem"
 *
 * Check and finish, as in IPv4: ip6Rcv looks at the header and at hop-by-hop options, ip6RcvFinish asks where it goes,
 * ip6LocalDeliver walks the other headers. Each packet that is not delivered is dropped here with its reason and its counter.
 */
import { get16, get8 } from '../../lib/bytes.ts';
import { in6IsLoopbackAt, in6IsMulticastAt } from '../../lib/addr6.ts';
import { ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR } from '../../wire/icmpv6.ts';
import {
  IPV6_DADDR, IPV6_HLEN, IPV6_NEXTHDR, IPV6_PAYLOAD_LEN, IPV6_SADDR, NEXTHDR_DEST, NEXTHDR_FRAGMENT, NEXTHDR_HOP,
  NEXTHDR_NONE, NEXTHDR_ROUTING,
} from '../../wire/ipv6.ts';
import { mayPull, trimTail } from '../../skb/copy.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { skbOrphan } from '../../skb/owner.ts';
import { consumeSkb } from '../../skb/pool.ts';
import { PACKET_BROADCAST, PACKET_LOOPBACK, PACKET_MULTICAST, PACKET_OTHERHOST, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../fib.ts';
import type { NfHook } from '../ipv4.ts';
import { ipv6DestoptRcv, ipv6ParseHopopts, ipv6RthdrRcv } from './exthdrs.ts';
import { ip6Error, ip6Forward } from './forward.ts';
import { icmp6Send } from './icmp6.ts';
import { in6DevOf } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ipv6McGroup, ipv6McHears } from './mcast.ts';
import { ip6RouteInput, Rt6Info } from './route.ts';
import { ip6DefragTracked, ipv6Defrag } from './reassembly.ts';
import { RTN_ANYCAST } from './rtn.ts';

/** What is known of a packet on its way up (Linux: IP6CB(skb)->flags): bits of `skb.cb0`. */
export const IP6SKB_ROUTERALERT = 1;
export const IP6SKB_FRAGMENTED = 2;

/** A header chain longer than this is not walked (each header is a few bytes of a packet that may have thousands). */
export const IP6_EXTHDRS_MAX = 16;

const InReceives: number = Mib.Ip6InReceives;
const InDelivers: number = Mib.Ip6InDelivers;
const InOctets: number = Mib.Ip6InOctets;
/** By the ECN bits of the header (RFC 3168 §5). */
const EctPkts: readonly number[] = [Mib.Ip6InNoECTPkts, Mib.Ip6InECT1Pkts, Mib.Ip6InECT0Pkts, Mib.Ip6InCEPkts];

/** A packet came in. Takes the skb. */
export function ip6Rcv(ip6: Ipv6, skb: SkBuff, dev: NetDevice): void {
  const { net } = ip6;
  const { mib } = net;
  if (skb.trace !== 0) net.trace(skb, 'ip6Rcv');
  if (skb.pktType === PACKET_OTHERHOST) {
    net.drop(skb, Drop.OtherHost); // seen because the card is promiscuous; no fault of anybody
    return;
  }
  mib[InReceives]!++;
  mib[InOctets]! += skb.len;
  const idev = in6DevOf(dev);
  if (idev === null || (idev.conf.disableIpv6 !== 0 && (dev.flags & IFF_LOOPBACK) === 0)) {
    net.inc(Mib.Ip6InDiscards);
    net.drop(skb, Drop.Ipv6disabled);
    return;
  }
  skb.cb0 = 0;
  if (!mayPull(skb, IPV6_HLEN)) return headerError(ip6, skb, Drop.IpInHdr);
  const { buf } = skb;
  const at = skb.data;
  if (get8(buf, at) >> 4 !== 6) return headerError(ip6, skb, Drop.IpInHdr);
  mib[EctPkts[(get8(buf, at + 1) >> 4) & 3]!]! += skb.gsoSegs > 1 ? skb.gsoSegs : 1;
  if (!addressesGood(buf, at, skb, dev)) return headerError(ip6, skb, Drop.IpInvalidSource);
  const payload = get16(buf, at + IPV6_PAYLOAD_LEN);
  // A super-packet of this host's own is longer than the field can say: it stands as 0 there.
  if (payload !== 0 || skb.gsoSize === 0) {
    if (payload + IPV6_HLEN > skb.len) {
      net.inc(Mib.Ip6InTruncatedPkts);
      net.drop(skb, Drop.PktTooSmall);
      return;
    }
    if (payload + IPV6_HLEN < skb.len) trimTail(skb, payload + IPV6_HLEN); // what Ethernet padded
  }
  if (skb.destructor !== null) skbOrphan(skb);
  skb.nh = at;
  skb.th = at + IPV6_HLEN;
  if (ip6.hookPreRouting === null) ip6RcvFinish(ip6, skb, dev);
  else preRouting(ip6, ip6.hookPreRouting, skb, dev);
}

/** The filter looks first; where it tracks connections, at whole packets. */
function preRouting(ip6: Ipv6, hook: NfHook, skb: SkBuff, dev: NetDevice): void {
  const packet = ip6.defragIn ? ip6DefragTracked(ip6, skb) : skb;
  if (packet !== null && hook.run(packet, dev, null)) ip6RcvFinish(ip6, packet, dev);
}

function headerError(ip6: Ipv6, skb: SkBuff, reason: Drop): void {
  ip6.net.inc(Mib.Ip6InHdrErrors);
  ip6.net.drop(skb, reason);
}

/** RFC 4291 §2.5.3, §2.7: no group and, off the host, no loopback address sends; interface-local groups stay inside. */
function addressesGood(buf: Uint8Array, nh: number, skb: SkBuff, dev: NetDevice): boolean {
  if (in6IsMulticastAt(buf, nh + IPV6_SADDR)) return false;
  const inside = (dev.flags & IFF_LOOPBACK) !== 0;
  if (!inside && (in6IsLoopbackAt(buf, nh + IPV6_SADDR) || in6IsLoopbackAt(buf, nh + IPV6_DADDR))) return false;
  if (!in6IsMulticastAt(buf, nh + IPV6_DADDR)) return true;
  const scope = get8(buf, nh + IPV6_DADDR + 1) & 0xf;
  return scope > 1 || (scope === 1 && (inside || skb.pktType === PACKET_LOOPBACK));
}

/** The header is good: options that every hop reads, then: where does the packet go? */
function ip6RcvFinish(ip6: Ipv6, skb: SkBuff, dev: NetDevice): void {
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6RcvFinish');
  const { buf, nh } = skb;
  let rt: Rt6Info;
  // What went round by lo, and our copy of what we sent to many, still have the route that they were sent by.
  const had = skb.dst;
  if (had instanceof Rt6Info && had.ip6 === ip6 && had.type === RTN_LOCAL && (dev.flags & IFF_LOOPBACK) !== 0) {
    rt = had;
  } else {
    rt = ip6RouteInput(ip6, buf, nh + IPV6_DADDR, dev);
    skb.dst = rt;
  }
  if (get8(buf, nh + IPV6_NEXTHDR) === NEXTHDR_HOP && !ipv6ParseHopopts(ip6, skb)) return;
  if (rt.type === RTN_MULTICAST) return ip6McInput(ip6, skb, dev);
  if (skb.pktType === PACKET_BROADCAST || skb.pktType === PACKET_MULTICAST) {
    if (in6DevOf(dev)!.conf.dropUnicastInL2Multicast !== 0) return ip6.net.drop(skb, Drop.UnicastInL2Multicast);
  }
  if (rt.type === RTN_UNICAST) return ip6Forward(ip6, skb, rt, dev);
  if (rt.type !== RTN_LOCAL && rt.type !== RTN_ANYCAST) return ip6Error(ip6, skb, rt);
  ip6LocalDeliver(ip6, skb, dev);
}

/** To a group: delivered when the device is in it. */
function ip6McInput(ip6: Ipv6, skb: SkBuff, dev: NetDevice): void {
  const { net } = ip6;
  net.inc(Mib.Ip6InMcastPkts);
  net.mib[Mib.Ip6InMcastOctets]! += skb.len;
  const group = ipv6McGroup(dev, (skb.dst as Rt6Info).dst);
  if (group === null) {
    // MLD reports of others go to groups that we are not in; nothing else is wanted.
    consumeSkb(skb);
    return;
  }
  // Whom nobody here wants to hear (RFC 3810 §4.2); what concerns the group itself, MLD, is heard from all (Linux: ipv6_is_mld).
  if (!ipv6McHears(group, skb.buf, skb.nh + IPV6_SADDR) && (skb.cb0 & IP6SKB_ROUTERALERT) === 0) {
    net.inc(Mib.Ip6InAddrErrors);
    net.drop(skb, Drop.IpInAddrErrors);
    return;
  }
  ip6LocalDeliver(ip6, skb, dev);
}

/** For this host: through its other headers to its protocol. Takes the skb. */
function ip6LocalDeliver(ip6: Ipv6, skb: SkBuff, dev: NetDevice): void {
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6LocalDeliver');
  if (ip6.hookLocalIn !== null && !ip6.hookLocalIn.run(skb, dev, null)) return;
  skb.pull(skb.th - skb.nh);
  let whole = skb;
  // Where the byte is that names the header at `data`; a hop-by-hop header has been passed already.
  let nhoff = whole.th === whole.nh + IPV6_HLEN ? whole.nh + IPV6_NEXTHDR : whole.nh + IPV6_HLEN;
  for (let i = 0; i < IP6_EXTHDRS_MAX; i++) {
    const nexthdr = get8(whole.buf, nhoff);
    switch (nexthdr) {
      case NEXTHDR_DEST:
      case NEXTHDR_ROUTING: {
        const at = whole.data;
        const passed = nexthdr === NEXTHDR_DEST ? ipv6DestoptRcv(ip6, whole) : ipv6RthdrRcv(ip6, whole);
        if (!passed) return;
        nhoff = at;
        break;
      }
      case NEXTHDR_FRAGMENT: {
        const packet = ipv6Defrag(ip6, whole, nhoff);
        if (packet === null) return;
        whole = packet;
        nhoff = whole.cb1;
        break;
      }
      default:
        deliver(ip6, whole, nexthdr, nhoff);
        return;
    }
  }
  headerError(ip6, whole, Drop.Ipv6BadExthdr);
}

function deliver(ip6: Ipv6, skb: SkBuff, nexthdr: number, nhoff: number): void {
  const { net } = ip6;
  skb.th = skb.data;
  if (nexthdr === NEXTHDR_NONE) {
    consumeSkb(skb); // RFC 8200 §4.7: nothing follows, and that is all there is to it
    return;
  }
  const shown = ip6.raw !== null && ip6.raw.rcv(skb, nexthdr);
  const protocol = ip6.protocols[nexthdr]!;
  if (protocol !== null) {
    net.mib[InDelivers]!++;
    protocol.rcv(skb);
    return;
  }
  if (shown) {
    net.mib[InDelivers]!++;
    consumeSkb(skb);
    return;
  }
  // RFC 8200 §4: where the number stands that nobody here knows.
  net.inc(Mib.Ip6InUnknownProtos);
  icmp6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, nhoff - skb.nh);
  net.drop(skb, Drop.IpNoProto);
}
