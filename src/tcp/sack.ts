/**
 * The scoreboard: what the peer's SACK blocks say about each segment that is out (RFC 2018, RFC 2883, RFC 6675 §4).
 *
 * The queue is in order of sequence and so are the blocks, once sorted. Searching starts where the last search ended, and a
 * block that was known already is skipped, so an ACK costs what is new in it, however long the queue is.
 */
import { Mib } from '../dev/mib.ts';
import { sharePayload } from '../skb/copy.ts';
import { MAX_SKB_FRAGS, type SkBuff } from '../skb/sk-buff.ts';
import { TCP_FLAG_SYN } from '../wire/tcp.ts';
import { FLAG_DATA_SACKED, FLAG_DSACKING_ACK, FLAG_DSACK_TLP, FLAG_ORIG_SACK_ACKED } from './flags.ts';
import { tcpHighestSackSeq } from './flight.ts';
import { tcpRackAdvance } from './rack.ts';
import { tcpRateSkbDelivered } from './rate.ts';
import { tcpCheckSackReordering } from './reno-sack.ts';
import type { AckState } from './scratch.ts';
import { tcpFragment, tcpRtxUnlinkAndFree, tsortedRemove } from './segment.ts';
import {
  TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, TCP_CA_Loss, type TcpSock,
} from './sock.ts';

const RETRANS: number = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;
/** What is known of a segment now; that it was retransmitted once stands beside it. */
const TAGBITS: number = TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS | TCPCB_LOST;
/** Longest skb that merging makes: 65,535 segments of the least size that a card would cut. */
const MERGE_MAX: number = 65535 * 8;

/** Digests the SACK blocks of an ACK (in `tp.rxOpt`). What it found is in `st` and in the scoreboard. */
export function tcpSacktagWriteQueue(tp: TcpSock, ackSkb: SkBuff, priorSndUna: number, st: AckState): void {
  const { rxOpt } = tp;
  const { scratch } = tp.tcp;
  if (tp.sackedOut === 0) {
    tp.highestSack = tp.rtxQueue.head;
    tp.recvSackCacheLen = 0;
  }
  const dup = tcpCheckDsack(tp, ackSkb, priorSndUna, st);
  // Too old to say anything; a little old is fine, ACKs may be reordered.
  if (((ackSkb.ackSeq - (priorSndUna - tp.maxWindow)) | 0) < 0) return;
  if (tp.packetsOut === 0) return;

  scratch.numSacks = 0;
  scratch.dupIndex = -1;
  for (let i = 0; i < rxOpt.numSacks; i++) {
    const start = rxOpt.sacks[2 * i]!;
    const end = rxOpt.sacks[2 * i + 1]!;
    const isDup = i === 0 && dup;
    if (!tcpIsSackblockValid(tp, isDup, start, end)) {
      countInvalid(tp, ackSkb, isDup, end);
      continue;
    }
    if (((end - priorSndUna) | 0) <= 0) continue;
    const at = insertSorted(scratch.sacks, scratch.numSacks++, start, end);
    if (isDup) scratch.dupIndex = at;
    else if (at <= scratch.dupIndex) scratch.dupIndex++;
  }
  sacktagBlocks(tp, st);
  rememberBlocks(tp);
  if (tp.caState !== TCP_CA_Loss || tp.undoMarker !== 0) tcpCheckSackReordering(tp, st.reord, false);
}

function countInvalid(tp: TcpSock, ackSkb: SkBuff, isDup: boolean, end: number): void {
  if (isDup) {
    tp.net.inc(tp.undoMarker === 0 ? Mib.TcpExtTCPDSACKIgnoredNoUndo : Mib.TcpExtTCPDSACKIgnoredOld);
  } else if (ackSkb.ackSeq === tp.sndUna || ((end - tp.sndUna) | 0) > 0) {
    tp.net.inc(Mib.TcpExtTCPSACKDiscard); // not just an ACK that was overtaken
  }
}

/** Returns where it went. */
function insertSorted(sacks: Int32Array, n: number, start: number, end: number): number {
  let i = n;
  while (i > 0 && ((sacks[2 * i - 2]! - start) | 0) > 0) {
    sacks[2 * i] = sacks[2 * i - 2]!;
    sacks[2 * i + 1] = sacks[2 * i - 1]!;
    i--;
  }
  sacks[2 * i] = start;
  sacks[2 * i + 1] = end;
  return i;
}

/**
 * Tags the blocks in order, leaving out what the blocks of the last ACK covered. A D-SACK that lies in the block before it is
 * dealt with on the way through that one (Linux: the loop of tcp_sacktag_write_queue; where an skb is cut or joined depends on it).
 */
