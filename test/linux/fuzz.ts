/**
 * Random cases on the real kernel and on this stack, and where they differ.
 *
 *   node --import tsx test/linux/fuzz.ts --suite receive --seed 1 --cases 200
 *
 *   --parallel N   namespaces at a time (60)       --shrink N     shrink one case of each of N kinds of difference (3)
 *   --only I       the one case                    --record FILE  keep the cases that agree, as a fixture, up to --keep N (100)
 *
 * A difference counts when the real kernel shows it twice: a timer that goes off beside a step may fall on either side of it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { kindOf, runBoth, stable, type Outcome } from './both.ts';
import { missing } from './real.ts';
import { shrink } from './shrink.ts';
import { SUITES, generate } from './suites.ts';
import { narrate, toRecorded } from './transcript.ts';

function show(o: Outcome): string {
  if (o.real === null || o.kernet === null) return o.why;
  const { ip, isn, mtu, sysctl } = o.case;
  const both = `Linux\n${narrate(o.case, o.real)}\nkernet\n${narrate(o.case, o.kernet)}`;
  return `${JSON.stringify({ ip, isn, mtu, sysctl })}\n${both}\n${o.why}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string', default: Object.keys(SUITES).join(',') }, seed: { type: 'string', default: '1' },
      cases: { type: 'string', default: '100' },
      parallel: { type: 'string', default: '60' }, shrink: { type: 'string', default: '3' }, only: { type: 'string' },
      record: { type: 'string' }, keep: { type: 'string', default: '100' },
    },
  });
  const reason = missing();
  if (reason !== '') {
    console.error(`the real kernel cannot be asked: ${reason}`);
    return 2;
  }
  const parallel = Number(values.parallel);
  let cases = values.suite.split(',').flatMap((suite) => generate(suite, Number(values.seed), Number(values.cases)));
  if (values.only !== undefined) cases = [cases[Number(values.only)]!];
  const first = await runBoth(cases, parallel);
  const bad = await stable(first, parallel);
  const kinds = new Map<string, Outcome[]>();
  for (const o of bad) kinds.set(kindOf(o.why), [...(kinds.get(kindOf(o.why)) ?? []), o]);
  const sorted = [...kinds.entries()].sort((a, b) => b[1].length - a[1].length);
  for (const [kind, list] of sorted) {
    console.log(`${String(list.length).padStart(5)} ${kind}   (${list.slice(0, 4).map((o) => o.case.name).join(' ')})`);
  }
  for (const [kind, list] of sorted.slice(0, Number(values.shrink))) {
    console.log(`\n=== ${kind}, ${list[0]!.case.name}`);
    console.log(show(await shrink(list[0]!, parallel)));
  }
  if (values.record !== undefined) record(values.record, first, Number(values.keep));
  console.log(`${cases.length} cases, ${bad.length} differ (${first.filter((o) => o.why !== '').length} at first sight)`);
  return bad.length === 0 ? 0 : 1;
}

/** Adds cases that agree to a fixture. */
function record(file: string, outcomes: readonly Outcome[], keep: number): void {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  const good = outcomes.filter((o) => o.why === '' && o.real !== null).slice(0, keep);
  lines.push(...good.map((o) => JSON.stringify(toRecorded(o.case, o.real!))));
  writeFileSync(file, `${lines.join('\n')}\n`);
}

process.exitCode = await main();
