/** Recorded cases: what the real kernel did, small enough for the tree. One JSON line each, behind a line about the machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Environment } from './real.ts';
import type { Recorded } from './transcript.ts';

export interface Fixture {
  readonly env: Environment;
  readonly cases: readonly Recorded[];
}

export function readFixture(file: string | URL): Fixture {
  const [first = '{}', ...lines] = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  return { env: JSON.parse(first) as Environment, cases: lines.map((line) => JSON.parse(line) as Recorded) };
}

/** Adds cases to what is there. */
export function addToFixture(file: string, env: Environment, cases: readonly Recorded[]): void {
  const had = existsSync(file) ? readFixture(file).cases : [];
  const lines = [env, ...had, ...cases].map((one) => JSON.stringify(one));
  writeFileSync(file, gzipSync(lines.join('\n'), { level: 9 }));
}
