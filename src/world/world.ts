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
import { Hub, type HubOptions } from '../fabric/hub.ts';
import { Switch } from '../fabric/switch.ts';
import type { SwitchOptions } from '../fabric/switch-options.ts';
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
import { joinByVeth, type VethOptions } from './veth.ts';
import { mtuWarnings } from './warnings.ts';
import { Host, type HostOptions } from './host.ts';
import type { Interface } from './interface.ts';
import { StaticRoutes } from './routes.ts';
import type { Fault } from './faults/fault.ts';
import { Faults, type Injection, type Injections } from './faults/inject.ts';
import { Partitions, type Partition, type PartitionOptions } from './partition.ts';
import { Segments } from './segments.ts';
import {
  fullMesh, line, natGateway, star, twoHosts, twoLans, type FullMesh, type Line, type NatGateway, type NatGatewayOptions, type Star,
  type TopologyOptions, type TwoHosts, type TwoLans, type TwoLansOptions,
} from './topology.ts';
import { Tracing, WorldTrace, type TraceOptions } from './trace.ts';
import { DEFAULT_EPOCH_MS, ProgramClock, type ProgramHook } from './program.ts';
import { beginProgram } from './programs.ts';

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

/**
 * What a cable can be plugged into: a host (its first free interface, or a new one), a switch or a hub (its first free port), an
 * interface, anything with a port; or the name of a host, switch or hub.
 */
