/**
 * Following a packet: each function and queue of the walk says that it passes, as pwru shows it for Linux.
 *
 *   from  every function of the walk   `if (skb.trace !== 0) net.trace(skb, 'ipRcv')`
 *   to    world/trace.ts               the tracer, while there is one
 *
 * `skb.trace` is 0 for what nobody follows: one test of a field, and nothing else. While somebody does, an skb is born with
 * TRACE_BORN, and gets its number where it passes first; a clone keeps it, and so do segments and fragments that are cut from it.
 */
import type { Drop } from './drop-reason.ts';
import type { SkBuff } from './sk-buff.ts';

/** `skb.trace` of a packet that is followed and has passed nothing yet. */
export const TRACE_BORN = -1;

/** Who follows packets. It looks: the packet stays where it is, and as it is. */
export interface Tracer {
  /** The skb passes `fn` of `where` (a host, a port, a cable) at `time`, ns. `note` says more: a queue with its length, a state. */
  passes(skb: SkBuff, fn: string, where: string, time: number, note: string): void;
  /** It ends before its destination. */
  dropped(skb: SkBuff, reason: Drop, where: string): void;
}

/** Says where a packet is. Called only when `skb.trace` is not 0. */
export function skbTrace(skb: SkBuff, fn: string, where: string, time: number, note: string = ''): void {
  const { tracer } = skb.pool;
  if (tracer !== null) tracer.passes(skb, fn, where, time, note);
}

/** The same skb becomes another packet (an echo request its reply): from here on it is followed under a number of its own. */
export function skbTraceAnew(skb: SkBuff): void {
  skb.trace = skb.pool.tracing;
}
