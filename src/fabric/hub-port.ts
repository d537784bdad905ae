/** A port of a hub, and the half-duplex part of the station at its cable: what it has to say, and how often it was interrupted. */
import type { Random } from '../lib/random.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import { Port } from './port.ts';

/** What a station does when its time has come. */
export interface HubStation {
  attempt(port: HubPort): void;
  finished(port: HubPort): void;
}

/** What a port counted. */
export class HubPortStats {
  /** Frames that the station had to say, and that were heard. */
  rxFrames = 0;
  txFrames = 0;
  /** How often it had to wait for others, how often it collided, and frames that it gave up. */
  deferred = 0;
  collisions = 0;
  excessive = 0;
}

export class HubPort extends Port {
  readonly stats: HubPortStats = new HubPortStats();
  readonly random: Random;
  readonly queue: SkBuffHead = new SkBuffHead();
  /** Ends a wait, or a frame. */
  readonly timer: Timer;
  /** It can be heard. */
  talks = false;
  /** Collisions of the frame at the head of the queue. */
  attempts = 0;

  /** Made by its hub. */
  constructor(sim: Simulation, hub: HubStation, name: string, random: Random) {
    super(name);
    this.random = random;
    this.timer = new Timer(sim, null, () => {
      if (this.talks) hub.finished(this);
      else hub.attempt(this);
    });
  }

  /** Itself: what a cable is plugged into. */
  get port(): Port {
    return this;
  }
}
