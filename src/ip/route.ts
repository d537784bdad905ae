/**
 * Which way: from a destination to a device, a next hop and a source address (Linux: route.c).
 *
 * What a lookup finds is an `Rtable`, shared by everybody who sends there and kept until `fib.generation` changes. It knows
 * its neighbour and its path MTU, so that a packet on a known way costs no lookup at all.
 */
import {
  INADDR_LOOPBACK, ipv4IsLbcast, ipv4IsLocalMulticast, ipv4IsLoopback, ipv4IsMulticast, ipv4IsZeronet, ipv4Mask,
} from '../lib/addr.ts';
import {
  EACCES, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH,
} from '../lib/errno.ts';
import { hashMix } from '../lib/hash.ts';
import { NS_PER_SEC } from '../lib/units.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { IFF_LOOPBACK, type NetDevice } from '../dev/net-device.ts';
import type { Neighbour } from '../neigh/neighbour.ts';
import type { Dst } from '../sock/dst.ts';
import type { InetSock } from '../sock/sock.ts';
import { inetAddrType, inetIsLocal, inetSelectAddr, loopbackDev } from './devinet.ts';
import {
  RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_THROW,
  RTN_UNICAST, RTN_UNREACHABLE, RTPROT_BOOT, type FibFilter, type FibRoute, type FibTable, type RouteMetrics,
} from './fib.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipCheckMc } from './mcast.ts';

/** Longest IPv4 packet: what a device with a larger MTU (lo) is good for. */
export const IP_MAX_MTU = 65535;

/** A way to one destination (Linux: struct rtable). Shared by all who send there; replaced when `valid` says so. */
export class Rtable implements Dst {
  readonly ip: Ipv4;
  readonly dev: NetDevice;
  /** RTN_UNICAST, RTN_LOCAL (the device is lo on the way out), RTN_BROADCAST, RTN_MULTICAST. */
  readonly type: number;
  readonly dst: number;
  /** The source to use when the sender names none. */
  readonly src: number;
  /** 0: on link. */
  readonly gateway: number;
  /** Where the frame goes: the gateway, or `dst` itself. */
  readonly nexthop: number;
  readonly generation: number;
  /** What was asked for: the key in the cache. */
  readonly keySaddr: number;
  readonly keyIf: number;
  /** The device that a local packet counts as having come in by: the one that has the address. 0: the skb's own. */
  iif = 0;
  /** The neighbour of the next hop, looked up with the first packet. */
  neigh: Neighbour | null = null;
  /** Path MTU learned from ICMP, 0 = none, believed until `pmtuExpires` (ns of host time). */
  pmtu = 0;
  pmtuExpires = 0;
  /** The path claims less than `min_pmtu`: packets of that size go without DF. */
  mtuLocked = false;
  /** What the route says about the path, or null. */
  metrics: RouteMetrics | null = null;
  /** Why it leads nowhere, a negative errno; 0 for all others (`ip/forward.ts` ipError). */
  error = 0;
  /** Forwarded packets go out by the link that they came by: their sender is told of the shorter way. */
  redirect = false;
  /** Sent to a group that this host is in on the same device: it hears its own. */
  mcLocal = false;
  next: Rtable | null = null;

  constructor(
    ip: Ipv4,
    dev: NetDevice,
    type: number,
    dst: number,
    src: number,
    gateway: number,
    keySaddr: number,
    keyIf: number,
  ) {
    this.ip = ip;
    this.dev = dev;
    this.type = type;
    this.dst = dst;
    this.src = src;
    this.gateway = gateway;
    this.nexthop = gateway === 0 ? dst : gateway;
    this.keySaddr = keySaddr;
    this.keyIf = keyIf;
    this.generation = ip.fib.generation;
  }

  /** The link's MTU, or the route's own (`ip route … mtu`). */
  get linkMtu(): number {
    if (this.metrics !== null && this.metrics.mtu !== 0) return this.metrics.mtu;
    return this.dev.mtu < IP_MAX_MTU ? this.dev.mtu : IP_MAX_MTU;
  }

  get mtu(): number {
    const own = this.linkMtu;
    return this.pmtu !== 0 && this.pmtu < own && this.ip.net.cpu.now < this.pmtuExpires ? this.pmtu : own;
  }

  /** False once routes, addresses or devices have changed: look it up again. */
  get valid(): boolean {
    return this.generation === this.ip.fib.generation;
  }
}

