/** A bench for IPv6 without a card: the hosts of `test/ip/lab.ts` with IPv6, and frames written by hand. */
import assert from 'node:assert/strict';
import { in6FromEui64, in6IsMulticast, parseIpv6, type In6Addr } from '../../src/lib/addr6.ts';
import { csumIpv6Magic, csumPartial } from '../../src/lib/checksum.ts';
import { put16 } from '../../src/lib/bytes.ts';
import { Random } from '../../src/lib/random.ts';
import { skbFromBytes } from '../../src/skb/copy.ts';
import { SkbPool } from '../../src/skb/pool.ts';
import type { NetDevice } from '../../src/dev/net-device.ts';
import { applyMode, type Ipv6Mode } from '../../src/ip/v6/conf.ts';
import { in6LinklocalPrefix, inet6AddrAdd } from '../../src/ip/v6/addrconf.ts';
import { ipv6Init, type Ipv6 } from '../../src/ip/v6/ipv6.ts';
import { ip6BuildAndSendPkt } from '../../src/ip/v6/output.ts';
import { ip6RouteOutput } from '../../src/ip/v6/route.ts';
import { ipv6EthMcMap } from '../../src/neigh/ndp.ts';
import { icmpv6Csum, icmpv6WriteHeader, ICMPV6_ECHO_REQUEST } from '../../src/wire/icmpv6.ts';
import { ETH_HLEN, ETH_P_IPV6, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { IPV6_HLEN, ipv6WriteHeader, NEXTHDR_ICMP } from '../../src/wire/ipv6.ts';
import { printEthernet } from '../../src/wire/print.ts';
import { Simulation } from '../../src/time/simulation.ts';
import { labHost, plug, Wire, type LabHost } from '../ip/lab.ts';

export { noLeaks, receive, run, Wire } from '../ip/lab.ts';

/** `ip6('fe80::1')`. */
export function ip6(text: string): In6Addr {
  const addr = parseIpv6(text);
  assert.ok(addr !== null, text);
  return addr;
}

export interface LabHost6 extends LabHost {
  readonly ip6: Ipv6;
}

/** A host with lo; `mode` says what its cards do by themselves. */
export function labHost6(sim: Simulation, pool: SkbPool, name: string, mode: Ipv6Mode = 'static', seed = 1): LabHost6 {
  const host = labHost(sim, pool, name, seed);
  const ipv6 = ipv6Init(host.net, Random.stream(seed, `${name}6`));
  applyMode(ipv6.confDefault, mode);
  return Object.assign(host, { ip6: ipv6 });
}

/** Gives the host a device on the wire; `addr` as `fd00::1/64`. */
export function plug6(host: LabHost6, wire: Wire, nr: number, addr: string | null, name = 'eth0'): NetDevice {
  const dev = host.in(() => plug(host, wire, nr, null, name));
  if (addr !== null) {
    const [address, len] = addr.split('/');
    assert.equal(host.in(() => inet6AddrAdd(dev, ip6(address!), Number(len))), 0);
  }
  return dev;
}

/** The link-local address of the device with that number. */
export function ll(nr: number): In6Addr {
  return in6FromEui64(in6LinklocalPrefix, mac(nr));
}

export function mac(nr: number): Uint8Array {
  return new Uint8Array([2, 0, 0, 0, 0, nr]);
}

export interface Bench {
  sim: Simulation;
  pool: SkbPool;
  wire: Wire;
  a: LabHost6;
  ea: NetDevice;
}

/** One host, fd00::1 at MAC number 1, on a wire. */
export function bench(mode: Ipv6Mode = 'static', addr: string | null = 'fd00::1/64'): Bench {
  const sim = new Simulation();
  const pool = new SkbPool();
  const wire = new Wire(sim, pool);
  const a = labHost6(sim, pool, 'a', mode);
  const ea = plug6(a, wire, 1, addr);
  return { sim, pool, wire, a, ea };
}

/** A frame with an IPv6 packet: `next` and what follows the IPv6 header. */
export function frame6(
  saddr: In6Addr, daddr: In6Addr, next: number, payload: Uint8Array, options: { hops?: number; from?: number; to?: Uint8Array } = {},
): Uint8Array {
  const f = new Uint8Array(ETH_HLEN + IPV6_HLEN + payload.length);
  const to = options.to ?? mac(1);
  if (options.to === undefined && in6IsMulticast(daddr)) ipv6EthMcMap(daddr, to);
  ethWriteHeader(f, 0, to, 0, mac(options.from ?? 77), 0, ETH_P_IPV6);
  ipv6WriteHeader(f, ETH_HLEN, 0, 0, payload.length, next, options.hops ?? 64, saddr, daddr);
  f.set(payload, ETH_HLEN + IPV6_HLEN);
  return f;
}

/** A frame with an ICMPv6 message, its checksum filled in; hop limit 255 unless said. */
export function icmp6(
  saddr: In6Addr, daddr: In6Addr, message: Uint8Array, options: { hops?: number; from?: number; to?: Uint8Array } = {},
): Uint8Array {
  const f = frame6(saddr, daddr, NEXTHDR_ICMP, message, { hops: 255, ...options });
  put16(f, ETH_HLEN + IPV6_HLEN + 2, 0);
  put16(f, ETH_HLEN + IPV6_HLEN + 2, icmpv6Csum(f, ETH_HLEN, ETH_HLEN + IPV6_HLEN, message.length));
  return f;
}

/** An ICMPv6 echo request with `size` bytes of data. */
export function echoRequest(size = 8): Uint8Array {
  const m = new Uint8Array(8 + size);
  icmpv6WriteHeader(m, 0, ICMPV6_ECHO_REQUEST, 0, 0x00070001);
  return m;
}

/** The host sends an echo request. What the stack answers. */
export function echo(h: LabHost6, daddr: In6Addr, size = 8, hops = -1, mayFragment = true): number {
  return h.in(() => {
    const m = echoRequest(size);
    const skb = skbFromBytes(h.pool, m, 100);
    skb.th = skb.data;
    skb.ignoreDf = mayFragment;
    const way = ip6RouteOutput(h.ip6, daddr, null, 0);
    if (typeof way === 'number') {
      h.net.drop(skb, 1);
      return way;
    }
    const head = new Uint8Array(IPV6_HLEN);
    ipv6WriteHeader(head, 0, 0, 0, m.length, NEXTHDR_ICMP, 64, way.src, daddr);
    put16(skb.buf, skb.th + 2, csumIpv6Magic(head, 8, head, 24, m.length, NEXTHDR_ICMP, csumPartial(m, 0, m.length, 0)));
    return ip6BuildAndSendPkt(h.ip6, skb, null, daddr, NEXTHDR_ICMP, hops, 0, 0, way, 0);
  });
}

/** The frames on the wire so far, as tcpdump prints them. */
export function lines(wire: Wire): string[] {
  return wire.frames.map((f) => printEthernet(f, 0, f.length, { verify: true }));
}

/** What went over the wire while `f` ran. */
export function during(wire: Wire, f: () => void): string[] {
  const from = wire.frames.length;
  f();
  return lines(wire).slice(from);
}
