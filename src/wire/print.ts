/**
 * A frame as one line of text, like tcpdump's, with TCP in the segment notation and sequence numbers relative to the ISS:
 *
 *     0.100023 alice > bob IP 10.0.0.1.33000 > 10.0.0.2.80: S 0:0(0) win 64240 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>
 *
 * Called only when somebody looks. Whatever the bytes are, nothing here throws: bad ones print as `[malformed ...]`.
 */
import { formatIpv4, formatMac } from '../lib/addr.ts';
import { formatIpv6At } from '../lib/addr6.ts';
import { get16, get8 } from '../lib/bytes.ts';
import { csumIpv6Nofold, csumPartial, csumTcpudpNofold, ipFastCsum } from '../lib/checksum.ts';
import { ARP_SHA, ARPOP_REQUEST, ArpCheck, arpCheck, arpOp, arpSpa, arpTpa } from './arp.ts';
import { ETH_HLEN, ETH_P_802_3_MIN, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ethType } from './ethernet.ts';
import { printIgmp } from './igmp.ts';
import { IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP } from './ipv4.ts';
import { ipIsFragment, iphDaddr, iphFragOff, iphHlen, iphId, iphProtocol, iphSaddr, iphTotalLen } from './ipv4.ts';
import { ipv6Chain, printIcmp6 } from './print6.ts';
import { decodeIpv4, decodeTcp, decodeUdp, ipv4Malformed } from './segment-decode.ts';
import { type EcnWord, type IpSpec, type PacketSpec, type TcpSpec, formatPacket, relativeTcp } from './segment.ts';
import { printBpdu } from './stp.ts';
import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN } from './tcp.ts';
import { uhCheck } from './udp.ts';
import { VLAN_ETH_HLEN, VLAN_HLEN, ethTypeVlan, vlanInnerType, vlanTci, vlanVid } from './vlan.ts';

/** Directions that a {@link FlowTable} remembers at most; the oldest goes first. */
export const FLOW_TABLE_MAX = 65536;
/** Tags one behind the other that the printer follows. */
const VLAN_DEPTH_MAX = 4;
const IPV6_HLEN = 40;

const ECN_WORDS: readonly EcnWord[] = ['noecn', 'ect1', 'ect0', 'ce'];

/** Remembers the initial sequence number of each direction of each connection that was printed. */
export class FlowTable {
  private readonly iss: Map<string, number> = new Map();

  /** The ISS of a direction, or `undefined`. `from` and `to` are `address.port`. */
  lookup(from: string, to: string): number | undefined {
    return this.iss.get(`${from}>${to}`);
  }

  /** Forgets everything, so that the next segments are zero points again. */
  clear(): void {
    this.iss.clear();
  }

  /** The segment with relative numbers; learns from it. `p` has the numbers of the wire. */
  relative(p: TcpSpec, from: string, to: string): TcpSpec {
    const seq = p.range === undefined ? 0 : p.range.seq;
    const syn = (p.flags & TCP_FLAG_SYN) !== 0;
    const known = this.lookup(from, to);
    if (syn && known !== seq) {
      // A new connection on the same ports begins anew on both sides.
      if ((p.flags & TCP_FLAG_ACK) === 0) this.iss.delete(`${to}>${from}`);
      this.remember(from, to, seq);
    } else if (known === undefined && (p.flags & TCP_FLAG_RST) === 0) {
      // We came late: let the first byte seen be 1.
      this.remember(from, to, (seq - 1) >>> 0);
    }
    if ((p.flags & TCP_FLAG_ACK) !== 0 && p.ack !== undefined && this.lookup(to, from) === undefined) {
      this.remember(to, from, (p.ack - 1) >>> 0);
    }
    return relativeTcp(p, this.lookup(from, to) ?? 0, this.lookup(to, from) ?? 0);
  }

  private remember(from: string, to: string, iss: number): void {
    const key = `${from}>${to}`;
    this.iss.delete(key);
    this.iss.set(key, iss);
    if (this.iss.size > FLOW_TABLE_MAX) {
      for (const oldest of this.iss.keys()) {
        this.iss.delete(oldest);
        break;
      }
    }
  }
}

/** `0.100023`: seconds with `digits` decimals, cut, not rounded (a frame is never shown in the future). */
export function formatTime(ns: number, digits: number = 6): string {
  const unit = 10 ** (9 - digits);
  const ticks = Math.floor(ns / unit);
  const perSec = 10 ** digits;
  return `${Math.floor(ticks / perSec)}.${String(ticks % perSec).padStart(digits, '0')}`;
}

/** The whole line: when, from where to where, what. `what` is from {@link printEthernet} or {@link printIp}. */
export function printLine(timeNs: number, from: string, to: string, what: string): string {
  return `${formatTime(timeNs)} ${from} > ${to} ${what}`;
}

