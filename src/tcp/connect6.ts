/**
 * connect(2) of an AF_INET6 socket (Linux: tcp_v6_connect): over IPv6, or over IPv4 when the address is a mapped one.
 *
 *   from  tcp/connect.ts
 *   to    tcp/connect.ts   tcpConnectStart, tcpConnectV4
 */
import { in6BindScope } from '../ip/v6/bind.ts';
import { ip6RouteOutput } from '../ip/v6/route.ts';
import { in6Any, in6Equal, in6FromV4, in6IsAny, in6IsMulticast, in6IsV4Mapped, in6Loopback, type In6Addr } from '../lib/addr6.ts';
import { EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../lib/errno.ts';
import { INADDR_LOOPBACK } from '../lib/addr.ts';
import { Mib } from '../dev/mib.ts';
import { AF_INET6 } from '../sock/constants.ts';
import { LOOPBACK4_IPV6 } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { tcpConnectStart, tcpConnectV4, tcpForgetPeer } from './connect.ts';
import type { TcpSock } from './sock.ts';

/** Low 20 bits of flowinfo: the label. */
const FLOWLABEL_MASK = 0xfffff;

/** @returns 0, or -EAFNOSUPPORT, -ENETUNREACH, -EINVAL (a link-local address without its link), -EADDRNOTAVAIL… */
export function tcpV6Connect(tp: TcpSock, addr: SockAddr): number {
  const to = addr.addr6;
  if (addr.family !== AF_INET6 || to === null) return -EAFNOSUPPORT;
  const boundV4 = tp.v6RcvSaddr !== null && in6IsV4Mapped(tp.v6RcvSaddr);
  // To :: means to this host, by the family that the socket is bound to.
  if (in6IsAny(to)) return boundV4 ? connectMapped(tp, INADDR_LOOPBACK, addr.port) : connectV6(tp, in6Loopback, addr);
  if (in6IsV4Mapped(to)) return tp.v6only ? -ENETUNREACH : connectMapped(tp, to.d, addr.port);
  if (boundV4) return -EINVAL;
  return connectV6(tp, to, addr);
}

/** Over IPv4: the socket takes on that family's table, and shows mapped addresses. */
function connectMapped(tp: TcpSock, to: number, port: number): number {
  const { tcp } = tp;
  const bound = tp.v6RcvSaddr;
  tp.af = tcp.v4;
  tp.v6RcvSaddr = null; // whatever port is chosen, only IPv4 is concerned
  const err = tcpConnectV4(tp, to, port);
  tp.v6RcvSaddr = err === 0 ? in6FromV4(tp.rcvSaddr) : bound;
  if (err !== 0) tp.af = tcp.v6!;
  return err;
}

function connectV6(tp: TcpSock, to: In6Addr, addr: SockAddr): number {
  const { tcp, net } = tp;
  const ip6 = tcp.ip6!;
  const np = tp.np!;
  if (in6IsMulticast(to)) return -ENETUNREACH;
  const err = in6BindScope(ip6, tp, to, addr.scopeId);
  if (err !== 0) return err;
  const rt = ip6RouteOutput(ip6, to, tp.v6Saddr, tp.boundDevIf);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) net.inc(Mib.Ip6OutNoRoutes);
    return rt;
  }
  const had = tp.v6Saddr;
  if (had === null) {
    tp.v6Saddr = rt.src;
    tp.v6RcvSaddr = rt.src;
    tp.rcvSaddr = LOOPBACK4_IPV6;
  }
  if (np.sndflow) np.flowLabel = addr.flowinfo & FLOWLABEL_MASK;
  if (tp.v6Daddr === null || !in6Equal(tp.v6Daddr, to)) tcpForgetPeer(tp);
  tp.v6Daddr = to;
  tp.dport = addr.port;
  tp.txhash = ip6.random.next32();
  const failed = tcpConnectStart(tp, rt);
  if (failed === 0) return 0;
  tp.v6Daddr = null;
  if (had === null) {
    tp.v6Saddr = null;
    tp.v6RcvSaddr = in6Any;
    tp.rcvSaddr = 0;
  }
  return failed;
}
