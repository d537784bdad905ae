/**
 * What a host did in a case: when each step came, what each call answered, what went out, and what was counted. The same from
 * the real kernel (real.ts) and from this stack (kernet.ts); and its form as a fixture.
 */
import { decodeIpv4, decodeIpv6 } from '../../src/wire/segment-decode.ts';
import { formatPacket, relativeTcp, type PacketSpec, type TcpOption, type TcpSpec } from '../../src/wire/segment.ts';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../../src/wire/tcp.ts';
import { FIRST_PEER_PORT, peerIsn, type Case } from './case.ts';

/** What a call gave: its value, the name of its error, or the fields of `info`. */
export type Answer = number | string | readonly number[] | null;

export interface Sent {
  readonly atUs: number;
  /** In relative numbers; values of timestamps count from the first one. */
  readonly text: string;
}

export interface Transcript {
  /** When each step began, in microseconds. */
  readonly times: readonly number[];
  readonly answers: readonly Answer[];
  readonly sent: readonly Sent[];
  readonly counters: Readonly<Record<string, number>>;
  readonly endUs: number;
}

/** Learns the host's ISN and timestamps from what it sends, by the peer's port. */
export class Flows {
  readonly isn: Map<number, number> = new Map();
  readonly newestTs: Map<number, number> = new Map();
  private readonly firstTs: Map<number, number> = new Map();
  private readonly c: Case;

  constructor(c: Case) {
    this.c = c;
  }

  /** A packet that went out, decoded, in relative numbers; null for what is no business of ours. */
  learn(bytes: Uint8Array): string | null {
    const decoded = this.c.ip === 6 ? decodeIpv6(bytes, 0, bytes.length) : decodeIpv4(bytes, 0, bytes.length);
    if (typeof decoded === 'string') return decoded;
    if (decoded.proto === 'icmp' && decoded.version === 6 && decoded.type >= 128) return null;
    return formatPacket(decoded.proto === 'tcp' ? this.relative(decoded) : bare(decoded));
  }

  private relative(packet: TcpSpec): TcpSpec {
    const port = packet.dport!;
    if ((packet.flags & TCP_FLAG_SYN) !== 0) this.isn.set(port, packet.range!.seq);
    const { options: all } = packet;
    const options = all === undefined || all === 'any' ? all : all.map((o) => this.timestamp(port, o));
    const flow = port - FIRST_PEER_PORT;
    const isn = peerIsn(this.c, flow);
    const known = this.isn.get(port) ?? 0;
    // The number of a reset that answers a segment without an ACK is 0, and belongs to nothing.
    const numbers = relativeTcp({ ...packet, options }, packet.range!.seq === 0 ? 0 : known, isn);
    const ecn = packet.ip.tos === undefined || (packet.ip.tos & 3) === 0 ? {} : { tos: packet.ip.tos & 3 };
    const acked = (packet.flags & TCP_FLAG_ACK) !== 0;
    const ports = flow === 0 ? { sport: undefined, dport: undefined } : { sport: 1, dport: flow };
    return { ...numbers, ip: ecn, ...ports, ...(acked ? {} : { ack: packet.ack }) };
  }

  private timestamp(port: number, o: TcpOption): TcpOption {
    if (o.kind !== 'TS') return o;
    this.newestTs.set(port, o.val);
    if (!this.firstTs.has(port)) this.firstTs.set(port, o.val);
    return { kind: 'TS', val: (o.val - this.firstTs.get(port)!) >>> 0, ecr: o.ecr };
  }
}

function bare(packet: PacketSpec): PacketSpec {
  return { ...packet, ip: {} };
}

