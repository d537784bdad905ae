/**
 * Accurate ECN (RFC 9768): the receiver tells how many packets came marked, not only that some did.
 *
 *   handshake   SYN with AE, CWR and ECE; the SYN-ACK and the ACK after it say which ECN field each side has seen
 *   ACE         the three flags of every later segment: how many packets with CE have come, modulo 8, beginning at 5
 *   option      bytes that came with ECT(1), CE, ECT(0), 24 bits each: 172 (ECT(0) first) or 174 (ECT(1) first; what we send)
 *
 *   from  tcp/ecn.ts      the handshake, where it is Accurate ECN that is agreed on
 *         tcp/input.ts    tcpEcnReceivedCounters, for every segment that is taken
 *         tcp/ack.ts      tcpAccEcnProcess: how many of ours were marked
 *         tcp/output.ts   tcpAccEcnFit, tcpAccEcnWrite: the option
 *
 * Middleboxes clear flags and drop options. What does not fit together turns a part of it off: `failMode`.
 */
import { get16, get8 } from '../lib/bytes.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { INET_ECN_CE, INET_ECN_ECT_0, INET_ECN_ECT_1, INET_ECN_NOT_ECT } from '../wire/ipv4.ts';
import {
  accEcnAlign, MAX_TCP_OPTION_SPACE, TCPOLEN_ACCECN_BASE, TCPOLEN_ACCECN_PERFIELD, TCPOPT_ACCECN1, tcpWriteAccEcn,
} from '../wire/tcp-options.ts';
import { TCP_FLAG_ACK, TCP_FLAG_AE, TCP_FLAG_CWR, TCP_FLAG_ECE, thHlen } from '../wire/tcp.ts';
import { FLAG_FORWARD_PROGRESS, FLAG_SLOWPATH, FLAG_SYN_ACKED, FLAG_TS_PROGRESS } from './flags.ts';
import type { AckState } from './scratch.ts';
import { ICSK_ACK_NOW, TCP_CA_CWR, TCP_CA_Open, type TcpSock } from './sock.ts';

/** RFC 9768 §3.2.1: the counter of CE packets begins at 5, those of bytes at 1, 0, 1. */
const CEP_INIT = 5;
export const E1B_INIT = 1;
export const CEB_INIT = 0;
export const E0B_INIT = 1;
const ACE_MASK = 7;
const ACE_SHIFT = 6;
/** §3.2.3.3: the option at least once while a counter of bytes grows by this. */
const BYTES_DEMAND_SHIFT = 22;
/** Too late for the option: its counters may have wrapped. */
const OPTION_LATEST_BYTES: number = (1 << 23) - 1;
/** Average of packets per ACK: weight and precision in bits; above this many, ACKs are believed lost or joined. */
const EWMA_SHIFT = 6;
const ACK_COMP_THRESH = 4;
const CEP_PENDING_MAX = 15;

/** `sawOpt`: has the peer sent the option, and was it plausible? */
export const ACCECN_OPT_NOT_SEEN = 0;
export const ACCECN_OPT_EMPTY_SEEN = 1;
export const ACCECN_OPT_COUNTER_SEEN = 2;
export const ACCECN_OPT_FAIL_SEEN = 3;

/** `failMode`: what does not get through. Our ACE, the peer's ACE; our option, the peer's. */
export const ACCECN_ACE_FAIL_SEND = 1;
export const ACCECN_ACE_FAIL_RECV = 2;
export const ACCECN_OPT_FAIL_SEND = 4;
export const ACCECN_OPT_FAIL_RECV = 8;

/** net.ipv4.tcp_ecn_option. */
const ECN_OPTION_FULL = 2;
const ECN_OPTION_PERSIST = 3;

