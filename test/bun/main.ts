/**
 * `npm run test:bun`: the explicit API under Bun, from the npm package `bun`: programs of socket calls print there what they print
 * in Node, and the stories of test/scenario have the same digests.
 */
import { bun } from '../../scripts/runtimes.ts';
import { spawnToEnd } from '../../scripts/spawn.ts';
import { ROOT } from '../../scripts/tidy.ts';

/** A program that runs longer, in milliseconds, hangs. */
const TIMEOUT_MS = 120_000;
const PROGRAMS = ['test/bun/program.ts', 'test/scenario/story.ts', 'test/scenario/net-story.ts'];

async function tell(command: string, args: readonly string[]): Promise<string> {
  const ended = await spawnToEnd(command, args, { cwd: ROOT, quiet: true, timeoutMs: TIMEOUT_MS });
  if (ended.code !== 0) throw new Error(`${args.join(' ')} failed (exit code ${ended.code})\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

async function main(): Promise<number> {
  const program = await bun(ROOT);
  const version = (await tell(program, ['--version'])).trim();
  let failed = 0;
  for (const file of PROGRAMS) {
    const [here, there] = await Promise.all([tell(process.execPath, ['--import', 'tsx', file]), tell(program, ['run', file])]);
    if (here === there && /[0-9a-f]{32}/.test(here)) console.log(`bun: Bun ${version} tells ${file} as Node does`);
    else {
      failed++;
      console.error(`bun: ${file} differs\n--- Node\n${here}\n--- Bun\n${there}`);
    }
  }
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bun: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
