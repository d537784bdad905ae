/** Cases on this stack: the steps at the very times at which the real kernel had them. */
import { MIB_NAMES } from '../../src/dev/mib.ts';
import { errnoName } from '../../src/lib/errno.ts';
import {
  AF_INET, AF_INET6, AF_UNSPEC, SO_LINGER, SO_MEMINFO, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SOL_TCP, TCP_INFO,
} from '../../src/sock/constants.ts';
import { MsgHdr, SockAddr } from '../../src/sock/sockaddr.ts';
import { SockoptError } from '../../src/sock/sock.ts';
import { sysIoctl } from '../../src/syscall/control.ts';
import { sysPoll } from '../../src/syscall/poll.ts';
import {
  sysAccept, sysBind, sysClose, sysConnect, sysListen, sysRecvmsg, sysSendmsg, sysShutdown, sysSocket,
} from '../../src/syscall/socket.ts';
import { type MemInfo, sysGetsockopt, sysSetsockopt } from '../../src/syscall/sockopt.ts';
import { ScriptHost } from '../../src/testing/packetdrill/host.ts';
import { Settings } from '../../src/testing/packetdrill/mode.ts';
import { ADDRESSES, FIRST_PEER_PORT, SYSCTLS, packetBytes, parseSteps, type Case, type Step } from './case.ts';
import type { Environment } from './real.ts';
import { ETH_HLEN } from '../../src/wire/ethernet.ts';
import { Flows, INFO_FIELDS, type Answer, type Sent, type Transcript } from './transcript.ts';

const MSG_NOSIGNAL = 0x4000;
const POLL_ALL = 0x205f;
/** Of the machine, not of a network namespace: the driver says what the real one has. */
const MACHINE: readonly string[] = ['net.core.rmem_max'];

/** Runs a case with its steps at `times` (microseconds). */
export async function runKernet(c: Case, times: readonly number[], endUs: number, env: Environment): Promise<Transcript> {
  const run = new KernetRun(c, env);
  try {
    return await run.run(times, endUs);
  } finally {
    run.host.close();
  }
}

class KernetRun {
  readonly host: ScriptHost;
  private readonly c: Case;
  private readonly settings: Settings;
  private readonly flows: Flows;
  private readonly fds: Map<number, number> = new Map();
  private readonly sent: Sent[] = [];
  private startNs = 0;

  constructor(c: Case, env: Environment) {
    this.c = c;
    const ip = c.ip ?? 4;
    this.settings = new Settings(ip === 6 ? 'ipv6' : 'ipv4');
    this.settings.set('local_ip', ADDRESSES[ip].local);
    this.settings.set('remote_ip', ADDRESSES[ip].remote);
    this.settings.set('mtu', String(c.mtu ?? 1500));
    this.host = new ScriptHost(this.settings, 1);
    this.flows = new Flows(c);
    for (const name of MACHINE) if (env[name] !== undefined) this.host.kernel.sysctl(name, env[name]);
    for (const [name, value] of Object.entries({ ...SYSCTLS, ...c.sysctl })) this.host.kernel.sysctl(name, value);
    this.host.wire.onFrame = ({ bytes, timeNs }): void => {
      const text = this.flows.learn(bytes.subarray(ETH_HLEN));
      if (text !== null) this.sent.push({ atUs: Math.round((timeNs - this.startNs) / 1000), text });
    };
  }

