/**
 * Worlds in one call: hosts, cables, addresses, names and routes of the shapes that one needs again and again. Each function
 * returns its parts by name; everything can be overridden, and added to afterwards.
 */
import type { Cable } from '../fabric/cable.ts';
import type { Switch } from '../fabric/switch.ts';
import { parseSubnet } from '../fabric/switch-options.ts';
import { formatIpv4Prefix, type Ipv4Prefix } from '../lib/addr.ts';
import { checkOptions, parseInteger } from '../lib/units.ts';
import type { Host, HostOptions } from './host.ts';
import type { CableOptions, World } from './world.ts';

/** Hosts in one of these shapes at most. */
export const TOPOLOGY_HOSTS_MAX = 65_000;
/** Hosts that a /24 has room for, beside a router. */
const SMALL_SEGMENT = 250;

/** What can be said about any of the shapes. */
export interface TopologyOptions {
  /** Of every cable. */
  readonly cable?: CableOptions;
  /** Of every host; routers get `forward` besides. */
  readonly host?: HostOptions;
  /** Names of the hosts (not the routers), in their order. */
  readonly names?: readonly string[];
  /** Before every name that was not given: `'left-'`. For more than one shape in a world. */
  readonly prefix?: string;
  /** Subnets, in the order of the segments: `['10.1.0.0/24', '10.2.0.0/24']`. Default: chosen. */
  readonly subnets?: readonly string[];
}

export interface TwoLansOptions extends TopologyOptions {
  /** Hosts in each of the LANs. Default 2. */
  readonly hosts?: number;
}

export interface NatGatewayOptions extends TopologyOptions {
  /** Hosts on the private side, and on the public side. Default 2 and 1. */
  readonly inside?: number;
  readonly outside?: number;
}

/** Two hosts and a cable. */
export interface TwoHosts<H> { readonly alice: H; readonly bob: H; readonly cable: Cable }
/** Hosts around a switch. */
export interface Star<H> { readonly switch: Switch; readonly hosts: readonly H[]; readonly cables: readonly Cable[] }
/** Two hosts with routers between them. */
export interface Line<H> { readonly left: H; readonly routers: readonly H[]; readonly right: H; readonly cables: readonly Cable[] }
/** A switch and its hosts. */
export interface Lan<H> { readonly switch: Switch; readonly hosts: readonly H[] }
/** Two LANs and the router between them. */
export interface TwoLans<H> { readonly router: H; readonly left: Lan<H>; readonly right: Lan<H> }
/** Private hosts behind a gateway that lends them its public address. */
export interface NatGateway<H> { readonly gateway: H; readonly inside: Lan<H>; readonly outside: Lan<H>; readonly server: H }
/** Hosts with a cable from each to each. */
export interface FullMesh<H> { readonly hosts: readonly H[]; readonly cables: readonly Cable[] }

const OPTIONS: readonly string[] = ['cable', 'host', 'names', 'prefix', 'subnets'];

/** Makes hosts and switches with the names and the options that were asked for. */
class Builder {
  readonly world: World;
  readonly options: TopologyOptions;
  readonly cables: Cable[] = [];
  private named = 0;
  private segments = 0;

  constructor(world: World, options: TopologyOptions, call: string, more: readonly string[] = []) {
    checkOptions(options, [...OPTIONS, ...more], call);
    this.world = world;
    this.options = options;
    if (options.names !== undefined && !Array.isArray(options.names)) throw new TypeError(`${call}: names: expected an array of names`);
    if (options.subnets !== undefined && !Array.isArray(options.subnets)) {
      throw new TypeError(`${call}: subnets: expected an array such as ['10.1.0.0/24']`);
    }
  }

  host(name: string): Host {
    return this.world.host(this.options.names?.[this.named++] ?? this.name(name), this.options.host ?? {});
  }

  router(name: string): Host {
    return this.world.router(this.name(name), this.options.host ?? {});
  }

  name(name: string): string {
    return `${this.options.prefix ?? ''}${name}`;
  }

  /** The subnet that was asked for the next segment, or null. */
  subnet(): Ipv4Prefix | null {
    const text = this.options.subnets?.[this.segments++];
    return text === undefined ? null : parseSubnet(text, 'subnets');
  }

  /** A switch for so many hosts. */
  lan(name: string, hosts: number, fallback?: string): Switch {
    const given = this.subnet();
    const own = given === null ? fallback : formatIpv4Prefix(given.addr, given.prefixLen);
    const subnet = own ?? (hosts > SMALL_SEGMENT ? this.world.largeSubnet() : undefined);
    return this.world.switch(this.name(name), subnet === undefined ? {} : { subnet });
  }

