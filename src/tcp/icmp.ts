/**
 * ICMP errors about our segments (RFC 5927: believed only if the quoted number is one that we have in flight).
 *
 *   from  ip/icmp.ts       tcpV4Err, `data` at the quoted IP header
 *   to    the socket       a hard error ends a handshake; later errors are soft, unless IP_RECVERR asks for them
 *         tcp/output.ts    tcpSimpleRetransmit, after "fragmentation needed"
 */
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import {
  ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP, EPROTO,
} from '../lib/errno.ts';
import { between } from '../lib/seq.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import {
  IP_PMTUDISC_DONT, TCP_CLOSE, TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import {
  ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PARAMETERPROB, ICMP_PROT_UNREACH,
  ICMP_TIME_EXCEEDED, NR_ICMP_UNREACH,
} from '../wire/icmp.ts';
import { iphDaddr, iphHlen, iphSaddr } from '../wire/ipv4.ts';
import { thDport, thSeq, thSport } from '../wire/tcp.ts';
import { tcpAoIgnoreIcmp } from './ao.ts';
import { tcpMstampRefresh } from './clock.ts';
import { tcpDoneWithError } from './close.ts';
import { tcpFastopenRsk } from './fastopen-sock.ts';
import { tcpSyncMss } from './mss.ts';
import { tcpSimpleRetransmit } from './retransmit.ts';
import type { EhashEntry } from './hashtables.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { reqskDrop, tcpListenDrop } from './request.ts';
import { tcpBaseRto } from './rtt.ts';
import { ICSK_TIME_RETRANS, type TcpSock } from './sock.ts';
import { resetXmitTimer, TCP_TIMEOUT_INIT_US } from './timer.ts';
import type { TimewaitSock } from './timewait-sock.ts';

/** What each code of "destination unreachable" means to a program (RFC 1122 §4.2.3.9; Linux's table). ENONET is 64. */
const UNREACH_ERRNO: readonly number[] = [
  ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED, EMSGSIZE, EOPNOTSUPP, ENETUNREACH, EHOSTDOWN,
  64, ENETUNREACH, EHOSTUNREACH, ENETUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
];

/** An ICMP error about a segment of ours. The skb stays the caller's. `info` is the MTU of the next hop. */
export function tcpV4Err(tcp: TcpProto, skb: SkBuff, type: number, code: number, info: number): void {
  const { net } = tcp;
  const { buf, data } = skb;
  const th = data + iphHlen(buf, data);
  const dif = skb.dev === null ? 0 : (skb.dev as NetDevice).ifindex;
  const entry = tcp.established.lookup(iphSaddr(buf, data), thSport(buf, th), iphDaddr(buf, data), thDport(buf, th), dif);
  if (entry === null) {
    net.inc(Mib.IcmpInErrors);
    return;
  }
  const seq = thSeq(buf, th);
  const tp = tcpErrSock(entry, seq, unreachable(type, code), hardError(type, code));
  if (tp === null) return;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    tcpMtuReduced(tp, info);
    return;
  }
  const err = icmpErrno(type, code);
  if (err === 0) return;
  if (type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH)) revertBackoff(tp, seq);
  tcpIcmpError(tp, err, tp.recverr);
}

/**
 * Whom a message about the segment `seq` concerns: a connection that has it in flight, or null when there is nothing more to do.
 *
 * @param abort a half-open request is given up
 * @param hard it is one of those that RFC 5925 §7.8 names
 */
export function tcpErrSock(entry: EhashEntry, seq: number, abort: boolean, hard: boolean): TcpSock | null {
  if (entry.state === TCP_TIME_WAIT) {
    tcpAoIgnoreIcmp(entry as TimewaitSock, hard);
    return null;
  }
  if (entry.state === TCP_NEW_SYN_RECV) {
    reqErr(entry as RequestSock, seq, abort);
    return null;
  }
  const tp = entry as TcpSock;
  if (tcpAoIgnoreIcmp(tp, hard) || tp.state === TCP_CLOSE || tp.state === TCP_LISTEN) return null;
  // The SYN-ACK of a Fast Open's child lies below its SND.UNA.
  const una = tcpFastopenRsk(tp)?.sntIsn ?? tp.sndUna;
  if (between(seq, una, tp.sndNxt)) return tp;
  tp.net.inc(Mib.TcpExtOutOfWindowIcmps);
  return null;
}

