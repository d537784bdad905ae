/**
 * IPv6, packets for others (RFC 8200 §3, RFC 4443, RFC 4861 §8).
 *
 *   from  ip/v6/input.ts     ip6Forward, a packet whose route leads on; ip6Error, one whose route leads nowhere
 *   to    ip/v6/output.ts    ip6Output
 *         ip/v6/icmp6.ts     "hop limit exceeded", "packet too big", "unreachable"
 *         neigh/ndp.ts       redirects
 *
 * In this order: may it be forwarded at all, has it hops left, may its source go there, redirect, does it fit, one hop less, filter.
 */
import { get8, put16, put8 } from '../../lib/bytes.ts';
import {
  in6Equal, in6HashAt, in6IsAnyAt, in6IsLinklocal, in6IsLinklocalAt, in6IsMulticast, in6ReadAt, type In6Addr,
} from '../../lib/addr6.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import {
  ICMPV6_ADDR_UNREACH, ICMPV6_ADM_PROHIBITED, ICMPV6_DEST_UNREACH, ICMPV6_EXC_HOPLIMIT, ICMPV6_NOROUTE, ICMPV6_NOT_NEIGHBOUR,
  ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED,
} from '../../wire/icmpv6.ts';
import { IPV6_HLEN, IPV6_HOP_LIMIT, IPV6_MIN_MTU, IPV6_SADDR } from '../../wire/ipv6.ts';
import { ND_OPT_REDIRECT_HDR, ND_OPT_TARGET_LL_ADDR, NDP_REDIRECT_LEN, ndWriteLladdr, ndWriteRedirect } from '../../wire/ndp.ts';
import { copyBits, growHeadroom } from '../../skb/copy.ts';
import { Drop } from '../../skb/drop-reason.ts';
import { PACKET_HOST, type SkBuff } from '../../skb/sk-buff.ts';
import { Mib } from '../../dev/mib.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { NUD_VALID } from '../../neigh/neighbour.ts';
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNREACHABLE } from '../fib.ts';
import { ipv6GetLladdr, ipv6OnLink } from './addrconf.ts';
import { icmp6Send, ip6PeerAllow } from './icmp6.ts';
import type { Ipv6 } from './ipv6.ts';
import { gso6Fits, ip6Output, ip6SendControl } from './output.ts';
import { ip6FibLookup, type Rt6Info } from './route.ts';

/** Room that a link header may need: Ethernet with a VLAN tag, rounded up (Linux: LL_RESERVED_SPACE). */
const LL_RESERVED_SPACE = 32;

/** Sends a packet on. `rt` is its way in. Takes the skb. */
export function ip6Forward(ip6: Ipv6, skb: SkBuff, rt: Rt6Info, from: NetDevice): void {
  const { net } = ip6;
  const out = rt.forward;
  if (skb.trace !== 0) net.trace(skb, 'ip6Forward', from.name);
  if (out === null) {
    // A host is no router: what is not for it ends here.
    net.inc(Mib.Ip6InAddrErrors);
    return net.drop(skb, Drop.IpInAddrErrors);
  }
  if (skb.pktType !== PACKET_HOST) return net.drop(skb, Drop.UnicastInL2Multicast);
  const { buf, nh } = skb;
  if (get8(buf, nh + IPV6_HOP_LIMIT) <= 1) {
    net.inc(Mib.Ip6InHdrErrors);
    icmp6Send(skb, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
    return net.drop(skb, Drop.IpInHdr);
  }
  // RFC 4291 §2.5.6: a link-local source stays on its link; RFC 4443 §3.1, code 2 "beyond scope of source address".
  const sourceLinklocal = in6IsLinklocalAt(buf, nh + IPV6_SADDR);
  if (in6IsAnyAt(buf, nh + IPV6_SADDR) || (sourceLinklocal && out.dev !== from)) {
    net.inc(Mib.Ip6InAddrErrors);
    icmp6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_NOT_NEIGHBOUR, 0);
    return net.drop(skb, Drop.IpInAddrErrors);
  }
  if (out.dev === from) maybeRedirect(ip6, skb, out);
  const { mtu } = out;
  if (skb.len > mtu && skb.fragMaxSize === 0 && !gso6Fits(skb, mtu)) {
    net.inc(Mib.Ip6InTooBigErrors);
    net.inc(Mib.Ip6FragFails);
    icmp6Send(skb, ICMPV6_PKT_TOOBIG, 0, Math.max(mtu, IPV6_MIN_MTU));
    return net.drop(skb, Drop.PktTooBig);
  }
  if (skb.data < LL_RESERVED_SPACE) growHeadroom(skb, LL_RESERVED_SPACE);
  put8(skb.buf, skb.nh + IPV6_HOP_LIMIT, get8(skb.buf, skb.nh + IPV6_HOP_LIMIT) - 1);
  net.inc(Mib.Ip6OutForwDatagrams);
  skb.dst = out;
  skb.dev = out.dev;
  if (ip6.hookForward !== null && !ip6.hookForward.run(skb, from, out.dev)) return;
  ip6Output(ip6, out, skb);
}

