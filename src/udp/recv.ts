/**
 * UDP, the reader: one datagram per call, and what does not fit is lost (RFC 768; recv(2)).
 */
import { EAGAIN } from '../lib/errno.ts';
import { get16, get32 } from '../lib/bytes.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { IPV4_SADDR } from '../wire/ipv4.ts';
import { UDP_SPORT } from '../wire/udp.ts';
import { copyBits } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import { Mib } from '../dev/mib.ts';
import { ipCmsgRecv } from '../ip/cmsg.ts';
import { ip6CmsgRecv, ip6RecvName } from '../ip/v6/cmsg.ts';
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN } from '../sock/constants.ts';
import { inetRecvError } from '../sock/error-queue.ts';
import { skPeekMove, skPeekOffset } from '../sock/peek.ts';
import type { Sock } from '../sock/sock.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { sockRecvRxTimestamp } from '../sock/timestamping.ts';
import type { UdpSock } from './sock.ts';

const InDatagrams: number = Mib.UdpInDatagrams;
const In6Datagrams: number = Mib.Udp6InDatagrams;

/**
 * Takes the next datagram (MSG_PEEK: looks at it). `msg.name` becomes its sender.
 *
 * @returns the bytes written; with MSG_TRUNC the datagram's real length; 0 after shutdown; -EAGAIN when there is none; or the
 *   socket's pending error, once
 */
export function udpRecvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UdpSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return inetRecvError(sk, msg);
  if (sk.err !== 0) return sk.sockError();
  const peek = (msg.flags & MSG_PEEK) !== 0;
  let from = sk.peekOff < 0 ? 0 : skPeekOffset(sk, peek);
  let skb = sk.receiveQueue.head;
  // SO_PEEK_OFF steps over what has been looked at, datagram by datagram; one of no bytes only behind another.
  for (; from > 0 && skb !== null && from >= skb.len; skb = skb.next) from -= skb.len;
  if (skb === null) {
    // A reader that would wait after shutdown gets the end instead.
    return (sk.shutdown & RCV_SHUTDOWN) !== 0 && (msg.flags & MSG_DONTWAIT) === 0 ? 0 : -EAGAIN;
  }
  const { len } = skb;
  const copied = len - from < msg.len ? len - from : msg.len;
  if (copied > 0) copyBits(skb, from, msg.buf, msg.off, copied);
  if (copied < len - from) msg.msgFlags |= MSG_TRUNC;
  msg.hasName = true;
  const { np } = sk;
  if (np === null) {
    msg.name.set(get32(skb.buf, skb.nh + IPV4_SADDR), get16(skb.buf, skb.th + UDP_SPORT));
    msg.control = ipCmsgRecv(sk, skb);
  } else {
    ip6RecvName(msg.name, np, skb, get16(skb.buf, skb.th + UDP_SPORT));
    msg.control = ip6CmsgRecv(sk, np, skb);
  }
  if (sk.rxStamped) sockRecvRxTimestamp(sk, skb.tstamp, msg.control ??= []);
  if (sk.peekOff >= 0) skPeekMove(sk, peek, (msg.flags & MSG_TRUNC) !== 0 ? len : copied); // what the call returns, as Linux does
  if (!peek) {
    sk.receiveQueue.unlink(skb);
    if (skb.trace !== 0) sk.net.trace(skb, 'udpRecvmsg', `${String(copied)} bytes`);
    sk.net.mib[skb.protocol === ETH_P_IPV6 ? In6Datagrams : InDatagrams]!++;
    consumeSkb(skb);
  }
  return (msg.flags & MSG_TRUNC) !== 0 ? len : copied;
}
