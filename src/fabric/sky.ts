/**
 * Weather that depends: a function of the frame and of the time says what it meets; and a forecast, weather that changes at
 * given times.
 *
 *   from  lane.ts    each frame, while there is a sky above the direction
 */
import { checkOptions, NS_PER_MS, parseDuration, type Duration } from '../lib/units.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Simulation } from '../time/simulation.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';
import { FrameView } from './frame-view.ts';
import type { Lane } from './lane.ts';
import type { Direction } from './rules.ts';
import { applyWeather, type CableWeather, Weather, type WeatherOptions } from './weather.ts';

/**
 * What a frame meets, besides the cable's own weather: options, or nothing. `now` is virtual time in milliseconds. Options that
 * are one and the same object keep their memory (bursts of loss, correlations) from frame to frame; a new object has none.
 */
export type WeatherFunction = (frame: FrameView, now: number) => WeatherOptions | undefined | null | void;

/** A function above a cable, until it is lifted. */
export class Sky {
  readonly direction: Direction;
  private readonly sim: Simulation;
  private readonly decide: WeatherFunction;
  private readonly lanes: readonly Lane[];
  /** What the function's answers amount to on each lane; forgotten when the weather below changes. */
  private known: WeakMap<WeatherOptions, Weather>[];

  constructor(sim: Simulation, decide: WeatherFunction, direction: Direction, lanes: readonly Lane[]) {
    if (typeof decide !== 'function') throw new TypeError('weather: expected a function of a frame and the time');
    this.sim = sim;
    this.decide = decide;
    this.direction = direction;
    this.lanes = lanes;
    this.known = lanes.map(() => new WeakMap());
    for (const lane of lanes) lane.sky = this;
  }

  /** Is it still there? A later one takes its place. */
  get active(): boolean {
    return this.lanes.some((lane) => lane.sky === this);
  }

  /** Ends it; the cable has its own weather again. */
  lift(): void {
    for (const lane of this.lanes) if (lane.sky === this) lane.sky = null;
  }

  /** Ends it with its scope: `using storm = cable.weather(…)`. */
  [Symbol.dispose](): void {
    this.lift();
  }

  /** @internal The weather below has changed. */
  forget(): void {
    this.known = this.lanes.map(() => new WeakMap());
  }

  /** @internal What this frame meets. What the function throws surfaces outside of the kernel, and the cable's own weather holds. */
  above(lane: Lane, skb: SkBuff, time: number): Weather {
    try {
      const answer = this.decide(new FrameView(skb, time, lane.from.name, lane.to.name), time / NS_PER_MS);
      if (answer === undefined || answer === null) return lane.weather;
      if (typeof answer !== 'object') throw new TypeError(`a weather function answered ${typeof answer}; expected options or nothing`);
      const known = this.known[this.lanes.indexOf(lane)]!;
      let weather = known.get(answer);
      if (weather === undefined) {
        weather = Object.assign(new Weather(), lane.weather);
        applyWeather(weather, answer);
        known.set(answer, weather);
      }
      return weather;
    } catch (error) {
      this.sim.ready(new Task(() => {
        throw error;
      }));
      return lane.weather;
    }
  }
}

/** One entry of a forecast: so long from now, this is the weather. What is left out stays as it is. */
export interface ForecastEntry extends CableWeather { readonly after: Duration }

/** Weather to come. The changes do not keep a finished world running. */
export class Forecast {
  private readonly timers: Timer[];

  /** Every entry is checked now; `change` is called when its time has come. */
  constructor(sim: Simulation, entries: readonly ForecastEntry[], change: (weather: CableWeather) => void) {
    if (!Array.isArray(entries)) {
      throw new TypeError("forecast: expected an array such as [{ after: '1s', loss: 0.1 }, { after: '3s', loss: 0 }]");
    }
    const plan = (entries as readonly ForecastEntry[]).map((entry, i) => {
      if (typeof entry !== 'object' || entry === null) throw new TypeError(`forecast: entry ${String(i)} is not an object`);
      const { after, ...weather } = entry;
      checkCableWeather(weather);
      return { at: sim.now + parseDuration(after, 'forecast: after'), weather };
    });
    this.timers = plan.map(({ at, weather }) => {
      const timer = new Timer(sim, null, () => {
        change(weather);
      }, true);
      timer.mod(at);
      return timer;
    });
  }

  /** Ends it: what has not come does not come. */
  lift(): void {
    for (const timer of this.timers) timer.del();
  }

  [Symbol.dispose](): void {
    this.lift();
  }
}

/** Checks the options without changing anything. */
export function checkCableWeather(options: CableWeather): void {
  const { ab, ba, ...both } = options;
  applyWeather(new Weather(), both);
  for (const [name, one] of [['ab', ab], ['ba', ba]] as const) {
    if (one === undefined) continue;
    checkOptions(one, Object.keys(one ?? {}), name);
    applyWeather(new Weather(), one);
  }
}
