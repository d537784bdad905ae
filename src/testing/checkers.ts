/**
 * What is true of a world at the end of every scenario. A checker says what is wrong, in sentences; an empty list is well.
 */
import type { Lane } from '../fabric/lane.ts';
import { NS_PER_SEC } from '../lib/units.ts';
import { checkAllTcp, checkDrops, checkNoTcpLeft, checkNoUdpLeft, checkPool } from './invariants.ts';
import type { ScenarioWorld } from './scenario-world.ts';

/** Looks at a world that has come to rest. */
export type Checker = (w: ScenarioWorld) => string[];

/** TIME_WAIT, FIN_WAIT2 and everything else that ends by itself ends within this. */
const SETTLE_NS = 400 * NS_PER_SEC;

/** Each frame that went into a cable came out, or was dropped for a reason that is counted. */
export function conservation(w: Pick<ScenarioWorld, 'world'>): string[] {
  const bad: string[] = [];
  const look = (name: string, lane: Lane): void => {
    const { stats: s } = lane;
    const gone = s.delivered + s.lost + s.ruled + s.overflowed + s.cut + lane.flying;
    if (s.sent + s.duplicated !== gone) bad.push(`${name}: ${s.sent} sent + ${s.duplicated} duplicated, but ${gone} accounted for`);
  };
  for (const cable of w.world.cables) {
    look(`${cable.name} there`, cable.ab);
    look(`${cable.name} back`, cable.ba);
  }
  return bad;
}

/** Programs have closed what they opened; after TIME_WAIT no socket, port, timer, skb or page is left. */
export function noLeaks(w: ScenarioWorld): string[] {
  const bad: string[] = [];
  for (const host of w.hosts) {
    for (const p of host.processes) if (p.fds.open !== 0) bad.push(`${host.name}: ${p.fds.open} descriptors are open`);
  }
  w.runFor(SETTLE_NS);
  const { sim, pool } = w.world.parts;
  for (const host of w.hosts) {
    const { tcp, udp } = host.kernel.stack;
    for (const text of [...checkNoTcpLeft(tcp), ...checkNoUdpLeft(udp)]) bad.push(`${host.name}: ${text}`);
  }
  bad.push(...checkPool(pool));
  if (sim.live !== 0) bad.push(`${sim.live} timers are left`);
  return bad;
}

/** No queue has been longer than its limit. */
export function boundedQueues(w: ScenarioWorld): string[] {
  const bad: string[] = [];
  for (const cable of w.world.cables) {
    for (const lane of [cable.ab, cable.ba]) {
      const { maxQueued } = lane.stats;
      if (maxQueued > lane.weather.limit) bad.push(`${cable.name}: ${maxQueued} frames waited, limit ${lane.weather.limit}`);
    }
  }
  for (const host of w.hosts) {
    for (const { dev } of host.host.interfaces) {
      const { qdisc } = dev;
      // What the driver gives back (a super-packet cut into pieces) waits in front of the limit.
      if (qdisc !== null && qdisc.maxQlen > dev.txQueueLen + 64) bad.push(`${host.name}.${dev.name}: ${qdisc.maxQlen} packets waited`);
    }
  }
  return bad;
}

/** Every drop had a name. */
export function everyDropNamed(w: Pick<ScenarioWorld, 'world'>): string[] {
  return checkDrops(w.world.parts.pool);
}

/** What is true of each connection at any moment. */
export function invariants(w: ScenarioWorld): string[] {
  return w.hosts.flatMap((host) => checkAllTcp(host.kernel.stack.tcp).map((text) => `${host.name} ${text}`));
}