/** How {@link printEthernet} and {@link printIp} print. */
export interface PrintOptions {
  /** For relative sequence numbers; without it they are those of the wire. */
  readonly flows?: FlowTable;
  /** Say it when a checksum is wrong. Only where checksums have been filled in: behind the card. */
  readonly verify?: boolean;
}

/** An Ethernet frame of `len` bytes (padding welcome, FCS not). */
export function printEthernet(buf: Uint8Array, off: number, len: number, options: PrintOptions = {}): string {
  if (len < ETH_HLEN) return `[malformed ethernet: ${len} bytes]`;
  let type = ethType(buf, off);
  let head = '';
  let hlen = ETH_HLEN;
  for (let depth = 0; ethTypeVlan(type) && depth < VLAN_DEPTH_MAX; depth++) {
    const at = off + depth * VLAN_HLEN;
    if (len < VLAN_ETH_HLEN + depth * VLAN_HLEN) return `${head}[malformed vlan: ${len} bytes]`;
    head += `vlan ${vlanVid(vlanTci(buf, at))} `;
    type = vlanInnerType(buf, at);
    hlen += VLAN_HLEN;
  }
  const inner = off + hlen;
  const innerLen = len - hlen;
  if (type === ETH_P_IP || type === ETH_P_IPV6) return head + printIp(buf, inner, innerLen, options);
  if (type === ETH_P_ARP) return head + printArp(buf, inner, innerLen);
  const macs = `${formatMac(buf, off + 6)} > ${formatMac(buf, off)}`;
  const bpdu = type < ETH_P_802_3_MIN ? printBpdu(buf, inner, innerLen) : null;
  if (bpdu !== null) return head + bpdu;
  if (type < ETH_P_802_3_MIN) return `${head}802.3 ${macs} length ${type} (${innerLen})`;
  return `${head}${macs} ethertype 0x${type.toString(16).padStart(4, '0')} (${innerLen})`;
}

function printArp(buf: Uint8Array, off: number, len: number): string {
  const check = arpCheck(buf, off, len);
  if (check === ArpCheck.TooShort) return `ARP [malformed arp: ${len} bytes]`;
  if (check === ArpCheck.NotEthernetIpv4) return 'ARP [malformed arp: not IPv4 over Ethernet]';
  if (check === ArpCheck.BadOp) return `ARP op ${arpOp(buf, off)}`;
  const spa = formatIpv4(arpSpa(buf, off));
  const tpa = formatIpv4(arpTpa(buf, off));
  if (arpOp(buf, off) === ARPOP_REQUEST) return `ARP who-has ${tpa} tell ${spa}`;
  return `ARP reply ${spa} is-at ${formatMac(buf, off + ARP_SHA)}`;
}

/** An IP packet without link header. */
export function printIp(buf: Uint8Array, off: number, len: number, options: PrintOptions = {}): string {
  if (len > 0 && get8(buf, off) >> 4 === 6) return printIpv6(buf, off, len, options);
  const bad = ipv4Malformed(buf, off, len);
  if (bad !== '') return `IP ${bad}`;
  const saddr = formatIpv4(iphSaddr(buf, off));
  const daddr = formatIpv4(iphDaddr(buf, off));
  const badSum = options.verify === true ? wrongChecksum(buf, off) : '';
  if (ipIsFragment(buf, off)) return `IP ${saddr} > ${daddr}: ${printFragment(buf, off)}${badSum}`;
  if (iphProtocol(buf, off) === IPPROTO_IGMP) {
    const hlen = iphHlen(buf, off);
    return `IP ${saddr} > ${daddr}: ${printIgmp(buf, off + hlen, iphTotalLen(buf, off) - hlen, formatIpv4)}${badSum}`;
  }
  const p = decodeIpv4(buf, off, len);
  return `IP ${printPacket(p, saddr, daddr, options)}${badSum}`;
}

/** `frag id 7 off 1480 (1480)`, with a `+` when more follow. */
function printFragment(buf: Uint8Array, off: number): string {
  const field = iphFragOff(buf, off);
  const more = (field & IP_MF) !== 0 ? '+' : '';
  const len = iphTotalLen(buf, off) - iphHlen(buf, off);
  return `frag protocol ${iphProtocol(buf, off)} id ${iphId(buf, off)} off ${(field & IP_OFFSET) * 8} (${len})${more}`;
}

/** Behind `IP `: addresses, with ports if there are, and the packet in the notation. */
function printPacket(p: PacketSpec | string, saddr: string, daddr: string, options: PrintOptions): string {
  if (typeof p === 'string') return `${saddr} > ${daddr}: ${p}`;
  const ip = notableIp(p.ip);
  if (p.proto === 'icmp') return `${saddr} > ${daddr}: ${formatPacket(relativeEchoed({ ...p, ip }, saddr, daddr, options))}`;
  const from = `${saddr}.${p.sport}`;
  const to = `${daddr}.${p.dport}`;
  const shown = p.proto === 'tcp' && options.flows !== undefined ? options.flows.relative(p, from, to) : p;
  return `${from} > ${to}: ${formatPacket({ ...shown, ip })}`;
}

