/** Equal seeds, equal bytes, at equal nanoseconds: on this Node, on a newer one where it is at hand, and on Deno. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { deno } from '../../scripts/runtimes.ts';
import { ROOT } from '../../scripts/tidy.ts';

function tell(story: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): string {
  return execFileSync(command, [...args, `test/scenario/${story}.ts`], { cwd: ROOT, env, encoding: 'utf8', timeout: 120_000 });
}

/** Tells a story of so many seeds here and on every other runtime at hand: equal lines. */
function everywhere(story: string, seeds: number): void {
  const here = tell(story, process.execPath, ['--import', 'tsx'], process.env);
  const digests = here.trim().split('\n').map((line) => line.split(' ')[1]);
  assert.equal(new Set(digests).size, seeds);

  const onDeno = deno(ROOT);
  const flags = ['run', '--no-check', '--allow-all', '--no-remote'];
  assert.equal(tell(story, onDeno.command, flags, onDeno.env), here, 'Deno tells it otherwise');

  const cache = `${ROOT}/.cache`;
  const newer = (existsSync(cache) ? readdirSync(cache) : []).filter((name) => name.startsWith('node-'))
    .map((name) => `${cache}/${name}/node_modules/node/bin/node`).find((path) => existsSync(path));
  if (newer === undefined) return;
  assert.equal(tell(story, newer, ['--import', 'tsx'], process.env), here, `${newer} tells it otherwise`);
}

test('a story has the same digest on every runtime, and another one for every seed', () => {
  everywhere('story', 8);
});

test('so has that of a network with switches, STP, NAT, netem, IPv6, fragments, DNS and a plan of faults', () => {
  everywhere('net-story', 3);
});
