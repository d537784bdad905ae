/**
 * splice(2) and sendfile(2): bytes from descriptor to descriptor. One attempt each, that never waits; syscall/blocking-files.ts waits
 * on the descriptor that `blockedOn` names.
 *
 * Here the bytes are copied once more, where Linux hands pages on: what is on the wire is the same.
 */
import { EAGAIN, EBADF, EINVAL, EPIPE, ESPIPE } from '../lib/errno.ts';
import { MSG_DONTWAIT, MSG_MORE, SPLICE_F_GIFT, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK } from '../sock/constants.ts';
import { MsgHdr } from '../sock/sockaddr.ts';
import { SocketFile, type File } from './file.ts';
import { SeekableFile } from './mem-file.ts';
import { PIPE_SIZE, PipeReader, PipeWriter } from './pipe.ts';
import type { Process } from './process.ts';
import { sysRecvmsg, sysSendmsg } from './socket.ts';

const SPLICE_FLAGS: number = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
/** The most that one call moves (Linux: MAX_RW_COUNT). */
const MAX_RW_COUNT = 0x7ffff000;

/** A call that moves bytes, with what it has moved so far. */
export abstract class Move {
  protected readonly p: Process;
  protected readonly from: File;
  protected readonly fromFd: number;
  protected readonly to: File;
  protected readonly toFd: number;
  protected left: number;
  moved = 0;
  /** On which descriptor it would have to wait. */
  blockedOn = -1;
  private readonly msg: MsgHdr = new MsgHdr();
  protected readonly buf: Uint8Array;

  constructor(p: Process, fromFd: number, toFd: number, len: number) {
    this.p = p;
    this.from = p.fds.get(fromFd)!;
    this.fromFd = fromFd;
    this.to = p.fds.get(toFd)!;
    this.toFd = toFd;
    this.left = Math.min(len, MAX_RW_COUNT);
    this.buf = new Uint8Array(Math.min(this.left, PIPE_SIZE));
  }

  /** Goes as far as it can: the bytes moved in all, an errno, or -EAGAIN to wait on `blockedOn`. */
  abstract attempt(): number;

  /** The answer of a call that may not wait any longer. */
  expired(): number {
    return this.moved > 0 ? this.moved : -EAGAIN;
  }

  protected blocked(fd: number): number {
    this.blockedOn = fd;
    return -EAGAIN;
  }

  /** Writes the first `n` bytes of the buffer to `to`. */
  protected put(n: number, more: boolean): number {
    if (!(this.to instanceof SocketFile)) return this.inKernel(() => this.to.write(this.buf, 0, n));
    const { msg } = this;
    msg.buf = this.buf;
    msg.off = 0;
    msg.len = n;
    msg.flags = MSG_DONTWAIT | (more ? MSG_MORE : 0);
    return sysSendmsg(this.p, this.toFd, msg);
  }

  /** Reads up to `n` bytes from `from` into the buffer. */
  protected get(n: number): number {
    if (!(this.from instanceof SocketFile)) return this.inKernel(() => this.from.read(this.buf, 0, n));
    const { msg } = this;
    msg.buf = this.buf;
    msg.off = 0;
    msg.len = n;
    msg.flags = MSG_DONTWAIT;
    return sysRecvmsg(this.p, this.fromFd, msg);
  }

  private inKernel(work: () => number): number {
    this.p.enter();
    const ret = work();
    this.p.leave();
    return ret;
  }
}

/** Into a pipe: what is there, as far as there is room. */
class Filling extends Move {
  private readonly pipe: PipeWriter;
  private at: number | null;

  constructor(p: Process, fromFd: number, toFd: number, len: number, at: number | null, pipe: PipeWriter) {
    super(p, fromFd, toFd, len);
    this.pipe = pipe;
    this.at = at;
  }

  override attempt(): number {
    const { pipe } = this.pipe;
    if (pipe.readers === 0) return -EPIPE;
    if (pipe.room === 0) return this.blocked(this.toFd);
    const want = Math.min(this.left, pipe.room);
    const n = this.at !== null ? (this.from as SeekableFile).readAt(this.at, this.buf, 0, want) : this.get(want);
    if (n === -EAGAIN) return this.blocked(this.fromFd);
    if (n <= 0) return n;
    if (this.at !== null) this.at += n;
    pipe.put(this.buf, 0, n);
    this.moved += n;
    return this.moved;
  }
}

