/**
 * UDP over IPv6, datagrams coming in: what udp/input.ts is for IPv4.
 *
 *   from  ip/v6/input.ts         rcv, `data` at the UDP header
 *         ip/v6/icmp6-input.ts   err, about a datagram that we sent
 *   to    udp/input.ts           udpQueueRcv
 *         ip/v6/icmp6.ts         "port unreachable"
 */
import { in6ReadAt } from '../lib/addr6.ts';
import { get16 } from '../lib/bytes.ts';
import { ICMPV6_DEST_UNREACH, ICMPV6_PKT_TOOBIG } from '../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_SADDR } from '../wire/ipv6.ts';
import { UDP_CHECK, UDP_DPORT, UDP_HLEN, UDP_LEN, UDP_SPORT } from '../wire/udp.ts';
import { mayPull, trimTail } from '../skb/copy.ts';
import { skbChecksumVerify } from '../skb/csum.ts';
import { Drop } from '../skb/drop-reason.ts';
import { consumeSkb } from '../skb/pool.ts';
import { CHECKSUM_NONE, type SkBuff } from '../skb/sk-buff.ts';
import { Mib } from '../dev/mib.ts';
import { RTN_MULTICAST } from '../ip/fib.ts';
import type { IpProtocol } from '../ip/ipv4.ts';
import { icmp6Errno, icmp6Fatal, icmp6Send } from '../ip/v6/icmp6.ts';
import { inet6McCheck } from '../ip/v6/mcast.ts';
import { inet6Iif, ip6UpdatePmtu, type Rt6Info } from '../ip/v6/route.ts';
import { IPPROTO_UDP, TCP_ESTABLISHED } from '../sock/constants.ts';
import { ip6IcmpError } from '../sock/error-queue.ts';
import { IPV6_PMTUDISC_DONT } from '../sock/ipv6-pinfo.ts';
import type { InetSock } from '../sock/sock.ts';
import { udpHearsMany6, udpLookup6 } from './demux.ts';
import { udpCloneWithHeaders, udpQueueRcv } from './input.ts';
import type { UdpProto, UdpSock } from './sock.ts';

/** RFC 4443 §3.1: nobody has the port. */
const ICMPV6_PORT_UNREACH = 4;

/** UDP as a protocol above IPv6. */
export class UdpV6Protocol implements IpProtocol {
  readonly udp: UdpProto;

  constructor(udp: UdpProto) {
    this.udp = udp;
  }

  rcv(skb: SkBuff): void {
    udpV6Rcv(this.udp, skb);
  }

  err(skb: SkBuff, type: number, code: number, info: number): void {
    udpV6Err(this.udp, skb, type, code, info);
  }
}

/** A datagram came in. Takes the skb. */
function udpV6Rcv(udp: UdpProto, skb: SkBuff): void {
  if (skb.trace !== 0) udp.net.trace(skb, 'udpv6Rcv');
  if (!mayPull(skb, UDP_HLEN)) return bad(udp, skb, Drop.PktTooSmall);
  const { buf, data, nh } = skb;
  const ulen = get16(buf, data + UDP_LEN);
  if (ulen > skb.len || ulen < UDP_HLEN) return bad(udp, skb, Drop.PktTooSmall);
  if (ulen < skb.len) trimTail(skb, ulen);
  skb.th = data;
  // RFC 8200 §8.1: over IPv6 there is no datagram without a checksum.
  if (skb.ipSummed === CHECKSUM_NONE && (get16(buf, data + UDP_CHECK) === 0 || !skbChecksumVerify(skb, IPPROTO_UDP))) {
    udp.net.inc(Mib.Udp6InCsumErrors);
    return bad(udp, skb, Drop.UdpCsum);
  }
  const saddr = nh + IPV6_SADDR;
  const daddr = nh + IPV6_DADDR;
  const sport = get16(buf, data + UDP_SPORT);
  const dport = get16(buf, data + UDP_DPORT);
  if ((skb.dst as Rt6Info).type === RTN_MULTICAST) return toMany(udp, skb, saddr, sport, daddr, dport);
  const sk = udpLookup6(udp, buf, saddr, sport, daddr, dport, inet6Iif(skb));
  if (sk !== null) {
    udpQueueRcv(sk, skb);
    return;
  }
  udp.net.inc(Mib.Udp6NoPorts);
  icmp6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
  udp.net.drop(skb, Drop.NoSocket);
}

function bad(udp: UdpProto, skb: SkBuff, reason: Drop): void {
  udp.net.inc(Mib.Udp6InErrors);
  udp.net.drop(skb, reason);
}

/** To all members of a group: each socket that hears it gets a copy, the last one the datagram itself. */
function toMany(udp: UdpProto, skb: SkBuff, saddr: number, sport: number, daddr: number, dport: number): void {
  const dif = inet6Iif(skb);
  const { buf } = skb;
  const group = in6ReadAt(buf, daddr);
  let first: InetSock | null = null;
  for (let at = udp.ports.find(dport)?.head ?? null; at !== null; at = at.nextBound) {
    const sk = at as InetSock;
    if (!udpHearsMany6(sk, buf, saddr, sport, daddr, dif)) continue;
    if (!inet6McCheck(udp.ip6!, sk, group, dif, buf, saddr)) continue;
    if (first !== null) udpQueueRcv(sk as UdpSock, udpCloneWithHeaders(skb));
    else first = sk;
  }
  if (first !== null) {
    udpQueueRcv(first as UdpSock, skb);
    return;
  }
  udp.net.inc(Mib.Udp6IgnoredMulti);
  consumeSkb(skb); // many were meant, and none of us
}

/** An ICMPv6 error about a datagram of ours: `skb.data` is at the quoted IPv6 header, UDP's is right behind it. */
function udpV6Err(udp: UdpProto, skb: SkBuff, type: number, code: number, info: number): void {
  const { buf, data } = skb;
  const at = data + IPV6_HLEN;
  const dport = get16(buf, at + UDP_DPORT);
  const sport = get16(buf, at + UDP_SPORT);
  const sk = udpLookup6(udp, buf, data + IPV6_DADDR, dport, data + IPV6_SADDR, sport, inet6Iif(skb));
  if (sk === null) {
    udp.net.inc(Mib.Icmp6InErrors);
    return;
  }
  const np = sk.np!;
  const errno = icmp6Errno(type, code);
  let final = icmp6Fatal(type, code);
  if (type === ICMPV6_PKT_TOOBIG) {
    ip6UpdatePmtu(udp.ip6!, in6ReadAt(buf, data + IPV6_DADDR), sk.boundDevIf, info);
    if (np.pmtudisc === IPV6_PMTUDISC_DONT) return;
    final = true;
  }
  if (!np.recverr && (!final || sk.state !== TCP_ESTABLISHED)) return;
  if (np.recverr) ip6IcmpError(sk, skb, errno, type, code, info, dport, IPV6_HLEN + UDP_HLEN);
  sk.err = errno;
  sk.errorReport();
}
