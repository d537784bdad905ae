/**
 * TCP Fast Open, the server (RFC 7413): data in a SYN is taken when a cookie shows that its sender has been here before.
 *
 *   from  tcp/request.ts    tcpTryFastopen, a SYN to a listener
 *         tcp/state.ts      tcpRcvSynrecvFastopen, the handshake of the child is over
 *         tcp/timer.ts      tcpFastopenSynackTimer
 *   to    tcp/minisocks.ts  tcpSynRecvSock: the child is a full socket at once, in SYN_RECV
 *
 * The child goes into the accept queue before the third segment has come; it can be read and written. Its SYN-ACK is repeated by
 * its own retransmission timer, and nothing else is, until the third segment comes.
 */
import { Mib } from '../dev/mib.ts';
import type { Net } from '../dev/net.ts';
import { in6ReadAt, type In6Addr } from '../lib/addr6.ts';
import { get32, get8, put32 } from '../lib/bytes.ts';
import { SipKey } from '../lib/hash.ts';
import { cloneSkb } from '../skb/copy.ts';
import { skbOrphan } from '../skb/owner.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_LISTEN } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { skbSetOwnerR } from '../sock/sock.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { iphDaddr, iphSaddr } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../wire/ipv6.ts';
import type { TcpOptionsReceived } from '../wire/tcp-options.ts';
import { TCP_FLAG_FIN, TCP_FLAG_SYN, thHlen, thWindow } from '../wire/tcp.ts';
import { tcpTimeStampTs } from './clock.ts';
import { tcpWriteErr } from './close.ts';
import { tcpFin } from './data.ts';
import {
  tcpFastopenOf, TFO_SERVER_COOKIE_NOT_REQD, TFO_SERVER_ENABLE, TFO_SERVER_WO_SOCKOPT1, type FastopenSock,
} from './fastopen-sock.ts';
import { tcpAnyRetransDone } from './flight.ts';
import { tcpForcedMemSchedule } from './memory.ts';
import { tcpSynRecvSock } from './minisocks.ts';
import type { TcpProto } from './proto.ts';
import { tcpEnterLoss } from './recovery.ts';
import type { RequestSock } from './request-sock.ts';
import { tcpRtxSynack } from './request.ts';
import { ICSK_TIME_RETRANS, TCP_CA_Loss, type TcpSock } from './sock.ts';
import { resetXmitTimer, TCP_TIMEOUT_INIT_US, tcpRearmRto } from './timer.ts';
import { tcpTryUndoRecovery } from './undo.ts';
import { tcpInitTransfer } from './window.ts';

/** Cookies: what we make has 8 bytes; RFC 7413 §4.1.1 allows 4 to 16. */
const TCP_FASTOPEN_COOKIE_SIZE = 8;
const TCP_FASTOPEN_COOKIE_MIN = 4;
const TCP_FASTOPEN_COOKIE_MAX = 16;
/** Bytes of a key, and how many keys there may be: one that makes cookies, one that is only recognised. */
export const TCP_FASTOPEN_KEY_LENGTH = 16;
export const TCP_FASTOPEN_KEY_MAX = 2;
/** A child that was reset goes on counting for so long: else spoofed SYNs would cost their sender nothing. */
const RST_PENALTY_MS = 60000;
/** Words of the largest message that a cookie is made of: two IPv6 addresses. */
const COOKIE_WORDS = 8;

/** No key: what net.ipv4.tcp_fastopen_key reads as before somebody needs one. */
export const FASTOPEN_NO_KEY = '00000000-00000000-00000000-00000000';

// ---- keys and cookies

/** Keys of Fast Open and what they were made from. */
export class FastopenKeys {
  private text = '';
  private keys: readonly SipKey[] = [];
  readonly words: Int32Array = new Int32Array(COOKIE_WORDS);

  /** The host's keys, by net.ipv4.tcp_fastopen_key; none while it is not set. */
  of(tcp: TcpProto): readonly SipKey[] {
    const { tcpFastopenKey } = tcp.sysctl;
    if (tcpFastopenKey !== this.text) {
      this.text = tcpFastopenKey;
      this.keys = tcpFastopenKey === '' ? [] : tcpFastopenKey.split(',').map(parseKey);
    }
    return this.keys;
  }
}

