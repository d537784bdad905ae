/**
 * The data side of a connected kernel socket in libuv's stream interface: reads, writes, shutdown, close.
 *
 *   from  lib/net.js        readStart, readStop, writeBuffer…, shutdown, close: integers in, integers out
 *         handle/native.ts  the same for TLS, once it sits on the handle
 *         sock/wait-queue   the socket is readable or writable: `task` is lined up
 *   to    syscall/socket    the calls that never wait
 *         handle/read.ts    one read
 *         lib/net.js        onread, req.oncomplete: user code, run by the pump outside the kernel
 *
 * Next ticks and microtasks run between two callbacks, as they do between two of libuv's; where the runtime cannot be asked for
 * that (Deno), one run of the task makes one callback.
 */
import { AsyncResource } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import { EAGAIN, EBADF, ECANCELED, ENOTCONN } from '../../lib/errno.ts';
import {
  MSG_MORE, MSG_NOSIGNAL, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, SHUT_WR,
} from '../../sock/constants.ts';
import type { Sock } from '../../sock/sock.ts';
import { fdSock, sysClose, sysShutdown } from '../../syscall/socket.ts';
import { Task } from '../../time/task.ts';
import { sendmsg } from './calls.ts';
import { Watch, type HandleHost } from './host.ts';
import { readOnce, type OnRead } from './read.ts';
import { Pending, PendingWrite, type Req } from './requests.ts';
import { neverRests } from '../real-work.ts';
import { BYTES_WRITTEN, LAST_WRITE_WAS_ASYNC, settle, streamBaseState } from './runtime.ts';
import { uv } from './uv.ts';

const READABLE = POLLIN | POLLRDNORM | POLLRDHUP | POLLERR | POLLHUP;

/**
 * Bytes whose writing is answered at once, in one run. Then the answer comes as a callback, and the reader has its turn
 * before it, while what was written still is in the processor's cache: a third more throughput than filling the send buffer.
 */
const WRITE_BURST = 131072;

/** Callbacks in one run, as libuv has it: then others have their turn. */
const MAX_CALLBACKS = 32;

/** What a handle is. */
export const MODE_NEW = 0;
export const MODE_CONNECTING = 1;
export const MODE_STREAM = 2;
export const MODE_LISTENING = 3;
export const MODE_CLOSED = 4;

/** The C++ side of a handle (handle/native.ts), as the handle sees it. */
interface Native {
  deliver(bytes: Uint8Array): void;
  deliverEnd(): void;
  answerWrite(req: Req, status: number): void;
  answerShutdown(req: Req, status: number): void;
}

export abstract class StreamHandle {
  // Where C++ looks for its half of a handle it finds zero, which means that there is none: a handle that is sent to another
  // process is refused with EINVAL. First in the object, and never anything else.
  protected readonly noHalf0: number = 0;
  protected readonly noHalf1: number = 0;
  protected readonly noHalf2: number = 0;
  protected readonly noHalf3: number = 0;

  // ---- members that lib/net.js and its users read or set
  onread: OnRead | null = null;
  reading = false;
  bytesRead = 0;
  bytesWritten = 0;
  /** Bytes that wait for room in the send buffer; a timeout of the socket asks whether they get fewer. */
  writeQueueSize = 0;
  /** A kernel's descriptor is none of the runtime's. */
  readonly fd: number = -1;
  /** Can C++ sit on it? */
  abstract get isStreamBase(): boolean;

