// A kernet socket cannot be sent to another process; the attempt is refused, and nobody crashes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('./ipc-program.ts', import.meta.url));

void test('sockets, servers and datagram sockets are refused with EINVAL', { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], { timeout: 50_000 });
  assert.deepEqual(stdout.trim().split('\n'), ['socket: EINVAL', 'server: EINVAL', 'datagrams: EINVAL', 'the child got last']);
});
