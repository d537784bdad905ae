/**
 * Explicit congestion notification (RFC 3168): a router marks a packet instead of dropping it, and the receiver tells the
 * sender with each ACK until the sender says that it has slowed down.
 *
 *   handshake     SYN with ECE and CWR, SYN-ACK with ECE              tcpEcnSendSyn, tcpEcnCreateRequest, tcpEcnRcvSynack
 *   sender        ECT(0) on new data only; CWR on the next one after a reduction           tcpEcnSend
 *   receiver      CE on data: ECE on all ACKs until CWR comes                              tcpDataEcnCheck, tcpEcnAcceptCwr
 *
 * With Accurate ECN (`tcp/accecn.ts`) the same three flags count the marks instead; which of the two is spoken stands in
 * `tp.ecnFlags`, 0 when neither is.
 */
import { get8 } from '../lib/bytes.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Dst } from '../sock/dst.ts';
import { ETH_P_IPV6 } from '../wire/ethernet.ts';
import { INET_ECN_CE, INET_ECN_ECT_0, INET_ECN_MASK, INET_ECN_NOT_ECT } from '../wire/ipv4.ts';
import { TCP_FLAG_ACK, TCP_FLAG_AE, TCP_FLAG_CWR, TCP_FLAG_ECE } from '../wire/tcp.ts';
import { CA_EVENT_ECN_IS_CE, CA_EVENT_ECN_NO_CE } from './cong/cong.ts';
import { tcpEnterQuickackMode } from './delack.ts';
import type { RequestSock } from './request-sock.ts';
import { ICSK_ACK_NOW, type TcpSock } from './sock.ts';

/** `tp.ecnFlags`: ECN as in RFC 3168 was agreed on. */
export const TCP_ECN_MODE_RFC3168 = 1;
/** The window was reduced: the next new data carries CWR. */
export const TCP_ECN_QUEUE_CWR = 2;
/** Data came marked: ACKs carry ECE until CWR comes. */
export const TCP_ECN_DEMAND_CWR = 4;
/** The peer has sent something with ECT or CE. */
export const TCP_ECN_SEEN = 8;
/** Accurate ECN was agreed on. */
export const TCP_ECN_MODE_ACCECN = 16;
/** Either; both together: our SYN asked for Accurate ECN and the answer is not there yet. */
export const TCP_ECN_MODE_ANY: number = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN;

/** net.ipv4.tcp_ecn: what is asked of others, and what is granted to them. */
export const TCP_ECN_OFF = 0;
export const TCP_ECN_IN_ECN_OUT_ECN = 1;
export const TCP_ECN_IN_ECN_OUT_NOECN = 2;
export const TCP_ECN_IN_ACCECN_OUT_ACCECN = 3;
export const TCP_ECN_IN_ACCECN_OUT_ECN = 4;

/** The three flags that ECN uses. */
export const TCP_FLAGS_ACE: number = TCP_FLAG_AE | TCP_FLAG_CWR | TCP_FLAG_ECE;

/** Data without ECT from a peer that had sent some is probably a retransmission: so many ACKs at once. */
const ECN_QUICKACKS = 2;
/** Where the ECN bits stand: second byte of the header; in IPv6 in its upper half (RFC 8200 §3). */
const IPV4_TOS_AT = 1;
const IPV6_ECN_SHIFT = 4;

/** The ECN bits of a received packet's IP header. */
export function skbEcn(skb: SkBuff): number {
  const at = get8(skb.buf, skb.nh + IPV4_TOS_AT);
  return (skb.protocol === ETH_P_IPV6 ? at >> IPV6_ECN_SHIFT : at) & INET_ECN_MASK;
}

/** From now on the packets of the connection have these ECN bits (Linux: INET_ECN_xmit, INET_ECN_dontxmit). */
export function tcpSetEcnField(tp: TcpSock, ecn: number): void {
  tp.tos = (tp.tos & ~INET_ECN_MASK) | ecn;
  if (tp.np !== null) tp.np.tclass = (tp.np.tclass & ~INET_ECN_MASK) | ecn;
}

