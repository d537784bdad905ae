/**
 * The routing tables of a host: which route covers an address.
 *
 * Longest prefix first, then the lowest metric (RFC 1812 §5.2.4.3, without its type-of-service rule). Two tables, asked in
 * this order as Linux's rules 0 and 32766 do: `local` (what is this host's own) and `main`.
 *
 * HOW. A map per prefix length; the answer is kept by the caller (`Rtable`), so that a packet costs no lookup.
 */
import { ipv4Mask } from '../lib/addr.ts';
import type { NetDevice } from '../dev/net-device.ts';
import type { DstMetrics } from '../sock/dst.ts';

/** Route types, Linux's numbers (RTN_*). */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
/** As if the table had no route. */
export const RTN_THROW = 9;

/** How far a destination is (RT_SCOPE_*): anywhere, on a link, this host. */
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;

/** Who made a route (RTPROT_*): `ip route` prints it. */
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;
export const RTPROT_DHCP = 16;

/** What a route says about its path (RTAX_*); 0: it says nothing. */
export interface RouteMetrics extends DstMetrics {
  readonly mtu: number;
  /** `mtu lock`: what ICMP says of the path does not count. */
  readonly mtuLock: boolean;
}

/** One route. */
export interface FibRoute {
  /** Network, int32, host bits zero. */
  dst: number;
  prefixLen: number;
  /** Next hop, 0 = on link. */
  gateway: number;
  /** Null for the types that go nowhere. */
  dev: NetDevice | null;
  metric: number;
  /** Preferred source, 0 = by the device's addresses. */
  src: number;
  type: number;
  protocol: number;
  scope: number;
  /** The gateway is on the link, whatever the routes say. */
  onlink: boolean;
  metrics: RouteMetrics | null;
}

/** Which routes `remove` means: those that agree in every field given. */
export type FibFilter = Partial<FibRoute>;

export class FibTable {
  /** By prefix length, then by network: routes in the order of their metric. */
  private readonly lengths: (Map<number, FibRoute[]> | null)[] = new Array<Map<number, FibRoute[]> | null>(33).fill(null);

  /** The best route for `addr`; `oif` 0, or the device that it must leave by. Null when there is none. */
  lookup(addr: number, oif: number): FibRoute | null {
    for (let len = 32; len >= 0; len--) {
      const map = this.lengths[len];
      if (map === null || map === undefined) continue;
      const routes = map.get(addr & ipv4Mask(len));
      if (routes === undefined) continue;
      if (oif === 0) return routes[0]!;
      for (const route of routes) {
        if (route.dev !== null && route.dev.ifindex === oif) return route;
      }
    }
    return null;
  }

  /**
   * Adds a route behind those of the same metric, or before them (`first`). `exclusive`: false when there is one with this
   * network and metric.
   */
  add(route: FibRoute, exclusive: boolean, first: boolean = false): boolean {
    const map = (this.lengths[route.prefixLen] ??= new Map<number, FibRoute[]>());
    const routes = map.get(route.dst);
    if (routes === undefined) {
      map.set(route.dst, [route]);
      return true;
    }
    if (exclusive && routes.some((r) => r.metric === route.metric)) return false;
    let i = 0;
    while (i < routes.length && (first ? routes[i]!.metric < route.metric : routes[i]!.metric <= route.metric)) i++;
    routes.splice(i, 0, route);
    return true;
  }

  /** Removes the first route, in the order of `all`, that the filter means. */
  remove(filter: FibFilter): FibRoute | null {
    for (const route of this.all()) {
      if (!matches(route, filter)) continue;
      const map = this.lengths[route.prefixLen]!;
      const routes = map.get(route.dst)!;
      routes.splice(routes.indexOf(route), 1);
      if (routes.length === 0) map.delete(route.dst);
      if (map.size === 0) this.lengths[route.prefixLen] = null;
      return route;
    }
    return null;
  }

  /** All routes as `ip route` lists them: by network, then by length, then by metric. */
  all(): FibRoute[] {
    const out: FibRoute[] = [];
    for (const map of this.lengths) {
      if (map !== null) for (const routes of map.values()) out.push(...routes);
    }
    return out.sort((a, b) => (a.dst >>> 0) - (b.dst >>> 0) || a.prefixLen - b.prefixLen || a.metric - b.metric);
  }
}

/** Both tables, and the number that tells whether an answer is still good. */
export class Fib {
  readonly local: FibTable = new FibTable();
  readonly main: FibTable = new FibTable();
  /** Changes with every route, address and device state. */
  generation = 1;

  lookup(addr: number, oif: number): FibRoute | null {
    const route = this.local.lookup(addr, oif) ?? this.main.lookup(addr, oif);
    return route !== null && route.type === RTN_THROW ? null : route;
  }
}

function matches(route: FibRoute, filter: FibFilter): boolean {
  for (const key of Object.keys(filter) as (keyof FibRoute)[]) {
    const wanted = filter[key];
    if (wanted !== undefined && wanted !== route[key]) return false;
  }
  return true;
}