/** Fields of struct tcp_info that are compared, with offset and size; wscale is two in a byte. */
export const INFO_FIELDS: readonly (readonly [string, number, 1 | 2 | 4 | 8])[] = [
  ['tcpi_state', 0, 1], ['tcpi_ca_state', 1, 1], ['tcpi_retransmits', 2, 1], ['tcpi_probes', 3, 1], ['tcpi_backoff', 4, 1],
  ['tcpi_options', 5, 1], ['tcpi_rto', 8, 4], ['tcpi_ato', 12, 4], ['tcpi_snd_mss', 16, 4], ['tcpi_rcv_mss', 20, 4],
  ['tcpi_unacked', 24, 4], ['tcpi_sacked', 28, 4], ['tcpi_lost', 32, 4], ['tcpi_retrans', 36, 4], ['tcpi_pmtu', 60, 4],
  ['tcpi_rcv_ssthresh', 64, 4], ['tcpi_rtt', 68, 4], ['tcpi_rttvar', 72, 4], ['tcpi_snd_ssthresh', 76, 4], ['tcpi_snd_cwnd', 80, 4],
  ['tcpi_advmss', 84, 4], ['tcpi_reordering', 88, 4], ['tcpi_rcv_rtt', 92, 4], ['tcpi_rcv_space', 96, 4], ['tcpi_total_retrans', 100, 4],
  ['tcpi_bytes_acked', 120, 8], ['tcpi_bytes_received', 128, 8], ['tcpi_segs_out', 136, 4], ['tcpi_segs_in', 140, 4],
  ['tcpi_notsent_bytes', 144, 4], ['tcpi_min_rtt', 148, 4], ['tcpi_data_segs_in', 152, 4], ['tcpi_data_segs_out', 156, 4],
  ['tcpi_delivered', 192, 4], ['tcpi_delivered_ce', 196, 4], ['tcpi_bytes_sent', 200, 8], ['tcpi_bytes_retrans', 208, 8],
  ['tcpi_dsack_dups', 216, 4], ['tcpi_reord_seen', 220, 4], ['tcpi_rcv_ooopack', 224, 4], ['tcpi_snd_wnd', 228, 4],
  ['tcpi_rcv_wnd', 232, 4], ['tcpi_total_rto', 240, 2], ['tcpi_total_rto_recoveries', 242, 2],
];

/** Of SO_MEMINFO, behind the fields of TCP_INFO. */
export const MEM_FIELDS: readonly string[] = ['rmem_alloc', 'rcvbuf'];

export const ANSWER_FIELDS: readonly string[] = [...INFO_FIELDS.map(([name]) => name), ...MEM_FIELDS];

/** A transcript in a fixture: times in microseconds, packets as lines. */
export interface Recorded {
  readonly case: Case;
  readonly times: readonly number[];
  readonly answers: readonly Answer[];
  readonly sent: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
  readonly endUs: number;
}

export function toRecorded(c: Case, t: Transcript): Recorded {
  const { times, answers, counters, endUs } = t;
  return { case: c, times, answers, sent: t.sent.map((s) => `${s.atUs} ${s.text}`), counters, endUs };
}

export function fromRecorded(r: Recorded): Transcript {
  const sent = r.sent.map((line) => {
    const at = line.indexOf(' ');
    return { atUs: Number(line.slice(0, at)), text: line.slice(at + 1) };
  });
  return { times: r.times, answers: r.answers, sent, counters: r.counters, endUs: r.endUs };
}

/** Both directions and the calls in the order of time, for whoever looks at a difference. */
export function narrate(c: Case, t: Transcript): string {
  const lines: [number, string][] = c.steps.map((text, i) => [t.times[i]!, `${text}${shownAnswer(t.answers[i]!)}`]);
  for (const s of t.sent) lines.push([s.atUs, `   > ${s.text}`]);
  lines.sort((a, b) => a[0] - b[0]);
  return lines.map(([at, text]) => `${(at / 1000).toFixed(1).padStart(9)}  ${text}`).join('\n');
}

function shownAnswer(a: Answer): string {
  if (a === null) return '';
  if (typeof a !== 'object') return ` = ${a}`;
  return ` = ${a.map((value, i) => `${ANSWER_FIELDS[i]!.replace('tcpi_', '')} ${value}`).join(' ')}`;
}
