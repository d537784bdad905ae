/**
 * Groups: which of them a device, and which socket, is in (RFC 3493 §5.2; Linux: mcast.c). What is told to routers is in mld.ts.
 *
 *   from  ip/v6/addrconf.ts    the groups of a node and of its addresses
 *         syscall, udp/        ipv6SockMcJoin, ipv6SockMcDrop, ipv6SockMcSource (IPV6_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP…)
 *
 * A socket's filter names the sources that it hears, or those that it does not. The device's follows from those of all its sockets
 * (RFC 3810 §4.2), and routers are told what changes of it.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../../lib/errno.ts';
import { in6Equal, in6EqualsAt, in6IsMulticast, type In6Addr } from '../../lib/addr6.ts';
import type { Timer } from '../../time/timer.ts';
import { devMcAdd, devMcDel } from '../../dev/mc-list.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { ipv6EthMcMap } from '../../neigh/ndp.ts';
import type { InetSock } from '../../sock/sock.ts';
import { in6DevOf, type Inet6Dev } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { mldFilterChanged, mldGroupJoined, mldGroupLeft, mldStart, mldStop } from './mld.ts';
import { ip6RouteOutput } from './route.ts';

/** Groups that one socket may be in (Linux bounds them by net.core.optmem_max, which comes to about as many). */
export const IPV6_MAX_MEMBERSHIPS = 1024;

/** Sources of one group that one socket may name: Linux's net.ipv6.mld_max_msf. */
export const IPV6_MAX_SOURCES = 64;

/** A filter names the sources that are not heard, or those that are (RFC 3810 §4; Linux's values). */
export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;

/** A group that a device is in. */
export class Ifmcaddr6 {
  readonly addr: In6Addr;
  /** How many want it: addresses, sockets. */
  users = 0;
  /** Joined without a word to routers. */
  quiet: boolean;
  /** The card listens. */
  active = false;
  /** Sockets that want it, with their filters; other users hear everybody. */
  readonly members: McSock[] = [];
  /** What the device hears of it: all but these sources, or these alone. */
  mode: number = MCAST_INCLUDE;
  sources: readonly In6Addr[] = [];
  /** Times that the mode is still to be told, and each change of a source. */
  modeCount = 0;
  pending: { readonly source: In6Addr; readonly allow: boolean; count: number }[] = [];
  /** The sources that the query was about; null: all. */
  asked: readonly In6Addr[] | null = null;
  /** Answer to a query, or the report of version 1, to come. */
  timer: Timer | null = null;
  /** Nobody else on the link has reported it since (version 1). */
  lastReporter = false;

  constructor(addr: In6Addr, quiet: boolean) {
    this.addr = addr;
    this.quiet = quiet;
  }
}

/** A group that a socket is in, on a device. */
export interface McSock {
  readonly addr: In6Addr;
  readonly ifindex: number;
  /** Who is not heard, or (MCAST_INCLUDE) who is. */
  mode: number;
  sources: readonly In6Addr[];
}

/** Is the address among them? */
export function in6In(list: readonly In6Addr[], addr: In6Addr): boolean {
  return list.some((other) => in6Equal(other, addr));
}

// ---- devices --------------------------------------------------------------------------------------------------------

/** The device is in the group, once more. `quiet`: no report, unless somebody who wants one joins too. */
export function ipv6DevMcInc(idev: Inet6Dev, addr: In6Addr, quiet: boolean, member: McSock | null = null): void {
  const known = idev.groups.find((g) => in6Equal(g.addr, addr));
  const group = known ?? new Ifmcaddr6(addr, quiet);
  group.users++;
  if (member !== null) group.members.push(member);
  if (known === undefined) {
    setFilter(group);
    idev.groups.push(group);
    if (idev.dev.up) activate(idev, group);
    return;
  }
  if (group.quiet && !quiet) {
    group.quiet = false;
    setFilter(group);
    if (group.active) mldGroupJoined(idev, group);
    return;
  }
  filterChanged(idev, group);
}

/** Once less; with the last one the device leaves the group. */
export function ipv6DevMcDec(idev: Inet6Dev, addr: In6Addr, member: McSock | null = null): void {
  const i = idev.groups.findIndex((g) => in6Equal(g.addr, addr));
  const group = idev.groups[i];
  if (group === undefined) return;
  if (member !== null) group.members.splice(group.members.indexOf(member), 1);
  if (--group.users > 0) {
    filterChanged(idev, group);
    return;
  }
  idev.groups.splice(i, 1);
  deactivate(idev, group);
  mldGroupLeft(idev, group);
}

