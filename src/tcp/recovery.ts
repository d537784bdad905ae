/**
 * Loss recovery: the state machine Open, Disorder, CWR, Recovery, Loss, and how windows shrink and come back.
 *
 *   Open       nothing unusual                        Recovery   a loss was detected: fast retransmit, PRR (RFC 6675, 6937)
 *   Disorder   SACKs or duplicate ACKs, no loss yet   Loss       a timeout: slow start again, F-RTO (RFC 5682)
 *   CWR        congestion without loss (ECN, local)
 *
 * A reduction that proves to have been for nothing is undone (RFC 3522 Eifel by timestamps, RFC 3708 by D-SACK).
 *
 *   from  tcp/ack.ts    tcpFastretransAlert, for each ACK that is out of the ordinary
 *         tcp/timer.ts  tcpEnterLoss
 *   to    tcp/rack.ts   which segments are lost;  tcp/undo.ts  take the reduction back
 */
import { Mib } from '../dev/mib.ts';
import { CA_EVENT_COMPLETE_CWR, CA_EVENT_LOSS } from './cong/cong.ts';
import { tcpJiffies } from './clock.ts';
import { tcpEcnQueueCwr } from './ecn.ts';
import {
  FLAG_DATA_SACKED, FLAG_ECE, FLAG_LOST_RETRANS, FLAG_ORIG_SACK_ACKED, FLAG_SACK_RENEGING, FLAG_SET_XMIT_TIMER, FLAG_SND_UNA_ADVANCED,
  REXMIT_LOST, REXMIT_NEW,
} from './flags.ts';
import {
  tcpAnyRetransDone, tcpCurrentSsthresh, tcpInCwndReduction, tcpIsReno, tcpLeftOut, tcpPacketsInFlight, tcpWndEnd,
} from './flight.ts';
import { tcpMtupProbeFailed } from './mtu-probe.ts';
import { tcpNewrenoMarkLost, tcpRackMarkLost, tcpRackSkbTimeout } from './rack.ts';
import { tcpAddRenoSack, tcpResetRenoSack } from './reno-sack.ts';
import type { AckState } from './scratch.ts';
import {
  ICSK_TIME_RETRANS, TCP_CA_CWR, TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery, TCP_INFINITE_SSTHRESH, TCPCB_LOST,
  TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, type TcpSock,
} from './sock.ts';
import { resetXmitTimer } from './timer.ts';
import { tcpTryUndoDsack, tcpTryUndoLoss, tcpTryUndoPartial, tcpTryUndoRecovery } from './undo.ts';
import type { SkBuff } from '../skb/sk-buff.ts';

export function tcpSetCaState(tp: TcpSock, state: number): void {
  tp.ca.setState(tp, state);
  tp.caState = state;
}

// ---- marking

/** A segment is believed lost. One that was retransmitted is believed lost again. */
export function tcpMarkSkbLost(tp: TcpSock, skb: SkBuff): void {
  const { sacked } = skb;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) return;
  const pcount = skb.gsoSegs;
  const hint = tp.retransmitSkbHint;
  if (hint === null ? tp.retransOut >= tp.lostOut : ((skb.seq - hint.seq) | 0) < 0) tp.retransmitSkbHint = skb;
  if ((sacked & TCPCB_LOST) !== 0) {
    if ((sacked & TCPCB_SACKED_RETRANS) === 0) return;
    skb.sacked &= ~TCPCB_SACKED_RETRANS;
    tp.retransOut -= pcount;
    tp.net.mib[Mib.TcpExtTCPLostRetransmit]! += pcount;
  } else {
    tp.lostOut += pcount;
    skb.sacked |= TCPCB_LOST;
  }
  tp.lost += pcount;
}

// ---- reductions

/** The window is about to be reduced: remembers how it was. */
function tcpInitUndo(tp: TcpSock): void {
  tp.undoMarker = tp.sndUna;
  // Retransmissions that are still out may be reported by D-SACK later.
  tp.undoRetrans = tp.retransOut;
  if (tp.tlpHighSeq !== 0 && tp.tlpRetrans) tp.undoRetrans++;
  if (tp.undoRetrans === 0) tp.undoRetrans = -1;
}

function tcpInitCwndReduction(tp: TcpSock): void {
  tp.highSeq = tp.sndNxt;
  tp.tlpHighSeq = 0;
  tp.sndCwndCnt = 0;
  tp.priorCwnd = tp.sndCwnd;
  tp.prrDelivered = 0;
  tp.prrOut = 0;
  tp.sndSsthresh = tp.ca.ssthresh(tp);
  tcpEcnQueueCwr(tp);
}

