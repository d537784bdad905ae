/**
 * The clock of a world, and everything that is due on it.
 *
 * HOW. A hierarchical timing wheel (Varghese and Lauck): six levels of 256 slots, the lowest 1,024 ns wide. Arming,
 * moving and deleting cost the same with ten timers and with a million. A slot is an unordered list; when the wheel
 * reaches it, its timers go into a small heap ordered by (expires, seq), so that events run in exact nanosecond order
 * and ties in the order of arming.
 *
 * WHY a wheel and a heap: a heap alone costs log n and cache misses per timer; a wheel alone is not exact.
 *
 *   level 5 … 1   [slot][slot][slot]…   cascaded downwards when the cursor enters them
 *   level 0       [slot][slot]…         1,024 ns each
 *   heap          the tick under the cursor, and everything armed before it
 */
import { PLACE_CPU, PLACE_HEAP, PLACE_NONE, type Timer, type TimerBase } from './timer.ts';
import type { Task } from './task.ts';
import { assert } from '../lib/assert.ts';

const LEVELS = 6;
const SLOTS = 256;
/** Width of a slot of each level, in nanoseconds. */
const WIDTH: readonly number[] = [0, 1, 2, 3, 4, 5, 6].map((level) => 1024 * SLOTS ** level);

export class Simulation implements TimerBase {
  /** Virtual time, integer nanoseconds since the world began. */
  now = 0;
  /** Armed timers that are not housekeeping. Zero: nothing will happen by itself any more. */
  live = 0;
  /** All armed timers. */
  armed = 0;
  /** Events run so far. */
  events = 0;
  /** Called when the first task becomes runnable or the first live timer is armed; the pump listens here. */
  onBusy: (() => void) | null = null;
  /** Real mode: the pump sleeps until then; a timer that is due before calls `onBusy`, too. -Infinity while it does not sleep. */
  sleepsUntil: number = -Infinity;
  private seq = 0;
  /** Absolute number of the slot under the cursor, per level. */
  private readonly cursor: Float64Array = new Float64Array(LEVELS + 1);
  /** The same as a place in the level, 0 to 255: a modulo of large numbers is slow. */
  private readonly place: Int32Array = new Int32Array(LEVELS + 1);
  private readonly heads: (Timer | null)[] = new Array<Timer | null>(LEVELS * SLOTS).fill(null);
  /** One bit per slot that is not empty. */
  private readonly bitmap: Int32Array = new Int32Array((LEVELS * SLOTS) / 32);
  private readonly heap: Timer[] = [];
  private firstTask: Task | null = null;
  private lastTask: Task | null = null;

  // ---- timers -------------------------------------------------------------------------------------------------

  arm(timer: Timer, expires: number): void {
    const at = expires < this.now ? this.now : expires;
    const wasArmed = timer.place !== PLACE_NONE;
    timer.seq = ++this.seq;
    if (wasArmed) {
      if (timer.place >= 0 && at >= timer.expires) {
        timer.expires = at; // lazy: found at its old place, moved on from there
        return;
      }
      this.unlink(timer);
    } else {
      this.armed++;
      if (!timer.housekeeping && this.live++ === 0 && this.onBusy !== null) this.onBusy();
    }
    timer.expires = at;
    this.insert(timer);
    if (at < this.sleepsUntil && this.onBusy !== null) this.onBusy();
  }

  disarm(timer: Timer): void {
    this.unlink(timer);
    this.armed--;
    if (!timer.housekeeping) this.live--;
  }

  /** An expired timer has to wait for its processor: it stays pending. */
  park(timer: Timer): void {
    timer.place = PLACE_CPU;
    this.armed++;
    if (!timer.housekeeping) this.live++;
  }

  /** Its turn has come. */
  unpark(timer: Timer): void {
    timer.place = PLACE_NONE;
    this.armed--;
    if (!timer.housekeeping) this.live--;
  }

  /** Disarms every timer of a processor that has stopped for good. Looks at all timers: for the end of a host, not for the path. */
  disarmAll(cpu: Timer['cpu']): void {
    const mine: Timer[] = this.heap.filter((timer) => timer.cpu === cpu);
    for (const head of this.heads) for (let timer = head; timer !== null; timer = timer.next) if (timer.cpu === cpu) mine.push(timer);
    for (const timer of mine) timer.del();
  }

  /** When the next timer is due; Infinity when none is armed. */
  nextTime(): number {
    const timer = this.front();
    return timer === null ? Infinity : timer.expires;
  }

  /** Moves the clock to the next timer and fires it. False when there is none. */
  step(): boolean {
    const timer = this.front();
    if (timer === null) return false;
    assert(timer.expires >= this.now, 'virtual time never runs backwards');
    this.heapRemove(0);
    timer.place = PLACE_NONE;
    this.armed--;
    if (!timer.housekeeping) this.live--;
    this.now = timer.expires;
    this.events++;
    timer.fire();
    return true;
  }

  /** Moves the clock forward to `time`, where nothing is due before it. */
  advanceTo(time: number): void {
    assert(time <= this.nextTime(), 'the clock never jumps over a timer');
    if (time > this.now) this.now = time;
  }

  // ---- user code that is ready to run -------------------------------------------------------------------------

  /** Puts a task at the end of the line of user code that is ready. Does nothing when it is in line already, here or at a processor. */
  ready(task: Task): void {
    if (task.ready || task.queued) return;
    task.ready = true;
    task.next = null;
    if (this.lastTask === null) this.firstTask = task;
    else this.lastTask.next = task;
    this.lastTask = task;
    if (this.onBusy !== null) this.onBusy();
  }

  get hasTasks(): boolean {
    return this.firstTask !== null;
  }

  /** The end of the line: whoever runs all that is ready now stops after this one. */
  get lastReady(): Task | null {
    return this.lastTask;
  }

