/**
 * Who wants to know when a socket's state changes: blocked calls, polls, epolls, handles of `node/`.
 *
 * A wake-up calls every entry at once, inside the kernel; an entry must therefore only take note (queue a task, mark an
 * epoll item as ready). User code runs later, when the kernel has been left.
 */

/** One waiter. An object inside its owner; added and removed, never re-created. */
export abstract class WaitEntry {
  next: WaitEntry | null = null;
  prev: WaitEntry | null = null;
  queue: WaitQueue | null = null;
  /** Wakes at most one of the exclusive entries (accept, EPOLLEXCLUSIVE). */
  exclusive = false;

  /** The state changed: `events` are POLL* bits that became true. Returns true when this entry took the event. */
  abstract wake(events: number): boolean;
}

export class WaitQueue {
  private head: WaitEntry | null = null;
  private tail: WaitEntry | null = null;

  get active(): boolean {
    return this.head !== null;
  }

  add(entry: WaitEntry): void {
    if (entry.queue !== null) entry.queue.remove(entry);
    entry.queue = this;
    entry.next = null;
    entry.prev = this.tail;
    if (this.tail === null) this.head = entry;
    else this.tail.next = entry;
    this.tail = entry;
  }

  remove(entry: WaitEntry): void {
    if (entry.queue !== this) return;
    if (entry.prev === null) this.head = entry.next;
    else entry.prev.next = entry.next;
    if (entry.next === null) this.tail = entry.prev;
    else entry.next.prev = entry.prev;
    entry.queue = null;
    entry.next = null;
    entry.prev = null;
  }

  /** Shows all entries, in the order of their arrival. */
  forEach(see: (entry: WaitEntry) => void): void {
    for (let entry = this.head; entry !== null; entry = entry.next) see(entry);
  }

  /** Tells all entries in the order of their arrival; the first exclusive one that takes the event is the last told. */
  wake(events: number): void {
    let entry = this.head;
    while (entry !== null) {
      const { next } = entry;
      if (entry.wake(events) && entry.exclusive) return;
      entry = next;
    }
  }
}
