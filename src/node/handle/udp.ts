/**
 * A UDP socket of the kernel in libuv's handle interface, under Node's own dgram.Socket (and Deno's).
 *
 *   from  lib/dgram.js      bind, send, recvStart, connect…: integers in, integers out
 *         sock/wait-queue   a datagram has come, or there is room to send: `task` is lined up
 *   to    syscall/socket    the calls that never wait
 *         lib/dgram.js      onmessage, req.oncomplete: user code, run by the pump outside the kernel
 *
 * Next ticks and microtasks run between two callbacks; where the runtime cannot be asked for that (Deno), one run of the task
 * makes one callback.
 */
import { AsyncResource } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import { EAGAIN, EALREADY, EBADF, ECANCELED, EINVAL, EMSGSIZE, ENOTCONN } from '../../lib/errno.ts';
import {
  AF_INET, AF_INET6, AF_UNSPEC, FIONREAD, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_UNICAST_HOPS, IPV6_V6ONLY,
  IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_TTL, POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, SOCK_DGRAM, SOCK_NONBLOCK, SOL_IP,
  SOL_IPV6, SOL_SOCKET, SO_BROADCAST, SO_RCVBUF, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF,
} from '../../sock/constants.ts';
import type { Sock } from '../../sock/sock.ts';
import {
  fdSock, sysBind, sysClose, sysConnect, sysGetpeername, sysGetsockname, sysSocket,
} from '../../syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../../syscall/sockopt.ts';
import { Task } from '../../time/task.ts';
import { recvmsg, sendmsg } from './calls.ts';
import { familyOf, membership, multicastInterface } from './groups.ts';
import { Watch, type AddressOut, type HandleHost } from './host.ts';
import { Pending, type Req } from './requests.ts';
import { settle } from './runtime.ts';
import { uv } from './uv.ts';

/** Flags of bind: libuv's. */
const UV_UDP_IPV6ONLY = 1;
const UV_UDP_REUSEADDR = 4;
const UV_UDP_REUSEPORT = 64;
/** Datagrams up to this size share a slab; larger ones get memory of their own. */
const SMALL_DATAGRAM = 4096;
/** The largest datagram there can be, headers not counted; longer ones are not even offered to the kernel. */
const MAX_DATAGRAM = 65535;

/** The largest size of a buffer that C++ takes. */
const MAX_INT = 0x7fffffff;

/** Callbacks in one run, as libuv has it: then others have their turn. */
const MAX_CALLBACKS = 32;

/** lib/dgram.js's onMessage. */
type OnMessage = (this: object, nread: number, handle: object, bytes: Buffer | undefined, from: AddressOut | undefined) => unknown;

/** A datagram that waits for room in the send buffer. */
class PendingSend extends Pending {
  next: PendingSend | null = null;
  readonly bytes: Uint8Array;
  readonly port: number;
  readonly address: string | null;
  /** libuv's status, or 1 while it waits. */
  status = 1;

  constructor(req: Req, bytes: Uint8Array, port: number, address: string | null) {
    super(req, false, 'UDPSENDWRAP');
    this.bytes = bytes;
    this.port = port;
    this.address = address;
  }
}

export class UdpHandle {
  // Where C++ looks for its half of a handle it finds zero, which means that there is none: a handle that is sent to another
  // process is refused with EINVAL. First in the object, and never anything else.
  protected readonly noHalf0: number = 0;
  protected readonly noHalf1: number = 0;
  protected readonly noHalf2: number = 0;
  protected readonly noHalf3: number = 0;

  // ---- members that lib/dgram.js sets
  onmessage: OnMessage | null = null;
  onerror: unknown = null;
  lookup: unknown = null;
  readonly fd: number = -1;

