/**
 * TCP, what time does: retransmission, probes, delayed ACKs, keepalive.
 *
 * One timer serves retransmission, zero-window probe, loss probe and reordering, of which a connection needs one at a time
 * (`pendingTimer` says for what it is set). Timeouts are given in microseconds and run in whole ticks of 1 ms, never early.
 *
 *   from  the world's clock          tcpTimerHandlers
 *         tcp/ack.ts, xmit.ts, …     resetXmitTimer and its kind
 *   to    tcp/retransmit.ts, output.ts, rack.ts;  tcp/close.ts when patience ends
 */
import { Mib } from '../dev/mib.ts';
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from '../sock/constants.ts';
import { tcpJiffies, tcpMstampRefresh, tcpTimeStampTs, tickExpiry, usecsToTicks } from './clock.ts';
import { tcpDone, tcpOrphanOutOfResources, tcpWriteErr, tcpFinTime } from './close.ts';
import { tcpFastopenDetectBlackhole } from './fastopen-active.ts';
import { tcpFastopenSynackTimer } from './fastopen.ts';
import { tcpFastopenRsk } from './fastopen-sock.ts';
import { tcpIsReno, tcpStreamIsThin } from './flight.ts';
import { tcpMtuBlackHole } from './mtu-probe.ts';
import { tcpSendAck, tcpSendActiveReset, tcpWriteWakeup } from './output.ts';
import { tcpRackReoTimeout } from './rack.ts';
import { tcpEnterLoss } from './recovery.ts';
import { tcpTimeoutRehash } from './rehash.ts';
import { tcpRetransmitSkb, tcpSendLossProbe } from './retransmit.ts';
import { tcpBaseRto } from './rtt.ts';
import {
  ICSK_ACK_SCHED, ICSK_ACK_TIMER, ICSK_TIME_LOSS_PROBE, ICSK_TIME_PROBE0, ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS, TCP_CA_CWR,
  TCP_CA_Disorder, TCP_CA_Loss, TCP_CA_Open, TCP_CA_Recovery, type TcpSock, type TcpTimerHandlers,
} from './sock.ts';
import { tcpTimeWait } from './timewait.ts';
import { TCP_TIMEWAIT_LEN_MS } from './timewait-sock.ts';
import { tcpTsqHandler } from './tsq.ts';

/** RFC 6298 (2.1): before there is a measurement. */
export const TCP_TIMEOUT_INIT_US = 1000000;
/** The least timeout that R1 and R2 are reckoned with, whatever the socket's own is (Linux: TCP_RTO_MIN). */
const TCP_RTO_MIN_US = 200000;
/** No timer of the sender is shorter than two ticks. */
export const TCP_TIMEOUT_MIN_US = 2000;
/** Delayed ACKs: least and longest delay (RFC 9293 §3.8.6.3 allows 500 ms), and the least estimate. */
export const TCP_DELACK_MIN_US = 40000;
export const TCP_DELACK_MAX_US = 200000;
export const TCP_ATO_MIN_US = 40000;
/** How soon to try again what this host itself dropped. */
export const TCP_RESOURCE_PROBE_INTERVAL_US = 500000;
/** So often a thin stream is retransmitted without backoff, when net.ipv4.tcp_thin_linear_timeouts asks for it. */
const TCP_THIN_LINEAR_RETRIES = 6;

// ---- arming

/** Sets the connection's timer: `what` is one of ICSK_TIME_*, due in `whenUs`. */
export function resetXmitTimer(tp: TcpSock, what: number, whenUs: number): void {
  const limitUs = tp.rtoMaxMs * 1000;
  tp.pendingTimer = what;
  // A peer that has answered so many probes without opening its window waits for its user. Probing goes on for ever
  // (RFC 9293 §3.8.6.1), but does not by itself keep a world running in which nobody reads.
  tp.rtxTimer.setHousekeeping(what === ICSK_TIME_PROBE0 && tp.backoff >= tp.tcp.sysctl.tcpRetries2 && !tp.dead);
  tp.rtxTimer.mod(tickExpiry(tp, usecsToTicks(whenUs > limitUs ? limitUs : whenUs)));
}

