/**
 * TCP, which socket is it for?
 *
 *   from  ip/input.ts      tcpRcv (of IPv6 ip/v6/input.ts), `data` at the TCP header, trimmed to the IP packet
 *   to    tcp/input.ts     tcpRcvEstablished, the steady path
 *         tcp/state.ts     tcpRcvStateProcess, all other states of a connection
 *         tcp/request.ts   a SYN to a listener; tcp/minisocks.ts a segment for a half-open connection or a TIME_WAIT
 *         tcp/reset.ts     nobody: a reset
 *
 * Order: the header must be whole, the checksum right; then the table by 4-tuple (connections, half-open ones, TIME_WAIT),
 * then the listeners. What the header says is copied to `skb.seq`, `endSeq`, `ackSeq`, `tcpFlags` here, once.
 */
import { assert } from '../lib/assert.ts';
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { mayPull } from '../skb/copy.ts';
import { skbChecksumVerify } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_NONE, PACKET_HOST, type SkBuff } from '../skb/sk-buff.ts';
import {
  IPPROTO_TCP, POLLIN, POLLRDNORM, TCP_ESTABLISHED, TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT,
} from '../sock/constants.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { iphDaddr, iphSaddr } from '../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../wire/ipv6.ts';
import {
  TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN,
  thAckSeq, thDport, thFlags9, thHlen, thSeq, thSport,
} from '../wire/tcp.ts';
import { tcpInboundHash, tcpParseAuthOptions } from './auth.ts';
import { tcpRcvEstablished } from './input.ts';
import { tcpCheckReq } from './minisocks.ts';
import type { EhashEntry } from './hashtables.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { tcpConnRequest, reqskDrop } from './request.ts';
import { tcpSendReset, tcpTimewaitSendAck } from './reset.ts';
import type { TcpSock } from './sock.ts';
import { tcpRcvStateProcess } from './state.ts';
import { cookieCheck } from './syncookies.ts';
import { TwVerdict, twDeschedule, tcpTimewaitStateProcess } from './timewait.ts';
import type { TimewaitSock } from './timewait-sock.ts';

/** A TCP segment for this host. Takes the skb. */
export function tcpRcv(tcp: TcpProto, skb: SkBuff): void {
  const { net } = tcp;
  if (skb.pktType !== PACKET_HOST) {
    net.drop(skb, Drop.OtherHost); // a segment to a broadcast or multicast address: RFC 9293 §3.9.2.3, silently
    return;
  }
  net.inc(Mib.TcpInSegs);
  if (skb.trace !== 0) net.trace(skb, skb.protocol === ETH_P_IPV6 ? 'tcpV6Rcv' : 'tcpV4Rcv');
  if (!tcpHeaderOk(tcp, skb)) return;
  const dif = (skb.dev as NetDevice).ifindex;
  // Twice at most, but for requests whose listener has gone: each look-up of such a one removes it.
  for (;;) {
    const entry = findEntry(tcp, skb, dif);
    if (entry === null) break;
    if (entry.state === TCP_NEW_SYN_RECV) {
      if (tcpReqRcv(entry as RequestSock, skb)) return;
      continue;
    }
    if (entry.state === TCP_TIME_WAIT) tcpTimewaitRcv(entry as TimewaitSock, skb, dif);
    else tcpDoRcv(entry as TcpSock, skb);
    return;
  }
  const listener = findListener(tcp, skb, dif);
  if (listener !== null) {
    tcpListenRcv(listener, skb, 0);
    return;
  }
  // A signed one: whoever sent it would not believe an answer without a signature, and nobody is here who could sign.
  const { scratch } = tcp;
  if (tcpParseAuthOptions(skb, scratch) && scratch.md5At < 0 && scratch.aoAt < 0) tcpSendReset(tcp, null, skb);
  net.drop(skb, Drop.NoSocket);
}

