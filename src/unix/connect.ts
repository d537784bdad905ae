/**
 * Connections of Unix sockets: listen, connect, accept, socketpair, and the end (Linux: unix_stream_connect, unix_release_sock).
 *
 * connect() makes the other end at once (an embryo in the listener's queue) and is done; accept() only takes it out. So what is
 * written before accept() waits there, as on Linux.
 */
import {
  EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EISCONN, EOPNOTSUPP, EPERM,
} from '../lib/errno.ts';
import {
  AF_UNIX, EPOLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN, SHUTDOWN_MASK, SOCK_DGRAM, TCP_CLOSE,
  TCP_ESTABLISHED, TCP_LISTEN,
} from '../sock/constants.ts';
import type { Sock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { unixGc } from './gc.ts';
import { unixAutobind, unixFind, unixUnname } from './names.ts';
import { unixPurge } from './scm.ts';
import { ownerCreds, UnixSock } from './sock.ts';

/** listen(2): a stream or a seqpacket socket that has a name. */
export function unixListen(sock: Sock, backlog: number): number {
  const sk = sock as UnixSock;
  if (sk.type === SOCK_DGRAM) return -EOPNOTSUPP;
  if (sk.path === '' || (sk.state !== TCP_CLOSE && sk.state !== TCP_LISTEN)) return -EINVAL;
  if (backlog > sk.maxAckBacklog) unixWakeWaiters(sk);
  sk.maxAckBacklog = backlog;
  sk.state = TCP_LISTEN;
  sk.ownCreds = ownerCreds(sk);
  return 0;
}

/** connect(2). On a socket of messages: where they go from now on, and the only one who is heard. */
export function unixConnect(sock: Sock, addr: SockAddr): number {
  const sk = sock as UnixSock;
  if (addr.family !== AF_UNIX) return -EINVAL;
  if (sk.passcred && sk.path === '') unixAutobind(sk);
  const other = unixFind(sk.table, addr, sk.type);
  if (typeof other === 'number') return other;
  return sk.type === SOCK_DGRAM ? connectDgram(sk, other) : connectStream(sk, other);
}

function connectStream(sk: UnixSock, other: UnixSock): number {
  if (other.state !== TCP_LISTEN || (other.shutdown & RCV_SHUTDOWN) !== 0) return -ECONNREFUSED;
  if (sk.state === TCP_ESTABLISHED) return -EISCONN;
  if (sk.state !== TCP_CLOSE) return -EINVAL;
  if (other.acceptLen > other.maxAckBacklog) {
    other.waiters.add(sk);
    return -EAGAIN;
  }
  const child = new UnixSock(other.table, other.prot, other.type);
  child.path = other.path;
  child.embryo = true;
  child.peerCreds = ownerCreds(sk);
  child.ownCreds = other.ownCreds;
  sk.peerCreds = other.ownCreds;
  child.passcred = other.passcred;
  join(sk, child);
  if (other.acceptTail === null) other.acceptHead = child;
  else other.acceptTail.acceptNext = child;
  other.acceptTail = child;
  other.acceptLen++;
  other.dataReady();
  return 0;
}

function join(a: UnixSock, b: UnixSock): void {
  a.peer = b;
  b.peer = a;
  a.state = TCP_ESTABLISHED;
  b.state = TCP_ESTABLISHED;
}

function connectDgram(sk: UnixSock, other: UnixSock): number {
  if (!unixMaySend(sk, other)) return -EPERM;
  unixDisconnect(sk);
  sk.peer = other;
  sk.state = TCP_ESTABLISHED;
  other.connectedHere.add(sk);
  return 0;
}

/** May `sk` send to `other`? Not when that one is connected to somebody else. */
export function unixMaySend(sk: UnixSock, other: UnixSock): boolean {
  return other.peer === null || other.peer === sk;
}

/** connect(2) with AF_UNSPEC, on a socket of messages. */
export function unixDisconnect(sock: Sock): number {
  const sk = sock as UnixSock;
  if (sk.type !== SOCK_DGRAM) return -EINVAL;
  const { peer } = sk;
  sk.peer = null;
  sk.state = TCP_CLOSE;
  if (peer !== null) {
    peer.connectedHere.delete(sk);
    peer.waiters.delete(sk);
  }
  return 0;
}

/** accept(2): the next connection of the queue. */
export function unixAccept(sock: Sock): Sock | number {
  const sk = sock as UnixSock;
  if (sk.type === SOCK_DGRAM) return -EOPNOTSUPP;
  if (sk.state !== TCP_LISTEN) return -EINVAL;
  const child = sk.acceptHead;
  if (child === null) return (sk.shutdown & RCV_SHUTDOWN) !== 0 ? -EINVAL : -EAGAIN;
  sk.acceptHead = child.acceptNext;
  if (sk.acceptHead === null) sk.acceptTail = null;
  sk.acceptLen--;
  child.acceptNext = null;
  child.embryo = false;
  unixWakeWaiters(sk);
  return child;
}

/** socketpair(2): two sockets without names, connected to each other. */
export function unixSocketpair(a: Sock, b: Sock): number {
  const [x, y] = [a as UnixSock, b as UnixSock];
  join(x, y);
  if (x.type === SOCK_DGRAM) {
    x.connectedHere.add(y);
    y.connectedHere.add(x);
  }
  x.peerCreds = ownerCreds(y);
  y.peerCreds = ownerCreds(x);
  return 0;
}

/** There is room again in the queue of `sk`: who waited for it tries again. */
export function unixWakeWaiters(sk: UnixSock): void {
  if (sk.waiters.size === 0) return;
  const waiting = [...sk.waiters];
  sk.waiters.clear();
  for (const other of waiting) other.stateChange(POLLOUT | POLLWRNORM);
}

/**
 * shutdown(2). The other end of a connection learns at once: it can read what is there and then the end, and write nothing.
 */
export function unixShutdown(sock: Sock, how: number): number {
  const sk = sock as UnixSock;
  const mode = how + 1;
  sk.shutdown |= mode;
  const { peer } = sk;
  sk.stateChange(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | EPOLLHUP);
  if (sk.state === TCP_LISTEN) unixWakeWaiters(sk);
  if (peer === null || sk.type === SOCK_DGRAM) return 0;
  // What one end does not send, the other does not receive, and the other way round.
  peer.shutdown |= (mode & 1) << 1 | (mode >> 1);
  const gone = peer.shutdown === SHUTDOWN_MASK ? EPOLLHUP : 0;
  peer.stateChange(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | gone);
  return 0;
}

/** The last descriptor is gone. */
export function unixClose(sock: Sock): void {
  const sk = sock as UnixSock;
  if (sk.destroyed) return;
  release(sk);
  unixGc(sk.table);
}

function release(sk: UnixSock): void {
  const { peer, table } = sk;
  const unread = !sk.receiveQueue.empty;
  sk.dead = true;
  sk.destroyed = true;
  sk.shutdown = SHUTDOWN_MASK;
  sk.state = TCP_CLOSE;
  sk.peer = null;
  unixUnname(sk);
  table.sockets.delete(sk);
  if (peer !== null && sk.type !== SOCK_DGRAM) {
    // What was not read is lost, and whoever wrote it should know; likewise who was never accepted.
    peer.shutdown = SHUTDOWN_MASK;
    if (unread || sk.embryo) peer.err = ECONNRESET;
    peer.stateChange(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | EPOLLHUP);
  } else if (peer !== null) {
    peer.connectedHere.delete(sk);
    peer.waiters.delete(sk);
  }
  unixWakeWaiters(sk);
  for (let skb = sk.receiveQueue.popHead(); skb !== null; skb = sk.receiveQueue.popHead()) unixPurge(table, skb);
  sk.rcvBytes = 0;
  for (let child = sk.acceptHead; child !== null; child = sk.acceptHead) {
    sk.acceptHead = child.acceptNext;
    release(child);
  }
  sk.acceptTail = null;
  sk.acceptLen = 0;
}
