/**
 * IPv4 of one host: its settings, its tables, and who listens above it (Linux: the ipv4 part of struct net). State only;
 * the verbs are in the other files of this room.
 */
import { fail } from '../lib/assert.ts';
import type { Net } from '../dev/net.ts';
import type { NetDevice } from '../dev/net-device.ts';
import type { ArpTable } from '../neigh/arp.ts';
import type { SkBuff } from '../skb/sk-buff.ts';
import { FibTable } from './fib.ts';
import { IcmpState } from './icmp.ts';
import { RouteCache } from './route.ts';

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

/** `net.ipv4.*`: exact kernel names are bound to these in host/sysctl. */
export class IpSysctl {
  ipDefaultTtl = 64;
  ipForward = 0;
  /** 1: new sockets do not discover the path MTU (IP_PMTUDISC_DONT). */
  ipNoPmtuDisc = 0;
  ipNonlocalBind = 0;
  ipLocalPortRange: [number, number] = [32768, 60999];
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

export class Ipv4 {
  readonly net: Net;
  readonly sysctl: IpSysctl = new IpSysctl();
  /** By protocol number. */
  readonly protocols: (IpProtocol | null)[] = new Array<IpProtocol | null>(256).fill(null);
  readonly fib: FibTable;
  readonly routes: RouteCache;
  readonly arp: ArpTable;
  readonly icmp: IcmpState;
  hookPreRouting: NfHook | null = null;
  hookLocalIn: NfHook | null = null;
  hookForward: NfHook | null = null;
  hookLocalOut: NfHook | null = null;
  hookPostRouting: NfHook | null = null;

  constructor(net: Net, arp: ArpTable) {
    this.net = net;
    this.arp = arp;
    this.fib = new FibTable();
    this.routes = new RouteCache();
    this.icmp = new IcmpState();
  }
}

/** Makes the IPv4 side of a host: registers ETH_P_IP and ETH_P_ARP. Addresses and routes follow the devices from here on. */
export function ipv4Init(_net: Net): Ipv4 {
  return fail('not yet');
}
