/**
 * ICMP, messages going out: what a host says about packets that went wrong (RFC 792, RFC 1122 §3.2.2), and its answers.
 *
 *   from  ip/, udp/, tcp/    icmpSend, about a packet that came in (or could not go out)
 *         ip/icmp-input.ts   icmpReply
 *   to    ip/output.ts       ipBuildAndSendPkt
 *
 * Never about an ICMP error, a packet to many or from nobody, a fragment other than the first; never more than the limits.
 */
import { get8, get16, get32, put16 } from '../lib/bytes.ts';
import { csumFold } from '../lib/checksum.ts';
import {
  ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP,
} from '../lib/errno.ts';
import { NS_PER_MS, NS_PER_SEC } from '../lib/units.ts';
import {
  ICMP_CHECK, ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  icmpIsError, icmpWriteHeader, NR_ICMP_TYPES,
} from '../wire/icmp.ts';
import {
  IP_OFFSET, IPPROTO_ICMP, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_PROTOCOL, IPV4_SADDR, IPV4_TOS, iphHlen,
} from '../wire/ipv4.ts';
import { copyBits } from '../skb/copy.ts';
import { skbChecksum } from '../skb/csum.ts';
import { CHECKSUM_NONE, MAX_HEADER, PACKET_HOST, type SkBuff } from '../skb/sk-buff.ts';
import { skbTraceAnew } from '../skb/trace.ts';
import { Mib } from '../dev/mib.ts';
import { IFF_LOOPBACK } from '../dev/net-device.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from './fib.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipOptionsEcho } from './options.ts';
import { ipBuildAndSendPkt } from './output.ts';
import { ipRouteOutput, Rtable } from './route.ts';

/** What is said about a packet must not be longer than every host can take (RFC 1812 §4.3.2.3). */
const ICMP_MAX_PACKET = 576;
/** How many messages to one host may come in a burst, in units of icmp_ratelimit. */
const BURST_FACTOR = 6;
/** Hosts whose rate is watched; the one watched longest makes room. */
export const ICMP_PEERS_MAX = 1024;
/** Precedence "internetwork control" for errors (RFC 1812 §4.3.2.5). */
const IPTOS_PREC_INTERNETCONTROL = 0xc0;
const IPTOS_TOS_MASK = 0x1e;

/** A bucket of tokens, in nanoseconds of allowed sending. */
interface RateBucket {
  tokens: number;
  /** Host time, ns. */
  last: number;
}

export class IcmpState {
  /** The bucket of all messages: icmp_msgs_per_sec, icmp_msgs_burst. */
  credit = 0;
  creditStamp: number = -Infinity;
  /** A bucket per destination: icmp_ratelimit. */
  readonly peers: Map<number, RateBucket> = new Map();
}

/**
 * Tells the sender of `skb` what happened to it. The skb stays the caller's; `nh` must be set, and the IP header lie in the
 * header area. `info` is the second word of the header: the MTU, or the pointer << 24.
 */
