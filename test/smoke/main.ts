/**
 * The package as a stranger gets it: packed, installed into an empty project, and the README's first example run
 * from there on Node 20 (or whichever Node runs this), on Node 24 and on Deno.
 *
 *   node --import tsx test/smoke/main.ts        after npm run build
 *
 * The example is also compiled against the packed declarations, with every check on. Where it prints nothing that
 * depends on the machine, it must print the same everywhere; kernet promises no less.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { transform } from 'esbuild';
import { bare, must, pack } from '../../scripts/pack.ts';
import { deno, node24, npm } from '../../scripts/runtimes.ts';
import { spawnToEnd } from '../../scripts/spawn.ts';
import { ROOT } from '../../scripts/tidy.ts';

/** An example that runs longer than this, in milliseconds, hangs. */
const EXAMPLE_TIMEOUT_MS = 60_000;

interface Run {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The first `ts` block of a Markdown text. */
function firstExample(markdown: string): string {
  const block = /^```(?:ts|typescript)[^\n]*\n([\s\S]*?)^```/m.exec(markdown);
  if (block === null) throw new Error('README.md has no ```ts example');
  return block[1]!;
}

/** Packs kernet and installs it into `project`, an empty directory. */
async function install(project: string): Promise<string> {
  const tarball = await pack(ROOT);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  await must('npm install', npm(), ['install', '--no-audit', '--no-fund', tarball], project);
  return basename(tarball);
}

/** Compiles the example against the installed declarations, these included. */
async function typeCheck(project: string): Promise<void> {
  const options = {
    compilerOptions: {
      strict: true, target: 'ES2022', module: 'NodeNext', lib: ['ES2022', 'ESNext.Disposable'], noEmit: true,
      types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')],
    },
    files: ['example.ts'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(options));
  await must('compiling the example', process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], project);
}

async function runs(project: string): Promise<Run[]> {
  const onDeno = deno(ROOT);
  return [
    { name: `Node ${process.version}`, command: process.execPath, args: ['example.mjs'], env: bare() },
    { name: 'Node 24', command: await node24(ROOT), args: ['example.ts'], env: bare() },
    {
      name: 'Deno', command: onDeno.command, env: { ...onDeno.env, DENO_DIR: join(project, '.deno') },
      args: ['run', '--allow-all', '--no-remote', '--node-modules-dir=manual', '--no-lock', 'example.ts'],
    },
  ];
}

/** A connection, as a packetdrill script: what the package's own command runs. */
const SCRIPT = `0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <...>
+.01 < S. 0:0(0) ack 1 win 65535 <mss 1000>
+0 > . 1:1(0) ack 1
+0 \`ss -tn | grep -q ESTAB\`
+0 %{ assert tcpi_snd_cwnd == 10 }%
`;

/** `kernet packetdrill`, by the name that npm has given it. */
async function command(project: string): Promise<void> {
  writeFileSync(join(project, 'connect.pkt'), SCRIPT);
  const bin = join(project, 'node_modules/.bin/kernet');
  const out = await must('kernet packetdrill', process.execPath, [bin, 'packetdrill', 'connect.pkt'], project);
  console.log(`smoke: kernet packetdrill: ${out.trim().split('\n').at(-1) ?? ''}`);
}

async function main(): Promise<number> {
  const example = firstExample(readFileSync(join(ROOT, 'README.md'), 'utf8'));
  const project = mkdtempSync(join(tmpdir(), 'kernet-smoke-'));
  const outputs = new Map<string, string[]>();
  let failed = 0;
  try {
    const tarball = await install(project);
    writeFileSync(join(project, 'example.ts'), example);
    const stripped = await transform(example, { loader: 'ts', format: 'esm', target: 'node20' });
    writeFileSync(join(project, 'example.mjs'), stripped.code);
    await typeCheck(project);
    console.log(`smoke: ${tarball} installs, and the README's first example compiles against it`);
    await command(project);
    for (const run of await runs(project)) {
      const ended = await spawnToEnd(run.command, run.args, { cwd: project, env: run.env, quiet: true, timeoutMs: EXAMPLE_TIMEOUT_MS });
      if (ended.code === 0) {
        console.log(`smoke: ${run.name} runs it`);
        outputs.set(ended.stdout, [...outputs.get(ended.stdout) ?? [], run.name]);
      } else {
        failed++;
        console.error(`smoke: ${run.name} does not run it (exit code ${ended.code})\n${ended.stdout}${ended.stderr}`);
      }
    }
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
  if (outputs.size > 1) {
    failed++;
    for (const [text, names] of outputs) console.error(`smoke: ${names.join(' and ')} printed:\n${text}`);
    console.error('smoke: the runtimes disagree');
  } else if (failed === 0) {
    console.log(`smoke: all print\n${[...outputs.keys()].join('')}`);
  }
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`smoke: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