/** What a connection with Accurate ECN keeps. Counters by ECN field: index 0 ECT(1), 1 ECT(0), 2 CE. */
export class AccEcn {
  /** Packets that came with CE, and those since ACE was sent last. */
  receivedCe = 0;
  receivedCePending = 0;
  /** Payload bytes by the ECN field that they came with, and those of ours by the one that the peer saw. */
  readonly receivedBytes: number[] = [0, 0, 0];
  readonly deliveredBytes: number[] = [0, 0, 0];
  /** Fields that the next option must have at least; options that are owed; when one was sent last (microseconds). */
  minlen = 0;
  optDemand = 0;
  optTstampUs = 0;
  /** The ECN field of the last segment; the one that our segments seem to arrive with, 0: not known. */
  prevEcn = 0;
  estEcn = 0;
  /** Those of the handshake: of our SYN or SYN-ACK, of the peer's. */
  synEctSnt = 0;
  synEctRcv = 0;
  sawOpt: number = ACCECN_OPT_NOT_SEEN;
  failMode = 0;
  /** The last option went with a D-SACK. */
  optSentWithDsack = false;
  ackedEwma = 0;
}

// ---- the handshake, RFC 9768 §3.1

/** The ACE field of a segment: AE, CWR, ECE. */
export function aceOf(skb: SkBuff): number {
  return (skb.tcpFlags >> ACE_SHIFT) & ACE_MASK;
}

/** Does a SYN ask for Accurate ECN? Anything but nothing and RFC 3168's CWR and ECE does (table 2, for what is to come). */
export function accEcnSynRequested(skb: SkBuff): boolean {
  const ace = aceOf(skb);
  return ace !== 0 && ace !== 3;
}

/** The flags that say which ECN field a SYN or SYN-ACK came with (table 3). */
export function accEcnReflect(ecn: number): number {
  switch (ecn) {
    case INET_ECN_ECT_1: return TCP_FLAG_CWR | TCP_FLAG_ECE;
    case INET_ECN_ECT_0: return TCP_FLAG_AE;
    case INET_ECN_CE: return TCP_FLAG_AE | TCP_FLAG_CWR;
    default: return TCP_FLAG_CWR;
  }
}

/** And back. */
function reflected(ace: number): number {
  if ((ace & 1) !== 0) return INET_ECN_ECT_1;
  if ((ace & 2) === 0) return INET_ECN_ECT_0;
  return (ace & 4) !== 0 ? INET_ECN_CE : INET_ECN_NOT_ECT;
}

/** §3.2.2.3: can a packet that was sent with `snt` arrive with `rcv`? */
function transitionValid(snt: number, rcv: number): boolean {
  if (snt === rcv) return true;
  return snt !== INET_ECN_NOT_ECT && rcv !== INET_ECN_NOT_ECT && snt !== INET_ECN_CE;
}

/** Is what the peer says of our SYN or SYN-ACK plausible? If not, the ECN field is being mangled: no ECT from us. */
export function accEcnValidate(tp: TcpSock, ae: AccEcn, ace: number): boolean {
  if (tp.tcp.sysctl.tcpEcnFallback === 0 || transitionValid(ae.synEctSnt, reflected(ace))) return true;
  ae.failMode |= ACCECN_ACE_FAIL_RECV;
  return false;
}

/** The ACK that ends the handshake, at the server (§3.2.2.1, table 4). */
export function tcpAccEcnThirdAck(tp: TcpSock, ae: AccEcn, skb: SkBuff): void {
  const ace = aceOf(skb);
  if (ace === 0) {
    ae.failMode |= ACCECN_ACE_FAIL_RECV;
    return;
  }
  if (ace === 1 || ace === 5 || ace === 7) return; // not used, but legal
  // Only a first segment without data says it.
  if (skb.seq !== skb.endSeq || !accEcnValidate(tp, ae, ace)) return;
  if (reflected(ace) === INET_ECN_CE && tp.deliveredCe === 0) tp.deliveredCe++;
}

/** What an option of the handshake, at `at`, tells of the path (§3.2.3.2.1, §3.2.3.2.4): counters of 0 were zeroed on the way. */
export function accEcnOptionInit(buf: Uint8Array, at: number): number {
  const len = get8(buf, at + 1) - TCPOLEN_ACCECN_BASE;
  if (len < TCPOLEN_ACCECN_PERFIELD) return ACCECN_OPT_EMPTY_SEEN;
  return counterAt(buf, at + TCPOLEN_ACCECN_BASE) === 0 ? ACCECN_OPT_FAIL_SEEN : ACCECN_OPT_COUNTER_SEEN;
}

