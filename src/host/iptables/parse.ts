/**
 * A rule from its words: `-p tcp -m tcp --dport 80 -j DROP`. What does not parse is an error that says which word and what was
 * expected.
 */
import type { NfMatch } from '../../ip/filter/match.ts';
import { Rule, RuleHead, type Chain, type Table } from '../../ip/filter/rule.ts';
import type { NfTarget } from '../../ip/filter/target.ts';
import { ToolError, unknownWord } from '../tools/command.ts';
import { type Cursor, type Firewalling } from './context.ts';
import { MATCHES, protocolMatch, type MatchDef, type OptionDef, Values } from './matches.ts';
import { checkPlace, TARGETS, type TargetDef } from './targets.ts';
import { PROTOCOL, readAddress, whole, type WordsMask } from './values.ts';

/** Longest name of an interface. */
const IFNAMSIZ = 15;

/** A match in the making. */
interface LoadedMatch {
  readonly name: string;
  readonly def: MatchDef;
  readonly values: Values;
}

/** A rule in the making. */
class Draft {
  readonly fw: Firewalling;
  readonly table: Table;
  readonly head: RuleHead = new RuleHead();
  /** Several addresses with commas between them stand for several rules. */
  sources: readonly WordsMask[] = [];
  destinations: readonly WordsMask[] = [];
  readonly matches: LoadedMatch[] = [];
  targetName = '';
  target: TargetDef | null = null;
  readonly targetValues: Values = new Values();
  jump: Chain | null = null;
  goto = false;
  /** `-c`: what the counters begin with. */
  packets = 0;
  bytes = 0;

  constructor(fw: Firewalling, table: Table) {
    this.fw = fw;
    this.table = table;
  }
}

/** The rules (one, unless an option lists several addresses) that the rest of the line describes, for that chain. */
export function parseRules(fw: Firewalling, table: Table, chain: Chain, cursor: Cursor): Rule[] {
  const draft = new Draft(fw, table);
  while (!cursor.done) {
    let not = false;
    if (cursor.peek() === '!') {
      cursor.next();
      not = true;
      if (cursor.done) throw new ToolError(`${fw.tool}: '!' is the last word; expected an option behind it`);
    }
    parseOption(draft, cursor, not);
  }
  return finish(draft, chain);
}

function parseOption(draft: Draft, cursor: Cursor, not: boolean): void {
  const { fw } = draft;
  const word = cursor.next();
  if (HEAD_OPTIONS[word] !== undefined) {
    HEAD_OPTIONS[word](draft, cursor, not);
    return;
  }
  if (not && (word === '-m' || word === '-j' || word === '-g')) throw unknownWord(fw.tool, '!', `no '!' before '${word}'`);
  if (word === '-m' || word === '--match') return load(draft, cursor.argument(word, "a match, such as 'conntrack'"));
  if (word === '-j' || word === '--jump') return jumpTo(draft, cursor.argument(word, 'a target or a chain'), false);
  if (word === '-g' || word === '--goto') return jumpTo(draft, cursor.argument(word, 'a chain'), true);
  if (word === '-c' || word === '--set-counters') {
    const n = { form: 'a number', read: (w: string) => whole(w, 0, Number.MAX_SAFE_INTEGER) };
    draft.packets = cursor.value(word, n);
    draft.bytes = cursor.value(word, n);
    return;
  }
  parseExtension(draft, cursor, word, not);
}

type HeadOption = (draft: Draft, cursor: Cursor, not: boolean) => void;

const HEAD: Readonly<Record<string, HeadOption>> = {
  proto: (draft, cursor, not) => {
    const flip = turned(cursor, not);
    draft.head.proto = cursor.value('-p', PROTOCOL);
    draft.head.notProto = flip;
    if (flip && draft.head.proto === 0) throw new ToolError(`${draft.fw.tool}: -p: '! all' would match nothing; expected one protocol`);
  },
  src: (draft, cursor, not) => {
    draft.head.notSrc = turned(cursor, not);
    draft.sources = addresses(draft, cursor, '-s', draft.head.notSrc);
  },
  dst: (draft, cursor, not) => {
    draft.head.notDst = turned(cursor, not);
    draft.destinations = addresses(draft, cursor, '-d', draft.head.notDst);
  },
  in: (draft, cursor, not) => {
    draft.head.notIn = turned(cursor, not);
    draft.head.in = device(draft, cursor, '-i');
    draft.head.inPlus = draft.head.in.endsWith('+');
  },
  out: (draft, cursor, not) => {
    draft.head.notOut = turned(cursor, not);
    draft.head.out = device(draft, cursor, '-o');
    draft.head.outPlus = draft.head.out.endsWith('+');
  },
  fragment: (draft, _cursor, not) => {
    if (draft.fw.tables.family.version === 6) throw unknownWord(draft.fw.tool, '-f', 'an option of IPv6 (fragments are of IPv4)');
    draft.head.fragment = not ? 2 : 1;
  },
};