/** RFC 3810 §4.2: the device's filter from those of its sockets; who is no socket (an address's own group) hears everybody. */
function setFilter(group: Ifmcaddr6): void {
  const excluding = group.members.filter((m) => m.mode === MCAST_EXCLUDE);
  const including = group.members.filter((m) => m.mode === MCAST_INCLUDE).flatMap((m) => m.sources);
  const everybody = group.users > group.members.length;
  const [first, ...others] = excluding;
  group.mode = everybody || first !== undefined ? MCAST_EXCLUDE : MCAST_INCLUDE;
  if (everybody) group.sources = [];
  else if (first === undefined) group.sources = including.filter((s, i) => including.findIndex((other) => in6Equal(other, s)) === i);
  else group.sources = first.sources.filter((s) => !in6In(including, s) && others.every((m) => in6In(m.sources, s)));
}

function filterChanged(idev: Inet6Dev, group: Ifmcaddr6): void {
  const { mode, sources } = group;
  setFilter(group);
  mldFilterChanged(idev, group, mode, sources);
}

function activate(idev: Inet6Dev, group: Ifmcaddr6): void {
  if (group.active) return;
  group.active = true;
  const ha = new Uint8Array(6);
  ipv6EthMcMap(group.addr, ha);
  devMcAdd(idev.dev, ha);
  if (!group.quiet) mldGroupJoined(idev, group);
}

function deactivate(idev: Inet6Dev, group: Ifmcaddr6): void {
  if (!group.active) return;
  group.active = false;
  group.timer?.del();
  const ha = new Uint8Array(6);
  ipv6EthMcMap(group.addr, ha);
  devMcDel(idev.dev, ha);
}

/** The device is up and has a link-local address: groups joined before are reported now, with a source. */
export function ipv6McUp(idev: Inet6Dev): void {
  for (const group of idev.groups) activate(idev, group);
  mldStart(idev);
}

/** The device goes down: the card listens no more; who is in a group stays in it. */
export function ipv6McDown(idev: Inet6Dev): void {
  mldStop(idev);
  for (const group of [...idev.groups]) deactivate(idev, group);
}

/** The device leaves the host. */
export function ipv6McDestroy(idev: Inet6Dev): void {
  ipv6McDown(idev);
  idev.groups.length = 0;
}

/** The group that the device is in, or null. */
export function ipv6McGroup(dev: NetDevice, addr: In6Addr): Ifmcaddr6 | null {
  const idev = in6DevOf(dev);
  if (idev === null) return null;
  for (const group of idev.groups) if (in6Equal(group.addr, addr)) return group;
  return null;
}

/** Does the device hear the group from the sender whose address is at `saddr` of `buf`? */
export function ipv6McHears(group: Ifmcaddr6, buf: Uint8Array, saddr: number): boolean {
  return hears(group.mode, group.sources, buf, saddr);
}

function hears(mode: number, sources: readonly In6Addr[], buf: Uint8Array, saddr: number): boolean {
  if (sources.length === 0) return mode === MCAST_EXCLUDE;
  for (const source of sources) if (in6EqualsAt(source, buf, saddr)) return mode === MCAST_INCLUDE;
  return mode === MCAST_EXCLUDE;
}

// ---- sockets --------------------------------------------------------------------------------------------------------

/**
 * A socket joins a group on a device (0: by the route to the group).
 *
 * @returns 0, -EINVAL (no group), -ENODEV, -EADDRINUSE (is in it already), -ENOBUFS (in too many)
 */
export function ipv6SockMcJoin(
  ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr, mode: number = MCAST_EXCLUDE, sources: readonly In6Addr[] = [],
): number {
  if (!in6IsMulticast(addr)) return -EINVAL;
  const idev = deviceFor(ip6, ifindex, addr);
  if (idev === null) return -ENODEV;
  const list = ip6.mcSocks.get(sk) ?? [];
  if (list.some((m) => m.ifindex === idev.dev.ifindex && in6Equal(m.addr, addr))) return -EADDRINUSE;
  if (list.length >= IPV6_MAX_MEMBERSHIPS) return -ENOBUFS;
  const member: McSock = { addr, ifindex: idev.dev.ifindex, mode, sources };
  list.push(member);
  ip6.mcSocks.set(sk, list);
  ipv6DevMcInc(idev, addr, false, member);
  return 0;
}

/** A socket leaves a group. 0, -EINVAL, -ENODEV, -EADDRNOTAVAIL (was not in it). */
export function ipv6SockMcDrop(ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr): number {
  if (!in6IsMulticast(addr)) return -EINVAL;
  if (ifindex !== 0 && (ip6.net.devices[ifindex] ?? null) === null) return -ENODEV;
  const list = ip6.mcSocks.get(sk) ?? [];
  const i = list.findIndex((m) => (ifindex === 0 || m.ifindex === ifindex) && in6Equal(m.addr, addr));
  const member = list[i];
  if (member === undefined) return -EADDRNOTAVAIL;
  list.splice(i, 1);
  if (list.length === 0) ip6.mcSocks.delete(sk);
  leave(ip6, member);
  return 0;
}

