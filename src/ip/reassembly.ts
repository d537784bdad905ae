/**
 * IPv4, fragments put together (RFC 791 §3.2, RFC 815, RFC 6864; Linux: ip_fragment.c). The queues are `ip/inet-fragment.ts`'s.
 *
 *   from  ip/input.ts    ipDefrag, a fragment for this host
 *         ip/filter/     likewise, where connections are tracked
 *   to    ip/icmp.ts     "fragment reassembly time exceeded"
 */
import { get16, get32, get8, put16, put8 } from '../lib/bytes.ts';
import { NS_PER_MS } from '../lib/units.ts';
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED } from '../wire/icmp.ts';
import {
  INET_ECN_CE, INET_ECN_MASK, IP_DF, IP_MF, IP_OFFSET, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_ID, IPV4_MAX_LEN, IPV4_PROTOCOL, IPV4_SADDR,
  IPV4_TOS, IPV4_TOTAL_LEN, iphDaddr, iphHlen, iphSaddr, ipSendCheck,
} from '../wire/ipv4.ts';
import { trimTail } from '../skb/copy.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import type { Net } from '../dev/net.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { RTN_LOCAL } from './fib.ts';
import { icmpSend } from './icmp.ts';
import {
  FRAG_DUP, FRAG_OK, FragSysctl, FragTable, fragExtend, fragInsert, fragJoin, fragPurge, type FragQueue,
} from './inet-fragment.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipRouteInput } from './route-input.ts';

/** Who puts packets together: the same fragments may pass several places (Linux: enum ip_defrag_users). */
export const IP_DEFRAG_LOCAL_DELIVER = 0;
export const IP_DEFRAG_CALL_RA_CHAIN = 1;
export const IP_DEFRAG_CONNTRACK_IN = 2;
export const IP_DEFRAG_CONNTRACK_OUT = 3;

/** RFC 791: the addresses, the identification, the protocol; and the user. */
const KEY_WORDS = 4;
/** net.ipv4.ipfrag_time. */
const IP_FRAG_TIME_MS = 30000;

/** A source of fragments: how many have come from it. */
class FragPeer {
  readonly addr: number;
  rid = 0;
  queues = 0;

  constructor(addr: number) {
    this.addr = addr;
  }
}

/** IPv4's fragments on a host. */
export class IpFrags {
  readonly sysctl: FragSysctl = new FragSysctl(IP_FRAG_TIME_MS);
  readonly table: FragTable;
  /** Sources that have a queue. */
  readonly peers: Map<number, FragPeer> = new Map();

  constructor(net: Net) {
    this.table = new FragTable(net, this.sysctl, KEY_WORDS, ipExpire);
  }
}

/**
 * A fragment: `data` at its IP header, `nh` and `th` set. Takes the skb.
 *
 * @returns the whole packet once its last piece is here, `data` at the IP header; else null
 */
export function ipDefrag(ip: Ipv4, skb: SkBuff, user: number): SkBuff | null {
  if (skb.trace !== 0) ip.net.trace(skb, 'ipDefrag');
  const { net, frags } = ip;
  net.inc(Mib.IpReasmReqds);
  const q = findQueue(frags, skb, user);
  if (q === null) return fail(net, skb, Drop.FragNoMemory);
  if (tooFar(ip, q)) {
    // The pieces so far are of another packet: it begins anew.
    net.inc(Mib.IpReasmFails);
    fragPurge(q, Drop.FragTooFar);
    q.timer.mod(net.cpu.now + frags.sysctl.timeMs * NS_PER_MS);
  }
  return queueFragment(ip, q, skb);
}

function fail(net: Net, skb: SkBuff, reason: Drop): null {
  net.inc(Mib.IpReasmFails);
  net.drop(skb, reason);
  return null;
}

function findQueue(frags: IpFrags, skb: SkBuff, user: number): FragQueue | null {
  const { table, peers } = frags;
  const { buf, nh } = skb;
  const { key } = table;
  const saddr = get32(buf, nh + IPV4_SADDR);
  key[0] = saddr;
  key[1] = get32(buf, nh + IPV4_DADDR);
  key[2] = (get16(buf, nh + IPV4_ID) << 8) | get8(buf, nh + IPV4_PROTOCOL);
  key[3] = user;
  const q = table.find();
  if (q !== null && q.peer === null) {
    let peer = peers.get(saddr);
    if (peer === undefined) {
      peer = new FragPeer(saddr);
      peers.set(saddr, peer);
    }
    peer.queues++;
    q.peer = peer;
    q.rid = 0;
  }
  return q;
}

/** So many fragments of other packets came in between that the identification may be in use again (ipfrag_max_dist; RFC 4963). */
function tooFar(ip: Ipv4, q: FragQueue): boolean {
  const { maxDist } = ip.frags.sysctl;
  if (maxDist === 0) return false;
  const peer = q.peer as FragPeer;
  const start = q.rid;
  q.rid = ++peer.rid;
  return q.nrRuns > 0 && q.rid - start > maxDist;
}

/** Gives the queue up, and all that is in it; `skb` with it. */
function discard(ip: Ipv4, q: FragQueue, skb: SkBuff, reason: Drop): null {
  ipqKill(ip.frags, q, reason);
  return fail(ip.net, skb, reason);
}

