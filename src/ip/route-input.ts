/**
 * Which way for a packet that came in: to this host, on to another, or nowhere (Linux: ip_route_input). Addresses that no
 * packet may have on a wire ("martians") are refused here (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7).
 */
import {
  INADDR_ALLHOSTS, ipv4IsLbcast, ipv4IsLoopback, ipv4IsMulticast, ipv4IsZeronet,
} from '../lib/addr.ts';
import { Drop } from '../skb/drop-reason.ts';
import { IFF_LOOPBACK, type NetDevice } from '../dev/net-device.ts';
import { inetIsLocal } from './devinet.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from './fib.ts';
import type { Ipv4 } from './ipv4.ts';
import { Rtable } from './route.ts';

/** The way of a packet from `saddr` to `daddr` that came in by `dev`, or the reason (a Drop) why it has none. */
export function ipRouteInput(ip: Ipv4, daddr: number, saddr: number, dev: NetDevice): Rtable | Drop {
  const known = ip.inRoutes.find(ip, daddr, saddr, dev.ifindex);
  // With rp_filter every source is looked at: the setting may have changed since the way was found.
  if (known !== null && ip.sysctl.rpFilter === 0) return known;
  const type = inputType(ip, daddr, saddr, dev);
  if (type < 0) return -type as Drop;
  if (known !== null) return known;
  const rt = new Rtable(ip, dev, type, daddr, saddr, 0, saddr, dev.ifindex);
  ip.inRoutes.add(rt);
  return rt;
}

/** RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST (to be forwarded), or minus a Drop. */
function inputType(ip: Ipv4, daddr: number, saddr: number, dev: NetDevice): number {
  if (ipv4IsMulticast(saddr) || ipv4IsLbcast(saddr)) return -Drop.IpInvalidSource;
  // A host that does not know its address yet may ask everybody.
  if (ipv4IsLbcast(daddr) || (saddr === 0 && daddr === 0)) return RTN_BROADCAST;
  if (ipv4IsMulticast(daddr)) {
    // Groups are joined by IP_ADD_MEMBERSHIP; every host is in "all hosts" (RFC 1112 §4).
    return daddr === INADDR_ALLHOSTS ? RTN_MULTICAST : -Drop.IpInvalidDest;
  }
  if (ipv4IsZeronet(saddr)) return -Drop.IpInvalidSource;
  if (ipv4IsZeronet(daddr)) return -Drop.IpInvalidDest;
  if ((dev.flags & IFF_LOOPBACK) === 0) {
    if (ipv4IsLoopback(daddr)) return -Drop.IpInvalidDest;
    if (ipv4IsLoopback(saddr)) return -Drop.IpInvalidSource;
  }
  const route = ip.fib.lookup(daddr, 0);
  if (route === null && ip.sysctl.ipForward !== 0) return -Drop.IpInNoRoutes;
  if (route === null || (route.type !== RTN_LOCAL && route.type !== RTN_BROADCAST)) {
    return route !== null && ip.sysctl.ipForward !== 0 && route.type === RTN_UNICAST ? RTN_UNICAST : -Drop.IpInAddrErrors;
  }
  const reason = validateSource(ip, saddr, dev);
  return reason === 0 ? route.type : -reason;
}

/** May a packet from `saddr` come in by `dev`? 0, or the reason why not (Linux: fib_validate_source). */
function validateSource(ip: Ipv4, saddr: number, dev: NetDevice): number {
  if ((dev.flags & IFF_LOOPBACK) !== 0) return 0;
  if (inetIsLocal(ip, saddr)) return Drop.IpLocalSource;
  if (ip.sysctl.rpFilter === 0) return 0;
  // RFC 3704: strict (1) wants the way back by the same device, loose (2) any way back.
  const back = ip.fib.lookup(saddr, 0);
  if (back === null || back.type !== RTN_UNICAST) return Drop.IpRpFilter;
  return ip.sysctl.rpFilter === 1 && back.dev !== dev ? Drop.IpRpFilter : 0;
}
