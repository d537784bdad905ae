/**
 * IPv4, packets going out.
 *
 *   from  tcp/ipv4.ts              ipQueueXmit: a packet of a connected socket
 *         udp/output.ts            ipSendSkb: a datagram on a route of its own
 *         tcp/ipv4.ts, ip/icmp.ts  ipBuildAndSendPkt: an answer without a socket
 *         ip/forward.ts            ipOutput: a packet of another host
 *   to    neigh/neighbour.ts       neighOutput, which writes the link header
 *         ip/fragment.ts           ipFragment, when a packet is too long for its way
 *
 * In this order: header, filter (local out), filter (post routing), size, neighbour.
 */
import { EHOSTUNREACH, ENOBUFS, EPERM } from '../lib/errno.ts';
import { hashMix } from '../lib/hash.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { ETH_P_IP } from '../wire/ethernet.ts';
import { iphDaddr, IP_DF, IPPROTO_TCP, IPV4_HLEN_MIN, IPV4_PROTOCOL, IPV4_TTL, iphHlen, ipSendCheck, ipv4WriteHeader,
  ipv4WriteHeaderWithOptions } from '../wire/ipv4.ts';
import { UDP_HLEN } from '../wire/udp.ts';
import { cloneSkb } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, PACKET_LOOPBACK, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import type { Net } from '../dev/net.ts';
import { IFF_LOOPBACK } from '../dev/net-device.ts';
import { NET_XMIT_CN } from '../dev/qdisc.ts';
import { netifRx } from '../dev/softnet.ts';
import { neighOutput } from '../neigh/neighbour.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_OMIT, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT } from '../sock/constants.ts';
import { InetSock } from '../sock/sock.ts';
import { RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST } from './fib.ts';
import { ipFragment } from './fragment.ts';
import { ipOptionsRecord } from './options.ts';
import { icmpSend } from './icmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { IP_MAX_MTU, ipRouteOutput, ipRouteSock, type Rtable } from './route.ts';

const OutRequests: number = Mib.IpOutRequests;
const OutTransmits: number = Mib.IpOutTransmits;
const OutOctets: number = Mib.IpExtOutOctets;

/**
 * Sends a packet of a connected socket: `skb.data` is at the transport header, `skb.th` is set. Route from `sk.dst`,
 * looked up again when stale. TOS, TTL and DF are the socket's. Takes the skb, whatever the result.
 *
 * @returns 0, NET_XMIT_DROP (1), NET_XMIT_CN (2), or a negative errno: -EHOSTUNREACH (no route), -EMSGSIZE, -ENOBUFS, -ENETDOWN
 */
export function ipQueueXmit(ip: Ipv4, sk: InetSock, skb: SkBuff): number {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipQueueXmit');
  let rt = sk.dst as Rtable | null;
  if (rt === null || rt.generation !== ip.fib.generation) {
    const found = ipRouteSock(ip, sk);
    if (typeof found === 'number') {
      ip.net.inc(Mib.IpOutNoRoutes);
      ip.net.drop(skb, Drop.IpOutNoRoutes);
      return -EHOSTUNREACH;
    }
    rt = found;
  }
  const segs = skb.gsoSize !== 0 ? skb.gsoSegs : 1;
  let frag = 0;
  let id = 0;
  if (ipDontFragment(sk, rt)) {
    // RFC 6864 §4.1: with DF the number means nothing; it still counts up, for those who compress headers.
    frag = IP_DF;
    id = sk.inetId;
    sk.inetId = (id + segs) & 0xffff;
  } else {
    id = ipSelectIdent(ip, sk.saddr, sk.daddr, sk.protocol, segs);
  }
  const ttl = sk.ttl >= 0 ? sk.ttl : ip.sysctl.ipDefaultTtl;
  if (sk.ipOptions !== null) {
    pushWithOptions(ip, skb, sk.ipOptions, sk.tos, id, frag, ttl, sk.protocol, sk.saddr, sk.daddr);
  } else {
    const at = skb.push(IPV4_HLEN_MIN);
    skb.nh = at;
    ipv4WriteHeader(skb.buf, at, sk.tos, skb.len, id, frag, ttl, sk.protocol, sk.saddr, sk.daddr);
  }
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  return ipLocalOut(ip, rt, skb);
}

