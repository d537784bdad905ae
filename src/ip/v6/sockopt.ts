/**
 * Options of level SOL_IPV6, which all protocols above IPv6 share (Linux: ipv6_setsockopt; ipv6(7)).
 *
 *   from  tcp/sockopt.ts, udp/ops6.ts, raw/   ipv6Setsockopt, ipv6Getsockopt
 *   to    ip/v6/mcast.ts                      groups
 */
import { in6IsMulticast, In6Addr, parseIpv6 } from '../../lib/addr6.ts';
import {
  EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT, ENOTCONN,
} from '../../lib/errno.ts';
import {
  AF_INET, IPV6_ADDRFORM, IPV6_AUTOFLOWLABEL, IPV6_DONTFRAG, IPV6_FLOWINFO, IPV6_FLOWINFO_SEND, IPV6_FREEBIND, IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP, IPV6_MTU, IPV6_MTU_DISCOVER, IPV6_MULTICAST_ALL, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_LOOP,
  IPV6_PKTINFO, IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_RECVPKTINFO, IPV6_RECVTCLASS, IPV6_TCLASS, IPV6_UNICAST_HOPS, IPV6_V6ONLY,
  SOCK_STREAM, SOL_IPV6, TCP_ESTABLISHED,
  MCAST_BLOCK_SOURCE, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP, MCAST_MSFILTER, MCAST_UNBLOCK_SOURCE,
} from '../../sock/constants.ts';
import type { Dst } from '../../sock/dst.ts';
import { sockPurgeErrors } from '../../sock/error-queue.ts';
import { IPV6_PMTUDISC_OMIT, type Ipv6Pinfo } from '../../sock/ipv6-pinfo.ts';
import { type InetSock, type Proto, SockoptError, type SockoptValue } from '../../sock/sock.ts';
import { INET_ECN_MASK } from '../../wire/ipv4.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { in6PktInfoOf } from './cmsg.ts';
import { in6DevOf } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import {
  ipv6SockMcClose, ipv6SockMcDrop, ipv6SockMcJoin, ipv6SockMcMsfilter, ipv6SockMcSource, MCAST_EXCLUDE, MCAST_INCLUDE,
} from './mcast.ts';

/** IPV6_JOIN_GROUP and IPV6_LEAVE_GROUP: struct ipv6_mreq. */
export interface Ipv6Mreq {
  readonly addr: In6Addr | string;
  /** 0: the device that the route to the group names. */
  readonly ifindex?: number;
}

/** MCAST_JOIN_SOURCE_GROUP, MCAST_BLOCK_SOURCE and their opposites: struct group_source_req (RFC 3678 §5.1). */
export interface GroupSourceReq {
  /** 0: the device that the route to the group names. */
  readonly interface?: number;
  readonly group: In6Addr | string;
  readonly source: In6Addr | string;
}

/** MCAST_MSFILTER: struct group_filter (RFC 3678 §5.2). `fmode` is MCAST_EXCLUDE (0) or MCAST_INCLUDE (1). */
export interface GroupFilter {
  readonly interface?: number;
  readonly group: In6Addr | string;
  readonly fmode: number;
  readonly slist: readonly (In6Addr | string)[];
}

/**
 * setsockopt at SOL_IPV6: 0, -ENOPROTOOPT (no such option, or not of this socket), -EINVAL (a value out of its range)…
 *
 * @param v4 what an AF_INET socket of this kind can do: it becomes one by IPV6_ADDRFORM. Null: it cannot
 */
