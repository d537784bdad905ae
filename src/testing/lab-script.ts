/**
 * The lines of `t.run`, read into steps.
 *
 *     line   := [when] ( ">" packet | "<" packet ) | "quiet" duration | ""       // and a comment behind any of them
 *     when   := "+" seconds | "+" duration | seconds                             .100  40ms  0.300
 *
 * `+.100` counts from the line before; a time without `+` counts from the moment that the state was reached (so a trace
 * can be pasted back); no time means: in the same instant as the line before.
 */
import { parseDuration } from '../lib/units.ts';
import type { IpVersion } from '../wire/icmp-names.ts';
import type { PacketSpec } from '../wire/segment.ts';
import { parsePacket, SegmentSyntaxError } from './segment-notation.ts';

/** When a step happens. `at` is null for a time relative to the step before. */
export interface When {
  readonly afterNs: number;
  readonly atNs: number | null;
}

export type Step =
  | { readonly kind: 'expect' | 'inject'; readonly when: When; readonly packet: PacketSpec; readonly line: number; readonly text: string }
  | { readonly kind: 'quiet'; readonly forNs: number; readonly line: number; readonly text: string };

const LINE = /^\s*(?:(?<plus>\+)?(?<time>\d+(?:\.\d+)?|\.\d+)(?<unit>ns|us|ms|s|min|h)?\s+)?(?<mark>[<>])/;
const QUIET = /^\s*quiet\s+(\S+)\s*(?:\/\/.*)?$/;

/** Reads all lines; `version` of IP decides what an ICMP line means. Line numbers count from 1. Throws SegmentSyntaxError. */
export function parseScript(text: string, version: IpVersion = 4): Step[] {
  const steps: Step[] = [];
  text.split('\n').forEach((raw, i) => {
    const line = i + 1;
    if (/^\s*(?:\/\/.*)?$/.test(raw)) return;
    const quiet = QUIET.exec(raw);
    if (quiet !== null) {
      steps.push({ kind: 'quiet', forNs: duration(quiet[1]!, line, raw), line, text: raw.trim() });
      return;
    }
    const m = LINE.exec(raw);
    if (m === null) {
      throw new SegmentSyntaxError("'>' packet, '<' packet or quiet expected, after an optional time", line, 1);
    }
    const column = m[0].length + 1;
    const packet = parsePacket(raw.slice(m[0].length), { line, column, nops: true, version });
    const kind = m.groups!['mark'] === '>' ? 'expect' : 'inject';
    steps.push({ kind, when: parseWhen(m.groups!, line), packet, line, text: raw.trim() });
  });
  return steps;
}

function parseWhen(groups: Record<string, string | undefined>, line: number): When {
  const { plus, time, unit } = groups;
  if (time === undefined) return { afterNs: 0, atNs: null };
  const ns = duration(`${time}${unit ?? 's'}`, line, time);
  return plus === undefined ? { afterNs: 0, atNs: ns } : { afterNs: ns, atNs: null };
}

function duration(text: string, line: number, raw: string): number {
  try {
    return parseDuration(text, 'time');
  } catch {
    throw new SegmentSyntaxError(`'${text}' is not a duration such as 150ms`, line, raw.indexOf(text) + 1);
  }
}
