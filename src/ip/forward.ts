/**
 * Packets for others. This host is no router: what is not for it ends here.
 *
 *   from  ip/input.ts   a packet whose route leads on (only with ip_forward)
 *   to    nobody yet
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Rtable } from './route.ts';

/** Sends a packet on. Takes the skb. */
export function ipForward(ip: Ipv4, skb: SkBuff, _rt: Rtable): void {
  ip.net.inc(Mib.IpInAddrErrors);
  ip.net.drop(skb, Drop.IpInAddrErrors);
}
