/**
 * UDP, the reader: one datagram per call, and what does not fit is lost (RFC 768; recv(2)).
 */
import { EAGAIN } from '../lib/errno.ts';
import { get16, get32, get8 } from '../lib/bytes.ts';
import { IPV4_DADDR, IPV4_SADDR, IPV4_TOS, IPV4_TTL } from '../wire/ipv4.ts';
import { UDP_SPORT } from '../wire/udp.ts';
import { copyBits } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { inetIif, type Rtable } from '../ip/route.ts';
import { RTN_LOCAL } from '../ip/fib.ts';
import {
  IP_PKTINFO, IP_TOS, IP_TTL, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN, SOL_IP,
} from '../sock/constants.ts';
import type { Sock } from '../sock/sock.ts';
import type { Cmsg, MsgHdr } from '../sock/sockaddr.ts';
import type { UdpSock } from './sock.ts';

const InDatagrams: number = Mib.UdpInDatagrams;

/** IP_PKTINFO (struct in_pktinfo): in, the source and device to use; out, where the datagram came in. */
export interface PktInfo {
  ifindex: number;
  /** The local address of the datagram. */
  specDst: number;
  /** Its destination as the header says. */
  addr: number;
}

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
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return -EAGAIN;
  if (sk.err !== 0) return sk.sockError();
  const skb = sk.receiveQueue.head;
  if (skb === null) {
    // A reader that would wait after shutdown gets the end instead.
    return (sk.shutdown & RCV_SHUTDOWN) !== 0 && (msg.flags & MSG_DONTWAIT) === 0 ? 0 : -EAGAIN;
  }
  const { len } = skb;
  const copied = len < msg.len ? len : msg.len;
  if (copied > 0) copyBits(skb, 0, msg.buf, msg.off, copied);
  if (copied < len) msg.msgFlags |= MSG_TRUNC;
  msg.name.set(get32(skb.buf, skb.nh + IPV4_SADDR), get16(skb.buf, skb.th + UDP_SPORT));
  msg.hasName = true;
  msg.control = sk.pktinfo || sk.recvttl || sk.recvtos ? cmsgs(sk, skb) : null;
  if ((msg.flags & MSG_PEEK) === 0) {
    sk.receiveQueue.unlink(skb);
    sk.net.mib[InDatagrams]!++;
    consumeSkb(skb);
  }
  return (msg.flags & MSG_TRUNC) !== 0 ? len : copied;
}

function cmsgs(sk: UdpSock, skb: SkBuff): Cmsg[] {
  const { buf, nh } = skb;
  const out: Cmsg[] = [];
  if (sk.pktinfo) {
    const addr = get32(buf, nh + IPV4_DADDR);
    const rt = skb.dst as Rtable;
    const data: PktInfo = { ifindex: inetIif(skb), specDst: rt.type === RTN_LOCAL ? addr : 0, addr };
    out.push({ level: SOL_IP, type: IP_PKTINFO, data });
  }
  if (sk.recvttl) out.push({ level: SOL_IP, type: IP_TTL, data: get8(buf, nh + IPV4_TTL) });
  if (sk.recvtos) out.push({ level: SOL_IP, type: IP_TOS, data: get8(buf, nh + IPV4_TOS) });
  return out;
}
