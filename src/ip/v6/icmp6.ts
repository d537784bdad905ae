/**
 * ICMPv6, messages going out: what a host says about packets that went wrong (RFC 4443 §2.4, §3), and its answers.
 *
 *   from  ip/v6/, udp/, tcp/    icmp6Send, about a packet that came in (or could not go out)
 *         ip/v6/icmp6-input.ts  icmp6Reply
 *   to    ip/v6/output.ts       ip6BuildAndSendPkt
 *
 * Never about an ICMPv6 error or a redirect, a packet from nobody or from many; about one to many only "packet too big" and the
 * option that says so; never more than the limits.
 */
import { get32, get8, put16 } from '../../lib/bytes.ts';
import { csumFold, csumIpv6Nofold } from '../../lib/checksum.ts';
import { in6HashAt, in6IsAnyAt, in6IsLinklocal, in6IsMulticastAt, in6ReadAt, in6WriteAt, type In6Addr } from '../../lib/addr6.ts';
import {
  EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, EPROTO,
} from '../../lib/errno.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import {
  ICMPV6_CHECK, ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_HLEN, ICMPV6_INFOMSG_MASK, ICMPV6_MGM_REDUCTION,
  ICMPV6_MGM_REPORT, ICMPV6_MLD2_REPORT, ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED, ICMPV6_UNK_OPTION, icmpv6IsErr,
  icmpv6WriteHeader, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION, NDISC_REDIRECT, NDISC_ROUTER_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} from '../../wire/icmpv6.ts';
import {
  IP6_OFFSET, IPV6_DADDR, IPV6_HLEN, IPV6_MIN_MTU, IPV6_SADDR, ip6hTclass, ipv6SkipExthdr, NEXTHDR_ICMP, type UpperLayer,
} from '../../wire/ipv6.ts';
import { copyBits } from '../../skb/copy.ts';
import { skbChecksum } from '../../skb/csum.ts';
import { CHECKSUM_NONE, MAX_HEADER, PACKET_HOST, type SkBuff } from '../../skb/sk-buff.ts';
import { skbTraceAnew } from '../../skb/trace.ts';
import { Mib } from '../../dev/mib.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../dev/net-device.ts';
import type { Ipv4 } from '../ipv4.ts';
import { ipv6ChkAddr } from './addrconf.ts';
import type { Ipv6 } from './ipv6.ts';
import { ip6BuildAndSendPkt } from './output.ts';
import { ip6FlowHash, ip6MakeFlowlabel, ip6RouteOutput, type Rt6Info } from './route.ts';

/** How many messages to one host may come in a burst, in units of icmp.ratelimit. */
const BURST_FACTOR = 6;
/** Hosts whose rate is watched; the one watched longest makes room. */
export const ICMP6_PEERS_MAX = 1024;
/** Bytes of a quoted packet's headers that are looked at to tell whether it is an ICMPv6 error itself. */
const LOOK_MAX = 192;

/** A bucket of tokens, in nanoseconds of allowed sending. */
interface RateBucket {
  tokens: number;
  /** Host time, ns. */
  last: number;
}

export class Icmp6State {
  /** The bucket of all messages; net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst rule both families, each with its own bucket. */
  credit = 0;
  creditStamp: number = -Infinity;
  /** A bucket per destination (by the hash of its address): icmp.ratelimit. */
  readonly peers: Map<number, RateBucket> = new Map();
  /** Where a quoted packet's headers are walked. */
  readonly look: Uint8Array = new Uint8Array(LOOK_MAX);
  readonly upper: UpperLayer = { off: 0, nexthdr: 0, frag: 0 };
}

/**
 * Tells the sender of `skb` what happened to it. The skb stays the caller's; `nh` must be set, and the IPv6 header lie in the
 * header area. `info` is the second word of the header: the MTU, or the pointer.
 */
