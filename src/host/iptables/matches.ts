/**
 * The matches of iptables: for each its options, and how these become a match of `ip/filter/`. `print.ts` has the way back.
 */
import { parseMac } from '../../lib/addr.ts';
import {
  ADDR_TYPES, AddressMask, AddrtypeMatch, ANY_PORT, CommentMatch, ConnmarkMatch, ConntrackMatch, DscpMatch, IcmpMatch, LengthMatch,
  LimitMatch, MacMatch, MarkMatch, MultiportMatch, PkttypeMatch, StatisticMatch, TcpMatch, TosMatch, TtlMatch, UdpMatch, type NfMatch,
  type Range,
} from '../../ip/filter/match.ts';
import { ToolError } from '../tools/command.ts';
import { type Firewalling } from './context.ts';
import {
  bits, CT_STATES, CT_STATUS, DSCP, DSCP_CLASS, icmpTypes, integer, type Masked, masked, numbers, PORT_LIST, PORTS, PROBABILITY, PROTOCOL,
  RATE, readAddress, type Reader, TCP_FLAGS, TOS, WORD, type WordsMask,
} from './values.ts';

/** An option: a flag, or one with a word (or two) behind it. */
export interface OptionDef {
  /** What it is called in values; several spellings may share one. */
  readonly key: string;
  /** Null: it stands alone. */
  readonly reader: ((fw: Firewalling) => Reader<unknown>) | null;
  readonly second?: Reader<unknown>;
  /** May stand behind '!'. */
  readonly not: boolean;
}

/** What was said of one match or target: option → value, and whether it was turned round. */
export class Values {
  private readonly map: Map<string, { value: unknown; second: unknown; not: boolean }> = new Map();

  set(key: string, value: unknown, second: unknown, not: boolean): void {
    this.map.set(key, { value, second, not });
  }

  has(key: string): boolean {
    return this.map.has(key);
  }

  get<T>(key: string): T | null {
    return (this.map.get(key)?.value ?? null) as T | null;
  }

  second<T>(key: string): T | null {
    return (this.map.get(key)?.second ?? null) as T | null;
  }

  not(key: string): boolean {
    return this.map.get(key)?.not ?? false;
  }

  get size(): number {
    return this.map.size;
  }
}

export interface MatchDef {
  readonly options: Readonly<Record<string, OptionDef>>;
  build(v: Values, fw: Firewalling): NfMatch;
}

/** Short for an option with one value. */
export function one(key: string, reader: Reader<unknown>, not = true): OptionDef {
  return { key, reader: () => reader, not };
}

export function flag(key: string, not = false): OptionDef {
  return { key, reader: null, not };
}

function range(v: Values, key: string): Range {
  const r = v.get<Range>(key);
  return r === null ? ANY_PORT : { ...r, not: v.not(key) };
}

const SPORT = one('sport', PORTS);
const DPORT = one('dport', PORTS);
const PORT_OPTIONS = { '--sport': SPORT, '--source-port': SPORT, '--dport': DPORT, '--destination-port': DPORT };

/** FIN, SYN, RST, ACK of which SYN alone is set. */
const SYN_MASK = 0x17;
const SYN_SET = 0x02;

const TCP: MatchDef = {
  options: {
    ...PORT_OPTIONS,
    '--tcp-flags': { key: 'flags', reader: () => TCP_FLAGS, second: TCP_FLAGS, not: true },
    '--syn': flag('syn', true),
    '--tcp-option': one('option', integer('a kind of option', 1, 255)),
  },
  build: (v) => {
    const m = new TcpMatch();
    m.sport = range(v, 'sport');
    m.dport = range(v, 'dport');
    if (v.has('flags')) {
      m.flagsMask = v.get<number>('flags')!;
      m.flagsSet = v.second<number>('flags')!;
      m.flagsNot = v.not('flags');
    }
    if (v.has('syn')) {
      m.flagsMask = SYN_MASK;
      m.flagsSet = SYN_SET;
      m.flagsNot = v.not('syn');
    }
    m.option = v.get<number>('option') ?? 0;
    m.optionNot = v.not('option');
    return m;
  },
};