/** Who owns the 4-tuple of the segment, or null. */
function findEntry(tcp: TcpProto, skb: SkBuff, dif: number): EhashEntry | null {
  const { buf, nh, th } = skb;
  if (skb.protocol === ETH_P_IPV6) {
    return tcp.established.lookup6At(buf, nh + IPV6_DADDR, thDport(buf, th), nh + IPV6_SADDR, thSport(buf, th), dif);
  }
  return tcp.established.lookup(iphDaddr(buf, nh), thDport(buf, th), iphSaddr(buf, nh), thSport(buf, th), dif);
}

/** Who listens there, or null. */
function findListener(tcp: TcpProto, skb: SkBuff, dif: number): TcpSock | null {
  const { established, listening } = tcp;
  const { buf, nh, th } = skb;
  const sport = thSport(buf, th);
  const dport = thDport(buf, th);
  if (skb.protocol === ETH_P_IPV6) {
    const hash = established.hash6At(buf, nh + IPV6_DADDR, dport, nh + IPV6_SADDR, sport);
    return listening.lookup6At(buf, nh + IPV6_DADDR, dport, dif, hash);
  }
  const daddr = iphDaddr(buf, nh);
  return listening.lookup(daddr, dport, dif, established.hash(daddr, dport, iphSaddr(buf, nh), sport));
}

/** A whole header with the right checksum? If so, its numbers are in the skb; else the skb is gone. */
function tcpHeaderOk(tcp: TcpProto, skb: SkBuff): boolean {
  const { net } = tcp;
  if (!mayPull(skb, TCP_HLEN_MIN)) {
    net.inc(Mib.TcpInErrs);
    net.drop(skb, Drop.PktTooSmall);
    return false;
  }
  const th = skb.data;
  const hlen = thHlen(skb.buf, th);
  if (hlen < TCP_HLEN_MIN || !mayPull(skb, hlen)) {
    net.inc(Mib.TcpInErrs);
    net.drop(skb, Drop.PktTooSmall);
    return false;
  }
  if (skb.ipSummed === CHECKSUM_NONE && !skbChecksumVerify(skb, IPPROTO_TCP)) {
    net.inc(Mib.TcpInCsumErrors);
    net.inc(Mib.TcpInErrs);
    net.drop(skb, Drop.TcpCsum);
    return false;
  }
  const flags = thFlags9(skb.buf, th);
  skb.th = th;
  skb.seq = thSeq(skb.buf, th);
  skb.endSeq = (skb.seq + skb.len - hlen + ((flags & TCP_FLAG_SYN) >> 1) + (flags & TCP_FLAG_FIN)) | 0;
  skb.ackSeq = thAckSeq(skb.buf, th);
  skb.tcpFlags = flags;
  skb.sacked = 0;
  return true;
}

/** A segment for a full socket. Takes the skb. */
function tcpDoRcv(tp: TcpSock, skb: SkBuff): void {
  if (!tcpInboundHash(tp, null, skb)) return;
  segsIn(tp, skb);
  if (tp.state === TCP_ESTABLISHED) {
    tcpRcvEstablished(tp, skb);
    return;
  }
  assert(tp.state !== TCP_LISTEN, 'listeners are not in the table by 4-tuple');
  resetAndDrop(tp, skb, tcpRcvStateProcess(tp, skb));
}

/** After `tcpRcvStateProcess`: 0 = it took the skb, else the reason to reset the peer and drop the segment. */
function resetAndDrop(tp: TcpSock, skb: SkBuff, reason: number): void {
  if (reason === 0) return;
  tcpSendReset(tp.tcp, tp, skb);
  tp.net.drop(skb, reason as Drop);
}

/**
 * A segment for a listener (Linux: tcp_v4_do_rcv and the LISTEN case of tcp_rcv_state_process). RFC 9293 §3.10.7.2:
 * first RST, second ACK, third SYN; a SYN cookie may turn the ACK into a connection. Takes the skb.
 *
 * @param twIsn the ISN to use when the SYN ends a TIME_WAIT, else 0
 */
