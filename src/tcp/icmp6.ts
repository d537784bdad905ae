/**
 * ICMPv6 errors about our segments: what tcp/icmp.ts is for ICMP (RFC 5927; RFC 4443 §2.4 (d)).
 *
 *   from  ip/v6/icmp6-input.ts   tcpV6Err, `data` at the quoted IPv6 header, the TCP header right behind it
 *   to    tcp/icmp.ts            tcpErrSock, tcpIcmpError, tcpMtuReduced
 */
import { Mib } from '../dev/mib.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { icmp6Errno, icmp6Fatal } from '../ip/v6/icmp6.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { ICMPV6_ADM_PROHIBITED, ICMPV6_DEST_UNREACH, ICMPV6_PKT_TOOBIG, ICMPV6_PORT_UNREACH } from '../wire/icmpv6.ts';
import { IPV6_DADDR, IPV6_HLEN, IPV6_SADDR } from '../wire/ipv6.ts';
import { thDport, thSeq, thSport } from '../wire/tcp.ts';
import { revertBackoff, tcpErrSock, tcpIcmpError, tcpMtuReduced } from './icmp.ts';
import type { TcpProto } from './proto.ts';

/** RFC 4443 §3.1: no route; address unreachable. */
const ICMPV6_NOROUTE = 0;
const ICMPV6_ADDR_UNREACH = 3;

/** An ICMPv6 error about a segment of ours. The skb stays the caller's. `info` is the MTU of "packet too big". */
export function tcpV6Err(tcp: TcpProto, skb: SkBuff, type: number, code: number, info: number): void {
  const { net, established } = tcp;
  const { buf, data } = skb;
  const th = data + IPV6_HLEN;
  const dif = skb.dev === null ? 0 : (skb.dev as NetDevice).ifindex;
  const entry = established.lookup6At(buf, data + IPV6_SADDR, thSport(buf, th), data + IPV6_DADDR, thDport(buf, th), dif);
  if (entry === null) {
    net.inc(Mib.Icmp6InErrors);
    return;
  }
  const seq = thSeq(buf, th);
  // RFC 5925 §7.8: administratively prohibited, port unreachable.
  const hard = type === ICMPV6_DEST_UNREACH && (code === ICMPV6_ADM_PROHIBITED || code === ICMPV6_PORT_UNREACH);
  const tp = tcpErrSock(entry, seq, icmp6Fatal(type, code), hard);
  if (tp === null) return;
  if (type === ICMPV6_PKT_TOOBIG) {
    tcpMtuReduced(tp, info);
    return;
  }
  if (type === ICMPV6_DEST_UNREACH && (code === ICMPV6_NOROUTE || code === ICMPV6_ADDR_UNREACH)) revertBackoff(tp, seq);
  tcpIcmpError(tp, icmp6Errno(type, code), tp.np !== null && tp.np.recverr);
}
