/**
 * IPv4 of one host: its settings, its tables, and who listens above it (Linux: the ipv4 part of struct net). State only;
 * the verbs are in the other files of this room.
 */
import { Timer } from '../time/timer.ts';
import type { Net, NetdevNotifier, PacketType } from '../dev/net.ts';
import type { NetDevice } from '../dev/net-device.ts';
import { type Arp, type ArpHost, arpInit } from '../neigh/arp.ts';
import { IPPROTO_ICMP, IPPROTO_IGMP } from '../sock/constants.ts';
import { Drop } from '../skb/drop-reason.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { ETH_P_IP } from '../wire/ethernet.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH } from '../wire/icmp.ts';
import { IpConf, ipConfMax, ipConfOf, type IpConfOwner } from './conf.ts';
import { inetAddrType, inetDevDown, inetDevUnregister, inetDevUp, inetIsLocal, inetOnLink, inetSelectAddr } from './devinet.ts';
import { Fib, RTN_BROADCAST } from './fib.ts';
import { IcmpState } from './icmp.ts';
import { IcmpProtocol } from './icmp-input.ts';
import { IgmpProtocol } from './igmp.ts';
import { ipRcv } from './input.ts';
import { ipLinkFailure, type IpIdents } from './output.ts';
import { IpFrags } from './reassembly.ts';
import type { RedirectPeer } from './redirect.ts';
import { exceptionsExpire, type FibException, RouteCache } from './route.ts';

/** A protocol above IP (Linux: struct net_protocol). */
export interface IpProtocol {
  /** A packet for it. Takes the skb: `nh` and `th` are set, `data` is at the transport header, the length is the packet's. */
  rcv(skb: SkBuff): void;
  /**
   * An ICMP error about a packet that it sent. `skb.data` is at the quoted IP header; that header and 8 bytes behind it
   * lie in the header area; the skb stays the caller's. `info` is the next hop's MTU for ICMP_FRAG_NEEDED: a protocol
   * that believes the message calls `ipSkUpdatePmtu`.
   */
  err(skb: SkBuff, type: number, code: number, info: number): void;
}

/** Sockets that see whole packets (SOCK_RAW). The skbs stay the caller's. */
export interface RawDelivery {
  /** Shown each packet before its protocol gets it, `data` at the transport header. True when some socket took a copy. */
  rcv(skb: SkBuff, protocol: number): boolean;
  /** An ICMP error about a packet of that protocol, which this host sent; as {@link IpProtocol.err}. */
  err(skb: SkBuff, protocol: number, type: number, code: number, info: number): void;
}

/** Sockets that send echo requests (ICMP datagram sockets). */
export interface PingDelivery {
  /** An echo reply, `data` at its ICMP header, which lies in the header area. True when a socket took the skb. */
  rcv(skb: SkBuff): boolean;
  /** An ICMP error about an ICMP message that this host sent; as {@link IpProtocol.err}. */
  err(skb: SkBuff, type: number, code: number, info: number): void;
}

/** `net.ipv4.*`: exact kernel names are bound to these in host/sysctl. */
export class IpSysctl {
  ipDefaultTtl = 64;
  /** Forwarded packets get the priority of their TOS. */
  ipFwdUpdatePriority = 1;
  /** 1: new sockets do not discover the path MTU (IP_PMTUDISC_DONT). */
  ipNoPmtuDisc = 0;
  ipNonlocalBind = 0;
  ipLocalPortRange: [number, number] = [32768, 60999];
  /** Milliseconds: between the first redirects to a host; number of them; silence after which it is told anew. */
  redirectLoad = 20;
  redirectNumber = 9;
  redirectSilence = 20480;
  /** How long a redirect is believed, in seconds (route.gc_timeout). */
  routeGcTimeout = 300;
  /** The least MSS that is offered (route.min_adv_mss). */
  minAdvMss = 256;
  igmpMaxMemberships = 20;
  /** Sources in a filter of a socket. */
  igmpMaxMsf = 10;
  /** How often a change is told, until a querier says otherwise. */
  igmpQrv = 2;
  /** Groups of 224.0.0.0/24 are reported, too. */
  igmpLinkLocalMcastReports = 1;
  icmpEchoIgnoreAll = 0;
  icmpEchoIgnoreBroadcasts = 1;
  icmpIgnoreBogusErrorResponses = 1;
  /** Milliseconds between limited messages to one destination. */
  icmpRatelimit = 1000;
  /** Bit per ICMP type that is limited: destination unreachable, source quench, time exceeded, parameter problem. */
  icmpRatemask = 6168;
  icmpMsgsPerSec = 1000;
  icmpMsgsBurst = 50;
  /** Smallest path MTU that an ICMP message may set (route.min_pmtu), and how long it is believed, in seconds. */
  minPmtu = 552;
  mtuExpires = 600;
}

/** Where netfilter (`ip/filter/`) hooks in; one null-test each while nobody does. */
export interface NfHook {
  /** True: go on. False: the hook took the skb (dropped, stolen, queued). */
  run(skb: SkBuff, from: NetDevice | null, to: NetDevice | null): boolean;
}

