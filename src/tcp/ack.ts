/**
 * TCP, what the peer has received.
 *
 *   from  tcp/input.ts, state.ts   tcpAck, for each segment with an ACK that lies in the window
 *   to    tcp/sack.ts              the scoreboard
 *         tcp/rtt.ts, rate.ts      samples
 *         tcp/recovery.ts          whatever is out of the ordinary
 *         tcp/cong/*               the window grows;  tcp/retransmit.ts, xmit.ts   what goes out in answer
 *
 * Order: SACK first, then what is cumulatively acknowledged, then losses, then the timers, then the window, and at the very
 * end retransmissions. New data is sent afterwards, by tcpDataSndCheck.
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_SYN_SENT } from '../sock/constants.ts';
import { TCP_FLAG_ECE, TCP_FLAG_SYN, thWindow } from '../wire/tcp.ts';
import { TCP_CHRONO_BUSY, tcpChronoStop } from './chrono.ts';
import { tcpJiffies, tcpMstampRefresh } from './clock.ts';
import { tcpSlowStartAfterIdleCheck, tcpUpdatePacingRate } from './cwnd.ts';
import {
  FLAG_ACKED, FLAG_ACK_MAYBE_DELAYED, FLAG_CA_ALERT, FLAG_DATA, FLAG_DATA_ACKED, FLAG_DATA_SACKED, FLAG_DSACKING_ACK, FLAG_DSACK_TLP,
  FLAG_ECE, FLAG_FORWARD_PROGRESS, FLAG_NOT_DUP, FLAG_NO_CHALLENGE_ACK, FLAG_ORIG_SACK_ACKED, FLAG_RETRANS_DATA_ACKED,
  FLAG_SACK_RENEGING, FLAG_SET_XMIT_TIMER, FLAG_SLOWPATH, FLAG_SND_UNA_ADVANCED, FLAG_SYN_ACKED, FLAG_TS_PROGRESS,
  FLAG_UPDATE_TS_RECENT,
  FLAG_WIN_UPDATE, REXMIT_LOST, REXMIT_NEW, REXMIT_NONE,
} from './flags.ts';
import { tcpAccEcnProcess, tcpFastPathOn } from './accecn.ts';
import { tcpEcnAccEcn, tcpEcnRfc3168 } from './ecn.ts';
import { tcpHighestSackSeq, tcpInCwndReduction, tcpIsReno, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { tcpSendChallengeAck, tcpStoreTsRecent } from './input.ts';
import { tcpConfirmNeigh } from './dst.ts';
import { tcpMemReclaim } from './memory.ts';
import { tcpCurrentMss, tcpSyncMss } from './mss.ts';
import { tcpMtupProbeSuccess } from './mtu-probe.ts';
import { pawsCheck } from './paws.ts';
import { tcpRackAdvance, tcpRackUpdateReoWnd } from './rack.ts';
import { tcpRateGen, tcpRateSkbDelivered } from './rate.ts';
import { tcpCwndReduction, tcpFastretransAlert, tcpTlpReduce } from './recovery.ts';
import { tcpCheckSackReordering, tcpRemoveRenoSacks } from './reno-sack.ts';
import { tcpXmitRetransmitQueue } from './retransmit.ts';
import { tcpAckUpdateRtt } from './rtt.ts';
import { tcpSacktagWriteQueue } from './sack.ts';
import type { AckState } from './scratch.ts';
import { tcpRtxUnlinkAndFree, tcpTrimHead } from './segment.ts';
import {
  ICSK_TIME_PROBE0, TCP_CA_Open, TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, TCP_NAGLE_OFF,
  type TcpSock,
} from './sock.ts';
import { clearXmitTimer, resetXmitTimer, tcpProbe0Clamped, tcpSetXmitTimer } from './timer.ts';
import { tcpAckTstamp } from './tstamp.ts';
import { tcpPushPendingWith } from './xmit.ts';

const HP_ACKS: number = Mib.TcpExtTCPHPAcks;
const PURE_ACKS: number = Mib.TcpExtTCPPureAcks;

/**
 * Digests the ACK of a segment.
 *
 * @param flags FLAG_SLOWPATH: window and options must be looked at; FLAG_UPDATE_TS_RECENT: the timestamp may be remembered
 * @returns > 0: fine; 0: old, nothing new in it; < 0: unacceptable, minus the reason to drop the segment
 */
