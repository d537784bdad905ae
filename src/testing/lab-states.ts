/**
 * The named states of a lab, each reached by a real exchange and verified on the way; never by poking fields.
 *
 *     t.listening()     a listener on port 80
 *     t.synSent()       our SYN is out
 *     t.established()   the peer connected to us and was accepted; `{ active: true }`: we connected to the peer
 *     t.finWait1() …    established, then the segments that lead there
 *
 * The clock of traces begins where the state is reached.
 */
import { EINPROGRESS } from '../lib/errno.ts';
import { NS_PER_MS } from '../lib/units.ts';
import {
  SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SOL_TCP, SO_RCVBUF, SO_REUSEADDR, SO_SNDBUF, TCP_NODELAY,
} from '../sock/constants.ts';
import { in6Any } from '../lib/addr6.ts';
import { SockAddr } from '../sock/sockaddr.ts';
import { sysAccept, sysBind, sysConnect, sysListen, sysSocket } from '../syscall/socket.ts';
import { sysSetsockopt } from '../syscall/sockopt.ts';
import { formatOptions, type TcpOption } from '../wire/segment.ts';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../wire/tcp.ts';
import { answerName, LabConn } from './lab-conn.ts';
import type { LabCore } from './lab-core.ts';
import { callSite, LabFailure, type Place } from './lab-trace.ts';
import { parsePacket } from './segment-notation.ts';

/** What the peer is like, and how the connection is made. */
export interface StateOptions {
  /** The MSS that the peer announces, null for no option. Default 1460. */
  readonly mss?: number | null;
  /** The peer's window scale, null for no option. Default 7. */
  readonly wscale?: number | null;
  /** The peer permits SACK. Default true. */
  readonly sack?: boolean;
  /** The peer offers timestamps. Default false: fewer bytes in the way. */
  readonly timestamps?: boolean;
  /** The window field of the peer's SYN and, unscaled by nobody, of its later segments. Default 65535. */
  readonly win?: number;
  /** Round trip of the handshake. Default 100. */
  readonly rttMs?: number;
  /** We connect to the peer, instead of it to us. Default false. */
  readonly active?: boolean;
  /** Our port as a server, the peer's when we connect. Default 80. */
  readonly port?: number;
  /** Length of the accept queue. Default 128. */
  readonly backlog?: number;
  readonly nodelay?: boolean;
  readonly sndbuf?: number;
  readonly rcvbuf?: number;
  /** More options, set before listen or connect: level, name, value. */
  readonly sockopts?: readonly (readonly [number, number, number | object])[];
}

/** A listener. */
export class LabListener {
  readonly fd: number;
  readonly port: number;
  private readonly core: LabCore;

  constructor(core: LabCore, fd: number, port: number) {
    this.core = core;
    this.fd = fd;
    this.port = port;
  }

  /** The connection that has waited longest; it must be there. */
  accept(): LabConn {
    const { core } = this;
    const from = new SockAddr();
    const fd = sysAccept(core.host.process, this.fd, from, SOCK_NONBLOCK);
    core.trace.note(core.nowNs - core.originNs, `accept() = ${answerName(fd) === fd ? 'a connection' : answerName(fd)}`);
    if (fd < 0) throw new LabFailure(core.trace.story(callSite(), null, [], `accept(): a connection wanted, got ${answerName(fd)}`));
    return new LabConn(core, fd, core.flowOf(this.port, from.port));
  }

  /** What accept() answers when no connection is expected. */
  acceptNothing(): void {
    const { core } = this;
    const fd = sysAccept(core.host.process, this.fd, null, SOCK_NONBLOCK);
    const got = answerName(fd);
    if (got !== 'EAGAIN') throw new LabFailure(core.trace.story(callSite(), null, [], `accept(): EAGAIN wanted, got ${got}`));
  }
}

