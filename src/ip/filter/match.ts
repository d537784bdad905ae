/**
 * What a rule may ask of a packet: one class per match, each with the numbers it was given. They are data; `match` answers.
 * The words of iptables that stand for them are in `host/iptables/`.
 */
import { get32, get8 } from '../../lib/bytes.ts';
import type { Random } from '../../lib/random.ts';
import type { Cpu } from '../../time/cpu.ts';
import { IPPROTO_ICMP, IPPROTO_TCP } from '../../wire/ipv4.ts';
import { TCP_OPTIONS } from '../../wire/tcp.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { NfConn } from './conn.ts';
import {
  IP_CT_ESTABLISHED, IP_CT_ESTABLISHED_REPLY, IP_CT_IS_REPLY, IP_CT_NEW, IP_CT_UNTRACKED, IPS_ASSURED, IPS_CONFIRMED, IPS_DST_NAT,
  IPS_EXPECTED, IPS_SEEN_REPLY, IPS_SRC_NAT, XT_CONNTRACK_STATE_DNAT, XT_CONNTRACK_STATE_ESTABLISHED, XT_CONNTRACK_STATE_INVALID,
  XT_CONNTRACK_STATE_NEW, XT_CONNTRACK_STATE_RELATED, XT_CONNTRACK_STATE_SNAT, XT_CONNTRACK_STATE_UNTRACKED,
} from './constants.ts';
import type { NfPacket } from './packet.ts';

/** Numbers from `min` to `max`, or all others. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly not: boolean;
}

export const ANY_PORT: Range = { min: 0, max: 65535, not: false };

function inRange(r: Range, n: number): boolean {
  return (n >= r.min && n <= r.max) !== r.not;
}

/** `-m tcp` */
export class TcpMatch {
  readonly name = 'tcp';
  sport: Range = ANY_PORT;
  dport: Range = ANY_PORT;
  /** Which flags are looked at, and which of these must be set; mask 0: none is looked at. */
  flagsMask = 0;
  flagsSet = 0;
  flagsNot = false;
  /** Kind of an option that must be there; 0: none. */
  option = 0;
  optionNot = false;

  match(p: NfPacket): boolean {
    if (p.fragOff !== 0 || p.th < 0 || p.tcpHlen === 0) return false;
    if (!inRange(this.sport, p.sport) || !inRange(this.dport, p.dport)) return false;
    if (this.flagsMask !== 0 && ((p.tcpFlags & this.flagsMask) === this.flagsSet) === this.flagsNot) return false;
    return this.option === 0 || hasOption(p, this.option) !== this.optionNot;
  }
}

function hasOption(p: NfPacket, kind: number): boolean {
  const { buf } = p.skb;
  const end = p.th + p.tcpHlen;
  for (let at = p.th + TCP_OPTIONS; at < end;) {
    const here = get8(buf, at);
    if (here === kind) return true;
    at += here < 2 ? 1 : Math.max(1, get8(buf, at + 1));
  }
  return false;
}

/** `-m udp` */
export class UdpMatch {
  readonly name = 'udp';
  sport: Range = ANY_PORT;
  dport: Range = ANY_PORT;

  match(p: NfPacket): boolean {
    return p.sport >= 0 && inRange(this.sport, p.sport) && inRange(this.dport, p.dport);
  }
}

/** `-m icmp`, `-m icmp6`: a type, or all of them; a range of codes. */
export class IcmpMatch {
  readonly name: 'icmp' | 'icmp6';
  readonly type: number;
  readonly codeMin: number;
  readonly codeMax: number;
  readonly not: boolean;

  constructor(name: 'icmp' | 'icmp6', type: number, codeMin: number, codeMax: number, not: boolean) {
    this.name = name;
    this.type = type;
    this.codeMin = codeMin;
    this.codeMax = codeMax;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    if (p.icmpType < 0) return false;
    const any = this.type === 0xff && this.name === 'icmp';
    return (any || (p.icmpType === this.type && p.icmpCode >= this.codeMin && p.icmpCode <= this.codeMax)) !== this.not;
  }
}

