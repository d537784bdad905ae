/**
 * How much of a connection's data may wait below it, in the queueing discipline and in the card (Linux: TCP small queues).
 *
 * Two super-packets or a millisecond of the pacing rate, whichever is more: enough to keep the card busy, and what waits
 * longer waits in the socket, where it can still be cut, merged, or given up. When a packet has left, its destructor puts the
 * socket in line, and a tasklet lets it go on.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCPF_CLOSE_WAIT, TCPF_CLOSING, TCPF_ESTABLISHED, TCPF_FIN_WAIT1, TCPF_LAST_ACK } from '../sock/constants.ts';
import { SK_PACING_NONE } from '../sock/sock.ts';
import { TASKLET_SOFTIRQ } from '../time/cpu.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpCurrentMss } from './mss.ts';
import type { TcpProto } from './proto.ts';
import { tcpXmitRetransmitQueue } from './retransmit.ts';
import type { TcpSock } from './sock.ts';
import { PUSH_ALL, tcpWriteXmit } from './xmit.ts';

const MAY_SEND: number = TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_CLOSE_WAIT | TCPF_LAST_ACK;

/** Is too much below us already? `factor` doubles the limit (retransmissions). Then the destructor will come back to us. */
export function tcpSmallQueueCheck(tp: TcpSock, skb: SkBuff, factor: number): boolean {
  if (tp.wmemAlloc === 0) return false;
  let limit = Math.max(2 * skb.truesize, tp.pacingRate / 1024);
  if (tp.pacingStatus === SK_PACING_NONE) limit = Math.min(limit, tp.tcp.sysctl.tcpLimitOutputBytes);
  limit *= 1 << factor;
  if (tp.wmemAlloc <= limit) return false;
  // The first segments always go: a card that is slow to say what it has sent must not stop a connection.
  const head = tp.rtxQueue.head;
  if (head === null || head === tp.rtxQueue.tail) return false;
  tp.tsqThrottled = true;
  return true;
}

/** Is the last transmission of `skb` still in this host? What was handed down leaves in order. */
export function tcpSkbStillInHostQueue(tp: TcpSock, skb: SkBuff): boolean {
  if (tp.wmemAlloc === 0 || tp.wmemSent - tp.wmemAlloc >= skb.cb1) return false;
  tp.tsqThrottled = true;
  return true;
}

/** Destructor of a data segment: it has left the host, or is lost. */
export function tcpWfree(skb: SkBuff): void {
  const tp = skb.sk as TcpSock;
  tp.wmemAlloc -= skb.truesize;
  if (!tp.tsqThrottled || tp.tsqQueued) return;
  const { scratch } = tp.tcp;
  tp.tsqQueued = true;
  tp.tsqNext = null;
  if (scratch.tsqTail === null) scratch.tsqHead = tp;
  else scratch.tsqTail.tsqNext = tp;
  scratch.tsqTail = tp;
  tp.net.cpu.raiseSoftirq(TASKLET_SOFTIRQ);
}

/** The sockets in line go on sending (Linux: tcp_tasklet_func). */
export function tcpTsqTasklet(tcp: TcpProto): void {
  const { scratch } = tcp;
  let tp = scratch.tsqHead;
  scratch.tsqHead = null;
  scratch.tsqTail = null;
  while (tp !== null) {
    const next: TcpSock | null = tp.tsqNext;
    tp.tsqNext = null;
    tp.tsqQueued = false;
    tp.tsqThrottled = false;
    tcpTsqHandler(tp);
    tp = next;
  }
}

/** Room below: retransmissions first, then new data. */
export function tcpTsqHandler(tp: TcpSock): void {
  if (((1 << tp.state) & MAY_SEND) === 0) return;
  if (tp.lostOut > tp.retransOut && tp.sndCwnd > tp.packetsOut - tp.sackedOut - tp.lostOut + tp.retransOut) {
    tcpMstampRefresh(tp);
    tcpXmitRetransmitQueue(tp);
  }
  tcpWriteXmit(tp, tcpCurrentMss(tp), tp.nonagle, PUSH_ALL);
}

/** Registers the tasklet. Once per host. */
export function tcpTsqInit(tcp: TcpProto): void {
  tcp.net.cpu.openSoftirq(TASKLET_SOFTIRQ, () => {
    tcpTsqTasklet(tcp);
  });
}