/** Stops it. */
export function clearXmitTimer(tp: TcpSock): void {
  tp.pendingTimer = 0;
  tp.rtxTimer.del();
}

/** A new socket. */
export function tcpInitXmitTimers(tp: TcpSock): void {
  tp.rtoUs = TCP_TIMEOUT_INIT_US;
  tp.mdevUs = TCP_TIMEOUT_INIT_US;
  tp.pendingTimer = 0;
  tp.ackPending = 0;
}

/** The connection is over: no timer runs any more. */
export function tcpClearXmitTimers(tp: TcpSock): void {
  clearXmitTimer(tp);
  tp.ackPending = 0;
  tp.delackTimer.del();
  tp.keepaliveTimer.del();
  tp.pacingTimer.del();
  tp.compressedTimer?.del();
}

export function tcpResetKeepaliveTimer(tp: TcpSock, ms: number): void {
  tp.keepaliveTimer.mod(tickExpiry(tp, Math.ceil(ms)));
}

/** Microseconds until the first unacknowledged segment is due, as sent and with the timeout of now. May be negative. */
function rtoDeltaUs(tp: TcpSock): number {
  return tp.rtxQueue.head!.sentUs + tp.rtoUs - tp.mstampUs;
}

/** RFC 6298 (5.2), (5.3): off when nothing is out, else a full timeout from now; less what a probe has already waited. */
export function tcpRearmRto(tp: TcpSock): void {
  // It runs for the SYN-ACK.
  if (tp.fastopen !== null && tp.fastopen.rsk !== null) return;
  if (tp.packetsOut === 0) {
    clearXmitTimer(tp);
    return;
  }
  let rto = tp.rtoUs;
  if (tp.pendingTimer === ICSK_TIME_REO_TIMEOUT || tp.pendingTimer === ICSK_TIME_LOSS_PROBE) rto = Math.max(1, rtoDeltaUs(tp));
  resetXmitTimer(tp, ICSK_TIME_RETRANS, rto);
}

/** Two round trips, and time for a delayed ACK when a single segment is out (RFC 8985 §7.2). False: no probe now. */
export function tcpScheduleLossProbe(tp: TcpSock, advancingRto: boolean): boolean {
  const { sysctl } = tp.tcp;
  if (sysctl.tcpEarlyRetrans < 3 || tp.packetsOut === 0 || tcpIsReno(tp) || tcpFastopenRsk(tp) !== null) return false;
  if (tp.caState !== TCP_CA_Open && tp.caState !== TCP_CA_CWR) return false;
  let timeout = TCP_TIMEOUT_INIT_US;
  if (tp.srttUs > 0) timeout = (tp.srttUs >> 2) + (tp.packetsOut === 1 ? tp.rtoMinUs : TCP_TIMEOUT_MIN_US);
  const rto = advancingRto ? tp.rtoUs : rtoDeltaUs(tp);
  if (rto > 0) timeout = Math.min(timeout, rto);
  resetXmitTimer(tp, ICSK_TIME_LOSS_PROBE, timeout);
  return true;
}

/** Something was acknowledged: loss probe if one is fit, else retransmission. */
export function tcpSetXmitTimer(tp: TcpSock): void {
  if (!tcpScheduleLossProbe(tp, true)) tcpRearmRto(tp);
}

/** The first zero-window probe comes after the timeout, never sooner than 200 ms, whatever the least timeout is set to. */
export function tcpProbe0Base(tp: TcpSock): number {
  return Math.max(tp.rtoUs, TCP_RTO_MIN_US);
}