/** `-m multiport`: up to 15 ports or ranges. */
export class MultiportMatch {
  readonly name = 'multiport';
  readonly which: 'sports' | 'dports' | 'ports';
  readonly ranges: readonly Range[];
  readonly not: boolean;

  constructor(which: 'sports' | 'dports' | 'ports', ranges: readonly Range[], not: boolean) {
    this.which = which;
    this.ranges = ranges;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    if (p.sport < 0) return false;
    let hit = false;
    for (let i = 0; i < this.ranges.length && !hit; i++) {
      const r = this.ranges[i]!;
      hit = (this.which !== 'dports' && inRange(r, p.sport)) || (this.which !== 'sports' && inRange(r, p.dport));
    }
    return hit !== this.not;
  }
}

/** An address with a mask, as four words. */
export class AddressMask {
  readonly addr: Int32Array = new Int32Array(4);
  readonly mask: Int32Array = new Int32Array(4);
  not = false;
}

/** `-m conntrack` and `-m state`. */
export class ConntrackMatch {
  readonly name: 'conntrack' | 'state';
  /** XT_CONNTRACK_STATE_*; 0: not asked. */
  states = 0;
  statesNot = false;
  proto = 0;
  protoNot = false;
  /** Original source and destination, reply source and destination; null: not asked. */
  readonly addrs: (AddressMask | null)[] = [null, null, null, null];
  readonly ports: (Range | null)[] = [null, null, null, null];
  /** IPS_* that one of must be set; 0: not asked; -1: none may be. */
  status = 0;
  statusNot = false;
  /** Seconds left. */
  expire: Range | null = null;
  /** 'ORIGINAL' 0, 'REPLY' 1, -1: not asked. */
  dir = -1;
  private readonly cpu: Cpu;

  constructor(name: 'conntrack' | 'state', cpu: Cpu) {
    this.name = name;
    this.cpu = cpu;
  }

  match(p: NfPacket): boolean {
    const ct = p.skb.nfct as NfConn | null;
    if (this.states !== 0 && ((stateBits(ct, p.skb.nfctInfo) & this.states) !== 0) === this.statesNot) return false;
    if (ct === null) return this.states !== 0; // as Linux: nothing else is asked of a packet without a connection
    if (this.dir >= 0 && (p.skb.nfctInfo >= IP_CT_IS_REPLY ? 1 : 0) !== this.dir) return false;
    if (this.proto !== 0 && (ct.tuples[0].proto === this.proto) === this.protoNot) return false;
    for (let i = 0; i < 4; i++) if (!this.endMatches(ct, i)) return false;
    if (this.status !== 0) {
      const asked = IPS_EXPECTED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED;
      const hit = this.status === -1 ? (ct.status & asked) === 0 : (ct.status & this.status) !== 0;
      if (hit === this.statusNot) return false;
    }
    return this.expire === null || inRange(this.expire, Math.floor(Math.max(0, ct.expires - this.cpu.now) / 1e9));
  }

  private endMatches(ct: NfConn, i: number): boolean {
    const addr = this.addrs[i]!;
    const port = this.ports[i]!;
    if (addr === null && port === null) return true;
    const t = ct.tuples[i >> 1]!;
    const source = (i & 1) === 0;
    if (port !== null && !inRange(port, source ? t.sport : t.dport)) return false;
    if (addr === null) return true;
    const same = source ? sameMasked(addr, t.s0, t.s1, t.s2, t.s3) : sameMasked(addr, t.d0, t.d1, t.d2, t.d3);
    return same !== addr.not;
  }
}

function sameMasked({ addr, mask }: AddressMask, a: number, b: number, c: number, d: number): boolean {
  return (a & mask[0]!) === addr[0]! && (b & mask[1]!) === addr[1]! && (c & mask[2]!) === addr[2]! && (d & mask[3]!) === addr[3]!;
}

