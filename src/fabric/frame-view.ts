/**
 * A frame as rules and people see it: fields by name, read when asked for, in plain words and printed addresses.
 *
 * It is a copy: it stays true after the frame has gone on. Made only when somebody looks.
 */
import { formatIpv4, formatMac } from '../lib/addr.ts';
import { formatIpv6At } from '../lib/addr6.ts';
import { skbBytes } from '../skb/copy.ts';
import { checksumFillIn } from '../skb/csum.ts';
import { CHECKSUM_PARTIAL, type SkBuff } from '../skb/sk-buff.ts';
import { arpCheck, ArpCheck, ARP_SHA, ARP_THA, arpOp, arpSpa, arpTpa } from '../wire/arp.ts';
import { ETH_DST, ETH_HLEN, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ETH_SRC, ethType } from '../wire/ethernet.ts';
import { ICMP_HLEN, icmphCode, icmphId, icmphSeq, icmphType } from '../wire/icmp.ts';
import {
  IP_DF, IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN_MIN, iphDaddr, iphFragOff, iphHlen, iphId,
  iphProtocol, iphSaddr, iphTos, iphTotalLen, iphTtl, iphVersion,
} from '../wire/ipv4.ts';
import {
  IP6_MF, IP6_OFFSET, ip6hFlowLabel, ip6hHopLimit, ip6hNexthdr, ip6hPayloadLen, ip6hTclass, IPV6_DADDR, IPV6_HLEN, IPV6_SADDR,
  ipv6SkipExthdr,
} from '../wire/ipv6.ts';
import {
  TCP_FLAG_ACK, TCP_FLAG_CWR, TCP_FLAG_ECE, TCP_FLAG_FIN, TCP_FLAG_PSH, TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_URG,
  TcpCheck, tcpCheck, thAckSeq, thDport, thFlags, thHlen, thSeq, thSport, thWindow,
} from '../wire/tcp.ts';
import { UDP_HLEN, uhDport, uhLen, uhSport } from '../wire/udp.ts';
import { ethTypeVlan, vlanInnerType, VLAN_HLEN } from '../wire/vlan.ts';

export interface EthView { readonly dst: string; readonly src: string; readonly type: number }

export interface Ipv4View {
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  readonly ttl: number;
  readonly tos: number;
  readonly id: number;
  readonly df: boolean;
  readonly mf: boolean;
  /** In bytes. */
  readonly fragmentOffset: number;
  readonly headerLength: number;
  readonly totalLength: number;
}

export interface Ipv6View {
  readonly src: string;
  readonly dst: string;
  /** What the IPv6 header names; `protocol` is what stands behind all extension headers. */
  readonly nextHeader: number;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly payloadLength: number;
  /** Of a fragment: in bytes, and whether more follow. A whole packet has 0 and false. */
  readonly fragmentOffset: number;
  readonly mf: boolean;
  /** Bytes up to the upper layer: 40, and extension headers. */
  readonly headerLength: number;
}

export interface TcpView {
  readonly sport: number;
  readonly dport: number;
  /** Sequence numbers as unsigned numbers, as they stand in the header. */
  readonly seq: number;
  readonly ackSeq: number;
  /** As sent, not scaled. */
  readonly window: number;
  readonly headerLength: number;
  readonly payloadLength: number;
  readonly fin: boolean;
  readonly syn: boolean;
  readonly rst: boolean;
  readonly psh: boolean;
  readonly ack: boolean;
  readonly urg: boolean;
  readonly ece: boolean;
  readonly cwr: boolean;
}

export interface UdpView { readonly sport: number; readonly dport: number; readonly payloadLength: number }

export interface IcmpView { readonly type: number; readonly code: number; readonly id: number; readonly seq: number }

export interface ArpView {
  readonly op: number;
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

/** What {@link FrameView} keeps of a header that it has looked for: not yet; not there; there. */
type Found<T> = T | null | undefined;

export class FrameView {
  /** When it was handed to the cable, in virtual nanoseconds. */
  readonly time: number;
  /** Names of the ports. */
  readonly from: string;
  readonly to: string;
  /** Bytes of the frame, without the check sequence. */
  readonly length: number;
  private readonly frame: Uint8Array;
  /** Where the network and the transport header are when the checksum is still open, else -1. */
  private openNh = -1;
  private openTh = -1;
  private ethHeader: Found<EthView> = undefined;
  private ipv4Header: Found<Ipv4View> = undefined;
  private ipv6Header: Found<Ipv6View> = undefined;
  private icmp6Header: Found<IcmpView> = undefined;
  private tcpHeader: Found<TcpView> = undefined;
  private udpHeader: Found<UdpView> = undefined;
  private icmpHeader: Found<IcmpView> = undefined;
  private arpHeader: Found<ArpView> = undefined;

