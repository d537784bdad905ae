/**
 * connect(2): from CLOSE to SYN_SENT (RFC 9293 §3.10.1, active OPEN).
 *
 *   from  tcp/ops.ts
 *   to    sock/ports.ts     a local port that makes the 4-tuple unique
 *         tcp/isn.ts        where the numbers begin
 *         tcp/output.ts     tcpSendSyn
 */
import { Mib } from '../dev/mib.ts';
import {
  EADDRNOTAVAIL, EAFNOSUPPORT, EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENETUNREACH,
} from '../lib/errno.ts';
import { in6IsLoopback } from '../lib/addr6.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../ip/fib.ts';
import { ipRouteOutput } from '../ip/route.ts';
import { AF_INET, TCP_CLOSE, TCP_FIN_WAIT2, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT } from '../sock/constants.ts';
import { portsConnectBind, type PortChecker } from '../sock/ports.ts';
import type { Dst } from '../sock/dst.ts';
import type { InetSock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { tcpDisconnect, tcpSetState } from './close.ts';
import { tcpSetupCaps } from './dst.ts';
import { tcpFastopenDeferConnect } from './fastopen-active.ts';
import { tcpConnectDeferred } from './fastopen-sock.ts';
import { secureTcpSeq, secureTcpTsOffset } from './isn.ts';
import { TCP_MSS_DEFAULT, TCP_MSS_DEFAULT6 } from './mss.ts';
import { tcpSendSyn } from './output.ts';
import type { TcpProto } from './proto.ts';
import type { TcpSock } from './sock.ts';
import { SS_CONNECTED, SS_CONNECTING, SS_UNCONNECTED } from './sock-state.ts';
import { twDeschedule } from './timewait.ts';
import type { TimewaitSock } from './timewait-sock.ts';

/** 127.0.0.1: where a connection to 0.0.0.0 goes. */
const INADDR_LOOPBACK: number = (127 << 24) | 1;
const LOOPBACK_NET = 127;

/**
 * Asked by `sock/ports.ts`: is this 4-tuple free, or taken by a TIME_WAIT that may be reused? One per host; `tw` is the
 * TIME_WAIT behind the last "yes".
 */
export class ConnectChecker implements PortChecker {
  tw: TimewaitSock | null = null;
  /** The port was bound by the user: with timestamps its TIME_WAIT may be reused at once, whatever tcp_tw_reuse says. */
  bound = false;
  private readonly tcp: TcpProto;

  constructor(tcp: TcpProto) {
    this.tcp = tcp;
  }

  isFree(sk: InetSock, port: number): boolean {
    this.tw = null;
    const { established } = this.tcp;
    const entry = sk.v6Daddr === null
      ? established.lookup(sk.saddr, port, sk.daddr, sk.dport, sk.boundDevIf)
      : established.find6(sk.v6Saddr!, port, sk.v6Daddr, sk.dport, sk.boundDevIf);
    if (entry === null) return true;
    if (entry.state !== TCP_TIME_WAIT || !this.twReusable(entry as TimewaitSock)) return false;
    this.tw = entry as TimewaitSock;
    return true;
  }

  /** RFC 6191 seen from the side that connects: with timestamps, old segments are told from new ones. */
  private twReusable(tw: TimewaitSock): boolean {
    const { sysctl, net } = this.tcp;
    if (!tw.tstampOk) return false;
    if (this.bound) return true;
    if (tw.substate === TCP_FIN_WAIT2 || sysctl.tcpTwReuse === 0) return false;
    if (sysctl.tcpTwReuse === 2 && !isLoopback(tw)) return false;
    return net.jiffies > tw.entryStampMs + sysctl.tcpTwReuseDelay;
  }
}

/** Does the connection stay within the host? */
function isLoopback(tw: TimewaitSock): boolean {
  if (tw.v6Daddr !== null) return in6IsLoopback(tw.v6Daddr) || in6IsLoopback(tw.v6Saddr!);
  return tw.saddr >>> 24 === LOOPBACK_NET || tw.daddr >>> 24 === LOOPBACK_NET;
}

/**
 * connect(2), as on a non-blocking socket. The first call begins the handshake, a later one tells how it went, once.
 *
 * @returns 0 connected; -EINPROGRESS begun; -EALREADY still running; -EISCONN; the reason of a failed handshake
 *   (-ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH…); or why none was begun: -ENETUNREACH, -EADDRNOTAVAIL, -EAFNOSUPPORT, -EINVAL
 */
export function tcpConnect(tp: TcpSock, addr: SockAddr): number {
  switch (tp.sockState) {
    case SS_UNCONNECTED: {
      if (tp.state !== TCP_CLOSE) return -EISCONN;
      const err = tp.af.connect(tp, addr);
      if (err < 0) return err;
      tp.sockState = SS_CONNECTING;
      // TCP_FASTOPEN_CONNECT: as if connected; the first write sends the SYN.
      return tcpConnectDeferred(tp) ? 0 : -EINPROGRESS;
    }
    case SS_CONNECTING:
      if (tcpConnectDeferred(tp)) return -EISCONN;
      if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) return -EALREADY;
      if (tp.state !== TCP_CLOSE) {
        tp.sockState = SS_CONNECTED;
        return 0;
      }
      return connectFailed(tp);
    case SS_CONNECTED:
      return -EISCONN;
    default:
      return -EINVAL;
  }
}

