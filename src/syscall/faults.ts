/**
 * Faults of socket calls: what a program must stand, and seldom meets. A short read, EINTR, a wake-up without data, no
 * descriptor left, a connection that hangs.
 *
 *   from  world/faults    rules come and go
 *   to    sk.prot         while there are rules, a table in front of the protocol's own; without rules nothing is in the way
 *
 * A rule counts the calls that it fits, of all sockets of the host; which of them it strikes is counted or drawn from the
 * host's chance.
 */
import { EAGAIN } from '../lib/errno.ts';
import type { Random } from '../lib/random.ts';
import { Drop } from '../skb/drop-reason.ts';
import {
  POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, SOCK_STREAM, TCP_CLOSE,
} from '../sock/constants.ts';
import { InetSock, type Proto, type Sock, type SockoptError, type SockoptValue } from '../sock/sock.ts';
import type { MsgHdr, SockAddr } from '../sock/sockaddr.ts';
import { TcpSock } from '../tcp/sock.ts';
import { Timer } from '../time/timer.ts';
import { SocketFile } from './file.ts';
import type { Process, SocketLayer } from './process.ts';

/** Calls that can be struck: read and recv* are `recv`, write and send* are `send`. */
export type FaultCall = 'socket' | 'connect' | 'accept' | 'send' | 'recv';

/** What happens to a call that is struck. */
export const CALL_ERRNO = 0;
/** It moves at most `value` bytes; on streams only, for a datagram would be cut. */
export const CALL_SHORT = 1;
/** It finds nothing (EAGAIN) for `value` nanoseconds, whatever is there. */
export const CALL_DELAY = 2;
/** connect: what the connection sends is lost before it leaves the host. */
export const CALL_HANG = 3;

/** Which calls, and what happens to them. */
export interface CallRule {
  readonly call: FaultCall;
  /** Only of this process; null = any. */
  readonly process: string | null;
  /** Only of sockets with this port, at either end; 0 = any. */
  readonly port: number;
  /** Strikes the nth call alone, each `every`-th, or each with probability `rate`; all of them when none is given (0). */
  readonly nth: number;
  readonly every: number;
  readonly rate: number;
  /** How often it strikes at most. */
  readonly times: number;
  readonly effect: number;
  /** An errno, bytes, nanoseconds. */
  readonly value: number;
}

/** A rule that is in force. */
export class CallFault {
  readonly rule: CallRule;
  /** Calls that it fitted, and those that it struck. */
  seen = 0;
  hits = 0;

  constructor(rule: CallRule) {
    this.rule = rule;
  }
}

/** The rules of a host. */
export class CallFaults {
  private readonly layer: SocketLayer;
  private readonly random: Random;
  private readonly told: (fault: CallFault, p: string) => void;
  private readonly list: CallFault[] = [];
  private readonly tables: Map<Proto, FaultyProto> = new Map();
  /** Sockets that find nothing until then, and the timers that end it. */
  private readonly holds: Map<Sock, Timer> = new Map();
  /** Sockets that have waited: their next call finds what is there. */
  private readonly waited: Set<Sock> = new Set();

  /** `told` hears of each call that is struck. */
  constructor(layer: SocketLayer, random: Random, told: (fault: CallFault, process: string) => void) {
    this.layer = layer;
    this.random = random;
    this.told = told;
  }

  /** Puts a rule in force: from now on, for all sockets of the host. */
  add(fault: CallFault): void {
    if (this.list.length === 0) {
      for (const p of this.layer.processes) for (const fd of p.fds.list()) this.adoptFile(p, fd);
    }
    this.list.push(fault);
    this.layer.faults = this;
  }

  /** Lifts a rule. With the last one, sockets have their own tables again. */
  remove(fault: CallFault): void {
    const at = this.list.indexOf(fault);
    if (at < 0) return;
    this.list.splice(at, 1);
    if (this.list.length > 0) return;
    this.layer.faults = null;
    for (const p of this.layer.processes) {
      for (const fd of p.fds.list()) {
        const file = p.fds.get(fd);
        if (file instanceof SocketFile && file.sk.prot instanceof FaultyProto) file.sk.prot = file.sk.prot.inner;
      }
    }
    for (const [sk, timer] of [...this.holds]) {
      timer.del();
      this.release(sk);
    }
  }

  /** A new socket, while rules are in force. */
  adopt(sk: Sock): void {
    if (sk.prot instanceof FaultyProto) return;
    let table = this.tables.get(sk.prot);
    if (table === undefined) this.tables.set(sk.prot, table = new FaultyProto(sk.prot, this));
    sk.prot = table;
  }

  private adoptFile(p: Process, fd: number): void {
    const file = p.fds.get(fd);
    if (file instanceof SocketFile) this.adopt(file.sk);
  }

  /** The fault that strikes this call, or null. */
  strike(call: FaultCall, p: Process | null, sk: Sock | null): CallFault | null {
    for (const fault of this.list) {
      const { rule } = fault;
      if (rule.call !== call || (rule.process !== null && rule.process !== p?.name)) continue;
      if (rule.port !== 0 && !(sk instanceof InetSock && (sk.num === rule.port || sk.dport === rule.port))) continue;
      if (rule.effect === CALL_SHORT && sk !== null && sk.type !== SOCK_STREAM) continue;
      if (rule.effect === CALL_DELAY && sk !== null && this.waited.delete(sk)) continue;
      fault.seen++;
      if (fault.hits >= rule.times || !this.chosen(fault)) continue;
      fault.hits++;
      this.told(fault, p?.name ?? '?');
      return fault;
    }
    return null;
  }

