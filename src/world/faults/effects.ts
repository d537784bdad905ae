/**
 * What each kind of fault does: checked first, then begun, then taken back.
 *
 *   from  inject.ts
 *   to    the part of the world that it concerns
 */
import type { Cable } from '../../fabric/cable.ts';
import { parseDirection } from '../../fabric/rules.ts';
import { checkCableWeather } from '../../fabric/sky.ts';
import { applyWeather, Weather } from '../../fabric/weather.ts';
import { EINTR, errnoNumber } from '../../lib/errno.ts';
import { Random } from '../../lib/random.ts';
import { formatDuration, NS_PER_MS, parseDuration, parseInteger, parseProbability } from '../../lib/units.ts';
import {
  CALL_DELAY, CALL_ERRNO, CALL_HANG, CALL_SHORT, CallFault as CallFaultInForce, CallFaults, type CallRule,
} from '../../syscall/faults.ts';
import { sysKill } from '../../syscall/socket.ts';
import { Timer } from '../../time/timer.ts';
import type { Host } from '../host.ts';
import type { Interface } from '../interface.ts';
import type { World } from '../world.ts';
import type {
  BootFault, CallFault, CardFault, ClockFault, CrashFault, CutFault, Fault, FaultKind, FlapFault, FreezeFault, KillFault,
  PartitionFault, StopFault, SwitchPortFault, SysctlFault, WeatherFault,
} from './fault.ts';
import type { Faults } from './inject.ts';

/** A fault that has been found in order. */
export interface Effect {
  /** For the log: `crash of db`. */
  readonly text: string;
  begin(forNs: number): void;
  /** Null: it is over as soon as it has begun. */
  readonly end: (() => void) | null;
}

interface Kind<F extends Fault> {
  /** Fields beside `kind`, `at` and `for`. */
  readonly options: readonly string[];
  /** It has no duration. */
  readonly instant: boolean;
  prepare(faults: Faults, world: World, fault: F, path: string): Effect;
}

type Kinds = { readonly [K in FaultKind]: Kind<Extract<Fault, { kind: K }>> };

// ---- names

function hostOf(world: World, name: unknown, path: string): Host {
  const host = world.hosts.find((h) => h.name === name);
  if (host === undefined) throw new RangeError(`${path}: there is no host '${String(name)}'; there are ${list(world.hosts)}`);
  return host;
}

function cableOf(world: World, name: unknown, path: string): Cable {
  const cable = world.cables.find((c) => c.name === name);
  if (cable === undefined) throw new RangeError(`${path}: cable: there is no cable '${String(name)}'; there are ${list(world.cables)}`);
  return cable;
}

function hostsOf(world: World, names: unknown, path: string): Host[] {
  if (!Array.isArray(names) || names.length === 0) throw new TypeError(`${path}: expected an array of host names`);
  return names.map((name) => hostOf(world, name, path));
}

function interfaceOf(host: Host, name: string | undefined, path: string): Interface {
  const itf = name === undefined ? host.interfaces[0] : host.interfaces.find((i) => i.name === name);
  if (itf === undefined) {
    throw new RangeError(`${path}: interface: ${host.name} has no '${name ?? 'card'}'; it has ${list(host.interfaces)}`);
  }
  return itf;
}

/** Names for an error, not too many. */
function list(things: readonly { readonly name: string }[]): string {
  const names = things.slice(0, 10).map((thing) => thing.name);
  if (things.length > names.length) names.push('…');
  return names.length === 0 ? 'none' : names.join(', ');
}

/** A fault that is on or off, however many say so. */
function onOff(faults: Faults, thing: object, kind: string, text: string, set: (on: boolean) => void): Effect {
  const me = {};
  return {
    text,
    begin: () => faults.layersOf<object>(thing, kind, switched(set)).push(me),
    end: () => faults.layersOf<object>(thing, kind, switched(set)).remove(me),
  };
}

/** Tells `set` when the first comes and when the last goes. */
function switched(set: (on: boolean) => void): (active: readonly object[]) => void {
  let was = false;
  return (active) => {
    const on = active.length > 0;
    if (on !== was) set(on);
    was = on;
  };
}

// ---- between hosts

function weather(faults: Faults, world: World, fault: WeatherFault, path: string): Effect {
  const cable = cableOf(world, fault.cable, path);
  const direction = parseDirection(fault.direction);
  checkCableWeather(fault.weather);
  const { ab: _ab, ba: _ba, ...both } = fault.weather;
  applyWeather(new Weather(), both); // a wrong one is found now
  const apply = layered(cable);
  return {
    text: `weather ${JSON.stringify(fault.weather)} on ${cable.name}${direction === 'both' ? '' : ` (${direction})`}`,
    begin: () => faults.layersOf(cable, 'weather', apply()).push(fault),
    end: () => faults.layersOf(cable, 'weather', apply()).remove(fault),
  };
}

