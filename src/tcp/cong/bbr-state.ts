/** What BBR keeps of a connection, and its units: bandwidth in segments per microsecond times 2^24, gains in 1/256. */
import { TCP_CA_Open, type TcpSock } from '../sock.ts';
import { MIN_RTT_NONE } from '../rtt.ts';
import { WindowedMax } from './minmax.ts';

export const BW_UNIT: number = 2 ** 24;
export const BBR_UNIT = 256;
/** Pacing stays a percent below the bandwidth, so that queues drain. */
const PACING_MARGIN_PERCENT = 1;

export const STARTUP = 0;
export const DRAIN = 1;
export const PROBE_BW = 2;
export const PROBE_RTT = 3;

export class Bbr {
  mode: number = STARTUP;
  /** The two numbers of the model: greatest delivery rate of ten rounds, least RTT of ten seconds (and when it was, milliseconds). */
  readonly bw: WindowedMax = new WindowedMax();
  minRttUs: number = MIN_RTT_NONE;
  minRttStamp = 0;
  pacingGain = 0;
  cwndGain = 0;
  hasSeenRtt = false;
  /** Rounds: how many, where the next one begins (in segments delivered), and whether this ACK began one. */
  rttCnt = 0;
  nextRttDelivered = 0;
  roundStart = false;
  // ---- STARTUP
  fullBw = 0;
  fullBwCnt = 0;
  fullBwReached = false;
  // ---- PROBE_BW: the phase, and when it began
  cycleIdx = 0;
  cycleUs = 0;
  // ---- PROBE_RTT: when it may end, host milliseconds; -1: not yet known
  probeRttDoneMs = -1;
  probeRttRoundDone = false;
  idleRestart = false;
  // ---- recovery
  prevCaState: number = TCP_CA_Open;
  packetConservation = false;
  priorCwnd = 0;
  /** The window less what was lost: where the next one starts from. */
  cwndBase = 0;
  // ---- ACKs in lumps: the most that came beyond the bandwidth, in two halves of a window
  ackEpochUs = 0;
  ackEpochAcked = 0;
  extraAcked0 = 0;
  extraAcked1 = 0;
  extraAckedIdx = 0;
  extraAckedWinRtts = 0;
  // ---- a policer on the way (`bbr-policer.ts`)
  ltIsSampling = false;
  ltRttCnt = 0;
  ltUseBw = false;
  ltBw = 0;
  ltLastDelivered = 0;
  ltLastLost = 0;
  ltLastMs = 0;
}

export function bbrMaxBw(b: Bbr): number {
  return b.bw.v0;
}

/** The bandwidth that counts: a policer's, when there seems to be one. */
export function bbrBw(b: Bbr): number {
  return b.ltUseBw ? b.ltBw : b.bw.v0;
}

/** Bytes per second of a bandwidth times a gain. */
export function bbrRateBytesPerSec(tp: TcpSock, bw: number, gain: number): number {
  const scaled = Math.floor((bw * tp.mssCache * gain) / BBR_UNIT);
  return Math.floor((scaled * (1e6 / 100) * (100 - PACING_MARGIN_PERCENT)) / BW_UNIT);
}
