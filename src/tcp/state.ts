/**
 * TCP, segments for a connection that is being opened or closed: all states but ESTABLISHED, LISTEN and TIME_WAIT.
 *
 *   from  tcp/demux.ts    tcpRcvStateProcess
 *   to    tcp/input.ts    tcpValidateIncoming: first to fourth of RFC 9293 §3.10.7.4
 *         tcp/ack.ts      tcpAck, fifth
 *         tcp/data.ts     tcpUrg, tcpDataQueue: sixth to eighth
 *         tcp/close.ts, tcp/timewait.ts   the end
 */
import { Mib } from '../dev/mib.ts';
import { between } from '../lib/seq.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  POLLOUT, POLLWRNORM, RCV_SHUTDOWN, SEND_SHUTDOWN, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1,
  TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { tcpStateName } from '../sock/trace.ts';
import { TCPOLEN_TSTAMP_ALIGNED, tcpParseOptions } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_OPTIONS, thHlen, thWindow } from '../wire/tcp.ts';
import { tcpAck } from './ack.ts';
import { tcpMstampRefresh, tcpTimeStampTs, tickExpiry, usecsToTicks } from './clock.ts';
import { tcpDone, tcpFinWait2Orphan, tcpSetState, tcpShutdownSend } from './close.ts';
import { tcpDataQueue, tcpUrg } from './data.ts';
import { tcpAckSndCheck, tcpEnterQuickackMode, tcpInPingpongMode, TCP_MAX_QUICKACKS } from './delack.ts';
import { accEcnPredFlags, tcpAccEcnThirdAck } from './accecn.ts';
import { tcpEcnAccEcn, tcpEcnRcvSyn, tcpEcnRcvSynack, tcpEcnReceivedCounters, tcpEcnThirdAckFlags } from './ecn.ts';
import { tcpRcvFastopenSynack } from './fastopen-active.ts';
import { tcpRcvSynrecvFastopen } from './fastopen.ts';
import { tcpFastopenRsk } from './fastopen-sock.ts';
import { FLAG_NO_CHALLENGE_ACK, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT } from './flags.ts';
import { tcpReset, tcpResetSock, tcpSendChallengeAck, tcpStoreTsRecent, tcpValidateIncoming } from './input.ts';
import { tcpAoTakeSyn } from './ao.ts';
import { tcpAuthLen } from './auth.ts';
import { tcpCheckReq } from './minisocks.ts';
import { tcpInitializeRcvMss, tcpSyncMss } from './mss.ts';
import { tcpSendAck, tcpSendSynack } from './output.ts';
import { pawsReject } from './paws.ts';
import { tcpAcceptOptions } from './request.ts';
import { tcpSynackRttMeas } from './rtt.ts';
import { ICSK_ACK_SCHED, ICSK_ACK_TIMER, ICSK_TIME_RETRANS, type TcpSock } from './sock.ts';
import { keepaliveTimeMs } from './sockopt.ts';
import { resetXmitTimer, TCP_DELACK_MAX_US, TCP_TIMEOUT_MIN_US, tcpResetKeepaliveTimer } from './timer.ts';
import { tcpTimeWait } from './timewait.ts';
import { tcpInitTransfer } from './window.ts';
import { tcpDataSndCheck } from './xmit.ts';

/**
 * A segment for a connection that is not simply established.
 *
 * @returns 0 when the skb was taken; else the reason why the peer is to be reset, and the skb stays the caller's
 */
