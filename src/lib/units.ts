/**
 * Quantities at the door, parsed strictly: a duration, a rate, a size, a probability. What does not parse is an error that
 * names the option and the accepted form, so that `{ delay: '10 sec' }` is a message and not a mystery.
 *
 * TypeError: not the type or not the form. RangeError: the form is right, the value is not possible.
 */

export const NS_PER_US = 1_000;
export const NS_PER_MS = 1_000_000;
export const NS_PER_SEC = 1_000_000_000;

/** A number of milliseconds, or a string with a unit: `10`, `'10ms'`, `'1.5s'`, `'20us'`, `'5ns'`, `'2min'`, `'1h'`. */
export type Duration = number | string;
/** Bits per second, or a string with a unit: `'100mbit'`, `'1gbit'`; `'10mbps'` is bytes per second, as tc(8) has it. */
export type Rate = number | string;
/** Bytes, or a string with a unit: `'64kb'` = 64,000, `'64kib'` = 65,536. */
export type Size = number | string;

const DURATION_FORM = "a number of milliseconds, or a string such as '10ms', '1.5s', '20us', '5ns', '2min'";
const RATE_FORM = "a number of bits per second, or a string such as '100mbit', '1gbit', '50kbit' ('10mbps' is bytes per second)";
const SIZE_FORM = "a number of bytes, or a string such as '1500b', '64kb', '5mb', '64kib', '1mib'";
const PROBABILITY_FORM = 'a number from 0 to 1';

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', NS_PER_US],
  ['ms', NS_PER_MS],
  ['s', NS_PER_SEC],
  ['min', 60 * NS_PER_SEC],
  ['h', 3600 * NS_PER_SEC],
]);

/** tc(8): `bit` counts bits, `bps` counts bytes; k, m, g, t are powers of 1000, ki, mi, gi, ti of 1024. */
const RATE_UNITS: ReadonlyMap<string, number> = new Map([...prefixed('bit', 1), ...prefixed('bps', 8)]);
const SIZE_UNITS: ReadonlyMap<string, number> = new Map(prefixed('b', 1));

function prefixed(unit: string, factor: number): [string, number][] {
  const out: [string, number][] = [[unit, factor]];
  ['k', 'm', 'g', 't'].forEach((p, i) => {
    out.push([p + unit, factor * 1000 ** (i + 1)], [`${p}i${unit}`, factor * 1024 ** (i + 1)]);
  });
  return out;
}

/** A duration in whole nanoseconds (rounded). `name` is the option that the caller gave. */
export function parseDuration(value: Duration, name: string): number {
  const ns = typeof value === 'number' ? value * NS_PER_MS : quantity(value, DURATION_UNITS, name, DURATION_FORM);
  return checked(Math.round(ns), value, name, DURATION_FORM);
}

/** A rate in bits per second (rounded); more than 0. */
export function parseRate(value: Rate, name: string): number {
  const bits = typeof value === 'number' ? value : quantity(value, RATE_UNITS, name, RATE_FORM);
  const rate = checked(Math.round(bits), value, name, RATE_FORM);
  if (rate === 0) throw new RangeError(`${name}: ${show(value)} is not more than 0; expected ${RATE_FORM}`);
  return rate;
}

/** A size in whole bytes. A fraction of a byte is refused: `'1.5kb'` is 1500, `'1.5b'` is a mistake. */
export function parseSize(value: Size, name: string): number {
  const bytes = typeof value === 'number' ? value : quantity(value, SIZE_UNITS, name, SIZE_FORM);
  const whole = Math.round(bytes);
  if (Math.abs(whole - bytes) > 1e-6) {
    throw new RangeError(`${name}: ${show(value)} is not a whole number of bytes; expected ${SIZE_FORM}`);
  }
  return checked(typeof value === 'number' ? bytes : whole, value, name, SIZE_FORM);
}

/** A probability, 0 to 1 inclusive. */
export function parseProbability(value: number, name: string): number {
  if (typeof value !== 'number') throw new TypeError(`${name}: ${show(value)} is not a probability; expected ${PROBABILITY_FORM}`);
  if (!(value >= 0 && value <= 1)) throw new RangeError(`${name}: ${show(value)} is out of range; expected ${PROBABILITY_FORM}`);
  return value;
}

/** A whole number from `min` to `max`, both inclusive (ports, limits, ring sizes). */
export function parseInteger(value: number, name: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  const form = max === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${min}` : `a whole number from ${min} to ${max}`;
  if (typeof value !== 'number') throw new TypeError(`${name}: ${show(value)} is not a number; expected ${form}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name}: ${show(value)} is out of range; expected ${form}`);
  }
  return value;
}

/** Options are an object, and every name in it is a known one: a slip of the pen is not taken for a default. */
export function checkOptions(options: unknown, known: readonly string[], call: string): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${call}: options is ${show(options)}; expected an object`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`${call}: ${name}: no such option; expected ${known.join(', ')}`);
  }
}

/** `'1.5ms'` by the table of units. No sign, no exponent, no blank between; the unit is required (and lower case). */
function quantity(value: unknown, units: ReadonlyMap<string, number>, name: string, form: string): number {
  const m = typeof value === 'string' ? /^(\d+(?:\.\d+)?|\.\d+)([a-z]+)$/.exec(value) : null;
  const factor = m === null ? undefined : units.get(m[2]!);
  if (m === null || factor === undefined) throw new TypeError(`${name}: ${show(value)} is not understood; expected ${form}`);
  return Number(m[1]) * factor;
}

function checked(n: number, value: unknown, name: string, form: string): number {
  if (!(n >= 0 && n <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${name}: ${show(value)} is out of range; expected ${form}`);
  }
  return n === 0 ? 0 : n;
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Prints nanoseconds with the largest unit that leaves a short number: `1.5s`, `20ms`, `300ns`. */
export function formatDuration(ns: number): string {
  for (const [unit, factor] of [['s', NS_PER_SEC], ['ms', NS_PER_MS], ['us', NS_PER_US]] as const) {
    if (Math.abs(ns) >= factor) return `${Number((ns / factor).toFixed(3))}${unit}`;
  }
  return `${ns}ns`;
}

/** Prints bits per second: `100mbit`, `1.5gbit`. */
export function formatRate(bits: number): string {
  for (const [unit, factor] of [['gbit', 1e9], ['mbit', 1e6], ['kbit', 1e3]] as const) {
    if (bits >= factor) return `${Number((bits / factor).toFixed(3))}${unit}`;
  }
  return `${bits}bit`;
}

/** Prints bytes: `1.5mib`, `64kib`, `1500b`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [['gib', 1024 ** 3], ['mib', 1024 ** 2], ['kib', 1024]] as const) {
    if (bytes >= factor) return `${Number((bytes / factor).toFixed(3))}${unit}`;
  }
  return `${bytes}b`;
}
