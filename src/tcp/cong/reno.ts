/** Reno, RFC 5681: halve on loss, one segment per round trip otherwise. */
import type { TcpSock } from '../sock.ts';
import { tcpCongAvoidAi, tcpInSlowStart, tcpSlowStart, type CongestionOps } from './cong.ts';
import { tcpIsCwndLimited } from '../cwnd.ts';

/** RFC 5681 equation (4), in segments: half, at least two. */
export function renoSsthresh(tp: TcpSock): number {
  return Math.max(tp.sndCwnd >> 1, 2);
}

/** RFC 5681 §3.1. */
export function renoCongAvoid(tp: TcpSock, ack: number, acked: number): void {
  if (!tcpIsCwndLimited(tp)) return;
  let left = acked;
  if (tcpInSlowStart(tp)) {
    left = tcpSlowStart(tp, left);
    if (left === 0) return;
  }
  tcpCongAvoidAi(tp, tp.sndCwnd, left);
}

/** What the window was before the reduction. */
export function renoUndoCwnd(tp: TcpSock): number {
  return Math.max(tp.sndCwnd, tp.priorCwnd);
}

export const renoOps: CongestionOps = {
  name: 'reno',
  needsEcn: false,
  init(): void {},
  ssthresh: renoSsthresh,
  congAvoid: renoCongAvoid,
  undoCwnd: renoUndoCwnd,
  setState(): void {},
  cwndEvent(): void {},
  pktsAcked(): void {},
  inAckEvent: null,
  congControl: null,
  minTsoSegs: null,
  sndbufExpand: null,
  getInfo: null,
};

/** What DCTCP is where the peer does not speak ECN. */
export const dctcpRenoOps: CongestionOps = { ...renoOps, name: 'dctcp-reno' };
