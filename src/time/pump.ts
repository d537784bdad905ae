/**
 * The bridge between virtual time and the host runtime's event loop: the only file that touches it.
 *
 * HOW. One turn of the pump is one macrotask. It runs kernel events, in a batch and without a pause, until one of them
 * makes user code ready; then it runs all tasks that are ready; then it ends, and the next turn comes as a new
 * macrotask, after microtasks, next ticks and whatever else the runtime had in line. So virtual time never passes while
 * user code computes, and a macrotask is paid per wake-up of user code at most, not per packet: where the runtime can be
 * asked whether user code rests (`settle`, `resting`), up to WAKE_BUDGET wake-ups share a turn.
 *
 *   from  time/simulation  onBusy: something became due while nobody was running
 *   to    Simulation.step  events
 *         Task.run         user code; what it throws leaves the turn, and surfaces as the runtime's uncaught exception
 *
 * The runtime's functions are taken when this module is loaded: a program whose own clock is virtual (world.run), or a
 * test that fakes timers later, does not change how the pump is driven.
 */
import type { Simulation } from './simulation.ts';
import type { Task } from './task.ts';

/** Events per turn: a busy world lets the runtime's loop turn in between (about a millisecond of work). */
export const EVENT_BUDGET = 2000;
/** Wake-ups of user code per turn, where they need no macrotask of their own: timers and sockets of the runtime get their turn. */
export const WAKE_BUDGET = 64;
/** Turns that code gets after a wake-up where it hops through them, before time moves on. */
export const HOP_TURNS = 4;
/** Turns in which nothing happens before the world counts as idle: user code that hops through macrotasks gets them. */
export const IDLE_TURNS = 8;
/** Then, while a program runs, real milliseconds of patience for asynchronous work that the runtime does not show us. */
export const IDLE_GRACE_MS = 25;
/** How far housekeeping alone may carry the clock while a program waits: beyond two hours of keepalive and its probes. */
export const HOUSEKEEPING_LIMIT_NS: number = 4 * 3600 * 1e9;
/** Turns that look again at once whether real work is done, before it is looked at by the millisecond. */
const EAGER_TURNS = 64;

/** The longest sleep of the runtime's timers. */
const MAX_SLEEP_MS = 0x7fffffff;

export type PumpMode = 'virtual' | 'real' | 'manual';

const realSetTimeout: (f: () => void, ms: number) => unknown = globalThis.setTimeout;
const realClearTimeout = globalThis.clearTimeout as (handle: unknown) => void;
const realPerformance: { now(): number } = globalThis.performance;
const realNow: () => number = realPerformance.now.bind(realPerformance);
const macrotask: (f: () => void) => void = pickMacrotask();

/** As much of a MessageChannel as is used here. */
interface Channel {
  readonly port1: { onmessage: (() => void) | null; close(): void };
  readonly port2: { postMessage(message: null): void };
}

/** setImmediate where there is one (1.2 µs on Node and Deno), else a MessageChannel, else a timer. */
function pickMacrotask(): (f: () => void) => void {
  const { setImmediate: immediate, MessageChannel: NewChannel, setTimeout: timeout } = globalThis as unknown as {
    setImmediate?: (f: () => void) => unknown;
    MessageChannel?: new () => Channel;
    setTimeout: (f: () => void, ms: number) => unknown;
  };
  if (immediate !== undefined) return immediate;
  if (NewChannel === undefined) return (f) => void timeout(f, 0);
  return (f) => {
    const { port1, port2 } = new NewChannel();
    port1.onmessage = (): void => {
      port1.close();
      f();
    };
    port2.postMessage(null);
  };
}

/** Wall-clock time in nanoseconds, for the mode that follows it. */
function wallNs(): number {
  return Math.round(realNow() * 1e6);
}

/** Told when nothing can happen any more by itself. */
export type IdleListener = () => void;

