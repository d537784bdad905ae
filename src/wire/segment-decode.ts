/**
 * From bytes to the segment notation's view of a packet. Whatever the bytes are, nothing here throws: what is cut short or
 * contradicts itself comes back as a string that says so. Checksums are not looked at: an offloading card may not have
 * computed them yet.
 */
import { get16, get24, get32, get8 } from '../lib/bytes.ts';
import {
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HLEN,
  icmpIsError,
  icmphCode,
  icmphId,
  icmphMtu,
  icmphSeq,
  icmphType,
} from './icmp.ts';
import {
  ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_HLEN, ICMPV6_PKT_TOOBIG, icmp6hCode, icmp6hId, icmp6hRest, icmp6hSeq, icmp6hType,
  icmpv6IsErr,
} from './icmpv6.ts';
import { ip6hFlowLabel, ip6hHopLimit, ip6hNexthdr, ip6hPayloadLen, ip6hTclass, IPV6_HLEN, NEXTHDR_ICMP } from './ipv6.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN_MIN, iphHlen, iphProtocol, iphTos, iphTotalLen, iphTtl } from './ipv4.ts';
import type { EchoedSpec, IcmpSpec, IpSpec, TcpOption, TcpSpec, UdpSpec, PacketSpec } from './segment.ts';
import {
  TCPOPT_ACCECN0,
  TCPOPT_ACCECN1,
  TCPOPT_AO,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_MD5SIG,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  TCPOLEN_AO_BASE,
  TCPOLEN_MD5SIG,
} from './tcp-options.ts';
import { TCP_FLAG_ACK, TCP_HLEN_MIN, TCP_OPTIONS, thAckSeq, thDport, thFlags9, thHlen, thSeq, thSport, thUrgPtr, thWindow } from './tcp.ts';
import { UDP_HLEN, uhDport, uhLen, uhSport } from './udp.ts';

/** Decodes a whole, unfragmented IPv4 packet of `len` bytes. A string is what is wrong with it, or "protocol 42 (20)". */
export function decodeIpv4(buf: Uint8Array, off: number, len: number): PacketSpec | string {
  const bad = ipv4Malformed(buf, off, len);
  if (bad !== '') return bad;
  const hlen = iphHlen(buf, off);
  const ip: IpSpec = { tos: iphTos(buf, off), ttl: iphTtl(buf, off) };
  const l4 = off + hlen;
  const l4Len = iphTotalLen(buf, off) - hlen;
  switch (iphProtocol(buf, off)) {
    case IPPROTO_TCP:
      return decodeTcp(buf, l4, l4Len, ip);
    case IPPROTO_UDP:
      return decodeUdp(buf, l4, l4Len, ip);
    case IPPROTO_ICMP:
      return decodeIcmp(buf, l4, l4Len, ip);
    default:
      return `protocol ${iphProtocol(buf, off)} (${l4Len})`;
  }
}

/** Decodes a whole IPv6 packet of `len` bytes, without extension headers. As {@link decodeIpv4}. */
export function decodeIpv6(buf: Uint8Array, off: number, len: number): PacketSpec | string {
  if (len < IPV6_HLEN) return `[malformed ip6: ${len} bytes]`;
  if (get8(buf, off) >> 4 !== 6) return `[malformed ip6: version ${get8(buf, off) >> 4}]`;
  const l4Len = ip6hPayloadLen(buf, off);
  if (IPV6_HLEN + l4Len > len) return `[malformed ip6: truncated, ${len} of ${IPV6_HLEN + l4Len} bytes]`;
  const ip: IpSpec = { tos: ip6hTclass(buf, off), ttl: ip6hHopLimit(buf, off), flowlabel: ip6hFlowLabel(buf, off) };
  const l4 = off + IPV6_HLEN;
  switch (ip6hNexthdr(buf, off)) {
    case IPPROTO_TCP: return decodeTcp(buf, l4, l4Len, ip);
    case IPPROTO_UDP: return decodeUdp(buf, l4, l4Len, ip);
    case NEXTHDR_ICMP: return decodeIcmp6(buf, l4, l4Len, ip);
    default: return `next header ${ip6hNexthdr(buf, off)} (${l4Len})`;
  }
}

/** What is wrong with the lengths of an IPv4 header, or ''. */
export function ipv4Malformed(buf: Uint8Array, off: number, len: number): string {
  if (len < IPV4_HLEN_MIN) return `[malformed ip: ${len} bytes]`;
  if (get8(buf, off) >> 4 !== 4) return `[malformed ip: version ${get8(buf, off) >> 4}]`;
  const hlen = iphHlen(buf, off);
  const total = iphTotalLen(buf, off);
  if (hlen < IPV4_HLEN_MIN || hlen > len) return `[malformed ip: header length ${hlen} of ${len}]`;
  if (total < hlen) return `[malformed ip: total length ${total}, header ${hlen}]`;
  return total > len ? `[malformed ip: truncated, ${len} of ${total} bytes]` : '';
}

