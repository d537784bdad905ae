/**
 * The simulated side: a host of its own per case, whose wire ends here, in virtual time. A case is played on it (play.ts) or repeated
 * as the real kernel ran it (`replay`).
 */
import { SOL_TCP, TCP_INFO, MSG_DONTWAIT, SOCK_STREAM, AF_INET, AF_INET6 } from '../../../src/sock/constants.ts';
import { MsgHdr } from '../../../src/sock/sockaddr.ts';
import { SockoptError } from '../../../src/sock/sock.ts';
import { fdSock, sysAccept, sysBind, sysListen, sysRecvmsg, sysSendmsg, sysShutdown, sysSocket } from '../../../src/syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../../../src/syscall/sockopt.ts';
import type { TcpSock } from '../../../src/tcp/sock.ts';
import { ScriptHost } from '../../../src/testing/packetdrill/host.ts';
import { Settings } from '../../../src/testing/packetdrill/mode.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ethType } from '../../../src/wire/ethernet.ts';
import { buildPacket } from '../../../src/wire/segment-build.ts';
import { decodeIpv4, decodeIpv6 } from '../../../src/wire/segment-decode.ts';
import type { TcpOption, TcpSpec } from '../../../src/wire/segment.ts';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../../../src/wire/tcp.ts';
import {
  INFO_FIELDS, type Case, type Outcome, type PeerSegment, type SentSegment, type Step, type Transcript,
} from './case.ts';

const PEER_PORT = 20000;
const PORT = 8080;

export class Rig {
  readonly host: ScriptHost;
  readonly outcomes: Outcome[] = [];
  /** Told of each segment as it leaves, with its place in order. */
  onSent: (segment: SentSegment, nth: number) => void = () => undefined;
  private readonly settings: Settings;
  private readonly listener: number;
  private conn = -1;
  private startNs = 0;
  private irs = 0;
  private iss: number | null = null;
  private readonly tsvals: number[] = [];

