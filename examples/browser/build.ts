/**
 * Makes the page: one script by esbuild, for a browser, and the two files beside it. Into a folder, or served for a look at it:
 *
 *   node --import tsx examples/browser/build.ts OUT       open OUT/index.html
 *   node --import tsx examples/browser/build.ts --serve   http://127.0.0.1:8137/
 */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { build, context, type BuildOptions } from 'esbuild';

const HERE = fileURLToPath(new URL('./', import.meta.url));
const PORT = 8137;

function options(out: string): BuildOptions {
  // `platform: 'browser'`: an import of node:anything is an error.
  return {
    entryPoints: [join(HERE, 'page.ts')], outfile: join(out, 'page.js'), bundle: true, platform: 'browser', format: 'iife',
    target: 'es2022', tsconfigRaw: {}, logLevel: 'warning', minify: true, define: { global: 'globalThis' },
  };
}

/** Writes index.html, style.css and page.js into `out`. Returns the bytes of the script. */
export async function buildPage(out: string): Promise<number> {
  mkdirSync(out, { recursive: true });
  for (const file of ['index.html', 'style.css']) cpSync(join(HERE, file), join(out, file));
  const { metafile } = await build({ ...options(out), metafile: true });
  return Object.values(metafile.outputs)[0]!.bytes;
}

async function main(arg: string | undefined): Promise<void> {
  if (arg === undefined || (arg.startsWith('-') && arg !== '--serve')) {
    throw new Error('usage: build.ts OUT, the folder to write to, or build.ts --serve');
  }
  if (arg !== '--serve') {
    console.log(`${join(arg, 'index.html')}, with a script of ${String(Math.round(await buildPage(arg) / 1024))} KiB`);
    return;
  }
  const serving = await context({ ...options(HERE), write: false });
  await serving.serve({ servedir: HERE, host: '127.0.0.1', port: PORT });
  console.log(`http://127.0.0.1:${String(PORT)}/`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv[2]);
