/**
 * bind(2) and the addresses of connect(2) for AF_INET6 (Linux: inet6_bind): the address must be ours, its link named where
 * that matters, the port free.
 */
import { in6IsAny, in6IsMulticast, in6IsV4Mapped, in6NeedsZone, in6Any, type In6Addr } from '../../lib/addr6.ts';
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENODEV } from '../../lib/errno.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { AF_INET6, SOCK_STREAM, TCP_CLOSE } from '../../sock/constants.ts';
import { portsBind, type PortTable } from '../../sock/ports.ts';
import { LOOPBACK4_IPV6, type InetSock } from '../../sock/sock.ts';
import type { SockAddr } from '../../sock/sockaddr.ts';
import { inetAddrType } from '../devinet.ts';
import { RTN_UNICAST } from '../fib.ts';
import type { Ipv4 } from '../ipv4.ts';
import { ipv6ChkAddr } from './addrconf.ts';
import type { Ipv6 } from './ipv6.ts';

/**
 * Binds an AF_INET6 socket to `addr` in its protocol's table of ports. One that is bound to an address of IPv6 hears nothing else
 * from then on, IPV6_V6ONLY or not.
 *
 * @returns 0 or a negative errno: -EAFNOSUPPORT, -EADDRNOTAVAIL (not an address of this host), -EINVAL (bound already; a
 *   link-local address without its link; a mapped one and IPV6_V6ONLY), -ENODEV (no such link), -EADDRINUSE
 */
export function inet6Bind(ip6: Ipv6, ip: Ipv4, table: PortTable, sk: InetSock, addr: SockAddr): number {
  const { addr6, port } = addr;
  if (addr.family !== AF_INET6 || addr6 === null) return -EAFNOSUPPORT;
  const multicast = in6IsMulticast(addr6);
  if (multicast && sk.type === SOCK_STREAM) return -EINVAL;
  if (sk.state !== TCP_CLOSE || sk.num !== 0) return -EINVAL;
  const any = in6IsAny(addr6);
  const mapped = in6IsV4Mapped(addr6);
  const err = any ? 0 : mapped ? checkMapped(ip, sk, addr6) : checkAddr(ip6, sk, addr6, addr.scopeId);
  if (err !== 0) return err;
  const v4 = any ? 0 : mapped ? addr6.d : LOOPBACK4_IPV6;
  const wasV6only = sk.v6only;
  sk.v6RcvSaddr = addr6;
  sk.rcvSaddr = v4;
  sk.saddr = mapped ? v4 : 0;
  sk.v6Saddr = any || mapped || multicast ? null : addr6;
  if (!any && !mapped) sk.v6only = true;
  if ((port !== 0 || !sk.bindAddressNoPort) && portsBind(table, sk, port) < 0) {
    sk.v6only = wasV6only;
    sk.v6RcvSaddr = in6Any;
    sk.v6Saddr = null;
    sk.rcvSaddr = 0;
    sk.saddr = 0;
    return -EADDRINUSE;
  }
  sk.bindAddrLock = !any;
  sk.bindPortLock = port !== 0;
  sk.daddr = 0;
  sk.v6Daddr = null;
  sk.dport = 0;
  sk.dst = null;
  return 0;
}

function checkMapped(ip: Ipv4, sk: InetSock, addr: In6Addr): number {
  if (sk.v6only) return -EINVAL;
  const foreign = addr.d !== 0 && inetAddrType(ip, addr.d) === RTN_UNICAST;
  return foreign && !sk.freebind && ip.sysctl.ipNonlocalBind === 0 ? -EADDRNOTAVAIL : 0;
}

function checkAddr(ip6: Ipv6, sk: InetSock, addr: In6Addr, scopeId: number): number {
  const err = in6BindScope(ip6, sk, addr, scopeId);
  if (err !== 0) return err;
  if (in6IsMulticast(addr) || sk.freebind || ip6.sysctl.ipNonlocalBind !== 0) return 0;
  const dev: NetDevice | null = sk.boundDevIf === 0 ? null : ip6.net.devices[sk.boundDevIf] ?? null;
  return ipv6ChkAddr(ip6, addr, dev) ? 0 : -EADDRNOTAVAIL;
}

/**
 * An address that means something else on each link ties the socket to one: the zone that was named with it, or the device of
 * SO_BINDTODEVICE. 0, -EINVAL (no link named, or another one than before), -ENODEV.
 */
export function in6BindScope(ip6: Ipv6, sk: InetSock, addr: In6Addr, scopeId: number): number {
  if (!in6NeedsZone(addr)) return 0;
  if (scopeId !== 0) {
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== scopeId) return -EINVAL;
    sk.boundDevIf = scopeId;
  }
  if (sk.boundDevIf === 0) return -EINVAL;
  return (ip6.net.devices[sk.boundDevIf] ?? null) === null ? -ENODEV : 0;
}
