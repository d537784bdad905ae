/**
 * TCP, from the receive queue into the reader's buffer.
 *
 *   from  tcp/ops.ts        tcpRecvmsg
 *   to    tcp/output.ts     tcpSendAck, when reading has opened the window far enough to say so
 *
 * Bytes are copied here, once; those that the reader gets are its own.
 */
import { EAGAIN, EINVAL, ENOTCONN } from '../lib/errno.ts';
import { copyBits } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN, SOL_TCP, TCP_CLOSE, TCP_CM_INQ, TCP_LISTEN,
} from '../sock/constants.ts';
import { inetRecvError } from '../sock/error-queue.ts';
import { skPeekMove, skPeekOffset } from '../sock/peek.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { sockRecvRxTimestamp } from '../sock/timestamping.ts';
import { TCP_FLAG_FIN } from '../wire/tcp.ts';
import { tcpMstampRefresh } from './clock.ts';
import { TCP_URG_NOTYET, TCP_URG_READ, TCP_URG_VALID } from './data.ts';
import { tcpReceiveWindow } from './flight.ts';
import { tcpMemReclaim } from './memory.ts';
import { tcpSendAck } from './output.ts';
import { ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, ICSK_ACK_SCHED, type TcpSock } from './sock.ts';
import { tcpRcvSpaceAdjust, tcpSelectNewWindow } from './window.ts';

/**
 * Takes bytes from the stream. Never waits, and returns what is there: who wants more calls again.
 *
 * @returns bytes copied (MSG_TRUNC: skipped); 0 at the end of the stream; -EAGAIN, -ENOTCONN, or the connection's error, once
 */
export function tcpRecvmsg(tp: TcpSock, msg: MsgHdr): number {
  if (tp.state === TCP_LISTEN) return -ENOTCONN;
  if ((msg.flags & (MSG_OOB | MSG_ERRQUEUE)) !== 0) {
    return (msg.flags & MSG_ERRQUEUE) !== 0 ? inetRecvError(tp, msg) : tcpRecvUrg(tp, msg);
  }
  const n = recvBytes(tp, msg);
  if (n >= 0 && (tp.inq || tp.rxStamped)) tellMore(tp, msg);
  return n;
}

function recvBytes(tp: TcpSock, msg: MsgHdr): number {
  if ((msg.flags & MSG_PEEK) !== 0) {
    const peeked = peek(tp, msg);
    if (tp.peekOff >= 0) skPeekMove(tp, true, peeked);
    return peeked > 0 ? peeked : nothingToRead(tp, msg);
  }
  const copied = take(tp, msg);
  if (tp.peekOff >= 0) skPeekMove(tp, false, copied);
  if (copied > 0) {
    tcpCleanupRbuf(tp, copied);
    return copied;
  }
  const result = nothingToRead(tp, msg);
  tcpCleanupRbuf(tp, 0);
  return result;
}

/** Control messages: when the last of the bytes came, how many are left (TCP_CM_INQ). */
function tellMore(tp: TcpSock, msg: MsgHdr): void {
  const { scratch } = tp.tcp;
  msg.control = [];
  if (scratch.rcvStampNs !== 0) sockRecvRxTimestamp(tp, scratch.rcvStampNs, msg.control);
  scratch.rcvStampNs = 0;
  if (!tp.inq) return;
  // A FIN counts, before it is read and afterwards, so that the reader comes again.
  const inq = (tp.rcvNxt - tp.copiedSeq) | 0;
  msg.control.push({ level: SOL_TCP, type: TCP_CM_INQ, data: inq === 0 && tp.finReceived ? 1 : inq });
}

/** The order of Linux: data (there is none), the FIN, the error (once), then 0 for ever. */
function nothingToRead(tp: TcpSock, msg: MsgHdr): number {
  if (tp.finReceived || msg.len === 0) return 0;
  if (tp.err !== 0) return tp.sockError();
  if ((tp.shutdown & RCV_SHUTDOWN) !== 0) return 0;
  if (tp.state === TCP_CLOSE) return -ENOTCONN; // never connected
  return -EAGAIN;
}

/** Copies and removes. Returns the bytes. */
function take(tp: TcpSock, msg: MsgHdr): number {
  const skip = (msg.flags & MSG_TRUNC) !== 0;
  let copied = 0;
  while (copied < msg.len) {
    const skb = tp.receiveQueue.head;
    if (skb === null) break;
    if (tp.urgData !== 0) {
      // The urgent byte ends a read; the next one begins behind it.
      if (tp.urgSeq === tp.copiedSeq && copied > 0) break;
      skipUrgent(tp, skb);
    }
    const off = (tp.copiedSeq - skb.seq) | 0;
    const n = readable(tp, tp.copiedSeq, Math.min(skb.len - off, msg.len - copied));
    if (n > 0) {
      if (!skip) copyBits(skb, off, msg.buf, msg.off + copied, n);
      copied += n;
      if (tp.rxStamped) tp.tcp.scratch.rcvStampNs = skb.tstamp;
      tp.copiedSeq = (tp.copiedSeq + n) | 0;
      tcpRcvSpaceAdjust(tp);
      if (tp.urgData !== 0 && ((tp.copiedSeq - tp.urgSeq) | 0) > 0) tp.urgData = 0;
    }
    if (off + n < skb.len) {
      if (n > 0 && copied < msg.len) continue; // stopped before the urgent byte
      break;
    }
    const fin = (skb.tcpFlags & TCP_FLAG_FIN) !== 0;
    tp.receiveQueue.unlink(skb);
    if (skb.trace !== 0) tp.net.trace(skb, 'tcpRecvmsg', `${String(copied)} bytes`);
    consumeSkb(skb);
    if (fin) {
      tp.copiedSeq = (tp.copiedSeq + 1) | 0;
      break;
    }
  }
  return copied;
}