/** The cable's weather before the first fault, and over it that of all faults, oldest first. */
function layered(cable: Cable): () => (active: readonly WeatherFault[]) => void {
  return () => {
    const ab = Object.assign(new Weather(), cable.ab.weather);
    const ba = Object.assign(new Weather(), cable.ba.weather);
    return (active) => {
      Object.assign(cable.ab.weather, ab);
      Object.assign(cable.ba.weather, ba);
      for (const { weather: now, direction } of active) cable.setWeather(now, direction);
    };
  };
}

function partition(_faults: Faults, world: World, fault: PartitionFault, path: string): Effect {
  const a = hostsOf(world, fault.a, `${path}: a`);
  const b = hostsOf(world, fault.b, `${path}: b`);
  const direction = parseDirection(fault.direction);
  const hold = fault.hold ?? false;
  const arrow = direction === 'both' ? '|' : direction === 'ab' ? '-x->' : '<-x-';
  let lift: (() => void) | null = null;
  return {
    text: `partition ${a.map((h) => h.name).join(',')} ${arrow} ${b.map((h) => h.name).join(',')}${hold ? ' (held)' : ''}`,
    begin: () => {
      const made = world.partition(a, b, { direction, hold });
      lift = (): void => made.lift();
    },
    end: () => lift?.(),
  };
}

function cut(faults: Faults, world: World, fault: CutFault, path: string): Effect {
  const cable = cableOf(world, fault.cable, path);
  return onOff(faults, cable, 'down', `cut of ${cable.name}`, (on) => cable.setUp(!on));
}

function flap(faults: Faults, world: World, fault: FlapFault, path: string): Effect {
  const cable = cableOf(world, fault.cable, path);
  const every = parseDuration(fault.every, `${path}: every`);
  const down = fault.down === undefined ? every / 2 : parseDuration(fault.down, `${path}: down`);
  if (!(down > 0 && down < every)) {
    throw new RangeError(`${path}: down: ${formatDuration(down)} is out of range; expected less than every, and more than 0`);
  }
  const { sim } = world.parts;
  const text = `flapping of ${cable.name}, ${formatDuration(down)} of ${formatDuration(every)}`;
  const cutOff = onOff(faults, cable, 'down', text, (on) => cable.setUp(!on));
  let isDown = false;
  // Without an end it must not keep a world running that has nothing else to do.
  const timer = new Timer(sim, null, () => {
    turn(!isDown);
  }, fault.for === undefined);
  const turn = (to: boolean): void => {
    isDown = to;
    if (to) cutOff.begin(0);
    else cutOff.end!();
    timer.mod(sim.now + (to ? down : every - down));
  };
  return {
    text,
    begin: () => turn(true),
    end: () => {
      if (isDown) cutOff.end!();
      isDown = false;
      timer.del();
    },
  };
}

function switchPort(faults: Faults, world: World, fault: SwitchPortFault, path: string): Effect {
  const sw = world.joints.find((joint) => joint.name === fault.switch);
  if (sw === undefined) throw new RangeError(`${path}: switch: there is no switch '${fault.switch}'; there are ${list(world.joints)}`);
  const number = parseInteger(fault.port, `${path}: port`, 1, sw.ports.length);
  const port = sw.port(number);
  const cable = world.cables.find((c) => c.a === port || c.b === port);
  if (cable === undefined) throw new RangeError(`${path}: port: nothing is plugged into port ${String(number)} of ${sw.name}`);
  return onOff(faults, cable, 'down', `port ${String(number)} of ${sw.name} down`, (on) => cable.setUp(!on));
}

// ---- cards

const CARD_FAULTS: readonly string[] = ['rx-stall', 'tx-hang', 'lost-interrupt', 'corrupt'];

function card(faults: Faults, world: World, fault: CardFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const itf = interfaceOf(host, fault.interface, path);
  if (!CARD_FAULTS.includes(fault.fault)) {
    throw new TypeError(`${path}: fault: '${String(fault.fault)}' is not known; expected one of ${CARD_FAULTS.join(', ')}`);
  }
  const count = parseInteger(fault.count ?? 1, `${path}: count`, 1);
  const rate = parseProbability(fault.rate ?? 1, `${path}: rate`);
  const broken = (): ReturnType<typeof itf.card.faults> => itf.card.faults(() => Random.stream(world.seed, `card:${itf.port.name}`));
  const text = `${fault.fault} of ${itf.port.name}`;
  if (fault.fault === 'lost-interrupt') {
    return { text, begin: () => void (broken().lostInterrupts += count), end: null };
  }
  return onOff(faults, itf.port, fault.fault, text, (on) => {
    if (fault.fault === 'rx-stall') broken().rxStalled = on;
    else if (fault.fault === 'corrupt') broken().corrupt = on ? rate : 0;
    else if (on) broken().txHung = true;
    else itf.card.unhang();
  });
}

