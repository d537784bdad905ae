/**
 * CUBIC, RFC 9438, with HyStart. The numbers are Linux's: beta 717/1024, C 0.4 as 41 << 10 in units of 1/1024 second.
 *
 * After a loss the window grows as a cubic function of time, flat around the window at which the loss was (`lastMaxCwnd`),
 * steep far from it; never slower than Reno would. HyStart leaves slow start before the queue overflows: when the RTT has
 * grown, or when the ACKs of a round have been coming in for half the least RTT.
 */
import { Mib } from '../../dev/mib.ts';
import { tcpIsCwndLimited } from '../cwnd.ts';
import { SK_PACING_NONE } from '../../sock/sock.ts';
import { TCP_CA_Loss, type TcpSock } from '../sock.ts';
import {
  CA_EVENT_TX_START, tcpCongAvoidAi, tcpInSlowStart, tcpSlowStart, type AckSample, type CongestionOps,
} from './cong.ts';
import { renoUndoCwnd } from './reno.ts';

const BETA_SCALE = 1024;
const BETA = 717;
/** C, scaled: 41 * 10 / 1024 = 0.4. */
const CUBE_RTT_SCALE = 410;
/** Time runs in 1/1024 seconds; (10 + 3 * 10) binary places. */
const TIME_SCALE = 1024;
const CUBE_SHIFT: number = 2 ** 40;
const CUBE_FACTOR: number = Math.floor(CUBE_SHIFT / CUBE_RTT_SCALE);
/** Reno's increase that is as friendly as beta 0.7: 8 * (1 + beta) / 3 / (1 - beta). */
const BETA_FRIENDLY: number = Math.floor((8 * (BETA_SCALE + BETA)) / 3 / (BETA_SCALE - BETA));
/** The curve is computed at most so often while the window stands still: a 32nd of a second. */
const UPDATE_MS = 31;

const HYSTART_LOW_WINDOW = 16;
const HYSTART_MIN_SAMPLES = 8;
/** ACKs closer than this belong to one train. */
const HYSTART_ACK_DELTA_US = 2000;
const HYSTART_DELAY_MIN_US = 4000;
const HYSTART_DELAY_MAX_US = 16000;
const NO_RTT = 0x7fffffff;

class Cubic {
  /** One segment more per `cnt` acknowledged ones. */
  cnt = 0;
  lastMaxCwnd = 0;
  lastCwnd = 0;
  /** Milliseconds. */
  lastTime = 0;
  /** Where the curve is flat, and when: K, in 1/1024 s after the epoch's start. */
  originPoint = 0;
  k = 0;
  /** Least RTT, microseconds; 0 unknown. */
  delayMin = 0;
  /** Milliseconds; -1: no epoch. */
  epochStart = -1;
  ackCnt = 0;
  tcpCwnd = 0;
  // ---- HyStart, per round
  roundStart = 0;
  lastAck = 0;
  endSeq = 0;
  currRtt: number = NO_RTT;
  sampleCnt = 0;
  found = false;
}

function reset(ca: Cubic): void {
  ca.cnt = 0;
  ca.lastMaxCwnd = 0;
  ca.lastCwnd = 0;
  ca.lastTime = 0;
  ca.originPoint = 0;
  ca.k = 0;
  ca.delayMin = 0;
  ca.epochStart = -1;
  ca.ackCnt = 0;
  ca.tcpCwnd = 0;
  ca.found = false;
}

function hystartReset(tp: TcpSock, ca: Cubic): void {
  ca.roundStart = tp.mstampUs;
  ca.lastAck = tp.mstampUs;
  ca.endSeq = tp.sndNxt;
  ca.currRtt = NO_RTT;
  ca.sampleCnt = 0;
}

function state(tp: TcpSock): Cubic {
  if (tp.caPriv === null) init(tp); // a SYN that is lost comes here before the connection is established
  return tp.caPriv as Cubic;
}

function init(tp: TcpSock): void {
  const ca = new Cubic();
  hystartReset(tp, ca);
  tp.caPriv = ca;
}

/** The integer cube root. */
function cubicRoot(a: number): number {
  let r = Math.round(Math.cbrt(a));
  while (r * r * r > a) r--;
  while ((r + 1) * (r + 1) * (r + 1) <= a) r++;
  return r;
}

/** Sets `cnt`, the pace of growth, from the curve (RFC 9438 §4.2 to §4.5). */
function update(tp: TcpSock, ca: Cubic, cwnd: number, acked: number): void {
  const now = Math.floor(tp.mstampUs / 1000);
  ca.ackCnt += acked;
  if (ca.lastCwnd === cwnd && now - ca.lastTime <= UPDATE_MS) return;
  if (ca.epochStart < 0 || now !== ca.lastTime) {
    ca.lastCwnd = cwnd;
    ca.lastTime = now;
    if (ca.epochStart < 0) beginEpoch(ca, now, cwnd, acked);
    followCurve(ca, now, cwnd);
  }
  // RFC 9438 §4.3: at least what Reno would have by now.
  const perSegment = (cwnd * BETA_FRIENDLY) >> 3;
  if (ca.ackCnt > perSegment) {
    const grown = Math.ceil(ca.ackCnt / perSegment) - 1;
    ca.ackCnt -= grown * perSegment;
    ca.tcpCwnd += grown;
  }
  if (ca.tcpCwnd > cwnd) ca.cnt = Math.min(ca.cnt, Math.floor(cwnd / (ca.tcpCwnd - cwnd)));
  ca.cnt = Math.max(ca.cnt, 2); // at most half a window per round trip
}

