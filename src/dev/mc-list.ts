/** The groups that a device's card takes in (Linux: dev_addr_lists.c): counted, since several protocols may want the same. */
import type { NetDevice } from './net-device.ts';

/** A hardware group address, and how many want it. */
export interface McAddr {
  readonly addr: Uint8Array;
  users: number;
}

/** The card takes frames to `addr` from here on. */
export function devMcAdd(dev: NetDevice, addr: Uint8Array): void {
  const known = dev.mcAddrs.find((mc) => sameAddr(mc.addr, addr));
  if (known !== undefined) {
    known.users++;
    return;
  }
  dev.mcAddrs.push({ addr: addr.slice(0, 6), users: 1 });
  dev.ops.setRxMode(dev);
}

/** One user less; without any the card takes them no more. */
export function devMcDel(dev: NetDevice, addr: Uint8Array): void {
  const at = dev.mcAddrs.findIndex((mc) => sameAddr(mc.addr, addr));
  if (at < 0 || --dev.mcAddrs[at]!.users > 0) return;
  dev.mcAddrs.splice(at, 1);
  dev.ops.setRxMode(dev);
}

function sameAddr(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
