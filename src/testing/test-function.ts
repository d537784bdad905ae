/**
 * Where `lab` and `scenario` register their tests. Any runner will do whose test function takes a name and a body; the
 * kit imports none of them, so that it works under node:test, vitest, Deno.test and others alike.
 *
 *     const lab = labWith(test);       // `test` from whichever runner
 *     import { lab } from …            // the runner is found by itself, where that is possible
 */

/** What a runner offers. What it returns is of no interest. */
export type TestFunction = (name: string, body: () => void | Promise<void>) => unknown;

interface Runtime {
  readonly Deno?: { readonly test?: TestFunction };
  readonly test?: unknown;
  readonly process?: {
    readonly env?: Readonly<Record<string, string | undefined>>;
    getBuiltinModule?(name: string): unknown;
  };
}

/** The test function of the runner that runs us. Throws when there is none to be found. */
export function findTestFunction(): TestFunction {
  const { Deno, test, process } = globalThis as unknown as Runtime;
  if (typeof test === 'function') return test as TestFunction;
  if (typeof Deno?.test === 'function') return Deno.test;
  // vitest runs on Node, where node:test could be had too: the test would be registered with the wrong one.
  const vitest = process?.env?.['VITEST'] !== undefined;
  const builtin = vitest ? undefined : process?.getBuiltinModule?.('node:test');
  if (isNodeTest(builtin)) return builtin.test;
  const hint = 'labWith(test) and scenarioWith(test) take the test function of any runner';
  throw new Error(`no test runner found that kernet can register with; ${hint}`);
}

function isNodeTest(module: unknown): module is { test: TestFunction } {
  return typeof module === 'object' && module !== null && 'test' in module && typeof module.test === 'function';
}

/** An environment variable, where the runtime has such a thing and lets us see it. */
export function environment(name: string): string | undefined {
  try {
    return (globalThis as unknown as Runtime).process?.env?.[name];
  } catch {
    return undefined; // Deno without --allow-env
  }
}
