/**
 * Disciplines of a device: which there are, put in place, taken away (Linux: sch_api.c). The tree hangs from `dev.qdisc`.
 */
import type { NetDevice } from '../net-device.ts';
import { FIRST_OWN_HANDLE, type Qdisc } from '../qdisc.ts';
import { ARPHRD_LOOPBACK } from '../net-device.ts';
import { qdiscCreate, type QdiscOptions } from './kinds.ts';

/** All of a device, the root first, each before those below it. */
export function qdiscList(dev: NetDevice): Qdisc[] {
  const out: Qdisc[] = [];
  const walk = (q: Qdisc): void => {
    out.push(q);
    for (const child of q.classes) if (child !== null) walk(child);
  };
  if (dev.qdisc !== null) walk(dev.qdisc);
  return out;
}

/** The one with that number; null when there is none. Disciplines that nobody asked for have none. */
export function qdiscLookup(dev: NetDevice, handle: number): Qdisc | null {
  return handle === 0 ? null : qdiscList(dev).find((q) => q.handle === handle) ?? null;
}

/** A number that nobody has (Linux: qdisc_alloc_handle). */
export function qdiscAllocHandle(dev: NetDevice): number {
  let handle = FIRST_OWN_HANDLE + 1;
  while (qdiscLookup(dev, handle) !== null) handle++;
  return handle;
}

/** What the device begins with: net.core.default_qdisc, nothing for loopback and for a device with a txqueuelen of 0. */
export function qdiscDefault(dev: NetDevice): Qdisc | null {
  if (dev.type === ARPHRD_LOOPBACK || dev.txQueueLen === 0) return null;
  return qdiscCreate(dev, { kind: dev.net.sysctl.defaultQdisc as 'pfifo_fast' });
}

/** Makes `q` the root; what was there ends with all that waits in it. Null: packets go straight to the driver. */
export function qdiscGraftRoot(dev: NetDevice, q: Qdisc | null): void {
  dev.qdisc?.reset();
  dev.qdisc = q;
  dev.noqueue = q === null;
}

/** Takes the user's discipline away: the device has what it began with. */
export function qdiscRestoreDefault(dev: NetDevice): void {
  qdiscGraftRoot(dev, dev.up ? qdiscDefault(dev) : null);
  dev.noqueue = false;
}

/** Makes a discipline with all that is said to be below it. Handles that are not given are free ones. */
export function qdiscMakeTree(dev: NetDevice, options: QdiscOptions): Qdisc | null {
  const q = qdiscCreate(dev, options);
  if (q === null) return null;
  const taken = new Set(qdiscList(dev).map((other) => other.handle));
  number(q, options, taken);
  addChildren(dev, q, options, taken);
  return q;
}

function addChildren(dev: NetDevice, q: Qdisc, options: QdiscOptions, taken: Set<number>): void {
  const below = 'children' in options ? options.children ?? [] : 'child' in options && options.child !== undefined ? [options.child] : [];
  if (!Array.isArray(below)) throw new TypeError('children: expected an array of disciplines, one per band');
  if (below.length > q.classes.length) throw new RangeError(`children: ${String(below.length)} for ${String(q.classes.length)} bands`);
  (below as readonly QdiscOptions[]).forEach((say, i) => { addChild(dev, q, i + 1, say, taken); });
  if (options.kind !== 'htb') return;
  for (const { id, child } of options.classes ?? []) {
    if (child === undefined) continue;
    if (q.leaf(id) === undefined) throw new RangeError(`child: class 0x${id.toString(16)} has classes below it, where nothing can wait`);
    addChild(dev, q, id, child, taken);
  }
}

function addChild(dev: NetDevice, q: Qdisc, minor: number, say: QdiscOptions, taken: Set<number>): void {
  const child = qdiscCreate(dev, say);
  if (child === null) throw new TypeError('child: noqueue is nothing that could wait in a class');
  number(child, say, taken);
  child.parent = q;
  child.parentClass = minor;
  addChildren(dev, child, say, taken);
  q.setClass(minor, child);
}

function number(q: Qdisc, options: QdiscOptions, taken: Set<number>): void {
  if (options.handle !== undefined) {
    q.handle = parseHandle(options.handle);
    if (taken.has(q.handle) && q.handle !== q.dev.qdisc?.handle) throw new RangeError(`handle: ${options.handle} is taken`);
  } else {
    q.handle = FIRST_OWN_HANDLE + 1;
    while (taken.has(q.handle)) q.handle++;
  }
  taken.add(q.handle);
}

/** `'1:'`, `'ffe:'`: hexadecimal, as tc(8) has it. */
export function parseHandle(text: unknown): number {
  const m = typeof text === 'string' ? /^([0-9a-f]{1,4}):$/i.exec(text) : null;
  const handle = m === null ? 0 : parseInt(m[1]!, 16);
  if (handle === 0 || handle === 0xffff) {
    const shown = typeof text === 'string' ? `'${text}'` : typeof text;
    throw new TypeError(`handle: ${shown} is not understood; expected a hexadecimal number with a colon such as '1:'`);
  }
  return handle;
}
