/**
 * IPv6, fragments put together (RFC 8200 §4.5, RFC 5722, RFC 6946, RFC 7112; Linux: reassembly.c). The queues are
 * `ip/inet-fragment.ts`'s.
 *
 *   from  ip/v6/input.ts   ipv6Defrag, a fragment for this host; ip6DefragTracked, any, before connections are tracked
 *   to    ip/v6/icmp6.ts   "parameter problem", "fragment reassembly time exceeded"
 */
import { get32, get8, put16, put8 } from '../../lib/bytes.ts';
import { in6IsLinklocalAt, in6IsMulticastAt } from '../../lib/addr6.ts';
import {
  ICMPV6_EXC_FRAGTIME, ICMPV6_HDR_FIELD, ICMPV6_HLEN, ICMPV6_PARAMPROB, ICMPV6_TIME_EXCEED,
} from '../../wire/icmpv6.ts';
import {
  FRAG_HLEN, FRAG_OFF, IP6_MF, IP6_OFFSET, ip6fId, ip6fOff, ip6hSetTclass, ip6hTclass, IPV6_DADDR, IPV6_HLEN, IPV6_MAXPLEN,
  IPV6_PAYLOAD_LEN, IPV6_SADDR, ipv6ExtHdr, IPV6_NEXTHDR, NEXTHDR_DEST, NEXTHDR_FRAGMENT, NEXTHDR_HOP, NEXTHDR_ICMP,
  NEXTHDR_NONE, NEXTHDR_ROUTING,
  NEXTHDR_TCP, NEXTHDR_UDP,
} from '../../wire/ipv6.ts';
import { TCP_HLEN_MIN } from '../../wire/tcp.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { copyBits, mayPull } from '../../skb/copy.ts';
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import type { Net } from '../../dev/net.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { FRAG_DUP, FRAG_OK, type FragQueue, FragSysctl, FragTable, fragExtend, fragInsert, fragJoin } from '../inet-fragment.ts';
import { fragEcn } from '../reassembly.ts';
import { icmp6Send } from './icmp6.ts';
import { IP6SKB_FRAGMENTED } from './input.ts';
import type { Ipv6 } from './ipv6.ts';

/** Who puts packets together: the same fragments may pass several places (Linux: enum ip6_defrag_users). */
export const IP6_DEFRAG_LOCAL_DELIVER = 0;
export const IP6_DEFRAG_CONNTRACK_IN = 1;

/** The addresses, the identification, the link where the addresses are of one, the user. */
const KEY_WORDS = 11;
/** The word of the key that is the user. */
const KEY_USER = 10;
/** RFC 8200 §4.1: hop-by-hop, destination options, routing; sending more in front of a fragment header serves nobody. */
const HEADERS_BEFORE = 8;
/** net.ipv6.ip6frag_time (RFC 8200 §4.5: 60 seconds). */
const IP6_FRAG_TIME_MS = 60000;

/** IPv6's fragments on a host. */
export class Ip6Frags {
  readonly sysctl: FragSysctl = new FragSysctl(IP6_FRAG_TIME_MS);
  readonly table: FragTable;

  constructor(net: Net) {
    this.table = new FragTable(net, this.sysctl, KEY_WORDS, ip6FragExpire);
  }
}

/**
 * A fragment for this host: `data` at its fragment header, which the byte at `nhoff` announces. Takes the skb.
 *
 * @returns the whole packet once its last piece is here: `data` at what follows the fragment header, `cb1` the offset of the
 *   byte that names it; else null
 */
export function ipv6Defrag(ip6: Ipv6, skb: SkBuff, nhoff: number): SkBuff | null {
  const { net } = ip6;
  net.inc(Mib.Ip6ReasmReqds);
  if (skb.trace !== 0) net.trace(skb, 'ipv6FragRcv');
  if (!mayPull(skb, FRAG_HLEN)) return problem(ip6, skb, IPV6_PAYLOAD_LEN);
  const { buf, data } = skb;
  const field = ip6fOff(buf, data);
  if ((field & (IP6_OFFSET | IP6_MF)) === 0) {
    // RFC 6946: a packet in one piece is no piece of any other; it is taken by itself.
    net.inc(Mib.Ip6ReasmOKs);
    skb.cb0 |= IP6SKB_FRAGMENTED;
    skb.cb1 = data;
    skb.pull(FRAG_HLEN);
    return skb;
  }
  // RFC 7112: all headers, up to the upper layer's, are in the first fragment.
  if ((field & IP6_OFFSET) === 0 && headersCut(skb)) return problem(ip6, skb, data - skb.nh);
  const q = findQueue(ip6.frags, skb, IP6_DEFRAG_LOCAL_DELIVER);
  if (q === null) return fail(net, skb, Drop.FragNoMemory);
  return queueFragment(ip6, q, skb, nhoff, field);
}

