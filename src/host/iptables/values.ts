/**
 * The words of iptables that stand for values: ports, masks, states, flags. Each reader takes one word and answers its value,
 * or null when the word is none; `form` says what would have been one.
 */
import { parseIpv4 } from '../../lib/addr.ts';
import { parseIpv6 } from '../../lib/addr6.ts';
import type { Range } from '../../ip/filter/match.ts';
import {
  XT_CONNTRACK_STATE_DNAT, XT_CONNTRACK_STATE_ESTABLISHED, XT_CONNTRACK_STATE_INVALID, XT_CONNTRACK_STATE_NEW,
  XT_CONNTRACK_STATE_RELATED, XT_CONNTRACK_STATE_SNAT, XT_CONNTRACK_STATE_UNTRACKED,
} from '../../ip/filter/constants.ts';

/** How a kind of word is read, and what it looks like. */
export interface Reader<T> {
  readonly form: string;
  read(word: string): T | null;
}

/** `a` to `b`, both whole numbers, decimal or 0x…; null for anything else. */
export function whole(word: string, min: number, max: number): number | null {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(word)) return null;
  const n = Number(word);
  return n >= min && n <= max ? n : null;
}

export function integer(what: string, min: number, max: number): Reader<number> {
  return { form: `${what} from ${String(min)} to ${String(max)}`, read: (word) => whole(word, min, max) };
}

/** Ports that have names everywhere. */
const SERVICES: Readonly<Record<string, number>> = {
  'ftp-data': 20, ftp: 21, ssh: 22, telnet: 23, smtp: 25, domain: 53, bootps: 67, bootpc: 68, tftp: 69, http: 80, pop3: 110, sunrpc: 111,
  ntp: 123, imap2: 143, snmp: 161, bgp: 179, https: 443, submission: 587, imaps: 993, mysql: 3306, postgresql: 5432,
};

export function readPort(word: string): number | null {
  return Object.hasOwn(SERVICES, word) ? SERVICES[word]! : whole(word, 0, 65535);
}

/** `80`, `http`, `1024:65535`, `:1023`, `1024:`. */
export const PORTS: Reader<Range> = {
  form: "a port such as 80 or http, or a range such as 1024:65535, ':1023', '1024:'",
  read: (word) => readRange(word, ':', 65535, readPort),
};

export function readRange(word: string, sign: string, max: number, one: (word: string) => number | null): Range | null {
  const at = word.indexOf(sign);
  if (at < 0) {
    const n = one(word);
    return n === null ? null : { min: n, max: n, not: false };
  }
  const from = at === 0 ? 0 : one(word.slice(0, at));
  const to = at === word.length - 1 ? max : one(word.slice(at + 1));
  return from === null || to === null || from > to || word === sign ? null : { min: from, max: to, not: false };
}

/** Up to 15 places (Linux: XT_MULTI_PORTS; a range takes two). */
export const PORT_LIST: Reader<readonly Range[]> = {
  form: 'ports and ranges with commas between them, 15 places at most (a range takes two): 80,443,8000:8080',
  read: (word) => {
    const ranges = word.split(',').map((w) => PORTS.read(w));
    const places = ranges.reduce((n, r) => n + (r === null ? 0 : r.min === r.max ? 1 : 2), 0);
    return ranges.includes(null) || places > 15 ? null : (ranges as Range[]);
  },
};

export function numbers(form: string, max: number): Reader<Range> {
  return { form, read: (word) => readRange(word, ':', max, (w) => whole(w, 0, max)) };
}

/** `0x1`, `0x1/0xff`. */
export interface Masked {
  readonly value: number;
  readonly mask: number;
}

export function masked(max: number): Reader<Masked> {
  return {
    form: `a value, or value/mask, each up to 0x${max.toString(16)}`,
    read: (word) => {
      const [value, mask, more] = word.split('/').map((w) => whole(w, 0, max));
      if (value === undefined || value === null || mask === null || more !== undefined) return null;
      return { value: value | 0, mask: (mask ?? max) | 0 };
    },
  };
}

const FLAGS: Readonly<Record<string, number>> = {
  FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128, ALL: 0x3f, NONE: 0,
};

/** `SYN,ACK`, `ALL`, `NONE`. */
export const TCP_FLAGS: Reader<number> = {
  form: 'flags with commas between them (SYN ACK FIN RST URG PSH ECE CWR), or ALL, or NONE',
  read: (word) => {
    let bits = 0;
    for (const name of word.toUpperCase().split(',')) {
      if (!Object.hasOwn(FLAGS, name)) return null;
      bits |= FLAGS[name]!;
    }
    return bits;
  },
};

