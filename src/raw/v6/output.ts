/**
 * Raw sockets over IPv6, packets going out: the writer's bytes behind our header, or behind his own (IPV6_HDRINCL).
 *
 *   from  raw/v6/ops.ts       raw6Sendmsg
 *         raw/v6/ping.ts      an echo request, on its way
 *   to    ip/v6/output.ts     ip6SendSkb, ip6LocalOut
 */
import { in6IsAny, in6IsMulticast, in6IsV4Mapped, in6Loopback, in6NeedsZone, in6WriteAt, type In6Addr } from '../../lib/addr6.ts';
import { get8, put16 } from '../../lib/bytes.ts';
import { csumFold, csumIpv6Nofold } from '../../lib/checksum.ts';
import {
  EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP, EPIPE,
} from '../../lib/errno.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_MAXPLEN, IPV6_NEXTHDR, IPV6_SADDR } from '../../wire/ipv6.ts';
import { CSUM_MANGLED_0 } from '../../wire/udp.ts';
import { appendBytes, copyBytes } from '../../skb/copy.ts';
import { skbChecksum } from '../../skb/csum.ts';
import { consumeSkb } from '../../skb/pool.ts';
import { MAX_HEADER, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import { ipXmitErrno } from '../../ip/output.ts';
import { Ip6Send } from '../../ip/v6/cmsg.ts';
import { sockFlowLabel } from '../../ip/v6/flowlabel.ts';
import { icmp6OutCount } from '../../ip/v6/icmp6.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { ip6LocalOut, ip6SendSkb } from '../../ip/v6/output.ts';
import { ip6FlowHash, ip6RouteOutput, ip6RouteSock, type Rt6Info } from '../../ip/v6/route.ts';
import {
  AF_INET6, AF_UNSPEC, IPPROTO_ICMPV6, IPPROTO_RAW, IPPROTO_UDP, MSG_OOB, SEND_SHUTDOWN, TCP_ESTABLISHED,
} from '../../sock/constants.ts';
import { ipLocalError } from '../../sock/error-queue.ts';
import { IPV6_PMTUDISC_DO, IPV6_PMTUDISC_OMIT, IPV6_PMTUDISC_PROBE } from '../../sock/ipv6-pinfo.ts';
import type { InetSock, Sock } from '../../sock/sock.ts';
import { type MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { skbSetOwnerW } from '../../sock/wmem.ts';
import type { Raw6Sock } from './sock.ts';

/** Where a message goes, and how. */
export interface Way6 {
  readonly rt: Rt6Info;
  readonly saddr: In6Addr;
  readonly how: Ip6Send;
}

/** The longest packet without a jumbogram. */
const PACKET_MAX: number = IPV6_MAXPLEN + IPV6_HLEN;

/**
 * Sends a packet of the socket's protocol, to `msg.name` or to the connected peer.
 *
 * @returns the bytes taken, or a negative errno: -EMSGSIZE, -EDESTADDRREQ, -EINVAL (no room for the checksum, IPV6_HDRINCL and no
 *   header, a port that is not the protocol), -EAGAIN (no room in the send buffer), -ENETUNREACH, a pending error of the socket
 */
export function raw6Sendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as Raw6Sock;
  const { ip6 } = sk.table;
  const { port, family } = msg.name;
  // RFC 3542 §3: the port of the address is the protocol, or nothing.
  if (msg.hasName && family === AF_INET6 && port !== 0 && port !== sk.num && sk.num !== IPPROTO_RAW) return -EINVAL;
  const way = inet6SendWay(ip6, sk, msg);
  if (typeof way === 'number') return way;
  const err = sk.hdrincl ? checkRoom(sk) : inet6CheckSend(sk, way, msg.len);
  if (err < 0) return err;
  const rc = sk.hdrincl ? sendHdrinc(sk, msg, way) : sendPlain(sk, msg, way);
  return rc < 0 ? rc : msg.len;
}

/** Looks for the way of a message: destination, source, device, hop limit. A negative errno when there is none. */
export function inet6SendWay(ip6: Ipv6, sk: InetSock, msg: MsgHdr): Way6 | number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const { name } = msg;
  const np = sk.np!;
  const named = msg.hasName && name.family !== AF_UNSPEC;
  if (named && (name.family !== AF_INET6 || name.addr6 === null)) return -EAFNOSUPPORT;
  if (!named && (sk.state !== TCP_ESTABLISHED || sk.v6Daddr === null)) return -EDESTADDRREQ;
  const to = named ? name.addr6! : sk.v6Daddr!;
  const daddr = in6IsAny(to) ? in6Loopback : to;
  if (in6IsV4Mapped(daddr)) return -EINVAL;
  const how = new Ip6Send(np);
  const err = how.read(msg);
  if (err < 0) return err;
  const scopeId = named && in6NeedsZone(daddr) ? name.scopeId : 0;
  if (sk.boundDevIf !== 0 && scopeId !== 0 && scopeId !== sk.boundDevIf) return -EINVAL;
  if (how.oif === 0) how.oif = scopeId !== 0 ? scopeId : sk.boundDevIf;
  const multicast = in6IsMulticast(daddr);
  if (how.oif === 0 && multicast) how.oif = np.mcastOif;
  if (how.oif === 0 && in6NeedsZone(daddr)) return -EINVAL;
  const own = !named && how.saddr === null && how.oif === sk.boundDevIf;
  const rt = own ? ip6RouteSock(ip6, sk) : ip6RouteOutput(ip6, daddr, how.saddr ?? sk.v6Saddr, how.oif);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.Ip6OutNoRoutes);
    return rt;
  }
  if (how.hopLimit < 0) how.hopLimit = multicast ? (np.mcastHops < 0 ? 1 : np.mcastHops) : np.hopLimit;
  return { rt, saddr: how.saddr ?? sk.v6Saddr ?? rt.src, how };
}

