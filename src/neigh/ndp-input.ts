/**
 * Neighbour discovery, messages coming in (RFC 4861 §6.1, §7.1, §8.1).
 *
 *   from  ip/v6/icmp6-input.ts   ndiscRcv, with a message whose checksum was right
 *   to    neigh/neighbour.ts     neighUpdate
 *         neigh/ndp.ts           answers
 *         NdiscHost              what concerns addresses and routes
 *
 * Every message must have come with hop limit 255: nobody outside of the link can have sent it (§6.1, §7.1). What is wrong with
 * one is a reason of Linux's (IPV6_NDISC_*); a message that is in order and concerns nobody here is not a drop.
 */
import { get16, get8 } from '../lib/bytes.ts';
import {
  in6Equal, in6EqualsAt, in6IsAny, in6IsAnyAt, in6IsLinklocal, in6IsLinklocalAt, in6IsMulticast, in6IsMulticastAt,
  in6LinklocalAllnodes, in6ReadAt, in6SolicitedNode,
} from '../lib/addr6.ts';
import {
  icmp6hCode, icmp6hType, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION, NDISC_REDIRECT, NDISC_ROUTER_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} from '../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HOP_LIMIT, IPV6_SADDR } from '../wire/ipv6.ts';
import {
  ND_OPT_LLADDR_LEN, ndNaFlags, ndOptLen, ndParseOptions, NDP_NA_LEN, NDP_NA_OVERRIDE, NDP_NA_ROUTER, NDP_NA_SOLICITED, NDP_NS_LEN,
  NDP_RA_LEN, NDP_REDIRECT_DEST, NDP_REDIRECT_LEN, NDP_RS_LEN, NDP_TARGET, ndTarget, type NdOptions,
} from '../wire/ndp.ts';
import { skbBytes } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { PACKET_LOOPBACK, type SkBuff } from '../skb/sk-buff.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { ND_ADDR_NONE, ND_ADDR_OWN, ND_ADDR_TENTATIVE, type Ndisc, ndiscSendNa } from './ndp.ts';
import {
  NEIGH_UPDATE_F_ISROUTER, NEIGH_UPDATE_F_OVERRIDE, NEIGH_UPDATE_F_OVERRIDE_ISROUTER, NEIGH_UPDATE_F_WEAK_OVERRIDE, type Neighbour,
  neighUpdate, NUD_FAILED, NUD_REACHABLE, NUD_STALE,
} from './neighbour.ts';

/** A message came in: `data` at its first byte, the IPv6 header at `nh`, within the device's link. Takes the skb. */
export function ndiscRcv(ndisc: Ndisc, skb: SkBuff, dev: NetDevice): void {
  const reason = ndiscInput(ndisc, skb, dev);
  if (reason === Drop.NotDropped) consumeSkb(skb);
  else ndisc.net.drop(skb, reason);
}

/** Shortest message of each type; 0 = not one of ours. */
function shortest(type: number): number {
  switch (type) {
    case NDISC_ROUTER_SOLICITATION: return NDP_RS_LEN;
    case NDISC_ROUTER_ADVERTISEMENT: return NDP_RA_LEN;
    case NDISC_NEIGHBOUR_SOLICITATION: return NDP_NS_LEN;
    case NDISC_NEIGHBOUR_ADVERTISEMENT: return NDP_NA_LEN;
    case NDISC_REDIRECT: return NDP_REDIRECT_LEN;
    default: return 0;
  }
}

function ndiscInput(ndisc: Ndisc, skb: SkBuff, dev: NetDevice): Drop {
  const { buf, nh } = skb;
  if (get8(buf, nh + IPV6_HOP_LIMIT) !== 255) return Drop.Ipv6NdiscHopLimit;
  // In one piece, whatever its options: they may not fit into the header area.
  const msg = skbBytes(skb);
  if (icmp6hCode(msg, 0) !== 0) return Drop.Ipv6NdiscBadCode;
  const type = icmp6hType(msg, 0);
  const fixed = shortest(type);
  if (msg.length < fixed) return Drop.PktTooSmall;
  const options = ndParseOptions(msg, fixed, msg.length);
  if (options === null) return Drop.Ipv6NdiscBadOptions;
  switch (type) {
    case NDISC_NEIGHBOUR_SOLICITATION: return ndiscRecvNs(ndisc, skb, dev, msg, options);
    case NDISC_NEIGHBOUR_ADVERTISEMENT: return ndiscRecvNa(ndisc, skb, dev, msg, options);
    case NDISC_ROUTER_SOLICITATION: return ndiscRecvRs(ndisc, skb, dev, msg, options);
    case NDISC_ROUTER_ADVERTISEMENT: return ndiscRecvRa(ndisc, skb, dev, msg, options);
    default: return ndiscRecvRedirect(ndisc, skb, dev, msg, options);
  }
}

