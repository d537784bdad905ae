/** The sender does what Linux 6.18 did: random cases recorded from the real kernel, repeated here (main.ts records and adds to them). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compare, narrate } from './compare.ts';
import { unpackFixture } from './fixture.ts';
import { replay } from './rig.ts';
import { PROFILES } from './temper.ts';

const recorded = unpackFixture(readFileSync(new URL('./recorded.jsonl.gz', import.meta.url)));

for (const profile of Object.keys(PROFILES)) {
  test(`a sender beside Linux 6.18: ${profile}`, () => {
    const cases = recorded.filter((r) => r.profile === profile);
    assert.ok(cases.length >= 10, `${cases.length} cases are recorded`);
    for (const { case: c, transcript } of cases) {
      const ours = replay(c, transcript);
      const found = compare(c, ours, transcript);
      assert.equal(found, null, found === null ? '' : `seed ${c.id}: ${found.what}\n${narrate(c, ours, transcript, found.step)}`);
    }
  });
}
