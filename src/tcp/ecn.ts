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
import { TCP_FLAG_ACK, TCP_FLAG_AE, TCP_FLAG_CWR, TCP_FLAG_ECE, TCP_FLAG_SYN } from '../wire/tcp.ts';
import {
  AccEcn, ACCECN_ACE_FAIL_RECV, ACCECN_ACE_FAIL_SEND, accEcnAce, accEcnOptionInit, accEcnPredFlags, accEcnReceived, accEcnReflect,
  accEcnSawOpt, accEcnSynRequested, accEcnValidate, aceOf,
} from './accecn.ts';
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
  tp.predFlags = TCP_FLAG_ACK;
  if (mode === 0) tcpSetEcnField(tp, INET_ECN_NOT_ECT);
}

/** Does the route, or the congestion control, ask for ECN whatever the sysctl says? */
function wantsEcn(tp: TcpSock, dst: Dst | null): boolean {
  return tp.ca.needsEcn || dst?.metrics?.ecn === true;
}

// ---- the handshake, RFC 3168 §6.1.1

/** The flags of our SYN. */
export function tcpEcnSendSyn(tp: TcpSock): number {
  const { tcpEcn } = tp.tcp.sysctl;
  tp.ecnFlags = 0;
  tp.accEcn = null;
  const classic = tcpEcn === TCP_ECN_IN_ECN_OUT_ECN || tcpEcn === TCP_ECN_IN_ACCECN_OUT_ECN || wantsEcn(tp, tp.dst as Dst | null);
  // §6.1.1: a SYN itself is never ECT (but DCTCP's is, RFC 8257 §3).
  tcpSetEcnField(tp, tp.ca.needsEcn ? INET_ECN_ECT_0 : INET_ECN_NOT_ECT);
  if (tcpEcn === TCP_ECN_IN_ACCECN_OUT_ACCECN) {
    tp.ecnFlags = TCP_ECN_MODE_ANY;
    tp.accEcn = new AccEcn();
    tp.accEcn.synEctSnt = tp.tos & INET_ECN_MASK;
    return TCP_FLAGS_ACE;
  }
  if (!classic) return 0;
  tp.ecnFlags = TCP_ECN_MODE_RFC3168;
  return TCP_FLAG_ECE | TCP_FLAG_CWR;
}

/** §6.1.1.1: a SYN that was not answered is sent again without; some host on the way may not like the flags. */
export function tcpEcnClearSyn(tp: TcpSock, skb: SkBuff): void {
  if (tp.tcp.sysctl.tcpEcnFallback === 0) return;
  if (tp.accEcn !== null) {
    if (tp.retransmits < 2) return; // RFC 9768 §3.1.4.1: the first repetition still asks
    tp.accEcn.failMode |= ACCECN_ACE_FAIL_SEND;
  }
  // What was asked for is remembered until the SYN-ACK says what is granted: it may answer the first SYN.
  skb.tcpFlags &= ~TCP_FLAGS_ACE;
}

