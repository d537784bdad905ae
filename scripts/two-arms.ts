/**
 * `npm run test:two-arms`: the behaviours of the public door beside the runtime's own modules, on Node 20, 22 and 24.
 *
 *   npm run test:two-arms                 test/two-arms/ on all three; versions that are not the running one come from npm
 *   npm run test:two-arms -- dgram        files with `dgram` in their path
 *   npm run test:two-arms -- --others     not on the Node that runs: `npm test` has done that
 *
 * `npm test` runs the same files on the running Node alone.
 */
import { readdirSync } from 'node:fs';
import { NODE20_VERSION, NODE22_VERSION, NODE24_VERSION, nodeOf } from './runtimes.ts';
import { spawnToEnd } from './spawn.ts';
import { compile, compiledPath } from './test/compile.ts';
import { ROOT } from './tidy.ts';

const DIRECTORY = 'test/two-arms';
/** No version takes longer, or it hangs. */
const TIMEOUT_MS = 300_000;

/** A number that node:test prints at the end, such as `# pass 12` or `ℹ pass 12`. */
function count(output: string, word: string): number {
  return Number(new RegExp(`^\\S+ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
}

/** The tests that failed, each with what is told of it; all there is when none is named. */
function failures(output: string): string {
  const found = [...output.matchAll(/^not ok[^]*?\n {2}\.\.\.$/gm)].map(([text]) => text);
  return found.length === 0 ? output : found.join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  const othersOnly = argv.includes('--others');
  const filters = argv.filter((word) => word !== '--others');
  const files = readdirSync(DIRECTORY).filter((f) => f.endsWith('.test.ts')).map((f) => `${DIRECTORY}/${f}`)
    .filter((f) => filters.length === 0 || filters.some((word) => f.includes(word)));
  if (files.length === 0) {
    console.error(`two-arms: no file of ${DIRECTORY} matches ${filters.join(' ')}`);
    return 2;
  }
  await compile(ROOT, files);
  let failed = 0;
  for (const version of [NODE20_VERSION, NODE22_VERSION, NODE24_VERSION]) {
    const major = version.split('.')[0]!;
    const isRunning = process.versions.node.split('.')[0] === major;
    if (isRunning && othersOnly) continue;
    const program = isRunning ? process.execPath : await nodeOf(ROOT, version);
    const args = ['--enable-source-maps', '--test', '--test-reporter=tap', ...files.map((file) => compiledPath(file))];
    const { code, stdout } = await spawnToEnd(program, args, { cwd: ROOT, quiet: true, timeoutMs: TIMEOUT_MS });
    const name = `Node ${isRunning ? process.versions.node : version}`;
    console.log(`two-arms: ${name}: ${String(count(stdout, 'pass'))} passed, ${String(count(stdout, 'fail'))} failed`);
    if (code === 0) continue;
    failed++;
    console.error(failures(stdout));
  }
  return failed === 0 ? 0 : 1;
}

process.chdir(ROOT);
process.exitCode = await main(process.argv.slice(2));
