/**
 * The IPv4 addresses of a device, the routes that follow from them, and the questions that they answer
 * (Linux: devinet.c and fib_frontend.c).
 */
import { ipv4IsLbcast, ipv4IsLoopback, ipv4IsMulticast, ipv4IsUnicast, ipv4IsZeronet, ipv4Mask } from '../lib/addr.ts';
import { EADDRNOTAVAIL, EEXIST, EINVAL } from '../lib/errno.ts';
import { INADDR_ALLHOSTS, INADDR_BROADCAST, INADDR_LOOPBACK } from '../lib/addr.ts';
import { devMcAdd } from '../dev/mc-list.ts';
import type { Net } from '../dev/net.ts';
import { IFF_LOOPBACK, type NetDevice } from '../dev/net-device.ts';
import { arpAnnounce } from '../neigh/arp.ts';
import { IpConf, ipConfMax } from './conf.ts';
import {
  RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST, RTPROT_KERNEL,
  type FibFilter, type FibRoute,
} from './fib.ts';
import { igmpDevDown, igmpDevUp, type IgmpDev, type McGroup } from './igmp.ts';
import type { Ipv4 } from './ipv4.ts';
import { ipEthMcMap } from './mcast.ts';

/** One address of a device. */
export interface IfAddr {
  readonly addr: number;
  readonly prefixLen: number;
  /** Directed broadcast, 0 on networks that have none (/31, /32: RFC 3021). */
  readonly broadcast: number;
  /** Not the first one in its subnet: never chosen as a source by itself. */
  secondary: boolean;
  /** RT_SCOPE_*: 127.0.0.0/8 stays inside the host. */
  readonly scope: number;
  /** `eth0`, or a name of its own that begins so. */
  readonly label: string;
}

/** The IPv4 side of a device (Linux: struct in_device): `dev.inDev`. */
export class InDevice {
  readonly dev: NetDevice;
  readonly conf: IpConf;
  readonly addrs: IfAddr[] = [];
  /** Groups that somebody has joined (`ip/mcast.ts`), and what the link is told of them (`ip/igmp.ts`). */
  readonly groups: Map<number, McGroup> = new Map();
  igmp: IgmpDev | null = null;

  constructor(dev: NetDevice) {
    this.dev = dev;
    const ip = dev.net.inet as Ipv4;
    this.conf = new IpConf(ip).copy(ip.confDefault);
  }
}

/** The IPv4 side of a device; it hears 224.0.0.1 from here on (RFC 1112 §4). */
export function inDeviceOf(dev: NetDevice): InDevice {
  if (dev.inDev === null) {
    dev.inDev = new InDevice(dev);
    devMcAdd(dev, ipEthMcMap(INADDR_ALLHOSTS));
  }
  return dev.inDev as InDevice;
}

/** The addresses of a device, in their order. */
export function inetAddrs(dev: NetDevice): readonly IfAddr[] {
  return dev.inDev === null ? [] : (dev.inDev as InDevice).addrs;
}

/** What else may be said about an address. */
export interface AddrOptions {
  /** Default: all ones in the host part, 0 (none) for /31 and /32. */
  readonly broadcast?: number | undefined;
  /** Default: host for 127.0.0.0/8, else global. */
  readonly scope?: number | undefined;
  readonly label?: string | undefined;
}

/** Gives the device an address; its local, connected and broadcast routes follow. 0, -EEXIST or -EINVAL. */
export function inetAddrAdd(dev: NetDevice, addr: number, prefixLen: number, options: AddrOptions = {}): number {
  if (!(prefixLen >= 0 && prefixLen <= 32) || !ipv4IsUnicast(addr)) return -EINVAL;
  const ip = dev.net.inet as Ipv4;
  const inDev = inDeviceOf(dev);
  const mask = ipv4Mask(prefixLen);
  const scope = options.scope ?? (ipv4IsLoopback(addr) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE);
  let secondary = false;
  for (const other of inDev.addrs) {
    if (other.prefixLen !== prefixLen || ((other.addr ^ addr) & mask) !== 0) continue;
    if (other.addr === addr) return -EEXIST;
    secondary = true;
  }
  const usual = prefixLen < 31 && !ipv4IsLoopback(addr) ? addr | ~mask : 0;
  const ifa: IfAddr = { addr, prefixLen, broadcast: options.broadcast ?? usual, secondary, scope, label: options.label ?? dev.name };
  inDev.addrs.push(ifa);
  addLocalRoute(ip, dev, ifa);
  if (dev.up) addSubnetRoutes(ip, dev, ifa);
  ip.fib.generation++;
  return 0;
}

