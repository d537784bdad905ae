/**
 * Conntrack for TCP: the state machine that both ends' segments drive, and the windows that say which segments can be theirs
 * (Linux: nf_conntrack_proto_tcp.c; the windows: Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter", 2000).
 *
 *   from  ip/filter/conntrack.ts   trackTcp, for each segment of a connection
 *   to    ip/filter/tcp-window.ts  is it in the window?
 *
 * The machine sees both directions and believes neither: a segment that does not fit is INVALID and changes nothing.
 */
import { get16, get32 } from '../../lib/bytes.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { before } from '../../lib/seq.ts';
import {
  TCP_ACK_SEQ, TCP_FLAG_ACK, TCP_FLAG_CWR, TCP_FLAG_ECE, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_RST, TCP_FLAG_SYN,
  TCP_FLAG_URG, TCP_SEQ, TCP_WINDOW,
} from '../../wire/tcp.ts';
import type { NfConn, TcpStep, TcpTrack } from './conn.ts';
import { type Conntrack, conntrackKill } from './conntrack-table.ts';
import { IP_CT_DIR_ORIGINAL, IP_CT_DIR_REPLY, IPS_ASSURED, IPS_SEEN_REPLY, NF_INET_PRE_ROUTING } from './constants.ts';
import type { NfPacket } from './packet.ts';
import {
  IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_CLOSE_INIT, IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED, IP_CT_TCP_FLAG_MAXACK_SET,
  IP_CT_TCP_FLAG_SACK_PERM, IP_CT_TCP_FLAG_WINDOW_SCALE, segmentEnd, tcpEndOptions, tcpInWindow, WINDOW_IGNORE, WINDOW_OK,
} from './tcp-window.ts';
import { checksumGood, CT_INVALID, CT_OK, CT_REPEAT } from './track-simple.ts';

export const TCP_CONNTRACK_NONE = 0;
export const TCP_CONNTRACK_SYN_SENT = 1;
export const TCP_CONNTRACK_SYN_RECV = 2;
export const TCP_CONNTRACK_ESTABLISHED = 3;
export const TCP_CONNTRACK_FIN_WAIT = 4;
export const TCP_CONNTRACK_CLOSE_WAIT = 5;
export const TCP_CONNTRACK_LAST_ACK = 6;
export const TCP_CONNTRACK_TIME_WAIT = 7;
export const TCP_CONNTRACK_CLOSE = 8;
export const TCP_CONNTRACK_SYN_SENT2 = 9;
const MAX = 10;
const IGNORE = 11;

/** The names that `conntrack -L` prints. */
export const TCP_CONNTRACK_NAMES: readonly string[] = [
  'NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT', 'CLOSE', 'SYN_SENT2',
];

/** What a segment is to the machine: the row of its table. */
export const TCP_SYN_SET = 0;
export const TCP_SYNACK_SET = 1;
export const TCP_FIN_SET = 2;
export const TCP_ACK_SET = 3;
export const TCP_RST_SET = 4;
export const TCP_NONE_SET = 5;

/** The words of the tables: sNO none, sSS SYN_SENT … sS2 SYN_SENT2, sIV invalid, sIG let through and not believed. */
const WORDS: Readonly<Record<string, number>> = {
  sNO: TCP_CONNTRACK_NONE, sSS: TCP_CONNTRACK_SYN_SENT, sSR: TCP_CONNTRACK_SYN_RECV, sES: TCP_CONNTRACK_ESTABLISHED,
  sFW: TCP_CONNTRACK_FIN_WAIT, sCW: TCP_CONNTRACK_CLOSE_WAIT, sLA: TCP_CONNTRACK_LAST_ACK, sTW: TCP_CONNTRACK_TIME_WAIT,
  sCL: TCP_CONNTRACK_CLOSE, sS2: TCP_CONNTRACK_SYN_SENT2, sIV: MAX, sIG: IGNORE,
};

function row(text: string): readonly number[] {
  return text.trim().split(/\s+/).map((word) => WORDS[word]!);
}

/** [direction][segment][state] → state. A connection's own direction is that of its first segment. */
const TRANSITIONS: readonly (readonly (readonly number[])[])[] = [
  [ //              sNO sSS sSR sES sFW sCW sLA sTW sCL sS2
    /* syn    */ row('sSS sSS sIG sIG sIG sIG sIG sSS sSS sS2'),
    /* synack */ row('sIV sIV sSR sIV sIV sIV sIV sIV sIV sSR'),
    /* fin    */ row('sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV'),
    /* ack    */ row('sES sIV sES sES sCW sCW sTW sTW sCL sIV'),
    /* rst    */ row('sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL'),
    /* none   */ row('sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV'),
  ],
  [
    /* syn    */ row('sIV sS2 sIV sIV sIV sIV sIV sSS sIV sS2'),
    /* synack */ row('sIV sSR sIG sIG sIG sIG sIG sIG sIG sSR'),
    /* fin    */ row('sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV'),
    /* ack    */ row('sIV sIG sSR sES sCW sCW sTW sTW sCL sIG'),
    /* rst    */ row('sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL'),
    /* none   */ row('sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV'),
  ],
];

