/**
 * The world of a program that has not made one: a host with a loopback, named as the machine; or what a configuration says.
 * It runs by itself, by the wall clock unless told otherwise.
 *
 *   from  node/install.ts   at the first use of the network outside of `host.run`, or at once when there is a configuration
 *   to    node/world.ts
 */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { isMainThread, threadId } from 'node:worker_threads';
import type { SwitchOptions } from '../fabric/switch-options.ts';
import type { WeatherOptions } from '../fabric/weather.ts';
import { ZERO_COSTS, type CostModel } from '../time/cpu.ts';
import { DEFAULT_EPOCH_MS, ProgramClock } from '../world/program.ts';
import { beginProgram } from '../world/programs.ts';
import { named, type ConfiguredCable, type ConfiguredHost, type KernetConfig } from './config.ts';
import { runOn } from './current.ts';
import { MachinePaths } from './handle/machine-path.ts';
import { World, type Host } from './world.ts';

/** What the machine is called; taken when this module is loaded, for `os.hostname` may be hooked later. */
const machineName: string = os.hostname();
/** More names than a world gives. */
const FALLBACK_NAME = 'localhost';

/**
 * By the wall clock, work takes the time that it takes: it is not to be waited for a second time. Only who is woken comes after
 * who is ready.
 */
const REAL_TIME_COSTS: CostModel = { ...ZERO_COSTS, wakeNs: 1 };

export class DefaultWorld {
  readonly world: World;
  /** The one that code outside of `host.run` runs on. */
  readonly host: Host;
  private readonly config: KernetConfig;
  private readonly programs: [Host, string][] = [];
  private undo: (() => void)[] = [];

  constructor(config: KernetConfig, where: string) {
    this.config = config;
    const { seed, time = 'real', pcap } = config;
    this.world = new World({ ...(seed === undefined ? {} : { seed }), mode: time, costs: time === 'real' ? REAL_TIME_COSTS : 'real' });
    named(where, () => this.build());
    this.world.heldByPrograms();
    const first = this.world.hosts[0]!;
    const chosen = config.host === undefined ? first : this.world.hosts.find(({ name }) => name === config.host);
    if (chosen === undefined) {
      const names = this.world.hosts.map(({ name }) => name).join(', ');
      throw new TypeError(`${where}: host: there is no host '${String(config.host)}'; expected one of ${names}`);
    }
    this.host = chosen;
    if (this.world.hosts.length === 1) showPaths(chosen);
    if (pcap !== undefined) this.undo.push(writeCapture(this.world, pcap));
    if (time === 'virtual') this.undo.push(this.beProgramsClock());
  }

  private build(): void {
    const { world, config: { hosts, switches = {}, cables, weather = {} } } = this;
    for (const [name, { program, ...options }] of entries<ConfiguredHost>(hosts ?? [hostName()], 'hosts')) {
      const host = world.host(name, options);
      if (program !== undefined) this.programs.push([host, program]);
    }
    if (world.hosts.length === 0) throw new TypeError('hosts: none; expected one at least');
    for (const [name, options] of entries<SwitchOptions>(switches, 'switches')) world.switch(name, options);
    if (cables === undefined) joinAll(world, weather);
    else for (const cable of cables) addCable(world, cable, weather);
    if (world.cables.length === 0) for (const host of world.hosts) loopbackForAll(host);
    if (world.cables.length > 0 || Object.keys(weather).length === 0) return;
    for (const host of world.hosts) named('weather', () => host.qdisc('lo', { kind: 'netem', ...weather }));
  }

  /** Runs what a configuration has to run before the main program begins. */
  async start(directory: string): Promise<void> {
    await this.config.setup?.(this.world);
    for (const [host, program] of this.programs) {
      const url = pathToFileURL(resolve(directory, program));
      url.searchParams.set('host', host.name); // each host has its own copy of the module
      await runOn(host.node, () => import(url.href));
    }
    this.world.heldByPrograms();
  }

  /** Timers and clocks of the whole process are the world's: until the end, for a program at top level has no other. */
  private beProgramsClock(): () => void {
    const { sim, pump } = this.world.parts;
    const clock = new ProgramClock(sim, Number(this.config.epoch ?? DEFAULT_EPOCH_MS));
    const program = beginProgram(clock, this.world.programHooks);
    pump.enter = program.enter;
    pump.addProgram(1);
    return () => {
      pump.addProgram(-1);
      pump.enter = null;
      program.end();
      clock.end();
    };
  }

  /** Ends the world: sockets that are still open are closed. */
  end(): void {
    for (const step of this.undo.reverse()) step();
    this.undo = [];
    this.world.stop();
  }
}

/** The machine's name, if a host can have it. */
function hostName(): string {
  return /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(machineName) ? machineName : FALLBACK_NAME;
}

/** Names, or options by name, as pairs. */
function entries<T extends object>(given: readonly string[] | Readonly<Record<string, T>>, what: string): [string, T][] {
  if (isList(given)) return given.map((name) => [name, {} as T]);
  const unknown: unknown = given;
  if (typeof unknown !== 'object' || unknown === null) throw new TypeError(`${what}: expected a list of names, or options by name`);
  return Object.entries(given);
}

function isList(given: unknown): given is readonly string[] {
  return Array.isArray(given);
}

/** Two hosts have a cable, more hang on a switch. */
function joinAll(world: World, weather: WeatherOptions): void {
  const { hosts, joints } = world;
  const [first, second] = hosts;
  if (hosts.length + joints.length < 2) return;
  if (joints.length === 0 && hosts.length === 2) {
    world.cable(first!, second!, weather);
    return;
  }
  const middle = joints[0] ?? world.switch(freeName(world, 'switch'));
  for (const joint of joints.slice(1)) world.cable(middle, joint, weather);
  for (const host of hosts) world.cable(host, middle, weather);
}

/** The paths of the only host are those that the program sees with `fs`. */
function showPaths({ node: { handles } }: Host): void {
  const paths = new MachinePaths();
  if (paths.possible) handles.machinePaths = paths;
}

/** A host that has nothing but its loopback speaks to groups, and to all, by that: programs expect a way for these. */
function loopbackForAll(host: Host): void {
  for (const network of ['224.0.0.0/4', '255.255.255.255/32']) host.route(network, { interface: 'lo' });
}

function freeName(world: World, name: string): string {
  return world.hosts.some((host) => host.name === name) ? freeName(world, `${name}0`) : name;
}

function addCable(world: World, cable: ConfiguredCable, weather: WeatherOptions): void {
  const between = 'between' in cable ? cable.between : cable;
  if (!Array.isArray(between) || between.length !== 2) throw new TypeError('cables: expected two ends, such as [\'alice\', \'bob\']');
  const { between: _ends, ...own } = 'between' in cable ? cable : { between };
  const [a, b] = between as readonly [string, string];
  world.cable(a, b, { ...weather, ...own });
}

/** Captures all hosts, and writes the file when the process ends. */
function writeCapture(world: World, pcap: string): () => void {
  const capture = world.capture(world.hosts);
  const path = pcap.replaceAll('%p', String(process.pid)) + (isMainThread ? '' : `.${threadId}`);
  const write = (): void => {
    process.removeListener('exit', write);
    capture.stop();
    writeFileSync(path, capture.toBytes());
  };
  process.once('exit', write);
  return write;
}
