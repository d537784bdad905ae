/**
 * `ip -6 route`: shows, changes and asks (iproute2's iproute.c).
 *
 *     ip -6 route [show] [[root|match|exact] PREFIX] [table T] [dev DEV] [via ADDR] [src ADDR] [proto P] [type T] [metric N]
 *     ip -6 route add|replace|change|append|prepend|del [TYPE] PREFIX [via ADDR] [dev DEV] [src ADDR] [metric N] [proto P]
 *                [mtu N] [expires SEC] [pref low|medium|high]
 *     ip -6 route flush SELECTOR                      ip -6 route get ADDR [from ADDR] [iif DEV] [oif DEV]
 */
import {
  formatIpv6, formatIpv6Prefix, in6Any, in6Equal, in6InPrefix, in6IsAny, in6IsLoopback, in6Prefix, in6WriteAt, type In6Addr,
  type Ipv6Prefix,
} from '../../lib/addr6.ts';
import { EHOSTUNREACH, EINVAL, ENETDOWN, ENODEV } from '../../lib/errno.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { RTN_LOCAL, RTN_UNICAST, RTPROT_BOOT } from '../../ip/fib.ts';
import type { Fib6Route } from '../../ip/v6/fib6.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { ip6FibLookup, ip6RouteInput, ip6RouteOutput, type Rt6Info } from '../../ip/v6/route.ts';
import { ip6RouteAdd, ip6RouteDel, type Route6AddHow } from '../../ip/v6/route-admin.ts';
import { RTN_ANYCAST } from '../../ip/v6/rtn.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { text, ToolError, type ToolHost } from './command.ts';
import {
  dstMetric, METRIC_WORDS, nameOf, NO_METRICS, PROTOCOLS, protocolOf, ROUTE_TYPES, ROUTE_VERBS, showDstMetrics, tableOf, typeOf,
} from './ip-route.ts';
import { IpWords, rtnetlink, showPrefix6, strerror, verbOf } from './ip-words.ts';
import { lifetime } from './ip6.ts';

const TOOL = 'ip -6 route';
const PREFS: readonly string[] = ['low', 'medium', 'high'];

/** `ip -6 route` with its words. */
export function ip6Route(host: ToolHost, words: readonly string[]): string {
  const verb = words.length === 0 ? 'show' : verbOf(words[0]!, ROUTE_VERBS);
  const w = new IpWords(host, TOOL, verb === '' ? words : words.slice(1));
  switch (verb) {
    case 'get': return routeGet(w);
    case 'flush': return flush(w);
    case 'delete': return remove(w);
    case 'add': case 'replace': case 'append': case 'prepend': return add(w, verb);
    case 'change': case 'chg': return add(w, 'change');
    case '':
      if (!/^(table|dev|via|src|proto|type|root|match|exact|to|default|[\da-f]*:[\da-f:.]*(\/\d+)?)$/i.test(words[0]!)) {
        throw w.error(`Command "${words[0]!}" is unknown; expected show, get, add, replace, change, append, prepend, del or flush`);
      }
  }
  const { now } = host.net.cpu;
  return text(select(w).map((r) => showRoute(r, now)));
}

function ipv6(w: IpWords): Ipv6 {
  return w.host.net.inet6 as Ipv6;
}

// ---- showing --------------------------------------------------------------------------------------------------------

type Test = (r: Fib6Route) => boolean;

/** The routes that a line means: those that pass every test. */
function select(w: IpWords): Fib6Route[] {
  const tests: Test[] = [];
  let table = 'main';
  while (!w.done) {
    const key = w.accept(['to', 'root', 'match', 'exact', 'table', 'dev', 'oif', 'via', 'src', 'protocol', 'type', 'metric'], 2);
    switch (key) {
      case 'to': break;
      case 'table': table = tableOf(w, true); break;
      case 'root': case 'match': case 'exact': case '': tests.push(inPrefix(key, w.prefix6())); break;
      default: tests.push(selector(w, key));
    }
  }
  const { fib } = ipv6(w);
  const all = table === 'local' ? fib.local.all() : table === 'all' ? [...fib.main.all(), ...fib.local.all()] : fib.main.all();
  // The way to ::1 is every host's; ip(8) shows it with the local table only.
  return all.filter((r) => (table !== 'main' || !in6IsLoopback(r.dst)) && tests.every((test) => test(r)));
}

function selector(w: IpWords, key: string): Test {
  switch (key) {
    case 'dev': case 'oif': {
      const dev = w.device();
      return (r) => r.dev === dev;
    }
    case 'via': {
      w.accept(['inet6'], 5);
      const via = w.address6();
      return (r) => r.gateway !== null && in6Equal(r.gateway, via);
    }
    case 'src': {
      const src = w.address6();
      return (r) => r.src !== null && in6Equal(r.src, src);
    }
    case 'protocol': {
      const protocol = protocolOf(w);
      return (r) => r.protocol === protocol;
    }
    case 'type': {
      const type = typeOf(w);
      return (r) => r.type === type;
    }
    default: {
      const metric = w.number('metric', 0, 0xffffffff);
      return (r) => r.metric === metric;
    }
  }
}

