/** Random cases of the receiving side: segments in and out of order, slow and quick readers, windows that fill. */
import type { Random } from '../../src/lib/random.ts';
import type { Case } from './case.ts';
import { between, pick } from './choose.ts';
import { Peer, openPassive } from './peer.ts';

export function receiveCase(random: Random, name: string): Case {
  const peer = new Peer(random);
  const { steps } = peer;
  const before: string[] = [];
  if (random.chance(0.3)) before.push(`set 3 SOL_SOCKET SO_RCVBUF ${pick(random, [2000, 4000, 8000, 20000, 60000])}`);
  if (random.chance(0.1)) before.push(`set 3 SOL_TCP TCP_WINDOW_CLAMP ${pick(random, [3000, 8000, 20000])}`);
  openPassive(peer, before);
  if (random.chance(0.1)) steps.push('set 4 SOL_TCP TCP_QUICKACK 0');
  const size = pick(random, [100, 536, 1000, 1448, 1460]);
  for (let i = between(random, 4, 16); i > 0; i--) action(random, peer, size);
  steps.push(random.chance(0.5) ? 'close 4' : 'info 4', 'wait 150');
  return { name, ip: random.chance(0.2) ? 6 : 4, isn: pick(random, [1000, 4294966000]), sysctl: settings(random), steps };
}

function settings(random: Random): Record<string, string | number> {
  const s: Record<string, string | number> = {};
  if (random.chance(0.15)) s['net.ipv4.tcp_rmem'] = pick(random, ['4096 16384 65536', '4096 540000 15728640', '4096 8192 1000000']);
  if (random.chance(0.1)) s['net.ipv4.tcp_dsack'] = 0;
  if (random.chance(0.1)) s['net.ipv4.tcp_shrink_window'] = 1;
  // Compressed ACKs depend on microseconds; they have a suite of their own.
  s['net.ipv4.tcp_comp_sack_nr'] = 0;
  return s;
}

function action(random: Random, peer: Peer, size: number): void {
  const { steps } = peer;
  const roll = random.float();
  if (roll < 0.3) {
    for (let n = between(random, 1, 4); n > 0; n--) peer.data(size, random.chance(0.2));
  } else if (roll < 0.4) {
    peer.skip(size * between(random, 1, 2));
  } else if (roll < 0.5) {
    peer.fill();
  } else if (roll < 0.57) {
    peer.again(size);
  } else if (roll < 0.75) {
    steps.push(`read 4 ${pick(random, [100, 1000, 4000, 100000])}`);
  } else if (roll < 0.8) {
    peer.written(pick(random, [1, 500]));
  } else if (roll < 0.83) {
    peer.ack();
  } else if (roll < 0.87) {
    steps.push('info 4');
  } else {
    steps.push(`wait ${pick(random, [20, 30, 70, 150])}`);
  }
}
