/** Which frames a card takes in: those to its address, to all, to the groups it has joined; in promiscuous mode every one. */
import { get16, get32 } from '../lib/bytes.ts';

export class MacFilter {
  promiscuous = false;
  /** All groups. */
  allMulti = false;
  private high: number;
  private low: number;
  /** Groups, each as one number below 2^48. */
  private readonly groups: Set<number> = new Set();

  constructor(mac: Uint8Array) {
    this.high = get16(mac, 0);
    this.low = get32(mac, 2);
  }

  setAddress(mac: Uint8Array): void {
    this.high = get16(mac, 0);
    this.low = get32(mac, 2);
  }

  join(group: Uint8Array): void {
    this.groups.add(key(group, 0));
  }

  leave(group: Uint8Array): void {
    this.groups.delete(key(group, 0));
  }

  /** These groups and no others. */
  setGroups(groups: readonly { readonly addr: Uint8Array }[]): void {
    this.groups.clear();
    for (const { addr } of groups) this.join(addr);
  }

  /** Is the frame at `off` for this card? */
  accepts(buf: Uint8Array, off: number): boolean {
    if (get32(buf, off + 2) === this.low && get16(buf, off) === this.high) return true;
    if (this.promiscuous) return true;
    if ((buf[off]! & 1) === 0) return false;
    return isBroadcast(buf, off) || this.allMulti || this.groups.has(key(buf, off));
  }
}

/** Is the address at `off` ff:ff:ff:ff:ff:ff? */
export function isBroadcast(buf: Uint8Array, off: number): boolean {
  return get32(buf, off + 2) === -1 && get16(buf, off) === 0xffff;
}

function key(buf: Uint8Array, off: number): number {
  return get16(buf, off) * 4294967296 + (get32(buf, off + 2) >>> 0);
}
