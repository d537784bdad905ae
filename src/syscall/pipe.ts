/**
 * Pipes (pipe(2), pipe(7)): bytes that go in at one end and come out at the other, and wait in between.
 *
 *   from  syscall/file-io.ts   read, write
 *         syscall/splice.ts    splice, sendfile
 *
 * Differs: room is counted in bytes; Linux counts pages, so that many small writes fill a pipe earlier there.
 */
import { copy } from '../lib/bytes.ts';
import { EAGAIN, EBADF, EINVAL, EMFILE, EPIPE } from '../lib/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../sock/constants.ts';
import { WaitQueue } from '../sock/wait-queue.ts';
import { File } from './file.ts';
import type { Process } from './process.ts';

/** What a pipe holds (Linux: 16 pages). */
export const PIPE_SIZE = 65536;
/** A write of up to so many bytes is never cut in two. */
export const PIPE_BUF = 4096;

/** What both ends share. */
export class Pipe {
  /** A ring, made with the first byte. */
  private ring: Uint8Array | null = null;
  private head = 0;
  /** Bytes in it. */
  len = 0;
  readers = 1;
  writers = 1;
  /** Who waits for bytes, and who for room. */
  readonly readable: WaitQueue = new WaitQueue();
  readonly writable: WaitQueue = new WaitQueue();

  get room(): number {
    return PIPE_SIZE - this.len;
  }

  /** Takes as many of `len` bytes as there is room for, at once. */
  put(buf: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.room);
    const ring = (this.ring ??= new Uint8Array(PIPE_SIZE));
    const at = (this.head + this.len) % PIPE_SIZE;
    const first = Math.min(n, PIPE_SIZE - at);
    copy(ring, at, buf, off, first);
    copy(ring, 0, buf, off + first, n - first);
    this.len += n;
    if (n > 0) this.readable.wake(POLLIN | POLLRDNORM);
    return n;
  }

  /** Copies up to `len` bytes from its beginning; they stay until {@link take}. */
  peek(buf: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.len);
    if (n === 0) return 0;
    const first = Math.min(n, PIPE_SIZE - this.head);
    copy(buf, off, this.ring!, this.head, first);
    copy(buf, off + first, this.ring!, 0, n - first);
    return n;
  }

  /** Throws away its first `n` bytes. */
  take(n: number): void {
    if (n === 0) return;
    this.head = (this.head + n) % PIPE_SIZE;
    this.len -= n;
    this.writable.wake(POLLOUT | POLLWRNORM);
  }
}

export class PipeReader extends File {
  readonly pipe: Pipe;

  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
    this.flags = 0; // O_RDONLY
  }

  override get wq(): WaitQueue {
    return this.pipe.readable;
  }

  override poll(): number {
    return (this.pipe.len > 0 ? POLLIN | POLLRDNORM : 0) | (this.pipe.writers === 0 ? POLLHUP : 0);
  }

  override release(): void {
    this.pipe.readers--;
    this.pipe.writable.wake(POLLOUT | POLLERR);
  }

  override read(buf: Uint8Array, off: number, len: number): number {
    const { pipe } = this;
    if (pipe.len === 0) return pipe.writers === 0 || len === 0 ? 0 : -EAGAIN;
    const n = pipe.peek(buf, off, len);
    pipe.take(n);
    return n;
  }

  override write(): number {
    return -EBADF;
  }

  override unread(): number {
    return this.pipe.len;
  }
}

export class PipeWriter extends File {
  readonly pipe: Pipe;

  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
    this.flags = 1; // O_WRONLY
  }

  override get wq(): WaitQueue {
    return this.pipe.writable;
  }

  override poll(): number {
    return (this.pipe.room > 0 ? POLLOUT | POLLWRNORM : 0) | (this.pipe.readers === 0 ? POLLERR : 0);
  }

  override release(): void {
    this.pipe.writers--;
    this.pipe.readable.wake(POLLIN | POLLHUP);
  }

  override read(): number {
    return -EBADF;
  }

  override write(buf: Uint8Array, off: number, len: number): number {
    const { pipe } = this;
    if (len === 0) return 0;
    if (pipe.readers === 0) return -EPIPE;
    if (pipe.room === 0 || (len <= PIPE_BUF && pipe.room < len)) return -EAGAIN;
    return pipe.put(buf, off, len);
  }

  override unread(): number {
    return this.pipe.len;
  }
}

/** pipe2(2): 0, and the descriptors to read from and to write to in `ends`; -EINVAL for flags other than O_NONBLOCK, O_CLOEXEC; -EMFILE. */
export function sysPipe(p: Process, ends: number[], flags: number): number {
  if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) !== 0) return -EINVAL;
  const first = p.fds.lowestFree();
  if (first < 0) return first;
  if (p.fds.lowestFree(first + 1) < 0) return -EMFILE;
  p.enter();
  const pipe = new Pipe();
  const [reader, writer] = [new PipeReader(pipe), new PipeWriter(pipe)];
  const cloexec = (flags & O_CLOEXEC) !== 0;
  for (const end of [reader, writer]) end.flags |= flags & O_NONBLOCK;
  ends[0] = p.fds.install(reader, cloexec);
  ends[1] = p.fds.install(writer, cloexec);
  p.leave();
  return 0;
}
