/**
 * `kernel.sys`: the socket calls as a caller sees them, none of which waits. A value, or a thrown {@link KernelError};
 * where a call would have to wait that is EAGAIN (connect: EINPROGRESS).
 *
 *   from  user code
 *   to    syscall/*   the same calls in the kernel's form
 */
import type { Duration } from '../lib/units.ts';
import { NS_PER_MS, parseDuration, parseInteger } from '../lib/units.ts';
import {
  AF_INET, AF_INET6, EPOLL_CTL_DEL, MSG_ZEROCOPY, SEEK_SET, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET,
} from '../sock/constants.ts';
import { SockoptError, type SockoptValue } from '../sock/sock.ts';
import { SockAddr, type Cmsg, type MsgHdr } from '../sock/sockaddr.ts';
import { sysFcntl, sysIoctl, sysPrlimitNofile } from '../syscall/control.ts';
import { sysEpollCreate, sysEpollCtl, sysEpollWait, type EpollEvent } from '../syscall/epoll.ts';
import { MAX_NOFILE } from '../syscall/fd-table.ts';
import { sysFtruncate, sysLseek, sysRead, sysWrite } from '../syscall/file-io.ts';
import { sysMemfdCreate } from '../syscall/mem-file.ts';
import { sysPipe } from '../syscall/pipe.ts';
import { moveNow, sendfileMove, spliceMove } from '../syscall/splice.ts';
import { sysPoll, type PollFd } from '../syscall/poll.ts';
import type { Process } from '../syscall/process.ts';
import {
  fdSock, sysAccept, sysBind, sysClose, sysConnect, sysDup, sysGetpeername, sysGetsockname, sysListen, sysRecvmsg,
  sysSendmsg, sysShutdown, sysSocket, sysSocketpair,
} from '../syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt, type Linger } from '../syscall/sockopt.ts';
import {
  checkBuffer, checkData, checkFd, checkInt, checkIov, fileErrno, fromSockAddr, gather, iovLength, message, scatter, show, toBindAddr,
  placeOf, toSockAddr, unspec, type PeerAddress, type BindAddress, type Data, type SocketAddress,
} from './door.ts';
import { KernelError, type ErrorPlace } from './errors.ts';

/** What accept gives. */
export interface Accepted {
  readonly fd: number;
  readonly peer: SocketAddress;
}

/** What recvfrom and recvmsg give. */
export interface Received {
  /** Bytes in the buffer (with MSG_TRUNC: of the datagram). */
  readonly bytes: number;
  /** Where a datagram came from; null on streams. */
  readonly from: SocketAddress | null;
  /** MSG_TRUNC when the datagram was longer than the buffer, and others. */
  readonly flags: number;
  readonly control: readonly Cmsg[];
}

/** A message of sendmsg. */
export interface OutMessage {
  readonly iov: readonly Uint8Array[];
  readonly to?: PeerAddress | undefined;
  readonly control?: readonly Cmsg[] | undefined;
}

/** What epoll_ctl is to watch for. */
export interface EpollInterest {
  readonly events: number;
  /** Comes back with each event; the descriptor when left out. */
  readonly data?: unknown;
}

/** A value of setsockopt, as the caller writes it: durations of SO_RCVTIMEO and SO_SNDTIMEO in milliseconds or with a unit. */
export type OptionValue = number | boolean | string | Linger | object;

/** Throws what a negative answer means; hands other answers through. */
export function check(ret: number, syscall: string, place?: ErrorPlace): number {
  if (ret < 0) throw new KernelError(ret, syscall, place);
  return ret;
}

export class SysCalls {
  private readonly p: Process;

  constructor(process: Process) {
    this.p = process;
  }

  /** socket(2): a new descriptor, the lowest free one. */
  socket(family: number, type: number, protocol: number = 0): number {
    const call = 'socket';
    const ret = sysSocket(this.p, checkInt(family, call, 'family'), checkInt(type, call, 'type'), checkInt(protocol, call, 'protocol'));
    return check(ret, call);
  }

