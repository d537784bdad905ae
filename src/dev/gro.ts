/**
 * Generic receive offload: TCP segments of one flow that follow each other go up as one packet, as if the sender's
 * super-packet had crossed the wire.
 *
 *   from  dev/ethernet.ts   napiGroReceive, for each frame of a poll
 *   to    dev/receive.ts    netifReceiveSkb: merged packets, and all that cannot be merged
 *
 * Exact or not at all: a packet is merged only when the merged one says the same. Same addresses, ports, TTL, TOS, DF; the
 * identification one higher each time; of IPv6 the same traffic class, flow label and hop limit, and no header between its own and
 * TCP's; the sequence without a gap; same acknowledgement, window, flags and option bytes (so
 * the same timestamps). PSH and FIN may come with the last segment, CWR with the first or with all; a segment shorter than the first ends
 * the packet. Cutting the result gives the segments again (a test says so).
 */
import { get16, get32, get8, put16, put8 } from '../lib/bytes.ts';
import { ipFastCsum } from '../lib/checksum.ts';
import { movePayload } from '../skb/copy.ts';
import { skbChecksumVerify } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import {
  CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, MAX_SKB_FRAGS, PACKET_HOST, type SkBuff,
} from '../skb/sk-buff.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import {
  IP_MF, IP_OFFSET, IPPROTO_TCP, IPV4_CHECK, IPV4_DADDR, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_ID, IPV4_MAX_LEN, IPV4_PROTOCOL,
  IPV4_SADDR, IPV4_TOTAL_LEN, IPV4_TTL, ipSendCheck,
} from '../wire/ipv4.ts';
import { IPV6_HLEN, IPV6_HOP_LIMIT, IPV6_MAXPLEN, IPV6_NEXTHDR, IPV6_PAYLOAD_LEN, IPV6_SADDR } from '../wire/ipv6.ts';
import {
  TCP_ACK_SEQ, TCP_CHECK, TCP_DOFF, TCP_FLAG_CWR, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_URG,
  TCP_FLAGS, TCP_HLEN_MIN, TCP_OPTIONS, TCP_SEQ, TCP_SPORT, TCP_WINDOW, thHlen,
} from '../wire/tcp.ts';
import type { Napi } from './napi.ts';
import type { Net } from './net.ts';
import { netifReceiveSkb } from './receive.ts';

/** Flows that a Napi holds at once (Linux: MAX_GRO_SKBS per bucket). */
const MAX_HELD = 8;
/** With one of these a packet does not wait for more. */
const FLUSH_FLAGS = TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN;
/** In these flags, segments of one packet may differ. */
const LOOSE_FLAGS = TCP_FLAG_CWR | TCP_FLAG_FIN | TCP_FLAG_PSH;

/** Packets that a Napi holds back, in the hope of more of the same flow; oldest first. */
export class GroTable {
  readonly net: Net;
  count = 0;
  /** Packets handed up after merging, and segments that went into another. */
  packets = 0;
  merged = 0;
  private readonly held: (SkBuff | null)[] = new Array<SkBuff | null>(MAX_HELD).fill(null);

  constructor(net: Net) {
    this.net = net;
  }

  /** Hands up everything that is held. */
  flush(): void {
    while (this.count > 0) this.flushAt(0);
  }

  /** Ends everything that is held: the device is stopped. */
  purge(): void {
    for (let i = 0; i < this.count; i++) {
      this.net.drop(this.held[i]!, Drop.Purged);
      this.held[i] = null;
    }
    this.count = 0;
  }

  /** Place of the packet of the same flow, or -1. */
  find(skb: SkBuff): number {
    for (let i = 0; i < this.count; i++) {
      if (sameFlow(this.held[i]!, skb)) return i;
    }
    return -1;
  }

  at(place: number): SkBuff {
    return this.held[place]!;
  }

  /** Holds a packet; the oldest makes room. */
  hold(skb: SkBuff): void {
    if (this.count === MAX_HELD) this.flushAt(0);
    this.held[this.count++] = skb;
  }

  /** Hands up the packet at `place`. */
  flushAt(place: number): void {
    const { held } = this;
    const skb = held[place]!;
    this.count--;
    for (let i = place; i < this.count; i++) held[i] = held[i + 1]!;
    held[this.count] = null;
    if (skb.gsoSegs > 1) {
      this.packets++;
      complete(skb);
    } else {
      skb.gsoSize = 0;
      skb.gsoSegs = 0;
    }
    if (skb.trace !== 0) this.net.trace(skb, 'napiGroComplete', skb.gsoSegs > 1 ? `${String(skb.gsoSegs)} segments` : '1 segment');
    netifReceiveSkb(skb);
  }
}

