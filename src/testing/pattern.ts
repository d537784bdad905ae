/**
 * The payload of tests: the byte at place `i` of a stream is a function of `i`, so that each byte can be checked wherever
 * it turns up, and a shift by any distance below 2^24 shows.
 */
function patternAt(i: number): number {
  return Math.imul(i + 1, 0x9e3779b1) >>> 24;
}

/** `len` bytes of the stream from place `from` on. A place before 0 holds 0. */
export function patternBytes(from: number, len: number): Uint8Array {
  const out = new Uint8Array(len);
  patternFill(out, from);
  return out;
}

/** Fills `to` with the stream from place `from` on. */
export function patternFill(to: Uint8Array, from: number): void {
  for (let i = 0; i < to.length; i++) to[i] = from + i < 0 ? 0 : patternAt(from + i);
}

/** The first place (in the stream) at which `bytes` are not the stream from `from` on; -1 when they are. */
export function patternMismatch(from: number, bytes: Uint8Array, len: number = bytes.length): number {
  for (let i = 0; i < len; i++) {
    if (bytes[i] !== (from + i < 0 ? 0 : patternAt(from + i))) return from + i;
  }
  return -1;
}
