/**
 * TCP over IPv4: the only files of this room that know the family's headers are this one, demux.ts and icmp.ts.
 *
 *   from  tcp/output.ts    tcpV4Xmit, a segment of a connection
 *         tcp/reset.ts     tcpV4Reply, an answer without one
 *         tcp/request.ts   tcpV4SendSynack
 *   to    ip/output.ts
 */
import { Mib } from '../dev/mib.ts';
import { ipBuildAndSendPkt, ipQueueXmit } from '../ip/output.ts';
import { dstConfirm, ipRouteOutput, type Rtable } from '../ip/route.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import { IPPROTO_TCP } from '../sock/constants.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { GSO_MAX_SIZE, type TcpSock } from './sock.ts';

/** IPv4 and TCP headers without options: what an MSS leaves out of an MTU. */
export const V4_HEADERS = 40;
/** What a super-packet keeps free for headers (Linux: MAX_TCP_HEADER + 1). */
const HEADERS_OF_GSO = 321;
/** Largest IPv4 packet. */
const IPV4_MAX_PMTU = 65535;
/** The smallest MSS that is advertised, whatever the device says (net.ipv4.route.min_adv_mss). */
const MIN_ADVMSS = 256;

/** Hands a segment with its TCP header (checksum 0) to IP. Takes the skb. 0, NET_XMIT_CN, or a negative errno. */
export function tcpV4Xmit(tp: TcpSock, skb: SkBuff): number {
  // The card, or whoever looks at the bytes first, fills the checksum in.
  skb.ipSummed = CHECKSUM_PARTIAL;
  return ipQueueXmit(tp.tcp.ip, tp, skb);
}

/** Sends a segment that belongs to no full socket. Takes the skb, whose `data` is at the TCP header. */
export function tcpV4Reply(tcp: TcpProto, skb: SkBuff, saddr: number, daddr: number, tos: number, rt: Rtable | null): number {
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  return ipBuildAndSendPkt(tcp.ip, skb, saddr, daddr, IPPROTO_TCP, tcp.ip.sysctl.ipDefaultTtl, tos, rt, true);
}

/** Sends a SYN-ACK, made by `tcpMakeSynack`. Takes the skb. */
export function tcpV4SendSynack(tp: TcpSock, req: RequestSock, skb: SkBuff): number {
  const { tcp } = tp;
  skb.ipSummed = CHECKSUM_PARTIAL;
  tcp.net.inc(Mib.TcpOutSegs);
  const ttl = tp.ttl > 0 ? tp.ttl : tcp.ip.sysctl.ipDefaultTtl;
  return ipBuildAndSendPkt(tcp.ip, skb, req.saddr, req.daddr, IPPROTO_TCP, ttl, req.tos, tcpV4ReqRoute(tcp, req), true);
}

/** The way back to who asked for a connection; kept in the request while it is good. Null when there is none. */
export function tcpV4ReqRoute(tcp: TcpProto, req: RequestSock): Rtable | null {
  const had = req.dst as Rtable | null;
  if (had !== null && had.valid) return had;
  const rt = ipRouteOutput(tcp.ip, req.daddr, req.saddr, req.boundDevIf);
  req.dst = typeof rt === 'number' ? null : rt;
  return typeof rt === 'number' ? null : rt;
}

/** The MSS that a way allows us to offer: its device's MTU less the headers (RFC 9293 §3.7.1). Path MTU does not enter. */
export function tcpV4Advmss(dst: Rtable): number {
  return Math.min(Math.max(dst.dev.mtu - V4_HEADERS, MIN_ADVMSS), IPV4_MAX_PMTU - V4_HEADERS);
}

/** What the device of the route can take at once (Linux: sk_setup_caps). */
export function tcpV4SetupCaps(tp: TcpSock, rt: Rtable): void {
  tp.gsoMaxSize = Math.min(GSO_MAX_SIZE, rt.dev.gsoMaxSize - HEADERS_OF_GSO);
  tp.gsoMaxSegs = rt.dev.gsoMaxSegs;
}

/** The peer answers: the next hop on the way to it is alive (RFC 4861 §7.3.1 has it for IPv6, Linux for both). */
export function tcpConfirmNeigh(tp: TcpSock): void {
  if (tp.dst !== null) dstConfirm(tp.dst as Rtable);
}
