/**
 * Streams over Unix sockets: bytes from one end to the other (Linux: unix_stream_sendmsg, unix_stream_read_generic).
 *
 * What is written hangs in the other end's receive queue and counts against the writer's SO_SNDBUF until it is read. Bytes of
 * two writers, and bytes with files and those behind them, are never read in one call.
 */
import { EAGAIN, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPIPE } from '../lib/errno.ts';
import { appendBytes, copyBits, trimHead } from '../skb/copy.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  MSG_CTRUNC, MSG_OOB, MSG_PEEK, POLLOUT, POLLWRNORM, RCV_SHUTDOWN, SCM_CREDENTIALS, SEND_SHUTDOWN, SOL_SOCKET, TCP_ESTABLISHED,
  TCP_LISTEN,
} from '../sock/constants.ts';
import { skPeekMove, skPeekOffset } from '../sock/peek.ts';
import type { Sock } from '../sock/sock.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { unixScmDestroy, unixScmSend, unixTakeFiles, unixConsume } from './scm.ts';
import { UnixCb, type UnixSock } from './sock.ts';

/** Most bytes of one skb. */
const UNIX_SKB_MAX = 65536;
/** What an skb costs beside its bytes, when a large write is cut to fit the send buffer. */
const UNIX_SKB_OVERHEAD = 64;

/** Room for a writer: a poll reports it from a quarter of the buffer down (Linux: unix_writable). */
export function unixWritable(sk: UnixSock): boolean {
  return sk.state !== TCP_LISTEN && sk.wmemAlloc * 4 <= sk.sndbuf;
}

/** Charges an skb to the one who writes it, until it is read or purged. */
export function unixSetOwner(skb: SkBuff, sk: UnixSock): void {
  skb.sk = sk;
  skb.destructor = unixWfree;
  sk.wmemAlloc += skb.truesize;
}

function unixWfree(skb: SkBuff): void {
  const sk = skb.sk as UnixSock;
  sk.wmemAlloc -= skb.truesize;
  if (!sk.noSpace || sk.destroyed || !unixWritable(sk)) return;
  sk.noSpace = false;
  sk.stateChange(POLLOUT | POLLWRNORM);
}

/**
 * Writes to a stream: how many bytes were taken, maybe fewer than given.
 *
 * @returns that, or -EAGAIN, -ENOTCONN, -EPIPE (shut down here, or closed there), -EISCONN or -EOPNOTSUPP (with an address)
 */
export function unixStreamSendmsg(sk: UnixSock, msg: MsgHdr): number {
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (msg.hasName) return sk.state === TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
  const { peer } = sk;
  if (peer === null) return (sk.shutdown & SEND_SHUTDOWN) !== 0 ? -EPIPE : -ENOTCONN;
  if ((sk.shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  if (msg.len > 0 && sk.wmemAlloc >= sk.sndbuf) return noSpace(sk);
  const carried = unixScmSend(sk, msg);
  if (typeof carried === 'number') return carried;
  let cb: UnixCb = carried;
  let sent = 0;
  while (sent < msg.len) {
    if (peer.dead || (peer.shutdown & RCV_SHUTDOWN) !== 0) {
      unixScmDestroy(sk.table, cb);
      return sent > 0 ? sent : -EPIPE;
    }
    if (sk.wmemAlloc >= sk.sndbuf) {
      noSpace(sk);
      return sent;
    }
    const size = Math.min(msg.len - sent, Math.max((sk.sndbuf >> 1) - UNIX_SKB_OVERHEAD, 1), UNIX_SKB_MAX);
    queue(sk, peer, msg, sent, size, cb);
    sent += size;
    // Files go with the first byte.
    if (cb.files !== null) cb = new UnixCb(cb.creds, cb.name);
  }
  // Files with no byte to carry them go nowhere.
  if (msg.len === 0) unixScmDestroy(sk.table, cb);
  return sent;
}

function noSpace(sk: UnixSock): number {
  sk.noSpace = true;
  return -EAGAIN;
}

function queue(sk: UnixSock, peer: UnixSock, msg: MsgHdr, off: number, size: number, cb: UnixCb): void {
  const skb = sk.net.pool.alloc(0);
  appendBytes(skb, msg.buf, msg.off + off, size);
  skb.dst = cb;
  unixSetOwner(skb, sk);
  peer.receiveQueue.pushTail(skb);
  peer.rcvBytes += size;
  peer.dataReady();
}

/**
 * Reads from a stream what is there: bytes of one sender, up to and with the first that came with files.
 *
 * @returns the bytes; 0 at the end; -EAGAIN; -EINVAL when it was never connected; the pending error, once
 */
export function unixStreamRecvmsg(sock: Sock, msg: MsgHdr): number {
  const sk = sock as UnixSock;
  msg.msgFlags = 0;
  msg.hasName = false;
  msg.files = null;
  if (sk.state !== TCP_ESTABLISHED) return -EINVAL;
  if ((msg.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const peek = (msg.flags & MSG_PEEK) !== 0;
  let got = 0;
  let first: UnixCb | null = null;
  let skb = sk.receiveQueue.head;
  let from = skPeekOffset(sk, peek);
  for (; skb !== null && from > 0 && from >= skb.len; skb = skb.next) from -= skb.len;
  if (skb === null) return atEnd(sk);
  while (skb !== null && got < msg.len) {
    const cb = skb.dst as UnixCb;
    if (first === null) first = cb;
    else if (!sameSender(sk, first, cb)) break;
    const n = Math.min(skb.len - from, msg.len - got);
    copyBits(skb, from, msg.buf, msg.off + got, n);
    got += n;
    from = 0;
    const withFiles = cb.files !== null;
    if (withFiles) msg.files = unixTakeFiles(sk.table, cb, peek);
    const next: SkBuff | null = skb.next;
    if (!peek) consume(sk, skb, n);
    if (withFiles) break;
    skb = next;
  }
  skPeekMove(sk, peek, got);
  unixFinishRecv(sk, msg, first);
  return got;
}

function atEnd(sk: UnixSock): number {
  if (sk.err !== 0) return sk.sockError();
  return (sk.shutdown & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN;
}

/** May bytes of both be read in one call? Files begin a message; with SO_PASSCRED the sender must be the same. */
function sameSender(sk: UnixSock, a: UnixCb, b: UnixCb): boolean {
  if (a === b) return true;
  if (b.files !== null) return false;
  return !sk.passcred || (a.creds.pid === b.creds.pid && a.creds.uid === b.creds.uid && a.creds.gid === b.creds.gid);
}

/** `n` bytes of the first skb were read. */
function consume(sk: UnixSock, skb: SkBuff, n: number): void {
  sk.rcvBytes -= n;
  if (n < skb.len) {
    trimHead(skb, n);
    return;
  }
  sk.receiveQueue.unlink(skb);
  unixConsume(skb);
}

/** What stands beside the bytes: the sender, when it is asked for (SO_PASSCRED); files that nobody can take are lost (MSG_CTRUNC). */
export function unixFinishRecv(sk: UnixSock, msg: MsgHdr, cb: UnixCb | null): void {
  if (msg.control === null) {
    if (sk.passcred || msg.files !== null) msg.msgFlags |= MSG_CTRUNC;
    for (const file of msg.files ?? []) file.put();
    msg.files = null;
    return;
  }
  msg.control = sk.passcred && cb !== null ? [{ level: SOL_SOCKET, type: SCM_CREDENTIALS, data: cb.creds }] : [];
}
