/** `arp -a` and `arp -n`: who has which address, as arp(8) prints it. */
import { formatIpv4, formatMac } from '../../lib/addr.ts';
import { NUD_NOARP, NUD_NONE, NUD_PERMANENT, NUD_VALID, type Neighbour } from '../../neigh/neighbour.ts';
import { columns, parseWords, text, unknownWord, type Flags, type ToolHost } from './command.ts';

const FLAGS: Flags = { a: 'a', n: 'n', numeric: 'n', e: 'e' };

/** `arp` with its arguments. */
export function arp(host: ToolHost, args: readonly string[]): string {
  const { flags, rest } = parseWords('arp', args, FLAGS);
  if (rest.length > 0) throw unknownWord('arp', rest[0]!, "options alone: 'arp -a', 'arp -n'");
  const names = !flags.has('n');
  const all = [...host.ip.arp.table.all()].filter((n) => n.state !== NUD_NONE && (n.state & NUD_NOARP) === 0);
  if (flags.has('a')) return text(all.map((n) => line(host, n, names)));
  const rows = all.map((n) => [
    (names ? host.nameOf(n.addr) : null) ?? formatIpv4(n.addr), known(n) ? 'ether' : '',
    known(n) ? formatMac(n.ha) : '(incomplete)', flagsOf(n), '', n.dev.name,
  ]);
  const head = ['Address'.padEnd(24), 'HWtype ', 'HWaddress'.padEnd(19), 'Flags', 'Mask'.padEnd(15), 'Iface'];
  return rows.length === 0 ? '' : text(columns([head, ...rows], 'llllll'));
}

/** `bob (10.0.0.2) at 02:00:00:00:00:02 [ether] on eth0` */
function line(host: ToolHost, n: Neighbour, names: boolean): string {
  const name = (names ? host.nameOf(n.addr) : null) ?? '?';
  const perm = (n.state & NUD_PERMANENT) !== 0 ? ' PERM' : '';
  return `${name} (${formatIpv4(n.addr)}) at ${known(n) ? `${formatMac(n.ha)} [ether]${perm}` : '<incomplete>'} on ${n.dev.name}`;
}

function known(n: Neighbour): boolean {
  return (n.state & NUD_VALID) !== 0;
}

function flagsOf(n: Neighbour): string {
  if (!known(n)) return '';
  return (n.state & NUD_PERMANENT) !== 0 ? 'CM' : 'C';
}
