/**
 * RACK (RFC 8985): a segment is lost when one that was sent later has been delivered, and the time in which reordering could
 * explain it has passed. One rule for originals and retransmissions; a timer when the time has not passed yet.
 * Without SACK: NewReno (RFC 6582), by counting duplicate ACKs.
 */
import { tcpPacketsInFlight, tcpSkbSentAfter } from './flight.ts';
import { tcpCurrentMss } from './mss.ts';
import { tcpCwndReduction, tcpEnterRecovery, tcpMarkSkbLost } from './recovery.ts';
import { tcpXmitRetransmitQueue } from './retransmit.ts';
import type { AckState } from './scratch.ts';
import { tcpFragment, tsortedRemove } from './segment.ts';
import {
  ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS, TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_SACKED_RETRANS, TCP_CA_Recovery, type TcpSock,
} from './sock.ts';
import { resetXmitTimer, TCP_TIMEOUT_MIN_US, tcpRearmRto } from './timer.ts';
import { TCP_RACK_RECOVERY_THRESH } from './undo.ts';
import type { SkBuff } from '../skb/sk-buff.ts';

/** Bits of net.ipv4.tcp_recovery. */
const TCP_RACK_STATIC_REO_WND = 2;
const TCP_RACK_NO_DUPTHRESH = 4;

/** How long reordering is waited for, microseconds (RFC 8985 §6.2, step 4). */
function tcpRackReoWnd(tp: TcpSock): number {
  if (tp.reordSeen === 0) {
    // No reordering seen on this path: none is waited for in recovery, or when enough is SACKed (the classic rule).
    if (tp.caState >= TCP_CA_Recovery) return 0;
    if (tp.sackedOut >= tp.reordering && (tp.tcp.sysctl.tcpRecovery & TCP_RACK_NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min((tp.minRttUs >> 2) * tp.rackReoWndSteps, tp.srttUs >> 3);
}

/** Microseconds until `skb` counts as lost; 0 or less: it does now. */
export function tcpRackSkbTimeout(tp: TcpSock, skb: SkBuff, reoWnd: number): number {
  return tp.rackRttUs + reoWnd - (tp.mstampUs - skb.sentUs);
}

/** Marks what is lost; how long the others have to be waited for is left in `scratch.reoTimeoutUs`. */
function tcpRackDetectLoss(tp: TcpSock): void {
  const reoWnd = tcpRackReoWnd(tp);
  let longest = 0;
  let skb = tp.tsortedHead;
  while (skb !== null) {
    const next: SkBuff | null = skb.tsNext;
    const marked = (skb.sacked & TCPCB_LOST) !== 0 && (skb.sacked & TCPCB_SACKED_RETRANS) === 0;
    if (!marked) {
      if (!tcpSkbSentAfter(tp.rackMstamp, skb.sentUs, tp.rackEndSeq, skb.endSeq)) break;
      const remaining = tcpRackSkbTimeout(tp, skb, reoWnd);
      if (remaining <= 0) {
        tcpMarkSkbLost(tp, skb);
        tsortedRemove(tp, skb); // back when it is retransmitted
      } else {
        longest = Math.max(longest, remaining);
      }
    }
    skb = next;
  }
  tp.tcp.scratch.reoTimeoutUs = longest;
}

/** After an ACK that delivered something sent later than before. True: the reordering timer has been set. */
export function tcpRackMarkLost(tp: TcpSock): boolean {
  if (!tp.rackAdvanced) return false;
  tp.rackAdvanced = false;
  tcpRackDetectLoss(tp);
  const timeout = tp.tcp.scratch.reoTimeoutUs;
  if (timeout === 0) return false;
  resetXmitTimer(tp, ICSK_TIME_REO_TIMEOUT, timeout + TCP_TIMEOUT_MIN_US);
  return true;
}

/** A segment was delivered: remembers the one that was sent last. */
export function tcpRackAdvance(tp: TcpSock, sacked: number, endSeq: number, sentUs: number): void {
  const rttUs = tp.mstampUs - sentUs;
  // Faster than the path can be: the ACK was for the original, not for this retransmission.
  if (rttUs < tp.minRttUs && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) !== 0) return;
  tp.rackAdvanced = true;
  tp.rackRttUs = rttUs;
  if (tcpSkbSentAfter(sentUs, tp.rackMstamp, endSeq, tp.rackEndSeq)) {
    tp.rackMstamp = sentUs;
    tp.rackEndSeq = endSeq;
  }
}

/** The reordering timer: what has not come by now is lost. */
export function tcpRackReoTimeout(tp: TcpSock): void {
  const priorInFlight = tcpPacketsInFlight(tp);
  const priorLost = tp.lost;
  tcpRackDetectLoss(tp);
  if (priorInFlight !== tcpPacketsInFlight(tp)) {
    if (tp.caState !== TCP_CA_Recovery) {
      tcpEnterRecovery(tp, false);
      tcpCwndReduction(tp, 1, tp.lost - priorLost, 0);
    }
    tcpXmitRetransmitQueue(tp);
  }
  if (tp.pendingTimer !== ICSK_TIME_RETRANS) tcpRearmRto(tp);
}

/** Adapts the reordering window: wider by a quarter RTT per round trip with D-SACKs, back after 16 recoveries without. */
export function tcpRackUpdateReoWnd(tp: TcpSock, rs: AckState): void {
  if ((tp.tcp.sysctl.tcpRecovery & TCP_RACK_STATIC_REO_WND) !== 0 || rs.priorDelivered === 0) return;
  if (rs.priorDelivered < tp.rackLastDelivered) tp.rackDsackSeen = false; // once per round trip
  if (tp.rackDsackSeen) {
    tp.rackReoWndSteps = Math.min(0xff, tp.rackReoWndSteps + 1);
    tp.rackDsackSeen = false;
    tp.rackLastDelivered = tp.delivered;
    tp.rackReoWndPersist = TCP_RACK_RECOVERY_THRESH;
  } else if (tp.rackReoWndPersist === 0) {
    tp.rackReoWndSteps = 1;
  }
}

/** RFC 6582: three duplicate ACKs, or a partial ACK in recovery: the first segment is lost. */
export function tcpNewrenoMarkLost(tp: TcpSock, sndUnaAdvanced: boolean): void {
  const { caState } = tp;
  const dupThresh = caState < TCP_CA_Recovery && tp.sackedOut >= tp.reordering;
  if (!dupThresh && !(caState === TCP_CA_Recovery && sndUnaAdvanced)) return;
  const skb = tp.rtxQueue.head!;
  if ((skb.sacked & TCPCB_LOST) !== 0) return;
  const mss = tcpCurrentMss(tp);
  if (skb.gsoSegs > 1 && skb.len > mss) tcpFragment(tp, skb, mss, mss);
  tcpMarkSkbLost(tp, skb);
}
