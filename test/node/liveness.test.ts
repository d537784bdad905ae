// Liveness is libuv's: what holds a process with the runtime's own sockets holds it with a kernel's, and nothing else does.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('./liveness-program.ts', import.meta.url));

async function run(arm: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, arm], { timeout: 60_000 });
  return stdout.trim().split('\n');
}

void test('what keeps a process alive', { timeout: 120_000 }, async () => {
  const [real, ours] = await Promise.all([run('real'), run('kernet')]);
  assert.ok(real.length >= 17);
  assert.deepEqual(ours, real);
});
