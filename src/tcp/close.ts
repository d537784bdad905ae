/**
 * How connections end: close, shutdown, disconnect, abort; and the states on the way (RFC 9293 §3.6, §3.10.4, §3.10.5).
 *
 *   from  tcp/ops.ts            tcpClose, tcpShutdown, tcpDisconnect
 *         tcp/input.ts, state.ts, timer.ts    tcpDone, tcpWriteErr, tcpSetState
 *   to    tcp/output.ts         tcpSendFin, tcpSendActiveReset
 *         tcp/timewait.ts       tcpTimeWait
 */
import { Mib } from '../dev/mib.ts';
import { in6Any } from '../lib/addr6.ts';
import { assert } from '../lib/assert.ts';
import { ECONNRESET, ENOTCONN, ETIMEDOUT } from '../lib/errno.ts';
import { consumeSkb } from '../skb/pool.ts';
import {
  AF_INET6, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK,
  TCPF_CLOSE_WAIT, TCPF_CLOSING, TCPF_ESTABLISHED, TCPF_FIN_WAIT1, TCPF_FIN_WAIT2, TCPF_LAST_ACK, TCPF_SYN_RECV, TCPF_SYN_SENT,
  TCPF_UNACKED, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN,
  TCP_SYN_RECV, TCP_SYN_SENT,
} from '../sock/constants.ts';
import { sockPurgeErrors } from '../sock/error-queue.ts';
import { portsUnbind } from '../sock/ports.ts';
import { sockEndTimestamping } from '../sock/timestamping.ts';
import { TCP_FLAG_FIN } from '../wire/tcp.ts';
import { TCP_INIT_CWND } from './cwnd.ts';
import { tcpPurgeQueues } from './data.ts';
import { tcpEcnSetMode } from './ecn.ts';
import { tcpFastopenOfoCheck } from './fastopen-active.ts';
import { tcpFastopenRemove } from './fastopen.ts';
import { tcpListenStop } from './listen.ts';
import { tcpMemDestroy, tcpMemReclaim, tcpOutOfMemory } from './memory.ts';
import { TCP_MIN_MSS } from './mss.ts';
import { tcpSendActiveReset, tcpSendFin } from './output.ts';
import { tcpWriteQueuePurge } from './segment.ts';
import { TCP_CA_Open, TCP_INFINITE_SSTHRESH, type TcpSock } from './sock.ts';
import { SS_CONNECTED, SS_CONNECTING, SS_DISCONNECTING, SS_UNCONNECTED } from './sock-state.ts';
import { TCP_TIMEOUT_INIT_US, tcpClearXmitTimers, tcpResetKeepaliveTimer } from './timer.ts';
import { tcpTimeWait } from './timewait.ts';
import { TCP_TIMEWAIT_LEN_MS } from './timewait-sock.ts';

// ---- states

/** Moves a socket to another state; CLOSE takes it out of the tables and gives up a port that it did not bind itself. */
export function tcpSetState(tp: TcpSock, state: number): void {
  const { tcp, state: old } = tp;
  const wasOpen = old === TCP_ESTABLISHED || old === TCP_CLOSE_WAIT;
  const isOpen = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT;
  if (isOpen && !wasOpen) tcp.currEstab++;
  if (wasOpen && !isOpen) tcp.currEstab--;
  if (state === TCP_CLOSE) {
    if (wasOpen) tp.net.inc(Mib.TcpEstabResets);
    tcpUnhash(tp);
    if (!tp.bindPortLock) tcpPutPort(tp);
  }
  tp.state = state;
}

/** Takes a socket out of the tables in which segments find it. */
export function tcpUnhash(tp: TcpSock): void {
  if (!tp.hashed) return;
  if (tp.state === TCP_LISTEN) tp.tcp.listening.remove(tp);
  else tp.tcp.established.remove(tp);
  tp.hashed = false;
}