function parseKey(text: string): SipKey {
  const [a, b, c, d] = text.split('-').map((word) => parseInt(word, 16) | 0);
  return new SipKey(a!, b!, c!, d!);
}

/** `a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4`, and perhaps a second one after a comma: as the kernel writes it, or null. */
export function fastopenKeyText(text: string): string | null {
  const keys = text.trim().split(',');
  if (keys.length > TCP_FASTOPEN_KEY_MAX || keys.some((key) => !/^[0-9a-f]{1,8}(-[0-9a-f]{1,8}){3}$/i.test(key))) return null;
  return keys.map((key) => key.toLowerCase().split('-').map((word) => word.padStart(8, '0')).join('-')).join(',');
}

/** Keys from the bytes of TCP_FASTOPEN_KEY: four little-endian words each. */
export function fastopenKeysFromBytes(bytes: Uint8Array): SipKey[] {
  const word = (at: number): number => swap32(get32(bytes, at));
  const keys: SipKey[] = [];
  for (let at = 0; at < bytes.length; at += TCP_FASTOPEN_KEY_LENGTH) {
    keys.push(new SipKey(word(at), word(at + 4), word(at + 8), word(at + 12)));
  }
  return keys;
}

/** Somebody wants Fast Open, and there is no key: draws one. */
export function tcpFastopenInitKeyOnce(net: Net, tcp: TcpProto): void {
  if (tcp.sysctl.tcpFastopenKey !== '') return;
  const words = [0, 1, 2, 3].map(() => (net.random.next32() >>> 0).toString(16).padStart(8, '0'));
  tcp.sysctl.tcpFastopenKey = words.join('-');
}

function keysOf(tp: TcpSock): readonly SipKey[] {
  return tp.fastopen?.keys ?? tp.tcp.fastopenKeys.of(tp.tcp);
}

/** SipHash of the peer's address and ours, in the order of the wire, little-endian (Linux's choice; RFC 7413 §4.1.2 leaves it open). */
function cookieGen(tcp: TcpProto, key: SipKey, skb: SkBuff): Uint8Array {
  const { words } = tcp.fastopenKeys;
  const { buf, nh } = skb;
  let n = 0;
  if (skb.protocol === ETH_P_IPV6) {
    for (const addr of [in6ReadAt(buf, nh + IPV6_SADDR), in6ReadAt(buf, nh + IPV6_DADDR)]) n = putAddr6(words, n, addr);
  } else {
    words[n++] = swap32(iphSaddr(buf, nh));
    words[n++] = swap32(iphDaddr(buf, nh));
  }
  key.hashWords(words, n);
  const cookie = new Uint8Array(TCP_FASTOPEN_COOKIE_SIZE);
  put32(cookie, 0, swap32(key.lo));
  put32(cookie, 4, swap32(key.hi));
  return cookie;
}

function putAddr6(words: Int32Array, at: number, addr: In6Addr): number {
  words[at] = swap32(addr.a);
  words[at + 1] = swap32(addr.b);
  words[at + 2] = swap32(addr.c);
  words[at + 3] = swap32(addr.d);
  return at + 4;
}

