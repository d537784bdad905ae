/**
 * UDP over IPv6, datagrams going out (RFC 768, RFC 8200 §8.1): what udp/output.ts is for IPv4.
 *
 *   from  udp/ops6.ts         udpV6Sendmsg: the writer's bytes
 *   to    udp/output.ts       udpV4Sendmsg, when the destination is a mapped address
 *         ip/v6/output.ts     ip6SendSkb
 */
import {
  in6Equal, in6IsAny, in6IsMulticast, in6IsV4Mapped, in6Loopback, in6NeedsZone, type In6Addr,
} from '../lib/addr6.ts';
import { EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, ENOBUFS, EPIPE } from '../lib/errno.ts';
import { Mib } from '../dev/mib.ts';
import { Ip6Send } from '../ip/v6/cmsg.ts';
import { sockFlowLabel } from '../ip/v6/flowlabel.ts';
import { ip6SendSkb } from '../ip/v6/output.ts';
import { ipXmitErrno } from '../ip/output.ts';
import { ip6FlowHash, ip6RouteOutput, ip6RouteSock, type Rt6Info } from '../ip/v6/route.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_PARTIAL, MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, MSG_MORE, SEND_SHUTDOWN, TCP_ESTABLISHED } from '../sock/constants.ts';
import { ipLocalError } from '../sock/error-queue.ts';
import { IPV6_PMTUDISC_DO, IPV6_PMTUDISC_OMIT, IPV6_PMTUDISC_PROBE } from '../sock/ipv6-pinfo.ts';
import type { Sock } from '../sock/sock.ts';
import { SockAddr, type MsgHdr } from '../sock/sockaddr.ts';
import { skbSetOwnerW } from '../sock/wmem.ts';
import { IPV6_HLEN } from '../wire/ipv6.ts';
import { UDP_HLEN, udpWriteHeader } from '../wire/udp.ts';
import { udpAutobind, udpBadMsg, udpFlushPending, udpPushPending, udpV4Sendmsg } from './output.ts';
import { addPayload, datagramTruesize } from './payload.ts';
import type { UdpSock } from './sock.ts';

/** Headers of a datagram without extension headers. */
const HEADERS: number = IPV6_HLEN + UDP_HLEN;
/** Largest payload of an IPv6 packet without a jumbogram, UDP's header included; and the packet. */
const PAYLOAD_MAX = 65535;
const PACKET_MAX: number = PAYLOAD_MAX + IPV6_HLEN;

/**
 * Sends a datagram of an AF_INET6 socket, to `msg.name` or to the connected peer.
 *
 * @returns the bytes taken, or a negative errno as of `udpSendmsg`; -ENETUNREACH also for a mapped address and IPV6_V6ONLY
 */
export function udpV6Sendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UdpSock;
  const bad = udpBadMsg(msg);
  if (bad !== 0) return bad;
  if (sk.pending !== null) return sk.pendingDaddr6 === null ? udpV4Sendmsg(sk, msg, false, 0, 0) : append(sk, sk.pending, msg);
  const { name, hasName } = msg;
  if (!hasName || name.family === AF_UNSPEC) {
    if (sk.state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    if (sk.v6Daddr === null) return udpV4Sendmsg(sk, msg, false, sk.daddr, sk.dport);
    return send(sk, msg, sk.v6Daddr, sk.dport, sk.boundDevIf, false);
  }
  if (name.port === 0) return -EINVAL;
  if (name.family === AF_INET) return toMapped(sk, msg, name.addr, name.port);
  const to = name.addr6;
  if (name.family !== AF_INET6 || to === null) return -EAFNOSUPPORT;
  if (in6IsV4Mapped(to)) return toMapped(sk, msg, to.d, name.port);
  // RFC 4291 §2.5.2 forbids it as a destination; BSD and Linux take it for "this host".
  const daddr = in6IsAny(to) ? in6Loopback : to;
  // The connected peer by its name: the socket's own way will do.
  const own = sk.state === TCP_ESTABLISHED && sk.v6Daddr !== null && sk.dport === name.port && in6Equal(sk.v6Daddr, daddr);
  return send(sk, msg, daddr, name.port, in6NeedsZone(daddr) ? name.scopeId : 0, !own);
}

function toMapped(sk: UdpSock, msg: MsgHdr, addr: number, port: number): number {
  return sk.v6only ? -ENETUNREACH : udpV4Sendmsg(sk, msg, true, addr, port);
}

function send(sk: UdpSock, msg: MsgHdr, daddr: In6Addr, dport: number, scopeId: number, named: boolean): number {
  const np = sk.np!;
  if (sk.num === 0) {
    const err = udpAutobind(sk);
    if (err < 0) return err;
  }
  const how = new Ip6Send(np);
  const err = how.read(msg);
  if (err < 0) return err;
  if (sk.boundDevIf !== 0 && scopeId !== 0 && scopeId !== sk.boundDevIf) return -EINVAL;
  if (how.oif === 0) how.oif = scopeId !== 0 ? scopeId : sk.boundDevIf;
  const multicast = in6IsMulticast(daddr);
  if (how.oif === 0 && multicast) how.oif = np.mcastOif;
  if (how.oif === 0 && in6NeedsZone(daddr)) return -EINVAL;
  const rt = route(sk, how, daddr, named);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.Ip6OutNoRoutes);
    return rt;
  }
  if (how.hopLimit < 0) how.hopLimit = multicast ? (np.mcastHops < 0 ? 1 : np.mcastHops) : np.hopLimit;
  const refused = checkSend(sk, rt, how, msg.len, daddr, dport);
  if (refused < 0) return refused;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  if (skb.trace !== 0) sk.net.trace(skb, 'udpv6Sendmsg');
  const noted = addPayload(sk, skb, msg);
  if (noted < 0) {
    consumeSkb(skb);
    return noted;
  }
  skb.truesize = datagramTruesize(msg.len);
  skbSetOwnerW(skb, sk);
  const saddr = how.saddr ?? sk.v6Saddr ?? rt.src;
  if (sk.cork || (msg.flags & MSG_MORE) !== 0) {
    sk.pending = skb;
    sk.pendingRoute = rt;
    sk.pendingSaddr6 = saddr;
    sk.pendingDaddr6 = rt.dst;
    sk.pendingDport = dport;
    sk.pendingSend = how;
    return msg.len;
  }
  const sent = sendSkb(sk, skb, rt, saddr, rt.dst, dport, how);
  return sent < 0 ? sent : msg.len;
}

