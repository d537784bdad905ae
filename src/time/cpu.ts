/**
 * A host's processor: who may run when, and what it costs.
 *
 * Work takes time. Every entry into the kernel (a system call, an interrupt, a timer) advances this processor's own
 * clock, `now`, which may run ahead of the world's while the host is busy. Hardware goes on meanwhile: frames arrive in
 * the ring at the world's time, but the interrupt is served only when the processor is free. So a ring can overflow,
 * a softirq budget and an interrupt rate mean something, and no round trip takes zero time.
 *
 *   from  syscall/*   enter … exit around each call
 *         nic/*       interrupt(), by way of an IRQ line
 *         timers      runTimer()
 *   to    softirq handlers (NET_TX, NET_RX), on the way out of the kernel, as Linux runs them
 *         tasks, when no kernel code is left to run
 */
import type { Simulation } from './simulation.ts';
import type { Task } from './task.ts';
import { Timer } from './timer.ts';

/** What work costs on a host, in nanoseconds; the defaults are of a real machine's order. Zero is allowed. */
export interface CostModel {
  /** Entering and leaving a system call. */
  syscallNs: number;
  /** A hardware interrupt, up to scheduling the poll. */
  irqNs: number;
  /** One packet in softirq, from the ring to the socket. */
  softirqPacketNs: number;
  /** One packet on its way out, from the socket to the ring. */
  xmitPacketNs: number;
  /** From the wake-up to the first instruction of the woken task. */
  wakeNs: number;
}

export const DEFAULT_COSTS: Readonly<CostModel> = {
  syscallNs: 250,
  irqNs: 600,
  softirqPacketNs: 500,
  xmitPacketNs: 300,
  wakeNs: 1500,
};

/** Everything free: for tests that assert exact times. */
export const ZERO_COSTS: Readonly<CostModel> = {
  syscallNs: 0,
  irqNs: 0,
  softirqPacketNs: 0,
  xmitPacketNs: 0,
  wakeNs: 0,
};

export const NET_TX_SOFTIRQ = 2;
export const NET_RX_SOFTIRQ = 3;
/** Work put off until the interrupted code is through: TCP's senders whose packets have left the card. */
export const TASKLET_SOFTIRQ = 4;
const NR_SOFTIRQS = 5;
/** How often softirqs may re-raise themselves before the rest is put off, so that tasks get their turn (Linux: 10). */
export const MAX_SOFTIRQ_RESTART = 10;

export class Cpu {
  readonly sim: Simulation;
  readonly costs: CostModel;
  /** This processor's clock in virtual nanoseconds: never behind the world's while kernel code runs. */
  now = 0;
  /** Softirqs handled, restarts put off to a later event, tasks woken. */
  softirqs = 0;
  deferred = 0;
  wakeups = 0;
  private depth = 0;
  /** Woken tasks wait until `resume`. */
  private stopped = false;
  private pending = 0;
  private readonly handlers: ((() => void) | null)[] = new Array<(() => void) | null>(NR_SOFTIRQS).fill(null);
  private firstTask: Task | null = null;
  private lastTask: Task | null = null;
  /** Expired timers that wait for the processor, in the order in which they expired. */
  private firstTimer: Timer | null = null;
  private lastTimer: Timer | null = null;
  private readonly timers: Timer;
  private readonly ksoftirqd: Timer;
  private readonly scheduler: Timer;

  constructor(sim: Simulation, costs: CostModel) {
    this.sim = sim;
    this.costs = costs;
    this.timers = new Timer(sim, null, () => {
      this.runTimers();
    });
    this.ksoftirqd = new Timer(sim, null, () => {
      this.enter(0);
      this.exit();
    });
    this.scheduler = new Timer(sim, null, () => {
      this.schedule();
    });
  }

  /** True while kernel code runs on this processor. */
  get busy(): boolean {
    return this.depth > 0;
  }

  /** Enters the kernel and pays `costNs` for it. Every enter needs its exit. */
  enter(costNs: number): void {
    if (this.now < this.sim.now) this.now = this.sim.now;
    this.now += costNs;
    this.depth++;
  }

  /** Leaves the kernel; on the way out of the last level, pending softirqs run and woken tasks are lined up. */
  exit(): void {
    if (this.depth === 1) {
      if (this.pending !== 0) this.doSoftirq();
      this.depth = 0;
      if (this.firstTask !== null) this.lineUp();
    } else {
      this.depth--;
    }
  }

