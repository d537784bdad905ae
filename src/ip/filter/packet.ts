/**
 * A packet as rules and conntrack see it: its headers, read once per hook into a scratch object that is used again and again.
 *
 *   from  ip/filter/hooks.ts   nfPacketRead, at each hook
 *   to    tables, conntrack, NAT: they look here, and at the bytes for what is rare
 *
 * An IPv4 address is one word, in `s0` and `d0`; an IPv6 address is four.
 */
import { get16, get32, get8 } from '../../lib/bytes.ts';
import {
  IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_PROTOCOL, IPV4_SADDR,
  IPV4_TOS, IPV4_TTL, iphHlen,
} from '../../wire/ipv4.ts';
import { ICMP_HLEN } from '../../wire/icmp.ts';
import { TCP_DOFF, TCP_FLAGS, TCP_HLEN_MIN } from '../../wire/tcp.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { mayPull } from '../../skb/copy.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../../dev/net-device.ts';

/** IPPROTO_UDPLITE and IPPROTO_SCTP, IPPROTO_DCCP: ports stand where UDP has them. */
export const IPPROTO_DCCP = 33;
export const IPPROTO_SCTP = 132;
export const IPPROTO_UDPLITE = 136;

export class NfPacket {
  skb!: SkBuff;
  hook = 0;
  in: NetDevice | null = null;
  out: NetDevice | null = null;
  /** 4 or 6. */
  version = 4;
  /** Offset of the IP header in `skb.buf`. */
  nh = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  d0 = 0;
  d1 = 0;
  d2 = 0;
  d3 = 0;
  tos = 0;
  ttl = 0;
  proto = 0;
  /** Place of this fragment in its packet, in units of 8 bytes; 0 for whole packets and first fragments. */
  fragOff = 0;
  /** More fragments follow. */
  moreFrags = false;
  /** Offset of the transport header in `skb.buf`, or -1: a later fragment, or cut short. */
  th = -1;
  /** Bytes from the transport header to the end of the packet. */
  l4Len = 0;
  /** Ports, -1 when there are none. */
  sport = -1;
  dport = -1;
  /** FIN to CWR. */
  tcpFlags = 0;
  /** Bytes of the TCP header; 0 when its length is impossible. */
  tcpHlen = 0;
  /** -1 when there is none. */
  icmpType = -1;
  icmpCode = -1;
}

/** Reads the headers of `skb`, whose `nh` is set and whose `data` is there. False when they are cut short: nobody can judge it. */
export function nfPacketRead(p: NfPacket, skb: SkBuff): boolean {
  p.skb = skb;
  p.nh = skb.nh;
  p.sport = -1;
  p.dport = -1;
  p.icmpType = -1;
  p.icmpCode = -1;
  p.tcpFlags = 0;
  p.tcpHlen = 0;
  p.th = -1;
  const { buf, nh } = skb;
  return get8(buf, nh) >> 4 === 4 ? readIpv4(p, skb) : readIpv6(p, skb);
}

function readIpv4(p: NfPacket, skb: SkBuff): boolean {
  const { buf, nh } = skb;
  p.version = 4;
  p.s0 = get32(buf, nh + IPV4_SADDR);
  p.d0 = get32(buf, nh + IPV4_DADDR);
  p.tos = get8(buf, nh + IPV4_TOS);
  p.ttl = get8(buf, nh + IPV4_TTL);
  p.proto = get8(buf, nh + IPV4_PROTOCOL);
  const frag = get16(buf, nh + IPV4_FRAG_OFF);
  p.fragOff = frag & IP_OFFSET;
  p.moreFrags = (frag & IP_MF) !== 0;
  const hlen = iphHlen(buf, nh);
  p.l4Len = skb.len - hlen;
  return p.fragOff !== 0 || readTransport(p, skb, hlen);
}

