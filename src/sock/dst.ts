/**
 * A destination as a socket keeps it in `sk.dst` (Linux: struct dst_entry): where its packets go, and how large they may
 * be. `ip/route.ts` has IPv4's (`Rtable`); rooms that serve both families ask through this.
 */
import type { NetDevice } from '../dev/net-device.ts';
import type { Neighbour } from '../neigh/neighbour.ts';

/** What the administrator says about a path (`ip route … advmss 1000 initcwnd 4`), by Linux's names; 0: nothing. */
export interface DstMetrics {
  readonly advmss: number;
  /** Largest window to offer, in bytes. */
  readonly window: number;
  /** Congestion window and receive window of a new connection, in segments. */
  readonly initcwnd: number;
  readonly initrwnd: number;
  /** `features ecn`: connections ask for ECN, whatever net.ipv4.tcp_ecn says. */
  readonly ecn?: boolean;
  /** `fastopen_no_cookie 1`: data in SYNs needs no cookie on this path. */
  readonly fastopenNoCookie?: boolean;
  /** Congestion control of connections on this way, '' none; the user may not choose another (`congctl lock NAME`). */
  readonly congctl: string;
  readonly congctlLock: boolean;
}

export interface Dst {
  readonly dev: NetDevice;
  /** Largest packet that the path takes, in bytes of the network layer. */
  readonly mtu: number;
  /** The next hop, once the first packet has asked for it. */
  readonly neigh: Neighbour | null;
  /** Left out by families whose routes say nothing. */
  readonly metrics?: DstMetrics | null;
}
