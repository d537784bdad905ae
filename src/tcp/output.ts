/**
 * TCP, segments going out.
 *
 *   from  tcp/xmit.ts         tcpTransmitSkb: data, as far as windows and Nagle allow
 *         tcp/retransmit.ts   tcpTransmitSkb: data again
 *         tcp/ack.ts, data.ts, recv.ts, timer.ts, close.ts   tcpSendAck, tcpSendFin, tcpSendActiveReset, tcpWriteWakeup
 *         tcp/request.ts      tcpMakeSynack;  tcp/connect.ts   tcpSendSyn
 *   to    tcp/ipv4.ts         by way of `tp.af.xmit`, which takes the segment
 *
 * Queued data (SYN, FIN, bytes) stays in the queues and is sent as a clone with fresh headers; what is sent directly (ACK,
 * RST, probes) is made for the occasion and not kept. Either way the window, the ACK and the timestamp are those of now.
 */
import { Mib } from '../dev/mib.ts';
import { cloneSkb } from '../skb/copy.ts';
import { MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import { TCP_CLOSE, TCP_SYN_RECV, TCP_SYN_SENT } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { SK_PACING_FQ, SK_PACING_NONE } from '../sock/sock.ts';
import {
  MAX_TCP_OPTION_SPACE, TCPOLEN_TSTAMP_ALIGNED, tcpAccEcnSynackFit, tcpOptionsReset, tcpOptionsSize, tcpOptionsWrite, tcpWriteSacks,
  tcpWriteTimestamp, type TcpOptionsOut,
} from '../wire/tcp-options.ts';
import {
  TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_URG, TCP_HLEN_MIN,
  TCP_OPTIONS, tcpWriteHeader,
} from '../wire/tcp.ts';
import { CA_EVENT_TX_START } from './cong/cong.ts';
import { tcpCaDstInit } from './cong/route.ts';
import { tcpMstampRefresh, tcpTimeStampTs } from './clock.ts';
import { tcpAccEcnFit, tcpAccEcnWrite } from './accecn.ts';
import { type TcpAoInfo, tcpAoLenAligned, tcpAoSign, tcpAoSignSynack, tcpAoSynackKey, tcpWriteAo } from './ao.ts';
import { tcpAuthLen, tcpConnectAuth } from './auth.ts';
import { tcpEcnAccEcn, tcpEcnMakeSynack, tcpEcnSend, tcpEcnSendSyn, tcpEcnSendSynack } from './ecn.ts';
import { tcpSendSynData } from './fastopen-active.ts';
import type { FastopenSock } from './fastopen-sock.ts';
import { tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { TCPOLEN_MD5SIG_ALIGNED, tcpMd5ReqKey, tcpMd5Sign, tcpWriteMd5 } from './md5.ts';
import { tcpCurrentMss, tcpEffSacks, tcpInitializeRcvMss, tcpSyncMss } from './mss.ts';
import { tcpMtupInit } from './mtu-probe.ts';
import { tcpRateSkbSent } from './rate.ts';
import { tcpEnterCwr } from './recovery.ts';
import type { RequestSock } from './request-sock.ts';
import { tcpFragment, tcpNondataSkb, tcpQueueSkb, tcpSetSkbTsoSegs, tcpWriteQueuePurge, tsortedMoveTail } from './segment.ts';
import { ICSK_ACK_SCHED, ICSK_TIME_RETRANS, TCP_NAGLE_OFF, type TcpSock } from './sock.ts';
import { resetXmitTimer, TCP_ATO_MIN_US, TCP_TIMEOUT_INIT_US } from './timer.ts';
import { tcpWfree } from './tsq.ts';
import { tcpFullSpace, tcpSelectInitialWindow, tcpSelectWindow } from './window.ts';
import { tcpEventNewDataSent, tcpPushPendingWith } from './xmit.ts';

// Counters of the steady path: the table is looked up once.
const OUT_SEGS: number = Mib.TcpOutSegs;
/** net_xmit: the packet was sent, and some other was dropped for it; a sign of congestion on this host. */
const NET_XMIT_CN = 2;
/** So many segments of a connection go unpaced: the initial window. */
const UNPACED_SEGMENTS = 10;

// ---- one segment

/**
 * Sends a segment: writes its header and options and hands it to the network layer.
 *
 * @param clone true: `skb` stays in its queue and a clone travels; false: takes `skb`, whatever the result
 * @returns 0, or NET_XMIT_DROP, or a negative errno
 */
export function tcpTransmitSkb(tp: TcpSock, skb: SkBuff, clone: boolean): number {
  const { net } = tp;
  if (skb.trace !== 0) net.trace(skb, 'tcpTransmitSkb', skb.gsoSegs > 1 ? `${String(skb.gsoSegs)} segments` : '');
  const flags = skb.tcpFlags | (skb.gsoSegs > 1 ? TCP_FLAG_PSH : 0); // a burst is flushed by whoever merges segments
  const { seq, endSeq } = skb;
  const pcount = skb.gsoSegs;
  const out = clone ? cloneSkb(skb) : skb;
  const payload = out.len;
  const syn = (flags & TCP_FLAG_SYN) !== 0;
  let sacks = syn ? 0 : tcpEffSacks(tp);
  const signature = tcpAuthLen(tp);
  let optSize = (syn ? synOptions(tp, flags, signature) : dataOptionsSize(tp, sacks)) + signature;
  const accEcn = !syn && tcpEcnAccEcn(tp) ? tp.accEcn : null;
  if (accEcn !== null) {
    optSize += tcpAccEcnFit(tp, accEcn, optSize, sacks);
    sacks = tp.tcp.scratch.accEcnSacks;
    out.gsoAccEcn = true; // every segment of a burst has the flags, CWR too
  }
  const th = out.push(TCP_HLEN_MIN + optSize);
  out.th = th;
  writeHeader(tp, out, seq, flags, optSize, syn, payload);
  if (optSize > 0) writeOptions(tp, out.buf, th + TCP_OPTIONS, sacks, syn, optSize);
  if (signature !== 0) sign(tp, out, flags, seq);

  if ((flags & TCP_FLAG_ACK) !== 0) tcpEventAckSent(tp);
  if (payload > 0) {
    tcpEventDataSent(tp);
    tp.dataSegsOut += pcount;
    tp.bytesSent += payload;
  }
  if (endSeq === seq || ((tp.sndNxt - endSeq) | 0) < 0) net.mib[OUT_SEGS]! += pcount;
  tp.segsOut += pcount;
  const priorWstamp = tp.wstampNs;
  if (priorWstamp < tp.mstampUs * 1000) tp.wstampNs = tp.mstampUs * 1000;
  if (tp.pacingStatus === SK_PACING_FQ) out.tstamp = tp.wstampNs;
  if (clone) chargeClone(tp, skb, out);
  else out.sk = tp; // not charged; but below they see whose it is
  let err = tp.af.xmit(tp, out);
  if (err > 0) {
    tcpEnterCwr(tp);
    if (err === NET_XMIT_CN) err = 0;
  }
  if (err === 0 && clone) tcpAfterSend(tp, skb, payload, priorWstamp);
  return err;
}

/** The segment is complete: its signature stands behind kind, length and two bytes. */
function sign(tp: TcpSock, out: SkBuff, flags: number, seq: number): void {
  const at = out.th + TCP_OPTIONS + 4;
  if (tp.md5Key !== null) tcpMd5Sign(tp.tcp, out, at, tp.md5Key, tp.v6Saddr ?? tp.saddr, tp.v6Daddr ?? tp.daddr);
  else tcpAoSign(tp, tp.ao!, out, at, flags, seq);
}

/** What is queued below the socket counts against it, until the card has sent it. Pure ACKs do not. */
function chargeClone(tp: TcpSock, skb: SkBuff, out: SkBuff): void {
  out.sk = tp;
  out.destructor = tcpWfree;
  tp.wmemAlloc += out.truesize;
  tp.wmemSent += out.truesize;
  skb.cb1 = tp.wmemSent;
}

function tcpAfterSend(tp: TcpSock, skb: SkBuff, payload: number, priorWstamp: number): void {
  skb.sentUs = Math.floor(tp.wstampNs / 1000);
  if (tp.pacingStatus !== SK_PACING_NONE) paceNext(tp, payload, priorWstamp);
  tsortedMoveTail(tp, skb);
  tcpRateSkbSent(tp, skb);
}

/** When the next segment may go, at the pacing rate; the first ten are not paced. What came late makes up for half of its wait. */
function paceNext(tp: TcpSock, payload: number, priorWstamp: number): void {
  const rate = tp.pacingRate;
  if (rate === Infinity || rate === 0 || tp.dataSegsOut < UNPACED_SEGMENTS) return;
  const len = Math.floor((payload * 1e9) / rate);
  tp.wstampNs += len - Math.min(Math.floor(len / 2), tp.wstampNs - priorWstamp);
}

function writeHeader(tp: TcpSock, out: SkBuff, seq: number, flags: number, optSize: number, syn: boolean, payload: number): void {
  const window = syn ? Math.min(tp.rcvWnd, 65535) : tcpSelectWindow(tp);
  const ack = (flags & TCP_FLAG_ACK) !== 0 ? tp.rcvNxt : 0;
  let wireFlags = flags;
  if (tp.ecnFlags !== 0 && !syn) wireFlags |= tcpEcnSend(tp, seq, payload, flags);
  let urgPtr = 0;
  if (tp.sndUp !== tp.sndUna && ((tp.sndUp - seq) | 0) > 0) {
    urgPtr = urgentPointer(tp, seq);
    if (urgPtr !== 0) wireFlags |= TCP_FLAG_URG;
  }
  tcpWriteHeader(out.buf, out.data, tp.num, tp.dport, seq, ack, TCP_HLEN_MIN + optSize, wireFlags, window, urgPtr);
}

/**
 * RFC 9293 §3.8.5: the byte behind the urgent one, as everybody reads it. One that lies too far ahead for the field is announced
 * by the largest pointer, unless later segments can say it better (RFC 9293 §3.8.5, MUST-62). 0: this segment says nothing.
 */
function urgentPointer(tp: TcpSock, seq: number): number {
  const ahead = tp.sndUp - seq;
  if ((ahead >>> 0) < 0x10000) return ahead & 0xffff;
  return ((seq + 0xffff - tp.sndNxt) | 0) > 0 ? 0xffff : 0;
}

function dataOptionsSize(tp: TcpSock, sacks: number): number {
  const size = tp.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0;
  return sacks === 0 ? size : size + 4 + 8 * sacks;
}

/**
 * Sets the host's `txOpt` for a SYN, or the SYN-ACK of a simultaneous open. Differs: RFC 7323 §2.2 and §3.2 want an answer to hold what
 * was offered only; like Linux's, this one repeats the SYN, which offered all the same.
 */
function synOptions(tp: TcpSock, flags: number, signature: number): number {
  const { sysctl, txOpt } = tp.tcp;
  const synack = (flags & TCP_FLAG_ACK) !== 0;
  tcpOptionsReset(txOpt);
  txOpt.mss = tp.advmss;
  // Beside a signature of RFC 2385 there is no room for timestamps in a SYN.
  txOpt.tstamp = sysctl.tcpTimestamps !== 0 && tp.md5Key === null;
  txOpt.tsval = (tcpTimeStampTs(tp) + tp.tsoffset) | 0;
  txOpt.tsecr = tp.tsRecent;
  if (sysctl.tcpWindowScaling !== 0) txOpt.wscale = tp.rcvWscale;
  txOpt.sackPerm = sysctl.tcpSack !== 0;
  if (synack && tcpEcnAccEcn(tp) && tp.retransmits < 2 && sysctl.tcpEcnOption !== 0) tcpAccEcnSynackFit(txOpt, signature);
  if (!synack && tp.fastopen !== null) fastopenOption(tp.fastopen, txOpt, signature);
  return tcpOptionsSize(txOpt);
}

/** RFC 7413 §4.1.1: the cookie, or the wish for one, when there is room. */
function fastopenOption(fo: FastopenSock, txOpt: TcpOptionsOut, signature: number): void {
  if (fo.req === null || fo.req.cookie === null) return;
  txOpt.foCookie = fo.req.cookie;
  txOpt.foExp = fo.req.exp;
  if (signature + tcpOptionsSize(txOpt) > MAX_TCP_OPTION_SPACE) {
    txOpt.foCookie = null;
    return;
  }
  fo.synFastopen = true;
  fo.synFastopenExp = fo.req.exp;
}

function writeOptions(tp: TcpSock, buf: Uint8Array, off: number, sacks: number, syn: boolean, size: number): void {
  let at = off;
  if (tp.md5Key !== null) at += tcpWriteMd5(buf, at);
  else if (tp.ao !== null) at += writeAo(tp.ao, buf, at);
  if (syn) {
    tcpOptionsWrite(buf, at, tp.tcp.txOpt);
    return;
  }
  if (tp.tstampOk) at += tcpWriteTimestamp(buf, at, (tcpTimeStampTs(tp) + tp.tsoffset) | 0, tp.tsRecent);
  const ae = tp.accEcn;
  const accEcn = ae !== null && tcpEcnAccEcn(tp) && tp.tcp.scratch.accEcnFields >= 0;
  if (accEcn) {
    // Behind the timestamp, before SACK, whose nops it may take the place of.
    const len = size - (at - off) - (sacks === 0 ? 0 : 4 + 8 * sacks);
    const dsack = tp.dsack;
    if (sacks > 0) writeSackBlocks(tp, tp.tcp.txOpt, buf, at + len, sacks);
    tcpAccEcnWrite(tp, ae, buf, at, len, dsack);
    return;
  }
  if (sacks > 0) writeSackBlocks(tp, tp.tcp.txOpt, buf, at, sacks);
}

/** The key that we sign with, and the one that we would like to see. */
function writeAo({ currentKey, rnextKey }: TcpAoInfo, buf: Uint8Array, at: number): number {
  return currentKey === null ? 0 : tcpWriteAo(buf, at, currentKey, currentKey.sndid, rnextKey!.rcvid);
}

/** RFC 2883 §4: a D-SACK stands first and is told once. */
function writeSackBlocks(tp: TcpSock, opt: TcpOptionsOut, buf: Uint8Array, at: number, blocks: number): void {
  const out = opt.sacks;
  let n = 0;
  if (tp.dsack) {
    out[n++] = tp.dsackStart;
    out[n++] = tp.dsackEnd;
    tp.dsack = false;
  }
  for (let i = 0; n < 2 * blocks; i++) out[n++] = tp.selectiveAcks[i]!;
  tcpWriteSacks(buf, at, out, blocks);
}

/** An ACK is on its way: what was due is done. */
function tcpEventAckSent(tp: TcpSock): void {
  if (tp.compressedAck > 0) {
    tp.net.mib[Mib.TcpExtTCPAckCompressed]! += tp.compressedAck;
    tp.compressedAck = 0;
  }
  tp.compressedTimer?.del();
  if (tp.quickCount > 0 && (tp.ackPending & ICSK_ACK_SCHED) !== 0) {
    // The last quick ACK: from now on they are delayed, with the shortest delay.
    if (--tp.quickCount === 0) tp.atoUs = TCP_ATO_MIN_US;
  }
  tp.ackPending = 0;
  tp.delackTimer.del();
}

/** Data is on its way. Right after data came in: the connection is a dialogue, whose ACKs ride on answers (pingpong). */
function tcpEventDataSent(tp: TcpSock): void {
  const now = tp.mstampUs;
  if (tcpPacketsInFlight(tp) === 0) tp.ca.cwndEvent(tp, CA_EVENT_TX_START);
  tp.lsndtimeUs = now;
  if (now - tp.lrcvtimeUs < tp.atoUs && tp.pingpong < 255) tp.pingpong++;
}

// ---- ACK, probes, RST

/** The sequence number of a segment without data: SND.NXT, but never beyond the peer's window (RFC 9293 §3.10.7.4, first). */
function tcpAcceptableSeq(tp: TcpSock): number {
  const end = tcpWndEnd(tp);
  const beyond = (tp.sndNxt - end) | 0;
  // Less than a unit of window scale is no shrinking but rounding. (Linux takes its own scale for the peer's.)
  if (beyond <= 0 || (tp.wscaleOk && beyond < 1 << tp.rcvWscale)) return tp.sndNxt;
  return end;
}

/** Acknowledges, now; `ecnFlags` when they say something else than usual. */
export function tcpSendAck(tp: TcpSock, ecnFlags: number = 0): void {
  if (tp.state === TCP_CLOSE) return;
  tcpMstampRefresh(tp);
  const skb = tcpNondataSkb(tp, tcpAcceptableSeq(tp), TCP_FLAG_ACK | ecnFlags);
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpSendAck');
  tcpTransmitSkb(tp, skb, false);
}

/** Resets the peer: `R.` at SND.NXT. */
export function tcpSendActiveReset(tp: TcpSock): void {
  tp.net.inc(Mib.TcpOutRsts);
  tcpMstampRefresh(tp);
  const skb = tcpNondataSkb(tp, tcpAcceptableSeq(tp), TCP_FLAG_ACK | TCP_FLAG_RST);
  tcpTransmitSkb(tp, skb, false);
}

/** A segment that the peer must answer: one below what it has acknowledged, without data (RFC 9293 §3.8.4, §3.8.6.1). */
function tcpXmitProbeSkb(tp: TcpSock, urgent: boolean, mib: number): number {
  const skb = tcpNondataSkb(tp, (tp.sndUna - (urgent ? 0 : 1)) | 0, TCP_FLAG_ACK);
  tp.net.inc(mib);
  return tcpTransmitSkb(tp, skb, false);
}

/**
 * A zero-window probe or a keepalive: data if the window takes any (what was held back by SWS avoidance, a cork), else a
 * segment below the window. `mib` counts the latter.
 *
 * @returns 0 when sent, > 0 when this host dropped it, < 0 when there is no way
 */
export function tcpWriteWakeup(tp: TcpSock, mib: number): number {
  if (tp.state === TCP_CLOSE) return -1;
  tcpMstampRefresh(tp);
  const skb = tp.writeQueue.head;
  if (skb === null || ((skb.seq - tcpWndEnd(tp)) | 0) >= 0) {
    if (((tp.sndUp - tp.sndUna - 1) >>> 0) < 0xffff) tcpXmitProbeSkb(tp, true, mib);
    return tcpXmitProbeSkb(tp, false, mib);
  }
  const mss = tcpCurrentMss(tp);
  let size = (tcpWndEnd(tp) - skb.seq) | 0;
  if (((tp.pushedSeq - skb.endSeq) | 0) < 0) tp.pushedSeq = skb.endSeq;
  if (size < ((skb.endSeq - skb.seq) | 0) || skb.len > mss) {
    size = Math.min(size, mss);
    skb.tcpFlags |= TCP_FLAG_PSH;
    if (size < skb.len) tcpFragment(tp, skb, size, mss);
  }
  if (skb.gsoSegs === 0 || skb.gsoSegs > 1) tcpSetSkbTsoSegs(skb, mss);
  skb.tcpFlags |= TCP_FLAG_PSH;
  const err = tcpTransmitSkb(tp, skb, true);
  if (err === 0) tcpEventNewDataSent(tp, skb);
  return err;
}

// ---- FIN, SYN, SYN-ACK

/** Nothing more will be written: the FIN rides on the last unsent segment, or goes behind all as one of its own. */
export function tcpSendFin(tp: TcpSock): void {
  tcpMstampRefresh(tp);
  const tail = tp.writeQueue.tail;
  if (tail !== null) {
    tail.tcpFlags |= TCP_FLAG_FIN;
    tail.endSeq = (tail.endSeq + 1) | 0;
    tp.writeSeq = (tp.writeSeq + 1) | 0;
  } else {
    tcpQueueSkb(tp, tcpNondataSkb(tp, tp.writeSeq, TCP_FLAG_ACK | TCP_FLAG_FIN));
  }
  tcpPushPendingWith(tp, tcpCurrentMss(tp), TCP_NAGLE_OFF);
}

/** The numbers with which a connection begins (Linux: tcp_connect_init). `advmss`, `writeSeq` and the route are set. */
function tcpConnectInit(tp: TcpSock): void {
  const { sysctl } = tp.tcp;
  const tstamp = sysctl.tcpTimestamps !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0;
  tp.tcpHeaderLen = TCP_HLEN_MIN + tstamp + tcpAuthLen(tp);
  if (tp.userMss !== 0) tp.mssClamp = tp.userMss;
  tp.maxWindow = 0;
  tcpMtupInit(tp);
  tcpSyncMss(tp, (tp.dst as Dst).mtu);
  if (tp.userMss !== 0 && tp.userMss < tp.advmss) tp.advmss = tp.userMss;
  tcpInitializeRcvMss(tp);
  tcpCaDstInit(tp, tp.dst as Dst);
  const metrics = (tp.dst as Dst).metrics ?? null;
  if (tp.windowClamp === 0 && metrics !== null) tp.windowClamp = metrics.window;
  const space = tcpFullSpace(tp);
  if (tp.rcvbufLocked && (tp.windowClamp > space || tp.windowClamp === 0)) tp.windowClamp = space;
  // RFC 7323 §2.2: the MSS says how long segments may be, options included; the window is a multiple of what is left.
  const win = tcpSelectInitialWindow(tp, space, tp.advmss, tp.windowClamp, sysctl.tcpWindowScaling !== 0, metrics?.initrwnd ?? 0);
  tp.rcvWnd = win.rcvWnd;
  tp.windowClamp = win.windowClamp;
  tp.rcvWscale = win.rcvWscale;
  tp.rcvSsthresh = tp.rcvWnd;
  tp.err = 0;
  tp.finReceived = false;
  tcpWriteQueuePurge(tp);
  tp.sndWnd = 0;
  tp.sndWl1 = 0;
  tp.sndUna = tp.writeSeq;
  tp.sndNxt = tp.writeSeq;
  tp.sndSml = tp.writeSeq;
  tp.sndUp = tp.writeSeq;
  tp.rcvNxt = 0;
  tp.rcvWup = 0;
  tp.copiedSeq = 0;
  tp.rtoUs = TCP_TIMEOUT_INIT_US;
  tp.retransmits = 0;
  tp.totalRto = 0;
  tp.totalRetrans = 0;
  tp.bytesRetrans = 0;
  tp.undoMarker = 0;
  tp.undoRetrans = -1;
  tp.deliveredUs = -1; // the SYN makes no rate sample
}

/**
 * Begins a connection: queues and sends the SYN and arms its timer. The socket is in SYN_SENT, with its route, addresses,
 * `writeSeq` (the ISS) and `advmss` set. 0 or a negative errno.
 */
export function tcpSendSyn(tp: TcpSock): number {
  const refused = tcpConnectAuth(tp);
  if (refused !== 0) return refused;
  tcpMstampRefresh(tp);
  tcpConnectInit(tp);
  const skb = tcpNondataSkb(tp, tp.writeSeq, TCP_FLAG_SYN | tcpEcnSendSyn(tp));
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpConnect');
  tp.retransStamp = tcpTimeStampTs(tp) || -1; // 0 means none, and a host's first millisecond is 0
  tp.writeSeq = skb.endSeq;
  tp.wmemQueued += skb.truesize;
  skb.inRtx = true;
  tp.rtxQueue.pushTail(skb);
  tp.packetsOut = 1;
  const fastopen = tp.fastopen !== null && tp.fastopen.req !== null;
  const err = fastopen ? tcpSendSynData(tp, skb) : tcpTransmitSkb(tp, skb, true);
  // A SYN that this host could not send counts as sent and is retransmitted.
  if (err !== 0) {
    skb.sentUs = tp.mstampUs;
    tsortedMoveTail(tp, skb);
  }
  const unsent = tp.writeQueue.head; // Fast Open data that this host could not send
  tp.sndNxt = unsent === null ? tp.writeSeq : unsent.seq;
  tp.pushedSeq = tp.sndNxt;
  tp.net.inc(Mib.TcpActiveOpens);
  resetXmitTimer(tp, ICSK_TIME_RETRANS, tp.rtoUs);
  return 0;
}

/**
 * The SYN-ACK of a half-open connection, with its TCP header in the header area, `th` set. `again`: not the first. The caller owns it.
 * Null: the key with which it is to be signed is not there, and then nothing is said.
 */
export function tcpMakeSynack(tp: TcpSock, req: RequestSock, again: boolean = false): SkBuff | null {
  const { txOpt } = tp.tcp;
  const ao = req.aoUsed ? tcpAoSynackKey(tp, req) : null;
  if (req.aoUsed && ao === null) return null;
  const key = req.aoUsed ? null : tcpMd5ReqKey(tp, req);
  const signature = ao !== null ? tcpAoLenAligned(ao) : key !== null ? TCPOLEN_MD5SIG_ALIGNED : 0;
  // A signature, timestamps and SACK blocks do not fit into one segment: Linux gives up the timestamps.
  if (signature !== 0 && req.sackOk && !req.cookie) req.tstampOk = false;
  tcpOptionsReset(txOpt);
  txOpt.mss = req.advmss;
  txOpt.tstamp = req.tstampOk;
  txOpt.tsval = req.cookieTs !== 0 ? req.cookieTs : (tp.net.jiffies + req.tsOff) | 0;
  txOpt.tsecr = req.tsRecent;
  txOpt.wscale = req.wscaleOk ? req.rcvWscale : -1;
  txOpt.sackPerm = req.sackOk;
  txOpt.foCookie = req.foCookie;
  txOpt.foExp = req.foExp;
  if (signature + tcpOptionsSize(txOpt) > MAX_TCP_OPTION_SPACE) txOpt.foCookie = null;
  req.foCookie = null; // in the first SYN-ACK alone
  if (req.accEcnOk && !again && tp.tcp.sysctl.tcpEcnOption !== 0) tcpAccEcnSynackFit(txOpt, signature);
  const hlen = TCP_HLEN_MIN + signature + tcpOptionsSize(txOpt);
  const skb = tp.net.pool.alloc(MAX_HEADER);
  if (skb.trace !== 0) tp.net.trace(skb, 'tcpMakeSynack');
  const th = skb.push(hlen);
  skb.th = th;
  skb.gsoSegs = 1;
  skb.seq = req.sntIsn;
  const window = Math.min(req.rcvWnd, 65535);
  tcpWriteHeader(
    skb.buf, th, req.num, req.dport, req.sntIsn, req.rcvNxt, hlen, TCP_FLAG_SYN | TCP_FLAG_ACK | tcpEcnMakeSynack(req, again),
    window, 0,
  );
  const at = th + TCP_OPTIONS;
  if (key !== null) tcpWriteMd5(skb.buf, at);
  else if (ao !== null) tcpWriteAo(skb.buf, at, ao, req.aoKeyid, req.aoRcvNext);
  tcpOptionsWrite(skb.buf, at + signature, txOpt);
  if (key !== null) tcpMd5Sign(tp.tcp, skb, at + 4, key, req.v6Saddr ?? req.saddr, req.v6Daddr ?? req.daddr);
  else if (ao !== null) tcpAoSignSynack(tp.tcp, req, ao, skb, at + 4);
  return skb;
}

/** Is the handshake still going on? */
export function tcpInHandshake(tp: TcpSock): boolean {
  return tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV;
}

/** A simultaneous open: our SYN becomes a SYN-ACK (Linux: tcp_send_synack). */
export function tcpSendSynack(tp: TcpSock): number {
  const skb = tp.rtxQueue.head;
  if (skb === null || (skb.tcpFlags & TCP_FLAG_SYN) === 0) return -1;
  tcpMstampRefresh(tp);
  skb.tcpFlags |= TCP_FLAG_ACK;
  tcpEcnSendSynack(tp, skb);
  return tcpTransmitSkb(tp, skb, true);
}
