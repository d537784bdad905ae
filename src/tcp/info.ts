/** TCP_INFO: the state of a connection in Linux's words and units (struct tcp_info, tcp(7)). */
import { TCP_LISTEN } from '../sock/constants.ts';
import { TCP_CHRONO_RWND_LIMITED, TCP_CHRONO_SNDBUF_LIMITED, TCP_CHRONO_UNSPEC } from './chrono.ts';
import { TCP_ECN_MODE_ACCECN, TCP_ECN_MODE_ANY, TCP_ECN_MODE_RFC3168, TCP_ECN_SEEN } from './ecn.ts';
import type { TcpSock } from './sock.ts';

/** Bits of `tcpi_options`. */
export const TCPI_OPT_TIMESTAMPS = 1;
export const TCPI_OPT_SACK = 2;
export const TCPI_OPT_WSCALE = 4;
export const TCPI_OPT_ECN = 8;
export const TCPI_OPT_ECN_SEEN = 16;
export const TCPI_OPT_SYN_DATA = 32;
export const TCPI_OPT_TFO_CHILD = 128;

/** `struct tcp_info`. Times are microseconds, but `tcpi_last_*`, which are milliseconds; windows are bytes, `tcpi_snd_cwnd` segments. */
export interface TcpInfo {
  tcpi_state: number;
  tcpi_ca_state: number;
  tcpi_retransmits: number;
  tcpi_probes: number;
  tcpi_backoff: number;
  tcpi_options: number;
  tcpi_snd_wscale: number;
  tcpi_rcv_wscale: number;
  tcpi_delivery_rate_app_limited: number;
  tcpi_fastopen_client_fail: number;
  tcpi_rto: number;
  tcpi_ato: number;
  tcpi_snd_mss: number;
  tcpi_rcv_mss: number;
  tcpi_unacked: number;
  tcpi_sacked: number;
  tcpi_lost: number;
  tcpi_retrans: number;
  tcpi_fackets: number;
  tcpi_last_data_sent: number;
  tcpi_last_ack_sent: number;
  tcpi_last_data_recv: number;
  tcpi_last_ack_recv: number;
  tcpi_pmtu: number;
  tcpi_rcv_ssthresh: number;
  tcpi_rtt: number;
  tcpi_rttvar: number;
  tcpi_snd_ssthresh: number;
  tcpi_snd_cwnd: number;
  tcpi_advmss: number;
  tcpi_reordering: number;
  tcpi_rcv_rtt: number;
  tcpi_rcv_space: number;
  tcpi_total_retrans: number;
  tcpi_pacing_rate: number;
  tcpi_max_pacing_rate: number;
  tcpi_bytes_acked: number;
  tcpi_bytes_received: number;
  tcpi_segs_out: number;
  tcpi_segs_in: number;
  tcpi_notsent_bytes: number;
  tcpi_min_rtt: number;
  tcpi_data_segs_in: number;
  tcpi_data_segs_out: number;
  tcpi_delivery_rate: number;
  tcpi_busy_time: number;
  tcpi_rwnd_limited: number;
  tcpi_sndbuf_limited: number;
  tcpi_delivered: number;
  tcpi_delivered_ce: number;
  tcpi_bytes_sent: number;
  tcpi_bytes_retrans: number;
  tcpi_dsack_dups: number;
  tcpi_reord_seen: number;
  tcpi_rcv_ooopack: number;
  tcpi_snd_wnd: number;
  tcpi_rcv_wnd: number;
  tcpi_rehash: number;
  tcpi_total_rto: number;
  tcpi_total_rto_recoveries: number;
  tcpi_total_rto_time: number;
  /** 0 none, 1 RFC 3168, 2 Accurate ECN, 3 asked for. */
  tcpi_ecn_mode: number;
  tcpi_accecn_opt_seen: number;
  tcpi_accecn_fail_mode: number;
  tcpi_received_ce: number;
  tcpi_delivered_e1_bytes: number;
  tcpi_delivered_e0_bytes: number;
  tcpi_delivered_ce_bytes: number;
  tcpi_received_e1_bytes: number;
  tcpi_received_e0_bytes: number;
  tcpi_received_ce_bytes: number;
}

/** No measurement yet: all bits set, as in the kernel's 32-bit field. */
const MIN_RTT_NONE = 0x7fffffff;
const U32_MAX = 0xffffffff;
/** "No limit" in a 64-bit field of bytes per second. */
const RATE_UNLIMITED: number = 2 ** 64;

