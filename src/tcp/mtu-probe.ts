/**
 * Path MTU discovery without ICMP (RFC 4821), by net.ipv4.tcp_mtu_probing: 1, when a black hole shows; 2, always.
 *
 *   low ─────── probe ─────── high      packets of `low` go through, larger than `high` cannot; the middle is tried
 *
 * A probe is a segment of real data, larger (or smaller) than the others. It is acknowledged: `low` rises. It is the only one
 * lost: `high` falls, the window stays. When the two are close, the search rests for net.ipv4.tcp_probe_interval seconds.
 */
import { Mib } from '../dev/mib.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_HLEN_MIN } from '../wire/tcp.ts';
import { tcpJiffies } from './clock.ts';
import { tcpCurrentSsthresh, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { tcpCurrentMss, tcpMssToMtu, tcpMtuToMss, tcpSyncMss } from './mss.ts';
import { tcpTransmitSkb } from './output.ts';
import { tcpSimpleRetransmit } from './retransmit.ts';
import { tcpFragment, tcpGrowSkb, tcpSetSkbTsoSegs } from './segment.ts';
import { TCP_CA_Open, TCP_CA_CWR, type TcpSock } from './sock.ts';
import { tcpEventNewDataSent, tcpPacingCheck } from './xmit.ts';

/** The search of one connection (Linux: icsk_mtup). Packet sizes, with headers. */
export class MtuProbe {
  enabled = false;
  low = 0;
  high = 0;
  /** The probe that is out, 0: none; and its sequence numbers. */
  size = 0;
  seqStart = 0;
  seqEnd = 0;
  /** When the search began, host milliseconds. */
  stampMs = 0;
}

/** Below this window a lost probe could not be told from a lost window (Linux). */
const MIN_CWND = 11;

/** A connection begins: where nothing is to be probed there is no object (Linux: tcp_mtup_init). */
export function tcpMtupInit(tp: TcpSock): void {
  const { tcpMtuProbing } = tp.tcp.sysctl;
  tp.mtup = tcpMtuProbing === 0 ? null : newSearch(tp, tcpMtuProbing > 1);
}

function newSearch(tp: TcpSock, enabled: boolean): MtuProbe {
  const p = new MtuProbe();
  p.enabled = enabled;
  p.high = highest(tp);
  p.low = tcpMssToMtu(tp, tp.tcp.sysctl.tcpBaseMss);
  if (enabled) p.stampMs = tcpJiffies(tp);
  return p;
}

/** The peer's MSS, as a packet. */
function highest(tp: TcpSock): number {
  return tp.mssClamp + TCP_HLEN_MIN + tp.af.headerLen;
}

/** Segments have been lost again and again: perhaps only large packets are (RFC 4821 §7.7; Linux: tcp_mtu_probing). */
export function tcpMtuBlackHole(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  if (sysctl.tcpMtuProbing === 0) return;
  tp.mtup ??= newSearch(tp, false);
  const p = tp.mtup;
  if (!p.enabled) {
    p.enabled = true;
    p.stampMs = tcpJiffies(tp);
  } else {
    const half = Math.min(sysctl.tcpBaseMss, tcpMtuToMss(tp, p.low) >> 1);
    p.low = tcpMssToMtu(tp, Math.max(half, sysctl.tcpMtuProbeFloor, sysctl.tcpMinSndMss));
  }
  tcpSyncMss(tp, tp.pmtuCookie);
}

/**
 * Sends a probe if it is time for one.
 *
 * @returns 1 sent; 0 soon: nothing else should go before; -1 no probe
 */
export function tcpMtuProbe(tp: TcpSock): number {
  const p = tp.mtup;
  if (p === null || !p.enabled || p.size !== 0 || tp.caState !== TCP_CA_Open) return -1;
  if (tp.sndCwnd < MIN_CWND || tp.numSacks > 0 || tp.dsack) return -1;
  const mss = tcpCurrentMss(tp);
  const size = tcpMtuToMss(tp, (p.high + p.low) >> 1);
  if (size > tcpMtuToMss(tp, p.high) || p.high - p.low < tp.tcp.sysctl.tcpProbeThreshold) {
    checkReprobe(tp, p);
    return -1;
  }
  // So many segments behind it that its loss shows by their SACKs.
  const needed = size + (tp.reordering + 1) * tp.mssCache;
  if (((tp.writeSeq - tp.sndNxt) | 0) < needed || tp.sndWnd < needed) return -1;
  if (((tp.sndNxt + needed - tcpWndEnd(tp)) | 0) > 0) return 0;
  const inFlight = tcpPacketsInFlight(tp);
  if (inFlight + 2 > tp.sndCwnd) return inFlight === 0 ? -1 : 0;
  if (tcpPacingCheck(tp)) return -1;
  const skb = cutProbe(tp, size, mss);
  if (skb === null || tcpTransmitSkb(tp, skb, true) !== 0) return -1;
  tp.sndCwnd--; // it counts for two
  tcpEventNewDataSent(tp, skb);
  p.size = tcpMssToMtu(tp, skb.len);
  p.seqStart = skb.seq;
  p.seqEnd = skb.endSeq;
  return 1;
}

/** The first `size` unsent bytes as one segment. Null when they cannot be in one. */
function cutProbe(tp: TcpSock, size: number, mss: number): SkBuff | null {
  const skb = tp.writeQueue.head;
  if (skb === null) return null;
  while (skb.len < size) {
    const before = skb.len;
    tcpGrowSkb(tp, skb, size - before);
    if (skb.len === before) return null;
  }
  if (skb.len > size) tcpFragment(tp, skb, size, mss);
  tcpSetSkbTsoSegs(skb, skb.len);
  return skb;
}

/** The search is over. After a while it begins anew, from what is known: the path may have changed. */
function checkReprobe(tp: TcpSock, p: MtuProbe): void {
  const now = tcpJiffies(tp);
  if (now - p.stampMs < tp.tcp.sysctl.tcpProbeInterval * 1000) return;
  const mss = tcpCurrentMss(tp);
  p.size = 0;
  p.high = highest(tp);
  p.low = tcpMssToMtu(tp, mss);
  p.stampMs = now;
}

/** The probe is acknowledged: such packets go through. The window keeps its bytes. */
export function tcpMtupProbeSuccess(tp: TcpSock, p: MtuProbe): void {
  tp.sndCwnd = Math.max(1, Math.floor((tp.sndCwnd * tcpMssToMtu(tp, tp.mssCache)) / p.size));
  tp.sndCwndCnt = 0;
  tp.sndCwndStamp = tcpJiffies(tp);
  tp.sndSsthresh = tcpCurrentSsthresh(tp);
  p.low = p.size;
  p.size = 0;
  tcpSyncMss(tp, tp.pmtuCookie);
  tp.net.inc(Mib.TcpExtTCPMTUPSuccess);
}

/** A loss is about to start a recovery. True: it was the probe's, and no sign of congestion (RFC 4821 §7.6.2). */
export function tcpMtupProbeFailed(tp: TcpSock): boolean {
  const p = tp.mtup;
  if (p === null || p.size === 0 || tp.caState >= TCP_CA_CWR || tp.sndUna !== p.seqStart) return false;
  p.high = p.size - 1;
  p.size = 0;
  tp.net.inc(Mib.TcpExtTCPMTUPFail);
  tp.sndCwnd++; // what the probe had taken
  tcpSimpleRetransmit(tp);
  return true;
}
