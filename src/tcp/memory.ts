/**
 * The memory of all TCP sockets of a host: net.ipv4.tcp_mem, in pages (Linux: sk_mem_schedule, sk_mem_reclaim and their family).
 *
 *   from  tcp/send.ts           before bytes are copied in
 *         tcp/rcvmem.ts, input.ts   before a segment is queued
 *         tcp/ack.ts, recv.ts, segment.ts, ofo.ts   when there is less to hold: whole pages go back
 *
 * Each socket holds whole pages for what lies in its queues (`memHeld`); `tcp.memPages` is the sum. Up to the first number of
 * tcp_mem nothing happens; beyond the second the host is under pressure: windows and buffers stop growing, and a socket gets
 * more only when it has less than its share; beyond the third nothing is given. What a socket must have (tcp_rmem[0],
 * tcp_wmem[0]) it gets below the third in any case.
 */
import { Mib } from '../dev/mib.ts';
import type { TcpProto } from './proto.ts';
import { tcpStreamWriteSpace } from './sndbuf.ts';
import type { TcpSock } from './sock.ts';

/** The unit of net.ipv4.tcp_mem, bytes. */
export const TCP_MEM_PAGE = 4096;
/** The smallest send buffer of any socket (Linux: SOCK_MIN_SNDBUF). */
export const SOCK_MIN_SNDBUF = 4608;

/** Is the host under memory pressure? (Linux: tcp_under_memory_pressure) */
export function tcpUnderMemoryPressure(tcp: TcpProto): boolean {
  return tcp.memPressureMs !== 0;
}

/** Windows and buffers may grow: no pressure, and less in use than the first number of tcp_mem. */
export function tcpMemoryPlenty(tcp: TcpProto): boolean {
  return tcp.memPressureMs === 0 && tcp.memPages < tcp.sysctl.tcpMem[0];
}

/** Pressure begins, unless it lasts already (Linux: tcp_enter_memory_pressure). */
export function tcpEnterMemoryPressure(tcp: TcpProto): void {
  if (tcp.memPressureMs !== 0) return;
  tcp.memPressureMs = Math.max(1, Math.floor(tcp.net.nowUs / 1000));
  tcp.net.inc(Mib.TcpExtTCPMemoryPressures);
}

function leaveMemoryPressure(tcp: TcpProto): void {
  if (tcp.memPressureMs === 0) return;
  tcp.net.mib[Mib.TcpExtTCPMemoryPressuresChrono]! += Math.floor(tcp.net.nowUs / 1000) - tcp.memPressureMs;
  tcp.memPressureMs = 0;
}

/** May a segment of `size` bytes (truesize) be queued for the reader? */
export function tcpRmemSchedule(tp: TcpSock, size: number): boolean {
  const need = tp.rmemAlloc + tp.wmemQueued + size;
  return need <= tp.memHeld || raise(tp, need, false, size);
}

/** May `size` bytes more be queued for sending? */
export function tcpWmemSchedule(tp: TcpSock, size: number): boolean {
  const need = tp.rmemAlloc + tp.wmemQueued + size;
  return need <= tp.memHeld || raise(tp, need, true, size);
}

/** Memory that the socket holds and nothing lies in, bytes (Linux: sk_forward_alloc). */
export function tcpForwardAlloc(tp: TcpSock): number {
  return tp.memHeld - tp.rmemAlloc - tp.wmemQueued;
}

/** Takes what `size` bytes need, whatever the limits say: without it the connection would stand still. */
export function tcpForcedMemSchedule(tp: TcpSock, size: number): void {
  const need = tp.rmemAlloc + tp.wmemQueued + size;
  if (need > tp.memHeld) hold(tp, Math.ceil(need / TCP_MEM_PAGE) * TCP_MEM_PAGE);
}

