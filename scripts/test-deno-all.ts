/**
 * `npm run test:deno-all`: the tests that are written for Node, in Deno. Those that cannot pass there are listed with the reason; a
 * test of the list that passes is an error, too, so that the list stays true.
 *
 *   npm run test:deno-all                 all
 *   npm run test:deno-all -- test/world   files with `test/world` in their path
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deno } from './runtimes.ts';
import { spawnToEnd } from './spawn.ts';
import { findTests } from './test/files.ts';
import { ROOT } from './tidy.ts';

/** No file takes longer, in milliseconds, or it hangs. */
const TIMEOUT_MS = 600_000;
/** Files that one process runs. */
const BATCH = 40;

/** Files, or folders, that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'test/tidy.test.ts': 'looks at the sources: once is enough',
  'test/interop/': 'needs network namespaces and the real kernel: once is enough',
  'test/installed/': 'starts Node with --import kernet/register',
  'test/examples/': 'starts programs by process.execPath, as Node takes them',
  'test/cli/': 'starts programs by process.execPath, as Node takes them',
  'test/node/ipc.test.ts': 'Deno sends no sockets to child processes',
  'test/node/liveness.test.ts': 'starts programs that show what libuv keeps alive',
  'test/node/no-binding.test.ts': 'starts Node without process.binding',
  'test/node/install.test.ts': 'express, fetch, cluster and child processes, installed as in Node; in Deno: test/deno/install.test.ts',
  'test/node/web-installed.test.ts': 'undici\'s dispatchers and http2, which Deno has in native code; in Deno: test/deno/install.test.ts',
  'test/node/web-clock.test.ts': 'timeouts that are Node\'s own: of undici, of http2, of servers that check their connections',
};

/** What Deno's own `node:*` does otherwise than Node: the arm that is compared with. */
const TWO_ARMS = 'compares with the machine\'s node:*, and Deno\'s differs there from Node\'s';
for (const name of [
  'close', 'connect-options', 'connect', 'context', 'data', 'dgram-options', 'dgram', 'dns-resolve', 'happy-eyeballs', 'http-wire', 'http',
  'listen', 'pipe', 'server', 'socket', 'tls',
]) Object.assign(LEFT_OUT, { [`test/two-arms/${name}.test.ts`]: TWO_ARMS });

const NAMED = 'named imports of node:timers/promises and node:crypto stay Deno\'s own: there they cannot be exchanged';
const OWN_TIMERS = 'timers inside of Deno\'s own modules';
const STREAM_TLS = 'TLS is over a stream there: no addresses, no second address, no session';

/** Single tests that cannot pass, by file and beginning of their name, and why. */
const FAILING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'test/node/dns.test.ts': {
    'each kind of record has Node\'s shape': 'Deno\'s own has no type in the records of resolveAny',
    'a name server that has IPv6 alone': 'Deno\'s Resolver has no setLocalAddress',
  },
  'test/node/program.test.ts': {
    'timers, timers/promises, hrtime': NAMED,
    'the idle timeout of a socket': OWN_TIMERS,
    'crypto, zlib and WebAssembly on the thread pool': NAMED,
    'a timer that a module keeps lives on': OWN_TIMERS,
    'what else a program leaves armed': NAMED,
  },
  'test/node/web.test.ts': {
    'tls: by name': STREAM_TLS,
    'tls: happy eyeballs': STREAM_TLS,
    'https: requests by an agent': STREAM_TLS,
    'http2: in the clear': 'http2 is native code in Deno',
    'fetch: plain and over TLS': 'the Host of node/ has Node\'s fetch; that of mod.ts has one for Deno, test/deno/install.test.ts',
    'WebSocket': 'the Host of node/ has Node\'s WebSocket; that of mod.ts has one for Deno, test/deno/install.test.ts',
  },
  'test/time/pump.test.ts': {
    'what a task throws surfaces': 'starts a program by process.execPath, as Node takes it',
    'neither a pump at rest nor housekeeping': 'starts a program by process.execPath, as Node takes it',
  },
};

/** Tests that pass or not, and why. */
const UNSTEADY: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'test/node/program.test.ts': {
    'real files hold the clock': 'Deno does not show requests for files: on a busy machine the clock overtakes them',
  },
  'test/world/faults.test.ts': {
    'a plan is JSON, and the same plan is the same run':
      'how many turns of the loop Deno\'s node:net takes to tell \'close\', with which the program ends, is not the same each time',
  },
};

