/**
 * `npm run test:runners`: the projects of examples/runners, each with the packed package and the versions of its lock file,
 * in a copy somewhere else, by its own `npm test`.
 *
 *   npm run test:runners                  all of them
 *   npm run test:runners -- jest mocha    these
 *
 * The package is packed from dist/; `npm run build` makes it.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bare, must, pack } from '../../scripts/pack.ts';
import { npm } from '../../scripts/runtimes.ts';
import { spawnToEnd } from '../../scripts/spawn.ts';
import { ROOT } from '../../scripts/tidy.ts';

const PROJECTS = join(ROOT, 'examples/runners');
/** A project's tests that take longer, in milliseconds, hang. */
const TEST_TIMEOUT_MS = 60_000;

/** The projects: folders with a package.json. */
function projects(): string[] {
  return readdirSync(PROJECTS).filter((name) => existsSync(join(PROJECTS, name, 'package.json')));
}

async function prepare(copy: string, tarball: string): Promise<void> {
  // What the lock file names, in its versions, and kernet beside it.
  const options = ['--no-save', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await must('npm install', npm(), ['install', ...options, tarball], copy);
}

async function main(names: readonly string[]): Promise<number> {
  const known = projects();
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: no project of examples/runners; ${known.join(', ')} are`);
  const tarball = await pack(ROOT);
  const copies = mkdtempSync(join(tmpdir(), 'kernet-runners-'));
  let failed = 0;
  try {
    cpSync(join(PROJECTS), copies, { recursive: true, filter: (path) => !path.includes('node_modules') });
    for (const name of names.length === 0 ? known : names) {
      const started = performance.now();
      const cwd = join(copies, name);
      await prepare(cwd, tarball);
      const installed = performance.now();
      const env = { ...bare(), CI: 'true', NO_COLOR: '1' };
      const ended = await spawnToEnd(npm(), ['test', '--silent'], { cwd, env, quiet: true, timeoutMs: TEST_TIMEOUT_MS });
      const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
      const times = `${seconds(performance.now() - installed)} after ${seconds(installed - started)} of installing`;
      const text = `${ended.stdout}${ended.stderr}`;
      // A runner that finds no test at all is content; its tests say their names.
      const complete = text.includes('the same seed, the same frames');
      if (ended.code === 0 && complete) console.log(`runners: ${name}: all tests passed, in ${times}`);
      else {
        failed++;
        console.error(`runners: ${name}: failed (exit code ${ended.code}${complete ? '' : ', tests are missing'})\n${text}`);
      }
    }
  } finally {
    rmSync(copies, { recursive: true, force: true });
  }
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`runners: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