  /** socketpair(2): two descriptors of sockets that are connected to each other; of AF_UNIX. */
  socketpair(family: number, type: number, protocol: number = 0): [number, number] {
    const call = 'socketpair';
    const out = [0];
    const [f, t, n] = [checkInt(family, call, 'family'), checkInt(type, call, 'type'), checkInt(protocol, call, 'protocol')];
    return [check(sysSocketpair(this.p, f, t, n, out), call), out[0]!];
  }

  /** bind(2). What is left out of the address means any: `bind(fd, { port: 80 })`. */
  bind(fd: number, addr: BindAddress): void {
    checkFd(fd, 'bind');
    const to = toBindAddr(addr, fdSock(this.p, fd)?.family ?? AF_INET, 'bind', new SockAddr(), this.p.net);
    const inet = to.family === AF_INET || to.family === AF_INET6;
    check(sysBind(this.p, fd, to), 'bind', inet ? fromSockAddr(to, this.p.net) : placeOf(addr as PeerAddress));
  }

  /** listen(2): `backlog` connections may wait to be accepted, at most net.core.somaxconn. */
  listen(fd: number, backlog: number = 4096): void {
    check(sysListen(this.p, checkFd(fd, 'listen'), checkInt(backlog, 'listen', 'backlog')), 'listen');
  }

  /** accept4(2): the next connection. `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC. */
  accept(fd: number, flags: number = 0): Accepted {
    const peer = new SockAddr();
    const ret = sysAccept(this.p, checkFd(fd, 'accept'), peer, checkInt(flags, 'accept', 'flags'));
    return { fd: check(ret, 'accept'), peer: fromSockAddr(peer, this.p.net) };
  }

  /** connect(2): a stream answers EINPROGRESS, the handshake runs. `null` dissolves the association of a datagram socket. */
  connect(fd: number, addr: PeerAddress | null): void {
    checkFd(fd, 'connect');
    const to = addr === null ? unspec() : toSockAddr(addr, 'connect', new SockAddr(), this.p.net);
    check(sysConnect(this.p, fd, to), 'connect', placeOf(addr ?? undefined));
  }

  /** read(2): how many bytes were read; 0 at the end of the stream. */
  read(fd: number, buffer: Uint8Array): number {
    checkFd(fd, 'read');
    const msg = message(checkBuffer(buffer, 'read', 'buffer'), 0);
    return check(fileErrno(sysRead(this.p, fd, msg)), 'read');
  }

  /** write(2): how many bytes were taken, maybe fewer than given. */
  write(fd: number, data: Data): number {
    return check(fileErrno(sysWrite(this.p, checkFd(fd, 'write'), message(checkData(data, 'write'), 0))), 'write');
  }

  /** send(2). */
  send(fd: number, data: Data, flags: number = 0): number {
    const msg = message(checkData(data, 'send'), checkInt(flags, 'send', 'flags'));
    return check(sysSendmsg(this.p, checkFd(fd, 'send'), msg), 'send');
  }

  /** recv(2). */
  recv(fd: number, buffer: Uint8Array, flags: number = 0): number {
    const msg = message(checkBuffer(buffer, 'recv', 'buffer'), checkInt(flags, 'recv', 'flags'));
    return check(sysRecvmsg(this.p, checkFd(fd, 'recv'), msg), 'recv');
  }

  /** sendto(2). */
  sendto(fd: number, data: Data, to: PeerAddress, flags: number = 0): number {
    checkFd(fd, 'sendto');
    const msg = message(checkData(data, 'sendto'), checkInt(flags, 'sendto', 'flags'));
    toSockAddr(to, 'sendto', msg.name, this.p.net);
    msg.hasName = true;
    return check(sysSendmsg(this.p, fd, msg), 'sendto', placeOf(to));
  }

