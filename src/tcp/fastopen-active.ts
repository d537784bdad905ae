/**
 * TCP Fast Open, the client (RFC 7413): data in the SYN, with the cookie that the server gave us the last time.
 *
 *   from  tcp/send.ts       tcpSendmsgFastopen: sendto(MSG_FASTOPEN), or the first write after a connect() that was put off
 *         tcp/connect.ts    tcpFastopenDeferConnect
 *         tcp/output.ts     tcpSendSynData
 *         tcp/state.ts      tcpRcvFastopenSynack
 *         tcp/timer.ts, close.ts   the search for black holes
 *   to    tcp/metrics.ts    cookies and MSS by destination
 *
 * A middlebox may swallow such SYNs, or what follows them. When that seems to be so the client goes without Fast Open for a while,
 * longer each time (net.ipv4.tcp_fastopen_blackhole_timeout_sec).
 */
import { Mib } from '../dev/mib.ts';
import { IFF_LOOPBACK } from '../dev/net-device.ts';
import { EALREADY, EINPROGRESS, EINVAL, ENOBUFS, EOPNOTSUPP } from '../lib/errno.ts';
import { addOrExtend, copyBytes } from '../skb/copy.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { AF_UNSPEC, TCP_CLOSE } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import type { MsgHdr } from '../sock/sockaddr.ts';
import type { TcpOptionsReceived } from '../wire/tcp-options.ts';
import { MAX_TCP_OPTION_SPACE } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_HLEN_MIN } from '../wire/tcp.ts';
import { TCP_CHRONO_BUSY, tcpChronoStart } from './chrono.ts';
import { tcpSetState } from './close.ts';
import { tcpConnect } from './connect.ts';
import { fastopenCookieLen, tcpFastopenAddSkb } from './fastopen.ts';
import {
  FastopenRequest, tcpFastopenOf, TFO_CLIENT_ENABLE, TFO_CLIENT_NO_COOKIE, TFO_COOKIE_UNAVAILABLE, TFO_DATA_NOT_ACKED,
  TFO_SYN_RETRANSMITTED, type FastopenSock,
} from './fastopen-sock.ts';
import { tcpWmemSchedule } from './memory.ts';
import { tcpGetMetrics } from './metrics.ts';
import { tcpMtuToMss, tcpSyncMss } from './mss.ts';
import { tcpSendSyn, tcpTransmitSkb } from './output.ts';
import { tcpMarkSkbLost } from './recovery.ts';
import { tcpNonCongestionLossRetransmit } from './retransmit.ts';
import { tcpAllocSkb, tsortedMoveTail } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpZerocopyBegin, tcpZerocopyFill } from './zerocopy.ts';

/** A pause grows up to 2^6 times the sysctl's value. */
const MAX_BLACKHOLE_SHIFT = 6;
/** After so many timeouts in a row the path is suspected. */
const BLACKHOLE_TIMEOUTS = 2;
const EMPTY_COOKIE: Uint8Array = new Uint8Array(0);

// ---- the calls

