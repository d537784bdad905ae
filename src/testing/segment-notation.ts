/**
 * The segment notation, read and compared: one way to write a packet, in labs, in packetdrill scripts and in what the
 * printer says.
 *
 *     S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,nop,wscale 7>
 *     │  │   │  │     │         └ options, in order; <...> = whatever they are
 *     │  │   │  │     └ the window field as sent
 *     │  │   │  └ acknowledgment
 *     │  │   └ payload bytes
 *     │  └ first:end, relative to the sender's ISS
 *     └ flags S F R P . U E W A, or - for none; a digit instead of E, W, A is the ACE counter
 *
 *     packet  := [ipinfo] [sport ">" dport] body
 *     body    := flags [range] ["ack" n] ["win" n] ["urg" n] ["<" options ">"]
 *              | "udp" "(" n ")"
 *              | "icmp" type [code] ["mtu" n] ["id" n] ["seq" n] ["(" n ")"] ["[" echoed "]"]
 *     range   := first ":" end "(" length ")"
 *     echoed  := [sport ">" dport] ( range | "udp" "(" n ")" )
 *     ipinfo  := "[" info {"," info} "]" | "(" info {"," info} ")"
 *     info    := "noecn" | "ect0" | "ect1" | "ect01" | "ce" | "tos" n | "ttl" n | "flowlabel" n
 *
 * A field left out is filled in when sending and not compared when expecting. That end is first + length is checked here:
 * a typo in a test is a syntax error with line and column, not a mystery. Text is written by wire/segment.ts.
 */
import { fromHex } from '../lib/bytes.ts';
import { icmpCodeNumber, icmpTypeNumber, type IpVersion } from '../wire/icmp-names.ts';
import { tcpOptionLen } from '../wire/segment-build.ts';
import { SEQ_MODULUS, formatFlags, formatIpSpec, formatOption, formatOptions, formatPacket } from '../wire/segment.ts';
import type { EchoedSpec, EcnWord, IcmpSpec, IpSpec, PacketSpec, SeqRange, TcpOption, TcpSpec, UdpSpec } from '../wire/segment.ts';

/** A text that is not in the notation. Lines and columns count from 1. */
export class SegmentSyntaxError extends SyntaxError {
  readonly line: number;
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${message}`);
    this.name = 'SegmentSyntaxError';
    this.line = line;
    this.column = column;
  }
}

/** How to read. */
export interface ParseOptions {
  /** Whose ICMP names are meant. Default 4. */
  readonly version?: IpVersion;
  /** Where the text begins in a larger one, for messages. Default 1, 1. */
  readonly line?: number;
  readonly column?: number;
  /** Words that stand for others (`-D TFO_COOKIE=...` of packetdrill). */
  readonly defines?: ReadonlyMap<string, string>;
  /** A list of nothing but TS and sack may leave out the nops before each: `<sack 1:1001>`. Default false. */
  readonly nops?: boolean;
}

/**
 * A place in a text, moving on. A reader of a larger language (a lab line, a script) makes one over its whole text, reads
 * its own tokens, and hands it to {@link parsePacketAt} where a packet begins. Blanks, line ends and comments count as nothing.
 */
export class Scanner {
  readonly text: string;
  pos = 0;
  private readonly firstLine: number;
  private readonly firstColumn: number;
  private readonly defines: ReadonlyMap<string, string> | undefined;
  /** Nops may be left out, see {@link ParseOptions}. */
  readonly nops: boolean;

  constructor(text: string, options: ParseOptions = {}) {
    this.text = text;
    this.firstLine = options.line ?? 1;
    this.firstColumn = options.column ?? 1;
    this.defines = options.defines;
    this.nops = options.nops === true;
  }

  /** Goes over blanks and comments (`//` to the end of the line, and the bracketed kind). */
  skip(): void {
    const blank = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
    blank.lastIndex = this.pos;
    blank.exec(this.text);
    this.pos = blank.lastIndex;
  }

  atEnd(): boolean {
    this.skip();
    return this.pos >= this.text.length;
  }

