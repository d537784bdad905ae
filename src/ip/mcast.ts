/**
 * Multicast groups: what sockets have joined, and what a device hears for all of them together (RFC 1112, RFC 3376 §3; Linux:
 * ip_mc_join_group and its family). What the neighbours are told is in `ip/igmp.ts`.
 *
 * A membership is one object in two lists: its socket's, and its group's on the device. The device's filter follows from all
 * memberships of the group (RFC 3376 §3.2).
 */
import { INADDR_ALLHOSTS, ipv4IsMulticast } from '../lib/addr.ts';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../lib/errno.ts';
import { devMcAdd, devMcDel } from '../dev/mc-list.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { IPPROTO_IGMP } from '../sock/constants.ts';
import type { InetSock } from '../sock/sock.ts';
import { inDeviceOf, type InDevice } from './devinet.ts';
import { igmpGroupChanged, McGroup } from './igmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipRouteOutput } from './route.ts';

/** A filter names the sources that are heard, or those that are not (RFC 3376 §2; Linux's values). */
export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;

/** One socket in one group on one device. */
export class McMember {
  readonly group: number;
  readonly ifindex: number;
  mode: number;
  sources: number[] = [];

  constructor(group: number, ifindex: number, mode: number) {
    this.group = group;
    this.ifindex = ifindex;
    this.mode = mode;
  }
}

/** Which group on which device: by number, by one of its addresses, or (neither) by the route to the group. */
export interface McRequest {
  readonly group: number;
  readonly address: number;
  readonly ifindex: number;
}

/** 01:00:5e and the low 23 bits of the group (RFC 1112 §6.4). */
export function ipEthMcMap(group: number): Uint8Array {
  return Uint8Array.of(0x01, 0x00, 0x5e, (group >> 16) & 0x7f, (group >> 8) & 0xff, group & 0xff);
}

/** The device that a request means (Linux: ip_mc_find_dev). */
function findDev(ip: Ipv4, { group, address, ifindex }: McRequest): NetDevice | null {
  if (ifindex !== 0) return ip.net.devices[ifindex] ?? null;
  if (address !== 0) return ip.fib.local.lookup(address, 0)?.dev ?? null;
  const rt = ipRouteOutput(ip, group, 0, 0);
  return typeof rt === 'number' ? null : rt.dev;
}

function membersOf(sk: InetSock): McMember[] {
  return (sk.mcList as McMember[] | null) ?? [];
}

/** The socket's membership that a request means; the device when there is one. */
function findMember(ip: Ipv4, sk: InetSock, req: McRequest): { dev: NetDevice | null; member: McMember | undefined } {
  const dev = findDev(ip, req);
  return { dev, member: membersOf(sk).find((m) => m.group === req.group && (dev === null || m.ifindex === dev.ifindex)) };
}

/**
 * IP_ADD_MEMBERSHIP: `sk` hears the group. `mode` MCAST_INCLUDE: nobody in it yet (sources follow).
 *
 * @returns 0, -EINVAL (no group), -ENODEV, -EADDRINUSE (is in it already), -ENOBUFS (igmp_max_memberships)
 */
export function ipMcJoinGroup(ip: Ipv4, sk: InetSock, req: McRequest, mode: number = MCAST_EXCLUDE): number {
  if (!ipv4IsMulticast(req.group)) return -EINVAL;
  const dev = findDev(ip, req);
  if (dev === null) return -ENODEV;
  const members = membersOf(sk);
  if (members.some((m) => m.group === req.group && m.ifindex === dev.ifindex)) return -EADDRINUSE;
  if (members.length >= ip.sysctl.igmpMaxMemberships) return -ENOBUFS;
  const member = new McMember(req.group, dev.ifindex, mode);
  members.push(member);
  sk.mcList = members;
  addMember(ip, inDeviceOf(dev), member);
  return 0;
}

/** IP_DROP_MEMBERSHIP. 0, -ENODEV or -EADDRNOTAVAIL (is not in it). */
export function ipMcLeaveGroup(ip: Ipv4, sk: InetSock, req: McRequest): number {
  const { dev, member } = findMember(ip, sk, req);
  if (dev === null && req.ifindex === 0 && req.address === 0) return -ENODEV;
  if (member === undefined) return -EADDRNOTAVAIL;
  leave(ip, sk, member);
  return 0;
}

function leave(ip: Ipv4, sk: InetSock, member: McMember): void {
  const members = membersOf(sk);
  members.splice(members.indexOf(member), 1);
  removeMember(ip, member);
}

/** The socket is closed: it leaves all its groups (Linux: ip_mc_drop_socket). */
export function ipMcDropSocket(ip: Ipv4, sk: InetSock): void {
  const members = membersOf(sk);
  sk.mcList = null;
  for (const member of members) removeMember(ip, member);
}

/**
 * Adds a source to a socket's filter for a group, or takes it out (IP_ADD_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE and their
 * opposites). `mode`: the filter's kind that the call is about.
 *
 * @returns 0, -EINVAL (no group, not joined, or joined the other way), -ENODEV, -EADDRNOTAVAIL (there already, or not
 *   there), -ENOBUFS (igmp_max_msf)
 */