  /** recvfrom(2). */
  recvfrom(fd: number, buffer: Uint8Array, flags: number = 0): Received {
    checkFd(fd, 'recvfrom');
    const msg = message(checkBuffer(buffer, 'recvfrom', 'buffer'), checkInt(flags, 'recvfrom', 'flags'));
    return this.received(fd, check(sysRecvmsg(this.p, fd, msg), 'recvfrom'), msg);
  }

  /** sendmsg(2): the parts of `iov` as one message. */
  sendmsg(fd: number, out: OutMessage, flags: number = 0): number {
    checkFd(fd, 'sendmsg');
    return check(sysSendmsg(this.p, fd, this.outMessage(out, flags)), 'sendmsg', placeOf(out.to));
  }

  /** recvmsg(2): one message, spread over the parts of `iov`. */
  recvmsg(fd: number, iov: readonly Uint8Array[], flags: number = 0): Received {
    checkFd(fd, 'recvmsg');
    const msg = this.inMessage(iov, flags);
    const n = check(sysRecvmsg(this.p, fd, msg), 'recvmsg');
    scatter(msg.buf, n, iov);
    return this.received(fd, n, msg);
  }

  /** shutdown(2): SHUT_RD, SHUT_WR or SHUT_RDWR. */
  shutdown(fd: number, how: number): void {
    check(sysShutdown(this.p, checkFd(fd, 'shutdown'), checkInt(how, 'shutdown', 'how')), 'shutdown');
  }

  /**
   * close(2). Never waits, SO_LINGER or not: what is still to be sent is sent in the background. Calls that sleep on `fd`
   * fail with EBADF.
   */
  close(fd: number): void {
    check(sysClose(this.p, checkFd(fd, 'close')), 'close');
  }

  /** dup(2). */
  dup(fd: number): number {
    return check(sysDup(this.p, checkFd(fd, 'dup')), 'dup');
  }

  /** getsockname(2). */
  getsockname(fd: number): SocketAddress {
    const out = new SockAddr();
    check(sysGetsockname(this.p, checkFd(fd, 'getsockname'), out), 'getsockname');
    return fromSockAddr(out, this.p.net);
  }

  /** getpeername(2). */
  getpeername(fd: number): SocketAddress {
    const out = new SockAddr();
    check(sysGetpeername(this.p, checkFd(fd, 'getpeername'), out), 'getpeername');
    return fromSockAddr(out, this.p.net);
  }

  /** setsockopt(2). */
  setsockopt(fd: number, level: number, name: number, value: OptionValue): void {
    const call = 'setsockopt';
    checkFd(fd, call);
    const set = optionValue(checkInt(level, call, 'level'), checkInt(name, call, 'name'), value);
    check(sysSetsockopt(this.p, fd, level, name, set), call);
  }

