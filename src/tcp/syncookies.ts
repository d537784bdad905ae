/**
 * SYN cookies (RFC 4987 §3.6): when the SYN queue overflows, the SYN-ACK itself remembers the request.
 *
 * The ISN that we choose holds a count of minutes and an index into a table of MSS values, hidden by two keyed hashes; the
 * final ACK brings it back. With timestamps, the low six bits of our TSval keep window scale and SACK, too:
 *
 *   ISN    hash0 + peer's ISN + (minutes << 24) + ((hash1(minutes) + mss index) mod 2^24)
 *   TSval  …milliseconds…| ECN | SACK | window scale, 15 = none |
 */
import { Mib } from '../dev/mib.ts';
import type { Net } from '../dev/net.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { tcpParseOptions, type TcpOptionsReceived } from '../wire/tcp-options.ts';
import { TCP_FLAG_RST, TCP_HLEN_MIN, TCP_OPTIONS, thDport, thHlen, thSport, thWindow } from '../wire/tcp.ts';
import type { Dst } from '../sock/dst.ts';
import { aceOf } from './accecn.ts';
import { tcpAfOf } from './af.ts';
import { tcpAoSyncookie } from './ao.ts';
import { hashFlow, secureTcpTsOffset } from './isn.ts';
import { acceptQueueAdd } from './listen.ts';
import { tcpSynRecvSock } from './minisocks.ts';
import type { TcpProto } from './proto.ts';
import { RequestSock } from './request-sock.ts';
import { reqskInitWindow, reqskSetOptions } from './request.ts';
import type { TcpSock } from './sock.ts';

const COOKIE_BITS = 24;
const COOKIE_MASK: number = (1 << COOKIE_BITS) - 1;
/** Cookies are good in the minute in which they were made and in the next. */
const MAX_SYNCOOKIE_AGE = 2;
const COOKIE_PERIOD_MS = 60000;

const TS_OPT_WSCALE_MASK = 0xf;
const TS_OPT_SACK = 0x10;
const TS_OPT_ECN = 0x20;
const TS_BITS = 6;

function cookieTime(net: Net): number {
  return Math.floor(net.jiffies / COOKIE_PERIOD_MS) | 0;
}

function cookieHash(tcp: TcpProto, req: RequestSock, count: number, c: 0 | 1): number {
  return hashFlow(tcp.cookieKeys[c], req, true, count);
}

/** The ISN of a SYN-ACK that remembers `req`. Sets `req.mss` to what the cookie can name. */
export function cookieInitSequence(tp: TcpSock, req: RequestSock): number {
  const { tcp, net } = tp;
  tp.lastSynOverflowMs = net.jiffies;
  net.inc(Mib.TcpExtSyncookiesSent);
  const { cookieMss } = req.af;
  let index = cookieMss.length - 1;
  while (index > 0 && cookieMss[index]! > req.mss) index--;
  req.mss = cookieMss[index]!;
  const count = cookieTime(net);
  const low = (cookieHash(tcp, req, count, 1) + index) & COOKIE_MASK;
  return (cookieHash(tcp, req, 0, 0) + req.rcvIsn + (count << COOKIE_BITS) + low) | 0;
}

/** The TSval (before its offset) of that SYN-ACK: the latest time whose low bits are the options. */
export function cookieInitTimestamp(net: Net, req: RequestSock): number {
  let options = req.wscaleOk ? req.sndWscale : TS_OPT_WSCALE_MASK;
  if (req.sackOk) options |= TS_OPT_SACK;
  if (req.ecnOk) options |= TS_OPT_ECN;
  const now = net.jiffies;
  let ts = Math.floor(now / (1 << TS_BITS)) * (1 << TS_BITS) + options;
  if (ts > now) ts -= 1 << TS_BITS;
  return ts;
}

/**
 * An ACK to a listener: does it bring back one of our cookies?
 *
 * @returns the new connection; `tp` itself when it is no cookie (then the peer is to be reset); null when it is one but
 *   no connection could be made of it
 */
