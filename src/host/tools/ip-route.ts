/**
 * `ip route`: shows, changes and asks (iproute2's iproute.c).
 *
 *     ip route [show] [[root|match|exact] PREFIX] [table T] [dev DEV] [via ADDR] [src ADDR] [proto P] [scope S] [type T]
 *     ip route add|replace|change|append|prepend|del [TYPE] PREFIX [via ADDR] [dev DEV] [src ADDR] [metric N] [proto P] [scope S]
 *              [onlink] [mtu [lock] N] [advmss N] [window N] [initcwnd N] [initrwnd N] [features ecn]
 *              [fastopen_no_cookie N] [congctl [lock] NAME] [table T]
 *     ip route flush SELECTOR | cache                 ip route get ADDR [from ADDR] [iif DEV] [oif DEV]
 */
import { formatIpv4, formatIpv4Prefix, ipv4InPrefix, ipv4Mask, type Ipv4Prefix } from '../../lib/addr.ts';
import { EINVAL, ENETDOWN, ENETUNREACH, ENODEV } from '../../lib/errno.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { dropName } from '../../skb/drop-reason.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import {
  RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_THROW,
  RTN_UNICAST, RTN_UNREACHABLE, RTPROT_BOOT, RTPROT_DHCP, RTPROT_KERNEL, RTPROT_STATIC, type FibFilter, type FibRoute,
  type RouteMetrics,
} from '../../ip/fib.ts';
import { RTPROT_RA, RTPROT_REDIRECT } from '../../ip/v6/rtn.ts';
import { ipRouteInput } from '../../ip/route-input.ts';
import { ipRouteOutput, routeAdd, routeDel, rtCacheFlush, type RouteAddHow, type Rtable } from '../../ip/route.ts';
import type { DstMetrics } from '../../sock/dst.ts';
import { tcpAvailableCongestionControl } from '../../tcp/cong/cong.ts';
import { text, ToolError, type ToolHost } from './command.ts';
import { IpWords, rtnetlink, showPrefix, strerror, verbOf } from './ip-words.ts';

/** The verbs of `ip route`, in iproute2's order. */
export const ROUTE_VERBS: readonly string[] = [
  'list', 'show', 'lst', 'get', 'add', 'change', 'chg', 'replace', 'prepend', 'append', 'delete', 'flush',
];

/** The types of routes, by iproute2's names. */
export const ROUTE_TYPES: Readonly<Record<string, number>> = {
  unicast: RTN_UNICAST, local: RTN_LOCAL, broadcast: RTN_BROADCAST, multicast: RTN_MULTICAST, blackhole: RTN_BLACKHOLE,
  unreachable: RTN_UNREACHABLE, prohibit: RTN_PROHIBIT, throw: RTN_THROW,
};

/** Who made a route, by iproute2's names. */
export const PROTOCOLS: Readonly<Record<string, number>> = {
  redirect: RTPROT_REDIRECT, kernel: RTPROT_KERNEL, boot: RTPROT_BOOT, static: RTPROT_STATIC, ra: RTPROT_RA, dhcp: RTPROT_DHCP,
};

/** `ip route` with its words. */
export function ipRoute(host: ToolHost, words: readonly string[]): string {
  const verb = words.length === 0 ? 'show' : verbOf(words[0]!, ROUTE_VERBS);
  const w = new IpWords(host, 'ip route', verb === '' ? words : words.slice(1));
  switch (verb) {
    case 'get': return routeGet(w);
    case 'flush': return flush(w);
    case 'delete': return remove(w);
    case 'add': case 'replace': case 'append': case 'prepend': return add(w, verb);
    case 'change': case 'chg': return add(w, 'change');
    case '':
      // Selectors without `show`; iproute2 wants the word.
      if (!/^(table|dev|via|src|proto|scope|type|root|match|exact|to|default|[\d.]+(\/\d+)?)$/.test(words[0]!)) {
        throw w.error(`Command "${words[0]!}" is unknown; expected show, get, add, replace, change, append, prepend, del or flush`);
      }
  }
  return text(select(w).map((r) => showRoute(r)));
}

// ---- showing --------------------------------------------------------------------------------------------------------

/** Which routes are meant. */
interface Selector {
  table: string;
  root: Ipv4Prefix | null;
  match: Ipv4Prefix | null;
  exact: Ipv4Prefix | null;
  filter: FibFilter;
}