export function tcpListenRcv(tp: TcpSock, skb: SkBuff, twIsn: number): void {
  const { tcp, net } = tp;
  if (!tcpInboundHash(tp, null, skb)) return;
  segsIn(tp, skb);
  const flags = skb.tcpFlags;
  if ((flags & TCP_FLAG_RST) !== 0) {
    net.drop(skb, Drop.TcpReset);
    return;
  }
  if ((flags & TCP_FLAG_ACK) !== 0) {
    const child = (flags & TCP_FLAG_SYN) === 0 ? cookieCheck(tp, skb) : tp;
    if (child === tp) resetAndDrop(tp, skb, Drop.TcpFlags);
    else if (child === null) net.drop(skb, tcp.dropReason);
    else tcpChildProcess(tp, child, skb);
    return;
  }
  if ((flags & TCP_FLAG_SYN) !== 0 && (flags & TCP_FLAG_FIN) === 0) {
    net.drop(skb, tcpConnRequest(tp, skb, twIsn));
    return;
  }
  net.drop(skb, Drop.TcpFlags);
}

/** The segment that finished the handshake is the first of the new connection. Takes the skb. */
function tcpChildProcess(parent: TcpSock, child: TcpSock, skb: SkBuff): void {
  segsIn(child, skb);
  const reason = tcpRcvStateProcess(child, skb);
  if (child.state !== TCP_SYN_RECV) parent.stateChange(POLLIN | POLLRDNORM);
  resetAndDrop(child, skb, reason);
}

/** A segment for a half-open connection. True: the skb was taken. False: look again, the request is gone. */
function tcpReqRcv(req: RequestSock, skb: SkBuff): boolean {
  const { listener } = req;
  if (listener.state !== TCP_LISTEN) {
    reqskDrop(req);
    return false;
  }
  if (!tcpInboundHash(listener, req, skb)) return true;
  const child = tcpCheckReq(listener, skb, req);
  if (child === null) listener.net.drop(skb, listener.tcp.dropReason);
  else if (child === listener) tcpListenRcv(listener, skb, 0); // not our ACK: the listener's affair, which resets
  else tcpChildProcess(listener, child, skb);
  return true;
}

/** A segment for a connection in TIME_WAIT. Takes the skb. */
function tcpTimewaitRcv(tw: TimewaitSock, skb: SkBuff, dif: number): void {
  const { tcp } = tw;
  const { net } = tcp;
  if (skb.trace !== 0) net.trace(skb, 'tcpTimewaitStateProcess');
  const verdict = tcpTimewaitStateProcess(tw, skb);
  if (verdict === TwVerdict.Syn) {
    const listener = findListener(tcp, skb, dif);
    if (listener !== null) {
      const isn = tcpTimewaitIsn(tw);
      twDeschedule(tw);
      tcpListenRcv(listener, skb, isn);
      return;
    }
  }
  if (verdict === TwVerdict.Ack || verdict === TwVerdict.Syn) tcpTimewaitSendAck(tw, skb);
  if (verdict === TwVerdict.Rst) {
    tcpSendReset(tcp, tw, skb);
    twDeschedule(tw);
  }
  if (verdict === TwVerdict.Paws) net.drop(skb, Drop.TcpRfc7323TwPaws);
  else consumeSkb(skb);
}

/** RFC 9293 §3.10.7.4 (MAY): beyond all that the old connection can have sent. Never 0, which means none. */
function tcpTimewaitIsn(tw: TimewaitSock): number {
  const isn = (tw.sndNxt + 65535 + 2) | 0;
  return isn === 0 ? 1 : isn;
}

function segsIn(tp: TcpSock, skb: SkBuff): void {
  const n = skb.gsoSegs > 1 ? skb.gsoSegs : 1;
  tp.segsIn += n;
  if (skb.len > thHlen(skb.buf, skb.th)) tp.dataSegsIn += n;
}
