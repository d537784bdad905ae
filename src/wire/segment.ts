/**
 * A packet as the segment notation sees it: what stands between direction and end of line in
 *
 *     S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,nop,wscale 7>
 *     udp (512)
 *     icmp unreachable frag_needed mtu 1200 [1:1001(1000)]
 *
 * One type serves both ends: a *spec*, as somebody wrote it (a field left out is `undefined`: filled in when sending, not
 * compared when expecting), and a *decoded* packet (all fields there). Here are the type and the way to text;
 * segment-decode.ts has the way from bytes, segment-build.ts the way to bytes, testing/segment-notation.ts the way from text
 * and the comparison. Nothing of this is on a packet's path: only printers and tests come here.
 *
 * Sequence numbers are plain numbers 0 to 2^32 - 1 here; whether they are relative to an ISS is the owner's decision.
 */
import { toHex } from '../lib/bytes.ts';
import { icmpCodeHasName, icmpCodeName, icmpTypeName, type IpVersion } from './icmp-names.ts';

/** Sequence numbers go round here. */
export const SEQ_MODULUS = 4294967296;

/** One TCP option; a list of them is in wire order, padding included. */
export type TcpOption =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly value: number }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  /** Left and right edges in turn. */
  | { readonly kind: 'sack'; readonly edges: readonly number[] }
  /** RFC 5925: key ID, the ID of the key that is wanted next, and the code. */
  | { readonly kind: 'tcp-ao'; readonly keyid: number; readonly rnextkeyid: number; readonly data: Uint8Array }
  | { readonly kind: 'md5' | 'FO' | 'FOEXP'; readonly data: Uint8Array }
  /** Accurate ECN: the 24-bit counters that are there, in the order e0b, ceb, e1b (order 0) or e1b, ceb, e0b (order 1). */
  | { readonly kind: 'ECN'; readonly order: 0 | 1; readonly counters: readonly number[] }
  /** A kind we have no word for: `opt 77 0a0b`. */
  | { readonly kind: 'opt'; readonly number: number; readonly data: Uint8Array };

export type EcnWord = 'noecn' | 'ect0' | 'ect1' | 'ect01' | 'ce';

/** What the notation can say of the IP header. */
export interface IpSpec {
  ecn?: EcnWord | undefined;
  tos?: number | undefined;
  ttl?: number | undefined;
  flowlabel?: number | undefined;
}

/** `first:end(len)`, where end is first + len. */
export interface SeqRange {
  seq: number;
  len: number;
}

export interface TcpSpec {
  proto: 'tcp';
  ip: IpSpec;
  sport?: number | undefined;
  dport?: number | undefined;
  /** FIN to CWR, and AE (0x100). */
  flags: number;
  /** The flags AE, CWR and ECE were given as one digit, the ACE counter. */
  ace: boolean;
  range?: SeqRange | undefined;
  ack?: number | undefined;
  win?: number | undefined;
  urg?: number | undefined;
  /** `'any'` is `<...>`: whatever they are. */
  options?: readonly TcpOption[] | 'any' | undefined;
}

export interface UdpSpec {
  proto: 'udp';
  ip: IpSpec;
  sport?: number | undefined;
  dport?: number | undefined;
  /** Bytes of data. */
  len: number;
}

/** The start of a packet that an ICMP error quotes. */
export interface EchoedSpec {
  proto: 'tcp' | 'udp';
  sport?: number | undefined;
  dport?: number | undefined;
  /** TCP: the sequence numbers. UDP: seq is 0, len the bytes of data. */
  range: SeqRange;
}

export interface IcmpSpec {
  proto: 'icmp';
  ip: IpSpec;
  version: IpVersion;
  type: number;
  code: number;
  mtu?: number | undefined;
  id?: number | undefined;
  seq?: number | undefined;
  /** Bytes of echo data. */
  len?: number | undefined;
  echoed?: EchoedSpec | undefined;
}

export type PacketSpec = TcpSpec | UdpSpec | IcmpSpec;

/** The letters in the order in which tcpdump writes them; the digit form of ACE replaces E, W and A. */
const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [0x02, 'S'],
  [0x01, 'F'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
  [0x100, 'A'],
  [0x10, '.'],
];
const ACE_FLAGS = 0x1c0;

/** `S.`, `FP.`, `SEW`; `-` for none; with `ace`, AE, CWR and ECE as one digit. */
export function formatFlags(flags: number, ace: boolean = false): string {
  let s = '';
  for (const [bit, letter] of FLAG_LETTERS) {
    if ((flags & bit) === 0 || (ace && (bit & ACE_FLAGS) !== 0)) continue;
    s += letter;
  }
  if (ace && (flags & ACE_FLAGS) !== 0) {
    const digit = String((flags & ACE_FLAGS) >> 6);
    s = s.endsWith('.') ? `${s.slice(0, -1)}${digit}.` : s + digit;
  }
  return s === '' ? '-' : s;
}

/** `1:1001(1000)` */
export function formatRange(range: SeqRange): string {
  return `${range.seq}:${(range.seq + range.len) % SEQ_MODULUS}(${range.len})`;
}

