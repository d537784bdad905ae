/**
 * What `ss -i` says of a connection: the fields of TCP_INFO under ss(8)'s names, in its order and units. A field without
 * news (no loss, no limit) is left out, as ss does.
 */
import type { Dst } from '../../sock/dst.ts';
import { TCP_LISTEN } from '../../sock/constants.ts';
import { TCP_INFINITE_SSTHRESH, type TcpSock } from '../../tcp/sock.ts';

/** The line of `ss -i`. */
export function tcpInfoText(tp: TcpSock): string {
  if (tp.state === TCP_LISTEN) return `${tp.ca.name} cwnd:${String(tp.sndCwnd)}`;
  return [...agreed(tp), ...rates(tp), ...traffic(tp), ...flow(tp), ...trouble(tp), ...receiving(tp)].join(' ');
}

/** What the handshake agreed on, and the algorithm. */
function agreed(tp: TcpSock): string[] {
  const words: string[] = [];
  if (tp.tstampOk) words.push('ts');
  if (tp.sackOk) words.push('sack');
  words.push(tp.ca.name);
  if (tp.wscaleOk) words.push(`wscale:${String(tp.sndWscale)},${String(tp.rcvWscale)}`);
  return words;
}

function rates(tp: TcpSock): string[] {
  const words = [`rto:${ms(tp.rtoUs)}`];
  if (tp.backoff > 0) words.push(`backoff:${String(tp.backoff)}`);
  if (tp.srttUs > 0) words.push(`rtt:${ms(tp.srttUs >> 3)}/${ms(tp.rttvarUs >> 2)}`);
  if (tp.atoUs > 0) words.push(`ato:${ms(tp.atoUs)}`);
  words.push(`mss:${String(tp.mssCache)}`);
  if (tp.dst !== null) words.push(`pmtu:${String((tp.dst as Dst).mtu)}`);
  words.push(`rcvmss:${String(tp.rcvMss)}`, `advmss:${String(tp.advmss)}`, `cwnd:${String(tp.sndCwnd)}`);
  if (tp.sndSsthresh < TCP_INFINITE_SSTHRESH) words.push(`ssthresh:${String(tp.sndSsthresh)}`);
  return words;
}

function traffic(tp: TcpSock): string[] {
  const counts: [string, number][] = [
    ['bytes_sent', tp.bytesSent], ['bytes_retrans', tp.bytesRetrans], ['bytes_acked', tp.bytesAcked], ['bytes_received', tp.bytesReceived],
    ['segs_out', tp.segsOut], ['segs_in', tp.segsIn], ['data_segs_out', tp.dataSegsOut], ['data_segs_in', tp.dataSegsIn],
  ];
  return counts.filter(([, n]) => n > 0).map(([name, n]) => `${name}:${String(n)}`);
}

function flow(tp: TcpSock): string[] {
  const words: string[] = [];
  const nowUs = tp.net.nowUs;
  if (tp.srttUs > 0) words.push(`send ${bps((tp.sndCwnd * tp.mssCache) / ((tp.srttUs >> 3) / 1e6))}`);
  if (tp.lsndtimeUs > 0) words.push(`lastsnd:${String(ago(nowUs, tp.lsndtimeUs))}`);
  if (tp.lrcvtimeUs > 0) words.push(`lastrcv:${String(ago(nowUs, tp.lrcvtimeUs))}`);
  if (tp.rcvTstampUs > 0) words.push(`lastack:${String(ago(nowUs, tp.rcvTstampUs))}`);
  if (Number.isFinite(tp.pacingRate)) words.push(`pacing_rate ${bps(tp.pacingRate)}`);
  if (tp.rateIntervalUs > 0) words.push(`delivery_rate ${bps((tp.rateDelivered * tp.mssCache * 1e6) / tp.rateIntervalUs)}`);
  if (tp.delivered > 0) words.push(`delivered:${String(tp.delivered)}`);
  if (tp.appLimited !== 0) words.push('app_limited');
  if (tp.busyUs > 0) words.push(`busy:${String(Math.floor(tp.busyUs / 1000))}ms`);
  if (tp.rwndLimitedUs > 0) words.push(`rwnd_limited:${String(Math.floor(tp.rwndLimitedUs / 1000))}ms`);
  if (tp.sndbufLimitedUs > 0) words.push(`sndbuf_limited:${String(Math.floor(tp.sndbufLimitedUs / 1000))}ms`);
  return words;
}

function trouble(tp: TcpSock): string[] {
  const words: string[] = [];
  if (tp.packetsOut > 0) words.push(`unacked:${String(tp.packetsOut)}`);
  if (tp.retransOut > 0 || tp.totalRetrans > 0) words.push(`retrans:${String(tp.retransOut)}/${String(tp.totalRetrans)}`);
  if (tp.lostOut > 0) words.push(`lost:${String(tp.lostOut)}`);
  if (tp.sackedOut > 0) words.push(`sacked:${String(tp.sackedOut)}`);
  if (tp.dsackDups > 0) words.push(`dsack_dups:${String(tp.dsackDups)}`);
  if (tp.reordering !== 3) words.push(`reordering:${String(tp.reordering)}`);
  if (tp.reordSeen > 0) words.push(`reord_seen:${String(tp.reordSeen)}`);
  return words;
}

function receiving(tp: TcpSock): string[] {
  const words: string[] = [];
  if (tp.rcvRttUs > 0) words.push(`rcv_rtt:${ms(tp.rcvRttUs >> 3)}`);
  if (tp.rcvqSpace > 0) words.push(`rcv_space:${String(tp.rcvqSpace)}`);
  if (tp.rcvSsthresh > 0) words.push(`rcv_ssthresh:${String(tp.rcvSsthresh)}`);
  const queued = (tp.writeSeq - tp.sndNxt) | 0;
  if (queued > 0) words.push(`notsent:${String(queued)}`);
  if (tp.minRttUs !== 0x7fffffff) words.push(`minrtt:${ms(tp.minRttUs)}`);
  if (tp.ofoQueue.qlen > 0) words.push(`rcv_ooopack:${String(tp.ofoQueue.qlen)}`);
  words.push(`snd_wnd:${String(tp.sndWnd)}`);
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

/** Whole milliseconds since. */
function ago(nowUs: number, thenUs: number): number {
  return Math.max(0, Math.floor((nowUs - thenUs) / 1000));
}