/** At the urgent byte: steps over it. The pointer may stand where a FIN is, and no byte. */
function skipUrgent(tp: TcpSock, skb: SkBuff): void {
  if (tp.urgInline) return;
  if (tp.urgSeq !== tp.copiedSeq || ((tp.copiedSeq - skb.seq) | 0) >= skb.len) return;
  tp.copiedSeq = (tp.copiedSeq + 1) | 0;
  tp.urgData = 0;
}

/** Bytes from `seq` on that may be copied at once: not across an urgent one. */
function readable(tp: TcpSock, seq: number, n: number): number {
  if (tp.urgData === 0) return n;
  const ahead = (tp.urgSeq - seq) | 0;
  return ahead > 0 && ahead < n ? ahead : n;
}

/** Copies and leaves everything as it is. Returns the bytes. */
function peek(tp: TcpSock, msg: MsgHdr): number {
  const skip = (msg.flags & MSG_TRUNC) !== 0;
  let seq = (tp.copiedSeq + skPeekOffset(tp, true)) | 0;
  let copied = 0;
  for (let skb: SkBuff | null = tp.receiveQueue.head; skb !== null && copied < msg.len; skb = skb.next) {
    if (tp.urgData !== 0 && tp.urgSeq === seq) {
      if (copied > 0) break;
      if (!tp.urgInline) seq = (seq + 1) | 0;
    }
    const off = (seq - skb.seq) | 0;
    const want = Math.min(skb.len - off, msg.len - copied);
    const n = readable(tp, seq, want);
    if (n <= 0) continue;
    if (!skip) copyBits(skb, off, msg.buf, msg.off + copied, n);
    copied += n;
    seq = (seq + n) | 0;
    if (n < want) break;
  }
  return copied;
}

/** MSG_OOB: the urgent byte itself. */
function tcpRecvUrg(tp: TcpSock, msg: MsgHdr): number {
  if (tp.urgInline || tp.urgData === 0 || tp.urgData === TCP_URG_READ) return -EINVAL;
  if (tp.state === TCP_CLOSE && !tp.finReceived) return -ENOTCONN;
  if ((tp.urgData & TCP_URG_VALID) !== 0) {
    msg.msgFlags |= MSG_OOB;
    const byte = tp.urgData & 0xff;
    if ((msg.flags & MSG_PEEK) === 0) tp.urgData = TCP_URG_READ;
    if (msg.len === 0) {
      msg.msgFlags |= MSG_TRUNC;
      return 0;
    }
    msg.buf[msg.off] = byte;
    return 1;
  }
  if (tp.state === TCP_CLOSE || (tp.shutdown & RCV_SHUTDOWN) !== 0) return 0;
  return tp.urgData === TCP_URG_NOTYET ? -EAGAIN : -EINVAL;
}

/**
 * The reader took `copied` bytes: sends an ACK when one is owed that was waiting for this, or when the window can be opened to
 * at least twice what the peer knows of (RFC 9293 §3.8.6.2.2: no silly windows).
 */
export function tcpCleanupRbuf(tp: TcpSock, copied: number): void {
  if (tp.state === TCP_LISTEN) return;
  tcpMemReclaim(tp);
  let ackNow = false;
  if ((tp.ackPending & ICSK_ACK_SCHED) !== 0) {
    const { ackPending } = tp;
    ackNow = ((tp.rcvNxt - tp.rcvWup) | 0) > tp.rcvMss;
    // This read emptied the buffer, and the peer has pushed: it may be waiting for our ACK.
    if (!ackNow && copied > 0 && tp.rmemAlloc === 0) {
      const pushed = (ackPending & ICSK_ACK_PUSHED) !== 0 && tp.pingpong < tp.tcp.sysctl.tcpPingpongThresh;
      ackNow = pushed || (ackPending & ICSK_ACK_PUSHED2) !== 0;
    }
  }
  if (!ackNow && copied > 0 && (tp.shutdown & RCV_SHUTDOWN) === 0) {
    const now = tcpReceiveWindow(tp);
    if (2 * now <= tp.windowClamp) {
      const fresh = tcpSelectNewWindow(tp);
      ackNow = fresh > 0 && fresh >= 2 * now;
    }
  }
  if (!ackNow) return;
  tcpMstampRefresh(tp);
  tcpSendAck(tp);
}
