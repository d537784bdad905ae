/**
 * UDP of one host and its sockets: state only (Linux: struct udp_table, struct udp_sock). The verbs are in the other files.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import type { Ip6Send } from '../ip/v6/cmsg.ts';
import type { Ipv6 } from '../ip/v6/ipv6.ts';
import type { In6Addr } from '../lib/addr6.ts';
import type { Page } from '../skb/pool.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { IP_PMTUDISC_DONT, IP_PMTUDISC_WANT, IPPROTO_UDP, SOCK_DGRAM } from '../sock/constants.ts';
import type { Dst } from '../sock/dst.ts';
import { PortTable } from '../sock/ports.ts';
import { InetSock, type Proto } from '../sock/sock.ts';
import { UdpHash } from './hash.ts';

/** `net.ipv4.udp_*`: exact kernel names are bound to these in host/sysctl. */
export class UdpSysctl {
  /** Pages of 4 KiB that all receive queues together may hold; the third is the limit. */
  udpMem: [number, number, number] = [190000, 253000, 380000];
}

export class UdpProto {
  readonly net: Net;
  readonly ip: Ipv4;
  /** Null on a host without IPv6. */
  ip6: Ipv6 | null = null;
  readonly sysctl: UdpSysctl = new UdpSysctl();
  readonly ports: PortTable;
  readonly hash: UdpHash = new UdpHash();
  /** Bytes (truesize) in all receive queues. */
  memory = 0;

  constructor(net: Net, ip: Ipv4) {
    this.net = net;
    this.ip = ip;
    this.ports = new PortTable(ip.sysctl.ipLocalPortRange, net.random);
  }
}

export class UdpSock extends InetSock {
  readonly udp: UdpProto;
  /** UDP_CORK: what is written is kept together until it is turned off. */
  cork = false;
  /** A datagram in the making (UDP_CORK, MSG_MORE), and where it goes. */
  pending: SkBuff | null = null;
  pendingRoute: Dst | null = null;
  pendingSaddr = 0;
  pendingDaddr = 0;
  /** The same of IPv6; null while an IPv4 datagram is in the making. */
  pendingSaddr6: In6Addr | null = null;
  pendingDaddr6: In6Addr | null = null;
  pendingSend: Ip6Send | null = null;
  pendingDport = 0;
  /** Payload is written here; several small datagrams share a page. */
  txPage: Page | null = null;

  constructor(udp: UdpProto, prot: Proto, family: number) {
    super(udp.net, prot, family, SOCK_DGRAM, IPPROTO_UDP);
    this.udp = udp;
    this.pmtudisc = udp.ip.sysctl.ipNoPmtuDisc !== 0 ? IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
  }
}
