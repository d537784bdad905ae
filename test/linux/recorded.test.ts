/** This stack does what Linux 6.18 did: random cases recorded from the real kernel (fuzz.ts records them), repeated here. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { MIB_NAMES } from '../../src/dev/mib.ts';
import { difference } from './compare.ts';
import { readFixture } from './fixture.ts';
import { runKernet } from './kernet.ts';
import { fromRecorded, narrate } from './transcript.ts';

const FOLDER = new URL('./recorded/', import.meta.url);
const COUNTERS: ReadonlySet<string> = new Set<string>(MIB_NAMES);

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.jsonl.gz')).sort()) {
  test(`beside Linux 6.18: ${name.replace('.jsonl.gz', '')}`, async () => {
    const { env, cases } = readFixture(new URL(name, FOLDER));
    assert.ok(cases.length >= 50, `${cases.length} cases are recorded`);
    for (const r of cases) {
      const linux = fromRecorded(r);
      const ours = await runKernet(r.case, linux.times, linux.endUs, env);
      const why = difference(r.case, linux, ours, COUNTERS);
      assert.equal(why, '', `${r.case.name}: ${why}\nLinux\n${narrate(r.case, linux)}\nkernet\n${narrate(r.case, ours)}`);
    }
  });
}
