/**
 * The skbs of the send side: how many segments one counts for, cutting, trimming, joining, and leaving the queues.
 *
 * An skb of the send queues has no headers, only references to payload; `gsoSegs` is the number of segments it stands for
 * (Linux: tcp_skb_pcount), `gsoSize` their size. Whoever changes an skb that is out keeps the scoreboard's counts right.
 */
import { movePayload, sharePayload, trimHead, trimTail } from '../skb/copy.ts';
import { consumeSkb } from '../skb/pool.ts';
import { MAX_HEADER, MAX_SKB_FRAGS, type SkBuff } from '../skb/sk-buff.ts';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_SYN } from '../wire/tcp.ts';
import { tcpIsReno } from './flight.ts';
import { tcpMemReclaim } from './memory.ts';
import {
  TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, TCP_NAGLE_PUSH, type TcpSock,
} from './sock.ts';
import { tcpCollapseTstamp, tcpFragmentTstamp } from './tstamp.ts';

/** What the head of an skb of the send queues costs (Linux: SKB_SMALL_HEAD_HEADROOM). */
const SMALL_HEAD_SIZE = 256;

/** An empty skb for the send queues, not yet charged. */
export function tcpAllocSkb(tp: TcpSock): SkBuff {
  const skb = tp.net.pool.alloc(MAX_HEADER);
  skb.truesize += SMALL_HEAD_SIZE;
  return skb;
}

/** An skb without payload that carries `flags`, at `seq` (Linux: tcp_init_nondata_skb). */
export function tcpNondataSkb(tp: TcpSock, seq: number, flags: number): SkBuff {
  const skb = tcpAllocSkb(tp);
  skb.tcpFlags = flags;
  skb.gsoSegs = 1;
  skb.seq = seq;
  skb.endSeq = (flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) !== 0 ? (seq + 1) | 0 : seq;
  return skb;
}

/** Puts an skb at the end of the unsent ones and pays for it. */
export function tcpQueueSkb(tp: TcpSock, skb: SkBuff): void {
  tp.writeSeq = skb.endSeq;
  tp.writeQueue.pushTail(skb);
  tp.wmemQueued += skb.truesize;
}

/** A new, empty skb at the end of the unsent ones, for data (Linux: tcp_skb_entail). */
export function tcpEntail(tp: TcpSock): SkBuff {
  const skb = tcpAllocSkb(tp);
  skb.seq = tp.writeSeq;
  skb.endSeq = tp.writeSeq;
  skb.tcpFlags = TCP_FLAG_ACK;
  tp.writeQueue.pushTail(skb);
  tp.wmemQueued += skb.truesize;
  tp.nonagle &= ~TCP_NAGLE_PUSH; // a push by TCP_NODELAY or uncorking was for what came before
  return skb;
}

/** Counts the segments of an skb that are cut at `mss`. Returns them. */
export function tcpSetSkbTsoSegs(skb: SkBuff, mss: number): number {
  if (skb.len <= mss) {
    skb.gsoSize = 0;
    skb.gsoSegs = 1;
    return 1;
  }
  skb.gsoSize = mss;
  skb.gsoSegs = Math.ceil(skb.len / mss);
  return skb.gsoSegs;
}

/** Counts afresh when it was not counted yet, or for another MSS (Linux: tcp_init_tso_segs). */
export function tcpInitTsoSegs(skb: SkBuff, mss: number): number {
  const segs = skb.gsoSegs;
  if (segs === 0 || (segs > 1 && skb.gsoSize !== mss)) return tcpSetSkbTsoSegs(skb, mss);
  return segs;
}

