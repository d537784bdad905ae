/**
 * ICMPv6 datagram ("ping") sockets (Linux: net/ipv6/ping.c): what raw/ping.ts is for IPv4. Both families share one space of
 * identifiers, and net.ipv4.ping_group_range.
 *
 *   from  ip/v6/icmp6-input.ts   echo replies, and errors about echo requests
 *   to    ip/v6/output.ts        by raw/v6/output.ts
 */
import { in6EqualsAt, in6IsAny, in6IsMulticast, in6NeedsZone } from '../../lib/addr6.ts';
import { get16, put16 } from '../../lib/bytes.ts';
import { EAGAIN, EINVAL, EMSGSIZE, ENODEV, ENOPROTOOPT, EOPNOTSUPP } from '../../lib/errno.ts';
import {
  icmp6hCode, icmp6hId, icmp6hType, ICMPV6_CHECK, ICMPV6_ECHO_REQUEST, ICMPV6_HLEN, ICMPV6_ID,
} from '../../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_MAXPLEN, IPV6_SADDR } from '../../wire/ipv6.ts';
import { appendBytes, copyBytes } from '../../skb/copy.ts';
import { MAX_HEADER, type SkBuff } from '../../skb/sk-buff.ts';
import type { PingDelivery } from '../../ip/ipv4.ts';
import { icmp6OutCount } from '../../ip/v6/icmp6.ts';
import { ipv6SockMcClose } from '../../ip/v6/mcast.ts';
import { inet6Iif } from '../../ip/v6/route.ts';
import { ipv6Getsockopt, ipv6Setsockopt } from '../../ip/v6/sockopt.ts';
import { AF_INET6, IPPROTO_ICMPV6, SHUTDOWN_MASK, SOL_IPV6, TCP_CLOSE } from '../../sock/constants.ts';
import { datagramIoctl, datagramPoll, sockPurgeQueues, sockQueueRcv } from '../../sock/datagram.ts';
import { type Proto, type Sock, SockoptError, type SockoptValue } from '../../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../../sock/sockaddr.ts';
import { inetShutdown } from '../ops.ts';
import { pingGiveIdent, PingSock, type PingTable, pingTakeIdent } from '../ping.ts';
import { inet6BindAddress, inet6Connect } from './address.ts';
import { inet6IcmpError } from './input.ts';
import { inet6ForgetPeer, inet6Recvmsg } from './ops.ts';
import { inet6CheckSend, inet6Checksum, inet6SendSkb, inet6SendWay } from './output.ts';

/** Ping sockets as IPv6 sees them. */
export class Ping6Input implements PingDelivery {
  private readonly ping: PingTable;

  constructor(ping: PingTable) {
    this.ping = ping;
  }

  rcv(skb: SkBuff): boolean {
    const { buf, nh } = skb;
    const sk = lookup(this.ping, icmp6hId(buf, skb.data), buf, nh + IPV6_SADDR, nh + IPV6_DADDR, inet6Iif(skb));
    if (sk === null) return false;
    sockQueueRcv(sk, skb);
    return true;
  }

  err(skb: SkBuff, type: number, code: number, info: number): void {
    const { buf, data } = skb;
    const at = data + IPV6_HLEN;
    if (icmp6hType(buf, at) !== ICMPV6_ECHO_REQUEST) return;
    const sk = lookup(this.ping, get16(buf, at + ICMPV6_ID), buf, data + IPV6_DADDR, data + IPV6_SADDR, inet6Iif(skb));
    if (sk !== null) inet6IcmpError(this.ping.ip6, sk, skb, type, code, info, IPV6_HLEN);
  }
}

/** `peer` and `local` are where the addresses are. A group that was asked is answered by others than itself. */
function lookup(ping: PingTable, ident: number, buf: Uint8Array, peer: number, local: number, dif: number): PingSock | null {
  for (const sk of ping.sockets.get(ident) ?? []) {
    if (sk.family !== AF_INET6 || (sk.boundDevIf !== 0 && sk.boundDevIf !== dif)) continue;
    if (!in6IsAny(sk.v6RcvSaddr!) && !in6EqualsAt(sk.v6RcvSaddr!, buf, local)) continue;
    if (sk.v6Daddr === null || in6IsMulticast(sk.v6Daddr) || in6EqualsAt(sk.v6Daddr, buf, peer)) return sk;
  }
  return null;
}