export function ipv6Setsockopt(ip6: Ipv6, sk: InetSock, name: number, value: SockoptValue, v4: Proto | null): number {
  const { np } = sk;
  if (np === null) return -ENOPROTOOPT;
  if (name === IPV6_JOIN_GROUP || name === IPV6_LEAVE_GROUP) return setGroup(ip6, sk, name, value);
  if (name >= MCAST_BLOCK_SOURCE && name <= MCAST_MSFILTER) return setFilter(ip6, sk, name, value);
  if (name === IPV6_PKTINFO) return setPktinfo(np, value);
  if (typeof value !== 'number' || !Number.isInteger(value)) return -EINVAL;
  const on = value !== 0;
  switch (name) {
    case IPV6_V6ONLY: return setV6only(sk, on);
    case IPV6_UNICAST_HOPS: return inRange(value, -1, 255) ? set(np, 'hopLimit', value) : -EINVAL;
    case IPV6_MULTICAST_HOPS:
      if (sk.type === SOCK_STREAM) return -ENOPROTOOPT;
      return inRange(value, -1, 255) ? set(np, 'mcastHops', value === -1 ? 1 : value) : -EINVAL;
    case IPV6_MULTICAST_LOOP: return inRange(value, 0, 1) ? set(np, 'mcLoop', on) : -EINVAL;
    case IPV6_MULTICAST_ALL: return inRange(value, 0, 1) ? set(np, 'mcAll', on) : -EINVAL;
    case IPV6_MULTICAST_IF: return setMulticastIf(ip6, sk, np, value);
    case IPV6_TCLASS: return inRange(value, -1, 255) ? setTclass(sk, np, value === -1 ? 0 : value) : -EINVAL;
    case IPV6_MTU_DISCOVER: return inRange(value, 0, IPV6_PMTUDISC_OMIT) ? set(np, 'pmtudisc', value) : -EINVAL;
    case IPV6_MTU: return value === 0 || value >= IPV6_MIN_MTU ? set(np, 'fragSize', value) : -EINVAL;
    case IPV6_DONTFRAG: return set(np, 'dontfrag', on);
    case IPV6_RECVERR:
      if (!on) sockPurgeErrors(sk);
      return set(np, 'recverr', on);
    case IPV6_RECVPKTINFO: return set(np, 'rxPktinfo', on);
    case IPV6_RECVHOPLIMIT: return set(np, 'rxHoplimit', on);
    case IPV6_RECVTCLASS: return set(np, 'rxTclass', on);
    case IPV6_FLOWINFO: return set(np, 'rxFlow', on);
    case IPV6_FLOWINFO_SEND: return set(np, 'sndflow', on);
    case IPV6_AUTOFLOWLABEL: return set(np, 'autoflowlabel', on);
    case IPV6_FREEBIND: sk.freebind = on; return 0;
    case IPV6_ADDRFORM: return addrform(ip6, sk, value, v4);
    default: return -ENOPROTOOPT;
  }
}

function inRange(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

function set<K extends keyof Ipv6Pinfo>(np: Ipv6Pinfo, key: K, value: Ipv6Pinfo[K]): number {
  np[key] = value;
  return 0;
}

/** Once the socket is bound it is too late. */
function setV6only(sk: InetSock, on: boolean): number {
  if (sk.num !== 0) return -EINVAL;
  sk.v6only = on;
  return 0;
}

/** A stream's ECN bits belong to TCP. */
function setTclass(sk: InetSock, np: Ipv6Pinfo, value: number): number {
  np.tclass = sk.type === SOCK_STREAM ? (value & ~INET_ECN_MASK) | (np.tclass & INET_ECN_MASK) : value;
  sk.dst = null;
  return 0;
}

function setMulticastIf(ip6: Ipv6, sk: InetSock, np: Ipv6Pinfo, ifindex: number): number {
  if (sk.type === SOCK_STREAM) return -ENOPROTOOPT;
  if (ifindex !== 0) {
    if ((ip6.net.devices[ifindex] ?? null) === null) return -ENODEV;
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== ifindex) return -EINVAL;
  }
  np.mcastOif = ifindex;
  return 0;
}

function setPktinfo(np: Ipv6Pinfo, value: SockoptValue): number {
  const info = in6PktInfoOf(value);
  if (info === null) return -EINVAL;
  const { addr, ifindex } = info;
  const none = ifindex === 0 && (addr.a | addr.b | addr.c | addr.d) === 0;
  np.stickyPktinfo = none ? null : { level: SOL_IPV6, type: IPV6_PKTINFO, data: { addr, ifindex } };
  return 0;
}

function setGroup(ip6: Ipv6, sk: InetSock, name: number, value: SockoptValue): number {
  if (sk.type === SOCK_STREAM) return -ENOPROTOOPT;
  if (typeof value !== 'object') return -EINVAL;
  const { addr: given, ifindex = 0 } = value as Partial<Ipv6Mreq>;
  const addr = typeof given === 'string' ? parseIpv6(given) : given;
  if (!(addr instanceof In6Addr) || typeof ifindex !== 'number' || !Number.isInteger(ifindex)) return -EINVAL;
  if (!in6IsMulticast(addr)) return -EINVAL;
  if (ifindex !== 0) {
    const dev = ip6.net.devices[ifindex] ?? null;
    if (dev === null || in6DevOf(dev) === null) return name === IPV6_JOIN_GROUP ? -ENODEV : -EADDRNOTAVAIL;
  }
  return name === IPV6_JOIN_GROUP ? ipv6SockMcJoin(ip6, sk, ifindex, addr) : ipv6SockMcDrop(ip6, sk, ifindex, addr);
}

