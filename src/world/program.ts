/**
 * The program's own clock: while `world.run(main)` runs, the timers and clocks that a program takes for granted
 * (setTimeout, Date, performance.now…) are the world's, in the same order of events as frames and kernel timers.
 *
 * What only one runtime has (its modules `timers` and `timers/promises`, process.hrtime, AbortSignal.timeout) is replaced by
 * hooks, which the rooms above put into `world.programHooks`.
 *
 *   from  world/world.ts   run: begin … end
 *   to    time/simulation  timers, and tasks for callbacks: the pump runs them as it runs all user code
 */
import { NS_PER_MS } from '../lib/units.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';

type Callback = (...args: unknown[]) => unknown;

/** Longest delay; beyond it the runtimes take 1 ms, with a warning, and so do we. */
const TIMEOUT_MAX = 0x7fffffff;
/** What virtual Date says when the world begins: 2025-01-01T00:00:00Z. */
export const DEFAULT_EPOCH_MS = 1735689600000;
/** A timeout that is no longer than this, and was unref'ed, outlives its program: somebody's clock may hang on it. */
const OUTLIVES_MAX_NS: number = 1000 * NS_PER_MS;
/** By this the replaced setTimeout knows the programs that it serves: what has it can `find()` the clock of whoever asks. */
export const PROGRAMS: symbol = Symbol.for('kernet.programs');

/**
 * Replaces what one runtime has beyond the globals. Called when a program begins and none ran before, with a clock that is
 * always the one of the program that asks; what it returns is called when the last program has ended.
 */
export type ProgramHook = (clock: ProgramClock) => () => void;

/** Which program is it that asks? A runtime's asynchronous context, as much of it as is needed here. */
export interface ProgramContexts {
  run<T>(clock: ProgramClock, fn: () => T): T;
  getStore(): ProgramClock | undefined;
}

/** What a runtime gives to all programs that run at one time: its hooks fill it. */
export class ProgramRuntime {
  /** Ties a callback to the asynchronous context in which it was given. */
  bind: (callback: () => void) => () => void = (callback) => callback;
  /** Milliseconds by which the wall clock of the host that asks is off. */
  skewMs: () => number = () => 0;
  /** Null where programs cannot be told from each other: one runs at a time. */
  contexts: ProgramContexts | null = null;
  /** Timers of programs that are over, on the runtime's clock; the next program takes them along. Null: none goes on. */
  outside: Set<VirtualTimer> | null = null;
}

/**
 * A timer of the program: what setTimeout returns. Behaves like Node's Timeout; as a number it is an id.
 *
 * Libraries keep one in a variable of a module and refresh it for ever (undici's clock, which ticks twice a second). So one whose
 * program is over belongs, when it is refreshed, to the program that runs then, and to the runtime when none does.
 */
export class VirtualTimer {
  id: number;
  private clock: ProgramClock;
  private readonly callback: () => void;
  private readonly task: Task;
  private readonly delayNs: number;
  private readonly repeats: boolean;
  private timer: Timer;
  /** The runtime's own timer, while no program runs. */
  private real: unknown = null;
  /** Made by setTimeout itself: a short one may outlive its program. */
  isGlobal = false;

  constructor(clock: ProgramClock, delayNs: number, repeats: boolean, callback: () => void) {
    this.clock = clock;
    this.id = clock.takeId();
    this.delayNs = delayNs;
    this.repeats = repeats;
    this.callback = callback;
    this.task = new Task(() => {
      if (!this.clock.timers.has(this.id)) return; // cleared after it fell due
      if (repeats) this.arm();
      else this.clock.timers.delete(this.id);
      callback();
    });
    this.timer = this.timerOn(clock);
    this.arm();
  }

  /** Keeps the world running until it fires (the default). */
  ref(): this {
    this.timer.setHousekeeping(false);
    return this;
  }

  /** Fires as long as something else keeps the world running. */
  unref(): this {
    this.timer.setHousekeeping(true);
    return this;
  }

  hasRef(): boolean {
    return !this.timer.housekeeping;
  }

  /** Begins its delay anew. */
  refresh(): this {
    if (this.clock.ended) return this.revive();
    if (this.clock.timers.has(this.id)) this.arm();
    else if (!this.repeats) {
      this.clock.timers.set(this.id, this);
      this.arm();
    }
    return this;
  }

  close(): this {
    this.clock.clear(this);
    this.stopReal();
    return this;
  }

  /** @internal */
  stop(): void {
    this.timer.del();
  }

  /** @internal Its program is over: a short one that did not keep the world running goes on outside; all others never fire. */
  leave(): void {
    this.stop();
    if (this.isGlobal && !this.repeats && !this.hasRef() && this.delayNs <= OUTLIVES_MAX_NS) this.revive();
  }

