/**
 * getaddrinfo(3) and getnameinfo(3) (RFC 3493 §6): from names to addresses to connect to, and back.
 *
 *   from  host/kernel.ts    kernel.getaddrinfo, getnameinfo
 *         node/lookup.ts    dns.lookup
 *   to    host/dns/stub.ts  what the hosts files do not have
 */
import { SOCK_DGRAM, SOCK_STREAM } from '../../sock/constants.ts';
import type { ResolvedAddress } from '../resolver.ts';
import { serviceName, servicePort } from '../services.ts';
import { dataOf } from './chain.ts';
import type { DnsCode, EaiCode } from './errors.ts';
import { addressFamily, nameProblem, reverseName } from './names.ts';
import type { Lookup, StubResolver } from './stub.ts';

export const AI_PASSIVE = 0x01;
export const AI_CANONNAME = 0x02;
export const AI_NUMERICHOST = 0x04;
export const AI_V4MAPPED = 0x08;
export const AI_ALL = 0x10;
export const AI_ADDRCONFIG = 0x20;
export const AI_NUMERICSERV = 0x400;
const AI_KNOWN: number = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_NUMERICSERV;

/** What is wanted. */
export interface AddrHints {
  /** AI_* flags. */
  readonly flags?: number;
  /** 4, 6, or 0 for both (the default). */
  readonly family?: 0 | 4 | 6;
  /** SOCK_STREAM or SOCK_DGRAM; 0 (the default) for either. */
  readonly socktype?: number;
}

/** An address to connect to or to bind. */
export interface AddrInfo {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** SOCK_STREAM or SOCK_DGRAM; 0 when hints said neither. */
  readonly socktype: number;
  /** The name that has the address, of the first entry when AI_CANONNAME was asked for. */
  readonly canonname?: string;
}

/** What getaddrinfo asks its host about. */
export interface AddrSource {
  readonly resolver: StubResolver;
  /** Has this host an address of the family, loopback aside (AI_ADDRCONFIG)? */
  hasFamily(family: 4 | 6): boolean;
  /** Puts destinations into the order in which to try them (RFC 6724 §6). */
  order(list: readonly ResolvedAddress[]): readonly ResolvedAddress[];
}

/** Addresses with the name that has them, or why there are none. */
interface Found {
  readonly list: readonly ResolvedAddress[];
  readonly canonname: string;
}

/**
 * getaddrinfo(3). `node` null: this host (AI_PASSIVE: any address); `service` a port, the name of one, or null.
 *
 * @returns the addresses in the order in which to try them, or why there are none
 */
export async function getaddrinfo(
  source: AddrSource, node: string | null, service: string | number | null, hints: AddrHints = {},
): Promise<readonly AddrInfo[] | EaiCode> {
  const { flags = 0, family = 0, socktype = 0 } = hints;
  if ((flags & ~AI_KNOWN) !== 0) return 'EAI_BADFLAGS';
  if (node === null && ((flags & AI_CANONNAME) !== 0)) return 'EAI_BADFLAGS';
  if (node === null && service === null) return 'EAI_NONAME';
  if (socktype !== 0 && socktype !== SOCK_STREAM && socktype !== SOCK_DGRAM) return 'EAI_SOCKTYPE';
  const port = portOf(service, socktype, flags);
  if (typeof port === 'string') return port;
  const found = node === null ? ownAddresses(source, family, flags) : await addressesOf(source, node, family, flags);
  if (typeof found === 'string') return found;
  const canonname = (flags & AI_CANONNAME) !== 0 ? { canonname: found.canonname } : {};
  return found.list.map(({ address, family: f }, i) => ({ address, family: f, port, socktype, ...(i === 0 ? canonname : {}) }));
}

function portOf(service: string | number | null, socktype: number, flags: number): number | EaiCode {
  if (service === null) return 0;
  const text = String(service);
  if (/^\d{1,5}$/.test(text)) return Number(text) <= 65535 ? Number(text) : 'EAI_SERVICE';
  if ((flags & AI_NUMERICSERV) !== 0) return 'EAI_NONAME';
  return servicePort(text, socktype === SOCK_STREAM ? 'tcp' : socktype === SOCK_DGRAM ? 'udp' : null) ?? 'EAI_SERVICE';
}

function ownAddresses(source: AddrSource, family: 0 | 4 | 6, flags: number): Found {
  const passive = (flags & AI_PASSIVE) !== 0;
  const list: ResolvedAddress[] = [];
  if (family !== 6) list.push({ address: passive ? '0.0.0.0' : '127.0.0.1', family: 4 });
  if (family === 6 || (family === 0 && source.hasFamily(6))) list.push({ address: passive ? '::' : '::1', family: 6 });
  return { list, canonname: '' };
}