export function cookieCheck(tp: TcpSock, skb: SkBuff): TcpSock | null {
  const { tcp, net } = tp;
  if (tcp.sysctl.tcpSyncookies === 0 || (skb.tcpFlags & TCP_FLAG_RST) !== 0) return tp;
  if (net.jiffies - tp.lastSynOverflowMs > MAX_SYNCOOKIE_AGE * COOKIE_PERIOD_MS) return tp;
  const req = cookieReq(tp, skb);
  const mss = mssOfCookie(tcp, req);
  if (mss === 0) {
    net.inc(Mib.TcpExtSyncookiesFailed);
    return tp;
  }
  net.inc(Mib.TcpExtSyncookiesRecv);
  const { buf, th } = skb;
  const opt = tcp.rxOpt;
  tcpParseOptions(buf, th + TCP_OPTIONS, thHlen(buf, th) - TCP_HLEN_MIN, opt);
  opt.mss = mss;
  const tsOff = opt.sawTstamp ? secureTcpTsOffset(tcp, req) : 0;
  if (!cookieTimestampDecode(tcp, opt, tsOff)) return tp;
  reqskSetOptions(tp, req, opt);
  req.tsOff = tsOff;
  if (tp.ao !== null) tcpAoSyncookie(tp, req, skb, tcp.scratch.aoAt);
  const rt = req.af.reqRoute(tcp, req);
  if (rt === null) {
    tcp.dropReason = Drop.IpOutNoRoutes;
    return null;
  }
  cookieEcn(tp, req, skb, opt, rt);
  reqskInitWindow(tp, req, rt);
  const child = tcpSynRecvSock(tp, skb, req);
  if (child !== null) acceptQueueAdd(tp, child);
  return child;
}

/** ECN, when the timestamp remembers it; that it was Accurate ECN is told by the flags of the ACK (RFC 9768 §3.2.2.1). */
function cookieEcn(tp: TcpSock, req: RequestSock, skb: SkBuff, opt: TcpOptionsReceived, dst: Dst): void {
  if (!opt.sawTstamp || ((opt.tsecr - req.tsOff) & TS_OPT_ECN) === 0) return;
  req.ecnOk = tp.tcp.sysctl.tcpEcn !== 0 || dst.metrics?.ecn === true;
  req.accEcnOk = req.ecnOk && aceOf(skb) > 1;
}

/** The request as far as the ACK's addresses and numbers tell. */
function cookieReq(tp: TcpSock, skb: SkBuff): RequestSock {
  const { buf, th } = skb;
  const req = new RequestSock(tp, tcpAfOf(tp.tcp, skb), cookieTimer);
  req.cookie = true;
  req.af.initReq(req, tp, skb);
  req.num = thDport(buf, th);
  req.dport = thSport(buf, th);
  req.rcvIsn = (skb.seq - 1) | 0;
  req.rcvNxt = skb.seq;
  req.sntIsn = (skb.ackSeq - 1) | 0;
  req.sndWnd = thWindow(buf, th);
  return req;
}

function cookieTimer(): void {
  // Never armed: such a request is not in the queue.
}

/** The MSS that the cookie names, or 0 when it is not one of ours or too old. */
function mssOfCookie(tcp: TcpProto, req: RequestSock): number {
  const cookie = (req.sntIsn - cookieHash(tcp, req, 0, 0) - req.rcvIsn) | 0;
  const count = cookieTime(tcp.net);
  const age = (count - (cookie >>> COOKIE_BITS)) & 0xff;
  if (age >= MAX_SYNCOOKIE_AGE) return 0;
  const index = (cookie - cookieHash(tcp, req, count - age, 1)) & COOKIE_MASK;
  return index < req.af.cookieMss.length ? req.af.cookieMss[index]! : 0;
}

/** Puts into `opt` what the echoed timestamp remembers. False: it remembers options that we do not speak, so it is not ours. */
function cookieTimestampDecode(tcp: TcpProto, opt: TcpOptionsReceived, tsOff: number): boolean {
  const { sysctl } = tcp;
  opt.sackOk = false;
  opt.wscaleOk = false;
  opt.sndWscale = 0;
  if (!opt.sawTstamp) return true;
  if (sysctl.tcpTimestamps === 0) return false;
  const options = (opt.tsecr - tsOff) | 0;
  opt.sackOk = (options & TS_OPT_SACK) !== 0;
  if (opt.sackOk && sysctl.tcpSack === 0) return false;
  const wscale = options & TS_OPT_WSCALE_MASK;
  if (wscale === TS_OPT_WSCALE_MASK) return true;
  opt.wscaleOk = true;
  opt.sndWscale = wscale;
  return sysctl.tcpWindowScaling !== 0;
}
