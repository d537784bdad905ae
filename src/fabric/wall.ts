/**
 * A partition, as one machine sees it: whom it does not hear, whatever way the frames come.
 *
 *   from  lane.ts   each frame on the last cable before the machine, while the machine is partitioned from anybody
 *
 * A frame is stopped by who sent it last (through any number of switches), and by who made it (through any number of routers,
 * also those that translate addresses). So two machines that are partitioned do not reach each other in any topology, and
 * everybody else reaches both.
 */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Lane } from './lane.ts';

/** Frames that one barrier holds at most; what comes then is lost. */
export const HOLD_MAX = 10_000;

/** One partition, before one machine. */
export class Barrier {
  /** What cannot pass is kept, and goes on when the barrier is taken away; else it is lost. */
  readonly hold: boolean;
  private readonly stations: ReadonlySet<number>;
  private readonly kept: { readonly lane: Lane; readonly skb: SkBuff }[] = [];

  constructor(stations: ReadonlySet<number>, hold: boolean) {
    this.stations = stations;
    this.hold = hold;
  }

  stops(skb: SkBuff): boolean {
    return this.stations.has(skb.hop) || this.stations.has(skb.origin);
  }

  /** Takes a frame that it stopped, if it has room. */
  keep(lane: Lane, skb: SkBuff): boolean {
    if (!this.hold || this.kept.length >= HOLD_MAX) return false;
    this.kept.push({ lane, skb });
    lane.held++;
    return true;
  }

  /** Lets what was kept go on, in the order in which it came. The barrier has been taken away. */
  release(time: number): void {
    for (const { lane, skb } of this.kept.splice(0)) lane.release(skb, time);
  }
}

export class Wall {
  private readonly barriers: Barrier[] = [];

  add(barrier: Barrier): void {
    this.barriers.push(barrier);
  }

  remove(barrier: Barrier): void {
    const at = this.barriers.indexOf(barrier);
    if (at >= 0) this.barriers.splice(at, 1);
  }

  get open(): boolean {
    return this.barriers.length === 0;
  }

  /** The barrier that stops the frame; one that loses it goes before one that holds it. Null: it passes. */
  stops(skb: SkBuff): Barrier | null {
    let found: Barrier | null = null;
    for (const barrier of this.barriers) {
      if (!barrier.stops(skb)) continue;
      if (!barrier.hold) return barrier;
      found ??= barrier;
    }
    return found;
  }
}
