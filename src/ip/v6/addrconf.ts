/**
 * The IPv6 addresses of a device: given, tried out (duplicate address detection), aged, taken away; and the routes and groups that
 * follow from them (RFC 4862; Linux: addrconf.c).
 *
 *   from  dev/registry.ts     a device comes, goes, has a new MTU or a link
 *         ip/v6/autoconf.ts   addresses made from advertised prefixes
 *         neigh/ndp-input.ts  somebody else has an address (addrconfDadFailure)
 */
import { EACCES, EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV } from '../../lib/errno.ts';
import {
  In6Addr, in6Any, in6Equal, in6FromEui64, in6InPrefix, in6IsAny, in6IsLinklocal, in6IsLoopback, in6IsMulticast, in6LinklocalAllnodes,
  in6LinklocalAllrouters, in6Loopback, in6Prefix, in6Scope, in6SolicitedNode,
} from '../../lib/addr6.ts';
import { NS_PER_MS, NS_PER_SEC } from '../../lib/units.ts';
import { Timer } from '../../time/timer.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { IFF_LOOPBACK, IFF_NOARP, type NetDevice } from '../../dev/net-device.ts';
import type { NetdevNotifier } from '../../dev/net.ts';
import { ndiscSendNs, ndiscSendUnsolicitedNa } from '../../neigh/ndp.ts';
import { RTN_LOCAL, RTN_UNICAST, RTPROT_KERNEL } from '../fib.ts';
import { addrconfRsStart, addrconfRsStop } from './autoconf.ts';
import type { Fib6Route } from './fib6.ts';
import { in6DevOf, inet6Addrs, Inet6Dev, Inet6IfAddr } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ipv6DevMcDec, ipv6DevMcInc, ipv6McDestroy, ipv6McDown, ipv6McUp } from './mcast.ts';
import { ip6ForgetRedirects } from './route.ts';
import { routerAdvStop, routerAdvStart } from './router-adv.ts';
import { IP6_RT_PRIO_ADDRCONF, RTN_ANYCAST } from './rtn.ts';

/** fe80::/10, and /64 of it on a link. */
export const in6LinklocalPrefix: In6Addr = new In6Addr(0xfe800000, 0, 0, 0);

/** How an address is added. Times in seconds. */
export interface AddrOptions {
  /** Valid and preferred lifetime; left out: for ever. */
  readonly validLft?: number;
  readonly preferredLft?: number;
  /** Used at once, without duplicate address detection. */
  readonly nodad?: boolean;
  readonly noPrefixRoute?: boolean;
  /** It follows from an advertisement. */
  readonly autoconf?: boolean;
}

// ---- questions ------------------------------------------------------------------------------------------------------

/** Is `addr` one of this host's own, on `dev` (null: on any device), and in use? Linux: ipv6_chk_addr. */
export function ipv6ChkAddr(ip6: Ipv6, addr: In6Addr, dev: NetDevice | null): boolean {
  if (dev !== null) return in6DevOf(dev)?.find(addr)?.usable === true;
  const found = ip6.fib.local.lookup(addr, 0, 0, null);
  return found !== null && found.type === RTN_LOCAL;
}

/** The link-local address of a device that may be used; null when it has none (yet). */
export function ipv6GetLladdr(dev: NetDevice): In6Addr | null {
  return inet6Addrs(dev).find((ifa) => in6IsLinklocal(ifa.addr) && ifa.usable)?.addr ?? null;
}

/** Is `addr` in the network of one of the device's addresses? */
export function ipv6OnLink(dev: NetDevice, addr: In6Addr): boolean {
  return inet6Addrs(dev).some((ifa) => in6InPrefix(addr, ifa.addr, ifa.prefixLen));
}

// ---- adding and removing --------------------------------------------------------------------------------------------

/**
 * Gives the device an address (`ip -6 addr add`).
 *
 * @returns 0, -EEXIST, -EINVAL (prefix length, lifetimes), -EADDRNOTAVAIL (no address for a device), -EACCES (IPv6 is off on it),
 *   -ENODEV (the device is down for IPv6: MTU below 1280)
 */