/** What a packet is to its connection, as bits. */
function stateBits(ct: NfConn | null, info: number): number {
  if (ct === null) return info === IP_CT_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED : XT_CONNTRACK_STATE_INVALID;
  let bits: number = XT_CONNTRACK_STATE_RELATED;
  if (info === IP_CT_ESTABLISHED || info === IP_CT_ESTABLISHED_REPLY) bits = XT_CONNTRACK_STATE_ESTABLISHED;
  else if (info === IP_CT_NEW) bits = XT_CONNTRACK_STATE_NEW;
  if ((ct.status & IPS_SRC_NAT) !== 0) bits |= XT_CONNTRACK_STATE_SNAT;
  if ((ct.status & IPS_DST_NAT) !== 0) bits |= XT_CONNTRACK_STATE_DNAT;
  return bits;
}

/** `-m limit`: a bucket of tokens, full to begin with. */
export class LimitMatch {
  readonly name = 'limit';
  /** As it was written: so many per unit. */
  readonly count: number;
  readonly unit: 'second' | 'minute' | 'hour' | 'day';
  readonly burst: number;
  /** Nanoseconds that one token takes to come. */
  private readonly periodNs: number;
  private readonly cpu: Cpu;
  private credit: number;
  private last: number;

  constructor(count: number, unit: 'second' | 'minute' | 'hour' | 'day', burst: number, cpu: Cpu) {
    this.count = count;
    this.unit = unit;
    this.burst = burst;
    this.periodNs = { second: 1e9, minute: 60e9, hour: 3600e9, day: 86400e9 }[unit] / count;
    this.cpu = cpu;
    this.credit = this.periodNs * burst;
    this.last = cpu.now;
  }

  match(_p: NfPacket): boolean {
    const { now } = this.cpu;
    this.credit = Math.min(this.credit + now - this.last, this.periodNs * this.burst);
    this.last = now;
    if (this.credit < this.periodNs) return false;
    this.credit -= this.periodNs;
    return true;
  }
}

/** `-m mark` */
export class MarkMatch {
  readonly name = 'mark';
  readonly mark: number;
  readonly mask: number;
  readonly not: boolean;

  constructor(mark: number, mask: number, not: boolean) {
    this.mark = mark;
    this.mask = mask;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    return ((p.skb.mark & this.mask) === this.mark) !== this.not;
  }
}

/** `-m connmark` */
export class ConnmarkMatch {
  readonly name = 'connmark';
  readonly mark: number;
  readonly mask: number;
  readonly not: boolean;

  constructor(mark: number, mask: number, not: boolean) {
    this.mark = mark;
    this.mask = mask;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    const ct = p.skb.nfct as NfConn | null;
    return ct !== null && ((ct.mark & this.mask) === this.mark) !== this.not;
  }
}

/** `-m statistic`: by chance (from the world's seed), or each n-th. */
export class StatisticMatch {
  readonly name = 'statistic';
  readonly mode: 'random' | 'nth';
  readonly probability: number;
  readonly every: number;
  readonly packet: number;
  readonly not: boolean;
  private readonly random: Random;
  private count: number;

  constructor(mode: 'random' | 'nth', probability: number, every: number, packet: number, not: boolean, random: Random) {
    this.mode = mode;
    this.probability = probability;
    this.every = every;
    this.packet = packet;
    this.not = not;
    this.random = random;
    this.count = every - packet - 1;
  }

  match(_p: NfPacket): boolean {
    if (this.mode === 'random') return this.random.chance(this.probability) !== this.not;
    this.count++;
    if (this.count < this.every) return this.not;
    this.count = 0;
    return !this.not;
  }
}

/** `-m length`: of the IP packet. */
export class LengthMatch {
  readonly name = 'length';
  readonly range: Range;

  constructor(range: Range) {
    this.range = range;
  }

  match(p: NfPacket): boolean {
    return inRange(this.range, p.skb.len);
  }
}

/** `-m ttl`, `-m hl`. */
export class TtlMatch {
  readonly name: 'ttl' | 'hl';
  readonly op: 'eq' | 'lt' | 'gt';
  readonly value: number;
  readonly not: boolean;

  constructor(name: 'ttl' | 'hl', op: 'eq' | 'lt' | 'gt', value: number, not: boolean) {
    this.name = name;
    this.op = op;
    this.value = value;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    const hit = this.op === 'eq' ? p.ttl === this.value : this.op === 'lt' ? p.ttl < this.value : p.ttl > this.value;
    return hit !== this.not;
  }
}

