/**
 * A case: what happens to one host, step by step, in a notation that the real kernel and this stack both run.
 *
 *   wait 30                                   milliseconds
 *   < S 0:0(0) win 65535 <mss 1460,sackOK>    a packet of the peer comes in, in the segment notation
 *   #2 < . 1:1(0) ack 1                       the same, from the peer's third port
 *   accept 3 4                                a call; descriptors are the case's own numbers
 *
 * Sequence numbers count from the peer's ISN, acknowledgments from the host's newest one. `ecr 1` echoes the newest timestamp that
 * the host sent, `ecr 3` one that is 2 ms older, `ecr 0` is 0. Nothing waits: every descriptor is non-blocking.
 */
import { parseIpv4 } from '../../src/lib/addr.ts';
import { parseIpv6 } from '../../src/lib/addr6.ts';
import { symbolValue } from '../../src/testing/packetdrill/constants.ts';
import { parsePacket } from '../../src/testing/segment-notation.ts';
import { buildPacket } from '../../src/wire/segment-build.ts';
import type { PacketSpec, TcpOption } from '../../src/wire/segment.ts';
import { TCP_FLAG_ACK } from '../../src/wire/tcp.ts';

export interface Case {
  readonly name: string;
  /** Default 4. */
  readonly ip?: 4 | 6;
  /** Default 1500. */
  readonly mtu?: number;
  /** The peer's ISN; default 1000. Its other ports have others. */
  readonly isn?: number;
  readonly sysctl?: Readonly<Record<string, string | number>>;
  readonly steps: readonly string[];
}

export type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'inject'; readonly flow: number; readonly packet: PacketSpec }
  | { readonly kind: 'call'; readonly name: string; readonly fd: number; readonly args: readonly (number | string)[] };

/** Where the host listens, and the peer; the peer's ports count up from here. */
export const LOCAL_PORT = 8080;
export const FIRST_PEER_PORT = 40000;

export const ADDRESSES = {
  4: { local: '192.168.0.1', remote: '192.168.0.2' },
  6: { local: 'fd3d:0a0b:17d6::1', remote: 'fd3d:0a0b:17d6::2' },
} as const;

/** Set on both sides, whatever the machine's own are; a case's come on top. */
export const SYSCTLS: Readonly<Record<string, string | number>> = {
  'net.ipv4.tcp_congestion_control': 'reno', 'net.ipv4.tcp_rmem': '4096 131072 6291456', 'net.ipv4.tcp_wmem': '4096 16384 4194304',
  'net.ipv4.tcp_syncookies': 1, 'net.ipv4.tcp_ecn': 2, 'net.core.somaxconn': 4096,
};

/** Of the real kernel alone: what this stack never does. */
const REAL_SYSCTLS: Readonly<Record<string, string | number>> = { 'net.ipv4.tcp_no_metrics_save': 1 };

/** The peer's ISN at one of its ports. */
export function peerIsn(c: Case, flow: number): number {
  return ((c.isn ?? 1000) + flow * 0x01000000) >>> 0;
}

function wordValue(word: string): number | string {
  if (/^-?\d+$/.test(word) || /^0x[0-9a-f]+$/.test(word)) return Number(word);
  if (word.startsWith("'")) return word.slice(1);
  let value = 0;
  for (const name of word.split('|')) {
    const one = symbolValue(name);
    if (one === undefined) throw new SyntaxError(`'${word}' is no symbol, no number and no text (which begins with ')`);
    value |= one;
  }
  return value;
}

/** Arguments that a call has, where one may leave out the last. */
const DEFAULTS: Readonly<Record<string, readonly (number | string)[]>> = {
  bind: [LOCAL_PORT], connect: [FIRST_PEER_PORT], read: [0, 0], write: [0, 0], sendto: [0, 0, FIRST_PEER_PORT],
};

