/**
 * Taking a reduction back: nothing was lost after all.
 *
 * Two proofs: the ACK echoes a timestamp from before the first retransmission (Eifel, RFC 3522 and RFC 4015), or D-SACKs tell
 * that every retransmission was a duplicate (RFC 3708).
 */
import { Mib } from '../dev/mib.ts';
import { TCP_SYN_SENT } from '../sock/constants.ts';
import { tcpJiffies } from './clock.ts';
import { tcpEcnWithdrawCwr } from './ecn.ts';
import { tcpAnyRetransDone, tcpIsReno } from './flight.ts';
import { tcpSetCaState, tcpTryKeepOpen } from './recovery.ts';
import { tcpCheckSackReordering } from './reno-sack.ts';
import { TCP_CA_Loss, TCP_CA_Open, TCPCB_LOST, type TcpSock } from './sock.ts';

/** How many recoveries a widened reordering window survives without a D-SACK. */
export const TCP_RACK_RECOVERY_THRESH = 16;

/** Was the segment that is acknowledged sent before the first retransmission? Or was there none yet? */
function tcpPacketDelayed(tp: TcpSock): boolean {
  if (tp.retransStamp === 0) {
    // No stamp, so nothing was retransmitted (the retransmission may be held back below us). But for two cases that clear the
    // stamp: without SACK at the end of a recovery, and the ACK of a SYN.
    return !(tcpIsReno(tp) && ((tp.sndUna - tp.highSeq) | 0) >= 0) && tp.state !== TCP_SYN_SENT;
  }
  const { rxOpt } = tp;
  return rxOpt.sawTstamp && rxOpt.tsecr !== 0 && ((rxOpt.tsecr - tp.retransStamp) | 0) < 0;
}

function tcpMayUndo(tp: TcpSock): boolean {
  return tp.undoMarker !== 0 && (tp.undoRetrans === 0 || tcpPacketDelayed(tp));
}

/** Restores window and threshold. */
function tcpUndoCwndReduction(tp: TcpSock, unmarkLoss: boolean): void {
  if (unmarkLoss) {
    for (let skb = tp.rtxQueue.head; skb !== null; skb = skb.next) skb.sacked &= ~TCPCB_LOST;
    tp.lostOut = 0;
    tp.retransmitSkbHint = null;
  }
  if (tp.priorSsthresh !== 0) {
    tp.sndCwnd = Math.min(tp.ca.undoCwnd(tp), tp.sndCwndClamp);
    if (tp.priorSsthresh > tp.sndSsthresh) {
      tp.sndSsthresh = tp.priorSsthresh;
      tcpEcnWithdrawCwr(tp);
    }
  }
  tp.sndCwndStamp = tcpJiffies(tp);
  tp.undoMarker = 0;
  tp.rackAdvanced = true; // look at the losses again
}

/**
 * Without SACK the state is held until something above `highSeq` is acknowledged: duplicate ACKs of what was retransmitted must
 * not start another recovery (RFC 6582 §3.2, step 4).
 */
function tcpIsNonSackPreventingReopen(tp: TcpSock): boolean {
  if (tp.sndUna !== tp.highSeq || !tcpIsReno(tp)) return false;
  if (!tcpAnyRetransDone(tp)) tp.retransStamp = 0;
  return true;
}

/** Recovery or Loss is over. True: the state is held for a while. */
export function tcpTryUndoRecovery(tp: TcpSock): boolean {
  if (tcpMayUndo(tp)) {
    const mib = tp.caState === TCP_CA_Loss ? Mib.TcpExtTCPLossUndo : Mib.TcpExtTCPFullUndo;
    tcpUndoCwndReduction(tp, false);
    tp.net.inc(mib);
  } else if (tp.rackReoWndPersist > 0) {
    tp.rackReoWndPersist--;
  }
  if (tcpIsNonSackPreventingReopen(tp)) return true;
  tcpSetCaState(tp, TCP_CA_Open);
  tp.sackReneg = false;
  return false;
}

/** All retransmissions were reported as duplicates. */
export function tcpTryUndoDsack(tp: TcpSock): boolean {
  if (tp.undoMarker === 0 || tp.undoRetrans !== 0) return false;
  tp.rackReoWndPersist = Math.min(TCP_RACK_RECOVERY_THRESH, tp.rackReoWndPersist + 1);
  tcpUndoCwndReduction(tp, false);
  tp.net.inc(Mib.TcpExtTCPDSACKUndo);
  return true;
}

/** After a timeout: an original was acknowledged. `frto`: F-RTO says so. */
export function tcpTryUndoLoss(tp: TcpSock, frto: boolean): boolean {
  if (!frto && !tcpMayUndo(tp)) return false;
  tcpUndoCwndReduction(tp, true);
  tp.net.inc(Mib.TcpExtTCPLossUndo);
  if (frto) tp.net.inc(Mib.TcpExtTCPSpuriousRTOs);
  tp.retransmits = 0;
  if (tcpIsNonSackPreventingReopen(tp)) return true;
  if (frto || !tcpIsReno(tp)) {
    tcpSetCaState(tp, TCP_CA_Open);
    tp.sackReneg = false;
  }
  return true;
}

/** In Recovery: the hole was filled by a delayed original. True: go on sending new data, retransmit nothing for now. */
export function tcpTryUndoPartial(tp: TcpSock, priorSndUna: number): boolean {
  if (tp.undoMarker === 0 || !tcpPacketDelayed(tp)) return false;
  // Plain luck, and a sign of reordering.
  tcpCheckSackReordering(tp, priorSndUna, true);
  if (tp.retransOut > 0) return true;
  if (!tcpAnyRetransDone(tp)) tp.retransStamp = 0;
  tcpUndoCwndReduction(tp, true);
  tp.net.inc(Mib.TcpExtTCPPartialUndo);
  tcpTryKeepOpen(tp);
  return false;
}
