/**
 * When to acknowledge: at once, or a little later so that the ACK rides on an answer or covers more (RFC 9293 §3.8.6.3,
 * RFC 5681 §4.2).
 *
 *   at once    more than one full segment is unacknowledged; quick-ACK mode (the first 16 of a connection, and after loss);
 *              whenever something is out of order
 *   later      a dialogue (pingpong: we answer what comes), or a slow stream; 40 ms, adapted to the gaps between segments
 *   fewer      many segments out of order in a row: after three duplicate ACKs, one per millisecond (ACK compression)
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import { Timer } from '../time/timer.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { ip6hFlowLabel } from '../wire/ipv6.ts';
import { TCP_FLAG_ACK, TCP_FLAG_PSH, TCP_FLAG_URG, TCP_FLAG_SYN, TCP_FLAG_RST, TCP_FLAG_FIN, thHlen, TCP_HLEN_MIN } from '../wire/tcp.ts';
import { tcpMstampRefresh, tickExpiry, usecsToTicks, usUntil } from './clock.ts';
import { tcpDataEcnCheck } from './ecn.ts';
import { TCP_MIN_MSS, TCP_MSS_DEFAULT } from './mss.ts';
import { tcpSendAck } from './output.ts';
import {
  ICSK_ACK_NOW, ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, ICSK_ACK_SCHED, ICSK_ACK_TIMER, type TcpSock,
} from './sock.ts';
import { TCP_ATO_MIN_US, TCP_DELACK_MAX_US, TCP_DELACK_MIN_US } from './timer.ts';
import { tcpGrowWindow, tcpRcvRttMeasure, tcpSelectNewWindow, tcpSetWindowClamp, tcpTruesizeAdjust, tcpWinFromSpace } from './window.ts';

/** So many ACKs at once at the start of a connection, and after trouble. */
export const TCP_MAX_QUICKACKS = 16;
/** Duplicate ACKs that always go at once: the peer's fast retransmit needs them. */
const TCP_FASTRETRANS_THRESH = 3;
/** A segment shorter than this does not open the window. */
const GROW_WINDOW_MIN = 128;
/** The longest delay before there is an RTT, half a second. */
const MAX_ATO_US = 500000;
/** Without PSH and the rarer flags a segment should be a full one. */
const REMNANT = TCP_FLAG_PSH | TCP_FLAG_URG | TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK;

// ---- modes

function incrQuickack(tp: TcpSock, max: number): void {
  let quick = Math.floor(tp.rcvWnd / (2 * tp.rcvMss));
  if (quick === 0) quick = 2;
  quick = Math.min(quick, max);
  if (quick > tp.quickCount) tp.quickCount = quick;
}

/** Something is wrong or new: acknowledge the next segments at once. */
export function tcpEnterQuickackMode(tp: TcpSock, max: number): void {
  incrQuickack(tp, max);
  tp.pingpong = 0;
  tp.atoUs = TCP_ATO_MIN_US;
}

/** Is the connection a dialogue, in which ACKs can wait for the answer to ride on? */
export function tcpInPingpongMode(tp: TcpSock): boolean {
  return tp.pingpong >= tp.tcp.sysctl.tcpPingpongThresh;
}

function inQuickackMode(tp: TcpSock): boolean {
  return tp.quickCount > 0 && !tcpInPingpongMode(tp);
}

/** An ACK is owed. */
export function tcpScheduleAck(tp: TcpSock): void {
  tp.ackPending |= ICSK_ACK_SCHED;
}

// ---- what the segments tell

/**
 * How long are the peer's full segments (Linux: tcp_measure_rcv_mss)? Also what a byte of payload costs in memory, on which
 * the window is based. `bytes` is its payload, which may have left the skb already.
 */
export function tcpMeasureRcvMss(tp: TcpSock, skb: SkBuff, bytes: number): void {
  const lss = tp.lastSegSize;
  tp.lastSegSize = 0;
  const len = skb.gsoSize !== 0 ? skb.gsoSize : bytes;
  if (len >= tp.rcvMss) {
    if (len !== tp.rcvMss) updateScalingRatio(tp, bytes, skb.truesize);
    tp.rcvMss = Math.min(len, tp.advmss);
    // A full segment with PSH may end a write whose writer waits (Nagle) for our ACK.
    if ((skb.tcpFlags & TCP_FLAG_PSH) !== 0) tp.ackPending |= ICSK_ACK_PUSHED;
    return;
  }
  // A shorter one. Two of the same length that look full mean that the peer's segments have become shorter.
  const withHeader = len + thHlen(skb.buf, skb.th);
  const plausible = withHeader >= TCP_MSS_DEFAULT + TCP_HLEN_MIN
    || (withHeader >= TCP_MIN_MSS + TCP_HLEN_MIN && (skb.tcpFlags & REMNANT) === TCP_FLAG_ACK);
  if (plausible) {
    const size = withHeader - tp.tcpHeaderLen;
    tp.lastSegSize = size;
    if (size === lss) {
      tp.rcvMss = size;
      return;
    }
  }
  if ((tp.ackPending & ICSK_ACK_PUSHED) !== 0) tp.ackPending |= ICSK_ACK_PUSHED2;
  tp.ackPending |= ICSK_ACK_PUSHED;
}

function updateScalingRatio(tp: TcpSock, len: number, truesize: number): void {
  const old = tp.scalingRatio;
  tp.scalingRatio = Math.min(255, Math.max(1, Math.floor((len * 256) / truesize)));
  if (old === tp.scalingRatio) return;
  tcpSetWindowClamp(tp, tcpWinFromSpace(tp, tp.rcvbuf));
  if (tp.windowClamp < tp.rcvqSpace) tp.rcvqSpace = tp.windowClamp;
}

