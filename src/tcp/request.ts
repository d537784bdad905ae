/**
 * The SYN queue: connections that somebody has asked for, until the third segment comes.
 *
 *   from  tcp/demux.ts        tcpConnRequest, a SYN to a listener
 *   to    tcp/ipv4.ts         sendSynack (or ipv6.ts)
 *         tcp/minisocks.ts    tcpCheckReq takes the request over when an answer comes
 *
 * Limits, as Linux has them: a SYN is dropped while the accept queue is full; when more requests than `backlog` wait, SYN
 * cookies answer (or the SYN is dropped when they are off); with cookies off, the last quarter of tcp_max_syn_backlog is
 * kept for hosts that we know, and we know none. RFC 4987 tells why.
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { POLLIN, POLLRDNORM, TCP_LISTEN } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { tcpClearOptions, tcpParseOptions, TCPOLEN_TSTAMP_ALIGNED, type TcpOptionsReceived } from '../wire/tcp-options.ts';
import { TCP_HLEN_MIN, TCP_OPTIONS, thDport, thHlen, thSport, thWindow } from '../wire/tcp.ts';
import { tcpAfOf } from './af.ts';
import { tcpAoRequest } from './ao.ts';
import { tcpEcnCreateRequest } from './ecn.ts';
import { tcpTryFastopen } from './fastopen.ts';
import { secureTcpSeq, secureTcpTsOffset } from './isn.ts';
import { acceptQueueAdd } from './listen.ts';
import { TCP_MSS_DEFAULT } from './mss.ts';
import { tcpMakeSynack } from './output.ts';
import type { TcpProto } from './proto.ts';
import { tcpReqRehash } from './rehash.ts';
import { RequestSock } from './request-sock.ts';
import type { TcpSock } from './sock.ts';
import { cookieInitSequence, cookieInitTimestamp } from './syncookies.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from './window.ts';

/** First timeout of a SYN-ACK, milliseconds; doubled each time. */
const SYNACK_TIMEOUT_MS = 1000;

/** Is the accept queue full? Linux counts so that a backlog of n lets n + 1 in. */
export function acceptQueueFull(tp: TcpSock): boolean {
  return tp.ackBacklog > tp.maxAckBacklog;
}

/** Do more requests wait than the backlog allows? */
function reqskQueueFull(tp: TcpSock): boolean {
  return tp.synQueueLen > tp.maxAckBacklog;
}

/**
 * A SYN (without ACK, RST, FIN) for a listener: remembers it and sends the SYN-ACK. The skb stays the caller's.
 *
 * @param twIsn the ISN to use when the SYN has ended a TIME_WAIT, else 0: such a peer has proved that it is real
 * @returns NotDropped, or why there was no answer
 */
export function tcpConnRequest(tp: TcpSock, skb: SkBuff, twIsn: number): Drop {
  const { tcp, net } = tp;
  if (skb.trace !== 0) net.trace(skb, 'tcpConnRequest', `${String(tp.ackBacklog)} in the accept queue`);
  // RFC 1122 §4.2.3.10: a SYN to a broadcast or multicast address is discarded silently.
  if (!tcpAfOf(tcp, skb).isLocal(tcp, skb)) return tcpListenDrop(tp, Drop.IpInvalidDest);
  let wantCookie = false;
  if ((tcp.sysctl.tcpSyncookies === 2 || reqskQueueFull(tp)) && twIsn === 0) {
    wantCookie = tcp.sysctl.tcpSyncookies !== 0;
    net.inc(wantCookie ? Mib.TcpExtTCPReqQFullDoCookies : Mib.TcpExtTCPReqQFullDrop);
    if (!wantCookie) return tcpListenDrop(tp, Drop.TcpReqQueueFull);
  }
  if (acceptQueueFull(tp)) {
    net.inc(Mib.TcpExtListenOverflows);
    return tcpListenDrop(tp, Drop.TcpListenOverflow);
  }
  const req = reqskFromSyn(tp, skb, wantCookie);
  const rt = req.af.reqRoute(tcp, req);
  if (rt === null) {
    net.inc(Mib.IpOutNoRoutes);
    return tcpListenDrop(tp, Drop.IpOutNoRoutes);
  }
  tcpEcnCreateRequest(tp, req, skb, rt);
  if (!wantCookie && twIsn === 0 && synQueueCrowded(tp)) return tcpListenDrop(tp, Drop.TcpReqQueueFull);
  if (req.tstampOk) req.tsOff = secureTcpTsOffset(tcp, req);
  if (wantCookie) {
    req.cookie = true;
    if (!req.tstampOk) {
      // Nothing will remember it.
      req.ecnOk = false;
      req.accEcnOk = false;
    }
    req.sntIsn = cookieInitSequence(tp, req);
    if (req.tstampOk) req.cookieTs = (cookieInitTimestamp(net, req) + req.tsOff) | 0;
  } else {
    req.sntIsn = twIsn !== 0 ? twIsn : secureTcpSeq(tcp, req);
  }
  reqskInitWindow(tp, req, rt);
  const child = wantCookie ? null : tcpTryFastopen(tp, skb, req, rt);
  if (!wantCookie && child === null) reqskAdd(tp, req);
  req.sntSynackUs = net.nowUs;
  req.firstTsval = net.jiffies;
  req.lastTsval = req.firstTsval;
  const from = child ?? tp;
  const synack = tcpMakeSynack(from, req);
  if (synack !== null) req.af.sendSynack(from, req, synack);
  if (child !== null) {
    acceptQueueAdd(tp, child);
    tp.stateChange(POLLIN | POLLRDNORM);
  }
  return Drop.NotDropped;
}

