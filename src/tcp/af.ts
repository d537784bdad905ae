/**
 * What TCP asks of the family below it (Linux: inet_connection_sock_af_ops): one table per family of packets, `tcp/ipv4.ts`
 * and `tcp/ipv6.ts`. The rest of this room knows segments and nothing of the headers in front of them.
 *
 * A socket of AF_INET6 that speaks to a mapped address (`::ffff:10.0.0.2`) has the table of IPv4: the table goes by the
 * packets, `tp.family` by the socket.
 */
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Dst } from '../sock/dst.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import type { TcpSock } from './sock.ts';

export interface TcpAfOps {
  /** Bytes of the network header. */
  readonly headerLen: number;
  /** The MSS values that a SYN cookie can name, smallest first: the common ones over this family. */
  readonly cookieMss: readonly number[];

  /** connect(): chooses way, addresses and port, and sends the SYN. 0 or a negative errno. */
  connect(tp: TcpSock, addr: SockAddr): number;
  /** Hands a segment of a connection, with its TCP header, to the network layer. Takes the skb. 0, NET_XMIT_*, or a negative errno. */
  xmit(tp: TcpSock, skb: SkBuff): number;
  /** Answers the segment `to` without a socket. Takes `skb`, whose `data` is at the TCP header; `to` stays the caller's. */
  reply(tcp: TcpProto, to: SkBuff, skb: SkBuff): void;
  /** Sends a SYN-ACK, made by `tcpMakeSynack`. Takes the skb. */
  sendSynack(tp: TcpSock, req: RequestSock, skb: SkBuff): number;

  /** Is the segment for an address of this host alone, neither a broadcast nor a group? */
  isLocal(tcp: TcpProto, skb: SkBuff): boolean;
  /** Addresses and service of a request, from the listener and the segment (SYN or cookie). */
  initReq(req: RequestSock, tp: TcpSock, skb: SkBuff): void;
  /** The way back to who asked for a connection; kept in the request while it is good. Null when there is none. */
  reqRoute(tcp: TcpProto, req: RequestSock): Dst | null;
  /** Addresses and service of the connection that a request has become. */
  initChild(child: TcpSock, tp: TcpSock, req: RequestSock): void;

  /** The MSS that a way allows us to offer: its device's MTU less the headers (RFC 9293 §3.7.1). Path MTU does not enter. */
  advmss(dst: Dst): number;
  /** A believed message says that the path takes `mtu` bytes: remembers it, and returns what the path takes now; -1 without a way. */
  mtuReduced(tp: TcpSock, mtu: number): number;
  /** IP_MTU_DISCOVER, IPV6_MTU_DISCOVER. */
  pmtudisc(tp: TcpSock): number;
}

/** The table of the family that a received packet is of. */
export function tcpAfOf(tcp: TcpProto, skb: SkBuff): TcpAfOps {
  return skb.protocol === ETH_P_IPV6 ? tcp.v6! : tcp.v4;
}
