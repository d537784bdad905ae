/**
 * The path between a host that writes and its peer, and what the peer says: played against the simulated host, so that the peer's
 * words fit what was sent. Each thing that is done to the host becomes a step of the case.
 */
import type { Random } from '../../../src/lib/random.ts';
import { between, pick } from '../choose.ts';
import type { PeerSegment, SentSegment, Step } from './case.ts';
import type { Rig } from './rig.ts';
import type { Temper } from './temper.ts';

const [FIN, SYN, ACK, ECE, CWR] = [1, 2, 16, 64, 128];
/** Two steps are this far apart at least, microseconds. */
const APART_US = 300;
/** Of the kernel with which this one is compared: HZ is 250. */
const TICK_US = 4000;
/** What a busy machine adds to an RTT. */
const RTT_NOISE_US = 2000;

/** How late a timer of the real kernel may be that was to run for `us`: it rounds up to ticks, and to more the longer it runs. */
export function lateness(us: number): number {
  let grain = TICK_US;
  for (let span = 63 * TICK_US; us > span; span *= 8) grain *= 8;
  return 2 * TICK_US + grain;
}

interface Event { readonly at: number; readonly order: number; readonly act: () => void }

export class Play {
  readonly rig: Rig;
  readonly steps: Step[] = [];
  private readonly random: Random;
  private readonly temper: Temper;
  private readonly events: Event[] = [];
  private orders = 0;
  private readonly v6: boolean;
  private lastUs = -1000;
  private nowUs = 0;
  /** A timer that fired lately may have fired this much later on the other side. */
  private slackUs = 0;
  private quietFromUs = 0;
  private armedAt = 0;
  private armedFor = Infinity;
  // the peer's receiver
  private rcvNxt = 1;
  private ooo: { from: number; to: number; stamp: number }[] = [];
  private dsack: [number, number] | null = null;
  private unacked = 0;
  private tsRecentNth = 0;
  private stamps = 0;
  private sndMax = 1;
  private lastArrivalUs = 0;
  private readonly acks: PeerSegment[] = [];
  private ece = false;
  private closedWindow = false;

  constructor(rig: Rig, random: Random, temper: Temper, v6: boolean) {
    this.rig = rig;
    this.v6 = v6;
    this.random = random;
    this.temper = temper;
    rig.onSent = (segment, nth): void => this.sent(segment, nth);
  }

  at(us: number, act: () => void): void {
    const event = { at: us, order: this.orders++, act };
    const i = this.events.findIndex((e) => e.at > us);
    if (i < 0) this.events.push(event);
    else this.events.splice(i, 0, event);
  }

  /** Plays until nothing is left to do, or `limit` steps are made. */
  run(limit: number, untilUs: number): void {
    while (this.events.length > 0 && this.steps.length < limit) {
      const event = this.events[0]!;
      let at = Math.max(event.at, this.lastUs + APART_US, this.quietFromUs);
      if (at > untilUs) break;
      const fired = this.passTimers(at);
      if (fired) {
        at = Math.max(at, this.quietFromUs);
        if (this.events[0] !== event) continue;
      }
      this.events.splice(this.events.indexOf(event), 1);
      this.nowUs = Math.max(at, this.quietFromUs);
      event.act();
    }
  }

  /** Runs timers that fire up to `at`, or about then: a step keeps clear of them. True: one fired. */
  private passTimers(at: number): boolean {
    let fired = false;
    for (;;) {
      const due = this.armedFor;
      // The timeout itself is in ticks there, and the backoff multiplies what was rounded up.
      const rounding = (TICK_US + RTT_NOISE_US) * 2 ** Math.min(8, this.rig.sock?.backoff ?? 0);
      if (due === Infinity || due > at + 3000 + rounding) return fired;
      this.slackUs += lateness(Math.max(0, due - this.armedAt)) + rounding;
      this.rig.advance(due + 1);
      this.quietFromUs = due + this.slackUs + 2000;
      this.armedFor = this.rig.timerUs;
      this.armedAt = due;
      fired = true;
      at = Math.max(at, this.quietFromUs);
    }
  }

  step(...what: Step extends [number, ...infer R] ? R : never): number {
    const step = [Math.round(this.nowUs), ...what] as unknown as Step;
    this.steps.push(step);
    this.lastUs = step[0];
    const { ret } = this.rig.do(step);
    if (this.rig.timerUs !== this.armedFor) {
      // Set anew, by something that both kernels had at the same time.
      this.armedFor = this.rig.timerUs;
      this.armedAt = step[0];
      this.slackUs = 0;
    }
    return ret;
  }

  // ---- the path

  private sent([us, flags, seq, len, , , tos]: SentSegment, nth: number): void {
    if ((flags & SYN) !== 0) return;
    const size = len + (flags & FIN);
    if (size === 0) return;
    const { random, temper } = this;
    this.sndMax = Math.max(this.sndMax, seq + size);
    if (random.chance(temper.loss)) return;
    // Never the very RTT of the handshake: RACK asks whether a retransmission was answered sooner than that.
    const base = Math.max(us + temper.rttUs + between(random, 300, 1200), this.lastArrivalUs + temper.spacingUs);
    this.lastArrivalUs = base;
    const late = random.chance(temper.reorder) ? pick(random, [1, 2, 4, 10, 40]) * 2500 : 0;
    const ce = tos === 2 && random.chance(temper.ce);
    this.at(base + late, () => this.arrive(seq, size, nth, ce, (flags & CWR) !== 0));
    if (random.chance(temper.double)) this.at(base + late + between(random, 1, 20) * 1000, () => this.arrive(seq, size, nth, false, false));
  }