export function tcpRcvStateProcess(tp: TcpSock, skb: SkBuff): number {
  if (tp.state === TCP_CLOSE) {
    tp.net.drop(skb, Drop.TcpClose);
    return 0;
  }
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpRcvStateProcess', tcpStateName(tp.state));
  tcpMstampRefresh(tp);
  if (tp.state === TCP_SYN_SENT) return synSentRcv(tp, skb);
  const req = tcpFastopenRsk(tp);
  if (req !== null && tcpCheckReq(tp, skb, req, true) === null) {
    tp.net.drop(skb, tp.tcp.dropReason);
    return 0;
  }
  if ((skb.tcpFlags & (TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_SYN)) === 0) {
    tp.net.drop(skb, Drop.TcpFlags);
    return 0;
  }
  if (!tcpValidateIncoming(tp, skb, false)) return 0;
  // The child of a request has counted its first segment.
  if (tp.ecnFlags !== 0 && (tp.state !== TCP_SYN_RECV || req !== null)) tcpEcnReceivedCounters(tp, skb);
  const acked = tcpAck(tp, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK);
  if (acked <= 0) {
    // RFC 9293 §3.10.7.4, fifth: in SYN-RECEIVED an unacceptable ACK is answered with a reset, elsewhere with an ACK.
    if (tp.state === TCP_SYN_RECV) return acked === 0 ? Drop.TcpOldAck : -acked;
    if (acked < 0) {
      tcpSendChallengeAck(tp);
      tp.net.drop(skb, -acked as Drop);
      return 0;
    }
  }
  switch (tp.state) {
    case TCP_SYN_RECV:
      synRecvAcked(tp, skb);
      break;
    case TCP_FIN_WAIT1: {
      const reason = finWait1Acked(tp, skb);
      if (reason >= 0) return reason;
      break;
    }
    case TCP_CLOSING:
      if (tp.sndUna === tp.writeSeq) {
        tcpTimeWait(tp, TCP_TIME_WAIT, 0);
        consumeSkb(skb);
        return 0;
      }
      break;
    case TCP_LAST_ACK:
      if (tp.sndUna === tp.writeSeq) {
        tcpDone(tp);
        consumeSkb(skb);
        return 0;
      }
      break;
  }
  return textOfState(tp, skb);
}

/** Sixth to eighth: URG, text, FIN. Takes the skb or returns a reason to reset. */
function textOfState(tp: TcpSock, skb: SkBuff): number {
  const { state } = tp;
  tcpUrg(tp, skb);
  // The peer has sent its FIN: nothing new can follow. What lies before it is a duplicate and goes the usual way.
  const finSeen = state === TCP_CLOSE_WAIT || state === TCP_CLOSING || state === TCP_LAST_ACK;
  const queue = !finSeen || ((skb.seq - tp.rcvNxt) | 0) < 0;
  if (queue) {
    // RFC 1122 §4.2.2.13: data for a socket that is closed for reading for good draws a reset.
    if (state !== TCP_ESTABLISHED && (tp.shutdown & RCV_SHUTDOWN) !== 0 && hasNewData(tp, skb)) {
      tp.net.inc(Mib.TcpExtTCPAbortOnData);
      tcpResetSock(tp);
      return Drop.TcpAbortOnData;
    }
    tcpDataQueue(tp, skb);
  }
  // The FIN may have moved the socket into TIME_WAIT.
  if (tp.state !== TCP_CLOSE) {
    tcpDataSndCheck(tp);
    tcpAckSndCheck(tp);
  }
  if (!queue) tp.net.drop(skb, skb.endSeq === skb.seq ? Drop.NotDropped : Drop.TcpInvalidSequence);
  return 0;
}

/** Does the segment bring bytes (a FIN does not count) that we have not had? */
function hasNewData(tp: TcpSock, skb: SkBuff): boolean {
  if (skb.endSeq === skb.seq) return false;
  return ((tp.rcvNxt - ((skb.endSeq - (skb.tcpFlags & TCP_FLAG_FIN)) | 0)) | 0) < 0;
}

/** SYN_RECV: the ACK of our SYN has come, the connection is established. */
function synRecvAcked(tp: TcpSock, skb: SkBuff): void {
  tp.delivered++; // the SYN-ACK's delivery is not seen by tcpAck
  if (tp.tstampOk) tp.advmss -= TCPOLEN_TSTAMP_ALIGNED; // before the windows are made of it
  const req = tcpFastopenRsk(tp);
  if (req !== null) {
    if (tp.srttUs === 0) tcpSynackRttMeas(tp, req);
    tcpRcvSynrecvFastopen(tp);
  } else {
    tp.retransStamp = 0;
    tcpInitTransfer(tp);
    tp.copiedSeq = tp.rcvNxt;
  }
  tcpSetState(tp, TCP_ESTABLISHED);
  tp.stateChange(POLLOUT | POLLWRNORM); // only a crossed SYN finds somebody waiting here
  tp.sndUna = skb.ackSeq;
  tp.sndWnd = thWindow(skb.buf, skb.th) << tp.sndWscale;
  tp.sndWl1 = skb.seq;
  tp.lsndtimeUs = tp.net.nowUs;
  tcpInitializeRcvMss(tp);
  if (tcpEcnAccEcn(tp)) {
    tcpAccEcnThirdAck(tp, tp.accEcn!, skb);
    accEcnPredFlags(tp);
  }
  if ((tp.shutdown & SEND_SHUTDOWN) !== 0) tcpShutdownSend(tp, SEND_SHUTDOWN);
}