function inPrefix(how: string, p: Ipv6Prefix): Test {
  const len = lengthOf(p);
  if (how === 'root') return (r) => r.prefixLen >= len && in6InPrefix(r.dst, p.addr, len);
  if (how === 'match') return (r) => r.prefixLen <= len && in6InPrefix(p.addr, r.dst, r.prefixLen);
  return (r) => r.prefixLen === len && in6Equal(r.dst, p.addr);
}

function lengthOf(p: Ipv6Prefix): number {
  return p.prefixLen < 0 ? 128 : p.prefixLen;
}

/** `fd00::/64 dev eth0 proto kernel metric 256 pref medium` */
function showRoute(r: Fib6Route, now: number): string {
  const to = r.prefixLen === 0 ? 'default' : r.prefixLen === 128 ? formatIpv6(r.dst) : formatIpv6Prefix(r.dst, r.prefixLen);
  let s = kindOf(r.type) + to;
  if (r.gateway !== null) s += ` via ${formatIpv6(r.gateway)}`;
  s += ` dev ${r.dev?.name ?? 'lo'}`;
  if (r.protocol !== RTPROT_BOOT) s += ` proto ${nameOf(PROTOCOLS, r.protocol)}`;
  if (r.src !== null) s += ` src ${formatIpv6(r.src)}`;
  s += ` metric ${String(r.metric)}`;
  if (r.expires !== 0) s += ` expires ${lifetime(r.expires, now)}`;
  if (r.mtu !== 0) s += ` mtu ${String(r.mtu)}`;
  if (r.metrics !== null) s += showDstMetrics(r.metrics);
  return `${s} pref ${PREFS[1 + Math.sign(r.pref)]!}`;
}

function kindOf(type: number): string {
  return type === RTN_UNICAST ? '' : type === RTN_ANYCAST ? 'anycast ' : `${nameOf(ROUTE_TYPES, type)} `;
}

// ---- changing -------------------------------------------------------------------------------------------------------

const WORDS: readonly string[] = [
  'to', 'via', 'dev', 'oif', 'src', 'metric', 'priority', 'preference', 'protocol', 'scope', 'table', 'mtu', 'expires', 'pref', 'nexthop',
  'onlink', ...METRIC_WORDS, 'hoplimit', 'from', 'nhid', 'realms', 'encap',
];

/** A route as a line says it; of what was not said nothing stands in it. */
interface Parsed {
  route: { -readonly [K in keyof Fib6Route]?: Fib6Route[K] };
  prefix: Ipv6Prefix | null;
}

function parseRoute(w: IpWords): Parsed {
  const p: Parsed = { route: {}, prefix: null };
  const { route } = p;
  while (!w.done) {
    if (p.prefix === null && route.type === undefined && Object.hasOwn(ROUTE_TYPES, w.peek())) {
      route.type = typeOf(w);
      continue;
    }
    const word = w.peek();
    const key = w.accept(WORDS, 2);
    switch (key) {
      case 'to': break;
      case 'via':
        w.accept(['inet6'], 5);
        route.gateway = w.address6();
        break;
      case 'dev': case 'oif': route.dev = w.device(); break;
      case 'src': route.src = w.address6(); break;
      case 'metric': case 'priority': case 'preference': route.metric = w.number('metric', 0, 0xffffffff); break;
      case 'protocol': route.protocol = protocolOf(w); break;
      case 'scope': w.scope(); break; // as in Linux: IPv6's routes have none
      case 'table':
        if (tableOf(w, false) === 'local') throw w.error('Error: argument "local" is wrong: that table follows from the addresses');
        break;
      case 'mtu': route.mtu = w.number('mtu', IPV6_MIN_MTU, 65575); break;
      case 'expires': route.expires = w.host.net.cpu.now + w.number('expires', 1, 0xffffffff / 1000) * NS_PER_SEC; break;
      case 'pref': route.pref = prefOf(w); break;
      case '':
        if (p.prefix !== null) throw w.error(`Error: either "to" is duplicate, or "${word}" is a garbage.`);
        p.prefix = w.prefix6();
        break;
      default:
        if (!METRIC_WORDS.includes(key)) {
          throw w.error(`Error: "${key}" is not supported for IPv6 routes; expected via, dev, src, metric, proto, mtu, expires, pref, `
            + METRIC_WORDS.join(', '));
        }
        route.metrics = { ...(route.metrics ?? NO_METRICS), ...dstMetric(w, key) };
    }
  }
  if (p.prefix === null) throw w.error('Command line is not complete: a prefix such as fd00::/8 or default is expected. Try option "help"');
  if (route.type === RTN_LOCAL) throw w.error('Error: argument "local" is wrong: such routes follow from the addresses');
  return p;
}

function prefOf(w: IpWords): number {
  const word = w.next('a preference');
  if (PREFS.includes(word)) return PREFS.indexOf(word) - 1;
  throw w.error(`Error: argument "${word}" is wrong: "pref" value is invalid; expected low, medium or high`);
}

