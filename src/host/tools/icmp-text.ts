/** What an ICMP or ICMPv6 error says, in the words of ping(8) and with the marks of traceroute(8). */
import {
  ICMP_DEST_UNREACH, ICMP_EXC_FRAGTIME, ICMP_FRAG_NEEDED, ICMP_PARAMETERPROB, ICMP_PORT_UNREACH, ICMP_TIME_EXCEEDED,
} from '../../wire/icmp.ts';
import {
  ICMPV6_ADDR_UNREACH, ICMPV6_ADM_PROHIBITED, ICMPV6_DEST_UNREACH, ICMPV6_EXC_FRAGTIME, ICMPV6_NOROUTE, ICMPV6_NOT_NEIGHBOUR,
  ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG, ICMPV6_PORT_UNREACH, ICMPV6_TIME_EXCEED, ICMPV6_UNK_NEXTHDR,
} from '../../wire/icmpv6.ts';
import { SO_EE_ORIGIN_ICMP6, type SockExtendedErr } from '../../sock/extended-err.ts';

/** By code of ICMP_DEST_UNREACH. */
const UNREACHABLE: readonly string[] = [
  'Destination Net Unreachable', 'Destination Host Unreachable', 'Destination Protocol Unreachable', 'Destination Port Unreachable',
  'Frag needed and DF set', 'Source Route Failed', 'Destination Net Unknown', 'Destination Host Unknown', 'Source Host Isolated',
  'Destination Net Prohibited', 'Destination Host Prohibited', 'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service', 'Packet filtered', 'Precedence Violation', 'Precedence Cutoff',
];

/** By code, too: what stands behind the time of a probe. Port unreachable is what a probe by UDP wants to hear. */
const MARKS: readonly string[] = ['!N', '!H', '!P', '', '!F', '!S', '!U', '!W', '!I', '!A', '!Z', '!Q', '!T', '!X', '!V', '!C'];

/** By code of ICMPV6_DEST_UNREACH, and of a parameter problem. */
const UNREACHABLE6: readonly string[] = [
  'No route', 'Administratively prohibited', 'Beyond scope of source address', 'Address unreachable', 'Port unreachable',
];
const PROBLEMS6: readonly string[] = ['Wrong header field', 'Unknown header', 'Unknown option'];

/** The line of ping(8) about an error. */
export function icmpErrorText(err: SockExtendedErr): string {
  const { type, code, info } = err;
  if (err.origin === SO_EE_ORIGIN_ICMP6) return icmp6ErrorText(err);
  if (type === ICMP_TIME_EXCEEDED) return code === ICMP_EXC_FRAGTIME ? 'Frag reassembly time exceeded' : 'Time to live exceeded';
  if (type === ICMP_PARAMETERPROB) return `Parameter problem: pointer = ${String(info)}`;
  if (type !== ICMP_DEST_UNREACH) return `Bad ICMP type: ${String(type)}`;
  const text = UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${String(code)}`;
  return code === ICMP_FRAG_NEEDED ? `${text} (mtu = ${String(info)})` : text;
}

function icmp6ErrorText({ type, code, info }: SockExtendedErr): string {
  switch (type) {
    case ICMPV6_DEST_UNREACH: return `Destination unreachable: ${UNREACHABLE6[code] ?? `Unknown code ${String(code)}`}`;
    case ICMPV6_PKT_TOOBIG: return `Packet too big: mtu=${String(info)}`;
    case ICMPV6_TIME_EXCEED: return `Time exceeded: ${code === ICMPV6_EXC_FRAGTIME ? 'Defragmentation failure' : 'Hop limit'}`;
    case ICMPV6_PARAMPROB: return `Parameter problem: ${PROBLEMS6[code] ?? `code ${String(code)}`} at ${String(info >>> 0)}`;
    default: return `unknown icmp type: ${String(type)}`;
  }
}

/** The mark of traceroute(8): '' when the TTL ran out, or nobody was at the port. */
export function icmpErrorMark(err: SockExtendedErr): string {
  const { type, code, info } = err;
  if (err.origin === SO_EE_ORIGIN_ICMP6) return icmp6ErrorMark(err);
  if (type !== ICMP_DEST_UNREACH || code === ICMP_PORT_UNREACH) return '';
  return code === ICMP_FRAG_NEEDED ? `!F-${String(info)}` : MARKS[code] ?? `!<${String(code)}>`;
}

function icmp6ErrorMark({ type, code, info }: SockExtendedErr): string {
  if (type === ICMPV6_PKT_TOOBIG) return `!F-${String(info)}`;
  if (type === ICMPV6_PARAMPROB) return code === ICMPV6_UNK_NEXTHDR ? '!P' : `!<${String(code)}>`;
  if (type !== ICMPV6_DEST_UNREACH) return '';
  switch (code) {
    case ICMPV6_NOROUTE: return '!N';
    case ICMPV6_ADM_PROHIBITED: return '!X';
    case ICMPV6_NOT_NEIGHBOUR: return '!S';
    case ICMPV6_ADDR_UNREACH: return '!H';
    case ICMPV6_PORT_UNREACH: return '';
    default: return `!<${String(code)}>`;
  }
}
