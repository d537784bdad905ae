/**
 * Which of our addresses speaks to whom, and in which order a name's addresses are tried: RFC 6724.
 *
 * Differs: rule 4 (home addresses) has nothing to decide here, nor has rule 7 (temporary addresses), which are not made.
 */
import {
  in6CommonPrefixLen, in6Equal, in6InPrefix, in6IsLinklocal, in6IsMulticast, in6MulticastScope, in6Scope, IN6_SCOPE_LINKLOCAL,
  parseIpv6, type In6Addr,
} from '../../lib/addr6.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { inet6Addrs, type Inet6IfAddr } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';

interface Policy {
  readonly prefix: In6Addr;
  readonly prefixLen: number;
  readonly precedence: number;
  readonly label: number;
}

function policy(prefix: string, prefixLen: number, precedence: number, label: number): Policy {
  return { prefix: parseIpv6(prefix)!, prefixLen, precedence, label };
}

/** The default policy table (§2.1), longest prefix first. */
const POLICIES: readonly Policy[] = [
  policy('::1', 128, 50, 0),
  policy('::ffff:0:0', 96, 35, 4),
  policy('::', 96, 1, 3),
  policy('2001::', 32, 5, 5),
  policy('2002::', 16, 30, 2),
  policy('3ffe::', 16, 1, 12),
  policy('fec0::', 10, 1, 11),
  policy('fc00::', 7, 3, 13),
  policy('::', 0, 40, 1),
];

function policyOf(addr: In6Addr): Policy {
  return POLICIES.find((p) => in6InPrefix(addr, p.prefix, p.prefixLen))!;
}

/**
 * The address to speak from to `daddr` when the packet leaves by `dev` (null: by any device); §5. Null when there is none. All
 * addresses of the host compete, unless the destination is of one link: then that device's do.
 */
export function ip6SelectSource(ip6: Ipv6, dev: NetDevice | null, daddr: In6Addr): In6Addr | null {
  const group = in6IsMulticast(daddr);
  const oneLink = dev !== null && (in6IsLinklocal(daddr) || (group && in6MulticastScope(daddr) <= IN6_SCOPE_LINKLOCAL));
  let best: Inet6IfAddr | null = null;
  for (const from of ip6.net.devices) {
    if (from === null || !from.up || ((oneLink || group) && dev !== null && from !== dev)) continue;
    for (const ifa of inet6Addrs(from)) {
      if (ifa.usable && (best === null || better(ifa, best, daddr, dev))) best = ifa;
    }
  }
  return best?.addr ?? null;
}

/** Is `a` a better source than `b`? The rules of §5 in their order. */
function better(a: Inet6IfAddr, b: Inet6IfAddr, daddr: In6Addr, dev: NetDevice | null): boolean {
  // Rule 1: the destination itself.
  const same = Number(in6Equal(a.addr, daddr)) - Number(in6Equal(b.addr, daddr));
  if (same !== 0) return same > 0;
  // Rule 2: the smallest scope that reaches; if none does, the widest.
  const scopeA = in6Scope(a.addr);
  const scopeB = in6Scope(b.addr);
  if (scopeA !== scopeB) {
    const wanted = in6Scope(daddr);
    return scopeA < scopeB ? scopeA >= wanted : scopeB < wanted;
  }
  // Rule 3: not a deprecated one.
  if (a.deprecated !== b.deprecated) return b.deprecated;
  // Rule 5: one of the outgoing interface.
  if (dev !== null && (a.idev.dev === dev) !== (b.idev.dev === dev)) return a.idev.dev === dev;
  // Rule 6: of the destination's kind.
  const label = policyOf(daddr).label;
  const labels = Number(policyOf(a.addr).label === label) - Number(policyOf(b.addr).label === label);
  if (labels !== 0) return labels > 0;
  // Rule 8: the longest common prefix, no longer than the address's own network (RFC 6724 §2.2).
  return sharedBits(a, daddr) > sharedBits(b, daddr);
}

function sharedBits(ifa: Inet6IfAddr, daddr: In6Addr): number {
  return Math.min(in6CommonPrefixLen(ifa.addr, daddr), ifa.prefixLen);
}

/** One of a name's addresses (IPv4 as `::ffff:a.b.c.d`), and where we would speak from to it; null when there is no way. */
export interface Destination {
  readonly addr: In6Addr;
  readonly source: In6Addr | null;
  /** The source is past its preferred lifetime. */
  readonly deprecated?: boolean;
}

/** Puts a name's addresses into the order in which they are to be tried: §6. A new array; equals keep their order. */
export function ip6SortDestinations<T extends Destination>(list: readonly T[]): T[] {
  return list.map((d, i) => ({ d, i })).sort((x, y) => compareDestinations(x.d, y.d) || x.i - y.i).map(({ d }) => d);
}

/** Negative when `a` comes first. */
function compareDestinations(a: Destination, b: Destination): number {
  // Rule 1: avoid those that cannot be reached.
  if (a.source === null || b.source === null) return Number(a.source === null) - Number(b.source === null);
  const policyA = policyOf(a.addr);
  const policyB = policyOf(b.addr);
  // Rule 2: matching scope; rule 3: no deprecated source; rule 5: matching label.
  return Number(in6Scope(b.addr) === in6Scope(b.source)) - Number(in6Scope(a.addr) === in6Scope(a.source))
    || Number(a.deprecated === true) - Number(b.deprecated === true)
    || Number(policyOf(b.source).label === policyB.label) - Number(policyOf(a.source).label === policyA.label)
    // Rule 6: precedence; rule 8: smaller scope.
    || policyB.precedence - policyA.precedence
    || in6Scope(a.addr) - in6Scope(b.addr)
    || longestMatch(a, b, policyA, policyB);
}

/** Rule 9, between addresses of IPv6 alone. */
function longestMatch(a: Destination, b: Destination, policyA: Policy, policyB: Policy): number {
  const mapped = 4; // the label of IPv4: there the rule does more harm than good (RFC 6724 §6, rule 9 is for one family)
  if (policyA.label === mapped || policyB.label === mapped) return 0;
  return in6CommonPrefixLen(b.addr, b.source!) - in6CommonPrefixLen(a.addr, a.source!);
}