/** The extension headers that may stand before the transport header (RFC 8200 §4.1). */
const NEXTHDR_HOP = 0;
const NEXTHDR_ROUTING = 43;
const NEXTHDR_FRAGMENT = 44;
const NEXTHDR_AUTH = 51;
const NEXTHDR_NONE = 59;
const NEXTHDR_DEST = 60;
const NEXTHDR_MOBILITY = 135;
/** As many of them as are followed (Linux bounds the walk by the packet's length; ours is bounded by the header area too). */
export const NF_EXTHDRS_MAX = 12;
const IPV6_HLEN = 40;

function readIpv6(p: NfPacket, skb: SkBuff): boolean {
  const { buf, nh } = skb;
  p.version = 6;
  p.s0 = get32(buf, nh + 8);
  p.s1 = get32(buf, nh + 12);
  p.s2 = get32(buf, nh + 16);
  p.s3 = get32(buf, nh + 20);
  p.d0 = get32(buf, nh + 24);
  p.d1 = get32(buf, nh + 28);
  p.d2 = get32(buf, nh + 32);
  p.d3 = get32(buf, nh + 36);
  p.tos = (get16(buf, nh) >> 4) & 0xff;
  p.ttl = get8(buf, nh + 7);
  p.fragOff = 0;
  p.moreFrags = false;
  let next = get8(buf, nh + 6);
  let at = IPV6_HLEN;
  for (let i = 0; i < NF_EXTHDRS_MAX; i++) {
    if (next === NEXTHDR_NONE || !isExtension(next)) break;
    if (!mayPull(skb, at + 8)) return false;
    const here = nh + at;
    if (next === NEXTHDR_FRAGMENT) {
      const off = get16(buf, here + 2);
      p.fragOff = off >> 3;
      p.moreFrags = (off & 1) !== 0;
      at += 8;
    } else if (next === NEXTHDR_AUTH) {
      at += (get8(buf, here + 1) + 2) << 2;
    } else {
      at += (get8(buf, here + 1) + 1) << 3;
    }
    next = get8(buf, here);
    if (p.fragOff !== 0) break;
  }
  p.proto = next;
  p.l4Len = skb.len - at;
  if (p.l4Len < 0) return false;
  return p.fragOff !== 0 || readTransport(p, skb, at);
}

function isExtension(next: number): boolean {
  return next === NEXTHDR_HOP || next === NEXTHDR_ROUTING || next === NEXTHDR_FRAGMENT || next === NEXTHDR_AUTH
    || next === NEXTHDR_DEST || next === NEXTHDR_MOBILITY;
}

/** Ports, flags, types: what the transport header says. It begins `at` bytes after the IP header. */
function readTransport(p: NfPacket, skb: SkBuff, at: number): boolean {
  const { buf } = skb;
  const th = skb.nh + at;
  switch (p.proto) {
    case IPPROTO_TCP:
      if (!mayPull(skb, at + TCP_HLEN_MIN)) return false;
      p.tcpFlags = get8(buf, th + TCP_FLAGS);
      p.tcpHlen = (get8(buf, th + TCP_DOFF) >> 4) << 2;
      if (p.tcpHlen < TCP_HLEN_MIN || !mayPull(skb, at + p.tcpHlen)) p.tcpHlen = 0;
      break;
    case IPPROTO_UDP: case IPPROTO_UDPLITE: case IPPROTO_SCTP: case IPPROTO_DCCP:
      if (!mayPull(skb, at + UDP_HLEN)) return false;
      break;
    case IPPROTO_ICMP: case IPPROTO_ICMPV6:
      if (!mayPull(skb, at + ICMP_HLEN)) return false;
      p.th = th;
      p.icmpType = get8(buf, th);
      p.icmpCode = get8(buf, th + 1);
      return true;
    default:
      p.th = th;
      return true;
  }
  p.th = th;
  p.sport = get16(buf, th);
  p.dport = get16(buf, th + 2);
  return true;
}

/** True when the source port stands in the packet's first two bytes, and the destination port in the next two. */
export function hasPorts(proto: number): boolean {
  return proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_UDPLITE || proto === IPPROTO_SCTP || proto === IPPROTO_DCCP;
}