const UDP: MatchDef = {
  options: PORT_OPTIONS,
  build: (v) => {
    const m = new UdpMatch();
    m.sport = range(v, 'sport');
    m.dport = range(v, 'dport');
    return m;
  },
};

function icmpDef(version: 4 | 6): MatchDef {
  const name = version === 4 ? 'icmp' : 'icmp6';
  const type = one('type', icmpTypes(version));
  return {
    options: version === 4 ? { '--icmp-type': type } : { '--icmpv6-type': type },
    build: (v, fw) => {
      const t = v.get<readonly [number, number, number]>('type');
      if (t === null) throw needs(fw, name, version === 4 ? '--icmp-type' : '--icmpv6-type');
      return new IcmpMatch(name, t[0], t[1], t[2], v.not('type'));
    },
  };
}

const MULTIPORT: MatchDef = {
  options: {
    '--sports': one('sports', PORT_LIST), '--source-ports': one('sports', PORT_LIST), '--dports': one('dports', PORT_LIST),
    '--destination-ports': one('dports', PORT_LIST), '--ports': one('ports', PORT_LIST),
  },
  build: (v, fw) => {
    const which = (['sports', 'dports', 'ports'] as const).find((key) => v.has(key));
    if (which === undefined || v.size > 1) throw needs(fw, 'multiport', 'one of --sports, --dports, --ports');
    return new MultiportMatch(which, v.get<readonly Range[]>(which)!, v.not(which));
  },
};

function address(fw: Firewalling): Reader<WordsMask> {
  const { version } = fw.tables.family;
  return {
    form: version === 4 ? 'an address or network such as 10.0.0.0/8' : 'an address or network such as fd00::/8',
    read: (word) => readAddress(word, version, (name) => fw.resolve(name)),
  };
}

const CT_ENDS: readonly (readonly [string, string])[] = [
  ['--ctorigsrc', '--ctorigsrcport'], ['--ctorigdst', '--ctorigdstport'], ['--ctreplsrc', '--ctreplsrcport'],
  ['--ctrepldst', '--ctrepldstport'],
];

const CONNTRACK: MatchDef = {
  options: {
    '--ctstate': one('state', bits(CT_STATES)),
    '--ctproto': one('proto', PROTOCOL),
    '--ctstatus': one('status', bits(CT_STATUS)),
    '--ctexpire': one('expire', numbers('seconds, or a range such as 10:60', 0xffffffff)),
    '--ctdir': one('dir', { form: 'ORIGINAL or REPLY', read: (w) => (w === 'ORIGINAL' ? 0 : w === 'REPLY' ? 1 : null) }, false),
    ...Object.fromEntries(CT_ENDS.flatMap(([addr, port]): [string, OptionDef][] => [
      [addr, { key: addr, reader: address, not: true }], [port, one(port, PORTS)],
    ])) as Readonly<Record<string, OptionDef>>,
  },
  build: (v, fw) => {
    if (v.size === 0) throw needs(fw, 'conntrack', 'one of its options, such as --ctstate');
    const m = new ConntrackMatch('conntrack', fw.nf.net.cpu);
    m.states = v.get<number>('state') ?? 0;
    m.statesNot = v.not('state');
    m.proto = v.get<number>('proto') ?? 0;
    m.protoNot = v.not('proto');
    m.status = v.get<number>('status') ?? 0;
    m.statusNot = v.not('status');
    m.expire = v.has('expire') ? range(v, 'expire') : null;
    m.dir = v.get<number>('dir') ?? -1;
    CT_ENDS.forEach(([addr, port], i) => {
      const words = v.get<WordsMask>(addr);
      if (words !== null) {
        const end = new AddressMask();
        end.addr.set(words.addr);
        end.mask.set(words.mask);
        end.not = v.not(addr);
        m.addrs[i] = end;
      }
      if (v.has(port)) m.ports[i] = range(v, port);
    });
    return m;
  },
};

