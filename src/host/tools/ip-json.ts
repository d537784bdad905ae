/**
 * `ip -j`: what ip(8) shows, as JSON under iproute2's keys, so that a test can read it. Devices, addresses and neighbours are told
 * from the kernel's state; a route from the words of its line (`ip-route.ts`, `ip6-route.ts`), which say all there is to say.
 */
import { formatIpv4, formatMac, INADDR_ALLHOSTS } from '../../lib/addr.ts';
import { formatIpv6 } from '../../lib/addr6.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { ARPHRD_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { inetAddrs, type InDevice } from '../../ip/devinet.ts';
import { in6DevOf, inet6Addrs } from '../../ip/v6/inet6-dev.ts';
import { NUD_VALID, type Neighbour } from '../../neigh/neighbour.ts';
import { deviceFlags, linkState, lowerDevice, scopeName } from './ip-device.ts';
import { scope6Name } from './ip6.ts';
import { ROUTE_TYPES } from './ip-route.ts';

/** A lifetime without an end, as iproute2 writes it. */
const FOREVER = 0xffffffff;

type Json = Record<string, unknown>;

/** Values as the text that `ip -j` prints; `pretty` on lines of their own (`-p`). */
export function jsonText(values: unknown, pretty: boolean): string {
  return `${JSON.stringify(values, null, pretty ? 4 : 0)}\n`;
}

/** What `ip -j link` says of a device. */
export function linkJson(dev: NetDevice, stats: boolean): Json {
  return { ...headJson(dev, true, true), ...(stats ? { stats64: statsJson(dev) } : {}) };
}

/** What `ip -j addr` says of a device. */
export function addrJson(dev: NetDevice, families: { readonly v4: boolean; readonly v6: boolean }, stats: boolean): Json {
  const { now } = dev.net.cpu;
  const info = [
    ...(families.v4 ? inetAddrs(dev).map((a) => ({
      family: 'inet', local: formatIpv4(a.addr), prefixlen: a.prefixLen,
      ...(a.broadcast === 0 ? {} : { broadcast: formatIpv4(a.broadcast) }), scope: scopeName(a.scope),
      ...(a.secondary ? { secondary: true } : {}), label: a.label, valid_life_time: FOREVER, preferred_life_time: FOREVER,
    })) : []),
    ...(families.v6 ? inet6Addrs(dev).map((a) => ({
      family: 'inet6', local: formatIpv6(a.addr), prefixlen: a.prefixLen, scope: scope6Name(a),
      ...(a.tentative ? { tentative: true } : {}), ...(a.dadFailed ? { dadfailed: true } : {}),
      ...(a.deprecated ? { deprecated: true } : {}),
      ...(a.autoconf ? { dynamic: true, mngtmpaddr: true } : {}), ...(a.noPrefixRoute ? { noprefixroute: true } : {}),
      valid_life_time: seconds(a.validUntil, now), preferred_life_time: a.deprecated ? 0 : seconds(a.preferredUntil, now),
    })) : []),
  ];
  return { ...headJson(dev, false, families.v4 && families.v6), addr_info: info, ...(stats ? { stats64: statsJson(dev) } : {}) };
}

/** `ip -j -br`: name, state, and addresses or the hardware address. */
export function briefJson(dev: NetDevice, families: { readonly v4: boolean; readonly v6: boolean } | null): Json {
  const head = { ...below(dev), ifname: dev.name, operstate: linkState(dev) };
  if (families === null) return { ...head, address: formatMac(dev.addr), flags: deviceFlags(dev) };
  return {
    ...head,
    addr_info: [
      ...(families.v4 ? inetAddrs(dev).map((a) => ({ local: formatIpv4(a.addr), prefixlen: a.prefixLen })) : []),
      ...(families.v6 ? inet6Addrs(dev).map((a) => ({ local: formatIpv6(a.addr), prefixlen: a.prefixLen })) : []),
    ],
  };
}

/** What `ip -j neigh` says of a neighbour. */
export function neighJson(n: Neighbour, state: string, stats: boolean): Json {
  const now = Math.max(n.dev.net.cpu.now, n.dev.net.sim.now);
  const since = (then: number): number => Math.max(0, Math.floor((now - then) / NS_PER_SEC));
  return {
    dst: n.addr6 === null ? formatIpv4(n.addr) : formatIpv6(n.addr6), dev: n.dev.name,
    ...((n.state & NUD_VALID) === 0 ? {} : { lladdr: formatMac(n.ha) }), ...(n.isRouter ? { router: null } : {}),
    ...(stats ? { used: since(n.used), confirmed: since(n.confirmed), updated: since(n.updated), probes: n.probes } : {}),
    state: [state],
  };
}