function counterAt(buf: Uint8Array, at: number): number {
  return (get8(buf, at) << 16) | get16(buf, at + 1);
}

export function accEcnSawOpt(ae: AccEcn, saw: number): void {
  ae.sawOpt = saw;
  if (saw === ACCECN_OPT_FAIL_SEEN) ae.failMode |= ACCECN_OPT_FAIL_RECV;
}

// ---- the receiver

/** The flags that count the packets with CE. */
export function accEcnAce(ae: AccEcn): number {
  ae.receivedCePending = 0;
  return ((ae.receivedCe + CEP_INIT) & ACE_MASK) << ACE_SHIFT;
}

/** The same of a half-open connection, which has counted nothing yet. */
export const ACCECN_ACE_FIRST: number = CEP_INIT << ACE_SHIFT;

/** Header prediction may begin (Linux: tcp_fast_path_on). */
export function tcpFastPathOn(tp: TcpSock): void {
  if (tp.accEcn === null) tp.predFlags = TCP_FLAG_ACK;
  else accEcnPredFlags(tp);
}

/** Header prediction expects the count as it was last. */
export function accEcnPredFlags(tp: TcpSock): void {
  tp.predFlags = TCP_FLAG_ACK | (((tp.deliveredCe + CEP_INIT) & ACE_MASK) << ACE_SHIFT);
}

/** A segment with the ECN field `ecn` has been taken: counts it (§3.2.2, §3.2.3); a change is told at once (§3.2.3.3). */
export function accEcnReceived(tp: TcpSock, ae: AccEcn, skb: SkBuff, ecn: number): void {
  const ce = ecn === INET_ECN_CE;
  if (ecn !== INET_ECN_NOT_ECT) {
    const payload = skb.len - thHlen(skb.buf, skb.th);
    const segs = ce ? Math.max(1, skb.gsoSegs) : 0;
    ae.receivedCe += segs;
    ae.receivedCePending = Math.min(ae.receivedCePending + segs, CEP_PENDING_MAX);
    if (payload > 0) {
      const had = ae.receivedBytes[ecn - 1]!;
      ae.receivedBytes[ecn - 1] = (had + payload) >>> 0;
      // How many fields reach this counter: ECT(1), CE, ECT(0).
      ae.minlen = Math.max(ae.minlen, ecn === INET_ECN_ECT_1 ? 1 : ce ? 2 : 3);
      if (had >>> BYTES_DEMAND_SHIFT !== (had + payload) >>> BYTES_DEMAND_SHIFT) ae.optDemand = Math.max(1, ae.optDemand);
    }
  }
  const edge = ae.prevEcn !== ecn;
  if (!edge && !ce) return;
  ae.prevEcn = ecn;
  if (edge) tp.ackPending |= ICSK_ACK_NOW;
  ae.optDemand = 2; // the second makes sure which one the change was
}

// ---- the option

/** Is the option due in the next segment? */
function optionDue(tp: TcpSock, ae: AccEcn): boolean {
  const { tcpEcnOption, tcpEcnOptionBeacon } = tp.tcp.sysctl;
  if (tcpEcnOption === 0 || ae.sawOpt === ACCECN_OPT_NOT_SEEN) return false;
  if ((ae.failMode & ACCECN_OPT_FAIL_SEND) !== 0 && tcpEcnOption < ECN_OPTION_PERSIST) return false;
  if (tcpEcnOption >= ECN_OPTION_FULL || ae.optDemand > 0) return true;
  return tcpEcnOptionBeacon !== 0 && (tp.mstampUs - ae.optTstampUs) * tcpEcnOptionBeacon >= tp.srttUs >> 3;
}

