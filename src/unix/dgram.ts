/**
 * Messages over Unix sockets: SOCK_DGRAM and SOCK_SEQPACKET (Linux: unix_dgram_sendmsg, unix_dgram_recvmsg). None is ever lost: a
 * writer waits while the reader's queue is full.
 */
import {
  EAGAIN, ECONNREFUSED, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE,
} from '../lib/errno.ts';
import { appendBytes, copyBits } from '../skb/copy.ts';
import {
  MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN, SEND_SHUTDOWN, SOCK_SEQPACKET, TCP_ESTABLISHED,
} from '../sock/constants.ts';
import { skPeekMove, skPeekOffset } from '../sock/peek.ts';
import type { Sock } from '../sock/sock.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { unixDisconnect, unixMaySend, unixWakeWaiters } from './connect.ts';
import { unixAutobind, unixFind } from './names.ts';
import { unixConsume, unixScmSend, unixTakeFiles } from './scm.ts';
import type { UnixCb, UnixSock } from './sock.ts';
import { unixFinishRecv, unixSetOwner } from './stream.ts';

/** What a message costs in the send buffer at least. */
const MESSAGE_OVERHEAD = 32;

/**
 * Sends a message to `msg.name`, or to whom the socket is connected to.
 *
 * @returns its length, or -EAGAIN (no room, here or there), -EMSGSIZE, -ENOTCONN, -ECONNREFUSED, -EPIPE, -EPERM (the other one
 *   is connected to somebody else), -ENOENT, -EPROTOTYPE
 */
export function unixDgramSendmsg(sk: UnixSock, msg: MsgHdr): number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const packets = sk.type === SOCK_SEQPACKET;
  if (packets && sk.state !== TCP_ESTABLISHED) return -ENOTCONN;
  if (sk.err !== 0) return sk.sockError();
  let other = sk.peer;
  if (msg.hasName && !packets) {
    const found = unixFind(sk.table, msg.name, sk.type);
    if (typeof found === 'number') return found;
    other = found;
  } else if (other === null) {
    return -ENOTCONN;
  }
  if (sk.passcred && sk.path === '') unixAutobind(sk);
  if (msg.len > sk.sndbuf - MESSAGE_OVERHEAD) return -EMSGSIZE;
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (other.dead) return refused(sk, packets, msg.hasName);
  if ((other.shutdown & RCV_SHUTDOWN) !== 0) return -EPIPE;
  if (!packets && !unixMaySend(sk, other)) return -EPERM;
  if (unixQueueFull(sk, other)) {
    other.waiters.add(sk);
    return -EAGAIN;
  }
  if (sk.wmemAlloc >= sk.sndbuf) {
    sk.noSpace = true;
    return -EAGAIN;
  }
  return deliver(sk, other, msg);
}

/** A socket that is connected back, or the sender itself, is bounded by the send buffer alone. */
export function unixQueueFull(sk: UnixSock, other: UnixSock): boolean {
  return other !== sk && other.peer !== sk && other.receiveQueue.qlen > other.maxAckBacklog;
}

function refused(sk: UnixSock, packets: boolean, named: boolean): number {
  if (packets) return -EPIPE;
  if (!named) unixDisconnect(sk);
  return -ECONNREFUSED;
}

function deliver(sk: UnixSock, other: UnixSock, msg: MsgHdr): number {
  const cb = unixScmSend(sk, msg);
  if (typeof cb === 'number') return cb;
  const skb = sk.net.pool.alloc(0);
  appendBytes(skb, msg.buf, msg.off, msg.len);
  skb.dst = cb;
  unixSetOwner(skb, sk);
  other.receiveQueue.pushTail(skb);
  other.rcvBytes += msg.len;
  other.dataReady();
  return msg.len;
}

/**
 * The next message. `msg.name` is its sender's name.
 *
 * @returns the bytes copied (with MSG_TRUNC: the message's length); 0 at the end; -EAGAIN; -ENOTCONN (seqpacket)
 */
export function unixDgramRecvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UnixSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  msg.files = null;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const packets = sk.type === SOCK_SEQPACKET;
  if (packets && sk.state !== TCP_ESTABLISHED) return -ENOTCONN;
  const peek = (msg.flags & MSG_PEEK) !== 0;
  let from = skPeekOffset(sk, peek);
  let skb = sk.receiveQueue.head;
  for (; from > 0 && skb !== null && from >= skb.len; skb = skb.next) from -= skb.len;
  if (skb === null) {
    if (sk.err !== 0) return sk.sockError();
    const ended = (sk.shutdown & RCV_SHUTDOWN) !== 0 && (packets || (msg.flags & MSG_DONTWAIT) === 0);
    return ended ? 0 : -EAGAIN;
  }
  const { len } = skb;
  const cb = skb.dst as UnixCb;
  const copied = Math.min(len - from, msg.len);
  if (copied > 0) copyBits(skb, from, msg.buf, msg.off, copied);
  if (copied < len - from) msg.msgFlags |= MSG_TRUNC;
  msg.name.setPath(cb.name);
  msg.hasName = true;
  skPeekMove(sk, peek, peek ? copied : len);
  if (cb.files !== null) msg.files = unixTakeFiles(sk.table, cb, peek);
  if (!peek) {
    sk.receiveQueue.unlink(skb);
    sk.rcvBytes -= len;
    unixConsume(skb);
    unixWakeWaiters(sk);
  }
  unixFinishRecv(sk, msg, cb);
  return (msg.flags & MSG_TRUNC) !== 0 ? len - from : copied;
}