function sacktagBlocks(tp: TcpSock, st: AckState): void {
  const { sacks, numSacks, dupIndex } = tp.tcp.scratch;
  const known = tp.recvSackCache;
  const numKnown = tp.recvSackCacheLen;
  let skb: SkBuff | null = null;
  let k = 0;
  let i = 0;
  while (i < numSacks) {
    const start = sacks[2 * i]!;
    const end = sacks[2 * i + 1]!;
    const dup = i === dupIndex;
    const nextDup = i + 1 === dupIndex ? dupIndex : -1;
    while (k < numKnown && ((start - known[2 * k + 1]!) | 0) >= 0) k++;
    if (k < numKnown && !dup && ((end - known[2 * k]!) | 0) > 0) {
      const knownStart = known[2 * k]!;
      const knownEnd = known[2 * k + 1]!;
      if (((start - knownStart) | 0) < 0) skb = sacktagWalk(tp, sackSkip(tp, skb, start), start, knownStart, false, nextDup, st);
      if (((end - knownEnd) | 0) <= 0) {
        i++;
        continue;
      }
      if (nextDup >= 0 && ((sacks[2 * nextDup]! - knownEnd) | 0) < 0) {
        skb = sacktagWalk(tp, sackSkip(tp, skb, sacks[2 * nextDup]!), sacks[2 * nextDup]!, sacks[2 * nextDup + 1]!, true, -1, st);
      }
      k++;
      if (tcpHighestSackSeq(tp) !== knownEnd) {
        skb = sackSkip(tp, skb, knownEnd);
        continue;
      }
      skb = tp.highestSack;
      if (skb === null) return;
    } else {
      if (((start - tcpHighestSackSeq(tp)) | 0) >= 0) {
        skb = tp.highestSack;
        if (skb === null) return;
      }
      skb = sackSkip(tp, skb, start);
    }
    skb = sacktagWalk(tp, skb, start, end, dup, nextDup, st);
    i++;
  }
}

/** The blocks of this ACK, sorted, are what the next one's need not repeat. */
function rememberBlocks(tp: TcpSock): void {
  const { sacks, numSacks } = tp.tcp.scratch;
  if (tp.recvSackCache.length === 0 && numSacks > 0) tp.recvSackCache = new Int32Array(8);
  for (let i = 0; i < 2 * numSacks; i++) tp.recvSackCache[i] = sacks[i]!;
  tp.recvSackCacheLen = numSacks;
}

/** The segment that holds `seq`, or the first one behind it; null when all lie before. */
function sackSeek(tp: TcpSock, seq: number): SkBuff | null {
  let skb = tp.sackHint ?? tp.rtxQueue.head;
  const high = tp.highestSack;
  if (high !== null && ((seq - high.seq) | 0) >= 0 && (skb === null || ((high.seq - skb.seq) | 0) > 0)) skb = high;
  if (skb === null) return null;
  while (skb.prev !== null && ((skb.prev.endSeq - seq) | 0) > 0) skb = skb.prev;
  while (((skb.endSeq - seq) | 0) <= 0) {
    if (skb.next === null) return null;
    skb = skb.next;
  }
  tp.sackHint = skb;
  return skb;
}

/** On from `skb`, if that is not beyond `seq` already. */
function sackSkip(tp: TcpSock, skb: SkBuff | null, seq: number): SkBuff | null {
  return skb !== null && ((skb.seq - seq) | 0) > 0 ? skb : sackSeek(tp, seq);
}

/**
 * Tags what lies in start…end, from `first` on; cuts super-packets at the edges. `nextDup` not -1: the D-SACK block of that place
 * lies there, too. Returns where it stopped, null at the end of the queue.
 */
function sacktagWalk(
  tp: TcpSock, first: SkBuff | null, start: number, end: number, dup: boolean, nextDup: number, st: AckState,
): SkBuff | null {
  const { sacks } = tp.tcp.scratch;
  let skb = first;
  while (skb !== null && ((skb.seq - end) | 0) < 0) {
    const whole = skb.endSeq;
    let match = 0;
    if (nextDup >= 0 && ((skb.seq - sacks[2 * nextDup + 1]!) | 0) < 0) {
      match = tcpMatchSkbToSack(tp, skb, sacks[2 * nextDup]!, sacks[2 * nextDup + 1]!);
    }
    const inDup = match > 0;
    if (!inDup) match = tcpMatchSkbToSack(tp, skb, start, end);
    if (match < 0) break;
    if (match > 0) {
      tcpSacktagOne(tp, skb, dup || inDup, st);
      tcpRateSkbDelivered(tp, skb, st);
      if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0 && skb.tsQueued) tsortedRemove(tp, skb);
      if (((skb.seq - tcpHighestSackSeq(tp)) | 0) >= 0) tp.highestSack = skb.next;
      tp.sackHint = skb;
      if (!inDup) skb = tryMerge(tp, skb, skb.endSeq === whole);
    }
    skb = skb.next;
  }
  return skb;
}