  /** The power is gone: what was pending is forgotten, and no timer of this processor fires any more. Outside of the kernel. */
  halt(): void {
    this.pending = 0;
    this.stopped = false;
    for (let task = this.firstTask; task !== null; task = task.next) task.queued = false;
    this.firstTask = null;
    this.lastTask = null;
    for (let timer = this.firstTimer; timer !== null; timer = this.firstTimer) timer.del();
    for (const timer of [this.timers, this.ksoftirqd, this.scheduler]) timer.del();
    this.sim.disarmAll(this);
  }

  /** Holds back every task that is woken from now on (as SIGSTOP for all processes): the kernel itself goes on. */
  stop(): void {
    this.stopped = true;
  }

  /** Ends that: what was woken meanwhile runs now. */
  resume(): void {
    if (!this.stopped) return;
    this.stopped = false;
    if (this.depth === 0 && this.firstTask !== null) this.lineUp();
  }

  /** Makes the current work longer by `ns`. */
  charge(ns: number): void {
    this.now += ns;
  }

  openSoftirq(nr: number, handler: () => void): void {
    this.handlers[nr] = handler;
  }

  /** Marks a softirq as pending: it runs when the kernel is left, or as an event of its own when nobody is inside. */
  raiseSoftirq(nr: number): void {
    this.pending |= 1 << nr;
    if (this.depth === 0 && !this.ksoftirqd.pending) this.ksoftirqd.mod(Math.max(this.now, this.sim.now));
  }

  /** True when an interrupt or a timer can be served at once. */
  get free(): boolean {
    return this.depth === 0 && this.now <= this.sim.now;
  }

  /** Runs an expired timer of this host; while the processor is busy with earlier work, it waits in line. */
  runTimer(timer: Timer): void {
    if (this.now > this.sim.now || this.firstTimer !== null) {
      this.sim.park(timer);
      timer.next = null;
      timer.prev = this.lastTimer;
      if (this.lastTimer === null) this.firstTimer = timer;
      else this.lastTimer.next = timer;
      this.lastTimer = timer;
      if (!this.timers.pending) this.timers.mod(this.now);
      return;
    }
    this.enter(0);
    timer.run();
    this.exit();
  }

  /** A timer that waits in line was moved or deleted. */
  forget(timer: Timer): void {
    if (timer.prev === null) this.firstTimer = timer.next;
    else timer.prev.next = timer.next;
    if (timer.next === null) this.lastTimer = timer.prev;
    else timer.next.prev = timer.prev;
    timer.next = null;
    timer.prev = null;
  }

  /** The processor is free: the timers that waited run, until it is busy again. */
  private runTimers(): void {
    for (let timer = this.firstTimer; timer !== null; timer = this.firstTimer) {
      if (this.now > this.sim.now) {
        this.timers.mod(this.now);
        return;
      }
      this.forget(timer);
      this.sim.unpark(timer);
      this.enter(0);
      timer.run();
      this.exit();
    }
  }

  /** Wakes a task: it will run once the kernel has been left and the processor is free. */
  wake(task: Task): void {
    if (task.queued || task.ready) return;
    task.queued = true;
    task.next = null;
    this.wakeups++;
    if (this.lastTask === null) this.firstTask = task;
    else this.lastTask.next = task;
    this.lastTask = task;
    if (this.depth === 0) this.lineUp();
  }

  private doSoftirq(): void {
    let restarts = 0;
    while (this.pending !== 0) {
      if (restarts++ === MAX_SOFTIRQ_RESTART) {
        this.deferred++;
        this.ksoftirqd.mod(this.now);
        return;
      }
      const pending = this.pending;
      this.pending = 0;
      for (let nr = 0; nr < NR_SOFTIRQS; nr++) {
        if ((pending & (1 << nr)) === 0) continue;
        this.softirqs++;
        this.handlers[nr]!();
      }
    }
  }

  /** Woken tasks run at this processor's time, which the world must reach first. */
  private lineUp(): void {
    if (this.stopped) return;
    const at = this.now + this.costs.wakeNs;
    if (at <= this.sim.now) this.schedule();
    else if (!this.scheduler.pending) this.scheduler.mod(at);
  }

  private schedule(): void {
    if (this.stopped) return;
    if (this.now > this.sim.now) {
      this.scheduler.mod(this.now); // busy again since: the tasks wait their turn
      return;
    }
    let task = this.firstTask;
    this.firstTask = null;
    this.lastTask = null;
    while (task !== null) {
      const next: Task | null = task.next;
      task.queued = false;
      this.sim.ready(task);
      task = next;
    }
  }
}