/**
 * A packet that connection tracking is about to see, `data` at its IPv6 header: a fragment is kept until the packet is whole
 * (Linux: nf_ct_frag6_gather). What this drops is told to nobody. Takes the skb; gives back what is to be tracked, or null.
 */
export function ip6DefragTracked(ip6: Ipv6, skb: SkBuff): SkBuff | null {
  const nhoff = fragmentAnnounced(skb);
  if (nhoff < 0) return skb;
  const at = nhoff === skb.nh + IPV6_NEXTHDR ? skb.nh + IPV6_HLEN : nhoff + ((get8(skb.buf, nhoff + 1) + 1) << 3);
  if (!mayPull(skb, at - skb.data + FRAG_HLEN)) return skb; // cut short: whoever it is for will say so
  const field = ip6fOff(skb.buf, at);
  if ((field & (IP6_OFFSET | IP6_MF)) === 0) return skb;
  skb.pull(at - skb.data);
  if ((field & IP6_OFFSET) === 0 && headersCut(skb)) return fail(ip6.net, skb, Drop.FragInvalid);
  const q = findQueue(ip6.frags, skb, IP6_DEFRAG_CONNTRACK_IN);
  if (q === null) return fail(ip6.net, skb, Drop.FragNoMemory);
  const { dev } = skb;
  const whole = queueFragment(ip6, q, skb, nhoff, field);
  if (whole === null) return null;
  whole.dev = dev;
  whole.push(whole.data - whole.nh);
  whole.th = whole.nh + IPV6_HLEN;
  return whole;
}

/** Where the byte is that says that a fragment header follows; -1: none does, among the headers that may stand in front of one. */
function fragmentAnnounced(skb: SkBuff): number {
  const { nh } = skb;
  let nhoff = nh + IPV6_NEXTHDR;
  let next = nh + IPV6_HLEN;
  for (let i = 0; i < HEADERS_BEFORE; i++) {
    const nexthdr = get8(skb.buf, nhoff);
    if (nexthdr === NEXTHDR_FRAGMENT) return nhoff;
    if (nexthdr !== NEXTHDR_HOP && nexthdr !== NEXTHDR_ROUTING && nexthdr !== NEXTHDR_DEST) return -1;
    if (!mayPull(skb, next - skb.data + 2)) return -1;
    nhoff = next;
    next += (get8(skb.buf, next + 1) + 1) << 3;
  }
  return -1;
}

function fail(net: Net, skb: SkBuff, reason: Drop): null {
  net.inc(Mib.Ip6ReasmFails);
  net.drop(skb, reason);
  return null;
}

/** The fragment says something impossible at `pointer`: its sender is told. */
function problem(ip6: Ipv6, skb: SkBuff, pointer: number): null {
  ip6.net.inc(Mib.Ip6InHdrErrors);
  icmp6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, pointer);
  return fail(ip6.net, skb, Drop.FragInvalid);
}

/** Does the upper layer's header begin, or reach, beyond this first fragment? */
function headersCut(skb: SkBuff): boolean {
  const look = new Uint8Array(8);
  let nexthdr = get8(skb.buf, skb.data);
  let at = FRAG_HLEN;
  while (ipv6ExtHdr(nexthdr) && nexthdr !== NEXTHDR_FRAGMENT) {
    if (at + 8 > skb.len) return true;
    copyBits(skb, at, look, 0, 8);
    nexthdr = get8(look, 0);
    at += (get8(look, 1) + 1) << 3;
  }
  if (nexthdr === NEXTHDR_NONE) return false;
  const need = nexthdr === NEXTHDR_TCP ? TCP_HLEN_MIN : nexthdr === NEXTHDR_UDP ? UDP_HLEN : nexthdr === NEXTHDR_ICMP ? ICMPV6_HLEN : 1;
  return at + need > skb.len;
}

function findQueue(frags: Ip6Frags, skb: SkBuff, user: number): FragQueue | null {
  const { table } = frags;
  const { key } = table;
  const { buf, nh, data } = skb;
  for (let i = 0; i < 8; i++) key[i] = get32(buf, nh + IPV6_SADDR + 4 * i);
  key[8] = ip6fId(buf, data);
  const oneLink = in6IsMulticastAt(buf, nh + IPV6_DADDR) || in6IsLinklocalAt(buf, nh + IPV6_DADDR);
  key[9] = oneLink ? (skb.dev as NetDevice).ifindex : 0;
  key[KEY_USER] = user;
  return table.find();
}