/** What `ip -j maddr` says of a device. */
export function maddrJson(dev: NetDevice): Json {
  const users = (n: number): Json => (n > 1 ? { users: n } : {});
  const v4 = dev.inDev === null ? [] : [...(dev.inDev as InDevice).groups.values()];
  const v6 = in6DevOf(dev)?.groups ?? [];
  return {
    ifindex: dev.ifindex, ifname: dev.name,
    maddr: [
      ...dev.mcAddrs.map((mc) => ({ link: formatMac(mc.addr), ...users(mc.users) })),
      ...v4.map((g) => ({ family: 'inet', address: formatIpv4(g.group), ...users(g.members.length) })),
      ...(dev.inDev === null ? [] : [{ family: 'inet', address: formatIpv4(INADDR_ALLHOSTS) }]),
      ...v6.map((g) => ({ family: 'inet6', address: formatIpv6(g.addr), ...users(g.users) })),
    ],
  };
}

/** The keys of the words on a route's line. */
const ROUTE_KEYS: Readonly<Record<string, string>> = {
  via: 'gateway', dev: 'dev', table: 'table', proto: 'protocol', scope: 'scope', src: 'prefsrc', metric: 'metric', from: 'from', iif: 'iif',
  pref: 'pref', expires: 'expires', error: 'error', uid: 'uid',
};
const ROUTE_METRICS: readonly string[] = [
  'mtu', 'advmss', 'window', 'initcwnd', 'initrwnd', 'features', 'fastopen_no_cookie', 'congctl', 'rto_min', 'quickack', 'hoplimit',
];
/** Words that stand alone. */
const ROUTE_FLAGS: readonly string[] = ['onlink', 'linkdown', 'dead', 'pervasive'];

/** A route's line, such as `default via 10.0.0.1 dev eth0 metric 5`, as `ip -j route` says it. */
export function routeJson(line: string): Json {
  const words = line.trim().split(/\s+/);
  const asked = words.includes('cache');
  const out: Json = {};
  const flags: string[] = [];
  const metrics: Json = {};
  const cache: string[] = [];
  const first = words[0]!;
  if (Object.hasOwn(ROUTE_TYPES, first)) out['type'] = words.shift();
  out['dst'] = words.shift();
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (ROUTE_FLAGS.includes(word)) flags.push(word);
    else if (word === 'cache') cache.push(...takeCache(words));
    else if (ROUTE_METRICS.includes(word)) {
      const locked = words[0] === 'lock';
      if (locked) words.shift();
      metrics[word] = numeric(words.shift() ?? '');
      if (locked) metrics[`${word}_lock`] = true;
    } else {
      const key = ROUTE_KEYS[word] ?? word;
      out[key] = key === 'protocol' || key === 'gateway' || key === 'dev' || key === 'table' ? words.shift() : numeric(words.shift() ?? '');
    }
  }
  out['flags'] = flags;
  if (asked) out['cache'] = cache;
  if (Object.keys(metrics).length > 0) out['metrics'] = [metrics];
  return out;
}

/** `<redirected> `: what a route that was asked for says of its cache entry. */
function takeCache(words: string[]): string[] {
  const m = /^<(.*)>$/.exec(words[0] ?? '');
  if (m === null) return [];
  words.shift();
  return m[1]!.split(',');
}

function numeric(word: string): string | number {
  return /^\d+(sec)?$/.test(word) ? parseInt(word, 10) : word;
}

function below(dev: NetDevice): Json {
  const lower = lowerDevice(dev);
  return lower === null ? {} : { link: lower };
}

/** `hardware`: with the link's type and addresses, which ip(8) leaves out when one family is asked for. */
function headJson(dev: NetDevice, mode: boolean, hardware: boolean): Json {
  const loopback = dev.type === ARPHRD_LOOPBACK;
  return {
    ifindex: dev.ifindex, ...below(dev), ifname: dev.name, flags: deviceFlags(dev), mtu: dev.mtu,
    qdisc: dev.qdisc?.kind ?? (dev.up ? 'noqueue' : 'noop'), operstate: linkState(dev), ...(mode ? { linkmode: 'DEFAULT' } : {}),
    group: 'default', txqlen: dev.txQueueLen,
    ...(hardware ? {
      link_type: loopback ? 'loopback' : 'ether', address: formatMac(dev.addr),
      broadcast: loopback ? '00:00:00:00:00:00' : formatMac(dev.broadcast),
    } : {}),
  };
}

function statsJson({ stats: s }: NetDevice): Json {
  return {
    rx: {
      bytes: s.rxBytes, packets: s.rxPackets, errors: s.rxErrors, dropped: s.rxDropped, over_errors: s.rxFifoErrors, multicast: s.multicast,
    },
    tx: { bytes: s.txBytes, packets: s.txPackets, errors: s.txErrors, dropped: s.txDropped, carrier_errors: 0, collisions: 0 },
  };
}

function seconds(until: number, now: number): number {
  return until === 0 ? FOREVER : Math.max(0, Math.floor((until - now) / NS_PER_SEC));
}
