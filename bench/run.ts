/**
 * `npm run bench`: compiles the benches with what they measure, and runs main.ts.
 *
 * Compiled, because that is what users run: the loader under which tests and examples run notes the name of each function
 * as it is made, and a program that makes closures pays for that, ours and Node's own classes unequally.
 */
import { join } from 'node:path';
import { build } from 'esbuild';
import { spawnToEnd } from '../scripts/spawn.ts';
import { ROOT } from '../scripts/tidy.ts';

const outdir = join(ROOT, '.cache/bench');
await build({
  entryPoints: ['bench/main.ts', 'bench/installed-program.ts', 'src/register.ts'].map((file) => join(ROOT, file)),
  entryNames: '[name]', outExtension: { '.js': '.mjs' }, outdir, bundle: true, splitting: true, platform: 'node', format: 'esm',
  target: 'node20', packages: 'external', logLevel: 'error',
});
const { code } = await spawnToEnd(process.execPath, [join(outdir, 'main.mjs'), ...process.argv.slice(2)], { cwd: process.cwd() });
process.exitCode = code;
