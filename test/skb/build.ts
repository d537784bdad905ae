/** Packets for tests: TCP and UDP over IPv4, TCP over IPv6 too, in an Ethernet frame, payload scattered over pages of odd sizes. */
import { Random } from '../../src/lib/random.ts';
import { copyBytes } from '../../src/skb/copy.ts';
import type { SkbPool } from '../../src/skb/pool.ts';
import { CHECKSUM_PARTIAL, MAX_HEADER, type SkBuff } from '../../src/skb/sk-buff.ts';
import { In6Addr } from '../../src/lib/addr6.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { IP_DF, IPPROTO_TCP, IPPROTO_UDP, ipv4WriteHeader } from '../../src/wire/ipv4.ts';
import { IPV6_HLEN, ipv6WriteHeader } from '../../src/wire/ipv6.ts';
import { TCP_FLAG_ACK, tcpWriteHeader } from '../../src/wire/tcp.ts';
import { udpWriteHeader } from '../../src/wire/udp.ts';

export const SADDR: number = 0x0a000001;
export const DADDR: number = 0x0a000002;
const SADDR6: In6Addr = new In6Addr(0xfd000000, 0, 0, 1);
const DADDR6: In6Addr = new In6Addr(0xfd000000, 0, 0, 2);

export interface TcpFields {
  seq?: number;
  ackSeq?: number;
  flags?: number;
  window?: number;
  sport?: number;
  dport?: number;
  id?: number;
  tos?: number;
  ttl?: number;
  df?: boolean;
  /** Over IPv6: `tos` is the traffic class, `ttl` the hop limit. */
  v6?: boolean;
  flowLabel?: number;
  /** Option bytes, a multiple of 4. */
  options?: Uint8Array;
  mss?: number;
  dst?: Uint8Array;
  src?: Uint8Array;
}

/** Puts `bytes` behind what is there: the first `inHead` into the header area, the rest into pages, `piece` bytes each. */
export function addPayload(skb: SkBuff, bytes: Uint8Array, inHead = 0, piece = 4096): void {
  const head = Math.min(inHead, bytes.length);
  copyBytes(bytes, 0, skb.buf, skb.put(head), head);
  for (let off = head; off < bytes.length; off += piece) {
    const n = Math.min(piece, bytes.length - off);
    const page = skb.pool.allocPage(n + 7);
    const at = off % 7; // pieces begin at odd places, too
    copyBytes(bytes, off, page.bytes, at, n);
    page.fill = at + n;
    skb.addFrag(page, at, n);
    skb.pool.putPage(page);
  }
}

/** A TCP segment (or a super-packet, when longer than `mss`) with its Ethernet header; the checksum is open. */
export function tcpFrame(pool: SkbPool, payload: Uint8Array, f: TcpFields = {}, layout: { inHead?: number; piece?: number } = {}): SkBuff {
  const skb = pool.alloc(MAX_HEADER);
  addPayload(skb, payload, layout.inHead ?? 0, layout.piece ?? 4096);
  const options = f.options ?? new Uint8Array(0);
  const hlen = 20 + options.length;
  skb.th = skb.push(hlen);
  tcpWriteHeader(
    skb.buf, skb.th, f.sport ?? 1000, f.dport ?? 80, f.seq ?? 1, f.ackSeq ?? 1, hlen, f.flags ?? TCP_FLAG_ACK, f.window ?? 500, 0,
  );
  copyBytes(options, 0, skb.buf, skb.th + 20, options.length);
  finish(skb, IPPROTO_TCP, f);
  const mss = f.mss ?? 1448;
  if (payload.length > mss) {
    skb.gsoSize = mss;
    skb.gsoSegs = Math.ceil(payload.length / mss);
  }
  return skb;
}

/** A UDP datagram with its Ethernet header; the checksum is open. */
export function udpFrame(pool: SkbPool, payload: Uint8Array, f: TcpFields = {}, layout: { inHead?: number; piece?: number } = {}): SkBuff {
  const skb = pool.alloc(MAX_HEADER);
  addPayload(skb, payload, layout.inHead ?? 0, layout.piece ?? 4096);
  skb.th = skb.push(8);
  udpWriteHeader(skb.buf, skb.th, f.sport ?? 1000, f.dport ?? 53, 8 + payload.length);
  finish(skb, IPPROTO_UDP, f);
  return skb;
}

function finish(skb: SkBuff, protocol: number, f: TcpFields): void {
  const len = skb.len + 20;
  const zero = new Uint8Array(6);
  if (f.v6 === true) {
    const payload = skb.len;
    skb.nh = skb.push(IPV6_HLEN);
    ipv6WriteHeader(skb.buf, skb.nh, f.tos ?? 0, f.flowLabel ?? 5, payload, protocol, f.ttl ?? 64, SADDR6, DADDR6);
    ethWriteHeader(skb.buf, skb.push(ETH_HLEN), f.dst ?? zero, 0, f.src ?? zero, 0, ETH_P_IPV6);
    skb.mac = skb.data;
    skb.protocol = ETH_P_IPV6;
    skb.ipSummed = CHECKSUM_PARTIAL;
    skb.truesize += skb.len;
    return;
  }
  skb.nh = skb.push(20);
  ipv4WriteHeader(skb.buf, skb.nh, f.tos ?? 0, len, f.id ?? 7, f.df === false ? 0 : IP_DF, f.ttl ?? 64, protocol, SADDR, DADDR);
  ethWriteHeader(skb.buf, skb.push(ETH_HLEN), f.dst ?? zero, 0, f.src ?? zero, 0, ETH_P_IP);
  skb.mac = skb.data;
  skb.protocol = ETH_P_IP;
  skb.ipSummed = CHECKSUM_PARTIAL;
  skb.truesize += skb.len;
}

/** `n` bytes that depend on the seed. */
export function bytes(n: number, seed = 1): Uint8Array {
  return new Random(seed).bytes(n);
}
