/**
 * Random cases of what happens over time and around a connection: keepalive, delayed and compressed ACKs, ICMP errors, backlogs and
 * cookies, TIME_WAIT, urgent data, handshakes that nobody answers.
 */
import type { Random } from '../../src/lib/random.ts';
import type { Case } from './case.ts';
import { between, pick } from './choose.ts';
import { Peer, openPassive } from './peer.ts';

type Sysctls = Record<string, string | number>;
type Scene = (random: Random, peer: Peer, sysctl: Sysctls) => void;

const SCENES: readonly Scene[] = [keepalive, gaps, gaps, compressed, icmp, backlog, timeWait, urgent, noAnswer];

export function lifeCase(random: Random, name: string): Case {
  const peer = new Peer(random);
  const sysctl: Sysctls = { 'net.ipv4.tcp_comp_sack_nr': 0 };
  const scene = pick(random, SCENES);
  scene(random, peer, sysctl);
  return { name: `${name}-${scene.name}`, ip: scene !== icmp && random.chance(0.2) ? 6 : 4, sysctl, steps: peer.steps };
}

/** A peer that answers keepalives, or stops doing so. */
function keepalive(random: Random, peer: Peer): void {
  openPassive(peer, []);
  const { steps } = peer;
  steps.push('set 4 SOL_SOCKET SO_KEEPALIVE 1', 'set 4 SOL_TCP TCP_KEEPIDLE 1', 'set 4 SOL_TCP TCP_KEEPINTVL 1');
  steps.push(`set 4 SOL_TCP TCP_KEEPCNT ${between(random, 1, 3)}`);
  if (random.chance(0.3)) steps.push(`set 4 SOL_TCP TCP_USER_TIMEOUT ${pick(random, [500, 1500, 2500])}`);
  for (let i = between(random, 1, 2); i > 0; i--) {
    steps.push(`wait ${pick(random, [600, 1400])}`);
    if (random.chance(0.5)) peer.ack();
    else if (random.chance(0.3)) peer.data(100, true);
  }
  steps.push('wait 3500', 'poll 4', 'read 4 1000', 'read 4 1000', 'info 4');
}

/** When ACKs are delayed, and for how long: dialogues, bursts, gaps. */
function gaps(random: Random, peer: Peer): void {
  openPassive(peer, []);
  const { steps } = peer;
  const size = pick(random, [100, 536, 1460]);
  if (random.chance(0.5)) steps.push(`set 4 SOL_TCP TCP_QUICKACK ${pick(random, [0, 1, 2])}`);
  if (random.chance(0.3)) for (let i = 0; i < 17; i++) peer.data(size, false);
  for (let i = between(random, 4, 12); i > 0; i--) {
    const roll = random.float();
    if (roll < 0.5) peer.data(pick(random, [size, size, 1]), random.chance(0.5));
    else if (roll < 0.65) peer.written(pick(random, [1, 500]));
    else if (roll < 0.85) steps.push('read 4 100000');
    else if (roll < 0.9) steps.push(`set 4 SOL_TCP TCP_QUICKACK ${pick(random, [0, 1])}`);
    else steps.push('info 4');
    if (random.chance(0.6)) steps.push(`wait ${pick(random, [3, 10, 25, 80, 150, 350])}`);
  }
  steps.push('wait 100', 'info 4');
}

/** ACKs of what is out of order are held back, by a twentieth of a long round trip. */
function compressed(random: Random, peer: Peer, sysctl: Sysctls): void {
  sysctl['net.ipv4.tcp_comp_sack_nr'] = pick(random, [44, 44, 2]);
  sysctl['net.ipv4.tcp_comp_sack_delay_ns'] = 20_000_000;
  const { steps } = peer;
  steps.push('socket 3', 'bind 3', 'listen 3 5', `< S 0:0(0) win 20000 ${peer.synOptions()}`, 'wait 400');
  peer.clock += 400;
  peer.ack();
  steps.push('accept 3 4');
  peer.data(1000, false);
  steps.push('wait 400');
  peer.data(1000, false);
  steps.push('read 4 10000', 'wait 60');
  peer.skip(1000);
  for (let i = between(random, 4, 10); i > 0; i--) {
    if (random.chance(0.2)) peer.skip(1000);
    else peer.data(1000, false);
    if (random.chance(0.2)) steps.push('wait 60');
  }
  peer.fill();
  steps.push('wait 100', 'info 4');
}