/** Gives back whole pages that nothing lies in. Cheap when there are none. */
export function tcpMemReclaim(tp: TcpSock): void {
  const spare = tp.memHeld - tp.rmemAlloc - tp.wmemQueued;
  if (spare < TCP_MEM_PAGE) return;
  hold(tp, tp.memHeld - Math.floor(spare / TCP_MEM_PAGE) * TCP_MEM_PAGE);
  const { tcp } = tp;
  if (tcp.memPressureMs !== 0 && tcp.memPages < tcp.sysctl.tcpMem[0]) leaveMemoryPressure(tcp);
  if (tcp.memWaiters.size > 0 && tcp.memPages < tcp.sysctl.tcpMem[2]) wakeWaiters(tcp);
}

/** More than tcp_mem allows, and this socket has its part in it (Linux: tcp_out_of_memory). */
export function tcpOutOfMemory(tp: TcpSock): boolean {
  return tp.wmemQueued > SOCK_MIN_SNDBUF && tp.tcp.memPages > tp.tcp.sysctl.tcpMem[2];
}

/** No memory for a writer: pressure, and a smaller buffer. One that has nothing under way waits until others give memory back. */
export function tcpSendOutOfMemory(tp: TcpSock): void {
  tcpEnterMemoryPressure(tp.tcp);
  moderateSndbuf(tp);
  if (tp.wmemQueued > 0) return; // an acknowledgement will wake it
  tp.memWait = true;
  tp.tcp.memWaiters.add(tp);
  const { memTimer } = tp.tcp;
  // Limits may be raised as well as memory given back: look again. Linux waits 2 to 201 jiffies.
  if (!memTimer.pending) memTimer.mod(memTimer.base.now + MEM_WAIT_NS);
}

/** How long a writer without memory sleeps at most before it looks again. */
const MEM_WAIT_NS = 200_000_000;

/** The waiting writers look again; whoever finds nothing waits anew. */
export function wakeWaiters(tcp: TcpProto): void {
  const waiting = [...tcp.memWaiters];
  tcp.memWaiters.clear();
  for (const tp of waiting) {
    tp.memWait = false;
    if (!tp.destroyed) tcpStreamWriteSpace(tp);
  }
}

/** The socket is gone: what it holds goes back. */
export function tcpMemDestroy(tp: TcpSock): void {
  tcpMemReclaim(tp);
  hold(tp, 0);
  if (tp.memWait) tp.tcp.memWaiters.delete(tp);
}

function hold(tp: TcpSock, bytes: number): void {
  tp.tcp.memPages += (bytes - tp.memHeld) / TCP_MEM_PAGE;
  tp.memHeld = bytes;
}

/** Makes `memHeld` at least `need`, if the host's limits allow it (Linux: __sk_mem_raise_allocated). */
function raise(tp: TcpSock, need: number, send: boolean, size: number): boolean {
  const { tcp } = tp;
  const [low, pressure, high] = tcp.sysctl.tcpMem;
  const before = tp.memHeld;
  hold(tp, Math.ceil(need / TCP_MEM_PAGE) * TCP_MEM_PAGE);
  const pages = tcp.memPages;
  if (pages <= low) {
    leaveMemoryPressure(tcp);
    return true;
  }
  if (pages > pressure) tcpEnterMemoryPressure(tcp);
  if (pages <= high) {
    const least = send ? tp.wmemQueued < tcp.sysctl.tcpWmem[0] : tp.rmemAlloc < tcp.sysctl.tcpRmem[0];
    if (least || tcp.memPressureMs === 0 || high > tcp.socketCount * (tp.memHeld / TCP_MEM_PAGE)) return true;
  }
  if (send) {
    moderateSndbuf(tp);
    // Only a socket that is below its buffer can be told to wait.
    if (tp.wmemQueued + size >= tp.sndbuf) return true;
  }
  hold(tp, before);
  return false;
}

/** Half of what is queued is enough from now on (Linux: sk_stream_moderate_sndbuf). */
function moderateSndbuf(tp: TcpSock): void {
  if (!tp.sndbufLocked) tp.sndbuf = Math.max(Math.min(tp.sndbuf, tp.wmemQueued >> 1), SOCK_MIN_SNDBUF);
}
