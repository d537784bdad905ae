/** What `%{ … }%` sees of the socket under test: TCP_INFO, TCP_CC_INFO and SO_MEMINFO, under packetdrill's names. */
import { SOL_SOCKET, SOL_TCP, SO_MEMINFO, TCP_CC_INFO, TCP_INFO } from '../../sock/constants.ts';
import { SockoptError } from '../../sock/sock.ts';
import type { Process } from '../../syscall/process.ts';
import { type MemInfo, sysGetsockopt } from '../../syscall/sockopt.ts';

/** The variables of one moment; null when the descriptor is no TCP socket. */
export function snapshot(p: Process, fd: number): Record<string, number> | null {
  const info = sysGetsockopt(p, fd, SOL_TCP, TCP_INFO);
  const mem = sysGetsockopt(p, fd, SOL_SOCKET, SO_MEMINFO);
  if (info instanceof SockoptError || mem instanceof SockoptError) return null;
  const m = mem as MemInfo;
  const cc = sysGetsockopt(p, fd, SOL_TCP, TCP_CC_INFO);
  return {
    ...(info as Record<string, number>),
    ...(cc instanceof SockoptError ? {} : (cc as Record<string, number>)),
    SK_MEMINFO_RMEM_ALLOC: m.rmemAlloc, SK_MEMINFO_RCVBUF: m.rcvbuf, SK_MEMINFO_WMEM_ALLOC: m.wmemAlloc, SK_MEMINFO_SNDBUF: m.sndbuf,
    SK_MEMINFO_FWD_ALLOC: m.fwdAlloc, SK_MEMINFO_WMEM_QUEUED: m.wmemQueued, SK_MEMINFO_OPTMEM: m.optmem,
    SK_MEMINFO_BACKLOG: m.backlog, SK_MEMINFO_DROPS: m.drops,
  };
}