  readonly host: HandleHost;
  readonly resource: AsyncResource;
  private readonly task: Task;
  private readonly watch: Watch;
  private family: number = AF_INET;
  /** Of `bind`, `connect` and `send`. */
  private usual: number = AF_INET;
  private kfd = -1;
  private sk: Sock | null = null;
  private receives = false;
  private connected = false;
  private closed = false;
  private firstSend: PendingSend | null = null;
  private lastSend: PendingSend | null = null;
  private queueSize = 0;
  private queueCount = 0;
  private onclose: ((this: object) => void) | null = null;
  private refed = true;
  private held = false;

  constructor(host: HandleHost) {
    this.host = host;
    this.resource = new AsyncResource('UDPWRAP', { requireManualDestroy: true });
    this.task = new Task(() => this.run());
    this.watch = new Watch(host.cpu, this.task, this);
  }

  getAsyncId(): number {
    return this.resource.asyncId();
  }

  getProviderType(): number {
    return 0;
  }

  // ---- liveness

  ref(): void {
    this.refed = true;
    this.updateLive();
  }

  unref(): void {
    this.refed = false;
    this.updateLive();
  }

  hasRef(): boolean {
    return this.refed && !this.closed;
  }

  private updateLive(): void {
    const live = this.firstSend !== null || (this.receives && this.refed) || (this.closed && this.onclose !== null);
    if (live === this.held) return;
    this.held = live;
    if (live) this.host.liveness.hold();
    else this.host.liveness.release();
  }

  /** bind, connect and send speak IPv6 from here on: how lib/dgram.js has a socket of type `'udp6'`. */
  useInet6(): void {
    this.usual = AF_INET6;
  }

  // ---- names

  open(_fd: number): number {
    return uv(-EINVAL);
  }

  bind(address: string, port: number, flags?: number): number {
    return this.bindTo(this.usual, address, port, flags ?? 0);
  }

  bind6(address: string, port: number, flags?: number): number {
    return this.bindTo(AF_INET6, address, port, flags ?? 0);
  }

  private bindTo(family: number, address: string, port: number, flags: number): number {
    const { host } = this;
    let err = this.ensureSocket(family);
    const number = port >>> 0; // lib/dgram.js hands over whatever was given; C++ takes a number of it
    if (err === 0 && (flags & UV_UDP_REUSEADDR) !== 0) err = this.option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (err === 0 && (flags & UV_UDP_REUSEPORT) !== 0) err = this.option(SOL_SOCKET, SO_REUSEPORT, 1);
    if (err === 0 && family === AF_INET6 && (flags & UV_UDP_IPV6ONLY) !== 0) err = this.option(SOL_IPV6, IPV6_V6ONLY, 1);
    if (err === 0) err = host.setAddr(family, address, number);
    if (err === 0) err = sysBind(host.process, this.kfd, host.addr);
    return uv(err);
  }

  getsockname(out: AddressOut): number {
    const { host } = this;
    const err = sysGetsockname(host.process, this.kfd, host.addr);
    if (err === 0) host.fill(out);
    return uv(err);
  }

  getpeername(out: AddressOut): number {
    const { host } = this;
    const err = sysGetpeername(host.process, this.kfd, host.addr);
    if (err === 0) host.fill(out);
    return uv(err);
  }