const HEAD_OPTIONS: Readonly<Record<string, HeadOption | undefined>> = {
  '-p': HEAD['proto'], '--protocol': HEAD['proto'], '--proto': HEAD['proto'], '-s': HEAD['src'],
  '--source': HEAD['src'], '--src': HEAD['src'],
  '-d': HEAD['dst'], '--destination': HEAD['dst'], '--dst': HEAD['dst'], '-i': HEAD['in'], '--in-interface': HEAD['in'], '-o': HEAD['out'],
  '--out-interface': HEAD['out'], '-f': HEAD['fragment'], '--fragment': HEAD['fragment'],
};

/** The old place of '!': behind the option. */
function turned(cursor: Cursor, not: boolean): boolean {
  if (cursor.peek() !== '!') return not;
  cursor.next();
  return true;
}

function addresses(draft: Draft, cursor: Cursor, option: string, not: boolean): WordsMask[] {
  const { fw } = draft;
  const { version } = fw.tables.family;
  const form = `an address, a network or a host name: ${version === 4 ? '10.0.0.1, 10.0.0.0/8' : 'fd00::1, fd00::/8'}`;
  const words = cursor.argument(option, form).split(',');
  if (not && words.length > 1) throw unknownWord(fw.tool, words.join(','), `one address behind '!'`);
  return words.map((word) => {
    const found = readAddress(word, version, (name) => fw.resolve(name));
    if (found === null) throw new ToolError(`${fw.tool}: ${option}: '${word}' is not understood; expected ${form}`);
    return found;
  });
}

function device(draft: Draft, cursor: Cursor, option: string): string {
  const form = `an interface such as eth0, or the beginning of its name: eth+ (${String(IFNAMSIZ)} characters at most)`;
  const word = cursor.argument(option, form);
  if (word === '' || word.length > IFNAMSIZ || /[\s/]/.test(word)) {
    throw new ToolError(`${draft.fw.tool}: ${option}: '${word}' is not understood; expected ${form}`);
  }
  return word;
}

function load(draft: Draft, name: string): void {
  const version = draft.fw.tables.family.version;
  const def = Object.hasOwn(MATCHES, name) ? MATCHES[name]! : undefined;
  const foreign = (name === 'icmp' && version === 6) || (name === 'icmp6' && version === 4);
  if (def === undefined || foreign) {
    const known = Object.keys(MATCHES).filter((n) => n !== (version === 4 ? 'icmp6' : 'icmp'));
    throw unknownWord(draft.fw.tool, name, `a match: ${known.join(', ')}`);
  }
  const { proto, notProto } = draft.head;
  const own = { tcp: 6, udp: 17, icmp: 1, icmp6: 58 }[name];
  if (own !== undefined && (proto !== own || notProto)) {
    throw new ToolError(`${draft.fw.tool}: -m ${name} needs -p ${name === 'icmp6' ? 'icmpv6' : name}`);
  }
  if (name === 'multiport' && (notProto || ![6, 17, 33, 132, 136].includes(proto))) {
    throw new ToolError(`${draft.fw.tool}: -m multiport needs -p tcp, udp, udplite, sctp or dccp`);
  }
  draft.matches.push({ name, def, values: new Values() });
}

function jumpTo(draft: Draft, name: string, goto: boolean): void {
  const { fw, table } = draft;
  if (draft.targetName !== '') throw new ToolError(`${fw.tool}: '-j ${name}': the rule has the target ${draft.targetName} already`);
  draft.targetName = name;
  draft.goto = goto;
  const chain = table.chains.get(name);
  if (chain !== undefined && chain.hook < 0) {
    draft.jump = chain;
    return;
  }
  const def = !goto && Object.hasOwn(TARGETS, name) ? TARGETS[name]! : undefined;
  if (def === undefined) {
    const own = [...table.chains.values()].filter((c) => c.hook < 0).map((c) => c.name);
    const chains = own.length === 0 ? 'a chain made with -N' : `a chain (${own.join(', ')})`;
    throw unknownWord(fw.tool, name, goto ? chains : `a target (${Object.keys(TARGETS).join(', ')}) or ${chains}`);
  }
  draft.target = def;
}

