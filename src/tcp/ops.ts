/**
 * What a TCP socket can do, for the socket calls: the table `tcpProt`, poll and ioctl.
 *
 *   from  syscall/*        sk.prot.…
 *   to    tcp/connect.ts, tcp/listen.ts, tcp/close.ts    connections
 *         tcp/send.ts, tcp/recv.ts                       bytes
 *         tcp/sockopt.ts                                 options
 */
import { inetBind } from '../ip/bind.ts';
import { inet6Bind } from '../ip/v6/bind.ts';
import { ENOTTY, EINVAL } from '../lib/errno.ts';
import {
  EPOLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK,
  SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT,
} from '../sock/constants.ts';
import { hasQueuedError } from '../sock/error-queue.ts';
import type { Proto, Sock, SockoptError, SockoptValue } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { tcpClose, tcpCloseEnd, tcpDisconnect, tcpShutdown } from './close.ts';
import { tcpConnect } from './connect.ts';
import { TCP_URG_VALID } from './data.ts';
import { tcpConnectDeferred, tcpFastopenRsk } from './fastopen-sock.ts';
import { tcpReceiveWindow } from './flight.ts';
import { tcpAccept, tcpListen } from './listen.ts';
import { tcpRecvmsg } from './recv.ts';
import { tcpWriteable } from './sndbuf.ts';
import { tcpSendmsg } from './send.ts';
import type { TcpSock } from './sock.ts';
import { SS_UNCONNECTED } from './sock-state.ts';
import { tcpGetsockopt, tcpSetsockopt } from './sockopt.ts';
import { tcpTstampStats } from './tstamp.ts';

/** The table of a TCP socket. */
export const tcpProt: Proto = {
  name: 'TCP',
  bind(sk: Sock, addr: SockAddr): number {
    const tp = sk as TcpSock;
    // A port that was only lent for a connection is gone with it, though its number is still known.
    if (tp.bindBucket === null && tp.state === TCP_CLOSE) tp.num = 0;
    return inetBind(tp.tcp.ip, tp.tcp.ports, tp, addr);
  },
  connect(sk: Sock, addr: SockAddr): number {
    return tcpConnect(sk as TcpSock, addr);
  },
  disconnect(sk: Sock): number {
    const tp = sk as TcpSock;
    tp.sockState = SS_UNCONNECTED;
    return tcpDisconnect(tp);
  },
  listen(sk: Sock, backlog: number): number {
    return tcpListen(sk as TcpSock, backlog);
  },
  accept(sk: Sock): Sock | number {
    return tcpAccept(sk as TcpSock);
  },
  sendmsg(sk: Sock, msg: MsgHdr): number {
    return tcpSendmsg(sk as TcpSock, msg);
  },
  recvmsg(sk: Sock, msg: MsgHdr): number {
    return tcpRecvmsg(sk as TcpSock, msg);
  },
  poll(sk: Sock): number {
    return tcpPoll(sk as TcpSock);
  },
  shutdown(sk: Sock, how: number): number {
    return tcpShutdown(sk as TcpSock, how);
  },
  close(sk: Sock): void {
    tcpClose(sk as TcpSock);
  },
  closeEnd(sk: Sock): void {
    tcpCloseEnd(sk as TcpSock);
  },
  setsockopt(sk: Sock, level: number, name: number, value: SockoptValue, netAdmin?: boolean): number {
    return tcpSetsockopt(sk as TcpSock, level, name, value, netAdmin);
  },
  getsockopt(sk: Sock, level: number, name: number): SockoptValue | SockoptError {
    return tcpGetsockopt(sk as TcpSock, level, name);
  },
  ioctl(sk: Sock, cmd: number): number {
    return tcpIoctl(sk as TcpSock, cmd);
  },
  tstampStats(sk: Sock): object {
    return tcpTstampStats(sk as TcpSock);
  },
};

/** The table of a TCP socket of AF_INET6. */
export const tcpV6Prot: Proto = {
  ...tcpProt,
  name: 'TCPv6',
  bind(sk: Sock, addr: SockAddr): number {
    const tp = sk as TcpSock;
    if (tp.bindBucket === null && tp.state === TCP_CLOSE) tp.num = 0;
    return inet6Bind(tp.tcp.ip6!, tp.tcp.ip, tp.tcp.ports, tp, addr);
  },
};

/** poll(2): the events that are true now. Notes that somebody waits for room when there is none. */
export function tcpPoll(tp: TcpSock): number {
  if (tp.state === TCP_LISTEN) return tp.acceptHead !== null ? POLLIN | POLLRDNORM : 0;
  const { shutdown } = tp;
  let mask = 0;
  if (shutdown === SHUTDOWN_MASK || tp.state === TCP_CLOSE) mask |= POLLHUP;
  if ((shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (tp.state !== TCP_SYN_SENT && (tp.state !== TCP_SYN_RECV || tcpFastopenRsk(tp) !== null)) {
    let target = tp.rcvlowat > 0 ? tp.rcvlowat : 1;
    if (tp.urgData !== 0 && tp.urgSeq === tp.copiedSeq && !tp.urgInline) target++;
    if (tcpReadable(tp, target)) mask |= POLLIN | POLLRDNORM;
    if ((shutdown & SEND_SHUTDOWN) !== 0 || tcpWriteable(tp, 1)) mask |= POLLOUT | POLLWRNORM;
    else tp.noSpace = true;
    if ((tp.urgData & TCP_URG_VALID) !== 0) mask |= POLLPRI;
  } else if (tp.state === TCP_SYN_SENT && tcpConnectDeferred(tp)) {
    mask |= POLLOUT | POLLWRNORM; // a write sends the SYN
  }
  if (tp.err !== 0 || hasQueuedError(tp)) mask |= EPOLLERR;
  return mask;
}

/** Are `target` bytes there, or can no more come before some are read? */
export function tcpReadable(tp: TcpSock, target: number): boolean {
  const avail = (tp.rcvNxt - tp.copiedSeq) | 0;
  if (avail <= 0) return false;
  return avail >= target || tcpReceiveWindow(tp) <= tp.rcvMss;
}

/** Bytes to be read: up to an urgent one, and without the FIN's number (Linux: tcp_inq). */
export function tcpInq(tp: TcpSock): number {
  if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) return 0;
  const urgentAhead = tp.urgData !== 0 && !tp.urgInline && ((tp.urgSeq - tp.copiedSeq) | 0) >= 0 && ((tp.urgSeq - tp.rcvNxt) | 0) < 0;
  if (urgentAhead) return (tp.urgSeq - tp.copiedSeq) | 0;
  const bytes = (tp.rcvNxt - tp.copiedSeq) | 0;
  return bytes > 0 && tp.finReceived ? bytes - 1 : bytes;
}

function tcpIoctl(tp: TcpSock, cmd: number): number {
  switch (cmd) {
    case SIOCINQ:
      return tp.state === TCP_LISTEN ? -EINVAL : tcpInq(tp);
    case SIOCATMARK:
      return tp.urgData !== 0 && tp.urgSeq === tp.copiedSeq ? 1 : 0;
    case SIOCOUTQ:
    case SIOCOUTQNSD:
      if (tp.state === TCP_LISTEN) return -EINVAL;
      if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) return 0;
      return (tp.writeSeq - (cmd === SIOCOUTQ ? tp.sndUna : tp.sndNxt)) | 0;
    default:
      return -ENOTTY;
  }
}
