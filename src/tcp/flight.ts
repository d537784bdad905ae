/** Small questions about a connection's numbers, asked everywhere. Segments unless a name says otherwise. */
import { TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../sock/constants.ts';
import {
  TCP_CA_CWR, TCP_CA_Recovery, type TcpSock,
} from './sock.ts';

/** Segments that have left the network: SACKed, or believed lost. */
export function tcpLeftOut(tp: TcpSock): number {
  return tp.sackedOut + tp.lostOut;
}

/** What is on the wire, as far as we know (RFC 6675: pipe). */
export function tcpPacketsInFlight(tp: TcpSock): number {
  return tp.packetsOut - tp.sackedOut - tp.lostOut + tp.retransOut;
}

/** The right edge of the peer's window: SND.UNA + SND.WND. */
export function tcpWndEnd(tp: TcpSock): number {
  return (tp.sndUna + tp.sndWnd) | 0;
}

/** What we have offered and the peer has not used yet, bytes. */
export function tcpReceiveWindow(tp: TcpSock): number {
  const win = (tp.rcvWup + tp.rcvWnd - tp.rcvNxt) | 0;
  return win < 0 ? 0 : win;
}

/** No SACK: duplicate ACKs are counted, RFC 6582. */
export function tcpIsReno(tp: TcpSock): boolean {
  return !tp.sackOk;
}

/** The window is being reduced by PRR. */
export function tcpInCwndReduction(tp: TcpSock): boolean {
  return tp.caState === TCP_CA_CWR || tp.caState === TCP_CA_Recovery;
}

/** The threshold as it would be if the window were reduced now. */
export function tcpCurrentSsthresh(tp: TcpSock): number {
  if (tcpInCwndReduction(tp)) return tp.sndSsthresh;
  return Math.max(tp.sndSsthresh, (tp.sndCwnd >> 1) + (tp.sndCwnd >> 2));
}

/** Lowest sequence of the segment after the highest SACKed one: "FACK" of the scoreboard. */
export function tcpHighestSackSeq(tp: TcpSock): number {
  if (tp.sackedOut === 0) return tp.sndUna;
  return tp.highestSack === null ? tp.sndNxt : tp.highestSack.seq;
}

/** Was a segment sent at `t1` with end `seq1` sent after the one of `t2`, `seq2`? Ties go by sequence. */
export function tcpSkbSentAfter(t1: number, t2: number, seq1: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && ((seq2 - seq1) | 0) < 0);
}

/** Something that was retransmitted may still be out. */
export function tcpAnyRetransDone(tp: TcpSock): boolean {
  if (tp.retransOut > 0) return true;
  const head = tp.rtxQueue.head;
  return head !== null && (head.sacked & 0x80) !== 0;
}

/** Few segments in flight, and past the start: linear timeouts make sense (Linux: tcp_stream_is_thin). */
export function tcpStreamIsThin(tp: TcpSock): boolean {
  return tp.packetsOut < 4 && tp.sndSsthresh < 0x7fffffff;
}

/** Has user code this socket in its hands? Not before accept(), not after close(). */
export function tcpHasSocket(tp: TcpSock): boolean {
  return tp.listener === null && !tp.dead;
}

/** May data be written in this state? */
export function tcpMayWrite(tp: TcpSock): boolean {
  return tp.state === TCP_ESTABLISHED || tp.state === TCP_CLOSE_WAIT;
}