/** Cookies off: the last quarter of the queue is for peers that we have met before, that is: for nobody. */
function synQueueCrowded(tp: TcpSock): boolean {
  const { tcpSyncookies, tcpMaxSynBacklog } = tp.tcp.sysctl;
  return tcpSyncookies === 0 && tcpMaxSynBacklog - tp.synQueueLen < tcpMaxSynBacklog >> 2;
}

/** A listener lost something that would have become a connection. Returns `reason`. */
export function tcpListenDrop(tp: TcpSock, reason: Drop): Drop {
  tp.drops++;
  tp.net.inc(Mib.TcpExtListenDrops);
  return reason;
}

function reqskFromSyn(tp: TcpSock, skb: SkBuff, wantCookie: boolean): RequestSock {
  const { tcp } = tp;
  const { buf, th } = skb;
  const opt = tcp.rxOpt;
  tcpParseOptions(buf, th + TCP_OPTIONS, thHlen(buf, th) - TCP_HLEN_MIN, opt);
  tcpAcceptOptions(tcp, opt);
  // Without a timestamp there is no room to keep the options in a cookie.
  const { mss } = opt;
  if (wantCookie && !opt.sawTstamp) {
    tcpClearOptions(opt);
    opt.mss = mss;
  }
  const req = new RequestSock(tp, tcpAfOf(tcp, skb), reqskTimer);
  req.af.initReq(req, tp, skb);
  req.num = thDport(buf, th);
  req.dport = thSport(buf, th);
  req.rcvIsn = skb.seq;
  req.rcvNxt = (skb.seq + 1) | 0;
  req.sndWnd = thWindow(buf, th);
  reqskSetOptions(tp, req, opt);
  if (tp.ao !== null) tcpAoRequest(req, skb, tcp.scratch.aoAt);
  if (tp.saveSyn !== 0) req.savedSyn = synHeaders(skb, tp.saveSyn === 2);
  return req;
}

/** TCP_SAVE_SYN: the headers of a SYN as they came, from the network's or the link's to the end of TCP's options. */
function synHeaders({ buf, mac, nh, th }: SkBuff, link: boolean): Uint8Array {
  return buf.slice(link && mac >= 0 ? mac : nh, th + thHlen(buf, th));
}

/** What was agreed on with these options of the peer, and TCP_MAXSEG of the listener. */
export function reqskSetOptions(tp: TcpSock, req: RequestSock, opt: TcpOptionsReceived): void {
  let mss = opt.mss === 0 ? TCP_MSS_DEFAULT : opt.mss;
  if (tp.userMss !== 0 && tp.userMss < mss) mss = tp.userMss;
  req.mss = mss;
  req.tstampOk = opt.sawTstamp;
  req.tsRecent = opt.sawTstamp ? opt.tsval : 0;
  req.sackOk = opt.sackOk;
  req.wscaleOk = opt.wscaleOk;
  req.sndWscale = opt.wscaleOk ? opt.sndWscale : 0;
}

/** Options of a SYN or SYN-ACK that the sysctls say we do not speak are as good as not there. */
export function tcpAcceptOptions(tcp: TcpProto, opt: TcpOptionsReceived): void {
  const { sysctl } = tcp;
  if (sysctl.tcpTimestamps === 0) opt.sawTstamp = false;
  if (sysctl.tcpSack === 0) opt.sackOk = false;
  if (sysctl.tcpWindowScaling === 0) opt.wscaleOk = false;
}

