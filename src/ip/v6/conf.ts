/**
 * Settings of IPv6 under their kernel names: `net.ipv6.*` of the host, and `net.ipv6.conf.{all,default,DEVICE}.*` of each device.
 * host/sysctl.ts binds the names; a device begins with a copy of `default`.
 */

/** How much of autoconfiguration a host does by itself; see `Ip6Conf.quiet`. */
export type Ipv6Mode = 'static' | 'auto' | false;

/** `net.ipv6.*`, but for the devices'. */
export class Ip6Sysctl {
  /** 1: new AF_INET6 sockets are for IPv6 alone. */
  bindv6only = 0;
  ipNonlocalBind = 0;
  /** 0: no labels; 1, 2: labels unless a socket does without (2: only where it asks); 3: always. */
  autoFlowlabels = 1;
  /** Options that a hop-by-hop or destination header may have; a negative number also refuses unknown ones (RFC 8504 §5.3). */
  maxHbhOptsNumber = 8;
  maxDstOptsNumber = 8;
  /** Longest hop-by-hop and destination header, bytes. */
  maxHbhLength = 0x7fffffff;
  maxDstOptsLength = 0x7fffffff;
  /** Milliseconds between limited ICMPv6 messages to one host. */
  icmpRatelimit = 1000;
  icmpEchoIgnoreAll = 0;
  icmpEchoIgnoreMulticast = 0;
  icmpEchoIgnoreAnycast = 0;
  /** Smallest MSS that is offered, whatever the path says. */
  minAdvMss = 1220;
  /** Seconds that a path MTU learned from "packet too big" is believed. */
  mtuExpires = 600;
  /** Robustness of MLD: how often a report of a change is sent (RFC 3810 §9.14.1). */
  mldQrv = 2;
}

/** Told when a setting was changed that has consequences. */
export interface ConfOwner {
  forwardingChanged(conf: Ip6Conf): void;
  disableChanged(conf: Ip6Conf): void;
}

/** `net.ipv6.conf.*.*`: Linux's defaults. */
export class Ip6Conf {
  private readonly owner: ConfOwner | null;
  private forwards = 0;
  private disabled = 0;
  hopLimit = 64;
  /** MTU of IPv6 on the device; 0 = the device's own. */
  mtu = 0;
  /** 0: router advertisements are ignored; 1: heard unless the host forwards; 2: heard in any case. */
  acceptRa = 1;
  acceptRaDefrtr = 1;
  acceptRaPinfo = 1;
  acceptRaRtrPref = 1;
  acceptRaMtu = 1;
  acceptRaMinHopLimit = 1;
  /** Longest prefix of a route information option that is believed; 0: none but the default route. */
  acceptRaRtInfoMaxPlen = 0;
  acceptRedirects = 1;
  /** Addresses are made from advertised prefixes. */
  autoconf = 1;
  /** Probes of duplicate address detection; 0: addresses are used at once. */
  dadTransmits = 1;
  /** 0: no duplicate address detection; 1: it is done; 2: and a duplicate link-local address by EUI-64 ends IPv6 on the device. */
  acceptDad = 1;
  /** Router solicitations until somebody answers; -1: for ever (RFC 7559). */
  routerSolicitations = -1;
  /** Milliseconds: before the first one, between the first two, between two at most. */
  routerSolicitationDelay = 1000;
  routerSolicitationInterval = 4000;
  routerSolicitationMaxInterval = 3600000;
  /** 0: an EUI-64 link-local address is made when the device comes up; 1: none is. */
  addrGenMode = 0;
  /** Addresses that advertisements may bring about. */
  maxAddresses = 16;
  dropUnicastInL2Multicast = 0;
  /** Permanent addresses that are not link-local survive the device's going down. */
  keepAddrOnDown = 0;
  /** 1 or 2: speaks this version of MLD whatever is heard. */
  forceMldVersion = 0;
  mldv1UnsolicitedReportInterval = 10000;
  mldv2UnsolicitedReportInterval = 1000;
  /** Announce an address when its device comes up or has a new hardware address. */
  ndiscNotify = 0;
  /**
   * Not of Linux: the groups that follow from configuration alone (all nodes, solicited node) are joined without a report, so
   * that a world in which nobody asks is silent. They are reported when a router asks.
   */
  quiet = false;

  constructor(owner: ConfOwner | null) {
    this.owner = owner;
  }

  /** This host passes packets on (`all`), or the device is one of a router's (others): no advertisements are followed. */
  get forwarding(): number {
    return this.forwards;
  }

  set forwarding(on: number) {
    if (on === this.forwards) return;
    this.forwards = on;
    this.owner?.forwardingChanged(this);
  }

  /** 1: no IPv6 on the device; its addresses are gone. */
  get disableIpv6(): number {
    return this.disabled;
  }

  set disableIpv6(on: number) {
    if (on === this.disabled) return;
    this.disabled = on;
    this.owner?.disableChanged(this);
  }

  /** Takes over all settings of another one, without any consequence. */
  copy(from: Ip6Conf): this {
    const { owner } = this;
    Object.assign(this, from, { owner });
    return this;
  }
}

/** Sets what a world's host does by itself: nothing ('static'), all that Linux does ('auto'), or no IPv6 on cards (false). */
export function applyMode(conf: Ip6Conf, mode: Ipv6Mode): void {
  conf.disableIpv6 = mode === false ? 1 : 0;
  if (mode === 'auto') return;
  conf.quiet = true;
  conf.keepAddrOnDown = 1; // nobody would give them back
  conf.dadTransmits = 0;
  conf.routerSolicitations = 0;
  conf.acceptRa = 0;
  conf.autoconf = 0;
}
