/**
 * UDP, datagrams going out (RFC 768).
 *
 *   from  udp/ops.ts     udpSendmsg: the writer's bytes
 *   to    ip/output.ts   ipSendSkb
 *
 * The bytes are copied once, into a page that small datagrams share; headers go into the skb's own area.
 */
import { ipv4IsMulticast } from '../lib/addr.ts';
import {
  EACCES, EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP, EPIPE,
} from '../lib/errno.ts';
import { IPV4_HLEN_MIN } from '../wire/ipv4.ts';
import { UDP_HLEN, udpWriteHeader } from '../wire/udp.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_PARTIAL, MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { ipCmsgInt, ipCmsgPktInfo } from '../ip/cmsg.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../ip/fib.ts';
import { ipMaxPacket, ipSendSkb, ipSockMtu, ipXmitErrno } from '../ip/output.ts';
import { ipRouteOutput, ipRouteSock, type Rtable } from '../ip/route.ts';
import {
  AF_INET, AF_UNSPEC, IP_TOS, IP_TTL, MSG_MORE, MSG_OOB, SEND_SHUTDOWN, TCP_ESTABLISHED,
} from '../sock/constants.ts';
import { ipLocalError } from '../sock/error-queue.ts';
import { portsBind } from '../sock/ports.ts';
import type { Sock } from '../sock/sock.ts';
import { type MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { skbSetOwnerW } from '../sock/wmem.ts';
import { udpHashAdd } from './demux.ts';
import { addPayload, datagramTruesize } from './payload.ts';
import type { UdpSock } from './sock.ts';

const OutDatagrams: number = Mib.UdpOutDatagrams;

/** The length field of UDP and the total length of IP leave so much. */
const LENGTH_MAX = 65535;

/**
 * Sends a datagram, to `msg.name` or to the connected peer. With MSG_MORE (or UDP_CORK) keeps it for more bytes to come.
 *
 * @returns the bytes taken, or a negative errno: -EMSGSIZE, -EDESTADDRREQ, -EAGAIN (no room in the send buffer, no free
 *   port), -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, -EPIPE, a pending error of the socket
 */
export function udpSendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UdpSock;
  const bad = udpBadMsg(msg);
  if (bad !== 0) return bad;
  const { name, hasName } = msg;
  if (hasName && sk.pending === null) {
    if (name.family !== AF_INET && name.family !== AF_UNSPEC) return -EAFNOSUPPORT;
    if (name.port === 0) return -EINVAL;
  }
  return udpV4Sendmsg(sk, msg, hasName, hasName ? name.addr : sk.daddr, hasName ? name.port : sk.dport);
}

/** What no datagram can be, whatever its destination: too long, or out of band. 0 or a negative errno. */
export function udpBadMsg(msg: MsgHdr): number {
  if (msg.len > LENGTH_MAX) return -EMSGSIZE;
  return (msg.flags & MSG_OOB) !== 0 ? -EOPNOTSUPP : 0;
}

/**
 * The same once the destination is known to be IPv4: of a socket of AF_INET, or one of AF_INET6 that was given a mapped address.
 *
 * @param named the destination was given with the message; else it is the connected peer
 */