  // ---- the kernel's side
  readonly host: HandleHost;
  /** The asynchronous context in which the handle was made, and in which its callbacks run. */
  readonly resource: AsyncResource;
  readonly task: Task;
  readonly watch: Watch;
  mode: number = MODE_NEW;
  /** Descriptor in `host.process`, -1 while there is none, and its socket. */
  kfd = -1;
  sk: Sock | null = null;
  wantsRead = false;
  /** The caller's buffer: all reads go to it. */
  userBuffer: Uint8Array | null = null;
  /** All has been read of a socket that is shut both ways: what comes next is the end (handle/read.ts). */
  hungUp = false;
  /** C++ sits on the handle (TLS): what is read goes there. */
  native: Native | null = null;
  private firstWrite: PendingWrite | null = null;
  private lastWrite: PendingWrite | null = null;
  private shutdownReq: Pending | null = null;
  private shut = false;
  /** A shutdown that had no write to wait for goes before the next read, as in libuv. */
  private shutFirst = false;
  /** The last callback was a read's: a finished write goes first now. */
  private writeTurn = false;
  private onclose: ((this: object) => void) | null = null;
  private refed = true;
  private held = false;

  constructor(host: HandleHost, kind: string) {
    this.host = host;
    this.resource = new AsyncResource(kind, { requireManualDestroy: true });
    this.task = new Task(() => this.run());
    this.watch = new Watch(host.cpu, this.task, this);
  }

  getAsyncId(): number {
    return this.resource.asyncId();
  }

  // ---- liveness: libuv's rules

  ref(): void {
    this.refed = true;
    this.updateLive();
  }

  unref(): void {
    this.refed = false;
    this.updateLive();
  }

  hasRef(): boolean {
    return this.refed && this.mode !== MODE_CLOSED;
  }

  /** True while a request of the concrete handle is under way (connect). */
  protected abstract requestPending(): boolean;

  /** Requests hold the process whether the handle is unref'd or not; an active handle only while it is ref'd. */
  protected updateLive(): void {
    const requests = this.firstWrite !== null || this.shutdownReq !== null || this.requestPending();
    const active = this.mode === MODE_LISTENING || (this.wantsRead && this.mode === MODE_STREAM);
    const live = requests || (active && this.refed) || (this.mode === MODE_CLOSED && this.onclose !== null);
    if (live === this.held) return;
    this.held = live;
    if (live) this.host.liveness.hold();
    else this.host.liveness.release();
  }

  // ---- the socket

  /** Takes descriptor `kfd`, and listens to its wait queue. */
  protected attach(kfd: number): void {
    this.kfd = kfd;
    this.sk = fdSock(this.host.process, kfd);
    this.sk!.wq.add(this.watch);
  }

  protected updateInterest(): void {
    let interest = 0;
    if (this.wantsRead) interest = POLLIN | POLLRDNORM | POLLRDHUP;
    if (this.firstWrite !== null) interest |= POLLOUT | POLLWRNORM;
    this.watch.interest = interest;
  }

  /** Lines the task up: there is something to do, without any time passing. */
  protected again(): void {
    this.host.again(this.task);
  }

  private events(): number {
    const { sk } = this;
    return sk === null ? 0 : sk.prot.poll(sk);
  }

  private readable(): boolean {
    return (this.events() & READABLE) !== 0;
  }

  // ---- the task

  /** The callbacks that are due; the task lines itself up again when there are more. */
  private run(): void {
    const { mode, resource } = this;
    try {
      for (let i = 0; i < MAX_CALLBACKS; i++) {
        if (!resource.runInAsyncScope(callOnce, this) || settle === null) break;
        settle(); // outside of the scope, which must be the innermost when it ends
        if (this.mode === MODE_CLOSED && mode !== MODE_CLOSED) break; // closed on the way: that comes later
      }
    } finally {
      this.armed(); // user code may throw: what comes next comes all the same
    }
  }

  /**
   * Makes one callback. True when the next one is made in the same turn, as libuv does: another connection to accept, another
   * answer to a write, more bytes than one read takes. Anything else comes after what has happened to other sockets meanwhile.
   */
  callOnce(): boolean {
    switch (this.mode) {
      case MODE_STREAM:
        return this.callStream();
      case MODE_CLOSED:
        return this.callClosed();
      default:
        return this.callOther();
    }
  }

  /** Connecting, listening. */
  protected abstract callOther(): boolean;

