/**
 * Calls that wait: try; while the answer is "not now", sleep on the file's wait queue; try again when woken.
 *
 *   from  host/calls.ts     kernel.read, kernel.accept…
 *   to    syscall/socket.ts the same calls, never waiting
 *
 * A wake-up (inside the kernel) makes the call's task ready; the task (user code, outside) tries again and settles the
 * promise. Results are values or negative errnos; the door makes Error objects of them.
 */
import { EAGAIN, EALREADY, EINPROGRESS, EISCONN } from '../lib/errno.ts';
import {
  EPOLLERR, EPOLLHUP, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM, EPOLLRDHUP,
  SOCK_STREAM, TCPF_SYN_RECV, TCPF_SYN_SENT, TCP_CLOSE,
} from '../sock/constants.ts';
import type { Sock } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { WaitEntry } from '../sock/wait-queue.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';
import { sysEpollWait, type EpollEvent } from './epoll.ts';
import type { File, Sleeper } from './file.ts';
import { sysPoll, type PollFd } from './poll.ts';
import type { Process, Waiting } from './process.ts';
import { badSock, fdSock, sysAccept, sysConnect, sysRecvmsg, sysSendmsg } from './socket.ts';

const READABLE: number = POLLIN | POLLRDNORM | POLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
const WRITABLE: number = POLLOUT | POLLWRNORM | EPOLLERR | EPOLLHUP;
const ANY = -1;

/** What a call that waits does when it is tried: a value, a negative errno, or -EAGAIN to sleep (again). */
export type Attempt = () => number;

/** How a call waits. */
interface Wait {
  /** POLL* bits that may change the answer. */
  readonly events: number;
  /** Nanoseconds, 0 = for ever. */
  readonly timeoutNs: number;
  /** The answer when the time is up. */
  readonly onTimeout: () => number;
  /** Wakes one caller per event (accept). */
  readonly exclusive?: boolean;
}

/** A call that sleeps. */
class BlockedCall extends WaitEntry implements Sleeper, Waiting {
  readonly process: Process;
  readonly fd: number;
  readonly name: string;
  readonly sinceNs: number;
  nextSleeper: Sleeper | null = null;
  prevSleeper: Sleeper | null = null;
  private readonly file: File;
  private readonly events: number;
  private readonly attempt: Attempt;
  private readonly settle: (ret: number) => void;
  private readonly task: Task;
  private timer: Timer | null = null;
  private timedOut: (() => number) | null = null;
  private done = false;

  constructor(p: Process, fd: number, file: File, name: string, wait: Wait, attempt: Attempt, settle: (ret: number) => void) {
    super();
    this.process = p;
    this.fd = fd;
    this.file = file;
    this.name = name;
    this.events = wait.events;
    this.attempt = attempt;
    this.settle = settle;
    this.sinceNs = p.net.sim.now;
    this.exclusive = wait.exclusive === true;
    this.task = new Task(() => this.tryAgain());
    if (wait.timeoutNs > 0) this.startTimer(wait);
    file.wq.add(this);
    file.addSleeper(this);
    p.layer.waiting.add(this);
  }

  get sock(): Sock | null {
    return fdSock(this.process, this.fd);
  }

  override wake(events: number): boolean {
    if (events !== 0 && (events & this.events) === 0) return false;
    if (this.task.queued || this.task.ready) return !this.exclusive; // it has an event to take care of already
    this.process.net.cpu.wake(this.task);
    return true;
  }

  cancel(errno: number): void {
    this.finish(-errno);
  }

  abandon(): void {
    this.leave();
  }

  private startTimer(wait: Wait): void {
    const { net } = this.process;
    this.timedOut = wait.onTimeout;
    this.timer = new Timer(net.sim, net.cpu, () => {
      net.cpu.wake(this.task);
    });
    this.timer.mod(net.cpu.now + wait.timeoutNs);
  }

  private tryAgain(): void {
    if (this.done) return;
    const ret = this.attempt();
    if (ret !== -EAGAIN) this.finish(ret);
    else if (this.timer !== null && !this.timer.pending) this.finish(this.timedOut!());
  }

  private finish(ret: number): void {
    if (this.leave()) this.settle(ret);
  }

