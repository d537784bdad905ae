/**
 * What TCP of a host uses again and again instead of allocating: the notes of the ACK being processed, the page that small
 * writes share, the line of sockets whose packets have left the card. One per host, in `TcpProto.scratch`.
 */
import type { Page } from '../skb/pool.ts';
import { AckSample } from './cong/cong.ts';
import type { TcpSock } from './sock.ts';

/** Notes of one ACK (Linux: tcp_sacktag_state and rate_sample in one). Cleared by `begin`; valid until the next ACK. */
export class AckState {
  /** FLAG_* of `tcp/ack.ts`. */
  flag = 0;
  /** REXMIT_*: what to send when the ACK has been digested. */
  rexmit = 0;
  /** The peer has thrown away what it had SACKed. */
  reneg = false;
  // ---- SACK
  /** Lowest sequence that turned out to be reordered. */
  reord = 0;
  /** When the first and the last of the newly SACKed, never retransmitted segments were sent; -1 none. Microseconds. */
  firstSackt = -1;
  lastSackt = -1;
  /** Segments newly SACKed, and those that a D-SACK reports. */
  sackDelivered = 0;
  // ---- delivery rate sample (draft-cheng-iccrg-delivery-rate-estimation)
  /** State when the newest acknowledged segment was sent; `priorUs` -1: no sample. */
  priorUs = -1;
  priorDelivered = 0;
  priorInFlight = 0;
  lastEndSeq = 0;
  isAppLimited = false;
  isRetrans = false;
  /** Segments delivered over the interval; -1 when the sample is invalid. Microseconds. */
  delivered = 0;
  intervalUs = -1;
  /** RTT of the last (S)ACKed segment, -1 unknown. */
  rttUs = -1;
  losses = 0;
  ackedSacked = 0;
  /** Payload bytes newly acknowledged, cumulatively or by SACK (Accurate ECN). */
  deliveredBytes = 0;

  begin(sndNxt: number): void {
    this.flag = 0;
    this.rexmit = 0;
    this.reneg = false;
    this.reord = sndNxt;
    this.firstSackt = -1;
    this.lastSackt = -1;
    this.sackDelivered = 0;
    this.priorUs = -1;
    this.priorDelivered = 0;
    this.priorInFlight = 0;
    this.isAppLimited = false;
    this.isRetrans = false;
    this.delivered = 0;
    this.intervalUs = -1;
    this.rttUs = -1;
    this.losses = 0;
    this.ackedSacked = 0;
    this.deliveredBytes = 0;
  }
}

export class TcpScratch {
  /** When the bytes that a reader has just been given came, host nanoseconds; 0: nobody asked. */
  rcvStampNs = 0;
  readonly ack: AckState = new AckState();
  readonly sample: AckSample = new AckSample();
  /** SACK blocks of the segment being processed, sorted, and how many. Pairs left, right. */
  readonly sacks: Int32Array = new Int32Array(8);
  numSacks = 0;
  /** Which of them is a D-SACK; -1: none. */
  dupIndex = -1;
  /** Where small writes of all sockets are copied to. Not a reference: it is good while `page.filler` is this object. */
  sendPage: Page | null = null;
  /** Sockets whose packets have left the card and that may go on sending (Linux: tsq_tasklet). */
  tsqHead: TcpSock | null = null;
  tsqTail: TcpSock | null = null;
  /** Result of tcpSelectInitialWindow. */
  rcvWnd = 0;
  windowClamp = 0;
  rcvWscale = 0;
  /** How long the longest wait of a RACK pass is, microseconds. */
  reoTimeoutUs = 0;
  /** Result of tcpAccEcnFit: fields of the option, -1 none, and the SACK blocks beside it. */
  accEcnFields = -1;
  accEcnSacks = 0;
  /** Result of tcpParseAuthOptions: where the digest of RFC 2385 and the option of RFC 5925 begin, -1 none. */
  md5At = -1;
  aoAt = -1;
  /** The segment that was predicted has a newer timestamp than the last. */
  tsProgress = false;
  /** Set by tcpTsoShouldDefer. */
  cwndLimited = false;
  rwndLimited = false;
}
