/**
 * Rules as objects: `{ protocol: 'tcp', dport: 80, target: 'DROP' }`. An object becomes the words of iptables and these become the
 * rule, so that both doors know the same rules and refuse the same mistakes.
 */
import { show } from '../door.ts';

/** One value, or several where iptables takes a list with commas. A leading `!` turns it round: `'!10.0.0.0/8'`. */
export type RuleWord = string | number | readonly (string | number)[];

/** A rule. What is left out is not asked. Names are those of iptables without dashes. */
export interface RuleSpec {
  /** Default 'filter'. */
  readonly table?: 'filter' | 'nat' | 'mangle' | 'raw';
  /** What to do: `'ACCEPT'`, `'DROP'`, `'REJECT'`… or a chain. Left out: count only. */
  readonly target?: string;
  /** A chain to go on in without coming back. */
  readonly goto?: string;
  readonly protocol?: string | number;
  readonly source?: RuleWord;
  readonly destination?: RuleWord;
  /** Device that the packet came in by, goes out by; `'eth+'` means all that begin so. */
  readonly in?: string;
  readonly out?: string;
  /** Second and further fragments (false: all else). */
  readonly fragment?: boolean;
  readonly sport?: number | string;
  readonly dport?: number | string;
  /** `-m multiport` */
  readonly sports?: RuleWord;
  readonly dports?: RuleWord;
  readonly ports?: RuleWord;
  /** Which are looked at, and which of them must be set: `'SYN,RST SYN'`. */
  readonly tcpFlags?: string;
  readonly syn?: boolean;
  readonly tcpOption?: number;
  readonly icmpType?: string | number;
  readonly icmpv6Type?: string | number;
  /** `-m conntrack`: `['NEW', 'ESTABLISHED']` */
  readonly ctstate?: RuleWord;
  readonly ctproto?: string | number;
  readonly ctstatus?: RuleWord;
  readonly ctdir?: 'ORIGINAL' | 'REPLY';
  readonly ctorigsrc?: string;
  readonly ctorigdst?: string;
  readonly ctreplsrc?: string;
  readonly ctrepldst?: string;
  readonly ctorigdstport?: number | string;
  readonly ctexpire?: number | string;
  /** `-m state` */
  readonly state?: RuleWord;
  /** `-m limit`: `'3/hour'`, and how many may come at once. */
  readonly limit?: string;
  readonly limitBurst?: number;
  readonly mark?: number | string;
  readonly connmark?: number | string;
  /** `-m statistic`: a probability from 0 to 1, by the world's seed; or each `every`-th, beginning with `packet`. */
  readonly probability?: number;
  readonly every?: number;
  readonly packet?: number;
  readonly length?: number | string;
  readonly ttlEq?: number;
  readonly ttlLt?: number;
  readonly ttlGt?: number;
  readonly tos?: number | string;
  readonly dscp?: number;
  readonly macSource?: string;
  readonly srcType?: RuleWord;
  readonly dstType?: RuleWord;
  readonly pktType?: 'unicast' | 'broadcast' | 'multicast';
  readonly comment?: string;
  // ---- what the target needs
  readonly rejectWith?: string;
  readonly logPrefix?: string;
  readonly logLevel?: string | number;
  readonly logTcpSequence?: boolean;
  readonly logTcpOptions?: boolean;
  readonly logIpOptions?: boolean;
  readonly setMark?: number | string;
  readonly setXmark?: number | string;
  readonly saveMark?: boolean;
  readonly restoreMark?: boolean;
  readonly notrack?: boolean;
  readonly toSource?: string;
  readonly toDestination?: string;
  readonly toPorts?: number | string;
  readonly random?: boolean;
  readonly randomFully?: boolean;
  readonly persistent?: boolean;
  readonly setMss?: number;
  readonly clampMssToPmtu?: boolean;
  readonly ttlSet?: number;
  readonly ttlInc?: number;
  readonly ttlDec?: number;
  readonly setDscp?: number;
  readonly setTos?: number | string;
}

/** Keys that are options of every rule. */
const HEAD: Readonly<Record<string, string>> = {
  protocol: '-p', source: '-s', destination: '-d', in: '-i', out: '-o', fragment: '-f',
};

/** Keys of matches: the match that needs `-m` ('' when the protocol brings it along), and the option. */
const MATCH: Readonly<Record<string, readonly [string, string]>> = {
  sport: ['', '--sport'], dport: ['', '--dport'], tcpFlags: ['', '--tcp-flags'], syn: ['', '--syn'], tcpOption: ['', '--tcp-option'],
  icmpType: ['', '--icmp-type'], icmpv6Type: ['', '--icmpv6-type'], sports: ['multiport', '--sports'], dports: ['multiport', '--dports'],
  ports: ['multiport', '--ports'], ctstate: ['conntrack', '--ctstate'], ctproto: ['conntrack', '--ctproto'],
  ctstatus: ['conntrack', '--ctstatus'], ctdir: ['conntrack', '--ctdir'], ctorigsrc: ['conntrack', '--ctorigsrc'],
  ctorigdst: ['conntrack', '--ctorigdst'], ctreplsrc: ['conntrack', '--ctreplsrc'], ctrepldst: ['conntrack', '--ctrepldst'],
  ctorigdstport: ['conntrack', '--ctorigdstport'], ctexpire: ['conntrack', '--ctexpire'], state: ['state', '--state'],
  limit: ['limit', '--limit'], limitBurst: ['limit', '--limit-burst'], mark: ['mark', '--mark'], connmark: ['connmark', '--mark'],
  probability: ['statistic', '--probability'], every: ['statistic', '--every'], packet: ['statistic', '--packet'],
  length: ['length', '--length'], ttlEq: ['ttl', '--ttl-eq'], ttlLt: ['ttl', '--ttl-lt'], ttlGt: ['ttl', '--ttl-gt'],
  tos: ['tos', '--tos'], dscp: ['dscp', '--dscp'], macSource: ['mac', '--mac-source'], srcType: ['addrtype', '--src-type'],
  dstType: ['addrtype', '--dst-type'], pktType: ['pkttype', '--pkt-type'], comment: ['comment', '--comment'],
};

