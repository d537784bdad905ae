/**
 * `npm test`: every test on Node, then the Deno part, and one line of counts at the end.
 *
 *   npm test                              all
 *   npm test -- rude                      test files with `rude` in their path, and tests with it in their name
 *   npm test -- rude --seed 0x5eed17      the same, scenarios with this seed only (KERNET_SEED)
 *   npm test -- --no-deno                 Node alone; --deno: Deno alone
 *   npm test -- --verbose                 a line per test
 */
import { existsSync, mkdirSync } from 'node:fs';
import { inspect } from 'node:util';
import { ROOT } from './tidy.ts';
import { compile } from './test/compile.ts';
import { runDeno } from './test/deno.ts';
import { findTests, select } from './test/files.ts';
import { runNode } from './test/node.ts';
import { add, NOTHING, type Counts } from './test/counts.ts';
import { parseArgs, UsageError, type Options } from './test/options.ts';

async function main(options: Options): Promise<number> {
  const started = performance.now();
  process.chdir(ROOT);
  mkdirSync('.cache', { recursive: true });
  if (options.seed !== null) process.env['KERNET_SEED'] = options.seed;

  let node: Counts = NOTHING;
  if (options.node) {
    const groups = select(findTests(), options.filter);
    if (groups.length > 0) await compile(ROOT, groups.flatMap((group) => group.files));
    // The processes of the tests inherit these; they need no loader, but stacks with the lines of the sources.
    process.execArgv = ['--enable-source-maps'];
    for (const group of groups) node = add(node, await runNode(group, options));
  }
  let deno: Counts = NOTHING;
  if (options.deno && existsSync('test/deno')) deno = await runDeno(ROOT, options);

  const all = add(node, deno);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log('');
  if (all.passed + all.failed + all.skipped === 0) {
    console.log(options.filter === null ? 'no tests were found' : `no test matches ${inspect(options.filter)}`);
    return 1;
  }
  console.log(`Node ${node.passed} passed, ${node.failed} failed; Deno ${deno.passed} passed, ${deno.failed} failed; ${seconds} s`);
  console.log(`${all.passed} passed, ${all.failed} failed, ${all.skipped} skipped`);
  return all.failed === 0 && all.broken === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(parseArgs(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
