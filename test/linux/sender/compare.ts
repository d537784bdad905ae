/** Compares what two kernels did in the same case: what must be equal, and what the clock may blur. */
import { INFO_FIELDS, type Case, type Outcome, type SentSegment, type Transcript } from './case.ts';
import { lateness } from './play.ts';

/** Fields that both sides must agree on. */
export const EXACT: readonly string[] = [
  'state', 'ca_state', 'retransmits', 'probes', 'backoff', 'options', 'wscale', 'flags', 'snd_mss', 'unacked', 'sacked', 'lost', 'retrans',
  'pmtu', 'snd_ssthresh', 'snd_cwnd', 'advmss', 'reordering', 'total_retrans', 'max_pacing_rate', 'bytes_acked', 'bytes_received',
  'segs_out', 'segs_in', 'notsent_bytes', 'data_segs_in', 'data_segs_out', 'delivered', 'delivered_ce', 'bytes_sent', 'bytes_retrans',
  'dsack_dups', 'reord_seen', 'rcv_ooopack', 'snd_wnd', 'total_rto', 'total_rto_recoveries',
];
/**
 * Fields that follow the clock: tolerance, and as a share of the value. `rto` is in ticks of 4 ms there and of 1 ms here; a driver
 * under load sees a packet late by a millisecond.
 */
export const NEAR: Readonly<Record<string, readonly [number, number]>> = {
  rto: [12000, 0.13], rtt: [2500, 0.05], rttvar: [2500, 0.15], min_rtt: [2500, 0.02], last_data_sent: [45, 0.13],
};
const at = (name: string): number => INFO_FIELDS.indexOf(name);
const EXACT_AT: readonly number[] = EXACT.map(at);
/** A segment counts as the timer's when it comes this long after the last step. */
const BY_TIMER_US = 1000;
/** A timer of the real kernel that was set long before the last step may be this late at least. */
const SET_BEFORE_US = 300_000;
const DRIVER_US = 4500;

export interface Difference {
  readonly step: number;
  readonly what: string;
}

/** The first difference, or null. `ours` is the simulated kernel. */
export function compare(c: Case, ours: Transcript, theirs: Transcript): Difference | null {
  // What a late timer of the real kernel sent, everything that follows from it is late by.
  let drift = 0;
  for (let i = 0; i < c.steps.length; i++) {
    const [a, b] = [ours.steps[i], theirs.steps[i]];
    if (a === undefined || b === undefined) return { step: i, what: 'no outcome' };
    if (a.ret !== b.ret) return { step: i, what: `returned ${a.ret}, Linux ${b.ret}` };
    for (let j = 0; j < Math.max(a.out.length, b.out.length); j++) {
      const [x, y] = [a.out[j], b.out[j]];
      if (x === undefined || y === undefined || !sameSegment(x, y)) {
        return { step: i, what: `sent ${showSegment(x)}, Linux ${showSegment(y)}` };
      }
      const late = y[0] - x[0];
      const wait = x[0] - a.t;
      if (late < -DRIVER_US || late > drift + lateness(Math.max(wait, SET_BEFORE_US)) + wait / 64 + DRIVER_US) {
        return { step: i, what: `by timer: sent ${showSegment(x)}, Linux ${showSegment(y)}` };
      }
      if (wait > BY_TIMER_US) drift = Math.max(drift, late);
    }
    const info = compareInfo(a, b, drift);
    if (info !== '') return { step: i, what: info };
  }
  return null;
}

function sameSegment(a: SentSegment, b: SentSegment): boolean {
  for (let i = 1; i <= 6; i++) if (a[i] !== b[i]) return false;
  return JSON.stringify(a[7]) === JSON.stringify(b[7]);
}

function compareInfo(a: Outcome, b: Outcome, drift: number): string {
  if ((a.info === undefined) !== (b.info === undefined)) return 'TCP_INFO on one side only';
  if (a.info === undefined || b.info === undefined) return '';
  const wrong: string[] = [];
  for (const i of EXACT_AT) if (a.info[i] !== b.info[i]) wrong.push(`${INFO_FIELDS[i]!} ${a.info[i]}, Linux ${b.info[i]}`);
  for (const [name, [least, share]] of Object.entries(NEAR)) {
    const [x, y] = [a.info[at(name)]!, b.info[at(name)]!];
    const more = name === 'last_data_sent' ? drift / 1000 : name === 'rto' || name === 'rttvar' ? 3 * drift : drift;
    if (Math.abs(x - y) > Math.max(least, share * Math.max(x, y)) + more) wrong.push(`${name} ${x}, Linux ${y}`);
  }
  if (a.sndbuf !== b.sndbuf) wrong.push(`sndbuf ${a.sndbuf}, Linux ${b.sndbuf}`);
  return wrong.join('; ');
}

const FLAGS: readonly (readonly [number, string])[] = [[2, 'S'], [1, 'F'], [4, 'R'], [8, 'P'], [64, 'E'], [128, 'W'], [16, '.']];

export function showSegment(s: SentSegment | undefined): string {
  if (s === undefined) return 'nothing';
  const [us, flags, seq, len, ack, win, tos, options] = s;
  const letters = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter).join('');
  const extra = `${tos === 0 ? '' : ` ecn ${tos}`}${options.length === 0 ? '' : ` ${JSON.stringify(options)}`}`;
  return `${(us / 1000).toFixed(1)} ${letters} ${seq}:${seq + len}(${len}) ack ${ack} win ${win}${extra}`;
}

const SHOWN: readonly string[] = [
  'ca_state', 'snd_cwnd', 'snd_ssthresh', 'unacked', 'sacked', 'lost', 'retrans', 'reordering', 'backoff', 'rto', 'rtt', 'notsent_bytes',
  'snd_wnd', 'delivered',
];

function showInfo(o: Outcome): string {
  return o.info === undefined ? '' : SHOWN.map((name) => `${name} ${o.info![at(name)]}`).join(' ');
}

/** The case up to the difference: what the real kernel did, and where it differs what this one did. */
export function narrate(c: Case, ours: Transcript, theirs: Transcript, different: number): string {
  const lines = [`IPv${c.v} ${JSON.stringify(c.sysctl)} ${JSON.stringify(c.options)}`];
  for (let i = 0; i <= Math.min(different, c.steps.length - 1); i++) {
    const [a, b] = [ours.steps[i]!, theirs.steps[i]!];
    lines.push(`[${i}] ${(b.t / 1000).toFixed(1)} ${JSON.stringify(c.steps[i]!.slice(1))} = ${b.ret}`);
    for (const s of b.out) lines.push(`         > ${showSegment(s)}`);
    if (i === different) for (const s of a.out) lines.push(`  kernet > ${showSegment(s)}`);
    lines.push(`         % ${showInfo(b)}`);
    if (i === different) lines.push(`  kernet % ${showInfo(a)}`);
  }
  return lines.join('\n');
}
