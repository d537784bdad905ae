/** `npm run check:deno`: the public doors and the Deno tests, as Deno's own type checker sees them. */
import { existsSync, readdirSync } from 'node:fs';
import { deno } from './runtimes.ts';
import { spawnToEnd } from './spawn.ts';
import { ROOT } from './tidy.ts';

/** The TypeScript files directly in a folder, when there is such a folder. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`);
}

process.chdir(ROOT);
const { command, env } = deno(ROOT);
const files = ['mod.ts', ...filesIn('src'), ...filesIn('test/deno')];
const ended = await spawnToEnd(command, ['check', '--no-remote', ...files], { cwd: ROOT, env });
process.exitCode = ended.code;
