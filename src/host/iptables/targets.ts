/** The targets of iptables: for each its options, where it may stand, and how it becomes a target of `ip/filter/`. */
import { parseIpv4 } from '../../lib/addr.ts';
import { parseIpv6 } from '../../lib/addr6.ts';
import {
  NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_OFFSET, NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY, NF_NAT_RANGE_PROTO_SPECIFIED,
} from '../../ip/filter/constants.ts';
import { NatRange } from '../../ip/filter/nat-range.ts';
import {
  ConnmarkTarget, MarkTarget, NotrackTarget, StandardTarget, TosTarget, TtlTarget, type NfTarget,
} from '../../ip/filter/target.ts';
import { LOG_PREFIX_MAX, LogTarget } from '../../ip/filter/target-log.ts';
import { NatTarget, type NatTargetName } from '../../ip/filter/target-nat.ts';
import { REJECT_KINDS_V4, REJECT_KINDS_V6, RejectTarget } from '../../ip/filter/target-reject.ts';
import { TcpmssTarget } from '../../ip/filter/target-tcpmss.ts';
import { ToolError } from '../tools/command.ts';
import type { Firewalling } from './context.ts';
import { flag, needs, one, type OptionDef, type Values } from './matches.ts';
import { DSCP, DSCP_CLASS, integer, LOG_LEVEL, type Masked, masked, type Reader, readRange, TOS, whole } from './values.ts';

export interface TargetDef {
  readonly options: Readonly<Record<string, OptionDef>>;
  /** Tables and built-in chains that it may stand in; none given: any. */
  readonly tables?: readonly string[];
  readonly chains?: readonly string[];
  /** It works on segments: `-p tcp` must be there. */
  readonly proto?: number;
  /** The family it is for, when not both. */
  readonly version?: 4 | 6;
  build(v: Values, fw: Firewalling, proto: number): NfTarget;
}

function standard(name: 'ACCEPT' | 'DROP' | 'RETURN'): TargetDef {
  return { options: {}, build: () => new StandardTarget(name) };
}

/** A short form of REJECT's words: `tcp-rst`, `port-unreach`… */
const REJECT_ALIASES: Readonly<Record<string, string>> = {
  'net-unreach': 'icmp-net-unreachable', 'host-unreach': 'icmp-host-unreachable', 'proto-unreach': 'icmp-proto-unreachable',
  'port-unreach': 'icmp-port-unreachable', 'net-prohib': 'icmp-net-prohibited', 'host-prohib': 'icmp-host-prohibited',
  'admin-prohib': 'icmp-admin-prohibited', 'tcp-rst': 'tcp-reset', 'no-route': 'icmp6-no-route', 'adm-prohibited': 'icmp6-adm-prohibited',
  'addr-unreach': 'icmp6-addr-unreachable',
};

function rejectKinds(fw: Firewalling): Reader<string> {
  const kinds = fw.tables.family.version === 4 ? REJECT_KINDS_V4 : REJECT_KINDS_V6;
  return {
    form: `one of ${Object.keys(kinds).join(', ')}`,
    read: (word) => {
      const name = REJECT_ALIASES[word] ?? word;
      return Object.hasOwn(kinds, name) ? name : null;
    },
  };
}