/** A picture of the connection now. A new object: for whoever asks, not for the path. Of a listener most is 0, as on Linux. */
export function tcpGetInfo(tp: TcpSock): TcpInfo {
  const info = pictureOf(tp);
  if (tp.state !== TCP_LISTEN) return info;
  const listener = Object.fromEntries(Object.keys(info).map((field) => [field, 0])) as unknown as TcpInfo;
  for (const field of LISTENER_FIELDS) listener[field] = info[field];
  // How many connections wait to be accepted, how many may.
  listener.tcpi_unacked = tp.ackBacklog;
  listener.tcpi_sacked = tp.maxAckBacklog;
  return listener;
}

/** What means something of a socket in any state. */
const LISTENER_FIELDS: readonly (keyof TcpInfo)[] = [
  'tcpi_state', 'tcpi_pacing_rate', 'tcpi_max_pacing_rate', 'tcpi_reordering', 'tcpi_snd_cwnd',
];

function pictureOf(tp: TcpSock): TcpInfo {
  const nowUs = tp.net.nowUs;
  const since = (us: number): number => Math.max(0, Math.floor((nowUs - us) / 1000));
  return {
    tcpi_state: tp.state,
    tcpi_ca_state: tp.caState,
    tcpi_retransmits: tp.retransmits,
    tcpi_probes: tp.probesOut,
    tcpi_backoff: tp.backoff,
    tcpi_options: options(tp),
    tcpi_snd_wscale: tp.wscaleOk ? tp.sndWscale : 0,
    tcpi_rcv_wscale: tp.wscaleOk ? tp.rcvWscale : 0,
    tcpi_delivery_rate_app_limited: tp.rateAppLimited ? 1 : 0,
    tcpi_fastopen_client_fail: tp.fastopen === null ? 0 : tp.fastopen.clientFail,
    tcpi_rto: tp.rtoUs,
    tcpi_ato: Math.min(tp.atoUs, tp.delackMaxUs),
    tcpi_snd_mss: tp.mssCache,
    tcpi_rcv_mss: tp.rcvMss,
    tcpi_unacked: tp.packetsOut,
    tcpi_sacked: tp.sackedOut,
    tcpi_lost: tp.lostOut,
    tcpi_retrans: tp.retransOut,
    tcpi_fackets: 0,
    tcpi_last_data_sent: since(tp.lsndtimeUs),
    tcpi_last_ack_sent: 0,
    tcpi_last_data_recv: since(tp.lrcvtimeUs),
    tcpi_last_ack_recv: since(tp.rcvTstampUs),
    tcpi_pmtu: tp.pmtuCookie,
    tcpi_rcv_ssthresh: tp.rcvSsthresh,
    tcpi_rtt: tp.srttUs >> 3,
    tcpi_rttvar: tp.mdevUs >> 2,
    tcpi_snd_ssthresh: tp.sndSsthresh,
    tcpi_snd_cwnd: tp.sndCwnd,
    tcpi_advmss: tp.advmss,
    tcpi_reordering: tp.reordering,
    tcpi_rcv_rtt: tp.rcvRttUs >> 3,
    tcpi_rcv_space: tp.rcvqSpace,
    tcpi_total_retrans: tp.totalRetrans,
    ...traffic(tp),
    ...times(tp, nowUs),
    ...ecnInfo(tp),
  };
}

function options(tp: TcpSock): number {
  let bits = 0;
  if (tp.tstampOk) bits |= TCPI_OPT_TIMESTAMPS;
  if (tp.sackOk) bits |= TCPI_OPT_SACK;
  if (tp.wscaleOk) bits |= TCPI_OPT_WSCALE;
  if ((tp.ecnFlags & TCP_ECN_MODE_ANY) !== 0) bits |= TCPI_OPT_ECN;
  if ((tp.ecnFlags & TCP_ECN_SEEN) !== 0) bits |= TCPI_OPT_ECN_SEEN;
  if (tp.fastopen !== null && tp.fastopen.synDataAcked) bits |= TCPI_OPT_SYN_DATA;
  if (tp.fastopen !== null && tp.fastopen.isChild) bits |= TCPI_OPT_TFO_CHILD;
  return bits;
}

type EcnField = 'tcpi_ecn_mode' | 'tcpi_accecn_opt_seen' | 'tcpi_accecn_fail_mode' | 'tcpi_received_ce' | 'tcpi_delivered_e1_bytes'
  | 'tcpi_delivered_e0_bytes' | 'tcpi_delivered_ce_bytes' | 'tcpi_received_e1_bytes' | 'tcpi_received_e0_bytes' | 'tcpi_received_ce_bytes';

