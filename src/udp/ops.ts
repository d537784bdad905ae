/**
 * What a UDP socket can do: the table that `syscall/` calls (Linux: udp_prot, inet_dgram_ops).
 */
import { ipv4IsMulticast } from '../lib/addr.ts';
import {
  EACCES, EAFNOSUPPORT, EAGAIN, EINVAL, ENOPROTOOPT, ENOTCONN, ENOTTY, EOPNOTSUPP,
} from '../lib/errno.ts';
import { in6Any, in6FromV4 } from '../lib/addr6.ts';
import { Drop } from '../skb/drop-reason.ts';
import { Mib } from '../dev/mib.ts';
import { inetBind } from '../ip/bind.ts';
import { RTN_BROADCAST } from '../ip/fib.ts';
import { ipMcDropSocket } from '../ip/mcast.ts';
import { ipRouteOutput } from '../ip/route.ts';
import { inetGetsockopt, inetSetsockopt } from '../ip/sockglue.ts';
import {
  AF_INET, AF_INET6, AF_UNSPEC, FIONREAD, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN,
  SHUTDOWN_MASK, SIOCOUTQ, SOL_IP, SOL_UDP, TCP_CLOSE, TCP_ESTABLISHED,
} from '../sock/constants.ts';
import { hasQueuedError, sockPurgeErrors } from '../sock/error-queue.ts';
import { portsUnbind } from '../sock/ports.ts';
import type { ReuseportGroup } from '../sock/reuseport.ts';
import { type Proto, type Sock, SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { sockEndTimestamping } from '../sock/timestamping.ts';
import { sockWriteable } from '../sock/wmem.ts';
import { udpHashAdd, udpHashRemove, udpRehash } from './demux.ts';
import { udpHashKey } from './hash.ts';
import { udpAutobind, udpFlushPending, udpPushPending, udpSendmsg } from './output.ts';
import { udpFreePage } from './payload.ts';
import { udpRecvmsg } from './recv.ts';
import type { UdpSock } from './sock.ts';

/** Options of SOL_UDP. */
export const UDP_CORK = 1;

function udpBind(sock: Sock, addr: SockAddr): number {
  const sk = sock as UdpSock;
  const err = inetBind(sk.udp.ip, sk.udp.ports, sk, addr);
  if (err === 0 && sk.num !== 0) udpHashAdd(sk);
  return err;
}

/** Remembers the peer: only it is heard, and its errors are. Nothing is sent. */
function udpConnect(sock: Sock, addr: SockAddr): number {
  const sk = sock as UdpSock;
  if (addr.family === AF_UNSPEC) return udpDisconnect(sk);
  if (addr.family !== AF_INET) return -EAFNOSUPPORT;
  return udpConnectV4(sk, addr.addr, addr.port);
}

/** To an IPv4 address: of a socket of AF_INET, or one of AF_INET6 that was given a mapped address. */
export function udpConnectV4(sk: UdpSock, daddr: number, dport: number): number {
  if (sk.num === 0 && udpAutobind(sk) < 0) return -EAGAIN;
  sk.dst = null;
  const many = ipv4IsMulticast(daddr);
  const oif = many && sk.boundDevIf === 0 ? sk.mcIndex : sk.boundDevIf;
  const rt = ipRouteOutput(sk.udp.ip, daddr, many && sk.saddr === 0 ? sk.mcAddr : sk.saddr, oif);
  if (typeof rt === 'number') {
    sk.net.inc(Mib.IpOutNoRoutes);
    return rt;
  }
  if (rt.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  if (sk.saddr === 0) sk.saddr = rt.src;
  sk.daddr = rt.dst;
  sk.dport = dport;
  sk.v6Daddr = null;
  sk.state = TCP_ESTABLISHED;
  if (sk.rcvSaddr === 0) {
    const key = udpHashKey(sk);
    sk.rcvSaddr = rt.src;
    if (sk.family === AF_INET6) sk.v6RcvSaddr = in6FromV4(rt.src);
    udpRehash(sk, key);
  }
  if (sk.reuseportGroup !== null) (sk.reuseportGroup as ReuseportGroup).hasConns = true;
  sk.inetId = sk.net.random.next32() & 0xffff;
  sk.dst = rt;
  return 0;
}

/** Forgets the peer, and the address and port that connect() chose. */
function udpDisconnect(sock: Sock): number {
  const sk = sock as UdpSock;
  sk.state = TCP_CLOSE;
  sk.daddr = 0;
  sk.v6Daddr = null;
  sk.dport = 0;
  sk.dst = null;
  const old = udpHashKey(sk);
  if (!sk.bindPortLock) {
    udpHashRemove(sk);
    portsUnbind(sk.udp.ports, sk);
    sk.num = 0;
  }
  if (!sk.bindAddrLock) {
    sk.rcvSaddr = 0;
    sk.saddr = 0;
    sk.v6Saddr = null;
    if (sk.family === AF_INET6) sk.v6RcvSaddr = in6Any;
    udpRehash(sk, old);
  }
  return 0;
}

function udpPoll(sock: Sock): number {
  const sk = sock as UdpSock;
  let mask = 0;
  if (sk.err !== 0 || hasQueuedError(sk)) mask |= POLLERR;
  if ((sk.shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (sk.shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if (!sk.receiveQueue.empty) mask |= POLLIN | POLLRDNORM;
  if (sockWriteable(sk)) mask |= POLLOUT | POLLWRNORM;
  else sk.noSpace = true;
  return mask;
}

/** An unconnected socket is shut down, too, and the answer is an error all the same (as Linux does it). */
function udpShutdown(sock: Sock, how: number): number {
  const sk = sock as UdpSock;
  if (how < 0 || how > 2) return -EINVAL;
  sk.shutdown |= how + 1;
  sk.stateChange(udpPoll(sk));
  return sk.state === TCP_CLOSE ? -ENOTCONN : 0;
}

function udpClose(sock: Sock): void {
  const sk = sock as UdpSock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  if (sk.mcList !== null) ipMcDropSocket(sk.udp.ip, sk);
  udpFlushPending(sk);
  sockPurgeErrors(sk);
  if (sk.rxStamped) sockEndTimestamping(sk);
  udpFreePage(sk);
  udpHashRemove(sk);
  portsUnbind(sk.udp.ports, sk);
  sk.state = TCP_CLOSE;
  sk.dst = null;
  for (let skb = sk.receiveQueue.popHead(); skb !== null; skb = sk.receiveQueue.popHead()) sk.net.drop(skb, Drop.Purged);
}

function udpSetsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  const sk = sock as UdpSock;
  if (level === SOL_IP) return inetSetsockopt(sk.udp.ip, sk, name, value);
  if (level !== SOL_UDP || name !== UDP_CORK) return -ENOPROTOOPT;
  if (typeof value !== 'number') return -EINVAL;
  sk.cork = value !== 0;
  return sk.cork ? 0 : udpPushPending(sk);
}

function udpGetsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as UdpSock;
  if (level === SOL_IP) return inetGetsockopt(sk.udp.ip, sk, name);
  if (level !== SOL_UDP || name !== UDP_CORK) return new SockoptError(-ENOPROTOOPT);
  return Number(sk.cork);
}

function udpIoctl(sock: Sock, cmd: number): number {
  if (cmd === SIOCOUTQ) return sock.wmemAlloc;
  // The length of the next datagram: an empty one and none look alike.
  if (cmd === FIONREAD) return sock.receiveQueue.head?.len ?? 0;
  return -ENOTTY;
}

/** The Proto of UDP over IPv4. */
export const udpProt: Proto = {
  name: 'UDP',
  bind: udpBind,
  connect: udpConnect,
  disconnect: udpDisconnect,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: udpSendmsg,
  recvmsg: udpRecvmsg,
  poll: udpPoll,
  shutdown: udpShutdown,
  close: udpClose,
  setsockopt: udpSetsockopt,
  getsockopt: udpGetsockopt,
  ioctl: udpIoctl,
};
