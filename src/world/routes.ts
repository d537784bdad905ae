/**
 * Static routes for a whole world: every router learns the way to every subnet, every other host has a default route to the
 * nearest router. The ways are the shortest in routers; among equal ones the host that was added first is taken, and so two
 * equal worlds have equal routes.
 *
 *   from  world.ts      routes(), and the topologies that are made in one call
 *   to    ip/route.ts   routeAdd: as a static route, written down on the host's disk
 *
 * What a user has added stays, and wins: a route that is there already is not touched.
 */
import { RTN_UNICAST, RTPROT_STATIC } from '../ip/fib.ts';
import { routeAdd, routeDel } from '../ip/route.ts';
import { ip6RouteAdd, ip6RouteDel } from '../ip/v6/route-admin.ts';
import { ipv4Mask, type Ipv4Prefix } from '../lib/addr.ts';
import { in6Any, in6Prefix, type In6Addr, type Ipv6Prefix } from '../lib/addr6.ts';
import { ulaOf } from './addresses.ts';
import type { Host } from './host.ts';
import type { Interface } from './interface.ts';

/** Interfaces that share a wire. */
export type Wire = readonly Interface[];

/** A route that was made here. */
interface Planned {
  readonly host: Host;
  readonly step: () => void;
  readonly dst: number;
  readonly prefixLen: number;
  readonly gateway: number;
}

export class StaticRoutes {
  private readonly made: Planned[] = [];
  /** The IPv6 address that goes with each interface's IPv4 address. */
  private readonly gateways6: Map<number, In6Addr> = new Map();
  /** Interfaces behind which nobody else sees anything: the inside of a gateway that translates addresses. */
  readonly hidden: Set<Interface> = new Set();

  /** Makes them anew, for the wires as they are now. */
  compute(hosts: readonly Host[], wires: readonly Wire[]): void {
    for (const { host, step, dst, prefixLen, gateway } of this.made.splice(0)) {
      host.unconfigure(step);
      if (!host.running) continue;
      inKernel(host, () => routeDel(host.kernel.stack.ip, { dst, prefixLen, gateway, protocol: RTPROT_STATIC }));
      const to = network6(dst, prefixLen);
      inKernel(host, () => ip6RouteDel(host.kernel.stack.ip6, { dst: to.addr, prefixLen: to.prefixLen, protocol: RTPROT_STATIC }));
    }
    const ways = new Map<Host, Map<string, Way>>();
    for (const host of hosts) ways.set(host, new Map());
    const wiresOf = byHost(wires);
    this.gateways6.clear();
    for (const wire of wires) {
      for (const itf of wire) for (const address of itf.addresses) if (!itf.chosen6) this.gateways6.set(address.addr, ulaOf(address).addr);
    }
    for (const wire of wires) this.spread(wire, wiresOf, ways);
    for (const host of hosts) this.install(host, [...ways.get(host)!.values()]);
    this.neighbours(wiresOf);
  }

  /** From the subnets of one wire outwards, router by router: who is reached by whom. */
  private spread(target: Wire, wiresOf: ReadonlyMap<Host, readonly Wire[]>, ways: ReadonlyMap<Host, Map<string, Way>>): void {
    const subnets = subnetsOf(target);
    if (subnets.length === 0) return;
    const done = new Set<Host>(target.map((itf) => itf.host));
    const seen = new Set<Wire>([target]);
    const passed = new Set<Host>();
    const queue = [target];
    for (const wire of queue) {
      for (const inner of wire) {
        const router = inner.host;
        if (!forwards(router) || passed.has(router) || this.hidden.has(inner)) continue;
        passed.add(router);
        for (const outer of wiresOf.get(router) ?? []) {
          if (seen.has(outer)) continue;
          seen.add(outer);
          queue.push(outer);
          const gateway = outer.find((itf) => itf.host === router && itf.addresses.length > 0);
          if (gateway === undefined) continue;
          for (const { host } of outer) {
            if (done.has(host)) continue;
            done.add(host);
            const via = gatewayFor(host, outer, gateway);
            for (const subnet of subnets) ways.get(host)!.set(keyOf(subnet), { subnet, gateway: via });
          }
        }
      }
    }
  }

  /** Routers get them all; others a default route, and what leads another way. */
  private install(host: Host, ways: readonly Way[]): void {
    if (ways.length === 0) return;
    if (forwards(host)) {
      for (const way of ways) this.add(host, way.subnet, way.gateway);
      return;
    }
    const counts = new Map<number, number>();
    for (const { gateway } of ways) counts.set(gateway, (counts.get(gateway) ?? 0) + 1);
    let best = ways[0]!.gateway;
    for (const [gateway, count] of counts) if (count > counts.get(best)!) best = gateway;
    this.add(host, { addr: 0, prefixLen: 0 }, best);
    for (const way of ways) if (way.gateway !== best) this.add(host, way.subnet, way.gateway);
  }

