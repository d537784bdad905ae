/**
 * What netfilter must know of an address family, and cannot read from a packet: routes, addresses, and how to answer. IPv4
 * has it in `family4.ts`, IPv6 in `family6.ts`.
 */
import type { NetDevice } from '../../dev/net-device.ts';
import type { NfHook } from '../ipv4.ts';
import type { NfPacket } from './packet.ts';

export interface NfFamily {
  readonly version: 4 | 6;
  /** Puts a hook into its slot, or (null) takes it out. */
  setHook(hook: number, run: NfHook | null): void;
  /** What an address of the packet is to this host: a bit by its place in ADDR_TYPES. `dev` null: on any device. */
  addressType(p: NfPacket, source: boolean, dev: NetDevice | null): number;
  /** Answers with an ICMP error. The skb stays the caller's. */
  rejectIcmp(p: NfPacket, type: number, code: number): void;
  /** Answers a segment with a reset. The skb stays the caller's. */
  rejectReset(p: NfPacket): void;
  /** The address that packets by `dev` to where the packet goes would have as source; false when there is none. */
  sourceAddress(p: NfPacket, dev: NetDevice, to: Int32Array): boolean;
  /** The first address of a device; false when it has none. */
  deviceAddress(dev: NetDevice, to: Int32Array): boolean;
  /** The destination of a packet of our own has been changed: another way. False when there is none. */
  reroute(p: NfPacket): boolean;
  /** MTU of the way out, and of the way back to the source (0: unknown): what TCPMSS clamps to. */
  pathMtu(p: NfPacket): number;
  /** Whether PRE_ROUTING gets whole packets instead of fragments: conntrack needs them. */
  setDefrag(on: boolean): void;
}
