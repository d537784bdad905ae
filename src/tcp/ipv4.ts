/**
 * TCP over IPv4. The files of this room that know the family's headers are this one, demux.ts, icmp.ts and connect.ts.
 *
 *   from  tcp/output.ts    xmit, a segment of a connection
 *         tcp/reset.ts     reply, an answer without one
 *         tcp/request.ts   sendSynack, initReq
 *   to    ip/output.ts
 */
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { inetAddrType } from '../ip/devinet.ts';
import { RTN_LOCAL } from '../ip/fib.ts';
import { ipBuildAndSendPkt, ipQueueXmit } from '../ip/output.ts';
import { ipRouteOutput, ipRouteSock, ipSkUpdatePmtu, type Rtable } from '../ip/route.ts';
import { in6FromV4 } from '../lib/addr6.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import { AF_INET6, IPPROTO_TCP } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { INET_ECN_MASK, iphDaddr, iphSaddr, iphTos, IPV4_HLEN_MIN } from '../wire/ipv4.ts';
import { TCP_HLEN_MIN } from '../wire/tcp.ts';
import type { TcpAfOps } from './af.ts';
import { tcpV4Connect } from './connect.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import type { TcpSock } from './sock.ts';

/** IPv4 and TCP headers without options: what an MSS leaves out of an MTU. */
export const V4_HEADERS: number = IPV4_HLEN_MIN + TCP_HLEN_MIN;
/** Largest IPv4 packet. */
const IPV4_MAX_PMTU = 65535;

function tcpV4Xmit(tp: TcpSock, skb: SkBuff): number {
  // The card, or whoever looks at the bytes first, fills the checksum in.
  skb.ipSummed = CHECKSUM_PARTIAL;
  return ipQueueXmit(tp.tcp.ip, tp, skb);
}

function tcpV4Reply(tcp: TcpProto, to: SkBuff, skb: SkBuff): void {
  const { buf, nh } = to;
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  const tos = iphTos(buf, nh) & ~INET_ECN_MASK;
  ipBuildAndSendPkt(tcp.ip, skb, iphDaddr(buf, nh), iphSaddr(buf, nh), IPPROTO_TCP, tcp.ip.sysctl.ipDefaultTtl, tos, null, true);
}

function tcpV4SendSynack(tp: TcpSock, req: RequestSock, skb: SkBuff): number {
  const { tcp } = tp;
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  const ttl = tp.ttl > 0 ? tp.ttl : tcp.ip.sysctl.ipDefaultTtl;
  return ipBuildAndSendPkt(tcp.ip, skb, req.saddr, req.daddr, IPPROTO_TCP, ttl, req.tos, tcpV4ReqRoute(tcp, req), true);
}

function tcpV4IsLocal(tcp: TcpProto, skb: SkBuff): boolean {
  return inetAddrType(tcp.ip, iphDaddr(skb.buf, skb.nh)) === RTN_LOCAL;
}

function tcpV4InitReq(req: RequestSock, tp: TcpSock, skb: SkBuff): void {
  const { buf, nh } = skb;
  req.saddr = iphDaddr(buf, nh);
  req.daddr = iphSaddr(buf, nh);
  req.boundDevIf = tp.boundDevIf === 0 ? 0 : (skb.dev as NetDevice).ifindex;
  req.tos = tp.tos;
}

function tcpV4ReqRoute(tcp: TcpProto, req: RequestSock): Rtable | null {
  const had = req.dst as Rtable | null;
  if (had !== null && had.valid) return had;
  const rt = ipRouteOutput(tcp.ip, req.daddr, req.saddr, req.boundDevIf);
  req.dst = typeof rt === 'number' ? null : rt;
  return typeof rt === 'number' ? null : rt;
}

function tcpV4InitChild(child: TcpSock, _tp: TcpSock, req: RequestSock): void {
  child.saddr = req.saddr;
  child.rcvSaddr = req.saddr;
  child.daddr = req.daddr;
  child.tos = req.tos;
  // A listener of AF_INET6 has children of AF_INET6: this one is bound to the mapped address.
  if (child.family === AF_INET6) child.v6RcvSaddr = in6FromV4(req.saddr);
}

function tcpV4Advmss(dst: Dst): number {
  const { ip, metrics, linkMtu } = dst as Rtable;
  const mss = metrics !== null && metrics.advmss !== 0 ? metrics.advmss : Math.max(linkMtu - V4_HEADERS, ip.sysctl.minAdvMss);
  return Math.min(mss, IPV4_MAX_PMTU - V4_HEADERS);
}

function tcpV4MtuReduced(tp: TcpSock, mtu: number): number {
  const { ip } = tp.tcp;
  ipSkUpdatePmtu(ip, tp, mtu);
  const rt = ipRouteSock(ip, tp);
  return typeof rt === 'number' ? -1 : rt.mtu;
}

/** TCP in IPv4 packets. */
export const tcpV4Ops: TcpAfOps = {
  headerLen: IPV4_HLEN_MIN,
  cookieMss: [536, 1300, 1440, 1460],
  connect: (tp, addr) => tcpV4Connect(tp, addr),
  xmit: tcpV4Xmit,
  reply: tcpV4Reply,
  sendSynack: tcpV4SendSynack,
  isLocal: tcpV4IsLocal,
  initReq: tcpV4InitReq,
  reqRoute: tcpV4ReqRoute,
  initChild: tcpV4InitChild,
  advmss: tcpV4Advmss,
  mtuReduced: tcpV4MtuReduced,
  pmtudisc: (tp) => tp.pmtudisc,
};