export function icmp6Send(skb: SkBuff, type: number, code: number, info: number): void {
  if (skb.dev === null || skb.nh < 0) return;
  const ip6 = (skb.dev as NetDevice).net.inet6 as Ipv6 | null;
  if (ip6 === null || !mayComplain(ip6, skb, type, code)) return;
  const { buf, nh } = skb;
  if (!globalAllow(ip6, type)) {
    ip6.net.inc(Mib.Icmp6OutRateLimitHost);
    return;
  }
  const daddr = in6ReadAt(buf, nh + IPV6_SADDR);
  const asked = in6ReadAt(buf, nh + IPV6_DADDR);
  // RFC 4443 §2.2: from the address that was asked, if it is ours; a link-local sender is answered on its link.
  const saddr = ipv6ChkAddr(ip6, asked, null) ? asked : null;
  const oif = in6IsLinklocal(daddr) || (saddr !== null && in6IsLinklocal(saddr)) ? (skb.dev as NetDevice).ifindex : 0;
  const rt = ip6RouteOutput(ip6, daddr, saddr, oif);
  if (typeof rt === 'number') return;
  if (!peerAllow(ip6, type, rt, buf, nh + IPV6_SADDR)) {
    ip6.net.inc(Mib.Icmp6OutRateLimitHost);
    return;
  }
  const message = quote(skb, IPV6_MIN_MTU - IPV6_HLEN - ICMPV6_HLEN);
  const at = message.push(ICMPV6_HLEN);
  icmpv6WriteHeader(message.buf, at, type, code, info);
  icmp6Xmit(ip6, message, saddr ?? rt.src, daddr, 0, rt);
}

/** RFC 4443 §2.4 (e): about what a host keeps silent. */
function mayComplain(ip6: Ipv6, skb: SkBuff, type: number, code: number): boolean {
  const { buf, nh } = skb;
  // (e.3), (e.4): about a packet to many only what path MTU discovery and option processing need.
  const toMany = in6IsMulticastAt(buf, nh + IPV6_DADDR) || skb.pktType !== PACKET_HOST;
  if (toMany && type !== ICMPV6_PKT_TOOBIG && !(type === ICMPV6_PARAMPROB && code === ICMPV6_UNK_OPTION)) return false;
  // (e.6): its source must be one host.
  if (in6IsAnyAt(buf, nh + IPV6_SADDR) || in6IsMulticastAt(buf, nh + IPV6_SADDR)) return false;
  return !aboutAnError(ip6, skb);
}

/** Is the packet an ICMPv6 error or a redirect, or cut too short to tell? (e.1), (e.2). A later fragment shows no type: it is none. */
function aboutAnError(ip6: Ipv6, skb: SkBuff): boolean {
  const { look, upper } = ip6.icmp;
  const back = skb.data - skb.nh;
  if (back > 0) skb.push(back);
  else if (back < 0) return false;
  const len = Math.min(skb.len, LOOK_MAX);
  copyBits(skb, 0, look, 0, len);
  if (back > 0) skb.pull(back);
  ipv6SkipExthdr(look, 0, len, upper);
  if (upper.nexthdr !== NEXTHDR_ICMP || (upper.frag & IP6_OFFSET) !== 0) return false;
  if (upper.off < 0 || upper.off >= len) return true;
  const type = get8(look, upper.off);
  return icmpv6IsErr(type) || type === NDISC_REDIRECT;
}

/** A new skb with the first `room` bytes of the packet, from its IPv6 header on. */
function quote(skb: SkBuff, room: number): SkBuff {
  const { pool } = skb;
  const back = skb.data - skb.nh;
  if (back > 0) skb.push(back);
  const len = Math.min(skb.len, room);
  const message = pool.alloc(MAX_HEADER);
  const page = pool.allocPage(len);
  copyBits(skb, 0, page.bytes, 0, len);
  page.fill = len;
  message.addFrag(page, 0, len);
  message.truesize += len;
  pool.putPage(page);
  if (back > 0) skb.pull(back);
  return message;
}

/**
 * Turns an echo request round: the skb goes back as its own answer, its type rewritten by the caller, from the address that was
 * asked; asked by a group, from one of the device's (RFC 4443 §4.2). Takes the skb.
 */
