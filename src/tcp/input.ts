/**
 * TCP, segments coming in to an established connection; and the checks that all states share.
 *
 *   from  tcp/demux.ts    tcpRcvEstablished, once the socket is known
 *         tcp/state.ts    tcpValidateIncoming, in the other synchronised states
 *   to    tcp/ack.ts      tcpAck: what the peer has received
 *         tcp/data.ts     tcpDataQueue, tcpQueueRcv: what we have received; wakes the reader when bytes are in order
 *         tcp/output.ts   tcpDataSndCheck, tcpAckSndCheck: when a reply is due
 *
 * The checks run in the order of RFC 9293 §3.10.7.4, first to eighth: sequence, RST, (security), SYN, ACK, URG, text, FIN. Keep it.
 */
import { Mib } from '../dev/mib.ts';
import { ECONNREFUSED, ECONNRESET, EPIPE } from '../lib/errno.ts';
import { get32 } from '../lib/bytes.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  TCPF_CLOSE_WAIT, TCPF_CLOSING, TCPF_LAST_ACK, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_SYN_RECV, TCP_SYN_SENT,
} from '../sock/constants.ts';
import { tcpParseOptions, TCPOPT_NOP, TCPOPT_TIMESTAMP, TCPOLEN_TIMESTAMP } from '../wire/tcp-options.ts';
import {
  TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_OPTIONS,
  thHlen, thWindow,
} from '../wire/tcp.ts';
import { tcpAck } from './ack.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpDoneWithError } from './close.ts';
import {
  tcpDataQueue, tcpDataReady, tcpQueueRcv, tcpSendDupack, tcpUrg,
} from './data.ts';
import { tcpAckSndCheck, tcpEventDataRecv } from './delack.ts';
import { tcpEcnReceivedCounters, tcpEcnThirdAckFlags } from './ecn.ts';
import { FLAG_DATA, FLAG_SLOWPATH, FLAG_TS_PROGRESS, FLAG_UPDATE_TS_RECENT } from './flags.ts';
import { tcpReceiveWindow } from './flight.ts';
import { tcpForwardAlloc, tcpRmemSchedule } from './memory.ts';
import { challengeAllowed, oowRateLimited } from './oow.ts';
import { tcpSendAck } from './output.ts';
import { tcpCanIngest } from './rcvmem.ts';
import { clockSeconds, pawsCheck, TCP_PAWS_WINDOW } from './paws.ts';
import { ICSK_ACK_SCHED, type TcpSock } from './sock.ts';
import { tcpRcvRttMeasureTs } from './window.ts';
import { tcpDataSndCheck } from './xmit.ts';

/** `nop,nop,TS,10`: the first word of the options that nearly every segment has. */
const TSTAMP_WORD = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;

/**
 * A segment for a connection in ESTABLISHED. Takes the skb.
 *
 * Header prediction (Van Jacobson): in bulk transfer a segment is the next one expected, with the window unchanged, and
 * either acknowledges data or brings data. Such a one needs no look at flags and options one by one.
 */
export function tcpRcvEstablished(tp: TcpSock, skb: SkBuff): void {
  const { buf, th } = skb;
  const hlen = thHlen(buf, th);
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpRcvEstablished');
  tcpMstampRefresh(tp);
  if (hlen === tp.tcpHeaderLen && predicted(tp, skb)) {
    if (skb.len === hlen) fastAck(tp, skb);
    else fastData(tp, skb, hlen);
    return;
  }
  slowPath(tp, skb);
}

