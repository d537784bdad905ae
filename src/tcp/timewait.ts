/**
 * TIME_WAIT: how a connection gets there, what it still answers, how it ends.
 *
 *   from  tcp/demux.ts    tcpTimewaitStateProcess, a segment for one
 *         tcp/close.ts, tcp/state.ts, tcp/data.ts    tcpTimeWait, when both FINs are through (or an orphan is in FIN_WAIT2)
 *
 * RFC 9293 §3.10.7.4 for TIME-WAIT, RFC 6191 (a new SYN may end it), RFC 1337 (a reset must not, if so configured).
 */
import { Mib } from '../dev/mib.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_FIN_WAIT2, TCP_TIME_WAIT } from '../sock/constants.ts';
import { portsInherit, portsUnbind } from '../sock/ports.ts';
import { tcpParseOptions } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_OPTIONS, thHlen } from '../wire/tcp.ts';
import { accEcnAce } from './accecn.ts';
import { tcpAoTimeWait } from './ao.ts';
import { tcpDone, tcpUnhash } from './close.ts';
import { tcpEcnAccEcn } from './ecn.ts';
import { tcpReceiveWindow } from './flight.ts';
import { oowRateLimited } from './oow.ts';
import { clockSeconds, pawsReject, tcpInWindow } from './paws.ts';
import type { TcpSock } from './sock.ts';
import { TCP_TIMEWAIT_LEN_MS, TimewaitSock } from './timewait-sock.ts';

/** What to do with a segment for a TIME_WAIT (Linux: enum tcp_tw_status). */
export const TwVerdict = {
  /** Nothing: it has done its work, or is to be ignored. */
  Success: 0,
  /** Acknowledge what we have. */
  Ack: 1,
  /** Reset the peer and forget the connection. */
  Rst: 2,
  /** A SYN that may begin a new connection if somebody listens; else acknowledge. */
  Syn: 3,
  /** An old duplicate, refused for its timestamp. */
  Paws: 4,
} as const;
export type TwVerdict = (typeof TwVerdict)[keyof typeof TwVerdict];

/** Waits up to this long are short ones. */
const TW_KILLED_MS = 4000;
/** The small FIN_WAIT2 waits for so many RTOs at least: the first transmission of a FIN and two more. */
const FIN_WAIT2_RTOS = 3.5;

/**
 * Moves a connection into TIME_WAIT, or an orphan into a FIN_WAIT2 of the small kind; the full socket is done.
 *
 * @param state   TCP_TIME_WAIT or TCP_FIN_WAIT2
 * @param timeoMs how long it may stay in FIN_WAIT2; TIME_WAIT always lasts TCP_TIMEWAIT_LEN_MS
 */
export function tcpTimeWait(tp: TcpSock, state: number, timeoMs: number): void {
  const { tcp } = tp;
  const { sysctl, deathRow } = tcp;
  if (deathRow.count < sysctl.tcpMaxTwBuckets) {
    const tw = twFromSock(tp, state);
    const ms = state === TCP_TIME_WAIT ? TCP_TIMEWAIT_LEN_MS : Math.max(timeoMs, Math.ceil((tp.rtoUs * FIN_WAIT2_RTOS) / 1000));
    deathRow.count++;
    if (tp.bindBucket !== null) portsInherit(tcp.ports, tp, tw);
    tcpUnhash(tp);
    tcp.established.insert(tw);
    // A short wait counts as killed before its time, when it begins, as every wait does.
    tcp.net.inc(ms <= TW_KILLED_MS ? Mib.TcpExtTWKilled : Mib.TcpExtTW);
    twReschedule(tw, ms);
  } else {
    tcp.net.inc(Mib.TcpExtTCPTimeWaitOverflow);
  }
  tcpDone(tp);
}

function twFromSock(tp: TcpSock, state: number): TimewaitSock {
  const { net } = tp;
  const tw = new TimewaitSock(tp.tcp, twExpired);
  tw.substate = state;
  tw.saddr = tp.saddr;
  tw.rcvSaddr = tp.rcvSaddr;
  tw.num = tp.num;
  tw.daddr = tp.daddr;
  tw.dport = tp.dport;
  tw.v6Saddr = tp.v6Saddr;
  tw.v6Daddr = tp.v6Daddr;
  tw.v6RcvSaddr = tp.v6RcvSaddr;
  tw.v6only = tp.v6only;
  tw.boundDevIf = tp.boundDevIf;
  tw.reuse = tp.reuse;
  tw.reuseport = tp.reuseport;
  tw.rcvNxt = tp.rcvNxt;
  tw.sndNxt = tp.sndNxt;
  tw.rcvWnd = tcpReceiveWindow(tp);
  tw.rcvWscale = tp.rcvWscale;
  tw.tstampOk = tp.tstampOk;
  tw.tsRecent = tp.tsRecent;
  tw.tsRecentStamp = tp.tsRecentStamp;
  tw.tsOffset = tp.tsoffset;
  tw.tos = tp.tos;
  if (tp.accEcn !== null && tcpEcnAccEcn(tp)) tw.aceFlags = accEcnAce(tp.accEcn);
  tw.md5Key = tp.md5Key;
  if (tp.ao !== null) tw.ao = tcpAoTimeWait(tp, tp.ao);
  tw.entryStampMs = net.jiffies;
  return tw;
}

function twReschedule(tw: TimewaitSock, ms: number): void {
  tw.timer.mod(tw.tcp.net.cpu.now + ms * 1000000);
}

function twExpired(tw: TimewaitSock): void {
  twKill(tw);
}