/** sendto(MSG_FASTOPEN), and the write that a deferred connect() waits for: bytes that went into the SYN, or a negative errno. */
export function tcpSendmsgFastopen(tp: TcpSock, msg: MsgHdr): number {
  if ((tp.tcp.sysctl.tcpFastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
  if (msg.hasName && msg.name.family === AF_UNSPEC) return -EOPNOTSUPP;
  const fo = tcpFastopenOf(tp);
  if (fo.req !== null) return -EALREADY;
  const req = new FastopenRequest(msg);
  fo.req = req;
  if (tcpZerocopyBegin(tp, msg) < 0) {
    fo.req = null;
    return -ENOBUFS;
  }
  let err = -EINPROGRESS;
  if (fo.deferred) {
    fo.deferred = false;
    const failed = tcpSendSyn(tp);
    if (failed < 0) {
      tcpSetState(tp, TCP_CLOSE);
      tp.dport = 0;
      err = failed;
    }
  } else {
    err = msg.hasName ? tcpConnect(tp, msg.name) : -EINVAL;
  }
  fo.req = null;
  return err === -EINPROGRESS && req.copied > 0 ? req.copied : err;
}

/**
 * connect() with TCP_FASTOPEN_CONNECT: with a cookie at hand nothing is sent before there is data for the SYN. True: put off.
 */
export function tcpFastopenDeferConnect(tp: TcpSock): boolean {
  const fo = tp.fastopen;
  if (fo === null || !fo.connect || fo.req !== null) return false;
  const req = new FastopenRequest(null);
  if (cookieCheck(tp, fo, req)) {
    fo.deferred = true;
    return true;
  }
  fo.req = req; // the SYN asks for a cookie
  return false;
}

// ---- cookies

/** Is there a cookie for the peer, or is none needed? What the SYN is to carry is left in `req`, the MSS in `tp.mssClamp`. */
function cookieCheck(tp: TcpSock, fo: FastopenSock, req: FastopenRequest): boolean {
  const block = tcpGetMetrics(tp, false);
  req.cookie = EMPTY_COOKIE;
  if (block !== null) {
    if (block.foMss !== 0) tp.mssClamp = block.foMss;
    if (block.foCookie !== null) {
      req.cookie = block.foCookie;
      req.exp = block.foExp;
    } else {
      req.exp = block.foTryExp === 1;
    }
  }
  if (blackholePause(tp, fo)) {
    req.cookie = null;
    return false;
  }
  if (
    (tp.tcp.sysctl.tcpFastopen & TFO_CLIENT_NO_COOKIE) !== 0 || fo.noCookie ||
    (tp.dst as Dst | null)?.metrics?.fastopenNoCookie === true
  ) {
    req.cookie = null;
    return true;
  }
  if (req.cookie.length > 0) return true;
  fo.clientFail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

/** What this connection has taught about the peer. */
function cacheSet(tp: TcpSock, mss: number, cookie: Uint8Array | null, exp: boolean, synLost: boolean, tryExp: number): void {
  const block = tcpGetMetrics(tp, true)!;
  if (mss !== 0) block.foMss = mss;
  if (cookie !== null && cookie.length > 0) {
    block.foCookie = cookie;
    block.foExp = exp;
  } else if (tryExp > block.foTryExp && block.foCookie === null && !block.foExp) {
    block.foTryExp = tryExp;
  }
  if (synLost) {
    block.foSynLoss++;
    block.foLastSynLossMs = tp.net.jiffies;
  } else {
    block.foSynLoss = 0;
  }
}

// ---- the SYN

/**
 * Sends the SYN of a Fast Open, with as much data as a segment holds, or one that asks for a cookie. `syn` is in the
 * retransmission queue; data goes there behind it, without the SYN, for both may have to be sent again apart.
 */
export function tcpSendSynData(tp: TcpSock, syn: SkBuff): number {
  const fo = tp.fastopen!;
  const req = fo.req!;
  tp.mssClamp = tp.advmss; // when none is remembered
  const ready = cookieCheck(tp, fo, req);
  if (ready) {
    if (tp.userMss !== 0 && tp.userMss < tp.mssClamp) tp.mssClamp = tp.userMss;
    tcpSyncMss(tp, tp.pmtuCookie);
  }
  const data = ready && req.msg !== null ? synData(tp, syn, req, req.msg) : null;
  const err = data === null ? tcpTransmitSkb(tp, syn, true) : sendWithData(tp, fo, syn, data);
  if (data === null && err !== 0) fo.synFastopen = false;
  req.cookie = null; // RFC 7413 §4.1.3.1: a SYN that is sent again has no option, and no data
  return err;
}

/** Data for the SYN: the largest segment less all the room that options may take, since middleboxes add theirs. Null: none. */
function synData(tp: TcpSock, syn: SkBuff, req: FastopenRequest, msg: MsgHdr): SkBuff | null {
  const most = tcpMtuToMss(tp, tp.pmtuCookie) + tp.tcpHeaderLen - TCP_HLEN_MIN - MAX_TCP_OPTION_SPACE;
  const space = Math.min(most, msg.len);
  if (space <= 0 || !tcpWmemSchedule(tp, space)) return null;
  const skb = tcpAllocSkb(tp);
  const copied = fillSyn(tp, skb, msg, space);
  skb.truesize += copied;
  skb.gsoSegs = 1;
  skb.tcpFlags = syn.tcpFlags;
  skb.seq = syn.seq;
  skb.endSeq = (syn.endSeq + copied) | 0;
  req.copied = copied;
  return skb;
}

/** Copies the data, or hangs on the writer's own memory (MSG_ZEROCOPY). Returns the bytes. */
function fillSyn(tp: TcpSock, skb: SkBuff, msg: MsgHdr, space: number): number {
  if (msg.ubuf !== null) {
    let done = 0;
    for (let n = -1; done < space && n !== 0; done += n) n = tcpZerocopyFill(tp, skb, msg, done, space - done);
    return done;
  }
  const page = tp.net.pool.allocPage(space);
  copyBytes(msg.buf, msg.off, page.bytes, 0, space);
  page.fill = space;
  addOrExtend(skb, page, 0, space);
  tp.net.pool.putPage(page);
  return space;
}

function sendWithData(tp: TcpSock, fo: FastopenSock, syn: SkBuff, data: SkBuff): number {
  tp.writeSeq = data.endSeq;
  tp.wmemQueued += data.truesize;
  tp.packetsOut++;
  tcpChronoStart(tp, TCP_CHRONO_BUSY);
  syn.sentUs = tp.mstampUs;
  tsortedMoveTail(tp, syn);
  const err = tcpTransmitSkb(tp, data, true);
  data.seq = syn.endSeq;
  data.tcpFlags = TCP_FLAG_ACK | TCP_FLAG_PSH;
  if (err === 0) {
    fo.synData = true;
    data.inRtx = true;
    tp.rtxQueue.pushTail(data);
    tp.net.inc(Mib.TcpExtTCPOrigDataSent);
    return 0;
  }
  // Not sent: an ordinary SYN, and the data follows when the connection is there.
  tp.writeQueue.pushTail(data);
  tp.packetsOut--;
  const { req } = fo;
  if (req !== null && req.cookie !== null) req.cookie = EMPTY_COOKIE;
  return tcpTransmitSkb(tp, syn, true);
}

// ---- the SYN-ACK

/**
 * The SYN-ACK has come, and been digested: remembers cookie and MSS, takes data that it brings, and sends again at once what was in
 * the SYN and is not acknowledged. True: that was sent, and acknowledges the SYN-ACK.
 *
 * @param opt the options of the SYN-ACK
 */
export function tcpRcvFastopenSynack(tp: TcpSock, synack: SkBuff, opt: TcpOptionsReceived): boolean {
  const fo = tp.fastopen!;
  const unacked = fo.synData ? tp.rtxQueue.head : null;
  const len = fastopenCookieLen(opt);
  const exp = opt.foExp;
  let cookie = len > 0 ? synack.buf.slice(opt.foOff, opt.foOff + len) : null;
  let synLost = false;
  let tryExp = 0;
  if (!fo.synFastopen) {
    cookie = null; // nobody has asked for it
  } else if (tp.totalRetrans > 0) {
    // Neither a cookie nor the data: only a repeated SYN, an ordinary one, has got through.
    synLost = len < 0 && unacked !== null;
  } else if (len < 0 && !fo.synData) {
    tryExp = fo.synFastopenExp ? 2 : 1;
  }
  cacheSet(tp, opt.mss !== 0 ? opt.mss : tp.mssClamp, cookie, exp, synLost, tryExp);
  if (unacked !== null) {
    fo.clientFail = tp.totalRetrans > 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
    for (let skb: SkBuff | null = unacked; skb !== null; skb = skb.next) tcpMarkSkbLost(tp, skb);
    tcpNonCongestionLossRetransmit(tp);
    tp.net.inc(Mib.TcpExtTCPFastOpenActiveFail);
    return true;
  }
  fo.synDataAcked = fo.synData;
  if (fo.synDataAcked) {
    tp.net.inc(Mib.TcpExtTCPFastOpenActive);
    if (tp.delivered > 1) tp.delivered--; // SYN and data were one packet
  }
  tcpFastopenAddSkb(tp, synack);
  return false;
}

// ---- black holes

/** Fast Open pauses: SYNs of this host that had data, or what followed them, seem to vanish. */
function activeDisable(tp: TcpSock): void {
  const { tcp, net } = tp;
  if (tcp.sysctl.tcpFastopenBlackholeTimeoutSec === 0) return;
  tcp.tfoDisableTimes++;
  tcp.tfoDisableStampMs = net.jiffies;
  net.inc(Mib.TcpExtTCPFastOpenBlackhole);
}

function blackholePause(tp: TcpSock, fo: FastopenSock): boolean {
  const { tcp } = tp;
  const seconds = tcp.sysctl.tcpFastopenBlackholeTimeoutSec;
  if (seconds === 0 || tcp.tfoDisableTimes === 0) return false;
  const pauseMs = seconds * 1000 * 2 ** Math.min(tcp.tfoDisableTimes - 1, MAX_BLACKHOLE_SHIFT);
  if (tp.net.jiffies < tcp.tfoDisableStampMs + pauseMs) return true;
  fo.synFastopenCh = true; // this one will tell whether it is over
  return false;
}

/** A timeout of a connection that began with Fast Open: is the path to blame? */
export function tcpFastopenDetectBlackhole(tp: TcpSock, expired: boolean): void {
  const fo = tp.fastopen;
  if (fo === null || !(fo.synFastopen || fo.synData || fo.synDataAcked) || fo.isChild) return;
  if (tp.retransmits !== BLACKHOLE_TIMEOUTS && (tp.retransmits > BLACKHOLE_TIMEOUTS || !expired)) return;
  activeDisable(tp);
  tp.net.inc(Mib.TcpExtTCPFastOpenActiveFail);
}

/** The connection is over. All that came of the peer's data was a FIN out of order: the data was swallowed on its way. */
export function tcpFastopenOfoCheck(tp: TcpSock): void {
  const fo = tp.fastopen;
  if (fo === null || !fo.synFastopen) return;
  if (tp.dataSegsIn === 0) {
    const only = tp.ofoQueue.head;
    if (only !== null && only.next === null && (only.tcpFlags & TCP_FLAG_FIN) !== 0) activeDisable(tp);
  } else if (fo.synFastopenCh && tp.tcp.tfoDisableTimes > 0) {
    const dst = tp.dst as Dst | null;
    if (dst === null || (dst.dev.flags & IFF_LOOPBACK) === 0) tp.tcp.tfoDisableTimes = 0;
  }
}
