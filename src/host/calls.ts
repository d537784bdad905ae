/**
 * The socket calls of a process as a caller sees them: those that may have to wait return promises, the others a value.
 * Errors are {@link KernelError}s, rejected or thrown.
 *
 *   from  user code
 *   to    syscall/blocking.ts, and host/sys-calls.ts for what never waits
 *
 * A buffer that is given to a waiting call belongs to it until the promise is settled.
 */
import { parseDuration, type Duration } from '../lib/units.ts';
import { SEEK_SET } from '../sock/constants.ts';
import type { SockoptValue } from '../sock/sock.ts';
import { SockAddr, type MsgHdr } from '../sock/sockaddr.ts';
import { waitAccept, waitClose, waitConnect, waitEpoll, waitPoll, waitRecvmsg, waitSendmsg } from '../syscall/blocking.ts';
import type { EpollEvent } from '../syscall/epoll.ts';
import type { PollFd } from '../syscall/poll.ts';
import type { Process } from '../syscall/process.ts';
import { waitRead, waitSendfile, waitSplice, waitWrite } from '../syscall/blocking-files.ts';
import {
  checkBuffer, checkData, checkFd, checkInt, checkTimeout, fileErrno, fromSockAddr, message, scatter,
  placeOf, toSockAddr, unspec, type PeerAddress,
  type BindAddress, type Data, type SocketAddress,
} from './door.ts';
import type { ErrorPlace } from './errors.ts';
import {
  SysCalls, check, checkPollFds, sendfileArgs, spliceArgs, type Accepted, type EpollInterest, type OptionValue, type OutMessage,
  type Received,
} from './sys-calls.ts';

export class Calls {
  /** The same calls, never waiting: a value, or a thrown EAGAIN. */
  readonly sys: SysCalls;
  private readonly p: Process;

  constructor(process: Process) {
    this.p = process;
    this.sys = new SysCalls(process);
  }

  /** socket(2): a new descriptor, the lowest free one. */
  socket(family: number, type: number, protocol: number = 0): number {
    return this.sys.socket(family, type, protocol);
  }

  /** socketpair(2): two descriptors of sockets that are connected to each other; of AF_UNIX. */
  socketpair(family: number, type: number, protocol: number = 0): [number, number] {
    return this.sys.socketpair(family, type, protocol);
  }

  /** bind(2). What is left out of the address means any: `bind(fd, { port: 80 })`. */
  bind(fd: number, addr: BindAddress): void {
    this.sys.bind(fd, addr);
  }

  /** listen(2): `backlog` connections may wait to be accepted, at most net.core.somaxconn. */
  listen(fd: number, backlog: number = 4096): void {
    this.sys.listen(fd, backlog);
  }

  /** accept4(2): waits for the next connection. `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC. */
  async accept(fd: number, flags: number = 0): Promise<Accepted> {
    const peer = new SockAddr();
    const ret = await waitAccept(this.p, checkFd(fd, 'accept'), peer, checkInt(flags, 'accept', 'flags'));
    return { fd: check(ret, 'accept'), peer: fromSockAddr(peer, this.p.net) };
  }

  /** connect(2): waits for the end of the handshake. `null` dissolves the association of a datagram socket. */
  async connect(fd: number, addr: PeerAddress | null): Promise<void> {
    checkFd(fd, 'connect');
    const to = addr === null ? unspec() : toSockAddr(addr, 'connect', new SockAddr(), this.p.net);
    check(await waitConnect(this.p, fd, to), 'connect', placeOf(addr ?? undefined));
  }

  /** read(2): waits for bytes; 0 at the end of the stream. */
  async read(fd: number, buffer: Uint8Array): Promise<number> {
    checkFd(fd, 'read');
    const msg = message(checkBuffer(buffer, 'read', 'buffer'), 0);
    return check(fileErrno(await waitRead(this.p, fd, msg)), 'read');
  }

  /** write(2): waits until everything is written; fewer than given only when an error or SO_SNDTIMEO came after them. */
  async write(fd: number, data: Data): Promise<number> {
    return check(fileErrno(await waitWrite(this.p, checkFd(fd, 'write'), message(checkData(data, 'write'), 0))), 'write');
  }