export function tcpAck(tp: TcpSock, skb: SkBuff, flags: number): number {
  const { ackSeq: ack } = skb;
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpAck');
  const priorSndUna = tp.sndUna;
  const st = tp.tcp.scratch.ack;
  st.begin(tp.sndNxt);
  st.flag = flags;
  tcpMstampRefresh(tp);
  if (((ack - priorSndUna) | 0) < 0) return oldAck(tp, skb, st);
  if (((tp.sndNxt - ack) | 0) < 0) {
    // RFC 9293 §3.10.7.4, fifth: an ACK for something not yet sent.
    if ((flags & FLAG_NO_CHALLENGE_ACK) === 0) tcpSendChallengeAck(tp);
    return -Drop.TcpAckUnsentData;
  }
  if (ack !== priorSndUna) {
    st.flag |= FLAG_SND_UNA_ADVANCED;
    tp.retransmits = 0;
  }
  const priorFack = tp.sackOk ? tcpHighestSackSeq(tp) : priorSndUna;
  st.priorInFlight = tcpPacketsInFlight(tp);
  if ((flags & FLAG_UPDATE_TS_RECENT) !== 0 && tcpReplaceTsRecent(tp, skb.seq)) st.flag |= FLAG_TS_PROGRESS;
  const priorDelivered = tp.delivered;

  if ((st.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) === FLAG_SND_UNA_ADVANCED) {
    // The window is as it was and SND.UNA moves: nothing else can have changed.
    tp.sndWl1 = skb.seq;
    sndUnaUpdate(tp, ack);
    st.flag |= FLAG_WIN_UPDATE;
    tp.net.mib[HP_ACKS]!++;
  } else {
    slowAck(tp, skb, ack, priorSndUna, st);
  }
  tp.errSoft = 0; // something got through
  tp.probesOut = 0;
  tp.rcvTstampUs = tp.mstampUs;
  if (tp.packetsOut === 0 && tp.rtxQueue.head === null) ackWithoutQueue(tp, skb, priorSndUna, priorDelivered, st);
  else ackWithQueue(tp, skb, priorSndUna, priorFack, priorDelivered, st);
  return 1;
}

/** Below SND.UNA. Its SACK blocks may be news all the same. */
function oldAck(tp: TcpSock, skb: SkBuff, st: AckState): number {
  // RFC 5961 §5.2: older than anything the peer can still be saying is an attack or a ghost.
  const maxWindow = Math.min(tp.maxWindow, tp.bytesAcked);
  if (((skb.ackSeq - (tp.sndUna - maxWindow)) | 0) < 0) {
    if ((st.flag & FLAG_NO_CHALLENGE_ACK) === 0) tcpSendChallengeAck(tp);
    return -Drop.TcpTooOldAck;
  }
  if (tp.rxOpt.numSacks > 0 && (st.flag & FLAG_SLOWPATH) !== 0) {
    const prior = tp.delivered;
    // What they report does not count as delivered here, as in Linux.
    tcpSacktagWriteQueue(tp, skb, tp.sndUna, st);
    accEcn(tp, skb, prior, st);
    tcpFastretransAlert(tp, tp.sndUna, 0, st);
    countDelivered(tp, prior, st.flag);
    tcpXmitRecovery(tp, st.rexmit);
  }
  return 0;
}

/** Window and SACK blocks have to be looked at. */
function slowAck(tp: TcpSock, skb: SkBuff, ack: number, priorSndUna: number, st: AckState): void {
  if (skb.seq !== skb.endSeq) st.flag |= FLAG_DATA;
  else tp.net.mib[PURE_ACKS]!++;
  st.flag |= tcpAckUpdateWindow(tp, skb, ack);
  if (tp.rxOpt.numSacks > 0) {
    tcpSacktagWriteQueue(tp, skb, priorSndUna, st);
    tp.delivered += st.sackDelivered;
  }
  const echo = (skb.tcpFlags & (TCP_FLAG_ECE | TCP_FLAG_SYN)) === TCP_FLAG_ECE;
  if (echo && tcpEcnRfc3168(tp)) st.flag |= FLAG_ECE;
}

