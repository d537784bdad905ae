/**
 * Partitions of a world: who does not hear whom, until each is lifted.
 *
 *   from  world/world.ts    partition, heal; faults
 *   to    fabric/wall.ts    a barrier before each machine that is concerned
 */
import { parseDirection, type Direction } from '../fabric/rules.ts';
import { Barrier, Wall } from '../fabric/wall.ts';
import { checkOptions } from '../lib/units.ts';
import type { Simulation } from '../time/simulation.ts';
import type { Host } from './host.ts';

export interface PartitionOptions {
  /** `'ab'`: only what goes from `a` to `b` is stopped; `'ba'`: the other way. Default `'both'`. */
  readonly direction?: Direction;
  /** What is stopped is held, and goes on when the partition ends. Default false: it is lost. */
  readonly hold?: boolean;
}

/** A partition in force. Ends with its scope, at `lift()`, or with `world.heal()`. */
export class Partition {
  private readonly partitions: Partitions;
  private readonly barriers: readonly { readonly host: Host; readonly barrier: Barrier }[];

  /** Made by `world.partition`. */
  constructor(partitions: Partitions, barriers: readonly { readonly host: Host; readonly barrier: Barrier }[]) {
    this.partitions = partitions;
    this.barriers = barriers;
    for (const { host, barrier } of barriers) partitions.raise(host, barrier);
  }

  get active(): boolean {
    return this.partitions.active.has(this);
  }

  /** Ends it; what was held goes on. No harm when it has ended. */
  lift(): void {
    if (!this.partitions.active.delete(this)) return;
    for (const { host, barrier } of this.barriers) this.partitions.lower(host, barrier);
  }

  [Symbol.dispose](): void {
    this.lift();
  }
}

export class Partitions {
  readonly active: Set<Partition> = new Set();
  private readonly sim: Simulation;
  private readonly walls: Map<Host, Wall> = new Map();

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  make(a: readonly Host[], b: readonly Host[], options: PartitionOptions): Partition {
    checkOptions(options, ['direction', 'hold'], 'partition');
    const direction = parseDirection(options.direction);
    const hold: unknown = options.hold ?? false;
    if (typeof hold !== 'boolean') throw new TypeError(`partition: hold: ${String(hold)} is not understood; expected true or false`);
    const barriers: { host: Host; barrier: Barrier }[] = [];
    const deafen = (hosts: readonly Host[], to: readonly Host[]): void => {
      for (const host of hosts) {
        const stations = new Set(to.filter((other) => other !== host).map((other) => other.station));
        barriers.push({ host, barrier: new Barrier(stations, hold) });
      }
    };
    if (direction !== 'ab') deafen(a, b);
    if (direction !== 'ba') deafen(b, a);
    const partition = new Partition(this, barriers);
    this.active.add(partition);
    return partition;
  }

  /** The wall before a host, for a new interface of it. */
  wallOf(host: Host): Wall | null {
    return this.walls.get(host) ?? null;
  }

  raise(host: Host, barrier: Barrier): void {
    let wall = this.walls.get(host);
    if (wall === undefined) this.walls.set(host, wall = new Wall());
    wall.add(barrier);
    for (const itf of host.interfaces) itf.port.wall = wall;
  }

  lower(host: Host, barrier: Barrier): void {
    const wall = this.walls.get(host)!;
    wall.remove(barrier);
    if (wall.open) {
      this.walls.delete(host);
      for (const itf of host.interfaces) itf.port.wall = null;
    }
    barrier.release(this.sim.now);
  }

  heal(): void {
    for (const partition of [...this.active]) partition.lift();
  }
}
