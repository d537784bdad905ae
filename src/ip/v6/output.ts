/**
 * IPv6, packets going out.
 *
 *   from  tcp/ipv6.ts                  ip6Xmit: a packet of a connected socket
 *         udp/, raw/                   ip6SendSkb: a datagram on a route of its own
 *         tcp/ipv6.ts, ip/v6/icmp6.ts  ip6BuildAndSendPkt: an answer without a socket
 *         neigh/ndp.ts, ip/v6/mld.ts   ip6SendControl: what the link itself needs
 *   to    neigh/neighbour.ts           neighOutput, which writes the link header
 *         ip/v6/fragment.ts            what is too long for its way
 *
 * In this order: header, filter (local out), copies for this host, filter (post routing), size, neighbour.
 */
import { get8, put16, put8 } from '../../lib/bytes.ts';
import { csumFold, csumIpv6Nofold } from '../../lib/checksum.ts';
import { in6IsMulticast, in6MulticastScope, type In6Addr } from '../../lib/addr6.ts';
import { EHOSTUNREACH, ENETDOWN, ENOBUFS, EPERM } from '../../lib/errno.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { ICMPV6_CHECK } from '../../wire/icmpv6.ts';
import {
  IPV6_DADDR, IPV6_HLEN, IPV6_HOP_LIMIT, IPV6_NEXTHDR, IPV6_SADDR, IPV6_TLV_PADN, IPV6_TLV_ROUTERALERT, ipv6WriteHeader, NEXTHDR_HOP,
  NEXTHDR_ICMP, NEXTHDR_TCP,
} from '../../wire/ipv6.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { cloneSkb, skbFromBytes } from '../../skb/copy.ts';
import { skbChecksum } from '../../skb/csum.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, PACKET_LOOPBACK, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { netifRx } from '../../dev/softnet.ts';
import { neighOutput } from '../../neigh/neighbour.ts';
import { InetSock } from '../../sock/sock.ts';
import { RTN_MULTICAST, RTN_UNICAST } from '../fib.ts';
import { ip6Fragment } from './fragment.ts';
import { icmp6OutCount } from './icmp6.ts';
import { in6DevOf } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ipv6McGroup } from './mcast.ts';
import { ip6RouteOutput, ip6RouteSock, Rt6Info } from './route.ts';

const OutRequests: number = Mib.Ip6OutRequests;
const OutTransmits: number = Mib.Ip6OutTransmits;
const OutOctets: number = Mib.Ip6OutOctets;

/** Link header, IPv6 and a hop-by-hop header, aligned: headroom of a message that is made from bytes. */
const CONTROL_HEADROOM = 64;
/** A hop-by-hop header with one router alert option. */
const ROUTER_ALERT_HLEN = 8;

/**
 * Sends a packet of a connected socket: `skb.data` is at the transport header, `skb.th` is set. Route from `sk.dst`, looked up
 * again when stale; addresses are `sk.v6Saddr` and `sk.v6Daddr`. Takes the skb, whatever the result.
 *
 * @param hopLimit  -1: the device's default
 * @returns 0, NET_XMIT_DROP (1), NET_XMIT_CN (2), or a negative errno: -EHOSTUNREACH (no route), -EMSGSIZE, -ENOBUFS, -ENETDOWN
 */
export function ip6Xmit(ip6: Ipv6, sk: InetSock, skb: SkBuff, tclass: number, flowLabel: number, hopLimit: number): number {
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6Xmit');
  let rt = sk.dst as Rt6Info | null;
  if (rt === null || rt.generation !== ip6.fib.generation) {
    const found = ip6RouteSock(ip6, sk);
    if (typeof found === 'number') {
      noRoute(ip6, skb);
      return -EHOSTUNREACH;
    }
    rt = found;
  }
  const at = skb.push(IPV6_HLEN);
  skb.nh = at;
  const hops = hopLimit >= 0 ? hopLimit : ip6DstHoplimit(rt);
  ipv6WriteHeader(skb.buf, at, tclass, flowLabel, skb.len - IPV6_HLEN, sk.protocol, hops, sk.v6Saddr ?? rt.src, sk.v6Daddr!);
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  return ip6LocalOut(ip6, rt, skb);
}

/**
 * Sends a datagram of `sk` along `rt`; the header is from the arguments, the rest from the socket. Takes the skb. As {@link ip6Xmit}.
 *
 * @param mayFragment  longer than the way allows, it is cut; else it is refused with -EMSGSIZE
 */