interface Result {
  readonly file: string;
  readonly name: string;
  readonly kind: 'passed' | 'failed' | 'skipped';
}

/** What Deno reports as JUnit's XML: a suite per file, a case per test. */
function parseJunit(xml: string): Result[] {
  const text = (escaped: string): string => escaped.replace(/&(quot|apos|lt|gt|amp|#39);/g, (_, name: string) =>
    ({ quot: '"', apos: '\'', '#39': '\'', lt: '<', gt: '>', amp: '&' })[name]!);
  const results: Result[] = [];
  for (const [, file, cases] of xml.matchAll(/<testsuite name="([^"]*)"[^>]*>([\s\S]*?)<\/testsuite>/g)) {
    for (const [, name, rest] of cases!.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
      results.push({ file: text(file!).replace(/^\.\//, ''), name: text(name!), kind: kindOf(rest ?? '') });
    }
  }
  return results;
}

function kindOf(inside: string): Result['kind'] {
  if (/<(failure|error)/.test(inside)) return 'failed';
  return inside.includes('<skipped') ? 'skipped' : 'passed';
}

async function run(files: readonly string[], report: string): Promise<Result[]> {
  const { command, env } = deno(ROOT);
  const args = ['test', '--no-check', '--allow-all', '--no-remote', '--parallel', '--quiet', `--junit-path=${report}`, ...files];
  const { code, stdout, stderr } = await spawnToEnd(command, args, { cwd: ROOT, env, quiet: true, timeoutMs: TIMEOUT_MS });
  let results: Result[] = [];
  try {
    results = parseJunit(readFileSync(report, 'utf8'));
  } catch {
    // It did not come so far: below.
  }
  const failed = results.filter((result) => result.kind === 'failed');
  // A test of a kit (a lab) counts for the file that calls the runner, so what did not even load shows here alone.
  const broken = [...(stdout + stderr).matchAll(/^(\S+) \(uncaught error\)$/gm)].map(([, file]) => file!);
  if (code !== 0 && failed.length === 0 && broken.length === 0) broken.push(files.join(' '));
  if (broken.length > 0 || failed.some((result) => reasonOf(result) === null)) console.log(stdout + stderr);
  return [...results, ...[...new Set(broken)].map((file) => ({ file, name: 'the file itself', kind: 'failed' as const }))];
}

function reasonOf({ file, name }: Result): string | null {
  const unsteady = UNSTEADY[file]?.[name];
  if (unsteady !== undefined) return unsteady;
  const found = Object.entries(FAILING[file] ?? {}).find(([beginning]) => name.startsWith(beginning));
  return found?.[1] ?? null;
}

async function main(filter: string | undefined): Promise<number> {
  process.chdir(ROOT);
  const started = performance.now();
  const isLeftOut = (file: string): boolean => Object.keys(LEFT_OUT).some((path) => file.startsWith(path));
  const files = findTests().filter((file) => !isLeftOut(file) && file.includes(filter ?? ''));
  const folder = mkdtempSync(join(tmpdir(), 'kernet-deno-'));
  const results: Result[] = [];
  for (let i = 0; i < files.length; i += BATCH) results.push(...await run(files.slice(i, i + BATCH), join(folder, `${i}.xml`)));
  rmSync(folder, { recursive: true });
  let bad = 0;
  for (const result of results) {
    const reason = reasonOf(result);
    const isUnsteady = UNSTEADY[result.file]?.[result.name] !== undefined;
    if (result.kind === 'skipped' || isUnsteady || (result.kind === 'failed') === (reason !== null)) continue;
    bad++;
    console.log(`✗ ${result.file}  ${result.name}${result.kind === 'failed' ? '' : `: passes; it is listed as: ${reason!}`}`);
  }
  const count = (kind: Result['kind']): number => results.filter((result) => result.kind === kind).length;
  const known = results.filter((result) => result.kind === 'failed' && reasonOf(result) !== null).length;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const out = findTests().length - files.length;
  console.log(`Deno, ${files.length} files of the tests for Node, ${out} left out; ${known} tests fail as listed; ${seconds} s`);
  console.log(`${count('passed')} passed, ${count('failed') - known} failed, ${count('skipped')} skipped`);
  return bad === 0 && files.length > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
