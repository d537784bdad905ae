/**
 * The 32-bit circle: TCP sequence numbers and timestamps (RFC 9293 §3.4, RFC 7323 §5.2).
 *
 * A number on the circle is kept as int32 (`| 0`); only the printer turns it into an unsigned one. `a` is before `b`
 * when the signed distance from `b` to `a` is negative: right as long as the two are less than 2^31 apart.
 */

/** SEG: a < b on the circle. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** SEG: a > b on the circle. */
export function after(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** low <= s <= high on the circle. */
export function between(s: number, low: number, high: number): boolean {
  return ((high - low) >>> 0) >= ((s - low) >>> 0);
}

/** a + n on the circle. */
export function seqAdd(a: number, n: number): number {
  return (a + n) | 0;
}

/** How far `a` lies ahead of `b`; negative when it lies behind. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** The later of two. */
export function seqMax(a: number, b: number): number {
  return ((a - b) | 0) > 0 ? a : b;
}

/** The earlier of two. */
export function seqMin(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? a : b;
}
