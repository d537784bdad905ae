/**
 * Files that live in memory (memfd_create(2)): bytes behind a descriptor, with a place where the next read or write goes. What
 * sendfile sends from.
 */
import { copy } from '../lib/bytes.ts';
import { EFBIG, EINVAL, ESPIPE } from '../lib/errno.ts';
import {
  MFD_ALLOW_SEALING, MFD_CLOEXEC, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, SEEK_CUR, SEEK_END, SEEK_SET,
} from '../sock/constants.ts';
import { WaitQueue } from '../sock/wait-queue.ts';
import { File } from './file.ts';
import type { Process } from './process.ts';

/** Longest file in memory. */
export const MEMFD_MAX: number = 256 * 1024 * 1024;
/** Longest name of one (Linux: NAME_MAX less the prefix that it gets). */
const MEMFD_NAME_MAX = 249;
const FIRST_SIZE = 4096;

/** A file with a place in it: it can be read from anywhere. */
export abstract class SeekableFile extends File {
  /** Where the next read or write goes; shared by all descriptors of the file. */
  pos = 0;

  /** Bytes that it has. */
  abstract get size(): number;
  /** Copies up to `len` bytes from `from`; how many there were. */
  abstract readAt(from: number, buf: Uint8Array, off: number, len: number): number;

  private readonly nobody: WaitQueue = new WaitQueue();

  /** Always ready: nobody is ever told. */
  override get wq(): WaitQueue {
    return this.nobody;
  }

  override poll(): number {
    return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
  }

  override unread(): number {
    return Math.max(0, this.size - this.pos);
  }

  override read(buf: Uint8Array, off: number, len: number): number {
    const n = this.readAt(this.pos, buf, off, len);
    this.pos += n;
    return n;
  }
}

/** The file of memfd_create. */
export class MemFile extends SeekableFile {
  private bytes: Uint8Array = new Uint8Array(0);
  private len = 0;

  /** A file with these bytes, which are its own from now on. */
  static of(bytes: Uint8Array): MemFile {
    const file = new MemFile();
    file.bytes = bytes;
    file.len = bytes.length;
    return file;
  }

  override get size(): number {
    return this.len;
  }

  override readAt(from: number, buf: Uint8Array, off: number, len: number): number {
    const n = Math.max(0, Math.min(len, this.len - from));
    copy(buf, off, this.bytes, from, n);
    return n;
  }

  override write(buf: Uint8Array, off: number, len: number): number {
    if (this.pos >= MEMFD_MAX) return len === 0 ? 0 : -EFBIG;
    const n = Math.min(len, MEMFD_MAX - this.pos);
    this.hold(this.pos + n);
    copy(this.bytes, this.pos, buf, off, n);
    this.pos += n;
    this.len = Math.max(this.len, this.pos);
    return n;
  }

  /** ftruncate(2): cut, or filled up with zeros. */
  truncate(len: number): number {
    if (len < 0) return -EINVAL;
    if (len > MEMFD_MAX) return -EFBIG;
    this.hold(len);
    if (len < this.len) this.bytes.fill(0, len, this.len);
    this.len = len;
    return 0;
  }

  override release(): void {
    this.bytes = new Uint8Array(0);
    this.len = 0;
  }

  private hold(len: number): void {
    if (len <= this.bytes.length) return;
    const wider = new Uint8Array(Math.min(MEMFD_MAX, Math.max(len, this.bytes.length * 2, FIRST_SIZE)));
    copy(wider, 0, this.bytes, 0, this.len);
    this.bytes = wider;
  }
}

/** memfd_create(2): a descriptor; -EINVAL for a name of more than 249 bytes and for flags other than MFD_*; -EMFILE. */
export function sysMemfdCreate(p: Process, name: string, flags: number): number {
  if (name.length > MEMFD_NAME_MAX || (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING)) !== 0) return -EINVAL;
  p.enter();
  const fd = p.fds.install(new MemFile(), (flags & MFD_CLOEXEC) !== 0);
  p.leave();
  return fd;
}

/** lseek(2): the new place; -ESPIPE for what has none (sockets, pipes), -EINVAL. */
export function lseek(file: File, offset: number, whence: number): number {
  if (!(file instanceof SeekableFile)) return -ESPIPE;
  const base = whence === SEEK_SET ? 0 : whence === SEEK_CUR ? file.pos : whence === SEEK_END ? file.size : -1;
  if (base < 0 || base + offset < 0) return -EINVAL;
  file.pos = base + offset;
  return file.pos;
}
