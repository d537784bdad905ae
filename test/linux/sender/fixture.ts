/**
 * Recorded cases: what the real kernel did, small enough for the tree. One JSON line per case, all of it compressed; of TCP_INFO the
 * fields that are compared, and of these what has changed since the last step.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { INFO_FIELDS, type Case, type Outcome, type SentSegment, type Transcript } from './case.ts';
import { EXACT, NEAR } from './compare.ts';

export interface Recorded {
  readonly profile: string;
  readonly case: Case;
  readonly transcript: Transcript;
}

/** t, result, send buffer (-1: no socket yet), changes of TCP_INFO (field, value, …), segments. */
type Packed = [number, number, number, number[], SentSegment[]];

const KEPT: readonly number[] = [...EXACT, ...Object.keys(NEAR)].map((name) => INFO_FIELDS.indexOf(name));

export function packFixture(list: readonly Recorded[]): Uint8Array {
  const lines = list.map(({ profile, case: c, transcript }) => {
    const last = new Array<number>(INFO_FIELDS.length).fill(0);
    return JSON.stringify([profile, c, transcript.steps.map((o) => packStep(o, last))]);
  });
  return gzipSync(lines.join('\n'), { level: 9 });
}

function packStep(o: Outcome, last: number[]): Packed {
  const changes: number[] = [];
  for (const i of o.info === undefined ? [] : KEPT) {
    const value = o.info![i]!;
    if (value !== last[i]) changes.push(i, value);
    last[i] = value;
  }
  return [o.t, o.ret, o.sndbuf ?? -1, changes, o.out];
}

export function unpackFixture(bytes: Uint8Array): Recorded[] {
  return gunzipSync(bytes).toString('utf8').split('\n').map((line) => {
    const [profile, c, steps] = JSON.parse(line) as [string, Case, Packed[]];
    const last = new Array<number>(INFO_FIELDS.length).fill(0);
    return { profile, case: c, transcript: { id: c.id, steps: steps.map((p) => unpackStep(p, last)) } };
  });
}

function unpackStep([t, ret, sndbuf, changes, out]: Packed, last: number[]): Outcome {
  for (let i = 0; i + 1 < changes.length; i += 2) last[changes[i]!] = changes[i + 1]!;
  return sndbuf < 0 ? { t, ret, out } : { t, ret, sndbuf, info: [...last], out };
}
