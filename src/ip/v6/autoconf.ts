/**
 * Autoconfiguration: asking for routers, and following what they advertise (RFC 4861 §6.3, RFC 4862 §5.5, RFC 4191; Linux: ndisc.c
 * and addrconf.c).
 *
 *   from  neigh/ndp-input.ts   ndiscRouterDiscovery, an advertisement that was found in order
 *         ip/v6/addrconf.ts    addrconfRsStart, when a link-local address can be used
 *   to    ip/v6/addrconf.ts    addresses;  ip/v6/fib6.ts  routes
 */
import { get16, get8, get32 } from '../../lib/bytes.ts';
import {
  in6Any, in6Equal, in6FromEui64, in6InPrefix, in6IsLinklocal, in6IsMulticast, in6Prefix, in6ReadAt, type In6Addr,
} from '../../lib/addr6.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { Timer } from '../../time/timer.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import {
  ND_INFINITY, ND_OPT_PREFIX_INFO, ND_OPT_PREFIX_LEN, ND_OPT_ROUTE_INFO, ND_PREFIX_AUTO, ND_PREFIX_ONLINK, ndLifetime, type NdOptions,
  ndOptLen, ndOptNext, ndPreference, NDP_RA_FLAGS, NDP_RA_HOPLIMIT, NDP_RA_LEN, NDP_RA_LIFETIME, NDP_RA_MANAGED, NDP_RA_OTHER,
  NDP_RA_REACHABLE, NDP_RA_RETRANS, RT6_PREF_MEDIUM,
} from '../../wire/ndp.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { ndiscSendRs } from '../../neigh/ndp.ts';
import { RTN_UNICAST, RTPROT_KERNEL } from '../fib.ts';
import { inet6AddrAdd, inet6AddrSetLifetimes, ipv6ChkAddr, ipv6GetLladdr, kernelRoute } from './addrconf.ts';
import type { Fib6Route } from './fib6.ts';
import { in6DevOf, type Inet6Dev } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ip6ForgetRedirects } from './route.ts';
import { IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER, RTPROT_RA } from './rtn.ts';

/** Solicitations that keep a world running; after these a host asks on, but nobody waits for it (MAX_RTR_SOLICITATIONS). */
const LIVE_SOLICITATIONS = 3;
/** The two hours of RFC 4862 §5.5.3 (e): a lifetime cannot be cut below them from outside. */
const MIN_VALID_LIFETIME_SEC = 7200;
/** Routes beyond which advertisements make no more (Linux long had net.ipv6.route.max_size, 4096, for all of them). */
export const RA_ROUTES_MAX = 4096;
/** Ways to one destination that advertisements can make, default routers above all; RFC 4861 §6.3.4 asks for two at least. */
export const RA_ROUTERS_MAX = 64;
/** The table is searched for routes that are over at most so often (Linux: its garbage collector has an interval, too). */
export const RT6_EXPIRY_INTERVAL_NS: number = NS_PER_SEC;
/** Longest retransmission and reachable times that are believed: one hour. */
const MAX_ND_TIME_MS = 3600_000;
/** Questions are not repeated faster, whatever a router says (as in Linux). */
const MIN_RETRANS_MS = 10;

// ---- asking ---------------------------------------------------------------------------------------------------------

/** Does the device follow advertisements? A router does not, unless it is told to (accept_ra 2). */
export function ipv6AcceptRa(idev: Inet6Dev): boolean {
  return idev.conf.forwarding !== 0 ? idev.conf.acceptRa === 2 : idev.conf.acceptRa !== 0;
}

/** Asks the link for routers, again and again until one answers (RFC 7559: ever less often). */
export function addrconfRsStart(idev: Inet6Dev): void {
  const { conf, dev, ip6 } = idev;
  if (conf.routerSolicitations === 0 || !ipv6AcceptRa(idev) || !idev.ready || (dev.flags & IFF_LOOPBACK) !== 0) return;
  const { net } = ip6;
  idev.rsProbes = 0;
  // RFC 8415 §15: the first interval is a tenth more or less than said.
  idev.rsIntervalMs = Math.floor(conf.routerSolicitationInterval * (0.9 + 0.2 * ip6.random.float()));
  idev.rsTimer ??= new Timer(net.sim, net.cpu, () => rsTimer(idev));
  solicit(idev);
}