  /** @internal Belongs to `clock` from now on, and begins its delay anew. */
  adopt(clock: ProgramClock): void {
    const isIdle = this.timer.housekeeping;
    this.stopReal();
    this.clock = clock;
    this.id = clock.takeId();
    this.timer = this.timerOn(clock);
    this.timer.setHousekeeping(isIdle);
    clock.timers.set(this.id, this);
    this.arm();
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private arm(): void {
    this.timer.mod(this.clock.sim.now + this.delayNs);
  }

  private timerOn(clock: ProgramClock): Timer {
    return new Timer(clock.sim, null, () => clock.sim.ready(this.task));
  }

  /** Goes on after the end of its program. */
  private revive(): this {
    const clock = clockInPlace();
    if (clock !== null) this.adopt(clock);
    else this.runOutside();
    return this;
  }

  private runOutside(): void {
    this.stopReal();
    this.clock.runtime.outside?.add(this);
    const start = runtimeFunction(this.repeats ? 'setInterval' : 'setTimeout');
    this.real = start(() => {
      if (!this.repeats) this.stopReal();
      this.callback();
    }, this.delayNs / NS_PER_MS);
    if (!this.hasRef()) (this.real as { unref?(): void }).unref?.();
  }

  private stopReal(): void {
    if (this.real === null) return;
    this.clock.runtime.outside?.delete(this);
    runtimeFunction(this.repeats ? 'clearInterval' : 'clearTimeout')(this.real);
    this.real = null;
  }
}

/** One of the runtime's timer functions, as it is now. */
function runtimeFunction(name: string): (...args: unknown[]) => unknown {
  return Reflect.get(globalThis, name) as (...args: unknown[]) => unknown;
}

/** The clock of the program that runs now; null when none does. */
function clockInPlace(): ProgramClock | null {
  const programs = Reflect.get(runtimeFunction('setTimeout'), PROGRAMS) as { find(): ProgramClock | null } | undefined;
  const clock = programs?.find() ?? null;
  return clock === null || clock.ended ? null : clock;
}

/** An immediate of the program: what setImmediate returns. */
export class VirtualImmediate {
  /** Cleared, or has run. */
  done = false;

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  [Symbol.dispose](): void {
    this.done = true;
  }
}

/** The clock and the timers of one program. */
export class ProgramClock {
  readonly sim: Simulation;
  readonly epochMs: number;
  /** Armed timers by id. */
  readonly timers: Map<number, VirtualTimer> = new Map();
  runtime: ProgramRuntime = new ProgramRuntime();
  private over = false;
  private nextId = 1;

  constructor(sim: Simulation, epochMs: number) {
    this.sim = sim;
    this.epochMs = epochMs;
  }

  /** The program is over: nothing more is armed. */
  get ended(): boolean {
    return this.over;
  }

  /** @internal A number for one more timer. */
  takeId(): number {
    return this.nextId++;
  }

  /** Nanoseconds since the world began. */
  get nowNs(): number {
    return this.sim.now;
  }

  /** Milliseconds since the world began, with fraction: performance.now. */
  performanceNow(): number {
    return this.sim.now / NS_PER_MS;
  }

  /** Milliseconds since 1970: Date.now. */
  dateNow(): number {
    return Math.floor(this.epochMs + this.sim.now / NS_PER_MS + this.runtime.skewMs());
  }

  /** setTimeout and setInterval: a delay below 1 ms, or none, is 1 ms, as in the runtimes. */
  start(callback: unknown, delay: unknown, args: readonly unknown[], repeats: boolean): VirtualTimer {
    if (typeof callback !== 'function') {
      const error: TypeError & { code?: string } = new TypeError('The "callback" argument must be of type function.');
      error.code = 'ERR_INVALID_ARG_TYPE';
      throw error;
    }
    const ms = Number(delay);
    const delayMs = ms >= 1 && ms <= TIMEOUT_MAX ? Math.trunc(ms) : 1;
    const holder: { timer: VirtualTimer | null } = { timer: null };
    const run = this.runtime.bind(() => void Reflect.apply(callback as Callback, holder.timer, args));
    const timer = new VirtualTimer(this, delayMs * NS_PER_MS, repeats, run);
    holder.timer = timer;
    if (this.ended) timer.stop();
    else this.timers.set(timer.id, timer);
    return timer;
  }

  /** setImmediate: after what is ready now, before time moves on. */
  immediate(callback: unknown, args: readonly unknown[]): VirtualImmediate {
    if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function.');
    const handle = new VirtualImmediate();
    const run = this.runtime.bind(() => void Reflect.apply(callback as Callback, handle, args));
    this.sim.ready(new Task(() => {
      if (handle.done) return;
      handle.done = true;
      run();
    }));
    return handle;
  }

  /** clearTimeout and clearInterval: a timer, its id, or anything else, which does nothing. */
  clear(handle: unknown): void {
    const id = handle instanceof VirtualTimer ? handle.id : Number(handle);
    const timer = this.timers.get(id);
    if (timer === undefined) return;
    this.timers.delete(id);
    timer.stop();
  }

  /** Ends the program: what it left armed is cleared, so that an interval cannot run for ever. */
  end(): void {
    this.over = true;
    const left = [...this.timers.values()];
    this.timers.clear();
    for (const timer of left) timer.leave();
  }
}