  /** Takes what matches here (`re` must be sticky), or returns `null` and stays. */
  take(re: RegExp): RegExpExecArray | null {
    this.skip();
    re.lastIndex = this.pos;
    const m = re.exec(this.text);
    if (m !== null) this.pos = re.lastIndex;
    return m;
  }

  /** Does it match here? Stays. */
  sees(re: RegExp): boolean {
    this.skip();
    re.lastIndex = this.pos;
    return re.test(this.text);
  }

  /** Takes a punctuation mark if it is next. */
  mark(c: string): boolean {
    this.skip();
    if (!this.text.startsWith(c, this.pos)) return false;
    this.pos += c.length;
    return true;
  }

  /** Takes a punctuation mark; it must be next. */
  need(c: string, what: string): void {
    if (!this.mark(c)) this.fail(`'${c}' expected ${what}, found ${this.found()}`);
  }

  /** Takes the keyword if it is the next word. */
  keyword(word: string): boolean {
    this.skip();
    const at = this.pos;
    if (this.take(/[A-Za-z0-9_]+/y)?.[0] === word) return true;
    this.pos = at;
    return false;
  }

  /** Takes a word, after the defines; `null` if there is none. */
  word(): string | null {
    const m = this.take(/[A-Za-z0-9_]+/y);
    return m === null ? null : (this.defines?.get(m[0]) ?? m[0]);
  }

  /** Takes a word that stands for a back-quoted command; the command, or `null`. */
  definedCommand(): string | null {
    const from = this.pos;
    const m = this.take(/[A-Za-z0-9_]+/y);
    const command = m === null ? null : /^`([\s\S]*)`$/.exec(this.defines?.get(m[0]) ?? '');
    if (command !== null) return command[1]!;
    this.pos = from;
    return null;
  }

  /** Takes a whole number, decimal or `0x`, from 0 to `max`. */
  number(what: string, max: number): number {
    this.skip();
    const at = this.pos;
    const text = this.word();
    if (text === null || !/^(\d+|0x[0-9a-fA-F]+)$/.test(text)) {
      this.pos = at;
      return this.fail(`a number expected for ${what}, found ${this.found()}`);
    }
    const n = Number(text);
    if (n > max) return this.fail(`${what} is ${text}, more than ${max}`, at);
    return n;
  }

  /** What stands here, for a message. */
  found(): string {
    this.skip();
    const m = /\S+/y;
    m.lastIndex = this.pos;
    const word = m.exec(this.text)?.[0];
    return word === undefined ? 'the end' : `'${word.slice(0, 30)}'`;
  }

  /** Reports a mistake at `at` (default: here). */
  fail(message: string, at: number = this.pos): never {
    const before = this.text.slice(0, at).split('\n');
    const column = before[before.length - 1]!.length + (before.length === 1 ? this.firstColumn : 1);
    throw new SegmentSyntaxError(message, this.firstLine + before.length - 1, column);
  }
}

/** Reads one packet; the text must hold nothing else. */
export function parsePacket(text: string, options: ParseOptions = {}): PacketSpec {
  const s = new Scanner(text, options);
  const p = parsePacketAt(s, options);
  if (!s.atEnd()) s.fail(`${s.found()} does not belong to the packet`);
  return p;
}

/** Reads one TCP segment; the text must hold nothing else. */
export function parseSegment(text: string, options: ParseOptions = {}): TcpSpec {
  const p = parsePacket(text, options);
  if (p.proto !== 'tcp') throw new SegmentSyntaxError(`a TCP segment expected, found ${p.proto}`, options.line ?? 1, options.column ?? 1);
  return p;
}

/** Reads the packet that begins here and leaves the scanner behind it. */
export function parsePacketAt(s: Scanner, options: ParseOptions = {}): PacketSpec {
  if (s.sees(/(?:ipv4|ipv6|gre|mpls)\b/y)) s.fail(`${s.found()}: encapsulation is not supported`);
  const ip = parseIpInfo(s);
  const ports = parsePorts(s);
  if (s.keyword('udp')) return { proto: 'udp', ip, ...ports, len: parseLength(s, 'the data', 65507) };
  if (s.sees(/icmp\b/y) && ports.sport === undefined) {
    s.keyword('icmp');
    return parseIcmp(s, ip, options.version ?? 4);
  }
  return parseTcp(s, ip, ports);
}

