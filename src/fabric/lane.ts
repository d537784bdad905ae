/**
 * One direction of a cable.
 *
 *     send → rules → loss → duplicate → corrupt → [ queue | serialised at the rate ] → delay ± jitter → slot → due
 *
 * A frame is due when its last bit has come. Frames in flight are a list in the order in which they are due; one timer
 * stands at the first of them, so a cable costs one event per instant of arrival, whatever is on it.
 *
 * Chance: one stream per direction, drawn in the order loss, duplicate, corrupt (and the bit), reorder, jitter, slot; a fault that is
 * turned off draws nothing.
 */
import { drawAround } from '../lib/distribution.ts';
import type { Random } from '../lib/random.ts';
import { cloneSkb } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { kfreeSkbReason } from '../skb/pool.ts';
import { SkBuffHead } from '../skb/queue.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { skbTrace } from '../skb/trace.ts';
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import { Backlog } from './backlog.ts';
import { flipBit } from './corrupt.ts';
import { FCS_BAD, type Port } from './port.ts';
import { VERDICT_CORRUPT, VERDICT_DROP, VERDICT_DUPLICATE, type Direction, type RuleSet } from './rules.ts';
import type { Sky } from './sky.ts';
import { Weather } from './weather.ts';

/** What happened to the frames of one direction. `sent + duplicated = delivered + all drops + in flight`. */
export class LaneStats {
  /** Frames and bytes handed in. */
  sent = 0;
  sentBytes = 0;
  delivered = 0;
  deliveredBytes = 0;
  lost = 0;
  /** Dropped by a rule. */
  ruled = 0;
  /** Dropped because the queue was full. */
  overflowed = 0;
  /** Dropped because the cable was down, or the hosts partitioned. */
  cut = 0;
  duplicated = 0;
  reordered = 0;
  corrupted = 0;
  /** The most that ever waited for the rate, in frames and in bytes. */
  maxQueued = 0;
  maxQueuedBytes = 0;
}

/** Where a lane leads, and what it is called (in drops). */
export interface LaneEnds {
  readonly name: string;
  readonly direction: Direction;
  readonly from: Port;
  readonly to: Port;
}

export class Lane {
  readonly name: string;
  readonly direction: Direction;
  readonly from: Port;
  readonly to: Port;
  readonly weather: Weather = new Weather();
  readonly stats: LaneStats = new LaneStats();
  readonly rules: RuleSet;
  /** False while the cable is down. */
  up = true;
  /** Frames are swallowed, and nobody is told: a partition. The link stays up. */
  blocked = false;
  /** Says for each frame what it meets besides; null: the weather is the same for all. */
  sky: Sky | null = null;
  private readonly sim: Simulation;
  private readonly random: Random;
  /** Frames that a partition holds back (`fabric/wall.ts`). */
  held = 0;
  private readonly inFlight: SkBuffHead = new SkBuffHead();
  private readonly backlog: Backlog = new Backlog();
  private readonly timer: Timer;
  private busyUntil = 0;
  private lastDue = 0;
  private sinceReorder = 0;
  private delivering = false;

  constructor(sim: Simulation, ends: LaneEnds, random: Random, rules: RuleSet) {
    this.sim = sim;
    this.name = ends.name;
    this.direction = ends.direction;
    this.from = ends.from;
    this.to = ends.to;
    this.random = random;
    this.rules = rules;
    this.timer = new Timer(sim, null, () => {
      this.deliver();
    });
  }

  /** Frames between the two ends: waiting, travelling, held. */
  get flying(): number {
    return this.inFlight.qlen + this.held;
  }

  /** Frames that wait for the rate at `time`, the one that is being sent included. */
  queued(time: number): number {
    this.backlog.expire(time);
    return this.backlog.packets;
  }

  /** Sends a frame that is ready at `time`. Takes the skb. */
  send(skb: SkBuff, time: number): void {
    const { stats, random, rules } = this;
    stats.sent++;
    stats.sentBytes += skb.len;
    if (skb.trace !== 0) skbTrace(skb, 'cable', this.name, time, `${this.from.name} to ${this.to.name}`);
    const { wall } = this.to;
    const barrier = wall === null ? null : wall.stops(skb);
    let verdict = 0;
    let extra = 0;
    if (rules.active && this.up && !this.blocked && barrier === null) {
      verdict = rules.judge(this, skb, time);
      extra = rules.extraDelay;
      if ((verdict & VERDICT_DROP) !== 0) {
        stats.ruled++;
        this.drop(skb, Drop.CableRule);
        return;
      }
    }
    if (!this.up || this.blocked || barrier !== null) { // asked after the rules: one of them may have cut the cable
      if (this.up && !this.blocked && barrier !== null && barrier.keep(this, skb)) return;
      stats.cut++;
      this.drop(skb, this.up ? Drop.Partition : Drop.CableDown);
      return;
    }
    const weather = this.sky === null ? this.weather : this.sky.above(this, skb, time);
    if (weather.loss.lost(random)) {
      stats.lost++;
      this.drop(skb, Drop.CableLoss);
      return;
    }
    let copy: SkBuff | null = null;
    if ((verdict & VERDICT_DUPLICATE) !== 0 || weather.duplicate.happens(random)) {
      stats.duplicated++;
      copy = cloneSkb(skb);
    }
    if ((verdict & VERDICT_CORRUPT) !== 0 || weather.corrupt.happens(random)) this.corrupt(skb, weather);
    this.enqueue(skb, time, extra, weather);
    if (copy !== null) this.enqueue(copy, time, extra, weather);
  }

