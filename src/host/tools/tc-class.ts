/**
 * `tc class`: the classes of a discipline. Those of prio, tbf and netem are there by themselves; those of htb are made here.
 *
 *     tc class add dev eth0 parent 1: classid 1:1 htb rate 10mbit            tc -s class show dev eth0
 *     tc class add dev eth0 parent 1:1 classid 1:10 htb rate 6mbit ceil 10mbit prio 1
 *     tc class change|replace dev eth0 classid 1:10 htb rate 4mbit           tc class del dev eth0 classid 1:10
 */
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../lib/errno.ts';
import type { NetDevice } from '../../dev/net-device.ts';
import type { Qdisc } from '../../dev/qdisc.ts';
import { qdiscList } from '../../dev/sched/api.ts';
import type { HtbClass } from '../../dev/sched/htb-class.ts';
import { Htb } from '../../dev/sched/htb.ts';
import { Prio } from '../../dev/sched/prio.ts';
import { text, ToolError, unknownWord, type ToolHost } from './command.ts';
import { parseHtbClassWords } from './tc-parse.ts';
import { device, deviceNames, inKernel, readClassid, showClassid } from './tc-place.ts';
import { showStats } from './tc-show.ts';
import { Cursor, showRate, showSize } from './tc-units.ts';

/** Nanoseconds of a tick of the kernel's packet scheduler clock, in which it tells of tokens. */
const NS_PER_TICK = 64;

/** `tc class` with its words. */
export function tcClass(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const [verb = 'show', ...rest] = words;
  switch (verb) {
    case 'show': case 'list': case 'ls': return show(host, rest, flags);
    case 'add': case 'change': case 'replace': return inKernel(host, () => { modify(host, verb, rest); });
    case 'del': case 'delete': return inKernel(host, () => { remove(host, rest); });
    default: throw unknownWord('tc class', verb, 'show, add, replace, change or del');
  }
}

// ---- changing -------------------------------------------------------------------------------------------------------

/** What a line says before the kind. */
interface ClassPlace {
  readonly dev: NetDevice;
  readonly q: Htb;
  readonly minor: number;
  readonly parent: HtbClass | null;
  readonly parentSaid: boolean;
}

function readClassPlace(host: ToolHost, c: Cursor): ClassPlace {
  let dev: NetDevice | null = null;
  let own: ReturnType<typeof readClassid> | null = null;
  let above: ReturnType<typeof readClassid> | null = null;
  let root = false;
  const need = (): NetDevice => {
    if (dev === null) throw new ToolError(`${c.tool}: 'dev NAME' is missing; there are ${deviceNames(host)}`);
    return dev;
  };
  for (;;) {
    if (c.accept('dev')) dev = device(host, c);
    else if (c.accept('root')) root = true;
    else if (c.accept('parent')) above = readClassid(need(), c, 'parent');
    else if (c.accept('classid')) own = readClassid(need(), c, 'classid');
    else break;
  }
  need();
  if (own === null || own.minor === 0) throw new ToolError(`${c.tool}: 'classid 1:10' is missing: the number of the class`);
  const { q, minor } = own;
  if (!(q instanceof Htb)) throw new ToolError(`${c.tool}: ${q.kind} ${showClassid(q.handle, 0)} makes no classes; htb does`);
  if (above !== null && above.q !== q) throw new ToolError(`${c.tool}: parent: it is of another discipline than the class`);
  const parent = above === null || above.minor === 0 ? null : q.find(above.minor);
  if (above !== null && above.minor !== 0 && parent === null) {
    throw new ToolError(`${c.tool}: parent: there is no class ${showClassid(q.handle, above.minor)}`);
  }
  return { dev: need(), q, minor, parent, parentSaid: root || above !== null };
}

function modify(host: ToolHost, verb: 'add' | 'change' | 'replace', words: readonly string[]): void {
  const c = new Cursor(words, `tc class ${verb}`);
  const { q, minor, parent, parentSaid } = readClassPlace(host, c);
  const kind = c.take('the kind of class');
  if (kind !== 'htb') throw unknownWord(c.tool, kind, "'htb'");
  const options = parseHtbClassWords(c.rest);
  const old = q.find(minor);
  if (old !== null && verb !== 'add') {
    if (parentSaid && old.parent !== parent) throw new ToolError(`${c.tool}: parent: a class stays where it is; it is below another one`);
    q.changeClass(old, options);
    return;
  }
  const id = showClassid(q.handle, minor);
  if (verb === 'change') throw new ToolError(`${c.tool}: there is no class ${id}; use add or replace`);
  const err = q.addClass(minor, parent, options);
  if (err === -EEXIST) throw new ToolError(`${c.tool}: there is a class ${id}; use replace or change`);
  if (err === -EINVAL) throw new ToolError(`${c.tool}: the tree is too deep: a class has at most seven above it`);
}