function parseSelector(w: IpWords): Selector {
  const s: Selector = { table: 'main', root: null, match: null, exact: null, filter: {} };
  while (!w.done) {
    switch (w.accept(['to', 'root', 'match', 'exact', 'table', 'dev', 'oif', 'via', 'src', 'protocol', 'scope', 'type', 'metric'], 2)) {
      case 'to': break;
      case 'root': s.root = w.prefix(); break;
      case 'match': s.match = w.prefix(); break;
      case 'table': s.table = tableOf(w, true); break;
      case 'dev': case 'oif': s.filter.dev = w.device(); break;
      case 'via': s.filter.gateway = w.address(); break;
      case 'src': s.filter.src = w.address(); break;
      case 'protocol': s.filter.protocol = protocolOf(w); break;
      case 'scope': s.filter.scope = w.scope(); break;
      case 'type': s.filter.type = typeOf(w); break;
      case 'metric': s.filter.metric = w.number('metric', 0, 0xffffffff); break;
      case 'exact': s.exact = w.prefix(); break;
      default: s.exact = w.prefix();
    }
  }
  return s;
}

function select(w: IpWords): FibRoute[] {
  const s = parseSelector(w);
  const { fib } = w.host.ip;
  const all = s.table === 'local' ? fib.local.all() : s.table === 'all' ? [...fib.main.all(), ...fib.local.all()] : fib.main.all();
  return all.filter((r) => wanted(r, s));
}

function wanted(r: FibRoute, s: Selector): boolean {
  for (const [key, value] of Object.entries(s.filter)) if (r[key as keyof FibRoute] !== value) return false;
  if (s.exact !== null && !(r.dst === s.exact.addr && r.prefixLen === lengthOf(s.exact))) return false;
  if (s.root !== null && !(r.prefixLen >= lengthOf(s.root) && ipv4InPrefix(r.dst, s.root.addr, lengthOf(s.root)))) return false;
  return s.match === null || (r.prefixLen <= lengthOf(s.match) && ipv4InPrefix(s.match.addr, r.dst, r.prefixLen));
}

function lengthOf(p: Ipv4Prefix): number {
  return p.prefixLen < 0 ? 32 : p.prefixLen;
}

/** `10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1` */
function showRoute(r: FibRoute): string {
  const type = r.type === RTN_UNICAST ? '' : `${nameOf(ROUTE_TYPES, r.type)} `;
  let s = type + (r.prefixLen === 0 ? 'default' : r.prefixLen === 32 ? formatIpv4(r.dst) : formatIpv4Prefix(r.dst, r.prefixLen));
  if (r.gateway !== 0) s += ` via ${formatIpv4(r.gateway)}`;
  if (r.dev !== null) s += ` dev ${r.dev.name}`;
  if (r.protocol !== RTPROT_BOOT) s += ` proto ${nameOf(PROTOCOLS, r.protocol)}`;
  if (r.scope === RT_SCOPE_HOST) s += ' scope host';
  else if (r.scope === RT_SCOPE_LINK) s += ' scope link';
  if (r.src !== 0) s += ` src ${formatIpv4(r.src)}`;
  if (r.metric !== 0) s += ` metric ${String(r.metric)}`;
  if (r.onlink) s += ' onlink';
  return s + showMetrics(r.metrics);
}

function showMetrics(m: RouteMetrics | null): string {
  if (m === null) return '';
  const mtu = m.mtu === 0 ? '' : ` mtu ${m.mtuLock ? 'lock ' : ''}${String(m.mtu)}`;
  return mtu + showDstMetrics(m);
}

/** What a route of either family says about its path, but for the MTU. */
export function showDstMetrics(m: DstMetrics): string {
  const rest = (['window', 'advmss', 'initcwnd', 'initrwnd'] as const).filter((name) => m[name] !== 0);
  return rest.map((name) => ` ${name} ${String(m[name])}`).join('') + (m.ecn === true ? ' features ecn' : '')
    + (m.fastopenNoCookie === true ? ' fastopen_no_cookie 1' : '')
    + (m.congctl === '' ? '' : ` congctl ${m.congctlLock ? 'lock ' : ''}${m.congctl}`);
}

/** The name of a value. */
export function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}

// ---- words ----------------------------------------------------------------------------------------------------------

/** Takes a table; `all` where that is one, too. */
export function tableOf(w: IpWords, all: boolean): string {
  const word = w.next('a table');
  if (word === 'main' || word === '254') return 'main';
  if (word === 'local' || word === '255') return 'local';
  if (word === 'all' && all) return 'all';
  throw w.error(`Error: argument "${word}" is wrong: table id value is invalid; expected main or local${all ? ' or all' : ''}`);
}

/** Takes a protocol. */
export function protocolOf(w: IpWords): number {
  const word = w.next('a protocol');
  if (Object.hasOwn(PROTOCOLS, word)) return PROTOCOLS[word]!;
  if (/^\d+$/.test(word) && Number(word) < 256) return Number(word);
  throw w.error(`Error: argument "${word}" is wrong: "protocol" value is invalid; expected kernel, boot, static, ra, dhcp or a number`);
}

