/**
 * From a half-open request to a connection (Linux: tcp_minisocks.c).
 *
 *   from  tcp/demux.ts       tcpCheckReq, a segment for a request
 *         tcp/syncookies.ts  tcpSynRecvSock, a request that a cookie brought back
 *   to    tcp/listen.ts      the accept queue
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import { between } from '../lib/seq.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_SYN_RECV } from '../sock/constants.ts';
import { portsInherit } from '../sock/ports.ts';
import { sockInheritTimestamping } from '../sock/timestamping.ts';
import { SK_PACING_NEEDED } from '../sock/sock.ts';
import { tcpParseOptions, TCPOLEN_TSTAMP_ALIGNED } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_OPTIONS, thHlen, thWindow } from '../wire/tcp.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpCreateSock } from './init.ts';
import { tcpCaDstInit } from './cong/route.ts';
import { tcpSetupCaps } from './dst.ts';
import {
  ACCECN_ACE_FAIL_RECV, ACCECN_OPT_COUNTER_SEEN, ACCECN_OPT_FAIL_RECV, ACCECN_OPT_FAIL_SEEN, accEcnOptionInit, aceOf,
} from './accecn.ts';
import { skbEcn, tcpEcnOpenreqChild } from './ecn.ts';
import { tcpFastopenRemove } from './fastopen.ts';
import { tcpResetSock } from './input.ts';
import { acceptQueueAdd } from './listen.ts';
import { challengeAllowed, oowRateLimited } from './oow.ts';
import { tcpAoInherit } from './ao.ts';
import { tcpAuthLen } from './auth.ts';
import { tcpMd5Inherit } from './md5.ts';
import { tcpInitializeRcvMss, tcpSyncMss } from './mss.ts';
import { clockSeconds, pawsReject, tcpInWindow } from './paws.ts';
import type { RequestSock } from './request-sock.ts';
import { acceptQueueFull, reqskArm, reqskDrop, reqskUnlink, tcpListenDrop, tcpRtxSynack } from './request.ts';
import { synackWindow, tcpReqSendAck, tcpSendReset } from './reset.ts';
import { tcpSynackRttMeas } from './rtt.ts';
import type { TcpSock } from './sock.ts';
import { keepaliveTimeMs } from './sockopt.ts';
import { tcpResetKeepaliveTimer } from './timer.ts';

/**
 * A segment for a half-open connection: RFC 9293 §3.10.7.4 for SYN-RECEIVED, for something that is less than a socket.
 * The skb stays the caller's.
 *
 * @param fastopen `tp` is the child of a Fast Open: it is there already, and returned when the segment may go on
 * @returns the new connection; `tp` when the segment acknowledges what we never sent (it is to be reset); null when there
 *   is nothing more to do, and `tcp.dropReason` says why
 */