/**
 * Sends a packet without a full socket behind it (SYN-ACK, RST, the ACK of a TIME_WAIT, ICMP): `skb.data` is at the
 * transport header, `skb.th` is set. Takes the skb.
 *
 * @param rt  the route, or null: looked up from `daddr`, `saddr`, any device
 * @param df  sets DF
 * @param options  IP options, padded; this host enters itself where they record
 * @returns as {@link ipQueueXmit}
 */
export function ipBuildAndSendPkt(
  ip: Ipv4,
  skb: SkBuff,
  saddr: number,
  daddr: number,
  protocol: number,
  ttl: number,
  tos: number,
  rt: Rtable | null,
  df: boolean,
  options: Uint8Array | null = null,
): number {
  const way = rt !== null && rt.valid ? rt : ipRouteOutput(ip, daddr, saddr, 0);
  if (typeof way === 'number') {
    ip.net.inc(Mib.IpOutNoRoutes);
    ip.net.drop(skb, Drop.IpOutNoRoutes);
    return -EHOSTUNREACH;
  }
  const from = saddr !== 0 ? saddr : way.src;
  const id = df ? 0 : ipSelectIdent(ip, from, daddr, protocol, 1);
  if (options !== null) {
    pushWithOptions(ip, skb, options, tos, id, df ? IP_DF : 0, ttl, protocol, from, daddr);
    return ipLocalOut(ip, way, skb);
  }
  const at = skb.push(IPV4_HLEN_MIN);
  skb.nh = at;
  ipv4WriteHeader(skb.buf, at, tos, skb.len, id, df ? IP_DF : 0, ttl, protocol, from, daddr);
  return ipLocalOut(ip, way, skb);
}

/** Sends a datagram of `sk` along `rt`; header from the arguments, the rest from the socket. Takes the skb. As {@link ipQueueXmit}. */
export function ipSendSkb(
  ip: Ipv4, sk: InetSock, skb: SkBuff, rt: Rtable, saddr: number, daddr: number, tos: number, ttl: number,
): number {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipSendSkb');
  const total = skb.len + IPV4_HLEN_MIN + (sk.ipOptions === null ? 0 : sk.ipOptions.length);
  const { pmtudisc } = sk;
  const mayFragment = pmtudisc < IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_OMIT;
  const never = pmtudisc === IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_PROBE;
  const frag = never || (total <= rt.mtu && ipDontFragment(sk, rt)) ? IP_DF : 0;
  let id = 0;
  if (mayFragment) {
    id = ipSelectIdent(ip, saddr, daddr, sk.protocol, 1);
  } else if (sk.daddr !== 0) {
    id = sk.inetId;
    sk.inetId = (id + 1) & 0xffff;
  }
  if (sk.ipOptions !== null) {
    pushWithOptions(ip, skb, sk.ipOptions, tos, id, frag, ttl, sk.protocol, saddr, daddr);
  } else {
    const at = skb.push(IPV4_HLEN_MIN);
    skb.nh = at;
    ipv4WriteHeader(skb.buf, at, tos, total, id, frag, ttl, sk.protocol, saddr, daddr);
  }
  skb.priority = sk.priority;
  skb.mark = sk.mark;
  return ipLocalOut(ip, rt, skb);
}

/**
 * The longest packet, IP header without options included, that `sk` may send along `rt`: longer than the path's MTU when it may be cut in
 * pieces (Linux: __ip_append_data).
 */
export function ipMaxPacket(sk: InetSock, rt: Rtable): number {
  const { pmtudisc } = sk;
  const options = sk.ipOptions === null ? 0 : sk.ipOptions.length;
  if (pmtudisc < IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_OMIT) return IP_MAX_MTU - options;
  return ipSockMtu(sk, rt) - options;
}