export function inet6AddrAdd(dev: NetDevice, addr: In6Addr, prefixLen: number, options: AddrOptions = {}): number {
  const valid = options.validLft ?? Infinity;
  const preferred = options.preferredLft ?? Infinity;
  if (!(prefixLen >= 0 && prefixLen <= 128) || valid <= 0 || preferred > valid) return -EINVAL;
  if (in6IsAny(addr) || in6IsMulticast(addr)) return -EADDRNOTAVAIL;
  if (in6IsLoopback(addr) && (dev.flags & IFF_LOOPBACK) === 0) return -EADDRNOTAVAIL;
  const ip6 = dev.net.inet6 as Ipv6 | null;
  if (ip6 === null || dev.mtu < IPV6_MIN_MTU) return -ENODEV;
  const idev = in6DevOf(dev) ?? makeIdev(ip6, dev);
  if (idev.conf.disableIpv6 !== 0) return -EACCES;
  if (idev.find(addr) !== null) return -EEXIST;
  const autoconf = options.autoconf === true;
  const ifa = new Inet6IfAddr(idev, addr, prefixLen, !autoconf && valid === Infinity, autoconf, options.noPrefixRoute === true);
  setLifetimes(ifa, valid, preferred);
  insert(idev.addrs, ifa);
  if (idev.running) bringUp(ip6, ifa, options.nodad === true);
  armLifetimes(idev);
  ip6.fib.generation++;
  return 0;
}

/** Takes an address away. 0 or -EADDRNOTAVAIL. */
export function inet6AddrDel(dev: NetDevice, addr: In6Addr, prefixLen: number): number {
  const idev = in6DevOf(dev);
  const ifa = idev?.find(addr) ?? null;
  if (idev === null || ifa === null || ifa.prefixLen !== prefixLen) return -EADDRNOTAVAIL;
  removeAddr(ifa);
  return 0;
}

/** New lifetimes, in seconds from now; Infinity = for ever. */
export function inet6AddrSetLifetimes(ifa: Inet6IfAddr, valid: number, preferred: number): void {
  setLifetimes(ifa, valid, preferred);
  armLifetimes(ifa.idev);
  ifa.idev.ip6.fib.generation++; // which source is best may have changed
}

function setLifetimes(ifa: Inet6IfAddr, valid: number, preferred: number): void {
  const { now } = ifa.idev.ip6.net.cpu;
  ifa.validUntil = valid === Infinity ? 0 : now + valid * NS_PER_SEC;
  ifa.preferredUntil = preferred === Infinity ? 0 : now + preferred * NS_PER_SEC;
  ifa.deprecated = preferred === 0;
}

/** Linux's order: by scope, the widest first; within one scope the newest last. */
function insert(addrs: Inet6IfAddr[], ifa: Inet6IfAddr): void {
  const scope = in6Scope(ifa.addr);
  let i = 0;
  while (i < addrs.length && in6Scope(addrs[i]!.addr) >= scope) i++;
  addrs.splice(i, 0, ifa);
}

function removeAddr(ifa: Inet6IfAddr): void {
  const { idev } = ifa;
  takeDown(ifa);
  idev.addrs.splice(idev.addrs.indexOf(ifa), 1);
  idev.ip6.fib.generation++;
}

/** The device is up: the address is tried out, or used at once. */
function bringUp(ip6: Ipv6, ifa: Inet6IfAddr, nodad: boolean): void {
  const { idev } = ifa;
  const { dev, conf } = idev;
  if (!ifa.noPrefixRoute) addPrefixRoute(ip6, ifa);
  if ((dev.flags & IFF_LOOPBACK) === 0) ipv6DevMcInc(idev, in6SolicitedNode(ifa.addr), conf.quiet);
  if (nodad || conf.dadTransmits === 0 || conf.acceptDad === 0 || (dev.flags & (IFF_LOOPBACK | IFF_NOARP)) !== 0) {
    dadCompleted(ip6, ifa);
    return;
  }
  ifa.tentative = true;
  if (idev.ready) dadStart(ip6, ifa);
}

/** The address is not used any more: its routes, its group, its timer end. */
function takeDown(ifa: Inet6IfAddr): void {
  const { idev, addr } = ifa;
  const { ip6, dev } = idev;
  ifa.dadTimer?.del();
  ip6.fib.local.remove({ dst: addr, prefixLen: 128, type: RTN_LOCAL, dev });
  removeAnycast(ip6, ifa);
  if (!ifa.noPrefixRoute) removePrefixRoute(ip6, ifa);
  ip6.fib.main.removeAll((route) => route.dev === dev && route.src !== null && in6Equal(route.src, addr));
  if ((dev.flags & IFF_LOOPBACK) === 0) ipv6DevMcDec(idev, in6SolicitedNode(addr));
}

