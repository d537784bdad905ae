/**
 * Conntrack for ICMP errors: they are RELATED to the connection whose packet they quote, whichever direction that went.
 * (RFC 792, RFC 4443; Linux: nf_conntrack_proto_icmp.c)
 */
import { get16, get32, get8 } from '../../lib/bytes.ts';
import { ICMP_HLEN, ICMP_ID, icmpIsError, NR_ICMP_TYPES } from '../../wire/icmp.ts';
import {
  IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_PROTOCOL, IPV4_SADDR, iphHlen,
} from '../../wire/ipv4.ts';
import { mayPull } from '../../skb/copy.ts';
import { type Conntrack, conntrackFind } from './conntrack-table.ts';
import { tupleInvert, type Tuple } from './conn.ts';
import { IP_CT_DIR_REPLY, IP_CT_IS_REPLY, IP_CT_RELATED, IP_CT_UNTRACKED, NF_INET_PRE_ROUTING } from './constants.ts';
import { hasPorts, type NfPacket } from './packet.ts';
import { checksumGood, CT_INVALID, CT_OK, CT_RELATED } from './track-simple.ts';

/** Errors about IPv6 packets are below 128 (RFC 4443 §2.1). */
const ICMPV6_INFOMSG = 128;
/** Types of neighbour discovery and multicast listeners: between neighbours, never tracked (RFC 4861, RFC 2710). */
const ICMPV6_MLD_FIRST = 130;
const ICMPV6_NDP_LAST = 137;
const ICMPV6_MLD2 = 143;
const IPV6_HLEN = 40;

/** CT_OK: no error, track it like others; CT_RELATED: it has its connection; CT_INVALID. */
export function icmpErrorTrack(table: Conntrack, p: NfPacket): number {
  const { icmpType: type } = p;
  if (p.hook === NF_INET_PRE_ROUTING && !checksumGood(table, p)) return CT_INVALID;
  if (p.version === 4) {
    if (p.proto !== IPPROTO_ICMP) return CT_OK;
    if (type > NR_ICMP_TYPES) return CT_INVALID;
    if (!icmpIsError(type)) return CT_OK;
  } else {
    if (p.proto !== IPPROTO_ICMPV6) return CT_OK;
    if ((type >= ICMPV6_MLD_FIRST && type <= ICMPV6_NDP_LAST) || type === ICMPV6_MLD2) return neighbours(p);
    if (type >= ICMPV6_INFOMSG) return CT_OK;
  }
  const t = table.inner;
  // An answer to the quoted packet would go the way that the error goes: that is the tuple to look for.
  if (!innerTuple(t, p) || !tupleInvert(t, t)) return CT_INVALID;
  const found = conntrackFind(table, t);
  if (found === null) return CT_INVALID;
  const { ct, dir } = found;
  // It must go to whom such an answer would go: else the quoted packet was never sent by the one who is told.
  if (p.d0 !== found.d0 || (p.version === 6 && (p.d1 !== found.d1 || p.d2 !== found.d2 || p.d3 !== found.d3))) return CT_INVALID;
  p.skb.nfct = ct;
  p.skb.nfctInfo = dir === IP_CT_DIR_REPLY ? IP_CT_RELATED + IP_CT_IS_REPLY : IP_CT_RELATED;
  return CT_RELATED;
}

function neighbours(p: NfPacket): number {
  p.skb.nfctInfo = IP_CT_UNTRACKED;
  return CT_RELATED;
}

/** Offset in `skb.buf` of the packet that an ICMP error quotes. */
export function innerOffset(p: NfPacket): number {
  return p.th + ICMP_HLEN;
}

/** Reads the tuple of the quoted packet; false when too little of it is quoted. */
export function innerTuple(t: Tuple, p: NfPacket): boolean {
  const { skb } = p;
  const at = innerOffset(p);
  const base = at - skb.data;
  return p.version === 4 ? innerIpv4(t, p, at, base) : innerIpv6(t, p, at, base);
}

function innerIpv4(t: Tuple, p: NfPacket, at: number, base: number): boolean {
  const { skb } = p;
  const { buf } = skb;
  if (!mayPull(skb, base + IPV4_HLEN_MIN)) return false;
  const hlen = iphHlen(buf, at);
  if (get8(buf, at) >> 4 !== 4 || hlen < IPV4_HLEN_MIN || (get16(buf, at + IPV4_FRAG_OFF) & IP_OFFSET) !== 0) return false;
  t.version = 4;
  t.s0 = get32(buf, at + IPV4_SADDR);
  t.d0 = get32(buf, at + IPV4_DADDR);
  t.s1 = t.s2 = t.s3 = t.d1 = t.d2 = t.d3 = 0;
  t.proto = get8(buf, at + IPV4_PROTOCOL);
  return innerTransport(t, p, at + hlen, base + hlen);
}

function innerIpv6(t: Tuple, p: NfPacket, at: number, base: number): boolean {
  const { skb } = p;
  const { buf } = skb;
  if (!mayPull(skb, base + IPV6_HLEN) || get8(buf, at) >> 4 !== 6) return false;
  t.version = 6;
  t.s0 = get32(buf, at + 8);
  t.s1 = get32(buf, at + 12);
  t.s2 = get32(buf, at + 16);
  t.s3 = get32(buf, at + 20);
  t.d0 = get32(buf, at + 24);
  t.d1 = get32(buf, at + 28);
  t.d2 = get32(buf, at + 32);
  t.d3 = get32(buf, at + 36);
  t.proto = get8(buf, at + 6); // a quoted packet with extension headers is no known connection
  return innerTransport(t, p, at + IPV6_HLEN, base + IPV6_HLEN);
}

function innerTransport(t: Tuple, p: NfPacket, th: number, base: number): boolean {
  const { buf } = p.skb;
  t.sport = 0;
  t.dport = 0;
  if (!mayPull(p.skb, base + 8)) return false; // RFC 792: 64 bits at least
  if (hasPorts(t.proto)) {
    t.sport = get16(buf, th);
    t.dport = get16(buf, th + 2);
  } else if (t.proto === IPPROTO_ICMP || t.proto === IPPROTO_ICMPV6) {
    t.sport = get16(buf, th + ICMP_ID);
    t.dport = get16(buf, th);
  }
  return true;
}