  /** getsockopt(2): a number, a string or a struct as an object; SO_RCVTIMEO and SO_SNDTIMEO in milliseconds. */
  getsockopt(fd: number, level: number, name: number): SockoptValue {
    const call = 'getsockopt';
    checkFd(fd, call);
    const value = sysGetsockopt(this.p, fd, checkInt(level, call, 'level'), checkInt(name, call, 'name'));
    if (value instanceof SockoptError) throw new KernelError(value.errno, call);
    return level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO) ? (value as number) / NS_PER_MS : value;
  }

  /** fcntl(2): F_GETFL, F_SETFL, F_DUPFD, F_GETFD, F_SETFD. */
  fcntl(fd: number, cmd: number, arg: number = 0): number {
    return check(sysFcntl(this.p, checkFd(fd, 'fcntl'), checkInt(cmd, 'fcntl', 'cmd'), checkInt(arg, 'fcntl', 'arg')), 'fcntl');
  }

  /** ioctl(2): FIONREAD, SIOCOUTQ, SIOCOUTQNSD, FIONBIO. */
  ioctl(fd: number, cmd: number, arg: number = 0): number {
    return check(sysIoctl(this.p, checkFd(fd, 'ioctl'), checkInt(cmd, 'ioctl', 'cmd'), checkInt(arg, 'ioctl', 'arg')), 'ioctl');
  }

  /** poll(2): fills in `revents`; how many entries have any. */
  poll(fds: readonly PollFd[]): number {
    return check(sysPoll(this.p, checkPollFds(fds)), 'poll');
  }

  /** epoll_create1(2). */
  epollCreate(flags: number = 0): number {
    return check(sysEpollCreate(this.p, checkInt(flags, 'epoll_create1', 'flags')), 'epoll_create1');
  }

  /** epoll_ctl(2). `interest` is not needed for EPOLL_CTL_DEL. */
  epollCtl(epfd: number, op: number, fd: number, interest?: EpollInterest): void {
    const call = 'epoll_ctl';
    checkFd(epfd, call);
    checkFd(fd, call);
    if (interest === undefined && op !== EPOLL_CTL_DEL) throw new TypeError('epoll_ctl: interest is undefined; expected { events }');
    const events = interest === undefined ? 0 : checkInt(interest.events, call, 'events');
    check(sysEpollCtl(this.p, epfd, checkInt(op, call, 'op'), fd, events, interest?.data ?? fd), call);
  }

  /** epoll_wait(2): what is ready now, at most `max`. */
  epollWait(epfd: number, max: number = 64): EpollEvent[] {
    const out: EpollEvent[] = [];
    check(sysEpollWait(this.p, checkFd(epfd, 'epoll_wait'), out, checkInt(max, 'epoll_wait', 'max')), 'epoll_wait');
    return out;
  }

  /** pipe2(2): the descriptors to read from and to write to. `flags`: O_NONBLOCK, O_CLOEXEC. */
  pipe(flags: number = 0): [number, number] {
    const ends: number[] = [];
    check(sysPipe(this.p, ends, checkInt(flags, 'pipe2', 'flags')), 'pipe2');
    return [ends[0]!, ends[1]!];
  }

  /** memfd_create(2): a file in memory, empty. `name` is for reports; `flags`: MFD_CLOEXEC, MFD_ALLOW_SEALING. */
  memfdCreate(name: string, flags: number = 0): number {
    const call = 'memfd_create';
    if (typeof name !== 'string') throw new TypeError(`${call}: name is ${show(name)}; expected a string`);
    return check(sysMemfdCreate(this.p, name, checkInt(flags, call, 'flags')), call);
  }

  /** lseek(2): where the next read or write of a file goes. `whence`: SEEK_SET, SEEK_CUR, SEEK_END. */
  lseek(fd: number, offset: number, whence: number = SEEK_SET): number {
    return check(sysLseek(this.p, checkFd(fd, 'lseek'), checkInt(offset, 'lseek', 'offset'), checkInt(whence, 'lseek', 'whence')), 'lseek');
  }

  /** ftruncate(2): a file of `length` bytes, cut or filled up with zeros. */
  ftruncate(fd: number, length: number): void {
    check(sysFtruncate(this.p, checkFd(fd, 'ftruncate'), checkInt(length, 'ftruncate', 'length')), 'ftruncate');
  }

  /**
   * sendfile(2): up to `count` bytes from a file (memfd_create) to any descriptor, maybe fewer. Without `offset` from the file's place,
   * which moves on.
   */
  sendfile(out: number, input: number, count: number, offset?: number): number {
    const [to, from, at, n] = sendfileArgs(out, input, count, offset);
    return check(moveNow(sendfileMove(this.p, to, from, at, n)), 'sendfile');
  }

  /** splice(2): up to `len` bytes from one descriptor to another; one of them is a pipe. `flags`: SPLICE_F_MORE and others. */
  splice(input: number, out: number, len: number, flags: number = 0): number {
    const [from, to, n, bits] = spliceArgs(input, out, len, flags);
    return check(moveNow(spliceMove(this.p, from, null, to, null, n, bits)), 'splice');
  }

  /** prlimit(2), RLIMIT_NOFILE: the limit of open descriptors; with `limit`, sets it and returns the old one. */
  prlimit(limit?: number): number {
    return check(sysPrlimitNofile(this.p, limit === undefined ? -1 : parseInteger(limit, 'prlimit: limit', 0, MAX_NOFILE)), 'prlimit');
  }

  /** @internal */
  outMessage(out: OutMessage, flags: number): MsgHdr {
    if (typeof out !== 'object' || (out as unknown) === null) throw new TypeError(`sendmsg: message is ${show(out)}; expected { iov, to }`);
    const msg = message(gather(checkIov(out.iov, 'sendmsg')), checkInt(flags, 'sendmsg', 'flags'));
    if (out.to !== undefined) {
      toSockAddr(out.to, 'sendmsg', msg.name, this.p.net);
      msg.hasName = true;
    }
    if (out.control !== undefined) msg.control = [...out.control];
    if ((flags & MSG_ZEROCOPY) !== 0 && out.iov.length > 1) msg.iov = out.iov;
    return msg;
  }

  /** @internal */
  inMessage(iov: readonly Uint8Array[], flags: number): MsgHdr {
    checkIov(iov, 'recvmsg');
    const msg = message(iov.length === 1 ? iov[0]! : new Uint8Array(iovLength(iov)), checkInt(flags, 'recvmsg', 'flags'));
    msg.control = [];
    return msg;
  }

  /** @internal */
  received(fd: number, bytes: number, msg: MsgHdr): Received {
    const stream = fdSock(this.p, fd)?.type === 1;
    return { bytes, from: stream ? null : fromSockAddr(msg.name, this.p.net), flags: msg.msgFlags, control: msg.control ?? [] };
  }
}

