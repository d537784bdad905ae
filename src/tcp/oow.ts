/**
 * How often segments out of the window are answered (net.ipv4.tcp_invalid_ratelimit): two hosts whose ideas of a connection
 * differ must not answer each other's answers for ever.
 */
import { Mib } from '../dev/mib.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { TCP_FLAG_SYN } from '../wire/tcp.ts';
import { clockSeconds } from './paws.ts';
import type { TcpProto } from './proto.ts';

/** Who answers: a socket, a half-open request or a TIME_WAIT. */
export interface OowThrottle {
  /** Host milliseconds of the last such answer. */
  lastOowAckMs: number;
}

/** May not be answered now? `skipped` is the counter to say so. A segment with data is no part of such a loop. */
export function oowRateLimited(tcp: TcpProto, who: OowThrottle, skb: SkBuff, skipped: number): boolean {
  if (skb.seq !== skb.endSeq && (skb.tcpFlags & TCP_FLAG_SYN) === 0) return false;
  return oowThrottled(tcp, who, skipped);
}

/** The same for an answer that does not depend on the segment. */
export function oowThrottled(tcp: TcpProto, who: OowThrottle, skipped: number): boolean {
  const now = tcp.net.jiffies;
  if (now - who.lastOowAckMs < tcp.sysctl.tcpInvalidRatelimit) {
    tcp.net.inc(skipped);
    return true;
  }
  who.lastOowAckMs = now;
  return false;
}

/** May a challenge ACK go out, of this connection or request? If so, it is counted (Linux: tcp_send_challenge_ack). */
export function challengeAllowed(tcp: TcpProto, who: OowThrottle): boolean {
  if (oowThrottled(tcp, who, Mib.TcpExtTCPACKSkippedChallenge)) return false;
  const { net } = tcp;
  const limit = tcp.sysctl.tcpChallengeAckLimit;
  if (limit !== 0x7fffffff) {
    const second = clockSeconds(net);
    if (second !== tcp.challengeSecond) {
      // A limit with chance in it: else its being used up would tell an outsider that somebody else is talking.
      const half = (limit + 1) >> 1;
      tcp.challengeSecond = second;
      tcp.challengeCount = half + net.random.below(limit);
    }
    if (tcp.challengeCount === 0) return false;
    tcp.challengeCount--;
  }
  net.inc(Mib.TcpExtTCPChallengeACK);
  return true;
}
