/** What the two ends and the path of a case are like, drawn by chance; half of the faults are off in each (swarm testing). */
import type { Random } from '../../../src/lib/random.ts';
import { pick } from '../choose.ts';

/** Sets of sysctls; each gets a namespace of its own. */
export const PROFILES: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  plain: {},
  bulk: { 'net.ipv4.tcp_wmem': '4096 262144 4194304', 'net.ipv4.tcp_slow_start_after_idle': 0 },
  norack: { 'net.ipv4.tcp_early_retrans': 0, 'net.ipv4.tcp_recovery': 0 },
  nofrto: { 'net.ipv4.tcp_frto': 0, 'net.ipv4.tcp_reordering': 5, 'net.ipv4.tcp_min_tso_segs': 4, 'net.ipv4.tcp_tso_win_divisor': 0 },
  norackdup: { 'net.ipv4.tcp_recovery': 5, 'net.ipv4.tcp_autocorking': 0, 'net.ipv4.tcp_limit_output_bytes': 20000 },
  static: { 'net.ipv4.tcp_recovery': 3, 'net.ipv4.tcp_rto_min_us': 100000, 'net.ipv4.tcp_max_reordering': 6 },
  ecn: { 'net.ipv4.tcp_ecn': 1 },
  thin: { 'net.ipv4.tcp_thin_linear_timeouts': 1, 'net.ipv4.tcp_dsack': 0, 'net.ipv4.tcp_min_tso_segs': 1 },
  probing: { 'net.ipv4.tcp_mtu_probing': 2, 'net.ipv4.tcp_base_mss': 700 },
};

/** Set in all of them, whatever the machine's own are. */
const EVERYWHERE = {
  'net.ipv4.tcp_wmem': '4096 65536 4194304',
  'net.ipv4.tcp_rmem': '4096 131072 6291456',
};

export function profileSysctls(name: string): Record<string, string | number> {
  return { ...EVERYWHERE, ...PROFILES[name] };
}

/** What the peer and the path are like. */
export class Temper {
  readonly rttUs: number;
  readonly mss: number;
  readonly ws: number | null;
  readonly sack: boolean;
  readonly ts: boolean;
  readonly cc: string;
  readonly spacingUs: number;
  readonly loss: number;
  readonly reorder: number;
  readonly ackLoss: number;
  readonly double: number;
  readonly lies: number;
  readonly ackEvery: number;
  readonly winSegs: number;
  readonly winMoves: number;
  readonly ce: number;

  constructor(random: Random, profile: string) {
    this.rttUs = pick(random, [20, 30, 50, 80, 100, 150]) * 1000;
    this.mss = pick(random, [1000, 1460, 1460, 536, 1200, 100, 1400, 9000]);
    this.ws = random.chance(0.1) ? null : pick(random, [7, 7, 7, 0, 2, 4, 10, 14]);
    this.sack = random.chance(0.8);
    this.ts = random.chance(0.4);
    this.cc = pick(random, ['cubic', 'cubic', 'reno']);
    this.spacingUs = pick(random, [350, 1350, 1350, 3000]);
    const swarm = (p: number): number => (random.chance(0.5) ? 0 : random.float() * p);
    this.loss = swarm(0.3);
    this.reorder = swarm(0.3);
    this.ackLoss = swarm(0.3);
    this.double = swarm(0.2);
    this.lies = swarm(0.2);
    this.ackEvery = pick(random, [1, 1, 2, 4]);
    this.winSegs = pick(random, [4, 10, 30, 60, 200, 1000]);
    this.winMoves = random.chance(0.75) ? 0 : random.float() * 0.2;
    this.ce = profile === 'ecn' ? swarm(0.3) : 0;
  }
}
