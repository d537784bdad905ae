/**
 * User code that waits for the kernel: a blocked call, a poll, a handle of `node/`. Woken any number of times, it
 * runs once, outside the kernel, when the processor of its host is free and the pump comes by.
 */
export class Task {
  /** In the line of tasks of a processor or of the world. Set by these. */
  queued = false;
  ready = false;
  next: Task | null = null;
  /** The user's part. May call into the kernel; what it throws surfaces where the pump runs it. */
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }
}