/** RFC 7323 §4.3 (2): TS.Recent is that of the segment which covers the last ACK sent; never an older one. True: it is newer. */
function tcpReplaceTsRecent(tp: TcpSock, seq: number): boolean {
  const { rxOpt } = tp;
  if (!rxOpt.sawTstamp || ((seq - tp.rcvWup) | 0) > 0) return false;
  if (!pawsCheck(tp.net, tp.tsRecent, tp.tsRecentStamp, rxOpt.tsval, 0)) return false;
  const newer = ((rxOpt.tsval - tp.tsRecent) | 0) > 0;
  tcpStoreTsRecent(tp);
  return newer;
}

function sndUnaUpdate(tp: TcpSock, ack: number): void {
  tp.bytesAcked += (ack - tp.sndUna) >>> 0;
  tp.sndUna = ack;
}

/** RFC 9293 §3.10.7.4, fifth: SND.WND is updated by newer segments (SND.WL1, SND.WL2); a larger or zero window always counts. */
function tcpAckUpdateWindow(tp: TcpSock, skb: SkBuff, ack: number): number {
  let nwin = thWindow(skb.buf, skb.th);
  if ((skb.tcpFlags & TCP_FLAG_SYN) === 0) nwin <<= tp.sndWscale; // RFC 7323 §2.2: never scaled on a SYN
  const newer = ((skb.seq - tp.sndWl1) | 0) > 0;
  let flag = 0;
  if (ack !== tp.sndUna || newer || (skb.seq === tp.sndWl1 && (nwin > tp.sndWnd || nwin === 0))) {
    flag = FLAG_WIN_UPDATE;
    tp.sndWl1 = skb.seq;
    if (tp.sndWnd !== nwin) {
      tp.sndWnd = nwin;
      if (tp.predFlags === 0) tcpFastPathOn(tp);
      if (tp.writeQueue.head !== null) tcpSlowStartAfterIdleCheck(tp);
      if (nwin > tp.maxWindow) {
        tp.maxWindow = nwin;
        tcpSyncMss(tp, tp.pmtuCookie);
      }
    }
  }
  sndUnaUpdate(tp, ack);
  return flag;
}

/** Nothing was out. */
function ackWithoutQueue(tp: TcpSock, skb: SkBuff, priorSndUna: number, priorDelivered: number, st: AckState): void {
  accEcn(tp, skb, priorDelivered, st);
  if (tp.ca.inAckEvent !== null) tp.ca.inAckEvent(tp, st.flag);
  if ((st.flag & FLAG_DSACKING_ACK) !== 0) {
    tcpFastretransAlert(tp, priorSndUna, 0, st);
    countDelivered(tp, priorDelivered, st.flag);
  }
  tcpAckProbe(tp);
  if (tp.tlpHighSeq !== 0) tcpProcessTlpAck(tp, skb.ackSeq, st.flag);
}

