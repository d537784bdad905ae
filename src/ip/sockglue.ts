/**
 * Options of level SOL_IP that need more than their socket: multicast, IP options (Linux: ip_sockglue.c). All others go on to
 * `sock/sockopt.ts`.
 */
import { formatIpv4, parseIpv4 } from '../lib/addr.ts';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, EPROTO } from '../lib/errno.ts';
import {
  IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_MSFILTER,
  IP_MULTICAST_ALL, IP_MULTICAST_IF, IP_OPTIONS, IP_UNBLOCK_SOURCE, SOCK_STREAM,
} from '../sock/constants.ts';
import type { InetSock, SockoptError, SockoptValue } from '../sock/sock.ts';
import { ipGetsockopt, ipSetsockopt } from '../sock/sockopt.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipMcJoinGroup, ipMcLeaveGroup, ipMcMsfilter, ipMcSource, MCAST_EXCLUDE, MCAST_INCLUDE, type McRequest } from './mcast.ts';
import { ipOptionsGet } from './options.ts';

/** An address of a socket option: a text, or an int32. */
export type OptionAddress = string | number;

/** IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF: struct ip_mreqn. The device by number, by address, or by the route. */
export interface IpMreqn {
  readonly multiaddr?: OptionAddress;
  readonly address?: OptionAddress;
  readonly ifindex?: number;
}

/** IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE and their opposites: struct ip_mreq_source. */
export interface IpMreqSource {
  readonly multiaddr: OptionAddress;
  readonly sourceaddr: OptionAddress;
  readonly interface?: OptionAddress;
}

/** IP_MSFILTER: struct ip_msfilter. `fmode` is MCAST_EXCLUDE (0) or MCAST_INCLUDE (1). */
export interface IpMsfilter {
  readonly multiaddr: OptionAddress;
  readonly interface?: OptionAddress;
  readonly fmode: number;
  readonly slist: readonly OptionAddress[];
}

/** setsockopt at SOL_IP: 0 or a negative errno. */
export function inetSetsockopt(ip: Ipv4, sk: InetSock, name: number, value: SockoptValue): number {
  switch (name) {
    case IP_MULTICAST_IF: return setMulticastIf(ip, sk, value);
    case IP_MULTICAST_ALL:
      if (value !== 0 && value !== 1) return -EINVAL;
      sk.mcAll = value === 1;
      return 0;
    case IP_ADD_MEMBERSHIP: case IP_DROP_MEMBERSHIP: return setMembership(ip, sk, name, value);
    case IP_ADD_SOURCE_MEMBERSHIP: case IP_DROP_SOURCE_MEMBERSHIP: case IP_BLOCK_SOURCE: case IP_UNBLOCK_SOURCE:
      return setSource(ip, sk, name, value);
    case IP_MSFILTER: return setMsfilter(ip, sk, value);
    case IP_OPTIONS: return setOptions(sk, value);
    default: return ipSetsockopt(sk, name, value);
  }
}

/** getsockopt at SOL_IP. */
export function inetGetsockopt(ip: Ipv4, sk: InetSock, name: number): SockoptValue | SockoptError {
  switch (name) {
    case IP_MULTICAST_IF: return formatIpv4(sk.mcAddr);
    case IP_MULTICAST_ALL: return Number(sk.mcAll);
    case IP_OPTIONS: return sk.ipOptions === null ? new Uint8Array(0) : sk.ipOptions.slice();
    default: return ipGetsockopt(sk, name, ip.sysctl.ipDefaultTtl);
  }
}

/** The options of all packets from now on, as bytes; none when empty. A stream's segments get shorter by them. */
function setOptions(sk: InetSock, value: SockoptValue): number {
  if (!(value instanceof Uint8Array)) return -EINVAL;
  const options = ipOptionsGet(value);
  if (typeof options === 'number') return options;
  sk.ipOptions = options.length === 0 ? null : options;
  return 0;
}

