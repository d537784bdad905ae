/** Runs cases on the real kernel and then, at the times that it took, on this stack. */
import { MIB_NAMES } from '../../src/dev/mib.ts';
import type { Case } from './case.ts';
import { difference } from './compare.ts';
import { runKernet } from './kernet.ts';
import { runReal, type Environment } from './real.ts';
import type { Transcript } from './transcript.ts';

/** A case on both, and the first difference. */
export interface Outcome {
  readonly case: Case;
  readonly env: Environment;
  readonly real: Transcript | null;
  readonly kernet: Transcript | null;
  /** '' when they agree. */
  readonly why: string;
}

const COUNTERS: ReadonlySet<string> = new Set<string>(MIB_NAMES);

/** Runs the cases on both. */
export async function runBoth(cases: readonly Case[], parallel: number): Promise<Outcome[]> {
  const { env, transcripts } = await runReal(cases, parallel);
  const outcomes: Outcome[] = [];
  for (const [i, c] of cases.entries()) {
    const real = transcripts[i]!;
    if (typeof real === 'string') {
      outcomes.push({ case: c, env, real: null, kernet: null, why: `driver: ${real}` });
      continue;
    }
    const kernet = await runKernet(c, real.times, real.endUs, env);
    outcomes.push({ case: c, env, real, kernet, why: difference(c, real, kernet, COUNTERS) });
  }
  return outcomes;
}

/** The cases that differ, and do so again when they are run again. */
export async function stable(outcomes: readonly Outcome[], parallel: number): Promise<Outcome[]> {
  const suspects = outcomes.filter((o) => o.why !== '');
  return suspects.length === 0 ? [] : (await runBoth(suspects.map((o) => o.case), parallel)).filter((o) => o.why !== '');
}

/** The kind of a difference: its words without numbers. */
export function kindOf(why: string): string {
  return why.replace(/\n[\s\S]*$/, '').replace(/\d+(\.\d+)?/g, 'N');
}
