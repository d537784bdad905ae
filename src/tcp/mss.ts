/**
 * How large a segment may be: from the path's MTU, what the peer said, and the options that take room.
 *
 * `mssCache` is what fits beside the options agreed on (`tcpHeaderLen`); `tcpCurrentMss` is what fits beside those of the
 * next segment, which may carry SACK blocks, too. RFC 9293 §3.7.1, RFC 6691.
 */
import type { Dst } from '../sock/dst.ts';
import { TCPOLEN_SACK_BASE_ALIGNED, TCPOLEN_SACK_PERBLOCK, TCPOLEN_TSTAMP_ALIGNED } from '../wire/tcp-options.ts';
import { TCP_HLEN_MIN } from '../wire/tcp.ts';
import { tcpAccEcnFit } from './accecn.ts';
import { tcpEcnAccEcn } from './ecn.ts';
import { tcpAuthLen } from './auth.ts';
import type { TcpSock } from './sock.ts';

/** RFC 9293 §3.7.1: the MSS of a peer that does not say, and the least that we reckon with. */
export const TCP_MSS_DEFAULT = 536;
/** Over IPv6: every way takes 1280 bytes (RFC 9293 §3.7.1). */
export const TCP_MSS_DEFAULT6 = 1220;
export const TCP_MIN_MSS = 88;
/** Bytes for options. */
const OPTION_SPACE = 40;

/** Bytes of the network header: the family's, and IP_OPTIONS. */
function networkHeaderLen(tp: TcpSock): number {
  return tp.ipOptions === null ? tp.af.headerLen : tp.af.headerLen + tp.ipOptions.length;
}

/** The MSS for packets of `pmtu` bytes, options agreed on not counted (Linux: __tcp_mtu_to_mss). */
function mtuToMssNoOptions(tp: TcpSock, pmtu: number): number {
  const mss = Math.min(pmtu - networkHeaderLen(tp) - TCP_HLEN_MIN, tp.mssClamp);
  return Math.max(mss, tp.tcp.sysctl.tcpMinSndMss);
}

/** Payload of a segment in a packet of `pmtu` bytes, beside the options that every segment carries. */
export function tcpMtuToMss(tp: TcpSock, pmtu: number): number {
  return mtuToMssNoOptions(tp, pmtu) - (tp.tcpHeaderLen - TCP_HLEN_MIN);
}

/** The packet that a segment of `mss` bytes needs. */
export function tcpMssToMtu(tp: TcpSock, mss: number): number {
  return mss + tp.tcpHeaderLen + networkHeaderLen(tp);
}

/**
 * A peer with a tiny window gets segments of half of it, so that two are in flight (RFC 9293 §3.8.6.2.1: sender's SWS
 * avoidance); below the default MSS the whole window is used.
 */
export function tcpBoundToHalfWnd(tp: TcpSock, size: number): number {
  const cutoff = tp.maxWindow > TCP_MSS_DEFAULT ? tp.maxWindow >> 1 : tp.maxWindow;
  return cutoff !== 0 && size > cutoff ? Math.max(cutoff, 68 - tp.tcpHeaderLen) : size;
}

/** The path's MTU is `pmtu`: computes the MSS anew. Returns it. */
export function tcpSyncMss(tp: TcpSock, pmtu: number): number {
  const p = tp.mtup;
  let mss = tcpBoundToHalfWnd(tp, tcpMtuToMss(tp, pmtu));
  tp.pmtuCookie = pmtu;
  if (p !== null) {
    if (p.high > pmtu) p.high = pmtu;
    if (p.enabled) mss = Math.min(mss, tcpMtuToMss(tp, p.low)); // what is known to go through
  }
  tp.mssCache = mss;
  return mss;
}

/** SACK blocks in the next segment: a D-SACK first, then what is out of order, as far as there is room (RFC 2018 §3). */
export function tcpEffSacks(tp: TcpSock): number {
  const eff = tp.numSacks + (tp.dsack ? 1 : 0);
  if (eff === 0) return 0;
  const room = OPTION_SPACE - (tp.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0) - tcpAuthLen(tp) - TCPOLEN_SACK_BASE_ALIGNED;
  return Math.min(eff, (room / TCPOLEN_SACK_PERBLOCK) | 0);
}

/** Bytes of options in the next segment of an established connection (Linux: tcp_established_options). */
export function tcpEstablishedOptions(tp: TcpSock): number {
  const sacks = tcpEffSacks(tp);
  const size = (tp.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0) + tcpAuthLen(tp);
  const others = sacks === 0 ? size : size + TCPOLEN_SACK_BASE_ALIGNED + sacks * TCPOLEN_SACK_PERBLOCK;
  return tp.accEcn !== null && tcpEcnAccEcn(tp) ? others + tcpAccEcnFit(tp, tp.accEcn, others, sacks) : others;
}

/** Payload of the next segment; follows the route's MTU. */
export function tcpCurrentMss(tp: TcpSock): number {
  let mss = tp.mssCache;
  const dst = tp.dst as Dst | null;
  if (dst !== null) {
    const { mtu } = dst;
    if (mtu !== tp.pmtuCookie) mss = tcpSyncMss(tp, mtu);
  }
  return mss - (TCP_HLEN_MIN + tcpEstablishedOptions(tp) - tp.tcpHeaderLen);
}

/**
 * What the receiver's side may reckon a full segment to be at the start (Linux: tcp_initialize_rcv_mss): small, since
 * delayed ACKs count in it, until the first real segment says better.
 */
export function tcpInitializeRcvMss(tp: TcpSock): void {
  let hint = Math.min(tp.advmss, tp.mssCache);
  hint = Math.min(hint, tp.rcvWnd >> 1, TCP_MSS_DEFAULT);
  tp.rcvMss = Math.max(hint, TCP_MIN_MSS);
}