/** The hardware address in an option, or -1; one of another length than the link's makes the message void. */
function lladdrAt(msg: Uint8Array, off: number): number {
  if (off < 0) return -1;
  return ndOptLen(msg, off) === ND_OPT_LLADDR_LEN ? off + 2 : -2;
}

/** RFC 4861 §7.2.3. */
function ndiscRecvNs(ndisc: Ndisc, skb: SkBuff, dev: NetDevice, msg: Uint8Array, options: NdOptions): Drop {
  const { buf, nh } = skb;
  const target = ndTarget(msg, 0);
  const probe = in6IsAnyAt(buf, nh + IPV6_SADDR);
  if (in6IsMulticast(target)) return Drop.Ipv6NdiscBadOptions;
  const lladdr = lladdrAt(msg, options.sourceLl);
  // §7.1.1: a probe goes to the solicited-node group and says no hardware address.
  const askedRightly = in6EqualsAt(in6SolicitedNode(target), buf, nh + IPV6_DADDR) && options.sourceLl < 0;
  if (probe && !askedRightly) return Drop.Ipv6NdiscBadOptions;
  if (lladdr === -2) return Drop.Ipv6NdiscBadOptions;
  const own = ndisc.host.ownAddr(dev, msg, NDP_TARGET);
  if (own === ND_ADDR_TENTATIVE) {
    // RFC 4862 §5.4.3: a probe by somebody else for what we try out, too; anything else is for an address that is nobody's.
    if (probe && skb.pktType !== PACKET_LOOPBACK) ndisc.host.conflict(dev, target, msg, options.nonce);
    return Drop.NotDropped;
  }
  if (own === ND_ADDR_NONE) return Drop.Ipv6NdiscNsOtherhost;
  if (probe) {
    ndiscSendNa(ndisc, dev, target, in6LinklocalAllnodes, target, NDP_NA_OVERRIDE, true);
    return Drop.NotDropped;
  }
  const saddr = in6ReadAt(buf, nh + IPV6_SADDR);
  if (in6IsMulticast(saddr)) return Drop.Ipv6NdiscBadOptions;
  const toGroup = in6IsMulticastAt(buf, nh + IPV6_DADDR);
  // Who asks by multicast, or says where he is, is learned; by unicast without an address he must be known already.
  const asker = toGroup || lladdr >= 0 ? ndisc.table.lookup6(dev, saddr) : ndisc.table.find6(dev, saddr);
  if (asker === null) return Drop.NotDropped;
  if (lladdr >= 0) neighUpdate(asker, msg, lladdr, NUD_STALE, NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE);
  // §7.2.4: without an address in the question a unicast answer may do without, too.
  ndiscSendNa(ndisc, dev, target, saddr, target, NDP_NA_SOLICITED | (toGroup ? NDP_NA_OVERRIDE : 0), toGroup);
  return Drop.NotDropped;
}

/** RFC 4861 §7.2.5, with neighUpdate's rules about what overrides what. */
function ndiscRecvNa(ndisc: Ndisc, skb: SkBuff, dev: NetDevice, msg: Uint8Array, options: NdOptions): Drop {
  const target = ndTarget(msg, 0);
  const flags = ndNaFlags(msg, 0);
  const solicited = (flags & NDP_NA_SOLICITED) !== 0;
  if (in6IsMulticast(target)) return Drop.Ipv6NdiscBadOptions;
  if (solicited && in6IsMulticastAt(skb.buf, skb.nh + IPV6_DADDR)) return Drop.Ipv6NdiscBadOptions;
  const lladdr = lladdrAt(msg, options.targetLl);
  if (lladdr === -2) return Drop.Ipv6NdiscBadOptions;
  const own = ndisc.host.ownAddr(dev, msg, NDP_TARGET);
  if (own !== ND_ADDR_NONE) {
    // RFC 4862 §5.4.4. About an address in use there is nothing that we could do; a copy of our own announcement is no news.
    if (own === ND_ADDR_TENTATIVE && skb.pktType !== PACKET_LOOPBACK) ndisc.host.conflict(dev, target, msg, -1);
    return Drop.NotDropped;
  }
  const neigh = ndisc.table.find6(dev, target);
  if (neigh === null || neigh.state === NUD_FAILED) return Drop.NotDropped; // nobody asked
  const wasRouter = neigh.isRouter;
  const how = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER
    | ((flags & NDP_NA_OVERRIDE) !== 0 ? NEIGH_UPDATE_F_OVERRIDE : 0) | ((flags & NDP_NA_ROUTER) !== 0 ? NEIGH_UPDATE_F_ISROUTER : 0);
  neighUpdate(neigh, lladdr >= 0 ? msg : null, lladdr, solicited ? NUD_REACHABLE : NUD_STALE, how);
  if (wasRouter && !neigh.isRouter) ndisc.host.becameHost(dev, target);
  return Drop.NotDropped;
}