interface Ports {
  sport?: number;
  dport?: number;
}

function parsePorts(s: Scanner): Ports {
  if (!s.sees(/\d+\s*>/y)) return {};
  const sport = s.number('the source port', 65535);
  s.need('>', 'between the ports');
  return { sport, dport: s.number('the destination port', 65535) };
}

const ECN_WORDS: readonly EcnWord[] = ['noecn', 'ect0', 'ect1', 'ect01', 'ce'];

function parseIpInfo(s: Scanner): IpSpec {
  const ip: IpSpec = {};
  const close = s.mark('[') ? ']' : s.mark('(') ? ')' : '';
  if (close === '') return ip;
  do {
    const ecn = ECN_WORDS.find((word) => s.keyword(word));
    if (ecn !== undefined) ip.ecn = ecn;
    else if (s.keyword('tos')) ip.tos = s.number('tos', 255);
    else if (s.keyword('ttl')) ip.ttl = s.number('ttl', 255);
    else if (s.keyword('flowlabel')) ip.flowlabel = s.number('flowlabel', 0xfffff);
    else s.fail(`ecn, tos, ttl or flowlabel expected, found ${s.found()}`);
  } while (s.mark(','));
  s.need(close, 'after the IP header');
  return ip;
}

const FLAG_BITS: ReadonlyMap<string, number> = new Map([
  ['F', 0x01],
  ['S', 0x02],
  ['R', 0x04],
  ['P', 0x08],
  ['.', 0x10],
  ['U', 0x20],
  ['E', 0x40],
  ['W', 0x80],
  ['A', 0x100],
]);

function parseTcp(s: Scanner, ip: IpSpec, ports: Ports): TcpSpec {
  const at = s.pos;
  const m = s.take(/(?:-|[FSRPUEWA.0-7]+)(?=\s|$|<|\/)/y);
  if (m === null) return s.fail(`flags (S F R P . U E W A, or -), udp or icmp expected, found ${s.found()}`);
  let flags = 0;
  let ace = false;
  for (const c of m[0] === '-' ? '' : m[0]) {
    const digit = c.charCodeAt(0) - 0x30;
    const bits = FLAG_BITS.get(c) ?? digit << 6;
    if (digit > 0 && digit < 8) ace = true;
    if ((flags & bits) !== 0) s.fail(`flags ${m[0]}: ${c} says again what stood before`, at);
    flags |= bits;
  }
  const p: TcpSpec = { proto: 'tcp', ip, ...ports, flags, ace };
  if (s.sees(/\d+\s*:/y)) p.range = parseRange(s);
  if (s.keyword('ack')) p.ack = s.number('ack', SEQ_MODULUS - 1);
  if (s.keyword('win')) p.win = s.number('win', 65535);
  if (s.keyword('urg')) p.urg = s.number('urg', 65535);
  if (s.mark('<')) p.options = parseOptionList(s);
  return p;
}

function parseLength(s: Scanner, what: string, max: number): number {
  s.need('(', `before the length of ${what}`);
  const len = s.number(`the length of ${what}`, max);
  s.need(')', 'after the length');
  return len;
}

/** `1:1001(1000)`; the three numbers must agree. */
function parseRange(s: Scanner): SeqRange {
  s.skip();
  const at = s.pos;
  const seq = s.number('the first sequence number', SEQ_MODULUS - 1);
  s.need(':', 'after the first sequence number');
  const end = s.number('the end', SEQ_MODULUS);
  const len = parseLength(s, 'the segment', 65535);
  if ((seq + len) % SEQ_MODULUS !== end % SEQ_MODULUS) {
    s.fail(`${seq}:${end}(${len}): ${seq} + ${len} is ${(seq + len) % SEQ_MODULUS}, not ${end}`, at);
  }
  return { seq, len };
}

