/** Cases on the real kernel of this machine, by way of driver.py. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Case, Transcript } from './case.ts';

const DRIVER: string = fileURLToPath(new URL('./driver.py', import.meta.url));

/** Runs cases that have the same sysctls, up to `atOnce` at a time. Results by seed; a case that could not be run has none. */
export async function live(cases: readonly Case[], atOnce: number): Promise<Map<number, Transcript>> {
  const [first] = cases;
  if (first === undefined) return new Map();
  const child = spawn('unshare', ['-n', 'python3', DRIVER], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.end(JSON.stringify({ sysctl: first.sysctl, atOnce, cases }));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => { text += part; });
  const code = await closed;
  if (code !== 0) throw new Error(`driver.py ended with ${code}`);
  const transcripts = text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Transcript);
  return new Map(transcripts.map((t) => [t.id, t]));
}
