/** A port of a switch: its VLANs, its queue, its state, and what it counts. */
import { checkOptions, parseInteger, parseRate, type Rate } from '../lib/units.ts';
import type { Simulation } from '../time/simulation.ts';
import { Egress } from './egress.ts';
import { Port } from './port.ts';
import { parsePortVlans, PORT_VLAN_OPTIONS, PortVlans, type PortVlanOptions } from './port-vlans.ts';
import type { StpPort } from './stp-port.ts';

/** Frames that may wait at a port, and its rate, unless said otherwise. */
export const DEFAULT_PORT_QUEUE = 1000;
export const DEFAULT_PORT_RATE = 10e9;

/** States of a port (IEEE 802.1D-1998 §8.4); without STP a port forwards. */
export const BR_STATE_DISABLED = 0;
export const BR_STATE_LISTENING = 1;
export const BR_STATE_LEARNING = 2;
export const BR_STATE_FORWARDING = 3;
export const BR_STATE_BLOCKING = 4;

export const BR_STATE_NAMES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];

/** What a user may say about a port of a switch. What is left out stays as it is. */
export interface SwitchPortOptions extends PortVlanOptions {
  /** Bits per second at which frames leave; 0 = at once. Default 10 Gbit/s. */
  readonly rate?: Rate;
  /** Frames that may wait for the rate. Default 1000. */
  readonly queue?: number;
  /** STP: nobody but hosts is here, so it forwards at once, until a BPDU comes. Default false. */
  readonly edge?: boolean;
  /** STP: the cost of the way to the root by this port. Default: by the rate (IEEE 802.1D-1998 table 8-5). */
  readonly cost?: number;
  /** STP: 0 to 240 in steps of 16. Default 128. */
  readonly priority?: number;
}

export const SWITCH_PORT_OPTIONS: readonly string[] = [...PORT_VLAN_OPTIONS, 'rate', 'queue', 'edge', 'cost', 'priority'];

/** What a port counted. */
export class SwitchPortStats {
  rxFrames = 0;
  rxBytes = 0;
  txFrames = 0;
  txBytes = 0;
  /** Bad check sequence, too long, too short, a group as the source. */
  rxErrors = 0;
  /** Not let in or not handed on: VLAN, state of the port, nowhere to go. */
  rxFiltered = 0;
  /** Frames of this port that went to all others, for want of an entry. */
  flooded = 0;
}

/** What a port asks its switch for. */
export interface SwitchPortOwner {
  readonly name: string;
  /** The VLANs of the port have changed. Throws when that must not be. */
  vlansChanged(port: SwitchPort): void;
  linkChanged(up: boolean, port: Port): void;
}

export class SwitchPort extends Port {
  readonly number: number;
  readonly egress: Egress;
  readonly stats: SwitchPortStats = new SwitchPortStats();
  /** Its side of the spanning tree; null without STP. */
  stp: StpPort | null = null;
  /** BR_STATE_* */
  state: number = BR_STATE_FORWARDING;
  edge = false;
  /** 0: by the rate. */
  pathCost = 0;
  priority = 128;
  private current: PortVlans = PortVlans.ACCESS_DEFAULT;
  private readonly home: SwitchPortOwner;

  /** Made by its switch. */
  constructor(sim: Simulation, home: SwitchPortOwner, number: number) {
    super(`${home.name}.p${String(number)}`);
    this.home = home;
    this.number = number;
    this.egress = new Egress(sim, this, DEFAULT_PORT_RATE, DEFAULT_PORT_QUEUE);
  }

  /** Itself: what a cable is plugged into. */
  get port(): Port {
    return this;
  }

  get vlans(): PortVlans {
    return this.current;
  }

  /**
   * Changes the port: its VLANs (when any of these options is given), rate, queue, STP.
   *
   * @throws TypeError, RangeError that name the option; a RangeError when the VLANs would close a loop. Nothing changes then.
   */
  configure(options: SwitchPortOptions): void {
    checkOptions(options, SWITCH_PORT_OPTIONS, `port ${this.name}`);
    const rate = options.rate === undefined ? this.egress.rate : options.rate === 0 ? 0 : parseRate(options.rate, 'rate');
    const queue = parseInteger(options.queue ?? this.egress.limit, 'queue', 1);
    const cost = parseInteger(options.cost ?? this.pathCost, 'cost', 0, 0xffffffff);
    const priority = parseInteger(options.priority ?? this.priority, 'priority', 0, 240);
    if (priority % 16 !== 0) throw new RangeError(`priority: ${String(priority)} is not a multiple of 16`);
    const edge = options.edge ?? this.edge;
    if (typeof edge !== 'boolean') throw new TypeError(`edge: ${String(edge)} is not understood; expected true or false`);
    if (PORT_VLAN_OPTIONS.some((name) => Object.hasOwn(options, name))) this.setVlans(parsePortVlans(options));
    this.egress.rate = rate;
    this.egress.limit = queue;
    this.pathCost = cost;
    this.priority = priority;
    this.edge = edge;
  }

  /** @internal Tells the switch; what it refuses is undone. */
  setVlans(vlans: PortVlans): void {
    const before = this.current;
    this.current = vlans;
    try {
      this.home.vlansChanged(this);
    } catch (error) {
      this.current = before;
      throw error;
    }
  }
}
