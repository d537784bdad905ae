/**
 * A Unix socket of the kernel in libuv's pipe interface: `path` in net.connect() and server.listen(). All but the names is that
 * of a TCP handle. Paths are those of the host's file system; of the default host, they show in the machine's, too.
 *
 *   from  node/sockets.ts, lib/net.js   bind, listen, connect with a path
 *   to    handle/tcp.ts, handle/stream.ts
 *         handle/machine-path.ts
 */
import { EINVAL } from '../../lib/errno.ts';
import { AF_UNIX, POLLOUT, POLLWRNORM } from '../../sock/constants.ts';
import { sysBind, sysConnect } from '../../syscall/socket.ts';
import { unixUnlink } from '../../unix/names.ts';
import type { UnixSock } from '../../unix/sock.ts';
import type { HandleHost } from './host.ts';
import type { MachinePaths, Mark } from './machine-path.ts';
import { Pending, type Req } from './requests.ts';
import { MODE_CONNECTING, MODE_NEW } from './stream.ts';
import { TcpHandle } from './tcp.ts';
import { uv } from './uv.ts';

export class PipeHandle extends TcpHandle {
  override readonly isPipe: boolean = true;
  /** What bind() put into the file system: it is taken out again when the handle is closed, as libuv does. */
  private boundPath: string | null = null;
  /** The file that stands for it in the machine's file system. */
  private mark: Mark | null = null;

  constructor(host: HandleHost, kind: string = 'PIPEWRAP') {
    super(host, kind);
  }

  override newConnection(): TcpHandle {
    return new PipeHandle(this.host);
  }

  override bind(path: string): number {
    const err = this.ensureSocket(AF_UNIX);
    if (err < 0) return uv(err);
    if (path === '') return uv(-EINVAL);
    const { host } = this;
    if (host.machinePaths !== null && !path.startsWith('\0')) return this.bindFile(host.machinePaths, path);
    const rc = sysBind(host.process, this.kfd, host.addr.setPath(path));
    if (rc === 0 && !path.startsWith('\0')) this.boundPath = path;
    return uv(rc);
  }

  /** Binds a name that nobody sees, behind a file that everybody does. */
  private bindFile(paths: MachinePaths, path: string): number {
    const mark = paths.mark(path);
    if (typeof mark === 'number') return mark;
    const { host } = this;
    const rc = sysBind(host.process, this.kfd, host.addr.setPath(mark.name));
    if (rc === 0) this.mark = mark;
    else mark.remove();
    return uv(rc);
  }

  override bindForListen(path: string): void {
    const err = this.bind(path);
    if (err < 0) this.listenStatus = err;
  }

  /** What goes wrong is told by the request, later, as libuv has it. */
  override connect(req: Req, path: string): number {
    if (this.mode !== MODE_NEW) return uv(-EINVAL);
    const err = this.ensureSocket(AF_UNIX);
    if (err < 0) return uv(err);
    this.mode = MODE_CONNECTING;
    this.watch.interest = POLLOUT | POLLWRNORM;
    const { host } = this;
    const name = host.machinePaths === null || path.startsWith('\0') ? path : host.machinePaths.find(path);
    const rc = typeof name === 'number' ? name : sysConnect(host.process, this.kfd, host.addr.setPath(name));
    if (rc < 0) this.delayedError = rc;
    this.connectReq = new Pending(req, false, 'PIPECONNECTWRAP');
    this.updateLive();
    host.cpu.wake(this.task);
    return 0;
  }

  /** readableAll, writableAll: a host's own file system has no modes. */
  fchmod(mode: number): number {
    return this.mark?.chmod(mode) ?? 0;
  }

  override close(callback?: (this: object) => void): void {
    const { boundPath, sk } = this;
    this.boundPath = null;
    this.mark?.remove();
    this.mark = null;
    if (boundPath !== null && sk !== null) unixUnlink((sk as UnixSock).table, boundPath);
    super.close(callback);
  }
}

Object.defineProperty(PipeHandle, 'name', { value: 'Pipe' });

/** A pipe has none of these: Node's classes look whether they are there. */
const TCP_ONLY: readonly string[] = [
  'bind6', 'connect6', 'getpeername', 'getsockname', 'setNoDelay', 'setKeepAlive', 'setSimultaneousAccepts', 'setTypeOfService',
  'getTypeOfService', 'reset',
];
for (const name of TCP_ONLY) {
  Object.defineProperty(PipeHandle.prototype, name, { configurable: true, writable: true, value: undefined });
}
