/**
 * The greatest value of a sliding window, kept in three candidates (Kathleen Nichols' algorithm; Linux: lib/win_minmax.c): the
 * best, the best after it, and the best after that. Exact when values keep falling, at most a quarter of the window late otherwise.
 */

export class WindowedMax {
  /** Values, best first, and the times at which they came, in whatever unit the window has. */
  v0 = 0;
  v1 = 0;
  v2 = 0;
  t0 = 0;
  t1 = 0;
  t2 = 0;

  reset(t: number, v: number): number {
    this.v0 = v;
    this.v1 = v;
    this.v2 = v;
    this.t0 = t;
    this.t1 = t;
    this.t2 = t;
    return v;
  }

  /** Takes a value of time `t`. Returns the greatest of the last `window`. */
  running(window: number, t: number, v: number): number {
    if (v >= this.v0 || t - this.t2 > window) return this.reset(t, v);
    if (v >= this.v1) {
      this.v1 = v;
      this.t1 = t;
      this.v2 = v;
      this.t2 = t;
    } else if (v >= this.v2) {
      this.v2 = v;
      this.t2 = t;
    }
    return this.age(window, t, v);
  }

  /** Candidates that have grown old make room; a quarter or half of a window without a new one takes this one. */
  private age(window: number, t: number, v: number): number {
    const dt = t - this.t0;
    if (dt > window) {
      this.shift(t, v);
      if (t - this.t0 > window) this.shift(t, v);
    } else if (this.t1 === this.t0 && dt > window >> 2) {
      this.v1 = v;
      this.t1 = t;
      this.v2 = v;
      this.t2 = t;
    } else if (this.t2 === this.t1 && dt > window >> 1) {
      this.v2 = v;
      this.t2 = t;
    }
    return this.v0;
  }

  private shift(t: number, v: number): void {
    this.v0 = this.v1;
    this.t0 = this.t1;
    this.v1 = this.v2;
    this.t1 = this.t2;
    this.v2 = v;
    this.t2 = t;
  }
}
