/**
 * What a raw socket can do: the table that `syscall/` calls (Linux: raw_prot, inet_sockraw_ops).
 */
import {
  EADDRNOTAVAIL, EINVAL, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP,
} from '../lib/errno.ts';
import { copyBits } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import { ipCmsgRecv, ipSourceAddr } from '../ip/cmsg.ts';
import { ipMcDropSocket } from '../ip/mcast.ts';
import { inetGetsockopt, inetSetsockopt } from '../ip/sockglue.ts';
import {
  ICMP_FILTER, IPPROTO_ICMP, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, SHUTDOWN_MASK, SOL_IP, SOL_RAW, TCP_CLOSE,
} from '../sock/constants.ts';
import { datagramHead, datagramIoctl, datagramPoll, sockPurgeQueues } from '../sock/datagram.ts';
import { sockRecvError } from '../sock/error-queue.ts';
import { type InetSock, type Proto, type Sock, SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { inetConnect, inetBindAddress } from './address.ts';
import { rawSendmsg } from './output.ts';
import type { RawSock } from './sock.ts';

/** Any address of this host, a group, or a broadcast address; the port means nothing. */
function rawBind(sock: Sock, addr: SockAddr): number {
  const sk = sock as RawSock;
  if (sk.state !== TCP_CLOSE) return -EINVAL;
  return inetBindAddress(sk, addr) ? 0 : -EADDRNOTAVAIL;
}

function rawDisconnect(sock: Sock): number {
  const sk = sock as RawSock;
  sk.state = TCP_CLOSE;
  sk.daddr = 0;
  sk.dport = 0;
  sk.dst = null;
  if (!sk.bindAddrLock) {
    sk.rcvSaddr = 0;
    sk.saddr = 0;
  }
  return 0;
}

/** The next packet, IP header and all. `msg.name` is its source, port 0. As recv(2), with MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE. */
export function inetRecvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as InetSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return sockRecvError(sk, msg);
  const skb = datagramHead(sk, msg);
  if (typeof skb === 'number') return skb;
  const { len } = skb;
  const copied = Math.min(len, msg.len);
  if (copied > 0) copyBits(skb, 0, msg.buf, msg.off, copied);
  if (copied < len) msg.msgFlags |= MSG_TRUNC;
  msg.name.set(ipSourceAddr(skb), 0);
  msg.hasName = true;
  msg.control = ipCmsgRecv(sk, skb);
  if ((msg.flags & MSG_PEEK) === 0) {
    sk.receiveQueue.unlink(skb);
    consumeSkb(skb);
  }
  return (msg.flags & MSG_TRUNC) !== 0 ? len : copied;
}

/** An unconnected socket is shut down, too, and the answer is an error all the same (as Linux does it). */
export function inetShutdown(sk: Sock, how: number): number {
  if (how < 0 || how > 2) return -EINVAL;
  sk.shutdown |= how + 1;
  sk.stateChange(datagramPoll(sk));
  return sk.state === TCP_CLOSE ? -ENOTCONN : 0;
}

function rawClose(sock: Sock): void {
  const sk = sock as RawSock;
  if (sk.destroyed) return;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  sk.state = TCP_CLOSE;
  const { table } = sk;
  if (sk.mcList !== null) ipMcDropSocket(table.ip, sk);
  const rest = table.sockets[sk.num]!.filter((other) => other !== sk);
  table.sockets[sk.num] = rest.length === 0 ? null : rest;
  if (--table.size === 0) table.ip.raw = null;
  sk.hashed = false;
  sk.dst = null;
  sockPurgeQueues(sk);
}

function rawSetsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  const sk = sock as RawSock;
  if (level === SOL_IP) return inetSetsockopt(sk.table.ip, sk, name, value);
  if (level !== SOL_RAW || name !== ICMP_FILTER) return -ENOPROTOOPT;
  if (sk.num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  if (typeof value !== 'number') return -EINVAL;
  sk.icmpFilter = value | 0;
  return 0;
}

function rawGetsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as RawSock;
  if (level === SOL_IP) return inetGetsockopt(sk.table.ip, sk, name);
  if (level !== SOL_RAW || name !== ICMP_FILTER) return new SockoptError(-ENOPROTOOPT);
  return sk.num === IPPROTO_ICMP ? sk.icmpFilter >>> 0 : new SockoptError(-EOPNOTSUPP);
}

/** The Proto of raw sockets over IPv4. */
export const rawProt: Proto = {
  name: 'RAW',
  bind: rawBind,
  connect: inetConnect,
  disconnect: rawDisconnect,
  listen: () => -EOPNOTSUPP,
  accept: () => -EOPNOTSUPP,
  sendmsg: rawSendmsg,
  recvmsg: inetRecvmsg,
  poll: datagramPoll,
  shutdown: inetShutdown,
  close: rawClose,
  setsockopt: rawSetsockopt,
  getsockopt: rawGetsockopt,
  ioctl: datagramIoctl,
};
