/**
 * TCP, from the writer's buffer into skbs.
 *
 *   from  tcp/ops.ts     tcpSendmsg
 *   to    the write queue, and tcp/xmit.ts as soon as there is something worth sending
 *
 * Bytes are copied here, once. Small writes of all sockets share a page, so that a socket that waits for its next message
 * holds none; large ones get pages of their own. The last skb of the queue is filled up to `size_goal` (as much as one burst
 * may be) before another is begun, and only beginning one needs free send buffer.
 */
import { Mib } from '../dev/mib.ts';
import { EAGAIN, ENOBUFS, EPIPE } from '../lib/errno.ts';
import { addOrExtend, canAddFrag, copyBytes } from '../skb/copy.ts';
import type { Page } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  MSG_EOR, MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_ZEROCOPY, SEND_SHUTDOWN, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../sock/constants.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import { sockTsflags } from '../sock/timestamping.ts';
import { TCP_FLAG_PSH } from '../wire/tcp.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpSlowStartAfterIdleCheck } from './cwnd.ts';
import { tcpSendmsgFastopen } from './fastopen-active.ts';
import { tcpConnectDeferred, tcpFastopenRsk } from './fastopen-sock.ts';
import { tcpSendOutOfMemory, tcpWmemSchedule } from './memory.ts';
import { tcpBoundToHalfWnd, tcpCurrentMss } from './mss.ts';
import { tcpRateCheckAppLimited } from './rate.ts';
import { tcpEntail, tcpRemoveEmptySkb } from './segment.ts';
import { tcpMemoryFree } from './sndbuf.ts';
import { TCP_NAGLE_CORK, TCP_NAGLE_PUSH, type TcpSock } from './sock.ts';
import { tcpTxTimestamp } from './tstamp.ts';
import { tcpPushOne, tcpPushPendingWith } from './xmit.ts';
import { tcpZerocopyBegin, tcpZerocopyFill } from './zerocopy.ts';

/** From this size on a write gets a page of its own. */
const OWN_PAGE_MIN = 8192;
/** The page that small writes share. */
const SHARED_PAGE_SIZE = 16384;

/**
 * Queues bytes of `msg` for sending. Never waits.
 *
 * @returns how many bytes were taken, maybe fewer than asked; -EAGAIN: none, no room (the wait queue will tell); -EPIPE:
 *   closed for writing; or the pending error of the connection
 */
export function tcpSendmsg(tp: TcpSock, msg: MsgHdr): number {
  tcpMstampRefresh(tp);
  tcpRateCheckAppLimited(tp);
  if ((msg.flags & MSG_FASTOPEN) !== 0 || tcpConnectDeferred(tp)) {
    const n = tcpSendmsgFastopen(tp, msg);
    if (n !== 0) return n;
  }
  const err = mayWrite(tp);
  if (err !== 0) return err;
  const { flags } = msg;
  const tsflags = tp.tsflags !== 0 || msg.control !== null ? sockTsflags(tp, msg) : 0;
  if (tsflags < 0) return tsflags;
  if ((flags & MSG_ZEROCOPY) !== 0 && tcpZerocopyBegin(tp, msg) < 0) return -ENOBUFS;
  const mss = tcpCurrentMss(tp);
  const goal = tcpXmitSizeGoal(tp, mss, (flags & MSG_OOB) === 0);
  const copied = fill(tp, msg, mss, goal);
  if (tsflags !== 0 && copied > 0) tcpTxTimestamp(tp, tsflags);
  if (copied === msg.len) {
    if (copied === 0) return 0;
    if ((flags & MSG_EOR) !== 0 && tp.writeQueue.tail !== null) tp.writeQueue.tail.eor = true;
    tcpPush(tp, flags, mss, tp.nonagle, goal);
    return copied;
  }
  // No room for another skb.
  tp.noSpace = true;
  if (copied > 0) {
    tcpPush(tp, flags & ~MSG_MORE, mss, TCP_NAGLE_PUSH, goal);
    return copied;
  }
  return -EAGAIN;
}

/** 0, or why nothing can be written now. */
function mayWrite(tp: TcpSock): number {
  // The child of a Fast Open may answer at once.
  const open = tp.state === TCP_ESTABLISHED || tp.state === TCP_CLOSE_WAIT || (tp.state === TCP_SYN_RECV && tcpFastopenRsk(tp) !== null);
  if (open) {
    if (tp.err === 0 && (tp.shutdown & SEND_SHUTDOWN) === 0) return 0;
  } else if ((tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) && tp.err === 0) {
    return -EAGAIN; // the handshake is not over, whatever comes after it
  }
  const err = tp.sockError();
  return err !== 0 ? err : -EPIPE;
}

/** How large an skb is made: a whole number of segments, at most half the peer's window (Linux: tcp_xmit_size_goal). */
function tcpXmitSizeGoal(tp: TcpSock, mss: number, large: boolean): number {
  if (!large) return mss;
  const most = tcpBoundToHalfWnd(tp, tp.gsoMaxSize);
  return Math.max(mss, Math.min(Math.floor(most / mss), tp.gsoMaxSegs) * mss);
}

