/**
 * Random cases of opening, closing and resetting: segments with odd flags and numbers in every state, and the calls that move a
 * connection from one to the next.
 */
import type { Random } from '../../src/lib/random.ts';
import type { Case } from './case.ts';
import { between, pick } from './choose.ts';
import { Peer } from './peer.ts';

export function statesCase(random: Random, name: string): Case {
  const s = new States(random);
  s.open();
  for (let i = between(random, 3, 10); i > 0; i--) s.action();
  s.steps.push(pick(random, ['info 4', 'poll 4', 'get 4 SOL_SOCKET SO_ERROR', 'close 4']), `wait ${pick(random, [50, 150, 400])}`);
  const sysctl: Record<string, string | number> = { 'net.ipv4.tcp_comp_sack_nr': 0 };
  if (random.chance(0.1)) sysctl['net.ipv4.tcp_timestamps'] = 0;
  if (random.chance(0.05)) sysctl['net.ipv4.tcp_abort_on_overflow'] = 1;
  if (random.chance(0.05)) sysctl['net.ipv4.tcp_rfc1337'] = 1;
  if (random.chance(0.1)) sysctl['net.ipv4.tcp_fin_timeout'] = 1;
  return { name, ip: random.chance(0.2) ? 6 : 4, isn: pick(random, [1000, 4294967290]), sysctl, steps: s.steps };
}

class States {
  readonly random: Random;
  readonly peer: Peer;
  readonly steps: string[];

  constructor(random: Random) {
    this.random = random;
    this.peer = new Peer(random);
    this.steps = this.peer.steps;
  }

  /** To some state of the handshake, or beyond it. */
  open(): void {
    const { random, steps, peer } = this;
    const how = random.float();
    if (how < 0.5) {
      steps.push('socket 3', 'set 3 SOL_SOCKET SO_REUSEADDR 1');
      if (random.chance(0.1)) steps.push('set 3 SOL_TCP TCP_DEFER_ACCEPT 1');
      steps.push('bind 3', `listen 3 ${pick(random, [5, 0, 1])}`, `< S 0:0(0) win 20000 ${peer.synOptions()}`);
      if (random.chance(0.15)) return;
      steps.push('wait 20');
      peer.clock += 20;
      peer.ack();
      if (random.chance(0.85)) steps.push('accept 3 4');
      return;
    }
    steps.push('socket 4', 'bind 4', 'connect 4');
    const answer = random.float();
    if (answer < 0.15) return;
    steps.push('wait 20');
    peer.clock += 20;
    const options = peer.synOptions().replace('ecr 0', 'ecr 1');
    if (answer < 0.3) {
      steps.push(`< S 0:0(0) win 20000 ${options.replace('ecr 1', 'ecr 0')}`); // both open at once
      if (random.chance(0.7)) steps.push('wait 20', `< S. 0:0(0) ack 1 win 20000 ${options}`);
      return;
    }
    steps.push(`< S. 0:0(0) ack 1 win 20000 ${options}`);
  }

  action(): void {
    const { random, steps, peer } = this;
    const roll = random.float();
    if (roll < 0.4) this.segment();
    else if (roll < 0.5) peer.data(pick(random, [1, 100, 1000]), random.chance(0.5));
    else if (roll < 0.56) this.fin();
    else if (roll < 0.72) steps.push(`wait ${pick(random, [20, 60, 150, 300, 600])}`);
    else if (roll < 0.78) this.write();
    else this.call();
  }

  private write(): void {
    this.peer.written(pick(this.random, [1, 500]));
  }

  /** The peer's FIN, in its place. */
  private fin(): void {
    const { peer } = this;
    peer.segment('F.', peer.next, 0);
    peer.next++;
  }

  private call(): void {
    const { random, steps, peer } = this;
    const call = pick(random, [
      'read 4 100', 'read 4 5000', 'shutdown 4 SHUT_WR', 'shutdown 4 SHUT_RD', 'shutdown 4 SHUT_RDWR', 'close 4', 'close 4',
      'info 4', 'poll 4',
      'get 4 SOL_SOCKET SO_ERROR', 'accept 3 4', 'close 3', 'connect 4', 'linger 4 1 0', 'ioctl 4 SIOCINQ', 'ioctl 4 SIOCOUTQ',
      'set 4 SOL_TCP TCP_LINGER2 1', 'set 4 SOL_TCP TCP_LINGER2 -1', 'disconnect 4', 'set 4 SOL_TCP TCP_USER_TIMEOUT 300',
    ]);
    steps.push(call);
    // What it sent is acknowledged as a rule.
    if (/^(close 4|shutdown 4 SHUT_(WR|RDWR))$/.test(call) && random.chance(0.6)) {
      peer.acked++;
      peer.ack();
    }
  }

  /** Anything. */
  private segment(): void {
    const { random, peer, steps } = this;
    const flags = pick(random, ['.', '.', 'P.', 'F.', 'R', 'R', 'R.', 'S', 'S', 'S.', '-', 'F', 'FP.', 'SF', 'SP.', 'SR', 'FR.', 'P']);
    const away = pick(random, [0, 0, 0, 0, -1, 1, -100, 100, 1000, 19999, 63000, 70000, -70000, -peer.next]);
    const seq = (peer.next + away + 4294967296) % 4294967296;
    const len = pick(random, [0, 0, 0, 1, 100, 1000]);
    const acked = flags.includes('.');
    const ack = (peer.acked + pick(random, [0, 0, 0, 0, 0, 1, -1, 1000, -100, 100000, -100000]) + 4294967296) % 4294967296;
    const options = flags.includes('S') && random.chance(0.7) ? ` ${peer.synOptions()}` : this.oddOptions();
    const win = pick(random, [peer.win, peer.win, peer.win, 0, 1]);
    const end = (seq + len) % 4294967296;
    steps.push(`< ${flags} ${seq}:${end}(${len})${acked ? ` ack ${ack}` : ''} win ${win}${options}`);
  }

  private oddOptions(): string {
    const { random, peer } = this;
    if (!peer.timestamps || random.chance(0.1)) return '';
    const back = pick(random, [0, 0, 0, 0, 5, 500, 100000]);
    const val = (peer.clock - back + 4294967296) % 4294967296;
    return ` <nop,nop,TS val ${val} ecr ${pick(random, [1, 1, 1, 0, 30, 4294966296])}>`;
  }
}
