/**
 * Promiscuous mode and "all groups" of a device (Linux: dev_set_promiscuity, dev_set_allmulti): each is on while somebody wants it,
 * and counted, because several may.
 */
import { IFF_ALLMULTI, IFF_PROMISC, type NetDevice } from './net-device.ts';

/** One more (`by` 1) or one less (-1) who wants every frame. */
export function devSetPromiscuity(dev: NetDevice, by: number): void {
  dev.promiscuity += by;
  setFlag(dev, IFF_PROMISC, dev.promiscuity > 0);
}

/** Likewise for frames to any group. */
export function devSetAllmulti(dev: NetDevice, by: number): void {
  dev.allmulti += by;
  setFlag(dev, IFF_ALLMULTI, dev.allmulti > 0);
}

function setFlag(dev: NetDevice, flag: number, on: boolean): void {
  if (((dev.flags & flag) !== 0) === on) return;
  dev.flags = on ? dev.flags | flag : dev.flags & ~flag;
  dev.ops.setRxMode(dev);
}
