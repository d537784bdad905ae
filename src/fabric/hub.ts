/**
 * A hub: cables that meet in one half-duplex medium, as coaxial Ethernet and repeaters were. Only one station can be heard at a
 * time; two that begin together collide, fall silent, and try again after a time drawn by chance (CSMA/CD, IEEE 802.3 §4.2.3).
 *
 *   from  port.ts   frameArrived: a station has a frame ready
 *   to    port.ts   send, at every other port, when it was heard to the end without a collision
 *
 * The part of each station's card that listens, waits and backs off is done here, at its port: cards know full duplex only.
 * All times are those at which a signal passes the hub. A station at the end of a cable of delay d hears what the hub hears d
 * later, and is heard d later, so what began less than 2d ago it does not know of: that is where collisions come from.
 * (Cables longer than the standard allows are taken as if they kept to it: a collision is never later than one slot.)
 */
import { Random } from '../lib/random.ts';
import { checkOptions, parseInteger, parseRate, type Rate } from '../lib/units.ts';
import { cloneSkb } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbTrace } from '../skb/trace.ts';
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import { HubPort, type HubStation } from './hub-port.ts';
import type { Joint } from './joint.ts';
import type { Port, PortOwner } from './port.ts';

/** IEEE 802.3 §4.4.2, in bit times. */
export const SLOT_BITS = 512;
export const INTERFRAME_GAP_BITS = 96;
export const JAM_BITS = 32;
const PREAMBLE_BITS = 64;
const FCS_BITS = 32;
/** Attempts for one frame; the last one that collides ends it. */
export const ATTEMPT_LIMIT = 16;
/** The backoff is below 2 to the number of collisions, but not above 2 to this. */
export const BACKOFF_LIMIT = 10;
/** Ports of a hub at most; stations on one Ethernet (IEEE 802.3 §8.1.1.1 allows 1024). */
export const HUB_PORTS_MAX = 1024;
/** Frames that may wait at a station, unless said otherwise. */
export const DEFAULT_HUB_QUEUE = 1000;

export interface HubOptions {
  /** Bits per second. Default 10 Mbit/s. */
  readonly rate?: Rate;
  /** How many ports there are. Default: as many as cables are plugged in. */
  readonly ports?: number;
  /** Frames that may wait at each station. Default 1000. */
  readonly queue?: number;
}

const OPTIONS: readonly string[] = ['rate', 'ports', 'queue'];

/** Where a hub belongs. */
export interface HubPlace {
  readonly sim: Simulation;
  readonly name: string;
  readonly seed: number;
}

export class Hub implements PortOwner, HubStation, Joint {
  readonly name: string;
  /** Bits per second. */
  readonly rate: number;
  readonly breaksLoops: boolean = false;
  /** Collisions, each counted once, however many stations were in it; and frames that were given up. */
  collisions = 0;
  excessive = 0;
  /** Told of a new port. */
  onPort: ((port: HubPort) => void) | null = null;
  private readonly place: HubPlace;
  private readonly maxPorts: number;
  private readonly queueLimit: number;
  private readonly list: HubPort[] = [];
  /** Who is heard, since when, and whether it has become a collision. */
  private readonly talking: HubPort[] = [];
  private talkingSince = 0;
  private collided = false;
  /** Since when nobody is heard, and who it was: that one knows at once, the others hear it later. */
  private idleSince = -Infinity;
  private lastTalker: HubPort | null = null;
  /** Who waits for silence. */
  private deferring: HubPort[] = [];
  private readonly jam: Timer;

  /** Made by `world.hub(name, options)`. */
  constructor(place: HubPlace, options: HubOptions = {}) {
    checkOptions(options, OPTIONS, 'hub');
    this.place = place;
    this.name = place.name;
    this.rate = parseRate(options.rate ?? '10mbit', 'rate');
    this.queueLimit = parseInteger(options.queue ?? DEFAULT_HUB_QUEUE, 'queue', 1);
    this.maxPorts = options.ports === undefined ? HUB_PORTS_MAX : parseInteger(options.ports, 'ports', 1, HUB_PORTS_MAX);
    this.jam = new Timer(place.sim, null, () => {
      this.jammed();
    });
    if (options.ports !== undefined) for (let i = 0; i < options.ports; i++) this.addPort();
  }

  get ports(): readonly HubPort[] {
    return this.list;
  }

  port(number: number): HubPort {
    const port = this.list[number - 1];
    if (port !== undefined) return port;
    if (number === this.list.length + 1 && number <= this.maxPorts) return this.addPort();
    const most = Math.min(this.list.length + 1, this.maxPorts);
    throw new RangeError(`port: ${this.name} has no port ${String(number)}; expected 1 to ${String(most)}`);
  }

  freePort(): HubPort {
    const free = this.list.find((port) => port.link === null);
    if (free !== undefined) return free;
    if (this.list.length >= this.maxPorts) throw new RangeError(`hub ${this.name}: all its ${String(this.maxPorts)} ports are taken`);
    return this.addPort();
  }

  private addPort(): HubPort {
    const { sim, seed } = this.place;
    const name = `${this.name}.p${String(this.list.length + 1)}`;
    const port = new HubPort(sim, this, name, Random.stream(seed, `hub:${name}`));
    port.owner = this;
    this.list.push(port);
    this.onPort?.(port);
    return port;
  }

  // ---- a station has something to say -------------------------------------------------------------------------

  frameArrived(skb: SkBuff, port: Port): void {
    const from = port as HubPort;
    from.stats.rxFrames++;
    if (skb.trace !== 0) skbTrace(skb, 'station', from.name, this.place.sim.now, `${String(from.queue.qlen)} before it`);
    if (from.queue.qlen >= this.queueLimit) {
      kfreeSkbReason(skb, Drop.SwitchQueueFull, from.name);
      return;
    }
    from.queue.pushTail(skb);
    if (from.queue.qlen === 1) this.attempt(from);
  }