const REJECT: TargetDef = {
  options: { '--reject-with': { key: 'with', reader: rejectKinds, not: false } },
  tables: ['filter'],
  chains: ['INPUT', 'FORWARD', 'OUTPUT'],
  build: (v, fw, proto) => {
    const kind = v.get<string>('with') ?? (fw.tables.family.version === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable');
    if (kind === 'tcp-reset' && proto !== 6) throw needs(fw, '--reject-with tcp-reset', '-p tcp');
    return new RejectTarget(fw.tables.family, kind);
  },
};

const PREFIX: Reader<string> = {
  form: `a text of ${String(LOG_PREFIX_MAX)} characters at most`, read: (word) => (word.length > LOG_PREFIX_MAX ? null : word),
};

const LOG: TargetDef = {
  options: {
    '--log-prefix': one('prefix', PREFIX, false), '--log-level': one('level', LOG_LEVEL, false), '--log-tcp-sequence': flag('sequence'),
    '--log-tcp-options': flag('tcpOptions'), '--log-ip-options': flag('ipOptions'),
  },
  build: (v, fw) => new LogTarget(fw.nf.log, v.get<string>('prefix') ?? '', v.get<number>('level') ?? 4, {
    sequence: v.has('sequence'), tcpOptions: v.has('tcpOptions'), ipOptions: v.has('ipOptions'),
  }),
};

const MARKS = masked(0xffffffff);

const MARK: TargetDef = {
  options: {
    '--set-xmark': one('xmark', MARKS, false), '--set-mark': one('mark', MARKS, false), '--and-mark': one('and', MARKS, false),
    '--or-mark': one('or', MARKS, false), '--xor-mark': one('xor', MARKS, false),
  },
  build: (v, fw) => {
    const m = markValue(v);
    if (m === null) throw needs(fw, 'MARK', 'one of --set-mark, --set-xmark, --and-mark, --or-mark, --xor-mark');
    return new MarkTarget(m.value, m.mask);
  },
};

/** `mark = (mark & ~mask) ^ value`: all forms come to that. */
function markValue(v: Values): Masked | null {
  const [xmark, mark, and, or, xor] = ['xmark', 'mark', 'and', 'or', 'xor'].map((key) => v.get<Masked>(key));
  if (xmark) return xmark;
  if (mark) return { value: mark.value, mask: mark.mask | mark.value };
  if (and) return { value: 0, mask: ~and.value };
  if (or) return { value: or.value, mask: or.value };
  return xor ? { value: xor.value, mask: 0 } : null;
}

const CONNMARK: TargetDef = {
  options: {
    ...MARK.options, '--save-mark': flag('save'), '--restore-mark': flag('restore'), '--nfmask': one('nfmask', MARKS, false),
    '--ctmask': one('ctmask', MARKS, false), '--mask': one('mask', MARKS, false),
  },
  build: (v, fw) => {
    const mask = v.get<Masked>('mask')?.value ?? -1;
    const ctmask = v.get<Masked>('ctmask')?.value ?? mask;
    const nfmask = v.get<Masked>('nfmask')?.value ?? mask;
    if (v.has('save')) return new ConnmarkTarget('save', 0, ctmask, nfmask);
    if (v.has('restore')) return new ConnmarkTarget('restore', 0, ctmask, nfmask);
    const m = markValue(v);
    if (m === null) throw needs(fw, 'CONNMARK', 'one of --set-mark, --set-xmark, --save-mark, --restore-mark');
    return new ConnmarkTarget('set', m.value, m.mask, -1);
  },
};

// ---- NAT ------------------------------------------------------------------------------------------------------------

/** `1000-2000`, `80`; DNAT also `1000-2000/5000`: the first port of the range stands for that base. */
function readPorts(range: NatRange, text: string): boolean {
  const m = /^([^/]+)(?:\/(\d+))?$/.exec(text);
  const ports = m === null ? null : readRange(m[1]!, '-', 65535, (w) => whole(w, 0, 65535));
  if (ports === null) return false;
  range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
  range.minProto = ports.min;
  range.maxProto = ports.max;
  if (m![2] !== undefined) {
    range.flags |= NF_NAT_RANGE_PROTO_OFFSET;
    range.baseProto = Number(m![2]);
  }
  return true;
}

/** `10.0.0.1`, `10.0.0.1-10.0.0.9`, `10.0.0.1:1000-2000`, `:8080`, `[fd00::1]:80`. */
function natTo(fw: Firewalling): Reader<NatRange> {
  const { version } = fw.tables.family;
  const form = version === 4
    ? "an address, with a range and ports as wanted: '10.0.0.1', '10.0.0.1-10.0.0.9', '10.0.0.1:1000-2000', ':8080'"
    : "an address, with a range and ports as wanted: 'fd00::1', '[fd00::1-fd00::9]:1000-2000', ':8080'";
  return {
    form,
    read: (word) => {
      const m = version === 4 ? /^([^:]*)(?::(.+))?$/.exec(word) : /^(?:\[([^\]]*)\]|([^[\]]*?))(?:(?<=\]|^):(.+))?$/.exec(word);
      if (m === null) return null;
      const addrs = version === 4 ? m[1]! : m[1] ?? m[2] ?? '';
      const ports = version === 4 ? m[2] : m[3];
      const range = new NatRange();
      if (addrs === '' && ports === undefined) return null;
      if (addrs !== '' && !readAddresses(range, addrs, version)) return null;
      return ports === undefined || readPorts(range, ports) ? range : null;
    },
  };
}

