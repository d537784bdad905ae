/**
 * IPv6 extension headers of packets coming in (RFC 8200 §4; Linux: exthdrs.c).
 *
 *   from  ip/v6/input.ts   `data` at the header (hop-by-hop: at the IPv6 header); each answers whether the packet goes on
 *   to    ip/v6/icmp6.ts   "parameter problem"
 *
 * The limits are net.ipv6.max_{hbh,dst}_opts_{number,length}; padding beyond what alignment needs is refused (as Linux does,
 * RFC 4942 §2.1.9.5). A header that does not fit into an skb's header area (about 200 bytes of headers in all) is dropped: Linux
 * takes up to 2 KiB.
 */
import { get8 } from '../../lib/bytes.ts';
import { in6IsMulticastAt } from '../../lib/addr6.ts';
import { ICMPV6_HDR_FIELD, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION } from '../../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_TLV_PAD1, IPV6_TLV_PADN, IPV6_TLV_ROUTERALERT } from '../../wire/ipv6.ts';
import { mayPull } from '../../skb/copy.ts';
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import { icmp6Send } from './icmp6.ts';
import { IP6SKB_ROUTERALERT } from './input.ts';
import type { Ipv6 } from './ipv6.ts';

/** What an option of unknown kind asks for, in its two highest bits (RFC 8200 §4.2). */
const ACT_SKIP = 0;
const ACT_DISCARD = 1;
const ACT_COMPLAIN_ALWAYS = 2;

/** Padding of at most so many bytes in a row: alignment never needs more. */
const PAD_MAX = 7;

/** The hop-by-hop header, right behind the IPv6 header (`data` is at that). False when the packet was dropped; `th` is moved on. */
export function ipv6ParseHopopts(ip6: Ipv6, skb: SkBuff): boolean {
  const len = headerLength(skb, IPV6_HLEN);
  const { sysctl } = ip6;
  if (len === 0 || len > sysctl.maxHbhLength) return bad(ip6, skb);
  const at = skb.data + IPV6_HLEN;
  if (!parseTlv(ip6, skb, at, len, sysctl.maxHbhOptsNumber, true)) return false;
  skb.th = at + len;
  return true;
}

/** A destination options header at `data`. False when the packet was dropped; `data` is behind it otherwise. */
export function ipv6DestoptRcv(ip6: Ipv6, skb: SkBuff): boolean {
  const len = headerLength(skb, 0);
  const { sysctl } = ip6;
  if (len === 0 || len > sysctl.maxDstOptsLength) return bad(ip6, skb);
  if (!parseTlv(ip6, skb, skb.data, len, sysctl.maxDstOptsNumber, false)) return false;
  skb.pull(len);
  return true;
}

/**
 * A routing header at `data`: with nothing left to visit it is passed over; any other is refused. Type 0 must be (RFC 5095), and
 * no other has a meaning to a host that is no segment router (accept_source_route 0).
 */
export function ipv6RthdrRcv(ip6: Ipv6, skb: SkBuff): boolean {
  const len = headerLength(skb, 0);
  if (len === 0) return bad(ip6, skb);
  const { buf, data } = skb;
  if (get8(buf, data + 3) === 0) {
    skb.pull(len);
    return true;
  }
  ip6.net.inc(Mib.Ip6InHdrErrors);
  icmp6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, data + 2 - skb.nh);
  ip6.net.drop(skb, Drop.Ipv6BadExthdr);
  return false;
}

/** Bytes of the header that begins `off` bytes behind `data`, brought into the header area; 0 when it is cut short or too long. */
function headerLength(skb: SkBuff, off: number): number {
  if (!mayPull(skb, off + 8)) return 0;
  const len = (get8(skb.buf, skb.data + off + 1) + 1) << 3;
  return mayPull(skb, off + len) ? len : 0;
}

function bad(ip6: Ipv6, skb: SkBuff): false {
  ip6.net.inc(Mib.Ip6InHdrErrors);
  ip6.net.drop(skb, Drop.Ipv6BadExthdr);
  return false;
}

/** The options of a header of `len` bytes at `at`. False when the packet was dropped for them. */
function parseTlv(ip6: Ipv6, skb: SkBuff, at: number, len: number, maxOptions: number, hopByHop: boolean): boolean {
  const { buf } = skb;
  const end = at + len;
  const limit = Math.abs(maxOptions);
  let options = 0;
  let padding = 0;
  for (let off = at + 2; off < end;) {
    const type = get8(buf, off);
    if (type === IPV6_TLV_PAD1) {
      off++;
      if (++padding > PAD_MAX) return bad(ip6, skb);
      continue;
    }
    if (off + 2 > end || off + 2 + get8(buf, off + 1) > end) return bad(ip6, skb);
    const size = get8(buf, off + 1) + 2;
    if (type === IPV6_TLV_PADN) {
      padding += size;
      if (padding > PAD_MAX || !zeros(buf, off + 2, size - 2)) return bad(ip6, skb);
    } else {
      padding = 0;
      if (++options > limit) return bad(ip6, skb);
      if (hopByHop && type === IPV6_TLV_ROUTERALERT) {
        if (size !== 4) return bad(ip6, skb);
        skb.cb0 |= IP6SKB_ROUTERALERT;
      } else if (!skipUnknown(ip6, skb, type, off, maxOptions < 0)) {
        return false;
      }
    }
    off += size;
  }
  return true;
}

function zeros(buf: Uint8Array, off: number, len: number): boolean {
  for (let i = 0; i < len; i++) if (get8(buf, off + i) !== 0) return false;
  return true;
}

/** RFC 8200 §4.2: what an option of unknown kind wants. False when the packet was dropped. */
function skipUnknown(ip6: Ipv6, skb: SkBuff, type: number, off: number, refuse: boolean): boolean {
  const act = type >> 6;
  if (act === ACT_SKIP && !refuse) return true;
  ip6.net.inc(Mib.Ip6InHdrErrors);
  const toGroup = in6IsMulticastAt(skb.buf, skb.nh + IPV6_DADDR);
  if (act !== ACT_SKIP && act !== ACT_DISCARD && (act === ACT_COMPLAIN_ALWAYS || !toGroup)) {
    icmp6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION, off - skb.nh);
  }
  ip6.net.drop(skb, Drop.Ipv6BadExthdr);
  return false;
}