/** Out of a pipe: until it is empty, or everything has gone. */
class Draining extends Move {
  private readonly pipe: PipeReader;
  private readonly more: boolean;

  constructor(p: Process, fromFd: number, toFd: number, len: number, pipe: PipeReader, more: boolean) {
    super(p, fromFd, toFd, len);
    this.pipe = pipe;
    this.more = more;
  }

  override attempt(): number {
    const { pipe } = this.pipe;
    while (this.left > 0) {
      if (pipe.len === 0) {
        if (this.moved > 0 || pipe.writers === 0) return this.moved;
        return this.blocked(this.fromFd);
      }
      const n = pipe.peek(this.buf, 0, Math.min(this.left, this.buf.length));
      const took = this.put(n, this.more || pipe.len > n);
      if (took === -EAGAIN) return this.blocked(this.toFd);
      if (took < 0) return this.moved > 0 ? this.moved : took;
      pipe.take(took);
      this.moved += took;
      this.left -= took;
    }
    return this.moved;
  }
}

/** From a file to anything: until it has ended, or everything has gone. */
class Sending extends Move {
  private readonly file: SeekableFile;
  private at: number;
  private readonly keepsPlace: boolean;

  constructor(p: Process, fromFd: number, toFd: number, len: number, file: SeekableFile, at: number | null) {
    super(p, fromFd, toFd, len);
    this.file = file;
    this.keepsPlace = at !== null;
    this.at = at ?? file.pos;
  }

  override attempt(): number {
    while (this.left > 0) {
      const n = this.file.readAt(this.at, this.buf, 0, Math.min(this.left, this.buf.length));
      if (n === 0) break;
      const took = this.put(n, this.left > n && this.at + n < this.file.size);
      if (took === -EAGAIN) return this.blocked(this.toFd);
      if (took < 0) return this.moved > 0 ? this.moved : took;
      this.at += took;
      this.moved += took;
      this.left -= took;
      if (!this.keepsPlace) this.file.pos = this.at;
    }
    return this.moved;
  }
}

/**
 * sendfile(2): from a file in memory to any descriptor. `offset` null: from the file's place, which moves on.
 *
 * @returns what can be tried, or -EBADF, -EINVAL (the source is no file of bytes, or the offset is negative)
 */
export function sendfileMove(p: Process, outFd: number, inFd: number, offset: number | null, count: number): Move | number {
  const [from, to] = [p.fds.get(inFd), p.fds.get(outFd)];
  if (from === null || to === null) return -EBADF;
  if (!(from instanceof SeekableFile) || count < 0 || (offset !== null && offset < 0)) return -EINVAL;
  return new Sending(p, inFd, outFd, count, from, offset);
}

/**
 * splice(2): one end, at least, is a pipe. Offsets are for files (null: its own place); for a pipe -ESPIPE, for a socket too.
 *
 * @returns what can be tried, or -EBADF, -EINVAL, -ESPIPE
 */
export function spliceMove(
  p: Process, inFd: number, inOffset: number | null, outFd: number, outOffset: number | null, len: number, flags: number,
): Move | number {
  const [from, to] = [p.fds.get(inFd), p.fds.get(outFd)];
  if (from === null || to === null) return -EBADF;
  if (from instanceof PipeWriter || to instanceof PipeReader) return -EBADF;
  if ((flags & ~SPLICE_FLAGS) !== 0 || len < 0) return -EINVAL;
  if ((inOffset !== null && !(from instanceof SeekableFile)) || (outOffset !== null && !(to instanceof SeekableFile))) return -ESPIPE;
  if (from instanceof PipeReader) {
    if (to instanceof PipeWriter && to.pipe === from.pipe) return -EINVAL;
    if (outOffset !== null && to instanceof SeekableFile) to.pos = outOffset;
    return new Draining(p, inFd, outFd, len, from, (flags & SPLICE_F_MORE) !== 0);
  }
  if (!(to instanceof PipeWriter)) return -EINVAL;
  return new Filling(p, inFd, outFd, len, inOffset, to);
}

/** Makes a call that may not wait. */
export function moveNow(move: Move | number): number {
  if (typeof move === 'number') return move;
  const ret = move.attempt();
  return ret === -EAGAIN ? move.expired() : ret;
}
