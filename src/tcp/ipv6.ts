/**
 * TCP over IPv6 (RFC 8200 §8): what tcp/ipv4.ts is for IPv4.
 *
 *   from  tcp/output.ts    xmit, a segment of a connection
 *         tcp/reset.ts     reply, an answer without one
 *         tcp/request.ts   sendSynack, initReq
 *   to    ip/v6/output.ts
 */
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { ip6BuildAndSendPkt, ip6Xmit } from '../ip/v6/output.ts';
import { sockFlowLabel } from '../ip/v6/flowlabel.ts';
import { inet6Iif, ip6RouteOutput, ip6RouteSock, ip6SkUpdatePmtu, type Rt6Info } from '../ip/v6/route.ts';
import { in6IsLinklocalAt, in6IsMulticastAt, in6IsV4MappedAt, in6NeedsZone, in6ReadAt } from '../lib/addr6.ts';
import { get32 } from '../lib/bytes.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import { IPPROTO_TCP } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { LOOPBACK4_IPV6 } from '../sock/sock.ts';
import { INET_ECN_MASK } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_SADDR } from '../wire/ipv6.ts';
import { TCP_HLEN_MIN } from '../wire/tcp.ts';
import type { TcpAfOps } from './af.ts';
import { tcpV6Connect } from './connect6.ts';
import type { TcpProto } from './proto.ts';
import { tcpMtuToMss } from './mss.ts';
import type { RequestSock } from './request-sock.ts';
import type { TcpSock } from './sock.ts';

/** IPv6 and TCP headers without options and extension headers. */
const V6_HEADERS: number = IPV6_HLEN + TCP_HLEN_MIN;
/** RFC 8200 §8.3: beyond this an MSS means "no limit but the path's MTU". */
const IPV6_MAXPLEN = 65535;

function tcpV6Xmit(tp: TcpSock, skb: SkBuff): number {
  const ip6 = tp.tcp.ip6!;
  const np = tp.np!;
  skb.ipSummed = CHECKSUM_PARTIAL;
  return ip6Xmit(ip6, tp, skb, np.tclass, sockFlowLabel(ip6, np, tp.txhash), np.hopLimit);
}

function tcpV6Reply(tcp: TcpProto, to: SkBuff, skb: SkBuff): void {
  const { buf, nh } = to;
  const ip6 = tcp.ip6!;
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  const from = in6ReadAt(buf, nh + IPV6_DADDR);
  const peer = in6ReadAt(buf, nh + IPV6_SADDR);
  const tclass = (get32(buf, nh) >>> 20) & 0xff & ~INET_ECN_MASK;
  // A peer on the link is answered on that link.
  ip6BuildAndSendPkt(ip6, skb, from, peer, IPPROTO_TCP, -1, tclass, 0, null, in6NeedsZone(peer) ? inet6Iif(to) : 0);
}

function tcpV6SendSynack(tp: TcpSock, req: RequestSock, skb: SkBuff): number {
  const { tcp } = tp;
  const ip6 = tcp.ip6!;
  const np = tp.np!;
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  const rt = tcpV6ReqRoute(tcp, req);
  const label = sockFlowLabel(ip6, np, req.txhash !== 0 ? req.txhash : req.ehash);
  return ip6BuildAndSendPkt(ip6, skb, req.v6Saddr, req.v6Daddr!, IPPROTO_TCP, np.hopLimit, req.tos, label, rt, req.boundDevIf);
}

/** Neither a group, nor from an address that must not be on the wire (RFC 4291 §2.5.5.2: mapped ones are for the host alone). */
function tcpV6IsLocal(_tcp: TcpProto, skb: SkBuff): boolean {
  const { buf, nh } = skb;
  return !in6IsMulticastAt(buf, nh + IPV6_DADDR) && !in6IsV4MappedAt(buf, nh + IPV6_SADDR);
}

function tcpV6InitReq(req: RequestSock, tp: TcpSock, skb: SkBuff): void {
  const { buf, nh } = skb;
  req.v6Saddr = in6ReadAt(buf, nh + IPV6_DADDR);
  req.v6Daddr = in6ReadAt(buf, nh + IPV6_SADDR);
  const onLink = in6IsLinklocalAt(buf, nh + IPV6_SADDR);
  req.boundDevIf = tp.boundDevIf === 0 && !onLink ? 0 : (skb.dev as NetDevice).ifindex;
  req.tos = tp.np!.tclass;
}

function tcpV6ReqRoute(tcp: TcpProto, req: RequestSock): Rt6Info | null {
  const had = req.dst as Rt6Info | null;
  if (had !== null && had.valid) return had;
  const rt = ip6RouteOutput(tcp.ip6!, req.v6Daddr!, req.v6Saddr, req.boundDevIf);
  req.dst = typeof rt === 'number' ? null : rt;
  return typeof rt === 'number' ? null : rt;
}

function tcpV6InitChild(child: TcpSock, _tp: TcpSock, req: RequestSock): void {
  child.v6Saddr = req.v6Saddr;
  child.v6RcvSaddr = req.v6Saddr;
  child.v6Daddr = req.v6Daddr;
  child.rcvSaddr = LOOPBACK4_IPV6;
  child.boundDevIf = req.boundDevIf;
  child.txhash = req.txhash !== 0 ? req.txhash : req.ehash;
}

function tcpV6Advmss(dst: Dst): number {
  const { minAdvMss } = (dst as Rt6Info).ip6.sysctl;
  const mss = Math.max(dst.dev.mtu - V6_HEADERS, minAdvMss);
  return mss > IPV6_MAXPLEN - V6_HEADERS ? IPV6_MAXPLEN : mss;
}

function tcpV6MtuReduced(tp: TcpSock, mtu: number): number {
  // Segments are small enough already (Linux asks that of IPv6 only).
  if (tcpMtuToMss(tp, mtu) >= tp.mssCache) return -1;
  const ip6 = tp.tcp.ip6!;
  ip6SkUpdatePmtu(ip6, tp, mtu);
  const rt = ip6RouteSock(ip6, tp);
  return typeof rt === 'number' ? -1 : rt.mtu;
}

/** TCP in IPv6 packets. */
export const tcpV6Ops: TcpAfOps = {
  headerLen: IPV6_HLEN,
  cookieMss: [1280 - V6_HEADERS, 1480 - V6_HEADERS, 1500 - V6_HEADERS, 9000 - V6_HEADERS],
  connect: (tp, addr) => tcpV6Connect(tp, addr),
  xmit: tcpV6Xmit,
  reply: tcpV6Reply,
  sendSynack: tcpV6SendSynack,
  isLocal: tcpV6IsLocal,
  initReq: tcpV6InitReq,
  reqRoute: tcpV6ReqRoute,
  initChild: tcpV6InitChild,
  advmss: tcpV6Advmss,
  mtuReduced: tcpV6MtuReduced,
  pmtudisc: (tp) => tp.np!.pmtudisc,
};