// ---- routes of an address -------------------------------------------------------------------------------------------

/** A route of the kernel's own. */
export function kernelRoute(dev: NetDevice, dst: In6Addr, prefixLen: number, type: number, metric: number): Fib6Route {
  return {
    dst, prefixLen, gateway: null, dev, metric, src: null, type, protocol: RTPROT_KERNEL, expires: 0, pref: 0, mtu: 0,
    metrics: null,
  };
}

function addPrefixRoute(ip6: Ipv6, ifa: Inet6IfAddr): void {
  const { dev } = ifa.idev;
  const dst = in6Prefix(ifa.addr, ifa.prefixLen);
  const metric = IP6_RT_PRIO_ADDRCONF;
  if (ip6.fib.main.find({ dst, prefixLen: ifa.prefixLen, dev, protocol: RTPROT_KERNEL, metric }) !== null) return;
  ip6.fib.main.add(kernelRoute(dev, dst, ifa.prefixLen, RTN_UNICAST, metric), false);
}

/** The network stays while another address is in it. */
function removePrefixRoute(ip6: Ipv6, ifa: Inet6IfAddr): void {
  const { addr, prefixLen, idev } = ifa;
  const shared = idev.addrs.some((o) => o !== ifa && o.prefixLen === prefixLen && !o.noPrefixRoute && in6InPrefix(o.addr, addr, prefixLen));
  if (!shared) ip6.fib.main.remove({ dst: in6Prefix(addr, prefixLen), prefixLen, dev: idev.dev, protocol: RTPROT_KERNEL });
}

/** A router hears the anycast address of each of its networks (RFC 4291 §2.6.1). */
function addAnycast(ip6: Ipv6, ifa: Inet6IfAddr): void {
  if (ifa.prefixLen >= 127 || (ifa.idev.dev.flags & IFF_LOOPBACK) !== 0) return; // RFC 6164: not on a link between two
  const dst = in6Prefix(ifa.addr, ifa.prefixLen);
  ip6.fib.local.add(kernelRoute(ifa.idev.dev, dst, 128, RTN_ANYCAST, 0), true);
}

function removeAnycast(ip6: Ipv6, ifa: Inet6IfAddr): void {
  ip6.fib.local.remove({ dst: in6Prefix(ifa.addr, ifa.prefixLen), prefixLen: 128, type: RTN_ANYCAST, dev: ifa.idev.dev });
}

/** The device became, or is no longer, one of a router's. */
export function addrconfForwarding(idev: Inet6Dev, on: boolean): void {
  const { ip6 } = idev;
  for (const ifa of idev.addrs) {
    if (on && ifa.usable) addAnycast(ip6, ifa);
    else removeAnycast(ip6, ifa);
  }
  if ((idev.dev.flags & IFF_LOOPBACK) === 0) {
    if (on) ipv6DevMcInc(idev, in6LinklocalAllrouters, idev.conf.quiet);
    else ipv6DevMcDec(idev, in6LinklocalAllrouters);
  }
  if (on) addrconfRsStop(idev);
  ip6.fib.generation++;
}

// ---- duplicate address detection (RFC 4862 §5.4) --------------------------------------------------------------------

/** Begins to try the address out; the first probe waits a moment, so that hosts that boot together do not speak together. */
function dadStart(ip6: Ipv6, ifa: Inet6IfAddr): void {
  const { conf } = ifa.idev;
  ifa.dadProbes = conf.dadTransmits;
  ifa.dadNonce.set(ip6.random.bytes(6));
  ifa.dadTimer ??= new Timer(ip6.net.sim, ip6.net.cpu, () => dadTimer(ip6, ifa));
  ifa.dadTimer.mod(ip6.net.cpu.now + ip6.random.below(Math.max(conf.routerSolicitationDelay, 1)) * NS_PER_MS);
}

function dadTimer(ip6: Ipv6, ifa: Inet6IfAddr): void {
  if (!ifa.tentative || ifa.dadFailed) return;
  if (ifa.dadProbes === 0) {
    dadCompleted(ip6, ifa);
    return;
  }
  ifa.dadProbes--;
  ndiscSendNs(ip6.ndisc, ifa.idev.dev, ifa.addr, in6SolicitedNode(ifa.addr), in6Any, ifa.dadNonce);
  ifa.dadTimer!.mod(ip6.net.cpu.now + ip6.ndisc.table.parms.retransTimeMs * NS_PER_MS);
}

