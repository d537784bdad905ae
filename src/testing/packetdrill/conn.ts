/**
 * A connection between script and host: which ports, and how the script's numbers become those of the wire.
 *
 * Segments with SYN have absolute numbers, all others are relative to the ISN of their direction. The remote ISN is the
 * script's choice and used as it is; the local one is learnt from the host's first SYN. Timestamps of the host are learnt as
 * they go out, so that what comes in can echo them.
 */
import { relativeTcp, type TcpOption, type TcpSpec } from '../../wire/segment.ts';
import { TCP_FLAG_ACK, TCP_FLAG_SYN } from '../../wire/tcp.ts';

export class Conn {
  /** 0 until the host's first packet tells. */
  localPort: number;
  /** 0: any. */
  remotePort: number;
  /** The descriptor of the script, once there is one; -1 before. */
  fd: number;
  readonly proto: 'tcp' | 'udp';
  remoteIsn: number | null = null;
  localIsn: number | null = null;
  /** What the script calls the local ISN. */
  private scriptIsn = 0;
  private firstTs: { readonly script: number; readonly live: number } | null = null;
  private readonly live: Map<number, number> = new Map();

  constructor(proto: 'tcp' | 'udp', localPort: number, remotePort: number, fd: number) {
    this.proto = proto;
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.fd = fd;
  }

  /** What a segment of the script adds to its numbers on its way in. */
  inboundBases(spec: TcpSpec): { seqBase: number; ackBase: number } {
    const syn = (spec.flags & TCP_FLAG_SYN) !== 0;
    if (syn && this.remoteIsn === null) this.remoteIsn = spec.range?.seq ?? 0;
    if (syn) return { seqBase: 0, ackBase: ((this.localIsn ?? 0) - this.scriptIsn) >>> 0 };
    return { seqBase: this.remoteIsn ?? 0, ackBase: this.localIsn ?? 0 };
  }

  /** The segment with timestamps of the wire; the value that nobody has seen go out, if it echoes one. */
  inboundTimestamps(spec: TcpSpec, scaled: boolean): TcpSpec | number {
    if (spec.options === undefined || spec.options === 'any' || (spec.flags & TCP_FLAG_ACK) === 0) return spec;
    let unknown = -1;
    const options = spec.options.map((o): TcpOption => {
      if (o.kind !== 'TS') return o;
      const live = this.live.get(o.ecr) ?? (scaled ? (o.ecr + this.tsOffset()) >>> 0 : undefined);
      if (live === undefined) unknown = o.ecr;
      return { kind: 'TS', val: o.val, ecr: live ?? 0 };
    });
    return unknown >= 0 ? unknown : { ...spec, options };
  }

  private tsOffset(): number {
    return this.firstTs === null ? 0 : this.firstTs.live - this.firstTs.script;
  }

  /** A segment of the host in the script's numbers; `want` names them where they are new. */
  outbound(got: TcpSpec, want: TcpSpec | null): TcpSpec {
    const syn = (got.flags & TCP_FLAG_SYN) !== 0;
    if (syn && this.localIsn === null) {
      this.localIsn = got.range!.seq;
      this.scriptIsn = want?.range?.seq ?? 0;
    }
    const local = syn ? ((this.localIsn ?? 0) - this.scriptIsn) >>> 0 : (this.localIsn ?? 0);
    return relativeTcp(got, local, syn ? 0 : (this.remoteIsn ?? 0));
  }

  /** Remembers what the timestamp of a segment that came as expected stands for; its value in the script's numbers. */
  learnTimestamp(want: TcpSpec, got: TcpSpec): { want: number; got: number } | null {
    const script = timestampOf(want);
    const live = timestampOf(got);
    if (live === null || script === null) return null;
    this.firstTs ??= { script: script.val, live: live.val };
    this.live.set(script.val, live.val);
    return { want: script.val, got: (live.val - this.tsOffset()) >>> 0 };
  }
}

function timestampOf(spec: TcpSpec): Extract<TcpOption, { kind: 'TS' }> | null {
  if (spec.options === undefined || spec.options === 'any') return null;
  return spec.options.find((o) => o.kind === 'TS') ?? null;
}
