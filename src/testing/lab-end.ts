/**
 * The end of every lab: what the test left is cleared away as a real host and a real peer would, and then nothing may be
 * there any more.
 */
import { NS_PER_SEC } from '../lib/units.ts';
import { buildPacket } from '../wire/segment-build.ts';
import { sysKill } from '../syscall/socket.ts';
import { checkDrops, checkNoTcpLeft, checkNoUdpLeft, checkPool } from './invariants.ts';
import type { LabCore } from './lab-core.ts';
import { LabFailure, type Place } from './lab-trace.ts';
import { parsePacket } from './segment-notation.ts';

/** Beyond TIME_WAIT, FIN_WAIT2 and the longest life of a half-open request. */
const SETTLE_NS = 400 * NS_PER_SEC;

/** Fails when the test left something unsaid, or when the host does not come to rest. */
export function finishLab(core: LabCore, place: Place): void {
  core.host.runTasks();
  core.nothingSent(place, 'the end of the test');
  core.checkSockets(place);
  const { host } = core;
  host.wire.onFrame = (): void => undefined;
  sysKill(host.process);
  host.runTasks();
  for (const tp of host.tcpSocks()) {
    // The peer has lost interest: an acceptable RST ends what the process left behind.
    host.wire.injectIp(buildPacket(parsePacket('R 0:0(0)'), {
      saddr: tp.daddr, daddr: tp.saddr, sport: tp.dport, dport: tp.num, seqBase: tp.rcvNxt,
      v6: tp.v6Daddr === null ? undefined : { saddr: tp.v6Daddr, daddr: tp.v6Saddr! },
    }));
  }
  core.advance(core.nowNs + SETTLE_NS);
  const bad = [...checkNoTcpLeft(host.tcp), ...checkNoUdpLeft(host.kernel.stack.udp), ...checkPool(host.pool), ...checkDrops(host.pool)];
  if (host.sim.live !== 0) bad.push(`${host.sim.live} timers are left`);
  if (bad.length > 0) throw new LabFailure(core.trace.story(place, null, [], `after the end of the test: ${bad.join('; ')}`));
}
