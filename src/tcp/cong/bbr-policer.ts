/**
 * BBR on a path with a token bucket: bursts go through, then much is lost at a rate that stays the same. Two intervals of four
 * round trips or more, each bounded by losses, with a fifth or more lost and nearly equal rates: that rate is used for 48 round
 * trips ("long-term bandwidth").
 */
import type { TcpSock } from '../sock.ts';
import { BBR_UNIT, bbrRateBytesPerSec, BW_UNIT, PROBE_BW, type Bbr } from './bbr-state.ts';

const LT_INTVL_MIN_RTTS = 4;
/** 50/256 of what was delivered. */
const LT_LOSS_THRESH = 50;
/** Rates are alike within an eighth, or within 4 kbit/s (bytes per second here). */
const LT_BW_RATIO: number = BBR_UNIT / 8;
const LT_BW_DIFF = 500;
const LT_BW_MAX_RTTS = 48;

function resetInterval(tp: TcpSock, b: Bbr): void {
  b.ltLastMs = Math.floor(tp.deliveredUs / 1000);
  b.ltLastDelivered = tp.delivered;
  b.ltLastLost = tp.lost;
  b.ltRttCnt = 0;
}

export function resetLtBwSampling(tp: TcpSock, b: Bbr): void {
  b.ltBw = 0;
  b.ltUseBw = false;
  b.ltIsSampling = false;
  resetInterval(tp, b);
}

function intervalDone(tp: TcpSock, b: Bbr, bw: number): void {
  if (b.ltBw > 0) {
    const diff = Math.abs(bw - b.ltBw);
    if (diff * BBR_UNIT <= LT_BW_RATIO * b.ltBw || bbrRateBytesPerSec(tp, diff, BBR_UNIT) <= LT_BW_DIFF) {
      b.ltBw = Math.floor((bw + b.ltBw) / 2);
      b.ltUseBw = true;
      b.pacingGain = BBR_UNIT;
      b.ltRttCnt = 0;
      return;
    }
  }
  b.ltBw = bw;
  resetInterval(tp, b);
}

/** One more ACK. True: the policer's rate has been used for long enough, the bandwidth is to be probed again. */
export function ltBwSampling(tp: TcpSock, b: Bbr, losses: number, appLimited: boolean): boolean {
  if (b.ltUseBw) {
    if (b.mode !== PROBE_BW || !b.roundStart || ++b.ltRttCnt < LT_BW_MAX_RTTS) return false;
    resetLtBwSampling(tp, b);
    return true;
  }
  if (!b.ltIsSampling) {
    if (losses === 0) return false;
    resetInterval(tp, b);
    b.ltIsSampling = true;
  }
  if (appLimited) {
    resetLtBwSampling(tp, b);
    return false;
  }
  if (b.roundStart) b.ltRttCnt++;
  if (b.ltRttCnt < LT_INTVL_MIN_RTTS) return false;
  if (b.ltRttCnt > 4 * LT_INTVL_MIN_RTTS) {
    resetLtBwSampling(tp, b); // too long: a policer would have shown itself
    return false;
  }
  if (losses === 0) return false; // an interval ends with a loss: the tokens are gone
  const lost = tp.lost - b.ltLastLost;
  const delivered = tp.delivered - b.ltLastDelivered;
  if (delivered === 0 || lost * BBR_UNIT < LT_LOSS_THRESH * delivered) return false;
  const ms = Math.floor(tp.deliveredUs / 1000) - b.ltLastMs;
  if (ms < 1) return false;
  intervalDone(tp, b, Math.floor((delivered * BW_UNIT) / (ms * 1000)));
  return false;
}