export function tcpCheckReq(tp: TcpSock, skb: SkBuff, req: RequestSock, fastopen: boolean = false): TcpSock | null {
  const { tcp, net } = tp;
  let flags = skb.tcpFlags & (TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_ACK);
  const hlen = thHlen(skb.buf, skb.th);
  const opt = tcp.rxOpt;
  let paws = false;
  let tsecrBad = false;
  opt.sawTstamp = false;
  tcp.dropReason = Drop.NotDropped;
  if (hlen > TCP_HLEN_MIN) {
    tcpParseOptions(skb.buf, skb.th + TCP_OPTIONS, hlen - TCP_HLEN_MIN, opt);
    if (!req.tstampOk) opt.sawTstamp = false;
    if (req.accEcnOk && opt.accEcnOff >= 0) accEcnOptionSeen(req, accEcnOptionInit(skb.buf, opt.accEcnOff));
    if (opt.sawTstamp) {
      // When the SYN came is not stored; the time of one timeout ago is near enough.
      paws = pawsReject(net, req.tsRecent, clockSeconds(net) - (1 << req.numTimeout), opt.tsval, (flags & TCP_FLAG_RST) !== 0);
      tsecrBad = tsecrRejected(req, opt.tsecr);
    }
  }
  if (skb.seq === req.rcvIsn && flags === TCP_FLAG_SYN && !paws) {
    // The SYN once more: our answer was lost, or is late. Answer again, though not too often.
    if (req.accEcnOk) accEcnSynAgain(req, skb);
    if (!oowRateLimited(tcp, req, skb, Mib.TcpExtTCPACKSkippedSynRecv)) {
      tcpRtxSynack(tp, req);
      if (!fastopen) reqskArm(req);
    }
    return null;
  }
  // RFC 9293 §3.10.7.4, fifth, SYN-RECEIVED: an unacceptable ACK is answered with a reset, before anything else is looked at.
  // Differs: Linux takes a reset by its sequence number alone, whatever it acknowledges.
  const acks = (flags & (TCP_FLAG_ACK | TCP_FLAG_RST)) === TCP_FLAG_ACK;
  if (acks && !fastopen && skb.ackSeq !== ((req.sntIsn + 1) | 0)) return tp;
  // First: is it in the window?
  if (paws || tsecrBad || !tcpInWindow(skb.seq, skb.endSeq, req.rcvNxt, (req.rcvNxt + synackWindow(req)) | 0)) {
    if ((flags & TCP_FLAG_RST) === 0 && !oowRateLimited(tcp, req, skb, Mib.TcpExtTCPACKSkippedSynRecv)) {
      tcpReqSendAck(tp, req, skb);
    }
    tcp.dropReason = paws ? Drop.TcpRfc7323Paws : tsecrBad ? Drop.TcpRfc7323Tsecr : Drop.TcpOverWindow;
    if (paws) net.inc(Mib.TcpExtPAWSEstab);
    else if (tsecrBad) net.inc(Mib.TcpExtTSEcrRejected);
    return null;
  }
  // A SYN in front of the window is cut off.
  if (skb.seq === req.rcvIsn) flags &= ~TCP_FLAG_SYN;
  // Second: RFC 5961 §3.2 holds before the connection is there, too: only the exact number resets.
  if ((flags & TCP_FLAG_RST) !== 0 && skb.seq !== req.rcvNxt) {
    if (challengeAllowed(tcp, req)) tcpReqSendAck(tp, req, skb);
    tcp.dropReason = Drop.TcpReset;
    return null;
  }
  // Second and fourth: RST and SYN end it.
  if ((flags & (TCP_FLAG_RST | TCP_FLAG_SYN)) !== 0) {
    embryonicReset(tp, skb, req, (flags & TCP_FLAG_RST) !== 0, fastopen);
    return null;
  }
  if ((flags & TCP_FLAG_ACK) === 0) {
    tcp.dropReason = Drop.TcpFlags;
    return null;
  }
  if (fastopen) return tp;
  if (req.numTimeout < tp.deferAccept && skb.endSeq === ((req.rcvIsn + 1) | 0)) {
    req.acked = true; // TCP_DEFER_ACCEPT: the connection is made when there is something to read
    net.inc(Mib.TcpExtTCPDeferAcceptDrop);
    return null;
  }
  if (opt.sawTstamp && ((req.rcvNxt - skb.seq) | 0) >= 0) req.tsRecent = opt.tsval;
  return reqToChild(tp, skb, req);
}

/** RFC 9768 §3.1.5: the ECN field of the latest SYN is what is reflected; one without ACE means that nothing of ours may be ECT. */
function accEcnSynAgain(req: RequestSock, skb: SkBuff): void {
  req.synEctRcv = skbEcn(skb);
  if (aceOf(skb) === 0) req.accEcnFail |= ACCECN_ACE_FAIL_RECV;
}

function accEcnOptionSeen(req: RequestSock, saw: number): void {
  if (req.sawAccEcnOpt >= ACCECN_OPT_COUNTER_SEEN) return;
  req.sawAccEcnOpt = saw;
  if (saw === ACCECN_OPT_FAIL_SEEN) req.accEcnFail |= ACCECN_OPT_FAIL_RECV;
}

/** The ACK is good. If the accept queue has no room it is forgotten: the SYN-ACK will be sent again and answered again. */
function reqToChild(tp: TcpSock, skb: SkBuff, req: RequestSock): TcpSock | null {
  const child = tcpSynRecvSock(tp, skb, req);
  if (child === null) {
    if (tp.tcp.sysctl.tcpAbortOnOverflow === 0) req.acked = true;
    else abortOnOverflow(tp, skb, req);
    return null;
  }
  tcpSynackRttMeas(child, req);
  acceptQueueAdd(tp, child);
  return child;
}

