/**
 * Control messages of level SOL_IPV6, and where a datagram came from: what an AF_INET6 socket tells its reader; what a writer
 * asks for one datagram alone (Linux: ip6_datagram_recv_ctl, ip6_datagram_send_ctl; ipv6(7), RFC 3542 §6).
 */
import { get32, get8 } from '../../lib/bytes.ts';
import { in6Any, in6FromV4, In6Addr, in6IsAny, in6IsV4Mapped, in6NeedsZone, in6ReadAt, parseIpv6 } from '../../lib/addr6.ts';
import { EINVAL } from '../../lib/errno.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { IPV4_DADDR, IPV4_SADDR } from '../../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_HOP_LIMIT, IPV6_SADDR } from '../../wire/ipv6.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import {
  IPV6_DONTFRAG, IPV6_FLOWINFO, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_TCLASS, SOL_IPV6,
} from '../../sock/constants.ts';
import type { Ipv6Pinfo } from '../../sock/ipv6-pinfo.ts';
import type { InetSock } from '../../sock/sock.ts';
import type { Cmsg, MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { ipCmsgRecv } from '../cmsg.ts';
import { inetIif } from '../route.ts';
import { inet6Iif } from './route.ts';

/** IPV6_PKTINFO (struct in6_pktinfo): in, the source and device to use; out, the destination and where it came in. */
export interface In6PktInfo {
  ifindex: number;
  /** `::` when only the device matters. */
  addr: In6Addr;
}

/** Traffic class and flow label: the first four bytes of a header without the version. */
const FLOWINFO_MASK = 0x0fffffff;

/** The sender of a datagram, as an AF_INET6 socket sees it: mapped when the packet was IPv4, with its link when that matters. */
export function ip6RecvName(out: SockAddr, np: Ipv6Pinfo, skb: SkBuff, port: number): void {
  const { buf, nh } = skb;
  if (skb.protocol !== ETH_P_IPV6) {
    out.setMapped(get32(buf, nh + IPV4_SADDR), port);
    return;
  }
  const from = in6ReadAt(buf, nh + IPV6_SADDR);
  out.set6(from, port, in6NeedsZone(from) ? inet6Iif(skb) : 0);
  if (np.sndflow) out.flowinfo = get32(buf, nh) & FLOWINFO_MASK;
}

/** What the reader of `sk` asked to be told about `skb`; null when it asked for nothing. */
export function ip6CmsgRecv(sk: InetSock, np: Ipv6Pinfo, skb: SkBuff): Cmsg[] | null {
  const { buf, nh } = skb;
  if (skb.protocol !== ETH_P_IPV6) {
    const v4 = ipCmsgRecv(sk, skb);
    if (!np.rxPktinfo) return v4;
    const data: In6PktInfo = { ifindex: inetIif(skb), addr: in6FromV4(get32(buf, nh + IPV4_DADDR)) };
    return [{ level: SOL_IPV6, type: IPV6_PKTINFO, data }, ...(v4 ?? [])];
  }
  if (!np.rxPktinfo && !np.rxHoplimit && !np.rxTclass && !np.rxFlow) return null;
  const out: Cmsg[] = [];
  const add = (type: number, data: number | object): void => void out.push({ level: SOL_IPV6, type, data });
  if (np.rxPktinfo) add(IPV6_PKTINFO, { ifindex: inet6Iif(skb), addr: in6ReadAt(buf, nh + IPV6_DADDR) } satisfies In6PktInfo);
  if (np.rxHoplimit) add(IPV6_HOPLIMIT, get8(buf, nh + IPV6_HOP_LIMIT));
  const word = get32(buf, nh);
  if (np.rxTclass) add(IPV6_TCLASS, (word >>> 20) & 0xff);
  if (np.rxFlow && (word & FLOWINFO_MASK) !== 0) add(IPV6_FLOWINFO, word & FLOWINFO_MASK);
  return out;
}

/** What IPV6_PKTINFO takes, `addr` also as a text; null when it is none. */
export function in6PktInfoOf(value: unknown): In6PktInfo | null {
  if (typeof value !== 'object' || value === null) return null;
  const { ifindex = 0, addr: given = in6Any } = value as { ifindex?: unknown; addr?: unknown };
  const addr = typeof given === 'string' ? parseIpv6(given) : given;
  if (typeof ifindex !== 'number' || !Number.isInteger(ifindex) || !(addr instanceof In6Addr) || in6IsV4Mapped(addr)) return null;
  return { ifindex, addr };
}

/** What a writer said beside the bytes, with the socket's options where it said nothing (Linux: struct ipcm6_cookie). */
export class Ip6Send {
  /** Null: by the route. */
  saddr: In6Addr | null = null;
  /** 0: any device. */
  oif = 0;
  /** -1: the socket's, then the route's. */
  hopLimit = -1;
  tclass = 0;
  dontfrag = false;

  constructor(np: Ipv6Pinfo) {
    this.tclass = np.tclass;
    this.dontfrag = np.dontfrag;
    if (np.stickyPktinfo !== null) this.usePktinfo(np.stickyPktinfo.data as In6PktInfo);
  }

  /** Takes the control messages of `msg`. 0, or -EINVAL for one that makes no sense. */
  read(msg: MsgHdr): number {
    for (const c of msg.control ?? []) {
      if (c.level !== SOL_IPV6) continue;
      if (c.type === IPV6_PKTINFO) {
        const info = in6PktInfoOf(c.data);
        if (info === null) return -EINVAL;
        this.usePktinfo(info);
        continue;
      }
      if (typeof c.data !== 'number' || c.data < -1 || c.data > 255) return -EINVAL;
      if (c.type === IPV6_HOPLIMIT) this.hopLimit = c.data;
      else if (c.type === IPV6_TCLASS) this.tclass = c.data < 0 ? 0 : c.data;
      else if (c.type === IPV6_DONTFRAG) this.dontfrag = c.data !== 0;
      else return -EINVAL;
    }
    return 0;
  }

  private usePktinfo(info: In6PktInfo): void {
    if (info.ifindex !== 0) this.oif = info.ifindex;
    if (!in6IsAny(info.addr)) this.saddr = info.addr;
  }
}
