/**
 * Congestion control: what an algorithm is asked (Linux: struct tcp_congestion_ops), and who there is to ask.
 *
 * The windows of a connection (`sndCwnd`, `sndSsthresh`, in segments) are moved by `tcp/cwnd.ts` and `tcp/recovery.ts`; the
 * algorithm says by how much. Its own numbers live in `tp.caPriv`.
 */
import type { TcpSock } from '../sock.ts';
import { cubicOps } from './cubic.ts';
import { renoOps } from './reno.ts';

/** Events for `cwndEvent` (Linux: enum tcp_ca_event). */
export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;
export const CA_EVENT_ECN_NO_CE = 4;
export const CA_EVENT_ECN_IS_CE = 5;

/** What an ACK taught. One object per host, used again for each ACK (Linux: struct ack_sample). */
export class AckSample {
  /** Segments newly acknowledged, cumulatively or by SACK. */
  pktsAcked = 0;
  /** Microseconds, -1 when there was no valid sample. */
  rttUs = -1;
  /** Segments that were in flight when the newest of them was sent. */
  inFlight = 0;
}

export interface CongestionOps {
  readonly name: string;
  /** The connection has just been established, or has just been given this algorithm. Sets `tp.caPriv`. */
  init(tp: TcpSock): void;
  /** The slow start threshold after a loss, in segments. */
  ssthresh(tp: TcpSock): number;
  /** New data was acknowledged while the window was the limit: grow it. */
  congAvoid(tp: TcpSock, ack: number, acked: number): void;
  /** The window to return to when a reduction turns out to have been for nothing. */
  undoCwnd(tp: TcpSock): number;
  /** `tp.caState` is about to become `state`. */
  setState(tp: TcpSock, state: number): void;
  cwndEvent(tp: TcpSock, event: number): void;
  pktsAcked(tp: TcpSock, sample: AckSample): void;
  /** It needs marks: ECN is asked for, and everything is ECT, whatever net.ipv4.tcp_ecn says. */
  readonly needsEcn?: boolean;
}

/** What `net.ipv4.tcp_available_congestion_control` lists, the default first. */
export function tcpAvailableCongestionControl(): readonly CongestionOps[] {
  return [cubicOps, renoOps];
}

/** The algorithm of that name, or null. */
export function tcpCaFind(name: string): CongestionOps | null {
  for (const ops of tcpAvailableCongestionControl()) if (ops.name === name) return ops;
  return null;
}

/** Gives a connection another algorithm (TCP_CONGESTION); one that is established starts it at once. */
export function tcpSetCongestionControl(tp: TcpSock, ops: CongestionOps, established: boolean): void {
  tp.ca = ops;
  tp.caPriv = null;
  if (established) ops.init(tp);
}

export function tcpInSlowStart(tp: TcpSock): boolean {
  return tp.sndCwnd < tp.sndSsthresh;
}

/** Slow start, RFC 5681 §3.1 with appropriate byte counting: one segment per segment. Returns what `acked` is left above ssthresh. */
export function tcpSlowStart(tp: TcpSock, acked: number): number {
  const cwnd = Math.min(tp.sndCwnd + acked, tp.sndSsthresh);
  const left = acked - (cwnd - tp.sndCwnd);
  tp.sndCwnd = Math.min(cwnd, tp.sndCwndClamp);
  return left;
}

/** Additive increase: one segment per `w` acknowledged ones. */
export function tcpCongAvoidAi(tp: TcpSock, w: number, acked: number): void {
  // A credit earned at a higher w is spent first.
  if (tp.sndCwndCnt >= w) {
    tp.sndCwndCnt = 0;
    tp.sndCwnd++;
  }
  tp.sndCwndCnt += acked;
  if (tp.sndCwndCnt >= w) {
    const delta = Math.floor(tp.sndCwndCnt / w);
    tp.sndCwndCnt -= delta * w;
    tp.sndCwnd += delta;
  }
  tp.sndCwnd = Math.min(tp.sndCwnd, tp.sndCwndClamp);
}
