/**
 * bind(2) for the Internet families: the address must be ours, the port free.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } from '../lib/errno.ts';
import { AF_INET, AF_UNSPEC, TCP_CLOSE } from '../sock/constants.ts';
import { portsBind, type PortTable } from '../sock/ports.ts';
import type { InetSock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { inetAddrType } from './devinet.ts';
import { RTN_LOCAL, RTN_UNICAST } from './fib.ts';
import type { Ipv4 } from './ipv4.ts';

/**
 * Binds `sk` to `addr` in its protocol's table of ports.
 *
 * @returns 0 or a negative errno: -EAFNOSUPPORT, -EADDRNOTAVAIL (not an address of this host), -EINVAL (bound already),
 *   -EADDRINUSE
 */
export function inetBind(ip: Ipv4, table: PortTable, sk: InetSock, addr: SockAddr): number {
  // AF_UNSPEC with the address 0 is accepted for the sake of old programs.
  if (addr.family !== AF_INET && (addr.family !== AF_UNSPEC || addr.addr !== 0)) return -EAFNOSUPPORT;
  const type = inetAddrType(ip, addr.addr);
  if (addr.addr !== 0 && type === RTN_UNICAST && !sk.freebind && ip.sysctl.ipNonlocalBind === 0) return -EADDRNOTAVAIL;
  if (sk.state !== TCP_CLOSE || sk.num !== 0) return -EINVAL;
  sk.rcvSaddr = addr.addr;
  // What is sent from a socket that listens to everybody or to a group gets the address of its way.
  sk.saddr = addr.addr !== 0 && (type === RTN_LOCAL || type === RTN_UNICAST) ? addr.addr : 0;
  if ((addr.port !== 0 || !sk.bindAddressNoPort) && portsBind(table, sk, addr.port) < 0) {
    sk.rcvSaddr = 0;
    sk.saddr = 0;
    return -EADDRINUSE;
  }
  sk.bindAddrLock = addr.addr !== 0;
  sk.bindPortLock = addr.port !== 0;
  sk.daddr = 0;
  sk.dport = 0;
  sk.dst = null;
  return 0;
}
