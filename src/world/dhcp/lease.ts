/** What a DHCP server lends, and what that changes on a host: address, default route, resolver, and the world's names. */
import { formatIpv4, ipv4IsUnicast, ipv4MaskLen } from '../../lib/addr.ts';
import { NS_PER_SEC } from '../../lib/units.ts';
import { inetAddrAdd, inetAddrDel } from '../../ip/devinet.ts';
import { RTN_UNICAST, RTPROT_DHCP } from '../../ip/fib.ts';
import { routeAdd, routeDel } from '../../ip/route.ts';
import { arpAnnounce } from '../../neigh/arp.ts';
import { nameProblem } from '../../host/dns/names.ts';
import {
  OPT_DNS, OPT_DOMAIN, OPT_LEASE_TIME, OPT_REBINDING_TIME, OPT_RENEWAL_TIME, OPT_ROUTER, OPT_SERVER_ID, OPT_SUBNET_MASK, type DhcpMessage,
} from '../../wire/dhcp.ts';
import type { Interface } from '../interface.ts';

export interface DhcpLease {
  readonly address: string;
  /** The same as int32. */
  readonly addr: number;
  readonly prefixLen: number;
  readonly server: string;
  readonly serverAddr: number;
  /** Default route, or null. */
  readonly router: string | null;
  readonly routerAddr: number;
  readonly dns: readonly string[];
  readonly domain: string | null;
  /** T1, T2 and the end, in virtual nanoseconds. */
  readonly renewNs: number;
  readonly rebindNs: number;
  readonly expiresNs: number;
}

/** A lease without an end has one after this time: 2^32 - 1 seconds mean for ever. */
const FOREVER_S = 0xffffffff;

/** What an offer or an acknowledgement lends, counted from `sentNs`; null when it makes no sense. */
export function leaseOf(m: DhcpMessage, sentNs: number): DhcpLease | null {
  const server = m.word(OPT_SERVER_ID);
  const time = m.word(OPT_LEASE_TIME);
  const mask = m.word(OPT_SUBNET_MASK);
  if (server === null || time === null || !ipv4IsUnicast(m.yiaddr) || !ipv4IsUnicast(server)) return null;
  const prefixLen = mask === null ? 24 : ipv4MaskLen(mask);
  if (prefixLen < 1) return null;
  const seconds = time >>> 0;
  if (seconds === 0) return null;
  // RFC 2131 §4.4.5: half, and seven eighths, unless the server says otherwise, and in this order.
  const told = [(m.word(OPT_RENEWAL_TIME) ?? seconds / 2) >>> 0, (m.word(OPT_REBINDING_TIME) ?? seconds * 7 / 8) >>> 0] as const;
  const inOrder = told[0] <= told[1] && told[1] <= seconds;
  const [t1, t2] = inOrder ? told : [seconds / 2, seconds * 7 / 8];
  const [router = 0] = m.words(OPT_ROUTER);
  const domain = m.text(OPT_DOMAIN);
  const at = (s: number): number => sentNs + (seconds === FOREVER_S ? FOREVER_S : s) * NS_PER_SEC;
  return {
    address: formatIpv4(m.yiaddr), addr: m.yiaddr, prefixLen, server: formatIpv4(server), serverAddr: server,
    router: router === 0 ? null : formatIpv4(router), routerAddr: router,
    dns: m.words(OPT_DNS).filter((addr) => ipv4IsUnicast(addr)).map(formatIpv4),
    domain: domain === null || domain === '' || nameProblem(domain) !== null ? null : domain,
    renewNs: at(t1), rebindNs: at(t2), expiresNs: at(seconds),
  };
}

/** Sets up what a lease gives; `old` is the same address's lease before, or null. */
export function applyLease(itf: Interface, old: DhcpLease | null, lease: DhcpLease): void {
  const { dev, host } = itf;
  const { net } = dev;
  net.cpu.enter(0);
  if (old === null) {
    inetAddrAdd(dev, lease.addr, lease.prefixLen);
    arpAnnounce(dev, lease.addr);
  }
  if (old !== null && old.routerAddr !== 0) routeDel(host.kernel.stack.ip, route(itf, old));
  if (lease.routerAddr !== 0) routeAdd(host.kernel.stack.ip, route(itf, lease));
  net.cpu.exit();
  if (old === null) host.lent(lease.address, true);
  const { resolver } = host.kernel;
  const same = resolver.conf.nameservers.join() === lease.dns.join() && resolver.conf.search.join() === (lease.domain ?? '');
  if (lease.dns.length > 0 && !same) {
    const { ndots, timeout, attempts, rotate, edns0, useVc, singleRequest } = resolver.conf;
    const search = lease.domain === null ? [] : [lease.domain];
    resolver.configure({ nameservers: lease.dns, search, ndots, timeout, attempts, rotate, edns0, useVc, singleRequest });
  }
}

/** Takes it away again. The name servers stay: there is nothing better to ask. */
export function withdrawLease(itf: Interface, lease: DhcpLease): void {
  const { dev, host } = itf;
  const { net } = dev;
  net.cpu.enter(0);
  if (lease.routerAddr !== 0) routeDel(host.kernel.stack.ip, route(itf, lease));
  inetAddrDel(dev, lease.addr, lease.prefixLen);
  net.cpu.exit();
  host.lent(lease.address, false);
}

function route(itf: Interface, lease: DhcpLease): Parameters<typeof routeAdd>[1] {
  return { dst: 0, prefixLen: 0, gateway: lease.routerAddr, dev: itf.dev, metric: 0, type: RTN_UNICAST, protocol: RTPROT_DHCP };
}
