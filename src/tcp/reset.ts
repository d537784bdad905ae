/**
 * Answers that no full socket stands behind: the reset for a segment that nobody expects, the acknowledgement of a
 * TIME_WAIT or of a half-open connection. They are made from the segment that they answer.
 */
import { Mib } from '../dev/mib.ts';
import { MAX_HEADER, type SkBuff } from '../skb/sk-buff.ts';
import { TCPOLEN_TSTAMP_ALIGNED, tcpWriteTimestamp } from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_HLEN_MIN, TCP_OPTIONS, tcpWriteHeader, thDport, thSport, thFlags } from '../wire/tcp.ts';
import { ACCECN_ACE_FIRST } from './accecn.ts';
import { tcpAfOf } from './af.ts';
import { AoScratch, tcpAoLenAligned, tcpAoReplyKey, tcpAoReqReplyKey, tcpAoSignReply } from './ao.ts';
import { tcpParseAuthOptions } from './auth.ts';
import {
  type Md5Key, TCPOLEN_MD5SIG_ALIGNED, tcpMd5KeyFor, tcpMd5ReqKey, tcpMd5SignReply, tcpWriteMd5,
} from './md5.ts';
import type { TcpProto } from './proto.ts';
import type { RequestSock } from './request-sock.ts';
import { TCP_LISTEN } from '../sock/constants.ts';
import type { TcpSock } from './sock.ts';
import type { TimewaitSock } from './timewait-sock.ts';

/**
 * Resets the connection that `skb` believes in. The skb stays the caller's.
 *
 * RFC 9293 §3.10.7.1: a segment with an ACK gets a RST whose number is that ACK, without an ACK of its own; one without gets
 * number 0 and an ACK of all that it carried. A reset is never answered.
 *
 * A signed one is answered with a signature or not at all; whoever has no socket here has no keys (RFC 5925 §7.7: hence graceful restart).
 *
 * @param owner whose segment it is; null when no socket is concerned: then only a segment to one of our own addresses is worth an answer
 */
export function tcpSendReset(tcp: TcpProto, owner: TcpSock | TimewaitSock | null, skb: SkBuff): void {
  const { net, scratch } = tcp;
  if ((skb.tcpFlags & TCP_FLAG_RST) !== 0) return;
  if (owner === null && !tcpAfOf(tcp, skb).isLocal(tcp, skb)) return;
  const hasAck = (skb.tcpFlags & TCP_FLAG_ACK) !== 0;
  const seq = hasAck ? skb.ackSeq : 0;
  if (!tcpParseAuthOptions(skb, scratch)) return;
  const ao = scratch.aoAt >= 0;
  if (ao && !tcpAoReplyKey(owner, skb, scratch.aoAt, seq)) return;
  net.inc(Mib.TcpOutRsts);
  const signer = ao ? tcp.ao : owner === null ? null : md5Of(owner, skb);
  if (hasAck) reply(tcp, skb, seq, 0, TCP_FLAG_RST, 0, signer);
  else reply(tcp, skb, 0, skb.endSeq, TCP_FLAG_RST | TCP_FLAG_ACK, 0, signer);
}

/** What signs an answer: a key of RFC 2385, what `tcpAoReplyKey` has left, or nothing. */
type Signer = Md5Key | AoScratch | null;

function md5Of(owner: TcpSock | TimewaitSock, skb: SkBuff): Md5Key | null {
  return 'md5Keys' in owner ? tcpMd5KeyFor(owner.md5Keys, skb) : owner.md5Key;
}

/** Acknowledges again what a connection in TIME_WAIT (or its FIN_WAIT2) has received. */
export function tcpTimewaitSendAck(tw: TimewaitSock, skb: SkBuff): void {
  const window = Math.min(tw.rcvWnd >> tw.rcvWscale, 65535);
  let signer: Signer = tw.md5Key;
  if (tw.ao !== null) {
    const { scratch } = tw.tcp;
    if (!tcpParseAuthOptions(skb, scratch)) return;
    if (scratch.aoAt >= 0 && tcpAoReplyKey(tw, skb, scratch.aoAt, tw.sndNxt)) signer = tw.tcp.ao;
  }
  const flags = TCP_FLAG_ACK | tw.aceFlags; // RFC 9768 §3.2.2: the count is on every segment but SYNs
  if (!tw.tstampOk) {
    reply(tw.tcp, skb, tw.sndNxt, tw.rcvNxt, flags, window, signer);
    return;
  }
  replyTstamp(tw.tcp, skb, tw.sndNxt, tw.rcvNxt, flags, window, (tw.tcp.net.jiffies + tw.tsOffset) | 0, tw.tsRecent, signer);
}