function readAddresses(range: NatRange, text: string, version: number): boolean {
  const [from, to, more] = text.split('-');
  if (more !== undefined || !readInto(range.minAddr, from!, version) || !readInto(range.maxAddr, to ?? from!, version)) return false;
  range.flags |= NF_NAT_RANGE_MAP_IPS;
  return (range.minAddr[0]! >>> 0) <= (range.maxAddr[0]! >>> 0);
}

function readInto(words: Int32Array, text: string, version: number): boolean {
  if (version === 4) {
    const addr = parseIpv4(text);
    words[0] = addr ?? 0;
    return addr !== null;
  }
  const addr = parseIpv6(text);
  if (addr !== null) words.set([addr.a, addr.b, addr.c, addr.d]);
  return addr !== null;
}

const RANDOM_OPTIONS = { '--random': flag('random'), '--random-fully': flag('fully'), '--persistent': flag('persistent') };

function natFlags(v: Values): number {
  return (v.has('random') ? NF_NAT_RANGE_PROTO_RANDOM : 0) | (v.has('fully') ? NF_NAT_RANGE_PROTO_RANDOM_FULLY : 0)
    | (v.has('persistent') ? NF_NAT_RANGE_PERSISTENT : 0);
}

/** Ports mean something for these protocols only. */
function checkPorts(range: NatRange, fw: Firewalling, name: string, proto: number): void {
  if ((range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0 || [1, 6, 17, 33, 58, 132, 136].includes(proto)) return;
  throw needs(fw, `${name} with ports`, '-p tcp, udp, sctp or dccp');
}

function natDef(name: NatTargetName, option: string, chains: readonly string[]): TargetDef {
  return {
    options: { [option]: { key: 'to', reader: natTo, not: false }, ...RANDOM_OPTIONS },
    tables: ['nat'],
    chains,
    build: (v, fw, proto) => {
      const range = v.get<NatRange>('to');
      if (range === null) throw needs(fw, name, option);
      range.flags |= natFlags(v);
      checkPorts(range, fw, name, proto);
      return new NatTarget(name, range, fw.nf.nat, fw.tables.family);
    },
  };
}

const TO_PORTS: Reader<string> = {
  form: 'a port, or a range such as 1024-2048',
  read: (word) => (readPorts(new NatRange(), word) && !word.includes('/') ? word : null),
};

function toPortsDef(name: NatTargetName, chains: readonly string[]): TargetDef {
  return {
    options: { '--to-ports': one('ports', TO_PORTS, false), ...RANDOM_OPTIONS },
    tables: ['nat'],
    chains,
    build: (v, fw, proto) => {
      const range = new NatRange();
      const ports = v.get<string>('ports');
      if (ports !== null) readPorts(range, ports);
      range.flags |= natFlags(v);
      checkPorts(range, fw, name, proto);
      return new NatTarget(name, range, fw.nf.nat, fw.tables.family);
    },
  };
}

// ---- the header -----------------------------------------------------------------------------------------------------

const TCPMSS: TargetDef = {
  options: { '--set-mss': one('mss', integer('an MSS', 1, 65495), false), '--clamp-mss-to-pmtu': flag('clamp') },
  chains: ['FORWARD', 'OUTPUT', 'POSTROUTING'],
  proto: 6,
  build: (v, fw) => {
    const mss = v.get<number>('mss');
    if ((mss === null) === !v.has('clamp')) throw needs(fw, 'TCPMSS', '--set-mss or --clamp-mss-to-pmtu');
    return new TcpmssTarget(fw.tables.family, mss ?? 0);
  },
};

function ttlDef(name: 'TTL' | 'HL', version: 4 | 6): TargetDef {
  const n = integer('a number of hops', name === 'TTL' ? 0 : 0, 255);
  const word = name.toLowerCase();
  return {
    options: { [`--${word}-set`]: one('set', n, false), [`--${word}-inc`]: one('inc', n, false), [`--${word}-dec`]: one('dec', n, false) },
    tables: ['mangle'],
    version,
    build: (v, fw) => {
      const mode = (['set', 'inc', 'dec'] as const).find((key) => v.has(key));
      if (mode === undefined || v.size > 1) throw needs(fw, name, `one of --${word}-set, --${word}-inc, --${word}-dec`);
      return new TtlTarget(name, mode, v.get<number>(mode)!);
    },
  };
}

/** DSCP is the upper six bits of the byte (RFC 2474 §3). */
const DSCP_MASK = 0xfc;

/** Every target by the name that `-j` takes. */
export const TARGETS: Readonly<Record<string, TargetDef>> = {
  ACCEPT: standard('ACCEPT'),
  DROP: standard('DROP'),
  RETURN: standard('RETURN'),
  REJECT,
  LOG,
  MARK,
  CONNMARK,
  NOTRACK: { options: {}, tables: ['raw'], build: () => new NotrackTarget('NOTRACK') },
  CT: {
    options: { '--notrack': flag('notrack') },
    tables: ['raw'],
    build: (v, fw) => {
      if (!v.has('notrack')) throw needs(fw, 'CT', '--notrack');
      return new NotrackTarget('CT');
    },
  },
  SNAT: natDef('SNAT', '--to-source', ['POSTROUTING', 'INPUT']),
  DNAT: natDef('DNAT', '--to-destination', ['PREROUTING', 'OUTPUT']),
  MASQUERADE: toPortsDef('MASQUERADE', ['POSTROUTING']),
  REDIRECT: toPortsDef('REDIRECT', ['PREROUTING', 'OUTPUT']),
  TCPMSS,
  TTL: ttlDef('TTL', 4),
  HL: ttlDef('HL', 6),
  DSCP: {
    options: { '--set-dscp': one('dscp', DSCP, false), '--set-dscp-class': one('dscp', DSCP_CLASS, false) },
    tables: ['mangle'],
    build: (v, fw) => {
      const dscp = v.get<number>('dscp');
      if (dscp === null) throw needs(fw, 'DSCP', '--set-dscp or --set-dscp-class');
      return new TosTarget('DSCP', dscp << 2, DSCP_MASK);
    },
  },
  TOS: {
    options: { '--set-tos': one('tos', TOS, false) },
    tables: ['mangle'],
    build: (v, fw) => {
      const tos = v.get<Masked>('tos');
      if (tos === null) throw needs(fw, 'TOS', '--set-tos');
      return new TosTarget('TOS', tos.value, tos.mask & 255);
    },
  },
};

/** May the target stand in this table, and in chains that are asked at this built-in one? */
export function checkPlace(fw: Firewalling, name: string, def: TargetDef, table: string, chain: string, builtIn: boolean): void {
  if (def.version !== undefined && def.version !== fw.tables.family.version) {
    throw new ToolError(`${fw.tool}: ${name} is for IPv${String(def.version)}`);
  }
  if (def.tables !== undefined && !def.tables.includes(table)) {
    throw new ToolError(`${fw.tool}: ${name} is for table ${def.tables.join(' and ')}, not ${table}: -t ${def.tables[0]!}`);
  }
  if (builtIn && def.chains !== undefined && !def.chains.includes(chain)) {
    throw new ToolError(`${fw.tool}: ${name} may stand in ${def.chains.join(', ')}, not in ${chain}`);
  }
}