export function ip6SendSkb(
  ip6: Ipv6, sk: InetSock, skb: SkBuff, rt: Rt6Info, saddr: In6Addr, daddr: In6Addr, tclass: number, hopLimit: number,
  flowLabel: number, mayFragment: boolean,
): number {
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6SendSkb');
  const at = skb.push(IPV6_HLEN);
  skb.nh = at;
  const hops = hopLimit >= 0 ? hopLimit : ip6DstHoplimit(rt);
  ipv6WriteHeader(skb.buf, at, tclass, flowLabel, skb.len - IPV6_HLEN, sk.protocol, hops, saddr, daddr);
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  skb.ignoreDf = mayFragment;
  return ip6LocalOut(ip6, rt, skb);
}

/**
 * Sends a packet without a full socket behind it (SYN-ACK, RST, the ACK of a TIME_WAIT, ICMPv6): `skb.data` is at the transport
 * header, `skb.th` is set. Takes the skb.
 *
 * @param saddr     null: the route's
 * @param hopLimit  -1: the device's default
 * @param rt        the route, or null: looked up from `daddr`, `saddr`, `oif`
 * @returns as {@link ip6Xmit}
 */
export function ip6BuildAndSendPkt(
  ip6: Ipv6, skb: SkBuff, saddr: In6Addr | null, daddr: In6Addr, protocol: number, hopLimit: number, tclass: number, flowLabel: number,
  rt: Rt6Info | null, oif: number,
): number {
  const way = rt !== null && rt.valid ? rt : ip6RouteOutput(ip6, daddr, saddr, oif);
  if (typeof way === 'number') {
    noRoute(ip6, skb);
    return -EHOSTUNREACH;
  }
  const at = skb.push(IPV6_HLEN);
  skb.nh = at;
  const hops = hopLimit >= 0 ? hopLimit : ip6DstHoplimit(way);
  ipv6WriteHeader(skb.buf, at, tclass, flowLabel, skb.len - IPV6_HLEN, protocol, hops, saddr ?? way.src, daddr);
  return ip6LocalOut(ip6, way, skb);
}

/**
 * Sends an ICMPv6 message (checksum 0) by `dev` to somebody on its link: neighbour discovery and MLD. No route is asked.
 *
 * @param routerAlert  with a hop-by-hop header that makes routers look (RFC 2711)
 */
export function ip6SendControl(
  ip6: Ipv6, dev: NetDevice, saddr: In6Addr, daddr: In6Addr, hopLimit: number, message: Uint8Array, routerAlert: boolean,
): number {
  const { net } = ip6;
  if (!dev.up) return -ENETDOWN;
  const skb = skbFromBytes(net.pool, message, CONTROL_HEADROOM);
  skb.th = skb.data;
  const len = skb.len;
  if (routerAlert) {
    const hbh = skb.push(ROUTER_ALERT_HLEN);
    skb.buf.fill(0, hbh, hbh + ROUTER_ALERT_HLEN);
    put8(skb.buf, hbh, NEXTHDR_ICMP);
    put8(skb.buf, hbh + 2, IPV6_TLV_ROUTERALERT);
    put8(skb.buf, hbh + 3, 2);
    put8(skb.buf, hbh + 6, IPV6_TLV_PADN);
  }
  const at = skb.push(IPV6_HLEN);
  skb.nh = at;
  ipv6WriteHeader(skb.buf, at, 0, 0, skb.len - IPV6_HLEN, routerAlert ? NEXTHDR_HOP : NEXTHDR_ICMP, hopLimit, saddr, daddr);
  const sum = skbChecksum(skb, skb.th - skb.data, len, 0);
  const { buf } = skb;
  put16(buf, skb.th + ICMPV6_CHECK, csumFold(csumIpv6Nofold(buf, at + IPV6_SADDR, buf, at + IPV6_DADDR, len, NEXTHDR_ICMP, sum)));
  skb.ipSummed = CHECKSUM_NONE;
  icmp6OutCount(ip6, get8(message, 0));
  const rt = new Rt6Info(ip6, dev, in6IsMulticast(daddr) ? RTN_MULTICAST : RTN_UNICAST, daddr, saddr, null, saddr, dev.ifindex);
  return ip6LocalOut(ip6, rt, skb);
}

function noRoute(ip6: Ipv6, skb: SkBuff): void {
  ip6.net.inc(Mib.Ip6OutNoRoutes);
  ip6.net.drop(skb, Drop.IpOutNoRoutes);
}

