/**
 * bind(2) for the Internet families: the address must be ours, the port free.
 */
import { fail } from '../lib/assert.ts';
import type { PortTable } from '../sock/ports.ts';
import type { InetSock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import type { Ipv4 } from './ipv4.ts';

/** Binds `sk` to `addr` in its protocol's table of ports. 0, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EINVAL (bound already), -EADDRINUSE. */
export function inetBind(_ip: Ipv4, _table: PortTable, _sk: InetSock, _addr: SockAddr): number {
  return fail('not yet');
}