/** Ways known so far; the whole cache is given up when the generation changes or the limit is reached. */
export const ROUTE_CACHE_MAX = 16384;
/** A host knows few ways and a router many: the table grows with them, chains stay short. */
const BUCKETS_MIN = 16;

export class RouteCache {
  private buckets: (Rtable | null)[] = new Array<Rtable | null>(BUCKETS_MIN).fill(null);
  private generation = 0;
  size = 0;

  find(ip: Ipv4, dst: number, saddr: number, keyIf: number): Rtable | null {
    if (this.generation !== ip.fib.generation) return null;
    let rt: Rtable | null = this.buckets[hashOf(dst, saddr, keyIf) & (this.buckets.length - 1)]!;
    while (rt !== null && (rt.dst !== dst || rt.keySaddr !== saddr || rt.keyIf !== keyIf)) rt = rt.next;
    return rt;
  }

  add(rt: Rtable): void {
    if (this.generation !== rt.generation || this.size >= ROUTE_CACHE_MAX) {
      this.buckets.fill(null);
      this.generation = rt.generation;
      this.size = 0;
    }
    if (this.size >= this.buckets.length) this.grow();
    this.link(rt);
    this.size++;
  }

  private link(rt: Rtable): void {
    const bucket = hashOf(rt.dst, rt.keySaddr, rt.keyIf) & (this.buckets.length - 1);
    rt.next = this.buckets[bucket]!;
    this.buckets[bucket] = rt;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<Rtable | null>(old.length * 4).fill(null);
    for (const first of old) {
      for (let rt = first; rt !== null;) {
        const { next } = rt;
        this.link(rt);
        rt = next;
      }
    }
  }

  /** Calls `visit` with every way to `dst`. */
  forEachTo(dst: number, visit: (rt: Rtable) => void): void {
    for (const first of this.buckets) {
      for (let rt = first; rt !== null; rt = rt.next) if (rt.dst === dst) visit(rt);
    }
  }
}

function hashOf(dst: number, saddr: number, keyIf: number): number {
  return hashMix(hashMix(dst, saddr), keyIf);
}

/** The device that a packet came in by, as sockets see it (Linux: inet_iif). */
export function inetIif(skb: SkBuff): number {
  const { dst } = skb;
  return dst instanceof Rtable && dst.iif !== 0 ? dst.iif : (skb.dev as NetDevice).ifindex;
}

// ---- path MTU -------------------------------------------------------------------------------------------------------

/** What was learned about one destination (Linux: struct fib_nh_exception): a smaller MTU, a better gateway. */
export interface FibException {
  /** 0: none. */
  mtu: number;
  locked: boolean;
  /** Until when the MTU is believed, in host time, ns; likewise the gateway, 0 = none. */
  expires: number;
  gateway: number;
  gatewayExpires: number;
}

/** Destinations with an exception; the oldest one makes room. */
export const PMTU_EXCEPTIONS_MAX = 2048;

/** Largest IP packet on this way, header included. */
export function dstMtu(rt: Rtable): number {
  return rt.mtu;
}

/** The upper layer made progress: the next hop is reachable (Linux: dst_confirm). */
export function dstConfirm(rt: Rtable): void {
  if (rt.neigh !== null) rt.neigh.confirmed = rt.ip.net.cpu.now;
}

/** A trusted "fragmentation needed" about a packet of `sk`: remembers the path's MTU for `sk.daddr` (ten minutes, mtu_expires). */
export function ipSkUpdatePmtu(ip: Ipv4, sk: InetSock, mtu: number): void {
  ipUpdatePmtu(ip, sk.daddr, mtu);
}

/** Remembers that packets to `daddr` may have `mtu` bytes. RFC 1191 §3: never upwards; Linux: never below min_pmtu. */
export function ipUpdatePmtu(ip: Ipv4, daddr: number, mtu: number): void {
  const { sysctl } = ip;
  const { now } = ip.net.cpu;
  const rt = ipRouteOutput(ip, daddr, 0, 0);
  if (typeof rt === 'number' || rt.metrics?.mtuLock === true) return;
  const known = ip.exceptions.get(daddr);
  const old = known !== undefined && known.mtu !== 0 && now < known.expires ? known.mtu : rt.mtu;
  if (old < mtu) return;
  const entry = exceptionOf(ip, daddr);
  entry.locked = mtu < sysctl.minPmtu;
  entry.mtu = entry.locked ? Math.min(old, sysctl.minPmtu) : mtu;
  entry.expires = now + sysctl.mtuExpires * NS_PER_SEC;
  ip.routes.forEachTo(daddr, (way) => applyException(way, entry));
}

