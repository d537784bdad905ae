/** TCP's clock: microseconds of host time, taken once per event, and the millisecond time stamps made of it. */
import type { TcpSock } from './sock.ts';

/** TSval of a segment sent now: milliseconds of host time and the connection's own offset, int32 (RFC 7323 §3). */
export function tcpTimeStamp(tp: TcpSock): number {
  return (tp.net.jiffies + tp.tsoffset) | 0;
}