/**
 * FIN_WAIT1: is our FIN acknowledged? Then FIN_WAIT2.
 *
 * @returns -1: go on with the text; else what tcpRcvStateProcess is to return
 */
function finWait1Acked(tp: TcpSock, skb: SkBuff): number {
  if (tcpFastopenRsk(tp) !== null) tcpRcvSynrecvFastopen(tp);
  if (tp.sndUna !== tp.writeSeq) return -1;
  tcpSetState(tp, TCP_FIN_WAIT2);
  tp.shutdown |= SEND_SHUTDOWN;
  tp.stateChange(POLLOUT | POLLWRNORM); // wakes a close() that lingers
  if (!tp.dead) return -1;
  if (tp.linger2Ms < 0 || hasNewData(tp, skb)) {
    // Nobody waits for a FIN, or data has come that nobody will ever read.
    tp.net.inc(Mib.TcpExtTCPAbortOnData);
    tcpDone(tp);
    return Drop.TcpAbortOnData;
  }
  tcpFinWait2Orphan(tp, (skb.tcpFlags & TCP_FLAG_FIN) !== 0);
  if (tp.state === TCP_FIN_WAIT2) return -1;
  consumeSkb(skb);
  return 0;
}

// ---- SYN_SENT, RFC 9293 §3.10.7.3

function synSentRcv(tp: TcpSock, skb: SkBuff): number {
  const { net, rxOpt } = tp;
  const flags = skb.tcpFlags;
  tcpParseOptions(skb.buf, skb.th + TCP_OPTIONS, thHlen(skb.buf, skb.th) - TCP_HLEN_MIN, rxOpt);
  acceptSynOptions(tp);
  if ((flags & TCP_FLAG_ACK) !== 0) return synSentAck(tp, skb);
  if ((flags & TCP_FLAG_RST) !== 0) {
    net.drop(skb, Drop.TcpReset); // "If the ACK bit is off, drop the segment": a reset of something else
    return 0;
  }
  if (rxOpt.sawTstamp && pawsReject(net, tp.tsRecent, tp.tsRecentStamp, rxOpt.tsval, false)) {
    net.drop(skb, Drop.TcpRfc7323Paws);
    return 0;
  }
  if ((flags & TCP_FLAG_SYN) !== 0) {
    crossedSyn(tp, skb);
    consumeSkb(skb);
    return 0;
  }
  net.drop(skb, Drop.TcpFlags);
  return 0;
}

/** A segment with an ACK. */
function synSentAck(tp: TcpSock, skb: SkBuff): number {
  const { net, rxOpt } = tp;
  const flags = skb.tcpFlags;
  // First: "If SEG.ACK =< ISS, or SEG.ACK > SND.NXT, send a reset (unless the RST bit is set)".
  if (((skb.ackSeq - tp.sndUna) | 0) <= 0 || ((tp.sndNxt - skb.ackSeq) | 0) < 0) {
    // It may come from an old connection that this reset ends: try again soon.
    if (tp.retransmits === 0) resetXmitTimer(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN_US);
    return Drop.TcpInvalidAckSequence;
  }
  if (rxOpt.sawTstamp && rxOpt.tsecr !== 0 && !between(rxOpt.tsecr, tp.retransStamp, tcpTimeStampTs(tp))) {
    net.inc(Mib.TcpExtPAWSActive);
    return Drop.TcpRfc7323Paws;
  }
  // Second: an acceptable ACK with RST means "connection refused".
  if ((flags & TCP_FLAG_RST) !== 0) {
    tcpReset(tp, skb);
    return 0;
  }
  // Fifth: neither SYN nor RST.
  if ((flags & TCP_FLAG_SYN) === 0) {
    net.drop(skb, Drop.TcpFlags);
    return 0;
  }
  synAcked(tp, skb);
  return 0;
}