/** `len` bytes have come in order and are queued: adapts the estimates of segment size, round trip and gaps. */
export function tcpEventDataRecv(tp: TcpSock, skb: SkBuff, len: number): void {
  tp.ackPending |= ICSK_ACK_SCHED;
  tcpMeasureRcvMss(tp, skb, len);
  tcpRcvRttMeasure(tp);
  const now = tp.mstampUs;
  if (tp.atoUs === 0) {
    incrQuickack(tp, TCP_MAX_QUICKACKS);
    tp.atoUs = TCP_ATO_MIN_US;
  } else {
    const gap = now - tp.lrcvtimeUs;
    if (gap <= TCP_ATO_MIN_US / 2) {
      tp.atoUs = Math.floor(tp.atoUs / 2000) * 1000 + TCP_ATO_MIN_US / 2; // whole ticks, as in Linux
    } else if (gap < tp.atoUs) {
      tp.atoUs = Math.min(Math.floor(tp.atoUs / 2000) * 1000 + Math.floor(gap / 1000) * 1000, tp.rtoUs);
    } else if (gap > tp.rtoUs) {
      // A long gap: the peer's window has probably gone back to its start, it needs ACKs to open it.
      incrQuickack(tp, TCP_MAX_QUICKACKS);
    }
  }
  tp.lrcvtimeUs = now;
  if (skb.protocol === ETH_P_IPV6) tp.lrcvFlowlabel = ip6hFlowLabel(skb.buf, skb.nh);
  if (tp.ecnFlags !== 0) tcpDataEcnCheck(tp, skb);
  if (len >= GROW_WINDOW_MIN) tcpGrowWindow(tp, len, tcpTruesizeAdjust(skb, len));
}

// ---- the decision

/** If an ACK is owed: now, or later? (Linux: tcp_ack_snd_check) */
export function tcpAckSndCheck(tp: TcpSock): void {
  if ((tp.ackPending & ICSK_ACK_SCHED) === 0) return;
  const unacked = (tp.rcvNxt - tp.rcvWup) | 0;
  if (
    // More than a full segment, and the reader keeps up so that the window moves (else the reader will send the ACK) …
    (unacked > tp.rcvMss &&
      (((tp.rcvNxt - tp.copiedSeq) | 0) < tp.rcvlowat || tcpSelectNewWindow(tp) >= tp.rcvWnd)) ||
    inQuickackMode(tp) ||
    (tp.ackPending & ICSK_ACK_NOW) !== 0
  ) {
    tcpSendAck(tp);
    return;
  }
  if (tp.ofoQueue.head === null) tcpSendDelayedAck(tp);
  else ackOutOfOrder(tp);
}

/** Something lies beyond a hole: duplicate ACKs, but no storm of them. */
function ackOutOfOrder(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  if (!tp.sackOk || tp.compressedAck >= sysctl.tcpCompSackNr) {
    tcpSendAck(tp);
    return;
  }
  if (tp.compressedAckRcvNxt !== tp.rcvNxt) {
    tp.compressedAckRcvNxt = tp.rcvNxt;
    tp.dupAckCounter = 0;
  }
  if (tp.dupAckCounter < TCP_FASTRETRANS_THRESH) {
    tp.dupAckCounter++;
    tcpSendAck(tp);
    return;
  }
  tp.compressedAck++;
  tp.compressedTimer ??= new Timer(tp.net.sim, tp.net.cpu, tcpCompressedAckKick, false, tp);
  if (tp.compressedTimer.pending) return;
  // A twentieth of the round trip as the receiver knows it (0 while it does not), a millisecond at most; then the timer's own slack.
  let rttUs = tp.rcvRttUs >> 3;
  if (tp.srttUs > 0 && tp.srttUs >> 3 < rttUs) rttUs = tp.srttUs >> 3;
  const delayNs = Math.min(sysctl.tcpCompSackDelayNs, Math.floor((rttUs * 1000) / 20));
  tp.compressedTimer.mod(tp.net.cpu.now + delayNs + sysctl.tcpCompSackSlackNs);
}

function tcpCompressedAckKick(tp: TcpSock): void {
  if (tp.compressedAck === 0) return;
  // The one that is sent now was not saved.
  tp.compressedAck--;
  tcpMstampRefresh(tp);
  tcpSendAck(tp);
}

/** Later: arms the timer, unless it runs and is due sooner. */
export function tcpSendDelayedAck(tp: TcpSock): void {
  let ato = tp.atoUs;
  if (ato > TCP_DELACK_MIN_US) {
    let max = tcpInPingpongMode(tp) || (tp.ackPending & ICSK_ACK_PUSHED) !== 0 ? TCP_DELACK_MAX_US : MAX_ATO_US;
    // An ACK that is later than a round trip costs the peer more than it saves.
    if (tp.srttUs > 0) max = Math.min(max, Math.max(usecsToTicks(tp.srttUs >> 3) * 1000, TCP_DELACK_MIN_US));
    ato = Math.min(ato, max);
  }
  ato = Math.min(ato, tp.delackMaxUs);
  let expires = tickExpiry(tp, usecsToTicks(ato));
  if ((tp.ackPending & ICSK_ACK_TIMER) !== 0) {
    const due = tp.delackTimer.expires;
    if (ato === 0 || usUntil(tp, due) <= ato / 4) {
      tcpSendAck(tp); // it would fire any moment
      return;
    }
    expires = Math.min(expires, due);
  }
  tp.ackPending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  if (!tp.delackTimer.pending || tp.delackTimer.expires !== expires) tp.delackTimer.mod(expires);
}
