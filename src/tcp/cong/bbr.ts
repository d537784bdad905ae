/**
 * BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00), with Linux's numbers: a model of the path instead of losses.
 *
 *   STARTUP    twice the rate per round trip, until the bandwidth has not grown by a quarter for three of them
 *   DRAIN      what has queued meanwhile flows off
 *   PROBE_BW   cruises at the bandwidth; one round trip in eight a quarter faster, the next one a quarter slower
 *   PROBE_RTT  every ten seconds, for 200 ms, four segments: the queue is empty and the round trip shows its true length
 *
 * The model has two numbers: the greatest delivery rate of ten round trips and the least round trip of ten seconds. Their product
 * is what may be in flight (twice that, for delayed and merged ACKs); the first, times a gain, is how fast it is paced.
 */
import { tcpJiffies } from '../clock.ts';
import { TCP_INIT_CWND } from '../cwnd.ts';
import { tcpPacketsInFlight } from '../flight.ts';
import { FLAG_ACK_MAYBE_DELAYED } from '../flags.ts';
import { MIN_RTT_NONE } from '../rtt.ts';
import type { AckState } from '../scratch.ts';
import { SK_PACING_NEEDED, SK_PACING_NONE } from '../../sock/sock.ts';
import { GSO_MAX_SIZE, TCP_CA_Loss, TCP_CA_Recovery, TCP_INFINITE_SSTHRESH, type TcpSock } from '../sock.ts';
import { ltBwSampling, resetLtBwSampling } from './bbr-policer.ts';
import { BBR_UNIT, Bbr, bbrBw, bbrMaxBw, bbrRateBytesPerSec, BW_UNIT, DRAIN, PROBE_BW, PROBE_RTT, STARTUP } from './bbr-state.ts';
import { CA_EVENT_TX_START, type CongestionOps, type TcpCcInfo } from './cong.ts';

/** Round trips over which the greatest bandwidth counts: a cycle of PROBE_BW and two. */
const BW_RTTS = 10;
const MIN_RTT_WIN_MS = 10000;
const PROBE_RTT_MODE_MS = 200;
/** 2/ln 2: the gain at which the rate doubles per round trip; and its inverse. Gains are in 1/256. */
const HIGH_GAIN: number = Math.floor((BBR_UNIT * 2885) / 1000) + 1;
const DRAIN_GAIN: number = Math.floor((BBR_UNIT * 1000) / 2885);
const CWND_GAIN = 512;
const CYCLE_LEN = 8;
/** A cycle begins anywhere but in the phase that drains. */
const CYCLE_RAND = 7;
const CWND_MIN_TARGET = 4;
const FULL_BW_CNT = 3;
/** ACKs that come in lumps: what they brought beyond the bandwidth, over five to ten round trips, at most 100 ms worth. */
const EXTRA_ACKED_WIN_RTTS = 5;
const EXTRA_ACKED_MAX_US = 100000;
const ACK_EPOCH_MAX = 0xfffff;
/** Below 1.2 Mbit/s bursts are single segments. */
const MIN_TSO_RATE = 1200000 / 8;
/** Most segments of one burst that the window makes room for. */
const TSO_SEGS_MAX = 0x7f;

function state(tp: TcpSock): Bbr {
  if (tp.caPriv === null) init(tp); // a SYN that is lost comes here before the connection is established
  return tp.caPriv as Bbr;
}

function init(tp: TcpSock): void {
  const b = new Bbr();
  tp.caPriv = b;
  tp.sndSsthresh = TCP_INFINITE_SSTHRESH;
  b.nextRttDelivered = tp.delivered;
  b.minRttUs = tp.minRttUs;
  b.minRttStamp = tcpJiffies(tp);
  initPacingRateFromRtt(tp, b);
  resetLtBwSampling(tp, b);
  b.ackEpochUs = tp.mstampUs;
  if (tp.pacingStatus === SK_PACING_NONE) tp.pacingStatus = SK_PACING_NEEDED;
}

// ---- pacing

function paced(tp: TcpSock, bw: number, gain: number): number {
  return Math.min(bbrRateBytesPerSec(tp, bw, gain), tp.maxPacingRate);
}

