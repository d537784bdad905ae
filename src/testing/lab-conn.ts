/**
 * The application's end of a lab: a socket of the host, called as a program would call it, never waiting.
 *
 * `want` is the answer that the test expects: a count, or the name of an errno. The bytes written are the pattern of
 * testing/pattern.ts, and so are those of the peer: whoever receives them checks each.
 */
import * as errno from '../lib/errno.ts';
import { MsgHdr } from '../sock/sockaddr.ts';
import { SockoptError, type SockoptValue } from '../sock/sock.ts';
import {
  EPOLLRDHUP, MSG_OOB, POLLERR, POLLHUP, POLLIN, POLLOUT, SHUT_RD, SHUT_RDWR, SHUT_WR, SOL_TCP, TCP_INFO,
} from '../sock/constants.ts';
import { sysIoctl } from '../syscall/control.ts';
import { fdSock, sysClose, sysConnect, sysRecvmsg, sysSendmsg, sysShutdown } from '../syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../syscall/sockopt.ts';
import type { TcpSock } from '../tcp/sock.ts';
import { LabFailure } from './lab-trace.ts';
import type { LabCore } from './lab-core.ts';
import { callSite } from './lab-trace.ts';
import type { Flow } from './lab-flow.ts';
import { patternBytes, patternMismatch } from './pattern.ts';

/** A count of bytes, or an errno by its name. */
export type Answer = number | `E${string}`;

/** How a call is made, and what it should answer. */
export interface CallOptions {
  /** MSG_* */
  readonly flags?: number;
  /** Default: all the bytes that were asked for. `'any'`: whatever it answers. */
  readonly want?: Answer | 'any';
}

/** An answer as its name (`'EAGAIN'`) when it is an errno. */
export function answerName(ret: number): Answer {
  return ret < 0 ? (errno.errnoName(ret) as Answer) : ret;
}

export class LabConn {
  readonly fd: number;
  /** The socket; it may outlive its descriptor. */
  readonly tp: TcpSock;
  readonly flow: Flow;
  private readonly core: LabCore;
  private written = 0;
  private readBytes = 0;

  constructor(core: LabCore, fd: number, flow: Flow) {
    this.core = core;
    this.fd = fd;
    this.flow = flow;
    this.tp = fdSock(core.host.process, fd) as TcpSock;
  }

  /** Writes the next `n` bytes of the pattern. */
  write(n: number, options: CallOptions = {}): number {
    const msg = new MsgHdr();
    msg.buf = patternBytes(this.written, n);
    msg.len = n;
    msg.flags = options.flags ?? 0;
    const ret = sysSendmsg(this.core.host.process, this.fd, msg);
    if (ret > 0) this.written += ret;
    return this.answer(`write(${n})`, ret, options.want ?? n);
  }

  /** Reads at most `n` bytes, and checks that they are what the peer sent. */
  read(n: number, options: CallOptions = {}): number {
    const msg = new MsgHdr();
    msg.buf = new Uint8Array(n);
    msg.len = n;
    msg.flags = options.flags ?? 0;
    const ret = sysRecvmsg(this.core.host.process, this.fd, msg);
    this.answer(`read(${n})`, ret, options.want ?? n);
    if (ret <= 0) return ret;
    const wrong = patternMismatch(this.readBytes, msg.buf, ret);
    if (wrong >= 0) this.complain(`read(${n}) = ${ret}: the byte at ${wrong} is not what the peer sent`);
    if ((msg.flags & 2) === 0) this.readBytes += ret;
    return ret;
  }

  /** Takes the urgent byte (MSG_OOB), which must be there; which place of the peer's stream it stands at. */
  readUrgent(): number {
    const msg = new MsgHdr();
    msg.buf = new Uint8Array(1);
    msg.len = 1;
    msg.flags = MSG_OOB;
    this.answer('read(1, MSG_OOB)', sysRecvmsg(this.core.host.process, this.fd, msg), 1);
    const at = (this.tp.urgSeq - this.tp.irs - 1) >>> 0;
    if (patternMismatch(at, msg.buf) >= 0) this.complain(`read(1, MSG_OOB): not the byte at ${at}`);
    return at;
  }

  shutdown(how: 'rd' | 'wr' | 'rdwr' = 'wr', want: Answer = 0): void {
    const number = { rd: SHUT_RD, wr: SHUT_WR, rdwr: SHUT_RDWR }[how];
    this.answer(`shutdown(${how})`, sysShutdown(this.core.host.process, this.fd, number), want);
  }

  close(): void {
    this.answer('close()', sysClose(this.core.host.process, this.fd), 0);
  }

  /** connect() again: how the first one went. */
  connect(want: Answer): void {
    this.answer('connect()', sysConnect(this.core.host.process, this.fd, this.flow.peerName()), want);
  }

  setsockopt(level: number, name: number, value: SockoptValue, want: Answer = 0): void {
    this.answer(`setsockopt(${level}, ${name})`, sysSetsockopt(this.core.host.process, this.fd, level, name, value), want);
  }

  getsockopt(level: number, name: number): SockoptValue {
    const value = sysGetsockopt(this.core.host.process, this.fd, level, name);
    if (value instanceof SockoptError) return this.complain(`getsockopt(${level}, ${name}): ${answerName(-Math.abs(value.errno))}`);
    return value;
  }

  /** TCP_INFO. */
  info(): Readonly<Record<string, number>> {
    return this.getsockopt(SOL_TCP, TCP_INFO) as Readonly<Record<string, number>>;
  }

  ioctl(cmd: number): number {
    return sysIoctl(this.core.host.process, this.fd, cmd, 0);
  }

  /** What poll() says now, as words: `'in out'`, `'in out rdhup'`, `''`. */
  poll(): string {
    const bits = this.tp.prot.poll(this.tp);
    const words: [number, string][] = [[POLLIN, 'in'], [POLLOUT, 'out'], [POLLERR, 'err'], [POLLHUP, 'hup'], [EPOLLRDHUP, 'rdhup']];
    return words.filter(([bit]) => (bits & bit) !== 0).map(([, word]) => word).join(' ');
  }

  private answer(call: string, ret: number, want: Answer | 'any'): number {
    const { core } = this;
    const got = answerName(ret);
    core.trace.note(core.nowNs - core.originNs, `${call} = ${got}`);
    if (want !== 'any' && got !== want) this.complain(`${call}: ${want} wanted, got ${got}`);
    core.host.runTasks();
    return ret;
  }

  private complain(message: string): never {
    throw new LabFailure(this.core.trace.story(callSite(), null, [], message));
  }
}
