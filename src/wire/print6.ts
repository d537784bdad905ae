/**
 * ICMPv6, extension headers and fragments for people: the wording of tcpdump, as far as one line goes. `wire/print.ts` prints
 * what TCP and UDP say.
 */
import { formatMac } from '../lib/addr.ts';
import { formatIpv6At, in6IsAnyAt } from '../lib/addr6.ts';
import { get16, get32, get8 } from '../lib/bytes.ts';
import {
  ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_HLEN, ICMPV6_MGM_QUERY, ICMPV6_MGM_REDUCTION, ICMPV6_MGM_REPORT,
  ICMPV6_MLD2_REPORT, ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED, icmp6hCode, icmp6hId, icmp6hRest, icmp6hSeq, icmp6hType,
  icmpv6Csum, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION, NDISC_REDIRECT, NDISC_ROUTER_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} from './icmpv6.ts';
import {
  IP6_MF, IP6_OFFSET, ip6fOff, IPV6_DADDR, IPV6_HLEN, IPV6_NEXTHDR, ipv6ExtHdr, ipv6OptLen, NEXTHDR_DEST, NEXTHDR_FRAGMENT, NEXTHDR_HOP,
} from './ipv6.ts';
import { mld2RecordsText, MLD_GROUP, MLD_QUERY_LEN } from './mld.ts';
import {
  ND_OPT_MTU, ND_OPT_PREFIX_INFO, ND_OPT_SOURCE_LL_ADDR, ND_OPT_TARGET_LL_ADDR, NDP_NA_LEN, NDP_NA_OVERRIDE, NDP_NA_ROUTER,
  NDP_NA_SOLICITED, ndNaFlags, NDP_NS_LEN, NDP_RA_LEN, NDP_RA_LIFETIME, NDP_REDIRECT_DEST, NDP_REDIRECT_LEN, NDP_RS_LEN, NDP_TARGET,
} from './ndp.ts';

/** What stands between the IPv6 header and the upper layer. */
export interface Chain {
  /** Words to be printed in front: `HBH `, `DSTOPT `, `frag (0|1232) `. */
  readonly words: string;
  /** Where the upper layer begins, and its number; -1 when the chain is cut short. */
  readonly off: number;
  readonly nexthdr: number;
  /** A later piece: what follows is no header. */
  readonly later: boolean;
}

/** Walks over the extension headers of the packet of `len` bytes at `off`. */
export function ipv6Chain(buf: Uint8Array, off: number, len: number): Chain {
  const end = off + len;
  let at = off + IPV6_HLEN;
  let nexthdr = get8(buf, off + IPV6_NEXTHDR);
  let words = '';
  while (ipv6ExtHdr(nexthdr)) {
    if (at + 8 > end || at + ipv6OptLen(buf, at, nexthdr) > end) return { words, off: -1, nexthdr, later: false };
    const kind = nexthdr;
    const size = ipv6OptLen(buf, at, kind);
    nexthdr = get8(buf, at);
    if (kind === NEXTHDR_FRAGMENT) {
      const field = ip6fOff(buf, at);
      words += `frag (${String(field & IP6_OFFSET)}|${String(end - at - size)})${(field & IP6_MF) === 0 ? '' : '+'} `;
      if ((field & IP6_OFFSET) !== 0) return { words: words.trimEnd(), off: at + size, nexthdr, later: true };
    } else {
      words += kind === NEXTHDR_HOP ? 'HBH ' : kind === NEXTHDR_DEST ? 'DSTOPT ' : `srcrt (type=${String(get8(buf, at + 2))}) `;
    }
    at += size;
  }
  return { words, off: at, nexthdr, later: false };
}

const UNREACHABLE: readonly string[] = [
  'unreachable route', 'unreachable prohibited', 'beyond scope', 'unreachable address', 'unreachable port', 'source policy failed',
  'reject route',
];

/** `ICMP6, echo request, id 1, seq 2, length 64`. `nh`: the IPv6 header, for the checksum; `verify`: whether it is looked at. */
export function printIcmp6(buf: Uint8Array, nh: number, off: number, len: number, verify: boolean): string {
  if (len < ICMPV6_HLEN) return `ICMP6 [malformed icmp6: ${String(len)} bytes]`;
  const bad = verify && icmpv6Csum(buf, nh, off, len) !== 0 ? ' [bad icmp6 checksum]' : '';
  return `ICMP6, ${what(buf, off, len)}, length ${String(len)}${bad}`;
}

