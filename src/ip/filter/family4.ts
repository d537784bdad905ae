/** What netfilter must know of IPv4: its hooks, routes and addresses, and how it answers. */
import { get32 } from '../../lib/bytes.ts';
import { ipv4IsMulticast } from '../../lib/addr.ts';
import { CHECKSUM_PARTIAL, MAX_HEADER } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { IPPROTO_TCP, IPV4_DADDR, IPV4_SADDR } from '../../wire/ipv4.ts';
import { TCP_FLAG_RST } from '../../wire/tcp.ts';
import { inetAddrs, inetAddrType, inetSelectAddr } from '../devinet.ts';
import { RTN_BLACKHOLE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from '../fib.ts';
import { icmpSend } from '../icmp.ts';
import type { Ipv4, NfHook } from '../ipv4.ts';
import { ipBuildAndSendPkt } from '../output.ts';
import { ipRouteOutput, Rtable } from '../route.ts';
import { checksumGood } from './track-simple.ts';
import { conntrackAttach } from './conntrack.ts';
import {
  NF_INET_FORWARD, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
} from './constants.ts';
import type { NfFamily } from './family.ts';
import { FamilyTables, type Netfilter } from './netfilter.ts';
import type { NfPacket } from './packet.ts';
import { resetFor } from './target-reject.ts';

/** Place of each route type in ADDR_TYPES. */
const TYPE_BITS: ReadonlyMap<number, number> = new Map([
  [RTN_UNICAST, 1 << 1], [RTN_LOCAL, 1 << 2], [RTN_BROADCAST, 1 << 3], [RTN_MULTICAST, 1 << 5], [RTN_BLACKHOLE, 1 << 6],
  [RTN_UNREACHABLE, 1 << 7], [RTN_PROHIBIT, 1 << 8],
]);

class Family4 implements NfFamily {
  readonly version = 4;
  private readonly nf: Netfilter;
  private readonly ip: Ipv4;

  constructor(nf: Netfilter, ip: Ipv4) {
    this.nf = nf;
    this.ip = ip;
  }

  setHook(hook: number, run: NfHook | null): void {
    const { ip } = this;
    if (hook === NF_INET_PRE_ROUTING) ip.hookPreRouting = run;
    else if (hook === NF_INET_LOCAL_IN) ip.hookLocalIn = run;
    else if (hook === NF_INET_FORWARD) ip.hookForward = run;
    else if (hook === NF_INET_LOCAL_OUT) ip.hookLocalOut = run;
    else if (hook === NF_INET_POST_ROUTING) ip.hookPostRouting = run;
  }

  addressType(p: NfPacket, source: boolean, dev: NetDevice | null): number {
    const addr = source ? p.s0 : p.d0;
    const type = inetAddrType(this.ip, addr);
    if (type === RTN_LOCAL && dev !== null && !inetAddrs(dev).some((ifa) => ifa.addr === addr)) return TYPE_BITS.get(RTN_UNICAST)!;
    return TYPE_BITS.get(type) ?? 0;
  }

  rejectIcmp(p: NfPacket, type: number, code: number): void {
    if (!checksumGood(this.nf.conntrack, p)) return; // whoever it is from, it is not what he sent
    icmpSend(p.skb, type, code, 0);
  }

  rejectReset(p: NfPacket): void {
    // RFC 9293 §3.10.7.1: never in answer to a reset.
    if (p.proto !== IPPROTO_TCP || p.th < 0 || p.fragOff !== 0 || (p.tcpFlags & TCP_FLAG_RST) !== 0) return;
    if (!checksumGood(this.nf.conntrack, p)) return;
    const rt = this.wayTo(p.s0, p.d0);
    if (rt === null) return;
    const skb = this.nf.net.pool.alloc(MAX_HEADER);
    resetFor(p, skb);
    skb.ipSummed = CHECKSUM_PARTIAL;
    conntrackAttach(skb, p.skb);
    ipBuildAndSendPkt(this.ip, skb, p.d0, p.s0, IPPROTO_TCP, this.ip.sysctl.ipDefaultTtl, 0, rt, true);
  }

  /** A way to `daddr` for a packet that says it is from `saddr`, which need not be ours (Linux: ip_route_me_harder). */
  private wayTo(daddr: number, saddr: number): Rtable | null {
    const own = inetAddrType(this.ip, saddr) === RTN_LOCAL;
    const rt = ipRouteOutput(this.ip, daddr, own ? saddr : 0, 0);
    return typeof rt === 'number' ? null : rt;
  }

  sourceAddress(p: NfPacket, dev: NetDevice, to: Int32Array): boolean {
    const rt = p.skb.dst;
    const hop = rt instanceof Rtable ? rt.nexthop : p.d0;
    to.fill(0);
    to[0] = inetSelectAddr(this.ip, dev, ipv4IsMulticast(p.d0) ? 0 : hop);
    return to[0] !== 0;
  }

  deviceAddress(dev: NetDevice, to: Int32Array): boolean {
    to.fill(0);
    const first = inetAddrs(dev)[0];
    if (first === undefined) return false;
    to[0] = first.addr;
    return true;
  }

  reroute(p: NfPacket): boolean {
    const { skb } = p;
    const rt = this.wayTo(get32(skb.buf, p.nh + IPV4_DADDR), get32(skb.buf, p.nh + IPV4_SADDR));
    if (rt === null) return false;
    skb.dst = rt;
    skb.dev = rt.dev;
    p.out = rt.dev;
    return true;
  }

  pathMtu(p: NfPacket): number {
    const out = p.skb.dst instanceof Rtable ? p.skb.dst.mtu : 0;
    const back = this.wayTo(p.s0, 0);
    const backMtu = back === null ? 0 : back.mtu;
    return out === 0 ? backMtu : backMtu === 0 ? out : Math.min(out, backMtu);
  }

  setDefrag(on: boolean): void {
    this.ip.defragIn = on;
  }
}

/** Gives a host's netfilter its IPv4 tables. */
export function netfilterFamily4(nf: Netfilter, ip: Ipv4): void {
  nf.families.push(new FamilyTables(new Family4(nf, ip)));
}