  plug(host: Host, sw: Switch): void {
    this.cables.push(this.world.cable(host, sw, this.options.cable ?? {}));
  }

  /** A cable from host to host, in the subnet that was asked for. */
  join(a: Host, b: Host): Cable {
    const subnet = this.subnet();
    const ends = [a, b].map((host, i) => {
      return subnet === null ? host : host.addInterface({ ip: formatIpv4Prefix(subnet.addr + i + 1, subnet.prefixLen) });
    });
    const cable = this.world.cable(ends[0]!, ends[1]!, this.options.cable ?? {});
    this.cables.push(cable);
    return cable;
  }
}

export function twoHosts(world: World, options: TopologyOptions): TwoHosts<Host> {
  const build = new Builder(world, options, 'twoHosts');
  const [alice, bob] = [build.host('alice'), build.host('bob')];
  return { alice, bob, cable: build.join(alice, bob) };
}

export function star(world: World, n: number, options: TopologyOptions): Star<Host> {
  const build = new Builder(world, options, 'star');
  parseInteger(n, 'star: n', 1, TOPOLOGY_HOSTS_MAX);
  const { hosts, switch: sw } = makeLan(build, build.lan('sw', n), n, 'h');
  return { switch: sw, hosts, cables: build.cables };
}

export function line(world: World, nRouters: number, options: TopologyOptions): Line<Host> {
  const build = new Builder(world, options, 'line');
  parseInteger(nRouters, 'line: nRouters', 0, 250);
  const left = build.host('left');
  const routers = Array.from({ length: nRouters }, (_, i) => build.router(`r${String(i + 1)}`));
  const right = build.host('right');
  const chain = [left, ...routers, right];
  for (let i = 0; i + 1 < chain.length; i++) build.join(chain[i]!, chain[i + 1]!);
  world.routes();
  return { left, routers, right, cables: build.cables };
}

export function twoLans(world: World, options: TwoLansOptions): TwoLans<Host> {
  const build = new Builder(world, options, 'twoLans', ['hosts']);
  const n = parseInteger(options.hosts ?? 2, 'hosts', 1, TOPOLOGY_HOSTS_MAX);
  const router = build.router('router');
  const [leftSw, rightSw] = [build.lan('left', n), build.lan('right', n)];
  for (const sw of [leftSw, rightSw]) build.plug(router, sw);
  const left = makeLan(build, leftSw, n, 'l');
  const right = makeLan(build, rightSw, n, 'r');
  world.routes();
  return { router, left, right };
}

/** The private and the public subnet of a gateway, unless said otherwise (RFC 1918, RFC 5737). */
const INSIDE = '192.168.1.0/24';
const OUTSIDE = '203.0.113.0/24';

export function natGateway(world: World, options: NatGatewayOptions): NatGateway<Host> {
  const build = new Builder(world, options, 'natGateway', ['inside', 'outside']);
  const nInside = parseInteger(options.inside ?? 2, 'inside', 1, SMALL_SEGMENT);
  const nOutside = parseInteger(options.outside ?? 1, 'outside', 1, SMALL_SEGMENT);
  const gateway = build.router('gateway');
  const [insideSw, outsideSw] = [build.lan('inside', nInside, INSIDE), build.lan('outside', nOutside, OUTSIDE)];
  for (const sw of [insideSw, outsideSw]) build.plug(gateway, sw);
  const inside = makeLan(build, insideSw, nInside, 'p');
  const servers = Array.from({ length: nOutside }, (_, i) => build.host(i === 0 ? 'server' : `server${String(i + 1)}`));
  for (const server of servers) build.plug(server, outsideSw);
  world.hide(gateway.interfaces[0]!);
  world.routes();
  gateway.configure(() => void gateway.sh(`iptables -t nat -A POSTROUTING -o ${gateway.interfaces[1]!.name} -j MASQUERADE`));
  return { gateway, inside, outside: { switch: outsideSw, hosts: servers }, server: servers[0]! };
}

export function fullMesh(world: World, n: number, options: TopologyOptions): FullMesh<Host> {
  const build = new Builder(world, options, 'fullMesh');
  parseInteger(n, 'fullMesh: n', 2, 128);
  const hosts = Array.from({ length: n }, (_, i) => build.host(`h${String(i + 1)}`));
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) build.join(hosts[i]!, hosts[j]!);
  world.routes();
  return { hosts, cables: build.cables };
}

function makeLan(build: Builder, sw: Switch, n: number, prefix: string): Lan<Host> {
  const hosts = Array.from({ length: n }, (_, i) => build.host(`${prefix}${String(i + 1)}`));
  for (const host of hosts) build.plug(host, sw);
  return { switch: sw, hosts };
}