/** The next one: backed off, and not beyond the user's timeout (RFC 9293 §3.8.6.1). */
export function tcpProbe0Clamped(tp: TcpSock): number {
  const limit = tp.rtoMaxMs * 1000;
  const maxBackoff = Math.floor(Math.log2(Math.max(1, limit / TCP_RTO_MIN_US))) + 1;
  const when = Math.min(tcpProbe0Base(tp) * 2 ** Math.min(maxBackoff, tp.backoff), limit);
  if (tp.userTimeoutMs === 0 || tp.probesTstamp === 0) return when;
  const left = tp.userTimeoutMs - Math.max(0, tcpJiffies(tp) - tp.probesTstamp);
  return Math.min(when, Math.max(left * 1000, TCP_TIMEOUT_MIN_US));
}

// ---- patience

/** How long `boundary` retransmissions with doubling timeouts take, milliseconds. */
function tcpModelTimeout(tp: TcpSock, boundary: number, rtoBaseMs: number): number {
  const maxMs = tp.rtoMaxMs;
  const linear = Math.floor(Math.log2(Math.max(1, maxMs / rtoBaseMs)));
  if (boundary <= linear) return (2 ** (boundary + 1) - 1) * rtoBaseMs;
  return (2 ** (linear + 1) - 1) * rtoBaseMs + (boundary - linear) * maxMs;
}

/** Has it gone on for as long as `boundary` retransmissions would take, or for `timeoutMs`? RFC 9293 §3.8.3, R1 and R2. */
function retransmitsTimedOut(tp: TcpSock, boundary: number, timeoutMs: number): boolean {
  if (tp.retransmits === 0) return false;
  let limit = timeoutMs;
  if (limit === 0) {
    const handshake = tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV;
    limit = tcpModelTimeout(tp, boundary, handshake ? TCP_TIMEOUT_INIT_US / 1000 : TCP_RTO_MIN_US / 1000);
  }
  return ((tcpTimeStampTs(tp) - tp.retransStamp) | 0) >= limit;
}

/** How often an orphan may try: nobody waits for it. */
function tcpOrphanRetries(tp: TcpSock, alive: boolean): number {
  let retries = tp.tcp.sysctl.tcpOrphanRetries;
  if (tp.errSoft !== 0 && !alive) retries = 0; // ICMP has said that something is wrong
  // At least 100 s for one that sent something lately: eight times, at the least timeout.
  if (retries === 0 && alive) retries = 8;
  return retries;
}

/** The timeout, cut so that the timer fires when the user's timeout is over. */
function tcpClampRtoToUserTimeout(tp: TcpSock): number {
  if (tp.userTimeoutMs === 0) return tp.rtoUs;
  const elapsed = (tcpTimeStampTs(tp) - tp.retransStamp) | 0;
  const left = tp.userTimeoutMs - elapsed;
  return left <= 0 ? 1000 : Math.min(tp.rtoUs, left * 1000);
}

/** The timer fired: is it enough? True: the connection is gone. */
function tcpWriteTimeout(tp: TcpSock): boolean {
  const { sysctl } = tp.tcp;
  let retryUntil: number;
  let expired = false;
  if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) {
    retryUntil = tp.synRetries !== 0 ? tp.synRetries : sysctl.tcpSynRetries;
    const max = tp.state === TCP_SYN_SENT ? retryUntil + sysctl.tcpSynLinearTimeouts : retryUntil;
    expired = tp.retransmits >= max;
  } else {
    // R1: perhaps the way is wrong; it is looked up again.
    if (retransmitsTimedOut(tp, sysctl.tcpRetries1, 0)) {
      tcpMtuBlackHole(tp);
      tp.dst = null;
    }
    retryUntil = sysctl.tcpRetries2;
    if (tp.dead) {
      const alive = tp.rtoUs < tp.rtoMaxMs * 1000;
      retryUntil = tcpOrphanRetries(tp, alive);
      if (tcpOrphanOutOfResources(tp, alive || !retransmitsTimedOut(tp, retryUntil, 0))) return true;
    }
  }
  if (!expired) expired = retransmitsTimedOut(tp, retryUntil, tp.userTimeoutMs);
  tcpFastopenDetectBlackhole(tp, expired);
  if (expired) tcpWriteErr(tp);
  else tcpTimeoutRehash(tp);
  return expired;
}