function swap32(x: number): number {
  return ((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}

/** Bytes of the cookie in a SYN or SYN-ACK; 0: asks for one; -1: none, or none that can be one (RFC 7413 §4.1.1). */
export function fastopenCookieLen(opt: TcpOptionsReceived): number {
  const len = opt.foLen;
  if (len === 0) return 0;
  return len >= TCP_FASTOPEN_COOKIE_MIN && len <= TCP_FASTOPEN_COOKIE_MAX && (len & 1) === 0 ? len : -1;
}

/** Which of the keys has made the cookie of this SYN: its place, or -1. */
function cookieCheck(tp: TcpSock, skb: SkBuff, opt: TcpOptionsReceived): number {
  const keys = keysOf(tp);
  for (let i = 0; i < keys.length; i++) {
    const good = cookieGen(tp.tcp, keys[i]!, skb);
    if (opt.foLen === good.length && good.every((byte, at) => get8(skb.buf, opt.foOff + at) === byte)) return i;
  }
  return -1;
}

// ---- a listener

/** listen(): with bit 0x400 of net.ipv4.tcp_fastopen every listener takes part. */
export function tcpFastopenListen(tp: TcpSock, backlog: number): void {
  const want = TFO_SERVER_WO_SOCKOPT1 | TFO_SERVER_ENABLE;
  if ((tp.tcp.sysctl.tcpFastopen & want) !== want) return;
  const fo = tcpFastopenOf(tp);
  if (fo.maxQlen !== 0) return;
  fo.maxQlen = Math.min(backlog, tp.net.sysctl.somaxconn);
  tcpFastopenInitKeyOnce(tp.net, tp.tcp);
}

/** Does the listener take part, and is there room for one more child with an open handshake? */
function queueCheck(tp: TcpSock): boolean {
  const fo = tp.fastopen;
  if (fo === null || fo.maxQlen === 0) return false;
  if (fo.qlen < fo.maxQlen) return true;
  if (fo.rstExpiresMs.length === 0 || fo.rstExpiresMs[0]! > tp.net.jiffies) {
    tp.net.inc(Mib.TcpExtTCPFastOpenListenOverflow);
    return false;
  }
  fo.rstExpiresMs.shift();
  fo.qlen--;
  return true;
}

/** May data be taken without a cookie? */
function noCookie(tp: TcpSock): boolean {
  return (tp.tcp.sysctl.tcpFastopen & TFO_SERVER_COOKIE_NOT_REQD) !== 0 || (tp.fastopen !== null && tp.fastopen.noCookie);
}

/**
 * A SYN to a listener, its options in the host's `rxOpt`: may its data be taken? What the SYN-ACK is to say of cookies is left in
 * `req`. RFC 7413 §4.2.2, §4.2.3.
 *
 * @returns the child, not yet in the accept queue, or null: an ordinary handshake
 */
export function tcpTryFastopen(tp: TcpSock, skb: SkBuff, req: RequestSock, dst: Dst): TcpSock | null {
  const { net, tcp } = tp;
  const opt = tcp.rxOpt;
  const len = fastopenCookieLen(opt);
  if (len === 0) net.inc(Mib.TcpExtTCPFastOpenCookieReqd);
  const synData = skb.endSeq !== ((skb.seq + 1) | 0);
  if ((tcp.sysctl.tcpFastopen & TFO_SERVER_ENABLE) === 0 || (!synData && len < 0) || !queueCheck(tp)) return null;
  const free = noCookie(tp) || dst.metrics?.fastopenNoCookie === true;
  if (!free && len < 0) return null;
  const key = free || len === 0 ? -1 : cookieCheck(tp, skb, opt);
  const primary = keysOf(tp)[0];
  if (free || key >= 0) {
    const child = createChild(tp, skb, req);
    if (child !== null) {
      net.inc(Mib.TcpExtTCPFastOpenPassive);
      if (key > 0 && primary !== undefined) {
        // Made with the old key: a new cookie goes with the SYN-ACK.
        net.inc(Mib.TcpExtTCPFastOpenPassiveAltKey);
        offerCookie(req, cookieGen(tcp, primary, skb), opt.foExp);
      }
      return child;
    }
    net.inc(Mib.TcpExtTCPFastOpenPassiveFail);
  } else if (len > 0) {
    net.inc(Mib.TcpExtTCPFastOpenPassiveFail);
  }
  if (!free && primary !== undefined) offerCookie(req, cookieGen(tcp, primary, skb), opt.foExp);
  return null;
}

function offerCookie(req: RequestSock, cookie: Uint8Array, exp: boolean): void {
  req.foCookie = cookie;
  req.foExp = exp;
}

/** A full socket from what the SYN says. */
function createChild(tp: TcpSock, skb: SkBuff, req: RequestSock): TcpSock | null {
  const child = tcpSynRecvSock(tp, skb, req);
  if (child === null) return null;
  const queue = tp.fastopen!;
  queue.qlen++;
  const fo = tcpFastopenOf(child);
  fo.rsk = req;
  fo.queue = queue;
  fo.isChild = true;
  // RFC 7323 §2.2: the window of a SYN is not scaled.
  child.sndWnd = thWindow(skb.buf, skb.th);
  child.maxWindow = child.sndWnd;
  resetXmitTimer(child, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT_US);
  tcpInitTransfer(child);
  tcpFastopenAddSkb(child, skb);
  req.rcvNxt = child.rcvNxt;
  child.rcvWup = child.rcvNxt;
  return child;
}

/** Data that came in a SYN or SYN-ACK goes into the receive queue. The skb stays the caller's; `data` is at the TCP header. */
export function tcpFastopenAddSkb(tp: TcpSock, skb: SkBuff): void {
  if (skb.endSeq === tp.rcvNxt) return;
  const copy = cloneSkb(skb);
  if (copy.destructor !== null) skbOrphan(copy);
  copy.dst = null;
  copy.pull(thHlen(copy.buf, copy.th));
  copy.seq = (skb.seq + 1) | 0;
  copy.endSeq = skb.endSeq;
  copy.ackSeq = skb.ackSeq;
  copy.tcpFlags = skb.tcpFlags & ~TCP_FLAG_SYN;
  tcpForcedMemSchedule(tp, copy.truesize);
  skbSetOwnerR(copy, tp);
  tp.rcvNxt = copy.endSeq;
  tp.receiveQueue.pushTail(copy);
  tcpFastopenOf(tp).synDataAcked = true;
  tp.bytesReceived = copy.len;
  tp.segsIn = 1;
  tp.dataSegsIn = 1;
  if ((copy.tcpFlags & TCP_FLAG_FIN) !== 0) tcpFin(tp);
}

// ---- the child until its handshake is over

/**
 * The request behind a child has done its work. `reset`: the peer has reset the connection; then the place in the listener's queue
 * stays taken for a minute (RFC 7413 §5.1: resource exhaustion by spoofed addresses).
 */
export function tcpFastopenRemove(tp: TcpSock, reset: boolean): void {
  const fo = tp.fastopen;
  if (fo === null || fo.rsk === null) return;
  const { listener } = fo.rsk;
  const queue: FastopenSock = fo.queue!;
  fo.rsk = null;
  fo.queue = null;
  queue.qlen--;
  // One that nobody has accepted yet takes a place in the accept queue, which is limit enough.
  if (!reset || tp.listener !== null || listener.state !== TCP_LISTEN) return;
  queue.rstExpiresMs.push(tp.net.jiffies + RST_PENALTY_MS);
  queue.qlen++;
}

/** The third segment has come (Linux: tcp_rcv_synrecv_state_fastopen). */
export function tcpRcvSynrecvFastopen(tp: TcpSock): void {
  if (tp.caState === TCP_CA_Loss && tp.packetsOut === 0) tcpTryUndoRecovery(tp);
  tp.retransmits = 0;
  // Set by the first timeout of the SYN-ACK, without Loss: it is not for what follows.
  if (!tcpAnyRetransDone(tp)) tp.retransStamp = 0;
  tcpFastopenRemove(tp, false);
  // Data may be out already.
  tcpRearmRto(tp);
}

/** The SYN-ACK of a child has not been answered. Until it is, nothing else is sent again. */
export function tcpFastopenSynackTimer(tp: TcpSock, req: RequestSock): void {
  const { sysctl } = tp.tcp;
  tp.net.inc(Mib.TcpExtTCPTimeouts);
  const max = tp.synRetries !== 0 ? tp.synRetries : sysctl.tcpSynackRetries + 1;
  if (req.numTimeout >= max) {
    tcpWriteErr(tp);
    return;
  }
  // As for any handshake that needed a second try (RFC 6298 (5.7)).
  if (tp.retransmits === 1) tcpEnterLoss(tp);
  tcpRtxSynack(tp, req);
  req.numTimeout++;
  tp.retransmits++;
  tp.totalRto++;
  if (tp.retransStamp === 0) tp.retransStamp = tcpTimeStampTs(tp);
  resetXmitTimer(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT_US * 2 ** req.numTimeout);
}
