/** The send buffer: how large, when full, and who is told when there is room again. */
import { tcpMemoryPlenty } from './memory.ts';
import { MAX_TCP_HEADER, type TcpSock } from './sock.ts';
import { TCP_CHRONO_SNDBUF_LIMITED, tcpChronoStop } from './chrono.ts';
import { tcpJiffies } from './clock.ts';
import { TCP_INIT_CWND } from './cwnd.ts';
import { tcpPacketsInFlight } from './flight.ts';

/** What Linux reckons for shared info and for the sk_buff itself. */
const SHARED_INFO_SIZE = 320;
const SKBUFF_SIZE = 256;

/** Room for two windows of segments (BBR: three), so that the writer has time to react (Linux: tcp_sndbuf_expand). */
export function tcpSndbufExpand(tp: TcpSock): void {
  const seg = Math.max(tp.mssClamp, tp.mssCache) + MAX_TCP_HEADER + SHARED_INFO_SIZE;
  const perMss = 2 ** Math.ceil(Math.log2(seg)) + SKBUFF_SIZE;
  const segs = Math.max(TCP_INIT_CWND, tp.sndCwnd, tp.reordering + 1);
  const windows = tp.ca.sndbufExpand === null ? 2 : tp.ca.sndbufExpand(tp);
  const want = windows * segs * perMss;
  if (tp.sndbuf < want) tp.sndbuf = Math.max(tp.sndbuf, Math.min(want, tp.tcp.sysctl.tcpWmem[2]));
}

/** The limit of unsent bytes up to which a socket counts as writable: the socket's, else net.ipv4.tcp_notsent_lowat. */
export function tcpNotsentLowat(tp: TcpSock): number {
  return tp.notsentLowat !== 0 ? tp.notsentLowat : tp.tcp.sysctl.tcpNotsentLowat;
}

/** May one more skb be begun? `wake` 1: only half of TCP_NOTSENT_LOWAT counts, so that a woken writer comes with a good load. */
export function tcpMemoryFree(tp: TcpSock, wake: number): boolean {
  if (tp.wmemQueued >= tp.sndbuf) return false;
  const notsent = (tp.writeSeq - tp.sndNxt) >>> 0;
  return notsent * (1 << wake) < tcpNotsentLowat(tp);
}

/**
 * Writable, as poll() sees it (Linux: sk_stream_is_writeable): a third of the buffer is free, and little is unsent.
 * Differs: not while it waits for memory of the host, or whoever polls would run in circles.
 */
export function tcpWriteable(tp: TcpSock, wake: number): boolean {
  return tp.sndbuf - tp.wmemQueued >= tp.wmemQueued >> 1 && tcpMemoryFree(tp, wake) && !tp.memWait;
}

/** Acknowledgements made room: tells a writer who found the buffer full (Linux: tcp_check_space). */
export function tcpCheckSpace(tp: TcpSock): void {
  if (!tp.noSpace) return;
  if (!tp.sndbufLocked && tcpMemoryPlenty(tp.tcp) && tcpPacketsInFlight(tp) < tp.sndCwnd) {
    tcpSndbufExpand(tp);
    tp.sndCwndStamp = tcpJiffies(tp);
  }
  tcpStreamWriteSpace(tp);
  if (!tp.noSpace) tcpChronoStop(tp, TCP_CHRONO_SNDBUF_LIMITED);
}

/** Wakes the writers when the buffer is writable again (Linux: sk_stream_write_space). */
export function tcpStreamWriteSpace(tp: TcpSock): void {
  if (!tcpWriteable(tp, 1)) return;
  tp.noSpace = false;
  tp.writeSpace();
}