const TEXTS: Readonly<Record<number, string>> = {
  [ENETDOWN]: 'Device for nexthop is not up.', [ENODEV]: 'Nexthop device is missing: via or dev.',
  [EHOSTUNREACH]: 'Nexthop has invalid gateway: it is not on a link of this host.',
};

function add(w: IpWords, how: Route6AddHow): string {
  const { route, prefix } = parseRoute(w);
  const prefixLen = lengthOf(prefix!);
  const dst = prefix!.addr;
  if (!in6Equal(in6Prefix(dst, prefixLen), dst)) throw w.error(`Error: Invalid prefix for given prefix length: ${showPrefix6(prefix!)}`);
  rtnetlink(w.host, TOOL, () => ip6RouteAdd(ipv6(w), { ...route, dst, prefixLen }, how), {
    ...TEXTS, [EINVAL]: route.src !== undefined ? 'Invalid source address.'
      : 'Nexthop has invalid gateway: one of this host, a group, or a link-local one without dev.',
  });
  return '';
}

/** Removes the first route that agrees in all that is said; without a metric, of any. */
function remove(w: IpWords): string {
  const { route, prefix } = parseRoute(w);
  const { mtu: _mtu, expires: _expires, pref: _pref, metrics: _metrics, ...filter } = route;
  rtnetlink(w.host, TOOL, () => ip6RouteDel(ipv6(w), { ...filter, dst: prefix!.addr, prefixLen: lengthOf(prefix!) }));
  return '';
}

function flush(w: IpWords): string {
  if (w.done) throw w.error('"ip -6 route flush" requires arguments.');
  const { fib } = ipv6(w);
  if (w.accept(['cache'], 5) !== '') {
    rtnetlink(w.host, TOOL, () => (fib.generation++, 0));
    return '';
  }
  const gone = new Set(select(w));
  rtnetlink(w.host, TOOL, () => {
    fib.main.removeAll((r) => gone.has(r));
    fib.local.removeAll((r) => gone.has(r));
    fib.generation++;
    return 0;
  });
  return '';
}

// ---- asking ---------------------------------------------------------------------------------------------------------

function routeGet(w: IpWords): string {
  const ip6 = ipv6(w);
  let to: In6Addr | null = null;
  let from: In6Addr | null = null;
  let oif = 0;
  let iif: NetDevice | null = null;
  while (!w.done) {
    switch (w.accept(['to', 'from', 'iif', 'oif', 'dev'], 2)) {
      case 'to': break;
      case 'from': from = w.address6(); break;
      case 'iif': iif = w.device(); break;
      case 'oif': case 'dev': oif = w.device().ifindex; break;
      default: {
        if (to !== null) throw w.garbage('from, iif, oif or nothing more');
        const p = w.prefix6();
        if (lengthOf(p) !== 128) throw w.error('Error: an address is expected, not a prefix');
        to = p.addr;
      }
    }
  }
  if (to === null) throw w.error('need at least a destination address');
  const rt = iif === null ? ip6RouteOutput(ip6, to, from, oif) : routeInput(ip6, to, iif);
  if (typeof rt === 'number') throw new ToolError(`${TOOL}: RTNETLINK answers: ${strerror(rt)}`);
  return text([showGet(ip6, rt, from, iif)]);
}

/** The way of a packet that came in by `dev`: for this host, or the way out of it. */
function routeInput(ip6: Ipv6, to: In6Addr, dev: NetDevice): Rt6Info | number {
  const bytes = new Uint8Array(16);
  in6WriteAt(to, bytes, 0);
  const rt = ip6RouteInput(ip6, bytes, 0, dev);
  if (rt.type === RTN_UNICAST) return rt.forward ?? -EHOSTUNREACH;
  return rt.type === RTN_LOCAL || rt.type === RTN_ANYCAST ? rt : -EHOSTUNREACH;
}

function showGet(ip6: Ipv6, rt: Rt6Info, from: In6Addr | null, iif: NetDevice | null): string {
  const route = ip6FibLookup(ip6, rt.dst, rt.type === RTN_UNICAST ? rt.dev.ifindex : 0);
  const via = rt.gateway === null ? '' : ` via ${formatIpv6(rt.gateway)}`;
  const proto = route === null || route.protocol === RTPROT_BOOT ? '' : ` proto ${nameOf(PROTOCOLS, route.protocol)}`;
  const src = in6IsAny(rt.src) ? '' : ` src ${formatIpv6(rt.src)}`;
  const left = Math.ceil((rt.pmtuExpires - ip6.net.cpu.now) / NS_PER_SEC);
  const mtu = rt.pmtu !== 0 && left > 0 ? ` expires ${String(left)}sec mtu ${String(rt.pmtu)}` : '';
  const table = rt.type === RTN_UNICAST ? '' : ' table local';
  return `${kindOf(rt.type)}${formatIpv6(rt.dst)} from ${formatIpv6(from ?? in6Any)}${via} dev ${rt.dev.name}${table}${proto}${src}`
    + ` metric ${String(route?.metric ?? 0)}${mtu}${iif === null ? '' : ` iif ${iif.name}`}`
    + ` pref ${PREFS[1 + Math.sign(route?.pref ?? 0)]!}`;
}