/** An skb that is out stands for `decr` segments fewer than before. */
export function tcpAdjustPcount(tp: TcpSock, skb: SkBuff, decr: number): void {
  tp.packetsOut -= decr;
  const { sacked } = skb;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) tp.sackedOut -= decr;
  if ((sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retransOut -= decr;
  if ((sacked & TCPCB_LOST) !== 0) tp.lostOut -= decr;
  // Without SACK `sackedOut` counts duplicate ACKs: an estimate, to be kept within what is out.
  if (tcpIsReno(tp) && decr > 0) tp.sackedOut -= Math.min(tp.sackedOut, decr);
}

/**
 * Cuts an skb in two: `skb` keeps the first `len` bytes, a new one behind it has the rest. FIN and PSH go with the end.
 * Works in either queue. Returns the new one.
 */
export function tcpFragment(tp: TcpSock, skb: SkBuff, len: number, mss: number): SkBuff {
  const rest = tcpAllocSkb(tp);
  const nlen = skb.len - len;
  sharePayload(skb, rest, len, nlen);
  trimTail(skb, len);
  tp.wmemQueued += rest.truesize;
  rest.truesize += nlen;
  skb.truesize -= nlen;

  rest.seq = (skb.seq + len) | 0;
  rest.endSeq = skb.endSeq;
  skb.endSeq = rest.seq;
  rest.tcpFlags = skb.tcpFlags;
  skb.tcpFlags &= ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
  rest.eor = skb.eor;
  skb.eor = false;
  rest.sacked = skb.sacked;
  rest.sentUs = skb.sentUs;
  rest.txDelivered = skb.txDelivered;
  rest.txDeliveredUs = skb.txDeliveredUs;
  rest.txFirstUs = skb.txFirstUs;
  rest.txInFlight = skb.txInFlight;
  rest.inRtx = skb.inRtx;
  rest.cb0 = skb.cb0;
  rest.cb1 = skb.cb1;
  if (skb.txFlags !== 0) tcpFragmentTstamp(skb, rest);

  const before = skb.gsoSegs;
  const after = tcpSetSkbTsoSegs(skb, mss) + tcpSetSkbTsoSegs(rest, mss);
  if (skb.inRtx && before !== after) tcpAdjustPcount(tp, skb, before - after);
  skb.list!.insertAfter(skb, rest);
  if (skb.tsQueued) tsortedInsertAfter(tp, skb, rest);
  return rest;
}

/** Takes `len` acknowledged bytes off the front of an skb. */
export function tcpTrimHead(tp: TcpSock, skb: SkBuff, len: number): void {
  trimHead(skb, len);
  skb.seq = (skb.seq + len) | 0;
  skb.truesize -= len;
  tp.wmemQueued -= len;
  if (skb.gsoSegs > 1) tcpSetSkbTsoSegs(skb, skb.gsoSize);
}

/** May bytes of `next` be joined to `skb`? Not across a record mark, nor bytes that are lent. */
export function tcpSkbCanCollapse(skb: SkBuff, next: SkBuff): boolean {
  if (skb.ubuf !== null || next.ubuf !== null) return false;
  return !skb.eor && skb.nrFrags + next.nrFrags <= MAX_SKB_FRAGS && (skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) === 0;
}

/**
 * Both unsent: lengthens `skb` by up to `amount` bytes from the skb behind it (Linux: tcp_grow_skb), so that it goes out as
 * one larger burst.
 */
export function tcpGrowSkb(tp: TcpSock, skb: SkBuff, amount: number): void {
  const next = skb.next;
  if (next === null || !tcpSkbCanCollapse(skb, next)) return;
  const n = Math.min(amount, next.len);
  if (n <= 0) return;
  sharePayload(next, skb, 0, n);
  trimHead(next, n);
  skb.truesize += n;
  next.truesize -= n;
  skb.endSeq = (skb.endSeq + n) | 0;
  next.seq = (next.seq + n) | 0;
  if (next.len > 0) return;
  skb.endSeq = next.endSeq; // a FIN that rode on it
  skb.tcpFlags |= next.tcpFlags;
  skb.eor = next.eor;
  if (next.txFlags !== 0) tcpCollapseTstamp(skb, next);
  tp.writeQueue.unlink(next);
  tp.wmemQueued -= next.truesize;
  consumeSkb(next);
}

/** Both out, nothing known about either: appends `next` to `skb` and frees it (Linux: tcp_collapse_retrans). */
export function tcpCollapseRetrans(tp: TcpSock, skb: SkBuff, next: SkBuff): void {
  const moved = next.len;
  movePayload(next, skb);
  skb.truesize += moved;
  next.truesize -= moved;
  skb.endSeq = next.endSeq;
  skb.tcpFlags |= next.tcpFlags;
  skb.sacked |= next.sacked & TCPCB_EVER_RETRANS;
  skb.eor = next.eor;
  if (next.txFlags !== 0) tcpCollapseTstamp(skb, next);
  if (next === tp.retransmitSkbHint) tp.retransmitSkbHint = skb;
  if (next === tp.highestSack) tp.highestSack = next.next;
  tcpAdjustPcount(tp, next, next.gsoSegs);
  tcpRtxUnlinkAndFree(tp, next);
}

/** Takes an skb out of the retransmission queue and frees it. The scoreboard's counts are the caller's. */
export function tcpRtxUnlinkAndFree(tp: TcpSock, skb: SkBuff): void {
  if (skb.tsQueued) tsortedRemove(tp, skb);
  if (skb === tp.sackHint) tp.sackHint = skb.next;
  tp.rtxQueue.unlink(skb);
  tp.wmemQueued -= skb.truesize;
  consumeSkb(skb);
}

/** Frees the last unsent skb when nothing was put into it (a copy that never came). */
export function tcpRemoveEmptySkb(tp: TcpSock): void {
  const skb = tp.writeQueue.tail;
  if (skb === null || skb.seq !== skb.endSeq) return;
  tp.writeQueue.unlink(skb);
  tp.wmemQueued -= skb.truesize;
  consumeSkb(skb);
}

/** Frees all that was written and not acknowledged. */
export function tcpWriteQueuePurge(tp: TcpSock): void {
  for (let skb = tp.writeQueue.popHead(); skb !== null; skb = tp.writeQueue.popHead()) {
    tp.wmemQueued -= skb.truesize;
    consumeSkb(skb);
  }
  while (tp.rtxQueue.head !== null) tcpRtxUnlinkAndFree(tp, tp.rtxQueue.head);
  tp.packetsOut = 0;
  tp.sackedOut = 0;
  tp.lostOut = 0;
  tp.retransOut = 0;
  tp.highestSack = null;
  tp.retransmitSkbHint = null;
  tp.sackHint = null;
  tp.backoff = 0;
  tcpMemReclaim(tp);
}

// ---- by time of sending

/** Puts an skb that has just been sent at the end of the list by time. */
export function tsortedMoveTail(tp: TcpSock, skb: SkBuff): void {
  if (skb.tsQueued) tsortedRemove(tp, skb);
  skb.tsQueued = true;
  skb.tsNext = null;
  skb.tsPrev = tp.tsortedTail;
  if (tp.tsortedTail === null) tp.tsortedHead = skb;
  else tp.tsortedTail.tsNext = skb;
  tp.tsortedTail = skb;
}

export function tsortedRemove(tp: TcpSock, skb: SkBuff): void {
  if (skb.tsPrev === null) tp.tsortedHead = skb.tsNext;
  else skb.tsPrev.tsNext = skb.tsNext;
  if (skb.tsNext === null) tp.tsortedTail = skb.tsPrev;
  else skb.tsNext.tsPrev = skb.tsPrev;
  skb.tsNext = null;
  skb.tsPrev = null;
  skb.tsQueued = false;
}

function tsortedInsertAfter(tp: TcpSock, at: SkBuff, skb: SkBuff): void {
  skb.tsQueued = true;
  skb.tsPrev = at;
  skb.tsNext = at.tsNext;
  if (at.tsNext === null) tp.tsortedTail = skb;
  else at.tsNext.tsPrev = skb;
  at.tsNext = skb;
}