/** Something was out: what has come, what is lost, what next. */
function ackWithQueue(
  tp: TcpSock, skb: SkBuff, priorSndUna: number, priorFack: number, priorDelivered: number, st: AckState,
): void {
  const priorLost = tp.lost;
  tcpCleanRtxQueue(tp, priorFack, priorSndUna, priorDelivered, st);
  tcpRackUpdateReoWnd(tp, st);
  accEcn(tp, skb, priorDelivered, st);
  if (tp.ca.inAckEvent !== null) tp.ca.inAckEvent(tp, st.flag);
  if (tp.tlpHighSeq !== 0) tcpProcessTlpAck(tp, skb.ackSeq, st.flag);
  if ((st.flag & FLAG_NOT_DUP) === 0 || (st.flag & FLAG_CA_ALERT) !== 0 || tp.caState !== TCP_CA_Open) {
    const dup = (st.flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) === 0;
    tcpFastretransAlert(tp, priorSndUna, dup ? 1 : 0, st);
  }
  if ((st.flag & FLAG_SET_XMIT_TIMER) !== 0) tcpSetXmitTimer(tp);
  if ((st.flag & FLAG_FORWARD_PROGRESS) !== 0 || (st.flag & FLAG_NOT_DUP) === 0) tcpConfirmNeigh(tp);
  const delivered = countDelivered(tp, priorDelivered, st.flag);
  tcpRateGen(tp, delivered, tp.lost - priorLost, st);
  tcpCongControl(tp, skb.ackSeq, delivered, st);
  if (st.rexmit !== REXMIT_NONE) tcpXmitRecovery(tp, st.rexmit);
}

/** Accurate ECN: does the ACK tell of marks? Then it is as with ECE (RFC 9768 §3.2.2.2). */
function accEcn(tp: TcpSock, skb: SkBuff, priorDelivered: number, st: AckState): void {
  if (tp.accEcn === null || !tcpEcnAccEcn(tp)) return;
  if (tcpAccEcnProcess(tp, skb, tp.delivered - priorDelivered, st) > 0) st.flag |= FLAG_ECE;
}

/** Under ECE all that this ACK delivers counts as marked (RFC 3168 says no more than "some"). */
function countDelivered(tp: TcpSock, prior: number, flag: number): number {
  const delivered = tp.delivered - prior;
  if (delivered > 0) tp.net.mib[Mib.TcpExtTCPDelivered]! += delivered;
  if ((flag & FLAG_ECE) !== 0) {
    tp.net.mib[Mib.TcpExtTCPDeliveredCE]! += delivered;
    if (tcpEcnRfc3168(tp)) tp.deliveredCe += delivered;
  }
  return delivered;
}

/** The window, after all that (Linux: tcp_cong_control). */
function tcpCongControl(tp: TcpSock, ack: number, delivered: number, st: AckState): void {
  if (tp.ca.congControl !== null) {
    tp.ca.congControl(tp, st);
    return;
  }
  if (tcpInCwndReduction(tp)) {
    tcpCwndReduction(tp, delivered, st.losses, st.flag);
  } else if (mayRaiseCwnd(tp, st.flag)) {
    tp.ca.congAvoid(tp, ack, delivered);
    tp.sndCwndStamp = tcpJiffies(tp);
  }
  tcpUpdatePacingRate(tp);
}

/** On a path that reorders much, any delivery lets the window grow; else only what is in order (RFC 5681). */
function mayRaiseCwnd(tp: TcpSock, flag: number): boolean {
  const need = tp.reordering > tp.tcp.sysctl.tcpReordering ? FLAG_FORWARD_PROGRESS : FLAG_DATA_ACKED;
  return (flag & need) !== 0;
}

/** What the ACK asks for: retransmissions first, then new data. */
function tcpXmitRecovery(tp: TcpSock, rexmit: number): void {
  // In SYN_SENT the peer's SYN has not been taken in yet: there is nothing that a segment could acknowledge.
  if (rexmit === REXMIT_NONE || tp.state === TCP_SYN_SENT) return;
  if (rexmit === REXMIT_NEW) {
    tcpPushPendingWith(tp, tcpCurrentMss(tp), TCP_NAGLE_OFF);
    if (((tp.sndNxt - tp.highSeq) | 0) > 0) return;
    tp.frto = false; // nothing new could go: an ordinary recovery
  }
  if (rexmit === REXMIT_NEW || rexmit === REXMIT_LOST) tcpXmitRetransmitQueue(tp);
}

// ---- what is acknowledged leaves the queue