/** Before any bandwidth is known: the initial window over the round trip of the handshake, a millisecond without one. */
function initPacingRateFromRtt(tp: TcpSock, b: Bbr): void {
  let rttUs = 1000;
  if (tp.srttUs > 0) {
    rttUs = Math.max(tp.srttUs >> 3, 1);
    b.hasSeenRtt = true;
  }
  tp.pacingRate = paced(tp, Math.floor((tp.sndCwnd * BW_UNIT) / rttUs), HIGH_GAIN);
}

function setPacingRate(tp: TcpSock, b: Bbr, bw: number, gain: number): void {
  const rate = paced(tp, bw, gain);
  if (!b.hasSeenRtt && tp.srttUs > 0) initPacingRateFromRtt(tp, b);
  // While the pipe fills a sample that is too low must not slow it down.
  if (b.fullBwReached || rate > tp.pacingRate) tp.pacingRate = rate;
}

function minTsoSegs(tp: TcpSock): number {
  return tp.pacingRate < MIN_TSO_RATE ? 1 : 2;
}

/** Segments of one burst at this rate: a millisecond of it. */
function tsoSegsGoal(tp: TcpSock): number {
  const bytes = Math.min(Math.floor(tp.pacingRate / 1024), GSO_MAX_SIZE);
  return Math.min(Math.max(Math.floor(bytes / tp.mssCache), minTsoSegs(tp)), TSO_SEGS_MAX);
}

// ---- the window

/** Segments in flight that fill the path: bandwidth times round trip times gain. */
function bdp(b: Bbr, bw: number, gain: number): number {
  if (b.minRttUs === MIN_RTT_NONE) return TCP_INIT_CWND;
  return Math.floor((Math.floor((bw * b.minRttUs * gain) / BBR_UNIT) + BW_UNIT - 1) / BW_UNIT);
}

/** Room for the bursts under way in sender, qdisc and receiver, and for a receiver that acknowledges every second segment. */
function quantizationBudget(tp: TcpSock, b: Bbr, target: number): number {
  let cwnd = target + 3 * tsoSegsGoal(tp);
  cwnd = (cwnd + 1) & ~1;
  return b.mode === PROBE_BW && b.cycleIdx === 0 ? cwnd + 2 : cwnd; // even a tiny window must be able to grow
}

function inflight(tp: TcpSock, b: Bbr, bw: number, gain: number): number {
  return quantizationBudget(tp, b, bdp(b, bw, gain));
}

/** What will be in flight when the next segment may leave: what was paced until then is delivered meanwhile. */
function packetsInNetAtEdt(tp: TcpSock, b: Bbr, now: number): number {
  const waitUs = Math.max(0, tp.wstampNs - tp.mstampUs * 1000) / 1000;
  const delivered = Math.floor((bbrBw(b) * Math.floor(waitUs)) / BW_UNIT);
  const at = b.pacingGain > BBR_UNIT ? now + tsoSegsGoal(tp) : now;
  return Math.max(0, at - delivered);
}

function ackAggregationCwnd(b: Bbr): number {
  if (!b.fullBwReached) return 0;
  return Math.min(Math.max(b.extraAcked0, b.extraAcked1), Math.floor((bbrBw(b) * EXTRA_ACKED_MAX_US) / BW_UNIT));
}

/** Remembers the window before a recovery, or before PROBE_RTT, takes it. */
function saveCwnd(tp: TcpSock, b: Bbr): void {
  if (b.prevCaState < TCP_CA_Recovery && b.mode !== PROBE_RTT) b.priorCwnd = tp.sndCwnd;
  else b.priorCwnd = Math.max(b.priorCwnd, tp.sndCwnd);
}

