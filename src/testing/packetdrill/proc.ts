/**
 * Files of /proc and /sys as far as scripts read and write them, made of the simulated host: settings, tables of sockets, and
 * counters with the history that `nstat` keeps between its calls.
 */
import { MIB_NAMES } from '../../dev/mib.ts';
import type { Kernel } from '../../host/kernel.ts';
import { KernelError } from '../../host/errors.ts';
import { udpRows, tcpRows, type SocketRow } from '../../host/tools/sockets.ts';
import { in6Any, in6FromV4, type In6Addr } from '../../lib/addr6.ts';

/** Parameters of modules that a Linux has, and what they are here; another value is not to be had. */
const MODULE_PARAMETERS: Readonly<Record<string, string>> = {
  'tcp_cubic/parameters/hystart': '1',
  'tcp_cubic/parameters/hystart_detect': '3',
  'tcp_cubic/parameters/hystart_low_window': '16',
  'tcp_cubic/parameters/hystart_ack_delta_us': '2000',
  'tcp_cubic/parameters/fast_convergence': '1',
  'tcp_cubic/parameters/beta': '717',
  'tcp_cubic/parameters/tcp_friendliness': '1',
};

/** What a module's parameter is; null when there is none of that name. */
export function moduleParameter(path: string): string | null {
  return MODULE_PARAMETERS[path.replace(/^\/sys\/module\//, '')] ?? null;
}

/** The text of a file of /proc or /sys; null when there is none here. */
export function procFile(kernel: Kernel, path: string): string | null {
  if (path.startsWith('/sys/module/')) {
    const value = moduleParameter(path);
    return value === null ? null : `${value}\n`;
  }
  if (path.startsWith('/proc/sys/')) return sysctlFile(kernel, path.slice('/proc/sys/'.length).replace(/\//g, '.'));
  switch (path) {
    case '/proc/net/tcp': return sockets(tcpRows(kernel.tools), false);
    case '/proc/net/tcp6': return sockets(tcpRows(kernel.tools), true);
    case '/proc/net/udp': return sockets(udpRows(kernel.tools), false);
    case '/proc/net/udp6': return sockets(udpRows(kernel.tools), true);
    case '/proc/net/netstat': return counters(kernel, ['TcpExt', 'IpExt']);
    case '/proc/net/snmp': return counters(kernel, ['Ip', 'Icmp', 'Tcp', 'Udp']);
    case '/proc/net/snmp6': return counters6(kernel);
    default: return null;
  }
}

function sysctlFile(kernel: Kernel, name: string): string | null {
  try {
    const value = kernel.sysctl(name);
    return `${Array.isArray(value) ? value.join('\t') : String(value)}\n`;
  } catch (error) {
    if (error instanceof KernelError) return null;
    throw error;
  }
}

// ---- sockets

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

/** Linux's table: addresses as the words of a little-endian machine, ports and the rest in hex. */
function sockets(rows: readonly SocketRow[], v6: boolean): string {
  const lines = rows.filter((row) => (row.saddr6 !== null) === v6).map((row, i) => {
    const local = v6 ? hex6(row.saddr6 ?? in6FromV4(row.saddr)) : hex4(row.saddr);
    const remote = v6 ? hex6(row.daddr6 ?? in6Any) : hex4(row.daddr);
    const ends = `${local}:${hex(row.sport, 4)} ${remote}:${hex(row.dport, 4)}`;
    const queues = `${hex(row.sendq, 8)}:${hex(row.recvq, 8)}`;
    return `${String(i).padStart(4)}: ${ends} ${hex(row.state, 2)} ${queues} 00:00000000 00000000     0        0 0`;
  });
  return `${[HEAD, ...lines].join('\n')}\n`;
}

function hex(n: number, digits: number): string {
  return (n >>> 0).toString(16).toUpperCase().padStart(digits, '0');
}

function hex4(addr: number): string {
  return hex(((addr & 0xff) << 24) | ((addr & 0xff00) << 8) | ((addr >>> 8) & 0xff00) | (addr >>> 24), 8);
}

function hex6(addr: In6Addr): string {
  return [addr.a, addr.b, addr.c, addr.d].map(hex4).join('');
}

// ---- counters

function counters(kernel: Kernel, sections: readonly string[]): string {
  const lines: string[] = [];
  for (const section of sections) {
    const names = MIB_NAMES.map((name, i) => [name, i] as const).filter(([name]) => sectionOf(name) === section);
    lines.push(`${section}: ${names.map(([name]) => name.slice(section.length)).join(' ')}`);
    lines.push(`${section}: ${names.map(([, i]) => String(kernel.stack.net.mib[i]!)).join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** IPv6's: one to a line. */
function counters6(kernel: Kernel): string {
  const lines = MIB_NAMES.flatMap((name, i) =>
    (sectionOf(name).endsWith('6') ? [`${name.padEnd(32)}\t${String(kernel.stack.net.mib[i]!)}`] : []));
  return `${lines.join('\n')}\n`;
}

function sectionOf(name: string): string {
  return /^(?:TcpExt|IpExt|Icmp6|Icmp|Ip6|Ip|Tcp|Udp6|Udp)/.exec(name)?.[0] ?? '';
}

/** `nstat`: what was counted since it was asked last. */
export class CounterHistory {
  private seen: Float64Array;
  private readonly mib: Float64Array;

  constructor(mib: Float64Array) {
    this.mib = mib;
    this.seen = new Float64Array(mib.length);
  }

  /** Runs it: -a absolute values, -n nothing but a new beginning, -r from the boot on, -s without a new beginning, -z zeros as well. */
  run(args: readonly string[]): string {
    const flags = new Set(args.filter((a) => a.startsWith('-')).flatMap((a) => (a.startsWith('--') ? [a] : [...a.slice(1)])));
    const has = (short: string, long: string): boolean => flags.has(short) || flags.has(`--${long}`);
    const patterns = args.filter((a) => !a.startsWith('-')).map((a) => {
      return new RegExp(`^${a.replace(/[.+^$()|[\]{}\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
    });
    if (has('r', 'reset')) this.seen.fill(0);
    const lines = ['#kernel'];
    MIB_NAMES.forEach((name, i) => {
      const value = this.mib[i]! - (has('a', 'ignore') ? 0 : this.seen[i]!);
      if ((value === 0 && !has('z', 'zeros')) || (patterns.length > 0 && !patterns.some((p) => p.test(name)))) return;
      lines.push(`${name.padEnd(31)} ${String(value).padEnd(18)} 0.0`);
    });
    if (!has('s', 'noupdate')) this.seen = this.mib.slice();
    return has('n', 'nooutput') ? '' : `${lines.join('\n')}\n`;
  }
}