/** Packets to `daddr` go by `gateway` until `expires` (host time, ns): a redirect that is believed. */
export function ipLearnGateway(ip: Ipv4, daddr: number, gateway: number, expires: number): void {
  const entry = exceptionOf(ip, daddr);
  entry.gateway = gateway;
  entry.gatewayExpires = expires;
  if (!ip.exceptionTimer.pending) ip.exceptionTimer.mod(expires);
  ip.fib.generation++;
}

/** Learned gateways whose time is over are forgotten. */
export function exceptionsExpire(ip: Ipv4): void {
  const { now } = ip.net.cpu;
  let next = Infinity;
  for (const [daddr, entry] of ip.exceptions) {
    if (entry.gateway === 0) continue;
    if (entry.gatewayExpires <= now) {
      entry.gateway = 0;
      if (entry.expires <= now) ip.exceptions.delete(daddr);
    } else if (entry.gatewayExpires < next) {
      next = entry.gatewayExpires;
    }
  }
  ip.fib.generation++;
  if (next !== Infinity) ip.exceptionTimer.mod(next);
}

/** `ip route flush cache`: what was learned about single destinations is forgotten. */
export function rtCacheFlush(ip: Ipv4): void {
  ip.exceptions.clear();
  ip.exceptionTimer.del();
  ip.fib.generation++;
}

function exceptionOf(ip: Ipv4, daddr: number): FibException {
  const { exceptions } = ip;
  let entry = exceptions.get(daddr);
  if (entry === undefined) {
    if (exceptions.size >= PMTU_EXCEPTIONS_MAX) exceptions.delete(exceptions.keys().next().value!);
    entry = { mtu: 0, locked: false, expires: 0, gateway: 0, gatewayExpires: 0 };
    exceptions.set(daddr, entry);
  }
  return entry;
}

function applyException(rt: Rtable, entry: FibException): void {
  if (entry.mtu === 0) return;
  rt.pmtu = entry.mtu;
  rt.pmtuExpires = entry.expires;
  rt.mtuLocked = entry.locked;
}

// ---- output ---------------------------------------------------------------------------------------------------------

/**
 * The way to `daddr`. `saddr` 0: chosen, see `rt.src`; `oif` 0: any device. To 0.0.0.0 means to this host: `rt.dst` says where.
 *
 * @returns the route, or a negative errno: -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL, -ENODEV
 */
export function ipRouteOutput(ip: Ipv4, daddr: number, saddr: number, oif: number): Rtable | number {
  const known = ip.routes.find(ip, daddr, saddr, oif);
  if (known !== null) return known;
  // RFC 1122 §3.2.1.3 (a) forbids it as a destination; BSD and Linux take it for "this host".
  if (daddr === 0) return ipRouteOutput(ip, saddr !== 0 ? saddr : INADDR_LOOPBACK, saddr, 0);
  const rt = routeOutputSlow(ip, daddr, saddr, oif);
  if (typeof rt === 'number') return rt;
  const exception = ip.exceptions.get(rt.dst);
  const way = exception !== undefined && exception.gateway !== 0 && rt.type === RTN_UNICAST ? detour(rt, exception.gateway) : rt;
  ip.routes.add(way);
  if (exception !== undefined && way.metrics?.mtuLock !== true) applyException(way, exception);
  return way;
}

/** The same way by another gateway. */
function detour(rt: Rtable, gateway: number): Rtable {
  const way = new Rtable(rt.ip, rt.dev, rt.type, rt.dst, rt.src, gateway, rt.keySaddr, rt.keyIf);
  way.metrics = rt.metrics;
  return way;
}

/** The socket's cached route when it is still good, else a new one, which is cached in `sk.dst`. Negative errno on failure. */
export function ipRouteSock(ip: Ipv4, sk: InetSock): Rtable | number {
  const cached = sk.dst as Rtable | null;
  if (cached !== null && cached.generation === ip.fib.generation) return cached;
  const rt = ipRouteOutput(ip, sk.daddr, sk.saddr, sk.boundDevIf);
  sk.dst = typeof rt === 'number' ? null : rt;
  return rt;
}

