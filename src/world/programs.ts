/**
 * The programs that run at one time, each on the clock of its own world, and the runtime's own clocks and timers that stand
 * for all of them: a function that was replaced asks whose program calls it.
 *
 *   from  world/world.ts     run: beginProgram … end
 *   to    world/program.ts   the clock and the timers of one program
 *
 * HOW. While one program runs, all code is taken to be its code: nothing has to be asked, and nothing is lost when a callback
 * comes from where no context is kept. A program that begins while another one runs gets an asynchronous context, if the
 * runtime has such a thing; the turns of its world's pump are run in it, too. Code without context is then the first program's,
 * and after that one's end nobody's: it has the runtime's own clock.
 */
import { ProgramClock, PROGRAMS, VirtualImmediate, VirtualTimer, type ProgramHook } from './program.ts';

/** Node's hook for util.promisify. */
const PROMISIFY: symbol = Symbol.for('nodejs.util.promisify.custom');

/** A program that has begun. */
export interface RunningProgram {
  /** Runs `fn` as code of this program. */
  readonly enter: (<T>(fn: () => T) => T) | null;
  /** The program is over. With the last one, everything is put back exactly as it was. */
  end(): void;
}

/** The clock of whichever program asks: what runtimes' hooks are given. */
class CurrentClock extends ProgramClock {
  readonly hooks: readonly ProgramHook[];
  /** The program whose code has no context; null when it has ended. */
  first: ProgramClock | null;
  readonly running: Set<ProgramClock> = new Set();
  readonly undo: (() => void)[] = [];

  constructor(first: ProgramClock, hooks: readonly ProgramHook[]) {
    super(first.sim, first.epochMs);
    this.hooks = hooks;
    this.first = first;
  }

  /** The clock of the program that asks; null when it is nobody's code. */
  find(): ProgramClock | null {
    if (this.running.size === 1 && this.first !== null) return this.first;
    return this.runtime.contexts?.getStore() ?? this.first;
  }

  /** The same, or any program's. */
  private get current(): ProgramClock {
    return this.find() ?? this.running.values().next().value ?? this;
  }

  override get ended(): boolean {
    return this.running.size === 0 || this.current.ended;
  }

  override get nowNs(): number {
    return this.current.sim.now;
  }

  override performanceNow(): number {
    return this.current.performanceNow();
  }

  override dateNow(): number {
    return this.current.dateNow();
  }

  override start(callback: unknown, delay: unknown, args: readonly unknown[], repeats: boolean): VirtualTimer {
    return this.current.start(callback, delay, args, repeats);
  }

  override immediate(callback: unknown, args: readonly unknown[]): VirtualImmediate {
    return this.current.immediate(callback, args);
  }

  override clear(handle: unknown): void {
    this.current.clear(handle);
  }
}

/**
 * Begins a program: its clock is in place of the runtime's for its code.
 *
 * @throws Error when another program runs, and the runtime cannot tell the two from each other
 */
export function beginProgram(clock: ProgramClock, hooks: readonly ProgramHook[]): RunningProgram {
  const scope = globalThis as unknown as Record<string, object>;
  const there: unknown = Reflect.get(scope['setTimeout']!, PROGRAMS);
  const programs = there === undefined ? install(clock, hooks) : there;
  const joins = programs !== null && there !== undefined;
  if (!(programs instanceof CurrentClock) || (joins && !mayJoin(programs, hooks))) {
    throw new Error('world.run: another program is running on virtual time; await its run() first');
  }
  const { contexts } = programs.runtime;
  clock.runtime = programs.runtime;
  programs.running.add(clock);
  if (!joins && clock.runtime.outside !== null) for (const timer of [...clock.runtime.outside]) timer.adopt(clock);
  return {
    enter: joins ? (fn) => contexts!.run(clock, fn) : null,
    end() {
      programs.running.delete(clock);
      if (programs.first === clock) programs.first = null;
      if (programs.running.size === 0) undoAll(programs);
    },
  };
}

/** A world whose hooks are not all in place cannot run its programs beside the others. */
function mayJoin(programs: CurrentClock, hooks: readonly ProgramHook[]): boolean {
  return programs.runtime.contexts !== null && hooks.every((hook) => programs.hooks.includes(hook));
}

