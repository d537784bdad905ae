/**
 * TCP, what we have received.
 *
 *   from  tcp/input.ts, state.ts   tcpDataQueue: text that lies in the window; tcpQueueRcv: the next text, predicted
 *   to    the receive queue        which tcp/recv.ts empties; the reader is woken
 *         tcp/ofo.ts               what came before its turn
 *         tcp/delack.ts            which ACK is owed for it
 *
 * In the receive queue skbs follow each other without a gap; one may begin with bytes that are known. The last one ends at RCV.NXT.
 */
import { Mib } from '../dev/mib.ts';
import { appendCopy, movePayload, copyBits } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { skbOrphan } from '../skb/owner.ts';
import { consumeSkb } from '../skb/pool.ts';
import { MAX_SKB_FRAGS, SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import {
  POLLHUP, POLLIN, POLLPRI, POLLRDHUP, POLLRDNORM, RCV_SHUTDOWN, SHUTDOWN_MASK, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING,
  TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_SYN_RECV, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { skbSetOwnerR } from '../sock/sock.ts';
import { sockTrace } from '../sock/trace.ts';
import { get8 } from '../lib/bytes.ts';
import { TCP_FLAG_FIN, TCP_FLAG_SYN, TCP_FLAG_URG, thHlen, thUrgPtr } from '../wire/tcp.ts';
import { tcpSetState } from './close.ts';
import { tcpEnterQuickackMode, tcpEventDataRecv, tcpScheduleAck, TCP_MAX_QUICKACKS } from './delack.ts';
import { tcpAccEcnSpuriousRetrans, tcpFastPathOn } from './accecn.ts';
import { tcpEcnAcceptCwr } from './ecn.ts';
import { tcpReceiveWindow } from './flight.ts';
import { tcpForcedMemSchedule } from './memory.ts';
import { tcpDataQueueOfo, tcpDsackSet, tcpOfoPurge, tcpOfoQueue, tcpSackRemove } from './ofo.ts';
import { tcpSendAck } from './output.ts';
import { tcpTryRmemSchedule } from './rcvmem.ts';
import { tcpRcvSpuriousRetrans } from './rehash.ts';
import { tcpWriteQueuePurge } from './segment.ts';
import { ICSK_ACK_NOMEM, ICSK_ACK_NOW, type TcpSock } from './sock.ts';
import { tcpTimeWait } from './timewait.ts';

/** `urgData`: the urgent byte is known (and in the low bits), is yet to come, has been read. */
export const TCP_URG_VALID = 0x100;
export const TCP_URG_NOTYET = 0x200;
export const TCP_URG_READ = 0x400;

const RCV_COALESCE: number = Mib.TcpExtTCPRcvCoalesce;

/** RCV.NXT moves on. */
export function tcpRcvNxtUpdate(tp: TcpSock, seq: number): void {
  tp.bytesReceived += (seq - tp.rcvNxt) >>> 0;
  tp.rcvNxt = seq;
}

/** A segment of text, or a FIN, or nothing at all: `data` is at the TCP header. Takes the skb. */
export function tcpDataQueue(tp: TcpSock, skb: SkBuff): void {
  const { net } = tp;
  const { seq, endSeq } = skb;
  if (seq === endSeq) {
    consumeSkb(skb);
    return;
  }
  if (skb.destructor !== null) skbOrphan(skb);
  skb.dst = null;
  skb.pull(thHlen(skb.buf, skb.th));
  if (tp.ecnFlags !== 0) tcpEcnAcceptCwr(tp, skb);
  tp.dsack = false;
  if (seq === tp.rcvNxt) {
    // A FIN without text needs no window: some peers would repeat it until we open one.
    const bareFin = skb.len === 0 && (skb.tcpFlags & TCP_FLAG_FIN) !== 0;
    if (windowClosed(tp) && !bareFin) {
      net.inc(Mib.TcpExtTCPZeroWindowDrop);
      outOfWindow(tp, skb, Drop.TcpZeroWindow);
    } else {
      queueAndOut(tp, skb);
    }
    return;
  }
  if (((endSeq - tp.rcvNxt) | 0) <= 0) {
    // All of it is known: a retransmission whose cause was a lost ACK. Answer at once, so that the peer stops.
    net.inc(Mib.TcpExtDelayedACKLost);
    if (tp.accEcn !== null) tcpAccEcnSpuriousRetrans(tp, skb);
    tcpRcvSpuriousRetrans(tp, skb);
    tcpDsackSet(tp, seq, endSeq);
    outOfWindow(tp, skb, Drop.TcpOldData);
    return;
  }
  if (((seq - ((tp.rcvNxt + tcpReceiveWindow(tp)) | 0)) | 0) >= 0) {
    outOfWindow(tp, skb, Drop.TcpOverWindow);
    return;
  }
  if (((seq - tp.rcvNxt) | 0) < 0) {
    // The beginning is known.
    tcpDsackSet(tp, seq, tp.rcvNxt);
    if (windowClosed(tp)) {
      net.inc(Mib.TcpExtTCPZeroWindowDrop);
      outOfWindow(tp, skb, Drop.TcpZeroWindow);
      return;
    }
    queueAndOut(tp, skb);
    return;
  }
  tcpDataQueueOfo(tp, skb);
}

/**
 * No window, and so no taking. But when it is out-of-order data that fills the buffer, while the reader has all that is in
 * order, only the segment for the hole can end that.
 */
function windowClosed(tp: TcpSock): boolean {
  return tcpReceiveWindow(tp) === 0 && (tp.ofoQueue.head === null || tp.receiveQueue.head !== null);
}

/** Nothing in it that we can take: acknowledge at once what we have. Takes the skb. */
function outOfWindow(tp: TcpSock, skb: SkBuff, reason: Drop): void {
  tcpEnterQuickackMode(tp, TCP_MAX_QUICKACKS);
  tcpScheduleAck(tp);
  tp.net.drop(skb, reason);
}

/** The next text. Takes the skb. */
function queueAndOut(tp: TcpSock, skb: SkBuff): void {
  const { net } = tp;
  if (!tcpTryRmemSchedule(tp, skb)) {
    // No memory. One segment is taken all the same when nothing is queued, so that the connection does not stand still.
    tp.ackPending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
    tcpScheduleAck(tp);
    tp.dataReady();
    if (tp.receiveQueue.head !== null && skb.len > 0) {
      net.inc(Mib.TcpExtTCPRcvQDrop);
      net.drop(skb, Drop.ProtoMem);
      return;
    }
    tcpForcedMemSchedule(tp, skb.truesize);
  }
  const fin = (skb.tcpFlags & TCP_FLAG_FIN) !== 0;
  const { len } = skb;
  const eaten = tcpQueueRcv(tp, skb);
  if (len > 0) tcpEventDataRecv(tp, skb, len);
  if (eaten) consumeSkb(skb);
  if (fin) tcpFin(tp);
  if (tp.ofoQueue.head !== null) {
    tcpOfoQueue(tp);
    // RFC 5681 §4.2: an immediate ACK when a gap is filled.
    if (tp.ofoQueue.head === null) tp.ackPending |= ICSK_ACK_NOW;
  }
  if (tp.numSacks > 0) tcpSackRemove(tp);
  if (tp.predFlags === 0) tcpFastPathOn(tp);
  if (!tp.dead) tcpDataReady(tp);
}

/**
 * Puts the next text into the receive queue; `data` is at the payload, RCV.NXT in it or at its start. True: its bytes went to the one
 * before, and the skb is still the caller's, to be freed.
 */
export function tcpQueueRcv(tp: TcpSock, skb: SkBuff): boolean {
  const tail = tp.receiveQueue.tail;
  if (skb.trace !== 0) sockTrace(tp, skb, 'tcpQueueRcv', ((skb.endSeq - tp.copiedSeq) | 0) >= tp.rcvlowat);
  tcpRcvNxtUpdate(tp, skb.endSeq);
  if (tail !== null && tcpTryCoalesce(tp, tail, skb)) return true;
  if (skb.destructor !== null) skbOrphan(skb);
  skb.dst = null;
  skbSetOwnerR(skb, tp);
  tp.receiveQueue.pushTail(skb);
  return false;
}

/**
 * Joins `from` to `to`, which it follows, when there is room for its references: a queue of small segments costs less, and the
 * reader copies more at once. True: `from` is empty, and the caller's to be freed.
 */
export function tcpTryCoalesce(tp: TcpSock, to: SkBuff, from: SkBuff): boolean {
  if (from.seq !== to.endSeq || ((to.tcpFlags | from.tcpFlags) & TCP_FLAG_SYN) !== 0) return false;
  if (from.len <= to.tailroom) {
    to.tailroom -= from.len;
    if (from.len > 0) appendCopy(from, to); // a FIN may have nothing
  } else {
    // Bytes in a head stay in it; those in pages change hands.
    if (from.headLen > 0 || to.nrFrags + from.nrFrags > MAX_SKB_FRAGS) return false;
    const delta = Math.max(from.dataLen, from.truesize - SKB_TRUESIZE_OVERHEAD);
    movePayload(from, to);
    to.truesize += delta;
    tp.rmemAlloc += delta;
  }
  to.endSeq = from.endSeq;
  to.ackSeq = from.ackSeq;
  to.tcpFlags |= from.tcpFlags;
  to.tstamp = from.tstamp;
  tp.net.mib[RCV_COALESCE]!++;
  return true;
}

/** Tells the reader, when there is as much as it asked for (SO_RCVLOWAT), or no more can come. */
export function tcpDataReady(tp: TcpSock): void {
  if (!tp.wq.active) return;
  const avail = (tp.rcvNxt - tp.copiedSeq) | 0;
  if (tp.finReceived || (avail > 0 && (avail >= tp.rcvlowat || tcpReceiveWindow(tp) <= tp.rcvMss))) tp.dataReady();
}

/** Eighth: the peer's FIN has been reached; nothing follows. */
export function tcpFin(tp: TcpSock): void {
  tcpScheduleAck(tp);
  tp.shutdown |= RCV_SHUTDOWN;
  tp.finReceived = true;
  switch (tp.state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      tcpSetState(tp, TCP_CLOSE_WAIT);
      // The ACK may ride on our own FIN.
      tp.pingpong = Math.max(tp.pingpong, tp.tcp.sysctl.tcpPingpongThresh);
      break;
    case TCP_FIN_WAIT1:
      tcpSendAck(tp);
      tcpSetState(tp, TCP_CLOSING); // both closed at once, RFC 9293 figure 13
      break;
    case TCP_FIN_WAIT2:
      tcpSendAck(tp);
      tcpTimeWait(tp, TCP_TIME_WAIT, 0);
      break;
  }
  tcpOfoPurge(tp); // there is nothing after a FIN
  if (tp.dead) return;
  const hup = tp.shutdown === SHUTDOWN_MASK || tp.state === TCP_CLOSE ? POLLHUP : 0;
  tp.stateChange(POLLIN | POLLRDNORM | POLLRDHUP | hup);
}

/** Answers an unacceptable segment; one with old text is reported as a duplicate. The skb stays the caller's. */
export function tcpSendDupack(tp: TcpSock, skb: SkBuff): void {
  if (skb.endSeq !== skb.seq && ((skb.seq - tp.rcvNxt) | 0) < 0) {
    tp.net.inc(Mib.TcpExtDelayedACKLost);
    if (tp.accEcn !== null) tcpAccEcnSpuriousRetrans(tp, skb);
    tcpRcvSpuriousRetrans(tp, skb);
    tcpEnterQuickackMode(tp, TCP_MAX_QUICKACKS);
    tcpDsackSet(tp, skb.seq, ((skb.endSeq - tp.rcvNxt) | 0) > 0 ? tp.rcvNxt : skb.endSeq);
  }
  tcpSendAck(tp);
}

/** All that was written, received, and came out of order goes. */
export function tcpPurgeQueues(tp: TcpSock): void {
  tcpWriteQueuePurge(tp);
  for (let skb = tp.receiveQueue.popHead(); skb !== null; skb = tp.receiveQueue.popHead()) consumeSkb(skb);
  tcpOfoPurge(tp);
}

// ---- urgent data, RFC 9293 §3.8.5: minimal, nobody should use it (RFC 6093)

/** Sixth: looks at URG. The skb stays the caller's; `data` is at the TCP header. */
export function tcpUrg(tp: TcpSock, skb: SkBuff): void {
  if ((skb.tcpFlags & TCP_FLAG_URG) !== 0) checkUrg(tp, skb);
  if (tp.urgData !== TCP_URG_NOTYET) return;
  const at = ((tp.urgSeq - skb.seq) | 0) + thHlen(skb.buf, skb.th) - ((skb.tcpFlags & TCP_FLAG_SYN) >> 1);
  if (at < 0 || at >= skb.len) return;
  const byte = new Uint8Array(1);
  copyBits(skb, at, byte, 0, 1);
  tp.urgData = TCP_URG_VALID | get8(byte, 0);
  if (!tp.dead) tp.stateChange(POLLIN | POLLRDNORM | POLLPRI);
}

/** A new urgent pointer: BSD's reading, one behind the byte, unless net.ipv4.tcp_stdurg says otherwise. */
function checkUrg(tp: TcpSock, skb: SkBuff): void {
  let ptr = thUrgPtr(skb.buf, skb.th);
  if (ptr !== 0 && tp.tcp.sysctl.tcpStdurg === 0) ptr--;
  ptr = (ptr + skb.seq) | 0;
  if (((tp.copiedSeq - ptr) | 0) > 0 || ((ptr - tp.rcvNxt) | 0) < 0) return;
  if (tp.urgData !== 0 && ((ptr - tp.urgSeq) | 0) <= 0) return;
  // An urgent byte that the reader has come to and not read is skipped now.
  if (tp.urgSeq === tp.copiedSeq && tp.urgData !== 0 && !tp.urgInline && tp.copiedSeq !== tp.rcvNxt) {
    tp.copiedSeq = (tp.copiedSeq + 1) | 0;
    const head = tp.receiveQueue.head;
    if (head !== null && ((tp.copiedSeq - head.endSeq) | 0) >= 0) {
      tp.receiveQueue.unlink(head);
      consumeSkb(head);
    }
  }
  tp.urgData = TCP_URG_NOTYET;
  tp.urgSeq = ptr;
}
