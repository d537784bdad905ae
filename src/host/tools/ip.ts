/**
 * `ip`: addresses, links, routes and neighbours of a host, as ip(8) of iproute2 prints them.
 *
 *     ip addr [show] [DEV]        ip -br addr          ip [-s] link [show] [DEV]
 *     ip route [show] [table local]                    ip route get ADDRESS
 *     ip neigh [show]             ip -s neigh
 */
import { formatIpv4, formatIpv4Prefix, formatMac } from '../../lib/addr.ts';
import { errnoMessage } from '../../lib/errno.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import {
  ARPHRD_LOOPBACK, IFF_ALLMULTI, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT, IFF_PROMISC, IFF_UP,
  type NetDevice,
} from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { inetAddrs } from '../../ip/devinet.ts';
import {
  RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE,
  RTPROT_BOOT, RTPROT_DHCP, RTPROT_KERNEL, RTPROT_STATIC, type FibRoute,
} from '../../ip/fib.ts';
import { ipRouteOutput } from '../../ip/route.ts';
import {
  NUD_DELAY, NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_PROBE, NUD_REACHABLE, NUD_STALE, NUD_VALID,
  type Neighbour,
} from '../../neigh/neighbour.ts';
import { columns, parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';

const FLAGS: Flags = { s: 's', stats: 's', br: 'b', brief: 'b', 4: '4', o: 'o', oneline: 'o' };

const LINK_FLAGS: readonly (readonly [number, string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'], [IFF_BROADCAST, 'BROADCAST'], [IFF_POINTOPOINT, 'POINTOPOINT'], [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'], [IFF_ALLMULTI, 'ALLMULTI'], [IFF_PROMISC, 'PROMISC'], [IFF_UP, 'UP'],
];

const NUD_NAMES: ReadonlyMap<number, string> = new Map([
  [NUD_NONE, 'NONE'], [NUD_INCOMPLETE, 'INCOMPLETE'], [NUD_REACHABLE, 'REACHABLE'], [NUD_STALE, 'STALE'], [NUD_DELAY, 'DELAY'],
  [NUD_PROBE, 'PROBE'], [NUD_FAILED, 'FAILED'], [NUD_NOARP, 'NOARP'], [NUD_PERMANENT, 'PERMANENT'],
]);

const ROUTE_TYPES: ReadonlyMap<number, string> = new Map([
  [RTN_UNICAST, ''], [RTN_LOCAL, 'local '], [RTN_BROADCAST, 'broadcast '], [RTN_MULTICAST, 'multicast '], [RTN_BLACKHOLE, 'blackhole '],
  [RTN_UNREACHABLE, 'unreachable '], [RTN_PROHIBIT, 'prohibit '],
]);

/** `ip` with its arguments. */
export function ip(host: ToolHost, args: readonly string[]): string {
  // -br is one word among ip's options, not two letters.
  const { flags, rest } = parseWords('ip', args.map((word) => (word === '-br' ? '--brief' : word)), FLAGS);
  const [object = '', ...words] = rest;
  if (is(object, 'address', 'addr')) return addr(host, words, flags);
  if (is(object, 'link', 'link')) return link(host, words, flags);
  if (is(object, 'route', 'route')) return route(host, words);
  if (is(object, 'neighbour', 'neighbor', 'neigh')) return neigh(host, words, flags);
  throw unknownWord('ip', object, 'an object: addr, link, route or neigh');
}

/** ip(8) takes every beginning of an object's name. */
function is(word: string, ...names: readonly string[]): boolean {
  return word !== '' && names.some((name) => name.startsWith(word));
}

/** Takes `show`, `list` and `ls` off the front: they are what the tools do anyway. */
function afterShow(words: readonly string[], tool: string): readonly string[] {
  const [verb] = words;
  if (verb === 'show' || verb === 'list' || verb === 'ls' || verb === 'lst') return words.slice(1);
  if (verb === 'add' || verb === 'del' || verb === 'set' || verb === 'replace' || verb === 'change' || verb === 'flush') {
    throw new ToolError(`${tool}: '${verb}' would change the host; these tools only look`);
  }
  return words;
}

/** The devices that `[dev] NAME` means: all of them when nothing is said. */
function devices(host: ToolHost, words: readonly string[], tool: string): NetDevice[] {
  const rest = words[0] === 'dev' ? words.slice(1) : words;
  const all = host.net.devices.filter((dev) => dev !== null);
  const [name] = rest;
  if (rest.length > 1) throw unknownWord(tool, rest[1]!, 'nothing more');
  if (name === undefined) {
    if (words.length > 0) throw new ToolError(`${tool}: 'dev' wants the name of a device`);
    return all;
  }
  const dev = devGetByName(host.net, name);
  if (dev === null) throw unknownWord(tool, name, `a device: ${all.map((d) => d.name).join(', ')}`);
  return [dev];
}

// ---- addr and link --------------------------------------------------------------------------------------------------

function addr(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const devs = devices(host, afterShow(words, 'ip addr'), 'ip addr');
  if (flags.has('b')) {
    const rows = devs.map((dev) => [
      dev.name.padEnd(16), state(dev).padEnd(14), inetAddrs(dev).map((a) => formatIpv4Prefix(a.addr, a.prefixLen)).join(' '),
    ]);
    return text(columns(rows, 'lll'));
  }
  const lines: string[] = [];
  for (const dev of devs) {
    const addrs = inetAddrs(dev);
    if (flags.has('4') && addrs.length === 0) continue;
    lines.push(`${headline(dev)} group default qlen ${String(dev.txQueueLen)}`);
    if (!flags.has('4')) lines.push(hardware(dev));
    for (const a of addrs) {
      const brd = a.broadcast === 0 ? '' : ` brd ${formatIpv4(a.broadcast)}`;
      const scope = a.scope === RT_SCOPE_HOST ? 'host' : a.scope === RT_SCOPE_LINK ? 'link' : 'global';
      lines.push(`    inet ${formatIpv4Prefix(a.addr, a.prefixLen)}${brd} scope ${scope}${a.secondary ? ' secondary' : ''} ${dev.name}`);
      lines.push('       valid_lft forever preferred_lft forever');
    }
    if (flags.has('s')) lines.push(...traffic(dev));
  }
  return text(lines);
}

function link(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const devs = devices(host, afterShow(words, 'ip link'), 'ip link');
  if (flags.has('b')) {
    const rows = devs.map((dev) => [dev.name.padEnd(16), state(dev).padEnd(14), formatMac(dev.addr), `<${flagNames(dev)}>`]);
    return text(columns(rows, 'llll'));
  }
  const lines: string[] = [];
  for (const dev of devs) {
    lines.push(`${headline(dev)} mode DEFAULT group default qlen ${String(dev.txQueueLen)}`, hardware(dev));
    if (flags.has('s')) lines.push(...traffic(dev));
  }
  return text(lines);
}

/** `2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP` */
function headline(dev: NetDevice): string {
  const qdisc = dev.qdisc?.kind ?? (dev.up ? 'noqueue' : 'noop');
  return `${String(dev.ifindex)}: ${dev.name}: <${flagNames(dev)}> mtu ${String(dev.mtu)} qdisc ${qdisc} state ${state(dev)}`;
}

function flagNames(dev: NetDevice): string {
  const names = LINK_FLAGS.filter(([bit]) => (dev.flags & bit) !== 0).map(([, name]) => name);
  if (dev.up && !dev.carrier) names.unshift('NO-CARRIER');
  if (dev.up && dev.carrier) names.push('LOWER_UP');
  return names.join(',');
}

function state(dev: NetDevice): string {
  if (!dev.up || !dev.carrier) return 'DOWN';
  return dev.type === ARPHRD_LOOPBACK ? 'UNKNOWN' : 'UP';
}

function hardware(dev: NetDevice): string {
  const kind = dev.type === ARPHRD_LOOPBACK ? 'loopback' : 'ether';
  const brd = dev.type === ARPHRD_LOOPBACK ? '00:00:00:00:00:00' : formatMac(dev.broadcast);
  return `    link/${kind} ${formatMac(dev.addr)} brd ${brd}`;
}

/** The two tables of `ip -s link`. */
function traffic(dev: NetDevice): string[] {
  const s = dev.stats;
  const rows = [
    ['RX:  bytes', 'packets', 'errors', 'dropped', ' missed', '  mcast'],
    [s.rxBytes, s.rxPackets, s.rxErrors, s.rxDropped, s.rxFifoErrors, s.multicast].map(String),
    ['TX:  bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'],
    [s.txBytes, s.txPackets, s.txErrors, s.txDropped, 0, 0].map(String),
  ];
  return columns(rows, 'rrrrrr').map((line) => `    ${line}`);
}

// ---- route ----------------------------------------------------------------------------------------------------------

function route(host: ToolHost, words: readonly string[]): string {
  if (words[0] === 'get') return routeGet(host, words.slice(1));
  const rest = [...afterShow(words, 'ip route')];
  let table = 'main';
  if (rest[0] === 'table') {
    table = rest[1] ?? '';
    rest.splice(0, 2);
  }
  if (table !== 'main' && table !== 'local' && table !== 'all') throw unknownWord('ip route', table, 'a table: main, local or all');
  if (rest.length > 0) throw unknownWord('ip route', rest[0]!, "'show', 'get ADDRESS' or 'table local'");
  const { fib } = host.ip;
  const routes = table === 'main' ? fib.main.all() : table === 'local' ? fib.local.all() : [...fib.main.all(), ...fib.local.all()];
  return text(routes.map((r) => showRoute(r)));
}

/** `10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1` */
function showRoute(r: FibRoute): string {
  let s = (ROUTE_TYPES.get(r.type) ?? `type ${String(r.type)} `)
    + (r.prefixLen === 0 ? 'default' : r.prefixLen === 32 ? formatIpv4(r.dst) : formatIpv4Prefix(r.dst, r.prefixLen));
  if (r.gateway !== 0) s += ` via ${formatIpv4(r.gateway)}`;
  if (r.dev !== null) s += ` dev ${r.dev.name}`;
  if (r.protocol === RTPROT_KERNEL) s += ' proto kernel';
  else if (r.protocol === RTPROT_STATIC) s += ' proto static';
  else if (r.protocol === RTPROT_DHCP) s += ' proto dhcp';
  else if (r.protocol !== RTPROT_BOOT) s += ` proto ${String(r.protocol)}`;
  if (r.type === RTN_LOCAL) s += ' scope host';
  else if (r.gateway === 0 && r.dev !== null) s += ' scope link';
  if (r.src !== 0) s += ` src ${formatIpv4(r.src)}`;
  if (r.metric !== 0) s += ` metric ${String(r.metric)}`;
  return s;
}

function routeGet(host: ToolHost, words: readonly string[]): string {
  const [to, ...more] = words;
  if (to === undefined) throw new ToolError("ip route: 'get' wants an address");
  if (more.length > 0) throw unknownWord('ip route', more[0]!, 'nothing behind the address');
  const dst = host.resolve(to);
  if (dst === null) throw unknownWord('ip route', to, 'an address or the name of a host');
  const rt = ipRouteOutput(host.ip, dst, 0, 0);
  if (typeof rt === 'number') throw new ToolError(`ip route: to ${to}: ${errnoMessage(rt)}`);
  const via = rt.gateway === 0 ? '' : ` via ${formatIpv4(rt.gateway)}`;
  const type = rt.type === RTN_UNICAST ? '' : ROUTE_TYPES.get(rt.type) ?? '';
  const kind = rt.type === RTN_LOCAL ? ' <local>' : rt.type === RTN_BROADCAST ? ' <brd>' : '';
  const left = Math.max(0, Math.ceil((rt.pmtuExpires - host.net.cpu.now) / NS_PER_SEC));
  const mtu = rt.pmtu === 0 || left === 0 ? '' : ` expires ${String(left)}sec mtu ${String(rt.pmtu)}`;
  return text([`${type}${formatIpv4(rt.dst)}${via} dev ${rt.dev.name} src ${formatIpv4(rt.src)}`, `    cache${kind}${mtu}`]);
}

// ---- neigh ----------------------------------------------------------------------------------------------------------

function neigh(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const only = devices(host, afterShow(words, 'ip neigh'), 'ip neigh');
  const lines: string[] = [];
  for (const n of host.ip.arp.table.all()) {
    // Addresses that need no question (broadcast, groups) are not shown, as ip(8) does without `nud all`.
    if ((n.state & NUD_NOARP) !== 0 || n.state === NUD_NONE || !only.includes(n.dev)) continue;
    const known = (n.state & NUD_VALID) !== 0 ? ` lladdr ${formatMac(n.ha)}` : '';
    lines.push(`${formatIpv4(n.addr)} dev ${n.dev.name}${known}${flags.has('s') ? ages(host, n) : ''} ${neighState(n)}`);
  }
  return text(lines);
}

/** ` used 3/1/3 probes 1`: seconds since it was used, confirmed, changed. */
function ages(host: ToolHost, n: Neighbour): string {
  const now = Math.max(host.net.cpu.now, host.net.sim.now);
  const since = (then: number): string => String(Math.max(0, Math.floor((now - then) / NS_PER_SEC)));
  return ` used ${since(n.used)}/${since(n.confirmed)}/${since(n.updated)} probes ${String(n.probes)}`;
}

/** The state of a neighbour in ip(8)'s spelling. */
export function neighState(n: Neighbour): string {
  return NUD_NAMES.get(n.state) ?? `0x${n.state.toString(16)}`;
}