/**
 * Finds room for the option beside `size` bytes of others, of which `sacks` SACK blocks are a part. It shares the padding of SACK, and
 * displaces a block of more than two when it must have room. Leaves fields and blocks in the scratch object; returns the bytes that the
 * options grow by.
 */
export function tcpAccEcnFit(tp: TcpSock, ae: AccEcn, size: number, sacks: number): number {
  const { scratch } = tp.tcp;
  scratch.accEcnFields = -1;
  scratch.accEcnSacks = sacks;
  if (!optionDue(tp, ae)) return 0;
  const saving = sacks > 0 ? 2 : 0;
  const required = ae.minlen;
  let room = MAX_TCP_OPTION_SPACE - size;
  let blocks = sacks;
  for (let fields = 3; fields >= required; fields--) {
    const need = accEcnAlign(fields, saving);
    if (need <= room) {
      scratch.accEcnFields = fields;
      scratch.accEcnSacks = blocks;
      return need - (sacks - blocks) * 8;
    }
    if (fields === required && blocks > 2 && required > 0) {
      blocks--;
      room += 8;
      fields = 4; // all of it again
    }
  }
  return 0;
}

/** Writes the option in the room that was found: `len` bytes, or a little more where the two nops before a SACK follow. */
export function tcpAccEcnWrite(tp: TcpSock, ae: AccEcn, buf: Uint8Array, at: number, len: number, dsack: boolean): void {
  const { accEcnFields: fields } = tp.tcp.scratch;
  const [e1b, e0b, ceb] = ae.receivedBytes;
  tcpWriteAccEcn(buf, at, len, fields, e1b! + E1B_INIT, ceb! + CEB_INIT, e0b! + E0B_INIT);
  ae.minlen = 0;
  ae.optTstampUs = tp.mstampUs;
  if (ae.optDemand > 0) ae.optDemand--;
  ae.optSentWithDsack = dsack;
}

/**
 * Data that we have comes again, with the D-SACK that told so sent before: the ACK with our option does not arrive (§3.2.3.2.2).
 * From now on it goes without.
 */
export function tcpAccEcnSpuriousRetrans(tp: TcpSock, skb: SkBuff): void {
  const ae = tp.accEcn;
  if (ae !== null && ae.optSentWithDsack && skb.endSeq === tp.dsackEnd) ae.failMode |= ACCECN_OPT_FAIL_SEND;
}

// ---- the sender: what the ACK says

/** The option of an ACK: how many bytes came with which field. True when that can be told. */
function processOption(tp: TcpSock, ae: AccEcn, skb: SkBuff, st: AckState): boolean {
  if ((ae.failMode & ACCECN_OPT_FAIL_RECV) !== 0) return false;
  const opt = tp.rxOpt.accEcnOff;
  if ((st.flag & FLAG_SLOWPATH) === 0 || opt < 0) return withoutOption(tp, ae, st);
  const { buf } = skb;
  if (ae.sawOpt < ACCECN_OPT_COUNTER_SEEN) accEcnSawOpt(ae, accEcnOptionInit(buf, opt));
  const order1 = get8(buf, opt) === TCPOPT_ACCECN1;
  const fields = Math.floor((get8(buf, opt + 1) - TCPOLEN_ACCECN_BASE) / TCPOLEN_ACCECN_PERFIELD);
  let sure = ae.estEcn !== 0;
  let changed = false;
  let ambiguous = false;
  for (let i = 0; i < Math.min(fields, 3); i++) {
    const ecn = i === 1 ? INET_ECN_CE : (i === 0) === order1 ? INET_ECN_ECT_1 : INET_ECN_ECT_0;
    const init = ecn === INET_ECN_CE ? CEB_INIT : 1;
    const delta = counterDelta(ae, ecn, counterAt(buf, opt + TCPOLEN_ACCECN_BASE + TCPOLEN_ACCECN_PERFIELD * i) - init);
    if (delta === 0) continue;
    if (delta < 0) {
      sure = false;
      ambiguous = true;
    } else if (ecn !== ae.estEcn) {
      if (changed) {
        sure = false;
        ambiguous = true;
      } else {
        ae.estEcn = ecn;
        changed = true;
      }
    }
  }
  if (ambiguous) ae.estEcn = 0;
  return sure;
}