/** What of the IP header is worth a place on the line: ECN bits, and a TOS that is not 0. */
function notableIp(ip: IpSpec): IpSpec {
  const tos = ip.tos ?? 0;
  if (tos > 3) return { tos };
  return tos === 0 ? {} : { ecn: ECN_WORDS[tos] };
}

/** The quoted segment's numbers relative to its own connection, which ran the other way. Nothing is learnt from it. */
function relativeEchoed(p: PacketSpec, saddr: string, daddr: string, options: PrintOptions): PacketSpec {
  if (p.proto !== 'icmp' || p.echoed === undefined || p.echoed.proto !== 'tcp') return p;
  const e = p.echoed;
  const iss = options.flows?.lookup(`${daddr}.${e.sport}`, `${saddr}.${e.dport}`) ?? 0;
  return { ...p, echoed: { ...e, range: { seq: (e.range.seq - iss) >>> 0, len: e.range.len } } };
}

/** ` [bad tcp checksum]` or the like; '' when all is well. The packet's lengths have been checked; fragments are not summed. */
function wrongChecksum(buf: Uint8Array, off: number): string {
  const hlen = iphHlen(buf, off);
  if (ipFastCsum(buf, off, hlen) !== 0) return ' [bad ip checksum]';
  if (ipIsFragment(buf, off)) return '';
  const l4 = off + hlen;
  const l4Len = iphTotalLen(buf, off) - hlen;
  const proto = iphProtocol(buf, off);
  if (proto === IPPROTO_ICMP) return ipFastCsum(buf, l4, l4Len) === 0 ? '' : ' [bad icmp checksum]';
  if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP) return '';
  if (proto === IPPROTO_UDP && (l4Len < 8 || uhCheck(buf, l4) === 0)) return '';
  const sum = csumTcpudpNofold(iphSaddr(buf, off), iphDaddr(buf, off), l4Len, proto, csumPartial(buf, l4, l4Len, 0));
  if (sum === 0xffff) return '';
  return proto === IPPROTO_TCP ? ' [bad tcp checksum]' : ' [bad udp checksum]';
}

/** IPv6: extension headers by name, then what they carry. */
function printIpv6(buf: Uint8Array, off: number, len: number, options: PrintOptions): string {
  if (len < IPV6_HLEN) return `IP6 [malformed ip6: ${len} bytes]`;
  const payload = get16(buf, off + 4);
  if (payload > len - IPV6_HLEN) return `IP6 [malformed ip6: truncated, ${len - IPV6_HLEN} of ${payload} bytes]`;
  const saddr = formatIpv6At(buf, off + 8);
  const daddr = formatIpv6At(buf, off + 24);
  const end = off + IPV6_HLEN + payload;
  const { words, off: at, nexthdr, later } = ipv6Chain(buf, off, IPV6_HLEN + payload);
  if (at < 0) return `IP6 ${saddr} > ${daddr}: ${words}[malformed ip6: extension header cut short]`;
  if (later) return `IP6 ${saddr} > ${daddr}: ${words}`;
  const verify = options.verify === true && words === '';
  if (nexthdr === IPPROTO_ICMPV6) return `IP6 ${saddr} > ${daddr}: ${words}${printIcmp6(buf, off, at, end - at, verify)}`;
  const ip: IpSpec = { tos: (get16(buf, off) >> 4) & 255, ttl: get8(buf, off + 7) };
  let p: PacketSpec | string = `${words}protocol ${nexthdr} (${end - at})`;
  if (nexthdr === IPPROTO_TCP) p = decodeTcp(buf, at, end - at, ip);
  else if (nexthdr === IPPROTO_UDP && words === '') p = decodeUdp(buf, at, end - at, ip);
  else if (nexthdr === IPPROTO_UDP) p = `${words}udp (${end - at})`;
  const badSum = verify ? wrongChecksum6(buf, off, at, end - at, nexthdr) : '';
  return `IP6 ${printPacket(p, saddr, daddr, options)}${badSum}`;
}

function wrongChecksum6(buf: Uint8Array, nh: number, at: number, len: number, proto: number): string {
  if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP) return '';
  if (csumIpv6Nofold(buf, nh + 8, buf, nh + 24, len, proto, csumPartial(buf, at, len, 0)) === 0xffff) return '';
  return proto === IPPROTO_TCP ? ' [bad tcp checksum]' : ' [bad udp checksum]';
}