  /** Out of all queues. False when it was already. */
  private leave(): boolean {
    if (this.done) return false;
    this.done = true;
    this.queue?.remove(this);
    this.file.removeSleeper(this);
    this.timer?.del();
    this.process.layer.waiting.delete(this);
    return true;
  }
}

/** Tries once, and sleeps on `fd` when the answer is -EAGAIN and waiting is allowed. */
function wait(p: Process, fd: number, name: string, how: Wait | null, attempt: Attempt): Promise<number> {
  const ret = attempt();
  const file = p.fds.get(fd);
  if (ret !== -EAGAIN || how === null || file === null) return Promise.resolve(ret);
  return new Promise((resolve) => {
    void new BlockedCall(p, fd, file, name, how, attempt, resolve);
  });
}

function mayWait(p: Process, fd: number, flags: number): boolean {
  const file = p.fds.get(fd);
  return file !== null && !file.nonblock && (flags & MSG_DONTWAIT) === 0;
}

/** accept4(2): a descriptor. SO_RCVTIMEO ends the wait with -EAGAIN. */
export function waitAccept(p: Process, fd: number, out: SockAddr | null, flags: number): Promise<number> {
  const how = mayWait(p, fd, 0)
    ? { events: READABLE, timeoutNs: fdSock(p, fd)?.rcvtimeoNs ?? 0, onTimeout: () => -EAGAIN, exclusive: true }
    : null;
  return wait(p, fd, 'accept', how, () => sysAccept(p, fd, out, flags));
}

/** connect(2): 0 once the handshake is done. SO_SNDTIMEO ends the wait with -EINPROGRESS; the handshake goes on. */
export function waitConnect(p: Process, fd: number, addr: SockAddr): Promise<number> {
  const first = sysConnect(p, fd, addr);
  const sk = fdSock(p, fd);
  if ((first !== -EINPROGRESS && first !== -EALREADY) || sk === null || !mayWait(p, fd, 0)) return Promise.resolve(first);
  const how = { events: ANY, timeoutNs: sk.sndtimeoNs, onTimeout: () => -EINPROGRESS };
  return wait(p, fd, 'connect', how, () => connected(p, fd, sk, addr));
}

