/**
 * What came before its turn: the out-of-order queue, sorted by sequence and without overlaps, and the SACK blocks made of it
 * (RFC 2018 §4: the block with the newest segment first; RFC 2883: duplicates are reported, too).
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbSetOwnerR } from '../sock/sock.ts';
import { TCP_NUM_SACKS } from '../wire/tcp-options.ts';
import { TCP_FLAG_FIN } from '../wire/tcp.ts';
import { tcpFin, tcpRcvNxtUpdate, tcpTryCoalesce } from './data.ts';
import { tcpMeasureRcvMss, tcpScheduleAck } from './delack.ts';
import { tcpDataEcnCheck } from './ecn.ts';
import { tcpHasSocket } from './flight.ts';
import { tcpMemReclaim } from './memory.ts';
import { tcpSendAck } from './output.ts';
import { tcpTryRmemSchedule } from './rcvmem.ts';
import type { TcpSock } from './sock.ts';
import { tcpGrowWindow, tcpRcvbufGrow, tcpTruesizeAdjust } from './window.ts';

// ---- D-SACK

/** The next ACK reports start…end as received twice. */
export function tcpDsackSet(tp: TcpSock, start: number, end: number): void {
  if (!tp.sackOk || tp.tcp.sysctl.tcpDsack === 0) return;
  tp.net.inc(((start - tp.rcvNxt) | 0) < 0 ? Mib.TcpExtTCPDSACKOldSent : Mib.TcpExtTCPDSACKOfoSent);
  tp.dsack = true;
  tp.dsackStart = start;
  tp.dsackEnd = end;
}

function tcpDsackExtend(tp: TcpSock, start: number, end: number): void {
  if (!tp.dsack) {
    tcpDsackSet(tp, start, end);
    return;
  }
  if (((end - tp.dsackStart) | 0) < 0 || ((tp.dsackEnd - start) | 0) < 0) return; // only what touches it
  if (((start - tp.dsackStart) | 0) < 0) tp.dsackStart = start;
  if (((tp.dsackEnd - end) | 0) < 0) tp.dsackEnd = end;
}

/** With so many blocks already, another one may not fit (Linux: TCP_SACK_BLOCKS_EXPECTED). */
const SACK_BLOCKS_EXPECTED = 2;

// ---- SACK blocks

/** A segment was added: its block is the newest and goes to the front; blocks that now touch become one. */
function tcpSackNewOfoSkb(tp: TcpSock, seq: number, end: number): void {
  if (tp.selectiveAcks.length === 0) tp.selectiveAcks = new Int32Array(2 * TCP_NUM_SACKS);
  const sacks = tp.selectiveAcks;
  let start = seq;
  let stop = end;
  let kept = 0;
  if (tp.compressedAck > 0 && blockIndex(tp, seq, end) >= SACK_BLOCKS_EXPECTED) flushCompressedAck(tp);
  // Takes in every block that touches, moves the others up behind the new one.
  for (let i = 0; i < tp.numSacks; i++) {
    const s = sacks[2 * i]!;
    const e = sacks[2 * i + 1]!;
    if (((e - start) | 0) >= 0 && ((stop - s) | 0) >= 0) {
      if (((s - start) | 0) < 0) start = s;
      if (((stop - e) | 0) < 0) stop = e;
    } else {
      sacks[2 * kept] = s;
      sacks[2 * kept + 1] = e;
      kept++;
    }
  }
  if (kept === TCP_NUM_SACKS) kept--; // the oldest is forgotten
  for (let i = kept; i > 0; i--) {
    sacks[2 * i] = sacks[2 * i - 2]!;
    sacks[2 * i + 1] = sacks[2 * i - 1]!;
  }
  sacks[0] = start;
  sacks[1] = stop;
  tp.numSacks = kept + 1;
}

/** The first block that start…end touches; as many as there are when it touches none. */
function blockIndex(tp: TcpSock, start: number, end: number): number {
  let i = 0;
  while (i < tp.numSacks && !(((tp.selectiveAcks[2 * i + 1]! - start) | 0) >= 0 && ((end - tp.selectiveAcks[2 * i]!) | 0) >= 0)) i++;
  return i;
}

/** More blocks change than an ACK is likely to hold: what has been held back is told before it is pushed out. */
function flushCompressedAck(tp: TcpSock): void {
  tp.compressedAck--; // one is sent after all
  tcpSendAck(tp);
  tcpScheduleAck(tp);
}

/** RCV.NXT has moved: blocks below it are SACKs no more. */
export function tcpSackRemove(tp: TcpSock): void {
  if (tp.ofoQueue.head === null) {
    tp.numSacks = 0;
    return;
  }
  const sacks = tp.selectiveAcks;
  let kept = 0;
  for (let i = 0; i < tp.numSacks; i++) {
    if (((tp.rcvNxt - sacks[2 * i]!) | 0) >= 0) continue;
    sacks[2 * kept] = sacks[2 * i]!;
    sacks[2 * kept + 1] = sacks[2 * i + 1]!;
    kept++;
  }
  tp.numSacks = kept;
}

// ---- the queue

