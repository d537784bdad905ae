/**
 * Rewriting a packet in place: addresses, ports, identifiers, with their checksums brought along (RFC 3022 §4; RFC 1624).
 * Everything that is changed lies in the skb's own header area, so that nobody else's bytes change with it.
 *
 * A transport checksum that is still open (CHECKSUM_PARTIAL) covers whatever the header says when it is filled in: it is
 * left alone. The checksum of a packet that is quoted in an ICMP error is brought along as far as it is quoted.
 */
import { get16, get32, get8, put16, put32 } from '../../lib/bytes.ts';
import { csumFold, csumReplace2, csumReplace4 } from '../../lib/checksum.ts';
import { ICMP_CHECK, ICMP_ID, icmpIsError } from '../../wire/icmp.ts';
import {
  IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_CHECK, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_PROTOCOL,
  IPV4_SADDR, iphHlen,
} from '../../wire/ipv4.ts';
import { TCP_CHECK, TCP_HLEN_MIN } from '../../wire/tcp.ts';
import { CSUM_MANGLED_0, UDP_CHECK } from '../../wire/udp.ts';
import { mayPull } from '../../skb/copy.ts';
import { skbChecksum } from '../../skb/csum.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../../skb/sk-buff.ts';
import { csumIpv6Nofold } from '../../lib/checksum.ts';
import type { NfConn, Tuple } from './conn.ts';
import { tupleInvert } from './conn.ts';
import {
  hook2manip, IP_CT_IS_REPLY, IPS_DST_NAT, IPS_NAT_MASK, IPS_SRC_NAT, NF_NAT_MANIP_SRC,
} from './constants.ts';
import { hasPorts, type NfPacket } from './packet.ts';
import { innerOffset } from './track-icmp.ts';

const IPV6_HLEN = 40;
const IPV6_SADDR = 8;
const IPV6_DADDR = 24;
const UDPLITE = 136;

/** Must this end of the packet be rewritten at this hook? */
export function natNeeded(ct: NfConn, p: NfPacket): boolean {
  const manip = hook2manip(p.hook);
  let bit = manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  // What was done to the source of questions is undone at the destination of answers.
  if (p.skb.nfctInfo >= IP_CT_IS_REPLY) bit ^= IPS_NAT_MASK;
  return (ct.status & bit) !== 0;
}

/** Rewrites the packet at this hook, if this end of its connection is translated. `target` is scratch. */
export function natPacket(ct: NfConn, p: NfPacket, target: Tuple): void {
  if (!natNeeded(ct, p)) return;
  // The packet becomes what the other side's answers answer.
  tupleInvert(target, ct.tuples[p.skb.nfctInfo >= IP_CT_IS_REPLY ? 0 : 1]);
  const manip = hook2manip(p.hook);
  manipTransport(p.skb, p.version, p.nh, p.th, p.proto, target, manip, p.skb.ipSummed === CHECKSUM_PARTIAL);
  manipAddress(p.skb.buf, p.version, p.nh, target, manip);
  noteManip(p, target, manip);
}

/** What rules see from here on. */
function noteManip(p: NfPacket, t: Tuple, manip: number): void {
  if (manip === NF_NAT_MANIP_SRC) {
    p.s0 = t.s0;
    p.s1 = t.s1;
    p.s2 = t.s2;
    p.s3 = t.s3;
    if (p.sport >= 0) p.sport = t.sport;
  } else {
    p.d0 = t.d0;
    p.d1 = t.d1;
    p.d2 = t.d2;
    p.d3 = t.d3;
    if (p.dport >= 0) p.dport = t.dport;
  }
}

/** True for an ICMP message about another packet of the connection, not one of its own. */
export function isIcmpError(p: NfPacket): boolean {
  if (p.version === 4) return p.proto === IPPROTO_ICMP && p.icmpType >= 0 && icmpIsError(p.icmpType);
  return p.proto === IPPROTO_ICMPV6 && p.icmpType >= 0 && p.icmpType < 128;
}

/**
 * An ICMP error about a translated connection: its own address is rewritten, and the packet that it quotes the other way round,
 * so that it reads as the sender sent it (RFC 5508 §4.1, REQ-3; RFC 7857 §6).
 */
export function natIcmpError(ct: NfConn, p: NfPacket, target: Tuple): void {
  if (!natNeeded(ct, p)) return;
  const { skb } = p;
  const { buf } = skb;
  const manip = hook2manip(p.hook);
  const reply = skb.nfctInfo >= IP_CT_IS_REPLY;
  const other = ct.tuples[reply ? 0 : 1];
  const at = innerOffset(p);
  manipQuoted(skb, p.version, at, other, manip ^ 1);
  tupleInvert(target, other);
  manipAddress(buf, p.version, p.nh, target, manip);
  noteManip(p, target, manip);
  if (skb.ipSummed === CHECKSUM_PARTIAL) return;
  const off = p.th - skb.data;
  put16(buf, p.th + ICMP_CHECK, 0);
  let sum = skbChecksum(skb, off, skb.len - off, 0);
  if (p.version === 6) sum = csumIpv6Nofold(buf, p.nh + IPV6_SADDR, buf, p.nh + IPV6_DADDR, skb.len - off, IPPROTO_ICMPV6, sum);
  put16(buf, p.th + ICMP_CHECK, csumFold(sum));
}