export class Ipv4 implements PacketType, NetdevNotifier, ArpHost, IpConfOwner {
  readonly net: Net;
  readonly sysctl: IpSysctl = new IpSysctl();
  /** `net.ipv4.conf.all` and `.default`; a device's own is in its `InDevice`. */
  readonly confAll: IpConf;
  readonly confDefault: IpConf;
  /** By protocol number. */
  readonly protocols: (IpProtocol | null)[] = new Array<IpProtocol | null>(256).fill(null);
  /** Null while there is no such socket. */
  raw: RawDelivery | null = null;
  ping: PingDelivery | null = null;
  readonly fib: Fib = new Fib();
  /** Ways out and ways in, by destination. */
  readonly routes: RouteCache = new RouteCache();
  readonly inRoutes: RouteCache = new RouteCache();
  /** Path MTUs learned, by destination. */
  readonly exceptions: Map<number, FibException> = new Map();
  /** When the next learned gateway is forgotten. */
  readonly exceptionTimer: Timer;
  /** Hosts that were told of shorter ways. */
  readonly redirectPeers: Map<number, RedirectPeer> = new Map();
  readonly arp: Arp;
  readonly icmp: IcmpState = new IcmpState();
  readonly frags: IpFrags;
  /** The kernel's log, a few lines in a while; null before boot has one. */
  warn: ((text: string) => void) | null = null;
  /** Identification counters, made when the first packet needs one. */
  idents: IpIdents | null = null;
  /** Fragments are put together before `hookPreRouting` sees them: connection tracking needs whole packets. */
  defragIn = false;
  hookPreRouting: NfHook | null = null;
  hookLocalIn: NfHook | null = null;
  hookForward: NfHook | null = null;
  hookLocalOut: NfHook | null = null;
  hookPostRouting: NfHook | null = null;

  constructor(net: Net) {
    this.net = net;
    this.confAll = new IpConf(this);
    this.confDefault = new IpConf(this);
    this.exceptionTimer = new Timer(net.sim, net.cpu, () => exceptionsExpire(this), true);
    this.frags = new IpFrags(net);
    net.halting.push(() => {
      this.frags.table.flush(Drop.Purged);
    });
    this.arp = arpInit(net, this);
    this.protocols[IPPROTO_ICMP] = new IcmpProtocol(this);
    this.protocols[IPPROTO_IGMP] = new IgmpProtocol(this);
  }

  // ---- PacketType
  rcv(skb: SkBuff, dev: NetDevice): void {
    ipRcv(this, skb, dev);
  }

  // ---- NetdevNotifier
  changed(dev: NetDevice, what: Parameters<NetdevNotifier['changed']>[1]): void {
    if (what === 'up') inetDevUp(this, dev);
    else if (what === 'down') inetDevDown(this, dev);
    else if (what === 'unregister') inetDevUnregister(this, dev);
    else if (what === 'address') this.arp.table.flushDevice(dev);
    else if (what === 'carrier' && !dev.carrier) this.arp.table.carrierDown(dev);
  }

  // ---- IpConfOwner
  /** Linux: inet_forward_change. RFC 1812 §5.2.7.2: a router believes no redirects. */
  forwardingChanged(conf: IpConf): void {
    if (conf === this.confAll) {
      const on = conf.forwarding;
      conf.acceptRedirects = 1 - on;
      this.confDefault.forwarding = on;
      for (const dev of this.net.devices) if (dev !== null && dev.inDev !== null) ipConfOf(this, dev).forwarding = on;
    }
    this.waysChanged();
  }

  waysChanged(): void {
    this.fib.generation++;
  }

  // ---- ArpHost
  answers(dev: NetDevice, sip: number, tip: number): boolean {
    const arpIgnore = ipConfMax(this, dev, 'arpIgnore');
    if (!inetIsLocal(this, tip) || arpIgnore === 8) return false;
    if (arpIgnore === 0) return true;
    const own = inetAddrType(this, tip) !== 0 && this.fib.local.lookup(tip, dev.ifindex) !== null;
    return own && (arpIgnore === 1 || inetOnLink(dev, sip));
  }

  isBroadcast(_dev: NetDevice, addr: number): boolean {
    return inetAddrType(this, addr) === RTN_BROADCAST;
  }

  askFrom(dev: NetDevice, target: number, preferred: number): number {
    const arpAnnounce = ipConfMax(this, dev, 'arpAnnounce');
    if (arpAnnounce < 2 && preferred !== 0 && inetIsLocal(this, preferred)) {
      if (arpAnnounce === 0 || inetOnLink(dev, target)) return preferred;
    }
    return inetSelectAddr(this, dev, target);
  }

  learnsAnnounced(dev: NetDevice): boolean {
    return ipConfMax(this, dev, 'arpAccept') !== 0;
  }

  linkFailure(skb: SkBuff): void {
    ipLinkFailure(this.net, skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
  }
}

/** Makes the IPv4 side of a host: registers ETH_P_IP and ETH_P_ARP. Addresses and routes follow the devices from here on. */
export function ipv4Init(net: Net): Ipv4 {
  const ip = new Ipv4(net);
  net.inet = ip;
  net.packetTypes.set(ETH_P_IP, ip);
  net.notifiers.push(ip);
  for (const dev of net.devices) if (dev !== null && dev.up) inetDevUp(ip, dev);
  return ip;
}