/** Nobody objected: the address is this host's. */
function dadCompleted(ip6: Ipv6, ifa: Inet6IfAddr): void {
  const { idev } = ifa;
  const { dev } = idev;
  const wasTentative = ifa.tentative;
  ifa.tentative = false;
  ip6.fib.local.add(kernelRoute(dev, ifa.addr, 128, RTN_LOCAL, 0), false);
  if (idev.conf.forwarding !== 0) addAnycast(ip6, ifa);
  ip6.fib.generation++;
  if (!wasTentative) return;
  if (in6IsLinklocal(ifa.addr)) {
    ipv6McUp(idev); // reports may say now who sends them (RFC 3590 §4)
    addrconfRsStart(idev);
    routerAdvStart(idev);
  }
  if (idev.conf.ndiscNotify !== 0) ndiscSendUnsolicitedNa(ip6.ndisc, dev, ifa.addr);
}

/** Somebody else has the address, or tries the same one out: it is not used (RFC 4862 §5.4.5). */
export function addrconfDadFailure(ifa: Inet6IfAddr): void {
  const { idev } = ifa;
  ifa.dadTimer?.del();
  if (ifa.autoconf) {
    removeAddr(ifa);
    return;
  }
  ifa.dadFailed = true;
  const eui = in6FromEui64(in6LinklocalPrefix, idev.dev.addr);
  if (idev.conf.acceptDad > 1 && in6Equal(ifa.addr, eui)) idev.conf.disableIpv6 = 1;
}

// ---- lifetimes ------------------------------------------------------------------------------------------------------

function armLifetimes(idev: Inet6Dev): void {
  let next = Infinity;
  for (const ifa of idev.addrs) {
    if (ifa.validUntil !== 0) next = Math.min(next, ifa.validUntil);
    if (ifa.preferredUntil !== 0 && !ifa.deprecated) next = Math.min(next, ifa.preferredUntil);
  }
  const { net } = idev.ip6;
  if (next === Infinity) {
    idev.lifetimeTimer?.del();
    return;
  }
  idev.lifetimeTimer ??= new Timer(net.sim, net.cpu, () => lifetimesOver(idev), true);
  idev.lifetimeTimer.mod(next);
}

function lifetimesOver(idev: Inet6Dev): void {
  const { ip6 } = idev;
  const { now } = ip6.net.cpu;
  for (const ifa of [...idev.addrs]) {
    if (ifa.validUntil !== 0 && now >= ifa.validUntil) removeAddr(ifa);
    else if (ifa.preferredUntil !== 0 && now >= ifa.preferredUntil) ifa.deprecated = true;
  }
  ip6.fib.generation++;
  armLifetimes(idev);
}

// ---- devices come and go --------------------------------------------------------------------------------------------

/** Something happened to a device. */
export function addrconfChanged(ip6: Ipv6, dev: NetDevice, what: Parameters<NetdevNotifier['changed']>[1]): void {
  if (what === 'up') devUp(ip6, dev);
  else if (what === 'down') devDown(ip6, dev);
  else if (what === 'unregister') devUnregister(ip6, dev);
  else if (what === 'carrier') devCarrier(ip6, dev);
  else if (what === 'mtu') devMtu(ip6, dev);
  else if (in6DevOf(dev) !== null) {
    ip6.ndisc.table.flushDevice(dev);
    ip6.fib.generation++;
    if (in6DevOf(dev)!.conf.ndiscNotify === 0) return;
    for (const ifa of inet6Addrs(dev)) if (ifa.usable) ndiscSendUnsolicitedNa(ip6.ndisc, dev, ifa.addr);
  }
}

function makeIdev(ip6: Ipv6, dev: NetDevice): Inet6Dev {
  const idev = new Inet6Dev(ip6, dev);
  if ((dev.flags & IFF_LOOPBACK) !== 0) {
    idev.conf.quiet = true;
    idev.conf.dadTransmits = 0;
    idev.conf.disableIpv6 = 0; // a host without IPv6 on its cards still has ::1
  }
  dev.in6Dev = idev;
  return idev;
}

function joinOwnGroups(idev: Inet6Dev): void {
  ipv6DevMcInc(idev, in6LinklocalAllnodes, true); // RFC 4291 §2.8: every node is in it, and nobody reports it (RFC 3810 §6)
  if (idev.conf.forwarding !== 0 && (idev.dev.flags & IFF_LOOPBACK) === 0) ipv6DevMcInc(idev, in6LinklocalAllrouters, idev.conf.quiet);
}

