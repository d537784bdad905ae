/**
 * A timer: an object inside its owner, re-armed, never re-created.
 *
 * `mod` to a later time is lazy: the timer stays where it lies in the wheel and is moved on when the wheel comes by,
 * as Linux does for delayed ACKs. Two timers due at the same nanosecond fire in the order in which they were armed.
 */
import type { Cpu } from './cpu.ts';

/** What a timer needs from the clock that it is armed on. Implemented by {@link Simulation}. */
export interface TimerBase {
  /** Virtual time in nanoseconds. */
  readonly now: number;
  arm(timer: Timer, expires: number): void;
  disarm(timer: Timer): void;
}

/** `place` of a timer that is not armed. */
export const PLACE_NONE = -1;
/** `place` of a timer in the heap of the current tick; its index is `heapIndex`. */
export const PLACE_HEAP = -2;
/** `place` of a timer that has expired and waits for the processor of its host. */
export const PLACE_CPU = -3;

/** What a timer does when it fires. A timer with an owner hands it in, so that many timers share one handler. */
export type TimerHandler = (owner: never) => void;

export class Timer {
  readonly base: TimerBase;
  /** The host processor that runs the handler, or null for hardware and user-land timers, which need none. */
  readonly cpu: Cpu | null;
  /** Kernel housekeeping (cache expiry, keepalive): never keeps an otherwise finished world running. */
  housekeeping: boolean;
  private readonly handler: TimerHandler;
  private readonly owner: object | null;
  /** When it is due, in virtual nanoseconds; meaningful while armed. */
  expires = 0;
  /** Ties are broken by the order of arming. Set by the base. */
  seq = 0;
  /** The wheel's bookkeeping: a slot number, or one of PLACE_*. */
  place: number = PLACE_NONE;
  heapIndex = -1;
  next: Timer | null = null;
  prev: Timer | null = null;

  /**
   * `handler` is called once per expiry, with `owner`. What exists once may leave the owner out and use a closure; what
   * exists by the hundred thousand (sockets) gives itself as the owner and shares the handler.
   */
  constructor(base: TimerBase, cpu: Cpu | null, handler: TimerHandler, housekeeping = false, owner: object | null = null) {
    this.base = base;
    this.cpu = cpu;
    this.handler = handler;
    this.housekeeping = housekeeping;
    this.owner = owner;
  }

  /** True from `mod` until it fires or is deleted. */
  get pending(): boolean {
    return this.place !== PLACE_NONE;
  }

  /** Arms or moves the timer: it fires at `expires` (virtual nanoseconds; a time in the past means now). */
  mod(expires: number): void {
    this.base.arm(this, expires);
  }

  /** Disarms it. No harm if it is not armed. */
  del(): void {
    if (this.place !== PLACE_NONE) this.base.disarm(this);
  }

  /** Makes it housekeeping or not, armed or not: a wait may turn into one that only somebody else can end. */
  setHousekeeping(on: boolean): void {
    if (on === this.housekeeping) return;
    const { pending, expires } = this;
    this.del();
    this.housekeeping = on;
    if (pending) this.mod(expires);
  }

  /** Called by the base when the time has come; the timer is disarmed already, so the handler may arm it again. */
  fire(): void {
    if (this.cpu === null) this.run();
    else this.cpu.runTimer(this);
  }

  /** Calls the handler. Only for the processor that the timer belongs to. */
  run(): void {
    this.handler(this.owner as never);
  }
}
