// `npm run test:installed`: every program of the tables, without kernet and under `--import kernet/register`. What they print and
// how they end is compared. (A part of it runs with every `npm test`: installed.test.ts.)
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Arms, errorLines } from './arms.ts';
import { HTTP } from './http-programs.ts';
import { NET } from './net-programs.ts';
import { ENDINGS, OTHER } from './other-programs.ts';

const arms = new Arms();
before(() => arms.build());
after(() => arms.end());

const needsCertificate = (source: string): boolean => source.includes('env.KEY');

for (const [what, table] of Object.entries({ net: NET, http: HTTP, other: OTHER })) {
  void test(what, async (t) => {
    const possible = Object.entries(table).filter(([, source]) => arms.hasCertificate || !needsCertificate(source));
    const programs = Object.fromEntries(possible);
    const [real, ours] = await Promise.all([arms.chain('real', programs), arms.chain('kernet', programs)]);
    for (const name of Object.keys(table)) {
      await t.test(name, { skip: name in programs ? false : 'openssl is not installed' }, () => {
        const expected = real.get(name);
        const isSound = expected !== undefined && !expected.includes('hangs');
        assert.ok(isSound, `without kernet: ${String(expected ?? real.get('(the process)'))}`);
        assert.equal(ours.get(name) ?? ours.get('(the process)'), expected);
      });
    }
    assert.equal(ours.get('(the process)'), undefined);
  });
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
