/**
 * The IPv6 routing tables of a host (Linux: ip6_fib.c): which route covers an address. Longest prefix first, then the lowest
 * metric; among default routers of one metric the preference that they announced, and those that answer before those that do
 * not (RFC 4191 §3.2, RFC 4861 §6.3.6).
 *
 * HOW. A map per prefix length, by the hash of the network; the answer is kept by the caller (`Rt6Info`).
 */
import type { DstMetrics } from '../../sock/dst.ts';
import { in6Compare, in6Equal, in6Hash, in6Prefix, type In6Addr } from '../../lib/addr6.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { RTN_THROW } from './rtn.ts';

/** One route. */
export interface Fib6Route {
  /** Network, host bits zero. */
  readonly dst: In6Addr;
  readonly prefixLen: number;
  /** Next hop, null = on link. */
  readonly gateway: In6Addr | null;
  /** Null for the types that go nowhere. */
  readonly dev: NetDevice | null;
  readonly metric: number;
  /** Preferred source, null = by selection. */
  readonly src: In6Addr | null;
  readonly type: number;
  readonly protocol: number;
  /** Host time (ns) at which it ends; 0 = never. */
  expires: number;
  /** RT6_PREF_*: only among routes of one metric. */
  pref: number;
  /** Largest packet on this route, 0 = by the device. */
  mtu: number;
  /** What else the route says about its path; null: nothing. */
  readonly metrics: DstMetrics | null;
}

/** Which routes `remove` means: those that agree in every field given. */
export type Fib6Filter = Partial<Fib6Route>;

/** Is the next hop of the route known not to answer? Asked among routes that are equal otherwise. */
export type RouterCheck = (route: Fib6Route) => boolean;

export class Fib6Table {
  /** By prefix length, then by the hash of the network: routes in the order of their metric. */
  private readonly lengths: (Map<number, Fib6Route[]> | null)[] = new Array<Map<number, Fib6Route[]> | null>(129).fill(null);

  /** Those by a gateway, in the order in which they came. */
  private readonly via: Set<Fib6Route> = new Set();
  /** Routes in it. */
  size = 0;

  /**
   * The best route for `addr`. `oif` 0, or the device that it must leave by. `failed` tells which routers to avoid. Null when
   * there is none.
   */
  lookup(addr: In6Addr, oif: number, now: number, failed: RouterCheck | null): Fib6Route | null {
    for (let len = 128; len >= 0; len--) {
      const map = this.lengths[len];
      if (map === null || map === undefined) continue;
      const network = len === 128 ? addr : in6Prefix(addr, len);
      const routes = map.get(in6Hash(network, 0));
      if (routes === undefined) continue;
      const best = choose(routes, network, oif, now, failed);
      if (best !== null) return best.type === RTN_THROW ? null : best;
    }
    return null;
  }

  /** Adds a route behind those of the same metric. `exclusive`: false when there is one to this network with metric, device and gateway. */
  add(route: Fib6Route, exclusive: boolean): boolean {
    const map = (this.lengths[route.prefixLen] ??= new Map<number, Fib6Route[]>());
    const key = in6Hash(route.dst, 0);
    const routes = map.get(key);
    if (exclusive && routes?.some((r) => sameWay(r, route)) === true) return false;
    this.size++;
    if (route.gateway !== null) this.via.add(route);
    if (routes === undefined) {
      map.set(key, [route]);
      return true;
    }
    let i = 0;
    while (i < routes.length && routes[i]!.metric <= route.metric) i++;
    routes.splice(i, 0, route);
    return true;
  }

  /** How many routes there are to one network (or to others with the hash of it). */
  waysTo(dst: In6Addr, prefixLen: number): number {
    return this.lengths[prefixLen]?.get(in6Hash(dst, 0))?.length ?? 0;
  }

