/** Rules as a table: `iptables -L`, with `-v`, `-n`, `-x` and `--line-numbers`, in the columns that scripts know. */
import { formatMac } from '../../lib/addr.ts';
import { chainReferences } from '../../ip/filter/admin.ts';
import { NF_NAT_RANGE_PROTO_SPECIFIED } from '../../ip/filter/constants.ts';
import type { AddrtypeMatch, ConntrackMatch, NfMatch, Range } from '../../ip/filter/match.ts';
import type { Chain, Rule } from '../../ip/filter/rule.ts';
import type { NfTarget } from '../../ip/filter/target.ts';
import {
  addressText, addrTypes, maskedText, natFlagWords, natPorts, natText, policyName, rangeText, wordsText,
} from './print.ts';
import { bitNames, CT_STATES, CT_STATUS, prefixLength, protocolName } from './values.ts';

export interface ListOptions {
  readonly verbose: boolean;
  readonly numeric: boolean;
  /** Counters in full, without K, M and G. */
  readonly exact: boolean;
  readonly lineNumbers: boolean;
  /** The name of an IPv4 address, or null. */
  nameOf(addr: number): string | null;
}

/** A chain as a table. */
export function listChain(chain: Chain, version: number, o: ListOptions): string[] {
  const lines = [headLine(chain, o), columnLine(o)];
  chain.rules.forEach((rule, i) => lines.push(listRule(rule, i + 1, version, o)));
  return lines.map((line) => line.replace(/ +$/, ''));
}

function headLine(chain: Chain, o: ListOptions): string {
  if (chain.hook < 0) return `Chain ${chain.name} (${String(chainReferences(chain))} references)`;
  const counts = o.verbose ? ` ${count(chain.packets, o)} packets, ${count(chain.bytes, o)} bytes` : '';
  return `Chain ${chain.name} (policy ${policyName(chain)}${counts})`;
}

function columnLine(o: ListOptions): string {
  const number = o.lineNumbers ? 'num  ' : '';
  const counters = o.verbose ? (o.exact ? '    pkts      bytes ' : ' pkts bytes ') : '';
  const devices = o.verbose ? ` ${'in'.padEnd(6)} ${'out'.padEnd(6)} ` : '';
  return `${number}${counters}${'target'.padEnd(9)}  prot opt${devices} ${'source'.padEnd(19)}  ${'destination'.padEnd(19)}`;
}

/** 1234567 → `1234K`, as iptables does: from 100,000 on in thousands, and so on. */
function count(n: number, o: ListOptions): string {
  if (o.exact || n <= 99999) return String(n);
  let value = n;
  for (const unit of ['K', 'M', 'G']) {
    value = Math.round(value / 1000);
    if (value <= 9999 || unit === 'G') return `${String(value)}${unit}`;
  }
  return String(n);
}

function listRule(rule: Rule, number: number, version: number, o: ListOptions): string {
  const { head: h, target, jump } = rule;
  let line = o.lineNumbers ? `${String(number).padEnd(4)} ` : '';
  if (o.verbose) {
    const [a, b] = o.exact ? [8, 10] : [5, 5];
    line += `${count(rule.packets, o).padStart(a)} ${count(rule.bytes, o).padStart(b)} `;
  }
  line += `${(jump?.name ?? target?.name ?? '').padEnd(9)} `;
  line += `${h.notProto ? '!' : ' '}${(h.proto === 0 ? 'all' : protocolName(h.proto)).padEnd(5)}`;
  line += h.fragment === 0 ? '-- ' : h.fragment === 1 ? '-f ' : '!f ';
  if (o.verbose) line += ` ${deviceText(h.in, h.notIn).padEnd(6)} ${deviceText(h.out, h.notOut).padEnd(6)} `;
  line += `${h.notSrc ? '!' : ' '}${where(h.src, h.srcMask, h.anySrc, version, o).padEnd(19)} `;
  line += `${h.notDst ? '!' : ' '}${where(h.dst, h.dstMask, h.anyDst, version, o).padEnd(19)}`;
  const extra = [...(rule.goto ? ['[goto]'] : []), ...rule.matches.map((m) => describeMatch(m, version))];
  if (target !== null) extra.push(describeTarget(target, version));
  return `${line}  ${extra.filter((text) => text !== '').join(' ')}`;
}

