/** Packet taps: who looks at everything that a device sends and receives (Linux: ptype_all, AF_PACKET). */
import type { SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from './net-device.ts';

/**
 * Sees packets on their way; does not take them and must not change them. Outgoing ones begin at the link header (`data`),
 * incoming ones have it behind them (`mac`). A checksum may still be missing (CHECKSUM_PARTIAL): fill it in on a copy.
 */
export interface PacketTap {
  packet(skb: SkBuff, dev: NetDevice, outgoing: boolean): void;
}

/** Begins to show `tap` the packets of `dev`. */
export function devAddTap(dev: NetDevice, tap: PacketTap): void {
  dev.taps = dev.taps === null ? [tap] : [...dev.taps, tap];
}

/** Ends it. */
export function devRemoveTap(dev: NetDevice, tap: PacketTap): void {
  const rest = (dev.taps ?? []).filter((t) => t !== tap);
  dev.taps = rest.length === 0 ? null : rest;
}

/** Shows a packet to all taps of its device; called only when there are any. */
export function deliverTaps(skb: SkBuff, dev: NetDevice, outgoing: boolean): void {
  for (const tap of dev.taps!) tap.packet(skb, dev, outgoing);
}
