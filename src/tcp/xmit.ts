/**
 * When unsent data may go: the sender's loop and the questions it asks.
 *
 *   pacing?  congestion window?  peer's window?  Nagle, or worth waiting for a fuller burst?  too much below us already?
 *
 * A burst (TSO) is what the pacing rate sends in about a millisecond, at least two segments, at most half the congestion
 * window: large enough to be cheap, small enough for the ACK clock to go on ticking.
 */
import { Mib } from '../dev/mib.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_CLOSE } from '../sock/constants.ts';
import { SK_PACING_NEEDED } from '../sock/sock.ts';
import { TCP_FLAG_FIN } from '../wire/tcp.ts';
import { TCP_CHRONO_BUSY, TCP_CHRONO_RWND_LIMITED, tcpChronoStart, tcpChronoStop } from './chrono.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpCwndValidate } from './cwnd.ts';
import { tcpInCwndReduction, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { tcpCurrentMss } from './mss.ts';
import { tcpMtuProbe } from './mtu-probe.ts';
import { tcpTransmitSkb } from './output.ts';
import { tcpFragment, tcpGrowSkb, tcpSetSkbTsoSegs } from './segment.ts';
import { tcpCheckSpace } from './sndbuf.ts';
import {
  ICSK_TIME_LOSS_PROBE, ICSK_TIME_PROBE0, TCP_CA_Recovery, TCP_NAGLE_CORK, TCP_NAGLE_PUSH, type TcpSock,
} from './sock.ts';
import { resetXmitTimer, tcpProbe0Base, tcpRearmRto, tcpScheduleLossProbe } from './timer.ts';
import { tcpSmallQueueCheck } from './tsq.ts';

const ORIG_DATA_SENT: number = Mib.TcpExtTCPOrigDataSent;

/** tcpWriteXmit: as much as may go; one burst; one segment, whatever the congestion window says (a loss probe). */
export const PUSH_ALL = 0;
export const PUSH_ONE = 1;
export const PUSH_PROBE = 2;

/** pacing_rate >> 10 is what is sent in about a millisecond (Linux: sk_pacing_shift). */
const PACING_SHIFT_DIV = 1024;
/** A burst waits for more data only when data was sent within this time, and an ACK is expected within it. */
const TSO_DEFER_RECENT_US = 1000;
const TSO_DEFER_RECENT_NS = 1_000_000;

// ---- questions

/** How many segments the congestion window admits now; at most half of it in one burst. 0: none. */
export function tcpCwndTest(tp: TcpSock): number {
  const inFlight = tcpPacketsInFlight(tp);
  const cwnd = tp.sndCwnd;
  if (inFlight >= cwnd) return 0;
  return Math.min(Math.max(cwnd >> 1, 1), cwnd - inFlight);
}

/** Does at least the first segment of `skb` fit into the peer's window? */
export function tcpSndWndTest(tp: TcpSock, skb: SkBuff, mss: number): boolean {
  const end = skb.len > mss ? (skb.seq + mss) | 0 : skb.endSeq;
  return ((tcpWndEnd(tp) - end) | 0) >= 0;
}

/** A small segment is out already (Minshall's variant of Nagle: only small ones count). */
function tcpMinshallCheck(tp: TcpSock): boolean {
  return ((tp.sndUna - tp.sndSml) | 0) < 0 && ((tp.sndNxt - tp.sndSml) | 0) >= 0;
}

/** Must a partial segment wait? Corked: yes. Nagle (RFC 9293 §3.7.4): while a small one is unacknowledged. */
export function tcpNagleCheck(tp: TcpSock, partial: boolean, nonagle: number): boolean {
  if (!partial) return false;
  if ((nonagle & TCP_NAGLE_CORK) !== 0) return true;
  return nonagle === 0 && tp.packetsOut > 0 && tcpMinshallCheck(tp);
}

/** May this single segment go, as far as Nagle is concerned? */
export function tcpNagleTest(tp: TcpSock, skb: SkBuff, mss: number, nonagle: number): boolean {
  if ((nonagle & TCP_NAGLE_PUSH) !== 0) return true;
  // Urgent data and the end of the stream do not wait.
  if (tp.sndUp !== tp.sndUna || (skb.tcpFlags & TCP_FLAG_FIN) !== 0) return true;
  return !tcpNagleCheck(tp, skb.len < mss, nonagle);
}

/** The size of a burst in segments (Linux: tcp_tso_segs): a millisecond of the pacing rate, more when the path is short. */
export function tcpTsoSegs(tp: TcpSock, mss: number): number {
  const { tcpTsoRttLog, tcpMinTsoSegs } = tp.tcp.sysctl;
  let bytes = Math.min(tp.pacingRate / PACING_SHIFT_DIV, tp.gsoMaxSize);
  const r = tp.minRttUs >> tcpTsoRttLog;
  if (r < 32) bytes = Math.min(bytes + (r < 31 ? tp.gsoMaxSize >> r : 0), tp.gsoMaxSize);
  // On loopback one segment is as long as IP allows: two of them, the usual minimum, would not fit into one packet.
  const fit = Math.max(1, Math.floor(tp.gsoMaxSize / mss));
  const least = tp.ca.minTsoSegs === null ? tcpMinTsoSegs : tp.ca.minTsoSegs(tp);
  return Math.min(Math.max(Math.floor(bytes / mss), least), tp.gsoMaxSegs, fit);
}

/** How many bytes of `skb` go now: what window and quota admit, whole segments unless Nagle lets the last one be partial. */
export function tcpMssSplitPoint(tp: TcpSock, skb: SkBuff, mss: number, maxSegs: number, nonagle: number): number {
  const window = (tcpWndEnd(tp) - skb.seq) | 0;
  const max = mss * maxSegs;
  if (max <= window && skb !== tp.writeQueue.tail) return max;
  const needed = Math.min(skb.len, window);
  if (max <= needed) return max;
  const partial = needed % mss;
  return tcpNagleCheck(tp, partial !== 0, nonagle) ? needed - partial : needed;
}

/**
 * Is it better to wait with this burst until ACKs allow a fuller one? Only while the ACK clock is about to tick: data was sent
 * a moment ago, and the next ACK is expected soon. Says in the scratch object which window was the limit.
 */
export function tcpTsoShouldDefer(tp: TcpSock, skb: SkBuff, maxSegs: number): boolean {
  if (tp.caState >= TCP_CA_Recovery) return false;
  if (tp.mstampUs * 1000 - tp.wstampNs > TSO_DEFER_RECENT_NS) return false;
  const sendWin = (tcpWndEnd(tp) - skb.seq) | 0;
  const congWin = (tp.sndCwnd - tcpPacketsInFlight(tp)) * tp.mssCache;
  const limit = Math.min(sendWin, congWin);
  if (limit >= maxSegs * tp.mssCache) return false;
  if (skb !== tp.writeQueue.tail && limit >= skb.len) return false; // it won't get any more data
  if (worthSending(tp, limit)) return false;
  const head = tp.rtxQueue.head;
  if (head === null) return false;
  const srttUs = tp.srttUs / 8;
  const ackInUs = head.sentUs + srttUs - tp.mstampUs;
  if (ackInUs > Math.min(srttUs / 2, TSO_DEFER_RECENT_US)) return false;
  const { scratch } = tp.tcp;
  if (congWin < sendWin) {
    if (congWin <= skb.len) {
      scratch.cwndLimited = true;
      return true;
    }
  } else if (sendWin <= skb.len) {
    scratch.rwndLimited = true;
    return true;
  }
  return (skb.tcpFlags & TCP_FLAG_FIN) === 0 && !skb.eor;
}

/** A third of the window (net.ipv4.tcp_tso_win_divisor) is enough to send at once. */
function worthSending(tp: TcpSock, limit: number): boolean {
  const { tcpTsoWinDivisor } = tp.tcp.sysctl;
  if (tcpTsoWinDivisor === 0) return limit > 3 * tp.mssCache;
  return limit >= Math.floor(Math.min(tp.sndWnd, tp.sndCwnd * tp.mssCache) / tcpTsoWinDivisor);
}

/** Where TCP itself paces (not by default): is it too early? Arms the timer that goes on then. */
export function tcpPacingCheck(tp: TcpSock): boolean {
  if (tp.pacingStatus !== SK_PACING_NEEDED || tp.wstampNs <= tp.net.cpu.now) return false;
  if (!tp.pacingTimer.pending) tp.pacingTimer.mod(tp.wstampNs);
  return true;
}

// ---- the loop

/**
 * Sends what may be sent. `push` is one of PUSH_*, `nonagle` the caller's TCP_NAGLE_* bits.
 *
 * @returns true when data is unsent and nothing is out: somebody must arm a timer
 */
export function tcpWriteXmit(tp: TcpSock, mss: number, nonagle: number, push: number): boolean {
  const { scratch } = tp.tcp;
  tcpMstampRefresh(tp);
  scratch.cwndLimited = false;
  scratch.rwndLimited = false;
  const maxSegs = tcpTsoSegs(tp, mss);
  let sent = 0;
  if (tp.mtup !== null && push === PUSH_ALL) {
    const probe = tcpMtuProbe(tp);
    if (probe === 0) return false;
    if (probe > 0) sent = 1;
  }
  for (let skb = tp.writeQueue.head; skb !== null; skb = tp.writeQueue.head) {
    let quota = tcpCwndTest(tp);
    if (quota === 0) {
      if (push !== PUSH_PROBE) break;
      quota = 1;
    }
    quota = Math.min(quota, maxSegs);
    if (!tcpPrepareBurst(tp, skb, mss, quota, maxSegs, nonagle, push)) break;
    if (skb.trace !== 0) tp.net.trace(skb, 'tcpWriteXmit', `cwnd ${String(tp.sndCwnd)}, ${String(tcpPacketsInFlight(tp))} in flight`);
    if (tcpTransmitSkb(tp, skb, true) !== 0) break;
    const segs = skb.gsoSegs;
    if (skb.len < segs * mss) tp.sndSml = skb.endSeq;
    tcpEventNewDataSent(tp, skb);
    sent += segs;
    if (push !== PUSH_ALL) break;
  }
  if (scratch.rwndLimited) tcpChronoStart(tp, TCP_CHRONO_RWND_LIMITED);
  else if (tp.chronoType === TCP_CHRONO_RWND_LIMITED) tcpChronoStop(tp, TCP_CHRONO_RWND_LIMITED);
  const cwndLimited = scratch.cwndLimited || tcpPacketsInFlight(tp) >= tp.sndCwnd;
  if (sent > 0 || cwndLimited) tcpCwndValidate(tp, cwndLimited);
  if (sent > 0) {
    if (tcpInCwndReduction(tp)) tp.prrOut += sent;
    if (push !== PUSH_PROBE) tcpScheduleLossProbe(tp, false);
    return false;
  }
  return tp.packetsOut === 0 && tp.writeQueue.head !== null;
}

/** All questions about the head of the queue, and cutting it to what may go. False: nothing goes now. */
function tcpPrepareBurst(
  tp: TcpSock, skb: SkBuff, mss: number, quota: number, maxSegs: number, nonagle: number, push: number,
): boolean {
  if (tcpPacingCheck(tp)) return false;
  const missing = quota * mss - skb.len;
  if (missing > 0 && skb.next !== null) tcpGrowSkb(tp, skb, missing);
  const segs = tcpSetSkbTsoSegs(skb, mss);
  if (!tcpSndWndTest(tp, skb, mss)) {
    tp.tcp.scratch.rwndLimited = true;
    return false;
  }
  let limit = mss;
  if (segs === 1) {
    if (!tcpNagleTest(tp, skb, mss, skb === tp.writeQueue.tail ? nonagle : TCP_NAGLE_PUSH)) return false;
  } else {
    if (push === PUSH_ALL && tcpTsoShouldDefer(tp, skb, maxSegs)) return false;
    if (tp.sndUp === tp.sndUna) limit = tcpMssSplitPoint(tp, skb, mss, quota, nonagle);
  }
  if (skb.len > limit) tcpFragment(tp, skb, limit, mss);
  if (tcpSmallQueueCheck(tp, skb, 0)) return false;
  return skb.seq !== skb.endSeq; // an skb that a writer has started and not filled yet
}

/** A segment from the write queue has been sent: it moves to the queue of those that wait for their acknowledgement. */
export function tcpEventNewDataSent(tp: TcpSock, skb: SkBuff): void {
  const prior = tp.packetsOut;
  tp.sndNxt = skb.endSeq;
  tp.writeQueue.unlink(skb);
  skb.inRtx = true;
  tp.rtxQueue.pushTail(skb);
  if (tp.highestSack === null) tp.highestSack = skb;
  tp.packetsOut += skb.gsoSegs;
  if (prior === 0 || tp.pendingTimer === ICSK_TIME_LOSS_PROBE) tcpRearmRto(tp);
  if (tp.chronoType < TCP_CHRONO_BUSY) tcpChronoStart(tp, TCP_CHRONO_BUSY);
  tp.net.mib[ORIG_DATA_SENT]! += skb.gsoSegs;
  if (tp.noSpace) tcpCheckSpace(tp);
}

// ---- who starts it

/** Sends what may go; when nothing is out afterwards though something waits, a probe will follow. */
export function tcpPushPendingWith(tp: TcpSock, mss: number, nonagle: number): void {
  if (tp.state === TCP_CLOSE) return; // closed behind the back of an ACK that is being digested
  if (tcpWriteXmit(tp, mss, nonagle, PUSH_ALL)) tcpCheckProbeTimer(tp);
}

/** One burst of the first unsent skb, which the writer has just filled up. */
export function tcpPushOne(tp: TcpSock, mss: number): void {
  tcpWriteXmit(tp, mss, TCP_NAGLE_PUSH, PUSH_ONE);
}

/** Sends what may go, by the socket's own Nagle setting. */
export function tcpPushPendingFrames(tp: TcpSock): void {
  if (tp.writeQueue.head !== null) tcpPushPendingWith(tp, tcpCurrentMss(tp), tp.nonagle);
}

function tcpCheckProbeTimer(tp: TcpSock): void {
  if (tp.packetsOut > 0 || tp.pendingTimer !== 0) return;
  // The backoff of retransmissions that gave no RTT goes on, as Linux has it. Differs: not for an orphan, whose first probe would be
  // its last.
  if (tp.dead) tp.backoff = 0;
  resetXmitTimer(tp, ICSK_TIME_PROBE0, tcpProbe0Base(tp));
}

/** After an ACK: sends what it allows, and wakes writers (Linux: tcp_data_snd_check). */
export function tcpDataSndCheck(tp: TcpSock): void {
  if (tp.writeQueue.head !== null) tcpPushPendingFrames(tp);
  if (tp.noSpace) tcpCheckSpace(tp);
}