// ---- the retransmission timer

/** Nothing has been acknowledged for a whole timeout (RFC 6298 (5.4) to (5.7)). */
function tcpRetransmitTimer(tp: TcpSock): void {
  const req = tcpFastopenRsk(tp);
  if (req !== null) {
    tcpFastopenSynackTimer(tp, req);
    return;
  }
  const head = tp.rtxQueue.head;
  if (tp.packetsOut === 0 || head === null) return;
  const handshake = tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV;
  if (tp.sndWnd === 0 && !tp.dead && !handshake) {
    // The peer has closed its window over what was out: what we retransmit are probes. It lives as long as it answers.
    if (rtxProbe0TimedOut(tp, head.sentUs)) {
      tcpWriteErr(tp);
      return;
    }
    tcpEnterLoss(tp);
    tcpRetransmitSkb(tp, head, 1);
  } else {
    tp.net.inc(Mib.TcpExtTCPTimeouts);
    if (tcpWriteTimeout(tp)) return;
    if (tp.retransmits === 0) countFailure(tp);
    tcpEnterLoss(tp);
    countRto(tp);
    tp.retransmits++;
    if (tcpRetransmitSkb(tp, tp.rtxQueue.head!, 1) > 0) {
      // Dropped by this host: not the network's fault, so no backoff.
      resetXmitTimer(tp, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL_US);
      return;
    }
  }
  backOff(tp);
  resetXmitTimer(tp, ICSK_TIME_RETRANS, tcpClampRtoToUserTimeout(tp));
  if (retransmitsTimedOut(tp, tp.tcp.sysctl.tcpRetries1 + 1, 0)) tp.dst = null;
}

/** For TCP_INFO (Linux: tcp_update_rto_stats). */
function countRto(tp: TcpSock): void {
  if (tp.retransmits === 0) {
    tp.totalRtoRecoveries++;
    tp.rtoStampMs = tcpJiffies(tp);
  }
  tp.totalRto++;
}

/** RFC 6298 (5.5), but for the first SYNs and for thin streams. */
function backOff(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  const limit = tp.rtoMaxMs * 1000;
  const linear = sysctl.tcpThinLinearTimeouts !== 0 && tp.state === TCP_ESTABLISHED;
  if (linear && tcpStreamIsThin(tp) && tp.retransmits <= TCP_THIN_LINEAR_RETRIES) {
    tp.backoff = 0;
    tp.rtoUs = Math.min(Math.max(tcpBaseRto(tp), tp.rtoMinUs), limit);
  } else if (tp.state !== TCP_SYN_SENT || tp.totalRto > sysctl.tcpSynLinearTimeouts) {
    tp.backoff++;
    tp.rtoUs = Math.min(tp.rtoUs * 2, limit);
  }
}

/** A window closed over data that is out: the peer is given up after two longest timeouts without a word, or the user's. */
function rtxProbe0TimedOut(tp: TcpSock, sentUs: number): boolean {
  const stamp = tp.retransStamp !== 0 ? tp.retransStamp : Math.floor(sentUs / 1000) | 0;
  const rtxDeltaMs = (tcpTimeStampTs(tp) - stamp) | 0;
  let limitMs = 2 * tp.rtoMaxMs;
  if (tp.userTimeoutMs !== 0) {
    // Who sets a timeout does not want to wait longer just because the peer says "window 0" now and then.
    if (rtxDeltaMs > tp.userTimeoutMs) return true;
    limitMs = Math.min(limitMs, tp.userTimeoutMs);
  }
  return (tp.mstampUs - tp.rcvTstampUs) / 1000 > limitMs && rtxDeltaMs > limitMs;
}

