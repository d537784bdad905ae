/**
 * ICMP: what a host says about packets that went wrong, and what it hears.
 *
 *   from  ip/, udp/, tcp/   icmpSend, about a packet that came in (or could not go out)
 *         ip/input.ts       icmpRcv
 *   to    ip/output.ts      ipBuildAndSendPkt
 *         protocols[].err   the protocol whose packet is quoted
 */
import { fail } from '../lib/assert.ts';
import type { SkBuff } from '../skb/sk-buff.ts';

export class IcmpState {
  /** The global bucket of icmp_msgs_per_sec. */
  credit = 0;
}

/** Tells the sender of `skb` what happened to it. The skb stays the caller's; `skb.nh` must be set. `info`: the MTU, or the pointer << 24. */
export function icmpSend(_skb: SkBuff, _type: number, _code: number, _info: number): void {
  fail('not yet');
}