/** 1: the block covers the segment (which was cut to fit, if need be); 0: not; -1: it covers less than a segment of it. */
function tcpMatchSkbToSack(tp: TcpSock, skb: SkBuff, start: number, end: number): number {
  const startsIn = ((skb.seq - start) | 0) >= 0;
  if (startsIn && ((end - skb.endSeq) | 0) >= 0) return 1;
  if (skb.gsoSegs <= 1 || ((skb.endSeq - start) | 0) <= 0) return 0;
  const mss = skb.gsoSize;
  let len: number;
  if (!startsIn) {
    len = Math.max((start - skb.seq) | 0, mss);
  } else {
    len = (end - skb.seq) | 0;
    if (len < mss) return -1;
  }
  if (len > mss) {
    // Whole segments only: what is partly covered counts as not covered.
    const whole = len - (len % mss);
    len = !startsIn && whole < len ? whole + mss : whole;
  }
  if (len >= skb.len) return 0;
  tcpFragment(tp, skb, len, mss);
  return startsIn ? 1 : 0;
}

/** A segment was SACKed, or (`dup`) reported as received twice. */
function tcpSacktagOne(tp: TcpSock, skb: SkBuff, dup: boolean, st: AckState): void {
  const { seq, endSeq, gsoSegs: pcount } = skb;
  let { sacked } = skb;
  if (dup && (sacked & RETRANS) !== 0) {
    if (tp.undoMarker !== 0 && tp.undoRetrans > 0 && ((endSeq - tp.undoMarker) | 0) > 0) {
      tp.undoRetrans = Math.max(0, tp.undoRetrans - pcount);
    }
    if ((sacked & TCPCB_SACKED_ACKED) !== 0 && ((seq - st.reord) | 0) < 0) st.reord = seq;
  }
  if (((endSeq - tp.sndUna) | 0) <= 0) return; // the ACK itself takes it
  if ((sacked & TCPCB_SACKED_ACKED) === 0) {
    tcpRackAdvance(tp, sacked, endSeq, skb.sentUs);
    if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
      // Not marked lost: the retransmission is believed to be still out.
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
        tp.lostOut -= pcount;
        tp.retransOut -= pcount;
      }
    } else {
      if ((sacked & RETRANS) === 0) noteOriginalSacked(tp, skb, st);
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~TCPCB_LOST;
        tp.lostOut -= pcount;
      }
    }
    sacked |= TCPCB_SACKED_ACKED;
    st.flag |= FLAG_DATA_SACKED;
    tp.sackedOut += pcount;
    st.sackDelivered += pcount;
    st.deliveredBytes += skb.len;
  }
  if (dup && (sacked & TCPCB_SACKED_RETRANS) !== 0) {
    sacked &= ~TCPCB_SACKED_RETRANS;
    tp.retransOut -= pcount;
  }
  skb.sacked = sacked;
}

/** SACKed and never retransmitted: an RTT sample; below the highest SACK it came late, that is, reordered. */
function noteOriginalSacked(tp: TcpSock, skb: SkBuff, st: AckState): void {
  if (((skb.seq - tcpHighestSackSeq(tp)) | 0) < 0 && ((skb.seq - st.reord) | 0) < 0) st.reord = skb.seq;
  if (((skb.endSeq - tp.highSeq) | 0) <= 0) st.flag |= FLAG_ORIG_SACK_ACKED;
  if (st.firstSackt < 0) st.firstSackt = skb.sentUs;
  st.lastSackt = skb.sentUs;
}

/**
 * Joins a SACKed segment to a SACKed one before it, so that long runs are short in the queue; if it was not just cut off (`whole`),
 * it may have been the hole between that and the next one. Returns the one that stays.
 */
function tryMerge(tp: TcpSock, skb: SkBuff, whole: boolean): SkBuff {
  const { prev } = skb;
  if (prev === null || !mayMerge(prev, skb)) return skb;
  merge(tp, prev, skb);
  const { next } = prev;
  if (whole && next !== null && mayMerge(prev, next)) merge(tp, prev, next);
  return prev;
}