/** Behind the `<`, up to and with the `>`. */
function parseOptionList(s: Scanner): readonly TcpOption[] | 'any' {
  const at = s.pos - 1;
  if (s.mark('...')) {
    s.need('>', 'after ...');
    return 'any';
  }
  let options: TcpOption[] = [];
  if (s.mark('>')) return options;
  do options.push(parseOption(s));
  while (s.mark(','));
  s.need('>', 'after the options');
  if (s.nops && options.every((o) => o.kind === 'TS' || o.kind === 'sack')) {
    options = options.flatMap((o): TcpOption[] => [{ kind: 'nop' }, { kind: 'nop' }, o]);
  }
  const len = options.reduce((n, o) => n + tcpOptionLen(o), 0);
  if (len % 4 !== 0) s.fail(`the options take ${len} bytes; a multiple of 4 is needed: write the nops`, at);
  if (len > 40) s.fail(`the options take ${len} bytes; there is room for 40`, at);
  return options;
}

function parseOption(s: Scanner): TcpOption {
  if (s.keyword('nop')) return { kind: 'nop' };
  if (s.keyword('eol')) return { kind: 'eol' };
  if (s.keyword('sackOK')) return { kind: 'sackOK' };
  if (s.keyword('mss')) return { kind: 'mss', value: s.number('mss', 65535) };
  if (s.keyword('wscale')) return { kind: 'wscale', value: s.number('wscale', 255) };
  if (s.keyword('TS')) {
    if (!s.keyword('val')) s.fail(`TS val n ecr n expected, found ${s.found()}`);
    const val = s.number('TS val', SEQ_MODULUS - 1);
    if (!s.keyword('ecr')) s.fail(`ecr expected after TS val, found ${s.found()}`);
    return { kind: 'TS', val, ecr: s.number('TS ecr', SEQ_MODULUS - 1) };
  }
  if (s.keyword('sack')) return { kind: 'sack', edges: parseSackEdges(s) };
  if (s.keyword('md5')) return { kind: 'md5', data: s.mark('...') ? new Uint8Array(16) : parseHex(s, 'md5', 16, 16) };
  if (s.keyword('tcp')) return parseAo(s);
  if (s.keyword('FO')) return { kind: 'FO', data: parseHex(s, 'FO', 0, 38) };
  if (s.keyword('FOEXP')) return { kind: 'FOEXP', data: parseHex(s, 'FOEXP', 0, 36) };
  if (s.keyword('ECN')) return parseAccEcn(s);
  if (s.keyword('opt')) return { kind: 'opt', number: s.number('the kind of the option', 255), data: parseHex(s, 'opt', 0, 38) };
  return s.fail(`an option expected (mss, wscale, sackOK, sack, TS, nop, eol, md5, tcp-ao, FO, FOEXP, ECN, opt), found ${s.found()}`);
}

