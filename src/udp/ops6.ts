/**
 * What a UDP socket of AF_INET6 can do: the table that `syscall/` calls (Linux: udpv6_prot, inet6_dgram_ops). What is not
 * different from IPv4 is udp/ops.ts's.
 */
import { in6FromV4, in6IsAny, in6IsMulticast, in6IsV4Mapped, in6Loopback, in6NeedsZone, type In6Addr } from '../lib/addr6.ts';
import { INADDR_LOOPBACK } from '../lib/addr.ts';
import { EAFNOSUPPORT, EAGAIN, EBUSY, EINVAL, ENETUNREACH } from '../lib/errno.ts';
import { Mib } from '../dev/mib.ts';
import { in6BindScope, inet6Bind } from '../ip/v6/bind.ts';
import { ipv6SockMcClose } from '../ip/v6/mcast.ts';
import { ip6RouteOutput } from '../ip/v6/route.ts';
import { ipv6Getsockopt, ipv6Setsockopt } from '../ip/v6/sockopt.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, IPV6_ADDRFORM, SOL_IPV6, SOL_UDP, TCP_ESTABLISHED } from '../sock/constants.ts';
import type { ReuseportGroup } from '../sock/reuseport.ts';
import { LOOPBACK4_IPV6, type Proto, type Sock, type SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { udpHashAdd, udpRehash } from './demux.ts';
import { udpHashKey } from './hash.ts';
import { UDP_CORK, udpConnectV4, udpProt } from './ops.ts';
import { udpAutobind } from './output.ts';
import { udpV6PushPending, udpV6Sendmsg } from './output6.ts';
import type { UdpSock } from './sock.ts';

function udpV6Bind(sock: Sock, addr: SockAddr): number {
  const sk = sock as UdpSock;
  const { udp } = sk;
  const err = inet6Bind(udp.ip6!, udp.ip, udp.ports, sk, addr);
  if (err === 0 && sk.num !== 0) udpHashAdd(sk);
  return err;
}

/** Remembers the peer: only it is heard, and its errors are. Nothing is sent. */
function udpV6Connect(sock: Sock, addr: SockAddr): number {
  const sk = sock as UdpSock;
  if (addr.family === AF_UNSPEC) return udpProt.disconnect(sk);
  if (addr.family === AF_INET) return sk.v6only ? -EAFNOSUPPORT : udpConnectV4(sk, addr.addr, addr.port);
  const to = addr.addr6;
  if (addr.family !== AF_INET6 || to === null) return -EAFNOSUPPORT;
  const boundV4 = in6IsV4Mapped(sk.v6RcvSaddr!);
  // To :: means to this host, by the family that the socket is bound to.
  const dest = !in6IsAny(to) ? to : boundV4 ? in6FromV4(INADDR_LOOPBACK) : in6Loopback;
  if (in6IsV4Mapped(dest)) return sk.v6only ? -ENETUNREACH : udpConnectV4(sk, dest.d, addr.port);
  return boundV4 ? -EINVAL : connect(sk, dest, addr);
}

function connect(sk: UdpSock, daddr: In6Addr, addr: SockAddr): number {
  const ip6 = sk.udp.ip6!;
  const np = sk.np!;
  if (in6NeedsZone(daddr) && addr.scopeId === 0 && sk.boundDevIf === 0 && in6IsMulticast(daddr)) sk.boundDevIf = np.mcastOif;
  const err = in6BindScope(ip6, sk, daddr, addr.scopeId);
  if (err !== 0) return err;
  if (sk.num === 0 && udpAutobind(sk) < 0) return -EAGAIN;
  sk.dst = null;
  const oif = sk.boundDevIf === 0 && in6IsMulticast(daddr) ? np.mcastOif : sk.boundDevIf;
  const rt = ip6RouteOutput(ip6, daddr, sk.v6Saddr, oif);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.Ip6OutNoRoutes);
    return rt;
  }
  if (np.sndflow) np.flowLabel = addr.flowinfo & 0xfffff;
  sk.v6Saddr ??= rt.src;
  sk.daddr = 0;
  sk.v6Daddr = rt.dst;
  sk.dport = addr.port;
  sk.state = TCP_ESTABLISHED;
  if (in6IsAny(sk.v6RcvSaddr!)) {
    const key = udpHashKey(sk);
    sk.v6RcvSaddr = rt.src;
    sk.rcvSaddr = LOOPBACK4_IPV6;
    udpRehash(sk, key);
  }
  if (sk.reuseportGroup !== null) (sk.reuseportGroup as ReuseportGroup).hasConns = true;
  sk.dst = rt;
  return 0;
}

function udpV6Setsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  const sk = sock as UdpSock;
  if (level === SOL_IPV6) {
    // IPV6_ADDRFORM is too late while a datagram of IPv6 is in the making.
    const busy = name === IPV6_ADDRFORM && sk.pending !== null && sk.pendingDaddr6 !== null;
    return busy ? -EBUSY : ipv6Setsockopt(sk.udp.ip6!, sk, name, value, udpProt);
  }
  if (level !== SOL_UDP || name !== UDP_CORK || typeof value !== 'number') return udpProt.setsockopt(sk, level, name, value);
  sk.cork = value !== 0;
  return sk.cork ? 0 : udpV6PushPending(sk);
}

function udpV6Getsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as UdpSock;
  return level === SOL_IPV6 ? ipv6Getsockopt(sk.udp.ip6!, sk, name) : udpProt.getsockopt(sk, level, name);
}

function udpV6Close(sock: Sock): void {
  const sk = sock as UdpSock;
  if (sk.destroyed) return;
  ipv6SockMcClose(sk.udp.ip6!, sk);
  udpProt.close(sk);
}

/** The Proto of UDP over both families. */
export const udpV6Prot: Proto = {
  name: 'UDPv6',
  bind: udpV6Bind,
  connect: udpV6Connect,
  disconnect: (sk) => udpProt.disconnect(sk),
  listen: (sk, backlog) => udpProt.listen(sk, backlog),
  accept: (sk) => udpProt.accept(sk),
  sendmsg: udpV6Sendmsg,
  recvmsg: (sk, msg) => udpProt.recvmsg(sk, msg),
  poll: (sk) => udpProt.poll(sk),
  shutdown: (sk, how) => udpProt.shutdown(sk, how),
  close: udpV6Close,
  setsockopt: udpV6Setsockopt,
  getsockopt: udpV6Getsockopt,
  ioctl: (sk, cmd) => udpProt.ioctl(sk, cmd),
};