/** A new socket: unbound, unconnected. */
export function ping6CreateSock(ping: PingTable): PingSock {
  return new PingSock(ping, ping6Prot, AF_INET6);
}

function ping6Bind(sock: Sock, addr: SockAddr): number {
  const sk = sock as PingSock;
  const { ip6 } = sk.ping;
  if (sk.num !== 0 || sk.state !== TCP_CLOSE) return -EINVAL;
  const to = addr.addr6;
  if (to !== null && (in6IsMulticast(to) || (in6NeedsZone(to) && addr.scopeId === 0))) return -EINVAL;
  if (addr.scopeId !== 0 && (ip6.net.devices[addr.scopeId] ?? null) === null) return -ENODEV;
  const bad = inet6BindAddress(ip6, sk, addr);
  if (bad !== 0) return bad;
  const err = pingTakeIdent(sk, addr.port);
  if (err < 0) {
    sk.bindAddrLock = false;
    inet6ForgetPeer(sk);
  }
  sk.bindPortLock = err === 0 && addr.port !== 0;
  return err;
}

function ping6Connect(sock: Sock, addr: SockAddr): number {
  const sk = sock as PingSock;
  if (sk.num === 0 && pingTakeIdent(sk, 0) < 0) return -EAGAIN;
  return inet6Connect(sk.ping.ip6, sk, addr);
}

function ping6Disconnect(sock: Sock): number {
  const sk = sock as PingSock;
  inet6ForgetPeer(sk);
  if (!sk.bindPortLock) pingGiveIdent(sk);
  return 0;
}

/** Sends an echo request: type 128, code 0, eight bytes at least. Its identifier and checksum are written here. */
function ping6Sendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as PingSock;
  const { buf, off, len } = msg;
  const { ip6 } = sk.ping;
  if (len > IPV6_MAXPLEN) return -EMSGSIZE;
  if (len < ICMPV6_HLEN || icmp6hType(buf, off) !== ICMPV6_ECHO_REQUEST || icmp6hCode(buf, off) !== 0) return -EINVAL;
  if (sk.num === 0 && pingTakeIdent(sk, 0) < 0) return -EAGAIN;
  const way = inet6SendWay(ip6, sk, msg);
  if (typeof way === 'number') return way;
  const err = inet6CheckSend(sk, way, len);
  if (err < 0) return err;
  const skb = sk.net.pool.alloc(MAX_HEADER);
  const at = skb.put(ICMPV6_HLEN);
  copyBytes(buf, off, skb.buf, at, ICMPV6_HLEN);
  appendBytes(skb, buf, off + ICMPV6_HLEN, len - ICMPV6_HLEN);
  skb.th = at;
  put16(skb.buf, at + ICMPV6_ID, sk.num);
  put16(skb.buf, at + ICMPV6_CHECK, 0);
  put16(skb.buf, at + ICMPV6_CHECK, inet6Checksum(skb, way, IPPROTO_ICMPV6));
  icmp6OutCount(ip6, ICMPV6_ECHO_REQUEST);
  const rc = inet6SendSkb(ip6, sk, skb, way);
  return rc < 0 ? rc : len;
}

function ping6Close(sock: Sock): void {
  const sk = sock as PingSock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  sk.state = TCP_CLOSE;
  ipv6SockMcClose(sk.ping.ip6, sk);
  pingGiveIdent(sk);
  sk.dst = null;
  sockPurgeQueues(sk);
}

function ping6Setsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  return level === SOL_IPV6 ? ipv6Setsockopt((sock as PingSock).ping.ip6, sock as PingSock, name, value, null) : -ENOPROTOOPT;
}

function ping6Getsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as PingSock;
  return level === SOL_IPV6 ? ipv6Getsockopt(sk.ping.ip6, sk, name) : new SockoptError(-ENOPROTOOPT);
}

/** The Proto of ping sockets over IPv6. */
export const ping6Prot: Proto = {
  name: 'PINGv6',
  bind: ping6Bind,
  connect: ping6Connect,
  disconnect: ping6Disconnect,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: ping6Sendmsg,
  recvmsg: inet6Recvmsg,
  poll: datagramPoll,
  shutdown: inetShutdown,
  close: ping6Close,
  setsockopt: ping6Setsockopt,
  getsockopt: ping6Getsockopt,
  ioctl: datagramIoctl,
};
