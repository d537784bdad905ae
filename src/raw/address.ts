/** bind and connect of sockets without ports (Linux: raw_bind, ip4_datagram_connect). */
import { EACCES, EAFNOSUPPORT } from '../lib/errno.ts';
import { Mib } from '../dev/mib.ts';
import { inetAddrType } from '../ip/devinet.ts';
import { RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST } from '../ip/fib.ts';
import { ipRouteOutput } from '../ip/route.ts';
import { AF_INET, TCP_ESTABLISHED } from '../sock/constants.ts';
import type { InetSock, Sock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import type { RawTable } from './sock.ts';

/** Binds to the address. False when it is none of this host's (IP_FREEBIND lets it be). */
export function inetBindAddress(sk: InetSock & { readonly table: RawTable }, addr: SockAddr): boolean {
  const { ip } = sk.table;
  const type = inetAddrType(ip, addr.addr);
  if (addr.addr !== 0 && type === RTN_UNICAST && !sk.freebind && ip.sysctl.ipNonlocalBind === 0) return false;
  sk.rcvSaddr = addr.addr;
  // What is sent from a socket that listens to a group or to everybody gets the address of its way.
  sk.saddr = type === RTN_MULTICAST || type === RTN_BROADCAST ? 0 : addr.addr;
  sk.bindAddrLock = addr.addr !== 0;
  sk.dst = null;
  return true;
}

/** Remembers the peer: only it is heard, and its errors are. Nothing is sent. */
export function inetConnect(sock: Sock, addr: SockAddr): number {
  const sk = sock as InetSock & { readonly table: RawTable };
  if (addr.family !== AF_INET) return -EAFNOSUPPORT;
  sk.dst = null;
  const rt = ipRouteOutput(sk.table.ip, addr.addr, sk.saddr, sk.boundDevIf);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.IpOutNoRoutes);
    return rt;
  }
  if (rt.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  if (sk.saddr === 0) sk.saddr = rt.src;
  if (sk.rcvSaddr === 0) sk.rcvSaddr = rt.src;
  sk.daddr = rt.dst;
  sk.dport = addr.port;
  sk.state = TCP_ESTABLISHED;
  sk.inetId = sk.net.random.next32() & 0xffff;
  sk.dst = rt;
  return 0;
}