/** The options of the peer's SYN, in Linux's layout. */
export function synOptions(o: StateOptions, ecr: number): readonly TcpOption[] {
  const list: TcpOption[] = [];
  const nop: TcpOption = { kind: 'nop' };
  const mss = o.mss === undefined ? 1460 : o.mss;
  const wscale = o.wscale === undefined ? 7 : o.wscale;
  if (mss !== null) list.push({ kind: 'mss', value: mss });
  if (o.timestamps === true) {
    list.push(...(o.sack === false ? [nop, nop] : [{ kind: 'sackOK' } as const]), { kind: 'TS', val: 0, ecr });
  } else if (o.sack !== false) {
    list.push(nop, nop, { kind: 'sackOK' });
  }
  if (wscale !== null) list.push(nop, { kind: 'wscale', value: wscale });
  return list;
}

/** Makes a socket with the options; not bound yet. */
function newSocket(core: LabCore, o: StateOptions): number {
  const p = core.host.process;
  const fd = sysSocket(p, core.host.socketFamily, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const set = (level: number, name: number, value: number | object): void => {
    const ret = sysSetsockopt(p, fd, level, name, value);
    if (ret !== 0) throw new LabFailure(`setsockopt(${level}, ${name}): ${answerName(ret)}`);
  };
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (o.nodelay === true) set(SOL_TCP, TCP_NODELAY, 1);
  if (o.sndbuf !== undefined) set(SOL_SOCKET, SO_SNDBUF, o.sndbuf);
  if (o.rcvbuf !== undefined) set(SOL_SOCKET, SO_RCVBUF, o.rcvbuf);
  for (const [level, name, value] of o.sockopts ?? []) set(level, name, value);
  return fd;
}

/** `t.listening()`. */
export function listening(core: LabCore, o: StateOptions): LabListener {
  const p = core.host.process;
  const port = o.port ?? core.host.firstPort;
  const fd = newSocket(core, o);
  const bound = sysBind(p, fd, core.host.family === 6 ? new SockAddr().set6(in6Any, port, 0) : new SockAddr().set(0, port));
  if (bound !== 0) throw new LabFailure(`bind(${port}): ${answerName(bound)}`);
  const ret = sysListen(p, fd, o.backlog ?? 128);
  if (ret !== 0) throw new LabFailure(`listen(): ${answerName(ret)}`);
  core.originNs = core.nowNs;
  return new LabListener(core, fd, port);
}

/** `t.connecting()`: connect() was called; its SYN is for the lines to expect. */
export function connecting(core: LabCore, o: StateOptions): LabConn {
  const p = core.host.process;
  const fd = newSocket(core, o);
  const flow = core.newFlow(0, o.port ?? 80);
  const ret = sysConnect(p, fd, flow.peerName());
  if (ret !== -EINPROGRESS) throw new LabFailure(`connect(): EINPROGRESS wanted, got ${answerName(ret)}`);
  core.host.runTasks();
  core.flows.splice(core.flows.indexOf(flow), 1);
  core.flow = core.sent[0]?.flow ?? flow;
  core.originNs = core.nowNs;
  return new LabConn(core, fd, core.flow);
}

/** `t.synSent()`: connect() was called, the SYN was seen. */
export function synSent(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = connecting(core, o);
  takeTcp(core, place, 'S 0:0(0)', TCP_FLAG_SYN);
  return c;
}

/** `t.established()`. */
export function established(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = o.active === true ? activeOpen(core, o, place) : passiveOpen(core, o, place);
  core.checkSockets(place);
  core.originNs = core.nowNs;
  return c;
}

function passiveOpen(core: LabCore, o: StateOptions, place: Place): LabConn {
  const listener = listening(core, o);
  const c = handshake(core, listener, o, place);
  core.host.closeFd(listener.fd);
  core.host.runTasks();
  return c;
}

/** The peer connects to a listener, which accepts it. */
export function handshake(core: LabCore, listener: LabListener, o: StateOptions, place: Place): LabConn {
  const win = o.win ?? 65535;
  const flow = core.newFlow(listener.port);
  const syn = parsePacket(`S 0:0(0) win ${win}`);
  core.inject({ ...syn, options: peerTimestamps(core, synOptions(o, 0)) } as typeof syn, core.nowNs, 'S 0:0(0)', place);
  takeTcp(core, place, 'S. 0:0(0) ack 1', TCP_FLAG_SYN | TCP_FLAG_ACK);
  flow.timestamps = o.timestamps === true;
  flow.win = win;
  const rtt = o.rttMs ?? 100;
  core.inject(parsePacket('. 1:1(0) ack 1'), core.nowNs + rtt * NS_PER_MS, '. 1:1(0) ack 1', place);
  core.nothingSent(place, '. 1:1(0) ack 1');
  return listener.accept();
}

/** TS val in a script is relative; a SYN made here carries the present. */
function peerTimestamps(core: LabCore, options: readonly TcpOption[]): readonly TcpOption[] {
  return options.map((x) => (x.kind === 'TS' ? { ...x, val: Math.floor(core.nowNs / 1e6) } : x));
}

function activeOpen(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = synSent(core, o, place);
  const { flow } = c;
  const win = o.win ?? 65535;
  flow.win = win;
  const rtt = (o.rttMs ?? 100) * NS_PER_MS;
  const at = core.nowNs + rtt;
  core.advance(at);
  const ecr = flow.hostTsBase === null ? 0 : Math.floor((at - rtt) / 1e6);
  const synack = parsePacket(`S. 0:0(0) ack 1 win ${win}`);
  core.inject({ ...synack, options: peerTimestamps(core, synOptions(o, ecr)) } as typeof synack, at, 'S. 0:0(0) ack 1', place);
  flow.timestamps = o.timestamps === true;
  takeTcp(core, place, '. 1:1(0) ack 1', TCP_FLAG_ACK);
  c.connect(0);
  return c;
}

/** Takes the next segment of the host, which must be there now and have these flags. */
function takeTcp(core: LabCore, place: Place, want: string, flags: number): NonNullable<ReturnType<LabCore['take']>> {
  const got = core.take();
  if (got === null) return core.fail(place, { want: `> ${want}`, got: null, note: 'nothing was sent' });
  const seen = typeof got.packet !== 'string' && got.packet.proto === 'tcp' ? got.packet.flags & 0x3f : -1;
  if (seen !== flags || got.timeNs !== core.nowNs) core.fail(place, { want: `> ${want}`, got, note: 'while the state was being reached' });
  return got;
}

/** Runs lines on the way to a state. */
function lines(core: LabCore, place: Place, text: string): void {
  core.run(text, { file: place.file, line: place.line });
}

/** `t.finWait1()`: established, then we shut down; the FIN is out. */
export function finWait1(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = established(core, o, place);
  c.shutdown('wr');
  lines(core, place, '> F. 1:1(0) ack 1');
  core.originNs = core.nowNs;
  return c;
}

/** `t.finWait2()`: … and the peer has acknowledged it. */
export function finWait2(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = finWait1(core, o, place);
  lines(core, place, `+${o.rttMs ?? 100}ms < . 1:1(0) ack 2`);
  core.originNs = core.nowNs;
  return c;
}

/** `t.closing()`: both FINs are out, ours is not acknowledged. */
export function closing(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = finWait1(core, o, place);
  lines(core, place, `+${o.rttMs ?? 100}ms < F. 1:1(0) ack 1\n > . 2:2(0) ack 2`);
  core.originNs = core.nowNs;
  return c;
}

/** `t.timeWait()`: both FINs are out and acknowledged; we closed first. */
export function timeWait(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = finWait2(core, o, place);
  lines(core, place, '< F. 1:1(0) ack 2\n > . 2:2(0) ack 2');
  core.originNs = core.nowNs;
  return c;
}

/** `t.closeWait()`: the peer has sent its FIN. */
export function closeWait(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = established(core, o, place);
  lines(core, place, '< F. 1:1(0) ack 1');
  // The ACK of a first FIN is not delayed by more than a tick (ATO is still 0): take it when it comes.
  core.advance(core.nowNs + 40 * NS_PER_MS);
  const got = core.take();
  if (got === null) core.fail(place, { want: '> . 1:1(0) ack 2', got: null, note: 'nothing was sent in 40 ms' });
  core.originNs = core.nowNs;
  return c;
}

/** `t.lastAck()`: … and we have sent ours. */
export function lastAck(core: LabCore, o: StateOptions, place: Place): LabConn {
  const c = closeWait(core, o, place);
  c.close();
  lines(core, place, '> F. 1:1(0) ack 2');
  core.originNs = core.nowNs;
  return c;
}

/** For messages of the kit. */
export function optionsText(o: StateOptions): string {
  return formatOptions(synOptions(o, 0));
}