/** ECN: which of the two is spoken, and what Accurate ECN has counted. */
function ecnInfo(tp: TcpSock): Pick<TcpInfo, EcnField> {
  const { accEcn: ae, ecnFlags } = tp;
  const [receivedE1 = 0, receivedE0 = 0, receivedCe = 0] = ae?.receivedBytes ?? [];
  const [deliveredE1 = 0, deliveredE0 = 0, deliveredCe = 0] = ae?.deliveredBytes ?? [];
  return {
    tcpi_ecn_mode: ((ecnFlags & TCP_ECN_MODE_RFC3168) !== 0 ? 1 : 0) + ((ecnFlags & TCP_ECN_MODE_ACCECN) !== 0 ? 2 : 0),
    tcpi_accecn_opt_seen: ae?.sawOpt ?? 0,
    tcpi_accecn_fail_mode: ae?.failMode ?? 0,
    tcpi_received_ce: ae?.receivedCe ?? 0,
    tcpi_delivered_e1_bytes: deliveredE1,
    tcpi_delivered_e0_bytes: deliveredE0,
    tcpi_delivered_ce_bytes: deliveredCe,
    tcpi_received_e1_bytes: receivedE1,
    tcpi_received_e0_bytes: receivedE0,
    tcpi_received_ce_bytes: receivedCe,
  };
}

type TrafficField = 'tcpi_pacing_rate' | 'tcpi_max_pacing_rate' | 'tcpi_bytes_acked' | 'tcpi_bytes_received' | 'tcpi_segs_out'
  | 'tcpi_segs_in' | 'tcpi_notsent_bytes' | 'tcpi_min_rtt' | 'tcpi_data_segs_in' | 'tcpi_data_segs_out' | 'tcpi_delivered'
  | 'tcpi_delivered_ce' | 'tcpi_bytes_sent' | 'tcpi_bytes_retrans' | 'tcpi_dsack_dups' | 'tcpi_reord_seen' | 'tcpi_rcv_ooopack'
  | 'tcpi_snd_wnd' | 'tcpi_rcv_wnd' | 'tcpi_rehash' | 'tcpi_total_rto' | 'tcpi_total_rto_recoveries' | 'tcpi_total_rto_time';

function traffic(tp: TcpSock): Pick<TcpInfo, TrafficField> {
  return {
    tcpi_pacing_rate: rate(tp.pacingRate),
    tcpi_max_pacing_rate: rate(tp.maxPacingRate),
    tcpi_bytes_acked: tp.bytesAcked,
    tcpi_bytes_received: tp.bytesReceived,
    tcpi_segs_out: tp.segsOut,
    tcpi_segs_in: tp.segsIn,
    tcpi_notsent_bytes: Math.max(0, (tp.writeSeq - tp.sndNxt) | 0),
    tcpi_min_rtt: tp.minRttUs === MIN_RTT_NONE ? U32_MAX : tp.minRttUs,
    tcpi_data_segs_in: tp.dataSegsIn,
    tcpi_data_segs_out: tp.dataSegsOut,
    tcpi_delivered: tp.delivered,
    tcpi_delivered_ce: tp.deliveredCe,
    tcpi_bytes_sent: tp.bytesSent,
    tcpi_bytes_retrans: tp.bytesRetrans,
    tcpi_dsack_dups: tp.dsackDups,
    tcpi_reord_seen: tp.reordSeen,
    tcpi_rcv_ooopack: tp.rcvOoopack,
    tcpi_snd_wnd: tp.sndWnd,
    tcpi_rcv_wnd: tp.rcvWnd,
    tcpi_rehash: tp.timeoutRehash,
    tcpi_total_rto: tp.totalRto,
    tcpi_total_rto_recoveries: tp.totalRtoRecoveries,
    tcpi_total_rto_time: tp.totalRtoTimeMs,
  };
}

function rate(bytesPerSec: number): number {
  return Number.isFinite(bytesPerSec) ? Math.floor(bytesPerSec) : RATE_UNLIMITED;
}

type TimeField = 'tcpi_delivery_rate' | 'tcpi_busy_time' | 'tcpi_rwnd_limited' | 'tcpi_sndbuf_limited';

/** What the sender spent its time on, up to now; counted in whole milliseconds, as Linux does. */
function times(tp: TcpSock, nowUs: number): Pick<TcpInfo, TimeField> {
  const running = tp.chronoType === TCP_CHRONO_UNSPEC ? 0 : Math.max(0, nowUs - tp.chronoStart);
  const whole = (us: number): number => Math.floor(us / 1000) * 1000;
  return {
    tcpi_delivery_rate: tp.rateIntervalUs > 0 ? Math.floor((tp.rateDelivered * tp.mssCache * 1000000) / tp.rateIntervalUs) : 0,
    tcpi_busy_time: whole(tp.busyUs + running),
    tcpi_rwnd_limited: whole(tp.rwndLimitedUs + (tp.chronoType === TCP_CHRONO_RWND_LIMITED ? running : 0)),
    tcpi_sndbuf_limited: whole(tp.sndbufLimitedUs + (tp.chronoType === TCP_CHRONO_SNDBUF_LIMITED ? running : 0)),
  };
}
