/** What a world says about IPv6 on a host's interface: its addresses, its routes, and what a router advertises on it. */
import type { NetDevice } from '../dev/net-device.ts';
import { devGetByName } from '../dev/registry.ts';
import { KernelError } from '../host/errors.ts';
import type { HostStack } from '../host/boot.ts';
import { RTPROT_STATIC } from '../ip/fib.ts';
import { inet6AddrAdd, inet6AddrDel } from '../ip/v6/addrconf.ts';
import { in6DevOf, inet6Addrs } from '../ip/v6/inet6-dev.ts';
import {
  ADV_DEFAULTS, ADV_PREFERRED_LIFETIME_SEC, ADV_VALID_LIFETIME_SEC, routerAdvSet, type AdvConfig, type AdvPrefix,
} from '../ip/v6/router-adv.ts';
import { ip6RouteAdd } from '../ip/v6/route-admin.ts';
import { EACCES, ENODEV } from '../lib/errno.ts';
import { formatIpv6, in6IsLinklocal, in6Prefix, parseIpv6Prefix, parseIpv6Zone, type Ipv6Prefix } from '../lib/addr6.ts';
import { checkOptions, NS_PER_SEC, parseDuration, parseInteger, type Duration } from '../lib/units.ts';

/** Router advertisements of an interface (RFC 4861 §6.2). Times are durations: `'10min'`; `'forever'` where that can be. */
export interface AdvertiseOptions {
  /** The networks that hosts may take addresses from. Default: those of the interface's own addresses. */
  readonly prefixes?: readonly (string | AdvertisedPrefix)[];
  /** How long hosts may take us for their default router; 0 = not at all. Default 30min. */
  readonly lifetime?: Duration;
  /** Time between two advertisements that nobody asked for: at most, and a third of it at least. Default 10min. */
  readonly interval?: Duration;
  /** Among several routers. Default `'medium'` (RFC 4191). */
  readonly preference?: 'low' | 'medium' | 'high';
  readonly mtu?: number;
  readonly hopLimit?: number;
  /** DHCPv6 is there for addresses; for other things. Default false. */
  readonly managed?: boolean;
  readonly other?: boolean;
  readonly reachable?: Duration;
  readonly retransmit?: Duration;
}

/** One network that is advertised. */
export interface AdvertisedPrefix {
  /** `'fd00:1::/64'` */
  readonly prefix: string;
  /** Default 30 days; preferred: 7 days. */
  readonly valid?: Duration;
  readonly preferred?: Duration;
  /** Default true. */
  readonly onLink?: boolean;
  readonly autonomous?: boolean;
}

const ADVERTISE_OPTIONS: readonly string[] = [
  'prefixes', 'lifetime', 'interval', 'preference', 'mtu', 'hopLimit', 'managed', 'other', 'reachable', 'retransmit',
];
const PREFIX_OPTIONS: readonly string[] = ['prefix', 'valid', 'preferred', 'onLink', 'autonomous'];
const PREFERENCES: Readonly<Record<string, number>> = { low: -1, medium: 0, high: 1 };

/** Checks the option `advertise`. Null: nothing is advertised. */
export function parseAdvertise(value: boolean | AdvertiseOptions | undefined): AdvConfig | null {
  if (value === undefined || value === false) return null;
  if (value === true) return ADV_DEFAULTS;
  checkOptions(value, ADVERTISE_OPTIONS, 'advertise');
  const preference = PREFERENCES[value.preference ?? 'medium'];
  if (preference === undefined) {
    throw new TypeError(`advertise: preference: '${String(value.preference)}' is not understood; expected 'low', 'medium' or 'high'`);
  }
  const maxIntervalSec = value.interval === undefined ? ADV_DEFAULTS.maxIntervalSec : seconds(value.interval, 'interval');
  if (maxIntervalSec < 4 || maxIntervalSec > 1800) {
    throw new RangeError('advertise: interval: out of range; expected 4 seconds to 30 minutes');
  }
  return {
    minIntervalSec: Math.max(3, maxIntervalSec / 3),
    maxIntervalSec,
    lifetimeSec: value.lifetime === undefined ? Math.min(3 * maxIntervalSec, 9000) : Math.min(seconds(value.lifetime, 'lifetime'), 9000),
    preference,
    managed: value.managed ?? false,
    other: value.other ?? false,
    hopLimit: parseInteger(value.hopLimit ?? ADV_DEFAULTS.hopLimit, 'advertise: hopLimit', 0, 255),
    reachableMs: value.reachable === undefined ? 0 : seconds(value.reachable, 'reachable') * 1000,
    retransMs: value.retransmit === undefined ? 0 : seconds(value.retransmit, 'retransmit') * 1000,
    mtu: value.mtu === undefined ? 0 : parseInteger(value.mtu, 'advertise: mtu', 1280, 65535),
    prefixes: value.prefixes === undefined ? null : value.prefixes.map(parsePrefix),
  };
}

