/**
 * Who is lost: models of loss, with netem's words.
 *
 *     0.01, { p, correlation }            each by itself, or leaning on the one before
 *     { p, r, h, k }                      Gilbert-Elliott: good → bad with p, bad → good with r; a frame gets through with
 *                                         k in the good state, with h in the bad one
 *     { p13, p31, p32, p23, p14 }         four states (S. Salsano et al.): 1 received, 2 received within a burst of losses,
 *                                         3 lost within a burst, 4 lost alone
 *     { trace: '0010110' }                as recorded: 1 is lost
 *
 * Shared by the weather of cables and by the netem of hosts.
 */
import { checkOptions, parseProbability } from './units.ts';
import { Correlated } from './correlated.ts';
import type { Random } from './random.ts';

/** A probability, or one whose draws lean on each other. */
export type Chance = number | { readonly p: number; readonly correlation?: number };

/** Gilbert-Elliott. Left out: `r` is 1 − p, `h` is 0 (all is lost in the bad state), `k` is 1 (nothing in the good one). */
export interface GilbertElliottOptions { readonly p: number; readonly r?: number; readonly h?: number; readonly k?: number }

/** Left out: `p31` is 1 − p13, `p32` is 0, `p23` is 1, `p14` is 0. */
export interface StateLossOptions {
  readonly p13: number;
  readonly p31?: number;
  readonly p32?: number;
  readonly p23?: number;
  readonly p14?: number;
}

/** A recorded pattern: `'0010'` or an array of booleans or of 0 and 1. It begins anew at its end, unless `repeat` is false. */
export interface TraceLossOptions { readonly trace: string | readonly (boolean | number)[]; readonly repeat?: boolean }

export type Loss = Chance | GilbertElliottOptions | StateLossOptions | TraceLossOptions;

export abstract class LossModel {
  /** Is the next one lost? */
  abstract lost(random: Random): boolean;
}

export class RandomLoss extends LossModel {
  readonly p: number;
  readonly cor: Correlated;

  constructor(p: number, correlation: number) {
    super();
    this.p = p;
    this.cor = new Correlated(correlation);
  }

  override lost(random: Random): boolean {
    return this.cor.chance(random, this.p);
  }
}

export class GilbertElliott extends LossModel {
  readonly p: number;
  readonly r: number;
  readonly h: number;
  readonly k: number;
  bad = false;

  constructor(p: number, r: number, h: number, k: number) {
    super();
    this.p = p;
    this.r = r;
    this.h = h;
    this.k = k;
  }

  /** The frame meets the state that is; then the state may change (netem's order). */
  override lost(random: Random): boolean {
    const { bad } = this;
    if (random.chance(bad ? this.r : this.p)) this.bad = !bad;
    return random.chance(1 - (bad ? this.h : this.k));
  }
}

const RECEIVED = 1;
const RECEIVED_IN_BURST = 2;
const LOST_IN_BURST = 3;
const LOST_ALONE = 4;

export class StateLoss extends LossModel {
  readonly p13: number;
  readonly p31: number;
  readonly p32: number;
  readonly p23: number;
  readonly p14: number;
  private state: number = RECEIVED;

  constructor(p13: number, p31: number, p32: number, p23: number, p14: number) {
    super();
    this.p13 = p13;
    this.p31 = p31;
    this.p32 = p32;
    this.p23 = p23;
    this.p14 = p14;
  }

  override lost(random: Random): boolean {
    this.state = this.next(random.float());
    return this.state === LOST_IN_BURST || this.state === LOST_ALONE;
  }

  private next(u: number): number {
    switch (this.state) {
      case RECEIVED: return u < this.p14 ? LOST_ALONE : u < this.p14 + this.p13 ? LOST_IN_BURST : RECEIVED;
      case RECEIVED_IN_BURST: return u < this.p23 ? LOST_IN_BURST : RECEIVED_IN_BURST;
      case LOST_IN_BURST: return u < this.p32 ? RECEIVED_IN_BURST : u < this.p32 + this.p31 ? RECEIVED : LOST_IN_BURST;
      default: return RECEIVED;
    }
  }
}

