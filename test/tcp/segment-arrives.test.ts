/**
 * RFC 9293 §3.10.7, SEGMENT ARRIVES: every state, every set of flags, every position of SEG.SEQ and SEG.ACK, once.
 *
 * What should happen is told by `rfc…` below: the RFC's text, step by step, with the changes of RFC 5961 and, marked
 * "Linux", where Linux has it otherwise. Nothing there looks at the code under test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLab, type Lab, type LabConn } from '../../src/testing.ts';
import { stateName } from '../../src/testing/lab-sock.ts';
import { TCP_NEW_SYN_RECV } from '../../src/sock/constants.ts';

/** Flags in the notation: R S F, `.` for ACK; `P` stands for "none of these". */
const FLAG_SETS = ['.', 'R', 'R.', 'S', 'S.', 'F', 'F.', 'P', 'SF', 'P.'] as const;
const SEQS = ['old', 'next', 'inside', 'beyond'] as const;
const ACKS = ['old', 'una', 'nxt', 'future'] as const;
type Seq = (typeof SEQS)[number];
type Ack = (typeof ACKS)[number];

interface Segment {
  readonly flags: string;
  readonly seq: Seq;
  readonly ack: Ack;
  /** Payload; `P` brings some. */
  readonly len: number;
}

/** What the host had when the segment came, relative numbers. */
interface Before {
  readonly state: string;
  readonly rcvNxt: number;
  readonly rcvWnd: number;
  readonly sndUna: number;
  readonly sndNxt: number;
}

/** What it should do: the state afterwards, and what it sends within 60 ms: `ack`, `rst <seq>`, `rst. <ack>`, `synack`, `syn`. */
interface Outcome {
  readonly state: string;
  readonly sends: string;
}

function has(s: Segment, flag: string): boolean {
  return s.flags.includes(flag);
}

function seqOf(b: Before, seq: Seq): number {
  return { old: b.rcvNxt - 1, next: b.rcvNxt, inside: b.rcvNxt + 1000, beyond: b.rcvNxt + b.rcvWnd + 1 }[seq];
}

function ackOf(b: Before, ack: Ack): number {
  return { old: b.sndUna - 1, una: b.sndUna, nxt: b.sndNxt, future: b.sndNxt + 1 }[ack];
}

/** Segments worth telling apart: without ACK the number there says nothing. */
function segments(): Segment[] {
  const out: Segment[] = [];
  for (const flags of FLAG_SETS) {
    for (const seq of SEQS) {
      for (const ack of flags.includes('.') ? ACKS : (['una'] as const)) out.push({ flags, seq, ack, len: flags.startsWith('P') ? 10 : 0 });
    }
  }
  return out;
}

// ---- §3.10.7.4, the synchronised states but TIME-WAIT

const AFTER_FIN = ['CLOSE_WAIT', 'CLOSING', 'LAST_ACK'];

function rfcSynchronised(b: Before, s: Segment): Outcome {
  const stay = (sends: string): Outcome => ({ state: b.state, sends });
  const seq = seqOf(b, s.seq);
  const end = seq + s.len + (has(s, 'S') ? 1 : 0) + (has(s, 'F') ? 1 : 0);
  const fin = has(s, 'F') ? 1 : 0;
  // Linux: a segment without ACK, RST and SYN is dropped before anything else ("fifth: if the ACK bit is off, drop").
  if (!has(s, '.') && !has(s, 'R') && !has(s, 'S')) return stay('');

  // First, check sequence number.
  const acceptable = end >= b.rcvNxt && (end - fin <= b.rcvNxt + b.rcvWnd || seq <= b.rcvNxt + b.rcvWnd);
  if (!acceptable) {
    // "unless the RST bit is set, if so drop the segment and return". Linux: the number of a FIN already received will do.
    if (has(s, 'R')) return s.seq === 'old' && AFTER_FIN.includes(b.state) ? { state: 'CLOSE', sends: '' } : stay('');
    return stay('ack');
  }
  // Second, check the RST bit. RFC 5961 §3.2: exactly RCV.NXT resets, elsewhere in the window a challenge ACK.
  if (has(s, 'R')) return seq === b.rcvNxt ? { state: 'CLOSE', sends: '' } : stay('ack');
  // Fourth, check the SYN bit. RFC 5961 §4.2: a challenge ACK, whatever the number.
  if (has(s, 'S')) return stay('ack');
  // Fifth, check the ACK field. "If the ACK acks something not yet sent, then send an ACK, drop the segment".
  const ack = ackOf(b, s.ack);
  if (ack > b.sndNxt) return stay('ack');
  // RFC 5961 §5.2: older than SND.UNA - MAX.SND.WND: the same. Linux: nor older than what was ever acknowledged.
  if (b.sndUna - ack > b.sndUna - 1) return stay('ack');
  const finAcked = ack === b.sndNxt && b.sndNxt === 2;
  if (b.state === 'CLOSING' && finAcked) return { state: 'TIME_WAIT', sends: '' };
  if (b.state === 'LAST_ACK' && finAcked) return { state: 'CLOSE', sends: '' };
  const state = b.state === 'FIN_WAIT1' && finAcked ? 'FIN_WAIT2' : b.state;
  return rfcText(b, s, state, seq, end);
}