function seconds(value: Duration, name: string): number {
  return parseDuration(value, `advertise: ${name}`) / NS_PER_SEC;
}

function parsePrefix(value: string | AdvertisedPrefix): AdvPrefix {
  const given = typeof value === 'string' ? { prefix: value } : value;
  checkOptions(given, PREFIX_OPTIONS, 'advertise: prefixes');
  const { prefix, valid, preferred, onLink = true, autonomous = true } = given;
  const found = parseIpv6Prefix(prefix);
  if (found === null) throw new TypeError(`advertise: prefixes: '${prefix}' is not understood; expected one such as 'fd00:1::/64'`);
  return {
    prefix: in6Prefix(found.addr, found.prefixLen),
    prefixLen: found.prefixLen,
    validLft: valid === undefined ? ADV_VALID_LIFETIME_SEC : seconds(valid, 'valid'),
    preferredLft: preferred === undefined ? ADV_PREFERRED_LIFETIME_SEC : seconds(preferred, 'preferred'),
    onLink,
    autonomous,
  };
}

/** Begins to advertise on a device. */
export function advertise(dev: NetDevice, config: AdvConfig): void {
  const idev = in6DevOf(dev);
  if (idev === null) return;
  dev.net.cpu.enter(0);
  routerAdvSet(idev, config);
  dev.net.cpu.exit();
}

/** Gives a device an IPv6 address. `planned`: by the world; where IPv6 is off, there is none. */
export function assign6(dev: NetDevice, address: Ipv6Prefix, planned: boolean): void {
  dev.net.cpu.enter(0);
  const err = inet6AddrAdd(dev, address.addr, address.prefixLen);
  dev.net.cpu.exit();
  if (err === 0 || (planned && (err === -ENODEV || err === -EACCES))) return;
  throw new KernelError(err, 'addAddress', { address: formatIpv6(address.addr) });
}

/** Takes an address away that the world has chosen. */
export function unassign6(dev: NetDevice, address: Ipv6Prefix): void {
  dev.net.cpu.enter(0);
  inet6AddrDel(dev, address.addr, address.prefixLen);
  dev.net.cpu.exit();
}

/** The addresses of a device that others can reach from anywhere, as text. */
export function addresses6(dev: NetDevice): string[] {
  return inet6Addrs(dev).filter((ifa) => !in6IsLinklocal(ifa.addr) && ifa.usable).map((ifa) => formatIpv6(ifa.addr));
}

/** A route for IPv6 as `host.route` is told. Nothing is done yet: the result does it. */
export function route6(
  stackOf: () => HostStack, network: string, via: string | undefined, itf: string | undefined, metric: number,
): () => void {
  const to = parseIpv6Prefix(network)!;
  const hop = via === undefined ? null : parseIpv6Zone(via);
  if (via !== undefined && hop === null) throw new TypeError(`via: '${via}' is not an IPv6 address`);
  const name = itf ?? (hop !== null && hop.zone !== '' ? hop.zone : undefined);
  if (hop !== null && in6IsLinklocal(hop.addr) && name === undefined) {
    throw new TypeError(`via: '${via!}' is of one link; say which: '${via!}%eth0', or interface`);
  }
  return () => {
    const { net, ip6 } = stackOf();
    const dev = name === undefined ? null : devGetByName(net, name);
    if (name !== undefined && dev === null) throw new RangeError(`interface: there is no '${name}'`);
    net.cpu.enter(0);
    const err = ip6RouteAdd(ip6, {
      dst: in6Prefix(to.addr, to.prefixLen), prefixLen: to.prefixLen, gateway: hop?.addr ?? null, dev, metric, protocol: RTPROT_STATIC,
    });
    net.cpu.exit();
    if (err < 0) throw new KernelError(err, 'route', { address: network });
  };
}
