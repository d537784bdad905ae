/** The table of connections: as objects, and as conntrack(8) prints it. */
import type { NfConn, Tuple } from '../../ip/filter/conn.ts';
import { conntrackKill, conntrackList } from '../../ip/filter/conntrack-table.ts';
import { conntrackEnable } from '../../ip/filter/admin.ts';
import { IPS_ASSURED, IPS_DST_NAT, IPS_SEEN_REPLY, IPS_SRC_NAT } from '../../ip/filter/constants.ts';
import type { Netfilter } from '../../ip/filter/netfilter.ts';
import { hasPorts } from '../../ip/filter/packet.ts';
import { TCP_CONNTRACK_NAMES } from '../../ip/filter/track-tcp.ts';
import { text, ToolError, unknownWord } from '../tools/command.ts';
import { wordsText } from './print.ts';
import { PROTOCOL, protocolName } from './values.ts';

/** One direction of a connection: what its packets look like when they come in. */
export interface ConnectionTuple {
  readonly source: string;
  readonly destination: string;
  /** Ports; of ICMP `id`, `type` and `code` instead. */
  readonly sport?: number;
  readonly dport?: number;
  readonly type?: number;
  readonly code?: number;
  readonly id?: number;
  /** With net.netfilter.nf_conntrack_acct = 1. */
  readonly packets?: number;
  readonly bytes?: number;
}

/** A connection that conntrack knows. */
export interface Connection {
  readonly protocol: string;
  /** Of TCP: 'SYN_SENT', 'ESTABLISHED'…; else ''. */
  readonly state: string;
  /** Milliseconds until it is forgotten, unless a packet comes. */
  readonly timeoutMs: number;
  readonly original: ConnectionTuple;
  readonly reply: ConnectionTuple;
  readonly seenReply: boolean;
  readonly assured: boolean;
  /** Which ends are translated. */
  readonly snat: boolean;
  readonly dnat: boolean;
  readonly mark: number;
}

/** What happened to packets in conntrack, as `conntrack -S` counts it. */
export interface ConnectionStats {
  readonly entries: number;
  readonly found: number;
  readonly invalid: number;
  readonly insert: number;
  readonly insertFailed: number;
  readonly drop: number;
  readonly earlyDrop: number;
  readonly clashResolve: number;
}

/** The connections of a host: `host.conntrack.list()`. Rules that ask for connections, and NAT, turn tracking on. */
export class ConntrackView {
  private readonly nf: Netfilter;

  /** Made by the kernel. */
  constructor(nf: Netfilter) {
    this.nf = nf;
  }

  /** Tracks connections from now on, though no rule needs it. */
  enable(): void {
    conntrackEnable(this.nf);
  }

  /** All connections, oldest first. */
  list(): Connection[] {
    return conntrackList(this.nf.conntrack).map((ct) => describe(this.nf, ct));
  }

  /** How many there are. */
  get count(): number {
    return conntrackList(this.nf.conntrack).length;
  }

  /** Forgets them all. */
  flush(): void {
    for (const ct of conntrackList(this.nf.conntrack)) conntrackKill(this.nf.conntrack, ct);
  }

  get stats(): ConnectionStats {
    const { found, invalid, insert, insertFailed, drop, earlyDrop, clashResolve } = this.nf.conntrack.stats;
    return { entries: this.count, found, invalid, insert, insertFailed, drop, earlyDrop, clashResolve };
  }
}

function describe(nf: Netfilter, ct: NfConn): Connection {
  const acct = nf.conntrack.sysctl.nfConntrackAcct !== 0;
  const now = Math.max(nf.net.cpu.now, nf.net.sim.now);
  return {
    protocol: protocolName(ct.tuples[0].proto),
    state: ct.tcp === null ? '' : TCP_CONNTRACK_NAMES[ct.tcp.state]!,
    timeoutMs: (ct.expires - now) / 1e6,
    original: tupleView(ct, 0, acct),
    reply: tupleView(ct, 1, acct),
    seenReply: (ct.status & IPS_SEEN_REPLY) !== 0,
    assured: (ct.status & IPS_ASSURED) !== 0,
    snat: (ct.status & IPS_SRC_NAT) !== 0,
    dnat: (ct.status & IPS_DST_NAT) !== 0,
    mark: ct.mark >>> 0,
  };
}