export function tcpEcnRfc3168(tp: TcpSock): boolean {
  return (tp.ecnFlags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_RFC3168;
}

export function tcpEcnSetMode(tp: TcpSock, mode: number): void {
  tp.ecnFlags = (tp.ecnFlags & ~TCP_ECN_MODE_ANY) | mode;
  if (mode === 0) tcpSetEcnField(tp, INET_ECN_NOT_ECT);
}

/** Does the route, or the congestion control, ask for ECN whatever the sysctl says? */
function wantsEcn(tp: TcpSock, dst: Dst | null): boolean {
  return tp.ca.needsEcn === true || dst?.metrics?.ecn === true;
}

// ---- the handshake, RFC 3168 §6.1.1

/** The flags of our SYN. */
export function tcpEcnSendSyn(tp: TcpSock): number {
  const { tcpEcn } = tp.tcp.sysctl;
  tp.ecnFlags = 0;
  const classic = tcpEcn === TCP_ECN_IN_ECN_OUT_ECN || tcpEcn === TCP_ECN_IN_ACCECN_OUT_ECN || wantsEcn(tp, tp.dst as Dst | null);
  // §6.1.1: a SYN itself is never ECT (but DCTCP's is, RFC 8257 §3).
  tcpSetEcnField(tp, tp.ca.needsEcn === true ? INET_ECN_ECT_0 : INET_ECN_NOT_ECT);
  if (!classic) return 0;
  tp.ecnFlags = TCP_ECN_MODE_RFC3168;
  return TCP_FLAG_ECE | TCP_FLAG_CWR;
}

/** §6.1.1.1: a SYN that was not answered is sent again without; some host on the way may not like the flags. */
export function tcpEcnClearSyn(tp: TcpSock, skb: SkBuff): void {
  // What was asked for is remembered until the SYN-ACK says what is granted: it may answer the first SYN.
  if (tp.tcp.sysctl.tcpEcnFallback !== 0) skb.tcpFlags &= ~TCP_FLAGS_ACE;
}

/** The SYN-ACK to our SYN: ECE alone means yes. One that echoes both flags only reflects what it does not understand. */
export function tcpEcnRcvSynack(tp: TcpSock, skb: SkBuff): void {
  if ((skb.tcpFlags & (TCP_FLAG_ECE | TCP_FLAG_CWR)) !== TCP_FLAG_ECE) tcpEcnSetMode(tp, 0);
}

/** A crossed SYN: both must have asked. */
export function tcpEcnRcvSyn(tp: TcpSock, skb: SkBuff): void {
  const both = TCP_FLAG_ECE | TCP_FLAG_CWR;
  if (tcpEcnRfc3168(tp) && (skb.tcpFlags & both) !== both) tcpEcnSetMode(tp, 0);
}

/** Does the SYN ask for ECN, and do we grant it? */
export function tcpEcnCreateRequest(tp: TcpSock, req: RequestSock, skb: SkBuff, dst: Dst): void {
  const both = TCP_FLAG_ECE | TCP_FLAG_CWR;
  if ((skb.tcpFlags & both) !== both) return;
  const granted = tp.tcp.sysctl.tcpEcn !== TCP_ECN_OFF || wantsEcn(tp, dst);
  // A SYN that is ECT does not come from a peer that follows RFC 3168, and reserved bits mean something else yet.
  const odd = skbEcn(skb) !== INET_ECN_NOT_ECT || (skb.tcpFlags & TCP_FLAG_AE) !== 0;
  req.ecnOk = granted && (!odd || tp.ca.needsEcn === true);
}

/** The flags of a SYN-ACK. */
export function tcpEcnMakeSynack(req: RequestSock): number {
  return req.ecnOk ? TCP_FLAG_ECE : 0;
}

/** The connection begins with what was agreed on. */
export function tcpEcnOpenreqChild(child: TcpSock, req: RequestSock): void {
  tcpEcnSetMode(child, req.ecnOk ? TCP_ECN_MODE_RFC3168 : 0);
}

// ---- the sender

/**
 * A segment (no SYN) goes out on a connection that speaks ECN: sets the ECN bits of its packet, and returns the flags.
 *
 * §6.1.2, §6.1.4, §6.1.5, §6.1.6: ECT on new data, not on ACKs, retransmissions and probes.
 */
export function tcpEcnSend(tp: TcpSock, seq: number, payload: number): number {
  let flags = 0;
  if (payload > 0 && ((seq - tp.sndNxt) | 0) >= 0) {
    tcpSetEcnField(tp, INET_ECN_ECT_0);
    if ((tp.ecnFlags & TCP_ECN_QUEUE_CWR) !== 0) {
      tp.ecnFlags &= ~TCP_ECN_QUEUE_CWR;
      flags = TCP_FLAG_CWR;
    }
  } else if (tp.ca.needsEcn !== true) {
    tcpSetEcnField(tp, INET_ECN_NOT_ECT);
  }
  return (tp.ecnFlags & TCP_ECN_DEMAND_CWR) !== 0 ? flags | TCP_FLAG_ECE : flags;
}

/** The window is being reduced: the peer is to know. */
export function tcpEcnQueueCwr(tp: TcpSock): void {
  if (tcpEcnRfc3168(tp)) tp.ecnFlags |= TCP_ECN_QUEUE_CWR;
}

/** The reduction is taken back before anybody was told. */
export function tcpEcnWithdrawCwr(tp: TcpSock): void {
  tp.ecnFlags &= ~TCP_ECN_QUEUE_CWR;
}

// ---- the receiver, §6.1.3

/** Text (not an ACK) has come on a connection that speaks ECN: is it marked? */
export function tcpDataEcnCheck(tp: TcpSock, skb: SkBuff): void {
  const ecn = skbEcn(skb);
  if (ecn === INET_ECN_NOT_ECT) {
    // Of a peer that sets ECT on new data: a retransmission, whose sender waits.
    if ((tp.ecnFlags & TCP_ECN_SEEN) !== 0) tcpEnterQuickackMode(tp, ECN_QUICKACKS);
    return;
  }
  const ce = ecn === INET_ECN_CE;
  if (tp.ca.needsEcn === true) tp.ca.cwndEvent(tp, ce ? CA_EVENT_ECN_IS_CE : CA_EVENT_ECN_NO_CE);
  if (ce && tcpEcnRfc3168(tp) && (tp.ecnFlags & TCP_ECN_DEMAND_CWR) === 0) {
    // Its window may be very small: no delay.
    tcpEnterQuickackMode(tp, ECN_QUICKACKS);
    tp.ecnFlags |= TCP_ECN_DEMAND_CWR;
  }
  tp.ecnFlags |= TCP_ECN_SEEN;
}

/** The peer says that it has slowed down. */
export function tcpEcnAcceptCwr(tp: TcpSock, skb: SkBuff): void {
  if ((skb.tcpFlags & (TCP_FLAG_CWR | TCP_FLAG_ACK)) !== (TCP_FLAG_CWR | TCP_FLAG_ACK) || !tcpEcnRfc3168(tp)) return;
  tp.ecnFlags &= ~TCP_ECN_DEMAND_CWR;
  // Down to one segment, perhaps: an ACK at once keeps it going.
  if (skb.seq !== skb.endSeq) tp.ackPending |= ICSK_ACK_NOW;
}