/**
 * Proportional rate reduction (RFC 6937): each delivered segment lets go so many that the window glides to ssthresh within a
 * round trip, and no burst follows a stretch of lost ACKs.
 */
export function tcpCwndReduction(tp: TcpSock, newlyDelivered: number, newlyLost: number, flag: number): void {
  if (newlyDelivered <= 0 || tp.priorCwnd === 0) return;
  const inFlight = tcpPacketsInFlight(tp);
  const delta = tp.sndSsthresh - inFlight;
  tp.prrDelivered += newlyDelivered;
  let sndcnt: number;
  if (delta < 0) {
    sndcnt = Math.floor((tp.sndSsthresh * tp.prrDelivered + tp.priorCwnd - 1) / tp.priorCwnd) - tp.prrOut;
  } else {
    sndcnt = Math.max(tp.prrDelivered - tp.prrOut, newlyDelivered);
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0 && newlyLost === 0) sndcnt++;
    sndcnt = Math.min(delta, sndcnt);
  }
  // The fast retransmit itself goes out in any case.
  sndcnt = Math.max(sndcnt, tp.prrOut === 0 ? 1 : 0);
  tp.sndCwnd = Math.max(1, inFlight + sndcnt);
}

/** The reduction is complete: the window is what ssthresh says. */
function tcpEndCwndReduction(tp: TcpSock): void {
  if (tp.sndSsthresh < TCP_INFINITE_SSTHRESH && (tp.caState === TCP_CA_CWR || tp.undoMarker !== 0)) {
    tp.sndCwnd = tp.sndSsthresh;
    tp.sndCwndStamp = tcpJiffies(tp);
  }
  tp.ca.cwndEvent(tp, CA_EVENT_COMPLETE_CWR);
}

/** Congestion without a loss (ECN, a queue of this host): reduces the window once per round trip. */
export function tcpEnterCwr(tp: TcpSock): void {
  tp.priorSsthresh = 0;
  if (tp.caState >= TCP_CA_CWR) return;
  tp.undoMarker = 0;
  tcpInitCwndReduction(tp);
  tcpSetCaState(tp, TCP_CA_CWR);
}

/** A loss was detected: fast recovery begins. */
export function tcpEnterRecovery(tp: TcpSock, eceAck: boolean): void {
  if (!tcpAnyRetransDone(tp)) tp.retransStamp = 0;
  tp.net.inc(tcpIsReno(tp) ? Mib.TcpExtTCPRenoRecovery : Mib.TcpExtTCPSackRecovery);
  tp.priorSsthresh = 0;
  tcpInitUndo(tp);
  if (!tcpInCwndReduction(tp)) {
    if (!eceAck) tp.priorSsthresh = tcpCurrentSsthresh(tp);
    tcpInitCwndReduction(tp);
  }
  tcpSetCaState(tp, TCP_CA_Recovery);
}

/** The retransmission timer ran out: everything that is not just sent counts as lost, one segment may go (RFC 5681 §3.1). */
export function tcpEnterLoss(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  const newRecovery = tp.caState < TCP_CA_Recovery;
  tcpTimeoutMarkLost(tp);
  // Once per window of data: a second timeout for the same data does not reduce ssthresh again.
  if (
    tp.caState <= TCP_CA_Disorder ||
    ((tp.sndUna - tp.highSeq) | 0) >= 0 ||
    (tp.caState === TCP_CA_Loss && tp.retransmits === 0)
  ) {
    tp.priorSsthresh = tcpCurrentSsthresh(tp);
    tp.priorCwnd = tp.sndCwnd;
    tp.sndSsthresh = tp.ca.ssthresh(tp);
    tp.ca.cwndEvent(tp, CA_EVENT_LOSS);
    tcpInitUndo(tp);
  }
  tp.sndCwnd = tcpPacketsInFlight(tp) + 1;
  tp.sndCwndCnt = 0;
  tp.sndCwndStamp = tcpJiffies(tp);
  // Many duplicate ACKs and yet a timeout: the degree of reordering was overestimated.
  if (tp.caState <= TCP_CA_Disorder && tp.sackedOut >= sysctl.tcpReordering) {
    tp.reordering = Math.min(tp.reordering, sysctl.tcpReordering);
  }
  tcpSetCaState(tp, TCP_CA_Loss);
  tp.highSeq = tp.sndNxt;
  tp.tlpHighSeq = 0;
  tcpEcnQueueCwr(tp);
  // RFC 5682 §3.1, step 1: not when a recovery was going on, unless SND.UNA has moved since.
  tp.frto = sysctl.tcpFrto !== 0 && (newRecovery || tp.retransmits > 0);
}

