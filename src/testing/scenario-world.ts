/**
 * The world of a scenario: hosts whose programs are generators, run to the end here and now, without the runtime's event
 * loop. Everything comes from one seed.
 */
import type { Cable } from '../fabric/cable.ts';
import type { Kernel } from '../host/kernel.ts';
import { Random } from '../lib/random.ts';
import { formatDuration, NS_PER_MS, parseDuration, type Duration } from '../lib/units.ts';
import { Process } from '../syscall/process.ts';
import { Timer } from '../time/timer.ts';
import type { Host, HostOptions } from '../world/host.ts';
import { World, type CableOptions } from '../world/world.ts';
import type { WorldCapture } from '../world/capture.ts';
import { AppCalls, RunningApp, type AppBody } from './app.ts';
import type { Checker } from './checkers.ts';
import { invariants } from './checkers.ts';
import { CLEAR_WEATHER, drawWeather, type Climate, type DrawnWeather } from './weather.ts';

/** Events between two looks at the invariants of all connections. */
const LOOK_EVERY = 211;
/** A world that takes more events than this hangs. */
const MAX_EVENTS = 20_000_000;

/** A host of a scenario. */
export class ScenarioHost {
  readonly host: Host;
  readonly processes: Process[] = [];
  readonly apps: RunningApp<unknown>[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  get name(): string {
    return this.host.name;
  }

  get kernel(): Kernel {
    return this.host.kernel;
  }

  get ip(): string {
    return this.host.ip;
  }

  /** Starts a program in a process of its own. */
  app<R>(body: AppBody<R>, name: string = `app-${this.apps.length}`): RunningApp<R> {
    const process = new Process(this.kernel.stack.layer, name);
    this.processes.push(process);
    return this.start(process, name, body);
  }

  /** Starts a program that shares the descriptors of another one. */
  thread<R>(of: Process, body: AppBody<R>, name: string = `app-${this.apps.length}`): RunningApp<R> {
    return this.start(of, name, body);
  }

  private start<R>(process: Process, name: string, body: AppBody<R>): RunningApp<R> {
    const app = new RunningApp(`${this.name}/${name}`, new AppCalls(process), body);
    this.apps.push(app);
    return app;
  }
}

export class ScenarioWorld {
  readonly seed: number;
  readonly world: World;
  /** Chance for the scenario itself: files, sizes, counts. */
  readonly random: Random;
  readonly hosts: ScenarioHost[] = [];
  /** The weather that was drawn, in that order. */
  readonly drawn: DrawnWeather[] = [];
  private readonly given: readonly DrawnWeather[] | null;
  private readonly weatherRandom: Random;
  private readonly captureLimit: number;
  private capture: WorldCapture | null = null;

  /** `captureLimit`: how many frames are kept, for {@link captured}. `given`: weather in the place of what would be drawn. */
  constructor(seed: number, captureLimit: number = 0, given: readonly DrawnWeather[] | null = null) {
    this.captureLimit = captureLimit;
    this.given = given;
    this.seed = seed;
    this.world = new World({ seed, mode: 'manual', digest: true });
    this.world.parts.sim.onBusy = null; // driven by the methods below
    this.random = Random.stream(seed, 'scenario');
    this.weatherRandom = Random.stream(seed, 'weather');
  }

  /** Adds a host. */
  host(name: string, options: HostOptions = {}): ScenarioHost {
    const host = new ScenarioHost(this.world.host(name, options));
    this.hosts.push(host);
    return host;
  }

  /** Two hosts, `a` and `b`, and a cable between them. */
  twoHosts(options: { readonly cable?: CableOptions; readonly host?: HostOptions } = {}): [ScenarioHost, ScenarioHost, Cable] {
    const a = this.host('a', options.host);
    const b = this.host('b', options.host);
    const cable = this.world.cable(a.host, b.host, options.cable ?? { delay: '1ms' });
    return [a, b, cable];
  }

  /** Weather of this seed: some faults off, the others anywhere in their range. */
  weather(climate: Climate): CableOptions {
    const drawn = drawWeather(this.weatherRandom, climate);
    const weather = this.given?.[this.drawn.length] ?? drawn;
    this.drawn.push(weather);
    return weather;
  }

  /** Ends all faults of a cable after a while; its delay and rate stay. What is stuck then has only itself to blame. */
  clearAfter(cable: Cable, duration: Duration): void {
    this.after(duration, () => {
      cable.setWeather(CLEAR_WEATHER);
    });
  }

  /** Does something in the world (pull a cable, change the weather) after a while. */
  after(duration: Duration, what: () => void): void {
    const { sim } = this.world.parts;
    new Timer(sim, null, what, true).mod(sim.now + parseDuration(duration, 'after'));
  }

  /** Calls `then` when a program has ended, at that moment. */
  whenDone(app: RunningApp<unknown>, then: () => void): void {
    app.onDone = then;
  }

  get nowNs(): number {
    return this.world.parts.sim.now;
  }

  /** Runs until nothing but housekeeping is due, at most `maxMs` of virtual time. Programs that have not ended then are an error. */
  runUntilIdle(options: { readonly maxMs?: number } = {}): void {
    const { sim } = this.world.parts;
    const end = sim.now + (options.maxMs ?? 600_000) * NS_PER_MS;
    this.drive(() => sim.live === 0 || sim.nextTime() > end, end);
    const stuck = this.hosts.flatMap((h) => h.apps).filter((app) => !app.done);
    for (const { error } of this.hosts.flatMap((h) => h.apps)) {
      if (error !== null) throw error instanceof Error ? error : new Error('a program threw something that is no Error', { cause: error });
    }
    if (stuck.length > 0) {
      const waits = stuck.map((app) => `${app.name} waits for fd ${app.waiting?.fd ?? -1}`).join('\n  ');
      const sockets = this.hosts.map((h) => `${h.name}:\n${h.kernel.ss('-tan')}`).join('\n');
      throw new Error(`after ${formatDuration(sim.now)} of virtual time these have not ended:\n  ${waits}\n${sockets}`);
    }
  }

  /** Lets so much virtual time pass, housekeeping included. */
  runFor(ns: number): void {
    const { sim } = this.world.parts;
    const end = sim.now + ns;
    this.drive(() => sim.nextTime() > end, end);
    if (sim.now < end) sim.advanceTo(end);
  }

  private drive(over: () => boolean, end: number): void {
    const { sim } = this.world.parts;
    // Nothing has been sent before the first event.
    if (this.captureLimit > 0) this.capture ??= this.world.capture(undefined, { limit: this.captureLimit });
    let events = 0;
    for (;;) {
      for (let task = sim.takeTask(); task !== null; task = sim.takeTask()) task.run();
      if (over()) break;
      sim.step();
      if (++events % LOOK_EVERY === 0) this.check(invariants);
      if (events <= MAX_EVENTS) continue;
      throw new Error(`still busy after ${events} events, at ${formatDuration(sim.now)} of ${formatDuration(end)}`);
    }
    this.check(invariants);
  }

  /** The frames so far, as pcapng; none unless the world keeps them. */
  captured(): Uint8Array {
    return this.capture?.toBytes() ?? new Uint8Array(0);
  }

  /** Throws when one of the checkers finds something. */
  check(...checkers: readonly Checker[]): void {
    for (const checker of checkers) {
      const bad = checker(this);
      if (bad.length > 0) throw new Error(`${checker.name} at ${formatDuration(this.nowNs)}:\n  ${bad.join('\n  ')}`);
    }
  }
}