/** RFC 4861 §6.2.6: who asks is learned; the router's program answers. */
function ndiscRecvRs(ndisc: Ndisc, skb: SkBuff, dev: NetDevice, msg: Uint8Array, options: NdOptions): Drop {
  if (!ndisc.host.isRouter(dev)) return Drop.NotDropped; // a host is not concerned
  const saddr = in6ReadAt(skb.buf, skb.nh + IPV6_SADDR);
  const lladdr = lladdrAt(msg, options.sourceLl);
  if (lladdr === -2) return Drop.Ipv6NdiscBadOptions;
  if (in6IsAny(saddr)) {
    if (options.sourceLl >= 0) return Drop.Ipv6NdiscBadOptions; // §6.1.1
  } else if (lladdr >= 0 && !in6IsMulticast(saddr)) {
    learn(ndisc.table.lookup6(dev, saddr), msg, lladdr, NEIGH_UPDATE_F_OVERRIDE_ISROUTER);
  }
  ndisc.host.routerSolicited(dev, saddr);
  return Drop.NotDropped;
}

/** RFC 4861 §6.3.4. */
function ndiscRecvRa(ndisc: Ndisc, skb: SkBuff, dev: NetDevice, msg: Uint8Array, options: NdOptions): Drop {
  if (!in6IsLinklocalAt(skb.buf, skb.nh + IPV6_SADDR)) return Drop.Ipv6NdiscBadOptions; // §6.1.2
  const lladdr = lladdrAt(msg, options.sourceLl);
  if (lladdr === -2) return Drop.Ipv6NdiscBadOptions;
  const router = in6ReadAt(skb.buf, skb.nh + IPV6_SADDR);
  if (ndisc.host.ownAddr(dev, skb.buf, skb.nh + IPV6_SADDR) === ND_ADDR_OWN) return Drop.NotDropped; // our own, come back
  if (lladdr >= 0) {
    learn(ndisc.table.lookup6(dev, router), msg, lladdr, NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER);
  }
  ndisc.host.routerAdvertised(dev, router, msg, 0, msg.length, options);
  return Drop.NotDropped;
}

/** RFC 4861 §8.3. */
function ndiscRecvRedirect(ndisc: Ndisc, skb: SkBuff, dev: NetDevice, msg: Uint8Array, options: NdOptions): Drop {
  if (!in6IsLinklocalAt(skb.buf, skb.nh + IPV6_SADDR)) return Drop.Ipv6NdiscBadOptions; // §8.1
  if (ndisc.host.isRouter(dev)) return Drop.NotDropped;
  const target = ndTarget(msg, 0);
  const dest = in6ReadAt(msg, NDP_REDIRECT_DEST);
  const onLink = in6Equal(target, dest);
  if (in6IsMulticast(dest) || (!onLink && !in6IsLinklocal(target)) || in6IsMulticast(target)) return Drop.Ipv6NdiscBadOptions;
  const lladdr = lladdrAt(msg, options.targetLl);
  if (lladdr === -2) return Drop.Ipv6NdiscBadOptions;
  const router = in6ReadAt(skb.buf, skb.nh + IPV6_SADDR);
  if (!ndisc.host.redirected(dev, router, dest, target)) return Drop.NotDropped;
  if (lladdr >= 0) {
    // Whoever is not the destination itself must be a router.
    const how = onLink ? 0 : NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER;
    learn(ndisc.table.lookup6(dev, target), msg, lladdr, how);
  }
  return Drop.NotDropped;
}

/** Somebody said where he is, without being asked: he is known, and in doubt. */
function learn(neigh: Neighbour | null, msg: Uint8Array, lladdr: number, how: number): void {
  if (neigh === null) return; // the table is full
  neighUpdate(neigh, msg, lladdr, NUD_STALE, NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE | how);
}

/** The nonce of six bytes at the option `off`, is it this one? */
export function ndNonceEquals(msg: Uint8Array, off: number, nonce: Uint8Array): boolean {
  if (off < 0 || ndOptLen(msg, off) !== 8) return false;
  for (let i = 0; i < 6; i += 2) if (get16(msg, off + 2 + i) !== get16(nonce, i)) return false;
  return true;
}