function tcpTimeoutMarkLost(tp: TcpSock): void {
  const head = tp.rtxQueue.head;
  const reneg = head !== null && (head.sacked & TCPCB_SACKED_ACKED) !== 0;
  if (reneg) {
    // The peer has thrown away what it had SACKed (RFC 2018 §8 allows it): forget all SACKs.
    tp.net.inc(Mib.TcpExtTCPSACKReneging);
    tp.sackedOut = 0;
    tp.sackReneg = true;
  } else if (tcpIsReno(tp)) {
    tcpResetRenoSack(tp);
  }
  for (let skb = head; skb !== null; skb = skb.next) {
    if (reneg) skb.sacked &= ~TCPCB_SACKED_ACKED;
    else if (skb !== head && tcpRackSkbTimeout(tp, skb, 0) > 0) continue; // sent a moment ago: not lost yet
    tcpMarkSkbLost(tp, skb);
  }
  tp.retransmitSkbHint = null;
}

// ---- the state machine

/** The head of the queue is SACKed: the receiver reneges, or a middlebox is at play. Half a round trip later we believe it. */
function tcpCheckSackReneging(tp: TcpSock, st: AckState): boolean {
  if ((st.flag & FLAG_SACK_RENEGING) === 0 || (st.flag & FLAG_SND_UNA_ADVANCED) === 0) return false;
  const delayUs = Math.max(tp.srttUs >> 4, 10000);
  resetXmitTimer(tp, ICSK_TIME_RETRANS, delayUs);
  st.flag &= ~FLAG_SET_XMIT_TIMER;
  return true;
}

/** Finds what is lost. A RACK timer that is set stands in for the retransmission timer. */
function tcpIdentifyPacketLoss(tp: TcpSock, st: AckState): void {
  if (tp.rtxQueue.head === null) return;
  if (tcpIsReno(tp)) {
    tcpNewrenoMarkLost(tp, (st.flag & FLAG_SND_UNA_ADVANCED) !== 0);
    return;
  }
  const retrans = tp.retransOut;
  if (tcpRackMarkLost(tp)) st.flag &= ~FLAG_SET_XMIT_TIMER;
  if (retrans > tp.retransOut) st.flag |= FLAG_LOST_RETRANS;
}

/** Open or Disorder, by what is SACKed or retransmitted. */
export function tcpTryKeepOpen(tp: TcpSock): void {
  const state = tcpLeftOut(tp) > 0 || tcpAnyRetransDone(tp) ? TCP_CA_Disorder : TCP_CA_Open;
  if (tp.caState === state) return;
  tcpSetCaState(tp, state);
  tp.highSeq = tp.sndNxt;
}

function tcpTryToOpen(tp: TcpSock, flag: number): void {
  if (!tcpAnyRetransDone(tp)) tp.retransStamp = 0;
  if ((flag & FLAG_ECE) !== 0) tcpEnterCwr(tp);
  if (tp.caState !== TCP_CA_CWR) tcpTryKeepOpen(tp);
}

/**
 * An ACK that is out of the ordinary: a duplicate, with SACK or D-SACK or ECE, or during recovery. Moves the state machine and
 * marks what is lost; what to send is left in `st.rexmit`.
 */
export function tcpFastretransAlert(tp: TcpSock, priorSndUna: number, numDupack: number, st: AckState): void {
  const { flag } = st;
  const eceAck = (flag & FLAG_ECE) !== 0;
  if (tp.packetsOut === 0 && tp.sackedOut > 0) tp.sackedOut = 0;
  if (eceAck) tp.priorSsthresh = 0; // the reduction is asked for: no undo
  if (tcpCheckSackReneging(tp, st)) return;
  if (tcpExitStates(tp)) return;

  switch (tp.caState) {
    case TCP_CA_Recovery:
      if ((flag & FLAG_SND_UNA_ADVANCED) === 0) {
        if (tcpIsReno(tp)) tcpAddRenoSack(tp, numDupack);
      } else if (tcpTryUndoPartial(tp, priorSndUna)) {
        return;
      }
      if (tcpTryUndoDsack(tp)) tcpTryToOpen(tp, flag);
      tcpIdentifyPacketLoss(tp, st);
      if (tp.caState !== TCP_CA_Recovery) {
        // Undone. But a loss may be evident all the same.
        if (tp.lostOut === 0) return;
        tcpEnterRecovery(tp, eceAck);
      }
      break;
    case TCP_CA_Loss:
      tcpProcessLoss(tp, flag, numDupack, st);
      if (stateOf(tp) !== TCP_CA_Loss) rtoRepaired(tp);
      tcpIdentifyPacketLoss(tp, st);
      // Go on below when the window was restored, or a retransmission was lost in its turn.
      if (stateOf(tp) !== TCP_CA_Open && (st.flag & FLAG_LOST_RETRANS) === 0) return;
      if (!tcpOpenOrDisorder(tp, numDupack, st)) return;
      break;
    default:
      if (!tcpOpenOrDisorder(tp, numDupack, st)) return;
  }
  st.rexmit = REXMIT_LOST;
}