  /** send(2), as write, with flags. */
  async send(fd: number, data: Data, flags: number = 0): Promise<number> {
    return await this.sendMessage(fd, message(checkData(data, 'send'), checkInt(flags, 'send', 'flags')), 'send');
  }

  /** recv(2): with MSG_WAITALL waits until the buffer is full. */
  async recv(fd: number, buffer: Uint8Array, flags: number = 0): Promise<number> {
    checkFd(fd, 'recv');
    const msg = message(checkBuffer(buffer, 'recv', 'buffer'), checkInt(flags, 'recv', 'flags'));
    return check(await waitRecvmsg(this.p, fd, msg), 'recv');
  }

  /** sendto(2). */
  async sendto(fd: number, data: Data, to: PeerAddress, flags: number = 0): Promise<number> {
    const msg = message(checkData(data, 'sendto'), checkInt(flags, 'sendto', 'flags'));
    toSockAddr(to, 'sendto', msg.name, this.p.net);
    msg.hasName = true;
    return await this.sendMessage(fd, msg, 'sendto', placeOf(to));
  }

  /** recvfrom(2): waits for a datagram; its bytes, and where it came from. */
  async recvfrom(fd: number, buffer: Uint8Array, flags: number = 0): Promise<Received> {
    checkFd(fd, 'recvfrom');
    const msg = message(checkBuffer(buffer, 'recvfrom', 'buffer'), checkInt(flags, 'recvfrom', 'flags'));
    return this.sys.received(fd, check(await waitRecvmsg(this.p, fd, msg), 'recvfrom'), msg);
  }

  /** sendmsg(2): the parts of `iov` as one message. */
  async sendmsg(fd: number, out: OutMessage, flags: number = 0): Promise<number> {
    return await this.sendMessage(fd, this.sys.outMessage(out, flags), 'sendmsg', placeOf(out.to));
  }

  /** recvmsg(2): one message, spread over the parts of `iov`. */
  async recvmsg(fd: number, iov: readonly Uint8Array[], flags: number = 0): Promise<Received> {
    checkFd(fd, 'recvmsg');
    const msg = this.sys.inMessage(iov, flags);
    const n = check(await waitRecvmsg(this.p, fd, msg), 'recvmsg');
    scatter(msg.buf, n, iov);
    return this.sys.received(fd, n, msg);
  }

  /** shutdown(2): SHUT_RD, SHUT_WR or SHUT_RDWR. */
  shutdown(fd: number, how: number): void {
    this.sys.shutdown(fd, how);
  }

  /**
   * close(2). Never waits, SO_LINGER or not: what is still to be sent is sent in the background; {@link lingeringClose} waits.
   * Calls that sleep on `fd` fail with EBADF.
   */
  close(fd: number): void {
    this.sys.close(fd);
  }

  /**
   * close(2) as a process sees it that has set SO_LINGER with a time: resolves when the peer has acknowledged everything, or the
   * time is up; what is left then goes on in the background. `fd` is free at once. Without SO_LINGER it does not wait.
   */
  async lingeringClose(fd: number): Promise<void> {
    check(await waitClose(this.p, checkFd(fd, 'close')), 'close');
  }

  /** dup(2). */
  dup(fd: number): number {
    return this.sys.dup(fd);
  }

  /** getsockname(2). */
  getsockname(fd: number): SocketAddress {
    return this.sys.getsockname(fd);
  }

  /** getpeername(2). */
  getpeername(fd: number): SocketAddress {
    return this.sys.getpeername(fd);
  }

  /** setsockopt(2). SO_RCVTIMEO and SO_SNDTIMEO take milliseconds or a string with a unit, SO_LINGER takes `{ on, seconds }`. */
  setsockopt(fd: number, level: number, name: number, value: OptionValue): void {
    this.sys.setsockopt(fd, level, name, value);
  }

  /** getsockopt(2). */
  getsockopt(fd: number, level: number, name: number): SockoptValue {
    return this.sys.getsockopt(fd, level, name);
  }