/** Ends a TIME_WAIT before its time. */
export function twDeschedule(tw: TimewaitSock): void {
  tw.timer.del();
  twKill(tw);
}

function twKill(tw: TimewaitSock): void {
  const { tcp } = tw;
  if (!tcp.established.remove(tw)) return;
  tcp.deathRow.count--;
  portsUnbind(tcp.ports, tw);
}

/** A segment for a connection in TIME_WAIT or in the small FIN_WAIT2. The skb stays the caller's. */
export function tcpTimewaitStateProcess(tw: TimewaitSock, skb: SkBuff): TwVerdict {
  const { tcp } = tw;
  const { net, rxOpt } = tcp;
  const hlen = thHlen(skb.buf, skb.th);
  const rst = (skb.tcpFlags & TCP_FLAG_RST) !== 0;
  let paws = false;
  rxOpt.sawTstamp = false;
  if (hlen > TCP_HLEN_MIN && tw.tstampOk) {
    tcpParseOptions(skb.buf, skb.th + TCP_OPTIONS, hlen - TCP_HLEN_MIN, rxOpt);
    if (rxOpt.sawTstamp) paws = pawsReject(net, tw.tsRecent, tw.tsRecentStamp, rxOpt.tsval, rst);
  }
  if (tw.substate === TCP_FIN_WAIT2) return finWait2(tw, skb, paws);

  // In the window there is only a bare ACK or a reset left to come.
  if (!paws && skb.seq === tw.rcvNxt && (skb.seq === skb.endSeq || rst)) {
    if (rst) {
      // RFC 1337: a reset that "assassinates" TIME_WAIT is obeyed unless told otherwise, as in all stacks.
      if (tcp.sysctl.tcpRfc1337 === 0) {
        twDeschedule(tw);
        return TwVerdict.Success;
      }
    } else {
      twReschedule(tw, TCP_TIMEWAIT_LEN_MS);
    }
    rememberTstamp(tw);
    return TwVerdict.Success;
  }
  return outOfWindow(tw, skb, paws);
}

/**
 * RFC 6191 and RFC 1122 §4.2.2.13: a SYN whose number lies behind all that we received, or whose timestamp is newer, may
 * begin a new connection. Anything else is acknowledged, but not too often.
 */
function outOfWindow(tw: TimewaitSock, skb: SkBuff, paws: boolean): TwVerdict {
  const { tcp } = tw;
  const { rxOpt, net } = tcp;
  const flags = skb.tcpFlags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK);
  if (flags === TCP_FLAG_SYN && !paws) {
    const newer = rxOpt.sawTstamp && ((tw.tsRecent - rxOpt.tsval) | 0) < 0;
    if (((tw.rcvNxt - skb.seq) | 0) < 0 || newer) return TwVerdict.Syn;
  }
  if (paws) net.inc(Mib.TcpExtPAWSTimewait);
  if ((flags & TCP_FLAG_RST) !== 0) return TwVerdict.Success;
  // A SYN without ACK may be a good one with an unlucky number: it does not prolong the wait.
  if (paws || (flags & TCP_FLAG_ACK) !== 0) twReschedule(tw, TCP_TIMEWAIT_LEN_MS);
  return oowAck(tw, skb, Mib.TcpExtTCPACKSkippedTimeWait, paws);
}

/** FIN_WAIT2 without an owner: everything but the FIN that we wait for is answered here. */
function finWait2(tw: TimewaitSock, skb: SkBuff, paws: boolean): TwVerdict {
  const { tcp } = tw;
  const flags = skb.tcpFlags;
  if (paws || !tcpInWindow(skb.seq, skb.endSeq, tw.rcvNxt, (tw.rcvNxt + tw.rcvWnd) | 0)) {
    return oowAck(tw, skb, Mib.TcpExtTCPACKSkippedFinWait2, paws);
  }
  if ((flags & TCP_FLAG_RST) !== 0) {
    twDeschedule(tw);
    return TwVerdict.Success;
  }
  if ((flags & TCP_FLAG_SYN) !== 0 && ((skb.seq - tw.rcvNxt) | 0) >= 0) return TwVerdict.Rst;
  const isNew = ((tw.rcvNxt - skb.endSeq) | 0) < 0 && skb.endSeq !== skb.seq;
  if ((flags & TCP_FLAG_ACK) === 0 || !isNew) return TwVerdict.Success;
  // RFC 1122 §4.2.2.13: data after close() is reset, nobody will ever read it.
  if ((flags & TCP_FLAG_FIN) === 0 || skb.endSeq !== ((tw.rcvNxt + 1) | 0)) return TwVerdict.Rst;
  tw.substate = TCP_TIME_WAIT;
  tw.rcvNxt = skb.endSeq;
  tw.entryStampMs = tcp.net.jiffies;
  rememberTstamp(tw);
  twReschedule(tw, TCP_TIMEWAIT_LEN_MS);
  return TwVerdict.Ack;
}

function rememberTstamp(tw: TimewaitSock): void {
  const { rxOpt, net } = tw.tcp;
  if (!rxOpt.sawTstamp) return;
  tw.tsRecent = rxOpt.tsval;
  tw.tsRecentStamp = clockSeconds(net);
}

function oowAck(tw: TimewaitSock, skb: SkBuff, skipped: number, paws: boolean): TwVerdict {
  if (oowRateLimited(tw.tcp, tw, skb, skipped)) return paws ? TwVerdict.Paws : TwVerdict.Success;
  return TwVerdict.Ack;
}