/** By how much a counter has grown, on its circle of 24 bits. */
function counterDelta(ae: AccEcn, ecn: number, value: number): number {
  const had = ae.deliveredBytes[ecn - 1]!;
  const delta = ((value - had) << 8) >> 8;
  if (delta > 0) ae.deliveredBytes[ecn - 1] = (had + delta) >>> 0;
  return delta;
}

/** An ACK without the option: what it delivers came as the last did, if that is known. */
function withoutOption(tp: TcpSock, ae: AccEcn, st: AckState): boolean {
  if (ae.sawOpt === ACCECN_OPT_NOT_SEEN) {
    if (tp.bytesSent >= OPTION_LATEST_BYTES) accEcnSawOpt(ae, ACCECN_OPT_FAIL_SEEN);
    return false;
  }
  if (ae.estEcn === 0) return false;
  ae.deliveredBytes[ae.estEcn - 1] = (ae.deliveredBytes[ae.estEcn - 1]! + st.deliveredBytes) >>> 0;
  return true;
}

/**
 * How many more of our packets came marked, by the ACK that is being digested? ACE counts modulo 8: of an ACK for more packets than
 * that, the option tells how often it went round; without it the worst is assumed (RFC 9768 appendix A.2), unless ACKs are known to be
 * rare.
 */
export function tcpAccEcnProcess(tp: TcpSock, skb: SkBuff, delivered: number, st: AckState): number {
  const ae = tp.accEcn!;
  if ((st.flag & (FLAG_FORWARD_PROGRESS | FLAG_TS_PROGRESS)) === 0) return 0;
  const oldCeb = ae.deliveredBytes[INET_ECN_CE - 1]!;
  const optValid = processOption(tp, ae, skb, st);
  if (delivered > 0) {
    const sample = delivered << EWMA_SHIFT;
    ae.ackedEwma = ae.ackedEwma === 0 ? sample : Math.floor(((ae.ackedEwma << EWMA_SHIFT) - ae.ackedEwma + sample) / (1 << EWMA_SHIFT));
  }
  if ((st.flag & FLAG_SLOWPATH) === 0 && delivered <= ACE_MASK) return 0; // predicted: the count has not changed
  if ((st.flag & FLAG_SYN_ACKED) !== 0) return 0; // ACE meant something else there
  const delta = (aceOf(skb) - CEP_INIT - tp.deliveredCe) & ACE_MASK;
  const marked = delivered <= ACE_MASK ? delta : wrapped(tp, ae, delta, delivered, optValid, oldCeb, st);
  if (marked > 0) {
    tp.deliveredCe += marked;
    accEcnPredFlags(tp);
  }
  return marked;
}

/** ACE may have gone round. */
function wrapped(
  tp: TcpSock, ae: AccEcn, delta: number, delivered: number, optValid: boolean, oldCeb: number, st: AckState,
): number {
  const safe = delivered - ((delivered - delta) & ACE_MASK);
  if (!optValid) return ae.ackedEwma > ACK_COMP_THRESH << EWMA_SHIFT ? delta : safe;
  const ceBytes = (ae.deliveredBytes[INET_ECN_CE - 1]! - oldCeb) >>> 0;
  if (ceBytes === 0) return delta;
  if (delivered >= (ACE_MASK + 1) * 2 && (tp.sackOk || tp.caState === TCP_CA_Open || tp.caState === TCP_CA_CWR)) {
    if (st.deliveredBytes <= ceBytes) return safe;
    const estimate = Math.ceil((ceBytes * delivered) / st.deliveredBytes);
    return Math.min(safe, delta + (estimate & ~ACE_MASK));
  }
  if (ceBytes > delta * tp.mssCache) return safe;
  if (ceBytes < (safe * tp.mssCache) / 2) return delta;
  return safe;
}