/** No more questions. */
export function addrconfRsStop(idev: Inet6Dev): void {
  idev.rsTimer?.del();
}

function solicit(idev: Inet6Dev): void {
  const { ip6, dev } = idev;
  idev.rsProbes++;
  ndiscSendRs(ip6.ndisc, dev, ipv6GetLladdr(dev) ?? in6Any);
  const timer = idev.rsTimer!;
  timer.setHousekeeping(idev.rsProbes >= LIVE_SOLICITATIONS);
  timer.mod(ip6.net.cpu.now + idev.rsIntervalMs * NS_PER_MS);
}

function rsTimer(idev: Inet6Dev): void {
  const { conf, ip6 } = idev;
  if (idev.raReceived || !idev.ready || !ipv6AcceptRa(idev)) return;
  if (conf.routerSolicitations >= 0 && idev.rsProbes >= conf.routerSolicitations) return;
  const doubled = Math.floor(idev.rsIntervalMs * (1.9 + 0.2 * ip6.random.float()));
  const max = conf.routerSolicitationMaxInterval;
  idev.rsIntervalMs = doubled > max ? Math.floor(max * (0.9 + 0.2 * ip6.random.float())) : doubled;
  solicit(idev);
}

// ---- following ------------------------------------------------------------------------------------------------------

/** An advertisement of `router` came in by `dev`: the message is `[off, end)`, checked, with its options. */
export function ndiscRouterDiscovery(
  ip6: Ipv6, dev: NetDevice, router: In6Addr, buf: Uint8Array, off: number, end: number, options: NdOptions,
): void {
  const idev = in6DevOf(dev);
  if (idev === null || !ipv6AcceptRa(idev)) return;
  const flags = get8(buf, off + NDP_RA_FLAGS);
  idev.raReceived = true;
  addrconfRsStop(idev);
  idev.raManaged = (flags & NDP_RA_MANAGED) !== 0;
  idev.raOther = (flags & NDP_RA_OTHER) !== 0;
  const { conf } = idev;
  const own = ipv6ChkAddr(ip6, router, null); // heard by another card of this host: no router of ours
  if (conf.acceptRaDefrtr !== 0 && !own) defaultRouter(ip6, idev, router, get16(buf, off + NDP_RA_LIFETIME), ndPreference(flags));
  linkParameters(ip6, idev, buf, off);
  if (conf.acceptRaRtrPref !== 0 && conf.acceptRaRtInfoMaxPlen > 0 && !own) routeInfos(ip6, idev, router, buf, off + NDP_RA_LEN, end);
  if (conf.acceptRaPinfo !== 0) {
    let at = ndOptNext(buf, off + NDP_RA_LEN, end, ND_OPT_PREFIX_INFO);
    for (; at >= 0; at = ndOptNext(buf, at + ndOptLen(buf, at), end, ND_OPT_PREFIX_INFO)) {
      if (ndOptLen(buf, at) === ND_OPT_PREFIX_LEN) addrconfPrefixRcv(ip6, idev, buf, at);
    }
  }
  if (conf.acceptRaMtu !== 0 && options.mtu >= 0) {
    const mtu = get32(buf, options.mtu + 4) >>> 0;
    if (mtu >= IPV6_MIN_MTU && mtu <= dev.mtu && mtu !== conf.mtu) {
      conf.mtu = mtu;
      ip6.fib.generation++;
    }
  }
}

/** RFC 4861 §6.3.4: a lifetime of 0 ends a default router, any other makes or refreshes it. */
function defaultRouter(ip6: Ipv6, idev: Inet6Dev, router: In6Addr, lifetime: number, preference: number): void {
  const { dev, conf } = idev;
  const pref = conf.acceptRaRtrPref !== 0 ? preference : RT6_PREF_MEDIUM;
  setRaRoute(ip6, dev, router, in6Any, 0, lifetime, pref);
  if (lifetime === 0) ip6ForgetRedirects(ip6, dev, router); // RFC 4861 §6.3.5: what leads over it is looked for anew
}

