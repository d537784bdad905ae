/** A connection and its way (`sk.dst`), whatever the family. */
import type { Dst } from '../sock/dst.ts';
import { GSO_MAX_SIZE, MAX_TCP_HEADER, type TcpSock } from './sock.ts';

/** What the device of the way can take at once (Linux: sk_setup_caps). The way is the socket's from here on. */
export function tcpSetupCaps(tp: TcpSock, dst: Dst): void {
  tp.dst = dst;
  tp.gsoMaxSize = Math.min(GSO_MAX_SIZE, dst.dev.gsoMaxSize - MAX_TCP_HEADER - 1);
  tp.gsoMaxSegs = tp.md5Key === null && tp.ao === null ? dst.dev.gsoMaxSegs : 1; // each segment has a signature of its own
}

/** The peer answers: the next hop on the way to it is alive (RFC 4861 §7.3.1 has it for IPv6, Linux for both). */
export function tcpConfirmNeigh(tp: TcpSock): void {
  const dst = tp.dst as Dst | null;
  if (dst !== null && dst.neigh !== null) dst.neigh.confirmed = tp.net.cpu.now;
}
