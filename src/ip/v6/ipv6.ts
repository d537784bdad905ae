/**
 * IPv6 of one host: its settings, its tables, and who listens above it (Linux: the ipv6 part of struct net). State only; the
 * verbs are in the other files of this folder.
 */
import type { Random } from '../../lib/random.ts';
import type { Timer } from '../../time/timer.ts';
import type { Net, NetdevNotifier, PacketType } from '../../dev/net.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { NEXTHDR_ICMP } from '../../wire/ipv6.ts';
import { Drop } from '../../skb/drop-reason.ts';
import type { SkBuff } from '../../skb/sk-buff.ts';
import type { Ndisc } from '../../neigh/ndp.ts';
import type { InetSock } from '../../sock/sock.ts';
import type { IpProtocol, NfHook, PingDelivery, RawDelivery } from '../ipv4.ts';
import { addrconfChanged } from './addrconf.ts';
import { confDisableChanged, confForwardingChanged } from './conf-change.ts';
import { Ip6Conf, Ip6Sysctl, type ConfOwner } from './conf.ts';
import { Fib6 } from './fib6.ts';
import { Icmp6State } from './icmp6.ts';
import { Icmp6Protocol } from './icmp6-input.ts';
import { ip6Rcv } from './input.ts';
import type { McSock } from './mcast.ts';
import { makeNdisc } from './ndisc-host.ts';
import { Ip6Frags } from './reassembly.ts';
import { Route6Cache, type Rt6Exception } from './route.ts';

export class Ipv6 implements PacketType, NetdevNotifier, ConfOwner {
  readonly net: Net;
  /** Chance of this family alone: what it draws shifts no other stream. */
  readonly random: Random;
  readonly sysctl: Ip6Sysctl = new Ip6Sysctl();
  /** `net.ipv6.conf.all` and `.default`; a device's own is in its `Inet6Dev`. */
  readonly confAll: Ip6Conf;
  readonly confDefault: Ip6Conf;
  /** By next header. `err` is told about ICMPv6 errors; `info` is the MTU of "packet too big", the pointer of a parameter problem. */
  readonly protocols: (IpProtocol | null)[] = new Array<IpProtocol | null>(256).fill(null);
  raw: RawDelivery | null = null;
  /** Null while there is no such socket. */
  ping: PingDelivery | null = null;
  readonly fib: Fib6 = new Fib6();
  /** Ways out, by destination; ways in, by destination and device. */
  readonly routes: Route6Cache = new Route6Cache();
  readonly inRoutes: Route6Cache = new Route6Cache();
  /** What ICMPv6 has taught about single destinations: path MTU, better next hop. */
  readonly exceptions: Map<string, Rt6Exception> = new Map();
  readonly ndisc: Ndisc;
  readonly frags: Ip6Frags;
  readonly icmp: Icmp6State = new Icmp6State();
  /** Groups that sockets have joined. */
  readonly mcSocks: Map<InetSock, McSock[]> = new Map();
  /** The next end of a route. */
  expiryTimer: Timer | null = null;
  /** When routes that are over were last searched for (host time, ns). */
  lastExpiry: number = -Infinity;
  /** Secret of the flow labels. */
  readonly flowSecret: number;
  /** Fragments are put together before `hookPreRouting` sees them: connection tracking needs whole packets. */
  defragIn = false;
  hookPreRouting: NfHook | null = null;
  hookLocalIn: NfHook | null = null;
  hookForward: NfHook | null = null;
  hookLocalOut: NfHook | null = null;
  hookPostRouting: NfHook | null = null;

  constructor(net: Net, random: Random) {
    this.net = net;
    this.random = random;
    this.flowSecret = random.next32();
    this.confAll = new Ip6Conf(this);
    this.confDefault = new Ip6Conf(null);
    this.ndisc = makeNdisc(this);
    this.frags = new Ip6Frags(net);
    this.protocols[NEXTHDR_ICMP] = new Icmp6Protocol(this);
  }

  // ---- PacketType
  rcv(skb: SkBuff, dev: NetDevice): void {
    ip6Rcv(this, skb, dev);
  }

  // ---- NetdevNotifier
  changed(dev: NetDevice, what: Parameters<NetdevNotifier['changed']>[1]): void {
    addrconfChanged(this, dev, what);
  }

  // ---- ConfOwner
  forwardingChanged(conf: Ip6Conf): void {
    confForwardingChanged(this, conf);
  }

  disableChanged(conf: Ip6Conf): void {
    confDisableChanged(this, conf);
  }
}

/** The IPv6 side of a host, or null: it was booted without. */
export function ipv6Of(net: Net): Ipv6 | null {
  return net.inet6 as Ipv6 | null;
}

/** Makes the IPv6 side of a host: registers ETH_P_IPV6. Addresses and routes follow the devices from here on. */
export function ipv6Init(net: Net, random: Random): Ipv6 {
  const ip6 = new Ipv6(net, random);
  net.inet6 = ip6;
  net.packetTypes.set(ETH_P_IPV6, ip6);
  net.notifiers.push(ip6);
  net.halting.push(() => {
    ip6.frags.table.flush(Drop.Purged);
    ip6.expiryTimer?.del();
  });
  for (const dev of net.devices) if (dev !== null && dev.up) addrconfChanged(ip6, dev, 'up');
  return ip6;
}