/** Keys of targets. */
const TARGET: Readonly<Record<string, string>> = {
  rejectWith: '--reject-with', logPrefix: '--log-prefix', logLevel: '--log-level', logTcpSequence: '--log-tcp-sequence',
  logTcpOptions: '--log-tcp-options', logIpOptions: '--log-ip-options', setMark: '--set-mark', setXmark: '--set-xmark',
  saveMark: '--save-mark', restoreMark: '--restore-mark', notrack: '--notrack', toSource: '--to-source',
  toDestination: '--to-destination', toPorts: '--to-ports', random: '--random', randomFully: '--random-fully', persistent: '--persistent',
  setMss: '--set-mss', clampMssToPmtu: '--clamp-mss-to-pmtu', ttlSet: '--ttl-set', ttlInc: '--ttl-inc', ttlDec: '--ttl-dec',
  setDscp: '--set-dscp', setTos: '--set-tos',
};

/** Keys whose value is prose, in which a '!' means nothing. */
const PROSE: readonly string[] = ['comment', 'logPrefix'];

/** Every key of a {@link RuleSpec}. */
export const RULE_KEYS: readonly string[] = [
  'table', 'target', 'goto', ...Object.keys(HEAD), ...Object.keys(MATCH), ...Object.keys(TARGET),
];

/** The words of iptables that say the same. Throws TypeError for a key or a value that cannot be meant. */
export function ruleSpecWords(spec: RuleSpec, call: string): string[] {
  if (typeof spec !== 'object' || (spec as unknown) === null || Array.isArray(spec)) {
    throw new TypeError(`${call}: rule is ${show(spec)}; expected an object such as { protocol: 'tcp', dport: 80, target: 'DROP' }`);
  }
  const entries = Object.entries(spec).filter(([, value]) => value !== undefined) as [string, unknown][];
  for (const [key] of entries) {
    if (!RULE_KEYS.includes(key)) throw new TypeError(`${call}: ${key}: no such key of a rule; expected ${RULE_KEYS.join(', ')}`);
  }
  const words: string[] = [];
  for (const [key, value] of entries) if (Object.hasOwn(HEAD, key)) words.push(...optionWords(call, key, HEAD[key]!, value));
  const loaded = new Set<string>();
  for (const [key, value] of entries) {
    const match = Object.hasOwn(MATCH, key) ? MATCH[key]! : undefined;
    if (match === undefined) continue;
    const [name, option] = match;
    if (name !== '' && !loaded.has(name)) {
      loaded.add(name);
      words.push('-m', name);
      if (name === 'statistic') words.push('--mode', 'probability' in spec ? 'random' : 'nth');
      // All options of one match stand together.
      for (const [other, v] of entries) {
        if (Object.hasOwn(MATCH, other) && MATCH[other]![0] === name) words.push(...optionWords(call, other, MATCH[other]![1], v));
      }
    } else if (name === '') {
      words.push(...optionWords(call, key, option, value));
    }
  }
  if (spec.target !== undefined) words.push('-j', wordOf(call, 'target', spec.target));
  if (spec.goto !== undefined) words.push('-g', wordOf(call, 'goto', spec.goto));
  for (const [key, value] of entries) if (Object.hasOwn(TARGET, key)) words.push(...optionWords(call, key, TARGET[key]!, value));
  return words;
}

/** An option and its value; `true` stands alone, `false` turns `syn` and `fragment` round and leaves others out. */
function optionWords(call: string, key: string, option: string, value: unknown): string[] {
  if (typeof value === 'boolean') {
    if (value) return [option];
    return key === 'syn' || key === 'fragment' ? ['!', option] : [];
  }
  const text = wordOf(call, key, value);
  if (PROSE.includes(key)) return [option, text];
  const not = text.startsWith('!');
  const plain = (not ? text.slice(1) : text).trim();
  const parts = key === 'tcpFlags' ? plain.split(/\s+/) : [plain];
  return [...(not ? ['!'] : []), option, ...parts];
}

function wordOf(call: string, key: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  const isList = Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === 'string' || typeof v === 'number');
  if (isList) return (value as unknown[]).join(',');
  throw new TypeError(`${call}: ${key}: ${show(value)} is not understood; expected a string, a number, or a list of them`);
}
