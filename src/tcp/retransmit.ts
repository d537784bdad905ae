/**
 * Sending again: one segment, what is marked lost, the tail as a probe (TLP), and everything too large for a new path MTU.
 *
 *   from  tcp/recovery.ts, ack.ts   tcpXmitRetransmitQueue, after an ACK
 *         tcp/timer.ts              tcpRetransmitSkb after a timeout, tcpSendLossProbe
 *   to    tcp/output.ts             tcpTransmitSkb
 */
import { Mib } from '../dev/mib.ts';
import { EAGAIN, EBUSY, EINVAL } from '../lib/errno.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { MAX_SKB_FRAGS } from '../skb/sk-buff.ts';
import { TCP_SYN_SENT } from '../sock/constants.ts';
import { TCP_FLAG_CWR, TCP_FLAG_ECE, TCP_FLAG_FIN, TCP_FLAG_SYN } from '../wire/tcp.ts';
import { tcpEcnClearSyn } from './ecn.ts';
import {
  tcpCurrentSsthresh, tcpInCwndReduction, tcpIsReno, tcpPacketsInFlight, tcpWndEnd,
} from './flight.ts';
import { tcpCurrentMss } from './mss.ts';
import { tcpTransmitSkb } from './output.ts';
import { tcpMarkSkbLost, tcpSetCaState } from './recovery.ts';
import { tcpLimitRenoSacked } from './reno-sack.ts';
import {
  tcpAdjustPcount, tcpCollapseRetrans, tcpFragment, tcpSetSkbTsoSegs, tcpTrimHead,
} from './segment.ts';
import {
  ICSK_TIME_REO_TIMEOUT, ICSK_TIME_RETRANS, TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS, TCP_CA_Loss,
  TCP_NAGLE_OFF, type TcpSock,
} from './sock.ts';
import { resetXmitTimer, tcpRearmRto } from './timer.ts';
import { tcpSkbStillInHostQueue, tcpSmallQueueCheck } from './tsq.ts';
import { PUSH_PROBE, tcpPacingCheck, tcpSndWndTest, tcpTsoSegs, tcpWriteXmit } from './xmit.ts';

/** A SYN that asks for ECN. */
const TCP_FLAGS_SYN_ECN = TCP_FLAG_SYN | TCP_FLAG_ECE | TCP_FLAG_CWR;

/** Sends up to `segs` segments of an skb again. 0 when it is on its way, else why not. The scoreboard is not touched. */
function doRetransmit(tp: TcpSock, skb: SkBuff, segs: number): number {
  const { net } = tp;
  if (tp.mtup !== null) tp.mtup.size = 0; // a probe that is out proves nothing any more
  if (tcpSkbStillInHostQueue(tp, skb)) {
    net.inc(Mib.TcpExtTCPSpuriousRtxHostQueues);
    return -EBUSY;
  }
  if (((skb.seq - tp.sndUna) | 0) < 0) {
    if (((skb.endSeq - tp.sndUna) | 0) < 0) return -EINVAL;
    if ((skb.tcpFlags & TCP_FLAG_SYN) === 0) tcpTrimHead(tp, skb, (tp.sndUna - skb.seq) | 0);
  }
  const mss = tcpCurrentMss(tp);
  let avail = (tcpWndEnd(tp) - skb.seq) | 0;
  if (avail <= 0) {
    // The peer has shrunk its window. Beyond it nothing goes, but for the first segment: as a window probe.
    if (skb.seq !== tp.sndUna) return -EAGAIN;
    avail = mss;
  }
  let len = mss * segs;
  if (len > avail) len = avail >= mss ? avail - (avail % mss) : avail;
  if (skb.len > len) {
    tcpFragment(tp, skb, len, mss);
  } else {
    const before = skb.gsoSegs;
    const after = tcpSetSkbTsoSegs(skb, mss);
    if (before !== after) tcpAdjustPcount(tp, skb, before - after);
    if (skb.len < Math.min(avail, mss)) tryCollapse(tp, skb, Math.min(avail, mss));
  }
  if ((skb.tcpFlags & TCP_FLAGS_SYN_ECN) === TCP_FLAGS_SYN_ECN) tcpEcnClearSyn(tp, skb);
  const pcount = skb.gsoSegs;
  net.mib[Mib.TcpRetransSegs]! += pcount;
  if ((skb.tcpFlags & TCP_FLAG_SYN) !== 0) net.inc(Mib.TcpExtTCPSynRetrans);
  tp.totalRetrans += pcount;
  tp.bytesRetrans += skb.len;
  const err = tcpTransmitSkb(tp, skb, true);
  if (err !== 0 && err !== -EBUSY) net.mib[Mib.TcpExtTCPRetransFail]! += pcount;
  // Even when this host dropped it: its time of sending is no good for an RTT any more.
  skb.sacked |= TCPCB_EVER_RETRANS;
  return err;
}

/** Small segments that are sent again go together, as far as one segment holds them. */
function tryCollapse(tp: TcpSock, skb: SkBuff, size: number): void {
  if ((skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) !== 0 || !mayCollapse(skb)) return;
  for (let next = skb.next; next !== null; next = skb.next) {
    if (!mayCollapse(next) || skb.eor || skb.len + next.len > size) return;
    if (skb.nrFrags + next.nrFrags > MAX_SKB_FRAGS || ((tcpWndEnd(tp) - next.endSeq) | 0) < 0) return;
    tcpCollapseRetrans(tp, skb, next);
    if ((skb.tcpFlags & TCP_FLAG_FIN) !== 0) return;
  }
}

function mayCollapse(skb: SkBuff): boolean {
  return skb.gsoSegs === 1 && skb.ubuf === null && (skb.sacked & TCPCB_SACKED_ACKED) === 0;
}