/** tcp_abort_on_overflow: the peer is told at once, instead of being left to try again. */
function abortOnOverflow(tp: TcpSock, skb: SkBuff, req: RequestSock): void {
  tcpSendReset(tp.tcp, tp, skb);
  if (reqskDrop(req)) tp.net.inc(Mib.TcpExtEmbryonicRsts);
}

function embryonicReset(tp: TcpSock, skb: SkBuff, req: RequestSock, rst: boolean, fastopen: boolean): void {
  const { net, tcp } = tp;
  tcp.dropReason = rst ? Drop.TcpReset : Drop.TcpInvalidSyn;
  if (fastopen) {
    // A SYN may be spoofed, and the child is in use: only a good reset ends it.
    if (rst) {
      tcpFastopenRemove(tp, true);
      tcpResetSock(tp);
    } else {
      tcpSendReset(tcp, tp, skb);
    }
    return;
  }
  net.inc(Mib.TcpAttemptFails);
  if (!rst) tcpSendReset(tcp, tp, skb);
  if (reqskDrop(req)) net.inc(Mib.TcpExtEmbryonicRsts);
}

/** Does the ACK echo a time at which we sent no SYN-ACK? */
function tsecrRejected(req: RequestSock, tsecr: number): boolean {
  if (!req.tstampOk || tsecr === 0) return false;
  return !between((tsecr - req.tsOff) | 0, req.firstTsval | 0, req.lastTsval | 0);
}

/**
 * Makes the connection of a request and takes the request's place in the table. Null when the accept queue is full.
 *
 * The new socket is in SYN_RECV; the segment that made it is its first and moves it on.
 */
export function tcpSynRecvSock(tp: TcpSock, skb: SkBuff, req: RequestSock): TcpSock | null {
  const { tcp, net } = tp;
  if (acceptQueueFull(tp)) {
    net.inc(Mib.TcpExtListenOverflows);
    tcp.dropReason = tcpListenDrop(tp, Drop.TcpListenOverflow);
    return null;
  }
  const rt = req.af.reqRoute(tcp, req);
  if (rt === null) {
    tcp.dropReason = tcpListenDrop(tp, Drop.IpOutNoRoutes);
    return null;
  }
  const child = tcpCreateOpenreqChild(tp, req, skb);
  tcpSetupCaps(child, rt);
  tcpCaDstInit(child, rt);
  tcpSyncMss(child, rt.mtu);
  child.advmss = req.advmss;
  tcpInitializeRcvMss(child);
  portsInherit(tcp.ports, tp, child);
  reqskUnlink(req);
  tcp.established.insert(child);
  child.hashed = true;
  return child;
}

/** A full socket from a listener's options and a request's numbers. */
function tcpCreateOpenreqChild(tp: TcpSock, req: RequestSock, skb: SkBuff): TcpSock {
  const { tcp, net } = tp;
  const child = tcpCreateSock(tcp, tp.family);
  inheritOptions(tp, child);
  child.state = TCP_SYN_RECV;
  child.num = req.num;
  child.dport = req.dport;
  child.af = req.af;
  child.af.initChild(child, tp, req);
  const rcvNxt = (req.rcvIsn + 1) | 0;
  child.irs = req.rcvIsn;
  child.rcvNxt = rcvNxt;
  child.rcvWup = rcvNxt;
  child.copiedSeq = rcvNxt;
  const sndNxt = (req.sntIsn + 1) | 0;
  child.iss = req.sntIsn;
  child.sndUna = sndNxt;
  child.sndNxt = sndNxt;
  child.sndSml = sndNxt;
  child.sndUp = sndNxt;
  child.writeSeq = sndNxt;
  child.pushedSeq = sndNxt;
  child.sndWl1 = req.rcvIsn;
  child.lrcvtimeUs = net.nowUs;
  child.lsndtimeUs = net.nowUs;
  child.totalRetrans = req.numRetrans;
  child.segsIn = 1; // the SYN, once, however often it came
  child.tsoffset = req.tsOff;
  child.sackOk = req.sackOk;
  child.tstampOk = req.tstampOk;
  child.wscaleOk = req.wscaleOk;
  child.windowClamp = req.wscaleOk ? req.windowClamp : Math.min(req.windowClamp, 65535);
  child.rcvSsthresh = req.rcvWnd;
  child.rcvWnd = req.rcvWnd;
  child.sndWscale = req.wscaleOk ? req.sndWscale : 0;
  child.rcvWscale = req.wscaleOk ? req.rcvWscale : 0;
  // Differs from the handshake's other segments: this one is no SYN, so its window is scaled (RFC 7323 §2.2).
  child.sndWnd = thWindow(skb.buf, skb.th) << child.sndWscale;
  child.maxWindow = child.sndWnd;
  if (req.tstampOk) {
    child.tsRecent = req.tsRecent;
    child.tsRecentStamp = clockSeconds(net);
    child.tcpHeaderLen = TCP_HLEN_MIN + TCPOLEN_TSTAMP_ALIGNED;
  }
  if (tp.md5Keys !== null) tcpMd5Inherit(tp, child);
  if (tp.ao !== null && req.aoUsed) tcpAoInherit(tp.ao, child, req);
  child.tcpHeaderLen += tcpAuthLen(child);
  child.savedSyn = req.savedSyn;
  child.mssClamp = req.mss;
  tcpEcnOpenreqChild(child, req, skb);
  if (req.numTimeout !== 0) child.undoMarker = req.sntIsn;
  net.inc(Mib.TcpPassiveOpens);
  tcpMstampRefresh(child);
  if (child.keepopen) tcpResetKeepaliveTimer(child, keepaliveTimeMs(child));
  return child;
}

