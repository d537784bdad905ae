/**
 * Which way: from a destination to a device, a next hop and a source address (Linux: net/ipv6/route.c).
 *
 * What a lookup finds is an `Rt6Info`, shared by everybody who sends there and kept until `fib.generation` changes. It knows its
 * neighbour and its path MTU, so that a packet on a known way costs no lookup at all. Packets that came in are looked up by
 * their address in place: no object is made for one whose way is known.
 */
import { get32 } from '../../lib/bytes.ts';
import {
  formatIpv6, in6Any, in6Equal, in6EqualsAt, in6Hash, in6HashAt, in6IsAny, in6IsLinklocal, in6IsLoopback, in6IsMulticast,
  in6MulticastScope, IN6_SCOPE_LINKLOCAL, in6Loopback, in6ReadAt, type In6Addr,
} from '../../lib/addr6.ts';
import { EACCES, EADDRNOTAVAIL, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV } from '../../lib/errno.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { IPV6_HLEN, IPV6_MAXPLEN, IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { type Neighbour, NUD_FAILED } from '../../neigh/neighbour.ts';
import type { DstMetrics } from '../../sock/dst.ts';
import type { Dst } from '../../sock/dst.ts';
import type { InetSock } from '../../sock/sock.ts';
import { loopbackDev } from '../devinet.ts';
import { RTN_BLACKHOLE, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from '../fib.ts';
import { in6DevOf, inet6DevMtu } from './inet6-dev.ts';
import type { Fib6Route, RouterCheck } from './fib6.ts';
import type { Ipv6 } from './ipv6.ts';
import { RTN_ANYCAST } from './rtn.ts';
import { ip6SelectSource } from './select.ts';

/** Longest IPv6 packet: what a device with a larger MTU (lo) is good for. */
export const IP6_MAX_MTU: number = IPV6_MAXPLEN + IPV6_HLEN;

/** A way to one destination (Linux: struct rt6_info). Shared by all who send there; replaced when `valid` says so. */
export class Rt6Info implements Dst {
  readonly ip6: Ipv6;
  readonly dev: NetDevice;
  /** RTN_UNICAST, RTN_LOCAL (the device is lo on the way out), RTN_MULTICAST, RTN_ANYCAST; on the way in RTN_UNREACHABLE, too. */
  readonly type: number;
  readonly dst: In6Addr;
  /** The source to use when the sender names none. */
  readonly src: In6Addr;
  /** Null: on link. */
  readonly gateway: In6Addr | null;
  /** Where the frame goes: the gateway, or `dst` itself. */
  readonly nexthop: In6Addr;
  readonly generation: number;
  /** What was asked for: the key in the cache. Null: any source. */
  readonly keySaddr: In6Addr | null;
  readonly keyIf: number;
  /** The device that a local packet counts as having come in by: the one that has the address. 0: the skb's own. */
  iif = 0;
  /** The neighbour of the next hop, looked up with the first packet. */
  neigh: Neighbour | null = null;
  /** MTU of the route when it names one, else 0; and the path's, learned from ICMPv6 and believed until `pmtuExpires` (ns). */
  routeMtu = 0;
  metrics: DstMetrics | null = null;
  pmtu = 0;
  pmtuExpires = 0;
  /** On the way in, of a packet that is to be passed on: the way out. */
  forward: Rt6Info | null = null;
  next: Rt6Info | null = null;

  constructor(
    ip6: Ipv6, dev: NetDevice, type: number, dst: In6Addr, src: In6Addr, gateway: In6Addr | null, keySaddr: In6Addr | null, keyIf: number,
  ) {
    this.ip6 = ip6;
    this.dev = dev;
    this.type = type;
    this.dst = dst;
    this.src = src;
    this.gateway = gateway;
    this.nexthop = gateway ?? dst;
    this.keySaddr = keySaddr;
    this.keyIf = keyIf;
    this.generation = ip6.fib.generation;
  }

  get mtu(): number {
    let own = inet6DevMtu(this.dev);
    if (own > IP6_MAX_MTU) own = IP6_MAX_MTU;
    if (this.routeMtu !== 0 && this.routeMtu < own) own = this.routeMtu;
    return this.pmtu !== 0 && this.pmtu < own && this.ip6.net.cpu.now < this.pmtuExpires ? this.pmtu : own;
  }

  /** False once routes, addresses or devices have changed: look it up again. */
  get valid(): boolean {
    return this.generation === this.ip6.fib.generation;
  }
}

/** Ways known so far; the whole cache is given up when the generation changes or the limit is reached. */
export const ROUTE6_CACHE_MAX = 16384;
/** A host knows few ways and a router many: the table grows with them, chains stay short. */
const BUCKETS_MIN = 16;

export class Route6Cache {
  private buckets: (Rt6Info | null)[] = new Array<Rt6Info | null>(BUCKETS_MIN).fill(null);
  private generation = 0;
  size = 0;

  find(ip6: Ipv6, dst: In6Addr, saddr: In6Addr | null, keyIf: number): Rt6Info | null {
    if (this.generation !== ip6.fib.generation) return null;
    let rt: Rt6Info | null = this.buckets[in6Hash(dst, keyIf) & (this.buckets.length - 1)]!;
    while (rt !== null && (rt.keyIf !== keyIf || !in6Equal(rt.dst, dst) || !sameSource(rt.keySaddr, saddr))) rt = rt.next;
    return rt;
  }

  /** The way to the address at `off`, whatever the source. */
  findAt(ip6: Ipv6, buf: Uint8Array, off: number, keyIf: number): Rt6Info | null {
    if (this.generation !== ip6.fib.generation) return null;
    let rt: Rt6Info | null = this.buckets[in6HashAt(buf, off, keyIf) & (this.buckets.length - 1)]!;
    while (rt !== null && (rt.keyIf !== keyIf || !in6EqualsAt(rt.dst, buf, off))) rt = rt.next;
    return rt;
  }

  add(rt: Rt6Info): void {
    if (this.generation !== rt.generation || this.size >= ROUTE6_CACHE_MAX) {
      this.buckets.fill(null);
      this.generation = rt.generation;
      this.size = 0;
    }
    if (this.size >= this.buckets.length) this.grow();
    this.link(rt);
    this.size++;
  }

  private link(rt: Rt6Info): void {
    const bucket = in6Hash(rt.dst, rt.keyIf) & (this.buckets.length - 1);
    rt.next = this.buckets[bucket]!;
    this.buckets[bucket] = rt;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<Rt6Info | null>(old.length * 4).fill(null);
    for (const first of old) {
      for (let rt = first; rt !== null;) {
        const { next } = rt;
        this.link(rt);
        rt = next;
      }
    }
  }

  /** Calls `visit` with every way to `dst`. */
  forEachTo(dst: In6Addr, visit: (rt: Rt6Info) => void): void {
    for (const first of this.buckets) {
      for (let rt = first; rt !== null; rt = rt.next) if (in6Equal(rt.dst, dst)) visit(rt);
    }
  }
}

function sameSource(a: In6Addr | null, b: In6Addr | null): boolean {
  return a === b || (a !== null && b !== null && in6Equal(a, b));
}

/** The device that a packet came in by, as sockets see it (Linux: inet6_iif). */
export function inet6Iif(skb: SkBuff): number {
  const { dst } = skb;
  return dst instanceof Rt6Info && dst.iif !== 0 ? dst.iif : (skb.dev as NetDevice).ifindex;
}

// ---- what ICMPv6 teaches --------------------------------------------------------------------------------------------

/** What is known of one destination beyond its route (Linux: struct rt6_exception). */
export interface Rt6Exception {
  /** Path MTU, 0 = none known; until when (host time, ns). */
  mtu: number;
  mtuExpires: number;
  /** A better next hop, from a redirect (RFC 4861 §8.3), on `dev`; null = none. */
  gateway: In6Addr | null;
  dev: NetDevice | null;
}

/** Destinations with an exception; the oldest one makes room (Linux: FIB6_MAX_DEPTH per bucket, bounded likewise). */
export const RT6_EXCEPTIONS_MAX = 2048;

function exceptionFor(ip6: Ipv6, daddr: In6Addr): Rt6Exception {
  const { exceptions } = ip6;
  const key = formatIpv6(daddr);
  let entry = exceptions.get(key);
  if (entry === undefined) {
    if (exceptions.size >= RT6_EXCEPTIONS_MAX) exceptions.delete(exceptions.keys().next().value!);
    entry = { mtu: 0, mtuExpires: 0, gateway: null, dev: null };
    exceptions.set(key, entry);
  }
  return entry;
}

/** The upper layer made progress: the next hop is reachable (RFC 4861 §7.3.1; Linux: dst_confirm). */
export function dst6Confirm(rt: Rt6Info): void {
  if (rt.neigh !== null) rt.neigh.confirmed = rt.ip6.net.cpu.now;
}

/** A trusted "packet too big" about a packet of `sk` (mtu_expires: ten minutes). */
export function ip6SkUpdatePmtu(ip6: Ipv6, sk: InetSock, mtu: number): void {
  if (sk.v6Daddr !== null) ip6UpdatePmtu(ip6, sk.v6Daddr, sk.boundDevIf, mtu);
}

/** Remembers that packets to `daddr` may have `mtu` bytes: never upwards (RFC 8201 §4), never below 1280 (RFC 8200 §5). */
export function ip6UpdatePmtu(ip6: Ipv6, daddr: In6Addr, oif: number, mtu: number): void {
  const rt = ip6RouteOutput(ip6, daddr, null, oif);
  if (typeof rt === 'number') return;
  const value = Math.max(mtu, IPV6_MIN_MTU);
  if (value >= rt.mtu) return;
  const entry = exceptionFor(ip6, daddr);
  entry.mtu = value;
  entry.mtuExpires = ip6.net.cpu.now + ip6.sysctl.mtuExpires * NS_PER_SEC;
  ip6.routes.forEachTo(daddr, (way) => applyMtu(way, entry));
}

function applyMtu(rt: Rt6Info, entry: Rt6Exception): void {
  rt.pmtu = entry.mtu;
  rt.pmtuExpires = entry.mtuExpires;
}

/** Remembers a better next hop for `daddr`. `gateway` equal to `daddr`: it is on link. */
export function ip6Redirect(ip6: Ipv6, daddr: In6Addr, gateway: In6Addr, dev: NetDevice): void {
  const entry = exceptionFor(ip6, daddr);
  entry.gateway = gateway;
  entry.dev = dev;
  ip6.fib.generation++;
}

/** Forgets what redirects said about ways over `router` (null: over anybody on `dev`). */
export function ip6ForgetRedirects(ip6: Ipv6, dev: NetDevice, router: In6Addr | null): void {
  for (const entry of ip6.exceptions.values()) {
    if (entry.dev !== dev || entry.gateway === null || (router !== null && !in6Equal(entry.gateway, router))) continue;
    entry.gateway = null;
    entry.dev = null;
    ip6.fib.generation++;
  }
}

// ---- output ---------------------------------------------------------------------------------------------------------

/**
 * The way to `daddr`. `saddr` null: chosen, see `rt.src`; `oif` 0: any device. To `::` means to this host: `rt.dst` says where.
 *
 * @returns the route, or a negative errno: -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL, -ENODEV, -EADDRNOTAVAIL (no source)
 */
export function ip6RouteOutput(ip6: Ipv6, daddr: In6Addr, saddr: In6Addr | null, oif: number): Rt6Info | number {
  const known = ip6.routes.find(ip6, daddr, saddr, oif);
  if (known !== null) return known;
  // RFC 4291 §2.5.2 forbids it as a destination; BSD and Linux take it for "this host".
  if (in6IsAny(daddr)) return ip6RouteOutput(ip6, saddr ?? in6Loopback, saddr, oif);
  const rt = routeOutputSlow(ip6, daddr, saddr, oif);
  if (typeof rt !== 'number') ip6.routes.add(rt);
  return rt;
}

/** The socket's cached route when it is still good, else a new one, which is cached in `sk.dst`. Negative errno on failure. */
export function ip6RouteSock(ip6: Ipv6, sk: InetSock): Rt6Info | number {
  const cached = sk.dst as Rt6Info | null;
  if (cached !== null && cached.generation === ip6.fib.generation) return cached;
  const rt = ip6RouteOutput(ip6, sk.v6Daddr ?? in6Any, sk.v6Saddr, sk.boundDevIf);
  sk.dst = typeof rt === 'number' ? null : rt;
  return rt;
}

function routeOutputSlow(ip6: Ipv6, daddr: In6Addr, saddr: In6Addr | null, oif: number): Rt6Info | number {
  let dev: NetDevice | null = null;
  if (oif !== 0) {
    dev = ip6.net.devices[oif] ?? null;
    if (dev === null) return -ENODEV;
    if (!dev.up || in6DevOf(dev) === null) return -ENETUNREACH;
  }
  if (saddr !== null && in6IsMulticast(saddr)) return -EINVAL;
  if (in6IsMulticast(daddr)) return routeMulticast(ip6, daddr, saddr, dev);
  const redirected = redirectedWay(ip6, daddr, saddr, dev);
  if (redirected !== null) return redirected;
  const found = ip6FibLookup(ip6, daddr, oif);
  if (found === null) return -ENETUNREACH;
  switch (found.type) {
    case RTN_BLACKHOLE: return -EINVAL;
    case RTN_UNREACHABLE: return -EHOSTUNREACH;
    case RTN_PROHIBIT: return -EACCES;
    case RTN_LOCAL: case RTN_ANYCAST: return makeLocal(ip6, found, daddr, saddr, oif);
  }
  const rt = makeRoute(ip6, found.dev!, daddr, saddr, found.src, found.gateway, oif, found.mtu);
  if (typeof rt !== 'number') rt.metrics = found.metrics;
  return rt;
}

/** A destination for which a router has named a better way. */
function redirectedWay(ip6: Ipv6, daddr: In6Addr, saddr: In6Addr | null, dev: NetDevice | null): Rt6Info | number | null {
  const entry = ip6.exceptions.size === 0 ? undefined : ip6.exceptions.get(formatIpv6(daddr));
  if (entry === undefined || entry.gateway === null || entry.dev === null || !entry.dev.up) return null;
  if (dev !== null && dev !== entry.dev) return null;
  const gateway = in6Equal(entry.gateway, daddr) ? null : entry.gateway;
  return makeRoute(ip6, entry.dev, daddr, saddr, null, gateway, dev?.ifindex ?? 0, 0);
}

/** Groups have no routes of their own but the device's: the one named, or the first that takes multicast. */
function routeMulticast(ip6: Ipv6, daddr: In6Addr, saddr: In6Addr | null, dev: NetDevice | null): Rt6Info | number {
  let out = dev;
  if (out === null && saddr !== null) out = ip6.fib.local.lookup(saddr, 0, ip6.net.cpu.now, null)?.dev ?? null;
  if (out === null && in6MulticastScope(daddr) < IN6_SCOPE_LINKLOCAL) out = loopbackDev(ip6.net);
  out ??= ip6.net.devices.find((d) => d !== null && d.up && (d.flags & IFF_LOOPBACK) === 0 && in6DevOf(d) !== null) ?? null;
  if (out === null) return -ENETUNREACH;
  const src = saddr ?? ip6SelectSource(ip6, out, daddr) ?? in6Any;
  return new Rt6Info(ip6, out, RTN_MULTICAST, daddr, src, null, saddr, dev?.ifindex ?? 0);
}

/** This host's own addresses are reached by lo, whatever device has them. */
function makeLocal(ip6: Ipv6, found: Fib6Route, daddr: In6Addr, saddr: In6Addr | null, oif: number): Rt6Info | number {
  const lo = loopbackDev(ip6.net);
  if (lo === null || !lo.up) return -ENETUNREACH;
  // To an own address one speaks from that address; an anycast address is nobody's source.
  const src = saddr ?? (found.type === RTN_ANYCAST ? ip6SelectSource(ip6, found.dev, daddr) : daddr);
  if (src === null) return -EADDRNOTAVAIL;
  const rt = new Rt6Info(ip6, lo, RTN_LOCAL, daddr, src, null, saddr, oif);
  rt.iif = found.dev?.ifindex ?? 0;
  return rt;
}

function makeRoute(
  ip6: Ipv6, dev: NetDevice, daddr: In6Addr, saddr: In6Addr | null, preferred: In6Addr | null, gateway: In6Addr | null, oif: number,
  routeMtu: number,
): Rt6Info | number {
  const src = saddr ?? preferred ?? ip6SelectSource(ip6, dev, daddr);
  if (src === null) return -EADDRNOTAVAIL;
  // RFC 4291 §2.5.3: ::1 must not appear outside a host.
  if (in6IsLoopback(src) && (dev.flags & IFF_LOOPBACK) === 0) return -EINVAL;
  const rt = new Rt6Info(ip6, dev, RTN_UNICAST, daddr, src, gateway, saddr, oif);
  rt.routeMtu = routeMtu;
  const entry = ip6.exceptions.size === 0 ? undefined : ip6.exceptions.get(formatIpv6(daddr));
  if (entry !== undefined && entry.mtu !== 0) applyMtu(rt, entry);
  return rt;
}

/** The route that covers `addr`: what is this host's own first. A link-local address is another one on each link. */
export function ip6FibLookup(ip6: Ipv6, addr: In6Addr, oif: number): Fib6Route | null {
  const { fib, net } = ip6;
  const { now } = net.cpu;
  // A device may be named by a sender for any address of this host; only on its own link is a link-local one meant.
  const local = fib.local.lookup(addr, in6IsLinklocal(addr) ? oif : 0, now, null);
  if (local !== null) return local;
  const check: RouterCheck = (route) => ip6.ndisc.table.find6(route.dev!, route.gateway!)?.state === NUD_FAILED;
  return fib.main.lookup(addr, oif, now, check);
}

// ---- input ----------------------------------------------------------------------------------------------------------

/** The way of the packet at `nh`, which came in by `dev`. Its type says what is to be done; see input.ts. */
export function ip6RouteInput(ip6: Ipv6, buf: Uint8Array, daddrOff: number, dev: NetDevice): Rt6Info {
  const known = ip6.inRoutes.findAt(ip6, buf, daddrOff, dev.ifindex);
  if (known !== null) return known;
  const rt = routeInputSlow(ip6, in6ReadAt(buf, daddrOff), dev);
  ip6.inRoutes.add(rt);
  return rt;
}

function routeInputSlow(ip6: Ipv6, daddr: In6Addr, dev: NetDevice): Rt6Info {
  const make = (type: number): Rt6Info => new Rt6Info(ip6, dev, type, daddr, in6Any, null, null, dev.ifindex);
  if (in6IsMulticast(daddr)) return make(RTN_MULTICAST);
  const strict = in6IsLinklocal(daddr) && (dev.flags & IFF_LOOPBACK) === 0 ? dev.ifindex : 0;
  const found = ip6FibLookup(ip6, daddr, strict);
  if (found === null) return make(RTN_UNREACHABLE);
  if (found.type !== RTN_UNICAST) return make(found.type);
  const rt = make(RTN_UNICAST);
  if (ip6.confAll.forwarding !== 0) {
    const out = new Rt6Info(ip6, found.dev!, RTN_UNICAST, daddr, in6Any, found.gateway, null, 0);
    out.routeMtu = found.mtu;
    rt.forward = out;
  }
  return rt;
}

/** A hash of the flow that a packet belongs to: addresses and the four bytes of its ports. */
export function ip6FlowHash(ip6: Ipv6, saddr: In6Addr, daddr: In6Addr, ports: number): number {
  return in6Hash(daddr, in6Hash(saddr, ip6.flowSecret ^ ports));
}

/** A label from a flow's hash (Linux: ip6_make_flowlabel); 0 when net.ipv6.auto_flowlabels is 0. */
export function ip6MakeFlowlabel(ip6: Ipv6, hash: number): number {
  if (ip6.sysctl.autoFlowlabels === 0) return 0;
  return ((hash << 16) | (hash >>> 16)) & 0xfffff;
}

/** The first eight bytes of an address as a key for limits per network. */
export function in6NetworkKey(buf: Uint8Array, off: number): number {
  return (get32(buf, off) ^ Math.imul(get32(buf, off + 4), 0x9e3779b1)) | 0;
}