/** Gives the port up. `num` stays, so that getsockname() still tells what it was, as on Linux. */
function tcpPutPort(tp: TcpSock): void {
  if (tp.bindBucket === null) return;
  const { num } = tp;
  portsUnbind(tp.tcp.ports, tp);
  tp.num = num;
}

/** The connection is over, for whatever reason: CLOSE; an orphan is destroyed, an owner told. */
export function tcpDone(tp: TcpSock): void {
  if (tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) tp.net.inc(Mib.TcpAttemptFails);
  tcpFastopenRemove(tp, false);
  tcpSetState(tp, TCP_CLOSE);
  tcpClearXmitTimers(tp);
  tp.shutdown = SHUTDOWN_MASK;
  // Also to a close() that lingers on a socket which has lost its descriptor.
  tp.stateChange(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLHUP);
  if (tp.dead) tcpDestroySock(tp);
}

/** The connection failed: `err` for the user, nothing more to send, CLOSE. */
export function tcpDoneWithError(tp: TcpSock, err: number): void {
  tp.err = err;
  tcpWriteQueuePurge(tp);
  if (!tp.dead) tp.errorReport();
  tcpDone(tp);
}

/** No answer for too long: the last soft error says why if there was one, else ETIMEDOUT. */
export function tcpWriteErr(tp: TcpSock): void {
  tp.net.inc(Mib.TcpExtTCPAbortOnTimeout);
  tcpDoneWithError(tp, tp.errSoft !== 0 ? tp.errSoft : ETIMEDOUT);
}

/** Frees what is left of a socket that is closed and has no descriptor. */
export function tcpDestroySock(tp: TcpSock): void {
  assert(tp.state === TCP_CLOSE && tp.dead, 'only a closed orphan is destroyed');
  if (tp.destroyed) return;
  tp.destroyed = true;
  tcpFastopenRemove(tp, false);
  tcpFastopenOfoCheck(tp);
  if (tp.orphanCounted) {
    tp.orphanCounted = false;
    tp.tcp.orphanCount--;
  }
  tcpClearXmitTimers(tp);
  tp.pacingTimer.del();
  tcpPurgeQueues(tp);
  if (tp.errorQueue !== null) sockPurgeErrors(tp);
  if (tp.rxStamped) sockEndTimestamping(tp);
  tcpMemDestroy(tp);
  tcpPutPort(tp);
  tp.dst = null;
  tp.tcp.socketCount--;
}

/** The last descriptor has gone. */
export function tcpOrphan(tp: TcpSock): void {
  tp.dead = true;
  tp.orphan = true;
  tp.owner = null;
  if (!tp.orphanCounted) {
    tp.orphanCounted = true;
    tp.tcp.orphanCount++;
  }
}

// ---- close

/** RFC 9293 figure 5, the user closes: the next state; true when a FIN is due. */
function tcpCloseState(tp: TcpSock): boolean {
  switch (tp.state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
      tcpSetState(tp, TCP_FIN_WAIT1);
      return true;
    case TCP_CLOSE_WAIT:
      tcpSetState(tp, TCP_LAST_ACK);
      return true;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
      return false;
    default:
      tcpSetState(tp, TCP_CLOSE);
      return false;
  }
}

/**
 * close(2), or the end of the process: nobody refers to the socket any more. It may live on until the peer has
 * acknowledged everything. A caller that waits for that (SO_LINGER, `lingers`) ends the close by {@link tcpCloseEnd}.
 */
export function tcpClose(tp: TcpSock): void {
  const { net } = tp;
  tp.shutdown = SHUTDOWN_MASK;
  if (tp.state === TCP_LISTEN) {
    tcpSetState(tp, TCP_CLOSE);
    tcpListenStop(tp);
    tcpOrphan(tp);
    tcpDestroySock(tp);
    return;
  }
  const unread = tcpDiscardUnread(tp);
  if (tp.state !== TCP_CLOSE) {
    if (unread) {
      // RFC 2525 §2.17: data is lost, so the peer must hear a reset and not a FIN.
      net.inc(Mib.TcpExtTCPAbortOnClose);
      tcpSetState(tp, TCP_CLOSE);
      tcpSendActiveReset(tp);
    } else if (tp.lingerOn && tp.lingerTime === 0) {
      tcpDisconnect(tp);
      net.inc(Mib.TcpExtTCPAbortOnData);
    } else if (tcpCloseState(tp)) {
      tcpSendFin(tp);
    }
  }
  if (tp.lingers && ((1 << tp.state) & TCPF_UNACKED) !== 0) return;
  tcpCloseEnd(tp);
}