  /** The first route, in the order of `all`, that the filter means. With network and length it is found at once. */
  find(filter: Fib6Filter): Fib6Route | null {
    const { dst, prefixLen } = filter;
    const among = dst === undefined || prefixLen === undefined ? this.all() : this.lengths[prefixLen]?.get(in6Hash(dst, 0)) ?? NO_ROUTES;
    return among.find((route) => matches(route, filter)) ?? null;
  }

  /** Removes the first route that the filter means. */
  remove(filter: Fib6Filter): Fib6Route | null {
    const route = this.find(filter);
    if (route !== null) this.unlink(route);
    return route;
  }

  /** Removes every route that `which` says. How many. */
  removeAll(which: (route: Fib6Route) => boolean): number {
    return this.unlinkAll(this.unsorted().filter(which));
  }

  /** {@link removeAll} among the routes by a gateway: what a neighbour does costs no search of the whole table. */
  removeVia(which: (route: Fib6Route) => boolean): number {
    return this.unlinkAll([...this.via].filter(which));
  }

  private unlinkAll(gone: readonly Fib6Route[]): number {
    for (const route of gone) this.unlink(route);
    return gone.length;
  }

  /** Removes this very route, which is in the table. */
  unlink(route: Fib6Route): void {
    this.size--;
    this.via.delete(route);
    const map = this.lengths[route.prefixLen]!;
    const key = in6Hash(route.dst, 0);
    const routes = map.get(key)!;
    routes.splice(routes.indexOf(route), 1);
    if (routes.length === 0) map.delete(key);
    if (map.size === 0) this.lengths[route.prefixLen] = null;
  }

  /** All routes, in no order that means anything. */
  unsorted(): Fib6Route[] {
    const out: Fib6Route[] = [];
    for (const map of this.lengths) {
      if (map !== null) for (const routes of map.values()) out.push(...routes);
    }
    return out;
  }

  /** All routes as `ip -6 route` lists them: by network, then by length, then by metric; default routes last. */
  all(): Fib6Route[] {
    return this.unsorted().sort((a, b) => Number(a.prefixLen === 0) - Number(b.prefixLen === 0) || in6Compare(a.dst, b.dst)
      || a.prefixLen - b.prefixLen || a.metric - b.metric);
  }
}

/** Both tables, and the number that tells whether an answer is still good. */
export class Fib6 {
  readonly local: Fib6Table = new Fib6Table();
  readonly main: Fib6Table = new Fib6Table();
  /** Changes with every route, address, group and device state. */
  generation = 1;
}

const NO_ROUTES: readonly Fib6Route[] = [];

function choose(routes: readonly Fib6Route[], network: In6Addr, oif: number, now: number, failed: RouterCheck | null): Fib6Route | null {
  let best: Fib6Route | null = null;
  let bestScore = 0;
  for (const route of routes) {
    if (!in6Equal(route.dst, network) || (route.expires !== 0 && now >= route.expires)) continue;
    if (oif !== 0 && route.dev !== null && route.dev.ifindex !== oif) continue;
    if (best !== null && route.metric !== best.metric) break;
    if (failed === null) return route;
    const score = route.pref + (route.gateway !== null && failed(route) ? -4 : 0);
    if (best === null || score > bestScore) {
      best = route;
      bestScore = score;
    }
  }
  return best;
}

function sameWay(a: Fib6Route, b: Fib6Route): boolean {
  return in6Equal(a.dst, b.dst) && a.metric === b.metric && a.dev === b.dev && a.type === b.type && sameAddr(a.gateway, b.gateway);
}

function sameAddr(a: In6Addr | null, b: In6Addr | null): boolean {
  return a === null || b === null ? a === b : in6Equal(a, b);
}

function matches(route: Fib6Route, filter: Fib6Filter): boolean {
  for (const key of Object.keys(filter) as (keyof Fib6Route)[]) {
    const wanted = filter[key];
    if (wanted === undefined || wanted === route[key]) continue;
    if (key !== 'dst' && key !== 'gateway' && key !== 'src') return false;
    if (!sameAddr(filter[key] ?? null, route[key])) return false;
  }
  return true;
}
