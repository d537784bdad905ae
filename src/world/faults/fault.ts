/**
 * A fault: one type for everything that can go wrong in a world. Plain data, so that a plan of faults can be written down as
 * JSON, replayed, and cut down to what matters.
 *
 *     { kind: 'crash', host: 'db', at: '2s', for: '500ms' }              power is gone, and back half a second later
 *     { kind: 'partition', a: ['n1'], b: ['n2', 'n3'], at: '1s', for: '30s', hold: true }
 *     { kind: 'call', host: 'web', call: 'recv', port: 80, every: 10, short: 1 }
 *
 *   read by   inject.ts   makes it happen
 */
import type { Direction } from '../../fabric/rules.ts';
import type { CableWeather } from '../../fabric/weather.ts';
import type { SysctlValue } from '../../host/sysctl.ts';
import type { Duration } from '../../lib/units.ts';
import type { FaultCall } from '../../syscall/faults.ts';

/** When: from `at` (virtual time of the world; default: now), for so long (default: until it is lifted). */
export interface FaultTime {
  readonly at?: Duration;
  readonly for?: Duration;
}

/** The weather of a cable is another one for a while. */
export interface WeatherFault extends FaultTime {
  readonly kind: 'weather';
  /** By its name, such as `'alice.eth0~bob.eth0'`. */
  readonly cable: string;
  readonly direction?: Direction;
  readonly weather: CableWeather;
}

/** Two groups of hosts do not hear each other. */
export interface PartitionFault extends FaultTime {
  readonly kind: 'partition';
  readonly a: readonly string[];
  readonly b: readonly string[];
  /** `'ab'`: only what goes from `a` to `b` is concerned. Default `'both'`. */
  readonly direction?: Direction;
  /** What cannot pass is held, and delivered when the partition ends. Default: it is lost. */
  readonly hold?: boolean;
}

/** A cable is pulled. Both ends see the link go; plugged in again when it ends. */
export interface CutFault extends FaultTime {
  readonly kind: 'cut';
  readonly cable: string;
}

/** A cable comes and goes: down for `down` in each `every`, beginning with it. */
export interface FlapFault extends FaultTime {
  readonly kind: 'flap';
  readonly cable: string;
  readonly every: Duration;
  /** Default: half of `every`. */
  readonly down?: Duration;
}

/** A port of a switch is switched off. */
export interface SwitchPortFault extends FaultTime {
  readonly kind: 'switch-port';
  readonly switch: string;
  /** Counted from 1, as on its front. */
  readonly port: number;
}

/** A network card goes wrong. */
export interface CardFault extends FaultTime {
  readonly kind: 'card';
  readonly host: string;
  /** Default: the first. */
  readonly interface?: string;
  /**
   * `'rx-stall'`: the receive engine stands still. `'tx-hang'`: the transmit engine does, until the driver's watchdog resets the
   * card. `'lost-interrupt'`: `count` interrupts get lost. `'corrupt'`: bits flip behind the card's check, with probability `rate` per
   * frame: no checksum shows it.
   */
  readonly fault: 'rx-stall' | 'tx-hang' | 'lost-interrupt' | 'corrupt';
  readonly count?: number;
  readonly rate?: number;
}

/** Power loss; with `for`, the host boots again after it. */
export interface CrashFault extends FaultTime {
  readonly kind: 'crash';
  readonly host: string;
}

/** A crashed host boots. */
export interface BootFault extends Pick<FaultTime, 'at'> {
  readonly kind: 'boot';
  readonly host: string;
}

/** A process is killed (SIGKILL): its descriptors are closed, as Linux does. */
export interface KillFault extends Pick<FaultTime, 'at'> {
  readonly kind: 'kill';
  readonly host: string;
  /** By name; `'node'` is the one of the runtime's own sockets. Default: all. */
  readonly process?: string;
}

/** The programs of a host are stopped (SIGSTOP); its kernel goes on. */
export interface StopFault extends FaultTime {
  readonly kind: 'stop';
  readonly host: string;
}

/** The whole host stands still, as a virtual machine that is frozen. */
export interface FreezeFault extends FaultTime {
  readonly kind: 'freeze';
  readonly host: string;
  readonly for: Duration;
  /** `'stands'`: its wall clock stood, too, and is slow afterwards. Default `'runs'`. */
  readonly clock?: 'runs' | 'stands';
}

/** The wall clock of a host is wrong. */
export interface ClockFault extends FaultTime {
  readonly kind: 'clock';
  readonly host: string;
  /** Milliseconds that it jumps ahead (below zero: back). */
  readonly step?: number;
  /** Millionths by which it runs fast (below zero: slow). */
  readonly driftPpm?: number;
}

/** A setting is another one for a while: small buffers, few ports, a full table. */
export interface SysctlFault extends FaultTime {
  readonly kind: 'sysctl';
  readonly host: string;
  readonly name: string;
  readonly value: SysctlValue;
}

/** Socket calls of a host go wrong. Which: all that fit, the `nth`, each `every`-th, or each with probability `rate`. */
export interface CallFault extends FaultTime {
  readonly kind: 'call';
  readonly host: string;
  readonly call: FaultCall;
  readonly process?: string;
  /** Only sockets with this port, at either end. */
  readonly port?: number;
  readonly nth?: number;
  readonly every?: number;
  readonly rate?: number;
  /** Strikes so often at most. */
  readonly times?: number;
  // ---- what happens: one of these
  /** The call fails: `'EINTR'`, `'ENOBUFS'`, `'EMFILE'`, `'ECONNREFUSED'`… */
  readonly errno?: string;
  /** At most so many bytes are moved (send, recv of streams). */
  readonly short?: number;
  /** Nothing is found for so long, whatever is there (accept, send, recv). */
  readonly delay?: Duration;
  /** A wake-up for nothing: EAGAIN, and ready again at once. */
  readonly spurious?: true;
  /** The connection hangs: its SYNs are lost in the host (connect). */
  readonly hang?: true;
}

export type Fault =
  | WeatherFault | PartitionFault | CutFault | FlapFault | SwitchPortFault | CardFault | CrashFault | BootFault | KillFault
  | StopFault | FreezeFault | ClockFault | SysctlFault | CallFault;
export type FaultKind = Fault['kind'];