/** The device is up: groups, the addresses that it has already, and its link-local one. */
export function devUp(ip6: Ipv6, dev: NetDevice): void {
  if (dev.mtu < IPV6_MIN_MTU) return;
  const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
  const old = in6DevOf(dev);
  if (old !== null && old.running) return;
  const idev = old ?? makeIdev(ip6, dev);
  if (!loopback && idev.conf.disableIpv6 !== 0) return;
  joinOwnGroups(idev);
  idev.running = true;
  idev.ready = loopback || dev.carrier;
  for (const ifa of idev.addrs) bringUp(ip6, ifa, false);
  if (loopback) {
    if (idev.addrs.length === 0) inet6AddrAdd(dev, in6Loopback, 128);
  } else if (idev.ready || idev.conf.dadTransmits === 0) {
    addLinklocal(idev);
  }
  ip6.fib.generation++;
}

function addLinklocal(idev: Inet6Dev): void {
  if (idev.conf.addrGenMode !== 0) return;
  const { dev, ip6 } = idev;
  if (inet6AddrAdd(dev, in6FromEui64(in6LinklocalPrefix, dev.addr), 64) < 0) return;
  if (idev.conf.dadTransmits !== 0) return; // the rest follows when it is known to be unique
  ipv6McUp(idev);
  addrconfRsStart(idev);
  if (idev.ready) routerAdvStart(idev);
  ip6.fib.generation++;
}

/** A link, or none. With one, what waited for it begins (RFC 4861 §6.3.7: a new link is asked for its routers). */
function devCarrier(ip6: Ipv6, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (idev === null || (dev.flags & IFF_LOOPBACK) !== 0) return;
  if (!dev.carrier) {
    ip6.ndisc.table.carrierDown(dev);
    ip6.fib.generation++;
    return;
  }
  if (!idev.running) return;
  const first = !idev.ready;
  idev.ready = true;
  if (idev.find(in6FromEui64(in6LinklocalPrefix, dev.addr)) === null) addLinklocal(idev);
  for (const ifa of idev.addrs) if (ifa.tentative && !ifa.dadFailed && ifa.dadTimer?.pending !== true) dadStart(ip6, ifa);
  if (ipv6GetLladdr(dev) === null) return;
  routerAdvStart(idev);
  if (first) return;
  ipv6McUp(idev);
  idev.raReceived = false;
  addrconfRsStart(idev);
}

/** The device is down for IPv6: routes, groups and what was learned are gone, and the addresses too, unless they are to stay. */
export function devDown(ip6: Ipv6, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (idev === null || !idev.running) return;
  idev.running = false;
  idev.ready = false;
  idev.raReceived = false;
  addrconfRsStop(idev);
  routerAdvStop(idev);
  idev.lifetimeTimer?.del();
  for (const ifa of [...idev.addrs]) {
    takeDown(ifa);
    // Linux: keep_addr_on_down is for permanent addresses, and not for link-local ones.
    const kept = idev.conf.keepAddrOnDown !== 0 && ifa.permanent && !in6IsLinklocal(ifa.addr);
    if (!kept && (dev.flags & IFF_LOOPBACK) === 0) idev.addrs.splice(idev.addrs.indexOf(ifa), 1);
  }
  ipv6McDown(idev);
  ip6.fib.main.removeAll((route) => route.dev === dev);
  ip6.fib.local.removeAll((route) => route.dev === dev);
  ip6ForgetRedirects(ip6, dev, null);
  ip6.ndisc.table.flushDevice(dev);
  ip6.fib.generation++;
}

function devUnregister(ip6: Ipv6, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (idev === null) return;
  devDown(ip6, dev);
  idev.addrs.length = 0;
  ipv6McDestroy(idev);
  dev.in6Dev = null;
  ip6.fib.generation++;
}

/** Below 1280 bytes there is no IPv6 (RFC 8200 §5). */
function devMtu(ip6: Ipv6, dev: NetDevice): void {
  const idev = in6DevOf(dev);
  if (dev.mtu < IPV6_MIN_MTU) {
    if (idev !== null) devDown(ip6, dev);
    return;
  }
  if (dev.up) devUp(ip6, dev);
  if (idev !== null && idev.conf.mtu > dev.mtu) idev.conf.mtu = 0; // an advertised one is never larger than the device's
  ip6.fib.generation++;
}
