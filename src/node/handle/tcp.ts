/**
 * A TCP socket of the kernel in libuv's handle interface: names, listening, connecting. The data side is stream.ts.
 *
 *   from  lib/net.js        bind, listen, connect, getsockname, setNoDelay…
 *   to    syscall/socket    the calls that never wait
 *         lib/net.js        onconnection, req.oncomplete: user code, run by the pump outside the kernel
 */
import type { AsyncResource } from 'node:async_hooks';
import {
  EADDRINUSE, EAGAIN, EALREADY, EBADF, ECONNREFUSED, EINPROGRESS, EINVAL, errnoName,
} from '../../lib/errno.ts';
import {
  AF_INET, AF_INET6, IPPROTO_IP, IPV6_TCLASS, IPV6_V6ONLY, IP_TOS, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
  SOCK_NONBLOCK, SOCK_STREAM, SOL_IPV6, SOL_SOCKET, SOL_TCP,
  SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_REUSEADDR, SO_REUSEPORT, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY,
  TCP_SYN_RECV, TCP_SYN_SENT,
} from '../../sock/constants.ts';
import { sysBind, sysConnect, sysGetpeername, sysGetsockname, sysListen, sysSocket } from '../../syscall/socket.ts';
import { sysGetsockopt, sysSetsockopt } from '../../syscall/sockopt.ts';
import { accept } from './calls.ts';
import { contextOfConnections } from './context.ts';
import type { AddressOut, HandleHost } from './host.ts';
import { NativeSide } from './native.ts';
import { Pending, type Req } from './requests.ts';
import {
  admitAsTcp, failReadAbove, hasNativeStream, hasStreamBaseState, ownerOf, setOwner, warmUpSockets, type HandleHolder,
} from './runtime.ts';
import { MODE_CLOSED, MODE_CONNECTING, MODE_LISTENING, MODE_NEW, MODE_STREAM, StreamHandle } from './stream.ts';
import { uv } from './uv.ts';

/** Flags of bind: libuv's. */
const UV_TCP_IPV6ONLY = 1;
const UV_TCP_REUSEPORT = 2;
/** Seconds between two keepalive probes, and how many: libuv's. */
const KEEPALIVE_INTERVAL_S = 1;
const KEEPALIVE_COUNT = 10;

/** lib/net.js's onconnection. */
type OnConnection = (this: object, status: number, client: object | undefined) => unknown;

/** A socket, with what a server of http gives it. */
interface SocketOfHttp extends HandleHolder {
  readonly parser?: object | null;
}

export class TcpHandle extends StreamHandle {
  /** A Unix socket (handle/pipe.ts): the runtime must not take it for one of its TCP handles. */
  readonly isPipe: boolean = false;
  onconnection: OnConnection | null = null;
  protected connectReq: Pending | null = null;
  /** EADDRINUSE of bind and ECONNREFUSED of connect show later, as libuv has it. */
  protected delayedError = 0;
  /** libuv's status of a bind that failed before listen(). */
  protected listenStatus = 0;
  /** The last accept failed for want of descriptors. */
  private exhausted = false;
  /** Of the connections of a server, from listen() on. */
  private connectionContext: AsyncResource | null = null;
  private noDelay = false;
  private keepAliveS = -1;

  constructor(host: HandleHost, kind: string = 'TCPWRAP') {
    super(host, kind);
  }

  /** A handle of the same kind, for a connection. */
  newConnection(): TcpHandle {
    return new TcpHandle(this.host);
  }

  /** A connection that was accepted. */
  private accepted(kfd: number): TcpHandle {
    const handle = this.connectionContext!.runInAsyncScope(newConnection, this);
    handle.attach(kfd);
    handle.mode = MODE_STREAM;
    return handle;
  }

  // ---- names

  /** A descriptor of the runtime's cannot become a kernet socket. */
  open(_fd: number): number {
    return uv(-EINVAL);
  }