  private callStream(): boolean {
    if (this.shutFirst) {
      this.answerShutdown(this.shutNow());
      return false;
    }
    const events = this.events();
    const reads = this.wantsRead && (events & READABLE) !== 0;
    // An error is the reader's, if there is one: libuv looks for bytes before it sends any.
    if (this.firstWrite !== null && !(reads && (events & (POLLERR | POLLHUP)) !== 0)) this.flush();
    const done = this.firstWrite !== null && this.firstWrite.status <= 0;
    if (reads && !(done && this.writeTurn)) {
      this.writeTurn = true;
      return readOnce(this, events);
    }
    if (done) {
      this.writeTurn = false;
      this.answerWrite();
      return true;
    }
    if (this.shutdownReq !== null && this.firstWrite === null) this.answerShutdown(this.shutNow());
    return false;
  }

  /** True when a callback is due. */
  protected isDue(): boolean {
    const { firstWrite } = this;
    if (this.mode === MODE_CLOSED) return this.onclose !== null || firstWrite !== null || this.shutdownReq !== null;
    if (this.mode !== MODE_STREAM) return false;
    if (firstWrite !== null ? firstWrite.status <= 0 : this.shutdownReq !== null) return true;
    return this.wantsRead && this.readable();
  }

  /** Lines the task up when a callback is due. */
  private armed(): void {
    if (this.isDue()) this.again();
  }

  // ---- reading

  readStart(): number {
    if (this.mode === MODE_CLOSED) return uv(-EBADF);
    if (!this.wantsRead) {
      this.wantsRead = true;
      this.updateInterest();
      this.updateLive();
    }
    if (this.mode === MODE_STREAM && this.readable()) this.again();
    return 0;
  }

  readStop(): number {
    this.wantsRead = false;
    this.hungUp = false;
    this.updateInterest();
    this.updateLive();
    return 0;
  }

  /** All reads go to `buffer` from now on, from its beginning. */
  useUserBuffer(buffer: Uint8Array): void {
    this.userBuffer = buffer;
  }

  // ---- writing

  writeBuffer(req: Req, bytes: Uint8Array): number {
    return this.write(req, bytes, bytes.length, true);
  }

  writeUtf8String(req: Req, text: string): number {
    return this.writeString(req, text, 'utf8', 3);
  }

  writeLatin1String(req: Req, text: string): number {
    return this.writeString(req, text, 'latin1', 1);
  }

  writeAsciiString(req: Req, text: string): number {
    return this.writeString(req, text, 'latin1', 1);
  }

  writeUcs2String(req: Req, text: string): number {
    return this.writeString(req, text, 'utf16le', 2);
  }

  /** `chunks` are buffers, or strings each followed by its encoding. */
  writev(req: Req, chunks: readonly unknown[], allBuffers: boolean): number {
    const list = allBuffers ? chunks as readonly Uint8Array[] : encodeChunks(chunks);
    let total = 0;
    for (const chunk of list) total += chunk.length;
    const { scratch } = this.host;
    if (total <= scratch.length && this.firstWrite === null) {
      let at = 0;
      for (const chunk of list) {
        scratch.set(chunk, at);
        at += chunk.length;
      }
      return this.write(req, scratch, total, false);
    }
    return this.writeList(req, list, total);
  }

  private writeString(req: Req, text: string, encoding: BufferEncoding, bytesPerChar: number): number {
    const { scratch } = this.host;
    if (text.length * bytesPerChar > scratch.length) {
      const bytes = Buffer.from(text, encoding);
      return this.write(req, bytes, bytes.length, true);
    }
    return this.write(req, scratch, scratch.write(text, 0, encoding), false);
  }

