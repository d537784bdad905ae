/**
 * One connection as the lab sees it from the other end: its addresses, where its numbers begin, and what the peer would
 * write into a field that a line leaves out.
 *
 * All numbers of a script are relative: sequence numbers to the ISS of their sender, timestamps to milliseconds since the
 * lab began.
 */
import type { In6Addr } from '../lib/addr6.ts';
import { SockAddr } from '../sock/sockaddr.ts';
import { SEQ_MODULUS, relativeTcp, type PacketSpec, type TcpOption, type TcpSpec } from '../wire/segment.ts';
import { buildPacket } from '../wire/segment-build.ts';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from '../wire/tcp.ts';
import { patternBytes, patternMismatch } from './pattern.ts';

/** What names a flow. Addresses are int32. */
export interface FlowAddress {
  readonly hostAddr: number;
  readonly hostPort: number;
  readonly peerAddr: number;
  readonly peerPort: number;
  /** The packets are IPv6, between these. */
  readonly v6?: { readonly host: In6Addr; readonly peer: In6Addr } | undefined;
}

export class Flow {
  readonly address: FlowAddress;
  /** ISS of the peer: chosen close below the wrap, so that every test crosses it. */
  readonly peerIss: number;
  /** ISS of the host, once its SYN was seen. */
  hostIss: number | null = null;
  /** Next sequence numbers, relative. */
  peerNxt = 0;
  hostNxt = 0;
  /** The window field of injected segments. */
  win = 65535;
  /** Timestamps were agreed on: injected segments carry them. */
  timestamps = false;
  /** Added to milliseconds of the lab's clock. */
  readonly peerTsBase: number;
  hostTsBase: number | null = null;
  /** The last TSval of the host, as on the wire. */
  private lastHostTsval = 0;

  constructor(address: FlowAddress, peerIss: number, peerTsBase: number) {
    this.address = address;
    this.peerIss = peerIss;
    this.peerTsBase = peerTsBase;
  }

  /** The peer as connect() wants it. */
  peerName(): SockAddr {
    const { peerAddr, peerPort, v6 } = this.address;
    return v6 === undefined ? new SockAddr().set(peerAddr, peerPort) : new SockAddr().set6(v6.peer, peerPort, 0);
  }

  /** Makes the bytes of a segment of the peer. Learns from it what comes next. */
  build(spec: PacketSpec, nowNs: number): Uint8Array {
    const { hostAddr, hostPort, peerAddr, peerPort, v6 } = this.address;
    const acked = spec.proto === 'tcp' && (spec.flags & TCP_FLAG_ACK) !== 0;
    const seq = spec.proto === 'tcp' ? (spec.range?.seq ?? this.peerNxt) : 0;
    const packet = buildPacket(this.wireTimestamps(spec, acked), {
      saddr: peerAddr, daddr: hostAddr, sport: peerPort, dport: hostPort,
      v6: v6 === undefined ? undefined : { saddr: v6.peer, daddr: v6.host },
      seqBase: this.peerIss, ackBase: this.hostIss ?? 0,
      seq, ack: this.hostNxt, win: this.win,
      ...(this.timestamps && spec.proto === 'tcp' ? { options: this.timestampOption(nowNs, acked) } : {}),
      ...(spec.proto === 'tcp' ? { payload: patternBytes(seq - 1, spec.range?.len ?? 0) } : {}),
    });
    if (spec.proto === 'tcp' && (spec.flags & TCP_FLAG_RST) === 0) {
      const end = seq + (spec.range?.len ?? 0) + (spec.flags & TCP_FLAG_FIN) + ((spec.flags & TCP_FLAG_SYN) >> 1);
      if (end > this.peerNxt) this.peerNxt = end;
    }
    return packet;
  }

  private timestampOption(nowNs: number, acked: boolean): TcpOption[] {
    const val = (this.peerTsBase + Math.floor(nowNs / 1e6)) >>> 0;
    return [{ kind: 'nop' }, { kind: 'nop' }, { kind: 'TS', val, ecr: acked ? this.lastHostTsval : 0 }];
  }

  /** The timestamps that a script wrote, as numbers of the wire. */
  private wireTimestamps(spec: PacketSpec, acked: boolean): PacketSpec {
    if (spec.proto !== 'tcp' || spec.options === undefined || spec.options === 'any') return spec;
    const options = spec.options.map((o): TcpOption => {
      if (o.kind !== 'TS') return o;
      return { kind: 'TS', val: (o.val + this.peerTsBase) >>> 0, ecr: acked ? (o.ecr + (this.hostTsBase ?? 0)) >>> 0 : o.ecr };
    });
    return { ...spec, options };
  }

  /** A segment of the host, in relative numbers. Learns from it. */
  receive(spec: TcpSpec, nowNs: number): TcpSpec {
    const seq = spec.range?.seq ?? 0;
    if ((spec.flags & TCP_FLAG_SYN) !== 0 && (this.hostIss === null || this.hostIss !== seq)) this.hostIss = seq;
    const rel = relativeTcp(spec, this.hostIss ?? 0, this.peerIss);
    if ((spec.flags & TCP_FLAG_RST) === 0) {
      const end = (rel.range?.seq ?? 0) + (rel.range?.len ?? 0) + (spec.flags & TCP_FLAG_FIN) + ((spec.flags & TCP_FLAG_SYN) >> 1);
      if (end > this.hostNxt && end < SEQ_MODULUS / 2) this.hostNxt = end;
    }
    if (spec.options === undefined || spec.options === 'any') return rel;
    const options = (rel.options as readonly TcpOption[]).map((o): TcpOption => {
      if (o.kind !== 'TS') return o;
      this.hostTsBase ??= (o.val - Math.floor(nowNs / 1e6)) >>> 0;
      this.lastHostTsval = o.val;
      const ecr = (spec.flags & TCP_FLAG_ACK) !== 0 ? (o.ecr - this.peerTsBase) >>> 0 : o.ecr;
      return { kind: 'TS', val: (o.val - this.hostTsBase) >>> 0, ecr };
    });
    return { ...rel, options };
  }

  /** Where the bytes of a host's segment are not those that were written there; null when all are right. */
  wrongByte(rel: TcpSpec, payload: Uint8Array): number | null {
    const at = patternMismatch((rel.range?.seq ?? 0) - 1, payload);
    return at < 0 ? null : at;
  }
}