/** Hands up a received packet, `data` at the network header: merged, held, or as it is. Takes the skb. */
export function napiGroReceive(napi: Napi, skb: SkBuff): void {
  const { gro } = napi;
  if (!(skb.protocol === ETH_P_IPV6 ? isTcp6(skb) : isTcp(skb))) {
    netifReceiveSkb(skb);
    return;
  }
  const { buf, data, th } = skb;
  const payload = skb.len - (th - data) - thHlen(buf, th);
  const flags = get8(buf, th + TCP_FLAGS);
  const place = gro.count === 0 ? -1 : gro.find(skb);
  const good = payload > 0 && skb.gsoSize === 0 && headerGood(skb) && checksumKnown(skb);
  if (place >= 0) {
    const into = gro.at(place);
    if (good && follows(into, skb, payload)) {
      gro.merged++;
      if (skb.trace !== 0) napi.net.trace(skb, 'skbGroReceive', `joins ${into.trace > 0 ? `#${String(into.trace)}` : 'what is held'}`);
      merge(into, skb, flags);
      if (payload < into.gsoSize || (flags & FLUSH_FLAGS) !== 0) gro.flushAt(place);
      return;
    }
    gro.flushAt(place); // what came earlier goes up earlier
  }
  if (!good || (flags & FLUSH_FLAGS) !== 0 || skb.dataLen !== payload) {
    netifReceiveSkb(skb);
    return;
  }
  skb.gsoSize = payload;
  skb.gsoSegs = 1;
  if (skb.trace !== 0) napi.net.trace(skb, 'devGroReceive', `held, with ${String(gro.count)} others`);
  gro.hold(skb);
}

/** A whole TCP segment over IPv4 without options or padding, headers in the header area? Sets `nh` and `th`. */
function isTcp(skb: SkBuff): boolean {
  const { buf, data } = skb;
  const head = skb.tail - data;
  if (skb.protocol !== ETH_P_IP || skb.pktType !== PACKET_HOST || head < IPV4_HLEN_MIN + TCP_HLEN_MIN) return false;
  if (get8(buf, data) !== 0x45 || get8(buf, data + IPV4_PROTOCOL) !== IPPROTO_TCP) return false;
  if (get16(buf, data + IPV4_TOTAL_LEN) !== skb.len || (get16(buf, data + IPV4_FRAG_OFF) & (IP_MF | IP_OFFSET)) !== 0) return false;
  const th = data + IPV4_HLEN_MIN;
  const hlen = thHlen(buf, th);
  if (hlen < TCP_HLEN_MIN || IPV4_HLEN_MIN + hlen > head) return false;
  skb.nh = data;
  skb.th = th;
  return true;
}

/** {@link isTcp} over IPv6, without extension headers. */
function isTcp6(skb: SkBuff): boolean {
  const { buf, data } = skb;
  const head = skb.tail - data;
  if (skb.pktType !== PACKET_HOST || head < IPV6_HLEN + TCP_HLEN_MIN) return false;
  if (get8(buf, data) >> 4 !== 6 || get8(buf, data + IPV6_NEXTHDR) !== IPPROTO_TCP) return false;
  if (get16(buf, data + IPV6_PAYLOAD_LEN) + IPV6_HLEN !== skb.len) return false;
  const th = data + IPV6_HLEN;
  const hlen = thHlen(buf, th);
  if (hlen < TCP_HLEN_MIN || IPV6_HLEN + hlen > head) return false;
  skb.nh = data;
  skb.th = th;
  return true;
}

/** IPv6's header has no checksum. */
function headerGood(skb: SkBuff): boolean {
  return skb.protocol === ETH_P_IPV6 || ipFastCsum(skb.buf, skb.data, IPV4_HLEN_MIN) === 0;
}

/** Nothing is merged whose checksum is not known to be right: else the good ones would be lost with the bad one. */
function checksumKnown(skb: SkBuff): boolean {
  if (skb.ipSummed !== CHECKSUM_NONE) return true;
  const hlen = skb.th - skb.nh;
  skb.pull(hlen);
  const right = skbChecksumVerify(skb, IPPROTO_TCP);
  skb.push(hlen);
  if (right) skb.ipSummed = CHECKSUM_UNNECESSARY;
  return right;
}

function sameFlow(held: SkBuff, skb: SkBuff): boolean {
  const a = held.buf;
  const b = skb.buf;
  if (held.protocol !== skb.protocol || get32(a, held.th + TCP_SPORT) !== get32(b, skb.th + TCP_SPORT)) return false;
  if (skb.protocol === ETH_P_IPV6) {
    for (let i = IPV6_SADDR; i < IPV6_HLEN; i += 4) if (get32(a, held.nh + i) !== get32(b, skb.nh + i)) return false;
    return true;
  }
  return get32(a, held.nh + IPV4_SADDR) === get32(b, skb.nh + IPV4_SADDR)
    && get32(a, held.nh + IPV4_DADDR) === get32(b, skb.nh + IPV4_DADDR);
}

/** May `skb`, of the same flow, become part of `held`? */
function follows(held: SkBuff, skb: SkBuff, payload: number): boolean {
  if (payload > held.gsoSize || skb.dataLen !== payload) return false;
  return (skb.protocol === ETH_P_IPV6 ? sameHeader6(held, skb, payload) : sameHeader(held, skb, payload))
    && sameSegment(held, skb) && hasRoom(held, skb);
}

function sameHeader6(held: SkBuff, skb: SkBuff, payload: number): boolean {
  const a = held.buf;
  const b = skb.buf;
  const an = held.nh;
  const bn = skb.nh;
  // Version, traffic class and flow label; the hop limit; a length that the header can say.
  return get32(a, an) === get32(b, bn) && get8(a, an + IPV6_HOP_LIMIT) === get8(b, bn + IPV6_HOP_LIMIT)
    && held.len - IPV6_HLEN + payload <= IPV6_MAXPLEN;
}

function sameHeader(held: SkBuff, skb: SkBuff, payload: number): boolean {
  const a = held.buf;
  const b = skb.buf;
  const an = held.nh;
  const bn = skb.nh;
  if (get16(a, an) !== get16(b, bn) || get8(a, an + IPV4_TTL) !== get8(b, bn + IPV4_TTL)) return false;
  if (get16(a, an + IPV4_FRAG_OFF) !== get16(b, bn + IPV4_FRAG_OFF)) return false;
  if (((get16(a, an + IPV4_ID) + held.gsoSegs) & 0xffff) !== get16(b, bn + IPV4_ID)) return false;
  return held.len + payload <= IPV4_MAX_LEN;
}

/** The TCP headers say the same, and the sequence goes on without a gap. */
function sameSegment(held: SkBuff, skb: SkBuff): boolean {
  const a = held.buf;
  const b = skb.buf;
  const at = held.th;
  const bt = skb.th;
  const word = get16(b, bt + TCP_DOFF);
  const diff = get16(a, at + TCP_DOFF) ^ word;
  if ((diff & ~LOOSE_FLAGS) !== 0) return false;
  // CWR: on the first alone (RFC 3168), or on all of them (a count of Accurate ECN).
  const cwr = (word & TCP_FLAG_CWR) !== 0;
  if (held.gsoSegs > 1 ? cwr !== held.gsoAccEcn : cwr && (diff & TCP_FLAG_CWR) !== 0) return false;
  if (((get32(a, at + TCP_SEQ) + held.dataLen) | 0) !== get32(b, bt + TCP_SEQ)) return false;
  if (get32(a, at + TCP_ACK_SEQ) !== get32(b, bt + TCP_ACK_SEQ)) return false;
  if (get16(a, at + TCP_WINDOW) !== get16(b, bt + TCP_WINDOW)) return false;
  const hlen = thHlen(b, bt);
  for (let i = TCP_OPTIONS; i < hlen; i += 4) {
    if (get32(a, at + i) !== get32(b, bt + i)) return false;
  }
  return true;
}

/** Room for the references to its payload; the first of them may join the last that is there. */
function hasRoom(held: SkBuff, skb: SkBuff): boolean {
  const joined = held.nrFrags + skb.nrFrags;
  if (joined <= MAX_SKB_FRAGS) return true;
  const last = held.frags[held.nrFrags - 1]!;
  const first = skb.frags[0]!;
  return joined === MAX_SKB_FRAGS + 1 && last.page === first.page && last.off + last.len === first.off;
}

function merge(held: SkBuff, skb: SkBuff, flags: number): void {
  movePayload(skb, held);
  if (held.gsoSegs === 1) held.gsoAccEcn = (flags & TCP_FLAG_CWR) !== 0;
  held.gsoSegs++;
  held.truesize += skb.truesize;
  const at = held.th + TCP_FLAGS;
  put8(held.buf, at, get8(held.buf, at) | (flags & (TCP_FLAG_FIN | TCP_FLAG_PSH)));
  consumeSkb(skb);
}

/** The headers of a merged packet: its length; its checksum is open, for those of its parts were right. */
function complete(skb: SkBuff): void {
  const { buf, nh, th } = skb;
  if (skb.protocol === ETH_P_IPV6) {
    put16(buf, nh + IPV6_PAYLOAD_LEN, skb.len - IPV6_HLEN);
  } else {
    put16(buf, nh + IPV4_TOTAL_LEN, skb.len);
    put16(buf, nh + IPV4_CHECK, 0);
    ipSendCheck(buf, nh);
  }
  put16(buf, th + TCP_CHECK, 0);
  skb.ipSummed = CHECKSUM_PARTIAL;
}