async function addressesOf(source: AddrSource, node: string, family: 0 | 4 | 6, flags: number): Promise<Found | EaiCode> {
  const mapped = family === 6 && (flags & AI_V4MAPPED) !== 0;
  const literal = addressFamily(node);
  if (literal !== 0) {
    if (family === 0 || family === literal) return { list: [{ address: node, family: literal }], canonname: node };
    return literal === 4 && mapped ? { list: [map4(node)], canonname: node } : 'EAI_NONAME';
  }
  if ((flags & AI_NUMERICHOST) !== 0 || nameProblem(node) !== null) return 'EAI_NONAME';
  const all = mapped && (flags & AI_ALL) !== 0;
  const found = await byName(source, node, mapped ? 0 : family, flags);
  if (typeof found === 'string') return found;
  const six = found.list.filter((a) => a.family === 6);
  const four = found.list.filter((a) => a.family === 4);
  // RFC 3493 §6.1: mapped ones when there is nothing better, or with AI_ALL besides.
  const list = !mapped ? found.list : six.length === 0 ? four.map((a) => map4(a.address))
    : all ? [...six, ...four.map((a) => map4(a.address))] : six;
  return list.length === 0 ? 'EAI_NODATA' : { list: source.order(list), canonname: found.canonname };
}

function map4(address: string): ResolvedAddress {
  return { address: `::ffff:${address}`, family: 6 };
}

/** nsswitch.conf's `hosts: files dns`. */
async function byName(source: AddrSource, node: string, family: 0 | 4 | 6, flags: number): Promise<Found | EaiCode> {
  const { resolver } = source;
  const known = fromFiles(resolver, node, family);
  if (known.length > 0) return { list: known, canonname: node.replace(/\.$/, '') };
  if (resolver.conf.nameservers.length === 0) return 'EAI_NONAME';
  const families = ([4, 6] as const)
    .filter((f) => (family === 0 || family === f) && ((flags & AI_ADDRCONFIG) === 0 || source.hasFamily(f)));
  if (families.length === 0) return 'EAI_NONAME';
  const lookups = await resolver.searchAll(node, families.map((f) => (f === 4 ? 'A' : 'AAAA')));
  const list = lookups.flatMap((lookup) => addressesIn(lookup));
  if (list.length > 0) return { list, canonname: lookups.find((lookup) => lookup.code === null)!.canonical };
  return whyNot(lookups);
}

function addressesIn({ records }: Lookup): ResolvedAddress[] {
  return [
    ...dataOf(records, 'A').map((address) => ({ address, family: 4 as const })),
    ...dataOf(records, 'AAAA').map((address) => ({ address, family: 6 as const })),
  ];
}

/** A server that failed may know the name another time; EAI_FAIL is for those that answer nonsense. */
function whyNot(lookups: readonly Lookup[]): EaiCode {
  const codes = lookups.map((lookup) => lookup.code);
  const any = (...these: readonly DnsCode[]): boolean => codes.some((code) => code !== null && these.includes(code));
  if (any('ETIMEOUT', 'ECONNREFUSED', 'ESERVFAIL', 'EREFUSED')) return 'EAI_AGAIN';
  if (any('EBADRESP', 'EFORMERR', 'ENOTIMP')) return 'EAI_FAIL';
  return codes.includes('ENODATA') ? 'EAI_NODATA' : 'EAI_NONAME';
}

/** What the hosts files have of a name; nothing for what is no host name. */
export function fromFiles(resolver: StubResolver, node: string, family: 0 | 4 | 6): readonly ResolvedAddress[] {
  let found: readonly ResolvedAddress[];
  try {
    found = resolver.hosts.lookup(node);
  } catch {
    return [];
  }
  return family === 0 ? found : found.filter((a) => a.family === family);
}

/** A name and a service for an address and a port. */
export interface NameInfo {
  readonly hostname: string;
  readonly service: string;
}

/**
 * getnameinfo(3) with NI_NAMEREQD: from the hosts files, else by PTR record. A port without a name stays a number.
 *
 * @returns the names, or why there is none for the address
 */
export async function getnameinfo(
  source: AddrSource, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp',
): Promise<NameInfo | EaiCode> {
  const service = serviceName(port, protocol) ?? String(port);
  const names = await reverse(source.resolver, address);
  if (typeof names !== 'string') return { hostname: names[0]!, service };
  return names;
}

/** The names of an address: from the hosts files, else its PTR records. */
export async function reverse(resolver: StubResolver, address: string): Promise<readonly string[] | EaiCode> {
  const name = reverseName(address);
  if (name === null) return 'EAI_FAMILY';
  const own = resolver.hosts.nameOf(address);
  if (own !== null) return [own];
  if (resolver.conf.nameservers.length === 0) return 'EAI_NONAME';
  const lookup = await resolver.resolve(name, 'PTR');
  return lookup.code === null ? dataOf(lookup.records, 'PTR') : whyNot([lookup]) === 'EAI_AGAIN' ? 'EAI_AGAIN' : 'EAI_NONAME';
}