export type Plug = Host | Switch | Hub | Interface | string | { readonly port: Port };

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
  private readonly owners: Map<Port, Host | null> = new Map();
  private readonly segments: Segments;
  private readonly staticRoutes: StaticRoutes = new StaticRoutes();
  private readonly jointsByName: Map<string, Switch | Hub> = new Map();
  private readonly partitions: Partitions;
  private readonly faultPlan: Faults = new Faults(this);
  private stations = 0;
  private readonly digester: Digest | null;
  private tracing: Tracing | null = null;
  private stopped = false;

  constructor(options: WorldOptions = {}) {
    checkOptions(options, OPTIONS, 'World');
    costModel(options.costs);
    this.parts = makeParts(options.seed, options.mode);
    this.seed = this.parts.seed;
    this.partitions = new Partitions(this.parts.sim);
    this.segments = new Segments(this.plan, () => this.parts.sim.now > 0);
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
    this.checkName(name, 'host');
    const host = this.makeHost(name, { costs: this.costs, ...options }, this.plan);
    this.hostsByName.set(name, host);
    return host;
  }

  /** Rooms above make hosts that can do more. */
  protected makeHost(name: string, options: HostOptions, plan: AddressPlan): Host {
    return new Host(this, name, options, plan);
  }

  /** Adds a router: a host that passes on packets for others. */
  router(name: string, options: HostOptions = {}): ReturnType<this['host']> {
    return this.host(name, { forward: true, ...options }) as ReturnType<this['host']>;
  }

  /** Adds a learning switch. Hosts, hubs and other switches are plugged in by `world.cable(alice, sw)`. */
  switch(name: string, options: SwitchOptions = {}): Switch {
    this.checkName(name, 'switch');
    const { sim, pool } = this.parts;
    const made = new Switch({ sim, pool, name, mac: this.plan.mac() }, options);
    for (const port of made.ports) this.adopt(port);
    made.onPort = (port): void => this.adopt(port);
    made.onVlans = (): void => this.rewire();
    this.jointsByName.set(name, made);
    this.segments.addJoint(made, made.config.subnets);
    return made;
  }

  /** Adds a hub: a half-duplex medium with collisions. */
  hub(name: string, options: HubOptions = {}): Hub {
    this.checkName(name, 'hub');
    const made = new Hub({ sim: this.parts.sim, name, seed: this.seed }, options);
    for (const port of made.ports) this.adopt(port);
    made.onPort = (port): void => this.adopt(port);
    this.jointsByName.set(name, made);
    this.segments.addJoint(made, new Map());
    return made;
  }

  /** All switches and hubs, in the order in which they were added. */
  get joints(): readonly (Switch | Hub)[] {
    return [...this.jointsByName.values()];
  }

  /** All hosts, in the order in which they were added. */
  get hosts(): readonly Host[] {
    return [...this.hostsByName.values()];
  }

  /** All cables, likewise. */
  get cables(): readonly Cable[] {
    return this.cableList;
  }

  /**
   * Plugs a cable between two hosts, switches, hubs, interfaces or ports (or their names). Interfaces without an address get one,
   * all that share a wire in one subnet.
   *
   * @throws RangeError when a port is taken, when the cable would close a loop that no STP breaks (it names the loop), when an
   *   address would be there twice, or when the subnet has no address left. Then there is no such cable.
   */
  cable(a: Plug, b: Plug, options: CableOptions = {}): Cable {
    const { name: given, ...weather } = options;
    const ports = [this.portOf(a, 'a'), this.portOf(b, 'b')] as const;
    for (const port of ports) if (port.link !== null) throw new RangeError(`cable: ${port.name} has a cable already`);
    if (ports[0] === ports[1]) throw new RangeError(`cable: both ends are ${ports[0].name}`);
    for (const port of ports) this.adopt(port);
    const name = given ?? `${ports[0].name}~${ports[1].name}`;
    this.segments.checkLoop(ports[0], ports[1], name);
    const cable = new Cable(this.parts.sim, ports[0], ports[1], { name, seed: this.seed });
    this.cableList.push(cable);
    cable.onUnplug = (): void => {
      this.cableList.splice(this.cableList.indexOf(cable), 1);
      this.segments.unplugged(cable);
    };
    try {
      cable.setWeather(weather);
      this.segments.cabled(cable);
    } catch (error) {
      cable.unplug();
      throw error;
    }
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

  /**
   * Gives every router a static route to every subnet, and every other host a default route to the nearest router: the shortest ways
   * through the cables as they are now. Routes that a user has added stay and win. Call it again when something was added.
   */
  routes(): void {
    this.staticRoutes.compute(this.hosts, this.wires());
  }

  /** The interfaces of each segment. */
  private wires(): Interface[][] {
    const wires = this.segments.list().map((segment) => segment.flatMap((domain) => domain.members));
    for (const { a, b } of this.cableList) {
      if (this.segments.jointOf(a) !== null || this.segments.jointOf(b) !== null) continue;
      for (const itf of this.segments.at(a)) wires.push([itf, ...this.segments.at(b).filter((other) => other.tag === itf.tag)]);
    }
    return wires.filter((wire) => wire.length > 1);
  }

  /** What of this world is probably a mistake, one line each: wires whose interfaces differ in MTU. A deadlock report has them, too. */
  warnings(): string[] {
    return mtuWarnings(this.wires());
  }

  /** Joins two hosts by a pair of virtual devices, without cards and cable: `world.veth(box, pod, { a: { ip: '10.1.0.1/30' }, … })`. */
  veth(a: Host, b: Host, options: { readonly a?: VethOptions; readonly b?: VethOptions } = {}): { a: string; b: string } {
    for (const host of [a, b]) {
      if (!((host as unknown) instanceof Host)) throw new TypeError('veth: expected two hosts');
      if (host.world !== this) throw new RangeError(`veth: ${host.name} is a host of another world`);
    }
    return joinByVeth(a, b, options);
  }

  /** @internal A /16 that nobody has an address in. */
  largeSubnet(): string {
    return this.plan.largeSubnet();
  }

  /** Two hosts and a cable: `const { alice, bob } = world.twoHosts()`. */
  twoHosts(options: TopologyOptions = {}): TwoHosts<ReturnType<this['host']>> {
    return twoHosts(this, options) as unknown as TwoHosts<ReturnType<this['host']>>;
  }

  /** `n` hosts around a switch: h1, h2 … */
  star(n: number, options: TopologyOptions = {}): Star<ReturnType<this['host']>> {
    return star(this, n, options) as unknown as Star<ReturnType<this['host']>>;
  }

  /** Two hosts with `nRouters` routers in a line between them: left, r1, r2 … right; routes both ways. */
  line(nRouters: number, options: TopologyOptions = {}): Line<ReturnType<this['host']>> {
    return line(this, nRouters, options) as unknown as Line<ReturnType<this['host']>>;
  }

  /** Two LANs, each a switch with hosts (l1, l2 … and r1, r2 …), and a router between them. */
  twoLans(options: TwoLansOptions = {}): TwoLans<ReturnType<this['host']>> {
    return twoLans(this, options) as unknown as TwoLans<ReturnType<this['host']>>;
  }

  /**
   * Private hosts (p1, p2 … in 192.168.1.0/24) behind a gateway that lends them its address on the public side (203.0.113.0/24, where
   * `server` is): they reach the outside, and the outside reaches nobody inside.
   */
  natGateway(options: NatGatewayOptions = {}): NatGateway<ReturnType<this['host']>> {
    return natGateway(this, options) as unknown as NatGateway<ReturnType<this['host']>>;
  }

  /** @internal Nobody gets a route to what is behind this interface of a router. */
  hide(itf: Interface): void {
    this.staticRoutes.hidden.add(itf);
  }

  /** `n` hosts with a cable from each to each; each reaches all addresses of the others by the cable between them. */
  fullMesh(n: number, options: TopologyOptions = {}): FullMesh<ReturnType<this['host']>> {
    return fullMesh(this, n, options) as unknown as FullMesh<ReturnType<this['host']>>;
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
   * (intervals…) is cleared, and the runtime's clock is back in place, also when `main` throws. Programs of several worlds may
   * run at the same time where the runtime keeps asynchronous contexts (Node, Deno), each on its own clock.
   *
   * @throws DeadlockError when `main` waits and nothing can ever happen again
   */
  async run<T>(main: () => T | PromiseLike<T>): Promise<T> {
    if (typeof main !== 'function') throw new TypeError('run: main is not a function');
    const { pump } = this.parts;
    const clock = new ProgramClock(this.parts.sim, this.epochMs);
    if (pump.programs > 0) throw new Error('world.run: a program is running in this world; await its run() first');
    const program = beginProgram(clock, this.programHooks);
    pump.enter = program.enter;
    pump.addProgram(1);
    try {
      const deadlock = new Promise<never>((_, reject) => {
        pump.onDeadlock = (): void => reject(new DeadlockError(this.nowNs, this.blocked(), this.warnings()));
      });
      return await Promise.race([Promise.resolve(program.enter === null ? main() : program.enter(main)), deadlock]);
    } finally {
      pump.onDeadlock = null;
      pump.enter = null;
      pump.addProgram(-1);
      program.end();
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

  /**
   * Separates two groups of hosts, silently, whatever is between them: links stay up, and on the last cable before a host of one
   * group every frame is stopped that a host of the other has sent or made, through switches and routers alike. Everybody else
   * reaches both. What is on its last cable arrives. It ends with its scope, at `lift()`, or with {@link heal}.
   */
  partition(a: readonly Host[], b: readonly Host[], options: PartitionOptions = {}): Partition {
    checkHosts(a, 'a');
    checkHosts(b, 'b');
    return this.partitions.make(a, b, options);
  }

  /** Ends all partitions. */
  heal(): void {
    this.partitions.heal();
    for (const cable of this.cableList) cable.setBlocked(false);
  }

  /**
   * Plans a fault: `world.fault({ kind: 'crash', host: 'db', at: '2s', for: '500ms' })`. It ends by itself, with its scope, or at
   * `lift()`.
   *
   * @throws TypeError, RangeError that name the field; then nothing is planned
   */
  fault(fault: Fault): Injection {
    return this.faultPlan.add(fault);
  }

  /** Plans many faults, or, when one of them is wrong, none. A plan is plain data: it can be kept as JSON and replayed. */
  faults(plan: readonly Fault[]): Injections {
    return this.faultPlan.addAll(plan);
  }

  /** What faults did so far, in order: `2.000000 fault begins: crash of db for 500ms`. */
  get faultLog(): readonly string[] {
    return this.faultPlan.log;
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

  /**
   * Follows packets from now on, function by function and queue by queue, on every host and switch: all that are born until
   * `stop()` (or the end of a `using` scope), or those that the options pick. `String(trace)` prints their ways.
   */
  trace(options: TraceOptions = {}): WorldTrace {
    const { sim, pool } = this.parts;
    this.tracing ??= new Tracing({
      sim, pool, names: this.names,
      machineOf: (port) => this.machineOf(port),
      hostTime: (name) => this.hostsByName.get(name)?.kernel.stack.net.cpu.now ?? null,
    });
    return new WorldTrace(this.tracing, options);
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
  adopt(port: Port, itf: Interface | null = null): void {
    if (!this.owners.has(port)) {
      this.owners.set(port, itf === null ? null : itf.host);
      port.id = this.ports.push(port);
      if (this.digester !== null) port.addObserver(this.digester);
    }
    if (itf === null) return;
    port.wall = this.partitions.wallOf(itf.host);
    this.segments.addInterface(itf);
  }

  /** @internal A number for one more machine. */
  nextStation(): number {
    return ++this.stations;
  }

  // ---- helpers ------------------------------------------------------------------------------------------------

  private checkName(name: unknown, what: string): void {
    if (typeof name !== 'string' || !/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(name)) {
      throw new TypeError(`${what}: '${String(name)}' is not a host name; expected letters, digits, '-' and '.'`);
    }
    if (this.hostsByName.has(name)) throw new RangeError(`${what}: there is a host '${name}' already`);
    const joint = this.jointsByName.get(name);
    if (joint !== undefined) throw new RangeError(`${what}: there is a ${joint instanceof Switch ? 'switch' : 'hub'} '${name}' already`);
  }

  private portOf(plug: Plug, name: string): Port {
    const end = typeof plug === 'string' ? this.byName(plug, name) : plug;
    if (end instanceof Host) {
      if (end.world !== this) throw new RangeError(`cable: ${name} is a host of another world`);
      return end.freeInterface().port;
    }
    if (end instanceof Switch || end instanceof Hub) {
      if (this.jointsByName.get(end.name) !== end) throw new RangeError(`cable: ${name} is a switch or a hub of another world`);
      return end.freePort();
    }
    const port = (end as { port?: unknown } | null | undefined)?.port;
    if (!(port instanceof Port)) throw new TypeError(`cable: ${name} is neither a host nor anything with a port`);
    return port;
  }

  private byName(text: string, name: string): Host | Switch | Hub {
    const found = this.hostsByName.get(text) ?? this.jointsByName.get(text);
    if (found !== undefined) return found;
    const known = [...this.hostsByName.keys(), ...this.jointsByName.keys()].slice(0, 20).join(', ');
    throw new RangeError(`cable: ${name}: there is no host, switch or hub '${text}'; there are ${known === '' ? 'none yet' : known}`);
  }

  /** The VLANs of a switch have changed: no loop may have come of it, and interfaces may be in other segments. */
  private rewire(): void {
    const trial = new Segments(new AddressPlan(), () => true);
    for (const joint of this.jointsByName.values()) trial.addJoint(joint, new Map());
    for (const cable of this.cableList) {
      trial.checkLoop(cable.a, cable.b, cable.name);
      trial.cabled(cable);
    }
    this.segments.rebuild(this.cableList);
  }

  /** `alice` for `alice` and for `alice.eth0`, `sw` for `sw.p1`. */
  private machineOf(where: string): string | null {
    const known = (name: string): boolean => this.hostsByName.has(name) || this.jointsByName.has(name);
    if (known(where)) return where;
    const name = where.slice(0, Math.max(0, where.lastIndexOf('.')));
    return known(name) ? name : null;
  }

  private ownerOf(port: Port): Host | null {
    return this.owners.get(port) ?? null;
  }
}

const OPTIONS: readonly string[] = ['seed', 'costs', 'mode', 'digest', 'epoch'];

function checkHosts(group: unknown, name: string): void {
  if (Array.isArray(group) && group.every((host) => host instanceof Host)) return;
  throw new TypeError(`partition: ${name}: expected an array of hosts such as [alice]`);
}