export class TraceLoss extends LossModel {
  readonly pattern: Uint8Array;
  readonly repeat: boolean;
  private at = 0;

  constructor(pattern: Uint8Array, repeat: boolean) {
    super();
    this.pattern = pattern;
    this.repeat = repeat;
  }

  override lost(): boolean {
    if (this.at === this.pattern.length) {
      if (!this.repeat) return false;
      this.at = 0;
    }
    return this.pattern[this.at++] === 1;
  }
}

// ---- at the door

const LOSS_FORM = 'a number from 0 to 1, { p, correlation }, { p, r, h, k }, { p13, p31, p32, p23, p14 } or { trace }';

/**
 * Checks a model of loss. A new one each time: it has a memory.
 *
 * @throws TypeError, RangeError that name the option and the accepted form
 */
export function parseLoss(value: Loss, name: string): LossModel {
  if (typeof value === 'number') return new RandomLoss(parseProbability(value, name), 0);
  if (typeof value !== 'object' || value === null) {
    const shown = typeof value === 'string' ? `'${String(value)}'` : typeof value;
    throw new TypeError(`${name}: ${shown} is not understood; expected ${LOSS_FORM}`);
  }
  if ('trace' in value) return parseTrace(value, name);
  const p = (key: string, otherwise: number): number => {
    const given = (value as unknown as Record<string, number | undefined>)[key];
    return given === undefined ? otherwise : parseProbability(given, `${name}: ${key}`);
  };
  if ('p13' in value) {
    checkOptions(value, ['p13', 'p31', 'p32', 'p23', 'p14'], name);
    const p13 = p('p13', 0);
    const out = new StateLoss(p13, p('p31', 1 - p13), p('p32', 0), p('p23', 1), p('p14', 0));
    if (out.p13 + out.p14 > 1) throw new RangeError(`${name}: p13 and p14 are more than 1 together`);
    if (out.p31 + out.p32 > 1) throw new RangeError(`${name}: p31 and p32 are more than 1 together`);
    return out;
  }
  if (!('p' in value)) throw new TypeError(`${name}: p is missing; expected ${LOSS_FORM}`);
  if ('correlation' in value) {
    checkOptions(value, ['p', 'correlation'], name);
    return new RandomLoss(p('p', 0), p('correlation', 0));
  }
  checkOptions(value, ['p', 'r', 'h', 'k'], name);
  return new GilbertElliott(p('p', 0), p('r', 1 - p('p', 0)), p('h', 0), p('k', 1));
}

function parseTrace(value: TraceLossOptions, name: string): TraceLoss {
  checkOptions(value, ['trace', 'repeat'], name);
  const { trace, repeat = true } = value;
  if (typeof repeat !== 'boolean') throw new TypeError(`${name}: repeat: ${String(repeat)} is not understood; expected true or false`);
  const marks: readonly unknown[] = typeof trace === 'string' ? [...trace] : Array.isArray(trace) ? trace as readonly unknown[] : [];
  const pattern = Uint8Array.from(marks, (mark) => (mark === '1' || mark === 1 || mark === true ? 1
    : mark === '0' || mark === 0 || mark === false ? 0 : 2));
  if (pattern.length === 0 || pattern.includes(2)) {
    throw new TypeError(`${name}: trace is not understood; expected a pattern such as '00100', or an array of 0 and 1`);
  }
  return new TraceLoss(pattern, repeat);
}

/** A probability with its correlation, checked. */
export class EventChance {
  readonly p: number;
  readonly cor: Correlated;

  constructor(p: number, correlation: number) {
    this.p = p;
    this.cor = new Correlated(correlation);
  }

  happens(random: Random): boolean {
    return this.cor.chance(random, this.p);
  }
}

/** Checks a probability that may come with a correlation. */
export function parseChance(value: Chance, name: string): EventChance {
  if (typeof value !== 'object' || value === null) return new EventChance(parseProbability(value, name), 0);
  checkOptions(value, ['p', 'correlation'], name);
  return new EventChance(parseProbability(value.p, `${name}: p`), parseProbability(value.correlation ?? 0, `${name}: correlation`));
}
