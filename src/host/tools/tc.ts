/**
 * `tc qdisc`: the queueing disciplines of a host, with tc(8)'s own words. Classes: `tc-class.ts`; filters: `tc-filter.ts`.
 *
 *     tc qdisc add dev eth0 root handle 1: netem delay 100ms 10ms 25% loss gemodel 1% 10%
 *     tc qdisc add dev eth0 parent 1:1 handle 10: fq_codel
 *     tc qdisc change dev eth0 root handle 1: netem delay 50ms      tc qdisc replace dev eth0 root fq
 *     tc -s qdisc show dev eth0                                     tc qdisc del dev eth0 root
 */
import type { NetDevice } from '../../dev/net-device.ts';
import type { Qdisc } from '../../dev/qdisc.ts';
import { parseHandle, qdiscAllocHandle, qdiscGraftRoot, qdiscList, qdiscLookup, qdiscRestoreDefault } from '../../dev/sched/api.ts';
import { Htb } from '../../dev/sched/htb.ts';
import { QDISC_KINDS, qdiscChange, qdiscCreate, type QdiscKind, type QdiscOptions } from '../../dev/sched/kinds.ts';
import { parseWords, text, ToolError, unknownWord, type Flags, type ToolHost } from './command.ts';
import { tcClass } from './tc-class.ts';
import { tcFilter } from './tc-filter.ts';
import { parseQdiscWords } from './tc-parse.ts';
import { device, deviceNames, inKernel } from './tc-place.ts';
import { showQdisc, showStats } from './tc-show.ts';
import { Cursor } from './tc-units.ts';

const FLAGS: Flags = { s: 's', statistics: 's', stats: 's', d: 'd', details: 'd' };
const VERBS = 'show, add, replace, change or del';

/** `tc` with its arguments. */
export function tc(host: ToolHost, args: readonly string[]): string {
  // Options stand in front of the object; behind it '-' begins nothing of tc's.
  const at = args.findIndex((word) => !word.startsWith('-'));
  const { flags } = parseWords('tc', at < 0 ? args : args.slice(0, at), FLAGS);
  const [object, ...words] = at < 0 ? [] : args.slice(at);
  if (object === undefined) throw new ToolError("tc: the object is missing; expected 'qdisc', 'class' or 'filter'");
  switch (object) {
    case 'qdisc': case 'qd': return tcQdisc(host, words, flags.has('s'));
    case 'class': case 'cl': return tcClass(host, words, flags);
    case 'filter': case 'f': return tcFilter(host, words);
    default: throw unknownWord('tc', object, "'qdisc', 'class' or 'filter'");
  }
}

function tcQdisc(host: ToolHost, words: readonly string[], stats: boolean): string {
  const [verb = 'show', ...rest] = words;
  switch (verb) {
    case 'show': case 'list': case 'ls': return showQdiscs(host, rest, stats);
    case 'dev': return showQdiscs(host, words, stats);
    case 'add': case 'replace': case 'change': return inKernel(host, () => modify(host, verb, rest));
    case 'del': case 'delete': return inKernel(host, () => remove(host, rest));
    default: throw unknownWord('tc qdisc', verb, VERBS);
  }
}

function showQdiscs(host: ToolHost, words: readonly string[], stats: boolean): string {
  const c = new Cursor(words, 'tc qdisc show');
  let only: NetDevice | null = null;
  for (let word = c.peek; word !== null; word = c.peek) {
    if (!c.accept('dev')) throw unknownWord('tc qdisc show', word, "'dev NAME'");
    only = device(host, c);
  }
  const lines: string[] = [];
  for (const dev of only === null ? host.net.devices.filter((d) => d !== null) : [only]) {
    const all = qdiscList(dev);
    for (const q of all.length === 0 ? [null] : all) {
      if (q !== null && q.parent !== null && q.handle === 0) continue; // what a class has by default is not shown
      lines.push(showQdisc(q, dev, only === null));
      if (stats) lines.push(...showStats(q));
    }
  }
  return text(lines);
}

/** Where a discipline goes. */
interface Place {
  readonly dev: NetDevice;
  /** The parent and its class; null: the root. */
  readonly parent: Qdisc | null;
  readonly minor: number;
  /** What is there. */
  readonly old: Qdisc | null;
  /** 0: not said. */
  readonly handle: number;
}