/** Copies until all is queued or there is no room for another skb. Returns the bytes taken. */
function fill(tp: TcpSock, msg: MsgHdr, mss: number, goal: number): number {
  const { len } = msg;
  let copied = 0;
  let noMemory = false;
  while (copied < len) {
    let skb = tp.writeQueue.tail;
    if (skb !== null && msg.ubuf !== null && skb.ubuf !== null && skb.ubuf !== msg.ubuf) {
      tcpMarkPush(tp, skb); // its memory was lent by another send
      skb = null;
    }
    if (skb === null || skb.len >= goal || skb.eor) {
      if (!tcpMemoryFree(tp, 0)) break;
      if (tp.packetsOut === 0) tcpSlowStartAfterIdleCheck(tp);
      skb = tcpEntail(tp);
    }
    const want = Math.min(len - copied, goal - skb.len);
    if (!tcpWmemSchedule(tp, want)) {
      noMemory = true;
      break;
    }
    const n = msg.ubuf !== null ? lendIn(tp, skb, msg, copied, want) : copyIn(tp, skb, msg, copied, want);
    if (n === 0) {
      // It holds as many references as it can.
      tcpMarkPush(tp, skb);
      if (!tcpMemoryFree(tp, 0)) break;
      skb = tcpEntail(tp);
      continue;
    }
    if (skb.trace !== 0) tp.net.trace(skb, 'tcpSendmsg', `${String(n)} bytes`);
    if (copied === 0) skb.tcpFlags &= ~TCP_FLAG_PSH;
    copied += n;
    if (copied === len || skb.len < goal || (msg.flags & MSG_OOB) !== 0) continue; // urgent: its end is not known yet
    // Full. Half the peer's window without a push: it is time; else one burst, if this is the next to go.
    if (tcpForcedPush(tp)) {
      tcpMarkPush(tp, skb);
      tcpPushPendingWith(tp, mss, TCP_NAGLE_PUSH);
    } else if (skb === tp.writeQueue.head) {
      tcpPushOne(tp, mss);
    }
  }
  if (copied < len) tcpRemoveEmptySkb(tp);
  if (noMemory) tcpSendOutOfMemory(tp);
  return copied;
}

/** Copies up to `n` bytes to the end of `skb`. 0 when it can hold no more references. */
function copyIn(tp: TcpSock, skb: SkBuff, msg: MsgHdr, done: number, n: number): number {
  let page: Page;
  let take = n;
  if (n >= OWN_PAGE_MIN) {
    page = tp.net.pool.allocPage(n);
  } else {
    page = sharedPage(tp);
    take = Math.min(n, page.bytes.length - page.fill);
  }
  const at = page.fill;
  const fits = canAddFrag(skb, page, at);
  if (fits) {
    copyBytes(msg.buf, msg.off + done, page.bytes, at, take);
    page.fill = at + take;
    addOrExtend(skb, page, at, take);
    grown(tp, skb, take);
  }
  tp.net.pool.putPage(page);
  return fits ? take : 0;
}

/** The same without a copy: the writer's memory itself. */
function lendIn(tp: TcpSock, skb: SkBuff, msg: MsgHdr, done: number, n: number): number {
  const took = tcpZerocopyFill(tp, skb, msg, done, n);
  if (took > 0) grown(tp, skb, took);
  return took;
}

/** The last skb has got `n` bytes more. */
function grown(tp: TcpSock, skb: SkBuff, n: number): void {
  skb.truesize += n;
  skb.endSeq = (skb.endSeq + n) | 0;
  skb.gsoSegs = 0;
  tp.wmemQueued += n;
  tp.writeSeq = skb.endSeq;
}

/** The page that small writes go to, with a reference for the caller. Nobody else keeps it: unused, it goes back to the pool. */
function sharedPage(tp: TcpSock): Page {
  const { scratch } = tp.tcp;
  const had = scratch.sendPage;
  if (had !== null && had.filler === scratch && had.refs > 0 && had.fill < had.bytes.length) {
    had.refs++;
    return had;
  }
  const page = tp.net.pool.allocPage(SHARED_PAGE_SIZE);
  page.filler = scratch;
  scratch.sendPage = page;
  return page;
}

/** Half the largest window was queued since the last push. */
function tcpForcedPush(tp: TcpSock): boolean {
  return ((tp.pushedSeq + (tp.maxWindow >> 1) - tp.writeSeq) | 0) < 0;
}

/** A write ends here, or enough has been queued: the receiver should hand it on. */
function tcpMarkPush(tp: TcpSock, skb: SkBuff): void {
  skb.tcpFlags |= TCP_FLAG_PSH;
  tp.pushedSeq = tp.writeSeq;
}

/** The write is complete, or stuck: sends what may go. */
function tcpPush(tp: TcpSock, flags: number, mss: number, nonagle: number, goal: number): void {
  const skb = tp.writeQueue.tail;
  if (skb === null) return;
  if ((flags & MSG_MORE) === 0 || tcpForcedPush(tp)) tcpMarkPush(tp, skb);
  if ((flags & MSG_OOB) !== 0) tp.sndUp = tp.writeSeq;
  if (tcpShouldAutocork(tp, skb, goal)) {
    // Packets wait below; when one has left, more will be in this skb (TSQ lets it go on).
    if (!tp.tsqThrottled) {
      tp.tsqThrottled = true;
      tp.net.inc(Mib.TcpExtTCPAutoCorking);
    }
    return;
  }
  tcpPushPendingWith(tp, mss, (flags & MSG_MORE) !== 0 ? TCP_NAGLE_CORK : nonagle);
}

/** Something of this connection still waits in the queueing discipline or the card, so nothing is lost by waiting for more bytes. */
function tcpShouldAutocork(tp: TcpSock, skb: SkBuff, goal: number): boolean {
  return skb.len < goal && tp.wmemAlloc > skb.truesize && tp.tcp.sysctl.tcpAutocorking !== 0 && tp.rtxQueue.head !== null && !skb.eor;
}
