/**
 * An open file: what a descriptor refers to (Linux: struct file). Descriptors made by dup share one; the last one to go
 * releases it. Sockets, epoll instances, pipes and files in memory are files.
 */
import type { Process } from './process.ts';
import { EINVAL, ENOTTY } from '../lib/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../sock/constants.ts';
import type { PassedFile } from '../sock/scm.ts';
import type { Sock } from '../sock/sock.ts';
import type { WaitQueue } from '../sock/wait-queue.ts';
import type { EpollLink } from './epoll.ts';

/** A call that sleeps on a descriptor; closing the descriptor ends it. Linked through the file. */
export interface Sleeper {
  readonly process: Process;
  readonly fd: number;
  nextSleeper: Sleeper | null;
  prevSleeper: Sleeper | null;
  /** The descriptor is gone: the call fails with `errno` (positive). */
  cancel(errno: number): void;
}

export abstract class File implements PassedFile {
  /** Descriptors that refer to it, and messages that carry it. */
  refs = 0;
  /** O_* status flags, shared by all descriptors. */
  flags: number = O_RDWR;
  /** Calls that wait on it. */
  sleepers: Sleeper | null = null;
  /** Where epoll instances watch it. */
  watchers: EpollLink | null = null;

  /** Who is told when `poll` may answer otherwise. */
  abstract get wq(): WaitQueue;
  /** POLL* bits that are true now. */
  abstract poll(): number;
  /** The last descriptor is gone. */
  abstract release(): void;

  /** Reads up to `len` bytes into `buf` at `off`, without waiting: how many, 0 at the end, or a negative errno. */
  read(_buf: Uint8Array, _off: number, _len: number): number {
    return -EINVAL;
  }

  /** Takes up to `len` bytes of `buf` from `off` on, without waiting: how many, or a negative errno. */
  write(_buf: Uint8Array, _off: number, _len: number): number {
    return -EINVAL;
  }

  /** FIONREAD: bytes that can be read. */
  unread(): number {
    return -ENOTTY;
  }

  /** What a message in the queue of a socket may lead back to. */
  get passedSock(): object | null {
    return null;
  }

  /** Gives up a reference; with the last one the file is closed. */
  put(): void {
    this.refs--;
    this.dropped();
  }

  /** A reference was given up. */
  dropped(): void {
    if (this.refs > 0) return;
    let link = this.watchers;
    this.watchers = null;
    while (link !== null) {
      const { nextLink } = link;
      link.fileGone();
      link = nextLink;
    }
    this.release();
  }

  get nonblock(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }

  addSleeper(s: Sleeper): void {
    s.prevSleeper = null;
    s.nextSleeper = this.sleepers;
    if (this.sleepers !== null) this.sleepers.prevSleeper = s;
    this.sleepers = s;
  }

  removeSleeper(s: Sleeper): void {
    if (s.prevSleeper !== null) s.prevSleeper.nextSleeper = s.nextSleeper;
    else if (this.sleepers === s) this.sleepers = s.nextSleeper;
    if (s.nextSleeper !== null) s.nextSleeper.prevSleeper = s.prevSleeper;
    s.nextSleeper = null;
    s.prevSleeper = null;
  }
}

/** A socket as a file (Linux: struct socket). */
export class SocketFile extends File {
  readonly sk: Sock;

  constructor(sk: Sock) {
    super();
    this.sk = sk;
  }

  override get passedSock(): object {
    return this.sk;
  }

  override dropped(): void {
    super.dropped();
    if (this.refs > 0 && this.sk.prot.descriptorGone !== undefined) this.sk.prot.descriptorGone(this.sk);
  }

  override get wq(): WaitQueue {
    return this.sk.wq;
  }

  override poll(): number {
    return this.sk.prot.poll(this.sk);
  }

  override release(): void {
    this.sk.prot.close(this.sk);
  }
}
