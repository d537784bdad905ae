/**
 * A world: hosts, cables, one virtual clock, one seed.
 *
 *   from  user code
 *   to    world/host.ts      hosts and their interfaces
 *         fabric/cable.ts    what is between them
 *         time/pump.ts       who turns the clock
 */
import type { NetDevice } from '../dev/net-device.ts';
import { Cable } from '../fabric/cable.ts';
import { Digest } from '../fabric/digest.ts';
import { Port } from '../fabric/port.ts';
import type { CableWeather } from '../fabric/weather.ts';
import type { WorldParts } from '../host/boot.ts';
import { costModel, makeParts, type Costs } from '../host/kernel.ts';
import { HostsFile } from '../host/resolver.ts';
import { checkOptions, formatDuration, NS_PER_MS, parseDuration, parseInteger, type Duration } from '../lib/units.ts';
import { sysKill } from '../syscall/socket.ts';
import type { PumpMode } from '../time/pump.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';
import { AddressPlan } from './addresses.ts';
import { WorldCapture } from './capture.ts';
import { startDnsTree, type DnsPlan, type DnsTree } from './dns/serve.ts';
import { blockedOn, DeadlockError, type BlockedCall } from './errors.ts';
import { dropCounts, DropTrace } from './drops.ts';
import { Host, Interface, type HostOptions } from './host.ts';
import { DEFAULT_EPOCH_MS, installClock, ProgramClock, type ProgramHook } from './program.ts';

export interface WorldOptions {
  /** All chance comes from it. Any whole number. Default 1. */
  readonly seed?: number;
  /** What work costs on each host, unless it says otherwise. Default `'real'`. */
  readonly costs?: Costs;
  /** How time passes: jumps when user code rests (`'virtual'`, the default), by the wall clock, or when the test says so. */
  readonly mode?: PumpMode;
  /** Keeps a digest of every frame, for `world.digest()`. Default false: it costs nothing. */
  readonly digest?: boolean;
  /** What Date says when the world begins, inside `world.run`. Default 2025-01-01T00:00:00Z. */
  readonly epoch?: Date | number;
}

/** A cable's name and weather. */
export interface CableOptions extends CableWeather {
  /** Names it in drops and reports, and its streams of chance. Default: by the two ports. */
  readonly name?: string;
}

/** What a cable can be plugged into: a host (its first free interface, or a new one), an interface, anything with a port. */
export type Plug = Host | Interface | { readonly port: Port };

/** What is left in a world: all of it zero when everything was closed and has come to rest. */
export interface LeakReport {
  /** Packets in queues, rings and on cables. */
  readonly skbs: number;
  readonly pages: number;
  /** Armed timers that keep the world running, and all armed timers. */
  readonly liveTimers: number;
  readonly timers: number;
  /** Open descriptors, TCP sockets that are not destroyed, and calls that wait. */
  readonly descriptors: number;
  readonly tcpSockets: number;
  readonly waiting: number;
}

/** How far `runUntilIdle` goes unless told otherwise: ten minutes. */
export const RUN_UNTIL_IDLE_MAX_MS = 600_000;

export class World {
  readonly seed: number;
  /** Names of all hosts. */
  readonly names: HostsFile = new HostsFile();
  /** Replace what only one runtime has while a program runs; the rooms above put them here. */
  readonly programHooks: ProgramHook[] = [];
  /** @internal */
  readonly parts: WorldParts;
  private readonly costs: Costs;
  private readonly epochMs: number;
  private readonly plan: AddressPlan = new AddressPlan();
  private readonly hostsByName: Map<string, Host> = new Map();
  private readonly cableList: Cable[] = [];
  private readonly ports: Port[] = [];
  private readonly digester: Digest | null;
  private stopped = false;

