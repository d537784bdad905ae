/** SO_PEEK_OFF: where MSG_PEEK looks next, counted from the first unread byte (Linux: sk_peek_offset and its kin). */
import type { Sock } from './sock.ts';

/** Where this read begins: 0 unless it peeks, and the socket has an offset. */
export function skPeekOffset(sk: Sock, peek: boolean): number {
  return peek && sk.peekOff > 0 ? sk.peekOff : 0;
}

/** So many bytes were looked at: the next look begins behind them. Read (`peek` false): all of the unread ones are nearer now. */
export function skPeekMove(sk: Sock, peek: boolean, bytes: number): void {
  if (sk.peekOff >= 0) sk.peekOff = Math.max(0, peek ? sk.peekOff + bytes : sk.peekOff - bytes);
}
