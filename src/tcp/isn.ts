/**
 * Where a connection's sequence numbers and timestamps begin (RFC 6528, RFC 7323 §5.4): a keyed hash of who talks to whom,
 * so that nobody outside can guess it, plus a clock, so that a later connection of the same pair begins later.
 */
import type { TcpProto } from './proto.ts';

/** Initial sequence number of a connection, seen from here: our address and port, the peer's. */
export function secureTcpSeq(tcp: TcpProto, saddr: number, daddr: number, sport: number, dport: number): number {
  const hash = tcp.isnKey.hash4(saddr, daddr, (sport << 16) | dport, 0);
  // One step per 64 ns, as Linux has it: about 4.6 minutes around the circle.
  return (hash + (Math.floor(tcp.net.cpu.now / 64) % 4294967296)) | 0;
}

/** What is added to the clock in TSvals to one peer. */
export function secureTcpTsOffset(tcp: TcpProto, saddr: number, daddr: number): number {
  if (tcp.sysctl.tcpTimestamps !== 1) return 0;
  return tcp.tsOffsetKey.hash4(saddr, daddr, 0, 0);
}
