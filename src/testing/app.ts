/**
 * Programs of a scenario: generators that yield what they wait for. They run as tasks of their host, outside the kernel,
 * and need no promise and no turn of the runtime's event loop: thousands of connections cost what their packets cost.
 *
 *     function* echo(sys: AppCalls): App<number> {
 *       const fd = sys.connect('10.0.0.2', 7);
 *       yield sys.writable(fd);
 *       …
 *       return total;
 *     }
 *
 * Calls never wait and never throw: they answer a value or a negative errno.
 */
import { parseIpv4 } from '../lib/addr.ts';
import { EAGAIN } from '../lib/errno.ts';
import {
  AF_INET, EPOLLERR, EPOLLHUP, EPOLLRDHUP, POLLIN, POLLOUT, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, SO_ERROR, SO_REUSEADDR,
} from '../sock/constants.ts';
import type { SockoptValue } from '../sock/sock.ts';
import { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { WaitEntry } from '../sock/wait-queue.ts';
import type { Process } from '../syscall/process.ts';
import {
  fdSock, sysAccept, sysBind, sysClose, sysConnect, sysListen, sysRecvmsg, sysSendmsg, sysShutdown, sysSocket,
} from '../syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../syscall/sockopt.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';

/** What a program waits for: a descriptor's readiness, a time, or whichever comes first. */
export interface AppWait {
  readonly fd: number;
  readonly events: number;
  /** Nanoseconds from now, Infinity = for ever. */
  readonly forNs: number;
}

/** A program. */
export type App<R> = Generator<AppWait, R, void>;

/** Makes a program. */
export type AppBody<R> = (sys: AppCalls) => App<R>;

/** The socket calls as programs of scenarios make them. */
export class AppCalls {
  readonly process: Process;
  private readonly msg: MsgHdr = new MsgHdr();
  private readonly addr: SockAddr = new SockAddr();

  constructor(process: Process) {
    this.process = process;
  }

  /** Virtual nanoseconds. */
  get nowNs(): number {
    return this.process.net.sim.now;
  }

  readable(fd: number, forNs: number = Infinity): AppWait {
    return { fd, events: POLLIN | EPOLLRDHUP, forNs };
  }

  writable(fd: number, forNs: number = Infinity): AppWait {
    return { fd, events: POLLOUT, forNs };
  }

  sleep(ns: number): AppWait {
    return { fd: -1, events: 0, forNs: ns };
  }

  /** A listener on any address. */
  listen(port: number, backlog: number = 128): number {
    const fd = sysSocket(this.process, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    this.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const bound = sysBind(this.process, fd, this.addr.set(0, port));
    const ret = bound !== 0 ? bound : sysListen(this.process, fd, backlog);
    return ret === 0 ? fd : ret;
  }

  accept(fd: number): number {
    return sysAccept(this.process, fd, null, SOCK_NONBLOCK);
  }

  /** A socket that has begun to connect; wait until it is writable, then ask {@link error}. */
  connect(ip: string, port: number): number {
    const fd = sysSocket(this.process, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return fd;
    sysConnect(this.process, fd, this.addr.set(parseIpv4(ip)!, port));
    return fd;
  }

  /** A datagram socket, bound when `port` is not 0. */
  datagram(port: number): number {
    const fd = sysSocket(this.process, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd >= 0 && port !== 0) sysBind(this.process, fd, this.addr.set(0, port));
    return fd;
  }

  sendto(fd: number, buf: Uint8Array, ip: string, port: number): number {
    const { msg } = this;
    msg.name.set(parseIpv4(ip)!, port);
    msg.hasName = true;
    const ret = this.transfer(sysSendmsg, fd, buf, 0, buf.length, 0);
    msg.hasName = false;
    return ret;
  }

  /** Writes from `off` on: a count, or a negative errno. */
  write(fd: number, buf: Uint8Array, off: number = 0, len: number = buf.length - off, flags: number = 0): number {
    return this.transfer(sysSendmsg, fd, buf, off, len, flags);
  }

  /** Reads: a count, 0 at the end of the stream, or a negative errno. */
  read(fd: number, buf: Uint8Array, flags: number = 0): number {
    return this.transfer(sysRecvmsg, fd, buf, 0, buf.length, flags);
  }

  private transfer(
    call: (p: Process, fd: number, msg: MsgHdr) => number, fd: number, buf: Uint8Array, off: number, len: number, flags: number,
  ): number {
    const { msg } = this;
    msg.buf = buf;
    msg.off = off;
    msg.len = len;
    msg.flags = flags;
    return call(this.process, fd, msg);
  }

  shutdown(fd: number, how: number): number {
    return sysShutdown(this.process, fd, how);
  }

  close(fd: number): number {
    return sysClose(this.process, fd);
  }

  /** SO_ERROR: a positive errno, or 0. */
  error(fd: number): number {
    return sysGetsockopt(this.process, fd, SOL_SOCKET, SO_ERROR) as number;
  }

  setsockopt(fd: number, level: number, name: number, value: SockoptValue): number {
    return sysSetsockopt(this.process, fd, level, name, value);
  }
}

/** A program that waits so often for something that is ready is held up by a contradiction. */
const MAX_SPINS = 100_000;

/** A program that has been started. */
export class RunningApp<R> extends WaitEntry {
  readonly name: string;
  /** It has returned, or thrown. */
  done = false;
  /** What it returned. */
  result: R | undefined = undefined;
  /** What it threw. */
  error: unknown = null;
  /** Told when it has ended. */
  onDone: (() => void) | null = null;
  /** What it waits for. */
  waiting: AppWait | null = null;
  private readonly calls: AppCalls;
  private readonly body: App<R>;
  private readonly task: Task;
  private readonly timer: Timer;

  constructor(name: string, calls: AppCalls, body: AppBody<R>) {
    super();
    this.name = name;
    this.calls = calls;
    this.body = body(calls);
    const { net } = calls.process;
    this.task = new Task(() => {
      this.resume();
    });
    this.timer = new Timer(net.sim, net.cpu, () => {
      net.cpu.wake(this.task);
    });
    net.cpu.wake(this.task);
  }

  override wake(events: number): boolean {
    if (this.waiting !== null && events !== 0 && (events & (this.waiting.events | EPOLLERR | EPOLLHUP)) === 0) return false;
    this.calls.process.net.cpu.wake(this.task);
    return true;
  }

  private resume(): void {
    if (this.done || (this.waiting !== null && !this.due(this.waiting))) return;
    this.stopWaiting();
    for (let spins = 0; ; spins++) {
      let step: IteratorResult<AppWait, R>;
      try {
        step = this.body.next();
      } catch (error) {
        this.end(error);
        return;
      }
      if (step.done === true) {
        this.result = step.value;
        this.end(null);
        return;
      }
      if (!this.ready(step.value)) {
        this.startWaiting(step.value);
        return;
      }
      if (spins > MAX_SPINS) {
        this.end(new Error(`fd ${step.value.fd} is said to be ready, and then it is not: poll and the calls disagree`));
        return;
      }
    }
  }

  private end(error: unknown): void {
    this.error = error;
    this.done = true;
    if (this.onDone !== null) this.onDone();
  }

  private due(wait: AppWait): boolean {
    return this.ready(wait) || (wait.forNs !== Infinity && !this.timer.pending);
  }

  private ready(wait: AppWait): boolean {
    if (wait.fd < 0) return wait.forNs <= 0;
    const sk = fdSock(this.calls.process, wait.fd);
    return sk === null || (sk.prot.poll(sk) & (wait.events | EPOLLERR | EPOLLHUP)) !== 0;
  }

  private startWaiting(wait: AppWait): void {
    this.waiting = wait;
    const { net } = this.calls.process;
    if (wait.fd >= 0) fdSock(this.calls.process, wait.fd)!.wq.add(this);
    if (wait.forNs !== Infinity) this.timer.mod(Math.max(net.cpu.now, net.sim.now) + wait.forNs);
  }

  private stopWaiting(): void {
    this.waiting = null;
    this.queue?.remove(this);
    this.timer.del();
  }
}

/** True for an answer that means "not now". */
export function again(ret: number): boolean {
  return ret === -EAGAIN;
}