/** Decodes `len` bytes of TCP header and data. Sequence numbers as they are on the wire. */
export function decodeTcp(buf: Uint8Array, off: number, len: number, ip: IpSpec): TcpSpec | string {
  if (len < TCP_HLEN_MIN) return `[malformed tcp: ${len} bytes]`;
  const hlen = thHlen(buf, off);
  if (hlen < TCP_HLEN_MIN || hlen > len) return `[malformed tcp: header length ${hlen} of ${len}]`;
  const options = decodeTcpOptions(buf, off + TCP_OPTIONS, hlen - TCP_HLEN_MIN);
  if (typeof options === 'string') return options;
  const flags = thFlags9(buf, off);
  const ack = thAckSeq(buf, off) >>> 0;
  const urg = thUrgPtr(buf, off);
  return {
    proto: 'tcp',
    ip,
    sport: thSport(buf, off),
    dport: thDport(buf, off),
    flags,
    ace: false,
    range: { seq: thSeq(buf, off) >>> 0, len: len - hlen },
    ack: (flags & TCP_FLAG_ACK) !== 0 || ack !== 0 ? ack : undefined,
    win: thWindow(buf, off),
    urg: urg === 0 ? undefined : urg,
    options: options.length === 0 ? undefined : options,
  };
}

/** The options one by one, padding included; a string when a length is impossible. What is behind an `eol` counts as more of them. */
export function decodeTcpOptions(buf: Uint8Array, off: number, len: number): TcpOption[] | string {
  const out: TcpOption[] = [];
  const end = off + len;
  while (off < end) {
    const kind = get8(buf, off);
    if (kind === TCPOPT_EOL) {
      for (; off < end; off++) out.push({ kind: 'eol' });
      return out;
    }
    if (kind === TCPOPT_NOP) {
      out.push({ kind: 'nop' });
      off++;
      continue;
    }
    const size = off + 1 < end ? get8(buf, off + 1) : 0;
    if (size < 2 || off + size > end) return `[malformed tcp: option ${kind}, length ${size}, ${end - off} bytes left]`;
    out.push(decodeTcpOption(buf, off, kind, size));
    off += size;
  }
  return out;
}

function decodeTcpOption(buf: Uint8Array, off: number, kind: number, size: number): TcpOption {
  const data = buf.slice(off + 2, off + size);
  if (kind === TCPOPT_MSS && size === 4) return { kind: 'mss', value: get16(buf, off + 2) };
  if (kind === TCPOPT_WINDOW && size === 3) return { kind: 'wscale', value: get8(buf, off + 2) };
  if (kind === TCPOPT_SACK_PERM && size === 2) return { kind: 'sackOK' };
  if (kind === TCPOPT_TIMESTAMP && size === 10) {
    return { kind: 'TS', val: get32(buf, off + 2) >>> 0, ecr: get32(buf, off + 6) >>> 0 };
  }
  if (kind === TCPOPT_SACK && size >= 10 && size % 8 === 2) {
    const edges: number[] = [];
    for (let i = 2; i < size; i += 4) edges.push(get32(buf, off + i) >>> 0);
    return { kind: 'sack', edges };
  }
  if (kind === TCPOPT_MD5SIG && size === TCPOLEN_MD5SIG) return { kind: 'md5', data };
  if (kind === TCPOPT_AO && size > TCPOLEN_AO_BASE) {
    return { kind: 'tcp-ao', keyid: get8(buf, off + 2), rnextkeyid: get8(buf, off + 3), data: data.slice(2) };
  }
  if (kind === TCPOPT_FASTOPEN) return { kind: 'FO', data };
  if (kind === TCPOPT_EXP && size >= 4 && get16(buf, off + 2) === TCPOPT_FASTOPEN_MAGIC) return { kind: 'FOEXP', data: data.slice(2) };
  if ((kind === TCPOPT_ACCECN0 || kind === TCPOPT_ACCECN1) && size % 3 === 2 && size >= 5 && size <= 11) {
    const counters: number[] = [];
    for (let i = 2; i < size; i += 3) counters.push(get24(buf, off + i));
    return { kind: 'ECN', order: kind === TCPOPT_ACCECN0 ? 0 : 1, counters };
  }
  return { kind: 'opt', number: kind, data };
}