  constructor(c: Pick<Case, 'v' | 'sysctl' | 'options'>, seed: number) {
    this.settings = new Settings(c.v === 6 ? 'ipv6' : 'ipv4');
    this.settings.mtu = 1500;
    this.host = new ScriptHost(this.settings, seed);
    const { kernel } = this.host;
    for (const [name, value] of Object.entries(c.sysctl)) {
      kernel.sysctl(name, typeof value === 'string' && value.includes(' ') ? value.split(' ').map(Number) : value);
    }
    this.host.wire.onFrame = (frame): void => this.frame(frame.bytes, frame.timeNs);
    const p = kernel.proc;
    this.listener = sysSocket(p, c.v === 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    for (const [level, name, value] of c.options) {
      const ret = sysSetsockopt(p, this.listener, level, name, value);
      if (ret < 0) throw new Error(`setsockopt ${level} ${name} ${value}: ${ret}`);
    }
    sysBind(p, this.listener, this.settings.sockAddr(this.settings.localIp, PORT));
    sysListen(p, this.listener, 5);
    // Timestamps tick by whole milliseconds; the driver begins there, too.
    this.startNs = Math.ceil(this.host.nowNs / 1e6) * 1e6;
    this.host.kernel.parts.sim.advanceTo(this.startNs);
  }

  /** Microseconds since the start. */
  get nowUs(): number {
    return (this.host.nowNs - this.startNs) / 1000;
  }

  /** The connection; null before it is accepted. */
  get sock(): TcpSock | null {
    return this.conn < 0 ? null : (fdSock(this.host.kernel.proc, this.conn) as TcpSock | null);
  }

  /** When the connection's timer is due, microseconds; Infinity: it is not set. */
  get timerUs(): number {
    const { sock } = this;
    return sock === null || !sock.rtxTimer.pending ? Infinity : (sock.rtxTimer.expires - this.startNs) / 1000;
  }

  /** Lets time pass. */
  advance(untilUs: number): void {
    const { sim } = this.host.kernel.parts;
    const until = this.startNs + Math.round(untilUs * 1000);
    this.tasks();
    while (sim.nextTime() <= until) {
      sim.step();
      this.tasks();
    }
    if (until > sim.now) sim.advanceTo(until);
  }

  /** Lets time pass up to the next step; the timer fires when it did on the other side, if that is a little later. */
  advanceLate(untilUs: number, as: Outcome): void {
    let from = as.t + 1000;
    for (;;) {
      const late = as.out.find((s) => s[0] > from)?.[0];
      if (late === undefined || late > untilUs) return;
      const due = this.timerUs;
      if (due < late && late - due < LATE_MAX_US) {
        this.advance(due - 0.001);
        if (this.timerUs === due) this.sock!.rtxTimer.mod(this.startNs + Math.round(late * 1000));
        else continue;
      }
      this.advance(late);
      from = late + 500;
    }
  }

  private tasks(): void {
    const { sim } = this.host.kernel.parts;
    for (let task = sim.takeTask(); task !== null; task = sim.takeTask()) task.run();
  }

  do(step: Step): Outcome {
    this.advance(step[0]);
    const outcome: Outcome = { t: step[0], ret: 0, out: [] };
    this.outcomes.push(outcome);
    outcome.ret = this.act(step);
    this.advance(step[0]);
    if (this.conn >= 0) {
      outcome.info = this.info();
      outcome.sndbuf = this.sock!.sndbuf;
    }
    return outcome;
  }

  private act(step: Step): number {
    const p = this.host.kernel.proc;
    switch (step[1]) {
      case 'seg': this.inject(step[2]); return 0;
      case 'icmp': this.icmp(step[2], step[3]); return 0;
      case 'accept': this.conn = sysAccept(p, this.listener, null, 0); return Math.min(0, this.conn);
      case 'write': return sysSendmsg(p, this.conn, message(step[2], step[3]));
      case 'read': return sysRecvmsg(p, this.conn, message(step[2], 0));
      case 'opt': return sysSetsockopt(p, this.conn, step[2], step[3], step[4]);
      case 'shutdown': return sysShutdown(p, this.conn, step[2]);
      case 'look': return 0;
    }
  }

  private inject(s: PeerSegment): void {
    const { settings } = this;
    const syn = (s.f & TCP_FLAG_SYN) !== 0;
    if (syn) this.irs = s.seq ?? 0;
    const options: TcpOption[] = [];
    if (s.mss !== undefined) options.push({ kind: 'mss', value: s.mss });
    if (s.sackOk !== undefined) options.push({ kind: 'nop' }, { kind: 'nop' }, { kind: 'sackOK' });
    if (s.ws !== undefined) options.push({ kind: 'nop' }, { kind: 'wscale', value: s.ws });
    if (s.ts !== undefined) {
      const nth = s.ts[1];
      const ecr = nth < 0 ? 0 : this.tsvals[Math.min(nth, this.tsvals.length - 1)] ?? 0;
      options.push({ kind: 'nop' }, { kind: 'nop' }, { kind: 'TS', val: s.ts[0] >>> 0, ecr });
    }
    if (s.sack !== undefined && s.sack.length > 0) options.push({ kind: 'nop' }, { kind: 'nop' }, { kind: 'sack', edges: s.sack });
    const spec: TcpSpec = {
      proto: 'tcp', ip: { tos: s.tos ?? 0 }, flags: s.f, ace: false, range: { seq: s.seq ?? 0, len: s.len ?? 0 }, ack: s.ack ?? 0,
      win: s.win ?? 0, options: options.length === 0 ? undefined : options,
    };
    this.send(buildPacket(spec, {
      ...this.addresses(), sport: PEER_PORT, dport: PORT, seqBase: syn ? 0 : this.irs,
      ackBase: (s.f & TCP_FLAG_ACK) === 0 ? 0 : this.iss ?? 0, win: 0,
    }), settings.mss);
  }

  private addresses(): { saddr: number; daddr: number; v6?: { saddr: Settings['remote6']; daddr: Settings['local6'] } } {
    const { settings } = this;
    if (settings.version === 6) return { saddr: 0, daddr: 0, v6: { saddr: settings.remote6, daddr: settings.local6 } };
    return { saddr: settings.remote4, daddr: settings.local4 };
  }

  private send(bytes: Uint8Array, mss: number): void {
    this.host.wire.injectIp(bytes, mss);
  }

  private icmp(mtu: number, seq: number): void {
    const { version } = this.settings;
    const [type, code] = version === 6 ? [2, 0] : [3, 4];
    this.send(buildPacket(
      { proto: 'icmp', ip: {}, version, type, code, mtu, echoed: { proto: 'tcp', range: { seq, len: 0 } } },
      { ...this.addresses(), sport: PEER_PORT, dport: PORT, ackBase: this.iss ?? 0, seqBase: this.iss ?? 0, win: 0 },
    ), 0);
  }

  private frame(bytes: Uint8Array, timeNs: number): void {
    const type = ethType(bytes, 0);
    if (type !== ETH_P_IP && type !== ETH_P_IPV6) return;
    const packet = (type === ETH_P_IPV6 ? decodeIpv6 : decodeIpv4)(bytes, ETH_HLEN, bytes.length - ETH_HLEN);
    if (typeof packet === 'string' || packet.proto !== 'tcp') return;
    if ((packet.flags & TCP_FLAG_SYN) !== 0) this.iss = packet.range!.seq;
    const list = packet.options === 'any' || packet.options === undefined ? [] : packet.options;
    const options = list.filter((o) => o.kind !== 'nop' && o.kind !== 'eol').map((o) => this.optionNumbers(o));
    const ts = list.find((o) => o.kind === 'TS');
    const tsval = ts === undefined ? 0 : ts.val;
    const nth = this.tsvals.push(tsval) - 1;
    const iss = this.iss ?? 0;
    const ack = (packet.flags & TCP_FLAG_ACK) !== 0 ? (packet.ack! - this.irs) >>> 0 : 0;
    const us = (timeNs - this.startNs) / 1000;
    const { seq, len } = packet.range!;
    const segment: SentSegment = [us, packet.flags, (seq - iss) >>> 0, len, ack, packet.win!, (packet.ip.tos ?? 0) & 3, options];
    this.outcomes.at(-1)?.out.push(segment);
    this.onSent(segment, nth);
  }

  private optionNumbers(o: TcpOption): number[] {
    switch (o.kind) {
      case 'TS': return [8, o.ecr];
      case 'sack': return [5, ...o.edges.map((e) => (e - this.irs) >>> 0)];
      case 'mss': return [2, o.value >> 8, o.value & 255];
      case 'wscale': return [3, o.value];
      case 'sackOK': return [4];
      default: return [0];
    }
  }

  private info(): number[] | undefined {
    const info = sysGetsockopt(this.host.kernel.proc, this.conn, SOL_TCP, TCP_INFO);
    if (info instanceof SockoptError) return undefined;
    const fields = info as Record<string, number>;
    return INFO_FIELDS.map((name) => {
      if (name === 'wscale') return fields['tcpi_snd_wscale']! | (fields['tcpi_rcv_wscale']! << 4);
      if (name === 'flags') return fields['tcpi_delivery_rate_app_limited']!;
      return fields[`tcpi_${name}`]!;
    });
  }

  close(): void {
    this.host.close();
  }
}

function message(len: number, flags: number): MsgHdr {
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(len);
  msg.len = len;
  msg.flags = flags | MSG_DONTWAIT;
  return msg;
}

/** Largest difference that is taken for the lateness of a timer, microseconds. */
const LATE_MAX_US = 300_000;

/**
 * Runs a case as the real kernel ran it: its steps at the same times, and the connection's timer as late as its wheel made it. `as`
 * null: at the times of the case, timers exact.
 */
export function replay(c: Case, as: Transcript | null): Transcript {
  const rig = new Rig(c, c.id);
  try {
    c.steps.forEach((step, i) => {
      const t = as?.steps[i]?.t;
      if (i > 0 && as !== null) rig.advanceLate(t ?? step[0], as.steps[i - 1]!);
      rig.do(t === undefined ? step : ([t, ...step.slice(1)] as unknown as Step));
    });
    return { id: c.id, steps: rig.outcomes };
  } finally {
    rig.close();
  }
}