  /** fcntl(2): F_GETFL, F_SETFL, F_DUPFD, F_GETFD, F_SETFD. */
  fcntl(fd: number, cmd: number, arg: number = 0): number {
    return this.sys.fcntl(fd, cmd, arg);
  }

  /** ioctl(2): FIONREAD, SIOCOUTQ, SIOCOUTQNSD, FIONBIO. */
  ioctl(fd: number, cmd: number, arg: number = 0): number {
    return this.sys.ioctl(fd, cmd, arg);
  }

  /** poll(2): waits until an entry has events; how many have. `timeout` in milliseconds or with a unit, -1 = for ever. */
  async poll(fds: readonly PollFd[], timeout?: Duration): Promise<number> {
    return check(await waitPoll(this.p, checkPollFds(fds), checkTimeout(timeout, 'poll')), 'poll');
  }

  /** epoll_create1(2). */
  epollCreate(flags: number = 0): number {
    return this.sys.epollCreate(flags);
  }

  /** epoll_ctl(2). */
  epollCtl(epfd: number, op: number, fd: number, interest?: EpollInterest): void {
    this.sys.epollCtl(epfd, op, fd, interest);
  }

  /** epoll_wait(2): waits until something is ready; at most `max` events. */
  async epollWait(epfd: number, max: number = 64, timeout?: Duration): Promise<EpollEvent[]> {
    const out: EpollEvent[] = [];
    checkFd(epfd, 'epoll_wait');
    check(await waitEpoll(this.p, epfd, out, checkInt(max, 'epoll_wait', 'max'), checkTimeout(timeout, 'epoll_wait')), 'epoll_wait');
    return out;
  }

  /** pipe2(2): the descriptors to read from and to write to. `flags`: O_NONBLOCK, O_CLOEXEC. */
  pipe(flags: number = 0): [number, number] {
    return this.sys.pipe(flags);
  }

  /** memfd_create(2): a file in memory, empty; what {@link sendfile} sends from. `flags`: MFD_CLOEXEC, MFD_ALLOW_SEALING. */
  memfdCreate(name: string, flags: number = 0): number {
    return this.sys.memfdCreate(name, flags);
  }

  /** lseek(2): where the next read or write of a file goes. `whence`: SEEK_SET, SEEK_CUR, SEEK_END. */
  lseek(fd: number, offset: number, whence: number = SEEK_SET): number {
    return this.sys.lseek(fd, offset, whence);
  }

  /** ftruncate(2): a file of `length` bytes, cut or filled up with zeros. */
  ftruncate(fd: number, length: number): void {
    this.sys.ftruncate(fd, length);
  }

  /**
   * sendfile(2): up to `count` bytes from a file (memfd_create) to any descriptor; waits until they are taken. Without `offset` from
   * the file's place, which moves on.
   */
  async sendfile(out: number, input: number, count: number, offset?: number): Promise<number> {
    const [to, from, at, n] = sendfileArgs(out, input, count, offset);
    return check(await waitSendfile(this.p, to, from, at, n), 'sendfile');
  }

  /**
   * splice(2): up to `len` bytes from one descriptor to another, of which one is a pipe; waits for bytes and for room, unless
   * `flags` have SPLICE_F_NONBLOCK. 0: the source has ended.
   */
  async splice(input: number, out: number, len: number, flags: number = 0): Promise<number> {
    const [from, to, n, bits] = spliceArgs(input, out, len, flags);
    return check(await waitSplice(this.p, from, null, to, null, n, bits), 'splice');
  }

  /** prlimit(2), RLIMIT_NOFILE: the limit of open descriptors; with `limit`, sets it and returns the old one. */
  prlimit(limit?: number): number {
    return this.sys.prlimit(limit);
  }

  /** Waits for `timeout` of virtual time. */
  async sleep(timeout: Duration): Promise<void> {
    await waitPoll(this.p, [], Math.max(parseDuration(timeout, 'sleep: timeout'), 1));
  }

  private async sendMessage(fd: number, msg: MsgHdr, call: string, place?: ErrorPlace): Promise<number> {
    return check(await waitSendmsg(this.p, checkFd(fd, call), msg), call, place);
  }
}