// ---- hosts

function crash(faults: Faults, world: World, fault: CrashFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  return onOff(faults, host, 'crash', `crash of ${host.name}`, (on) => (on ? host.crash() : host.boot()));
}

function boot(_faults: Faults, world: World, fault: BootFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  return { text: `boot of ${host.name}`, begin: () => host.boot(), end: null };
}

function kill(_faults: Faults, world: World, fault: KillFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const { process } = fault;
  return {
    text: `kill of ${process ?? 'all processes'} on ${host.name}`,
    begin: () => {
      for (const p of [...host.kernel.stack.layer.processes]) if (process === undefined || p.name === process) sysKill(p);
    },
    end: null,
  };
}

function stop(faults: Faults, world: World, fault: StopFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  return onOff(faults, host, 'stop', `stop of the programs of ${host.name}`, (on) => (on ? host.stop() : host.resume()));
}

function freeze(_faults: Faults, world: World, fault: FreezeFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const { clock = 'runs' } = fault;
  if (fault.for === undefined) throw new TypeError(`${path}: for is missing: a frozen host goes on after a while`);
  if (clock !== 'runs' && clock !== 'stands') {
    throw new TypeError(`${path}: clock: '${String(clock)}' is not known; expected 'runs' or 'stands'`);
  }
  return {
    text: `freeze of ${host.name}`,
    begin: (forNs) => {
      host.pause(forNs / NS_PER_MS);
      if (clock === 'stands') host.clock.step(-forNs / NS_PER_MS);
    },
    end: () => undefined,
  };
}

function clock(_faults: Faults, world: World, fault: ClockFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const { step = 0, driftPpm } = fault;
  if (typeof step !== 'number' || !Number.isFinite(step)) throw new TypeError(`${path}: step: expected a number of milliseconds`);
  if (driftPpm !== undefined && !(driftPpm > -1e6 && driftPpm < 1e6)) {
    throw new RangeError(`${path}: driftPpm: ${String(driftPpm)} is out of range; expected millionths between -1000000 and 1000000`);
  }
  if (step === 0 && driftPpm === undefined) throw new TypeError(`${path}: nothing is wrong with the clock; expected step or driftPpm`);
  return {
    text: `clock of ${host.name} off by ${String(step)} ms${driftPpm === undefined ? '' : `, ${String(driftPpm)} ppm`}`,
    begin: () => {
      if (step !== 0) host.clock.step(step);
      if (driftPpm !== undefined) host.clock.drift(driftPpm);
    },
    end: () => { // as a time daemon sets it right
      host.clock.drift(0);
      host.clock.step(-host.clock.skewMs);
    },
  };
}

function sysctl(faults: Faults, world: World, fault: SysctlFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const { name, value } = fault;
  const now = host.sysctl(name);
  host.sysctl(name, value); // a wrong value is found now
  host.sysctl(name, now);
  const apply = (): ((active: readonly SysctlFault[]) => void) => {
    const before = host.sysctl(name);
    return (active) => void host.sysctl(name, active.at(-1)?.value ?? before);
  };
  return {
    text: `sysctl ${name} = ${String(value)} on ${host.name}`,
    begin: () => faults.layersOf(host, name, apply()).push(fault),
    end: () => faults.layersOf(host, name, apply()).remove(fault),
  };
}

// ---- socket calls

const CALLS: readonly string[] = ['socket', 'connect', 'accept', 'send', 'recv'];
/** A wake-up for nothing: so long until the next one, in nanoseconds. */
const SPURIOUS_NS = 1000;

function call(faults: Faults, world: World, fault: CallFault, path: string): Effect {
  const host = hostOf(world, fault.host, `${path}: host`);
  const rule = callRule(fault, path);
  let mine: { faults: CallFaults; fault: CallFaultInForce } | null = null;
  return {
    text: `${fault.call} of ${host.name}: ${describe(fault)}`,
    begin: () => {
      const { layer } = host.kernel.stack;
      const all = layer.faults ?? new CallFaults(layer, Random.stream(world.seed, `calls:${host.name}`), (hit, p) => {
        faults.tell(`strikes: ${hit.rule.call} of ${p} on ${host.name}`);
      });
      mine = { faults: all, fault: new CallFaultInForce(rule) };
      all.add(mine.fault);
    },
    end: () => mine?.faults.remove(mine.fault),
  };
}