/** An address of an option, or null. */
function optionAddress(given: unknown): In6Addr | null {
  const addr = typeof given === 'string' ? parseIpv6(given) : given;
  return addr instanceof In6Addr ? addr : null;
}

function setFilter(ip6: Ipv6, sk: InetSock, name: number, value: SockoptValue): number {
  if (sk.type === SOCK_STREAM) return -ENOPROTOOPT;
  if (typeof value !== 'object') return -EINVAL;
  const { interface: ifindex = 0, group, source, fmode, slist } = value as Partial<GroupSourceReq & GroupFilter>;
  const to = optionAddress(group);
  if (to === null || !Number.isInteger(ifindex)) return -EINVAL;
  if (name === MCAST_MSFILTER) {
    const sources = Array.isArray(slist) ? (slist as readonly unknown[]).map(optionAddress) : [null];
    return sources.includes(null) ? -EINVAL : ipv6SockMcMsfilter(ip6, sk, ifindex, to, fmode ?? -1, sources as In6Addr[]);
  }
  const from = optionAddress(source);
  if (from === null) return -EINVAL;
  switch (name) {
    case MCAST_JOIN_SOURCE_GROUP: case MCAST_LEAVE_SOURCE_GROUP:
      return ipv6SockMcSource(ip6, sk, ifindex, to, from, name === MCAST_JOIN_SOURCE_GROUP, MCAST_INCLUDE);
    case MCAST_BLOCK_SOURCE: case MCAST_UNBLOCK_SOURCE:
      return ipv6SockMcSource(ip6, sk, ifindex, to, from, name === MCAST_BLOCK_SOURCE, MCAST_EXCLUDE);
    default: return -ENOPROTOOPT;
  }
}

/** getsockopt at SOL_IPV6. */
export function ipv6Getsockopt(ip6: Ipv6, sk: InetSock, name: number): SockoptValue | SockoptError {
  const { np } = sk;
  if (np === null) return new SockoptError(-ENOPROTOOPT);
  switch (name) {
    case IPV6_ADDRFORM: return sk.family;
    case IPV6_V6ONLY: return Number(sk.v6only);
    case IPV6_UNICAST_HOPS: return np.hopLimit < 0 ? defaultHops(ip6, sk) : np.hopLimit;
    case IPV6_MULTICAST_HOPS: return np.mcastHops < 0 ? 1 : np.mcastHops;
    case IPV6_MULTICAST_LOOP: return Number(np.mcLoop);
    case IPV6_MULTICAST_ALL: return Number(np.mcAll);
    case IPV6_MULTICAST_IF: return np.mcastOif;
    case IPV6_TCLASS: return np.tclass;
    case IPV6_MTU_DISCOVER: return np.pmtudisc;
    case IPV6_MTU: return sk.dst === null ? new SockoptError(-ENOTCONN) : (sk.dst as Dst).mtu;
    case IPV6_DONTFRAG: return Number(np.dontfrag);
    case IPV6_RECVERR: return Number(np.recverr);
    case IPV6_RECVPKTINFO: return Number(np.rxPktinfo);
    case IPV6_RECVHOPLIMIT: return Number(np.rxHoplimit);
    case IPV6_RECVTCLASS: return Number(np.rxTclass);
    case IPV6_FLOWINFO: return Number(np.rxFlow);
    case IPV6_FLOWINFO_SEND: return Number(np.sndflow);
    case IPV6_AUTOFLOWLABEL: return Number(np.autoflowlabel ?? (ip6.sysctl.autoFlowlabels & 1) === 1);
    case IPV6_FREEBIND: return Number(sk.freebind);
    default: return new SockoptError(-ENOPROTOOPT);
  }
}

function defaultHops(ip6: Ipv6, sk: InetSock): number {
  const dst = sk.dst as Dst | null;
  return (dst === null ? null : in6DevOf(dst.dev))?.conf.hopLimit ?? ip6.confAll.hopLimit;
}

/** RFC 3493 §6 by Linux's rule: a socket that is connected to a mapped address becomes one of AF_INET. */
function addrform(ip6: Ipv6, sk: InetSock, family: number, v4: Proto | null): number {
  if (family !== AF_INET || v4 === null) return -ENOPROTOOPT;
  if (sk.state !== TCP_ESTABLISHED) return -ENOTCONN;
  if (sk.v6only || sk.v6Daddr !== null) return -EADDRNOTAVAIL;
  ipv6SockMcClose(ip6, sk);
  sk.family = AF_INET;
  sk.prot = v4;
  sk.np = null;
  sk.v6RcvSaddr = null;
  return 0;
}
