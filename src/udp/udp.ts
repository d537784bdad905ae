/**
 * UDP (RFC 768): made once per host, and the maker of its sockets.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import type { Ipv6 } from '../ip/v6/ipv6.ts';
import { AF_INET, AF_INET6, IPPROTO_UDP } from '../sock/constants.ts';
import { UdpProtocol } from './input.ts';
import { UdpV6Protocol } from './input6.ts';
import { udpProt } from './ops.ts';
import { udpV6Prot } from './ops6.ts';
import { UdpProto, UdpSock } from './sock.ts';

export { UdpProto, UdpSock } from './sock.ts';

/** Makes the UDP side of a host and registers it with IP. */
export function udpInit(net: Net, ip: Ipv4): UdpProto {
  const udp = new UdpProto(net, ip);
  ip.protocols[IPPROTO_UDP] = new UdpProtocol(udp);
  return udp;
}

/** UDP over IPv6, after IPv6, at which it registers. */
export function udpV6Init(udp: UdpProto, ip6: Ipv6): void {
  udp.ip6 = ip6;
  ip6.protocols[IPPROTO_UDP] = new UdpV6Protocol(udp);
}

/** A new socket: unbound, unconnected. */
export function udpCreateSock(udp: UdpProto, family: number = AF_INET): UdpSock {
  return new UdpSock(udp, family === AF_INET6 ? udpV6Prot : udpProt, family);
}
