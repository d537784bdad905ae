/** The congestion control that a route asks for (`ip route … congctl [lock] NAME`). */
import type { Dst } from '../../sock/dst.ts';
import type { TcpSock } from '../sock.ts';
import { tcpCaFind } from './cong.ts';

/** A connection gets its way: the route's algorithm, if it names one (Linux: tcp_ca_dst_init). */
export function tcpCaDstInit(tp: TcpSock, dst: Dst): void {
  const metrics = dst.metrics ?? null;
  if (metrics === null || metrics.congctl === '') return;
  const ops = tcpCaFind(metrics.congctl);
  if (ops === null) return;
  tp.ca = ops;
  tp.caPriv = null;
  tp.caDstLocked = metrics.congctlLock;
}
