/**
 * `ip`: addresses, links, routes and neighbours of a host, as ip(8) of iproute2 prints them.
 *
 *     ip addr [show] [DEV]        ip -br addr          ip [-s] link [show] [DEV]
 *     ip neigh [show]             ip -s neigh          ip maddr [show] [DEV]
 *     ip tcp_metrics [show|delete ADDR|flush]
 *
 * `-4` and `-6` choose a family; `-o` puts what belongs together on one line; `-j` prints JSON under iproute2's keys (`-p`: on lines of
 * their own). Routes are in `ip-route.ts` and `ip6-route.ts`; what changes addresses, links and neighbours is in `ip-change.ts`,
 * `ip6-addr.ts` and `ip-neigh.ts`.
 */
import { formatIpv4, formatIpv4Prefix, formatMac, INADDR_ALLHOSTS } from '../../lib/addr.ts';
import { formatIpv6, formatIpv6Prefix } from '../../lib/addr6.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { ARPHRD_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import { devGetByName } from '../../dev/registry.ts';
import { inetAddrs, type InDevice } from '../../ip/devinet.ts';
import {
  NUD_DELAY, NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_PROBE, NUD_REACHABLE, NUD_STALE, NUD_VALID,
  type Neighbour,
} from '../../neigh/neighbour.ts';
import { in6DevOf, inet6Addrs } from '../../ip/v6/inet6-dev.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { addr6Lines, neigh6Lines } from './ip6.ts';
import { columns, parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';
import { addrChange, isChange, linkChange } from './ip-change.ts';
import { deviceFlags, linkState, lowerDevice, scopeName } from './ip-device.ts';
import { addrJson, briefJson, jsonText, linkJson, maddrJson, neighJson, routeJson } from './ip-json.ts';
import { changeLinks } from './ip-link.ts';
import { neighChange } from './ip-neigh.ts';
import { ipRoute } from './ip-route.ts';
import { speaksIpv6 } from './ip-words.ts';
import { addr6Change } from './ip6-addr.ts';
import { ip6Route } from './ip6-route.ts';
import { ipTcpMetrics } from './ip-tcp-metrics.ts';

const FLAGS: Flags = {
  s: 's', stats: 's', br: 'b', brief: 'b', 4: '4', 6: '6', o: 'o', oneline: 'o', j: 'j', json: 'j',
  p: 'p', pretty: 'p',
};

const NUD_NAMES: ReadonlyMap<number, string> = new Map([
  [NUD_NONE, 'NONE'], [NUD_INCOMPLETE, 'INCOMPLETE'], [NUD_REACHABLE, 'REACHABLE'], [NUD_STALE, 'STALE'], [NUD_DELAY, 'DELAY'],
  [NUD_PROBE, 'PROBE'], [NUD_FAILED, 'FAILED'], [NUD_NOARP, 'NOARP'], [NUD_PERMANENT, 'PERMANENT'],
]);

/** `ip` with its arguments. */
export function ip(host: ToolHost, args: readonly string[]): string {
  // Options stand before the object; -br and -json are words among them, not letters.
  const at = args.findIndex((word) => !word.startsWith('-'));
  const options = at < 0 ? args : args.slice(0, at);
  const isName = (word: string): boolean => word.length > 2 && Object.hasOwn(FLAGS, word.slice(1));
  const { flags } = parseWords('ip', options.map((word) => (isName(word) ? `-${word}` : word)), FLAGS);
  const [object = '', ...words] = at < 0 ? [] : args.slice(at);
  const [verb = ''] = words;
  const family = familyOf(flags, words);
  if (is(object, 'address', 'addr')) {
    return isChange('addr', verb) ? changeAddr(host, words, family) : addr(host, words, flags);
  }
  if (is(object, 'link', 'link') && (verb === 'add' || verb === 'del' || verb === 'delete')) return changeLinks(host, words);
  if (is(object, 'link', 'link')) return isChange('link', verb) ? linkChange(host, words) : link(host, words, flags);
  if (is(object, 'route', 'route')) return route(host, words, family, flags);
  if (is(object, 'neighbour', 'neighbor', 'neigh')) {
    return isChange('neigh', verb) ? neighChange(host, words, family) : neigh(host, words, flags);
  }
  if (is(object, 'maddress', 'maddr')) return maddr(host, words, flags);
  if (is(object, 'tcp_metrics', 'tcpmetrics')) return ipTcpMetrics(host, words);
  throw unknownWord('ip', object, 'an object: addr, link, route, neigh, maddr or tcp_metrics');
}

/** Shows, changes or asks; with `-j` each route that was to be shown becomes an object. */
function route(host: ToolHost, words: readonly string[], family: number, flags: ReadonlySet<string>): string {
  const said = family === 6 ? ip6Route(host, words) : ipRoute(host, words);
  if (!flags.has('j') && flags.has('o')) return said.replace(/\n(?= )/g, '\\');
  if (!flags.has('j') || said === '') return flags.has('j') && isShow(words[0] ?? 'show') ? jsonText([], false) : said;
  // What belongs to a route goes on in lines that begin with a blank.
  return jsonText(said.trimEnd().split(/\n(?! )/).map(routeJson), flags.has('p'));
}

/** 4 or 6: by the option, else by the addresses on the line; 0 when nothing says which. */
function familyOf(flags: ReadonlySet<string>, words: readonly string[]): number {
  if (flags.has('6')) return 6;
  if (flags.has('4')) return 4;
  if (speaksIpv6(words)) return 6;
  return words.includes('to') ? 4 : 0;
}

/** Without a word about the family all addresses are flushed; others are IPv4's. */
function changeAddr(host: ToolHost, words: readonly string[], family: number): string {
  if (family === 6) return addr6Change(host, words);
  const done = addrChange(host, words);
  return family === 0 && is(words[0]!, 'flush') ? addr6Change(host, words) : done;
}

/** ip(8) takes every beginning of an object's name. */
function is(word: string, ...names: readonly string[]): boolean {
  return word !== '' && names.some((name) => name.startsWith(word));
}

function isShow(verb: string): boolean {
  return verb !== '' && ['show', 'list', 'lst', 'ls'].some((word) => word.startsWith(verb));
}

/** Takes `show`, `list` and `ls` off the front: they are what the tools do anyway. */
function afterShow(words: readonly string[]): readonly string[] {
  return isShow(words[0] ?? '') ? words.slice(1) : words;
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
  const devs = devices(host, afterShow(words), 'ip addr');
  const { now } = host.net.cpu;
  if (flags.has('j')) return addrsJson(devs, flags);
  if (flags.has('b')) {
    const rows = devs.map((dev) => [
      dev.name.padEnd(16), linkState(dev).padEnd(14), [
        ...(flags.has('6') ? [] : inetAddrs(dev).map((a) => formatIpv4Prefix(a.addr, a.prefixLen))),
        ...(flags.has('4') ? [] : inet6Addrs(dev).map((a) => formatIpv6Prefix(a.addr, a.prefixLen))),
      ].join(' '),
    ]);
    return text(columns(rows, 'lll'));
  }
  const lines: string[] = [];
  for (const dev of devs) {
    const addrs = flags.has('6') ? [] : inetAddrs(dev);
    const lines6 = flags.has('4') ? [] : addr6Lines(dev, now);
    const one = flags.has('4') || flags.has('6');
    if (one && addrs.length + lines6.length === 0) continue;
    const own: string[] = [];
    for (const a of addrs) {
      const second = a.secondary ? ' secondary' : '';
      const brd = a.broadcast === 0 ? '' : ` brd ${formatIpv4(a.broadcast)}`;
      own.push(`    inet ${formatIpv4Prefix(a.addr, a.prefixLen)}${brd} scope ${scopeName(a.scope)}${second} ${a.label}`);
      own.push('       valid_lft forever preferred_lft forever');
    }
    own.push(...lines6);
    if (flags.has('o')) {
      // Each address, which is two lines otherwise, on one, with its device in front.
      for (let i = 0; i < own.length; i += 2) lines.push(`${String(dev.ifindex)}: ${dev.name}${own[i]!}\\${own[i + 1]!}`);
      continue;
    }
    lines.push(`${headline(dev)} group default qlen ${String(dev.txQueueLen)}`);
    if (!one) lines.push(hardware(dev));
    lines.push(...own);
    if (flags.has('s')) lines.push(...traffic(dev));
  }
  return text(lines);
}

function addrsJson(devs: readonly NetDevice[], flags: ReadonlySet<string>): string {
  const families = { v4: !flags.has('6'), v6: !flags.has('4') };
  const all = devs.map((dev) => (flags.has('b') ? briefJson(dev, families) : addrJson(dev, families, flags.has('s'))));
  const one = families.v4 !== families.v6;
  return jsonText(one ? all.filter((dev) => (dev['addr_info'] as unknown[]).length > 0) : all, flags.has('p'));
}

function link(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const devs = devices(host, afterShow(words), 'ip link');
  if (flags.has('j')) {
    return jsonText(devs.map((dev) => (flags.has('b') ? briefJson(dev, null) : linkJson(dev, flags.has('s')))), flags.has('p'));
  }
  if (flags.has('b')) {
    const rows = devs.map((dev) =>
      [dev.name.padEnd(16), linkState(dev).padEnd(14), formatMac(dev.addr), `<${deviceFlags(dev).join(',')}>`]);
    return text(columns(rows, 'llll'));
  }
  const lines: string[] = [];
  for (const dev of devs) {
    const own = [`${headline(dev)} mode DEFAULT group default qlen ${String(dev.txQueueLen)}`, hardware(dev)];
    if (flags.has('s')) own.push(...traffic(dev));
    lines.push(...(flags.has('o') ? [own.join('\\')] : own));
  }
  return text(lines);
}

/** `2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP` */
function headline(dev: NetDevice): string {
  const qdisc = dev.qdisc?.kind ?? (dev.up ? 'noqueue' : 'noop');
  const below = lowerDevice(dev);
  const name = below === null ? dev.name : `${dev.name}@${below}`;
  return `${String(dev.ifindex)}: ${name}: <${deviceFlags(dev).join(',')}> mtu ${String(dev.mtu)} qdisc ${qdisc} state ${linkState(dev)}`;
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

// ---- neigh ----------------------------------------------------------------------------------------------------------

function neigh(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const only = devices(host, afterShow(words), 'ip neigh');
  const ip6 = host.net.inet6 as Ipv6;
  if (flags.has('j')) {
    const all = [...(flags.has('6') ? [] : host.ip.arp.table.all()), ...(flags.has('4') ? [] : ip6.ndisc.table.all())];
    const shown = all.filter((n) => isShown(n, only)).map((n) => neighJson(n, neighState(n), flags.has('s')));
    return jsonText(shown, flags.has('p'));
  }
  const lines: string[] = [];
  for (const n of flags.has('6') ? [] : host.ip.arp.table.all()) {
    if (!isShown(n, only)) continue;
    const known = (n.state & NUD_VALID) !== 0 ? ` lladdr ${formatMac(n.ha)}` : '';
    lines.push(`${formatIpv4(n.addr)} dev ${n.dev.name}${known}${flags.has('s') ? ages(host, n) : ''} ${neighState(n)}`);
  }
  if (!flags.has('4')) lines.push(...neigh6Lines(ip6, neighState, (n) => (flags.has('s') ? ages(host, n) : ''), only));
  return text(lines);
}

/** Addresses that need no question (broadcast, groups) are not shown, as ip(8) does without `nud all`. */
function isShown(n: Neighbour, only: readonly NetDevice[]): boolean {
  return (n.state & NUD_NOARP) === 0 && n.state !== NUD_NONE && only.includes(n.dev);
}

/** `ip maddr`: what cards take in, and the groups that were joined. */
function maddr(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const devs = devices(host, afterShow(words), 'ip maddr');
  if (flags.has('j')) return jsonText(devs.map(maddrJson), flags.has('p'));
  const lines: string[] = [];
  const users = (n: number): string => (n > 1 ? ` users ${String(n)}` : '');
  for (const dev of devs) {
    const own: string[] = [];
    for (const mc of dev.mcAddrs) own.push(`\tlink  ${formatMac(mc.addr)}${users(mc.users)}`);
    if (dev.inDev !== null) {
      for (const { group, members } of (dev.inDev as InDevice).groups.values()) {
        own.push(`\tinet  ${formatIpv4(group)}${users(members.length)}`);
      }
      own.push(`\tinet  ${formatIpv4(INADDR_ALLHOSTS)}`);
    }
    for (const group of in6DevOf(dev)?.groups ?? []) own.push(`\tinet6 ${formatIpv6(group.addr)}${users(group.users)}`);
    const name = `${String(dev.ifindex)}:\t${dev.name}`;
    lines.push(...(flags.has('o') ? own.map((line) => `${name}\\${line}`) : [name, ...own]));
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