/** A packet whose route leads nowhere: a router tells its sender (RFC 4443 §3.1). Takes the skb. */
export function ip6Error(ip6: Ipv6, skb: SkBuff, rt: Rt6Info): void {
  const { net } = ip6;
  if (ip6.confAll.forwarding === 0) {
    net.inc(Mib.Ip6InAddrErrors);
    return net.drop(skb, Drop.IpInAddrErrors);
  }
  net.inc(Mib.Ip6InNoRoutes);
  if (rt.type !== RTN_BLACKHOLE) icmp6Send(skb, ICMPV6_DEST_UNREACH, errorCode(ip6, rt), 0);
  net.drop(skb, Drop.IpInNoRoutes);
}

function errorCode(ip6: Ipv6, rt: Rt6Info): number {
  if (rt.type === RTN_PROHIBIT) return ICMPV6_ADM_PROHIBITED;
  // An unreachable route says so; that there is none is another thing.
  const route = rt.type === RTN_UNREACHABLE ? ip6FibLookup(ip6, rt.dst, 0) : null;
  return route === null ? ICMPV6_NOROUTE : ICMPV6_ADDR_UNREACH;
}

// ---- redirects (RFC 4861 §8.2) --------------------------------------------------------------------------------------

/** The packet leaves by the link that it came by: its sender, a neighbour, could have taken the shorter way. */
function maybeRedirect(ip6: Ipv6, skb: SkBuff, out: Rt6Info): void {
  const { buf, nh } = skb;
  const { dev } = out;
  const source = in6ReadAt(buf, nh + IPV6_SADDR);
  if (in6IsMulticast(out.dst) || !(in6IsLinklocal(source) || ipv6OnLink(dev, source))) return;
  // The target of a redirect is a link-local address, or the destination itself.
  const target = out.nexthop;
  if (!in6IsLinklocal(target) && !in6Equal(target, out.dst)) return;
  if (!ip6PeerAllow(ip6, ~in6HashAt(buf, nh + IPV6_SADDR, 1), NS_PER_SEC)) return;
  const saddr = ipv6GetLladdr(dev);
  if (saddr !== null) ndiscSendRedirect(ip6, skb, dev, saddr, source, target, out.dst);
}

function ndiscSendRedirect(ip6: Ipv6, skb: SkBuff, dev: NetDevice, saddr: In6Addr, daddr: In6Addr, target: In6Addr, dest: In6Addr): void {
  const neigh = ip6.ndisc.table.find6(dev, target);
  const message = new Uint8Array(IPV6_MIN_MTU - IPV6_HLEN);
  let len = ndWriteRedirect(message, 0, target, dest);
  if (neigh !== null && (neigh.state & NUD_VALID) !== 0) len += ndWriteLladdr(message, len, ND_OPT_TARGET_LL_ADDR, neigh.ha, 0);
  // As much of the packet as fits, in units of eight bytes (§4.6.3).
  const quoted = Math.min(message.length - len - 8, skb.len) & ~7;
  put8(message, len, ND_OPT_REDIRECT_HDR);
  put8(message, len + 1, (quoted >> 3) + 1);
  put16(message, len + 2, 0);
  copyBits(skb, 0, message, len + 8, quoted);
  ip6SendControl(ip6, dev, saddr, daddr, 255, message.subarray(0, Math.max(len + 8 + quoted, NDP_REDIRECT_LEN)), false);
}
