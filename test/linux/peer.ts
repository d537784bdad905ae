/** The peer of a random case: what it has sent and not sent, and the segments that it writes. */
import type { Random } from '../../src/lib/random.ts';
import { between, pick } from './choose.ts';

export class Peer {
  readonly random: Random;
  readonly steps: string[] = [];
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** -1: the option is not offered. */
  readonly wscale: number;
  readonly mss: number;
  /** Next sequence number, and what was left out before it. */
  next = 1;
  readonly holes: { from: number; to: number }[] = [];
  /** What it says it has received: bytes that the host wrote, at most. */
  acked = 1;
  /** Its clock for timestamps, in milliseconds. */
  clock = 100;

  constructor(random: Random) {
    this.random = random;
    this.timestamps = random.chance(0.6);
    this.sack = random.chance(0.8);
    this.wscale = random.chance(0.8) ? pick(random, [0, 2, 7]) : -1;
    this.mss = pick(random, [1460, 1460, 1000, 536]);
  }

  /** The options of its SYN. */
  synOptions(): string {
    const options = [`mss ${this.mss}`];
    if (this.timestamps) options.push(...(this.sack ? ['sackOK'] : ['nop', 'nop']), `TS val ${this.clock} ecr 0`);
    else if (this.sack) options.push('nop', 'nop', 'sackOK');
    if (this.wscale >= 0) options.push('nop', `wscale ${this.wscale}`);
    return `<${options.join(',')}>`;
  }

  /** The window field of its segments: plenty. */
  get win(): number {
    return this.wscale > 0 ? 20000 >> this.wscale : 20000;
  }

  /** Timestamps, where they were agreed upon; behind them what else is given. */
  options(more: string = ''): string {
    const list = [...(this.timestamps ? [`nop,nop,TS val ${this.clock++} ecr 1`] : []), ...(more === '' ? [] : [more])];
    return list.length === 0 ? '' : ` <${list.join(',')}>`;
  }

  segment(flags: string, seq: number, len: number): void {
    this.steps.push(`< ${flags} ${seq}:${seq + len}(${len}) ack ${this.acked} win ${this.win}${this.options()}`);
  }

  /** The next bytes. */
  data(len: number, push: boolean): void {
    this.segment(push ? 'P.' : '.', this.next, len);
    this.next += len;
  }

  /** Leaves bytes out, and sends what is behind them. */
  skip(len: number): void {
    this.holes.push({ from: this.next, to: this.next + len });
    this.next += len;
    this.data(len, false);
  }

  /** Sends what was left out, or a part of it. */
  fill(): void {
    if (this.holes.length === 0) return;
    const at = this.random.below(this.holes.length);
    const hole = this.holes[at]!;
    const len = this.random.chance(0.7) ? hole.to - hole.from : between(this.random, 1, hole.to - hole.from);
    this.segment('.', hole.from, len);
    if (len === hole.to - hole.from) this.holes.splice(at, 1);
    else hole.from += len;
  }

  /** Sends something old once more, perhaps with something new. */
  again(len: number): void {
    const from = Math.max(1, this.next - between(this.random, 1, 3 * len));
    this.segment('.', from, len);
    this.next = Math.max(this.next, from + len);
  }

  /** The host writes; the peer acknowledges it at once, or with what it sends next. */
  written(len: number): void {
    this.steps.push(`write 4 ${len}`);
    this.acked += len;
    if (this.random.chance(0.7)) this.ack();
  }

  ack(): void {
    this.segment('.', this.next, 0);
  }
}

/** A listener at 3, a handshake, and the connection at 4. */
export function openPassive(peer: Peer, before: readonly string[]): void {
  const { steps } = peer;
  steps.push('socket 3', 'set 3 SOL_SOCKET SO_REUSEADDR 1', ...before, 'bind 3', 'listen 3 5');
  steps.push(`< S 0:0(0) win 20000 ${peer.synOptions()}`, 'wait 20');
  peer.clock += 20;
  peer.ack();
  steps.push('accept 3 4');
}
