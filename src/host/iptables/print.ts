/** Rules as words: as `iptables -S` and iptables-save write them. What is printed here, `parse.ts` reads again. */
import { formatIpv4, formatMac } from '../../lib/addr.ts';
import { formatIpv6, In6Addr } from '../../lib/addr6.ts';
import {
  NF_ACCEPT, NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_OFFSET, NF_NAT_RANGE_PROTO_RANDOM,
  NF_NAT_RANGE_PROTO_RANDOM_FULLY, NF_NAT_RANGE_PROTO_SPECIFIED,
} from '../../ip/filter/constants.ts';
import { ADDR_TYPES, type ConntrackMatch, type NfMatch, type Range, type TcpMatch } from '../../ip/filter/match.ts';
import type { NatRange } from '../../ip/filter/nat-range.ts';
import type { Chain, Rule, RuleHead } from '../../ip/filter/rule.ts';
import type { NfTarget } from '../../ip/filter/target.ts';
import { bitNames, CT_STATES, CT_STATUS, prefixLength, protocolName, tcpFlagNames } from './values.ts';

/** `-A INPUT -p tcp -m tcp --dport 80 -j DROP` */
export function ruleLine(chain: Chain, rule: Rule, version: number): string {
  return ['-A', chain.name, ...ruleWords(rule, version)].join(' ');
}

/** `-P INPUT DROP`, `-N mine`. */
export function chainLine(chain: Chain): string {
  return chain.hook >= 0 ? `-P ${chain.name} ${policyName(chain)}` : `-N ${chain.name}`;
}

export function policyName(chain: Chain): string {
  return chain.policy === NF_ACCEPT ? 'ACCEPT' : 'DROP';
}

/** The words of a rule, behind the name of its chain. */
export function ruleWords(rule: Rule, version: number): string[] {
  const { head, matches, target, jump } = rule;
  const words = headWords(head, version);
  for (const m of matches) words.push(...matchWords(m, version));
  if (jump !== null) words.push(rule.goto ? '-g' : '-j', jump.name);
  else if (target !== null) words.push('-j', target.name, ...targetWords(target, version));
  return words;
}

function headWords(h: RuleHead, version: number): string[] {
  const words: string[] = [];
  const say = (not: boolean, ...rest: string[]): void => void words.push(...(not ? ['!'] : []), ...rest);
  if (!h.anySrc) say(h.notSrc, '-s', addressText(h.src, h.srcMask, version));
  if (!h.anyDst) say(h.notDst, '-d', addressText(h.dst, h.dstMask, version));
  if (h.in !== '') say(h.notIn, '-i', h.in);
  if (h.out !== '') say(h.notOut, '-o', h.out);
  if (h.proto !== 0) say(h.notProto, '-p', protocolName(h.proto));
  if (h.fragment !== 0) say(h.fragment === 2, '-f');
  return words;
}

/** `10.0.0.0/8`; with the whole mask when it is no prefix. */
export function addressText(addr: Int32Array, mask: Int32Array, version: number): string {
  const len = prefixLength(mask, version);
  return `${wordsText(addr, version)}/${len >= 0 ? String(len) : wordsText(mask, version)}`;
}

/** An address of four words. */
export function wordsText(words: ArrayLike<number>, version: number): string {
  if (version === 4) return formatIpv4(words[0]!);
  return formatIpv6(new In6Addr(words[0]!, words[1]!, words[2]!, words[3]!));
}

/** `80`, `1024:65535`. */
export function rangeText(r: Range): string {
  return r.min === r.max ? String(r.min) : `${String(r.min)}:${String(r.max)}`;
}

function hex(n: number): string {
  return `0x${(n >>> 0).toString(16)}`;
}

function isAny(r: Range): boolean {
  return r.min === 0 && r.max === 65535 && !r.not;
}

/** `!`, if so, and the words. */
function option(not: boolean, ...words: string[]): string[] {
  return not ? ['!', ...words] : words;
}

function matchWords(m: NfMatch, version: number): string[] {
  return ['-m', m.name, ...matchOptions(m, version)];
}