  /** A frame that a partition has held goes on: as if it were sent now, but it is not counted twice. Takes the skb. */
  release(skb: SkBuff, time: number): void {
    this.held--;
    this.stats.sent--;
    this.stats.sentBytes -= skb.len;
    this.send(skb, time);
  }

  /** Ends everything in flight: the cable is cut. */
  flush(): void {
    for (let skb = this.inFlight.popHead(); skb !== null; skb = this.inFlight.popHead()) {
      this.stats.cut++;
      this.drop(skb, Drop.CableDown);
    }
    this.timer.del();
    this.backlog.clear();
    this.busyUntil = 0;
    this.lastDue = 0;
  }

  /** Ends a frame on this cable. Takes the skb. */
  drop(skb: SkBuff, reason: Drop): void {
    kfreeSkbReason(skb, reason, this.name);
  }

  private corrupt(skb: SkBuff, weather: Weather): void {
    this.stats.corrupted++;
    flipBit(skb, this.random);
    if (!weather.corruptFcs) skb.cb0 = FCS_BAD;
  }

  /** Through the queue and onto the cable. */
  private enqueue(skb: SkBuff, time: number, extra: number, weather: Weather): void {
    const { stats, backlog, random } = this;
    const { slot } = weather;
    let leaves = time;
    if (weather.rate !== 0) {
      backlog.expire(time);
      if (backlog.packets >= weather.limit || backlog.bytes + skb.len > weather.limitBytes) {
        stats.overflowed++;
        this.drop(skb, Drop.CableQueueFull);
        return;
      }
      leaves = Math.max(time, this.busyUntil) + weather.serialisation(skb.len);
      this.busyUntil = leaves;
      backlog.push(leaves, skb.len);
      if (backlog.packets > stats.maxQueued) stats.maxQueued = backlog.packets;
      if (backlog.bytes > stats.maxQueuedBytes) stats.maxQueuedBytes = backlog.bytes;
    }
    if (weather.reorder.p > 0 && this.overtakes(weather)) {
      stats.reordered++;
      this.fly(skb, (slot === null ? leaves : slot.pass(random, leaves, skb.len)) + extra);
      return;
    }
    let due = leaves + Math.max(0, drawAround(random, weather.correlation, weather.delay, weather.jitter, weather.distribution));
    if (slot !== null) due = slot.pass(random, due, skb.len);
    if (due > this.lastDue) this.lastDue = due;
    else if (weather.ordered) due = this.lastDue;
    this.fly(skb, due + extra); // a rule holds back this frame alone; others may pass it
  }

  /** netem's rule: each `gap`-th frame, with the probability `reorder`, goes at once; then the count begins again. */
  private overtakes(weather: Weather): boolean {
    if (this.sinceReorder < weather.gap - 1 || !weather.reorder.happens(this.random)) {
      this.sinceReorder++;
      return false;
    }
    this.sinceReorder = 0;
    return true;
  }

  /** Puts the frame where it belongs among those in flight: behind all that are due no later. */
  private fly(skb: SkBuff, due: number): void {
    const { inFlight } = this;
    skb.tstamp = due;
    let behind = inFlight.tail;
    while (behind !== null && behind.tstamp > due) behind = behind.prev;
    if (behind !== null) {
      if (behind.next === null) inFlight.pushTail(skb);
      else inFlight.insertAfter(behind, skb);
      return;
    }
    inFlight.pushHead(skb);
    if (!this.delivering) this.timer.mod(due);
  }

  private deliver(): void {
    const { inFlight, stats, to } = this;
    const { now } = this.sim;
    this.delivering = true;
    for (let skb = inFlight.head; skb !== null && skb.tstamp <= now; skb = inFlight.head) {
      inFlight.unlink(skb);
      stats.delivered++;
      stats.deliveredBytes += skb.len;
      to.receive(skb, now);
    }
    this.delivering = false;
    if (inFlight.head !== null) this.timer.mod(inFlight.head.tstamp);
  }
}