/** `tcp-ao keyid 1 rnextkeyid 2 mac 0x…`, as tcpdump writes it; `mac ...` is 12 bytes of zeros, `mac ...(16)` 16 of them. */
function parseAo(s: Scanner): TcpOption {
  if (!s.mark('-') || !s.keyword('ao')) s.fail(`tcp-ao expected, found tcp${s.found()}`);
  if (!s.keyword('keyid')) s.fail(`keyid n rnextkeyid n mac 0x… expected after tcp-ao, found ${s.found()}`);
  const keyid = s.number('keyid', 255);
  if (!s.keyword('rnextkeyid')) s.fail(`rnextkeyid expected after keyid, found ${s.found()}`);
  const rnextkeyid = s.number('rnextkeyid', 255);
  if (!s.keyword('mac')) s.fail(`mac expected after rnextkeyid, found ${s.found()}`);
  if (!s.mark('...')) {
    s.skip();
    s.take(/0x/y);
    return { kind: 'tcp-ao', keyid, rnextkeyid, data: parseHex(s, 'mac', 1, 36) };
  }
  return { kind: 'tcp-ao', keyid, rnextkeyid, data: new Uint8Array(s.sees(/\(/y) ? parseLength(s, 'the code', 36) : 12) };
}

function parseSackEdges(s: Scanner): number[] {
  const edges: number[] = [];
  do {
    edges.push(s.number('the left edge', SEQ_MODULUS - 1));
    s.need(':', 'between the edges');
    edges.push(s.number('the right edge', SEQ_MODULUS - 1));
  } while (s.sees(/\d/y));
  return edges;
}

/** Hex digits, `min` to `max` bytes. */
function parseHex(s: Scanner, what: string, min: number, max: number): Uint8Array {
  s.skip();
  const at = s.pos;
  const text = s.word() ?? '';
  const data = fromHex(text);
  if (data === null) return s.fail(`hex digits expected after ${what}, found '${text}'`, at);
  if (data.length < min || data.length > max) {
    s.fail(`${what} takes ${min === max ? min : `${min} to ${max}`} bytes, not ${data.length}`, at);
  }
  return data;
}

/** `ECN e0b 1 ceb 0 e1b 1` or `ECN e1b 1 ceb 0 e0b 1`; the order is told by the first. */
function parseAccEcn(s: Scanner): TcpOption {
  const order = s.keyword('e0b') ? 0 : s.keyword('e1b') ? 1 : s.fail(`e0b or e1b expected after ECN, found ${s.found()}`);
  const counters = [s.number('the counter', 0xffffff)];
  if (s.keyword('ceb')) {
    counters.push(s.number('the counter', 0xffffff));
    if (s.keyword(order === 0 ? 'e1b' : 'e0b')) counters.push(s.number('the counter', 0xffffff));
  }
  return { kind: 'ECN', order, counters };
}

function parseIcmp(s: Scanner, ip: IpSpec, version: IpVersion): IcmpSpec {
  s.skip();
  const at = s.pos;
  const name = s.word();
  const type = name === null ? null : icmpTypeNumber(version, name);
  if (type === null) return s.fail(`a type of ICMP${version === 6 ? 'v6' : ''} expected, found '${name ?? 'the end'}'`, at);
  const p: IcmpSpec = { proto: 'icmp', ip, version, type, code: 0 };
  if (s.sees(/[A-Za-z_]/y) && !s.sees(/(?:mtu|id|seq)\b/y)) {
    s.skip();
    const codeAt = s.pos;
    const word = s.word()!;
    const code = icmpCodeNumber(version, type, word);
    if (code === null) s.fail(`'${word}' is no code of icmp ${name} in IPv${version}`, codeAt);
    else p.code = code;
  }
  if (s.keyword('mtu')) p.mtu = s.number('mtu', version === 4 ? 65535 : SEQ_MODULUS - 1);
  if (s.keyword('id')) p.id = s.number('id', 65535);
  if (s.keyword('seq')) p.seq = s.number('seq', 65535);
  if (s.sees(/\(/y)) p.len = parseLength(s, 'the data', 65507);
  if (s.mark('[')) p.echoed = parseEchoed(s);
  return p;
}

function parseEchoed(s: Scanner): EchoedSpec {
  const ports = parsePorts(s);
  const udp = s.keyword('udp');
  const range = udp ? { seq: 0, len: parseLength(s, 'the data', 65507) } : parseRange(s);
  s.need(']', 'after the quoted packet');
  return { proto: udp ? 'udp' : 'tcp', ...ports, range };
}

// ---- comparing ----

/** One field that is not as expected. */
export interface Difference {
  readonly field: string;
  readonly want: string;
  readonly got: string;
}

/** What counts as left out. */
export interface CompareOptions {
  /**
   * packetdrill's reading: no option list means no options, no `ack` means 0, no `urg` means 0. Only `win` (and the IP
   * header, and ports) may be left out. Default: whatever is left out is not compared.
   */
  readonly exact?: boolean;
  /** Compare the values of timestamps; their place is always compared. Default true. */
  readonly timestamps?: boolean;
}

/**
 * Compares a packet that came with what was expected, in the order in which the fields stand in the notation. Both in the
 * same numbers (see `relativeTcp`). An empty list: as expected.
 */
export function comparePacket(want: PacketSpec, got: PacketSpec, options: CompareOptions = {}): Difference[] {
  const d: Difference[] = [];
  if (want.proto !== got.proto) {
    differ(d, 'protocol', want.proto, got.proto);
    return d;
  }
  compareIp(d, want.ip, got.ip);
  if (want.proto === 'tcp') compareTcp(d, want, got as TcpSpec, options);
  else if (want.proto === 'udp') compareUdp(d, want, got as UdpSpec);
  else compareIcmp(d, want, got as IcmpSpec);
  return d;
}

/** `want: ... / got: ...` and the fields that differ, for a message; '' when nothing differs. */
export function explainDifferences(want: PacketSpec, got: PacketSpec, differences: readonly Difference[]): string {
  if (differences.length === 0) return '';
  const fields = differences.map((d) => `  ${d.field}: ${d.want} wanted, got ${d.got}`);
  return [`want  ${formatPacket(want)}`, `got   ${formatPacket(got)}`, ...fields].join('\n');
}

function differ(d: Difference[], field: string, want: number | string | undefined, got: number | string | undefined): void {
  if (want !== undefined && want !== got) d.push({ field, want: String(want), got: got === undefined ? 'nothing' : String(got) });
}

const ECN_OF_TOS: readonly EcnWord[] = ['noecn', 'ect1', 'ect0', 'ce'];

function compareIp(d: Difference[], want: IpSpec, got: IpSpec): void {
  const gotEcn = got.ecn ?? (got.tos === undefined ? undefined : ECN_OF_TOS[got.tos & 3]);
  const either = want.ecn === 'ect01' && (gotEcn === 'ect0' || gotEcn === 'ect1');
  if (!either) differ(d, 'ecn', want.ecn, gotEcn);
  differ(d, 'tos', want.tos, got.tos);
  differ(d, 'ttl', want.ttl, got.ttl);
  if (want.flowlabel !== undefined && want.flowlabel !== got.flowlabel) {
    d.push({ field: 'flowlabel', want: formatIpSpec({ flowlabel: want.flowlabel }), got: formatIpSpec({ flowlabel: got.flowlabel }) });
  }
}

function compareTcp(d: Difference[], want: TcpSpec, got: TcpSpec, options: CompareOptions): void {
  const exact = options.exact === true;
  differ(d, 'sport', want.sport, got.sport);
  differ(d, 'dport', want.dport, got.dport);
  differ(d, 'flags', formatFlags(want.flags, want.ace), formatFlags(got.flags, want.ace));
  differ(d, 'seq', want.range?.seq, got.range?.seq);
  differ(d, 'length', want.range?.len, got.range?.len);
  differ(d, 'ack', want.ack ?? (exact ? 0 : undefined), got.ack ?? 0);
  differ(d, 'win', want.win, got.win);
  differ(d, 'urg', want.urg ?? (exact ? 0 : undefined), got.urg ?? 0);
  const wanted = want.options ?? (exact ? [] : 'any');
  if (wanted === 'any' || got.options === 'any') return;
  const gotOptions = got.options ?? [];
  if (comparableOptions(wanted, options) !== comparableOptions(gotOptions, options)) {
    d.push({ field: 'options', want: formatOptions(wanted), got: formatOptions(gotOptions) });
  }
}

function comparableOptions(list: readonly TcpOption[], options: CompareOptions): string {
  return list.map((o) => (o.kind === 'TS' && options.timestamps === false ? 'TS' : formatOption(o))).join(',');
}

function compareUdp(d: Difference[], want: UdpSpec, got: UdpSpec): void {
  differ(d, 'sport', want.sport, got.sport);
  differ(d, 'dport', want.dport, got.dport);
  differ(d, 'length', want.len, got.len);
}

function compareIcmp(d: Difference[], want: IcmpSpec, got: IcmpSpec): void {
  differ(d, 'type', want.type, got.type);
  differ(d, 'code', want.code, got.code);
  differ(d, 'mtu', want.mtu, got.mtu);
  differ(d, 'id', want.id, got.id);
  differ(d, 'seq', want.seq, got.seq);
  differ(d, 'length', want.len, got.len);
  if (want.echoed === undefined) return;
  differ(d, 'quoted protocol', want.echoed.proto, got.echoed?.proto);
  differ(d, 'quoted sport', want.echoed.sport, got.echoed?.sport);
  differ(d, 'quoted dport', want.echoed.dport, got.echoed?.dport);
  differ(d, 'quoted seq', want.echoed.range.seq, got.echoed?.range.seq);
  differ(d, 'quoted length', want.echoed.range.len, got.echoed?.range.len);
}
