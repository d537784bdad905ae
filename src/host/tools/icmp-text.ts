/** What an ICMP error says, in the words of ping(8) and with the marks of traceroute(8). */
import {
  ICMP_DEST_UNREACH, ICMP_EXC_FRAGTIME, ICMP_FRAG_NEEDED, ICMP_PARAMETERPROB, ICMP_PORT_UNREACH, ICMP_TIME_EXCEEDED,
} from '../../wire/icmp.ts';
import type { SockExtendedErr } from '../../sock/extended-err.ts';

/** By code of ICMP_DEST_UNREACH. */
const UNREACHABLE: readonly string[] = [
  'Destination Net Unreachable', 'Destination Host Unreachable', 'Destination Protocol Unreachable', 'Destination Port Unreachable',
  'Frag needed and DF set', 'Source Route Failed', 'Destination Net Unknown', 'Destination Host Unknown', 'Source Host Isolated',
  'Destination Net Prohibited', 'Destination Host Prohibited', 'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service', 'Packet filtered', 'Precedence Violation', 'Precedence Cutoff',
];

/** By code, too: what stands behind the time of a probe. Port unreachable is what a probe by UDP wants to hear. */
const MARKS: readonly string[] = ['!N', '!H', '!P', '', '!F', '!S', '!U', '!W', '!I', '!A', '!Z', '!Q', '!T', '!X', '!V', '!C'];

/** The line of ping(8) about an error. */
export function icmpErrorText({ type, code, info }: SockExtendedErr): string {
  if (type === ICMP_TIME_EXCEEDED) return code === ICMP_EXC_FRAGTIME ? 'Frag reassembly time exceeded' : 'Time to live exceeded';
  if (type === ICMP_PARAMETERPROB) return `Parameter problem: pointer = ${String(info)}`;
  if (type !== ICMP_DEST_UNREACH) return `Bad ICMP type: ${String(type)}`;
  const text = UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${String(code)}`;
  return code === ICMP_FRAG_NEEDED ? `${text} (mtu = ${String(info)})` : text;
}

/** The mark of traceroute(8): '' when the TTL ran out, or nobody was at the port. */
export function icmpErrorMark({ type, code, info }: SockExtendedErr): string {
  if (type !== ICMP_DEST_UNREACH || code === ICMP_PORT_UNREACH) return '';
  return code === ICMP_FRAG_NEEDED ? `!F-${String(info)}` : MARKS[code] ?? `!<${String(code)}>`;
}