/** Is it the segment that we expect? If so, its timestamp (if any) is in `rxOpt`. */
function predicted(tp: TcpSock, skb: SkBuff): boolean {
  const { buf, th } = skb;
  if ((skb.tcpFlags & ~TCP_FLAG_PSH) !== tp.predFlags) return false;
  if (skb.seq !== tp.rcvNxt || ((tp.sndNxt - skb.ackSeq) | 0) < 0) return false;
  // Differs: Linux takes data with an ACK below SND.UNA here, too; RFC 5961 §5.2 wants a closer look.
  if (((skb.ackSeq - tp.sndUna) | 0) < 0 && skb.len !== tp.tcpHeaderLen) return false;
  if (thWindow(buf, th) << tp.sndWscale !== tp.sndWnd) return false;
  // Nothing may be pending that a segment in order would resolve: holes, urgent data, a closed window.
  if (tp.ofoQueue.head !== null || tp.urgData !== 0) return false;
  if (((tp.rcvWup + tp.rcvWnd - skb.endSeq) | 0) < 0) return false;
  const { rxOpt } = tp;
  rxOpt.numSacks = 0;
  rxOpt.sawTstamp = false;
  rxOpt.accEcnOff = -1;
  tp.tcp.scratch.tsProgress = false;
  if (tp.tcpHeaderLen === TCP_HLEN_MIN) return true;
  const off = th + TCP_OPTIONS;
  if (get32(buf, off) !== TSTAMP_WORD) return false;
  const tsval = get32(buf, off + 4);
  if (((tsval - tp.tsRecent) | 0) < 0) return false; // PAWS has to look at it
  rxOpt.sawTstamp = true;
  rxOpt.tsval = tsval;
  const tsecr = get32(buf, off + 8);
  rxOpt.tsecr = tsecr === 0 ? 0 : (tsecr - tp.tsoffset) | 0;
  // RFC 7323 §4.3: TS.Recent is that of the segment which spans the last ACK sent.
  if (tp.rcvNxt === tp.rcvWup) {
    tp.tcp.scratch.tsProgress = tsval !== tp.tsRecent;
    tcpStoreTsRecent(tp);
  }
  return true;
}

/** A pure ACK: we are the sender of a bulk transfer. */
function fastAck(tp: TcpSock, skb: SkBuff): void {
  if (tp.accEcn !== null) tcpEcnReceivedCounters(tp, skb);
  tcpAck(tp, skb, tp.tcp.scratch.tsProgress ? FLAG_TS_PROGRESS : 0);
  consumeSkb(skb);
  tcpDataSndCheck(tp);
  tp.rcvTsecr = tp.rxOpt.sawTstamp ? tp.rxOpt.tsecr : 0;
}

/** Data in order: we are the receiver of a bulk transfer. */
function fastData(tp: TcpSock, skb: SkBuff, hlen: number): void {
  const { ackSeq, seq } = skb;
  // Memory that must be had first makes it a segment like any other in Linux; here, only if it cannot be had.
  const short = skb.truesize > tcpForwardAlloc(tp);
  if (short && !(tcpCanIngest(tp) && tcpRmemSchedule(tp, skb.truesize))) {
    ackAndText(tp, skb); // no room: the queue must be pruned first
    return;
  }
  tcpRcvRttMeasureTs(tp, skb);
  if (short) tp.dsack = false;
  else tp.net.inc(Mib.TcpExtTCPHPHits);
  if (tp.accEcn !== null) tcpEcnReceivedCounters(tp, skb);
  skb.pull(hlen);
  const acks = ackSeq !== tp.sndUna;
  // The ACK first: the skb may be merged into the queue's tail and be gone afterwards.
  if (acks) tcpAck(tp, skb, short ? FLAG_DATA | FLAG_SLOWPATH : FLAG_DATA);
  else tp.sndWl1 = seq;
  if (short) tp.probesOut = 0; // the peer lives: Linux takes such a segment the long way
  const { len } = skb;
  const eaten = tcpQueueRcv(tp, skb);
  tcpEventDataRecv(tp, skb, len);
  if (eaten) consumeSkb(skb);
  if (acks) {
    tcpDataSndCheck(tp);
    if ((tp.ackPending & ICSK_ACK_SCHED) === 0) {
      tcpDataReady(tp);
      return;
    }
  }
  tcpAckSndCheck(tp);
  tcpDataReady(tp);
}