/** `-m tos` */
export class TosMatch {
  readonly name = 'tos';
  readonly value: number;
  readonly mask: number;
  readonly not: boolean;

  constructor(value: number, mask: number, not: boolean) {
    this.value = value;
    this.mask = mask;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    return ((p.tos & this.mask) === this.value) !== this.not;
  }
}

/** `-m dscp` */
export class DscpMatch {
  readonly name = 'dscp';
  readonly dscp: number;
  readonly not: boolean;

  constructor(dscp: number, not: boolean) {
    this.dscp = dscp;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    return (p.tos >> 2 === this.dscp) !== this.not;
  }
}

/** `-m mac`: the card that sent the frame. */
export class MacMatch {
  readonly name = 'mac';
  readonly addr: Uint8Array;
  readonly not: boolean;

  constructor(addr: Uint8Array, not: boolean) {
    this.addr = addr;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    const { skb } = p;
    const { addr } = this;
    if (p.in === null || skb.mac < 0) return false;
    const at = skb.mac + 6;
    const same = get32(skb.buf, at) === get32(addr, 0) && get32(skb.buf, at + 2) === get32(addr, 2);
    return same !== this.not;
  }
}

/** Answers what an address is to the host, as a bit of {@link ADDR_TYPES}. */
export type AddressTypeOf = (p: NfPacket, source: boolean, dev: NetDevice | null) => number;

/** The words of `--src-type` and `--dst-type`: a bit each. */
export const ADDR_TYPES: readonly string[] = [
  'UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE', 'UNREACHABLE', 'PROHIBIT', 'THROW',
];

/** `-m addrtype` */
export class AddrtypeMatch {
  readonly name = 'addrtype';
  /** Bits by the place in {@link ADDR_TYPES}; 0: not asked. */
  srcTypes = 0;
  srcNot = false;
  dstTypes = 0;
  dstNot = false;
  limitIn = false;
  limitOut = false;
  private readonly typeOf: AddressTypeOf;

  constructor(typeOf: AddressTypeOf) {
    this.typeOf = typeOf;
  }

  match(p: NfPacket): boolean {
    const dev = this.limitIn ? p.in : this.limitOut ? p.out : null;
    if (this.srcTypes !== 0 && ((this.typeOf(p, true, dev) & this.srcTypes) !== 0) === this.srcNot) return false;
    return this.dstTypes === 0 || ((this.typeOf(p, false, dev) & this.dstTypes) !== 0) !== this.dstNot;
  }
}

/** `-m pkttype` */
export class PkttypeMatch {
  readonly name = 'pkttype';
  /** PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST. */
  readonly type: number;
  readonly not: boolean;

  constructor(type: number, not: boolean) {
    this.type = type;
    this.not = not;
  }

  match(p: NfPacket): boolean {
    return (p.skb.pktType === this.type) !== this.not;
  }
}

/** `-m comment`: always true. */
export class CommentMatch {
  readonly name = 'comment';
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  match(_p: NfPacket): boolean {
    return true;
  }
}

export type NfMatch =
  | TcpMatch | UdpMatch | IcmpMatch | MultiportMatch | ConntrackMatch | LimitMatch | MarkMatch | ConnmarkMatch | StatisticMatch
  | LengthMatch | TtlMatch | TosMatch | DscpMatch | MacMatch | AddrtypeMatch | PkttypeMatch | CommentMatch;

/** Protocols that a match needs `-p` for. */
export const MATCH_PROTOCOLS: Readonly<Record<string, readonly number[]>> = {
  tcp: [IPPROTO_TCP], udp: [17], icmp: [IPPROTO_ICMP], icmp6: [58], multiport: [IPPROTO_TCP, 17, 33, 132, 136],
};

/** Does the match look at connections? Then conntrack has to be on. */
export function matchNeedsConntrack(m: NfMatch): boolean {
  return m.name === 'conntrack' || m.name === 'state' || m.name === 'connmark';
}