/** The way: the socket's own, when nothing was said that could lead elsewhere. */
function route(sk: UdpSock, how: Ip6Send, daddr: In6Addr, named: boolean): Rt6Info | number {
  const ip6 = sk.udp.ip6!;
  if (!named && how.saddr === null && how.oif === sk.boundDevIf) return ip6RouteSock(ip6, sk);
  return ip6RouteOutput(ip6, daddr, how.saddr ?? sk.v6Saddr, how.oif);
}

/** The largest packet that leaves in one piece: the path's MTU, the device's for a socket that probes, or IPV6_MTU's. */
function mtuOf(sk: UdpSock, rt: Rt6Info): number {
  const np = sk.np!;
  const mtu = np.pmtudisc >= IPV6_PMTUDISC_PROBE ? Math.min(rt.dev.mtu, PACKET_MAX) : rt.mtu;
  return np.fragSize !== 0 && np.fragSize < mtu ? np.fragSize : mtu;
}

/** May the datagram be cut? RFC 8200 §5: only its source may. */
function mayFragment(sk: UdpSock, how: Ip6Send): boolean {
  const { pmtudisc } = sk.np!;
  return !how.dontfrag && (pmtudisc < IPV6_PMTUDISC_DO || pmtudisc === IPV6_PMTUDISC_OMIT);
}

/** May a datagram of `len` bytes go along `rt` now? Linux's order: size, pending error, shutdown, room. */
function checkSend(sk: UdpSock, rt: Rt6Info, how: Ip6Send, len: number, daddr: In6Addr, dport: number): number {
  const max = mayFragment(sk, how) ? PACKET_MAX : mtuOf(sk, rt);
  if (len + HEADERS > max) {
    if (sk.np!.recverr) ipLocalError(sk, EMSGSIZE, new SockAddr().set6(daddr, dport, 0), mtuOf(sk, rt));
    return -EMSGSIZE;
  }
  if (sk.err !== 0) return sk.sockError();
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk.wmemAlloc < sk.sndbuf) return 0;
  sk.noSpace = true;
  return -EAGAIN;
}

/** More bytes for the datagram in the making; it goes to the address of its first bytes. */
function append(sk: UdpSock, skb: SkBuff, msg: MsgHdr): number {
  const how = sk.pendingSend!;
  const total = skb.len + msg.len;
  if (total + HEADERS > (mayFragment(sk, how) ? PACKET_MAX : mtuOf(sk, sk.pendingRoute as Rt6Info))) {
    udpFlushPending(sk);
    return -EMSGSIZE;
  }
  const noted = addPayload(sk, skb, msg);
  if (noted < 0) return noted;
  const size = datagramTruesize(total);
  sk.wmemAlloc += size - skb.truesize;
  skb.truesize = size;
  if (sk.cork || (msg.flags & MSG_MORE) !== 0) return msg.len;
  const sent = udpV6PushPending(sk);
  return sent < 0 ? sent : msg.len;
}

/** Sends the datagram in the making (uncorked), of whichever family it is. 0 or a negative errno. */
export function udpV6PushPending(sk: UdpSock): number {
  const { pending, pendingSaddr6, pendingDaddr6 } = sk;
  if (pending === null || pendingDaddr6 === null) return udpPushPending(sk);
  const rt = sk.pendingRoute as Rt6Info;
  const how = sk.pendingSend!;
  sk.pending = null;
  sk.pendingRoute = null;
  sk.pendingDaddr6 = null;
  sk.pendingSend = null;
  return sendSkb(sk, pending, rt, pendingSaddr6!, pendingDaddr6, sk.pendingDport, how);
}

/** Writes the header and hands the datagram to IPv6. Takes the skb. 0 or a negative errno. */
function sendSkb(sk: UdpSock, skb: SkBuff, rt: Rt6Info, saddr: In6Addr, daddr: In6Addr, dport: number, how: Ip6Send): number {
  const { net, udp } = sk;
  const ip6 = udp.ip6!;
  const at = skb.push(UDP_HLEN);
  skb.th = at;
  udpWriteHeader(skb.buf, at, sk.num, dport, skb.len);
  // RFC 8200 §8.1: there is always a checksum; the card, or whoever looks at the bytes first, fills it in.
  skb.ipSummed = CHECKSUM_PARTIAL;
  const label = sockFlowLabel(ip6, sk.np!, ip6FlowHash(ip6, saddr, daddr, (sk.num << 16) | dport));
  const fragment = mayFragment(sk, how);
  const rc = ipXmitErrno(ip6SendSkb(ip6, sk, skb, rt, saddr, daddr, how.tclass, how.hopLimit, label, fragment));
  if (rc === -ENOBUFS) {
    // Lost in the queue of the device: only those are told who asked for errors.
    net.inc(Mib.Udp6SndbufErrors);
    net.inc(Mib.Ip6OutDiscards);
    return sk.np!.recverr ? rc : 0;
  }
  if (rc < 0) return rc;
  net.inc(Mib.Udp6OutDatagrams);
  return 0;
}
