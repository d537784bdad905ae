/**
 * Compares what two hosts did in a case.
 *
 * A packet is the same when all of it is the same; only times and the values of timestamps have a tolerance, because the real
 * kernel's timers are late: by a jiffy and up to an eighth of what they were set to. Times are looked at from the last step on,
 * which both hosts had at the same instant.
 */
import type { Case } from './case.ts';
import { ANSWER_FIELDS, type Answer, type Sent, type Transcript } from './transcript.ts';

/** Jiffies of a kernel with HZ=250 that a timer may be early or late by, whatever it was set to. */
const EARLY_US = 6_000;
const LATE_US = 14_000;
/** The wheel's slack, and a little more. */
const LATE_SHARE = 0.15;
/** A timer that was set before the last step. */
const LEAST_GAP_US = 60_000;
const TIMESTAMP_SLACK_MS = 2;

/** Fields of `info` that measure time: microseconds of tolerance, beside an eighth. */
const MEASURED: Readonly<Record<string, number>> = {
  tcpi_rto: 10_000, tcpi_ato: 9_000, tcpi_rtt: 2_000, tcpi_rttvar: 2_000, tcpi_min_rtt: 2_000,
};
/** Fields that are not compared: they depend on microseconds. */
const LEFT_OUT: ReadonlySet<string> = new Set(['tcpi_rcv_rtt']);
/** Counters that are not compared. */
const COUNTERS_LEFT_OUT: ReadonlySet<string> = new Set([
  'TcpRtoAlgorithm', 'TcpRtoMin', 'TcpRtoMax', 'TcpMaxConn', 'TcpCurrEstab',
]);

/** The first difference in words; '' when there is none. */
export function difference(c: Case, want: Transcript, got: Transcript, known: ReadonlySet<string>): string {
  const last = got.sent[want.sent.length];
  if (last !== undefined && got.endUs - last.atUs < LATE_US + LATE_SHARE * (last.atUs - anchorOf(c, want, last.atUs))) {
    // The real kernel may have been about to send it, too.
    return sentDifference(c, want, { ...got, sent: got.sent.slice(0, want.sent.length) }) || answerDifference(c, want, got);
  }
  return sentDifference(c, want, got) || answerDifference(c, want, got) || counterDifference(want, got, known);
}

interface Bare {
  readonly text: string;
  readonly ts: number;
}

function withoutTs(text: string): Bare {
  const m = /TS val (\d+)/.exec(text);
  return m === null ? { text, ts: 0 } : { text: text.replace(m[0], 'TS val *'), ts: Number(m[1]) };
}

function sentDifference(c: Case, want: Transcript, got: Transcript): string {
  const n = Math.max(want.sent.length, got.sent.length);
  for (let i = 0; i < n; i++) {
    const [w, g] = [want.sent[i], got.sent[i]];
    if (w === undefined) return `packet ${i}: none wanted, got ${shown(g!)}`;
    if (g === undefined) return `packet ${i}: ${shown(w)} wanted, got none`;
    const why = packetDifference(c, want, w, g);
    if (why !== '') return `packet ${i}: ${why}\n  want ${shown(w)}\n  got  ${shown(g)}`;
  }
  return '';
}

function packetDifference(c: Case, t: Transcript, w: Sent, g: Sent): string {
  const [a, b] = [withoutTs(w.text), withoutTs(g.text)];
  if (a.text !== b.text) return `another packet: ${fieldsThatDiffer(a.text, b.text)}`;
  const anchor = anchorOf(c, t, Math.min(w.atUs, g.atUs));
  const late = w.atUs - g.atUs;
  const allowed = LATE_US + LATE_SHARE * Math.max(LEAST_GAP_US, g.atUs - anchor);
  if (late < -EARLY_US || late > allowed) return `${(-late / 1000).toFixed(1)} ms late`;
  return a.text.includes('TS val') && Math.abs(a.ts - b.ts - late / 1000) > TIMESTAMP_SLACK_MS + 1 ? 'another timestamp' : '';
}

/** `flags, ack`: for a list of kinds of differences. */
function fieldsThatDiffer(a: string, b: string): string {
  const head = String.raw`^(?<ip>[[(].*?[\])] )?(?<port>\d+ > \d+ )?(?<flags>\S+) (?<range>\S+)`;
  const rest = String.raw`(?: ack (?<ack>\d+))?(?: win (?<win>\d+))?(?: urg (?<urg>\d+))?(?: (?<options><.*>))?$`;
  const form = new RegExp(head + rest);
  const [x, y] = [form.exec(a)?.groups, form.exec(b)?.groups];
  if (x === undefined || y === undefined) return 'all';
  const names = Object.keys(x).filter((name) => x[name] !== y[name]);
  return names.map((name) => (name === 'flags' ? `${x[name]} not ${y[name]}` : name)).join(', ');
}

/** When the last step before `atUs` was that is no wait. */
function anchorOf(c: Case, t: Transcript, atUs: number): number {
  let anchor = 0;
  t.times.forEach((at, i) => { if (at <= atUs && !c.steps[i]!.startsWith('wait')) anchor = at; });
  return anchor;
}

function shown(s: Sent): string {
  return `${(s.atUs / 1000).toFixed(1)} > ${s.text}`;
}

function answerDifference(c: Case, want: Transcript, got: Transcript): string {
  for (let i = 0; i < c.steps.length; i++) {
    const why = oneAnswer(want.answers[i]!, got.answers[i]!);
    if (why !== '') return `step ${i}, ${c.steps[i]!}: ${why}`;
  }
  return '';
}

function oneAnswer(w: Answer, g: Answer): string {
  if (w === null && g === null) return '';
  if (!Array.isArray(w) || !Array.isArray(g)) return w === g ? '' : `${String(w)} wanted, got ${String(g)}`;
  const [a, b] = [w as number[], g as number[]];
  const wrong = ANSWER_FIELDS.filter((name, i) => !LEFT_OUT.has(name) && Math.abs(a[i]! - b[i]!) > slack(name, a[i]!));
  return wrong.map((name) => `${name} ${a[ANSWER_FIELDS.indexOf(name)]} wanted, got ${b[ANSWER_FIELDS.indexOf(name)]}`).join('; ');
}

function slack(name: string, value: number): number {
  const us = MEASURED[name];
  return us === undefined ? 0 : us + value / 8;
}

/** Counters of the real kernel that this stack has no word for are left out. */
function counterDifference(want: Transcript, got: Transcript, known: ReadonlySet<string>): string {
  const names = [...new Set([...Object.keys(want.counters), ...Object.keys(got.counters)])].sort();
  return names
    .filter((name) => known.has(name) && !COUNTERS_LEFT_OUT.has(name) && (want.counters[name] ?? 0) !== (got.counters[name] ?? 0))
    .map((name) => `${name}: ${want.counters[name] ?? 0} wanted, got ${got.counters[name] ?? 0}`).join('; ');
}