/** The MTU that counts for `sk`: one that probes the path goes by the device alone (Linux: ip_sk_use_pmtu). */
export function ipSockMtu(sk: InetSock, rt: Rtable): number {
  return sk.pmtudisc >= IP_PMTUDISC_PROBE ? Math.min(rt.dev.mtu, IP_MAX_MTU) : rt.mtu;
}

/** The header with options, for the few packets that have any: this host enters itself where they record (Linux: ip_options_build). */
function pushWithOptions(
  ip: Ipv4, skb: SkBuff, options: Uint8Array, tos: number, id: number, frag: number, ttl: number, protocol: number, saddr: number,
  daddr: number,
): void {
  const hlen = IPV4_HLEN_MIN + options.length;
  const at = skb.push(hlen);
  skb.nh = at;
  skb.buf.set(options, at + IPV4_HLEN_MIN);
  ipOptionsRecord(skb.buf, at, hlen, saddr, ip.net.cpu.now);
  ipv4WriteHeaderWithOptions(skb.buf, at, hlen, tos, skb.len, id, frag, ttl, protocol, saddr, daddr);
}

/** The packet is here: its options, which have been checked, record `addr` and the time, where they record anything. */
export function recordOptions(ip: Ipv4, skb: SkBuff, addr: number): void {
  const { buf, nh } = skb;
  if (ipOptionsRecord(buf, nh, iphHlen(buf, nh), addr, ip.net.cpu.now)) ipSendCheck(buf, nh);
}

/** RFC 1191 §3: a socket that discovers the path's MTU sets DF, unless that MTU is too small to be true. */
function ipDontFragment(sk: InetSock, rt: Rtable): boolean {
  return sk.pmtudisc === IP_PMTUDISC_DO || (sk.pmtudisc === IP_PMTUDISC_WANT && !rt.mtuLocked);
}

// ---- identification -------------------------------------------------------------------------------------------------

const IDENT_BUCKETS = 1024;

/** Counters of identification numbers (Linux: ip_idents): shared by the pairs of addresses that hash there. */
export class IpIdents {
  readonly secret: number;
  readonly next: Int32Array = new Int32Array(IDENT_BUCKETS);
  /** When each was used last, in milliseconds of host time. */
  readonly stamp: Float64Array = new Float64Array(IDENT_BUCKETS);

  constructor(secret: number) {
    this.secret = secret;
  }
}

/**
 * An identification for a packet that may be fragmented: unique for its addresses and protocol for long enough
 * (RFC 6864 §4.3), and not to be guessed: idle time adds a random step.
 */
export function ipSelectIdent(ip: Ipv4, saddr: number, daddr: number, protocol: number, segs: number): number {
  const idents = (ip.idents ??= new IpIdents(ip.net.random.next32()));
  const at = hashMix(hashMix(idents.secret ^ daddr, saddr), protocol) & (IDENT_BUCKETS - 1);
  const now = Math.floor(ip.net.cpu.now / NS_PER_MS);
  const idle = now - idents.stamp[at]!;
  if (idle > 0) {
    idents.stamp[at] = now;
    idents.next[at]! += ip.net.random.below(Math.min(idle, 65536));
  }
  const id = idents.next[at]!;
  idents.next[at] = id + segs;
  return id & 0xffff;
}

// ---- the way down ---------------------------------------------------------------------------------------------------

/** A packet of this host, complete with its header, goes its way. Takes the skb. */
export function ipLocalOut(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  const { net } = ip;
  net.mib[OutRequests]!++;
  if (skb.trace !== 0) net.trace(skb, 'ipLocalOut');
  skb.protocol = ETH_P_IP;
  skb.dst = rt;
  skb.dev = rt.dev;
  if (ip.hookLocalOut !== null) {
    if (!ip.hookLocalOut.run(skb, null, rt.dev)) return -EPERM;
    // Its destination may be another one by now.
    return ipOutput(ip, skb.dst as Rtable, skb);
  }
  return ipOutput(ip, rt, skb);
}