/** @internal */
export function sendfileArgs(
  out: number, input: number, count: number, offset: number | undefined,
): [number, number, number | null, number] {
  const call = 'sendfile';
  const at = offset === undefined ? null : checkInt(offset, call, 'offset');
  return [checkFd(out, call), checkFd(input, call), at, checkInt(count, call, 'count')];
}

/** @internal */
export function spliceArgs(input: number, out: number, len: number, flags: number): [number, number, number, number] {
  return [checkFd(input, 'splice'), checkFd(out, 'splice'), checkInt(len, 'splice', 'len'), checkInt(flags, 'splice', 'flags')];
}

/** The kernel's form of an option's value. */
function optionValue(level: number, name: number, value: unknown): SockoptValue {
  if (level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO)) {
    return parseDuration(value as Duration, `setsockopt: ${name === SO_RCVTIMEO ? 'SO_RCVTIMEO' : 'SO_SNDTIMEO'}`);
  }
  if (level === SOL_SOCKET && name === SO_LINGER) return checkLinger(value);
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value;
    throw new RangeError(`setsockopt: value ${show(value)} is not a whole number`);
  }
  if (typeof value === 'string' || (typeof value === 'object' && value !== null)) return value;
  throw new TypeError(`setsockopt: value is ${show(value)}; expected a number, a boolean, a string or an object`);
}

function checkLinger(value: unknown): Linger {
  const { on, seconds } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof Linger, unknown>>;
  if (typeof on !== 'boolean' || typeof seconds !== 'number') {
    throw new TypeError('setsockopt: SO_LINGER expects { on: boolean, seconds: number }');
  }
  return { on, seconds: parseInteger(seconds, 'setsockopt: SO_LINGER: seconds', 0, 0x7fffffff) };
}

/** @internal */
export function checkPollFds(fds: unknown): readonly PollFd[] {
  if (!Array.isArray(fds)) throw new TypeError(`poll: fds is ${show(fds)}; expected an array of { fd, events }`);
  (fds as unknown[]).forEach((entry, i) => {
    if (typeof entry !== 'object' || entry === null) {
      throw new TypeError(`poll: fds[${String(i)}] is ${show(entry)}; expected { fd, events }`);
    }
    const { fd, events } = entry as Partial<PollFd>;
    checkInt(fd, 'poll', `fds[${String(i)}].fd`);
    checkInt(events, 'poll', `fds[${String(i)}].events`);
  });
  return fds as readonly PollFd[];
}