/** Takes the type of a route. */
export function typeOf(w: IpWords): number {
  const word = w.next('a type');
  if (Object.hasOwn(ROUTE_TYPES, word)) return ROUTE_TYPES[word]!;
  throw w.error(`Error: argument "${word}" is wrong: node type value is invalid; expected ${Object.keys(ROUTE_TYPES).join(', ')}`);
}

/** A path of which nothing is said. */
export const NO_METRICS: DstMetrics = { advmss: 0, window: 0, initcwnd: 0, initrwnd: 0, congctl: '', congctlLock: false };

/** The words of `dstMetric`. */
export const METRIC_WORDS: readonly string[] = ['advmss', 'window', 'initcwnd', 'initrwnd', 'fastopen_no_cookie', 'features', 'congctl'];

/** Takes what `key` says about the path, whatever the family. */
export function dstMetric(w: IpWords, key: string): Partial<DstMetrics> {
  switch (key) {
    case 'fastopen_no_cookie': return { fastopenNoCookie: w.number(key, 0, 1) === 1 };
    case 'features':
      if (w.accept(['ecn'], 3) === '') throw w.error('Error: argument "features" is wrong: ecn is expected');
      return { ecn: true };
    case 'congctl': return { congctlLock: w.accept(['lock'], 4) !== '', congctl: congctlOf(w) };
    default: return { [key]: w.number(key, 0, 0xffffff) };
  }
}

/** Takes the name of a congestion control. */
function congctlOf(w: IpWords): string {
  const name = w.next('a congestion control');
  const names = tcpAvailableCongestionControl().map((ca) => ca.name);
  if (names.includes(name)) return name;
  throw w.error(`Error: argument "${name}" is wrong: "congctl" value is an invalid congestion control; expected ${names.join(', ')}`);
}

/** A route as a line says it. */
interface Parsed {
  route: Partial<FibRoute>;
  prefix: Ipv4Prefix | null;
}

const ROUTE_WORDS: readonly string[] = [
  'to', 'via', 'dev', 'oif', 'src', 'metric', 'priority', 'preference', 'protocol', 'scope', 'table', 'onlink', 'mtu', ...METRIC_WORDS,
  'nexthop', 'tos', 'dsfield', 'nhid', 'realms',
];

function parseRoute(w: IpWords): Parsed {
  const p: Parsed = { route: {}, prefix: null };
  const { route } = p;
  let m: RouteMetrics = { mtu: 0, mtuLock: false, ...NO_METRICS };
  let local = false;
  while (!w.done) {
    const word = w.peek();
    if (p.prefix === null && route.type === undefined && Object.hasOwn(ROUTE_TYPES, word)) {
      route.type = typeOf(w);
      continue;
    }
    const key = w.accept(ROUTE_WORDS, 2);
    switch (key) {
      case 'to': break;
      case 'via':
        w.accept(['inet'], 4);
        route.gateway = w.address();
        break;
      case 'dev': case 'oif': route.dev = w.device(); break;
      case 'src': route.src = w.address(); break;
      case 'metric': case 'priority': case 'preference': route.metric = w.number('metric', 0, 0xffffffff); break;
      case 'protocol': route.protocol = protocolOf(w); break;
      case 'scope': route.scope = w.scope(); break;
      case 'table': local = tableOf(w, false) === 'local'; break;
      case 'onlink': route.onlink = true; break;
      case 'mtu': m = { ...m, mtuLock: w.accept(['lock'], 4) !== '', mtu: w.number('mtu', 68, 65535) }; break;
      case '':
        if (p.prefix !== null) throw w.error(`Error: either "to" is duplicate, or "${word}" is a garbage.`);
        p.prefix = w.prefix();
        break;
      default:
        if (METRIC_WORDS.includes(key)) m = { ...m, ...dstMetric(w, key) };
        else throw w.error(`Error: "${key}" is not supported: a route has one next hop, and looks at the destination only`);
    }
  }
  if (Object.values(m).some((v) => v !== 0 && v !== false && v !== '')) route.metrics = m;
  if (local && route.type !== RTN_LOCAL && route.type !== RTN_BROADCAST) {
    throw w.error('Error: argument "local" is wrong: that table has routes of the types local and broadcast');
  }
  return p;
}

// ---- changing -------------------------------------------------------------------------------------------------------

const ADD_TEXTS: Readonly<Record<number, string>> = {
  [ENETUNREACH]: 'Nexthop has invalid gateway.', [ENETDOWN]: 'Device for nexthop is not up.',
  [ENODEV]: 'Nexthop device is missing: via or dev.',
};