/** Errors of the way, in the handshake and later, about packets that are out and such that are not. */
function icmp(random: Random, peer: Peer): void {
  const { steps } = peer;
  const active = random.chance(0.4);
  const fd = 4;
  if (active) steps.push('socket 4', 'bind 4', ...(random.chance(0.3) ? ['set 4 SOL_IP IP_RECVERR 1'] : []), 'connect 4', 'wait 20');
  else openPassive(peer, []);
  if (!active && random.chance(0.5)) steps.push('set 4 SOL_IP IP_RECVERR 1');
  if (!active) steps.push('write 4 500');
  for (let i = between(random, 1, 3); i > 0; i--) {
    const kind = pick(random, ['unreachable host_unreachable', 'unreachable port_unreachable', 'unreachable net_unreachable',
      'unreachable protocol_unreachable', 'time_exceeded', 'source_quench', 'unreachable frag_needed mtu 1200', 'parameter_problem']);
    const seq = active ? pick(random, [0, 0, 1000]) : pick(random, [1, 1, 0, 400, 5000, 4294967000]);
    steps.push(`< icmp ${kind} [${seq}:${seq}(0)]`, `wait ${pick(random, [10, 30, 60])}`);
    const calls = [`get ${fd} SOL_SOCKET SO_ERROR`, `read ${fd} 100`, `poll ${fd}`, `write ${fd} 10`, `info ${fd}`];
    if (random.chance(0.5)) steps.push(pick(random, calls));
  }
  steps.push(`get ${fd} SOL_SOCKET SO_ERROR`, `info ${fd}`);
}

/** More peers than the listener has room for. */
function backlog(random: Random, peer: Peer, sysctl: Sysctls): void {
  sysctl['net.ipv4.tcp_syncookies'] = pick(random, [0, 1, 2]);
  if (random.chance(0.2)) sysctl['net.ipv4.tcp_abort_on_overflow'] = 1;
  const { steps } = peer;
  steps.push('socket 3', 'bind 3', `listen 3 ${pick(random, [0, 1, 2])}`);
  const options = pick(random, ['<mss 1460>', '<mss 1000,nop,nop,sackOK,nop,wscale 5>', '<mss 536,nop,nop,sackOK>']);
  const peers = between(random, 2, 5);
  const known = new Set<number>();
  let next = 4;
  for (let i = between(random, 4, 10); i > 0; i--) {
    const flow = random.below(peers);
    const roll = random.float();
    if (roll < 0.45 && !known.has(flow)) {
      steps.push(`#${flow} < S 0:0(0) win 20000 ${options}`);
      known.add(flow);
    } else if (roll < 0.8) {
      steps.push(`#${flow} < ${pick(random, ['.', '.', '.', 'P.', 'R.'])} 1:1(0) ack 1 win 20000`);
    } else if (roll < 0.9) {
      steps.push(`accept 3 ${next++}`);
    } else {
      steps.push(`wait ${pick(random, [20, 100])}`);
    }
    steps.push('wait 3');
  }
  steps.push('accept 3 20', 'accept 3 21', 'accept 3 22', 'info 3', 'wait 20');
}