function beginEpoch(ca: Cubic, now: number, cwnd: number, acked: number): void {
  ca.epochStart = now;
  ca.ackCnt = acked;
  ca.tcpCwnd = cwnd;
  if (ca.lastMaxCwnd <= cwnd) {
    ca.k = 0;
    ca.originPoint = cwnd;
  } else {
    ca.k = cubicRoot(CUBE_FACTOR * (ca.lastMaxCwnd - cwnd));
    ca.originPoint = ca.lastMaxCwnd;
  }
}

function followCurve(ca: Cubic, now: number, cwnd: number): void {
  // Where the curve will be one round trip from now.
  const ms = now - ca.epochStart + Math.ceil(ca.delayMin / 1000);
  const t = Math.floor((ms * TIME_SCALE) / 1000);
  const offs = Math.abs(t - ca.k);
  const delta = Math.floor((CUBE_RTT_SCALE * offs * offs * offs) / CUBE_SHIFT);
  const target = t < ca.k ? ca.originPoint - delta : ca.originPoint + delta;
  ca.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
  // Nothing is known of the path yet: five percent per round trip at least.
  if (ca.lastMaxCwnd === 0 && ca.cnt > 20) ca.cnt = 20;
}

function congAvoid(tp: TcpSock, _ack: number, acked: number): void {
  if (!tcpIsCwndLimited(tp)) return;
  let left = acked;
  if (tcpInSlowStart(tp)) {
    left = tcpSlowStart(tp, left);
    if (left === 0) return;
  }
  const ca = state(tp);
  update(tp, ca, tp.sndCwnd, left);
  tcpCongAvoidAi(tp, ca.cnt, left);
}

/** RFC 9438 §4.6 and §4.7: 0.7 of the window; a flow that had not come back to its old maximum gives way a little more. */
function ssthresh(tp: TcpSock): number {
  const ca = state(tp);
  const cwnd = tp.sndCwnd;
  ca.epochStart = -1;
  ca.lastMaxCwnd = cwnd < ca.lastMaxCwnd ? Math.floor((cwnd * (BETA_SCALE + BETA)) / (2 * BETA_SCALE)) : cwnd;
  return Math.max(Math.floor((cwnd * BETA) / BETA_SCALE), 2);
}

function setState(tp: TcpSock, next: number): void {
  if (next !== TCP_CA_Loss) return;
  const ca = state(tp);
  reset(ca);
  hystartReset(tp, ca);
}

/** After silence the epoch moves on by as much: the curve is for time in which we sent. */
function cwndEvent(tp: TcpSock, event: number): void {
  if (event !== CA_EVENT_TX_START) return;
  const ca = state(tp);
  if (ca.epochStart < 0) return;
  const now = Math.floor(tp.mstampUs / 1000);
  const idle = now - Math.floor(tp.lsndtimeUs / 1000);
  if (idle > 0) ca.epochStart = Math.min(ca.epochStart + idle, now);
}

function pktsAcked(tp: TcpSock, sample: AckSample): void {
  if (sample.rttUs < 0) return;
  const ca = state(tp);
  // The first second after a recovery its queue still shows.
  if (ca.epochStart >= 0 && Math.floor(tp.mstampUs / 1000) - ca.epochStart < 1000) return;
  const delay = Math.max(1, sample.rttUs);
  if (ca.delayMin === 0 || ca.delayMin > delay) ca.delayMin = delay;
  if (!ca.found && tcpInSlowStart(tp)) hystartUpdate(tp, ca, delay);
}

function hystartUpdate(tp: TcpSock, ca: Cubic, delay: number): void {
  if (((ca.endSeq - tp.sndUna) | 0) < 0) hystartReset(tp, ca);
  if (tp.sndCwnd < HYSTART_LOW_WINDOW) return; // rounds are told apart from the beginning, though
  const now = tp.mstampUs;
  if (now - ca.lastAck <= HYSTART_ACK_DELTA_US) {
    ca.lastAck = now;
    let threshold = ca.delayMin + hystartAckDelay(tp);
    if (tp.pacingStatus === SK_PACING_NONE) threshold /= 2; // pacing itself spreads a round over half a round trip
    if (now - ca.roundStart > threshold) {
      leaveSlowStart(tp, ca, Mib.TcpExtTCPHystartTrainDetect, Mib.TcpExtTCPHystartTrainCwnd);
    }
  }
  if (ca.currRtt > delay) ca.currRtt = delay;
  if (ca.sampleCnt < HYSTART_MIN_SAMPLES) {
    ca.sampleCnt++;
    return;
  }
  const thresh = Math.min(Math.max(ca.delayMin >> 3, HYSTART_DELAY_MIN_US), HYSTART_DELAY_MAX_US);
  if (ca.currRtt > ca.delayMin + thresh) {
    leaveSlowStart(tp, ca, Mib.TcpExtTCPHystartDelayDetect, Mib.TcpExtTCPHystartDelayCwnd);
  }
}

/** What bursts may add to the length of a train: the time of four of the largest, a millisecond at most. */
function hystartAckDelay(tp: TcpSock): number {
  return Math.min(1000, (tp.gsoMaxSize * 4 * 1e6) / tp.pacingRate);
}

function leaveSlowStart(tp: TcpSock, ca: Cubic, detected: number, cwnd: number): void {
  ca.found = true;
  tp.net.inc(detected);
  tp.net.mib[cwnd]! += tp.sndCwnd;
  tp.sndSsthresh = tp.sndCwnd;
}

export const cubicOps: CongestionOps = {
  name: 'cubic',
  needsEcn: false,
  init,
  ssthresh,
  congAvoid,
  undoCwnd(tp: TcpSock): number {
    return renoUndoCwnd(tp);
  },
  setState,
  cwndEvent,
  pktsAcked,
  inAckEvent: null,
  congControl: null,
  minTsoSegs: null,
  sndbufExpand: null,
  getInfo: null,
};