/** A route by `router`, learned from an advertisement; lifetime in seconds, 0 ends it. */
function setRaRoute(ip6: Ipv6, dev: NetDevice, router: In6Addr, dst: In6Addr, prefixLen: number, lifetime: number, pref: number): void {
  const { fib, net } = ip6;
  const filter = { dst, prefixLen, dev, gateway: router, protocol: RTPROT_RA };
  const known = fib.main.find(filter);
  if (lifetime === 0) {
    if (known === null) return;
    fib.main.remove(filter);
    fib.generation++;
    return;
  }
  const expires = lifetime === ND_INFINITY ? 0 : net.cpu.now + lifetime * NS_PER_SEC;
  if (known !== null) {
    if (known.pref !== pref) fib.generation++;
    known.expires = expires;
    known.pref = pref;
  } else {
    if (fib.main.size >= RA_ROUTES_MAX || fib.main.waysTo(dst, prefixLen) >= RA_ROUTERS_MAX) return;
    const route: Fib6Route = {
      dst, prefixLen, gateway: router, dev, metric: IP6_RT_PRIO_USER, src: null, type: RTN_UNICAST, protocol: RTPROT_RA, expires, pref,
      mtu: 0, metrics: null,
    };
    fib.main.add(route, false);
    fib.generation++;
  }
  ip6RouteExpiry(ip6, expires);
}

/** Hop limit, reachable and retransmission time of the link. 0 = not said. */
function linkParameters(ip6: Ipv6, idev: Inet6Dev, buf: Uint8Array, off: number): void {
  const hops = get8(buf, off + NDP_RA_HOPLIMIT);
  if (hops !== 0 && hops >= idev.conf.acceptRaMinHopLimit) idev.conf.hopLimit = hops;
  const { parms } = ip6.ndisc.table;
  const retrans = ndLifetime(buf, off + NDP_RA_RETRANS);
  if (retrans > 0 && retrans < MAX_ND_TIME_MS) parms.retransTimeMs = Math.max(retrans, MIN_RETRANS_MS);
  const reachable = ndLifetime(buf, off + NDP_RA_REACHABLE);
  if (reachable > 0 && reachable < MAX_ND_TIME_MS && reachable !== parms.baseReachableTimeMs) {
    parms.baseReachableTimeMs = reachable;
    ip6.ndisc.table.reroll();
  }
}

/** Route information options (RFC 4191 §2.3). */
function routeInfos(ip6: Ipv6, idev: Inet6Dev, router: In6Addr, buf: Uint8Array, off: number, end: number): void {
  let at = ndOptNext(buf, off, end, ND_OPT_ROUTE_INFO);
  for (; at >= 0; at = ndOptNext(buf, at + ndOptLen(buf, at), end, ND_OPT_ROUTE_INFO)) {
    const len = ndOptLen(buf, at);
    const prefixLen = get8(buf, at + 2);
    // The option is as long as its prefix needs.
    if (len > 24 || prefixLen > 128 || (prefixLen > 64 && len < 24) || (prefixLen > 0 && len < 16)) continue;
    if (prefixLen > idev.conf.acceptRaRtInfoMaxPlen || ((get8(buf, at + 3) >> 3) & 3) === 2) continue;
    const bytes = new Uint8Array(16);
    for (let i = 8; i < len; i++) bytes[i - 8] = get8(buf, at + i);
    const dst = in6Prefix(in6ReadAt(bytes, 0), prefixLen);
    setRaRoute(ip6, idev.dev, router, dst, prefixLen, ndLifetime(buf, at + 4), ndPreference(get8(buf, at + 3)));
  }
}

/** A prefix information option (RFC 4862 §5.5.3): a network that is on link, and an address in it. */
function addrconfPrefixRcv(ip6: Ipv6, idev: Inet6Dev, buf: Uint8Array, at: number): void {
  const prefixLen = get8(buf, at + 2);
  const flags = get8(buf, at + 3);
  const valid = ndLifetime(buf, at + 4);
  const preferred = ndLifetime(buf, at + 8);
  const prefix = in6ReadAt(buf, at + 16);
  if (prefixLen > 128 || in6IsMulticast(prefix) || in6IsLinklocal(prefix) || preferred > valid) return;
  if ((flags & ND_PREFIX_ONLINK) !== 0) onlinkPrefix(ip6, idev.dev, in6Prefix(prefix, prefixLen), prefixLen, valid);
  // RFC 4862 §5.5.3 (d): prefix and interface identifier must make an address together.
  if ((flags & ND_PREFIX_AUTO) === 0 || idev.conf.autoconf === 0 || prefixLen !== 64) return;
  const addr = in6FromEui64(prefix, idev.dev.addr);
  const known = idev.find(addr);
  if (known === null) {
    if (valid === 0 || idev.addrs.filter((ifa) => ifa.autoconf).length >= idev.conf.maxAddresses) return;
    inet6AddrAdd(idev.dev, addr, 64, { validLft: seconds(valid), preferredLft: seconds(preferred), noPrefixRoute: true, autoconf: true });
    return;
  }
  if (!known.autoconf) return;
  const left = known.validUntil === 0 ? Infinity : Math.max(0, (known.validUntil - ip6.net.cpu.now) / NS_PER_SEC);
  inet6AddrSetLifetimes(known, Math.max(seconds(valid), Math.min(left, MIN_VALID_LIFETIME_SEC)), seconds(preferred));
}