/** After our FIN: what may still come, and a new connection from the same port. */
function timeWait(random: Random, peer: Peer, sysctl: Sysctls): void {
  openPassive(peer, []);
  const { steps } = peer;
  if (random.chance(0.4)) steps.push(`set 4 SOL_TCP TCP_LINGER2 ${pick(random, [1, 2, -1])}`);
  if (random.chance(0.3)) sysctl['net.ipv4.tcp_fin_timeout'] = 1;
  steps.push('close 4');
  peer.acked++;
  if (random.chance(0.85)) peer.ack();
  if (random.chance(0.7)) {
    peer.segment('F.', peer.next, 0);
    peer.next++;
  }
  for (let i = between(random, 1, 4); i > 0; i--) {
    steps.push(`wait ${pick(random, [20, 100, 600, 1300])}`);
    const seq = peer.next + pick(random, [0, 0, -1, 1, 100, 100000, -100]);
    const at = (seq + 4294967296) % 4294967296;
    const flags = pick(random, ['.', 'P.', 'F.', 'S', 'S', 'R', 'S.', 'R.']);
    const len = pick(random, [0, 0, 100]);
    peer.clock = Math.max(1, peer.clock + pick(random, [0, 100, 2000, -50]));
    const options = flags === 'S' ? ` ${peer.synOptions()}` : peer.options();
    const ack = flags.includes('.') ? ` ack ${peer.acked}` : '';
    steps.push(`< ${flags} ${at}:${(at + len) % 4294967296}(${len})${ack} win 2000${options}`);
  }
  steps.push('wait 20', 'accept 3 5', 'info 5');
}

/** RFC 9293 §3.8.5 as it is: one byte, in band or not. */
function urgent(random: Random, peer: Peer, sysctl: Sysctls): void {
  openPassive(peer, []);
  const { steps } = peer;
  if (random.chance(0.2)) sysctl['net.ipv4.tcp_stdurg'] = 1;
  if (random.chance(0.3)) steps.push('set 4 SOL_SOCKET SO_OOBINLINE 1');
  for (let i = between(random, 3, 10); i > 0; i--) {
    const roll = random.float();
    if (roll < 0.5) {
      const len = pick(random, [1, 10, 100]);
      const seq = peer.next + pick(random, [0, 0, 0, 10, -5]);
      const at = Math.max(1, seq);
      const urg = pick(random, [0, 1, 5, len, len + 1, 200]);
      const flags = pick(random, ['PU.', 'U.', 'P.']);
      steps.push(`< ${flags} ${at}:${at + len}(${len}) ack ${peer.acked} win ${peer.win} urg ${urg}${peer.options()}`);
      if (seq <= peer.next) peer.next = Math.max(peer.next, at + len);
    } else {
      steps.push(pick(random, ['read 4 4', 'read 4 1000', 'read 4 1 MSG_OOB', 'read 4 1 MSG_OOB|MSG_PEEK', 'read 4 100 MSG_PEEK', 'poll 4',
        'ioctl 4 SIOCATMARK', 'ioctl 4 SIOCINQ', 'wait 10']));
    }
  }
  steps.push('read 4 10000', 'poll 4', 'wait 60');
}

/** SYNs and SYN-ACKs that nobody answers, or late. */
function noAnswer(random: Random, peer: Peer, sysctl: Sysctls): void {
  const { steps } = peer;
  if (random.chance(0.5)) {
    sysctl['net.ipv4.tcp_syn_linear_timeouts'] = pick(random, [0, 1, 4]);
    steps.push('socket 4', 'bind 4');
    if (random.chance(0.5)) steps.push(`set 4 SOL_TCP TCP_SYNCNT ${between(random, 1, 2)}`);
    if (random.chance(0.3)) steps.push(`set 4 SOL_TCP TCP_USER_TIMEOUT ${pick(random, [500, 1500, 2500])}`);
    steps.push('connect 4', `wait ${pick(random, [1500, 3600])}`);
    if (random.chance(0.5)) steps.push(`< S. 0:0(0) ack 1 win 20000 ${peer.synOptions().replace('ecr 0', 'ecr 1')}`);
    steps.push('poll 4', 'get 4 SOL_SOCKET SO_ERROR', 'info 4', 'wait 20');
    return;
  }
  sysctl['net.ipv4.tcp_synack_retries'] = pick(random, [1, 5]);
  steps.push('socket 3', 'bind 3', 'listen 3 5', `< S 0:0(0) win 20000 ${peer.synOptions()}`, `wait ${pick(random, [1400, 3600])}`);
  if (random.chance(0.6)) peer.ack();
  steps.push('wait 20', 'accept 3 4', 'info 4');
}
