/**
 * Raw sockets over IPv6 of one host, and what they are made of: state only (Linux: struct raw6_sock). What is not different from
 * IPv4 is raw/sock.ts's.
 */
import type { Net } from '../../dev/net.ts';
import type { RawDelivery } from '../../ip/ipv4.ts';
import type { Ipv6 } from '../../ip/v6/ipv6.ts';
import { AF_INET6, IPPROTO_ICMPV6, IPPROTO_RAW, SOCK_RAW } from '../../sock/constants.ts';
import { InetSock, type Proto } from '../../sock/sock.ts';
import { ICMPV6_CHECK } from '../../wire/icmpv6.ts';

/** Words of ICMPV6_FILTER: a bit for each of 256 types. */
export const ICMP6_FILTER_WORDS = 8;

export class Raw6Table {
  readonly net: Net;
  readonly ip6: Ipv6;
  /** What IPv6 is given while there is a raw socket. */
  readonly delivery: RawDelivery;
  /** By next header, each in the order in which its sockets were made. */
  readonly sockets: (readonly Raw6Sock[] | null)[] = new Array<readonly Raw6Sock[] | null>(256).fill(null);
  /** How many sockets there are. */
  size = 0;

  constructor(net: Net, ip6: Ipv6, delivery: (table: Raw6Table) => RawDelivery) {
    this.net = net;
    this.ip6 = ip6;
    this.delivery = delivery(this);
  }
}

export class Raw6Sock extends InetSock {
  readonly table: Raw6Table;
  /** IPV6_CHECKSUM: where in a packet its checksum is, which is filled in and verified here; -1: nobody looks. */
  checksumOff: number;
  /** ICMPV6_FILTER: a bit per ICMPv6 type that this socket does not want. */
  readonly icmp6Filter: Uint32Array = new Uint32Array(ICMP6_FILTER_WORDS);

  constructor(table: Raw6Table, prot: Proto, protocol: number) {
    super(table.net, prot, AF_INET6, SOCK_RAW, protocol);
    this.table = table;
    this.num = protocol;
    this.hdrincl = protocol === IPPROTO_RAW;
    // RFC 3542 §3.1: the checksum of ICMPv6 is the kernel's business.
    this.checksumOff = protocol === IPPROTO_ICMPV6 ? ICMPV6_CHECK : -1;
  }
}
