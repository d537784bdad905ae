/**
 * Plans of faults: drawn from a seed, and cut down to what matters.
 *
 *   from  scenario tests, and users who search for the plan under which their program fails
 *   to    world.faults(plan)
 */
import type { Random } from '../lib/random.ts';
import type { Fault } from '../world/faults/fault.ts';
import type { World } from '../world/world.ts';

/** How a plan is drawn. Milliseconds of virtual time. */
export interface PlanOptions {
  /** How many faults. */
  readonly count: number;
  /** They begin within this time … */
  readonly withinMs: number;
  /** … and last at most so long, so that the weather clears. */
  readonly maxMs: number;
  /** Kinds to draw from; default: all that leave programs alive. */
  readonly kinds?: readonly Fault['kind'][];
  /** Cards may flip bits where no checksum looks: streams arrive whole, and with wrong bytes in them. Default false. */
  readonly corrupt?: boolean;
}

/** Kinds after which every transfer can still be finished by the programs that began it. */
export const SURVIVABLE: readonly Fault['kind'][] = [
  'weather', 'partition', 'cut', 'flap', 'card', 'stop', 'freeze', 'clock', 'sysctl', 'call',
];

/** Also those that streams die of: a host that loses power, and comes back with an empty memory. */
export const DEADLY: readonly Fault['kind'][] = [...SURVIVABLE, 'crash'];

/** Draws a plan for the hosts and cables of `world`. Equal chance, equal plan. */
export function randomFaults(world: World, random: Random, options: PlanOptions): Fault[] {
  const kinds = options.kinds ?? SURVIVABLE;
  const plan: Fault[] = [];
  for (let i = 0; i < options.count; i++) {
    const at = random.below(Math.max(1, options.withinMs));
    const time = { at, for: 1 + random.below(Math.max(1, options.maxMs)) };
    plan.push(draw(world, random, pick(random, kinds), time, options.corrupt === true));
  }
  return plan;
}

interface Time {
  readonly at: number;
  readonly for: number;
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

function draw(world: World, random: Random, kind: Fault['kind'], time: Time, corrupt: boolean): Fault {
  const host = pick(random, world.hosts).name;
  const cable = pick(random, world.cables).name;
  switch (kind) {
    case 'weather': return { kind, cable, direction: pick(random, ['ab', 'ba', 'both'] as const), weather: drawWeather(random), ...time };
    case 'partition':
      return {
        kind, ...drawGroups(world, random), direction: pick(random, ['ab', 'ba', 'both'] as const), hold: random.chance(0.3), ...time,
      };
    case 'cut': return { kind, cable, ...time };
    case 'flap': return { kind, cable, every: 20 + random.below(200), ...time };
    case 'card': return drawCard(random, host, time, corrupt);
    case 'crash': return { kind, host, ...time };
    case 'stop': return { kind, host, ...time };
    case 'freeze': return { kind, host, clock: pick(random, ['runs', 'stands'] as const), ...time };
    case 'clock': return { kind, host, step: random.below(20000) - 10000, driftPpm: random.below(1000) - 500, ...time };
    case 'sysctl': return { kind, host, ...pick(random, SETTINGS), ...time };
    case 'call': return drawCall(random, host, time);
    default: throw new TypeError(`randomFaults: kinds: '${kind}' cannot be drawn`);
  }
}

function drawWeather(random: Random): Extract<Fault, { kind: 'weather' }>['weather'] {
  return pick(random, [
    { loss: random.below(300) / 1000 },
    { loss: { p: 0.02, r: 0.3 } },
    { delay: random.below(80), jitter: random.below(20), ordered: false },
    { duplicate: random.below(100) / 1000, delay: random.below(10) },
    { corrupt: random.below(50) / 1000 },
    { rate: '2mbit', limit: 5 + random.below(20) },
  ]);
}

function drawGroups(world: World, random: Random): { a: string[]; b: string[] } {
  const names = world.hosts.map((h) => h.name);
  const a = names.filter(() => random.chance(0.5));
  const b = names.filter((name) => !a.includes(name));
  return a.length === 0 || b.length === 0 ? { a: [names[0]!], b: names.length > 1 ? names.slice(1) : [names[0]!] } : { a, b };
}

/** `corrupt` when it is wanted alone: bits that no checksum shows are a fault that no stream survives unharmed. */
function drawCard(random: Random, host: string, time: Time, corrupt: boolean): Fault {
  const fault = pick(random, ['rx-stall', 'tx-hang', 'lost-interrupt', ...(corrupt ? ['corrupt'] as const : [])] as const);
  if (fault === 'corrupt') return { kind: 'card', host, fault, rate: (1 + random.below(20)) / 100, ...time };
  const base = { kind: 'card', host, fault, ...time } as const;
  return fault === 'lost-interrupt' ? { ...base, count: 1 + random.below(5) } : base;
}

const SETTINGS: readonly { readonly name: string; readonly value: number | readonly number[] }[] = [
  { name: 'net.ipv4.tcp_rmem', value: [4096, 8192, 16384] },
  { name: 'net.ipv4.tcp_wmem', value: [4096, 4096, 8192] },
  { name: 'net.core.netdev_budget', value: 2 },
  { name: 'net.ipv4.tcp_sack', value: 0 },
];

function drawCall(random: Random, host: string, time: Time): Fault {
  const which = random.chance(0.5) ? { every: 2 + random.below(9) } : { rate: 0.05 + random.below(30) / 100 };
  const base = { kind: 'call', host, ...which, ...time } as const;
  return pick(random, [
    { ...base, call: 'recv', short: 1 + random.below(100) },
    { ...base, call: 'send', short: 1 + random.below(1000) },
    { ...base, call: 'recv', errno: 'EINTR' },
    { ...base, call: 'send', errno: 'EINTR' },
    { ...base, call: 'recv', spurious: true },
    { ...base, call: 'accept', delay: 1 + random.below(50) },
  ] as const);
}

/** How often a plan is tried while it is being cut down. */
export const SHRINK_MAX_RUNS = 500;

/**
 * The smallest part of `plan` that still fails, by leaving faults out (delta debugging, Zeller and Hildebrandt 2002): no fault of
 * it can be left out alone. `fails` runs a fresh world under a plan and says whether what is looked for happens.
 */
export async function shrinkFaults(
  plan: readonly Fault[], fails: (plan: readonly Fault[]) => boolean | Promise<boolean>,
): Promise<Fault[]> {
  let runs = 0;
  const test = async (candidate: readonly Fault[]): Promise<boolean> => runs++ < SHRINK_MAX_RUNS && await fails(candidate);
  if (!await test(plan)) throw new Error('shrinkFaults: the whole plan does not fail');
  let best = [...plan];
  for (let parts = 2; best.length > 0;) {
    const size = Math.max(1, Math.ceil(best.length / parts));
    const smaller = await without(best, size, test);
    if (smaller !== null) {
      best = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      return best;
    } else {
      parts = Math.min(best.length, parts * 2);
    }
  }
  return best;
}

/** The first plan without one of its parts of `size` faults that still fails. */
async function without(plan: readonly Fault[], size: number, test: (plan: readonly Fault[]) => Promise<boolean>): Promise<Fault[] | null> {
  for (let at = 0; at < plan.length; at += size) {
    const candidate = [...plan.slice(0, at), ...plan.slice(at + size)];
    if (await test(candidate)) return candidate;
  }
  return null;
}