function routeOutputSlow(ip: Ipv4, daddr: number, saddr: number, oif: number): Rtable | number {
  let dev: NetDevice | null = null;
  if (saddr !== 0) {
    if (ipv4IsMulticast(saddr) || ipv4IsLbcast(saddr) || ipv4IsZeronet(saddr) || !inetIsLocal(ip, saddr)) return -EINVAL;
    // A group or everybody, and no device named: the one that has the source address.
    if (oif === 0 && (ipv4IsMulticast(daddr) || ipv4IsLbcast(daddr))) {
      dev = ip.fib.local.lookup(saddr, 0)?.dev ?? null;
      if (dev !== null) return makeRoute(ip, dev, RTN_UNICAST, daddr, saddr, 0, saddr, oif);
    }
  }
  if (oif !== 0) {
    dev = ip.net.devices[oif] ?? null;
    if (dev === null) return -ENODEV;
    if (!dev.up) return -ENETUNREACH;
    if (ipv4IsLocalMulticast(daddr) || ipv4IsLbcast(daddr)) {
      return makeRoute(ip, dev, RTN_UNICAST, daddr, saddr !== 0 ? saddr : inetSelectAddr(ip, dev, 0), 0, saddr, oif);
    }
  }
  const found = ip.fib.lookup(daddr, oif);
  if (found === null) {
    if (dev === null) return -ENETUNREACH;
    // The sender insists on a device that no route names: the destination must be on its link.
    return makeRoute(ip, dev, RTN_UNICAST, daddr, saddr !== 0 ? saddr : inetSelectAddr(ip, dev, 0), 0, saddr, oif);
  }
  return followRoute(ip, found, daddr, saddr, oif);
}

/** What a route of a type that leads nowhere says to who asks (Linux: fib_props); 0 for the other types. */
export function routeError(type: number): number {
  switch (type) {
    case RTN_BLACKHOLE: return -EINVAL;
    case RTN_UNREACHABLE: return -EHOSTUNREACH;
    case RTN_PROHIBIT: return -EACCES;
    case RTN_THROW: return -ENETUNREACH;
    default: return 0;
  }
}

function followRoute(ip: Ipv4, route: FibRoute, daddr: number, saddr: number, oif: number): Rtable | number {
  const error = routeError(route.type);
  if (error !== 0) return error;
  if (route.type === RTN_LOCAL) return makeLocal(ip, daddr, saddr !== 0 ? saddr : localSource(route, daddr), saddr, oif);
  const dev = route.dev!;
  const hop = route.gateway !== 0 ? route.gateway : daddr;
  const src = saddr !== 0 ? saddr : route.src !== 0 ? route.src : inetSelectAddr(ip, dev, hop);
  const rt = makeRoute(ip, dev, route.type, daddr, src, route.gateway, saddr, oif);
  if (typeof rt !== 'number' && route.metrics !== null) setMetrics(rt, route.metrics);
  return rt;
}

/** What the route says about the path counts for its packets. */
export function setMetrics(rt: Rtable, metrics: RouteMetrics): void {
  rt.metrics = metrics;
  // With a locked MTU packets go without DF: it is as large as they come (RFC 1191 does not apply).
  rt.mtuLocked = metrics.mtuLock;
}

/** To an own address one speaks from that address; within 127.0.0.0/8 from the route's source. */
function localSource(route: FibRoute, daddr: number): number {
  return route.src !== 0 ? route.src : daddr;
}

/** This host's own addresses are reached by lo, whatever device has them. */
function makeLocal(ip: Ipv4, daddr: number, src: number, keySaddr: number, oif: number): Rtable | number {
  const lo = loopbackDev(ip.net);
  if (lo === null || !lo.up) return -ENETUNREACH;
  const rt = new Rtable(ip, lo, RTN_LOCAL, daddr, src, 0, keySaddr, oif);
  rt.iif = ip.fib.local.lookup(daddr, 0)?.dev?.ifindex ?? 0;
  return rt;
}