function ipqKill(frags: IpFrags, q: FragQueue, reason: Drop): void {
  const peer = q.peer as FragPeer | null;
  frags.table.kill(q, reason);
  if (peer !== null && --peer.queues === 0) frags.peers.delete(peer.addr);
}

/** Adds a fragment to the pieces of its packet (Linux: ip_frag_queue). */
function queueFragment(ip: Ipv4, q: FragQueue, skb: SkBuff): SkBuff | null {
  const { net } = ip;
  const { buf, nh } = skb;
  const field = get16(buf, nh + IPV4_FRAG_OFF);
  const hlen = iphHlen(buf, nh);
  const offset = (field & IP_OFFSET) << 3;
  const more = (field & IP_MF) !== 0;
  let end = offset + skb.len - hlen;
  // RFC 791: all but the last are multiples of 8 bytes long; what is over is cut off.
  if (more) end &= ~7;
  if (!fragExtend(q, end, !more) || end === offset) return discard(ip, q, skb, Drop.FragInvalid);
  const size = end - offset + hlen;
  skb.pull(hlen);
  trimTail(skb, end - offset);
  const answer = fragInsert(q, skb, offset, end);
  if (answer === FRAG_DUP) {
    net.drop(skb, Drop.DupFrag);
    return null;
  }
  if (answer !== FRAG_OK) {
    net.inc(Mib.IpExtReasmOverlaps);
    return discard(ip, q, skb, Drop.FragOverlap);
  }
  q.iif = (skb.dev as NetDevice).ifindex;
  q.ecn |= 1 << (get8(buf, nh + IPV4_TOS) & INET_ECN_MASK);
  if (size > q.maxSize) q.maxSize = size;
  if ((field & IP_DF) !== 0 && size > q.maxDfSize) q.maxDfSize = size;
  const { dst, dev, pktType } = skb;
  skb.dst = null;
  if (!q.complete) return null;
  const whole = reasm(ip, q);
  if (whole === null) return null;
  whole.dst = dst;
  whole.dev = dev;
  whole.pktType = pktType;
  return whole;
}

/** All pieces are here (Linux: ip_frag_reasm). */
function reasm(ip: Ipv4, q: FragQueue): SkBuff | null {
  const { frags, net } = ip;
  const { buf, nh } = q.first!;
  const hlen = iphHlen(buf, nh);
  const ecn = fragEcn(q.ecn);
  const oversize = hlen + q.len > IPV4_MAX_LEN;
  // RFC 3168 §5.3: ECT beside not-ECT cannot be. And the ping of death: longer than a packet can be.
  if (ecn < 0 || oversize) {
    net.inc(Mib.IpReasmFails);
    ipqKill(frags, q, oversize ? Drop.FragTooLong : Drop.FragInvalid);
    return null;
  }
  const { len, maxSize, maxDfSize } = q;
  const user = q.key[3]!;
  const head = fragJoin(q);
  ipqKill(frags, q, Drop.NotDropped);
  head.push(hlen);
  const dfAll = maxDfSize === maxSize;
  put16(buf, nh + IPV4_TOTAL_LEN, hlen + len);
  put16(buf, nh + IPV4_FRAG_OFF, dfAll ? IP_DF : 0);
  put8(buf, nh + IPV4_TOS, get8(buf, nh + IPV4_TOS) | ecn);
  ipSendCheck(buf, nh);
  head.th = nh + hlen;
  // Where it is sent on, it leaves in pieces no longer than those that came (RFC 1812 §5.2.6).
  head.fragMaxSize = user === IP_DEFRAG_LOCAL_DELIVER ? 0 : maxSize;
  head.ignoreDf = user !== IP_DEFRAG_LOCAL_DELIVER;
  net.inc(Mib.IpReasmOKs);
  return head;
}

/** The ECN bits to be added to the packet's: CE when one piece has it; -1: these pieces are not of one packet. */
export function fragEcn(seen: number): number {
  const notEct = (seen & 1) !== 0;
  const ce = (seen & (1 << INET_ECN_CE)) !== 0;
  if (notEct) return seen === 1 ? 0 : -1;
  return ce && seen !== 1 << INET_ECN_CE ? INET_ECN_CE : 0;
}

/** The time is over (Linux: ip_expire). RFC 792: the sender is told, when the first piece is here. */
function ipExpire(q: FragQueue): void {
  const ip = q.table.net.inet as Ipv4;
  const { net } = ip;
  net.inc(Mib.IpReasmFails);
  net.inc(Mib.IpReasmTimeout);
  const { first } = q;
  const dev = net.devices[q.iif] ?? null;
  if (first !== null && dev !== null) {
    const rt = ipRouteInput(ip, iphDaddr(first.buf, first.nh), iphSaddr(first.buf, first.nh), dev);
    // Only the host that the packet was for may say so, not a router that put it together for its filter.
    if (typeof rt !== 'number' && rt.error === 0 && (rt.type === RTN_LOCAL || q.key[3] === IP_DEFRAG_LOCAL_DELIVER)) {
      first.dst = rt;
      icmpSend(first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
    }
  }
  ipqKill(ip.frags, q, Drop.FragReasmTimeout);
}
