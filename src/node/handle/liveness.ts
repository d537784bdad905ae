/**
 * What keeps the process alive, as libuv has it: a socket that listens, reads before the end of its stream, connects or has
 * a request under way, and is not unref'd; not one that is merely open. Virtual time keeps nothing alive by itself, for a
 * server may wait in it for ever; so while anything is held, one timer of the runtime is.
 */

/** As far ahead as a timer of the runtime goes: 24.8 days. */
const FAR_MS = 0x7fffffff;

interface Timeout {
  ref(): unknown;
  unref(): unknown;
}

// Taken when this module is loaded: a program's own clock may be virtual later.
const realSetInterval = globalThis.setInterval as unknown as (f: () => void, ms: number) => Timeout;

export class Liveness {
  /** How many handles hold the process. */
  holds = 0;
  private timer: Timeout | null = null;
  /** The world has stopped, or the host was halted. */
  ended = false;

  hold(): void {
    if (this.holds++ !== 0 || this.ended) return;
    if (this.timer === null) this.timer = realSetInterval(() => undefined, FAR_MS);
    else this.timer.ref();
  }

  release(): void {
    if (--this.holds === 0) this.timer?.unref();
  }

  /** The world has stopped: whatever is still held, it keeps nothing. */
  end(): void {
    this.ended = true;
    this.timer?.unref();
  }
}
