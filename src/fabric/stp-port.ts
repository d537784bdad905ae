/** The spanning tree's side of a switch port (IEEE 802.1D-1998 §8.5.5): what the best BPDU heard there said, and three timers. */
import type { Simulation } from '../time/simulation.ts';
import { Timer } from '../time/timer.ts';
import type { SwitchPort } from './switch-port.ts';

/** Table 8-5: what a way by a port of this rate costs. */
const COSTS: readonly (readonly [number, number])[] = [[10e9, 2], [1e9, 4], [100e6, 19], [16e6, 62], [10e6, 100]];
const SLOWEST = 250;

/** What the timers of a port do when they fire. */
export interface StpPortTimers {
  messageAgeExpired(port: StpPort): void;
  forwardDelayExpired(port: StpPort): void;
  holdExpired(port: StpPort): void;
}

export class StpPort {
  readonly port: SwitchPort;
  designatedRoot = '';
  designatedCost = 0;
  designatedBridge = '';
  designatedPort = 0;
  topologyChangeAck = false;
  configPending = false;
  /** Forwards from the start; ends with the first BPDU. */
  operEdge = false;
  /** When the information was recorded, and how old it was then: nanoseconds. */
  recordedAt = 0;
  recordedAge = 0;
  readonly messageAge: Timer;
  readonly forwardDelay: Timer;
  readonly hold: Timer;

  constructor(sim: Simulation, port: SwitchPort, timers: StpPortTimers) {
    this.port = port;
    this.messageAge = new Timer(sim, null, () => timers.messageAgeExpired(this), true);
    this.forwardDelay = new Timer(sim, null, () => timers.forwardDelayExpired(this), true);
    this.hold = new Timer(sim, null, () => timers.holdExpired(this), true);
  }

  /** Four bits of priority, twelve of number (the split of IEEE 802.1t: 802.1D-1998 has room for 255 ports only). */
  get id(): number {
    return ((this.port.priority >> 4) << 12) | this.port.number;
  }

  get pathCost(): number {
    const { pathCost, egress } = this.port;
    if (pathCost !== 0) return pathCost;
    return COSTS.find(([rate]) => egress.rate === 0 || egress.rate >= rate)?.[1] ?? SLOWEST;
  }
}