/** Entering recovery: one segment out for each that came in, for a round trip; leaving it: the window of before. -1: neither. */
function cwndInRecovery(tp: TcpSock, b: Bbr, rs: AckState): number {
  const prev = b.prevCaState;
  const now = tp.caState;
  let cwnd = rs.losses > 0 ? Math.max(tp.sndCwnd - rs.losses, 1) : tp.sndCwnd;
  if (now === TCP_CA_Recovery && prev !== TCP_CA_Recovery) {
    b.packetConservation = true;
    b.nextRttDelivered = tp.delivered; // the round begins now
    cwnd = tcpPacketsInFlight(tp) + rs.ackedSacked;
  } else if (prev >= TCP_CA_Recovery && now < TCP_CA_Recovery) {
    cwnd = Math.max(cwnd, b.priorCwnd);
    b.packetConservation = false;
  }
  b.prevCaState = now;
  if (b.packetConservation) return Math.max(cwnd, tcpPacketsInFlight(tp) + rs.ackedSacked);
  b.cwndBase = cwnd;
  return -1;
}

function setCwnd(tp: TcpSock, b: Bbr, rs: AckState, bw: number, gain: number): void {
  const acked = rs.ackedSacked;
  let cwnd = tp.sndCwnd;
  if (acked > 0) {
    const conserved = cwndInRecovery(tp, b, rs);
    if (conserved >= 0) {
      cwnd = conserved;
    } else {
      cwnd = b.cwndBase;
      const target = quantizationBudget(tp, b, bdp(b, bw, gain) + ackAggregationCwnd(b));
      if (b.fullBwReached) cwnd = Math.min(cwnd + acked, target);
      else if (cwnd < target || tp.delivered < TCP_INIT_CWND) cwnd += acked;
      cwnd = Math.max(cwnd, CWND_MIN_TARGET);
    }
  }
  tp.sndCwnd = Math.min(cwnd, tp.sndCwndClamp);
  if (b.mode === PROBE_RTT) tp.sndCwnd = Math.min(tp.sndCwnd, CWND_MIN_TARGET);
}

// ---- PROBE_BW

/** 5/4, 3/4, and six round trips at the bandwidth. */
function cycleGain(idx: number): number {
  return idx === 0 ? (BBR_UNIT * 5) / 4 : idx === 1 ? (BBR_UNIT * 3) / 4 : BBR_UNIT;
}

function isNextCyclePhase(tp: TcpSock, b: Bbr, rs: AckState): boolean {
  const fullLength = Math.max(0, tp.deliveredUs - b.cycleUs) > b.minRttUs;
  if (b.pacingGain === BBR_UNIT) return fullLength;
  const flight = packetsInNetAtEdt(tp, b, rs.priorInFlight);
  const bw = bbrMaxBw(b);
  // Up: until the pipe has been filled to the gain, or something is lost. Down: until the queue is gone.
  if (b.pacingGain > BBR_UNIT) return fullLength && (rs.losses > 0 || flight >= inflight(tp, b, bw, b.pacingGain));
  return fullLength || flight <= inflight(tp, b, bw, BBR_UNIT);
}

function advanceCyclePhase(tp: TcpSock, b: Bbr): void {
  b.cycleIdx = (b.cycleIdx + 1) & (CYCLE_LEN - 1);
  b.cycleUs = tp.deliveredUs;
}

function enterProbeBw(tp: TcpSock, b: Bbr): void {
  b.mode = PROBE_BW;
  b.cycleIdx = CYCLE_LEN - 1 - tp.net.random.below(CYCLE_RAND);
  advanceCyclePhase(tp, b);
}

// ---- the model

function updateBw(tp: TcpSock, b: Bbr, rs: AckState): void {
  b.roundStart = false;
  if (rs.delivered < 0 || rs.intervalUs <= 0) return;
  if (rs.priorDelivered >= b.nextRttDelivered) {
    b.nextRttDelivered = tp.delivered;
    b.rttCnt++;
    b.roundStart = true;
    b.packetConservation = false;
  }
  if (ltBwSampling(tp, b, rs.losses, rs.isAppLimited)) enterProbeBw(tp, b);
  const bw = Math.floor((rs.delivered * BW_UNIT) / rs.intervalUs);
  // What the application did not send says nothing of the path, unless it is more than was known.
  if (!rs.isAppLimited || bw >= bbrMaxBw(b)) b.bw.running(BW_RTTS, b.rttCnt, bw);
}

