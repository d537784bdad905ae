/**
 * A million frames of IPv6 from outside, into a host that does all that Linux does, with open sockets: neighbour discovery spoofed,
 * advertisements in floods, chains of extension headers, fragments that overlap, errors about what was never sent; each
 * mutated in its turn. Nothing is thrown, nothing is lost without a name, memory stays within its limits, nothing leaks.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { In6Addr, in6Any, in6FromEui64, in6LinklocalAllnodes, in6SolicitedNode } from '../../src/lib/addr6.ts';
import { put16 } from '../../src/lib/bytes.ts';
import { csumIpv6Magic, csumPartial } from '../../src/lib/checksum.ts';
import { Random } from '../../src/lib/random.ts';
import { Drop } from '../../src/skb/drop-reason.ts';
import { inet6AddrAdd, in6LinklocalPrefix } from '../../src/ip/v6/addrconf.ts';
import { inet6Addrs } from '../../src/ip/v6/inet6-dev.ts';
import { RA_ROUTES_MAX } from '../../src/ip/v6/autoconf.ts';
import { RT6_EXCEPTIONS_MAX } from '../../src/ip/v6/route.ts';
import { Kernel } from '../../src/host/kernel.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../../src/sock/constants.ts';
import { ipv6EthMcMap } from '../../src/neigh/ndp.ts';
import { ETH_HLEN, ETH_P_IPV6, ethWriteHeader } from '../../src/wire/ethernet.ts';
import { IPV6_HLEN, ipv6SkipExthdr, ipv6WriteFragHdr, ipv6WriteHeader } from '../../src/wire/ipv6.ts';
import {
  ndWriteLladdr, ndWriteMtu, ndWriteNa, ndWriteNs, ndWritePrefix, ndWriteRa, ndWriteRedirect, ndWriteRs,
} from '../../src/wire/ndp.ts';
import { plug, receive, Wire } from '../ip/lab.ts';
import { ip6 } from '../ip6/lab.ts';

const FRAMES_PER_SEED = 250_000;
const SEEDS: readonly number[] = Array.from({ length: 4 }, (_, i) => 0x6eed00 + i);
const given = process.env['KERNET_SEED'];
const seeds = given === undefined ? SEEDS : [Number(given)];
const reasons = new Set<string>();
/** Frames between two looks at the host. */
const LOOK_EVERY = 512;
const MAX = 1600;

