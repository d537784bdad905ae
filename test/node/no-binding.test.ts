// The classes and symbols that kernet needs can be had without `process.binding`: slower, and the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('./no-binding-program.ts', import.meta.url));

void test('without process.binding: an echo, a reset, http', { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], { timeout: 50_000 });
  assert.deepEqual(stdout.trim().split('\n'), ['echo 1048576 1048576 1048576', 'error ECONNRESET', 'http hello']);
});