/** May the packet be cut? RFC 8200 §5: only its source may. */
function mayFragment(sk: InetSock, how: Ip6Send): boolean {
  const { pmtudisc } = sk.np!;
  return !how.dontfrag && (pmtudisc < IPV6_PMTUDISC_DO || pmtudisc === IPV6_PMTUDISC_OMIT);
}

/** May `len` bytes behind an IPv6 header go that way now? Linux's order: size, pending error, shutdown, room. */
export function inet6CheckSend(sk: InetSock, { rt, how }: Way6, len: number): number {
  const mtu = sk.np!.pmtudisc >= IPV6_PMTUDISC_PROBE ? Math.min(rt.dev.mtu, PACKET_MAX) : rt.mtu;
  const max = mayFragment(sk, how) ? PACKET_MAX : mtu;
  return len + IPV6_HLEN > max ? tooBig(sk, rt, mtu) : checkRoom(sk);
}

function tooBig(sk: InetSock, rt: Rt6Info, mtu: number): number {
  if (sk.np!.recverr) ipLocalError(sk, EMSGSIZE, new SockAddr().set6(rt.dst, 0, 0), mtu);
  return -EMSGSIZE;
}

function checkRoom(sk: InetSock): number {
  if (sk.err !== 0) return sk.sockError();
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk.wmemAlloc < sk.sndbuf) return 0;
  sk.noSpace = true;
  return -EAGAIN;
}

/** Our header in front of the writer's bytes, and their checksum among them when the kernel is to write it (RFC 3542 §3.1). */
function sendPlain(sk: Raw6Sock, msg: MsgHdr, way: Way6): number {
  const { ip6 } = sk.table;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  appendBytes(skb, msg.buf, msg.off, msg.len);
  skb.th = skb.data;
  const off = sk.checksumOff;
  if (off >= 0) {
    if (off >= msg.len - 1) {
      consumeSkb(skb);
      return -EINVAL;
    }
    const { page, off: begin } = skb.frags[0]!; // in one piece: they have just been copied
    put16(page!.bytes, begin + off, 0);
    const check = inet6Checksum(skb, way, sk.num);
    put16(page!.bytes, begin + off, check === 0 && sk.num === IPPROTO_UDP ? CSUM_MANGLED_0 : check);
  }
  if (sk.num === IPPROTO_ICMPV6) icmp6OutCount(ip6, get8(msg.buf, msg.off));
  return inet6SendSkb(ip6, sk, skb, way);
}

/** The checksum of a packet (from `data` on) whose field is zero, with the pseudo-header of the way that it will go. */
export function inet6Checksum(skb: SkBuff, { rt, saddr }: Way6, nexthdr: number): number {
  const { buf, len } = skb;
  // The pseudo-header is summed where the real one will stand.
  const nh = skb.data - IPV6_HLEN;
  in6WriteAt(saddr, buf, nh + IPV6_SADDR);
  in6WriteAt(rt.dst, buf, nh + IPV6_DADDR);
  return csumFold(csumIpv6Nofold(buf, nh + IPV6_SADDR, buf, nh + IPV6_DADDR, len, nexthdr, skbChecksum(skb, 0, len, 0)));
}

/** Sends an skb that is complete but for its IPv6 header. Takes the skb. 0 or a negative errno. */
export function inet6SendSkb(ip6: Ipv6, sk: InetSock, skb: SkBuff, { rt, saddr, how }: Way6): number {
  skbSetOwnerW(skb, sk);
  const label = sockFlowLabel(ip6, sk.np!, ip6FlowHash(ip6, saddr, rt.dst, sk.protocol));
  const fragment = mayFragment(sk, how);
  return queued(sk, ipXmitErrno(ip6SendSkb(ip6, sk, skb, rt, saddr, rt.dst, how.tclass, how.hopLimit, label, fragment)));
}

/** Lost in the queue of the device: only those are told who asked for errors. */
function queued(sk: InetSock, rc: number): number {
  return rc === -ENOBUFS && !sk.np!.recverr ? 0 : rc;
}

/** The writer's own header, untouched. It is not cut for the sake of the device. */
function sendHdrinc(sk: Raw6Sock, msg: MsgHdr, { rt }: Way6): number {
  const { len, off } = msg;
  const { ip6 } = sk.table;
  if (len > rt.dev.mtu) return tooBig(sk, rt, rt.dev.mtu);
  if (len < IPV6_HLEN) return -EINVAL;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  const at = skb.put(IPV6_HLEN);
  copyBytes(msg.buf, off, skb.buf, at, IPV6_HLEN);
  appendBytes(skb, msg.buf, off + IPV6_HLEN, len - IPV6_HLEN);
  skb.nh = at;
  skb.th = at + IPV6_HLEN;
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  skbSetOwnerW(skb, sk);
  if (get8(skb.buf, at + IPV6_NEXTHDR) === IPPROTO_ICMPV6 && len > IPV6_HLEN) icmp6OutCount(ip6, get8(msg.buf, off + IPV6_HLEN));
  return queued(sk, ipXmitErrno(ip6LocalOut(ip6, rt, skb)));
}