/** Anything that is not as predicted. */
function slowPath(tp: TcpSock, skb: SkBuff): void {
  if ((skb.tcpFlags & (TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_SYN)) === 0) {
    tp.net.drop(skb, Drop.TcpFlags); // RFC 9293 §3.10.7.4, fifth: without an ACK it is nothing
    return;
  }
  if (!tcpValidateIncoming(tp, skb, true)) return;
  if (tp.accEcn !== null) tcpEcnReceivedCounters(tp, skb);
  ackAndText(tp, skb);
}

/** Fifth to eighth: ACK, URG, text, FIN. Takes the skb. */
function ackAndText(tp: TcpSock, skb: SkBuff): void {
  const reason = tcpAck(tp, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT);
  if (reason < 0) {
    tp.net.drop(skb, -reason as Drop);
    return;
  }
  tcpRcvRttMeasureTs(tp, skb);
  tcpUrg(tp, skb);
  tcpDataQueue(tp, skb);
  if (tp.state === TCP_CLOSE) return;
  tcpDataSndCheck(tp);
  tcpAckSndCheck(tp);
}

// ---- first to fourth: the checks of all synchronised states

/** Reads the options of a segment into `rxOpt`; what was not agreed on in the handshake is left out. */
export function tcpParseSegmentOptions(tp: TcpSock, skb: SkBuff): void {
  const { rxOpt } = tp;
  const hlen = thHlen(skb.buf, skb.th);
  if (hlen === TCP_HLEN_MIN) {
    rxOpt.sawTstamp = false;
    rxOpt.numSacks = 0;
    rxOpt.accEcnOff = -1;
    return;
  }
  tcpParseOptions(skb.buf, skb.th + TCP_OPTIONS, hlen - TCP_HLEN_MIN, rxOpt);
  if (!tp.tstampOk) rxOpt.sawTstamp = false;
  else if (rxOpt.sawTstamp && rxOpt.tsecr !== 0) rxOpt.tsecr = (rxOpt.tsecr - tp.tsoffset) | 0;
  if (!tp.sackOk) rxOpt.numSacks = 0;
}

/**
 * First to fourth of RFC 9293 §3.10.7.4, with PAWS before them (RFC 7323 §5.2) and the challenge ACKs of RFC 5961.
 *
 * @param established counts a SYN as an error, as Linux does in ESTABLISHED only
 * @returns true when the segment may go on; else it has been dealt with and the skb is gone
 */
export function tcpValidateIncoming(tp: TcpSock, skb: SkBuff, established: boolean): boolean {
  const { net, rxOpt } = tp;
  const flags = skb.tcpFlags;
  tcpParseSegmentOptions(tp, skb);
  if (rxOpt.sawTstamp && !pawsCheck(net, tp.tsRecent, tp.tsRecentStamp, rxOpt.tsval, TCP_PAWS_WINDOW)) {
    // RFC 7323 §5.2: the timestamp of a RST is not held against it.
    if ((flags & TCP_FLAG_RST) === 0 && pawsDiscard(tp, skb, established)) return false;
  }
  const reason = tcpSequence(tp, skb);
  if (reason !== Drop.NotDropped) {
    unacceptable(tp, skb, reason, established);
    return false;
  }
  if ((flags & TCP_FLAG_RST) !== 0) {
    if (rstExact(tp, skb)) {
      tcpReset(tp, skb);
    } else {
      // RFC 5961 §3.2: in the window, but not exactly the next number. A real peer will answer the challenge with the right one.
      tcpSendChallengeAck(tp);
      net.drop(skb, Drop.TcpReset);
    }
    return false;
  }
  if ((flags & TCP_FLAG_SYN) !== 0 && !crossedSynAck(tp, skb)) {
    synChallenge(tp, skb, established);
    return false;
  }
  return true;
}