  /** `skb` has `data` at the Ethernet header. */
  constructor(skb: SkBuff, time: number, from: string, to: string) {
    this.time = time;
    this.from = from;
    this.to = to;
    this.length = skb.len;
    this.frame = skbBytes(skb);
    if (skb.ipSummed === CHECKSUM_PARTIAL && skb.nh >= 0 && skb.th >= 0) {
      this.openNh = skb.nh - skb.data;
      this.openTh = skb.th - skb.data;
    }
  }

  /** All bytes, checksums filled in. The array is the view's own; do not change it. */
  bytes(): Uint8Array {
    if (this.openTh >= 0) {
      checksumFillIn(this.frame, this.openNh, this.openTh, this.length);
      this.openTh = -1;
    }
    return this.frame;
  }

  /** The payload of TCP or UDP; empty when the frame is neither. */
  payload(): Uint8Array {
    const bytes = this.bytes();
    const { tcp, udp } = this;
    const ip = this.ipv4 ?? this.ipv6;
    if (ip === null) return bytes.subarray(0, 0);
    const at = this.l3 + ip.headerLength;
    if (tcp !== null) return bytes.subarray(at + tcp.headerLength, at + tcp.headerLength + tcp.payloadLength);
    if (udp !== null) return bytes.subarray(at + UDP_HLEN, at + UDP_HLEN + udp.payloadLength);
    return bytes.subarray(0, 0);
  }

  get eth(): EthView | null {
    if (this.ethHeader === undefined) this.ethHeader = readEth(this.frame);
    return this.ethHeader;
  }

  get ipv4(): Ipv4View | null {
    if (this.ipv4Header === undefined) this.ipv4Header = this.l3Type === ETH_P_IP ? readIpv4(this.frame, this.l3) : null;
    return this.ipv4Header;
  }

  get ipv6(): Ipv6View | null {
    if (this.ipv6Header === undefined) this.ipv6Header = this.l3Type === ETH_P_IPV6 ? readIpv6(this.frame, this.l3) : null;
    return this.ipv6Header;
  }

  get tcp(): TcpView | null {
    if (this.tcpHeader === undefined) this.tcpHeader = this.l4(IPPROTO_TCP, readTcp);
    return this.tcpHeader;
  }

  get udp(): UdpView | null {
    if (this.udpHeader === undefined) this.udpHeader = this.l4(IPPROTO_UDP, readUdp);
    return this.udpHeader;
  }

  get icmp(): IcmpView | null {
    if (this.icmpHeader === undefined) this.icmpHeader = this.l4(IPPROTO_ICMP, readIcmp);
    return this.icmpHeader;
  }

  /** ICMPv6: types of RFC 4443, neighbour discovery among them; `id` and `seq` have a meaning in echoes. */
  get icmp6(): IcmpView | null {
    if (this.icmp6Header === undefined) this.icmp6Header = this.l4(IPPROTO_ICMPV6, readIcmp);
    return this.icmp6Header;
  }

  get arp(): ArpView | null {
    if (this.arpHeader === undefined) this.arpHeader = this.l3Type === ETH_P_ARP ? readArp(this.frame, this.l3) : null;
    return this.arpHeader;
  }

  /** The type behind one VLAN tag, if there is one. */
  private get l3Type(): number {
    if (this.length < ETH_HLEN) return 0;
    return this.tagged ? vlanInnerType(this.frame, 0) : ethType(this.frame, 0);
  }

  private get l3(): number {
    return this.tagged ? ETH_HLEN + VLAN_HLEN : ETH_HLEN;
  }

  private get tagged(): boolean {
    return this.length >= ETH_HLEN + VLAN_HLEN && ethTypeVlan(ethType(this.frame, 0));
  }

  /** Reads the transport header, when the packet has that protocol and is not a later fragment. */
  private l4<T>(protocol: number, read: (frame: Uint8Array, off: number, len: number) => T | null): T | null {
    const { ipv4 } = this;
    if (ipv4 === null) return this.l4over6(protocol, read);
    if (ipv4.protocol !== protocol || ipv4.fragmentOffset !== 0) return null;
    const at = this.l3 + ipv4.headerLength;
    return read(this.frame, at, Math.min(ipv4.totalLength - ipv4.headerLength, this.length - at));
  }

