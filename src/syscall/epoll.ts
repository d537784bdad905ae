/**
 * epoll(7): a set of descriptors to watch, and the list of those that may be ready.
 *
 * Each watched file tells its item when something changes (the item sits in the file's wait queue); the item joins the
 * ready list. epoll_wait takes items off that list and asks their files what is true now: level-triggered items that
 * still have something go back to its end, edge-triggered ones wait for the next change, one-shot ones are switched off.
 * So the cost of a wait depends on what is ready, not on what is watched.
 */
import { EBADF, EEXIST, EINVAL, ELOOP, ENOENT } from '../lib/errno.ts';
import {
  EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD,
  POLLIN, POLLRDNORM, SOCK_CLOEXEC,
} from '../sock/constants.ts';
import { WaitEntry, WaitQueue } from '../sock/wait-queue.ts';
import { File } from './file.ts';
import type { Process } from './process.ts';

/** How deep epoll instances may watch each other (Linux: EP_MAX_NESTS). */
export const EP_MAX_NESTS = 4;
/** Bits that say how, not what. */
const EP_PRIVATE_BITS: number = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE;
/** With EPOLLEXCLUSIVE only these may be asked for. */
const EXCLUSIVE_OK: number = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLET | EPOLLEXCLUSIVE;

/** One result of epoll_wait. */
export interface EpollEvent {
  /** EPOLL* bits that are true. */
  events: number;
  /** What the caller attached to the descriptor. */
  data: unknown;
}

/** A watched descriptor, as its file sees it. */
export interface EpollLink {
  nextLink: EpollLink | null;
  /** The file is being released. */
  fileGone(): void;
}

class EpollItem extends WaitEntry implements EpollLink {
  readonly ep: EpollFile;
  readonly file: File;
  readonly fd: number;
  /** What is asked for, with EP_PRIVATE_BITS. */
  events = 0;
  data: unknown = null;
  nextLink: EpollLink | null = null;
  ready = false;
  readyNext: EpollItem | null = null;
  readyPrev: EpollItem | null = null;

  constructor(ep: EpollFile, file: File, fd: number) {
    super();
    this.ep = ep;
    this.file = file;
    this.fd = fd;
  }

  override wake(events: number): boolean {
    const wanted = this.events & ~EP_PRIVATE_BITS;
    if (wanted === 0 || (events !== 0 && (events & wanted) === 0)) return false;
    return this.ep.itemReady(this);
  }

  fileGone(): void {
    this.ep.forget(this);
  }
}

export class EpollFile extends File {
  /** Watched descriptors, by number; a number may stand twice when its file lives on under another one. */
  readonly items: Map<number, EpollItem[]> = new Map();
  private readonly queue: WaitQueue = new WaitQueue();
  private head: EpollItem | null = null;
  private tail: EpollItem | null = null;

  override get wq(): WaitQueue {
    return this.queue;
  }

  /** An epoll instance is readable when one of its items is ready. */
  override poll(): number {
    for (let item = this.head; item !== null; item = item.readyNext) {
      if ((item.file.poll() & item.events & ~EP_PRIVATE_BITS) !== 0) return POLLIN | POLLRDNORM;
    }
    return 0;
  }

  override release(): void {
    for (const list of [...this.items.values()]) for (const item of [...list]) this.remove(item);
  }

  /** The item of a descriptor that still means the same file. */
  find(fd: number, file: File): EpollItem | null {
    return this.items.get(fd)?.find((item) => item.file === file) ?? null;
  }

  add(file: File, fd: number, events: number, data: unknown): void {
    const item = new EpollItem(this, file, fd);
    item.exclusive = (events & EPOLLEXCLUSIVE) !== 0;
    const list = this.items.get(fd);
    if (list === undefined) this.items.set(fd, [item]);
    else list.push(item);
    item.nextLink = file.watchers;
    file.watchers = item;
    file.wq.add(item);
    this.modify(item, events, data);
  }

  modify(item: EpollItem, events: number, data: unknown): void {
    item.events = events | EPOLLERR | EPOLLHUP;
    item.data = data;
    if ((item.file.poll() & item.events & ~EP_PRIVATE_BITS) !== 0) this.itemReady(item);
  }

  remove(item: EpollItem): void {
    let link = item.file.watchers;
    if (link === item) {
      item.file.watchers = item.nextLink;
    } else {
      while (link !== null && link.nextLink !== item) link = link.nextLink;
      if (link !== null) link.nextLink = item.nextLink;
    }
    this.forget(item);
  }

  /** Takes the item out of everything but its file's list of watchers. */
  forget(item: EpollItem): void {
    item.queue?.remove(item);
    if (item.ready) this.unlink(item);
    const list = this.items.get(item.fd);
    if (list === undefined) return;
    if (list.length === 1) this.items.delete(item.fd);
    else list.splice(list.indexOf(item), 1);
  }

  /** Something may be true of an item. True when somebody waits here (for EPOLLEXCLUSIVE: it need not look further). */
  itemReady(item: EpollItem): boolean {
    if (!item.ready) this.link(item);
    const taken = this.queue.active;
    if (taken) this.queue.wake(POLLIN | POLLRDNORM);
    return taken;
  }

