/**
 * Another way through the network (Linux: sk_rethink_txhash): a connection to which nothing comes back changes its hash, and over IPv6
 * the flow label with it, by which routers choose among equal paths (RFC 6438).
 *
 *   from  tcp/timer.ts     a timeout: our segments do not arrive
 *         tcp/data.ts      old data comes again, with another label: the peer had a timeout, our ACKs do not arrive
 *         tcp/request.ts   a SYN-ACK that is sent again
 */
import { Mib } from '../dev/mib.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { ip6hFlowLabel } from '../wire/ipv6.ts';
import type { RequestSock } from './request-sock.ts';
import { TCP_CA_Loss, type TcpSock } from './sock.ts';

/** Is it allowed (SO_TXREHASH, net.core.txrehash)? */
export function tcpTxrehash(tp: TcpSock): boolean {
  return (tp.txrehash >= 0 ? tp.txrehash : tp.net.sysctl.txrehash) !== 0;
}

/** A new hash, never 0, which means that there is none. Over IPv4 nobody sees it, and it costs no chance. */
function drawHash(tp: TcpSock, v6: boolean): number {
  return v6 ? tp.tcp.ip6!.random.next32() || 1 : 0;
}

/** The retransmission timer has fired. */
export function tcpTimeoutRehash(tp: TcpSock): void {
  if (!tcpTxrehash(tp)) return;
  tp.txhash = drawHash(tp, tp.v6Daddr !== null);
  tp.timeoutRehash++;
  tp.net.inc(Mib.TcpExtTcpTimeoutRehash);
}

/** Data that we have had comes again. A connection in Loss has changed its way for reasons of its own. */
export function tcpRcvSpuriousRetrans(tp: TcpSock, skb: SkBuff): void {
  if (skb.protocol !== ETH_P_IPV6) return;
  const label = ip6hFlowLabel(skb.buf, skb.nh);
  if (tp.caState !== TCP_CA_Loss && label !== tp.lrcvFlowlabel && tcpTxrehash(tp)) {
    tp.txhash = drawHash(tp, true);
    tp.net.inc(Mib.TcpExtTcpDuplicateDataRehash);
  }
  tp.lrcvFlowlabel = label;
}

/** A SYN-ACK is to be sent again. */
export function tcpReqRehash(tp: TcpSock, req: RequestSock): void {
  if (req.v6Daddr !== null && tcpTxrehash(tp)) req.txhash = drawHash(tp, true);
}