/** One option, as it stands in the list. */
export function formatOption(o: TcpOption): string {
  switch (o.kind) {
    case 'mss':
    case 'wscale':
      return `${o.kind} ${o.value}`;
    case 'TS':
      return `TS val ${o.val} ecr ${o.ecr}`;
    case 'sack': {
      let s = 'sack';
      for (let i = 0; i + 1 < o.edges.length; i += 2) s += ` ${o.edges[i]}:${o.edges[i + 1]}`;
      return s;
    }
    case 'tcp-ao':
      return `tcp-ao keyid ${o.keyid} rnextkeyid ${o.rnextkeyid} mac 0x${toHex(o.data)}`;
    case 'md5':
    case 'FO':
    case 'FOEXP':
      return o.data.length === 0 ? o.kind : `${o.kind} ${toHex(o.data)}`;
    case 'ECN': {
      const names = o.order === 0 ? ['e0b', 'ceb', 'e1b'] : ['e1b', 'ceb', 'e0b'];
      return `ECN ${o.counters.map((n, i) => `${names[i]} ${n}`).join(' ')}`;
    }
    case 'opt':
      return o.data.length === 0 ? `opt ${o.number}` : `opt ${o.number} ${toHex(o.data)}`;
    default:
      return o.kind;
  }
}

/** `<mss 1460,sackOK>`; `<...>` for any; `<>` for an explicit none. */
export function formatOptions(options: readonly TcpOption[] | 'any'): string {
  return options === 'any' ? '<...>' : `<${options.map(formatOption).join(',')}>`;
}

/** `[ect0]`, `[tos 0x10,ttl 3]`; empty when nothing is said. */
export function formatIpSpec(ip: IpSpec): string {
  const words: string[] = [];
  if (ip.ecn !== undefined) words.push(ip.ecn);
  if (ip.tos !== undefined) words.push(`tos 0x${ip.tos.toString(16)}`);
  if (ip.flowlabel !== undefined) words.push(`flowlabel 0x${ip.flowlabel.toString(16)}`);
  if (ip.ttl !== undefined) words.push(`ttl ${ip.ttl}`);
  return words.length === 0 ? '' : `[${words.join(',')}]`;
}

/** How much {@link formatPacket} says. */
export interface FormatOptions {
  /** Write `33000 > 80` before the flags. Off: ports are said elsewhere on the line. */
  readonly ports?: boolean;
}

/** The packet in the notation. What the parser makes of it is equal again. */
export function formatPacket(p: PacketSpec, options: FormatOptions = {}): string {
  const words: string[] = [];
  const ip = formatIpSpec(p.ip);
  if (ip !== '') words.push(ip);
  if (p.proto === 'icmp') {
    words.push(formatIcmp(p));
    return words.join(' ');
  }
  if (options.ports === true && p.sport !== undefined && p.dport !== undefined) words.push(`${p.sport} > ${p.dport}`);
  words.push(p.proto === 'udp' ? `udp (${p.len})` : formatTcp(p));
  return words.join(' ');
}

function formatTcp(p: TcpSpec): string {
  let s = formatFlags(p.flags, p.ace);
  if (p.range !== undefined) s += ` ${formatRange(p.range)}`;
  if (p.ack !== undefined) s += ` ack ${p.ack}`;
  if (p.win !== undefined) s += ` win ${p.win}`;
  if (p.urg !== undefined) s += ` urg ${p.urg}`;
  if (p.options !== undefined) s += ` ${formatOptions(p.options)}`;
  return s;
}

function formatIcmp(p: IcmpSpec): string {
  let s = `icmp ${icmpTypeName(p.version, p.type)}`;
  if (p.code !== 0 || icmpCodeHasName(p.version, p.type)) s += ` ${icmpCodeName(p.version, p.type, p.code)}`;
  if (p.mtu !== undefined) s += ` mtu ${p.mtu}`;
  if (p.id !== undefined) s += ` id ${p.id}`;
  if (p.seq !== undefined) s += ` seq ${p.seq}`;
  if (p.len !== undefined) s += ` (${p.len})`;
  if (p.echoed !== undefined) s += ` [${formatEchoed(p.echoed)}]`;
  return s;
}

function formatEchoed(e: EchoedSpec): string {
  const ports = e.sport !== undefined && e.dport !== undefined ? `${e.sport} > ${e.dport} ` : '';
  return ports + (e.proto === 'udp' ? `udp (${e.range.len})` : formatRange(e.range));
}

/**
 * The same TCP segment with other zero points: `seqBase` is taken from its sequence number, `ackBase` from its
 * acknowledgment and SACK edges, modulo 2^32. Without the ACK flag the acknowledgment field stays as it is.
 */
export function relativeTcp(p: TcpSpec, seqBase: number, ackBase: number): TcpSpec {
  const acked = (p.flags & 0x10) !== 0;
  const back = (n: number): number => (n - ackBase) >>> 0;
  return {
    ...p,
    range: p.range === undefined ? undefined : { seq: (p.range.seq - seqBase) >>> 0, len: p.range.len },
    ack: p.ack === undefined || !acked ? p.ack : back(p.ack),
    options:
      p.options === undefined || p.options === 'any' || !acked
        ? p.options
        : p.options.map((o) => (o.kind === 'sack' ? { kind: 'sack', edges: o.edges.map(back) } : o)),
  };
}