/** The handshake has failed: its error, and the socket is as it was before connect(). */
function connectFailed(tp: TcpSock): number {
  const err = tp.sockError();
  tp.sockState = SS_UNCONNECTED;
  tcpDisconnect(tp);
  return err !== 0 ? err : -ECONNABORTED;
}

/** connect() of a socket of AF_INET. */
export function tcpV4Connect(tp: TcpSock, addr: SockAddr): number {
  return addr.family === AF_INET ? tcpConnectV4(tp, addr.addr, addr.port) : -EAFNOSUPPORT;
}

/** To an IPv4 address: of a socket of AF_INET, or one of AF_INET6 that was given a mapped address. 0 or a negative errno. */
export function tcpConnectV4(tp: TcpSock, to: number, dport: number): number {
  const { tcp, net } = tp;
  let daddr = to;
  if (daddr === 0) daddr = tp.saddr !== 0 ? tp.saddr : INADDR_LOOPBACK;
  const rt = ipRouteOutput(tcp.ip, daddr, tp.saddr, tp.boundDevIf);
  if (typeof rt === 'number') {
    if (rt === -ENETUNREACH) net.inc(Mib.IpOutNoRoutes);
    return rt;
  }
  if (rt.type === RTN_BROADCAST || rt.type === RTN_MULTICAST) return -ENETUNREACH;
  const hadSaddr = tp.saddr !== 0;
  if (!hadSaddr) {
    tp.saddr = rt.src;
    tp.rcvSaddr = rt.src;
  }
  if (tp.daddr !== daddr) tcpForgetPeer(tp);
  tp.daddr = daddr;
  tp.dport = dport;
  const err = tcpConnectStart(tp, rt);
  if (err === 0) return 0;
  tp.daddr = 0;
  if (!hadSaddr) {
    tp.saddr = 0;
    tp.rcvSaddr = 0;
  }
  return err;
}

/** What was learned from another peer says nothing of the one to come. */
export function tcpForgetPeer(tp: TcpSock): void {
  if (tp.tsRecentStamp === 0) return;
  tp.tsRecent = 0;
  tp.tsRecentStamp = 0;
  tp.writeSeq = 0;
}

/** Addresses, port of the peer and way are known: finds a local port and sends the SYN. On failure the socket is in CLOSE. */
export function tcpConnectStart(tp: TcpSock, dst: Dst): number {
  tp.mssClamp = tp.af === tp.tcp.v4 ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT6;
  tcpSetState(tp, TCP_SYN_SENT);
  let err = hashConnect(tp);
  if (err === 0) err = sendFirst(tp, dst);
  if (err === 0) return 0;
  tcpSetState(tp, TCP_CLOSE);
  tp.dst = null;
  tp.dport = 0;
  return err;
}

/** Finds the port, if it is not bound yet, and enters the table by 4-tuple. 0 or -EADDRNOTAVAIL. */
function hashConnect(tp: TcpSock): number {
  const { tcp } = tp;
  const check = tcp.connectChecker;
  check.tw = null;
  check.bound = tp.bindBucket !== null;
  if (check.bound) {
    if (!check.isFree(tp, tp.num)) return -EADDRNOTAVAIL;
  } else {
    tp.num = 0;
    const err = portsConnectBind(tcp.ports, tp, check);
    if (err !== 0) return err;
  }
  const tw = check.tw as TimewaitSock | null; // set by isFree
  if (tw !== null) {
    // Beyond all that the old connection has sent, and with its last timestamp as a guard against its late segments.
    const seq = (tw.sndNxt + 65535 + 2) | 0;
    tp.writeSeq = seq === 0 ? 1 : seq;
    tp.tsRecent = tw.tsRecent;
    tp.tsRecentStamp = tw.tsRecentStamp;
    twDeschedule(tw);
    tcp.net.inc(Mib.TcpExtTWRecycled);
    check.tw = null;
  }
  tcp.established.insert(tp);
  tp.hashed = true;
  return 0;
}

function sendFirst(tp: TcpSock, dst: Dst): number {
  const { tcp } = tp;
  tcpSetupCaps(tp, dst);
  tp.advmss = tp.af.advmss(dst);
  if (tp.writeSeq === 0) tp.writeSeq = secureTcpSeq(tcp, tp);
  tp.tsoffset = secureTcpTsOffset(tcp, tp);
  tp.iss = tp.writeSeq;
  if (tp.v6Daddr === null) tp.inetId = tp.net.random.next32() & 0xffff;
  if (tcpFastopenDeferConnect(tp)) return 0;
  const err = tcpSendSyn(tp);
  // Only the option was wanted; a write is another matter.
  if (tp.fastopen !== null && tp.fastopen.req !== null && tp.fastopen.req.msg === null) tp.fastopen.req = null;
  return err;
}