/** Nobody refers to the socket any more, nor waits for it. */
export function tcpCloseEnd(tp: TcpSock): void {
  tcpOrphan(tp);
  tcpAdjudge(tp);
}

/** Throws away what the user has not read. True when there was data, not just a FIN. */
function tcpDiscardUnread(tp: TcpSock): boolean {
  let unread = false;
  for (let skb = tp.receiveQueue.popHead(); skb !== null; skb = tp.receiveQueue.popHead()) {
    const end = skb.endSeq - (skb.tcpFlags & TCP_FLAG_FIN);
    if (((tp.copiedSeq - end) | 0) < 0) unread = true;
    consumeSkb(skb);
  }
  tcpMemReclaim(tp);
  return unread;
}

/** An orphan: how long may it stay? */
function tcpAdjudge(tp: TcpSock): void {
  const { net } = tp;
  if (tp.state === TCP_FIN_WAIT2) {
    if (tp.linger2Ms < 0) {
      tcpSetState(tp, TCP_CLOSE);
      tcpSendActiveReset(tp);
      net.inc(Mib.TcpExtTCPAbortOnLinger);
    } else {
      tcpFinWait2Orphan(tp, false);
      return;
    }
  }
  if (tp.state !== TCP_CLOSE && (tcpTooManyOrphans(tp, 0) || tcpOutOfMemory(tp))) {
    tcpSetState(tp, TCP_CLOSE);
    tcpSendActiveReset(tp);
    net.inc(Mib.TcpExtTCPAbortOnMemory);
  }
  if (tp.state === TCP_CLOSE) tcpDestroySock(tp);
}

/**
 * An orphan has come to FIN_WAIT2. Most of its time it spends as a full socket if that is longer than TIME_WAIT lasts, the
 * rest as a small one.
 *
 * @param keepFull a FIN is just being received, and would be lost
 */
export function tcpFinWait2Orphan(tp: TcpSock, keepFull: boolean): void {
  const ms = tcpFinTime(tp);
  if (ms > TCP_TIMEWAIT_LEN_MS) tcpResetKeepaliveTimer(tp, ms - TCP_TIMEWAIT_LEN_MS);
  else if (keepFull) tcpResetKeepaliveTimer(tp, ms);
  else tcpTimeWait(tp, TCP_FIN_WAIT2, ms);
}

/** How long an orphan waits for the peer's FIN, milliseconds (Linux: tcp_fin_time). */
export function tcpFinTime(tp: TcpSock): number {
  const timeout = tp.linger2Ms !== 0 ? tp.linger2Ms : tp.tcp.sysctl.tcpFinTimeout;
  return Math.max(timeout, Math.ceil((tp.rtoUs * 3.5) / 1000));
}

/** More orphans than tcp_max_orphans? `shift` doubles the weight of this one per step. */
function tcpTooManyOrphans(tp: TcpSock, shift: number): boolean {
  if (tp.tcp.orphanCount << shift <= tp.tcp.sysctl.tcpMaxOrphans) return false;
  tp.net.inc(Mib.TcpExtTCPOrphanOverflow);
  return true;
}

/**
 * An orphan's retransmission timer fired: may it stay? (Linux: tcp_out_of_resources)
 *
 * @returns true when there are too many orphans, or too little memory (net.ipv4.tcp_mem), and this one has been ended
 */