/** An option of a match, the last one first; or of the target; or of the match that the protocol brings along. */
function parseExtension(draft: Draft, cursor: Cursor, word: string, not: boolean): void {
  const { fw, head } = draft;
  for (let i = draft.matches.length - 1; i >= 0; i--) {
    const { def, values } = draft.matches[i]!;
    const option = def.options[word];
    if (option !== undefined) return take(draft, cursor, word, option, values, not);
  }
  const ofTarget = draft.target?.options[word];
  if (ofTarget !== undefined) return take(draft, cursor, word, ofTarget, draft.targetValues, not);
  const implied = head.notProto ? null : protocolMatch(head.proto, fw.tables.family.version);
  const def = implied === null ? undefined : MATCHES[implied];
  const option = def?.options[word];
  if (option !== undefined) {
    const values = new Values();
    draft.matches.push({ name: implied!, def: def!, values });
    return take(draft, cursor, word, option, values, not);
  }
  throw unknownWord(fw.tool, word, expectedFor(word, draft));
}

/** What would have made the word an option. */
function expectedFor(word: string, draft: Draft): string {
  const owners = Object.entries(MATCHES).filter(([, def]) => Object.hasOwn(def.options, word)).map(([name]) => name);
  if (owners.length > 0) {
    const ways = owners.map((name) => (['tcp', 'udp'].includes(name) ? `-p ${name}` : `-m ${name}`));
    return `${[...new Set(ways)].join(' or ')} before it`;
  }
  const targets = Object.entries(TARGETS).filter(([, def]) => Object.hasOwn(def.options, word)).map(([name]) => name);
  if (targets.length > 0) return `-j ${targets.join(' or -j ')} before it`;
  const here = [...draft.matches.flatMap((m) => Object.keys(m.def.options)), ...Object.keys(draft.target?.options ?? {})];
  const basic = '-p -s -d -i -o -m -j -g';
  return here.length === 0 ? `an option: ${basic}` : `an option: ${basic} ${here.join(' ')}`;
}

function take(draft: Draft, cursor: Cursor, word: string, option: OptionDef, values: Values, not: boolean): void {
  const { fw } = draft;
  const flip = option.reader === null ? not : turned(cursor, not);
  if (flip && !option.not) throw unknownWord(fw.tool, '!', `no '!' with ${word}`);
  if (values.has(option.key)) throw new ToolError(`${fw.tool}: '${word}' is there twice; expected it once`);
  if (option.reader === null) {
    values.set(option.key, true, null, flip);
    return;
  }
  const value = cursor.value(word, option.reader(fw));
  const second = option.second === undefined ? null : cursor.value(word, option.second);
  values.set(option.key, value, second, flip);
}

// ---- from words to rules -------------------------------------------------------------------------------------------

function finish(draft: Draft, chain: Chain): Rule[] {
  const { fw, table, target } = draft;
  const proto = draft.head.notProto ? 0 : draft.head.proto;
  if (target !== null) {
    checkPlace(fw, draft.targetName, target, table.name, chain.name, chain.hook >= 0);
    if (target.proto !== undefined && target.proto !== proto) throw new ToolError(`${fw.tool}: ${draft.targetName} needs -p tcp`);
  }
  if (table.name === 'nat' && draft.targetName === 'DROP') {
    throw new ToolError(`${fw.tool}: DROP is not for table nat, which sees the first packet of a connection only; use -t filter`);
  }
  const rules: Rule[] = [];
  for (const src of draft.sources.length === 0 ? [null] : draft.sources) {
    for (const dst of draft.destinations.length === 0 ? [null] : draft.destinations) {
      const matches: NfMatch[] = draft.matches.map(({ def, values }) => def.build(values, fw));
      const built: NfTarget | null = target === null ? null : target.build(draft.targetValues, fw, proto);
      const rule = new Rule(headWith(draft.head, src, dst), matches, built, draft.jump, draft.goto);
      rule.packets = draft.packets;
      rule.bytes = draft.bytes;
      rules.push(rule);
    }
  }
  return rules;
}

function headWith(from: RuleHead, src: WordsMask | null, dst: WordsMask | null): RuleHead {
  const head = new RuleHead();
  const { in: dev, inPlus, notIn, out, outPlus, notOut, proto, notProto, fragment, notSrc, notDst } = from;
  Object.assign(head, { in: dev, inPlus, notIn, out, outPlus, notOut, proto, notProto, fragment, notSrc, notDst });
  if (src !== null) {
    head.src.set(src.addr);
    head.srcMask.set(src.mask);
    head.anySrc = !notSrc && src.mask.every((word) => word === 0);
  }
  if (dst !== null) {
    head.dst.set(dst.addr);
    head.dstMask.set(dst.mask);
    head.anyDst = !notDst && dst.mask.every((word) => word === 0);
  }
  return head;
}
