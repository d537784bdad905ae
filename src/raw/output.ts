/**
 * Raw sockets, packets going out: the writer's bytes behind our header, or behind his own (IP_HDRINCL; raw(7)).
 *
 *   from  raw/ops.ts      rawSendmsg
 *   to    ip/output.ts    ipSendSkb, ipLocalOut
 */
import { ipv4IsMulticast } from '../lib/addr.ts';
import { get16, get32, get8, put16, put32 } from '../lib/bytes.ts';
import { ipFastCsum } from '../lib/checksum.ts';
import {
  EACCES, EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP, EPIPE,
} from '../lib/errno.ts';
import {
  IPPROTO_ICMP, IPV4_CHECK, IPV4_HLEN_MIN, IPV4_ID, IPV4_MAX_LEN, IPV4_PROTOCOL, IPV4_SADDR, IPV4_TOTAL_LEN,
} from '../wire/ipv4.ts';
import { appendBytes, copyBytes } from '../skb/copy.ts';
import { MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { ipCmsgInt, ipCmsgPktInfo } from '../ip/cmsg.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../ip/fib.ts';
import { icmpOutCount } from '../ip/icmp.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import { ipLocalOut, ipSelectIdent, ipSendSkb, ipXmitErrno } from '../ip/output.ts';
import { ipRouteOutput, ipRouteSock, type Rtable } from '../ip/route.ts';
import {
  AF_INET, AF_UNSPEC, IP_PMTUDISC_DO, IP_TOS, IP_TTL, MSG_OOB, SEND_SHUTDOWN, TCP_ESTABLISHED,
} from '../sock/constants.ts';
import { ipLocalError } from '../sock/error-queue.ts';
import type { InetSock, Sock } from '../sock/sock.ts';
import { type MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { skbSetOwnerW } from '../sock/wmem.ts';
import type { RawSock, RawTable } from './sock.ts';

/** A socket of this room. */
type TableSock = InetSock & { readonly table: RawTable };

/** Where a message goes: the route (which knows the destination), and the source. */
export interface Way {
  readonly rt: Rtable;
  readonly saddr: number;
}

/**
 * Sends a packet of the socket's protocol, to `msg.name` or to the connected peer.
 *
 * @returns the bytes taken, or a negative errno: -EMSGSIZE, -EDESTADDRREQ, -EINVAL (IP_HDRINCL and no header), -EAGAIN (no
 *   room in the send buffer), -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, a pending error of the socket
 */
export function rawSendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as RawSock;
  if (msg.len > IPV4_MAX_LEN) return -EMSGSIZE;
  const way = inetSendWay(sk, msg);
  if (typeof way === 'number') return way;
  const err = sk.hdrincl ? checkRoom(sk) : inetCheckSend(sk, way.rt, msg.len);
  if (err < 0) return err;
  const rc = sk.hdrincl ? sendHdrinc(sk, msg, way) : sendPlain(sk, msg, way);
  return rc < 0 ? rc : msg.len;
}

/** Looks for the way of a message: destination, source, device. A negative errno when there is none. */
export function inetSendWay(sk: TableSock, msg: MsgHdr): Way | number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const { ip } = sk.table;
  let rt: Rtable | number;
  let { saddr } = sk;
  const info = ipCmsgPktInfo(msg);
  if (!msg.hasName && info === null) {
    if (sk.state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    rt = ipRouteSock(ip, sk);
  } else {
    if (msg.hasName && msg.name.family !== AF_INET && msg.name.family !== AF_UNSPEC) return -EAFNOSUPPORT;
    if (!msg.hasName && sk.state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    let oif = sk.boundDevIf;
    if (info !== null) {
      if (info.specDst !== 0) saddr = info.specDst;
      if (info.ifindex !== 0) oif = info.ifindex;
    }
    const daddr = msg.hasName ? msg.name.addr : sk.daddr;
    if (ipv4IsMulticast(daddr) && sk.mcIndex !== 0) {
      if (oif === 0) oif = sk.mcIndex;
      if (saddr === 0) saddr = sk.mcAddr;
    }
    rt = ipRouteOutput(ip, daddr, saddr, oif);
  }
  if (typeof rt === 'number') {
    sk.net.inc(Mib.IpOutNoRoutes);
    return rt;
  }
  if (rt.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  return { rt, saddr: saddr !== 0 ? saddr : rt.src };
}

/** May `len` bytes behind an IP header go along `rt` now? Linux's order: size, pending error, shutdown, room. */
export function inetCheckSend(sk: InetSock, rt: Rtable, len: number): number {
  const max = sk.pmtudisc < IP_PMTUDISC_DO ? IPV4_MAX_LEN : rt.mtu;
  return len + IPV4_HLEN_MIN > max ? tooBig(sk, rt) : checkRoom(sk);
}

function tooBig(sk: InetSock, rt: Rtable): number {
  if (sk.recverr) ipLocalError(sk, EMSGSIZE, new SockAddr().set(rt.dst, 0), rt.mtu);
  return -EMSGSIZE;
}

function checkRoom(sk: InetSock): number {
  if (sk.err !== 0) return sk.sockError();
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (sk.wmemAlloc < sk.sndbuf) return 0;
  sk.noSpace = true;
  return -EAGAIN;
}

/** Our header in front of the writer's bytes. */
function sendPlain(sk: RawSock, msg: MsgHdr, way: Way): number {
  const skb = sk.net.pool.alloc(MAX_HEADER);
  appendBytes(skb, msg.buf, msg.off, msg.len);
  skb.th = skb.data;
  if (sk.protocol === IPPROTO_ICMP && msg.len > 0) icmpOutCount(sk.table.ip, get8(msg.buf, msg.off));
  return inetSendSkb(sk, skb, msg, way);
}

/** Sends an skb that is complete but for its IP header: TTL and TOS are the message's, or the socket's. Takes the skb. */
export function inetSendSkb(sk: TableSock, skb: SkBuff, msg: MsgHdr, { rt, saddr }: Way): number {
  const { ip } = sk.table;
  skbSetOwnerW(skb, sk);
  const usual = rt.type === RTN_MULTICAST ? sk.mcTtl : sk.ttl >= 0 ? sk.ttl : ip.sysctl.ipDefaultTtl;
  const ttl = ipCmsgInt(msg, IP_TTL, usual);
  const tos = ipCmsgInt(msg, IP_TOS, sk.tos);
  return queued(sk, ipXmitErrno(ipSendSkb(ip, sk, skb, rt, saddr, rt.dst, tos, ttl)));
}

/** Lost in the queue of the device: only those are told who asked for errors. */
function queued(sk: InetSock, rc: number): number {
  return rc === -ENOBUFS && !sk.recverr ? 0 : rc;
}

/**
 * The writer's own header. Filled in for him: the checksum and the total length always, the source and the identification
 * when they are zero (raw(7)). It is not fragmented.
 */
function sendHdrinc(sk: RawSock, msg: MsgHdr, { rt, saddr }: Way): number {
  const { len, off } = msg;
  const { ip } = sk.table;
  if (len > rt.dev.mtu) return tooBig(sk, rt);
  if (len < IPV4_HLEN_MIN) return -EINVAL;
  const hlen = (get8(msg.buf, off) & 15) << 2;
  if (hlen > len) return -EINVAL;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  const head = Math.max(hlen, IPV4_HLEN_MIN);
  const at = skb.put(head);
  const { buf } = skb;
  copyBytes(msg.buf, off, buf, at, head);
  appendBytes(skb, msg.buf, off + head, len - head);
  skb.nh = at;
  skb.th = at + head;
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  skbSetOwnerW(skb, sk);
  const protocol = get8(buf, at + IPV4_PROTOCOL);
  if (hlen >= IPV4_HLEN_MIN) {
    if (get32(buf, at + IPV4_SADDR) === 0) put32(buf, at + IPV4_SADDR, saddr);
    put16(buf, at + IPV4_TOTAL_LEN, len);
    if (get16(buf, at + IPV4_ID) === 0) put16(buf, at + IPV4_ID, ipSelectIdent(ip, saddr, rt.dst, protocol, 1));
    put16(buf, at + IPV4_CHECK, 0);
    put16(buf, at + IPV4_CHECK, ipFastCsum(buf, at, hlen));
  }
  countIcmp(ip, msg, head, protocol);
  return queued(sk, ipXmitErrno(ipLocalOut(ip, rt, skb)));
}

function countIcmp(ip: Ipv4, msg: MsgHdr, head: number, protocol: number): void {
  if (protocol === IPPROTO_ICMP && msg.len > head) icmpOutCount(ip, get8(msg.buf, msg.off + head));
}