function what(buf: Uint8Array, off: number, len: number): string {
  const type = icmp6hType(buf, off);
  const code = icmp6hCode(buf, off);
  switch (type) {
    case ICMPV6_DEST_UNREACH: return `destination unreachable, ${UNREACHABLE[code] ?? `code ${String(code)}`}${quoted(buf, off, len)}`;
    case ICMPV6_PKT_TOOBIG: return `packet too big, mtu ${String(icmp6hRest(buf, off) >>> 0)}`;
    case ICMPV6_TIME_EXCEED: return `time exceeded ${code === 0 ? 'in-transit' : '(reassembly)'}${quoted(buf, off, len)}`;
    case ICMPV6_PARAMPROB:
      return `parameter problem, ${['erroneous field', 'next header', 'option'][code] ?? `code ${String(code)}`} - octet `
        + String(icmp6hRest(buf, off) >>> 0);
    case ICMPV6_ECHO_REQUEST: case ICMPV6_ECHO_REPLY: {
      const name = type === ICMPV6_ECHO_REQUEST ? 'request' : 'reply';
      return `echo ${name}, id ${String(icmp6hId(buf, off))}, seq ${String(icmp6hSeq(buf, off))}`;
    }
    case ICMPV6_MGM_QUERY: return `multicast listener query${len > MLD_QUERY_LEN ? ' v2' : ''}${groupOf(buf, off, len)}`;
    case ICMPV6_MGM_REPORT: return `multicast listener report${groupOf(buf, off, len)}`;
    case ICMPV6_MGM_REDUCTION: return `multicast listener done${groupOf(buf, off, len)}`;
    case ICMPV6_MLD2_REPORT:
      return `multicast listener report v2, ${String(get16(buf, off + 6))} group record(s)${mld2RecordsText(buf, off, len)}`;
    default: return ndp(buf, off, len, type) ?? `type ${String(type)}, code ${String(code)}`;
  }
}

/** The destination of the packet that went wrong. */
function quoted(buf: Uint8Array, off: number, len: number): string {
  return len < ICMPV6_HLEN + IPV6_HLEN ? '' : `, for ${formatIpv6At(buf, off + ICMPV6_HLEN + IPV6_DADDR)}`;
}

function groupOf(buf: Uint8Array, off: number, len: number): string {
  return len < MLD_QUERY_LEN || in6IsAnyAt(buf, off + MLD_GROUP) ? '' : `, group ${formatIpv6At(buf, off + MLD_GROUP)}`;
}

function ndp(buf: Uint8Array, off: number, len: number, type: number): string | null {
  const end = off + len;
  if (type === NDISC_ROUTER_SOLICITATION) return `router solicitation${options(buf, off + NDP_RS_LEN, end)}`;
  if (type === NDISC_ROUTER_ADVERTISEMENT && len >= NDP_RA_LEN) {
    return `router advertisement, lifetime ${String(get16(buf, off + NDP_RA_LIFETIME))}s${options(buf, off + NDP_RA_LEN, end)}`;
  }
  if (type === NDISC_NEIGHBOUR_SOLICITATION && len >= NDP_NS_LEN) {
    return `neighbor solicitation, who has ${formatIpv6At(buf, off + NDP_TARGET)}${options(buf, off + NDP_NS_LEN, end)}`;
  }
  if (type === NDISC_NEIGHBOUR_ADVERTISEMENT && len >= NDP_NA_LEN) {
    const flags = ndNaFlags(buf, off);
    const names = [
      (flags & NDP_NA_ROUTER) !== 0 ? 'router' : '', (flags & NDP_NA_SOLICITED) !== 0 ? 'solicited' : '',
      (flags & NDP_NA_OVERRIDE) !== 0 ? 'override' : '',
    ].filter((name) => name !== '');
    const shown = names.length === 0 ? '' : `, Flags [${names.join(', ')}]`;
    return `neighbor advertisement, tgt is ${formatIpv6At(buf, off + NDP_TARGET)}${shown}${options(buf, off + NDP_NA_LEN, end)}`;
  }
  if (type === NDISC_REDIRECT && len >= NDP_REDIRECT_LEN) {
    const to = `${formatIpv6At(buf, off + NDP_REDIRECT_DEST)} to ${formatIpv6At(buf, off + NDP_TARGET)}`;
    return `redirect, ${to}${options(buf, off + NDP_REDIRECT_LEN, end)}`;
  }
  return null;
}

/** What the options say that is worth a place on the line. */
function options(buf: Uint8Array, off: number, end: number): string {
  let s = '';
  for (let at = off; at + 8 <= end;) {
    const len = get8(buf, at + 1) << 3;
    if (len === 0 || at + len > end) return `${s} [malformed option]`;
    const type = get8(buf, at);
    if (type === ND_OPT_SOURCE_LL_ADDR && len === 8) s += `, source link-address ${formatMac(buf, at + 2)}`;
    else if (type === ND_OPT_TARGET_LL_ADDR && len === 8) s += `, destination link-address ${formatMac(buf, at + 2)}`;
    else if (type === ND_OPT_PREFIX_INFO && len === 32) s += `, prefix ${formatIpv6At(buf, at + 16)}/${String(get8(buf, at + 2))}`;
    else if (type === ND_OPT_MTU && len === 8) s += `, mtu ${String(get32(buf, at + 4) >>> 0)}`;
    at += len;
  }
  return s;
}
