/**
 * What `ping` and `traceroute` are pointed at: a name or an address, of either family; and how each family's probes are set up.
 *
 *   from  host/tools/ping.ts, host/tools/traceroute.ts
 *   to    the hosts files, then host/dns/host-resolver.ts
 */
import { formatIpv4, parseIpv4 } from '../../lib/addr.ts';
import { formatIpv6, parseIpv6Zone } from '../../lib/addr6.ts';
import {
  AF_INET, AF_INET6, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR, IP_RECVTTL, IP_TTL, IPPROTO_ICMP, IPPROTO_ICMPV6, IPV6_HOPLIMIT,
  IPV6_MTU_DISCOVER, IPV6_MULTICAST_HOPS, IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_UNICAST_HOPS, SOL_IP, SOL_IPV6,
} from '../../sock/constants.ts';
import { parseInteger } from '../../lib/units.ts';
import { ICMP_DEST_UNREACH, ICMP_ECHO } from '../../wire/icmp.ts';
import { ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REQUEST } from '../../wire/icmpv6.ts';
import { IPV4_HLEN_MIN } from '../../wire/ipv4.ts';
import { IPV6_HLEN } from '../../wire/ipv6.ts';
import { NameError } from '../dns/errors.ts';
import type { HostResolver } from '../dns/host-resolver.ts';
import type { ResolvedAddress } from '../resolver.ts';
import type { KernelProcess } from '../process.ts';
import { ToolError, type ToolHost } from './command.ts';

/** 4, 6, or 0: whichever the name has, IPv4 first. */
export type Family = 0 | 4 | 6;

/** Where probes go. */
export interface Target {
  /** Canonical, with the zone of a link-local address. */
  readonly address: string;
  readonly family: 4 | 6;
  /** What the hosts files call it; null when they do not know it, and when it was an address that was asked for. */
  readonly name: string | null;
}

/** The value of an option `family`. */
export function parseFamily(value: 4 | 6 | undefined, tool: string): Family {
  if (value === undefined) return 0;
  const family = parseInteger(value, `${tool}: family`, 4, 6);
  if (family === 4 || family === 6) return family;
  throw new TypeError(`${tool}: family: ${String(family)} is not understood; expected 4 or 6`);
}

/** What a target means; an error like the tool's own when nobody knows it, or nobody of that family. */
export async function findTarget(
  host: ToolHost, resolver: HostResolver, tool: string, target: string, family: Family,
): Promise<Target> {
  if (typeof target !== 'string') {
    throw new TypeError(`${tool}: target is ${typeof target}; expected a name or an address such as '10.0.0.2'`);
  }
  const own = literal(target);
  const found = own ?? fromHosts(host, target, family) ?? await fromServers(resolver, tool, target, family);
  if (family !== 0 && found.family !== family) {
    throw new ToolError(`${tool}: ${target}: Address family for hostname not supported`);
  }
  return { ...found, name: own === null ? host.hosts.nameOf(found.address) : null };
}

function literal(target: string): ResolvedAddress | null {
  const v4 = parseIpv4(target);
  if (v4 !== null) return { address: formatIpv4(v4), family: 4 };
  const v6 = parseIpv6Zone(target);
  return v6 === null ? null : { address: formatIpv6(v6.addr) + (v6.zone === '' ? '' : `%${v6.zone}`), family: 6 };
}

/** The hosts files answer at once. A name that has addresses of the other family only is known, too. */
function fromHosts(host: ToolHost, name: string, family: Family): ResolvedAddress | null {
  if (!/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(name)) return null;
  const v4 = host.hosts.lookup(name).find((a) => a.family === 4) ?? null;
  const v6 = host.hosts.lookup6(name)[0] ?? null;
  return family === 6 ? v6 ?? v4 : v4 ?? v6;
}

async function fromServers(resolver: HostResolver, tool: string, name: string, family: Family): Promise<ResolvedAddress> {
  try {
    return (await resolver.getaddrinfo(name, null, { family }))[0]!;
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    const why = error.code === 'EAI_AGAIN' ? 'Temporary failure in name resolution' : 'Name or service not known';
    throw new ToolError(`${tool}: ${name}: ${why}`);
  }
}

/** How probes of a family are made and what their answers are called. */
export interface ProbeFamily {
  readonly af: number;
  /** Of ping sockets. */
  readonly icmp: number;
  /** Of the options below; and RECVERR, RECVTTL, the TTL itself (for groups, too), its control message, MTU_DISCOVER. */
  readonly level: number;
  readonly recvErr: number;
  readonly recvTtl: number;
  readonly ttl: readonly number[];
  readonly ttlCmsg: number;
  readonly mtuDiscover: number;
  /** Types of an echo request and of "destination unreachable". */
  readonly echo: number;
  readonly unreach: number;
  /** Bytes of the IP header. */
  readonly hlen: number;
}

const PROBE4: ProbeFamily = {
  af: AF_INET, icmp: IPPROTO_ICMP, level: SOL_IP, recvErr: IP_RECVERR, recvTtl: IP_RECVTTL, ttl: [IP_TTL], ttlCmsg: IP_TTL,
  mtuDiscover: IP_MTU_DISCOVER, echo: ICMP_ECHO, unreach: ICMP_DEST_UNREACH, hlen: IPV4_HLEN_MIN,
};

const PROBE6: ProbeFamily = {
  af: AF_INET6, icmp: IPPROTO_ICMPV6, level: SOL_IPV6, recvErr: IPV6_RECVERR, recvTtl: IPV6_RECVHOPLIMIT,
  ttl: [IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS], ttlCmsg: IPV6_HOPLIMIT, mtuDiscover: IPV6_MTU_DISCOVER, echo: ICMPV6_ECHO_REQUEST,
  unreach: ICMPV6_DEST_UNREACH, hlen: IPV6_HLEN,
};

/** The words of a family. */
export function probeFamily(family: 4 | 6): ProbeFamily {
  return family === 4 ? PROBE4 : PROBE6;
}

/** A socket for probes: errors are kept with who says so. `ttl` undefined: the system's. */
export function probeSocket(
  p: KernelProcess, f: ProbeFamily, type: number, protocol: number, ttl: number | undefined, df: boolean,
): number {
  const fd = p.socket(f.af, type, protocol);
  p.setsockopt(fd, f.level, f.recvErr, 1);
  if (ttl !== undefined) for (const name of f.ttl) p.setsockopt(fd, f.level, name, ttl);
  if (df) p.setsockopt(fd, f.level, f.mtuDiscover, IP_PMTUDISC_DO);
  return fd;
}