  /** Sends `bytes[0, len)`; what does not fit waits. `isStable`: the bytes stay as they are until the request is answered. */
  private write(req: Req, bytes: Uint8Array, len: number, isStable: boolean): number {
    if (this.mode === MODE_CLOSED) return uv(-EBADF);
    let sent = 0;
    streamBaseState[BYTES_WRITTEN] = len;
    streamBaseState[LAST_WRITE_WAS_ASYNC] = 0;
    if (this.firstWrite === null && this.mode === MODE_STREAM) {
      const n = this.send(bytes, 0, len, 0);
      if (n < 0 && n !== -EAGAIN) return uv(n);
      if (n > 0) sent = n;
    }
    this.bytesWritten += len;
    if (sent === len && this.firstWrite === null) {
      if (this.host.burstOf(len) < WRITE_BURST) return 0;
      this.enqueue(new PendingWrite(req, false, [], 0, 0));
      streamBaseState[LAST_WRITE_WAS_ASYNC] = 1;
      return 0;
    }
    const rest = isStable && len === bytes.length ? bytes.subarray(sent) : Buffer.from(bytes.subarray(sent, len));
    this.enqueue(new PendingWrite(req, false, [rest], 0, rest.length));
    streamBaseState[LAST_WRITE_WAS_ASYNC] = 1;
    return 0;
  }

  private writeList(req: Req, list: readonly Uint8Array[], total: number): number {
    if (this.mode === MODE_CLOSED) return uv(-EBADF);
    const pending = new PendingWrite(req, false, list, 0, total);
    streamBaseState[BYTES_WRITTEN] = total;
    streamBaseState[LAST_WRITE_WAS_ASYNC] = 0;
    this.bytesWritten += total;
    if (this.firstWrite === null && this.mode === MODE_STREAM) {
      const err = this.sendChunks(pending);
      if (err < 0) return uv(err);
      if (pending.left === 0) return 0;
    }
    this.enqueue(pending);
    streamBaseState[LAST_WRITE_WAS_ASYNC] = 1;
    return 0;
  }

  private send(bytes: Uint8Array, off: number, len: number, flags: number): number {
    const { host } = this;
    const { msg } = host;
    msg.buf = bytes;
    msg.off = off;
    msg.len = len;
    msg.flags = MSG_NOSIGNAL | flags;
    msg.hasName = false;
    return sendmsg(host.process, this.kfd, msg);
  }

  /** As much of a write as the kernel takes: 0, or a negative errno that is not -EAGAIN. */
  private sendChunks(write: PendingWrite): number {
    while (write.left > 0) {
      const chunk = write.chunks[write.index]!;
      const isLast = write.index === write.chunks.length - 1;
      const n = this.send(chunk, write.offset, chunk.length - write.offset, isLast ? 0 : MSG_MORE);
      if (n === -EAGAIN) return 0;
      if (n < 0) return n;
      write.advance(n);
    }
    return 0;
  }

  private enqueue(write: PendingWrite): void {
    if (this.lastWrite === null) this.firstWrite = write;
    else this.lastWrite.next = write;
    this.lastWrite = write;
    this.writeQueueSize += write.left;
    this.updateInterest();
    this.updateLive();
    if (this.mode === MODE_STREAM && (write.left === 0 || this.writable())) this.again();
  }

  /** The send buffer had room again before the write was in line: nobody will say so a second time. */
  private writable(): boolean {
    return (this.events() & (POLLOUT | POLLWRNORM | POLLERR | POLLHUP)) !== 0;
  }

  /** Hands the kernel what it takes of the writes that wait, in order. */
  private flush(): void {
    let write = this.firstWrite;
    while (write !== null && write.status > 0) {
      const before = write.left;
      const err = this.sendChunks(write);
      this.writeQueueSize -= before - write.left;
      if (err < 0) write.status = uv(err);
      else if (write.left === 0) write.status = 0;
      else return;
      write = write.next;
    }
  }

  /** Takes the first write out of line and answers it. */
  private answerWrite(): void {
    const write = this.firstWrite!;
    const { status } = write;
    this.firstWrite = write.next;
    if (write.next === null) this.lastWrite = null;
    this.writeQueueSize -= write.left;
    this.updateInterest();
    this.updateLive();
    if (write.native) this.native!.answerWrite(write.req, status);
    else write.runInAsyncScope(write.req.oncomplete.bind(write.req), null, status, this, undefined);
  }