/** In `lastFlags`: a SYN in LAST_ACK was let through, the answer may be a challenge ACK (RFC 5961 §4). */
const EXP_CHALLENGE_ACK = 0x40;
/** In `lastFlags`: both sides began at once. */
const SIMULTANEOUS_OPEN = 0x80;

/** PSH, ECE and CWR may go with anything. */
const FLAGS_OF_INTEREST: number = TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK | TCP_FLAG_URG;
const VALID_FLAGS: readonly number[] = [
  TCP_FLAG_SYN, TCP_FLAG_SYN | TCP_FLAG_URG, TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_RST | TCP_FLAG_ACK,
  TCP_FLAG_FIN | TCP_FLAG_ACK, TCP_FLAG_FIN | TCP_FLAG_ACK | TCP_FLAG_URG, TCP_FLAG_ACK, TCP_FLAG_ACK | TCP_FLAG_URG,
];

/** Is the segment no segment at all: cut short, a checksum that is wrong, flags that never go together? */
export function tcpErrorInPacket(table: Conntrack, p: NfPacket): boolean {
  if (p.tcpHlen === 0 || p.tcpHlen > p.l4Len) return true;
  if (p.hook === NF_INET_PRE_ROUTING && !checksumGood(table, p)) return true;
  return !VALID_FLAGS.includes(p.tcpFlags & FLAGS_OF_INTEREST & ~(TCP_FLAG_PSH | TCP_FLAG_ECE | TCP_FLAG_CWR));
}

function indexOf(flags: number): number {
  if ((flags & TCP_FLAG_RST) !== 0) return TCP_RST_SET;
  if ((flags & TCP_FLAG_SYN) !== 0) return (flags & TCP_FLAG_ACK) !== 0 ? TCP_SYNACK_SET : TCP_SYN_SET;
  if ((flags & TCP_FLAG_FIN) !== 0) return TCP_FIN_SET;
  return (flags & TCP_FLAG_ACK) !== 0 ? TCP_ACK_SET : TCP_NONE_SET;
}

/** Begins a connection with its first segment. False when it cannot begin one. */
export function tcpNewConnection(table: Conntrack, p: NfPacket, tcp: TcpTrack): boolean {
  const state = TRANSITIONS[IP_CT_DIR_ORIGINAL]![indexOf(p.tcpFlags)]![TCP_CONNTRACK_NONE]!;
  if (state >= MAX) return false;
  const [sender, receiver] = tcp.seen;
  const { buf } = p.skb;
  const end = segmentEnd(p);
  const window = get16(buf, p.th + TCP_WINDOW);
  sender.tdEnd = end;
  sender.tdMaxwin = window === 0 ? 1 : window;
  if (state === TCP_CONNTRACK_SYN_SENT) {
    sender.tdMaxend = end;
    tcpEndOptions(p, sender);
  } else {
    // Picked up in the middle: its history is lost, so it gets the benefit of the doubt.
    if (table.sysctl.nfConntrackTcpLoose === 0) return false;
    sender.tdMaxend = (end + sender.tdMaxwin) | 0;
    sender.flags |= IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL;
    receiver.flags |= IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL;
  }
  tcp.lastIndex = TCP_NONE_SET;
  return true;
}

/** What the special cases of a transition come to. */
const GO_ON = 0;
const ACCEPTED = 1;
const REFUSED = 2;
const KILLED = 3;
const IN_WINDOW = 4;

/** A segment of a connection: CT_OK, CT_INVALID, or CT_REPEAT when it begins a new one over the old one's grave. */
export function trackTcp(table: Conntrack, p: NfPacket, ct: NfConn, dir: number): number {
  const tcp = ct.tcp!;
  const index = indexOf(p.tcpFlags);
  const { step } = table;
  step.ct = ct;
  step.tcp = tcp;
  step.dir = dir;
  step.index = index;
  step.oldState = tcp.state;
  step.newState = TRANSITIONS[dir]![index]![tcp.state]!;
  switch (special(table, p, step)) {
    case ACCEPTED: return CT_OK;
    case REFUSED: return CT_INVALID;
    case KILLED: return CT_REPEAT;
    case GO_ON: {
      const found = tcpInWindow(table, tcp, dir, index, step.oldState, p);
      if (found === WINDOW_IGNORE) return CT_OK;
      if (found !== WINDOW_OK) return CT_INVALID;
      break;
    }
  }
  accept(table, step);
  return CT_OK;
}