export function icmpSend(skb: SkBuff, type: number, code: number, info: number): void {
  const rtIn = skb.dst;
  if (!(rtIn instanceof Rtable) || skb.nh < 0) return;
  const { ip } = rtIn;
  const { buf, nh } = skb;
  if (skb.pktType !== PACKET_HOST || rtIn.type === RTN_BROADCAST || rtIn.type === RTN_MULTICAST) return;
  if ((get16(buf, nh + IPV4_FRAG_OFF) & IP_OFFSET) !== 0) return;
  if (icmpIsError(type) && aboutAnError(skb)) return;
  if (!globalAllow(ip, type, code)) return;
  const daddr = get32(buf, nh + IPV4_SADDR);
  const saddr = rtIn.type === RTN_LOCAL ? get32(buf, nh + IPV4_DADDR) : 0;
  const rt = ipRouteOutput(ip, daddr, saddr, 0);
  if (typeof rt === 'number') return;
  if (!peerAllow(ip, type, code, rt)) {
    ip.net.inc(Mib.IcmpOutRateLimitHost);
    return;
  }
  const tos = icmpIsError(type) ? (get8(buf, nh + IPV4_TOS) & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL : get8(buf, nh + IPV4_TOS);
  const message = quote(skb, Math.min(rt.mtu, ICMP_MAX_PACKET) - IPV4_HLEN_MIN - ICMP_HLEN);
  const at = message.push(ICMP_HLEN);
  icmpWriteHeader(message.buf, at, type, code, info);
  icmpOutCount(ip, type);
  icmpXmit(ip, message, saddr, daddr, tos, rt);
}

/** Is the packet itself an ICMP error, or unknown, or cut too short to tell? RFC 1122 §3.2.2. */
function aboutAnError(skb: SkBuff): boolean {
  const { buf, nh } = skb;
  if (get8(buf, nh + IPV4_PROTOCOL) !== IPPROTO_ICMP) return false;
  const at = nh + iphHlen(buf, nh);
  if (skb.data - nh + skb.len <= at - nh) return true;
  const type = typeAt(skb, at - skb.data);
  return type > NR_ICMP_TYPES || icmpIsError(type);
}

function typeAt(skb: SkBuff, off: number): number {
  if (skb.data + off < skb.tail) return get8(skb.buf, skb.data + off);
  const one = new Uint8Array(1);
  copyBits(skb, off, one, 0, 1);
  return get8(one, 0);
}

/** A new skb with the first `room` bytes of the packet, from its IP header on. */
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

/** Turns a request round (the skb goes back as its own answer, its ICMP header rewritten by the caller) and sends it. Takes the skb. */
export function icmpReply(ip: Ipv4, skb: SkBuff, type: number): void {
  if (skb.trace !== 0) {
    skbTraceAnew(skb);
    ip.net.trace(skb, 'icmpReply');
  }
  const { buf, nh } = skb;
  const rtIn = skb.dst as Rtable;
  const daddr = get32(buf, nh + IPV4_SADDR);
  const saddr = rtIn.type === RTN_LOCAL ? get32(buf, nh + IPV4_DADDR) : 0;
  const tos = get8(buf, nh + IPV4_TOS);
  const hlen = iphHlen(buf, nh);
  const options = hlen > IPV4_HLEN_MIN ? ipOptionsEcho(buf, nh, hlen) : null;
  skb.pktType = PACKET_HOST;
  skb.ipSummed = CHECKSUM_NONE;
  skb.dst = null;
  skb.fragMaxSize = 0;
  skb.ignoreDf = false;
  skb.mark = 0;
  const rt = ipRouteOutput(ip, daddr, saddr, 0);
  icmpOutCount(ip, type);
  skb.th = skb.data;
  ipBuildAndSendPkt(ip, skb, saddr, daddr, IPPROTO_ICMP, ip.sysctl.ipDefaultTtl, tos, typeof rt === 'number' ? null : rt, false, options);
}

/** Completes a message with its checksum, which no card computes, and sends it. Takes the skb. */
function icmpXmit(ip: Ipv4, skb: SkBuff, saddr: number, daddr: number, tos: number, rt: Rtable): void {
  if (skb.trace !== 0) ip.net.trace(skb, 'icmpSend');
  skb.th = skb.data;
  put16(skb.buf, skb.th + ICMP_CHECK, csumFold(skbChecksum(skb, 0, skb.len, 0)));
  const rc = ipBuildAndSendPkt(ip, skb, saddr, daddr, IPPROTO_ICMP, ip.sysctl.ipDefaultTtl, tos, rt, false);
  if (rc < 0) ip.net.inc(Mib.IcmpOutErrors);
}

/** Counts a message that goes out, whoever made it (Linux: icmp_out_count). */
export function icmpOutCount(ip: Ipv4, type: number): void {
  const { net } = ip;
  net.inc(Mib.IcmpOutMsgs);
  if (type === ICMP_DEST_UNREACH) net.inc(Mib.IcmpOutDestUnreachs);
  else if (type === ICMP_TIME_EXCEEDED) net.inc(Mib.IcmpOutTimeExcds);
  else if (type === ICMP_PARAMETERPROB) net.inc(Mib.IcmpOutParmProbs);
  else if (type === ICMP_REDIRECT) net.inc(Mib.IcmpOutRedirects);
  else if (type === ICMP_ECHO) net.inc(Mib.IcmpOutEchos);
  else if (type === ICMP_ECHOREPLY) net.inc(Mib.IcmpOutEchoReps);
}

// ---- limits ---------------------------------------------------------------------------------------------------------

/** Is this message subject to limits? RFC 1812 §4.3.2.8; path MTU discovery is never slowed down. */
function limited(ip: Ipv4, type: number, code: number): boolean {
  if (type > NR_ICMP_TYPES) return false;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) return false;
  return ((1 << type) & ip.sysctl.icmpRatemask) !== 0;
}