/** Fourth: our SYN is acknowledged and the peer's has come. The connection is established. Takes the skb. */
function synAcked(tp: TcpSock, skb: SkBuff): void {
  if (tp.ecnFlags !== 0) tcpEcnRcvSynack(tp, skb);
  tp.sndWl1 = skb.seq;
  tp.sackOk = tp.rxOpt.sackOk; // whether a SYN that timed out leaves the Loss state behind depends on it
  tcpAck(tp, skb, FLAG_SLOWPATH);
  tcpTakeSyn(tp, skb);
  if (!tp.wscaleOk) {
    tp.sndWscale = 0;
    tp.rcvWscale = 0;
    tp.windowClamp = Math.min(tp.windowClamp, 65535);
  }
  if (tp.tstampOk) tp.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  tcpSyncMss(tp, tp.pmtuCookie);
  tcpInitializeRcvMss(tp);
  tcpFinishConnect(tp);
  const { fastopen } = tp;
  const again = fastopen !== null && (fastopen.synFastopen || fastopen.synData) && tcpRcvFastopenSynack(tp, skb, tp.rxOpt);
  tp.stateChange(POLLOUT | POLLWRNORM);
  if (again) {
    // What was in the SYN has just been sent again, and its ACK with it.
    consumeSkb(skb);
    tcpDataSndCheck(tp);
    return;
  }
  if (tp.writePending > 0 || tp.deferAccept !== 0 || tcpInPingpongMode(tp)) {
    // A writer that waits, TCP_DEFER_ACCEPT, or TCP_QUICKACK off: the handshake's ACK waits for data to ride on, but not for long.
    tp.ackPending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
    tcpEnterQuickackMode(tp, TCP_MAX_QUICKACKS);
    tp.delackTimer.mod(tickExpiry(tp, usecsToTicks(TCP_DELACK_MAX_US)));
    consumeSkb(skb);
    return;
  }
  tcpSendAck(tp, tcpEcnThirdAckFlags(tp));
  // Sixth: data on a SYN-ACK stays the peer's to repeat; urgent data is noted.
  tcpUrg(tp, skb);
  consumeSkb(skb);
  tcpDataSndCheck(tp);
}

/** The connection has been opened from our side (Linux: tcp_finish_connect). */
function tcpFinishConnect(tp: TcpSock): void {
  tcpSetState(tp, TCP_ESTABLISHED);
  tp.lrcvtimeUs = tp.net.nowUs;
  tcpInitTransfer(tp);
  // The window of the SYN-ACK was not scaled: header prediction begins with the first that is.
  if (tp.sndWscale !== 0) tp.predFlags = 0;
  tp.lsndtimeUs = tp.net.nowUs;
  if (tp.keepopen) tcpResetKeepaliveTimer(tp, keepaliveTimeMs(tp));
}

/**
 * A SYN without an ACK: both ends connect at once (RFC 9293 §3.5, figure 8; also a socket that connects to itself).
 * SYN_RECV, and our SYN goes out again with an ACK.
 */
function crossedSyn(tp: TcpSock, skb: SkBuff): void {
  tcpSetState(tp, TCP_SYN_RECV);
  tcpTakeSyn(tp, skb);
  tp.sndWl1 = skb.seq;
  tp.maxWindow = tp.sndWnd;
  tcpSyncMss(tp, tp.pmtuCookie);
  tcpInitializeRcvMss(tp);
  if (tp.ecnFlags !== 0) tcpEcnRcvSyn(tp, skb);
  tcpSendSynack(tp);
}

/** What a SYN or SYN-ACK from the peer says: where its numbers begin, its window, its options. */
function tcpTakeSyn(tp: TcpSock, skb: SkBuff): void {
  const { rxOpt } = tp;
  tp.irs = skb.seq;
  if (tp.ao !== null) tcpAoTakeSyn(tp.ao, skb.seq);
  tp.rcvNxt = (skb.seq + 1) | 0;
  tp.rcvWup = tp.rcvNxt;
  tp.copiedSeq = tp.rcvNxt;
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  tp.sndWnd = thWindow(skb.buf, skb.th);
  tp.sackOk = rxOpt.sackOk;
  tp.wscaleOk = rxOpt.wscaleOk;
  tp.sndWscale = rxOpt.wscaleOk ? rxOpt.sndWscale : 0;
  tp.tstampOk = rxOpt.sawTstamp;
  if (rxOpt.sawTstamp) {
    tcpStoreTsRecent(tp);
    tp.tcpHeaderLen = TCP_HLEN_MIN + TCPOLEN_TSTAMP_ALIGNED + tcpAuthLen(tp);
  } else {
    tp.tcpHeaderLen = TCP_HLEN_MIN + tcpAuthLen(tp);
  }
  if (rxOpt.mss !== 0) tp.mssClamp = tp.userMss !== 0 && tp.userMss < rxOpt.mss ? tp.userMss : rxOpt.mss;
}

/** Options that we do not speak are as good as not there; the echoed time loses our offset. */
function acceptSynOptions(tp: TcpSock): void {
  const { rxOpt } = tp;
  tcpAcceptOptions(tp.tcp, rxOpt);
  rxOpt.numSacks = 0;
  if (rxOpt.sawTstamp && rxOpt.tsecr !== 0) rxOpt.tsecr = (rxOpt.tsecr - tp.tsoffset) | 0;
}