  /** The station listens, and begins when it hears nothing (§4.2.3.2.1). */
  attempt(from: HubPort): void {
    const { now } = this.place.sim;
    if (this.talking.length > 0) {
      if (now - this.talkingSince <= this.window(from)) {
        this.collide(from);
      } else {
        from.stats.deferred++;
        this.deferring.push(from);
      }
      return;
    }
    const ready = this.ready(from);
    if (now < ready) {
      from.timer.mod(ready);
      return;
    }
    this.talking.push(from);
    this.talkingSince = now;
    from.talks = true;
    from.timer.mod(now + this.bits(PREAMBLE_BITS + from.queue.head!.len * 8 + FCS_BITS));
  }

  /** The frame was heard to its end. */
  finished(from: HubPort): void {
    const skb = from.queue.popHead()!;
    from.attempts = 0;
    from.stats.txFrames++;
    this.silence(from);
    this.repeat(skb, from);
    if (from.queue.head !== null) this.attempt(from);
  }

  /** To every other port, as it is: a hub looks at nothing, not even at the check sequence. Takes the skb. */
  private repeat(skb: SkBuff, from: HubPort): void {
    const { now } = this.place.sim;
    const fcs = skb.cb0;
    if (skb.trace !== 0) skbTrace(skb, 'repeat', from.name, now);
    let last: HubPort | null = null;
    for (const to of this.list) {
      if (to === from || !to.up) continue;
      if (last !== null) {
        const copy = cloneSkb(skb);
        copy.cb0 = fcs;
        last.send(copy, now);
      }
      last = to;
    }
    if (last === null) kfreeSkbReason(skb, Drop.NoTxTarget, from.name);
    else last.send(skb, now);
  }

  /** Nobody is heard any more. Those that waited begin after the gap, as each of them hears it, and whoever else does. */
  private silence(last: HubPort | null): void {
    this.idleSince = this.place.sim.now;
    this.lastTalker = last;
    for (const port of this.talking) port.talks = false;
    this.talking.length = 0;
    this.collided = false;
    const waiting = this.deferring;
    this.deferring = [];
    for (const port of waiting) port.timer.mod(this.ready(port));
  }

  // ---- collisions ---------------------------------------------------------------------------------------------

  /** One more has begun before it could hear the others (§4.2.3.2.4): each hears it a cable later, ends its preamble, and jams. */
  private collide(from: HubPort): void {
    const { now } = this.place.sim;
    this.talking.push(from);
    if (!this.collided) this.collisions++;
    this.collided = true;
    let end = this.talkingSince + this.bits(PREAMBLE_BITS + JAM_BITS);
    for (const port of this.talking) {
      port.timer.del();
      port.talks = true;
      end = Math.max(end, now + this.window(port) + this.bits(JAM_BITS));
    }
    this.jam.mod(Math.max(end, now + this.bits(PREAMBLE_BITS + JAM_BITS)));
  }

  /** The last jam is over: whoever was in the collision draws how long it waits. */
  private jammed(): void {
    const colliders = this.talking.slice();
    this.silence(null);
    for (const port of colliders) this.backoff(port);
  }

  /** Truncated binary exponential backoff (§4.2.3.2.5): r slots, 0 ≤ r < 2^k, k the number of collisions, 10 at most. */
  private backoff(from: HubPort): void {
    from.stats.collisions++;
    from.attempts++;
    if (from.attempts >= ATTEMPT_LIMIT) {
      this.giveUp(from);
      return;
    }
    const slots = from.random.below(1 << Math.min(from.attempts, BACKOFF_LIMIT));
    from.timer.mod(Math.max(this.ready(from), this.place.sim.now + slots * this.bits(SLOT_BITS)));
  }

  private giveUp(from: HubPort): void {
    this.excessive++;
    from.stats.excessive++;
    from.attempts = 0;
    kfreeSkbReason(from.queue.popHead()!, Drop.ExcessiveCollisions, from.name);
    if (from.queue.head !== null) this.attempt(from);
  }

  linkChanged(up: boolean, port: Port): void {
    if (up) return;
    const own = port as HubPort;
    own.timer.del();
    own.attempts = 0;
    this.deferring = this.deferring.filter((other) => other !== own);
    if (own.talks) {
      own.talks = false;
      this.talking.splice(this.talking.indexOf(own), 1);
      if (this.talking.length === 0) {
        this.jam.del();
        this.silence(null);
      }
    }
    for (let skb = own.queue.popHead(); skb !== null; skb = own.queue.popHead()) kfreeSkbReason(skb, Drop.CableDown, own.name);
  }

  // ---- times --------------------------------------------------------------------------------------------------

  /** When the station has heard silence for the inter-frame gap, and its first bit can be here. */
  private ready(port: HubPort): number {
    return this.idleSince + (port === this.lastTalker ? 0 : this.window(port)) + this.bits(INTERFRAME_GAP_BITS);
  }

  /** There and back: what began less than this ago, the station has not heard of. */
  private window(port: HubPort): number {
    return port.link === null ? 0 : Math.min(2 * port.link.propagation(port), this.bits(SLOT_BITS));
  }

  private bits(n: number): number {
    return Math.round((n * 1e9) / this.rate);
  }

  // ---- the plan -----------------------------------------------------------------------------------------------

  domainIn(_port: Port, vid: number): number {
    return vid;
  }

  tagOut(_port: Port, domain: number): number {
    return domain;
  }

  domains(): readonly number[] {
    return [0];
  }
}
