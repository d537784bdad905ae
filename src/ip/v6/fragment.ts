/**
 * IPv6, packets too long for their way: own datagrams are cut in pieces (RFC 8200 §4.5); everything else is refused, and its
 * sender told (RFC 8200 §5: a router never cuts). How pieces are put together is in `ip/v6/reassembly.ts`.
 *
 *   from  ip/v6/output.ts   ip6Fragment
 *   to    ip/v6/output.ts   ip6FinishOutput, each fragment
 *         ip/v6/icmp6.ts    "packet too big"
 *
 * A fragment has headers of its own and shares the payload: nothing is copied.
 */
import { get8, put16, put8 } from '../../lib/bytes.ts';
import { EMSGSIZE } from '../../lib/errno.ts';
import { ICMPV6_PKT_TOOBIG } from '../../wire/icmpv6.ts';
import {
  FRAG_HLEN, IPV6_HLEN, IPV6_NEXTHDR, IPV6_PAYLOAD_LEN, ipv6WriteFragHdr, NEXTHDR_FRAGMENT,
} from '../../wire/ipv6.ts';
import { sharePayload } from '../../skb/copy.ts';
import { skbChecksumHelp } from '../../skb/csum.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { skbGsoSegment } from '../../skb/gso.ts';
import { skbMoveOwner } from '../../skb/owner.ts';
import { consumeSkb } from '../../skb/pool.ts';
import { SkBuffHead } from '../../skb/queue.ts';
import { CHECKSUM_PARTIAL, SKB_HEAD_SIZE, SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import { icmp6Send } from './icmp6.ts';
import type { Ipv6 } from './ipv6.ts';
import { ip6FinishOutput } from './output.ts';
import type { Rt6Info } from './route.ts';

/** Sends a packet that is longer than `mtu`. Takes the skb. As ip6Output; -EMSGSIZE when it must not be cut. */
export function ip6Fragment(ip6: Ipv6, rt: Rt6Info, skb: SkBuff, mtu: number): number {
  const { net } = ip6;
  // What this host has put together and passes on leaves in pieces no longer than they came.
  const limit = skb.fragMaxSize !== 0 && skb.fragMaxSize < mtu ? skb.fragMaxSize : mtu;
  if (skb.len <= limit) return ip6FinishOutput(ip6, rt, skb);
  if (skb.gsoSize !== 0) return fragmentSegments(ip6, rt, skb, limit);
  const room = (limit - IPV6_HLEN - FRAG_HLEN) & ~7;
  if ((!skb.ignoreDf && skb.fragMaxSize === 0) || room < 8 || skb.fragMaxSize > mtu) {
    net.inc(Mib.Ip6FragFails);
    icmp6Send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
    net.drop(skb, Drop.PktTooBig);
    return -EMSGSIZE;
  }
  if (skb.ipSummed === CHECKSUM_PARTIAL) skbChecksumHelp(skb);
  return cut(ip6, rt, skb, room);
}

/** A super-packet whose segments do not fit: they are cut out of it first. */
function fragmentSegments(ip6: Ipv6, rt: Rt6Info, skb: SkBuff, mtu: number): number {
  const list = new SkBuffHead();
  skbGsoSegment(skb, list);
  let rc = 0;
  for (let part = list.popHead(); part !== null; part = list.popHead()) {
    const one = part.len > mtu ? ip6Fragment(ip6, rt, part, mtu) : ip6FinishOutput(ip6, rt, part);
    if (one !== 0) rc = one;
  }
  return rc;
}

function cut(ip6: Ipv6, rt: Rt6Info, skb: SkBuff, room: number): number {
  const { net } = ip6;
  const total = skb.len - IPV6_HLEN;
  // RFC 7739: not to be guessed, and not the same for a long time.
  const id = ip6.random.next32();
  let off = 0;
  let rc = 0;
  while (off < total && rc >= 0) {
    const len = Math.min(total - off, room);
    const piece = fragmentOf(skb, off, len, off + len < total, id);
    if (off + len === total) skbMoveOwner(skb, piece);
    net.inc(Mib.Ip6FragCreates);
    if (piece.trace !== 0) net.trace(piece, 'ip6Fragment', `bytes ${String(off)} to ${String(off + len)} of ${String(total)}`);
    rc = ip6FinishOutput(ip6, rt, piece);
    off += len;
  }
  if (rc >= 0) {
    net.inc(Mib.Ip6FragOKs);
    consumeSkb(skb);
  } else {
    net.inc(Mib.Ip6FragFails);
    net.drop(skb, Drop.PktTooBig);
  }
  return rc;
}

/** The fragment with the `len` bytes behind the IPv6 header that start at `off`. The caller owns it. */
function fragmentOf(skb: SkBuff, off: number, len: number, more: boolean, id: number): SkBuff {
  const { buf, nh } = skb;
  // The fragment header needs room of its own: the headers stand further in front.
  const piece = skb.pool.alloc(nh - FRAG_HLEN);
  piece.origin = skb.origin;
  piece.trace = skb.trace;
  const to = piece.buf;
  const at = piece.put(IPV6_HLEN + FRAG_HLEN);
  for (let i = 0; i < IPV6_HLEN; i++) to[at + i] = buf[nh + i]!;
  put8(to, at + IPV6_NEXTHDR, NEXTHDR_FRAGMENT);
  put16(to, at + IPV6_PAYLOAD_LEN, FRAG_HLEN + len);
  ipv6WriteFragHdr(to, at + IPV6_HLEN, get8(buf, nh + IPV6_NEXTHDR), off, more, id);
  const start = nh + IPV6_HLEN;
  const inHead = Math.min(Math.max(skb.tail - start - off, 0), len, SKB_HEAD_SIZE - piece.tail);
  if (inHead > 0) {
    const put = piece.put(inHead);
    for (let i = 0; i < inHead; i++) to[put + i] = buf[start + off + i]!;
  }
  if (inHead < len) sharePayload(skb, piece, off + inHead - (skb.tail - start), len - inHead);
  piece.nh = at;
  piece.th = at + IPV6_HLEN + FRAG_HLEN;
  piece.protocol = skb.protocol;
  piece.pktType = skb.pktType;
  piece.priority = skb.priority;
  piece.mark = skb.mark;
  piece.hash = skb.hash;
  piece.truesize = SKB_TRUESIZE_OVERHEAD + piece.len;
  piece.dev = skb.dev;
  piece.dst = skb.dst;
  return piece;
}
