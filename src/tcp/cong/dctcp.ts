/**
 * DCTCP, RFC 8257: the window gives way in proportion to how much of it was marked.
 *
 * The receiver tells of each change between marked and unmarked data at once, so that the sender can count. The sender keeps
 * `alpha`, the smoothed share of marked segments (in 1/1024), and takes half of that share off the window once per round trip.
 * Needs ECN; a connection whose peer does not speak it goes on as Reno.
 */
import { TCP_ECN_DEMAND_CWR, TCP_ECN_MODE_ANY } from '../ecn.ts';
import { tcpSendAck } from '../output.ts';
import { ICSK_ACK_NOW, ICSK_ACK_TIMER, TCP_CA_Recovery, type TcpSock } from '../sock.ts';
import { CA_EVENT_ECN_IS_CE, CA_EVENT_ECN_NO_CE, CA_EVENT_LOSS, type CongestionOps, type TcpCcInfo } from './cong.ts';
import { dctcpRenoOps, renoCongAvoid } from './reno.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../../sock/constants.ts';

/** alpha = 1. */
const MAX_ALPHA = 1024;
/** g, the weight of a new sample: 1/16 (RFC 8257 §4.2). */
const SHIFT_G = 4;

class Dctcp {
  alpha: number = MAX_ALPHA;
  /** Counters at the beginning of the window that is being observed, and where it ends. */
  oldDelivered = 0;
  oldDeliveredCe = 0;
  nextSeq = 0;
  /** The receiver's side: was the last data marked? */
  ceState = false;
  /** Where it ended. */
  priorRcvNxt = 0;
  lossCwnd = 0;
  /** Segments of the last window: marked, and all. */
  abEcn = 0;
  abTot = 0;
}

function init(tp: TcpSock): void {
  if ((tp.ecnFlags & TCP_ECN_MODE_ANY) === 0 && tp.state !== TCP_LISTEN && tp.state !== TCP_CLOSE) {
    tp.ca = dctcpRenoOps;
    return;
  }
  const ca = new Dctcp();
  ca.priorRcvNxt = tp.rcvNxt;
  beginWindow(tp, ca);
  tp.caPriv = ca;
}

function state(tp: TcpSock): Dctcp {
  if (tp.caPriv === null) { // a SYN that is lost comes here before the connection is established
    const ca = new Dctcp();
  ca.priorRcvNxt = tp.rcvNxt;
    beginWindow(tp, ca);
    tp.caPriv = ca;
  }
  return tp.caPriv as Dctcp;
}

function beginWindow(tp: TcpSock, ca: Dctcp): void {
  ca.nextSeq = tp.sndNxt;
  ca.oldDelivered = tp.delivered;
  ca.oldDeliveredCe = tp.deliveredCe;
}

/** RFC 8257 §3.3: cwnd = cwnd * (1 - alpha / 2). */
function ssthresh(tp: TcpSock): number {
  const ca = state(tp);
  ca.lossCwnd = tp.sndCwnd;
  return Math.max(tp.sndCwnd - Math.floor((tp.sndCwnd * ca.alpha) / 2048), 2);
}

/** Once per window of data: alpha = (1 - g) * alpha + g * M (RFC 8257 §3.3, steps 6 to 8). */
function updateAlpha(tp: TcpSock): void {
  const ca = state(tp);
  if (((tp.sndUna - ca.nextSeq) | 0) < 0) return;
  const marked = tp.deliveredCe - ca.oldDeliveredCe;
  const delivered = tp.delivered - ca.oldDelivered;
  const decay = ca.alpha >> SHIFT_G;
  let alpha = ca.alpha - (decay === 0 ? ca.alpha : decay); // what rounds to nothing goes at once
  if (marked > 0) alpha = Math.min(alpha + Math.floor((marked << (10 - SHIFT_G)) / Math.max(1, delivered)), MAX_ALPHA);
  ca.alpha = alpha;
  ca.abEcn = marked;
  ca.abTot = delivered;
  beginWindow(tp, ca);
}

/** A loss is a loss (RFC 8257 §3.5): the window is halved. */
function reactToLoss(tp: TcpSock): void {
  state(tp).lossCwnd = tp.sndCwnd;
  tp.sndSsthresh = Math.max(tp.sndCwnd >> 1, 2);
}

/** A timeout comes as an event, before it becomes a state. */
function setState(tp: TcpSock, next: number): void {
  if (next === TCP_CA_Recovery && next !== tp.caState) reactToLoss(tp);
}

/**
 * RFC 8257 §3.2: the first data that is marked, or not marked any more, draws an ACK at once; what a delayed ACK still owed is
 * acknowledged before it, with the old mark and the old RCV.NXT.
 */
function receivedMark(tp: TcpSock, ce: boolean): void {
  const ca = state(tp);
  if (ca.ceState !== ce) {
    if ((tp.ackPending & ICSK_ACK_TIMER) !== 0) {
      demandCwr(tp, ca.ceState);
      const pending = tp.ackPending;
      tp.ackPending = 0; // it does not settle what the new data asks for
      const { rcvNxt } = tp;
      tp.rcvNxt = ca.priorRcvNxt;
      tcpSendAck(tp);
      tp.rcvNxt = rcvNxt;
      tp.ackPending = pending;
    }
    tp.ackPending |= ICSK_ACK_NOW;
  }
  ca.priorRcvNxt = tp.rcvNxt;
  ca.ceState = ce;
  demandCwr(tp, ce);
}

/** The ECE bit of our ACKs. */
function demandCwr(tp: TcpSock, ce: boolean): void {
  if (ce) tp.ecnFlags |= TCP_ECN_DEMAND_CWR;
  else tp.ecnFlags &= ~TCP_ECN_DEMAND_CWR;
}

function cwndEvent(tp: TcpSock, event: number): void {
  switch (event) {
    case CA_EVENT_ECN_IS_CE: receivedMark(tp, true); break;
    case CA_EVENT_ECN_NO_CE: receivedMark(tp, false); break;
    case CA_EVENT_LOSS: reactToLoss(tp); break;
  }
}

/** `struct tcp_dctcp_info`. */
function getInfo(tp: TcpSock): TcpCcInfo {
  const ca = state(tp);
  return {
    dctcp_enabled: 1, dctcp_ce_state: Number(ca.ceState), dctcp_alpha: ca.alpha, dctcp_ab_ecn: ca.abEcn, dctcp_ab_tot: ca.abTot,
  };
}

export const dctcpOps: CongestionOps = {
  name: 'dctcp',
  needsEcn: true,
  init,
  ssthresh,
  congAvoid(tp: TcpSock, ack: number, acked: number): void {
    renoCongAvoid(tp, ack, acked);
  },
  undoCwnd(tp: TcpSock): number {
    return Math.max(tp.sndCwnd, state(tp).lossCwnd);
  },
  setState,
  cwndEvent,
  pktsAcked(): void {},
  inAckEvent: updateAlpha,
  congControl: null,
  minTsoSegs: null,
  sndbufExpand: null,
  getInfo,
};
