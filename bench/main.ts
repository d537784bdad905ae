/**
 * `npm run bench -- [--json FILE] [--only NAME[,NAME]] [--quick]`: kernet beside the real loopback, in one process and one run.
 * Compiled and started by run.ts.
 */
import { cpus } from 'node:os';
import { writeFileSync } from 'node:fs';
import { measure, table, type Measurement, type Result } from './harness.ts';
import { gossipMeasurements } from './gossip.ts';
import { installedMeasurements } from './installed.ts';
import { socketMeasurements } from './sockets.ts';
import { stackMeasurements } from './stack.ts';

interface Options {
  json: string | null;
  only: ReadonlySet<string> | null;
  quick: boolean;
}

function usage(problem: string): never {
  process.stderr.write(`bench: ${problem}. Usage: npm run bench -- [--json FILE] [--only NAME[,NAME…]] [--quick]\n`);
  process.exit(2);
}

function parse(args: readonly string[]): Options {
  const options: Options = { json: null, only: null, quick: false };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--quick') options.quick = true;
    else if (arg === '--json') options.json = args[++i] ?? usage('--json needs a file name');
    else if (arg === '--only') options.only = new Set((args[++i] ?? usage('--only needs names')).split(','));
    else usage(`unknown option ${arg}`);
  }
  return options;
}

const options = parse(process.argv.slice(2));
const scale = options.quick ? 0.1 : 1;
const all: Measurement[] = [
  ...socketMeasurements(scale), ...installedMeasurements(scale), ...stackMeasurements(scale), ...gossipMeasurements(scale),
];
for (const name of options.only ?? []) {
  if (!all.some((m) => m.name === name)) usage(`no measurement is called ${name}; there are ${all.map((m) => m.name).join(', ')}`);
}
const results: Result[] = [];
for (const m of all) {
  if (options.only !== null && !options.only.has(m.name)) continue;
  process.stderr.write(`${m.name} … `);
  const started = performance.now();
  results.push(await measure(m, options.quick ? 1 : m.rounds));
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}
const cpu = cpus()[0]?.model.trim() ?? 'unknown';
process.stdout.write(`node ${process.versions.node}, ${cpu}, medians\n\n${table(results)}\n`);
if (options.json !== null) {
  writeFileSync(options.json, `${JSON.stringify({ node: process.versions.node, cpu, results }, null, 2)}\n`);
}
process.exit(0);