/** Decodes `len` bytes of UDP header and data. */
export function decodeUdp(buf: Uint8Array, off: number, len: number, ip: IpSpec): UdpSpec | string {
  if (len < UDP_HLEN) return `[malformed udp: ${len} bytes]`;
  const ulen = uhLen(buf, off);
  if (ulen < UDP_HLEN || ulen > len) return `[malformed udp: length ${ulen} of ${len}]`;
  return { proto: 'udp', ip, sport: uhSport(buf, off), dport: uhDport(buf, off), len: ulen - UDP_HLEN };
}

/** Decodes `len` bytes of ICMP; an error's quotation of TCP or UDP over IPv4 too, as far as it goes. */
export function decodeIcmp(buf: Uint8Array, off: number, len: number, ip: IpSpec): IcmpSpec | string {
  if (len < ICMP_HLEN) return `[malformed icmp: ${len} bytes]`;
  const type = icmphType(buf, off);
  const spec: IcmpSpec = { proto: 'icmp', ip, version: 4, type, code: icmphCode(buf, off) };
  if (type === ICMP_ECHO || type === ICMP_ECHOREPLY) {
    spec.id = icmphId(buf, off);
    spec.seq = icmphSeq(buf, off);
    spec.len = len - ICMP_HLEN;
  } else if (icmpIsError(type)) {
    if (type === ICMP_DEST_UNREACH && spec.code === ICMP_FRAG_NEEDED) spec.mtu = icmphMtu(buf, off);
    spec.echoed = decodeQuotation(buf, off + ICMP_HLEN, len - ICMP_HLEN);
  }
  return spec;
}

/** Decodes `len` bytes of ICMPv6. */
function decodeIcmp6(buf: Uint8Array, off: number, len: number, ip: IpSpec): IcmpSpec | string {
  if (len < ICMPV6_HLEN) return `[malformed icmp6: ${len} bytes]`;
  const type = icmp6hType(buf, off);
  const spec: IcmpSpec = { proto: 'icmp', ip, version: 6, type, code: icmp6hCode(buf, off) };
  if (type === ICMPV6_ECHO_REQUEST || type === ICMPV6_ECHO_REPLY) {
    spec.id = icmp6hId(buf, off);
    spec.seq = icmp6hSeq(buf, off);
    spec.len = len - ICMPV6_HLEN;
  } else if (icmpv6IsErr(type)) {
    if (type === ICMPV6_PKT_TOOBIG) spec.mtu = icmp6hRest(buf, off) >>> 0;
    spec.echoed = decodeQuotation6(buf, off + ICMPV6_HLEN, len - ICMPV6_HLEN);
  }
  return spec;
}

function decodeQuotation6(buf: Uint8Array, off: number, len: number): EchoedSpec | undefined {
  if (len < IPV6_HLEN + 8 || get8(buf, off) >> 4 !== 6) return undefined;
  const l4 = off + IPV6_HLEN;
  const l4Len = ip6hPayloadLen(buf, off);
  return quotedPorts(buf, l4, ip6hNexthdr(buf, off), len - IPV6_HLEN, l4Len);
}

/** The quoted packet, or `undefined` when it is neither TCP nor UDP or too short to say. */
function decodeQuotation(buf: Uint8Array, off: number, len: number): EchoedSpec | undefined {
  if (len < IPV4_HLEN_MIN || get8(buf, off) >> 4 !== 4) return undefined;
  const hlen = iphHlen(buf, off);
  const proto = iphProtocol(buf, off);
  if (hlen < IPV4_HLEN_MIN || len < hlen + 8) return undefined;
  return quotedPorts(buf, off + hlen, proto, len - hlen, iphTotalLen(buf, off) - hlen);
}

/** What is quoted of TCP or UDP: `len` bytes of the `whole` that there were. */
function quotedPorts(buf: Uint8Array, l4: number, proto: number, len: number, whole: number): EchoedSpec | undefined {
  const ports = { sport: get16(buf, l4), dport: get16(buf, l4 + 2) };
  if (proto === IPPROTO_UDP) {
    return { proto: 'udp', ...ports, range: { seq: 0, len: Math.max(0, uhLen(buf, l4) - UDP_HLEN) } };
  }
  if (proto !== IPPROTO_TCP) return undefined;
  // How long the segment's own header was stands in its 13th byte: quoted by most, promised by nobody (RFC 792).
  const thlen = len > 12 ? thHlen(buf, l4) : TCP_HLEN_MIN;
  return { proto: 'tcp', ...ports, range: { seq: thSeq(buf, l4) >>> 0, len: Math.max(0, whole - thlen) } };
}
