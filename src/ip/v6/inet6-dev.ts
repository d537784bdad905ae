/**
 * The IPv6 side of a device (Linux: struct inet6_dev, inet6_ifaddr): `dev.in6Dev`. State only; addrconf.ts, autoconf.ts, mcast.ts
 * and router-adv.ts move it.
 */
import { in6Equal, in6EqualsAt, type In6Addr } from '../../lib/addr6.ts';
import type { Timer } from '../../time/timer.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { Ip6Conf } from './conf.ts';
import type { Ipv6 } from './ipv6.ts';
import type { Ifmcaddr6 } from './mcast.ts';
import type { RouterAdv } from './router-adv.ts';

/** One address of a device. */
export class Inet6IfAddr {
  readonly idev: Inet6Dev;
  readonly addr: In6Addr;
  readonly prefixLen: number;
  /** Set by an administrator, or by the host itself for ever (IFA_F_PERMANENT); not by an advertisement. */
  readonly permanent: boolean;
  /** Made from an advertised prefix (IFA_F_MANAGETEMPADDR's sibling "dynamic, mngtmpaddr" of ip(8)). */
  readonly autoconf: boolean;
  /** Its network is no route (IFA_F_NOPREFIXROUTE). */
  readonly noPrefixRoute: boolean;
  /** Not known to be unique yet: it is neither used nor answered for (RFC 4862 §5.4). */
  tentative = false;
  /** Somebody else has it. */
  dadFailed = false;
  /** Past its preferred lifetime: no source of new conversations (RFC 4862 §5.5.4). */
  deprecated = false;
  /** Host times in ns; 0 = for ever. */
  preferredUntil = 0;
  validUntil = 0;
  /** Duplicate address detection: probes to go, and the six bytes by which its own probes are known (RFC 7527). */
  dadProbes = 0;
  readonly dadNonce: Uint8Array = new Uint8Array(6);
  dadTimer: Timer | null = null;

  constructor(idev: Inet6Dev, addr: In6Addr, prefixLen: number, permanent: boolean, autoconf: boolean, noPrefixRoute: boolean) {
    this.idev = idev;
    this.addr = addr;
    this.prefixLen = prefixLen;
    this.permanent = permanent;
    this.autoconf = autoconf;
    this.noPrefixRoute = noPrefixRoute;
  }

  /** May it be the source of a packet? */
  get usable(): boolean {
    return !this.tentative && !this.dadFailed;
  }
}

export class Inet6Dev {
  readonly ip6: Ipv6;
  readonly dev: NetDevice;
  readonly conf: Ip6Conf;
  /** In the order of `ip addr`: by scope, widest first, newest first within one (Linux's order). */
  readonly addrs: Inet6IfAddr[] = [];
  /** Groups that it is in. */
  readonly groups: Ifmcaddr6[] = [];
  /** IPv6 is on: the device is up, and large enough. */
  running = false;
  /** With a link below: addresses may be tried out. */
  ready = false;
  /** An advertisement was heard: no more solicitations. */
  raReceived = false;
  /** "Managed" and "other" of the last advertisement: DHCPv6 is there for addresses, for other things. */
  raManaged = false;
  raOther = false;
  rsProbes = 0;
  rsIntervalMs = 0;
  rsTimer: Timer | null = null;
  /** The next end of a lifetime. */
  lifetimeTimer: Timer | null = null;
  /** MLD: groups that were left and are still to be said so; version 1 was heard and is spoken until then (host time, ns). */
  mldGone: { readonly addr: In6Addr; readonly mode: number; readonly sources: readonly In6Addr[]; count: number }[] = [];
  mldChangeTimer: Timer | null = null;
  mldQueryTimer: Timer | null = null;
  mldV1Until = 0;
  mldQrv: number;
  /** What this device, of a router, tells the hosts of its link; null = nothing. */
  routerAdv: RouterAdv | null = null;

  constructor(ip6: Ipv6, dev: NetDevice) {
    this.ip6 = ip6;
    this.dev = dev;
    this.conf = new Ip6Conf(ip6).copy(ip6.confDefault);
    this.mldQrv = ip6.sysctl.mldQrv;
  }

  find(addr: In6Addr): Inet6IfAddr | null {
    return this.addrs.find((ifa) => in6Equal(ifa.addr, addr)) ?? null;
  }

  findAt(buf: Uint8Array, off: number): Inet6IfAddr | null {
    for (const ifa of this.addrs) if (in6EqualsAt(ifa.addr, buf, off)) return ifa;
    return null;
  }
}

/** The IPv6 side of a device, or null: it is off. */
export function in6DevOf(dev: NetDevice): Inet6Dev | null {
  return dev.in6Dev as Inet6Dev | null;
}

/** The addresses of a device, in the order in which ip(8) shows them. */
export function inet6Addrs(dev: NetDevice): readonly Inet6IfAddr[] {
  return in6DevOf(dev)?.addrs ?? NO_ADDRS;
}

const NO_ADDRS: readonly Inet6IfAddr[] = [];

/** Largest IPv6 packet of a device: its own MTU, or the smaller one that a router advertised. */
export function inet6DevMtu(dev: NetDevice): number {
  const mtu = (dev.in6Dev as Inet6Dev | null)?.conf.mtu ?? 0;
  return mtu !== 0 && mtu < dev.mtu ? mtu : dev.mtu;
}