/** Frees what lies below SND.UNA and takes the samples. */
function tcpCleanRtxQueue(tp: TcpSock, priorFack: number, priorSndUna: number, priorDelivered: number, st: AckState): void {
  const { sndUna } = tp;
  const priorSacked = tp.sackedOut;
  let firstAckt = -1;
  let lastAckt = -1;
  let pktsAcked = 0;
  let reord = tp.sndNxt;
  let fullyAcked = true;
  let skb = tp.rtxQueue.head;
  while (skb !== null) {
    const { seq, endSeq, sacked, sentUs, len } = skb;
    let pcount = skb.gsoSegs;
    if (((endSeq - sndUna) | 0) > 0) {
      if (pcount === 1 || ((sndUna - seq) | 0) <= 0) break;
      pcount = tsoAcked(tp, skb);
      if (pcount === 0) break;
      fullyAcked = false;
    }
    if ((sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) !== 0) {
      st.flag |= FLAG_RETRANS_DATA_ACKED;
    } else if ((sacked & TCPCB_SACKED_ACKED) === 0) {
      lastAckt = sentUs;
      if (firstAckt < 0) firstAckt = sentUs;
      if (((seq - reord) | 0) < 0) reord = seq;
      if (((endSeq - tp.highSeq) | 0) <= 0) st.flag |= FLAG_ORIG_SACK_ACKED;
    }
    scoreAcked(tp, skb, sacked, pcount, endSeq);
    if ((sacked & TCPCB_SACKED_ACKED) === 0) st.deliveredBytes += fullyAcked ? len : len - skb.len;
    pktsAcked += pcount;
    tcpRateSkbDelivered(tp, skb, st);
    if ((skb.tcpFlags & TCP_FLAG_SYN) === 0) {
      st.flag |= FLAG_DATA_ACKED;
    } else {
      st.flag |= FLAG_SYN_ACKED;
      tp.retransStamp = 0;
    }
    if (!fullyAcked) break;
    if (skb.txFlags !== 0) tcpAckTstamp(tp, skb, priorSndUna);
    const next: SkBuff | null = skb.next;
    if (skb === tp.retransmitSkbHint) tp.retransmitSkbHint = null;
    if (skb === tp.highestSack) tp.highestSack = next;
    tcpRtxUnlinkAndFree(tp, skb);
    skb = next;
  }
  tcpMemReclaim(tp);
  if (skb === null) tcpChronoStop(tp, TCP_CHRONO_BUSY);
  else if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) st.flag |= FLAG_SACK_RENEGING;
  if (skb !== null && skb.txFlags !== 0) tcpAckTstamp(tp, skb, priorSndUna);
  // The urgent byte has been acknowledged.
  if (((sndUna - tp.sndUp) >>> 0) <= ((sndUna - priorSndUna) >>> 0)) tp.sndUp = sndUna;
  ackSamples(tp, skb, firstAckt, lastAckt, pktsAcked, fullyAcked, priorSacked, priorSndUna, priorDelivered, st);
  if ((st.flag & FLAG_ACKED) !== 0) {
    st.flag |= FLAG_SET_XMIT_TIMER;
    const p = tp.mtup;
    if (p !== null && p.size !== 0 && ((p.seqEnd - sndUna) | 0) <= 0) tcpMtupProbeSuccess(tp, p);
    if (tcpIsReno(tp)) {
      tcpRemoveRenoSacks(tp, pktsAcked);
      // Without SACK nobody can tell an original from its retransmission.
      if ((st.flag & FLAG_RETRANS_DATA_ACKED) !== 0) st.flag &= ~FLAG_ORIG_SACK_ACKED;
    } else if (((reord - priorFack) | 0) < 0) {
      tcpCheckSackReordering(tp, reord, false); // a hole was filled that had not been retransmitted
    }
  }
  const { sample } = tp.tcp.scratch;
  sample.pktsAcked = pktsAcked;
  sample.rttUs = st.rttUs;
  sample.inFlight = st.priorInFlight;
  tp.ca.pktsAcked(tp, sample);
}