/** Tells the peer of a half-open connection what we have: its segment was out of the window. */
export function tcpReqSendAck(tp: TcpSock, req: RequestSock, skb: SkBuff): void {
  // RFC 7323 §2.2: only the window of the SYN-ACK itself is unscaled.
  const window = synackWindow(req) >> req.rcvWscale;
  if (req.aoUsed && !tcpAoReqReplyKey(tp, req, skb, tp.tcp.scratch.aoAt)) return;
  const signer = req.aoUsed ? tp.tcp.ao : tcpMd5ReqKey(tp, req);
  const seq = tp.state === TCP_LISTEN ? (req.sntIsn + 1) | 0 : tp.sndNxt;
  const flags = req.accEcnOk ? TCP_FLAG_ACK | ACCECN_ACE_FIRST : TCP_FLAG_ACK;
  if (!req.tstampOk) {
    reply(tp.tcp, skb, seq, req.rcvNxt, flags, window, signer);
    return;
  }
  replyTstamp(tp.tcp, skb, seq, req.rcvNxt, flags, window, (tp.net.jiffies + req.tsOff) | 0, req.tsRecent, signer);
}

/** The window that a SYN-ACK has offered, in bytes. */
export function synackWindow(req: RequestSock): number {
  return Math.min(req.rcvWnd, 65535);
}

function reply(tcp: TcpProto, to: SkBuff, seq: number, ack: number, flags: number, window: number, signer: Signer): void {
  const skb = tcp.net.pool.alloc(MAX_HEADER);
  const hlen = TCP_HLEN_MIN + signatureLen(signer);
  const th = skb.put(hlen);
  const { buf } = to;
  tcpWriteHeader(skb.buf, th, thDport(buf, to.th), thSport(buf, to.th), seq, ack, hlen, flags, window, 0);
  if (signer !== null) sign(tcp, to, skb, th + TCP_OPTIONS, signer);
  sendReply(tcp, to, skb, th);
}

function replyTstamp(
  tcp: TcpProto, to: SkBuff, seq: number, ack: number, flags: number, window: number, tsval: number, tsecr: number, signer: Signer,
): void {
  const skb = tcp.net.pool.alloc(MAX_HEADER);
  const hlen = TCP_HLEN_MIN + TCPOLEN_TSTAMP_ALIGNED + signatureLen(signer);
  const th = skb.put(hlen);
  const { buf } = to;
  tcpWriteHeader(skb.buf, th, thDport(buf, to.th), thSport(buf, to.th), seq, ack, hlen, flags, window, 0);
  tcpWriteTimestamp(skb.buf, th + TCP_OPTIONS, tsval, tsecr);
  if (signer !== null) sign(tcp, to, skb, th + TCP_OPTIONS + TCPOLEN_TSTAMP_ALIGNED, signer);
  sendReply(tcp, to, skb, th);
}

function signatureLen(signer: Signer): number {
  if (signer === null) return 0;
  return signer instanceof AoScratch ? tcpAoLenAligned(signer.replyKey!) : TCPOLEN_MD5SIG_ALIGNED;
}

function sign(tcp: TcpProto, to: SkBuff, skb: SkBuff, at: number, signer: Md5Key | AoScratch): void {
  if (signer instanceof AoScratch) {
    tcpAoSignReply(signer, skb, at, to);
    return;
  }
  tcpWriteMd5(skb.buf, at);
  tcpMd5SignReply(tcp, skb, at + 4, signer, to);
}

function sendReply(tcp: TcpProto, to: SkBuff, skb: SkBuff, th: number): void {
  if (skb.trace !== 0) tcp.net.trace(skb, (thFlags(skb.buf, th) & TCP_FLAG_RST) === 0 ? 'tcpV4SendAck' : 'tcpV4SendReset');
  skb.th = th;
  tcpAfOf(tcp, to).reply(tcp, to, skb);
}