/** The other way: `SYN,ACK`. */
export function tcpFlagNames(bits: number): string {
  const names = Object.entries(FLAGS).filter(([name, bit]) => name !== 'ALL' && (bits & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'NONE' : names.join(',');
}

export const CT_STATES: Readonly<Record<string, number>> = {
  INVALID: XT_CONNTRACK_STATE_INVALID, NEW: XT_CONNTRACK_STATE_NEW, RELATED: XT_CONNTRACK_STATE_RELATED,
  ESTABLISHED: XT_CONNTRACK_STATE_ESTABLISHED, UNTRACKED: XT_CONNTRACK_STATE_UNTRACKED, SNAT: XT_CONNTRACK_STATE_SNAT,
  DNAT: XT_CONNTRACK_STATE_DNAT,
};

export const CT_STATUS: Readonly<Record<string, number>> = { NONE: -1, EXPECTED: 1, SEEN_REPLY: 2, ASSURED: 4, CONFIRMED: 8 };

/** Words with commas between them, each a bit of `table`. */
export function bits(table: Readonly<Record<string, number>>, names: readonly string[] = Object.keys(table)): Reader<number> {
  return {
    form: `of ${names.join(', ')}, with commas between them`,
    read: (word) => {
      let all = 0;
      for (const name of word.toUpperCase().split(',')) {
        if (!names.includes(name)) return null;
        all |= table[name]!;
      }
      return all;
    },
  };
}

/** The words of the bits that are set. */
export function bitNames(table: Readonly<Record<string, number>>, value: number): string {
  const has = (bit: number): boolean => bit === value || (bit > 0 && value > 0 && (value & bit) !== 0);
  return Object.entries(table).filter(([, bit]) => has(bit)).map(([n]) => n).join(',');
}

/** An address and a mask, as four words each. */
export interface WordsMask {
  readonly addr: Int32Array;
  readonly mask: Int32Array;
}

/** `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fd00::/8`, or a name; host bits are dropped, as iptables does. */
export function readAddress(word: string, version: number, resolve: (name: string) => number | null): WordsMask | null {
  const [text, suffix, more] = word.split('/');
  if (text === undefined || more !== undefined) return null;
  const addr = new Int32Array(4);
  const mask = new Int32Array(4);
  const width = version === 4 ? 32 : 128;
  if (version === 4) {
    const v4 = parseIpv4(text) ?? resolve(text);
    if (v4 === null) return null;
    addr[0] = v4;
  } else {
    const v6 = parseIpv6(text);
    if (v6 === null) return null;
    addr.set([v6.a, v6.b, v6.c, v6.d]);
  }
  const dotted = suffix !== undefined && version === 4 ? (suffix.includes('.') ? parseIpv4(suffix) : null) : null;
  if (dotted !== null) {
    mask[0] = dotted;
  } else {
    const len = suffix === undefined ? width : whole(suffix, 0, width);
    if (len === null) return null;
    for (let i = 0; i < width / 32; i++) mask[i] = prefixWord(len - 32 * i);
  }
  for (let i = 0; i < 4; i++) addr[i]! &= mask[i]!;
  return { addr, mask };
}

function prefixWord(bitsLeft: number): number {
  return bitsLeft <= 0 ? 0 : bitsLeft >= 32 ? -1 : -1 << (32 - bitsLeft);
}

/** The length of a mask's prefix, or -1 when it is no prefix. */
export function prefixLength(mask: Int32Array, version: number): number {
  const words = version === 4 ? 1 : 4;
  let len = 0;
  for (let i = 0; i < words; i++) len += Math.clz32(~mask[i]!);
  for (let i = 0; i < words; i++) if (mask[i] !== prefixWord(len - 32 * i)) return -1;
  return len;
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  all: 0, icmp: 1, igmp: 2, tcp: 6, udp: 17, dccp: 33, ipv6: 41, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, icmpv6: 58, ospf: 89, sctp: 132,
  udplite: 136,
};

export const PROTOCOL: Reader<number> = {
  form: 'a protocol: tcp, udp, icmp, icmpv6, sctp, all…, or a number from 0 to 255',
  read: (word) => {
    const name = word.toLowerCase();
    return Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name]! : whole(word, 0, 255);
  },
};

/** The name of a protocol, or its number. */
export function protocolName(n: number): string {
  return Object.entries(PROTOCOLS).find(([, v]) => v === n)?.[0] ?? String(n);
}

/** Types of ICMP by iptables' names → type, codes from, to. */
const ICMP_TYPES: Readonly<Record<string, readonly [number, number, number]>> = {
  any: [255, 0, 255], 'echo-reply': [0, 0, 255], pong: [0, 0, 255], 'destination-unreachable': [3, 0, 255],
  'network-unreachable': [3, 0, 0], 'host-unreachable': [3, 1, 1], 'protocol-unreachable': [3, 2, 2], 'port-unreachable': [3, 3, 3],
  'fragmentation-needed': [3, 4, 4], 'source-route-failed': [3, 5, 5], 'network-unknown': [3, 6, 6], 'host-unknown': [3, 7, 7],
  'network-prohibited': [3, 9, 9], 'host-prohibited': [3, 10, 10], 'communication-prohibited': [3, 13, 13], 'source-quench': [4, 0, 255],
  redirect: [5, 0, 255], 'echo-request': [8, 0, 255], ping: [8, 0, 255], 'router-advertisement': [9, 0, 255],
  'router-solicitation': [10, 0, 255], 'time-exceeded': [11, 0, 255], 'ttl-exceeded': [11, 0, 255], 'ttl-zero-during-transit': [11, 0, 0],
  'ttl-zero-during-reassembly': [11, 1, 1], 'parameter-problem': [12, 0, 255], 'timestamp-request': [13, 0, 255],
  'timestamp-reply': [14, 0, 255], 'address-mask-request': [17, 0, 255], 'address-mask-reply': [18, 0, 255],
};

const ICMPV6_TYPES: Readonly<Record<string, readonly [number, number, number]>> = {
  'destination-unreachable': [1, 0, 255], 'no-route': [1, 0, 0], 'communication-prohibited': [1, 1, 1], 'address-unreachable': [1, 3, 3],
  'port-unreachable': [1, 4, 4], 'packet-too-big': [2, 0, 255], 'time-exceeded': [3, 0, 255], 'ttl-exceeded': [3, 0, 255],
  'parameter-problem': [4, 0, 255], 'echo-request': [128, 0, 255], ping: [128, 0, 255], 'echo-reply': [129, 0, 255], pong: [129, 0, 255],
  'router-solicitation': [133, 0, 255], 'router-advertisement': [134, 0, 255], 'neighbour-solicitation': [135, 0, 255],
  'neighbor-solicitation': [135, 0, 255], 'neighbour-advertisement': [136, 0, 255], 'neighbor-advertisement': [136, 0, 255],
  redirect: [137, 0, 255],
};

/** `echo-request`, `8`, `3/4`. */
export function icmpTypes(version: number): Reader<readonly [number, number, number]> {
  const table = version === 4 ? ICMP_TYPES : ICMPV6_TYPES;
  return {
    form: 'an ICMP type: a name such as echo-request, a number, or type/code such as 3/4',
    read: (word) => {
      if (Object.hasOwn(table, word)) return table[word]!;
      const [type, code, more] = word.split('/').map((w) => whole(w, 0, 255));
      if (type === undefined || type === null || code === null || more !== undefined) return null;
      return code === undefined ? [type, 0, 255] : [type, code, code];
    },
  };
}

const DSCP_CLASSES: Readonly<Record<string, number>> = {
  CS0: 0, CS1: 8, CS2: 16, CS3: 24, CS4: 32, CS5: 40, CS6: 48, CS7: 56, BE: 0, AF11: 10, AF12: 12, AF13: 14, AF21: 18, AF22: 20, AF23: 22,
  AF31: 26, AF32: 28, AF33: 30, AF41: 34, AF42: 36, AF43: 38, EF: 46,
};

export const DSCP: Reader<number> = integer('a DSCP', 0, 63);
export const DSCP_CLASS: Reader<number> = {
  form: 'a DiffServ class: BE, EF, CS0 to CS7, AF11 to AF43',
  read: (word) => (Object.hasOwn(DSCP_CLASSES, word.toUpperCase()) ? DSCP_CLASSES[word.toUpperCase()]! : null),
};

const TOS_NAMES: Readonly<Record<string, number>> = {
  'minimize-delay': 0x10, 'maximize-throughput': 0x08, 'maximize-reliability': 0x04, 'minimize-cost': 0x02, 'normal-service': 0,
};

/** A name stands for the bits of RFC 1349; a number for the whole byte, or with a mask. */
export const TOS: Reader<Masked> = {
  form: 'a TOS byte: a name such as Minimize-Delay, or value[/mask]',
  read: (word) => {
    const name = word.toLowerCase();
    return Object.hasOwn(TOS_NAMES, name) ? { value: TOS_NAMES[name]!, mask: 0x3f } : masked(255).read(word);
  },
};

const LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

export const LOG_LEVEL: Reader<number> = {
  form: `a level: 0 to 7, or one of ${LEVELS.join(', ')}`,
  read: (word) => {
    const name = { error: 'err', panic: 'emerg', warn: 'warning' }[word] ?? word;
    return LEVELS.includes(name) ? LEVELS.indexOf(name) : whole(word, 0, 7);
  },
};

/** `3/hour`, `10/s`. */
export const RATE: Reader<{ count: number; unit: 'second' | 'minute' | 'hour' | 'day' }> = {
  form: "a rate such as 3/hour, 10/second, 5/minute, 1/day ('s', 'm', 'h', 'd' will do)",
  read: (word) => {
    const m = /^(\d+)(?:\/([a-z]+))?$/.exec(word.toLowerCase());
    const unit = m === null ? undefined : (['second', 'minute', 'hour', 'day'] as const).find((u) => u.startsWith(m[2] ?? 's'));
    const count = m === null ? 0 : Number(m[1]);
    return unit === undefined || count < 1 || count > 10000 ? null : { count, unit };
  },
};

export const PROBABILITY: Reader<number> = {
  form: 'a number from 0 to 1',
  read: (word) => (/^(\d+(\.\d*)?|\.\d+)$/.test(word) && Number(word) <= 1 ? Number(word) : null),
};

export const WORD: Reader<string> = { form: 'a word', read: (word) => word };