/** How a handshake stands: another call of connect tells, once. */
function connected(p: Process, fd: number, sk: Sock, addr: SockAddr): number {
  if (((1 << sk.state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) return -EAGAIN;
  const ret = sysConnect(p, fd, addr);
  return ret === -EISCONN ? 0 : ret;
}

/** sendmsg(2): on a stream, ends when everything is written; a count below that means that the time was up, or an error came after it. */
export function waitSendmsg(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const sk = fdSock(p, fd);
  if (sk === null) return Promise.resolve(badSock(p, fd));
  const { off, len } = msg;
  let sent = 0;
  const attempt = (): number => {
    for (;;) {
      msg.off = off + sent;
      msg.len = len - sent;
      const n = sysSendmsg(p, fd, msg);
      if (n < 0) return n === -EAGAIN || sent === 0 ? n : sent;
      sent += n;
      if (sent >= len || n === 0 || sk.type !== SOCK_STREAM) return sent;
    }
  };
  if (!mayWait(p, fd, msg.flags)) {
    const ret = attempt();
    return Promise.resolve(ret === -EAGAIN && sent > 0 ? sent : ret);
  }
  return wait(p, fd, 'send', { events: WRITABLE, timeoutNs: sk.sndtimeoNs, onTimeout: () => sent || -EAGAIN }, attempt);
}

/** recvmsg(2): ends when SO_RCVLOWAT bytes (or all, with MSG_WAITALL) have come, or the end of the stream, or an error. */
export function waitRecvmsg(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const sk = fdSock(p, fd);
  if (sk === null) return Promise.resolve(badSock(p, fd));
  if (!mayWait(p, fd, msg.flags)) return Promise.resolve(sysRecvmsg(p, fd, msg));
  const { off, len } = msg;
  const stream = sk.type === SOCK_STREAM;
  const target = !stream ? 0 : (msg.flags & MSG_WAITALL) !== 0 ? len : Math.min(sk.rcvlowat, len);
  const peek = (msg.flags & MSG_PEEK) !== 0;
  let got = 0;
  const attempt = (): number => {
    for (;;) {
      msg.off = off + got;
      msg.len = len - got;
      const n = sysRecvmsg(p, fd, msg);
      if (n < 0) return n === -EAGAIN || got === 0 ? n : got;
      if (peek && n < target && !atEnd(sk)) return -EAGAIN;
      got += n;
      if (n === 0 || got >= target || peek) return got;
    }
  };
  const onTimeout = (): number => {
    if (!peek) return got || -EAGAIN;
    return sysRecvmsg(p, fd, msg);
  };
  return wait(p, fd, 'recv', { events: READABLE, timeoutNs: sk.rcvtimeoNs, onTimeout }, attempt);
}

/** Nothing more will come: waiting for more would be for ever. */
function atEnd(sk: Sock): boolean {
  return sk.err !== 0 || sk.state === TCP_CLOSE || (sk.shutdown & 1) !== 0;
}

/** epoll_wait(2). `timeoutNs` below 0 = for ever, 0 = not at all. */
export function waitEpoll(p: Process, epfd: number, out: EpollEvent[], max: number, timeoutNs: number): Promise<number> {
  const how = timeoutNs === 0 ? null : { events: ANY, timeoutNs: Math.max(timeoutNs, 0), onTimeout: () => 0 };
  return wait(p, epfd, 'epoll_wait', how, () => {
    const n = sysEpollWait(p, epfd, out, max);
    return n === 0 ? -EAGAIN : n;
  }).then((n) => (n === -EAGAIN ? 0 : n));
}

// ---- poll: one call that sleeps in many queues ----------------------------------------------------------------------

class PollEntry extends WaitEntry {
  private readonly call: PollCall;
  private readonly events: number;

  constructor(call: PollCall, events: number) {
    super();
    this.call = call;
    this.events = events;
  }

  override wake(events: number): boolean {
    if (events !== 0 && (events & this.events) === 0) return false;
    this.call.process.net.cpu.wake(this.call.task);
    return true;
  }
}

class PollCall implements Waiting {
  readonly process: Process;
  readonly fd: number;
  readonly name = 'poll';
  readonly sinceNs: number;
  readonly task: Task;
  private readonly fds: readonly PollFd[];
  private readonly entries: PollEntry[] = [];
  private readonly settle: (n: number) => void;
  private timer: Timer | null = null;

  constructor(p: Process, fds: readonly PollFd[], timeoutNs: number, settle: (n: number) => void) {
    this.process = p;
    this.fds = fds;
    this.fd = fds[0]?.fd ?? -1;
    this.settle = settle;
    this.sinceNs = p.net.sim.now;
    this.task = new Task(() => this.look());
    for (const { fd, events } of fds) {
      const file = fd < 0 ? null : p.fds.get(fd);
      if (file === null) continue;
      const entry = new PollEntry(this, events | EPOLLERR | EPOLLHUP);
      this.entries.push(entry);
      file.wq.add(entry);
    }
    if (timeoutNs > 0) {
      this.timer = new Timer(p.net.sim, p.net.cpu, () => p.net.cpu.wake(this.task));
      this.timer.mod(p.net.cpu.now + timeoutNs);
    }
    p.layer.waiting.add(this);
  }

  get sock(): Sock | null {
    return fdSock(this.process, this.fd);
  }

  abandon(): void {
    for (const entry of this.entries) entry.queue?.remove(entry);
    this.timer?.del();
    this.process.layer.waiting.delete(this);
  }

  private look(): void {
    if (!this.process.layer.waiting.has(this)) return;
    const n = sysPoll(this.process, this.fds);
    if (n !== 0 || (this.timer !== null && !this.timer.pending)) this.finish(n);
  }

  private finish(ret: number): void {
    this.abandon();
    this.settle(ret);
  }
}

/** poll(2): how many entries have events; 0 when the time is up. `timeoutNs` below 0 = for ever, 0 = not at all. */
export function waitPoll(p: Process, fds: readonly PollFd[], timeoutNs: number): Promise<number> {
  const n = sysPoll(p, fds);
  if (n !== 0 || timeoutNs === 0) return Promise.resolve(n);
  return new Promise((resolve) => {
    void new PollCall(p, fds, timeoutNs, resolve);
  });
}
