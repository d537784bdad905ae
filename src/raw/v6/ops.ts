/**
 * What a raw socket over IPv6 can do: the table that `syscall/` calls (Linux: rawv6_prot, inet6_sockraw_ops), and what ping
 * sockets share with it. What is not different from IPv4 is raw/ops.ts's.
 */
import { in6Any } from '../../lib/addr6.ts';
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP } from '../../lib/errno.ts';
import { copyBits } from '../../skb/copy.ts';
import { consumeSkb } from '../../skb/pool.ts';
import { ip6CmsgRecv, ip6RecvName } from '../../ip/v6/cmsg.ts';
import { ipv6SockMcClose } from '../../ip/v6/mcast.ts';
import { ipv6Getsockopt, ipv6Setsockopt } from '../../ip/v6/sockopt.ts';
import {
  ICMPV6_FILTER, IPPROTO_ICMPV6, IPV6_CHECKSUM, IPV6_HDRINCL, IPV6_RECVERR, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC,
  SHUTDOWN_MASK, SOL_ICMPV6, SOL_IPV6, SOL_RAW, TCP_CLOSE,
} from '../../sock/constants.ts';
import { datagramHead, datagramIoctl, datagramPoll, sockPurgeQueues } from '../../sock/datagram.ts';
import { sockRecvError } from '../../sock/error-queue.ts';
import { type InetSock, type Proto, type Sock, SockoptError, type SockoptValue } from '../../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { inetShutdown } from '../ops.ts';
import { inet6BindAddress, inet6Connect } from './address.ts';
import { raw6Sendmsg } from './output.ts';
import { ICMP6_FILTER_WORDS, type Raw6Sock } from './sock.ts';

function raw6Bind(sock: Sock, addr: SockAddr): number {
  const sk = sock as Raw6Sock;
  return sk.state !== TCP_CLOSE ? -EINVAL : inet6BindAddress(sk.table.ip6, sk, addr);
}

function raw6Disconnect(sock: Sock): number {
  inet6ForgetPeer(sock as Raw6Sock);
  return 0;
}

/** The peer is none any more; the address stays only when bind() named it. */
export function inet6ForgetPeer(sk: InetSock): void {
  sk.state = TCP_CLOSE;
  sk.v6Daddr = null;
  sk.dport = 0;
  sk.dst = null;
  if (sk.bindAddrLock) return;
  sk.v6RcvSaddr = in6Any;
  sk.v6Saddr = null;
  sk.rcvSaddr = 0;
}

/** The next packet, from behind its IPv6 headers on. `msg.name` is its source, port 0. Flags as recv(2), and MSG_ERRQUEUE. */
export function inet6Recvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as InetSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return sockRecvError(sk, msg, SOL_IPV6, IPV6_RECVERR);
  const skb = datagramHead(sk, msg);
  if (typeof skb === 'number') return skb;
  const { len } = skb;
  const copied = Math.min(len, msg.len);
  if (copied > 0) copyBits(skb, 0, msg.buf, msg.off, copied);
  if (copied < len) msg.msgFlags |= MSG_TRUNC;
  ip6RecvName(msg.name, sk.np!, skb, 0);
  msg.hasName = true;
  msg.control = ip6CmsgRecv(sk, sk.np!, skb);
  if ((msg.flags & MSG_PEEK) === 0) {
    sk.receiveQueue.unlink(skb);
    consumeSkb(skb);
  }
  return (msg.flags & MSG_TRUNC) !== 0 ? len : copied;
}

function raw6Close(sock: Sock): void {
  const sk = sock as Raw6Sock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  sk.state = TCP_CLOSE;
  const { table } = sk;
  ipv6SockMcClose(table.ip6, sk);
  const rest = table.sockets[sk.num]!.filter((other) => other !== sk);
  table.sockets[sk.num] = rest.length === 0 ? null : rest;
  if (--table.size === 0) table.ip6.raw = null;
  sk.hashed = false;
  sk.dst = null;
  sockPurgeQueues(sk);
}

/** IPV6_CHECKSUM and IPV6_HDRINCL are options of both levels; SOL_RAW may do what RFC 3542 forbids. */
function isRawOption(level: number, name: number): boolean {
  return level === SOL_RAW || (level === SOL_IPV6 && (name === IPV6_CHECKSUM || name === IPV6_HDRINCL));
}

function raw6Setsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  const sk = sock as Raw6Sock;
  if (level === SOL_ICMPV6) return setFilter(sk, name, value);
  if (!isRawOption(level, name)) {
    return level === SOL_IPV6 ? ipv6Setsockopt(sk.table.ip6, sk, name, value, null) : -ENOPROTOOPT;
  }
  if (typeof value !== 'number' || !Number.isInteger(value)) return -EINVAL;
  if (name === IPV6_HDRINCL) {
    sk.hdrincl = value !== 0;
    return 0;
  }
  if (name !== IPV6_CHECKSUM) return -ENOPROTOOPT;
  // RFC 3542 §3.1: not for ICMPv6, and on a boundary of two bytes.
  if ((sk.num === IPPROTO_ICMPV6 && level === SOL_IPV6) || (value > 0 && value % 2 !== 0)) return -EINVAL;
  sk.checksumOff = value < 0 ? -1 : value;
  return 0;
}

/** ICMPV6_FILTER: eight words, a bit per type that is not wanted; fewer words leave the others as they are. */
function setFilter(sk: Raw6Sock, name: number, value: SockoptValue): number {
  if (sk.num !== IPPROTO_ICMPV6) return -EOPNOTSUPP;
  if (name !== ICMPV6_FILTER) return -ENOPROTOOPT;
  if (!(value instanceof Uint32Array)) return -EINVAL;
  for (let i = 0; i < Math.min(value.length, ICMP6_FILTER_WORDS); i++) sk.icmp6Filter[i] = value[i]!;
  return 0;
}

function raw6Getsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as Raw6Sock;
  if (level === SOL_ICMPV6) {
    if (sk.num !== IPPROTO_ICMPV6) return new SockoptError(-EOPNOTSUPP);
    return name === ICMPV6_FILTER ? sk.icmp6Filter.slice() : new SockoptError(-ENOPROTOOPT);
  }
  if (!isRawOption(level, name)) {
    return level === SOL_IPV6 ? ipv6Getsockopt(sk.table.ip6, sk, name) : new SockoptError(-ENOPROTOOPT);
  }
  if (name === IPV6_HDRINCL) return Number(sk.hdrincl);
  return name === IPV6_CHECKSUM ? sk.checksumOff : new SockoptError(-ENOPROTOOPT);
}

/** The Proto of raw sockets over IPv6. */
export const raw6Prot: Proto = {
  name: 'RAWv6',
  bind: raw6Bind,
  connect: (sk, addr) => inet6Connect((sk as Raw6Sock).table.ip6, sk as Raw6Sock, addr),
  disconnect: raw6Disconnect,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: raw6Sendmsg,
  recvmsg: inet6Recvmsg,
  poll: datagramPoll,
  shutdown: inetShutdown,
  close: raw6Close,
  setsockopt: raw6Setsockopt,
  getsockopt: raw6Getsockopt,
  ioctl: datagramIoctl,
};
