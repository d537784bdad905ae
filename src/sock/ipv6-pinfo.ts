/**
 * What only an AF_INET6 socket has (Linux: struct ipv6_pinfo, `np`): the options of SOL_IPV6, and what they say about its
 * packets. An IPv4 socket carries a null for all of it.
 */
import type { Cmsg } from './sockaddr.ts';

/** Modes of IPV6_MTU_DISCOVER; the numbers are those of IPv4. */
export const IPV6_PMTUDISC_DONT = 0;
export const IPV6_PMTUDISC_WANT = 1;
export const IPV6_PMTUDISC_DO = 2;
export const IPV6_PMTUDISC_PROBE = 3;
export const IPV6_PMTUDISC_INTERFACE = 4;
export const IPV6_PMTUDISC_OMIT = 5;

export class Ipv6Pinfo {
  /** IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS; -1 = the route's, the device's or the system's default (1 for groups). */
  hopLimit = -1;
  mcastHops = -1;
  /** IPV6_MULTICAST_LOOP, IPV6_MULTICAST_IF (an ifindex, 0 = by the route), IPV6_MULTICAST_ALL. */
  mcLoop = true;
  mcastOif = 0;
  mcAll = true;
  /** IPV6_TCLASS: the traffic class, 0 to 255. */
  tclass = 0;
  pmtudisc: number = IPV6_PMTUDISC_WANT;
  /** IPV6_MTU: datagrams are cut at this size, 0 = at the path's MTU. */
  fragSize = 0;
  /** IPV6_DONTFRAG: too long a datagram is refused instead of being cut. */
  dontfrag = false;
  /** IPV6_RECVERR. */
  recverr = false;
  /** What comes with each datagram as a control message: IPV6_RECVPKTINFO, _RECVHOPLIMIT, _RECVTCLASS, _FLOWINFO. */
  rxPktinfo = false;
  rxHoplimit = false;
  rxTclass = false;
  rxFlow = false;
  /** IPV6_AUTOFLOWLABEL: labels are made from the flow's hash when none is set. Null: as net.ipv6.auto_flowlabels says. */
  autoflowlabel: boolean | null = null;
  /** IPV6_FLOWINFO_SEND: the label given with the peer's address is sent. */
  sndflow = false;
  /** The 20 bits of the label to be sent, 0 = none of our own. */
  flowLabel = 0;
  /** The zone of the peer's address, when it is one of a link: what getpeername() says. */
  scopeId = 0;
  /** IPV6_PKTINFO set with setsockopt: source and device of all that is sent. */
  stickyPktinfo: Cmsg | null = null;

  /** What an accepted connection has from its listener. */
  clone(): Ipv6Pinfo {
    return Object.assign(new Ipv6Pinfo(), this);
  }
}