/** An address of an option; null when it is none. Left out: 0. */
function addressOf(value: unknown): number | null {
  if (value === undefined) return 0;
  if (typeof value === 'string') return parseIpv4(value);
  return typeof value === 'number' && Number.isInteger(value) ? value | 0 : null;
}

function requestOf(multiaddr: unknown, address: unknown, ifindex: unknown): McRequest | null {
  const group = addressOf(multiaddr);
  const addr = addressOf(address);
  const index = ifindex ?? 0;
  return group === null || addr === null || typeof index !== 'number' ? null : { group, address: addr, ifindex: index };
}

/** The device that datagrams to groups leave by: a struct ip_mreqn, or an address alone; 0.0.0.0 gives it up. */
function setMulticastIf(ip: Ipv4, sk: InetSock, value: SockoptValue): number {
  if (sk.type === SOCK_STREAM) return -EINVAL;
  const { address, ifindex = 0 } = typeof value === 'object' ? (value as IpMreqn) : { address: value, ifindex: 0 };
  const addr = addressOf(address);
  if (addr === null || typeof ifindex !== 'number') return -EINVAL;
  if (ifindex === 0 && addr === 0) {
    sk.mcIndex = 0;
    sk.mcAddr = 0;
    return 0;
  }
  const dev = ifindex !== 0 ? ip.net.devices[ifindex] ?? null : ip.fib.local.lookup(addr, 0)?.dev ?? null;
  if (dev === null) return -EADDRNOTAVAIL;
  if (sk.boundDevIf !== 0 && sk.boundDevIf !== dev.ifindex) return -EINVAL;
  sk.mcIndex = dev.ifindex;
  sk.mcAddr = addr;
  return 0;
}

function setMembership(ip: Ipv4, sk: InetSock, name: number, value: SockoptValue): number {
  if (sk.type === SOCK_STREAM) return -EPROTO;
  if (typeof value !== 'object') return -EINVAL;
  const { multiaddr, address, ifindex } = value as IpMreqn;
  const req = requestOf(multiaddr, address, ifindex);
  if (req === null) return -EINVAL;
  return name === IP_ADD_MEMBERSHIP ? ipMcJoinGroup(ip, sk, req) : ipMcLeaveGroup(ip, sk, req);
}

function setSource(ip: Ipv4, sk: InetSock, name: number, value: SockoptValue): number {
  if (typeof value !== 'object') return -EINVAL;
  const { multiaddr, sourceaddr, interface: address } = value as Partial<IpMreqSource>;
  const req = requestOf(multiaddr, address, 0);
  const source = addressOf(sourceaddr);
  if (req === null || source === null) return -EINVAL;
  switch (name) {
    case IP_BLOCK_SOURCE: return ipMcSource(ip, sk, req, MCAST_EXCLUDE, source, true);
    case IP_UNBLOCK_SOURCE: return ipMcSource(ip, sk, req, MCAST_EXCLUDE, source, false);
    case IP_DROP_SOURCE_MEMBERSHIP: return ipMcSource(ip, sk, req, MCAST_INCLUDE, source, false);
  }
  // IP_ADD_SOURCE_MEMBERSHIP joins with its first source.
  const err = ipMcJoinGroup(ip, sk, req, MCAST_INCLUDE);
  return err < 0 && err !== -EADDRINUSE ? err : ipMcSource(ip, sk, req, MCAST_INCLUDE, source, true);
}

function setMsfilter(ip: Ipv4, sk: InetSock, value: SockoptValue): number {
  if (typeof value !== 'object') return -EINVAL;
  const { multiaddr, interface: address, fmode, slist } = value as Partial<IpMsfilter>;
  const req = requestOf(multiaddr, address, 0);
  if (req === null || typeof fmode !== 'number' || !Array.isArray(slist)) return -EINVAL;
  const sources = (slist as readonly unknown[]).map((s) => addressOf(s));
  if (sources.includes(null)) return -EINVAL;
  return ipMcMsfilter(ip, sk, req, fmode, sources as number[]);
}
