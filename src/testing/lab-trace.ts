/**
 * The story of a lab, in the notation: what went over the wire, and where it left the script.
 *
 *     RFC 6675 §5: the third duplicate ACK …                  test/lab/sack.test.ts:14
 *       0.100  < . 1:1(0) ack 1 <sack 1001:2001>
 *     ✗ 0.100  > . 1:1001(1000)                          want
 *       0.300  > . 1:1001(1000) ack 1                    got, 200ms late
 *
 * Each line can be pasted back into `t.run`: a time without `+` counts from where the trace begins.
 */
import { formatTime } from '../wire/print.ts';
import { formatPacket, type PacketSpec } from '../wire/segment.ts';
import { TCP_FLAG_SYN } from '../wire/tcp.ts';
import type { FlowAddress } from './lab-flow.ts';

/** A lab that went otherwise than its lines say. */
export class LabFailure extends Error {
  override name = 'LabFailure';
}

/** A line of a test file. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** Where a test called us: the first line of the stack that is not in the kit. */
export function callSite(): Place {
  const stack = new Error().stack ?? '';
  for (const line of stack.split('\n').slice(1)) {
    const m = /(?:\(|at |@)(?:async )?(?:file:\/\/)?([^()\s]+?):(\d+):\d+\)?$/.exec(line.trim());
    if (m === null || /[\\/](src|dist)[\\/](src[\\/])?testing[\\/]/.test(m[1]!)) continue;
    return { file: shorten(m[1]!), line: Number(m[2]) };
  }
  return { file: '?', line: 0 };
}

/** The path from `test/` on, or its last two parts. */
function shorten(path: string): string {
  const m = /(?:^|[\\/])((?:test|tests|spec)[\\/].*)$/.exec(path);
  return m === null ? path.split(/[\\/]/).slice(-2).join('/') : m[1]!;
}

/**
 * A packet as a line of a script. Only what says something: the window when `like` asks for it, options of a SYN, SACK blocks.
 * With `ports`, its addresses first.
 */
export function lineText(packet: PacketSpec, ports: FlowAddress | null, like?: PacketSpec): string {
  if (packet.proto === 'icmp') return formatPacket({ ...packet, ip: {} });
  const tos = packet.ip.tos ?? 0;
  const ip = (tos & 3) === 0 ? {} : ({ ecn: (['noecn', 'ect1', 'ect0', 'ce'] as const)[tos & 3] } as const);
  const ended = ports === null || packet.sport !== undefined ? packet : { ...packet, sport: ports.peerPort, dport: ports.hostPort };
  if (packet.proto === 'udp') return formatPacket({ ...ended, ip }, { ports: ports !== null });
  const wanted = like?.proto === 'tcp' ? like : undefined;
  const syn = (packet.flags & TCP_FLAG_SYN) !== 0;
  const options = packet.options === undefined || packet.options === 'any' ? [] : packet.options;
  const shown = syn || (wanted?.options !== undefined && wanted.options !== 'any') ? options : options.filter((o) => o.kind === 'sack');
  return formatPacket({
    ...ended,
    proto: 'tcp', flags: packet.flags, ace: packet.ace, range: packet.range, ack: packet.ack, urg: packet.urg,
    ip, win: syn || wanted?.win !== undefined ? packet.win : undefined,
    options: shown.length === 0 ? undefined : shown,
  }, { ports: ports !== null });
}

/** A packet in a story. */
export interface Shown {
  readonly timeNs: number;
  readonly text: string;
}

/** Where script and host part. */
export interface Parting {
  readonly atNs: number;
  readonly want: string;
  readonly got: Shown | null;
  readonly note: string;
}

/** How much of a long story a message tells. */
const LINES_SHOWN = 40;
/** The column in which remarks stand. */
const REMARK_COLUMN = 60;

export class Trace {
  readonly name: string;
  private readonly lines: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  add(timeNs: number, mark: '<' | '>', text: string): void {
    this.lines.push(`${time(timeNs)}  ${mark} ${text}`);
  }

  /** A line that is no packet; a comment when the script does not know it. */
  note(timeNs: number, text: string): void {
    this.lines.push(text.startsWith('quiet') ? text : `// ${time(timeNs)}  ${text}`);
  }

  /** The message of a failure. `rest`: what the host has sent behind the packet that differs. */
  story(place: Place, parting: Parting | null, rest: readonly Shown[], message = ''): string {
    const out = [`${this.name}${' '.repeat(10)}${place.file}:${place.line}`];
    const hidden = this.lines.length - LINES_SHOWN;
    if (hidden > 0) out.push(`  … ${hidden} lines before`);
    for (const line of this.lines.slice(-LINES_SHOWN)) out.push(`  ${line}`);
    if (parting !== null) {
      const want = parting.want.replace(/^\+?[\d.]+[a-z]*\s+(?=[<>])/, '');
      const at = want.startsWith('quiet') ? '' : `${time(parting.atNs)}  `;
      out.push(remark(`✗ ${at}${want.replace(/\s*\/\/.*$/, '')}`, 'want'));
      if (parting.got === null) out.push(`  got nothing: ${parting.note}`);
      else out.push(remark(`  ${time(parting.got.timeNs)}  > ${parting.got.text}`, `got, ${parting.note}`));
      for (const s of rest.slice(0, 10)) out.push(remark(`  ${time(s.timeNs)}  > ${s.text}`, 'got, then'));
    }
    if (message !== '') out.push(`✗ ${message}`);
    return out.join('\n');
  }
}

function remark(line: string, text: string): string {
  return `${line.padEnd(REMARK_COLUMN)} ${text.startsWith('got') || text === 'want' ? `// ${text}` : text}`;
}

/** Seconds with as many decimals as it takes, at least three. */
function time(ns: number): string {
  const sign = ns < 0 ? '-' : '';
  const digits = ns % 1e6 === 0 ? 3 : ns % 1e3 === 0 ? 6 : 9;
  return sign + formatTime(Math.abs(ns), digits);
}
