/**
 * Raw sockets over IPv6, packets coming in (Linux: ipv6_raw_deliver, rawv6_rcv, rawv6_err).
 *
 *   from  ip/v6/input.ts         each packet for this host, before its protocol has it
 *         ip/v6/icmp6-input.ts   errors about packets that this host sent
 *   to    the receive queues of all sockets that match: what is behind the last header that IPv6 itself reads (RFC 3542 §3);
 *         raw/v6/ops.ts takes it from there
 */
import { in6Equal, in6EqualsAt, in6IsAny, in6IsMulticast, in6ReadAt, type In6Addr } from '../../lib/addr6.ts';
import { icmp6hType, ICMPV6_PKT_TOOBIG } from '../../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_SADDR } from '../../wire/ipv6.ts';
import { cloneSkb, mayPull } from '../../skb/copy.ts';
import { skbChecksumHelp, skbChecksumVerify } from '../../skb/csum.ts';
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, type SkBuff } from '../../skb/sk-buff.ts';
import type { RawDelivery } from '../../ip/ipv4.ts';
import { icmp6Errno, icmp6Fatal } from '../../ip/v6/icmp6.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { inet6McCheck } from '../../ip/v6/mcast.ts';
import { inet6Iif, ip6UpdatePmtu } from '../../ip/v6/route.ts';
import { IPPROTO_ICMPV6, TCP_ESTABLISHED } from '../../sock/constants.ts';
import { sockQueueRcv } from '../../sock/datagram.ts';
import { ip6IcmpError } from '../../sock/error-queue.ts';
import { IPV6_PMTUDISC_DO } from '../../sock/ipv6-pinfo.ts';
import type { InetSock } from '../../sock/sock.ts';
import type { Raw6Sock, Raw6Table } from './sock.ts';

/** Shortest ICMPv6 message that has a type to filter by. */
const ICMPV6_FIXED_LEN = 4;

/** Raw sockets as IPv6 sees them. */
export class Raw6Input implements RawDelivery {
  private readonly table: Raw6Table;

  constructor(table: Raw6Table) {
    this.table = table;
  }

  rcv(skb: SkBuff, nexthdr: number): boolean {
    const list = this.table.sockets[nexthdr]!;
    if (list === null) return false;
    const { nh } = skb;
    const dif = inet6Iif(skb);
    const local = in6ReadAt(skb.buf, nh + IPV6_DADDR);
    let delivered = false;
    for (const sk of list) {
      if (!raw6Match(sk, skb.buf, nh + IPV6_SADDR, local, dif)) continue;
      // Linux says "delivered" even when the filter has refused it: the protocol is spoken here.
      delivered = true;
      if (nexthdr === IPPROTO_ICMPV6 && refused(sk, skb)) continue;
      if (damaged(sk, skb, nexthdr)) sk.drops++;
      else sockQueueRcv(sk, payloadOf(skb));
    }
    return delivered;
  }

  err(skb: SkBuff, nexthdr: number, type: number, code: number, info: number): void {
    const list = this.table.sockets[nexthdr]!;
    if (list === null) return;
    const { buf, data } = skb;
    const local = in6ReadAt(buf, data + IPV6_SADDR);
    const dif = inet6Iif(skb);
    for (const sk of list) {
      if (!raw6Match(sk, buf, data + IPV6_DADDR, local, dif)) continue;
      inet6IcmpError(this.table.ip6, sk, skb, type, code, info, sk.hdrincl ? 0 : IPV6_HLEN);
    }
  }
}

/** Does `sk` hear what the peer at `peerOff` sends to `local` by device `dif`? (Linux: raw_v6_match.) */
function raw6Match(sk: Raw6Sock, buf: Uint8Array, peerOff: number, local: In6Addr, dif: number): boolean {
  if (sk.v6Daddr !== null && !in6EqualsAt(sk.v6Daddr, buf, peerOff)) return false;
  if (sk.boundDevIf !== 0 && sk.boundDevIf !== dif) return false;
  const bound = sk.v6RcvSaddr!;
  if (in6IsAny(bound) || in6Equal(bound, local)) return true;
  return in6IsMulticast(local) && inet6McCheck(sk.table.ip6, sk, local, dif, buf, peerOff);
}

/** ICMPV6_FILTER, and what is too short to have a type. `data` is at the ICMPv6 header. */
function refused(sk: Raw6Sock, skb: SkBuff): boolean {
  if (!mayPull(skb, ICMPV6_FIXED_LEN)) return true;
  const type = icmp6hType(skb.buf, skb.data);
  return (sk.icmp6Filter[type >> 5]! & (1 << (type & 31))) !== 0;
}

/** RFC 3542 §3.1: a socket that has its checksums computed sees no packet with a wrong one. */
function damaged(sk: Raw6Sock, skb: SkBuff, nexthdr: number): boolean {
  return sk.checksumOff >= 0 && skb.ipSummed === CHECKSUM_NONE && !skbChecksumVerify(skb, nexthdr);
}

/** A copy that begins behind IPv6's headers; they stay behind `data`, for the name and the control messages. */
function payloadOf(skb: SkBuff): SkBuff {
  const back = skb.data - skb.nh;
  skb.push(back);
  const copy = cloneSkb(skb);
  skb.pull(back);
  // What no card had to fill in: whoever sees the bytes must see it.
  if (copy.ipSummed === CHECKSUM_PARTIAL && copy.gsoSize === 0) skbChecksumHelp(copy);
  copy.pull(back);
  return copy;
}

/**
 * An ICMPv6 error about a packet of `sk`: with IPV6_RECVERR it is told of all, without only when it is connected and the error is
 * final (Linux: rawv6_err, ping_err). `payloadOff`: where in the quoted packet the sender's own bytes begin.
 */
export function inet6IcmpError(
  ip6: Ipv6, sk: InetSock, skb: SkBuff, type: number, code: number, info: number, payloadOff: number,
): void {
  const np = sk.np!;
  let final = icmp6Fatal(type, code);
  if (type === ICMPV6_PKT_TOOBIG) {
    ip6UpdatePmtu(ip6, in6ReadAt(skb.buf, skb.data + IPV6_DADDR), sk.boundDevIf, info);
    final = np.pmtudisc === IPV6_PMTUDISC_DO;
  }
  if (!np.recverr && (!final || sk.state !== TCP_ESTABLISHED)) return;
  const errno = icmp6Errno(type, code);
  if (np.recverr) ip6IcmpError(sk, skb, errno, type, code, info, 0, payloadOff);
  sk.err = errno;
  sk.errorReport();
}