export function tcpOrphanOutOfResources(tp: TcpSock, doReset: boolean): boolean {
  const { net } = tp;
  const idleMs = (net.nowUs - tp.lsndtimeUs) / 1000;
  let shift = 0;
  // A peer that has kept its window closed for long, or about which ICMP complains, counts double.
  if (idleMs > 2 * tp.rtoMaxMs || !doReset) shift++;
  if (tp.errSoft !== 0) shift++;
  if (!tcpTooManyOrphans(tp, shift) && !tcpOutOfMemory(tp)) return false;
  const windowClosed = tp.sndWnd === 0 && tp.packetsOut === 0;
  if (doReset || idleMs <= TCP_TIMEWAIT_LEN_MS || windowClosed) tcpSendActiveReset(tp);
  tcpDone(tp);
  net.inc(Mib.TcpExtTCPAbortOnMemory);
  return true;
}

// ---- shutdown, disconnect

/** shutdown(2). `how`: SHUT_RD, SHUT_WR, SHUT_RDWR. 0 or -ENOTCONN. */
export function tcpShutdown(tp: TcpSock, how: number): number {
  const bits = how + 1;
  let err = 0;
  if (tp.sockState === SS_CONNECTING) {
    const unfinished = tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV || tp.state === TCP_CLOSE;
    tp.sockState = unfinished ? SS_DISCONNECTING : SS_CONNECTED;
  }
  switch (tp.state) {
    case TCP_LISTEN:
      // Linux's way to wake a thread that sleeps in accept(): shutdown for reading ends the listening.
      if ((bits & RCV_SHUTDOWN) === 0) break;
      tcpDisconnect(tp);
      tp.sockState = SS_UNCONNECTED;
      break;
    case TCP_SYN_SENT:
      tcpDisconnect(tp);
      tp.sockState = SS_UNCONNECTED;
      break;
    default:
      if (tp.state === TCP_CLOSE) err = -ENOTCONN;
      tp.shutdown |= bits;
      tcpShutdownSend(tp, bits);
  }
  tp.stateChange(tcpShutdownEvents(tp));
  return err;
}

function tcpShutdownEvents(tp: TcpSock): number {
  let events = POLLOUT | POLLWRNORM;
  if ((tp.shutdown & RCV_SHUTDOWN) !== 0) events |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (tp.shutdown === SHUTDOWN_MASK || tp.state === TCP_CLOSE) events |= POLLHUP;
  return events;
}

/** Half-close: the FIN goes behind what is queued. A connection in SYN_RECV sends it when it is established. */
export function tcpShutdownSend(tp: TcpSock, bits: number): void {
  if ((bits & SEND_SHUTDOWN) === 0) return;
  if (((1 << tp.state) & (TCPF_ESTABLISHED | TCPF_SYN_SENT | TCPF_CLOSE_WAIT)) === 0) return;
  if (tcpCloseState(tp)) tcpSendFin(tp);
}

/** connect() with AF_UNSPEC, SO_LINGER 0, shutdown() of a listener: ABORT of RFC 9293 §3.10.5, and a socket as good as new. */
export function tcpDisconnect(tp: TcpSock): number {
  const old = tp.state;
  if (old === TCP_LISTEN) {
    tcpSetState(tp, TCP_CLOSE);
    tcpListenStop(tp);
  } else {
    if (old !== TCP_CLOSE) tcpSetState(tp, TCP_CLOSE);
    if (needsReset(tp, old)) {
      tcpSendActiveReset(tp);
      tp.err = ECONNRESET;
    } else if (old === TCP_SYN_SENT) {
      tp.err = ECONNRESET;
    }
  }
  tcpClearXmitTimers(tp);
  tp.pacingTimer.del();
  tcpFastopenRemove(tp, false);
  tp.fastopen?.reset();
  tcpPurgeQueues(tp);
  tcpResetState(tp);
  if (!tp.dead) tp.stateChange(POLLERR | POLLHUP);
  return 0;
}

