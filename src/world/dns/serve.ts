/**
 * Name servers in one call: `host.nameServer(…)` for one, `world.dns(…)` for the tree from the root down to the zones, with
 * delegations, glue and a recursive server.
 */
import { addressFamily, canonicalName, isWithin, joinName, parentName, ROOT } from '../../host/dns/names.ts';
import { DNS_PORT } from '../../host/dns/message.ts';
import { checkOptions, parseInteger } from '../../lib/units.ts';
import type { Host } from '../host.ts';
import { Recursive } from './recursive.ts';
import { NameServer } from './server.ts';
import { Zone } from './zone.ts';
import { makeZone, type NameRecords, type ZoneOptions } from './zone-options.ts';

export interface NameServerOptions {
  /** The zone that it is in charge of. */
  readonly zone?: ZoneOptions | Zone;
  /** Several of them. */
  readonly zones?: readonly (ZoneOptions | Zone)[];
  /** Finds out for its clients what it does not know: addresses of the root's servers to begin at. */
  readonly rootHints?: readonly string[];
  /** The same by asking other recursive servers: their addresses. */
  readonly forward?: readonly string[];
  /** Default 53. */
  readonly port?: number;
}

const SERVER_OPTIONS: readonly string[] = ['zone', 'zones', 'rootHints', 'forward', 'port'];

/** Starts a name server on a host. */
export function startNameServer(host: Host, options: NameServerOptions): NameServer {
  checkOptions(options, SERVER_OPTIONS, 'nameServer');
  const zones = [...options.zones ?? [], ...(options.zone === undefined ? [] : [options.zone])]
    .map((zone) => (zone instanceof Zone ? zone : makeZone(zone)));
  const origins = zones.map((zone) => zone.origin);
  const twice = origins.find((origin, i) => origins.indexOf(origin) !== i);
  if (twice !== undefined) throw new TypeError(`nameServer: zones: ${twice} is there twice`);
  const { rootHints, forward } = options;
  if (rootHints !== undefined && forward !== undefined) throw new TypeError('nameServer: forward beside rootHints; choose one');
  if (zones.length === 0 && rootHints === undefined && forward === undefined) {
    throw new TypeError('nameServer: nothing to serve; expected zone, zones, rootHints or forward');
  }
  const port = parseInteger(options.port ?? DNS_PORT, 'nameServer: port', 1, 65535);
  const servers = checkAddresses(rootHints ?? forward, rootHints === undefined ? 'forward' : 'rootHints');
  const { kernel } = host;
  const recursive = servers === null ? null
    : new Recursive(
      kernel.process({ name: 'resolved', openFiles: 65536 }), host.world.seed, servers, forward !== undefined,
      (family) => kernel.resolver.hasFamily(family),
    );
  return new NameServer(kernel.process({ name: 'named' }), zones, recursive, port);
}

function checkAddresses(list: unknown, name: string): readonly string[] | null {
  if (list === undefined) return null;
  if (!Array.isArray(list) || list.length === 0) {
    throw new TypeError(`nameServer: ${name}: expected an array of addresses such as ['10.0.0.53']`);
  }
  for (const address of list as readonly unknown[]) {
    if (typeof address === 'string' && addressFamily(address) !== 0) continue;
    throw new TypeError(`nameServer: ${name}: '${String(address)}' is not an address`);
  }
  return list as readonly string[];
}

/** A zone of a tree: the host that serves it, and what is in it. */
export interface TreeZone {
  readonly on: Host;
  /** As in {@link ZoneOptions}. */
  readonly records?: Readonly<Record<string, NameRecords>>;
  readonly text?: string;
  readonly ttl?: number;
  readonly negativeTtl?: number;
}

/** Zones by origin; the root, `'.'`, is among them. */
export type DnsPlan = Readonly<Record<string, TreeZone>>;

/** A running tree. */
export interface DnsTree {
  /** By origin, in canonical form: `'example.com'`, `'.'`. */
  readonly servers: ReadonlyMap<string, NameServer>;
  /** The recursive one, when a host for it was named. */
  readonly resolver: NameServer | null;
  close(): void;
}

const ZONE_OPTIONS: readonly string[] = ['on', 'records', 'text', 'ttl', 'negativeTtl'];

/**
 * Starts a server per zone. Each zone is delegated by the one above it: NS records and glue are written by themselves, at
 * `ns.` of the zone and the address of its host. `resolver` becomes a recursive server that begins at the root.
 */
export function startDnsTree(plan: DnsPlan, resolver: Host | null): DnsTree {
  const zones = new Map<string, TreeZone>();
  for (const [name, zone] of Object.entries(plan)) {
    const origin = canonicalName(name, 'dns');
    checkOptions(zone, ZONE_OPTIONS, `dns: ${origin}`);
    if (typeof zone.on !== 'object' || !('kernel' in zone.on)) throw new TypeError(`dns: ${origin}: on: expected the host that serves it`);
    zones.set(origin, zone);
  }
  const root = zones.get(ROOT);
  if (root === undefined) throw new TypeError("dns: the root is missing; expected a zone '.'");
  const rootHints = reachableAt(root.on);
  const byHost = new Map<Host, { origin: string; options: ZoneOptions }[]>();
  for (const [origin, zone] of zones) {
    const options = { origin, text: `${delegations(origin, zones)}${zone.text ?? ''}`, ...picked(zone) };
    const list = byHost.get(zone.on) ?? [];
    list.push({ origin, options });
    byHost.set(zone.on, list);
  }
  const servers = new Map<string, NameServer>();
  for (const [host, list] of byHost) {
    const server = startNameServer(host, {
      zones: list.map((entry) => entry.options), ...(host === resolver ? { rootHints } : {}),
    });
    for (const { origin } of list) servers.set(origin, server);
  }
  const own = resolver === null ? null : byHost.has(resolver) ? servers.get(byHost.get(resolver)![0]!.origin)!
    : startNameServer(resolver, { rootHints });
  return {
    servers,
    resolver: own,
    close(): void {
      for (const server of servers.values()) server.close();
      own?.close();
    },
  };
}

function picked({ records, ttl, negativeTtl }: TreeZone): Partial<ZoneOptions> {
  return {
    ...(records === undefined ? {} : { records }), ...(ttl === undefined ? {} : { ttl }),
    ...(negativeTtl === undefined ? {} : { negativeTtl }),
  };
}

/** NS and address records: of the zone itself, and of each zone right below it. */
function delegations(origin: string, zones: ReadonlyMap<string, TreeZone>): string {
  const below = [...zones.keys()].filter((other) => other !== origin && isWithin(other, origin) && zoneAbove(other, zones) === origin);
  return [origin, ...below].map((zone) => {
    const dotted = zone === ROOT ? ROOT : `${zone}.`;
    const server = `${serverName(zone)}.`;
    const glue = reachableAt(zones.get(zone)!.on).map((ip) => `${server} ${ip.includes(':') ? 'AAAA' : 'A'} ${ip}\n`);
    return `${dotted} NS ${server}\n${glue.join('')}`;
  }).join('');
}

/** All its addresses that others can reach, IPv4 first. */
function reachableAt(host: Host): readonly string[] {
  return [...host.ips, ...host.ip6s];
}

function zoneAbove(name: string, zones: ReadonlyMap<string, TreeZone>): string {
  let at = parentName(name)!;
  while (!zones.has(at)) at = parentName(at)!;
  return at;
}

function serverName(zone: string): string {
  return zone === ROOT ? 'a.root-servers.net' : joinName('ns', zone);
}