/** Reads one step. */
export function parseStep(text: string, ip: 4 | 6): Step {
  const wait = /^wait (\d+)$/.exec(text);
  if (wait !== null) return { kind: 'wait', ms: Number(wait[1]) };
  const inject = /^(?:#(\d+) )?< (.*)$/.exec(text);
  if (inject !== null) {
    return { kind: 'inject', flow: Number(inject[1] ?? '0'), packet: parsePacket(inject[2]!, { version: ip }) };
  }
  const [name = '', fd = '0', ...words] = text.split(' ');
  const given = words.map(wordValue);
  return { kind: 'call', name, fd: Number(fd), args: [...given, ...(DEFAULTS[name] ?? []).slice(given.length)] };
}

export function parseSteps(c: Case): Step[] {
  return c.steps.map((text) => parseStep(text, c.ip ?? 4));
}

/** The options with the echoed timestamps that `ecr` gives. */
function withEcr(options: readonly TcpOption[], ecr: (n: number) => number): TcpOption[] {
  return options.map((o) => (o.kind === 'TS' ? { kind: 'TS', val: o.val, ecr: o.ecr === 0 ? 0 : ecr(o.ecr) } : o));
}

/** The bytes of a packet of the peer, where the host's ISN and newest timestamp are these. */
export function packetBytes(c: Case, flow: number, packet: PacketSpec, isn: number, newestTs: number): Uint8Array {
  const { local, remote } = ADDRESSES[c.ip ?? 4];
  const where = c.ip === 6
    ? { saddr: 0, daddr: 0, v6: { saddr: parseIpv6(remote)!, daddr: parseIpv6(local)! } }
    : { saddr: parseIpv4(remote)!, daddr: parseIpv4(local)! };
  const live = packet.proto === 'tcp' && Array.isArray(packet.options)
    ? { ...packet, options: withEcr(packet.options as readonly TcpOption[], (n) => (newestTs - (n - 1)) >>> 0) }
    : packet;
  return buildPacket(live, { ...where, sport: FIRST_PEER_PORT + flow, dport: LOCAL_PORT, seqBase: peerIsn(c, flow), ackBase: isn });
}

/** A case as driver.py takes it. */
export function driverCase(c: Case, id: number): object {
  const ip = c.ip ?? 4;
  const ops = parseSteps(c).map((step): unknown[] => {
    if (step.kind === 'wait') return ['w', step.ms];
    if (step.kind === 'call') return ['c', step.name, step.fd, ...step.args];
    return ['i', FIRST_PEER_PORT + step.flow, ...driverPacket(c, step.flow, step.packet)];
  });
  return { id, ip, mtu: c.mtu ?? 1500, ...ADDRESSES[ip], sysctl: { ...SYSCTLS, ...REAL_SYSCTLS, ...c.sysctl }, ops };
}

/** Header in hex, zeros behind it, where an ISN is to be added, where an echoed timestamp goes, and whether it is ICMP. */
function driverPacket(c: Case, flow: number, packet: PacketSpec): [string, number, number[], [number, number][], boolean] {
  const bytes = packetBytes(c, flow, packet, 0, 0);
  const l4 = c.ip === 6 ? 40 : 20;
  const acks: number[] = [];
  const ecrs: [number, number][] = [];
  if (packet.proto === 'icmp') {
    if (packet.echoed !== undefined) acks.push(l4 + 8 + l4 + 4);
    return [hex(bytes), 0, acks, ecrs, true];
  }
  const data = packet.proto === 'tcp' ? (packet.range?.len ?? 0) : 0;
  if (packet.proto !== 'tcp') throw new SyntaxError('cases are about TCP');
  const acked = (packet.flags & TCP_FLAG_ACK) !== 0;
  if (acked) acks.push(l4 + 8);
  let at = l4 + 20;
  for (const o of packet.options === 'any' ? [] : (packet.options ?? [])) {
    if (o.kind === 'sack' && acked) o.edges.forEach((_, i) => acks.push(at + 2 + 4 * i));
    if (o.kind === 'TS' && o.ecr !== 0) ecrs.push([at + 6, o.ecr - 1]);
    at += o.kind === 'nop' || o.kind === 'eol' ? 1 : bytes[at + 1]!;
  }
  return [hex(bytes.subarray(0, bytes.length - data)), data, acks, ecrs, false];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