function manipQuoted(skb: SkBuff, version: number, at: number, t: Tuple, manip: number): void {
  const { buf } = skb;
  const hlen = version === 4 ? iphHlen(buf, at) : IPV6_HLEN;
  const proto = version === 4 ? get8(buf, at + IPV4_PROTOCOL) : get8(buf, at + 6);
  if (version === 4 && (get16(buf, at + IPV4_FRAG_OFF) & IP_OFFSET) !== 0) return;
  // The checksum of TCP is its ninth word: brought along when so much is quoted.
  mayPull(skb, at - skb.data + hlen + TCP_HLEN_MIN);
  manipTransport(skb, version, at, at + hlen, proto, t, manip, false);
  manipAddress(buf, version, at, t, manip);
}

/** Ports and identifier, and the transport checksum with the address that is about to change. */
function manipTransport(
  skb: SkBuff, version: number, nh: number, th: number, proto: number, t: Tuple, manip: number, open: boolean,
): void {
  if (th < 0) return;
  const { buf } = skb;
  const source = manip === NF_NAT_MANIP_SRC;
  if (proto === IPPROTO_ICMP || proto === IPPROTO_ICMPV6) {
    manipIcmp(buf, version, nh, th, proto, t, source);
    return;
  }
  if (!hasPorts(proto)) return;
  const field = proto === IPPROTO_TCP ? TCP_CHECK : proto === IPPROTO_UDP || proto === UDPLITE ? UDP_CHECK : -1;
  const portAt = source ? th : th + 2;
  const from = get16(buf, portAt);
  const to = source ? t.sport : t.dport;
  put16(buf, portAt, to);
  if (open || field < 0 || th + field + 2 > skb.tail) return;
  let check = get16(buf, th + field);
  if (proto === IPPROTO_UDP && check === 0 && version === 4) return; // the sender computed none
  check = csumReplace2(replaceAddress(buf, version, nh, t, source, check), from, to);
  put16(buf, th + field, check === 0 && proto === IPPROTO_UDP ? CSUM_MANGLED_0 : check);
}

/** The identifier of a query; ICMPv6 has the addresses in its checksum as well (RFC 4443 §2.3). */
function manipIcmp(buf: Uint8Array, version: number, nh: number, th: number, proto: number, t: Tuple, source: boolean): void {
  const from = get16(buf, th + ICMP_ID);
  const query = proto === IPPROTO_ICMP ? !icmpIsError(get8(buf, th)) : get8(buf, th) >= 128;
  let check = get16(buf, th + ICMP_CHECK);
  if (query && from !== t.sport) {
    put16(buf, th + ICMP_ID, t.sport);
    check = csumReplace2(check, from, t.sport);
  }
  if (proto === IPPROTO_ICMPV6) check = replaceAddress(buf, version, nh, t, source, check);
  put16(buf, th + ICMP_CHECK, check);
}

/** The checksum after the source or the destination of the packet at `nh` has become the one of `t`. */
function replaceAddress(buf: Uint8Array, version: number, nh: number, t: Tuple, source: boolean, check: number): number {
  if (version === 4) return csumReplace4(check, get32(buf, nh + (source ? IPV4_SADDR : IPV4_DADDR)), source ? t.s0 : t.d0);
  const at = nh + (source ? IPV6_SADDR : IPV6_DADDR);
  let sum = csumReplace4(check, get32(buf, at), source ? t.s0 : t.d0);
  sum = csumReplace4(sum, get32(buf, at + 4), source ? t.s1 : t.d1);
  sum = csumReplace4(sum, get32(buf, at + 8), source ? t.s2 : t.d2);
  return csumReplace4(sum, get32(buf, at + 12), source ? t.s3 : t.d3);
}

function manipAddress(buf: Uint8Array, version: number, nh: number, t: Tuple, manip: number): void {
  const source = manip === NF_NAT_MANIP_SRC;
  if (version === 6) {
    const at = nh + (source ? IPV6_SADDR : IPV6_DADDR);
    put32(buf, at, source ? t.s0 : t.d0);
    put32(buf, at + 4, source ? t.s1 : t.d1);
    put32(buf, at + 8, source ? t.s2 : t.d2);
    put32(buf, at + 12, source ? t.s3 : t.d3);
    return;
  }
  const at = nh + (source ? IPV4_SADDR : IPV4_DADDR);
  const to = source ? t.s0 : t.d0;
  put16(buf, nh + IPV4_CHECK, csumReplace4(get16(buf, nh + IPV4_CHECK), get32(buf, at), to));
  put32(buf, at, to);
}
