/**
 * What is lost in a world, and why: each packet that ends before a socket or a wire, with Linux's word for the reason.
 *
 *     0.003012 bob SOCKET_RCVBUFF IP 10.0.0.1.33012 > 10.0.0.2.9: udp (1000)
 *
 *   from  skb/pool.ts   kfreeSkbReason, of hosts and cables alike
 *   to    the caller's `print`, or `lines`
 */
import { ETH_P_IP } from '../wire/ethernet.ts';
import { printEthernet, printIp, formatTime } from '../wire/print.ts';
import { copyBits } from '../skb/copy.ts';
import { dropName, type Drop } from '../skb/drop-reason.ts';
import type { DropListener, SkbPool } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';

/** Lines kept at most when nobody takes them. */
export const DROP_LINES_MAX = 100_000;

/** Drops by reason, in the order of Linux's list; reasons that nothing was dropped for are left out. */
export function dropCounts(pool: SkbPool): Record<string, number> {
  return Object.fromEntries([...pool.drops].flatMap((n, reason) => (n === 0 ? [] : [[dropName(reason), n] as const])));
}

/** Watches drops until `stop()`, or the end of a `using` scope. */
export class DropTrace {
  /** What was dropped, when `print` was not given. */
  readonly lines: string[] = [];
  private readonly sim: Simulation;
  private readonly pool: SkbPool;
  private readonly print: ((line: string) => void) | null;
  private readonly before: DropListener | null;
  private running = true;

  /** Made by `world.traceDrops`. */
  constructor(sim: Simulation, pool: SkbPool, print: ((line: string) => void) | null) {
    this.sim = sim;
    this.pool = pool;
    this.print = print;
    this.before = pool.onDrop;
    pool.onDrop = (skb, reason, where): void => {
      this.before?.(skb, reason, where);
      if (this.running) this.dropped(skb, reason, where);
    };
  }

  /** Ends it; the lines stay. */
  stop(): void {
    this.running = false;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  private dropped(skb: SkBuff, reason: Drop, where: string): void {
    const line = `${formatTime(this.sim.now)} ${where} ${dropName(reason)} ${describeSkb(skb)}`;
    if (this.print === null) {
      if (this.lines.length < DROP_LINES_MAX) this.lines.push(line);
      return;
    }
    try {
      this.print(line);
    } catch (error) {
      // What the user's function throws surfaces outside of the kernel.
      this.sim.ready(new Task(() => {
        throw error;
      }));
    }
  }
}

/** The packet as a line: from its first header on, as far as it has any. */
export function describeSkb(skb: SkBuff): string {
  const start = skb.mac >= 0 && skb.mac <= skb.data ? skb.mac : skb.nh >= 0 && skb.nh <= skb.data ? skb.nh : skb.data;
  const bytes = new Uint8Array(skb.data - start + skb.len);
  bytes.set(skb.buf.subarray(start, skb.data));
  copyBits(skb, 0, bytes, skb.data - start, skb.len);
  if (start === skb.mac) return printEthernet(bytes, 0, bytes.length);
  return start === skb.nh && skb.protocol === ETH_P_IP ? printIp(bytes, 0, bytes.length) : `${String(skb.len)} bytes`;
}