function deviceText(name: string, not: boolean): string {
  return `${not ? '!' : ''}${name === '' ? '*' : name}`;
}

function where(addr: Int32Array, mask: Int32Array, any: boolean, version: number, o: ListOptions): string {
  if (any) return o.numeric ? (version === 4 ? '0.0.0.0/0' : '::/0') : 'anywhere';
  const whole = prefixLength(mask, version) === (version === 4 ? 32 : 128);
  if (!whole) return addressText(addr, mask, version);
  return (o.numeric || version === 6 ? null : o.nameOf(addr[0]!)) ?? wordsText(addr, version);
}

function describePorts(sport: Range, dport: Range): string {
  return [port('spt', sport), port('dpt', dport)].filter((text) => text !== '').join(' ');
}

function port(name: string, r: Range): string {
  if (r.min === 0 && r.max === 65535 && !r.not) return '';
  return `${name}${r.min === r.max ? '' : 's'}:${r.not ? '!' : ''}${rangeText(r)}`;
}

/** A match as `-L` describes it. */
function describeMatch(m: NfMatch, version: number): string {
  const not = 'not' in m && m.not ? '!' : '';
  switch (m.name) {
    case 'tcp': {
      const flags = m.flagsMask === 0 ? '' : `flags:${m.flagsNot ? '!' : ''}0x${byte(m.flagsMask)}/0x${byte(m.flagsSet)}`;
      const kind = m.option === 0 ? '' : `option=${m.optionNot ? '!' : ''}${String(m.option)}`;
      return ['tcp', describePorts(m.sport, m.dport), kind, flags].filter((text) => text !== '').join(' ');
    }
    case 'udp': return `udp ${describePorts(m.sport, m.dport)}`.trimEnd();
    case 'icmp': case 'icmp6': {
      const code = m.codeMin === m.codeMax ? ` code ${String(m.codeMin)}` : '';
      return `${m.name === 'icmp' ? 'icmptype' : 'ipv6-icmptype'} ${not}${String(m.type)}${code}`;
    }
    case 'multiport': return `multiport ${m.which} ${not}${m.ranges.map(rangeText).join(',')}`;
    case 'conntrack': return describeConntrack(m, version);
    case 'state': return `${m.statesNot ? '! ' : ''}state ${bitNames(CT_STATES, m.states)}`;
    case 'limit': {
      const unit = { second: 'sec', minute: 'min', hour: 'hour', day: 'day' }[m.unit];
      return `limit: avg ${String(m.count)}/${unit} burst ${String(m.burst)}`;
    }
    case 'mark': return `mark match ${not}${maskedText(m.mark, m.mask)}`;
    case 'connmark': return `connmark match ${not} ${maskedText(m.mark, m.mask)}`;
    case 'statistic':
      return m.mode === 'random' ? `statistic mode random ${not}probability ${m.probability.toFixed(11)}`
        : `statistic mode nth ${not}every ${String(m.every)}${m.packet === 0 ? '' : ` packet ${String(m.packet)}`}`;
    case 'length': return `length ${m.range.not ? '!' : ''}${rangeText(m.range)}`;
    case 'ttl': case 'hl': return `${m.name.toUpperCase()} match ${m.name.toUpperCase()} ${sign(m.op, m.not)} ${String(m.value)}`;
    case 'tos': return `tos match${not}0x${byte(m.value)}/0x${byte(m.mask)}`;
    case 'dscp': return `DSCP match ${not}0x${byte(m.dscp)}`;
    case 'mac': return `MAC${not}${formatMac(m.addr)}`;
    case 'addrtype': return describeTypes(m);
    case 'pkttype': return `PKTTYPE ${m.not ? '!' : ''}= ${['unicast', 'broadcast', 'multicast'][m.type]!}`;
    case 'comment': return `/* ${m.text} */`;
  }
}