  /** Takes the next task out of the line; the caller runs it. */
  takeTask(): Task | null {
    const task = this.firstTask;
    if (task === null) return null;
    this.firstTask = task.next;
    if (task.next === null) this.lastTask = null;
    task.next = null;
    task.ready = false;
    return task;
  }

  // ---- the wheel ----------------------------------------------------------------------------------------------

  private insert(timer: Timer): void {
    const at = timer.expires;
    if (Math.floor(at / 1024) <= this.cursor[0]!) {
      this.heapPush(timer);
      return;
    }
    for (let level = 0; level < LEVELS; level++) {
      const isLast = level === LEVELS - 1;
      if (isLast || Math.floor(at / WIDTH[level + 1]!) === this.cursor[level + 1]!) {
        // Beyond the last level (9 years) a timer waits in the farthest slot and is placed again from there.
        const far = this.cursor[level]! + SLOTS - 1;
        const absolute = Math.min(Math.floor(at / WIDTH[level]!), isLast ? far : Infinity);
        this.link(timer, level * SLOTS + ((this.place[level]! + (absolute - this.cursor[level]!)) & (SLOTS - 1)));
        return;
      }
    }
  }

  private link(timer: Timer, slot: number): void {
    const head = this.heads[slot]!;
    timer.place = slot;
    timer.prev = null;
    timer.next = head;
    if (head !== null) head.prev = timer;
    else this.bitmap[slot >> 5]! |= 1 << (slot & 31);
    this.heads[slot] = timer;
  }

  private unlink(timer: Timer): void {
    if (timer.place === PLACE_HEAP) {
      this.heapRemove(timer.heapIndex);
    } else if (timer.place === PLACE_CPU) {
      timer.cpu!.forget(timer);
    } else {
      const { next, prev, place } = timer;
      if (next !== null) next.prev = prev;
      if (prev !== null) prev.next = next;
      else {
        this.heads[place] = next;
        if (next === null) this.bitmap[place >> 5]! &= ~(1 << (place & 31));
      }
      timer.next = null;
      timer.prev = null;
    }
    timer.place = PLACE_NONE;
  }

  /** The earliest timer, at the top of the heap; turns the wheel until there is one. */
  private front(): Timer | null {
    while (this.heap.length === 0) {
      if (this.armed === 0 || !this.turn()) return null;
    }
    return this.heap[0]!;
  }

  /** Moves the cursor to the next slot that is not empty, lowest level first, and empties it downwards. */
  private turn(): boolean {
    for (let level = 0; level < LEVELS; level++) {
      const slot = this.nextSlot(level, this.place[level]! + 1);
      if (slot < 0) continue;
      this.enter(level, this.cursor[level]! - this.place[level]! + slot, slot);
      return true;
    }
    return this.wrapLast();
  }

  /** The last level is a ring without a level above: what lies before the cursor there belongs to the next round. */
  private wrapLast(): boolean {
    const level = LEVELS - 1;
    const slot = this.nextSlot(level, 0);
    if (slot < 0) return false;
    this.cursor[LEVELS]!++; // only here does a turn enter another slot of the level above
    this.enter(level, this.cursor[level]! - this.place[level]! + SLOTS + slot, slot);
    return true;
  }

  /** Moves the cursor of `level` to `absolute`, which is at `place` there, and places its timers again, below. */
  private enter(level: number, absolute: number, place: number): void {
    this.cursor[level] = absolute;
    this.place[level] = place;
    for (let below = level - 1; below >= 0; below--) {
      this.cursor[below] = this.cursor[below + 1]! * SLOTS;
      this.place[below] = 0;
    }
    const slot = level * SLOTS + place;
    let timer = this.heads[slot]!;
    this.heads[slot] = null;
    this.bitmap[slot >> 5]! &= ~(1 << (slot & 31));
    while (timer !== null) {
      const next: Timer | null = timer.next;
      timer.next = null;
      timer.prev = null;
      this.insert(timer);
      timer = next!;
    }
  }

  /** The first slot of `level` at or after `from` that is not empty, or -1. */
  private nextSlot(level: number, from: number): number {
    if (from >= SLOTS) return -1;
    const base = level * (SLOTS / 32);
    let word = from >> 5;
    let bits = this.bitmap[base + word]! & (-1 << (from & 31));
    for (;;) {
      if (bits !== 0) return word * 32 + (31 - Math.clz32(bits & -bits));
      if (++word === SLOTS / 32) return -1;
      bits = this.bitmap[base + word]!;
    }
  }

  // ---- the heap of the current tick ---------------------------------------------------------------------------

  private heapPush(timer: Timer): void {
    timer.place = PLACE_HEAP;
    this.heap.push(timer);
    this.siftUp(this.heap.length - 1, timer);
  }

  private heapRemove(index: number): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (index < heap.length) {
      const parent = (index - 1) >> 1;
      if (index > 0 && earlier(last, heap[parent]!)) this.siftUp(index, last);
      else this.siftDown(index, last);
    }
  }

  private siftUp(start: number, timer: Timer): void {
    const { heap } = this;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (!earlier(timer, above)) break;
      heap[index] = above;
      above.heapIndex = index;
      index = parent;
    }
    heap[index] = timer;
    timer.heapIndex = index;
  }

  private siftDown(start: number, timer: Timer): void {
    const { heap } = this;
    const size = heap.length;
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && earlier(heap[child + 1]!, heap[child]!)) child++;
      const below = heap[child]!;
      if (!earlier(below, timer)) break;
      heap[index] = below;
      below.heapIndex = index;
      index = child;
    }
    heap[index] = timer;
    timer.heapIndex = index;
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.expires < b.expires || (a.expires === b.expires && a.seq < b.seq);
}
