/**
 * Protection against wrapped sequences (RFC 7323 §5): a segment whose timestamp is older than the last one in order is
 * an old duplicate.
 */
import type { Net } from '../dev/net.ts';

/** A connection idle for so long has a TS.Recent that says nothing any more (RFC 7323 §5.5), seconds. */
export const TCP_PAWS_24DAYS: number = 60 * 60 * 24 * 24;
/** Timestamps are kept against RSTs for one segment lifetime, seconds. */
export const TCP_PAWS_MSL = 60;
/** How far a timestamp may run backwards on a live connection: clocks of the peer's processors may differ by one. */
export const TCP_PAWS_WINDOW = 1;

/** The clock of `tsRecentStamp`. */
export function clockSeconds(net: Net): number {
  return Math.floor(net.cpu.now / 1000000000);
}

/** May a segment with `tsval` pass? `window` is how much older than `tsRecent` it may be. */
export function pawsCheck(net: Net, tsRecent: number, tsRecentStamp: number, tsval: number, window: number): boolean {
  if (((tsRecent - tsval) | 0) <= window) return true;
  if (clockSeconds(net) >= tsRecentStamp + TCP_PAWS_24DAYS) return true;
  // Some hosts send their SYN with a timestamp of 0; that says nothing.
  return tsRecent === 0;
}

/** Must a segment be refused for its timestamp? For RSTs the timestamp counts for a minute only: their work comes first. */
export function pawsReject(net: Net, tsRecent: number, tsRecentStamp: number, tsval: number, rst: boolean): boolean {
  if (pawsCheck(net, tsRecent, tsRecentStamp, tsval, 0)) return false;
  return !(rst && clockSeconds(net) >= tsRecentStamp + TCP_PAWS_MSL);
}

/** RFC 9293 §3.10.7.4, first, as Linux tests it for half-open and closed connections: does the segment touch the window? */
export function tcpInWindow(seq: number, endSeq: number, winStart: number, winEnd: number): boolean {
  if (seq === winStart) return true;
  if (((winStart - endSeq) | 0) < 0 && ((seq - winEnd) | 0) < 0) return true;
  return seq === winEnd && seq === endSeq;
}