/** A segment that begins beyond RCV.NXT, within the window. Takes the skb; `data` is at the payload. */
export function tcpDataQueueOfo(tp: TcpSock, skb: SkBuff): void {
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpDataQueueOfo', `${String(tp.ofoQueue.qlen)} out of order before it`);
  const { net } = tp;
  if (tp.ecnFlags !== 0) tcpDataEcnCheck(tp, skb);
  if (!tcpTryRmemSchedule(tp, skb)) {
    net.inc(Mib.TcpExtTCPOFODrop);
    tp.dataReady();
    net.drop(skb, Drop.ProtoMem);
    return;
  }
  tcpMeasureRcvMss(tp, skb, skb.len);
  tcpScheduleAck(tp);
  net.inc(Mib.TcpExtTCPOFOQueue);
  tp.rcvOoopack += Math.max(1, skb.gsoSegs);
  const { seq, endSeq } = skb;
  const added = insertOfo(tp, skb);
  if (tp.sackOk) tcpSackNewOfoSkb(tp, seq, endSeq);
  if (added) {
    if (tp.sackOk) tcpGrowWindow(tp, skb.len, skb.truesize);
    skbSetOwnerR(skb, tp);
  }
  // Not for a connection that nobody has accepted yet: it must not cost more than it is worth.
  if (tcpHasSocket(tp)) tcpRcvbufGrow(tp, tp.rcvqSpace);
}

/** Finds the place of `skb` and puts it there, or merges it, or drops it. True: the skb itself is in the queue now. */
function insertOfo(tp: TcpSock, skb: SkBuff): boolean {
  const q = tp.ofoQueue;
  const { seq, endSeq } = skb;
  // Nearly always behind the one before, or at the end: begin there.
  let at = tp.ofoHint ?? q.tail;
  if (at !== null && q.tail !== null && ((seq - q.tail.seq) | 0) >= 0) at = q.tail;
  while (at !== null && ((seq - at.seq) | 0) < 0) at = at.prev;
  while (at !== null && at.next !== null && ((seq - at.next.seq) | 0) >= 0) at = at.next;

  if (at !== null) {
    if (((at.endSeq - endSeq) | 0) >= 0) {
      tp.net.inc(Mib.TcpExtTCPOFOMerge);
      tcpDsackSet(tp, seq, endSeq);
      tp.net.drop(skb, Drop.TcpOfoMerge);
      return false;
    }
    if (((at.endSeq - seq) | 0) > 0) {
      if (at.seq === seq) {
        // The new one is longer: it takes the place of the old one.
        tcpDsackExtend(tp, at.seq, at.endSeq);
        const before: SkBuff | null = at.prev;
        dropOfo(tp, at);
        at = before;
      } else {
        tcpDsackSet(tp, seq, at.endSeq);
      }
    } else if (joinOfo(tp, at, skb)) {
      dropCovered(tp, at);
      return false;
    }
  }
  if (at === null) q.pushHead(skb);
  else q.insertAfter(at, skb);
  tp.ofoHint = skb;
  dropCovered(tp, skb);
  return true;
}

/** Joins `skb` to the one before it, if that can be. */
function joinOfo(tp: TcpSock, at: SkBuff, skb: SkBuff): boolean {
  const { len } = skb;
  const truesize = tcpTruesizeAdjust(skb, len);
  if (!tcpTryCoalesce(tp, at, skb)) return false;
  consumeSkb(skb);
  tp.ofoHint = at;
  if (tp.sackOk) tcpGrowWindow(tp, len, truesize);
  return true;
}

/** What lies behind `skb` and is covered by it goes. */
function dropCovered(tp: TcpSock, skb: SkBuff): void {
  const { endSeq } = skb;
  for (let next = skb.next; next !== null && ((endSeq - next.seq) | 0) > 0; next = skb.next) {
    if (((next.endSeq - endSeq) | 0) > 0) {
      tcpDsackExtend(tp, next.seq, endSeq);
      return;
    }
    tcpDsackExtend(tp, next.seq, next.endSeq);
    dropOfo(tp, next);
  }
}

function dropOfo(tp: TcpSock, skb: SkBuff): void {
  tp.net.inc(Mib.TcpExtTCPOFOMerge);
  unlinkOfo(tp, skb);
  tp.net.drop(skb, Drop.TcpOfoMerge);
}

export function unlinkOfo(tp: TcpSock, skb: SkBuff): void {
  if (tp.ofoHint === skb) tp.ofoHint = skb.prev;
  tp.ofoQueue.unlink(skb);
}

/** The hole is filled: what follows moves to the receive queue. */
export function tcpOfoQueue(tp: TcpSock): void {
  let dsackHigh = tp.rcvNxt;
  for (let skb = tp.ofoQueue.head; skb !== null; skb = tp.ofoQueue.head) {
    if (((skb.seq - tp.rcvNxt) | 0) > 0) break;
    if (((skb.seq - dsackHigh) | 0) < 0) {
      const end = dsackHigh;
      if (((skb.endSeq - dsackHigh) | 0) < 0) dsackHigh = skb.endSeq;
      tcpDsackExtend(tp, skb.seq, end);
    }
    unlinkOfo(tp, skb);
    if (((skb.endSeq - tp.rcvNxt) | 0) <= 0) {
      tp.net.drop(skb, Drop.TcpOfoMerge);
      continue;
    }
    const { endSeq } = skb;
    const fin = (skb.tcpFlags & TCP_FLAG_FIN) !== 0;
    const tail = tp.receiveQueue.tail;
    tcpRcvNxtUpdate(tp, endSeq);
    if (tail !== null && tcpTryCoalesce(tp, tail, skb)) {
      consumeSkb(skb);
      tcpMemReclaim(tp);
    } else tp.receiveQueue.pushTail(skb);
    if (fin) {
      tcpFin(tp); // empties this queue
      break;
    }
  }
}

/** Throws it all away. */
export function tcpOfoPurge(tp: TcpSock): void {
  for (let skb = tp.ofoQueue.popHead(); skb !== null; skb = tp.ofoQueue.popHead()) consumeSkb(skb);
  tp.ofoHint = null;
  tp.numSacks = 0;
  tp.dsack = false;
  tcpMemReclaim(tp);
}
