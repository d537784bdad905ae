/**
 * The descriptors of a process: small integers, always the lowest free one (POSIX.1-2024 §2.6).
 *
 * Two bitmaps find it: one bit per descriptor, and one bit per full word of the first. So opening costs the same with
 * ten descriptors and with a hundred thousand.
 */
import { EBADF, EINVAL, EMFILE } from '../lib/errno.ts';
import type { File } from './file.ts';

/** RLIMIT_NOFILE of a new process, as on most systems. */
export const DEFAULT_NOFILE = 1024;
/** The highest limit that may be set (Linux: fs.nr_open). */
export const MAX_NOFILE = 1048576;
const FIRST_WORDS = 2;

export class FdTable {
  /** RLIMIT_NOFILE: one more than the highest descriptor. Lowering it closes nothing. */
  limit: number;
  /** Open descriptors. */
  open = 0;
  private readonly files: (File | null)[] = [];
  /** FD_CLOEXEC, for F_GETFD. */
  private readonly cloexec: boolean[] = [];
  private used: Int32Array = new Int32Array(FIRST_WORDS);
  private full: Int32Array = new Int32Array(1);

  constructor(limit: number = DEFAULT_NOFILE) {
    this.limit = limit;
  }

  /** The file behind `fd`, or null. */
  get(fd: number): File | null {
    return this.files[fd] ?? null;
  }

  /** The lowest free descriptor at or above `min`, or -EMFILE (-EINVAL when `min` is beyond the limit). Reserves nothing. */
  lowestFree(min: number = 0): number {
    if (min >= this.limit) return min === 0 ? -EMFILE : -EINVAL;
    let word = min >> 5;
    let bits = this.wordOf(word) | (min & 31 ? (1 << (min & 31)) - 1 : 0);
    while (bits === -1) {
      word = this.nextOpenWord(word + 1);
      bits = this.wordOf(word);
    }
    const free = ~bits;
    const fd = word * 32 + (31 - Math.clz32(free & -free));
    return fd < this.limit ? fd : -EMFILE;
  }

  /** Gives `file` the lowest free descriptor at or above `min`; -EMFILE when there is none. */
  install(file: File, cloexec: boolean, min: number = 0): number {
    const fd = this.lowestFree(min);
    if (fd < 0) return fd;
    while (this.files.length <= fd) {
      this.files.push(null);
      this.cloexec.push(false);
    }
    this.files[fd] = file;
    this.cloexec[fd] = cloexec;
    file.refs++;
    this.open++;
    this.mark(fd);
    return fd;
  }

  /** Frees `fd`; the caller tells the file so (`dropped`). Null when it was not open. */
  remove(fd: number): File | null {
    const file = this.get(fd);
    if (file === null) return null;
    this.files[fd] = null;
    this.used[fd >> 5]! &= ~(1 << (fd & 31));
    this.full[fd >> 10]! &= ~(1 << ((fd >> 5) & 31));
    this.open--;
    file.refs--;
    return file;
  }

  /** FD_CLOEXEC of `fd` as 0 or 1, or -EBADF. */
  getCloexec(fd: number): number {
    if (this.get(fd) === null) return -EBADF;
    return this.cloexec[fd]! ? 1 : 0;
  }

  setCloexec(fd: number, on: boolean): void {
    this.cloexec[fd] = on;
  }

  /** Open descriptors, lowest first. */
  list(): number[] {
    const out: number[] = [];
    this.files.forEach((file, fd) => {
      if (file !== null) out.push(fd);
    });
    return out;
  }

  private wordOf(word: number): number {
    return word < this.used.length ? this.used[word]! : 0;
  }

  /** The first word at or after `word` that is not full. */
  private nextOpenWord(word: number): number {
    let at = word;
    for (;;) {
      const group = at >> 5;
      if (group >= this.full.length) return at;
      const bits = this.full[group]! | ((at & 31) === 0 ? 0 : (1 << (at & 31)) - 1);
      if (bits !== -1) {
        const free = ~bits;
        return group * 32 + (31 - Math.clz32(free & -free));
      }
      at = (group + 1) * 32;
    }
  }

  private mark(fd: number): void {
    const word = fd >> 5;
    if (word >= this.used.length) {
      const wider = new Int32Array(Math.max(word + 1, this.used.length * 2));
      wider.set(this.used);
      this.used = wider;
    }
    if (word >> 5 >= this.full.length) {
      const wider = new Int32Array(Math.max((word >> 5) + 1, this.full.length * 2));
      wider.set(this.full);
      this.full = wider;
    }
    this.used[word]! |= 1 << (fd & 31);
    if (this.used[word] === -1) this.full[word >> 5]! |= 1 << (word & 31);
  }
}
