/**
 * The third exit: our own fault. A failed assert is a bug in kernet, never a packet's and never a caller's.
 */

/** Thrown when one of kernet's own invariants is broken; please report it with the seed. */
export class AssertionError extends Error {
  override name = 'KernetAssertionError';
}

/** Checks an invariant of ours. The message states what should have been true. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message);
}

/** Reports a broken invariant. Apart from `assert`, so that the check itself stays small enough to be inlined. */
export function fail(message: string): never {
  throw new AssertionError(`kernet: broken invariant: ${message}`);
}
