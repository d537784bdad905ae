/**
 * The socket calls, none of which waits: a value, or a negative errno. Where a blocking socket would sleep they answer
 * `-EAGAIN` (`-EINPROGRESS` for connect), and the wait queue of `fdSock` tells when to ask again.
 *
 *   from  host/kernel.ts    kernel.sys and the waiting calls
 *         node/handle       under node:net's classes
 *   to    sk.prot           tcp/ops, udp/udp…: the protocol's table
 *
 * Arguments are in the kernel's form (numbers, SockAddr, MsgHdr); strings and options were parsed at the door above.
 */
import {
  EAFNOSUPPORT, EAGAIN, EBADF, EINVAL, ENOTCONN, ENOTSOCK, EOPNOTSUPP, ESRCH,
} from '../lib/errno.ts';
import {
  AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, O_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM,
  SOCK_TYPE_MASK, TCP_CLOSE, TCP_SYN_SENT,
} from '../sock/constants.ts';
import { inetPeername, inetSockname } from '../sock/name.ts';
import { InetSock, type Sock } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { msgZerocopyEnd } from '../sock/zerocopy.ts';
import { SocketFile } from './file.ts';
import type { Process } from './process.ts';
import { scmCollect, scmInstall } from './scm.ts';

/** The highest socket type there is (SOCK_PACKET). */
const SOCK_MAX = 11;

// ---- descriptors ----------------------------------------------------------------------------------------------------

/** The socket behind `fd`, or null when it is closed or no socket. For wait queues and observers. */
export function fdSock(p: Process, fd: number): Sock | null {
  const file = p.fds.get(fd);
  return file instanceof SocketFile ? file.sk : null;
}

/** What is wrong with a descriptor that `fdSock` knows nothing of: -EBADF or -ENOTSOCK. */
export function badSock(p: Process, fd: number): number {
  return p.fds.get(fd) === null ? -EBADF : -ENOTSOCK;
}

/** Closes `fd`. Calls that sleep on it through this descriptor fail with EBADF. */
export function sysClose(p: Process, fd: number): number {
  if (p.fds.get(fd) === null) return -EBADF;
  p.enter();
  closeFd(p, fd);
  p.leave();
  return 0;
}

/** Inside the kernel: frees the descriptor, and the file when that was the last one. */
export function closeFd(p: Process, fd: number): void {
  const file = p.fds.remove(fd)!;
  let sleeper = file.sleepers;
  while (sleeper !== null) {
    const { nextSleeper } = sleeper;
    // Differs: on Linux a call that sleeps goes on with the file; here nobody could ever end it, so it fails at once.
    if (sleeper.fd === fd && sleeper.process === p) sleeper.cancel(EBADF);
    sleeper = nextSleeper;
  }
  file.dropped();
}

/** A second descriptor for the same file, the lowest free one. */
export function sysDup(p: Process, fd: number): number {
  const file = p.fds.get(fd);
  if (file === null) return -EBADF;
  return p.fds.install(file, false);
}

/** Ends a process: its calls that wait never return, and all its descriptors are closed, lowest first. */
export function sysKill(p: Process): void {
  if (p.dead) return;
  p.enter();
  p.dead = true;
  p.layer.processes.delete(p);
  for (const call of [...p.layer.waiting]) if (call.process === p) call.abandon();
  for (const fd of p.fds.list()) closeFd(p, fd);
  p.leave();
}

// ---- making sockets -------------------------------------------------------------------------------------------------

/** socket(2): a new descriptor, or -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EINVAL, -EMFILE. */
export function sysSocket(p: Process, family: number, type: number, protocol: number): number {
  if (p.dead) return -ESRCH;
  const flags = type & ~SOCK_TYPE_MASK;
  const kind = type & SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0 || kind >= SOCK_MAX || kind < 0) return -EINVAL;
  if (protocol < 0) return -EINVAL;
  const create = p.layer.families.get(family);
  if (create === undefined) return -EAFNOSUPPORT;
  if (protocol > 255 && (family === AF_INET || family === AF_INET6)) return -EINVAL;
  const room = p.fds.lowestFree();
  if (room < 0) return room;
  const { faults } = p.layer;
  if (faults !== null) {
    const fault = faults.strike('socket', p, null);
    if (fault !== null) return -fault.rule.value;
  }
  p.enter();
  const sk = create(kind, protocol, p);
  const fd = typeof sk === 'number' ? sk : installSock(p, sk, flags);
  if (faults !== null && typeof sk !== 'number') faults.adopt(sk);
  p.leave();
  return fd;
}

/** Inside the kernel: a descriptor for a socket that has none yet. */
export function installSock(p: Process, sk: Sock, flags: number): number {
  const file = new SocketFile(sk);
  if ((flags & SOCK_NONBLOCK) !== 0) file.flags |= O_NONBLOCK;
  sk.owner = p;
  return p.fds.install(file, (flags & SOCK_CLOEXEC) !== 0);
}

/**
 * socketpair(2): two descriptors for sockets that are connected to each other, the second in `second[0]`; for AF_UNIX.
 *
 * @returns the first, or -EOPNOTSUPP for families that have none, -EMFILE, and what socket(2) answers
 */
export function sysSocketpair(p: Process, family: number, type: number, protocol: number, second: number[]): number {
  const a = sysSocket(p, family, type, protocol);
  if (a < 0) return a;
  const b = sysSocket(p, family, type, protocol);
  const [x, y] = [fdSock(p, a)!, fdSock(p, b)];
  const err = y === null ? b : x.prot.socketpair === undefined ? -EOPNOTSUPP : x.prot.socketpair(x, y);
  if (err >= 0) {
    second[0] = b;
    return a;
  }
  sysClose(p, a);
  if (b >= 0) sysClose(p, b);
  return err;
}

