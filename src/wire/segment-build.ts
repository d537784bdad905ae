/**
 * From the segment notation's view of a packet to bytes: a whole IPv4 or IPv6 packet, checksums right, payload zeros unless given.
 * What the spec leaves out comes from the context, which also turns the script's sequence numbers into those of the wire.
 */
import type { In6Addr } from '../lib/addr6.ts';
import { copy, put16, put24, put32, put8 } from '../lib/bytes.ts';
import { csumFold, csumIpv6Nofold, csumPartial } from '../lib/checksum.ts';
import { ICMP_HLEN, icmpSendCheck, icmpWriteHeader } from './icmp.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN_MIN, IPV4_MAX_LEN, MAXTTL, ipv4WriteHeader } from './ipv4.ts';
import { ICMPV6_CHECK, ICMPV6_HLEN, icmpv6WriteHeader } from './icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_MAXPLEN, IPV6_SADDR, ipv6WriteHeader, NEXTHDR_ICMP as IPPROTO_ICMPV6 } from './ipv6.ts';
import type { EcnWord, IcmpSpec, PacketSpec, TcpOption, TcpSpec, UdpSpec } from './segment.ts';
import {
  MAX_TCP_OPTION_SPACE,
  TCPOPT_ACCECN0,
  TCPOPT_ACCECN1,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_AO,
  TCPOPT_MD5SIG,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from './tcp-options.ts';
import { TCP_CHECK, TCP_FLAG_ACK, TCP_HLEN_MIN, TCP_OPTIONS, tcpSendCheckV4, tcpWriteHeader } from './tcp.ts';
import { UDP_CHECK, UDP_HLEN, udpSendCheckV4, udpWriteHeader } from './udp.ts';

/** Where a packet comes from and goes to, and what fills its gaps. */
export interface BuildContext {
  /** int32 */
  readonly saddr: number;
  readonly daddr: number;
  /** Given: the packet is IPv6, from and to these. */
  readonly v6?: { readonly saddr: In6Addr; readonly daddr: In6Addr } | undefined;
  readonly sport: number;
  readonly dport: number;
  /** Added to the sequence number: the sender's ISS (0 when the spec has the wire's numbers). */
  readonly seqBase?: number;
  /** Added to the acknowledgment and to SACK edges, if the ACK flag is set: the receiver's ISS. */
  readonly ackBase?: number;
  /** For what the spec leaves out, in the spec's numbers. Defaults: 0, 0, 65535, none, 255. */
  readonly seq?: number;
  readonly ack?: number;
  readonly win?: number;
  readonly options?: readonly TcpOption[];
  readonly ttl?: number;
  readonly id?: number;
  /** The data; shorter than the spec's length, zeros follow. */
  readonly payload?: Uint8Array;
}

/** Builds the packet. Throws RangeError for one that cannot be: too long, too many options. */
export function buildPacket(spec: PacketSpec, ctx: BuildContext): Uint8Array {
  if (spec.proto === 'tcp') return buildTcp(spec, ctx);
  return spec.proto === 'udp' ? buildUdp(spec, ctx) : buildIcmp(spec, ctx);
}

const ECN_BITS: Readonly<Record<EcnWord, number>> = { noecn: 0, ect1: 1, ect0: 2, ect01: 2, ce: 3 };

/** A packet with its IP header; the payload of `l4Len` bytes is to be filled in behind it. */
function newPacket(spec: PacketSpec, ctx: BuildContext, protocol: number, l4Len: number): Uint8Array {
  if (ctx.v6 !== undefined) return newPacket6(spec, ctx, ctx.v6, protocol, l4Len);
  const total = IPV4_HLEN_MIN + l4Len;
  if (total > IPV4_MAX_LEN) throw new RangeError(`a packet of ${total} bytes; IPv4 carries at most ${IPV4_MAX_LEN}`);
  const buf = new Uint8Array(total);
  const tos = spec.ip.tos ?? (spec.ip.ecn === undefined ? 0 : ECN_BITS[spec.ip.ecn]);
  ipv4WriteHeader(buf, 0, tos, total, ctx.id ?? 0, 0, spec.ip.ttl ?? ctx.ttl ?? MAXTTL, protocol, ctx.saddr, ctx.daddr);
  return buf;
}

function newPacket6(
  spec: PacketSpec, ctx: BuildContext, { saddr, daddr }: NonNullable<BuildContext['v6']>, protocol: number, l4Len: number,
): Uint8Array {
  if (l4Len > IPV6_MAXPLEN) throw new RangeError(`a payload of ${l4Len} bytes; IPv6 carries at most ${IPV6_MAXPLEN}`);
  const buf = new Uint8Array(IPV6_HLEN + l4Len);
  const tclass = spec.ip.tos ?? (spec.ip.ecn === undefined ? 0 : ECN_BITS[spec.ip.ecn]);
  ipv6WriteHeader(buf, 0, tclass, spec.ip.flowlabel ?? 0, l4Len, protocol, spec.ip.ttl ?? ctx.ttl ?? MAXTTL, saddr, daddr);
  return buf;
}

/** Where the transport header is. */
function l4Offset(ctx: BuildContext): number {
  return ctx.v6 === undefined ? IPV4_HLEN_MIN : IPV6_HLEN;
}

/** Fills in the checksum at `field` of `len` bytes from `off` to the end, over IPv6's pseudo-header. */
function sendCheckV6(buf: Uint8Array, off: number, len: number, protocol: number, field: number): void {
  put16(buf, off + field, 0);
  const sum = csumFold(csumIpv6Nofold(buf, IPV6_SADDR, buf, IPV6_DADDR, len, protocol, csumPartial(buf, off, len, 0)));
  put16(buf, off + field, sum === 0 && protocol === IPPROTO_UDP ? 0xffff : sum);
}

function putPayload(buf: Uint8Array, off: number, ctx: BuildContext): void {
  if (ctx.payload !== undefined) copy(buf, off, ctx.payload, 0, Math.min(ctx.payload.length, buf.length - off));
}

function buildTcp(spec: TcpSpec, ctx: BuildContext): Uint8Array {
  const acked = (spec.flags & TCP_FLAG_ACK) !== 0;
  const ackBase = acked ? (ctx.ackBase ?? 0) : 0;
  const options = encodeTcpOptions(spec.options === 'any' ? [] : (spec.options ?? ctx.options ?? []), ackBase);
  if (options.length > MAX_TCP_OPTION_SPACE) {
    throw new RangeError(`options of ${options.length} bytes; the header has room for ${MAX_TCP_OPTION_SPACE}`);
  }
  const hlen = TCP_HLEN_MIN + options.length;
  const l4Len = hlen + (spec.range?.len ?? 0);
  const buf = newPacket(spec, ctx, IPPROTO_TCP, l4Len);
  const seq = (spec.range?.seq ?? ctx.seq ?? 0) + (ctx.seqBase ?? 0);
  const ack = (spec.ack ?? (acked ? (ctx.ack ?? 0) : 0)) + ackBase;
  const th = l4Offset(ctx);
  const win = spec.win ?? ctx.win ?? 65535;
  tcpWriteHeader(buf, th, spec.sport ?? ctx.sport, spec.dport ?? ctx.dport, seq, ack, hlen, spec.flags, win, spec.urg ?? 0);
  copy(buf, th + TCP_OPTIONS, options, 0, options.length);
  putPayload(buf, th + hlen, ctx);
  if (ctx.v6 !== undefined) sendCheckV6(buf, th, l4Len, IPPROTO_TCP, TCP_CHECK);
  else tcpSendCheckV4(buf, th, l4Len, ctx.saddr, ctx.daddr);
  return buf;
}

function buildUdp(spec: UdpSpec, ctx: BuildContext): Uint8Array {
  const l4Len = UDP_HLEN + spec.len;
  const buf = newPacket(spec, ctx, IPPROTO_UDP, l4Len);
  const uh = l4Offset(ctx);
  udpWriteHeader(buf, uh, spec.sport ?? ctx.sport, spec.dport ?? ctx.dport, l4Len);
  putPayload(buf, uh + UDP_HLEN, ctx);
  if (ctx.v6 !== undefined) sendCheckV6(buf, uh, l4Len, IPPROTO_UDP, UDP_CHECK);
  else udpSendCheckV4(buf, uh, l4Len, ctx.saddr, ctx.daddr);
  return buf;
}

/**
 * An ICMP message. What an error quotes is a packet of the other direction: from `daddr` to `saddr`, its sequence number
 * counted from `ackBase`; the IP header and 8 bytes, as RFC 792 asks for.
 */
function buildIcmp(spec: IcmpSpec, ctx: BuildContext): Uint8Array {
  if (ctx.v6 !== undefined) return buildIcmp6(spec, ctx, ctx.v6);
  if (spec.version !== 4) throw new RangeError('an ICMPv6 message in an IPv4 packet');
  const quoted = spec.echoed === undefined ? 0 : IPV4_HLEN_MIN + 8;
  const l4Len = ICMP_HLEN + quoted + (spec.len ?? 0);
  const buf = newPacket(spec, ctx, IPPROTO_ICMP, l4Len);
  const icmph = IPV4_HLEN_MIN;
  const high = spec.id ?? 0;
  icmpWriteHeader(buf, icmph, spec.type, spec.code, (high << 16) | (spec.mtu ?? spec.seq ?? 0));
  if (spec.echoed === undefined) {
    putPayload(buf, icmph + ICMP_HLEN, ctx);
  } else {
    const e = spec.echoed;
    const iph = icmph + ICMP_HLEN;
    const l4 = iph + IPV4_HLEN_MIN;
    const tcp = e.proto === 'tcp';
    const total = IPV4_HLEN_MIN + (tcp ? TCP_HLEN_MIN : UDP_HLEN) + e.range.len;
    ipv4WriteHeader(buf, iph, 0, total, 0, 0, MAXTTL, tcp ? IPPROTO_TCP : IPPROTO_UDP, ctx.daddr, ctx.saddr);
    put16(buf, l4, e.sport ?? ctx.dport);
    put16(buf, l4 + 2, e.dport ?? ctx.sport);
    if (tcp) put32(buf, l4 + 4, e.range.seq + (ctx.ackBase ?? 0));
    else put16(buf, l4 + 4, UDP_HLEN + e.range.len);
  }
  icmpSendCheck(buf, icmph, l4Len);
  return buf;
}

/** The same of IPv6: an error quotes the header and 8 bytes here, too, which is all that a socket needs (RFC 4443 §2.4 (c) quotes more). */
function buildIcmp6(spec: IcmpSpec, ctx: BuildContext, v6: NonNullable<BuildContext['v6']>): Uint8Array {
  if (spec.version !== 6) throw new RangeError('an ICMP message in an IPv6 packet');
  const quoted = spec.echoed === undefined ? 0 : IPV6_HLEN + 8;
  const l4Len = ICMPV6_HLEN + quoted + (spec.len ?? 0);
  const buf = newPacket6(spec, ctx, v6, IPPROTO_ICMPV6, l4Len);
  const at = IPV6_HLEN;
  icmpv6WriteHeader(buf, at, spec.type, spec.code, spec.mtu ?? (((spec.id ?? 0) << 16) | (spec.seq ?? 0)));
  if (spec.echoed === undefined) {
    putPayload(buf, at + ICMPV6_HLEN, ctx);
  } else {
    const e = spec.echoed;
    const tcp = e.proto === 'tcp';
    const l4 = at + ICMPV6_HLEN + IPV6_HLEN;
    const len = (tcp ? TCP_HLEN_MIN : UDP_HLEN) + e.range.len;
    ipv6WriteHeader(buf, at + ICMPV6_HLEN, 0, 0, len, tcp ? IPPROTO_TCP : IPPROTO_UDP, MAXTTL, v6.daddr, v6.saddr);
    put16(buf, l4, e.sport ?? ctx.dport);
    put16(buf, l4 + 2, e.dport ?? ctx.sport);
    if (tcp) put32(buf, l4 + 4, e.range.seq + (ctx.ackBase ?? 0));
    else put16(buf, l4 + 4, UDP_HLEN + e.range.len);
  }
  sendCheckV6(buf, at, l4Len, IPPROTO_ICMPV6, ICMPV6_CHECK);
  return buf;
}

/** Bytes of an option list, in order, nothing added: the list has its padding. `ackBase` is added to SACK edges. */
export function encodeTcpOptions(options: readonly TcpOption[], ackBase: number = 0): Uint8Array {
  const out = new Uint8Array(options.reduce((n, o) => n + tcpOptionLen(o), 0));
  let off = 0;
  for (const o of options) {
    const len = tcpOptionLen(o);
    put8(out, off, optionNumber(o));
    if (len > 1) put8(out, off + 1, len);
    encodeOption(out, off + 2, o, ackBase);
    off += len;
  }
  return out;
}

/** Bytes that an option takes, kind and length included. */
export function tcpOptionLen(o: TcpOption): number {
  switch (o.kind) {
    case 'nop':
    case 'eol':
      return 1;
    case 'sackOK':
      return 2;
    case 'mss':
      return 4;
    case 'wscale':
      return 3;
    case 'TS':
      return 10;
    case 'sack':
      return 2 + 4 * o.edges.length;
    case 'ECN':
      return 2 + 3 * o.counters.length;
    case 'FOEXP':
    case 'tcp-ao':
      return 4 + o.data.length;
    default:
      return 2 + o.data.length;
  }
}

function optionNumber(o: TcpOption): number {
  switch (o.kind) {
    case 'eol':
      return TCPOPT_EOL;
    case 'nop':
      return TCPOPT_NOP;
    case 'mss':
      return TCPOPT_MSS;
    case 'wscale':
      return TCPOPT_WINDOW;
    case 'sackOK':
      return TCPOPT_SACK_PERM;
    case 'sack':
      return TCPOPT_SACK;
    case 'TS':
      return TCPOPT_TIMESTAMP;
    case 'md5':
      return TCPOPT_MD5SIG;
    case 'tcp-ao':
      return TCPOPT_AO;
    case 'FO':
      return TCPOPT_FASTOPEN;
    case 'FOEXP':
      return TCPOPT_EXP;
    case 'ECN':
      return o.order === 0 ? TCPOPT_ACCECN0 : TCPOPT_ACCECN1;
    case 'opt':
      return o.number;
  }
}

/** What stands behind kind and length, at `off`. */
function encodeOption(out: Uint8Array, off: number, o: TcpOption, ackBase: number): void {
  switch (o.kind) {
    case 'mss':
      put16(out, off, o.value);
      break;
    case 'wscale':
      put8(out, off, o.value);
      break;
    case 'TS':
      put32(out, off, o.val);
      put32(out, off + 4, o.ecr);
      break;
    case 'sack':
      o.edges.forEach((edge, i) => put32(out, off + 4 * i, edge + ackBase));
      break;
    case 'ECN':
      o.counters.forEach((n, i) => put24(out, off + 3 * i, n));
      break;
    case 'md5':
    case 'FO':
    case 'opt':
      out.set(o.data, off);
      break;
    case 'tcp-ao':
      put8(out, off, o.keyid);
      put8(out, off + 1, o.rnextkeyid);
      out.set(o.data, off + 2);
      break;
    case 'FOEXP':
      put16(out, off, TCPOPT_FASTOPEN_MAGIC);
      out.set(o.data, off + 2);
      break;
  }
}