function remove(host: ToolHost, words: readonly string[]): void {
  const c = new Cursor(words, 'tc class del');
  const { q, minor } = readClassPlace(host, c);
  const id = showClassid(q.handle, minor);
  const err = q.deleteClass(minor);
  if (err === -ENOENT) throw new ToolError(`tc class del: there is no class ${id}`);
  if (err === -EBUSY) throw new ToolError(`tc class del: ${id} is in use: it has classes below it, or a filter leads to it`);
}

// ---- showing --------------------------------------------------------------------------------------------------------

function show(host: ToolHost, words: readonly string[], flags: ReadonlySet<string>): string {
  const c = new Cursor(words, 'tc class show');
  let dev: NetDevice | null = null;
  let only: ReturnType<typeof readClassid> | null = null;
  for (let word = c.peek; word !== null; word = c.peek) {
    if (c.accept('dev')) dev = device(host, c);
    else if (c.accept('classid') && dev !== null) only = readClassid(dev, c, 'classid');
    else throw unknownWord('tc class show', word, "'dev NAME', 'classid 1:10'");
  }
  if (dev === null) throw new ToolError(`tc class show: 'dev NAME' is missing; there are ${deviceNames(host)}`);
  const lines: string[] = [];
  for (const q of qdiscList(dev)) {
    if (q.handle === 0 || (only !== null && q !== only.q)) continue;
    const wanted = (minor: number): boolean => only === null || only.minor === minor;
    if (q instanceof Htb) {
      for (const cl of q.htbClasses) if (wanted(cl.minor)) lines.push(...showHtbClass(q, cl, flags));
    } else {
      q.classes.forEach((child, i) => {
        if (wanted(i + 1)) lines.push(...showClass(q, child, i + 1, flags));
      });
    }
  }
  return text(lines);
}

function showClass(q: Qdisc, child: Qdisc | null, minor: number, flags: ReadonlySet<string>): string[] {
  const id = showClassid(q.handle, minor);
  const lines = [`class ${q.kind} ${id} parent ${showClassid(q.handle, 0)} ${leafOf(child)}`];
  if (flags.has('s')) lines.push(...(q instanceof Prio ? showStats(child).slice(0, 2) : []), '');
  return lines;
}

/** `leaf 10: `; what a class has by default is not named. */
function leafOf(child: Qdisc | null): string {
  return child === null || child.handle === 0 ? '' : `leaf ${showClassid(child.handle, 0)} `;
}

function showHtbClass(q: Htb, cl: HtbClass, flags: ReadonlySet<string>): string[] {
  const n = String;
  const d = flags.has('d');
  const place = cl.parent === null ? 'root' : `parent ${showClassid(q.handle, cl.parent.minor)}`;
  const { rate, ceil } = cl;
  const overhead = (of: number): string => (of === 0 ? '' : `overhead ${n(of)} `);
  const layer = d ? `linklayer ${rate.cells ? 'atm' : 'ethernet'} ` : '';
  const burst = (bytes: number, mpu: number): string => (d ? `${showSize(bytes)}/1 mpu ${showSize(mpu)} ` : `${showSize(bytes)} `);
  const lines = [
    `class htb ${showClassid(q.handle, cl.minor)} ${place} ${leafOf(cl.q)}${cl.leaf ? `prio ${n(cl.prio)} ` : ''}`
    + `${d && cl.leaf ? `quantum ${n(cl.quantum)} ` : ''}rate ${showRate(rate.bytesPerSecond * 8)} ${overhead(rate.overhead)}`
    + `ceil ${showRate(ceil.bytesPerSecond * 8)} ${layer}burst ${burst(cl.burst, rate.mpu)}cburst ${burst(cl.cburst, ceil.mpu)}`
    + `${d ? `level ${n(cl.level)} ` : ''}`,
  ];
  if (!flags.has('s')) return lines;
  const ticks = (ns: number): string => n(Math.floor(ns / NS_PER_TICK));
  return [
    ...lines,
    ` Sent ${n(cl.bytes)} bytes ${n(cl.packets)} pkt (dropped ${n(cl.drops)}, overlimits ${n(cl.overlimits)} requeues 0) `,
    ` backlog ${showSize(cl.q?.backlog ?? 0)} ${n(cl.q?.qlen ?? 0)}p requeues 0`,
    ` lended: ${n(cl.lends)} borrowed: ${n(cl.borrows)} giants: 0`,
    ` tokens: ${ticks(cl.tokens)} ctokens: ${ticks(cl.ctokens)}`,
    '',
  ];
}
