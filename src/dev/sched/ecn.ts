/** Congestion Experienced, set on a packet on its way out (RFC 3168 §5; Linux: INET_ECN_set_ce). */
import { get8, put8 } from '../../lib/bytes.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { INET_ECN_CE, INET_ECN_MASK, INET_ECN_NOT_ECT, IPV4_HLEN_MIN, iphSetTos, iphTos } from '../../wire/ipv4.ts';

/** ECN within the second byte of an IPv6 header: the low two bits of the traffic class (RFC 8200 §3). */
const IPV6_ECN_SHIFT = 4;

/** Marks the packet; false when its sender does not speak ECN. The checksum of IPv4 follows; IPv6 has none. */
export function skbSetEcnCe(skb: SkBuff): boolean {
  const nh = skb.nh >= 0 ? skb.nh : skb.data + ETH_HLEN;
  if (nh + IPV4_HLEN_MIN > skb.tail) return false;
  const { buf } = skb;
  if (skb.protocol === ETH_P_IP) {
    const tos = iphTos(buf, nh);
    if ((tos & INET_ECN_MASK) === INET_ECN_NOT_ECT) return false;
    if ((tos & INET_ECN_MASK) !== INET_ECN_CE) iphSetTos(buf, nh, tos | INET_ECN_CE);
    return true;
  }
  if (skb.protocol !== ETH_P_IPV6) return false;
  const second = get8(buf, nh + 1);
  if (((second >> IPV6_ECN_SHIFT) & INET_ECN_MASK) === INET_ECN_NOT_ECT) return false;
  put8(buf, nh + 1, second | (INET_ECN_CE << IPV6_ECN_SHIFT));
  return true;
}
