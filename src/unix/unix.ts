/**
 * AF_UNIX (unix(7)): made once per host, the maker of its sockets, and the table that `syscall/` calls.
 */
import type { Net } from '../dev/net.ts';
import {
  EINVAL, ENOPROTOOPT, ENOTCONN, ENOTTY, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
} from '../lib/errno.ts';
import {
  AF_UNIX, FIONREAD, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN, SHUTDOWN_MASK,
  SIOCOUTQ, SO_PASSCRED, SO_PEERCRED, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, TCP_CLOSE, TCP_LISTEN,
} from '../sock/constants.ts';
import { type Proto, type Sock, SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import {
  unixAccept, unixClose, unixConnect, unixDisconnect, unixListen, unixShutdown, unixSocketpair,
} from './connect.ts';
import { unixDgramRecvmsg, unixDgramSendmsg, unixQueueFull } from './dgram.ts';
import { unixGc } from './gc.ts';
import { unixBind } from './names.ts';
import { UnixSock, UnixTable } from './sock.ts';
import { unixStreamRecvmsg, unixStreamSendmsg, unixWritable } from './stream.ts';

export { UnixSock, UnixTable } from './sock.ts';

/** Makes the Unix sockets' side of a host. */
export function unixInit(net: Net): UnixTable {
  return new UnixTable(net);
}

/** A new socket, or -ESOCKTNOSUPPORT, -EPROTONOSUPPORT. */
export function unixCreateSock(table: UnixTable, type: number, protocol: number): UnixSock | number {
  if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
  if (type === SOCK_RAW) return new UnixSock(table, unixProt, SOCK_DGRAM); // believe it or not: BSD had it
  if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) return -ESOCKTNOSUPPORT;
  return new UnixSock(table, unixProt, type);
}

function unixSendmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UnixSock;
  return sk.stream ? unixStreamSendmsg(sk, msg) : unixDgramSendmsg(sk, msg);
}

function unixRecvmsg(sock: Sock, msg: MsgHdr): number {
  return (sock as UnixSock).stream ? unixStreamRecvmsg(sock, msg) : unixDgramRecvmsg(sock, msg);
}

/** POLL* bits (Linux: unix_poll, unix_dgram_poll). */
function unixPoll(sock: Sock): number {
  const sk = sock as UnixSock;
  const connected = sk.type !== SOCK_DGRAM;
  let mask = 0;
  if (sk.err !== 0) mask |= POLLERR;
  if (sk.shutdown === SHUTDOWN_MASK) mask |= POLLHUP;
  if ((sk.shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (!sk.receiveQueue.empty || sk.acceptHead !== null) mask |= POLLIN | POLLRDNORM;
  if (connected && sk.state === TCP_CLOSE) mask |= POLLHUP;
  if (unixWritable(sk) && !peerFull(sk)) mask |= POLLOUT | POLLWRNORM;
  else sk.noSpace = true;
  return mask;
}

/** The one that messages go to has no room: it will tell when there is. */
function peerFull(sk: UnixSock): boolean {
  const { peer } = sk;
  if (peer === null || sk.type !== SOCK_DGRAM || !unixQueueFull(sk, peer)) return false;
  peer.waiters.add(sk);
  return true;
}

function unixSetsockopt(sock: Sock, level: number, name: number, value: SockoptValue): number {
  if (level !== SOL_SOCKET || name !== SO_PASSCRED) return -ENOPROTOOPT;
  (sock as UnixSock).passcred = value !== 0;
  return 0;
}

function unixGetsockopt(sock: Sock, level: number, name: number): SockoptValue | SockoptError {
  const sk = sock as UnixSock;
  if (level === SOL_SOCKET && name === SO_PASSCRED) return Number(sk.passcred);
  if (level !== SOL_SOCKET || name !== SO_PEERCRED) return new SockoptError(-ENOPROTOOPT);
  return sk.peerCreds ?? { pid: 0, uid: -1, gid: -1 };
}

function unixIoctl(sock: Sock, cmd: number): number {
  const sk = sock as UnixSock;
  if (cmd === SIOCOUTQ) return sk.wmemAlloc;
  if (cmd !== FIONREAD) return -ENOTTY;
  if (sk.state === TCP_LISTEN) return -EINVAL;
  return sk.type === SOCK_DGRAM ? sk.receiveQueue.head?.len ?? 0 : sk.rcvBytes;
}

function unixGetname(sock: Sock, out: SockAddr, peer: boolean): number {
  const sk = sock as UnixSock;
  if (peer && sk.peer === null) return -ENOTCONN;
  out.setPath(peer ? sk.peer!.path : sk.path);
  return 0;
}

/** The Proto of Unix sockets. */
export const unixProt: Proto = {
  name: 'UNIX',
  bind: (sk, addr) => unixBind(sk as UnixSock, addr),
  connect: unixConnect,
  disconnect: unixDisconnect,
  listen: unixListen,
  accept: unixAccept,
  sendmsg: unixSendmsg,
  recvmsg: unixRecvmsg,
  poll: unixPoll,
  shutdown: unixShutdown,
  close: unixClose,
  setsockopt: unixSetsockopt,
  getsockopt: unixGetsockopt,
  ioctl: unixIoctl,
  getname: unixGetname,
  socketpair: unixSocketpair,
  descriptorGone: (sk) => {
    unixGc((sk as UnixSock).table);
  },
};