function matchOptions(m: NfMatch, version: number): string[] {
  switch (m.name) {
    case 'tcp': return [...portWords(m.sport, m.dport), ...tcpWords(m)];
    case 'udp': return portWords(m.sport, m.dport);
    case 'icmp': case 'icmp6': {
      const type = m.name === 'icmp' && m.type === 255 ? 'any' : String(m.type);
      const codes = m.codeMin === m.codeMax ? `/${String(m.codeMin)}` : '';
      return option(m.not, m.name === 'icmp' ? '--icmp-type' : '--icmpv6-type', `${type}${codes}`);
    }
    case 'multiport': return option(m.not, `--${m.which}`, m.ranges.map(rangeText).join(','));
    case 'conntrack': return conntrackWords(m, version);
    case 'state': return option(m.statesNot, '--state', bitNames(CT_STATES, m.states));
    case 'limit': return ['--limit', `${String(m.count)}/${m.unit}`, ...(m.burst === 5 ? [] : ['--limit-burst', String(m.burst)])];
    case 'mark': case 'connmark': return option(m.not, '--mark', maskedText(m.mark, m.mask));
    case 'statistic':
      return m.mode === 'random'
        ? ['--mode', 'random', ...option(m.not, '--probability', m.probability.toFixed(11))]
        : ['--mode', 'nth', ...option(m.not, '--every', String(m.every)), '--packet', String(m.packet)];
    case 'length': return option(m.range.not, '--length', rangeText(m.range));
    case 'ttl': case 'hl': return option(m.not, `--${m.name}-${m.op}`, String(m.value));
    case 'tos': return option(m.not, '--tos', `0x${m.value.toString(16).padStart(2, '0')}/0x${m.mask.toString(16).padStart(2, '0')}`);
    case 'dscp': return option(m.not, '--dscp', `0x${m.dscp.toString(16).padStart(2, '0')}`);
    case 'mac': return option(m.not, '--mac-source', formatMac(m.addr));
    case 'addrtype': return [
      ...(m.srcTypes === 0 ? [] : option(m.srcNot, '--src-type', addrTypes(m.srcTypes))),
      ...(m.dstTypes === 0 ? [] : option(m.dstNot, '--dst-type', addrTypes(m.dstTypes))),
      ...(m.limitIn ? ['--limit-iface-in'] : []), ...(m.limitOut ? ['--limit-iface-out'] : []),
    ];
    case 'pkttype': return option(m.not, '--pkt-type', ['unicast', 'broadcast', 'multicast'][m.type]!);
    case 'comment': return ['--comment', quoted(m.text)];
  }
}

export function addrTypes(bits: number): string {
  return ADDR_TYPES.filter((_, i) => (bits & (1 << i)) !== 0).join(',');
}

function portWords(sport: Range, dport: Range): string[] {
  return [
    ...(isAny(sport) ? [] : option(sport.not, '--sport', rangeText(sport))),
    ...(isAny(dport) ? [] : option(dport.not, '--dport', rangeText(dport))),
  ];
}

function tcpWords(m: TcpMatch): string[] {
  return [
    ...(m.option === 0 ? [] : option(m.optionNot, '--tcp-option', String(m.option))),
    ...(m.flagsMask === 0 ? [] : option(m.flagsNot, '--tcp-flags', tcpFlagNames(m.flagsMask), tcpFlagNames(m.flagsSet))),
  ];
}

const CT_ENDS: readonly string[] = ['--ctorigsrc', '--ctorigdst', '--ctreplsrc', '--ctrepldst'];

function conntrackWords(m: ConntrackMatch, version: number): string[] {
  const words: string[] = [];
  if (m.states !== 0) words.push(...option(m.statesNot, '--ctstate', bitNames(CT_STATES, m.states)));
  if (m.proto !== 0) words.push(...option(m.protoNot, '--ctproto', String(m.proto)));
  CT_ENDS.forEach((name, i) => {
    const addr = m.addrs[i]!;
    const port = m.ports[i]!;
    if (addr !== null) words.push(...option(addr.not, name, addressText(addr.addr, addr.mask, version)));
    if (port !== null) words.push(...option(port.not, `${name}port`, rangeText(port)));
  });
  if (m.status !== 0) words.push(...option(m.statusNot, '--ctstatus', bitNames(CT_STATUS, m.status)));
  if (m.expire !== null) words.push(...option(m.expire.not, '--ctexpire', rangeText(m.expire)));
  if (m.dir >= 0) words.push('--ctdir', m.dir === 0 ? 'ORIGINAL' : 'REPLY');
  return words;
}

