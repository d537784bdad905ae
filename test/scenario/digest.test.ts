/** Equal seeds, equal bytes, at equal nanoseconds: on this Node, on a newer one where it is at hand, and on Deno. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { deno } from '../../scripts/runtimes.ts';
import { ROOT } from '../../scripts/tidy.ts';

const STORY = 'test/scenario/story.ts';

function tell(command: string, args: readonly string[], env: NodeJS.ProcessEnv): string {
  return execFileSync(command, [...args, STORY], { cwd: ROOT, env, encoding: 'utf8' });
}

test('a story has the same digest on every runtime, and another one for every seed', () => {
  const here = tell(process.execPath, ['--import', 'tsx'], process.env);
  const digests = here.trim().split('\n').map((line) => line.split(' ')[1]);
  assert.equal(new Set(digests).size, 8);

  const onDeno = deno(ROOT);
  assert.equal(tell(onDeno.command, ['run', '--no-check', '--allow-all', '--no-remote'], onDeno.env), here, 'Deno tells it otherwise');

  const cache = `${ROOT}/.cache`;
  const newer = (existsSync(cache) ? readdirSync(cache) : []).filter((name) => name.startsWith('node-'))
    .map((name) => `${cache}/${name}/node_modules/node/bin/node`).find((path) => existsSync(path));
  if (newer !== undefined) assert.equal(tell(newer, ['--import', 'tsx'], process.env), here, `${newer} tells it otherwise`);
});
