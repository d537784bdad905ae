/**
 * `tc filter`: which class a packet goes to.
 *
 *     tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dport 80 0xffff flowid 1:10
 *     tc filter add dev eth0 parent 1: prio 2 handle 6 fw flowid 1:20             by the mark
 *     tc filter add dev eth0 parent 1: protocol ip prio 3 flower ip_proto tcp dst_port 443 classid 1:10
 *     tc filter show dev eth0 [parent 1:]                                         tc filter del dev eth0 parent 1: [prio 1 [handle …]]
 */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Qdisc } from '../../dev/qdisc.ts';
import {
  FwFilter, FlowerFilter, MatchallFilter, U32Filter, type Filter, type FilterKind, type FilterList, type FilterProto,
} from '../../dev/sched/cls.ts';
import { ETH_P_8021Q, ETH_P_ALL, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { text, ToolError, unknownWord, type ToolHost } from './command.ts';
import { flowerLines, readFlower } from './tc-flower.ts';
import { device, deviceNames, inKernel, readClassid, showClassid } from './tc-place.ts';
import { readU32, u32Lines } from './tc-u32.ts';
import { Cursor } from './tc-units.ts';

const KINDS: readonly FilterKind[] = ['u32', 'fw', 'flower', 'matchall'];
const PROTOCOLS: Readonly<Record<string, number>> = {
  all: ETH_P_ALL, ip: ETH_P_IP, ipv4: ETH_P_IP, ipv6: ETH_P_IPV6, arp: ETH_P_ARP, '802.1q': ETH_P_8021Q,
};
/** Filters of a precedence at most. */
export const FILTERS_MAX = 2048;
/** u32's first number in a table. */
const U32_FIRST = 0x800;

/** `tc filter` with its words. */
export function tcFilter(host: ToolHost, words: readonly string[]): string {
  const [verb = 'show', ...rest] = words;
  switch (verb) {
    case 'show': case 'list': case 'ls': return show(host, rest);
    case 'add': case 'replace': return inKernel(host, () => { add(host, verb, rest); });
    case 'del': case 'delete': return inKernel(host, () => { remove(host, rest); });
    default: throw unknownWord('tc filter', verb, 'show, add, replace or del');
  }
}

/** What a line says before the kind. */
interface FilterPlace {
  readonly dev: NetDevice;
  readonly q: Qdisc;
  readonly list: FilterList;
  /** Said on the line: what `show` then leaves out. */
  readonly parentSaid: boolean;
  readonly protocol: number | null;
  readonly prio: number | null;
  readonly handle: string | null;
}

function readPlace(host: ToolHost, c: Cursor): FilterPlace {
  let dev: NetDevice | null = null;
  let parent: ReturnType<typeof readClassid> | null = null;
  let [protocol, prio, handle]: [number | null, number | null, string | null] = [null, null, null];
  for (;;) {
    if (c.accept('dev')) dev = device(host, c);
    else if (c.accept('parent')) {
      if (dev === null) throw new ToolError(`${c.tool}: 'dev NAME' is missing; there are ${deviceNames(host)}`);
      parent = readClassid(dev, c, 'parent');
    } else if (c.accept('protocol')) protocol = readProtocol(c);
    else if (c.accept('prio', 'pref', 'preference', 'priority')) prio = readPrio(c);
    else if (c.accept('handle')) handle = c.take('handle');
    else if (!c.accept('root')) break;
  }
  if (dev === null) throw new ToolError(`${c.tool}: 'dev NAME' is missing; there are ${deviceNames(host)}`);
  const q: Qdisc | null = parent?.q ?? dev.qdisc;
  if (q === null) throw new ToolError(`${c.tool}: ${dev.name} has no discipline, so there is nothing to lead to`);
  const list = q.filtersOf(parent?.minor ?? 0);
  if (list === null) {
    throw new ToolError(`${c.tool}: ${q.kind} ${showClassid(q.handle, parent?.minor ?? 0)} takes no filters; htb and prio do`);
  }
  return { dev, q, list, parentSaid: parent !== null, protocol, prio, handle };
}

function readProtocol(c: Cursor): number {
  const word = c.take('protocol');
  const name = word.toLowerCase();
  if (Object.hasOwn(PROTOCOLS, name)) return PROTOCOLS[name]!;
  if (/^0x[0-9a-f]{1,4}$/.test(name)) return Number(name);
  throw c.wrong(word, 'protocol', `${Object.keys(PROTOCOLS).join(', ')} or a number such as 0x88cc`);
}

function readPrio(c: Cursor): number {
  const prio = c.integer('prio');
  if (prio < 1 || prio > 0xffff) throw c.wrong(String(prio), 'prio', 'a number from 1 to 65535');
  return prio;
}

// ---- changing -------------------------------------------------------------------------------------------------------

function add(host: ToolHost, verb: 'add' | 'replace', words: readonly string[]): void {
  const c = new Cursor(words, `tc filter ${verb}`);
  const { q, list, protocol: said, prio: saidPrio, handle } = readPlace(host, c);
  const kind = c.take('the kind of filter') as FilterKind;
  if (!KINDS.includes(kind)) throw unknownWord(c.tool, kind, KINDS.join(', '));
  const protocol = said ?? ETH_P_ALL;
  const prio = saidPrio ?? list.autoPrio();
  // What is wrong on the line is said before anything has changed.
  const there = list.protos.find((proto) => proto.prio === prio);
  if (there !== undefined && (there.kind !== kind || there.protocol !== protocol)) {
    const has = `prio ${String(prio)} has ${there.kind} filters of ${protocolName(there.protocol)}`;
    throw new ToolError(`${c.tool}: ${has}: one kind and one protocol to a precedence`);
  }
  const filter = make(c, kind, protocol, handleOf(c, kind, handle, there), q);
  const same = there?.filters.find((other) => other.handle === filter.handle);
  if (same !== undefined && verb === 'add') throw new ToolError(`${c.tool}: there is such a filter; use replace`);
  if ((there?.filters.length ?? 0) >= FILTERS_MAX) {
    throw new ToolError(`${c.tool}: prio ${String(prio)} has ${String(FILTERS_MAX)} filters: the most that there may be`);
  }
  const { filters } = list.proto(prio, protocol, kind)!;
  if (same === undefined) filters.push(filter);
  else filters[filters.indexOf(same)] = filter;
}

function make(c: Cursor, kind: FilterKind, protocol: number, handle: Handle, q: Qdisc): Filter {
  const classid = (): number => readFlowid(c, q);
  switch (kind) {
    case 'u32': {
      const { keys, mark, markMask, to } = readU32(c, classid);
      return new U32Filter(handle.n, to, keys, mark, markMask);
    }
    case 'flower': {
      const { keys, to } = readFlower(c, protocol, classid);
      return new FlowerFilter(handle.n, to, keys);
    }
    default: {
      if (!c.accept('flowid', 'classid')) throw c.wrong(c.peek ?? '', kind, "'flowid 1:10'");
      const to = classid();
      if (c.peek !== null) throw unknownWord(`tc: ${kind}`, c.peek, 'nothing more');
      return kind === 'fw' ? new FwFilter(handle.n, handle.mask, to) : new MatchallFilter(handle.n, to);
    }
  }
}

/** `flowid 1:10`: a class of this discipline. */
function readFlowid(c: Cursor, q: Qdisc): number {
  const word = c.take('flowid');
  const m = /^([0-9a-f]{0,4}):([0-9a-f]{0,4})$/i.exec(word);
  if (m === null || (m[1] !== '' && parseInt(m[1]!, 16) !== q.handle)) {
    throw c.wrong(word, 'flowid', `a class of ${showClassid(q.handle, 0)} such as '${showClassid(q.handle, 0x10)}'`);
  }
  return m[2] === '' ? 0 : parseInt(m[2]!, 16);
}

interface Handle {
  readonly n: number;
  /** fw's. */
  readonly mask: number;
}

/** The number of the filter: what is said, else the next free one. fw's is the mark. */
function handleOf(c: Cursor, kind: FilterKind, said: string | null, proto: FilterProto | undefined): Handle {
  const taken = proto?.filters ?? [];
  if (kind === 'fw') {
    const m = said === null ? null : /^(0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?$/i.exec(said);
    if (m === null) throw c.wrong(said ?? '', 'handle', "the mark of fw, such as 'handle 6' or 'handle 0x10/0xf0'");
    const mask = m[2] === undefined ? 0xffffffff : Number(m[2]);
    return { n: (Number(m[1]) & mask) >>> 0, mask };
  }
  const first = kind === 'u32' ? U32_FIRST : 1;
  if (said === null) {
    let n = first;
    while (taken.some((filter) => filter.handle === n)) n++;
    return { n, mask: 0 };
  }
  const m = kind === 'u32' ? /^(?:[0-9a-f]{0,3}:[0-9a-f]{0,2}:)([0-9a-f]{1,3})$/i.exec(said) : /^(0x[0-9a-f]+|\d+)$/i.exec(said);
  if (m === null) throw c.wrong(said, 'handle', kind === 'u32' ? "one such as '800::801' or '::801'" : 'a number');
  return { n: kind === 'u32' ? parseInt(m[1]!, 16) : Number(m[1]), mask: 0 };
}

function remove(host: ToolHost, words: readonly string[]): void {
  const c = new Cursor(words, 'tc filter del');
  const { list, protocol, prio, handle } = readPlace(host, c);
  const kind = c.peek === null ? null : c.take('') as FilterKind;
  if (kind !== null && !KINDS.includes(kind)) throw unknownWord(c.tool, kind, `${KINDS.join(', ')}, or nothing`);
  if (handle !== null && prio === null) throw new ToolError("tc filter del: 'handle' needs 'prio', too");
  const found = list.protos.filter((p) =>
    (prio === null || p.prio === prio) && (protocol === null || p.protocol === protocol) && (kind === null || p.kind === kind));
  if (prio !== null && found.length === 0) throw new ToolError(`tc filter del: there are no filters of prio ${String(prio)} as described`);
  for (const proto of found) {
    const n = handle === null ? 0 : handleOf(c, proto.kind, handle, proto).n;
    if (list.remove(proto, n).length === 0 && handle !== null) throw new ToolError(`tc filter del: there is no filter ${handle}`);
  }
}

// ---- showing --------------------------------------------------------------------------------------------------------

function show(host: ToolHost, words: readonly string[]): string {
  const c = new Cursor(words, 'tc filter show');
  const at = words.indexOf('dev');
  const dev = at < 0 ? null : host.net.devices.find((d) => d?.name === words[at + 1]) ?? null;
  if (dev !== null && !words.includes('parent') && (dev.qdisc === null || dev.qdisc.filters === null)) return '';
  const { q, list, parentSaid, prio, protocol } = readPlace(host, c);
  if (c.peek !== null) throw unknownWord('tc filter show', c.peek, "'dev NAME', 'parent 1:', 'protocol NAME', 'prio N'");
  const lines: string[] = [];
  for (const proto of list.protos) {
    if ((prio !== null && proto.prio !== prio) || (protocol !== null && proto.protocol !== protocol)) continue;
    const head = `filter ${parentSaid ? '' : `parent ${showClassid(q.handle, 0)} `}`
      + `${protocol === null ? `protocol ${protocolName(proto.protocol)} ` : ''}${prio === null ? `pref ${String(proto.prio)} ` : ''}`
      + `${proto.kind} chain 0 `;
    lines.push(head);
    if (proto.kind === 'u32') lines.push(`${head}fh ${proto.table.toString(16)}: ht divisor 1 `);
    for (const filter of proto.filters) lines.push(...showFilter(head, proto, filter, q));
  }
  return text(lines);
}

function showFilter(head: string, proto: FilterProto, filter: Filter, q: Qdisc): string[] {
  const to = showClassid(q.handle, filter.classid);
  if (filter instanceof U32Filter) return u32Lines(head, proto.table, filter, to);
  if (filter instanceof FwFilter) {
    const mask = filter.mask === 0xffffffff ? '' : `/0x${filter.mask.toString(16)}`;
    return [`${head}handle 0x${filter.handle.toString(16)}${mask} classid ${to} `];
  }
  const handle = `${head}handle 0x${filter.handle.toString(16)} `;
  if (filter instanceof FlowerFilter) return [`${handle}classid ${to} `, ...flowerLines(filter.keys, proto.protocol), '  not_in_hw'];
  return [`${handle}flowid ${to} `, '  not_in_hw'];
}

function protocolName(protocol: number): string {
  const name = Object.entries(PROTOCOLS).find(([, n]) => n === protocol)?.[0];
  return name === undefined ? `[${String(protocol)}]` : name === '802.1q' ? '802.1Q' : name;
}
