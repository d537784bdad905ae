/**
 * Which segments can be those of a TCP connection, seen from the middle: four bounds, kept for both ends
 * (Linux: tcp_in_window; G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter").
 *
 *     I    seq  ≤ td_maxend              not beyond what the receiver allowed
 *     II   end  ≥ td_end − maxwin        not older than a window
 *     III  sack ≤ receiver's td_end      nothing acknowledged that was never sent
 *     IV   ack  ≥ td_end − MAXACKWINDOW  no acknowledgement from long ago
 */
import { get16, get32, get8 } from '../../lib/bytes.ts';
import { after, before } from '../../lib/seq.ts';
import {
  TCP_ACK_SEQ, TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_HLEN_MIN, TCP_OPTIONS, TCP_SEQ, TCP_WINDOW,
} from '../../wire/tcp.ts';
import {
  TCP_MAX_WSCALE, TCPOLEN_SACK_PERBLOCK, TCPOLEN_SACK_PERM, TCPOLEN_WINDOW, TCPOPT_EOL, TCPOPT_NOP, TCPOPT_SACK, TCPOPT_SACK_PERM,
  TCPOPT_WINDOW,
} from '../../wire/tcp-options.ts';
import type { TcpEnd, TcpTrack } from './conn.ts';
import type { Conntrack } from './conntrack-table.ts';
import { IP_CT_DIR_REPLY } from './constants.ts';
import type { NfPacket } from './packet.ts';

/** It scales its window; it takes SACK; it sent the first FIN; its window is not looked at. */
export const IP_CT_TCP_FLAG_WINDOW_SCALE = 0x01;
export const IP_CT_TCP_FLAG_SACK_PERM = 0x02;
export const IP_CT_TCP_FLAG_CLOSE_INIT = 0x04;
export const IP_CT_TCP_FLAG_BE_LIBERAL = 0x08;
/** It has sent what is not acknowledged; `tdMaxack` holds something. */
export const IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED = 0x10;
export const IP_CT_TCP_FLAG_MAXACK_SET = 0x20;

/** The age that an acknowledgement may have at most, whatever the window (Linux: MAXACKWINCONST). */
const MAXACKWINCONST = 66000;

export const WINDOW_OK = 0;
/** Let through, and nothing is learned from it. */
export const WINDOW_IGNORE = 1;
export const WINDOW_INVALID = 2;

const STATE_SYN_SENT = 1;
const STATE_SYN_RECV = 2;
const INDEX_ACK = 3;

/** One more than the last number that the segment occupies. */
export function segmentEnd(p: NfPacket): number {
  const flags = p.tcpFlags;
  return (get32(p.skb.buf, p.th + TCP_SEQ) + p.l4Len - p.tcpHlen + ((flags & TCP_FLAG_SYN) !== 0 ? 1 : 0)
    + ((flags & TCP_FLAG_FIN) !== 0 ? 1 : 0)) | 0;
}

/** Calls for each option of the segment: where it is and its length. Stops at nonsense. */
function nextOption(buf: Uint8Array, at: number, end: number): number {
  const kind = get8(buf, at);
  if (kind === TCPOPT_EOL) return end;
  if (kind === TCPOPT_NOP) return at + 1;
  const len = at + 1 < end ? get8(buf, at + 1) : 0;
  return len < 2 || at + len > end ? end : at + len;
}

/** What a SYN says about its sender: window scale and SACK. */
export function tcpEndOptions(p: NfPacket, end: TcpEnd): void {
  const { buf } = p.skb;
  const stop = p.th + p.tcpHlen;
  end.tdScale = 0;
  end.flags = 0;
  for (let at = p.th + TCP_OPTIONS; at < stop; at = nextOption(buf, at, stop)) {
    const kind = get8(buf, at);
    if (kind === TCPOPT_EOL) return;
    if (kind === TCPOPT_SACK_PERM && get8(buf, at + 1) === TCPOLEN_SACK_PERM) end.flags |= IP_CT_TCP_FLAG_SACK_PERM;
    if (kind === TCPOPT_WINDOW && get8(buf, at + 1) === TCPOLEN_WINDOW) {
      end.tdScale = Math.min(get8(buf, at + 2), TCP_MAX_WSCALE);
      end.flags |= IP_CT_TCP_FLAG_WINDOW_SCALE;
    }
  }
}

