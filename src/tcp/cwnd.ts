/**
 * How much may be in flight: the bookkeeping of the congestion window that all algorithms share. Is the window what limits
 * us (RFC 7661), has it grown stale (RFC 2861, RFC 9293 §3.8.2 with RFC 5681 §4.1), and the pacing rate that follows from it.
 */
import { before } from '../lib/seq.ts';
import type { Dst } from '../sock/dst.ts';
import { CA_EVENT_CWND_RESTART, tcpInSlowStart } from './cong/cong.ts';
import { TCP_CHRONO_SNDBUF_LIMITED, tcpChronoStart } from './chrono.ts';
import { tcpJiffies } from './clock.ts';
import { tcpCurrentSsthresh, tcpHasSocket, tcpMayWrite } from './flight.ts';
import { TCP_CA_Open, type TcpSock } from './sock.ts';

/** RFC 6928. */
export const TCP_INIT_CWND = 10;

/** The initial window of this connection: RFC 6928, or what the route says (`initcwnd`). */
export function tcpInitCwnd(tp: TcpSock): number {
  const asked = (tp.dst as Dst | null)?.metrics?.initcwnd ?? 0;
  return asked !== 0 ? asked : TCP_INIT_CWND;
}

/** Is the window the limit? In slow start it may grow to twice what was used, so that a burst of acknowledgements counts. */
export function tcpIsCwndLimited(tp: TcpSock): boolean {
  if (tp.isCwndLimited) return true;
  return tcpInSlowStart(tp) && tp.sndCwnd < 2 * tp.maxPacketsOut;
}

/** Something was sent, or the window forbade it: remembers which. */
export function tcpCwndValidate(tp: TcpSock, isCwndLimited: boolean): void {
  // The strongest sign within one window of data counts.
  if (
    !before(tp.sndUna, tp.cwndUsageSeq) ||
    isCwndLimited ||
    (!tp.isCwndLimited && tp.packetsOut > tp.maxPacketsOut)
  ) {
    tp.isCwndLimited = isCwndLimited;
    tp.maxPacketsOut = tp.packetsOut;
    tp.cwndUsageSeq = tp.sndNxt;
  }
  if (tcpIsCwndLimited(tp)) {
    tp.sndCwndUsed = 0;
    tp.sndCwndStamp = tcpJiffies(tp);
    return;
  }
  if (tp.packetsOut > tp.sndCwndUsed) tp.sndCwndUsed = tp.packetsOut;
  if (
    tp.tcp.sysctl.tcpSlowStartAfterIdle !== 0 && (tcpJiffies(tp) - tp.sndCwndStamp) * 1000 >= tp.rtoUs && tp.ca.congControl === null
  ) {
    tcpCwndApplicationLimited(tp);
  }
  if (tp.writeQueue.head === null && tp.noSpace && tcpMayWrite(tp)) tcpChronoStart(tp, TCP_CHRONO_SNDBUF_LIMITED);
}

/** The window was not used for a whole timeout: it decays towards what was used (RFC 2861). */
function tcpCwndApplicationLimited(tp: TcpSock): void {
  if (tp.caState === TCP_CA_Open && tcpHasSocket(tp) && !tp.noSpace) {
    const used = Math.max(tp.sndCwndUsed, tcpInitCwnd(tp));
    if (used < tp.sndCwnd) {
      tp.sndSsthresh = tcpCurrentSsthresh(tp);
      tp.sndCwnd = (tp.sndCwnd + used) >> 1;
    }
    tp.sndCwndUsed = 0;
  }
  tp.sndCwndStamp = tcpJiffies(tp);
}

/** About to send after silence: a window that nothing has confirmed for longer than the timeout starts again (RFC 5681 §4.1). */
export function tcpSlowStartAfterIdleCheck(tp: TcpSock): void {
  if (tp.tcp.sysctl.tcpSlowStartAfterIdle === 0 || tp.packetsOut > 0 || tp.ca.congControl !== null) return;
  const idleUs = tp.mstampUs - tp.lsndtimeUs;
  if (idleUs > tp.rtoUs) tcpCwndRestart(tp, idleUs);
}

/** Halves the window for each timeout of silence, down to the initial one. */
function tcpCwndRestart(tp: TcpSock, idleUs: number): void {
  const restart = Math.min(tcpInitCwnd(tp), tp.sndCwnd);
  let cwnd = tp.sndCwnd;
  tp.ca.cwndEvent(tp, CA_EVENT_CWND_RESTART);
  tp.sndSsthresh = tcpCurrentSsthresh(tp);
  for (let left = idleUs - tp.rtoUs; left > 0 && cwnd > restart; left -= tp.rtoUs) cwnd >>= 1;
  tp.sndCwnd = Math.max(cwnd, restart);
  tp.sndCwndStamp = tcpJiffies(tp);
  tp.sndCwndUsed = 0;
}

/**
 * What the window and the RTT amount to, bytes per second, with headroom to grow: 200 % in the first half of slow start,
 * 120 % later. It sizes bursts even where nothing paces.
 */
export function tcpUpdatePacingRate(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  const ratio = tp.sndCwnd < tp.sndSsthresh / 2 ? sysctl.tcpPacingSsRatio : sysctl.tcpPacingCaRatio;
  let rate = tp.mssCache * (ratio / 100) * Math.max(tp.sndCwnd, tp.packetsOut);
  // Without an RTT the rate is of one that is a microsecond long.
  rate *= tp.srttUs > 0 ? 8000000 / tp.srttUs : 8000000;
  tp.pacingRate = Math.min(rate, tp.maxPacingRate);
}