/**
 * Takes the address away. With the first of a subnet all others in it go, unless promote_secondaries is set: then the next one
 * takes its place. 0 or -EADDRNOTAVAIL.
 */
export function inetAddrDel(dev: NetDevice, addr: number, prefixLen: number): number {
  const inDev = dev.inDev as InDevice | null;
  const ifa = inDev?.addrs.find((a) => a.addr === addr && a.prefixLen === prefixLen);
  if (inDev === null || ifa === undefined) return -EADDRNOTAVAIL;
  const ip = dev.net.inet as Ipv4;
  const mask = ipv4Mask(prefixLen);
  const others = ifa.secondary
    ? [] : inDev.addrs.filter((a) => a.secondary && a.prefixLen === prefixLen && ((a.addr ^ addr) & mask) === 0);
  const promoted = ipConfMax(ip, dev, 'promoteSecondaries') !== 0 ? others.shift() ?? null : null;
  for (const gone of promoted === null ? [ifa, ...others] : [ifa]) {
    inDev.addrs.splice(inDev.addrs.indexOf(gone), 1);
    ip.fib.local.remove({ dst: gone.addr, prefixLen: 32, type: RTN_LOCAL, dev });
    if (!gone.secondary) removeSubnetRoutes(ip, dev, gone);
    // Routes with this source are gone with it.
    while (ip.fib.main.remove({ src: gone.addr, dev }) !== null);
  }
  if (promoted !== null) {
    promoted.secondary = false;
    if (dev.up) addSubnetRoutes(ip, dev, promoted);
  }
  // With its last address a device gives up IP: no route leads by it.
  if (inDev.addrs.length === 0) while (ip.fib.main.remove({ dev }) !== null);
  ip.fib.generation++;
  return 0;
}

/** What an address is to this host: RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST or RTN_UNICAST. */
export function inetAddrType(ip: Ipv4, addr: number): number {
  if (ipv4IsZeronet(addr) || ipv4IsLbcast(addr)) return RTN_BROADCAST;
  if (ipv4IsMulticast(addr)) return RTN_MULTICAST;
  return ip.fib.local.lookup(addr, 0)?.type ?? RTN_UNICAST;
}

/** Is `addr` one of this host's own addresses? */
export function inetIsLocal(ip: Ipv4, addr: number): boolean {
  return inetAddrType(ip, addr) === RTN_LOCAL;
}

/**
 * The source address to use on `dev` (null: on any) towards `dst` (0: anywhere): the one in the same subnet, else the
 * device's first, else the first of another device. 0 when there is none.
 */
export function inetSelectAddr(ip: Ipv4, dev: NetDevice | null, dst: number): number {
  if (dev !== null) {
    const own = selectOn(dev, dst);
    if (own !== 0) return own;
  }
  for (const other of ip.net.devices) {
    if (other === null || other === dev) continue;
    const addr = selectOn(other, 0);
    if (addr !== 0) return addr;
  }
  return 0;
}

function selectOn(dev: NetDevice, dst: number): number {
  let first = 0;
  for (const ifa of inetAddrs(dev)) {
    if (ifa.secondary || ifa.scope === RT_SCOPE_HOST) continue;
    if (dst === 0 || ((ifa.addr ^ dst) & ipv4Mask(ifa.prefixLen)) === 0) return ifa.addr;
    if (first === 0) first = ifa.addr;
  }
  return first;
}

/** Is `addr` in the subnet of one of the device's addresses? */
export function inetOnLink(dev: NetDevice, addr: number): boolean {
  return inetAddrs(dev).some((ifa) => ((ifa.addr ^ addr) & ipv4Mask(ifa.prefixLen)) === 0);
}

// ---- devices come and go --------------------------------------------------------------------------------------------

