/** How many tests did what. */

/** The result of one run, or the sum of several. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Runs that ended with an exit code although no test failed: a crash, a file that does not load. */
  readonly broken: number;
}

export const NOTHING: Counts = { passed: 0, failed: 0, skipped: 0, broken: 0 };

/** The sum of two results. */
export function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped, broken: a.broken + b.broken,
  };
}
