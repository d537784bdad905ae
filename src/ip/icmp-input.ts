/**
 * ICMP, messages coming in (RFC 792, RFC 1122 §3.2.2).
 *
 *   from  ip/input.ts       icmpRcv, `data` at the ICMP header
 *   to    ip/icmp.ts        the answer to an echo
 *         protocols[].err   an error, to the protocol whose packet is quoted
 *         ip.ping           echo replies, to whoever asked; ip.raw has had its copies before
 */
import { get8, get16, put8, put16 } from '../lib/bytes.ts';
import { csumReplace2 } from '../lib/checksum.ts';
import { get32 } from '../lib/bytes.ts';
import {
  ICMP_CHECK, ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_EXC_FRAGTIME, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_PARAMETERPROB,
  ICMP_REDIRECT, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED, ICMP_TIMESTAMP, icmphCode, icmphMtu, icmphRest, icmphType, NR_ICMP_TYPES,
  NR_ICMP_UNREACH,
} from '../wire/icmp.ts';
import { IPV4_DADDR, IPV4_HLEN_MIN, IPV4_PROTOCOL, iphHlen } from '../wire/ipv4.ts';
import { mayPull } from '../skb/copy.ts';
import { skbChecksum } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_UNNECESSARY, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { inetAddrType } from './devinet.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from './fib.ts';
import { icmpReply } from './icmp.ts';
import type { IpProtocol, Ipv4 } from './ipv4.ts';
import { ipRedirect } from './redirect.ts';
import type { Rtable } from './route.ts';

/** ICMP as a protocol above IP. */
export class IcmpProtocol implements IpProtocol {
  readonly ip: Ipv4;

  constructor(ip: Ipv4) {
    this.ip = ip;
  }

  rcv(skb: SkBuff): void {
    icmpRcv(this.ip, skb);
  }

  /** An error about one of our own messages: an echo that did not arrive. */
  err(skb: SkBuff, type: number, code: number, info: number): void {
    const { ping } = this.ip;
    if (ping !== null) ping.err(skb, type, code, info);
  }
}

/** A message came in. Takes the skb. */
function icmpRcv(ip: Ipv4, skb: SkBuff): void {
  const { net } = ip;
  net.inc(Mib.IcmpInMsgs);
  if (skb.trace !== 0) net.trace(skb, 'icmpRcv');
  if (skb.ipSummed !== CHECKSUM_UNNECESSARY && skbChecksum(skb, 0, skb.len, 0) !== 0xffff) {
    net.inc(Mib.IcmpInCsumErrors);
    return bad(ip, skb, Drop.IcmpCsum);
  }
  if (!mayPull(skb, ICMP_HLEN)) return bad(ip, skb, Drop.PktTooSmall);
  const type = icmphType(skb.buf, skb.data);
  // RFC 1122 §3.2.2: unknown types are silently discarded.
  if (type > NR_ICMP_TYPES) return bad(ip, skb, Drop.UnhandledProto);
  const rt = skb.dst as Rtable;
  if (rt.type === RTN_BROADCAST || rt.type === RTN_MULTICAST) {
    // RFC 1122 §3.2.2.6: an echo to everybody may be ignored, and is (smurf); nothing else makes sense there.
    const quiet = ip.sysctl.icmpEchoIgnoreBroadcasts !== 0;
    if (type === ICMP_ECHO || type === ICMP_TIMESTAMP ? quiet : true) return bad(ip, skb, Drop.InvalidProto);
  }
  switch (type) {
    case ICMP_ECHO: return icmpEcho(ip, skb);
    case ICMP_DEST_UNREACH: case ICMP_TIME_EXCEEDED: case ICMP_PARAMETERPROB: case ICMP_SOURCE_QUENCH: return icmpUnreach(ip, skb, type);
    case ICMP_REDIRECT: return icmpRedirect(ip, skb);
    case ICMP_ECHOREPLY:
      net.inc(Mib.IcmpInEchoReps);
      if (ip.ping !== null && ip.ping.rcv(skb)) return;
      if (ip.raw === null) {
        net.drop(skb, Drop.NoSocket);
        return;
      }
      break; // a raw socket may have asked, and has its copy
  }
  consumeSkb(skb);
}

