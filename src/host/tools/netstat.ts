/**
 * `nstat` and `netstat`: the counters of a host under the kernel's names, and its sockets and devices in netstat(8)'s
 * layout. `netstat -s` uses the names of the counters where the original has sentences: the same words as everywhere.
 */
import { formatIpv4 } from '../../lib/addr.ts';
import { formatIpv6, type In6Addr } from '../../lib/addr6.ts';
import { MIB_NAMES } from '../../dev/mib.ts';
import { IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_RUNNING, IFF_UP } from '../../dev/net-device.ts';
import { ipv4Mask } from '../../lib/addr.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../../sock/constants.ts';
import { columns, matches, parseWords, text, unknownWord, type Flags, type ToolHost } from './command.ts';
import { jsonText } from './ip-json.ts';
import { connected, netstatStateName, showAddress, tcpRows, udpRows, type SocketRow } from './sockets.ts';

const NSTAT_FLAGS: Flags = { a: 'a', ignore: 'a', z: 'z', zeros: 'z', s: 's', noupdate: 's', j: 'j', json: 'j', p: 'p', pretty: 'p' };
const NETSTAT_FLAGS: Flags = {
  s: 's', statistics: 's', t: 't', tcp: 't', u: 'u', udp: 'u', a: 'a', all: 'a', l: 'l', listening: 'l', n: 'n', numeric: 'n',
  p: 'p', i: 'i', interfaces: 'i', r: 'r', route: 'r',
};

/**
 * `nstat [-z] [-j] [PATTERN…]`: every counter that is not zero (-z: all), by its exact name; patterns with `*` and `?` choose.
 * Differs: the original shows what changed since it was called last and keeps that in a file; here values are since boot, as with -a.
 */
export function nstat(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('nstat', args, NSTAT_FLAGS);
  const rows: string[][] = [];
  const values: Record<string, number> = {};
  MIB_NAMES.forEach((name, i) => {
    const value = host.net.mib[i]!;
    if (value === 0 && !flags.has('z')) return;
    if (rest.length > 0 && !rest.some((pattern) => matches(name, pattern))) return;
    rows.push([name.padEnd(31), String(value).padEnd(18), '0.0']);
    values[name] = value;
  });
  if (flags.has('j')) return jsonText({ kernel: values }, flags.has('p'));
  return text(['#kernel', ...columns(rows, 'lll')]);
}

/** `netstat` with its arguments: -s counters, -i devices, -r routes, otherwise sockets. */
export function netstat(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('netstat', args, NETSTAT_FLAGS);
  if (rest.length > 0) throw unknownWord('netstat', rest[0]!, "options alone: 'netstat -s', 'netstat -tan'");
  if (flags.has('s')) return counters(host, flags);
  if (flags.has('i')) return interfaces(host);
  if (flags.has('r')) return routes(host);
  return sockets(host, flags);
}

// ---- counters -------------------------------------------------------------------------------------------------------

/** The sections, by how the names of their counters begin: Linux's groups of /proc/net/snmp, snmp6 and netstat. */
const SECTIONS: readonly string[] = [
  'Ip', 'Icmp', 'Tcp', 'Udp', 'Ip6', 'Icmp6', 'Udp6', 'TcpExt', 'IpExt',
];

/** The longest beginning that a counter's name has: Ip6InReceives is Ip6's. */
function sectionOf(name: string): string {
  return SECTIONS.filter((section) => name.startsWith(section)).reduce((best, one) => (one.length > best.length ? one : best), '');
}

function counters(host: ToolHost, flags: ReadonlySet<string>): string {
  const lines: string[] = [];
  for (const section of SECTIONS) {
    if (flags.has('t') !== flags.has('u') && !section.startsWith(flags.has('t') ? 'Tcp' : 'Udp')) continue;
    lines.push(`${section}:`);
    // The extensions have a hundred counters, most of them zero on most days.
    const all = !section.endsWith('Ext');
    MIB_NAMES.forEach((name, i) => {
      if (sectionOf(name) !== section) return;
      const value = host.net.mib[i]!;
      if (value !== 0 || all) lines.push(`    ${name.slice(section.length)}: ${String(value)}`);
    });
    if (section === 'Tcp') lines.push(`    CurrEstab: ${String(host.tcp.currEstab)}`);
  }
  return text(lines);
}