function install(clock: ProgramClock, hooks: readonly ProgramHook[]): CurrentClock {
  const programs = new CurrentClock(clock, hooks);
  const scope = globalThis as unknown as Record<string, object>;
  const { undo } = programs;
  try {
    for (const [name, value] of Object.entries(virtualGlobals(programs))) undo.push(replace(scope, name, value));
    const real = scope['performance'] as { now(): number };
    const now = real.now.bind(real);
    undo.push(replace(real, 'now', () => programs.find()?.performanceNow() ?? now()));
    for (const hook of hooks) undo.push(hook(programs));
  } catch (error) {
    undoAll(programs);
    throw error;
  }
  return programs;
}

function undoAll(programs: CurrentClock): void {
  for (const step of programs.undo.reverse()) step();
}

type AnyFunction = (...args: unknown[]) => unknown;

function virtualGlobals(programs: CurrentClock): Record<string, object> {
  const real: Record<string, AnyFunction | undefined> = {};
  for (const name of TIMER_FUNCTIONS) real[name] = Reflect.get(globalThis, name) as AnyFunction | undefined;
  const armer = (name: string, repeats: boolean) => (callback: unknown, delay?: unknown, ...args: unknown[]): unknown => {
    const timer = programs.find()?.start(callback, delay, args, repeats);
    if (timer === undefined) return real[name]!(callback, delay, ...args);
    timer.isGlobal = true;
    return timer;
  };
  const clearer = (name: string) => (handle?: unknown): void => {
    if (handle instanceof VirtualTimer) handle.close();
    else if (handle instanceof VirtualImmediate) handle.done = true;
    else if (!clearById(programs, handle)) real[name]?.(handle);
  };
  const timeout = armer('setTimeout', false);
  const immediate = (callback: unknown, ...args: unknown[]): unknown =>
    programs.find()?.immediate(callback, args) ?? real['setImmediate']!(callback, ...args);
  const promised = (name: string): AnyFunction | undefined => Reflect.get(real[name] ?? {}, PROMISIFY) as AnyFunction | undefined;
  Object.assign(timeout, {
    [PROGRAMS]: programs,
    [PROMISIFY]: (delay?: unknown, value?: unknown) => {
      const clock = programs.find();
      if (clock === null) return promised('setTimeout')?.(delay, value);
      return new Promise((resolve) => void clock.start(() => resolve(value), delay, [], false));
    },
  });
  Object.assign(immediate, {
    [PROMISIFY]: (value?: unknown) => {
      const clock = programs.find();
      if (clock === null) return promised('setImmediate')?.(value);
      return new Promise((resolve) => void clock.immediate(() => resolve(value), []));
    },
  });
  return {
    setTimeout: timeout,
    setInterval: armer('setInterval', true),
    setImmediate: immediate,
    clearTimeout: clearer('clearTimeout'),
    clearInterval: clearer('clearInterval'),
    clearImmediate: clearer('clearImmediate'),
    Date: virtualDate(programs),
  };
}

const TIMER_FUNCTIONS = ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'];

/** A timer by its number: the program's own. True when there was one. */
function clearById(programs: CurrentClock, handle: unknown): boolean {
  if (typeof handle !== 'number' && typeof handle !== 'string') return false;
  const timer = programs.find()?.timers.get(Number(handle));
  timer?.close();
  return timer !== undefined;
}

/** Date on the world's clock. Its objects are ordinary Dates; only "now" is another. */
function virtualDate(programs: CurrentClock): object {
  const RealDate = Date;
  const now = (): number => programs.find()?.dateNow() ?? RealDate.now();
  function VirtualDate(this: unknown, ...args: unknown[]): object | string {
    if (new.target === undefined) return new RealDate(now()).toString();
    return Reflect.construct(RealDate, args.length === 0 ? [now()] : args, new.target) as object;
  }
  Object.defineProperty(VirtualDate, 'name', { value: 'Date' });
  Object.defineProperty(VirtualDate, 'length', { value: 7 });
  VirtualDate.prototype = RealDate.prototype;
  return Object.assign(VirtualDate, { now, parse: RealDate.parse, UTC: RealDate.UTC });
}

/** Replaces a property; returns what restores it, including that it was not there or not its own. */
function replace(owner: object, name: string, value: unknown): () => void {
  const old = Object.getOwnPropertyDescriptor(owner, name);
  if (old === undefined && !(name in owner)) return () => undefined; // a runtime without it stays without it
  Object.defineProperty(owner, name, { value, writable: true, configurable: true, enumerable: old?.enumerable ?? false });
  return () => {
    if (old === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, old);
  };
}
