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

export class Wall {
  private readonly stations: Set<number> = new Set();

  /** Hears that machine no more. */
  add(station: number): void {
    this.stations.add(station);
  }

  stops(skb: SkBuff): boolean {
    return this.stations.has(skb.hop) || this.stations.has(skb.origin);
  }
}