// ---- sockets --------------------------------------------------------------------------------------------------------

function sockets(host: ToolHost, flags: ReadonlySet<string>): string {
  const both = flags.has('t') === flags.has('u');
  const rows: SocketRow[] = [];
  if (both || flags.has('t')) rows.push(...tcpRows(host));
  if (both || flags.has('u')) rows.push(...udpRows(host));
  const listening = (row: SocketRow): boolean => row.state === TCP_LISTEN || row.state === TCP_CLOSE;
  const shown = rows.filter((row) => (flags.has('a') ? true : flags.has('l') ? listening(row) : connected(row) || !listening(row)));
  const names = !flags.has('n');
  const end = (v6: In6Addr | null, v4: number): string => (v6 === null ? showAddress(host, v4, names) : formatIpv6(v6));
  const cells = shown.map((row) => [
    (row.saddr6 === null ? row.protocol : `${row.protocol}6`).padEnd(5),
    String(row.state === TCP_LISTEN ? 0 : row.recvq), String(row.state === TCP_LISTEN ? 0 : row.sendq),
    `${end(row.saddr6, row.saddr)}:${String(row.sport)}`.padEnd(23),
    `${end(row.daddr6, row.daddr)}:${row.dport === 0 ? '*' : String(row.dport)}`.padEnd(23),
    row.protocol === 'udp' && row.state === TCP_CLOSE ? '' : netstatStateName(row.state),
    ...(flags.has('p') ? [row.sk === null ? '-' : host.users(row.sk) || '-'] : []),
  ]);
  const what = flags.has('a') ? 'servers and established' : flags.has('l') ? 'only servers' : 'w/o servers';
  const head = ['Proto', 'Recv-Q', 'Send-Q', 'Local Address', 'Foreign Address', 'State', ...(flags.has('p') ? ['Process'] : [])];
  return text([`Active Internet connections (${what})`, ...columns([head, ...cells], 'lrrllll')]);
}

// ---- devices and routes ---------------------------------------------------------------------------------------------

function interfaces(host: ToolHost): string {
  const rows = [['Iface'.padEnd(10), 'MTU', 'RX-OK', 'RX-ERR', 'RX-DRP', 'RX-OVR', 'TX-OK', 'TX-ERR', 'TX-DRP', 'TX-OVR', 'Flg']];
  for (const dev of host.net.devices) {
    if (dev === null) continue;
    const s = dev.stats;
    const letters: readonly (readonly [number, string])[] = [
      [IFF_BROADCAST, 'B'], [IFF_LOOPBACK, 'L'], [IFF_MULTICAST, 'M'], [IFF_RUNNING, 'R'], [IFF_UP, 'U'],
    ];
    rows.push([
      dev.name, String(dev.mtu), String(s.rxPackets), String(s.rxErrors), String(s.rxDropped), String(s.rxFifoErrors),
      String(s.txPackets), String(s.txErrors), String(s.txDropped), '0',
      letters.filter(([bit]) => (dev.flags & bit) !== 0).map(([, c]) => c).join(''),
    ]);
  }
  return text(['Kernel Interface table', ...columns(rows, 'lrrrrrrrrrl')]);
}

function routes(host: ToolHost): string {
  const rows = [['Destination'.padEnd(15), 'Gateway'.padEnd(15), 'Genmask'.padEnd(15), 'Flags', 'Metric', 'Iface']];
  for (const r of host.ip.fib.main.all()) {
    const flags = `U${r.gateway === 0 ? '' : 'G'}${r.prefixLen === 32 ? 'H' : ''}`;
    rows.push([formatIpv4(r.dst), formatIpv4(r.gateway), formatIpv4(ipv4Mask(r.prefixLen)), flags, String(r.metric), r.dev?.name ?? '*']);
  }
  return text(['Kernel IP routing table', ...columns(rows, 'llllll')]);
}
