/**
 * The way out of a switch port: a queue with a limit, emptied at the port's rate.
 *
 *   from  switch.ts   send, when a frame has been stored and looked up
 *   to    port.ts     send, with the time at which its last bit leaves
 *
 * While the line is free a frame goes straight through, without an event. Otherwise it waits, and one timer stands at the
 * moment when the line is free again; the line is fed a little ahead of the clock (each frame with its exact time), so that a
 * fast port needs an event for a burst and not for each frame.
 */
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason } from '../skb/pool.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import { ETH_WIRE_OVERHEAD } from '../wire/ethernet.ts';
import type { Port } from './port.ts';

const LOOKAHEAD_NS = 16384;

export class Egress {
  /** Bits per second; 0: no limit. */
  rate: number;
  /** Frames that may wait. */
  limit: number;
  /** The most that ever waited, and frames that found the queue full. */
  maxQueued = 0;
  overflowed = 0;
  private readonly sim: Simulation;
  private readonly port: Port;
  private readonly queue: SkBuffHead = new SkBuffHead();
  private readonly timer: Timer;
  private lineFree = 0;

  constructor(sim: Simulation, port: Port, rate: number, limit: number) {
    this.sim = sim;
    this.port = port;
    this.rate = rate;
    this.limit = limit;
    this.timer = new Timer(sim, null, () => {
      this.run();
    });
  }

  /** Frames that wait. */
  get queued(): number {
    return this.queue.qlen;
  }

  /** Sends a frame that is ready at `ready`. Takes the skb. */
  send(skb: SkBuff, ready: number): void {
    const { queue } = this;
    if (queue.head === null && this.lineFree <= ready + LOOKAHEAD_NS) {
      this.emit(skb, ready);
      return;
    }
    if (queue.qlen >= this.limit) {
      this.overflowed++;
      kfreeSkbReason(skb, Drop.SwitchQueueFull, this.port.name);
      return;
    }
    skb.tstamp = ready;
    queue.pushTail(skb);
    if (queue.qlen > this.maxQueued) this.maxQueued = queue.qlen;
    if (!this.timer.pending) this.timer.mod(this.lineFree);
  }

  /** Ends what waits: the link is gone. */
  flush(): void {
    for (let skb = this.queue.popHead(); skb !== null; skb = this.queue.popHead()) kfreeSkbReason(skb, Drop.CableDown, this.port.name);
    this.timer.del();
    this.lineFree = 0;
  }

  private run(): void {
    const { queue } = this;
    const until = this.sim.now + LOOKAHEAD_NS;
    for (let skb = queue.head; skb !== null && this.lineFree <= until; skb = queue.head) {
      queue.unlink(skb);
      this.emit(skb, skb.tstamp);
    }
    if (queue.head !== null) this.timer.mod(this.lineFree);
  }

  private emit(skb: SkBuff, ready: number): void {
    const start = this.lineFree > ready ? this.lineFree : ready;
    const end = this.rate === 0 ? start : start + Math.round(((skb.len + ETH_WIRE_OVERHEAD) * 8e9) / this.rate);
    this.lineFree = end;
    this.port.send(skb, end);
  }
}