class Fuzz6 {
  last: Uint8Array = new Uint8Array(0);
  private readonly random: Random;
  private readonly kernel: Kernel;
  private readonly dev: ReturnType<typeof plug>;
  private readonly buf: Uint8Array = new Uint8Array(MAX);
  private readonly upper = { off: 0, nexthdr: 0, frag: 0 };
  private readonly own: readonly In6Addr[];
  private readonly near: readonly In6Addr[] = Array.from({ length: 40 }, (_, i) => ip6(`fe80::${(i + 2).toString(16)}`));
  private len = 0;
  private count = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    const sysctl = { 'net.ipv6.conf.default.accept_ra_rt_info_max_plen': 64 };
    this.kernel = new Kernel({ seed, costs: 'zero', mode: 'manual', ipv6: 'auto', sysctl });
    const { net, ip6: v6 } = this.kernel.stack;
    this.kernel.parts.sim.onBusy = null;
    const wire = new Wire(this.kernel.parts.sim, net.pool);
    wire.passes = (): boolean => {
      wire.frames.length = 0;
      return false;
    };
    net.cpu.enter(0);
    this.dev = plug({ net } as never, wire, 1, null);
    inet6AddrAdd(this.dev, ip6('fd00::1'), 64, { nodad: true });
    if (seed % 3 === 0) v6.confAll.forwarding = 1;
    net.cpu.exit();
    this.advance(3000);
    this.own = [ip6('fd00::1'), in6FromEui64(in6LinklocalPrefix, this.dev.addr)];
    for (const type of [SOCK_STREAM, SOCK_DGRAM]) this.open(type);
  }

  /** A socket that listens, of IPv6 where there is such a thing. */
  private open(type: number): void {
    const { kernel } = this;
    let fd: number;
    try {
      fd = kernel.socket(AF_INET6, type | SOCK_NONBLOCK, 0);
      kernel.bind(fd, { address: '::', port: 53 });
    } catch {
      fd = kernel.socket(AF_INET, type | SOCK_NONBLOCK, 0);
      kernel.bind(fd, { address: '0.0.0.0', port: 53 });
    }
    if (type === SOCK_STREAM) kernel.listen(fd, 8);
  }

  private advance(ms: number): void {
    const { sim } = this.kernel.parts;
    const until = sim.now + ms * 1e6;
    while (sim.nextTime() <= until) sim.step();
    sim.advanceTo(until);
  }

  frame(): void {
    const { random } = this;
    this.make();
    if (random.chance(0.5)) this.spoil();
    if (random.chance(0.85)) this.repair();
    this.last = this.buf.slice(0, this.len);
    receive(this.dev, this.last);
    if (random.chance(0.02)) this.advance(random.below(300));
    if (++this.count % LOOK_EVERY === 0) this.look();
  }

  /** Everything that strangers can make grow has its limit. */
  private look(): void {
    this.advance(1);
    const { ip6: v6, net } = this.kernel.stack;
    assert.ok(v6.frags.table.mem <= v6.frags.sysctl.highThresh + 70_000);
    assert.ok(v6.ndisc.table.entries <= v6.ndisc.table.parms.gcThresh3);
    assert.ok(v6.exceptions.size <= RT6_EXCEPTIONS_MAX);
    assert.ok(inet6Addrs(this.dev).length <= 18);
    assert.ok(v6.fib.main.size <= RA_ROUTES_MAX);
    assert.ok(net.pool.live < 8000, String(net.pool.live));
  }

  // ---- frames that are almost right

  private address(): In6Addr {
    const { random } = this;
    switch (random.below(6)) {
      case 0: return this.near[random.below(40)]!;
      case 1: return new In6Addr(0x20010db8, random.below(8) << 16, 0, random.below(60));
      case 2: return this.own[random.below(2)]!;
      default: return new In6Addr(0xfd000000, 0, 0, 2 + random.below(60));
    }
  }

  private make(): void {
    const { random, buf } = this;
    const kind = random.below(100);
    const neighbour = kind < 50 && random.chance(0.9);
    const saddr = neighbour ? this.near[random.below(40)]! : random.chance(0.02) ? in6Any : this.address();
    let daddr = this.own[random.below(2)]!;
    if (random.chance(0.15)) daddr = random.chance(0.5) ? in6LinklocalAllnodes : in6SolicitedNode(daddr);
    else if (random.chance(0.08)) daddr = this.address();
    let at = ETH_HLEN + IPV6_HLEN;
    let first = 58;
    let nextAt = ETH_HLEN + 6;
    const chain = kind >= 50 && random.chance(0.4) ? 1 + random.below(4) : 0;
    for (let i = 0; i < chain; i++) {
      const kindOf = random.chance(0.4) ? 44 : [0, 60, 43][random.below(3)]!;
      buf[nextAt] = kindOf;
      if (i === 0) first = kindOf;
      nextAt = at;
      at = this.extension(kindOf, at);
    }
    const from = at;
    const proto = kind < 72 ? 58 : kind < 88 ? 6 : kind < 98 ? 17 : random.below(256);
    at = kind < 50 ? this.ndp(from) : this.transport(proto, from);
    if (chain === 0) first = proto;
    const hops = kind < 50 && random.chance(0.97) ? 255 : random.below(256);
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
    if (daddr.a >>> 24 === 0xff) ipv6EthMcMap(daddr, mac);
    ethWriteHeader(buf, 0, mac, 0, Uint8Array.of(2, 0, 0, 0, 1, random.below(200)), 0, ETH_P_IPV6);
    ipv6WriteHeader(buf, ETH_HLEN, 0, 0, at - ETH_HLEN - IPV6_HLEN, first, hops, saddr, daddr);
    if (chain > 0) buf[nextAt] = proto;
    this.len = at;
  }

  private extension(kind: number, at: number): number {
    const { random, buf } = this;
    if (kind === 44) {
      const offset = random.chance(0.3) ? 0 : random.below(random.chance(0.9) ? 40 : 8192) * 8;
      ipv6WriteFragHdr(buf, at, 0, offset, random.chance(0.6), random.below(6));
      return at + 8;
    }
    const units = random.chance(0.8) ? 0 : random.below(4);
    buf.fill(0, at, at + 8 + 8 * units);
    buf[at + 1] = random.chance(0.98) ? units : random.below(256);
    buf[at + 2] = random.chance(0.7) ? 1 : random.below(256);
    buf[at + 3] = random.chance(0.8) ? 4 + (units > 0 ? -4 : 0) : random.below(16);
    return at + 8 + 8 * units;
  }

  private ndp(at: number): number {
    const { random, buf } = this;
    const mac = Uint8Array.of(2, 0, 0, 0, 2, random.below(256));
    switch (random.below(6)) {
      case 0: {
        const target = random.chance(0.8) ? this.own[random.below(2)]! : this.address();
        return at + ndWriteNs(buf, at, target, random.chance(0.8) ? mac : null, null);
      }
      case 1: return at + ndWriteNa(buf, at, this.address(), random.below(8) << 5, random.chance(0.8) ? mac : null);
      case 2: return at + ndWriteRs(buf, at, random.chance(0.8) ? mac : null);
      case 3: {
        let end = at + ndWriteRedirect(buf, at, this.address(), this.address());
        if (random.chance(0.5)) end += ndWriteLladdr(buf, end, 2, mac, 0);
        return end;
      }
      default: {
        const times = [random.below(4000), random.below(100000), random.below(2000)] as const;
        let end = at + ndWriteRa(buf, at, random.below(256), random.below(256), 0, ...times);
        if (random.chance(0.7)) end += ndWriteLladdr(buf, end, 1, mac, 0);
        if (random.chance(0.2)) end += ndWriteMtu(buf, end, random.below(2000));
        const prefixes = random.below(4);
        for (let i = 0; i < prefixes; i++) {
          const prefix = random.chance(0.9) ? new In6Addr(0x20010db8, random.below(65536) << 16, 0, 0) : this.address();
          const len = random.chance(0.8) ? 64 : random.below(140);
          end += ndWritePrefix(buf, end, prefix, len, random.below(256), random.below(9000), random.below(9000));
        }
        return end;
      }
    }
  }

  /** Noise with plausible first bytes: ports, types, a quoted packet. */
  private transport(proto: number, at: number): number {
    const { random, buf } = this;
    const len = random.chance(0.8) ? 8 + random.below(100) : random.below(1200);
    for (let i = 0; i < len; i++) buf[at + i] = i < 60 ? random.below(256) : 0;
    if (proto === 58) {
      buf[at] = random.chance(0.7) ? [1, 2, 3, 4, 128, 129, 130, 131, 143][random.below(9)]! : random.below(256);
      buf[at + 1] = random.below(8);
      if (buf[at] < 5 && len > 60) {
        const quoted = random.chance(0.5) ? 6 : [17, 58, 44, 60][random.below(4)]!;
        ipv6WriteHeader(buf, at + 8, 0, 0, 20, quoted, 64, this.own[0]!, this.address());
      }
    } else {
      put16(buf, at + 2, 53);
      if (proto === 6) buf[at + 12] = 0x50 | random.below(16);
      else put16(buf, at + 4, random.chance(0.8) ? len : random.below(65536));
    }
    return at + len;
  }

  private spoil(): void {
    const { random, buf } = this;
    for (let times = 1 + random.below(2); times > 0; times--) {
      switch (random.below(6)) {
        case 0: this.len = ETH_HLEN + random.below(this.len - ETH_HLEN + 1); break; // cards drop what has no header
        case 1: this.len = Math.min(MAX, this.len + random.below(60)); break;
        case 2: buf[random.below(this.len + 1)]! ^= 1 << random.below(8); break;
        case 3: put16(buf, ETH_HLEN + 4, random.below(2000)); break;
        default: buf[ETH_HLEN + random.below(120)] = random.below(256);
      }
    }
  }

  /** A right checksum, so that the damage is looked at. */
  private repair(): void {
    const { buf, upper, len } = this;
    if (len < ETH_HLEN + IPV6_HLEN) return;
    ipv6SkipExthdr(buf, ETH_HLEN, len - ETH_HLEN, upper);
    const field = upper.nexthdr === 58 ? 2 : upper.nexthdr === 6 ? 16 : upper.nexthdr === 17 ? 6 : -1;
    const payload = (buf[ETH_HLEN + 4]! << 8) | buf[ETH_HLEN + 5]!;
    const end = Math.min(len, ETH_HLEN + IPV6_HLEN + payload);
    if (upper.off < 0 || field < 0 || upper.off + field + 2 > end) return;
    put16(buf, upper.off + field, 0);
    const l4 = end - upper.off;
    const sum = csumPartial(buf, upper.off, l4, 0);
    put16(buf, upper.off + field, csumIpv6Magic(buf, ETH_HLEN + 8, buf, ETH_HLEN + 24, l4, upper.nexthdr, sum));
  }

  // ---- the end

  finish(): void {
    const { net } = this.kernel.stack;
    for (const [name, n] of Object.entries(Drop)) if (net.pool.drops[n]! > 0) reasons.add(name);
    this.advance(20 * 60_000);
    for (const fd of this.kernel.proc.fds.list()) this.kernel.close(fd);
    // What was never accepted is reset; that waits for neighbours, whose questions may be up to an hour apart by now.
    this.advance(4 * 3_600_000);
    assert.equal(net.pool.live, 0);
    assert.equal(net.pool.livePages, 0);
    // It still answers.
    const before = this.kernel.nstat().Icmp6OutNeighborAdvertisements;
    const m = new Uint8Array(64);
    const message = m.subarray(0, ndWriteNs(m, 0, this.own[0]!, Uint8Array.of(2, 0, 0, 0, 0, 9), null));
    this.buf.set(message, ETH_HLEN + IPV6_HLEN);
    ethWriteHeader(this.buf, 0, this.dev.addr, 0, Uint8Array.of(2, 0, 0, 0, 0, 9), 0, ETH_P_IPV6);
    ipv6WriteHeader(this.buf, ETH_HLEN, 0, 0, message.length, 58, 255, ip6('fd00::9'), this.own[0]!);
    this.len = ETH_HLEN + IPV6_HLEN + message.length;
    this.repair();
    receive(this.dev, this.buf.slice(0, this.len));
    this.advance(10);
    assert.equal(this.kernel.nstat().Icmp6OutNeighborAdvertisements, before + 1);
  }
}

for (const seed of seeds) {
  test(`mutated IPv6 frames, seed 0x${seed.toString(16)}: never a throw, a leak, or memory over its limit`, () => {
    const fuzz = new Fuzz6(seed);
    for (let i = 0; i < FRAMES_PER_SEED; i++) {
      try {
        fuzz.frame();
      } catch (error) {
        const hex = [...fuzz.last].map((b) => b.toString(16).padStart(2, '0')).join('');
        throw new Error(`seed 0x${seed.toString(16)}, frame ${String(i)}: ${String(error)}\n  ${hex}`, { cause: error });
      }
    }
    fuzz.finish();
  });
}

if (given === undefined) {
  test('they get deep, and together they are a million', () => {
    assert.ok(SEEDS.length * FRAMES_PER_SEED >= 1_000_000);
    assert.ok(reasons.size >= 25, [...reasons].join(' '));
  });
}