export function icmp6Reply(ip6: Ipv6, skb: SkBuff): void {
  if (skb.trace !== 0) {
    skbTraceAnew(skb);
    ip6.net.trace(skb, 'icmpv6EchoReply');
  }
  const { buf, nh } = skb;
  const daddr = in6ReadAt(buf, nh + IPV6_SADDR);
  const asked = in6ReadAt(buf, nh + IPV6_DADDR);
  const saddr = ipv6ChkAddr(ip6, asked, null) ? asked : null;
  const oif = in6IsLinklocal(daddr) ? (skb.dev as NetDevice).ifindex : 0;
  const tclass = ip6hTclass(buf, nh);
  skb.pktType = PACKET_HOST;
  skb.dst = null;
  skb.mark = 0;
  const rt = ip6RouteOutput(ip6, daddr, saddr, oif);
  if (typeof rt === 'number') {
    ip6.net.inc(Mib.Icmp6OutErrors);
    ip6BuildAndSendPkt(ip6, skb, saddr, daddr, NEXTHDR_ICMP, -1, tclass, 0, null, oif); // counts and drops it
    return;
  }
  icmp6Xmit(ip6, skb, saddr ?? rt.src, daddr, tclass, rt);
}

/** Completes a message (from `data` on) with its checksum, which no card computes, and sends it. Takes the skb. */
function icmp6Xmit(ip6: Ipv6, skb: SkBuff, saddr: In6Addr, daddr: In6Addr, tclass: number, rt: Rt6Info): void {
  if (skb.trace !== 0) ip6.net.trace(skb, 'icmp6Send');
  skb.th = skb.data;
  skb.ipSummed = CHECKSUM_NONE;
  const { buf, th, len } = skb;
  put16(buf, th + ICMPV6_CHECK, 0);
  // The pseudo-header is summed where the real one will stand.
  const nh = skb.data - IPV6_HLEN;
  in6WriteAt(saddr, buf, nh + IPV6_SADDR);
  in6WriteAt(daddr, buf, nh + IPV6_DADDR);
  const sum = skbChecksum(skb, 0, len, 0);
  put16(buf, th + ICMPV6_CHECK, csumFold(csumIpv6Nofold(buf, nh + IPV6_SADDR, buf, nh + IPV6_DADDR, len, NEXTHDR_ICMP, sum)));
  icmp6OutCount(ip6, get8(buf, th));
  skb.ignoreDf = true; // an answer to an echo that came in fragments leaves in fragments
  const label = ip6MakeFlowlabel(ip6, ip6FlowHash(ip6, saddr, daddr, NEXTHDR_ICMP));
  const rc = ip6BuildAndSendPkt(ip6, skb, saddr, daddr, NEXTHDR_ICMP, -1, tclass, label, rt, 0);
  if (rc < 0) ip6.net.inc(Mib.Icmp6OutErrors);
}

/** Counts a message that goes out, whoever made it. */
export function icmp6OutCount(ip6: Ipv6, type: number): void {
  const { net } = ip6;
  net.inc(Mib.Icmp6OutMsgs);
  switch (type) {
    case ICMPV6_DEST_UNREACH: net.inc(Mib.Icmp6OutDestUnreachs); break;
    case ICMPV6_PKT_TOOBIG: net.inc(Mib.Icmp6OutPktTooBigs); break;
    case ICMPV6_TIME_EXCEED: net.inc(Mib.Icmp6OutTimeExcds); break;
    case ICMPV6_PARAMPROB: net.inc(Mib.Icmp6OutParmProblems); break;
    case ICMPV6_ECHO_REQUEST: net.inc(Mib.Icmp6OutEchos); break;
    case ICMPV6_ECHO_REPLY: net.inc(Mib.Icmp6OutEchoReplies); break;
    case ICMPV6_MGM_REPORT: net.inc(Mib.Icmp6OutGroupMembResponses); break;
    case ICMPV6_MGM_REDUCTION: net.inc(Mib.Icmp6OutGroupMembReductions); break;
    case NDISC_ROUTER_SOLICITATION: net.inc(Mib.Icmp6OutRouterSolicits); break;
    case NDISC_ROUTER_ADVERTISEMENT: net.inc(Mib.Icmp6OutRouterAdvertisements); break;
    case NDISC_NEIGHBOUR_SOLICITATION: net.inc(Mib.Icmp6OutNeighborSolicits); break;
    case NDISC_NEIGHBOUR_ADVERTISEMENT: net.inc(Mib.Icmp6OutNeighborAdvertisements); break;
    case NDISC_REDIRECT: net.inc(Mib.Icmp6OutRedirects); break;
    case ICMPV6_MLD2_REPORT: net.inc(Mib.Icmp6OutMLDv2Reports); break;
  }
}

