/**
 * Cutting a super-packet into segments: the card does it as the frame leaves (TSO), or `dev/xmit.ts` for a card that cannot
 * (GSO).
 *
 *     [ eth | ip | tcp ][ payload .......................... ]      gsoSize = bytes of payload per segment
 *     [ eth | ip | tcp ][ payload ]  [ eth | ip | tcp ][ payload ]  …
 *
 * Each segment has headers of its own and shares the payload. In the headers change: total length and identification of IP
 * (one more for each segment), the sequence number, and the flags: CWR stays on the first (RFC 3168 §6.1.2), FIN and PSH on
 * the last.
 */
import { put16, put32, get16, get32, get8, put8 } from '../lib/bytes.ts';
import { csumReplace2 } from '../lib/checksum.ts';
import { IPV4_CHECK, IPV4_ID, IPV4_TOTAL_LEN } from '../wire/ipv4.ts';
import { TCP_CHECK, TCP_FLAGS, TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_SEQ, thHlen } from '../wire/tcp.ts';
import { sharePayload } from './copy.ts';
import { skbMoveOwner } from './owner.ts';
import { consumeSkb } from './pool.ts';
import type { SkBuffHead } from './queue.ts';
import { CHECKSUM_PARTIAL, SKB_TRUESIZE_OVERHEAD, SKBTX_ZEROCOPY, type SkBuff } from './sk-buff.ts';

/** How many segments the super-packet is. */
export function skbGsoCount(skb: SkBuff): number {
  const payload = skb.len - skbGsoHlen(skb);
  return payload <= skb.gsoSize ? 1 : Math.ceil(payload / skb.gsoSize);
}

/**
 * Cuts a super-packet (TCP over IPv4 or IPv6; `nh` and `th` set, `data` at or before `nh`); the segments go to the end of
 * `out`. Takes the skb. Its owner, if any, pays for the last segment, so that it is told when all have gone.
 */
export function skbGsoSegment(skb: SkBuff, out: SkBuffHead): void {
  const count = skbGsoCount(skb);
  for (let i = 0; i < count; i++) {
    const segment = skbGsoCut(skb, i, count);
    if (i === count - 1) {
      skbMoveOwner(skb, segment);
      segment.txFlags |= skb.txFlags & ~SKBTX_ZEROCOPY; // what is to be told is told of the last byte
      segment.tskey = skb.tskey;
    }
    out.pushTail(segment);
  }
  consumeSkb(skb);
}

/** Segment number `index` of `count`, a new skb that the caller owns. The super-packet is left as it was. */
export function skbGsoCut(skb: SkBuff, index: number, count: number): SkBuff {
  const { buf, data, nh, th, gsoSize } = skb;
  const headers = skbGsoHlen(skb);
  const from = index * gsoSize;
  const payload = index === count - 1 ? skb.len - headers - from : gsoSize;
  const segment = skb.pool.alloc(data);
  const to = segment.buf;
  const end = data + headers;
  for (let i = data; i < end; i++) to[i] = buf[i]!;
  segment.tail = end;
  segment.len = headers;
  cutPayload(skb, segment, skb.tail - end, from, payload);
  segment.mac = skb.mac;
  segment.nh = nh;
  segment.th = th;
  segment.protocol = skb.protocol;
  segment.pktType = skb.pktType;
  segment.ipSummed = CHECKSUM_PARTIAL;
  segment.priority = skb.priority;
  segment.mark = skb.mark;
  segment.hash = skb.hash;
  segment.tstamp = skb.tstamp;
  segment.truesize = SKB_TRUESIZE_OVERHEAD + segment.len;
  segment.dev = skb.dev;
  segment.dst = skb.dst;
  segment.origin = skb.origin;
  segment.trace = skb.trace;
  fixNetworkHeader(to, nh, th + thHlen(buf, th) - nh + payload, index);
  fixTransportHeader(to, th, from, index, count, skb.gsoAccEcn);
  return segment;
}

/** Bytes from `data` to the payload of a super-packet. */
export function skbGsoHlen(skb: SkBuff): number {
  return skb.th + thHlen(skb.buf, skb.th) - skb.data;
}

/** Payload that stands in the header area (`inHead` bytes of it) is copied, the rest is shared. */
function cutPayload(skb: SkBuff, segment: SkBuff, inHead: number, from: number, len: number): void {
  let off = from - inHead;
  let left = len;
  if (off < 0) {
    const n = Math.min(-off, left);
    const src = skb.tail - inHead + from;
    const at = segment.put(n);
    for (let i = 0; i < n; i++) segment.buf[at + i] = skb.buf[src + i]!;
    off = 0;
    left -= n;
  }
  if (left > 0) sharePayload(skb, segment, off, left);
}

function fixNetworkHeader(buf: Uint8Array, nh: number, totalLen: number, index: number): void {
  if (get8(buf, nh) >> 4 === 6) {
    put16(buf, nh + 4, totalLen - 40); // IPv6: payload length, no identification, no checksum
    return;
  }
  const oldLen = get16(buf, nh + IPV4_TOTAL_LEN);
  const oldId = get16(buf, nh + IPV4_ID);
  const id = (oldId + index) & 0xffff;
  put16(buf, nh + IPV4_TOTAL_LEN, totalLen);
  put16(buf, nh + IPV4_ID, id);
  put16(buf, nh + IPV4_CHECK, csumReplace2(csumReplace2(get16(buf, nh + IPV4_CHECK), oldLen, totalLen), oldId, id));
}

function fixTransportHeader(buf: Uint8Array, th: number, from: number, index: number, count: number, accEcn: boolean): void {
  put16(buf, th + TCP_CHECK, 0);
  if (index > 0) put32(buf, th + TCP_SEQ, (get32(buf, th + TCP_SEQ) + from) | 0);
  let flags = get8(buf, th + TCP_FLAGS);
  if (index > 0 && !accEcn) flags &= ~TCP_FLAG_CWR;
  if (index < count - 1) flags &= ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
  put8(buf, th + TCP_FLAGS, flags);
}
