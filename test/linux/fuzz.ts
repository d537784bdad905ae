/**
 * Random cases on the real kernel and on this stack, and where they differ.
 *
 *   node --import tsx test/linux/fuzz.ts --suite receive --seed 1 --cases 200
 *
 *   --parallel N   namespaces at a time (60)       --shrink N     shrink one case of each of N kinds of difference (3)
 *   --only I       the one case                    --record FILE  keep the cases that agree, as a fixture, up to --keep N (100)
 *   --release 6.18 nothing is done on another kernel
 *
 * A difference counts when the real kernel shows it twice: a timer that goes off beside a step may fall on either side of it.
 */
import { release } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { kindOf, runBoth, stable, type Outcome } from './both.ts';
import { addToFixture } from './fixture.ts';
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
      record: { type: 'string' }, keep: { type: 'string', default: '100' }, release: { type: 'string', default: '' },
    },
  });
  const reason = missing();
  if (reason !== '' || !release().startsWith(values.release)) {
    console.log(`skipped: ${reason === '' ? `this is Linux ${release()}` : reason}`);
    return 0;
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
  if (values.record !== undefined) {
    const good = first.filter((o) => o.why === '' && o.real !== null).slice(0, Number(values.keep));
    addToFixture(values.record, first[0]!.env, good.map((o) => toRecorded(o.case, o.real!)));
  }
  console.log(`${cases.length} cases, ${bad.length} differ (${first.filter((o) => o.why !== '').length} at first sight)`);
  return bad.length === 0 ? 0 : 1;
}

process.exitCode = await main();
