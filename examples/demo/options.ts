/** The command line of the demo. A wrong option is one line that names it and the accepted form, and exit code 2. */
import { parseDuration, parseProbability, parseRate, parseSize } from '../../src/lib/units.ts';

export interface DemoOptions {
  readonly seed: number;
  readonly loss: number;
  /** As the cable takes them: `20ms`, `50mbit`. */
  readonly delay: string;
  readonly rate: string;
  /** Bytes of the download. */
  readonly size: number;
  /** Where the capture goes. */
  readonly pcap: string;
}

/** A command line that is not understood. */
export class UsageError extends Error {}

/** The largest download, in bytes. */
const SIZE_MAX = 1e9;

const FORMS: Readonly<Record<string, string>> = {
  seed: 'a whole number, such as 42',
  loss: 'a number from 0 to 1, such as 0.02',
  delay: 'a duration such as 20ms, 1.5s or 500us',
  rate: 'a rate such as 50mbit, 1gbit or 500kbit',
  size: 'a size from 1b to 1gb, such as 5mb or 64kib',
  pcap: 'the name of a file, such as demo.pcapng',
};

export const USAGE = `usage: npm run demo -- [options]

  --seed N       all chance comes from it                  42
  --loss P       of each frame on the cable, each way      0.02
  --delay T      of the cable, each way                    20ms
  --rate R       of the cable, each way                    50mbit
  --size S       of the download                           5mb
  --pcap FILE    where the frames are written              demo.pcapng
  --help         this text
`;

/** Reads the words of a command line: `--seed 42` or `--seed=42`. Null when help was asked for. */
export function parseOptions(words: readonly string[]): DemoOptions | null {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--help' || word === '-h') return null;
    const m = /^--([a-z]+)(?:=(.*))?$/s.exec(word);
    const name = m?.[1] ?? '';
    const form = FORMS[name];
    if (form === undefined || !Object.hasOwn(FORMS, name)) {
      throw new UsageError(`${word}: no such option; expected ${Object.keys(FORMS).map((n) => `--${n}`).join(', ')} or --help`);
    }
    const value = m?.[2] ?? words[++i];
    if (value === undefined || value.startsWith('--')) throw new UsageError(`--${name}: its value is missing; expected ${form}`);
    if (given.has(name)) throw new UsageError(`--${name}: given twice; expected ${form}, once`);
    given.set(name, value);
  }
  const text = (name: string, fallback: string): string => given.get(name) ?? fallback;
  const checked = { delay: text('delay', '20ms'), rate: text('rate', '50mbit'), size: text('size', '5mb') };
  check('delay', checked.delay, () => parseDuration(checked.delay, 'delay'));
  check('rate', checked.rate, () => parseRate(checked.rate, 'rate'));
  return {
    ...checked,
    seed: number('seed', text('seed', '42'), (n) => Number.isSafeInteger(n)),
    loss: number('loss', text('loss', '0.02'), (n) => parseProbability(n, 'loss') >= 0),
    size: size(checked.size),
    pcap: text('pcap', 'demo.pcapng'),
  };
}

function number(name: string, value: string, fits: (n: number) => boolean): number {
  return check(name, value, () => {
    const n = /^-?\d+(\.\d+)?$|^\.\d+$/.test(value) ? Number(value) : NaN;
    if (!fits(n)) throw new RangeError(name);
    return n;
  });
}

function size(value: string): number {
  return check('size', value, () => {
    const bytes = parseSize(/^\d+$/.test(value) ? Number(value) : value, 'size');
    if (bytes < 1 || bytes > SIZE_MAX) throw new RangeError('size');
    return bytes;
  });
}

function check<T>(name: string, value: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new UsageError(`--${name}: '${value}' is not understood; expected ${FORMS[name]!}`);
  }
}
