/**
 * The routing table: longest prefix first, then the lowest metric.
 */
import type { NetDevice } from '../dev/net-device.ts';

/** Route types, Linux's numbers (RTN_*). */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;

/** One route. */
export interface FibRoute {
  /** Network, int32, host bits zero. */
  dst: number;
  prefixLen: number;
  /** 0 = on link. */
  gateway: number;
  dev: NetDevice | null;
  metric: number;
  /** Preferred source, 0 = by the device's addresses. */
  src: number;
  type: number;
}

export class FibTable {
  /** Changes with every route and address: what was looked up earlier is no longer valid. */
  generation = 1;
}