function seconds(lifetime: number): number {
  return lifetime === ND_INFINITY ? Infinity : lifetime;
}

/** The network of an advertised prefix as a route of the device; lifetime in seconds, 0 ends it. */
function onlinkPrefix(ip6: Ipv6, dev: NetDevice, dst: In6Addr, prefixLen: number, valid: number): void {
  const { fib, net } = ip6;
  const known = fib.main.find({ dst, prefixLen, dev, protocol: RTPROT_KERNEL, metric: IP6_RT_PRIO_ADDRCONF });
  const expires = valid === ND_INFINITY ? 0 : net.cpu.now + valid * NS_PER_SEC;
  if (known !== null) {
    // The network of an administrator's address is not ended by a stranger.
    if (known.expires === 0 && ownNetwork(dev, dst, prefixLen)) return;
    if (valid === 0) {
      fib.main.remove(known);
      fib.generation++;
    } else {
      known.expires = expires;
    }
  } else if (valid !== 0 && fib.main.size < RA_ROUTES_MAX) {
    fib.main.add({ ...kernelRoute(dev, dst, prefixLen, RTN_UNICAST, IP6_RT_PRIO_ADDRCONF), expires }, false);
    fib.generation++;
  }
  ip6RouteExpiry(ip6, expires);
}

function ownNetwork(dev: NetDevice, network: In6Addr, prefixLen: number): boolean {
  return in6DevOf(dev)!.addrs.some((ifa) => !ifa.noPrefixRoute && ifa.prefixLen === prefixLen && in6InPrefix(ifa.addr, network, prefixLen));
}

// ---- routes end -----------------------------------------------------------------------------------------------------

/**
 * A route ends at `at` (host time, ns; 0 = never): the timer is armed no later, unless the table was just searched. A flood of
 * routes that end one after the other costs one search in a second; no lookup finds what is over, searched for or not.
 */
export function ip6RouteExpiry(ip6: Ipv6, at: number): void {
  if (at === 0) return;
  const { net } = ip6;
  ip6.expiryTimer ??= new Timer(net.sim, net.cpu, () => routesOver(ip6), true);
  const when = Math.max(at, ip6.lastExpiry + RT6_EXPIRY_INTERVAL_NS);
  if (!ip6.expiryTimer.pending || ip6.expiryTimer.expires > when) ip6.expiryTimer.mod(when);
}

function routesOver(ip6: Ipv6): void {
  const { now } = ip6.net.cpu;
  ip6.lastExpiry = now;
  const over: Fib6Route[] = [];
  let next = Infinity;
  for (const route of ip6.fib.main.unsorted()) {
    if (route.expires === 0) continue;
    if (now >= route.expires) over.push(route);
    else next = Math.min(next, route.expires);
  }
  for (const route of over) {
    ip6.fib.main.unlink(route);
    if (route.protocol === RTPROT_RA && route.gateway !== null && route.dev !== null) ip6ForgetRedirects(ip6, route.dev, route.gateway);
  }
  if (over.length > 0) ip6.fib.generation++;
  if (next !== Infinity) ip6RouteExpiry(ip6, next);
}

/** A neighbour that was a router says that it is none any more (RFC 4861 §7.2.5): no default route leads over it. */
export function ip6CleanTohost(ip6: Ipv6, dev: NetDevice, router: In6Addr): void {
  const over = (r: Fib6Route): boolean => r.gateway !== null && in6Equal(r.gateway, router);
  const gone = ip6.fib.main.removeVia((r) => r.dev === dev && r.protocol === RTPROT_RA && over(r));
  ip6ForgetRedirects(ip6, dev, router);
  if (gone > 0) ip6.fib.generation++;
}
