/**
 * Which way for a packet that came in: to this host, on to another, or nowhere (Linux: ip_route_input). Addresses that no
 * packet may have on a wire ("martians") are refused here (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7).
 */
import { ipv4IsLbcast, ipv4IsLoopback, ipv4IsMulticast, ipv4IsZeronet } from '../lib/addr.ts';
import { EHOSTUNREACH, ENETUNREACH } from '../lib/errno.ts';
import { Drop } from '../skb/drop-reason.ts';
import { IFF_LOOPBACK, type NetDevice } from '../dev/net-device.ts';
import { IPPROTO_IGMP } from '../sock/constants.ts';
import { ipConfMax, ipConfOf } from './conf.ts';
import { inetIsLocal, inetOnLink } from './devinet.ts';
import { type FibRoute, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST, RTN_UNREACHABLE } from './fib.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipCheckMc } from './mcast.ts';
import { routeError, Rtable, setMetrics } from './route.ts';

/** The way of a packet from `saddr` to `daddr` that came in by `dev`, or the reason (a Drop) why it has none. */
export function ipRouteInput(ip: Ipv4, daddr: number, saddr: number, dev: NetDevice, protocol: number = 0): Rtable | Drop {
  // IGMP passes the filters of groups: its ways are its own.
  if (protocol === IPPROTO_IGMP) return routeInputSlow(ip, daddr, saddr, dev, protocol);
  const known = ip.inRoutes.find(ip, daddr, saddr, dev.ifindex);
  if (known !== null) return known;
  const rt = routeInputSlow(ip, daddr, saddr, dev, protocol);
  if (typeof rt !== 'number') ip.inRoutes.add(rt);
  return rt;
}

function routeInputSlow(ip: Ipv4, daddr: number, saddr: number, dev: NetDevice, protocol: number): Rtable | Drop {
  const reason = martian(daddr, saddr, dev);
  if (reason !== Drop.NotDropped) return reason;
  // A host that does not know its address yet may ask everybody.
  if (ipv4IsLbcast(daddr) || (saddr === 0 && daddr === 0)) return toUs(ip, dev, RTN_BROADCAST, daddr, saddr);
  if (ipv4IsMulticast(daddr)) {
    return ipCheckMc(dev, daddr, saddr, protocol) ? toUs(ip, dev, RTN_MULTICAST, daddr, saddr) : Drop.IpInvalidDest;
  }
  const route = ip.fib.lookup(daddr, 0);
  if (route !== null && (route.type === RTN_LOCAL || route.type === RTN_BROADCAST)) {
    const wrong = validateSource(ip, saddr, dev);
    return wrong === Drop.NotDropped ? toUs(ip, dev, route.type, daddr, saddr) : wrong;
  }
  if (ipConfOf(ip, dev).forwarding === 0) return nowhere(ip, dev, daddr, saddr, -EHOSTUNREACH);
  if (route === null) return nowhere(ip, dev, daddr, saddr, -ENETUNREACH);
  if (route.type !== RTN_UNICAST) return nowhere(ip, dev, daddr, saddr, routeError(route.type));
  const wrong = validateSource(ip, saddr, dev);
  return wrong === Drop.NotDropped ? onward(ip, route, daddr, saddr, dev) : wrong;
}

/** Addresses that must not be seen on a link. */
function martian(daddr: number, saddr: number, dev: NetDevice): Drop {
  if (ipv4IsMulticast(saddr) || ipv4IsLbcast(saddr)) return Drop.IpInvalidSource;
  if (ipv4IsLbcast(daddr) || (saddr === 0 && daddr === 0)) return Drop.NotDropped;
  if (ipv4IsMulticast(daddr)) return Drop.NotDropped;
  if (ipv4IsZeronet(saddr)) return Drop.IpInvalidSource;
  if (ipv4IsZeronet(daddr)) return Drop.IpInvalidDest;
  if ((dev.flags & IFF_LOOPBACK) !== 0) return Drop.NotDropped;
  if (ipv4IsLoopback(daddr)) return Drop.IpInvalidDest;
  return ipv4IsLoopback(saddr) ? Drop.IpInvalidSource : Drop.NotDropped;
}

/** To this host: the device is the one that it came in by. */
function toUs(ip: Ipv4, dev: NetDevice, type: number, daddr: number, saddr: number): Rtable {
  return new Rtable(ip, dev, type, daddr, saddr, 0, saddr, dev.ifindex);
}

function nowhere(ip: Ipv4, dev: NetDevice, daddr: number, saddr: number, error: number): Rtable {
  const rt = toUs(ip, dev, RTN_UNREACHABLE, daddr, saddr);
  rt.error = error;
  return rt;
}

/** On to another host (Linux: __mkroute_input). The way's own MTU counts, not what was learned of the path (ip_forward_use_pmtu is off). */
function onward(ip: Ipv4, route: FibRoute, daddr: number, saddr: number, dev: NetDevice): Rtable {
  const out = route.dev!;
  const rt = new Rtable(ip, out, RTN_UNICAST, daddr, saddr, route.gateway, saddr, dev.ifindex);
  if (route.metrics !== null) setMetrics(rt, route.metrics);
  // RFC 1812 §5.2.7.2: out by the link that it came in by, and its sender is on that link: there is a shorter way.
  rt.redirect = out === dev && inetOnLink(dev, saddr)
    && (ipConfMax(ip, out, 'sharedMedia') !== 0 || (route.gateway !== 0 && inetOnLink(dev, route.gateway)));
  return rt;
}

/** May a packet from `saddr` come in by `dev`? NotDropped, or the reason why not (Linux: fib_validate_source). */
function validateSource(ip: Ipv4, saddr: number, dev: NetDevice): Drop {
  if ((dev.flags & IFF_LOOPBACK) !== 0) return Drop.NotDropped;
  if (inetIsLocal(ip, saddr)) return Drop.IpLocalSource;
  const filter = ipConfMax(ip, dev, 'rpFilter');
  if (filter === 0) return Drop.NotDropped;
  // RFC 3704: strict (1) wants the way back by the same device, loose (2) any way back.
  const back = ip.fib.lookup(saddr, 0);
  if (back === null || back.type !== RTN_UNICAST) return Drop.IpRpfilter;
  return filter === 1 && back.dev !== dev ? Drop.IpRpfilter : Drop.NotDropped;
}