/** Seventh and eighth: the segment text, the FIN bit. */
function rfcText(b: Before, s: Segment, state: string, seq: number, end: number): Outcome {
  if (end === seq) return { state, sends: '' };
  if (end <= b.rcvNxt) return { state, sends: 'ack' }; // all of it was here before: RFC 9293 wants an ACK, Linux sends it at once
  // "This should not occur since a FIN has been received from the remote side. Ignore the segment text."
  if (AFTER_FIN.includes(state) && seq >= b.rcvNxt) return { state, sends: '' };
  // Linux: bytes behind the FIN can only come from somebody who did not close; RFC 1122 §4.2.2.13 lets us reset him.
  if (AFTER_FIN.includes(state)) return { state: 'CLOSE', sends: `rst ${ackOf(b, s.ack) >>> 0}` };
  if (seq > b.rcvNxt) return { state, sends: 'ack' }; // a hole: RFC 5681 §4.2, at once
  if (!has(s, 'F')) return { state, sends: 'ack' };
  const next: Record<string, string> = { ESTABLISHED: 'CLOSE_WAIT', FIN_WAIT1: 'CLOSING', FIN_WAIT2: 'TIME_WAIT' };
  return { state: next[state]!, sends: 'ack' };
}

// ---- TIME-WAIT, with RFC 6191 and RFC 1337 as Linux has them by default; nobody listens on the port

function rfcTimeWait(b: Before, s: Segment): Outcome {
  const stay = (sends: string): Outcome => ({ state: b.state, sends });
  const seq = seqOf(b, s.seq);
  const empty = !has(s, 'S') && !has(s, 'F') && s.len === 0;
  if (seq === b.rcvNxt && has(s, 'R')) return { state: 'CLOSE', sends: '' };
  if (has(s, 'R')) return stay('');
  if (seq === b.rcvNxt && empty) return stay('');
  return stay('ack');
}

// ---- §3.10.7.3, SYN-SENT: SND.UNA = ISS, SND.NXT = ISS + 1

function rfcSynSent(b: Before, s: Segment): Outcome {
  const stay = (sends: string): Outcome => ({ state: b.state, sends });
  const ack = ackOf(b, s.ack);
  if (has(s, '.')) {
    // First: "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset (unless the RST bit is set)". Linux: and tries again soon.
    if (ack <= b.sndUna || ack > b.sndNxt) return stay(has(s, 'R') ? 'syn' : `rst ${ack >>> 0} syn`);
    // Second: "If the ACK was acceptable, signal to the user 'error: connection reset', enter CLOSED state".
    if (has(s, 'R')) return { state: 'CLOSE', sends: '' };
  } else if (has(s, 'R')) {
    return stay('');
  }
  // Fourth: SYN. With an acceptable ACK the connection is established; else it is a simultaneous open.
  if (has(s, 'S')) return has(s, '.') ? { state: 'ESTABLISHED', sends: 'ack' } : { state: 'SYN_RECV', sends: 'synack' };
  return stay('');
}

