/**
 * TCP's clock: microseconds of host time, taken once per event (`tcpMstampRefresh`), and the millisecond time stamps and
 * timer ticks made of it. A tick is 1 ms (HZ=1000).
 */
import type { TcpSock } from './sock.ts';

const NS_PER_TICK = 1000000;

/** Takes the time for the event that is being handled (Linux: tcp_mstamp_refresh). */
export function tcpMstampRefresh(tp: TcpSock): void {
  tp.mstampUs = Math.floor(tp.net.cpu.now / 1000);
}

/** TSval of a segment sent now: milliseconds of host time and the connection's own offset, int32 (RFC 7323 §3). */
export function tcpTimeStamp(tp: TcpSock): number {
  return (tp.net.jiffies + tp.tsoffset) | 0;
}

/** The event's time without the offset, for comparisons on this host (Linux: tcp_time_stamp_ts). Milliseconds, int32. */
export function tcpTimeStampTs(tp: TcpSock): number {
  return Math.floor(tp.mstampUs / 1000) | 0;
}

/** Host milliseconds. */
export function tcpJiffies(tp: TcpSock): number {
  return Math.floor(tp.mstampUs / 1000);
}

/** Whole ticks that cover `us` microseconds. */
export function usecsToTicks(us: number): number {
  return Math.ceil(us / 1000);
}

/** When a timer of `ticks` ticks, armed now, fires: on a tick, never early. Host nanoseconds. */
export function tickExpiry(tp: TcpSock, ticks: number): number {
  return (Math.ceil(tp.net.cpu.now / NS_PER_TICK) + ticks) * NS_PER_TICK;
}

/** Microseconds from now until a timer that fires at `expiresNs`; negative when it is overdue. */
export function usUntil(tp: TcpSock, expiresNs: number): number {
  return (expiresNs - tp.net.cpu.now) / 1000;
}
