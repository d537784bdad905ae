/**
 * `kernel.resolver`: the stub resolver of a host with its door: getaddrinfo(3), getnameinfo(3), and questions for records.
 * Failures are {@link NameError}s with Node's codes.
 */
import { inetAddrs } from '../../ip/devinet.ts';
import { ipRouteOutput } from '../../ip/route.ts';
import { inet6Addrs } from '../../ip/v6/inet6-dev.ts';
import { ip6RouteOutput } from '../../ip/v6/route.ts';
import { ip6SortDestinations } from '../../ip/v6/select.ts';
import { ipv4IsLoopback, parseIpv4 } from '../../lib/addr.ts';
import { in6FromV4, in6IsLoopback, parseIpv6 } from '../../lib/addr6.ts';
import type { HostStack } from '../boot.ts';
import { show } from '../door.ts';
import { KernelProcess } from '../process.ts';
import type { HostsFile, ResolvedAddress } from '../resolver.ts';
import { getaddrinfo, getnameinfo, type AddrHints, type AddrInfo, type AddrSource, type NameInfo } from './addrinfo.ts';
import { eaiError, queryError } from './errors.ts';
import { hostNow } from './exchange.ts';
import { RECORD_TYPES, type DnsRecord, type QueryType } from './message.ts';
import { addressFamily, reverseName } from './names.ts';
import { StubResolver } from './stub.ts';

export class HostResolver extends StubResolver implements AddrSource {
  private readonly stack: HostStack;

  constructor(stack: HostStack, hosts: HostsFile, seed: number) {
    const { net, layer } = stack;
    super({
      hosts, seed, hostname: net.name, now: () => hostNow(net),
      makeProcess: () => new KernelProcess(layer, { name: 'resolver' }),
    });
    this.stack = stack;
  }

  get resolver(): StubResolver {
    return this;
  }

  hasFamily(family: 4 | 6): boolean {
    const { devices } = this.stack.net;
    if (family === 6) return devices.some((dev) => dev !== null && inet6Addrs(dev).some((ifa) => !in6IsLoopback(ifa.addr)));
    return devices.some((dev) => dev !== null && inetAddrs(dev).some((ifa) => !ipv4IsLoopback(ifa.addr)));
  }

  /** RFC 6724 §6, when there is a choice of families; those that cannot be reached at all keep their order. */
  order(list: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
    if (!list.some((a) => a.family === 4) || !list.some((a) => a.family === 6)) return list;
    const { ip, ip6 } = this.stack;
    const ways = list.flatMap((given) => {
      const v4 = parseIpv4(given.address);
      const addr = v4 === null ? parseIpv6(given.address) : in6FromV4(v4);
      if (addr === null) return [];
      const rt = v4 === null ? ip6RouteOutput(ip6, addr, null, 0) : ipRouteOutput(ip, v4, 0, 0);
      const source = typeof rt === 'number' ? null : typeof rt.src === 'number' ? in6FromV4(rt.src) : rt.src;
      return [{ addr, source, given }];
    });
    return ways.every((way) => way.source === null) ? list : ip6SortDestinations(ways).map((way) => way.given);
  }

  /**
   * getaddrinfo(3): addresses to connect to, in the order in which to try them. `service` is a port, the name of one, or null.
   *
   * @throws NameError ENOTFOUND (no such name, or no address of the family), EAI_AGAIN (the servers do not answer), EAI_FAIL,
   *   EAI_SERVICE, EAI_BADFLAGS
   */
  async getaddrinfo(node: string | null, service: string | number | null = null, hints: AddrHints = {}): Promise<readonly AddrInfo[]> {
    if (node !== null && typeof node !== 'string') {
      throw new TypeError(`getaddrinfo: node is ${show(node)}; expected a name, an address or null`);
    }
    const found = await getaddrinfo(this, node, service, hints);
    if (typeof found === 'string') throw eaiError(found, 'getaddrinfo', node ?? '');
    return found;
  }

  /** getnameinfo(3): the name of an address and that of a port. */
  async getnameinfo(address: string, port: number = 0, protocol: 'tcp' | 'udp' = 'tcp'): Promise<NameInfo> {
    checkAddress(address, 'getnameinfo');
    const found = await getnameinfo(this, address, port, protocol);
    if (typeof found === 'string') throw eaiError(found, 'getnameinfo', address);
    return found;
  }

  /**
   * Asks the name servers for records, trying the search list. Hosts files are not looked at.
   *
   * @throws NameError ENOTFOUND, ENODATA (the name has other records), ESERVFAIL, EREFUSED, ETIMEOUT, ECONNREFUSED…
   */
  async query(name: string, type: QueryType = 'A'): Promise<readonly DnsRecord[]> {
    if (type !== 'ANY' && !RECORD_TYPES.includes(type)) {
      throw new TypeError(`query: type is ${show(type)}; expected ANY or one of ${RECORD_TYPES.join(', ')}`);
    }
    const lookup = await this.search(name, type);
    if (lookup.code !== null) throw queryError(lookup.code, `query${type.charAt(0)}${type.slice(1).toLowerCase()}`, name);
    return lookup.records;
  }

  /** The names of an address, by its PTR records. Fails as `query`. */
  async queryPtr(address: string): Promise<readonly DnsRecord[]> {
    checkAddress(address, 'queryPtr');
    const lookup = await this.resolve(reverseName(address)!, 'PTR');
    if (lookup.code !== null) throw queryError(lookup.code, 'getHostByAddr', address);
    return lookup.records;
  }
}

function checkAddress(address: unknown, call: string): void {
  if (typeof address === 'string' && addressFamily(address) !== 0) return;
  throw new TypeError(`${call}: address is ${show(address)}; expected an IP address such as '10.0.0.2'`);
}
