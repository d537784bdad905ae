/**
 * What is true of a socket, a host and a world at every moment when nobody is inside the kernel. Checked after each step
 * of a lab and at the end of each scenario; a broken one is our fault, never a packet's.
 */
import { after, before } from '../lib/seq.ts';
import { dropName, Drop } from '../skb/drop-reason.ts';
import type { SkbPool } from '../skb/pool.ts';
import type { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  TCPF_CLOSE, TCPF_LISTEN, TCPF_SYN_SENT, TCP_NEW_SYN_RECV, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { TcpSock, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS } from '../tcp/sock.ts';
import type { TcpProto } from '../tcp/proto.ts';
import type { UdpProto } from '../udp/sock.ts';

/** Segments that an skb of the send queues counts for (Linux: tcp_skb_pcount). */
export function tcpSkbPcount(skb: SkBuff): number {
  return Math.max(1, skb.gsoSegs);
}

/** What is wrong with a connection; an empty list when all is well. */
export function checkTcp(tp: TcpSock): string[] {
  const bad: string[] = [];
  if (((1 << tp.state) & (TCPF_CLOSE | TCPF_LISTEN)) !== 0) return bad;
  checkSendQueues(tp, bad);
  checkScoreboard(tp, bad);
  checkReceiveQueues(tp, bad);
  checkTimers(tp, bad);
  return bad;
}

function checkSendQueues(tp: TcpSock, bad: string[]): void {
  if (after(tp.sndUna, tp.sndNxt)) bad.push(`sndUna ${rel(tp, tp.sndUna)} is beyond sndNxt ${rel(tp, tp.sndNxt)}`);
  if (after(tp.sndNxt, tp.writeSeq)) bad.push(`sndNxt ${rel(tp, tp.sndNxt)} is beyond writeSeq ${rel(tp, tp.writeSeq)}`);
  const first = tp.rtxQueue.head;
  if (first === null) {
    if (tp.packetsOut !== 0) bad.push(`packetsOut is ${tp.packetsOut}, the retransmission queue is empty`);
  } else {
    if (after(first.seq, tp.sndUna) || !after(first.endSeq, tp.sndUna)) {
      bad.push(`the retransmission queue begins at ${rel(tp, first.seq)}:${rel(tp, first.endSeq)}, sndUna is ${rel(tp, tp.sndUna)}`);
    }
    contiguous(tp, tp.rtxQueue, 'the retransmission queue', bad);
    const { endSeq } = tp.rtxQueue.tail!;
    if (endSeq !== tp.sndNxt) bad.push(`the retransmission queue ends at ${rel(tp, endSeq)}, not at sndNxt`);
  }
  const unsent = tp.writeQueue.head;
  if (unsent === null) {
    if (tp.sndNxt !== tp.writeSeq) bad.push(`nothing is unsent, but sndNxt ${rel(tp, tp.sndNxt)} is not writeSeq ${rel(tp, tp.writeSeq)}`);
  } else {
    if (unsent.seq !== tp.sndNxt) bad.push(`the write queue begins at ${rel(tp, unsent.seq)}, sndNxt is ${rel(tp, tp.sndNxt)}`);
    contiguous(tp, tp.writeQueue, 'the write queue', bad);
    const { endSeq } = tp.writeQueue.tail!;
    if (endSeq !== tp.writeSeq) bad.push(`the write queue ends at ${rel(tp, endSeq)}, not at writeSeq`);
  }
  const queued = sum(tp.rtxQueue, (skb) => skb.truesize) + sum(tp.writeQueue, (skb) => skb.truesize);
  if (tp.wmemQueued !== queued) bad.push(`wmemQueued is ${tp.wmemQueued}, the queues hold ${queued}`);
  if (tp.sndCwnd < 1) bad.push(`sndCwnd is ${tp.sndCwnd}`);
}

function checkScoreboard(tp: TcpSock, bad: string[]): void {
  const count = (flag: number): number => sum(tp.rtxQueue, (skb) => ((skb.sacked & flag) !== 0 ? tcpSkbPcount(skb) : 0));
  const out = sum(tp.rtxQueue, tcpSkbPcount);
  if (tp.packetsOut !== out) bad.push(`packetsOut is ${tp.packetsOut}, the retransmission queue counts ${out}`);
  const lost = count(TCPCB_LOST);
  if (tp.lostOut !== lost) bad.push(`lostOut is ${tp.lostOut}, marked are ${lost}`);
  const retrans = count(TCPCB_SACKED_RETRANS);
  if (tp.retransOut !== retrans) bad.push(`retransOut is ${tp.retransOut}, marked are ${retrans}`);
  const sacked = count(TCPCB_SACKED_ACKED);
  if (tp.sackOk ? tp.sackedOut !== sacked : tp.sackedOut > tp.packetsOut) {
    bad.push(`sackedOut is ${tp.sackedOut}, marked are ${sacked} of ${tp.packetsOut}`);
  }
  if (tp.sackedOut + tp.lostOut > tp.packetsOut) {
    bad.push(`sackedOut ${tp.sackedOut} + lostOut ${tp.lostOut} are more than packetsOut ${tp.packetsOut}`);
  }
}

function checkReceiveQueues(tp: TcpSock, bad: string[]): void {
  if (((1 << tp.state) & TCPF_SYN_SENT) !== 0) return;
  if (after(tp.copiedSeq, tp.rcvNxt)) bad.push(`copiedSeq is beyond rcvNxt by ${(tp.copiedSeq - tp.rcvNxt) | 0}`);
  if (after(tp.rcvWup, tp.rcvNxt)) bad.push('rcvWup is beyond rcvNxt');
  if (tp.rcvWnd < 0) bad.push(`rcvWnd is ${tp.rcvWnd}`);
  const queue = tp.receiveQueue;
  if (queue.head !== null) {
    if (after(queue.head.seq, tp.copiedSeq)) bad.push('the receive queue begins beyond copiedSeq');
    if (queue.tail!.endSeq !== tp.rcvNxt) bad.push(`the receive queue ends ${(tp.rcvNxt - queue.tail!.endSeq) | 0} before rcvNxt`);
  }
  for (let skb = tp.ofoQueue.head; skb !== null; skb = skb.next) {
    if (!after(skb.endSeq, tp.rcvNxt)) bad.push('an out-of-order segment lies below rcvNxt');
    const { prev } = skb;
    if (prev !== null && (before(skb.seq, prev.seq) || before(skb.endSeq, prev.endSeq))) bad.push('the out-of-order queue is not sorted');
  }
  const held = sum(tp.receiveQueue, (skb) => skb.truesize) + sum(tp.ofoQueue, (skb) => skb.truesize);
  if (tp.rmemAlloc !== held) bad.push(`rmemAlloc is ${tp.rmemAlloc}, the queues hold ${held}`);
  if (tp.ofoQueue.head === null && tp.numSacks > 0) bad.push(`${tp.numSacks} SACK blocks, nothing is out of order`);
}

/** Unacknowledged data never waits for ever: something is armed that will move it. */
function checkTimers(tp: TcpSock, bad: string[]): void {
  if (tp.packetsOut > 0 && !tp.rtxTimer.pending) bad.push(`${tp.packetsOut} segments are out and no retransmission timer runs`);
  const waits = tp.packetsOut === 0 && tp.writeQueue.head !== null;
  if (waits && !tp.rtxTimer.pending && !tp.pacingTimer.pending) bad.push('data is unsent, nothing is out, and no timer runs');
}

function contiguous(tp: TcpSock, queue: SkBuffHead, what: string, bad: string[]): void {
  for (let skb = queue.head; skb !== null; skb = skb.next) {
    if (!after(skb.endSeq, skb.seq)) bad.push(`${what} has an empty segment at ${rel(tp, skb.seq)}`);
    if (skb.prev !== null && skb.prev.endSeq !== skb.seq) bad.push(`${what} has a gap before ${rel(tp, skb.seq)}`);
  }
}

function sum(queue: SkBuffHead, of: (skb: SkBuff) => number): number {
  let n = 0;
  for (let skb = queue.head; skb !== null; skb = skb.next) n += of(skb);
  return n;
}

function rel(tp: TcpSock, seq: number): number {
  return (seq - tp.iss) >>> 0;
}

/** All connections of a host: what {@link checkTcp} says of each. */
export function checkAllTcp(tcp: TcpProto): string[] {
  const bad: string[] = [];
  for (const e of tcp.established.entries()) {
    if (e.state === TCP_NEW_SYN_RECV || e.state === TCP_TIME_WAIT || !(e instanceof TcpSock)) continue;
    for (const text of checkTcp(e)) bad.push(`:${e.num} > :${e.dport}: ${text}`);
  }
  return bad;
}

/** Nothing may be left of TCP: sockets, requests, TIME_WAITs, orphans, ports. */
export function checkNoTcpLeft(tcp: TcpProto): string[] {
  const bad: string[] = [];
  if (tcp.established.count !== 0) {
    const what = tcp.established.entries().map((e) => `state ${e.state} :${e.num} > :${e.dport}`);
    bad.push(`${tcp.established.count} entries are left in the table of connections: ${what.slice(0, 5).join(', ')}`);
  }
  const listeners = tcp.listening.entries().length;
  if (listeners !== 0) bad.push(`${listeners} listeners are left`);
  if (tcp.socketCount !== 0) bad.push(`${tcp.socketCount} TCP sockets are left`);
  if (tcp.memPages !== 0) bad.push(`${tcp.memPages} pages of net.ipv4.tcp_mem are held`);
  if (tcp.orphanCount !== 0) bad.push(`${tcp.orphanCount} orphans are counted`);
  if (tcp.deathRow.count !== 0) bad.push(`${tcp.deathRow.count} TIME_WAITs are counted`);
  const ports = [...tcp.ports.all()].map((bucket) => bucket.port);
  if (ports.length !== 0) bad.push(`TCP ports are held: ${ports.slice(0, 10).join(', ')}`);
  if (tcp.currEstab !== 0) bad.push(`${tcp.currEstab} established connections are counted`);
  return bad;
}

/** Nothing may be left of UDP: ports, bytes in receive queues. */
export function checkNoUdpLeft(udp: UdpProto): string[] {
  const bad: string[] = [];
  if (udp.ports.size !== 0) bad.push(`${udp.ports.size} UDP ports are held`);
  if (udp.memory !== 0) bad.push(`${udp.memory} bytes are left in UDP's receive queues`);
  return bad;
}

/** No skb and no page is in use. */
export function checkPool(pool: SkbPool): string[] {
  const bad: string[] = [];
  if (pool.live !== 0) bad.push(`${pool.live} skbs are leaked`);
  if (pool.livePages !== 0) bad.push(`${pool.livePages} pages are leaked`);
  return bad;
}

/** Every drop had a reason: none was called unspecified. */
export function checkDrops(pool: SkbPool): string[] {
  const n = pool.drops[Drop.NotSpecified]!;
  return n === 0 ? [] : [`${n} drops without a reason (${dropName(Drop.NotSpecified)})`];
}