export function ipMcSource(ip: Ipv4, sk: InetSock, req: McRequest, mode: number, source: number, add: boolean): number {
  if (!ipv4IsMulticast(req.group)) return -EINVAL;
  const { dev, member } = findMember(ip, sk, req);
  if (dev === null) return -ENODEV;
  if (member === undefined) return -EINVAL;
  if (member.mode !== mode) {
    // A filter that names nobody may change sides.
    if (member.sources.length > 0) return -EINVAL;
    member.mode = mode;
  }
  const at = member.sources.indexOf(source);
  if (add ? at >= 0 : at < 0) return -EADDRNOTAVAIL;
  if (add && member.sources.length >= ip.sysctl.igmpMaxMsf) return -ENOBUFS;
  if (!add && mode === MCAST_INCLUDE && member.sources.length === 1) {
    leave(ip, sk, member); // from nobody at all
    return 0;
  }
  member.sources = add ? [...member.sources, source] : member.sources.filter((s) => s !== source);
  memberChanged(ip, member);
  return 0;
}

/** IP_MSFILTER: the whole filter at once. As {@link ipMcSource}; an empty list to include leaves the group. */
export function ipMcMsfilter(ip: Ipv4, sk: InetSock, req: McRequest, mode: number, sources: readonly number[]): number {
  if (!ipv4IsMulticast(req.group) || (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE)) return -EINVAL;
  const { dev, member } = findMember(ip, sk, req);
  if (dev === null) return -ENODEV;
  if (sources.length > ip.sysctl.igmpMaxMsf) return -ENOBUFS;
  if (member === undefined) return -EINVAL;
  if (mode === MCAST_INCLUDE && sources.length === 0) {
    leave(ip, sk, member);
    return 0;
  }
  member.mode = mode;
  member.sources = [...new Set(sources)];
  memberChanged(ip, member);
  return 0;
}

/** Does `sk` want what `saddr` says to the group `daddr`, by device `dif` (Linux: ip_mc_sf_allow)? */
export function ipMcSfAllow(sk: InetSock, daddr: number, saddr: number, dif: number): boolean {
  if (!ipv4IsMulticast(daddr)) return true;
  const members = sk.mcList as McMember[] | null;
  if (members !== null) {
    for (const m of members) {
      if (m.group === daddr && m.ifindex === dif) return m.sources.includes(saddr) === (m.mode === MCAST_INCLUDE);
    }
  }
  // IP_MULTICAST_ALL, on by default: what somebody else on this host has joined is heard, too.
  return sk.mcAll;
}

// ---- the device -----------------------------------------------------------------------------------------------------

/** Does the device hear `group` from `saddr` (Linux: ip_check_mc)? Of IGMP it hears all that concerns its groups. */
export function ipCheckMc(dev: NetDevice, group: number, saddr: number, protocol: number): boolean {
  if (group === INADDR_ALLHOSTS) return true; // RFC 1112 §4: every host is in it
  const found = (dev.inDev as InDevice | null)?.groups.get(group);
  if (found === undefined) return false;
  return protocol === IPPROTO_IGMP || found.sources.includes(saddr) === (found.mode === MCAST_INCLUDE);
}

function addMember(ip: Ipv4, inDev: InDevice, member: McMember): void {
  let group = inDev.groups.get(member.group);
  if (group === undefined) {
    group = new McGroup(inDev, member.group);
    inDev.groups.set(member.group, group);
    devMcAdd(inDev.dev, ipEthMcMap(member.group));
  }
  group.members.push(member);
  filterChanged(ip, group);
}

function removeMember(ip: Ipv4, member: McMember): void {
  const group = groupOf(ip, member);
  if (group === undefined) return; // the device went away before
  group.members.splice(group.members.indexOf(member), 1);
  if (group.members.length === 0) {
    group.inDev.groups.delete(member.group);
    devMcDel(group.inDev.dev, ipEthMcMap(member.group));
  }
  filterChanged(ip, group);
}

function memberChanged(ip: Ipv4, member: McMember): void {
  const group = groupOf(ip, member);
  if (group !== undefined) filterChanged(ip, group);
}

function groupOf(ip: Ipv4, member: McMember): McGroup | undefined {
  return (ip.net.devices[member.ifindex]?.inDev as InDevice | null | undefined)?.groups.get(member.group);
}

/** RFC 3376 §3.2: the device's filter from those of its sockets. Ways to and from the group are looked up anew. */
function filterChanged(ip: Ipv4, group: McGroup): void {
  const excluding = group.members.filter((m) => m.mode === MCAST_EXCLUDE);
  const including = new Set(group.members.filter((m) => m.mode === MCAST_INCLUDE).flatMap((m) => m.sources));
  const [first, ...others] = excluding;
  const { mode, sources } = group;
  group.mode = first === undefined ? MCAST_INCLUDE : MCAST_EXCLUDE;
  group.sources = first === undefined
    ? [...including]
    : first.sources.filter((s) => !including.has(s) && others.every((m) => m.sources.includes(s)));
  ip.fib.generation++;
  igmpGroupChanged(ip, group, mode, sources);
}
