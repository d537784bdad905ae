/**
 * UDP (RFC 768): made once per host, and the maker of its sockets.
 */
import type { Net } from '../dev/net.ts';
import type { Ipv4 } from '../ip/ipv4.ts';
import { IPPROTO_UDP } from '../sock/constants.ts';
import { UdpProtocol } from './input.ts';
import { udpProt } from './ops.ts';
import { UdpProto, UdpSock } from './sock.ts';

export { UdpProto, UdpSock } from './sock.ts';

/** Makes the UDP side of a host and registers it with IP. */
export function udpInit(net: Net, ip: Ipv4): UdpProto {
  const udp = new UdpProto(net, ip);
  ip.protocols[IPPROTO_UDP] = new UdpProtocol(udp);
  return udp;
}

/** A new socket: unbound, unconnected. */
export function udpCreateSock(udp: UdpProto): UdpSock {
  return new UdpSock(udp, udpProt);
}