/** Which kind of recovery has failed to save us from the timeout? */
function countFailure(tp: TcpSock): void {
  const reno = tcpIsReno(tp);
  switch (tp.caState) {
    case TCP_CA_Recovery:
      tp.net.inc(reno ? Mib.TcpExtTCPRenoRecoveryFail : Mib.TcpExtTCPSackRecoveryFail);
      break;
    case TCP_CA_Loss:
      tp.net.inc(Mib.TcpExtTCPLossFailures);
      break;
    default:
      if (tp.caState === TCP_CA_Disorder || tp.sackedOut > 0) tp.net.inc(reno ? Mib.TcpExtTCPRenoFailures : Mib.TcpExtTCPSackFailures);
  }
}

// ---- the zero-window probe

/** The window is closed, or data is held back, and nothing is out that could draw an ACK. */
function tcpProbeTimer(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  if (tp.packetsOut > 0 || tp.writeQueue.head === null) {
    tp.probesOut = 0;
    tp.probesTstamp = 0;
    return;
  }
  // RFC 9293 §3.8.6.1: as long as the peer answers probes we wait, but not beyond the user's timeout, and orphans not for ever.
  const now = tcpJiffies(tp);
  if (tp.probesTstamp === 0) {
    tp.probesTstamp = now;
  } else if (tp.userTimeoutMs !== 0 && now - tp.probesTstamp >= tp.userTimeoutMs) {
    tcpWriteErr(tp);
    return;
  }
  let maxProbes = sysctl.tcpRetries2;
  if (tp.dead) {
    const alive = tp.rtoUs * 2 ** tp.backoff < tp.rtoMaxMs * 1000;
    maxProbes = tcpOrphanRetries(tp, alive);
    if (!alive && tp.backoff >= maxProbes) {
      tcpWriteErr(tp);
      return;
    }
    if (tcpOrphanOutOfResources(tp, true)) return;
  }
  if (tp.probesOut >= maxProbes) tcpWriteErr(tp);
  else tcpSendProbe0(tp);
}

function tcpSendProbe0(tp: TcpSock): void {
  const err = tcpWriteWakeup(tp, Mib.TcpExtTCPWinProbe);
  if (tp.packetsOut > 0 || tp.writeQueue.head === null) {
    tp.probesOut = 0;
    tp.backoff = 0;
    tp.probesTstamp = 0;
    return;
  }
  tp.probesOut++;
  let timeout = TCP_RESOURCE_PROBE_INTERVAL_US;
  if (err <= 0) {
    if (tp.backoff < tp.tcp.sysctl.tcpRetries2) tp.backoff++;
    timeout = tcpProbe0Clamped(tp);
  } else if (tp.userTimeoutMs !== 0 && tp.probesTstamp !== 0) {
    const left = tp.userTimeoutMs - (tcpJiffies(tp) - tp.probesTstamp);
    timeout = Math.min(timeout, Math.max(left * 1000, TCP_TIMEOUT_MIN_US));
  }
  resetXmitTimer(tp, ICSK_TIME_PROBE0, timeout);
}

// ---- keepalive, and the end of FIN_WAIT2

/** Milliseconds since anything came from the peer. */
function keepaliveElapsedMs(tp: TcpSock): number {
  return (tp.mstampUs - Math.max(tp.lrcvtimeUs, tp.rcvTstampUs)) / 1000;
}

