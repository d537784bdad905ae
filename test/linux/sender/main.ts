/**
 * Random cases of a sender on the real kernel and on this stack, and where they differ.
 *
 *   node --import tsx test/linux/sender/main.ts --from 1 --to 200 --profile plain,ecn
 *
 *   --profile NAMES   sets of sysctls (temper.ts); default: all of them
 *   --show            each case that differs, told to the step where it does
 *   --release 6.18    only on such a kernel; elsewhere, and where no namespace can be made, says so and ends well (for CI)
 *   --record FILE     keeps the cases that agree at first sight, up to --keep N per profile (12), as a fixture
 *
 * A difference counts when the real kernel shows it three times, the last two with little else to do.
 */
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { missing } from '../real.ts';
import type { Case, Transcript } from './case.ts';
import { compare, narrate } from './compare.ts';
import { packFixture, type Recorded } from './fixture.ts';
import { generate } from './generate.ts';
import { live } from './live.ts';
import { replay } from './rig.ts';
import { PROFILES } from './temper.ts';

const AT_ONCE = 60;
/** When it is in doubt. */
const FEW = 4;

interface Difference {
  readonly case: Case;
  readonly what: string;
  readonly told: string;
}

function judge(c: Case, theirs: Transcript | undefined): Difference | null {
  if (theirs === undefined) return { case: c, what: 'the driver has no result', told: '' };
  const ours = replay(c, theirs);
  const found = compare(c, ours, theirs);
  if (found === null) return null;
  const step = JSON.stringify(c.steps[found.step]);
  return { case: c, what: `step ${found.step} ${step}: ${found.what}`, told: narrate(c, ours, theirs, found.step) };
}

/** The cases that differ and do so again; those that agree go to `agreed`. */
async function run(cases: readonly Case[], agreed: (c: Case, t: Transcript) => void): Promise<Difference[]> {
  const results = await live(cases, AT_ONCE);
  let bad: Difference[] = [];
  for (const c of cases) {
    const found = judge(c, results.get(c.id));
    if (found === null) agreed(c, results.get(c.id)!);
    else bad.push(found);
  }
  for (let again = 0; again < 2 && bad.length > 0; again++) {
    const retried = await live(bad.map((d) => d.case), FEW);
    bad = bad.flatMap((d) => judge(d.case, retried.get(d.case.id)) ?? []);
  }
  return bad;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      from: { type: 'string', default: '1' }, to: { type: 'string', default: '100' },
      profile: { type: 'string', default: Object.keys(PROFILES).join(',') },
      show: { type: 'boolean', default: false }, record: { type: 'string' }, keep: { type: 'string', default: '12' },
      release: { type: 'string', default: '' },
    },
  });
  const reason = missing() || (release().startsWith(values.release) ? '' : `it is Linux ${release()}, not ${values.release}`);
  if (reason !== '') {
    console.error(`the real kernel cannot be asked: ${reason}`);
    return values.release === '' ? 2 : 0;
  }
  const [from, to] = [Number(values.from), Number(values.to)];
  const recorded: Recorded[] = [];
  let differ = 0;
  for (const profile of values.profile.split(',')) {
    const cases = Array.from({ length: to - from + 1 }, (_, i) => generate(from + i, profile));
    let kept = 0;
    const bad = await run(cases, (c, transcript) => {
      if (kept++ < Number(values.keep)) recorded.push({ profile, case: c, transcript });
    });
    differ += bad.length;
    for (const d of bad) console.log(`${profile} ${d.case.id}: ${d.what}${values.show ? `\n${d.told}` : ''}`);
    console.log(`${profile}: ${cases.length} cases, ${bad.length} differ`);
  }
  if (values.record !== undefined) writeFileSync(values.record, packFixture(recorded));
  return differ === 0 ? 0 : 1;
}

process.exitCode = await main();