function updateAckAggregation(tp: TcpSock, b: Bbr, rs: AckState): void {
  if (rs.ackedSacked <= 0 || rs.delivered < 0 || rs.intervalUs <= 0) return;
  if (b.roundStart && ++b.extraAckedWinRtts >= EXTRA_ACKED_WIN_RTTS) {
    b.extraAckedWinRtts = 0;
    b.extraAckedIdx ^= 1;
    if (b.extraAckedIdx === 0) b.extraAcked0 = 0;
    else b.extraAcked1 = 0;
  }
  let expected = Math.floor((bbrBw(b) * Math.max(0, tp.deliveredUs - b.ackEpochUs)) / BW_UNIT);
  if (b.ackEpochAcked <= expected || b.ackEpochAcked + rs.ackedSacked > ACK_EPOCH_MAX) {
    b.ackEpochAcked = 0;
    b.ackEpochUs = tp.deliveredUs;
    expected = 0;
  }
  b.ackEpochAcked = Math.min(ACK_EPOCH_MAX, b.ackEpochAcked + rs.ackedSacked);
  const extra = Math.min(b.ackEpochAcked - expected, tp.sndCwnd);
  if (b.extraAckedIdx === 0) b.extraAcked0 = Math.max(b.extraAcked0, extra);
  else b.extraAcked1 = Math.max(b.extraAcked1, extra);
}

/** Three rounds without a quarter more: the pipe is full. */
function checkFullBwReached(b: Bbr, rs: AckState): void {
  if (b.fullBwReached || !b.roundStart || rs.isAppLimited) return;
  const max = bbrMaxBw(b);
  if (max >= Math.floor((b.fullBw * 5) / 4)) {
    b.fullBw = max;
    b.fullBwCnt = 0;
    return;
  }
  b.fullBwReached = ++b.fullBwCnt >= FULL_BW_CNT;
}

function checkDrain(tp: TcpSock, b: Bbr): void {
  if (b.mode === STARTUP && b.fullBwReached) {
    b.mode = DRAIN;
    tp.sndSsthresh = inflight(tp, b, bbrMaxBw(b), BBR_UNIT);
  }
  if (b.mode === DRAIN && packetsInNetAtEdt(tp, b, tcpPacketsInFlight(tp)) <= inflight(tp, b, bbrMaxBw(b), BBR_UNIT)) {
    enterProbeBw(tp, b);
  }
}

function checkProbeRttDone(tp: TcpSock, b: Bbr): void {
  const now = tcpJiffies(tp);
  if (b.probeRttDoneMs < 0 || now <= b.probeRttDoneMs) return;
  b.minRttStamp = now;
  tp.sndCwnd = Math.max(tp.sndCwnd, b.priorCwnd);
  if (b.fullBwReached) enterProbeBw(tp, b);
  else b.mode = STARTUP;
}

function updateMinRtt(tp: TcpSock, b: Bbr, rs: AckState): void {
  const now = tcpJiffies(tp);
  const expired = now > b.minRttStamp + MIN_RTT_WIN_MS;
  const delayed = (rs.flag & FLAG_ACK_MAYBE_DELAYED) !== 0;
  if (rs.rttUs >= 0 && (rs.rttUs < b.minRttUs || (expired && !delayed))) {
    b.minRttUs = rs.rttUs;
    b.minRttStamp = now;
  }
  if (expired && !b.idleRestart && b.mode !== PROBE_RTT) {
    b.mode = PROBE_RTT;
    saveCwnd(tp, b);
    b.probeRttDoneMs = -1;
  }
  if (b.mode === PROBE_RTT) inProbeRtt(tp, b, now);
  if (rs.delivered > 0) b.idleRestart = false;
}

/** 200 ms and a round trip with four segments in flight; the low rate meanwhile is of our own making. */
function inProbeRtt(tp: TcpSock, b: Bbr, now: number): void {
  const flight = tcpPacketsInFlight(tp);
  tp.appLimited = Math.max(1, tp.delivered + flight);
  if (b.probeRttDoneMs < 0) {
    if (flight > CWND_MIN_TARGET) return;
    b.probeRttDoneMs = now + PROBE_RTT_MODE_MS;
    b.probeRttRoundDone = false;
    b.nextRttDelivered = tp.delivered;
    return;
  }
  if (b.roundStart) b.probeRttRoundDone = true;
  if (b.probeRttRoundDone) checkProbeRttDone(tp, b);
}

