/** What neighbour discovery asks of the IP room and tells it: NdiscHost over `Ipv6`. */
import { in6Equal, type In6Addr } from '../../lib/addr6.ts';
import { IPV6_SADDR } from '../../wire/ipv6.ts';
import { ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH } from '../../wire/icmpv6.ts';
import type { NdOptions } from '../../wire/ndp.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { ND_ADDR_NONE, ND_ADDR_OWN, ND_ADDR_TENTATIVE, Ndisc, type NdiscHost } from '../../neigh/ndp.ts';
import { ndNonceEquals } from '../../neigh/ndp-input.ts';
import type { Neighbour } from '../../neigh/neighbour.ts';
import { RTN_UNICAST } from '../fib.ts';
import { addrconfDadFailure, ipv6GetLladdr } from './addrconf.ts';
import { ip6CleanTohost, ndiscRouterDiscovery } from './autoconf.ts';
import { icmp6Send } from './icmp6.ts';
import { in6DevOf } from './inet6-dev.ts';
import type { Ipv6 } from './ipv6.ts';
import { ip6SendControl } from './output.ts';
import { ip6Redirect, ip6RouteOutput } from './route.ts';
import { routerAdvSolicited } from './router-adv.ts';

class Host implements NdiscHost {
  readonly ip6: Ipv6;

  constructor(ip6: Ipv6) {
    this.ip6 = ip6;
  }

  ownAddr(dev: NetDevice, buf: Uint8Array, off: number): number {
    const ifa = in6DevOf(dev)?.findAt(buf, off) ?? null;
    if (ifa === null || ifa.dadFailed) return ND_ADDR_NONE;
    return ifa.tentative ? ND_ADDR_TENTATIVE : ND_ADDR_OWN;
  }

  isRouter(dev: NetDevice): boolean {
    return (in6DevOf(dev)?.conf.forwarding ?? 0) !== 0;
  }

  askFrom(dev: NetDevice, skb: SkBuff | null): In6Addr | null {
    // RFC 4861 §7.2.2: the source of the packet that prompts the question, if it is one of the device's.
    if (skb !== null) {
      const own = in6DevOf(dev)?.findAt(skb.buf, skb.nh + IPV6_SADDR) ?? null;
      if (own !== null && own.usable) return own.addr;
    }
    return ipv6GetLladdr(dev);
  }

  send(dev: NetDevice, saddr: In6Addr, daddr: In6Addr, message: Uint8Array): void {
    ip6SendControl(this.ip6, dev, saddr, daddr, 255, message, false);
  }

  conflict(dev: NetDevice, target: In6Addr, buf: Uint8Array, nonce: number): void {
    const ifa = in6DevOf(dev)?.find(target) ?? null;
    // RFC 7527 §4.3: our own probe, which the link has sent back.
    if (ifa === null || ndNonceEquals(buf, nonce, ifa.dadNonce)) return;
    addrconfDadFailure(ifa);
  }

  routerSolicited(dev: NetDevice, from: In6Addr): void {
    routerAdvSolicited(dev, from);
  }

  routerAdvertised(dev: NetDevice, router: In6Addr, buf: Uint8Array, off: number, end: number, options: NdOptions): void {
    ndiscRouterDiscovery(this.ip6, dev, router, buf, off, end, options);
  }

  redirected(dev: NetDevice, router: In6Addr, dest: In6Addr, target: In6Addr): boolean {
    if ((in6DevOf(dev)?.conf.acceptRedirects ?? 0) === 0) return false;
    // RFC 4861 §8.1: only the router that we use for the destination may say so.
    const rt = ip6RouteOutput(this.ip6, dest, null, 0);
    if (typeof rt === 'number' || rt.type !== RTN_UNICAST || rt.dev !== dev || !in6Equal(rt.nexthop, router)) return false;
    ip6Redirect(this.ip6, dest, target, dev);
    return true;
  }

  becameHost(dev: NetDevice, router: In6Addr): void {
    ip6CleanTohost(this.ip6, dev, router);
  }

  linkFailure(neigh: Neighbour, skb: SkBuff): void {
    icmp6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
    // Another router may answer: ways over this neighbour are looked for anew (RFC 4861 §7.3.3).
    if (neigh.addr6 !== null) this.ip6.fib.generation++;
  }
}

/** Makes the neighbour discovery of a host. */
export function makeNdisc(ip6: Ipv6): Ndisc {
  return new Ndisc(ip6.net, new Host(ip6), ip6.random);
}