/** `pcount` segments of `skb` are acknowledged: the scoreboard forgets them. */
function scoreAcked(tp: TcpSock, skb: SkBuff, sacked: number, pcount: number, endSeq: number): void {
  if ((sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retransOut -= pcount;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) {
    tp.sackedOut -= pcount;
  } else if (tp.sackOk) {
    tp.delivered += pcount;
    if (!spuriousRetrans(tp, sacked, skb.sentUs)) tcpRackAdvance(tp, sacked, endSeq, skb.sentUs);
  }
  if ((sacked & TCPCB_LOST) !== 0) tp.lostOut -= pcount;
  tp.packetsOut -= pcount;
}

/** Was it the original that arrived, and not the retransmission of `sentUs`? The echoed timestamp tells. */
function spuriousRetrans(tp: TcpSock, sacked: number, sentUs: number): boolean {
  if ((sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) === 0) return false;
  const { rxOpt } = tp;
  return rxOpt.sawTstamp && rxOpt.tsecr !== 0 && ((rxOpt.tsecr - Math.floor(sentUs / 1000)) | 0) < 0;
}

/** Part of a super-packet is acknowledged: trims it. Returns how many whole segments that is. */
function tsoAcked(tp: TcpSock, skb: SkBuff): number {
  const before = skb.gsoSegs;
  tcpTrimHead(tp, skb, (tp.sndUna - skb.seq) | 0);
  return before - skb.gsoSegs;
}

/** The RTT samples of this ACK. */
function ackSamples(
  tp: TcpSock, head: SkBuff | null, firstAckt: number, lastAckt: number, pktsAcked: number, fullyAcked: boolean,
  priorSacked: number, priorSndUna: number, priorDelivered: number, st: AckState,
): void {
  const now = tp.mstampUs;
  let seqRtt = -1;
  let caRtt = -1;
  let sackRtt = -1;
  if (firstAckt >= 0 && (st.flag & FLAG_RETRANS_DATA_ACKED) === 0) {
    seqRtt = now - firstAckt;
    caRtt = now - lastAckt;
    // A lone runt: its ACK was probably delayed.
    if (
      pktsAcked === 1 && fullyAcked && priorSacked === 0 && ((tp.sndUna - priorSndUna) | 0) < tp.mssCache &&
      priorDelivered + 1 === tp.delivered && (st.flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED)) === 0
    ) {
      st.flag |= FLAG_ACK_MAYBE_DELAYED;
    }
  }
  if (st.firstSackt >= 0) {
    sackRtt = now - st.firstSackt;
    caRtt = now - st.lastSackt;
  }
  const updated = tcpAckUpdateRtt(tp, st.flag, seqRtt, sackRtt, caRtt, st);
  if ((st.flag & FLAG_ACKED) !== 0 || head === null || !updated) return;
  // SACKs for what was sent after the head: the head is still owed, and the timer may start again.
  if (sackRtt >= 0 && sackRtt > now - head.sentUs) st.flag |= FLAG_SET_XMIT_TIMER;
}

// ---- probes

/** An answer to a zero-window probe: is the window open now? */
function tcpAckProbe(tp: TcpSock): void {
  const head = tp.writeQueue.head;
  if (head === null) return;
  if (((head.endSeq - tcpWndEnd(tp)) | 0) <= 0) {
    tp.backoff = 0;
    tp.probesTstamp = 0;
    if (tp.pendingTimer === ICSK_TIME_PROBE0) clearXmitTimer(tp);
    // Whoever called sends what the window takes: tcpDataSndCheck.
  } else {
    resetXmitTimer(tp, ICSK_TIME_PROBE0, tcpProbe0Clamped(tp));
  }
}

/** The answer to a loss probe: did the probe repair a loss (RFC 8985 §7.6.3)? */
function tcpProcessTlpAck(tp: TcpSock, ack: number, flag: number): void {
  if (((ack - tp.tlpHighSeq) | 0) < 0) return;
  if (!tp.tlpRetrans || (flag & FLAG_DSACK_TLP) !== 0) {
    tp.tlpHighSeq = 0; // new data, or the original had arrived as well: no loss
  } else if (ack !== tp.tlpHighSeq) {
    tcpTlpReduce(tp);
  } else if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0) {
    tp.tlpHighSeq = 0; // a duplicate ACK: original and probe arrived
  }
}