  private arrive(seq: number, size: number, nth: number, ce: boolean, cwr: boolean): void {
    if (cwr) this.ece = false;
    if (ce) this.ece = true;
    const end = seq + size;
    const next = this.rcvNxt;
    let now = false;
    if (seq <= next && this.temper.ts) this.tsRecentNth = nth;
    if (end <= next) {
      this.dsack = [seq, end];
      now = true;
    } else if (seq <= next) {
      if (seq < next) this.dsack = [seq, next];
      now = this.ooo.length > 0 || seq < next;
      this.rcvNxt = end;
      this.absorb();
    } else {
      now = true;
      if (this.ooo.some((b) => b.from <= seq && end <= b.to)) this.dsack = [seq, end];
      this.insert(seq, end);
    }
    this.unacked++;
    if (now || ce || this.unacked >= this.temper.ackEvery) this.acknowledge();
    else this.at(this.nowUs + 30000, () => { if (this.unacked > 0) this.acknowledge(); });
  }

  private absorb(): void {
    for (;;) {
      const i = this.ooo.findIndex((b) => b.from <= this.rcvNxt);
      if (i < 0) return;
      this.rcvNxt = Math.max(this.rcvNxt, this.ooo[i]!.to);
      this.ooo.splice(i, 1);
    }
  }

  private insert(from: number, to: number): void {
    const touching = this.ooo.filter((b) => b.from <= to && from <= b.to);
    const low = Math.min(from, ...touching.map((b) => b.from));
    const whole = { from: low, to: Math.max(to, ...touching.map((b) => b.to)), stamp: ++this.stamps };
    this.ooo = [...this.ooo.filter((b) => !touching.includes(b)), whole];
  }

  // ---- what the peer says

  private honest(): PeerSegment {
    const { temper } = this;
    const scale = temper.ws ?? 0;
    const bytes = this.closedWindow ? 0 : temper.winSegs * temper.mss;
    const s: PeerSegment = { f: ACK | (this.ece ? ECE : 0), seq: 1, ack: this.rcvNxt, win: Math.min(65535, Math.ceil(bytes / 2 ** scale)) };
    if (temper.sack) {
      const blocks = [...this.ooo].sort((a, b) => b.stamp - a.stamp).map((b): [number, number] => [b.from, b.to]);
      if (this.dsack !== null) blocks.unshift(this.dsack);
      if (blocks.length > 0) s.sack = blocks.slice(0, temper.ts ? 3 : 4).flat();
    }
    if (temper.ts) s.ts = [1000 + Math.floor(this.nowUs / 1000), this.tsRecentNth];
    return s;
  }

  acknowledge(): void {
    const { random, temper } = this;
    this.unacked = 0;
    if (temper.winMoves > 0 && random.chance(temper.winMoves)) this.moveWindow();
    const s = this.honest();
    this.dsack = null;
    if (random.chance(temper.ackLoss)) return;
    this.acks.push(s);
    this.step('seg', s);
    if (random.chance(temper.lies)) this.at(this.nowUs + between(random, 0, 30) * 500, () => this.lie());
  }

  private moveWindow(): void {
    this.closedWindow = true;
    this.at(this.nowUs + pick(this.random, [5, 40, 150, 400, 1500]) * 1000, () => {
      this.closedWindow = false;
      this.step('seg', this.honest());
    });
  }

  /** A block within what is out. */
  private anywhere(): number[] {
    const from = this.rcvNxt + between(this.random, 0, Math.max(0, this.sndMax - this.rcvNxt));
    return [from, Math.min(this.sndMax, from + between(this.random, 1, 3000))];
  }

  /** An acknowledgment that is old, repeated, or not true. */
  lie(): void {
    const { random, temper } = this;
    const s = this.honest();
    switch (between(random, 0, 11)) {
      case 0: Object.assign(s, pick(random, this.acks.length > 0 ? this.acks : [s])); break; // an old one, late
      case 1: break; // again
      case 2: s.ack = this.sndMax + between(random, 1, 3000); break; // of data never sent
      case 3: if (temper.sack) s.sack = [this.sndMax + 100, this.sndMax + 1100]; break; // a block beyond
      case 4: if (temper.sack) s.sack = [Math.max(1, this.rcvNxt - 500), this.rcvNxt]; break; // a duplicate that came, it says
      case 5: if (temper.sack) s.sack = this.anywhere(); break; // not at segment borders
      case 6: if (temper.sack) s.sack = [this.sndMax, this.rcvNxt]; break; // backwards
      case 7: s.ack = this.rcvNxt = Math.min(this.sndMax, this.rcvNxt + between(random, 1, 700)); this.absorb(); break; // a part of one
      case 8: s.win = between(random, 0, s.win!); break; // a smaller window
      case 9: s.win = Math.min(65535, s.win! * 2 + 1); break;
      case 10: s.len = between(random, 1, 100); break; // with data: repeated seq
      case 11: s.ack = this.rcvNxt; delete s.sack; break; // forgets what it had
    }
    if (s.ts !== undefined && s.ts[1] >= 0) s.ts = [1000 + Math.floor(this.nowUs / 1000), s.ts[1]];
    this.step('seg', s);
  }

  /** The end of the handshake; never lost. */
  acknowledgeSyn(): void {
    this.step('seg', this.honest());
  }

  /** A router on the way takes no more than `mtu`; it quotes something that is out, or not. */
  frag(mtu: number): void {
    this.step('icmp', this.v6 ? Math.max(mtu, 1280) : mtu, this.random.chance(0.9) ? this.rcvNxt : this.sndMax + 10);
  }

  look(): void {
    this.step('look');
  }
}
