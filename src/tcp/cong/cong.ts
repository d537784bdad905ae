/**
 * Congestion control: what an algorithm is asked (Linux: struct tcp_congestion_ops), and who there is to ask.
 *
 * The windows of a connection (`sndCwnd`, `sndSsthresh`, in segments) are moved by `tcp/cwnd.ts` and `tcp/recovery.ts`; the
 * algorithm says by how much. Its own numbers live in `tp.caPriv`.
 */
import { INET_ECN_ECT_0, INET_ECN_NOT_ECT } from '../../wire/ipv4.ts';
import { tcpSetEcnField } from '../ecn.ts';
import type { AckState } from '../scratch.ts';
import type { TcpSock } from '../sock.ts';
import { bbrOps } from './bbr.ts';
import { cubicOps } from './cubic.ts';
import { dctcpOps } from './dctcp.ts';
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

/** TCP_CC_INFO: numbers of the algorithm under the names of Linux's structs (`bbr_*`, `dctcp_*`). */
export type TcpCcInfo = Readonly<Record<string, number>>;

/** One algorithm. What most of them leave out is null: it costs a test. */
export interface CongestionOps {
  readonly name: string;
  /** It lives on congestion marks: ECN is negotiated whatever net.ipv4.tcp_ecn says, and every packet is marked ECT(0). */
  readonly needsEcn: boolean;
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
  /** Every ACK of new or old data, when the scoreboard is up to date. `flag`: FLAG_*. */
  readonly inAckEvent: ((tp: TcpSock, flag: number) => void) | null;
  /** Instead of `congAvoid`, of PRR and of the common pacing rate: the algorithm sets window and rate itself. */
  readonly congControl: ((tp: TcpSock, rs: AckState) => void) | null;
  /** The smallest burst, in segments; null: net.ipv4.tcp_min_tso_segs. */
  readonly minTsoSegs: ((tp: TcpSock) => number) | null;
  /** How many windows the send buffer is to hold; null: two. */
  readonly sndbufExpand: ((tp: TcpSock) => number) | null;
  /** TCP_CC_INFO; null: it has nothing to tell. */
  readonly getInfo: ((tp: TcpSock) => TcpCcInfo) | null;
}

/** What `net.ipv4.tcp_available_congestion_control` lists. */
export function tcpAvailableCongestionControl(): readonly CongestionOps[] {
  return [renoOps, cubicOps, bbrOps, dctcpOps];
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
  if (established) tcpInitCongestionControl(tp);
  else tcpSetEcnField(tp, ops.needsEcn ? INET_ECN_ECT_0 : INET_ECN_NOT_ECT); // a listener's SYN-ACKs
}

/** The connection has been established: its algorithm begins. */
export function tcpInitCongestionControl(tp: TcpSock): void {
  tp.priorSsthresh = 0;
  tp.ca.init(tp); // which may step back to another one, where the peer does not speak ECN
  tcpSetEcnField(tp, tp.ca.needsEcn ? INET_ECN_ECT_0 : INET_ECN_NOT_ECT);
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