  /** A host with several cards that passes nothing on: its neighbours on one wire reach its other addresses by that wire. */
  private neighbours(wiresOf: ReadonlyMap<Host, readonly Wire[]>): void {
    for (const [host, own] of wiresOf) {
      if (own.length < 2 || forwards(host)) continue;
      for (const wire of own) {
        const near = wire.find((itf) => itf.host === host && itf.addresses.length > 0);
        if (near === undefined) continue;
        const far = own.filter((other) => other !== wire).flatMap((other) => other.filter((itf) => itf.host === host));
        for (const neighbour of new Set(wire.map((itf) => itf.host))) {
          if (neighbour === host) continue;
          for (const itf of far) {
            for (const { addr } of itf.addresses) {
              const { ip } = neighbour.kernel.stack;
              if (ip.fib.main.lookup(addr, 0) === null) this.add(neighbour, { addr, prefixLen: 32 }, near.addresses[0]!.addr);
            }
          }
        }
      }
    }
  }

  private add(host: Host, subnet: Ipv4Prefix, gateway: number): void {
    const { addr: dst, prefixLen } = subnet;
    const to = network6(dst, prefixLen);
    const hop6 = this.gateways6.get(gateway) ?? null;
    const step = (): void => {
      // A route that is there already (-EEXIST) is the user's; a gateway that is not there (-ENETUNREACH) is down.
      inKernel(host, () => routeAdd(host.kernel.stack.ip, {
        dst, prefixLen, gateway, dev: null, metric: 0, type: RTN_UNICAST, protocol: RTPROT_STATIC,
      }));
      // The world's IPv6 addresses go with its IPv4 ones, and so do the ways. Where IPv6 is off, or a user's own, there is none.
      if (hop6 === null) return;
      inKernel(host, () => ip6RouteAdd(host.kernel.stack.ip6, {
        dst: to.addr, prefixLen: to.prefixLen, gateway: hop6, protocol: RTPROT_STATIC,
      }));
    };
    if (host.running) step();
    host.onDisk(step);
    this.made.push({ host, step, dst, prefixLen, gateway });
  }
}

/** The IPv6 network that goes with an IPv4 one; the default route and those to single hosts likewise. */
function network6(dst: number, prefixLen: number): Ipv6Prefix {
  if (prefixLen === 0) return { addr: in6Any, prefixLen: 0 };
  if (prefixLen === 32) return { addr: ulaOf({ addr: dst, prefixLen: 24 }).addr, prefixLen: 128 };
  return { addr: in6Prefix(ulaOf({ addr: dst, prefixLen }).addr, 64), prefixLen: 64 };
}

/** How a host gets to a subnet. */
interface Way {
  readonly subnet: Ipv4Prefix;
  readonly gateway: number;
}

function inKernel(host: Host, body: () => number): number {
  const { cpu } = host.kernel.stack.net;
  cpu.enter(0);
  const result = body();
  cpu.exit();
  return result;
}

function forwards(host: Host): boolean {
  return host.kernel.stack.ip.confAll.forwarding !== 0;
}

/** Of several addresses of the router, the one in a subnet of the host. */
function gatewayFor(host: Host, wire: Wire, router: Interface): number {
  const own = wire.filter((itf) => itf.host === host).flatMap((itf) => itf.addresses);
  const shared = router.addresses.find((g) => own.some((a) => ((a.addr ^ g.addr) & ipv4Mask(a.prefixLen)) === 0));
  return (shared ?? router.addresses[0]!).addr;
}

/** The subnets that a wire has addresses of, each once. */
function subnetsOf(wire: Wire): Ipv4Prefix[] {
  const found = new Map<string, Ipv4Prefix>();
  for (const itf of wire) {
    for (const { addr, prefixLen } of itf.addresses) {
      const network = addr & ipv4Mask(prefixLen);
      const subnet = { addr: network, prefixLen };
      found.set(keyOf(subnet), subnet);
    }
  }
  return [...found.values()];
}

function keyOf(subnet: Ipv4Prefix): string {
  return `${String(subnet.addr)}/${String(subnet.prefixLen)}`;
}

function byHost(wires: readonly Wire[]): Map<Host, Wire[]> {
  const found = new Map<Host, Wire[]>();
  for (const wire of wires) {
    for (const host of new Set(wire.map((itf) => itf.host))) {
      const own = found.get(host);
      if (own === undefined) found.set(host, [wire]);
      else own.push(wire);
    }
  }
  return found;
}