/** The highest number that the segment acknowledges, selectively or not. */
function highestSack(p: NfPacket, ack: number): number {
  if (p.tcpHlen === TCP_HLEN_MIN) return ack;
  const { buf } = p.skb;
  const stop = p.th + p.tcpHlen;
  let high = ack;
  for (let at = p.th + TCP_OPTIONS; at < stop; at = nextOption(buf, at, stop)) {
    if (get8(buf, at) !== TCPOPT_SACK) continue;
    const len = get8(buf, at + 1);
    for (let off = 2; off + TCPOLEN_SACK_PERBLOCK <= len && at + off + TCPOLEN_SACK_PERBLOCK <= stop; off += TCPOLEN_SACK_PERBLOCK) {
      const right = get32(buf, at + off + 4);
      if (after(right, high)) high = right;
    }
  }
  return high;
}

/** The first words of an end, or its first again. */
function initSender(p: NfPacket, sender: TcpEnd, receiver: TcpEnd, end: number, win: number): void {
  sender.tdEnd = end;
  sender.tdMaxend = end;
  sender.tdMaxwin = win === 0 ? 1 : win;
  tcpEndOptions(p, sender);
  // RFC 7323 §2.2: windows are scaled when both have said so.
  if ((sender.flags & receiver.flags & IP_CT_TCP_FLAG_WINDOW_SCALE) === 0) sender.tdScale = receiver.tdScale = 0;
}

/** Looks at a segment's numbers, and learns from them when they are good. */
export function tcpInWindow(table: Conntrack, tcp: TcpTrack, dir: number, index: number, oldState: number, p: NfPacket): number {
  const { buf } = p.skb;
  const { tcpFlags: flags } = p;
  const sender = tcp.seen[dir]!;
  const receiver = tcp.seen[dir ^ 1]!;
  const syn = (flags & TCP_FLAG_SYN) !== 0;
  let seq = get32(buf, p.th + TCP_SEQ);
  let ack = get32(buf, p.th + TCP_ACK_SEQ);
  let sack = (receiver.flags & IP_CT_TCP_FLAG_SACK_PERM) !== 0 ? highestSack(p, ack) : ack;
  const win = get16(buf, p.th + TCP_WINDOW);
  let end = segmentEnd(p);
  if (sender.tdMaxwin === 0) {
    if (syn) {
      initSender(p, sender, receiver, end, win);
      if ((flags & TCP_FLAG_ACK) === 0) return WINDOW_OK; // both begin at once
    } else {
      pickUp(sender, receiver, end, win, sack);
    }
  } else if (syn && dir === IP_CT_DIR_REPLY && (oldState === STATE_SYN_SENT || oldState === STATE_SYN_RECV)) {
    initSender(p, sender, receiver, end, win); // a retransmitted SYN-ACK may be a new one
    if ((flags & TCP_FLAG_ACK) === 0) return WINDOW_OK;
  }
  // Without an ACK, and with the zero one of some resets, take it that all is acknowledged.
  if ((flags & TCP_FLAG_ACK) === 0 || ((flags & TCP_FLAG_RST) !== 0 && ack === 0)) ack = sack = receiver.tdEnd;
  if ((flags & TCP_FLAG_RST) !== 0 && seq === 0 && oldState === STATE_SYN_SENT) seq = end = sender.tdEnd;
  const verdict = judge(sender, receiver, seq, end, ack, sack);
  if (verdict !== WINDOW_OK) {
    const liberal = (sender.flags & IP_CT_TCP_FLAG_BE_LIBERAL) !== 0 || table.sysctl.nfConntrackTcpBeLiberal !== 0;
    return liberal ? WINDOW_OK : verdict;
  }
  learn(sender, receiver, flags, end, ack, sack, syn ? win : win << sender.tdScale);
  if (index === INDEX_ACK) countRetransmission(tcp, dir, seq, ack, end, win);
  return WINDOW_OK;
}

