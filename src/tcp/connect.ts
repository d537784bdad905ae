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
import { RTN_BROADCAST, RTN_MULTICAST } from '../ip/fib.ts';
import { ipRouteOutput, type Rtable } from '../ip/route.ts';
import { AF_INET, TCP_CLOSE, TCP_FIN_WAIT2, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT } from '../sock/constants.ts';
import { portsConnectBind, type PortChecker } from '../sock/ports.ts';
import type { InetSock } from '../sock/sock.ts';
import type { SockAddr } from '../sock/sockaddr.ts';
import { tcpDisconnect, tcpSetState } from './close.ts';
import { secureTcpSeq, secureTcpTsOffset } from './isn.ts';
import { tcpV4Advmss, tcpV4SetupCaps } from './ipv4.ts';
import { TCP_MSS_DEFAULT } from './mss.ts';
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
    const entry = this.tcp.established.lookup(sk.saddr, port, sk.daddr, sk.dport, sk.boundDevIf);
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
    if (sysctl.tcpTwReuse === 2 && tw.saddr >>> 24 !== LOOPBACK_NET && tw.daddr >>> 24 !== LOOPBACK_NET) return false;
    return net.jiffies > tw.entryStampMs + sysctl.tcpTwReuseDelay;
  }
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
      const err = tcpV4Connect(tp, addr);
      if (err < 0) return err;
      tp.sockState = SS_CONNECTING;
      return -EINPROGRESS;
    }
    case SS_CONNECTING:
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

function tcpV4Connect(tp: TcpSock, addr: SockAddr): number {
  const { tcp, net } = tp;
  if (addr.family !== AF_INET) return -EAFNOSUPPORT;
  let daddr = addr.addr;
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
  if (tp.tsRecentStamp !== 0 && tp.daddr !== daddr) {
    tp.tsRecent = 0; // what was learned from another peer says nothing of this one
    tp.tsRecentStamp = 0;
    tp.writeSeq = 0;
  }
  tp.daddr = daddr;
  tp.dport = addr.port;
  tp.mssClamp = TCP_MSS_DEFAULT;
  tcpSetState(tp, TCP_SYN_SENT);
  let err = hashConnect(tp);
  if (err === 0) err = sendFirst(tp, rt);
  if (err === 0) return 0;
  tcpSetState(tp, TCP_CLOSE);
  tp.dst = null;
  tp.dport = 0;
  tp.daddr = 0;
  if (!hadSaddr) {
    tp.saddr = 0;
    tp.rcvSaddr = 0;
  }
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

function sendFirst(tp: TcpSock, rt: Rtable): number {
  const { tcp } = tp;
  tp.dst = rt;
  tcpV4SetupCaps(tp, rt);
  tp.advmss = tcpV4Advmss(rt);
  if (tp.writeSeq === 0) tp.writeSeq = secureTcpSeq(tcp, tp.saddr, tp.daddr, tp.num, tp.dport);
  tp.tsoffset = secureTcpTsOffset(tcp, tp.saddr, tp.daddr);
  tp.iss = tp.writeSeq;
  tp.inetId = tp.net.random.next32() & 0xffff;
  return tcpSendSyn(tp);
}
