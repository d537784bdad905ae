/** Routes that an administrator adds and removes (`ip -6 route add`; Linux: the netlink half of net/ipv6/route.c). */
import { EEXIST, EINVAL, EHOSTUNREACH, ENETDOWN, ENODEV, ENOENT, ESRCH } from '../../lib/errno.ts';
import { in6Any, in6Equal, in6IsLinklocal, in6IsMulticast, in6Prefix } from '../../lib/addr6.ts';
import { RTN_ANYCAST } from './rtn.ts';
import { RTN_LOCAL, RTN_UNICAST, RTPROT_BOOT } from '../fib.ts';
import { ipv6ChkAddr } from './addrconf.ts';
import { ip6RouteExpiry } from './autoconf.ts';
import type { Fib6Filter, Fib6Route } from './fib6.ts';
import { in6DevOf } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ip6FibLookup } from './route.ts';
import { IP6_RT_PRIO_USER } from './rtn.ts';

/** What to do when there is a route to the same network with the same metric (iproute2's verbs; Linux: NLM_F_*). */
export type Route6AddHow = 'add' | 'append' | 'prepend' | 'replace' | 'change';

/**
 * Adds a route: `dst`/`prefixLen` (default ::/0), by `gateway` or by `dev`, or of a type that goes nowhere. Metric 0 means 1024.
 * `add`, `append` and `prepend` put it behind others of the same metric, as Linux does with IPv6; `replace` and `change` take the
 * first of those away.
 *
 * @returns 0, -EEXIST (same network, metric and way), -EINVAL (host bits, an own address as gateway, foreign source),
 *   -EHOSTUNREACH (gateway not on link), -ENETDOWN, -ENODEV (neither gateway nor device), -ENOENT (nothing to change)
 */
export function ip6RouteAdd(ip6: Ipv6, route: Partial<Fib6Route>, how: Route6AddHow = 'add'): number {
  const entry = routeOf(ip6, route);
  if (typeof entry === 'number') return entry;
  const { main } = ip6.fib;
  if (how === 'replace' || how === 'change') {
    const old = main.find({ dst: entry.dst, prefixLen: entry.prefixLen, metric: entry.metric });
    if (old === null && how === 'change') return -ENOENT;
    if (old !== null) main.unlink(old);
  }
  if (!main.add(entry, true)) return -EEXIST;
  ip6.fib.generation++;
  ip6RouteExpiry(ip6, entry.expires);
  return 0;
}

/** The whole route that the parts mean, or a negative errno. */
function routeOf(ip6: Ipv6, route: Partial<Fib6Route>): Fib6Route | number {
  const { dst = in6Any, prefixLen = 0, gateway = null, src = null, type = RTN_UNICAST, protocol = RTPROT_BOOT } = route;
  let dev = route.dev ?? null;
  if (!(prefixLen >= 0 && prefixLen <= 128) || !in6Equal(in6Prefix(dst, prefixLen), dst)) return -EINVAL;
  if (src !== null && !ipv6ChkAddr(ip6, src, null)) return -EINVAL;
  if (type === RTN_UNICAST) {
    if (gateway !== null) {
      const found = gatewayDevice(ip6, gateway, dev?.ifindex ?? 0);
      if (typeof found === 'number') return found;
      dev = found.dev;
    }
    if (dev === null || in6DevOf(dev) === null) return -ENODEV;
    if (!dev.up) return -ENETDOWN;
  } else {
    dev = null;
  }
  const metric = route.metric === undefined || route.metric === 0 ? IP6_RT_PRIO_USER : route.metric;
  return {
    dst, prefixLen, gateway, dev, metric, src, type, protocol, expires: route.expires ?? 0, pref: route.pref ?? 0, mtu: route.mtu ?? 0,
    metrics: route.metrics ?? null,
  };
}

/** The link that a gateway is on: a link-local one is on the device that is named, another one where a route says so. */
function gatewayDevice(ip6: Ipv6, gateway: NonNullable<Fib6Route['gateway']>, oif: number): Fib6Route | number {
  if (in6IsMulticast(gateway)) return -EINVAL;
  if (in6IsLinklocal(gateway) && oif === 0) return -EINVAL;
  const onLink = ip6FibLookup(ip6, gateway, oif);
  if (onLink === null) return -EHOSTUNREACH;
  if (onLink.type === RTN_LOCAL || onLink.type === RTN_ANYCAST) return -EINVAL;
  return onLink.type === RTN_UNICAST && onLink.gateway === null ? onLink : -EHOSTUNREACH;
}

/** Removes the first route of the main table that agrees in what is given. 0 or -ESRCH. */
export function ip6RouteDel(ip6: Ipv6, route: Fib6Filter): number {
  if (ip6.fib.main.remove(route) === null) return -ESRCH;
  ip6.fib.generation++;
  return 0;
}
