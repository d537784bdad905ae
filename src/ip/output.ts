/**
 * IPv4, packets going out.
 *
 *   from  tcp/, udp/, ip/icmp.ts   ipQueueXmit (with a socket), ipBuildAndSendPkt (without)
 *   to    neigh/neighbour.ts       neighOutput, which writes the link header
 */
import { fail } from '../lib/assert.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { InetSock } from '../sock/sock.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Rtable } from './route.ts';

/**
 * Sends a packet of a connected socket: `skb.data` is at the transport header, `skb.th` is set. Route from `sk.dst`,
 * looked up again when stale. TOS, TTL and DF are the socket's. Takes the skb, whatever the result.
 *
 * @returns 0, NET_XMIT_CN (2), or a negative errno: -ENETUNREACH, -EHOSTUNREACH, -EMSGSIZE, -ENOBUFS
 */
export function ipQueueXmit(_ip: Ipv4, _sk: InetSock, _skb: SkBuff): number {
  return fail('not yet');
}

/**
 * Sends a packet without a full socket behind it (SYN-ACK, RST, the ACK of a TIME_WAIT, ICMP). Takes the skb.
 *
 * @param rt  the route, or null: looked up from `daddr`, `saddr`, any device
 * @param df  sets DF
 */
export function ipBuildAndSendPkt(
  _ip: Ipv4,
  _skb: SkBuff,
  _saddr: number,
  _daddr: number,
  _protocol: number,
  _ttl: number,
  _tos: number,
  _rt: Rtable | null,
  _df: boolean,
): number {
  return fail('not yet');
}