  async run(times: readonly number[], endUs: number): Promise<Transcript> {
    const steps = parseSteps(this.c);
    this.startNs = this.host.nowNs;
    const answers: Answer[] = [];
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!;
      if (step.kind !== 'wait') await this.host.advance(this.startNs + times[i]! * 1000);
      answers.push(this.step(step));
    }
    await this.host.advance(this.startNs + endUs * 1000);
    return { times, answers, sent: this.sent, counters: this.counters(), endUs };
  }

  private step(step: Step): Answer {
    if (step.kind === 'wait') return null;
    if (step.kind === 'call') return shown(this.call(step.name, step.fd, step.args));
    const port = FIRST_PEER_PORT + step.flow;
    const { isn, newestTs } = this.flows;
    this.host.wire.injectIp(packetBytes(this.c, step.flow, step.packet, isn.get(port) ?? 0, newestTs.get(port) ?? 0));
    return null;
  }

  private call(name: string, slot: number, args: readonly (number | string)[]): Answer {
    const { proc } = this.host.kernel;
    const fd = this.fds.get(slot) ?? -1;
    const [a = 0, b = 0, d = 0] = args as readonly number[];
    if (fd < 0 && name !== 'socket' && name !== 'sysctl') return 'EBADF';
    switch (name) {
      case 'socket': return this.install(slot, sysSocket(proc, this.c.ip === 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), 0);
      case 'bind': return sysBind(proc, fd, this.settings.sockAddr(this.settings.localIp, a));
      case 'listen': return sysListen(proc, fd, a);
      case 'accept': return this.accept(fd, a);
      case 'connect': return sysConnect(proc, fd, this.settings.sockAddr(this.settings.remoteIp, a));
      case 'disconnect': return this.disconnect(fd);
      case 'read': return sysRecvmsg(proc, fd, message(a, b));
      case 'write': return sysSendmsg(proc, fd, message(a, b | MSG_NOSIGNAL));
      case 'sendto': return this.sendto(fd, a, b, d);
      case 'shutdown': return sysShutdown(proc, fd, a);
      case 'close': this.fds.delete(slot); return sysClose(proc, fd);
      case 'set': return sysSetsockopt(proc, fd, a, b, args[2]!);
      case 'linger': return sysSetsockopt(proc, fd, SOL_SOCKET, SO_LINGER, { on: a !== 0, seconds: b });
      case 'get': return got(sysGetsockopt(proc, fd, a, b));
      case 'info': return this.info(fd);
      case 'poll': return this.poll(fd);
      case 'ioctl': return sysIoctl(proc, fd, a, 0);
      case 'sysctl': this.host.kernel.sysctl(String(args[0]), args[1]); return 0;
      default: throw new SyntaxError(`'${name}' is no step`);
    }
  }

  private install(slot: number, fd: number, value: number): number {
    if (fd < 0) return fd;
    this.fds.set(slot, fd);
    return value;
  }

  private accept(fd: number, slot: number): number {
    const peer = new SockAddr();
    return this.install(slot, sysAccept(this.host.kernel.proc, fd, peer, SOCK_NONBLOCK), peer.port);
  }

  private disconnect(fd: number): number {
    const to = new SockAddr();
    to.family = AF_UNSPEC;
    return sysConnect(this.host.kernel.proc, fd, to);
  }

  private sendto(fd: number, len: number, flags: number, port: number): number {
    const msg = message(len, flags | MSG_NOSIGNAL);
    msg.name.copy(this.settings.sockAddr(this.settings.remoteIp, port));
    msg.hasName = true;
    return sysSendmsg(this.host.kernel.proc, fd, msg);
  }

  private poll(fd: number): number {
    const entry = { fd, events: POLL_ALL, revents: 0 };
    sysPoll(this.host.kernel.proc, [entry]);
    return entry.revents;
  }

  private info(fd: number): Answer {
    const info = sysGetsockopt(this.host.kernel.proc, fd, SOL_TCP, TCP_INFO);
    const mem = sysGetsockopt(this.host.kernel.proc, fd, SOL_SOCKET, SO_MEMINFO);
    if (info instanceof SockoptError || mem instanceof SockoptError) return got(info);
    const { rmemAlloc, rcvbuf } = mem as MemInfo;
    return [...INFO_FIELDS.map(([name]) => (info as Record<string, number>)[name]!), rmemAlloc, rcvbuf];
  }

  private counters(): Record<string, number> {
    const { mib } = this.host.kernel.stack.net;
    const values: Record<string, number> = {};
    MIB_NAMES.forEach((name, i) => {
      if (/^Tcp/.test(name) && mib[i] !== 0) values[name] = mib[i]!;
    });
    return values;
  }
}

function message(len: number, flags: number): MsgHdr {
  const msg = new MsgHdr();
  msg.buf = new Uint8Array(len);
  msg.len = len;
  msg.flags = flags;
  return msg;
}

function got(value: unknown): Answer {
  if (value instanceof SockoptError) return value.errno;
  return typeof value === 'number' ? value : value === true ? 1 : value === false ? 0 : JSON.stringify(value);
}

function shown(value: Answer): Answer {
  return typeof value === 'number' && value < 0 && value > -4096 ? errnoName(-value) : value;
}
