/**
 * How fast data is delivered (draft-cheng-iccrg-delivery-rate-estimation; Linux: tcp_rate.c). Each segment remembers how much
 * had been delivered when it was sent; its ACK tells how much since, and in what time. For TCP_INFO, and for congestion
 * controls that are driven by bandwidth.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import { tcpPacketsInFlight, tcpSkbSentAfter } from './flight.ts';
import type { AckState } from './scratch.ts';
import { TCPCB_EVER_RETRANS, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, type TcpSock } from './sock.ts';

/** A segment was handed down: notes the state of delivery in it. */
export function tcpRateSkbSent(tp: TcpSock, skb: SkBuff): void {
  if (tp.packetsOut === 0) {
    // A new flight: its clock starts now, not with the last ACK of the flight before.
    tp.firstTxUs = skb.sentUs;
    tp.deliveredUs = skb.sentUs;
  }
  skb.txFirstUs = tp.firstTxUs;
  skb.txDeliveredUs = tp.deliveredUs;
  skb.txDelivered = tp.delivered;
  skb.cb0 = tp.appLimited !== 0 ? 1 : 0;
}

/** A segment was delivered (SACKed or acknowledged): the newest one sent makes the sample. */
export function tcpRateSkbDelivered(tp: TcpSock, skb: SkBuff, rs: AckState): void {
  if (skb.txDeliveredUs < 0) return;
  if (rs.priorDelivered === 0 || tcpSkbSentAfter(skb.sentUs, tp.firstTxUs, skb.endSeq, rs.lastEndSeq)) {
    rs.priorDelivered = skb.txDelivered;
    rs.priorUs = skb.txDeliveredUs;
    rs.isAppLimited = skb.cb0 !== 0;
    rs.isRetrans = (skb.sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) !== 0;
    rs.lastEndSeq = skb.endSeq;
    rs.intervalUs = skb.sentUs - skb.txFirstUs; // how long sending took
    tp.firstTxUs = skb.sentUs;
  }
  // Once it is SACKed it has been used; the cumulative ACK must not use it again.
  if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) skb.txDeliveredUs = -1;
}

/** The ACK has been digested: `delivered` and `lost` segments were new in it. Completes the sample. */
export function tcpRateGen(tp: TcpSock, delivered: number, lost: number, rs: AckState): void {
  if (tp.appLimited !== 0 && tp.delivered > tp.appLimited) tp.appLimited = 0;
  if (delivered !== 0) tp.deliveredUs = tp.mstampUs;
  rs.ackedSacked = delivered;
  rs.losses = lost;
  if (rs.priorUs < 0 || rs.reneg) {
    rs.delivered = -1;
    rs.intervalUs = -1;
    return;
  }
  rs.delivered = tp.delivered - rs.priorDelivered;
  // ACKs may come compressed, sending may have been slow: the longer of the two tells no more than the truth.
  rs.intervalUs = Math.max(rs.intervalUs, tp.mstampUs - rs.priorUs);
  if (rs.intervalUs < tp.minRttUs) {
    rs.intervalUs = -1;
    return;
  }
  if (!rs.isAppLimited || rs.delivered * tp.rateIntervalUs >= tp.rateDelivered * rs.intervalUs) {
    tp.rateDelivered = rs.delivered;
    tp.rateIntervalUs = rs.intervalUs;
    tp.rateAppLimited = rs.isAppLimited;
  }
}

/** Is it the application that keeps us from sending more? Then samples until what is out now say less than the path can. */
export function tcpRateCheckAppLimited(tp: TcpSock): void {
  if (
    ((tp.writeSeq - tp.sndNxt) | 0) < tp.mssCache &&
    tp.wmemAlloc === 0 &&
    tcpPacketsInFlight(tp) < tp.sndCwnd &&
    tp.lostOut <= tp.retransOut
  ) {
    const mark = tp.delivered + tcpPacketsInFlight(tp);
    tp.appLimited = mark === 0 ? 1 : mark;
  }
}