  constructor(options: WorldOptions = {}) {
    checkOptions(options, OPTIONS, 'World');
    costModel(options.costs);
    this.parts = makeParts(options.seed, options.mode);
    this.seed = this.parts.seed;
    this.costs = options.costs ?? 'real';
    this.epochMs = Number(options.epoch ?? DEFAULT_EPOCH_MS);
    if (!Number.isInteger(this.epochMs)) throw new TypeError('epoch: not a date; expected a Date or milliseconds since 1970');
    const digest = options.digest ?? false;
    if (typeof digest !== 'boolean') throw new TypeError(`digest: ${String(digest)} is not understood; expected true or false`);
    this.digester = digest ? new Digest() : null;
  }

  // ---- what there is ------------------------------------------------------------------------------------------

  /** Adds a host. Its name is known to all others. */
  host(name: string, options: HostOptions = {}): Host {
    this.checkHostName(name);
    const host = this.makeHost(name, { costs: this.costs, ...options }, this.plan);
    this.hostsByName.set(name, host);
    return host;
  }

  /** Rooms above make hosts that can do more. */
  protected makeHost(name: string, options: HostOptions, plan: AddressPlan): Host {
    return new Host(this, name, options, plan);
  }

  /** All hosts, in the order in which they were added. */
  get hosts(): readonly Host[] {
    return [...this.hostsByName.values()];
  }

  /** All cables, likewise. */
  get cables(): readonly Cable[] {
    return this.cableList;
  }

  /** Plugs a cable between two hosts, interfaces or ports. Interfaces without an address get one, both of one subnet. */
  cable(a: Plug, b: Plug, options: CableOptions = {}): Cable {
    const { name, ...weather } = options;
    const ends = [this.plugOf(a, 'a'), this.plugOf(b, 'b')] as const;
    const ports = ends.map((end) => end.port);
    for (const port of ports) if (port.link !== null) throw new RangeError(`cable: ${port.name} has a cable already`);
    if (ports[0] === ports[1]) throw new RangeError(`cable: both ends are ${ports[0]!.name}`);
    for (const port of ports) this.adopt(port);
    const cable = new Cable(this.parts.sim, ports[0]!, ports[1]!, {
      name: name ?? `${ports[0]!.name}~${ports[1]!.name}`, seed: this.seed,
    });
    try {
      cable.setWeather(weather);
    } catch (error) {
      cable.unplug();
      throw error;
    }
    this.cableList.push(cable);
    this.address(ends.filter((end) => end instanceof Interface));
    return cable;
  }

  /**
   * Starts name servers from the root down: `world.dns({ '.': { on: root }, 'com.': { on: tld }, 'example.com.': { on: auth,
   * records: { www: '10.0.0.80' } } }, isp)`. Delegations and glue are written by themselves; `resolver`, a host, becomes a
   * recursive server that begins at the root.
   */
  dns(plan: DnsPlan, resolver: Host | null = null): DnsTree {
    return startDnsTree(plan, resolver);
  }

  // ---- time ---------------------------------------------------------------------------------------------------

  /** Virtual time since the world began, in milliseconds. */
  get now(): number {
    return this.parts.sim.now / NS_PER_MS;
  }

  /** The same in nanoseconds. */
  get nowNs(): number {
    return this.parts.sim.now;
  }

  /**
   * Runs a program. While it runs, its own timers and clocks are the world's. Settles when `main` does; what it left armed
   * (intervals…) is cleared, and the runtime's clock is back in place, also when `main` throws.
   *
   * @throws DeadlockError when `main` waits and nothing can ever happen again
   */
  async run<T>(main: () => T | PromiseLike<T>): Promise<T> {
    if (typeof main !== 'function') throw new TypeError('run: main is not a function');
    const { pump } = this.parts;
    const clock = new ProgramClock(this.parts.sim, this.epochMs);
    const restore = installClock(clock, this.programHooks);
    pump.addProgram(1);
    try {
      const deadlock = new Promise<never>((_, reject) => {
        pump.onDeadlock = (): void => reject(new DeadlockError(this.nowNs, this.blocked()));
      });
      return await Promise.race([Promise.resolve(main()), deadlock]);
    } finally {
      pump.onDeadlock = null;
      pump.addProgram(-1);
      restore();
      clock.end();
    }
  }

