/** Quantities as tc(8) reads and writes them. */
import { ToolError } from './command.ts';

const TIMES: Readonly<Record<string, number>> = {
  '': 1e3, s: 1e9, sec: 1e9, secs: 1e9, ms: 1e6, msec: 1e6, msecs: 1e6, us: 1e3, usec: 1e3, usecs: 1e3, ns: 1, nsec: 1, nsecs: 1,
};

const RATES: Readonly<Record<string, number>> = { '': 1, ...prefixed('bit', 1), ...prefixed('bps', 8) };

const SIZES: Readonly<Record<string, number>> = {
  '': 1, b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3, gb: 1024 ** 3, kbit: 128, mbit: 1024 ** 2 / 8,
  gbit: 1024 ** 3 / 8,
};

function prefixed(unit: string, factor: number): Record<string, number> {
  const out: Record<string, number> = { [unit]: factor };
  ['k', 'm', 'g', 't'].forEach((p, i) => {
    out[p + unit] = factor * 1000 ** (i + 1);
    out[`${p}i${unit}`] = factor * 1024 ** (i + 1);
  });
  return out;
}

/** The words of a line, one after the other; an error says which one is wrong and what was expected. */
export class Cursor {
  private readonly words: readonly string[];
  private at = 0;
  readonly tool: string;

  constructor(words: readonly string[], tool: string) {
    this.words = words;
    this.tool = tool;
  }

  /** The next word, left where it is; null at the end. */
  get peek(): string | null {
    return this.words[this.at] ?? null;
  }

  /** The words that were not read. */
  get rest(): readonly string[] {
    return this.words.slice(this.at);
  }

  take(what: string): string {
    const word = this.words[this.at++];
    if (word === undefined) throw new ToolError(`${this.tool}: ${what} is missing at the end of the line`);
    return word;
  }

  /** Takes the next word when it is this one. */
  accept(...names: readonly string[]): boolean {
    if (this.peek === null || !names.includes(this.peek)) return false;
    this.at++;
    return true;
  }

  /** Does a number follow? */
  get hasNumber(): boolean {
    return this.peek !== null && /^-?[.\d]/.test(this.peek);
  }

  wrong(word: string, what: string, expected: string): ToolError {
    return new ToolError(`${this.tool}: ${what === '' ? '' : `${what}: `}'${word}' is not understood; expected ${expected}`);
  }

  /** A time as a duration in nanoseconds with its unit. Without a unit: microseconds. */
  time(what: string): string {
    return `${String(Math.round(this.quantity(what, TIMES, 'a time such as 100ms, 20us or 1.5s')))}ns`;
  }

  /** Bits per second. */
  rate(what: string): number {
    return Math.round(this.quantity(what, RATES, "a rate such as 100mbit, 64kbit ('kbps' counts bytes)"));
  }

  /** Bytes. */
  size(what: string): number {
    return Math.round(this.quantity(what, SIZES, 'a size such as 1500, 32kb or 1mb'));
  }

  integer(what: string): number {
    const word = this.take(what);
    if (!/^-?\d+$/.test(word)) throw this.wrong(word, what, 'a whole number');
    return Number(word);
  }

  /** A probability. */
  percent(what: string): number {
    const word = this.take(what);
    const m = /^(\d+(?:\.\d*)?|\.\d+)%?$/.exec(word);
    if (m === null || Number(m[1]) > 100) throw this.wrong(word, what, 'a percentage from 0% to 100%');
    return Number(m[1]) / 100;
  }

  private quantity(what: string, units: Readonly<Record<string, number>>, expected: string): number {
    const word = this.take(what);
    const m = /^(\d+(?:\.\d*)?|\.\d+)([a-z]*)$/i.exec(word);
    const unit = m === null ? '?' : m[2]!.toLowerCase();
    const factor = Object.hasOwn(units, unit) ? units[unit]! : null;
    if (m === null || factor === null) throw this.wrong(word, what, expected);
    return Number(m[1]) * factor;
  }
}

// ---- printing

/** `1Mbit`, `1500Kbit`: the largest unit that leaves a whole number. */
export function showRate(bits: number): string {
  let n = bits;
  let i = 0;
  while (i < 4 && n >= 1000 && (n % 1000 === 0 || n >= 1e6)) {
    n /= 1000;
    i++;
  }
  return `${n.toFixed(0)}${['', 'K', 'M', 'G', 'T'][i]!}bit`;
}

/** `10Kb`, `2014b`. */
export function showSize(bytes: number): string {
  if (bytes >= 1024 ** 2 && bytes % 1024 ** 2 === 0) return `${String(bytes / 1024 ** 2)}Mb`;
  if (bytes >= 1024 && bytes % 1024 === 0) return `${String(bytes / 1024)}Kb`;
  return `${String(bytes)}b`;
}

/** `100ms`, `5us`, three digits. */
export function showTime(ns: number): string {
  for (const [unit, factor] of [['s', 1e9], ['ms', 1e6], ['us', 1e3]] as const) {
    if (ns >= factor) return `${String(Number((ns / factor).toPrecision(3)))}${unit}`;
  }
  return ns === 0 ? '0us' : `${String(ns)}ns`;
}

/** `0.3%`, as %g prints it. */
export function showPercent(p: number): string {
  return `${String(Number((p * 100).toPrecision(6)))}%`;
}