export function udpV4Sendmsg(sk: UdpSock, msg: MsgHdr, named: boolean, daddr: number, dport: number): number {
  if (sk.num === 0) {
    const err = udpAutobind(sk);
    if (err < 0) return err;
  }
  const corked = sk.cork || (msg.flags & MSG_MORE) !== 0;
  if (sk.pending !== null) return append(sk, sk.pending, msg, corked);
  let rt: Rtable | number;
  let saddr = sk.saddr;
  if (!named && sk.state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
  if (msg.control === null && !named) {
    rt = ipRouteSock(sk.udp.ip, sk);
  } else {
    let oif = sk.boundDevIf;
    if (msg.control !== null) {
      const info = ipCmsgPktInfo(msg);
      if (info !== null) {
        saddr = info.specDst;
        if (info.ifindex !== 0) oif = info.ifindex;
      }
    }
    if (ipv4IsMulticast(daddr)) {
      if (oif === 0) oif = sk.mcIndex;
      if (saddr === 0) saddr = sk.mcAddr;
    }
    rt = ipRouteOutput(sk.udp.ip, daddr, saddr, oif);
  }
  if (typeof rt === 'number') {
    sk.net.inc(Mib.IpOutNoRoutes);
    return rt;
  }
  if (rt.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  if (saddr === 0) saddr = rt.src;
  const err = checkSend(sk, rt, msg.len, daddr, dport);
  if (err < 0) return err;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  if (skb.trace !== 0) sk.net.trace(skb, 'udpSendmsg');
  const noted = addPayload(sk, skb, msg);
  if (noted < 0) {
    consumeSkb(skb);
    return noted;
  }
  skb.truesize = datagramTruesize(msg.len);
  skbSetOwnerW(skb, sk);
  if (corked) {
    sk.pending = skb;
    sk.pendingRoute = rt;
    sk.pendingSaddr = saddr;
    sk.pendingDaddr = rt.dst;
    sk.pendingDport = dport;
    return msg.len;
  }
  const sent = sendSkb(sk, skb, rt, saddr, rt.dst, dport, msg);
  return sent < 0 ? sent : msg.len;
}

/** Gives an unbound socket a port. 0 or -EAGAIN. */
export function udpAutobind(sk: UdpSock): number {
  if (portsBind(sk.udp.ports, sk, 0) < 0) return -EAGAIN;
  udpHashAdd(sk);
  return 0;
}

/** May a datagram of `len` bytes go along `rt` now? Linux's order: size, pending error, shutdown, room. */
function checkSend(sk: UdpSock, rt: Rtable, len: number, daddr: number, dport: number): number {
  if (len + UDP_HLEN + IPV4_HLEN_MIN > ipMaxPacket(sk, rt)) {
    if (sk.recverr) ipLocalError(sk, EMSGSIZE, new SockAddr().set(daddr, dport), ipSockMtu(sk, rt));
    return -EMSGSIZE;
  }
  if (sk.err !== 0) return sk.sockError();
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk.wmemAlloc >= sk.sndbuf) {
    sk.noSpace = true;
    return -EAGAIN;
  }
  return 0;
}

/** More bytes for the datagram in the making; it goes to the address of its first bytes. */
function append(sk: UdpSock, skb: SkBuff, msg: MsgHdr, corked: boolean): number {
  const rt = sk.pendingRoute as Rtable;
  const total = skb.len + msg.len;
  if (total + UDP_HLEN + IPV4_HLEN_MIN > ipMaxPacket(sk, rt)) {
    udpFlushPending(sk);
    return -EMSGSIZE;
  }
  const noted = addPayload(sk, skb, msg);
  if (noted < 0) return noted;
  const size = datagramTruesize(total);
  sk.wmemAlloc += size - skb.truesize;
  skb.truesize = size;
  if (corked) return msg.len;
  const sent = udpPushPending(sk);
  return sent < 0 ? sent : msg.len;
}

/** Sends the datagram in the making (uncorked). 0 or a negative errno. */
export function udpPushPending(sk: UdpSock): number {
  const { pending, pendingRoute } = sk;
  if (pending === null || pendingRoute === null) return 0;
  sk.pending = null;
  sk.pendingRoute = null;
  return sendSkb(sk, pending, pendingRoute as Rtable, sk.pendingSaddr, sk.pendingDaddr, sk.pendingDport, null);
}

/** Gives it up. */
export function udpFlushPending(sk: UdpSock): void {
  const { pending } = sk;
  sk.pending = null;
  sk.pendingRoute = null;
  sk.pendingDaddr6 = null;
  sk.pendingSend = null;
  if (pending !== null) sk.net.drop(pending, Drop.Purged);
}

/** Writes the header and hands the datagram to IP. Takes the skb. 0 or a negative errno. */
function sendSkb(
  sk: UdpSock, skb: SkBuff, rt: Rtable, saddr: number, daddr: number, dport: number, msg: MsgHdr | null,
): number {
  const { net } = sk;
  if (skb.trace !== 0) net.trace(skb, 'udpSendSkb', `${String(skb.len)} bytes`);
  const at = skb.push(UDP_HLEN);
  skb.th = at;
  udpWriteHeader(skb.buf, at, sk.num, dport, skb.len);
  // The card, or whoever looks at the bytes first, fills the checksum in.
  skb.ipSummed = CHECKSUM_PARTIAL;
  let { tos } = sk;
  let ttl = sk.ttl >= 0 ? sk.ttl : sk.udp.ip.sysctl.ipDefaultTtl;
  if (rt.type === RTN_MULTICAST) ttl = sk.mcTtl;
  if (msg !== null && msg.control !== null) {
    tos = ipCmsgInt(msg, IP_TOS, tos);
    ttl = ipCmsgInt(msg, IP_TTL, ttl);
  }
  const rc = ipXmitErrno(ipSendSkb(sk.udp.ip, sk, skb, rt, saddr, daddr, tos, ttl));
  if (rc === -ENOBUFS) {
    // Lost in the queue of the device: only those are told who asked for errors.
    net.inc(Mib.UdpSndbufErrors);
    net.inc(Mib.IpOutDiscards);
    return sk.recverr ? rc : 0;
  }
  if (rc < 0) return rc;
  net.mib[OutDatagrams]!++;
  return 0;
}