function bad(ip: Ipv4, skb: SkBuff, reason: Drop): void {
  ip.net.inc(Mib.IcmpInErrors);
  ip.net.drop(skb, reason);
}

/** RFC 1122 §3.2.2.6: the data goes back as it came, from the address that was asked. */
function icmpEcho(ip: Ipv4, skb: SkBuff): void {
  ip.net.inc(Mib.IcmpInEchos);
  if (ip.sysctl.icmpEchoIgnoreAll !== 0) {
    consumeSkb(skb);
    return;
  }
  const { buf, data } = skb;
  const code = icmphCode(buf, data);
  put8(buf, data, ICMP_ECHOREPLY);
  put16(buf, data + ICMP_CHECK, csumReplace2(get16(buf, data + ICMP_CHECK), (ICMP_ECHO << 8) | code, (ICMP_ECHOREPLY << 8) | code));
  icmpReply(ip, skb, ICMP_ECHOREPLY);
}

/** A gateway says that there is a better one. */
function icmpRedirect(ip: Ipv4, skb: SkBuff): void {
  ip.net.inc(Mib.IcmpInRedirects);
  const code = icmphCode(skb.buf, skb.data);
  const gateway = icmphRest(skb.buf, skb.data);
  skb.pull(ICMP_HLEN);
  if (!mayPull(skb, IPV4_HLEN_MIN)) return bad(ip, skb, Drop.PktTooSmall);
  ipRedirect(ip, skb, code, gateway);
  consumeSkb(skb);
}

/** An error: to the protocol that sent the quoted packet. RFC 1122 §3.2.2: it decides which socket, and whether to believe it. */
function icmpUnreach(ip: Ipv4, skb: SkBuff, type: number): void {
  const { net } = ip;
  const code = icmphCode(skb.buf, skb.data);
  const mtu = icmphMtu(skb.buf, skb.data);
  const rest = icmphRest(skb.buf, skb.data);
  countUnreach(ip, type);
  if (type === ICMP_SOURCE_QUENCH || (type === ICMP_DEST_UNREACH && code > NR_ICMP_UNREACH)) {
    consumeSkb(skb); // RFC 6633: source quench is history
    return;
  }
  skb.pull(ICMP_HLEN);
  if (!mayPull(skb, IPV4_HLEN_MIN)) return bad(ip, skb, Drop.PktTooSmall);
  const hlen = iphHlen(skb.buf, skb.data);
  if (hlen < IPV4_HLEN_MIN) return bad(ip, skb, Drop.IcmpInvalid);
  if (type === ICMP_TIME_EXCEEDED && code === ICMP_EXC_FRAGTIME) {
    consumeSkb(skb);
    return;
  }
  // RFC 1122 §3.2.2: nobody may complain about a broadcast.
  if (ip.sysctl.icmpIgnoreBogusErrorResponses !== 0 && inetAddrType(ip, get32(skb.buf, skb.data + IPV4_DADDR)) === RTN_BROADCAST) {
    net.drop(skb, Drop.IcmpInvalid);
    return;
  }
  // RFC 792: at least 64 bits of the packet's data, by which the socket is known.
  if (!mayPull(skb, hlen + 8)) return bad(ip, skb, Drop.PktTooSmall);
  const number = get8(skb.buf, skb.data + IPV4_PROTOCOL);
  const protocol = ip.protocols[number] ?? null;
  const info = type === ICMP_PARAMETERPROB ? rest >>> 24 : type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED ? mtu : 0;
  if (ip.raw !== null) ip.raw.err(skb, number, type, code, info);
  if (protocol !== null) protocol.err(skb, type, code, info);
  consumeSkb(skb);
}

function countUnreach(ip: Ipv4, type: number): void {
  if (type === ICMP_DEST_UNREACH) ip.net.inc(Mib.IcmpInDestUnreachs);
  else if (type === ICMP_TIME_EXCEEDED) ip.net.inc(Mib.IcmpInTimeExcds);
  else if (type === ICMP_PARAMETERPROB) ip.net.inc(Mib.IcmpInParmProbs);
}
