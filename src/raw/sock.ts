/**
 * Raw sockets of one host, and what they are made of: state only (Linux: struct raw_hashinfo, struct raw_sock). The verbs are
 * in the other files.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4, RawDelivery } from '../ip/ipv4.ts';
import { AF_INET, IP_PMTUDISC_DONT, IP_PMTUDISC_WANT, IPPROTO_RAW, SOCK_RAW } from '../sock/constants.ts';
import { InetSock, type Proto } from '../sock/sock.ts';

export class RawTable {
  readonly net: Net;
  readonly ip: Ipv4;
  /** What IP is given while there is a raw socket. */
  readonly delivery: RawDelivery;
  /** By protocol, each in the order in which its sockets were made. */
  readonly sockets: (readonly RawSock[] | null)[] = new Array<readonly RawSock[] | null>(256).fill(null);
  /** How many sockets there are. */
  size = 0;

  constructor(net: Net, ip: Ipv4, delivery: (table: RawTable) => RawDelivery) {
    this.net = net;
    this.ip = ip;
    this.delivery = delivery(this);
  }
}

export class RawSock extends InetSock {
  readonly table: RawTable;
  /** ICMP_FILTER: a bit per ICMP type (below 32) that this socket does not want. */
  icmpFilter = 0;

  constructor(table: RawTable, prot: Proto, protocol: number) {
    super(table.net, prot, AF_INET, SOCK_RAW, protocol);
    this.table = table;
    this.num = protocol;
    // IPPROTO_RAW is for those who write their own headers; raw(7).
    this.hdrincl = protocol === IPPROTO_RAW;
    this.pmtudisc = table.ip.sysctl.ipNoPmtuDisc !== 0 ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
  }
}