  /** Without a port (net.connect with a localAddress alone), any. */
  bind(address: string, port?: number, flags?: number): number {
    return this.bindTo(AF_INET, address, port ?? 0, flags ?? 0);
  }

  bind6(address: string, port?: number, flags?: number): number {
    return this.bindTo(AF_INET6, address, port ?? 0, flags ?? 0);
  }

  private bindTo(family: number, address: string, port: number, flags: number): number {
    const { host } = this;
    let err = host.setAddr(family, address, port);
    if (err === 0) err = this.ensureSocket(family);
    if (err < 0) return uv(err);
    this.option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) this.option(SOL_IPV6, IPV6_V6ONLY, flags & UV_TCP_IPV6ONLY);
    if ((flags & UV_TCP_REUSEPORT) !== 0) {
      err = this.option(SOL_SOCKET, SO_REUSEPORT, 1);
      if (err < 0) return uv(err);
    }
    err = sysBind(host.process, this.kfd, host.addr);
    if (err !== -EADDRINUSE) return uv(err);
    this.delayedError = err;
    return 0;
  }

  /** Binds a server's socket: what goes wrong is what listen() answers. */
  bindForListen(address: string, port: number, family: number, flags: number): void {
    const err = this.bindTo(family === 6 ? AF_INET6 : AF_INET, address, port, flags);
    if (err < 0) this.listenStatus = err;
  }

  /** Such a server cannot be on this host: listen() will say so. */
  failListen(): void {
    this.listenStatus = uv(-EINVAL);
  }

  getsockname(out: AddressOut): number {
    if (this.delayedError !== 0) return uv(this.delayedError);
    const { host } = this;
    const err = sysGetsockname(host.process, this.kfd, host.addr);
    if (err === 0) host.fill(out);
    return uv(err);
  }

  getpeername(out: AddressOut): number {
    if (this.delayedError !== 0) return uv(this.delayedError);
    const { host } = this;
    const err = sysGetpeername(host.process, this.kfd, host.addr);
    if (err === 0) host.fill(out);
    return uv(err);
  }

  protected ensureSocket(family: number): number {
    if (this.mode === MODE_CLOSED) return -EBADF;
    if (this.sk !== null) return this.sk.family === family ? 0 : -EINVAL;
    const kfd = sysSocket(this.host.process, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (kfd < 0) return kfd;
    this.attach(kfd);
    if (this.noDelay) this.option(SOL_TCP, TCP_NODELAY, 1);
    if (this.keepAliveS >= 0) this.applyKeepAlive();
    return 0;
  }

  // ---- listening

  listen(backlog: number): number {
    if (this.delayedError !== 0) return uv(this.delayedError);
    if (this.listenStatus !== 0) return this.listenStatus;
    let err = this.ensureSocket(this.sk?.family ?? AF_INET);
    if (err === 0) err = sysListen(this.host.process, this.kfd, backlog);
    if (err < 0) return uv(err);
    this.mode = MODE_LISTENING;
    this.connectionContext = contextOfConnections();
    this.watch.interest = POLLIN | POLLRDNORM;
    this.updateLive();
    return 0;
  }

  protected override callOther(): boolean {
    if (this.mode === MODE_LISTENING) return this.acceptOnce();
    return this.mode === MODE_CONNECTING && this.finishConnect();
  }

  protected override isDue(): boolean {
    if (this.mode === MODE_LISTENING) return !this.exhausted && (this.sk!.prot.poll(this.sk!) & POLLIN) !== 0;
    return super.isDue() || (this.mode === MODE_CLOSED && this.connectReq !== null);
  }

  private acceptOnce(): boolean {
    const { host } = this;
    const kfd = accept(host.process, this.kfd, SOCK_NONBLOCK);
    if (kfd === -EAGAIN) return false;
    this.exhausted = kfd < 0; // no descriptor is left: the next connection is tried when it comes
    const { onconnection } = this;
    if (kfd < 0) onconnection?.call(this, uv(kfd), undefined);
    else onconnection?.call(this, 0, frontOf(this.accepted(kfd)));
    return kfd >= 0;
  }

  // ---- connecting

  connect(req: Req, address: string, port: number): number {
    return this.connectTo(req, AF_INET, address, port);
  }

  connect6(req: Req, address: string, port: number): number {
    return this.connectTo(req, AF_INET6, address, port);
  }

  private connectTo(req: Req, family: number, address: string, port: number): number {
    const before = this.mode;
    if (before !== MODE_NEW && before !== MODE_STREAM) return uv(before === MODE_CLOSED ? -EBADF : -EALREADY);
    const { host } = this;
    let err = host.setAddr(family, address, port);
    if (err === 0) err = this.ensureSocket(family);
    if (err < 0) return uv(err);
    // Of a connected socket the kernel decides, too: connect(2) may be called once more after a connection was made without waiting.
    this.mode = MODE_CONNECTING;
    if (this.delayedError === 0) {
      host.setAddr(family, address, port);
      err = sysConnect(host.process, this.kfd, host.addr);
      if (err === -ECONNREFUSED) this.delayedError = err;
      else if (err < 0 && err !== -EINPROGRESS) {
        this.mode = before;
        this.updateInterest();
        return uv(err);
      }
    }
    // From here on, as libuv has it: who was woken by the handshake itself (a server on this host) has his turn before.
    this.watch.interest = POLLOUT | POLLWRNORM;
    this.connectReq = new Pending(req, false, 'TCPCONNECTWRAP');
    this.updateLive();
    if (this.delayedError !== 0 || !this.handshaking()) this.host.cpu.wake(this.task);
    return 0;
  }

  private handshaking(): boolean {
    const { state } = this.sk!;
    return state === TCP_SYN_SENT || state === TCP_SYN_RECV;
  }

  private finishConnect(): boolean {
    let err = this.delayedError;
    if (err === 0) {
      const pending = sysGetsockopt(this.host.process, this.kfd, SOL_SOCKET, SO_ERROR);
      err = typeof pending === 'number' ? -pending : -EINVAL;
    }
    if (err === 0 && this.handshaking()) return false;
    this.delayedError = 0;
    this.mode = err === 0 ? MODE_STREAM : MODE_NEW;
    this.updateInterest();
    this.answerConnect(uv(err));
    return false;
  }

  private answerConnect(status: number): void {
    const pending = this.connectReq!;
    this.connectReq = null;
    this.updateLive();
    // TLS may have come to sit on the handle while it connected: it still is the plain socket that did.
    const front = this.native === null || ownerOf(this) !== null ? this : this.native;
    pending.runInAsyncScope(pending.req.oncomplete.bind(pending.req), null, status, front, pending.req, true, true);
  }

  protected override requestPending(): boolean {
    return this.connectReq !== null;
  }

  protected override cancelRequest(status: number): void {
    this.answerConnect(status);
  }

  // ---- options

  private option(level: number, name: number, value: number | object): number {
    return sysSetsockopt(this.host.process, this.kfd, level, name, value);
  }

  setNoDelay(on: boolean): number {
    this.noDelay = on;
    return this.sk === null ? 0 : uv(this.option(SOL_TCP, TCP_NODELAY, on ? 1 : 0));
  }

  setKeepAlive(on: boolean, delaySeconds: number): number {
    this.keepAliveS = on ? delaySeconds : -1;
    return this.sk === null ? 0 : uv(this.applyKeepAlive());
  }

  private applyKeepAlive(): number {
    const err = this.option(SOL_SOCKET, SO_KEEPALIVE, this.keepAliveS >= 0 ? 1 : 0);
    if (err < 0 || this.keepAliveS <= 0) return err;
    this.option(SOL_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    this.option(SOL_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    return this.option(SOL_TCP, TCP_KEEPIDLE, this.keepAliveS);
  }

  setTypeOfService(tos: number): number {
    if (this.sk === null) return uv(-EBADF);
    return uv(this.sk.family === AF_INET6 ? this.option(SOL_IPV6, IPV6_TCLASS, tos) : this.option(IPPROTO_IP, IP_TOS, tos));
  }

  getTypeOfService(): number {
    const v6 = this.sk?.family === AF_INET6;
    const tos = sysGetsockopt(this.host.process, this.kfd, v6 ? SOL_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS);
    return typeof tos === 'number' ? tos : uv(-EBADF);
  }

  /** Windows only. */
  setSimultaneousAccepts(_on: boolean): number {
    return 0;
  }

  setBlocking(_on: boolean): number {
    return 0;
  }

  /** Closes with a RST instead of a FIN. */
  reset(callback?: (this: object) => void): number {
    if (this.isShutting && this.mode === MODE_STREAM) return uv(-EINVAL);
    if (this.sk !== null) {
      const err = this.option(SOL_SOCKET, SO_LINGER, { on: true, seconds: 0 });
      if (err < 0) return uv(err);
    }
    this.close(callback);
    return 0;
  }

  /**
   * Asked by a server of http, which has given its socket a parser and stays on the JavaScript path, and by a session of http2,
   * which sits on the socket's handle if that is C++'s: so the C++ side takes this one's place.
   */
  override get isStreamBase(): boolean {
    const owner = hasNativeStream ? ownerOf(this) as SocketOfHttp | null : null;
    if (owner === null || owner._handle !== this || (owner.parser ?? null) !== null) return false;
    sitOn(this, owner);
    return true;
  }

  override nativeError(ret: number): void {
    if (this.native !== null && failReadAbove(this.native, uv(ret))) return;
    const code = errnoName(ret);
    const error = Object.assign(new Error(`read ${code}`), { errno: uv(ret), code, syscall: 'read' });
    const owner = ownerOf(this) ?? (this.native === null ? null : ownerOf(this.native));
    owner?.destroy(error);
  }
}

// The name that Node's own has: programs print it.
Object.defineProperty(TcpHandle, 'name', { value: 'TCP' });

function newConnection(this: TcpHandle): TcpHandle {
  return this.newConnection();
}

/**
 * What the runtime's sockets are given: the handle itself. Where it cannot tell them how much was read and written
 * (`process.binding` is refused), its C++ side, which can: slower, and the same in all else.
 */
export function frontOf(handle: TcpHandle): object {
  return hasStreamBaseState ? handle : nativeSide(handle);
}

/** Is it a kernet handle, or the C++ side of one? */
export function isTcpHandle(value: unknown): value is TcpHandle | NativeSide {
  return value instanceof TcpHandle || value instanceof NativeSide;
}

/** Puts the C++ side under a handle, on which TLS can sit. */
export function nativeSide(handle: TcpHandle): NativeSide {
  const native = new NativeSide(handle);
  handle.setNative(native);
  return native;
}

/** The C++ side of a handle. The socket below has it from now on, for TLS closes that socket only when their handles are one. */
export function sitOn(handle: TcpHandle, below: HandleHolder | null): NativeSide {
  const native = nativeSide(handle);
  if (below?._handle !== handle) return native;
  Object.assign(native, { reading: handle.reading, onread: handle.onread });
  setOwner(native, below);
  below._handle = native;
  return native;
}

/** A handle for the next attempt of a socket to connect, of the form that the one before had. */
export function handleLike(old: TcpHandle | NativeSide): object {
  const handle = new TcpHandle(old instanceof TcpHandle ? old.host : old.handle.host);
  return old instanceof TcpHandle ? frontOf(handle) : nativeSide(handle);
}

/** Makes the runtime's classes accept these handles: once, before the first one is made. */
export const admitTcpHandles: () => void = once(() => {
  warmUpSockets();
  admitAsTcp((value) => isTcpHandle(value) && !(value instanceof TcpHandle ? value : value.handle as TcpHandle).isPipe);
});

function once(f: () => void): () => void {
  let done = false;
  return () => {
    if (!done) f();
    done = true;
  };
}