  private ensureSocket(family: number): number {
    if (this.closed) return -EBADF;
    if (this.sk !== null) return this.sk.family === family ? 0 : -EINVAL;
    const kfd = sysSocket(this.host.process, family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (kfd < 0) return kfd;
    this.kfd = kfd;
    this.family = family;
    this.sk = fdSock(this.host.process, kfd);
    this.sk!.wq.add(this.watch);
    return 0;
  }

  // ---- connecting

  connect(address: string, port: number): number {
    return this.connectTo(this.usual, address, port);
  }

  connect6(address: string, port: number): number {
    return this.connectTo(AF_INET6, address, port);
  }

  private connectTo(family: number, address: string, port: number): number {
    const { host } = this;
    if (this.connected) return uv(-EALREADY);
    let err = this.ensureSocket(family);
    if (err === 0) err = host.setAddr(family, address, port);
    if (err === 0) err = sysConnect(host.process, this.kfd, host.addr);
    if (err === 0) this.connected = true;
    return uv(err);
  }

  disconnect(): number {
    if (!this.connected) return uv(-ENOTCONN);
    const { addr } = this.host;
    addr.set(0, 0).family = AF_UNSPEC;
    const err = sysConnect(this.host.process, this.kfd, addr);
    if (err === 0) this.connected = false;
    return uv(err);
  }

  // ---- sending

  /** `send(req, list, count, port, address, hasCallback)`, or without port and address on a connected socket. */
  send(req: Req, list: readonly Uint8Array[], count: number, port: number | boolean, address?: string): number {
    return this.sendTo(this.usual, req, list, count, port, address);
  }

  send6(req: Req, list: readonly Uint8Array[], count: number, port: number | boolean, address?: string): number {
    return this.sendTo(AF_INET6, req, list, count, port, address);
  }

  /** The number of bytes and 1 more when the kernel has taken the datagram; 0 when it waits; a negative status. */
  private sendTo(
    family: number, req: Req, list: readonly Uint8Array[], count: number, port: number | boolean, address: string | undefined,
  ): number {
    const err = this.ensureSocket(family);
    if (err < 0) return uv(err);
    let bytes = list[0]!;
    if (!(bytes instanceof Uint8Array)) bytes = bytesOf(bytes);
    let total = bytes.length;
    if (count !== 1) {
      total = 0;
      for (const chunk of list) total += chunk.byteLength;
    }
    if (total > MAX_DATAGRAM) {
      const bad = typeof port === 'number' ? this.host.setAddr(this.family, address!, port) : 0;
      return uv(bad < 0 ? bad : -EMSGSIZE);
    }
    if (count !== 1) {
      bytes = this.host.scratch;
      let at = 0;
      for (const chunk of list) {
        bytes.set(chunk instanceof Uint8Array ? chunk : bytesOf(chunk), at);
        at += chunk.byteLength;
      }
    }
    const toPort = typeof port === 'number' ? port : 0;
    const toAddress = typeof port === 'number' ? address ?? null : null;
    if (this.firstSend === null) {
      const n = this.sendNow(bytes, total, toPort, toAddress);
      if (n >= 0) return n + 1;
      if (n !== -EAGAIN) return uv(n);
    }
    this.enqueue(new PendingSend(req, Buffer.from(bytes.subarray(0, total)), toPort, toAddress));
    return 0;
  }

  private sendNow(bytes: Uint8Array, len: number, port: number, address: string | null): number {
    const { host } = this;
    const { msg } = host;
    msg.hasName = address !== null;
    if (address !== null) {
      const err = host.setAddr(this.family, address, port);
      if (err < 0) return err;
      msg.name.copy(host.addr);
    }
    msg.buf = bytes;
    msg.off = 0;
    msg.len = len;
    msg.flags = 0;
    return sendmsg(host.process, this.kfd, msg);
  }

  private enqueue(send: PendingSend): void {
    if (this.lastSend === null) this.firstSend = send;
    else this.lastSend.next = send;
    this.lastSend = send;
    this.queueSize += send.bytes.length;
    this.queueCount++;
    this.updateInterest();
    this.updateLive();
    if ((this.sk!.prot.poll(this.sk!) & (POLLOUT | POLLWRNORM)) !== 0) this.host.again(this.task);
  }

  private flush(): void {
    let send = this.firstSend;
    while (send !== null && send.status > 0) {
      const n = this.sendNow(send.bytes, send.bytes.length, send.port, send.address);
      if (n === -EAGAIN) return;
      send.status = n < 0 ? uv(n) : 0;
      send = send.next;
    }
  }

  private answerSend(): void {
    const send = this.firstSend!;
    this.firstSend = send.next;
    if (send.next === null) this.lastSend = null;
    this.queueSize -= send.bytes.length;
    this.queueCount--;
    this.updateInterest();
    this.updateLive();
    const status = send.status === 0 ? null : send.status;
    send.runInAsyncScope(send.req.oncomplete.bind(send.req), null, status, send.bytes.length);
  }

  getSendQueueSize(): number {
    return this.queueSize;
  }

  getSendQueueCount(): number {
    return this.queueCount;
  }

  // ---- receiving

  recvStart(): number {
    if (this.closed || this.sk === null) return uv(-EBADF);
    this.receives = true;
    this.updateInterest();
    this.updateLive();
    this.armed();
    return 0;
  }

  recvStop(): number {
    this.receives = false;
    this.updateInterest();
    this.updateLive();
    return 0;
  }

  private receiveOnce(): void {
    const { host } = this;
    const { msg } = host;
    const sk = this.sk!;
    const queued = sk.prot.ioctl(sk, FIONREAD);
    const isSlab = queued <= SMALL_DATAGRAM && host.slabRoom() >= queued;
    const size = isSlab ? host.slabRoom() : queued;
    const into = isSlab ? host.slab : Buffer.allocUnsafeSlow(size);
    const off = isSlab ? host.slabUsed : 0;
    msg.buf = into;
    msg.off = off;
    msg.len = size;
    msg.flags = 0;
    msg.hasName = false;
    const n = recvmsg(host.process, this.kfd, msg);
    if (n === -EAGAIN) return;
    if (n < 0) {
      this.onmessage?.(uv(n), this, undefined, undefined);
      return;
    }
    if (isSlab) host.slabTake(n);
    this.onmessage?.(n, this, into.subarray(off, off + n), this.sender(n));
  }

  /** Where the message came from, as lib/dgram.js tells its users. */
  private sender(size: number): AddressOut & { readonly size: number } {
    const { host } = this;
    const { name } = host.msg;
    if (name.family !== AF_INET6) return { address: host.textOf(name.addr), family: 'IPv4', port: name.port, size };
    return { address: host.textOf6(name.addr6!, name.scopeId), family: 'IPv6', port: name.port, size };
  }

  // ---- the task

  private updateInterest(): void {
    let interest = 0;
    if (this.receives) interest = POLLIN | POLLRDNORM;
    if (this.firstSend !== null) interest |= POLLOUT | POLLWRNORM;
    this.watch.interest = interest;
  }

  private readable(): boolean {
    const { sk } = this;
    return sk !== null && this.receives && (sk.prot.poll(sk) & (POLLIN | POLLRDNORM | POLLERR)) !== 0;
  }

  /** Lines the task up when a callback is due. */
  private armed(): void {
    if (this.closed && (this.firstSend !== null || this.onclose !== null)) this.host.again(this.task);
    if (this.closed) return;
    if ((this.firstSend !== null && this.firstSend.status <= 0) || this.readable()) this.host.again(this.task);
  }

  private run(): void {
    const { closed, resource } = this;
    try {
      for (let i = 0; i < MAX_CALLBACKS; i++) {
        if (!resource.runInAsyncScope(callOnce, this) || settle === null) break;
        settle(); // outside of the scope, which must be the innermost when it ends
        if (this.closed !== closed) break; // closed on the way: that comes later
      }
    } finally {
      this.armed(); // user code may throw: the datagrams behind this one come all the same
    }
  }

  /** Makes one callback; false when there is none to make. */
  callOnce(): boolean {
    if (this.closed) return this.callClosed();
    if (this.firstSend !== null) {
      this.flush();
      if (this.firstSend.status <= 0) {
        this.answerSend();
        return true;
      }
    }
    if (!this.readable()) return false;
    this.receiveOnce();
    return true;
  }

  // ---- close

  close(callback?: (this: object) => void): void {
    if (this.closed) return;
    this.closed = true;
    this.receives = false;
    this.watch.interest = 0;
    this.onclose = callback ?? null;
    if (this.sk !== null) {
      this.sk.wq.remove(this.watch);
      sysClose(this.host.process, this.kfd);
      this.sk = null;
      this.kfd = -1;
    }
    this.updateLive();
    if (this.firstSend !== null || this.onclose !== null) this.host.lateInTurn(this.task);
  }

  private callClosed(): boolean {
    const { onclose } = this;
    if (this.firstSend !== null) {
      if (this.firstSend.status > 0) this.firstSend.status = uv(-ECANCELED);
      this.answerSend();
      return true;
    }
    if (onclose === null) return false;
    this.onclose = null;
    this.updateLive();
    onclose.call(this);
    return true;
  }

  // ---- options

  private option(level: number, name: number, value: number | object): number {
    return sysSetsockopt(this.host.process, this.kfd, level, name, value);
  }

  setBroadcast(on: boolean | number): number {
    return this.sk === null ? uv(-EBADF) : uv(this.option(SOL_SOCKET, SO_BROADCAST, on ? 1 : 0));
  }

  // Arguments arrive as the program gave them: C++ takes whole numbers of them, and text.

  setTTL(given: number): number {
    const ttl = given | 0;
    if (ttl < 1 || ttl > 255) return uv(-EINVAL);
    return this.either(IP_TTL, IPV6_UNICAST_HOPS, ttl);
  }

  setMulticastTTL(given: number): number {
    const ttl = given | 0;
    if (ttl < 0 || ttl > 255) return uv(-EINVAL);
    return this.either(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
  }

  setMulticastLoopback(on: boolean | number): number {
    return this.either(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0);
  }

  /** An option that both families have, under two names. */
  private either(v4: number, v6: number, value: number): number {
    if (this.sk === null) return uv(-EBADF);
    return uv(this.family === AF_INET6 ? this.option(SOL_IPV6, v6, value) : this.option(SOL_IP, v4, value));
  }

  setMulticastInterface(address: string): number {
    if (familyOf(address) === 0) return uv(-EINVAL);
    return this.sk === null ? uv(-EBADF) : uv(multicastInterface(this.host, this.kfd, address));
  }

  addMembership(group: string, address?: string): number {
    return this.membership(true, group, address);
  }

  dropMembership(group: string, address?: string): number {
    return this.membership(false, group, address);
  }

  addSourceSpecificMembership(source: string, group: string, address?: string): number {
    return this.membership(true, group, address, source);
  }

  dropSourceSpecificMembership(source: string, group: string, address?: string): number {
    return this.membership(false, group, address, source);
  }

  private membership(joins: boolean, group: string, address: string | undefined, source?: string): number {
    const name = String(group);
    const family = familyOf(name);
    if (family === 0) return uv(-EINVAL);
    // As libuv: a socket that is not bound yet is bound now, in the family of the group.
    const err = this.sk === null ? this.bindTo(family, family === AF_INET6 ? '::' : '0.0.0.0', 0, UV_UDP_REUSEADDR) : 0;
    if (err < 0) return err;
    const device: unknown = address ?? undefined;
    return uv(membership(this.host, this.kfd, joins, name, device === undefined ? undefined : String(address), source));
  }

  /** Reads (size 0) or sets a buffer's size; what goes wrong stands in `context`, as lib/dgram.js has it. */
  bufferSize(size: number, isReceive: boolean, context: Record<string, unknown>): number | undefined {
    const name = isReceive ? SO_RCVBUF : SO_SNDBUF;
    let err = size > MAX_INT ? -EINVAL : this.sk === null ? -EBADF : 0;
    if (err === 0 && size !== 0) err = this.option(SOL_SOCKET, name, size);
    const value = err === 0 ? sysGetsockopt(this.host.process, this.kfd, SOL_SOCKET, name) : null;
    if (typeof value === 'number') return value;
    context['errno'] = uv(err < 0 ? err : -EINVAL);
    context['code'] = err === -EBADF ? 'EBADF' : 'EINVAL';
    context['message'] = err === -EBADF ? 'bad file descriptor' : 'invalid argument';
    context['syscall'] = isReceive ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
    return undefined;
  }
}

/** lib/dgram.js hands over views of any kind. */
function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

// The name that Node's own has: programs print it.
Object.defineProperty(UdpHandle, 'name', { value: 'UDP' });

function callOnce(this: UdpHandle): boolean {
  return this.callOnce();
}