function describeTypes(m: AddrtypeMatch): string {
  return [
    'ADDRTYPE match', m.srcTypes === 0 ? '' : `src-type ${m.srcNot ? '!' : ''}${addrTypes(m.srcTypes)}`,
    m.dstTypes === 0 ? '' : `dst-type ${m.dstNot ? '!' : ''}${addrTypes(m.dstTypes)}`,
    m.limitIn ? 'limit-in' : '', m.limitOut ? 'limit-out' : '',
  ].filter((text) => text !== '').join(' ');
}

function byte(n: number): string {
  return n.toString(16).padStart(2, '0');
}

function sign(op: 'eq' | 'lt' | 'gt', not: boolean): string {
  return op === 'eq' ? (not ? '!=' : '==') : op === 'lt' ? '<' : '>';
}

function describeConntrack(m: ConntrackMatch, version: number): string {
  const words: string[] = [];
  const say = (name: string, not: boolean, text: string): void => void words.push(`${not ? '! ' : ''}${name} ${text}`);
  if (m.states !== 0) say('ctstate', m.statesNot, bitNames(CT_STATES, m.states));
  if (m.proto !== 0) say('ctproto', m.protoNot, String(m.proto));
  ['ctorigsrc', 'ctorigdst', 'ctreplsrc', 'ctrepldst'].forEach((name, i) => {
    const addr = m.addrs[i]!;
    const ports = m.ports[i]!;
    if (addr !== null) say(name, addr.not, addressText(addr.addr, addr.mask, version));
    if (ports !== null) say(`${name}port`, ports.not, rangeText(ports));
  });
  if (m.status !== 0) say('ctstatus', m.statusNot, bitNames(CT_STATUS, m.status));
  if (m.expire !== null) say('ctexpire', m.expire.not, rangeText(m.expire));
  if (m.dir >= 0) say('ctdir', false, m.dir === 0 ? 'ORIGINAL' : 'REPLY');
  return words.join(' ');
}

/** A target as `-L` describes it, beside its name. */
function describeTarget(t: NfTarget, version: number): string {
  switch (t.name) {
    case 'ACCEPT': case 'DROP': case 'RETURN': case 'NOTRACK': return '';
    case 'CT': return 'CT notrack';
    case 'REJECT': return `reject-with ${t.with}`;
    case 'LOG': {
      const flags = (t.sequence ? 1 : 0) | (t.tcpOptions ? 2 : 0) | (t.ipOptions ? 4 : 0);
      return `LOG flags ${String(flags)} level ${String(t.level)}${t.prefix === '' ? '' : ` prefix "${t.prefix}"`}`;
    }
    case 'MARK': return t.mask === -1 ? `MARK set ${maskedText(t.value, -1)}` : `MARK xset ${maskedText(t.value, t.mask)}`;
    case 'CONNMARK':
      if (t.mode !== 'set') return `CONNMARK ${t.mode}`;
      return t.ctmask === -1 ? `CONNMARK set ${maskedText(t.value, -1)}` : `CONNMARK xset ${maskedText(t.value, t.ctmask)}`;
    case 'SNAT': case 'DNAT': return [`to:${natText(t.range, version)}`, ...natFlagWords(t.range).map((w) => w.slice(2))].join(' ');
    case 'MASQUERADE': case 'REDIRECT': {
      const word = t.name === 'MASQUERADE' ? 'masq ports:' : 'redir ports';
      const ports = (t.range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) === 0 ? [] : [`${word} ${natPorts(t.range)}`];
      return [...ports, ...natFlagWords(t.range).map((w) => w.slice(2))].join(' ');
    }
    case 'TCPMSS': return t.mss === 0 ? 'TCPMSS clamp to PMTU' : `TCPMSS set ${String(t.mss)}`;
    case 'TTL': case 'HL': return `${t.name} ${{ set: 'set to', inc: 'increment by', dec: 'decrement by' }[t.mode]} ${String(t.value)}`;
    case 'DSCP': return `DSCP set 0x${byte(t.value >> 2)}`;
    case 'TOS': return `TOS set 0x${byte(t.value)}/0x${byte(t.mask)}`;
  }
}
