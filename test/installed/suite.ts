// `npm run test:installed`: every program of the tables, without kernet and under `--import kernet/register`. What they print
// and how they end is compared; web/ and STATES on Node 20, 22 and 24. (A part of it runs with every `npm test`: installed.test.ts.)
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { NODE20_VERSION, NODE22_VERSION, NODE24_VERSION, nodeOf } from '../../scripts/runtimes.ts';
import { ROOT } from '../../scripts/tidy.ts';
import { Arms, errorLines } from './arms.ts';
import { DGRAM_STATES } from './dgram-states.ts';
import { DNS_STATES } from './dns-states.ts';
import { HTTP } from './http-programs.ts';
import { NET_MORE } from './net-more.ts';
import { NET } from './net-programs.ts';
import { NET_STATES } from './net-states.ts';
import { ENDINGS, OTHER } from './other-programs.ts';
import { programOf } from './web/prelude.ts';
import { WEB } from './web/tables.ts';

const arms = new Arms();
before(() => arms.build());
after(() => arms.end());

/** Those that are run on three versions of Node, as web/ is. */
const STATES = { 'net, state by state': NET_STATES, 'net, more': NET_MORE, 'dgram, state by state': DGRAM_STATES, dns: DNS_STATES };

for (const [what, table] of Object.entries({ net: NET, http: HTTP, other: OTHER })) {
  void test(what, async (t) => {
    await compare(t, table, arms);
  });
}

for (const version of [NODE20_VERSION, NODE22_VERSION, NODE24_VERSION]) {
  const major = version.split('.')[0]!;
  const here = async (): Promise<Arms> =>
    (process.versions.node.split('.')[0] === major ? arms : arms.on(await nodeOf(ROOT, version)));
  for (const [what, table] of Object.entries(STATES)) {
    void test(`${what}, on Node ${major}`, async (t) => {
      await compare(t, table, await here());
    });
  }
  void test(`web, on Node ${major}`, async (t) => {
    const own = await here();
    for (const table of WEB) {
      await compare(t, Object.fromEntries(Object.entries(table).map(([name, source]) => [name, programOf(source)])), own);
    }
  });
}

/** Both arms, each in a process of its own; a subtest for each program. */
async function compare(t: TestContext, table: Readonly<Record<string, string>>, own: Arms): Promise<void> {
  const [real, ours] = await Promise.all([own.chain('real', table), own.chain('kernet', table)]);
  for (const name of Object.keys(table)) {
    await t.test(name, () => {
      const expected = real.get(name);
      const isSound = expected !== undefined && expected !== '' && !expected.includes('hangs');
      assert.ok(isSound, `without kernet: ${String(expected ?? real.get('(the process)'))}`);
      assert.equal(ours.get(name) ?? ours.get('(the process)'), expected);
    });
  }
  assert.equal(ours.get('(the process)'), undefined);
}

void test('endings', async (t) => {
  for (const [name, source] of Object.entries(ENDINGS)) {
    await t.test(name, async () => {
      const path = arms.write(source);
      const [real, ours] = await Promise.all([arms.node('real', [path]), arms.node('kernet', [path])]);
      assert.deepEqual({ ...ours, stderr: errorLines(ours.stderr) }, { ...real, stderr: errorLines(real.stderr) });
    });
  }
});