/** The hop limit of packets that name none: what the device's routers advertised (RFC 4861 §6.3.4), else 64. */
export function ip6DstHoplimit(rt: Rt6Info): number {
  return in6DevOf(rt.dev)?.conf.hopLimit ?? rt.ip6.confAll.hopLimit;
}

// ---- the way down ---------------------------------------------------------------------------------------------------

/** A packet of this host, complete with its header, goes its way. Takes the skb. */
export function ip6LocalOut(ip6: Ipv6, rt: Rt6Info, skb: SkBuff): number {
  ip6.net.mib[OutRequests]!++;
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6LocalOut');
  skb.protocol = ETH_P_IPV6;
  skb.dst = rt;
  skb.dev = rt.dev;
  if (ip6.hookLocalOut !== null) {
    if (!ip6.hookLocalOut.run(skb, null, rt.dev)) return -EPERM;
    // Its destination may be another one by now.
    return ip6Output(ip6, skb.dst as Rt6Info, skb);
  }
  return ip6Output(ip6, rt, skb);
}

/** The last steps, for own and forwarded packets alike. Takes the skb. */
export function ip6Output(ip6: Ipv6, rt: Rt6Info, skb: SkBuff): number {
  const { mib } = ip6.net;
  mib[OutTransmits]!++;
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6Output', rt.dev.name);
  mib[OutOctets]! += skb.len;
  if (rt.type === RTN_MULTICAST && !toGroup(ip6, rt, skb)) return 0;
  if (ip6.hookPostRouting !== null && !ip6.hookPostRouting.run(skb, null, rt.dev)) return -EPERM;
  const { mtu } = rt;
  if ((skb.len > mtu && !gso6Fits(skb, mtu)) || skb.fragMaxSize !== 0) return ip6Fragment(ip6, rt, skb, mtu);
  return ip6FinishOutput(ip6, rt, skb);
}

/** To the neighbour of the next hop. Takes the skb. */
export function ip6FinishOutput(ip6: Ipv6, rt: Rt6Info, skb: SkBuff): number {
  if (skb.trace !== 0) ip6.net.trace(skb, 'ip6FinishOutput');
  const { neigh } = rt;
  if (neigh !== null && !neigh.dead) return neighOutput(neigh, skb);
  const found = ip6.ndisc.table.lookup6(rt.dev, rt.nexthop);
  if (found === null) {
    ip6.net.drop(skb, Drop.NeighCreateFail);
    return -ENOBUFS;
  }
  rt.neigh = found;
  return neighOutput(found, skb);
}

/** A super-packet is as long as its segments. */
export function gso6Fits(skb: SkBuff, mtu: number): boolean {
  if (skb.gsoSize === 0) return false;
  const { buf, nh, th } = skb;
  const l4 = buf[nh + IPV6_NEXTHDR] === NEXTHDR_TCP ? (buf[th + 12]! >> 4) << 2 : UDP_HLEN;
  return th - nh + l4 + skb.gsoSize <= mtu;
}

/** To a group: counted, and heard by this host too when it is in it. False when the packet ends here. */
function toGroup(ip6: Ipv6, rt: Rt6Info, skb: SkBuff): boolean {
  const { net } = ip6;
  net.inc(Mib.Ip6OutMcastPkts);
  net.mib[Mib.Ip6OutMcastOctets]! += skb.len;
  const { dev, dst } = rt;
  if ((dev.flags & IFF_LOOPBACK) !== 0) return true;
  if (loops(skb) && ipv6McGroup(dev, dst) !== null) loopCopy(skb);
  // RFC 4291 §2.7, interface-local scope; hop limit 0 (RFC 8200 §3): for this host alone.
  if (in6MulticastScope(dst) > 1 && skb.buf[skb.nh + IPV6_HOP_LIMIT] !== 0) return true;
  net.drop(skb, Drop.NotSpecified);
  return false;
}

/** Does the sender hear itself? IPV6_MULTICAST_LOOP; what the kernel says by itself it does not hear. */
function loops(skb: SkBuff): boolean {
  const { sk } = skb;
  return sk instanceof InetSock && (sk.np === null || sk.np.mcLoop);
}

/** A copy comes in as if from the link (Linux: dev_loopback_xmit). */
function loopCopy(skb: SkBuff): void {
  const copy = cloneSkb(skb);
  copy.pktType = PACKET_LOOPBACK;
  if (copy.ipSummed === CHECKSUM_NONE) copy.ipSummed = CHECKSUM_UNNECESSARY;
  netifRx(copy);
}