/** icmp_msgs_per_sec. The cost of a message is a little random, so that nobody can count our packets by it (RFC 6274 §3.5.2.2). */
function globalAllow(ip: Ipv4, type: number, code: number): boolean {
  if (!limited(ip, type, code)) return true;
  const { icmp, net, sysctl } = ip;
  const delta = Math.min(net.cpu.now - icmp.creditStamp, NS_PER_SEC);
  if (delta >= NS_PER_SEC / 50) {
    const more = Math.floor((sysctl.icmpMsgsPerSec * delta) / NS_PER_SEC);
    if (more > 0) {
      icmp.creditStamp = net.cpu.now;
      icmp.credit = Math.min(icmp.credit + more, sysctl.icmpMsgsBurst);
    }
  }
  if (icmp.credit <= 0) {
    net.inc(Mib.IcmpOutRateLimitGlobal);
    return false;
  }
  icmp.credit = Math.max(icmp.credit - net.random.below(3), 0);
  return true;
}

/** icmp_ratelimit: one message per period to one host, with a burst of six. Never on lo. */
function peerAllow(ip: Ipv4, type: number, code: number, rt: Rtable): boolean {
  const period = ip.sysctl.icmpRatelimit * NS_PER_MS;
  if (!limited(ip, type, code) || period === 0 || (rt.dev.flags & IFF_LOOPBACK) !== 0) return true;
  const { peers } = ip.icmp;
  const { now } = ip.net.cpu;
  let bucket = peers.get(rt.dst);
  if (bucket === undefined) {
    if (peers.size >= ICMP_PEERS_MAX) peers.delete(peers.keys().next().value!);
    bucket = { tokens: period * BURST_FACTOR, last: now };
    peers.set(rt.dst, bucket);
  }
  bucket.tokens = Math.min(bucket.tokens + now - bucket.last, period * BURST_FACTOR);
  bucket.last = now;
  if (bucket.tokens < period) return false;
  bucket.tokens -= period;
  return true;
}

// ---- what an error means to a socket --------------------------------------------------------------------------------

/** By code of ICMP_DEST_UNREACH: the errno, negative when the error may pass (RFC 1122 §4.2.3.9 lets a connection live through it). */
const UNREACH_ERRNO: readonly number[] = [
  -ENETUNREACH, -EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED, -EMSGSIZE, -EOPNOTSUPP, ENETUNREACH, EHOSTDOWN,
  ENONET, ENETUNREACH, EHOSTUNREACH, -ENETUNREACH, -EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
];

/** The errno (positive) of a "destination unreachable" with that code (Linux: icmp_err_convert). */
export function icmpUnreachErrno(code: number): number {
  return Math.abs(UNREACH_ERRNO[code] ?? EHOSTUNREACH);
}

/** True when it ends the matter; false when it may pass. */
export function icmpUnreachFatal(code: number): boolean {
  return (UNREACH_ERRNO[code] ?? 0) > 0;
}