// ---- SYN-RECEIVED of a passive open: a request, IRS = 0, RCV.NXT = 1, ISS = 0, SND.UNA = 0, SND.NXT = 1

function rfcSynRecv(b: Before, s: Segment): Outcome {
  const stay = (sends: string): Outcome => ({ state: b.state, sends });
  const seq = seqOf(b, s.seq);
  const ack = ackOf(b, s.ack);
  const end = seq + s.len + (has(s, 'S') ? 1 : 0) + (has(s, 'F') ? 1 : 0);
  // The SYN once more (§3.10.7.4, fourth, and RFC 1122 §4.2.2.20): our answer was lost.
  if ((s.flags === 'S' || s.flags === 'SF') && s.seq === 'old') return stay('synack');
  // Linux looks at the ACK before the window: "if the segment acknowledgment is not acceptable, form a reset segment".
  if (has(s, '.') && !has(s, 'R') && ack !== b.sndNxt) return stay(`rst ${ack >>> 0}`);
  const inWindow = seq === b.rcvNxt || (end > b.rcvNxt && seq < b.rcvNxt + b.rcvWnd) || (seq === b.rcvNxt + b.rcvWnd && end === seq);
  if (!inWindow) return stay(has(s, 'R') ? '' : 'ack');
  // RFC 5961 §3.2, before the connection is there, too (Linux 6.18): exactly RCV.NXT, whatever is acknowledged; else a challenge.
  if (has(s, 'R')) return seq === b.rcvNxt ? { state: 'CLOSE', sends: '' } : stay('ack');
  // A SYN in the window of a passive open: "return to LISTEN"; Linux resets the peer, too.
  if (has(s, 'S') && s.seq !== 'old') return { state: 'CLOSE', sends: has(s, '.') ? `rst ${ack >>> 0}` : `rst. ${end}` };
  if (!has(s, '.')) return stay('');
  const state = has(s, 'F') && seq === b.rcvNxt ? 'CLOSE_WAIT' : 'ESTABLISHED';
  return { state, sends: end > seq && end > b.rcvNxt ? 'ack' : '' };
}

// ---- §3.10.7.2, LISTEN

function rfcListen(s: Segment, ack: number): Outcome {
  if (has(s, 'R')) return { state: 'none', sends: '' };
  if (has(s, '.')) return { state: 'none', sends: `rst ${ack >>> 0}` };
  // Linux: a SYN that ends the connection in the same breath is nonsense.
  if (has(s, 'S') && !has(s, 'F')) return { state: 'SYN_RECV', sends: 'synack' };
  return { state: 'none', sends: '' };
}

// ---- running them

/** Brings a lab into a state: what the host has then, and what to ask for the state afterwards. */
type Enter = (t: Lab) => { before: Before; state: () => string };
type Rfc = (b: Before, s: Segment) => Outcome;

function line(b: Before, s: Segment): string {
  const seq = seqOf(b, s.seq) >>> 0;
  const ack = has(s, '.') ? ` ack ${ackOf(b, s.ack) >>> 0}` : '';
  return `< ${s.flags} ${seq}:${(seq + s.len) >>> 0}(${s.len})${ack}`;
}

/** What the host has sent, in words. */
function sent(t: Lab): string {
  const words: string[] = [];
  for (let got = t.core.take(); got !== null; got = t.core.take()) {
    const { packet } = got;
    if (typeof packet === 'string' || packet.proto !== 'tcp') {
      words.push('strange');
      continue;
    }
    const bits = packet.flags & 0x17;
    if (bits === 0x04) words.push(`rst ${packet.range!.seq}`);
    else if (bits === 0x14) words.push(`rst. ${packet.ack!}`);
    else if (bits === 0x12) words.push('synack');
    else if (bits === 0x02) words.push('syn');
    else words.push((bits & 0x01) !== 0 ? 'fin' : 'ack');
  }
  return words.join(' ');
}