export class Pump {
  readonly sim: Simulation;
  readonly mode: PumpMode;
  /** Asks whether real asynchronous work of the program is in progress (node/ sets it); such work holds the clock. */
  realWork: (() => boolean) | null = null;
  /**
   * Runs next ticks and microtasks to their end (node/ sets it where the runtime can be asked to): done after every task,
   * as runtimes do between two callbacks of their own. Without it they run when the turn is over.
   */
  settle: (() => void) | null = null;
  /**
   * Asks, after user code was settled, whether all of it rests: nothing of the program waits for another turn of the
   * runtime's loop (node/ sets it where the runtime can be asked). Then time may move on within the same turn: a wake-up
   * costs no macrotask.
   */
  resting: (() => boolean) | null = null;
  /**
   * Asks whether something of the program holds the process (node/ sets it for worlds that do not keep it by themselves). Then
   * the timers of the runtime keep nothing alive, and what the kernels have left to do when nobody holds it comes in between.
   */
  held: (() => boolean) | null = null;
  /** Likewise: a call of the program's waits, which nothing of the runtime's stands for. Then the timers do keep the process. */
  waits: () => boolean = () => false;
  /** Asks whether user code may hop through turns of the runtime's loop that nothing shows (node/ sets it: http2 does). */
  hops: (() => boolean) | null = null;
  /** Programs that wait (`world.run`): they keep the world running on housekeeping alone, up to a limit. */
  programs = 0;
  /** Called once when programs wait and nothing will ever happen again. */
  onDeadlock: (() => void) | null = null;
  /** Runs a turn as code of the program that runs in this world; null while all code is taken to be its. */
  enter: ((turn: () => void) => void) | null = null;
  /** Macrotasks taken, and tasks run. */
  turns = 0;
  tasksRun = 0;
  /** Time stands still while this is not 0 (`world.external`). */
  private holds = 0;
  /** In manual mode: how far the clock may go. */
  private limit: number;
  private scheduled = false;
  private stopped = false;
  private timeout: unknown = null;
  /** A turn is under way. */
  running = false;
  private quietTurns = 0;
  private patient = false;
  private housekeepingFrom = -1;
  private idleListeners: IdleListener[] = [];
  /** Real mode: wall clock minus virtual clock. */
  private wallOffset = 0;
  /** Real mode: the last turn ended before the kernels had theirs. */
  private kernelsWaited = false;
  private readonly turnFn: () => void;
  private readonly workFn: () => void;

  constructor(sim: Simulation, mode: PumpMode = 'virtual') {
    this.sim = sim;
    this.mode = mode;
    this.limit = mode === 'manual' ? sim.now : Infinity;
    if (mode === 'real') this.wallOffset = wallNs() - sim.now;
    this.turnFn = (): void => {
      this.scheduled = false;
      this.turn();
    };
    this.workFn = (): void => this.turnInside();
    sim.onBusy = (): void => this.wake();
  }

  /** Something is to do: a turn will come. */
  wake(): void {
    if (this.running) return;
    this.quietTurns = 0;
    this.patient = false;
    this.housekeepingFrom = -1;
    this.cancelTimeout();
    this.schedule();
  }

  /** Stops the clock until `release`. */
  hold(): void {
    this.holds++;
  }

  release(): void {
    if (--this.holds === 0) this.wake();
  }

  /** In manual mode: lets the clock go as far as `time`. */
  allow(time: number): void {
    if (time > this.limit) this.limit = time;
    this.wake();
  }

  /** In manual mode: the clock goes no further than it is. */
  pin(): void {
    if (this.mode === 'manual') this.limit = this.sim.now;
  }

  /** The world is over: nothing runs any more, and nothing keeps the process. */
  stop(): void {
    this.stopped = true;
    this.sim.onBusy = null;
    this.cancelTimeout();
  }

  /** Calls `listener` once, when user code rests and nothing is due. */
  whenIdle(listener: IdleListener): void {
    this.idleListeners.push(listener);
    this.wake();
  }

  /** A program begins to wait, or has returned. */
  addProgram(n: number): void {
    this.programs += n;
    if (this.programs > 0) this.wake();
  }

  /** Real mode: brings the clock up to the wall clock as far as nothing is due before. Called on entry into the kernel. */
  sync(): void {
    if (this.mode !== 'real' || this.running) return;
    const now = Math.min(wallNs() - this.wallOffset, this.sim.nextTime());
    if (now > this.sim.now) this.sim.advanceTo(now);
  }

