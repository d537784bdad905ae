/**
 * ICMPv6, messages coming in (RFC 4443).
 *
 *   from  ip/v6/input.ts        icmp6Rcv, `data` at the ICMPv6 header
 *   to    ip/v6/icmp6.ts        the answer to an echo
 *         protocols[].err       an error, to the protocol whose packet is quoted
 *         neigh/ndp-input.ts    neighbour discovery;  ip/v6/mld.ts  group membership
 *         ip6.raw, ip6.ping     what somebody asked for
 */
import { put8 } from '../../lib/bytes.ts';
import { in6ReadAt } from '../../lib/addr6.ts';
import {
  ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_HLEN, ICMPV6_INFOMSG_MASK, ICMPV6_MGM_QUERY,
  ICMPV6_MGM_REDUCTION, ICMPV6_MGM_REPORT, ICMPV6_MLD2_REPORT, ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED, icmp6hCode,
  icmp6hRest, icmp6hType, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION, NDISC_REDIRECT, NDISC_ROUTER_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} from '../../wire/icmpv6.ts';
import {
  IP6_OFFSET, IPV6_DADDR, IPV6_HLEN, IPV6_NEXTHDR, ipv6SkipExthdr, NEXTHDR_ICMP, type UpperLayer,
} from '../../wire/ipv6.ts';
import { mayPull } from '../../skb/copy.ts';
import { skbChecksumVerify } from '../../skb/csum.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { consumeSkb } from '../../skb/pool.ts';
import { CHECKSUM_UNNECESSARY, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { ndiscRcv } from '../../neigh/ndp-input.ts';
import { RTN_MULTICAST } from '../fib.ts';
import type { IpProtocol } from '../ipv4.ts';
import { icmp6Mtu, icmp6Reply } from './icmp6.ts';
import { IP6SKB_FRAGMENTED } from './input.ts';
import type { Ipv6 } from './ipv6.ts';
import { igmp6EventQuery, igmp6EventReport } from './mld.ts';
import { ip6UpdatePmtu, type Rt6Info } from './route.ts';
import { RTN_ANYCAST } from './rtn.ts';

/** ICMPv6 as a protocol above IPv6. */
export class Icmp6Protocol implements IpProtocol {
  readonly ip6: Ipv6;

  constructor(ip6: Ipv6) {
    this.ip6 = ip6;
  }

  rcv(skb: SkBuff): void {
    icmp6Rcv(this.ip6, skb);
  }

  /** An error about one of our own messages: an echo, or the answer to one, that did not arrive. */
  err(skb: SkBuff, type: number, code: number, info: number): void {
    if (type === ICMPV6_PKT_TOOBIG) ip6UpdatePmtu(this.ip6, in6ReadAt(skb.buf, skb.data + IPV6_DADDR), 0, info);
    const { ping } = this.ip6;
    if (ping !== null) ping.err(skb, type, code, info);
  }
}

/** A message came in. Takes the skb. */
function icmp6Rcv(ip6: Ipv6, skb: SkBuff): void {
  const { net } = ip6;
  net.inc(Mib.Icmp6InMsgs);
  if (skb.trace !== 0) net.trace(skb, 'icmpv6Rcv');
  if (skb.ipSummed !== CHECKSUM_UNNECESSARY && !skbChecksumVerify(skb, NEXTHDR_ICMP)) {
    net.inc(Mib.Icmp6InCsumErrors);
    return bad(ip6, skb, Drop.IcmpCsum);
  }
  if (!mayPull(skb, ICMPV6_HLEN)) return bad(ip6, skb, Drop.PktTooSmall);
  const type = icmp6hType(skb.buf, skb.data);
  countIn(ip6, type);
  if ((type & ICMPV6_INFOMSG_MASK) === 0) return icmp6Error(ip6, skb, type);
  switch (type) {
    case ICMPV6_ECHO_REQUEST: return icmp6Echo(ip6, skb);
    case ICMPV6_ECHO_REPLY: return icmp6EchoReply(ip6, skb);
    case NDISC_ROUTER_SOLICITATION: case NDISC_ROUTER_ADVERTISEMENT: case NDISC_NEIGHBOUR_SOLICITATION:
    case NDISC_NEIGHBOUR_ADVERTISEMENT: case NDISC_REDIRECT:
      // RFC 6980 §5: what came in fragments could hide from whoever watches the link.
      if ((skb.cb0 & IP6SKB_FRAGMENTED) !== 0) return net.drop(skb, Drop.Ipv6NdiscFrag);
      return ndiscRcv(ip6.ndisc, skb, skb.dev as NetDevice);
    case ICMPV6_MGM_QUERY: igmp6EventQuery(ip6, skb, skb.dev as NetDevice); break;
    case ICMPV6_MGM_REPORT: igmp6EventReport(skb, skb.dev as NetDevice); break;
    default: break; // RFC 4443 §2.4 (b): unknown informational messages are silently discarded
  }
  consumeSkb(skb);
}

function bad(ip6: Ipv6, skb: SkBuff, reason: Drop): void {
  ip6.net.inc(Mib.Icmp6InErrors);
  ip6.net.drop(skb, reason);
}

/** RFC 4443 §4.2: the data goes back as it came. */
function icmp6Echo(ip6: Ipv6, skb: SkBuff): void {
  const { sysctl } = ip6;
  const { type } = skb.dst as Rt6Info;
  const ignored = sysctl.icmpEchoIgnoreAll !== 0 || (type === RTN_MULTICAST && sysctl.icmpEchoIgnoreMulticast !== 0)
    || (type === RTN_ANYCAST && sysctl.icmpEchoIgnoreAnycast !== 0);
  if (ignored) {
    consumeSkb(skb);
    return;
  }
  put8(skb.buf, skb.data, ICMPV6_ECHO_REPLY);
  icmp6Reply(ip6, skb);
}

function icmp6EchoReply(ip6: Ipv6, skb: SkBuff): void {
  if (ip6.ping !== null && ip6.ping.rcv(skb)) return;
  if (ip6.raw === null) return ip6.net.drop(skb, Drop.NoSocket);
  consumeSkb(skb); // a raw socket may have asked, and has its copy
}

/**
 * An error: to the protocol that sent the quoted packet; it decides which socket, and whether to believe it. The quoted packet's
 * headers are put in front of its transport header, so that the protocol finds both at fixed places.
 */
function icmp6Error(ip6: Ipv6, skb: SkBuff, type: number): void {
  const { buf } = skb;
  const code = icmp6hCode(buf, skb.data);
  const mtu = icmp6Mtu(buf, skb.data);
  const rest = icmp6hRest(buf, skb.data);
  skb.pull(ICMPV6_HLEN);
  if (!mayPull(skb, IPV6_HLEN)) return bad(ip6, skb, Drop.PktTooSmall);
  if (type > ICMPV6_PARAMPROB) {
    consumeSkb(skb); // no meaning to a host; RFC 4443 §2.4 (a) would have it passed up, and nobody is there
    return;
  }
  // As much of what is quoted as there is room for: enough for its extension headers and the ports behind them.
  mayPull(skb, Math.min(skb.len, QUOTE_LOOK, skb.tail - skb.data + (buf.length - skb.tail)));
  const upper: UpperLayer = ipv6SkipExthdr(buf, skb.data, skb.tail - skb.data, ip6.icmp.upper);
  if (upper.off < 0 || (upper.frag & IP6_OFFSET) !== 0) return bad(ip6, skb, Drop.IcmpInvalid);
  // RFC 4443 §2.4 (c) quotes far more; eight bytes tell the socket.
  if (upper.off + 8 > skb.tail) return bad(ip6, skb, Drop.PktTooSmall);
  const number = upper.nexthdr;
  if (upper.off !== skb.data + IPV6_HLEN) moveHeader(skb, upper.off, number);
  const info = type === ICMPV6_PKT_TOOBIG ? mtu : rest;
  const protocol = ip6.protocols[number] ?? null;
  if (ip6.raw !== null) ip6.raw.err(skb, number, type, code, info);
  if (protocol !== null) protocol.err(skb, type, code, info);
  consumeSkb(skb);
}

/** Bytes of the quoted packet that are brought into the header area. */
const QUOTE_LOOK = 160;

/** The IPv6 header of the quoted packet moves to right in front of the transport header at `th`. */
function moveHeader(skb: SkBuff, th: number, nexthdr: number): void {
  const by = th - IPV6_HLEN - skb.data;
  skb.buf.copyWithin(skb.data + by, skb.data, skb.data + IPV6_HLEN);
  skb.pull(by);
  put8(skb.buf, skb.data + IPV6_NEXTHDR, nexthdr);
}

function countIn(ip6: Ipv6, type: number): void {
  const { net } = ip6;
  switch (type) {
    case ICMPV6_DEST_UNREACH: net.inc(Mib.Icmp6InDestUnreachs); break;
    case ICMPV6_PKT_TOOBIG: net.inc(Mib.Icmp6InPktTooBigs); break;
    case ICMPV6_TIME_EXCEED: net.inc(Mib.Icmp6InTimeExcds); break;
    case ICMPV6_PARAMPROB: net.inc(Mib.Icmp6InParmProblems); break;
    case ICMPV6_ECHO_REQUEST: net.inc(Mib.Icmp6InEchos); break;
    case ICMPV6_ECHO_REPLY: net.inc(Mib.Icmp6InEchoReplies); break;
    case ICMPV6_MGM_QUERY: net.inc(Mib.Icmp6InGroupMembQueries); break;
    case ICMPV6_MGM_REPORT: net.inc(Mib.Icmp6InGroupMembResponses); break;
    case ICMPV6_MGM_REDUCTION: net.inc(Mib.Icmp6InGroupMembReductions); break;
    case NDISC_ROUTER_SOLICITATION: net.inc(Mib.Icmp6InRouterSolicits); break;
    case NDISC_ROUTER_ADVERTISEMENT: net.inc(Mib.Icmp6InRouterAdvertisements); break;
    case NDISC_NEIGHBOUR_SOLICITATION: net.inc(Mib.Icmp6InNeighborSolicits); break;
    case NDISC_NEIGHBOUR_ADVERTISEMENT: net.inc(Mib.Icmp6InNeighborAdvertisements); break;
    case NDISC_REDIRECT: net.inc(Mib.Icmp6InRedirects); break;
    case ICMPV6_MLD2_REPORT: net.inc(Mib.Icmp6InMLDv2Reports); break;
  }
}
