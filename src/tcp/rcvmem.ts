/**
 * When the receive buffer is full: make room by copying what wastes memory together, then by giving up what came out of order
 * (the peer still has it: SACKed is not acknowledged).
 */
import { Mib } from '../dev/mib.ts';
import { copyBits } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { SKB_MAX_PAGE_BYTES, skbHeadTailroom, skbHeadTruesize } from '../skb/truesize.ts';
import { skbSetOwnerR } from '../sock/sock.ts';
import { tcpMemoryPlenty, tcpMemReclaim, tcpRmemSchedule, tcpUnderMemoryPressure } from './memory.ts';
import { TCP_FLAG_FIN, TCP_FLAG_SYN } from '../wire/tcp.ts';
import { unlinkOfo } from './ofo.ts';
import type { TcpSock } from './sock.ts';
import { tcpAdjustRcvSsthresh, tcpWinFromSpace } from './window.ts';

/** May a segment more come in? One may go over the limit (Linux: tcp_can_ingest). */
export function tcpCanIngest(tp: TcpSock): boolean {
  return tp.rmemAlloc <= tp.rcvbuf;
}

/** Is there room for `skb`? False: nothing helped. */
export function tcpTryRmemSchedule(tp: TcpSock, skb: SkBuff): boolean {
  if (tcpCanIngest(tp) && tcpRmemSchedule(tp, skb.truesize)) return true;
  if (!tcpPruneQueue(tp, skb)) return false;
  while (!tcpRmemSchedule(tp, skb.truesize)) {
    if (!pruneOfo(tp, skb)) return false;
  }
  return true;
}

function tcpPruneQueue(tp: TcpSock, skb: SkBuff): boolean {
  const { net } = tp;
  net.inc(Mib.TcpExtPruneCalled);
  if (tp.rmemAlloc >= tp.rcvbuf) tcpClampWindow(tp);
  else if (tcpUnderMemoryPressure(tp.tcp)) tcpAdjustRcvSsthresh(tp);
  if (tcpCanIngest(tp)) return true;
  collapseOfo(tp);
  const { head } = tp.receiveQueue;
  if (head !== null) collapse(tp, tp.receiveQueue, head, null, tp.copiedSeq, tp.rcvNxt);
  tcpMemReclaim(tp);
  if (tcpCanIngest(tp)) return true;
  pruneOfo(tp, skb);
  if (tcpCanIngest(tp)) return true;
  net.inc(Mib.TcpExtRcvPruned);
  return false;
}

/** The buffer may still grow; if not, the window must be small from now on (Linux: tcp_clamp_window). */
function tcpClampWindow(tp: TcpSock): void {
  const max = tp.tcp.sysctl.tcpRmem[2];
  tp.quickCount = 0;
  if (tp.rcvbuf < max && !tp.rcvbufLocked && tcpMemoryPlenty(tp.tcp)) tp.rcvbuf = Math.min(tp.rmemAlloc, max);
  if (tp.rmemAlloc > tp.rcvbuf) tp.rcvSsthresh = Math.min(tp.windowClamp, 2 * tp.advmss);
}

/** The runs of the out-of-order queue that have no gap, one after the other (Linux: tcp_collapse_ofo_queue). */
function collapseOfo(tp: TcpSock): void {
  let tiny = 0;
  let head = tp.ofoQueue.head;
  while (head !== null) {
    let { endSeq, truesize } = head;
    let behind = head.next;
    while (behind !== null && ((behind.seq - endSeq) | 0) <= 0) {
      truesize += behind.truesize;
      if (((behind.endSeq - endSeq) | 0) > 0) ({ endSeq } = behind);
      behind = behind.next;
    }
    if (truesize !== head.truesize || ((endSeq - head.seq) | 0) >= SKB_MAX_PAGE_BYTES) {
      collapse(tp, tp.ofoQueue, head, behind, head.seq, endSeq);
    } else {
      tiny += truesize; // one by itself: not worth it, and neither is the work of looking at very many of them
      if (tiny > tp.rcvbuf >> 3) return;
    }
    head = behind;
  }
}

/** Is it worth copying from here on: does `skb` take more than its bytes are worth, or is there something before `start` in it? */
function worthCollapsing(tp: TcpSock, skb: SkBuff, start: number): boolean {
  return (skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) === 0 &&
    (tcpWinFromSpace(tp, skb.truesize) > skb.len || ((skb.seq - start) | 0) < 0);
}

