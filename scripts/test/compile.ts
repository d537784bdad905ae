/**
 * Compiles test files with all that they import. A process per file under a loader spends most of its time in the loader;
 * compiled, the files share their chunks and start in a fraction of it.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Below the root: where compiled tests are, each at its own path. */
export const COMPILED = '.cache/tests';

/** A module still learns where its source is, not where its compiled form landed: fixtures and programs lie beside sources. */
const whereSourcesAre: Plugin = {
  name: 'where-sources-are',
  setup(esbuild) {
    esbuild.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      return { contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)), loader: 'ts' };
    });
  },
};

/** The compiled form of a test file. */
export function compiledPath(source: string, outdir: string = COMPILED): string {
  return `${outdir}/${source.replace(/\.ts$/, '.mjs')}`;
}

/** The source of a compiled test file; a path of anything else is given back. */
export function sourcePath(path: string): string {
  const at = path.indexOf(`${COMPILED}/`);
  return at < 0 ? path : path.slice(at + COMPILED.length + 1).replace(/\.mjs$/, '.ts');
}

/** Compiles `files`, paths below `root`. @throws what esbuild throws, after it has printed the place */
export async function compile(root: string, files: readonly string[], outdir: string = COMPILED): Promise<void> {
  await rm(join(root, outdir), { recursive: true, force: true });
  await build({
    absWorkingDir: root, entryPoints: [...files], outdir, outbase: '.', outExtension: { '.js': '.mjs' },
    bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', sourcemap: true,
    logLevel: 'error', plugins: [whereSourcesAre],
  });
}