/**
 * Adds a source to a socket's filter for a group, or takes it out. `mode` MCAST_INCLUDE: one more that it hears, by which it joins, or
 * one less, with the last of which it leaves (MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP); MCAST_EXCLUDE: one that it does not
 * hear (MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE).
 *
 * @returns 0, -EINVAL (no group, not joined, or joined the other way), -ENODEV, -EADDRNOTAVAIL (is there already; is not), -ENOBUFS
 */
export function ipv6SockMcSource(
  ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr, source: In6Addr, add: boolean, mode: number = MCAST_INCLUDE,
): number {
  if (!in6IsMulticast(addr)) return -EINVAL;
  const member = findMember(ip6, sk, ifindex, addr);
  if (member === undefined) return add && mode === MCAST_INCLUDE ? ipv6SockMcJoin(ip6, sk, ifindex, addr, mode, [source]) : -EINVAL;
  if (member.mode !== mode) return -EINVAL;
  if (in6In(member.sources, source) === add) return -EADDRNOTAVAIL;
  if (!add && mode === MCAST_INCLUDE && member.sources.length === 1) return ipv6SockMcDrop(ip6, sk, ifindex, addr);
  if (add && member.sources.length >= IPV6_MAX_SOURCES) return -ENOBUFS;
  memberChanged(ip6, member, mode, add ? [...member.sources, source] : member.sources.filter((s) => !in6Equal(s, source)));
  return 0;
}

/** MCAST_MSFILTER: the whole filter at once. As {@link ipv6SockMcSource}; an empty list to include leaves the group. */
export function ipv6SockMcMsfilter(
  ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr, mode: number, sources: readonly In6Addr[],
): number {
  if (!in6IsMulticast(addr) || (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE)) return -EINVAL;
  if (sources.length > IPV6_MAX_SOURCES) return -ENOBUFS;
  const member = findMember(ip6, sk, ifindex, addr);
  if (member === undefined) return -EINVAL;
  if (mode === MCAST_INCLUDE && sources.length === 0) return ipv6SockMcDrop(ip6, sk, ifindex, addr);
  memberChanged(ip6, member, mode, sources.filter((s, i) => sources.findIndex((other) => in6Equal(other, s)) === i));
  return 0;
}

function findMember(ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr): McSock | undefined {
  return ip6.mcSocks.get(sk)?.find((m) => (ifindex === 0 || m.ifindex === ifindex) && in6Equal(m.addr, addr));
}

function memberChanged(ip6: Ipv6, member: McSock, mode: number, sources: readonly In6Addr[]): void {
  member.mode = mode;
  member.sources = sources;
  const dev = ip6.net.devices[member.ifindex] ?? null;
  const group = dev === null ? null : ipv6McGroup(dev, member.addr);
  if (group !== null) filterChanged(in6DevOf(dev!)!, group);
}

/** A socket is closed: it leaves all its groups. */
export function ipv6SockMcClose(ip6: Ipv6, sk: InetSock): void {
  const list = ip6.mcSocks.get(sk);
  if (list === undefined) return;
  ip6.mcSocks.delete(sk);
  for (const member of list) leave(ip6, member);
}

/**
 * Does the socket hear the group on that device, from the sender whose address is at `saddr` of `buf`? Without a membership of its own
 * as IPV6_MULTICAST_ALL says (Linux: inet6_mc_check).
 */
export function inet6McCheck(
  ip6: Ipv6, sk: InetSock, addr: In6Addr, ifindex: number, buf: Uint8Array, saddr: number,
): boolean {
  const list = ip6.mcSocks.get(sk);
  if (list === undefined) return sk.np === null || sk.np.mcAll;
  let joined = false;
  for (const m of list) {
    if (!in6Equal(m.addr, addr)) continue;
    if (m.ifindex === ifindex) return hears(m.mode, m.sources, buf, saddr);
    joined = true;
  }
  return !joined && (sk.np === null || sk.np.mcAll);
}

function leave(ip6: Ipv6, member: McSock): void {
  const dev = ip6.net.devices[member.ifindex] ?? null;
  const idev = dev === null ? null : in6DevOf(dev);
  if (idev !== null) ipv6DevMcDec(idev, member.addr, member);
}

function deviceFor(ip6: Ipv6, ifindex: number, addr: In6Addr): Inet6Dev | null {
  if (ifindex !== 0) {
    const dev = ip6.net.devices[ifindex] ?? null;
    return dev === null ? null : in6DevOf(dev);
  }
  const rt = ip6RouteOutput(ip6, addr, null, 0);
  return typeof rt === 'number' ? null : in6DevOf(rt.dev);
}