function tcpKeepaliveTimer(tp: TcpSock): void {
  tcpMstampRefresh(tp);
  if (tp.state === TCP_LISTEN) return;
  if (tp.state === TCP_FIN_WAIT2 && tp.dead) {
    finWait2Over(tp);
    return;
  }
  if (!tp.keepopen || tp.state === TCP_CLOSE || tp.state === TCP_SYN_SENT) return;
  const { sysctl } = tp.tcp;
  const idleMs = tp.keepaliveTimeMs !== 0 ? tp.keepaliveTimeMs : sysctl.tcpKeepaliveTime;
  let next = idleMs;
  if (tp.packetsOut === 0 && tp.writeQueue.head === null) {
    const elapsed = keepaliveElapsedMs(tp);
    if (elapsed < idleMs) {
      next = idleMs - elapsed;
    } else {
      if (keepaliveGivesUp(tp, elapsed)) {
        tcpSendActiveReset(tp);
        tcpWriteErr(tp);
        return;
      }
      if (tcpWriteWakeup(tp, Mib.TcpExtTCPKeepAlive) <= 0) {
        tp.probesOut++;
        next = tp.keepaliveIntvlMs !== 0 ? tp.keepaliveIntvlMs : sysctl.tcpKeepaliveIntvl;
      } else {
        next = TCP_RESOURCE_PROBE_INTERVAL_US / 1000;
      }
    }
  }
  tcpResetKeepaliveTimer(tp, next);
}

/** TCP_USER_TIMEOUT, when it is set, counts instead of the number of probes. */
function keepaliveGivesUp(tp: TcpSock, elapsedMs: number): boolean {
  if (tp.userTimeoutMs !== 0) return elapsedMs >= tp.userTimeoutMs && tp.probesOut > 0;
  const probes = tp.keepaliveProbes !== 0 ? tp.keepaliveProbes : tp.tcp.sysctl.tcpKeepaliveProbes;
  return tp.probesOut >= probes;
}

/** The peer's FIN has not come in time: the rest of the wait as a TIME_WAIT's small object, or a reset. */
function finWait2Over(tp: TcpSock): void {
  if (tp.linger2Ms >= 0) {
    const left = tcpFinTime(tp) - TCP_TIMEWAIT_LEN_MS;
    if (left > 0) {
      tcpTimeWait(tp, TCP_FIN_WAIT2, left);
      return;
    }
  }
  tcpSendActiveReset(tp);
  tcpDone(tp);
}

// ---- what fires

function rtxFired(tp: TcpSock): void {
  if (tp.state === TCP_CLOSE || tp.state === TCP_LISTEN || tp.pendingTimer === 0) return;
  tcpMstampRefresh(tp);
  const what = tp.pendingTimer;
  switch (what) {
    case ICSK_TIME_REO_TIMEOUT:
      tcpRackReoTimeout(tp);
      break;
    case ICSK_TIME_LOSS_PROBE:
      tcpSendLossProbe(tp);
      break;
    case ICSK_TIME_RETRANS:
      tp.pendingTimer = 0;
      tcpRetransmitTimer(tp);
      break;
    case ICSK_TIME_PROBE0:
      tp.pendingTimer = 0;
      tcpProbeTimer(tp);
      break;
  }
}

/** No answer came that the ACK could ride on. */
function delackFired(tp: TcpSock): void {
  if (tp.state === TCP_CLOSE || tp.state === TCP_LISTEN || (tp.ackPending & ICSK_ACK_TIMER) === 0) return;
  tp.ackPending &= ~ICSK_ACK_TIMER;
  if ((tp.ackPending & ICSK_ACK_SCHED) === 0) return;
  if (tp.pingpong < tp.tcp.sysctl.tcpPingpongThresh) {
    tp.atoUs = Math.min(tp.atoUs * 2, tp.rtoUs); // not a dialogue: wait longer
  } else {
    tp.pingpong = 0; // no dialogue any more
    tp.atoUs = TCP_ATO_MIN_US;
  }
  tcpMstampRefresh(tp);
  tcpSendAck(tp);
  tp.net.inc(Mib.TcpExtDelayedACKs);
}

/** What the timers of a connection do. */
export const tcpTimerHandlers: TcpTimerHandlers = {
  rtx: rtxFired,
  delack: delackFired,
  keepalive: tcpKeepaliveTimer,
  pacing(tp: TcpSock): void {
    tcpTsqHandler(tp);
  },
};

