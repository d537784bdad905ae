/**
 * How long a round trip takes, and the timeout made of it: RFC 6298 with Linux's variance (it is reset once per round trip
 * and never below 200 ms, so the timeout is srtt + 200 ms on a calm path). Samples in microseconds.
 */
import { after } from '../lib/seq.ts';
import { tcpJiffies, tcpTimeStampTs } from './clock.ts';
import { FLAG_ACKED, FLAG_ACK_MAYBE_DELAYED } from './flags.ts';
import type { RequestSock } from './request-sock.ts';
import type { AckState } from './scratch.ts';
import type { TcpSock } from './sock.ts';

/** Nothing measured yet. */
export const MIN_RTT_NONE = 0x7fffffff;
/** One tick, in microseconds: the shortest RTT that the minimum admits when a sample is 0. */
const TICK_US = 1000;

/** Samples beyond it, four minutes, are taken for it: what is made of them must fit int32. */
const RTT_MAX_US = 0xfffffff;

/** Takes a sample into srtt and rttvar. */
export function tcpRttEstimator(tp: TcpSock, sampleUs: number): void {
  const rttUs = Math.min(sampleUs, RTT_MAX_US);
  if (tp.srttUs === 0) {
    tp.srttUs = Math.max(1, rttUs << 3); // RFC 6298 (2.2)
    tp.mdevUs = rttUs << 1;
    tp.rttvarUs = Math.max(tp.mdevUs, tp.rtoMinUs);
    tp.mdevMaxUs = tp.rttvarUs;
    tp.rttSeq = tp.sndNxt;
    return;
  }
  let m = rttUs - (tp.srttUs >> 3);
  tp.srttUs = Math.max(1, tp.srttUs + m); // rtt = 7/8 rtt + 1/8 new
  if (m < 0) {
    // A sudden drop of the RTT must not blow up the variance: it enters with an eighth of its weight.
    m = -m - (tp.mdevUs >> 2);
    if (m > 0) m >>= 3;
  } else {
    m -= tp.mdevUs >> 2; // mdev = 3/4 mdev + 1/4 new
  }
  tp.mdevUs += m;
  if (tp.mdevUs > tp.mdevMaxUs) {
    tp.mdevMaxUs = tp.mdevUs;
    if (tp.mdevMaxUs > tp.rttvarUs) tp.rttvarUs = tp.mdevMaxUs;
  }
  if (after(tp.sndUna, tp.rttSeq)) {
    if (tp.mdevMaxUs < tp.rttvarUs) tp.rttvarUs -= (tp.rttvarUs - tp.mdevMaxUs) >> 2;
    tp.rttSeq = tp.sndNxt;
    tp.mdevMaxUs = tp.rtoMinUs;
  }
}

/** The timeout, not backed off: whole ticks, as microseconds. */
export function tcpBaseRto(tp: TcpSock): number {
  return Math.ceil(((tp.srttUs >> 3) + tp.rttvarUs) / TICK_US) * TICK_US;
}

/** Sets the timeout from what has been measured (RFC 6298 (2.3)), within TCP_RTO_MAX_MS. */
export function tcpSetRto(tp: TcpSock): void {
  tp.rtoUs = Math.min(tcpBaseRto(tp), tp.rtoMaxMs * 1000);
}

/** The lowest RTT of the last net.ipv4.tcp_min_rtt_wlen seconds. */
function tcpUpdateRttMin(tp: TcpSock, rttUs: number, flag: number): void {
  // A delayed ACK says nothing about the path; it enters when the old minimum has run out.
  if ((flag & FLAG_ACK_MAYBE_DELAYED) !== 0 && rttUs > tp.minRttUs) return;
  const now = tcpJiffies(tp);
  const sample = rttUs === 0 ? TICK_US : rttUs;
  if (sample <= tp.minRttUs || now - tp.minRttStamp > tp.tcp.sysctl.tcpMinRttWlen * 1000) {
    tp.minRttUs = sample;
    tp.minRttStamp = now;
  }
}

/** RTT by the echoed timestamp, in microseconds of whole milliseconds; at least `minMs`. -1 when there is none. */
export function tcpRttTsoptUs(tp: TcpSock, minMs: number): number {
  const delta = (tcpTimeStampTs(tp) - tp.rxOpt.tsecr) | 0;
  if (delta < 0 || delta > 2147483) return -1;
  return (delta === 0 ? minMs : delta) * 1000;
}

/**
 * An ACK's samples, -1 where there is none: of the sequence that it acknowledges, of what it SACKs, of the last segment.
 * True when the estimate was updated.
 */
export function tcpAckUpdateRtt(tp: TcpSock, flag: number, seqRttUs: number, sackRttUs: number, caRttUs: number, rs: AckState): boolean {
  let seqRtt = seqRttUs;
  let caRtt = caRttUs;
  // Our own clock first: timestamps may be mangled on the way. Karn: never by what has been retransmitted.
  if (seqRtt < 0) seqRtt = sackRttUs;
  // RFC 7323 §4.1: a TSecr counts only when new data is acknowledged.
  if (seqRtt < 0 && tp.rxOpt.sawTstamp && tp.rxOpt.tsecr !== 0 && (flag & FLAG_ACKED) !== 0) {
    seqRtt = tcpRttTsoptUs(tp, 1);
    caRtt = seqRtt;
  }
  rs.rttUs = caRtt;
  if (seqRtt < 0) return false;
  tcpUpdateRttMin(tp, caRtt, flag);
  tcpRttEstimator(tp, seqRtt);
  tcpSetRto(tp);
  tp.backoff = 0; // RFC 6298 (5.7): a valid sample ends the backoff
  return true;
}

/** The handshake was the first round trip: `req` says when its SYN-ACK left, unless that was retransmitted. */
export function tcpSynackRttMeas(tp: TcpSock, req: RequestSock): void {
  let rttUs = -1;
  if (req.numRetrans === 0 && req.sntSynackUs >= 0) rttUs = Math.max(0, tp.net.nowUs - req.sntSynackUs);
  tcpAckUpdateRtt(tp, FLAG_ACKED, rttUs, -1, rttUs, tp.tcp.scratch.ack);
}