/** A connection that was there before us: what this segment says is all that is known. */
function pickUp(sender: TcpEnd, receiver: TcpEnd, end: number, win: number, sack: number): void {
  const window = win << sender.tdScale;
  sender.tdEnd = end;
  sender.tdMaxwin = window === 0 ? 1 : window;
  sender.tdMaxend = (end + sender.tdMaxwin) | 0;
  if (receiver.tdMaxwin === 0) receiver.tdEnd = receiver.tdMaxend = sack;
  else if (sack === ((receiver.tdEnd + 1) | 0)) receiver.tdEnd = sack; // the answer to a keepalive
}

function judge(sender: TcpEnd, receiver: TcpEnd, seq: number, end: number, ack: number, sack: number): number {
  const inReceiveWindow = receiver.tdMaxwin === 0 || after(end, (sender.tdEnd - receiver.tdMaxwin - 1) | 0);
  if (!before(seq, (sender.tdMaxend + 1) | 0)) {
    // By less than a window: an acknowledgement may have gone another way.
    const over = (end - sender.tdMaxend + 1) | 0;
    return over > 0 && over <= receiver.tdMaxwin && inReceiveWindow ? WINDOW_IGNORE : WINDOW_INVALID;
  }
  const oldest = sender.tdMaxwin > MAXACKWINCONST ? sender.tdMaxwin : MAXACKWINCONST;
  const good = inReceiveWindow && before(sack, (receiver.tdEnd + 1) | 0) && after(ack, (receiver.tdEnd - oldest - 1) | 0);
  return good ? WINDOW_OK : WINDOW_INVALID;
}

function learn(sender: TcpEnd, receiver: TcpEnd, flags: number, end: number, ack: number, sack: number, win: number): void {
  const reach = win + ((sack - ack) | 0);
  if (sender.tdMaxwin < reach) sender.tdMaxwin = reach;
  if (after(end, sender.tdEnd)) {
    sender.tdEnd = end;
    sender.flags |= IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
  }
  if ((flags & TCP_FLAG_ACK) !== 0) {
    if ((sender.flags & IP_CT_TCP_FLAG_MAXACK_SET) === 0) {
      sender.tdMaxack = ack;
      sender.flags |= IP_CT_TCP_FLAG_MAXACK_SET;
    } else if (after(ack, sender.tdMaxack)) {
      sender.tdMaxack = ack;
    }
  }
  if (receiver.tdMaxwin !== 0 && after(end, sender.tdMaxend)) receiver.tdMaxwin += (end - sender.tdMaxend) | 0;
  if (after((sack + win) | 0, (receiver.tdMaxend - 1) | 0)) {
    receiver.tdMaxend = (sack + win) | 0;
    if (win === 0) receiver.tdMaxend = (receiver.tdMaxend + 1) | 0;
  }
  if (ack === receiver.tdEnd) receiver.flags &= ~IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
}

/** The same acknowledgement again and again: somebody does not hear the other. */
function countRetransmission(tcp: TcpTrack, dir: number, seq: number, ack: number, end: number, win: number): void {
  if (tcp.lastDir === dir && tcp.lastSeq === seq && tcp.lastAck === ack && tcp.lastEnd === end && tcp.lastWin === win) {
    tcp.retrans++;
    return;
  }
  tcp.lastDir = dir;
  tcp.lastSeq = seq;
  tcp.lastAck = ack;
  tcp.lastEnd = end;
  tcp.lastWin = win;
  tcp.retrans = 0;
}