  private l4over6<T>(protocol: number, read: (frame: Uint8Array, off: number, len: number) => T | null): T | null {
    const { ipv6 } = this;
    if (ipv6 === null || ipv6.protocol !== protocol || ipv6.fragmentOffset !== 0) return null;
    const at = this.l3 + ipv6.headerLength;
    // A super-packet's length does not fit into the field, which is 0 then.
    const end = ipv6.payloadLength === 0 ? this.length : this.l3 + IPV6_HLEN + ipv6.payloadLength;
    return read(this.frame, at, Math.min(end, this.length) - at);
  }
}

function readEth(frame: Uint8Array): EthView | null {
  if (frame.length < ETH_HLEN) return null;
  return { dst: formatMac(frame, ETH_DST), src: formatMac(frame, ETH_SRC), type: ethType(frame, 0) };
}

function readIpv4(frame: Uint8Array, off: number): Ipv4View | null {
  const len = frame.length - off;
  if (len < IPV4_HLEN_MIN || iphVersion(frame, off) !== 4) return null;
  const headerLength = iphHlen(frame, off);
  if (headerLength < IPV4_HLEN_MIN || headerLength > len) return null;
  const frag = iphFragOff(frame, off);
  return {
    src: formatIpv4(iphSaddr(frame, off)),
    dst: formatIpv4(iphDaddr(frame, off)),
    protocol: iphProtocol(frame, off),
    ttl: iphTtl(frame, off),
    tos: iphTos(frame, off),
    id: iphId(frame, off),
    df: (frag & IP_DF) !== 0,
    mf: (frag & IP_MF) !== 0,
    fragmentOffset: (frag & IP_OFFSET) * 8,
    headerLength,
    totalLength: iphTotalLen(frame, off),
  };
}

function readIpv6(frame: Uint8Array, off: number): Ipv6View | null {
  const len = frame.length - off;
  if (len < IPV6_HLEN || iphVersion(frame, off) !== 6) return null;
  const upper = ipv6SkipExthdr(frame, off, len, { off: 0, nexthdr: 0, frag: 0 });
  return {
    src: formatIpv6At(frame, off + IPV6_SADDR),
    dst: formatIpv6At(frame, off + IPV6_DADDR),
    nextHeader: ip6hNexthdr(frame, off),
    protocol: upper.off < 0 ? -1 : upper.nexthdr,
    hopLimit: ip6hHopLimit(frame, off),
    trafficClass: ip6hTclass(frame, off),
    flowLabel: ip6hFlowLabel(frame, off),
    payloadLength: ip6hPayloadLen(frame, off),
    fragmentOffset: upper.frag & IP6_OFFSET,
    mf: (upper.frag & IP6_MF) !== 0,
    headerLength: (upper.off < 0 ? off + IPV6_HLEN : upper.off) - off,
  };
}

function readTcp(frame: Uint8Array, off: number, len: number): TcpView | null {
  if (tcpCheck(frame, off, len) !== TcpCheck.Ok) return null;
  const flags = thFlags(frame, off);
  const headerLength = thHlen(frame, off);
  return {
    sport: thSport(frame, off),
    dport: thDport(frame, off),
    seq: thSeq(frame, off) >>> 0,
    ackSeq: thAckSeq(frame, off) >>> 0,
    window: thWindow(frame, off),
    headerLength,
    payloadLength: len - headerLength,
    fin: (flags & TCP_FLAG_FIN) !== 0,
    syn: (flags & TCP_FLAG_SYN) !== 0,
    rst: (flags & TCP_FLAG_RST) !== 0,
    psh: (flags & TCP_FLAG_PSH) !== 0,
    ack: (flags & TCP_FLAG_ACK) !== 0,
    urg: (flags & TCP_FLAG_URG) !== 0,
    ece: (flags & TCP_FLAG_ECE) !== 0,
    cwr: (flags & TCP_FLAG_CWR) !== 0,
  };
}

function readUdp(frame: Uint8Array, off: number, len: number): UdpView | null {
  if (len < UDP_HLEN) return null;
  const payloadLength = Math.max(0, Math.min(uhLen(frame, off), len) - UDP_HLEN);
  return { sport: uhSport(frame, off), dport: uhDport(frame, off), payloadLength };
}

function readIcmp(frame: Uint8Array, off: number, len: number): IcmpView | null {
  if (len < ICMP_HLEN) return null;
  return { type: icmphType(frame, off), code: icmphCode(frame, off), id: icmphId(frame, off), seq: icmphSeq(frame, off) };
}

function readArp(frame: Uint8Array, off: number): ArpView | null {
  if (arpCheck(frame, off, frame.length - off) !== ArpCheck.Ok) return null;
  return {
    op: arpOp(frame, off),
    senderMac: formatMac(frame, off + ARP_SHA),
    senderIp: formatIpv4(arpSpa(frame, off)),
    targetMac: formatMac(frame, off + ARP_THA),
    targetIp: formatIpv4(arpTpa(frame, off)),
  };
}