/** RFC 9293 §3.10.5: in these states the peer is told. */
function needsReset(tp: TcpSock, state: number): boolean {
  const synced = TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_SYN_RECV;
  if (((1 << state) & synced) !== 0) return true;
  // Where Linux has left the FIN unsent, though RFC 9293 would be past it.
  return tp.sndNxt !== tp.writeSeq && ((1 << state) & (TCPF_CLOSING | TCPF_LAST_ACK)) !== 0;
}

/** Forgets the connection, keeps the options: the socket can connect or listen again. */
function tcpResetState(tp: TcpSock): void {
  tp.dport = 0;
  tp.daddr = 0;
  tp.v6Daddr = null;
  if (tp.family === AF_INET6) tp.af = tp.tcp.v6!;
  if (!tp.bindAddrLock) {
    tp.saddr = 0;
    tp.rcvSaddr = 0;
    tp.v6Saddr = null;
    if (tp.v6RcvSaddr !== null) tp.v6RcvSaddr = in6Any;
  }
  if (tp.bindBucket === null) tp.num = 0;
  tp.shutdown = 0;
  tp.finReceived = false;
  // The next connection begins beyond all that this one may have sent.
  const seq = (tp.writeSeq + tp.maxWindow + 2) | 0;
  tp.writeSeq = seq === 0 ? 1 : seq;
  tp.copiedSeq = tp.rcvNxt;
  tp.dst = null;
  tcpResetNumbers(tp);
}

/** Estimates, counters and the congestion window begin anew. */
function tcpResetNumbers(tp: TcpSock): void {
  tp.srttUs = 0;
  tp.mdevUs = TCP_TIMEOUT_INIT_US;
  tp.mdevMaxUs = 0;
  tp.rttvarUs = 0;
  tp.rtoUs = TCP_TIMEOUT_INIT_US;
  tp.backoff = 0;
  tp.totalRto = 0;
  tp.totalRtoRecoveries = 0;
  tp.totalRtoTimeMs = 0;
  tp.rtoStampMs = -1;
  tp.totalRetrans = 0;
  tp.probesOut = 0;
  tp.probesTstamp = 0;
  tp.retransStamp = 0;
  tp.undoMarker = 0;
  tp.undoRetrans = 0;
  tp.sndSsthresh = TCP_INFINITE_SSTHRESH;
  tp.sndCwnd = TCP_INIT_CWND;
  tp.sndCwndCnt = 0;
  tp.isCwndLimited = false;
  tp.maxPacketsOut = 0;
  tp.caState = TCP_CA_Open;
  tp.caPriv = null;
  tp.frto = false;
  tp.sackReneg = false;
  tp.windowClamp = 0;
  tp.rcvWup = tp.rcvNxt;
  tp.urgData = 0;
  tp.delivered = 0;
  tp.lost = 0;
  tp.bytesSent = 0;
  tp.bytesAcked = 0;
  tp.bytesReceived = 0;
  tp.bytesRetrans = 0;
  tp.segsIn = 0;
  tp.segsOut = 0;
  tp.dataSegsIn = 0;
  tp.dataSegsOut = 0;
  tp.dsackDups = 0;
  tp.timeoutRehash = 0;
  tp.reordSeen = 0;
  tp.rcvOoopack = 0;
  tp.ackPending = 0;
  tp.atoUs = 0;
  tp.quickCount = 0;
  tp.pingpong = 0;
  tp.rcvMss = TCP_MIN_MSS;
  tp.rcvRttUs = 0;
  tp.numSacks = 0;
  tp.dsack = false;
  tp.tsRecent = 0;
  tp.tsRecentStamp = 0;
  tp.tstampOk = false;
  tp.sackOk = false;
  tp.wscaleOk = false;
  tp.sndWscale = 0;
  tp.rcvWscale = 0;
  tp.errSoft = 0;
  tcpEcnSetMode(tp, 0);
  tp.ecnFlags = 0;
  tp.accEcn = null;
  tp.deliveredCe = 0;
}
