/**
 * Which flow a packet belongs to: a hash of its addresses, protocol and ports (Linux: skb_get_hash_perturb).
 * Fragments go by addresses and protocol alone, other packets by their Ethernet header.
 */
import { get16, get32 } from '../../lib/bytes.ts';
import { hashMix } from '../../lib/hash.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_DST, ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../../wire/ethernet.ts';
import {
  IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN_MIN, iphDaddr, iphHlen, iphProtocol, iphSaddr, ipIsFragment,
} from '../../wire/ipv4.ts';

const IPV6_HLEN = 40;
const IPV6_NEXT_HEADER = 6;
const IPV6_SADDR = 8;

/** The hash, an int32 that is never 0. `perturb` makes it another one in each discipline. */
export function skbFlowHash(skb: SkBuff, perturb: number): number {
  const { buf, tail } = skb;
  const nh = skb.nh >= 0 ? skb.nh : skb.data + ETH_HLEN;
  let h = perturb;
  if (skb.protocol === ETH_P_IP && nh + IPV4_HLEN_MIN <= tail) {
    const protocol = iphProtocol(buf, nh);
    h = hashMix(hashMix(hashMix(h, iphSaddr(buf, nh)), iphDaddr(buf, nh)), protocol);
    if (!ipIsFragment(buf, nh)) h = mixPorts(h, skb, nh + iphHlen(buf, nh), protocol);
  } else if (skb.protocol === ETH_P_IPV6 && nh + IPV6_HLEN <= tail) {
    for (let off = nh + IPV6_SADDR; off < nh + IPV6_HLEN; off += 4) h = hashMix(h, get32(buf, off));
    const protocol = buf[nh + IPV6_NEXT_HEADER]! | 0;
    h = mixPorts(hashMix(h, protocol), skb, nh + IPV6_HLEN, protocol);
  } else {
    h = hashMix(h, skb.protocol);
    if (skb.data + ETH_HLEN <= tail) {
      for (let off = skb.data + ETH_DST; off < skb.data + ETH_HLEN; off += 2) h = hashMix(h, get16(buf, off));
    }
  }
  return h === 0 ? 1 : h;
}

function mixPorts(h: number, skb: SkBuff, th: number, protocol: number): number {
  if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || th + 4 > skb.tail) return h;
  return hashMix(h, get32(skb.buf, th));
}

/** A hash as a place in a table of `n`: evenly, without a division (Linux: reciprocal_scale). */
export function reciprocalScale(hash: number, n: number): number {
  return Math.floor(((hash >>> 0) * n) / 4294967296);
}