/** What the table of transitions alone does not decide. */
function special(table: Conntrack, p: NfPacket, step: TcpStep): number {
  const { tcp, dir, index, ct } = step;
  switch (step.newState) {
    case TCP_CONNTRACK_SYN_SENT:
      if (step.oldState < TCP_CONNTRACK_TIME_WAIT) return GO_ON;
      // RFC 9293 §3.6.1: a new SYN may reopen a connection that its sender closed, or that was reset. It is a new one then.
      if (((tcp.seen[0].flags | tcp.seen[1].flags) & IP_CT_TCP_FLAG_CLOSE_INIT) !== 0
        || (tcp.lastDir === dir && tcp.lastIndex === TCP_RST_SET)) {
        conntrackKill(table, ct);
        return KILLED;
      }
      return ignored(p, step);
    case IGNORE:
      return ignored(p, step);
    case MAX:
      return REFUSED;
    case TCP_CONNTRACK_TIME_WAIT:
      // RFC 5961 §4: the ACK answers a SYN that we let through; it does not acknowledge the last FIN.
      if (step.oldState === TCP_CONNTRACK_LAST_ACK && index === TCP_ACK_SET && tcp.lastDir !== dir && tcp.lastIndex === TCP_SYN_SET
        && (tcp.lastFlags & EXP_CHALLENGE_ACK) !== 0) {
        tcp.lastFlags &= ~EXP_CHALLENGE_ACK;
        return ACCEPTED;
      }
      return GO_ON;
    case TCP_CONNTRACK_SYN_SENT2:
      tcp.lastFlags |= SIMULTANEOUS_OPEN;
      return GO_ON;
    case TCP_CONNTRACK_SYN_RECV:
      if (dir === IP_CT_DIR_REPLY && index === TCP_ACK_SET && (tcp.lastFlags & SIMULTANEOUS_OPEN) !== 0) {
        step.newState = TCP_CONNTRACK_ESTABLISHED;
      }
      return GO_ON;
    case TCP_CONNTRACK_CLOSE:
      return index === TCP_RST_SET ? reset(table, p, step) : GO_ON;
    default:
      return GO_ON;
  }
}

/**
 * A segment that is let through and not believed: this entry may be out of step with the two ends. If it was wrong, the
 * receiver will say so; what it says then is understood by what is noted here.
 */
function ignored(p: NfPacket, step: TcpStep): number {
  const { tcp, dir, index } = step;
  const { buf } = p.skb;
  const ack = get32(buf, p.th + TCP_ACK_SEQ);
  if (index === TCP_SYNACK_SET && tcp.lastIndex === TCP_SYN_SET && tcp.lastDir !== dir && ack === tcp.lastEnd) {
    // It answers the SYN that was ignored: so that was right, and we were wrong.
    const asked = tcp.seen[tcp.lastDir]!;
    step.oldState = TCP_CONNTRACK_SYN_SENT;
    step.newState = TCP_CONNTRACK_SYN_RECV;
    asked.tdEnd = tcp.lastEnd;
    asked.tdMaxend = tcp.lastEnd;
    asked.tdMaxwin = tcp.lastWin === 0 ? 1 : tcp.lastWin;
    asked.tdScale = tcp.lastWscale;
    tcp.lastFlags &= ~EXP_CHALLENGE_ACK;
    asked.flags = tcp.lastFlags;
    const answers = tcp.seen[dir]!;
    answers.tdEnd = answers.tdMaxend = answers.tdMaxwin = answers.tdMaxack = answers.tdScale = answers.flags = 0;
    return GO_ON;
  }
  tcp.lastIndex = index;
  tcp.lastDir = dir;
  tcp.lastSeq = get32(buf, p.th + TCP_SEQ);
  tcp.lastEnd = segmentEnd(p);
  tcp.lastWin = get16(buf, p.th + TCP_WINDOW);
  if (index === TCP_SYN_SET && dir === IP_CT_DIR_ORIGINAL) noteSyn(p, step);
  if (step.oldState === TCP_CONNTRACK_SYN_SENT && index === TCP_ACK_SET && dir === IP_CT_DIR_REPLY) tcp.lastAck = ack;
  return ACCEPTED;
}

/** Keeps what an ignored SYN offers, for the case that it turns out to be right. */
function noteSyn(p: NfPacket, step: TcpStep): void {
  const { tcp } = step;
  const end = tcp.seen[0];
  const { tdScale, flags } = end;
  tcpEndOptions(p, end);
  tcp.lastFlags = end.flags & (IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM);
  tcp.lastWscale = (end.flags & IP_CT_TCP_FLAG_WINDOW_SCALE) !== 0 ? end.tdScale : 0;
  end.tdScale = tdScale;
  end.flags = flags;
  if (step.oldState === TCP_CONNTRACK_LAST_ACK) tcp.lastFlags |= EXP_CHALLENGE_ACK;
}