/** Copies what lies from `head` to before `tail` together, `start` to `end`, in pieces that fill a page (Linux: tcp_collapse). */
function collapse(tp: TcpSock, q: SkBuffHead, head: SkBuff, tail: SkBuff | null, start: number, end: number): void {
  let from = start;
  let skb: SkBuff | null = head;
  for (;;) {
    if (skb === null || skb === tail) return;
    const next: SkBuff | null = skb.next;
    if (((skb.endSeq - from) | 0) <= 0) {
      freeCollapsed(tp, q, skb); // nothing new in it
    } else {
      if (worthCollapsing(tp, skb, from) || (next !== null && next !== tail && next.seq !== skb.endSeq)) break;
      from = skb.endSeq;
    }
    skb = next;
  }
  if ((skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) === 0) copyTogether(tp, q, skb, tail, from, end);
}

/** Replaces skbs from `first` on by copies. */
function copyTogether(tp: TcpSock, q: SkBuffHead, first: SkBuff, tail: SkBuff | null, start: number, end: number): void {
  let at = start;
  let skb: SkBuff | null = first;
  while (skb !== null && ((end - at) | 0) > 0) {
    const room = Math.min(SKB_MAX_PAGE_BYTES, (end - at) | 0);
    const one = newPiece(tp, q, skb, at, room);
    const page = tp.net.pool.allocPage(room);
    let used = 0;
    while (skb !== null && used < room) {
      const size = Math.min(room - used, (skb.endSeq - at) | 0);
      if (size > 0) {
        copyBits(skb, (at - skb.seq) | 0, page.bytes, used, size);
        used += size;
        at = (at + size) | 0;
      }
      if (((at - skb.endSeq) | 0) < 0) continue;
      const next: SkBuff | null = skb.next;
      freeCollapsed(tp, q, skb);
      skb = next === tail || (next !== null && (next.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) !== 0) ? null : next;
    }
    page.fill = used;
    one.addFrag(page, 0, used);
    one.endSeq = at;
    one.tailroom = skbHeadTailroom(room) + room - used;
    tp.net.pool.putPage(page);
  }
}

/** An empty skb before `skb`, for up to `size` bytes from `seq` on. */
function newPiece(tp: TcpSock, q: SkBuffHead, skb: SkBuff, seq: number, size: number): SkBuff {
  const one = tp.net.pool.alloc(0);
  one.seq = seq;
  one.endSeq = seq;
  one.ackSeq = skb.ackSeq;
  one.tcpFlags = skb.tcpFlags;
  one.tstamp = skb.tstamp;
  one.th = -1;
  one.truesize = skbHeadTruesize(size);
  if (skb.prev === null) q.pushHead(one);
  else q.insertAfter(skb.prev, one);
  skbSetOwnerR(one, tp);
  return one;
}

function freeCollapsed(tp: TcpSock, q: SkBuffHead, skb: SkBuff): void {
  if (q === tp.ofoQueue) unlinkOfo(tp, skb);
  else q.unlink(skb);
  consumeSkb(skb);
  tp.net.inc(Mib.TcpExtTCPRcvCollapsed);
}

/** Gives up what lies farthest beyond the hole, an eighth of the buffer at a time; not what is older than `incoming`. False: nothing. */
function pruneOfo(tp: TcpSock, incoming: SkBuff): boolean {
  let pruned = false;
  let goal = tp.rcvbuf >> 3;
  for (let skb = tp.ofoQueue.tail; skb !== null; skb = tp.ofoQueue.tail) {
    if (((incoming.seq - skb.seq) | 0) > 0) break;
    goal -= skb.truesize;
    unlinkOfo(tp, skb);
    tp.net.drop(skb, Drop.TcpOfoQueuePrune);
    pruned = true;
    if (goal <= 0) {
      tcpMemReclaim(tp);
      if (tcpCanIngest(tp) && !tcpUnderMemoryPressure(tp.tcp)) break;
      goal = tp.rcvbuf >> 3;
    }
  }
  if (!pruned) return false;
  tcpMemReclaim(tp);
  tp.net.inc(Mib.TcpExtOfoPruned);
  // What was SACKed may be gone: say nothing rather than something false.
  tp.numSacks = 0;
  tp.dsack = false;
  return true;
}