/** RFC 7323 R1: an old timestamp. True when the segment has been dropped. */
function pawsDiscard(tp: TcpSock, skb: SkBuff, established: boolean): boolean {
  const { net } = tp;
  const verdict = disorderedAck(tp, skb);
  if (verdict === PAWS_PASS) return false;
  if ((skb.tcpFlags & TCP_FLAG_SYN) !== 0) {
    synChallenge(tp, skb, established);
    return true;
  }
  if (verdict === PAWS_OLD_ACK) {
    net.inc(Mib.TcpExtPAWSOldAck);
  } else {
    net.inc(Mib.TcpExtPAWSEstab);
    if (!oowRateLimited(tp.tcp, tp, skb, Mib.TcpExtTCPACKSkippedPAWS)) tcpSendDupack(tp, skb);
  }
  net.drop(skb, Drop.TcpRfc7323Paws);
  return true;
}

const PAWS_PASS = 0;
const PAWS_DROP = 1;
const PAWS_OLD_ACK = 2;

/**
 * Pure ACKs may overtake each other on multi-path networks, and then the later one looks old. One that repeats the
 * last ACK, moves no window, and is not older than a little more than an RTO is let through.
 */
function disorderedAck(tp: TcpSock, skb: SkBuff): number {
  if ((skb.tcpFlags & TCP_FLAG_ACK) === 0 || skb.seq !== skb.endSeq) return PAWS_DROP;
  if (skb.seq !== tp.rcvNxt) return ((skb.seq - tp.rcvNxt) | 0) < 0 ? PAWS_OLD_ACK : PAWS_DROP;
  if (skb.ackSeq !== tp.sndUna) return PAWS_DROP;
  const window = thWindow(skb.buf, skb.th) << tp.sndWscale;
  if (mayUpdateWindow(tp, skb.ackSeq, skb.seq, window)) return PAWS_DROP;
  const replayMs = Math.floor((tp.rtoUs * 1.2) / 1000);
  return ((tp.tsRecent - tp.rxOpt.tsval) | 0) > replayMs ? PAWS_DROP : PAWS_PASS;
}

/** RFC 9293 §3.10.7.4, fifth: does the segment carry a newer window? */
function mayUpdateWindow(tp: TcpSock, ack: number, ackSeq: number, window: number): boolean {
  return ((tp.sndUna - ack) | 0) < 0 || ((tp.sndWl1 - ackSeq) | 0) < 0 ||
    (ackSeq === tp.sndWl1 && (window > tp.sndWnd || window === 0));
}

/**
 * First: is the segment acceptable? NotDropped, or why not.
 *
 * Differs from RFC 9293 as Linux does: the window's left edge is that of the last ACK sent, so that old duplicates which carry
 * a newer ACK get through; a segment that begins in the window and ends beyond it is taken while nothing is queued (the
 * reader is waiting, the memory is there), else not. A FIN alone needs no window.
 */
export function tcpSequence(tp: TcpSock, skb: SkBuff): Drop {
  if (((skb.endSeq - tp.rcvWup) | 0) < 0) return Drop.TcpOldSequence;
  const edge = (tp.rcvNxt + tcpReceiveWindow(tp)) | 0;
  const end = (skb.endSeq - (skb.tcpFlags & TCP_FLAG_FIN)) | 0;
  if (((edge - end) | 0) >= 0) return Drop.NotDropped;
  if (((edge - skb.seq) | 0) < 0) return Drop.TcpInvalidSequence;
  return tp.receiveQueue.head === null ? Drop.NotDropped : Drop.TcpInvalidEndSequence;
}