/** RFC 5961 §3: a reset is believed when its number is exactly the next one; in the window it may draw a challenge ACK. */
function reset(table: Conntrack, p: NfPacket, step: TcpStep): number {
  const { tcp, dir, ct } = step;
  const { buf } = p.skb;
  const other = tcp.seen[dir ^ 1]!;
  const established = (ct.status & IPS_ASSURED) !== 0 && tcp.state === TCP_CONNTRACK_ESTABLISHED;
  if ((other.flags & IP_CT_TCP_FLAG_MAXACK_SET) !== 0) {
    const seq = get32(buf, p.th + TCP_SEQ);
    if (seq === 0 && !established) return GO_ON;
    if (before(seq, other.tdMaxack) && table.sysctl.nfConntrackTcpIgnoreInvalidRst === 0) return REFUSED;
    if (!established || seq === other.tdMaxack) return GO_ON;
    if (tcp.lastIndex === TCP_ACK_SET && tcp.lastDir === dir && seq === tcp.lastEnd) return GO_ON;
    step.newState = step.oldState;
  }
  const answersIgnored = ((ct.status & IPS_SEEN_REPLY) !== 0 && tcp.lastIndex === TCP_SYN_SET)
    || ((ct.status & IPS_ASSURED) === 0 && tcp.lastIndex === TCP_ACK_SET);
  return answersIgnored && get32(buf, p.th + TCP_ACK_SEQ) === tcp.lastEnd ? IN_WINDOW : GO_ON;
}

/** The segment is believed: the new state, and how long it lasts. */
function accept(table: Conntrack, step: TcpStep): void {
  const { ct, tcp, dir, index, oldState, newState } = step;
  tcp.lastIndex = index;
  tcp.lastDir = dir;
  tcp.state = newState;
  if (oldState !== newState && newState === TCP_CONNTRACK_FIN_WAIT) tcp.seen[dir]!.flags |= IP_CT_TCP_FLAG_CLOSE_INIT;
  let seconds = timeoutOf(table, tcp, newState, index);
  if ((ct.status & IPS_SEEN_REPLY) === 0) {
    // A reset is all that came of it: nothing is lost with the entry.
    if (index === TCP_RST_SET) {
      conntrackKill(table, ct);
      return;
    }
    const unacknowledged = table.sysctl.nfConntrackTcpTimeoutUnacknowledged;
    if (newState === TCP_CONNTRACK_ESTABLISHED && seconds > unacknowledged) seconds = unacknowledged;
  } else if ((ct.status & IPS_ASSURED) === 0 && newState === TCP_CONNTRACK_ESTABLISHED
    && (oldState === TCP_CONNTRACK_SYN_RECV || oldState === TCP_CONNTRACK_ESTABLISHED)) {
    ct.status |= IPS_ASSURED;
  }
  ct.expires = table.net.cpu.now + seconds * NS_PER_SEC;
}

function timeoutOf(table: Conntrack, tcp: TcpTrack, state: number, index: number): number {
  const { sysctl } = table;
  const own = stateTimeout(table, state);
  const retrans = sysctl.nfConntrackTcpTimeoutMaxRetrans;
  if (tcp.retrans >= sysctl.nfConntrackTcpMaxRetrans && own > retrans) return retrans;
  if (index === TCP_RST_SET) return sysctl.nfConntrackTcpTimeoutClose;
  const unacknowledged = sysctl.nfConntrackTcpTimeoutUnacknowledged;
  if (((tcp.seen[0].flags | tcp.seen[1].flags) & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED) !== 0 && own > unacknowledged) return unacknowledged;
  return tcp.lastWin === 0 && own > retrans ? retrans : own;
}

/** Seconds that a state lasts without a segment. */
export function stateTimeout(table: Conntrack, state: number): number {
  const { sysctl } = table;
  switch (state) {
    case TCP_CONNTRACK_SYN_SENT: case TCP_CONNTRACK_SYN_SENT2: return sysctl.nfConntrackTcpTimeoutSynSent;
    case TCP_CONNTRACK_SYN_RECV: return sysctl.nfConntrackTcpTimeoutSynRecv;
    case TCP_CONNTRACK_ESTABLISHED: return sysctl.nfConntrackTcpTimeoutEstablished;
    case TCP_CONNTRACK_FIN_WAIT: return sysctl.nfConntrackTcpTimeoutFinWait;
    case TCP_CONNTRACK_CLOSE_WAIT: return sysctl.nfConntrackTcpTimeoutCloseWait;
    case TCP_CONNTRACK_LAST_ACK: return sysctl.nfConntrackTcpTimeoutLastAck;
    case TCP_CONNTRACK_TIME_WAIT: return sysctl.nfConntrackTcpTimeoutTimeWait;
    default: return sysctl.nfConntrackTcpTimeoutClose;
  }
}