/** What an accepted socket has from its listener: all that setsockopt can set, but nothing of its state. */
function inheritOptions(tp: TcpSock, child: TcpSock): void {
  child.rcvbuf = tp.rcvbuf;
  child.sndbuf = tp.sndbuf;
  child.rcvbufLocked = tp.rcvbufLocked;
  child.sndbufLocked = tp.sndbufLocked;
  child.rcvlowat = tp.rcvlowat;
  child.reuse = tp.reuse;
  child.reuseport = tp.reuseport;
  child.keepopen = tp.keepopen;
  child.lingerOn = tp.lingerOn;
  child.lingerTime = tp.lingerTime;
  child.boundDevIf = tp.boundDevIf;
  child.priority = tp.priority;
  child.mark = tp.mark;
  child.rcvtimeoNs = tp.rcvtimeoNs;
  child.sndtimeoNs = tp.sndtimeoNs;
  child.ttl = tp.ttl;
  child.pmtudisc = tp.pmtudisc;
  child.recverr = tp.recverr;
  child.recvttl = tp.recvttl;
  child.recvtos = tp.recvtos;
  child.v6only = tp.v6only;
  child.np = tp.np === null ? null : tp.np.clone();
  child.freebind = tp.freebind;
  child.bindAddressNoPort = tp.bindAddressNoPort;
  child.bindAddrLock = tp.bindAddrLock;
  child.zerocopy = tp.zerocopy;
  child.urgInline = tp.urgInline;
  if (tp.tsflags !== 0 || tp.rcvtstamp !== 0) sockInheritTimestamping(tp, child);
  child.userMss = tp.userMss;
  child.nonagle = tp.nonagle;
  child.keepaliveTimeMs = tp.keepaliveTimeMs;
  child.keepaliveIntvlMs = tp.keepaliveIntvlMs;
  child.keepaliveProbes = tp.keepaliveProbes;
  child.userTimeoutMs = tp.userTimeoutMs;
  child.linger2Ms = tp.linger2Ms;
  child.synRetries = tp.synRetries;
  child.deferAccept = tp.deferAccept;
  child.notsentLowat = tp.notsentLowat;
  child.inq = tp.inq;
  child.saveSyn = tp.saveSyn;
  child.rtoMinUs = tp.rtoMinUs;
  child.rtoMaxMs = tp.rtoMaxMs;
  child.delackMaxUs = tp.delackMaxUs;
  child.sndCwndClamp = tp.sndCwndClamp;
  child.maxPacingRate = tp.maxPacingRate;
  if (tp.maxPacingRate !== Infinity) child.pacingStatus = SK_PACING_NEEDED;
  if (tp.caSetsockopt) {
    child.ca = tp.ca;
    child.caSetsockopt = true;
  }
}