/** Both SACKed and nothing else, with data, in segments of the same size. */
function mayMerge(prev: SkBuff, skb: SkBuff): boolean {
  if ((prev.sacked & TAGBITS) !== TCPCB_SACKED_ACKED || (skb.sacked & TAGBITS) !== TCPCB_SACKED_ACKED) return false;
  if (prev.eor || ((prev.tcpFlags | skb.tcpFlags) & TCP_FLAG_SYN) !== 0 || prev.len === 0 || skb.len === 0) return false;
  if (segmentLen(prev) !== segmentLen(skb)) return false;
  return prev.len + skb.len < MERGE_MAX && prev.nrFrags + skb.nrFrags <= MAX_SKB_FRAGS;
}

function segmentLen(skb: SkBuff): number {
  return skb.gsoSegs > 1 ? skb.gsoSize : skb.len;
}

function merge(tp: TcpSock, prev: SkBuff, skb: SkBuff): void {
  const { len } = skb;
  prev.gsoSize = segmentLen(skb);
  sharePayload(skb, prev, 0, len);
  prev.truesize += len;
  prev.endSeq = skb.endSeq;
  prev.gsoSegs += skb.gsoSegs;
  prev.tcpFlags |= skb.tcpFlags;
  prev.eor = skb.eor;
  prev.sacked |= skb.sacked & TCPCB_EVER_RETRANS; // from now on all of it may have been
  tp.wmemQueued += len;
  if (skb === tp.retransmitSkbHint) tp.retransmitSkbHint = prev;
  if (skb === tp.highestSack) tp.highestSack = skb.next;
  tcpRtxUnlinkAndFree(tp, skb);
  tp.sackHint = prev;
  tp.net.inc(Mib.TcpExtTCPSackMerged);
}

// ---- D-SACK

/** Does the first block report a duplicate: below the ACK, or inside the second block (RFC 2883 §4)? Takes note of it. */
function tcpCheckDsack(tp: TcpSock, ackSkb: SkBuff, priorSndUna: number, st: AckState): boolean {
  const { sacks, numSacks } = tp.rxOpt;
  const start = sacks[0]!;
  const end = sacks[1]!;
  if (((start - ackSkb.ackSeq) | 0) < 0) {
    tp.net.inc(Mib.TcpExtTCPDSACKRecv);
  } else {
    if (numSacks < 2 || ((end - sacks[3]!) | 0) > 0 || ((start - sacks[2]!) | 0) < 0) return false;
    tp.net.inc(Mib.TcpExtTCPDSACKOfoRecv);
  }
  const dupSegs = tcpDsackSeen(tp, start, end, st);
  if (dupSegs === 0) return false;
  // Of data that is forgotten already: mere counting.
  if (tp.undoMarker !== 0 && tp.undoRetrans > 0 && ((end - priorSndUna) | 0) <= 0 && ((end - tp.undoMarker) | 0) > 0) {
    tp.undoRetrans = Math.max(0, tp.undoRetrans - dupSegs);
  }
  return true;
}

/** How many segments the D-SACK is about; 0 when it cannot be true. */
function tcpDsackSeen(tp: TcpSock, start: number, end: number, st: AckState): number {
  const len = (end - start) | 0;
  if (len <= 0 || len > tp.maxWindow) return 0;
  let dupSegs = 1;
  if (len > tp.mssCache) dupSegs = Math.ceil(len / tp.mssCache);
  else if (tp.tlpHighSeq !== 0 && tp.tlpHighSeq === end) st.flag |= FLAG_DSACK_TLP;
  tp.dsackDups += dupSegs;
  // More duplicates than retransmissions: the network duplicates, or somebody lies.
  if (tp.dsackDups > tp.totalRetrans) return 0;
  // A probe is sent by the clock: its duplicate is no sign of reordering.
  if (tp.reordSeen > 0 && (st.flag & FLAG_DSACK_TLP) === 0) tp.rackDsackSeen = true;
  st.flag |= FLAG_DSACKING_ACK;
  st.sackDelivered += dupSegs;
  return dupSegs;
}

/** Can the block be true? Within what is out; a D-SACK also a little below (back to the beginning of the recovery). */
function tcpIsSackblockValid(tp: TcpSock, isDup: boolean, start: number, end: number): boolean {
  if (((end - tp.sndNxt) | 0) > 0 || ((end - start) | 0) <= 0) return false;
  if (((start - tp.sndNxt) | 0) >= 0) return false;
  if (((start - tp.sndUna) | 0) > 0) return true;
  if (!isDup || tp.undoMarker === 0) return false;
  if (((end - tp.sndUna) | 0) > 0) return false;
  if (((start - tp.undoMarker) | 0) >= 0) return true;
  if (((end - tp.undoMarker) | 0) <= 0) return false;
  return ((start - ((end - tp.maxWindow) | 0)) | 0) >= 0;
}
