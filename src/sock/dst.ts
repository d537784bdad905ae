/**
 * A destination as a socket keeps it in `sk.dst` (Linux: struct dst_entry): where its packets go, and how large they may
 * be. `ip/route.ts` has IPv4's (`Rtable`); rooms that serve both families ask through this.
 */
import type { NetDevice } from '../dev/net-device.ts';
import type { Neighbour } from '../neigh/neighbour.ts';

export interface Dst {
  readonly dev: NetDevice;
  /** Largest packet that the path takes, in bytes of the network layer. */
  readonly mtu: number;
  /** The next hop, once the first packet has asked for it. */
  readonly neigh: Neighbour | null;
}