/** Gives the queue up, and all that is in it; `skb` with it. */
function discard(ip6: Ipv6, q: FragQueue, skb: SkBuff, reason: Drop): null {
  ip6.frags.table.kill(q, reason);
  return fail(ip6.net, skb, reason);
}

/** A piece that no packet can have; on its way through, that is for its destination to say. */
function misfit(ip6: Ipv6, q: FragQueue, skb: SkBuff, pointer: number): null {
  if (q.key[KEY_USER] === IP6_DEFRAG_LOCAL_DELIVER) return problem(ip6, skb, pointer);
  return fail(ip6.net, skb, Drop.FragInvalid);
}

/** Adds a fragment to the pieces of its packet (Linux: ip6_frag_queue). */
function queueFragment(ip6: Ipv6, q: FragQueue, skb: SkBuff, nhoff: number, field: number): SkBuff | null {
  const { buf, nh, data } = skb;
  const { net } = ip6;
  const offset = field & IP6_OFFSET;
  const more = (field & IP6_MF) !== 0;
  const end = offset + skb.len - FRAG_HLEN;
  // RFC 8200 §4.5: longer than a packet can be, and pieces that are no multiple of 8 bytes, are parameter problems.
  if (end > IPV6_MAXPLEN) return misfit(ip6, q, skb, data + FRAG_OFF - nh);
  if (more && (end & 7) !== 0) return misfit(ip6, q, skb, IPV6_PAYLOAD_LEN);
  if (!fragExtend(q, end, !more) || end === offset) return discard(ip6, q, skb, Drop.FragInvalid);
  const size = skb.len + (data - nh);
  skb.pull(FRAG_HLEN);
  const answer = fragInsert(q, skb, offset, end);
  if (answer === FRAG_DUP) {
    net.drop(skb, Drop.DupFrag);
    return null;
  }
  // RFC 5722 §4: overlaps end the whole packet.
  if (answer !== FRAG_OK) return discard(ip6, q, skb, Drop.FragOverlap);
  if (offset === 0) q.nhoff = nhoff;
  q.iif = (skb.dev as NetDevice).ifindex;
  q.ecn |= 1 << (ip6hTclass(buf, nh) & 3);
  if (size > q.maxSize) q.maxSize = size;
  const { dst, dev, pktType } = skb;
  skb.dst = null;
  if (!q.complete) return null;
  const whole = reasm(ip6, q);
  if (whole === null) return null;
  whole.dst = dst;
  whole.dev = dev;
  whole.pktType = pktType;
  return whole;
}

/** All pieces are here (Linux: ip6_frag_reasm). */
function reasm(ip6: Ipv6, q: FragQueue): SkBuff | null {
  const { net, frags } = ip6;
  const first = q.first!;
  const ecn = fragEcn(q.ecn);
  const before = first.data - FRAG_HLEN - first.nh - IPV6_HLEN;
  if (ecn < 0 || q.len + before > IPV6_MAXPLEN) {
    net.inc(Mib.Ip6ReasmFails);
    frags.table.kill(q, ecn < 0 ? Drop.FragInvalid : Drop.FragTooLong);
    return null;
  }
  const { len, nhoff, maxSize } = q;
  const tracked = q.key[KEY_USER] !== IP6_DEFRAG_LOCAL_DELIVER;
  const head = fragJoin(q);
  frags.table.kill(q, Drop.NotDropped);
  // The fragment header goes: what stands in front of it moves up to what follows it.
  const { buf, data, nh } = head;
  const nexthdr = get8(buf, data - FRAG_HLEN);
  buf.copyWithin(nh + FRAG_HLEN, nh, data - FRAG_HLEN);
  head.nh = nh + FRAG_HLEN;
  head.cb0 = IP6SKB_FRAGMENTED;
  head.cb1 = nhoff + FRAG_HLEN;
  put8(buf, head.cb1, nexthdr);
  put16(buf, head.nh + IPV6_PAYLOAD_LEN, before + len);
  ip6hSetTclass(buf, head.nh, ip6hTclass(buf, head.nh) | ecn);
  head.th = data;
  // RFC 8200 §4.5: only senders fragment. What goes on leaves as it came, in pieces of this size.
  if (tracked) head.fragMaxSize = maxSize;
  net.inc(Mib.Ip6ReasmOKs);
  return head;
}

/** The time is over. RFC 8200 §4.5: the sender is told, when the first piece is here. */
function ip6FragExpire(q: FragQueue): void {
  const ip6 = q.table.net.inet6 as Ipv6;
  ip6.net.inc(Mib.Ip6ReasmFails);
  ip6.net.inc(Mib.Ip6ReasmTimeout);
  const { first } = q;
  if (first !== null) icmp6Send(first, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
  ip6.frags.table.kill(q, Drop.FragReasmTimeout);
}