  /**
   * Runs events and tasks here and now, without letting user code rest in between: for tests whose user code is
   * nothing but tasks. Ends when nothing but housekeeping is due, or at `until` (the clock is then there), or after `maxEvents`.
   */
  drain(until: number = Infinity, maxEvents: number = Infinity): number {
    const { sim } = this;
    if (this.running) throw new Error('drain: the pump is running; a task cannot run the world that runs it');
    this.running = true;
    let events = 0;
    try {
      while (events < maxEvents) {
        this.runTasks();
        if (until === Infinity ? sim.live === 0 : sim.nextTime() > until) break;
        sim.step();
        events++;
      }
      if (until !== Infinity && events < maxEvents && sim.now < until) sim.advanceTo(until);
    } finally {
      this.running = false;
      if (sim.hasTasks || sim.live > 0) this.schedule();
    }
    return events;
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    macrotask(this.turnFn);
  }

  private scheduleIn(ms: number): void {
    this.cancelTimeout();
    this.timeout = realSetTimeout(() => {
      this.timeout = null;
      this.sim.sleepsUntil = -Infinity;
      this.turn();
    }, ms);
    if (this.held !== null && !this.waits()) (this.timeout as { unref?(): void }).unref?.();
  }

  private cancelTimeout(): void {
    this.sim.sleepsUntil = -Infinity;
    if (this.timeout === null) return;
    realClearTimeout(this.timeout);
    this.timeout = null;
  }

  private turn(): void {
    if (this.enter === null) this.turnInside();
    else this.enter(this.workFn);
  }

  private turnInside(): void {
    if (this.running || this.stopped) return;
    this.running = true;
    this.turns++;
    let again = true; // when a task throws: the others run in the next turn
    try {
      again = this.work();
    } finally {
      this.running = false;
      if (again) this.comeBack();
    }
  }

  /** Another turn at once; or, by the wall clock and when nobody holds the process, as soon as it is there for something else. */
  private comeBack(): void {
    const idles = this.mode === 'real' && this.held !== null && !this.sim.hasTasks && !this.held() && !this.waits();
    if (idles) this.scheduleIn(1);
    else this.schedule();
  }

  /** One turn's work. True when another turn is to follow at once. */
  private work(): boolean {
    // The wall clock waits for nobody: real work that waits for this world (a connection of the machine's) must not stop it.
    if (this.mode === 'real' && this.holds === 0) return this.followWall();
    let wakes = 0;
    while (this.runTasks()) if (++wakes >= WAKE_BUDGET || !this.rests()) return true;
    if (this.holds > 0) return false;
    if (this.realWork !== null && this.realWork()) return this.waitForRealWork();
    if (this.quietTurns < HOP_TURNS && this.hops !== null && this.hops()) return this.hop();
    const { sim } = this;
    for (let events = 0; events < EVENT_BUDGET; events++) {
      if (sim.live === 0 && !this.mayRunOn()) return this.rest();
      if (this.limit !== Infinity && sim.nextTime() > this.limit) return this.stopAtLimit();
      sim.step();
      while (this.runTasks()) if (++wakes >= WAKE_BUDGET || !this.rests()) return true;
    }
    return true;
  }

  /** True when user code is known to have come to rest within this turn. */
  private rests(): boolean {
    return this.settle !== null && this.resting !== null && this.holds === 0 && this.resting();
  }

  /** Runs what is ready now; what these make ready comes after user code has rested. True when there was any. */
  private runTasks(): boolean {
    const { sim } = this;
    const last = sim.lastReady;
    if (last === null) return false;
    this.quietTurns = 0;
    this.patient = false;
    this.housekeepingFrom = -1;
    let task: Task | null;
    do {
      task = sim.takeTask()!;
      this.tasksRun++;
      task.run();
      if (this.settle !== null) this.settle();
    } while (task !== last && sim.hasTasks);
    return true;
  }