  /** Lets `duration` of virtual time pass; in manual mode this is what moves the clock. */
  async advance(duration: Duration): Promise<void> {
    const { sim, pump } = this.parts;
    const target = sim.now + parseDuration(duration, 'advance: duration');
    await new Promise<void>((resolve) => {
      const task = new Task(resolve);
      new Timer(sim, null, () => sim.ready(task)).mod(target);
      if (pump.mode === 'manual') pump.allow(target);
    });
  }

  /** Runs until nothing but housekeeping is due and user code rests; an error when that is not so after `maxMs` of virtual time. */
  async runUntilIdle(options: { readonly maxMs?: number } = {}): Promise<void> {
    const { sim, pump } = this.parts;
    const maxMs = parseInteger(options.maxMs ?? RUN_UNTIL_IDLE_MAX_MS, 'maxMs', 0);
    const end = sim.now + maxMs * NS_PER_MS;
    await new Promise<void>((resolve, reject) => {
      const tooLate = new Task(() => {
        pump.pin();
        reject(new Error(`runUntilIdle: the world is still busy after ${formatDuration(maxMs * NS_PER_MS)} of virtual time`));
      });
      const guard = new Timer(sim, null, () => sim.ready(tooLate), true);
      guard.mod(end);
      if (pump.mode === 'manual') pump.allow(end);
      pump.whenIdle(() => {
        guard.del();
        pump.pin();
        resolve();
      });
    });
  }

  /** Holds the clock until `promise` is settled: for real asynchronous work (files, child processes). Returns what it gives. */
  async external<T>(promise: PromiseLike<T>): Promise<T> {
    this.parts.pump.hold();
    try {
      return await promise;
    } finally {
      this.parts.pump.release();
    }
  }

  // ---- faults -------------------------------------------------------------------------------------------------

  /** Cuts every cable between the two groups, silently: links stay up, frames vanish. What is on its way arrives. */
  partition(a: readonly Host[], b: readonly Host[]): void {
    checkHosts(a, 'a');
    checkHosts(b, 'b');
    for (const cable of this.cableList) {
      const [x, y] = [this.ownerOf(cable.a), this.ownerOf(cable.b)];
      if (x === null || y === null) continue;
      if ((a.includes(x) && b.includes(y)) || (a.includes(y) && b.includes(x))) cable.setBlocked(true);
    }
  }

  /** Ends all partitions. */
  heal(): void {
    for (const cable of this.cableList) cable.setBlocked(false);
  }

  // ---- observers ----------------------------------------------------------------------------------------------

  /** 128 bits over every frame with its time and place so far: equal runs have equal ones. Needs `new World({ digest: true })`. */
  digest(): string {
    if (this.digester === null) throw new Error('digest: this world keeps none; make it with new World({ digest: true })');
    return this.digester.hex();
  }

  /**
   * Begins to capture frames: of the hosts (with their loopbacks), cables or ports named, or of all ports. The capture's
   * `toBytes()` is a pcapng file. A cable is captured at its first end.
   */
  capture(targets?: readonly (Host | Interface | Cable | Port)[], options: { readonly limit?: number } = {}): WorldCapture {
    const ports = new Set<Port>();
    const loopbacks = new Set<NetDevice>();
    for (const target of targets ?? this.ports) {
      if (target instanceof Host) {
        loopbacks.add(target.kernel.stack.lo);
        for (const itf of target.interfaces) ports.add(itf.port);
      } else {
        const port: unknown = target instanceof Port ? target : target instanceof Cable ? target.a : (target as Interface | null)?.port;
        if (!(port instanceof Port)) throw new TypeError('capture: targets: expected an array of hosts, interfaces, cables or ports');
        ports.add(port);
      }
    }
    return new WorldCapture([...ports], [...loopbacks], options.limit ?? Infinity, `seed ${String(this.seed)}`);
  }

