/**
 * Groups of a datagram handle, as libuv joins and leaves them: the form of the group's address says which family's option it is, whatever
 * the family of the socket.
 *
 *   from  handle/udp.ts
 *   to    syscall/sockopt
 */
import { EINVAL } from '../../lib/errno.ts';
import { parseIpv4 } from '../../lib/addr.ts';
import { parseIpv6Zone } from '../../lib/addr6.ts';
import {
  AF_INET, AF_INET6, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP, IPV6_MULTICAST_IF, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_MEMBERSHIP,
  IP_DROP_SOURCE_MEMBERSHIP, IP_MULTICAST_IF, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP, SOL_IP, SOL_IPV6,
} from '../../sock/constants.ts';
import { sysSetsockopt } from '../../syscall/sockopt.ts';
import type { HandleHost } from './host.ts';

/** The family that an address is written in; 0 when it is none. */
export function familyOf(address: string): number {
  if (parseIpv4(address) !== null) return AF_INET;
  return parseIpv6Zone(address) === null ? 0 : AF_INET6;
}

/** `'::%eth0'`: the number of an interface; 0 (any) without a zone, -EINVAL for what is no address. */
function interfaceOf(host: HandleHost, address: string | undefined): number {
  if (address === undefined) return 0;
  const at = parseIpv6Zone(address);
  if (at === null) return -EINVAL;
  return at.zone === '' ? 0 : host.zoneIndex(at.zone);
}

/** Joins or leaves a group, or one source of it. 0 or a negative errno. */
export function membership(
  host: HandleHost, kfd: number, joins: boolean, group: string, device: string | undefined, source: string | undefined,
): number {
  const family = familyOf(group);
  if (family === 0 || (source !== undefined && familyOf(source) !== family)) return -EINVAL;
  if (family === AF_INET6) return membership6(host, kfd, joins, group, device, source);
  const address = device ?? '0.0.0.0';
  if (parseIpv4(address) === null) return -EINVAL;
  if (source === undefined) {
    return sysSetsockopt(host.process, kfd, SOL_IP, joins ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, { multiaddr: group, address });
  }
  const name = joins ? IP_ADD_SOURCE_MEMBERSHIP : IP_DROP_SOURCE_MEMBERSHIP;
  return sysSetsockopt(host.process, kfd, SOL_IP, name, { multiaddr: group, sourceaddr: source, interface: address });
}

function membership6(
  host: HandleHost, kfd: number, joins: boolean, group: string, device: string | undefined, source: string | undefined,
): number {
  const ifindex = interfaceOf(host, device);
  if (ifindex < 0) return ifindex;
  const { addr } = parseIpv6Zone(group)!;
  if (source === undefined) {
    return sysSetsockopt(host.process, kfd, SOL_IPV6, joins ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, { addr, ifindex });
  }
  const name = joins ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
  return sysSetsockopt(host.process, kfd, SOL_IPV6, name, { interface: ifindex, group: addr, source: parseIpv6Zone(source)!.addr });
}

/** Messages to groups leave by this interface from now on. 0 or a negative errno. */
export function multicastInterface(host: HandleHost, kfd: number, address: string): number {
  const family = familyOf(address);
  if (family === 0) return -EINVAL;
  if (family === AF_INET) return sysSetsockopt(host.process, kfd, SOL_IP, IP_MULTICAST_IF, { address });
  return sysSetsockopt(host.process, kfd, SOL_IPV6, IPV6_MULTICAST_IF, interfaceOf(host, address));
}
