/**
 * What netfilter must know of IPv6: its hooks, routes and addresses, and how it answers. Fragments are seen as they come: only
 * the first one has ports, and later ones belong to no connection.
 */
import { type In6Addr, in6IsLinklocal, in6IsMulticast, in6IsMulticastAt, in6ReadAt } from '../../lib/addr6.ts';
import { MAX_HEADER, CHECKSUM_PARTIAL } from '../../skb/sk-buff.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { IPV6_DADDR, IPV6_SADDR } from '../../wire/ipv6.ts';
import { TCP_FLAG_RST } from '../../wire/tcp.ts';
import type { NfHook } from '../ipv4.ts';
import { ipv6ChkAddr } from '../v6/addrconf.ts';
import { icmp6Send } from '../v6/icmp6.ts';
import { inet6Addrs } from '../v6/inet6-dev.ts';
import type { Ipv6 } from '../v6/ipv6.ts';
import { ip6BuildAndSendPkt } from '../v6/output.ts';
import { ip6RouteOutput, Rt6Info } from '../v6/route.ts';
import { ip6SelectSource } from '../v6/select.ts';
import { conntrackAttach } from './conntrack.ts';
import {
  NF_INET_FORWARD, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
} from './constants.ts';
import type { NfFamily } from './family.ts';
import { FamilyTables, type Netfilter } from './netfilter.ts';
import type { NfPacket } from './packet.ts';
import { resetFor } from './target-reject.ts';
import { checksumGood } from './track-simple.ts';

/** Bits by the place in ADDR_TYPES. */
const UNICAST = 1 << 1;
const LOCAL = 1 << 2;
const MULTICAST = 1 << 5;

class Family6 implements NfFamily {
  readonly version = 6;
  private readonly nf: Netfilter;
  private readonly ip6: Ipv6;

  constructor(nf: Netfilter, ip6: Ipv6) {
    this.nf = nf;
    this.ip6 = ip6;
  }

  setHook(hook: number, run: NfHook | null): void {
    const { ip6 } = this;
    if (hook === NF_INET_PRE_ROUTING) ip6.hookPreRouting = run;
    else if (hook === NF_INET_LOCAL_IN) ip6.hookLocalIn = run;
    else if (hook === NF_INET_FORWARD) ip6.hookForward = run;
    else if (hook === NF_INET_LOCAL_OUT) ip6.hookLocalOut = run;
    else if (hook === NF_INET_POST_ROUTING) ip6.hookPostRouting = run;
  }

  setDefrag(on: boolean): void {
    this.ip6.defragIn = on;
  }

  addressType(p: NfPacket, source: boolean, dev: NetDevice | null): number {
    const at = p.nh + (source ? IPV6_SADDR : IPV6_DADDR);
    if (in6IsMulticastAt(p.skb.buf, at)) return MULTICAST;
    return ipv6ChkAddr(this.ip6, in6ReadAt(p.skb.buf, at), dev) ? LOCAL : UNICAST;
  }

  rejectIcmp(p: NfPacket, type: number, code: number): void {
    if (checksumGood(this.nf.conntrack, p)) icmp6Send(p.skb, type, code, 0);
  }

  rejectReset(p: NfPacket): void {
    if (p.proto !== IPPROTO_TCP || p.th < 0 || p.fragOff !== 0 || (p.tcpFlags & TCP_FLAG_RST) !== 0) return;
    if (!checksumGood(this.nf.conntrack, p)) return;
    const { buf } = p.skb;
    const [from, to] = [in6ReadAt(buf, p.nh + IPV6_DADDR), in6ReadAt(buf, p.nh + IPV6_SADDR)];
    const rt = this.wayTo(to, from, p.in);
    if (rt === null) return;
    const skb = this.nf.net.pool.alloc(MAX_HEADER);
    resetFor(p, skb);
    skb.ipSummed = CHECKSUM_PARTIAL;
    conntrackAttach(skb, p.skb);
    ip6BuildAndSendPkt(this.ip6, skb, from, to, IPPROTO_TCP, -1, 0, 0, rt, 0);
  }

  /** A way to `daddr` for a packet that says it is from `saddr`, which need not be ours. */
  private wayTo(daddr: In6Addr, saddr: In6Addr, dev: NetDevice | null): Rt6Info | null {
    const own = ipv6ChkAddr(this.ip6, saddr, null);
    const rt = ip6RouteOutput(this.ip6, daddr, own ? saddr : null, in6IsLinklocal(daddr) && dev !== null ? dev.ifindex : 0);
    return typeof rt === 'number' ? null : rt;
  }

  sourceAddress(p: NfPacket, dev: NetDevice, to: Int32Array): boolean {
    const addr = ip6SelectSource(this.ip6, dev, in6ReadAt(p.skb.buf, p.nh + IPV6_DADDR));
    return put(to, addr);
  }

  deviceAddress(dev: NetDevice, to: Int32Array): boolean {
    const all = inet6Addrs(dev).map((ifa) => ifa.addr);
    return put(to, all.find((addr) => !in6IsLinklocal(addr) && !in6IsMulticast(addr)) ?? all[0] ?? null);
  }

  reroute(p: NfPacket): boolean {
    const { skb } = p;
    const rt = this.wayTo(in6ReadAt(skb.buf, p.nh + IPV6_DADDR), in6ReadAt(skb.buf, p.nh + IPV6_SADDR), null);
    if (rt === null) return false;
    skb.dst = rt;
    skb.dev = rt.dev;
    p.out = rt.dev;
    return true;
  }

  pathMtu(p: NfPacket): number {
    const out = p.skb.dst instanceof Rt6Info ? p.skb.dst.mtu : 0;
    const back = this.wayTo(in6ReadAt(p.skb.buf, p.nh + IPV6_SADDR), in6ReadAt(p.skb.buf, p.nh + IPV6_DADDR), p.in);
    return back === null ? out : out === 0 ? back.mtu : Math.min(out, back.mtu);
  }
}

function put(to: Int32Array, addr: In6Addr | null): boolean {
  if (addr === null) return false;
  to[0] = addr.a;
  to[1] = addr.b;
  to[2] = addr.c;
  to[3] = addr.d;
  return true;
}

/** Gives a host's netfilter its IPv6 tables. */
export function netfilterFamily6(nf: Netfilter, ip6: Ipv6): void {
  nf.families.push(new FamilyTables(new Family6(nf, ip6)));
}
