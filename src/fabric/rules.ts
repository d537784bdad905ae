/**
 * Rules on a cable: what happens to a frame because somebody said so.
 *
 * A rule is a function of the frame. It stays until it is lifted: by `lift()`, at the end of a scope (`using`), or by itself
 * after `times` frames. Nothing is built for a frame while there are no rules.
 */
import { checkOptions, parseDuration, parseInteger, type Duration } from '../lib/units.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';
import { FrameView } from './frame-view.ts';
import type { Lane } from './lane.ts';

/** What a rule says about a frame: nothing, a fault, or how much later it arrives. */
export type Verdict = 'pass' | 'drop' | 'duplicate' | 'corrupt' | { readonly delay: Duration };

/** Looks at a frame and says what becomes of it; nothing means `'pass'`. */
export type RuleFunction = (frame: FrameView) => Verdict | undefined | null | void;

/** Does this rule concern the frame? Anything true means yes, so that `(f) => f.tcp?.syn` will do. */
export type FramePredicate = (frame: FrameView) => unknown;

/** Which direction, by the ends in the order in which the cable was made. */
export type Direction = 'ab' | 'ba' | 'both';

export interface RuleOptions {
  /** After this many frames the rule lifts itself. Default: never. */
  times?: number;
  /** Only frames of this direction. Default `'both'`. */
  direction?: Direction;
}

/** Verdicts as bits; they add up when several rules concern one frame. */
export const VERDICT_DROP = 1;
export const VERDICT_DUPLICATE = 2;
export const VERDICT_CORRUPT = 4;

/** A rule in force. */
export class Rule {
  /** Frames that it did not let pass unharmed. */
  hits = 0;
  readonly decide: RuleFunction;
  readonly direction: Direction;
  readonly times: number;
  private readonly set: RuleSet;

  constructor(set: RuleSet, decide: RuleFunction, options: RuleOptions) {
    this.set = set;
    this.decide = decide;
    checkOptions(options, RULE_OPTIONS, 'rule');
    this.times = options.times === undefined ? Infinity : parseInteger(options.times, 'times', 1);
    this.direction = parseDirection(options.direction);
  }

  /** Is it still in force? */
  get active(): boolean {
    return this.set.has(this);
  }

  /** Ends the rule. No harm if it has ended. */
  lift(): void {
    this.set.remove(this);
  }

  /** Ends the rule at the end of a scope: `using rule = cable.drop(…)`. */
  [Symbol.dispose](): void {
    this.lift();
  }
}

/** The rules of one cable, in the order in which they were made. */
export class RuleSet {
  /** Tested once per frame. */
  active = false;
  /** How much later the frame judged last arrives, in nanoseconds. */
  extraDelay = 0;
  private readonly sim: Simulation;
  private rules: readonly Rule[] = [];

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  /** Adds a rule. */
  rule(decide: RuleFunction, options: RuleOptions = {}): Rule {
    if (typeof decide !== 'function') throw new TypeError('rule: expected a function of a frame');
    const rule = new Rule(this, decide, options);
    this.rules = [...this.rules, rule];
    this.active = true;
    return rule;
  }

  /** Drops the frames that `predicate` picks (all, when there is none). */
  drop(predicate: FramePredicate = every, options: RuleOptions = {}): Rule {
    return this.when('drop', predicate, options);
  }

  /** Delays the frames that `predicate` picks (all, when there is none); the others may overtake them. */
  delay(by: Duration, predicate: FramePredicate = every, options: RuleOptions = {}): Rule {
    parseDuration(by, 'by');
    return this.when({ delay: by }, predicate, options);
  }

  /** Gives one verdict to the frames that `predicate` picks. */
  when(verdict: Verdict, predicate: FramePredicate = every, options: RuleOptions = {}): Rule {
    if (typeof predicate !== 'function') throw new TypeError('predicate: expected a function of a frame');
    return this.rule((frame) => (predicate(frame) ? verdict : 'pass'), options);
  }

  has(rule: Rule): boolean {
    return this.rules.includes(rule);
  }

  remove(rule: Rule): void {
    this.rules = this.rules.filter((r) => r !== rule);
    this.active = this.rules.length > 0;
  }

  /** Lifts them all. */
  clear(): void {
    this.rules = [];
    this.active = false;
  }

  /** Asks the rules about a frame: VERDICT_* bits, and `extraDelay`. What is dropped already is shown to no further rule. */
  judge(lane: Lane, skb: SkBuff, time: number): number {
    const frame = new FrameView(skb, time, lane.from.name, lane.to.name);
    let bits = 0;
    this.extraDelay = 0;
    for (const rule of this.rules) {
      if (rule.direction !== 'both' && rule.direction !== lane.direction) continue;
      const verdict = this.ask(rule, frame);
      if (verdict === 0) continue;
      bits |= verdict;
      if (++rule.hits >= rule.times) this.remove(rule);
      if ((bits & VERDICT_DROP) !== 0) break;
    }
    return bits & ~DELAYED;
  }

  /** What the user's function throws surfaces outside of the kernel, and the frame passes. */
  private ask(rule: Rule, frame: FrameView): number {
    try {
      const verdict = rule.decide(frame);
      if (verdict === undefined || verdict === null || verdict === 'pass') return 0;
      if (typeof verdict === 'object') {
        this.extraDelay += parseDuration(verdict.delay, 'delay');
        return DELAYED;
      }
      return verdictBits(verdict);
    } catch (error) {
      this.sim.ready(new Task(() => {
        throw error;
      }));
      return 0;
    }
  }
}

/** A verdict that is in `extraDelay`, not in the bits. */
const DELAYED = 8;

function verdictBits(verdict: string): number {
  switch (verdict) {
    case 'drop': return VERDICT_DROP;
    case 'duplicate': return VERDICT_DUPLICATE;
    case 'corrupt': return VERDICT_CORRUPT;
    default: throw new TypeError(`a rule answered '${verdict}'; expected 'pass', 'drop', 'duplicate', 'corrupt' or { delay }`);
  }
}

const RULE_OPTIONS: readonly string[] = ['times', 'direction'];

/** `'both'` when nothing is said. */
export function parseDirection(value: unknown): Direction {
  if (value === undefined) return 'both';
  if (value === 'ab' || value === 'ba' || value === 'both') return value;
  const shown = typeof value === 'string' ? `'${value}'` : typeof value;
  throw new TypeError(`direction: ${shown} is not understood; expected 'ab', 'ba' or 'both'`);
}

function every(): boolean {
  return true;
}
