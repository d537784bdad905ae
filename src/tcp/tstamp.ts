/**
 * SO_TIMESTAMPING on a stream: a write asks for its last byte, and the mark travels with that byte through cutting and joining.
 *
 *   from  tcp/send.ts      tcpTxTimestamp, at the end of a write
 *         tcp/segment.ts   tcpFragmentTstamp, tcpCollapseTstamp
 *         tcp/ack.ts       tcpAckTstamp
 *   to    sock/timestamping.ts
 */
import { SKBTX_ACK_TSTAMP, SKBTX_SCHED_TSTAMP, SKBTX_SW_TSTAMP, type SkBuff } from '../skb/sk-buff.ts';
import { skbTstampAck, sockTxFlags } from '../sock/timestamping.ts';
import { tcpGetInfo } from './info.ts';
import { TCP_INFINITE_SSTHRESH, type TcpSock } from './sock.ts';

const ANY_TSTAMP: number = SKBTX_SCHED_TSTAMP | SKBTX_SW_TSTAMP | SKBTX_ACK_TSTAMP;

/** The write that has just been queued wants to hear of its last byte. */
export function tcpTxTimestamp(tp: TcpSock, tsflags: number): void {
  const skb = tp.writeQueue.tail;
  const flags = sockTxFlags(tsflags);
  if (skb === null || flags === 0) return;
  skb.txFlags |= flags;
  skb.tskey = (skb.seq + skb.len - 1) | 0;
}

/** `rest` was cut off the end of `skb`: the mark goes with its byte. */
export function tcpFragmentTstamp(skb: SkBuff, rest: SkBuff): void {
  const flags = skb.txFlags & ANY_TSTAMP;
  if (flags === 0 || ((skb.tskey - rest.seq) | 0) < 0) return;
  skb.txFlags &= ~flags;
  rest.txFlags |= flags;
  rest.tskey = skb.tskey;
}

/** `next` has become the end of `skb`: of two marks the later one counts. */
export function tcpCollapseTstamp(skb: SkBuff, next: SkBuff): void {
  const flags = next.txFlags & ANY_TSTAMP;
  if (flags === 0) return;
  skb.txFlags |= flags;
  skb.tskey = next.tskey;
}

/** SND.UNA has moved on from `prior`: past the marked byte? */
export function tcpAckTstamp(tp: TcpSock, skb: SkBuff, prior: number): void {
  if ((skb.txFlags & SKBTX_ACK_TSTAMP) === 0) return;
  if (((skb.tskey - prior) | 0) >= 0 && ((skb.tskey - tp.sndUna) | 0) < 0) skbTstampAck(tp, skb);
}

/** SCM_TIMESTAMPING_OPT_STATS, under the names of Linux's attributes (TCP_NLA_*). */
export function tcpTstampStats(tp: TcpSock): Readonly<Record<string, number>> {
  const info = tcpGetInfo(tp);
  return {
    TCP_NLA_BUSY: info.tcpi_busy_time, TCP_NLA_RWND_LIMITED: info.tcpi_rwnd_limited, TCP_NLA_SNDBUF_LIMITED: info.tcpi_sndbuf_limited,
    TCP_NLA_DATA_SEGS_OUT: tp.dataSegsOut, TCP_NLA_TOTAL_RETRANS: tp.totalRetrans,
    TCP_NLA_PACING_RATE: info.tcpi_pacing_rate, TCP_NLA_DELIVERY_RATE: info.tcpi_delivery_rate,
    TCP_NLA_SND_CWND: tp.sndCwnd, TCP_NLA_REORDERING: tp.reordering, TCP_NLA_MIN_RTT: info.tcpi_min_rtt,
    TCP_NLA_RECUR_RETRANS: tp.retransmits, TCP_NLA_DELIVERY_RATE_APP_LMT: info.tcpi_delivery_rate_app_limited,
    TCP_NLA_SNDQ_SIZE: (tp.writeSeq - tp.sndUna) >>> 0, TCP_NLA_CA_STATE: tp.caState,
    TCP_NLA_SND_SSTHRESH: Math.min(tp.sndSsthresh, TCP_INFINITE_SSTHRESH),
    TCP_NLA_DELIVERED: tp.delivered, TCP_NLA_DELIVERED_CE: tp.deliveredCe,
    TCP_NLA_BYTES_SENT: tp.bytesSent, TCP_NLA_BYTES_RETRANS: tp.bytesRetrans,
    TCP_NLA_DSACK_DUPS: tp.dsackDups, TCP_NLA_REORD_SEEN: tp.reordSeen,
    TCP_NLA_SRTT: tp.srttUs >> 3, TCP_NLA_BYTES_NOTSENT: info.tcpi_notsent_bytes,
  };
}
