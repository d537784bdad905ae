/**
 * Faults at work: checked when they are planned, begun and ended by the world's clock, and told in a log.
 *
 *   from  world/world.ts   fault, faults
 *   to    effects.ts       what each kind does
 */
import { checkOptions, formatDuration, parseDuration } from '../../lib/units.ts';
import { formatTime } from '../../wire/print.ts';
import { Timer } from '../../time/timer.ts';
import type { World } from '../world.ts';
import { KINDS, type Effect } from './effects.ts';
import type { Fault } from './fault.ts';

/** Lines of the log that are kept at most. */
export const FAULT_LOG_MAX = 100_000;

/** A fault that is planned, at work, or over. Ends with its scope: `using f = world.fault({ … })`. */
export class Injection {
  readonly fault: Fault;
  state: 'planned' | 'active' | 'over' = 'planned';
  private readonly faults: Faults;
  private readonly effect: Effect;
  private readonly forNs: number;
  private readonly timer: Timer;

  /** Made by `world.fault`. */
  constructor(faults: Faults, world: World, fault: Fault, effect: Effect) {
    this.faults = faults;
    this.fault = fault;
    this.effect = effect;
    const { sim } = world.parts;
    this.forNs = fault.kind === 'boot' || fault.kind === 'kill' || fault.for === undefined ? Infinity : parseDuration(fault.for, 'for');
    this.timer = new Timer(sim, null, () => {
      if (this.state === 'planned') this.begin();
      else this.lift();
    });
    const at = fault.at === undefined ? sim.now : parseDuration(fault.at, 'at');
    if (at <= sim.now) this.begin();
    else this.timer.mod(at);
  }

  /** Ends it now, or makes sure that it never begins. No harm when it is over. */
  lift(): void {
    this.timer.del();
    const was = this.state;
    this.state = 'over';
    if (was !== 'active') return;
    this.faults.tell(`ends: ${this.effect.text}`);
    this.effect.end?.();
  }

  [Symbol.dispose](): void {
    this.lift();
  }

  private begin(): void {
    this.state = 'active';
    this.faults.tell(`begins: ${this.effect.text}${this.forNs === Infinity ? '' : ` for ${formatDuration(this.forNs)}`}`);
    this.effect.begin(this.forNs);
    if (this.effect.end === null) this.state = 'over';
    else if (this.forNs !== Infinity) this.timer.mod(this.timer.base.now + this.forNs);
  }
}

/** Several faults, lifted together. */
export class Injections {
  readonly list: readonly Injection[];

  constructor(list: readonly Injection[]) {
    this.list = list;
  }

  /** Ends those that are at work, and those that were to come. */
  lift(): void {
    for (const injection of this.list) injection.lift();
  }

  [Symbol.dispose](): void {
    this.lift();
  }
}

/** Faults that concern one thing at the same time: the thing shows all of them, whichever ends first. */
export class Layers<T> {
  private readonly active: T[] = [];
  private readonly apply: (active: readonly T[]) => void;

  /** `apply` is called with those in force, oldest first, whenever one comes or goes. */
  constructor(apply: (active: readonly T[]) => void) {
    this.apply = apply;
  }

  push(layer: T): void {
    this.active.push(layer);
    this.apply(this.active);
  }

  remove(layer: T): void {
    const at = this.active.indexOf(layer);
    if (at < 0) return;
    this.active.splice(at, 1);
    this.apply(this.active);
  }

  get empty(): boolean {
    return this.active.length === 0;
  }
}

/** The faults of a world. */
export class Faults {
  /** What happened, in order: `0.500000 fault begins: crash of db`. */
  readonly log: string[] = [];
  /** Told of each line. */
  readonly listeners: Set<(line: string) => void> = new Set();
  private readonly world: World;
  private readonly layers: Map<object, Map<string, object>> = new Map();

  constructor(world: World) {
    this.world = world;
  }

  /** The faults of one kind that concern `thing`; made when there are none. */
  layersOf<T>(thing: object, kind: string, apply: (active: readonly T[]) => void): Layers<T> {
    let kinds = this.layers.get(thing);
    if (kinds === undefined) this.layers.set(thing, kinds = new Map<string, object>());
    let layers = kinds.get(kind) as Layers<T> | undefined;
    if (layers === undefined || layers.empty) {
      layers = new Layers<T>(apply); // what was before is seen anew
      kinds.set(kind, layers);
    }
    return layers;
  }

  /** Plans one. @throws TypeError, RangeError that name the field; then nothing is planned */
  add(fault: Fault, path: string = 'fault'): Injection {
    return new Injection(this, this.world, fault, this.check(fault, path));
  }

  /** Plans many, or, when one of them is wrong, none. */
  addAll(plan: readonly Fault[]): Injections {
    if (!Array.isArray(plan)) throw new TypeError('faults: expected an array of faults');
    const checked = (plan as readonly Fault[]).map((fault, i) => [fault, this.check(fault, `faults[${String(i)}]`)] as const);
    return new Injections(checked.map(([fault, effect]) => new Injection(this, this.world, fault, effect)));
  }

  tell(text: string): void {
    const line = `${formatTime(this.world.nowNs)} fault ${text}`;
    if (this.log.length < FAULT_LOG_MAX) this.log.push(line);
    for (const listener of this.listeners) listener(line);
  }

  private check(fault: Fault, path: string): Effect {
    if (typeof fault !== 'object' || (fault as unknown) === null) {
      throw new TypeError(`${path}: expected an object such as { kind: 'crash', host: 'bob' }`);
    }
    const kinds = Object.keys(KINDS);
    if (!kinds.includes(fault.kind)) {
      throw new TypeError(`${path}: kind: '${String(fault.kind)}' is not known; expected one of ${kinds.join(', ')}`);
    }
    const kind = KINDS[fault.kind];
    checkOptions(fault, ['kind', 'at', ...(kind.instant ? [] : ['for']), ...kind.options], path);
    if (fault.at !== undefined) parseDuration(fault.at, `${path}: at`);
    if ('for' in fault && fault.for !== undefined) parseDuration(fault.for, `${path}: for`);
    return kind.prepare(this, this.world, fault as never, path);
  }
}