/** What a timeout began is over: how long it took, for TCP_INFO (Linux: tcp_update_rto_time). */
function rtoRepaired(tp: TcpSock): void {
  if (tp.rtoStampMs < 0) return;
  tp.totalRtoTimeMs += tcpJiffies(tp) - tp.rtoStampMs;
  tp.rtoStampMs = -1;
}

/** The state, which a call may have changed behind the compiler's back. */
function stateOf(tp: TcpSock): number {
  return tp.caState;
}

/** Which states end when all that was out at their beginning is acknowledged. True: nothing more to do. */
function tcpExitStates(tp: TcpSock): boolean {
  if (tp.caState === TCP_CA_Open) {
    tp.retransStamp = 0;
    return false;
  }
  if (((tp.sndUna - tp.highSeq) | 0) < 0) return false;
  if (tp.caState === TCP_CA_CWR) {
    // CWR is held until something above is acknowledged, so that the CWR bit reaches the receiver.
    if (tp.sndUna !== tp.highSeq) {
      tcpEndCwndReduction(tp);
      tcpSetCaState(tp, TCP_CA_Open);
    }
  } else if (tp.caState === TCP_CA_Recovery) {
    if (tcpIsReno(tp)) tcpResetRenoSack(tp);
    if (tcpTryUndoRecovery(tp)) return true;
    tcpEndCwndReduction(tp);
  }
  return false;
}

/** Open, Disorder, CWR: does a recovery begin? False: no. */
function tcpOpenOrDisorder(tp: TcpSock, numDupack: number, st: AckState): boolean {
  if (tcpIsReno(tp)) {
    if ((st.flag & FLAG_SND_UNA_ADVANCED) !== 0) tcpResetRenoSack(tp);
    tcpAddRenoSack(tp, numDupack);
  }
  if (tp.caState <= TCP_CA_Disorder) tcpTryUndoDsack(tp);
  tcpIdentifyPacketLoss(tp, st);
  if (tp.lostOut === 0) {
    tcpTryToOpen(tp, st.flag);
    return false;
  }
  if (tp.mtup !== null && tcpMtupProbeFailed(tp)) return false;
  tcpEnterRecovery(tp, (st.flag & FLAG_ECE) !== 0);
  return true;
}

/** An ACK after a timeout: was it spurious (F-RTO, RFC 5682 §3.1, with SACK), is it over, what goes next? */
function tcpProcessLoss(tp: TcpSock, flag: number, numDupack: number, st: AckState): void {
  const recovered = ((tp.sndUna - tp.highSeq) | 0) >= 0;
  const advanced = (flag & FLAG_SND_UNA_ADVANCED) !== 0;
  if (advanced && tcpTryUndoLoss(tp, false)) return;
  if (tp.frto) {
    // Step 3.b: data was (S)ACKed that was never retransmitted: not everything was lost.
    if ((flag & FLAG_ORIG_SACK_ACKED) !== 0 && tcpTryUndoLoss(tp, true)) return;
    if (((tp.highSeq - tp.sndNxt) | 0) < 0) {
      if ((flag & FLAG_DATA_SACKED) !== 0 || numDupack > 0) tp.frto = false; // step 3.a: the loss was real
    } else if (advanced && !recovered) {
      tp.highSeq = tp.sndNxt;
      // Step 2.b: new data, when the window has been set for it; its ACKs will tell.
      if (tp.writeQueue.head !== null && ((tcpWndEnd(tp) - tp.sndNxt) | 0) > 0) {
        st.rexmit = REXMIT_NEW;
        return;
      }
      tp.frto = false;
    }
  }
  if (recovered) {
    tcpTryUndoRecovery(tp);
    return;
  }
  if (tcpIsReno(tp)) {
    // A duplicate ACK after step 2.b means that new data was delivered.
    if (((tp.highSeq - tp.sndNxt) | 0) < 0 && numDupack > 0) tcpAddRenoSack(tp, numDupack);
    else if (advanced) tcpResetRenoSack(tp);
  }
  st.rexmit = REXMIT_LOST;
}

/** The ACK shows that the loss probe repaired a loss: RFC 8985 §7.6.3 asks for a reduction. */
export function tcpTlpReduce(tp: TcpSock): void {
  tcpInitCwndReduction(tp);
  tcpSetCaState(tp, TCP_CA_CWR);
  tcpEndCwndReduction(tp);
  tcpTryKeepOpen(tp);
  tp.net.inc(Mib.TcpExtTCPLossProbeRecovery);
}
