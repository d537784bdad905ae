/**
 * Against the real Linux kernel: program.ts, in a network namespace of its own (and a namespace of processes, so that all of it
 * is gone when the program ends, however it ends). Needs root, unshare, iproute2, /dev/net/tun and socat; skipped with a message where
 * something is missing.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./program.ts', import.meta.url));
const NAMESPACE: readonly string[] = ['--net', '--pid', '--fork', '--kill-child'];
const TIMEOUT_MS = 170_000;

interface Line {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** What is missing here; '' when nothing is. */
function missing(): string {
  if (process.platform !== 'linux') return 'this is not Linux';
  if ('deno' in process.versions) return 'runs on Node';
  if (process.getuid?.() !== 0) return 'it needs root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  for (const tool of ['unshare', 'ip', 'tc', 'sysctl', 'socat', 'ping', 'traceroute']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  }
  const probe = spawnSync('unshare', [...NAMESPACE, 'ip', 'tuntap', 'add', 'dev', 'probe0', 'mode', 'tap']);
  return probe.status === 0 ? '' : 'no namespace with a tap can be made here';
}

/** Runs the program; its lines, and what it said beside them. */
async function run(): Promise<{ lines: Line[]; noise: string }> {
  const child = spawn('unshare', [...NAMESPACE, process.execPath, '--import', 'tsx', PROGRAM], { stdio: ['ignore', 'pipe', 'pipe'] });
  const guard = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  let out = '';
  let noise = '';
  child.stdout.on('data', (d) => { out += String(d); });
  child.stderr.on('data', (d) => { noise += String(d); });
  await new Promise((resolve) => void child.once('close', resolve));
  clearTimeout(guard);
  return { lines: out.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l) as Line), noise };
}

const reason = missing();
void test('kernet and Linux understand each other', { timeout: TIMEOUT_MS + 10_000, skip: reason === '' ? false : reason }, async (t) => {
  const { lines, noise } = await run();
  for (const line of lines) t.diagnostic(`${line.ok ? 'ok' : 'NOT OK'} ${line.name}: ${line.detail}`);
  assert.deepEqual(lines.filter((l) => !l.ok).map((l) => `${l.name}: ${l.detail}`), [], noise);
  assert.equal(lines.at(-1)?.name, 'done', `the program ended early\n${noise}`);
});