// ---- limits (RFC 4443 §2.4 (f)) -------------------------------------------------------------------------------------

/** Is this message subject to limits? Errors are, but path MTU discovery is never slowed down (icmp.ratemask's default). */
function limited(type: number): boolean {
  return (type & ICMPV6_INFOMSG_MASK) === 0 && type !== ICMPV6_PKT_TOOBIG;
}

function globalAllow(ip6: Ipv6, type: number): boolean {
  const v4 = ip6.net.inet as Ipv4 | null;
  if (!limited(type) || v4 === null) return true;
  const { icmp, net, random } = ip6;
  const delta = Math.min(net.cpu.now - icmp.creditStamp, NS_PER_SEC);
  if (delta >= NS_PER_SEC / 50) {
    const more = Math.floor((v4.sysctl.icmpMsgsPerSec * delta) / NS_PER_SEC);
    if (more > 0) {
      icmp.creditStamp = net.cpu.now;
      icmp.credit = Math.min(icmp.credit + more, v4.sysctl.icmpMsgsBurst);
    }
  }
  if (icmp.credit <= 0) return false;
  icmp.credit = Math.max(icmp.credit - random.below(3), 0);
  return true;
}

/** icmp.ratelimit: one message per period to one host, with a burst of six. Never on lo. */
function peerAllow(ip6: Ipv6, type: number, rt: Rt6Info, buf: Uint8Array, off: number): boolean {
  const period = ip6.sysctl.icmpRatelimit * NS_PER_MS;
  if (!limited(type) || (rt.dev.flags & IFF_LOOPBACK) !== 0) return true;
  return ip6PeerAllow(ip6, in6HashAt(buf, off, 0), period);
}

/** A token bucket per `key`: one message per `period` nanoseconds, six at once (Linux: inet_peer_xrlim_allow). */
export function ip6PeerAllow(ip6: Ipv6, key: number, period: number): boolean {
  if (period === 0) return true;
  const { peers } = ip6.icmp;
  const { now } = ip6.net.cpu;
  let bucket = peers.get(key);
  if (bucket === undefined) {
    if (peers.size >= ICMP6_PEERS_MAX) peers.delete(peers.keys().next().value!);
    bucket = { tokens: period * BURST_FACTOR, last: now };
    peers.set(key, bucket);
  }
  bucket.tokens = Math.min(bucket.tokens + now - bucket.last, period * BURST_FACTOR);
  bucket.last = now;
  if (bucket.tokens < period) return false;
  bucket.tokens -= period;
  return true;
}

// ---- what an error means to a socket (Linux: icmpv6_err_convert) ----------------------------------------------------

/** By code of "destination unreachable": the errno, negative when the error may pass. */
const UNREACH6_ERRNO: readonly number[] = [-ENETUNREACH, EACCES, -EHOSTUNREACH, -EHOSTUNREACH, ECONNREFUSED, EACCES, EACCES];

/** The errno (positive) of an ICMPv6 error. */
export function icmp6Errno(type: number, code: number): number {
  if (type === ICMPV6_DEST_UNREACH) return Math.abs(UNREACH6_ERRNO[code] ?? EPROTO);
  if (type === ICMPV6_PKT_TOOBIG) return EMSGSIZE;
  return type === ICMPV6_PARAMPROB ? EPROTO : EHOSTUNREACH;
}

/** True when it ends the matter; false when it may pass. */
export function icmp6Fatal(type: number, code: number): boolean {
  if (type === ICMPV6_DEST_UNREACH) return (UNREACH6_ERRNO[code] ?? -1) > 0;
  return type === ICMPV6_PARAMPROB;
}

/** The MTU in a "packet too big"; a word that is absurd counts as the smallest there is. */
export function icmp6Mtu(buf: Uint8Array, off: number): number {
  const mtu = get32(buf, off + 4) >>> 0;
  return mtu < IPV6_MIN_MTU ? IPV6_MIN_MTU : mtu;
}