function updateGains(b: Bbr): void {
  switch (b.mode) {
    case STARTUP:
      b.pacingGain = HIGH_GAIN;
      b.cwndGain = HIGH_GAIN;
      break;
    case DRAIN:
      b.pacingGain = DRAIN_GAIN;
      b.cwndGain = HIGH_GAIN;
      break;
    case PROBE_BW:
      b.pacingGain = b.ltUseBw ? BBR_UNIT : cycleGain(b.cycleIdx);
      b.cwndGain = CWND_GAIN;
      break;
    default:
      b.pacingGain = BBR_UNIT;
      b.cwndGain = BBR_UNIT;
  }
}

// ---- what the stack asks

/** For each ACK: the model, then rate and window from it. */
function congControl(tp: TcpSock, rs: AckState): void {
  const b = state(tp);
  updateBw(tp, b, rs);
  updateAckAggregation(tp, b, rs);
  if (b.mode === PROBE_BW && isNextCyclePhase(tp, b, rs)) advanceCyclePhase(tp, b);
  checkFullBwReached(b, rs);
  checkDrain(tp, b);
  updateMinRtt(tp, b, rs);
  updateGains(b);
  const bw = bbrBw(b);
  setPacingRate(tp, b, bw, b.pacingGain);
  setCwnd(tp, b, rs, bw, b.cwndGain);
}

/** Sending again after silence: at the bandwidth, no faster, so that no queue is built. */
function cwndEvent(tp: TcpSock, event: number): void {
  if (event !== CA_EVENT_TX_START || tp.appLimited === 0) return;
  const b = state(tp);
  b.idleRestart = true;
  b.ackEpochUs = tp.mstampUs;
  b.ackEpochAcked = 0;
  if (b.mode === PROBE_BW) setPacingRate(tp, b, bbrBw(b), BBR_UNIT);
  else if (b.mode === PROBE_RTT) checkProbeRttDone(tp, b);
}

/** The threshold is not used; but a recovery begins. */
function ssthresh(tp: TcpSock): number {
  saveCwnd(tp, state(tp));
  return tp.sndSsthresh;
}

/** The loss was none: what was concluded from it goes, too. */
function undoCwnd(tp: TcpSock): number {
  const b = state(tp);
  b.fullBw = 0;
  b.fullBwCnt = 0;
  resetLtBwSampling(tp, b);
  return tp.sndCwnd;
}

function setState(tp: TcpSock, next: number): void {
  if (next !== TCP_CA_Loss) return;
  const b = state(tp);
  b.prevCaState = TCP_CA_Loss;
  b.fullBw = 0;
  b.roundStart = true; // a timeout ends a round
  if (ltBwSampling(tp, b, 1, false)) enterProbeBw(tp, b);
}

/** `struct tcp_bbr_info`: bandwidth in bytes per second, round trip in microseconds, gains in 1/256. */
function getInfo(tp: TcpSock): TcpCcInfo {
  const b = state(tp);
  const bw = Math.floor((bbrBw(b) * tp.mssCache * 1e6) / BW_UNIT);
  return {
    bbr_bw_lo: bw % 2 ** 32, bbr_bw_hi: Math.floor(bw / 2 ** 32), bbr_min_rtt: b.minRttUs === MIN_RTT_NONE ? 0xffffffff : b.minRttUs,
    bbr_pacing_gain: b.pacingGain, bbr_cwnd_gain: b.cwndGain,
  };
}

export const bbrOps: CongestionOps = {
  name: 'bbr',
  needsEcn: false,
  init,
  ssthresh,
  congAvoid(): void {},
  undoCwnd,
  setState,
  cwndEvent,
  pktsAcked(): void {},
  inAckEvent: null,
  congControl,
  minTsoSegs,
  sndbufExpand(): number {
    return 3; // a window in flight, one acknowledged in a lump, one to be written
  },
  getInfo,
};