function readPlace(host: ToolHost, c: Cursor): Place {
  let dev: NetDevice | null = null;
  let root = false;
  let parent: string | null = null;
  let handle = 0;
  for (;;) {
    if (c.accept('dev')) dev = device(host, c);
    else if (c.accept('root')) root = true;
    else if (c.accept('parent')) parent = c.take('parent');
    else if (c.accept('handle')) handle = readHandle(c, c.take('handle'));
    else break;
  }
  if (dev === null) throw new ToolError(`tc qdisc: 'dev NAME' is missing; there are ${deviceNames(host)}`);
  if (root && parent !== null) throw new ToolError("tc qdisc: 'root' and 'parent' are given; expected one of them");
  if (parent === 'root' || (parent === null && root)) return { dev, parent: null, minor: 0, old: dev.qdisc, handle };
  if (parent === null) {
    const old = qdiscLookup(dev, handle);
    if (handle === 0) {
      throw new ToolError("tc qdisc: the place is missing; expected 'root', 'parent 1:1' or the handle of one that there is");
    }
    if (old === null) throw new ToolError(`tc qdisc: ${dev.name} has no discipline ${handle.toString(16)}:`);
    return { dev, parent: old.parent, minor: old.parentClass, old, handle };
  }
  const m = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(parent);
  if (m === null) throw c.wrong(parent, 'parent', "a class such as '1:1', or 'root'");
  const q = qdiscLookup(dev, parseInt(m[1]!, 16));
  if (q === null) throw new ToolError(`tc qdisc: parent: ${dev.name} has no discipline ${m[1]!}:`);
  const minor = parseInt(m[2]!, 16);
  const old = q.leaf(minor);
  if (old === undefined) {
    const count = q.classes.length;
    const has = count === 0 ? 'has no classes' : q instanceof Htb ? 'has no such leaf' : `has classes 1 to ${String(count)}`;
    throw new ToolError(`tc qdisc: parent: '${parent}' is not understood; ${q.kind} ${m[1]!}: ${has}`);
  }
  return { dev, parent: q, minor, old, handle };
}

function readHandle(c: Cursor, word: string): number {
  const given = /^[0-9a-f]{1,4}$/i.test(word) ? `${word}:` : word; // tc takes the colon or leaves it
  try {
    return parseHandle(given);
  } catch {
    throw c.wrong(word, 'handle', "a hexadecimal number with a colon such as '1:'");
  }
}

/** add, replace, change (Linux: tc_modify_qdisc). */
function modify(host: ToolHost, verb: 'add' | 'replace' | 'change', words: readonly string[]): void {
  const c = new Cursor(words, `tc qdisc ${verb}`);
  const place = readPlace(host, c);
  const kind = c.peek ?? place.old?.kind ?? c.take('the kind of discipline');
  if (!(QDISC_KINDS as readonly string[]).includes(kind)) {
    throw unknownWord(`tc qdisc ${verb}`, kind, `a discipline: ${QDISC_KINDS.join(', ')}`);
  }
  const options = parseQdiscWords(kind as QdiscKind, c.rest.slice(1));
  const { old, handle } = place;
  const mine = old !== null && old.handle !== 0;
  const same = mine && old.kind === kind && (handle === 0 || handle === old.handle);
  if (verb === 'add' && same) {
    throw new ToolError(`tc qdisc add: ${place.dev.name} has ${old.kind} ${old.handle.toString(16)}: there; use replace or change`);
  }
  if (verb === 'change' && !same) {
    throw new ToolError(mine ? `tc qdisc change: there is ${old.kind} ${old.handle.toString(16)}:, another one; use replace`
      : 'tc qdisc change: there is nothing to change; use add or replace');
  }
  if (same) qdiscChange(old, options);
  else put(place, options);
}

function put(place: Place, options: QdiscOptions): void {
  const { dev, parent, minor, old } = place;
  const taken = qdiscLookup(dev, place.handle);
  if (taken !== null && taken !== old) {
    throw new ToolError(`tc qdisc: handle: ${place.handle.toString(16)}: is ${taken.kind} elsewhere on ${dev.name}`);
  }
  const q = qdiscCreate(dev, options);
  if (q === null) {
    if (parent !== null) throw new ToolError('tc qdisc: noqueue is nothing that could wait in a class');
    qdiscGraftRoot(dev, null);
    return;
  }
  q.handle = place.handle === 0 ? qdiscAllocHandle(dev) : place.handle;
  if (parent === null) {
    qdiscGraftRoot(dev, q);
    return;
  }
  q.parent = parent;
  q.parentClass = minor;
  parent.setClass(minor, q);
}

function remove(host: ToolHost, words: readonly string[]): void {
  const c = new Cursor(words, 'tc qdisc del');
  const { dev, parent, minor, old, handle } = readPlace(host, c);
  if (c.peek !== null && c.take('') !== old?.kind) {
    throw new ToolError(`tc qdisc del: '${words.at(-1)!}' is not what is there: ${old?.kind ?? 'nothing'}`);
  }
  const given = old !== null ? old.handle !== 0 : dev.noqueue;
  if (!given) throw new ToolError('tc qdisc del: nothing of yours is there: what a device begins with has no handle and stays');
  if (handle !== 0 && handle !== old?.handle) {
    throw new ToolError(`tc qdisc del: there is ${old?.kind ?? 'noqueue'} ${(old?.handle ?? 0).toString(16)}:`);
  }
  if (parent === null) qdiscRestoreDefault(dev);
  else parent.setClass(minor, null);
}