/** bind(2). */
export function sysBind(p: Process, fd: number, addr: SockAddr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  // AF_UNSPEC with the wildcard address is taken for AF_INET, as on Linux.
  const unspec = addr.family === AF_UNSPEC && sk.family === AF_INET && addr.addr === 0;
  if (addr.family !== sk.family && !unspec) return -EAFNOSUPPORT;
  p.enter();
  const err = sk.prot.bind(sk, addr);
  p.leave();
  return err;
}

/** listen(2): `backlog` is cut to net.core.somaxconn; a negative one means as much as is allowed. */
export function sysListen(p: Process, fd: number, backlog: number): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  const { somaxconn } = p.net.sysctl;
  p.enter();
  const err = sk.prot.listen(sk, backlog < 0 || backlog > somaxconn ? somaxconn : backlog);
  p.leave();
  return err;
}

/** accept4(2): a descriptor for the next connection; `out` (if given) receives its peer. `flags` as of SOCK_NONBLOCK. */
export function sysAccept(p: Process, fd: number, out: SockAddr | null, flags: number): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const room = p.fds.lowestFree();
  if (room < 0) return room; // before the connection is taken from the queue: it is not lost
  p.enter();
  const child = sk.prot.accept(sk);
  let ret: number;
  if (typeof child === 'number') {
    ret = child;
  } else {
    ret = installSock(p, child, flags);
    if (out !== null) peerName(child, out);
  }
  p.leave();
  return ret;
}

/** connect(2), as on a non-blocking socket: 0, or -EINPROGRESS when a handshake has begun. AF_UNSPEC dissolves the association. */
export function sysConnect(p: Process, fd: number, addr: SockAddr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if (addr.family !== sk.family && addr.family !== AF_UNSPEC && !speaksV4(sk, addr)) return -EAFNOSUPPORT;
  p.enter();
  const err = addr.family === AF_UNSPEC ? sk.prot.disconnect(sk) : sk.prot.connect(sk, addr);
  p.leave();
  return err;
}

// ---- data -----------------------------------------------------------------------------------------------------------

/** sendmsg(2): how many bytes were taken, maybe fewer than offered on a stream, or -EAGAIN when there is no room. */
export function sysSendmsg(p: Process, fd: number, msg: MsgHdr): number {
  const n = sendmsgPart(p, fd, msg);
  if (msg.ubuf !== null) sendmsgEnd(p, msg, n);
  return n;
}

/** A call that lent its memory (MSG_ZEROCOPY) is over: `sent` bytes were taken. */
export function sendmsgEnd(p: Process, msg: MsgHdr, sent: number): void {
  p.enter();
  msgZerocopyEnd(msg, sent);
  p.leave();
}

/** One attempt of a call that may go on: `msg.ubuf` stays the caller's to end. */
export function sendmsgPart(p: Process, fd: number, msg: MsgHdr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if (msg.hasName && msg.name.family !== sk.family && sk.type !== SOCK_STREAM && !speaksV4(sk, msg.name)) return -EAFNOSUPPORT;
  if (sk.family === AF_UNIX) {
    const err = scmCollect(p, msg);
    if (err < 0) return err;
  }
  p.enter();
  const n = sk.prot.sendmsg(sk, msg);
  p.leave();
  return n;
}

/** recvmsg(2): how many bytes were copied to `msg.buf`; 0 at the end of a stream; -EAGAIN when nothing is there. */
export function sysRecvmsg(p: Process, fd: number, msg: MsgHdr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  p.enter();
  const n = sk.prot.recvmsg(sk, msg);
  if (msg.files !== null) scmInstall(p, msg);
  p.leave();
  return n;
}

/** shutdown(2). */
export function sysShutdown(p: Process, fd: number, how: number): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if (how < 0 || how > 2) return -EINVAL;
  p.enter();
  const err = sk.prot.shutdown(sk, how);
  p.leave();
  return err;
}

// ---- names ----------------------------------------------------------------------------------------------------------

/** getsockname(2): the local address into `out`. */
export function sysGetsockname(p: Process, fd: number, out: SockAddr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if (sk.prot.getname !== undefined) return sk.prot.getname(sk, out, false);
  if (!(sk instanceof InetSock)) return -EOPNOTSUPP;
  inetSockname(sk, out);
  return 0;
}

/** getpeername(2): the peer's address into `out`, or -ENOTCONN. */
export function sysGetpeername(p: Process, fd: number, out: SockAddr): number {
  const sk = fdSock(p, fd);
  if (sk === null) return badSock(p, fd);
  if (sk.prot.getname !== undefined) return sk.prot.getname(sk, out, true);
  if (!(sk instanceof InetSock)) return -EOPNOTSUPP;
  if (sk.dport === 0 || sk.state === TCP_CLOSE || sk.state === TCP_SYN_SENT) return -ENOTCONN;
  peerName(sk, out);
  return 0;
}

function peerName(sk: Sock, out: SockAddr): void {
  if (sk.prot.getname !== undefined) {
    sk.prot.getname(sk, out, true);
    return;
  }
  inetPeername(sk as InetSock, out);
}

/** Datagram sockets of AF_INET6 take IPv4 addresses as they are, too, as on Linux: whether they speak IPv4, they know. */
function speaksV4(sk: Sock, addr: SockAddr): boolean {
  return sk.family === AF_INET6 && addr.family === AF_INET && sk.type !== SOCK_STREAM;
}

/** True when a failed call means "not now": a waiting call sleeps. */
export function wouldBlock(ret: number): boolean {
  return ret === -EAGAIN;
}
