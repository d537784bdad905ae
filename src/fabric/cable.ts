/**
 * A cable: two ports, full duplex, each direction with its own weather.
 *
 *   from  port.ts   send, for either end
 *   to    lane.ts   the direction; from there the port at the other end
 *
 * Pulled (down), it loses what is on it, and both ends are told. A partition is quieter: frames vanish, the link stays up.
 */
import { Random } from '../lib/random.ts';
import { checkOptions, type Duration } from '../lib/units.ts';
import { assert } from '../lib/assert.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Lane } from './lane.ts';
import type { Link, Port } from './port.ts';
import { parseDirection, RuleSet, type Direction, type FramePredicate, type Rule, type RuleFunction, type RuleOptions } from './rules.ts';
import { checkCableWeather, Forecast, Sky, type ForecastEntry, type WeatherFunction } from './sky.ts';
import { applyWeather, type CableWeather } from './weather.ts';

/** What a cable is made with. */
export interface CableConfig {
  /** Unique in a world: names the cable in drops, and its streams of chance. */
  readonly name: string;
  /** The world's seed. */
  readonly seed: number;
}

export class Cable implements Link {
  readonly name: string;
  readonly a: Port;
  readonly b: Port;
  readonly ab: Lane;
  readonly ba: Lane;
  readonly rules: RuleSet;
  private readonly sim: Simulation;
  /** Told when the cable has been taken out. */
  onUnplug: (() => void) | null = null;
  private plugged = true;
  private isUp = true;

  /** Plugs a cable into two free ports; both ends are told that the link is up. */
  constructor(sim: Simulation, a: Port, b: Port, config: CableConfig) {
    assert(a !== b && a.link === null && b.link === null, 'a cable is plugged into two ports that are free');
    const { name, seed } = config;
    this.sim = sim;
    this.name = name;
    this.a = a;
    this.b = b;
    this.rules = new RuleSet(sim);
    const lane = (from: Port, to: Port, direction: 'ab' | 'ba'): Lane =>
      new Lane(sim, { name, direction, from, to }, Random.stream(seed, `cable:${name}:${direction}`), this.rules);
    this.ab = lane(a, b, 'ab');
    this.ba = lane(b, a, 'ba');
    this.isUp = a.enabled && b.enabled;
    this.ab.up = this.isUp;
    this.ba.up = this.isUp;
    a.link = this;
    b.link = this;
    this.tellEnds();
  }

  get up(): boolean {
    return this.isUp;
  }

  /** Sends a frame from one end. Takes the skb. */
  send(port: Port, skb: SkBuff, time: number): void {
    (port === this.a ? this.ab : this.ba).send(skb, time);
  }

  /**
   * Changes the weather of one direction or of both, `{ delay: '10ms', ba: { loss: 0.1 } }`; frames that are on their way keep
   * theirs. Nothing changes when an option is wrong.
   */
  setWeather(options: CableWeather, direction: Direction = 'both'): void {
    parseDirection(direction);
    checkCableWeather(options);
    const { ab, ba, ...both } = options;
    if (direction !== 'ba') applyWeather(this.ab.weather, { ...both, ...ab });
    if (direction !== 'ab') applyWeather(this.ba.weather, { ...both, ...ba });
    this.ab.sky?.forget();
    this.ba.sky?.forget();
  }

  /**
   * Weather as a function of the frame and of the time (virtual milliseconds): what it answers holds for that frame, over the
   * cable's own. Until it is lifted, or another one comes: `using fog = cable.weather((f, now) => (now > 500 ? heavy : undefined))`.
   */
  weather(decide: WeatherFunction, options: { readonly direction?: Direction } = {}): Sky {
    checkOptions(options, ['direction'], 'weather');
    const direction = parseDirection(options.direction);
    return new Sky(this.sim, decide, direction, direction === 'ab' ? [this.ab] : direction === 'ba' ? [this.ba] : [this.ab, this.ba]);
  }

  /** Weather that changes at given times from now: `cable.forecast([{ after: '1s', loss: 0.3 }, { after: '5s', loss: 0 }])`. */
  forecast(entries: readonly ForecastEntry[]): Forecast {
    return new Forecast(this.sim, entries, (weather) => {
      this.setWeather(weather);
    });
  }

  /** Plugs the cable in again, or pulls it: what is on it is lost, and both ends see the link go. */
  setUp(up: boolean): void {
    if (typeof up !== 'boolean') throw new TypeError(`up: ${String(up)} is not understood; expected true or false`);
    this.plugged = up;
    this.refresh();
  }

  /** The link is up when the cable is plugged in and neither end is shut. */
  refresh(): void {
    const up = this.plugged && this.a.enabled && this.b.enabled;
    if (up === this.isUp) return;
    this.isUp = up;
    for (const lane of [this.ab, this.ba]) {
      lane.up = up;
      if (!up) lane.flush();
    }
    this.tellEnds();
  }

  /** Swallows everything from now on (what is on its way arrives), or ends that. */
  setBlocked(blocked: boolean, direction: Direction = 'both'): void {
    parseDirection(direction);
    if (direction !== 'ba') this.ab.blocked = blocked;
    if (direction !== 'ab') this.ba.blocked = blocked;
  }

  /** Takes the cable out of both ports, for good. */
  unplug(): void {
    this.setUp(false);
    this.a.link = null;
    this.b.link = null;
    this.onUnplug?.();
    this.onUnplug = null;
  }

  propagation(port: Port): number {
    return (port === this.a ? this.ab : this.ba).weather.delay;
  }

  peer(port: Port): Port {
    return port === this.a ? this.b : this.a;
  }

  /** Frames on the cable, both directions. */
  get flying(): number {
    return this.ab.flying + this.ba.flying;
  }

  /** Drops the frames that `predicate` picks, until the rule is lifted. */
  drop(predicate?: FramePredicate, options?: RuleOptions): Rule {
    return this.rules.drop(predicate, options);
  }

  /** Delays the frames that `predicate` picks by `by`; others may overtake them. */
  delay(by: Duration, predicate?: FramePredicate, options?: RuleOptions): Rule {
    return this.rules.delay(by, predicate, options);
  }

  /** Duplicates the frames that `predicate` picks. */
  duplicate(predicate?: FramePredicate, options?: RuleOptions): Rule {
    return this.rules.when('duplicate', predicate, options);
  }

  /** Flips a bit in the frames that `predicate` picks. */
  corrupt(predicate?: FramePredicate, options?: RuleOptions): Rule {
    return this.rules.when('corrupt', predicate, options);
  }

  /** Asks `decide` about each frame, until the rule is lifted. */
  rule(decide: RuleFunction, options?: RuleOptions): Rule {
    return this.rules.rule(decide, options);
  }

  private tellEnds(): void {
    for (const port of [this.a, this.b]) port.owner?.linkChanged(this.isUp, port);
  }
}