function tupleView(ct: NfConn, dir: 0 | 1, acct: boolean): ConnectionTuple {
  const t: Tuple = ct.tuples[dir];
  return {
    source: wordsText([t.s0, t.s1, t.s2, t.s3], t.version),
    destination: wordsText([t.d0, t.d1, t.d2, t.d3], t.version),
    ...(hasPorts(t.proto) ? { sport: t.sport, dport: t.dport } : {}),
    ...(t.proto === 1 || t.proto === 58 ? { type: t.dport >> 8, code: t.dport & 0xff, id: t.sport } : {}),
    ...(acct ? { packets: ct.packets[dir], bytes: ct.bytes[dir] } : {}),
  };
}

// ---- conntrack(8) ---------------------------------------------------------------------------------------------------

/** `conntrack -L [-p PROTO]`, `-F`, `-C`, `-S`. */
export function conntrackTool(nf: Netfilter, args: readonly string[]): string {
  const [command, ...rest] = args;
  const view = new ConntrackView(nf);
  switch (command) {
    case '-L': case '--dump': return list(nf, protocolOf(rest));
    case '-F': case '--flush':
      nothing(rest);
      view.flush();
      return '';
    case '-C': case '--count':
      nothing(rest);
      return text([String(view.count)]);
    case '-S': case '--stats': {
      nothing(rest);
      const s = nf.conntrack.stats;
      return text([
        `cpu=0   \tfound=${String(s.found)} invalid=${String(s.invalid)} insert=${String(s.insert)} `
        + `insert_failed=${String(s.insertFailed)} drop=${String(s.drop)} early_drop=${String(s.earlyDrop)} `
        + `error=0 search_restart=0 clash_resolve=${String(s.clashResolve)} `,
      ]);
    }
    case undefined: throw new ToolError('conntrack: the command is missing; expected -L, -F, -C or -S');
    default: throw unknownWord('conntrack', command, '-L, -F, -C or -S');
  }
}

function nothing(rest: readonly string[]): void {
  if (rest.length > 0) throw unknownWord('conntrack', rest[0]!, 'the end of the line');
}

function protocolOf(rest: readonly string[]): number {
  if (rest.length === 0) return 0;
  const [option, word, more] = rest;
  if ((option !== '-p' && option !== '--proto') || more !== undefined) {
    throw unknownWord('conntrack', more ?? option!, "'-p' and a protocol");
  }
  const proto = word === undefined ? null : PROTOCOL.read(word);
  if (proto === null) throw unknownWord('conntrack', word ?? '-p', PROTOCOL.form);
  return proto;
}

function list(nf: Netfilter, proto: number): string {
  const shown = conntrackList(nf.conntrack).filter((ct) => proto === 0 || ct.tuples[0].proto === proto);
  return text(shown.map((ct) => line(nf, ct)));
}

/** `tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=33012 dport=80 src=… [ASSURED] mark=0 use=1` */
function line(nf: Netfilter, ct: NfConn): string {
  const c = describe(nf, ct);
  const words = [`${c.protocol.padEnd(8)} ${String(ct.tuples[0].proto)} ${String(Math.ceil(c.timeoutMs / 1000))}`];
  if (c.state !== '') words.push(c.state);
  words.push(tupleText(c.original));
  if (!c.seenReply) words.push('[UNREPLIED]');
  words.push(tupleText(c.reply));
  if (c.assured) words.push('[ASSURED]');
  words.push(`mark=${String(c.mark)}`, 'use=1');
  return words.join(' ');
}

function tupleText(t: ConnectionTuple): string {
  const words = [`src=${t.source}`, `dst=${t.destination}`];
  if (t.sport !== undefined) words.push(`sport=${String(t.sport)}`, `dport=${String(t.dport)}`);
  if (t.type !== undefined) words.push(`type=${String(t.type)}`, `code=${String(t.code)}`, `id=${String(t.id)}`);
  if (t.packets !== undefined) words.push(`packets=${String(t.packets)}`, `bytes=${String(t.bytes)}`);
  return words.join(' ');
}