/** A device is up: lo has its address from here on; subnets are reachable again. */
export function inetDevUp(ip: Ipv4, dev: NetDevice): void {
  if ((dev.flags & IFF_LOOPBACK) !== 0 && inetAddrs(dev).length === 0) {
    inetAddrAdd(dev, INADDR_LOOPBACK, 8);
  } else {
    for (const ifa of inetAddrs(dev)) addSubnetRoutes(ip, dev, ifa);
  }
  if (dev.inDev !== null) igmpDevUp(ip, dev.inDev as InDevice);
  if (ipConfMax(ip, dev, 'arpNotify') !== 0) for (const ifa of inetAddrs(dev)) arpAnnounce(dev, ifa.addr);
  ip.fib.generation++;
}

/** A device is down: every route by it is gone, but its addresses stay this host's own. */
export function inetDevDown(ip: Ipv4, dev: NetDevice): void {
  if (dev.inDev !== null) igmpDevDown(dev.inDev as InDevice);
  while (ip.fib.main.remove({ dev }) !== null);
  for (const type of [RTN_BROADCAST, RTN_LOCAL]) removeNetworks(ip, dev, type);
  ip.arp.table.flushDevice(dev);
  ip.fib.generation++;
}

/** A device leaves the host, with its addresses. */
export function inetDevUnregister(ip: Ipv4, dev: NetDevice): void {
  inetDevDown(ip, dev);
  while (ip.fib.local.remove({ dev }) !== null);
  dev.inDev = null;
  ip.fib.generation++;
}

/** The loopback device of a host: routes to own addresses lead there. */
export function loopbackDev(net: Net): NetDevice | null {
  for (const dev of net.devices) if (dev !== null && (dev.flags & IFF_LOOPBACK) !== 0) return dev;
  return null;
}

// ---- routes of an address -------------------------------------------------------------------------------------------

function addLocalRoute(ip: Ipv4, dev: NetDevice, ifa: IfAddr): void {
  ip.fib.local.add(kernelRoute(dev, ifa, ifa.addr, 32, RTN_LOCAL), false);
}

function addSubnetRoutes(ip: Ipv4, dev: NetDevice, ifa: IfAddr): void {
  const network = ifa.addr & ipv4Mask(ifa.prefixLen);
  const broadcast = directedBroadcast(ifa);
  if (broadcast !== 0 && broadcast !== INADDR_BROADCAST && !ifa.secondary) {
    ip.fib.local.add(kernelRoute(dev, ifa, broadcast, 32, RTN_BROADCAST), false);
  }
  if (ipv4IsZeronet(network) || ifa.secondary || ifa.prefixLen === 32) return;
  if ((dev.flags & IFF_LOOPBACK) !== 0) ip.fib.local.add(kernelRoute(dev, ifa, network, ifa.prefixLen, RTN_LOCAL), false);
  else ip.fib.main.add(kernelRoute(dev, ifa, network, ifa.prefixLen, RTN_UNICAST), false);
}

/** Where everybody in the subnet listens. Also on lo, which shows none as its own: 127.255.255.255 needs SO_BROADCAST. */
function directedBroadcast(ifa: IfAddr): number {
  return ifa.prefixLen < 31 ? ifa.addr | ~ipv4Mask(ifa.prefixLen) : 0;
}

function removeSubnetRoutes(ip: Ipv4, dev: NetDevice, ifa: IfAddr): void {
  const { prefixLen } = ifa;
  const dst = ifa.addr & ipv4Mask(prefixLen);
  const broadcast = directedBroadcast(ifa);
  if (broadcast !== 0) ip.fib.local.remove({ dst: broadcast, prefixLen: 32, type: RTN_BROADCAST, dev });
  ip.fib.local.remove({ dst, prefixLen, type: RTN_LOCAL, dev });
  ip.fib.main.remove({ dst, prefixLen, dev, protocol: RTPROT_KERNEL });
}

/** Removes the routes of a type by `dev` from the local table, but not those to single addresses of this host. */
function removeNetworks(ip: Ipv4, dev: NetDevice, type: number): void {
  for (const route of ip.fib.local.all()) {
    if (route.dev !== dev || route.type !== type || (type === RTN_LOCAL && route.prefixLen === 32)) continue;
    ip.fib.local.remove(route satisfies FibFilter);
  }
}

function kernelRoute(dev: NetDevice, ifa: IfAddr, dst: number, prefixLen: number, type: number): FibRoute {
  const scope = type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
  return { dst, prefixLen, gateway: 0, dev, metric: 0, src: ifa.addr, type, protocol: RTPROT_KERNEL, scope, onlink: false, metrics: null };
}