/** "If an incoming segment is not acceptable, an acknowledgment should be sent in reply (unless the RST bit is set)". */
function unacceptable(tp: TcpSock, skb: SkBuff, reason: Drop, established: boolean): void {
  const { net } = tp;
  if ((skb.tcpFlags & TCP_FLAG_RST) !== 0) {
    if (rstAfterFin(tp, skb)) tcpReset(tp, skb);
    else net.drop(skb, reason);
    return;
  }
  if ((skb.tcpFlags & TCP_FLAG_SYN) !== 0) {
    synChallenge(tp, skb, established);
    return;
  }
  if (reason !== Drop.TcpOldSequence) net.inc(Mib.TcpExtBeyondWindow);
  if (!oowRateLimited(tp.tcp, tp, skb, Mib.TcpExtTCPACKSkippedSeq)) tcpSendDupack(tp, skb);
  net.drop(skb, reason);
}

/** RFC 5961 §3.2: exactly RCV.NXT. Also the end of the last SACKed block: a peer may count what it has sent in disorder. */
function rstExact(tp: TcpSock, skb: SkBuff): boolean {
  if (skb.seq === tp.rcvNxt || rstAfterFin(tp, skb)) return true;
  if (!tp.sackOk || tp.numSacks === 0) return false;
  let max = tp.selectiveAcks[1]!;
  for (let i = 1; i < tp.numSacks; i++) {
    const end = tp.selectiveAcks[2 * i + 1]!;
    if (((max - end) | 0) < 0) max = end;
  }
  return skb.seq === max;
}

/** Some stacks send a FIN and then a RST with the FIN's own number. */
function rstAfterFin(tp: TcpSock, skb: SkBuff): boolean {
  return skb.seq === ((tp.rcvNxt - 1) | 0) && ((1 << tp.state) & (TCPF_CLOSE_WAIT | TCPF_LAST_ACK | TCPF_CLOSING)) !== 0;
}

/** Simultaneous open: the SYN-ACK that answers our SYN-ACK repeats the SYN that we have. */
function crossedSynAck(tp: TcpSock, skb: SkBuff): boolean {
  return tp.state === TCP_SYN_RECV && tp.listener === null && (skb.tcpFlags & TCP_FLAG_ACK) !== 0 &&
    ((skb.seq + 1) | 0) === skb.endSeq && skb.endSeq === tp.rcvNxt && skb.ackSeq === tp.sndNxt;
}

/** Fourth: a SYN on a living connection draws a challenge ACK (RFC 5961 §4.2), not a reset. Takes the skb. */
function synChallenge(tp: TcpSock, skb: SkBuff, established: boolean): void {
  const { net } = tp;
  if (established) net.inc(Mib.TcpInErrs);
  net.inc(Mib.TcpExtTCPSYNChallenge);
  tcpSendChallengeAck(tp, tcpEcnThirdAckFlags(tp));
  net.drop(skb, Drop.TcpInvalidSyn);
}

/** Tells the peer what we really have, at most twice a second per connection and so often per second and host (RFC 5961 §7). */
export function tcpSendChallengeAck(tp: TcpSock, ecnFlags: number = 0): void {
  if (challengeAllowed(tp.tcp, tp)) tcpSendAck(tp, ecnFlags);
}

/** Second: an acceptable RST. Takes the skb. */
export function tcpReset(tp: TcpSock, skb: SkBuff): void {
  tcpResetSock(tp);
  tp.net.drop(skb, Drop.TcpReset);
}

/** The connection is over because the peer says so, or because it sent what must not come any more. */
export function tcpResetSock(tp: TcpSock): void {
  let err = ECONNRESET;
  switch (tp.state) {
    case TCP_SYN_SENT:
      err = ECONNREFUSED;
      break;
    case TCP_CLOSE_WAIT:
      err = EPIPE;
      break;
    case TCP_CLOSE:
      return;
  }
  tcpDoneWithError(tp, err);
}

/** TS.Recent is the timestamp of this segment. */
export function tcpStoreTsRecent(tp: TcpSock): void {
  tp.tsRecent = tp.rxOpt.tsval;
  tp.tsRecentStamp = clockSeconds(tp.net);
}