  // ---- shutdown

  shutdown(req: Req): number {
    return this.beginShutdown(req, false);
  }

  private beginShutdown(req: Req, isNative: boolean): number {
    if (this.mode !== MODE_STREAM || this.shut) return uv(-ENOTCONN);
    this.shut = true;
    this.shutdownReq = new Pending(req, isNative, 'SHUTDOWNWRAP');
    if (this.firstWrite === null) {
      this.shutFirst = true;
      this.again();
    }
    this.updateLive();
    return 0;
  }

  /** Not before it is answered, as libuv has it: until then the socket has its addresses, whatever the peer has done. */
  private shutNow(): number {
    return uv(sysShutdown(this.host.process, this.kfd, SHUT_WR));
  }

  private answerShutdown(status: number): void {
    const pending = this.shutdownReq!;
    this.shutdownReq = null;
    this.shutFirst = false;
    this.updateLive();
    if (pending.native) this.native!.answerShutdown(pending.req, status);
    else pending.runInAsyncScope(pending.req.oncomplete.bind(pending.req), null, status);
  }

  /** True while a shutdown() is under way. */
  protected get isShutting(): boolean {
    return this.shutdownReq !== null;
  }

  // ---- close

  /** Closes the socket now, and tells `callback` later, after the requests that are cut short. */
  close(callback?: (this: object) => void): void {
    if (this.mode === MODE_CLOSED) return;
    this.mode = MODE_CLOSED;
    this.wantsRead = false;
    this.onclose = callback ?? null;
    this.watch.interest = 0;
    if (this.sk !== null) {
      this.sk.wq.remove(this.watch);
      sysClose(this.host.process, this.kfd);
      this.sk = null;
      this.kfd = -1;
    }
    this.updateLive();
    this.host.lateInTurn(this.task);
  }

  private callClosed(): boolean {
    if (this.requestPending()) {
      this.cancelRequest(uv(-ECANCELED));
    } else if (this.firstWrite !== null) {
      if (this.firstWrite.status > 0) this.firstWrite.status = uv(-ECANCELED);
      this.answerWrite();
    } else if (this.shutdownReq !== null) {
      this.answerShutdown(uv(-ECANCELED));
    } else if (this.onclose !== null) {
      const { onclose } = this;
      this.onclose = null;
      this.updateLive();
      onclose.call(this);
    } else {
      return false;
    }
    return true;
  }

  /** Answers the request that `requestPending` speaks of. */
  protected abstract cancelRequest(status: number): void;

  // ---- the C++ side (TLS)

  /** C++ comes to sit on the handle: from now on all that is read goes to it. */
  setNative(native: Native): void {
    this.native = native;
    this.host.pump.resting = neverRests;
  }

  /** A write by C++: answered by the task, never at once. */
  writeNative(req: Req, chunks: readonly Uint8Array[]): number {
    if (this.mode === MODE_CLOSED) return uv(-EBADF);
    let total = 0;
    for (const chunk of chunks) total += chunk.length;
    const pending = new PendingWrite(req, true, chunks, 0, total);
    this.bytesWritten += total;
    if (this.firstWrite === null && this.mode === MODE_STREAM) {
      const err = this.sendChunks(pending);
      if (err < 0) pending.status = uv(err);
      else if (pending.left === 0) pending.status = 0;
    }
    this.enqueue(pending);
    if (pending.status <= 0) this.again();
    return 0;
  }

  shutdownNative(req: Req): number {
    return this.beginShutdown(req, true);
  }

  /** Tells the socket of a failed read. */
  abstract nativeError(ret: number): void;
}

function callOnce(this: StreamHandle): boolean {
  return this.callOnce();
}

function encodeChunks(chunks: readonly unknown[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let i = 0; i < chunks.length; i += 2) {
    const chunk = chunks[i] as string | Uint8Array;
    out.push(typeof chunk === 'string' ? Buffer.from(chunk, chunks[i + 1] as BufferEncoding) : chunk);
  }
  return out;
}
