/** `ip -6 addr` and `ip -6 neigh`: what ip(8) shows of IPv6. Routes: `ip6-route.ts`. */
import { formatMac } from '../../lib/addr.ts';
import { formatIpv6, formatIpv6Prefix, in6IsLinklocal, in6IsLoopback } from '../../lib/addr6.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { inet6Addrs, type Inet6IfAddr } from '../../ip/v6/inet6-dev.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { NUD_NOARP, NUD_NONE, NUD_VALID, type Neighbour } from '../../neigh/neighbour.ts';

/** The lines of a device's IPv6 addresses. */
export function addr6Lines(dev: NetDevice, now: number): string[] {
  return inet6Addrs(dev).flatMap((ifa) => [
    `    inet6 ${formatIpv6Prefix(ifa.addr, ifa.prefixLen)} scope ${scope6Name(ifa)}${flagsOf(ifa)} `,
    `       valid_lft ${lifetime(ifa.validUntil, now)} preferred_lft ${ifa.deprecated ? '0sec' : lifetime(ifa.preferredUntil, now)}`,
  ]);
}

/** `global`, as ip(8) names the scope of an address. */
export function scope6Name(ifa: Inet6IfAddr): string {
  return in6IsLoopback(ifa.addr) ? 'host' : in6IsLinklocal(ifa.addr) ? 'link' : 'global';
}

function flagsOf(ifa: Inet6IfAddr): string {
  return (ifa.tentative ? ' tentative' : '') + (ifa.dadFailed ? ' dadfailed' : '') + (ifa.deprecated ? ' deprecated' : '')
    + (ifa.autoconf ? ' dynamic mngtmpaddr' : '') + (ifa.noPrefixRoute ? ' noprefixroute' : '');
}

/** `30sec`, or `forever`. */
export function lifetime(until: number, now: number): string {
  return until === 0 ? 'forever' : `${String(Math.max(0, Math.floor((until - now) / NS_PER_SEC)))}sec`;
}

/** The neighbours, as `ip -6 neigh` shows them. `ages` says how long ago each was used, or nothing. */
export function neigh6Lines(
  ip6: Ipv6, stateOf: (n: Neighbour) => string, ages: (n: Neighbour) => string, only: readonly NetDevice[],
): string[] {
  const shown = (n: Neighbour): boolean => (n.state & NUD_NOARP) === 0 && n.state !== NUD_NONE && only.includes(n.dev);
  return [...ip6.ndisc.table.all()].filter(shown).map((n) => {
    const known = (n.state & NUD_VALID) === 0 ? '' : ` lladdr ${formatMac(n.ha)}`;
    return `${formatIpv6(n.addr6!)} dev ${n.dev.name}${known}${n.isRouter ? ' router' : ''}${ages(n)} ${stateOf(n)}`;
  });
}
