/** `ip -6 addr`, `ip -6 route`, `ip -6 neigh`: what ip(8) shows of IPv6. They look, and change nothing. */
import { formatMac } from '../../lib/addr.ts';
import { formatIpv6, formatIpv6Prefix, in6IsLinklocal, in6IsLoopback } from '../../lib/addr6.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { RTN_UNICAST, RTPROT_KERNEL, RTPROT_STATIC } from '../../ip/fib.ts';
import { inet6Addrs, type Inet6IfAddr } from '../../ip/v6/inet6-dev.ts';
import type { Fib6Route } from '../../ip/v6/fib6.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { RTPROT_RA } from '../../ip/v6/rtn.ts';
import { NUD_NOARP, NUD_NONE, NUD_VALID, type Neighbour } from '../../neigh/neighbour.ts';

/** The lines of a device's IPv6 addresses. */
export function addr6Lines(dev: NetDevice, now: number): string[] {
  return inet6Addrs(dev).flatMap((ifa) => [
    `    inet6 ${formatIpv6Prefix(ifa.addr, ifa.prefixLen)} scope ${scopeOf(ifa)}${flagsOf(ifa)} `,
    `       valid_lft ${lifetime(ifa.validUntil, now)} preferred_lft ${ifa.deprecated ? '0sec' : lifetime(ifa.preferredUntil, now)}`,
  ]);
}

function scopeOf(ifa: Inet6IfAddr): string {
  return in6IsLoopback(ifa.addr) ? 'host' : in6IsLinklocal(ifa.addr) ? 'link' : 'global';
}

function flagsOf(ifa: Inet6IfAddr): string {
  return (ifa.tentative ? ' tentative' : '') + (ifa.dadFailed ? ' dadfailed' : '') + (ifa.deprecated ? ' deprecated' : '')
    + (ifa.autoconf ? ' dynamic mngtmpaddr' : '') + (ifa.noPrefixRoute ? ' noprefixroute' : '');
}

function lifetime(until: number, now: number): string {
  return until === 0 ? 'forever' : `${String(Math.max(0, Math.floor((until - now) / NS_PER_SEC)))}sec`;
}

/** The main table, as `ip -6 route` shows it. */
export function route6Lines(ip6: Ipv6, now: number): string[] {
  return ip6.fib.main.all().filter((r) => r.type === RTN_UNICAST && !in6IsLoopback(r.dst)).map((r) => show(r, now));
}

function show(r: Fib6Route, now: number): string {
  const proto = r.protocol === RTPROT_KERNEL ? ' proto kernel' : r.protocol === RTPROT_RA ? ' proto ra' : r.protocol === RTPROT_STATIC
    ? ' proto static' : '';
  const to = r.prefixLen === 0 ? 'default' : formatIpv6Prefix(r.dst, r.prefixLen);
  return to + (r.gateway === null ? '' : ` via ${formatIpv6(r.gateway)}`)
    + ` dev ${r.dev?.name ?? 'lo'}${proto} metric ${String(r.metric)}${r.expires === 0 ? '' : ` expires ${lifetime(r.expires, now)}`}`
    + ` pref ${r.pref > 0 ? 'high' : r.pref < 0 ? 'low' : 'medium'}`;
}

/** The neighbours, as `ip -6 neigh` shows them. */
export function neigh6Lines(ip6: Ipv6, stateOf: (n: Neighbour) => string): string[] {
  return [...ip6.ndisc.table.all()].filter((n) => (n.state & NUD_NOARP) === 0 && n.state !== NUD_NONE).map((n) => {
    const known = (n.state & NUD_VALID) === 0 ? '' : ` lladdr ${formatMac(n.ha)}`;
    return `${formatIpv6(n.addr6!)} dev ${n.dev.name}${known}${n.isRouter ? ' router' : ''} ${stateOf(n)}`;
  });
}
