/**
 * What `ss -i` says of a connection: the fields of TCP_INFO under ss(8)'s names, in its order and units. A field without
 * news (no loss, no limit) is left out, as ss does.
 */
import { TCP_LISTEN } from '../../sock/constants.ts';
import {
  tcpGetInfo, TCPI_OPT_ECN, TCPI_OPT_ECN_SEEN, TCPI_OPT_SACK, TCPI_OPT_SYN_DATA, TCPI_OPT_TIMESTAMPS, TCPI_OPT_WSCALE, type TcpInfo,
} from '../../tcp/info.ts';
import { TCP_INFINITE_SSTHRESH, type TcpSock } from '../../tcp/sock.ts';

/** `tcpi_min_rtt` before the first measurement. */
const MIN_RTT_NONE = 0xffffffff;
/** `tcpi_reordering` of a path that keeps its order. */
const REORDERING_NONE = 3;
/** Rates at and above this many bytes per second mean "no limit". */
const RATE_UNLIMITED: number = 2 ** 64;

/** The line of `ss -i`. */
export function tcpInfoText(tp: TcpSock): string {
  const info = tcpGetInfo(tp);
  if (tp.state === TCP_LISTEN) return `${tp.ca.name} cwnd:${String(info.tcpi_snd_cwnd)}`;
  return [...agreed(tp, info), ...sizes(info), ...traffic(info), ...flow(info), ...trouble(info), ...receiving(info)].join(' ');
}

/** What the handshake agreed on, and the algorithm. */
function agreed(tp: TcpSock, info: TcpInfo): string[] {
  const words: string[] = [];
  const has = (bit: number): boolean => (info.tcpi_options & bit) !== 0;
  if (has(TCPI_OPT_TIMESTAMPS)) words.push('ts');
  if (has(TCPI_OPT_SACK)) words.push('sack');
  if (has(TCPI_OPT_ECN)) words.push('ecn');
  if (has(TCPI_OPT_ECN_SEEN)) words.push('ecnseen');
  if (has(TCPI_OPT_SYN_DATA)) words.push('fastopen');
  words.push(tp.ca.name);
  if (has(TCPI_OPT_WSCALE)) words.push(`wscale:${String(info.tcpi_snd_wscale)},${String(info.tcpi_rcv_wscale)}`);
  return words;
}

/** `name:value` for each value that is not zero. */
function counts(list: readonly (readonly [string, number])[]): string[] {
  return list.filter(([, n]) => n > 0).map(([name, n]) => `${name}:${String(n)}`);
}

function sizes(info: TcpInfo): string[] {
  const words = [`rto:${ms(info.tcpi_rto)}`, ...counts([['backoff', info.tcpi_backoff]])];
  if (info.tcpi_rtt > 0) words.push(`rtt:${ms(info.tcpi_rtt)}/${ms(info.tcpi_rttvar)}`);
  if (info.tcpi_ato > 0) words.push(`ato:${ms(info.tcpi_ato)}`);
  words.push(...counts([
    ['mss', info.tcpi_snd_mss], ['pmtu', info.tcpi_pmtu], ['rcvmss', info.tcpi_rcv_mss], ['advmss', info.tcpi_advmss],
    ['cwnd', info.tcpi_snd_cwnd],
  ]));
  if (info.tcpi_snd_ssthresh < TCP_INFINITE_SSTHRESH) words.push(`ssthresh:${String(info.tcpi_snd_ssthresh)}`);
  return words;
}

function traffic(info: TcpInfo): string[] {
  return counts([
    ['bytes_sent', info.tcpi_bytes_sent], ['bytes_retrans', info.tcpi_bytes_retrans], ['bytes_acked', info.tcpi_bytes_acked],
    ['bytes_received', info.tcpi_bytes_received], ['segs_out', info.tcpi_segs_out], ['segs_in', info.tcpi_segs_in],
    ['data_segs_out', info.tcpi_data_segs_out], ['data_segs_in', info.tcpi_data_segs_in],
  ]);
}

function flow(info: TcpInfo): string[] {
  const words: string[] = [];
  if (info.tcpi_rtt > 0) words.push(`send ${bps((info.tcpi_snd_cwnd * info.tcpi_snd_mss * 1e6) / info.tcpi_rtt)}`);
  words.push(...counts([
    ['lastsnd', info.tcpi_last_data_sent], ['lastrcv', info.tcpi_last_data_recv], ['lastack', info.tcpi_last_ack_recv],
  ]));
  if (info.tcpi_pacing_rate < RATE_UNLIMITED) words.push(`pacing_rate ${bps(info.tcpi_pacing_rate)}`);
  if (info.tcpi_delivery_rate > 0) words.push(`delivery_rate ${bps(info.tcpi_delivery_rate)}`);
  words.push(...counts([['delivered', info.tcpi_delivered], ['delivered_ce', info.tcpi_delivered_ce]]));
  if (info.tcpi_delivery_rate_app_limited !== 0) words.push('app_limited');
  for (const [name, us] of [
    ['busy', info.tcpi_busy_time], ['rwnd_limited', info.tcpi_rwnd_limited], ['sndbuf_limited', info.tcpi_sndbuf_limited],
  ] as const) {
    if (us === 0) continue;
    const share = name === 'busy' ? '' : `(${((us * 100) / Math.max(info.tcpi_busy_time, 1)).toFixed(1)}%)`;
    words.push(`${name}:${String(us / 1000)}ms${share}`);
  }
  return words;
}

function trouble(info: TcpInfo): string[] {
  const words = counts([['unacked', info.tcpi_unacked]]);
  const { tcpi_retrans: now, tcpi_total_retrans: total } = info;
  if (now > 0 || total > 0) words.push(`retrans:${String(now)}/${String(total)}`);
  words.push(...counts([['lost', info.tcpi_lost], ['sacked', info.tcpi_sacked], ['dsack_dups', info.tcpi_dsack_dups]]));
  if (info.tcpi_reordering !== REORDERING_NONE) words.push(`reordering:${String(info.tcpi_reordering)}`);
  words.push(...counts([['reord_seen', info.tcpi_reord_seen]]));
  return words;
}

function receiving(info: TcpInfo): string[] {
  const words: string[] = [];
  if (info.tcpi_rcv_rtt > 0) words.push(`rcv_rtt:${ms(info.tcpi_rcv_rtt)}`);
  words.push(...counts([
    ['rcv_space', info.tcpi_rcv_space], ['rcv_ssthresh', info.tcpi_rcv_ssthresh], ['notsent', info.tcpi_notsent_bytes],
  ]));
  if (info.tcpi_min_rtt !== MIN_RTT_NONE) words.push(`minrtt:${ms(info.tcpi_min_rtt)}`);
  words.push(...counts([['rcv_ooopack', info.tcpi_rcv_ooopack]]), `snd_wnd:${String(info.tcpi_snd_wnd)}`);
  return words;
}

/** Microseconds as milliseconds, without idle zeros: 20.263, 200. */
function ms(us: number): string {
  return String(Number((us / 1000).toFixed(3)));
}

/** Bytes per second as bits per second. */
function bps(bytesPerSec: number): string {
  return `${String(Math.floor(bytesPerSec * 8))}bps`;
}