function callRule(fault: CallFault, path: string): CallRule {
  if (!CALLS.includes(fault.call)) {
    throw new TypeError(`${path}: call: '${String(fault.call)}' is not known; expected one of ${CALLS.join(', ')}`);
  }
  const which = [fault.nth, fault.every, fault.rate].filter((x) => x !== undefined).length;
  if (which > 1) throw new TypeError(`${path}: nth, every and rate exclude each other`);
  const [effect, value] = callEffect(fault, path);
  return {
    call: fault.call,
    process: fault.process ?? null,
    port: fault.port === undefined ? 0 : parseInteger(fault.port, `${path}: port`, 1, 65535),
    nth: fault.nth === undefined ? 0 : parseInteger(fault.nth, `${path}: nth`, 1),
    every: fault.every === undefined ? 0 : parseInteger(fault.every, `${path}: every`, 1),
    rate: fault.rate === undefined ? 0 : parseProbability(fault.rate, `${path}: rate`),
    times: fault.times === undefined ? Infinity : parseInteger(fault.times, `${path}: times`, 1),
    effect,
    value,
  };
}

/** What happens to the call, and how much of it. */
function callEffect(fault: CallFault, path: string): readonly [number, number] {
  const { call: name, errno, short, delay, spurious, hang } = fault;
  const given = Object.entries({ errno, short, delay, spurious, hang }).filter(([, v]) => v !== undefined).map(([k]) => k);
  if (given.length !== 1) {
    const what = given.length === 0 ? 'nothing happens' : given.join(' and ');
    throw new TypeError(`${path}: ${what}; expected one of errno, short, delay, spurious, hang`);
  }
  const moves = name === 'send' || name === 'recv';
  const fits = errno !== undefined || (hang !== undefined ? name === 'connect' : short !== undefined ? moves : moves || name === 'accept');
  if (!fits) throw new TypeError(`${path}: ${given[0]!} means nothing for ${name}`);
  if (hang !== undefined) return [CALL_HANG, 0];
  if (short !== undefined) return [CALL_SHORT, parseInteger(short, `${path}: short`, 1)];
  if (spurious !== undefined) return [CALL_DELAY, SPURIOUS_NS];
  if (delay !== undefined) return [CALL_DELAY, parseDuration(delay, `${path}: delay`)];
  const number = errnoNumber(errno!);
  if (number === 0) throw new TypeError(`${path}: errno: '${String(errno)}' is not known; expected one such as 'EINTR'`);
  const always = fault.nth === undefined && fault.every === undefined && fault.times === undefined && (fault.rate ?? 1) === 1;
  if (number === EINTR && (always || fault.every === 1)) {
    throw new TypeError(`${path}: errno: interrupted each time never ends; expected nth, every above 1, rate below 1 or times`);
  }
  return [CALL_ERRNO, number];
}

function describe(fault: CallFault): string {
  const { errno, short, delay, hang } = fault;
  if (errno !== undefined) return errno;
  if (short !== undefined) return `at most ${String(short)} bytes`;
  if (delay !== undefined) return `nothing for ${String(delay)}`;
  return hang === true ? 'hangs' : 'woken for nothing';
}

// ---- all of them

const CALL_OPTIONS: readonly string[] = [
  'host', 'call', 'process', 'port', 'nth', 'every', 'rate', 'times', 'errno', 'short', 'delay', 'spurious', 'hang',
];

export const KINDS: Kinds = {
  weather: { options: ['cable', 'direction', 'weather'], instant: false, prepare: weather },
  partition: { options: ['a', 'b', 'direction', 'hold'], instant: false, prepare: partition },
  cut: { options: ['cable'], instant: false, prepare: cut },
  flap: { options: ['cable', 'every', 'down'], instant: false, prepare: flap },
  'switch-port': { options: ['switch', 'port'], instant: false, prepare: switchPort },
  card: { options: ['host', 'interface', 'fault', 'count', 'rate'], instant: false, prepare: card },
  crash: { options: ['host'], instant: false, prepare: crash },
  boot: { options: ['host'], instant: true, prepare: boot },
  kill: { options: ['host', 'process'], instant: true, prepare: kill },
  stop: { options: ['host'], instant: false, prepare: stop },
  freeze: { options: ['host', 'clock'], instant: false, prepare: freeze },
  clock: { options: ['host', 'step', 'driftPpm'], instant: false, prepare: clock },
  sysctl: { options: ['host', 'name', 'value'], instant: false, prepare: sysctl },
  call: { options: CALL_OPTIONS, instant: false, prepare: call },
};