const STATE: MatchDef = {
  options: { '--state': one('state', bits(CT_STATES, ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED'])) },
  build: (v, fw) => {
    if (!v.has('state')) throw needs(fw, 'state', '--state');
    const m = new ConntrackMatch('state', fw.nf.net.cpu);
    m.states = v.get<number>('state')!;
    m.statesNot = v.not('state');
    return m;
  },
};

/** Burst and rate that iptables takes when they are not said. */
const LIMIT_BURST = 5;

const LIMIT: MatchDef = {
  options: { '--limit': one('rate', RATE, false), '--limit-burst': one('burst', integer('a burst', 1, 10000), false) },
  build: (v, fw) => {
    const rate = v.get<{ count: number; unit: 'second' | 'minute' | 'hour' | 'day' }>('rate') ?? { count: 3, unit: 'hour' as const };
    return new LimitMatch(rate.count, rate.unit, v.get<number>('burst') ?? LIMIT_BURST, fw.nf.net.cpu);
  },
};

const MARK: MatchDef = {
  options: { '--mark': one('mark', masked(0xffffffff)) },
  build: (v, fw) => {
    const m = v.get<Masked>('mark');
    if (m === null) throw needs(fw, 'mark', '--mark');
    return new MarkMatch(m.value, m.mask, v.not('mark'));
  },
};

const CONNMARK: MatchDef = {
  options: { '--mark': one('mark', masked(0xffffffff)) },
  build: (v, fw) => {
    const m = v.get<Masked>('mark');
    if (m === null) throw needs(fw, 'connmark', '--mark');
    return new ConnmarkMatch(m.value, m.mask, v.not('mark'));
  },
};

const STATISTIC: MatchDef = {
  options: {
    '--mode': one('mode', { form: 'random or nth', read: (w) => (w === 'random' || w === 'nth' ? w : null) }, false),
    '--probability': one('probability', PROBABILITY),
    '--every': one('every', integer('a number', 1, 0x7fffffff)),
    '--packet': one('packet', integer('a number', 0, 0x7fffffff), false),
  },
  build: (v, fw) => {
    const mode = v.get<'random' | 'nth'>('mode');
    if (mode === null) throw needs(fw, 'statistic', '--mode');
    if (mode === 'random') {
      if (!v.has('probability')) throw needs(fw, 'statistic --mode random', '--probability');
      return new StatisticMatch('random', v.get<number>('probability')!, 1, 0, v.not('probability'), fw.nf.random);
    }
    if (!v.has('every')) throw needs(fw, 'statistic --mode nth', '--every');
    const every = v.get<number>('every')!;
    const packet = v.get<number>('packet') ?? 0;
    if (packet >= every) {
      throw new ToolError(`${fw.tool}: --packet: '${String(packet)}' is not understood; expected a number below --every`);
    }
    return new StatisticMatch('nth', 0, every, packet, v.not('every'), fw.nf.random);
  },
};

function ttlDef(name: 'ttl' | 'hl'): MatchDef {
  const n = integer('a number of hops', 0, 255);
  return {
    options: { [`--${name}-eq`]: one('eq', n), [`--${name}-lt`]: one('lt', n, false), [`--${name}-gt`]: one('gt', n, false) },
    build: (v, fw) => {
      const op = (['eq', 'lt', 'gt'] as const).find((key) => v.has(key));
      if (op === undefined || v.size > 1) throw needs(fw, name, `one of --${name}-eq, --${name}-lt, --${name}-gt`);
      return new TtlMatch(name, op, v.get<number>(op)!, v.not(op));
    },
  };
}

const PKT_TYPES: Readonly<Record<string, number>> = { unicast: 0, broadcast: 1, multicast: 2 };

const MAC: Reader<Uint8Array> = { form: 'a hardware address such as 02:00:00:00:00:01', read: parseMac };
const LENGTHS = numbers('a length, or a range such as 0:1500', 65535);
const ADDR_BITS: Readonly<Record<string, number>> = Object.fromEntries(ADDR_TYPES.map((name, i) => [name, 1 << i]));

/** Every match by the name that `-m` takes. */
export const MATCHES: Readonly<Record<string, MatchDef>> = {
  tcp: TCP,
  udp: UDP,
  icmp: icmpDef(4),
  icmp6: icmpDef(6),
  multiport: MULTIPORT,
  conntrack: CONNTRACK,
  state: STATE,
  limit: LIMIT,
  mark: MARK,
  connmark: CONNMARK,
  statistic: STATISTIC,
  length: {
    options: { '--length': one('length', LENGTHS) },
    build: (v, fw) => {
      if (!v.has('length')) throw needs(fw, 'length', '--length');
      return new LengthMatch(range(v, 'length'));
    },
  },
  ttl: ttlDef('ttl'),
  hl: ttlDef('hl'),
  tos: {
    options: { '--tos': one('tos', TOS) },
    build: (v, fw) => {
      const m = v.get<Masked>('tos');
      if (m === null) throw needs(fw, 'tos', '--tos');
      return new TosMatch(m.value, m.mask & 255, v.not('tos'));
    },
  },
  dscp: {
    options: { '--dscp': one('dscp', DSCP), '--dscp-class': one('dscp', DSCP_CLASS) },
    build: (v, fw) => {
      if (!v.has('dscp')) throw needs(fw, 'dscp', '--dscp or --dscp-class');
      return new DscpMatch(v.get<number>('dscp')!, v.not('dscp'));
    },
  },
  mac: {
    options: { '--mac-source': one('mac', MAC) },
    build: (v, fw) => {
      if (!v.has('mac')) throw needs(fw, 'mac', '--mac-source');
      return new MacMatch(v.get<Uint8Array>('mac')!, v.not('mac'));
    },
  },
  addrtype: {
    options: {
      '--src-type': one('src', bits(ADDR_BITS)), '--dst-type': one('dst', bits(ADDR_BITS)), '--limit-iface-in': flag('in'),
      '--limit-iface-out': flag('out'),
    },
    build: (v, fw) => {
      if (!v.has('src') && !v.has('dst')) throw needs(fw, 'addrtype', '--src-type or --dst-type');
      const m = new AddrtypeMatch((p, source, dev) => fw.tables.family.addressType(p, source, dev));
      m.srcTypes = v.get<number>('src') ?? 0;
      m.srcNot = v.not('src');
      m.dstTypes = v.get<number>('dst') ?? 0;
      m.dstNot = v.not('dst');
      m.limitIn = v.has('in');
      m.limitOut = v.has('out');
      return m;
    },
  },
  pkttype: {
    options: {
      '--pkt-type': one('type', {
        form: Object.keys(PKT_TYPES).join(', '), read: (w) => (Object.hasOwn(PKT_TYPES, w) ? PKT_TYPES[w]! : null),
      }),
    },
    build: (v, fw) => {
      if (!v.has('type')) throw needs(fw, 'pkttype', '--pkt-type');
      return new PkttypeMatch(v.get<number>('type')!, v.not('type'));
    },
  },
  comment: {
    options: { '--comment': one('text', WORD, false) },
    build: (v, fw) => {
      const text = v.get<string>('text');
      if (text === null || text.length > 255) throw needs(fw, 'comment', '--comment, of 255 characters at most');
      return new CommentMatch(text);
    },
  },
};

/** The match that a protocol brings along: its options need no `-m`. */
export function protocolMatch(proto: number, version: number): string | null {
  if (proto === 6) return 'tcp';
  if (proto === 17) return 'udp';
  if (proto === 1 && version === 4) return 'icmp';
  return proto === 58 && version === 6 ? 'icmp6' : null;
}

export function needs(fw: Firewalling, what: string, option: string): ToolError {
  return new ToolError(`${fw.tool}: ${what} needs ${option}`);
}