/** The SYN-ACK to our SYN: ECE alone means yes. One that echoes both flags only reflects what it does not understand. */
export function tcpEcnRcvSynack(tp: TcpSock, skb: SkBuff): void {
  if ((tp.ecnFlags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_ANY) {
    accEcnRcvSynack(tp, tp.accEcn!, skb);
    return;
  }
  if ((skb.tcpFlags & (TCP_FLAG_ECE | TCP_FLAG_CWR)) !== TCP_FLAG_ECE) tcpEcnSetMode(tp, 0);
}

/** Which of the two does the SYN-ACK grant (RFC 9768 §3.1.2, table 2)? */
function accEcnRcvSynack(tp: TcpSock, ae: AccEcn, skb: SkBuff): void {
  const ace = aceOf(skb);
  if (ace === 0 || ace === 7) {
    tcpEcnSetMode(tp, 0); // no ECN, or somebody who reflects what he does not understand
  } else if (ace === 1 || ace === 5) {
    tcpEcnSetMode(tp, TCP_ECN_MODE_RFC3168);
  } else {
    tcpEcnSetMode(tp, TCP_ECN_MODE_ACCECN);
    ae.synEctRcv = skbEcn(skb);
    ae.prevEcn = ae.synEctRcv;
    const { accEcnOff } = tp.rxOpt;
    if (accEcnOff >= 0) {
      accEcnSawOpt(ae, accEcnOptionInit(skb.buf, accEcnOff));
      ae.optDemand = 2;
    }
    if (accEcnValidate(tp, ae, ace) && ae.synEctRcv === INET_ECN_CE) {
      ae.receivedCe++;
      ae.receivedCePending++;
    }
    accEcnPredFlags(tp);
    return;
  }
  tp.accEcn = null;
}

/** A crossed SYN: both must have asked. */
export function tcpEcnRcvSyn(tp: TcpSock, skb: SkBuff): void {
  const ae = tp.accEcn;
  if (ae !== null) {
    if (accEcnSynRequested(skb)) {
      ae.synEctRcv = skbEcn(skb);
      ae.prevEcn = ae.synEctRcv;
      tcpEcnSetMode(tp, TCP_ECN_MODE_ACCECN);
      accEcnPredFlags(tp);
      return;
    }
    tp.accEcn = null;
    tcpEcnSetMode(tp, TCP_ECN_MODE_RFC3168);
  }
  const both = TCP_FLAG_ECE | TCP_FLAG_CWR;
  if (tcpEcnRfc3168(tp) && (skb.tcpFlags & both) !== both) tcpEcnSetMode(tp, 0);
}

/** Does the SYN ask for ECN, and do we grant it? */
export function tcpEcnCreateRequest(tp: TcpSock, req: RequestSock, skb: SkBuff, dst: Dst): void {
  const both = TCP_FLAG_ECE | TCP_FLAG_CWR;
  if (tp.tcp.sysctl.tcpEcn >= TCP_ECN_IN_ACCECN_OUT_ACCECN && accEcnSynRequested(skb)) {
    req.ecnOk = true;
    req.accEcnOk = true;
    req.synEctRcv = skbEcn(skb);
    req.synEctSnt = req.tos & INET_ECN_MASK;
    return;
  }
  if ((skb.tcpFlags & both) !== both) return;
  const granted = tp.tcp.sysctl.tcpEcn !== TCP_ECN_OFF || wantsEcn(tp, dst);
  // A SYN that is ECT does not come from a peer that follows RFC 3168, unless it asks for something newer (RFC 9768 §3.1.3).
  const odd = skbEcn(skb) !== INET_ECN_NOT_ECT && (skb.tcpFlags & TCP_FLAG_AE) === 0;
  req.ecnOk = granted && (!odd || tp.ca.needsEcn);
}

/** The flags of a SYN-ACK; `again`: it has been sent before. */
export function tcpEcnMakeSynack(req: RequestSock, again: boolean): number {
  if (req.accEcnOk) {
    // RFC 9768 §3.1.4.2: its second repetition goes without, and then nothing that we send is ECT (§3.1.5).
    if (!again || req.numTimeout === 0) return accEcnReflect(req.synEctRcv);
    req.accEcnFail |= ACCECN_ACE_FAIL_SEND;
    return 0;
  }
  return req.ecnOk ? TCP_FLAG_ECE : 0;
}

/** The connection begins with what was agreed on. */
export function tcpEcnOpenreqChild(child: TcpSock, req: RequestSock, skb: SkBuff): void {
  if (req.accEcnOk) {
    tcpEcnSetMode(child, TCP_ECN_MODE_ACCECN);
    const ae = new AccEcn();
    child.accEcn = ae;
    ae.synEctSnt = req.synEctSnt;
    ae.sawOpt = req.sawAccEcnOpt;
    ae.failMode = req.accEcnFail;
    ae.prevEcn = req.synEctRcv;
    ae.optDemand = 1;
    // A segment of the peer's; a SYN of a Fast Open has been answered for already.
    if ((skb.tcpFlags & TCP_FLAG_SYN) === 0) accEcnReceived(child, ae, skb, skbEcn(skb));
    accEcnPredFlags(child);
    return;
  }
  tcpEcnSetMode(child, req.ecnOk ? TCP_ECN_MODE_RFC3168 : 0);
}

// ---- the sender

/**
 * A segment (no SYN) goes out on a connection that speaks ECN: sets the ECN bits of its packet, and returns the flags.
 *
 * §6.1.2, §6.1.4, §6.1.5, §6.1.6: ECT on new data, not on ACKs, retransmissions and probes.
 */
export function tcpEcnSend(tp: TcpSock, seq: number, payload: number, had: number): number {
  if ((tp.ecnFlags & TCP_ECN_MODE_ACCECN) !== 0) return accEcnSend(tp, tp.accEcn!, had);
  let flags = 0;
  if (payload > 0 && ((seq - tp.sndNxt) | 0) >= 0) {
    tcpSetEcnField(tp, INET_ECN_ECT_0);
    if ((tp.ecnFlags & TCP_ECN_QUEUE_CWR) !== 0) {
      tp.ecnFlags &= ~TCP_ECN_QUEUE_CWR;
      flags = TCP_FLAG_CWR;
    }
  } else if (!tp.ca.needsEcn) {
    tcpSetEcnField(tp, INET_ECN_NOT_ECT);
  }
  return (tp.ecnFlags & TCP_ECN_DEMAND_CWR) !== 0 ? flags | TCP_FLAG_ECE : flags;
}

/**
 * With Accurate ECN everything is ECT, pure ACKs and retransmissions too, and every segment counts, but for the one that ends the
 * handshake: that has its flags already.
 */
function accEcnSend(tp: TcpSock, ae: AccEcn, had: number): number {
  const off = (ae.failMode & (ACCECN_ACE_FAIL_RECV | ACCECN_ACE_FAIL_SEND)) !== 0;
  tcpSetEcnField(tp, off ? INET_ECN_NOT_ECT : INET_ECN_ECT_0);
  return (had & TCP_FLAGS_ACE) !== 0 ? 0 : accEcnAce(ae);
}

/** The flags of an ACK that answers a SYN-ACK, the first or a repeated one: which ECN field it came with (RFC 9768 §3.2.2.1). */
export function tcpEcnThirdAckFlags(tp: TcpSock): number {
  return (tp.ecnFlags & TCP_ECN_MODE_ACCECN) === 0 ? 0 : accEcnReflect(tp.accEcn!.synEctRcv);
}

/** The flags of the SYN-ACK of a crossed SYN. */
export function tcpEcnSendSynack(tp: TcpSock, skb: SkBuff): void {
  const had = skb.tcpFlags & TCP_FLAGS_ACE;
  skb.tcpFlags &= ~TCP_FLAGS_ACE;
  if ((tp.ecnFlags & TCP_ECN_MODE_ACCECN) !== 0) skb.tcpFlags |= accEcnReflect(tp.accEcn!.synEctRcv);
  else if (tp.ecnFlags !== 0) skb.tcpFlags |= had & TCP_FLAG_ECE;
}

/** Accurate ECN: a segment has been taken. */
export function tcpEcnReceivedCounters(tp: TcpSock, skb: SkBuff): void {
  if ((tp.ecnFlags & TCP_ECN_MODE_ANY) !== TCP_ECN_MODE_ACCECN) return;
  const ecn = skbEcn(skb);
  accEcnReceived(tp, tp.accEcn!, skb, ecn);
  if (ecn !== INET_ECN_NOT_ECT) tp.ecnFlags |= TCP_ECN_SEEN;
}

/** Is Accurate ECN what the connection speaks? */
export function tcpEcnAccEcn(tp: TcpSock): boolean {
  return (tp.ecnFlags & TCP_ECN_MODE_ANY) === TCP_ECN_MODE_ACCECN;
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
  if (tp.ca.needsEcn) tp.ca.cwndEvent(tp, ce ? CA_EVENT_ECN_IS_CE : CA_EVENT_ECN_NO_CE);
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