function add(w: IpWords, how: RouteAddHow): string {
  const { route, prefix } = parseRoute(w);
  if (prefix === null) throw w.error('Command line is not complete: a prefix such as 10.0.0.0/8 or default is expected. Try option "help"');
  const prefixLen = lengthOf(prefix);
  const dst = prefix.addr;
  if ((dst & ~ipv4Mask(prefixLen)) !== 0) throw w.error(`Error: Invalid prefix for given prefix length: ${showPrefix(prefix)}`);
  rtnetlink(w.host, w.tool, () => routeAdd(w.host.ip, { ...route, dst, prefixLen }, how), {
    ...ADD_TEXTS, [EINVAL]: route.src !== undefined ? 'Invalid prefsrc address.' : 'Nexthop has invalid gateway: it is one of this host.',
  });
  return '';
}

/** Removes the first route that agrees in all that is said; without a metric, of any. */
function remove(w: IpWords): string {
  const { route, prefix } = parseRoute(w);
  if (prefix === null) throw w.error('Command line is not complete: a prefix such as 10.0.0.0/8 or default is expected. Try option "help"');
  const { metrics: _metrics, onlink: _onlink, ...filter } = route;
  rtnetlink(w.host, w.tool, () => routeDel(w.host.ip, { ...filter, dst: prefix.addr, prefixLen: lengthOf(prefix) }));
  return '';
}

function flush(w: IpWords): string {
  if (w.done) throw w.error('"ip route flush" requires arguments.');
  const { host } = w;
  if (w.accept(['cache'], 5) !== '') {
    rtnetlink(host, w.tool, () => (rtCacheFlush(host.ip), 0));
    return '';
  }
  const gone = select(w);
  const { fib } = host.ip;
  rtnetlink(host, w.tool, () => {
    for (const r of gone) if (fib.main.remove(r) === null) fib.local.remove(r);
    fib.generation++;
    return 0;
  });
  return '';
}

// ---- asking ---------------------------------------------------------------------------------------------------------

function routeGet(w: IpWords): string {
  const { host } = w;
  let to: number | null = null;
  let [from, oif] = [0, 0];
  let iif: NetDevice | null = null;
  while (!w.done) {
    switch (w.accept(['to', 'from', 'iif', 'oif', 'dev'], 2)) {
      case 'to': break;
      case 'from': from = w.address(); break;
      case 'iif': iif = w.device(); break;
      case 'oif': case 'dev': oif = w.device().ifindex; break;
      default: {
        if (to !== null) throw w.garbage('from, iif, oif or nothing more');
        const word = w.next('an address');
        to = host.resolve(word.replace(/\/32$/, ''));
        if (to === null) throw w.error(`Error: any valid prefix is expected rather than "${word}", an address or the name of a host`);
      }
    }
  }
  if (to === null) throw w.error('need at least a destination address');
  const rt = iif === null ? ipRouteOutput(host.ip, to, from, oif) : ipRouteInput(host.ip, to, from, iif);
  if (iif !== null && typeof rt === 'number') {
    throw new ToolError(`ip route: RTNETLINK answers: Invalid argument (${dropName(rt)})`);
  }
  const error = typeof rt === 'number' ? rt : rt.error;
  if (error !== 0) throw new ToolError(`ip route: RTNETLINK answers: ${strerror(error)}`);
  return showGet(host, rt as Rtable, from, iif);
}

function showGet(host: ToolHost, rt: Rtable, from: number, iif: NetDevice | null): string {
  const via = rt.gateway === 0 ? '' : ` via ${formatIpv4(rt.gateway)}`;
  const type = rt.type === RTN_UNICAST ? '' : `${nameOf(ROUTE_TYPES, rt.type)} `;
  const kind = rt.type === RTN_LOCAL ? ' <local>' : rt.type === RTN_BROADCAST ? ' <brd>' : rt.type === RTN_MULTICAST ? ' <mc>' : '';
  const left = Math.max(0, Math.ceil((rt.pmtuExpires - host.net.cpu.now) / NS_PER_SEC));
  const learned = ` expires ${String(left)}sec mtu ${rt.mtuLocked ? 'lock ' : ''}${String(rt.pmtu)}`;
  const mtu = rt.pmtu === 0 || left === 0 ? showMetrics(rt.metrics) : learned;
  const said = from === 0 ? '' : ` from ${formatIpv4(from)}`;
  const src = iif === null ? ` src ${formatIpv4(rt.src)}` : '';
  const by = iif === null ? '' : ` iif ${iif.name}`;
  return text([`${type}${formatIpv4(rt.dst)}${said}${via} dev ${rt.dev.name}${src}`, `    cache${kind}${by}${mtu}`]);
}

