/**
 * Fragments (RFC 791 §3.2, RFC 815). Reassembly is not there: a fragment is counted as one that could not be put
 * together, and dropped under its own name.
 */
import { Mib } from '../dev/mib.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import type { Ipv4 } from './ipv4.ts';

/** A fragment for this host. Takes the skb. The whole packet once its last piece is here, or null. */
export function ipDefrag(ip: Ipv4, skb: SkBuff): SkBuff | null {
  ip.net.inc(Mib.IpReasmReqds);
  ip.net.inc(Mib.IpReasmFails);
  ip.net.drop(skb, Drop.FragUnsupported);
  return null;
}
