/** The Deno part of `npm test`: the same sources under Deno, from the npm package `deno`. */
import { deno } from '../runtimes.ts';
import { spawnToEnd } from '../spawn.ts';
import type { Counts } from './counts.ts';
import type { Options } from './options.ts';

/** Runs test/deno/. */
export async function runDeno(root: string, options: Options): Promise<Counts> {
  const { command, env } = deno(root);
  const args = ['test', '--no-check', '--allow-all', '--no-remote'];
  if (options.filter !== null) args.push(`--filter=${options.filter}`);
  const { code, stdout } = await spawnToEnd(command, [...args, 'test/deno/'], { cwd: root, env });
  const line = /(\d+) passed.*?\| (\d+) failed(.*)/.exec(stdout);
  if (line === null) return { passed: 0, failed: 0, skipped: 0, broken: code === 0 ? 0 : 1 };
  const ignored = /(\d+) ignored/.exec(line[3]!);
  const failed = Number(line[2]);
  return { passed: Number(line[1]), failed, skipped: Number(ignored?.[1] ?? 0), broken: code !== 0 && failed === 0 ? 1 : 0 };
}
