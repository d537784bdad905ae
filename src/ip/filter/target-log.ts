/**
 * LOG: writes the headers of a packet into the kernel's log, as Linux does, in one line:
 *
 *     [    1.234567] refused: IN=eth0 OUT= MAC=… SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=…
 */
import { formatIpv4 } from '../../lib/addr.ts';
import { get16, get32, get8, toHex } from '../../lib/bytes.ts';
import { formatIpv6, in6ReadAt } from '../../lib/addr6.ts';
import {
  IP_CE, IP_DF, IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_FRAG_OFF, IPV4_HLEN_MIN, IPV4_ID,
  IPV4_OPTIONS, IPV4_TOTAL_LEN, iphHlen,
} from '../../wire/ipv4.ts';
import { icmpIsError } from '../../wire/icmp.ts';
import { TCP_ACK_SEQ, TCP_DOFF, TCP_HLEN_MIN, TCP_OPTIONS, TCP_SEQ, TCP_URG_PTR, TCP_WINDOW } from '../../wire/tcp.ts';
import { XT_CONTINUE } from './constants.ts';
import type { KernelLog } from './log.ts';
import type { NfPacket } from './packet.ts';

/** Longest prefix (Linux: 29 characters). */
export const LOG_PREFIX_MAX = 29;

const TCP_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [0x80, 'CWR'], [0x40, 'ECE'], [0x20, 'URG'], [0x10, 'ACK'], [0x08, 'PSH'], [0x04, 'RST'], [0x02, 'SYN'], [0x01, 'FIN'],
];

export class LogTarget {
  readonly name = 'LOG';
  readonly prefix: string;
  /** 0 (emerg) to 7 (debug); said, and not acted on: all levels are kept. */
  readonly level: number;
  readonly sequence: boolean;
  readonly tcpOptions: boolean;
  readonly ipOptions: boolean;
  private readonly log: KernelLog;

  constructor(log: KernelLog, prefix: string, level: number, flags: { sequence: boolean; tcpOptions: boolean; ipOptions: boolean }) {
    this.log = log;
    this.prefix = prefix;
    this.level = level;
    this.sequence = flags.sequence;
    this.tcpOptions = flags.tcpOptions;
    this.ipOptions = flags.ipOptions;
  }

  run(p: NfPacket): number {
    const words = [`${this.prefix}IN=${p.in?.name ?? ''}`, `OUT=${p.out?.name ?? ''}`];
    if (p.in !== null && p.skb.mac >= 0) words.push(`MAC=${mac(p)}`);
    words.push(...(p.version === 4 ? this.ipv4(p) : ipv6(p)));
    words.push(...this.transport(p));
    if (p.skb.mark !== 0) words.push(`MARK=0x${(p.skb.mark >>> 0).toString(16)}`);
    this.log.write(`${words.join(' ')} `);
    return XT_CONTINUE;
  }

  private ipv4(p: NfPacket): string[] {
    const { buf } = p.skb;
    const frag = get16(buf, p.nh + IPV4_FRAG_OFF);
    const words = [
      `SRC=${formatIpv4(p.s0)}`, `DST=${formatIpv4(p.d0)}`, `LEN=${String(get16(buf, p.nh + IPV4_TOTAL_LEN))}`,
      `TOS=0x${hex2(p.tos & 0x1e)}`, `PREC=0x${hex2(p.tos & 0xe0)}`, `TTL=${String(p.ttl)}`, `ID=${String(get16(buf, p.nh + IPV4_ID))}`,
    ];
    if ((frag & IP_CE) !== 0) words.push('CE');
    if ((frag & IP_DF) !== 0) words.push('DF');
    if ((frag & IP_MF) !== 0) words.push('MF');
    if ((frag & IP_OFFSET) !== 0) words.push(`FRAG:${String(frag & IP_OFFSET)}`);
    const hlen = iphHlen(buf, p.nh);
    if (this.ipOptions && hlen > IPV4_HLEN_MIN) {
      words.push(`OPT (${toHex(buf, p.nh + IPV4_OPTIONS, hlen - IPV4_HLEN_MIN).toUpperCase()})`);
    }
    return words;
  }

  private transport(p: NfPacket): string[] {
    switch (p.proto) {
      case IPPROTO_TCP: return this.tcp(p);
      case IPPROTO_UDP: return p.th < 0 ? ['PROTO=UDP'] : ['PROTO=UDP', ...ports(p), `LEN=${String(get16(p.skb.buf, p.th + 4))}`];
      case IPPROTO_ICMP: case IPPROTO_ICMPV6: return icmp(p);
      default: return [`PROTO=${String(p.proto)}`];
    }
  }

  private tcp(p: NfPacket): string[] {
    if (p.th < 0) return ['PROTO=TCP'];
    const { buf } = p.skb;
    const words = ['PROTO=TCP', ...ports(p)];
    if (this.sequence) {
      words.push(`SEQ=${String(get32(buf, p.th + TCP_SEQ) >>> 0)}`, `ACK=${String(get32(buf, p.th + TCP_ACK_SEQ) >>> 0)}`);
    }
    words.push(`WINDOW=${String(get16(buf, p.th + TCP_WINDOW))}`, `RES=0x${hex2(get8(buf, p.th + TCP_DOFF) & 15)}`);
    for (const [bit, name] of TCP_FLAG_NAMES) if ((p.tcpFlags & bit) !== 0) words.push(name);
    words.push(`URGP=${String(get16(buf, p.th + TCP_URG_PTR))}`);
    if (this.tcpOptions && p.tcpHlen > TCP_HLEN_MIN) {
      words.push(`OPT (${toHex(buf, p.th + TCP_OPTIONS, p.tcpHlen - TCP_HLEN_MIN).toUpperCase()})`);
    }
    return words;
  }
}

function ipv6(p: NfPacket): string[] {
  const { buf } = p.skb;
  return [
    `SRC=${formatIpv6(in6ReadAt(buf, p.nh + 8))}`, `DST=${formatIpv6(in6ReadAt(buf, p.nh + 24))}`, `LEN=${String(p.skb.len)}`,
    `TC=${String(p.tos)}`,
    `HOPLIMIT=${String(p.ttl)}`, `FLOWLBL=${String(get32(buf, p.nh) & 0xfffff)}`,
  ];
}

function icmp(p: NfPacket): string[] {
  const name = p.version === 4 ? 'PROTO=ICMP' : 'PROTO=ICMPv6';
  if (p.icmpType < 0) return [name];
  const words = [name, `TYPE=${String(p.icmpType)}`, `CODE=${String(p.icmpCode)}`];
  if (p.version === 4 && !icmpIsError(p.icmpType)) {
    words.push(`ID=${String(get16(p.skb.buf, p.th + 4))}`, `SEQ=${String(get16(p.skb.buf, p.th + 6))}`);
  }
  return words;
}

function ports(p: NfPacket): string[] {
  return [`SPT=${String(p.sport)}`, `DPT=${String(p.dport)}`];
}

function mac(p: NfPacket): string {
  const { buf, mac: at } = p.skb;
  return toHex(buf, at, 14).replace(/..(?=.)/g, '$&:');
}

function hex2(n: number): string {
  return n.toString(16).toUpperCase().padStart(2, '0');
}
