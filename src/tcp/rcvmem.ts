/**
 * When the receive buffer is full: make room by copying what wastes memory together, then by giving up what came out of order
 * (the peer still has it: SACKed is not acknowledged).
 */
import { Mib } from '../dev/mib.ts';
import { copyBits } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuffHead } from '../skb/queue.ts';
import { SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import { skbSetOwnerR } from '../sock/sock.ts';
import { tcpMemoryPlenty, tcpMemReclaim, tcpRmemSchedule, tcpUnderMemoryPressure } from './memory.ts';
import { unlinkOfo } from './ofo.ts';
import type { TcpSock } from './sock.ts';
import { tcpAdjustRcvSsthresh } from './window.ts';

/** What one collapsed skb holds at most. */
const COLLAPSE_MAX = 65536;

/** Is there room for `skb`? One may go over the limit, as in Linux. False: nothing helped. */
export function tcpTryRmemSchedule(tp: TcpSock, skb: SkBuff): boolean {
  if (tp.rmemAlloc <= tp.rcvbuf && tcpRmemSchedule(tp, skb.truesize)) return true;
  if (!tcpPruneQueue(tp, skb)) return false;
  while (!tcpRmemSchedule(tp, skb.truesize)) {
    if (!pruneOfo(tp, skb)) return false;
  }
  return true;
}

function tcpPruneQueue(tp: TcpSock, skb: SkBuff): boolean {
  const { net } = tp;
  net.inc(Mib.TcpExtPruneCalled);
  if (tp.rmemAlloc > tp.rcvbuf) tcpClampWindow(tp);
  else if (tcpUnderMemoryPressure(tp.tcp)) tcpAdjustRcvSsthresh(tp);
  if (tp.rmemAlloc <= tp.rcvbuf && !tcpUnderMemoryPressure(tp.tcp)) return true;
  collapse(tp, tp.ofoQueue);
  collapse(tp, tp.receiveQueue);
  tcpMemReclaim(tp);
  if (tp.rmemAlloc <= tp.rcvbuf) return true;
  pruneOfo(tp, skb);
  if (tp.rmemAlloc <= tp.rcvbuf) return true;
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

/** Runs of skbs that take more memory than they should are copied into one. */
function collapse(tp: TcpSock, q: SkBuffHead): void {
  for (let first = q.head; first !== null; first = first.next) {
    if (first.truesize < 2 * (first.len + SKB_TRUESIZE_OVERHEAD) && first.next === null) return;
    let last = first;
    let len = first.len;
    while (last.next !== null && last.next.seq === last.endSeq && len + last.next.len <= COLLAPSE_MAX) {
      last = last.next;
      len += last.len;
    }
    if (last !== first && len > 0) first = copyRun(tp, q, first, last, len);
  }
}

/** Replaces first…last by one skb with a copy of their payload. Returns it. */
function copyRun(tp: TcpSock, q: SkBuffHead, first: SkBuff, last: SkBuff, len: number): SkBuff {
  const { pool } = tp.net;
  const page = pool.allocPage(len);
  const one = pool.alloc(0);
  one.seq = first.seq;
  one.endSeq = last.endSeq;
  one.ackSeq = last.ackSeq;
  one.th = -1;
  q.insertAfter(last, one);
  let off = 0;
  for (let skb: SkBuff | null = first; skb !== null && skb !== one; ) {
    const next: SkBuff | null = skb.next;
    copyBits(skb, 0, page.bytes, off, skb.len);
    off += skb.len;
    one.tcpFlags |= skb.tcpFlags;
    if (q === tp.ofoQueue) unlinkOfo(tp, skb);
    else q.unlink(skb);
    consumeSkb(skb);
    tp.net.inc(Mib.TcpExtTCPRcvCollapsed);
    skb = next;
  }
  page.fill = len;
  one.addFrag(page, 0, len);
  pool.putPage(page);
  one.truesize = SKB_TRUESIZE_OVERHEAD + len;
  skbSetOwnerR(one, tp);
  return one;
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
      if (tp.rmemAlloc <= tp.rcvbuf && !tcpUnderMemoryPressure(tp.tcp)) break;
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
