/**
 * IPv4, packets for others (RFC 1812 §5.2).
 *
 *   from  ip/input.ts    ipForward, a packet whose route leads on; ipError, one whose route leads nowhere
 *   to    ip/output.ts   ipOutput, which cuts in pieces what is too long for the next link
 *         ip/icmp.ts     "time exceeded", "fragmentation needed", "unreachable", redirects
 *
 * In this order: may it be forwarded at all, has it hops left, does it fit, one hop less, redirect, filter, options. Super-packets
 * (GRO) go on whole, and are cut by the card that they leave by.
 */
import { get16, get8 } from '../lib/bytes.ts';
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../lib/errno.ts';
import {
  ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED, ICMP_TIME_EXCEEDED,
} from '../wire/icmp.ts';
import { IP_DF, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_TOS, IPV4_TTL, ipDecreaseTtl, iphHlen } from '../wire/ipv4.ts';
import { Drop } from '../skb/drop-reason.ts';
import { growHeadroom } from '../skb/copy.ts';
import { PACKET_HOST, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { tosPriority } from '../sock/sockopt.ts';
import { ipConfOf } from './conf.ts';
import { inetSelectAddr } from './devinet.ts';
import { icmpSend } from './icmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { gsoFits, ipOutput, recordOptions } from './output.ts';
import { ipSendRedirect } from './redirect.ts';
import type { Rtable } from './route.ts';

/** Room that a link header may need: Ethernet with a VLAN tag, rounded up (Linux: LL_RESERVED_SPACE). */
const LL_RESERVED_SPACE = 32;

/** Sends a packet on along `rt`. Takes the skb. `from` is the device that it came in by. */
export function ipForward(ip: Ipv4, skb: SkBuff, rt: Rtable, from: NetDevice): void {
  const { net } = ip;
  if (skb.trace !== 0) net.trace(skb, 'ipForward', `${from.name} to ${rt.dev.name}, ttl ${String(get8(skb.buf, skb.nh + IPV4_TTL))}`);
  // RFC 1812 §5.3.4: what came in a frame for many is not passed on; else it would be multiplied.
  if (skb.pktType !== PACKET_HOST) return net.drop(skb, Drop.UnicastInL2Multicast);
  const { buf, nh } = skb;
  if (get8(buf, nh + IPV4_TTL) <= 1) {
    net.inc(Mib.IpInHdrErrors);
    icmpSend(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    return net.drop(skb, Drop.IpInHdr);
  }
  net.inc(Mib.IpForwDatagrams);
  const { mtu } = rt;
  if (skb.len > mtu && (get16(buf, nh + IPV4_FRAG_OFF) & IP_DF) !== 0 && !skb.ignoreDf && !gsoFits(skb, mtu)) {
    net.inc(Mib.IpFragFails);
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    return net.drop(skb, Drop.PktTooBig);
  }
  if (skb.data < LL_RESERVED_SPACE) growHeadroom(skb, LL_RESERVED_SPACE);
  ipDecreaseTtl(skb.buf, skb.nh);
  if (rt.redirect) ipSendRedirect(ip, skb, rt);
  if (ip.sysctl.ipFwdUpdatePriority !== 0) skb.priority = tosPriority(get8(skb.buf, skb.nh + IPV4_TOS));
  skb.dev = rt.dev;
  if (iphHlen(skb.buf, skb.nh) > IPV4_HLEN_MIN) recordOptions(ip, skb, inetSelectAddr(ip, rt.dev, rt.nexthop));
  if (ip.hookForward !== null && !ip.hookForward.run(skb, from, rt.dev)) return;
  ipOutput(ip, rt, skb);
}

/** A packet whose route leads nowhere: its sender may be told (Linux: ip_error). Takes the skb. */
export function ipError(ip: Ipv4, skb: SkBuff, rt: Rtable): void {
  const { net } = ip;
  const forwards = ipConfOf(ip, skb.dev as NetDevice).forwarding !== 0;
  let reason: Drop = Drop.IpInNoRoutes;
  if (rt.error === -ENETUNREACH) {
    net.inc(Mib.IpExtInNoRoutes);
  } else if (!forwards && rt.error === -EHOSTUNREACH) {
    net.inc(Mib.IpInAddrErrors);
    reason = Drop.IpInAddrErrors;
  }
  const code = forwards ? unreachCode(rt.error) : -1;
  if (code >= 0) icmpSend(skb, ICMP_DEST_UNREACH, code, 0);
  net.drop(skb, reason);
}

/** RFC 1812 §5.2.7.1, by the errno of the route; -1: nothing is said (a blackhole). */
function unreachCode(error: number): number {
  switch (error) {
    case -EHOSTUNREACH: return ICMP_HOST_UNREACH;
    case -ENETUNREACH: return ICMP_NET_UNREACH;
    case -EACCES: return ICMP_PKT_FILTERED;
    default: return -1;
  }
}
