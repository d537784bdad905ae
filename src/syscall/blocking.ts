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
  AF_UNIX, EPOLLERR, EPOLLHUP, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_OOB, MSG_PEEK, MSG_WAITALL,
  POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM, EPOLLRDHUP,
  RCV_SHUTDOWN, SOCK_STREAM, TCPF_SYN_RECV, TCPF_SYN_SENT, TCPF_UNACKED, TCP_CLOSE, TCP_SYN_SENT,
} from '../sock/constants.ts';
import type { Sock } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { WaitEntry } from '../sock/wait-queue.ts';
import { msgZerocopyEnd } from '../sock/zerocopy.ts';
import { Task } from '../time/task.ts';
import { Timer } from '../time/timer.ts';
import { sysEpollWait, type EpollEvent } from './epoll.ts';
import { SocketFile, type File, type Sleeper } from './file.ts';
import { sysPoll, type PollFd } from './poll.ts';
import type { Process, Waiting } from './process.ts';
import { badSock, fdSock, sendmsgEnd, sendmsgPart, sysAccept, sysClose, sysConnect, sysRecvmsg } from './socket.ts';

/** What a reader waits for. */
export const READABLE: number = POLLIN | POLLRDNORM | POLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
/** What a writer waits for. */
export const WRITABLE: number = POLLOUT | POLLWRNORM | EPOLLERR | EPOLLHUP;
const ANY = -1;

/** What a call that waits does. */
export interface Work {
  /** Tries: a value, a negative errno, or -EAGAIN to sleep (again). */
  attempt(): number;
  /** The answer when the time is up. */
  expired(): number;
  /** The process was killed or the descriptor closed: nobody asks any more. Inside the kernel. */
  abandoned?(): void;
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
  private readonly work: Work;
  private readonly settle: (ret: number) => void;
  private readonly task: Task;
  private timer: Timer | null = null;
  private done = false;

  constructor(p: Process, fd: number, file: File, name: string, events: number, work: Work, settle: (ret: number) => void) {
    super();
    this.process = p;
    this.fd = fd;
    this.file = file;
    this.name = name;
    this.events = events;
    this.work = work;
    this.settle = settle;
    this.sinceNs = p.net.sim.now;
    this.task = new Task(() => this.tryAgain());
    file.wq.add(this);
    file.addSleeper(this);
    p.layer.waiting.add(this);
  }

  get sock(): Sock | null {
    return this.file instanceof SocketFile ? this.file.sk : null;
  }

  override wake(events: number): boolean {
    if (events !== 0 && (events & this.events) === 0) return false;
    if (this.task.queued || this.task.ready) return !this.exclusive; // it has an event to take care of already
    this.process.net.cpu.wake(this.task);
    return true;
  }

  cancel(errno: number): void {
    if (!this.leave()) return;
    this.work.abandoned?.();
    this.settle(-errno);
  }

  abandon(): void {
    if (this.leave()) this.work.abandoned?.();
  }

  /** Ends the wait after `ns`. */
  limit(ns: number): void {
    const { net } = this.process;
    this.timer = new Timer(net.sim, net.cpu, () => {
      net.cpu.wake(this.task);
    });
    this.timer.mod(net.cpu.now + ns);
  }

