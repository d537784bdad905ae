/**
 * `npm run test:programs`: real programs from npm on kernet, unmodified. They have a package.json of their own, so that the
 * project's `npm ci` stays light; it is installed here when its lock file is newer than what is there.
 *
 *   npm run test:programs                  all
 *   npm run test:programs -- pg            test files with `pg` in their path, and tests with it in their name
 *   npm run test:programs -- --verbose     a line per test, with its virtual milliseconds
 */
import { existsSync, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { npm } from './runtimes.ts';
import { spawnToEnd } from './spawn.ts';
import { compile, COMPILED } from './test/compile.ts';
import { add, NOTHING, type Counts } from './test/counts.ts';
import { findPrograms, select } from './test/files.ts';
import { runNode } from './test/node.ts';
import { parseArgs, UsageError, type Options } from './test/options.ts';
import { ROOT } from './tidy.ts';

const HOME = 'test/programs';
/** Beside the packages, where a compiled test finds them. */
const OUTDIR = `${HOME}/${COMPILED}`;
const INSTALL_TIMEOUT_MS = 120_000;

/** Installs the programs, as the lock file has them. Nothing of theirs is run: no install scripts, no native additions. */
async function install(): Promise<void> {
  const mark = `${HOME}/node_modules/.package-lock.json`;
  if (existsSync(mark) && statSync(mark).mtimeMs >= statSync(`${HOME}/package-lock.json`).mtimeMs) return;
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional', '--loglevel=error'];
  const { code, stdout, stderr } = await spawnToEnd(npm(), args, { cwd: HOME, quiet: true, timeoutMs: INSTALL_TIMEOUT_MS });
  if (code !== 0) throw new Error(`npm ci of ${HOME} failed:\n${stdout}${stderr}`);
}

async function main(options: Options): Promise<number> {
  const started = performance.now();
  process.chdir(ROOT);
  await install();
  const types = await spawnToEnd(process.execPath, ['node_modules/typescript/bin/tsc', '-p', HOME], { cwd: ROOT });
  if (types.code !== 0) return types.code;
  const lint = await spawnToEnd(process.execPath, ['node_modules/eslint/bin/eslint.js', '--max-warnings', '0', HOME], { cwd: ROOT });
  if (lint.code !== 0) return lint.code;

  const groups = select(findPrograms(), options.filter);
  await compile(ROOT, groups.flatMap((group) => group.files), OUTDIR);
  process.execArgv = ['--enable-source-maps'];
  let all: Counts = NOTHING;
  for (const group of groups) all = add(all, await runNode(group, options, OUTDIR));

  console.log('');
  if (all.passed + all.failed + all.skipped === 0) {
    console.log(options.filter === null ? 'no tests were found' : `no test matches ${inspect(options.filter)}`);
    return 1;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`programs: ${all.passed} passed, ${all.failed} failed, ${all.skipped} skipped; ${seconds} s`);
  return all.failed === 0 && all.broken === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(parseArgs(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
