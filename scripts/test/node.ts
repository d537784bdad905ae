/** The Node part of `npm test`: node:test, a process per compiled file. */
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { COMPILED, compiledPath } from './compile.ts';
import type { Counts } from './counts.ts';
import type { Group } from './files.ts';
import type { Options } from './options.ts';
import { Report } from './report.ts';
import { Tally } from './tally.ts';

/** No file's tests take longer than this, in milliseconds, or they hang. */
const FILE_TIMEOUT_MS = 170_000;

/** Runs one group of files, compiled below `outdir`; what they say goes to the terminal. */
export async function runNode(group: Group, options: Options, outdir: string = COMPILED): Promise<Counts> {
  const events = run({
    files: group.files.map((source) => compiledPath(source, outdir)),
    concurrency: Math.max(2, availableParallelism()),
    timeout: FILE_TIMEOUT_MS,
    ...(group.name === null ? {} : { testNamePatterns: new RegExp(group.name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')) }),
  });
  if (options.verbose) events.compose(new spec()).pipe(process.stdout);
  const tally = new Tally();
  const report = new Report((text) => void (options.verbose || process.stdout.write(text)));
  const counts = { passed: 0, failed: 0, skipped: 0, broken: 0 };
  for await (const event of events) {
    const result = tally.result(event);
    if (result !== null) counts[result.kind]++;
    report.add(event, result);
  }
  report.end();
  return counts;
}