/** Runs one segment of the table; undefined when all is as it should be, else what is wrong. */
function probe(name: string, enter: Enter, rfc: Rfc, s: Segment): string | undefined {
  let wrong: string | undefined;
  runLab(`${name} ${s.flags} seq ${s.seq} ack ${s.ack}`, { sysctl: { tcp_timestamps: 0 } }, (t) => {
    const { before, state } = enter(t);
    const want = rfc(before, s);
    t.run(line(before, s));
    t.wait('60ms');
    const got = { state: state(), sends: sent(t) };
    if (got.state !== want.state || got.sends !== want.sends) {
      wrong = `${name.padEnd(11)} ${line(before, s).padEnd(40)} (seq ${s.seq}, ack ${s.ack}): ` +
        `wanted ${want.state} '${want.sends}', got ${got.state} '${got.sends}'`;
    }
  });
  return wrong;
}

function runAll(name: string, enter: Enter, rfc: Rfc): void {
  const wrong: string[] = [];
  for (const s of segments()) {
    const w = probe(name, enter, rfc, s);
    if (w !== undefined) wrong.push(w);
  }
  assert.equal(wrong.length, 0, `\n${wrong.join('\n')}\n`);
}

function connection(make: (t: Lab) => LabConn): Enter {
  return (t) => {
    const c = make(t);
    const { tp } = c;
    const state = (): string => stateName(t.host, c);
    const before: Before = {
      state: state(),
      rcvNxt: (tp.rcvNxt - tp.irs) >>> 0,
      rcvWnd: tp.rcvWnd,
      sndUna: (tp.sndUna - tp.iss) >>> 0,
      sndNxt: (tp.sndNxt - tp.iss) >>> 0,
    };
    return { before, state };
  };
}

const SYNCHRONISED: readonly (readonly [string, (t: Lab) => LabConn])[] = [
  ['ESTABLISHED', (t) => t.established()],
  ['FIN_WAIT1', (t) => t.finWait1()],
  ['FIN_WAIT2', (t) => t.finWait2()],
  ['CLOSE_WAIT', (t) => t.closeWait()],
  ['CLOSING', (t) => t.closing()],
  ['LAST_ACK', (t) => t.lastAck()],
];

for (const [name, make] of SYNCHRONISED) {
  test(`RFC 9293 §3.10.7.4: a segment of any kind arrives in ${name}`, () => {
    runAll(name, connection(make), rfcSynchronised);
  });
}

test('RFC 9293 §3.10.7.4: a segment of any kind arrives in TIME_WAIT', () => {
  runAll('TIME_WAIT', connection((t) => t.timeWait()), rfcTimeWait);
});

test('RFC 9293 §3.10.7.3: a segment of any kind arrives in SYN_SENT', () => {
  const enter: Enter = (t) => {
    const c = t.synSent();
    return { before: { state: 'SYN_SENT', rcvNxt: 1, rcvWnd: 5000, sndUna: 0, sndNxt: 1 }, state: () => stateName(t.host, c) };
  };
  runAll('SYN_SENT', enter, rfcSynSent);
});

test('RFC 9293 §3.10.7.4: a segment of any kind arrives in SYN_RECV', () => {
  const enter: Enter = (t) => {
    t.listening();
    t.newPeer();
    t.run`
      < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK,nop,wscale 7>
      > S. 0:0(0) ack 1
    `;
    const state = (): string => {
      const [e] = t.host.tcp.established.entries();
      if (e === undefined) return 'CLOSE';
      return e.state === TCP_NEW_SYN_RECV ? 'SYN_RECV' : ({ 1: 'ESTABLISHED', 8: 'CLOSE_WAIT' } as Record<number, string>)[e.state]!;
    };
    return { before: { state: 'SYN_RECV', rcvNxt: 1, rcvWnd: 64240, sndUna: 0, sndNxt: 1 }, state };
  };
  runAll('SYN_RECV', enter, rfcSynRecv);
});

test('RFC 9293 §3.10.7.2: a segment of any kind arrives in LISTEN', () => {
  const enter: Enter = (t) => {
    t.listening();
    t.newPeer();
    const state = (): string => (t.host.tcp.established.count === 0 ? 'none' : 'SYN_RECV');
    return { before: { state: 'none', rcvNxt: 1, rcvWnd: 5000, sndUna: 1, sndNxt: 2 }, state };
  };
  runAll('LISTEN', enter, (b, s) => rfcListen(s, ackOf(b, s.ack)));
});
