/**
 * A switch's memory of who is where: (VLAN, hardware address) → port, with the time at which it was heard last
 * (Linux: the forwarding database, fdb).
 *
 * HOW. Open addressing with linear probing over typed arrays: nothing is allocated for a frame. Nothing expires by a timer:
 * an entry that is too old is not found, and its place is used again; so an idle switch costs no events.
 */

/** Entries that a switch keeps unless told otherwise. */
export const MAC_TABLE_SIZE = 8192;
/** IEEE 802.1D-1998 table 7-5: the ageing time, 300 s. */
export const AGEING_TIME_NS = 300e9;

/** An entry, for people and tests. */
export interface MacEntry {
  /** The upper 16 bits of the address, and the lower 32 as int32. */
  readonly high: number;
  readonly low: number;
  readonly vid: number;
  /** Number of the port. */
  readonly port: number;
  readonly isStatic: boolean;
  /** When it was heard last, in virtual nanoseconds. */
  readonly seen: number;
}

/** `learn` answers: nothing new; a new address; one that moved here from another port; no room. */
export const MAC_KNOWN = 0;
export const MAC_NEW = 1;
export const MAC_MOVED = 2;
export const MAC_FULL = 3;

export class MacTable {
  readonly limit: number;
  /** Entries, expired ones that nobody has come across included. */
  size = 0;
  private mask: number;
  /** VLAN and upper 16 bits of the address in one word. */
  private keys: Int32Array;
  private lows: Int32Array;
  /** 0: the place is free. */
  private ports: Int32Array;
  private statics: Uint8Array;
  private seen: Float64Array;

  constructor(limit: number = MAC_TABLE_SIZE) {
    this.limit = limit;
    this.mask = 63;
    this.keys = new Int32Array(64);
    this.lows = new Int32Array(64);
    this.ports = new Int32Array(64);
    this.statics = new Uint8Array(64);
    this.seen = new Float64Array(64);
  }

  /** The port of an address, or 0 when it is unknown or was not heard for `maxAge`. */
  lookup(vid: number, high: number, low: number, now: number, maxAge: number): number {
    const at = this.find((vid << 16) | high, low);
    if (this.ports[at] === 0) return 0;
    return this.statics[at] === 0 && now - this.seen[at]! >= maxAge ? 0 : this.ports[at]!;
  }

  /** An address was heard at a port. A static entry stays as it is. */
  learn(vid: number, high: number, low: number, port: number, now: number, maxAge: number): number {
    const key = (vid << 16) | high;
    const at = this.find(key, low);
    const was = this.ports[at]!;
    if (was !== 0) {
      if (this.statics[at] !== 0) return MAC_KNOWN;
      this.ports[at] = port;
      this.seen[at] = now;
      return was === port ? MAC_KNOWN : MAC_MOVED;
    }
    if (this.size >= this.limit && this.expire(now, maxAge) === 0) return MAC_FULL;
    this.add(key, low, port, now, false);
    return MAC_NEW;
  }

  /** Sets an entry that neither ages nor moves. False when the table is full of others. */
  setStatic(vid: number, high: number, low: number, port: number): boolean {
    const key = (vid << 16) | high;
    const at = this.find(key, low);
    if (this.ports[at] === 0) {
      if (this.size >= this.limit) return false;
      this.add(key, low, port, 0, true);
    } else {
      this.ports[at] = port;
      this.statics[at] = 1;
    }
    return true;
  }

  /** Forgets an address. False when it was not there. */
  delete(vid: number, high: number, low: number): boolean {
    const at = this.find((vid << 16) | high, low);
    if (this.ports[at] === 0) return false;
    this.free(at);
    return true;
  }

  /** Forgets what was learned at a port, or at all of them (0). */
  flush(port: number): void {
    this.sweep((at) => this.statics[at] === 0 && (port === 0 || this.ports[at] === port));
  }

  /** Forgets what was not heard for `maxAge`. Returns how many. */
  expire(now: number, maxAge: number): number {
    return this.sweep((at) => this.statics[at] === 0 && now - this.seen[at]! >= maxAge);
  }

  /** What is known at `now`: by VLAN, then by address. */
  entries(now: number, maxAge: number): MacEntry[] {
    this.expire(now, maxAge);
    const out: MacEntry[] = [];
    for (let at = 0; at <= this.mask; at++) {
      if (this.ports[at] === 0) continue;
      const key = this.keys[at]!;
      out.push({
        high: key & 0xffff, low: this.lows[at]!, vid: key >>> 16,
        port: this.ports[at]!, isStatic: this.statics[at] !== 0, seen: this.seen[at]!,
      });
    }
    return out.sort((a, b) => a.vid - b.vid || a.high - b.high || (a.low >>> 0) - (b.low >>> 0));
  }

  /** The place of a key, or the free one where it would go. */
  private find(key: number, low: number): number {
    const { mask, keys, lows, ports } = this;
    let at = place(key, low) & mask;
    while (ports[at] !== 0 && (lows[at] !== low || keys[at] !== key)) at = (at + 1) & mask;
    return at;
  }

  private add(key: number, low: number, port: number, now: number, isStatic: boolean): void {
    if (2 * (this.size + 1) > this.mask + 1) this.grow();
    const at = this.find(key, low);
    this.size++;
    this.keys[at] = key;
    this.lows[at] = low;
    this.ports[at] = port;
    this.statics[at] = isStatic ? 1 : 0;
    this.seen[at] = now;
  }

  /** Empties a place; those behind it that had to make way for it move up. */
  private free(hole: number): void {
    const { mask } = this;
    this.size--;
    let gap = hole;
    for (let at = (gap + 1) & mask; this.ports[at] !== 0; at = (at + 1) & mask) {
      const home = place(this.keys[at]!, this.lows[at]!) & mask;
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      this.move(at, gap);
      gap = at;
    }
    this.ports[gap] = 0;
  }

  private move(from: number, to: number): void {
    this.keys[to] = this.keys[from]!;
    this.lows[to] = this.lows[from]!;
    this.ports[to] = this.ports[from]!;
    this.statics[to] = this.statics[from]!;
    this.seen[to] = this.seen[from]!;
  }

  /** Deletes what `gone` picks. Two passes: entries move when others are deleted. */
  private sweep(gone: (at: number) => boolean): number {
    const keys: number[] = [];
    const lows: number[] = [];
    for (let at = 0; at <= this.mask; at++) {
      if (this.ports[at] === 0 || !gone(at)) continue;
      keys.push(this.keys[at]!);
      lows.push(this.lows[at]!);
    }
    keys.forEach((key, i) => {
      this.free(this.find(key, lows[i]!));
    });
    return keys.length;
  }

  private grow(): void {
    const { keys, lows, ports, statics, seen, mask } = this;
    const size = 2 * (mask + 1);
    this.mask = size - 1;
    this.keys = new Int32Array(size);
    this.lows = new Int32Array(size);
    this.ports = new Int32Array(size);
    this.statics = new Uint8Array(size);
    this.seen = new Float64Array(size);
    this.size = 0;
    for (let at = 0; at <= mask; at++) {
      if (ports[at] !== 0) this.add(keys[at]!, lows[at]!, ports[at]!, seen[at]!, statics[at] !== 0);
    }
  }
}

function place(key: number, low: number): number {
  const h = Math.imul(low ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b);
  return h ^ (h >>> 15);
}