/** The last steps, for own and forwarded packets alike. Takes the skb. */
export function ipOutput(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  const { mib } = ip.net;
  mib[OutTransmits]!++;
  if (skb.trace !== 0) ip.net.trace(skb, 'ipOutput', rt.dev.name);
  mib[OutOctets]! += skb.len;
  if ((rt.type === RTN_BROADCAST || rt.type === RTN_MULTICAST) && !toMany(ip, rt, skb)) return 0;
  if (ip.hookPostRouting !== null && !ip.hookPostRouting.run(skb, null, rt.dev)) return -EPERM;
  if ((skb.len > rt.mtu || skb.fragMaxSize !== 0) && !gsoFits(skb, rt.mtu)) return ipFragment(ip, rt, skb);
  return ipFinishOutput(ip, rt, skb);
}

/** To the next hop: a whole packet, or a fragment. Takes the skb. */
export function ipFinishOutput(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipFinishOutput');
  const { neigh } = rt;
  if (neigh !== null && !neigh.dead) return neighOutput(neigh, skb);
  return outputSlow(ip, rt, skb);
}

/** The first packet on a way, or the first since its neighbour was forgotten. */
function outputSlow(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  const { dev } = rt;
  // lo and links with two ends have one neighbour, whoever is meant.
  const key = (dev.flags & IFF_LOOPBACK) !== 0 ? 0 : rt.nexthop;
  const neigh = ip.arp.table.lookup(dev, key);
  if (neigh === null) {
    ip.net.drop(skb, Drop.NeighCreateFail);
    return -ENOBUFS;
  }
  rt.neigh = neigh;
  return neighOutput(neigh, skb);
}

/** A super-packet is as long as its segments: does each of them fit? False for all other packets. */
export function gsoFits(skb: SkBuff, mtu: number): boolean {
  if (skb.gsoSize === 0) return false;
  const { buf, nh, th } = skb;
  const l4 = buf[nh + IPV4_PROTOCOL] === IPPROTO_TCP ? (buf[th + 12]! >> 4) << 2 : UDP_HLEN;
  return th - nh + l4 + skb.gsoSize <= mtu;
}

/** To all or to a group: counted, and heard by this host too, where it belongs to them. False: it goes no further, and is done. */
function toMany(ip: Ipv4, rt: Rtable, skb: SkBuff): boolean {
  const { net } = ip;
  const loopback = (rt.dev.flags & IFF_LOOPBACK) !== 0;
  if (rt.type === RTN_BROADCAST) {
    net.inc(Mib.IpExtOutBcastPkts);
    if (!loopback) loopCopy(skb);
    return true;
  }
  net.inc(Mib.IpExtOutMcastPkts);
  const { sk } = skb;
  if (rt.mcLocal && !loopback && (!(sk instanceof InetSock) || sk.mcLoop)) loopCopy(skb);
  // RFC 1112 §6.1: with TTL 0 it stays on this host.
  if (skb.buf[skb.nh + IPV4_TTL] !== 0) return true;
  consumeSkb(skb);
  return false;
}

/** A copy comes in as if from the link (Linux: dev_loopback_xmit). */
function loopCopy(skb: SkBuff): void {
  const copy = cloneSkb(skb);
  copy.pktType = PACKET_LOOPBACK;
  if (copy.ipSummed === CHECKSUM_NONE) copy.ipSummed = CHECKSUM_UNNECESSARY;
  netifRx(copy);
}

/** What an upper layer makes of an answer from below: a packet that was only put behind others is no failure (net_xmit_errno). */
export function ipXmitErrno(rc: number): number {
  return rc > 0 ? (rc === NET_XMIT_CN ? 0 : -ENOBUFS) : rc;
}

/** The link was no use for `skb`, of this host or forwarded: its sender is told (Linux: ipv4_link_failure). The skb stays the caller's. */
export function ipLinkFailure(net: Net, skb: SkBuff, type: number, code: number): void {
  const ip = net.inet as Ipv4;
  icmpSend(skb, type, code, 0);
  // The way is looked up anew next time.
  ip.routes.forEachTo(iphDaddr(skb.buf, skb.nh), (rt) => {
    if (rt.type === RTN_UNICAST) rt.neigh = null;
  });
}
