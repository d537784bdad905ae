/**
 * Without SACK: duplicate ACKs stand in for SACKed segments (`sackedOut`, an estimate); and how much reordering a path shows,
 * with SACK and without.
 */
import { Mib } from '../dev/mib.ts';
import { tcpHighestSackSeq } from './flight.ts';
import type { TcpSock } from './sock.ts';

/** At least one hole must remain: SACKed and lost together cannot be more than what is out. True when it was cut. */
export function tcpLimitRenoSacked(tp: TcpSock): boolean {
  const holes = Math.min(Math.max(tp.lostOut, 1), tp.packetsOut);
  if (tp.sackedOut + holes <= tp.packetsOut) return false;
  tp.sackedOut = tp.packetsOut - holes;
  return true;
}

/** More duplicate ACKs than segments: some segments came out of order and not lost. */
function tcpCheckRenoReordering(tp: TcpSock, addend: number): void {
  if (!tcpLimitRenoSacked(tp)) return;
  tp.reordering = Math.min(tp.packetsOut + addend, tp.tcp.sysctl.tcpMaxReordering);
  tp.reordSeen++;
  tp.net.inc(Mib.TcpExtTCPRenoReorder);
}

/** Duplicate ACKs came: as many segments have arrived behind the hole. */
export function tcpAddRenoSack(tp: TcpSock, numDupack: number): void {
  if (numDupack === 0) return;
  const prior = tp.sackedOut;
  tp.sackedOut += numDupack;
  tcpCheckRenoReordering(tp, 0);
  const delivered = tp.sackedOut - prior;
  if (delivered > 0) tp.delivered += delivered;
}

/** `acked` segments were acknowledged cumulatively: one of them was the hole, the rest had sent duplicate ACKs. */
export function tcpRemoveRenoSacks(tp: TcpSock, acked: number): void {
  if (acked > 0) {
    tp.delivered += Math.max(acked - tp.sackedOut, 1);
    tp.sackedOut = acked - 1 >= tp.sackedOut ? 0 : tp.sackedOut - (acked - 1);
  }
  tcpCheckRenoReordering(tp, acked);
}

export function tcpResetRenoSack(tp: TcpSock): void {
  tp.sackedOut = 0;
}

/** Something below the highest SACK arrived that was not retransmitted: the path reorders. By how many segments? */
export function tcpCheckSackReordering(tp: TcpSock, lowSeq: number, byTimestamp: boolean): void {
  const metric = (tcpHighestSackSeq(tp) - lowSeq) | 0;
  if (metric <= 0) return;
  const mss = tp.mssCache;
  if (metric > tp.reordering * mss) {
    tp.reordering = Math.min(Math.ceil(metric / mss), tp.tcp.sysctl.tcpMaxReordering);
  }
  tp.reordSeen++;
  tp.net.inc(byTimestamp ? Mib.TcpExtTCPTSReorder : Mib.TcpExtTCPSACKReorder);
}