/**
 * RFC 6069: the message proves that the retransmission was lost for want of a way and not for congestion: the last
 * doubling of the RTO is taken back, so that the connection goes on soon after the way is there again.
 */
export function revertBackoff(tp: TcpSock, seq: number): void {
  const skb = tp.rtxQueue.head;
  if (skb === null || seq !== tp.sndUna || tp.retransmits === 0 || tp.backoff === 0) return;
  tcpMstampRefresh(tp);
  tp.backoff--;
  const base = tp.srttUs !== 0 ? tcpBaseRto(tp) : TCP_TIMEOUT_INIT_US;
  tp.rtoUs = Math.min(base * 2 ** tp.backoff, tp.rtoMaxMs * 1000);
  resetXmitTimer(tp, ICSK_TIME_RETRANS, Math.max(0, tp.rtoUs - (tp.mstampUs - skb.sentUs)));
}

/** RFC 5925 §7.8: protocol unreachable, port unreachable, fragmentation needed. */
function hardError(type: number, code: number): boolean {
  return type === ICMP_DEST_UNREACH && code >= ICMP_PROT_UNREACH && code <= ICMP_FRAG_NEEDED;
}

/** Does the message say that the peer cannot be reached at all? */
function unreachable(type: number, code: number): boolean {
  if (type === ICMP_PARAMETERPROB || type === ICMP_TIME_EXCEEDED) return true;
  return type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH);
}

/** The errno for a message; 0 when TCP does not care (RFC 6633: source quench is ignored). */
function icmpErrno(type: number, code: number): number {
  if (type === ICMP_PARAMETERPROB) return EPROTO;
  if (type === ICMP_TIME_EXCEEDED) return EHOSTUNREACH;
  return type === ICMP_DEST_UNREACH && code <= NR_ICMP_UNREACH ? UNREACH_ERRNO[code]! : 0;
}

/** RFC 1122 §4.2.3.9: during the handshake the error ends it; afterwards TCP goes on trying and only remembers it. */
export function tcpIcmpError(tp: TcpSock, err: number, recverr: boolean): void {
  // A Fast Open's child that is in somebody's hands counts as connected.
  const inUse = tcpFastopenRsk(tp) !== null && tp.listener === null;
  if ((tp.state === TCP_SYN_SENT || tp.state === TCP_SYN_RECV) && !inUse) {
    tcpDoneWithError(tp, err);
    return;
  }
  if (recverr) {
    tp.err = err;
    tp.errorReport();
  } else {
    tp.errSoft = err;
  }
}

/** About a SYN-ACK: the request is forgotten without a word; nobody is there who could be told. */
function reqErr(req: RequestSock, seq: number, abort: boolean): void {
  const tp = req.listener;
  if (seq !== req.sntIsn) {
    tp.net.inc(Mib.TcpExtOutOfWindowIcmps);
  } else if (abort) {
    reqskDrop(req);
    tcpListenDrop(tp, Drop.NotSpecified);
  }
}

/** RFC 1191: the path is narrower than we thought. What was too large is sent again at once, smaller. */
export function tcpMtuReduced(tp: TcpSock, mtu: number): void {
  const pmtu = tp.af.mtuReduced(tp, mtu);
  if (pmtu < 0 || tp.af.pmtudisc(tp) === IP_PMTUDISC_DONT) return;
  if (mtu < pmtu) tp.errSoft = EMSGSIZE;
  if (tp.pmtuCookie > pmtu) {
    tcpSyncMss(tp, pmtu);
    const before = tp.dataSegsOut;
    tcpSimpleRetransmit(tp);
    if (tp.dataSegsOut !== before) tp.lsndtimeUs = tp.net.nowUs; // which is not by TCP's clock
  }
}
