/**
 * Which way: from a destination to a device, a next hop and a source address.
 */
import { fail } from '../lib/assert.ts';
import type { NetDevice } from '../dev/net-device.ts';
import type { Neighbour } from '../neigh/neighbour.ts';
import type { Dst } from '../sock/dst.ts';
import type { InetSock } from '../sock/sock.ts';
import type { FibRoute } from './fib.ts';
import type { Ipv4 } from './ipv4.ts';

/** A way to one destination (Linux: struct rtable). Shared by all who send there; replaced when `valid` says so. */
export class Rtable implements Dst {
  readonly ip: Ipv4;
  readonly dev: NetDevice;
  /** RTN_UNICAST, RTN_LOCAL (the device is lo), RTN_BROADCAST, RTN_MULTICAST. */
  readonly type: number;
  readonly dst: number;
  /** The source to use when the sender names none. */
  readonly src: number;
  /** The next hop: a gateway, or `dst` itself. */
  readonly nexthop: number;
  readonly gateway: number;
  readonly oif: number;
  /** The neighbour of the next hop, looked up with the first packet. */
  neigh: Neighbour | null = null;
  /** Path MTU learned from ICMP, 0 = none, believed until `pmtuExpires` (ns of host time). */
  pmtu = 0;
  pmtuExpires = 0;
  generation = 0;

  constructor(ip: Ipv4, dev: NetDevice, type: number, dst: number, src: number, gateway: number, oif: number) {
    this.ip = ip;
    this.dev = dev;
    this.type = type;
    this.dst = dst;
    this.src = src;
    this.gateway = gateway;
    this.nexthop = gateway === 0 ? dst : gateway;
    this.oif = oif;
    this.generation = ip.fib.generation;
  }

  get mtu(): number {
    return this.pmtu !== 0 && this.ip.net.cpu.now < this.pmtuExpires ? this.pmtu : this.dev.mtu;
  }

  /** False once routes, addresses or devices have changed: look it up again. */
  get valid(): boolean {
    return this.generation === this.ip.fib.generation;
  }
}

export class RouteCache {
  entries = 0;
}

/** Largest IP packet on this way, header included. */
export function dstMtu(rt: Rtable): number {
  return rt.mtu;
}

/** The upper layer made progress: the next hop is reachable (Linux: dst_confirm). */
export function dstConfirm(rt: Rtable): void {
  if (rt.neigh !== null) rt.neigh.confirmed = rt.ip.net.cpu.now;
}

/**
 * The way to `daddr`. `saddr` 0: chosen, see `rt.src`; `oif` 0: any device.
 *
 * @returns the route, or a negative errno: -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL
 */
export function ipRouteOutput(_ip: Ipv4, _daddr: number, _saddr: number, _oif: number): Rtable | number {
  return fail('not yet');
}

/** The socket's cached route when it is still good, else a new one, which is cached in `sk.dst`. Negative errno on failure. */
export function ipRouteSock(_ip: Ipv4, _sk: InetSock): Rtable | number {
  return fail('not yet');
}

/** A trusted "fragmentation needed" about a packet of `sk`: remembers the path's MTU for `sk.daddr`. */
export function ipSkUpdatePmtu(_ip: Ipv4, _sk: InetSock, _mtu: number): void {
  fail('not yet');
}

/** Adds a route. 0 or a negative errno: -EEXIST, -EINVAL, -ENETUNREACH (gateway not on link), -ENETDOWN. */
export function routeAdd(_ip: Ipv4, _route: Partial<FibRoute>): number {
  return fail('not yet');
}

/** Removes the first route that matches what is given. 0 or -ESRCH. */
export function routeDel(_ip: Ipv4, _route: Partial<FibRoute>): number {
  return fail('not yet');
}