/** Sends an skb again and notes it in the scoreboard. 0, or why not. */
export function tcpRetransmitSkb(tp: TcpSock, skb: SkBuff, segs: number): number {
  const err = doRetransmit(tp, skb, segs);
  if (err === 0) {
    // A retransmission that was believed out already (the timer's) is counted once.
    if ((skb.sacked & TCPCB_SACKED_RETRANS) === 0) tp.retransOut += skb.gsoSegs;
    skb.sacked |= TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;
  }
  // The first one of an episode: what is older than this was not answered because of it (Eifel).
  if (tp.retransStamp === 0) tp.retransStamp = Math.floor(tp.mstampUs / 1000) | 0;
  if (tp.undoRetrans < 0) tp.undoRetrans = 0;
  tp.undoRetrans += skb.gsoSegs;
  return err;
}

/**
 * Retransmits what is marked lost, oldest first, as far as the congestion window goes. New data is sent afterwards by
 * whoever called (RFC 6675: holes first).
 */
export function tcpXmitRetransmitQueue(tp: TcpSock): void {
  if (tp.packetsOut === 0) return;
  const head = tp.rtxQueue.head;
  const maxSegs = tcpTsoSegs(tp, tcpCurrentMss(tp));
  let hole: SkBuff | null = null;
  let rearm = false;
  for (let skb = tp.retransmitSkbHint ?? head; skb !== null; skb = skb.next) {
    if (tcpPacingCheck(tp)) break;
    if (hole === null) tp.retransmitSkbHint = skb;
    const segs = Math.min(tp.sndCwnd - tcpPacketsInFlight(tp), maxSegs);
    if (segs <= 0 || tp.retransOut >= tp.lostOut) break;
    const { sacked } = skb;
    if ((sacked & TCPCB_LOST) === 0) {
      if (hole === null && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED)) === 0) hole = skb;
      continue;
    }
    if ((sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) !== 0) continue;
    if (tcpSmallQueueCheck(tp, skb, 1)) break;
    if (tcpRetransmitSkb(tp, skb, segs) !== 0) break;
    const mib = tp.caState === TCP_CA_Loss ? Mib.TcpExtTCPSlowStartRetrans : Mib.TcpExtTCPFastRetrans;
    tp.net.mib[mib]! += skb.gsoSegs;
    if (tcpInCwndReduction(tp)) tp.prrOut += skb.gsoSegs;
    if (skb === head && tp.pendingTimer !== ICSK_TIME_REO_TIMEOUT) rearm = true;
  }
  if (rearm) resetXmitTimer(tp, ICSK_TIME_RETRANS, tp.rtoUs);
}

/**
 * Tail loss probe (RFC 8985 §7): nothing has come back for two round trips. New data if there is any, else the last segment
 * again, draws an ACK that shows what is missing, before the timeout would collapse the window.
 */
export function tcpSendLossProbe(tp: TcpSock): void {
  if (tp.tlpHighSeq === 0) {
    const sent = sendProbe(tp);
    if (sent) {
      tp.tlpHighSeq = tp.sndNxt;
      tp.net.inc(Mib.TcpExtTCPLossProbes);
      tp.pendingTimer = 0; // the timeout counts from the probe
    }
  }
  tcpRearmRto(tp);
}

function sendProbe(tp: TcpSock): boolean {
  const mss = tcpCurrentMss(tp);
  tp.tlpRetrans = false;
  const fresh = tp.writeQueue.head;
  if (fresh !== null && tcpSndWndTest(tp, fresh, mss)) {
    const before = tp.packetsOut;
    tcpWriteXmit(tp, mss, TCP_NAGLE_OFF, PUSH_PROBE);
    return tp.packetsOut > before;
  }
  let skb = tp.rtxQueue.tail;
  if (skb === null || tcpSkbStillInHostQueue(tp, skb)) return false;
  const pcount = skb.gsoSegs;
  if (pcount > 1 && skb.len > (pcount - 1) * mss) skb = tcpFragment(tp, skb, (pcount - 1) * mss, mss);
  if (doRetransmit(tp, skb, 1) !== 0) return false;
  tp.tlpRetrans = true;
  return true;
}

/**
 * The path takes less than we thought (ICMP): what is too large is sent again, smaller. No sign of congestion. As in Linux TCP's
 * clock stands still meanwhile: to RACK and RTT, and in its timestamps, all this was sent when the socket last did something.
 */
export function tcpSimpleRetransmit(tp: TcpSock): void {
  // A SYN with data stands in the queue as two, each of which may be small enough: both are lost.
  const synData = tp.state === TCP_SYN_SENT && tp.fastopen !== null && tp.fastopen.synData;
  const mss = synData ? -1 : tcpCurrentMss(tp);
  for (let skb = tp.rtxQueue.head; skb !== null; skb = skb.next) {
    const size = skb.gsoSegs === 1 ? skb.len : skb.gsoSize;
    if (size > mss) tcpMarkSkbLost(tp, skb);
  }
  if (tp.lostOut === 0) return;
  if (tcpIsReno(tp)) tcpLimitRenoSacked(tp);
  tcpNonCongestionLossRetransmit(tp);
}

/** Sends again what is marked lost, though no congestion has lost it: a path that takes less, a SYN whose data was refused. */
export function tcpNonCongestionLossRetransmit(tp: TcpSock): void {
  if (tp.caState !== TCP_CA_Loss) {
    // The window stays: the same bytes in more segments. But it is no time to open it either.
    tp.highSeq = tp.sndNxt;
    tp.sndSsthresh = tcpCurrentSsthresh(tp);
    tp.priorSsthresh = 0;
    tp.undoMarker = 0;
    tcpSetCaState(tp, TCP_CA_Loss);
  }
  tcpXmitRetransmitQueue(tp);
}