  /** How many packets were dropped so far, by reason: `{ NO_SOCKET: 1, CABLE_LOSS: 12 }`. Hosts and cables together. */
  drops(): Record<string, number> {
    return dropCounts(this.parts.pool);
  }

  /** Tells each packet that is dropped from now on, with reason and place: to `print`, or in `lines`. Ends with its scope. */
  traceDrops(print?: (line: string) => void): DropTrace {
    if (print !== undefined && typeof print !== 'function') throw new TypeError('traceDrops: print: expected a function of a line');
    return new DropTrace(this.parts.sim, this.parts.pool, print ?? null);
  }

  /** All calls that wait for the network, host by host. */
  blocked(): BlockedCall[] {
    return this.hosts.flatMap((host) => blockedOn(host.name, host.kernel.stack.layer, this.nowNs));
  }

  /** What is still there. For tests, at the end. */
  check(): LeakReport {
    const { sim, pool } = this.parts;
    const layers = this.hosts.map((host) => host.kernel.stack);
    const sum = (f: (stack: (typeof layers)[number]) => number): number => layers.reduce((n, stack) => n + f(stack), 0);
    return {
      skbs: pool.live,
      pages: pool.livePages,
      liveTimers: sim.live,
      timers: sim.armed,
      descriptors: sum((s) => [...s.layer.processes].reduce((n, p) => n + p.fds.open, 0)),
      tcpSockets: sum((s) => s.tcp.socketCount),
      waiting: sum((s) => s.layer.waiting.size),
    };
  }

  /** Ends the world: all processes are killed, time stops for good. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.parts.pump.stop(); // first: what dies has nobody to tell
    for (const host of this.hosts) for (const p of [...host.kernel.stack.layer.processes]) sysKill(p);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** @internal A port becomes part of this world. */
  adopt(port: Port): void {
    if (this.ports.includes(port)) return;
    port.id = this.ports.push(port);
    if (this.digester !== null) port.addObserver(this.digester);
  }

  // ---- helpers ------------------------------------------------------------------------------------------------

  private checkHostName(name: unknown): void {
    if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(name)) {
      throw new TypeError(`host: '${String(name)}' is not a host name; expected letters, digits, '-' and '.'`);
    }
    if (this.hostsByName.has(name)) throw new RangeError(`host: there is a host '${name}' already`);
  }

  private plugOf(plug: Plug, name: string): Interface | { readonly port: Port } {
    if (plug instanceof Host) {
      if (plug.world !== this) throw new RangeError(`cable: ${name} is a host of another world`);
      return plug.freeInterface();
    }
    const port = (plug as { port?: unknown } | null | undefined)?.port;
    if (!(port instanceof Port)) throw new TypeError(`cable: ${name} is neither a host nor anything with a port`);
    return plug;
  }

  /** Gives addresses of one subnet to the interfaces that have none. */
  private address(ends: readonly Interface[]): void {
    const bare = ends.filter((itf) => itf.ip === null);
    if (bare.length === 0) return;
    const known = ends.find((itf) => itf.subnet !== null)?.subnet;
    const subnet = known ?? this.plan.subnet();
    for (const itf of bare) itf.assign(this.plan.next(subnet));
  }

  private ownerOf(port: Port): Host | null {
    return this.hosts.find((host) => host.interfaces.some((itf) => itf.port === port)) ?? null;
  }
}

const OPTIONS: readonly string[] = ['seed', 'costs', 'mode', 'digest', 'epoch'];

function checkHosts(group: unknown, name: string): void {
  if (Array.isArray(group) && group.every((host) => host instanceof Host)) return;
  throw new TypeError(`partition: ${name}: expected an array of hosts such as [alice]`);
}