export function maskedText(value: number, mask: number): string {
  return mask === -1 ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

/** In quotes when it has blanks, as iptables-save writes it. */
export function quoted(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : `"${text.replace(/(["\\])/g, '\\$1')}"`;
}

function targetWords(t: NfTarget, version: number): string[] {
  switch (t.name) {
    case 'ACCEPT': case 'DROP': case 'RETURN': case 'NOTRACK': return [];
    case 'CT': return ['--notrack'];
    case 'REJECT': return ['--reject-with', t.with];
    case 'LOG': return [
      ...(t.prefix === '' ? [] : ['--log-prefix', quoted(t.prefix)]), ...(t.level === 4 ? [] : ['--log-level', String(t.level)]),
      ...(t.sequence ? ['--log-tcp-sequence'] : []), ...(t.tcpOptions ? ['--log-tcp-options'] : []),
      ...(t.ipOptions ? ['--log-ip-options'] : []),
    ];
    case 'MARK': return ['--set-xmark', `${hex(t.value)}/${hex(t.mask)}`];
    case 'CONNMARK':
      if (t.mode === 'set') return ['--set-xmark', `${hex(t.value)}/${hex(t.ctmask)}`];
      return [`--${t.mode}-mark`, '--nfmask', hex(t.nfmask), '--ctmask', hex(t.ctmask)];
    case 'SNAT': return ['--to-source', natText(t.range, version), ...natFlagWords(t.range)];
    case 'DNAT': return ['--to-destination', natText(t.range, version), ...natFlagWords(t.range)];
    case 'MASQUERADE': case 'REDIRECT': return [
      ...((t.range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0 ? [] : ['--to-ports', natPorts(t.range)]), ...natFlagWords(t.range),
    ];
    case 'TCPMSS': return t.mss === 0 ? ['--clamp-mss-to-pmtu'] : ['--set-mss', String(t.mss)];
    case 'TTL': case 'HL': return [`--${t.name.toLowerCase()}-${t.mode}`, String(t.value)];
    case 'DSCP': return ['--set-dscp', `0x${(t.value >> 2).toString(16).padStart(2, '0')}`];
    case 'TOS': return ['--set-tos', `0x${t.value.toString(16).padStart(2, '0')}/0x${t.mask.toString(16).padStart(2, '0')}`];
  }
}

/** `10.0.0.1-10.0.0.9:1000-2000` */
export function natText(range: NatRange, version: number): string {
  const { flags, minAddr, maxAddr } = range;
  const [from, to] = [wordsText(minAddr, version), wordsText(maxAddr, version)];
  let text = (flags & NF_NAT_RANGE_MAP_IPS) === 0 ? '' : from === to ? from : `${from}-${to}`;
  if ((flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0) return text;
  if (version === 6 && text !== '') text = `[${text}]`;
  return `${text}:${natPorts(range)}`;
}

export function natPorts(range: NatRange): string {
  const { minProto, maxProto, flags, baseProto } = range;
  const ports = minProto === maxProto ? String(minProto) : `${String(minProto)}-${String(maxProto)}`;
  return (flags & NF_NAT_RANGE_PROTO_OFFSET) === 0 ? ports : `${ports}/${String(baseProto)}`;
}

export function natFlagWords(range: NatRange): string[] {
  const { flags } = range;
  return [
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM) === 0 ? [] : ['--random']),
    ...((flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY) === 0 ? [] : ['--random-fully']),
    ...((flags & NF_NAT_RANGE_PERSISTENT) === 0 ? [] : ['--persistent']),
  ];
}