  private tryAgain(): void {
    if (this.done) return;
    const ret = this.work.attempt();
    if (ret !== -EAGAIN) this.finish(ret);
    else if (this.timer !== null && !this.timer.pending) this.finish(this.work.expired());
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

/** Sleeps on `fd` until `work` has another answer than -EAGAIN; `timeoutNs` 0 = for ever. */
export function sleep(
  p: Process, fd: number, name: string, events: number, timeoutNs: number, work: Work, exclusive: boolean = false,
): Promise<number> {
  return new Promise((resolve) => {
    const call = new BlockedCall(p, fd, p.fds.get(fd)!, name, events, work, resolve);
    call.exclusive = exclusive;
    if (timeoutNs > 0) call.limit(timeoutNs);
  });
}

function mayWait(p: Process, fd: number, flags: number): boolean {
  const file = p.fds.get(fd);
  return file !== null && !file.nonblock && (flags & MSG_DONTWAIT) === 0;
}

// ---- accept, connect ------------------------------------------------------------------------------------------------

/** accept4(2): a descriptor. SO_RCVTIMEO ends the wait with -EAGAIN. */
export function waitAccept(p: Process, fd: number, out: SockAddr | null, flags: number): Promise<number> {
  const ret = sysAccept(p, fd, out, flags);
  if (ret !== -EAGAIN || !mayWait(p, fd, 0)) return Promise.resolve(ret);
  const work = { attempt: () => sysAccept(p, fd, out, flags), expired: () => -EAGAIN };
  return sleep(p, fd, 'accept', READABLE, fdSock(p, fd)!.rcvtimeoNs, work, true);
}

/** connect(2): 0 once the handshake is done. SO_SNDTIMEO ends the wait with -EINPROGRESS; the handshake goes on. */
export function waitConnect(p: Process, fd: number, addr: SockAddr): Promise<number> {
  const ret = sysConnect(p, fd, addr);
  const sk = fdSock(p, fd);
  if (sk === null || !mayWait(p, fd, 0)) return Promise.resolve(ret);
  if (ret === -EAGAIN && sk.family === AF_UNIX) {
    // The listener's queue is full: it tells when there is room (Linux: unix_wait_for_peer).
    return sleep(p, fd, 'connect', WRITABLE, sk.sndtimeoNs, { attempt: () => sysConnect(p, fd, addr), expired: () => -EAGAIN });
  }
  if (ret !== -EINPROGRESS && ret !== -EALREADY) return Promise.resolve(ret);
  const work = { attempt: () => connected(p, fd, sk, addr), expired: () => -EINPROGRESS };
  const now = work.attempt(); // over loopback the answer may be there already
  return now === -EAGAIN ? sleep(p, fd, 'connect', ANY, sk.sndtimeoNs, work) : Promise.resolve(now);
}

/** How a handshake stands: another call of connect tells, once. */
function connected(p: Process, fd: number, sk: Sock, addr: SockAddr): number {
  if (((1 << sk.state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) !== 0) return -EAGAIN;
  const ret = sysConnect(p, fd, addr);
  return ret === -EISCONN ? 0 : ret;
}

// ---- data -----------------------------------------------------------------------------------------------------------

/** A message on its way out, bit by bit. */
class Sending implements Work {
  private readonly p: Process;
  private readonly fd: number;
  private readonly msg: MsgHdr;
  private readonly stream: boolean;
  private readonly off: number;
  private readonly len: number;
  private readonly sk: Sock;
  private opening = false;
  private sent = 0;

  constructor(p: Process, fd: number, sk: Sock, msg: MsgHdr) {
    this.p = p;
    this.fd = fd;
    this.msg = msg;
    this.sk = sk;
    this.stream = sk.type === SOCK_STREAM;
    this.off = msg.off;
    this.len = msg.len;
  }

  attempt(): number {
    const ret = this.go();
    if (ret !== -EAGAIN && this.msg.ubuf !== null) sendmsgEnd(this.p, this.msg, ret);
    return ret;
  }

  private go(): number {
    const { msg } = this;
    if (this.opening) {
      if (this.sk.state === TCP_SYN_SENT) return -EAGAIN;
      this.opening = false;
      if (this.sk.state === TCP_CLOSE) return this.failed();
      if (this.sent >= this.len) return this.sent;
    }
    for (;;) {
      msg.off = this.off + this.sent;
      msg.len = this.len - this.sent;
      const n = sendmsgPart(this.p, this.fd, msg);
      msg.flags &= ~MSG_FASTOPEN; // the rest follows as on any connection
      if (n < 0) return n === -EAGAIN || this.sent === 0 ? n : this.sent;
      this.sent += n;
      if (this.sent >= this.len || n === 0 || !this.stream) return this.sent;
    }
  }

  expired(): number {
    if (this.msg.ubuf !== null) sendmsgEnd(this.p, this.msg, this.sent);
    return this.sent > 0 ? this.sent : -EAGAIN;
  }

  /** What was lent so far is told of when it is free, to whoever has another descriptor of the socket. */
  abandoned(): void {
    if (this.msg.ubuf !== null) msgZerocopyEnd(this.msg, this.sent);
  }

  /** The SYN has gone, with some of the data or none (Fast Open): a call that may wait, waits for the answer. */
  openWait(): void {
    this.opening = true;
    if (this.sent < this.len) this.sk.writePending++;
  }

  /** The handshake that the call has begun has failed: connect(2) tells why, and makes the socket good for another try. */
  private failed(): number {
    return sysConnect(this.p, this.fd, this.msg.name);
  }
}

/**
 * sendmsg(2): on a stream, ends when everything is written; a count below that means that the time was up, or that an error
 * came after so many bytes.
 */
export function waitSendmsg(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const sk = fdSock(p, fd);
  if (sk === null) return Promise.resolve(badSock(p, fd));
  const work = new Sending(p, fd, sk, msg);
  const idle = sk.state === TCP_CLOSE || sk.state === TCP_SYN_SENT;
  const ret = work.attempt();
  if (idle && sk.state === TCP_SYN_SENT && mayWait(p, fd, msg.flags) && (ret >= 0 || ret === -EAGAIN || ret === -EINPROGRESS)) {
    work.openWait();
    return sleep(p, fd, 'send', ANY, sk.sndtimeoNs, work).finally(() => { sk.writePending = 0; });
  }
  if (ret !== -EAGAIN) return Promise.resolve(ret);
  if (!mayWait(p, fd, msg.flags)) return Promise.resolve(work.expired());
  return sleep(p, fd, 'send', WRITABLE, sk.sndtimeoNs, work);
}

/** A buffer that is being filled. */
class Receiving implements Work {
  private readonly p: Process;
  private readonly fd: number;
  private readonly sk: Sock;
  private readonly msg: MsgHdr;
  private readonly off: number;
  private readonly len: number;
  /** How many bytes end the wait. */
  private readonly target: number;
  private readonly peek: boolean;
  private got = 0;

  constructor(p: Process, fd: number, sk: Sock, msg: MsgHdr) {
    this.p = p;
    this.fd = fd;
    this.sk = sk;
    this.msg = msg;
    this.off = msg.off;
    this.len = msg.len;
    const all = (msg.flags & MSG_WAITALL) !== 0;
    this.target = sk.type !== SOCK_STREAM ? 0 : all ? msg.len : Math.min(sk.rcvlowat, msg.len);
    this.peek = (msg.flags & MSG_PEEK) !== 0;
  }

  attempt(): number {
    const { msg, target } = this;
    for (;;) {
      msg.off = this.off + this.got;
      msg.len = this.len - this.got;
      const n = sysRecvmsg(this.p, this.fd, msg);
      if (n < 0) return n === -EAGAIN || this.got === 0 ? n : this.got;
      if (this.peek && n < target && !atEnd(this.sk)) return -EAGAIN;
      this.got += n;
      if (n === 0 || this.got >= target || this.peek) return this.got;
    }
  }

  expired(): number {
    if (this.peek) return sysRecvmsg(this.p, this.fd, this.msg);
    return this.got > 0 ? this.got : -EAGAIN;
  }
}

/** recvmsg(2): ends when SO_RCVLOWAT bytes (or all, with MSG_WAITALL) have come, or the end of the stream, or an error. */
export function waitRecvmsg(p: Process, fd: number, msg: MsgHdr): Promise<number> {
  const sk = fdSock(p, fd);
  if (sk === null) return Promise.resolve(badSock(p, fd));
  // The error queue and the urgent byte are looked at; nobody waits for them.
  const now = (msg.flags & (MSG_ERRQUEUE | MSG_OOB)) !== 0 || !mayWait(p, fd, msg.flags);
  if (now) return Promise.resolve(sysRecvmsg(p, fd, msg));
  const work = new Receiving(p, fd, sk, msg);
  const ret = work.attempt();
  return ret === -EAGAIN ? sleep(p, fd, 'recv', READABLE, sk.rcvtimeoNs, work) : Promise.resolve(ret);
}

/** Nothing more will come: waiting for more would be for ever. */
function atEnd(sk: Sock): boolean {
  return sk.err !== 0 || sk.state === TCP_CLOSE || (sk.shutdown & RCV_SHUTDOWN) !== 0;
}

// ---- close ----------------------------------------------------------------------------------------------------------

/** A close() that waits for the peer's acknowledgement of all that was sent, and of the FIN. */
class Lingering implements Work {
  private readonly p: Process;
  private readonly sk: Sock;

  constructor(p: Process, sk: Sock) {
    this.p = p;
    this.sk = sk;
  }

  attempt(): number {
    return ((1 << this.sk.state) & TCPF_UNACKED) !== 0 ? -EAGAIN : this.expired();
  }

  expired(): number {
    this.p.enter();
    this.abandoned();
    this.p.leave();
    return 0;
  }

  abandoned(): void {
    this.sk.prot.closeEnd!(this.sk);
  }
}

/**
 * close(2) of a descriptor, with SO_LINGER's wait: up to `seconds`, and also on a non-blocking socket, as on Linux. The descriptor
 * is free at once; what is not acknowledged when the time is up, goes on in the background.
 */
export function waitClose(p: Process, fd: number): Promise<number> {
  const file = p.fds.get(fd);
  const sk = fdSock(p, fd);
  const lingers = sk !== null && file!.refs === 1 && sk.lingerOn && sk.lingerTime > 0 && sk.prot.closeEnd !== undefined;
  if (lingers) sk.lingers = true;
  const ret = sysClose(p, fd);
  if (!lingers || sk.dead) return Promise.resolve(ret);
  return new Promise((resolve) => {
    const call = new BlockedCall(p, fd, file!, 'close', ANY, new Lingering(p, sk), resolve);
    call.limit(sk.lingerTime * 1e9);
  });
}

// ---- epoll ----------------------------------------------------------------------------------------------------------

/** epoll_wait(2). `timeoutNs` below 0 = for ever, 0 = not at all. */
export function waitEpoll(p: Process, epfd: number, out: EpollEvent[], max: number, timeoutNs: number): Promise<number> {
  const n = sysEpollWait(p, epfd, out, max);
  if (n !== 0 || timeoutNs === 0) return Promise.resolve(n);
  const work = { attempt: () => sysEpollWait(p, epfd, out, max) || -EAGAIN, expired: () => 0 };
  return sleep(p, epfd, 'epoll_wait', ANY, Math.max(timeoutNs, 0), work);
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
