/**
 * Control messages of level SOL_IP: what a datagram carried beside its bytes, for the reader; what a writer asks for one
 * datagram alone (Linux: ip_cmsg_recv, ip_cmsg_send; ip(7)).
 */
import { get32, get8 } from '../lib/bytes.ts';
import { IPV4_DADDR, IPV4_SADDR, IPV4_TOS, IPV4_TTL } from '../wire/ipv4.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { IP_PKTINFO, IP_TOS, IP_TTL, SOL_IP } from '../sock/constants.ts';
import type { InetSock } from '../sock/sock.ts';
import type { Cmsg, MsgHdr } from '../sock/sockaddr.ts';
import { RTN_LOCAL } from './fib.ts';
import { inetIif, type Rtable } from './route.ts';

/** IP_PKTINFO (struct in_pktinfo): in, the source and device to use; out, where the datagram came in. */
export interface PktInfo {
  ifindex: number;
  /** The local address of the datagram. */
  specDst: number;
  /** Its destination as the header says. */
  addr: number;
}

/** What the reader of `sk` asked to be told about `skb`; null when it asked for nothing. */
export function ipCmsgRecv(sk: InetSock, skb: SkBuff): Cmsg[] | null {
  return sk.pktinfo || sk.recvttl || sk.recvtos ? cmsgs(sk, skb) : null;
}

function cmsgs(sk: InetSock, skb: SkBuff): Cmsg[] {
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

/** The writer's IP_PKTINFO, or null. */
export function ipCmsgPktInfo(msg: MsgHdr): PktInfo | null {
  if (msg.control === null) return null;
  for (const c of msg.control) {
    if (c.level === SOL_IP && c.type === IP_PKTINFO && typeof c.data === 'object') return c.data as PktInfo;
  }
  return null;
}

/** The writer's number for this datagram (IP_TTL, IP_TOS), else `otherwise`. */
export function ipCmsgInt(msg: MsgHdr, type: number, otherwise: number): number {
  if (msg.control === null) return otherwise;
  for (const c of msg.control) if (c.level === SOL_IP && c.type === type && typeof c.data === 'number') return c.data;
  return otherwise;
}

/** The sender of a datagram, for `msg.name`. */
export function ipSourceAddr(skb: SkBuff): number {
  return get32(skb.buf, skb.nh + IPV4_SADDR);
}
