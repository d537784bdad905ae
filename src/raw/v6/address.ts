/** bind and connect of sockets without ports over IPv6 (Linux: rawv6_bind, ping_check_bind_addr, ip6_datagram_connect). */
import { in6IsAny, in6IsMulticast, in6IsV4Mapped, in6Loopback, in6NeedsZone, type In6Addr } from '../../lib/addr6.ts';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } from '../../lib/errno.ts';
import { Mib } from '../../dev/mib.ts';
import { ipv6ChkAddr } from '../../ip/v6/addrconf.ts';
import { in6BindScope } from '../../ip/v6/bind.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { ip6RouteOutput } from '../../ip/v6/route.ts';
import { AF_INET6, TCP_ESTABLISHED } from '../../sock/constants.ts';
import { type InetSock, LOOPBACK4_IPV6 } from '../../sock/sock.ts';
import type { SockAddr } from '../../sock/sockaddr.ts';

/**
 * Binds to the address: any, a group, or one of this host's (IPV6_FREEBIND lets it be another one).
 *
 * @returns 0, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EINVAL (a link-local address without its link), -ENODEV
 */
export function inet6BindAddress(ip6: Ipv6, sk: InetSock, addr: SockAddr): number {
  const { addr6, scopeId } = addr;
  if (addr.family !== AF_INET6 || addr6 === null) return -EAFNOSUPPORT;
  if (in6IsV4Mapped(addr6)) return -EADDRNOTAVAIL;
  const multicast = in6IsMulticast(addr6);
  const any = in6IsAny(addr6);
  if (!any) {
    const err = in6BindScope(ip6, sk, addr6, scopeId);
    if (err !== 0) return err;
    const dev = sk.boundDevIf === 0 ? null : ip6.net.devices[sk.boundDevIf] ?? null;
    const foreign = !multicast && !ipv6ChkAddr(ip6, addr6, dev);
    if (foreign && !sk.freebind && ip6.sysctl.ipNonlocalBind === 0) return -EADDRNOTAVAIL;
  }
  sk.v6RcvSaddr = addr6;
  sk.rcvSaddr = any ? 0 : LOOPBACK4_IPV6;
  // What is sent from a socket that listens to a group gets the address of its way.
  sk.v6Saddr = any || multicast ? null : addr6;
  sk.bindAddrLock = !any;
  sk.dst = null;
  return 0;
}

/** Remembers the peer: only it is heard, and its errors are. Nothing is sent. Mapped addresses are none for these sockets. */
export function inet6Connect(ip6: Ipv6, sk: InetSock, addr: SockAddr): number {
  const np = sk.np!;
  if (addr.family !== AF_INET6 || addr.addr6 === null) return -EAFNOSUPPORT;
  const daddr: In6Addr = in6IsAny(addr.addr6) ? in6Loopback : addr.addr6;
  if (in6IsV4Mapped(daddr)) return -EINVAL;
  const multicast = in6IsMulticast(daddr);
  if (in6NeedsZone(daddr) && addr.scopeId === 0 && sk.boundDevIf === 0 && multicast) sk.boundDevIf = np.mcastOif;
  const err = in6BindScope(ip6, sk, daddr, addr.scopeId);
  if (err !== 0) return err;
  sk.dst = null;
  const oif = sk.boundDevIf === 0 && multicast ? np.mcastOif : sk.boundDevIf;
  const rt = ip6RouteOutput(ip6, daddr, sk.v6Saddr, oif);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.Ip6OutNoRoutes);
    return rt;
  }
  if (np.sndflow) np.flowLabel = addr.flowinfo & 0xfffff;
  sk.v6Saddr ??= rt.src;
  if (in6IsAny(sk.v6RcvSaddr!)) {
    sk.v6RcvSaddr = rt.src;
    sk.rcvSaddr = LOOPBACK4_IPV6;
  }
  sk.v6Daddr = rt.dst;
  sk.dport = addr.port;
  sk.state = TCP_ESTABLISHED;
  sk.dst = rt;
  return 0;
}
