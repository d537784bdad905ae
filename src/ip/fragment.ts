/**
 * IPv4, packets too long for the next link: cut in pieces (RFC 791 §3.2), or refused when the sender forbids it (DF, RFC 1191 §3).
 * How pieces are put together is in `ip/reassembly.ts`.
 *
 *   from  ip/output.ts   ipFragment, own packets and forwarded ones alike
 *   to    ip/output.ts   ipFinishOutput, each fragment
 *         ip/icmp.ts     "fragmentation needed"
 *
 * A fragment has a header of its own and shares the payload: nothing is copied.
 */
import { get16, put8, put16, get8 } from '../lib/bytes.ts';
import { EMSGSIZE } from '../lib/errno.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../wire/icmp.ts';
import {
  IP_DF, IP_MF, IP_OFFSET, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_TOTAL_LEN, iphHlen, ipSendCheck,
} from '../wire/ipv4.ts';
import { sharePayload } from '../skb/copy.ts';
import { skbChecksumHelp } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { skbGsoSegment } from '../skb/gso.ts';
import { skbMoveOwner } from '../skb/owner.ts';
import { consumeSkb } from '../skb/pool.ts';
import { SkBuffHead } from '../skb/queue.ts';
import { CHECKSUM_PARTIAL, SKB_TRUESIZE_OVERHEAD, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { InetSock } from '../sock/sock.ts';
import { icmpSend } from './icmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { IPOPT_COPIED, IPOPT_END, IPOPT_NOOP } from './options.ts';
import { ipFinishOutput, ipSockMtu } from './output.ts';
import type { Rtable } from './route.ts';

/**
 * Sends a packet that is longer than its way allows (or that came in fragments, and leaves in such). Takes the skb.
 *
 * @returns as ipOutput; -EMSGSIZE when it must not be cut
 */
export function ipFragment(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  const { fragMaxSize, sk } = skb;
  let mtu = sk instanceof InetSock ? ipSockMtu(sk, rt) : rt.mtu;
  if (skb.len <= mtu && fragMaxSize === 0) return ipFinishOutput(ip, rt, skb);
  if (skb.gsoSize !== 0) return fragmentSegments(ip, rt, skb);
  const df = (get16(skb.buf, skb.nh + IPV4_FRAG_OFF) & IP_DF) !== 0;
  const hlen = iphHlen(skb.buf, skb.nh);
  if ((df && (!skb.ignoreDf || fragMaxSize > mtu)) || mtu < hlen + 8) {
    ip.net.inc(Mib.IpFragFails);
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    ip.net.drop(skb, Drop.PktTooBig);
    return -EMSGSIZE;
  }
  if (fragMaxSize !== 0 && fragMaxSize < mtu) mtu = fragMaxSize;
  if (skb.ipSummed === CHECKSUM_PARTIAL) skbChecksumHelp(skb);
  return cut(ip, rt, skb, hlen, mtu);
}

/** A super-packet whose segments do not fit: they are cut out of it first, each into fragments then. */
function fragmentSegments(ip: Ipv4, rt: Rtable, skb: SkBuff): number {
  const list = new SkBuffHead();
  skbGsoSegment(skb, list);
  let rc = 0;
  for (let part = list.popHead(); part !== null; part = list.popHead()) {
    const one = part.len > rt.mtu ? ipFragment(ip, rt, part) : ipFinishOutput(ip, rt, part);
    if (one !== 0) rc = one;
  }
  return rc;
}

/** RFC 791 §3.2, the fragmentation procedure: pieces in multiples of 8 bytes, all with the identification of the whole. */
function cut(ip: Ipv4, rt: Rtable, skb: SkBuff, hlen: number, mtu: number): number {
  const { net } = ip;
  const total = skb.len - hlen;
  const room = (mtu - hlen) & ~7;
  let off = 0;
  let rc = 0;
  while (off < total && rc >= 0) {
    const left = total - off;
    const len = left <= mtu - hlen ? left : room;
    const piece = fragmentOf(skb, hlen, off, len, off + len < total);
    if (off + len === total) skbMoveOwner(skb, piece);
    net.inc(Mib.IpFragCreates);
    if (piece.trace !== 0) net.trace(piece, 'ipFragment', `bytes ${String(off)} to ${String(off + len)} of ${String(total)}`);
    rc = ipFinishOutput(ip, rt, piece);
    off += len;
  }
  if (rc >= 0) {
    net.inc(Mib.IpFragOKs);
    consumeSkb(skb);
  } else {
    // What is left of a packet of which a piece was lost is of no use to anybody.
    net.inc(Mib.IpFragFails);
    net.drop(skb, Drop.PktTooBig);
  }
  return rc;
}

/** The fragment with the `len` bytes of payload that start at `off`; `more`: others follow. The caller owns it. */
function fragmentOf(skb: SkBuff, hlen: number, off: number, len: number, more: boolean): SkBuff {
  const { buf, nh } = skb;
  const piece = skb.pool.alloc(nh);
  const to = piece.buf;
  piece.put(hlen);
  for (let i = 0; i < hlen; i++) to[nh + i] = buf[nh + i]!;
  // Payload that stands in the header area is copied, the rest is shared.
  const inHead = Math.min(Math.max(skb.tail - nh - hlen - off, 0), len);
  if (inHead > 0) {
    const at = piece.put(inHead);
    for (let i = 0; i < inHead; i++) to[at + i] = buf[nh + hlen + off + i]!;
  }
  if (inHead < len) sharePayload(skb, piece, off + inHead - (skb.tail - nh - hlen), len - inHead);
  piece.nh = nh;
  piece.th = nh + hlen;
  piece.protocol = skb.protocol;
  piece.pktType = skb.pktType;
  piece.priority = skb.priority;
  piece.mark = skb.mark;
  piece.hash = skb.hash;
  piece.truesize = SKB_TRUESIZE_OVERHEAD + piece.len;
  piece.dev = skb.dev;
  piece.dst = skb.dst;
  piece.origin = skb.origin;
  piece.trace = skb.trace;
  if (off > 0 && hlen > IPV4_HLEN_MIN) blankOptions(to, nh, hlen);
  const field = get16(buf, nh + IPV4_FRAG_OFF);
  // The whole may be a fragment itself: then the offset goes on, and more follow behind its last piece.
  const offset = ((field & IP_OFFSET) + (off >> 3)) | (more ? IP_MF : field & IP_MF) | (field & IP_DF);
  put16(to, nh + IPV4_TOTAL_LEN, hlen + len);
  put16(to, nh + IPV4_FRAG_OFF, offset);
  ipSendCheck(to, nh);
  return piece;
}

/** RFC 791 §3.1: options without the "copied" bit are in the first fragment only; elsewhere no-ops stand in their place. */
function blankOptions(buf: Uint8Array, nh: number, hlen: number): void {
  for (let at = IPV4_HLEN_MIN; at < hlen;) {
    const kind = get8(buf, nh + at);
    if (kind === IPOPT_END) return;
    const len = kind === IPOPT_NOOP ? 1 : get8(buf, nh + at + 1);
    if (len < 1 || at + len > hlen) return;
    if ((kind & IPOPT_COPIED) === 0) for (let i = 0; i < len; i++) put8(buf, nh + at + i, IPOPT_NOOP);
    at += len;
  }
}
