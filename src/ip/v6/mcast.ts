/**
 * Groups: which of them a device, and which socket, is in (RFC 3493 §5.2; Linux: mcast.c). What is told to routers is in mld.ts.
 *
 *   from  ip/v6/addrconf.ts    the groups of a node and of its addresses
 *         syscall, udp/        ipv6SockMcJoin, ipv6SockMcDrop, ipv6SockMcSource (IPV6_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP…)
 *
 * Sources are a matter of the socket: it hears those that it has named. Differs: routers are told of the group as a whole (RFC 3810
 * §4.2 would have the sources told as well), so that more may come to the device than is wanted.
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
import { mldGroupJoined, mldGroupLeft, mldStart, mldStop } from './mld.ts';
import { ip6RouteOutput } from './route.ts';

/** Groups that one socket may be in (Linux bounds them by net.core.optmem_max, which comes to about as many). */
export const IPV6_MAX_MEMBERSHIPS = 1024;

/** Sources of one group that one socket may name: Linux's net.ipv6.mld_max_msf. */
export const IPV6_MAX_SOURCES = 64;

/** A group that a device is in. */
export class Ifmcaddr6 {
  readonly addr: In6Addr;
  /** Who wants it: addresses, sockets. */
  users = 1;
  /** Joined without a word to routers. */
  quiet: boolean;
  /** The card listens. */
  active = false;
  /** Times that "we are in it now" is still to be said. */
  changeCount = 0;
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
  /** Who is heard; null: everybody. */
  sources: In6Addr[] | null;
}

// ---- devices --------------------------------------------------------------------------------------------------------

/** The device is in the group, once more. `quiet`: no report, unless somebody who wants one joins too. */
export function ipv6DevMcInc(idev: Inet6Dev, addr: In6Addr, quiet: boolean): void {
  const known = idev.groups.find((g) => in6Equal(g.addr, addr));
  if (known !== undefined) {
    known.users++;
    if (known.quiet && !quiet) {
      known.quiet = false;
      if (known.active) mldGroupJoined(idev, known);
    }
    return;
  }
  const group = new Ifmcaddr6(addr, quiet);
  idev.groups.push(group);
  if (idev.dev.up) activate(idev, group);
}

/** Once less; with the last one the device leaves the group. */
export function ipv6DevMcDec(idev: Inet6Dev, addr: In6Addr): void {
  const i = idev.groups.findIndex((g) => in6Equal(g.addr, addr));
  const group = idev.groups[i];
  if (group === undefined || --group.users > 0) return;
  idev.groups.splice(i, 1);
  deactivate(idev, group);
  mldGroupLeft(idev, group);
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

/** Is the device in the group? */
export function ipv6ChkMcastAddr(dev: NetDevice, addr: In6Addr): boolean {
  const idev = in6DevOf(dev);
  if (idev === null) return false;
  for (const group of idev.groups) if (in6Equal(group.addr, addr)) return true;
  return false;
}

// ---- sockets --------------------------------------------------------------------------------------------------------

/**
 * A socket joins a group on a device (0: by the route to the group).
 *
 * @returns 0, -EINVAL (no group), -ENODEV, -EADDRINUSE (is in it already), -ENOBUFS (in too many)
 */
export function ipv6SockMcJoin(ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr): number {
  if (!in6IsMulticast(addr)) return -EINVAL;
  const idev = deviceFor(ip6, ifindex, addr);
  if (idev === null) return -ENODEV;
  const list = ip6.mcSocks.get(sk) ?? [];
  if (list.some((m) => m.ifindex === idev.dev.ifindex && in6Equal(m.addr, addr))) return -EADDRINUSE;
  if (list.length >= IPV6_MAX_MEMBERSHIPS) return -ENOBUFS;
  list.push({ addr, ifindex: idev.dev.ifindex, sources: null });
  ip6.mcSocks.set(sk, list);
  ipv6DevMcInc(idev, addr, false);
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
 * A socket hears one source of a group more (MCAST_JOIN_SOURCE_GROUP, by which it joins), or one less; with the last one it leaves.
 *
 * @returns 0, -EINVAL (no group, or joined for everybody), -ENODEV, -EADDRNOTAVAIL (is heard already; is not), -ENOBUFS (too many)
 */
export function ipv6SockMcSource(ip6: Ipv6, sk: InetSock, ifindex: number, addr: In6Addr, source: In6Addr, add: boolean): number {
  if (!in6IsMulticast(addr)) return -EINVAL;
  const find = (): McSock | undefined =>
    ip6.mcSocks.get(sk)?.find((m) => (ifindex === 0 || m.ifindex === ifindex) && in6Equal(m.addr, addr));
  let member = find();
  if (member === undefined) {
    const err = add ? ipv6SockMcJoin(ip6, sk, ifindex, addr) : -EINVAL;
    if (err < 0) return err;
    member = find()!;
    member.sources = [];
  }
  const { sources } = member;
  if (sources === null) return -EINVAL;
  const i = sources.findIndex((other) => in6Equal(other, source));
  if ((i >= 0) === add) return -EADDRNOTAVAIL;
  if (!add) {
    if (sources.length === 1) return ipv6SockMcDrop(ip6, sk, ifindex, addr);
    sources.splice(i, 1);
    return 0;
  }
  if (sources.length >= IPV6_MAX_SOURCES) return -ENOBUFS;
  sources.push(source);
  return 0;
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
    if (m.ifindex === ifindex) return m.sources === null || m.sources.some((source) => in6EqualsAt(source, buf, saddr));
    joined = true;
  }
  return !joined && (sk.np === null || sk.np.mcAll);
}

function leave(ip6: Ipv6, member: McSock): void {
  const dev = ip6.net.devices[member.ifindex] ?? null;
  const idev = dev === null ? null : in6DevOf(dev);
  if (idev !== null) ipv6DevMcDec(idev, member.addr);
}

function deviceFor(ip6: Ipv6, ifindex: number, addr: In6Addr): Inet6Dev | null {
  if (ifindex !== 0) {
    const dev = ip6.net.devices[ifindex] ?? null;
    return dev === null ? null : in6DevOf(dev);
  }
  const rt = ip6RouteOutput(ip6, addr, null, 0);
  return typeof rt === 'number' ? null : in6DevOf(rt.dev);
}