  /** Moves up to `max` results into `out`; how many there were. */
  collect(out: EpollEvent[], max: number): number {
    const last = this.tail; // each item once, also when it goes back to the end
    let n = 0;
    for (let item = this.head; item !== null && n < max;) {
      const next: EpollItem | null = item === last ? null : item.readyNext;
      this.unlink(item);
      const events = item.file.poll() & item.events & ~EP_PRIVATE_BITS;
      if (events !== 0) {
        out[n++] = { events, data: item.data };
        if ((item.events & EPOLLONESHOT) !== 0) item.events &= EP_PRIVATE_BITS;
        else if ((item.events & EPOLLET) === 0) this.link(item);
      }
      item = next;
    }
    return n;
  }

  private link(item: EpollItem): void {
    item.ready = true;
    item.readyNext = null;
    item.readyPrev = this.tail;
    if (this.tail === null) this.head = item;
    else this.tail.readyNext = item;
    this.tail = item;
  }

  private unlink(item: EpollItem): void {
    item.ready = false;
    if (item.readyPrev === null) this.head = item.readyNext;
    else item.readyPrev.readyNext = item.readyNext;
    if (item.readyNext === null) this.tail = item.readyPrev;
    else item.readyNext.readyPrev = item.readyPrev;
    item.readyNext = null;
    item.readyPrev = null;
  }
}

/** epoll_create1(2): a new descriptor. `flags`: SOCK_CLOEXEC (= EPOLL_CLOEXEC) or 0. */
export function sysEpollCreate(p: Process, flags: number): number {
  if ((flags & ~SOCK_CLOEXEC) !== 0) return -EINVAL;
  return p.fds.install(new EpollFile(), (flags & SOCK_CLOEXEC) !== 0);
}

/** epoll_ctl(2). */
export function sysEpollCtl(p: Process, epfd: number, op: number, fd: number, events: number, data: unknown): number {
  const ep = p.fds.get(epfd);
  const file = p.fds.get(fd);
  if (ep === null || file === null) return -EBADF;
  if (!(ep instanceof EpollFile) || file === ep) return -EINVAL;
  if ((events & EPOLLEXCLUSIVE) !== 0 && op !== EPOLL_CTL_DEL) {
    if (op === EPOLL_CTL_MOD || file instanceof EpollFile || (events & ~EXCLUSIVE_OK) !== 0) return -EINVAL;
  }
  const item = ep.find(fd, file);
  p.enter();
  const err = control(ep, item, op, file, fd, events, data);
  p.leave();
  return err;
}

function control(
  ep: EpollFile, item: EpollItem | null, op: number, file: File, fd: number, events: number, data: unknown,
): number {
  switch (op) {
    case EPOLL_CTL_ADD:
      if (item !== null) return -EEXIST;
      if (file instanceof EpollFile && (reaches(file, ep) || depthBelow(file) + depthAbove(ep) > EP_MAX_NESTS)) return -ELOOP;
      ep.add(file, fd, events, data);
      return 0;
    case EPOLL_CTL_MOD:
      if (item === null) return -ENOENT;
      if (item.exclusive) return -EINVAL;
      ep.modify(item, events, data);
      return 0;
    case EPOLL_CTL_DEL:
      if (item === null) return -ENOENT;
      ep.remove(item);
      return 0;
    default: return -EINVAL;
  }
}

/** Does `from` watch `target`, itself or through others? */
function reaches(from: EpollFile, target: EpollFile): boolean {
  if (from === target) return true;
  return nested(from).some((inner) => reaches(inner, target));
}

/** Instances on the longest way down from `ep`, itself included. */
function depthBelow(ep: EpollFile): number {
  return 1 + Math.max(0, ...nested(ep).map(depthBelow));
}

/** Instances on the longest way up from `ep`, itself included. */
function depthAbove(ep: EpollFile): number {
  let depth = 0;
  for (let link = ep.watchers; link !== null; link = link.nextLink) {
    if (link instanceof EpollItem) depth = Math.max(depth, depthAbove(link.ep));
  }
  return 1 + depth;
}

function nested(ep: EpollFile): EpollFile[] {
  return [...ep.items.values()].flat().map((item) => item.file).filter((file) => file instanceof EpollFile);
}

/** epoll_wait(2) that never waits: fills `out` from index 0 and returns how many; 0 when nothing is ready. */
export function sysEpollWait(p: Process, epfd: number, out: EpollEvent[], max: number): number {
  const ep = p.fds.get(epfd);
  if (ep === null) return -EBADF;
  if (!(ep instanceof EpollFile) || max <= 0) return -EINVAL;
  p.enter();
  const n = ep.collect(out, max);
  p.leave();
  return n;
}

/** The epoll instance behind a descriptor, or null. */
export function fdEpoll(p: Process, fd: number): EpollFile | null {
  const file = p.fds.get(fd);
  return file instanceof EpollFile ? file : null;
}