  /** Manual mode, and the clock has not yet come as far as it was allowed to: housekeeping runs too. */
  private mayRunOn(): boolean {
    return this.limit !== Infinity && this.sim.now < this.limit && this.idleListeners.length === 0;
  }

  /** Another turn for user code that hops through them, before time moves on. */
  private hop(): boolean {
    this.quietTurns++;
    return true;
  }

  private waitForRealWork(): boolean {
    if (++this.quietTurns < EAGER_TURNS) return true;
    this.scheduleIn(1);
    return false;
  }

  /** Manual mode, nothing due up to the limit: the clock stands there until the test moves it. */
  private stopAtLimit(): boolean {
    if (this.sim.now < this.limit) this.sim.advanceTo(this.limit);
    return this.idle();
  }

  /** Nothing but housekeeping is left. User code may still be on its way to the next call. */
  private rest(): boolean {
    if (++this.quietTurns < IDLE_TURNS && (this.programs > 0 || this.idleListeners.length > 0)) return true;
    if (this.programs > 0 && !this.patient) {
      this.patient = true;
      this.scheduleIn(IDLE_GRACE_MS);
      return false;
    }
    if (this.idleListeners.length > 0) return this.idle();
    return this.programs > 0 && this.mode === 'virtual' ? this.housekeep() : false;
  }

  /** Tells the listeners. */
  private idle(): boolean {
    if (this.idleListeners.length === 0) return false;
    if (++this.quietTurns < IDLE_TURNS) return true;
    const listeners = this.idleListeners;
    this.idleListeners = [];
    for (const listener of listeners) listener();
    return true;
  }

  /** A program waits, and only housekeeping can still wake it: a keepalive may find the peer dead. */
  private housekeep(): boolean {
    const { sim } = this;
    if (this.held !== null && !this.held() && !this.waits()) return false;
    if (this.housekeepingFrom < 0) this.housekeepingFrom = sim.now;
    const end = this.housekeepingFrom + HOUSEKEEPING_LIMIT_NS;
    for (let events = 0; events < EVENT_BUDGET; events++) {
      if (sim.live === 0 && sim.nextTime() > end) return this.deadlock();
      sim.step();
      if (sim.hasTasks) {
        this.runTasks();
        return true;
      }
    }
    return true;
  }

  private deadlock(): boolean {
    this.housekeepingFrom = -1;
    if (this.onDeadlock !== null) this.onDeadlock();
    return false;
  }

  /**
   * Real mode: user code that is ready, then the kernels up to the wall clock, and so on; it comes back when the next event is
   * due. Each in its turn, for user code takes time: what the kernels had to do meanwhile, they did at its own time, and a
   * program that computes for long makes no retransmission timer fire before the ACK that was on its way.
   */
  private followWall(): boolean {
    const { sim } = this;
    let events = 0;
    let wakes = 0;
    for (;;) {
      while (this.runTasks()) {
        if (++wakes < WAKE_BUDGET && this.rests()) continue;
        if (this.kernelsWaited) break;
        this.kernelsWaited = true; // once: user code that is always busy does not stop the clock
        return true;
      }
      this.kernelsWaited = false;
      const now = wallNs() - this.wallOffset;
      let next = sim.nextTime();
      while (next <= now && events++ < EVENT_BUDGET) {
        sim.step();
        next = sim.nextTime();
      }
      if (events >= EVENT_BUDGET) return true;
      if (now > sim.now) sim.advanceTo(now);
      if (!sim.hasTasks && next > wallNs() - this.wallOffset) return this.sleepUntil(next, now);
    }
  }

  /** Real mode, nothing is due now. True when the next event is closer than a timer can aim. */
  private sleepUntil(next: number, now: number): boolean {
    const { sim } = this;
    if (sim.live === 0 && (this.held === null || next === Infinity || this.idleListeners.length > 0)) return this.idle();
    const ms = Math.min(Math.floor((next - now) / 1e6), MAX_SLEEP_MS);
    if (ms < 1) return true;
    this.scheduleIn(ms);
    sim.sleepsUntil = next; // what is called meanwhile from outside (a tap, user code) may make something due before
    return false;
  }
}
