/**
 * Makes a case of a seed: a host that writes, a path that loses, delays, reorders and doubles, and a peer that acknowledges what
 * comes, not always honestly. What comes out is a plain list of steps, to be repeated anywhere.
 */
import { Random } from '../../../src/lib/random.ts';
import { between, pick } from '../choose.ts';
import type { Case, Option, PeerSegment } from './case.ts';
import { Play } from './play.ts';
import { Rig } from './rig.ts';
import { profileSysctls, Temper } from './temper.ts';

const [SYN, ECE, CWR] = [2, 64, 128];
const SOL_TCP = 6;
const [TCP_NODELAY, TCP_CORK, TCP_CONGESTION, TCP_NOTSENT_LOWAT] = [1, 3, 13, 25];
const [SOL_SOCKET, SO_SNDBUF] = [1, 7];
const [MSG_MORE, MSG_EOR] = [0x8000, 0x80];
/** The longest case, microseconds. */
const LONGEST_US = 12e6;

/** The writes and options of the application. */
function application(play: Play, random: Random, temper: Temper, fromUs: number): void {
  let at = fromUs;
  const writes = pick(random, [1, 1, 2, 3, 5, 8, 15]);
  const big = random.chance(0.6);
  for (let i = 0; i < writes; i++) {
    const len = big ? between(random, 1, 30) * temper.mss + pick(random, [0, 0, 1, -1, 300]) : between(random, 1, 3 * temper.mss);
    const flags = random.chance(0.08) ? MSG_MORE : random.chance(0.05) ? MSG_EOR : 0;
    play.at(at, () => play.step('write', Math.max(1, Math.min(len, 200000)), flags));
    if (random.chance(0.04)) play.at(at + 50, () => play.step('opt', SOL_TCP, TCP_CORK, between(random, 0, 1)));
    if (random.chance(0.04)) play.at(at + 50, () => play.step('opt', SOL_TCP, TCP_NODELAY, between(random, 0, 1)));
    at += pick(random, [400, 400, 5000, temper.rttUs / 2, temper.rttUs, temper.rttUs * 3, 700000]);
  }
  if (random.chance(0.2)) play.at(at, () => play.step('shutdown', 1));
  if (random.chance(0.12)) play.at(fromUs + between(random, 1, 300) * 1000, () => play.frag(pick(random, [1400, 1000, 576, 1280, 200])));
  for (let i = 0; i < 4; i++) play.at(fromUs + between(random, 1, 3000) * 1000, () => play.look());
}

/** The case of a seed, under the sysctls of a profile. */
export function generate(seed: number, profile: string): Case {
  const random = new Random(seed * 1_000_003);
  const temper = new Temper(random, profile);
  const options: Option[] = [[SOL_TCP, TCP_CONGESTION, temper.cc]];
  if (random.chance(0.3)) options.push([SOL_TCP, TCP_NODELAY, 1]);
  if (random.chance(0.1)) options.push([SOL_SOCKET, SO_SNDBUF, pick(random, [2000, 10000, 50000])]);
  if (random.chance(0.1)) options.push([SOL_TCP, TCP_NOTSENT_LOWAT, pick(random, [1, 4000, 30000])]);
  const c: Case = { id: seed, v: random.chance(0.15) ? 6 : 4, sysctl: profileSysctls(profile), options, steps: [] };
  const rig = new Rig(c, seed);
  try {
    const play = new Play(rig, random, temper, c.v === 6);
    const ecn = profile === 'ecn' && random.chance(0.8) ? ECE | CWR : 0;
    const syn: PeerSegment = { f: SYN | ecn, seq: random.next32() >>> 0, win: 65535, mss: temper.mss };
    if (temper.sack) syn.sackOk = 1;
    if (temper.ws !== null) syn.ws = temper.ws;
    if (temper.ts) syn.ts = [1000, -1];
    play.at(1000, () => play.step('seg', syn));
    play.at(1000 + temper.rttUs, () => play.acknowledgeSyn());
    play.at(2000 + temper.rttUs, () => play.step('accept'));
    application(play, random, temper, 3000 + temper.rttUs);
    play.run(pick(random, [25, 40, 60]), LONGEST_US);
    c.steps = play.steps;
  } finally {
    rig.close();
  }
  return c;
}
