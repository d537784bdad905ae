/** The options of `npm test`. */

/** What the command line asked for. */
export interface Options {
  /** Part of a path or of a test's name; null for all. */
  readonly filter: string | null;
  /** For KERNET_SEED; null when each test takes its own seeds. */
  readonly seed: string | null;
  readonly node: boolean;
  readonly deno: boolean;
  readonly verbose: boolean;
}

/** A wrong command line; the message says which option and what is accepted. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Reads `argv`. */
export function parseArgs(argv: readonly string[]): Options {
  const words: string[] = [];
  let seed: string | null = null;
  let node = true;
  let deno = true;
  let verbose = false;
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === '--seed') seed = parseSeed(argv[++i]);
    else if (arg.startsWith('--seed=')) seed = parseSeed(arg.slice('--seed='.length));
    else if (arg === '--no-deno') deno = false;
    else if (arg === '--deno') node = false;
    else if (arg === '--verbose') verbose = true;
    else if (arg.startsWith('-')) throw new UsageError(`${arg}: not an option; NAME, --seed N, --no-deno, --deno and --verbose are`);
    else words.push(arg);
  }
  if (!node && !deno) throw new UsageError('--deno and --no-deno exclude each other');
  return { filter: words.length === 0 ? null : words.join(' '), seed, node, deno, verbose };
}

function parseSeed(text: string | undefined): string {
  if (text === undefined || !/^(?:0x[0-9a-f]+|\d+)$/i.test(text)) {
    throw new UsageError(`--seed ${text ?? ''}: a seed is a whole number, such as 42 or 0x5eed17`);
  }
  return text;
}
