/** What getsockname(2) and getpeername(2) say of a socket of the Internet families (Linux: inet_getname, inet6_getname). */
import { in6Any, in6IsAny, in6NeedsZone, type In6Addr } from '../lib/addr6.ts';
import { AF_INET6 } from './constants.ts';
import type { InetSock } from './sock.ts';
import type { SockAddr } from './sockaddr.ts';

/** The local address: the bound one, else the one that packets are sent from. */
export function inetSockname(sk: InetSock, out: SockAddr): void {
  if (sk.family !== AF_INET6) {
    out.set(sk.rcvSaddr !== 0 ? sk.rcvSaddr : sk.saddr, sk.num);
    return;
  }
  const bound = sk.v6RcvSaddr ?? in6Any;
  if (!in6IsAny(bound)) set6(sk, out, bound, sk.num);
  else if (sk.v6Saddr !== null) set6(sk, out, sk.v6Saddr, sk.num);
  else if (sk.saddr !== 0) out.setMapped(sk.saddr, sk.num);
  else set6(sk, out, in6Any, sk.num);
}

/** The peer, whether it is connected or not. */
export function inetPeername(sk: InetSock, out: SockAddr): void {
  if (sk.family !== AF_INET6) {
    out.set(sk.daddr, sk.dport);
    return;
  }
  if (sk.v6Daddr === null) {
    out.setMapped(sk.daddr, sk.dport);
    return;
  }
  set6(sk, out, sk.v6Daddr, sk.dport);
  if (sk.np !== null && sk.np.sndflow) out.flowinfo = sk.np.flowLabel;
}

function set6(sk: InetSock, out: SockAddr, addr: In6Addr, port: number): void {
  out.set6(addr, port, in6NeedsZone(addr) ? sk.boundDevIf : 0);
}
