/**
 * A card whose other side is a function: frames that come by the cable are handed to it as bytes, and what it sends goes out
 * by the cable. For tests, traffic generators and machines of one's own at the end of a cable.
 *
 *   from  fabric/port.ts   frameArrived
 *   to    the function     as user code: outside of any kernel, when the pump comes by
 */
import { FCS_OK, Port, type PortOwner } from '../fabric/port.ts';
import { skbFrameBytes } from '../fabric/capture.ts';
import { skbFromBytes } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb, kfreeSkbReason, type SkbPool } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';

/** A frame came, checksums filled in, without its check sequence. The array is the receiver's own. */
export type FrameListener = (frame: Uint8Array, timeNs: number) => void;

/** Headroom of frames from outside: for the tag that a switch may put in, and the headers of a host that sends them on. */
const HEADROOM = 64;

export class Tap implements PortOwner {
  readonly port: Port;
  /** Frames that came. */
  received = 0;
  /** Who is told of frames; null: they are dropped. */
  onFrame: FrameListener | null = null;
  private readonly sim: Simulation;
  private readonly pool: SkbPool;

  constructor(sim: Simulation, pool: SkbPool, name: string) {
    this.sim = sim;
    this.pool = pool;
    this.port = new Port(name);
    this.port.owner = this;
  }

  /** Sends a frame now: Ethernet header and all, checksums as they are. The bytes are copied. */
  send(frame: Uint8Array): void {
    this.port.send(skbFromBytes(this.pool, frame, HEADROOM), this.sim.now);
  }

  frameArrived(skb: SkBuff): void {
    const { onFrame } = this;
    if (skb.cb0 !== FCS_OK) {
      kfreeSkbReason(skb, Drop.FcsError, this.port.name);
      return;
    }
    this.received++;
    if (onFrame !== null) {
      const bytes = skbFrameBytes(skb);
      const time = this.sim.now;
      this.sim.ready(new Task(() => {
        onFrame(bytes, time);
      }));
    }
    consumeSkb(skb);
  }

  linkChanged(): void {
    // Nobody behind it cares.
  }
}