/** Chooses the window to offer (Linux: tcp_openreq_init_rwin). */
export function reqskInitWindow(tp: TcpSock, req: RequestSock, dst: Dst): void {
  const advmss = req.af.advmss(dst);
  req.advmss = tp.userMss !== 0 && tp.userMss < advmss ? tp.userMss : advmss;
  const space = tcpFullSpace(tp);
  const metrics = dst.metrics ?? null;
  let clamp = tp.windowClamp !== 0 ? tp.windowClamp : metrics?.window ?? 0;
  if (tp.rcvbufLocked && (clamp > space || clamp === 0)) clamp = space;
  const mss = req.advmss - (req.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0);
  const win = tcpSelectInitialWindow(tp, space, mss, clamp, req.wscaleOk, metrics?.initrwnd ?? 0);
  req.rcvWnd = win.rcvWnd;
  req.windowClamp = win.windowClamp;
  req.rcvWscale = win.rcvWscale;
}

// ---- the queue

function reqskAdd(tp: TcpSock, req: RequestSock): void {
  tp.tcp.established.insert(req);
  req.hashed = true;
  req.next = tp.requests;
  if (tp.requests !== null) tp.requests.prev = req;
  tp.requests = req;
  tp.synQueueLen++;
  tp.youngLen++;
  reqskArm(req);
}

/** Takes a request out of the queue, because it became a connection or failed. False: it was not in it. */
export function reqskUnlink(req: RequestSock): boolean {
  if (!req.hashed) return false;
  const tp = req.listener;
  tp.tcp.established.remove(req);
  req.hashed = false;
  if (req.prev === null) tp.requests = req.next;
  else req.prev.next = req.next;
  if (req.next !== null) req.next.prev = req.prev;
  req.next = null;
  req.prev = null;
  tp.synQueueLen--;
  if (req.numTimeout === 0) tp.youngLen--;
  req.timer.del();
  return true;
}

/** Ends a request. */
export function reqskDrop(req: RequestSock): boolean {
  return reqskUnlink(req);
}

/** The listener closes: nobody will ever answer these. */
export function reqskDropAll(tp: TcpSock): void {
  while (tp.requests !== null) reqskUnlink(tp.requests);
}

/** (Re-)arms the timer of the SYN-ACK: 1, 2, 4, 8… seconds, at most TCP_RTO_MAX_MS. */
export function reqskArm(req: RequestSock): void {
  const { net, rtoMaxMs } = req.listener;
  const ms = Math.min(SYNACK_TIMEOUT_MS * 2 ** req.numTimeout, rtoMaxMs);
  req.timer.mod(net.cpu.now + ms * 1000000);
}

/** Sends the SYN-ACK again. */
export function tcpRtxSynack(tp: TcpSock, req: RequestSock): void {
  const { net } = tp;
  req.lastTsval = net.jiffies;
  tcpReqRehash(tp, req);
  const synack = tcpMakeSynack(tp, req, true);
  if (synack === null) return;
  req.af.sendSynack(tp, req, synack);
  net.inc(Mib.TcpRetransSegs);
  net.inc(Mib.TcpExtTCPSynRetrans);
  req.numRetrans++;
  // Karn: the answer may be to either one, so its time says nothing.
  req.sntSynackUs = -1;
}

/** The SYN-ACK has not been answered in time. */
function reqskTimer(req: RequestSock): void {
  const tp = req.listener;
  const { sysctl } = tp.tcp;
  if (tp.state !== TCP_LISTEN) {
    reqskUnlink(req);
    return;
  }
  const retries = allowedRetries(tp, tp.synRetries !== 0 ? tp.synRetries : sysctl.tcpSynackRetries);
  const deferred = tp.deferAccept;
  let expire = req.numTimeout >= retries;
  let resend = true;
  if (deferred !== 0) {
    // TCP_DEFER_ACCEPT: the peer has answered and we wait for its data. Only near the end is it reminded.
    expire = expire && (!req.acked || req.numTimeout >= deferred);
    resend = !req.acked || req.numTimeout >= deferred - 1;
  }
  tp.net.inc(Mib.TcpExtTCPTimeouts);
  if (expire) {
    reqskUnlink(req);
    return;
  }
  if (resend) tcpRtxSynack(tp, req);
  if (req.numTimeout++ === 0) tp.youngLen--;
  reqskArm(req);
}

/** A crowded queue gives up its old entries sooner, so that half of it stays free for young ones. */
function allowedRetries(tp: TcpSock, max: number): number {
  const { synQueueLen } = tp;
  if (synQueueLen * 2 <= Math.max(8, tp.maxAckBacklog)) return max;
  let retries = max;
  for (let young = tp.youngLen * 2; retries > 2 && synQueueLen >= young; young *= 2) retries--;
  return retries;
}