function makeRoute(
  ip: Ipv4, dev: NetDevice, type: number, daddr: number, src: number, gateway: number, keySaddr: number, oif: number,
): Rtable | number {
  const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
  // RFC 1122 §3.2.1.3 (g): 127.x.x.x must not appear outside a host.
  if (ipv4IsLoopback(src) && !loopback) return -EINVAL;
  if (ipv4IsZeronet(daddr)) return -EINVAL;
  const kind = ipv4IsLbcast(daddr) ? RTN_BROADCAST : ipv4IsMulticast(daddr) ? RTN_MULTICAST : type;
  const rt = new Rtable(ip, dev, kind, daddr, src, kind === RTN_UNICAST ? gateway : 0, keySaddr, oif);
  if (kind === RTN_MULTICAST) rt.mcLocal = ipCheckMc(dev, daddr, src, 0);
  return rt;
}

// ---- the administrator ----------------------------------------------------------------------------------------------

/**
 * Adds a route (`ip route add`): `dst`/`prefixLen` (default 0/0), by `gateway` or by `dev`, or of a type that goes nowhere.
 * `how`: 'add' refuses what is there, 'replace' takes its place, 'append' and 'prepend' go behind and before it.
 *
 * @returns 0, -EEXIST (same network and metric), -EINVAL (host bits, foreign source), -ENETUNREACH (gateway not on link),
 *   -ENETDOWN, -ENODEV (neither gateway nor device), -ESRCH ('change': none there)
 */
export function routeAdd(ip: Ipv4, route: Partial<FibRoute>, how: RouteAddHow = 'add'): number {
  const { dst = 0, prefixLen = 0, gateway = 0, metric = 0, src = 0, type = RTN_UNICAST, protocol = RTPROT_BOOT } = route;
  const { onlink = false, metrics = null } = route;
  let dev = route.dev ?? null;
  if (!(prefixLen >= 0 && prefixLen <= 32) || (dst & ~ipv4Mask(prefixLen)) !== 0) return -EINVAL;
  if (src !== 0 && !inetIsLocal(ip, src)) return -EINVAL;
  if (type === RTN_UNICAST || type === RTN_BROADCAST || type === RTN_MULTICAST || type === RTN_LOCAL) {
    if (gateway !== 0) {
      const found = gatewayDev(ip, gateway, dev, onlink);
      if (typeof found === 'number') return found;
      dev = found;
    }
    if (dev === null) return -ENODEV;
    if (!dev.up) return -ENETDOWN;
  }
  const near = type === RTN_LOCAL ? RT_SCOPE_HOST : gateway === 0 && dev !== null ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const entry: FibRoute = {
    dst, prefixLen, gateway, dev, metric, src, type, protocol, scope: route.scope ?? near, onlink, metrics,
  };
  const table = type === RTN_LOCAL || type === RTN_BROADCAST ? ip.fib.local : ip.fib.main;
  if (!insertRoute(table, entry, how)) return how === 'change' ? -ESRCH : -EEXIST;
  ip.fib.generation++;
  return 0;
}

/** Where a new route goes beside those with its network and metric. */
export type RouteAddHow = 'add' | 'replace' | 'change' | 'append' | 'prepend';

/** The device of a gateway, which must be on its link; or -ENETUNREACH, -EINVAL (one of ours, a broadcast), -ENODEV. */
function gatewayDev(ip: Ipv4, gateway: number, dev: NetDevice | null, onlink: boolean): NetDevice | null | number {
  if (onlink) {
    if (dev === null) return -ENODEV;
    if (!dev.up) return -ENETDOWN;
    return inetAddrType(ip, gateway) === RTN_UNICAST ? dev : -EINVAL;
  }
  const onLink = ip.fib.lookup(gateway, dev?.ifindex ?? 0);
  if (onLink === null) return -ENETUNREACH;
  if (onLink.type === RTN_LOCAL || onLink.type === RTN_BROADCAST) return -EINVAL;
  return onLink.type !== RTN_UNICAST || onLink.gateway !== 0 ? -ENETUNREACH : onLink.dev;
}

function insertRoute(table: FibTable, entry: FibRoute, how: RouteAddHow): boolean {
  const { dst, prefixLen, metric } = entry;
  if (how === 'replace' || how === 'change') {
    const there = table.remove({ dst, prefixLen, metric });
    if (there === null && how === 'change') return false;
    return table.add(entry, false, true);
  }
  return table.add(entry, how === 'add', how === 'prepend');
}

/** Removes the first route of the main table that agrees in what is given. 0 or -ESRCH. */
export function routeDel(ip: Ipv4, route: FibFilter): number {
  if (ip.fib.main.remove(route) === null) return -ESRCH;
  ip.fib.generation++;
  return 0;
}
