/** What a sender spends its time on, for TCP_INFO: busy, of that limited by the peer's window, by its own send buffer. */
import type { TcpSock } from './sock.ts';

export const TCP_CHRONO_UNSPEC = 0;
export const TCP_CHRONO_BUSY = 1;
export const TCP_CHRONO_RWND_LIMITED = 2;
export const TCP_CHRONO_SNDBUF_LIMITED = 3;

function chronoSet(tp: TcpSock, type: number): void {
  const elapsed = tp.mstampUs - tp.chronoStart;
  if (tp.chronoType !== TCP_CHRONO_UNSPEC) tp.busyUs += elapsed;
  if (tp.chronoType === TCP_CHRONO_RWND_LIMITED) tp.rwndLimitedUs += elapsed;
  else if (tp.chronoType === TCP_CHRONO_SNDBUF_LIMITED) tp.sndbufLimitedUs += elapsed;
  tp.chronoStart = tp.mstampUs;
  tp.chronoType = type;
}

/** A reason begins. Of several the strongest counts: buffer over window over busy. */
export function tcpChronoStart(tp: TcpSock, type: number): void {
  if (type > tp.chronoType) chronoSet(tp, type);
}

/** A reason ends. Data that waits, in either queue, still is a reason to be busy. */
export function tcpChronoStop(tp: TcpSock, type: number): void {
  if (tp.rtxQueue.head === null && tp.writeQueue.head === null) {
    if (tp.chronoType !== TCP_CHRONO_UNSPEC) chronoSet(tp, TCP_CHRONO_UNSPEC);
  } else if (type === tp.chronoType && type !== TCP_CHRONO_BUSY) {
    chronoSet(tp, TCP_CHRONO_BUSY);
  }
}