  private chosen(fault: CallFault): boolean {
    const { nth, every, rate } = fault.rule;
    if (nth > 0) return fault.seen === nth;
    if (every > 0) return fault.seen % every === 0;
    return rate === 0 || this.random.chance(rate);
  }

  /** Nothing is found in `sk` for so long. */
  hold(sk: Sock, ns: number): void {
    const { net } = this.layer;
    const timer = new Timer(net.sim, net.cpu, () => {
      this.release(sk);
    });
    this.holds.set(sk, timer);
    timer.mod(net.cpu.now + Math.max(ns, 1));
  }

  held(sk: Sock): boolean {
    return this.holds.size !== 0 && this.holds.has(sk);
  }

  private release(sk: Sock): void {
    this.holds.delete(sk);
    this.waited.add(sk);
    sk.wq.wake(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
  }

  /** The socket is closed. */
  forget(sk: Sock): void {
    this.holds.get(sk)?.del();
    this.holds.delete(sk);
    this.waited.delete(sk);
  }
}

/** A protocol's table with faults in front. */
class FaultyProto implements Proto {
  readonly inner: Proto;
  readonly getname?: (sk: Sock, out: SockAddr, peer: boolean) => number;
  readonly closeEnd?: (sk: Sock) => void;
  private readonly faults: CallFaults;

  constructor(inner: Proto, faults: CallFaults) {
    this.inner = inner;
    this.faults = faults;
    if (inner.getname !== undefined) this.getname = inner.getname.bind(inner);
    if (inner.closeEnd !== undefined) this.closeEnd = inner.closeEnd.bind(inner);
  }

  get name(): string {
    return this.inner.name;
  }

  private strike(call: FaultCall, sk: Sock): CallFault | null {
    return this.faults.strike(call, sk.owner as Process | null, sk);
  }

  connect(sk: Sock, addr: SockAddr): number {
    if (sk.state !== TCP_CLOSE) return this.inner.connect(sk, addr); // asks how a handshake stands
    if (sk instanceof InetSock) sk.dport = addr.port; // what a rule may go by
    const fault = this.strike('connect', sk);
    if (fault === null) return this.inner.connect(sk, addr);
    const { effect, value } = fault.rule;
    if (effect === CALL_ERRNO) return -value;
    if (effect === CALL_HANG && sk instanceof TcpSock) mute(sk);
    return this.inner.connect(sk, addr);
  }

  accept(sk: Sock): Sock | number {
    if (this.faults.held(sk)) return -EAGAIN;
    if ((this.inner.poll(sk) & POLLIN) !== 0) {
      const ret = this.answer(this.strike('accept', sk), sk, null);
      if (ret < 0) return ret;
    }
    const child = this.inner.accept(sk);
    if (typeof child !== 'number') this.faults.adopt(child);
    return child;
  }

  sendmsg(sk: Sock, msg: MsgHdr): number {
    if (this.faults.held(sk)) return -EAGAIN;
    const ret = this.answer(this.strike('send', sk), sk, msg);
    return ret < 0 ? ret : this.inner.sendmsg(sk, msg);
  }

  recvmsg(sk: Sock, msg: MsgHdr): number {
    if (this.faults.held(sk)) return -EAGAIN;
    if ((this.inner.poll(sk) & POLLIN) !== 0) { // a call that finds nothing anyway is not struck
      const ret = this.answer(this.strike('recv', sk), sk, msg);
      if (ret < 0) return ret;
    }
    return this.inner.recvmsg(sk, msg);
  }

  /** 0: the call goes on, maybe with less to move. */
  private answer(fault: CallFault | null, sk: Sock, msg: MsgHdr | null): number {
    if (fault === null) return 0;
    const { effect, value } = fault.rule;
    if (effect === CALL_ERRNO) return -value;
    if (effect === CALL_SHORT && msg !== null && msg.len > value) msg.len = value;
    if (effect !== CALL_DELAY) return 0;
    this.faults.hold(sk, value);
    return -EAGAIN;
  }

  poll(sk: Sock): number {
    const events = this.inner.poll(sk);
    return this.faults.held(sk) ? events & ~(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM) : events;
  }

  bind(sk: Sock, addr: SockAddr): number {
    return this.inner.bind(sk, addr);
  }

  disconnect(sk: Sock): number {
    return this.inner.disconnect(sk);
  }

  listen(sk: Sock, backlog: number): number {
    return this.inner.listen(sk, backlog);
  }

  shutdown(sk: Sock, how: number): number {
    return this.inner.shutdown(sk, how);
  }

  close(sk: Sock): void {
    this.faults.forget(sk);
    this.inner.close(sk);
  }

  setsockopt(sk: Sock, level: number, name: number, value: SockoptValue, netAdmin?: boolean): number {
    return this.inner.setsockopt(sk, level, name, value, netAdmin);
  }

  getsockopt(sk: Sock, level: number, name: number): SockoptValue | SockoptError {
    return this.inner.getsockopt(sk, level, name);
  }

  ioctl(sk: Sock, cmd: number): number {
    return this.inner.ioctl(sk, cmd);
  }
}

/** What the connection sends is dropped before it leaves: its SYNs are sent again and again, until it gives up. */
function mute(tp: TcpSock): void {
  tp.af = Object.assign(Object.create(Object.getPrototypeOf(tp.af) as object) as typeof tp.af, tp.af, {
    xmit: (sk: TcpSock, skb: Parameters<typeof tp.af.xmit>[1]): number => {
      sk.net.drop(skb, Drop.Fault);
      return 0;
    },
  });
}

